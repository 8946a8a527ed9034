use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use proptest::prelude::*;

use super::*;

const S: u64 = 1000;

fn item(holder: &str, epoch: u64, renewal: u64) -> LeaseItem {
    LeaseItem {
        holder: holder.to_owned(),
        epoch,
        renewal,
        phase: Phase::Held,
    }
}

fn awaited(epoch: u64) -> LeaseItem {
    LeaseItem {
        phase: Phase::Awaited,
        ..item("me", epoch, 0)
    }
}

fn lease() -> Lease {
    Lease::new("me".to_owned(), Terms::default())
}

/// A lease that this process took with a write that began at `begun`.
fn held(begun: u64) -> Lease {
    let mut lease = lease();
    lease.read(Some(Some(item("other", 3, 9).released())), Mono(begun));
    let Next::Replace { seen: _, next } = lease.next(Mono(begun)) else {
        panic!("what was given back is taken at once");
    };
    lease.replaced(next, Mono(begun), Some(true), Mono(begun + 100));
    lease
}

#[test]
fn what_was_seen_unchanged_for_a_term_and_a_grace_is_taken_with_the_next_epoch() {
    let seen = Some(item("other", 7, 2));
    let mut lease = lease();
    for now in (0..45 * S).step_by(5000) {
        assert_eq!(lease.next(Mono(now)), Next::Read);
        lease.read(Some(seen.clone()), Mono(now));
        assert_eq!(lease.next(Mono(now)), Next::Wait(Mono(now + 5000)));
    }
    let next = item("me", 8, 0);
    assert_eq!(lease.next(Mono(45 * S)), Next::Replace { seen, next });
}

#[test]
fn where_no_item_is_one_is_put_and_waited_for_and_only_that_one_is_taken() {
    let mut lease = lease();
    lease.read(Some(None), Mono(0));
    let (seen, next) = (None, awaited(1));
    assert_eq!(lease.next(Mono(0)), Next::Replace { seen, next });
    lease.replaced(awaited(1), Mono(0), Some(true), Mono(S));
    assert_eq!(lease.holding(), None);
    for now in 1..9 {
        lease.read(Some(Some(awaited(1))), Mono(now * 5 * S));
    }
    assert_eq!(lease.next(Mono(45 * S)), Next::Read);
    let (seen, next) = (Some(awaited(1)), item("me", 2, 0));
    assert_eq!(lease.next(Mono(46 * S)), Next::Replace { seen, next });
}

#[test]
fn a_change_starts_the_wait_again_and_a_read_that_fails_does_not() {
    let mut lease = lease();
    lease.read(Some(Some(item("other", 1, 0))), Mono(0));
    lease.read(Some(Some(item("other", 1, 1))), Mono(20 * S));
    assert_eq!(lease.leader(), Some("other"));
    for now in 1..=64 {
        lease.read(None, Mono(now * S));
    }
    assert_eq!(lease.next(Mono(64 * S)), Next::Wait(Mono(69 * S)));
    let taken = lease.next(Mono(69 * S));
    assert!(matches!(taken, Next::Replace { .. }), "{taken:?}");
}

#[test]
fn it_lasts_from_the_begin_of_the_write_and_ends_a_margin_early() {
    let mut lease = held(10 * S);
    let until = |lease: &Lease| lease.holding().unwrap().until;
    assert_eq!(until(&lease), Mono(45 * S));
    assert_eq!(lease.next(Mono(14 * S)), Next::Wait(Mono(15 * S)));
    let Next::Replace { seen, next } = lease.next(Mono(15 * S)) else {
        panic!("it is renewed");
    };
    assert_eq!(seen, Some(item("me", 4, 0)));
    assert_eq!(next, item("me", 4, 1));
    lease.replaced(next, Mono(15 * S), Some(true), Mono(19 * S));
    assert_eq!(until(&lease), Mono(50 * S));
}

