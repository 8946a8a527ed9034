//! When safety waits start, start again, and what readings of health count.

use crd_schema::TargetGroupArn;
use planner::lab::{Lab, worker};
use planner::memory::WriteOutcome;
use planner::world::{Read, Side, TargetState, World};
use planner::{Memory, Mono, Tuning, Write};

use crate::scene::{Scene, scene};

/// Health of green's group is read every `ms`, three times.
fn watched(ms: u64) -> Scene {
    let mut scene = scene();
    for _ in 0..2 {
        scene.lab.advance(ms);
        scene.look();
    }
    scene
}

fn counts(scene: &Scene, side: Side) -> bool {
    scene.memory.health[side.index()].readings().is_some()
}

fn sick(world: &mut World) {
    if let Read::Known {
        value: Some(group), ..
    } = &mut world.groups[1]
    {
        for target in &mut group.targets {
            target.state = TargetState::Unhealthy;
        }
    }
}

#[test]
fn an_own_write_that_gives_weight_ends_that_group_s_wait_and_no_other() {
    let mut scene = scene();
    let since = Some(Mono(scene.lab.now));
    assert_eq!(scene.memory.zero_since, [None, since]);
    let now = scene.lab.clock();
    let nothing = scene.shift([Some(50), Some(0)]);
    scene.memory.sending(&nothing, &scene.tuning, now);
    assert_eq!(scene.memory.zero_since, [None, since]);
    let something = scene.shift([Some(100), Some(1)]);
    scene.memory.sending(&something, &scene.tuning, now);
    assert_eq!(scene.memory.zero_since, [None, None]);
}

/// Until reads show the write that takes the last weight away, they may show what was before.
#[test]
fn the_wait_starts_with_the_first_read_that_shows_the_own_write() {
    let mut scene = scene();
    scene.lab.set_production([Some(50), Some(50)]);
    scene.look();
    assert_eq!(scene.memory.zero_since[1], None);
    let write = scene.shift([Some(100), Some(0)]);
    let before = scene.lab.observe();
    scene.lab.advance(1_000);
    scene.applied(&write);
    let stale = |world: &mut World| world.rules = before.rules.clone();
    scene.look_at(stale);
    assert_eq!(scene.memory.zero_since[1], None);
    // Read before the answer came: whose zero it shows is not known.
    let early = |world: &mut World| {
        if let Read::Known { at, .. } = &mut world.rules {
            *at = Mono(at.0 - 1);
        }
    };
    scene.look_at(early);
    assert_eq!(scene.memory.zero_since[1], None);
    scene.look();
    assert_eq!(scene.memory.zero_since[1], Some(Mono(scene.lab.now)));
}

#[test]
fn no_wait_starts_while_an_own_write_has_no_answer() {
    let mut scene = scene();
    scene.lab.set_production([Some(50), Some(50)]);
    scene.look();
    let write = scene.shift([Some(100), Some(0)]);
    scene.unanswered(&write);
    let _ = scene.lab.apply(&write);
    scene.look();
    assert_eq!(scene.memory.zero_since[1], None);
}

#[test]
fn rules_that_cannot_be_read_start_no_wait_and_end_none() {
    let mut scene = scene();
    let since = scene.memory.zero_since;
    scene.lab.advance(1_000);
    scene.look_at(|world| {
        world.rules = Read::Unread {
            reason: "throttled".to_owned(),
        };
    });
    assert_eq!(scene.memory.zero_since, since);
}

#[test]
fn another_group_on_a_side_starts_every_wait_again() {
    let mut scene = watched(5_000);
    let first = scene.memory.zero_since[1].unwrap();
    assert!(counts(&scene, Side::B));
    scene.lab.advance(5_000);
    scene.look();
    assert_eq!(scene.memory.zero_since[1], Some(first));
    scene.lab.advance(1_000);
    scene.lab.groups[1].as_mut().unwrap().arn = TargetGroupArn::new("tg-other");
    scene.look();
    assert_eq!(scene.memory.zero_since[1], Some(Mono(scene.lab.now)));
    assert!(!counts(&scene, Side::B));
    assert!(counts(&scene, Side::A));
}

#[test]
fn health_before_an_own_write_of_its_service_counts_no_more() {
    let mut scene = watched(5_000);
    let now = scene.lab.clock();
    let up = scene.scale(&scene.green, 2, 3);
    scene.memory.sending(&up, &scene.tuning, now);
    assert!(!counts(&scene, Side::B));
    assert!(counts(&scene, Side::A), "blue's tasks are the same");
    let mut scene = watched(5_000);
    let go = Write::DeleteService {
        name: scene.blue.clone(),
    };
    scene.memory.sending(&go, &scene.tuning, now);
    assert!(!counts(&scene, Side::A));
    let new = scene.create("blog-new");
    scene.memory.sending(&new, &scene.tuning, now);
    assert!(!counts(&scene, Side::B));
    // Neither weights nor tags start or stop a task.
    let mut scene = watched(5_000);
    let (shift, tag) = (
        scene.shift([Some(50), Some(50)]),
        scene.tag(&scene.green.clone()),
    );
    for write in [shift, tag] {
        scene.memory.sending(&write, &scene.tuning, now);
        assert!(counts(&scene, Side::A) && counts(&scene, Side::B));
    }
}

