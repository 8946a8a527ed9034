//! Services and their deployments.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::event::ServiceEvent;
use super::health;
use super::task::{self, Status as TaskStatus};
use crate::world::agenda::Event;
use crate::world::elb::health::Health;
use crate::world::{Millis, World};

/// A service of the REPLICA strategy under the rolling (ECS) controller.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Service {
    /// ARN.
    pub arn: String,
    /// Name, unique in its cluster among ACTIVE and DRAINING services.
    pub name: String,
    /// Its cluster's name.
    pub cluster: String,
    /// ACTIVE, DRAINING or INACTIVE.
    pub status: Status,
    /// Tasks it should have.
    pub desired: u32,
    /// What CreateService was given, to recognise a repetition.
    pub request: Value,
    /// Members that DescribeServices returns as they were given, or as AWS defaults them.
    pub given: Map<String, Value>,
    /// The PRIMARY deployment first, then the ones it replaces.
    pub deployments: Vec<Deployment>,
    /// Newest first.
    pub events: VecDeque<ServiceEvent>,
    /// Tags.
    pub tags: BTreeMap<String, String>,
    /// When it was created.
    pub created_at: Millis,
    /// Its tasks that are not STOPPED.
    pub tasks: BTreeSet<String>,
    /// When the scheduler looks next.
    pub look_at: Option<Millis>,
    /// Whether the last event on its state was that it is steady.
    pub steady: bool,
    /// Tasks in a row that stopped before they ran.
    pub start_failures: u32,
    /// No task is started before.
    pub start_not_before: Millis,
    /// Since when a DRAINING service has had no task before STOPPING.
    pub empty_since: Option<Millis>,
    /// Task definition of the last deployment that completed: what a circuit breaker rolls back to.
    pub last_completed: Option<Revision>,
}

/// The state of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    /// Scheduled.
    Active,
    /// Deleted; its tasks end.
    Draining,
    /// Deleted; its name is free.
    Inactive,
}

impl Status {
    /// AWS's word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Draining => "DRAINING",
            Self::Inactive => "INACTIVE",
        }
    }
}

/// What a deployment deploys.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Revision {
    /// ARN of the task definition.
    pub task_definition: String,
    /// `loadBalancers`.
    pub load_balancers: Vec<Binding>,
    /// Members of the deployment as DescribeServices returns them (network configuration, platform …).
    pub given: Map<String, Value>,
}

/// A container's port behind a target group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    /// The group.
    pub target_group_arn: String,
    /// The container.
    pub container_name: String,
    /// The container's port.
    pub container_port: u16,
}

/// A deployment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Deployment {
    /// `ecs-svc/` and 19 digits.
    pub id: String,
    /// What it deploys.
    pub revision: Revision,
    /// When it was created.
    pub created_at: Millis,
    /// When its state changed last.
    pub updated_at: Millis,
    /// Its state.
    pub rollout: Rollout,
    /// Failed tasks in a row, as AWS counts them.
    pub failed_tasks: u32,
    /// Whether a task of it has ever run.
    pub has_run: bool,
}

/// `rolloutState`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Rollout {
    /// On its way; for ever, if tasks fail and no circuit breaker is on.
    InProgress,
    /// The service was steady with it.
    Completed,
    /// The circuit breaker gave it up.
    Failed,
}

impl Rollout {
    /// AWS's word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::InProgress => "IN_PROGRESS",
            Self::Completed => "COMPLETED",
            Self::Failed => "FAILED",
        }
    }
}

/// Tasks by state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TaskCounts {
    /// RUNNING.
    pub running: u32,
    /// PROVISIONING, PENDING, ACTIVATING.
    pub pending: u32,
}

impl Service {
    /// A whole-number member of `deploymentConfiguration`.
    #[must_use]
    pub fn percent(&self, member: &str, default: u64) -> u64 {
        self.deployment_configuration()[member]
            .as_u64()
            .unwrap_or(default)
    }

    /// Whether the circuit breaker is on, and whether it rolls back.
    #[must_use]
    pub fn circuit_breaker(&self) -> (bool, bool) {
        let breaker = &self.deployment_configuration()["deploymentCircuitBreaker"];
        (
            breaker["enable"].as_bool().unwrap_or(false),
            breaker["rollback"].as_bool().unwrap_or(false),
        )
    }

