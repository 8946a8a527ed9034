//! Each condition of the guard decides alone: from a write that is allowed, one fact changes.

use crd_schema::TargetGroupArn;
use crd_schema::record::Generation;
use planner::ablation::{Rule as Ablation, Without};
use planner::release::{self, NewService};
use planner::world::{Action, Read, Revision, ServiceStatus, Side, World};
use planner::{Mono, Write};
use serde_json::json;

use crate::scene::{Scene, absorbed, property, rules, scene, services, with};

/// A create of a new generation on B, where green was.
fn create(scene: &mut Scene) -> Write {
    let green = scene.green.clone();
    scene.lab.delete(&green);
    scene.lab.advance(60_000);
    let generation = Generation {
        date: 2_000_000,
        version: 99,
    };
    let group = TargetGroupArn::new("tg-b");
    let new = NewService {
        name: "blog-new",
        task_definition: "td",
        side: Side::B,
        groups: vec![&group],
        count: 2,
        digest: "d",
        version: "1.5.0",
        generation,
        blue: None,
    };
    Write::CreateService {
        name: "blog-new".to_owned(),
        side: Side::B,
        body: release::service(&scene.lab.application, &new),
    }
}

#[test]
fn a_switched_off_guard_lets_everything_through_and_nothing_else_does() {
    let mut scene = scene();
    let blue = Write::ScaleService {
        name: scene.blue.clone(),
        from: 2,
        to: 0,
    };
    assert_eq!(property(scene.check(&blue)), "S4");
    scene.operator.tuning.without = Without::rules(&[Ablation::Guard]);
    assert_eq!(property(scene.check(&blue)), "allowed");
}

#[test]
fn a_record_may_always_be_written_while_nothing_is_outstanding() {
    let mut scene = scene();
    let record = Write::PutRecord(Box::default());
    let unread = |world: &mut World| {
        world.services = Read::Unread {
            reason: "throttled".to_owned(),
        };
    };
    assert_eq!(with(&mut scene, &record, unread), "allowed");
}

#[test]
fn a_task_definition_is_of_the_applications_family() {
    let mut scene = scene();
    let family = |name: &str| Write::RegisterTaskDefinition {
        digest: "d".to_owned(),
        body: json!({"family": name}).as_object().unwrap().clone(),
    };
    assert_eq!(property(scene.check(&family("blog-teal"))), "allowed");
    assert_eq!(property(scene.check(&family("blog"))), "S9");
}

#[test]
fn a_revision_that_goes_is_ours_and_nobody_runs_it() {
    let mut scene = scene();
    let old = Revision {
        arn: "td-old".to_owned(),
        digest: None,
        generation: None,
    };
    scene.lab.revisions.push(old);
    let go = |arn: &str| Write::DeregisterTaskDefinition {
        arn: arn.to_owned(),
    };
    assert_eq!(property(scene.check(&go("td-old"))), "allowed");
    assert_eq!(property(scene.check(&go("td-of-others"))), "S9");
    let used = scene.lab.services[0].shown.task_definition.clone();
    assert_eq!(property(scene.check(&go(&used))), "S9");
    let unread = |world: &mut World| {
        world.revisions = Read::Unread {
            reason: "throttled".to_owned(),
        };
    };
    assert_eq!(with(&mut scene, &go("td-old"), unread), "S9");
}

#[test]
fn each_read_that_counts_is_as_young_as_a_plan_may_be_old() {
    let mut scene = scene();
    let shift = scene.shift(Side::B);
    scene.lab.advance(60_000);
    scene.operator.tuning.evidence_age = std::time::Duration::from_secs(600);
    let oldest = Mono(scene.lab.now - 10_000);
    let older = Mono(scene.lab.now - 10_001);
    let dated = |services: Mono, rules: Mono| {
        move |world: &mut World| {
            if let Read::Known { at, .. } = &mut world.services {
                *at = services;
            }
            if let Read::Known { at, .. } = &mut world.rules {
                *at = rules;
            }
        }
    };
    assert_eq!(with(&mut scene, &shift, dated(oldest, oldest)), "allowed");
    assert_eq!(with(&mut scene, &shift, dated(older, oldest)), "S14");
    assert_eq!(with(&mut scene, &shift, dated(oldest, older)), "S14");
}

