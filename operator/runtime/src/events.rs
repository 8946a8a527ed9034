//! What happened, for people: each event once, to the log, to a bounded ring, and to whoever the Application names.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crd_schema::record::{self, Ended, Record, Rejection, Stage};
use crd_schema::{Application, ApplicationName};
use jiff::Timestamp;
use planner::{Report, WaitingOn, Write};
use serde::Serialize;
use tokio::sync::mpsc;

pub use crd_schema::event::Reason;

use crate::executor::Enacted;
use crate::metrics::Metrics;
use crate::notify::{Notice, Notified, WAITING};
use crate::outcome::Outcome;

/// Events that the ring keeps.
const KEPT: usize = 512;

/// One event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Event {
    /// Not that of any other event.
    pub id: String,
    /// When it was noticed.
    pub at: Timestamp,
    /// The application's name.
    pub application: String,
    /// What happened.
    pub reason: Reason,
    /// The same as a sentence.
    pub note: String,
}

/// The newest events, shared with readers. Clones are one ring.
#[derive(Debug, Clone, Default)]
pub struct Events {
    ring: Arc<Mutex<VecDeque<Event>>>,
    emitted: Arc<AtomicU64>,
    outbox: Option<Outbox>,
}

/// The way to [`crate::notify`].
#[derive(Debug, Clone)]
struct Outbox {
    notices: mpsc::Sender<Notice>,
    metrics: Arc<Metrics>,
}

impl Events {
    /// Events that are told outward, too: what is to be sent, as long as there is room for it.
    pub(crate) fn outward(metrics: &Arc<Metrics>) -> (Self, mpsc::Receiver<Notice>) {
        let (notices, receiver) = mpsc::channel(WAITING);
        let metrics = Arc::clone(metrics);
        let events = Self {
            outbox: Some(Outbox { notices, metrics }),
            ..Self::default()
        };
        (events, receiver)
    }

    /// The newest events, oldest first.
    pub fn newest(&self) -> Vec<Event> {
        self.ring
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .cloned()
            .collect()
    }

    /// It happened to the application; `to` is as its spec says, where that is known. Never waits.
    pub(crate) fn emit(
        &self,
        application: &ApplicationName,
        to: Option<&Application>,
        reason: Reason,
        note: String,
        at: Timestamp,
    ) {
        if reason.is_warning() {
            tracing::warn!(%application, event = reason.as_str(), note, "event");
        } else {
            tracing::info!(%application, event = reason.as_str(), note, "event");
        }
        let number = self.emitted.fetch_add(1, Ordering::Relaxed);
        let event = Event {
            id: format!("{application}-{}-{number}", at.as_millisecond()),
            at,
            application: application.to_string(),
            reason,
            note,
        };
        let to = to
            .into_iter()
            .flat_map(|application| &application.notifications);
        for to in to.filter(|to| to.wants(reason)) {
            self.tell(Notice {
                event: event.clone(),
                to: to.webhook.clone(),
            });
        }
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        if ring.len() == KEPT {
            ring.pop_front();
        }
        ring.push_back(event);
    }

    fn tell(&self, notice: Notice) {
        let Some(Outbox { notices, metrics }) = &self.outbox else {
            return;
        };
        if let Err(error) = notices.try_send(notice) {
            metrics.notified(Notified::Dropped);
            tracing::warn!(%error, "a notification was dropped: too many wait to be sent");
        }
    }
}

/// What happened, and the same as a sentence.
pub(crate) type Told = (Reason, String);

/// A reconcile that did not come to its end.
pub(crate) fn of_failure(outcome: Outcome, why: Option<&str>) -> Option<Told> {
    let reason = if outcome == Outcome::Panicked {
        Reason::ReconcilePanicked
    } else if outcome == Outcome::TimedOut {
        Reason::ReconcileTimedOut
    } else {
        return None;
    };
    Some((reason, why.unwrap_or_default().to_owned()))
}

/// What happened between two records.
pub(crate) fn of_record(before: &Record, now: &Record) -> Vec<Told> {
    let mut events = Vec::new();
    let rolled = |record: &Record| {
        record
            .rollout
            .as_ref()
            .map(|rollout| rollout.release.generation)
    };
    for Rejection {
        version, reason, ..
    } in now
        .rejected
        .iter()
        .filter(|one| !before.rejected.contains(one))
    {
        events.push((
            Reason::ReleaseRejected,
            format!("{version} failed and is not tried again: {reason}"),
        ));
    }
    for Ended {
        version, outcome, ..
    } in ended_since(before, now)
    {
        events.push(match outcome {
            record::Outcome::Succeeded => {
                (Reason::ReleaseSucceeded, format!("{version} serves alone"))
            }
            record::Outcome::RolledBack => (
                Reason::RolledBack,
                format!("the rollout of {version} was rolled back"),
            ),
            record::Outcome::Aborted => (
                Reason::ReleaseAborted,
                format!("the rollout of {version} was ended"),
            ),
            record::Outcome::Superseded => (
                Reason::ReleaseSuperseded,
                format!("a newer release took the place of {version}"),
            ),
        });
    }
    if let Some(rollout) = now
        .rollout
        .as_ref()
        .filter(|_| rolled(before) != rolled(now))
    {
        events.push((
            Reason::ReleaseStarted,
            format!("the rollout of {} began", rollout.release.version),
        ));
    }
    events
}

