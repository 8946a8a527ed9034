//! Measures what a plan wants watched, again and again, and keeps what it comes to for the next world.

use std::sync::Arc;
use std::time::Duration;

use crd_schema::Application;
use planner::gate::Verdict;
use planner::watch::{Judge, Measured, Watch, What};
use tokio::time::{sleep, timeout};

use crate::beside::Told;
use crate::cloud::{Cloud, CloudWriter};
use crate::lease::Standing;
use crate::worker::Worker;

/// Alarms are read as often as a fifth look at a moving application.
const LOOKS_AN_ALARM: u32 = 5;

impl<C: Cloud, W: CloudWriter> Worker<C, W> {
    /// Measures until it has failed, or is broken off.
    pub(crate) async fn watch(
        self: Arc<Self>,
        application: Arc<Application>,
        watch: Watch,
        begun: Standing,
        told: Told,
    ) {
        let (delay, interval, dry) = match &watch.what {
            What::Alarms { .. } => {
                let interval = self.executor.tuning.poll_moving * LOOKS_AN_ALARM;
                (Duration::ZERO, interval, false)
            }
            What::Analysis(analysis) => {
                (analysis.initial_delay, analysis.interval, analysis.dry_run)
            }
        };
        let name = &application.name;
        let mut judge = Judge::new(&watch);
        let mut from = self.clock.now().wall;
        let mut before = None;
        if dry {
            told.tell(Verdict::Passed);
        } else if !delay.is_zero() {
            told.tell(Verdict::Unclear {
                reason: format!("it begins after {} s", delay.as_secs()),
            });
        }
        sleep(delay).await;
        while self.executor.standing() == begun {
            let measured = timeout(self.limit, self.cloud.measure(&application, &watch, from));
            let (measured, until) = measured.await.unwrap_or_else(|_| {
                let reason = format!("no answer within {} s", self.limit.as_secs());
                (Measured::Error { reason }, from)
            });
            from = until;
            let verdict = judge.take(measured);
            if before.as_ref() != Some(&verdict) {
                let watch = &watch.name;
                match &verdict {
                    Verdict::Passed => {
                        tracing::info!(application = %name, watch, dry, "all is well")
                    }
                    Verdict::Failed { reason } => {
                        tracing::warn!(application = %name, watch, dry, %reason, "speaks against the release");
                    }
                    Verdict::Unclear { reason } => {
                        tracing::info!(application = %name, watch, dry, %reason, "cannot tell yet");
                    }
                }
            }
            let failed = matches!(verdict, Verdict::Failed { .. });
            before = Some(verdict.clone());
            if !dry {
                told.tell(verdict);
            }
            if failed {
                return;
            }
            sleep(interval).await;
        }
    }
}
