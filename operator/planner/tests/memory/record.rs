//! Which record, which wish, and what an earlier process said.

use crd_schema::record::{Generation, Record, Release, Rollout, Stage};
use planner::Write;
use planner::lab::desired;
use planner::memory::WriteOutcome;
use planner::world::{DesiredParameter, Read, RecordParameter, World};

use crate::scene::{Scene, scene};

fn generation(version: i64) -> Generation {
    Generation { date: 9, version }
}

/// The record as version `n`, which says that many were created.
fn shows(n: i64, clean: bool) -> impl FnOnce(&mut World) {
    move |world| {
        let record = Record {
            created: u32::try_from(n).unwrap(),
            clean,
            ..Record::default()
        };
        if let Read::Known { value, .. } = &mut world.record {
            *value = RecordParameter::Set {
                generation: generation(n),
                record: Box::new(record),
            };
        }
    }
}

fn writes(scene: &mut Scene, record: Record) {
    let write = Write::PutRecord(Box::new(record));
    scene.answered(&write, &WriteOutcome::Applied);
}

/// Version 7 was read, and version 8 is an own write of just now.
fn written() -> Scene {
    let mut scene = scene();
    scene.look_at(shows(7, true));
    let record = Record {
        created: 8,
        ..Record::default()
    };
    writes(&mut scene, record);
    scene
}

#[test]
fn the_own_write_is_the_next_version_of_the_record() {
    let scene = written();
    assert_eq!(scene.memory.record_generation, Some(generation(8)));
    let mut first = crate::scene::scene();
    writes(&mut first, Record::default());
    let known = first.memory.record_generation.unwrap();
    assert_eq!((known.date, known.version), (0, 1));
}

#[test]
fn an_older_record_is_believed_when_reads_cannot_lag_behind_the_own_write() {
    let mut scene = written();
    scene.lab.advance(9_999);
    scene.look_at(shows(7, true));
    assert_eq!(scene.memory.record.created, 8);
    scene.lab.advance(1);
    scene.look_at(shows(7, true));
    assert_eq!(scene.memory.record.created, 7, "somebody put it back");
}

#[test]
fn a_record_that_is_no_older_than_the_own_write_is_believed_at_once() {
    for n in [8, 9] {
        let mut scene = written();
        scene.memory.record.created = 0;
        scene.look_at(shows(n, true));
        assert_eq!(i64::from(scene.memory.record.created), n);
    }
}

#[test]
fn a_record_that_vanished_is_written_again_when_reads_cannot_lag_behind_the_own_write() {
    let mut scene = written();
    scene.lab.advance(9_999);
    scene.look();
    assert_eq!(scene.memory.record_generation, Some(generation(8)));
    scene.lab.advance(1);
    scene.look();
    assert_eq!(scene.memory.record_generation, None);
    assert_eq!(scene.memory.record.created, 8, "what it said is kept");
}

/// A write of the record without an answer, soon after another one: a read may show the time before that one.
#[test]
fn an_unanswered_record_that_is_read_soon_after_another_write_of_it_proves_nothing() {
    for (ms, outstanding) in [(9_999, true), (10_000, false)] {
        let mut scene = written();
        let again = Record {
            created: 7,
            clean: true,
            ..Record::default()
        };
        scene.unanswered(&Write::PutRecord(Box::new(again)));
        scene.lab.advance(ms);
        scene.look_at(shows(7, true));
        assert_eq!(scene.memory.outstanding.is_some(), outstanding, "{ms}");
    }
}

