//! Target groups: what the guard wants to know before one is made, filled, emptied or deleted.

use crd_schema::TargetGroupArn;
use crd_schema::record::Generation;
use planner::lab::{LabGroup, desired, per_release};
use planner::release::{self, NewService};
use planner::world::{Action, Origin, Read, Role, ServiceStatus, Side, World};
use planner::{Mono, Write};
use serde_json::{Map, Value, json};

use crate::scene::{Scene, absorbed, property, rules, scene, scene_of, services, with};

/// The scene with a group for each release.
fn each() -> Scene {
    scene_of(per_release())
}

fn group(scene: &Scene, side: Side) -> TargetGroupArn {
    let group = scene.lab.groups[side.index()].as_ref();
    group.expect("a group holds the side").arn.clone()
}

/// A spare group of ours, which came late, and which the production rule names with this weight or not at all.
fn spare(scene: &mut Scene, weight: Option<u32>) -> TargetGroupArn {
    let like = scene.lab.groups[0].clone().expect("blue's");
    let arn = TargetGroupArn::new("tg-late");
    scene.lab.spares.push(LabGroup {
        arn: arn.clone(),
        origin: Origin::Ours {
            name: "blog-late".to_owned(),
        },
        ..like
    });
    name_spare(scene, &arn, weight);
    arn
}

fn name_spare(scene: &mut Scene, arn: &TargetGroupArn, weight: Option<u32>) {
    if let Action::Forward { others, .. } = &mut scene.lab.rules[0].action {
        *others = weight
            .map(|weight| (arn.clone(), weight))
            .into_iter()
            .collect();
    }
}

/// Green and its group are gone, and every sign of them.
fn without_green(scene: &mut Scene) {
    let green = scene.green.clone();
    scene.lab.delete(&green);
    scene.lab.empty_side(Side::B);
    scene.lab.advance(60_000);
}

/// The creation of a group for a new generation on `side`, with a change of its request.
fn create(scene: &Scene, side: Side, change: impl FnOnce(&mut Map<String, Value>)) -> Write {
    let name = "blog-new".to_owned();
    let generation = Generation {
        date: 2_000_000,
        version: 99,
    };
    let application = &scene.lab.application;
    let wanted = release::wanted(application, generation, &desired("1.5.0")).expect("usable");
    let mut body = release::target_group(application, &name, side, &wanted, &Map::new());
    change(&mut body);
    Write::CreateTargetGroup { name, side, body }
}

fn retag(key: &'static str, to: &'static str) -> impl FnOnce(&mut Map<String, Value>) {
    move |body| {
        for tag in body["Tags"].as_array_mut().expect("a list") {
            if tag["Key"] == key {
                tag["Value"] = json!(to);
            }
        }
    }
}

#[test]
fn each_group_was_read_as_lately_as_a_plan_may_be_old() {
    let mut scene = scene();
    let shift = scene.shift(Side::B);
    scene.lab.advance(60_000);
    scene.operator.tuning.evidence_age = std::time::Duration::from_secs(600);
    let oldest = Mono(scene.lab.now - 10_000);
    let older = Mono(scene.lab.now - 10_001);
    let dated = |one: Mono, two: Mono, three: Mono| {
        move |world: &mut World| {
            for (group, read) in world.groups.iter_mut().zip([one, two]) {
                if let Read::Known { at, .. } = group {
                    *at = read;
                }
            }
            if let Read::Known { at, .. } = &mut world.own {
                *at = three;
            }
        }
    };
    for (one, two, three, expected) in [
        (oldest, oldest, oldest, "allowed"),
        (older, oldest, oldest, "S14"),
        (oldest, older, oldest, "S14"),
        (oldest, oldest, older, "S14"),
    ] {
        assert_eq!(with(&mut scene, &shift, dated(one, two, three)), expected);
    }
    let unread = |world: &mut World| {
        world.own = Read::Unread {
            reason: "throttled".to_owned(),
        };
    };
    assert_eq!(with(&mut scene, &shift, unread), "S14");
}

#[test]
fn a_new_group_carries_our_tags_and_the_name_that_was_planned() {
    let mut scene = each();
    without_green(&mut scene);
    let requests: [(Write, &str); 6] = [
        (create(&scene, Side::B, |_| ()), "allowed"),
        (
            create(&scene, Side::B, retag("teal:managed-by", "me")),
            "S9",
        ),
        (
            create(&scene, Side::B, retag("teal:application", "shop")),
            "S9",
        ),
        (
            create(&scene, Side::B, |body| {
                body.insert("Name".to_owned(), json!("blog-old"));
            }),
            "S10",
        ),
        (
            create(&scene, Side::B, |body| drop(body.remove("Name"))),
            "S10",
        ),
        (create(&scene, Side::B, retag("teal:generation", "")), "S8"),
    ];
    for (write, expected) in requests {
        assert_eq!(property(scene.check(&write)), expected, "{write:?}");
    }
    let mut pair = crate::scene::scene();
    without_green(&mut pair);
    let write = create(&pair, Side::B, |_| ());
    assert_eq!(property(pair.check(&write)), "S9");
}

