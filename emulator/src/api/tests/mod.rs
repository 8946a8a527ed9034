//! The API through time, with modelled tasks.

mod actions;
mod alarms;
mod creation;
mod health;
mod metric_data;
mod metrics;
mod real;
mod release;
mod rules;
mod scheduler;
mod task_definitions;

use serde_json::{Value, json};

use super::{AwsError, Call, Service, call};
use crate::protocol::model::{self, Side};
use crate::protocol::validate::{Direction, violations};
use crate::world::behaviour::Behaviour;
use crate::world::traffic::{self, Stream};
use crate::world::{Settings, World};

/// A cluster, a load balancer, two target groups and a listener whose rule forwards to blue.
struct Stage {
    world: World,
    blue: String,
    green: String,
    load_balancer: String,
    listener: String,
    rule: String,
}

/// Codes that operations answer with although their model does not list them: the common one, and the refusal of
/// a forward without group stickiness, which ModifyRule was seen to give.
const UNDECLARED: [&str; 2] = ["ValidationError", "InvalidConfigurationRequestException"];

/// Calls as a client would: input, answer and refusal must be as the service's model has them.
fn call_on(
    world: &mut World,
    service: Service,
    operation: &str,
    input: Value,
) -> Result<Value, AwsError> {
    let model = model::of(service);
    let described = &model.operations[operation];
    // An operation without an output answers with nothing.
    let shape = |side: &Option<Side>| {
        side.as_ref()
            .map_or(String::new(), |side| side.shape.clone())
    };
    let found = violations(model, &shape(&described.input), &input, Direction::Input);
    assert!(found.is_empty(), "{operation} {input}: {found:?}");
    let answer = call(
        world,
        &Call {
            service,
            operation: operation.to_owned(),
            input,
        },
    );
    match &answer {
        Ok(output) => {
            let found = violations(model, &shape(&described.output), output, Direction::Output);
            assert!(found.is_empty(), "{operation} {output}: {found:?}");
        }
        Err(error) => assert!(
            described.errors.contains(&error.code) || UNDECLARED.contains(&error.code.as_str()),
            "{operation} does not declare {error}"
        ),
    }
    answer
}

impl Stage {
    fn new() -> Self {
        Self::with(Settings::default())
    }

    fn with(settings: Settings) -> Self {
        let mut world = World::new(settings, 1_800_000_000_000);
        let elb = |world: &mut World, operation: &str, input: Value| {
            call_on(world, Service::Elbv2, operation, input).unwrap()
        };
        call_on(
            &mut world,
            Service::Ecs,
            "CreateCluster",
            json!({ "clusterName": "shop" }),
        )
        .unwrap();
        let load_balancer = elb(&mut world, "CreateLoadBalancer", json!({ "Name": "shop" }));
        let load_balancer = string(&load_balancer["LoadBalancers"][0]["LoadBalancerArn"]);
        let groups = ["web-blue", "web-green"].map(|name| {
            let group = elb(
                &mut world,
                "CreateTargetGroup",
                json!({
                    "Name": name, "Protocol": "HTTP", "Port": 8080, "TargetType": "ip",
                    "HealthCheckPath": "/health", "HealthCheckIntervalSeconds": 5, "HealthCheckTimeoutSeconds": 2,
                }),
            );
            let arn = string(&group["TargetGroups"][0]["TargetGroupArn"]);
            let delay = json!([{ "Key": "deregistration_delay.timeout_seconds", "Value": "20" }]);
            elb(&mut world, "ModifyTargetGroupAttributes", json!({ "TargetGroupArn": arn, "Attributes": delay }));
            arn
        });
        let listener = elb(
            &mut world,
            "CreateListener",
            json!({
                "LoadBalancerArn": load_balancer, "Protocol": "HTTP", "Port": 80,
                "DefaultActions": [{ "Type": "fixed-response", "FixedResponseConfig": { "StatusCode": "404" } }],
            }),
        );
        let listener = string(&listener["Listeners"][0]["ListenerArn"]);
        let [blue, green] = groups;
        let rule = elb(
            &mut world,
            "CreateRule",
            json!({
                "ListenerArn": listener, "Priority": 10,
                "Conditions": [{ "Field": "path-pattern", "Values": ["/*"] }],
                "Actions": [weighted(&[(&blue, 1), (&green, 0)])],
            }),
        );
        let rule = string(&rule["Rules"][0]["RuleArn"]);
        Self {
            world,
            blue,
            green,
            load_balancer,
            listener,
            rule,
        }
    }

    fn ecs(&mut self, operation: &str, input: Value) -> Result<Value, AwsError> {
        call_on(&mut self.world, Service::Ecs, operation, input)
    }

    fn elb(&mut self, operation: &str, input: Value) -> Result<Value, AwsError> {
        call_on(&mut self.world, Service::Elbv2, operation, input)
    }

    fn behave(&mut self, image: &str, behaviour: Behaviour) {
        self.world
            .settings
            .behaviours
            .insert(image.to_owned(), behaviour);
    }

