//! Runs the gate that a plan asks for, beside the reconciles, and keeps what came of it for the next world.
//!
//! At most one gate of an application runs at a time: the one that its last plan asked for. A gate whose run nobody
//! waits for any more has not passed. What it has sent stays sent, but a task that it began is stopped.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use crd_schema::gate::{Check, OnAbort, OnError};
use crd_schema::record::{GateRun, Record, Rollout, Stage};
use crd_schema::{Application, GateName};
use planner::gate::{Run, Verdict};
use planner::release::gate_key;
use planner::world::RecordParameter;
use planner::{Plan, WaitingOn};
use tokio::time::{Instant, timeout};

use crate::beside::{Begun, Ledger, Running, Told};
use crate::cloud::{Cloud, CloudWriter, Tried};
use crate::lease::Standing;
use crate::slot::{Kept, Slot};
use crate::worker::Worker;

impl<C: Cloud, W: CloudWriter> Worker<C, W> {
    /// The gate that the plan asks for runs from here on, and no other one; so do its watches. Without a plan, or while
    /// something could not be read, all stays as it is.
    pub(crate) fn follow(self: &Arc<Self>, slot: &Arc<Slot>, plan: Option<&Plan>) {
        let blind = |plan: &&Plan| matches!(plan.report.waiting_on, WaitingOn::Observation { .. });
        let Some(plan) = plan.filter(|plan| !blind(plan)) else {
            return;
        };
        let standing = self.executor.standing();
        let may = self.executor.runner().is_some() && !self.stop.is_cancelled();
        slot.with(|kept| {
            let Some(application) = kept.remembered.clone().filter(|_| may) else {
                kept.beside.clear();
                return;
            };
            let Some(ledger) = ledger(&application, kept) else {
                return;
            };
            self.stop_what_is_over(&application, &kept.memory.record, &ledger);
            let mut before = std::mem::take(&mut kept.beside);
            let mut of = |key: &str| {
                let found = before.iter().position(|running| running.is(key));
                found.map(|at| before.swap_remove(at))
            };
            let gate = plan.gate.as_ref().map(|run| match of(&run.key) {
                Some(running) if running.is_good() => running,
                cut_off => Running::start(run.key.clone(), cut_off.is_some(), |told| {
                    let application = Arc::clone(&application);
                    Arc::clone(self).run_gate(ledger, application, run.clone(), standing, told)
                }),
            });
            let watches = plan.watches.iter().map(|watch| match of(&watch.key) {
                Some(running) if running.is_good() => running,
                cut_off => Running::start(watch.key.clone(), cut_off.is_some(), |told| {
                    let application = Arc::clone(&application);
                    Arc::clone(self).watch(application, watch.clone(), standing, told)
                }),
            });
            kept.beside = watches.collect();
            kept.beside.extend(gate);
        });
    }

    /// Tries until one try passes, or as many have failed as may; a try that could not tell does not count.
    async fn run_gate(
        self: Arc<Self>,
        ledger: Ledger,
        application: Arc<Application>,
        run: Run,
        begun: Standing,
        told: Told,
    ) {
        let tell = |found| told.tell(found);
        let name = &application.name;
        let mut failed = 0;
        while self.executor.standing() == begun {
            let reason = match self
                .one_try(&ledger, &application, &run, failed, tell)
                .await
            {
                Verdict::Passed => {
                    tracing::info!(application = %name, gate = %run.place, "gate passed");
                    return tell(Verdict::Passed);
                }
                Verdict::Failed { reason } if failed + 1 >= run.gate.attempts => {
                    tracing::warn!(application = %name, gate = %run.place, %reason, "gate failed");
                    return tell(Verdict::Failed { reason });
                }
                Verdict::Failed { reason } => {
                    failed += 1;
                    format!("try {failed} of {} failed: {reason}", run.gate.attempts)
                }
                Verdict::Unclear { reason } => reason,
            };
            tracing::info!(application = %name, gate = %run.place, %reason, "gate goes on");
            tell(Verdict::Unclear { reason });
            tokio::time::sleep(run.gate.every).await;
        }
    }

