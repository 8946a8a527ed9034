//! One decision about autoscaling: what comes before the step that was decided, and what does not.

use crd_schema::application::{Autoscaling, OnFailure};
use crd_schema::intent::Promote;
use crd_schema::record::{Generation, Rejection, Stage};
use crd_schema::strategy::{Share, Step};
use planner::lab::{application, per_release};
use planner::scaling::{Change, Policy, Suspended};
use planner::world::{Read, ServiceStatus, Side, World};
use planner::{Plan, WaitingOn, Write};
use serde_json::json;

use crate::scene::{Scene, held, seconds, settled, settled_of};

fn autoscaled(mut scene: Scene) -> Scene {
    let blue = name(&scene, 0);
    scene.lab.autoscale(&blue, 1, 9);
    scene
}

fn name(scene: &Scene, n: usize) -> String {
    scene.lab.services[n].shown.name.clone()
}

/// Half of the traffic is on green, and a person is waited for.
fn half() -> Scene {
    let mut blog = application();
    blog.strategy.steps = vec![Step::SetWeight(Share::of(1, 2)), Step::Pause(None)];
    let mut scene = autoscaled(settled_of(blog));
    scene.lab.wish("1.4.0");
    let _ = scene.until(|_, plan| plan.report.waiting_on == WaitingOn::Promotion);
    scene.watch(20);
    scene
}

fn promoted() -> Scene {
    let mut scene = half();
    scene.lab.intents.promote = Some(Promote {
        rollout: scene.lab.desired.as_ref().unwrap().0,
        step: 1,
        full: true,
    });
    scene.watch(5);
    scene
}

/// Green has all that it needs, and production traffic is about to move.
fn ready() -> Scene {
    let mut scene = autoscaled(settled()).released_to(Stage::Validate);
    let _ = scene.until(|scene, _| planner::memory::weight(&scene.lab.rules[1], Side::B) > 0);
    scene.watch(10);
    scene
}

fn unread(world: &mut World) {
    world.scaling = Read::Unread {
        reason: "throttled".to_owned(),
    };
}

fn is_unread(plan: &Plan) -> bool {
    let what = "scalable targets: throttled".to_owned();
    plan.step.is_none() && plan.report.waiting_on == WaitingOn::Observation { what }
}

/// The weights that are set, and whether on the production rule.
fn weights(plan: &Plan) -> Option<([Option<u32>; 2], bool)> {
    match &plan.step {
        Some(Write::SetWeights { weights, rule, .. }) => {
            let production = application().production().any(|listed| listed == rule);
            Some((weights.get(), production))
        }
        Some(_) | None => None,
    }
}

#[test]
fn only_what_gives_green_production_traffic_waits_for_what_is_not_read() {
    assert!(is_unread(&promoted().plan_on(unread)));
    // A person is waited for, and nothing else.
    let plan = half().plan_on(unread);
    assert_eq!(
        (plan.step, plan.report.waiting_on),
        (None, WaitingOn::Promotion)
    );
    // The test rule's traffic is nobody's.
    let mut scene = autoscaled(settled()).released_to(Stage::Validate);
    let plan = scene.plan_on(unread);
    assert_eq!(weights(&plan), Some(([None, Some(100)], false)));
    // Somebody took the group out of the rule: it is named again, without weight.
    let mut scene = ready();
    scene.set(0, [Some(100), None]);
    let plan = scene.plan_on(unread);
    assert_eq!(weights(&plan), Some(([Some(100), Some(0)], true)));
}

#[test]
fn scale_in_that_is_to_be_resumed_waits_for_what_is_not_read() {
    let mut scene = autoscaled(settled());
    scene.watch(10);
    let plan = scene.plan_on(unread);
    assert_eq!(plan.report.waiting_on, WaitingOn::Nothing);
    let (_, record) = scene.lab.record.as_mut().unwrap();
    record.scale_in_suspended = Some(false);
    assert!(is_unread(&scene.plan_on(unread)));
}

