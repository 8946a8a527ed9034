//! Which release should serve now, and on which service.

use crd_schema::application::{DuringBake, OnFailure};
use crd_schema::intent::Abort;
use crd_schema::record::{Generation, Rejection, Release, Stage};
use crd_schema::strategy::{Share, Step, Strategy};
use planner::lab::{Lab, Operator, application};
use planner::world::Side;
use planner::{Plan, WaitingOn, Write};

use crate::scene::{Scene, at, holds, settled_of};

fn target(plan: &Plan) -> String {
    let services = &plan.report.services;
    let target = services.iter().find(|service| service.is_target);
    target.expect("one is to serve").name.clone()
}

fn scene(lab: Lab) -> Scene {
    let operator = Operator::new(&lab);
    let mut scene = Scene { lab, operator };
    scene.watch(60);
    scene
}

/// Two services of the release that is wished for, on both groups.
fn twins(weights: [Option<u32>; 2], change: impl FnOnce(&mut Lab)) -> (Scene, [String; 2]) {
    let mut lab = Lab::new(application());
    lab.advance(100_000);
    let one = lab.place("1.4.0", Side::A, 2, 0);
    lab.advance(1_000);
    let other = lab.place("1.4.0", Side::B, 2, 0);
    lab.set_production(weights);
    lab.wish("1.4.0");
    change(&mut lab);
    (scene(lab), [one, other])
}

/// The other one of the same release is no blue, whose size would say what traffic needs.
#[test]
fn of_two_small_ones_of_one_release_the_one_that_stays_grows_to_what_traffic_needs() {
    let (mut scene, names) = twins([Some(50), Some(50)], |lab| {
        for n in [0, 1] {
            let name = lab.services[n].shown.name.clone();
            lab.scale(&name, 1);
        }
    });
    let plan = scene.plan();
    let Some(Write::ScaleService { name, to, .. }) = &plan.step else {
        panic!("{plan:?}")
    };
    assert_eq!((name, *to), (&names[0], 2));
}

#[test]
fn of_several_of_one_release_the_one_that_serves_best_stays() {
    let stays = |weights, change: fn(&mut Lab)| {
        let (mut scene, names) = twins(weights, change);
        let target = target(&scene.plan());
        names.iter().position(|name| *name == target)
    };
    let (both, on_a, on_b) = (
        [Some(50), Some(50)],
        [Some(100), Some(0)],
        [Some(0), Some(100)],
    );
    assert_eq!(stays(both, |_| ()), Some(0), "the oldest");
    assert_eq!(stays(on_a, |_| ()), Some(0));
    assert_eq!(stays(on_b, |_| ()), Some(1), "the one with weight");
    // A dead one is none, whatever its weight.
    let asleep = |lab: &mut Lab| {
        let name = lab.services[0].shown.name.clone();
        lab.scale(&name, 0);
    };
    assert_eq!(stays(both, asleep), Some(1));
    // One that shares its group cannot serve alone there.
    let shared = |lab: &mut Lab| drop(lab.place("1.2.0", Side::A, 1, 0));
    assert_eq!(stays(both, shared), Some(1));
}

fn half() -> Scene {
    let mut blog = application();
    blog.strategy = Strategy::of(vec![
        Step::SetWeight(Share::tenths(500).unwrap()),
        Step::Pause(None),
    ]);
    let mut scene = settled_of(blog);
    scene.lab.wish("1.4.0");
    let _ = scene.until(|_, plan| plan.report.waiting_on == WaitingOn::Promotion);
    scene.watch(20);
    scene
}

fn weights(plan: &Plan) -> Option<[Option<u32>; 2]> {
    match &plan.step {
        Some(Write::SetWeights { weights, .. }) => Some(weights.get()),
        Some(_) | None => None,
    }
}

/// Back to what green came from: it served a moment ago, and needs neither steps nor a bake.
#[test]
fn the_way_back_to_blue_has_no_steps() {
    let mut scene = half();
    scene.lab.wish("1.3.0");
    let plan = scene.plan();
    assert_eq!(weights(&plan), Some([Some(100), Some(0)]));
    assert_eq!(plan.report.stage, Stage::RollBack);
}

