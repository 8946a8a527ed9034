//! Amazon ECS: clusters, task definitions, services with their scheduler, tasks with their life cycle.

pub mod conduct;
pub mod event;
pub mod health;
pub mod life;
pub mod scheduler;
pub mod service;
pub mod task;
pub mod task_definition;
pub mod wake;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::World;

pub use service::Service;
pub use task::Task;
pub use task_definition::TaskDefinition;

/// Clusters, task definitions, services and tasks.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Ecs {
    /// Clusters by name.
    pub clusters: BTreeMap<String, Cluster>,
    /// Families of task definitions by name.
    pub families: BTreeMap<String, task_definition::Family>,
    /// Services by ARN; INACTIVE ones stay until their name is used again.
    pub services: BTreeMap<String, Service>,
    /// Tasks by ARN; stopped ones for a while.
    pub tasks: BTreeMap<String, Task>,
    /// Who holds which address.
    pub addresses: BTreeMap<Ipv4Addr, String>,
    /// Requests of RunTask by their token, with the tasks they started.
    pub run_tokens: BTreeMap<String, (Value, Vec<String>)>,
    /// How many addresses were ever asked for.
    next_address: u32,
}

/// A cluster.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Cluster {
    /// ARN.
    pub arn: String,
    /// Name.
    pub name: String,
    /// Whether it is ACTIVE; a deleted one can be described as INACTIVE.
    pub active: bool,
    /// Other members as given.
    pub given: Map<String, Value>,
    /// Tags.
    pub tags: BTreeMap<String, String>,
}

/// Takes an address in 127.0.0.0/8, never 127.0.0.1, that no task holds and no target group knows.
pub fn take_address(world: &mut World, task_arn: &str) -> Ipv4Addr {
    loop {
        let number = world.ecs.next_address;
        world.ecs.next_address = number.wrapping_add(1);
        let host = u8::try_from(number % 253 + 1).unwrap_or(1);
        let net = number / 253;
        let address = Ipv4Addr::new(
            127,
            u8::try_from(net / 256 % 254 + 1).unwrap_or(1),
            u8::try_from(net % 256).unwrap_or(0),
            host,
        );
        let is_target = world
            .elb
            .target_groups
            .values()
            .any(|group| group.targets.keys().any(|target| *target.ip() == address));
        if !is_target && !world.ecs.addresses.contains_key(&address) {
            world.ecs.addresses.insert(address, task_arn.to_owned());
            return address;
        }
    }
}
