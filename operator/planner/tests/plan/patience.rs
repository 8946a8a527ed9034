//! When nothing is done yet, and when it is looked at again.

use crd_schema::record::Stage;
use planner::lab::application;
use planner::memory::WriteOutcome;
use planner::world::{Read, Side, World};
use planner::{Mono, WaitingOn, Write};

use crate::scene::{Scene, at, seconds, settled};

/// A wish that waits for its first step.
fn wished() -> Scene {
    let mut scene = settled();
    scene.lab.wish("1.4.0");
    // The record says so already.
    let _ = scene.plan();
    scene
}

fn unread<T>() -> Read<T> {
    Read::Unread {
        reason: "throttled".to_owned(),
    }
}

#[test]
fn what_could_not_be_read_is_told() {
    type Change = fn(&mut World);
    let parts: [(Change, &str); 5] = [
        (|world| world.services = unread(), "services: throttled"),
        (|world| world.rules = unread(), "listener rules: throttled"),
        (
            |world| world.groups[0] = unread(),
            "target groups: throttled",
        ),
        (
            |world| world.groups[1] = unread(),
            "target groups: throttled",
        ),
        (|world| world.own = unread(), "target groups: throttled"),
    ];
    for (change, what) in parts {
        let plan = wished().plan_on(change);
        let what = what.to_owned();
        assert_eq!(plan.step, None);
        assert_eq!(plan.report.waiting_on, WaitingOn::Observation { what });
        assert_eq!(plan.next_check, seconds(2));
    }
    // What was read once is remembered.
    let remembered: [Change; 3] = [
        |world| world.record = unread(),
        |world| world.desired = unread(),
        |world| world.intents = unread(),
    ];
    for change in remembered {
        assert!(wished().plan_on(change).step.is_some());
        let mut scene = wished();
        scene.operator.memory.clean_start = None;
        scene.operator.memory.desired = None;
        scene.operator.memory.intents = None;
        let plan = scene.plan_on(change);
        assert_eq!(plan.step, None);
        assert_eq!(plan.report.waiting_on.label(), "Observation");
    }
}

#[test]
fn a_step_waits_for_the_answer_to_the_one_before() {
    let mut scene = wished();
    let sent = Write::CreateService {
        name: "blog-x".to_owned(),
        side: Side::B,
        body: serde_json::Map::new(),
    };
    scene.unanswered(&sent);
    let plan = scene.plan();
    assert_eq!(plan.step, None);
    let what = sent.describe();
    assert_eq!(plan.report.waiting_on, WaitingOn::OutstandingWrite { what });
    assert_eq!(plan.report.until, Some(Mono(scene.lab.now + 40_000)));
}

#[test]
fn a_step_waits_until_reads_show_the_one_before() {
    let mut scene = wished();
    let before = scene.lab.observe();
    let done = Write::ScaleService {
        name: scene.lab.services[0].shown.name.clone(),
        from: 2,
        to: 3,
    };
    let now = scene.clock();
    let planner::lab::Operator { memory, tuning, .. } = &mut scene.operator;
    memory.sending(&done, tuning, now);
    memory.note(&done, &WriteOutcome::Applied, tuning, now);
    let plan = scene.plan_on(|world| world.services = before.services.clone());
    assert_eq!(plan.step, None);
    let what = done.describe();
    assert_eq!(plan.report.waiting_on, WaitingOn::ReadYourWrites { what });
    assert_eq!(plan.report.until, None);
}

#[test]
fn only_what_takes_something_away_waits_until_every_signature_is_too_old() {
    let to = |to: u32| Write::ScaleService {
        name: "blog".to_owned(),
        from: 2,
        to,
    };
    assert!(to(1).is_destructive());
    assert!(!to(2).is_destructive() && !to(3).is_destructive());
}

