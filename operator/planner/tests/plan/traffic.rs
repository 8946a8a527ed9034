//! Where traffic goes: forward when green can carry it, back as far as blue can.

use crd_schema::record::Stage;
use crd_schema::strategy::{Share, Step};
use planner::lab::{Lab, Operator, application, per_release};
use planner::world::{Read, Service, Side, TargetState, World};
use planner::{Hold, WaitingOn, Write};

use crate::scene::{Scene, at, green, held, ready, seconds, settled, settled_of, stepped};

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

/// A person ends the step's pause, and green is not what it was when it got the traffic that it has.
#[test]
fn green_gets_no_more_traffic_while_it_is_not_steady_or_full() {
    let promoted = || {
        let mut scene = stepped(50);
        scene.lab.intents.promote = Some(crd_schema::intent::Promote {
            rollout: scene.lab.desired.as_ref().unwrap().0,
            step: 1,
            full: true,
        });
        scene
    };
    assert!(shifts(&promoted().plan()));
    let waits = |change: fn(&mut Service)| {
        let plan = promoted().plan_on(green(change));
        assert_eq!((plan.step, plan.report.stage), (None, Stage::Shift));
    };
    waits(|green| green.steady = false);
    waits(|green| green.running = 1);
}

/// Blue is gone, and green lacks something before its release has ended.
#[test]
fn a_release_ends_with_all_that_green_needs() {
    let mut scene = at(Stage::CleanUp);
    let _ = scene.until(|_, plan| matches!(plan.step, Some(Write::DeleteService { .. })));
    scene.lab.advance(600_000);
    scene.watch(20);
    let lacks = |world: &mut World| {
        if let Read::Known { value, .. } = &mut world.services {
            value.iter_mut().for_each(|service| service.steady = false);
        }
    };
    let plan = scene.plan_on(lacks);
    let (healthy, need) = (2, 2);
    let waiting = WaitingOn::HealthyTargets { healthy, need };
    assert_eq!(plan.report.waiting_on, waiting);
    assert_eq!(plan.report.stage, Stage::CleanUp);
    assert_eq!(scene.plan().report.waiting_on, WaitingOn::Nothing);
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

/// Somebody scaled green up before it had any traffic: what it runs has carried nothing.
#[test]
fn back_needs_nothing_of_what_carries_no_traffic() {
    let mut scene = ready();
    let green = scene.lab.services[1].shown.name.clone();
    scene.lab.scale(&green, 4);
    scene.lab.advance(60_000);
    scene.lab.intents.abort = Some(crd_schema::intent::Abort {
        rollout: scene.lab.desired.as_ref().unwrap().0,
    });
    let _ = scene.until(|scene, _| scene.lab.services[1].shown.desired == 0);
    let mut writes = scene.lab.writes.iter();
    let grows = writes.any(|write| write.starts_with("scale service blog-1-3-0"));
    assert!(!grows, "{:#?}", scene.lab.writes);
}

/// Half of the traffic is back, blue has one healthy task of two, and nothing is to be written until it has more.
#[test]
fn back_waits_where_blue_has_what_it_carries() {
    let mut scene = stepped(50);
    scene.lab.intents.abort = Some(crd_schema::intent::Abort {
        rollout: scene.lab.desired.as_ref().unwrap().0,
    });
    let sick = |world: &mut World| {
        if let Read::Known {
            value: Some(group), ..
        } = &mut world.groups[0]
        {
            group.targets[0].state = TargetState::Unhealthy;
        }
    };
    for _ in 0..4 {
        let _ = scene.plan_on(sick);
        scene.lab.advance(5_000);
    }
    let plan = scene.plan_on(sick);
    assert_eq!(plan.step, None);
    let (healthy, need) = (1, 2);
    let waiting = WaitingOn::HealthyTargets { healthy, need };
    assert_eq!(plan.report.waiting_on, waiting);
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
    blog.routes[0].production.push(more.clone());
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

/// Whatever was written down: people made blue smaller, or larger, since.
#[test]
fn green_grows_to_what_blue_is_now() {
    let mut scene = ready();
    let (_, record) = scene.lab.record.as_mut().unwrap();
    record.rollout.as_mut().unwrap().reference = 9;
    let names = scene.lab.services.iter().map(|s| s.shown.name.clone());
    let names: Vec<_> = names.collect();
    scene.lab.scale(&names[0], 3);
    scene.watch(5);
    let plan = scene.plan();
    let Some(Write::ScaleService { name, to, .. }) = &plan.step else {
        panic!("{plan:?}")
    };
    assert_eq!((name, *to), (&names[1], 3));
}

/// The record of the steps is lost, with more traffic on green than the step before the gate gives it.
#[test]
fn a_gate_at_a_step_is_gone_back_to_where_there_is_a_blue_to_go_back_to() {
    let share = |change: fn(&mut Scene)| {
        let mut blog = application();
        let gate = crd_schema::GateName::new("smoke");
        let step = |tenths| Step::SetWeight(Share::tenths(tenths).unwrap());
        blog.strategy = crd_schema::strategy::Strategy::of(vec![
            step(100),
            Step::Gate(gate.clone()),
            step(500),
            Step::Pause(None),
        ]);
        let approval = crd_schema::gate::Gate {
            before: None,
            check: crd_schema::gate::Check::Approval,
            attempts: 1,
            every: seconds(1),
            timeout: seconds(600),
            on_error: crd_schema::gate::OnError::Hold,
        };
        blog.gates.insert(gate, approval);
        let mut scene = settled_of(blog);
        let blue = scene.lab.services[0].shown.name.clone();
        scene.lab.place("1.4.0", Side::B, 2, 0);
        scene.lab.services[1].shown.tags.blue = Some(blue);
        scene.set(0, [Some(40), Some(60)]);
        scene.set(1, [Some(0), Some(100)]);
        scene.lab.wish("1.4.0");
        change(&mut scene);
        scene.watch(40);
        match scene.plan().step {
            Some(Write::SetWeights { weights, .. }) => weights.get()[1],
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(share(|_| ()), Some(10));
    let of_nothing = |scene: &mut Scene| scene.lab.services[1].shown.tags.blue = None;
    assert_eq!(share(of_nothing), Some(50), "blue is somebody else's");
    let failed = |scene: &mut Scene| {
        let generation = scene.lab.services[0].shown.tags.generation.unwrap();
        let (_, record) = scene.lab.record.as_mut().unwrap();
        record.rejected.push(crd_schema::record::Rejection {
            generation,
            version: "1.3.0".to_owned(),
            reason: "it failed".to_owned(),
            aborted: false,
        });
    };
    assert_eq!(share(failed), Some(50), "blue failed");
}
