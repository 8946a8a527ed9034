//! Real sockets: what reached AWS and what cannot have.

use std::collections::BTreeMap;
use std::time::Duration;

use crd_schema::GateName;
use crd_schema::gate::{Check, Gate, Http, OnError};
use planner::Write;
use planner::gate::Run;
use planner::memory::WriteOutcome;
use prometheus::Registry;
use runtime::clock::Clock;
use runtime::cloud::{CloudWriter, Tried};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::blog;
use crate::clients::{Connection, Settings, http_client, web};
use crate::metrics::CallMetrics;
use crate::{AwsWriter, Names};

async fn delete_at(endpoint: &str) -> WriteOutcome {
    let metrics = CallMetrics::new(&Registry::new()).unwrap();
    let connection = Connection::with_endpoint(
        endpoint,
        http_client(),
        web(),
        Clock::system(),
        &Settings::default(),
        metrics,
    );
    let write = Write::DeleteService {
        name: "blog-1".to_owned(),
    };
    AwsWriter::new(&connection, Names::default())
        .write(&blog(), &write)
        .await
}

#[tokio::test]
async fn without_a_connection_nothing_was_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let outcome = delete_at(&endpoint).await;
    assert!(
        matches!(&outcome, WriteOutcome::NotSent { reason } if reason.contains("failed (network): ")),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn a_connection_that_closes_after_the_request_leaves_it_unknown() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut buffer = [0; 4096];
        stream.read(&mut buffer).await.unwrap()
    });
    let outcome = delete_at(&endpoint).await;
    assert!(
        matches!(&outcome, WriteOutcome::Unknown { reason } if reason.contains("failed (network): ")),
        "{outcome:?}"
    );
    assert!(server.await.unwrap() > 0, "the request arrived");
}

/// A server that answers one request with this text; what it was asked, and what a gate makes of it.
async fn asked(answer: &'static str, expect: (u16, Option<&str>)) -> (String, Tried) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/health?deep=1", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut read = vec![0; 4096];
        let length = socket.read(&mut read).await.unwrap();
        socket.write_all(answer.as_bytes()).await.unwrap();
        String::from_utf8_lossy(&read[..length]).to_lowercase()
    });
    let tried = try_at(&url, expect).await;
    (server.await.unwrap(), tried)
}

async fn try_at(url: &str, (status, body): (u16, Option<&str>)) -> Tried {
    let http = Http {
        url: url.to_owned(),
        method: "POST".to_owned(),
        headers: BTreeMap::from([("X-Test".to_owned(), "teal".to_owned())]),
        status,
        body: body.map(str::to_owned),
    };
    let run = Run {
        key: "0123".to_owned(),
        name: GateName::new("smoke"),
        place: "smoke".to_owned(),
        version: "1.4.0".to_owned(),
        gate: Gate {
            before: None,
            check: Check::Http(http),
            attempts: 1,
            every: Duration::from_secs(1),
            timeout: Duration::from_secs(1),
            on_error: OnError::Hold,
        },
        before: None,
        task_definition: None,
        service: None,
    };
    let metrics = CallMetrics::new(&Registry::new()).unwrap();
    let connection = Connection::local("http://127.0.0.1:9", &Settings::default(), metrics);
    let writer = AwsWriter::new(&connection, Names::default());
    writer.try_gate(&blog(), &run, 0, None).await
}

const HELLO: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";

#[tokio::test]
async fn a_gate_asks_what_the_spec_says_and_judges_the_answer() {
    let (request, tried) = asked(HELLO, (200, Some("ell"))).await;
    assert_eq!(tried, Tried::Passed);
    assert!(
        request.starts_with("post /health?deep=1 http/1.1\r\n"),
        "{request}"
    );
    for line in ["x-test: teal", "idempotency-key: 0123", "host: 127.0.0.1:"] {
        assert!(request.contains(line), "{line}: {request}");
    }
    let (_, tried) = asked(HELLO, (200, Some("bye"))).await;
    assert!(
        matches!(&tried, Tried::Failed { reason } if reason.contains("do not contain \"bye\"")),
        "{tried:?}"
    );
    let (_, tried) = asked(HELLO, (204, None)).await;
    assert!(
        matches!(&tried, Tried::Failed { reason } if reason.ends_with("answered 200, and 204 is right")),
        "{tried:?}"
    );
}

#[tokio::test]
async fn a_gate_that_gets_no_answer_can_not_tell() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    for url in [url.as_str(), "http://nowhere.invalid/"] {
        let tried = try_at(url, (200, None)).await;
        assert!(
            matches!(&tried, Tried::Unclear { reason } if reason.contains("got no answer: ")),
            "{tried:?}"
        );
    }
    let (_, tried) = asked(
        "HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nhello",
        (200, Some("x")),
    )
    .await;
    assert!(matches!(tried, Tried::Unclear { .. }), "{tried:?}");
}
