//! The driver: one loop that starts what is due, takes in what ended, and stops when it is told to.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use crd_schema::ApplicationName;
use crd_schema::record::Generation;
use planner::{Mono, Tuning};
use tokio::task::{AbortHandle, Id, JoinError, JoinSet};
use tokio::time::{sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::cloud::{Cloud, CloudWriter, FoundSpec, ReadError};
use crate::events::{Events, Reason};
use crate::executor::{Executor, Mode};
use crate::metrics::{Metrics, QueueState, Sweep};
use crate::outcome::Wake;
use crate::queue::{self, Limits, Next, Queue};
use crate::slot::Slot;
use crate::snapshot::{Board, Health};
use crate::specs;
use crate::worker::Worker;

/// The loop goes round at least this often.
const HEARTBEAT: Duration = Duration::from_secs(5);

/// Bounds and intervals of the loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// The planner's bounds.
    pub tuning: Tuning,
    /// The queue's bounds.
    pub limits: Limits,
    /// All spec parameters are read this often. Default 60 s.
    pub poll_specs: Duration,
    /// All desired parameters are looked at this often. Default 5 s.
    pub poll_wishes: Duration,
    /// Longest time of one reconcile, and of one read of all parameters. Default 60 s.
    pub reconcile_limit: Duration,
    /// Longest time of one write; above the client's own operation time-out. Default 15 s.
    pub write_limit: Duration,
    /// Decides the jitter of back-offs.
    pub seed: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            tuning: Tuning::default(),
            limits: Limits::default(),
            poll_specs: Duration::from_secs(60),
            poll_wishes: Duration::from_secs(5),
            reconcile_limit: Duration::from_secs(60),
            write_limit: Duration::from_secs(15),
            seed: 0,
        }
    }
}

/// The loop over all applications.
#[derive(Debug)]
pub struct Controller<C, W> {
    worker: Arc<Worker<C, W>>,
    settings: Settings,
    slots: BTreeMap<ApplicationName, Arc<Slot>>,
    queue: Queue<ApplicationName, Wake>,
    jobs: JoinSet<Ended>,
    running: HashMap<Id, Running>,
    specs: Timer,
    wishes: Timer,
    /// Applications whose spec was not found in the last sweep.
    missed: BTreeSet<ApplicationName>,
    listed: bool,
    ready: bool,
}

/// What a job brought.
#[derive(Debug)]
enum Ended {
    Reconcile(queue::Outcome),
    Specs(Result<Vec<FoundSpec>, ReadError>),
    Wishes(Result<BTreeMap<ApplicationName, Generation>, ReadError>),
}

/// A job under way.
#[derive(Debug)]
struct Running {
    what: Job,
    since: Mono,
    abort: AbortHandle,
}

#[derive(Debug)]
enum Job {
    Reconcile(ApplicationName),
    Sweep(Sweep),
}

/// When a sweep is due; none while it runs.
#[derive(Debug)]
struct Timer(Option<Mono>);

impl<C: Cloud, W: CloudWriter> Controller<C, W> {
    /// A loop that knows no application yet. It ends when `stop` is cancelled.
    pub fn new(
        cloud: C,
        mode: Mode<W>,
        settings: Settings,
        clock: Clock,
        metrics: Arc<Metrics>,
        stop: CancellationToken,
    ) -> Self {
        let Settings {
            tuning,
            limits,
            reconcile_limit,
            write_limit,
            seed,
            ..
        } = settings;
        let executor = Executor {
            mode,
            tuning,
            clock,
            write_limit,
        };
        let worker = Worker {
            cloud,
            executor,
            clock,
            metrics,
            events: Events::default(),
            board: Board::default(),
            limit: reconcile_limit,
            stop,
        };
        Self {
            worker: Arc::new(worker),
            settings,
            slots: BTreeMap::new(),
            queue: Queue::new(limits, seed),
            jobs: JoinSet::new(),
            running: HashMap::new(),
            specs: Timer(Some(clock.mono())),
            wishes: Timer(None),
            missed: BTreeSet::new(),
            listed: false,
            ready: false,
        }
    }

