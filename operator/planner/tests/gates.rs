//! Tests that a release must pass before it goes on.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    unused_must_use,
    reason = "a test says so by failing"
)]

use std::time::Duration;

use crd_schema::GateName;
use crd_schema::gate::{Check, EcsTask, Gate, OnAbort, OnError};
use crd_schema::intent::{Abort, Approve};
use crd_schema::record::{Ended, Generation, MAX_BYTES, Outcome, Rejection, Stage};
use crd_schema::strategy::{Share, Step};
use planner::ablation::{Rule, Without};
use planner::gate::Verdict;
use planner::lab::{Ending, Lab, Operator, application};
use planner::memory::weight;
use planner::world::{Role, Side};
use planner::{Plan, WaitingOn};

const MINUTE: u64 = 60_000;

fn task(before: Option<Stage>) -> Gate {
    let task = EcsTask {
        task_definition: None,
        container: None,
        command: Vec::new(),
        on_abort: OnAbort::Stop,
    };
    Gate {
        before,
        check: Check::EcsTask(task),
        attempts: 1,
        every: Duration::from_secs(1),
        timeout: Duration::from_secs(60),
        on_error: OnError::Hold,
    }
}

fn failed() -> Verdict {
    Verdict::Failed {
        reason: "exit code 1".to_owned(),
    }
}

/// 1.3.0 serves on A, and 1.4.0 is wished for with these gates.
struct Release {
    lab: Lab,
    operator: Operator,
}

impl Release {
    fn with(gates: &[(&str, Gate)], steps: Vec<Step>) -> Self {
        let mut blog = application();
        let gates = gates.iter();
        blog.gates = gates
            .map(|(name, gate)| (GateName::new(*name), gate.clone()))
            .collect();
        blog.strategy.steps = steps;
        let mut lab = Lab::new(blog);
        lab.advance(100_000);
        lab.place("1.3.0", Side::A, 2, 0);
        lab.wish("1.3.0");
        let mut operator = Operator::new(&lab);
        assert_eq!(operator.run(&mut lab, 200), Ending::Settled);
        assert!(lab.tests.runs.is_empty(), "nothing is released");
        lab.wish("1.4.0");
        Self { lab, operator }
    }

    fn before(stage: Stage) -> Self {
        Self::with(&[("smoke", task(Some(stage)))], Vec::new())
    }

    fn comes_to(&mut self, place: &str, verdict: Verdict) {
        self.lab.tests.outcomes.insert(place.to_owned(), verdict);
    }

    fn share(&self) -> u32 {
        let mut rules = self.lab.rules.iter();
        let rule = rules.find(|rule| rule.role == Role::Production).unwrap();
        let (a, b) = (weight(rule, Side::A), weight(rule, Side::B));
        Share::of(b, a + b).get()
    }

    fn until(&mut self, there: impl Fn(&Self, &Plan) -> bool) -> Plan {
        for _ in 0..2_000 {
            let plan = self.operator.reconcile(&mut self.lab).expect("allowed");
            assert!(!self.lab.loses_requests(), "{:#?}", self.lab.writes);
            if there(self, &plan) {
                return plan;
            }
        }
        panic!("never: {:#?}", self.lab.writes);
    }

    fn runs_gate(&mut self) -> Plan {
        self.until(|_, plan| plan.gate.is_some())
    }

    fn settles(&mut self) -> Vec<(String, Outcome)> {
        self.until(|_, plan| plan.report.waiting_on == WaitingOn::Nothing);
        let (_, record) = self.lab.record.as_ref().expect("written down");
        let ended = record.history.iter();
        ended.map(|e| (e.version.clone(), e.outcome)).collect()
    }

    fn rejection(&self) -> &str {
        let (_, record) = self.lab.record.as_ref().expect("written down");
        &record.rejected.last().expect("rejected").reason
    }

    fn restart(&mut self) {
        self.operator = Operator::new(&self.lab);
    }

    fn services(&self) -> usize {
        self.lab.services.len()
    }
}