    /// One try to its end, or to the end of its time. What it says `so_far` outlives a look that tells nothing.
    async fn one_try(
        self: &Arc<Self>,
        ledger: &Ledger,
        application: &Arc<Application>,
        run: &Run,
        failed: u32,
        tell: impl Fn(Verdict),
    ) -> Verdict {
        let Some(writer) = self.executor.runner() else {
            let reason = "another operator leads".to_owned();
            return Verdict::Unclear { reason };
        };
        let tries = async {
            loop {
                let so_far = ledger.so_far(run);
                let look = writer.try_gate(application, run, failed, so_far.as_deref());
                match look.await {
                    Tried::Passed => {
                        ledger.end(run);
                        return Verdict::Passed;
                    }
                    Tried::Failed { reason } => {
                        ledger.end(run);
                        return Verdict::Failed { reason };
                    }
                    Tried::Unclear { reason } => {
                        if run.gate.on_error == OnError::Hold {
                            return Verdict::Unclear { reason };
                        }
                        if let Some(begun) = ledger.end(run) {
                            self.stop_task(application, begun, &reason);
                        }
                        return Verdict::Failed { reason };
                    }
                    Tried::Runs {
                        so_far: said,
                        after,
                        reason,
                    } => {
                        ledger.note(Begun {
                            run: run.clone(),
                            so_far: Some(said),
                        });
                        tell(Verdict::Unclear { reason });
                        let again = after.unwrap_or(self.executor.tuning.poll_moving);
                        tokio::time::sleep(again).await;
                    }
                }
            }
        };
        let limit = run.gate.timeout;
        let reason = match within(limit, self.executor.tuning.plan_age, tries).await {
            Ok(verdict) => return verdict,
            Err(Late::StoodStill) => {
                let reason = "this process stood still while it ran".to_owned();
                return Verdict::Unclear { reason };
            }
            Err(Late::TookTooLong) => format!("it took longer than {} s", limit.as_secs()),
        };
        if let Some(begun) = ledger.end(run) {
            self.stop_task(application, begun, &reason);
        }
        Verdict::Failed { reason }
    }

    /// What a gate began whose release is over, is stopped.
    fn stop_what_is_over(
        self: &Arc<Self>,
        application: &Arc<Application>,
        record: &Record,
        ledger: &Ledger,
    ) {
        let over = ledger.over(|begun| is_waited_for(application, record, &begun.run));
        for begun in over.into_iter().filter(|begun| stops(&begun.run)) {
            self.stop_task(application, begun, "the release that it was for is over");
        }
    }

    /// Sends the stop, beside everything else. One that is not taken is sent again, a few times.
    fn stop_task(self: &Arc<Self>, application: &Arc<Application>, begun: Begun, why: &str) {
        let (worker, application) = (Arc::clone(self), Arc::clone(application));
        let Begun { run, so_far } = begun;
        let reason = format!("teal: gate {} of {}: {why}", run.place, application.name);
        tokio::spawn(async move {
            let (name, gate) = (&application.name, &run.place);
            let limit = worker.executor.write_limit;
            for _ in 0..STOPS {
                let Some(writer) = worker.executor.runner() else {
                    return;
                };
                let stop = writer.stop_gate(&application, &run, so_far.as_deref(), &reason);
                let left = match timeout(limit, stop).await {
                    Ok(Ok(())) => {
                        tracing::info!(application = %name, %gate, task = so_far, reason, "what the gate began is stopped");
                        return;
                    }
                    Ok(Err(error)) => error.to_string(),
                    Err(_) => "no answer in time".to_owned(),
                };
                tracing::warn!(application = %name, %gate, task = so_far, reason = left, "a gate's task could not be stopped and may still run");
                tokio::time::sleep(limit).await;
            }
        });
    }
}

