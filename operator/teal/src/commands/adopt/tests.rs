//! `teal adopt` against an emulated AWS, through the SDK: what it says, what it changes, and what it refuses.

#![cfg(feature = "emulator")]

use std::time::Duration;

use aws::{CallMetrics, Connection, Names};
use crd_schema::application::{Route, RuleTarget, TargetGroups};
use crd_schema::{Desired, ListenerArn, RuleArn, TargetGroupArn};
use emulator::api::Service;
use emulator::faults::{Effect, Fault, FaultSettings, When};
use emulator::seed::Seed;
use emulator::world::behaviour::Behaviour;
use emulator::world::{Settings, TaskMode};
use planner::adoption::Candidate;
use prometheus::Registry;
use serde_json::{Map, Value, json};

use super::{asked, run};
use crate::cli;
use crate::connect::Aws;
use crate::emulate::Local;
use crate::failure::Failure;

const SEED: &str = include_str!("../../../../../emulator/seeds/blog.json");
const BLOG: &str = include_str!("../../../../../manifests/examples/blog-minimal.yaml");
const IMAGE: &str = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/blog:1.3.0";

/// The blog as somebody else made it, behind a socket.
struct Stage {
    local: Local,
    aws: Aws,
    groups: [String; 2],
    listener: String,
}

impl Stage {
    async fn new(pace: f64) -> Self {
        // The application starts at once: what it takes for that does not pass faster.
        let default_behaviour = Behaviour {
            start_ms: 0,
            latency_ms: 0,
            ..Behaviour::default()
        };
        let settings = Settings {
            tasks: TaskMode::Modelled,
            default_behaviour,
            ..Settings::default()
        }
        .scaled(pace);
        let address = "127.0.0.1:0".parse().unwrap();
        let local = Local::start(settings, address).await.unwrap();
        Seed::parse(SEED).unwrap().plant(&local.emulator).unwrap();
        let metrics = CallMetrics::new(&Registry::new()).unwrap();
        let settings = aws::Settings {
            share: 1.0,
            ..aws::Settings::default()
        };
        let endpoint = format!("http://{}", local.address);
        let aws = Aws {
            connection: Connection::local(&endpoint, &settings, metrics),
            names: Names::new(&["/teal/apps".to_owned()]),
        };
        let call = |operation: &str, input: Value| {
            let answer = local.emulator.call(Service::Elbv2, operation, input);
            answer.unwrap()
        };
        let read = call(
            "DescribeTargetGroups",
            json!({"Names": ["blog-a", "blog-b"]}),
        );
        let group = |n: usize| {
            read["TargetGroups"][n]["TargetGroupArn"]
                .as_str()
                .unwrap()
                .to_owned()
        };
        let groups = [group(0), group(1)];
        let balancer = &read["TargetGroups"][0]["LoadBalancerArns"][0];
        let listeners = call("DescribeListeners", json!({"LoadBalancerArn": balancer}));
        let mut all = listeners["Listeners"].as_array().unwrap().iter();
        let production = all.find(|one| one["Port"] == 8080).unwrap();
        let listener = production["ListenerArn"].as_str().unwrap().to_owned();
        let stage = Self {
            local,
            aws,
            groups,
            listener,
        };
        stage.service(2).await;
        stage
    }

    fn call(&self, service: Service, operation: &str, input: Value) -> Value {
        let answer = self.local.emulator.call(service, operation, input);
        answer.unwrap_or_else(|refusal| panic!("{operation}: {refusal}"))
    }

