//! What one reconcile leaves for people: one log line, metrics, events, a snapshot, and the status parameter when its
//! content changed.

use std::time::Duration;

use crd_schema::status::Status;
use jiff::Timestamp;
use planner::ablation::Rule;
use planner::{Mono, Plan, WaitingOn};

use crate::cloud::{Cloud, CloudWriter};
use crate::events;
use crate::lease::Standing;
use crate::metrics::Generations;
use crate::outcome::Outcome;
use crate::reconcile::Reconciled;
use crate::slot::{Kept, Slot};
use crate::snapshot::Snapshot;
use crate::status;
use crate::worker::Worker;

/// The status is written at most this often, but for a change of phase or stage.
const STATUS_INTERVAL: Duration = Duration::from_secs(10);

impl<C: Cloud, W: CloudWriter> Worker<C, W> {
    /// Tells what came of a reconcile that began at `begun`. Returns how long a changed status is held back, if it is.
    pub(crate) async fn publish(
        &self,
        slot: &Slot,
        reconciled: &Reconciled,
        begun: Mono,
    ) -> Option<Duration> {
        let now = self.clock.now();
        let status = slot.with(|kept| {
            self.log(slot, kept, reconciled);
            // Each event is told once: by the operator that leads.
            let tells = kept.standing != Standing::Standby;
            if tells || self.executor.tuning.without(Rule::ToldByTheLeader) {
                self.tell_events(slot, kept, reconciled, now.wall);
            }
            let told = &mut kept.told;
            if reconciled.outcome.is_failure() {
                told.errors = told.errors.saturating_add(1);
                told.error = reconciled.why.clone();
            } else if reconciled.outcome != Outcome::Stopping {
                told.errors = 0;
                told.error = None;
            }
            if let Some(plan) = &reconciled.plan {
                kept.told.plan = Some(plan.clone());
            }
            let status = document(slot, kept, now.wall);
            let took = now.mono.since(begun);
            self.metrics.reconciled(
                &slot.name,
                reconciled.outcome,
                took,
                kept.told.errors,
                now.wall,
            );
            let report = kept.told.plan.as_ref().map(|plan| &plan.report);
            let generations = generations(kept, &status);
            self.metrics.show(&slot.name, &status, report, generations);
            let (plan, application) = (kept.told.plan.clone(), kept.spec.application.clone());
            self.board.show(
                &slot.name,
                Snapshot {
                    status: status.clone(),
                    plan,
                    application,
                    at: now.wall,
                },
            );
            kept.told.record = kept
                .told
                .record
                .is_some()
                .then(|| kept.memory.record.clone());
            kept.told.status = Some(status.clone());
            status
        });
        self.write_status(slot, &status, now.mono).await
    }

    /// What happened, each once: a failure that repeats is told when it begins and when its text changes.
    fn tell_events(&self, slot: &Slot, kept: &Kept, reconciled: &Reconciled, now: Timestamp) {
        let Reconciled {
            outcome,
            plan,
            step,
            why,
        } = reconciled;
        let mut events = Vec::new();
        if !outcome.is_failure() || kept.told.error != *why {
            events.extend(events::of_failure(*outcome, why.as_deref()));
            if let (Some((write, enacted)), Some(plan)) = (step, plan) {
                events.extend(events::of_write(write, enacted, &plan.report));
            }
        }
        if let Some(before) = &kept.told.record {
            let now = &kept.memory.record;
            events.extend(events::of_record(before, now));
            events::ended_since(before, now)
                .for_each(|ended| self.metrics.released(&slot.name, ended));
        }
        if let Some(plan) = plan {
            let before = kept.told.plan.as_ref().map(|plan| &plan.report);
            events.extend(events::of_report(before, &plan.report));
        }
        for (reason, note) in events {
            let to = kept.spec.application.as_deref();
            self.events.emit(&slot.name, to, reason, note, now);
        }
    }

    /// One line when something was done, failed, or is waited for that was not before.
    fn log(&self, slot: &Slot, kept: &Kept, reconciled: &Reconciled) {
        let Reconciled {
            outcome,
            plan,
            step,
            why,
        } = reconciled;
        let told = kept
            .told
            .plan
            .as_ref()
            .map(|plan| (plan.report.stage, plan.report.waiting_on.label()));
        let report = plan.as_ref().map(|plan| &plan.report);
        let now = report.map(|report| (report.stage, report.waiting_on.label()));
        if !outcome.is_failure() && step.is_none() && (now.is_none() || now == told) {
            return;
        }
        let rollout = kept
            .memory
            .record
            .rollout
            .as_ref()
            .map(|rollout| rollout.release.generation.version);
        let stage = report.map(|report| report.stage.as_str());
        let waiting_on = report.map(|report| report.waiting_on.label());
        let step = step.as_ref().map(|(write, _)| write.describe());
        let (application, outcome, why) = (&slot.name, outcome.label(), why.as_deref());
        if reconciled.outcome.is_failure() {
            tracing::warn!(%application, rollout, stage, waiting_on, step, outcome, why, "reconcile failed");
        } else {
            tracing::info!(%application, rollout, stage, waiting_on, step, outcome, why, "reconciled");
        }
    }

