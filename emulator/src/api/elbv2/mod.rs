//! Elastic Load Balancing v2.

mod action;
mod attributes;
mod condition;
mod listener;
mod load_balancer;
mod rule;
mod tags;
mod target;
mod target_group;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::AwsError;
use crate::api::json::text;
use crate::world::World;
use crate::world::elb::{Listener, LoadBalancer, TargetGroup};

/// Carries out one operation.
///
/// # Errors
/// The refusal that ELB would give.
pub fn call(world: &mut World, operation: &str, input: &Value) -> Result<Value, AwsError> {
    match operation {
        "CreateLoadBalancer" => load_balancer::create(world, input),
        "DescribeLoadBalancers" => load_balancer::describe(world, input),
        "DeleteLoadBalancer" => load_balancer::delete(world, input),
        "DescribeLoadBalancerAttributes" => attributes::describe_of_load_balancer(world, input),
        "ModifyLoadBalancerAttributes" => attributes::modify_of_load_balancer(world, input),
        "CreateTargetGroup" => target_group::create(world, input),
        "DescribeTargetGroups" => target_group::describe(world, input),
        "ModifyTargetGroup" => target_group::modify(world, input),
        "DeleteTargetGroup" => target_group::delete(world, input),
        "DescribeTargetGroupAttributes" => attributes::describe_of_target_group(world, input),
        "ModifyTargetGroupAttributes" => attributes::modify_of_target_group(world, input),
        "RegisterTargets" => target::register(world, input),
        "DeregisterTargets" => target::deregister(world, input),
        "DescribeTargetHealth" => target::describe_health(world, input),
        "CreateListener" => listener::create(world, input),
        "DescribeListeners" => listener::describe(world, input),
        "ModifyListener" => listener::modify(world, input),
        "DeleteListener" => listener::delete(world, input),
        "CreateRule" => rule::create(world, input),
        "DescribeRules" => rule::describe(world, input),
        "ModifyRule" => rule::modify(world, input),
        "DeleteRule" => rule::delete(world, input),
        "SetRulePriorities" => rule::set_priorities(world, input),
        "AddTags" => tags::add(world, input),
        "RemoveTags" => tags::remove(world, input),
        "DescribeTags" => tags::describe(world, input),
        _ => Err(AwsError::not_emulated(operation)),
    }
}

fn invalid(message: impl Into<String>) -> AwsError {
    AwsError::new("ValidationError", message)
}

fn load_balancer_of<'a>(world: &'a World, input: &Value) -> Result<&'a LoadBalancer, AwsError> {
    let arn = text(input, "LoadBalancerArn").unwrap_or_default();
    world
        .elb
        .load_balancers
        .get(arn)
        .ok_or_else(|| no_load_balancer(arn))
}

fn no_load_balancer(name: &str) -> AwsError {
    AwsError::new(
        "LoadBalancerNotFoundException",
        format!("Load balancers '[{name}]' not found"),
    )
}

fn target_group_of<'a>(world: &'a World, input: &Value) -> Result<&'a TargetGroup, AwsError> {
    world
        .elb
        .target_groups
        .get(text(input, "TargetGroupArn").unwrap_or_default())
        .ok_or_else(no_target_group)
}

fn no_target_group() -> AwsError {
    AwsError::new(
        "TargetGroupNotFoundException",
        "One or more target groups not found",
    )
}

fn listener_of<'a>(world: &'a World, input: &Value) -> Result<&'a Listener, AwsError> {
    world
        .elb
        .listeners
        .get(text(input, "ListenerArn").unwrap_or_default())
        .ok_or_else(no_listener)
}

fn no_listener() -> AwsError {
    AwsError::new(
        "ListenerNotFoundException",
        "One or more listeners not found",
    )
}

/// Tags given at creation, within the limit.
fn given_tags(input: &Value) -> Result<BTreeMap<String, String>, AwsError> {
    let given = super::json::tags(input, "Tags", "Key", "Value");
    check_tag_count(&given)?;
    Ok(given)
}

fn check_tag_count(tags: &BTreeMap<String, String>) -> Result<(), AwsError> {
    if tags.len() > 50 {
        return Err(AwsError::new(
            "TooManyTagsException",
            "The maximum number of tags on a resource is 50",
        ));
    }
    Ok(())
}

/// A load balancer's or target group's name.
fn check_name(name: &str, what: &str) -> Result<(), AwsError> {
    if name.is_empty() || name.len() > 32 {
        return Err(invalid(format!(
            "{what} name '{name}' cannot be longer than '32' characters"
        )));
    }
    if !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
        return Err(invalid(format!(
            "{what} name '{name}' can only contain characters that are alphanumeric characters or hyphens(-)"
        )));
    }
    if name.starts_with('-') || name.ends_with('-') {
        return Err(invalid(format!(
            "{what} name '{name}' cannot begin or end with '-'"
        )));
    }
    Ok(())
}

/// One page of things under `member`, each rendered; the marker names the last thing of the page before.
fn marked_page<T: Clone>(
    input: &Value,
    member: &str,
    things: &[T],
    name: impl Fn(&T) -> String,
    render: impl Fn(&T) -> Value,
) -> Result<Value, AwsError> {
    let size = match input.get("PageSize").and_then(Value::as_u64) {
        None => 400,
        Some(size @ 1..=400) => size as usize,
        Some(size) => {
            return Err(invalid(format!(
                "'{size}' is not a valid page size; it must be between 1 and 400"
            )));
        }
    };
    let (page, next) = super::json::page(things, text(input, "Marker"), size, name)
        .ok_or_else(|| invalid("The marker is not valid"))?;
    let mut answer = json!({ member: page.iter().map(render).collect::<Value>() });
    if let Some(next) = next {
        answer["NextMarker"] = next.into();
    }
    Ok(answer)
}
