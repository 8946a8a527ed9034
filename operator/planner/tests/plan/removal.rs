//! Nothing goes that serves or may serve, and what is left of it is waited for.

use crd_schema::record::Stage;
use planner::lab::{application, per_release};
use planner::memory::WriteOutcome;
use planner::world::{Read, Revision, Service, ServiceStatus, Side, TargetState, World};
use planner::{WaitingOn, Write};

use crate::scene::{Scene, at, seconds, settled, settled_of};

/// Blue has been told to stop, and its requests have ended.
fn drained() -> Scene {
    let mut scene = at(Stage::CleanUp);
    let _ = scene.until(|scene, _| scene.lab.services[0].shown.desired == 0);
    scene.lab.advance(60_000);
    scene
}

fn blue(change: impl Fn(&mut Service)) -> impl Fn(&mut World) {
    move |world| {
        if let Read::Known { value, .. } = &mut world.services {
            change(&mut value[0]);
        }
    }
}

/// A target on blue's group, as one of green's.
fn target(state: TargetState) -> impl Fn(&mut World) {
    move |world| {
        let known = world.groups.each_ref().map(|read| match read {
            Read::Known { value, .. } => value.clone(),
            Read::Unread { .. } => None,
        });
        let mut target = known[1].as_ref().unwrap().targets[0].clone();
        target.address = "10.0.0.99:8080".to_owned();
        target.state = state;
        if let Read::Known {
            value: Some(group), ..
        } = &mut world.groups[0]
        {
            group.targets.push(target);
        }
    }
}

#[test]
fn a_service_is_deleted_when_it_has_no_task_and_no_target() {
    let plan = drained().plan();
    assert!(
        matches!(plan.step, Some(Write::DeleteService { .. })),
        "{plan:?}"
    );
    let waits = |change: &dyn Fn(&mut World)| {
        let plan = drained().plan_on(change);
        assert_eq!(plan.step, None);
        assert_eq!(plan.report.waiting_on.label(), "Drain");
    };
    waits(&blue(|blue| blue.running = 1));
    waits(&blue(|blue| blue.pending = 1));
    for state in [
        TargetState::Draining,
        TargetState::Unhealthy,
        TargetState::Healthy,
    ] {
        waits(&target(state));
    }
}

/// Two on one group without weight: the one that is not wished for goes, and the other one's targets stay.
#[test]
fn of_two_on_one_group_the_other_one_s_targets_are_not_waited_for() {
    let shared = || {
        let mut scene = settled();
        scene.lab.place("1.2.0", Side::B, 0, 0);
        scene.lab.place("1.4.0", Side::B, 2, 0);
        scene.lab.set_production([Some(100), Some(0)]);
        scene.lab.wish("1.4.0");
        scene.watch(60);
        scene
    };
    let plan = shared().plan();
    let Some(Write::DeleteService { name }) = &plan.step else {
        panic!("{plan:?}")
    };
    assert!(name.starts_with("blog-1-2-0"), "{name}");
    // With a task left, it is not idle, and leaves in the usual way: what drains is waited for.
    for change in [(|old| old.running = 1) as fn(&mut Service), |old| {
        old.pending = 1
    }] {
        let plan = shared().plan_on(|world| {
            if let Read::Known { value, .. } = &mut world.services {
                change(&mut value[1]);
            }
        });
        assert_eq!(plan.step, None);
        assert_eq!(plan.report.waiting_on.label(), "Drain");
    }
}

/// Two leave, on the group that is emptied: the first goes when nothing of its own is left.
#[test]
fn of_two_that_leave_each_goes_without_the_other_one() {
    let leaves = || {
        let mut scene = settled();
        let stays = scene.lab.services[0].shown.name.clone();
        scene.lab.place("1.2.0", Side::B, 0, 0);
        scene.lab.place("1.4.0", Side::B, 2, 0);
        scene.lab.services[2].shown.tags.blue = Some(stays);
        scene.lab.set_production([Some(100), Some(0)]);
        scene.watch(60);
        scene
    };
    let plan = leaves().plan();
    let Some(Write::DeleteService { name }) = &plan.step else {
        panic!("{plan:?}")
    };
    assert!(name.starts_with("blog-1-2-0"), "{name}");
    let plan = leaves().plan_on(|world| {
        if let Read::Known {
            value: Some(group), ..
        } = &mut world.groups[1]
        {
            let mut drains = group.targets[0].clone();
            drains.address = "10.0.0.99:8080".to_owned();
            drains.state = TargetState::Draining;
            group.targets.push(drains);
        }
    });
    assert_eq!(plan.step, None);
    assert_eq!(plan.report.waiting_on.label(), "Drain");
}

