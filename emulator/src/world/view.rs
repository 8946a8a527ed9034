//! What a data plane needs to know of the world and tells it.

use std::net::{Ipv4Addr, SocketAddrV4};

use super::{Millis, World};

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
    let _ = world;
    Vec::new()
}

/// Nodes of each load balancer, at least 1.
#[must_use]
pub fn node_count(world: &World) -> usize {
    world.settings.load_balancer_nodes.max(1)
}

/// Notes a request that was answered, for CloudWatch's per-group counts.
pub fn count_request(world: &mut World, target_group_arn: &str, status: u16, latency_ms: u64) {
    let _ = (world, target_group_arn, status, latency_ms);
}

/// The checks that are due: each is handed out once, the next one an interval later. Empty when tasks are modelled.
pub fn checks_due(world: &mut World) -> Vec<Check> {
    let _ = world;
    Vec::new()
}

/// When [`checks_due`] will next have something.
#[must_use]
pub fn next_check(world: &World) -> Option<Millis> {
    let _ = world;
    None
}

/// Notes the result of a check. One of a target that is gone is dropped.
pub fn report_check(
    world: &mut World,
    target_group_arn: &str,
    target: SocketAddrV4,
    result: CheckResult,
) {
    let _ = (world, target_group_arn, target, result);
}

/// The tasks whose containers should live now: from PENDING until SIGTERM. Empty when tasks are modelled.
#[must_use]
pub fn tasks_to_run(world: &World) -> Vec<TaskSpec> {
    let _ = world;
    Vec::new()
}

/// The tasks to end: id, and milliseconds between SIGTERM (now) and SIGKILL.
#[must_use]
pub fn tasks_to_stop(world: &World) -> Vec<(String, u64)> {
    let _ = world;
    Vec::new()
}

/// The containers of a task run (they need not listen yet).
pub fn report_task_started(world: &mut World, id: &str) {
    let _ = (world, id);
}

/// An essential container of a task has exited, or could not start (`reason` then says why, for example
/// `CannotPullContainerError: …`).
pub fn report_task_exited(world: &mut World, id: &str, code: i32, reason: Option<String>) {
    let _ = (world, id, code, reason);
}
