//! One decision about a service that is updated in place.

use crd_schema::analysis::Metric;
use crd_schema::application::{Drift, OnFailure};
use crd_schema::record::{Generation, Record, Rejection, Stage};
use crd_schema::schedule::{Schedule, Window, zone};
use crd_schema::{AnalysisName, Application};
use planner::lab::{Operator, analysis, application, rolling_behind_a_load_balancer};
use planner::world::{Read, Service, Target, TargetState, World};
use planner::{Plan, WaitingOn, Write};

use crate::scene::{Scene, holds, settled_of};

/// It has a pair, of which an update in place uses one group; what somebody else did is told and left.
fn in_place() -> Application {
    let mut application = Application {
        routes: application().routes,
        ..rolling_behind_a_load_balancer()
    };
    application.drift = Drift::Hold;
    application
}

/// A release of 1.4.0 that was updated to and has come to this stage.
fn at(stage: Stage) -> Scene {
    released_to(stage, in_place())
}

fn released_to(stage: Stage, application: Application) -> Scene {
    let mut scene = settled_of(application);
    scene.lab.wish("1.4.0");
    let _ = scene.until(|_, plan| updates(plan));
    let _ = scene.until(|_, plan| plan.report.stage == stage && plan.step.is_none());
    scene
}

/// 1.4.0 never works, and goes back.
fn goes_back(application: Application) -> Scene {
    let mut scene = settled_of(application);
    scene.lab.broken.insert("1.4.0".to_owned());
    scene.lab.wish("1.4.0");
    let _ = scene.until(|_, plan| plan.report.stage == Stage::RollBack && plan.step.is_none());
    scene
}

/// What runs is what is wished for, and no record says how it came to be so.
fn without_record(change: impl Fn(&mut World)) -> Scene {
    let mut scene = settled_of(in_place());
    scene.lab.record = None;
    scene.operator = Operator::new(&scene.lab);
    for _ in 0..8 {
        let _ = scene.first_plan_on(&change);
        scene.lab.advance(5_000);
    }
    scene
}

fn service(change: impl Fn(&mut Service)) -> impl Fn(&mut World) {
    move |world| {
        if let Read::Known { value, .. } = &mut world.services {
            change(&mut value[0]);
        }
    }
}

fn targets(state: TargetState) -> impl Fn(&mut World) {
    move |world| {
        if let Read::Known {
            value: Some(group), ..
        } = &mut world.groups[0]
        {
            for target in &mut group.targets {
                target.state = state;
            }
        }
    }
}

/// Somebody registered a target of their own in the other group, and it answers.
fn stray(world: &mut World) {
    if let Read::Known {
        value: Some(group), ..
    } = &mut world.groups[1]
    {
        group.targets.push(Target {
            address: "10.9.9.9:8080".to_owned(),
            zone: None,
            state: TargetState::Healthy,
            reason: None,
        });
    }
}

fn updates(plan: &Plan) -> bool {
    matches!(plan.step, Some(Write::UpdateService { .. }))
}

/// The task definition that it is updated to.
fn updated_to(plan: &Plan) -> Option<&str> {
    match &plan.step {
        Some(Write::UpdateService { to, .. }) => Some(to),
        Some(_) | None => None,
    }
}

/// What is waited for; of a hold, which one.
fn label(plan: &Plan) -> &'static str {
    if let WaitingOn::Hold(hold) = &plan.report.waiting_on {
        return hold.label();
    }
    plan.report.waiting_on.label()
}

fn record(scene: &mut Scene) -> &mut Record {
    &mut scene.lab.record.as_mut().expect("one was written").1
}

/// Somebody, or something, rejected this.
fn reject(scene: &mut Scene, generation: Generation) {
    record(scene).rejected.push(Rejection {
        generation,
        version: "1.4.0".to_owned(),
        reason: "it failed".to_owned(),
        aborted: false,
    });
}

fn wakes(plan: &Plan) -> bool {
    matches!(plan.step, Some(Write::ScaleService { from: 0, .. }))
}

