//! Somebody else changes weights while a release is on its way: once is put right, twice is a dispute.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test says so by failing"
)]

use planner::ablation::{Rule, Without};
use planner::lab::{Ending, Lab, Operator, application};
use planner::report::Hold;
use planner::{Side, World};

/// How long AWS may show old weights, in milliseconds.
const STALENESS: u64 = 10_000;
/// Reconciles of a release, and some more.
const RECONCILES: usize = 100;

/// A release of 1.4.0 after 1.3.0 begins.
fn release() -> (Lab, Operator) {
    let mut lab = Lab::new(application());
    lab.advance(100_000);
    lab.place("1.3.0", Side::A, 2, 0);
    lab.wish("1.3.0");
    let mut operator = Operator::new(&lab);
    assert_eq!(operator.run(&mut lab, 200), Ending::Settled);
    lab.wish("1.4.0");
    (lab, operator)
}

/// One look, at which nothing is decided.
fn sees(operator: &mut Operator, lab: &Lab, world: &World) {
    let tuning = operator.tuning;
    operator.memory.absorb(world, &tuning, lab.clock());
}

/// What is seen now, but for the weights, which are those of `before`.
fn with_weights_of(before: &Lab, lab: &Lab) -> World {
    let mut old = lab.clone();
    old.rules.clone_from(&before.rules);
    old.observe()
}

/// A person splits traffic, and `then` sees the weights of before `after` milliseconds later.
fn splits_and_then(lab: &mut Lab, operator: &mut Operator, after: u64, put_back: bool) {
    let before = lab.clone();
    lab.set_production([Some(50), Some(50)]);
    sees(operator, lab, &lab.observe());
    lab.advance(after);
    if put_back {
        lab.rules.clone_from(&before.rules);
    }
    sees(operator, lab, &with_weights_of(&before, lab));
}

/// How often somebody else changed weights, at every moment of a release in which nothing of the operator's own is on
/// its way to the rule.
fn counted(without: &[Rule], after: u64, put_back: bool) -> Vec<u32> {
    let (mut lab, mut operator) = release();
    operator.tuning.without = Without::rules(without);
    let mut counts = Vec::new();
    for _ in 0..RECONCILES {
        let (mut lab_then, mut then) = (lab.clone(), operator.clone());
        let in_a_rollout = then.memory.record.rollout.is_some();
        if in_a_rollout && then.memory.barriers.is_empty() {
            splits_and_then(&mut lab_then, &mut then, after, put_back);
            lab_then.advance(1_000);
            sees(&mut then, &lab_then, &lab_then.observe());
            counts.push(then.memory.foreign_changes);
        }
        let _ = operator.reconcile(&mut lab).expect("the guard agrees");
    }
    assert!(counts.len() > 10, "{}", counts.len());
    counts
}

#[test]
fn an_old_answer_after_a_change_is_no_further_change() {
    for after in [0, 5_000, STALENESS - 1] {
        let counts = counted(&[], after, false);
        assert!(counts.iter().all(|count| *count == 1), "{counts:?}");
    }
    let counts = counted(&[Rule::OldWeights], 5_000, false);
    assert!(counts.iter().any(|count| *count > 1), "{counts:?}");
}

#[test]
fn weights_that_are_put_back_are_a_further_change_once_no_answer_can_be_that_old() {
    let counts = counted(&[], STALENESS, true);
    assert!(counts.iter().all(|count| *count == 2), "{counts:?}");
}

#[test]
fn one_change_and_old_answers_end_a_release_as_ever_and_two_changes_hold_it() {
    let (mut lab, mut operator) = release();
    for _ in 0..RECONCILES {
        if operator.memory.record.rollout.is_some() && operator.memory.barriers.is_empty() {
            let (mut lab, mut operator) = (lab.clone(), operator.clone());
            splits_and_then(&mut lab, &mut operator, 5_000, false);
            assert_eq!(operator.run(&mut lab, 600), Ending::Settled);
        }
        let _ = operator.reconcile(&mut lab).expect("the guard agrees");
    }
    let (mut lab, mut operator) = fought_over();
    assert_eq!(operator.run(&mut lab, 600), Ending::Held(Hold::Contended));
}

/// Somebody else has changed the weights twice since the release began.
fn fought_over() -> (Lab, Operator) {
    let (mut lab, mut operator) = release();
    while operator.memory.record.rollout.is_none() {
        let _ = operator.reconcile(&mut lab).expect("the guard agrees");
    }
    lab.advance(STALENESS);
    for share in [50, 40] {
        lab.set_production([Some(100), Some(share)]);
        sees(&mut operator, &lab, &lab.observe());
        lab.advance(1_000);
    }
    (lab, operator)
}

#[test]
fn what_has_the_traffic_is_woken_while_its_weights_are_fought_over() {
    let (mut lab, mut operator) = fought_over();
    let blue = lab.services[0].shown.name.clone();
    lab.scale(&blue, 0);
    assert_eq!(operator.run(&mut lab, 600), Ending::Held(Hold::Contended));
    assert_eq!(lab.services[0].shown.desired, 2);
}
