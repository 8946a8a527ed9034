//! An operator over a run: processes that follow one another, each with the queue's waits around its reconciles.

use std::cell::OnceCell;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use planner::Mono;
use prometheus::Registry;
use runtime::lab::{Operator, Reconciled};
use runtime::lease::shelf::{Shelf, Unreached};
use runtime::lease::{Authority, Keeper, Lease, LeaseItem, LeaseStore, Terms};
use runtime::outcome::Wake;
use runtime::queue::{Next, Queue};
use runtime::{Metrics, Mode, Settings};
use tokio::time::Sleep;
use tokio_util::sync::CancellationToken;

use crate::port::Port;
use crate::run::Progress;
use crate::scenario::START;
use crate::sim::{Sim, ms};

thread_local! {
    /// One set of metrics a thread: nothing is read from them here, and they are slow to register.
    static METRICS: OnceCell<Arc<Metrics>> = const { OnceCell::new() };
}

fn metrics() -> Option<Arc<Metrics>> {
    METRICS.with(|cell| {
        if cell.get().is_none() {
            let metrics = Metrics::new(&Registry::new(), "0").ok()?;
            let _ = cell.set(Arc::new(metrics));
        }
        cell.get().cloned()
    })
}

/// An operator for the whole run: process after process.
pub(crate) async fn life(sim: Sim, id: usize, settings: Settings, progress: Progress) {
    loop {
        poll_fn(|_| ready_when(sim.lock().operators[id].exists)).await;
        let died = {
            let mut process = pin!(process(&sim, id, settings, &progress));
            poll_fn(|cx| {
                if std::mem::take(&mut sim.lock().operators[id].killed) {
                    return Poll::Ready(true);
                }
                process.as_mut().poll(cx).map(|()| false)
            })
            .await
        };
        let back_after = sim.with(|state| {
            let end = if died { "dies" } else { "stops" };
            state.say(|_| format!("op {id}  {end}"));
            let operator = &mut state.operators[id];
            operator.stop = Default::default();
            operator.process += 1;
            if died { operator.back_after } else { 2_000 }
        });
        progress.restarts(id);
        tokio::time::sleep(Duration::from_millis(back_after)).await;
    }
}

fn ready_when(condition: bool) -> Poll<()> {
    if condition {
        Poll::Ready(())
    } else {
        Poll::Pending
    }
}

/// One process, until it is told to stop, has handed over and has given the lease back.
async fn process(sim: &Sim, id: usize, settings: Settings, progress: &Progress) {
    let Some(metrics) = metrics() else { return };
    sim.with(|state| state.say(|_| format!("op {id}  starts")));
    let (clock, stop_keeper) = (sim.clock, CancellationToken::new());
    let (authority, keeper) = match &sim.lease {
        None => (Authority::SingleByDeployment, None),
        Some(shelf) => {
            let lease = Lease::new(sim.lock().holder(id), Terms::default());
            let store = Store {
                sim: sim.clone(),
                id,
                way: shelf.another_way(),
            };
            let (keeper, handle) = Keeper::new(store, lease, clock, Arc::clone(&metrics));
            (
                Authority::Lease(handle),
                Some(keeper.run(stop_keeper.clone())),
            )
        }
    };
    let work = work(sim, id, settings, progress, authority, metrics);
    let Some(keeper) = keeper else {
        return work.await;
    };
    let (mut work, mut keeper) = (pin!(work), pin!(keeper));
    let mut given_back = false;
    poll_fn(|cx| {
        given_back = given_back || keeper.as_mut().poll(cx).is_ready();
        work.as_mut().poll(cx)
    })
    .await;
    stop_keeper.cancel();
    if !given_back {
        keeper.await;
    }
}