fn succeeded() -> Vec<(String, Outcome)> {
    vec![("1.4.0".to_owned(), Outcome::Succeeded)]
}

fn rolled_back() -> Vec<(String, Outcome)> {
    vec![("1.4.0".to_owned(), Outcome::RolledBack)]
}

#[test]
fn a_stage_does_not_begin_before_its_gate_has_passed() {
    // What is there while the gate runs: services, green's share.
    let expected = [
        (Stage::ScaleUp, Stage::ScaleUp, 1, 0),
        (Stage::Validate, Stage::ScaleUp, 2, 0),
        (Stage::Shift, Stage::Validate, 2, 0),
        (Stage::Bake, Stage::Shift, 2, 1000),
        (Stage::CleanUp, Stage::Bake, 2, 1000),
    ];
    for (boundary, waits_in, services, share) in expected {
        let mut release = Release::before(boundary);
        let plan = release.runs_gate();
        for _ in 0..40 {
            let plan = release.operator.reconcile(&mut release.lab).unwrap();
            assert_eq!(plan.step, None, "{boundary:?}");
        }
        assert_eq!(plan.report.stage, waits_in, "{boundary:?}");
        assert_eq!(plan.report.waiting_on.label(), "Gate");
        assert_eq!((release.services(), release.share()), (services, share));
        release.comes_to("smoke", Verdict::Passed);
        assert_eq!(release.settles(), succeeded(), "{boundary:?}");
        assert_eq!(release.lab.tests.places(), ["smoke"], "{boundary:?}: once");
    }
}

#[test]
fn a_gate_that_failed_takes_the_release_back_and_says_why() {
    for boundary in [
        Stage::ScaleUp,
        Stage::Validate,
        Stage::Shift,
        Stage::Bake,
        Stage::CleanUp,
    ] {
        let mut release = Release::before(boundary);
        release.comes_to("smoke", failed());
        assert_eq!(release.settles(), rolled_back(), "{boundary:?}");
        assert_eq!(release.rejection(), "gate smoke failed: exit code 1");
        assert_eq!((release.services(), release.share()), (1, 0));
        assert_eq!(release.lab.tests.places(), ["smoke"], "{boundary:?}: once");
    }
}

/// A release that fails its test, and what is asked when it is taken back.
fn taken_back(undo: Option<Verdict>) -> Release {
    let gates = [
        ("smoke", task(Some(Stage::Bake))),
        ("undo", task(Some(Stage::RollBack))),
    ];
    let mut release = Release::with(&gates, Vec::new());
    release.comes_to("smoke", failed());
    if let Some(undo) = undo {
        release.comes_to("undo", undo);
    }
    release
}

fn undoing(plan: &Plan) -> bool {
    plan.gate.as_ref().is_some_and(|run| run.place == "undo")
}

#[test]
fn at_roll_back_traffic_is_back_before_anything_is_asked_and_what_failed_is_still_there() {
    let mut release = taken_back(None);
    let plan = release.until(|_, plan| undoing(plan));
    assert_eq!((release.services(), release.share()), (2, 0));
    assert_eq!(plan.report.stage, Stage::RollBack);
    let run = plan.gate.expect("it is asked");
    assert_eq!(
        (run.version.as_str(), run.before),
        ("1.4.0", Some(Stage::RollBack))
    );
    assert!(run.service.is_some(), "it is told what failed");
    for _ in 0..20 {
        release.restart();
        let again = release.until(|_, plan| undoing(plan));
        assert_eq!(again.gate.as_ref(), Some(&run), "the same after a restart");
    }
    assert_eq!((release.services(), release.share()), (2, 0));
    release.comes_to("undo", Verdict::Passed);
    assert_eq!(release.settles(), rolled_back());
    assert_eq!(release.services(), 1);
    assert_eq!(release.lab.tests.places(), ["smoke", "undo"], "once");
}

