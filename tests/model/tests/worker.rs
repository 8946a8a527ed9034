//! Without a load balancer: no property is ever violated with what ships, and what each rule prevents is found without it.

#![allow(missing_docs, reason = "tests say what they do")]

use crd_schema::record::Stage;
use model::report::{Dose, Found, search, thorough};
use model::setup::{Faults, Setup, Stale, Start};
use planner::ablation::Rule;

/// One operator, and a settled worker.
fn worker(wishes: u8) -> Setup {
    Setup::new(wishes).worker()
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
            worker(1).faults(faults(|f| f.unanswered = 1)),
            some,
        ),
        (
            "an unanswered write while both work",
            both().faults(faults(|f| f.unanswered = 1)),
            some,
        ),
        ("a crash", worker(2).faults(faults(|f| f.restart = 1)), some),
        (
            "a task dies",
            worker(1).faults(faults(|f| f.crash = 1)),
            all,
        ),
        ("health goes", worker(1).faults(faults(|f| f.flip = 1)), all),
        ("a person", worker(1).faults(faults(|f| f.person = 1)), some),
        ("a verb", worker(1).faults(faults(|f| f.verb = 1)), all),
        (
            "a read fails",
            worker(1).faults(faults(|f| f.unread = 1)),
            all,
        ),
        ("two operators", two.faults(faults(|f| f.pause = 1)), some),
        (
            "a gate before blue goes",
            worker(1).gate("smoke", Some(Stage::CleanUp)),
            all,
        ),
        (
            "alarms speak",
            worker(1).alarm().faults(faults(|f| f.says = 1)),
            some,
        ),
    ];
    let states = searches.map(|(name, setup, states)| holds(name, setup, states));
    println!("{} distinct states", states.iter().sum::<usize>());
}

#[test]
fn nobody_stops_before_somebody_works_in_its_place() {
    let health_goes = || both().faults(faults(|f| f.flip = 1));
    let without = |rules: &[Rule]| health_goes().without(rules);
    breaks(without(&[Rule::WorkerCover, Rule::RejectTheDead]), "guard");
    let guard = [Rule::WorkerCover, Rule::RejectTheDead, Rule::Guard];
    breaks(without(&guard), "S4");
}

#[test]
fn blue_stays_until_green_is_tested() {
    let gated = worker(1).gate("smoke", Some(Stage::CleanUp));
    breaks(gated.without(&[Rule::Gates]), "S17");
    let watched = worker(1).alarm().faults(faults(|f| f.says = 1));
    breaks(watched.without(&[Rule::Watches]), "S17");
}

#[test]
fn an_earlier_self_may_still_write() {
    let restarts = worker(1).faults(Faults {
        unanswered: 1,
        restart: 1,
        together: 2,
        ..Faults::default()
    });
    breaks(restarts.without(&[Rule::StartWait]), "S7");
}
