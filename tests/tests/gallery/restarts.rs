//! Operators that stop, die, or lose what they wrote down.

use planner::ablation::Rule;
use planner::lab::{Ending, Operator};
use serde_json::Value;

use crate::laboratory::{Bench, operator};
use crate::scene::{BLUE, GREEN, Scene, pass};

/// What becomes of the record while nobody runs.
#[derive(Debug, Clone, Copy)]
enum Lost {
    Nothing,
    StartOfBake,
    Record,
    Sense,
}

/// The operator stops 30 s into a bake of 90 s and another one starts 10 s later. Returns for how many seconds of the
/// bake blue stood at full size.
async fn bake_across_a_restart(lost: Lost, off: &[Rule]) -> u64 {
    let scene = Scene::serving_in(crate::scene::world(), |spec| {
        spec["bakeTime"] = "90s".into()
    })
    .await;
    let stage = &scene.stage;
    let first = scene.operator(off);
    stage.wish(GREEN);
    stage.entered("Bake").await;
    let began = tokio::time::Instant::now();
    pass(30).await;
    first.stop().await;
    match lost {
        Lost::Nothing => {}
        Lost::StartOfBake => {
            let mut record: Value = stage.get("record");
            let entered = record["rollout"]["entered"].as_object_mut();
            assert!(entered.expect("stages").remove("Bake").is_some());
            stage.put("record", &record.to_string());
        }
        Lost::Record => stage.remove("record"),
        Lost::Sense => stage.put("record", "{\"clean\": maybe"),
    }
    pass(10).await;
    let _second = scene.operator(off);
    let scaled = scene.reaches(900, |_| scene.count(BLUE, "desiredCount") == 0);
    assert!(scaled.await, "blue is there for ever: {}", stage.picture());
    let stood = began.elapsed().as_secs();
    assert!(scene.settles_on(GREEN, 300).await, "{}", stage.picture());
    assert_eq!(scene.failed(), 0);
    stood
}

#[tokio::test(start_paused = true)]
async fn gallery_g13_a_lost_start_time_restarts_in_full() {
    let stood = bake_across_a_restart(Lost::StartOfBake, &[]).await;
    assert!((130..=190).contains(&stood), "{stood} s");
}

#[tokio::test(start_paused = true)]
async fn gallery_g13_a_lost_or_garbled_record_restarts_in_full() {
    for lost in [Lost::Record, Lost::Sense] {
        let stood = bake_across_a_restart(lost, &[]).await;
        assert!((130..=500).contains(&stood), "{lost:?}: {stood} s");
    }
}

#[tokio::test(start_paused = true)]
async fn gallery_g13_fails_without_a_missing_timer_that_restarts() {
    let stood = bake_across_a_restart(Lost::StartOfBake, &[Rule::MissingTimer]).await;
    assert!(stood < 90, "{stood} s");
}

#[tokio::test(start_paused = true)]
async fn gallery_g39_a_restart_neither_shortens_nor_prolongs_a_bake() {
    let stood = bake_across_a_restart(Lost::Nothing, &[]).await;
    assert!((90..=110).contains(&stood), "{stood} s");
}

#[tokio::test(start_paused = true)]
async fn gallery_g39_fails_without_stored_start_times() {
    let stood = bake_across_a_restart(Lost::StartOfBake, &[]).await;
    assert!(stood > 110, "{stood} s");
}

/// The operator dies after each of a release's writes was sent and before it landed; another one starts at once, and
/// sometimes what served before is asked for again. Returns how many deaths there were, and how many ended badly.
fn killed_at_every_write(off: &[Rule]) -> (usize, usize) {
    let mut bench = Bench::settled(2, off);
    bench.lab.wish(GREEN);
    let (mut deaths, mut bad) = (0, 0);
    for _ in 0..120 {
        let world = bench.lab.observe();
        let now = bench.lab.clock();
        let Operator { memory, tuning, .. } = &mut bench.operator;
        memory.absorb(&world, tuning, now);
        let plan = planner::plan(&bench.lab.application, &world, memory, tuning, now);
        for wish in [GREEN, BLUE] {
            let Some(write) = &plan.step else { continue };
            let mut second = bench.clone();
            second.operator = operator(&bench.lab, off);
            second.operator.memory.clean_start = None;
            if wish == BLUE {
                second.lab.wish(BLUE);
            }
            let lands = second.lab.now + 25_000;
            let mut well = true;
            while well && second.lab.now < lands {
                let reconciled = second.operator.reconcile(&mut second.lab);
                well = reconciled.is_ok() && !second.lab.loses_requests();
            }
            let _ = second.lab.apply(write);
            well &= !second.lab.loses_requests();
            deaths += 1;
            bad += usize::from(!well || !second.settles_on(wish, 900));
        }
        let _ = bench.step();
    }
    (deaths, bad)
}

#[test]
fn gallery_g22_killed_at_every_write() {
    let (deaths, bad) = killed_at_every_write(&[]);
    assert!(deaths > 20, "{deaths}");
    assert_eq!(bad, 0, "of {deaths}");
}

#[test]
fn gallery_g22_fails_without_the_wait_at_start() {
    let (_, bad) = killed_at_every_write(&[Rule::StartWait, Rule::Guard]);
    assert!(bad > 0);
}

/// SIGTERM between any two steps: the record says so, and the outcome is the same.
#[test]
fn gallery_g22_stopped_between_any_two_steps() {
    let mut bench = Bench::settled(2, &[]);
    bench.lab.wish(GREEN);
    for _ in 0..120 {
        let mut second = bench.clone();
        let Operator { memory, tuning, .. } = &bench.operator;
        if let Some(write) = memory.hand_over(tuning, bench.lab.clock()) {
            let _ = second.lab.apply(&write);
        }
        second.operator = operator(&second.lab, &[]);
        second.operator.memory.clean_start = None;
        assert!(second.settles_on(GREEN, 900), "{:?}", second.lab.writes);
        let _ = bench.step();
    }
    assert_eq!(bench.operator.run(&mut bench.lab, 100), Ending::Settled);
}
