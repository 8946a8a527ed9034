//! Weight rises only on health that was seen, in proportion, and lately.

use planner::memory::{Health, Unsettled};
use planner::world::{Action, Read, Role, Side, TargetState, World};
use planner::write::Evidence;
use planner::{Mono, Weights, Write};

use crate::scene::{Scene, absorbed, moving, property, rules, scene, services, with};

/// The production rule's shift to B with these weights and this evidence.
fn shift(scene: &Scene, weights: [Option<u32>; 2], evidence: Vec<Evidence>) -> Write {
    Write::SetWeights {
        rule: scene.lab.rules[0].target.clone(),
        groups: scene.groups(),
        forget: Vec::new(),
        seen: [Some(100), Some(0)],
        weights: Weights::new(weights).unwrap(),
        evidence,
    }
}

fn evidence(scene: &Scene, side: Side) -> Evidence {
    let now = Mono(scene.lab.now);
    Evidence {
        side,
        healthy: 2,
        need: 2,
        first: now,
        last: now,
    }
}

#[test]
fn test_rules_are_free_and_strangers_rules_are_not_ours() {
    let mut scene = scene();
    let bare = shift(&scene, [Some(0), Some(100)], Vec::new());
    assert_eq!(with(&mut scene, &bare, |_| ()), "S2");
    let role = |role: Role| move |world: &mut World| rules(world)[0].role = role;
    assert_eq!(with(&mut scene, &bare, role(Role::Test)), "allowed");
    assert_eq!(with(&mut scene, &bare, role(Role::Unlisted)), "S9");
}

#[test]
fn weight_that_does_not_rise_needs_no_health() {
    let mut scene = scene();
    scene.lab.set_production([Some(100), Some(50)]);
    let green = scene.green.clone();
    scene.lab.delete(&green);
    for (to, expected) in [(49, "allowed"), (50, "allowed"), (51, "S1")] {
        let write = shift(&scene, [Some(100), Some(to)], Vec::new());
        assert_eq!(with(&mut scene, &write, |_| ()), expected, "to {to}");
    }
}

#[test]
fn health_is_needed_in_proportion_to_the_weight() {
    let mut scene = scene();
    // One of two tasks is healthy: half of the traffic, and no percent more.
    let sick = |world: &World| {
        let address = services_of(world, 1).first().unwrap().clone();
        move |scene: &mut Scene| {
            scene.operator.memory.health[1] = readings(scene, &[address.as_str()]);
        }
    };
    let world = absorbed(&mut scene);
    sick(&world)(&mut scene);
    for (to, expected) in [(50, "allowed"), (51, "S2")] {
        let proof = vec![evidence(&scene, Side::B)];
        let write = shift(&scene, [Some(100 - to), Some(to)], proof);
        assert_eq!(
            property(scene.check_on(&world, &write)),
            expected,
            "to {to}"
        );
    }
}

fn services_of(world: &World, index: usize) -> &std::collections::BTreeSet<String> {
    &world.services.value().unwrap()[index].addresses
}

/// Two readings, far enough apart, in which these addresses were healthy.
fn readings(scene: &Scene, healthy: &[&str]) -> Health {
    let mut memory = planner::Memory::new(Mono(0));
    let mut world = scene.lab.observe();
    for at in [scene.lab.now - 6_000, scene.lab.now] {
        for group in &mut world.groups {
            if let Read::Known {
                value: Some(value),
                at: read,
            } = group
            {
                *read = Mono(at);
                for target in &mut value.targets {
                    target.state = if healthy.contains(&target.address.as_str()) {
                        TargetState::Healthy
                    } else {
                        TargetState::Unhealthy
                    };
                }
            }
        }
        let now = planner::Now {
            mono: Mono(at),
            wall: scene.lab.wall(at),
        };
        memory.absorb(&world, &scene.operator.tuning, now);
    }
    memory.health[1].clone()
}

#[test]
fn in_an_outage_one_healthy_task_is_enough() {
    let mut scene = scene();
    let world = absorbed(&mut scene);
    let address = services_of(&world, 1).first().unwrap().clone();
    scene.operator.memory.health[1] = readings(&scene, &[address.as_str()]);
    let proof = vec![evidence(&scene, Side::B)];
    let all = shift(&scene, [Some(0), Some(100)], proof);
    assert_eq!(
        property(scene.check_on(&world, &all)),
        "S2",
        "blue still serves"
    );
    scene.operator.memory.health[0] = readings(&scene, &[]);
    assert_eq!(property(scene.check_on(&world, &all)), "allowed");
    scene.operator.memory.health[1] = readings(&scene, &[]);
    assert_eq!(
        property(scene.check_on(&world, &all)),
        "S2",
        "none is not enough"
    );
}

#[test]
fn what_was_written_down_says_how_many_tasks_all_traffic_needs() {
    let mut scene = scene();
    let write = scene.shift(Side::B);
    let world = absorbed(&mut scene);
    let recorded = |scene: &mut Scene, reference: u32| {
        scene.operator.memory.record = moving(reference);
    };
    for (reference, expected) in [(0, "allowed"), (2, "allowed"), (3, "S2"), (u32::MAX, "S2")] {
        recorded(&mut scene, reference);
        assert_eq!(
            property(scene.check_on(&world, &write)),
            expected,
            "{reference}"
        );
    }
    // A count of 0 that was written down is none: the spec's own counts.
    let address = services_of(&world, 1).first().unwrap().clone();
    scene.operator.memory.health[1] = readings(&scene, &[address.as_str()]);
    recorded(&mut scene, 0);
    assert_eq!(property(scene.check_on(&world, &write)), "S2");
}

