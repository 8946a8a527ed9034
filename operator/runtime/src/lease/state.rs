//! The lease as a pure state machine: time is an argument, and the store is answers.
//!
//! A lease counts from the *begin* of the write that took or renewed it, at its holder; and others count from the
//! *answer* of the read that first showed that write. The first is never later than the second. So when others see
//! the item unchanged for a term and a grace, its holder's last write ended at least a margin and a grace ago.
//!
//! A conditional write whose answer is lost may take effect later. That is harmless: items are never equal, so it takes
//! effect only if nothing else did since, and then it is this process's own. So that this holds where there is no item,
//! too, each put begins an epoch of its own.
//!
//! "No item" is always equal to itself: while it was not looked at, another process may have taken the lease and a
//! person may have deleted the item under it. Therefore nobody takes the lease where no item is: it puts one there,
//! [`Phase::Awaited`], and waits for a term and a grace as for anybody's.

use planner::Mono;

use super::{LeaseItem, Phase, Terms};
use crate::delay::Delays;

/// One process's part in a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    holder: String,
    terms: Terms,
    state: State,
    /// What the store has is to be read before anything is written.
    look: bool,
    /// Nothing is asked before this.
    due: Mono,
    /// Calls without an answer, in a row.
    failures: u32,
    /// The highest epoch ever seen: also after the item was deleted, no epoch comes twice.
    epoch: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    /// Nothing was seen yet.
    Blind,
    /// Somebody else's item, or none, first seen `since`.
    Standby {
        item: Option<LeaseItem>,
        since: Mono,
    },
    /// This process's item. Its writes end before `until`.
    Held { item: LeaseItem, until: Mono },
}

/// What to ask of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// [`super::LeaseStore::read`], then [`Lease::read`].
    Read,
    /// [`super::LeaseStore::replace`], then [`Lease::replaced`].
    Replace {
        /// What must be there.
        seen: Option<LeaseItem>,
        /// What is to be there.
        next: LeaseItem,
    },
    /// Nothing before then.
    Wait(Mono),
}

/// A lease that is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holding {
    /// Which taking of it: another one is another leadership.
    pub epoch: u64,
    /// Writes must end before this: a margin before the lease does.
    pub until: Mono,
}

impl Lease {
    /// A process that knows nothing yet. `holder` is unique to it.
    pub fn new(holder: String, terms: Terms) -> Self {
        Self {
            holder,
            terms,
            state: State::Blind,
            look: true,
            due: Mono::default(),
            failures: 0,
            epoch: 0,
        }
    }

    /// Its durations.
    pub fn terms(&self) -> Terms {
        self.terms
    }

    /// What to do at `now`.
    pub fn next(&self, now: Mono) -> Next {
        if now < self.due {
            return Next::Wait(self.due);
        }
        match &self.state {
            State::Held { item, .. } if !self.look => Next::Replace {
                seen: Some(item.clone()),
                next: item.renewed(),
            },
            State::Standby { item: None, .. } if !self.look => Next::Replace {
                seen: None,
                next: self.mine(Phase::Awaited),
            },
            State::Standby {
                item: Some(item),
                since,
            } if !self.look && now >= self.free_at(item, *since) => Next::Replace {
                seen: Some(item.clone()),
                next: self.mine(Phase::Held),
            },
            State::Blind | State::Standby { .. } | State::Held { .. } => Next::Read,
        }
    }

    /// The store was read: what it had at some time before `now`; none when that is not known.
    pub fn read(&mut self, answer: Option<Option<LeaseItem>>, now: Mono) {
        let Some(item) = answer else {
            return self.unanswered(now);
        };
        self.answered(now);
        self.look = false;
        self.epoch = item
            .as_ref()
            .map_or(self.epoch, |item| self.epoch.max(item.epoch));
        self.state = match (std::mem::replace(&mut self.state, State::Blind), item) {
            (State::Held { item: mine, until }, Some(item))
                if mine.holder == item.holder && mine.epoch == item.epoch =>
            {
                State::Held { item, until }
            }
            (
                State::Standby {
                    item: before,
                    since,
                },
                item,
            ) if before == item => State::Standby { item, since },
            (State::Blind | State::Standby { .. } | State::Held { .. }, item) => {
                State::Standby { item, since: now }
            }
        };
        self.await_free(now);
    }

