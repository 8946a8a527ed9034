//! Runs the gate that a plan asks for, beside the reconciles, and keeps what came of it for the next world.
//!
//! At most one gate of an application runs at a time: the one that its last plan asked for. A gate whose run nobody
//! waits for any more is left: what it has sent stays sent, and it has not passed.

use std::sync::Arc;

use crd_schema::Application;
use crd_schema::gate::OnError;
use planner::gate::{Run, Verdict};
use planner::{Plan, WaitingOn};
use tokio::time::timeout;

use crate::beside::{Running, Told};
use crate::cloud::{Cloud, CloudWriter, Tried};
use crate::lease::Standing;
use crate::slot::Slot;
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
            let mut before = std::mem::take(&mut kept.beside);
            let mut of = |key: &str| {
                let found = before.iter().position(|running| running.is(key));
                found.map(|at| before.swap_remove(at))
            };
            let gate = plan.gate.as_ref().map(|run| match of(&run.key) {
                Some(running) if running.is_good() => running,
                cut_off => Running::start(run.key.clone(), cut_off.is_some(), |told| {
                    let application = Arc::clone(&application);
                    Arc::clone(self).run_gate(application, run.clone(), standing, told)
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
        application: Arc<Application>,
        run: Run,
        begun: Standing,
        told: Told,
    ) {
        let tell = |found| told.tell(found);
        let name = &application.name;
        let (mut failed, mut so_far) = (0, None);
        while self.executor.standing() == begun {
            let reason = match self
                .one_try(&application, &run, failed, &mut so_far, tell)
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
                    (failed, so_far) = (failed + 1, None);
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
        &self,
        application: &Application,
        run: &Run,
        failed: u32,
        so_far: &mut Option<String>,
        tell: impl Fn(Verdict),
    ) -> Verdict {
        let Some(writer) = self.executor.runner() else {
            let reason = "another operator leads".to_owned();
            return Verdict::Unclear { reason };
        };
        let tries = async {
            loop {
                let look = writer.try_gate(application, run, failed, so_far.as_deref());
                match look.await {
                    Tried::Passed => return Verdict::Passed,
                    Tried::Failed { reason } => return Verdict::Failed { reason },
                    Tried::Unclear { reason } => {
                        return match run.gate.on_error {
                            OnError::Hold => Verdict::Unclear { reason },
                            OnError::Fail => Verdict::Failed { reason },
                        };
                    }
                    Tried::Runs {
                        so_far: said,
                        after,
                        reason,
                    } => {
                        *so_far = Some(said);
                        tell(Verdict::Unclear { reason });
                        let again = after.unwrap_or(self.executor.tuning.poll_moving);
                        tokio::time::sleep(again).await;
                    }
                }
            }
        };
        let limit = run.gate.timeout;
        timeout(limit, tries)
            .await
            .unwrap_or_else(|_| Verdict::Failed {
                reason: format!("it took longer than {} s", limit.as_secs()),
            })
    }
}
