//! Makes plans, and carries out many of them.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::path::Path;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::available_parallelism;

use fastrand::Rng;

use crate::judge::Violation;
use crate::kinds;
use crate::plan::{At, Entry, Fault, Groups, Operators, Plan};
use crate::run::{Ending, Report, Setup, run};
use crate::scenario::Scenario;
use crate::shrink::shrink;

/// After this many failures a search stops.
const FAILURES: usize = 5;

/// What came of many runs.
#[derive(Debug, Default)]
pub struct Tally {
    /// Rollouts that were carried out.
    pub rollouts: usize,
    /// Those that settled.
    pub settled: usize,
    /// Those that hold, by the hold's label.
    pub held: BTreeMap<&'static str, usize>,
    /// Writes that were sent.
    pub writes: u64,
    /// Plans that broke a property, the first few.
    pub failures: Vec<(Plan, Violation)>,
}

impl Tally {
    fn add(&mut self, plan: Plan, report: Report) {
        self.rollouts += 1;
        self.writes += u64::from(report.writes);
        match report.ending {
            Ending::Settled => self.settled += 1,
            Ending::Held(label) => *self.held.entry(label).or_default() += 1,
            Ending::Violated(violation) => self.failures.push((plan, violation)),
        }
    }

    /// One line about what was done; or what failed, each plan as short as it gets, and written to a file in `into`.
    ///
    /// # Errors
    /// When a property did not hold.
    pub fn verdict(&self, name: &str, setup: &Setup, into: &Path) -> Result<String, String> {
        let line = format!(
            "{name}: {} rollouts, {} writes; {} settled, held {:?}",
            self.rollouts, self.writes, self.settled, self.held
        );
        let mut failed = Vec::new();
        for (plan, violation) in &self.failures {
            let (mut plan, found) = shrink(plan, violation.property, setup);
            let Violation { property, message } = found.as_ref().unwrap_or(violation);
            plan.about = format!("{property}: {message}");
            let text = serde_json::to_string_pretty(&plan).unwrap_or_default();
            let digest = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
            });
            let file = into.join(format!("{}-{digest:016x}.json", property.to_lowercase()));
            let written = std::fs::write(&file, &text);
            failed.push(format!(
                "{property}: {message}\nTEAL_PLAN={} cargo test -p simulation replay ({written:?})\n{text}",
                file.display()
            ));
        }
        if failed.is_empty() {
            Ok(line)
        } else {
            Err(format!("{line}\n\n{}", failed.join("\n\n")))
        }
    }

    fn join(mut self, other: Self) -> Self {
        self.rollouts += other.rollouts;
        self.settled += other.settled;
        self.writes += other.writes;
        for (label, count) in other.held {
            *self.held.entry(label).or_default() += count;
        }
        self.failures.extend(other.failures);
        self
    }
}

