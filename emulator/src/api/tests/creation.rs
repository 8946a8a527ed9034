//! Creating and deleting services: refusals, repetition, names.

use super::*;

#[test]
fn a_name_is_active_then_draining_then_free() {
    let mut stage = Stage::new();
    let (blue, green) = (stage.blue.clone(), stage.green.clone());
    let definition = stage.register("web:1");
    stage.create("web", &blue, &definition, 1).unwrap();
    stage.create("web", &blue, &definition, 1).unwrap();
    let other = refusal(stage.create("web", &green, &definition, 1));
    assert_eq!(
        other,
        (
            "InvalidParameterException".into(),
            "Creation of service was not idempotent.".into()
        )
    );

    stage.until_steady("web");
    let delete = json!({ "cluster": "shop", "service": "web" });
    let scaled = refusal(stage.ecs("DeleteService", delete.clone()));
    assert_eq!(
        scaled.1,
        "The service cannot be stopped while it is scaled above 0."
    );
    let forced = json!({ "cluster": "shop", "service": "web", "force": true });
    assert_eq!(
        stage.ecs("DeleteService", forced).unwrap()["service"]["status"],
        "DRAINING"
    );
    let draining = refusal(stage.create("web", &blue, &definition, 1));
    assert_eq!(
        draining,
        (
            "InvalidParameterException".into(),
            "Unable to Start a service that is still Draining.".into()
        )
    );
    let update = stage.ecs(
        "UpdateService",
        json!({ "cluster": "shop", "service": "web", "desiredCount": 1 }),
    );
    assert_eq!(
        refusal(update),
        (
            "ServiceNotActiveException".into(),
            "Service was not ACTIVE.".into()
        )
    );
    assert_eq!(
        stage
            .ecs("ListServices", json!({ "cluster": "shop" }))
            .unwrap()["serviceArns"],
        json!([])
    );

    stage.until(|stage| stage.describe("web")["status"] == "INACTIVE");
    assert_eq!(
        refusal(stage.ecs("DeleteService", delete)).0,
        "ServiceNotFoundException"
    );
    stage.create("web", &green, &definition, 1).unwrap();
}

#[test]
fn inactive_comes_while_tasks_may_still_be_stopping() {
    let mut stage = Stage::new();
    stage.behave(
        "slow",
        Behaviour {
            stop_ms: 25_000,
            ..Behaviour::default()
        },
    );
    let blue = stage.blue.clone();
    let definition = stage.register("slow:1");
    stage.create("web", &blue, &definition, 1).unwrap();
    stage.until_steady("web");
    stage
        .ecs(
            "DeleteService",
            json!({ "cluster": "shop", "service": "web", "force": true }),
        )
        .unwrap();
    stage.until(|stage| stage.describe("web")["status"] == "INACTIVE");
    assert_eq!(stage.tasks("web", "STOPPED")[0]["lastStatus"], "STOPPING");
}

#[test]
fn a_target_group_needs_a_load_balancer_and_the_right_type() {
    let mut stage = Stage::new();
    let definition = stage.register("web:1");
    let mut group = |kind: &str| {
        let input = json!({ "Name": format!("lonely-{kind}"), "Protocol": "HTTP", "Port": 80, "TargetType": kind });
        string(&stage.elb("CreateTargetGroup", input).unwrap()["TargetGroups"][0]["TargetGroupArn"])
    };
    let (lonely, instance) = (group("ip"), group("instance"));
    assert_eq!(
        refusal(stage.create("web", &lonely, &definition, 1)),
        (
            "InvalidParameterException".into(),
            format!(
                "The target group with targetGroupArn {lonely} does not have an associated load balancer."
            )
        )
    );
    stage.elb("ModifyListener", json!({ "ListenerArn": stage.listener, "DefaultActions": [weighted(&[(&instance, 1)])] })).unwrap();
    assert!(
        refusal(stage.create("web", &instance, &definition, 1))
            .1
            .contains("incompatible with the awsvpc")
    );
    let unknown = refusal(stage.create("web", "arn:aws:unknown", &definition, 1));
    assert!(unknown.1.contains("does not exist"));
}

#[test]
fn what_a_service_needs_is_checked() {
    let mut stage = Stage::new();
    let blue = stage.blue.clone();
    let definition = stage.register("web:1");
    let good = service("web", &blue, &definition, 1);
    let refused = |stage: &mut Stage, change: &dyn Fn(&mut Value)| {
        let mut request = good.clone();
        change(&mut request);
        refusal(stage.ecs("CreateService", request)).1
    };
    let message = refused(&mut stage, &|request| {
        request
            .as_object_mut()
            .unwrap()
            .remove("networkConfiguration");
    });
    assert_eq!(
        message,
        "Network Configuration must be provided when networkMode 'awsvpc' is specified."
    );
    let message = refused(&mut stage, &|request| {
        request["loadBalancers"][0]["containerName"] = json!("nope")
    });
    assert_eq!(
        message,
        "The container nope does not exist in the task definition."
    );
    let message = refused(&mut stage, &|request| {
        request["loadBalancers"][0]["containerPort"] = json!(81)
    });
    assert_eq!(
        message,
        "The container app did not have a container port 81 defined."
    );
    let message = refused(&mut stage, &|request| {
        request["clientToken"] = json!("x".repeat(37))
    });
    assert_eq!(message, "idempotency token longer than 36.");
    let message = refused(&mut stage, &|request| request["cluster"] = json!("nope"));
    assert_eq!(message, "Cluster not found.");
    let message = refused(&mut stage, &|request| {
        request["serviceName"] = json!("web-1.2")
    });
    assert!(message.starts_with("Service name must match"));
    let message = refused(&mut stage, &|request| {
        request["deploymentConfiguration"] =
            json!({ "maximumPercent": 100, "minimumHealthyPercent": 0 })
    });
    assert!(message.contains("rebalancing"));
    stage
        .ecs(
            "DeregisterTaskDefinition",
            json!({ "taskDefinition": definition }),
        )
        .unwrap();
    assert_eq!(refused(&mut stage, &|_| {}), "TaskDefinition is inactive");
}

