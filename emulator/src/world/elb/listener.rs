//! Listeners, and the versions of their rules that the nodes adopt one after another.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::rule::{Compiled, Rule};
use super::{longest_rule_propagation_ms, rule_propagation_ms, target_group};
use crate::world::{Millis, World};

/// A listener of a load balancer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Listener {
    /// ARN.
    pub arn: String,
    /// Its load balancer.
    pub load_balancer_arn: String,
    /// `HTTP` or `HTTPS`.
    pub protocol: String,
    /// Port.
    pub port: u16,
    /// Other members as given: certificates, policies.
    pub given: Map<String, Value>,
    /// Its default rule.
    pub default_rule: String,
    /// Its rules by priority, without the default rule.
    pub by_priority: BTreeMap<u32, String>,
    /// Tags.
    pub tags: BTreeMap<String, String>,
    /// Newest last; at least one is adopted by every node, or is the first.
    versions: VecDeque<Version>,
}

/// The rules of a listener as they were after a change.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Version {
    change: u64,
    at: Millis,
    rules: Arc<Vec<Arc<Compiled>>>,
}

impl Listener {
    /// A listener without rules.
    #[must_use]
    pub fn new(
        arn: String,
        load_balancer_arn: String,
        protocol: String,
        port: u16,
        default_rule: String,
    ) -> Self {
        Self {
            arn,
            load_balancer_arn,
            protocol,
            port,
            given: Map::new(),
            default_rule,
            by_priority: BTreeMap::new(),
            tags: BTreeMap::new(),
            versions: VecDeque::new(),
        }
    }

    /// The rules in order of evaluation, the default rule last.
    pub fn rules(&self) -> impl Iterator<Item = &String> {
        self.by_priority
            .values()
            .chain(std::iter::once(&self.default_rule))
    }

    /// The rules that a node routes by now; `None` as long as it does not know the listener.
    #[must_use]
    pub fn adopted(&self, world: &World, node: usize) -> Option<&[Arc<Compiled>]> {
        self.versions
            .iter()
            .rev()
            .find(|version| {
                version.at + rule_propagation_ms(world, version.change, node) <= world.now
            })
            .map(|version| version.rules.as_slice())
    }
}

/// Publishes the present rules of a listener to the nodes.
pub fn publish(world: &mut World, listener_arn: &str) {
    let change = world.fresh_number();
    let Some(listener) = world.elb.listeners.get(listener_arn) else {
        return;
    };
    let rules = listener
        .rules()
        .filter_map(|arn| world.elb.rules.get(arn))
        .map(|rule| Arc::new(rule.compiled()))
        .collect();
    let version = Version {
        change,
        at: world.now,
        rules: Arc::new(rules),
    };
    let settled = world.now.saturating_sub(longest_rule_propagation_ms(world));
    let Some(listener) = world.elb.listeners.get_mut(listener_arn) else {
        return;
    };
    listener.versions.push_back(version);
    while listener
        .versions
        .get(1)
        .is_some_and(|second| second.at <= settled)
    {
        listener.versions.pop_front();
    }
}

/// Adds a rule, or puts one in the place of the rule of the same ARN, and publishes the listener.
pub fn put_rule(world: &mut World, rule: Rule) {
    let after = rule.target_groups();
    let (arn, listener_arn, priority) =
        (rule.arn.clone(), rule.listener_arn.clone(), rule.priority);
    let before = world
        .elb
        .rules
        .insert(arn.clone(), rule)
        .map(|old| old.target_groups())
        .unwrap_or_default();
    if let (Some(priority), Some(listener)) = (priority, world.elb.listeners.get_mut(&listener_arn))
    {
        listener.by_priority.insert(priority, arn.clone());
    }
    target_group::set_uses(world, &arn, &before, &after);
    publish(world, &listener_arn);
}

/// Removes a rule and publishes the listener.
pub fn delete_rule(world: &mut World, arn: &str) {
    let Some(rule) = world.elb.rules.remove(arn) else {
        return;
    };
    if let (Some(priority), Some(listener)) = (
        rule.priority,
        world.elb.listeners.get_mut(&rule.listener_arn),
    ) {
        listener.by_priority.remove(&priority);
    }
    target_group::set_uses(world, arn, &rule.target_groups(), &[]);
    publish(world, &rule.listener_arn);
}

/// Removes a listener with its rules. Its port closes at once.
pub fn delete(world: &mut World, arn: &str) {
    let Some(listener) = world.elb.listeners.remove(arn) else {
        return;
    };
    for rule_arn in listener.rules() {
        if let Some(rule) = world.elb.rules.remove(rule_arn) {
            target_group::set_uses(world, rule_arn, &rule.target_groups(), &[]);
        }
    }
}

/// Gives a listener's rules the priorities of `by_priority`, which names each of them, and publishes the listener.
pub fn set_priorities(world: &mut World, listener_arn: &str, by_priority: BTreeMap<u32, String>) {
    for (priority, arn) in &by_priority {
        if let Some(rule) = world.elb.rules.get_mut(arn) {
            rule.priority = Some(*priority);
        }
    }
    if let Some(listener) = world.elb.listeners.get_mut(listener_arn) {
        listener.by_priority = by_priority;
    }
    publish(world, listener_arn);
}
