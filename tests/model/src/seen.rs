//! What one AWS API shows: the truth, or for a while something older.

use std::sync::Arc;

/// The present and the older values that a read may still show.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen<T> {
    now: Arc<T>,
    /// Newest first, each with the tick from which no read shows it any more.
    older: Vec<(Arc<T>, u64)>,
}

impl<T: PartialEq> Seen<T> {
    /// Older values that are kept: reads are stale by at most two changes.
    const KEPT: usize = 2;

    /// Nothing older.
    pub fn new(value: T) -> Self {
        Self {
            now: Arc::new(value),
            older: Vec::new(),
        }
    }

    /// The truth.
    pub fn truth(&self) -> &T {
        &self.now
    }

    /// How many different answers a read may get.
    pub fn answers(&self) -> usize {
        1 + self.older.len()
    }

    /// One of the answers: 0 is the truth, the higher the older.
    pub fn answer(&self, n: usize) -> &T {
        n.checked_sub(1)
            .and_then(|n| self.older.get(n))
            .map_or(&self.now, |(value, _)| value)
    }

    /// Changes the value; reads may show the one before until the tick `until`.
    pub fn set(&mut self, value: T, now: u64, until: u64) {
        if *self.now == value {
            return;
        }
        let before = std::mem::replace(&mut self.now, Arc::new(value));
        if until > now {
            self.older.insert(0, (before, until));
            self.older.truncate(Self::KEPT);
        }
    }

    /// The value as it is, in a part that no read shows.
    pub fn correct(&mut self, value: T) {
        self.now = Arc::new(value);
    }

    /// Drops what is no longer shown.
    pub fn forget(&mut self, now: u64) {
        self.older.retain(|(_, until)| *until > now);
    }

    /// The older values, newest first, and until when they are shown.
    pub fn older(&self) -> impl Iterator<Item = (&T, u64)> {
        self.older.iter().map(|(value, until)| (&**value, *until))
    }
}
