//! Releases with a target group for each, through the SDK into the emulator, under load: nobody loses a request, no group
//! is left over, the template stays as it was, and the shipped IAM policy allows every call.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test says so by failing"
)]

use std::collections::BTreeSet;

use emulator::api::Service;
use emulator::world::Settings;
use emulator::world::behaviour::{Behaviour, Exit};
use runtime::controller::Settings as Loop;
use serde_json::{Value, json};
use tests::iam::Policy;
use tests::wire::Wire;
use tests::{Dose, Operator, Stage};

/// The blog's first group is the template, and the production listener forwards to it alone.
fn stage() -> Stage {
    let stage = Stage::with(Settings::default(), |mut spec| {
        let groups = &mut spec["spec"]["traffic"]["routes"][0]["targetGroups"];
        let from = groups["pair"][0].clone();
        *groups = json!({"perRelease": {"from": from}});
        spec
    });
    stage.set_weights([Some(1), None]);
    let template = stage.groups[0].as_str();
    let tags = json!({"ResourceArns": [template], "Tags": [{"Key": "team", "Value": "web"}]});
    stage.person(Service::Elbv2, "AddTags", tags);
    stage
}

/// Groups of the account that are not the seed's.
fn ours(stage: &Stage) -> Vec<Value> {
    let all = stage.person(Service::Elbv2, "DescribeTargetGroups", json!({}));
    let all = all["TargetGroups"].as_array().cloned().unwrap();
    let given = |group: &Value| {
        stage
            .groups
            .iter()
            .any(|arn| group["TargetGroupArn"] == **arn)
    };
    all.into_iter().filter(|group| !given(group)).collect()
}

fn attributes(stage: &Stage, arn: &Value) -> BTreeSet<String> {
    let input = json!({"TargetGroupArn": arn});
    let read = stage.person(Service::Elbv2, "DescribeTargetGroupAttributes", input);
    let all = read["Attributes"].as_array().unwrap().iter();
    all.map(ToString::to_string).collect()
}

/// One group, it is like the template, and both listeners forward to it alone.
fn one_group(stage: &Stage) -> String {
    let groups = ours(stage);
    let [group] = groups.as_slice() else {
        panic!("{groups:#?}")
    };
    let template = stage.person(
        Service::Elbv2,
        "DescribeTargetGroups",
        json!({"TargetGroupArns": [stage.groups[0]]}),
    );
    let template = &template["TargetGroups"][0];
    assert_eq!(template["LoadBalancerArns"], json!([]), "it left the rules");
    let own = ["TargetGroupArn", "TargetGroupName", "LoadBalancerArns"];
    for (member, value) in template.as_object().unwrap() {
        if !own.contains(&member.as_str()) {
            assert_eq!(&group[member], value, "{member}");
        }
    }
    let arn = &group["TargetGroupArn"];
    assert_eq!(
        attributes(stage, arn),
        attributes(stage, &template["TargetGroupArn"])
    );
    let tags = stage.person(
        Service::Elbv2,
        "DescribeTags",
        json!({"ResourceArns": [arn]}),
    );
    let tags = tags["TagDescriptions"][0]["Tags"].as_array().unwrap();
    assert!(
        tags.contains(&json!({"Key": "team", "Value": "web"})),
        "{tags:?}"
    );
    for listener in &stage.listeners {
        let input = json!({"ListenerArns": [listener]});
        let read = stage.person(Service::Elbv2, "DescribeListeners", input);
        let forward = &read["Listeners"][0]["DefaultActions"][0]["ForwardConfig"]["TargetGroups"];
        let forward = forward.as_array().unwrap();
        assert_eq!(forward.len(), 1, "{forward:?}");
        assert_eq!(&forward[0]["TargetGroupArn"], arn);
    }
    group["TargetGroupName"].as_str().unwrap().to_owned()
}

/// The blog at 1.3.0, with users.
async fn serving() -> (Stage, Operator) {
    let mut stage = stage();
    stage.wish("1.3.0");
    let operator = stage.operator();
    stage.settled_on("1.3.0").await;
    one_group(&stage);
    stage.open(20.0);
    (stage, operator)
}

fn nobody_lost_a_request(stage: &Stage) {
    let users = stage.users();
    assert!(users.requests > 100, "users were there: {users:?}");
    assert_eq!(users.failed, 0, "{users:?}");
}

#[tokio::test(start_paused = true)]
async fn ten_releases_leave_one_group_and_no_name_twice() {
    let (stage, _operator) = serving().await;
    let mut names = BTreeSet::from([one_group(&stage)]);
    for minor in 4..14 {
        let version = format!("1.{minor}.0");
        stage.wish(&version);
        stage.settled_on(&version).await;
        assert!(names.insert(one_group(&stage)), "{names:?}");
    }
    nobody_lost_a_request(&stage);
}

#[tokio::test(start_paused = true)]
async fn the_shipped_policy_allows_every_call_and_has_no_statement_too_many() {
    let stage = stage();
    let policy = Policy::shipped(&stage.listeners, &[]).unwrap();
    let wire = Wire::judged_by(&stage.emulator, policy.clone());
    let _operator = Operator::start_over(&wire, &stage.emulator, Loop::default(), true);
    for version in ["1.3.0", "1.4.0"] {
        stage.wish(version);
        stage.settled_on(version).await;
    }
    assert_eq!(wire.denied(), Vec::<String>::new());
    let needed = |sid: &str| {
        let poorer = policy.clone().without(sid);
        let asked = wire.asked();
        asked.iter().any(|asked| !poorer.allows(asked))
    };
    for sid in policy
        .sids()
        .iter()
        .filter(|sid| sid.contains("TargetGroups"))
    {
        assert!(needed(sid), "{sid}");
    }
}