#[test]
fn reads_have_their_limits_and_failures() {
    let mut stage = Stage::new();
    let blue = stage.blue.clone();
    let definition = stage.register("web:1");
    for number in 0..12 {
        stage
            .create(&format!("web-{number:02}"), &blue, &definition, 0)
            .unwrap();
    }
    let eleven: Vec<String> = (0..11).map(|number| format!("web-{number:02}")).collect();
    let many = stage.ecs(
        "DescribeServices",
        json!({ "cluster": "shop", "services": eleven }),
    );
    assert_eq!(refusal(many).0, "InvalidParameterException");
    let some = stage
        .ecs(
            "DescribeServices",
            json!({ "cluster": "shop", "services": ["web-00", "nope"] }),
        )
        .unwrap();
    assert_eq!(some["services"].as_array().unwrap().len(), 1);
    assert!(some["services"][0].get("tags").is_none());
    assert_eq!(some["failures"][0]["reason"], "MISSING");
    assert!(string(&some["failures"][0]["arn"]).ends_with(":service/shop/nope"));

    let first = stage
        .ecs("ListServices", json!({ "cluster": "shop" }))
        .unwrap();
    assert_eq!(first["serviceArns"].as_array().unwrap().len(), 10);
    let rest = stage
        .ecs(
            "ListServices",
            json!({ "cluster": "shop", "nextToken": first["nextToken"] }),
        )
        .unwrap();
    assert_eq!(rest["serviceArns"].as_array().unwrap().len(), 2);
    assert!(rest.get("nextToken").is_none());
}

#[test]
fn describe_returns_what_was_given_and_what_aws_adds() {
    let mut stage = Stage::new();
    let blue = stage.blue.clone();
    let definition = stage.register("web:1");
    let mut request = service("web", &blue, &definition, 1);
    request["tags"] = json!([{ "key": "owner", "value": "me" }]);
    request["deploymentConfiguration"] = json!({ "maximumPercent": 150 });
    stage.ecs("CreateService", request.clone()).unwrap();
    let service = stage.describe("web");
    assert_eq!(service["loadBalancers"], request["loadBalancers"]);
    assert_eq!(
        service["networkConfiguration"],
        request["networkConfiguration"]
    );
    assert_eq!(service["tags"], request["tags"]);
    assert_eq!(service["deploymentConfiguration"]["maximumPercent"], 150);
    assert_eq!(
        service["deploymentConfiguration"]["minimumHealthyPercent"],
        100
    );
    assert_eq!(service["availabilityZoneRebalancing"], "ENABLED");
    assert_eq!(service["deployments"][0]["status"], "PRIMARY");
    let arn = &service["serviceArn"];
    stage
        .ecs(
            "TagResource",
            json!({ "resourceArn": arn, "tags": [{ "key": "a", "value": "b" }] }),
        )
        .unwrap();
    stage
        .ecs(
            "UntagResource",
            json!({ "resourceArn": arn, "tagKeys": ["owner"] }),
        )
        .unwrap();
    let tags = stage
        .ecs("ListTagsForResource", json!({ "resourceArn": arn }))
        .unwrap();
    assert_eq!(tags["tags"], json!([{ "key": "a", "value": "b" }]));
}

#[test]
fn tasks_are_registered_in_each_group_and_leave_each_and_five_are_the_most() {
    let mut stage = Stage::new();
    let (blue, green) = (stage.blue.clone(), stage.green.clone());
    let definition = stage.register("web:1");
    let of = |groups: &[&String]| {
        let mut request = service("web", &blue, &definition, 2);
        let bound = |group: &&String| json!({"targetGroupArn": group, "containerName": "app", "containerPort": 8080});
        request["loadBalancers"] = groups.iter().map(bound).collect();
        request
    };
    let (code, message) = refusal(stage.ecs("CreateService", of(&[&blue; 6])));
    assert_eq!(code, "InvalidParameterException");
    assert!(message.contains("at most 5"), "{message}");
    stage.ecs("CreateService", of(&[&blue, &green])).unwrap();
    stage.until_steady("web");
    let states = |stage: &mut Stage, group: &str| -> Vec<String> {
        let health = stage.health(group);
        let states = health
            .iter()
            .map(|one| string(&one["TargetHealth"]["State"]));
        states.collect()
    };
    for group in [&blue, &green] {
        assert_eq!(states(&mut stage, group), ["healthy", "healthy"]);
    }
    let down = json!({ "cluster": "shop", "service": "web", "desiredCount": 0 });
    stage.ecs("UpdateService", down).unwrap();
    let drains = |stage: &mut Stage, group: &str| states(stage, group) == ["draining", "draining"];
    stage.until(|stage| drains(stage, &blue) && drains(stage, &green));
    stage.until(|stage| stage.health(&blue).is_empty() && stage.health(&green).is_empty());
}