    async fn service(&self, count: usize) {
        let web = json!({"name": "web", "image": IMAGE, "essential": true, "portMappings": [{"containerPort": 8080}, {"containerPort": 9000}]});
        let definition = json!({
            "family": "blog", "networkMode": "awsvpc", "requiresCompatibilities": ["FARGATE"], "cpu": "256", "memory": "512",
            "containerDefinitions": [web],
        });
        self.call(Service::Ecs, "RegisterTaskDefinition", definition);
        let input = json!({
            "cluster": "prod", "serviceName": "old-blog", "taskDefinition": "blog", "desiredCount": count, "launchType": "FARGATE",
            "loadBalancers": [{"targetGroupArn": self.groups[0], "containerName": "web", "containerPort": 8080}],
            "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-0a0a0a0a0a0a0a0a0"]}},
            "tags": [
                {"key": "aws:cloudformation:stack-name", "value": "blog-prod"},
                {"key": "aws:cloudformation:logical-id", "value": "BlogService"},
            ],
        });
        self.call(Service::Ecs, "CreateService", input);
    }

    /// Binds the service to a second group too, of a load balancer of its own.
    fn second_route(&self) {
        let elb = |operation: &str, input: Value| self.call(Service::Elbv2, operation, input);
        let subnets = ["subnet-0a0a0a0a0a0a0a0a0", "subnet-0b0b0b0b0b0b0b0b0"];
        let input = json!({"Name": "office", "Scheme": "internal", "Subnets": subnets});
        let made = elb("CreateLoadBalancer", input);
        let balancer = &made["LoadBalancers"][0]["LoadBalancerArn"];
        let input = json!({"Name": "office-a", "TargetType": "ip", "Protocol": "HTTP", "Port": 9000,
            "VpcId": "vpc-0e0e0e0e0e0e0e0e0", "HealthCheckPath": "/health"});
        let made = elb("CreateTargetGroup", input);
        let group = &made["TargetGroups"][0]["TargetGroupArn"];
        let forward = json!([{"Type": "forward", "TargetGroupArn": group}]);
        let input = json!({"LoadBalancerArn": balancer, "Protocol": "HTTP", "Port": 8443, "DefaultActions": forward});
        elb("CreateListener", input);
        let bound = json!([
            {"targetGroupArn": self.groups[0], "containerName": "web", "containerPort": 8080},
            {"targetGroupArn": group, "containerName": "web", "containerPort": 9000},
        ]);
        let input = json!({"cluster": "prod", "service": "old-blog", "loadBalancers": bound});
        self.call(Service::Ecs, "UpdateService", input);
    }

    /// Its tasks are up and its deployment has ended.
    async fn steady(&self) {
        let began = std::time::Instant::now();
        while began.elapsed() < Duration::from_secs(30) {
            let input = json!({"cluster": "prod", "services": ["old-blog"]});
            let read = self.call(Service::Ecs, "DescribeServices", input);
            let health = json!({"TargetGroupArn": self.groups[0]});
            let health = self.call(Service::Elbv2, "DescribeTargetHealth", health);
            let health = health["TargetHealthDescriptions"]
                .as_array()
                .unwrap()
                .clone();
            let well = health
                .iter()
                .all(|one| one["TargetHealth"]["State"] == "healthy");
            let done = read["services"][0]["deployments"][0]["rolloutState"] == "COMPLETED";
            if well && done && health.len() == 2 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("the service is not steady");
    }

    fn apply(&self, change: impl Fn(&mut Value)) {
        let mut spec = json!({
            "apiVersion": "teal/v1alpha1", "kind": "Application", "metadata": {"name": "blog"},
            "spec": {
                "cluster": "prod",
                "template": {
                    "taskDefinition": "blog",
                    "images": {"web": "123456789012.dkr.ecr.eu-west-1.amazonaws.com/blog:{version}"},
                    "service": {"desiredCount": 2, "launchType": "FARGATE"},
                },
                "traffic": {"routes": [{
                    "container": "web", "port": 8080, "targetGroups": {"pair": self.groups},
                    "production": [{"listener": self.listener}],
                }]},
            },
        });
        change(&mut spec["spec"]);
        let input = json!({"Name": "/teal/apps/blog/spec", "Value": spec.to_string(), "Type": "String", "Overwrite": true});
        self.call(Service::Ssm, "PutParameter", input);
    }

    fn tags(&self) -> usize {
        let input = json!({"cluster": "prod", "services": ["old-blog"], "include": ["TAGS"]});
        let read = self.call(Service::Ecs, "DescribeServices", input);
        let tags = read["services"][0]["tags"].as_array().unwrap().iter();
        let ours = |tag: &&Value| tag["key"].as_str().unwrap().starts_with("teal:");
        tags.filter(ours).count()
    }

    async fn adopt(&self, change: impl Fn(&mut cli::Adopt)) -> Result<String, String> {
        let mut arguments = cli::Adopt {
            application: "blog".to_owned(),
            service: None,
            cluster: None,
            version: None,
            create_group: false,
            dry_run: false,
        };
        change(&mut arguments);
        let asked: Result<Option<Desired>, Failure> = asked(&arguments);
        let done = match asked {
            Ok(asked) => run(&self.aws, &arguments, asked.as_ref()).await,
            Err(failure) => Err(failure),
        };
        let told = |failure: Failure| format!("exit {}\n{failure}", failure.exit as u8);
        done.map(|(_, text)| text).map_err(told)
    }
}

