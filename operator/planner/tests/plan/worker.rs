//! One decision about services without a load balancer.

use crd_schema::GateName;
use crd_schema::application::DuringBake;
use crd_schema::gate::{Check, Gate, OnError};
use crd_schema::intent::Abort;
use crd_schema::record::{Generation, Record, Rejection, Stage};
use planner::lab::{Lab, Operator, worker};
use planner::world::{Read, Service, Side, World};
use planner::{Plan, WaitingOn, Write};

use crate::scene::{Scene, holds, seconds, settled_of};

/// A release of 1.4.0 beside 1.3.0 that has come to this stage.
fn at(stage: Stage) -> Scene {
    settled_of(worker()).released_to(stage)
}

/// A person approves before the traffic of others would move, so that green works for long and has not taken over.
fn tested() -> Scene {
    let mut queue = worker();
    let gate = Gate {
        before: Some(Stage::Shift),
        check: Check::Approval,
        attempts: 1,
        every: seconds(1),
        timeout: seconds(600),
        on_error: OnError::Hold,
    };
    queue.gates.insert(GateName::new("approve"), gate);
    let mut scene = settled_of(queue).released_to(Stage::Validate);
    let _ = scene.until(|_, plan| plan.report.waiting_on.label() == "Approval");
    scene
}

fn nth(world: &mut World, n: usize) -> &mut Service {
    match &mut world.services {
        Read::Known { value, .. } => &mut value[n],
        Read::Unread { .. } => panic!("the scene is read"),
    }
}

/// So many steady tasks are left of blue and of green.
fn steady(blue: usize, green: usize) -> impl Fn(&mut World) {
    move |world| {
        for (n, left) in [(0, blue), (1, green)] {
            let addresses = &mut nth(world, n).addresses;
            while addresses.len() > left {
                addresses.pop_last();
            }
        }
    }
}

/// What is decided when that has been so for a while.
fn after_a_while(scene: &mut Scene, change: impl Fn(&mut World)) -> Plan {
    for _ in 0..8 {
        let _ = scene.first_plan_on(&change);
        scene.lab.advance(5_000);
    }
    scene.plan_on(change)
}

fn scales(plan: &Plan, version: &str) -> bool {
    let name = format!("blog-{version}");
    matches!(&plan.step, Some(Write::ScaleService { name: scaled, .. }) if scaled.starts_with(&name))
}

fn target(plan: &Plan) -> &str {
    let mut services = plan.report.services.iter();
    let target = services.find(|service| service.is_target).unwrap();
    target.version.as_deref().unwrap()
}

#[test]
fn blue_stops_when_green_has_all_steady_tasks_or_blue_has_none() {
    let decided = |blue, green| after_a_while(&mut at(Stage::CleanUp), steady(blue, green));
    assert!(scales(&decided(2, 2), "1-3-0"));
    let (steady, need) = (1, 2);
    let plan = decided(2, 1);
    assert_eq!(plan.step, None);
    assert_eq!(
        plan.report.waiting_on,
        WaitingOn::SteadyTasks { steady, need }
    );
    assert!(scales(&decided(0, 1), "1-3-0"));
}

#[test]
fn what_was_aborted_stops_when_one_task_of_blue_works() {
    let mut scene = at(Stage::Bake);
    scene.lab.intents.abort = Some(Abort {
        rollout: scene.lab.desired.as_ref().unwrap().0,
    });
    let plan = after_a_while(&mut scene.clone(), steady(0, 2));
    assert_eq!(plan.step, None, "nothing is to go, or to be marked, yet");
    let plan = after_a_while(&mut scene, steady(1, 2));
    let Some(marks @ Write::TagService { .. }) = &plan.step else {
        panic!("{plan:?}")
    };
    let _ = scene.lab.apply(marks);
    assert!(scales(&after_a_while(&mut scene, steady(1, 2)), "1-4-0"));
}

