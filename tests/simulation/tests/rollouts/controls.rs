//! Negative controls: with a rule switched off the search finds the violation that the rule is there to prevent. The
//! guard is switched off with it, where it would refuse the write instead.

use planner::ablation::{Rule, Without};
use simulation::plan::Operators;
use simulation::search::{Pairs, swarm};
use simulation::{Ending, Plan, Setup, run};

/// Plans that are tried before a control counts as blind.
const PLANS: usize = 1_500;

fn without(rules: &[Rule]) -> Setup {
    let mut setup = Setup::default();
    setup.settings.tuning.without = Without::rules(rules);
    setup
}

/// Some plan breaks `property` in `setup`.
fn breaks(property: &str, setup: &Setup, plan: impl Fn(usize) -> Plan) {
    let found = (0..PLANS).any(|n| {
        matches!(run(&plan(n), setup, false).ending, Ending::Violated(found) if found.property == property)
    });
    assert!(found, "{property} holds without the rule");
}

/// Random mixes, and pairs of faults.
fn mixed() -> impl Fn(usize) -> Plan {
    let pairs = Pairs::new(&Setup::default());
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

#[test]
fn authority() {
    let two = |n| swarm(n as u64).by(Operators::TwoWithLease);
    breaks("S16", &without(&[Rule::Authority]), two);
}

#[test]
fn barrier_of_the_load_balancer() {
    control(Rule::BarrierElb, "L1");
}

#[test]
fn full_capacity() {
    control(Rule::Capacity, "S2");
}

#[test]
fn settling_at_weight_zero() {
    control(Rule::DrainTimer, "S4");
}

#[test]
fn late_landing() {
    let plan = include_str!("../../plans/late-create-of-a-superseded-release.json");
    kept(Rule::LateLanding, "S11", plan);
}