#[tokio::test]
async fn it_says_what_it_does_and_what_is_to_be_done() {
    let stage = Stage::new(100.0).await;
    stage.apply(|_| {});
    stage.steady().await;
    let dry = stage.adopt(|asked| asked.dry_run = true).await.unwrap();
    assert!(dry.contains("nothing was changed"), "{dry}");
    assert_eq!(stage.tags(), 0);
    let text = stage.adopt(|_| {}).await.unwrap();
    assert_eq!(stage.tags(), 6);
    // The generation says when the service was created.
    let generation = text
        .lines()
        .find(|line| line.contains("teal:generation"))
        .unwrap();
    insta::assert_snapshot!(
        "adopted",
        text.replace(generation, "        teal:generation=…")
    );
    let again = stage.adopt(|_| {}).await.unwrap();
    assert!(again.contains("is blue already"), "{again}");
}

#[tokio::test]
async fn what_it_refuses_has_a_reason_and_a_remedy() {
    let stage = Stage::new(100.0).await;
    let mut told = Vec::new();
    let mut refused = async |title: &str, change: &dyn Fn(&mut cli::Adopt)| {
        let failure = stage.adopt(change).await.unwrap_err();
        told.push(format!("## {title}\n{failure}"));
    };
    refused("no spec, and no service", &|_| {}).await;
    refused("a name that is none", &|asked| {
        asked.application = "Blog".to_owned()
    })
    .await;
    refused("a version that is none", &|asked| {
        asked.version = Some("1 .3".to_owned())
    })
    .await;
    stage.apply(|_| {});
    refused("no such service", &|asked| {
        asked.service = Some("blgo".to_owned())
    })
    .await;
    refused("another cluster", &|asked| {
        asked.service = Some("arn:aws:ecs:eu-west-1:123456789012:service/test/old-blog".to_owned());
    })
    .await;
    stage.steady().await;
    refused("another version", &|asked| {
        asked.version = Some("1.4.0".to_owned())
    })
    .await;
    stage.apply(|spec| spec["template"]["images"]["web"] = json!("shop:{version}"));
    refused("an image that tells no version of the spec's", &|_| {}).await;
    stage.apply(|spec| spec["traffic"]["routes"][0]["port"] = json!(9090));
    refused("another port", &|_| {}).await;
    stage.apply(|spec| {
        let pair = [
            stage.groups[1].clone(),
            stage.groups[0].replace("blog-a", "blog-c"),
        ];
        spec["traffic"]["routes"][0]["targetGroups"]["pair"] = json!(pair);
    });
    refused("a group that is not there", &|asked| {
        asked.service = Some("old-blog".to_owned())
    })
    .await;
    stage.apply(|_| {});
    let denied = Fault {
        service: Some(Service::Ecs),
        operation: Some("TagResource".to_owned()),
        when: When::Always,
        effect: Effect::AccessDenied,
    };
    let plan = vec![denied];
    stage.local.emulator.faults().set(FaultSettings {
        plan,
        ..FaultSettings::default()
    });
    refused("a tag that is denied", &|_| {}).await;
    assert_eq!(stage.tags(), 0, "nothing was written");
    insta::assert_snapshot!("refused", told.join("\n\n"));
}