/// Once green has traffic, what is missing of its autoscaling is what somebody made of it.
#[test]
fn what_somebody_takes_from_green_with_traffic_is_not_put_back_while_nothing_moves() {
    let mut scene = half();
    let green = name(&scene, 1);
    let scaling = scene.lab.scaling.get_mut(&green).unwrap();
    scaling.policies.clear();
    let plan = scene.plan();
    assert_eq!(
        (plan.step, plan.report.waiting_on),
        (None, WaitingOn::Promotion)
    );
    // Before more traffic moves it is, and its limits stay what they are.
    let mut scene = promoted();
    let scaling = scene.lab.scaling.get_mut(&green).unwrap();
    (scaling.min, scaling.max) = (2, 5);
    assert_eq!(weights(&scene.plan()), Some(([Some(0), Some(100)], true)));
    let scaling = scene.lab.scaling.get_mut(&green).unwrap();
    scaling.policies.clear();
    let put = Some(Write::SetScaling {
        name: green,
        change: Change::PutPolicy {
            name: "cpu".to_owned(),
            body: scene.lab.scaling[&name(&scene, 0)].policies["cpu"]
                .body
                .clone(),
        },
    });
    assert_eq!(scene.plan().step, put);
}

/// A policy that somebody else's alarm calls.
fn by_alarm(scene: &mut Scene) {
    let blue = name(scene, 0);
    let body = json!({"PolicyType": "StepScaling"});
    let step = Policy {
        body: body.as_object().unwrap().clone(),
        alarms: vec!["cpu-high".to_owned()],
    };
    let scaling = scene.lab.scaling.get_mut(&blue).unwrap();
    scaling.policies.insert("by-alarm".to_owned(), step);
}

#[test]
fn what_cannot_go_along_holds_the_first_traffic_and_no_later_one() {
    let mut scene = ready();
    by_alarm(&mut scene);
    assert_eq!(held(scene.plan()).label(), "AutoscalingNotSupported");
    let mut scene = promoted();
    by_alarm(&mut scene);
    assert_eq!(weights(&scene.plan()), Some(([Some(0), Some(100)], true)));
    // Nothing is to move yet.
    let mut scene = autoscaled(settled());
    scene.lab.wish("1.4.0");
    let _ = scene.until(|scene, _| scene.lab.services.len() == 2);
    by_alarm(&mut scene);
    assert_ne!(
        scene.plan().report.waiting_on.label(),
        "AutoscalingNotSupported"
    );
}

#[test]
fn what_sleeps_and_wakes_keeps_its_autoscaling() {
    let mut scene = autoscaled(settled());
    let blue = name(&scene, 0);
    scene.lab.scale(&blue, 0);
    scene.watch(10);
    let (from, to) = (0, 2);
    let wakes = Write::ScaleService {
        name: blue,
        from,
        to,
    };
    assert_eq!(scene.plan().step, Some(wakes));
}

/// A third service of ours that somebody deleted, of which AWS still knows how it was scaled.
fn deleted(scene: &mut Scene) -> String {
    let old = scene.lab.place("1.2.0", Side::B, 0, 0);
    scene.lab.autoscale(&old, 1, 9);
    scene.lab.delete(&old);
    old
}

#[test]
fn what_somebody_deleted_is_left_by_autoscaling_before_anything_is_waited_for() {
    let mut blog = application();
    blog.clean_up.keep_blue = seconds(300);
    let mut scene = autoscaled(settled_of(blog)).released_to(Stage::CleanUp);
    let plan = scene.until(|_, plan| plan.report.waiting_on == WaitingOn::KeepBlue);
    assert!(plan.report.until.is_some());
    let old = deleted(&mut scene);
    let plan = scene.plan();
    let ends = Write::SetScaling {
        name: old,
        change: Change::Deregister,
    };
    assert_eq!(plan.step, Some(ends));
    let report = plan.report;
    assert_eq!(
        (report.waiting_on, report.until),
        (WaitingOn::OwnStep, None)
    );
    // What AWS does not show any more, or is not ours, is nobody's business.
    let elses = |world: &mut World| {
        if let Read::Known { value, .. } = &mut world.services {
            for service in value {
                service.tags.ours &= service.status == ServiceStatus::Active;
            }
        }
    };
    assert_eq!(scene.plan_on(elses).report.waiting_on, WaitingOn::KeepBlue);
}