    /// `next` was to be put in place of what was seen, by a call that began at `begun`: whether it is there now; none
    /// when that is not known.
    pub fn replaced(&mut self, next: LeaseItem, begun: Mono, answer: Option<bool>, now: Mono) {
        // Also where it is not there, or nobody knows: what is put where no item is may take effect long after, and is never
        // equal to another.
        self.epoch = self.epoch.max(next.epoch);
        match answer {
            Some(true) => {
                self.answered(now);
                if next.phase == Phase::Held {
                    let until = begun + self.terms.term.saturating_sub(self.terms.margin);
                    self.state = State::Held { item: next, until };
                    self.due = begun + self.terms.renew_every;
                } else {
                    self.state = State::Standby {
                        item: Some(next),
                        since: now,
                    };
                    self.await_free(now);
                }
            }
            Some(false) => {
                self.answered(now);
                self.look = true;
                if let State::Held { until, .. } = &mut self.state {
                    *until = now.min(*until);
                }
            }
            None => {
                self.look = true;
                self.unanswered(now);
            }
        }
    }

    /// What the store has is to be read before anything is written.
    pub fn is_in_doubt(&self) -> bool {
        self.look
    }

    /// Gives the lease up. What to put in place of what, so that the next one need not wait; none when it is not held
    /// or what the store has is not known. After this, and before anything is sent, it is not held.
    pub fn release(&mut self) -> Option<(LeaseItem, LeaseItem)> {
        let known = !self.look;
        self.look = true;
        match std::mem::replace(&mut self.state, State::Blind) {
            State::Held { item, .. } if known => {
                let released = item.released();
                Some((item, released))
            }
            State::Held { .. } | State::Standby { .. } | State::Blind => None,
        }
    }

    /// The lease as this process holds it; it may have run out.
    pub fn holding(&self) -> Option<Holding> {
        match &self.state {
            State::Held { item, until } => Some(Holding {
                epoch: item.epoch,
                until: *until,
            }),
            State::Blind | State::Standby { .. } => None,
        }
    }

    /// Who else has it, as far as is known.
    pub fn leader(&self) -> Option<&str> {
        match &self.state {
            State::Standby {
                item: Some(item), ..
            } if item.phase == Phase::Held => Some(&item.holder),
            State::Blind | State::Standby { .. } | State::Held { .. } => None,
        }
    }

    /// This process's item, the first of another epoch.
    fn mine(&self, phase: Phase) -> LeaseItem {
        LeaseItem {
            holder: self.holder.clone(),
            epoch: self.epoch.saturating_add(1),
            renewal: 0,
            phase,
        }
    }

    /// When an item may be replaced that was first seen `since`: one that was given back, or that this process took
    /// without having the answer, at once.
    fn free_at(&self, item: &LeaseItem, since: Mono) -> Mono {
        match item.phase {
            Phase::Released => since,
            Phase::Held if item.holder == self.holder => since,
            Phase::Held | Phase::Awaited => since + self.terms.term + self.terms.grace,
        }
    }

    /// Looks again when the item that was seen may have changed, or may be taken.
    fn await_free(&mut self, now: Mono) {
        if let State::Standby {
            item: Some(item),
            since,
        } = &self.state
        {
            self.due = self.free_at(item, *since).min(now + self.terms.renew_every);
        }
    }

    fn answered(&mut self, now: Mono) {
        self.failures = 0;
        self.due = now;
    }

    fn unanswered(&mut self, now: Mono) {
        self.failures = self.failures.saturating_add(1);
        let longest = self.terms.renew_every;
        let delays = Delays {
            first: longest / 5,
            longest,
        };
        self.due = now + delays.after(self.failures, 0.5);
    }
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
