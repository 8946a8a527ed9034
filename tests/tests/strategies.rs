//! Traffic in steps, and people who change its course, through the real SDK, under load.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test says so by failing"
)]

use std::time::Duration;

use emulator::world::Settings;
use serde_json::{Value, json};
use tests::{Operator, Stage};

const LONG: Duration = Duration::from_secs(1_800);

/// The blog at 1.3.0 with users, and 1.4.0 is wished for with this strategy.
async fn releasing(strategy: Value) -> (Stage, Operator) {
    let mut stage = Stage::with(Settings::default(), |mut application| {
        application["spec"]["strategy"] = strategy.clone();
        application["spec"]["deadlines"] = json!({"shift": "10m"});
        application
    });
    stage.wish("1.3.0");
    let operator = stage.operator();
    stage.settled_on("1.3.0").await;
    stage.open(20.0);
    stage.wish("1.4.0");
    (stage, operator)
}

async fn waits(stage: &Stage, reason: &str, weights: [u64; 2]) {
    let weights = weights.map(Some);
    let there = |stage: &Stage| {
        stage.weights(0) == weights && stage.get("status")["waitingOn"]["reason"] == reason
    };
    stage.until(reason, LONG, there).await;
}

fn nobody_lost_a_request(stage: &Stage) {
    let users = stage.users();
    assert!(users.requests > 100, "users were there: {users:?}");
    assert_eq!(users.failed, 0, "{users:?}");
}

fn seen(stage: &Stage) -> (Value, Value) {
    let status = stage.get("status");
    (status["rollout"].clone(), status["step"]["index"].clone())
}

fn promote(stage: &Stage, full: bool) {
    let (rollout, step) = seen(stage);
    let intent = json!({"rollout": rollout, "step": step, "full": full});
    stage.put("intents/promote", &intent.to_string());
}

fn abort(stage: &Stage) {
    let intent = json!({"rollout": seen(stage).0});
    stage.put("intents/abort", &intent.to_string());
}

fn pause(stage: &Stage, paused: bool) {
    stage.put("intents/pause", &json!({"paused": paused}).to_string());
}

fn pause_all(stage: &Stage, paused: bool) {
    stage.put_parameter("/teal/apps/pause", &json!({"paused": paused}).to_string());
}

fn last_outcome(stage: &Stage) -> Value {
    let history = stage.get("status")["history"].clone();
    history.as_array().unwrap().last().unwrap()["outcome"].clone()
}

#[tokio::test(start_paused = true)]
async fn a_canary_waits_for_its_time_and_for_a_person() {
    let steps = json!([{"setWeight": 0.5}, {"pause": "2m"}, {"setWeight": 40}, {"pause": {}}]);
    let (stage, _operator) = releasing(json!({"canary": {"steps": steps}})).await;
    waits(&stage, "Pause", [995, 5]).await;
    let status = stage.get("status");
    assert_eq!(status["step"]["does"], "pause 2m");
    let read = status["weights"]["read"].as_array().unwrap();
    let split = json!({"blue": 99.5, "green": 0.5});
    assert!(read.iter().any(|rule| rule["weights"] == split), "{read:?}");
    waits(&stage, "Promotion", [60, 40]).await;
    tokio::time::sleep(Duration::from_secs(1_800)).await;
    assert_eq!(
        stage.weights(0),
        [Some(60), Some(40)],
        "a person has no deadline"
    );
    promote(&stage, false);
    stage.settled_on("1.4.0").await;
    assert_eq!(last_outcome(&stage), "Succeeded");
    assert_eq!(stage.get("status")["step"], Value::Null);
    nobody_lost_a_request(&stage);
}

#[tokio::test(start_paused = true)]
async fn a_smaller_green_grows_before_it_gets_more() {
    let steps = json!([{"setScale": 25}, {"setWeight": 25}, {"pause": {}}, {"setScale": 75}, {"setWeight": 60}, {"pause": {}}]);
    let mut stage = Stage::with(Settings::default(), |mut application| {
        application["spec"]["strategy"] = json!({"canary": {"steps": steps}});
        application["spec"]["template"]["service"]["desiredCount"] = json!(4);
        application
    });
    stage.wish("1.3.0");
    let _operator = stage.operator();
    stage.settled_on("1.3.0").await;
    stage.open(20.0);
    stage.wish("1.4.0");
    let sizes = |stage: &Stage| {
        let mut sizes: Vec<u64> = stage
            .services()
            .iter()
            .map(|service| service["desiredCount"].as_u64().unwrap())
            .collect();
        sizes.sort_unstable();
        sizes
    };
    waits(&stage, "Promotion", [75, 25]).await;
    assert_eq!(sizes(&stage), [1, 4]);
    promote(&stage, false);
    waits(&stage, "Promotion", [40, 60]).await;
    assert_eq!(sizes(&stage), [3, 4]);
    promote(&stage, false);
    stage.settled_on("1.4.0").await;
    assert_eq!(sizes(&stage), [4]);
    assert_eq!(last_outcome(&stage), "Succeeded");
    nobody_lost_a_request(&stage);
}