/// A person is to look first.
#[test]
fn what_is_held_is_held_with_its_autoscaling() {
    let mut scene = half();
    scene.lab.application.on_failure = OnFailure::Hold;
    let generation = scene.lab.desired.as_ref().unwrap().0;
    let (_, record) = scene.lab.record.as_mut().unwrap();
    record.rejected.push(Rejection {
        generation,
        version: "1.4.0".to_owned(),
        reason: "it failed".to_owned(),
        aborted: false,
    });
    let _ = deleted(&mut scene);
    scene.lab.advance(5_000);
    assert_eq!(held(scene.plan()).label(), "FailedAndHeld");
}

/// Green was created and is not autoscaled yet; blue is.
fn created(change: impl Fn(&mut Scene)) -> Change {
    let mut scene = autoscaled(settled());
    scene.lab.wish("1.4.0");
    let _ = scene.until(|scene, _| scene.lab.services.len() == 2);
    change(&mut scene);
    let green = name(&scene, 1);
    match scene.plan().step {
        Some(Write::SetScaling { name, change }) if name == green => change,
        other => panic!("{other:?}"),
    }
}

fn registers(min: u32, max: u32) -> Change {
    let suspended = Suspended {
        scale_in: true,
        ..Suspended::default()
    };
    Change::Register {
        min,
        max,
        suspended,
    }
}

#[test]
fn green_is_scaled_as_what_it_came_from_and_else_as_what_lives() {
    assert_eq!(created(|_| ()), registers(1, 9), "nobody is scaled in yet");
    let other = |scene: &mut Scene| {
        let other = scene.lab.place("1.2.0", Side::A, 1, 0);
        scene.lab.autoscale(&other, 3, 7);
        other
    };
    assert_eq!(created(|scene| drop(other(scene))), registers(1, 9));
    let unknown = |scene: &mut Scene| {
        let gone = other(scene);
        scene.lab.delete(&gone);
        scene.lab.services[1].shown.tags.blue = None;
    };
    assert_eq!(created(unknown), registers(1, 9));
}

#[test]
fn the_autoscaling_of_others_is_nobody_s() {
    let mut scene = settled();
    let other = scene.lab.place("1.2.0", Side::A, 0, 0);
    scene.lab.autoscale(&other, 3, 7);
    let others = scene.lab.services.last_mut().unwrap();
    others.shown.side = None;
    others.shown.tags.ours = false;
    scene.lab.wish("1.4.0");
    let _ = scene.until(|_, plan| plan.report.stage == Stage::Bake);
    assert_eq!(scene.lab.scaling.len(), 1, "{:?}", scene.lab.writes);
}

/// People had no scale-in suspended: that is written down before the first one is.
#[test]
fn how_people_had_scale_in_is_written_down_before_it_is_suspended() {
    let written = |scene: &mut Scene| match scene.first_plan_on(|_| ()).step {
        Some(Write::PutRecord(record)) => record.scale_in_suspended,
        other => panic!("{other:?}"),
    };
    let mut scene = ready();
    scene.lab.record.as_mut().unwrap().1.scale_in_suspended = None;
    scene.lab.advance(15_000);
    scene.watch(10);
    assert_eq!(written(&mut scene), Some(false));
    let mut scene = autoscaled(settled());
    scene.lab.wish("1.4.0");
    let _ = scene.until(|scene, _| scene.lab.services.len() == 2);
    scene.lab.advance(15_000);
    let mut record = None;
    for _ in 0..4 {
        record = match scene.first_plan_on(|_| ()).step {
            Some(Write::PutRecord(next)) => next.scale_in_suspended,
            _ => record,
        };
        let _ = scene.plan();
    }
    assert_eq!(record, Some(false));
    // What is registered with scale-in as it is suspends nothing.
    let mut scene = settled();
    scene.lab.application.autoscaling = Some(Autoscaling {
        min: 1,
        max: 9,
        policies: Default::default(),
        actions: Default::default(),
    });
    scene.watch(10);
    let plan = scene.first_plan_on(|_| ());
    assert!(
        matches!(plan.step, Some(Write::SetScaling { .. })),
        "{plan:?}"
    );
}

