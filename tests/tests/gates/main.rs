//! Tests that a release must pass, through the real SDK, under load.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test says so by failing"
)]

mod functions;
mod notifications;
mod stops;
mod webhooks;

use std::time::Duration;

use emulator::api::Service;
use emulator::world::Settings;
use emulator::world::behaviour::{Behaviour, Exit};
use runtime::controller::Settings as Loop;
use serde_json::{Value, json};
use tests::wire::Wire;
use tests::{Operator, Stage};

const LONG: Duration = Duration::from_secs(3_600);

/// The blog at 1.3.0 with users and these gates.
struct Scene {
    stage: Stage,
    wire: Wire,
    operator: Option<Operator>,
}

impl Scene {
    async fn with(gates: Value) -> Self {
        let mut scene = Self::without_operator(gates);
        scene.begin().await;
        scene
    }

    /// Nothing is released yet, and nobody looks.
    fn without_operator(gates: Value) -> Self {
        let stage = Stage::with(Settings::default(), |mut application| {
            application["spec"]["gates"] = gates.clone();
            application["spec"]["deadlines"]["validate"] = "5m".into();
            application
        });
        stage.behave("1.3.0 bin/migrate", ends(1_000, 0));
        let wire = Wire::new(&stage.emulator);
        Self {
            stage,
            wire,
            operator: None,
        }
    }

    /// 1.3.0 is released, and users come.
    async fn begin(&mut self) {
        self.stage.wish("1.3.0");
        self.start();
        self.stage.settled_on("1.3.0").await;
        self.stage.open(20.0);
    }

    fn start(&mut self) {
        let (wire, emulator) = (&self.wire, &self.stage.emulator);
        self.operator = Some(Operator::start_over(wire, emulator, Loop::default(), true));
    }

    async fn restart(&mut self) {
        self.operator.take().expect("one runs").kill().await;
        self.start();
    }

    /// Tasks of the gate `migrate` that are to be so.
    fn migrations(&self, desired: &str) -> Vec<Value> {
        let ask = |operation, body| self.stage.person(Service::Ecs, operation, body);
        let list = json!({"cluster": "prod", "desiredStatus": desired});
        let tasks = ask("ListTasks", list)["taskArns"].take();
        if tasks == json!([]) {
            return Vec::new();
        }
        let mut shown = ask("DescribeTasks", json!({"cluster": "prod", "tasks": tasks}));
        let Value::Array(mut tasks) = shown["tasks"].take() else {
            panic!("no list: {shown}")
        };
        let of_the_gate = |task: &Value| {
            let by = task["startedBy"].as_str();
            by.is_some_and(|by| by.starts_with("teal/blog/migrate/"))
        };
        tasks.retain(of_the_gate);
        tasks
    }

    async fn waits(&self, reason: &str) {
        let there = |stage: &Stage| stage.get("status")["waitingOn"]["reason"] == reason;
        self.stage.until(reason, LONG, there).await;
    }

    fn rejection(&self) -> String {
        let reason = &self.stage.get("status")["rejected"]["reason"];
        reason.as_str().expect("rejected").to_owned()
    }

    fn nobody_lost_a_request(&self) {
        let users = self.stage.users();
        assert!(users.requests > 100, "users were there: {users:?}");
        assert_eq!(users.failed, 0, "{users:?}");
    }

    /// Users never saw this version.
    fn nobody_saw(&self, version: &str) {
        let users = self.stage.users();
        let image = users.images.keys().find(|image| image.ends_with(version));
        assert_eq!(image, None, "{users:?}");
    }

    fn runs_of_tasks(&self) -> usize {
        let writes = self.wire.writes();
        writes.iter().filter(|(_, what)| what == "RunTask").count()
    }
}

fn smoke(expect: Value) -> Value {
    json!({"smoke": {
        "http": {"url": "http://blog.example:9080/health", "expect": expect},
        "attempts": 3, "every": "5s",
    }})
}

fn migration() -> Value {
    json!({"migrate": {
        "ecsTask": {"container": "web", "command": ["bin/migrate"]},
        "before": "ScaleUp",
    }})
}

fn ends(after_ms: u64, code: i32) -> Behaviour {
    Behaviour {
        exits: Some(Exit { after_ms, code }),
        ..Behaviour::default()
    }
}

#[tokio::test(start_paused = true)]
async fn traffic_moves_when_the_test_route_has_answered_well() {
    let scene = Scene::with(smoke(json!({"status": 200, "body": "hello"}))).await;
    scene.stage.wish("1.4.0");
    scene.stage.settled_on("1.4.0").await;
    assert_eq!(scene.wire.visits(), ["GET http://blog.example:9080/health"]);
    scene.nobody_lost_a_request();
}

#[tokio::test(start_paused = true)]
async fn a_release_whose_test_route_answers_badly_is_never_seen_by_users() {
    let scene = Scene::with(smoke(json!({"status": 204}))).await;
    scene.stage.wish("1.4.0");
    scene.stage.rejected_back_to("1.3.0").await;
    let reason =
        "gate smoke failed: GET http://blog.example:9080/health answered 200, and 204 is right";
    assert_eq!(scene.rejection(), reason);
    assert_eq!(scene.wire.visits().len(), 3, "as often as the spec says");
    scene.nobody_saw("1.4.0");
    scene.nobody_lost_a_request();
}