#[test]
fn an_earlier_process_handed_over_when_the_last_that_it_wrote_says_so() {
    let after = |reads: &[(i64, bool)]| {
        let mut scene = scene();
        scene.memory.clean_start = None;
        for (n, clean) in reads {
            scene.look_at(shows(*n, *clean));
        }
        scene.memory.clean_start
    };
    assert_eq!(after(&[(7, true)]), Some(true));
    assert_eq!(after(&[(7, false)]), Some(false));
    // The first read was older than the last write.
    assert_eq!(after(&[(7, true), (8, false)]), Some(false));
    assert_eq!(after(&[(7, false), (8, true)]), Some(false));
    assert_eq!(after(&[(7, true), (8, true)]), Some(true));
    // The same once more, and an older one, say nothing new.
    assert_eq!(after(&[(7, true), (7, false)]), Some(true));
    assert_eq!(after(&[(7, true), (6, false)]), Some(true));
    let mut scene = written();
    scene.look_at(shows(9, false));
    assert_eq!(scene.memory.clean_start, Some(true), "our own is newer");
    let mut scene = crate::scene::scene();
    scene.memory.clean_start = None;
    scene.look();
    assert_eq!(scene.memory.clean_start, Some(false), "nobody said so");
}

#[test]
fn a_new_rollout_begins_without_other_people_s_changes() {
    let of = |version: i64| Record {
        rollout: Some(Rollout {
            release: Release {
                digest: "d".to_owned(),
                version: "1.4.0".to_owned(),
                generation: generation(version),
                task_definition: None,
            },
            stage: Stage::Shift,
            entered: Default::default(),
            reference: 2,
            step: None,
            gates: Default::default(),
            paused: None,
            deployment: None,
            base: None,
        }),
        ..Record::default()
    };
    let mut scene = scene();
    writes(&mut scene, of(1));
    scene.memory.foreign_changes = 3;
    writes(&mut scene, of(1));
    assert_eq!(scene.memory.foreign_changes, 3, "the same one goes on");
    writes(&mut scene, of(2));
    assert_eq!(scene.memory.foreign_changes, 0);
}

#[test]
fn the_newest_wish_stays_in_force() {
    let mut scene = scene();
    let wish = |version: &'static str, n: i64| {
        move |world: &mut World| {
            if let Read::Known { value, .. } = &mut world.desired {
                *value = DesiredParameter::Set {
                    generation: generation(n),
                    desired: desired(version),
                };
            }
        }
    };
    scene.memory.desired = None;
    let wished = |scene: &Scene| {
        let (_, desired) = scene.memory.wish.clone().unwrap();
        desired.version
    };
    scene.look_at(wish("1.5.0", 5));
    assert_eq!(wished(&scene), "1.5.0");
    scene.look_at(wish("1.4.0", 4));
    assert_eq!(wished(&scene), "1.5.0", "an older read");
    scene.look_at(wish("1.6.0", 6));
    assert_eq!(wished(&scene), "1.6.0");
    scene.look_at(|world| {
        if let Read::Known { value, .. } = &mut world.desired {
            *value = DesiredParameter::Missing;
        }
    });
    assert_eq!(wished(&scene), "1.6.0", "it vanished");
    scene.look_at(wish("1.4.0", 4));
    assert_eq!(wished(&scene), "1.6.0", "and what it was before is older");
}

/// A name may be taken by a service that only a look by name finds: it is looked for in the round after the record said
/// it.
#[test]
fn the_next_names_were_looked_for_when_the_record_says_nothing_new_of_them() {
    let release = |version: i64| Release {
        digest: "d".to_owned(),
        version: "1.4.0".to_owned(),
        generation: generation(version),
        task_definition: None,
    };
    let rollout = |version: i64| Rollout {
        release: release(version),
        stage: Stage::ScaleUp,
        entered: Default::default(),
        reference: 2,
        step: None,
        gates: Default::default(),
        paused: None,
        base: None,
        deployment: None,
    };
    let mut record = Record::default();
    let changes: [&dyn Fn(&mut Record); 4] = [
        &|record| record.created = 1,
        &|record| record.rollout = Some(rollout(1)),
        &|record| record.rollout = Some(rollout(2)),
        &|record| record.last_good = Some(release(1)),
    ];
    let mut scene = scene();
    for (n, change) in (10..).zip(changes) {
        change(&mut record);
        for looked_for in [false, true] {
            scene.look_at(|world| {
                if let Read::Known { value, .. } = &mut world.record {
                    *value = RecordParameter::Set {
                        generation: generation(n),
                        record: Box::new(record.clone()),
                    };
                }
            });
            assert_eq!(scene.memory.looked_for, looked_for, "{n}");
        }
    }
}
