//! Gates, and people who change the course of a release.

use crd_schema::GateName;
use crd_schema::gate::{Check, EcsTask, Gate, OnAbort, OnError};
use crd_schema::intent::{Abort, Promote};
use crd_schema::record::Stage;
use crd_schema::strategy::{Share, Step};
use planner::ablation::{Rule, Without};
use planner::gate::Verdict;
use planner::memory::weight;
use planner::world::Side;

use crate::laboratory::{Bench, operator};

const GREEN: &str = "1.4.0";

fn task(before: Option<Stage>) -> Gate {
    Gate {
        before,
        check: Check::EcsTask(EcsTask {
            task_definition: None,
            container: None,
            command: Vec::new(),
            on_abort: OnAbort::Stop,
        }),
        attempts: 1,
        every: std::time::Duration::from_secs(1),
        timeout: std::time::Duration::from_secs(60),
        on_error: OnError::Hold,
    }
}

fn with_gates(names: &[&str], off: &[Rule]) -> Bench {
    let mut bench = Bench::settled(2, off);
    let gates = names.iter().map(|name| GateName::new(*name));
    let gates = gates.map(|name| (name, task(Some(Stage::Shift))));
    bench.lab.application.gates = gates.collect();
    bench.lab.wish(GREEN);
    bench
}

fn green_has_traffic(bench: &Bench) -> bool {
    let mut rules = bench.lab.rules.iter();
    rules.any(|rule| rule.role == planner::world::Role::Production && weight(rule, Side::B) > 0)
}

/// The gate runs, green's tasks are killed, and come back. Returns whether green ever got traffic.
fn killed_while_it_is_tested(off: &[Rule]) -> bool {
    let mut bench = with_gates(&["smoke"], off);
    bench.until(200, |plan, _| plan.gate.is_some());
    bench.lab.broken.insert(GREEN.to_owned());
    bench.until(20, |_, _| false);
    bench.lab.broken.clear();
    for _ in 0..400 {
        let _ = bench.step();
        if green_has_traffic(&bench) {
            return true;
        }
    }
    false
}

#[test]
fn gallery_g06_a_test_that_was_cut_off_has_not_passed() {
    assert!(!killed_while_it_is_tested(&[]));
}

#[test]
fn gallery_g06_fails_without_the_gates() {
    assert!(killed_while_it_is_tested(&[Rule::Gates]));
}

/// Everything is promoted, and aborted right after. Returns whether it goes back.
fn promoted_and_aborted(off: &[Rule]) -> bool {
    let mut bench = Bench::settled(2, &[]);
    let tenth = Share::of(1, 10);
    bench.lab.application.strategy.steps = vec![Step::SetWeight(tenth), Step::Pause(None)];
    bench.lab.wish(GREEN);
    assert!(bench.until(300, |plan, _| plan.report.waiting_on.label() == "Promotion"));
    let rollout = bench.lab.desired.as_ref().expect("a wish").0;
    bench.operator.tuning.without = Without::rules(off);
    bench.lab.intents.promote = Some(Promote {
        rollout,
        step: 1,
        full: true,
    });
    bench.lab.intents.abort = Some(Abort { rollout });
    bench.until(100, |_, _| false);
    !green_has_traffic(&bench)
}

#[test]
fn gallery_g16_abort_goes_before_promote() {
    assert!(promoted_and_aborted(&[]));
}

#[test]
fn gallery_g16_fails_without_abort_first() {
    assert!(!promoted_and_aborted(&[Rule::AbortFirst]));
}

/// Of three tests the last one fails, and the operator is started again before each look. Returns how many runs there
/// were.
fn runs_of_three_tests(off: &[Rule]) -> usize {
    let mut bench = with_gates(&["first", "second", "third"], off);
    let outcomes = &mut bench.lab.tests.outcomes;
    outcomes.insert("first".to_owned(), Verdict::Passed);
    outcomes.insert("second".to_owned(), Verdict::Passed);
    let third = |plan: &planner::Plan| plan.gate.as_ref().is_some_and(|run| run.place == "third");
    let mut rounds = 0;
    while rounds < 30 && !bench.until(40, |plan, _| third(plan)) {
        rounds += 1;
    }
    bench.operator = operator(&bench.lab, off);
    let reason = "exit code 1".to_owned();
    bench
        .lab
        .tests
        .outcomes
        .insert("third".to_owned(), Verdict::Failed { reason });
    bench.until(400, |_, _| false);
    bench.lab.tests.runs.len()
}

#[test]
fn gallery_g37_a_later_test_that_fails_replays_no_earlier_one() {
    assert_eq!(runs_of_three_tests(&[]), 3);
}

#[test]
fn gallery_g37_fails_without_the_memory_of_what_passed() {
    assert_ne!(runs_of_three_tests(&[Rule::PassedOnce]), 3);
}

/// A bad release, and a worse one: where it comes to rest.
fn two_bad_releases(off: &[Rule]) -> Vec<(String, Side)> {
    let mut bench = Bench::settled(2, off);
    for version in ["1.4.0", "1.5.0"] {
        bench.lab.broken.insert(version.to_owned());
        bench.lab.wish(version);
        bench.until(600, |_, _| false);
    }
    let serving = bench.lab.services.iter().filter_map(|service| {
        let version = service.shown.tags.version.clone()?;
        Some((version, service.shown.side?))
    });
    serving.collect()
}

#[test]
fn gallery_g31_what_comes_back_is_the_last_known_good() {
    assert_eq!(two_bad_releases(&[]), [("1.3.0".to_owned(), Side::A)]);
}

#[test]
fn gallery_g31_fails_without_deadlines() {
    assert_ne!(
        two_bad_releases(&[Rule::Deadlines]),
        [("1.3.0".to_owned(), Side::A)]
    );
}
