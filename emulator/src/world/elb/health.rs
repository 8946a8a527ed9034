//! The health of targets: when they are checked, what the checks say, how AWS words it.

use std::net::SocketAddrV4;

use serde::{Deserialize, Serialize};

use super::metrics;
use super::target_group::{Target, TargetGroup};
use crate::world::agenda::Event;
use crate::world::view::CheckResult;
use crate::world::{TaskMode, World, ecs, hash};

/// What the checks of a target say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Health {
    /// Not enough checks yet.
    Initial,
    /// Serves.
    Healthy,
    /// Fails its checks.
    Unhealthy,
}

/// Why a check failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Failure {
    /// A status outside the matcher.
    Code(u16),
    /// No answer in time.
    Timeout,
    /// No connection.
    Refused,
}

impl Failure {
    /// `Reason` and `Description` as DescribeTargetHealth gives them.
    #[must_use]
    pub fn wording(self) -> (&'static str, String) {
        match self {
            Self::Code(status) => (
                "Target.ResponseCodeMismatch",
                format!("Health checks failed with these codes: [{status}]"),
            ),
            Self::Timeout => ("Target.Timeout", "Request timed out".to_owned()),
            Self::Refused => (
                "Target.FailedHealthChecks",
                "Health checks failed".to_owned(),
            ),
        }
    }
}

/// A target's health in AWS's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wording {
    /// `State`.
    pub state: &'static str,
    /// `Reason`, absent when healthy.
    pub reason: Option<&'static str>,
    /// `Description`, absent when healthy.
    pub description: Option<String>,
}

impl Wording {
    fn new(state: &'static str, reason: &'static str, description: &str) -> Self {
        Self {
            state,
            reason: Some(reason),
            description: Some(description.to_owned()),
        }
    }

    /// Of a target that is not registered.
    #[must_use]
    pub fn not_registered() -> Self {
        Self::new(
            "unused",
            "Target.NotRegistered",
            "Target is not registered to the target group",
        )
    }
}

/// A registered target's health in AWS's words.
#[must_use]
pub fn wording(world: &World, group: &TargetGroup, target: &Target) -> Wording {
    if target.draining.is_some() {
        return Wording::new(
            "draining",
            "Target.DeregistrationInProgress",
            "Target deregistration is in progress",
        );
    }
    if group.used_by.is_empty() {
        return Wording::new(
            "unused",
            "Target.NotInUse",
            "Target group is not configured to receive traffic from the load balancer",
        );
    }
    if !group.health_check.enabled {
        return Wording::new(
            "unavailable",
            "Target.HealthCheckDisabled",
            "Health checks are disabled for this target",
        );
    }
    match target.health {
        Health::Initial
            if world.now < target.registered_at + world.settings.target_registration_ms =>
        {
            Wording::new(
                "initial",
                "Elb.RegistrationInProgress",
                "Target registration is in progress",
            )
        }
        Health::Initial => Wording::new(
            "initial",
            "Elb.InitialHealthChecking",
            "Initial health checks in progress",
        ),
        Health::Healthy => Wording {
            state: "healthy",
            reason: None,
            description: None,
        },
        Health::Unhealthy => {
            let (reason, description) = target.failure.unwrap_or(Failure::Refused).wording();
            Wording {
                state: "unhealthy",
                reason: Some(reason),
                description: Some(description),
            }
        }
    }
}

/// Schedules the first check of a target if its group is used: after its registration, spread over one interval.
pub fn schedule_first_check(world: &mut World, group_arn: &str, target: SocketAddrV4) {
    let Some(group) = world.elb.target_groups.get_mut(group_arn) else {
        return;
    };
    if group.used_by.is_empty() || !group.health_check.enabled {
        return;
    }
    let interval = world
        .settings
        .declared_ms(group.health_check.interval_seconds)
        .max(1);
    let Some(entry) = group.targets.get_mut(&target) else {
        return;
    };
    if entry.draining.is_some() {
        return;
    }
    let spread = hash::mix(&[world.settings.seed, entry.change]) % interval;
    let at = world.now + world.settings.target_registration_ms + spread;
    entry.next_check = Some(at);
    world
        .agenda
        .at(at, Event::Check(group_arn.to_owned(), target));
}

/// A check is due: a modelled target is checked here, a real one by the data plane when it asks.
pub fn check(world: &mut World, group_arn: &str, target: SocketAddrV4) {
    if world.settings.tasks == TaskMode::Real {
        return;
    }
    let now = world.now;
    let Some(group) = world.elb.target_groups.get_mut(group_arn) else {
        return;
    };
    let interval = world
        .settings
        .declared_ms(group.health_check.interval_seconds)
        .max(1);
    let timeout = world
        .settings
        .declared_ms(group.health_check.timeout_seconds);
    let port = check_port(group, target);
    let Some(entry) = group.targets.get_mut(&target) else {
        return;
    };
    if entry.next_check != Some(now) {
        return;
    }
    entry.next_check = Some(now + interval);
    world
        .agenda
        .at(now + interval, Event::Check(group_arn.to_owned(), target));
    let result = ecs::conduct::health_check(world, SocketAddrV4::new(*target.ip(), port), timeout);
    record(world, group_arn, target, result);
}

/// The port that is checked.
#[must_use]
pub fn check_port(group: &TargetGroup, target: SocketAddrV4) -> u16 {
    group.health_check.port.parse().unwrap_or(target.port())
}

/// Takes a result into account: one passed check makes a new target healthy, otherwise the thresholds decide.
pub fn record(world: &mut World, group_arn: &str, target: SocketAddrV4, result: CheckResult) {
    metrics::publish_hosts(world, group_arn);
    let Some(group) = world.elb.target_groups.get_mut(group_arn) else {
        return;
    };
    if group.used_by.is_empty() {
        return;
    }
    let failure = match result {
        CheckResult::Status(status) if group.health_check.passes(status) => None,
        CheckResult::Status(status) => Some(Failure::Code(status)),
        CheckResult::Timeout => Some(Failure::Timeout),
        CheckResult::Refused => Some(Failure::Refused),
    };
    let (healthy, unhealthy) = (
        group.health_check.healthy_threshold,
        group.health_check.unhealthy_threshold,
    );
    let Some(entry) = group
        .targets
        .get_mut(&target)
        .filter(|entry| entry.draining.is_none())
    else {
        return;
    };
    let before = entry.health;
    match failure {
        None => {
            entry.passed += 1;
            entry.failed = 0;
            if entry.health == Health::Initial || entry.passed >= healthy {
                entry.health = Health::Healthy;
            }
        }
        Some(failure) => {
            entry.failed += 1;
            entry.passed = 0;
            entry.failure = Some(failure);
            if entry.failed >= unhealthy {
                entry.health = Health::Unhealthy;
            }
        }
    }
    if entry.health != before {
        ecs::wake::for_address(world, *target.ip());
    }
}
