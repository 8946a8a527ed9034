//! Releases that fail, and an account that refuses.

use std::time::Duration;

use emulator::api::Service;
use emulator::faults::{Effect, When};
use emulator::world::behaviour::{Behaviour, Exit};
use planner::ablation::Rule;
use runtime::controller::Settings as Loop;
use runtime::delay::Delays;
use runtime::queue::Limits;

use crate::scene::{BLUE, GREEN, Scene, fault, pass, without, world};

/// Green's container exits at start. Returns failed requests.
async fn crash_loop(off: &[Rule]) -> u64 {
    let scene = Scene::serving().await;
    let _operator = scene.operator(off);
    let crashes = Behaviour {
        exits: Some(Exit {
            after_ms: 2_500,
            code: 3,
        }),
        ..Behaviour::default()
    };
    scene.stage.behave(GREEN, crashes);
    scene.stage.wish(GREEN);
    assert!(
        scene.falls_back_to(BLUE, 600).await,
        "{}",
        scene.stage.picture()
    );
    let rejected = scene.stage.get("status")["rejected"]["reason"].clone();
    let reason = rejected.as_str().unwrap_or_default();
    assert!(
        !off.is_empty() || reason.contains("exit") && reason.contains('3'),
        "{reason}"
    );
    scene.failed()
}

#[tokio::test(start_paused = true)]
async fn gallery_g08_green_crashes_and_blue_never_loses_its_traffic() {
    assert_eq!(crash_loop(&[]).await, 0);
}

#[tokio::test(start_paused = true)]
async fn gallery_g08_fails_without_health_before_weight() {
    assert!(crash_loop(&[Rule::Capacity, Rule::Guard]).await > 0);
}

/// Blue answers nothing but errors; the fix is released. Returns whether it serves.
async fn fix_of_the_dead(off: &[Rule]) -> bool {
    let scene = Scene::serving().await;
    let _operator = scene.operator(off);
    let broken = Behaviour {
        health_status: 503,
        error_share: 1.0,
        ..Behaviour::default()
    };
    scene.stage.behave(BLUE, broken);
    pass(40).await;
    let before = scene.failed();
    assert!(before > 0, "blue is broken");
    scene.stage.wish(GREEN);
    if !scene
        .reaches(200, |stage| stage.weights(0) == [Some(0), Some(100)])
        .await
    {
        return false;
    }
    pass(2).await;
    let before = scene.failed();
    let settles = scene.settles_on(GREEN, 300).await;
    settles && scene.failed() == before
}

#[tokio::test(start_paused = true)]
async fn gallery_g11_a_dead_blue_does_not_block_the_fix() {
    assert!(fix_of_the_dead(&[]).await);
}

#[tokio::test(start_paused = true)]
async fn gallery_g11_fails_without_a_hold_for_the_settled_alone() {
    assert!(!fix_of_the_dead(&[Rule::FixTheDead]).await);
}

/// CreateService is denied for ever. Returns how often it was tried in this many seconds.
async fn denied(seconds: u64, settings: Loop) -> usize {
    let patient = |spec: &mut serde_json::Value| spec["deadlines"]["scaleUp"] = "10m".into();
    let scene = Scene::serving_in(world(), patient).await;
    let operator = scene.operator_with(settings);
    pass(40).await;
    let denied = fault(
        Service::Ecs,
        "CreateService",
        When::Always,
        Effect::AccessDenied,
    );
    // A call takes its time, so that a hot loop is no endless one here.
    let slow = fault(
        Service::Ecs,
        "CreateService",
        When::Always,
        Effect::Latency(20),
    );
    scene.faults(vec![slow, denied]);
    scene.stage.wish(GREEN);
    let first = scene.reaches(30, |_| !scene.calls("CreateService").is_empty());
    assert!(first.await, "{}", scene.stage.picture());
    pass(seconds).await;
    let tried = scene.calls("CreateService").len();
    if seconds >= 60 {
        let status = scene.stage.get("status").to_string();
        assert!(
            status.contains("RepeatedErrors") && status.contains("CreateService"),
            "{status}"
        );
        let errors = operator.metric("teal_reconcile_consecutive_errors");
        assert!(errors >= 3.0, "{errors}: the loop is told by a metric");
        scene.no_faults();
        assert!(
            scene.settles_on(GREEN, 900).await,
            "{}",
            scene.stage.picture()
        );
    }
    assert_eq!(scene.failed(), 0);
    tried
}

#[tokio::test(start_paused = true)]
async fn gallery_g14_a_permanent_error_is_retried_with_patience() {
    let tried = denied(120, without(&[])).await;
    assert!((4..=9).contains(&tried), "{tried} tries in two minutes");
}

#[tokio::test(start_paused = true)]
async fn gallery_g14_fails_without_back_off() {
    let at_once = Delays {
        first: Duration::from_millis(1),
        longest: Duration::from_millis(1),
    };
    let hot = Loop {
        limits: Limits {
            delays: at_once,
            ..Limits::default()
        },
        ..without(&[])
    };
    let tried = denied(20, hot).await;
    // Only our share of AWS's request limit slows it down.
    assert!(tried > 15, "{tried} tries in 20 seconds");
}

/// A release fails its health checks; the next one is good. Returns whether the next one came to serve.
async fn bad_then_good(off: &[Rule]) -> bool {
    let scene = Scene::serving().await;
    let first = scene.operator(&[]);
    let bad = Behaviour {
        health_status: 500,
        ..Behaviour::default()
    };
    scene.stage.behave(GREEN, bad);
    scene.stage.wish(GREEN);
    assert!(
        scene.falls_back_to(BLUE, 600).await,
        "{}",
        scene.stage.picture()
    );
    first.stop().await;
    let _second = scene.operator(off);
    scene.stage.wish("1.4.1");
    let settled = scene.settles_on("1.4.1", 300).await;
    assert_eq!(scene.failed(), 0);
    settled
}

#[tokio::test(start_paused = true)]
async fn gallery_g40_a_rejection_blocks_itself_alone() {
    assert!(bad_then_good(&[]).await);
}

#[tokio::test(start_paused = true)]
async fn gallery_g40_fails_without_generations() {
    assert!(!bad_then_good(&[Rule::RejectOne]).await);
}