/// Why there is no verdict of a try.
#[derive(Debug, PartialEq, Eq)]
enum Late {
    /// The test had its time.
    TookTooLong,
    /// It is not known that it had: nobody looked when its time was over.
    StoodStill,
}

/// What a try comes to in its time. A process that looks later than `slack` after that was stopped, and says nothing of
/// the test.
async fn within(
    limit: Duration,
    slack: Duration,
    tries: impl Future<Output = Verdict>,
) -> Result<Verdict, Late> {
    let began = Instant::now();
    timeout(limit, tries)
        .await
        .map_err(|_| match began.elapsed() {
            took if took > limit + slack => Late::StoodStill,
            _ => Late::TookTooLong,
        })
}

/// How often a stop is sent that is not taken.
const STOPS: u32 = 3;

/// The release that the gate belongs to is on its way, and the gate has not passed. It may be asked for again, though no
/// plan asks for it now.
fn is_waited_for(application: &Application, record: &Record, run: &Run) -> bool {
    let Some(Rollout { release, gates, .. }) = &record.rollout else {
        return false;
    };
    let mut rejected = record.rejected.iter();
    let rejected = rejected.any(|one| one.generation == release.generation);
    let same = |began| gate_key(application, &release.digest, &run.place, began) == run.key;
    let open = gates.get(&run.place);
    // At a roll-back it is of a release that is over.
    let rejected = rejected && run.before != Some(Stage::RollBack);
    !rejected && open.is_some_and(|gate| !gate.passed && same(gate.began))
}

/// What is begun and has not ended, as far as this process knows. It begins with what the first record of this leadership
/// shows as begun: nobody else may be left who knows of it.
fn ledger(application: &Application, kept: &mut Kept) -> Option<Ledger> {
    if kept.begun.is_none() {
        let world = kept.world.as_ref()?;
        let inherited = match world.record.value()? {
            RecordParameter::Set { record, .. } => inherited(application, record),
            RecordParameter::Missing | RecordParameter::Garbled { .. } => Vec::new(),
        };
        kept.begun = Some(Ledger::new(inherited));
    }
    kept.begun.clone()
}

/// The tasks that gates of the rollout in `record` may have begun.
fn inherited(application: &Application, record: &Record) -> Vec<Begun> {
    let Some(Rollout { release, gates, .. }) = &record.rollout else {
        return Vec::new();
    };
    let begun = |(place, begun): (&String, &GateRun)| {
        let name = GateName::new(GateRun::name(place));
        let gate = application.gates.get(&name)?.clone();
        let run = Run {
            key: gate_key(application, &release.digest, place, begun.began),
            before: gate
                .before
                .filter(|_| *place == GateRun::place(&name, None)),
            place: place.clone(),
            version: release.version.clone(),
            task_definition: None,
            service: None,
            name,
            gate,
        };
        Some(Begun { run, so_far: None })
    };
    let open = gates.iter().filter(|(_, gate)| !gate.passed);
    open.filter_map(begun).collect()
}

/// It is not left to its end.
fn stops(run: &Run) -> bool {
    match &run.gate.check {
        Check::EcsTask(task) => task.on_abort == OnAbort::Stop,
        Check::Http(_) | Check::Lambda(_) | Check::Webhook(_) | Check::Approval => false,
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(180);
    const SLACK: Duration = Duration::from_secs(10);

    #[tokio::test(start_paused = true)]
    async fn a_try_that_nobody_watched_has_not_failed() {
        let takes_for_ever = || tokio::spawn(within(LIMIT, SLACK, pending()));
        let told = takes_for_ever().await.unwrap();
        assert_eq!(told, Err(Late::TookTooLong));
        for (stands_still, expected) in [
            (LIMIT + SLACK, Late::TookTooLong),
            (LIMIT + SLACK + Duration::from_millis(2), Late::StoodStill),
        ] {
            let tries = takes_for_ever();
            tokio::task::yield_now().await;
            tokio::time::advance(stands_still).await;
            assert_eq!(tries.await.unwrap(), Err(expected), "{stands_still:?}");
        }
    }
}
