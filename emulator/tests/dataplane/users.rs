//! What the users of the load generator count as a failure.

use std::net::SocketAddr;

use emulator::dataplane::load::{Load, Statistics};
use tokio_util::sync::CancellationToken;

use crate::backend::{Scripted, Step};
use crate::stage::until;

const GREETING: Step = Step::Answer(
    b"HTTP/1.1 200 OK\r\nx-version: 1\r\ncontent-length: 16\r\n\r\n{\"version\": \"1\"}",
);
const OTHER_BODY: Step = Step::Answer(
    b"HTTP/1.1 200 OK\r\nx-version: 1\r\ncontent-length: 16\r\n\r\n{\"version\": \"2\"}",
);
const BROKEN_BODY: Step =
    Step::Last(b"HTTP/1.1 200 OK\r\nx-version: 1\r\ncontent-length: 16\r\n\r\n{");
const UNAVAILABLE: Step = Step::Answer(b"HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n");

/// More answers than a user asks for before the test looks.
fn for_ever(step: Step) -> Vec<Step> {
    vec![step; 1_000_000]
}

/// One user at work until `seen`.
async fn one_user(server: SocketAddr, seen: impl Fn(&Statistics) -> bool) -> Statistics {
    let load = Load::start(server, "/".parse().unwrap(), 1, &CancellationToken::new());
    until("the user has seen it", async || seen(&load.statistics())).await;
    load.finish().await
}

#[tokio::test]
async fn an_idle_connection_that_was_closed_is_no_failure() {
    let server = Scripted::start(vec![vec![GREETING, GREETING], for_ever(GREETING)]).await;
    let outcome = one_user(server.address, |statistics| {
        statistics.answered_by("1") >= 3
    })
    .await;
    assert_eq!((outcome.failed, outcome.reconnects), (0, 1));
    assert_eq!(outcome.requests, outcome.answered_by("1"));
}

#[tokio::test]
async fn a_new_connection_that_is_closed_without_an_answer_is_a_failure() {
    let server = Scripted::start(vec![vec![], for_ever(GREETING)]).await;
    let outcome = one_user(server.address, |statistics| statistics.answered_by("1") > 0).await;
    assert_eq!((outcome.failed, outcome.reconnects), (1, 0));
    assert_eq!(outcome.reasons["closed before an answer"], 1);
}

#[tokio::test]
async fn broken_wrong_and_refused_answers_are_failures_by_name() {
    let scripts = vec![
        vec![OTHER_BODY],
        vec![BROKEN_BODY],
        vec![UNAVAILABLE],
        for_ever(GREETING),
    ];
    let server = Scripted::start(scripts).await;
    let outcome = one_user(server.address, |statistics| statistics.answered_by("1") > 0).await;
    let reasons: Vec<(&str, u64)> = outcome
        .reasons
        .iter()
        .map(|(reason, count)| (reason.as_str(), *count))
        .collect();
    assert_eq!(
        reasons,
        [
            ("answer broke off", 1),
            ("status 503", 1),
            ("wrong answer", 1)
        ]
    );
    assert_eq!(outcome.failed, 3);
}