#[test]
fn readings_count_when_they_lie_far_enough_apart() {
    // Three readings over 4,999 ms and over five seconds; the health checks themselves are five seconds apart.
    for (ms, expected) in [(2_499, false), (2_500, true)] {
        assert_eq!(counts(&watched(ms), Side::B), expected, "{ms}");
    }
    // What lies before the latest two that count is forgotten.
    let kept = |ms: u64| watched(ms).memory.health[1].kept().count();
    assert_eq!((kept(2_499), kept(2_500), kept(5_000)), (3, 3, 2));
    // One is not two, even where no distance is asked for.
    let mut scene = scene();
    scene.tuning.health_gap = std::time::Duration::ZERO;
    scene.memory.health = Default::default();
    scene.look();
    assert!(!counts(&scene, Side::B));
}

#[test]
fn a_reading_that_began_earlier_than_the_newest_is_left_out_and_one_of_the_same_moment_is_not() {
    let mut scene = scene();
    let healthy = |scene: &Scene| scene.memory.health[1].newest().unwrap().healthy.len();
    assert_eq!(healthy(&scene), 2);
    scene.look_at(|world| {
        sick(world);
        if let Read::Known { at, .. } = &mut world.groups[1] {
            *at = Mono(at.0 - 1);
        }
    });
    assert_eq!(healthy(&scene), 2);
    scene.look_at(sick);
    assert_eq!(healthy(&scene), 0);
}

#[test]
fn a_write_that_was_refused_or_never_left_is_not_waited_for() {
    let reason = || "because".to_owned();
    for outcome in [
        WriteOutcome::NotSent { reason: reason() },
        WriteOutcome::Refused { reason: reason() },
    ] {
        let mut scene = scene();
        let write = scene.scale(&scene.green, 2, 3);
        scene.answered(&write, &outcome);
        assert_eq!(scene.memory.outstanding, None);
        assert!(scene.memory.unsettled.is_empty() && scene.memory.barriers.is_empty());
    }
}

#[test]
fn what_may_have_been_done_is_refused_no_more() {
    let refused = || WriteOutcome::Refused {
        reason: "AccessDenied".to_owned(),
    };
    let unknown = || WriteOutcome::Unknown {
        reason: "timeout".to_owned(),
    };
    let mut scene = scene();
    let write = scene.scale(&scene.green, 2, 3);
    scene.answered(&write, &refused());
    assert_eq!(scene.memory.refused.as_deref(), Some("AccessDenied"));
    let record = Write::PutRecord(Box::default());
    scene.answered(&record, &unknown());
    assert!(scene.memory.refused.is_some(), "the record is no step");
    scene.answered(&write, &unknown());
    assert_eq!(scene.memory.refused, None);
}

#[test]
fn the_readings_of_workers_are_the_tasks_of_those_that_are_active_on_their_side() {
    let mut lab = Lab::new(worker());
    let mut memory = Memory::new(Mono(lab.now));
    lab.advance(100_000);
    let blue = lab.place("1.3.0", Side::A, 2, 0);
    lab.place("1.4.0", Side::B, 3, 0);
    let tuning = Tuning::default();
    let look = |memory: &mut Memory, lab: &Lab| {
        memory.absorb(&lab.observe(), &tuning, lab.clock());
        Side::BOTH.map(|side| {
            let newest = memory.health[side.index()].newest().unwrap();
            (newest.at.0, newest.healthy.len())
        })
    };
    assert_eq!(look(&mut memory, &lab), [(100_000, 2), (100_000, 3)]);
    lab.delete(&blue);
    lab.advance(5_000);
    assert_eq!(look(&mut memory, &lab), [(100_000, 2), (105_000, 3)]);
}

/// A process may stand still while it reads, and a throttled call be sent again: what a round of reads shows may be as new
/// as its end, whenever it began.
#[test]
fn since_when_something_is_so_is_told_by_the_end_of_the_read_that_shows_it() {
    let long_ago = |world: &mut World| {
        let begun = Mono(1_000);
        let Read::Known { at, .. } = &mut world.rules else {
            panic!("read");
        };
        *at = begun;
        for group in &mut world.groups {
            let Read::Known { at, .. } = group else {
                panic!("read");
            };
            *at = begun;
        }
    };
    let mut scene = scene();
    scene.memory = Memory::new(Mono(0));
    scene.look_at(long_ago);
    assert_eq!(scene.memory.zero_since[1], Some(Mono(scene.lab.now)));
    scene.lab.advance(4_000);
    scene.look();
    assert!(!counts(&scene, Side::B), "4 s, not 103");
    scene.lab.advance(1_000);
    scene.look();
    assert!(counts(&scene, Side::B));
}
