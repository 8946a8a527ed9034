//! Writes whose answer never came, and reads that lag behind an answer.

use std::time::Duration;

use crd_schema::record::{Generation, Record, Release, Rollout, Stage};
use planner::memory::{Unsettled, WriteOutcome};
use planner::release;
use planner::scaling::{Change, Suspended};
use planner::world::{Role, Side};
use planner::write::Evidence;
use planner::{Memory, Mono, Read, Tuning, World, Write};

use crate::scene::{Scene, scene};

/// Whether what may still land stands in the way of `write`.
fn waits(scene: &Scene, write: &Write) -> bool {
    scene.memory.undone_until(write, &scene.tuning).is_some()
}

/// A create without an answer is given up, and lands after all; then a read that is older does not show it.
#[test]
fn what_came_late_and_was_seen_is_not_forgotten_for_an_old_answer() {
    let mut scene = scene();
    let (create, other) = (scene.create("blog-late"), scene.create("blog-other"));
    scene.unanswered(&create);
    scene.lab.advance(40_000);
    scene.look();
    assert_eq!(scene.memory.outstanding, None, "given up");
    let before = scene.lab.observe();
    assert_eq!(scene.memory.unseen_write(&before, &other), None);
    let mut after = before.clone();
    if let Read::Known { value, .. } = &mut after.services {
        let mut late = value[1].clone();
        late.name = "blog-late".to_owned();
        value.push(late);
    }
    scene.look_at(|world| *world = after.clone());
    assert_eq!(scene.memory.unseen_write(&after, &other), None);
    assert_eq!(scene.memory.unseen_write(&before, &other), Some(&create));
    // Until no answer can be that old.
    scene.lab.advance(29_999);
    scene.look();
    assert_eq!(scene.memory.unseen_write(&before, &other), Some(&create));
    scene.lab.advance(1);
    scene.look();
    assert_eq!(scene.memory.unseen_write(&before, &other), None);
}

#[test]
fn a_second_service_is_not_created_while_another_one_may_still_come() {
    let mut scene = scene();
    let (one, other) = (scene.create("blog-one"), scene.create("blog-other"));
    scene.late(one.clone(), Some(Side::B));
    assert!(waits(&scene, &other));
    assert!(!waits(&scene, &one), "the same once more is the same");
}

#[test]
fn weight_does_not_rise_on_what_may_still_go() {
    let mut scene = scene();
    let raise = scene.shift([Some(50), Some(50)]);
    let fall = scene.shift([Some(50), Some(0)]);
    let other = scene.shift([Some(101), Some(0)]);
    assert!(!waits(&scene, &raise));
    let down = scene.scale(&scene.green, 2, 0);
    scene.late(down.clone(), Some(Side::B));
    assert!(waits(&scene, &raise));
    assert!(!waits(&scene, &fall), "green's number stays");
    assert!(!waits(&scene, &other), "blue's rises");
    let tag = scene.tag(&scene.blue);
    assert!(!waits(&scene, &tag), "a tag counts on nothing");
    // Nothing is known of where it was: whose tasks go is not known either, and nobody's weight waits.
    scene.memory.unsettled.clear();
    scene.late(down, None);
    assert!(!waits(&scene, &raise));
    // What only adds takes nothing away.
    scene.memory.unsettled.clear();
    scene.late(scene.scale(&scene.green, 2, 3), Some(Side::B));
    assert!(!waits(&scene, &raise));
}

/// It was to grow to three, and has grown further since: landing late, that takes away.
#[test]
fn weight_does_not_rise_on_more_than_what_a_late_growth_would_leave() {
    let mut scene = scene();
    scene.late(scene.scale(&scene.green, 2, 3), Some(Side::B));
    for (side, need, expected) in [(Side::B, 3, false), (Side::B, 4, true), (Side::A, 4, false)] {
        let mut raise = scene.shift([Some(50), Some(50)]);
        if let Write::SetWeights { evidence, .. } = &mut raise {
            evidence.push(Evidence {
                side,
                healthy: 4,
                need,
                first: Mono(0),
                last: Mono(0),
            });
        }
        assert_eq!(waits(&scene, &raise), expected, "{side:?} needs {need}");
    }
}

#[test]
fn nothing_is_taken_away_before_everything_is_settled() {
    let mut scene = scene();
    let down = scene.scale(&scene.green, 2, 0);
    assert!(!waits(&scene, &down));
    scene.late(scene.tag(&scene.blue), None);
    assert!(waits(&scene, &down));
}

