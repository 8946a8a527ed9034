//! One service behind a load balancer that ECS updates in place, through the real SDK, under load: ECS replaces its tasks,
//! nobody's weight moves, and no request is lost on the way there or back.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test says so by failing"
)]

use std::time::Duration;

use emulator::api::Service;
use emulator::world::behaviour::Behaviour;
use serde_json::{Value, json};
use tests::{Operator, Stage};

const LONG: Duration = Duration::from_secs(3_600);

/// The blog, updated in place at 1.3.0 on its first group, and its users.
async fn blog(change: impl Fn(&mut Value)) -> (Stage, Operator) {
    let mut stage = Stage::new();
    let mut application = stage.spec();
    let spec = &mut application["spec"];
    spec["strategy"] = json!({"rolling": {}});
    spec["traffic"]["routes"][0]["targetGroups"] = json!({"single": stage.groups[0]});
    change(spec);
    stage.put("spec", &application.to_string());
    for listener in &stage.listeners {
        let only = json!([{"Type": "forward", "TargetGroupArn": stage.groups[0]}]);
        let input = json!({"ListenerArn": listener, "DefaultActions": only});
        stage.person(Service::Elbv2, "ModifyListener", input);
    }
    stage.wish("1.3.0");
    let operator = stage.operator();
    stage.settled_on("1.3.0").await;
    stage.open(20.0);
    (stage, operator)
}

fn nobody_lost_a_request(stage: &Stage) {
    let users = stage.users();
    assert!(users.requests > 100, "users were there: {users:?}");
    assert_eq!(users.failed, 0, "{users:?}");
}

fn name(stage: &Stage) -> String {
    let services = stage.services();
    assert_eq!(services.len(), 1, "{}", stage.picture());
    services[0]["serviceName"].as_str().unwrap().to_owned()
}

fn reason(stage: &Stage) -> String {
    let status = stage.get("status");
    status["rejected"]["reason"].as_str().unwrap().to_owned()
}

/// ECS replaces tasks, and the operator has seen it.
async fn deploys(stage: &Stage) {
    let deploys = |stage: &Stage| {
        let services = stage.services();
        services[0]["deployments"].as_array().unwrap().len() > 1
            && !stage.get("record")["rollout"]["deployment"].is_null()
    };
    stage
        .until("a deployment is on its way", LONG, deploys)
        .await;
}

fn calls(stage: &Stage, operation: &str) -> u64 {
    let faults = stage.emulator.faults();
    faults.calls(Service::Ecs, operation) + faults.calls(Service::Elbv2, operation)
}

#[tokio::test(start_paused = true)]
async fn a_release_is_one_update_and_no_request_is_lost_also_when_the_operator_is_killed() {
    let (stage, operator) = blog(|_| ()).await;
    let service = name(&stage);
    let before = (
        calls(&stage, "UpdateService"),
        calls(&stage, "ModifyListener"),
    );
    stage.wish("1.4.0");
    deploys(&stage).await;
    operator.kill().await;
    let _operator = stage.operator();
    stage.settled_on("1.4.0").await;
    nobody_lost_a_request(&stage);
    assert_eq!(name(&stage), service);
    let after = (
        calls(&stage, "UpdateService"),
        calls(&stage, "ModifyListener"),
    );
    assert_eq!(after, (before.0 + 1, before.1), "one update, no weight");
}

#[tokio::test(start_paused = true)]
async fn what_its_health_check_fails_is_rejected_with_the_answer_and_goes_back() {
    let (stage, _operator) = blog(|_| ()).await;
    let ill = Behaviour {
        health_status: 500,
        ..Behaviour::default()
    };
    stage.behave("1.4.0", ill);
    stage.wish("1.4.0");
    stage.rejected_back_to("1.3.0").await;
    nobody_lost_a_request(&stage);
    let reason = reason(&stage);
    assert!(reason.contains("500"), "{reason}");
    // The next one is not held up by it.
    stage.wish("1.5.0");
    stage.settled_on("1.5.0").await;
    nobody_lost_a_request(&stage);
}

#[tokio::test(start_paused = true)]
async fn when_ecs_goes_back_by_itself_that_is_a_rejection() {
    let (stage, _operator) = blog(|spec| {
        spec["template"]["service"]["deploymentConfiguration"] =
            json!({"deploymentCircuitBreaker": {"enable": true, "rollback": true}});
    })
    .await;
    let before = calls(&stage, "UpdateService");
    let missing = Behaviour {
        cannot_pull: true,
        ..Behaviour::default()
    };
    stage.behave("1.4.0", missing);
    stage.wish("1.4.0");
    stage.rejected_back_to("1.3.0").await;
    nobody_lost_a_request(&stage);
    assert_eq!(calls(&stage, "UpdateService"), before + 1);
    let reason = reason(&stage);
    assert!(reason.contains("went back"), "{reason}");
}

#[tokio::test(start_paused = true)]
async fn a_metric_of_the_group_takes_a_release_back_while_it_bakes() {
    let (stage, _operator) = blog(|spec| {
        spec["analysis"] = json!({"errors": {"successRate": {"atLeast": 99}, "interval": "1m", "initialDelay": "1m"}});
        spec["bakeTime"] = json!("30m");
    })
    .await;
    let failing = Behaviour {
        error_share: 0.2,
        ..Behaviour::default()
    };
    stage.behave("1.4.0", failing);
    stage.wish("1.4.0");
    stage.rejected_back_to("1.3.0").await;
    let reason = reason(&stage);
    assert!(reason.contains("analysis errors"), "{reason}");
    let users = stage.users();
    assert!(
        users.failed > 0 && users.failed * 5 < users.requests,
        "{users:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn an_abort_goes_back_while_tasks_are_replaced() {
    let (stage, _operator) = blog(|_| ()).await;
    stage.wish("1.4.0");
    deploys(&stage).await;
    let rollout = stage.get("status")["rollout"].clone();
    stage.put("intents/abort", &json!({"rollout": rollout}).to_string());
    stage.rejected_back_to("1.3.0").await;
    nobody_lost_a_request(&stage);
}

#[tokio::test(start_paused = true)]
async fn what_is_released_in_two_services_is_updated_in_place_from_the_next_release_on_and_back() {
    let mut stage = Stage::new();
    stage.wish("1.3.0");
    let _operator = stage.operator();
    stage.settled_on("1.3.0").await;
    stage.open(20.0);
    let with = |strategy: Value| {
        let mut application = stage.spec();
        application["spec"]["strategy"] = strategy;
        application.to_string()
    };
    let first = name(&stage);
    stage.put("spec", &with(json!({"rolling": {}})));
    stage.wish("1.4.0");
    stage.settled_on("1.4.0").await;
    assert_eq!(name(&stage), first, "one service for life");
    stage.put("spec", &with(json!({"blueGreen": {}})));
    stage.wish("1.5.0");
    stage.settled_on("1.5.0").await;
    assert_ne!(name(&stage), first);
    assert_eq!(stage.live(), [("1.5.0".to_owned(), 1)]);
    nobody_lost_a_request(&stage);
}