#[tokio::test(start_paused = true)]
async fn a_test_that_reaches_nobody_holds_until_the_deadline_and_quotes_the_cause() {
    let gates = json!({"smoke": {"http": {"url": "http://nowhere.example/"}, "attempts": 1}});
    let scene = Scene::with(gates).await;
    scene.stage.wish("1.4.0");
    let so_far = "gate smoke to pass: GET http://nowhere.example/ got no answer";
    let tells = |stage: &Stage| {
        let message = stage.get("status")["waitingOn"]["message"].clone();
        message
            .as_str()
            .is_some_and(|message| message.starts_with(so_far))
    };
    scene.stage.until("the cause is told", LONG, tells).await;
    scene.stage.rejected_back_to("1.3.0").await;
    let late = "Validate did not end before its deadline: gate smoke: GET http://nowhere.example/";
    assert!(scene.rejection().starts_with(late), "{}", scene.rejection());
    scene.nobody_saw("1.4.0");
    scene.nobody_lost_a_request();
}

#[tokio::test(start_paused = true)]
async fn a_migration_runs_once_as_the_release_before_green_is_there() {
    let mut scene = Scene::with(migration()).await;
    scene.stage.behave("1.4.0 bin/migrate", ends(60_000, 0));
    scene.stage.wish("1.4.0");
    scene.waits("Gate").await;
    assert_eq!(scene.stage.live().len(), 1, "green waits");
    let so_far = |stage: &Stage| {
        let message = stage.get("status")["waitingOn"]["message"].to_string();
        message.contains("is RUNNING")
    };
    scene.stage.until("it runs", LONG, so_far).await;
    // Whoever goes on with it finds the same task.
    scene.restart().await;
    scene.stage.settled_on("1.4.0").await;
    // For 1.3.0, for 1.4.0, and by the second process, which waits before it may write what it saw.
    assert_eq!(scene.runs_of_tasks(), 3);
    let ended = scene.migrations("STOPPED");
    assert_eq!(ended.len(), 2, "{ended:?}");
    scene.nobody_lost_a_request();
}

#[tokio::test(start_paused = true)]
async fn a_migration_that_fails_ends_the_release_before_anything_of_it_serves() {
    let scene = Scene::with(migration()).await;
    scene.stage.behave("1.4.0 bin/migrate", ends(5_000, 3));
    scene.stage.wish("1.4.0");
    scene.stage.rejected_back_to("1.3.0").await;
    let reason = scene.rejection();
    assert!(
        reason.starts_with("gate migrate failed: container web of task "),
        "{reason}"
    );
    assert!(reason.ends_with(" ended with exit code 3"), "{reason}");
    assert_eq!(scene.runs_of_tasks(), 2, "one for each release");
    scene.nobody_saw("1.4.0");
    scene.nobody_lost_a_request();
}

#[tokio::test(start_paused = true)]
async fn a_test_whose_image_cannot_be_pulled_is_not_failed_and_not_passed() {
    let cannot_pull = Behaviour {
        cannot_pull: true,
        ..Behaviour::default()
    };
    let scene = Scene::with(migration()).await;
    scene.stage.behave("1.4.0", cannot_pull);
    scene.stage.wish("1.4.0");
    scene.stage.rejected_back_to("1.3.0").await;
    let reason = scene.rejection();
    assert!(
        reason.starts_with("ScaleUp did not end before its deadline: gate migrate: task "),
        "{reason}"
    );
    assert!(reason.contains("CannotPullContainerError"), "{reason}");
    scene.nobody_lost_a_request();
}

#[tokio::test(start_paused = true)]
async fn a_person_approves_at_a_step_and_abort_ends_the_wait() {
    let gates = json!({"sign-off": {"approval": {}, "before": "CleanUp"}});
    let scene = Scene::with(gates).await;
    scene.stage.wish("1.4.0");
    scene.waits("Approval").await;
    let status = scene.stage.get("status");
    assert_eq!(status["waitingOn"]["gate"], "sign-off");
    assert_eq!(scene.stage.live().len(), 2, "blue stands by");
    let approve = json!({"rollout": status["rollout"], "gate": "sign-off"});
    scene.stage.put("intents/approve", &approve.to_string());
    scene.stage.settled_on("1.4.0").await;
    scene.stage.wish("1.5.0");
    scene.waits("Approval").await;
    let abort = json!({"rollout": scene.stage.get("status")["rollout"]});
    scene.stage.put("intents/abort", &abort.to_string());
    scene.stage.rejected_back_to("1.4.0").await;
    scene.nobody_lost_a_request();
}

#[tokio::test(start_paused = true)]
async fn green_that_dies_while_it_is_tested_has_not_passed() {
    // What a cancelled analysis did elsewhere: it counted as passed.
    let gates = json!({"smoke": {"http": {"url": "http://nowhere.example/"}}});
    let scene = Scene::with(gates).await;
    scene.stage.wish("1.4.0");
    scene.waits("Gate").await;
    let dying = Behaviour {
        health_status: 503,
        ..Behaviour::default()
    };
    scene.stage.behave("1.4.0", dying);
    scene.stage.rejected_back_to("1.3.0").await;
    scene.nobody_saw("1.4.0");
    scene.nobody_lost_a_request();
}
