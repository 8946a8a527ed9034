//! The service scheduler: rolling deployments, replacement, back-off, circuit breaker.

use super::*;
use crate::world::behaviour::Exit;

#[test]
fn a_rolling_update_never_has_too_few_tasks() {
    let mut stage = Stage::new();
    let blue = stage.blue.clone();
    let old = stage.register("web:1");
    stage.create("web", &blue, &old, 4).unwrap();
    stage.until_steady("web");
    let users = stage.users(20.0);
    let new = stage.register("web:2");
    let update = json!({
        "cluster": "shop", "service": "web", "taskDefinition": "web",
        "deploymentConfiguration": { "maximumPercent": 150, "minimumHealthyPercent": 75 },
    });
    let answer = stage.ecs("UpdateService", update).unwrap();
    assert_eq!(answer["service"]["taskDefinition"], json!(new));
    assert_eq!(
        answer["service"]["deployments"].as_array().unwrap().len(),
        2
    );
    let (mut most, mut least) = (0, usize::MAX);
    stage.until(|stage| {
        let healthy = stage
            .states(&stage.blue.clone())
            .iter()
            .filter(|state| *state == "healthy")
            .count();
        let running = stage.tasks("web", "RUNNING").len();
        most = most.max(running);
        least = least.min(healthy);
        let service = stage.describe("web");
        service["deployments"].as_array().unwrap().len() == 1
            && service["deployments"][0]["rolloutState"] == "COMPLETED"
    });
    assert_eq!((most, least), (6, 3));
    let report = traffic::report(&stage.world, users).unwrap();
    assert_eq!(report.failed, 0, "{:?}", report.reasons);
    let messages = stage.messages("web");
    assert_eq!(messages[0], "(service web) has reached a steady state.");
    assert!(
        messages[1].ends_with("deployment completed."),
        "{}",
        messages[1]
    );
    assert!(
        messages
            .iter()
            .any(|message| message.contains("has begun draining connections on 1 tasks."))
    );
    assert!(
        messages
            .iter()
            .any(|message| message.contains("registered 1 targets in (target-group"))
    );
}

#[test]
fn an_unhealthy_task_is_replaced_after_its_grace_period() {
    let mut stage = Stage::new();
    stage.behave(
        "sick",
        Behaviour {
            health_status: 502,
            ..Behaviour::default()
        },
    );
    let green = stage.green.clone();
    let definition = stage.register("sick:1");
    let mut request = service("web", &green, &definition, 1);
    request["healthCheckGracePeriodSeconds"] = json!(60);
    stage.ecs("CreateService", request).unwrap();
    stage.until(|stage| stage.describe("web")["runningCount"] == 1);
    let replaced = stage.until(|stage| !stage.tasks("web", "STOPPED").is_empty());
    assert!((60..63).contains(&replaced), "{replaced} s");
    let task = &stage.tasks("web", "STOPPED")[0];
    assert_eq!(task["stopCode"], "ServiceSchedulerInitiated");
    assert_eq!(
        task["stoppedReason"],
        json!(format!(
            "Task failed ELB health checks in (target-group {green})"
        ))
    );
    let expected = "(port 8080) is unhealthy in (target-group ";
    assert!(
        stage
            .messages("web")
            .iter()
            .any(|message| message.contains(expected))
    );
    stage.pass(1000);
    let service = stage.describe("web");
    assert_eq!(
        service["deployments"][0]["rolloutState"], "IN_PROGRESS",
        "without circuit breaker, for ever"
    );
    assert!(service["deployments"][0]["failedTasks"].as_u64().unwrap() > 3);
}

#[test]
fn tasks_that_cannot_start_back_off_and_break_the_circuit() {
    let mut stage = Stage::new();
    stage.behave(
        "missing",
        Behaviour {
            cannot_pull: true,
            ..Behaviour::default()
        },
    );
    let blue = stage.blue.clone();
    let good = stage.register("web:1");
    let mut request = service("web", &blue, &good, 1);
    request["deploymentConfiguration"] =
        json!({ "deploymentCircuitBreaker": { "enable": true, "rollback": true } });
    stage.ecs("CreateService", request).unwrap();
    stage.until_steady("web");
    let bad = stage.register("missing:1");
    stage
        .ecs(
            "UpdateService",
            json!({ "cluster": "shop", "service": "web", "taskDefinition": bad }),
        )
        .unwrap();
    stage.until(|stage| stage.describe("web")["taskDefinition"] == json!(good));
    let messages = stage.messages("web");
    assert!(
        messages
            .iter()
            .any(|message| message.ends_with("deployment failed: tasks failed to start."))
    );
    assert!(
        messages
            .iter()
            .any(|message| message.contains("rolling back to deployment ecs-svc/"))
    );
    assert!(messages.iter().any(|message| message.ends_with("is unable to consistently start tasks successfully.")));
    let stopped = stage.tasks("web", "STOPPED");
    assert!(stopped.len() >= 3);
    assert_eq!(stopped[0]["stopCode"], "TaskFailedToStart");
    assert!(string(&stopped[0]["stoppedReason"]).starts_with("CannotPullContainerError"));
    stage.until_steady("web");
}

