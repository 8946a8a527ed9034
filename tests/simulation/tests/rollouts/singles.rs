//! Every single fault at every call and time of every reference rollout, by one operator and by two with a lease, with a
//! pair of target groups and with one for each release.

use simulation::plan::Operators;
use simulation::search::singles;
use simulation::{Plan, Scenario, Setup};

use crate::search::{self, Dose};

/// With every run of the tests, one in so many is carried out: coprime to how many kinds stand at one point, so that
/// each kind comes up.
const SLICE: usize = 61;

/// In CI one in so many, of what is not a plain release.
const PART: usize = 7;

/// In CI every one.
fn all(scenario: Scenario) {
    one_in(1, scenario);
}

/// In CI a part of them.
fn part(scenario: Scenario) {
    one_in(PART, scenario);
}

fn one_in(full: usize, scenario: Scenario) {
    for groups in scenario.groups() {
        for operators in [Operators::One, Operators::TwoWithLease] {
            let base = Plan::quiet(scenario).by(operators).on(*groups);
            let plans = singles(&Setup::default(), &base);
            let step = Dose::of(SLICE, full, 1);
            let name =
                format!("singles of {scenario:?} by {operators:?}, {groups:?}, one in {step}");
            search::holds(&name, plans.len().div_ceil(step), |n| {
                plans[n * step].clone()
            });
        }
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
    part(Scenario::SupersedeInBake);
}

#[test]
fn of_a_release_that_is_cancelled() {
    all(Scenario::Cancel);
}

#[test]
fn of_drift() {
    all(Scenario::Drift);
}

#[test]
fn of_a_release_in_steps_with_gates_and_an_alarm() {
    part(Scenario::Steps);
}

#[test]
fn of_a_release_in_steps_that_is_aborted() {
    part(Scenario::Abort);
}

#[test]
fn of_a_release_in_steps_to_a_small_green_beside_an_analysis() {
    part(Scenario::SmallGreen);
}

#[test]
fn of_a_release_that_waits_for_the_end_of_a_freeze() {
    part(Scenario::Freeze);
}

#[test]
fn of_a_release_of_a_worker() {
    part(Scenario::Worker);
}

#[test]
fn of_a_bad_release_of_a_worker() {
    part(Scenario::BadWorker);
}

#[test]
fn of_an_update_in_place() {
    part(Scenario::InPlace);
}

#[test]
fn of_a_bad_update_in_place() {
    part(Scenario::BadInPlace);
}
