//! Dead traffic goes to what lives, whatever the marks say.

use crd_schema::analysis::{Alarms, AlreadyInAlarm};
use crd_schema::gate::{Check, Gate, OnError};
use crd_schema::record::{Generation, Rejection, Stage};
use crd_schema::{Application, GateName};
use planner::lab::{Lab, Operator, application};
use planner::world::Side;
use planner::{Plan, Write};

use crate::scene::{Scene, seconds, settled};

/// 1.3.0 on A and 1.4.0 on B, both healthy, half of the traffic each; 1.4.0 is wished for, and its rollout is written
/// down.
fn half() -> Scene {
    let mut lab = Lab::new(application());
    lab.advance(100_000);
    lab.place("1.3.0", Side::A, 2, 0);
    lab.wish("1.4.0");
    let generation = lab.desired.as_ref().unwrap().0;
    lab.place("1.4.0", Side::B, 2, 0);
    lab.services[1].shown.tags.generation = Some(generation);
    lab.set_production([Some(50), Some(50)]);
    let operator = Operator::new(&lab);
    let mut scene = Scene { lab, operator };
    scene.watch(60);
    let _ = scene.plan();
    let (_, record) = scene.lab.record.as_mut().unwrap();
    record.rollout.as_mut().unwrap().stage = Stage::Shift;
    scene.watch(10);
    scene
}

fn dies(scene: &mut Scene, version: &str) {
    scene.lab.broken.insert(version.to_owned());
    scene.watch(20);
}

fn weights(plan: &Plan) -> Option<[Option<u32>; 2]> {
    match &plan.step {
        Some(Write::SetWeights { weights, .. }) => Some(weights.get()),
        Some(_) | None => None,
    }
}

#[test]
fn the_dead_wish_is_rejected_and_then_its_traffic_goes_to_what_lives() {
    let mut scene = half();
    dies(&mut scene, "1.4.0");
    let plan = scene.first_plan_on(|_| ());
    let Some(Write::PutRecord(record)) = &plan.step else {
        panic!("{plan:?}")
    };
    assert!(
        record.rejected[0]
            .reason
            .starts_with("no healthy target while it had traffic")
    );
    let plan = scene.plan();
    assert_eq!(weights(&plan), Some([Some(50), Some(0)]));
    assert!(plan.report.rejected.is_some());
}

/// Somebody else put it to sleep, its rollout is another one, or the record cannot be written: traffic first.
#[test]
fn what_died_of_something_else_is_not_rejected() {
    let moves = |change: fn(&mut Scene)| {
        let mut scene = half();
        change(&mut scene);
        dies(&mut scene, "1.4.0");
        let plan = scene.first_plan_on(|_| ());
        assert_eq!(weights(&plan), Some([Some(50), Some(0)]));
        assert_eq!(plan.report.rejected, None);
    };
    moves(|scene| {
        let green = scene.lab.services[1].shown.name.clone();
        scene.lab.scale(&green, 0);
    });
    moves(|scene| scene.operator.memory.record_refused = true);
    moves(|scene| {
        let (_, record) = scene.lab.record.as_mut().unwrap();
        let rollout = record.rollout.as_mut().unwrap();
        rollout.release.generation = Generation {
            date: 1,
            version: 1,
        };
    });
    moves(|scene| scene.lab.record.as_mut().unwrap().1.rollout = None);
}

#[test]
fn a_dead_blue_is_no_failure_of_the_wish() {
    let mut scene = half();
    dies(&mut scene, "1.3.0");
    let plan = scene.first_plan_on(|_| ());
    assert_eq!(weights(&plan), Some([Some(0), Some(50)]));
    assert_eq!(plan.report.rejected, None);
}

