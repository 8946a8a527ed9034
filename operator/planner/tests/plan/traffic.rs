//! Where traffic goes: forward when green can carry it, back as far as blue can.

use std::time::Duration;

use crd_schema::record::Stage;
use crd_schema::strategy::{Share, Step, Strategy};
use planner::lab::{Lab, Operator, application, per_release};
use planner::world::{Read, Service, Side, TargetState, World};
use planner::{Hold, WaitingOn, Write};

use crate::scene::{Scene, at, held, seconds, settled, settled_of};

fn green(change: impl Fn(&mut Service)) -> impl Fn(&mut World) {
    move |world| {
        if let Read::Known { value, .. } = &mut world.services {
            change(&mut value[1]);
        }
    }
}

/// Green is full and healthy, test traffic is on it, and production traffic is about to move.
fn ready() -> Scene {
    let mut scene = at(Stage::Validate);
    let _ = scene.until(|scene, _| {
        matches!(
            &scene.lab.rules[1].action,
            planner::world::Action::Forward {
                weights: [None | Some(0), Some(100)],
                ..
            }
        )
    });
    scene.watch(10);
    scene
}

fn shifts(plan: &planner::Plan) -> bool {
    matches!(plan.step, Some(Write::SetWeights { .. }))
}

#[test]
fn traffic_moves_when_green_is_full_healthy_and_steady() {
    let mut scene = ready();
    assert!(shifts(&scene.plan()));
    let plan = scene.plan_on(green(|green| green.steady = false));
    assert_eq!(plan.step, None);
    let waiting = WaitingOn::HealthyTargets {
        healthy: 2,
        need: 2,
    };
    assert_eq!(plan.report.waiting_on, waiting);
    let plan = scene.plan_on(green(|green| green.running = 1));
    let waiting = WaitingOn::Tasks {
        running: 1,
        need: 2,
    };
    assert_eq!(plan.report.waiting_on, waiting);
}

