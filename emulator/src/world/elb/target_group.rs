//! Target groups and the targets in them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddrV4;

use serde::{Deserialize, Serialize};

use super::health::{self, Failure, Health};
use super::metrics;
use crate::world::agenda::Event;
use crate::world::{Millis, World};

/// A target group.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TargetGroup {
    /// ARN.
    pub arn: String,
    /// Name, unique in the Region.
    pub name: String,
    /// `HTTP` or `HTTPS`.
    pub protocol: String,
    /// `HTTP1`, `HTTP2` or `GRPC`.
    pub protocol_version: String,
    /// Default port of its targets.
    pub port: u16,
    /// VPC.
    pub vpc_id: String,
    /// `instance`, `ip`, …
    pub target_type: String,
    /// How its targets are checked.
    pub health_check: HealthCheck,
    /// Attributes by key.
    pub attributes: BTreeMap<String, String>,
    /// Tags.
    pub tags: BTreeMap<String, String>,
    /// Its targets, draining ones too.
    pub targets: BTreeMap<SocketAddrV4, Target>,
    /// The rules (default rules too) that forward to it, at whatever weight.
    pub used_by: BTreeSet<String>,
    /// Up to when the counts of its hosts are published: the beginning of a minute, Unix time in milliseconds.
    pub hosts_published_until: u64,
}

/// How targets are checked. Seconds are as declared, not scaled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthCheck {
    /// Whether there are checks at all.
    pub enabled: bool,
    /// `HTTP` or `HTTPS`.
    pub protocol: String,
    /// `traffic-port` or a number.
    pub port: String,
    /// Path and query.
    pub path: String,
    /// 5 to 300.
    pub interval_seconds: u64,
    /// 2 to 120.
    pub timeout_seconds: u64,
    /// Passed checks in a row that make an unhealthy target healthy.
    pub healthy_threshold: u32,
    /// Failed checks in a row that make a target unhealthy.
    pub unhealthy_threshold: u32,
    /// `200`, `200,202` or `200-299`.
    pub matcher: String,
}

impl HealthCheck {
    /// Whether a status passes the matcher.
    #[must_use]
    pub fn passes(&self, status: u16) -> bool {
        self.matcher
            .split(',')
            .any(|part| match part.split_once('-') {
                Some((low, high)) => {
                    low.trim().parse().is_ok_and(|low: u16| low <= status)
                        && high.trim().parse().is_ok_and(|high: u16| status <= high)
                }
                None => part.trim().parse() == Ok(status),
            })
    }
}

/// A registered target.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Target {
    /// When it was registered.
    pub registered_at: Millis,
    /// Number of the registration, behind each node's delay in adopting it.
    pub change: u64,
    /// What its checks say.
    pub health: Health,
    /// Passed checks in a row.
    pub passed: u32,
    /// Failed checks in a row.
    pub failed: u32,
    /// Why the last check failed.
    pub failure: Option<Failure>,
    /// When it is checked next.
    pub next_check: Option<Millis>,
    /// Its deregistration, once that has begun.
    pub draining: Option<Draining>,
}

/// A deregistration in progress.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Draining {
    /// When it began.
    pub since: Millis,
    /// When it ends.
    pub until: Millis,
    /// Number of the change, behind each node's delay in adopting it.
    pub change: u64,
}

impl TargetGroup {
    /// An attribute as a number; 0 if it is none.
    #[must_use]
    pub fn number(&self, attribute: &str) -> u64 {
        self.attributes
            .get(attribute)
            .and_then(|value| value.parse().ok())
            .unwrap_or(0)
    }

    /// Whether targets are sticky (`stickiness.enabled`).
    #[must_use]
    pub fn is_sticky(&self) -> bool {
        self.attributes
            .get("stickiness.enabled")
            .is_some_and(|value| value == "true")
    }
}