/// A service that is not ours answers on the template: the first release takes over from it.
#[tokio::test(start_paused = true)]
async fn on_the_way_from_a_fixed_group_nobody_loses_a_request() {
    let mut stage = stage();
    let registered = json!({
        "family": "old", "networkMode": "awsvpc", "requiresCompatibilities": ["FARGATE"], "cpu": "256", "memory": "512",
        "containerDefinitions": [{"name": "web", "image": "old:1", "portMappings": [{"containerPort": 8080}]}],
    });
    stage.person(Service::Ecs, "RegisterTaskDefinition", registered);
    let service = json!({
        "cluster": "prod", "serviceName": "old", "taskDefinition": "old:1", "desiredCount": 2, "launchType": "FARGATE",
        "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-0a0a0a0a0a0a0a0a0"]}},
        "loadBalancers": [{"targetGroupArn": stage.groups[0], "containerName": "web", "containerPort": 8080}],
    });
    stage.person(Service::Ecs, "CreateService", service);
    let limit = std::time::Duration::from_secs(300);
    stage
        .until("the old service answers", limit, |stage| {
            stage.healthy(0) == 2
        })
        .await;
    stage.open(20.0);
    stage.wish("1.3.0");
    let _operator = stage.operator();
    stage.settled_on("1.3.0").await;
    one_group(&stage);
    nobody_lost_a_request(&stage);
    assert_eq!(stage.healthy(0), 0, "nobody checks it, nobody stopped it");
    let old = stage.services();
    assert!(
        old.iter()
            .any(|one| one["serviceName"] == "old" && one["runningCount"] == 2)
    );
}

#[tokio::test(start_paused = true)]
async fn a_bad_release_goes_with_its_group() {
    let bad = [
        Behaviour {
            health_status: 500,
            ..Behaviour::default()
        },
        Behaviour {
            exits: Some(Exit {
                after_ms: 2_000,
                code: 3,
            }),
            ..Behaviour::default()
        },
    ];
    for behaviour in bad {
        let (stage, _operator) = serving().await;
        stage.behave("1.4.0", behaviour);
        stage.wish("1.4.0");
        stage.rejected_back_to("1.3.0").await;
        one_group(&stage);
        stage.wish("1.4.1");
        stage.settled_on("1.4.1").await;
        one_group(&stage);
        nobody_lost_a_request(&stage);
    }
}

#[tokio::test(start_paused = true)]
async fn a_newer_release_at_any_stage_takes_the_place() {
    for stage_name in ["ScaleUp", "Validate", "Shift", "Bake", "CleanUp"] {
        let (stage, _operator) = serving().await;
        stage.wish("1.4.0");
        stage.entered(stage_name).await;
        stage.wish("1.5.0");
        stage.settled_on("1.5.0").await;
        one_group(&stage);
        nobody_lost_a_request(&stage);
    }
}

/// Weights that somebody puts back on blue's group just before it would go: ELB refuses the deletion or the weight, and
/// its tasks run on.
#[tokio::test(start_paused = true)]
async fn a_rule_for_a_group_that_is_about_to_go_costs_nobody_a_request() {
    let (stage, _operator) = serving().await;
    let blue = ours(&stage)[0]["TargetGroupArn"].clone();
    stage.wish("1.4.0");
    stage.entered("CleanUp").await;
    let rule = json!({
        "ListenerArn": stage.listeners[0], "Priority": 5,
        "Conditions": [{"Field": "path-pattern", "Values": ["/*"]}],
        "Actions": [{"Type": "forward", "TargetGroupArn": blue}],
    });
    let made = stage.person(Service::Elbv2, "CreateRule", rule);
    let limit = std::time::Duration::from_secs(600);
    let told = |stage: &Stage| stage.get("status")["waitingOn"]["reason"] == "UnlistedRule";
    stage.until("the rule is told", limit, told).await;
    assert_eq!(ours(&stage).len(), 2);
    nobody_lost_a_request(&stage);
    stage.person(
        Service::Elbv2,
        "DeleteRule",
        json!({"RuleArn": made["Rules"][0]["RuleArn"]}),
    );
    stage.settled_on("1.4.0").await;
    one_group(&stage);
    nobody_lost_a_request(&stage);
}

/// Killed and started again all along the way: after some writes in a usual run, after each with `TEAL_DOSE=nightly`.
#[tokio::test(start_paused = true)]
async fn a_kill_after_any_write_changes_nothing_in_the_outcome() {
    let (stage, operator) = serving().await;
    let snapshot = stage.snapshot();
    operator.kill().await;
    let step = match Dose::asked() {
        Dose::Small | Dose::Full => 6,
        Dose::Nightly => 1,
    };
    for kill_after in (1..24).step_by(step) {
        let stage = Stage::resumed(&snapshot);
        let operator = stage.operator();
        stage.wish("1.4.0");
        let before = stage.writes();
        let limit = std::time::Duration::from_secs(1_200);
        let enough = move |stage: &Stage| {
            stage.writes() >= before + kill_after
                || stage.get("status")["phase"] == "Settled"
                    && stage.get("status")["serving"]["version"] == "1.4.0"
        };
        stage.until("writes", limit, enough).await;
        operator.kill().await;
        let _second = stage.operator();
        stage.settled_on("1.4.0").await;
        one_group(&stage);
        nobody_lost_a_request(&stage);
    }
}
