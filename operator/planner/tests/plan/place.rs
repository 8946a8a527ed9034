//! Where a new service finds its place, and what has to leave first.

use crd_schema::TargetGroupArn;
use planner::lab::{Lab, LabGroup, Operator, per_release};
use planner::world::{
    Group, Origin, Read, Service, ServiceStatus, Side, Target, TargetState, World,
};
use planner::{WaitingOn, Write};

use crate::scene::{Scene, held, holds, settled, settled_of};

/// 1.4.0 is wished for, and would be created on B.
fn wished() -> Scene {
    let mut scene = settled();
    scene.lab.wish("1.4.0");
    scene
}

fn creates(scene: &mut Scene) -> Side {
    let plan = scene.until(|_, plan| matches!(plan.step, Some(Write::CreateService { .. })));
    let Some(Write::CreateService { side, .. }) = plan.step else {
        unreachable!()
    };
    side
}

fn target(address: &str, state: TargetState) -> Target {
    Target {
        address: address.to_owned(),
        zone: None,
        state,
        reason: None,
    }
}

fn on_b(targets: Vec<Target>) -> impl Fn(&mut World) {
    move |world| {
        if let Read::Known {
            value: Some(group), ..
        } = &mut world.groups[1]
        {
            group.targets.extend(targets.clone());
        }
    }
}

fn service_on_b(change: impl Fn(&mut Service)) -> impl Fn(&mut World) {
    move |world| {
        if let Read::Known { value, .. } = &mut world.services {
            let mut old = value[0].clone();
            old.name = "blog-old".to_owned();
            old.side = Some(Side::B);
            old.desired = 0;
            old.running = 0;
            change(&mut old);
            value.push(old);
        }
    }
}

/// What is waited for before there is room.
fn room(change: impl Fn(&mut World)) -> Option<String> {
    let plan = wished().plan_on(change);
    let WaitingOn::OldServiceGone { what } = plan.report.waiting_on else {
        assert!(plan.step.is_some(), "{plan:?}");
        return None;
    };
    assert_eq!(plan.step, None);
    Some(what)
}

#[test]
fn a_group_is_empty_before_a_service_is_created_on_it() {
    assert_eq!(room(|_| ()), None);
    let leaves = service_on_b(|old| old.status = ServiceStatus::Draining);
    assert_eq!(
        room(leaves).as_deref(),
        Some("service blog-old is DRAINING")
    );
    // On the other group, and long gone, it is in nobody's way.
    assert_eq!(
        room(service_on_b(|old| {
            old.status = ServiceStatus::Draining;
            old.side = Some(Side::A);
        })),
        None
    );
    assert_eq!(
        room(service_on_b(|old| old.status = ServiceStatus::Inactive)),
        None
    );
    let draining = vec![
        target("10.0.0.98:8080", TargetState::Draining),
        target("10.0.0.99:8080", TargetState::Draining),
    ];
    assert_eq!(
        room(on_b(draining)).as_deref(),
        Some("2 targets of tg-b are draining")
    );
}

#[test]
fn targets_of_nobody_are_a_person_s_and_those_of_a_service_that_is_gone_are_waited_for() {
    let stranger = || on_b(vec![target("10.9.9.9:8080", TargetState::Healthy)]);
    let told = held(wished().plan_on(stranger())).message();
    assert!(
        told.contains("target group tg-b has target 10.9.9.9:8080"),
        "{told}"
    );
    let gone = service_on_b(|old| old.status = ServiceStatus::Inactive);
    let both = |world: &mut World| {
        stranger()(world);
        gone(world);
    };
    assert_eq!(
        room(both).as_deref(),
        Some("targets of a deleted service in tg-b")
    );
    // One that is gone from the other group explains nothing.
    let elsewhere = service_on_b(|old| {
        old.status = ServiceStatus::Inactive;
        old.side = Some(Side::A);
    });
    holds(
        wished().plan_on(|world| {
            stranger()(world);
            elsewhere(world);
        }),
        "GroupUnusable",
        "10.9.9.9",
    );
}

/// ECS would refuse a service on a group that no rule names.
#[test]
fn of_two_empty_groups_the_one_that_a_rule_names_is_taken() {
    let empty = |weights| {
        let mut scene = settled();
        let name = scene.lab.services[0].shown.name.clone();
        scene.lab.delete(&name);
        scene.lab.advance(120_000);
        scene.set(0, weights);
        scene.set(1, weights);
        scene.watch(60);
        scene
    };
    assert_eq!(creates(&mut empty([Some(40), Some(60)])), Side::B);
    assert_eq!(creates(&mut empty([Some(60), Some(40)])), Side::A);
    assert_eq!(creates(&mut empty([None, Some(0)])), Side::B);
    // Nobody else is there: what weight there is stays.
    let plan = empty([Some(60), Some(40)]).plan();
    assert!(
        !matches!(plan.step, Some(Write::SetWeights { .. })),
        "{plan:?}"
    );
}

