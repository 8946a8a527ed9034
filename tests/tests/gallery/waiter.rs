//! What a pipeline is told that waits for its release.

use std::time::Duration;

use crd_schema::Status;
use crd_schema::status::Phase;
use emulator::world::behaviour::Behaviour;
use serde_json::json;
use tests::Stage;

use crate::failure::Exit;
use crate::scene::{BLUE, GREEN, Scene, pass, world};
use crate::waiting::{Verdict, Wish};

/// Every status, second by second, from the wish for a release that fails its health checks until it is over.
async fn statuses_of_a_rollback() -> (Wish, Vec<Status>) {
    let scene = Scene::serving().await;
    let _operator = scene.operator(&[]);
    pass(60).await;
    let read = || -> Option<Status> { serde_json::from_value(scene.stage.get("status")).ok() };
    let bad = Behaviour {
        health_status: 500,
        ..Behaviour::default()
    };
    scene.stage.behave(GREEN, bad);
    let before = read();
    scene.stage.wish(GREEN);
    let wish = Wish {
        version: i64::try_from(scene.stage.version("desired")).expect("a version"),
        after: before.and_then(|before| before.observed_generation),
    };
    let mut seen = Vec::new();
    let over = scene.reaches(400, |stage| {
        seen.extend(read());
        stage.get("status")["phase"] == "Failed" && stage.live() == [(BLUE.to_owned(), 0)]
    });
    assert!(over.await, "{}", scene.stage.picture());
    assert!(
        scene.falls_back_to(BLUE, 60).await,
        "{}",
        scene.stage.picture()
    );
    seen.extend(read());
    assert_eq!(scene.failed(), 0);
    (wish, seen)
}

#[tokio::test(start_paused = true)]
async fn gallery_g21_a_pipeline_is_told_of_the_rollback() {
    let (wish, statuses) = statuses_of_a_rollback().await;
    let judged = |status: &Status| wish.judge(status, Duration::ZERO);
    let verdicts: Vec<Verdict> = statuses.iter().map(judged).collect();
    assert!(!verdicts.contains(&Verdict::Converged), "{verdicts:?}");
    let Some(Verdict::Failed { exit, why }) = verdicts.last() else {
        panic!("{verdicts:?}")
    };
    assert_eq!(*exit, Exit::Rejected, "{why}");
    let serving = statuses.last().and_then(|status| status.serving.as_ref());
    assert!(why.contains(GREEN), "{why}");
    assert_eq!(serving.map(|serving| serving.version.as_str()), Some(BLUE));
}

#[tokio::test(start_paused = true)]
async fn gallery_g21_fails_without_the_wish_in_the_judgement() {
    let (_, statuses) = statuses_of_a_rollback().await;
    // A waiter for a stable service, as the reference has it: something serves, and nothing moves any more.
    let stable = |status: &Status| {
        status.serving.is_some() && status.rollout.is_none() && status.phase != Phase::Progressing
    };
    assert!(statuses.iter().any(stable), "it would have said success");
}

/// The status while a release waits until a person promotes it.
async fn status_of_a_pause_without_end() -> (Wish, Status) {
    let scene = Scene::serving_in(world(), |spec| {
        let steps = json!([{"setWeight": 10}, {"pause": {}}]);
        spec["strategy"] = json!({"canary": {"steps": steps}});
    });
    let scene = scene.await;
    let _operator = scene.operator(&[]);
    pass(60).await;
    let read = || -> Option<Status> { serde_json::from_value(scene.stage.get("status")).ok() };
    let before = read();
    scene.stage.wish(GREEN);
    let wish = Wish {
        version: i64::try_from(scene.stage.version("desired")).expect("a version"),
        after: before.and_then(|before| before.observed_generation),
    };
    let waits = |stage: &Stage| stage.get("status")["waitingOn"]["reason"] == "Promotion";
    assert!(scene.reaches(200, waits).await, "{}", scene.stage.picture());
    pass(3_600).await;
    assert_eq!(scene.failed(), 0);
    (wish, read().expect("a status"))
}

#[tokio::test(start_paused = true)]
async fn gallery_g34_who_waits_is_told_that_a_person_is_needed() {
    let (wish, status) = status_of_a_pause_without_end().await;
    let Verdict::Failed { exit, why } = wish.judge(&status, Duration::from_secs(60)) else {
        panic!("{status:?}")
    };
    assert_eq!(exit, Exit::NeedsPerson);
    assert!(why.contains("teal promote"), "{why}");
}

#[tokio::test(start_paused = true)]
async fn gallery_g34_fails_without_what_is_waited_for_in_the_judgement() {
    let (wish, mut status) = status_of_a_pause_without_end().await;
    status.waiting_on = None;
    let judged = wish.judge(&status, Duration::from_secs(3_600));
    assert_eq!(judged, Verdict::Pending, "it would wait for ever");
}
