//! Updated in place by ECS: no property is ever violated with what ships, and what a rule prevents is found without it.

#![allow(missing_docs, reason = "tests say what they do")]

use crd_schema::record::Stage;
use model::report::{Dose, breaks, holds, thorough};
use model::setup::{Setup, Start, one};
use planner::ablation::Rule;

/// One operator, and a settled service.
fn rolling(wishes: u8) -> Setup {
    Setup::new(wishes).rolling()
}

/// The same behind a load balancer.
fn balanced(wishes: u8) -> Setup {
    Setup::new(wishes).rolling_behind_a_load_balancer()
}

/// A release that never becomes healthy.
fn bad(setup: Setup) -> Setup {
    Setup {
        broken: vec![1],
        ..setup
    }
}

#[test]
fn no_property_is_ever_violated_in_place() {
    let states = searches(rolling).map(|(name, setup)| holds(name, setup, dose()));
    println!("{} distinct states", states.iter().sum::<usize>());
}

#[test]
fn no_property_is_ever_violated_in_place_behind_a_load_balancer() {
    let states = searches(balanced).map(|(name, setup)| holds(name, setup, dose()));
    println!("{} distinct states", states.iter().sum::<usize>());
}

/// How many states of each search.
fn dose() -> Dose {
    Dose::of(if thorough() { 500_000 } else { 4_000 })
}

/// How many it takes to find what a rule prevents.
const FOUND: usize = 20_000;

/// One operator, with nothing or with one fault.
fn searches(rolling: fn(u8) -> Setup) -> [(&'static str, Setup); 14] {
    [
        ("two wishes", rolling(2)),
        ("a first release", rolling(1).start(Start::Empty)),
        ("a bad release", bad(rolling(2))),
        (
            "an unanswered write",
            rolling(1).faults(one(|f| f.unanswered = 1)),
        ),
        (
            "a bad release and an unanswered write",
            bad(rolling(1)).faults(one(|f| f.unanswered = 1)),
        ),
        ("a crash", rolling(2).faults(one(|f| f.restart = 1))),
        ("ECS gives up", rolling(2).faults(one(|f| f.breaker = 1))),
        ("a task dies", rolling(1).faults(one(|f| f.crash = 1))),
        ("health goes", rolling(1).faults(one(|f| f.flip = 1))),
        ("a person", rolling(1).faults(one(|f| f.person = 1))),
        ("a verb", rolling(1).faults(one(|f| f.verb = 1))),
        ("a read fails", rolling(1).faults(one(|f| f.unread = 1))),
        (
            "a gate before the update",
            rolling(1).gate("migrate", Some(Stage::ScaleUp)),
        ),
        (
            "alarms speak",
            rolling(1).alarm().faults(one(|f| f.says = 1)),
        ),
    ]
}

#[test]
fn what_ecs_went_back_from_is_not_tried_again() {
    let gives_up = rolling(1).faults(one(|f| f.breaker = 1));
    breaks(gives_up.without(&[Rule::TakenBack]), "S8", Dose::of(FOUND));
}

#[test]
fn no_update_before_its_gate_has_passed() {
    let gated = rolling(1).gate("migrate", Some(Stage::ScaleUp));
    breaks(gated.without(&[Rule::Gates]), "S17", Dose::of(FOUND));
}
