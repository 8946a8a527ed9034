//! `teal init` against an emulated AWS, through the SDK, and against answers that the emulator does not give.

#![cfg(feature = "emulator")]

mod rolling;
mod routes;

use aws::survey::{Group, Place, Survey};
use aws::{CallMetrics, Connection};
use crd_schema::application::{RuleTarget, TargetGroups};
use crd_schema::record::Stage;
use crd_schema::{ApplicationName, GateName, ListenerArn, RuleArn, TargetGroupArn};
use emulator::Emulator;
use emulator::api::Service;
use emulator::seed::Seed;
use emulator::world::{Settings, TaskMode};
use planner::world::Action;
use prometheus::Registry;
use serde_json::{Map, Value, json};

use super::appspec::Told;
use super::draft::Draft;
use super::members::Described;
use super::service::{Asked, Binding, Seen, balancer, bindings, compose, draft};
use super::source::Source;
use super::traffic::Route;
use crate::cli::Strategy;
use crate::emulate::Local;
use crate::failure::{Exit, Failure};

const SEED: &str = include_str!("../../../../../emulator/seeds/blog.json");
const REGION: &str = "arn:aws:elasticloadbalancing:eu-west-1:123456789012";

/// The blog's cluster, load balancer and groups, over a socket.
struct World {
    local: Local,
    survey: Survey,
}

impl World {
    async fn new() -> Self {
        let settings = Settings {
            tasks: TaskMode::Modelled,
            ..Settings::default()
        };
        let local = Local::start(settings, "127.0.0.1:0".parse().unwrap())
            .await
            .unwrap();
        Seed::parse(SEED).unwrap().plant(&local.emulator).unwrap();
        let endpoint = format!("http://{}", local.address);
        let metrics = CallMetrics::new(&Registry::new()).unwrap();
        let settings = aws::Settings {
            share: 1.0,
            ..aws::Settings::default()
        };
        let connection = Connection::local(&endpoint, &settings, metrics);
        Self {
            local,
            survey: Survey::new(&connection),
        }
    }

    fn call(&self, service: Service, operation: &str, input: Value) -> Value {
        let answer = self.local.emulator.call(service, operation, input);
        answer.unwrap_or_else(|refusal| panic!("{operation}: {refusal}"))
    }

    fn groups(&self) -> [Value; 2] {
        let names = json!({"Names": ["blog-a", "blog-b"]});
        let described = self.call(Service::Elbv2, "DescribeTargetGroups", names);
        [0, 1].map(|n| described["TargetGroups"][n].clone())
    }

    /// A service that infrastructure code made, bound to these groups.
    fn create(&self, name: &str, more: Value, groups: &[&Value]) {
        let bindings: Vec<Value> = groups
            .iter()
            .map(|group| json!({"targetGroupArn": group["TargetGroupArn"], "containerName": "web", "containerPort": 8080}))
            .collect();
        let mut input = json!({
            "cluster": "prod", "serviceName": name, "taskDefinition": "blog", "desiredCount": 2, "launchType": "FARGATE",
            "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-0a0a0a0a0a0a0a0a0"], "assignPublicIp": "DISABLED"}},
            "loadBalancers": bindings,
        });
        let more = more.as_object().cloned().unwrap_or_default();
        input.as_object_mut().unwrap().extend(more);
        self.call(Service::Ecs, "CreateService", input);
    }

    async fn draft(&self, cluster: &str, name: &str) -> Result<Draft, Failure> {
        let application = ApplicationName::new("blog");
        draft(&self.survey, asked(&application, cluster, name, None)).await
    }

    /// The same, of what is to be updated in place.
    async fn rolling(&self, name: &str) -> Result<Draft, Failure> {
        let application = ApplicationName::new("blog");
        let rolling = Some(Strategy::Rolling);
        draft(&self.survey, asked(&application, "prod", name, rolling)).await
    }

    /// A listener of the blog's load balancer.
    fn listener(&self, port: u16) -> Value {
        let named = json!({"Names": ["blog"]});
        let balancers = self.call(Service::Elbv2, "DescribeLoadBalancers", named);
        let balancer = &balancers["LoadBalancers"][0]["LoadBalancerArn"];
        let input = json!({"LoadBalancerArn": balancer});
        let listeners = self.call(Service::Elbv2, "DescribeListeners", input);
        let mut all = listeners["Listeners"].as_array().unwrap().iter();
        all.find(|one| one["Port"] == port).unwrap()["ListenerArn"].clone()
    }

    /// It forwards there, and nowhere else.
    fn let_forward(&self, listener: &Value, group: &Value) {
        let forward = json!([{"Type": "forward", "TargetGroupArn": group["TargetGroupArn"]}]);
        let input = json!({"ListenerArn": listener, "DefaultActions": forward});
        self.call(Service::Elbv2, "ModifyListener", input);
    }

    async fn fails(&self, cluster: &str, name: &str) -> (Exit, String) {
        let failure = self.draft(cluster, name).await.map(drop).unwrap_err();
        (failure.exit, failure.to_string())
    }
}

