//! The work queue: which key may run now, and when to look again. Pure: time is an argument, jitter comes from a seed.
//!
//! # Guarantees
//!
//! - One key never runs twice at the same time; a wake-up during a run is served by a run after it.
//! - No wake-up is lost: each is followed by the start of a run, or ended by [`Queue::forget`].
//! - Leading edge with a floor: a wake-up runs at once when the key's last run began at least `min_interval` ago, and
//!   else exactly then. A stream of wake-ups can neither starve a key (as a trailing debounce does) nor spin it.
//! - After failures a key waits longer and longer. Wake-ups do not shorten that wait, except those that
//!   [`Reason::bypasses_back_off`].
//! - Of the keys that are due, the one that has been due longest runs first.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::Hash;
use std::time::Duration;

use planner::Mono;

use crate::delay::Delays;

/// Why a key is woken. For the log and the metrics; never an input to a decision.
pub trait Reason: Copy + Ord {
    /// The key's own [`Outcome::Requeue`] is due.
    const DUE: Self;
    /// The wait after a failure is over.
    const RETRY: Self;

    /// Something else changed than time, so that what failed may now succeed: do not wait for the back-off.
    fn bypasses_back_off(self) -> bool;
}

/// Bounds of the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Keys that may run at the same time, at least 1.
    pub concurrency: usize,
    /// Starts of runs that follow from wake-ups lie at least this far apart, for one key. A run's own
    /// [`Outcome::Requeue`] is not held back by it.
    pub min_interval: Duration,
    /// Waits after failures.
    pub delays: Delays,
}

impl Default for Limits {
    /// 32 at a time (reads that arrive together are batched, so breadth is cheap), 2 s, 1 s to 60 s.
    fn default() -> Self {
        Self {
            concurrency: 32,
            min_interval: Duration::from_secs(2),
            delays: Delays::default(),
        }
    }
}

/// What the queue wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next<K, R> {
    /// Run this key now, and say [`Queue::done`] when it ended.
    Run(K, BTreeSet<R>),
    /// Nothing is due before then.
    Sleep(Mono),
    /// Nothing is queued.
    Idle,
    /// Something is due, and as many run as may: ask again after [`Queue::done`].
    Full,
}

/// How a run ended. A panic and a time-out are [`Outcome::Failed`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing more to do until somebody wakes the key.
    Settled,
    /// Run again after this long, at the latest.
    Requeue(Duration),
    /// It failed: run again after the back-off.
    Failed,
}

/// The queue. Generic over the key and the reasons for waking it.
#[derive(Debug)]
pub struct Queue<K, R> {
    limits: Limits,
    entries: HashMap<K, Entry<R>>,
    order: BTreeMap<Position, K>,
    running: usize,
    seq: u64,
    jitter: fastrand::Rng,
}

/// When a key is due, and the order of its asking among those due at the same time.
type Position = (Mono, u64);

#[derive(Debug)]
struct Entry<R> {
    state: State<R>,
    last_start: Option<Mono>,
    failures: u32,
    retry_at: Option<Mono>,
}

#[derive(Debug)]
enum State<R> {
    Idle,
    Queued { at: Position, reasons: BTreeSet<R> },
    Running { woken: BTreeSet<R>, forgotten: bool },
}

impl<R> Default for Entry<R> {
    fn default() -> Self {
        Self {
            state: State::Idle,
            last_start: None,
            failures: 0,
            retry_at: None,
        }
    }
}

impl<K: Eq + Hash + Clone, R: Reason> Queue<K, R> {
    /// An empty queue; `seed` decides the jitter of back-offs.
    pub fn new(limits: Limits, seed: u64) -> Self {
        Self {
            limits,
            entries: HashMap::new(),
            order: BTreeMap::new(),
            running: 0,
            seq: 0,
            jitter: fastrand::Rng::with_seed(seed),
        }
    }

    /// Asks for a run of `key`. Repeated wake-ups before it starts are one; the earliest time wins.
    pub fn wake(&mut self, key: K, reason: R, now: Mono) {
        let entry = self.entries.entry(key.clone()).or_default();
        if let State::Running { woken, forgotten } = &mut entry.state {
            woken.insert(reason);
            *forgotten = false;
            return;
        }
        let at = self.earliest(&key, now, reason.bypasses_back_off());
        self.enqueue(key, at, [reason]);
    }

