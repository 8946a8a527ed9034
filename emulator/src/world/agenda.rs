//! What is due when: the queue of timed transitions.

use std::collections::BTreeSet;
use std::net::SocketAddrV4;

use serde::{Deserialize, Serialize};

use super::Millis;

/// A transition that becomes due. Its handler looks at the state first: an entry may have been overtaken.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Event {
    /// A task (by ARN) leaves its present state.
    Task(String),
    /// A container of a modelled task (by ARN) exits by itself.
    TaskExits(String),
    /// A modelled task (by ARN) has exited after SIGTERM with this code.
    TaskTerminated(String, i32),
    /// A stopped task (by ARN) is forgotten.
    TaskForgotten(String),
    /// An INACTIVE service (ARN, when it was created) is forgotten.
    ServiceForgotten(String, Millis),
    /// The scheduler looks at a service (by ARN).
    Service(String),
    /// A target (group ARN, target) is checked.
    Check(String, SocketAddrV4),
    /// A target (group ARN, target) has drained.
    Drained(String, SocketAddrV4),
    /// An alarm (name, number of its creation) is evaluated.
    Alarm(String, u64),
    /// The policies of a scalable target (its key, its ARN) are looked at.
    Tracking(String, String),
    /// A scheduled action (key of its scalable target, name) comes.
    ScheduledAction(String, String),
    /// A stream of modelled requests (by index) sends its next request.
    Request(usize),
    /// A modelled request (by number) ends.
    RequestEnds(u64),
}

/// Entries in order of time, and of insertion within one instant.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Agenda {
    entries: BTreeSet<(Millis, u64, Event)>,
    sequence: u64,
}

impl Agenda {
    /// Enters an event.
    pub fn at(&mut self, at: Millis, event: Event) {
        self.sequence += 1;
        self.entries.insert((at, self.sequence, event));
    }

    /// The earliest entry's instant.
    #[must_use]
    pub fn next(&self) -> Option<Millis> {
        self.entries.first().map(|(at, _, _)| *at)
    }

    /// Takes the earliest entry that is due at `now`.
    pub fn take_due(&mut self, now: Millis) -> Option<(Millis, Event)> {
        if self.next()? > now {
            return None;
        }
        self.entries.pop_first().map(|(at, _, event)| (at, event))
    }
}
