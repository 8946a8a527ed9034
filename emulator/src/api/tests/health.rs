//! The health of targets in time.

use super::*;

#[test]
fn a_task_goes_through_its_life_and_its_target_with_it() {
    let mut stage = Stage::new();
    let blue = stage.blue.clone();
    let definition = stage.register("web:1");
    stage.create("web", &blue, &definition, 1).unwrap();
    let mut states = Vec::new();
    let note = |stage: &mut Stage, states: &mut Vec<(String, String)>| {
        let task = ["RUNNING", "STOPPED"]
            .iter()
            .find_map(|status| stage.tasks("web", status).first().cloned());
        let task = task.map_or_else(String::new, |task| string(&task["lastStatus"]));
        let target = stage.states(&blue).first().cloned().unwrap_or_default();
        if states.last() != Some(&(task.clone(), target.clone())) {
            states.push((task, target));
        }
    };
    for _ in 0..80 {
        note(&mut stage, &mut states);
        stage.pass(1);
    }
    stage
        .ecs(
            "UpdateService",
            json!({ "cluster": "shop", "service": "web", "desiredCount": 0 }),
        )
        .unwrap();
    for _ in 0..60 {
        note(&mut stage, &mut states);
        stage.pass(1);
    }
    let lives: Vec<&str> = {
        let mut lives: Vec<&str> = states.iter().map(|(task, _)| task.as_str()).collect();
        lives.dedup();
        lives
    };
    assert_eq!(
        lives,
        [
            "",
            "PROVISIONING",
            "PENDING",
            "ACTIVATING",
            "RUNNING",
            "DEACTIVATING",
            "STOPPING",
            "DEPROVISIONING",
            "STOPPED"
        ]
    );
    let mut targets: Vec<&str> = states.iter().map(|(_, target)| target.as_str()).collect();
    targets.dedup();
    assert_eq!(targets, ["", "initial", "healthy", "draining", ""]);
    let task = &stage.tasks("web", "STOPPED")[0];
    assert_eq!(task["stopCode"], "ServiceSchedulerInitiated");
    assert_eq!(task["containers"][0]["exitCode"], 0);
    stage.pass(3600);
    assert!(
        stage.tasks("web", "STOPPED").is_empty(),
        "a stopped task is forgotten after an hour"
    );
}

#[test]
fn a_group_in_no_rule_is_unused_and_one_of_weight_zero_is_checked() {
    let mut stage = Stage::new();
    let (blue, green) = (stage.blue.clone(), stage.green.clone());
    let definition = stage.register("web:1");
    stage.create("web", &green, &definition, 1).unwrap();
    stage.until_steady("web");
    assert_eq!(stage.states(&green), ["healthy"], "weight 0 is checked");

    let rule = stage.rule.clone();
    let only_blue = json!([weighted(&[(&blue, 1)])]);
    stage
        .elb(
            "ModifyRule",
            json!({ "RuleArn": rule, "Actions": only_blue }),
        )
        .unwrap();
    let target = &stage.health(&green)[0]["TargetHealth"];
    assert_eq!(target["State"], "unused");
    assert_eq!(target["Reason"], "Target.NotInUse");
    stage.pass(600);
    assert_eq!(stage.states(&green), ["unused"], "it is never checked");
    stage.weigh(1, 0);
    assert_eq!(stage.states(&green), ["initial"]);
    let healthy = stage.until(|stage| stage.states(&stage.green.clone()) == ["healthy"]);
    assert!(healthy <= 7, "one check is enough: {healthy} s");
}

#[test]
fn thresholds_decide_for_a_target_that_was_healthy() {
    let mut stage = Stage::new();
    stage.behave(
        "web",
        Behaviour {
            unhealthy_after_ms: Some(120_000),
            ..Behaviour::default()
        },
    );
    let blue = stage.blue.clone();
    let definition = stage.register("web:1");
    let mut request = service("web", &blue, &definition, 1);
    request["healthCheckGracePeriodSeconds"] = json!(600);
    stage.ecs("CreateService", request).unwrap();
    stage.until_steady("web");
    stage.until(|stage| stage.states(&stage.blue.clone()) == ["unhealthy"]);
    let target = &stage.health(&blue)[0]["TargetHealth"];
    assert_eq!(target["Reason"], "Target.ResponseCodeMismatch");
    assert_eq!(
        target["Description"],
        "Health checks failed with these codes: [503]"
    );
    let users = stage.users(10.0);
    stage.pass(10);
    let report = traffic::report(&stage.world, users).unwrap();
    assert_eq!(
        report.failed, 0,
        "fail-open: the only target serves although it is unhealthy"
    );
    assert!(report.requests > 90);
}

#[test]
fn targets_registered_by_hand_are_known_and_drain() {
    let mut stage = Stage::new();
    let blue = stage.blue.clone();
    let target = json!({ "TargetGroupArn": blue, "Targets": [{ "Id": "10.0.0.9", "Port": 99 }] });
    stage.elb("RegisterTargets", target.clone()).unwrap();
    stage.elb("RegisterTargets", target.clone()).unwrap();
    assert_eq!(
        stage.states(&blue),
        ["initial"],
        "no target is registered twice"
    );
    assert_eq!(
        stage.health(&blue)[0]["TargetHealth"]["Reason"],
        "Elb.RegistrationInProgress"
    );
    stage.pass(2);
    assert_eq!(
        stage.health(&blue)[0]["TargetHealth"]["Reason"],
        "Elb.InitialHealthChecking"
    );
    stage.pass(30);
    let health = &stage.health(&blue)[0];
    assert_eq!(
        health["TargetHealth"]["Reason"],
        "Target.FailedHealthChecks"
    );
    assert_eq!(health["HealthCheckPort"], "99");
    stage.elb("DeregisterTargets", target.clone()).unwrap();
    assert_eq!(
        stage.health(&blue)[0]["TargetHealth"]["Reason"],
        "Target.DeregistrationInProgress"
    );
    stage.pass(19);
    assert_eq!(stage.states(&blue), ["draining"]);
    stage.pass(1);
    assert!(stage.states(&blue).is_empty());
    let asked = stage.elb("DescribeTargetHealth", target).unwrap();
    assert_eq!(
        asked["TargetHealthDescriptions"][0]["TargetHealth"]["Reason"],
        "Target.NotRegistered"
    );
}