/// Somebody deleted a third one, and nothing else of its autoscaling is left: who lives takes it over.
#[test]
fn what_was_deleted_leaves_its_autoscaling_to_who_lives() {
    let mut scene = settled();
    let old = scene.lab.place("1.2.0", Side::B, 0, 0);
    scene.lab.autoscale(&old, 3, 7);
    scene.lab.delete(&old);
    scene.lab.wish("1.4.0");
    let plan = scene.plan();
    assert_eq!(plan.report.waiting_on.label(), "OwnStep", "{plan:?}");
    let Some(Write::SetScaling {
        name: scaled,
        change: Change::Register { min: 3, max: 7, .. },
    }) = plan.step
    else {
        panic!("{plan:?}")
    };
    assert_eq!(scaled, name(&scene, 0));
}

/// Of two that live, the one that is to serve takes it over.
#[test]
fn what_leaves_leaves_its_autoscaling_to_who_stays() {
    let mut scene = settled();
    let stays = name(&scene, 0);
    for (n, version) in [(1, "1.1.0"), (2, "1.2.0")] {
        let old = scene.lab.place(version, Side::B, 0, 0);
        let tags = &mut scene.lab.services.last_mut().unwrap().shown.tags;
        tags.blue = Some(stays.clone());
        tags.generation = Some(Generation {
            date: 1,
            version: n,
        });
        if n == 1 {
            scene.lab.autoscale(&old, 3, 7);
        }
    }
    scene.lab.set_production([Some(100), Some(0)]);
    scene.watch(60);
    let Some(Write::SetScaling { name, change }) = scene.plan().step else {
        panic!("{:?}", scene.plan())
    };
    assert_eq!(name, stays);
    assert!(matches!(change, Change::Register { min: 3, max: 7, .. }));
}

/// With a group for each release: nobody lives, and a service without a group stops.
#[test]
fn what_leaves_nobody_is_out_of_autoscaling_before_it_stops() {
    let mut scene = autoscaled(settled_of(per_release()));
    let blue = name(&scene, 0);
    scene.lab.wish("1.4.0");
    let groupless = |world: &mut World| {
        world.groups[0] = Read::known(None, planner::Mono(0));
        if let Read::Known { value, .. } = &mut world.services {
            value[0].side = None;
            value[0].group_gone = true;
        }
    };
    // One that somebody deleted keeps what is known of it as long as AWS shows it.
    let _ = deleted(&mut scene);
    assert_eq!(scene.plan_on(groupless).step, None);
    scene.lab.advance(10_000);
    let ends = Write::SetScaling {
        name: blue,
        change: Change::Deregister,
    };
    assert_eq!(scene.plan_on(groupless).step, Some(ends));
}

#[test]
fn people_are_told_of_scale_in_that_they_suspended_and_not_of_ours() {
    let notes = |before: Option<bool>| {
        let mut scene = autoscaled(settled());
        let blue = name(&scene, 0);
        let scaling = scene.lab.scaling.get_mut(&blue).unwrap();
        scaling.suspended.scale_in = true;
        scene.lab.record.as_mut().unwrap().1.scale_in_suspended = before;
        scene.watch(10);
        scene.plan().report.notes.len()
    };
    assert_eq!(notes(None), 1);
    assert_eq!(notes(Some(false)), 0);
    let mut moves = half();
    moves.lab.record.as_mut().unwrap().1.scale_in_suspended = None;
    moves.watch(20);
    let world = moves.first_plan_on(|_| ());
    assert_eq!(world.report.notes.len(), 0);
}

/// Traffic does not wait for a record that is refused, unless that says that all is handed over.
#[test]
fn a_record_that_is_refused_holds_up_traffic_only_where_it_claims_too_much() {
    let step = |clean: bool| {
        let mut blog = application();
        blog.strategy.steps = vec![Step::SetWeight(Share::of(1, 2)), Step::Pause(None)];
        let mut scene = settled_of(blog);
        scene.lab.wish("1.4.0");
        let _ = scene.until(|_, plan| plan.report.waiting_on == WaitingOn::Promotion);
        scene.lab.intents.promote = Some(Promote {
            rollout: scene.lab.desired.as_ref().unwrap().0,
            step: 1,
            full: true,
        });
        scene.lab.record.as_mut().unwrap().1.clean = clean;
        scene.watch(20);
        scene.operator.memory.record_refused = true;
        scene.first_plan_on(|_| ()).step
    };
    assert!(matches!(step(true), Some(Write::PutRecord(_))));
    assert!(matches!(step(false), Some(Write::SetWeights { .. })));
}
