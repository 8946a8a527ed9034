//! Elastic Load Balancing v2: load balancers, target groups, listeners, rules, health and routing.

pub mod condition;
pub mod health;
pub mod listener;
pub mod load_balancer;
pub mod metrics;
pub mod routing;
pub mod rule;
pub mod target_group;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{World, hash};

pub use listener::Listener;
pub use load_balancer::LoadBalancer;
pub use rule::Rule;
pub use target_group::{Target, TargetGroup};

/// Load balancers, target groups, listeners and rules, each by ARN; and their metrics.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Elb {
    /// Load balancers.
    pub load_balancers: BTreeMap<String, LoadBalancer>,
    /// Target groups.
    pub target_groups: BTreeMap<String, TargetGroup>,
    /// Listeners.
    pub listeners: BTreeMap<String, Listener>,
    /// Rules, default rules too.
    pub rules: BTreeMap<String, Rule>,
    /// What is not published yet.
    pub open: metrics::Open,
}

/// How long after a change of configuration a node adopts it.
#[must_use]
pub fn propagation_ms(world: &World, change: u64, node: usize) -> u64 {
    adopted_after(world, change, node, world.settings.propagation_max_ms)
}

/// The same for a change of listeners and rules.
#[must_use]
pub fn rule_propagation_ms(world: &World, change: u64, node: usize) -> u64 {
    adopted_after(world, change, node, longest_rule_propagation_ms(world))
}

/// After this long every node has adopted a change of listeners and rules.
#[must_use]
pub fn longest_rule_propagation_ms(world: &World) -> u64 {
    let settings = &world.settings;
    settings
        .rule_propagation_max_ms
        .unwrap_or(settings.propagation_max_ms)
}

fn adopted_after(world: &World, change: u64, node: usize, longest: u64) -> u64 {
    let shortest = world.settings.propagation_min_ms;
    let span = longest.saturating_sub(shortest) + 1;
    shortest + hash::mix(&[world.settings.seed, change, node as u64]) % span
}
