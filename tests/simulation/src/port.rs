//! AWS as an operator reaches it in a run: the traits of the port over the truth, with what goes wrong.

use std::collections::BTreeMap;
use std::future::pending;

use crd_schema::record::Generation;
use crd_schema::{Application, ApplicationName};
use jiff::Timestamp;
use planner::gate::Run;
use planner::memory::WriteOutcome;
use planner::watch::{Alarm, Counts, Measured, Watch, What};
use planner::{World, Write};
use runtime::cloud::{Changed, Cloud, CloudWriter, Focus, FoundSpec, ReadError, Tried};
use runtime::lease::Phase;
use runtime::lease::shelf::Shelf;
use tokio::task::yield_now;

use crate::look::look;
use crate::plan::{At, Fault, Part, Test, Word};
use crate::scenario::ALARM;
use crate::sim::{SIGNATURE, Sim, State, ms};
use crate::truth::{Answer, stamp};

/// A round of reads takes this long, in milliseconds.
pub(crate) const READ: u64 = 60;
/// The look before a write, and each way of a write.
const CALL: u64 = 20;
/// One try of a gate.
const GATE: u64 = 8_000;

/// One operator's way to AWS.
#[derive(Debug, Clone)]
pub(crate) struct Port {
    pub(crate) sim: Sim,
    pub(crate) operator: usize,
}

impl Port {
    /// Lets happen what stands at `at`, and returns what it does to the call itself.
    async fn suffer(&self, at: At) -> Vec<Fault> {
        let taken = self.sim.with(|state| {
            let taken = state.take(at);
            taken
                .iter()
                .for_each(|fault| state.happens(fault, self.operator));
            taken
        });
        if !taken.is_empty() {
            // Whoever was killed or paused by it goes no further.
            yield_now().await;
        }
        taken
    }

    async fn read(&self, answers: &[Answer], by_name: &[String]) -> World {
        ms(READ).await;
        self.sim.with(|state| {
            let State { judge, truth, .. } = state;
            let world = truth.lab.observe();
            judge.look(&truth.lab, &world);
            let seen = truth.read(world, answers, by_name);
            let operator = &mut state.operators[self.operator];
            operator.seen = seen.oldest;
            if !seen.unread.contains(&Part::Desired) {
                operator.wish_seen = seen.oldest;
            }
            operator.unread = seen.unread;
            seen.world
        })
    }
}

fn answers(faults: &[Fault]) -> Vec<Answer> {
    let answer = |fault: &Fault| match fault {
        Fault::Unread(part) => Some(Answer::Unread(*part)),
        Fault::Stale { part, seconds } => Some(Answer::Stale(*part, seconds * 1_000)),
        _ => None,
    };
    faults.iter().filter_map(answer).collect()
}

impl Cloud for Port {
    async fn observe(&self, _: &Application, focus: &Focus) -> World {
        let n = self.sim.with(|state| {
            state.reads += 1;
            state.reads - 1
        });
        let begun = self.sim.clock.mono();
        let faults = self.suffer(At::Read(n)).await;
        let mut world = self.read(&answers(&faults), &focus.services).await;
        stamp(&mut world, begun);
        World {
            spec_present: focus.spec_present,
            conflicts: focus.conflicts.clone(),
            ..world
        }
    }

    async fn measure(
        &self,
        _: &Application,
        watch: &Watch,
        from: Timestamp,
    ) -> (Measured, Timestamp) {
        ms(CALL).await;
        if let What::Analysis(_) = &watch.what {
            let said = self.sim.with(|state| state.truth.said(Test::Analysis));
            let counts = |bad| Counts { requests: 100, bad };
            let requests = |bad| Measured::Requests {
                green: counts(bad),
                blue: counts(0),
            };
            let measured = match said {
                Some((Word::Silent, _)) => Measured::Error {
                    reason: "throttled: slow down".to_owned(),
                },
                Some((Word::Fails, _)) => requests(50),
                None => requests(0),
            };
            return (measured, from);
        }
        let said = self.sim.with(|state| state.truth.said(Test::Alarm));
        let alarm = |red, since: Option<u64>| Alarm {
            name: ALARM.to_owned(),
            red,
            since: since.map(|since| self.sim.with(|state| state.truth.lab.wall(since))),
            reason: "Threshold Crossed".to_owned(),
        };
        let measured = match said {
            Some((Word::Silent, _)) => Measured::Error {
                reason: "throttled: slow down".to_owned(),
            },
            Some((Word::Fails, since)) => Measured::Alarms(vec![alarm(true, Some(since))]),
            None => Measured::Alarms(vec![alarm(false, None)]),
        };
        (measured, from)
    }

    async fn specs(&self) -> Result<Vec<FoundSpec>, ReadError> {
        Ok(Vec::new())
    }

    async fn wishes(
        &self,
        _: &[ApplicationName],
    ) -> Result<BTreeMap<ApplicationName, Generation>, ReadError> {
        Ok(BTreeMap::new())
    }
}

