//! A state of the search: the account, the operators and their lease, writes on their way, what may still happen.

use std::hash::{Hash, Hasher};
use std::sync::{Arc, OnceLock};

use crd_schema::Application;
use planner::{Memory, Write};

use crate::account::Account;
use crate::canonical::Canonical;
use crate::gates::{Running, Says};
use crate::judge::Past;
use crate::setup::{Faults, Setup};

/// A state of the search.
#[derive(Debug, Clone)]
pub struct State {
    /// What the search looks at.
    pub setup: Arc<Setup>,
    /// The account.
    pub account: Account,
    /// The operators; one that stands by without the lease remembers nothing.
    pub operators: Vec<Option<Operator>>,
    /// Who holds the lease.
    pub lease: Option<Lease>,
    /// Unanswered writes that may still land.
    pub flights: Vec<Flight>,
    /// What may still happen.
    pub left: Faults,
    /// Changes of the desired value that may still happen.
    pub wishes: u8,
    /// What alarms and analyses say.
    pub says: Says,
    /// The application as it is while a freeze goes on, which one does.
    pub frozen: Option<Arc<Application>>,
    /// What the history showed.
    pub past: Past,
    /// The first property that an own write broke.
    pub broken: Option<&'static str>,
    /// What becomes of it in a fair world, once worked out.
    pub ending: OnceLock<Option<&'static str>>,
}

/// One operator's process.
#[derive(Debug, Clone)]
pub struct Operator {
    /// What it remembers.
    pub memory: Arc<Memory>,
    /// The write that it planned and has not sent yet, and when it planned it.
    pub planned: Option<(Arc<Write>, u64)>,
    /// When it renewed the lease last.
    pub renewed: u64,
    /// It is paused: does nothing and notices nothing.
    pub paused: bool,
    /// The gate that it runs.
    pub gate: Option<Running>,
    /// Alarms and analyses that it watches, by their keys.
    pub watched: Vec<String>,
}

/// The lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// Which operator.
    pub holder: usize,
    /// When it was renewed last.
    pub renewed: u64,
}

/// An unanswered write.
#[derive(Debug, Clone)]
pub struct Flight {
    /// The write.
    pub write: Arc<Write>,
    /// When it was planned.
    pub made: u64,
    /// At this tick it cannot land any more.
    pub until: u64,
    /// A person acted after it was sent.
    pub overtaken: bool,
}

/// Ticks for which a lease holds without renewal.
pub const TERM: u64 = 2;
/// Ticks that a takeover waits beyond the term.
pub const GRACE: u64 = 1;

impl State {
    /// What decides the future of the account and the operators, whatever else may happen.
    pub fn core(&self, hasher: &mut impl Hasher) {
        let now = self.account.now;
        let version = self
            .account
            .ssm
            .truth()
            .record
            .as_ref()
            .map_or(0, |(v, _)| *v);
        self.says.hash(hasher);
        self.frozen.is_some().hash(hasher);
        // What is planned later is planned on what they say then.
        let planned = self.operators.iter().flatten();
        let planned = planned.filter_map(|o| o.planned.as_ref().map(|(_, made)| *made));
        let sent = self.flights.iter().map(|flight| flight.made);
        for made in planned.chain(sent) {
            (self.past.well >= made).hash(hasher);
        }
        let mut canonical = Canonical::new(hasher, &self.setup, now);
        canonical.account(&self.account);
        for operator in self.operators.iter().flatten() {
            canonical.memory(&operator.memory, version);
            if let Some((write, _)) = &operator.planned {
                canonical.write(write);
            }
            if let Some(gate) = &operator.gate {
                canonical.gate(gate, &operator.memory.record);
            }
            operator.watched.hash(canonical.hasher());
        }
        for flight in &self.flights {
            canonical.write(&flight.write);
        }
        let ages = self.operators.iter().map(|operator| {
            operator.as_ref().map(|o| {
                let made = o.planned.as_ref().map(|(_, made)| (now - made).min(3));
                (
                    made,
                    self.lease
                        .as_ref()
                        .map(|_| (now - o.renewed).min(TERM + GRACE)),
                    o.paused,
                )
            })
        });
        ages.collect::<Vec<_>>().hash(hasher);
        let lease = self.lease.as_ref();
        lease
            .map(|l| (l.holder, (now - l.renewed).min(TERM + GRACE)))
            .hash(hasher);
        for flight in &self.flights {
            (flight.until.saturating_sub(now), (now - flight.made).min(8)).hash(hasher);
            flight.overtaken.hash(hasher);
        }
    }
}

impl Hash for State {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.core(hasher);
        let person = self.past.person.map(|at| (self.account.now - at).min(8));
        let completed = self
            .past
            .completed
            .map(|at| (self.account.now - at).min(self.setup.late + 2));
        (
            self.left,
            self.wishes,
            completed,
            (self.past.turns, self.past.direction),
            (&self.past.rejected, &self.past.passed),
            (person, self.past.unseen),
            self.broken,
        )
            .hash(hasher);
    }
}

impl PartialEq for State {
    fn eq(&self, other: &Self) -> bool {
        let digest = |state: &Self| {
            let mut hasher = std::hash::DefaultHasher::new();
            state.hash(&mut hasher);
            hasher.finish()
        };
        digest(self) == digest(other)
    }
}
