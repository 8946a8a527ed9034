//! A service without a load balancer: green up and steady, tests, bake, and then blue down. Somebody always works.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    unused_must_use,
    reason = "a test says so by failing"
)]

use std::time::Duration;

use crd_schema::analysis::{Alarms, AlreadyInAlarm};
use crd_schema::application::DuringBake;
use crd_schema::gate::{Check, EcsTask, Gate, OnAbort, OnError};
use crd_schema::intent::Abort;
use crd_schema::record::{Outcome, Stage};
use crd_schema::{Application, GateName};
use planner::ablation::{Rule, Without};
use planner::gate::Verdict;
use planner::lab::{Ending, Lab, Operator, worker};
use planner::world::{ServiceStatus, Side};
use planner::{Hold, Plan, WaitingOn, Write};

/// A worker and its operator; and what was seen of it.
struct Queue {
    lab: Lab,
    operator: Operator,
    /// Each stage that was told, once.
    stages: Vec<Stage>,
    /// The fewest tasks that worked at any look, and what was waited for then.
    fewest: usize,
}

impl Queue {
    /// 1.3.0 works with two tasks.
    fn of(application: Application) -> Self {
        let mut lab = Lab::new(application);
        lab.advance(100_000);
        lab.place("1.3.0", Side::A, 2, 0);
        lab.wish("1.3.0");
        let mut operator = Operator::new(&lab);
        assert_eq!(operator.run(&mut lab, 200), Ending::Settled);
        lab.writes.clear();
        Self {
            lab,
            operator,
            stages: Vec::new(),
            fewest: usize::MAX,
        }
    }

    /// 1.4.0 is wished for.
    fn releases(application: Application) -> Self {
        let mut queue = Self::of(application);
        queue.lab.wish("1.4.0");
        queue
    }

    /// Tasks that work, of all services or of those of one version.
    fn working(&self, version: Option<&str>) -> usize {
        let world = self.lab.observe();
        let services = world.services.value().unwrap().iter();
        services
            .filter(|s| s.status == ServiceStatus::Active)
            .filter(|s| version.is_none_or(|version| s.tags.version.as_deref() == Some(version)))
            .map(|service| service.addresses.len())
            .sum()
    }

    fn look(&mut self) -> Plan {
        let plan = self.operator.reconcile(&mut self.lab).expect("allowed");
        if self.stages.last() != Some(&plan.report.stage) {
            self.stages.push(plan.report.stage);
        }
        self.fewest = self.fewest.min(self.working(None));
        plan
    }

    fn until(&mut self, there: impl Fn(&Plan) -> bool) -> Plan {
        for _ in 0..2_000 {
            let plan = self.look();
            if there(&plan) {
                return plan;
            }
        }
        panic!("never: {:#?}", self.lab.writes);
    }

    fn comes_to(&mut self, stage: Stage) -> Plan {
        self.until(|plan| plan.report.stage == stage && plan.step.is_none())
    }

    fn ends(&mut self) -> Plan {
        self.until(|plan| {
            let settled = plan.report.stage == Stage::Settled && plan.step.is_none();
            settled && plan.report.waiting_on == WaitingOn::Nothing
        })
    }

    fn outcome(&self) -> Outcome {
        let (_, record) = self.lab.record.as_ref().expect("a record");
        record.history.last().expect("an end").outcome
    }

    fn reason(&self) -> String {
        let (_, record) = self.lab.record.as_ref().expect("a record");
        record.rejected.last().expect("a rejection").reason.clone()
    }

    /// Writes but those of the record.
    fn writes(&self) -> Vec<&str> {
        let writes = self.lab.writes.iter().map(String::as_str);
        writes
            .filter(|write| !write.starts_with("write down"))
            .collect()
    }

    fn name(&self, version: &str) -> String {
        let mut services = self.lab.services.iter();
        let found = services.find(|s| s.shown.tags.version.as_deref() == Some(version));
        found.expect("it runs").shown.name.clone()
    }

    fn generation(&self) -> crd_schema::record::Generation {
        self.lab.desired.as_ref().expect("a wish").0
    }
}

fn gated(before: Stage) -> Application {
    let mut application = worker();
    let task = EcsTask {
        task_definition: None,
        container: None,
        command: Vec::new(),
        on_abort: OnAbort::Stop,
    };
    let gate = Gate {
        before: Some(before),
        check: Check::EcsTask(task),
        attempts: 1,
        every: Duration::from_secs(1),
        timeout: Duration::from_secs(60),
        on_error: OnError::Hold,
    };
    application.gates.insert(GateName::new("smoke"), gate);
    application
}

