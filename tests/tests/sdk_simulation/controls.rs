//! The harness finds what it is there to find: each guard switched off, the predicted damage is reported.

use planner::ablation::Rule;

use crate::plan::{Plan, Scene};
use crate::run::{Unusual, run_unusual};

fn problems(plan: &Plan, without: &[Rule]) -> String {
    let unusual = Unusual {
        without,
        patience_s: Some(400),
        ..Unusual::default()
    };
    run_unusual(plan, &unusual).problems.join("\n")
}

#[test]
fn removal_without_settling_loses_requests() {
    let calm = Plan::calm(Scene::Serving, "1.4.0");
    let found = problems(&calm, &[Rule::DrainTimer, Rule::Guard]);
    assert!(found.contains("requests were lost"), "{found}");
}

#[test]
fn weight_without_evidence_of_health_loses_requests() {
    let found = problems(&Plan::bad(), &[Rule::Capacity, Rule::Guard]);
    assert!(found.contains("requests were lost"), "{found}");
}

#[test]
fn a_rejection_that_is_forgotten_is_no_end() {
    let forgetful = [Rule::RejectionRecord, Rule::RejectionTag];
    let found = problems(&Plan::bad(), &forgetful);
    assert!(found.contains("no end within"), "{found}");
}