#[test]
fn at_roll_back_neither_a_failure_nor_silence_holds_anything_for_long() {
    let mut release = taken_back(Some(failed()));
    assert_eq!(release.settles(), rolled_back());
    assert_eq!(release.lab.tests.places(), ["smoke", "undo"]);

    let mut release = taken_back(None);
    let plan = release.until(|_, plan| undoing(plan));
    let deadline = plan.report.deadline.expect("each stage has one");
    assert_eq!(release.settles(), rolled_back());
    assert!(
        release.lab.wall(release.lab.now) >= deadline,
        "it was waited for"
    );
}

#[test]
fn at_roll_back_what_failed_goes_at_once_without_the_rule() {
    let mut release = taken_back(None);
    release.operator.tuning.without = Without::rules(&[Rule::UndoneFirst]);
    release.settles();
    assert_eq!(release.lab.tests.places(), ["smoke"], "nobody was asked");
}

#[test]
fn a_release_that_succeeds_asks_nothing_at_roll_back() {
    let mut release = taken_back(None);
    release.comes_to("smoke", Verdict::Passed);
    assert_eq!(release.settles(), succeeded());
    assert_eq!(release.lab.tests.places(), ["smoke"]);
}

#[test]
fn what_could_not_be_told_is_waited_for_until_the_stage_ends() {
    let mut release = Release::before(Stage::Shift);
    let unclear = Verdict::Unclear {
        reason: "connection refused".to_owned(),
    };
    release.comes_to("smoke", unclear);
    let plan = release.runs_gate();
    let deadline = plan.report.deadline.expect("each stage has one");
    let passed = release.lab.wall(release.lab.now) < deadline;
    assert!(passed, "not at once");
    assert_eq!(release.settles(), rolled_back());
    let reason = "Validate did not end before its deadline: gate smoke: connection refused";
    assert_eq!(release.rejection(), reason);
}

#[test]
fn a_restart_neither_passes_a_gate_nor_runs_another_one() {
    let mut release = Release::before(Stage::Shift);
    let run = release.runs_gate().gate;
    for _ in 0..3 {
        release.restart();
        let again = release.runs_gate().gate;
        assert_eq!(again, run);
        assert_eq!(release.share(), 0);
    }
    release.comes_to("smoke", Verdict::Passed);
    assert_eq!(release.settles(), succeeded());
    assert_eq!(release.lab.tests.places(), ["smoke"]);
}

#[test]
fn one_that_passed_is_not_run_again_after_a_restart() {
    let gates = [
        ("first", task(Some(Stage::Shift))),
        ("second", task(Some(Stage::Shift))),
    ];
    let mut release = Release::with(&gates, Vec::new());
    release.comes_to("first", Verdict::Passed);
    release.until(|_, plan| plan.gate.as_ref().is_some_and(|run| run.place == "second"));
    release.restart();
    release.comes_to("first", failed());
    release.comes_to("second", Verdict::Passed);
    assert_eq!(release.settles(), succeeded());
    assert_eq!(release.lab.tests.places(), ["first", "second"]);
}

#[test]
fn what_a_run_came_to_is_asked_for_until_it_is_written_down() {
    for verdict in [Verdict::Passed, failed()] {
        let mut release = Release::before(Stage::Shift);
        let run = release.runs_gate().gate;
        // A process that knows of no clean end before it may not write at once.
        release.operator.memory.clean_start = Some(false);
        release.operator.memory.leading_since = planner::Mono(release.lab.now);
        release.comes_to("smoke", verdict);
        let began = release.lab.now;
        release.until(|_, plan| {
            assert_eq!(plan.gate, run);
            plan.step.is_some()
        });
        assert!(release.lab.now - began > 10_000, "it waited for that");
        assert_eq!(release.lab.tests.places(), ["smoke"]);
    }
}

#[test]
fn an_operator_that_was_away_beyond_the_deadline_asks_what_came_of_it_first() {
    let mut release = Release::before(Stage::Shift);
    release.runs_gate();
    release.lab.advance(60 * MINUTE);
    release.comes_to("smoke", Verdict::Passed);
    release.restart();
    assert_eq!(release.settles(), succeeded());
}

