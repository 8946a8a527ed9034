//! The past states from which lagging reads are answered.

use std::collections::VecDeque;

use crate::world::{Millis, World};

/// Whether an operation only reads.
#[must_use]
pub fn is_read(operation: &str) -> bool {
    ["Describe", "Get", "List"]
        .iter()
        .any(|verb| operation.starts_with(verb))
}

/// States after each write, oldest first, as far back as the longest lag needs.
#[derive(Debug, Default)]
pub struct History {
    states: VecDeque<World>,
}

impl History {
    /// Remembers the state after a write and forgets those that no read can need that lags at most `longest_lag` milliseconds.
    pub fn remember(&mut self, world: &World, longest_lag: Millis) {
        self.states.push_back(world.clone());
        let Some(horizon) = world.now.checked_sub(longest_lag) else {
            return;
        };
        while self
            .states
            .get(1)
            .is_some_and(|second| second.now <= horizon)
        {
            self.states.pop_front();
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.states.clear();
    }

    /// When the latest state was remembered.
    #[must_use]
    pub fn latest(&self) -> Option<Millis> {
        self.states.back().map(|state| state.now)
    }

    /// The world as it was `lag` milliseconds before `now`; the oldest state when that is later.
    #[must_use]
    pub fn at(&self, now: Millis, lag: Millis) -> Option<World> {
        let oldest = self.states.front()?;
        let Some(at) = now.checked_sub(lag) else {
            return Some(oldest.clone());
        };
        let last = self.states.iter().rev().find(|state| state.now <= at);
        let mut past = last.unwrap_or(oldest).clone();
        past.advance(at);
        Some(past)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::Settings;

    #[test]
    fn the_past_is_the_last_state_before_it() {
        let mut world = World::new(Settings::default(), 0);
        let mut history = History::default();
        for (now, next_id) in [(0, 10), (100, 20), (200, 30)] {
            world.advance(now);
            world.next_id = next_id;
            history.remember(&world, 1_000);
        }
        let seen = |at| history.at(at, 0).map(|world| (world.now, world.next_id));
        assert_eq!(seen(99), Some((99, 10)));
        assert_eq!(seen(100), Some((100, 20)));
        assert_eq!(seen(5_000), Some((5_000, 30)));
    }

    #[test]
    fn only_what_the_longest_lag_needs_is_kept() {
        let mut world = World::new(Settings::default(), 0);
        let mut history = History::default();
        for now in 0..1_000 {
            world.advance(now);
            history.remember(&world, 50);
        }
        assert_eq!(history.states.len(), 51);
        assert_eq!(history.at(999, 50).map(|world| world.now), Some(949));
    }
}
