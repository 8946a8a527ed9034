//! An ECS service as somebody else left it.

use std::collections::BTreeMap;

use crd_schema::TargetGroupArn;
use jiff::{SignedDuration, Timestamp, Unit};
use serde_json::{Map, Value};

use super::Obstacle;
use crate::release::tags_of;

/// An ECS service, as far as its adoption depends on it.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// `serviceName`.
    pub name: String,
    /// ARN.
    pub arn: String,
    /// `createdAt`.
    pub created: Timestamp,
    /// All its tags.
    pub tags: BTreeMap<String, String>,
    /// `REPLICA` or `DAEMON`.
    pub scheduling: String,
    /// `ECS`, `CODE_DEPLOY` or `EXTERNAL`.
    pub controller: String,
    /// `ROLLING`, or another strategy by which Amazon ECS moves traffic itself.
    pub strategy: String,
    /// What binds it to load balancers.
    pub bindings: Vec<Binding>,
    /// Its members that bring its tasks traffic past the load balancer.
    pub past_the_balancer: Vec<&'static str>,
    /// One of its deployments has not ended.
    pub deploying: bool,
    /// `desiredCount`.
    pub desired: u32,
    /// `runningCount`.
    pub running: u32,
    /// `taskDefinition`.
    pub task_definition: String,
    /// Container to image, as its task definition has them.
    pub images: BTreeMap<String, String>,
}

/// One of a service's `loadBalancers`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    /// None: a Classic Load Balancer.
    pub group: Option<TargetGroupArn>,
    /// `containerName`.
    pub container: String,
    /// `containerPort`.
    pub port: u64,
}

impl Candidate {
    /// From AWS's own JSON: DescribeServices with tags, and its task definition. `None`: a member without which nothing
    /// can be decided is missing.
    pub fn read(service: &Map<String, Value>, definition: &Map<String, Value>) -> Option<Self> {
        let text = |name: &str| service.get(name).and_then(Value::as_str);
        let count = |name: &str| u32::try_from(service.get(name)?.as_u64()?).ok();
        let owned = |name: &str, assumed: &str| text(name).unwrap_or(assumed).to_owned();
        let created = service.get("createdAt")?.as_f64()?;
        let created = SignedDuration::try_from_secs_f64(created).ok()?;
        let configuration = member(service, "deploymentConfiguration");
        let controller = service.get("deploymentController");
        let word = |of: Option<&Value>, name: &str, assumed: &str| {
            let word = of.and_then(|of| of.get(name)).and_then(Value::as_str);
            word.unwrap_or(assumed).to_owned()
        };
        Some(Self {
            name: text("serviceName")?.to_owned(),
            arn: text("serviceArn")?.to_owned(),
            created: Timestamp::UNIX_EPOCH
                .checked_add(created.round(Unit::Millisecond).ok()?)
                .ok()?,
            tags: tags_of(service, ["tags", "key", "value"]),
            scheduling: owned("schedulingStrategy", "REPLICA"),
            controller: word(controller, "type", "ECS"),
            strategy: word(configuration, "strategy", "ROLLING"),
            bindings: bindings(service),
            past_the_balancer: past_the_balancer(service),
            deploying: deploying(service),
            desired: count("desiredCount")?,
            running: count("runningCount")?,
            task_definition: Self::definition(service).unwrap_or_default().to_owned(),
            images: images(definition),
        })
    }

    /// The task definition that a described service runs: ARN, or `family:revision`.
    pub fn definition(service: &Map<String, Value>) -> Option<&str> {
        member(service, "taskDefinition").and_then(Value::as_str)
    }

