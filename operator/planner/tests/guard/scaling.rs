//! S18: no capacity is lost, and no autoscaling.

use crd_schema::application::Autoscaling;
use crd_schema::record::Record;
use planner::scaling::{Change, Scaling, Suspended};
use planner::world::{Read, Role, ServiceStatus, Side};
use planner::{Weights, World, Write};

use crate::scene::{Scene, absorbed, moving, property, rules, scene, services, with};

const IN: Suspended = Suspended {
    scale_in: true,
    scale_out: false,
    scheduled: false,
};

/// Green was created beside blue, which is autoscaled.
fn scaled() -> Scene {
    let mut scene = scene();
    let blue = scene.blue.clone();
    scene.lab.autoscale(&blue, 1, 9);
    let green = scene.lab.services.iter_mut();
    let mut green = green.filter(|service| service.shown.name == scene.green);
    green.next().unwrap().shown.tags.blue = Some(blue);
    scene
}

fn set(name: &str, change: Change) -> Write {
    Write::SetScaling {
        name: name.to_owned(),
        change,
    }
}

fn suspend(scene: &mut Scene, name: &str) {
    scene.lab.scaling.get_mut(name).unwrap().suspended = IN;
}

#[test]
fn traffic_leaves_only_what_cannot_be_scaled_in_for_what_is_scaled_too() {
    let mut scene = scaled();
    let (blue, green) = (scene.blue.clone(), scene.green.clone());
    let shift = scene.shift(Side::B);
    assert_eq!(
        property(scene.check(&shift)),
        "S18",
        "green is not autoscaled"
    );
    scene.lab.autoscale(&green, 1, 9);
    assert_eq!(
        property(scene.check(&shift)),
        "S18",
        "blue may be scaled in"
    );
    suspend(&mut scene, &blue);
    assert_eq!(property(scene.check(&shift)), "allowed");
    let mut world = scene.lab.observe();
    world.scaling = Read::Unread {
        reason: "throttled".to_owned(),
    };
    assert_eq!(property(scene.check_on(&world, &shift)), "S14");
}

#[test]
fn no_way_back_waits_for_autoscaling() {
    let mut scene = scaled();
    let green = scene.green.clone();
    scene.lab.autoscale(&green, 1, 9);
    scene.lab.set_production([Some(0), Some(100)]);
    let mut back = scene.shift(Side::A);
    if let Write::SetWeights { seen, .. } = &mut back {
        *seen = [Some(0), Some(100)];
    }
    assert_eq!(property(scene.check(&back)), "allowed");
}

#[test]
fn what_is_registered_is_neither_scaled_down_nor_deleted() {
    let mut scene = scaled();
    let green = scene.green.clone();
    scene.lab.autoscale(&green, 1, 9);
    scene.lab.advance(60_000);
    let down = Write::ScaleService {
        name: green.clone(),
        from: 2,
        to: 0,
    };
    assert_eq!(property(scene.check(&down)), "S18");
    scene.lab.scaling.remove(&green);
    assert_eq!(property(scene.check(&down)), "allowed");
}

#[test]
fn autoscaling_is_never_taken_from_what_serves_and_never_lost() {
    let mut scene = scaled();
    let (blue, green) = (scene.blue.clone(), scene.green.clone());
    assert_eq!(property(scene.check(&set(&blue, Change::Deregister))), "S4");
    scene.lab.autoscale(&green, 1, 9);
    scene.lab.advance(60_000);
    assert_eq!(
        property(scene.check(&set(&green, Change::Deregister))),
        "allowed"
    );
    // Blue does not have green's policy, and green was not made beside it.
    let services = scene.lab.services.iter_mut();
    services.for_each(|service| service.shown.tags.blue = None);
    scene.lab.scaling.get_mut(&blue).unwrap().policies.clear();
    assert_eq!(
        property(scene.check(&set(&green, Change::Deregister))),
        "S18"
    );
    let stranger = set("stranger", Change::Suspend(IN));
    assert_eq!(property(scene.check(&stranger)), "S14");
}

