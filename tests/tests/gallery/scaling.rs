//! Autoscaling during a release: policies that follow, and nobody scaled in while traffic moves.

use emulator::api::Service;
use planner::ablation::Rule;
use serde_json::{Value, json};

use crate::scene::{BLUE, GREEN, Scene, pass, world};

/// Tasks that blue runs under its load.
const LIVE: u64 = 8;
/// Minutes after which a target-tracking policy takes away what it does not need, and some more.
const LONG: u64 = 18;

/// The service that runs `version`, as Application Auto Scaling names it.
fn about(scene: &Scene, version: &str) -> Value {
    let service = scene.service(version).expect("the service");
    let name = service["serviceName"].as_str().expect("a name");
    json!({
        "ServiceNamespace": "ecs",
        "ScalableDimension": "ecs:service:DesiredCount",
        "ResourceId": format!("service/prod/{name}"),
    })
}

/// The part of a group's ARN that a policy names it by.
fn group(scene: &Scene, side: usize) -> String {
    let arn = &scene.stage.groups[side];
    arn.rsplit(':').next().expect("an ARN").to_owned()
}

/// A person has 1.3.0 scaled by its requests between 2 and 12, and some more for the evenings.
fn autoscale(scene: &Scene) {
    let with = |members: Value| {
        let mut input = about(scene, BLUE);
        for (member, value) in members.as_object().expect("members") {
            input[member] = value.clone();
        }
        input
    };
    let call = |operation: &str, members: Value| {
        scene
            .stage
            .person(Service::AutoScaling, operation, with(members));
    };
    call(
        "RegisterScalableTarget",
        json!({"MinCapacity": 2, "MaxCapacity": 12}),
    );
    let balancers = scene
        .stage
        .person(Service::Elbv2, "DescribeLoadBalancers", json!({}));
    let balancer = balancers["LoadBalancers"][0]["LoadBalancerArn"].as_str();
    let balancer = balancer.and_then(|arn| arn.split_once("loadbalancer/"));
    let balancer = balancer.expect("a load balancer").1;
    let label = format!("{balancer}/{}", group(scene, 0));
    // Ten requests a second are 75 a minute for each of eight tasks: neither too many nor too few.
    call(
        "PutScalingPolicy",
        json!({
            "PolicyName": "requests",
            "PolicyType": "TargetTrackingScaling",
            "TargetTrackingScalingPolicyConfiguration": {
                "TargetValue": 80.0,
                "PredefinedMetricSpecification": {
                    "PredefinedMetricType": "ALBRequestCountPerTarget", "ResourceLabel": label,
                },
            },
        }),
    );
    let evenings = json!({
        "ScheduledActionName": "evenings",
        "Schedule": "cron(0 17 * * ? *)",
        "Timezone": "Europe/Berlin",
        "ScalableTargetAction": {"MinCapacity": 4},
    });
    call("PutScheduledAction", evenings);
}

/// What became of it.
#[derive(Debug, PartialEq)]
struct Seen {
    /// The fewest tasks that blue was to have while it had half of the traffic.
    blue: u64,
    /// The tasks that green has once three times as many users came, six minutes later.
    grown: u64,
    /// Services that Application Auto Scaling knows in the end.
    known: usize,
}

/// 1.4.0 gets half of the traffic for so many minutes, then all of it, and then more users come.
async fn released(off: &[Rule], minutes: u64) -> Seen {
    let slowly = |spec: &mut Value| {
        let pause = format!("{minutes}m");
        spec["strategy"] = json!({"canary": {"steps": [{"setWeight": 50}, {"pause": pause}]}});
        spec["template"]["service"]["desiredCount"] = json!(LIVE);
    };
    let mut scene = Scene::serving_in(world(), slowly).await;
    autoscale(&scene);
    let operator = scene.operator(off);
    scene.stage.wish(GREEN);
    let split = scene.reaches(300, |stage| stage.weights(0) == [Some(50), Some(50)]);
    assert!(split.await, "{}", scene.stage.picture());
    let mut blue = LIVE;
    for _ in 0..minutes {
        pass(60).await;
        if scene.stage.weights(0) == [Some(50), Some(50)] {
            blue = blue.min(scene.count(BLUE, "desiredCount"));
        }
    }
    let alone = scene.reaches(900, |stage| stage.live() == [(GREEN.to_owned(), 1)]);
    assert!(alone.await, "{}", scene.stage.picture());
    assert_eq!(scene.failed(), 0);
    drop(operator);
    scene.stage.open(30.0);
    pass(360).await;
    let input = json!({"ServiceNamespace": "ecs"});
    let known = scene
        .stage
        .person(Service::AutoScaling, "DescribeScalableTargets", input);
    Seen {
        blue,
        grown: scene.count(GREEN, "desiredCount"),
        known: known["ScalableTargets"].as_array().map_or(0, Vec::len),
    }
}

#[tokio::test(start_paused = true)]
async fn gallery_g27_policies_follow_and_nobody_is_scaled_in_meanwhile() {
    let seen = released(&[], LONG).await;
    let all = Seen {
        blue: LIVE,
        grown: 12,
        known: 1,
    };
    assert_eq!(seen, all);
}

#[tokio::test(start_paused = true)]
async fn gallery_g27_fails_without_scale_in_suspended() {
    let seen = released(&[Rule::ScaleInWaits, Rule::Guard], LONG).await;
    assert!(seen.blue < LIVE, "{seen:?}");
}