    /// Writes the status, by the operator that leads, when its content changed: at once when phase, stage or the wish that it speaks of did, else
    /// not too often.
    async fn write_status(&self, slot: &Slot, status: &Status, now: Mono) -> Option<Duration> {
        let standing = slot.with(|kept| kept.standing);
        let limit = self.executor.write_limit;
        let writer = self.executor.writer_within(standing, limit)?;
        let text = status.to_json();
        let tuning = self.executor.tuning;
        let due = slot.with(|kept| {
            let told = &mut kept.told;
            if told.written.as_ref() == Some(&text) {
                // An earlier write without an answer may have landed on it since.
                let Some(until) = told.late_until else {
                    return Err(None);
                };
                let waited = told
                    .attempted
                    .map_or(tuning.quiescence, |attempted| now.since(attempted));
                if waited < tuning.quiescence {
                    return Err(Some(tuning.quiescence - waited));
                }
                told.late_until = Some(until).filter(|until| now < *until);
                told.attempted = Some(now);
                return Ok(());
            }
            let turn = (status.phase, status.stage, status.observed_generation);
            // The step that is being taken is known a moment later: then there is something to wait for.
            let own_step = step_follows(told.plan.as_ref());
            let turned = told.turn != Some(turn) && !own_step;
            let waited = told
                .attempted
                .map_or(STATUS_INTERVAL, |attempted| now.since(attempted));
            if !turned && waited < STATUS_INTERVAL {
                return Err(Some(STATUS_INTERVAL - waited));
            }
            told.attempted = Some(now);
            told.turn = Some(turn);
            Ok(())
        });
        if let Err(held_back) = due {
            return held_back;
        }
        let written = tokio::time::timeout(limit, writer.put_status(&slot.name, &text)).await;
        let error = match written {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some(format!("no answer within {} s", limit.as_secs())),
        };
        self.metrics.status_written(error.is_none());
        match error {
            None => {
                slot.with(|kept| kept.told.written = Some(text));
                // Looked at once more when nothing can land on it any more.
                slot.with(|kept| kept.told.late_until.map(|_| tuning.quiescence))
            }
            Some(error) => {
                let late = now + limit + tuning.quiescence_destructive;
                slot.with(|kept| kept.told.late_until = Some(late));
                tracing::warn!(application = %slot.name, error, "the status could not be written");
                Some(STATUS_INTERVAL)
            }
        }
    }
}

fn step_follows(plan: Option<&Plan>) -> bool {
    plan.is_some_and(|plan| plan.report.waiting_on == WaitingOn::OwnStep)
}

fn document(slot: &Slot, kept: &Kept, now: Timestamp) -> Status {
    status::document(&status::Facts {
        name: &slot.name,
        report: kept.told.plan.as_ref().map(|plan| &plan.report),
        record: &kept.memory.record,
        desired: kept.memory.desired.as_ref(),
        world: kept.world.as_deref(),
        spec: &kept.spec,
        errors: kept.told.errors,
        error: kept.told.error.as_deref(),
        before: kept.told.status.as_ref(),
        now,
    })
}

/// Versions of the desired parameter: as polled, as decided upon, as served.
fn generations(kept: &Kept, status: &Status) -> Generations {
    let observed = status.observed_generation;
    let converged = kept
        .told
        .plan
        .as_ref()
        .is_some_and(|plan| plan.report.converged);
    let record = &kept.memory.record;
    let served = status.serving.as_ref().and_then(|serving| {
        let known = record
            .rollout
            .as_ref()
            .map(|rollout| &rollout.release)
            .into_iter()
            .chain(&record.last_good);
        known
            .filter(|release| release.digest == serving.digest)
            .map(|release| release.generation)
            .next()
    });
    let serving = if converged { observed } else { served };
    Generations {
        desired: kept
            .spec
            .wish
            .max(observed)
            .map(|generation| generation.version),
        observed: observed.map(|generation| generation.version),
        serving: serving.map(|generation| generation.version),
    }
}
