//! Rules as they are in the wild: several of them, on several listeners, with conditions, that let through whom they know
//! before they forward. All of them are moved together, and keep what else they do.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test says so by failing"
)]

use emulator::api::Service;
use emulator::world::behaviour::Behaviour;
use emulator::world::traffic::{self, Stream};
use runtime::controller::Settings as Loop;
use serde_json::{Value, json};
use tests::wire::Wire;
use tests::{Operator, Stage};

/// A listener or rule of production, and who comes by it.
struct Entrance {
    listener: String,
    /// As the spec names it.
    target: Value,
    host: &'static str,
    path: &'static str,
    users: usize,
}

impl Entrance {
    fn new(
        stage: &Stage,
        listener: &str,
        target: Value,
        host: &'static str,
        path: &'static str,
    ) -> Self {
        let stream = Stream {
            listener_arn: listener.to_owned(),
            per_second: 5.0,
            host: host.to_owned(),
            path: path.to_owned(),
            headers: Vec::new(),
            until: None,
            seed: 11,
        };
        let users = stage.emulator.with(|world| traffic::start(world, stream));
        let listener = listener.to_owned();
        Self {
            listener,
            target,
            host,
            path,
            users,
        }
    }

    fn actions(&self, stage: &Stage) -> Vec<Value> {
        let read = match self.target["rule"].as_str() {
            Some(rule) => {
                let read =
                    stage.person(Service::Elbv2, "DescribeRules", json!({"RuleArns": [rule]}));
                read["Rules"][0]["Actions"].clone()
            }
            None => {
                let input = json!({"ListenerArns": [self.listener]});
                let read = stage.person(Service::Elbv2, "DescribeListeners", input);
                read["Listeners"][0]["DefaultActions"].clone()
            }
        };
        read.as_array().unwrap().clone()
    }
}

fn oidc(order: u64) -> Value {
    json!({"Type": "authenticate-oidc", "Order": order, "AuthenticateOidcConfig": {
        "Issuer": "https://id.example", "AuthorizationEndpoint": "https://id.example/auth",
        "TokenEndpoint": "https://id.example/token", "UserInfoEndpoint": "https://id.example/user",
        "ClientId": "blog", "ClientSecret": "secret", "Scope": "openid email", "OnUnauthenticatedRequest": "deny",
    }})
}

fn cognito(order: u64) -> Value {
    json!({"Type": "authenticate-cognito", "Order": order, "AuthenticateCognitoConfig": {
        "UserPoolArn": "arn:aws:cognito-idp:eu-west-1:123456789012:userpool/eu-west-1_blog",
        "UserPoolClientId": "blog", "UserPoolDomain": "blog", "SessionCookieName": "blog-session",
    }})
}

/// An HTTPS listener whose default action authenticates by OIDC, a rule of it that does so by Cognito, and one on the
/// plain listener that has a path.
fn entrances(stage: &Stage) -> Vec<Entrance> {
    let read = stage.person(
        Service::Elbv2,
        "DescribeListeners",
        json!({"ListenerArns": [stage.listeners[0]]}),
    );
    let balancer = &read["Listeners"][0]["LoadBalancerArn"];
    let forward =
        |order: u64| json!({"Type": "forward", "Order": order, "TargetGroupArn": stage.groups[0]});
    let made = stage.person(
        Service::Elbv2,
        "CreateListener",
        json!({
            "LoadBalancerArn": balancer, "Protocol": "HTTPS", "Port": 8443,
            "Certificates": [{"CertificateArn": "arn:aws:acm:eu-west-1:123456789012:certificate/11111111-2222-3333-4444-555555555555"}],
            "DefaultActions": [oidc(1), forward(2)],
        }),
    );
    let https = made["Listeners"][0]["ListenerArn"]
        .as_str()
        .unwrap()
        .to_owned();
    let rule = |listener: &str, condition: Value, actions: Value| {
        let input = json!({"ListenerArn": listener, "Priority": 10, "Conditions": [condition], "Actions": actions});
        let made = stage.person(Service::Elbv2, "CreateRule", input);
        json!({"rule": made["Rules"][0]["RuleArn"]})
    };
    let staff = json!({"Field": "host-header", "HostHeaderConfig": {"Values": ["staff.example"]}});
    let staff = rule(&https, staff, json!([cognito(5), forward(9)]));
    let beta = json!({"Field": "path-pattern", "PathPatternConfig": {"Values": ["/beta/*"]}});
    let beta = rule(&stage.listeners[0], beta, json!([forward(1)]));
    let plain = stage.listeners[0].clone();
    vec![
        Entrance::new(
            stage,
            &plain,
            json!({"listener": plain}),
            "blog.example",
            "/",
        ),
        Entrance::new(stage, &plain, beta, "blog.example", "/beta/1"),
        Entrance::new(
            stage,
            &https,
            json!({"listener": https}),
            "blog.example",
            "/",
        ),
        Entrance::new(stage, &https, staff, "staff.example", "/"),
    ]
}