#[test]
fn a_release_that_died_is_rejected_only_where_blue_still_works() {
    let rejected = |change: &dyn Fn(&mut World)| {
        let mut scene = at(Stage::Bake);
        let plan = after_a_while(&mut scene, change);
        plan.report.rejected.is_some()
    };
    assert!(rejected(&steady(2, 0)));
    assert!(!rejected(&steady(0, 0)), "there is nothing to go back to");
    let asleep = |world: &mut World| {
        nth(world, 0).desired = 0;
        steady(2, 0)(world);
    };
    assert!(!rejected(&asleep), "what it has is about to stop");
}

#[test]
fn blue_that_sleeps_is_woken_while_nothing_of_green_runs() {
    let mut scene = settled_of(worker());
    scene.lab.wish("1.4.0");
    let _ = scene.until(|scene, _| scene.lab.services.len() == 2);
    let asleep = |green: usize| {
        move |world: &mut World| {
            nth(world, 0).desired = 0;
            nth(world, 0).addresses.clear();
            nth(world, 1).running = 2;
            steady(0, green)(world);
        }
    };
    scene.lab.advance(60_000);
    assert!(scales(&scene.clone().plan_on(asleep(0)), "1-3-0"));
    assert!(!scales(&scene.plan_on(asleep(2)), "1-3-0"));
}

/// Before its tests green has taken over nothing, however well it works.
#[test]
fn a_newer_wish_is_waited_for_by_who_has_taken_over() {
    let stays = |mut scene: Scene, during_bake| {
        scene.lab.application.on_new_release.during_bake = during_bake;
        scene.watch(40);
        scene.lab.wish("1.5.0");
        let plan = scene.first_plan_on(|_| ());
        target(&plan).to_owned()
    };
    assert_eq!(stays(tested(), DuringBake::Finish), "1.3.0");
    assert_eq!(stays(at(Stage::Bake), DuringBake::Finish), "1.4.0");
    assert_eq!(stays(at(Stage::Bake), DuringBake::RollBack), "1.3.0");
    assert_eq!(stays(at(Stage::CleanUp), DuringBake::RollBack), "1.4.0");
}

/// All of them work, and people are told who is relied on.
#[test]
fn who_serves_is_who_has_taken_over_or_is_to_leave_to_nobody() {
    let serving = |scene: &mut Scene| {
        let report = scene.plan().report;
        let services = report.services.into_iter();
        services.map(|s| s.serving).collect::<Vec<_>>()
    };
    assert_eq!(serving(&mut settled_of(worker())), [true]);
    assert_eq!(serving(&mut tested()), [true, false]);
    assert_eq!(serving(&mut at(Stage::Bake)), [false, true]);
}

fn rejection(generation: Generation) -> Rejection {
    Rejection {
        generation,
        version: "1.4.0".to_owned(),
        reason: "it failed".to_owned(),
        aborted: false,
    }
}

/// What was rejected works on where nothing else does, and takes no other one's place.
#[test]
fn what_was_rejected_has_everything_where_all_others_sleep() {
    let mut lab = Lab::new(worker());
    lab.advance(100_000);
    lab.place("1.4.0", Side::A, 2, 0);
    lab.place("1.2.0", Side::B, 0, 0);
    lab.wish("1.4.0");
    let generations = lab
        .services
        .iter()
        .map(|s| s.shown.tags.generation.unwrap());
    let wish = lab.desired.as_ref().unwrap().0;
    let rejected = generations.chain([wish]).map(rejection).collect();
    let record = Record {
        rejected,
        ..Record::default()
    };
    let first = Generation {
        date: 1,
        version: 1,
    };
    lab.record = Some((first, record));
    let operator = Operator::new(&lab);
    let mut scene = Scene { lab, operator };
    scene.watch(60);
    holds(scene.plan(), "NothingToFallBackTo", "it failed");
}

/// Nothing works, and none is wished for.
#[test]
fn with_nothing_alive_the_one_that_is_to_have_tasks_stays() {
    let mut lab = Lab::new(worker());
    lab.advance(100_000);
    lab.place("1.3.0", Side::A, 2, 0);
    lab.place("1.4.0", Side::B, 0, 0);
    lab.broken.insert("1.3.0".to_owned());
    lab.wish("1.5.0");
    let operator = Operator::new(&lab);
    let mut scene = Scene { lab, operator };
    scene.watch(60);
    let plan = scene.plan();
    assert_eq!(target(&plan), "1.3.0");
}