#[test]
fn a_newer_wish_in_the_bake_ends_it_or_undoes_it_as_the_spec_says_but_never_undoes_a_clean_up() {
    let serves = |during_bake: DuringBake, stage: Stage| {
        let mut scene = at(stage);
        scene.lab.application.on_new_release.during_bake = during_bake;
        scene.watch(10);
        scene.lab.wish("1.5.0");
        let plan = scene.plan();
        let target = target(&plan);
        let services = &plan.report.services;
        let target = services.iter().find(|service| service.name == target);
        target.and_then(|target| target.version.clone()).unwrap()
    };
    assert_eq!(serves(DuringBake::Finish, Stage::Bake), "1.4.0");
    assert_eq!(serves(DuringBake::RollBack, Stage::Bake), "1.3.0");
    assert_eq!(serves(DuringBake::RollBack, Stage::CleanUp), "1.4.0");
}

/// What a newer wish waits for serves already, or is all that lives and was not rejected: it gets the rest of the traffic
/// when it can carry it.
#[test]
fn what_a_newer_wish_waits_for_takes_no_more_than_it_carries() {
    let mut lab = Lab::new(application());
    lab.advance(100_000);
    lab.place("1.3.0", Side::A, 2, 0);
    let green = lab.place("1.4.0", Side::B, 1, 0);
    lab.set_production([Some(50), Some(50)]);
    lab.wish("1.5.0");
    let failed = lab.services[0].shown.tags.generation.unwrap();
    let mut record = crd_schema::record::Record::default();
    record.rejected.push(rejection(failed, false));
    let first = Generation {
        date: 1,
        version: 1,
    };
    lab.record = Some((first, record));
    let plan = scene(lab).plan();
    assert_eq!(target(&plan), green);
    let (from, to) = (1, 2);
    let name = green;
    assert_eq!(plan.step, Some(Write::ScaleService { name, from, to }));
}

fn rejection(generation: Generation, aborted: bool) -> Rejection {
    Rejection {
        generation,
        version: "1.4.0".to_owned(),
        reason: "it failed".to_owned(),
        aborted,
    }
}

#[test]
fn what_failed_is_held_for_a_person_where_the_spec_says_so_unless_a_person_aborts_it() {
    let failed = |abort: bool| {
        let mut scene = half();
        scene.lab.application.on_failure = OnFailure::Hold;
        let generation = scene.lab.desired.as_ref().unwrap().0;
        let (_, record) = scene.lab.record.as_mut().unwrap();
        record.rejected.push(rejection(generation, false));
        if abort {
            scene.lab.intents.abort = Some(Abort {
                rollout: generation,
            });
        }
        scene.lab.advance(5_000);
        scene.plan()
    };
    holds(failed(false), "FailedAndHeld", "it failed");
    assert_eq!(weights(&failed(true)), Some([Some(100), Some(0)]));
}

/// The wish was rejected; these live, and none is it.
fn fallen(place: impl FnOnce(&mut Lab)) -> (Scene, Generation) {
    let mut lab = Lab::new(application());
    lab.advance(100_000);
    place(&mut lab);
    lab.wish("1.9.0");
    let generation = lab.desired.as_ref().unwrap().0;
    let mut record = crd_schema::record::Record::default();
    record.rejected.push(rejection(generation, false));
    let first = Generation {
        date: 1,
        version: 1,
    };
    lab.record = Some((first, record));
    (scene(lab), generation)
}

#[test]
fn what_is_fallen_back_to_lives_then_has_weight_then_is_alone_then_is_newest() {
    let serves = |weights: [Option<u32>; 2], change: fn(&mut Lab)| {
        let (mut scene, _) = fallen(|lab| {
            lab.place("1.3.0", Side::A, 2, 0);
            lab.place("1.4.0", Side::B, 2, 0);
            lab.set_production(weights);
            change(lab);
        });
        let plan = scene.plan();
        target(&plan)[..10].to_owned()
    };
    let (both, on_a) = ([Some(50), Some(50)], [Some(100), Some(0)]);
    assert_eq!(serves(both, |_| ()), "blog-1-4-0");
    assert_eq!(serves(on_a, |_| ()), "blog-1-3-0");
    let dies = |lab: &mut Lab| lab.broken.extend(["1.4.0".to_owned()]);
    assert_eq!(serves(both, dies), "blog-1-3-0");
    let shared = |lab: &mut Lab| drop(lab.place("1.2.0", Side::B, 0, 0));
    assert_eq!(serves(both, shared), "blog-1-3-0");
}