fn watched() -> Application {
    let mut application = worker();
    application.alarms = Some(Alarms {
        names: vec!["queue-age".to_owned()],
        on_already: AlreadyInAlarm::Refuse,
    });
    application
}

fn failed() -> Verdict {
    Verdict::Failed {
        reason: "it is too old".to_owned(),
    }
}

#[test]
fn green_comes_beside_blue_and_blue_goes_when_it_has_baked() {
    let mut queue = Queue::releases(worker());
    queue.comes_to(Stage::Bake);
    assert_eq!(queue.working(Some("1.3.0")), 2, "both work");
    assert_eq!(queue.working(Some("1.4.0")), 2, "both work");
    queue.ends();
    let stages = [
        Stage::ScaleUp,
        Stage::Shift,
        Stage::Bake,
        Stage::CleanUp,
        Stage::Settled,
    ];
    assert_eq!(queue.stages, stages);
    assert_eq!(queue.fewest, 2, "work never waits for a task");
    assert_eq!(queue.working(Some("1.4.0")), 2);
    assert_eq!(queue.outcome(), Outcome::Succeeded);
    let kinds: Vec<&str> = queue
        .writes()
        .iter()
        .map(|write| write.split(' ').next().unwrap())
        .collect();
    assert_eq!(kinds, ["register", "create", "scale", "delete"]);
}

#[test]
fn a_task_counts_when_it_ran_for_a_while_without_a_stop() {
    let mut queue = Queue::releases(worker());
    queue.until(|plan| matches!(plan.report.waiting_on, WaitingOn::SteadyTasks { .. }));
    let began = queue.lab.now;
    queue.comes_to(Stage::Bake);
    let settle = queue.operator.tuning.task_settle.as_millis();
    assert!(u128::from(queue.lab.now - began) >= settle);
    let mut crashing = Queue::releases(worker());
    let began = crashing.lab.now;
    // Each of its tasks lives for a while, and another one takes its place.
    while crashing.lab.now < began + 250_000 {
        let plan = crashing.look();
        assert_eq!(plan.report.stage, Stage::ScaleUp);
        if crashing.working(Some("1.4.0")) > 0 {
            let name = crashing.name("1.4.0");
            if crashing.lab.now % 25_000 < 3_000 {
                crashing.lab.scale(&name, 0);
                crashing.lab.scale(&name, 2);
            }
        }
    }
}

#[test]
fn a_gate_stands_before_the_first_release_too() {
    let mut lab = Lab::new(gated(Stage::Shift));
    lab.wish("1.3.0");
    let mut operator = Operator::new(&lab);
    while lab.tests.places().is_empty() {
        let plan = operator.reconcile(&mut lab).expect("allowed");
        assert!(!plan.report.converged);
    }
    assert_eq!(lab.tests.places(), ["smoke"]);
    lab.tests
        .outcomes
        .insert("smoke".to_owned(), Verdict::Passed);
    assert_eq!(operator.run(&mut lab, 200), Ending::Settled);
}

#[test]
fn while_a_gate_runs_blue_works_and_when_it_fails_green_goes() {
    for before in [Stage::Validate, Stage::Shift, Stage::Bake, Stage::CleanUp] {
        let mut queue = Queue::releases(gated(before));
        queue.until(|plan| plan.gate.is_some());
        assert_eq!(queue.working(Some("1.3.0")), 2, "{before:?}");
        queue
            .lab
            .tests
            .outcomes
            .insert("smoke".to_owned(), failed());
        queue.ends();
        assert_eq!(queue.working(Some("1.3.0")), 2, "{before:?}");
        assert_eq!(queue.working(Some("1.4.0")), 0, "{before:?}");
        assert_eq!(queue.fewest, 2, "{before:?}");
        assert_eq!(queue.outcome(), Outcome::RolledBack, "{before:?}");
        assert!(queue.reason().contains("gate smoke failed"), "{before:?}");
    }
    let mut without = Queue::releases(gated(Stage::Shift));
    without.operator.tuning.without = Without::rules(&[Rule::Gates]);
    without.ends();
    assert_eq!(without.outcome(), Outcome::Succeeded);
}