/// A group that does not balance across zones sends a zone's requests to that zone's targets.
#[test]
fn green_is_in_every_zone_that_blue_is_healthy_in_where_zones_are_not_balanced() {
    let zones = |single: bool, blue: [(&'static str, TargetState); 2], green: [&'static str; 2]| {
        move |world: &mut World| {
            for (read, zones) in world
                .groups
                .iter_mut()
                .zip([blue, green.map(|zone| (zone, TargetState::Healthy))])
            {
                if let Read::Known {
                    value: Some(group), ..
                } = read
                {
                    group.single_zone = single;
                    for (target, (zone, state)) in group.targets.iter_mut().zip(zones) {
                        target.zone = Some(zone.to_owned());
                        target.state = state;
                    }
                }
            }
        }
    };
    use TargetState::{Healthy, Unhealthy};
    let both = [("a", Healthy), ("b", Healthy)];
    for (single, blue, green, moves) in [
        (true, both, ["a", "b"], true),
        (true, both, ["a", "a"], false),
        (false, both, ["a", "a"], true),
        (true, [("a", Healthy), ("b", Unhealthy)], ["a", "a"], true),
    ] {
        let plan = ready().plan_on(zones(single, blue, green));
        assert_eq!(shifts(&plan), moves, "{single} {blue:?} {green:?}");
    }
}

#[test]
fn green_is_as_many_as_blue_is() {
    let made = |count: u32| {
        let mut scene = settled();
        let blue = scene.lab.services[0].shown.name.clone();
        scene.lab.scale(&blue, count);
        scene.lab.advance(60_000);
        scene.watch(10);
        scene.lab.wish("1.4.0");
        let plan = scene.until(|_, plan| matches!(plan.step, Some(Write::CreateService { .. })));
        let Some(Write::CreateService { body, .. }) = plan.step else {
            unreachable!()
        };
        body["desiredCount"].as_u64().unwrap()
    };
    assert_eq!(made(3), 3);
    assert_eq!(made(1), 1);
}

#[test]
fn who_is_put_to_sleep_under_traffic_comes_back_as_large_as_written_down_or_as_the_spec_says() {
    let woken = |scene: &mut Scene| {
        let name = scene.lab.services[0].shown.name.clone();
        scene.lab.scale(&name, 0);
        match scene.plan().step {
            Some(Write::ScaleService { to, .. }) => to,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(woken(&mut settled()), 2);
    let mut scene = ready();
    let (_, record) = scene.lab.record.as_mut().unwrap();
    record.rollout.as_mut().unwrap().reference = 5;
    assert_eq!(woken(&mut scene), 5);
    let mut scene = ready();
    let (_, record) = scene.lab.record.as_mut().unwrap();
    record.rollout.as_mut().unwrap().reference = 0;
    assert_eq!(woken(&mut scene), 2);
}

/// Half, and then everything when a person says so.
fn stepped(percent: u16) -> Scene {
    let mut blog = application();
    blog.strategy = Strategy {
        steps: vec![
            Step::SetWeight(Share::tenths(percent * 10).unwrap()),
            Step::Pause(None),
        ],
    };
    let mut scene = settled_of(blog);
    scene.lab.wish("1.4.0");
    let _ = scene.until(|_, plan| plan.report.waiting_on == WaitingOn::Promotion);
    scene.watch(20);
    scene
}

#[test]
fn what_waits_while_green_is_not_ready_says_whether_it_has_traffic_already() {
    let sick = green(|green| green.steady = false);
    assert_eq!(ready().plan_on(&sick).report.stage, Stage::ScaleUp);
    assert_eq!(stepped(50).plan_on(&sick).report.stage, Stage::Shift);
    // A first release has traffic from the start: nobody else does.
    let mut lab = Lab::new(application());
    lab.wish("1.3.0");
    let operator = Operator::new(&lab);
    let mut scene = Scene { lab, operator };
    let plan = scene.until(|_, plan| plan.report.waiting_on.label() == "HealthyTargets");
    assert!(scene.weight(Side::A) > 0);
    assert_eq!(plan.report.stage, Stage::ScaleUp);
}

#[test]
fn nobody_is_told_to_promote_what_is_dead() {
    let waiting = |broken: &[&str], mut scene: Scene| {
        scene
            .lab
            .broken
            .extend(broken.iter().map(|version| (*version).to_owned()));
        scene.watch(20);
        scene.plan().report.waiting_on
    };
    let all = ["1.3.0", "1.4.0"];
    assert_eq!(
        waiting(&all, stepped(50)),
        WaitingOn::Hold(Hold::NothingAlive)
    );
    // A step that has a deadline fails at it.
    assert_eq!(waiting(&all, ready()).label(), "HealthyTargets");
}

#[test]
fn test_rules_are_led_back_to_green_in_every_stage_without_a_step_back() {
    let mut scene = at(Stage::Bake);
    scene.watch(5);
    scene.set(1, [Some(100), None]);
    let plan = scene.plan();
    assert!(shifts(&plan), "{plan:?}");
    assert_eq!(plan.report.stage, Stage::Bake);
    let mut scene = stepped(50);
    scene.set(1, [Some(100), None]);
    let plan = scene.plan();
    assert!(shifts(&plan), "{plan:?}");
    assert_eq!(plan.report.stage, Stage::Shift);
}

#[test]
fn a_bake_whose_begin_was_lost_bakes_its_full_time() {
    let mut scene = at(Stage::Bake);
    scene.watch(5);
    let (_, record) = scene.lab.record.as_mut().unwrap();
    record
        .rollout
        .as_mut()
        .unwrap()
        .entered
        .remove(&Stage::Bake);
    let plan = scene.plan();
    assert_eq!(plan.report.waiting_on, WaitingOn::BakeTime);
    let end = plan.report.until.unwrap();
    assert_eq!(end.since(planner::Mono(scene.lab.now)), seconds(60));
}

/// Blue says how many are needed, as far as green is asked for so many.
#[test]
fn at_the_end_of_the_bake_green_still_carries_what_blue_would() {
    let ends = |blue: u32, healthy: usize| {
        let mut scene = at(Stage::Bake);
        let name = scene.lab.services[0].shown.name.clone();
        scene.lab.scale(&name, blue);
        scene.lab.advance(60_000);
        let sick = move |world: &mut World| {
            if let Read::Known {
                value: Some(group), ..
            } = &mut world.groups[1]
            {
                for target in group.targets.iter_mut().skip(healthy) {
                    target.state = TargetState::Unhealthy;
                }
            }
        };
        for _ in 0..3 {
            let _ = scene.plan_on(sick);
            scene.lab.advance(5_000);
        }
        scene.plan_on(sick).report.stage
    };
    assert_eq!(ends(2, 2), Stage::CleanUp);
    assert_eq!(ends(2, 1), Stage::Bake);
    assert_eq!(ends(1, 1), Stage::CleanUp);
}

/// 80 % is on green, and blue is one of two when a person aborts.
fn aborted() -> Scene {
    let mut scene = stepped(80);
    let blue = scene.lab.services[0].shown.name.clone();
    scene.lab.scale(&blue, 1);
    scene.lab.advance(60_000);
    let generation = scene.lab.desired.as_ref().unwrap().0;
    scene.lab.intents.abort = Some(crd_schema::intent::Abort {
        rollout: generation,
    });
    scene.watch(20);
    scene
}

#[test]
fn back_goes_as_much_as_blue_carries_and_before_it_grows() {
    let mut scene = aborted();
    let plan = scene.plan();
    let Some(Write::SetWeights { weights, .. }) = &plan.step else {
        panic!("{plan:?}")
    };
    assert_eq!(weights.get(), [Some(50), Some(50)]);
    // Then it grows, and then it takes the rest.
    let plan = scene.until(|_, plan| matches!(plan.step, Some(Write::ScaleService { .. })));
    assert!(
        matches!(plan.step, Some(Write::ScaleService { from: 1, to: 2, .. })),
        "{plan:?}"
    );
    let _ = scene.until(|scene, _| scene.weight(Side::A) == 100 && scene.weight(Side::B) == 0);
}

/// Somebody scaled green up, and it carries everything on three tasks: so blue comes to three before it has it all.
#[test]
fn back_needs_as_many_as_what_carries_the_traffic_has() {
    let mut scene = at(Stage::Bake);
    let green = scene.lab.services[1].shown.name.clone();
    scene.lab.scale(&green, 3);
    scene.lab.advance(60_000);
    scene.lab.intents.abort = Some(crd_schema::intent::Abort {
        rollout: scene.lab.desired.as_ref().unwrap().0,
    });
    scene.watch(20);
    let plan = scene.plan();
    let Some(Write::SetWeights { weights, .. }) = &plan.step else {
        panic!("{plan:?}")
    };
    assert_eq!(weights.get(), [Some(66), Some(34)]);
    let plan = scene.until(|_, plan| matches!(plan.step, Some(Write::ScaleService { .. })));
    assert!(
        matches!(plan.step, Some(Write::ScaleService { from: 2, to: 3, .. })),
        "{plan:?}"
    );
    let _ = scene.until(|scene, _| scene.weight(Side::A) == 100 && scene.weight(Side::B) == 0);
}

/// With a group for each release, and the way back almost gone: who has all the traffic was put to sleep, and wakes up
/// before the other one's group leaves the rules.
#[test]
fn what_sleeps_with_all_the_traffic_wakes_up_before_the_other_group_goes() {
    let mut scene = settled_of(per_release()).released_to(Stage::Validate);
    scene.lab.wish("1.3.0");
    let blue = scene.lab.services[0].shown.name.clone();
    let _ = scene.until(|_, plan| plan.report.stage == Stage::RollBack);
    scene.lab.scale(&blue, 0);
    let plan = scene.plan();
    let Some(Write::ScaleService { name, from: 0, .. }) = &plan.step else {
        panic!("{plan:?}")
    };
    assert_eq!(*name, blue);
}

/// With a group for each release: green was ended half-way and its group is gone, its tasks not yet, as blue is wished
/// for again. Blue has everything, and nobody is there to share it with.
#[test]
fn steps_end_where_nobody_is_left_to_share_with() {
    let mut blog = per_release();
    let half = Step::SetWeight(Share::of(1, 2));
    blog.strategy.steps = vec![half, Step::Pause(None)];
    let mut scene = settled_of(blog).released_to(Stage::Shift);
    let _ = scene.until(|scene, _| scene.weight(Side::B) == 50);
    scene.lab.intents.abort = Some(crd_schema::intent::Abort {
        rollout: scene.lab.desired.as_ref().unwrap().0,
    });
    let _ = scene.until(|scene, _| scene.lab.groups[1].is_none());
    assert!(scene.lab.services.len() > 1, "green's tasks are there");
    scene.lab.wish("1.3.0");
    let ending = scene.operator.run(&mut scene.lab, 600);
    assert_eq!(ending, planner::lab::Ending::Settled);
    assert_eq!(scene.weight(Side::A), 100);
}

#[test]
fn what_serves_everything_is_not_grown_before_it_makes_room_for_a_newer_wish() {
    let mut scene = at(Stage::CleanUp);
    let name = scene.lab.services[1].shown.name.clone();
    scene.lab.scale(&name, 1);
    scene.lab.advance(60_000);
    scene.watch(10);
    scene.lab.wish("1.5.0");
    let plan = scene.plan();
    let Some(Write::ScaleService { name, to, .. }) = &plan.step else {
        panic!("{plan:?}")
    };
    assert!(name.starts_with("blog-1-3-0") && *to == 0, "{plan:?}");
}

/// Nothing lives, and neither service is wished for: each rule gives its weight to the same side.
#[test]
fn with_nothing_alive_each_rule_is_gathered_where_most_weight_is() {
    let mut blog = application();
    let more = crd_schema::ListenerArn::new("listener-8443");
    let more = crd_schema::application::RuleTarget::Listener(more);
    blog.route.as_mut().unwrap().production.push(more.clone());
    let mut lab = Lab::new(blog);
    lab.advance(100_000);
    lab.broken.extend(["1.3.0".to_owned(), "1.4.0".to_owned()]);
    lab.place("1.3.0", Side::A, 2, 0);
    lab.place("1.4.0", Side::B, 2, 0);
    lab.wish("1.5.0");
    let operator = Operator::new(&lab);
    let mut scene = Scene { lab, operator };
    scene.set(0, [Some(100), Some(0)]);
    scene.set(1, [Some(90), Some(10)]);
    scene.watch(60);
    let plan = scene.until(
        |_, plan| matches!(&plan.step, Some(Write::SetWeights { rule, .. }) if *rule == more),
    );
    let Some(Write::SetWeights { weights, .. }) = plan.step else {
        unreachable!()
    };
    assert_eq!(weights.get(), [Some(90), Some(0)]);
}

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
fn a_person_who_holds_before_the_first_step_holds_that_too() {
    let mut scene = settled();
    scene.lab.intents.paused = true;
    scene.lab.wish("1.4.0");
    assert_eq!(held(scene.plan()), Hold::Paused);
    scene.lab.intents.all_paused = true;
    assert_eq!(held(scene.plan()), Hold::AllPaused);
    scene.lab.intents.paused = false;
    assert_eq!(held(scene.plan()), Hold::AllPaused);
    let (_, record) = scene.lab.record.as_ref().unwrap();
    assert_eq!(record.rollout, None, "it has not begun");
}

#[test]
fn a_bake_that_was_held_goes_on_once_that_is_written_down() {
    let mut scene = at(Stage::Bake);
    scene.watch(5);
    scene.lab.intents.paused = true;
    assert_eq!(held(scene.plan()), Hold::Paused);
    scene.lab.advance(600_000);
    scene.watch(10);
    scene.lab.intents.paused = false;
    let plan = scene.first_plan_on(|_| ());
    assert!(matches!(plan.step, Some(Write::PutRecord(_))), "{plan:?}");
    assert_eq!(
        (plan.report.waiting_on, plan.report.until),
        (WaitingOn::OwnStep, None)
    );
    let plan = scene.plan();
    assert_eq!(plan.report.waiting_on, WaitingOn::BakeTime);
    assert!(plan.report.until.is_some());
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

/// What the stages of another rollout say counts for none but that one.
#[test]
fn the_clocks_of_another_rollout_are_not_this_one_s() {
    let baked = |change: fn(&mut crd_schema::record::Release)| {
        let mut scene = at(Stage::Bake);
        scene.watch(5);
        let (_, record) = scene.lab.record.as_mut().unwrap();
        change(&mut record.rollout.as_mut().unwrap().release);
        scene.lab.advance(600_000);
        scene.watch(10);
        scene.plan().report.stage
    };
    assert_eq!(baked(|_| ()), Stage::CleanUp);
    assert_eq!(
        baked(|release| release.digest = "0".repeat(16)),
        Stage::Bake
    );
    assert_eq!(
        baked(|release| release.generation.version -= 1),
        Stage::Bake
    );
}

#[test]
fn a_sleeping_blue_says_nothing_of_what_traffic_needs() {
    let mut scene = at(Stage::Bake);
    let names = scene.lab.services.iter().map(|s| s.shown.name.clone());
    let names: Vec<_> = names.collect();
    scene.lab.scale(&names[0], 0);
    scene.lab.scale(&names[1], 1);
    scene.watch(5);
    let plan = scene.plan();
    let Some(Write::ScaleService { name, to, .. }) = &plan.step else {
        panic!("{plan:?}")
    };
    assert_eq!((name, *to), (&names[1], 2));
}