#[test]
fn a_renewal_without_an_answer_is_looked_up_and_the_leadership_goes_on() {
    for landed in [false, true] {
        let mut lease = held(0);
        let before = lease.holding();
        lease.replaced(item("me", 4, 1), Mono(5 * S), None, Mono(10 * S));
        assert_eq!(lease.holding(), before);
        assert_eq!(lease.next(Mono(10 * S)), Next::Wait(Mono(11 * S)));
        assert_eq!(lease.next(Mono(11 * S)), Next::Read);
        let there = item("me", 4, u64::from(landed));
        lease.read(Some(Some(there.clone())), Mono(11 * S));
        let next = there.renewed();
        assert_eq!(
            lease.next(Mono(11 * S)),
            Next::Replace {
                seen: Some(there),
                next
            }
        );
    }
}

#[test]
fn a_renewal_that_finds_something_else_ends_the_right_at_once() {
    let mut lease = held(0);
    lease.replaced(item("me", 4, 1), Mono(5 * S), Some(false), Mono(6 * S));
    assert_eq!(lease.holding().unwrap().until, Mono(6 * S));
    assert_eq!(lease.next(Mono(6 * S)), Next::Read);
    lease.read(Some(Some(item("other", 5, 0))), Mono(7 * S));
    assert_eq!(lease.holding(), None);
    assert_eq!(lease.leader(), Some("other"));
}

#[test]
fn an_item_that_is_gone_ends_the_leadership_and_its_epoch_never_comes_again() {
    let mut lease = held(0);
    lease.replaced(item("me", 4, 1), Mono(5 * S), Some(false), Mono(5 * S));
    lease.read(Some(None), Mono(5 * S));
    assert_eq!(lease.holding(), None);
    let (seen, next) = (None, awaited(5));
    assert_eq!(lease.next(Mono(5 * S)), Next::Replace { seen, next });
}

#[test]
fn what_is_given_back_is_not_held_and_can_be_named_only_when_it_is_known() {
    let mut lease = held(0);
    let (seen, next) = lease.clone().release().unwrap();
    assert_eq!(seen, item("me", 4, 0));
    assert_eq!(next, seen.released());
    assert_eq!((next.epoch, next.phase), (4, Phase::Released));
    lease.replaced(item("me", 4, 1), Mono(5 * S), None, Mono(6 * S));
    assert!(lease.is_in_doubt());
    assert_eq!(lease.release(), None);
    assert_eq!(lease.holding(), None);
}

/// What becomes of one call, in milliseconds of real time.
#[derive(Debug, Clone, Copy)]
struct Fate {
    /// From its begin to its effect; none: it has none.
    effect: Option<u64>,
    /// From its effect to its answer; none: it is lost.
    answer: Option<u64>,
    /// What its process does once the call has ended.
    then: Then,
}

#[derive(Debug, Clone, Copy)]
enum Then {
    GoesOn,
    /// It stands still for so long.
    Sleeps(u64),
    /// It is gone, and another process comes after so long.
    Dies(u64),
    /// It ends its writes, gives the lease back, and another process comes after so long.
    Stops(u64),
    /// A person deletes the item.
    PersonDeletes,
}

const WELL: Fate = Fate {
    effect: Some(10),
    answer: Some(10),
    then: Then::GoesOn,
};

#[derive(Debug)]
struct Process {
    lease: Lease,
    /// Milliseconds of its clock in one of real time, and where its clock began.
    rate: f64,
    start: u64,
    fates: Vec<Fate>,
    /// Which life of the process, which call of it.
    life: u32,
    call: u32,
    asleep_until: u64,
}

type Due = (u64, u64, usize, u32, Event);

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Poll,
    /// A replace takes effect, or a read looks.
    Effect(u32, Option<Change>),
    Ends(u32, Option<Change>, Mono),
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Change(Option<String>, String);

/// A time in which a process may write.
#[derive(Debug, Clone, Copy)]
struct Right {
    process: usize,
    from: u64,
    to: u64,
}

impl Process {
    fn own(&self, real: u64) -> Mono {
        Mono(self.start + (real as f64 * self.rate) as u64)
    }

    fn real(&self, own: Mono) -> u64 {
        ((own.0 - self.start) as f64 / self.rate).ceil() as u64
    }
}

