//! Faults through the wire: what takes effect, what the caller sees, what the journal says.

#![expect(clippy::unwrap_used, reason = "a test stops at its first surprise")]

use std::time::Duration;

use bytes::Bytes;
use emulator::api::Service;
use emulator::world::Settings;
use emulator::{ConnectionLost, Emulator};
use http::{Request, Response};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

fn emulator(faults: Value) -> Emulator {
    let emulator = Emulator::new(Settings::default());
    emulator
        .faults()
        .set(serde_json::from_value(faults).unwrap());
    emulator
}

async fn send(emulator: &Emulator, target: &str, input: Value) -> Response<Bytes> {
    let request = Request::post("/")
        .header("authorization", "any")
        .header("x-amz-target", target);
    emulator
        .handle(request.body(Bytes::from(input.to_string())).unwrap())
        .await
}

async fn put(emulator: &Emulator, name: &str) -> Response<Bytes> {
    send(
        emulator,
        "AmazonSSM.PutParameter",
        json!({"Name": name, "Type": "String", "Value": "x"}),
    )
    .await
}

fn exists(emulator: &Emulator, name: &str) -> bool {
    emulator.with(|world| world.ssm.parameters.contains_key(name))
}

fn error(response: &Response<Bytes>) -> &str {
    response.headers()["x-amzn-errortype"].to_str().unwrap()
}

fn plan(effect: Value) -> Value {
    json!({"plan": [{"service": "ssm", "operation": "PutParameter", "when": {"nth": 1}, "effect": effect}]})
}

#[tokio::test]
async fn an_error_before_the_effect_leaves_nothing_behind() {
    let failure =
        json!({"code": "InternalServerError", "message": "An error occurred on the server side."});
    for (effect, status, code) in [
        (json!({"error": failure}), 500, "InternalServerError"),
        (json!("throttle"), 400, "ThrottlingException"),
        (json!("accessDenied"), 400, "AccessDeniedException"),
    ] {
        let emulator = emulator(plan(effect));
        let response = put(&emulator, "/a").await;
        assert_eq!(
            (response.status().as_u16(), error(&response)),
            (status, code)
        );
        assert!(!exists(&emulator, "/a"));
        assert_eq!(put(&emulator, "/a").await.status(), 200);
    }
}

#[tokio::test]
async fn an_error_after_the_effect_hides_it() {
    let emulator = emulator(plan(
        json!({"errorAfter": {"code": "InternalServerError", "message": ""}}),
    ));
    assert_eq!(put(&emulator, "/a").await.status(), 500);
    assert!(exists(&emulator, "/a"));
    assert_eq!(error(&put(&emulator, "/a").await), "ParameterAlreadyExists");
    let log: Vec<(bool, String)> = emulator.faults().journal(|journal| {
        journal
            .log()
            .map(|entry| (entry.effect, entry.outcome.clone()))
            .collect()
    });
    assert_eq!(
        log,
        [
            (true, "InternalServerError".into()),
            (false, "ParameterAlreadyExists".into())
        ]
    );
    assert_eq!(emulator.faults().calls(Service::Ssm, "PutParameter"), 2);
}

#[tokio::test]
async fn a_lost_request_did_nothing_and_a_lost_answer_did() {
    for (effect, took_effect) in [("loseRequest", false), ("loseAnswer", true)] {
        let emulator = emulator(plan(json!(effect)));
        let response = put(&emulator, "/a").await;
        assert!(response.extensions().get::<ConnectionLost>().is_some());
        assert_eq!(exists(&emulator, "/a"), took_effect);
        let outcome = emulator
            .faults()
            .journal(|journal| journal.log().next().map(|entry| entry.outcome.clone()));
        assert_eq!(outcome.as_deref(), Some("lost"));
    }
}

#[tokio::test]
async fn a_refused_connection_carries_nothing_and_a_cut_answer_is_half() {
    let refusing = emulator(plan(json!("refuseConnection")));
    let response = put(&refusing, "/a").await;
    let lost = response.extensions().get::<ConnectionLost>();
    assert_eq!(lost, Some(&ConnectionLost::Refused));
    assert!(!exists(&refusing, "/a"));
    let whole = put(&emulator(json!({})), "/a").await;
    let cutting = emulator(plan(json!("cutAnswer")));
    let cut = put(&cutting, "/a").await;
    assert!(exists(&cutting, "/a"));
    assert_eq!(cut.body(), &whole.body()[..whole.body().len() / 2]);
}

#[tokio::test(start_paused = true)]
async fn one_read_can_be_answered_from_the_past() {
    let stale =
        json!({"operation": "GetParameter", "when": {"nth": 1}, "effect": {"staleAnswer": 3000}});
    let emulator = emulator(json!({"plan": [stale]}));
    let get = || send(&emulator, "AmazonSSM.GetParameter", json!({"Name": "/a"}));
    assert_eq!(put(&emulator, "/a").await.status(), 200);
    assert_eq!(error(&get().await), "ParameterNotFound");
    assert_eq!(get().await.status(), 200);
}

