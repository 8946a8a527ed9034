//! Negative controls: with a rule switched off the search finds the violation that the rule is there to prevent. The
//! guard is switched off with it, where it would refuse the write instead.

use std::time::Duration;

use planner::ablation::{Rule, Without};
use simulation::plan::{At, Entry, Fault, Groups, Operators, Part, Which};
use simulation::scenario::NEXT;
use simulation::search::{Pairs, swarm};
use simulation::{Ending, Plan, Scenario, Setup, run};

/// Plans that are tried before a control counts as blind.
const PLANS: usize = 1_500;

fn without(rules: &[Rule]) -> Setup {
    let mut setup = Setup::default();
    setup.settings.tuning.without = Without::rules(rules);
    setup
}

/// Some plan breaks `property` in `setup`.
fn breaks(property: &str, setup: &Setup, plan: impl Fn(usize) -> Plan) {
    let mut others = std::collections::BTreeMap::<&str, usize>::new();
    let found = (0..PLANS).any(|n| match run(&plan(n), setup, false).ending {
        Ending::Violated(found) => {
            *others.entry(found.property).or_default() += 1;
            found.property == property
        }
        Ending::Settled | Ending::Held(_) => false,
    });
    assert!(found, "{property} holds without the rule; found {others:?}");
}

/// Random mixes, and pairs of faults.
fn mixed() -> impl Fn(usize) -> Plan {
    let pairs = Pairs::new(&Setup::default(), Groups::Pair);
    move |n| {
        if n % 2 == 0 {
            swarm(n as u64)
        } else {
            pairs.get((n * 7_919_333) % pairs.count())
        }
    }
}

fn control(rule: Rule, property: &str) {
    breaks(property, &without(&[rule, Rule::Guard]), mixed());
}

/// A plan that is kept breaks the property again when the rule that answers it is switched off.
fn kept(rule: Rule, property: &str, text: &str) {
    let plan: Plan = serde_json::from_str(text).unwrap();
    breaks(property, &without(&[rule, Rule::Guard]), |_| plan.clone());
}

/// A release, and at the n-th look or write what `faults` says.
fn release(at: fn(u32) -> At, faults: &[Fault]) -> impl Fn(usize) -> Plan {
    move |n| {
        let at = at(n as u32 % 20);
        let entries = faults.iter().map(|fault| Entry::new(at, fault.clone()));
        Plan::new(Scenario::Release, entries)
    }
}

#[test]
fn authority() {
    let two = |n| swarm(n as u64).by(Operators::TwoWithLease);
    breaks("S16", &without(&[Rule::Authority]), two);
}

/// Lists of services stay as they were before a create, and a newer wish comes.
#[test]
fn barrier_of_ecs() {
    let old = Fault::Frozen {
        part: Part::Services,
        seconds: 30,
    };
    let plan = |n| {
        let n = n as u32 % 20;
        let newer = Fault::Wish(NEXT.to_owned());
        let entries = [
            Entry::new(At::Write(n), old.clone()),
            Entry::new(At::After(n), newer),
        ];
        Plan::new(Scenario::Release, entries)
    };
    breaks("S11", &without(&[Rule::BarrierEcs]), plan);
}

#[test]
fn barrier_of_the_load_balancer() {
    control(Rule::BarrierElb, "L1");
}

#[test]
fn deadlines() {
    let bad = |_| Plan::quiet(Scenario::BadRelease);
    breaks("L1", &without(&[Rule::Deadlines]), bad);
}

#[test]
fn full_capacity() {
    control(Rule::Capacity, "S2");
}

#[test]
fn gates() {
    let steps = |_| Plan::quiet(Scenario::Steps);
    breaks("S17", &without(&[Rule::Gates]), steps);
}

#[test]
fn freezes() {
    let frozen = |_| Plan::quiet(Scenario::Freeze);
    breaks("Freeze", &without(&[Rule::Freeze]), frozen);
}

#[test]
fn late_landing() {
    let plan = include_str!("../../plans/late-create-of-a-superseded-release.json");
    kept(Rule::LateLanding, "S11", plan);
    let plan = include_str!("../../plans/late-weights-after-the-group-left-the-rule.json");
    kept(Rule::LateLanding, "S2", plan);
}

#[test]
fn looking_again() {
    let weights = Fault::Weights {
        a: Some(100),
        b: Some(0),
    };
    let faults = [weights];
    breaks(
        "Loss",
        &without(&[Rule::LookAgain]),
        release(At::Look, &faults),
    );
}

#[test]
fn age_of_plans() {
    let mut setup = Setup::default();
    setup.settings.tuning.plan_age = Duration::from_secs(3_600);
    setup.settings.reconcile_limit = Duration::from_secs(3_600);
    setup.settings.write_limit = Duration::from_secs(3_600);
    // The tasks stop as the operator stands still between its reads and its last look.
    let faults = [
        Fault::TasksCrash(Which::Newest),
        Fault::Pause { seconds: 400 },
    ];
    breaks("S2", &setup, release(At::Look, &faults));
}

#[test]
fn new_names() {
    control(Rule::NewName, "S10");
}

#[test]
fn repair_of_dead_traffic() {
    control(Rule::PanicRepair, "L2");
}

/// A process that found everything handed over dies with a write on its way, and had not written down that it began;
/// the next one has another wish to fulfil.
#[test]
fn record_first() {
    let plan = |n| {
        let dies = Entry::new(At::Write(n as u32 % 20), Fault::CrashLate { seconds: 40 });
        let newer = Entry::new(At::Time(40_000), Fault::Wish(NEXT.to_owned()));
        Plan::new(Scenario::Release, [dies, newer])
    };
    breaks("S7", &without(&[Rule::RecordFirst]), plan);
}

#[test]
fn one_operator_without_a_lease() {
    let second = |n| {
        let mut plan = swarm(n as u64).by(Operators::One);
        plan.entries
            .push(Entry::new(At::Time(1), Fault::SecondOperator));
        plan
    };
    breaks("S7", &Setup::default(), second);
}

#[test]
fn quiescence() {
    let mut setup = without(&[Rule::Guard]);
    setup.settings.tuning.quiescence = Duration::ZERO;
    breaks("S7", &setup, mixed());
}

#[test]
fn quiescence_before_removals() {
    let mut setup = without(&[Rule::Guard]);
    setup.settings.tuning.quiescence_destructive = setup.settings.tuning.quiescence;
    breaks("S7", &setup, mixed());
}

#[test]
fn settling_at_weight_zero() {
    control(Rule::DrainTimer, "S4");
}

#[test]
fn two_readings_of_health() {
    control(Rule::TwoReadings, "S2");
}

#[test]
fn waiting_at_a_start() {
    control(Rule::StartWait, "S7");
}
