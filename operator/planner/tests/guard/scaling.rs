//! S18: no capacity is lost, and no autoscaling.

use planner::scaling::{Change, Suspended};
use planner::world::{Read, Side};
use planner::{Weights, Write};

use crate::scene::{Scene, property, scene};

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