#[test]
fn a_group_leaves_a_rule_only_when_no_late_write_can_give_it_weight_there() {
    let mut scene = scene();
    let leave = scene.shift([Some(100), None]);
    let stay = scene.shift([Some(90), Some(0)]);
    let late = |scene: &mut Scene, to| {
        scene.memory.unsettled.clear();
        let late = scene.shift(to);
        scene.late(late, None);
    };
    late(&mut scene, [Some(99), Some(1)]);
    assert!(waits(&scene, &leave));
    assert!(!waits(&scene, &stay), "it stays where it is checked");
    late(&mut scene, [Some(99), Some(0)]);
    assert!(!waits(&scene, &leave), "no weight");
    late(&mut scene, [Some(99), None]);
    assert!(!waits(&scene, &leave), "not named");
    // Of a rule that never named the group, none leaves it.
    late(&mut scene, [Some(99), Some(1)]);
    let mut unnamed = leave.clone();
    if let Write::SetWeights { seen, .. } = &mut unnamed {
        seen[1] = None;
    }
    assert!(!waits(&scene, &unnamed));
    // Of another rule.
    let tests = scene.lab.rules.iter().find(|rule| rule.role == Role::Test);
    let target = tests.unwrap().target.clone();
    let mut elsewhere = leave.clone();
    if let Write::SetWeights { rule, .. } = &mut elsewhere {
        *rule = target.clone();
    }
    assert!(!waits(&scene, &elsewhere));
    // Of a rule that is no production rule: nobody is sent there by it.
    scene.memory.unsettled.clear();
    let mut late = scene.shift([Some(99), Some(1)]);
    if let Write::SetWeights { rule, .. } = &mut late {
        *rule = target;
    }
    scene.late(late, None);
    assert!(!waits(&scene, &elsewhere));
}

#[test]
fn what_may_land_last_is_told() {
    let mut scene = scene();
    for (name, seconds) in [("blog-1", 60), ("blog-2", 120), ("blog-3", 90)] {
        let late = Unsettled {
            write: scene.create(name),
            side: None,
            until: Mono(scene.lab.now) + Duration::from_secs(seconds),
        };
        scene.memory.unsettled.push(late);
    }
    let new = scene.create("blog-new");
    let told = scene.memory.undone_until(&new, &scene.tuning).unwrap();
    assert_eq!(told.write, scene.create("blog-2"));
}

#[test]
fn an_unanswered_write_may_land_until_its_signature_is_too_old() {
    let mut scene = scene();
    let write = scene.scale(&scene.green, 2, 3);
    scene.unanswered(&write);
    scene.lab.advance(39_999);
    scene.look();
    assert!(scene.memory.outstanding.is_some());
    scene.lab.advance(1);
    scene.look();
    assert_eq!(scene.memory.outstanding, None, "others may be planned");
    scene.lab.advance(300_000 - 40_000 - 1);
    scene.look();
    assert_eq!(scene.memory.unsettled.len(), 1);
    scene.lab.advance(1);
    scene.look();
    assert!(scene.memory.unsettled.is_empty());
}

/// A count may have been so before: a read that may be older than the write proves nothing.
#[test]
fn a_value_that_may_have_been_there_before_is_believed_when_reads_cannot_lag_that_far() {
    let mut scene = scene();
    let write = scene.scale(&scene.green, 2, 3);
    scene.unanswered(&write);
    let _ = scene.lab.apply(&write);
    scene.lab.advance(29_999);
    scene.look();
    assert!(scene.memory.outstanding.is_some());
    scene.lab.advance(1);
    scene.look();
    assert_eq!(scene.memory.outstanding, None);
    assert!(scene.memory.unsettled.is_empty(), "it has landed");
    assert_eq!(scene.memory.barriers.len(), 1, "and is one of ours");
}

#[test]
fn what_cannot_have_been_there_before_is_believed_at_once() {
    let mut scene = scene();
    scene.lab.delete(&scene.green.clone());
    scene.lab.advance(60_000);
    scene.look();
    let write = scene.create("blog-new");
    scene.unanswered(&write);
    scene.look();
    assert!(scene.memory.outstanding.is_some());
    let mut like = scene.lab.services[0].clone();
    like.shown.name = "blog-new".to_owned();
    scene.lab.services.push(like);
    scene.look();
    assert_eq!(scene.memory.outstanding, None);
}