/// Blue is on A, and B, where green is to come, has weight.
fn beside(weights: [Option<u32>; 2], blue: impl Fn(&mut Scene)) -> planner::Plan {
    let mut scene = wished();
    blue(&mut scene);
    scene.set(0, weights);
    scene.watch(20);
    scene.plan()
}

fn dead(scene: &mut Scene) {
    scene.lab.broken.insert("1.3.0".to_owned());
}

fn weights(plan: &planner::Plan) -> Option<[Option<u32>; 2]> {
    match &plan.step {
        Some(Write::SetWeights { weights, .. }) => Some(weights.get()),
        Some(_) | None => None,
    }
}

#[test]
fn beside_a_service_weight_leaves_the_empty_group_before_anything_new_starts_there() {
    assert_eq!(
        weights(&beside([Some(60), Some(40)], dead)),
        Some([Some(60), Some(0)])
    );
    let plan = beside([Some(60), Some(0)], dead);
    assert_eq!(weights(&plan), None);
    assert!(plan.step.is_some(), "{plan:?}");
}

/// All weight is on the empty group, where none can leave.
#[test]
fn what_may_turn_out_to_live_is_given_the_weight_before_anything_new_starts_under_it() {
    let all_on_b = [Some(0), Some(100)];
    // It lives in one reading, and in another it does not.
    let unclear = |scene: &mut Scene| {
        dead(scene);
        scene.set(0, all_on_b);
        scene.watch(20);
        scene.lab.broken.clear();
    };
    let mut scene = wished();
    unclear(&mut scene);
    let plan = scene.plan();
    assert_eq!(plan.step, None);
    assert_eq!(
        plan.report.waiting_on,
        WaitingOn::HealthyTargets {
            healthy: 0,
            need: 2
        }
    );
    // Dead, or told to stop: it never will.
    assert!(beside(all_on_b, dead).step.is_some());
    let mut scene = wished();
    unclear(&mut scene);
    let leaves = |world: &mut World| {
        if let Read::Known { value, .. } = &mut world.services {
            value[0].desired = 0;
        }
    };
    assert!(scene.plan_on(leaves).step.is_some());
    // The empty group has no weight: nothing starts under traffic.
    let mut scene = wished();
    dead(&mut scene);
    scene.watch(20);
    scene.lab.broken.clear();
    assert!(scene.plan().step.is_some());
}

/// 1.3.0 serves on a group of its own.
fn each() -> Scene {
    settled_of(per_release())
}

fn late(scene: &Scene) -> LabGroup {
    let like = scene.lab.groups[0].clone().unwrap();
    LabGroup {
        arn: TargetGroupArn::new("tg-late"),
        origin: Origin::Ours {
            name: "blog-late".to_owned(),
        },
        ..like
    }
}

#[test]
fn attributes_are_completed_only_before_a_rule_names_the_group() {
    let lacks = |world: &mut World| {
        if let Read::Known {
            value: Some(Group { attributes, .. }),
            ..
        } = &mut world.groups[1]
        {
            attributes.clear();
        }
    };
    let sets = |plan: &planner::Plan| matches!(plan.step, Some(Write::SetGroupAttributes { .. }));
    let mut scene = each();
    scene.lab.wish("1.4.0");
    let _ = scene.until(|_, plan| sets(plan));
    scene.lab.advance(15_000);
    assert!(sets(&scene.plan_on(lacks)));
    let _ = scene.until(|_, plan| weights(plan).is_some());
    scene.lab.advance(15_000);
    assert!(!sets(&scene.plan_on(lacks)));
}

/// A group of ours that holds the side of the next release, without a service, and with weight; blue may be dead.
#[test]
fn a_stale_group_loses_its_weight_before_it_goes() {
    let stale = |weight: u32| {
        let mut scene = each();
        dead(&mut scene);
        scene.lab.groups[1] = Some(late(&scene));
        scene.lab.wish("1.4.0");
        scene.set(0, [Some(60), Some(weight)]);
        scene.watch(60);
        scene.plan()
    };
    assert_eq!(weights(&stale(40)), Some([Some(60), Some(0)]));
    assert_eq!(weights(&stale(0)), Some([Some(60), None]));
}

fn serviced(change: impl Fn(&mut Service)) -> impl Fn(&mut World) {
    move |world| {
        if let Read::Known { value, .. } = &mut world.services {
            let mut more = value[0].clone();
            more.name = "blog-more".to_owned();
            more.side = None;
            change(&mut more);
            value.push(more);
        }
    }
}

