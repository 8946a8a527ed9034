//! Task definitions: families, revisions, and what the emulator reads of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::world::{Millis, World};

/// A family; its counter never goes back.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Family {
    /// The number of the latest revision ever registered.
    pub last_revision: u32,
    /// Revisions that are not deleted.
    pub revisions: BTreeMap<u32, TaskDefinition>,
}

/// A revision.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TaskDefinition {
    /// ARN.
    pub arn: String,
    /// Family.
    pub family: String,
    /// Revision, from 1.
    pub revision: u32,
    /// ACTIVE, INACTIVE or DELETE_IN_PROGRESS.
    pub status: Status,
    /// Every member as given, without tags.
    pub given: Map<String, Value>,
    /// The containers, as far as the emulator reads them.
    pub containers: Arc<Vec<Container>>,
    /// Tags.
    pub tags: BTreeMap<String, String>,
    /// When it was registered.
    pub registered_at: Millis,
    /// When it was deregistered.
    pub deregistered_at: Option<Millis>,
    /// When its deletion was asked for.
    pub delete_requested_at: Option<Millis>,
}

/// The state of a revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    /// Can be used.
    Active,
    /// Cannot be used anew; services that have it go on.
    Inactive,
    /// Goes away when nothing uses it.
    DeleteInProgress,
}

impl Status {
    /// AWS's word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Inactive => "INACTIVE",
            Self::DeleteInProgress => "DELETE_IN_PROGRESS",
        }
    }
}

/// What the emulator reads of a container definition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Container {
    /// Name.
    pub name: String,
    /// Image.
    pub image: String,
    /// Whether the task stops when it exits.
    pub essential: bool,
    /// Container ports.
    pub ports: Vec<u16>,
    /// Command.
    pub command: Vec<String>,
    /// Environment.
    pub environment: Vec<(String, String)>,
    /// `stopTimeout` in seconds.
    pub stop_timeout_seconds: Option<u64>,
    /// `healthCheck`.
    #[serde(default)]
    pub health_check: Option<HealthCheck>,
}

/// When a container's own check is made, and how often it may fail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthCheck {
    /// `interval` in seconds.
    pub interval_seconds: u64,
    /// `retries`.
    pub retries: u64,
    /// `startPeriod` in seconds.
    pub start_period_seconds: u64,
}

impl HealthCheck {
    /// Reads a health check; what is left out is as AWS has it.
    fn parse(check: &Value) -> Option<Self> {
        let number = |member: &str, usual: u64| check[member].as_u64().unwrap_or(usual);
        check.is_object().then(|| Self {
            interval_seconds: number("interval", 30),
            retries: number("retries", 3),
            start_period_seconds: number("startPeriod", 0),
        })
    }
}

impl Container {
    /// Reads a container definition.
    #[must_use]
    pub fn parse(definition: &Value) -> Self {
        let list = |member: &str| {
            definition[member]
                .as_array()
                .map(Vec::as_slice)
                .unwrap_or_default()
        };
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Self {
            name: text(&definition["name"]),
            image: text(&definition["image"]),
            essential: definition["essential"].as_bool().unwrap_or(true),
            ports: list("portMappings")
                .iter()
                .filter_map(|mapping| {
                    mapping["containerPort"]
                        .as_u64()
                        .and_then(|port| u16::try_from(port).ok())
                })
                .collect(),
            command: list("command").iter().map(text).collect(),
            environment: list("environment")
                .iter()
                .map(|pair| (text(&pair["name"]), text(&pair["value"])))
                .collect(),
            stop_timeout_seconds: definition["stopTimeout"].as_u64(),
            health_check: HealthCheck::parse(&definition["healthCheck"]),
        }
    }
}

impl TaskDefinition {
    /// `networkMode`; AWS's default is bridge.
    #[must_use]
    pub fn network_mode(&self) -> &str {
        self.given
            .get("networkMode")
            .and_then(Value::as_str)
            .unwrap_or("bridge")
    }
}

/// Finds a revision by ARN, `family:revision`, or `family` (the latest ACTIVE one).
#[must_use]
pub fn find<'a>(world: &'a World, name: &str) -> Option<&'a TaskDefinition> {
    let name = name.rsplit_once('/').map_or(name, |(_, name)| name);
    match name.split_once(':') {
        Some((family, revision)) => world
            .ecs
            .families
            .get(family)?
            .revisions
            .get(&revision.parse().ok()?),
        None => world
            .ecs
            .families
            .get(name)?
            .revisions
            .values()
            .rev()
            .find(|revision| revision.status == Status::Active),
    }
}