#[test]
fn scale_in_is_not_resumed_while_traffic_is_split() {
    let mut scene = scaled();
    let blue = scene.blue.clone();
    suspend(&mut scene, &blue);
    let resume = set(&blue, Change::Suspend(Suspended::default()));
    assert_eq!(property(scene.check(&resume)), "allowed");
    let half = Weights::split(Side::B, 50).get();
    scene.lab.set_production(half);
    assert_eq!(property(scene.check(&resume)), "S18");
}

#[test]
fn what_was_read_of_autoscaling_is_as_young_as_a_plan_may_be_old() {
    let mut scene = scaled();
    let suspend = set(&scene.blue, Change::Suspend(IN));
    let dated = |ms: u64| {
        let at = planner::Mono(scene.lab.now - ms);
        move |world: &mut World| {
            if let Read::Known { at: read, .. } = &mut world.scaling {
                *read = at;
            }
        }
    };
    let (young, old) = (dated(10_000), dated(10_001));
    assert_eq!(with(&mut scene, &suspend, young), "allowed");
    assert_eq!(with(&mut scene, &suspend, old), "S14");
}

/// Only what leaves the service that green was created beside waits, and only while that one lives.
#[test]
fn traffic_that_leaves_nobody_waits_for_no_autoscaling() {
    let mut scene = scaled();
    let shift = |scene: &Scene, weights: [Option<u32>; 2]| {
        let mut write = scene.shift(Side::B);
        if let Write::SetWeights { weights: next, .. } = &mut write {
            *next = Weights::new(weights).unwrap();
        }
        write
    };
    let rises = shift(&scene, [Some(100), Some(50)]);
    assert_eq!(property(scene.check(&rises)), "allowed", "nothing leaves");
    let falls = shift(&scene, [Some(99), Some(50)]);
    assert_eq!(property(scene.check(&falls)), "S18");
    // Blue is not what green came from, or nothing is registered for it.
    let stranger = |world: &mut World| services(world)[1].tags.blue = Some("blog-older".to_owned());
    assert_eq!(with(&mut scene, &falls, stranger), "allowed");
    let free = |world: &mut World| registered(world).clear();
    assert_eq!(with(&mut scene, &falls, free), "allowed");
    // Blue has died, and the rest of the traffic lives on green.
    scene.lab.set_production([Some(50), Some(50)]);
    scene.lab.broken.insert("1.3.0".to_owned());
    for _ in 0..4 {
        drop(absorbed(&mut scene));
        scene.lab.advance(5_000);
    }
    let rescue = shift(&scene, [Some(0), Some(100)]);
    assert_eq!(property(scene.check(&rescue)), "allowed");
}

fn registered(world: &mut World) -> &mut std::collections::BTreeMap<String, Scaling> {
    match &mut world.scaling {
        Read::Known { value, .. } => value,
        Read::Unread { .. } => panic!("the scene is read"),
    }
}

/// AWS brings the count within the limits at once.
#[test]
fn limits_take_no_task_from_what_serves_while_traffic_moves() {
    let mut scene = scaled();
    let register = |name: &str, max: u32| {
        let suspended = IN;
        set(
            name,
            Change::Register {
                min: 1,
                max,
                suspended,
            },
        )
    };
    let (blue, green) = (scene.blue.clone(), scene.green.clone());
    let says = |scene: &mut Scene, on_its_way: bool, write: &Write| {
        let world = absorbed(scene);
        scene.operator.memory.record = if on_its_way {
            moving(2)
        } else {
            Record::default()
        };
        property(scene.check_on(&world, write))
    };
    assert_eq!(says(&mut scene, true, &register(&blue, 2)), "allowed");
    assert_eq!(says(&mut scene, true, &register(&blue, 1)), "S18");
    assert_eq!(says(&mut scene, false, &register(&blue, 1)), "allowed");
    assert_eq!(says(&mut scene, true, &register(&green, 1)), "allowed");
    // The test rule's traffic is not what counts.
    let test = |world: &mut World| rules(world)[0].role = Role::Test;
    let mut world = absorbed(&mut scene);
    test(&mut world);
    scene.operator.memory.record = moving(2);
    let write = register(&blue, 1);
    assert_eq!(property(scene.check_on(&world, &write)), "allowed");
}