#[test]
fn a_test_of_the_route_begins_when_the_load_balancer_has_followed() {
    let mut release = Release::before(Stage::Shift);
    let followed = |release: &Release| {
        let mut rules = release.lab.rules.iter();
        let rule = rules.find(|rule| rule.role == Role::Test).unwrap();
        weight(rule, Side::B) > 0
    };
    release.until(|release, _| followed(release));
    let at = release.lab.now;
    release.runs_gate();
    let settle = release.lab.application.clean_up.settle.as_millis();
    assert!(u128::from(release.lab.now - at) >= settle);
}

#[test]
fn steps_wait_for_their_gates_and_one_gate_may_stand_at_several() {
    let at = |tenths| Step::SetWeight(Share::tenths(tenths).unwrap());
    let gate = Step::Gate(GateName::new("smoke"));
    let steps = vec![at(100), gate.clone(), at(500), gate];
    let mut release = Release::with(&[("smoke", task(None))], steps);
    release.runs_gate();
    assert_eq!(release.share(), 100);
    release.comes_to("smoke@1", Verdict::Passed);
    release.until(|_, plan| plan.gate.as_ref().is_some_and(|run| run.place == "smoke@3"));
    assert_eq!(release.share(), 500);
    release.restart();
    release.comes_to("smoke@1", failed());
    release.comes_to("smoke@3", Verdict::Passed);
    assert_eq!(release.settles(), succeeded());
    assert_eq!(release.lab.tests.places(), ["smoke@1", "smoke@3"]);
}

/// An operator whose clock was an hour ahead began it.
#[test]
fn a_gate_that_began_in_the_future_is_run_all_the_same() {
    let to = |tenths| Step::SetWeight(Share::tenths(tenths).unwrap());
    let steps = vec![to(100), Step::Gate(GateName::new("smoke"))];
    for (gate, steps, place) in [
        (task(Some(Stage::Shift)), Vec::new(), "smoke"),
        (task(None), steps, "smoke@1"),
    ] {
        let mut release = Release::with(&[("smoke", gate)], steps);
        let begun = |release: &Release| {
            let record = release.lab.record.as_ref().map(|(_, record)| record);
            let rollout = record.and_then(|record| record.rollout.as_ref());
            rollout.is_some_and(|rollout| rollout.gates.contains_key(place))
        };
        release.until(|release, _| begun(release));
        let ahead = release.lab.wall(release.lab.now + 60 * MINUTE);
        let (_, record) = release.lab.record.as_mut().unwrap();
        let rollout = record.rollout.as_mut().unwrap();
        rollout.gates.get_mut(place).unwrap().began = ahead;
        release.restart();
        let since = release.lab.now;
        let plan = release.runs_gate();
        assert_eq!(plan.gate.unwrap().place, place);
        assert!(release.lab.now < since + 2 * MINUTE);
    }
}

/// Nobody's clock says that it began before now.
#[test]
fn a_gate_that_begins_at_this_very_moment_has_its_whole_settle_time_before_it() {
    let mut release = Release::before(Stage::Shift);
    release.runs_gate();
    let now = release.lab.wall(release.lab.now);
    let (_, record) = release.lab.record.as_mut().unwrap();
    let rollout = record.rollout.as_mut().unwrap();
    rollout.gates.get_mut("smoke").unwrap().began = now;
    let plan = release.operator.reconcile(&mut release.lab).unwrap();
    assert_eq!(plan.gate, None, "{plan:?}");
    assert_eq!(plan.report.waiting_on, WaitingOn::Settle);
}

