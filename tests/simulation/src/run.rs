//! Carries out one plan and says how it ended.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use planner::WaitingOn;
use runtime::Settings;
use runtime::lab::Reconciled;
use runtime::outcome::Outcome;
use tokio::runtime::Runtime;

use crate::ending;
use crate::judge::{Violation, violation};
use crate::plan::{At, Plan};
use crate::port::READ;
use crate::process::{Pausable, life};
use crate::scenario::START;
use crate::sim::Sim;

/// A hold that lasts this long, in milliseconds, with nothing on its way, is one.
const HOLD: u64 = 120_000;
/// A run takes at most this much virtual time after the last fault.
const LIMIT: u64 = 5_400_000;

/// How operators are set up in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setup {
    /// The loop's and the planner's bounds.
    pub settings: Settings,
}

impl Default for Setup {
    /// As shipped, but that what moves is looked at every five seconds instead of two: fewer reconciles that do nothing.
    /// Two looks in a row lie far enough apart, the time that a round of reads takes left out.
    fn default() -> Self {
        let mut settings = Settings::default();
        settings.tuning.poll_moving = settings.tuning.health_gap;
        settings.tuning.health_gap -= Duration::from_millis(2 * READ);
        Self { settings }
    }
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// What was asked for serves alone, or it was rejected and the last good release does; nothing more is wanted.
    Settled,
    /// A person is needed, for a reason that the plan gave: the label of the hold.
    Held(&'static str),
    /// A property did not hold.
    Violated(Violation),
}

/// What is known of a run.
#[derive(Debug, Clone)]
pub struct Report {
    /// How it ended.
    pub ending: Ending,
    /// Rounds of reads, and writes that were sent.
    pub reads: u32,
    /// Writes that were sent.
    pub writes: u32,
    /// When each write was sent, in virtual milliseconds.
    pub sent: Vec<u64>,
    /// Virtual time at the end, in milliseconds.
    pub ended: u64,
    /// Line by line, when it was asked for.
    pub trace: Vec<String>,
}

/// What the operators tell of themselves, until the run is over.
#[derive(Debug, Clone, Default)]
pub(crate) struct Progress(Arc<Mutex<Told>>);

#[derive(Debug, Default)]
struct Told {
    each: [Each; 2],
    ending: Option<Ending>,
}

#[derive(Debug, Default)]
struct Each {
    /// Reconciles in a row that wanted nothing, and in which nothing went wrong.
    quiet: u32,
    /// When something had gone wrong last.
    disturbed: u64,
    /// The hold it is in, and since when.
    hold: Option<(&'static str, u64)>,
    /// It had a step to take, and no right to.
    stands_by: bool,
}

impl Each {
    fn leads(&self) -> bool {
        !self.stands_by && (self.quiet > 0 || self.hold.is_some())
    }
}

impl Progress {
    fn with<T>(&self, f: impl FnOnce(&mut Told) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn restarts(&self, id: usize) {
        self.with(|told| told.each[id] = Each::default());
    }

    /// An operator ended a reconcile.
    pub(crate) fn reconciled(&self, sim: &Sim, id: usize, reconciled: &Reconciled) {
        sim.with(|state| {
            self.with(|told| {
                let now = state.now();
                let each = &mut told.each[id];
                let waiting = reconciled
                    .plan
                    .as_ref()
                    .filter(|plan| plan.step.is_none())
                    .map(|plan| &plan.report.waiting_on);
                if waiting == Some(&WaitingOn::Nothing)
                    && reconciled.plan.as_ref().is_some_and(|p| p.report.converged)
                {
                    state.judge.completes(&state.truth.lab);
                }
                if !state.is_quiet() {
                    *each = Each::default();
                    return;
                }
                // What a standby would wait for it tells nobody: it knows nothing of the leader's own writes and watches.
                let stands_by = !state.leads(id);
                let waits = waiting.is_some_and(|waiting| *waiting != WaitingOn::Nothing);
                each.stands_by = reconciled.outcome == Outcome::Standby || (stands_by && waits);
                let undisturbed = each.disturbed == state.last_fault;
                each.disturbed = state.last_fault;
                each.quiet = match waiting {
                    Some(WaitingOn::Nothing) if undisturbed => each.quiet + 1,
                    Some(_) | None => 0,
                };
                each.hold = match (waiting.filter(|_| !stands_by), each.hold) {
                    (Some(WaitingOn::Hold(hold)), Some((label, since)))
                        if label == hold.label() =>
                    {
                        Some((label, since))
                    }
                    (Some(WaitingOn::Hold(hold)), _) => Some((hold.label(), now)),
                    (Some(_) | None, _) => None,
                };
                let ids = (0..2).filter(|id| state.operators[*id].exists);
                let mut quiet = true;
                let mut held = None;
                for id in ids {
                    let each = &told.each[id];
                    let holds = each.hold.filter(|(_, since)| now >= since + HOLD);
                    held = held.or(holds);
                    let stands_by = each.stands_by && told.each[1 - id].leads();
                    quiet &= each.quiet >= 3 || holds.is_some() || stands_by;
                }
                if quiet {
                    let ending = match held {
                        Some((label, _)) => ending::held(state, label),
                        None => ending::settled(state),
                    };
                    told.ending.get_or_insert(ending);
                }
            });
        });
    }
}

thread_local! {
    /// One runtime a thread, its clock paused: it moves when nothing else can be done, and never otherwise.
    static RUNTIME: Option<Runtime> = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .ok();
}

/// Carries out `plan`. The same plan and setup give the same report.
#[must_use]
pub fn run(plan: &Plan, setup: &Setup, trace: bool) -> Report {
    RUNTIME.with(|runtime| match runtime {
        Some(runtime) => runtime.block_on(carry_out(plan, setup, trace)),
        None => Report {
            ending: broken("no runtime"),
            reads: 0,
            writes: 0,
            sent: Vec::new(),
            ended: 0,
            trace: Vec::new(),
        },
    })
}

fn broken(message: &str) -> Ending {
    Ending::Violated(Violation {
        property: "harness",
        message: message.to_owned(),
    })
}

async fn carry_out(plan: &Plan, setup: &Setup, trace: bool) -> Report {
    let sim = Sim::new(plan, trace);
    let progress = Progress::default();
    let mut lives = [0, 1].map(|id| {
        let life = life(sim.clone(), id, setup.settings, progress.clone());
        Pausable::new(sim.clone(), id, life)
    });
    let mut times = pin!(times(sim.clone()));
    let ending = poll_fn(|cx| {
        for life in &mut lives {
            life.poll(cx);
        }
        if times.as_mut().poll(cx).is_ready() {
            return Poll::Ready(late(&sim));
        }
        let found = sim.lock().violation.take().map(Ending::Violated);
        match found.or_else(|| progress.with(|told| told.ending.take())) {
            Some(ending) => Poll::Ready(ending),
            None => Poll::Pending,
        }
    })
    .await;
    let mut state = sim.lock();
    state.say(|_| format!("ends: {ending:?}"));
    Report {
        ending,
        reads: state.reads,
        writes: state.writes,
        sent: state.sent.iter().map(|at| at - START).collect(),
        ended: state.now() - START,
        trace: state.trace.take().unwrap_or_default(),
    }
}

/// What happens at a time. Ends when the run takes too long.
async fn times(sim: Sim) {
    loop {
        let next = sim.lock().next_time();
        match next {
            Some(ms) => {
                sim.until(START + ms).await;
                sim.with(|state| {
                    for fault in state.take(At::Time(ms)) {
                        state.happens(&fault, 0);
                    }
                });
                tokio::task::yield_now().await;
            }
            None => {
                let limit = sim.lock().last_fault + LIMIT;
                if START + sim.clock.mono().0 >= limit {
                    return;
                }
                sim.until(limit).await;
            }
        }
    }
}

fn late(sim: &Sim) -> Ending {
    let state = sim.lock();
    let checked: Result<(), Violation> = violation(
        "L1",
        format!(
            "neither settled nor held {} s after the last fault",
            (state.now() - state.last_fault) / 1_000
        ),
    );
    checked.err().map_or(Ending::Settled, Ending::Violated)
}