#[test]
fn a_service_without_a_group_is_deleted_when_its_tasks_have_ended() {
    let plan = |desired: u32, running: u32, pending: u32| {
        let mut scene = each();
        scene.lab.wish("1.4.0");
        let groupless = serviced(move |old| {
            old.group_gone = true;
            old.desired = desired;
            old.running = running;
            old.pending = pending;
        });
        let _ = scene.plan_on(&groupless);
        scene.lab.advance(10_000);
        scene.plan_on(&groupless)
    };
    assert!(matches!(
        plan(2, 2, 0).step,
        Some(Write::ScaleService { to: 0, .. })
    ));
    for (running, pending) in [(1, 0), (0, 1)] {
        let plan = plan(0, running, pending);
        assert_eq!(plan.step, None);
        assert_eq!(plan.report.waiting_on.label(), "Drain");
    }
    assert!(matches!(
        plan(0, 0, 0).step,
        Some(Write::DeleteService { .. })
    ));
}

/// A service of ours on a spare group could serve on no side: that group goes first. Other things wait for a person.
#[test]
fn the_group_of_a_stranded_service_goes_before_a_person_is_asked() {
    let person = |world: &mut World| {
        if let Read::Known {
            value: Some(group), ..
        } = &mut world.groups[0]
        {
            group.sticky = true;
        }
    };
    let plan = |change: fn(&mut Service)| {
        let mut scene = each();
        let spare = late(&scene);
        scene.lab.spares.push(spare);
        scene.watch(60);
        let stranded = serviced(change);
        scene.plan_on(|world| {
            person(world);
            stranded(world);
        })
    };
    let stranded = plan(|_| ());
    assert!(
        matches!(stranded.step, Some(Write::DeleteTargetGroup { .. })),
        "{stranded:?}"
    );
    let others: [fn(&mut Service); 4] = [
        |more| more.tags.ours = false,
        |more| more.status = ServiceStatus::Inactive,
        |more| more.side = Some(Side::B),
        |more| more.group_gone = true,
    ];
    for change in others {
        holds(plan(change), "GroupUnusable", "stickiness");
    }
    // With a pair a person decides.
    holds(
        settled().plan_on(serviced(|_| ())),
        "ServiceElsewhere",
        "blog-more",
    );
}

/// Of the sides for a group of its own: the one that it holds already, else an empty one, else the one with less to lose.
#[test]
fn a_release_takes_the_side_of_its_own_group_and_else_an_empty_one() {
    let mut scene = each();
    scene.lab.wish("1.4.0");
    assert_eq!(creates(&mut scene.clone()), Side::B);
    // Nothing serves, and each side has a stale group: the one without weight goes.
    let stale = |weights| {
        let mut scene = each();
        let name = scene.lab.services[0].shown.name.clone();
        scene.lab.delete(&name);
        scene.lab.advance(120_000);
        scene.lab.groups[1] = Some(late(&scene));
        scene.set(0, weights);
        scene.set(1, weights);
        scene.lab.wish("1.4.0");
        scene.watch(60);
        scene.plan()
    };
    assert_eq!(
        weights(&stale([Some(100), Some(0)])),
        Some([Some(100), None])
    );
    assert_eq!(
        weights(&stale([Some(0), Some(100)])),
        Some([None, Some(100)])
    );
}

/// 1.3.0 lives on B, and the template, which no release serves on, has the other side.
fn beside_the_template(weights: [Option<u32>; 2]) -> Scene {
    let mut lab = Lab::new(per_release());
    lab.advance(100_000);
    lab.template_serves = true;
    lab.place("1.3.0", Side::B, 2, 0);
    lab.set_production(weights);
    lab.wish("1.4.0");
    let operator = Operator::new(&lab);
    let mut scene = Scene { lab, operator };
    scene.watch(60);
    scene
}

#[test]
fn beside_the_template_what_has_no_traffic_makes_room_and_what_has_some_does_not() {
    let plan = beside_the_template([Some(100), Some(0)]).plan();
    assert_eq!(weights(&plan), Some([Some(100), None]));
    let plan = beside_the_template([Some(60), Some(40)]).plan();
    assert_eq!(weights(&plan), Some([Some(0), Some(40)]));
}

/// Blue went with its group while green's group was there already.
#[test]
fn the_group_that_was_made_for_a_release_is_its_place_wherever_else_there_is_room() {
    let mut scene = each();
    scene.lab.wish("1.4.0");
    let _ = scene.until(|_, plan| matches!(plan.step, Some(Write::CreateTargetGroup { .. })));
    let blue = scene.lab.services[0].shown.name.clone();
    scene.lab.delete(&blue);
    scene.lab.advance(120_000);
    scene.lab.empty_side(Side::A);
    for n in 0..scene.lab.rules.len() {
        scene.set(n, [None, Some(100)]);
    }
    assert_eq!(creates(&mut scene), Side::B);
    let made = scene.lab.writes.iter();
    let made = made.filter(|write| write.starts_with("create target group"));
    assert_eq!(made.count(), 1);
}
