//! CreateService's members of a service that exists, as an Application's `template.service` has them.

use serde_json::{Map, Value, json};

/// A described service. What a deployment or a task set knows better than the service is asked of the live one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Described<'a>(pub(super) &'a Map<String, Value>);

impl<'a> Described<'a> {
    /// A member that says something: of the service itself, else of its live task set (CODE_DEPLOY and EXTERNAL
    /// controllers have it there), else of its live deployment.
    pub(super) fn member(self, name: &str) -> Option<&'a Value> {
        let own = self.0.get(name);
        let below = ["taskSets", "deployments"]
            .into_iter()
            .filter_map(|list| self.primary(list)?.get(name));
        own.into_iter()
            .chain(below)
            .find(|value| says_something(value))
    }

    pub(super) fn text(self, name: &str) -> Option<&'a str> {
        self.member(name)?.as_str()
    }

    fn primary(self, list: &str) -> Option<&'a Value> {
        let mut all = self.0.get(list)?.as_array()?.iter();
        all.find(|one| one["status"] == "PRIMARY")
    }

    /// `ECS`, `CODE_DEPLOY` or `EXTERNAL`.
    pub(super) fn controller(self) -> &'a str {
        let controller = self.0.get("deploymentController");
        controller
            .and_then(|controller| controller["type"].as_str())
            .unwrap_or("ECS")
    }

    /// Tags that a person gave.
    pub(super) fn tags(self) -> Map<String, Value> {
        let tags = self.0.get("tags").and_then(Value::as_array);
        let own = tags.into_iter().flatten().filter_map(|tag| {
            let key = tag["key"].as_str()?;
            let taken = key.starts_with("aws:") || key.starts_with("teal:");
            (!taken).then(|| (key.to_owned(), tag["value"].clone()))
        });
        own.collect()
    }

    /// The value of one tag.
    pub(super) fn tag(self, key: &str) -> Option<&'a str> {
        let mut tags = self.0.get("tags")?.as_array()?.iter();
        tags.find(|tag| tag["key"] == key)?["value"].as_str()
    }
}

fn says_something(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Array(items) => !items.is_empty(),
        Value::Object(members) => !members.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
    }
}

/// Members that pass as they are, each with what AWS assumes where it is not given.
/// (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_CreateService.html>)
fn passed() -> [(&'static str, Value); 11] {
    [
        ("capacityProviderStrategy", Value::Null),
        ("platformVersion", json!("LATEST")),
        ("networkConfiguration", Value::Null),
        ("healthCheckGracePeriodSeconds", json!(0)),
        ("placementConstraints", Value::Null),
        ("placementStrategy", Value::Null),
        ("availabilityZoneRebalancing", json!("ENABLED")),
        ("enableECSManagedTags", json!(false)),
        ("enableExecuteCommand", json!(false)),
        ("propagateTags", json!("NONE")),
        ("volumeConfigurations", Value::Null),
    ]
}

/// The members, and the names of those that carry traffic past the load balancer, which an Application refuses.
pub(super) fn of(service: Described<'_>) -> (Map<String, Value>, Vec<&'static str>) {
    let mut members = Map::new();
    let count = service.member("desiredCount").and_then(Value::as_u64);
    members.insert(
        "desiredCount".into(),
        json!(count.unwrap_or_default().max(1)),
    );
    if service.member("capacityProviderStrategy").is_none()
        && let Some(kind) = service.text("launchType")
    {
        members.insert("launchType".into(), json!(kind));
    }
    for (name, assumed) in passed() {
        if let Some(value) = service.member(name).filter(|value| **value != assumed) {
            members.insert(name.into(), value.clone());
        }
    }
    let deployment = deployment(service);
    if !deployment.is_empty() {
        members.insert("deploymentConfiguration".into(), deployment.into());
    }
    let mut refused: Vec<&'static str> = ["serviceRegistries", "vpcLatticeConfigurations"]
        .into_iter()
        .filter(|name| service.member(name).is_some())
        .collect();
    if let Some(connect) = service
        .member("serviceConnectConfiguration")
        .filter(|connect| connect["enabled"] == json!(true))
    {
        if says_something(&connect["services"]) {
            refused.push("serviceConnectConfiguration.services");
        } else {
            members.insert("serviceConnectConfiguration".into(), connect.clone());
        }
    }
    (members, refused)
}

/// What still means something where each release is a service of its own: its tasks are never replaced by others.
fn deployment(service: Described<'_>) -> Map<String, Value> {
    let configuration = service.member("deploymentConfiguration");
    let configuration = configuration.and_then(Value::as_object);
    let assumed = [
        ("maximumPercent", json!(200)),
        ("minimumHealthyPercent", json!(100)),
    ];
    let mut kept = Map::new();
    for (name, assumed) in assumed {
        if let Some(value) = configuration
            .and_then(|members| members.get(name))
            .filter(|value| says_something(value) && **value != assumed)
        {
            kept.insert(name.into(), value.clone());
        }
    }
    let breaker = configuration.and_then(|members| members.get("deploymentCircuitBreaker"));
    if let Some(breaker) = breaker.filter(|breaker| breaker["enable"] == json!(true)) {
        kept.insert("deploymentCircuitBreaker".into(), breaker.clone());
    }
    kept
}
