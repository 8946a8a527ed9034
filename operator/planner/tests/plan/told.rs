//! What people are told.

use std::time::Duration;

use crd_schema::record::Stage;
use crd_schema::strategy::{Share, Step, Strategy};
use planner::lab::application;
use planner::report::{Report, ServiceReport};
use planner::world::{DesiredParameter, Read, ServiceStatus, Side, World};
use planner::{WaitingOn, Write};

use crate::scene::{Scene, at, settled, settled_of};

fn report(scene: &mut Scene) -> Report {
    scene.plan().report
}

fn service<'a>(report: &'a Report, version: &str) -> &'a ServiceReport {
    let mut services = report.services.iter();
    let found = services.find(|service| service.version.as_deref() == Some(version));
    found.expect("it is told of")
}

#[test]
fn each_service_says_whether_it_serves_and_whether_it_should() {
    let told = |scene: &mut Scene| {
        let report = report(scene);
        ["1.3.0", "1.4.0"].map(|version| {
            let service = service(&report, version);
            assert_eq!((service.running, service.healthy), (2, 2));
            (service.serving, service.is_target)
        })
    };
    let mut scene = at(Stage::Validate);
    assert_eq!(told(&mut scene), [(true, false), (false, true)]);
    let _ = scene.until(|scene, _| scene.weight(Side::B) == 100);
    assert_eq!(told(&mut scene), [(false, false), (true, true)]);
}

#[test]
fn services_are_ours_and_those_that_are_gone_are_not_told_of() {
    let with = |change: fn(&mut planner::world::Service)| {
        let plan = settled().plan_on(|world| {
            if let Read::Known { value, .. } = &mut world.services {
                let mut more = value[0].clone();
                more.name = "blog-more".to_owned();
                more.status = ServiceStatus::Draining;
                change(&mut more);
                value.push(more);
            }
        });
        let active = plan.report.services.iter().map(|service| service.active);
        active.collect::<Vec<_>>()
    };
    assert_eq!(with(|_| ()), [true, false]);
    assert_eq!(with(|more| more.status = ServiceStatus::Inactive), [true]);
    assert_eq!(with(|more| more.tags.ours = false), [true]);
}

#[test]
fn converged_is_what_is_wished_for_and_nothing_more_is_wanted() {
    assert!(report(&mut settled()).converged);
    for stage in [Stage::ScaleUp, Stage::Bake, Stage::CleanUp] {
        assert!(!report(&mut at(stage)).converged, "{stage:?}");
    }
    // What serves after a release that failed is not what is wished for.
    let mut scene = settled();
    scene.lab.broken.insert("1.4.0".to_owned());
    scene.lab.wish("1.4.0");
    let plan = scene.until(|_, plan| {
        plan.step.is_none()
            && plan.report.waiting_on == WaitingOn::Nothing
            && plan.report.rejected.is_some()
    });
    assert!(!plan.report.converged);
}

#[test]
fn drift_is_what_somebody_else_did_to_weights_while_nothing_is_on_its_way() {
    assert!(!report(&mut settled()).drifted);
    let mut scene = settled();
    scene.lab.set_production([Some(100), Some(1)]);
    assert!(report(&mut scene).drifted);
    // Also while it may not be put right.
    let plan = scene.plan_on(|world| world.conflicts.push("shop has tg-a too".to_owned()));
    assert!(plan.report.drifted);
    assert_eq!(crate::scene::held(plan).label(), "Conflict");
    // During a release weights move.
    let mut scene = at(Stage::Validate);
    scene.watch(10);
    let plan = scene.until(|_, plan| matches!(&plan.step, Some(Write::SetWeights { rule, .. }) if *rule == scene_rule()));
    assert!(!plan.report.drifted);
    assert!(!report(&mut scene).drifted);
    // A count is no weight.
    let mut scene = settled();
    let name = scene.lab.services[0].shown.name.clone();
    scene.lab.scale(&name, 0);
    let plan = scene.plan();
    assert!(
        matches!(plan.step, Some(Write::ScaleService { .. })),
        "{plan:?}"
    );
    assert!(!plan.report.drifted);
}

fn scene_rule() -> crd_schema::application::RuleTarget {
    application().production().next().unwrap().clone()
}