#[test]
fn of_two_on_one_group_with_weight_the_idle_one_goes_and_the_serving_one_never() {
    let shared = |old: u32| {
        let mut scene = settled();
        scene.lab.place("1.2.0", Side::A, old, 0);
        scene.watch(60);
        scene
    };
    let plan = shared(0).plan();
    let Some(Write::DeleteService { name }) = &plan.step else {
        panic!("{plan:?}")
    };
    assert!(name.starts_with("blog-1-2-0"), "{name}");
    let hold = crate::scene::held(shared(1).plan());
    assert_eq!(hold.label(), "SharedGroup");
    for change in [(|old| old.running = 1) as fn(&mut Service), |old| {
        old.pending = 1
    }] {
        let plan = shared(0).plan_on(|world| {
            if let Read::Known { value, .. } = &mut world.services {
                change(&mut value[1]);
            }
        });
        assert_eq!(crate::scene::held(plan).label(), "SharedGroup");
    }
}

/// Both sleep under traffic: the one that serves runs again before the other one goes.
#[test]
fn of_two_that_sleep_on_one_group_with_weight_one_wakes_before_the_other_one_goes() {
    let mut scene = settled();
    let serves = scene.lab.services[0].shown.name.clone();
    scene.lab.scale(&serves, 0);
    let idle = scene.lab.place("1.2.0", Side::A, 0, 0);
    scene.watch(60);
    let wakes = Write::ScaleService {
        name: serves,
        from: 0,
        to: 2,
    };
    assert_eq!(scene.plan().step, Some(wakes.clone()));
    assert_eq!(scene.lab.apply(&wakes), WriteOutcome::Applied);
    let plan = scene.plan();
    assert_eq!(plan.step, None);
    let (running, need) = (0, 2);
    assert_eq!(plan.report.waiting_on, WaitingOn::Tasks { running, need });
    scene.watch(60);
    assert_eq!(
        scene.plan().step,
        Some(Write::DeleteService { name: idle.clone() })
    );
    // Without weight nobody is waited for.
    let mut scene = settled();
    let idle = [("1.2.0", Side::B), ("1.4.0", Side::B)];
    let names = idle.map(|(version, side)| scene.lab.place(version, side, 0, 0));
    scene.lab.set_production([Some(100), Some(0)]);
    scene.lab.wish("1.4.0");
    scene.watch(60);
    let [old, _] = names;
    assert_eq!(scene.plan().step, Some(Write::DeleteService { name: old }));
}

