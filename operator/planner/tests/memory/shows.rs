//! When a read shows an own write.

use crd_schema::TargetGroupArn;
use planner::Write;
use planner::memory::WriteOutcome;
use planner::scaling::{Change, Policy, Scaling, Suspended};
use planner::world::{Action, Group, Origin, Read, Revision, Service, ServiceStatus, World};

use crate::scene::{Scene, scene};

/// Whether a world with this in it shows the write.
fn shows(scene: &Scene, write: &Write, change: impl FnOnce(&mut World)) -> bool {
    let mut memory = scene.memory.clone();
    let now = scene.lab.clock();
    memory.sending(write, &scene.tuning, now);
    memory.note(write, &WriteOutcome::Applied, &scene.tuning, now);
    let mut world = scene.lab.observe();
    change(&mut world);
    memory.unseen_write(&world, write).is_none()
}

fn green(change: impl FnOnce(&mut Service)) -> impl FnOnce(&mut World) {
    |world| {
        if let Read::Known { value, .. } = &mut world.services {
            change(&mut value[1]);
        }
    }
}

/// Green is no longer listed.
fn gone(world: &mut World) {
    if let Read::Known { value, .. } = &mut world.services {
        value.truncate(1);
    }
}

fn services_unread(world: &mut World) {
    world.services = Read::Unread {
        reason: "throttled".to_owned(),
    };
}

#[test]
fn a_count_is_shown_by_the_service_or_by_its_end() {
    let scene = scene();
    let write = scene.scale(&scene.green, 2, 3);
    assert!(!shows(&scene, &write, |_| ()));
    assert!(shows(&scene, &write, green(|green| green.desired = 3)));
    let leaves = green(|green| green.status = ServiceStatus::Draining);
    assert!(shows(&scene, &write, leaves));
    assert!(shows(&scene, &write, gone));
    assert!(!shows(&scene, &write, services_unread));
}

#[test]
fn an_update_is_shown_by_the_task_definition_or_by_the_service_s_end() {
    let scene = scene();
    let write = Write::UpdateService {
        name: scene.green.clone(),
        from: "td-1".to_owned(),
        to: "td-2".to_owned(),
        body: serde_json::Map::new(),
    };
    let arn = |name: &str| format!("arn:aws:ecs:eu-west-1:1:task-definition/{name}");
    let told = Write::UpdateService {
        name: "blog".to_owned(),
        from: arn("blog:41"),
        to: arn("blog:42"),
        body: serde_json::Map::new(),
    };
    let words = "update service blog from blog:41 to blog:42";
    assert_eq!(told.describe(), words);
    assert!(!shows(&scene, &write, |_| ()));
    let to = |to: &'static str| green(move |green| green.task_definition = to.to_owned());
    assert!(!shows(&scene, &write, to("td-1")));
    assert!(shows(&scene, &write, to("td-2")));
    let leaves = green(|green| green.status = ServiceStatus::Draining);
    assert!(shows(&scene, &write, leaves));
    assert!(shows(&scene, &write, gone));
    assert!(!shows(&scene, &write, services_unread));
}

#[test]
fn a_service_is_shown_by_its_name_and_a_deleted_one_by_its_status_or_its_absence() {
    let scene = scene();
    assert!(shows(&scene, &scene.create(&scene.green), |_| ()));
    assert!(!shows(&scene, &scene.create(&scene.green), gone));
    let delete = Write::DeleteService {
        name: scene.green.clone(),
    };
    assert!(!shows(&scene, &delete, |_| ()));
    let leaves = green(|green| green.status = ServiceStatus::Draining);
    assert!(shows(&scene, &delete, leaves));
    assert!(shows(&scene, &delete, gone));
    assert!(!shows(&scene, &delete, services_unread));
}