/// Nothing of it is dead traffic, and yet it is nobody's of the application.
#[test]
fn what_the_other_group_answers_comes_to_the_one_service_as_far_as_it_carries_that() {
    let planned = |healthy: usize, weights: [Option<u32>; 2]| {
        let mut application = in_place();
        application.drift = Drift::Heal;
        let mut scene = settled_of(application);
        scene.set(0, weights);
        let read = move |world: &mut World| {
            stray(world);
            if let Read::Known {
                value: Some(group), ..
            } = &mut world.groups[0]
            {
                for target in group.targets.iter_mut().skip(healthy) {
                    target.state = TargetState::Unhealthy;
                }
            }
        };
        for _ in 0..8 {
            let _ = scene.first_plan_on(read);
            scene.lab.advance(5_000);
        }
        match scene.plan_on(read).step {
            Some(Write::SetWeights { weights, .. }) => Some(weights.get()),
            Some(_) | None => None,
        }
    };
    let all = Some([Some(100), Some(0)]);
    assert_eq!(planned(2, [Some(50), Some(50)]), all);
    assert_eq!(planned(2, [Some(0), Some(100)]), all);
    assert_eq!(
        planned(1, [Some(50), Some(50)]),
        None,
        "one of two is too few"
    );
    assert_eq!(planned(2, [Some(100), Some(0)]), None);
}

/// While nothing is on its way what somebody did is told; a release needs its tasks, and so does its way back.
#[test]
fn who_sleeps_is_woken_in_the_stage_that_it_has_come_to() {
    let asleep = || {
        service(|service| {
            service.desired = 0;
            service.running = 0;
        })
    };
    let plan = settled_of(in_place()).plan_on(asleep());
    assert_eq!(plan.report.stage, Stage::Settled);
    holds(plan, "DriftHeld", "was scaled to 0");
    for stage in [Stage::ScaleUp, Stage::Bake] {
        let plan = at(stage).plan_on(asleep());
        assert!(wakes(&plan), "{stage:?}: {plan:?}");
        assert_eq!(plan.report.stage, stage);
    }
    let plan = goes_back(in_place()).plan_on(asleep());
    assert!(wakes(&plan), "{plan:?}");
    assert_eq!(plan.report.stage, Stage::RollBack);
    let plan = without_record(asleep()).plan_on(asleep());
    assert!(wakes(&plan), "{plan:?}");
    assert_eq!(plan.report.stage, Stage::ScaleUp);
}

/// All its tasks are healthy, and ECS is not done with them.
#[test]
fn a_deployment_is_over_when_ecs_is_steady() {
    let unsteady = service(|service| service.steady = false);
    let mut scene = at(Stage::ScaleUp);
    for _ in 0..60 {
        let plan = scene.plan_on(&unsteady);
        assert_eq!((plan.step, plan.report.stage), (None, Stage::ScaleUp));
        scene.lab.advance(5_000);
    }
}

/// It was good all the time, or it is to show that it is.
#[test]
fn what_runs_without_a_record_is_good_when_it_works() {
    let mut works = without_record(|_| ());
    let plan = works.plan();
    assert_eq!(plan.report.waiting_on, WaitingOn::Nothing);
    assert_eq!(plan.report.stage, Stage::Settled);
    let dead = || targets(TargetState::Unhealthy);
    let plan = without_record(dead()).plan_on(dead());
    assert_ne!(plan.report.waiting_on, WaitingOn::Nothing, "{plan:?}");
    assert_ne!(plan.report.stage, Stage::Settled);
}

/// It serves no one: whatever was measured before, and however long it is to bake.
#[test]
fn what_dies_in_its_bake_is_rejected() {
    let mut scene = at(Stage::Bake);
    let dead = targets(TargetState::Unhealthy);
    for _ in 0..8 {
        let _ = scene.plan_on(&dead);
        scene.lab.advance(5_000);
    }
    let rejected = &record(&mut scene).rejected;
    assert_eq!(rejected.len(), 1, "{rejected:?}");
    let reason = &rejected[0].reason;
    assert!(reason.starts_with("no task worked any more: "), "{reason}");
}

