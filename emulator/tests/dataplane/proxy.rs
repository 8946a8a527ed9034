//! Routing and carrying requests.

use std::time::Duration;

use bytes::Bytes;
use emulator::dataplane::Options;
use futures_util::StreamExt;
use http::Request;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::backend::Backend;
use crate::stage::{Client, Stage, body, fetch, free_port, get, settings, until};

#[tokio::test]
async fn weights_are_honoured_and_weight_zero_gets_nothing() {
    let stage = Stage::new();
    let groups = [
        stage.target_group("one"),
        stage.target_group("four"),
        stage.target_group("none"),
    ];
    let backends = [
        Backend::start("one").await,
        Backend::start("four").await,
        Backend::start("none").await,
    ];
    let (listener, _) = stage.listener(&[(&groups[0], 1), (&groups[1], 4), (&groups[2], 0)]);
    for (group, backend) in groups.iter().zip(&backends) {
        stage.register(group, backend.address);
        stage.all(group, 1, "healthy").await;
    }
    let front = stage.open(&listener).await;
    let mut client = Client::connect(front).await;
    for _ in 0..1000 {
        assert_eq!(client.get("/").await.0, 200);
    }
    let [one, four, none] = backends.map(|backend| backend.served());
    assert_eq!((one + four, none), (1000, 0));
    // Five standard deviations around 200.
    assert!((137..=263).contains(&one), "{one} of 1000 at weight 1 of 5");
}

#[tokio::test]
async fn an_empty_group_answers_503_in_the_load_balancers_words() {
    let stage = Stage::new();
    let front = stage.front(&stage.target_group("empty"), &[]).await;
    let answer = Client::connect(front).await.send(get("/")).await;
    assert_eq!(answer.status(), 503);
    assert_eq!(answer.headers()["server"], "awselb/2.0");
    assert!(
        body(answer)
            .await
            .contains("503 Service Temporarily Unavailable")
    );
}

#[tokio::test]
async fn when_every_target_is_unhealthy_all_of_them_get_requests() {
    let stage = Stage::new();
    let group = stage.target_group("ill");
    let (well, ill) = (Backend::start("well").await, Backend::start("ill").await);
    let front = stage.front(&group, &[well.address, ill.address]).await;
    ill.health.store(500, std::sync::atomic::Ordering::SeqCst);
    until("one unhealthy target", async || {
        stage.health(&group).contains(&"unhealthy".to_owned())
    })
    .await;
    let mut client = Client::connect(front).await;
    until("only the healthy one to serve", async || {
        let before = ill.served();
        for _ in 0..20 {
            assert_eq!(client.get("/").await.0, 200);
        }
        ill.served() == before
    })
    .await;
    well.health.store(500, std::sync::atomic::Ordering::SeqCst);
    stage.all(&group, 2, "unhealthy").await;
    until("both to serve", async || {
        let before = ill.served();
        assert_eq!(client.get("/").await.0, 200);
        ill.served() > before
    })
    .await;
}

#[tokio::test]
async fn a_connection_outlives_a_change_of_weights() {
    let stage = Stage::new();
    let (blue, green) = (stage.target_group("blue"), stage.target_group("green"));
    let (old, new) = (Backend::start("old").await, Backend::start("new").await);
    let (listener, _) = stage.listener(&[(&blue, 1), (&green, 0)]);
    stage.register(&blue, old.address);
    stage.register(&green, new.address);
    stage.all(&blue, 1, "healthy").await;
    stage.all(&green, 1, "healthy").await;
    let mut client = Client::connect(stage.open(&listener).await).await;
    assert_eq!(client.get("/").await, (200, "old".to_owned()));
    stage.shift(&listener, &[(&blue, 0), (&green, 1)]);
    until("the same connection to reach the new one", async || {
        client.get("/").await == (200, "new".to_owned())
    })
    .await;
}

#[tokio::test]
async fn a_draining_target_finishes_what_it_has_and_gets_no_more() {
    let stage = Stage::new();
    let group = stage.target_group("group");
    let (leaving, staying) = (
        Backend::start("leaving").await,
        Backend::start("staying").await,
    );
    let front = stage.front(&group, &[leaving.address]).await;
    let waiting = tokio::spawn(fetch(front, "/wait"));
    leaving.arrived.notified().await;
    stage.register(&group, staying.address);
    until("the second target healthy", async || {
        stage.health(&group) == ["healthy", "healthy"]
    })
    .await;
    stage.deregister(&group, leaving.address);
    let mut client = Client::connect(front).await;
    until("the target to be left alone", async || {
        let before = leaving.served();
        for _ in 0..20 {
            assert_eq!(client.get("/").await.0, 200);
        }
        leaving.served() == before
    })
    .await;
    leaving.go_on.notify_one();
    assert_eq!(waiting.await.unwrap(), (200, "leaving".to_owned()));
}