/// Carries out `count` plans on every processor: the n-th is `plan(n)`. Stops early after some failures.
pub fn search(setup: &Setup, count: usize, plan: impl Fn(usize) -> Plan + Sync) -> Tally {
    let next = AtomicUsize::new(0);
    let failed = AtomicUsize::new(0);
    let total = Mutex::new(Tally::default());
    std::thread::scope(|scope| {
        for _ in 0..available_parallelism().map_or(1, NonZero::get) {
            scope.spawn(|| {
                let mut tally = Tally::default();
                while failed.load(Ordering::Relaxed) < FAILURES {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n >= count {
                        break;
                    }
                    let plan = plan(n);
                    let report = run(&plan, setup, false);
                    let before = tally.failures.len();
                    tally.add(plan, report);
                    failed.fetch_add(tally.failures.len() - before, Ordering::Relaxed);
                }
                let mut total = total.lock().unwrap_or_else(PoisonError::into_inner);
                *total = std::mem::take(&mut *total).join(tally);
            });
        }
    });
    total.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// Every single fault at every call and, every five seconds, at every time of `base`, in which nothing goes wrong.
pub fn singles(setup: &Setup, base: &Plan) -> Vec<Plan> {
    let quiet = run(base, setup, false);
    let mut entries = Vec::new();
    let mut put = |at: At, faults: Vec<Fault>| {
        entries.extend(faults.into_iter().map(|fault| Entry::new(at, fault)));
    };
    let of_leases = match base.operators {
        Operators::One => Vec::new(),
        Operators::TwoWithLease => kinds::of_leases(),
    };
    let of_verbs = verbs(base.scenario);
    for n in 0..quiet.writes {
        put(At::Write(n), kinds::of_writes());
        put(At::Write(n), kinds::of_processes());
        put(At::Write(n), kinds::of_others());
        put(At::Look(n), kinds::of_reads());
        put(At::Look(n), kinds::of_processes());
        put(At::Look(n), kinds::of_others());
        put(At::After(n), kinds::anywhere());
        put(At::After(n), of_leases.clone());
        put(At::Write(n), of_verbs.clone());
        put(At::Look(n), of_verbs.clone());
        put(At::After(n), of_verbs.clone());
    }
    for n in 0..quiet.reads {
        put(At::Read(n), kinds::of_reads());
    }
    for time in (0..quiet.ended).step_by(5_000) {
        put(At::Time(time + 1), kinds::anywhere());
        put(At::Time(time + 1), of_leases.clone());
        put(At::Time(time + 1), of_verbs.clone());
    }
    entries
        .into_iter()
        .map(|entry| base.with([entry]))
        .collect()
}

/// Every pair of faults at every pair of positions: each write's fate, what others do just before its effect, and
/// everything right after it; and what others do in the waits between, every twenty seconds. Of kinds that differ only
/// in a number one stands for all.
#[derive(Debug)]
pub struct Pairs {
    groups: Groups,
    slots: Vec<(Scenario, Vec<Entry>)>,
}

impl Pairs {
    /// Of all scenarios.
    pub fn new(setup: &Setup, groups: Groups) -> Self {
        let on = |scenario: &Scenario| scenario.groups().contains(&groups);
        let slots = Scenario::ALL.into_iter().filter(on).map(|scenario| {
            let base = Plan::quiet(scenario).on(groups);
            (scenario, slots(setup, &base))
        });
        Self {
            groups,
            slots: slots.collect(),
        }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.slots
            .iter()
            .map(|(_, slots)| slots.len() * (slots.len() - 1) / 2)
            .sum()
    }

    /// The n-th.
    pub fn get(&self, mut n: usize) -> Plan {
        for (scenario, slots) in &self.slots {
            let count = slots.len() * (slots.len() - 1) / 2;
            if n < count {
                // The n-th pair (i, j) with i < j, in order of j.
                let mut j = 1;
                while n >= j {
                    n -= j;
                    j += 1;
                }
                let pair = [slots[n].clone(), slots[j].clone()];
                return Plan::new(*scenario, pair).on(self.groups);
            }
            n -= count;
        }
        Plan::quiet(Scenario::Release)
    }
}

fn slots(setup: &Setup, base: &Plan) -> Vec<Entry> {
    let quiet = run(base, setup, false);
    let mut slots = Vec::new();
    let mut put = |at: At, faults: Vec<Fault>| {
        slots.extend(faults.into_iter().map(|fault| Entry::new(at, fault)));
    };
    for n in 0..quiet.writes {
        put(At::Write(n), kinds::of_writes_in_pairs());
        put(At::Write(n), kinds::of_others_in_pairs());
        put(At::After(n), kinds::anywhere_in_pairs());
        put(At::After(n), verbs(base.scenario));
    }
    for time in (10_000..quiet.ended).step_by(20_000) {
        put(At::Time(time + 1), kinds::of_others_in_pairs());
        put(At::Time(time + 1), verbs(base.scenario));
    }
    slots
}

/// What people may ask of a release in steps, and what its tests may say; of another none.
fn verbs(scenario: Scenario) -> Vec<Fault> {
    let tests = scenario.tests();
    if tests.is_empty() {
        return Vec::new();
    }
    let mut faults = kinds::of_verbs();
    faults.extend(kinds::of_tests(tests));
    faults
}

/// A random subset of kinds with random rates, for the first part of a run; then nothing goes wrong any more.
pub fn swarm(seed: u64) -> Plan {
    let mut rng = Rng::with_seed(seed);
    let scenario = Scenario::ALL[rng.usize(..Scenario::ALL.len())];
    let operators = any_operators(&mut rng);
    let mut some = |faults: Vec<Fault>, share: f64| -> Vec<Fault> {
        faults.into_iter().filter(|_| rng.f64() < share).collect()
    };
    let of_writes = some(kinds::of_writes(), 0.4);
    let of_reads = some(kinds::of_reads(), 0.3);
    let mut anywhere = some(kinds::anywhere(), 0.15);
    anywhere.extend(some(kinds::of_verbs(), 0.15));
    anywhere.extend(some(kinds::of_tests(scenario.tests()), 0.15));
    if operators == Operators::TwoWithLease {
        anywhere.extend(some(kinds::of_leases(), 0.5));
    }
    let rate = rng.f64() * 0.3;
    let mut entries = Vec::new();
    let mut draw = |at: At, faults: &[Fault], rate: f64| {
        if !faults.is_empty() && rng.f64() < rate {
            let fault = faults[rng.usize(..faults.len())].clone();
            entries.push(Entry::new(at, fault));
        }
    };
    for n in 0..40 {
        draw(At::Write(n), &of_writes, rate);
        draw(At::After(n), &anywhere, rate / 2.0);
    }
    for n in 0..120 {
        draw(At::Read(n), &of_reads, rate);
    }
    for n in 0..30_u64 {
        draw(At::Time(n * 10_000 + 5_000), &anywhere, rate / 2.0);
    }
    Plan::new(scenario, entries).by(operators)
}

fn any_operators(rng: &mut Rng) -> Operators {
    if rng.bool() {
        Operators::One
    } else {
        Operators::TwoWithLease
    }
}

/// L7: calls fail at a rate of up to 0.3 all the way, and the release ends all the same.
pub fn stubborn(seed: u64) -> Plan {
    let mut rng = Rng::with_seed(seed);
    let scenario = Scenario::ALL[rng.usize(..Scenario::ALL.len())];
    let rate = rng.f64() * 0.3;
    let of_writes = [
        Fault::Refused,
        Fault::NotSent,
        Fault::Lost,
        Fault::Hangs,
        Fault::AnswerLost,
        Fault::AnswerHangs,
        Fault::Late { seconds: 30 },
    ];
    let of_reads = kinds::of_reads();
    let mut entries = Vec::new();
    let mut draw = |at: At, faults: &[Fault]| {
        if rng.f64() < rate {
            let fault = faults[rng.usize(..faults.len())].clone();
            entries.push(Entry::new(at, fault));
        }
    };
    for n in 0..400 {
        draw(At::Write(n), &of_writes);
        draw(At::Look(n), &of_reads);
    }
    for n in 0..1_000 {
        draw(At::Read(n), &of_reads);
    }
    let operators = any_operators(&mut rng);
    Plan::new(scenario, entries).by(operators)
}