/// All tasks of the way back are up and none works; or some are still to come.
#[test]
fn the_way_back_waits_for_tasks_that_may_come_and_asks_a_person_when_none_may() {
    type Change = fn(&mut Service);
    let told = |change: Change, state: TargetState| {
        let mut scene = goes_back(in_place());
        let read = |world: &mut World| {
            targets(state)(world);
            service(|service| {
                service.pending = 0;
                service.running = service.desired + service.outgoing.len() as u32;
                service.deployment_failed = false;
                change(service);
            })(world);
        };
        for _ in 0..8 {
            let _ = scene.first_plan_on(read);
            scene.lab.advance(5_000);
        }
        let plan = scene.plan_on(read);
        assert_eq!(plan.report.stage, Stage::RollBack);
        assert_eq!(plan.step, None);
        label(&plan)
    };
    let dead = TargetState::Unhealthy;
    let comes: Change = |service| service.pending = 1;
    let fewer: Change = |service| service.running -= 1;
    let both: Change = |service| {
        service.pending = 1;
        service.deployment_failed = true;
    };
    let unsteady: Change = |service| service.steady = false;
    assert_eq!(told(|_| (), dead), "FallBackUnhealthy");
    assert_eq!(told(both, dead), "FallBackUnhealthy");
    for change in [comes, fewer] {
        assert_ne!(told(change, dead), "FallBackUnhealthy");
    }
    assert_ne!(told(unsteady, TargetState::Healthy), "FallBackUnhealthy");
}

#[test]
fn what_serves_and_is_not_well_is_told_while_nothing_is_on_its_way() {
    type Change = fn(&mut Service);
    let told = |change: Change, ill: usize| {
        let mut scene = settled_of(in_place());
        let read = |world: &mut World| {
            service(change)(world);
            if let Read::Known {
                value: Some(group), ..
            } = &mut world.groups[0]
            {
                for target in group.targets.iter_mut().take(ill) {
                    target.state = TargetState::Unhealthy;
                }
            }
        };
        for _ in 0..8 {
            let _ = scene.first_plan_on(read);
            scene.lab.advance(5_000);
        }
        let plan = scene.plan_on(read);
        assert_eq!((plan.report.stage, &plan.step), (Stage::Settled, &None));
        label(&plan)
    };
    let same: Change = |_| ();
    let replaces: Change = |service| service.steady = false;
    let comes: Change = |service| {
        service.steady = false;
        service.pending = 1;
    };
    assert_eq!(told(same, 0), "Nothing");
    assert_eq!(told(same, 1), "Nothing", "one of two is ECS's to replace");
    assert_eq!(told(same, 2), "NothingAlive");
    assert_eq!(told(replaces, 2), "FallBackUnhealthy");
    assert_eq!(told(replaces, 1), "HealthyTargets");
    assert_eq!(told(comes, 2), "HealthyTargets");
}

/// Neither what comes back is measured, nor what runs before its release does.
#[test]
fn only_the_release_itself_is_measured() {
    let mut application = in_place();
    let errors = analysis(Metric::SuccessRate { at_least: 0.99 });
    let name = AnalysisName::new("errors");
    application.analyses.insert(name, errors);
    let measured = |mut scene: Scene| !scene.plan().watches.is_empty();
    assert!(measured(released_to(Stage::ScaleUp, application.clone())));
    assert!(measured(released_to(Stage::Bake, application.clone())));
    assert!(!measured(goes_back(application.clone())));
    let mut wished = settled_of(application);
    wished.lab.wish("1.4.0");
    assert!(!measured(wished));
}

fn freeze(scene: &mut Scene) {
    let utc = zone("UTC").unwrap();
    let local = |ms: u64| utc.to_datetime(scene.lab.wall(ms));
    let window = Window::Once {
        from: local(scene.lab.now),
        to: local(scene.lab.now + 10_000_000),
    };
    scene.lab.application.schedule = Some(Schedule {
        zone: utc.clone(),
        freeze: vec![window],
        allow: Vec::new(),
    });
}

