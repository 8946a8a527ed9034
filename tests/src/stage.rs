//! The emulated account with the blog's stage, users on its listener, and a person's hands.

use std::time::Duration;

use emulator::Emulator;
use emulator::api::Service;
use emulator::seed::Seed;
use emulator::world::behaviour::Behaviour;
use emulator::world::traffic::{self, Stream};
use emulator::world::{Settings, World, view};
use runtime::controller::Settings as Loop;
use serde_json::{Value, json};

use crate::operator::{LEASES, Operator};

const SEED: &str = include_str!("../../emulator/seeds/blog.json");
/// 1 August 2026.
const EPOCH: u64 = 1_785_542_400_000;
/// Where an image of the blog is.
const REPOSITORY: &str = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/blog";

/// One application, `blog`, its account and its users.
#[derive(Debug)]
pub struct Stage {
    /// The account.
    pub emulator: Emulator,
    /// The pair of target groups.
    pub groups: [String; 2],
    /// Production and test listener.
    pub listeners: [String; 2],
    users: Option<usize>,
}

/// A stage at one instant: an account from which any number of stages go on.
#[derive(Debug, Clone)]
pub struct Snapshot {
    world: World,
    groups: [String; 2],
    listeners: [String; 2],
    users: Option<usize>,
}

/// Weights of both groups in a rule, as the load balancer tells them.
pub type Rule = [Option<u64>; 2];

impl Stage {
    /// Cluster, load balancer, groups, listeners, base task definition and the Application; nothing is released.
    pub fn new() -> Self {
        Self::with(Settings::default(), |spec| spec)
    }

    /// The same with other settings of the world and a changed spec.
    pub fn with(settings: Settings, change: impl Fn(Value) -> Value) -> Self {
        let emulator = Emulator::starting_at(settings, EPOCH);
        Seed::parse(SEED)
            .expect("the seed is valid")
            .plant(&emulator)
            .expect("the seed can be planted");
        let call = |operation: &str, input: Value| {
            emulator
                .call(Service::Elbv2, operation, input)
                .expect(operation)
        };
        let described = call(
            "DescribeTargetGroups",
            json!({"Names": ["blog-a", "blog-b"]}),
        );
        let group = |n: usize| {
            described["TargetGroups"][n]["TargetGroupArn"]
                .as_str()
                .expect("an ARN")
                .to_owned()
        };
        let balancer = described["TargetGroups"][0]["LoadBalancerArns"][0].clone();
        let listeners = call("DescribeListeners", json!({"LoadBalancerArn": balancer}));
        let listener = |port: u64| {
            let all = listeners["Listeners"].as_array().expect("a list");
            let found = all
                .iter()
                .find(|listener| listener["Port"] == port)
                .expect("the listener");
            found["ListenerArn"].as_str().expect("an ARN").to_owned()
        };
        let stage = Self {
            groups: [group(0), group(1)],
            listeners: [listener(8080), listener(9080)],
            emulator,
            users: None,
        };
        stage.put("spec", &change(stage.spec()).to_string());
        stage
    }