#[test]
fn an_alarm_takes_green_away_until_the_end_of_the_bake() {
    for stage in [Stage::ScaleUp, Stage::Bake] {
        let mut queue = Queue::releases(watched());
        queue.until(|plan| plan.report.stage == stage && plan.report.services.len() == 2);
        queue.lab.tests.says.insert("alarms".to_owned(), failed());
        queue.ends();
        assert_eq!(queue.working(Some("1.3.0")), 2);
        assert_eq!((queue.fewest, queue.outcome()), (2, Outcome::RolledBack));
        assert_eq!(queue.reason(), "alarms: it is too old");
    }
}

#[test]
fn an_abort_before_blue_is_gone_keeps_blue_and_takes_green_away() {
    for stage in [Stage::ScaleUp, Stage::Bake] {
        let mut queue = Queue::releases(worker());
        queue.until(|plan| plan.report.stage == stage && plan.report.services.len() == 2);
        let rollout = queue.generation();
        queue.lab.intents.abort = Some(Abort { rollout });
        queue.ends();
        assert_eq!(queue.working(Some("1.3.0")), 2);
        assert_eq!(queue.working(Some("1.4.0")), 0);
        assert_eq!((queue.fewest, queue.outcome()), (2, Outcome::Aborted));
    }
}

#[test]
fn a_release_that_never_works_is_rejected_and_blue_is_never_touched() {
    let mut queue = Queue::of(worker());
    queue.lab.broken.insert("1.4.0".to_owned());
    queue.lab.wish("1.4.0");
    let blue = queue.name("1.3.0");
    queue.ends();
    assert_eq!((queue.fewest, queue.outcome()), (2, Outcome::RolledBack));
    assert!(
        queue
            .reason()
            .contains("ScaleUp did not end before its deadline")
    );
    assert!(queue.reason().contains("exit code 1"));
    let touched = |write: &&&str| write.contains(&blue) && !write.starts_with("tag");
    assert_eq!(queue.writes().iter().find(touched), None);
}

#[test]
fn a_release_that_dies_when_it_has_taken_over_goes_back() {
    let mut queue = Queue::releases(worker());
    queue.comes_to(Stage::Bake);
    queue.lab.broken.insert("1.4.0".to_owned());
    queue.ends();
    assert_eq!((queue.fewest, queue.outcome()), (2, Outcome::RolledBack));
    assert!(queue.reason().contains("no task worked any more"));
}

/// Green is broken at the very moment at which blue is to go.
fn broken_at_the_end(queue: &mut Queue) {
    queue.until(|plan| matches!(&plan.step, Some(Write::PutRecord(record)) if record.rollout.as_ref().is_some_and(|r| r.stage == Stage::CleanUp)));
    queue.lab.broken.insert("1.4.0".to_owned());
}

#[test]
fn blue_goes_only_while_green_works() {
    let mut queue = Queue::releases(worker());
    broken_at_the_end(&mut queue);
    queue.ends();
    assert_eq!((queue.fewest, queue.outcome()), (2, Outcome::RolledBack));
    let off = |rules: &[Rule]| {
        let mut queue = Queue::releases(worker());
        broken_at_the_end(&mut queue);
        queue.operator.tuning.without = Without::rules(rules);
        let ending = queue.operator.run(&mut queue.lab, 400);
        (ending, queue.working(None))
    };
    let (ending, _) = off(&[Rule::WorkerCover, Rule::RejectTheDead]);
    let Ending::Violated(violation) = ending else {
        panic!("the guard stops it: {ending:?}")
    };
    assert_eq!(violation.property, "S4");
    let (_, working) = off(&[Rule::WorkerCover, Rule::RejectTheDead, Rule::Guard]);
    assert_eq!(working, 0, "nothing works any more");
}

#[test]
fn a_newer_release_ends_the_bake_or_waits_for_the_way_back() {
    for (during_bake, left) in [
        (DuringBake::Finish, "1.3.0"),
        (DuringBake::RollBack, "1.4.0"),
    ] {
        let mut application = worker();
        application.on_new_release.during_bake = during_bake;
        let mut queue = Queue::releases(application);
        queue.comes_to(Stage::Bake);
        let leaves = queue.name(left);
        queue.lab.wish("1.5.0");
        queue.ends();
        assert_eq!(queue.working(Some("1.5.0")), 2);
        assert_eq!((queue.working(None), queue.fewest), (2, 2));
        let first = queue
            .writes()
            .into_iter()
            .find(|write| write.starts_with("scale"));
        assert!(first.is_some_and(|write| write.contains(&leaves)));
        let creates = queue
            .writes()
            .iter()
            .filter(|w| w.starts_with("create"))
            .count();
        assert_eq!(creates, 2);
    }
}