/// Processes that share a lease, each with a clock of its own, in a world where calls are slow, get lost, and take
/// effect late. Returns every time in which one may write, and who leads at the end.
struct Sea {
    terms: Terms,
    item: Option<LeaseItem>,
    /// What was answered to a call: (process, life, call).
    answers: std::collections::BTreeMap<(usize, u32, u32), Answer>,
    processes: Vec<Process>,
    /// By real time, in the order of their making: which life of which process, and what.
    events: BinaryHeap<Reverse<Due>>,
    rights: Vec<Right>,
    seq: u64,
}

#[derive(Debug, Clone)]
enum Answer {
    Read(Option<LeaseItem>),
    Replaced(bool),
}

impl Sea {
    fn new(terms: Terms, processes: Vec<(f64, Vec<Fate>)>) -> Self {
        let processes = processes
            .into_iter()
            .enumerate()
            .map(|(n, (rate, mut fates))| {
                fates.reverse();
                Process {
                    lease: Lease::new(format!("{n}.0"), terms),
                    rate,
                    start: 1_000_000 * (n as u64 + 1),
                    fates,
                    life: 0,
                    call: 0,
                    asleep_until: 0,
                }
            });
        let mut sea = Self {
            terms,
            item: None,
            answers: Default::default(),
            processes: processes.collect(),
            events: BinaryHeap::new(),
            rights: Vec::new(),
            seq: 0,
        };
        for n in 0..sea.processes.len() {
            sea.at(0, n, Event::Poll);
        }
        sea
    }

    fn at(&mut self, real: u64, n: usize, event: Event) {
        self.seq += 1;
        let life = self.processes[n].life;
        self.events.push(Reverse((real, self.seq, n, life, event)));
    }

    /// Runs until every fate has come true, and then so much longer. Returns when that was.
    fn run(&mut self, quiet: u64) -> u64 {
        let mut end = None;
        while let Some(Reverse((real, _, n, life, event))) = self.events.pop() {
            if end.is_none()
                && self
                    .processes
                    .iter()
                    .all(|process| process.fates.is_empty())
            {
                end = Some(real + quiet);
            }
            if end.is_some_and(|end| real > end) {
                return real;
            }
            if let Event::Effect(call, change) = event {
                self.takes_effect((n, life, call), change);
                continue;
            }
            let process = &self.processes[n];
            if life != process.life {
                continue;
            }
            if real < process.asleep_until {
                let until = process.asleep_until;
                self.at(until, n, event);
                continue;
            }
            match event {
                Event::Poll => self.poll(n, real),
                Event::Ends(call, change, begun) => self.ended(n, real, call, change, begun),
                Event::Effect(..) => {}
            }
        }
        unreachable!("a process always has something to come")
    }

    fn poll(&mut self, n: usize, real: u64) {
        let own = self.processes[n].own(real);
        let (seen, next) = match self.processes[n].lease.next(own) {
            Next::Wait(due) => {
                let real = self.processes[n].real(due).max(real + 1);
                return self.at(real, n, Event::Poll);
            }
            Next::Read => (None, None),
            Next::Replace { seen, next } => (seen, Some(next)),
        };
        let change = next.map(|next| Change(seen.as_ref().map(encode), encode(&next)));
        self.processes[n].call += 1;
        let call = self.processes[n].call;
        let fate = self.processes[n].fates.last().copied().unwrap_or(WELL);
        let patience = (self.terms.renew_every.as_millis() as f64 / self.processes[n].rate) as u64;
        if let Some(effect) = fate.effect {
            self.at(real + effect, n, Event::Effect(call, change.clone()));
        }
        let answered = fate
            .effect
            .zip(fate.answer)
            .map(|(effect, answer)| effect + answer);
        let ends = answered.map_or(patience, |answered| answered.min(patience));
        if answered.is_none_or(|answered| answered > patience) {
            self.answers.remove(&(n, self.processes[n].life, call));
        }
        self.at(real + ends, n, Event::Ends(call, change, own));
    }