#[test]
fn start_back_off_slows_down_a_service_that_cannot_start() {
    let mut stage = Stage::new();
    stage.behave(
        "missing",
        Behaviour {
            cannot_pull: true,
            ..Behaviour::default()
        },
    );
    let blue = stage.blue.clone();
    let bad = stage.register("missing:1");
    stage.create("web", &blue, &bad, 1).unwrap();
    stage.pass(3000);
    let tasks = stage.tasks("web", "STOPPED").len();
    assert!((6..14).contains(&tasks), "{tasks} tasks");
    assert_eq!(
        stage.describe("web")["deployments"][0]["rolloutState"],
        "IN_PROGRESS"
    );
}

#[test]
fn a_crashing_task_is_replaced_and_its_requests_in_flight_fail() {
    let mut stage = Stage::new();
    let crash = Some(Exit {
        after_ms: 60_000,
        code: 1,
    });
    stage.behave(
        "web",
        Behaviour {
            exits: crash,
            latency_ms: 500,
            ..Behaviour::default()
        },
    );
    let blue = stage.blue.clone();
    let definition = stage.register("web:1");
    stage.create("web", &blue, &definition, 2).unwrap();
    let users = stage.users(20.0);
    stage.pass(150);
    let stopped = stage.tasks("web", "STOPPED");
    assert!(stopped.len() >= 2);
    assert_eq!(stopped[0]["stopCode"], "EssentialContainerExited");
    assert_eq!(
        stopped[0]["stoppedReason"],
        "Essential container in task exited"
    );
    assert_eq!(stopped[0]["containers"][0]["exitCode"], 1);
    let report = traffic::report(&stage.world, users).unwrap();
    assert!(
        report
            .reasons
            .contains_key("502: the container ended in flight"),
        "{:?}",
        report.reasons
    );
}

#[test]
fn a_user_can_stop_and_run_tasks() {
    let mut stage = Stage::new();
    let blue = stage.blue.clone();
    let definition = stage.register("web:1");
    stage.create("web", &blue, &definition, 1).unwrap();
    stage.until_steady("web");
    let task = stage.tasks("web", "RUNNING")[0]["taskArn"].clone();
    stage
        .ecs(
            "StopTask",
            json!({ "cluster": "shop", "task": task, "reason": "test" }),
        )
        .unwrap();
    stage.pass(3);
    assert_eq!(
        stage.tasks("web", "STOPPED")[0]["stopCode"],
        "UserInitiated"
    );
    assert_eq!(
        stage.tasks("web", "RUNNING").len(),
        1,
        "the service starts another"
    );

    let run = json!({
        "cluster": "shop", "taskDefinition": "web", "startedBy": "me", "clientToken": "once",
        "networkConfiguration": { "awsvpcConfiguration": { "subnets": ["subnet-1"] } },
    });
    let first = stage.ecs("RunTask", run.clone()).unwrap();
    let again = stage.ecs("RunTask", run.clone()).unwrap();
    assert_eq!(first["tasks"][0]["taskArn"], again["tasks"][0]["taskArn"]);
    let mut other = run;
    other["startedBy"] = json!("you");
    assert_eq!(refusal(stage.ecs("RunTask", other)).0, "ConflictException");
    let mine = stage
        .ecs("ListTasks", json!({ "cluster": "shop", "startedBy": "me" }))
        .unwrap();
    assert_eq!(mine["taskArns"].as_array().unwrap().len(), 1);
    let missing = stage
        .ecs(
            "DescribeTasks",
            json!({ "cluster": "shop", "tasks": ["nope"] }),
        )
        .unwrap();
    assert_eq!(missing["failures"][0]["reason"], "MISSING");
}