/// Thirty seconds by which reads of ECS may lag; forty more, or five minutes, unless who led before handed over.
#[test]
fn what_an_earlier_process_sent_is_waited_out() {
    let waits = |scene: &Scene, clean: bool, ms: u64| {
        let mut scene = scene.clone();
        scene.operator.memory.clean_start = Some(clean);
        scene.operator.memory.leading_since = Mono(scene.lab.now - ms);
        let plan = scene.plan();
        let waits = plan.report.waiting_on == WaitingOn::StartBound;
        assert_eq!(plan.step.is_none(), waits);
        assert_eq!(plan.report.until.is_some(), waits);
        waits
    };
    let scene = wished();
    for (clean, ms) in [(true, 30_000), (false, 70_000)] {
        assert!(waits(&scene, clean, ms - 1), "{clean}");
        assert!(!waits(&scene, clean, ms), "{clean}");
    }
    // Blue is to be scaled down.
    let mut scene = at(Stage::CleanUp);
    scene.lab.advance(240_000);
    assert!(matches!(
        scene.plan().step,
        Some(Write::ScaleService { .. })
    ));
    assert!(waits(&scene, false, 329_999));
    assert!(!waits(&scene, false, 330_000));
}

/// Green's weight is to rise, and somebody's unanswered removal of it may still land.
#[test]
fn a_step_waits_for_what_may_still_land_unless_nothing_answers_anyway() {
    let mut scene = at(Stage::Validate);
    let _ = scene.until(|scene, plan| {
        plan.report.stage == Stage::Validate
            && scene.lab.rules[1].action != scene.lab.rules[0].action
    });
    scene.watch(10);
    let shifts = |scene: &mut Scene| {
        let plan = scene.plan();
        (
            matches!(plan.step, Some(Write::SetWeights { .. })),
            plan.report,
        )
    };
    assert!(shifts(&mut scene).0);
    let green = scene.lab.services[1].shown.name.clone();
    let removal = Write::ScaleService {
        name: green,
        from: 2,
        to: 0,
    };
    let until = Mono(scene.lab.now + 60_000);
    scene
        .operator
        .memory
        .unsettled
        .push(planner::memory::Unsettled {
            write: removal.clone(),
            side: Some(Side::B),
            until,
        });
    let (shifted, report) = shifts(&mut scene);
    assert!(!shifted);
    let what = removal.describe();
    assert_eq!(report.waiting_on, WaitingOn::OutstandingWrite { what });
    assert_eq!(report.until, Some(until));
    // Blue dies.
    scene.lab.broken.insert("1.3.0".to_owned());
    scene.watch(10);
    assert!(shifts(&mut scene).0);
}

#[test]
fn before_anything_is_done_the_record_no_longer_says_that_all_is_handed_over() {
    let mut scene = settled();
    let (_, record) = scene.lab.record.as_mut().unwrap();
    record.clean = true;
    let plan = scene.first_plan_on(|_| ());
    assert_eq!(plan.step, None, "nothing is to be done");
    // A test rule is to be put back.
    scene.set(1, [None, Some(100)]);
    let plan = scene.first_plan_on(|_| ());
    let Some(Write::PutRecord(record)) = &plan.step else {
        panic!("{plan:?}")
    };
    assert!(!record.clean);
    assert_eq!(plan.report.waiting_on, WaitingOn::OwnStep);
    assert!(matches!(scene.plan().step, Some(Write::SetWeights { .. })));
}

#[test]
fn a_record_that_vanished_is_written_again() {
    let mut scene = settled();
    scene.lab.record = None;
    scene.lab.advance(10_000);
    let plan = scene.first_plan_on(|_| ());
    assert!(matches!(plan.step, Some(Write::PutRecord(_))), "{plan:?}");
    // One that would say nothing is not.
    let mut lab = planner::lab::Lab::new(application());
    lab.advance(100_000);
    let operator = planner::lab::Operator::new(&lab);
    let mut scene = Scene { lab, operator };
    scene.lab.advance(100_000);
    assert_eq!(scene.first_plan_on(|_| ()).step, None);
}