/// Rollouts that ended between two records.
pub(crate) fn ended_since<'a>(
    before: &'a Record,
    now: &'a Record,
) -> impl Iterator<Item = &'a Ended> {
    now.history
        .iter()
        .filter(|ended| !before.history.contains(ended))
}

/// What happened between two reports.
pub(crate) fn of_report(before: Option<&Report>, now: &Report) -> Vec<Told> {
    let mut events = Vec::new();
    if before.is_some_and(|before| before.stage != now.stage) {
        match now.stage {
            Stage::Bake => events.push((
                Reason::BakeStarted,
                "the new release serves everything".to_owned(),
            )),
            Stage::CleanUp => events.push((
                Reason::CleanUpStarted,
                "the old release is being removed".to_owned(),
            )),
            Stage::RollBack => {
                events.push((
                    Reason::RollBackStarted,
                    "traffic goes back to the last good release".to_owned(),
                ));
            }
            Stage::ScaleUp | Stage::Validate | Stage::Shift | Stage::Settled => {}
        }
    }
    if now.drifted && !before.is_some_and(|before| before.drifted) {
        events.push((
            Reason::DriftDetected,
            "production weights are not what they should be".to_owned(),
        ));
    }
    match (before.and_then(hold), hold(now)) {
        (before, Some(hold)) if before.is_none_or(|before| before.label() != hold.label()) => {
            events.push((
                Reason::Holding,
                format!("{}: {}", hold.label(), hold.message()),
            ));
        }
        (Some(before), None) => {
            events.push((Reason::HoldEnded, format!("{} is over", before.label())))
        }
        (Some(_) | None, Some(_)) | (None, None) => {}
    }
    events
}

fn hold(report: &Report) -> Option<&planner::Hold> {
    match &report.waiting_on {
        WaitingOn::Hold(hold) => Some(hold),
        WaitingOn::Nothing
        | WaitingOn::OwnStep
        | WaitingOn::Frozen(_)
        | WaitingOn::StepRefused { .. }
        | WaitingOn::Observation { .. }
        | WaitingOn::StartBound
        | WaitingOn::OutstandingWrite { .. }
        | WaitingOn::ReadYourWrites { .. }
        | WaitingOn::OldServiceGone { .. }
        | WaitingOn::Tasks { .. }
        | WaitingOn::HealthyTargets { .. }
        | WaitingOn::SteadyTasks { .. }
        | WaitingOn::Settle
        | WaitingOn::Pause
        | WaitingOn::Promotion
        | WaitingOn::Gate { .. }
        | WaitingOn::Analysis { .. }
        | WaitingOn::Approval { .. }
        | WaitingOn::BakeTime
        | WaitingOn::KeepBlue
        | WaitingOn::Drain { .. }
        | WaitingOn::Deletion { .. } => None,
    }
}

/// The event of one write.
pub(crate) fn of_write(write: &Write, enacted: &Enacted, report: &Report) -> Option<Told> {
    match enacted {
        Enacted::Applied => {
            let reason = match write {
                Write::RegisterTaskDefinition { .. } => Reason::TaskDefinitionRegistered,
                Write::CreateTargetGroup { .. } => Reason::TargetGroupCreated,
                Write::CreateService { .. } => Reason::ServiceCreated,
                Write::ScaleService { .. } => Reason::ServiceScaled,
                Write::SetWeights { .. } | Write::UpdateService { .. } if report.drifted => {
                    Reason::DriftHealed
                }
                Write::UpdateService { .. } => Reason::ServiceUpdated,
                Write::SetWeights { .. } => Reason::TrafficShifted,
                Write::DeleteTargetGroup { .. } => Reason::TargetGroupDeleted,
                Write::DeleteService { .. } => Reason::ServiceDeleted,
                Write::PutRecord(_)
                | Write::SetGroupAttributes { .. }
                | Write::TagService { .. }
                | Write::DeregisterTaskDefinition { .. } => return None,
                Write::SetScaling { .. } => Reason::AutoscalingMoved,
            };
            Some((reason, write.describe()))
        }
        Enacted::Refused(why) => {
            Some((Reason::WriteRefused, format!("{}: {why}", write.describe())))
        }
        Enacted::Unknown(why) => {
            Some((Reason::WriteUnknown, format!("{}: {why}", write.describe())))
        }
        Enacted::ObserveOnly
        | Enacted::Standby
        | Enacted::PlanAged(_)
        | Enacted::GuardRefused(_)
        | Enacted::NoAuthority
        | Enacted::Changed(_)
        | Enacted::Unread(_)
        | Enacted::NotSent(_) => None,
    }
}