#[tokio::test]
async fn before_there_is_a_spec_it_says_what_is_missing_and_makes_the_second_group() {
    let stage = Stage::new(100.0).await;
    let single = json!([{"Type": "forward", "TargetGroupArn": stage.groups[0]}]);
    let input = json!({"ListenerArn": stage.listener, "DefaultActions": single});
    stage.call(Service::Elbv2, "ModifyListener", input);
    let bound = |asked: &mut cli::Adopt| {
        asked.cluster = Some("prod".to_owned());
        asked.service = Some("old-blog".to_owned());
    };
    let forward = || {
        let read = stage.call(
            Service::Elbv2,
            "DescribeListeners",
            json!({"ListenerArns": [stage.listener]}),
        );
        read["Listeners"][0]["DefaultActions"][0]["ForwardConfig"]["TargetGroups"].clone()
    };
    // Once the service is through its deployment.
    let early = stage.adopt(bound).await.unwrap_err();
    assert!(early.contains("is being deployed now"), "{early}");
    stage.steady().await;
    let text = stage.adopt(bound).await.unwrap();
    insta::assert_snapshot!("before_a_spec", text);
    assert_eq!(forward().as_array().unwrap().len(), 1, "it was only said");
    // blog-b is there in this account, with the same settings: it is taken.
    let made = stage
        .adopt(|asked| {
            bound(asked);
            asked.create_group = true;
        })
        .await
        .unwrap();
    assert!(
        made.contains("blog-b") && made.contains("at weight 0"),
        "{made}"
    );
    let named = forward();
    let weights: Vec<&Value> = named
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["Weight"])
        .collect();
    assert_eq!(weights, [&json!(1), &json!(0)], "{named}");
    let again = stage.adopt(bound).await.unwrap();
    assert!(again.contains("at weight 0"), "{again}");
}

/// The first one's is there: it is named, and the other one's is made.
#[tokio::test]
async fn of_two_groups_each_gets_its_second() {
    let stage = Stage::new(100.0).await;
    stage.second_route();
    stage.steady().await;
    let bound = |asked: &mut cli::Adopt| {
        asked.cluster = Some("prod".to_owned());
        asked.service = Some("old-blog".to_owned());
    };
    let text = stage.adopt(bound).await.unwrap();
    insta::assert_snapshot!("before_a_spec_of_two_routes", text);
    let create = |asked: &mut cli::Adopt| {
        bound(asked);
        asked.create_group = true;
    };
    for _ in 0..2 {
        let made = stage.adopt(create).await.unwrap();
        assert_eq!(made.matches("at weight 0").count(), 2, "{made}");
        assert!(made.contains("office-b"), "{made}");
    }
}

#[test]
fn whoever_made_it_is_told_how_to_let_go() {
    let service = json!({
        "serviceArn": "arn:aws:ecs:eu-west-1:123456789012:service/prod/blog-web", "serviceName": "blog-web",
        "createdAt": 0, "desiredCount": 2, "runningCount": 2,
    });
    let candidate = Candidate::read(service.as_object().unwrap(), &Map::new()).unwrap();
    let base = "arn:aws:elasticloadbalancing:eu-west-1:123456789012";
    let listener = ListenerArn::new(format!("{base}:listener/app/prod/1/2"));
    let rule = RuleArn::new(format!("{base}:listener-rule/app/prod/1/2/3"));
    let group = |name: &str| TargetGroupArn::new(format!("{base}:targetgroup/{name}/1"));
    let route = Route {
        container: "web".to_owned(),
        port: 8080,
        groups: TargetGroups::Pair([group("blog-a"), group("blog-b")]),
        production: vec![RuleTarget::Listener(listener)],
        test: vec![RuleTarget::Rule(rule)],
    };
    let mut spec = crd_schema::spec::load(BLOG, "blog.yaml").unwrap();
    spec.routes = vec![route];
    insta::assert_snapshot!("moves", super::moves::out_of_code(&candidate, &spec));
}
