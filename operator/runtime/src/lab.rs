//! One application's reconciles without the loop around them, for simulations of many rollouts.
//!
//! What runs is what ships: the bounded reconcile, the executor, the memory, the hand-over, and the gates and alarms
//! beside them. Left out are the tasks, the status and the metrics around a reconcile; the caller is the loop, with a
//! [`crate::queue::Queue`] of its own.

use std::sync::Arc;
use std::time::Duration;

use crd_schema::Application;
use crd_schema::record::Generation;
use planner::{Memory, Plan};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::cloud::{Cloud, CloudWriter};
use crate::controller::Settings;
use crate::events::Events;
use crate::executor::{Executor, Mode};
use crate::metrics::Metrics;
use crate::outcome::Outcome;
use crate::queue;
use crate::slot::{Slot, Spec};
use crate::snapshot::Board;
use crate::worker::Worker;

/// One operator process that cares for one application.
#[derive(Debug)]
pub struct Operator<C, W> {
    worker: Arc<Worker<C, W>>,
    slot: Arc<Slot>,
}

/// What came of one reconcile.
#[derive(Debug)]
pub struct Reconciled {
    /// How it ended.
    pub outcome: Outcome,
    /// The plan, when it came to one.
    pub plan: Option<Plan>,
    /// Why it ended as it did, where the outcome alone does not say.
    pub why: Option<String>,
    /// When the next one is due.
    pub next: queue::Outcome,
}

impl<C: Cloud, W: CloudWriter> Operator<C, W> {
    /// A process that starts now and knows nothing yet. `stop` is its SIGTERM.
    pub fn new(
        application: Arc<Application>,
        cloud: C,
        mode: Mode<W>,
        settings: &Settings,
        clock: Clock,
        metrics: Arc<Metrics>,
        stop: CancellationToken,
    ) -> Self {
        let spec = Spec {
            application: Some(Arc::clone(&application)),
            problem: None,
            generation: Generation {
                date: 1,
                version: 1,
            },
            present: true,
            conflicts: Vec::new(),
            wish: None,
            // This spec never changes: no wish has to wait for it.
            read_for: Some(Generation {
                date: i64::MAX,
                version: i64::MAX,
            }),
        };
        let executor = Executor {
            mode,
            tuning: settings.tuning,
            clock,
            metrics: Arc::clone(&metrics),
            write_limit: settings.write_limit,
        };
        let slot = Slot::new(
            application.name.clone(),
            spec,
            executor.standing(),
            clock.mono(),
        );
        let worker = Worker {
            cloud,
            executor,
            clock,
            metrics,
            events: Events::default(),
            board: Board::default(),
            limit: settings.reconcile_limit,
            stop,
        };
        Self {
            worker: Arc::new(worker),
            slot: Arc::new(slot),
        }
    }

    /// One reconcile, bounded in time. What its plan wants tested and watched runs on beside it, as tasks.
    pub async fn reconcile(&self) -> Reconciled {
        let reconciled = self.worker.bounded(&self.slot).await;
        self.worker.follow(&self.slot, reconciled.plan.as_ref());
        let next = self.worker.next(&reconciled);
        Reconciled {
            outcome: reconciled.outcome,
            plan: reconciled.plan,
            why: reconciled.why,
            next,
        }
    }

    /// What a graceful stop does last.
    pub async fn hand_over(&self) {
        self.worker.hand_over(&self.slot).await;
    }

    /// What the process remembers of the application.
    pub fn memory(&self) -> Memory {
        self.slot.with(|kept| kept.memory.clone())
    }

    /// Somebody sets the machine's wall clock; the monotonic one goes on. Gates and alarms that run do not see it.
    pub fn set_wall_clock(&mut self, by: Duration, back: bool)
    where
        C: Clone,
        W: Clone,
    {
        let now = self.worker.clock.now().wall;
        let wall = if back {
            now.saturating_sub(by)
        } else {
            now.saturating_add(by)
        };
        let clock = self.worker.clock.with_wall(wall.unwrap_or(now));
        let worker = Arc::make_mut(&mut self.worker);
        worker.clock = clock;
        worker.executor.clock = clock;
    }
}