/// A person gives green less when its gate has passed, or nobody asks for it any more.
#[test]
fn the_way_goes_on_past_a_gate_that_is_open() {
    let to = |tenths| Step::SetWeight(Share::tenths(tenths).unwrap());
    let gate = || Step::Gate(GateName::new("smoke"));
    let steps = vec![to(100), gate(), to(300), to(500), Step::Pause(None)];
    for asked in [true, false] {
        let mut release = Release::with(&[("smoke", task(None))], steps.clone());
        release.runs_gate();
        release.comes_to("smoke@1", Verdict::Passed);
        release.until(|release, _| release.share() == 500);
        if !asked {
            release.lab.application.gates.clear();
            let (_, record) = release.lab.record.as_mut().unwrap();
            record.rollout.as_mut().unwrap().gates.clear();
        }
        release.lab.set_production([Some(60), Some(40)]);
        release.until(|release, _| {
            assert!(release.share() >= 400, "{asked}");
            release.share() == 500
        });
    }
}

/// A person moves traffic before the first step runs, or the record is lost where the weights say more than it did.
#[test]
fn nobody_moves_traffic_past_a_gate_at_a_step() {
    let to = |tenths| Step::SetWeight(Share::tenths(tenths).unwrap());
    let gate = || Step::Gate(GateName::new("smoke"));
    let steps = vec![to(100), gate(), to(500), Step::Pause(None)];
    for (weights, lost) in [
        ([50, 50], false),
        ([0, 100], false),
        ([50, 50], true),
        ([0, 100], true),
    ] {
        let mut release = Release::with(&[("smoke", task(None))], steps.clone());
        if lost {
            release.runs_gate();
            release.lab.record = None;
            release.restart();
        } else {
            release.until(|_, plan| plan.report.stage == Stage::Validate);
        }
        release.lab.set_production(weights.map(Some));
        let plan = release.runs_gate();
        assert_eq!(plan.gate.unwrap().place, "smoke@1");
        release.until(|release, _| release.share() == 100);
        release.comes_to("smoke@1", failed());
        assert_eq!(release.settles(), rolled_back(), "{weights:?}, {lost}");
    }
}

#[test]
fn a_gate_that_fails_at_a_step_takes_traffic_back() {
    let at = |tenths| Step::SetWeight(Share::tenths(tenths).unwrap());
    let gate = Step::Gate(GateName::new("smoke"));
    let mut release = Release::with(&[("smoke", task(None))], vec![at(100), gate]);
    release.comes_to("smoke@1", failed());
    assert_eq!(release.settles(), rolled_back());
    assert_eq!(release.share(), 0);
}

#[test]
fn a_person_approves_what_was_seen_and_nothing_else() {
    let approval = Gate {
        check: Check::Approval,
        ..task(Some(Stage::Shift))
    };
    let mut release = Release::with(&[("sign-off", approval)], Vec::new());
    release.until(|_, plan| plan.report.waiting_on.label() == "Approval");
    let (rollout, _) = release.lab.desired.clone().unwrap();
    let approve = |gate: &str, version| {
        let mut rollout = rollout;
        rollout.version += version;
        Some(Approve {
            rollout,
            gate: gate.to_owned(),
        })
    };
    for wrong in [approve("sign-off@1", 0), approve("sign-off", -1)] {
        release.lab.intents.approve = wrong;
        let plan = release.operator.reconcile(&mut release.lab).unwrap();
        assert_eq!(plan.report.waiting_on.label(), "Approval");
    }
    release.lab.intents.approve = approve("sign-off", 0);
    assert_eq!(release.settles(), succeeded());
}

#[test]
fn an_abort_does_not_wait_for_a_gate_and_a_gate_that_was_left_is_not_passed() {
    let mut release = Release::before(Stage::Shift);
    let run = release.runs_gate().gate.unwrap();
    let (rollout, _) = release.lab.desired.clone().unwrap();
    release.lab.intents.abort = Some(Abort { rollout });
    let aborted = vec![("1.4.0".to_owned(), Outcome::Aborted)];
    assert_eq!(release.settles(), aborted);
    // The same version once more is a release of its own, and is tested again.
    release.lab.wish("1.4.0");
    let again = release.runs_gate().gate.unwrap();
    assert_ne!(again.key, run.key);
    assert_eq!(release.share(), 0);
}