    /// The next key to run, or how long there is nothing to do. A key that is returned counts as running.
    pub fn next(&mut self, now: Mono) -> Next<K, R> {
        let Some(first) = self.order.first_entry() else {
            return Next::Idle;
        };
        let (due, _) = *first.key();
        if due > now {
            return Next::Sleep(due);
        }
        if self.running >= self.limits.concurrency.max(1) {
            return Next::Full;
        }
        let key = first.remove();
        let entry = self.entries.entry(key.clone()).or_default();
        let started = State::Running {
            woken: BTreeSet::new(),
            forgotten: false,
        };
        let reasons = match std::mem::replace(&mut entry.state, started) {
            State::Queued { at: _, reasons } => reasons,
            State::Idle | State::Running { .. } => BTreeSet::new(),
        };
        entry.last_start = Some(now);
        entry.retry_at = None;
        self.running += 1;
        Next::Run(key, reasons)
    }

    /// The run of `key` ended. Ignored when it was not running.
    pub fn done(&mut self, key: &K, outcome: Outcome, now: Mono) {
        let Some(entry) = self.entries.get_mut(key) else {
            return;
        };
        let State::Running { woken, forgotten } = &mut entry.state else {
            return;
        };
        let (woken, forgotten) = (std::mem::take(woken), *forgotten);
        entry.state = State::Idle;
        self.running -= 1;
        if forgotten {
            self.entries.remove(key);
            return;
        }
        match outcome {
            Outcome::Settled => entry.failures = 0,
            Outcome::Requeue(after) => {
                entry.failures = 0;
                self.enqueue(key.clone(), now + after, [R::DUE]);
            }
            Outcome::Failed => {
                entry.failures = entry.failures.saturating_add(1);
                let failures = entry.failures;
                let draw = self.jitter.f64();
                let retry_at = now + self.limits.delays.after(failures, draw);
                if let Some(entry) = self.entries.get_mut(key) {
                    entry.retry_at = Some(retry_at);
                }
                self.enqueue(key.clone(), retry_at, [R::RETRY]);
            }
        }
        if !woken.is_empty() {
            let at = self.earliest(
                key,
                now,
                woken.iter().any(|reason| reason.bypasses_back_off()),
            );
            self.enqueue(key.clone(), at, woken);
        }
    }

    /// The key is gone: not run again unless it is woken again. A run that is under way ends as usual.
    pub fn forget(&mut self, key: &K) {
        let Some(entry) = self.entries.get_mut(key) else {
            return;
        };
        match &mut entry.state {
            State::Running { woken, forgotten } => {
                woken.clear();
                *forgotten = true;
            }
            State::Queued { at, reasons: _ } => {
                self.order.remove(at);
                self.entries.remove(key);
            }
            State::Idle => {
                self.entries.remove(key);
            }
        }
    }

    /// Failures of `key` in a row.
    pub fn failures(&self, key: &K) -> u32 {
        self.entries.get(key).map_or(0, |entry| entry.failures)
    }

    /// Keys that are due at `now` and do not run yet.
    pub fn depth(&self, now: Mono) -> usize {
        self.order.range(..=(now, u64::MAX)).count()
    }

    /// The key that has been due longest, and since when; none when nothing is due at `now`.
    pub fn oldest(&self, now: Mono) -> Option<(&K, Mono)> {
        self.order
            .first_key_value()
            .filter(|((due, _), _)| *due <= now)
            .map(|((due, _), key)| (key, *due))
    }

    /// Keys that run.
    pub fn running(&self) -> usize {
        self.running
    }

    /// The earliest time at which a wake-up at `now` may run.
    fn earliest(&self, key: &K, now: Mono, bypass: bool) -> Mono {
        let Some(entry) = self.entries.get(key) else {
            return now;
        };
        let floor = entry
            .last_start
            .map_or(now, |start| now.max(start + self.limits.min_interval));
        match entry.retry_at {
            Some(retry_at) if !bypass => floor.max(retry_at),
            Some(_) | None => floor,
        }
    }

    fn enqueue(&mut self, key: K, at: Mono, more: impl IntoIterator<Item = R>) {
        let entry = self.entries.entry(key.clone()).or_default();
        let mut reasons: BTreeSet<R> = more.into_iter().collect();
        let mut position = (at, self.seq);
        match std::mem::replace(&mut entry.state, State::Idle) {
            State::Queued {
                at: earlier,
                reasons: before,
            } => {
                reasons.extend(before);
                if earlier.0 <= at {
                    position = earlier;
                } else {
                    self.order.remove(&earlier);
                }
            }
            State::Idle | State::Running { .. } => {}
        }
        self.seq += 1;
        entry.state = State::Queued {
            at: position,
            reasons,
        };
        self.order.insert(position, key);
    }
}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;