#[tokio::test]
async fn a_listener_that_is_deleted_finishes_what_it_has() {
    let stage = Stage::new();
    let group = stage.target_group("group");
    let backend = Backend::start("here").await;
    let (listener, _) = stage.listener(&[(&group, 1)]);
    stage.register(&group, backend.address);
    stage.all(&group, 1, "healthy").await;
    let front = stage.open(&listener).await;
    let waiting = tokio::spawn(fetch(front, "/wait"));
    backend.arrived.notified().await;
    stage.elb("DeleteListener", json!({"ListenerArn": listener}));
    until("the port to be closed", async || {
        TcpStream::connect(front).await.is_err()
    })
    .await;
    backend.go_on.notify_one();
    assert_eq!(waiting.await.unwrap(), (200, "here".to_owned()));
}

#[tokio::test]
async fn targets_learn_who_asked_and_nothing_of_the_connection() {
    let stage = Stage::new();
    let backend = Backend::start("here").await;
    let front = stage
        .front(&stage.target_group("group"), &[backend.address])
        .await;
    let request = Request::get("/headers")
        .header("host", "shop.example:8080")
        .header("connection", "keep-alive, x-private")
        .header("x-private", "1")
        .header("x-forwarded-for", "10.1.2.3")
        .body(Full::default())
        .unwrap();
    let answer = Client::connect(front).await.send(request).await;
    assert!(!answer.headers().contains_key("x-secret"));
    let seen = body(answer).await;
    for expected in [
        r#""host": "shop.example:8080""#.to_owned(),
        r#""x-forwarded-for": "10.1.2.3, 127.0.0.1""#.to_owned(),
        r#""x-forwarded-proto": "http""#.to_owned(),
        format!(r#""x-forwarded-port": "{}""#, front.port()),
    ] {
        assert!(seen.contains(&expected), "{expected} in {seen}");
    }
    assert!(
        !seen.contains("x-private") && !seen.contains("connection"),
        "{seen}"
    );
}

#[tokio::test]
async fn bodies_stream_both_ways_at_once() {
    let stage = Stage::new();
    let backend = Backend::start("here").await;
    let front = stage
        .front(&stage.target_group("group"), &[backend.address])
        .await;
    let stream = TcpStream::connect(front).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    let (upload, chunks) = tokio::sync::mpsc::channel::<Bytes>(1);
    let chunks = futures_util::stream::unfold(chunks, async |mut chunks| {
        Some((chunks.recv().await?, chunks))
    });
    let chunks =
        Box::pin(chunks.map(|chunk| Ok::<_, std::convert::Infallible>(Frame::data(chunk))));
    let request = Request::post("/echo")
        .header("host", "front.example")
        .body(StreamBody::new(chunks))
        .unwrap();
    let mut answer = {
        upload.send(Bytes::from_static(b"chunk 0")).await.unwrap();
        sender.send_request(request).await.unwrap()
    };
    for number in 0..5 {
        // The answer to this chunk comes while the upload still goes on.
        let frame = answer.body_mut().frame().await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), format!("chunk {number}"));
        upload
            .send(format!("chunk {}", number + 1).into())
            .await
            .unwrap();
    }
    drop(upload);
    assert_eq!(body(answer).await, "chunk 5");
}

#[tokio::test]
async fn requests_that_are_not_http_or_name_no_host_get_400() {
    let stage = Stage::new();
    let front = stage.front(&stage.target_group("group"), &[]).await;
    for malformed in [
        "GET / HTTP/1.1\r\n\r\n",
        "nonsense\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    ] {
        let mut stream = TcpStream::connect(front).await.unwrap();
        stream.write_all(malformed.as_bytes()).await.unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 400", "{malformed:?}");
    }
}

#[tokio::test]
async fn a_port_in_use_is_told_with_its_listener_and_opened_when_it_is_free() {
    let stage = Stage::new();
    let port = free_port();
    let occupied = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    let listener = stage.listener_on(port, &[(&stage.target_group("group"), 1)]);
    let mut listeners = stage.listeners.clone();
    let statuses = listeners
        .wait_for(|all| !all.is_empty())
        .await
        .unwrap()
        .clone();
    let error = statuses[0].opened.as_ref().unwrap_err();
    assert_eq!(error.listener_arn, listener);
    assert_eq!(error.address.port(), port);
    assert_eq!(error.source.kind(), std::io::ErrorKind::AddrInUse);
    assert_eq!(
        error.to_string(),
        format!("cannot open 127.0.0.1:{port} for listener {listener}")
    );
    drop(occupied);
    assert_eq!(stage.open(&listener).await.port(), port);
}

#[tokio::test]
async fn stopping_the_data_plane_answers_what_is_in_flight_and_closes_the_ports() {
    let options = Options {
        stop_timeout: Duration::from_secs(30),
        ..Options::default()
    };
    let stage = Stage::with(settings(), options);
    let backend = Backend::start("here").await;
    let front = stage
        .front(&stage.target_group("group"), &[backend.address])
        .await;
    let waiting = tokio::spawn(fetch(front, "/wait"));
    backend.arrived.notified().await;
    let stopping = tokio::spawn(stage.stop());
    until("the port to be closed", async || {
        TcpStream::connect(front).await.is_err()
    })
    .await;
    backend.go_on.notify_one();
    assert_eq!(waiting.await.unwrap(), (200, "here".to_owned()));
    stopping.await.unwrap();
}
