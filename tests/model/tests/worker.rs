//! Without a load balancer: no property is ever violated with what ships, and what each rule prevents is found without it.

#![allow(missing_docs, reason = "tests say what they do")]

use crd_schema::record::Stage;
use model::report::{Dose, breaks, holds, thorough};
use model::setup::{Faults, Setup, Stale, Start, one};
use planner::ablation::Rule;

/// One operator, and a settled worker.
fn worker(wishes: u8) -> Setup {
    Setup::new(wishes).worker()
}

/// Blue and green both work, and green is wished for.
fn both() -> Setup {
    worker(0).start(Start::Both([Some(100), Some(0)]))
}

#[test]
fn no_property_is_ever_violated_without_a_load_balancer() {
    // With `TEAL_DOSE=full` or `nightly` all that can be reached, or a hundred times as many.
    let (all, some) = if thorough() {
        (usize::MAX, 500_000)
    } else {
        (8_000, 5_000)
    };
    let bad = Setup {
        broken: vec![1],
        ..worker(2)
    };
    let two = Setup {
        operators: 2,
        lease: true,
        ..worker(1)
    };
    let searches = [
        ("two wishes", worker(2), all),
        ("a first release", worker(1).start(Start::Empty), all),
        ("a bad release", bad, some),
        ("stale reads", worker(1).stale(Stale::ALL), some),
        (
            "an unanswered write",
            worker(1).faults(one(|f| f.unanswered = 1)),
            some,
        ),
        (
            "an unanswered write while both work",
            both().faults(one(|f| f.unanswered = 1)),
            some,
        ),
        ("a crash", worker(2).faults(one(|f| f.restart = 1)), some),
        ("a task dies", worker(1).faults(one(|f| f.crash = 1)), all),
        ("health goes", worker(1).faults(one(|f| f.flip = 1)), all),
        ("a person", worker(1).faults(one(|f| f.person = 1)), some),
        ("a verb", worker(1).faults(one(|f| f.verb = 1)), all),
        ("a read fails", worker(1).faults(one(|f| f.unread = 1)), all),
        ("two operators", two.faults(one(|f| f.pause = 1)), some),
        (
            "a gate before blue goes",
            worker(1).gate("smoke", Some(Stage::CleanUp)),
            all,
        ),
        (
            "alarms speak",
            worker(1).alarm().faults(one(|f| f.says = 1)),
            some,
        ),
    ];
    let states = searches.map(|(name, setup, states)| holds(name, setup, Dose::of(states)));
    println!("{} distinct states", states.iter().sum::<usize>());
}

/// How many states it takes to find what a rule prevents.
const FOUND: usize = 20_000;

#[test]
fn nobody_stops_before_somebody_works_in_its_place() {
    let health_goes = || both().faults(one(|f| f.flip = 1));
    let without = |rules: &[Rule]| health_goes().without(rules);
    breaks(
        without(&[Rule::WorkerCover, Rule::RejectTheDead]),
        "guard",
        Dose::of(FOUND),
    );
    let guard = [Rule::WorkerCover, Rule::RejectTheDead, Rule::Guard];
    breaks(without(&guard), "S4", Dose::of(FOUND));
}

#[test]
fn blue_stays_until_green_is_tested() {
    let gated = worker(1).gate("smoke", Some(Stage::CleanUp));
    breaks(gated.without(&[Rule::Gates]), "S17", Dose::of(FOUND));
    let watched = worker(1).alarm().faults(one(|f| f.says = 1));
    breaks(watched.without(&[Rule::Watches]), "S17", Dose::of(FOUND));
}

#[test]
fn an_earlier_self_may_still_write() {
    let restarts = worker(1).faults(Faults {
        unanswered: 1,
        restart: 1,
        together: 2,
        ..Faults::default()
    });
    breaks(restarts.without(&[Rule::StartWait]), "S7", Dose::of(FOUND));
}
