//! An operator over a run: processes that follow one another, each with the queue's waits around its reconciles.

use std::cell::OnceCell;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use prometheus::Registry;
use runtime::lab::{Operator, Reconciled};
use runtime::lease::Authority;
use runtime::outcome::Wake;
use runtime::queue::{Next, Queue};
use runtime::{Metrics, Mode, Settings};
use tokio::time::Sleep;

use crate::port::Port;
use crate::run::Progress;
use crate::scenario::START;
use crate::sim::Sim;

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

/// One process, until it is told to stop and has handed over.
async fn process(sim: &Sim, id: usize, settings: Settings, progress: &Progress) {
    let Some(metrics) = metrics() else { return };
    sim.with(|state| state.say(|_| format!("op {id}  starts")));
    let port = Port {
        sim: sim.clone(),
        operator: id,
    };
    let stop = sim.lock().operators[id].stop.clone();
    let mode = Mode::Apply {
        writer: port.clone(),
        authority: Authority::SingleByDeployment,
    };
    let clock = sim.clock;
    // A process knows only its own start; monotonic time is counted from that of the run all the same.
    let mut operator = Operator::new(
        Arc::clone(&sim.application),
        port,
        mode,
        &settings,
        clock,
        metrics,
        stop.clone(),
    );
    let mut queue: Queue<(), Wake> = Queue::new(settings.limits, 0);
    queue.wake((), Wake::Discovered, clock.mono());
    while !stop.is_cancelled() {
        let now = clock.mono();
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
                // The poll of wishes comes round every five seconds.
                let polls = settings.poll_wishes.as_millis();
                let polls = u64::try_from(polls).unwrap_or(u64::MAX).max(1);
                let poll = planner::Mono((now.0 / polls + 1) * polls);
                let until = if sim.lock().operators[id].wished {
                    due.min(poll)
                } else {
                    due
                };
                let mut sleep = pin!(tokio::time::sleep_until(clock.instant(until)));
                let was_wished = sim.lock().operators[id].wished;
                poll_fn(|cx| {
                    let wished = sim.lock().operators[id].wished;
                    if stop.is_cancelled() || wished != was_wished {
                        return Poll::Ready(());
                    }
                    sleep.as_mut().poll(cx)
                })
                .await;
                let now = clock.mono();
                let seen = was_wished && now >= poll;
                if seen {
                    sim.lock().operators[id].wished = false;
                    queue.wake((), Wake::DesiredChanged, now);
                }
            }
            Next::Idle | Next::Full => return,
        }
    }
    operator.hand_over().await;
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
                let instant = self.sim.clock.instant(planner::Mono(until - START));
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
