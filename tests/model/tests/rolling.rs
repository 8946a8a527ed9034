//! Updated in place by ECS: no property is ever violated with what ships, and what a rule prevents is found without it.

#![allow(missing_docs, reason = "tests say what they do")]

use crd_schema::record::Stage;
use model::report::{Dose, Found, search};
use model::setup::{Faults, Setup, Start};
use planner::ablation::Rule;

/// One operator, and a settled service.
fn rolling(wishes: u8) -> Setup {
    Setup::new(wishes).rolling()
}

/// The same behind a load balancer.
fn balanced(wishes: u8) -> Setup {
    Setup::new(wishes).rolling_behind_a_load_balancer()
}

fn look(name: &str, setup: Setup, states: usize) -> Found {
    let found = search(setup, Dose { states, threads: 1 });
    println!(
        "{name}: {} distinct states, depth {}, {}, at most {} writes to converge, {:.1} s",
        found.states,
        found.depth,
        if found.exhausted { "all" } else { "bounded" },
        found.most_writes,
        found.took.as_secs_f32()
    );
    found
}

fn holds(name: &str, setup: Setup, states: usize) -> usize {
    let found = look(name, setup, states);
    let violated: Vec<String> = found
        .violated
        .iter()
        .map(|(property, path)| format!("{property}:\n{path}"))
        .collect();
    assert!(violated.is_empty(), "{name}: {}", violated.join("\n\n"));
    found.states
}

fn breaks(setup: Setup, property: &str) {
    let found = look(property, setup, 20_000);
    let names: Vec<&str> = found.violated.iter().map(|(name, _)| *name).collect();
    assert!(
        names.contains(&property),
        "{property} was predicted, {names:?} found"
    );
}

fn faults(change: impl FnOnce(&mut Faults)) -> Faults {
    let mut faults = Faults {
        together: 1,
        ..Faults::default()
    };
    change(&mut faults);
    faults
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
fn dose() -> usize {
    let more = std::env::var("TEAL_DOSE").is_ok_and(|dose| dose == "full" || dose == "nightly");
    if more { 500_000 } else { 4_000 }
}

/// One operator, with nothing or with one fault.
fn searches(rolling: fn(u8) -> Setup) -> [(&'static str, Setup); 14] {
    [
        ("two wishes", rolling(2)),
        ("a first release", rolling(1).start(Start::Empty)),
        ("a bad release", bad(rolling(2))),
        (
            "an unanswered write",
            rolling(1).faults(faults(|f| f.unanswered = 1)),
        ),
        (
            "a bad release and an unanswered write",
            bad(rolling(1)).faults(faults(|f| f.unanswered = 1)),
        ),
        ("a crash", rolling(2).faults(faults(|f| f.restart = 1))),
        ("ECS gives up", rolling(2).faults(faults(|f| f.breaker = 1))),
        ("a task dies", rolling(1).faults(faults(|f| f.crash = 1))),
        ("health goes", rolling(1).faults(faults(|f| f.flip = 1))),
        ("a person", rolling(1).faults(faults(|f| f.person = 1))),
        ("a verb", rolling(1).faults(faults(|f| f.verb = 1))),
        ("a read fails", rolling(1).faults(faults(|f| f.unread = 1))),
        (
            "a gate before the update",
            rolling(1).gate("migrate", Some(Stage::ScaleUp)),
        ),
        (
            "alarms speak",
            rolling(1).alarm().faults(faults(|f| f.says = 1)),
        ),
    ]
}

#[test]
fn what_ecs_went_back_from_is_not_tried_again() {
    let gives_up = rolling(1).faults(faults(|f| f.breaker = 1));
    breaks(gives_up.without(&[Rule::TakenBack]), "S8");
}

#[test]
fn no_update_before_its_gate_has_passed() {
    let gated = rolling(1).gate("migrate", Some(Stage::ScaleUp));
    breaks(gated.without(&[Rule::Gates]), "S17");
}