#[test]
fn what_was_not_read_is_not_touched() {
    let mut scene = scene();
    let name = || "blog-unseen".to_owned();
    for write in [
        Write::ScaleService {
            name: name(),
            from: 2,
            to: 3,
        },
        Write::DeleteService { name: name() },
        Write::TagService {
            name: name(),
            arn: name(),
            key: "k".to_owned(),
            value: "v".to_owned(),
        },
    ] {
        assert_eq!(property(scene.check(&write)), "S14", "{write:?}");
    }
    let shift = scene.shift(Side::B);
    assert_eq!(
        with(&mut scene, &shift, |world| rules(world).clear()),
        "S14"
    );
}

#[test]
fn a_service_that_is_changed_is_ours_and_active() {
    let mut scene = scene();
    let tag = Write::TagService {
        name: scene.blue.clone(),
        arn: "arn".to_owned(),
        key: "k".to_owned(),
        value: "v".to_owned(),
    };
    assert_eq!(property(scene.check(&tag)), "allowed");
    let foreign = |world: &mut World| services(world)[0].tags.ours = false;
    assert_eq!(with(&mut scene, &tag, foreign), "S9");
    for status in [ServiceStatus::Draining, ServiceStatus::Inactive] {
        assert_eq!(
            with(&mut scene, &tag, |world| services(world)[0].status = status),
            "S9"
        );
    }
}

#[test]
fn only_scaling_down_is_removal() {
    let mut scene = scene();
    let to = |scene: &Scene, to| Write::ScaleService {
        name: scene.blue.clone(),
        from: 2,
        to,
    };
    for (count, expected) in [(1, "S4"), (2, "allowed"), (3, "allowed")] {
        let write = to(&scene, count);
        assert_eq!(property(scene.check(&write)), expected, "to {count}");
    }
}

#[test]
fn a_service_that_is_deleted_wants_no_task_and_has_none() {
    let mut scene = scene();
    let green = scene.green.clone();
    scene.lab.scale(&green, 0);
    scene.lab.advance(60_000);
    let delete = Write::DeleteService { name: green };
    assert_eq!(with(&mut scene, &delete, |_| ()), "allowed");
    assert_eq!(
        with(&mut scene, &delete, |world| services(world)[1].desired = 1),
        "S5"
    );
    assert_eq!(
        with(&mut scene, &delete, |world| services(world)[1].running = 1),
        "S5"
    );
}

#[test]
fn a_service_that_is_removed_is_bound_to_the_pair() {
    let mut scene = scene();
    let down = Write::ScaleService {
        name: scene.green.clone(),
        from: 2,
        to: 0,
    };
    assert_eq!(with(&mut scene, &down, |_| ()), "allowed");
    assert_eq!(
        with(&mut scene, &down, |world| services(world)[1].side = None),
        "S9"
    );
}

#[test]
fn an_empty_service_beside_another_one_may_go_whatever_the_weights() {
    let mut scene = scene();
    let delete = Write::DeleteService {
        name: scene.green.clone(),
    };
    // Green has no tasks, on the group that has all weight, beside blue.
    let empty = |world: &mut World| {
        let green = &mut services(world)[1];
        green.side = Some(Side::A);
        green.desired = 0;
        green.running = 0;
        green.pending = 0;
    };
    assert_eq!(with(&mut scene, &delete, empty), "allowed");
    let pending = |world: &mut World| {
        empty(world);
        services(world)[1].pending = 1;
    };
    assert_eq!(with(&mut scene, &delete, pending), "S4");
    let alone = |world: &mut World| {
        empty(world);
        services(world).remove(0);
    };
    assert_eq!(with(&mut scene, &delete, alone), "S4");
    let company_elsewhere = |world: &mut World| {
        empty(world);
        services(world)[0].side = Some(Side::B);
    };
    assert_eq!(with(&mut scene, &delete, company_elsewhere), "S4");
    let company_not_ours = |world: &mut World| {
        empty(world);
        services(world)[0].tags.ours = false;
    };
    assert_eq!(with(&mut scene, &delete, company_not_ours), "S4");
    // Scaling down what still wants or has tasks is no removal of an empty service.
    let down = Write::ScaleService {
        name: scene.green.clone(),
        from: 2,
        to: 1,
    };
    let full = |world: &mut World| services(world)[1].side = Some(Side::A);
    assert_eq!(with(&mut scene, &down, full), "S4");
    let stopping = |world: &mut World| {
        empty(world);
        services(world)[1].running = 1;
        services(world)[1].desired = 2;
    };
    assert_eq!(with(&mut scene, &down, stopping), "S4");
}

