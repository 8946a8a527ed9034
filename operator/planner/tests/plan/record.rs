//! What is written down, before the write whose meaning depends on it.

use crd_schema::record::{Generation, Outcome, Record, Rejection, Stage};
use planner::lab::{Lab, Operator, application, per_release};
use planner::world::{Read, ServiceStatus, Side, World};
use planner::{Write, world::Base};

use crate::scene::{Scene, at, settled, settled_of};

fn record(scene: &Scene) -> Record {
    scene
        .lab
        .record
        .as_ref()
        .expect("one was written")
        .1
        .clone()
}

fn rejection(version: i64) -> Rejection {
    Rejection {
        generation: Generation { date: 1, version },
        version: "1.0.0".to_owned(),
        reason: "it failed".to_owned(),
        aborted: false,
    }
}

#[test]
fn a_rejection_leaves_the_earlier_ones_where_they_are() {
    let mut scene = settled();
    scene.lab.record.as_mut().unwrap().1.rejected = vec![rejection(1), rejection(2)];
    scene.lab.broken.insert("1.4.0".to_owned());
    scene.lab.wish("1.4.0");
    let wish = scene.lab.desired.as_ref().unwrap().0;
    let _ = scene.until(|_, plan| plan.report.rejected.is_some());
    let rejected = record(&scene).rejected;
    let generations: Vec<_> = rejected.iter().map(|r| r.generation.version).collect();
    assert_eq!(generations, [1, 2, wish.version]);
}

/// The largest of those that are not wished for and want tasks.
#[test]
fn what_traffic_needs_is_written_down_from_the_service_that_serves() {
    let reference = |count: u32| {
        let mut scene = settled();
        let blue = scene.lab.services[0].shown.name.clone();
        scene.lab.scale(&blue, count);
        scene.lab.advance(60_000);
        scene.watch(10);
        scene.lab.wish("1.4.0");
        let _ = scene.plan();
        record(&scene).rollout.unwrap().reference
    };
    assert_eq!(reference(3), 3);
    assert_eq!(reference(1), 1);
    // Green's own size is not what blue needs.
    let mut scene = at(Stage::Validate);
    let green = scene.lab.services[1].shown.name.clone();
    scene.lab.scale(&green, 7);
    scene.watch(20);
    let _ = scene.plan();
    assert_eq!(record(&scene).rollout.unwrap().reference, 2);
    // One that is put to sleep says nothing: what was written down stays.
    let mut scene = at(Stage::Bake);
    scene
        .lab
        .record
        .as_mut()
        .unwrap()
        .1
        .rollout
        .as_mut()
        .unwrap()
        .reference = 4;
    let blue = scene.lab.services[0].shown.name.clone();
    scene.lab.scale(&blue, 0);
    scene.lab.advance(5_000);
    let _ = scene.plan();
    assert_eq!(record(&scene).rollout.unwrap().reference, 4);
}

#[test]
fn a_rollout_keeps_to_the_base_that_it_began_with_when_it_can_be_rendered() {
    let revision = |world: &mut World, n: u32| {
        if let Read::Known {
            value: Base::Found { revision, .. },
            ..
        } = &mut world.base
        {
            *revision = format!("blog:{n}");
        }
    };
    let mut scene = settled();
    scene.lab.wish("1.4.0");
    let _ = scene.plan_on(|world| revision(world, 7));
    let base = |scene: &Scene| record(scene).rollout.unwrap().base;
    assert_eq!(base(&scene).as_deref(), Some("blog:7"));
    let _ = scene.plan_on(|world| revision(world, 8));
    assert_eq!(base(&scene).as_deref(), Some("blog:7"));
    // One without the container is not kept to: a better one is waited for.
    let mut scene = settled();
    scene.lab.wish("1.4.0");
    let _ = scene.plan_on(|world| {
        if let Read::Known {
            value: Base::Found { definition, .. },
            ..
        } = &mut world.base
        {
            definition.insert("containerDefinitions".to_owned(), serde_json::json!([]));
        }
    });
    assert_eq!(base(&scene), None);
    let _ = scene.plan_on(|world| revision(world, 9));
    assert_eq!(base(&scene).as_deref(), Some("blog:9"));
}