/// Scaled up, and soon after down again without an answer: what is read next may be from between the two.
#[test]
fn soon_after_another_write_of_the_same_thing_a_read_proves_nothing() {
    let mut scene = scene();
    let up = scene.scale(&scene.green, 2, 3);
    let down = scene.scale(&scene.green, 3, 2);
    scene.unanswered(&down);
    scene.lab.advance(29_000);
    scene.memory.outstanding.as_mut().unwrap().write = scene.tag(&scene.blue);
    let outstanding = scene.memory.outstanding.clone();
    scene.applied(&up);
    scene.memory.outstanding = outstanding;
    scene.memory.outstanding.as_mut().unwrap().write = down;
    scene.lab.scale(&scene.green.clone(), 2);
    scene.lab.advance(1_000);
    scene.look();
    assert!(scene.memory.outstanding.is_some());
}

/// Of several that may still land, the one that the world shows has.
#[test]
fn what_has_landed_is_waited_for_no_more_and_the_rest_is() {
    let mut scene = scene();
    let (three, four) = (
        scene.scale(&scene.green, 2, 3),
        scene.scale(&scene.green, 2, 4),
    );
    // The world shows both, and they are no writes of green's count.
    let gone = Write::DeleteService {
        name: "blog-gone".to_owned(),
    };
    scene.late(gone.clone(), None);
    scene.late(three.clone(), Some(Side::B));
    scene.unanswered(&four);
    let _ = scene.lab.apply(&four);
    scene.lab.advance(30_000);
    scene.look();
    let left = scene.memory.unsettled.iter().map(|late| &late.write);
    assert_eq!(left.collect::<Vec<_>>(), [&gone, &three]);
}

/// Given up, and seen to be so once it was sent again: the first one may have landed at last, and the second may come.
#[test]
fn what_is_sent_twice_without_an_answer_is_not_known_by_its_effect() {
    let mut scene = scene();
    let write = scene.shift([Some(100), Some(1)]);
    scene.unanswered(&write);
    scene.lab.advance(40_000);
    scene.look();
    assert_eq!(scene.memory.outstanding, None, "given up");
    scene.unanswered(&write);
    let _ = scene.lab.apply(&write);
    scene.lab.advance(39_999);
    scene.look();
    assert!(scene.memory.outstanding.is_some());
    scene.lab.advance(1);
    scene.look();
    assert_eq!(scene.memory.outstanding, None, "neither comes now");
    assert_eq!(
        scene.memory.unsettled.len(),
        2,
        "before anything is taken away"
    );
}

#[test]
fn a_barrier_stands_until_reads_cannot_lag_that_far() {
    for (write, ms) in [
        (scene().shift([Some(100), Some(1)]), 10_000),
        (scene().scale(&scene().green, 2, 3), 30_000),
    ] {
        let mut scene = scene();
        let before = scene.lab.observe();
        scene.applied(&write);
        let after = scene.lab.observe();
        assert_eq!(scene.memory.unseen_write(&before, &write), Some(&write));
        assert_eq!(scene.memory.unseen_write(&after, &write), None);
        scene.lab.advance(ms - 1);
        scene.look();
        assert_eq!(scene.memory.barriers.len(), 1, "{write:?}");
        scene.lab.advance(1);
        scene.look();
        assert!(scene.memory.barriers.is_empty(), "{write:?}");
    }
}

/// What depends on autoscaling waits for a read of it by itself.
#[test]
fn autoscaling_that_is_not_read_holds_up_nothing_for_longer_than_a_read_may_lag() {
    let mut scene = scene();
    let green = scene.green.clone();
    scene.lab.autoscale(&green, 1, 9);
    let suspended = Suspended {
        scale_in: true,
        ..Suspended::default()
    };
    scene.applied(&Write::SetScaling {
        name: green.clone(),
        change: Change::Suspend(suspended),
    });
    let grows = scene.scale(&green, 2, 3);
    scene.applied(&grows);
    let unread = |world: &mut World| {
        let reason = || "throttled".to_owned();
        world.scaling = Read::Unread { reason: reason() };
        world.services = Read::Unread { reason: reason() };
    };
    let waited_for = |scene: &mut Scene, ms: u64| {
        scene.lab.advance(ms);
        scene.look_at(unread);
        scene.memory.barriers.len()
    };
    assert_eq!(waited_for(&mut scene, 9_999), 2);
    assert_eq!(waited_for(&mut scene, 1), 1);
    assert_eq!(waited_for(&mut scene, 600_000), 1, "that of ECS stays");
}