    /// What speaks against this service, whatever application it is for. `cluster` is for the commands that help.
    pub fn obstacles(&self, cluster: &str) -> Vec<Obstacle> {
        let name = || self.name.clone();
        let mut obstacles = Vec::new();
        if self.controller != "ECS" {
            obstacles.push(Obstacle::Controller {
                name: name(),
                controller: self.controller.clone(),
                way: self.way_to_rolling(cluster),
            });
        } else if self.strategy != "ROLLING" {
            obstacles.push(Obstacle::Strategy {
                name: name(),
                strategy: self.strategy.clone(),
                way: self.way_to_rolling(cluster),
            });
        }
        if self.scheduling != "REPLICA" {
            let scheduling = self.scheduling.clone();
            obstacles.push(Obstacle::Scheduling {
                name: name(),
                scheduling,
            });
        }
        if !self.past_the_balancer.is_empty() {
            let members = self.past_the_balancer.join(", ");
            obstacles.push(Obstacle::PastTheBalancer {
                name: name(),
                members,
            });
        }
        if self.bindings.is_empty() {
            obstacles.push(Obstacle::NoBalancer { name: name() });
        } else if self.bindings.iter().any(|one| one.group.is_none()) {
            obstacles.push(Obstacle::ClassicBalancer { name: name() });
        }
        if self.deploying && self.controller == "ECS" {
            let cluster = cluster.to_owned();
            let name = name();
            obstacles.push(Obstacle::Deploying { name, cluster });
        }
        obstacles
    }

    /// The command after which the same service is updated by Amazon ECS's rolling update, and by nothing else.
    fn way_to_rolling(&self, cluster: &str) -> String {
        let of_one = |one: &Binding| {
            let Binding {
                group,
                container,
                port,
            } = one;
            group.as_ref().map(|group| {
                format!(" targetGroupArn={group},containerName={container},containerPort={port}")
            })
        };
        let bound: String = self.bindings.iter().filter_map(of_one).collect();
        let bound = if bound.is_empty() {
            bound
        } else {
            format!(" --load-balancers{bound}")
        };
        let controller = if self.controller == "ECS" {
            ""
        } else {
            " --deployment-controller type=ECS"
        };
        format!(
            "aws ecs update-service --cluster {cluster} --service {}{controller} --deployment-configuration strategy=ROLLING,maximumPercent=200,minimumHealthyPercent=100{bound}",
            self.name
        )
    }
}

/// A member that says something: of the service itself, else of its live task set (CODE_DEPLOY and EXTERNAL controllers
/// have it there), else of its live deployment.
fn member<'a>(service: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    let says_something = |value: &&Value| match value {
        Value::Null => false,
        Value::Array(items) => !items.is_empty(),
        Value::Object(members) => !members.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
    };
    let primary = |list: &str| {
        let mut all = service.get(list)?.as_array()?.iter();
        all.find(|one| one["status"] == "PRIMARY")?.get(name)
    };
    let places = [
        service.get(name),
        primary("taskSets"),
        primary("deployments"),
    ];
    places.into_iter().flatten().find(says_something)
}

fn bindings(service: &Map<String, Value>) -> Vec<Binding> {
    let list = member(service, "loadBalancers").and_then(Value::as_array);
    let binding = |one: &Value| Binding {
        group: one["targetGroupArn"].as_str().map(TargetGroupArn::new),
        container: one["containerName"].as_str().unwrap_or_default().to_owned(),
        port: one["containerPort"].as_u64().unwrap_or_default(),
    };
    list.into_iter().flatten().map(binding).collect()
}

fn past_the_balancer(service: &Map<String, Value>) -> Vec<&'static str> {
    let mut found: Vec<&'static str> = ["serviceRegistries", "vpcLatticeConfigurations"]
        .into_iter()
        .filter(|name| member(service, name).is_some())
        .collect();
    let connect = member(service, "serviceConnectConfiguration");
    let offers = connect.is_some_and(|connect| {
        let services = connect["services"].as_array();
        connect["enabled"] == true && services.is_some_and(|services| !services.is_empty())
    });
    if offers {
        found.push("serviceConnectConfiguration.services");
    }
    found
}

fn deploying(service: &Map<String, Value>) -> bool {
    let deployments = service.get("deployments").and_then(Value::as_array);
    let [only] = deployments.map(Vec::as_slice).unwrap_or_default() else {
        return true;
    };
    only["rolloutState"]
        .as_str()
        .is_some_and(|state| state != "COMPLETED")
}

fn images(definition: &Map<String, Value>) -> BTreeMap<String, String> {
    let containers = definition
        .get("containerDefinitions")
        .and_then(Value::as_array);
    let image = |container: &Value| {
        let text = |member: &str| container[member].as_str().map(str::to_owned);
        Some((text("name")?, text("image")?))
    };
    containers.into_iter().flatten().filter_map(image).collect()
}