    /// Registers `web` with an image; its ARN.
    fn register(&mut self, image: &str) -> String {
        let answer = self
            .ecs("RegisterTaskDefinition", task_definition(image))
            .unwrap();
        string(&answer["taskDefinition"]["taskDefinitionArn"])
    }

    /// Creates a service behind a group.
    fn create(
        &mut self,
        name: &str,
        group: &str,
        definition: &str,
        count: u32,
    ) -> Result<Value, AwsError> {
        let request = service(name, group, definition, count);
        self.ecs("CreateService", request)
    }

    fn describe(&mut self, name: &str) -> Value {
        let answer = self
            .ecs(
                "DescribeServices",
                json!({ "cluster": "shop", "services": [name], "include": ["TAGS"] }),
            )
            .unwrap();
        answer["services"][0].clone()
    }

    fn health(&mut self, group: &str) -> Vec<Value> {
        let answer = self
            .elb("DescribeTargetHealth", json!({ "TargetGroupArn": group }))
            .unwrap();
        answer["TargetHealthDescriptions"]
            .as_array()
            .unwrap()
            .clone()
    }

    fn states(&mut self, group: &str) -> Vec<String> {
        self.health(group)
            .iter()
            .map(|target| string(&target["TargetHealth"]["State"]))
            .collect()
    }

    fn weigh(&mut self, blue: u32, green: u32) {
        let actions = json!([weighted(&[
            (&self.blue.clone(), blue),
            (&self.green.clone(), green)
        ])]);
        let rule = self.rule.clone();
        self.elb("ModifyRule", json!({ "RuleArn": rule, "Actions": actions }))
            .unwrap();
    }

    fn pass(&mut self, seconds: u64) {
        let now = self.world.now;
        self.world.advance(now + seconds * 1000);
    }

    /// Advances second by second until it holds; the seconds that took. Fails after two hours.
    fn until(&mut self, mut holds: impl FnMut(&mut Self) -> bool) -> u64 {
        for second in 0..7200 {
            if holds(self) {
                return second;
            }
            self.pass(1);
        }
        panic!("it never came to hold");
    }

    fn until_steady(&mut self, name: &str) {
        self.until(|stage| {
            let service = stage.describe(name);
            service["deployments"][0]["rolloutState"] == "COMPLETED"
                && service["runningCount"] == service["desiredCount"]
                && service["deployments"].as_array().unwrap().len() == 1
        });
    }

    fn messages(&mut self, name: &str) -> Vec<String> {
        self.describe(name)["events"]
            .as_array()
            .unwrap()
            .iter()
            .map(|event| string(&event["message"]))
            .collect()
    }

    fn tasks(&mut self, name: &str, desired_status: &str) -> Vec<Value> {
        let arns = self
            .ecs(
                "ListTasks",
                json!({ "cluster": "shop", "serviceName": name, "desiredStatus": desired_status }),
            )
            .unwrap();
        if arns["taskArns"].as_array().unwrap().is_empty() {
            return Vec::new();
        }
        let answer = self
            .ecs(
                "DescribeTasks",
                json!({ "cluster": "shop", "tasks": arns["taskArns"] }),
            )
            .unwrap();
        answer["tasks"].as_array().unwrap().clone()
    }

    fn users(&mut self, per_second: f64) -> usize {
        let stream = Stream {
            listener_arn: self.listener.clone(),
            per_second,
            host: "shop.test".into(),
            path: "/".into(),
            headers: Vec::new(),
            until: None,
            seed: 7,
        };
        traffic::start(&mut self.world, stream)
    }
}

fn string(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn weighted(groups: &[(&str, u32)]) -> Value {
    let tuples: Value = groups
        .iter()
        .map(|(arn, weight)| json!({ "TargetGroupArn": arn, "Weight": weight }))
        .collect();
    json!({ "Type": "forward", "ForwardConfig": { "TargetGroups": tuples } })
}

fn task_definition(image: &str) -> Value {
    json!({
        "family": "web", "networkMode": "awsvpc", "requiresCompatibilities": ["FARGATE"],
        "cpu": "256", "memory": "512",
        "containerDefinitions": [{ "name": "app", "image": image, "portMappings": [{ "containerPort": 8080 }] }],
    })
}

fn service(name: &str, group: &str, definition: &str, count: u32) -> Value {
    json!({
        "cluster": "shop", "serviceName": name, "taskDefinition": definition, "desiredCount": count,
        "launchType": "FARGATE", "clientToken": format!("token-{name}"),
        "networkConfiguration": { "awsvpcConfiguration": { "subnets": ["subnet-0a0a0a0a0a0a0a0a0"] } },
        "loadBalancers": [{ "targetGroupArn": group, "containerName": "app", "containerPort": 8080 }],
    })
}

/// The refusal's code and text.
fn refusal(answer: Result<Value, AwsError>) -> (String, String) {
    let error = answer.unwrap_err();
    (error.code, error.message)
}