#[tokio::test(start_paused = true)]
async fn latency_comes_before_the_effect_and_a_slow_answer_after() {
    for (effect, at_once) in [
        (json!({"latency": 500}), false),
        (json!({"slowAnswer": 500}), true),
    ] {
        let emulator = emulator(plan(effect));
        let call = tokio::spawn({
            let emulator = emulator.clone();
            async move { put(&emulator, "/a").await }
        });
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert_eq!(exists(&emulator, "/a"), at_once);
        assert_eq!(call.await.unwrap().status(), 200);
        assert_eq!(emulator.now(), 500);
    }
}

#[tokio::test(start_paused = true)]
async fn reads_lag_behind_writes_by_as_much_as_is_set() {
    let emulator = emulator(json!({"readLagMs": {"ssm": 3000}}));
    let get = || send(&emulator, "AmazonSSM.GetParameter", json!({"Name": "/a"}));
    assert_eq!(put(&emulator, "/a").await.status(), 200);
    assert_eq!(error(&get().await), "ParameterNotFound");
    // Writes see the present.
    assert_eq!(error(&put(&emulator, "/a").await), "ParameterAlreadyExists");
    tokio::time::sleep(Duration::from_millis(2990)).await;
    assert_eq!(error(&get().await), "ParameterNotFound");
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert_eq!(get().await.status(), 200);
}

#[tokio::test(start_paused = true)]
async fn calls_beyond_the_rate_of_aws_are_throttled_until_tokens_come_back() {
    let emulator = Emulator::new(Settings::default());
    let get = || {
        send(
            &emulator,
            "AmazonSSM.GetParameters",
            json!({"Names": ["/a"]}),
        )
    };
    for _ in 0..40 {
        assert_eq!(get().await.status(), 200);
    }
    let throttled = get().await;
    assert_eq!(
        (throttled.status().as_u16(), error(&throttled)),
        (400, "ThrottlingException")
    );
    tokio::time::sleep(Duration::from_millis(25)).await;
    assert_eq!(get().await.status(), 200);
}

#[tokio::test]
async fn what_is_not_emulated_is_refused_and_counted() {
    let emulator = Emulator::new(Settings::default());
    let response = send(&emulator, "AmazonSSM.StartSession", json!({})).await;
    assert_eq!(error(&response), "UnknownOperationException");
    assert_eq!(emulator.faults().calls(Service::Ssm, "StartSession"), 1);
}

/// One exchange over a socket; empty when the connection broke without an answer.
async fn exchange(address: std::net::SocketAddr, head: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let length = body.len();
    let request = format!(
        "{head}\r\nhost: aws\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer).await;
    answer
}

#[tokio::test]
async fn the_server_drops_the_connection_of_a_lost_answer_and_is_set_over_http() {
    let emulator = Emulator::new(Settings::default());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
    let server = tokio::spawn({
        let (emulator, stop) = (emulator.clone(), stop.clone());
        async move { emulator.serve(listener, stop).await }
    });

    let set = exchange(
        address,
        "PUT /_emulator/faults HTTP/1.1",
        &plan(json!("loseAnswer")).to_string(),
    )
    .await;
    assert!(set.starts_with("HTTP/1.1 200"), "{set}");
    let head = "POST / HTTP/1.1\r\nauthorization: any\r\nx-amz-target: AmazonSSM.PutParameter";
    let input = json!({"Name": "/a", "Type": "String", "Value": "x"}).to_string();
    assert_eq!(exchange(address, head, &input).await, "");
    assert!(exists(&emulator, "/a"));
    assert!(
        exchange(address, head, &input)
            .await
            .contains("ParameterAlreadyExists")
    );

    let calls = exchange(address, "GET /_emulator/calls HTTP/1.1", "").await;
    assert!(
        calls.contains(r#""operation":"PutParameter","outcome":"lost","calls":1"#),
        "{calls}"
    );
    let behaviours = json!({"blog:2.0.0": {"healthStatus": 500}}).to_string();
    let patched = exchange(address, "PATCH /_emulator/behaviours HTTP/1.1", &behaviours).await;
    assert!(patched.starts_with("HTTP/1.1 200"), "{patched}");
    assert_eq!(
        emulator.with(|world| world.settings.behaviour("blog:2.0.0").health_status),
        500
    );
    for (head, body, status) in [
        ("GET /_emulator/health HTTP/1.1", "", "200"),
        ("GET /_emulator/state HTTP/1.1", "", "200"),
        ("GET /_emulator/log HTTP/1.1", "", "200"),
        (
            "PATCH /_emulator/settings HTTP/1.1",
            r#"{"taskPendingMs": 7}"#,
            "200",
        ),
        (
            "PATCH /_emulator/settings HTTP/1.1",
            r#"{"colour": 7}"#,
            "400",
        ),
        ("GET /_emulator/nothing HTTP/1.1", "", "404"),
    ] {
        let answer = exchange(address, head, body).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")),
            "{head}: {answer}"
        );
    }
    assert_eq!(emulator.with(|world| world.settings.task_pending_ms), 7);

    stop.cancel();
    server.await.unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}
