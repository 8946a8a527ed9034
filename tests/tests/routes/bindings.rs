//! What is bound to some of the routes only, and the way from one route to two.

use emulator::api::Service;
use serde_json::{Value, json};
use tests::Stage;

use crate::scene::{LONG, Scene, text};

/// Users of both routes see nothing of it.
#[tokio::test(start_paused = true)]
async fn from_one_route_to_two_under_load() {
    let mut scene = Scene::empty(|_| ());
    let mut one = scene.spec.clone();
    one["spec"]["traffic"]["routes"]
        .as_array_mut()
        .unwrap()
        .pop();
    scene.stage.put("spec", &one.to_string());
    scene.stage.wish("1.3.0");
    scene.operator = Some(scene.stage.operator());
    scene.stage.settled_on("1.3.0").await;
    scene.stage.open(20.0);
    // Too early: it is told, and nothing is touched.
    let writes = scene.stage.writes();
    scene.stage.put("spec", &scene.spec.to_string());
    scene.waits("ServiceElsewhere").await;
    assert!(
        scene.message().contains("one group of each route"),
        "{}",
        scene.message()
    );
    assert_eq!(scene.stage.writes(), writes);
    scene.stage.put("spec", &one.to_string());
    // The running service is bound to the second route's group too, and ECS replaces its tasks.
    let name = text(&scene.stage.services()[0]["serviceName"]);
    let bound = json!({"cluster": "prod", "service": name, "loadBalancers": scene.of_side(0)});
    scene.stage.person(Service::Ecs, "UpdateService", bound);
    let whole = |stage: &Stage| {
        let services = stage.services();
        services[0]["deployments"].as_array().unwrap().len() == 1
    };
    scene
        .stage
        .until("its tasks are replaced", LONG, whole)
        .await;
    let before = scene.stage.users();
    assert_eq!(before.failed, 0, "{before:?}");
    scene.open();
    scene.stage.put("spec", &scene.spec.to_string());
    let moved = |_: &Stage| scene.both() == [[Some(0), Some(100)]; 2];
    scene.stage.until("released anew", LONG, moved).await;
    scene.stage.settled_on("1.3.0").await;
    assert_eq!(scene.bound(), scene.of_side(1));
    scene.nobody_lost_a_request();
}

/// A service of somebody else takes requests of one route.
#[tokio::test(start_paused = true)]
async fn a_stranger_on_the_second_route_is_told_and_left_alone() {
    let scene = Scene::with(|_| ()).await;
    let service = json!({
        "cluster": "prod", "serviceName": "shop", "taskDefinition": "blog", "desiredCount": 1, "launchType": "FARGATE",
        "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-0a0a0a0a0a0a0a0a0"]}},
        "loadBalancers": [{"targetGroupArn": scene.groups[0], "containerName": "office", "containerPort": 9000}],
    });
    scene.stage.person(Service::Ecs, "CreateService", service);
    scene.waits("ForeignService").await;
    assert!(
        scene.message().contains("service shop"),
        "{}",
        scene.message()
    );
}

#[tokio::test(start_paused = true)]
async fn a_rule_that_forwards_to_the_other_route_is_told() {
    let scene = Scene::with(|_| ()).await;
    // As long as it is in no rule, it belongs to no load balancer.
    let [_, other] = &scene.groups;
    let [a, b] = &scene.stage.groups;
    let forward = |groups: &[(&String, u64)]| {
        let tuple =
            |(group, weight): &(&String, u64)| json!({"TargetGroupArn": group, "Weight": weight});
        let tuples: Vec<Value> = groups.iter().map(tuple).collect();
        let actions = json!([{"Type": "forward", "ForwardConfig": {"TargetGroups": tuples}}]);
        let input = json!({"ListenerArn": scene.stage.listeners[0], "DefaultActions": actions});
        scene.stage.person(Service::Elbv2, "ModifyListener", input);
    };
    forward(&[(a, 100), (b, 0), (other, 0)]);
    scene.waits("RuleUnusable").await;
    let told = scene.message();
    assert!(
        told.contains("also forwards to targetgroup/office-b"),
        "{told}"
    );
    assert!(told.contains("its own route only"), "{told}");
    forward(&[(a, 100), (b, 0)]);
    scene.stage.settled_on("1.3.0").await;
}

/// A rule outside the spec that names a group of the second route.
#[tokio::test(start_paused = true)]
async fn an_unlisted_rule_of_the_second_route_holds_a_release() {
    let scene = Scene::with(|_| ()).await;
    let rule = json!({
        "ListenerArn": scene.listener, "Priority": 7,
        "Conditions": [{"Field": "path-pattern", "Values": ["/reports/*"]}],
        "Actions": [{"Type": "forward", "TargetGroupArn": scene.groups[0]}],
    });
    let made = scene.stage.person(Service::Elbv2, "CreateRule", rule);
    let rule = made["Rules"][0]["RuleArn"].clone();
    scene.stage.wish("1.4.0");
    scene.waits("UnlistedRule").await;
    assert!(
        scene.message().contains(rule.as_str().unwrap()),
        "{}",
        scene.message()
    );
    let delete = |_: &Value| {
        scene
            .stage
            .person(Service::Elbv2, "DeleteRule", json!({"RuleArn": rule}))
    };
    delete(&rule);
    scene.stage.settled_on("1.4.0").await;
    scene.nobody_lost_a_request();
}