#[tokio::test(start_paused = true)]
async fn gallery_g27_fails_without_moving_it() {
    let seen = released(&[Rule::ScalingMoves, Rule::Guard], 1).await;
    // Green never grows, and what AWS knows of blue stays behind.
    assert_eq!((seen.grown, seen.known), (LIVE, 1), "{seen:?}");
}

/// What a description says of a service's autoscaling, without what names it.
fn described(scene: &Scene, version: &str, operation: &str, list: &str) -> Vec<Value> {
    let mut input = about(scene, version);
    if operation == "DescribeScalableTargets" {
        input["ResourceIds"] = json!([input["ResourceId"]]);
        input.as_object_mut().expect("members").remove("ResourceId");
    }
    let read = scene.stage.person(Service::AutoScaling, operation, input);
    let mut entries = read[list].as_array().cloned().unwrap_or_default();
    for entry in &mut entries {
        let members = entry.as_object_mut().expect("members");
        for named in [
            "ResourceId",
            "PolicyARN",
            "ScheduledActionARN",
            "ScalableTargetARN",
            "CreationTime",
            "Alarms",
        ] {
            members.remove(named);
        }
    }
    entries
}

const TOLD: [(&str, &str); 3] = [
    ("DescribeScalableTargets", "ScalableTargets"),
    ("DescribeScalingPolicies", "ScalingPolicies"),
    ("DescribeScheduledActions", "ScheduledActions"),
];

/// To the last member, but for the group that the policy names.
#[tokio::test(start_paused = true)]
async fn green_is_scaled_exactly_as_blue_was() {
    let scene = Scene::serving().await;
    autoscale(&scene);
    let all = |version: &str| {
        TOLD.map(|(operation, list)| json!(described(&scene, version, operation, list)).to_string())
    };
    let before = all(BLUE);
    assert!(before[1].contains(&group(&scene, 0)), "{before:?}");
    let _operator = scene.operator(&[]);
    scene.stage.wish(GREEN);
    assert!(
        scene.settles_on(GREEN, 600).await,
        "{}",
        scene.stage.picture()
    );
    let expected = before.map(|text| text.replace(&group(&scene, 0), &group(&scene, 1)));
    assert_eq!(all(GREEN), expected);
    assert_eq!(scene.failed(), 0);
}

/// A person ends the release half-way: blue takes everything at once, and is scaled as before.
#[tokio::test(start_paused = true)]
async fn blue_is_scaled_exactly_as_before_when_its_traffic_comes_back() {
    let half = |spec: &mut Value| {
        spec["strategy"] = json!({"canary": {"steps": [{"setWeight": 50}, {"pause": {}}]}});
    };
    let scene = Scene::serving_in(world(), half).await;
    autoscale(&scene);
    let all = || TOLD.map(|(operation, list)| described(&scene, BLUE, operation, list));
    let before = all();
    let _operator = scene.operator(&[]);
    scene.stage.wish(GREEN);
    let split = scene.reaches(300, |stage| stage.weights(0) == [Some(50), Some(50)]);
    assert!(split.await, "{}", scene.stage.picture());
    assert_ne!(all(), before, "scale-in is suspended");
    scene.stage.wish(BLUE);
    assert!(
        scene.settles_on(BLUE, 600).await,
        "{}",
        scene.stage.picture()
    );
    assert_eq!(all(), before);
    let input = json!({"ServiceNamespace": "ecs"});
    let known = scene
        .stage
        .person(Service::AutoScaling, "DescribeScalableTargets", input);
    assert_eq!(known["ScalableTargets"].as_array().map(Vec::len), Some(1));
    assert_eq!(scene.failed(), 0);
}

/// Its time comes while both have traffic: both have to bear it, and green alone bears it afterwards.
#[tokio::test(start_paused = true)]
async fn a_scheduled_action_comes_on_both_sides() {
    let half = |spec: &mut Value| {
        spec["strategy"] = json!({"canary": {"steps": [{"setWeight": 50}, {"pause": "20m"}]}});
    };
    let scene = Scene::serving_in(world(), half).await;
    let put = |operation: &str, members: &[(&str, Value)]| {
        let mut input = about(&scene, BLUE);
        for (member, value) in members {
            input[*member] = value.clone();
        }
        scene.stage.person(Service::AutoScaling, operation, input);
    };
    put(
        "RegisterScalableTarget",
        &[("MinCapacity", json!(2)), ("MaxCapacity", json!(12))],
    );
    let now = scene
        .stage
        .emulator
        .with(|world| world.unix_seconds(world.now));
    let rush = jiff::Timestamp::from_second(now as i64 + 900).expect("a time");
    let rush = rush.strftime("at(%Y-%m-%dT%H:%M:%S)").to_string();
    put(
        "PutScheduledAction",
        &[
            ("ScheduledActionName", json!("rush")),
            ("Schedule", json!(rush)),
            ("ScalableTargetAction", json!({"MinCapacity": 6})),
        ],
    );
    let _operator = scene.operator(&[]);
    scene.stage.wish(GREEN);
    let split = scene.reaches(300, |stage| stage.weights(0) == [Some(50), Some(50)]);
    assert!(split.await, "{}", scene.stage.picture());
    let counts = || [BLUE, GREEN].map(|version| scene.count(version, "desiredCount"));
    assert_eq!(counts(), [2, 2]);
    pass(900).await;
    assert_eq!(scene.stage.weights(0), [Some(50), Some(50)]);
    assert_eq!(counts(), [6, 6]);
    assert!(
        scene.settles_on(GREEN, 1_800).await,
        "{}",
        scene.stage.picture()
    );
    assert_eq!(scene.count(GREEN, "desiredCount"), 6);
    assert_eq!(scene.failed(), 0);
}