impl CloudWriter for Port {
    async fn still_holds(&self, _: &Application, write: &Write) -> Result<(), Changed> {
        let n = self.sim.with(|state| {
            state.looks += 1;
            state.looks - 1
        });
        let faults = self.suffer(At::Look(n)).await;
        ms(CALL).await;
        let seen = self.sim.with(|state| {
            let world = state.truth.lab.observe();
            let seen = state.truth.read(world, &answers(&faults), &[]);
            state.operators[self.operator].looked = seen.oldest;
            seen
        });
        look(&seen.world, write)
    }

    async fn write(&self, _: &Application, write: &Write) -> WriteOutcome {
        let n = self.sim.with(|state| {
            state.writes += 1;
            state.writes - 1
        });
        let faults = self.suffer(At::Write(n)).await;
        if faults
            .iter()
            .any(|fault| matches!(fault, Fault::Pause { .. }))
        {
            self.sim
                .with(|state| state.operators[self.operator].stalled = true);
        }
        let outcome = self.send(n, write, &faults).await;
        self.suffer(At::After(n)).await;
        ms(CALL).await;
        outcome
    }

    async fn notify(
        &self,
        _: &crd_schema::webhook::Webhook,
        _: &runtime::events::Event,
    ) -> Result<(), ReadError> {
        Ok(())
    }

    async fn stop_gate(
        &self,
        _: &Application,
        _: &Run,
        _: Option<&str>,
        _: &str,
    ) -> Result<(), ReadError> {
        Ok(())
    }

    async fn try_gate(&self, _: &Application, run: &Run, _: u32, _: Option<&str>) -> Tried {
        // What comes while the process stands still is in its socket when it goes on.
        ms(GATE).await;
        self.sim.with(|state| match state.truth.said(Test::Gates) {
            Some((Word::Silent, _)) => Tried::Unclear {
                reason: "no answer".to_owned(),
            },
            Some((Word::Fails, _)) => Tried::Failed {
                reason: "500, not 200".to_owned(),
            },
            None => {
                state
                    .say(|_| format!("op {}  {} passes {}", self.operator, run.version, run.place));
                let passed = (run.version.clone(), run.place.clone());
                state.judge.passed.insert(passed);
                Tried::Passed
            }
        })
    }

    async fn put_status(&self, _: &ApplicationName, _: &str) -> Result<(), ReadError> {
        Ok(())
    }
}

impl Port {
    /// The write itself, as far as its effect, or the lack of it.
    async fn send(&self, n: u32, write: &Write, faults: &[Fault]) -> WriteOutcome {
        let lease = self.sim.lease.as_ref();
        let item = lease.and_then(Shelf::item);
        let holder = item.filter(|item| item.phase == Phase::Held);
        let holder = holder.map(|item| item.holder);
        let issue = self
            .sim
            .with(|state| state.sends(self.operator, n, write, holder));
        ms(CALL).await;
        let unknown = || WriteOutcome::Unknown {
            reason: "connection reset".to_owned(),
        };
        let throttled = self
            .sim
            .with(|state| state.truth.throttled_until > state.now());
        if throttled {
            return refused("throttled: slow down");
        }
        let lands = || self.sim.with(|state| state.lands(&issue));
        let later = |ms: u64, after: Option<u32>| {
            self.sim
                .with(|state| state.lands_later(issue.clone(), ms, after));
        };
        let own = faults.iter().find(|fault| is_of_write(fault));
        match own {
            Some(Fault::Refused) => refused("AccessDenied: not now"),
            Some(Fault::NotSent) => WriteOutcome::NotSent {
                reason: "no connection".to_owned(),
            },
            Some(Fault::Lost) => unknown(),
            Some(Fault::Hangs) => pending().await,
            Some(Fault::AnswerLost) => {
                lands();
                unknown()
            }
            Some(Fault::AnswerHangs) => {
                lands();
                pending().await
            }
            Some(Fault::Late { seconds }) => {
                later(seconds * 1_000, None);
                unknown()
            }
            Some(Fault::PastNext { writes }) => {
                later(SIGNATURE, Some(*writes));
                unknown()
            }
            Some(Fault::Duplicated { seconds }) => {
                let outcome = lands();
                self.sim
                    .with(|state| state.lands_again(issue.clone(), seconds * 1_000));
                outcome
            }
            Some(Fault::CrashLate { seconds }) => {
                later(seconds * 1_000, None);
                self.sim.with(|state| state.kill(self.operator, 1_000));
                yield_now().await;
                pending().await
            }
            Some(Fault::PauseAfter { seconds }) => {
                let outcome = lands();
                self.sim.with(|state| {
                    let pause = Fault::Pause { seconds: *seconds };
                    state.happens(&pause, self.operator);
                });
                yield_now().await;
                outcome
            }
            Some(_) | None => lands(),
        }
    }
}

fn refused(reason: &str) -> WriteOutcome {
    WriteOutcome::Refused {
        reason: reason.to_owned(),
    }
}

/// It says what becomes of the write that it stands at.
pub(crate) fn is_of_write(fault: &Fault) -> bool {
    matches!(
        fault,
        Fault::Refused
            | Fault::NotSent
            | Fault::Lost
            | Fault::Hangs
            | Fault::AnswerLost
            | Fault::AnswerHangs
            | Fault::Late { .. }
            | Fault::PastNext { .. }
            | Fault::Duplicated { .. }
            | Fault::CrashLate { .. }
            | Fault::PauseAfter { .. }
    )
}