/// What runs the rejected content and was never good fails with it, whichever wish made it.
#[test]
fn content_that_once_succeeded_is_still_acceptable_when_another_wish_for_it_fails() {
    let serves = |good: bool| {
        let (mut scene, _) = fallen(|lab| {
            lab.place("1.9.0", Side::A, 2, 0);
            lab.place("1.4.0", Side::B, 1, 0);
            lab.set_production([Some(100), Some(0)]);
        });
        if good {
            let tags = scene.lab.services[0].shown.tags.clone();
            let (_, record) = scene.lab.record.as_mut().unwrap();
            record.last_good = Some(Release {
                digest: tags.release.unwrap(),
                version: "1.9.0".to_owned(),
                generation: tags.generation.unwrap(),
                task_definition: None,
            });
        }
        scene.lab.advance(5_000);
        let plan = scene.plan();
        target(&plan)[..10].to_owned()
    };
    assert_eq!(serves(true), "blog-1-9-0");
    assert_eq!(serves(false), "blog-1-4-0");
}

#[test]
fn with_nothing_to_fall_back_to_the_last_good_release_is_made_again_unless_it_is_the_one_that_failed()
 {
    let plan = |same: bool, known: bool| {
        let (mut scene, generation) = fallen(|lab| {
            lab.set_production([Some(100), Some(0)]);
        });
        let (_, record) = scene.lab.record.as_mut().unwrap();
        let older = Generation {
            date: 1,
            version: 1,
        };
        record.last_good = Some(Release {
            digest: "4f1c2ab9d0e34c55".to_owned(),
            version: "1.3.0".to_owned(),
            generation: if same { generation } else { older },
            task_definition: known.then(|| "td-3".to_owned()),
        });
        // The service's name is looked for first.
        drop(scene.plan());
        scene.lab.advance(5_000);
        scene.plan()
    };
    let again = plan(false, true);
    let Some(Write::CreateService { name, .. }) = &again.step else {
        panic!("{again:?}")
    };
    assert!(name.starts_with("blog-1-3-0"), "{name}");
    holds(plan(true, true), "NothingToFallBackTo", "it failed");
    holds(plan(false, false), "NothingToFallBackTo", "it failed");
}

/// What failed lives on both groups, and what was good is to come again: one of the two makes room, and it is not the one
/// that carries the traffic.
#[test]
fn of_two_that_failed_the_one_with_traffic_stays_until_the_last_good_one_has_room() {
    for (weights, version) in [([100, 0], "blog-1-9-0"), ([0, 100], "blog-1-4-0")] {
        let (mut scene, generation) = fallen(|lab| {
            lab.place("1.9.0", Side::A, 2, 0);
            lab.place("1.4.0", Side::B, 2, 0);
            lab.set_production(weights.map(Some));
        });
        let tags = scene.lab.services.iter().map(|s| s.shown.tags.generation);
        let failed = tags.flatten().chain([generation]);
        let (_, record) = scene.lab.record.as_mut().unwrap();
        record.rejected = failed.map(|one| rejection(one, false)).collect();
        record.last_good = Some(Release {
            digest: "4f1c2ab9d0e34c55".to_owned(),
            version: "1.3.0".to_owned(),
            generation: Generation {
                date: 1,
                version: 1,
            },
            task_definition: Some("td-3".to_owned()),
        });
        scene.watch(10);
        let plan = scene.plan();
        assert_eq!(&target(&plan)[..10], version, "{plan:?}");
        assert!(!matches!(plan.report.waiting_on, WaitingOn::Hold(_)));
    }
}

/// Only what failed lives: it keeps the traffic that it has, and takes what is on nothing.
#[test]
fn what_failed_serves_on_while_nothing_else_lives() {
    let plan = |weights| {
        let (mut scene, generation) = fallen(|lab| {
            lab.place("1.9.0", Side::A, 2, 0);
            lab.set_production(weights);
        });
        scene.lab.services[0].shown.tags.generation = Some(generation);
        scene.watch(10);
        scene.plan()
    };
    holds(
        plan([Some(100), Some(0)]),
        "NothingToFallBackTo",
        "it failed",
    );
    assert_eq!(
        target(&plan([Some(0), Some(0)])),
        target(&plan([Some(50), Some(50)]))
    );
}