    /// The stage as it is now.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            world: self.emulator.with(|world| world.clone()),
            groups: self.groups.clone(),
            listeners: self.listeners.clone(),
            users: self.users,
        }
    }

    /// A stage that goes on from there.
    pub fn resumed(snapshot: &Snapshot) -> Self {
        Self {
            emulator: Emulator::resumed(snapshot.world.clone()),
            groups: snapshot.groups.clone(),
            listeners: snapshot.listeners.clone(),
            users: snapshot.users,
        }
    }

    /// The Application as JSON, with short waits.
    pub fn spec(&self) -> Value {
        json!({
            "apiVersion": "teal/v1alpha1",
            "kind": "Application",
            "metadata": {"name": "blog"},
            "spec": {
                "cluster": "prod",
                "template": {
                    "taskDefinition": "blog",
                    "images": {"web": format!("{REPOSITORY}:{{version}}")},
                    "service": {
                        "desiredCount": 2,
                        "launchType": "FARGATE",
                        "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-0a0a0a0a0a0a0a0a0"]}},
                    },
                },
                "traffic": {"routes": [{
                    "container": "web",
                    "port": 8080,
                    "targetGroups": {"pair": self.groups},
                    "production": [{"listener": self.listeners[0]}],
                    "test": [{"listener": self.listeners[1]}],
                }]},
                "bakeTime": "1m",
                "deadlines": {"scaleUp": "5m"},
            },
        })
    }

    /// Writes one of the blog's parameters.
    pub fn put(&self, leaf: &str, value: &str) {
        self.put_parameter(&format!("/teal/apps/blog/{leaf}"), value);
    }

    /// Writes any parameter.
    pub fn put_parameter(&self, name: &str, value: &str) {
        let input = json!({"Name": name, "Value": value, "Type": "String", "Overwrite": true});
        self.emulator
            .call(Service::Ssm, "PutParameter", input)
            .expect("PutParameter");
    }

    /// Removes one of the blog's parameters.
    pub fn remove(&self, leaf: &str) {
        let input = json!({"Name": format!("/teal/apps/blog/{leaf}")});
        self.emulator
            .call(Service::Ssm, "DeleteParameter", input)
            .expect("DeleteParameter");
    }

    /// One of the blog's parameters, as JSON; null when there is none.
    pub fn get(&self, leaf: &str) -> Value {
        let input = json!({"Name": format!("/teal/apps/blog/{leaf}")});
        let read = self.emulator.call(Service::Ssm, "GetParameter", input);
        let text = read
            .ok()
            .and_then(|read| read["Parameter"]["Value"].as_str().map(str::to_owned));
        text.map_or(Value::Null, |text| {
            serde_json::from_str(&text).unwrap_or(Value::String(text))
        })
    }

    /// The version of one of the blog's parameters; 0 when there is none.
    pub fn version(&self, leaf: &str) -> u64 {
        let input = json!({"Name": format!("/teal/apps/blog/{leaf}")});
        let read = self.emulator.call(Service::Ssm, "GetParameter", input);
        read.ok()
            .and_then(|read| read["Parameter"]["Version"].as_u64())
            .unwrap_or(0)
    }

    /// What the release pipeline does.
    pub fn wish(&self, version: &str) {
        self.put("desired", version);
    }

    /// What a container of this version does from now on; `1.4.0 bin/migrate` means one with that command.
    pub fn behave(&self, version: &str, behaviour: Behaviour) {
        self.emulator.with(|world| {
            world
                .settings
                .behaviours
                .insert(format!("{REPOSITORY}:{version}"), behaviour)
        });
    }

    /// An operator with the default bounds.
    pub fn operator(&self) -> Operator {
        Operator::start(&self.emulator, Loop::default(), true)
    }

    /// The table of the leases, as a person creates it once.
    pub fn create_leases(&self) {
        let table = json!({
            "TableName": LEASES,
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [{"AttributeName": "lease", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "lease", "KeyType": "HASH"}],
        });
        self.person(Service::DynamoDb, "CreateTable", table);
    }

    /// A call as a person makes it, with the AWS CLI.
    pub fn person(&self, service: Service, operation: &str, input: Value) -> Value {
        self.emulator
            .call(service, operation, input)
            .unwrap_or_else(|refusal| panic!("{operation}: {refusal}"))
    }

    /// Sets the production listener's weights, as a person does.
    pub fn set_weights(&self, weights: Rule) {
        let tuples: Vec<Value> = self
            .groups
            .iter()
            .zip(weights)
            .filter_map(|(group, weight)| Some(json!({"TargetGroupArn": group, "Weight": weight?})))
            .collect();
        let actions = json!([{"Type": "forward", "ForwardConfig": {"TargetGroups": tuples}}]);
        self.person(
            Service::Elbv2,
            "ModifyListener",
            json!({"ListenerArn": self.listeners[0], "DefaultActions": actions}),
        );
    }

    /// Weights of the production (0) or the test listener (1).
    pub fn weights(&self, listener: usize) -> Rule {
        let input = json!({"ListenerArns": [self.listeners[listener]]});
        let read = self.person(Service::Elbv2, "DescribeListeners", input);
        let tuples = read["Listeners"][0]["DefaultActions"][0]["ForwardConfig"]["TargetGroups"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        [0, 1].map(|side| {
            let found = tuples
                .iter()
                .find(|tuple| tuple["TargetGroupArn"] == self.groups[side].as_str());
            found.map(|tuple| tuple["Weight"].as_u64().unwrap_or(1))
        })
    }

    /// Healthy targets of one of the pair.
    pub fn healthy(&self, side: usize) -> u64 {
        let input = json!({"TargetGroupArn": self.groups[side]});
        let read = self.person(Service::Elbv2, "DescribeTargetHealth", input);
        let all = read["TargetHealthDescriptions"].as_array();
        let healthy = |target: &&Value| target["TargetHealth"]["State"] == "healthy";
        let count = all.into_iter().flatten().filter(healthy).count();
        u64::try_from(count).unwrap_or(u64::MAX)
    }

    /// Services of the cluster that are not INACTIVE, by name, as DescribeServices tells them.
    pub fn services(&self) -> Vec<Value> {
        let names: Vec<String> = self.emulator.with(|world| {
            world
                .ecs
                .services
                .values()
                .map(|service| service.name.clone())
                .collect()
        });
        let describe = |names: &[String]| {
            let input = json!({"cluster": "prod", "services": names, "include": ["TAGS"]});
            let read = self.person(Service::Ecs, "DescribeServices", input);
            read["services"].as_array().cloned().unwrap_or_default()
        };
        let all = names.chunks(10).flat_map(describe);
        all.filter(|service| service["status"] != "INACTIVE")
            .collect()
    }

    /// Versions of the application's services that live, and the side of each.
    pub fn live(&self) -> Vec<(String, usize)> {
        let services = self.services();
        let mut live: Vec<(String, usize)> = services
            .iter()
            .filter_map(|service| {
                let version = self
                    .runs(service)
                    .or_else(|| tag(service, "teal:version"))?;
                let group = service["loadBalancers"][0]["targetGroupArn"]
                    .as_str()
                    .unwrap_or_default();
                Some((version, usize::from(group == self.groups[1])))
            })
            .collect();
        live.sort();
        live
    }

    /// The version that a service runs which is updated in place: its task definition says so.
    fn runs(&self, service: &Value) -> Option<String> {
        let input = json!({"taskDefinition": service["taskDefinition"], "include": ["TAGS"]});
        let read = self.person(Service::Ecs, "DescribeTaskDefinition", input);
        tag(&read, "teal:version")
    }

    /// Users begin: so many requests a second on the production listener.
    pub fn open(&mut self, per_second: f64) {
        let stream = Stream {
            listener_arn: self.listeners[0].clone(),
            per_second,
            host: "blog.example".to_owned(),
            path: "/".to_owned(),
            headers: Vec::new(),
            until: None,
            seed: 7,
        };
        self.users = Some(self.emulator.with(|world| traffic::start(world, stream)));
    }

    /// The users go.
    pub fn close(&mut self) {
        let users = self.users.expect("open() was called");
        self.emulator.with(|world| traffic::stop(world, users));
    }

    /// What the users saw: requests and failures.
    pub fn users(&self) -> traffic::Report {
        let users = self.users.expect("open() was called");
        self.emulator
            .with(|world| traffic::report(world, users).cloned())
            .expect("the stream")
    }

    /// Waits in virtual time until `done`, at most `limit`.
    pub async fn until(&self, what: &str, limit: Duration, mut done: impl FnMut(&Self) -> bool) {
        let began = tokio::time::Instant::now();
        while !done(self) {
            assert!(
                began.elapsed() < limit,
                "{what}: not within {limit:?}; {}",
                self.picture()
            );
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    /// Waits until the rollout has entered a stage. A short stage may be over when this returns.
    pub async fn entered(&self, name: &str) {
        let entered = |stage: &Self| !stage.get("record")["rollout"]["entered"][name].is_null();
        self.until(name, Duration::from_secs(600), entered).await;
    }

    /// Waits until `version` serves alone, the status says so, and nothing more is wanted.
    pub async fn settled_on(&self, version: &str) {
        self.rests("Settled", version).await;
    }

    /// Waits until the wish is reported as rejected, `version` serves alone, and nothing more is wanted.
    pub async fn rejected_back_to(&self, version: &str) {
        self.rests("Failed", version).await;
    }

    async fn rests(&self, phase: &str, version: &str) {
        let what = format!("{version} serves alone, phase {phase}");
        self.until(&what, Duration::from_secs(3_600), |stage| {
            let status = stage.get("status");
            let live = stage.live();
            status["phase"] == phase
                && status["serving"]["version"] == version
                && live.len() == 1
                && live[0].0 == version
        })
        .await;
        let before = self.writes();
        tokio::time::sleep(Duration::from_secs(180)).await;
        assert_eq!(self.writes(), before, "and then nothing more is wanted");
    }

    /// Mutating calls so far, but for the status document.
    pub fn writes(&self) -> u64 {
        let count = |service, operation| self.emulator.faults().calls(service, operation);
        let ecs = [
            "RegisterTaskDefinition",
            "CreateService",
            "UpdateService",
            "DeleteService",
            "TagResource",
            "DeregisterTaskDefinition",
        ];
        let elb = [
            "ModifyListener",
            "ModifyRule",
            "CreateTargetGroup",
            "ModifyTargetGroupAttributes",
            "DeleteTargetGroup",
        ];
        let scaling = [
            "RegisterScalableTarget",
            "PutScalingPolicy",
            "PutScheduledAction",
            "DeregisterScalableTarget",
        ];
        ecs.iter().map(|op| count(Service::Ecs, op)).sum::<u64>()
            + elb.iter().map(|op| count(Service::Elbv2, op)).sum::<u64>()
            + scaling
                .iter()
                .map(|op| count(Service::AutoScaling, op))
                .sum::<u64>()
    }

    /// For messages: what there is.
    pub fn picture(&self) -> String {
        let nodes = self.emulator.with(|world| view::node_count(world));
        format!(
            "live {:?}, production {:?}, test {:?}, {nodes} nodes, status {:#}",
            self.live(),
            self.weights(0),
            self.weights(1),
            self.get("status"),
        )
    }
}

impl Default for Stage {
    fn default() -> Self {
        Self::new()
    }
}

/// A tag of a service.
fn tag(service: &Value, key: &str) -> Option<String> {
    let tags = service["tags"].as_array()?;
    tags.iter()
        .find(|tag| tag["key"] == key)
        .and_then(|tag| tag["value"].as_str().map(str::to_owned))
}
