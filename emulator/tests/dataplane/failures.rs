//! Targets that break, and what the client is told.

use std::sync::atomic::Ordering;
use std::time::Duration;

use emulator::dataplane::Options;
use http::Request;
use http_body_util::{BodyExt, Full};

use crate::backend::{Backend, Scripted, Step};
use crate::stage::{Client, Stage, fetch, free_port, get, settings};

const OK: Step = Step::Answer(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
const BROKEN_HEAD: Step = Step::Last(b"HTTP/1.1 200 OK\r\ncont");
const BROKEN_BODY: Step = Step::Last(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf");

#[tokio::test]
async fn an_idempotent_request_that_meets_a_closed_idle_connection_goes_once_more() {
    let stage = Stage::new();
    // The first connection answers once and is closed at its second request.
    let target = Scripted::start(vec![vec![OK], vec![OK]]).await;
    let front = stage
        .front(&stage.target_group("group"), &[target.address])
        .await;
    let mut client = Client::connect(front).await;
    assert_eq!(client.get("/").await, (200, "ok".to_owned()));
    assert_eq!(client.get("/").await, (200, "ok".to_owned()));
    assert_eq!(target.requests.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn a_request_with_effects_is_never_sent_twice() {
    let stage = Stage::new();
    let target = Scripted::start(vec![vec![OK], vec![OK]]).await;
    let front = stage
        .front(&stage.target_group("group"), &[target.address])
        .await;
    let mut client = Client::connect(front).await;
    assert_eq!(client.get("/").await, (200, "ok".to_owned()));
    let post = Request::post("/")
        .header("host", "front.example")
        .body(Full::default())
        .unwrap();
    assert_eq!(client.send(post).await.status(), 502);
    assert_eq!(target.requests.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_request_on_a_new_connection_is_never_sent_twice() {
    let stage = Stage::new();
    let target = Scripted::start(vec![vec![], vec![OK]]).await;
    let front = stage
        .front(&stage.target_group("group"), &[target.address])
        .await;
    assert_eq!(fetch(front, "/").await.0, 502);
    assert_eq!(target.requests.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn an_answer_that_breaks_off_in_its_head_is_not_asked_for_again() {
    let stage = Stage::new();
    let target = Scripted::start(vec![vec![OK, BROKEN_HEAD], vec![OK]]).await;
    let front = stage
        .front(&stage.target_group("group"), &[target.address])
        .await;
    let mut client = Client::connect(front).await;
    assert_eq!(client.get("/").await.0, 200);
    assert_eq!(client.get("/").await.0, 502);
    assert_eq!(target.requests.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn an_answer_that_breaks_off_in_its_body_breaks_off_for_the_client() {
    let stage = Stage::new();
    let target = Scripted::start(vec![vec![BROKEN_BODY]]).await;
    let front = stage
        .front(&stage.target_group("group"), &[target.address])
        .await;
    let answer = Client::connect(front).await.send(get("/")).await;
    assert_eq!(answer.status(), 200);
    assert!(answer.into_body().collect().await.is_err());
}

#[tokio::test]
async fn a_target_that_refuses_connections_answers_502() {
    let stage = Stage::new();
    let group = stage.target_group("group");
    let (listener, _) = stage.listener(&[(&group, 1)]);
    stage.register(&group, ([127, 0, 0, 1], free_port()).into());
    stage.all(&group, 1, "unhealthy").await;
    let front = stage.open(&listener).await;
    assert_eq!(fetch(front, "/").await.0, 502);
}

#[tokio::test]
async fn a_silent_target_answers_504() {
    let options = Options {
        idle_timeout: Duration::from_millis(300),
        ..Options::default()
    };
    let stage = Stage::with(settings(), options);
    let backend = Backend::start("here").await;
    let front = stage
        .front(&stage.target_group("group"), &[backend.address])
        .await;
    assert_eq!(fetch(front, "/wait").await.0, 504);
    assert_eq!(fetch(front, "/").await.0, 200);
}