fn asked<'a>(
    application: &'a ApplicationName,
    cluster: &'a str,
    name: &'a str,
    strategy: Option<Strategy>,
) -> Asked<'a> {
    Asked {
        application,
        cluster,
        name,
        told: None,
        strategy,
    }
}

/// Hexadecimal numbers of ARNs differ from run to run.
fn same(text: &str, emulator: &Emulator) -> String {
    let listed = |operation, list: &str, member: &str, input| {
        let answer = emulator.call(Service::Elbv2, operation, input).unwrap();
        let all = answer[list].as_array().unwrap().clone();
        all.into_iter()
            .map(move |one| one[member].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let balancers = listed(
        "DescribeLoadBalancers",
        "LoadBalancers",
        "LoadBalancerArn",
        json!({}),
    );
    let mut arns = listed(
        "DescribeTargetGroups",
        "TargetGroups",
        "TargetGroupArn",
        json!({}),
    );
    for balancer in balancers {
        arns.extend(listed(
            "DescribeListeners",
            "Listeners",
            "ListenerArn",
            json!({"LoadBalancerArn": balancer}),
        ));
    }
    let shown = |text: String, (number, arn): (usize, &String)| {
        text.replace(arn, &format!("{REGION}:{number}"))
    };
    arns.iter().enumerate().fold(text.to_owned(), shown)
}

#[tokio::test]
async fn a_service_with_a_pair_needs_nobody() {
    let world = World::new().await;
    let [a, b] = world.groups();
    let more = json!({
        "healthCheckGracePeriodSeconds": 30, "enableExecuteCommand": true, "propagateTags": "SERVICE",
        "tags": [{"key": "team", "value": "web"}],
    });
    world.create("blog", more, &[&a]);
    let mut draft = world.draft("prod", "blog").await.unwrap();
    let text = draft.finish();
    assert_eq!(draft.open(), [""; 0], "{text}");
    let application = crd_schema::spec::load(&text, "drafted").unwrap();
    let pair = [&a, &b].map(|group| TargetGroupArn::new(group["TargetGroupArn"].as_str().unwrap()));
    assert_eq!(application.target_groups(), Some(&TargetGroups::Pair(pair)));
    assert_eq!(application.production().count(), 2);
    insta::assert_snapshot!("pair", same(&text, &world.local.emulator));
    world.local.stop().await;
}

#[tokio::test]
async fn a_service_without_a_load_balancer_is_a_worker() {
    let world = World::new().await;
    let more = json!({"tags": [{"key": "team", "value": "mail"}]});
    world.create("bare", more, &[]);
    let mut draft = world.draft("prod", "bare").await.unwrap();
    let text = draft.finish();
    assert_eq!(draft.open(), [""; 0], "{text}");
    let application = crd_schema::spec::load(&text, "drafted").unwrap();
    assert!(application.is_worker());
    insta::assert_snapshot!("worker", same(&text, &world.local.emulator));
    world.local.stop().await;
}

#[tokio::test]
async fn without_a_second_group_a_person_makes_one() {
    let world = World::new().await;
    let [a, b] = world.groups();
    let production = &world.listener(8080);
    world.let_forward(production, &a);
    let forward = json!([{"Type": "forward", "TargetGroupArn": a["TargetGroupArn"]}]);
    let rule = json!({
        "ListenerArn": production, "Priority": 10, "Actions": forward,
        "Conditions": [{"Field": "path-pattern", "Values": ["/blog/*", "/b"]}],
    });
    world.call(Service::Elbv2, "CreateRule", rule);
    world.create("blog", json!({}), &[&a]);
    let mut draft = world.draft("prod", "blog").await.unwrap();
    let text = draft.finish();
    assert_eq!(draft.open().len(), 1, "{text}");
    assert!(
        text.contains("HTTP:8080, rule 10: path-pattern /blog/* or /b"),
        "{text}"
    );
    assert!(
        text.contains("aws elbv2 create-target-group --name blog-b "),
        "{text}"
    );
    let refused = crd_schema::spec::load(&text, "drafted").unwrap_err();
    assert_eq!(
        refused.problems[0].path,
        "spec.traffic.routes[0].targetGroups.pair[1]"
    );
    let done = text.replace(
        "- null",
        &format!("- {}", b["TargetGroupArn"].as_str().unwrap()),
    );
    crd_schema::spec::load(&done, "drafted").unwrap_or_else(|invalid| panic!("{invalid}"));
    world.local.stop().await;
}

/// AWS knows what CodeDeploy was not told, and the other way round.
#[tokio::test]
async fn beside_an_appspec_nothing_is_left() {
    let world = World::new().await;
    let [a, b] = world.groups();
    let listener = |port: u16| world.listener(port);
    for port in [8080, 9080] {
        world.let_forward(&listener(port), &b);
    }
    world.create("blog", json!({}), &[&b]);
    let appspec = json!({
        "Resources": [{"TargetService": {"Type": "AWS::ECS::Service", "Properties": {
            "TaskDefinition": "blog:1", "LoadBalancerInfo": {"ContainerName": "web", "ContainerPort": 8080},
        }}}],
        "Hooks": [{"AfterInstall": "smoke"}],
    });
    let group = json!({"deploymentGroupInfo": {
        "deploymentConfigName": "CodeDeployDefault.ECSLinear10PercentEvery1Minutes",
        "ecsServices": [{"clusterName": "prod", "serviceName": "blog"}],
        "loadBalancerInfo": {"targetGroupPairInfoList": [{
            "targetGroups": [{"name": "blog-a"}, {"name": "blog-b"}],
            "prodTrafficRoute": {"listenerArns": [listener(8080)]}, "testTrafficRoute": {"listenerArns": [listener(9080)]},
        }]},
        "blueGreenDeploymentConfiguration": {"terminateBlueInstancesOnDeploymentSuccess": {"terminationWaitTimeInMinutes": 5}},
    }});
    let source = |value: Value| Source {
        name: "given".into(),
        text: value.to_string(),
    };
    let told = Told::read(&source(appspec), Some(&source(group))).unwrap();
    let name = ApplicationName::new("blog");
    let asked = Asked {
        told: Some(&told),
        ..asked(&name, "prod", "blog", None)
    };
    let mut drafted = draft(&world.survey, asked).await.unwrap();
    let text = drafted.finish();
    assert!(drafted.open().is_empty(), "{text}");
    let application =
        crd_schema::spec::load(&text, "drafted").unwrap_or_else(|invalid| panic!("{invalid}"));
    let pair = [&b, &a].map(|group| TargetGroupArn::new(group["TargetGroupArn"].as_str().unwrap()));
    assert_eq!(application.target_groups(), Some(&TargetGroups::Pair(pair)));
    let target = |port| RuleTarget::Listener(ListenerArn::new(listener(port).as_str().unwrap()));
    assert!(application.production().eq([&target(8080)]));
    assert!(application.test().eq([&target(9080)]));
    assert_eq!(application.strategy.steps.len(), 18);
    assert_eq!(application.bake_time, std::time::Duration::from_secs(300));
    let gate = &application.gates[&GateName::new("after-install")];
    assert_eq!(gate.before, Some(Stage::Validate));
    assert_eq!(gate.check.kind(), "lambda");
    world.local.stop().await;
}

#[tokio::test]
async fn what_cannot_be_released_is_told_with_its_reason() {
    let world = World::new().await;
    let [a, b] = world.groups();
    world.create("both", json!({}), &[&a, &b]);
    let own = json!({"tags": [{"key": "teal:managed-by", "value": "teal"}, {"key": "teal:application", "value": "shop"}]});
    world.create("own", own, &[&a]);
    for (cluster, name, exit, told) in [
        (
            "prod",
            "nope",
            Exit::NotFound,
            "cluster prod has no service nope",
        ),
        ("test", "blog", Exit::NotFound, "there is no cluster test"),
        ("prod", "both", Exit::Invalid, "a rule belongs to one route"),
        ("prod", "own", Exit::Invalid, "it belongs to shop"),
    ] {
        let (found, message) = world.fails(cluster, name).await;
        assert_eq!(found, exit, "{message}");
        assert!(message.contains(told), "{message}");
    }
    world.local.stop().await;
}

fn object(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

#[test]
fn other_load_balancers_are_named() {
    let classic = object(
        json!({"loadBalancers": [{"loadBalancerName": "old", "containerName": "web", "containerPort": 80}]}),
    );
    let failure = bindings(Described(&classic), "blog").unwrap_err();
    assert!(
        failure.to_string().contains("Classic Load Balancer old"),
        "{failure}"
    );
    for (protocol, balancers, told) in [
        (
            "TCP",
            vec!["net/prod/0"],
            "a Network Load Balancer (target group blog-a speaks TCP)",
        ),
        ("GENEVE", vec!["gwy/prod/0"], "a Gateway Load Balancer"),
        ("HTTP", vec![], "no load balancer forwards to blog-a"),
        ("HTTP", vec!["app/a/0", "app/b/0"], "2 load balancers"),
    ] {
        let balancers = balancers
            .iter()
            .map(|name| format!("{REGION}:loadbalancer/{name}"));
        let group = Group {
            load_balancers: balancers.collect(),
            settings: object(json!({"Protocol": protocol})),
            ..group()
        };
        let failure = balancer(&group, "blog").unwrap_err();
        assert_eq!(failure.exit, Exit::Invalid);
        assert!(failure.to_string().contains(told), "{failure}");
    }
}

fn arn(name: &str) -> TargetGroupArn {
    TargetGroupArn::new(format!("{REGION}:targetgroup/{name}/0000000000000001"))
}

fn group() -> Group {
    group_of(&arn("blog-a"))
}

fn group_of(arn: &TargetGroupArn) -> Group {
    let name = arn.as_str().split('/').nth(1).unwrap();
    Group {
        arn: arn.clone(),
        name: name.into(),
        load_balancers: vec![format!("{REGION}:loadbalancer/app/prod/0000000000000003")],
        settings: object(json!({"Protocol": "HTTP", "Port": 8080})),
    }
}

fn forward(others: &[(&str, u32)], sticky: bool) -> Action {
    Action::Forward {
        weights: [Some(100), None],
        others: others
            .iter()
            .map(|(name, weight)| (arn(name), *weight))
            .collect(),
        sticky,
    }
}

fn place(number: u32, action: Action) -> Place {
    let rule = format!(
        "{REGION}:listener-rule/app/prod/0000000000000003/0000000000000004/000000000000001{number}"
    );
    Place {
        target: RuleTarget::Rule(RuleArn::new(rule.as_str())),
        listener: ListenerArn::new(format!(
            "{REGION}:listener/app/prod/0000000000000003/0000000000000004"
        )),
        rule,
        label: format!("HTTPS:443, rule {number}: path-pattern /{number}"),
        action,
        plain: true,
    }
}

fn seen(service: Value, places: Vec<Place>) -> Seen {
    seen_by_route(service, vec![places])
}

/// The same, with the places of each target group of the service.
fn seen_by_route(service: Value, places: Vec<Vec<Place>>) -> Seen {
    let service = object(service);
    let bindings = bindings(Described(&service), "blog").unwrap();
    let route = |(binding, places): (Binding, Vec<Place>)| Route {
        group: group_of(&binding.group),
        other: binding.alternate.clone(),
        binding,
        places,
    };
    Seen {
        routes: bindings.into_iter().zip(places).map(route).collect(),
        service,
        revision: "blog:41".into(),
        definition: object(json!({"containerDefinitions": [
            {"name": "web", "image": "registry/blog:1.3.0"}, {"name": "envoy", "image": "envoy:v1"},
        ]})),
        scaling: None,
    }
}

fn composed(seen: &Seen) -> (String, Vec<String>) {
    composed_as(seen, None)
}

fn composed_as(seen: &Seen, strategy: Option<Strategy>) -> (String, Vec<String>) {
    let application = ApplicationName::new("blog");
    let mut draft = compose(asked(&application, "prod", "blog", strategy), seen);
    let text = draft.finish();
    (text, draft.open().to_vec())
}

fn bound(more: &Value) -> Value {
    let mut binding =
        json!({"targetGroupArn": arn("blog-a"), "containerName": "web", "containerPort": 8080});
    binding
        .as_object_mut()
        .unwrap()
        .extend(object(more.clone()));
    json!([binding])
}

#[test]
fn where_ecs_moves_traffic_itself_everything_is_known() {
    let [production, test] = [1, 2].map(|number| place(number, forward(&[], false)));
    let default = Place {
        target: RuleTarget::Listener(ListenerArn::new(format!(
            "{REGION}:listener/app/prod/0000000000000003/0000000000000004"
        ))),
        ..production.clone()
    };
    let advanced = json!({"advancedConfiguration": {
        "alternateTargetGroupArn": arn("blog-b"), "productionListenerRule": production.rule, "testListenerRule": test.rule,
        "roleArn": "arn:aws:iam::123456789012:role/ecs",
    }});
    let service = json!({
        "status": "ACTIVE", "desiredCount": 4, "loadBalancers": bound(&advanced),
        "capacityProviderStrategy": [{"capacityProvider": "FARGATE_SPOT", "weight": 1, "base": 0}],
        "deploymentController": {"type": "ECS"},
        "deploymentConfiguration": {
            "strategy": "CANARY", "canaryConfiguration": {"canaryPercent": 5.0, "canaryBakeTimeInMinutes": 10},
            "bakeTimeInMinutes": 15, "maximumPercent": 200, "minimumHealthyPercent": 100,
            "deploymentCircuitBreaker": {"enable": true, "rollback": true},
            "alarms": {"alarmNames": ["blog-5xx"], "enable": true, "rollback": true},
            "lifecycleHooks": [{"hookTargetArn": "arn:aws:lambda:eu-west-1:123456789012:function:smoke"}],
        },
        "deployments": [{"status": "PRIMARY", "serviceConnectConfiguration": {"enabled": true, "namespace": "prod"}}],
    });
    let (text, open) = composed(&seen(service, vec![default, test]));
    assert_eq!(open, [""; 0], "{text}");
    insta::assert_snapshot!("ecs_canary", text);
}

#[test]
fn with_codedeploy_the_live_task_set_knows() {
    let task_set = json!({
        "status": "PRIMARY", "launchType": "FARGATE", "platformVersion": "1.4.0", "loadBalancers": bound(&json!({})),
        "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-1"]}},
    });
    let service = json!({
        "status": "ACTIVE", "desiredCount": 0, "loadBalancers": [], "deploymentController": {"type": "CODE_DEPLOY"},
        "taskSets": [{"status": "DRAINING", "launchType": "EC2"}, task_set],
    });
    let (text, open) = composed(&seen(
        service,
        vec![place(1, forward(&[("blog-b", 0)], false))],
    ));
    assert_eq!(open, [""; 0], "{text}");
    insta::assert_snapshot!("code_deploy", text);
}

