//! With what ships, no property is ever violated. `TEAL_DOSE=nightly` looks at a hundred times as many states.

#![allow(missing_docs, reason = "tests say what they do")]

use model::report::{Dose, Order, search};
use model::setup::{Faults, Setup, Stale, Start};

/// Searches, prints what was seen, and fails on any violation.
fn holds(name: &str, setup: Setup, events: usize, nightly: usize) {
    let dose = if std::env::var("TEAL_DOSE").is_ok_and(|dose| dose == "nightly") {
        Dose {
            order: Order::Depth(160),
            events: nightly,
            threads: 2,
        }
    } else {
        Dose {
            order: Order::Breadth,
            events,
            threads: 1,
        }
    };
    let found = search(setup, dose);
    println!(
        "{name}: {} distinct states, depth {}, {}, at most {} writes to converge, {:.1} s",
        found.states,
        found.depth,
        if found.exhausted { "all" } else { "bounded" },
        found.most_writes,
        found.took.as_secs_f32()
    );
    let violated: Vec<String> = found
        .violated
        .iter()
        .map(|(property, path)| format!("{property}:\n{path}"))
        .collect();
    assert!(violated.is_empty(), "{name}: {}", violated.join("\n\n"));
}

fn one(faults: Faults) -> Faults {
    Faults {
        together: 1,
        ..faults
    }
}

const SMALL: usize = 300_000;
const NIGHT: usize = 30_000_000;

#[test]
fn nothing_happens_but_a_release() {
    holds("a release", Setup::new(1), usize::MAX, usize::MAX);
}

#[test]
fn a_first_release() {
    holds(
        "a first release",
        Setup::new(1).start(Start::Empty),
        SMALL,
        NIGHT,
    );
}

#[test]
fn two_changes_of_the_wish() {
    holds("two changes", Setup::new(2), SMALL, NIGHT);
}

#[test]
fn a_bad_release() {
    let setup = Setup {
        broken: vec![1],
        ..Setup::new(2)
    };
    holds("a bad release", setup, SMALL, NIGHT);
}

#[test]
fn weights_in_between() {
    let setup = Setup::new(1).start(Start::Both([Some(50), Some(50)]));
    holds("weights in between", setup, SMALL, NIGHT);
}

#[test]
fn stale_and_torn_reads() {
    holds("stale reads", Setup::new(1).stale(Stale::ALL), SMALL, NIGHT);
}

#[test]
fn an_unanswered_write() {
    let faults = one(Faults {
        unanswered: 1,
        ..Faults::default()
    });
    holds(
        "an unanswered write",
        Setup::new(1).faults(faults),
        SMALL,
        NIGHT,
    );
}

#[test]
fn a_restart() {
    let faults = one(Faults {
        restart: 1,
        ..Faults::default()
    });
    holds("a restart", Setup::new(1).faults(faults), SMALL, NIGHT);
}

#[test]
fn health_flips_and_tasks_crash() {
    let faults = one(Faults {
        flip: 1,
        crash: 1,
        ..Faults::default()
    });
    holds("health", Setup::new(1).faults(faults), SMALL, NIGHT);
}

#[test]
fn a_person_acts() {
    let faults = one(Faults {
        person: 1,
        ..Faults::default()
    });
    holds("a person", Setup::new(1).faults(faults), SMALL, NIGHT);
}

#[test]
fn two_operators_with_a_lease() {
    let setup = Setup {
        operators: 2,
        lease: true,
        ..Setup::new(1)
    };
    let faults = one(Faults {
        unanswered: 1,
        restart: 1,
        pause: 1,
        ..Faults::default()
    });
    holds("two operators", setup.faults(faults), SMALL, NIGHT);
}