/// The queue's loop over one application.
async fn work(
    sim: &Sim,
    id: usize,
    settings: Settings,
    progress: &Progress,
    authority: Authority,
    metrics: Arc<Metrics>,
) {
    let (clock, stop) = (sim.clock, sim.lock().operators[id].stop.clone());
    let port = Port {
        sim: sim.clone(),
        operator: id,
    };
    let mode = Mode::Apply {
        writer: port.clone(),
        authority: authority.clone(),
    };
    // Monotonic time is counted from the start of the run by every process; none sees another's.
    let mut operator = Operator::new(
        Arc::clone(&sim.application),
        port,
        mode,
        &settings,
        clock,
        metrics,
        stop.clone(),
    );
    let polls = u64::try_from(settings.poll_wishes.as_millis()).unwrap_or(u64::MAX);
    let mut queue: Queue<(), Wake> = Queue::new(settings.limits, 0);
    let mut standing = authority.standing(clock.mono());
    queue.wake((), Wake::Discovered, clock.mono());
    while !stop.is_cancelled() {
        let now = clock.mono();
        if std::mem::replace(&mut standing, authority.standing(now)) != standing {
            sim.with(|state| state.say(|_| format!("op {id}  {standing:?}")));
            queue.wake((), Wake::LeadershipChanged, now);
        }
        if let Some(seconds) = sim.lock().operators[id].clock_jump.take() {
            let by = Duration::from_secs(seconds.unsigned_abs());
            operator.set_wall_clock(by, seconds < 0);
        }
        match queue.next(now) {
            Next::Run((), _) => {
                let reconciled = operator.reconcile().await;
                queue.done(&(), reconciled.next, clock.mono());
                tell(sim, id, &reconciled);
                progress.reconciled(sim, id, &reconciled);
            }
            Next::Sleep(due) => {
                // The poll of wishes comes round every few seconds.
                let poll = Mono((now.0 / polls.max(1) + 1) * polls);
                let wished = sim.lock().operators[id].wished;
                let until = if wished { due.min(poll) } else { due };
                let mut sleep = pin!(tokio::time::sleep_until(clock.instant(until)));
                poll_fn(|cx| {
                    let news = sim.lock().operators[id].wished != wished
                        || authority.standing(clock.mono()) != standing;
                    if news || stop.is_cancelled() {
                        return Poll::Ready(());
                    }
                    sleep.as_mut().poll(cx)
                })
                .await;
                let now = clock.mono();
                if wished && now >= poll {
                    sim.lock().operators[id].wished = false;
                    queue.wake((), Wake::DesiredChanged, now);
                }
            }
            Next::Idle | Next::Full => return,
        }
    }
    operator.hand_over().await;
}

/// A process's way to the lease, with what goes wrong there.
#[derive(Debug)]
struct Store {
    sim: Sim,
    id: usize,
    way: Shelf,
}

impl Store {
    async fn way(&self) -> &Shelf {
        ms(10).await;
        let trouble = self
            .sim
            .with(|state| state.operators[self.id].lease_trouble(state.now()));
        self.way.set_trouble(trouble);
        &self.way
    }
}

impl LeaseStore for Store {
    type Error = Unreached;

    async fn read(&self) -> Result<Option<LeaseItem>, Unreached> {
        self.way().await.read().await
    }

    async fn replace(&self, seen: Option<&LeaseItem>, next: &LeaseItem) -> Result<bool, Unreached> {
        self.way().await.replace(seen, next).await
    }
}

fn tell(sim: &Sim, id: usize, reconciled: &Reconciled) {
    sim.with(|state| {
        state.say(|_| {
            let waiting = reconciled.plan.as_ref().map(|plan| {
                let report = &plan.report;
                let step = plan.step.is_some();
                let waiting = if step {
                    "took its step".to_owned()
                } else {
                    report.waiting_on.message()
                };
                format!("{}, {waiting}", report.stage.as_str())
            });
            format!(
                "op {id}  {}: {} {}",
                reconciled.outcome.label(),
                waiting.unwrap_or_default(),
                reconciled.why.as_deref().unwrap_or_default()
            )
        });
    });
}

/// A life that can be made to stand still: while it does, nothing of it is looked at, and its timers run on.
pub(crate) struct Pausable<F> {
    sim: Sim,
    id: usize,
    life: Pin<Box<F>>,
    pause: Option<(u64, Pin<Box<Sleep>>)>,
}

impl<F: Future<Output = ()>> Pausable<F> {
    pub(crate) fn new(sim: Sim, id: usize, life: F) -> Self {
        Self {
            sim,
            id,
            life: Box::pin(life),
            pause: None,
        }
    }

    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) {
        let until = self.sim.lock().operators[self.id].paused_until;
        let now = START + self.sim.clock.mono().0;
        if until > now {
            if self.pause.as_ref().is_none_or(|(at, _)| *at != until) {
                let instant = self.sim.clock.instant(Mono(until - START));
                self.pause = Some((until, Box::pin(tokio::time::sleep_until(instant))));
            }
            if let Some((_, sleep)) = &mut self.pause
                && sleep.as_mut().poll(cx).is_pending()
            {
                return;
            }
        }
        let _running = self.life.as_mut().poll(cx);
    }
}
