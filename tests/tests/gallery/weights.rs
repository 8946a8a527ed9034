//! Weights: nodes that adopt them late, an empty group in production, somebody else's hand.

use emulator::world::{Settings, World};
use planner::ablation::Rule;
use serde_json::json;

use crate::scene::{BLUE, GREEN, Scene, pass, world};

/// Nodes adopt weights one by one within a minute, and the settle time is a little longer. Returns failed requests.
async fn late_nodes(off: &[Rule]) -> u64 {
    let world = Settings {
        load_balancer_nodes: 6,
        ..world()
    };
    let settle = |spec: &mut serde_json::Value| spec["cleanUp"] = json!({"settle": "62s"});
    let scene = Scene::serving_in(world, settle).await;
    // What was set up before is known to every node.
    pass(60).await;
    let late = |world: &mut World| world.settings.rule_propagation_max_ms = Some(60_000);
    scene.stage.emulator.with(late);
    let _operator = scene.operator(off);
    scene.stage.wish(GREEN);
    let ended = scene.reaches(600, |stage| stage.live() == [(GREEN.to_owned(), 1)]);
    assert!(ended.await, "{}", scene.stage.picture());
    assert!(
        scene.settles_on(GREEN, 300).await,
        "{}",
        scene.stage.picture()
    );
    scene.failed()
}

#[tokio::test(start_paused = true)]
async fn gallery_g02_nodes_adopt_weights_late() {
    assert_eq!(late_nodes(&[]).await, 0);
}

#[tokio::test(start_paused = true)]
async fn gallery_g02_fails_without_settle_time() {
    let off = [Rule::DrainTimer, Rule::Guard];
    assert!(late_nodes(&off).await > 0, "nodes still sent to blue");
}

/// Production points at the empty group when a release is asked for. Returns failed requests from the first
/// read on.
async fn empty_side(off: &[Rule]) -> u64 {
    let scene = Scene::serving().await;
    let operator = scene.operator(off);
    pass(90).await;
    // The new release takes its time: it is not what ends the outage.
    let slow = |world: &mut World| world.settings.task_pending_ms = 40_000;
    scene.stage.emulator.with(slow);
    scene.stage.set_weights([Some(0), Some(100)]);
    scene.stage.wish(GREEN);
    // The wish is seen within 5 s, what serves is proven in two readings, and nodes adopt weights within a second.
    pass(15).await;
    let before = scene.failed();
    assert!(before > 0, "the empty group answers nobody");
    assert!(
        scene.settles_on(GREEN, 600).await,
        "{}",
        scene.stage.picture()
    );
    let drift = operator.events.newest().into_iter();
    let told = drift.filter(|event| event.reason.as_str().starts_with("Drift"));
    assert!(!off.is_empty() || told.count() > 0, "it is told as drift");
    scene.failed() - before
}

#[tokio::test(start_paused = true)]
async fn gallery_g18_production_points_at_an_empty_group() {
    assert_eq!(empty_side(&[]).await, 0);
}

#[tokio::test(start_paused = true)]
async fn gallery_g18_fails_without_repair() {
    assert!(empty_side(&[Rule::PanicRepair, Rule::EmptyGroupFirst]).await > 0);
}

/// Infrastructure code writes the weights that it knows while the release bakes, and again when it is over. Returns
/// whether each ended well.
async fn reset(off: &[Rule]) -> [bool; 2] {
    let scene = Scene::serving().await;
    let _operator = scene.operator(off);
    scene.stage.wish(GREEN);
    scene.stage.entered("Bake").await;
    scene.stage.set_weights([Some(100), Some(0)]);
    let mid = scene.settles_on(GREEN, 400).await && scene.failed() == 0;
    scene.stage.set_weights([Some(100), Some(0)]);
    let idle = scene.reaches(90, |stage| stage.weights(0) == [Some(0), Some(100)]);
    let idle = idle.await && scene.settles_on(GREEN, 60).await;
    [mid, idle]
}

#[tokio::test(start_paused = true)]
async fn gallery_g19_somebody_resets_the_weights() {
    assert_eq!(reset(&[]).await, [true, true]);
}

#[tokio::test(start_paused = true)]
async fn gallery_g19_fails_without_live_weights() {
    assert_eq!(
        reset(&[Rule::LiveWeights, Rule::PanicRepair]).await,
        [false, false]
    );
}

/// Infrastructure code fights: each time the weights are green's it writes blue's. Returns its writes.
#[tokio::test(start_paused = true)]
async fn gallery_g19_a_second_writer_holds_the_rollout() {
    let scene = Scene::serving().await;
    let _operator = scene.operator(&[]);
    scene.stage.wish(GREEN);
    let contended = scene.reaches(400, |stage| {
        if stage.weights(0) == [Some(0), Some(100)] {
            stage.set_weights([Some(100), Some(0)]);
        }
        stage.get("status")["waitingOn"]["reason"] == "Contended"
    });
    assert!(contended.await, "{}", scene.stage.picture());
    let writes = scene.stage.writes();
    pass(300).await;
    assert_eq!(scene.stage.writes(), writes, "it does not fight on");
    assert_eq!(scene.count(BLUE, "runningCount"), 2, "nor takes blue away");
    // The other writer was stopped; the version is asked for again.
    scene.stage.wish(GREEN);
    assert!(
        scene.settles_on(GREEN, 600).await,
        "{}",
        scene.stage.picture()
    );
    assert_eq!(scene.failed(), 0);
}