#[test]
fn evidence_is_of_the_side_that_rises_and_young() {
    let mut scene = scene();
    let world = absorbed(&mut scene);
    let at = |scene: &Scene, side, ms: u64| {
        let mut proof = evidence(scene, side);
        proof.last = Mono(scene.lab.now - ms);
        shift(scene, [Some(0), Some(100)], vec![proof])
    };
    for (side, ms, expected) in [
        (Side::B, 15_000, "allowed"),
        (Side::B, 15_001, "S2"),
        (Side::A, 0, "S2"),
    ] {
        let write = at(&scene, side, ms);
        assert_eq!(
            property(scene.check_on(&world, &write)),
            expected,
            "{side:?} {ms}"
        );
    }
}

/// The older of the two readings may be as old as one may be and the two lie apart, unless requests are lost now.
#[test]
fn both_readings_are_young_where_no_request_is_lost() {
    let mut scene = scene();
    let world = absorbed(&mut scene);
    let first = |scene: &Scene, ms: u64| {
        let mut proof = evidence(scene, Side::B);
        proof.first = Mono(scene.lab.now - ms);
        shift(scene, [Some(0), Some(100)], vec![proof])
    };
    let (young, old) = (first(&scene, 20_000), first(&scene, 20_001));
    assert_eq!(property(scene.check_on(&world, &young)), "allowed");
    assert_eq!(property(scene.check_on(&world, &old)), "S2");
    // Nothing lives on a group without weight: no request is lost there.
    let weights = |a: u32, b: u32| {
        move |world: &mut World| {
            rules(world)[0].action = Action::Forward {
                weights: [Some(a), Some(b)],
                others: Vec::new(),
                sticky: false,
            };
        }
    };
    let dead = readings(&scene, &[]);
    let mut world = world;
    for (a, b, expected) in [(0, 50, "S2"), (50, 50, "allowed")] {
        weights(a, b)(&mut world);
        scene.operator.memory.health[0] = dead.clone();
        assert_eq!(property(scene.check_on(&world, &old)), expected, "{a} {b}");
    }
}

/// Green's removal got no answer: it may still go.
#[test]
fn weight_rises_on_what_may_still_go_only_where_requests_are_lost_anyway() {
    let mut scene = scene();
    let lost = Write::ScaleService {
        name: scene.green.clone(),
        from: 2,
        to: 0,
    };
    let now = scene.lab.clock();
    scene.operator.memory.unsettled.push(Unsettled {
        write: lost,
        side: Some(Side::B),
        until: now.mono + std::time::Duration::from_secs(60),
    });
    let write = scene.shift(Side::B);
    let world = absorbed(&mut scene);
    assert_eq!(property(scene.check_on(&world, &write)), "S7");
    let blue = scene.operator.memory.health[0].clone();
    scene.operator.memory.health[0] = readings(&scene, &[]);
    assert_eq!(property(scene.check_on(&world, &write)), "allowed");
    // It is this rule's requests that are lost, and no other one's.
    let mut other = world.clone();
    rules(&mut other)[1].action = Action::Forward {
        weights: [Some(0), Some(100)],
        others: Vec::new(),
        sticky: false,
    };
    assert_eq!(property(scene.check_on(&other, &write)), "allowed");
    // It repairs nothing to take blue away, living or dead.
    let down = Write::ScaleService {
        name: scene.blue.clone(),
        from: 2,
        to: 0,
    };
    assert_eq!(property(scene.check_on(&world, &down)), "S7");
    scene.operator.memory.health[0] = blue;
    assert_eq!(property(scene.check_on(&world, &down)), "S7");
}

#[test]
fn only_its_own_tasks_count_and_not_those_that_leave() {
    let mut scene = scene();
    let write = scene.shift(Side::B);
    assert_eq!(with(&mut scene, &write, |_| ()), "allowed");
    let of_others = |world: &mut World| {
        services(world)[1].addresses = ["10.9.9.9:8080".to_owned()].into();
    };
    assert_eq!(with(&mut scene, &write, of_others), "S2");
    let leaving = |world: &mut World| {
        if let Read::Known {
            value: Some(value), ..
        } = &mut world.groups[1]
        {
            value.targets[0].state = TargetState::Draining;
        }
    };
    assert_eq!(with(&mut scene, &write, leaving), "S2");
    let others_leave = |world: &mut World| {
        if let Read::Known {
            value: Some(value), ..
        } = &mut world.groups[1]
        {
            let mut old = value.targets[0].clone();
            old.address = "10.9.9.9:8080".to_owned();
            old.state = TargetState::Draining;
            value.targets.push(old);
        }
    };
    assert_eq!(with(&mut scene, &write, others_leave), "allowed");
    let unread = |world: &mut World| {
        world.groups[1] = Read::Unread {
            reason: "throttled".to_owned(),
        };
    };
    assert_eq!(with(&mut scene, &write, unread), "S14");
}

#[test]
fn the_healthiest_of_two_services_on_the_group_carries() {
    let mut scene = scene();
    let write = scene.shift(Side::B);
    let beside = |at: usize| {
        move |world: &mut World| {
            let mut dead = services(world)[1].clone();
            dead.name = "blog-dead".to_owned();
            dead.addresses.clear();
            services(world).insert(at, dead);
        }
    };
    assert_eq!(with(&mut scene, &write, beside(0)), "allowed");
    assert_eq!(with(&mut scene, &write, beside(2)), "allowed");
}
