//! S4 of workers, which no weight tells apart: one goes when another one works in its place.

use crd_schema::TargetGroupArn;
use crd_schema::record::{Generation, Record, Rejection};
use planner::Write;
use planner::lab::{application, worker};
use planner::release::{self, NewService};
use planner::scaling::Change;
use planner::world::{Side, World};
use serde_json::json;

use crate::scene::{Scene, absorbed, moving, property, scene_of, services, with};

/// Blue and green work, with two steady tasks each.
fn queue() -> Scene {
    scene_of(worker())
}

/// Blue is told to stop.
fn down(scene: &Scene) -> Write {
    Write::ScaleService {
        name: scene.blue.clone(),
        from: 2,
        to: 0,
    }
}

/// The service at this place has so many of its steady tasks left.
fn steady(index: usize, left: usize) -> impl Fn(&mut World) {
    move |world| {
        let service = &mut services(world)[index];
        while service.addresses.len() > left {
            service.addresses.pop_last();
        }
    }
}

fn rejection(generation: Generation) -> Rejection {
    Rejection {
        generation,
        version: "1.3.0".to_owned(),
        reason: "it failed".to_owned(),
        aborted: false,
    }
}

#[test]
fn another_one_has_as_many_steady_tasks_as_all_work_needs() {
    let mut scene = queue();
    let down = down(&scene);
    assert_eq!(with(&mut scene, &down, |_| ()), "allowed");
    assert_eq!(with(&mut scene, &down, steady(1, 1)), "S4");
    // One that is to have fewer covers with those; one that is to have none, with none.
    let asked = |desired: u32, left: usize| {
        move |world: &mut World| {
            services(world)[1].desired = desired;
            steady(1, left)(world);
        }
    };
    assert_eq!(with(&mut scene, &down, asked(1, 1)), "allowed");
    assert_eq!(with(&mut scene, &down, asked(0, 1)), "allowed");
    assert_eq!(with(&mut scene, &down, asked(0, 0)), "S4");
    assert_eq!(with(&mut scene, &down, asked(9, 2)), "allowed");
    let of_others = |world: &mut World| services(world)[1].tags.ours = false;
    assert_eq!(with(&mut scene, &down, of_others), "S4");
    let alone = |world: &mut World| drop(services(world).pop());
    assert_eq!(with(&mut scene, &down, alone), "S4", "not even itself");
    // What was written down says how many are needed.
    let world = absorbed(&mut scene);
    for (reference, expected) in [(0, "allowed"), (2, "allowed"), (3, "S4")] {
        scene.operator.memory.record = moving(reference);
        let asks = |world: &World| {
            let mut world = world.clone();
            services(&mut world)[1].desired = 3;
            world
        };
        let said = property(scene.check_on(&asks(&world), &down));
        assert_eq!(said, expected, "{reference}");
    }
}

/// It does harm as long as it works.
#[test]
fn for_one_that_was_rejected_one_steady_task_is_enough() {
    let mut scene = queue();
    let down = down(&scene);
    let generation = scene.lab.services[0].shown.tags.generation.unwrap();
    let record = Record {
        rejected: vec![rejection(generation)],
        ..Record::default()
    };
    let first = Generation {
        date: 1,
        version: 1,
    };
    scene.lab.record = Some((first, record));
    assert_eq!(with(&mut scene, &down, steady(1, 1)), "allowed");
    assert_eq!(with(&mut scene, &down, steady(1, 0)), "S4");
    // It is not the other one that was rejected.
    let generation = scene.lab.services[1].shown.tags.generation.unwrap();
    let (_, record) = scene.lab.record.as_mut().unwrap();
    record.rejected = vec![rejection(generation)];
    scene.operator.memory.record.rejected = vec![rejection(generation)];
    assert_eq!(with(&mut scene, &down, steady(1, 1)), "S4");
}

#[test]
fn one_that_sleeps_or_never_worked_goes_beside_another_one() {
    let mut scene = queue();
    let delete = Write::DeleteService {
        name: scene.blue.clone(),
    };
    let asleep = |world: &mut World| {
        let blue = &mut services(world)[0];
        (blue.desired, blue.running) = (0, 0);
        steady(1, 0)(world);
    };
    assert_eq!(with(&mut scene, &delete, asleep), "allowed");
    let alone = |world: &mut World| {
        asleep(world);
        services(world).pop();
    };
    assert_eq!(with(&mut scene, &delete, alone), "S4");
    let down = down(&scene);
    let dead = |green: u32| {
        move |world: &mut World| {
            steady(0, 0)(world);
            steady(1, 0)(world);
            services(world)[1].desired = green;
        }
    };
    assert_eq!(with(&mut scene, &down, dead(1)), "allowed");
    assert_eq!(with(&mut scene, &down, dead(0)), "S4", "green sleeps");
    // It works, or it was not looked at for long enough to tell.
    let works = |world: &mut World| {
        steady(0, 1)(world);
        steady(1, 0)(world);
    };
    assert_eq!(with(&mut scene, &down, works), "S4");
    // It is being updated in place, and works by the tasks that are to be replaced.
    let updated = |world: &mut World| {
        let blue = &mut services(world)[0];
        blue.outgoing = std::mem::take(&mut blue.addresses);
        steady(1, 0)(world);
    };
    assert_eq!(with(&mut scene, &down, updated), "S4");
    scene.operator.memory.health[Side::A.index()] = Default::default();
    let mut world = absorbed(&mut scene);
    dead(1)(&mut world);
    assert_eq!(property(scene.check_on(&world, &down)), "S4");
}

#[test]
fn a_service_with_a_load_balancer_is_none() {
    let mut scene = queue();
    let down = down(&scene);
    let balanced = |world: &mut World| services(world)[0].side = None;
    assert_eq!(with(&mut scene, &down, balanced), "S9");
}

#[test]
fn its_autoscaling_stays_where_it_is() {
    let mut scene = queue();
    let change = Write::SetScaling {
        name: scene.green.clone(),
        change: Change::Deregister,
    };
    assert_eq!(property(scene.check(&change)), "S18");
}

#[test]
fn a_new_one_is_bound_to_no_group() {
    let mut scene = queue();
    let green = scene.green.clone();
    scene.lab.delete(&green);
    scene.lab.advance(60_000);
    let generation = Generation {
        date: 2_000_000,
        version: 99,
    };
    let create = |scene: &Scene, group: Option<&TargetGroupArn>| {
        let new = NewService {
            name: "blog-new",
            task_definition: "td",
            side: Side::B,
            groups: group.into_iter().collect(),
            count: 2,
            digest: "d",
            version: "1.5.0",
            generation,
            blue: None,
        };
        let mut body = release::service(&scene.lab.application, &new);
        if let Some(group) = group {
            let bound = json!([{"targetGroupArn": group.as_str()}]);
            body.insert("loadBalancers".to_owned(), bound);
        }
        Write::CreateService {
            name: "blog-new".to_owned(),
            side: Side::B,
            body,
        }
    };
    let free = create(&scene, None);
    assert_eq!(property(scene.check(&free)), "allowed");
    let bound = create(&scene, Some(&TargetGroupArn::new("tg-b")));
    assert_eq!(property(scene.check(&bound)), "S9");
    // With a load balancer every service is bound to a group.
    let mut pair = scene_of(application());
    let green = pair.green.clone();
    pair.lab.delete(&green);
    pair.lab.advance(60_000);
    assert_eq!(property(pair.check(&free)), "S9");
    pair.lab.groups[1] = None;
    assert_eq!(property(pair.check(&free)), "S9");
}
