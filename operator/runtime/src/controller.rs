//! The driver: one loop that starts what is due, takes in what ended, and stops when it is told to.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use crd_schema::ApplicationName;
use crd_schema::record::Generation;
use planner::{Mono, Tuning};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, Id, JoinError, JoinSet};
use tokio::time::{sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use crate::applications::{Applications, Wakes};
use crate::clock::Clock;
use crate::cloud::{Cloud, CloudWriter, FoundSpec, ReadError};
use crate::events::Events;
use crate::executor::{Executor, Mode};
use crate::lease::authority::View;
use crate::lease::{Authority, Standing};
use crate::metrics::{Metrics, QueueState, Role, Sweep};
use crate::notify::Notice;
use crate::outcome::{Outcome, Wake};
use crate::queue::{self, Limits, Next, Queue};
use crate::snapshot::{Board, Health, Leadership};
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
    /// Tells when the lease was taken or lost; none when nothing is written.
    authority: Option<Authority>,
    settings: Settings,
    applications: Applications,
    queue: Queue<ApplicationName, Wake>,
    jobs: JoinSet<Ended>,
    running: HashMap<Id, Running>,
    /// When each sweep is due; none while it runs, or before there is anything to look for.
    specs_due: Option<Mono>,
    wishes_due: Option<Mono>,
    /// The last list of all specs could be read.
    listed: bool,
    ready: bool,
    /// What is to be told outward.
    notices: mpsc::Receiver<Notice>,
}

/// What a job brought.
#[derive(Debug)]
enum Ended {
    Reconcile(queue::Outcome),
    Specs(Result<Vec<FoundSpec>, ReadError>, WishesSeen),
    Wishes(Result<BTreeMap<ApplicationName, Generation>, ReadError>),
    HandOver,
}