#[tokio::test(start_paused = true)]
async fn what_authenticates_before_it_forwards_goes_on_doing_so() {
    let stage = Stage::new();
    let entrances = entrances(&stage);
    let listed: Vec<&Value> = entrances.iter().map(|one| &one.target).collect();
    let mut spec = stage.spec();
    spec["spec"]["traffic"]["routes"][0]["production"] = json!(listed);
    spec["spec"]["strategy"] = json!({"canary": {"steps": [{"setWeight": 10}, {"pause": "1m"}]}});
    stage.put("spec", &spec.to_string());
    let before: Vec<Vec<Value>> = entrances.iter().map(|one| one.actions(&stage)).collect();
    stage.wish("1.3.0");
    let _operator = stage.operator();
    stage.settled_on("1.3.0").await;
    // Before the first release nobody answered.
    for one in &entrances {
        stage.emulator.with(|world| traffic::stop(world, one.users));
    }
    let again =
        |one: Entrance| Entrance::new(&stage, &one.listener, one.target, one.host, one.path);
    let entrances: Vec<Entrance> = entrances.into_iter().map(again).collect();
    stage.wish("1.4.0");
    stage.settled_on("1.4.0").await;
    for (one, before) in entrances.iter().zip(before) {
        let after = one.actions(&stage);
        let rest = |actions: &[Value]| actions[..actions.len() - 1].to_vec();
        assert_eq!(rest(&after), rest(&before), "{}", one.target);
        let forward = after.last().unwrap();
        assert_eq!(forward["Order"], before.last().unwrap()["Order"]);
        let weights: Vec<&Value> = forward["ForwardConfig"]["TargetGroups"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| &one["Weight"])
            .collect();
        assert_eq!(weights, [&json!(0), &json!(100)], "{}", one.target);
        let users = stage
            .emulator
            .with(|world| traffic::report(world, one.users).cloned())
            .unwrap();
        assert!(users.requests > 100, "{users:?}");
        assert_eq!(users.failed, 0, "{}: {users:?}", one.target);
    }
}

/// Tests come by the users' own listener, and are told from users by a header: the rule that asks for it goes before.
#[tokio::test(start_paused = true)]
async fn a_test_route_may_be_a_rule_that_asks_for_a_header() {
    let mut stage = Stage::new();
    let condition = json!({"Field": "http-header", "HttpHeaderConfig": {"HttpHeaderName": "X-Blog-Test", "Values": ["green"]}});
    let input = json!({
        "ListenerArn": stage.listeners[0], "Priority": 5, "Conditions": [condition],
        "Actions": [{"Type": "forward", "TargetGroupArn": stage.groups[0]}],
    });
    let made = stage.person(Service::Elbv2, "CreateRule", input);
    let rule = made["Rules"][0]["RuleArn"].clone();
    let mut spec = stage.spec();
    let route = &mut spec["spec"]["traffic"]["routes"][0];
    route["test"] = json!([{"rule": rule}, {"listener": stage.listeners[1]}]);
    spec["spec"]["gates"] = json!({"smoke": {
        "http": {"url": "http://blog.example:8080/", "headers": {"x-blog-test": "green"}, "expect": {"status": 200}},
        "attempts": 2, "every": "5s",
    }});
    stage.put("spec", &spec.to_string());
    stage.wish("1.3.0");
    let wire = Wire::new(&stage.emulator);
    let _operator = Operator::start_over(&wire, &stage.emulator, Loop::default(), true);
    stage.settled_on("1.3.0").await;
    stage.open(20.0);

    // Well by its health checks, and wrong to whoever asks: only the gate can tell, and only by reaching green.
    let bad = Behaviour {
        error_share: 1.0,
        ..Behaviour::default()
    };
    stage.behave("1.4.0", bad);
    stage.wish("1.4.0");
    stage.rejected_back_to("1.3.0").await;
    let reason = stage.get("status")["rejected"]["reason"].to_string();
    assert!(reason.contains("gate smoke failed"), "{reason}");
    stage.wish("1.4.1");
    stage.settled_on("1.4.1").await;
    let asked = wire.visits();
    assert_eq!(asked.len(), 3, "{asked:?}");
    let users = stage.users();
    assert!(users.requests > 100, "{users:?}");
    assert_eq!(users.failed, 0, "{users:?}");
    assert!(
        users.images.keys().all(|image| !image.ends_with(":1.4.0")),
        "{users:?}"
    );
}
