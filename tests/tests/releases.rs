//! Releases from the first to the one that swaps the groups back, under load, and everything that can go wrong on the
//! way without a fault of AWS. Each ends with "and then nothing more is wanted".

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test says so by failing"
)]

use std::time::Duration;

use emulator::world::behaviour::{Behaviour, Exit};
use tests::Stage;

/// The blog at 1.3.0, with users.
async fn serving() -> (Stage, tests::Operator) {
    let mut stage = Stage::new();
    stage.wish("1.3.0");
    let operator = stage.operator();
    stage.settled_on("1.3.0").await;
    stage.open(20.0);
    (stage, operator)
}

fn nobody_lost_a_request(stage: &Stage) {
    let users = stage.users();
    assert!(users.requests > 100, "users were there: {users:?}");
    assert_eq!(users.failed, 0, "{users:?}");
}

#[tokio::test(start_paused = true)]
async fn a_first_release_then_one_then_one_that_swaps_back() {
    let (stage, operator) = serving().await;
    assert_eq!(stage.live(), [("1.3.0".to_owned(), 0)]);
    stage.wish("1.4.0");
    stage.settled_on("1.4.0").await;
    assert_eq!(stage.live(), [("1.4.0".to_owned(), 1)]);
    assert_eq!(stage.weights(0), [Some(0), Some(100)]);
    stage.wish("1.5.0");
    stage.settled_on("1.5.0").await;
    assert_eq!(stage.live(), [("1.5.0".to_owned(), 0)]);
    nobody_lost_a_request(&stage);
    operator.stop().await;
    assert_eq!(
        stage.get("record")["clean"],
        true,
        "a graceful stop hands over"
    );
}

#[tokio::test(start_paused = true)]
async fn a_release_that_crashes_at_start_is_rejected_with_its_exit_code() {
    let (stage, _operator) = serving().await;
    stage.behave(
        "1.4.0",
        Behaviour {
            exits: Some(Exit {
                after_ms: 2_000,
                code: 3,
            }),
            ..Behaviour::default()
        },
    );
    stage.wish("1.4.0");
    stage.rejected_back_to("1.3.0").await;
    let reason = stage.get("status")["rejected"]["reason"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    assert!(reason.contains("exit") && reason.contains('3'), "{reason}");
    nobody_lost_a_request(&stage);
    // A later release is not blocked by it.
    stage.wish("1.4.1");
    stage.settled_on("1.4.1").await;
    nobody_lost_a_request(&stage);
}

#[tokio::test(start_paused = true)]
async fn a_release_that_answers_500_to_its_health_check_never_gets_traffic() {
    let (stage, _operator) = serving().await;
    stage.behave(
        "1.4.0",
        Behaviour {
            health_status: 500,
            ..Behaviour::default()
        },
    );
    stage.wish("1.4.0");
    stage.rejected_back_to("1.3.0").await;
    let users = stage.users();
    assert!(
        users.images.keys().all(|image| image.ends_with(":1.3.0")),
        "{users:?}"
    );
    nobody_lost_a_request(&stage);
}

#[tokio::test(start_paused = true)]
async fn a_newer_release_at_any_stage_takes_the_place() {
    for stage_name in ["ScaleUp", "Validate", "Shift", "Bake", "CleanUp"] {
        let (stage, _operator) = serving().await;
        stage.wish("1.4.0");
        stage.entered(stage_name).await;
        stage.wish("1.5.0");
        stage.settled_on("1.5.0").await;
        nobody_lost_a_request(&stage);
    }
}

#[tokio::test(start_paused = true)]
async fn back_to_what_serves_at_any_stage_is_a_cancel() {
    for stage_name in ["ScaleUp", "Validate", "Shift", "Bake"] {
        let (stage, _operator) = serving().await;
        stage.wish("1.4.0");
        stage.entered(stage_name).await;
        stage.wish("1.3.0");
        stage
            .until("the cancel", Duration::from_secs(1_800), |stage| {
                stage.live() == [("1.3.0".to_owned(), 0)]
            })
            .await;
        stage.settled_on("1.3.0").await;
        nobody_lost_a_request(&stage);
    }
}

#[tokio::test(start_paused = true)]
async fn weights_that_someone_resets_are_healed() {
    let (stage, _operator) = serving().await;
    stage.wish("1.4.0");
    stage.settled_on("1.4.0").await;
    nobody_lost_a_request(&stage);
    stage.set_weights([Some(100), Some(0)]);
    stage
        .until("healed", Duration::from_secs(120), |stage| {
            stage.weights(0) == [Some(0), Some(100)]
        })
        .await;
    stage.settled_on("1.4.0").await;
}

#[tokio::test(start_paused = true)]
async fn a_service_that_someone_deletes_is_made_again() {
    let (stage, _operator) = serving().await;
    let name = stage.services()[0]["serviceName"].clone();
    stage.person(
        emulator::api::Service::Ecs,
        "DeleteService",
        serde_json::json!({"cluster": "prod", "service": name, "force": true}),
    );
    stage
        .until("another service", Duration::from_secs(900), |stage| {
            stage
                .services()
                .iter()
                .any(|service| service["serviceName"] != name && service["runningCount"] == 2)
        })
        .await;
    stage.settled_on("1.3.0").await;
}

#[tokio::test(start_paused = true)]
async fn observing_only_changes_nothing() {
    let stage = Stage::new();
    stage.wish("1.3.0");
    let watcher = tests::Operator::start(
        &stage.emulator,
        runtime::controller::Settings::default(),
        false,
    );
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(stage.writes(), 0);
    assert!(stage.get("status").is_null() && stage.get("record").is_null());
    watcher.stop().await;
    assert!(stage.get("record").is_null(), "nor at its end");
}
