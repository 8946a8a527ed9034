//! A service without a load balancer, through the real SDK: somebody always works, and nothing is asked of a load
//! balancer.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test says so by failing"
)]

use std::collections::BTreeSet;
use std::time::Duration;

use emulator::api::Service;
use emulator::world::Settings;
use emulator::world::behaviour::{Behaviour, Exit};
use serde_json::{Value, json};
use tests::{Operator, Stage};

const LONG: Duration = Duration::from_secs(3_600);

/// A worker at 1.3.0 with two tasks.
struct Scene {
    stage: Stage,
    operator: Option<Operator>,
}

impl Scene {
    async fn with(change: impl Fn(&mut Value)) -> Self {
        let stage = Stage::with(Settings::default(), |mut application| {
            let spec = application["spec"].as_object_mut().unwrap();
            spec.remove("traffic");
            spec.insert("worker".to_owned(), json!({"overlap": true}));
            change(&mut application["spec"]);
            application
        });
        stage.wish("1.3.0");
        let operator = Some(stage.operator());
        stage.settled_on("1.3.0").await;
        Self { stage, operator }
    }

    async fn new() -> Self {
        Self::with(|_| ()).await
    }

    /// RUNNING tasks of a version.
    fn tasks(&self, version: &str) -> BTreeSet<String> {
        let list = |service: &Value| {
            let input = json!({"cluster": "prod", "serviceName": service["serviceName"]});
            let arns = self.stage.person(Service::Ecs, "ListTasks", input);
            let input = json!({"cluster": "prod", "tasks": arns["taskArns"]});
            match arns["taskArns"].as_array().map(Vec::len) {
                None | Some(0) => Vec::new(),
                Some(_) => {
                    let read = self.stage.person(Service::Ecs, "DescribeTasks", input);
                    read["tasks"].as_array().cloned().unwrap_or_default()
                }
            }
        };
        let services = self.stage.services();
        let of_it = services.iter().filter(|service| {
            let tags = service["tags"].as_array().into_iter().flatten();
            tags.into_iter()
                .any(|tag| tag["key"] == "teal:version" && tag["value"] == version)
        });
        of_it
            .flat_map(list)
            .filter(|task| task["lastStatus"] == "RUNNING")
            .map(|task| task["taskArn"].as_str().unwrap().to_owned())
            .collect()
    }

    /// Waits until `there`, and sees at every second that two tasks work, of one version or the other.
    async fn works_until(&self, what: &str, there: impl Fn(&Stage) -> bool) {
        let works = |stage: &Stage| {
            let working = self.tasks("1.3.0").len().max(self.tasks("1.4.0").len());
            assert!(working >= 2, "{working} work: {}", stage.picture());
            there(stage)
        };
        self.stage.until(what, LONG, works).await;
    }

    async fn bakes(&self) {
        let bakes = |stage: &Stage| stage.get("status")["stage"] == "Bake";
        self.works_until("it bakes", bakes).await;
    }

    fn asked_of_load_balancers(&self) -> u64 {
        let operations = [
            "DescribeRules",
            "DescribeListeners",
            "DescribeTargetHealth",
            "ModifyListener",
            "ModifyRule",
        ];
        let calls = |operation| {
            self.stage
                .emulator
                .faults()
                .calls(Service::Elbv2, operation)
        };
        operations.into_iter().map(calls).sum()
    }
}

fn ended(stage: &Stage, outcome: &str) -> bool {
    let history = &stage.get("status")["history"];
    let ended = history.as_array().into_iter().flatten();
    let mut of_it = ended.filter(|ended| ended["version"] == "1.4.0");
    of_it.any(|ended| ended["outcome"] == outcome)
}

#[tokio::test(start_paused = true)]
async fn green_works_beside_blue_and_then_alone() {
    let mut scene = Scene::new().await;
    let before = scene.asked_of_load_balancers();
    scene.stage.wish("1.4.0");
    scene.bakes().await;
    assert_eq!(scene.tasks("1.3.0").len(), 2, "both work");
    assert_eq!(scene.tasks("1.4.0").len(), 2, "both work");
    let green = scene.tasks("1.4.0");
    // What it has come to is in AWS and in the record.
    scene.operator.take().unwrap().kill().await;
    scene.operator = Some(scene.stage.operator());
    scene
        .works_until("it ends", |stage| ended(stage, "Succeeded"))
        .await;
    scene.stage.settled_on("1.4.0").await;
    assert_eq!(scene.tasks("1.4.0"), green, "no task was stopped");
    // The picture of a message asks, and nobody else.
    assert_eq!(scene.asked_of_load_balancers(), before);
    let services = scene.stage.services();
    assert_eq!(services[0]["loadBalancers"], json!([]));
}