#[test]
fn a_new_group_has_a_name_that_nobody_has_and_a_side_that_is_free() {
    let mut scene = each();
    let write = create(&scene, Side::B, |_| ());
    assert_eq!(
        property(scene.check(&write)),
        "S11",
        "green's group holds it"
    );
    without_green(&mut scene);
    assert_eq!(property(scene.check(&write)), "allowed");
    scene.lab.taken.insert("blog-new".to_owned());
    assert_eq!(property(scene.check(&write)), "S10", "somebody else's");
    scene.lab.taken.clear();
    spare(&mut scene, None);
    assert_eq!(property(scene.check(&write)), "allowed");
    let named = Origin::Ours {
        name: "blog-new".to_owned(),
    };
    scene.lab.spares[0].origin = named.clone();
    assert_eq!(property(scene.check(&write)), "S10", "a spare one's");
    scene.lab.spares.clear();
    scene.lab.groups[0].as_mut().expect("blue's").origin = named;
    assert_eq!(property(scene.check(&write)), "S10", "blue's");
}

#[test]
fn attributes_are_set_before_anything_uses_the_group() {
    let mut scene = each();
    let set = |group: TargetGroupArn| Write::SetGroupAttributes {
        group,
        attributes: [("slow_start.duration_seconds".to_owned(), "30".to_owned())].into(),
    };
    let new = set(group(&scene, Side::B));
    let bare = |world: &mut World| {
        services(world).truncate(1);
        for rule in rules(world) {
            if let Action::Forward { weights, .. } = &mut rule.action {
                weights[1] = None;
            }
        }
        if let Read::Known {
            value: Some(group), ..
        } = &mut world.groups[1]
        {
            group.targets.clear();
        }
    };
    assert_eq!(with(&mut scene, &new, bare), "allowed");
    let bound = |world: &mut World| {
        let green = services(world)[1].clone();
        bare(world);
        services(world).push(green);
    };
    assert_eq!(with(&mut scene, &new, bound), "S9");
    let deleted = |world: &mut World| {
        bound(world);
        services(world)[1].status = ServiceStatus::Inactive;
    };
    assert_eq!(with(&mut scene, &new, deleted), "allowed");
    let filled = |world: &mut World| {
        let before = world.groups[1].clone();
        bare(world);
        world.groups[1] = before;
    };
    assert_eq!(with(&mut scene, &new, filled), "S9");
    for role in [Role::Production, Role::Test, Role::Unlisted] {
        let named = |world: &mut World| {
            bare(world);
            let rule = &mut rules(world)[0];
            rule.role = role;
            if let Action::Forward { weights, .. } = &mut rule.action {
                weights[1] = Some(0);
            }
        };
        assert_eq!(with(&mut scene, &new, named), "S9", "{role:?}");
    }
    // A spare one holds no side; a service without a group is not bound to it.
    let late = set(spare(&mut scene, None));
    let groupless = |world: &mut World| services(world)[1].side = None;
    assert_eq!(with(&mut scene, &late, |_| ()), "allowed");
    assert_eq!(with(&mut scene, &late, groupless), "allowed");
    name_spare(&mut scene, &TargetGroupArn::new("tg-late"), Some(0));
    assert_eq!(property(scene.check(&late)), "S9");
    let unseen = set(TargetGroupArn::new("tg-unseen"));
    assert_eq!(property(scene.check(&unseen)), "S14");
    scene.lab.groups[1].as_mut().expect("green's").origin = Origin::Template;
    assert_eq!(with(&mut scene, &new, bare), "S9", "the user's");
}

#[test]
fn a_group_goes_when_no_rule_names_it_and_its_requests_had_their_time() {
    let mut scene = each();
    let delete = Write::DeleteTargetGroup {
        group: group(&scene, Side::B),
    };
    assert_eq!(property(scene.check(&delete)), "S4", "a rule names it");
    let mut world = absorbed(&mut scene);
    for rule in rules(&mut world) {
        if let Action::Forward { weights, .. } = &mut rule.action {
            weights[1] = None;
        }
    }
    let says = |scene: &mut Scene, since: Option<u64>, expected: &str| {
        scene.operator.memory.zero_since[1] = since.map(|ms| Mono(scene.lab.now - ms));
        let said = property(scene.check_on(&world, &delete));
        assert_eq!(said, expected, "{since:?}");
    };
    // Settle time and deregistration delay, ten seconds each.
    says(&mut scene, Some(20_000), "allowed");
    says(&mut scene, Some(19_999), "S5");
    says(&mut scene, None, "S5");
    if let Read::Known {
        value: Some(group), ..
    } = &mut world.groups[1]
    {
        group.targets.clear();
    }
    let says = |scene: &mut Scene, since: Option<u64>, expected: &str| {
        scene.operator.memory.zero_since[1] = since.map(|ms| Mono(scene.lab.now - ms));
        let said = property(scene.check_on(&world, &delete));
        assert_eq!(said, expected, "without targets {since:?}");
    };
    says(&mut scene, Some(10_000), "allowed");
    says(&mut scene, Some(9_999), "S5");
}

