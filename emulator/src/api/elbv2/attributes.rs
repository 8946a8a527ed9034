//! Attributes of load balancers and target groups.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{AwsError, invalid, load_balancer_of, target_group_of};
use crate::api::json::{tag_list, tags};
use crate::world::World;
use crate::world::elb::load_balancer;
use crate::world::elb::target_group;

pub(super) fn describe_of_load_balancer(
    world: &mut World,
    input: &Value,
) -> Result<Value, AwsError> {
    Ok(render(&load_balancer_of(world, input)?.attributes))
}

pub(super) fn modify_of_load_balancer(world: &mut World, input: &Value) -> Result<Value, AwsError> {
    let arn = load_balancer_of(world, input)?.arn.clone();
    let given = tags(input, "Attributes", "Key", "Value");
    let known = load_balancer::default_attributes();
    if let Some(key) = given.keys().find(|key| !known.contains_key(*key)) {
        return Err(invalid(format!(
            "Load balancer attribute key '{key}' is not recognized"
        )));
    }
    let Some(load_balancer) = world.elb.load_balancers.get_mut(&arn) else {
        return Err(super::no_load_balancer(&arn));
    };
    load_balancer.attributes.extend(given);
    Ok(render(&load_balancer.attributes))
}

pub(super) fn describe_of_target_group(
    world: &mut World,
    input: &Value,
) -> Result<Value, AwsError> {
    Ok(render(&target_group_of(world, input)?.attributes))
}

pub(super) fn modify_of_target_group(world: &mut World, input: &Value) -> Result<Value, AwsError> {
    let arn = target_group_of(world, input)?.arn.clone();
    let given = tags(input, "Attributes", "Key", "Value");
    let known = target_group::default_attributes();
    for (key, value) in &given {
        if !known.contains_key(key) {
            return Err(invalid(format!(
                "Target group attribute key '{key}' is not recognized"
            )));
        }
        if !fits(key, value) {
            return Err(invalid(format!(
                "Target group attribute '{key}' cannot have the value '{value}'"
            )));
        }
    }
    let Some(group) = world.elb.target_groups.get_mut(&arn) else {
        return Err(super::no_target_group());
    };
    group.attributes.extend(given);
    Ok(render(&group.attributes))
}

fn fits(key: &str, value: &str) -> bool {
    let within = |low: u64, high: u64| {
        value
            .parse::<u64>()
            .is_ok_and(|number| (low..=high).contains(&number))
    };
    match key {
        "deregistration_delay.timeout_seconds" => within(0, 3600),
        "slow_start.duration_seconds" => within(0, 0) || within(30, 900),
        "stickiness.enabled" => ["true", "false"].contains(&value),
        "stickiness.lb_cookie.duration_seconds" | "stickiness.app_cookie.duration_seconds" => {
            within(1, 604_800)
        }
        "stickiness.type" => ["lb_cookie", "app_cookie"].contains(&value),
        "load_balancing.cross_zone.enabled" => {
            ["true", "false", "use_load_balancer_configuration"].contains(&value)
        }
        _ => true,
    }
}

fn render(attributes: &BTreeMap<String, String>) -> Value {
    json!({ "Attributes": tag_list(attributes, "Key", "Value") })
}