#[test]
fn what_a_person_puts_to_sleep_wakes_up() {
    let mut queue = Queue::releases(worker());
    queue.until(|plan| matches!(plan.report.waiting_on, WaitingOn::Tasks { .. }));
    let blue = queue.name("1.3.0");
    queue.lab.scale(&blue, 0);
    queue.until(|plan| plan.report.stage == Stage::Bake);
    let woken = format!("scale service {blue} from 0 to 2");
    assert!(queue.writes().contains(&woken.as_str()));
    queue.ends();
    let green = queue.name("1.4.0");
    queue.lab.scale(&green, 0);
    // That it serves is said when it does.
    queue.ends();
    assert_eq!(queue.working(None), 2);
}

#[test]
fn a_lost_record_makes_it_slower_and_nothing_else() {
    for stage in [Stage::ScaleUp, Stage::Bake, Stage::CleanUp] {
        let mut queue = Queue::releases(worker());
        queue.until(|plan| plan.report.stage == stage && plan.report.services.len() == 2);
        queue.lab.record = None;
        queue.operator = Operator::new(&queue.lab);
        queue.ends();
        assert_eq!(queue.working(Some("1.4.0")), 2, "{stage:?}");
        assert_eq!((queue.working(None), queue.fewest), (2, 2), "{stage:?}");
    }
}

#[test]
fn a_service_with_a_load_balancer_is_no_worker() {
    let mut queue = Queue::releases(worker());
    let mut world = queue.lab.observe();
    if let planner::Read::Known { value, .. } = &mut world.services {
        value[0].side = None;
    }
    let now = queue.lab.clock();
    queue
        .operator
        .memory
        .absorb(&world, &queue.operator.tuning, now);
    let Operator { memory, tuning, .. } = &queue.operator;
    let plan = planner::plan(&queue.lab.application, &world, memory, tuning, now);
    let held = matches!(
        plan.report.waiting_on,
        WaitingOn::Hold(Hold::ServiceElsewhere { .. })
    );
    assert!(held && plan.step.is_none(), "{plan:?}");
}

/// What an operator waits for when it holds for that.
fn not_supported(plan: Plan) -> String {
    let WaitingOn::Hold(Hold::AutoscalingNotSupported { what }) = plan.report.waiting_on else {
        panic!("{plan:?}")
    };
    what
}

#[test]
fn one_that_is_autoscaled_is_held_and_stays_as_it_is() {
    let holds = |plan: &Plan| matches!(plan.report.waiting_on, WaitingOn::Hold(_));
    let mut queue = Queue::releases(worker());
    let blue = queue.name("1.3.0");
    queue.lab.autoscale(&blue, 1, 4);
    let registered = queue.lab.scaling.clone();
    let what = not_supported(queue.until(holds));
    assert!(
        what.contains(&blue) && what.contains("deregister"),
        "{what}"
    );
    assert_eq!(queue.writes(), [""; 0], "no release begins");
    queue.lab.scaling.clear();
    queue.comes_to(Stage::Bake);
    queue.lab.autoscale(&blue, 1, 4);
    let what = not_supported(queue.until(holds));
    assert!(what.contains(&blue), "{what}");
    assert_eq!(queue.lab.scaling, registered, "nothing is changed");
    assert_eq!(queue.working(Some("1.3.0")), 2, "blue works on");
    queue.lab.scaling.clear();
    queue.ends();
    assert_eq!(queue.working(Some("1.4.0")), 2);
    assert_eq!(queue.fewest, 2, "work never waits for a task");
}

/// Workers get nobody in the way, whichever side they were placed on: blue goes when green has baked.
#[test]
fn two_on_one_side_are_blue_and_green_as_any_others() {
    let mut queue = Queue::of(worker());
    queue.lab.place("1.4.0", Side::A, 2, 0);
    queue.lab.wish("1.4.0");
    queue.comes_to(Stage::Bake);
    assert_eq!(queue.working(Some("1.3.0")), 2);
    queue.ends();
    assert_eq!((queue.working(Some("1.4.0")), queue.fewest), (2, 2));
}