    fn takes_effect(&mut self, key: (usize, u32, u32), change: Option<Change>) {
        let answer = match change {
            None => Answer::Read(self.item.clone()),
            Some(Change(seen, next)) => {
                let matches = self.item.as_ref().map(encode) == seen;
                if matches {
                    self.item = Some(decode(&next));
                }
                Answer::Replaced(matches)
            }
        };
        self.answers.insert(key, answer);
    }

    fn ended(&mut self, n: usize, real: u64, call: u32, change: Option<Change>, begun: Mono) {
        let fate = self.processes[n].fates.pop().unwrap_or(WELL);
        let patience = self.terms.renew_every.as_millis() as f64 / self.processes[n].rate;
        let answered = fate
            .effect
            .zip(fate.answer)
            .is_some_and(|(effect, answer)| (effect + answer) as f64 <= patience);
        let key = (n, self.processes[n].life, call);
        let answer = self.answers.remove(&key).filter(|_| answered);
        let process = &mut self.processes[n];
        let now = process.own(real);
        match (change, answer) {
            (None, Some(Answer::Read(item))) => process.lease.read(Some(item), now),
            (None, _) => process.lease.read(None, now),
            (Some(change), answer) => {
                let done = match answer {
                    Some(Answer::Replaced(done)) => Some(done),
                    Some(Answer::Read(_)) | None => None,
                };
                process.lease.replaced(decode(&change.1), begun, done, now);
            }
        }
        self.note_right(n, real);
        match fate.then {
            Then::GoesOn => self.at(real, n, Event::Poll),
            Then::Sleeps(duration) => {
                self.processes[n].asleep_until = real + duration;
                self.at(real + duration, n, Event::Poll);
            }
            Then::Dies(after) => self.comes_again(n, real + after),
            Then::Stops(after) => {
                if let Some((seen, next)) = self.processes[n].lease.release() {
                    // No write of it is under way any more.
                    for right in self.rights.iter_mut().filter(|right| right.process == n) {
                        right.to = right.to.min(real);
                    }
                    let change = Change(Some(encode(&seen)), encode(&next));
                    let effect = fate.effect.unwrap_or(0);
                    self.at(real + effect, n, Event::Effect(u32::MAX, Some(change)));
                }
                self.comes_again(n, real + after);
            }
            Then::PersonDeletes => {
                self.item = None;
                self.at(real, n, Event::Poll);
            }
        }
    }

    fn comes_again(&mut self, n: usize, real: u64) {
        let process = &mut self.processes[n];
        process.life += 1;
        process.lease = Lease::new(format!("{n}.{}", process.life), self.terms);
        self.at(real, n, Event::Poll);
    }

    fn note_right(&mut self, n: usize, real: u64) {
        let process = &self.processes[n];
        let Some(holding) = process.lease.holding() else {
            return;
        };
        let right = Right {
            process: n,
            from: real,
            to: process.real(holding.until),
        };
        if right.to > right.from {
            self.rights.push(right);
        }
    }

    /// Two processes that may write at the same time.
    fn both(&self) -> Option<(Right, Right)> {
        let overlap =
            |a: &Right, b: &Right| a.process != b.process && a.from < b.to && b.from < a.to;
        self.rights.iter().enumerate().find_map(|(at, a)| {
            let b = self.rights[at + 1..].iter().find(|b| overlap(a, b))?;
            Some((*a, *b))
        })
    }

    fn leaders(&self, real: u64) -> usize {
        let leads = |process: &&Process| {
            let holding = process.lease.holding();
            holding.is_some_and(|holding| process.own(real) < holding.until)
        };
        self.processes.iter().filter(leads).count()
    }
}

fn encode(item: &LeaseItem) -> String {
    format!(
        "{} {} {} {:?}",
        item.holder, item.epoch, item.renewal, item.phase
    )
}

fn decode(text: &str) -> LeaseItem {
    let mut words = text.split(' ');
    let mut word = || words.next().unwrap();
    LeaseItem {
        holder: word().to_owned(),
        epoch: word().parse().unwrap(),
        renewal: word().parse().unwrap(),
        phase: match word() {
            "Held" => Phase::Held,
            "Awaited" => Phase::Awaited,
            _ => Phase::Released,
        },
    }
}