    /// `healthCheckGracePeriodSeconds`.
    #[must_use]
    pub fn grace_seconds(&self) -> u64 {
        self.given
            .get("healthCheckGracePeriodSeconds")
            .and_then(Value::as_u64)
            .unwrap_or(0)
    }

    fn deployment_configuration(&self) -> &Value {
        self.given
            .get("deploymentConfiguration")
            .unwrap_or(&Value::Null)
    }

    /// Counts the service's tasks; of one deployment, if its id is given.
    #[must_use]
    pub fn counts(&self, world: &World, deployment: Option<&str>) -> TaskCounts {
        let mut counts = TaskCounts::default();
        for task in self.tasks.iter().filter_map(|arn| world.ecs.tasks.get(arn)) {
            if deployment.is_some() && task.deployment.as_deref() != deployment {
                continue;
            }
            match task.status {
                TaskStatus::Provisioning | TaskStatus::Pending | TaskStatus::Activating => {
                    counts.pending += 1
                }
                TaskStatus::Running => counts.running += 1,
                TaskStatus::Deactivating
                | TaskStatus::Stopping
                | TaskStatus::Deprovisioning
                | TaskStatus::Stopped => {}
            }
        }
        counts
    }
}

/// Makes a revision the PRIMARY deployment of a service. Returns its id.
pub fn deploy(world: &mut World, service_arn: &str, revision: Revision) -> String {
    let number = world.fresh_bits() % 9_000_000_000_000_000_000 + 1_000_000_000_000_000_000;
    let id = format!("ecs-svc/{number}");
    let deployment = Deployment {
        id: id.clone(),
        revision,
        created_at: world.now,
        updated_at: world.now,
        rollout: Rollout::InProgress,
        failed_tasks: 0,
        has_run: false,
    };
    if let Some(service) = world.ecs.services.get_mut(service_arn) {
        service.deployments.insert(0, deployment);
        service.steady = false;
        service.start_failures = 0;
        service.start_not_before = 0;
    }
    super::wake::soon(world, service_arn);
    id
}

/// Sets how many tasks a service should have.
pub fn set_desired(world: &mut World, service_arn: &str, desired: u32) {
    if let Some(service) = world.ecs.services.get_mut(service_arn)
        && service.desired != desired
    {
        service.desired = desired;
        service.steady = false;
        super::wake::soon(world, service_arn);
    }
}

/// Begins the end of a service.
pub fn drain(world: &mut World, service_arn: &str) {
    if let Some(service) = world.ecs.services.get_mut(service_arn) {
        service.status = Status::Draining;
        service.desired = 0;
        super::wake::soon(world, service_arn);
    }
}

/// Ends a service: it is INACTIVE, its name is free.
pub fn deactivate(world: &mut World, service_arn: &str) {
    let forgotten = world.now + world.settings.inactive_service_visible_ms;
    if let Some(service) = world.ecs.services.get_mut(service_arn) {
        service.status = Status::Inactive;
        if let Some(last) = service.deployments.drain(..).next() {
            service.given.insert(
                "taskDefinition".to_owned(),
                Value::String(last.revision.task_definition),
            );
        }
        let event = Event::ServiceForgotten(service_arn.to_owned(), service.created_at);
        world.agenda.at(forgotten, event);
    }
}

/// Forgets an INACTIVE service, unless its name was taken by another since.
pub fn forget(world: &mut World, service_arn: &str, created_at: Millis) {
    let known = world.ecs.services.get(service_arn);
    if known.is_some_and(|known| known.status == Status::Inactive && known.created_at == created_at)
    {
        world.ecs.services.remove(service_arn);
    }
}

/// Whether a task counts as up for its deployment: it runs, its containers' own checks and the load balancer find it
/// healthy, or it has run long enough where nothing checks it.
#[must_use]
pub fn is_ready(world: &World, task: &task::Task) -> bool {
    if task.status != TaskStatus::Running || !task.wanted {
        return false;
    }
    let checked = health::of_task(world, task).map(|(health, _)| health);
    if checked.is_some_and(|health| health != health::Health::Healthy) {
        return false;
    }
    if task.targets.is_empty() && checked.is_none() {
        let started = task.started_at.unwrap_or(world.now);
        return started + world.settings.steady_without_checks_ms <= world.now;
    }
    task.targets.iter().all(|(group, target)| {
        world.elb.target_groups.get(group).is_some_and(|group| {
            !group.used_by.is_empty()
                && group
                    .targets
                    .get(target)
                    .is_some_and(|target| target.health == Health::Healthy)
        })
    })
}
