//! Actions of rules: what is accepted and how it is described.

use super::*;

/// Puts actions on the stage's rule.
fn modify(stage: &mut Stage, actions: Value) -> Result<Value, AwsError> {
    let rule = stage.rule.clone();
    stage.elb("ModifyRule", json!({ "RuleArn": rule, "Actions": actions }))
}

#[test]
fn a_single_group_is_described_in_both_forms() {
    let mut stage = Stage::new();
    let blue = stage.blue.clone();
    let answer = modify(
        &mut stage,
        json!([{ "Type": "forward", "TargetGroupArn": blue }]),
    )
    .unwrap();
    let expected = json!({
        "Type": "forward",
        "TargetGroupArn": blue,
        "ForwardConfig": {
            "TargetGroups": [{ "TargetGroupArn": blue, "Weight": 1 }],
            "TargetGroupStickinessConfig": { "Enabled": false },
        },
    });
    assert_eq!(answer["Rules"][0]["Actions"], json!([expected]));
    modify(&mut stage, answer["Rules"][0]["Actions"].clone()).unwrap();
}

#[test]
fn forwards_are_checked() {
    let mut stage = Stage::new();
    let (blue, green) = (stage.blue.clone(), stage.green.clone());
    let code = |answer: Result<Value, AwsError>| refusal(answer).0;
    assert_eq!(
        code(modify(&mut stage, json!([weighted(&[(&blue, 1000)])]))),
        "ValidationError"
    );
    let unweighted = json!([{ "Type": "forward", "ForwardConfig": { "TargetGroups": [
        { "TargetGroupArn": blue, "Weight": 1 }, { "TargetGroupArn": green }] } }]);
    assert_eq!(code(modify(&mut stage, unweighted)), "ValidationError");
    let twice = json!([weighted(&[(&blue, 1), (&blue, 1)])]);
    assert_eq!(code(modify(&mut stage, twice)), "ValidationError");
    let mut disagreeing = weighted(&[(&green, 1)]);
    disagreeing["TargetGroupArn"] = json!(blue);
    assert_eq!(
        code(modify(&mut stage, json!([disagreeing]))),
        "ValidationError"
    );
    let unknown = json!([weighted(&[("arn:aws:nothing", 1)])]);
    assert_eq!(
        code(modify(&mut stage, unknown)),
        "TargetGroupNotFoundException"
    );
    let groups: Vec<String> = (0..6)
        .map(|number| {
            let input = json!({ "Name": format!("g{number}"), "Protocol": "HTTP", "Port": 80, "TargetType": "ip" });
            string(&stage.elb("CreateTargetGroup", input).unwrap()["TargetGroups"][0]["TargetGroupArn"])
        })
        .collect();
    let six: Vec<(&str, u32)> = groups.iter().map(|arn| (arn.as_str(), 1)).collect();
    assert_eq!(
        code(modify(&mut stage, json!([weighted(&six)]))),
        "ValidationError"
    );
    modify(&mut stage, json!([weighted(&six[..5])])).unwrap();
}

#[test]
fn all_weights_zero_is_a_setting() {
    let mut stage = Stage::new();
    stage.weigh(0, 0);
    stage.pass(2);
    let users = stage.users(10.0);
    stage.pass(10);
    let report = traffic::report(&stage.world, users).unwrap();
    assert_eq!(report.failed, report.requests);
    assert!(report.reasons.contains_key("503: every weight is 0"));

    let mut strict = Stage::with(Settings {
        accept_zero_weights: false,
        ..Settings::default()
    });
    let actions = json!([weighted(&[
        (&strict.blue.clone(), 0),
        (&strict.green.clone(), 0)
    ])]);
    assert_eq!(refusal(modify(&mut strict, actions)).0, "ValidationError");
}