#[tokio::test(start_paused = true)]
async fn a_preset_of_code_deploy_moves_a_tenth_each_minute() {
    let (stage, _operator) =
        releasing(json!({"preset": "CodeDeployDefault.ECSLinear10PercentEvery1Minutes"})).await;
    for green in (10..100_u64).step_by(10) {
        waits(&stage, "Pause", [100 - green, green]).await;
    }
    stage.settled_on("1.4.0").await;
    nobody_lost_a_request(&stage);
}

#[tokio::test(start_paused = true)]
async fn an_abort_goes_back_at_once_and_is_remembered() {
    let steps = json!([{"setWeight": 20}, {"pause": {}}]);
    let (stage, _operator) = releasing(json!({"canary": {"steps": steps}})).await;
    waits(&stage, "Promotion", [80, 20]).await;
    abort(&stage);
    let back = |stage: &Stage| stage.weights(0) == [Some(100), Some(0)];
    stage.until("back", Duration::from_secs(15), back).await;
    stage.rejected_back_to("1.3.0").await;
    assert_eq!(last_outcome(&stage), "Aborted");
    let reason = stage.get("status")["rejected"]["reason"].clone();
    assert_eq!(reason, "aborted by a person (teal abort)");
    // The same version wished for once more is another wish.
    stage.wish("1.4.0");
    waits(&stage, "Promotion", [80, 20]).await;
    promote(&stage, true);
    stage.settled_on("1.4.0").await;
    nobody_lost_a_request(&stage);
}

#[tokio::test(start_paused = true)]
async fn a_pause_of_all_holds_the_release_and_not_its_way_back() {
    let steps = json!([{"setWeight": 20}, {"pause": "1m"}]);
    let (stage, _operator) = releasing(json!({"canary": {"steps": steps}})).await;
    waits(&stage, "Pause", [80, 20]).await;
    pause(&stage, true);
    pause_all(&stage, true);
    waits(&stage, "AllPaused", [80, 20]).await;
    // What is paused by name stays so.
    pause_all(&stage, false);
    waits(&stage, "Paused", [80, 20]).await;
    pause(&stage, false);
    // A text that should be a pause is one.
    stage.put_parameter("/teal/apps/pause", "yes, please");
    waits(&stage, "AllPaused", [80, 20]).await;
    tokio::time::sleep(Duration::from_secs(600)).await;
    waits(&stage, "AllPaused", [80, 20]).await;
    abort(&stage);
    stage.rejected_back_to("1.3.0").await;
    assert_eq!(last_outcome(&stage), "Aborted");
    // Nothing begins either, until all may go on.
    stage.wish("1.4.0");
    waits(&stage, "AllPaused", [100, 0]).await;
    pause_all(&stage, false);
    stage.settled_on("1.4.0").await;
    nobody_lost_a_request(&stage);
}

#[tokio::test(start_paused = true)]
async fn a_pause_outlasts_a_restart_and_is_told() {
    let steps = json!([{"setWeight": 20}, {"pause": "1m"}]);
    let (stage, operator) = releasing(json!({"canary": {"steps": steps}})).await;
    waits(&stage, "Pause", [80, 20]).await;
    pause(&stage, true);
    waits(&stage, "Paused", [80, 20]).await;
    operator.kill().await;
    let _operator = stage.operator();
    tokio::time::sleep(Duration::from_secs(1_800)).await;
    waits(&stage, "Paused", [80, 20]).await;
    let conditions = stage.get("status")["conditions"].clone();
    let is = |kind: &str| {
        let mut all = conditions.as_array().unwrap().iter();
        let one = all.find(|one| one["type"] == kind).unwrap();
        format!("{} {}", one["status"], one["reason"]).replace('"', "")
    };
    assert_eq!(
        [is("Paused"), is("Stalled"), is("Reconciling")],
        ["True Paused", "False Moving", "True Paused"]
    );
    pause(&stage, false);
    stage.settled_on("1.4.0").await;
    nobody_lost_a_request(&stage);
}

#[tokio::test(start_paused = true)]
async fn a_verb_that_cannot_be_read_is_told_and_does_nothing() {
    let steps = json!([{"setWeight": 20}, {"pause": {}}]);
    let (stage, _operator) = releasing(json!({"canary": {"steps": steps}})).await;
    waits(&stage, "Promotion", [80, 20]).await;
    for nonsense in ["yes", "{}", "[]", "{\"rollout\": 3}"] {
        stage.put("intents/promote", nonsense);
        stage.put("intents/abort", nonsense);
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(stage.weights(0), [Some(80), Some(20)], "{nonsense}");
    }
    promote(&stage, false);
    stage.settled_on("1.4.0").await;
    nobody_lost_a_request(&stage);
}
