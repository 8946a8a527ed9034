//! Tags of load balancers, target groups, listeners and rules.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{AwsError, check_tag_count, invalid, no_listener, no_load_balancer, no_target_group};
use crate::api::json::{tag_list, tags, texts};
use crate::world::World;

const MOST_ARNS: usize = 20;

/// The tags of the resource that has an ARN.
fn of<'a>(world: &'a mut World, arn: &str) -> Result<&'a mut BTreeMap<String, String>, AwsError> {
    let elb = &mut world.elb;
    let resource = arn.splitn(6, ':').nth(5).unwrap_or_default();
    match resource.split('/').next().unwrap_or_default() {
        "loadbalancer" => elb
            .load_balancers
            .get_mut(arn)
            .map(|known| &mut known.tags)
            .ok_or_else(|| no_load_balancer(arn)),
        "targetgroup" => elb
            .target_groups
            .get_mut(arn)
            .map(|known| &mut known.tags)
            .ok_or_else(no_target_group),
        "listener" => elb
            .listeners
            .get_mut(arn)
            .map(|known| &mut known.tags)
            .ok_or_else(no_listener),
        "listener-rule" => elb
            .rules
            .get_mut(arn)
            .map(|known| &mut known.tags)
            .ok_or_else(|| AwsError::new("RuleNotFoundException", "One or more rules not found")),
        _ => Err(invalid(format!(
            "'{arn}' is not a valid load balancer, target group, listener or rule ARN"
        ))),
    }
}

pub(super) fn add(world: &mut World, input: &Value) -> Result<Value, AwsError> {
    let given = tags(input, "Tags", "Key", "Value");
    let arns = texts(input, "ResourceArns");
    for arn in &arns {
        let mut all = of(world, arn)?.clone();
        all.extend(given.clone());
        check_tag_count(&all)?;
    }
    for arn in &arns {
        of(world, arn)?.extend(given.clone());
    }
    Ok(json!({}))
}

pub(super) fn remove(world: &mut World, input: &Value) -> Result<Value, AwsError> {
    let keys = texts(input, "TagKeys");
    let arns = texts(input, "ResourceArns");
    for arn in &arns {
        of(world, arn)?;
    }
    for arn in &arns {
        of(world, arn)?.retain(|key, _| !keys.contains(&key.as_str()));
    }
    Ok(json!({}))
}

pub(super) fn describe(world: &mut World, input: &Value) -> Result<Value, AwsError> {
    let arns = texts(input, "ResourceArns");
    if arns.is_empty() || arns.len() > MOST_ARNS {
        return Err(invalid(format!(
            "The number of resource ARNs must be between '1' and '{MOST_ARNS}'"
        )));
    }
    let mut descriptions = Vec::new();
    for arn in arns {
        descriptions
            .push(json!({ "ResourceArn": arn, "Tags": tag_list(of(world, arn)?, "Key", "Value") }));
    }
    Ok(json!({ "TagDescriptions": descriptions }))
}
