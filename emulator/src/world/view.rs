//! What a data plane needs to know of the world and tells it.

use std::net::{Ipv4Addr, SocketAddrV4};

use super::ecs::life;
use super::ecs::task::Status;
use super::elb::{health, metrics};
use super::{Millis, TaskMode, World};

pub use super::elb::metrics::Answer;
pub use super::elb::routing::{RequestHead, Route, route};

/// A port to listen on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenerView {
    /// The listener.
    pub arn: String,
    /// Its load balancer.
    pub load_balancer_arn: String,
    /// TCP port.
    pub port: u16,
    /// `HTTP` or `HTTPS`.
    pub protocol: String,
}

/// A health check to perform now, once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// The group that asks for it.
    pub target_group_arn: String,
    /// Where to connect (the health check's port, which may differ from the target's).
    pub address: SocketAddrV4,
    /// The target as registered: pass it to [`report_check`].
    pub target: SocketAddrV4,
    /// Path and query to GET.
    pub path: String,
    /// AWS's `Matcher.HttpCode`, for information: the world judges the status.
    pub matcher: String,
    /// Interval until the next one, in milliseconds.
    pub interval_ms: u64,
    /// Time-out in milliseconds.
    pub timeout_ms: u64,
}

/// What came of a health check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckResult {
    /// An HTTP status.
    Status(u16),
    /// No answer within the time-out.
    Timeout,
    /// No connection, or one that broke.
    Refused,
}

/// A task whose containers should live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskSpec {
    /// The task's ARN.
    pub id: String,
    /// Its address, in 127.0.0.0/8.
    pub address: Ipv4Addr,
    /// Family of its task definition.
    pub family: String,
    /// Revision of its task definition.
    pub revision: u32,
    /// Its containers, in the task definition's order.
    pub containers: Vec<ContainerSpec>,
}

/// A container of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerSpec {
    /// Name.
    pub name: String,
    /// Whether its exit ends the task.
    pub essential: bool,
    /// Image.
    pub image: String,
    /// Command; empty: the image's own.
    pub command: Vec<String>,
    /// Environment, in the task definition's order.
    pub environment: Vec<(String, String)>,
    /// Container ports.
    pub ports: Vec<u16>,
}

/// Every listener of every load balancer.
#[must_use]
pub fn listeners(world: &World) -> Vec<ListenerView> {
    world
        .elb
        .listeners
        .values()
        .map(|listener| ListenerView {
            arn: listener.arn.clone(),
            load_balancer_arn: listener.load_balancer_arn.clone(),
            port: listener.port,
            protocol: listener.protocol.clone(),
        })
        .collect()
}

/// Nodes of each load balancer, at least 1.
#[must_use]
pub fn node_count(world: &World) -> usize {
    world.settings.load_balancer_nodes.max(1)
}

/// Notes a request that a load balancer forwarded, or had nowhere to forward to, for CloudWatch.
pub fn count_request(
    world: &mut World,
    load_balancer_arn: &str,
    target_group_arn: Option<&str>,
    answer: Answer,
) {
    metrics::count(world, load_balancer_arn, target_group_arn, answer);
}

/// The checks that are due: each is handed out once, the next one an interval later. Empty when tasks are modelled.
pub fn checks_due(world: &mut World) -> Vec<Check> {
    if world.settings.tasks == TaskMode::Modelled {
        return Vec::new();
    }
    let now = world.now;
    let mut due = Vec::new();
    for group in world.elb.target_groups.values_mut() {
        let interval_ms = world
            .settings
            .declared_ms(group.health_check.interval_seconds)
            .max(1);
        let timeout_ms = world
            .settings
            .declared_ms(group.health_check.timeout_seconds)
            .max(1);
        let fixed_port: Option<u16> = group.health_check.port.parse().ok();
        for (target, entry) in &mut group.targets {
            if entry.next_check.is_none_or(|at| at > now) {
                continue;
            }
            entry.next_check = Some(now + interval_ms);
            due.push(Check {
                target_group_arn: group.arn.clone(),
                address: SocketAddrV4::new(*target.ip(), fixed_port.unwrap_or(target.port())),
                target: *target,
                path: group.health_check.path.clone(),
                matcher: group.health_check.matcher.clone(),
                interval_ms,
                timeout_ms,
            });
        }
    }
    due
}

/// When [`checks_due`] will next have something.
#[must_use]
pub fn next_check(world: &World) -> Option<Millis> {
    if world.settings.tasks == TaskMode::Modelled {
        return None;
    }
    world
        .elb
        .target_groups
        .values()
        .flat_map(|group| group.targets.values())
        .filter_map(|target| target.next_check)
        .min()
}

/// Notes the result of a check. One of a target that is gone is dropped.
pub fn report_check(
    world: &mut World,
    target_group_arn: &str,
    target: SocketAddrV4,
    result: CheckResult,
) {
    health::record(world, target_group_arn, target, result);
}

/// The tasks whose containers should live now: from PENDING until SIGTERM. Empty when tasks are modelled.
#[must_use]
pub fn tasks_to_run(world: &World) -> Vec<TaskSpec> {
    if world.settings.tasks == TaskMode::Modelled {
        return Vec::new();
    }
    world
        .ecs
        .tasks
        .values()
        .filter(|task| {
            (Status::Pending..=Status::Deactivating).contains(&task.status)
                && task.exited_at.is_none()
        })
        .map(|task| TaskSpec {
            id: task.arn.clone(),
            address: task.address,
            family: task.family.clone(),
            revision: task.revision,
            containers: task
                .containers
                .iter()
                .map(|container| ContainerSpec {
                    name: container.name.clone(),
                    essential: container.essential,
                    image: container.image.clone(),
                    command: container.command.clone(),
                    environment: container.environment.clone(),
                    ports: container.ports.clone(),
                })
                .collect(),
        })
        .collect()
}

/// The tasks to end: id, and milliseconds between SIGTERM (now) and SIGKILL.
#[must_use]
pub fn tasks_to_stop(world: &World) -> Vec<(String, u64)> {
    if world.settings.tasks == TaskMode::Modelled {
        return Vec::new();
    }
    world
        .ecs
        .tasks
        .values()
        .filter(|task| task.status == Status::Stopping && task.exited_at.is_none())
        .map(|task| (task.arn.clone(), life::stop_timeout_ms(world, task)))
        .collect()
}

/// The containers of a task run (they need not listen yet).
pub fn report_task_started(world: &mut World, id: &str) {
    life::containers_started(world, id);
}

/// An essential container of a task has exited, or could not start (`reason` then says why, for example
/// `CannotPullContainerError: …`).
pub fn report_task_exited(world: &mut World, id: &str, code: i32, reason: Option<String>) {
    life::exited(world, id, code, reason);
}