    /// What readers see of the applications and of the loop.
    pub fn board(&self) -> Board {
        self.worker.board.clone()
    }

    /// The newest events.
    pub fn events(&self) -> Events {
        self.worker.events.clone()
    }

    /// Reconciles every application until the operator is told to stop.
    ///
    /// # Guarantees
    ///
    /// No reconcile before all specs were listed once. One application's panic, hang or failure stops no other.
    /// At the stop nothing new is begun, what runs ends at its step boundary, and each application whose writes are
    /// all known is handed over in its record.
    pub async fn run(mut self) {
        let stop = self.worker.stop.clone();
        loop {
            let until = self.start_due();
            self.tell_health();
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(joined) = self.jobs.join_next_with_id() => self.ended(joined),
                () = sleep_until(self.worker.clock.instant(until)) => {}
            }
        }
        self.drain().await;
        self.hand_over().await;
    }

    /// Starts whatever is due, and says when to look again.
    fn start_due(&mut self) -> Mono {
        let now = self.worker.clock.mono();
        let mut until = now + HEARTBEAT;
        if let Some(due) = self.specs.0 {
            if due <= now {
                self.specs.0 = None;
                self.start_specs(now);
            } else {
                until = until.min(due);
            }
        }
        if let Some(due) = self.wishes.0 {
            if due <= now {
                self.wishes.0 = None;
                self.start_wishes(now);
            } else {
                until = until.min(due);
            }
        }
        loop {
            match self.queue.next(now) {
                Next::Run(name, reasons) => self.start_reconcile(name, reasons, now),
                Next::Sleep(due) => return until.min(due),
                Next::Idle | Next::Full => return until,
            }
        }
    }

    fn start_reconcile(&mut self, name: ApplicationName, reasons: BTreeSet<Wake>, now: Mono) {
        let Some(slot) = self.slots.get(&name) else {
            self.queue.done(&name, queue::Outcome::Settled, now);
            self.queue.forget(&name);
            return;
        };
        for reason in &reasons {
            self.worker.metrics.woken(*reason);
        }
        tracing::debug!(application = %name, reasons = ?reasons, "reconcile starts");
        let (worker, slot) = (Arc::clone(&self.worker), Arc::clone(slot));
        let abort = self
            .jobs
            .spawn(async move { Ended::Reconcile(worker.run(slot).await) });
        self.running.insert(
            abort.id(),
            Running {
                what: Job::Reconcile(name),
                since: now,
                abort,
            },
        );
    }

    fn start_specs(&mut self, now: Mono) {
        let (worker, limit) = (Arc::clone(&self.worker), self.settings.reconcile_limit);
        let abort = self.jobs.spawn(async move {
            Ended::Specs(
                timeout(limit, worker.cloud.specs())
                    .await
                    .unwrap_or_else(|_| Err(late("specs", limit))),
            )
        });
        self.running.insert(
            abort.id(),
            Running {
                what: Job::Sweep(Sweep::Specs),
                since: now,
                abort,
            },
        );
    }

    fn start_wishes(&mut self, now: Mono) {
        let (worker, limit) = (Arc::clone(&self.worker), self.settings.reconcile_limit);
        let names: Vec<_> = self.slots.keys().cloned().collect();
        let abort = self.jobs.spawn(async move {
            let read = timeout(limit, worker.cloud.wishes(&names)).await;
            Ended::Wishes(read.unwrap_or_else(|_| Err(late("wishes", limit))))
        });
        self.running.insert(
            abort.id(),
            Running {
                what: Job::Sweep(Sweep::Wishes),
                since: now,
                abort,
            },
        );
    }

    /// Takes in what a job brought, or that it broke.
    fn ended(&mut self, joined: Result<(Id, Ended), JoinError>) {
        let id = joined.as_ref().map_or_else(JoinError::id, |(id, _)| *id);
        let Some(Running { what, .. }) = self.running.remove(&id) else {
            return;
        };
        match (what, joined.map(|(_, ended)| ended)) {
            (Job::Reconcile(name), Ok(Ended::Reconcile(outcome))) => {
                self.reconciled(&name, outcome)
            }
            (Job::Reconcile(name), broken) => {
                tracing::error!(application = %name, ?broken, "what came of a reconcile could not be told");
                self.reconciled(&name, queue::Outcome::Failed);
            }
            (Job::Sweep(Sweep::Specs), Ok(Ended::Specs(found))) => {
                if let Some(found) =
                    self.swept(Sweep::Specs, found.map_err(|error| error.to_string()))
                {
                    self.specs_found(found);
                }
            }
            (Job::Sweep(Sweep::Wishes), Ok(Ended::Wishes(found))) => {
                if let Some(found) =
                    self.swept(Sweep::Wishes, found.map_err(|error| error.to_string()))
                {
                    self.wishes_found(&found);
                }
            }
            (Job::Sweep(sweep), broken) => {
                let _: Option<()> = self.swept(sweep, Err(format!("a bug: {broken:?}")));
            }
        }
    }

    /// A sweep ended: the next one is due an interval from now. What it found, when it found anything.
    fn swept<T>(&mut self, sweep: Sweep, found: Result<T, String>) -> Option<T> {
        let now = self.worker.clock.now();
        match sweep {
            Sweep::Specs => self.specs.0 = Some(now.mono + self.settings.poll_specs),
            Sweep::Wishes => self.wishes.0 = Some(now.mono + self.settings.poll_wishes),
        }
        self.worker.metrics.swept(sweep, found.is_ok(), now.wall);
        found
            .inspect_err(|error| {
                tracing::warn!(
                    sweep = sweep.label(),
                    error,
                    "a sweep failed; what is known stays"
                )
            })
            .ok()
    }

    /// A reconcile ended. An orphan that has nothing left is no longer known.
    fn reconciled(&mut self, name: &ApplicationName, outcome: queue::Outcome) {
        self.queue.done(name, outcome, self.worker.clock.mono());
        if self
            .slots
            .get(name)
            .is_some_and(|slot| slot.with(|kept| kept.is_over()))
        {
            tracing::info!(application = %name, "its spec is gone and it has no service: it is forgotten");
            self.queue.forget(name);
            self.slots.remove(name);
            self.missed.remove(name);
            self.worker.metrics.vanish(name);
            self.worker.board.remove(name);
        }
    }

    fn specs_found(&mut self, found: Vec<FoundSpec>) {
        let now = self.worker.clock.now();
        let names: BTreeSet<_> = found.iter().map(|found| found.name.clone()).collect();
        for found in found {
            self.spec_found(&found, now);
        }
        let absent: Vec<_> = self
            .slots
            .keys()
            .filter(|name| !names.contains(name))
            .cloned()
            .collect();
        for name in &absent {
            let (Some(slot), true) = (self.slots.get(name), self.missed.contains(name)) else {
                continue;
            };
            if slot.with(|kept| std::mem::replace(&mut kept.spec.present, false)) {
                let note = "its spec parameter is gone: everything is left as it is".to_owned();
                self.worker
                    .events
                    .emit(name, Reason::Orphaned, note, now.wall);
                self.queue.wake(name.clone(), Wake::SpecChanged, now.mono);
            }
        }
        self.missed = absent.into_iter().collect();
        self.find_conflicts(now.mono);
        if !self.listed {
            self.listed = true;
            self.wishes.0 = Some(now.mono);
        }
    }

    fn spec_found(&mut self, found: &FoundSpec, now: planner::Now) {
        let name = &found.name;
        let (wake, problem) = match self.slots.get(name) {
            None => {
                let spec = specs::first(found);
                let problem = spec.problem.clone();
                self.slots.insert(
                    name.clone(),
                    Arc::new(Slot::new(name.clone(), spec, now.mono)),
                );
                self.worker.metrics.appear(name);
                (Wake::Discovered, problem)
            }
            Some(slot) => {
                let Some(problem) = slot.with(|kept| {
                    specs::again(&mut kept.spec, found).then(|| kept.spec.problem.clone())
                }) else {
                    return;
                };
                (Wake::SpecChanged, problem)
            }
        };
        match problem {
            Some(problem) => self
                .worker
                .events
                .emit(name, Reason::SpecRefused, problem, now.wall),
            None => self.worker.events.emit(
                name,
                Reason::SpecAccepted,
                "the spec is in force".to_owned(),
                now.wall,
            ),
        }
        self.queue.wake(name.clone(), wake, now.mono);
    }

    fn find_conflicts(&mut self, now: Mono) {
        let applications: Vec<_> = self
            .slots
            .values()
            .filter_map(|slot| slot.with(|kept| kept.spec.application.clone()))
            .collect();
        let mut conflicts = specs::conflicts(applications.iter().map(AsRef::as_ref));
        for (name, slot) in &self.slots {
            let found = conflicts.remove(name).unwrap_or_default();
            if slot.with(|kept| std::mem::replace(&mut kept.spec.conflicts, found.clone())) != found
            {
                self.queue.wake(name.clone(), Wake::ConflictsChanged, now);
            }
        }
    }

    fn wishes_found(&mut self, found: &BTreeMap<ApplicationName, Generation>) {
        let now = self.worker.clock.mono();
        for (name, slot) in &self.slots {
            let Some(wish) = found.get(name).copied() else {
                continue;
            };
            if slot.with(|kept| kept.is_new(wish)) {
                self.queue.wake(name.clone(), Wake::DesiredChanged, now);
            }
        }
    }

    fn tell_health(&mut self) {
        let now = self.worker.clock.now();
        let missing = if self.ready {
            Vec::new()
        } else {
            self.missing()
        };
        self.ready = missing.is_empty();
        let running = self.running.values().min_by_key(|running| running.since);
        let running = running.and_then(|running| match &running.what {
            Job::Reconcile(name) => Some((name.clone(), running.since)),
            Job::Sweep(_) => None,
        });
        let overdue = self
            .queue
            .oldest(now.mono)
            .map(|(name, since)| (name.clone(), since));
        let oldest = overdue
            .as_ref()
            .map_or(Duration::ZERO, |(_, since)| now.mono.since(*since));
        let queue = QueueState {
            depth: self.queue.depth(now.mono),
            running: self.queue.running(),
            oldest,
        };
        self.worker
            .metrics
            .ticked(now.wall, self.slots.len(), queue);
        self.worker.metrics.set_ready(self.ready);
        self.worker.board.set_health(Health {
            tick: now.mono,
            overdue,
            running,
            missing,
        });
    }

    /// What is missing before every known application was observed in full.
    fn missing(&self) -> Vec<String> {
        if !self.listed {
            return vec!["the list of applications".to_owned()];
        }
        let unseen = self
            .slots
            .values()
            .filter(|slot| !slot.with(|kept| kept.is_observed()));
        unseen
            .map(|slot| format!("the first full observation of {}", slot.name))
            .collect()
    }

    /// Reads that nobody waits for are cut; reconciles end at their step boundary.
    async fn drain(&mut self) {
        tracing::info!(
            running = self.queue.running(),
            "stopping: nothing new is begun"
        );
        for running in self.running.values() {
            match running.what {
                Job::Sweep(_) => running.abort.abort(),
                Job::Reconcile(_) => {}
            }
        }
        while self.jobs.join_next().await.is_some() {}
    }

    async fn hand_over(self) {
        let mut writes = JoinSet::new();
        for slot in self.slots.into_values() {
            let worker = Arc::clone(&self.worker);
            writes.spawn(async move { worker.hand_over(&slot).await });
        }
        while let Some(joined) = writes.join_next().await {
            if let Err(error) = joined {
                tracing::error!(%error, "an application could not be handed over");
            }
        }
        tracing::info!("stopped");
    }
}

fn late(operation: &'static str, limit: Duration) -> ReadError {
    ReadError {
        operation,
        category: "timeout",
        message: format!("no answer within {} s", limit.as_secs()),
    }
}