#[test]
fn a_step_that_is_written_down_first_has_no_end_yet() {
    // Everything is on green, and settles; then it is written down that it bakes.
    let mut scene = at(Stage::Validate);
    let _ = scene.until(|scene, _| scene.weight(Side::B) == 100);
    let plan = scene.until(|_, plan| {
        let bakes = plan.report.stage == Stage::Bake;
        bakes && matches!(plan.step, Some(Write::PutRecord(_)))
    });
    assert_eq!(plan.report.until, None);
    // A pause that ends some time later, with the record of it.
    let mut scene = at(Stage::Bake);
    let plan = scene.plan();
    let end = plan.report.until;
    assert!(end.is_some(), "{plan:?}");
    scene.lab.intents.paused = true;
    let plan = scene.first_plan_on(|_| ());
    assert!(matches!(plan.step, Some(Write::PutRecord(_))), "{plan:?}");
    assert_eq!(plan.report.until, None);
}

/// Every two seconds while something moves, every minute while nothing does, and when a known wait ends.
#[test]
fn it_is_looked_again_as_soon_as_something_can_have_changed() {
    let mut scene = settled();
    // A test rule was put back a moment ago: reads may not show it yet.
    scene.set(1, [None, Some(100)]);
    let _ = scene.until(|_, plan| plan.step.is_some());
    let plan = scene.plan();
    assert_eq!(plan.report.waiting_on, WaitingOn::Nothing);
    assert_eq!(plan.next_check, seconds(2));
    scene.lab.advance(60_000);
    assert_eq!(scene.plan().next_check, seconds(60));
    scene.lab.wish("1.4.0");
    assert_eq!(
        scene.plan().next_check,
        seconds(0),
        "there is a step to take"
    );
    // Tasks start: their health is not clear yet.
    let plan = scene.until(|_, plan| plan.report.waiting_on.label() == "Tasks");
    assert_eq!(plan.next_check, seconds(2));
    // Only time passes: a reading of health counts every five seconds.
    let plan = scene.until(|_, plan| {
        plan.report.waiting_on == WaitingOn::BakeTime
            && plan.step.is_none()
            && plan.report.until.is_some()
    });
    assert_eq!(plan.next_check, seconds(5));
    // Its end comes sooner.
    scene.watch(50);
    let left = |scene: &mut Scene| {
        let plan = scene.plan();
        let left = plan.report.until.unwrap().since(Mono(scene.lab.now));
        (left, plan.next_check)
    };
    while left(&mut scene).0 > seconds(3) {
        scene.lab.advance(1_000);
    }
    let (left, next) = left(&mut scene);
    assert_eq!(next, left);
    // Health differs from one reading to the next.
    let mut scene = at(Stage::Bake);
    scene.watch(10);
    assert_eq!(scene.plan().next_check, seconds(5));
    scene.lab.broken.insert("1.3.0".to_owned());
    assert_eq!(scene.plan().next_check, seconds(2));
}

#[test]
fn a_person_who_holds_or_is_waited_for_is_not_kept_waiting() {
    let mut scene = at(Stage::Validate);
    scene.watch(60);
    scene.lab.intents.paused = true;
    let plan = scene.plan();
    assert_eq!(
        plan.report.waiting_on,
        WaitingOn::Hold(planner::Hold::Paused)
    );
    assert_eq!(plan.next_check, seconds(5));
    // A hold that a person ends elsewhere is looked at now and then.
    let mut scene = settled();
    scene.lab.advance(60_000);
    scene.watch(10);
    let plan = scene.plan_on(|world| world.conflicts.push("shop".to_owned()));
    assert_eq!(plan.next_check, seconds(60));
    let plan = at(Stage::Bake).plan_on(|world| world.conflicts.push("shop".to_owned()));
    assert_eq!(plan.next_check, seconds(2), "a rollout is on its way");
}

#[test]
fn paused_and_settled_is_settled() {
    let mut scene = settled();
    scene.lab.intents.paused = true;
    assert_eq!(scene.plan().report.waiting_on, WaitingOn::Nothing);
    // With a rollout on its way that has arrived, it is held.
    let mut scene = at(Stage::Bake);
    scene.lab.intents.paused = true;
    assert_eq!(
        scene.plan().report.waiting_on,
        WaitingOn::Hold(planner::Hold::Paused)
    );
}