#[test]
fn what_is_wrong_with_the_wish_and_the_verbs_is_noted() {
    let notes = |change: fn(&mut World)| settled().plan_on(change).report.notes;
    assert!(notes(|_| ()).is_empty());
    let invalid = |world: &mut World| {
        if let Read::Known { value, .. } = &mut world.desired
            && let DesiredParameter::Set { generation, .. } = value
        {
            let mut generation = *generation;
            generation.version += 1;
            *value = DesiredParameter::Invalid {
                generation,
                reason: "no version".to_owned(),
            };
        }
    };
    assert_eq!(
        notes(invalid),
        ["the newest desired value cannot be used: no version"]
    );
    let unread = |world: &mut World| {
        world.desired = Read::Unread {
            reason: "throttled".to_owned(),
        };
    };
    assert_eq!(
        notes(unread),
        ["the desired value could not be read: throttled"]
    );
    let unusable = |world: &mut World| {
        if let Read::Known { value, .. } = &mut world.intents {
            value.unusable.push("`promote` is no number".to_owned());
        }
    };
    assert_eq!(notes(unusable), ["`promote` is no number"]);
}

/// A tenth for a minute, then half until a person promotes.
fn stepped() -> Scene {
    let mut blog = application();
    blog.strategy = Strategy::of(vec![
        Step::SetWeight(Share::tenths(100).unwrap()),
        Step::Pause(Some(Duration::from_secs(60))),
        Step::SetWeight(Share::tenths(500).unwrap()),
        Step::Pause(None),
    ]);
    settled_of(blog)
}

#[test]
fn the_step_that_runs_is_told_with_its_end_and_whether_a_person_may_end_it() {
    let mut scene = stepped();
    assert_eq!(report(&mut scene).step, None);
    scene.lab.wish("1.4.0");
    let plan = scene.until(|_, plan| plan.report.waiting_on == WaitingOn::Pause);
    let step = plan.report.step.unwrap();
    assert_eq!((step.index, step.of, step.promotable), (1, 4, true));
    assert!(step.until.is_some());
    // On its way to the next one: that one has no end yet.
    let plan = scene.until(|scene, plan| {
        let next = plan
            .report
            .step
            .as_ref()
            .is_some_and(|step| step.index == 2);
        next && scene.weight(Side::B) == 10
    });
    let step = plan.report.step.unwrap();
    assert_eq!((step.until, step.promotable), (None, false));
    let plan = scene.until(|_, plan| plan.report.waiting_on == WaitingOn::Promotion);
    let step = plan.report.step.unwrap();
    assert_eq!((step.index, step.until, step.promotable), (3, None, true));
    // A pause that is held by a person ends for nobody.
    scene.lab.intents.paused = true;
    let step = report(&mut scene).step.unwrap();
    assert_eq!((step.index, step.promotable), (3, false));
}

#[test]
fn a_pause_has_its_own_end_and_no_other_step_s() {
    let mut scene = stepped();
    scene.lab.wish("1.4.0");
    let _ = scene.until(|_, plan| plan.report.waiting_on == WaitingOn::Pause);
    let since = scene
        .lab
        .record
        .as_ref()
        .unwrap()
        .1
        .rollout
        .as_ref()
        .unwrap();
    let since = since.step.unwrap().since;
    let told = report(&mut scene).step.unwrap();
    let end = since.as_millisecond() + 60_000;
    assert_eq!(told.until.unwrap().as_millisecond(), end);
    // What goes back says where it was, and no end of that.
    let mut back = scene.clone();
    let rollout = back.lab.desired.as_ref().unwrap().0;
    back.lab.intents.abort = Some(crd_schema::intent::Abort { rollout });
    let plan = back.until(|_, plan| plan.report.stage == Stage::RollBack);
    let step = plan.report.step.unwrap();
    assert_eq!((step.index, step.until), (1, None));
    // Somebody takes green's traffic away: the first step runs again, of which nothing is written down.
    scene.lab.set_production([Some(100), Some(0)]);
    let plan = scene.first_plan_on(|_| ());
    let step = plan.report.step.unwrap();
    assert_eq!((step.index, step.until), (0, None));
}