/// A rule that gives nobody weight.
#[test]
fn weight_comes_from_nothing_to_what_is_wished_for_and_was_not_rejected() {
    let raised = |change: fn(&mut Scene)| {
        let mut scene = half();
        let blue = scene.lab.services[0].shown.name.clone();
        scene.lab.scale(&blue, 3);
        scene.lab.set_production([Some(0), Some(0)]);
        change(&mut scene);
        scene.lab.advance(60_000);
        scene.watch(20);
        weights(&scene.first_plan_on(|_| ()))
    };
    assert_eq!(raised(|_| ()), Some([Some(0), Some(100)]));
    // Rejected, and blue is the healthier one.
    assert_eq!(
        raised(|scene| {
            let generation = scene.lab.desired.as_ref().unwrap().0;
            let (_, record) = scene.lab.record.as_mut().unwrap();
            record.rejected.push(Rejection {
                generation,
                version: "1.4.0".to_owned(),
                reason: "it failed".to_owned(),
                aborted: false,
            });
        }),
        Some([Some(100), Some(0)])
    );
    assert_eq!(
        raised(|scene| scene.lab.broken.extend(["1.4.0".to_owned()])),
        Some([Some(100), Some(0)])
    );
    // Where one has weight, nothing comes from nothing.
    assert_eq!(weights(&settled().plan()), None);
}

/// A rule that gives nobody weight says nothing of what was tested.
#[test]
fn weight_comes_from_nothing_to_what_is_still_judged_last() {
    let raised_of = |stage: Option<Stage>, other: bool, change: &dyn Fn(&mut Application)| {
        let mut scene = half();
        change(&mut scene.lab.application);
        scene.lab.set_production([Some(0), Some(0)]);
        let (_, record) = scene.lab.record.as_mut().unwrap();
        match stage {
            Some(stage) => {
                let rollout = record.rollout.as_mut().unwrap();
                let began = rollout.entered.values().next().copied().unwrap_or_default();
                rollout.stage = stage;
                rollout.entered.insert(stage, began);
                if other {
                    rollout.release.digest = "0123456789abcdef".to_owned();
                }
            }
            None => record.rollout = None,
        }
        scene.lab.advance(60_000);
        scene.watch(20);
        weights(&scene.first_plan_on(|_| ()))
    };
    let raised = |stage, change: &dyn Fn(&mut Application)| raised_of(stage, false, change);
    let (blue, green) = (Some([Some(100), Some(0)]), Some([Some(0), Some(100)]));
    let gated = |blog: &mut Application| {
        let gate = Gate {
            before: Some(Stage::Shift),
            check: Check::Approval,
            attempts: 1,
            every: seconds(1),
            timeout: seconds(60),
            on_error: OnError::Hold,
        };
        blog.gates.insert(GateName::new("smoke"), gate);
    };
    let watched = |blog: &mut Application| {
        blog.alarms = Some(Alarms {
            names: vec!["errors".to_owned()],
            on_already: AlreadyInAlarm::Refuse,
        });
    };
    assert_eq!(raised(Some(Stage::Shift), &|_| ()), green);
    assert_eq!(raised(Some(Stage::Shift), &gated), blue);
    assert_eq!(raised(None, &gated), blue, "nothing tells how far it was");
    assert_eq!(raised(Some(Stage::Bake), &gated), green, "it passed them");
    assert_eq!(raised(Some(Stage::RollBack), &gated), blue);
    let other = raised_of(Some(Stage::Bake), true, &gated);
    assert_eq!(other, blue, "another release passed them");
    assert_eq!(raised(Some(Stage::Bake), &watched), blue);
}

/// What has all the traffic is dead, and what might live stands on a group that no rule names: nobody checks it.
#[test]
fn what_might_live_is_named_by_the_rule_before_its_health_is_waited_for() {
    let named = |tasks: u32| {
        let mut scene = half();
        let green = scene.lab.services[1].shown.name.clone();
        scene.lab.scale(&green, tasks);
        scene.set(0, [Some(100), None]);
        scene.set(1, [Some(100), None]);
        scene.lab.wish("1.3.0");
        dies(&mut scene, "1.3.0");
        scene.watch(60);
        weights(&scene.plan())
    };
    assert_eq!(named(2), Some([Some(100), Some(0)]));
    assert_eq!(named(0), None, "one that sleeps never will");
}

#[test]
fn of_two_that_were_put_to_sleep_under_traffic_the_wish_wakes_first() {
    let mut scene = half();
    let names = scene.lab.services.iter().map(|s| s.shown.name.clone());
    let names: Vec<_> = names.collect();
    for name in &names {
        scene.lab.scale(name, 0);
    }
    scene.watch(20);
    let plan = scene.plan();
    let Some(Write::ScaleService { name, from: 0, .. }) = &plan.step else {
        panic!("{plan:?}")
    };
    assert_eq!(*name, names[1]);
}
