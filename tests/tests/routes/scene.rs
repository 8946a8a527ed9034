//! The blog with a second route: its back office, another container at another port, behind an internal load balancer.

use std::time::Duration;

use emulator::api::Service;
use emulator::world::Settings;
use emulator::world::behaviour::Behaviour;
use emulator::world::traffic::{self, Stream};
use serde_json::{Value, json};
use tests::{Operator, Stage};

pub(crate) const LONG: Duration = Duration::from_secs(3_600);
const OFFICE: &str = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/office";

/// The stage, and the second route.
pub(crate) struct Scene {
    pub(crate) stage: Stage,
    /// Target groups of the second route.
    pub(crate) groups: [String; 2],
    /// Its listener.
    pub(crate) listener: String,
    /// The Application with both routes.
    pub(crate) spec: Value,
    pub(crate) operator: Option<Operator>,
    users: Option<usize>,
}

impl Scene {
    /// Nothing is released yet, and no operator runs.
    pub(crate) fn empty(change: impl Fn(&mut Value)) -> Self {
        let stage = Stage::with(Settings::default(), |spec| spec);
        let elb = |operation: &str, input: Value| stage.person(Service::Elbv2, operation, input);
        let made = elb(
            "CreateLoadBalancer",
            json!({"Name": "office", "Type": "application", "Scheme": "internal",
                "Subnets": ["subnet-0a0a0a0a0a0a0a0a0", "subnet-0b0b0b0b0b0b0b0b0"]}),
        );
        let balancer = text(&made["LoadBalancers"][0]["LoadBalancerArn"]);
        let groups = ["office-a", "office-b"].map(|name| {
            let made = elb(
                "CreateTargetGroup",
                json!({"Name": name, "TargetType": "ip", "Protocol": "HTTP", "Port": 9000,
                    "VpcId": "vpc-0e0e0e0e0e0e0e0e0", "HealthCheckPath": "/health",
                    "HealthCheckIntervalSeconds": 5, "HealthCheckTimeoutSeconds": 2,
                    "HealthyThresholdCount": 2, "UnhealthyThresholdCount": 2}),
            );
            let group = text(&made["TargetGroups"][0]["TargetGroupArn"]);
            let delay = json!([{"Key": "deregistration_delay.timeout_seconds", "Value": "20"}]);
            let input = json!({"TargetGroupArn": group, "Attributes": delay});
            elb("ModifyTargetGroupAttributes", input);
            group
        });
        let forward = json!({"Type": "forward", "TargetGroupArn": groups[0]});
        let made = elb(
            "CreateListener",
            json!({"LoadBalancerArn": balancer, "Protocol": "HTTP", "Port": 8443, "DefaultActions": [forward]}),
        );
        let listener = text(&made["Listeners"][0]["ListenerArn"]);
        let input = json!({"taskDefinition": "blog"});
        let base = stage.person(Service::Ecs, "DescribeTaskDefinition", input);
        let mut base = base["taskDefinition"].clone();
        let office = json!({"name": "office", "image": "office:base", "essential": true,
            "portMappings": [{"containerPort": 9000, "protocol": "tcp"}], "stopTimeout": 10});
        base["containerDefinitions"]
            .as_array_mut()
            .unwrap()
            .push(office);
        let members = [
            "family",
            "networkMode",
            "requiresCompatibilities",
            "cpu",
            "memory",
            "containerDefinitions",
        ];
        let base: serde_json::Map<_, _> = members
            .iter()
            .map(|member| ((*member).to_owned(), base[member].clone()))
            .collect();
        stage.person(Service::Ecs, "RegisterTaskDefinition", base.into());
        let mut spec = stage.spec();
        spec["spec"]["template"]["images"]["office"] = format!("{OFFICE}:{{version}}").into();
        let route = json!({"container": "office", "port": 9000, "targetGroups": {"pair": groups},
            "production": [{"listener": listener}]});
        spec["spec"]["traffic"]["routes"]
            .as_array_mut()
            .unwrap()
            .push(route);
        change(&mut spec["spec"]);
        stage.put("spec", &spec.to_string());
        Self {
            stage,
            groups,
            listener,
            spec,
            operator: None,
            users: None,
        }
    }

    /// 1.3.0 serves on both routes, with users on both.
    pub(crate) async fn with(change: impl Fn(&mut Value)) -> Self {
        let mut scene = Self::empty(change);
        scene.stage.wish("1.3.0");
        scene.operator = Some(scene.stage.operator());
        scene.stage.settled_on("1.3.0").await;
        scene.open();
        scene
    }

