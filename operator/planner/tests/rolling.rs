//! A service that ECS updates in place: one update a release, judged while tasks are replaced and after, and the way back
//! is an update as well.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    unused_must_use,
    reason = "a test says so by failing"
)]

use std::time::Duration;

use crd_schema::Application;
use crd_schema::GateName;
use crd_schema::analysis::{Alarms, AlreadyInAlarm};
use crd_schema::application::{Drift, DuringBake, OnFailure, TargetGroups};
use crd_schema::gate::{Check, Gate, OnError};
use crd_schema::intent::{Abort, Approve};
use crd_schema::record::{Outcome, Stage};
use planner::ablation::{self, Without};
use planner::gate::Verdict;
use planner::lab::{Ending, Lab, Operator, rolling_behind_a_load_balancer};
use planner::world::{Action, Rule, Side};
use planner::{Hold, Mono, Plan, WaitingOn, Write, safety};
use serde_json::json;

/// The application of a test: a worker, and the same behind one load balancer and behind two.
type InPlace = fn() -> Application;

macro_rules! everywhere {
    ($($test:ident),* $(,)?) => {
        mod a_worker {
            $(#[test] fn $test() { super::$test(planner::lab::rolling); })*
        }
        mod behind_a_load_balancer {
            $(#[test] fn $test() { super::$test(planner::lab::rolling_behind_a_load_balancer); })*
        }
        mod on_two_routes {
            $(#[test] fn $test() { super::$test(super::on_two_routes); })*
        }
    };
}

everywhere! {
    a_release_is_one_update_of_the_one_service,
    what_ecs_replaces_is_told_as_the_release_that_it_was,
    no_release_begins_before_its_alarms_say_that_they_are_quiet,
    what_runs_the_wish_without_a_word_how_it_came_is_the_last_good_release,
    a_service_that_is_steady_with_something_else_is_no_success,
    what_never_becomes_healthy_is_rejected_at_the_deadline_and_goes_back,
    a_lost_record_does_not_forget_the_rejection_nor_walk_through_history,
    with_the_record_lost_mid_way_the_way_back_is_in_the_tags,
    when_the_circuit_breaker_gives_up_the_release_is_rejected_at_once,
    when_ecs_goes_back_by_itself_that_is_a_rejection_with_its_reason,
    ecs_went_back_while_nobody_looked,
    an_alarm_takes_it_back_until_the_end_of_the_bake,
    an_abort_goes_back_from_the_deployment_and_from_the_bake,
    gates_stand_before_the_update_the_bake_and_its_end,
    a_newer_wish_takes_the_place_of_a_deployment_and_goes_back_to_what_was_good,
    a_newer_wish_ends_the_bake_early_or_undoes_it,
    what_serves_is_wished_for_again_while_something_else_comes_up,
    a_rejected_release_comes_again_with_a_new_wish_and_a_new_revision,
    an_update_by_hand_is_drift,
    a_restart_changes_nothing_at_any_look,
    a_count_of_zero_is_woken_and_every_other_count_is_the_users,
    where_failures_are_held_nothing_goes_back,
    the_guard_knows_what_an_update_may_not_do,
    no_update_while_another_one_may_still_land,
}

fn on_two_routes() -> Application {
    let mut application = planner::lab::two_routes();
    application.strategy = rolling_behind_a_load_balancer().strategy;
    for route in &mut application.routes {
        let [first, _] = route.groups.for_life();
        route.groups = TargetGroups::Single(first.unwrap().clone());
    }
    application
}

/// One service and its operator; and what was seen of it.
struct Scene {
    lab: Lab,
    operator: Operator,
    /// Each stage that was told, once.
    stages: Vec<Stage>,
    /// The fewest tasks that worked at any look, and the most.
    fewest: usize,
    most: usize,
}

impl Scene {
    /// 1.3.0 was released in the ordinary way, and works with two tasks.
    fn of(application: Application) -> Self {
        let mut lab = Lab::new(application);
        lab.advance(100_000);
        lab.wish("1.3.0");
        let mut operator = Operator::new(&lab);
        assert_eq!(operator.run(&mut lab, 200), Ending::Settled);
        lab.writes.clear();
        Self {
            lab,
            operator,
            stages: Vec::new(),
            fewest: usize::MAX,
            most: 0,
        }
    }

    /// 1.4.0 is wished for.
    fn releases(application: Application) -> Self {
        let mut scene = Self::of(application);
        scene.lab.wish("1.4.0");
        scene
    }

    fn broken(application: Application) -> Self {
        let mut scene = Self::of(application);
        scene.lab.broken.insert("1.4.0".to_owned());
        scene.lab.wish("1.4.0");
        scene
    }

    fn name(&self) -> String {
        self.lab.services[0].shown.name.clone()
    }

    /// What the service is to run.
    fn version(&self) -> Option<String> {
        self.lab.services[0].shown.tags.version.clone()
    }

    fn definition(&self) -> String {
        self.lab.services[0].shown.task_definition.clone()
    }

    fn look(&mut self) -> Plan {
        let plan = self.operator.reconcile(&mut self.lab).expect("allowed");
        assert_eq!(self.lab.services.len(), 1, "one service for life");
        if self.stages.last() != Some(&plan.report.stage) {
            self.stages.push(plan.report.stage);
        }
        let (old, new) = self.lab.working(&self.name());
        self.fewest = self.fewest.min(old + new);
        self.most = self.most.max(old + new);
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

    fn updates(&mut self) -> Plan {
        self.until(|plan| matches!(plan.step, Some(Write::UpdateService { .. })))
    }

    fn ends(&mut self) -> Plan {
        self.until(|plan| {
            let settled = plan.report.stage == Stage::Settled && plan.step.is_none();
            settled && plan.report.waiting_on == WaitingOn::Nothing
        })
    }

    fn outcomes(&self) -> Vec<Outcome> {
        let (_, record) = self.lab.record.as_ref().expect("a record");
        let ended = record.history.iter().skip(1);
        ended.map(|ended| ended.outcome).collect()
    }

    fn reason(&self) -> String {
        let (_, record) = self.lab.record.as_ref().expect("a record");
        record.rejected.last().expect("a rejection").reason.clone()
    }

    /// Operations but those on the record.
    fn writes(&self) -> Vec<&str> {
        let writes = self.lab.writes.iter().map(String::as_str);
        let writes = writes.filter(|write| !write.starts_with("write down"));
        writes
            .map(|write| write.split(' ').next().unwrap())
            .collect()
    }

    fn generation(&self) -> crd_schema::record::Generation {
        self.lab.desired.as_ref().expect("a wish").0
    }

    fn without(mut self, rule: ablation::Rule) -> Self {
        self.operator.tuning.without = Without::rules(&[rule]);
        self
    }

    /// The operator is gone, and another one begins, which knows nothing.
    fn restarts(&mut self) {
        self.operator = Operator::new(&self.lab);
        self.operator.memory.clean_start = None;
        self.operator.memory.leading_since = Mono(self.lab.now);
    }
}

fn watched(mut application: Application) -> Application {
    application.alarms = Some(Alarms {
        names: vec!["queue-age".to_owned()],
        on_already: AlreadyInAlarm::Refuse,
    });
    application
}

fn approved(mut application: Application, before: Stage) -> Application {
    let gate = Gate {
        before: Some(before),
        check: Check::Approval,
        attempts: 1,
        every: Duration::from_secs(1),
        timeout: Duration::from_secs(60),
        on_error: OnError::Hold,
    };
    application.gates.insert(GateName::new("sound"), gate);
    application
}

/// It is waited for tasks that work.
fn comes_up(plan: &Plan) -> bool {
    matches!(
        plan.report.waiting_on,
        WaitingOn::SteadyTasks { .. } | WaitingOn::HealthyTargets { .. }
    )
}

/// ECS gives up after a while, and goes back by itself where that is asked.
fn breaker(scene: &mut Scene, goes_back: bool) {
    scene.lab.ecs.gives_up_after = Some(120_000);
    scene.lab.ecs.goes_back = goes_back;
}

fn a_release_is_one_update_of_the_one_service(rolling: InPlace) {
    let mut scene = Scene::releases(rolling());
    let plan = scene.updates();
    let Some(Write::UpdateService {
        name,
        from,
        to,
        body,
    }) = &plan.step
    else {
        panic!("{plan:?}");
    };
    assert_eq!(name, &scene.name());
    assert_ne!(from, to);
    assert_eq!(body["taskDefinition"], json!(to));
    assert!(!body.contains_key("desiredCount") && !body.contains_key("launchType"));
    assert_eq!(plan.report.stage, Stage::ScaleUp);
    scene.ends();
    let stages = [Stage::ScaleUp, Stage::Bake, Stage::CleanUp, Stage::Settled];
    assert_eq!(scene.stages, stages);
    assert_eq!(scene.writes(), ["register", "update"]);
    assert_eq!(scene.version().as_deref(), Some("1.4.0"));
    assert_eq!(scene.outcomes(), [Outcome::Succeeded]);
    assert_eq!(scene.fewest, 2, "work never waits for a task");
}

fn what_ecs_replaces_is_told_as_the_release_that_it_was(rolling: InPlace) {
    let mut scene = Scene::releases(rolling());
    let leaving = |plan: &Plan| {
        let mut services = plan.report.services.iter();
        let leaving = services.find(|told| !told.is_target)?;
        Some((leaving.version.clone()?, leaving.healthy, leaving.desired))
    };
    let told = |plan: &Plan, version: &str| leaving(plan) == Some((version.to_owned(), 2, 2));
    assert_eq!(leaving(&scene.look()), None, "nothing leaves yet");
    scene.until(|plan| comes_up(plan) && told(plan, "1.3.0"));
    let rollout = scene.generation();
    scene.comes_to(Stage::Bake);
    scene.lab.intents.abort = Some(Abort { rollout });
    scene.until(|plan| plan.report.stage == Stage::RollBack && told(plan, "1.4.0"));
    let plan = scene.ends();
    assert_eq!(leaving(&plan), None);
}

fn no_release_begins_before_its_alarms_say_that_they_are_quiet(rolling: InPlace) {
    let mut scene = Scene::releases(watched(rolling()));
    let good = scene.definition();
    let unclear = Verdict::Unclear {
        reason: "throttled".to_owned(),
    };
    scene.lab.tests.says.insert("alarms".to_owned(), unclear);
    for _ in 0..20 {
        scene.look();
    }
    assert_eq!(scene.definition(), good);
    scene.lab.tests.says.clear();
    scene.ends();
    assert_eq!(scene.outcomes(), [Outcome::Succeeded]);
}

/// A person updated it to what is wished for, by hand, and its record is lost.
fn what_runs_the_wish_without_a_word_how_it_came_is_the_last_good_release(rolling: InPlace) {
    let mut scene = Scene::of(rolling());
    scene.lab.services[0].shown.tags.generation = None;
    scene.lab.record = None;
    scene.restarts();
    scene.lab.advance(600_000);
    for _ in 0..10 {
        scene.look();
    }
    let (_, record) = scene.lab.record.clone().expect("a record");
    let good = record.last_good.expect("it works");
    assert_eq!(good.version, "1.3.0");
    assert_eq!(good.task_definition, Some(scene.definition()));
    assert_eq!(record.created, 0, "no service was made");
}

fn a_service_that_is_steady_with_something_else_is_no_success(rolling: InPlace) {
    let mut scene = Scene::releases(rolling());
    let old = scene.definition();
    scene.updates();
    scene.until(comes_up);
    // Someone goes back, and ECS is steady with that: `aws ecs wait services-stable` says yes.
    let name = scene.name();
    scene.lab.update(&name, &old, false);
    let told = scene.updates();
    assert!(!told.report.converged);
    scene.ends();
    assert_eq!(scene.version().as_deref(), Some("1.4.0"));
    assert_eq!(scene.outcomes(), [Outcome::Succeeded]);
}

fn what_never_becomes_healthy_is_rejected_at_the_deadline_and_goes_back(rolling: InPlace) {
    let mut scene = Scene::broken(rolling());
    let good = scene.definition();
    scene.ends();
    assert_eq!(scene.definition(), good);
    assert_eq!(scene.outcomes(), [Outcome::RolledBack]);
    assert!(
        scene
            .reason()
            .contains("ScaleUp did not end before its deadline")
    );
    assert!(scene.reason().contains("exit code 1"), "{}", scene.reason());
    assert_eq!(scene.fewest, 2, "old tasks stayed");
    // The rejection stands on the service too, and nothing is tried again.
    assert_eq!(scene.writes(), ["register", "update", "update", "tag"]);
    let tag = scene.lab.services[0].shown.tags.rejected;
    assert_eq!(tag, Some(scene.generation()));
    let plan = scene.look();
    assert!(!plan.report.converged);
    assert!(plan.report.rejected.is_some());
}

fn a_lost_record_does_not_forget_the_rejection_nor_walk_through_history(rolling: InPlace) {
    let mut scene = Scene::broken(rolling());
    let good = scene.definition();
    scene.ends();
    scene.lab.record = None;
    scene.restarts();
    scene.lab.writes.clear();
    scene.lab.advance(600_000);
    scene.ends();
    assert_eq!(scene.definition(), good);
    assert!(
        !scene.writes().contains(&"update"),
        "{:?}",
        scene.lab.writes
    );
}

fn with_the_record_lost_mid_way_the_way_back_is_in_the_tags(rolling: InPlace) {
    let mut scene = Scene::broken(rolling());
    let good = scene.definition();
    scene.updates();
    scene.lab.record = None;
    scene.restarts();
    scene.ends();
    assert_eq!(scene.definition(), good);
    assert!(scene.reason().contains("deadline"));
}

fn when_the_circuit_breaker_gives_up_the_release_is_rejected_at_once(rolling: InPlace) {
    let mut scene = Scene::broken(rolling());
    breaker(&mut scene, false);
    let (good, began) = (scene.definition(), scene.lab.now);
    scene.ends();
    assert_eq!(scene.definition(), good);
    assert_eq!(scene.outcomes(), [Outcome::RolledBack]);
    assert!(scene.reason().contains("circuit breaker gave up"));
    assert!(scene.lab.now - began < 300_000, "before the deadline");
}

fn when_ecs_goes_back_by_itself_that_is_a_rejection_with_its_reason(rolling: InPlace) {
    let mut scene = Scene::broken(rolling());
    breaker(&mut scene, true);
    let good = scene.definition();
    scene.ends();
    assert_eq!(scene.definition(), good);
    assert_eq!(scene.outcomes(), [Outcome::RolledBack]);
    let reason = scene.reason();
    assert!(reason.contains("tasks failed to start"), "{reason}");
    assert_eq!(
        scene.writes(),
        ["register", "update", "tag"],
        "ECS went back"
    );
    // Without the rule it is tried again and again.
    let mut again = Scene::broken(rolling()).without(ablation::Rule::TakenBack);
    breaker(&mut again, true);
    for _ in 0..400 {
        again.look();
    }
    let updates = again.writes().into_iter().filter(|one| *one == "update");
    assert!(updates.count() > 1);
}

fn ecs_went_back_while_nobody_looked(rolling: InPlace) {
    let mut application = rolling();
    let breaker = json!({"deploymentCircuitBreaker": {"enable": true, "rollback": true}});
    let service = &mut application.template.service;
    service.insert("deploymentConfiguration".to_owned(), breaker);
    let mut scene = Scene::broken(application);
    let (good, name) = (scene.definition(), scene.name());
    scene.updates();
    scene.until(comes_up);
    // An hour later ECS shows nothing of the deployment that it gave up.
    scene.lab.update(&name, &good, false);
    scene.lab.services[0].shown.deployments.given_up.clear();
    scene.lab.advance(100_000);
    scene.restarts();
    scene.ends();
    assert_eq!(scene.definition(), good);
    assert!(
        scene
            .reason()
            .contains("ECS, which may roll back by itself here, went back")
    );
}

fn an_alarm_takes_it_back_until_the_end_of_the_bake(rolling: InPlace) {
    for stage in [Stage::ScaleUp, Stage::Bake] {
        let mut scene = Scene::releases(watched(rolling()));
        let good = scene.definition();
        scene.until(|plan| {
            plan.report.stage == stage && !plan.watches.is_empty() && plan.step.is_none()
        });
        let red = Verdict::Failed {
            reason: "it is too old".to_owned(),
        };
        scene.lab.tests.says.insert("alarms".to_owned(), red);
        scene.ends();
        assert_eq!(scene.definition(), good, "{stage:?}");
        assert_eq!(scene.outcomes(), [Outcome::RolledBack], "{stage:?}");
        assert_eq!(scene.reason(), "alarms: it is too old");
    }
    let mut deaf = Scene::releases(watched(rolling())).without(ablation::Rule::Watches);
    deaf.comes_to(Stage::Bake);
    deaf.ends();
    assert_eq!(deaf.outcomes(), [Outcome::Succeeded]);
}

fn an_abort_goes_back_from_the_deployment_and_from_the_bake(rolling: InPlace) {
    for stage in [Stage::ScaleUp, Stage::Bake] {
        let mut scene = Scene::releases(rolling());
        let good = scene.definition();
        scene.updates();
        scene.comes_to(stage);
        let rollout = scene.generation();
        scene.lab.intents.abort = Some(Abort { rollout });
        let plan = scene.updates();
        assert_eq!(plan.report.stage, Stage::RollBack);
        scene.ends();
        assert_eq!(scene.definition(), good, "{stage:?}");
        assert_eq!(scene.outcomes(), [Outcome::Aborted], "{stage:?}");
        assert_eq!(scene.fewest, 2);
    }
}

fn gates_stand_before_the_update_the_bake_and_its_end(rolling: InPlace) {
    for (before, version) in [
        (Stage::ScaleUp, "1.3.0"),
        (Stage::Bake, "1.4.0"),
        (Stage::CleanUp, "1.4.0"),
    ] {
        let mut scene = Scene::of(rolling());
        scene.lab.application = approved(rolling(), before);
        scene.lab.wish("1.4.0");
        let waits = |plan: &Plan| matches!(plan.report.waiting_on, WaitingOn::Approval { .. });
        scene.until(waits);
        for _ in 0..20 {
            assert!(waits(&scene.look()), "{before:?}");
        }
        assert_eq!(scene.version().as_deref(), Some(version), "{before:?}");
        let (rollout, gate) = (scene.generation(), "sound".to_owned());
        scene.lab.intents.approve = Some(Approve { rollout, gate });
        scene.ends();
        assert_eq!(scene.outcomes(), [Outcome::Succeeded], "{before:?}");
    }
}

fn a_newer_wish_takes_the_place_of_a_deployment_and_goes_back_to_what_was_good(rolling: InPlace) {
    for during_bake in [DuringBake::Finish, DuringBake::RollBack] {
        let mut application = rolling();
        application.on_new_release.during_bake = during_bake;
        let mut scene = Scene::releases(application);
        let good = scene.definition();
        scene.updates();
        scene.comes_to(Stage::ScaleUp);
        scene.lab.broken.insert("1.5.0".to_owned());
        scene.lab.wish("1.5.0");
        scene.until(|plan| plan.report.stage == Stage::RollBack);
        scene.ends();
        assert_eq!(scene.definition(), good, "1.4.0 never showed what it is");
        assert_eq!(scene.outcomes(), [Outcome::Superseded, Outcome::RolledBack]);
    }
}

fn a_newer_wish_ends_the_bake_early_or_undoes_it(rolling: InPlace) {
    for (during_bake, outcome) in [
        (DuringBake::Finish, Outcome::Succeeded),
        (DuringBake::RollBack, Outcome::Superseded),
    ] {
        let mut application = rolling();
        application.on_new_release.during_bake = during_bake;
        let mut scene = Scene::releases(application);
        scene.comes_to(Stage::Bake);
        scene.lab.wish("1.5.0");
        scene.updates();
        scene.ends();
        assert_eq!(scene.version().as_deref(), Some("1.5.0"));
        assert_eq!(scene.outcomes(), [outcome, Outcome::Succeeded]);
    }
}

fn what_serves_is_wished_for_again_while_something_else_comes_up(rolling: InPlace) {
    let mut scene = Scene::releases(rolling());
    let good = scene.definition();
    scene.updates();
    scene.comes_to(Stage::ScaleUp);
    scene.lab.wish("1.3.0");
    let plan = scene.updates();
    assert_eq!(plan.report.stage, Stage::RollBack);
    let end = scene.ends();
    assert_eq!(scene.definition(), good, "no other revision of the same");
    assert_eq!(scene.outcomes(), [Outcome::Aborted]);
    assert!(end.report.converged);
}

fn a_rejected_release_comes_again_with_a_new_wish_and_a_new_revision(rolling: InPlace) {
    let mut scene = Scene::broken(rolling());
    scene.ends();
    let bad = scene.lab.revisions[0].arn.clone();
    scene.lab.broken.clear();
    scene.lab.wish("1.4.0");
    scene.ends();
    assert_ne!(scene.definition(), bad);
    assert_eq!(scene.version().as_deref(), Some("1.4.0"));
    assert_eq!(scene.outcomes(), [Outcome::RolledBack, Outcome::Succeeded]);
}

fn an_update_by_hand_is_drift(rolling: InPlace) {
    let mut scene = Scene::of(rolling());
    let (good, name) = (scene.definition(), scene.name());
    scene.lab.update(&name, "somebody:7", false);
    let plan = scene.updates();
    assert!(plan.report.drifted);
    assert_eq!(plan.report.stage, Stage::Settled);
    scene.ends();
    assert_eq!(scene.definition(), good);
    assert!(scene.outcomes().is_empty(), "no rollout of its own");
    // Where drift is held it is told, and left.
    scene.lab.application.drift = Drift::Hold;
    scene.lab.update(&name, "somebody:8", false);
    let plan = scene.until(|plan| matches!(plan.report.waiting_on, WaitingOn::Hold(_)));
    let WaitingOn::Hold(Hold::DriftHeld { what }) = plan.report.waiting_on else {
        panic!("{plan:?}");
    };
    assert!(what.contains("updated by someone else"), "{what}");
    assert_eq!(scene.definition(), "somebody:8");
}

fn a_restart_changes_nothing_at_any_look(rolling: InPlace) {
    let looks = |restart_at: usize| {
        let mut scene = Scene::releases(rolling());
        for look in 0..2_000 {
            let plan = scene.look();
            if look == restart_at {
                scene.restarts();
            }
            let quiet = plan.step.is_none() && plan.report.waiting_on == WaitingOn::Nothing;
            if quiet && plan.report.converged {
                return scene;
            }
        }
        panic!("never: {:#?}", scene.lab.writes);
    };
    for restart_at in 0..60 {
        let scene = looks(restart_at);
        assert_eq!(scene.outcomes(), [Outcome::Succeeded], "{restart_at}");
        assert_eq!(scene.writes(), ["register", "update"], "{restart_at}");
    }
}

#[test]
fn one_task_that_must_be_alone_stops_before_its_successor_starts() {
    let mut application = planner::lab::rolling();
    application.template.desired_count = 1;
    let bounds = json!({"minimumHealthyPercent": 0, "maximumPercent": 100});
    let service = &mut application.template.service;
    service.insert("deploymentConfiguration".to_owned(), bounds.clone());
    let mut scene = Scene::releases(application);
    let plan = scene.updates();
    let Some(Write::UpdateService { body, .. }) = &plan.step else {
        panic!("{plan:?}");
    };
    assert_eq!(body["deploymentConfiguration"], bounds);
    scene.ends();
    assert_eq!((scene.fewest, scene.most), (0, 1));
}

fn a_count_of_zero_is_woken_and_every_other_count_is_the_users(rolling: InPlace) {
    let mut scene = Scene::of(rolling());
    let name = scene.name();
    scene.lab.scale(&name, 5);
    scene.lab.wish("1.4.0");
    scene.ends();
    assert_eq!(scene.lab.services[0].shown.desired, 5);
    scene.lab.scale(&name, 0);
    scene.until(|plan| matches!(plan.step, Some(Write::ScaleService { from: 0, .. })));
    scene.ends();
    assert!(scene.lab.services[0].shown.desired > 0);
}

fn where_failures_are_held_nothing_goes_back(rolling: InPlace) {
    let mut application = rolling();
    application.on_failure = OnFailure::Hold;
    let mut scene = Scene::broken(application);
    let plan = scene.until(|plan| matches!(plan.report.waiting_on, WaitingOn::Hold(_)));
    let held = WaitingOn::Hold(Hold::FailedAndHeld {
        reason: scene.reason(),
    });
    assert_eq!(plan.report.waiting_on, held);
    assert_eq!(scene.version().as_deref(), Some("1.4.0"));
}

#[test]
fn a_worker_of_two_services_becomes_one_that_is_updated_in_place_and_back() {
    let mut lab = Lab::new(planner::lab::worker());
    lab.advance(100_000);
    lab.place("1.3.0", Side::A, 2, 0);
    lab.wish("1.3.0");
    let mut operator = Operator::new(&lab);
    assert_eq!(operator.run(&mut lab, 200), Ending::Settled);
    lab.writes.clear();
    lab.application = planner::lab::rolling();
    assert_eq!(operator.run(&mut lab, 200), Ending::Settled);
    assert_eq!(lab.writes, Vec::<String>::new(), "nothing changes by that");
    let name = lab.services[0].shown.name.clone();
    lab.wish("1.4.0");
    assert_eq!(operator.run(&mut lab, 400), Ending::Settled);
    assert_eq!(lab.services[0].shown.name, name);
    let version = |lab: &Lab| lab.services[0].shown.tags.version.clone();
    assert_eq!(version(&lab).as_deref(), Some("1.4.0"));
    lab.application = planner::lab::worker();
    lab.wish("1.5.0");
    assert_eq!(operator.run(&mut lab, 400), Ending::Settled);
    assert_eq!(version(&lab).as_deref(), Some("1.5.0"));
    assert_ne!(lab.services[0].shown.name, name);
}

/// The update of `scene`, changed, and what the guard says of it.
fn judged(scene: &Scene, write: &Write) -> Option<&'static str> {
    let Operator { memory, tuning, .. } = &scene.operator;
    let (lab, world) = (&scene.lab, scene.lab.observe());
    let judged = safety::check(&lab.application, &world, memory, tuning, write, lab.clock());
    judged.err().map(|violation| violation.property)
}

fn the_guard_knows_what_an_update_may_not_do(rolling: InPlace) {
    let mut scene = Scene::broken(rolling());
    let good = scene.definition();
    let plan = scene.until(|plan| matches!(plan.step, Some(Write::RegisterTaskDefinition { .. })));
    let register = plan.step.unwrap();
    scene.ends();
    assert_eq!(
        judged(&scene, &register),
        Some("S8"),
        "it would carry the tags"
    );
    let bad = scene.lab.revisions[0].arn.clone();
    let update = |to: &str, change: &dyn Fn(&mut serde_json::Map<String, serde_json::Value>)| {
        let mut body = planner::release::update(&scene.lab.application, &scene.name(), to);
        change(&mut body);
        Write::UpdateService {
            name: scene.name(),
            from: good.clone(),
            to: to.to_owned(),
            body,
        }
    };
    let same = |_: &mut serde_json::Map<_, _>| ();
    assert_eq!(judged(&scene, &update(&good, &same)), None);
    assert_eq!(judged(&scene, &update(&bad, &same)), Some("S8"));
    assert_eq!(judged(&scene, &update("somebody:7", &same)), Some("S9"));
    let other = |body: &mut serde_json::Map<String, serde_json::Value>| {
        body.insert("service".to_owned(), json!("shop"));
    };
    assert_eq!(judged(&scene, &update(&good, &other)), Some("S9"));
    // What it ran before it was adopted, or what served last, is a way back.
    let mut adopted = Scene::of(rolling());
    adopted.lab.services[0].shown.tags.blue = Some("somebody:7".to_owned());
    assert_eq!(judged(&adopted, &update("somebody:7", &same)), None);
    let last = &mut adopted.operator.memory.record.last_good;
    last.as_mut().unwrap().task_definition = Some("somebody:8".to_owned());
    assert_eq!(judged(&adopted, &update("somebody:8", &same)), None);
    let lower = |body: &mut serde_json::Map<String, serde_json::Value>| {
        let bounds = json!({"minimumHealthyPercent": 0});
        body.insert("deploymentConfiguration".to_owned(), bounds);
    };
    assert_eq!(judged(&scene, &update(&good, &lower)), Some("S4"));
    let mut not_in_place = scene.lab.application.clone();
    not_in_place.strategy = crd_schema::strategy::Strategy::BLUE_GREEN;
    let update = update(&good, &same);
    scene.lab.application = not_in_place;
    assert_eq!(judged(&scene, &update), Some("S9"));
    assert_eq!(judged(&scene, &register), None, "its services would");
}

fn no_update_while_another_one_may_still_land(rolling: InPlace) {
    let mut scene = Scene::releases(rolling());
    let plan = scene.updates();
    let landed = plan.step.unwrap();
    let good = scene.operator.memory.record.last_good.clone().unwrap();
    let good = good.task_definition.unwrap();
    let back = Write::UpdateService {
        name: scene.name(),
        from: scene.definition(),
        to: good.clone(),
        body: planner::release::update(&scene.lab.application, &scene.name(), &good),
    };
    assert_eq!(judged(&scene, &back), None);
    let tuning = scene.operator.tuning;
    let memory = &mut scene.operator.memory;
    memory.sending(&landed, &tuning, scene.lab.clock());
    let unknown = planner::memory::WriteOutcome::Unknown {
        reason: "no answer".to_owned(),
    };
    memory.note(&landed, &unknown, &tuning, scene.lab.clock());
    assert_eq!(judged(&scene, &back), Some("S7"), "it is outstanding");
    scene.operator.memory.outstanding = None;
    assert_eq!(judged(&scene, &back), Some("S7"), "it may land late");
    scene.operator.tuning.without = Without::rules(&[ablation::Rule::LateLanding]);
    assert_eq!(judged(&scene, &back), None);
}

/// The weights of every rule.
fn weights(lab: &Lab) -> Vec<[Option<u32>; 2]> {
    let forward = |rule: &Rule| match &rule.action {
        Action::Forward { weights, .. } => *weights,
        action @ (Action::Other { .. } | Action::Missing) => panic!("{action:?}"),
    };
    lab.rules.iter().map(forward).collect()
}

#[test]
fn no_weight_moves_and_old_tasks_serve_until_new_ones_do() {
    let mut scene = Scene::releases(rolling_behind_a_load_balancer());
    let before = weights(&scene.lab);
    assert_eq!(before, [[Some(100), None]; 2]);
    for _ in 0..200 {
        let plan = scene.look();
        assert_eq!(weights(&scene.lab), before);
        assert!(scene.lab.healthy(Side::A) >= 2, "{:?}", plan.report.stage);
        assert!(!scene.lab.loses_requests());
    }
    assert_eq!(scene.outcomes(), [Outcome::Succeeded]);
    assert_eq!(scene.fewest, 2);
}

#[test]
fn a_test_rule_that_somebody_moved_follows_and_a_production_rule_is_repaired() {
    let mut application = rolling_behind_a_load_balancer();
    application.routes = planner::lab::application().routes;
    // The pair has a second group, which a rolling update has no use for.
    let mut scene = Scene::of(application);
    let forward = |weights| Action::Forward {
        weights,
        others: Vec::new(),
        sticky: false,
    };
    for (n, wrong) in [
        (0, [Some(0), Some(100)]),
        (0, [Some(50), Some(50)]),
        (1, [Some(0), Some(100)]),
    ] {
        scene.lab.rules[n].action = forward(wrong);
        scene.until(|plan| matches!(plan.step, Some(Write::SetWeights { .. })));
        scene.ends();
        let [production, test] = weights(&scene.lab)[..] else {
            panic!("two rules");
        };
        for [a, b] in [production, test] {
            assert!(a > Some(0) && b.unwrap_or(0) == 0, "{n} {wrong:?}");
        }
    }
}

#[test]
fn weights_are_put_right_in_the_middle_of_an_update_by_what_still_serves() {
    let mut application = rolling_behind_a_load_balancer();
    application.routes = planner::lab::application().routes;
    let mut scene = Scene::of(application);
    scene.lab.broken.insert("1.4.0".to_owned());
    scene.lab.wish("1.4.0");
    scene.until(comes_up);
    scene.lab.set_production([Some(0), Some(100)]);
    let plan = scene.until(|plan| matches!(plan.step, Some(Write::SetWeights { .. })));
    assert_eq!(weights(&scene.lab)[0], [Some(100), Some(0)]);
    assert_eq!(plan.report.rejected, None, "before the deadline");
    assert_eq!(scene.lab.healthy(Side::A), 2, "old tasks serve");
}

#[test]
fn two_services_of_a_pair_become_one_that_is_updated_in_place_and_back() {
    let mut lab = Lab::new(planner::lab::application());
    lab.advance(100_000);
    lab.place("1.3.0", Side::A, 2, 0);
    lab.wish("1.3.0");
    let mut operator = Operator::new(&lab);
    assert_eq!(operator.run(&mut lab, 200), Ending::Settled);
    lab.wish("1.4.0");
    assert_eq!(operator.run(&mut lab, 400), Ending::Settled);
    lab.writes.clear();
    lab.application.strategy = crd_schema::strategy::Strategy::ROLLING;
    assert_eq!(operator.run(&mut lab, 200), Ending::Settled);
    assert_eq!(lab.writes, Vec::<String>::new(), "nothing changes by that");
    let name = lab.services[0].shown.name.clone();
    assert_eq!(lab.services[0].shown.side, Some(Side::B));
    lab.wish("1.5.0");
    assert_eq!(operator.run(&mut lab, 400), Ending::Settled);
    assert_eq!(lab.services[0].shown.name, name);
    let version = |lab: &Lab| lab.services[0].shown.tags.version.clone();
    assert_eq!(version(&lab).as_deref(), Some("1.5.0"));
    lab.application.strategy = crd_schema::strategy::Strategy::BLUE_GREEN;
    lab.wish("1.6.0");
    assert_eq!(operator.run(&mut lab, 400), Ending::Settled);
    assert_eq!(version(&lab).as_deref(), Some("1.6.0"));
    assert_eq!(lab.services[0].shown.side, Some(Side::A));
    assert_ne!(lab.services[0].shown.name, name);
}