#[test]
fn a_rejection_is_shown_by_its_own_generation_and_other_tags_are_not_read() {
    let scene = scene();
    let tag = |key: &str| Write::TagService {
        name: scene.green.clone(),
        arn: scene.green.clone(),
        key: key.to_owned(),
        value: "1000000.7".to_owned(),
    };
    let rejected = tag("teal:rejected");
    let with = |version: i64| {
        green(move |green| {
            green.tags.rejected = Some(crd_schema::record::Generation {
                date: 1_000_000,
                version,
            });
        })
    };
    assert!(!shows(&scene, &rejected, |_| ()));
    assert!(!shows(&scene, &rejected, with(8)));
    assert!(shows(&scene, &rejected, with(7)));
    assert!(shows(&scene, &rejected, gone));
    assert!(shows(&scene, &tag("team"), |_| ()));
}

#[test]
fn a_revision_is_shown_by_its_digest_and_its_end_by_its_absence() {
    let scene = scene();
    let revisions = |arn: &str, digest: Option<&str>| {
        let revision = Revision {
            arn: arn.to_owned(),
            digest: digest.map(str::to_owned),
            generation: None,
        };
        |world: &mut World| {
            if let Read::Known { value, .. } = &mut world.revisions {
                *value = vec![revision];
            }
        }
    };
    let register = Write::RegisterTaskDefinition {
        digest: "d".to_owned(),
        body: serde_json::Map::new(),
    };
    assert!(shows(&scene, &register, revisions("td", Some("d"))));
    assert!(!shows(&scene, &register, revisions("td", Some("e"))));
    assert!(!shows(&scene, &register, revisions("td", None)));
    let deregister = Write::DeregisterTaskDefinition {
        arn: "td".to_owned(),
    };
    assert!(!shows(&scene, &deregister, revisions("td", None)));
    assert!(shows(&scene, &deregister, revisions("td-2", None)));
}

#[test]
fn weights_are_shown_by_their_rule_without_the_groups_that_it_forgets() {
    let scene = scene();
    let late = TargetGroupArn::new("tg-late");
    let mut write = scene.shift([Some(40), Some(60)]);
    if let Write::SetWeights { forget, .. } = &mut write {
        forget.push(late.clone());
    }
    let rule = |n: usize, weights, other: Option<&TargetGroupArn>| {
        let others = other.map(|arn| (arn.clone(), 0)).into_iter().collect();
        move |world: &mut World| {
            if let Read::Known { value, .. } = &mut world.rules {
                value[n].action = Action::Forward {
                    weights,
                    others,
                    sticky: false,
                };
            }
        }
    };
    let there = [Some(40), Some(60)];
    assert!(!shows(&scene, &write, |_| ()));
    assert!(shows(&scene, &write, rule(0, there, None)));
    assert!(!shows(&scene, &write, rule(0, [Some(60), Some(40)], None)));
    assert!(!shows(&scene, &write, rule(0, there, Some(&late))));
    let other = TargetGroupArn::new("tg-other");
    assert!(shows(&scene, &write, rule(0, there, Some(&other))));
    assert!(!shows(&scene, &write, rule(1, there, None)), "another rule");
}