fn fates() -> impl Strategy<Value = Vec<Fate>> {
    let ms = || prop_oneof![4 => 0_u64..200, 1 => 0_u64..6_000, 1 => 0_u64..90_000];
    let then = prop_oneof![
        12 => Just(Then::GoesOn),
        2 => (0_u64..90_000).prop_map(Then::Sleeps),
        1 => (0_u64..60_000).prop_map(Then::Dies),
        1 => (0_u64..60_000).prop_map(Then::Stops),
        1 => Just(Then::PersonDeletes),
    ];
    let fate = (
        proptest::option::weighted(0.8, ms()),
        proptest::option::weighted(0.8, ms()),
        then,
    );
    let fate = fate.prop_map(|(effect, answer, then)| Fate {
        effect,
        answer,
        then,
    });
    prop::collection::vec(fate, 0..25)
}

/// Runs of the search.
fn cases() -> u32 {
    if std::env::var("TEAL_DOSE").is_ok_and(|dose| dose == "nightly") {
        100_000
    } else {
        500
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn two_never_both_have_the_right_and_in_the_end_one_leads(
        plan in prop::collection::vec((0.88_f64..=1.12, fates()), 2..=3),
    ) {
        let mut sea = Sea::new(Terms::default(), plan);
        let end = sea.run(400 * S);
        prop_assert!(sea.both().is_none(), "{:?}", sea.both());
        prop_assert_eq!(sea.leaders(end), 1);
    }
}

/// The first process leads and is then cut off from the store for good; the second one, which begins to look `late`,
/// takes over. The rates are of their clocks.
fn cut_off(terms: Terms, rates: [f64; 2], late: u64) -> Sea {
    let cut = Fate {
        effect: None,
        answer: None,
        then: Then::GoesOn,
    };
    let leads = vec![WELL; 30].into_iter().chain(vec![cut; 60]);
    let sleeps = Fate {
        then: Then::Sleeps(70 * S + late),
        ..cut
    };
    let plan = vec![(rates[0], leads.collect()), (rates[1], vec![sleeps])];
    let mut sea = Sea::new(terms, plan);
    sea.run(S);
    sea
}

/// Moments at which the second process begins to look.
fn moments() -> impl Iterator<Item = u64> {
    (0..7_000).step_by(250)
}

#[test]
fn a_holder_that_is_cut_off_ceases_before_another_one_begins_while_clocks_run_alike() {
    let terms = Terms::default();
    let drift = terms.drift();
    for rates in [
        [1.0, 1.0],
        [1.0 - drift, 1.0 + drift],
        [1.0 + drift, 1.0 - drift],
    ] {
        for late in moments() {
            let sea = cut_off(terms, rates, late);
            assert!(sea.both().is_none(), "{rates:?} {:?}", sea.both());
            let last = sea.rights.last().map(|right| right.process);
            assert_eq!(last, Some(1), "the second one took over");
        }
    }
}

#[test]
fn what_is_put_where_no_item_is_is_never_put_twice_as_it_was() {
    let mut lease = Lease::new("a".into(), Terms::default());
    let mut put = |at: u64| {
        lease.read(Some(None), Mono(at));
        let Next::Replace { seen: None, next } = lease.next(Mono(at)) else {
            panic!("it waits");
        };
        lease.replaced(next.clone(), Mono(at), None, Mono(at));
        next
    };
    assert_ne!(put(0), put(60 * S), "the first one may still take effect");
}

/// Controls: the same world has two writers where it must.
#[test]
fn clocks_that_differ_more_or_neither_margin_nor_grace_make_two_writers() {
    let terms = Terms::default();
    let any = |terms, rates| moments().any(|late| cut_off(terms, rates, late).both().is_some());
    assert!(any(terms, [0.8, 1.2]));
    let bare = Terms {
        margin: Duration::ZERO,
        grace: Duration::ZERO,
        ..terms
    };
    assert!(any(bare, [0.95, 1.05]));
}
