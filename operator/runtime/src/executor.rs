//! The guarded executor: one planned write, checked once more and sent once.

use std::sync::Arc;
use std::time::Duration;

use crd_schema::Application;
use planner::ablation::Rule;
use planner::memory::WriteOutcome;
use planner::safety::{self, Violation};
use planner::{Mono, Tuning, World, Write};
use tokio::time::timeout;

use crate::clock::Clock;
use crate::cloud::{Changed, CloudWriter};
use crate::lease::{Authority, Standing};
use crate::metrics::Metrics;
use crate::slot::Slot;

/// Whether this operator may write at all. One that only observes never has a writer.
#[derive(Debug, Clone)]
pub enum Mode<W> {
    /// Writes are sent.
    Apply {
        /// The capability.
        writer: W,
        /// By what right.
        authority: Authority,
    },
    /// Nothing is ever written.
    ObserveOnly,
}

/// What became of a planned write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Enacted {
    Applied,
    /// It would have been sent, but this operator only observes.
    ObserveOnly,
    /// The plan is too old.
    PlanAged(Duration),
    GuardRefused(Violation),
    /// It would have been sent, but this operator stands by.
    Standby,
    /// The right to write would not outlive the write, or is another one than when the world was looked at.
    NoAuthority,
    Changed(String),
    Unread(String),
    NotSent(String),
    Refused(String),
    Unknown(String),
}

/// Sends planned writes, guarded.
#[derive(Debug, Clone)]
pub(crate) struct Executor<W> {
    pub(crate) mode: Mode<W>,
    pub(crate) tuning: Tuning,
    pub(crate) clock: Clock,
    pub(crate) metrics: Arc<Metrics>,
    /// Longest time that one write may take, and so may the read before it.
    pub(crate) write_limit: Duration,
}

impl<W: CloudWriter> Executor<W> {
    /// What this process is to the applications now.
    pub(crate) fn standing(&self) -> Standing {
        match &self.mode {
            Mode::Apply { authority, .. } => authority.standing(self.clock.mono()),
            Mode::ObserveOnly => Standing::Sole,
        }
    }

    /// The write capability, for what is no write to anything that the planner decides on. None while another operator
    /// leads, or when this one only observes.
    pub(crate) fn runner(&self) -> Option<&W> {
        match &self.mode {
            Mode::Apply { writer, authority } => {
                let standing = authority.standing(self.clock.mono());
                (standing != Standing::Standby).then_some(writer)
            }
            Mode::ObserveOnly => None,
        }
    }

    /// The write capability, for telling what happened: once, by the operator that leads.
    pub(crate) fn teller(&self) -> Option<&W> {
        match &self.mode {
            Mode::Apply { writer, .. } if self.tuning.without(Rule::ToldByTheLeader) => {
                Some(writer)
            }
            Mode::Apply { .. } | Mode::ObserveOnly => self.runner(),
        }
    }

    /// The write capability, where a write begun now, which takes up to `bound`, ends in the leadership `begun`.
    pub(crate) fn writer_within(&self, begun: Standing, bound: Duration) -> Option<&W> {
        match &self.mode {
            Mode::Apply { writer, authority } => authority
                .outlives(begun, self.clock.mono(), bound)
                .then_some(writer),
            Mode::ObserveOnly => None,
        }
    }

    /// Sends `write`, which was planned at `made` on `world` and the slot's memory.
    ///
    /// # Guarantees
    ///
    /// - In this order: the safety guard, what the write touches read again, the plan's age and the authority as they
    ///   are after that, one send. The authority is that under which the slot's memory began.
    /// - The slot's memory holds the write as outstanding *before* it is sent. Whatever happens to this future then,
    ///   the outcome is never taken for known.
    pub(crate) async fn enact(
        &self,
        slot: &Slot,
        application: &Application,
        world: &World,
        made: Mono,
        write: &Write,
    ) -> Enacted {
        let now = self.clock.now();
        let (memory, standing) = slot.with(|kept| (kept.memory.clone(), kept.standing));
        if let Err(violation) = safety::check(application, world, &memory, &self.tuning, write, now)
        {
            self.metrics.guard_refused(violation.property);
            return Enacted::GuardRefused(violation);
        }
        let Mode::Apply { writer, authority } = &self.mode else {
            return Enacted::ObserveOnly;
        };
        let ignored = self.tuning.without(Rule::Authority);
        if standing == Standing::Standby && !ignored {
            return Enacted::Standby;
        }
        let again = timeout(self.write_limit, writer.still_holds(application, write));
        let held = again.await.unwrap_or_else(|_| {
            Err(Changed::Unread {
                reason: self.late(),
            })
        });
        match held {
            _ if self.tuning.without(Rule::LookAgain) => {}
            Ok(()) => {}
            Err(Changed::Differs { what }) => return Enacted::Changed(what),
            Err(Changed::Unread { reason }) => return Enacted::Unread(reason),
        }
        let now = self.clock.now();
        let age = now.mono.since(made);
        if age > self.tuning.plan_age {
            return Enacted::PlanAged(age);
        }
        if !ignored && !authority.outlives(standing, now.mono, self.write_limit) {
            return Enacted::NoAuthority;
        }
        slot.with(|kept| kept.memory.sending(write, &self.tuning, now));
        let answer = timeout(self.write_limit, writer.write(application, write)).await;
        let outcome = answer.unwrap_or_else(|_| WriteOutcome::Unknown {
            reason: self.late(),
        });
        let now = self.clock.now();
        slot.with(|kept| kept.memory.note(write, &outcome, &self.tuning, now));
        self.metrics.wrote(write, &outcome);
        match outcome {
            WriteOutcome::Applied => Enacted::Applied,
            WriteOutcome::NotSent { reason } => Enacted::NotSent(reason),
            WriteOutcome::Refused { reason } => Enacted::Refused(reason),
            WriteOutcome::Unknown { reason } => Enacted::Unknown(reason),
        }
    }

    fn late(&self) -> String {
        format!("no answer within {} s", self.write_limit.as_secs())
    }

    /// A reconcile that began at `begun` ended without saying how: a write that it had sent may have happened, or may
    /// yet.
    pub(crate) fn abandoned(&self, slot: &Slot, begun: Mono) {
        let now = self.clock.now();
        slot.with(|kept| {
            let sent = kept
                .memory
                .outstanding
                .as_ref()
                .filter(|sent| sent.since >= begun);
            if let Some(write) = sent.map(|sent| sent.write.clone()) {
                let outcome = WriteOutcome::Unknown {
                    reason: "the reconcile was cut off".to_owned(),
                };
                kept.memory.note(&write, &outcome, &self.tuning, now);
            }
        });
    }
}

#[cfg(test)]
#[path = "executor_tests.rs"]
mod tests;