#[test]
fn groups_are_shown_by_name_by_attributes_and_by_their_absence() {
    let scene = scene();
    let name = |name: &str| Origin::Ours {
        name: name.to_owned(),
    };
    let group = |change: &dyn Fn(&mut Group), spare: bool| {
        let world = scene.lab.observe();
        let mut group = world.groups[1].value().unwrap().clone().unwrap();
        group.arn = TargetGroupArn::new("tg-new");
        group.origin = name("blog-new");
        change(&mut group);
        move |world: &mut World| {
            if let (true, Read::Known { value, .. }) = (spare, &mut world.own) {
                value.spares.push(group);
            } else if let Read::Known { value, .. } = &mut world.groups[1] {
                *value = Some(group);
            }
        }
    };
    let create = Write::CreateTargetGroup {
        name: "blog-new".to_owned(),
        side: planner::Side::B,
        body: serde_json::Map::new(),
    };
    let set = Write::SetGroupAttributes {
        group: TargetGroupArn::new("tg-new"),
        attributes: [("slow_start.duration_seconds".to_owned(), "7".to_owned())].into(),
    };
    let delete = Write::DeleteTargetGroup {
        group: TargetGroupArn::new("tg-new"),
    };
    let slow = |group: &mut Group| {
        let key = "slow_start.duration_seconds".to_owned();
        group.attributes.insert(key, "7".to_owned());
    };
    for spare in [false, true] {
        assert!(shows(&scene, &create, group(&|_| (), spare)));
        let other = |group: &mut Group| group.origin = name("blog-old");
        assert!(!shows(&scene, &create, group(&other, spare)));
        assert!(!shows(&scene, &set, group(&|_| (), spare)));
        assert!(shows(&scene, &set, group(&slow, spare)));
        assert!(!shows(&scene, &delete, group(&|_| (), spare)));
    }
    assert!(!shows(&scene, &create, |_| ()));
    // An old answer, in which the group is not there yet, proves nothing.
    assert!(!shows(&scene, &set, |_| ()));
    assert!(shows(&scene, &delete, |_| ()));
    // While any group could not be read, nothing is known of all.
    let unread = |world: &mut World| {
        world.groups[0] = Read::Unread {
            reason: "throttled".to_owned(),
        };
    };
    for write in [&create, &set, &delete] {
        assert!(!shows(&scene, write, unread), "{write:?}");
    }
}

#[test]
fn autoscaling_is_shown_by_the_very_thing_that_was_put() {
    let scene = scene();
    let set = |change: Change| Write::SetScaling {
        name: scene.green.clone(),
        change,
    };
    let held = Suspended {
        scale_in: true,
        ..Suspended::default()
    };
    let body = |text: &str| serde_json::from_str::<serde_json::Map<_, _>>(text).unwrap();
    let known = |change: fn(&mut Scaling)| {
        let mut scaling = Scaling {
            min: 1,
            max: 9,
            suspended: held,
            policies: [("cpu".to_owned(), Policy::default())].into(),
            actions: [("night".to_owned(), Default::default())].into(),
        };
        change(&mut scaling);
        let scaling = [(scene.green.clone(), scaling)];
        |world: &mut World| {
            if let Read::Known { value, .. } = &mut world.scaling {
                *value = scaling.into();
            }
        }
    };
    let (min, max, suspended) = (1, 9, held);
    let register = set(Change::Register {
        min,
        max,
        suspended,
    });
    assert!(shows(&scene, &register, known(|_| ())));
    assert!(!shows(&scene, &register, known(|it| it.min = 2)));
    assert!(!shows(&scene, &register, known(|it| it.max = 8)));
    let free: fn(&mut Scaling) = |it| it.suspended = Suspended::default();
    assert!(!shows(&scene, &register, known(free)));
    assert!(!shows(&scene, &register, |_| ()));
    let suspend = set(Change::Suspend(held));
    assert!(shows(&scene, &suspend, known(|it| it.min = 2)));
    assert!(!shows(&scene, &suspend, known(free)));
    let put = |name: &str, text: &str| {
        let (policy, action) = (name.to_owned(), name.to_owned());
        [
            set(Change::PutPolicy {
                name: policy,
                body: body(text),
            }),
            set(Change::PutAction {
                name: action,
                body: body(text),
            }),
        ]
    };
    let [policy, _] = put("cpu", "{}");
    let [_, action] = put("night", "{}");
    assert!(shows(&scene, &policy, known(|_| ())));
    assert!(shows(&scene, &action, known(|_| ())));
    for other in put("other", "{}") {
        assert!(!shows(&scene, &other, known(|_| ())));
    }
    let [policy, _] = put("cpu", r#"{"PolicyType": "StepScaling"}"#);
    let [_, action] = put("night", r#"{"Schedule": "rate(1 day)"}"#);
    assert!(!shows(&scene, &policy, known(|_| ())));
    assert!(!shows(&scene, &action, known(|_| ())));
    let ends = set(Change::Deregister);
    assert!(shows(&scene, &ends, |_| ()));
    assert!(!shows(&scene, &ends, known(|_| ())));
}
