//! Listeners and rules: priorities, default rules, routing by condition and weight.

use std::net::{IpAddr, Ipv4Addr};

use proptest::prelude::*;

use super::*;
use crate::world::view::{RequestHead, Route, route};

fn head<'a>(path: &'a str, headers: &'a [(&'a str, &'a str)]) -> RequestHead<'a> {
    let source_ip = IpAddr::V4(Ipv4Addr::new(10, 1, 2, 3));
    RequestHead {
        method: "GET",
        path,
        host: "shop.test",
        headers,
        query: "a=1&debug=yes",
        source_ip,
    }
}

fn rule(
    stage: &mut Stage,
    priority: u32,
    condition: Value,
    status: &str,
) -> Result<Value, AwsError> {
    let listener = stage.listener.clone();
    let action =
        json!({ "Type": "fixed-response", "FixedResponseConfig": { "StatusCode": status } });
    let rule = json!({ "ListenerArn": listener, "Priority": priority, "Conditions": [condition], "Actions": [action] });
    stage.elb("CreateRule", rule)
}

fn status(stage: &Stage, head: &RequestHead<'_>) -> u16 {
    match route(&stage.world, 0, &stage.listener, head, 0) {
        Route::Fixed { status, .. } => status,
        Route::Forward { .. }
        | Route::Unavailable { .. }
        | Route::Redirect { .. }
        | Route::NoListener => 0,
    }
}