#[test]
fn what_teal_cannot_do_is_left_open_by_name() {
    let service = json!({
        "desiredCount": 2, "launchType": "FARGATE", "loadBalancers": bound(&json!({})),
        "serviceRegistries": [{"registryArn": "arn:aws:servicediscovery:eu-west-1:123456789012:service/srv-1"}],
        "deployments": [{"status": "PRIMARY", "serviceConnectConfiguration": {"enabled": true, "services": [{"portName": "http"}]}}],
    });
    let authenticates = Action::Other {
        kinds: "authenticate-oidc, forward".into(),
    };
    let places = vec![
        place(1, forward(&[("legacy", 20)], true)),
        place(2, authenticates),
    ];
    let (text, open) = composed(&seen(service.clone(), places));
    let open = open.join("\n");
    for told in [
        "serviceRegistries",
        "serviceConnectConfiguration.services",
        "stickiness",
        "authenticate-oidc, forward",
        "targetgroup/legacy/",
    ] {
        assert!(open.contains(told), "{told}: {open}");
    }
    assert_eq!(text.matches("# TODO: ").count(), 5, "{text}");
    let (text, open) = composed(&seen(service, Vec::new()));
    assert!(
        open.iter()
            .any(|one| one.contains("no rule forwards to blog-a")),
        "{text}"
    );
}

#[test]
fn a_binding_is_read_whole() {
    let service = object(json!({"loadBalancers": bound(&json!({}))}));
    let expected = Binding {
        group: arn("blog-a"),
        container: "web".into(),
        port: 8080,
        alternate: None,
        test_rule: None,
    };
    assert_eq!(bindings(Described(&service), "blog").unwrap(), [expected]);
}
