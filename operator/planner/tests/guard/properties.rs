//! Each property once broken and once not.

use crd_schema::TargetGroupArn;
use crd_schema::record::Rejection;
use planner::lab::Operator;
use planner::memory::WriteOutcome;
use planner::world::{Role, Side};
use planner::{Read, Weights, Write};

use crate::scene::property;

#[test]
fn s1_weight_never_rises_on_a_group_without_a_live_service() {
    let mut scene = crate::scene::scene();
    let shift = scene.shift(Side::B);
    assert_eq!(property(scene.check(&shift)), "allowed");
    scene.lab.delete(&scene.green.clone());
    assert_eq!(property(scene.check(&shift)), "S1");
}

#[test]
fn s2_weight_rises_only_on_health_that_was_seen_twice() {
    let mut scene = crate::scene::scene();
    let shift = scene.shift(Side::B);
    scene.lab.broken.insert("1.4.0".to_owned());
    assert_eq!(
        property(scene.check(&shift)),
        "S2",
        "one bad reading is enough"
    );
    let mut scene = crate::scene::scene();
    scene.operator.memory.health[1] = planner::memory::Health::default();
    let shift = scene.shift(Side::B);
    let world = scene.lab.observe();
    scene
        .operator
        .memory
        .absorb(&world, &scene.operator.tuning, scene.lab.clock());
    assert_eq!(
        property(scene.check_on(&world, &shift)),
        "S2",
        "one reading is not enough"
    );
    let mut scene = crate::scene::scene();
    let Write::SetWeights {
        rule,
        groups,
        forget,
        seen,
        weights,
        ..
    } = scene.shift(Side::B)
    else {
        unreachable!()
    };
    let bare = Write::SetWeights {
        rule,
        groups,
        forget,
        seen,
        weights,
        evidence: Vec::new(),
    };
    assert_eq!(
        property(scene.check(&bare)),
        "S2",
        "the evidence travels with the write"
    );
}

#[test]
fn s3_weights_cannot_say_nothing() {
    assert_eq!(Weights::new([None, None]), None);
    assert_eq!(Weights::new([Some(0), Some(0)]), None);
    assert_eq!(
        Weights::new([Some(1000), None]),
        None,
        "999 is AWS's largest"
    );
}

#[test]
fn s4_nothing_that_has_weight_on_any_rule_is_scaled_down_or_deleted() {
    let mut scene = crate::scene::scene();
    let blue = Write::ScaleService {
        name: scene.blue.clone(),
        from: 2,
        to: 0,
    };
    let green = Write::ScaleService {
        name: scene.green.clone(),
        from: 2,
        to: 0,
    };
    assert_eq!(property(scene.check(&blue)), "S4");
    assert_eq!(property(scene.check(&green)), "allowed");
    // Any sight of weight starts the settle time again.
    scene.lab.set_production([Some(50), Some(50)]);
    assert_eq!(property(scene.check(&green)), "S4");
    scene.lab.set_production([Some(100), Some(0)]);
    assert_eq!(property(scene.check(&green)), "S4");
    scene.lab.advance(10_000);
    assert_eq!(property(scene.check(&green)), "allowed");
}

#[test]
fn s4_an_unlisted_rule_counts_too() {
    let mut scene = crate::scene::scene();
    let mut unlisted = scene.lab.rules[0].clone();
    unlisted.role = Role::Unlisted;
    if let planner::world::Action::Forward { weights, .. } = &mut unlisted.action {
        *weights = [None, Some(1)];
    }
    let green = Write::ScaleService {
        name: scene.green.clone(),
        from: 2,
        to: 0,
    };
    assert_eq!(property(scene.check(&green)), "allowed");
    scene.lab.rules.push(unlisted);
    assert_eq!(property(scene.check(&green)), "S4");
}

#[test]
fn s5_a_service_with_tasks_is_not_deleted() {
    let mut scene = crate::scene::scene();
    let delete = Write::DeleteService {
        name: scene.green.clone(),
    };
    assert_eq!(property(scene.check(&delete)), "S5");
    scene.lab.scale(&scene.green.clone(), 0);
    scene.lab.advance(60_000);
    assert_eq!(property(scene.check(&delete)), "allowed");
}

#[test]
fn s7_one_write_with_unknown_outcome_stops_every_other() {
    let mut scene = crate::scene::scene();
    let scale = Write::ScaleService {
        name: scene.blue.clone(),
        from: 2,
        to: 3,
    };
    let Operator { memory, tuning, .. } = &mut scene.operator;
    memory.sending(&scale, tuning, scene.lab.clock());
    memory.note(
        &scale,
        &WriteOutcome::Unknown {
            reason: "timeout".to_owned(),
        },
        tuning,
        scene.lab.clock(),
    );
    let shift = scene.shift(Side::B);
    assert_eq!(property(scene.check(&shift)), "S7");
}

#[test]
fn s8_a_rejected_generation_is_not_created_again() {
    let mut scene = crate::scene::scene();
    let (generation, _) = scene.lab.desired.clone().expect("a wish");
    scene.lab.delete(&scene.green.clone());
    scene.lab.advance(60_000);
    let name = "blog-1-4-0-again";
    let group = TargetGroupArn::new("tg-b");
    let new = planner::release::NewService {
        name,
        task_definition: "td",
        side: Side::B,
        groups: vec![&group],
        count: 2,
        digest: "d",
        version: "1.4.0",
        generation,
        blue: Some(&scene.blue),
    };
    let body = planner::release::service(&scene.lab.application, &new);
    let create = Write::CreateService {
        name: name.to_owned(),
        side: Side::B,
        body,
    };
    assert_eq!(property(scene.check(&create)), "allowed");
    let rejection = Rejection {
        generation,
        version: "1.4.0".to_owned(),
        reason: "bad".to_owned(),
        aborted: false,
    };
    scene.operator.memory.record.rejected.push(rejection);
    let world = scene.lab.observe();
    assert_eq!(property(scene.check_on(&world, &create)), "S8");
}

#[test]
fn s9_what_is_not_ours_is_not_touched() {
    let mut scene = crate::scene::scene();
    let scale = Write::ScaleService {
        name: scene.blue.clone(),
        from: 2,
        to: 3,
    };
    assert_eq!(property(scene.check(&scale)), "allowed");
    scene.lab.services[0].shown.tags.ours = false;
    assert_eq!(property(scene.check(&scale)), "S9");
    scene.lab.rules[0].role = Role::Unlisted;
    let shift = scene.shift(Side::B);
    assert_eq!(property(scene.check(&shift)), "S9");
}

#[test]
fn s14_unread_or_old_is_unsafe() {
    let mut scene = crate::scene::scene();
    let shift = scene.shift(Side::B);
    let mut world = scene.lab.observe();
    scene
        .operator
        .memory
        .absorb(&world, &scene.operator.tuning, scene.lab.clock());
    assert_eq!(property(scene.check_on(&world, &shift)), "allowed");
    world.rules = Read::Unread {
        reason: "throttled".to_owned(),
    };
    assert_eq!(property(scene.check_on(&world, &shift)), "S14");
    let old = scene.lab.observe();
    scene.lab.advance(11_000);
    assert_eq!(property(scene.check_on(&old, &shift)), "S14");
}
