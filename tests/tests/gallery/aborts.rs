//! Changing course: a newer version, or back to what served, at the worst moment.

use emulator::api::Service;
use emulator::faults::{Effect, When};
use emulator::world::Settings;
use emulator::world::behaviour::{Behaviour, Exit};
use planner::ablation::Rule;
use serde_json::json;

use crate::scene::{BLUE, GREEN, Scene, fault, pass, world};

/// The newest version.
const NEWEST: &str = "1.5.0";

/// 1.5.0 is asked for when 1.4.0 has one of two production rules. Returns failed requests.
async fn superseded_halfway(off: &[Rule]) -> u64 {
    let world = Settings {
        load_balancer_nodes: 4,
        rule_propagation_max_ms: Some(8_000),
        ..world()
    };
    let scene = Scene::serving_in(world, |_| ()).await;
    let stage = &scene.stage;
    let rule = json!({
        "ListenerArn": stage.listeners[0],
        "Priority": 10,
        "Conditions": [{"Field": "path-pattern", "PathPatternConfig": {"Values": ["/shop/*"]}}],
        "Actions": [{"Type": "forward", "TargetGroupArn": stage.groups[0]}],
    });
    let rule = stage.person(Service::Elbv2, "CreateRule", rule);
    let mut application = stage.get("spec");
    application["spec"]["traffic"]["routes"][0]["production"] =
        json!([{"listener": stage.listeners[0]}, {"rule": rule["Rules"][0]["RuleArn"]}]);
    stage.put("spec", &application.to_string());
    let _operator = scene.operator(off);
    // The second rule's group must be named by a first write; the one after that would shift it.
    scene.faults(vec![fault(
        Service::Elbv2,
        "ModifyRule",
        When::After(1),
        Effect::Throttle,
    )]);
    stage.wish(GREEN);
    let halfway = scene.reaches(200, |stage| stage.weights(0) == [Some(0), Some(100)]);
    assert!(halfway.await, "{}", stage.picture());
    stage.wish(NEWEST);
    // Until the specs were read for it what is on its way goes on.
    let seen = scene.reaches(60, |stage| {
        stage.get("status")["desired"]["version"] == NEWEST
    });
    assert!(seen.await, "{}", stage.picture());
    scene.no_faults();
    let settled = scene.settles_on(NEWEST, 600).await;
    assert!(settled || !off.is_empty(), "{}", stage.picture());
    scene.failed()
}

#[tokio::test(start_paused = true)]
async fn gallery_g03_a_newer_version_halfway() {
    assert_eq!(superseded_halfway(&[]).await, 0);
}

#[tokio::test(start_paused = true)]
async fn gallery_g03_fails_without_going_back_first() {
    let off = [Rule::BackFirst, Rule::LookAgain, Rule::Guard];
    assert!(
        superseded_halfway(&off).await > 0,
        "1.4.0 goes with its traffic"
    );
}

/// Back to what serves while green cannot come up. Returns seconds until green is told to go.
async fn aborted(behaviour: Option<Behaviour>, off: &[Rule]) -> u64 {
    let scene = Scene::serving_in(world(), |spec| spec["bakeTime"] = "60s".into()).await;
    let _operator = scene.operator(off);
    pass(40).await;
    match behaviour {
        Some(crashes) => scene.stage.behave(GREEN, crashes),
        None => scene
            .stage
            .emulator
            .with(|world| world.settings.task_pending_ms = 3_600_000),
    }
    scene.stage.wish(GREEN);
    let created = scene.reaches(60, |_| scene.count(GREEN, "desiredCount") == 2);
    assert!(created.await, "{}", scene.stage.picture());
    pass(20).await;
    scene.stage.wish(BLUE);
    let mut seconds = 0;
    while scene.count(GREEN, "desiredCount") > 0 {
        seconds += 1;
        assert!(seconds < 600, "{}", scene.stage.picture());
        pass(1).await;
    }
    assert!(
        scene.settles_on(BLUE, 600).await,
        "{}",
        scene.stage.picture()
    );
    assert_eq!(scene.failed(), 0);
    seconds
}

fn crashes() -> Behaviour {
    Behaviour {
        exits: Some(Exit {
            after_ms: 1_000,
            code: 3,
        }),
        ..Behaviour::default()
    }
}

#[tokio::test(start_paused = true)]
async fn gallery_g04_abort_while_green_is_pending() {
    let seconds = aborted(None, &[]).await;
    assert!(seconds <= 8, "{seconds} s");
}

