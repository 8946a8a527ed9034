//! Every single fault at every call and time of every reference rollout, by one operator and by two with a lease.

use simulation::plan::Operators;
use simulation::search::singles;
use simulation::{Scenario, Setup};

use crate::search;

fn all(scenario: Scenario) {
    for operators in [Operators::One, Operators::TwoWithLease] {
        let plans = singles(&Setup::default(), scenario, operators);
        let name = format!("singles of {scenario:?} by {operators:?}");
        search::holds(&name, plans.len(), |n| plans[n].clone());
    }
}

#[test]
fn of_a_first_release() {
    all(Scenario::FirstRelease);
}

#[test]
fn of_a_release() {
    all(Scenario::Release);
}

#[test]
fn of_a_bad_release() {
    all(Scenario::BadRelease);
}

#[test]
fn of_a_release_that_is_superseded() {
    all(Scenario::Supersede);
}

#[test]
fn of_a_release_that_is_superseded_in_its_bake() {
    all(Scenario::SupersedeInBake);
}

#[test]
fn of_a_release_that_is_cancelled() {
    all(Scenario::Cancel);
}

#[test]
fn of_drift() {
    all(Scenario::Drift);
}