/// AWS shows a deleted service for a while: its name is not used again.
#[test]
fn a_name_that_was_seen_on_anything_gone_is_passed_over() {
    let named = |status: ServiceStatus, ours: bool| {
        let mut scene = settled();
        scene.lab.wish("1.4.0");
        let mut probe = scene.clone();
        let plan = probe.until(|_, plan| matches!(plan.step, Some(Write::CreateService { .. })));
        let Some(Write::CreateService { name, .. }) = plan.step else {
            unreachable!()
        };
        let gone = |world: &mut World| {
            if let Read::Known { value, .. } = &mut world.services {
                let mut old = value[0].clone();
                old.name = name.clone();
                old.status = status;
                old.tags.ours = ours;
                old.side = None;
                value.push(old);
            }
        };
        for _ in 0..20 {
            let plan = scene.plan_on(gone);
            match plan.step {
                Some(Write::CreateService { name: next, .. }) => return next == name,
                Some(write) => {
                    let now = scene.clock();
                    let Operator { memory, tuning, .. } = &mut scene.operator;
                    memory.sending(&write, tuning, now);
                    let outcome = scene.lab.apply(&write);
                    memory.note(&write, &outcome, tuning, now);
                }
                None => {}
            }
            scene.lab.advance(10_000);
        }
        panic!("never created")
    };
    assert!(!named(ServiceStatus::Inactive, true));
    assert!(!named(ServiceStatus::Draining, true));
    assert!(!named(ServiceStatus::Active, false));
}

/// A rollout whose next name is taken begins its stage again: it could do nothing until now.
#[test]
fn a_group_s_name_that_is_taken_is_passed_over_upwards() {
    let mut scene = settled_of(per_release());
    scene.lab.wish("1.4.0");
    let mut probe = scene.clone();
    let plan = probe.until(|_, plan| matches!(plan.step, Some(Write::CreateTargetGroup { .. })));
    let Some(Write::CreateTargetGroup { name, .. }) = plan.step else {
        unreachable!()
    };
    let before = record(&probe).created;
    scene.lab.taken.insert(name.clone());
    let plan = scene.until(|_, plan| matches!(plan.step, Some(Write::CreateTargetGroup { .. })));
    let Some(Write::CreateTargetGroup { name: next, .. }) = plan.step else {
        unreachable!()
    };
    assert_ne!(next, name);
    assert_eq!(record(&scene).created, before + 1);
}

/// The record is lost while 1.4.0 is being undone for 1.5.0: that it was one is remembered.
#[test]
fn a_lost_record_of_what_is_undone_is_written_anew() {
    let mut lab = Lab::new(application());
    lab.advance(100_000);
    let stays = lab.place("1.3.0", Side::A, 2, 0);
    lab.place("1.4.0", Side::B, 2, 0);
    lab.set_production([Some(100), Some(0)]);
    lab.wish("1.5.0");
    let operator = Operator::new(&lab);
    let mut scene = Scene { lab, operator };
    scene.watch(60);
    let _ = scene.plan();
    let rollout = record(&scene).rollout.unwrap();
    assert_eq!(rollout.stage, Stage::RollBack);
    assert_eq!(rollout.release.version, "1.4.0", "not {stays}");
}

/// What once succeeded is what is fallen back to; what was rejected never is.
#[test]
fn the_last_good_release_is_the_one_that_served_alone_and_was_not_rejected() {
    let mut scene = settled();
    let good = |scene: &Scene| record(scene).last_good.map(|good| good.version);
    assert_eq!(good(&scene).as_deref(), Some("1.3.0"));
    scene.lab.broken.insert("1.4.0".to_owned());
    scene.lab.wish("1.4.0");
    let _ = scene.until(|_, plan| {
        plan.report.rejected.is_some() && plan.report.waiting_on == planner::WaitingOn::Nothing
    });
    assert_eq!(good(&scene).as_deref(), Some("1.3.0"));
    assert_eq!(
        record(&scene).history.last().unwrap().outcome,
        Outcome::RolledBack
    );
    scene.lab.wish("1.5.0");
    let _ = scene.until(|_, plan| plan.report.converged);
    assert_eq!(good(&scene).as_deref(), Some("1.5.0"));
    // Which revision it ran is known, and kept when the same serves on.
    let kept = record(&scene).last_good.unwrap();
    assert!(kept.task_definition.is_some());
    scene
        .lab
        .record
        .as_mut()
        .unwrap()
        .1
        .last_good
        .as_mut()
        .unwrap()
        .generation = Generation {
        date: 1,
        version: 1,
    };
    let _ = scene.plan();
    assert_eq!(record(&scene).last_good.unwrap().generation.version, 1);
}

/// By how many were made it is told how often a name was taken.
#[test]
fn a_service_that_is_there_already_is_not_counted_as_made() {
    let made = |placed: bool| {
        let mut scene = settled();
        let before = record(&scene).created;
        if placed {
            scene.lab.place("1.4.0", Side::B, 2, 0);
        }
        scene.lab.wish("1.4.0");
        let _ = scene.until(|scene, _| record(scene).rollout.is_some());
        record(&scene).created - before
    };
    assert_eq!(made(false), 1);
    assert_eq!(made(true), 0);
}