#[tokio::test(start_paused = true)]
async fn gallery_g04_abort_while_green_crashes() {
    let seconds = aborted(Some(crashes()), &[]).await;
    assert!(seconds <= 8, "{seconds} s");
}

#[tokio::test(start_paused = true)]
async fn gallery_g04_fails_without_a_way_back() {
    let seconds = aborted(Some(crashes()), &[Rule::WayBack]).await;
    assert!(seconds >= 60, "{seconds} s: it waits as for a release");
}

/// Blue breaks while green bakes, and then blue is asked for. Returns failed requests.
async fn back_to_broken(off: &[Rule]) -> u64 {
    let scene = Scene::serving_in(world(), |spec| spec["bakeTime"] = "5m".into()).await;
    let _operator = scene.operator(off);
    scene.stage.wish(GREEN);
    scene.stage.entered("Bake").await;
    let broken = Behaviour {
        health_status: 503,
        error_share: 1.0,
        ..Behaviour::default()
    };
    scene.stage.behave(BLUE, broken);
    pass(30).await;
    scene.stage.wish(BLUE);
    pass(60).await;
    if scene.failed() > 0 {
        return scene.failed();
    }
    assert_eq!(scene.stage.weights(0), [Some(0), Some(100)]);
    let waiting = scene.stage.get("status")["waitingOn"]["reason"].clone();
    assert_eq!(waiting, "FallBackUnhealthy", "{}", scene.stage.picture());
    scene.stage.behave(BLUE, Behaviour::default());
    assert!(
        scene.settles_on(BLUE, 600).await,
        "{}",
        scene.stage.picture()
    );
    scene.failed()
}

#[tokio::test(start_paused = true)]
async fn gallery_g09_what_should_serve_again_is_broken() {
    assert_eq!(back_to_broken(&[]).await, 0);
}

#[tokio::test(start_paused = true)]
async fn gallery_g09_fails_without_proof_of_health() {
    assert!(back_to_broken(&[Rule::Capacity, Rule::Guard]).await > 0);
}

/// An autoscaler runs blue at 8 of a nominal 2, and at 9 while green comes up. Returns the tasks that green is created
/// with, and those that are healthy when it gets the traffic.
async fn autoscaled(off: &[Rule]) -> (u64, u64) {
    let scene = Scene::serving().await;
    scene.scale(BLUE, 8);
    pass(30).await;
    let _operator = scene.operator(off);
    scene.stage.wish(GREEN);
    let created = scene.reaches(60, |_| scene.service(GREEN).is_some());
    assert!(created.await, "{}", scene.stage.picture());
    let first = scene.count(GREEN, "desiredCount");
    scene.scale(BLUE, 9);
    let mut healthy = 0;
    let shifted = scene.reaches(300, |stage| {
        let shifted = stage.weights(0) == [Some(0), Some(100)];
        if !shifted {
            healthy = stage.healthy(1);
        }
        shifted
    });
    assert!(shifted.await, "{}", scene.stage.picture());
    assert!(
        scene.settles_on(GREEN, 300).await,
        "{}",
        scene.stage.picture()
    );
    assert_eq!(scene.failed(), 0);
    (first, healthy)
}

#[tokio::test(start_paused = true)]
async fn gallery_g27_green_starts_at_the_live_count() {
    assert_eq!(autoscaled(&[]).await, (8, 9));
}

#[tokio::test(start_paused = true)]
async fn gallery_g27_fails_without_the_live_count() {
    assert_eq!(autoscaled(&[Rule::LiveCount]).await, (2, 2));
}

/// 1.5.0 is asked for while 1.4.0 bakes for an hour, and blue would be kept for another. Returns whether it is there
/// within minutes.
async fn during_bake(off: &[Rule]) -> bool {
    let long = |spec: &mut serde_json::Value| {
        spec["bakeTime"] = "1h".into();
        spec["cleanUp"] = json!({"settle": "10s", "keepBlue": "1h"});
    };
    let scene = Scene::serving_in(world(), long).await;
    let _operator = scene.operator(off);
    scene.stage.wish(GREEN);
    scene.stage.entered("Bake").await;
    scene.stage.wish(NEWEST);
    let there = scene
        .reaches(300, |stage| stage.weights(0) == [Some(100), Some(0)])
        .await;
    assert_eq!(scene.failed(), 0);
    there
}

#[tokio::test(start_paused = true)]
async fn gallery_g36_a_bake_does_not_block_the_next_release() {
    assert!(during_bake(&[]).await);
}

#[tokio::test(start_paused = true)]
async fn gallery_g36_fails_without_giving_way() {
    assert!(!during_bake(&[Rule::GiveWay]).await);
}