#[test]
fn blue_is_kept_for_as_long_as_the_spec_says_after_the_settle_time() {
    let pair = application();
    for mut blog in [pair, per_release()] {
        blog.clean_up.keep_blue = seconds(300);
        let per_release = blog.target_groups() != application().target_groups();
        let mut scene = settled_of(blog).released_to(Stage::CleanUp);
        let plan = scene.until(|_, plan| plan.report.waiting_on == WaitingOn::KeepBlue);
        let end = plan.report.until.unwrap();
        let since = scene.operator.memory.zero_since[0].unwrap();
        assert_eq!(end, since + seconds(310));
        scene.lab.now = end.0 - 1;
        assert_eq!(scene.plan().report.waiting_on, WaitingOn::KeepBlue);
        scene.lab.now = end.0;
        let plan = scene.plan();
        match plan.step {
            Some(Write::SetWeights { .. }) => assert!(per_release),
            Some(Write::ScaleService { to: 0, .. }) => assert!(!per_release),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn the_release_ends_when_blue_is_gone_and_nothing_of_it_drains() {
    let mut scene = drained();
    let _ = scene.until(|_, plan| matches!(plan.step, Some(Write::DeleteService { .. })));
    let plan = scene.plan();
    let service = scene.lab.services[0].shown.name.clone();
    assert_eq!(plan.report.waiting_on, WaitingOn::Deletion { service });
    // Somebody else's, and one that is gone, are not waited for.
    let elses = scene.plan_on(blue(|blue| blue.tags.ours = false));
    assert_ne!(elses.report.waiting_on.label(), "Deletion");
    let gone = |world: &mut World| {
        if let Read::Known { value, .. } = &mut world.services {
            value.remove(0);
        }
    };
    let inactive = blue(|blue| blue.status = ServiceStatus::Inactive);
    assert_ne!(
        scene.plan_on(inactive).report.waiting_on.label(),
        "Deletion"
    );
    let drains = target(TargetState::Draining);
    let plan = scene.plan_on(|world| {
        gone(world);
        drains(world);
    });
    assert_eq!(plan.report.waiting_on.label(), "Drain");
    assert_eq!(scene.plan_on(gone).report.waiting_on, WaitingOn::Nothing);
}

/// A target of nobody's on the empty group is not what ends a release.
#[test]
fn a_target_that_stays_on_the_empty_group_is_not_waited_for() {
    let mut scene = drained();
    let _ = scene.until(|_, plan| matches!(plan.step, Some(Write::DeleteService { .. })));
    scene.lab.advance(600_000);
    let plan = scene.plan_on(target(TargetState::Unhealthy));
    assert_eq!(plan.report.waiting_on, WaitingOn::Nothing);
}

fn revision(n: usize) -> Revision {
    Revision {
        arn: format!("td-old-{n}"),
        digest: None,
        generation: None,
    }
}

#[test]
fn the_oldest_revisions_go_but_for_those_that_run_or_served_last() {
    let went = |change: &dyn Fn(&mut Scene)| {
        let mut scene = settled();
        scene.lab.revisions.truncate(1);
        scene.lab.revisions.extend((1..6).map(revision));
        change(&mut scene);
        match scene.plan().step {
            Some(Write::DeregisterTaskDefinition { arn }) => Some(arn),
            other => {
                assert_eq!(other, None);
                None
            }
        }
    };
    // Five are kept, of which the newest serves.
    assert_eq!(went(&|_| ()).as_deref(), Some("td-old-5"));
    assert_eq!(went(&|scene| drop(scene.lab.revisions.pop())), None);
    let runs = |status: ServiceStatus| {
        move |scene: &mut Scene| {
            let mut old = scene.lab.services[0].clone();
            old.shown.name = "blog-old".to_owned();
            old.shown.side = None;
            old.shown.tags.ours = false;
            old.shown.task_definition = "td-old-5".to_owned();
            old.shown.status = status;
            scene.lab.services.push(old);
        }
    };
    assert_eq!(went(&runs(ServiceStatus::Active)), None);
    assert_eq!(went(&runs(ServiceStatus::Draining)), None);
    assert_eq!(
        went(&runs(ServiceStatus::Inactive)).as_deref(),
        Some("td-old-5")
    );
    let served = |scene: &mut Scene| {
        let (_, record) = scene.lab.record.as_mut().unwrap();
        let good = record.last_good.as_mut().unwrap();
        good.task_definition = Some("td-old-5".to_owned());
    };
    assert_eq!(went(&served), None);
}

#[test]
fn a_release_has_not_ended_while_old_revisions_go() {
    let mut scene = drained();
    scene.lab.revisions.extend((1..6).map(revision));
    let plan =
        scene.until(|_, plan| matches!(plan.step, Some(Write::DeregisterTaskDefinition { .. })));
    assert_eq!(plan.report.stage, Stage::CleanUp);
    // Without a release on its way, none is told of.
    let mut scene = settled();
    scene.lab.revisions.extend((1..6).map(revision));
    let plan = scene.plan();
    assert!(plan.step.is_some());
    assert_eq!(plan.report.stage, Stage::Settled);
}