    /// Users begin, on both listeners.
    pub(crate) fn open(&mut self) {
        self.stage.open(20.0);
        let stream = Stream {
            listener_arn: self.listener.clone(),
            per_second: 20.0,
            host: "office.example".to_owned(),
            path: "/".to_owned(),
            headers: Vec::new(),
            until: None,
            seed: 13,
        };
        let start = |world: &mut _| traffic::start(world, stream);
        self.users = Some(self.stage.emulator.with(start));
    }

    /// What the users of the second route saw.
    pub(crate) fn office_users(&self) -> traffic::Report {
        let users = self.users.expect("open() was called");
        let emulator = &self.stage.emulator;
        let report = emulator.with(|world| traffic::report(world, users).cloned());
        report.expect("the stream")
    }

    pub(crate) fn nobody_lost_a_request(&self) {
        for users in [self.stage.users(), self.office_users()] {
            assert!(users.requests > 100, "users were there: {users:?}");
            assert_eq!(users.failed, 0, "{users:?}");
        }
    }

    /// Nobody on either route ever saw this version.
    pub(crate) fn nobody_saw(&self, version: &str) {
        for users in [self.stage.users(), self.office_users()] {
            let mut seen = users.images.keys();
            assert!(!seen.any(|image| image.ends_with(version)), "{users:?}");
        }
    }

    /// Weights of the second route's listener.
    pub(crate) fn weights(&self) -> [Option<u64>; 2] {
        let input = json!({"ListenerArns": [self.listener]});
        let read = self
            .stage
            .person(Service::Elbv2, "DescribeListeners", input);
        let forward = &read["Listeners"][0]["DefaultActions"][0]["ForwardConfig"];
        let tuples = forward["TargetGroups"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        [0, 1].map(|side| {
            let mut named = tuples.iter();
            let named = named.find(|tuple| tuple["TargetGroupArn"] == self.groups[side].as_str());
            named.map(|tuple| tuple["Weight"].as_u64().unwrap_or(1))
        })
    }

    /// Weights of both production listeners.
    pub(crate) fn both(&self) -> [[Option<u64>; 2]; 2] {
        [self.stage.weights(0), self.weights()]
    }

    /// Sets the weights of the second route's listener, as a person does.
    pub(crate) fn set_weights(&self, weights: &[(&String, u64)]) {
        let tuple =
            |(group, weight): &(&String, u64)| json!({"TargetGroupArn": group, "Weight": weight});
        let tuples: Vec<Value> = weights.iter().map(tuple).collect();
        let actions = json!([{"Type": "forward", "ForwardConfig": {"TargetGroups": tuples}}]);
        let input = json!({"ListenerArn": self.listener, "DefaultActions": actions});
        self.stage.person(Service::Elbv2, "ModifyListener", input);
    }

    /// What the second route's container of this version does.
    pub(crate) fn office_behaves(&self, version: &str, behaviour: Behaviour) {
        self.stage.emulator.with(|world| {
            let image = format!("{OFFICE}:{version}");
            world.settings.behaviours.insert(image, behaviour)
        });
    }

    pub(crate) async fn waits(&self, reason: &str) {
        let there = |stage: &Stage| stage.get("status")["waitingOn"]["reason"] == reason;
        self.stage.until(reason, LONG, there).await;
    }

    pub(crate) fn message(&self) -> String {
        text(&self.stage.get("status")["waitingOn"]["message"])
    }

    pub(crate) fn promote(&self) {
        let status = self.stage.get("status");
        let intent =
            json!({"rollout": status["rollout"], "step": status["step"]["index"], "full": false});
        self.stage.put("intents/promote", &intent.to_string());
    }

    /// Groups and ports of the one service, in their order.
    pub(crate) fn bound(&self) -> Value {
        let services = self.stage.services();
        assert_eq!(services.len(), 1, "{}", self.stage.picture());
        services[0]["loadBalancers"].clone()
    }

    /// What it is bound to on this side.
    pub(crate) fn of_side(&self, side: usize) -> Value {
        json!([
            {"targetGroupArn": self.stage.groups[side], "containerName": "web", "containerPort": 8080},
            {"targetGroupArn": self.groups[side], "containerName": "office", "containerPort": 9000},
        ])
    }
}

pub(crate) fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}
