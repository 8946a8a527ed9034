//! What happened, for people: a closed catalogue, each event once, to the log and to a bounded ring.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use crd_schema::ApplicationName;
use crd_schema::record::{self, Ended, Record, Rejection, Stage};
use jiff::Timestamp;
use planner::{Report, WaitingOn, Write};
use serde::Serialize;

use crate::executor::Enacted;
use crate::outcome::Outcome;

/// Events that the ring keeps.
const KEPT: usize = 512;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub enum Reason {
    /// A rollout of another release began.
    ReleaseStarted,
    /// Its task definition was registered.
    TaskDefinitionRegistered,
    /// A target group was created.
    TargetGroupCreated,
    /// A service was created.
    ServiceCreated,
    /// A service's desired count was changed.
    ServiceScaled,
    /// Weights of a rule were changed.
    TrafficShifted,
    /// Green serves everything; blue stands by.
    BakeStarted,
    /// Blue is being drained and removed.
    CleanUpStarted,
    /// Traffic goes back to the last good release.
    RollBackStarted,
    /// A target group was deleted.
    TargetGroupDeleted,
    /// A service was deleted.
    ServiceDeleted,
    /// The release serves alone.
    ReleaseSucceeded,
    /// The generation failed and is not tried again.
    ReleaseRejected,
    /// The rollout ended with the last good release.
    RolledBack,
    /// The rollout was ended by a person or by a change back to what serves.
    ReleaseAborted,
    /// A newer release took the rollout's place.
    ReleaseSuperseded,
    /// Production weights differ from what was last asked for.
    DriftDetected,
    /// They were put back.
    DriftHealed,
    /// Nothing is done until a person changes something.
    Holding,
    /// What held is gone.
    HoldEnded,
    /// AWS refused a write.
    WriteRefused,
    /// It is not known whether a write happened.
    WriteUnknown,
    /// The newest spec is not in force.
    SpecRefused,
    /// A changed spec is in force.
    SpecAccepted,
    /// The spec parameter is gone; everything is left as it is.
    Orphaned,
    /// A reconcile panicked: a bug.
    ReconcilePanicked,
    /// A reconcile took longer than it may.
    ReconcileTimedOut,
    /// The operator stopped between two steps and said so in the record.
    HandedOver,
}

impl Reason {
    /// The stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ReleaseStarted => "ReleaseStarted",
            Self::TaskDefinitionRegistered => "TaskDefinitionRegistered",
            Self::TargetGroupCreated => "TargetGroupCreated",
            Self::ServiceCreated => "ServiceCreated",
            Self::ServiceScaled => "ServiceScaled",
            Self::TrafficShifted => "TrafficShifted",
            Self::BakeStarted => "BakeStarted",
            Self::CleanUpStarted => "CleanUpStarted",
            Self::RollBackStarted => "RollBackStarted",
            Self::TargetGroupDeleted => "TargetGroupDeleted",
            Self::ServiceDeleted => "ServiceDeleted",
            Self::ReleaseSucceeded => "ReleaseSucceeded",
            Self::ReleaseRejected => "ReleaseRejected",
            Self::RolledBack => "RolledBack",
            Self::ReleaseAborted => "ReleaseAborted",
            Self::ReleaseSuperseded => "ReleaseSuperseded",
            Self::DriftDetected => "DriftDetected",
            Self::DriftHealed => "DriftHealed",
            Self::Holding => "Holding",
            Self::HoldEnded => "HoldEnded",
            Self::WriteRefused => "WriteRefused",
            Self::WriteUnknown => "WriteUnknown",
            Self::SpecRefused => "SpecRefused",
            Self::SpecAccepted => "SpecAccepted",
            Self::Orphaned => "Orphaned",
            Self::ReconcilePanicked => "ReconcilePanicked",
            Self::ReconcileTimedOut => "ReconcileTimedOut",
            Self::HandedOver => "HandedOver",
        }
    }

    /// A person should look.
    pub fn is_warning(self) -> bool {
        match self {
            Self::RollBackStarted
            | Self::ReleaseRejected
            | Self::RolledBack
            | Self::DriftDetected
            | Self::Holding
            | Self::WriteRefused
            | Self::WriteUnknown
            | Self::SpecRefused
            | Self::Orphaned
            | Self::ReconcilePanicked
            | Self::ReconcileTimedOut => true,
            Self::ReleaseStarted
            | Self::TaskDefinitionRegistered
            | Self::ServiceCreated
            | Self::ServiceScaled
            | Self::TrafficShifted
            | Self::BakeStarted
            | Self::CleanUpStarted
            | Self::TargetGroupCreated
            | Self::TargetGroupDeleted
            | Self::ServiceDeleted
            | Self::ReleaseSucceeded
            | Self::ReleaseAborted
            | Self::ReleaseSuperseded
            | Self::DriftHealed
            | Self::HoldEnded
            | Self::SpecAccepted
            | Self::HandedOver => false,
        }
    }
}

/// One event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Event {
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
pub struct Events(Arc<Mutex<VecDeque<Event>>>);

impl Events {
    /// The newest events, oldest first.
    pub fn newest(&self) -> Vec<Event> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .cloned()
            .collect()
    }

    pub(crate) fn emit(
        &self,
        application: &ApplicationName,
        reason: Reason,
        note: String,
        at: Timestamp,
    ) {
        if reason.is_warning() {
            tracing::warn!(%application, event = reason.as_str(), note, "event");
        } else {
            tracing::info!(%application, event = reason.as_str(), note, "event");
        }
        let mut ring = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if ring.len() == KEPT {
            ring.pop_front();
        }
        ring.push_back(Event {
            at,
            application: application.to_string(),
            reason,
            note,
        });
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
                Write::SetWeights { .. } if report.drifted => Reason::DriftHealed,
                Write::SetWeights { .. } => Reason::TrafficShifted,
                Write::DeleteTargetGroup { .. } => Reason::TargetGroupDeleted,
                Write::DeleteService { .. } => Reason::ServiceDeleted,
                Write::PutRecord(_)
                | Write::SetGroupAttributes { .. }
                | Write::TagService { .. }
                | Write::DeregisterTaskDefinition { .. } => return None,
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