/// The attributes of a new target group, and the keys that may be modified.
#[must_use]
pub fn default_attributes() -> BTreeMap<String, String> {
    [
        ("deregistration_delay.timeout_seconds", "300"),
        ("load_balancing.algorithm.anomaly_mitigation", "off"),
        ("load_balancing.algorithm.type", "round_robin"),
        (
            "load_balancing.cross_zone.enabled",
            "use_load_balancer_configuration",
        ),
        ("slow_start.duration_seconds", "0"),
        ("stickiness.app_cookie.cookie_name", ""),
        ("stickiness.app_cookie.duration_seconds", "86400"),
        ("stickiness.enabled", "false"),
        ("stickiness.lb_cookie.duration_seconds", "86400"),
        ("stickiness.type", "lb_cookie"),
        (
            "target_group_health.dns_failover.minimum_healthy_targets.count",
            "1",
        ),
        (
            "target_group_health.dns_failover.minimum_healthy_targets.percentage",
            "off",
        ),
        (
            "target_group_health.unhealthy_state_routing.minimum_healthy_targets.count",
            "1",
        ),
        (
            "target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage",
            "off",
        ),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .collect()
}

/// Registers a target; one that is registered stays as it is, one that drains is registered anew.
pub fn register(world: &mut World, group_arn: &str, target: SocketAddrV4) {
    let change = world.fresh_number();
    let now = world.now;
    let Some(group) = world.elb.target_groups.get_mut(group_arn) else {
        return;
    };
    if group
        .targets
        .get(&target)
        .is_some_and(|known| known.draining.is_none())
    {
        return;
    }
    let entry = Target {
        registered_at: now,
        change,
        health: Health::Initial,
        passed: 0,
        failed: 0,
        failure: None,
        next_check: None,
        draining: None,
    };
    group.targets.insert(target, entry);
    health::schedule_first_check(world, group_arn, target);
}

/// Begins to drain a target. In a group that no rule uses it is gone at once.
///
/// Returns when it has drained.
pub fn deregister(world: &mut World, group_arn: &str, target: SocketAddrV4) -> Millis {
    let change = world.fresh_number();
    let now = world.now;
    metrics::publish_hosts(world, group_arn);
    let Some(group) = world.elb.target_groups.get_mut(group_arn) else {
        return now;
    };
    let delay = world
        .settings
        .declared_ms(group.number("deregistration_delay.timeout_seconds"));
    let unused = group.used_by.is_empty();
    let Some(entry) = group.targets.get_mut(&target) else {
        return now;
    };
    if let Some(draining) = &entry.draining {
        return draining.until;
    }
    if unused {
        group.targets.remove(&target);
        return now;
    }
    let until = now + delay;
    entry.draining = Some(Draining {
        since: now,
        until,
        change,
    });
    entry.next_check = None;
    world
        .agenda
        .at(until, Event::Drained(group_arn.to_owned(), target));
    until
}

/// Forgets a target whose draining has ended.
pub fn drained(world: &mut World, group_arn: &str, target: SocketAddrV4) {
    let now = world.now;
    let Some(group) = world.elb.target_groups.get_mut(group_arn) else {
        return;
    };
    let over = group
        .targets
        .get(&target)
        .and_then(|entry| entry.draining.as_ref())
        .is_some_and(|draining| draining.until <= now);
    if over {
        group.targets.remove(&target);
    }
}

/// Notes which groups a rule forwards to: `before` and `after` a change. A group that comes into use starts
/// its checks; one that falls out of use ends them.
pub fn set_uses(world: &mut World, rule_arn: &str, before: &[String], after: &[String]) {
    for arn in before.iter().filter(|arn| !after.contains(arn)) {
        metrics::publish_hosts(world, arn);
        let Some(group) = world.elb.target_groups.get_mut(arn) else {
            continue;
        };
        group.used_by.remove(rule_arn);
        if group.used_by.is_empty() {
            group.targets.retain(|_, target| target.draining.is_none());
            for target in group.targets.values_mut() {
                target.health = Health::Initial;
                target.passed = 0;
                target.failed = 0;
                target.next_check = None;
            }
        }
    }
    for arn in after {
        metrics::publish_hosts(world, arn);
        let Some(group) = world.elb.target_groups.get_mut(arn) else {
            continue;
        };
        let was_unused = group.used_by.is_empty();
        group.used_by.insert(rule_arn.to_owned());
        if was_unused {
            let targets: Vec<SocketAddrV4> = group.targets.keys().copied().collect();
            for target in targets {
                health::schedule_first_check(world, arn, target);
            }
        }
    }
}

/// The load balancer that forwards to this group, if one does.
#[must_use]
pub fn load_balancer_of<'a>(world: &'a World, group: &TargetGroup) -> Option<&'a str> {
    let rule = world.elb.rules.get(group.used_by.first()?)?;
    let listener = world.elb.listeners.get(&rule.listener_arn)?;
    Some(&listener.load_balancer_arn)
}

/// Changes how targets are checked. Checks that were off begin.
pub fn set_health_check(world: &mut World, group_arn: &str, check: HealthCheck) {
    let Some(group) = world.elb.target_groups.get_mut(group_arn) else {
        return;
    };
    let begins = check.enabled && !group.health_check.enabled;
    if !check.enabled {
        group
            .targets
            .values_mut()
            .for_each(|target| target.next_check = None);
    }
    group.health_check = check;
    if begins {
        let targets: Vec<SocketAddrV4> = group.targets.keys().copied().collect();
        for target in targets {
            health::schedule_first_check(world, group_arn, target);
        }
    }
}
