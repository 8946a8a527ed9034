//! One service that ECS updates in place, through the real SDK: ECS's rolling update, judged by its end and not by the
//! service's rest.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test says so by failing"
)]

use std::time::Duration;

use emulator::api::Service;
use emulator::world::Settings;
use emulator::world::behaviour::{Behaviour, Exit};
use serde_json::{Value, json};
use tests::{Operator, Stage};

const LONG: Duration = Duration::from_secs(3_600);

/// One service at 1.3.0.
struct Scene {
    stage: Stage,
    operator: Option<Operator>,
    name: String,
}

impl Scene {
    async fn with(change: impl Fn(&mut Value)) -> Self {
        let stage = Stage::with(Settings::default(), |mut application| {
            let spec = application["spec"].as_object_mut().unwrap();
            spec.remove("traffic");
            spec.insert("worker".to_owned(), json!({"overlap": true}));
            spec.insert("strategy".to_owned(), json!({"rolling": {}}));
            change(&mut application["spec"]);
            application
        });
        stage.wish("1.3.0");
        let operator = Some(stage.operator());
        let scene = Self {
            stage,
            operator,
            name: String::new(),
        };
        scene.rests("Settled", "1.3.0").await;
        let name = text(&scene.service()["serviceName"]);
        Self { name, ..scene }
    }

    async fn new() -> Self {
        Self::with(|_| ()).await
    }

    /// The only service there ever is.
    fn service(&self) -> Value {
        let services = self.stage.services();
        assert_eq!(services.len(), 1, "{}", self.stage.picture());
        services[0].clone()
    }

    /// Tasks in one of these states, and their images.
    fn tasks(&self, states: &[&str]) -> Vec<(String, String)> {
        let input = json!({"cluster": "prod", "serviceName": self.name});
        let arns = self.stage.person(Service::Ecs, "ListTasks", input)["taskArns"].clone();
        let stopping =
            json!({"cluster": "prod", "serviceName": self.name, "desiredStatus": "STOPPED"});
        let stopping = self.stage.person(Service::Ecs, "ListTasks", stopping)["taskArns"].clone();
        let lists = [arns, stopping].into_iter();
        let all: Vec<Value> = lists
            .flat_map(|list| list.as_array().cloned().unwrap_or_default())
            .collect();
        if all.is_empty() {
            return Vec::new();
        }
        let input = json!({"cluster": "prod", "tasks": all});
        let read = self.stage.person(Service::Ecs, "DescribeTasks", input);
        let tasks = read["tasks"].as_array().cloned().unwrap_or_default();
        tasks
            .iter()
            .filter(|task| states.contains(&task["lastStatus"].as_str().unwrap()))
            .map(|task| {
                (
                    text(&task["taskArn"]),
                    text(&task["containers"][0]["image"]),
                )
            })
            .collect()
    }

    fn running(&self) -> Vec<(String, String)> {
        self.tasks(&["RUNNING"])
    }

    /// Waits until `there`, and sees at every second that two tasks work.
    async fn works_until(&self, what: &str, there: impl Fn(&Stage) -> bool) {
        let works = |stage: &Stage| {
            self.service();
            let running = self.running().len();
            assert!(running >= 2, "{running} work: {}", stage.picture());
            there(stage)
        };
        self.stage.until(what, LONG, works).await;
    }

    /// The status says so, ECS has nothing on its way, and nothing more is wanted.
    async fn rests(&self, phase: &str, version: &str) {
        let rests = |stage: &Stage| {
            let status = stage.get("status");
            let services = stage.services();
            status["phase"] == phase
                && status["serving"]["version"] == version
                && services.len() == 1
                && services[0]["deployments"].as_array().unwrap().len() == 1
                && services[0]["deployments"][0]["rolloutState"] == "COMPLETED"
        };
        let what = format!("{version} works, phase {phase}");
        self.stage.until(&what, LONG, rests).await;
        let before = self.stage.writes();
        tokio::time::sleep(Duration::from_secs(180)).await;
        assert_eq!(
            self.stage.writes(),
            before,
            "and then nothing more is wanted"
        );
        if !self.name.is_empty() {
            assert_eq!(text(&self.service()["serviceName"]), self.name);
            let other = self.running();
            let mut other = other.iter().filter(|(_, image)| !image.ends_with(version));
            assert_eq!(other.next(), None, "only {version} works");
        }
    }