/// Whose tags say nothing of a wish was never seen to be good.
#[test]
fn what_is_not_the_wish_is_not_written_down_as_it() {
    let mut scene = without_record(|_| ());
    freeze(&mut scene);
    scene.lab.services[0].shown.tags.generation = None;
    scene.lab.wish("1.4.0");
    for _ in 0..10 {
        let _ = scene.operator.reconcile(&mut scene.lab).unwrap();
    }
    let good = scene.lab.record.and_then(|(_, record)| record.last_good);
    assert_eq!(good, None);
}

/// A freeze keeps releases away, and nobody's updates by hand.
#[test]
fn in_a_freeze_it_stays_what_it_is_and_what_somebody_did_by_hand_is_undone() {
    let frozen = |by_hand: bool| {
        let mut application = in_place();
        application.drift = Drift::Heal;
        let mut scene = settled_of(application);
        freeze(&mut scene);
        let good = scene.lab.services[0].shown.task_definition.clone();
        scene.lab.wish("1.4.0");
        if by_hand {
            let name = scene.lab.services[0].shown.name.clone();
            scene.lab.update(&name, "somebody:7", false);
        }
        let plan = scene.plan();
        (updated_to(&plan).map(|to| to == good), plan)
    };
    let (updated, plan) = frozen(false);
    assert_eq!(updated, None, "{plan:?}");
    assert_eq!(plan.report.waiting_on.label(), "Frozen");
    assert_eq!(frozen(true).0, Some(true));
}

/// What somebody did by hand is not undone first.
#[test]
fn a_new_wish_takes_the_place_of_an_update_by_hand_at_once() {
    let mut scene = settled_of(in_place());
    let good = scene.lab.services[0].shown.task_definition.clone();
    let name = scene.lab.services[0].shown.name.clone();
    scene.lab.update(&name, "somebody:7", false);
    scene.lab.wish("1.4.0");
    let plan = scene.until(|_, plan| updates(plan));
    assert_ne!(updated_to(&plan), Some(good.as_str()));
}

/// The same version once more, after it failed and was left where it is.
#[test]
fn what_failed_and_was_held_comes_again_with_a_revision_of_its_own() {
    let mut application = in_place();
    application.on_failure = OnFailure::Hold;
    let mut scene = settled_of(application);
    scene.lab.broken.insert("1.4.0".to_owned());
    scene.lab.wish("1.4.0");
    let _ = scene.until(|_, plan| label(plan) == "FailedAndHeld");
    let failed = scene.lab.services[0].shown.task_definition.clone();
    scene.lab.wish("1.4.0");
    let plan = scene.until(|_, plan| updates(plan));
    assert_ne!(updated_to(&plan), Some(failed.as_str()));
    // One that could not even begin leaves what is held where it is.
    let mut scene = scene;
    let _ = scene.until(|_, plan| label(plan) == "FailedAndHeld");
    scene.lab.wish("1.5.0");
    let generation = scene.lab.desired.as_ref().unwrap().0;
    reject(&mut scene, generation);
    holds(scene.plan(), "FailedAndHeld", "it failed");
}

#[test]
fn what_is_good_stays_when_the_same_is_wished_for_and_rejected() {
    let mut scene = settled_of(in_place());
    scene.lab.wish("1.3.0");
    let generation = scene.lab.desired.as_ref().unwrap().0;
    reject(&mut scene, generation);
    // The rejection stands on the service as well, and nothing else happens.
    let _ = scene.until(|_, plan| {
        assert!(!updates(plan), "{plan:?}");
        plan.report.waiting_on == WaitingOn::Nothing
    });
}

#[test]
fn what_fails_and_came_after_nothing_needs_a_person() {
    let mut scene = settled_of(in_place());
    let generation = scene.lab.desired.as_ref().unwrap().0;
    record(&mut scene).last_good = None;
    reject(&mut scene, generation);
    holds(scene.plan(), "NothingToFallBackTo", "it failed");
}