#[tokio::test(start_paused = true)]
async fn a_release_whose_tasks_die_is_rejected_and_blue_works_on() {
    let scene = Scene::new().await;
    let blue = scene.tasks("1.3.0");
    let dies = Behaviour {
        exits: Some(Exit {
            after_ms: 20_000,
            code: 3,
        }),
        ..Behaviour::default()
    };
    scene.stage.behave("1.4.0", dies);
    scene.stage.wish("1.4.0");
    scene
        .works_until("it ends", |stage| ended(stage, "RolledBack"))
        .await;
    scene.stage.rejected_back_to("1.3.0").await;
    let reason = scene.stage.get("status")["rejected"]["reason"].clone();
    let reason = reason.as_str().unwrap();
    assert!(reason.contains("exited with code 3"), "{reason}");
    assert_eq!(scene.tasks("1.3.0"), blue, "no task of blue was stopped");
}

#[tokio::test(start_paused = true)]
async fn an_abort_while_both_work_takes_green_away() {
    let scene = Scene::new().await;
    let blue = scene.tasks("1.3.0");
    scene.stage.wish("1.4.0");
    scene.bakes().await;
    let rollout = scene.stage.get("status")["rollout"].clone();
    let intent = json!({"rollout": rollout});
    scene.stage.put("intents/abort", &intent.to_string());
    scene
        .works_until("it ends", |stage| ended(stage, "Aborted"))
        .await;
    scene.stage.rejected_back_to("1.3.0").await;
    assert_eq!(scene.tasks("1.3.0"), blue, "no task of blue was stopped");
}

#[tokio::test(start_paused = true)]
async fn a_task_that_fails_before_blue_goes_takes_green_away() {
    let scene = Scene::with(|spec| {
        spec["gates"] = json!({"check": {
            "ecsTask": {"container": "web", "command": ["bin/check"]},
            "before": "CleanUp",
        }});
    });
    let scene = scene.await;
    let blue = scene.tasks("1.3.0");
    let fails = Behaviour {
        exits: Some(Exit {
            after_ms: 1_000,
            code: 1,
        }),
        ..Behaviour::default()
    };
    scene.stage.behave("1.4.0 bin/check", fails);
    scene.stage.wish("1.4.0");
    scene
        .works_until("it ends", |stage| ended(stage, "RolledBack"))
        .await;
    scene.stage.rejected_back_to("1.3.0").await;
    assert_eq!(scene.tasks("1.3.0"), blue, "no task of blue was stopped");
}

/// Registers the base with a check of its container, as infrastructure code does.
fn with_a_check(stage: &Stage) {
    let input = json!({"taskDefinition": "blog"});
    let read = stage.person(Service::Ecs, "DescribeTaskDefinition", input);
    let mut base = read["taskDefinition"].clone();
    base["containerDefinitions"][0]["healthCheck"] =
        json!({"command": ["CMD", "bin/alive"], "interval": 10, "retries": 2, "startPeriod": 60});
    let kept = [
        "family",
        "networkMode",
        "requiresCompatibilities",
        "cpu",
        "memory",
        "containerDefinitions",
    ];
    let members = base.as_object_mut().unwrap();
    members.retain(|member, _| kept.contains(&member.as_str()));
    stage.person(Service::Ecs, "RegisterTaskDefinition", base);
}

#[tokio::test(start_paused = true)]
async fn where_containers_are_checked_only_healthy_tasks_count() {
    let scene = Scene::new().await;
    with_a_check(&scene.stage);
    scene.stage.wish("1.4.0");
    scene
        .works_until("it ends", |stage| ended(stage, "Succeeded"))
        .await;
    scene.stage.settled_on("1.4.0").await;
    let ill = Behaviour {
        health_status: 500,
        ..Behaviour::default()
    };
    scene.stage.behave("1.5.0", ill);
    scene.stage.wish("1.5.0");
    scene.stage.rejected_back_to("1.4.0").await;
    let reason = scene.stage.get("status")["rejected"]["reason"].clone();
    let reason = reason.as_str().unwrap();
    assert!(
        reason.contains("failed container health checks"),
        "{reason}"
    );
    assert_eq!(scene.tasks("1.4.0").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_service_behind_a_load_balancer_does_not_become_a_worker_while_it_lives() {
    let mut stage = Stage::new();
    stage.wish("1.3.0");
    let _operator = stage.operator();
    stage.settled_on("1.3.0").await;
    stage.open(5.0);
    let (before, writes) = (stage.spec(), stage.writes());
    let mut after = before.clone();
    let spec = after["spec"].as_object_mut().unwrap();
    spec.remove("traffic");
    spec.insert("worker".to_owned(), json!({"overlap": true}));
    stage.put("spec", &after.to_string());
    stage.wish("1.4.0");
    let held = |stage: &Stage| stage.get("status")["waitingOn"]["reason"] == "ServiceElsewhere";
    stage.until("it is held", LONG, held).await;
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(stage.writes(), writes, "nothing is changed");
    stage.put("spec", &before.to_string());
    stage.settled_on("1.4.0").await;
    let users = stage.users();
    assert!(users.requests > 100 && users.failed == 0, "{users:?}");
}