#[test]
fn green_that_somebody_deleted_is_tested_anew() {
    let mut release = Release::before(Stage::Bake);
    let passed = task(Some(Stage::Shift));
    let gates = &mut release.lab.application.gates;
    gates.insert(GateName::new("early"), passed);
    release.comes_to("early", Verdict::Passed);
    release.until(|_, plan| plan.gate.as_ref().is_some_and(|run| run.place == "smoke"));
    release.lab.set_production([Some(100), Some(0)]);
    let green = release.lab.services.last().unwrap().shown.name.clone();
    release.lab.delete(&green);
    release.comes_to("smoke", Verdict::Passed);
    release.settles();
    assert_eq!(
        release.lab.tests.places(),
        ["early", "smoke", "early", "smoke"]
    );
}

#[test]
fn a_record_with_much_to_remember_is_planned_as_it_can_be_written() {
    let mut release = Release::before(Stage::Shift);
    for n in 0..9 {
        let name = GateName::new(format!("{n:0>20}"));
        let gates = &mut release.lab.application.gates;
        gates.insert(name, task(Some(Stage::Shift)));
        release.comes_to(&format!("{n:0>20}"), Verdict::Passed);
    }
    release.comes_to("smoke", Verdict::Passed);
    let (version, date) = ("v".repeat(128), jiff::Timestamp::MAX);
    let (_, record) = release.lab.record.as_mut().unwrap();
    for n in 1..=5 {
        let generation = Generation {
            date: n,
            version: n,
        };
        record.rejected.push(Rejection {
            generation,
            version: version.clone(),
            reason: "r".repeat(200),
            aborted: false,
        });
        record.history.push(Ended {
            generation,
            version: version.clone(),
            outcome: Outcome::RolledBack,
            began: date,
            ended: date,
        });
    }
    record.rejected.truncate(3);
    release.restart();
    let mut writes = release.lab.writes.len();
    release.until(|release, plan| {
        let (_, record) = release.lab.record.as_ref().unwrap();
        let bytes = serde_json::to_string(record).unwrap().len();
        assert!(
            record.rollout.is_none() || bytes <= MAX_BYTES,
            "{bytes} bytes"
        );
        plan.report.waiting_on == WaitingOn::Nothing
    });
    writes = release.lab.writes.len() - writes;
    assert!(writes < 40, "nothing is written again and again: {writes}");
}

#[test]
fn a_first_release_is_prepared_too() {
    let mut blog = application();
    let gate = task(Some(Stage::ScaleUp));
    blog.gates.insert(GateName::new("migrate"), gate);
    let mut lab = Lab::new(blog);
    lab.advance(100_000);
    lab.wish("1.3.0");
    let operator = Operator::new(&lab);
    let mut release = Release { lab, operator };
    let run = release.runs_gate().gate.unwrap();
    assert_eq!(release.services(), 0);
    assert!(run.task_definition.is_some(), "it runs what is released");
    release.comes_to("migrate", Verdict::Passed);
    release.settles();
    assert_eq!(release.services(), 1);
}

#[test]
fn a_test_is_told_what_runs_the_release_once_it_is_there() {
    let mut release = Release::before(Stage::Shift);
    let run = release.runs_gate().gate.unwrap();
    let green = &release.lab.services[1].shown;
    assert_eq!(run.version, "1.4.0");
    assert_eq!(run.service.as_ref(), Some(&green.arn));
    assert_eq!(run.task_definition.as_ref(), Some(&green.task_definition));
    let mut release = Release::before(Stage::ScaleUp);
    let run = release.runs_gate().gate.unwrap();
    assert_eq!((release.services(), run.service), (1, None));
}

#[test]
fn what_was_tested_before_the_first_step_is_not_tested_again_at_the_next() {
    let minute = Step::Pause(Some(Duration::from_secs(60)));
    let steps = vec![Step::SetWeight(Share::of(1, 2)), minute];
    let mut release = Release::with(&[("smoke", task(Some(Stage::Shift)))], steps);
    release.comes_to("smoke", Verdict::Passed);
    assert_eq!(release.settles(), succeeded());
    assert_eq!(release.lab.tests.runs.len(), 1);
}