#[test]
fn a_spare_group_goes_in_the_same_way() {
    let mut scene = each();
    let late = spare(&mut scene, Some(0));
    let delete = Write::DeleteTargetGroup {
        group: late.clone(),
    };
    scene.lab.advance(60_000);
    assert_eq!(property(scene.check(&delete)), "S4", "a rule names it");
    name_spare(&mut scene, &late, None);
    let world = absorbed(&mut scene);
    for (since, expected) in [(Some(10_000), "allowed"), (Some(9_999), "S5"), (None, "S5")] {
        let since = since.map(|ms| (late.clone(), Mono(scene.lab.now - ms)));
        scene.operator.memory.spare_since = since.into_iter().collect();
        assert_eq!(property(scene.check_on(&world, &delete)), expected);
    }
    // The user's own group never goes.
    let mut pair = crate::scene::scene();
    pair.lab.set_production([Some(100), None]);
    pair.lab.advance(600_000);
    let delete = Write::DeleteTargetGroup {
        group: group(&pair, Side::B),
    };
    assert_eq!(property(pair.check(&delete)), "S9");
}

#[test]
fn a_write_of_weights_names_the_holders_and_forgets_only_spare_groups_without_weight() {
    let mut scene = each();
    let late = spare(&mut scene, Some(0));
    let weights = |scene: &Scene, swap: Option<Side>, forgotten: &[TargetGroupArn]| {
        let mut write = scene.shift(Side::B);
        if let Write::SetWeights { groups, forget, .. } = &mut write {
            if let Some(side) = swap {
                groups[side.index()] = Some(TargetGroupArn::new("tg-former"));
            }
            forget.extend_from_slice(forgotten);
        }
        write
    };
    let bare = weights(&scene, None, &[]);
    assert_eq!(property(scene.check(&bare)), "allowed");
    for side in Side::BOTH {
        let write = weights(&scene, Some(side), &[]);
        assert_eq!(property(scene.check(&write)), "S14", "{side:?}");
    }
    let forget = weights(&scene, None, std::slice::from_ref(&late));
    for (weight, expected) in [(Some(0), "allowed"), (None, "allowed"), (Some(1), "S4")] {
        name_spare(&mut scene, &late, weight);
        assert_eq!(property(scene.check(&forget)), expected, "{weight:?}");
    }
    name_spare(&mut scene, &late, Some(0));
    for other in [group(&scene, Side::A), TargetGroupArn::new("tg-of-others")] {
        let write = weights(&scene, None, &[late.clone(), other]);
        assert_eq!(property(scene.check(&write)), "S9");
    }
}

#[test]
fn a_service_is_bound_to_the_group_that_holds_its_side_and_never_to_the_template() {
    let mut scene = each();
    let green = scene.green.clone();
    scene.lab.delete(&green);
    scene.lab.advance(60_000);
    let bound_to = |scene: &Scene, group: &TargetGroupArn| {
        let generation = Generation {
            date: 2_000_000,
            version: 99,
        };
        let new = NewService {
            name: "blog-new",
            task_definition: "td",
            side: Side::B,
            groups: vec![group],
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
    };
    let (a, b) = (group(&scene, Side::A), group(&scene, Side::B));
    let write = bound_to(&scene, &b);
    assert_eq!(property(scene.check(&write)), "allowed");
    let other = bound_to(&scene, &a);
    assert_eq!(property(scene.check(&other)), "S9");
    scene.lab.groups[1].as_mut().expect("the new one").origin = Origin::Template;
    assert_eq!(property(scene.check(&write)), "S9");
    scene.lab.empty_side(Side::B);
    assert_eq!(property(scene.check(&write)), "S9");
}

/// A group for each release goes before the tasks on it, and is surely gone before they do.
#[test]
fn tasks_stop_when_their_group_is_gone_for_longer_than_a_read_may_lag() {
    let mut scene = each();
    let down = Write::ScaleService {
        name: scene.green.clone(),
        from: 2,
        to: 0,
    };
    assert_eq!(property(scene.check(&down)), "S4", "its group exists");
    // Another service on the same group keeps it; this one may leave after the settle time.
    let company = |world: &mut World| {
        let mut other = services(world)[1].clone();
        other.name = "blog-other".to_owned();
        services(world).push(other);
    };
    assert_eq!(with(&mut scene, &down, company), "allowed");
    let mut world = absorbed(&mut scene);
    services(&mut world)[1].side = None;
    services(&mut world)[1].group_gone = true;
    for (since, expected) in [(Some(10_000), "allowed"), (Some(9_999), "S4"), (None, "S4")] {
        let since = since.map(|ms| (scene.green.clone(), Mono(scene.lab.now - ms)));
        scene.operator.memory.gone_since = since.into_iter().collect();
        assert_eq!(property(scene.check_on(&world, &down)), expected);
    }
}
