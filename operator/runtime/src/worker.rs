//! Runs one reconcile as a task of its own, bounded in time, so that a panic or a hang is an outcome of this
//! application and nothing to the others; then tells what came of it.
//!
//! The bound holds where the reconcile awaits. One that computes for ever keeps its thread and its application, no
//! other; [`crate::snapshot::Health::stuck`] tells of it.

use std::sync::Arc;
use std::time::Duration;

use planner::Tuning;
use tokio::task::JoinError;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::cloud::{Cloud, CloudWriter};
use crate::events::{Events, Reason};
use crate::executor::{Enacted, Executor};
use crate::metrics::Metrics;
use crate::outcome::Outcome;
use crate::queue;
use crate::reconcile::{Reconciled, reconcile};
use crate::slot::Slot;
use crate::snapshot::Board;

/// What every reconcile needs.
#[derive(Debug, Clone)]
pub(crate) struct Worker<C, W> {
    pub(crate) cloud: C,
    pub(crate) executor: Executor<W>,
    pub(crate) clock: Clock,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) events: Events,
    pub(crate) board: Board,
    /// Longest time that a reconcile may take.
    pub(crate) limit: Duration,
    pub(crate) stop: CancellationToken,
}

impl<C: Cloud, W: CloudWriter> Worker<C, W> {
    /// One reconcile with everything around it. Says when the next is due.
    pub(crate) async fn run(self: Arc<Self>, slot: Arc<Slot>) -> queue::Outcome {
        let begun = self.clock.mono();
        let task = {
            let (worker, slot) = (Arc::clone(&self), Arc::clone(&slot));
            async move { worker.bounded(&slot).await }
        };
        let reconciled = match tokio::spawn(task).await {
            Ok(reconciled) => reconciled,
            Err(error) => {
                self.executor.abandoned(&slot, begun);
                Reconciled::without_plan(Outcome::Panicked, Some(panic_text(error)))
            }
        };
        self.follow(&slot, reconciled.plan.as_ref());
        let status_due = self.publish(&slot, &reconciled, begun).await;
        match self.next(&reconciled) {
            queue::Outcome::Requeue(after) => {
                queue::Outcome::Requeue(status_due.map_or(after, |due| due.min(after)))
            }
            next @ (queue::Outcome::Failed | queue::Outcome::Settled) => next,
        }
    }

    /// One reconcile, bounded in time. A write that was sent when the time was over is unknown.
    pub(crate) async fn bounded(&self, slot: &Slot) -> Reconciled {
        let begun = self.clock.mono();
        match timeout(self.limit, reconcile(self, slot, &self.stop)).await {
            Ok(reconciled) => reconciled,
            Err(_) => {
                self.executor.abandoned(slot, begun);
                let why = format!("it took longer than {} s", self.limit.as_secs());
                Reconciled::without_plan(Outcome::TimedOut, Some(why))
            }
        }
    }

    /// When the next reconcile is due after this one.
    pub(crate) fn next(&self, reconciled: &Reconciled) -> queue::Outcome {
        let outcome = reconciled.outcome;
        if outcome.is_failure() {
            return queue::Outcome::Failed;
        }
        let tuning = &self.executor.tuning;
        let after = if outcome == Outcome::Stepped {
            Duration::ZERO
        } else if matches!(
            outcome,
            Outcome::ObserveOnly | Outcome::Standby | Outcome::Changed
        ) {
            tuning.poll_moving
        } else {
            reconciled
                .plan
                .as_ref()
                .map_or(tuning.poll_settled, |plan| plan.next_check)
        };
        queue::Outcome::Requeue(on_the_beat(
            after,
            self.clock.mono().since(planner::Mono::default()),
            tuning,
        ))
    }

    /// At a graceful stop: says in the record that nothing is outstanding, when that is so.
    pub(crate) async fn hand_over(&self, slot: &Slot) {
        let now = self.clock.now();
        let (application, world, write) = slot.with(|kept| {
            (
                kept.spec.application.clone(),
                kept.world.clone(),
                kept.memory.hand_over(&self.executor.tuning, now),
            )
        });
        let (Some(application), Some(world), Some(write)) = (application, world, write) else {
            return;
        };
        let enact = self
            .executor
            .enact(slot, &application, &world, now.mono, &write);
        let application = &slot.name;
        match timeout(self.limit, enact).await {
            Ok(Enacted::Applied) => {
                let note = "the operator stops, and the record says that nothing is outstanding"
                    .to_owned();
                let now = self.clock.now().wall;
                self.events
                    .emit(application, None, Reason::HandedOver, note, now);
            }
            Ok(Enacted::ObserveOnly | Enacted::Standby) => {}
            Ok(enacted) => {
                tracing::warn!(%application, ?enacted, "not handed over: the next start waits longer")
            }
            Err(_) => {
                tracing::warn!(%application, "not handed over in time: the next start waits longer")
            }
        }
    }
}

/// Moves a look at the world forward to a common beat, so that applications look together and their reads are batched.
fn on_the_beat(after: Duration, now: Duration, tuning: &Tuning) -> Duration {
    let beat = [tuning.poll_settled, tuning.poll_moving]
        .into_iter()
        .find(|beat| !beat.is_zero() && after >= *beat);
    let Some(beat) = beat.map(|beat| beat.as_millis().max(1)) else {
        return after;
    };
    let at = (now + after).as_millis() / beat * beat;
    Duration::from_millis(u64::try_from(at.saturating_sub(now.as_millis())).unwrap_or(u64::MAX))
}

fn panic_text(error: JoinError) -> String {
    let text = match error.try_into_panic() {
        Ok(payload) => payload
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| payload.downcast_ref::<String>().cloned()),
        Err(_) => None,
    };
    format!(
        "a bug: {}",
        text.as_deref().unwrap_or("the reconcile panicked")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_are_moved_forward_to_a_common_beat() {
        let tuning = Tuning::default();
        let ms = Duration::from_millis;
        for now in [0, 1, 59_999, 60_000, 61_234] {
            let after = on_the_beat(tuning.poll_settled, ms(now), &tuning);
            assert_eq!(
                (now + u64::try_from(after.as_millis()).unwrap()) % 60_000,
                0
            );
            assert!(after > Duration::ZERO && after <= tuning.poll_settled);
        }
        assert_eq!(on_the_beat(ms(2_000), ms(1_500), &tuning), ms(500));
        assert_eq!(on_the_beat(ms(1_999), ms(1_500), &tuning), ms(1_999));
        assert_eq!(
            on_the_beat(Duration::ZERO, ms(1_500), &tuning),
            Duration::ZERO
        );
    }
}