    fn updates(&self) -> u64 {
        let faults = self.stage.emulator.faults();
        faults.calls(Service::Ecs, "UpdateService")
    }

    async fn deploys(&self) {
        let deploys = |stage: &Stage| {
            let services = stage.services();
            services[0]["deployments"].as_array().unwrap().len() > 1
                && !stage.get("record")["rollout"]["deployment"].is_null()
        };
        self.works_until("a deployment is on its way", deploys)
            .await;
    }

    fn reason(&self) -> String {
        text(&self.stage.get("status")["rejected"]["reason"])
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn ended(version: &'static str, outcome: &'static str) -> impl Fn(&Stage) -> bool {
    move |stage| {
        let history = &stage.get("status")["history"];
        let mut ended = history.as_array().into_iter().flatten();
        ended.any(|ended| ended["version"] == version && ended["outcome"] == outcome)
    }
}

fn dies(after_ms: u64) -> Behaviour {
    Behaviour {
        exits: Some(Exit { after_ms, code: 3 }),
        ..Behaviour::default()
    }
}

fn missing() -> Behaviour {
    Behaviour {
        cannot_pull: true,
        ..Behaviour::default()
    }
}

#[tokio::test(start_paused = true)]
async fn a_release_is_one_update_also_when_the_operator_is_killed() {
    let mut scene = Scene::new().await;
    let before = scene.updates();
    scene.stage.wish("1.4.0");
    scene.deploys().await;
    scene.operator.take().unwrap().kill().await;
    scene.operator = Some(scene.stage.operator());
    scene
        .works_until("it ends", ended("1.4.0", "Succeeded"))
        .await;
    scene.rests("Settled", "1.4.0").await;
    assert_eq!(scene.updates(), before + 1);
    let definition = text(&scene.service()["taskDefinition"]);
    let input = json!({"taskDefinition": definition, "include": ["TAGS"]});
    let read = scene
        .stage
        .person(Service::Ecs, "DescribeTaskDefinition", input);
    let tags = read["tags"].as_array().unwrap();
    let says = |key: &str| tags.iter().find(|tag| tag["key"] == key);
    assert_eq!(says("teal:version").unwrap()["value"], "1.4.0");
    assert!(says("teal:generation").is_some() && says("teal:blue").is_some());
}

#[tokio::test(start_paused = true)]
async fn a_release_whose_tasks_die_is_rejected_at_the_deadline_and_goes_back() {
    let scene = Scene::new().await;
    // Each of its tasks runs for a while: the circuit breaker counts none of them.
    scene.stage.behave("1.4.0", dies(20_000));
    scene.stage.wish("1.4.0");
    scene
        .works_until("it ends", ended("1.4.0", "RolledBack"))
        .await;
    scene.rests("Failed", "1.3.0").await;
    let reason = scene.reason();
    assert!(reason.contains("ScaleUp did not end before"), "{reason}");
    assert!(reason.contains("exited with code 3"), "{reason}");
    // The next one is not held up by it.
    scene.stage.wish("1.5.0");
    scene
        .works_until("it ends", ended("1.5.0", "Succeeded"))
        .await;
    scene.rests("Settled", "1.5.0").await;
}

#[tokio::test(start_paused = true)]
async fn when_the_circuit_breaker_fires_the_operator_goes_back() {
    let scene = Scene::new().await;
    let before = scene.updates();
    scene.stage.behave("1.4.0", missing());
    scene.stage.wish("1.4.0");
    scene
        .works_until("it ends", ended("1.4.0", "RolledBack"))
        .await;
    scene.rests("Failed", "1.3.0").await;
    assert_eq!(scene.updates(), before + 2, "there and back");
    let reason = scene.reason();
    assert!(reason.contains("circuit breaker gave up"), "{reason}");
    let cause = "CannotPullContainerError";
    assert!(reason.contains(cause), "{reason}");
}

#[tokio::test(start_paused = true)]
async fn when_ecs_goes_back_by_itself_that_is_no_success() {
    for operator_is_away in [false, true] {
        let mut scene = Scene::with(|spec| {
            spec["template"]["service"]["deploymentConfiguration"] =
                json!({"deploymentCircuitBreaker": {"enable": true, "rollback": true}});
        })
        .await;
        let before = scene.updates();
        scene.stage.behave("1.4.0", missing());
        scene.stage.wish("1.4.0");
        scene.deploys().await;
        if operator_is_away {
            scene.operator.take().unwrap().kill().await;
            tokio::time::sleep(LONG).await;
            scene.operator = Some(scene.stage.operator());
        }
        scene
            .works_until("it ends", ended("1.4.0", "RolledBack"))
            .await;
        scene.rests("Failed", "1.3.0").await;
        assert_eq!(
            scene.updates(),
            before + 1,
            "ECS went back, and nobody else"
        );
        let reason = scene.reason();
        let told = "ECS, which may roll back by itself here, went back";
        assert!(reason.contains(told), "{reason}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_newer_release_takes_the_place_of_one_that_is_on_its_way() {
    let scene = Scene::new().await;
    scene.stage.wish("1.4.0");
    scene.deploys().await;
    scene.stage.wish("1.5.0");
    scene
        .works_until("it ends", ended("1.5.0", "Succeeded"))
        .await;
    scene.rests("Settled", "1.5.0").await;
    assert!(ended("1.4.0", "Superseded")(&scene.stage));
}

#[tokio::test(start_paused = true)]
async fn an_abort_goes_back_while_tasks_are_replaced() {
    let scene = Scene::new().await;
    scene.stage.wish("1.4.0");
    scene.deploys().await;
    let rollout = scene.stage.get("status")["rollout"].clone();
    let intent = json!({"rollout": rollout});
    scene.stage.put("intents/abort", &intent.to_string());
    scene
        .works_until("it ends", ended("1.4.0", "Aborted"))
        .await;
    scene.rests("Failed", "1.3.0").await;
}

#[tokio::test(start_paused = true)]
async fn what_somebody_updates_by_hand_is_put_back() {
    let scene = Scene::new().await;
    let update = json!({"cluster": "prod", "service": scene.name, "taskDefinition": "blog"});
    scene
        .stage
        .person(Service::Ecs, "UpdateService", update.clone());
    let before = scene.updates();
    let seen = |_: &Stage| scene.updates() > before;
    scene.works_until("it is put back", seen).await;
    scene.rests("Settled", "1.3.0").await;
    // In the middle of a release too.
    scene.stage.wish("1.4.0");
    scene.deploys().await;
    scene.stage.person(Service::Ecs, "UpdateService", update);
    scene
        .works_until("it ends", ended("1.4.0", "Succeeded"))
        .await;
    scene.rests("Settled", "1.4.0").await;
}

#[tokio::test(start_paused = true)]
async fn where_versions_must_not_overlap_the_old_task_is_gone_before_the_new_one_runs() {
    let scene = Scene::with(|spec| {
        spec["worker"] = json!({"overlap": false});
        spec["template"]["service"]["desiredCount"] = json!(1);
    })
    .await;
    scene.stage.wish("1.4.0");
    let alive = ["RUNNING", "DEACTIVATING", "STOPPING"];
    let alone = |stage: &Stage| {
        let all = scene.tasks(&alive);
        assert!(all.len() <= 1, "{all:?}");
        ended("1.4.0", "Succeeded")(stage)
    };
    scene.stage.until("it ends", LONG, alone).await;
    scene.rests("Settled", "1.4.0").await;
}