#[test]
fn the_settle_time_counts_to_its_end() {
    let mut scene = scene();
    let down = Write::ScaleService {
        name: scene.green.clone(),
        from: 2,
        to: 0,
    };
    let world = absorbed(&mut scene);
    let since = |scene: &mut Scene, ms: u64| {
        scene.operator.memory.zero_since[1] = Some(Mono(scene.lab.now - ms));
    };
    since(&mut scene, 10_000);
    assert_eq!(property(scene.check_on(&world, &down)), "allowed");
    since(&mut scene, 9_999);
    assert_eq!(property(scene.check_on(&world, &down)), "S4");
    scene.operator.memory.zero_since[1] = None;
    assert_eq!(property(scene.check_on(&world, &down)), "S4");
}

#[test]
fn a_name_is_new_and_its_group_is_free() {
    let mut scene = scene();
    let write = create(&mut scene);
    assert_eq!(with(&mut scene, &write, |_| ()), "allowed");
    let gone = |world: &mut World| {
        let mut old = services(world)[0].clone();
        old.name = "blog-new".to_owned();
        old.status = ServiceStatus::Inactive;
        services(world).push(old);
    };
    assert_eq!(with(&mut scene, &write, gone), "S10");
    let bound = |world: &mut World| {
        let mut other = services(world)[0].clone();
        other.name = "blog-other".to_owned();
        other.side = Some(Side::B);
        other.desired = 0;
        other.running = 0;
        services(world).push(other);
    };
    assert_eq!(with(&mut scene, &write, bound), "S11");
    let bound_to_others = |world: &mut World| {
        bound(world);
        services(world)[1].tags.ours = false;
    };
    assert_eq!(with(&mut scene, &write, bound_to_others), "allowed");
}

#[test]
fn at_most_two_services_of_an_application_run() {
    let mut scene = scene();
    let write = create(&mut scene);
    let third = |desired: u32, running: u32| {
        move |world: &mut World| {
            let mut third = services(world)[0].clone();
            third.name = "blog-third".to_owned();
            third.desired = desired;
            third.running = running;
            services(world).push(third);
        }
    };
    assert_eq!(with(&mut scene, &write, third(0, 0)), "allowed");
    assert_eq!(with(&mut scene, &write, third(1, 0)), "S11");
    assert_eq!(with(&mut scene, &write, third(0, 1)), "S11");
}

#[test]
fn a_generation_is_carried_and_was_not_rejected_on_any_of_our_services() {
    let mut scene = scene();
    let write = create(&mut scene);
    let rejected = |ours: bool| {
        move |world: &mut World| {
            let service = &mut services(world)[0];
            service.tags.rejected = Some(Generation {
                date: 2_000_000,
                version: 99,
            });
            service.tags.ours = ours;
        }
    };
    assert_eq!(with(&mut scene, &write, rejected(true)), "S8");
    assert_eq!(with(&mut scene, &write, rejected(false)), "allowed");
    let Write::CreateService {
        name,
        side,
        mut body,
    } = write
    else {
        unreachable!()
    };
    for tag in body["tags"].as_array_mut().unwrap() {
        if tag["key"] == "teal:generation" {
            tag["key"] = json!("generation");
        }
    }
    let bare = Write::CreateService { name, side, body };
    assert_eq!(with(&mut scene, &bare, |_| ()), "S8");
}

#[test]
fn weight_on_a_rule_that_does_not_forward_is_none() {
    let mut scene = scene();
    let down = Write::ScaleService {
        name: scene.green.clone(),
        from: 2,
        to: 0,
    };
    let other = |world: &mut World| {
        rules(world)[0].action = Action::Other {
            kinds: "redirect".to_owned(),
        };
    };
    assert_eq!(with(&mut scene, &down, other), "allowed");
}

#[test]
fn weight_that_was_just_read_counts_before_any_memory_of_it() {
    let mut scene = scene();
    let down = Write::ScaleService {
        name: scene.green.clone(),
        from: 2,
        to: 0,
    };
    let weight = |side_b: u32| {
        move |world: &mut World| {
            rules(world)[0].action = Action::Forward {
                weights: [Some(100), Some(side_b)],
                others: Vec::new(),
                sticky: false,
            };
        }
    };
    assert_eq!(with(&mut scene, &down, weight(0)), "allowed");
    assert_eq!(with(&mut scene, &down, weight(1)), "S4");
}