#[test]
fn only_what_resumes_scale_in_waits_for_whole_traffic() {
    let mut scene = scaled();
    let blue = scene.blue.clone();
    suspend(&mut scene, &blue);
    scene.lab.set_production([Some(50), Some(50)]);
    let (min, max) = (1, 9);
    let register = |suspended| {
        let change = Change::Register {
            min,
            max,
            suspended,
        };
        set(&blue, change)
    };
    assert_eq!(
        property(scene.check(&register(Suspended::default()))),
        "S18"
    );
    assert_eq!(property(scene.check(&register(IN))), "allowed");
    assert_eq!(
        property(scene.check(&set(&blue, Change::Suspend(IN)))),
        "allowed"
    );
    let policy = Change::PutPolicy {
        name: "cpu".to_owned(),
        body: Default::default(),
    };
    assert_eq!(property(scene.check(&set(&blue, policy))), "allowed");
    // It was not suspended: nothing is resumed.
    let resume = register(Suspended::default());
    let free = |world: &mut World| {
        let scaling = registered(world).get_mut(&blue).unwrap();
        scaling.suspended = Suspended::default();
    };
    assert_eq!(with(&mut scene, &resume, free), "allowed");
    let test = |world: &mut World| rules(world)[0].role = Role::Test;
    assert_eq!(with(&mut scene, &resume, test), "allowed");
}

#[test]
fn autoscaling_is_set_on_active_services_of_ours_on_a_group() {
    let mut scene = scaled();
    let suspend = set(&scene.blue, Change::Suspend(IN));
    let elsewhere = |world: &mut World| services(world)[0].side = None;
    assert_eq!(with(&mut scene, &suspend, elsewhere), "S9");
    let leaves = |world: &mut World| services(world)[0].status = ServiceStatus::Draining;
    assert_eq!(with(&mut scene, &suspend, leaves), "S9");
}

#[test]
fn what_goes_leaves_its_autoscaling_to_somebody_or_has_nobody() {
    let mut scene = scaled();
    let (blue, green) = (scene.blue.clone(), scene.green.clone());
    let end = set(&green, Change::Deregister);
    scene.lab.autoscale(&green, 1, 9);
    scene.lab.advance(60_000);
    let strangers = |world: &mut World| services(world)[1].tags.ours = false;
    assert_eq!(with(&mut scene, &end, strangers), "S9");
    let gone = |world: &mut World| drop(services(world).remove(1));
    assert_eq!(with(&mut scene, &end, gone), "S14");
    // Blue has none of its policies.
    let lost = |world: &mut World| {
        services(world)[1].tags.blue = None;
        registered(world).get_mut(&blue).unwrap().policies.clear();
    };
    assert_eq!(with(&mut scene, &end, lost), "S18");
    let unregistered = |world: &mut World| {
        lost(world);
        registered(world).remove(&blue);
    };
    assert_eq!(with(&mut scene, &end, unregistered), "S18");
    let back = |world: &mut World| {
        lost(world);
        services(world)[1].tags.blue = Some(blue.clone());
    };
    assert_eq!(with(&mut scene, &end, back), "allowed", "blue had its own");
    let nothing = |world: &mut World| {
        lost(world);
        registered(world).remove(&green);
    };
    assert_eq!(with(&mut scene, &end, nothing), "allowed");
    let alone = |world: &mut World| {
        lost(world);
        services(world).remove(0);
    };
    assert_eq!(with(&mut scene, &end, alone), "allowed");
    // Somebody deleted it, under traffic: its tasks stop whatever is registered, and autoscaling goes on to blue.
    scene.lab.set_production([Some(50), Some(50)]);
    let deleted = |world: &mut World| services(world)[1].status = ServiceStatus::Draining;
    assert_eq!(with(&mut scene, &end, |_| ()), "S4");
    assert_eq!(with(&mut scene, &end, deleted), "allowed");
    let lost = |world: &mut World| {
        deleted(world);
        lost(world);
    };
    assert_eq!(with(&mut scene, &end, lost), "S18");
    // What the spec says, blue has or will have.
    scene.lab.application.autoscaling = Some(Autoscaling {
        min: 1,
        max: 9,
        policies: Default::default(),
        actions: Default::default(),
    });
    assert_eq!(with(&mut scene, &end, lost), "allowed");
    let unregistered = |world: &mut World| {
        lost(world);
        registered(world).remove(&blue);
    };
    assert_eq!(with(&mut scene, &end, unregistered), "S18");
}
