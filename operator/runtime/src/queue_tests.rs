use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Why {
    Poll,
    Changed,
    Due,
    Retry,
}

impl Reason for Why {
    const DUE: Self = Self::Due;
    const RETRY: Self = Self::Retry;

    fn bypasses_back_off(self) -> bool {
        self == Self::Changed
    }
}

const MIN_INTERVAL: Duration = Duration::from_secs(2);

fn limits(concurrency: usize) -> Limits {
    Limits {
        concurrency,
        min_interval: MIN_INTERVAL,
        delays: Delays::default(),
    }
}

fn at(seconds: u64) -> Mono {
    Mono(seconds * 1000)
}

#[test]
fn the_first_wake_runs_at_once_and_the_next_waits_for_the_floor() {
    let mut queue = Queue::new(limits(1), 1);
    queue.wake("blog", Why::Poll, at(10));
    assert_eq!(
        queue.next(at(10)),
        Next::Run("blog", BTreeSet::from([Why::Poll]))
    );
    queue.done(&"blog", Outcome::Settled, at(10));
    queue.wake("blog", Why::Poll, at(11));
    assert_eq!(queue.next(at(11)), Next::Sleep(at(12)));
    assert_eq!(
        queue.next(at(12)),
        Next::Run("blog", BTreeSet::from([Why::Poll]))
    );
}

#[test]
fn wakes_during_a_run_become_one_run_after_it() {
    let mut queue = Queue::new(limits(2), 1);
    queue.wake("blog", Why::Poll, at(0));
    assert!(matches!(queue.next(at(0)), Next::Run(..)));
    queue.wake("blog", Why::Poll, at(1));
    queue.wake("blog", Why::Changed, at(1));
    assert_eq!(queue.next(at(5)), Next::Idle);
    queue.done(&"blog", Outcome::Requeue(Duration::from_secs(60)), at(5));
    assert_eq!(
        queue.next(at(5)),
        Next::Run("blog", BTreeSet::from([Why::Poll, Why::Changed, Why::Due]))
    );
    assert_eq!(queue.next(at(500)), Next::Idle);
}

#[test]
fn wakes_do_not_shorten_the_back_off_unless_a_person_changed_something() {
    let mut queue = Queue::new(limits(1), 1);
    let mut now = at(0);
    queue.wake("blog", Why::Poll, now);
    for _ in 0..8 {
        while let Next::Sleep(until) = queue.next(now) {
            now = until;
        }
        queue.done(&"blog", Outcome::Failed, now);
    }
    assert_eq!(queue.failures(&"blog"), 8);
    queue.wake("blog", Why::Poll, now + Duration::from_secs(3));
    let Next::Sleep(until) = queue.next(now) else {
        panic!("it is backing off")
    };
    assert!(until.since(now) >= Duration::from_secs(48), "{until}");
    queue.wake("blog", Why::Changed, now + Duration::from_secs(3));
    assert!(matches!(
        queue.next(now + Duration::from_secs(3)),
        Next::Run(..)
    ));
    queue.done(&"blog", Outcome::Settled, now + Duration::from_secs(4));
    assert_eq!(queue.failures(&"blog"), 0);
}

#[test]
fn a_forgotten_key_runs_no_more_until_it_is_woken_again() {
    let mut queue = Queue::new(limits(1), 1);
    queue.wake("blog", Why::Poll, at(0));
    queue.forget(&"blog");
    assert_eq!(queue.next(at(0)), Next::Idle);
    queue.wake("blog", Why::Poll, at(1));
    assert!(matches!(queue.next(at(1)), Next::Run(..)));
    queue.forget(&"blog");
    queue.done(&"blog", Outcome::Failed, at(2));
    assert_eq!(queue.next(at(900)), Next::Idle);
    queue.wake("blog", Why::Poll, at(1000));
    assert!(matches!(queue.next(at(1000)), Next::Run(..)));
    queue.forget(&"blog");
    queue.wake("blog", Why::Poll, at(1001));
    queue.done(&"blog", Outcome::Settled, at(1002));
    assert!(matches!(queue.next(at(1002)), Next::Run(..)));
}

#[test]
fn the_seed_decides_the_jitter() {
    let retry_at = |seed| {
        let mut queue = Queue::new(limits(1), seed);
        queue.wake("blog", Why::Poll, at(0));
        let _ = queue.next(at(0));
        queue.done(&"blog", Outcome::Failed, at(0));
        queue.next(at(0))
    };
    assert_eq!(retry_at(7), retry_at(7));
    assert_ne!(retry_at(7), retry_at(8));
}

#[derive(Debug, Clone)]
enum Act {
    Wake(u8, bool),
    Advance(u64),
    Start,
    Done(u8, Outcome),
}

fn act() -> impl Strategy<Value = Act> {
    let outcome = prop_oneof![
        Just(Outcome::Settled),
        (0_u64..10_000).prop_map(|ms| Outcome::Requeue(Duration::from_millis(ms))),
        Just(Outcome::Failed),
    ];
    prop_oneof![
        3 => (0_u8..5, proptest::bool::weighted(0.1)).prop_map(|(key, changed)| Act::Wake(key, changed)),
        2 => (0_u64..4_000).prop_map(Act::Advance),
        3 => Just(Act::Start),
        3 => (any::<u8>(), outcome).prop_map(|(which, outcome)| Act::Done(which, outcome)),
    ]
}