#[test]
fn rules_are_tried_by_priority_and_condition() {
    let mut stage = Stage::new();
    let conditions = [
        json!({ "Field": "path-pattern", "Values": ["/api/*"] }),
        json!({ "Field": "http-header", "HttpHeaderConfig": { "HttpHeaderName": "X-Canary", "Values": ["yes"] } }),
        json!({ "Field": "query-string", "QueryStringConfig": { "Values": [{ "Key": "debug", "Value": "ye?" }] } }),
    ];
    for (number, condition) in (1..).zip(conditions) {
        rule(&mut stage, number, condition, &format!("20{number}")).unwrap();
    }
    stage.pass(5);
    assert_eq!(status(&stage, &head("/api/x", &[("x-canary", "yes")])), 201);
    assert_eq!(status(&stage, &head("/", &[("x-canary", "yes")])), 202);
    assert_eq!(status(&stage, &head("/", &[("x-canary", "no")])), 203);

    let described = stage
        .elb("DescribeRules", json!({ "ListenerArn": stage.listener }))
        .unwrap();
    let priorities: Vec<String> = described["Rules"]
        .as_array()
        .unwrap()
        .iter()
        .map(|rule| string(&rule["Priority"]))
        .collect();
    assert_eq!(priorities, ["1", "2", "3", "10", "default"]);
    let arns: Vec<Value> = described["Rules"]
        .as_array()
        .unwrap()
        .iter()
        .map(|rule| rule["RuleArn"].clone())
        .collect();

    let taken = rule(
        &mut stage,
        2,
        json!({ "Field": "path-pattern", "Values": ["/x"] }),
        "200",
    );
    assert_eq!(
        refusal(taken),
        (
            "PriorityInUseException".into(),
            "Priority '2' is currently in use".into()
        )
    );
    let swap =
        json!([{ "RuleArn": arns[0], "Priority": 2 }, { "RuleArn": arns[1], "Priority": 1 }]);
    stage
        .elb("SetRulePriorities", json!({ "RulePriorities": swap }))
        .unwrap();
    stage.pass(5);
    assert_eq!(status(&stage, &head("/api/x", &[("x-canary", "yes")])), 202);
    let clash = json!([{ "RuleArn": arns[0], "Priority": 3 }]);
    assert_eq!(
        refusal(stage.elb("SetRulePriorities", json!({ "RulePriorities": clash }))).0,
        "PriorityInUseException"
    );

    let page = stage
        .elb(
            "DescribeRules",
            json!({ "ListenerArn": stage.listener, "PageSize": 3 }),
        )
        .unwrap();
    assert_eq!(page["Rules"].as_array().unwrap().len(), 3);
    let rest =
        json!({ "ListenerArn": stage.listener, "PageSize": 3, "Marker": page["NextMarker"] });
    assert_eq!(
        stage.elb("DescribeRules", rest).unwrap()["Rules"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
}

#[test]
fn a_default_rule_changes_through_its_listener_only() {
    let mut stage = Stage::new();
    let listener = stage.listener.clone();
    let rules = stage
        .elb("DescribeRules", json!({ "ListenerArn": listener }))
        .unwrap();
    let default = rules["Rules"][1].clone();
    assert_eq!(default["IsDefault"], true);
    let arn = &default["RuleArn"];
    let modify = json!({ "RuleArn": arn, "Actions": default["Actions"] });
    for (operation, input) in [
        ("ModifyRule", modify),
        ("DeleteRule", json!({ "RuleArn": arn })),
    ] {
        let refused = refusal(stage.elb(operation, input));
        assert_eq!(refused.0, "OperationNotPermittedException");
    }
    let actions = json!([weighted(&[(&stage.blue.clone(), 1)])]);
    stage
        .elb(
            "ModifyListener",
            json!({ "ListenerArn": listener, "DefaultActions": actions }),
        )
        .unwrap();
    let rules = stage
        .elb("DescribeRules", json!({ "RuleArns": [default["RuleArn"]] }))
        .unwrap();
    assert_eq!(
        rules["Rules"][0]["Actions"][0]["TargetGroupArn"],
        json!(stage.blue)
    );
}

#[test]
fn modify_rule_replaces_what_is_given_and_keeps_the_rest() {
    let mut stage = Stage::new();
    let rule = stage.rule.clone();
    let conditions = json!([{ "Field": "host-header", "Values": ["a.test"] }]);
    let answer = stage
        .elb(
            "ModifyRule",
            json!({ "RuleArn": rule, "Conditions": conditions }),
        )
        .unwrap();
    let groups = &answer["Rules"][0]["Actions"][0]["ForwardConfig"]["TargetGroups"];
    assert_eq!(groups.as_array().unwrap().len(), 2);
    assert_eq!(
        answer["Rules"][0]["Conditions"][0]["HostHeaderConfig"]["Values"],
        json!(["a.test"])
    );
    let missing = refusal(stage.elb(
        "ModifyRule",
        json!({ "RuleArn": "arn:none", "Actions": [] }),
    ));
    assert_eq!(missing.0, "RuleNotFoundException");
}

#[test]
fn creation_is_idempotent_for_the_same_settings_only() {
    let mut stage = Stage::new();
    let group = json!({ "Name": "one", "Protocol": "HTTP", "Port": 80, "TargetType": "ip" });
    let first = stage.elb("CreateTargetGroup", group.clone()).unwrap();
    assert_eq!(
        stage.elb("CreateTargetGroup", group.clone()).unwrap(),
        first
    );
    let mut other = group;
    other["Port"] = json!(81);
    assert_eq!(
        refusal(stage.elb("CreateTargetGroup", other)).0,
        "DuplicateTargetGroupNameException"
    );
    let again = stage
        .elb("CreateLoadBalancer", json!({ "Name": "shop" }))
        .unwrap();
    assert_eq!(
        again["LoadBalancers"][0]["LoadBalancerArn"],
        json!(stage.load_balancer)
    );
    let different = stage.elb(
        "CreateLoadBalancer",
        json!({ "Name": "shop", "Scheme": "internal" }),
    );
    assert_eq!(refusal(different).0, "DuplicateLoadBalancerNameException");
    let listener = json!({ "LoadBalancerArn": stage.load_balancer, "Protocol": "HTTP", "Port": 80, "DefaultActions": [weighted(&[(&stage.blue.clone(), 1)])] });
    assert_eq!(
        refusal(stage.elb("CreateListener", listener)).0,
        "DuplicateListenerException"
    );
}

#[test]
fn group_stickiness_outlives_a_change_of_weights() {
    let mut stage = Stage::new();
    let (blue, green) = (stage.blue.clone(), stage.green.clone());
    for group in [&blue, &green] {
        let id = if *group == blue {
            "10.0.0.1"
        } else {
            "10.0.0.2"
        };
        stage
            .elb(
                "RegisterTargets",
                json!({ "TargetGroupArn": group, "Targets": [{ "Id": id }] }),
            )
            .unwrap();
    }
    let sticky = |stage: &mut Stage, blue_weight: u32, green_weight: u32| {
        let mut action = weighted(&[
            (&stage.blue.clone(), blue_weight),
            (&stage.green.clone(), green_weight),
        ]);
        action["ForwardConfig"]["TargetGroupStickinessConfig"] =
            json!({ "Enabled": true, "DurationSeconds": 60 });
        let rule = stage.rule.clone();
        stage
            .elb(
                "ModifyRule",
                json!({ "RuleArn": rule, "Actions": [action] }),
            )
            .unwrap();
        stage.pass(2);
    };
    let drawn = |stage: &Stage, cookie: &str| match route(
        &stage.world,
        0,
        &stage.listener,
        &head("/", &[("Cookie", cookie)]),
        5,
    ) {
        Route::Forward {
            target_group_arn,
            cookies,
            ..
        } => (target_group_arn, cookies),
        other @ (Route::Unavailable { .. }
        | Route::Fixed { .. }
        | Route::Redirect { .. }
        | Route::NoListener) => {
            panic!("{other:?}")
        }
    };
    sticky(&mut stage, 1, 0);
    let (group, cookies) = drawn(&stage, "");
    assert_eq!(group, blue);
    let cookie = cookies[0].split(';').next().unwrap().to_owned();
    assert!(cookie.starts_with("AWSALBTG="));
    sticky(&mut stage, 0, 1);
    assert_eq!(drawn(&stage, "").0, green);
    assert_eq!(
        drawn(&stage, &format!("other=1; {cookie}")).0,
        blue,
        "sticky whatever the weights"
    );
    stage.pass(60);
    assert_eq!(drawn(&stage, &cookie).0, green, "the cookie has expired");
}

#[test]
fn tags_go_on_every_kind() {
    let mut stage = Stage::new();
    let arns = json!([stage.load_balancer, stage.blue, stage.listener, stage.rule]);
    stage.elb("AddTags", json!({ "ResourceArns": arns, "Tags": [{ "Key": "a", "Value": "1" }, { "Key": "b", "Value": "2" }] })).unwrap();
    stage
        .elb(
            "RemoveTags",
            json!({ "ResourceArns": arns, "TagKeys": ["a"] }),
        )
        .unwrap();
    let tags = stage
        .elb("DescribeTags", json!({ "ResourceArns": arns }))
        .unwrap();
    for description in tags["TagDescriptions"].as_array().unwrap() {
        assert_eq!(description["Tags"], json!([{ "Key": "b", "Value": "2" }]));
    }
    let many: Vec<String> = (0..21).map(|number| format!("arn:{number}")).collect();
    assert_eq!(
        refusal(stage.elb("DescribeTags", json!({ "ResourceArns": many }))).0,
        "ValidationError"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn weights_are_honoured(blue in 0_u32..=999, green in 0_u32..=999, seed: u64) {
        prop_assume!(blue + green > 0);
        let mut stage = Stage::new();
        for (group, id) in [(stage.blue.clone(), "10.0.0.1"), (stage.green.clone(), "10.0.0.2")] {
            stage.elb("RegisterTargets", json!({ "TargetGroupArn": group, "Targets": [{ "Id": id }] })).unwrap();
        }
        stage.weigh(blue, green);
        stage.pass(2);
        let draws = 4000_u64;
        let to_green = (0..draws)
            .filter(|number| {
                let dice = crate::world::hash::mix(&[seed, *number]);
                match route(&stage.world, 1, &stage.listener, &head("/", &[]), dice) {
                    Route::Forward { target_group_arn, .. } => target_group_arn == stage.green,
                    Route::Unavailable { .. } | Route::Fixed { .. } | Route::Redirect { .. } | Route::NoListener => false,
                }
            })
            .count() as f64;
        let expected = f64::from(green) / f64::from(blue + green);
        // Five standard deviations: one false alarm in some million runs.
        let tolerance = 5.0 * (expected * (1.0 - expected) / draws as f64).sqrt();
        prop_assert!((to_green / draws as f64 - expected).abs() <= tolerance);
    }

    #[test]
    fn whatever_is_asked_tasks_and_targets_stay_consistent(steps in proptest::collection::vec((0_u32..5, 0_u64..90), 1..25)) {
        let mut stage = Stage::new();
        let blue = stage.blue.clone();
        let mut definition = stage.register("web:1");
        stage.create("web", &blue, &definition, 1).unwrap();
        for (step, seconds) in steps {
            let update = match step {
                0 => { definition = stage.register("web:2"); json!({ "taskDefinition": definition }) }
                count => json!({ "desiredCount": count - 1 }),
            };
            let mut update = update;
            update["cluster"] = json!("shop");
            update["service"] = json!("web");
            stage.ecs("UpdateService", update).unwrap();
            stage.pass(seconds);
            let addresses: Vec<_> = stage.world.ecs.tasks.values().filter(|task| task.stopped_at.is_none()).map(|task| task.address).collect();
            let unique: std::collections::BTreeSet<_> = addresses.iter().collect();
            prop_assert_eq!(unique.len(), addresses.len());
            for task in stage.world.ecs.tasks.values() {
                let registered = stage.world.elb.target_groups[&blue].targets.keys().filter(|target| *target.ip() == task.address).count();
                prop_assert!(registered <= 1, "no target is registered twice");
            }
        }
        stage.pass(600);
        let service = stage.describe("web");
        prop_assert_eq!(&service["runningCount"], &service["desiredCount"]);
        prop_assert_eq!(service["deployments"].as_array().unwrap().len(), 1);
        prop_assert_eq!(&service["deployments"][0]["rolloutState"], "COMPLETED");
        prop_assert_eq!(&service["taskDefinition"], &json!(definition));
        prop_assert_eq!(stage.health(&blue).len() as u64, service["desiredCount"].as_u64().unwrap());
    }
}