/// A later change of the same takes the place of an earlier one, and of no other.
#[test]
fn each_part_of_autoscaling_is_waited_for_by_itself() {
    let mut scene = scene();
    let green = scene.green.clone();
    let body = serde_json::Map::new;
    let named = |name: &str| (name.to_owned(), body());
    let put = |change: Change| Write::SetScaling {
        name: green.clone(),
        change,
    };
    let policy = |name: &str| {
        let (name, body) = named(name);
        put(Change::PutPolicy { name, body })
    };
    let action = |name: &str| {
        let (name, body) = named(name);
        put(Change::PutAction { name, body })
    };
    let suspend = || put(Change::Suspend(Suspended::default()));
    let writes = [
        (suspend(), 1),
        (put(Change::Deregister), 1),
        (policy("cpu"), 2),
        (action("cpu"), 3),
        (policy("memory"), 4),
        (action("night"), 5),
        (policy("cpu"), 5),
    ];
    for (write, expected) in writes {
        scene.answered(&write, &WriteOutcome::Applied);
        assert_eq!(scene.memory.barriers.len(), expected, "{write:?}");
    }
}

fn release(version: &str, generation: i64) -> Release {
    Release {
        digest: "4f1c2ab9d0e34c55".to_owned(),
        version: version.to_owned(),
        generation: Generation {
            date: 1,
            version: generation,
        },
        task_definition: None,
    }
}

/// Lists hide what is new, and a name may be taken by one that is gone.
#[test]
fn looked_at_by_name_is_what_lists_may_hide_and_what_would_be_created_next() {
    let mut scene = scene();
    let application = scene.lab.application.clone();
    let seen = [scene.blue.clone(), scene.green.clone()];
    let (base, names) = scene.memory.focus(&application);
    assert_eq!(base, None);
    assert!(seen.iter().all(|name| names.contains(name)) && names.len() == 2);
    let answered = scene.create("blog-answered");
    scene
        .memory
        .sending(&answered, &scene.tuning, scene.lab.clock());
    let outcome = planner::memory::WriteOutcome::Applied;
    let now = scene.lab.clock();
    scene.memory.note(&answered, &outcome, &scene.tuning, now);
    scene.unanswered(&scene.create("blog-unanswered"));
    let (next, good) = (release("1.5.0", 7), release("1.2.0", 3));
    scene.memory.record = Record {
        rollout: Some(Rollout {
            release: next.clone(),
            stage: Stage::ScaleUp,
            entered: Default::default(),
            reference: 2,
            step: None,
            gates: Default::default(),
            paused: None,
            deployment: None,
            base: Some("blog:7".to_owned()),
        }),
        last_good: Some(good.clone()),
        created: 5,
        ..Record::default()
    };
    let (base, names) = scene.memory.focus(&application);
    assert_eq!(base.as_deref(), Some("blog:7"));
    let named = |release: &Release| {
        let Release {
            digest,
            version,
            generation,
            ..
        } = release;
        release::service_name(&application, version, digest, *generation, 5)
    };
    let mut expected = [
        scene.blue.clone(),
        scene.green.clone(),
        "blog-answered".to_owned(),
        "blog-unanswered".to_owned(),
        named(&next),
        named(&good),
    ];
    expected.sort();
    assert_eq!(names, expected);
}

/// A memory that may hand over at `ms`, and a change of it.
fn hands_over(ms: u64, change: impl FnOnce(&mut Memory)) -> Option<Write> {
    let mut scene = scene();
    scene.memory.record_generation = Some(Generation {
        date: 1,
        version: 1,
    });
    scene.memory.record.created = 7;
    change(&mut scene.memory);
    let now = planner::Now {
        mono: Mono(ms),
        wall: scene.lab.wall(ms),
    };
    scene.memory.hand_over(&scene.tuning, now)
}

#[test]
fn who_stops_and_knows_that_nothing_is_outstanding_says_so() {
    let Some(Write::PutRecord(record)) = hands_over(100_000, |_| ()) else {
        panic!("it knows")
    };
    assert!(record.clean && record.created == 7, "{record:?}");
    let said = hands_over(100_000, |memory| memory.record.clean = true);
    assert_eq!(said, None, "it stands there already");
    let unwritten = hands_over(100_000, |memory| memory.record_generation = None);
    assert_eq!(unwritten, None, "there is no record to say it in");
    let write = scene().tag("blog-1");
    let unanswered = hands_over(100_000, |memory| {
        let now = scene().lab.clock();
        memory.sending(&write, &Tuning::default(), now);
        memory.unsettled.clear();
    });
    assert_eq!(unanswered, None);
    let late = hands_over(100_000, |memory| {
        let until = Mono(200_000);
        let (write, side) = (write.clone(), None);
        memory.unsettled.push(Unsettled { write, side, until });
    });
    assert_eq!(late, None);
}

#[test]
fn who_follows_a_crash_says_so_when_nothing_of_it_can_land_any_more() {
    for crashed in [Some(false), None] {
        let at = |ms| hands_over(ms, |memory| memory.clean_start = crashed).is_some();
        assert!(!at(299_999));
        assert!(at(300_000));
    }
}
