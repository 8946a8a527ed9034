//! When a release fails, and what is told of it.

use std::time::Duration;

use crd_schema::record::Stage;
use crd_schema::strategy::Step;
use planner::lab::Operator;
use planner::world::{Read, Service, TargetState, World};

use crate::scene::{Scene, at, green, ready, seconds, settled, stepped};

fn overdue(scene: &mut Scene, ms: u64) -> Option<String> {
    scene.lab.advance(ms);
    scene.watch(60);
    scene.plan().report.rejected
}

#[test]
fn a_shift_has_a_deadline_and_a_step_s_own_pause_extends_it_and_a_person_has_none() {
    let mut scene = stepped(50);
    assert_eq!(scene.plan().report.deadline, None);
    assert_eq!(overdue(&mut scene, 3_600_000), None);
    let deadline = |pause: Option<u64>| {
        let mut scene = stepped(50);
        let steps = &mut scene.lab.application.strategy.steps;
        match pause {
            Some(time) => steps[1] = Step::Pause(Some(seconds(time))),
            None => steps.truncate(1),
        }
        let report = scene.plan().report;
        let rollout = scene
            .lab
            .record
            .as_ref()
            .unwrap()
            .1
            .rollout
            .clone()
            .unwrap();
        let since = rollout.step.unwrap().since;
        report.deadline.map(|end| {
            let ms = end.as_millisecond() - since.as_millisecond();
            Duration::from_millis(u64::try_from(ms).unwrap())
        })
    };
    assert_eq!(deadline(Some(7_200)), Some(seconds(7_800)));
    assert_eq!(deadline(None), Some(seconds(600)));
}

#[test]
fn who_aborts_too_late_aborts_nothing() {
    let aborted = |stage: Stage| {
        let mut scene = at(stage);
        let generation = scene.lab.desired.as_ref().unwrap().0;
        scene.lab.intents.abort = Some(crd_schema::intent::Abort {
            rollout: generation,
        });
        scene.watch(5);
        scene.plan().report.rejected.is_some()
    };
    assert!(aborted(Stage::Bake));
    assert!(!aborted(Stage::CleanUp), "blue leaves");
}

#[test]
fn ecs_s_own_verdict_ends_a_release_that_comes_up_and_no_later_one() {
    let gave_up = |green: &mut Service| {
        green.deployment_failed = true;
        green.steady = false;
    };
    let verdict = |mut scene: Scene| scene.plan_on(green(gave_up)).report.rejected;
    let reason = verdict(ready()).unwrap();
    assert!(
        reason.starts_with("ECS's deployment circuit breaker gave up"),
        "{reason}"
    );
    assert_eq!(verdict(stepped(50)), None);
}

/// The health check's own answer is what a person needs.
#[test]
fn a_failed_release_says_what_the_health_check_answered() {
    let mut scene = settled();
    scene.lab.broken.insert("1.4.0".to_owned());
    scene.lab.wish("1.4.0");
    let _ = scene.until(|scene, _| scene.lab.services.len() == 2);
    scene.lab.advance(400_000);
    let answers = |world: &mut World| {
        for (read, words) in world.groups.iter_mut().zip(["fine", "code 503"]) {
            if let Read::Known {
                value: Some(group), ..
            } = read
            {
                for target in &mut group.targets {
                    target.reason = Some(words.to_owned());
                }
                let mut starts = group.targets[0].clone();
                starts.state = TargetState::Initial;
                starts.reason = Some("starts".to_owned());
                group.targets.insert(0, starts);
            }
        }
    };
    for _ in 0..12 {
        scene.lab.advance(5_000);
        let _ = scene.plan_on(answers);
    }
    let (_, record) = scene.lab.record.clone().unwrap();
    let reason = &record.rejected[0].reason;
    assert!(
        reason.contains("deadline: code 503; Essential container"),
        "{reason}"
    );
    // Without an answer and without an event, the counts say it.
    let mut scene = settled();
    scene.lab.broken.insert("1.4.0".to_owned());
    scene.lab.wish("1.4.0");
    let _ = scene.until(|scene, _| scene.lab.services.len() == 2);
    scene.lab.advance(400_000);
    for _ in 0..12 {
        scene.lab.advance(5_000);
        let _ = scene.plan_on(green(|green| green.trouble = None));
    }
    let (_, record) = scene.lab.record.clone().unwrap();
    let reason = &record.rejected[0].reason;
    assert!(reason.ends_with("2 of 2 tasks run, 0 healthy"), "{reason}");
}

#[test]
fn nobody_is_failed_before_this_process_could_have_taken_the_step() {
    // Thirty seconds after a start, and then fifteen and five for evidence of health.
    for (ms, rejected) in [(49_999, false), (50_000, true)] {
        let mut scene = settled();
        scene.lab.broken.insert("1.4.0".to_owned());
        scene.lab.wish("1.4.0");
        let _ = scene.until(|scene, _| scene.lab.services.len() == 2);
        scene.lab.advance(400_000);
        scene.operator = Operator::new(&scene.lab);
        scene.watch(40);
        scene.lab.advance(ms - 40_000);
        let plan = scene.plan();
        assert_eq!(plan.report.rejected.is_some(), rejected, "{ms}");
    }
}

/// Past the deadline, green has become healthy a moment ago: the second reading decides.
#[test]
fn what_became_healthy_a_moment_ago_is_given_its_second_reading() {
    let mut scene = settled();
    scene.lab.broken.insert("1.4.0".to_owned());
    scene.lab.wish("1.4.0");
    let _ = scene.until(|scene, _| scene.lab.services.len() == 2);
    scene.watch(60);
    scene.lab.advance(400_000);
    scene.lab.broken.clear();
    let plan = scene.plan();
    assert_eq!(plan.report.rejected, None, "{plan:?}");
    scene.lab.advance(5_000);
    let plan = scene.plan();
    assert_eq!(plan.report.rejected, None, "{plan:?}");
}