/// What the queue owes one key, told again in the plainest way.
#[derive(Debug, Clone, Default)]
struct Owed {
    running: bool,
    /// A wake-up came during the run; whether one of them bypasses.
    dirty: Option<bool>,
    last_start: Option<Mono>,
    retry_at: Option<Mono>,
    failures: u32,
    /// It must run at this time, and not earlier.
    due: Option<Mono>,
}

impl Owed {
    fn ask(&mut self, at: Mono) {
        self.due = Some(self.due.map_or(at, |due| due.min(at)));
    }

    fn wake(&mut self, bypass: bool, now: Mono) {
        if self.running {
            self.dirty = Some(bypass || self.dirty == Some(true));
            return;
        }
        let floor = self
            .last_start
            .map_or(now, |start| now.max(start + MIN_INTERVAL));
        let retry = if bypass { None } else { self.retry_at };
        self.ask(retry.map_or(floor, |retry| floor.max(retry)));
    }
}

proptest! {
    /// Never two runs of one key; never more than the limit; no wake-up lost; a run starts exactly when it is owed
    /// (so neither the floor nor the back-off is cut short, and no run is later than its earliest request + floor
    /// when a slot is free); whoever is due longest goes first.
    #[test]
    fn keeps_its_promises(acts in proptest::collection::vec(act(), 1..200), concurrency in 1_usize..4, seed: u64) {
        let mut queue = Queue::new(limits(concurrency), seed);
        let mut owed: BTreeMap<u8, Owed> = BTreeMap::new();
        let mut now = Mono(0);
        for act in acts {
            match act {
                Act::Wake(key, changed) => {
                    queue.wake(key, if changed { Why::Changed } else { Why::Poll }, now);
                    owed.entry(key).or_default().wake(changed, now);
                }
                Act::Advance(ms) => now = now + Duration::from_millis(ms),
                Act::Start => {
                    let running = owed.values().filter(|key| key.running).count();
                    let first = owed.values().filter_map(|key| key.due).min();
                    match queue.next(now) {
                        Next::Run(key, reasons) => {
                            let key = owed.get_mut(&key).expect("it was woken");
                            prop_assert!(!key.running);
                            prop_assert!(running < concurrency);
                            prop_assert!(!reasons.is_empty());
                            prop_assert_eq!(key.due, first);
                            prop_assert!(key.due.expect("it is owed a run") <= now);
                            *key = Owed { running: true, last_start: Some(now), failures: key.failures, ..Owed::default() };
                        }
                        Next::Sleep(until) => {
                            prop_assert_eq!(Some(until), first);
                            prop_assert!(until > now);
                        }
                        Next::Idle => prop_assert_eq!(first, None),
                        Next::Full => {
                            prop_assert_eq!(running, concurrency);
                            prop_assert!(first.expect("something is due") <= now);
                        }
                    }
                }
                Act::Done(which, outcome) => {
                    let running: Vec<u8> = owed.iter().filter(|(_, key)| key.running).map(|(name, _)| *name).collect();
                    if running.is_empty() {
                        continue;
                    }
                    let name = running[usize::from(which) % running.len()];
                    queue.done(&name, outcome, now);
                    let key = owed.get_mut(&name).expect("it runs");
                    key.running = false;
                    match outcome {
                        Outcome::Settled => key.failures = 0,
                        Outcome::Requeue(after) => {
                            key.failures = 0;
                            key.ask(now + after);
                        }
                        Outcome::Failed => {
                            key.failures += 1;
                            let retry_at = queue.entries[&name].retry_at.expect("it failed");
                            let delays = Delays::default();
                            let wait = retry_at.since(now);
                            prop_assert!(wait >= delays.after(key.failures, 0.0));
                            prop_assert!(wait <= delays.after(key.failures, 1.0));
                            key.retry_at = Some(retry_at);
                            key.ask(retry_at);
                        }
                    }
                    if let Some(bypass) = key.dirty.take() {
                        key.wake(bypass, now);
                    }
                    prop_assert_eq!(queue.failures(&name), key.failures);
                }
            }
            let due = owed.values().filter(|key| key.due.is_some_and(|due| due <= now)).count();
            prop_assert_eq!(queue.depth(now), due);
            let longest = owed.values().filter_map(|key| key.due).min().filter(|due| *due <= now);
            let oldest = queue.oldest(now);
            prop_assert_eq!(oldest.map(|(_, since)| since), longest);
            prop_assert!(oldest.is_none_or(|(key, since)| owed[key].due == Some(since)));
            prop_assert_eq!(queue.running(), owed.values().filter(|key| key.running).count());
        }
    }

    /// With n keys that always have something to do and one slot, a key waits for at most n - 1 completions of others.
    #[test]
    fn is_fair(keys in 2_u8..8, rounds in 1_usize..60, seed: u64) {
        let mut queue = Queue::new(Limits { min_interval: Duration::ZERO, ..limits(1) }, seed);
        for key in 0..keys {
            queue.wake(key, Why::Poll, Mono(0));
        }
        let mut waited = vec![0_u8; usize::from(keys)];
        for round in 0..rounds {
            let now = Mono(u64::try_from(round).unwrap());
            let Next::Run(key, _) = queue.next(now) else { panic!("always something to do") };
            waited.iter_mut().for_each(|completions| *completions += 1);
            waited[usize::from(key)] = 0;
            queue.done(&key, Outcome::Requeue(Duration::ZERO), now);
            prop_assert!(waited.iter().all(|completions| *completions < keys));
        }
    }
}
