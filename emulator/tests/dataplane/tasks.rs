//! Tasks that run: the sample application and local processes.

use std::collections::BTreeMap;
use std::time::Duration;

use emulator::dataplane::Options;
use emulator::world::Settings;
use emulator::world::behaviour::{Behaviour, Exit};
use serde_json::{Value, json};

use crate::stage::{Client, InFlight, Stage, body, free_port, get, sample, settings, until};

fn behaving(image: &str, change: impl FnOnce(&mut Behaviour)) -> Settings {
    let mut settings = settings();
    let mut behaviour = settings.default_behaviour.clone();
    change(&mut behaviour);
    settings.behaviours = BTreeMap::from([(image.to_owned(), behaviour)]);
    settings
}

/// A local program, given as a shell script.
fn script(text: &str) -> Value {
    json!({
        "name": "web", "image": "shop/web:1.0", "portMappings": [{"containerPort": free_port()}],
        "command": ["process:", "sh", "-c", text], "environment": [{"name": "COLOUR", "value": "green"}],
    })
}

/// A stage on which the service `web` starts this container behind a group that a listener names.
fn started(settings: Settings, container: Value) -> (Stage, String, String) {
    let stage = Stage::with(settings, Options::default());
    let group = stage.target_group("web");
    let (listener, _) = stage.listener(&[(&group, 1)]);
    stage.service("web", &group, container, 1);
    (stage, group, listener)
}

fn exit_code(task: &Value) -> i64 {
    task["containers"][0]["exitCode"]
        .as_i64()
        .unwrap_or_else(|| panic!("no exit code in {task}"))
}

#[tokio::test]
async fn the_sample_application_says_who_it_is() {
    let (stage, group, listener) = started(settings(), sample("registry.example/shop/web:1.2.3"));
    stage.all(&group, 1, "healthy").await;
    let answer = Client::connect(stage.open(&listener).await)
        .await
        .send(get("/"))
        .await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["x-version"], "1.2.3");
    let task = stage.running_tasks("web").remove(0);
    let greeting: Value = serde_json::from_str(&body(answer).await).unwrap();
    assert_eq!(greeting["application"], "web");
    assert_eq!(greeting["version"], "1.2.3");
    assert!(
        task["taskArn"]
            .as_str()
            .unwrap()
            .ends_with(greeting["task"].as_str().unwrap()),
        "{greeting} {task}"
    );
    stage.stop().await;
}

#[tokio::test]
async fn the_sample_application_fails_the_share_it_is_told() {
    let settings = behaving("shop/web", |behaviour| behaviour.error_share = 0.25);
    let (stage, group, listener) = started(settings, sample("shop/web:1.0"));
    stage.all(&group, 1, "healthy").await;
    let mut client = Client::connect(stage.open(&listener).await).await;
    let mut failed = 0;
    for _ in 0..100 {
        failed += u32::from(client.get("/").await.0 == 500);
    }
    assert_eq!(failed, 25);
}

#[tokio::test]
async fn an_unhealthy_application_is_replaced_and_ended_in_good_order() {
    let settings = behaving("shop/web:1.0", |behaviour| behaviour.health_status = 500);
    let (stage, _, _) = started(settings, sample("shop/web:1.0"));
    let task = stage.stopped_task("web").await;
    assert!(
        task["stoppedReason"]
            .as_str()
            .unwrap()
            .contains("failed ELB health checks"),
        "{task}"
    );
    assert_eq!(exit_code(&task), 0);
}

#[tokio::test]
async fn a_request_in_flight_outlives_sigterm() {
    let (stage, group, listener) = started(settings(), sample("shop/web:1.0"));
    stage.all(&group, 1, "healthy").await;
    let front = stage.open(&listener).await;
    // The target drains for 0.1 s; the request lasts longer.
    let slow = InFlight::post(front, "/slow?ms=1500").await;
    stage.scale("web", 0);
    assert_eq!(slow.status().await, 200);
    assert_eq!(exit_code(&stage.stopped_task("web").await), 0);
}

#[tokio::test]
async fn a_task_that_does_not_end_in_time_is_killed_and_its_requests_get_502() {
    let settings = Settings {
        stop_timeout_ms: 200,
        ..settings()
    };
    let (stage, group, listener) = started(settings, sample("shop/web:1.0"));
    stage.all(&group, 1, "healthy").await;
    let front = stage.open(&listener).await;
    let slow = InFlight::post(front, "/slow?ms=50000").await;
    stage.scale("web", 0);
    assert_eq!(slow.status().await, 502);
    assert_eq!(exit_code(&stage.stopped_task("web").await), 137);
}