#[test]
fn target_stickiness_needs_group_stickiness() {
    let mut stage = Stage::new();
    let (blue, green) = (stage.blue.clone(), stage.green.clone());
    let sticky = json!([{ "Key": "stickiness.enabled", "Value": "true" }]);
    stage
        .elb(
            "ModifyTargetGroupAttributes",
            json!({ "TargetGroupArn": green, "Attributes": sticky }),
        )
        .unwrap();
    let mut both = weighted(&[(&blue, 1), (&green, 1)]);
    let (code, message) = refusal(modify(&mut stage, json!([both])));
    assert_eq!(code, "InvalidConfigurationRequestException");
    assert!(message.starts_with("You must enable group stickiness"));
    both["ForwardConfig"]["TargetGroupStickinessConfig"] =
        json!({ "Enabled": true, "DurationSeconds": 60 });
    modify(&mut stage, json!([both])).unwrap();
}

#[test]
fn a_group_belongs_to_one_load_balancer() {
    let mut stage = Stage::new();
    let blue = stage.blue.clone();
    let other = stage
        .elb("CreateLoadBalancer", json!({ "Name": "other" }))
        .unwrap();
    let other = &other["LoadBalancers"][0]["LoadBalancerArn"];
    let listener = json!({
        "LoadBalancerArn": other, "Protocol": "HTTP", "Port": 80, "DefaultActions": [weighted(&[(&blue, 1)])],
    });
    assert_eq!(
        refusal(stage.elb("CreateListener", listener)).0,
        "TargetGroupAssociationLimitException"
    );
    let groups = stage
        .elb("DescribeTargetGroups", json!({ "TargetGroupArns": [blue] }))
        .unwrap();
    assert_eq!(
        groups["TargetGroups"][0]["LoadBalancerArns"],
        json!([stage.load_balancer])
    );
    let in_use = refusal(stage.elb("DeleteTargetGroup", json!({ "TargetGroupArn": blue })));
    assert_eq!(in_use.0, "ResourceInUseException");
    assert_eq!(
        in_use.1,
        format!("Target group '{blue}' is currently in use by a listener or a rule")
    );
}

#[test]
fn an_oidc_secret_goes_in_and_never_comes_out() {
    let mut stage = Stage::new();
    let (load_balancer, blue) = (stage.load_balancer.clone(), stage.blue.clone());
    let listener = json!({
        "LoadBalancerArn": load_balancer, "Protocol": "HTTPS", "Port": 443,
        "Certificates": [{ "CertificateArn": "arn:aws:acm:eu-west-1:123456789012:certificate/1" }],
        "DefaultActions": [weighted(&[(&blue, 1)])],
    });
    let listener =
        stage.elb("CreateListener", listener).unwrap()["Listeners"][0]["ListenerArn"].clone();
    let oidc = json!({
        "Issuer": "https://i", "AuthorizationEndpoint": "https://i/a", "TokenEndpoint": "https://i/t",
        "UserInfoEndpoint": "https://i/u", "ClientId": "id", "ClientSecret": "secret",
    });
    let mut forward = weighted(&[(&blue, 1)]);
    forward["Order"] = json!(2);
    let actions = json!([{ "Type": "authenticate-oidc", "Order": 1, "AuthenticateOidcConfig": oidc }, forward]);
    let create = json!({
        "ListenerArn": listener, "Priority": 1, "Actions": actions,
        "Conditions": [{ "Field": "host-header", "HostHeaderConfig": { "Values": ["a.test"] } }],
    });
    let rule = stage.elb("CreateRule", create).unwrap()["Rules"][0].clone();
    let config = &rule["Actions"][0]["AuthenticateOidcConfig"];
    assert!(config.get("ClientSecret").is_none());
    let arn = &rule["RuleArn"];
    let again = stage.elb(
        "ModifyRule",
        json!({ "RuleArn": arn, "Actions": rule["Actions"] }),
    );
    assert_eq!(refusal(again).1, "ClientSecret must be specified");
    let mut actions = rule["Actions"].clone();
    actions[0]["AuthenticateOidcConfig"]["UseExistingClientSecret"] = json!(true);
    let answer = stage
        .elb("ModifyRule", json!({ "RuleArn": arn, "Actions": actions }))
        .unwrap();
    assert_eq!(answer["Rules"][0]["Actions"], rule["Actions"]);
}