/// The newest wish that was seen of each application.
type WishesSeen = BTreeMap<ApplicationName, Option<Generation>>;

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
    HandOver(ApplicationName),
}

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
            poll_specs: _,
            poll_wishes: _,
        } = settings;
        let authority = match &mode {
            Mode::Apply { authority, .. } => Some(authority.clone()),
            Mode::ObserveOnly => None,
        };
        let executor = Executor {
            mode,
            tuning,
            clock,
            metrics: Arc::clone(&metrics),
            write_limit,
        };
        let (events, notices) = Events::outward(&metrics);
        let board = Board::default();
        let applications = Applications::new(
            executor.standing(),
            Arc::clone(&metrics),
            events.clone(),
            board.clone(),
        );
        let worker = Worker {
            cloud,
            executor,
            clock,
            metrics,
            events,
            board,
            limit: reconcile_limit,
            stop,
        };
        Self {
            worker: Arc::new(worker),
            authority,
            settings,
            applications,
            queue: Queue::new(limits, seed),
            jobs: JoinSet::new(),
            running: HashMap::new(),
            specs_due: Some(clock.mono()),
            wishes_due: None,
            listed: false,
            ready: false,
            notices,
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
        let (_, nothing) = mpsc::channel(1);
        let notices = std::mem::replace(&mut self.notices, nothing);
        let notifier = tokio::spawn(Arc::clone(&self.worker).notify_all(notices));
        loop {
            let wakes = self.applications.lead(self.worker.executor.standing());
            self.wake(wakes);
            let until = self.start_due();
            self.tell_health();
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(joined) = self.jobs.join_next_with_id() => self.ended(joined),
                () = changed(&mut self.authority) => {}
                () = sleep_until(self.worker.clock.instant(until)) => {}
            }
        }
        self.drain().await;
        notifier.abort();
    }

    /// Starts whatever is due, and says when to look again.
    fn start_due(&mut self) -> Mono {
        let now = self.worker.clock.mono();
        // A new wish may belong to a new spec, which is read first; one that cannot be read is not asked for at once.
        if self.listed && self.applications.await_specs() {
            self.specs_due = self.specs_due.map(|due| due.min(now));
        }
        if self.specs_due.take_if(|due| *due <= now).is_some() {
            self.start_specs(now);
        }
        if self.wishes_due.take_if(|due| *due <= now).is_some() {
            self.start_wishes(now);
        }
        let sweeps = [self.specs_due, self.wishes_due]
            .into_iter()
            .flatten()
            .min();
        let until = sweeps.map_or(now + HEARTBEAT, |due| due.min(now + HEARTBEAT));
        loop {
            match self.queue.next(now) {
                Next::Run(name, reasons) => self.start_reconcile(name, reasons, now),
                Next::Sleep(due) => return until.min(due),
                Next::Idle | Next::Full => return until,
            }
        }
    }

    fn start_reconcile(&mut self, name: ApplicationName, reasons: BTreeSet<Wake>, now: Mono) {
        let Some(slot) = self.applications.get(&name) else {
            self.queue.forget(&name);
            self.queue.done(&name, queue::Outcome::Settled, now);
            return;
        };
        for reason in &reasons {
            self.worker.metrics.woken(*reason);
        }
        tracing::debug!(application = %name, ?reasons, "reconcile starts");
        let (worker, slot) = (Arc::clone(&self.worker), Arc::clone(slot));
        let job = async move { Ended::Reconcile(worker.run(slot).await) };
        self.start(Job::Reconcile(name), now, job);
    }

    fn start_specs(&mut self, now: Mono) {
        let (worker, limit) = (Arc::clone(&self.worker), self.settings.reconcile_limit);
        let seen = self.applications.wishes_seen();
        let job = async move {
            let read = timeout(limit, worker.cloud.specs()).await;
            let read = read.unwrap_or_else(|_| Err(late("the list of specs", limit)));
            Ended::Specs(read, seen)
        };
        self.start(Job::Sweep(Sweep::Specs), now, job);
    }

    fn start_wishes(&mut self, now: Mono) {
        let (worker, limit) = (Arc::clone(&self.worker), self.settings.reconcile_limit);
        let names: Vec<_> = self.applications.names().cloned().collect();
        let job = async move {
            let read = timeout(limit, worker.cloud.wishes(&names)).await;
            Ended::Wishes(read.unwrap_or_else(|_| Err(late("the read of desired values", limit))))
        };
        self.start(Job::Sweep(Sweep::Wishes), now, job);
    }

    fn start_hand_over(&mut self, name: ApplicationName) {
        let Some(slot) = self.applications.get(&name) else {
            return;
        };
        let (worker, slot) = (Arc::clone(&self.worker), Arc::clone(slot));
        let job = async move {
            worker.hand_over(&slot).await;
            Ended::HandOver
        };
        self.start(Job::HandOver(name), self.worker.clock.mono(), job);
    }

    fn start(&mut self, what: Job, since: Mono, job: impl Future<Output = Ended> + Send + 'static) {
        let abort = self.jobs.spawn(job);
        self.running
            .insert(abort.id(), Running { what, since, abort });
    }

    /// Takes in what a job brought, or that it broke.
    fn ended(&mut self, joined: Result<(Id, Ended), JoinError>) {
        let id = joined.as_ref().map_or_else(JoinError::id, |(id, _)| *id);
        let Some(Running {
            what,
            since,
            abort: _,
        }) = self.running.remove(&id)
        else {
            return;
        };
        match (what, joined.map(|(_, ended)| ended)) {
            (Job::Reconcile(name), Ok(Ended::Reconcile(outcome))) => {
                self.reconciled(&name, outcome)
            }
            (Job::Reconcile(name), broken) => {
                tracing::error!(application = %name, ?broken, "a bug: what came of a reconcile could not be told");
                let now = self.worker.clock.now();
                let errors = self.queue.failures(&name).saturating_add(1);
                let took = now.mono.since(since);
                self.worker
                    .metrics
                    .reconciled(&name, Outcome::Panicked, took, errors, now.wall);
                self.reconciled(&name, queue::Outcome::Failed);
            }
            (Job::Sweep(Sweep::Specs), Ok(Ended::Specs(found, seen))) => {
                let found = found.map_err(|error| error.to_string());
                if let Err(why) = &found {
                    self.applications.specs_unread(why.clone());
                }
                if let Some(found) = self.swept(Sweep::Specs, found) {
                    let wakes = self
                        .applications
                        .specs_found(&found, self.worker.clock.now());
                    self.wake(wakes);
                    self.wake(self.applications.specs_read_for(&seen));
                    self.wishes_due.get_or_insert(self.worker.clock.mono());
                }
            }
            (Job::Sweep(Sweep::Wishes), Ok(Ended::Wishes(found))) => {
                if let Some(found) =
                    self.swept(Sweep::Wishes, found.map_err(|error| error.to_string()))
                {
                    let wakes = self.applications.wishes_found(&found);
                    self.wake(wakes);
                }
            }
            (Job::Sweep(sweep), broken) => {
                let _: Option<()> = self.swept(sweep, Err(format!("a bug: {broken:?}")));
            }
            // Begun at the stop only.
            (Job::HandOver(_), _) => {}
        }
    }

    fn wake(&mut self, wakes: Wakes) {
        let now = self.worker.clock.mono();
        for (name, reason) in wakes {
            self.queue.wake(name, reason, now);
        }
    }

    /// A sweep ended: the next one is due an interval from now. What it found, when it found anything.
    fn swept<T>(&mut self, sweep: Sweep, found: Result<T, String>) -> Option<T> {
        let now = self.worker.clock.now();
        match sweep {
            Sweep::Specs => {
                self.listed = found.is_ok();
                let interval = if self.listed || !self.applications.await_specs() {
                    self.settings.poll_specs
                } else {
                    self.settings.poll_wishes
                };
                self.specs_due = Some(now.mono + interval);
            }
            Sweep::Wishes => self.wishes_due = Some(now.mono + self.settings.poll_wishes),
        }
        self.worker.metrics.swept(sweep, found.is_ok(), now.wall);
        let log = |error: &String| {
            tracing::warn!(
                sweep = sweep.label(),
                error,
                "all parameters could not be read; what is known stays"
            );
        };
        found.inspect_err(log).ok()
    }

    fn reconciled(&mut self, name: &ApplicationName, outcome: queue::Outcome) {
        if self.applications.forget_if_over(name) {
            self.queue.forget(name);
        }
        self.queue.done(name, outcome, self.worker.clock.mono());
    }

    fn tell_health(&mut self) {
        let now = self.worker.clock.now();
        let missing = if self.ready {
            Vec::new()
        } else {
            self.applications.missing()
        };
        self.ready = missing.is_empty();
        let reconciles = self
            .running
            .values()
            .filter_map(|running| match &running.what {
                Job::Reconcile(name) => Some((name, running.since)),
                Job::Sweep(_) | Job::HandOver(_) => None,
            });
        let running = reconciles
            .min_by_key(|(_, since)| *since)
            .map(|(name, since)| (name.clone(), since));
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
            .ticked(now.wall, self.applications.names().len(), queue);
        self.worker.metrics.set_ready(self.ready);
        let leadership = self.leadership();
        self.worker.metrics.set_role(leadership.role);
        self.worker.board.set_leadership(leadership);
        self.worker.board.set_health(Health {
            tick: now.mono,
            overdue,
            running,
            missing,
        });
    }

    fn leadership(&self) -> Leadership {
        let Some(authority) = &self.authority else {
            return Leadership::observing();
        };
        let now = self.worker.clock.mono();
        let role = match authority.standing(now) {
            Standing::Sole | Standing::Leading(_) => Role::Leading,
            Standing::Standby => Role::Standby,
        };
        let View {
            holding: _,
            leader,
            trouble,
        } = authority.view();
        Leadership {
            role,
            leader,
            trouble,
        }
    }

    /// The stop: reads that nobody waits for are cut; reconciles end at their step boundary; each application is
    /// handed over as soon as it is idle.
    async fn drain(mut self) {
        tracing::info!(
            running = self.queue.running(),
            "stopping: nothing new is begun"
        );
        let mut idle: BTreeSet<_> = self.applications.names().cloned().collect();
        for running in self.running.values() {
            match &running.what {
                Job::Sweep(_) => running.abort.abort(),
                Job::Reconcile(name) | Job::HandOver(name) => {
                    idle.remove(name);
                }
            }
        }
        for name in idle {
            self.start_hand_over(name);
        }
        while let Some(joined) = self.jobs.join_next_with_id().await {
            let id = joined.as_ref().map_or_else(JoinError::id, |(id, _)| *id);
            match self.running.remove(&id).map(|running| running.what) {
                Some(Job::Reconcile(name)) => self.start_hand_over(name),
                Some(Job::HandOver(name)) => {
                    if let Err(error) = joined {
                        tracing::error!(application = %name, %error, "a bug: it could not be handed over");
                    }
                }
                Some(Job::Sweep(_)) | None => {}
            }
        }
        tracing::info!("stopped");
    }
}

/// Waits until the lease was taken or lost.
async fn changed(authority: &mut Option<Authority>) {
    match authority {
        Some(authority) => authority.changed().await,
        None => pending().await,
    }
}

fn late(operation: &'static str, limit: Duration) -> ReadError {
    ReadError {
        operation,
        category: "timeout",
        message: format!("no answer within {} s", limit.as_secs()),
    }
}
