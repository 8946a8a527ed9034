//! With nothing going wrong each reference rollout ends as asked.

use simulation::{Ending, Plan, Scenario, Setup, run};

#[test]
fn each_reference_rollout_ends_as_asked() {
    for scenario in Scenario::ALL {
        for groups in scenario.groups() {
            let report = run(&Plan::quiet(scenario).on(*groups), &Setup::default(), true);
            assert_eq!(
                report.ending,
                Ending::Settled,
                "{scenario:?}, {groups:?}:\n{}",
                report.trace.join("\n")
            );
        }
    }
}