#[tokio::test]
async fn a_crash_is_reported_with_its_exit_code() {
    let settings = behaving("shop/web:1.0", |behaviour| {
        behaviour.exits = Some(Exit {
            after_ms: 100,
            code: 3,
        })
    });
    let (stage, _, _) = started(settings, sample("shop/web:1.0"));
    let task = stage.stopped_task("web").await;
    assert_eq!(task["stopCode"], "EssentialContainerExited");
    assert_eq!(exit_code(&task), 3);
}

#[tokio::test]
async fn a_running_application_can_be_told_to_crash() {
    let (stage, group, _) = started(settings(), sample("shop/web:1.0"));
    stage.all(&group, 1, "healthy").await;
    stage.emulator.with(|world| {
        world.settings.default_behaviour.exits = Some(Exit {
            after_ms: 0,
            code: 139,
        })
    });
    assert_eq!(exit_code(&stage.stopped_task("web").await), 139);
}

#[tokio::test]
async fn an_image_that_cannot_be_pulled_says_so() {
    let settings = behaving("shop/web:0", |behaviour| behaviour.cannot_pull = true);
    let (stage, _, _) = started(settings, sample("shop/web:0"));
    let task = stage.stopped_task("web").await;
    assert_eq!(task["stopCode"], "TaskFailedToStart");
    assert!(
        task["stoppedReason"]
            .as_str()
            .unwrap()
            .starts_with("CannotPullContainerError"),
        "{task}"
    );
}

#[tokio::test]
async fn a_process_gets_its_environment_and_its_exit_code_is_reported() {
    let text = r#"case "$COLOUR $HOST $PORT" in "green 127."*" "[1-9]*) exit 7;; *) exit 8;; esac"#;
    let (stage, _, _) = started(settings(), script(text));
    assert_eq!(exit_code(&stage.stopped_task("web").await), 7);
}

#[tokio::test]
async fn a_process_gets_sigterm() {
    let (stage, _, _) = started(settings(), script("trap 'exit 5' TERM; sleep 1000 & wait"));
    until("a running task", async || stage.is_running("web")).await;
    stage.scale("web", 0);
    // A shell that has not set its trap yet dies of the signal: 128 + 15.
    assert!([5, 143].contains(&exit_code(&stage.stopped_task("web").await)));
}

#[tokio::test]
async fn what_a_process_leaves_behind_ends_with_it() {
    let trace = std::env::temp_dir().join(format!("dataplane-trace-{}", free_port()));
    let path = trace.display();
    let text = format!("(while :; do echo . >> '{path}'; sleep 0.01; done) & sleep 0.2; exit 4");
    let (stage, _, _) = started(settings(), script(&text));
    assert_eq!(exit_code(&stage.stopped_task("web").await), 4);
    stage.scale("web", 0);
    until("every task gone", async || {
        stage.running_tasks("web").is_empty()
    })
    .await;
    until("the trace to end", async || {
        let before = std::fs::read(&trace).unwrap();
        tokio::time::sleep(Duration::from_millis(200)).await;
        std::fs::read(&trace).unwrap() == before
    })
    .await;
    std::fs::remove_file(trace).unwrap();
}

#[tokio::test]
async fn a_process_that_ignores_sigterm_is_killed() {
    let settings = Settings {
        stop_timeout_ms: 200,
        ..settings()
    };
    let (stage, _, _) = started(
        settings,
        script("trap '' TERM; while :; do sleep 0.05; done"),
    );
    until("a running task", async || stage.is_running("web")).await;
    stage.scale("web", 0);
    assert!([137, 143].contains(&exit_code(&stage.stopped_task("web").await)));
}

#[tokio::test]
async fn a_program_that_does_not_exist_is_named() {
    let mut container = sample("shop/web:1.0");
    container["command"] = json!(["process:", "no-such-program"]);
    let (stage, _, _) = started(settings(), container);
    let task = stage.stopped_task("web").await;
    let reason = format!(
        "{} {}",
        task["stoppedReason"], task["containers"][0]["reason"]
    );
    assert!(reason.contains("no-such-program"), "{task}");
}
