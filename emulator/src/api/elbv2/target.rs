//! Targets: register, deregister, health.

use std::net::{Ipv4Addr, SocketAddrV4};

use serde_json::{Value, json};

use super::{AwsError, invalid, target_group_of};
use crate::api::json::{list, text};
use crate::world::World;
use crate::world::elb::health::{self, Wording};
use crate::world::elb::{TargetGroup, target_group};

/// Reads a `TargetDescription`; the group's port where it names none.
fn parse(group: &TargetGroup, target: &Value) -> Result<SocketAddrV4, AwsError> {
    let id = text(target, "Id").unwrap_or_default();
    let Ok(address) = id.parse::<Ipv4Addr>() else {
        return Err(invalid(format!(
            "The IP address '{id}' is not a valid IPv4 address"
        )));
    };
    let port = match target
        .get("Port")
        .and_then(Value::as_u64)
        .map(u16::try_from)
    {
        None => group.port,
        Some(Ok(port)) if port > 0 => port,
        Some(Ok(_) | Err(_)) => {
            return Err(invalid("A target's port must be in the range 1-65535"));
        }
    };
    Ok(SocketAddrV4::new(address, port))
}

fn parse_all(group: &TargetGroup, input: &Value) -> Result<Vec<SocketAddrV4>, AwsError> {
    list(input, "Targets")
        .iter()
        .map(|target| parse(group, target))
        .collect()
}

pub(super) fn register(world: &mut World, input: &Value) -> Result<Value, AwsError> {
    let group = target_group_of(world, input)?;
    if group.target_type != "ip" {
        return Err(AwsError::new(
            "InvalidTargetException",
            format!("Targets of type '{}' are not emulated", group.target_type),
        ));
    }
    let targets = parse_all(group, input)?;
    let new = targets
        .iter()
        .filter(|target| !group.targets.contains_key(target))
        .count();
    let most = world.settings.quotas.targets_per_target_group;
    if group.targets.len() + new > most {
        return Err(AwsError::new(
            "TooManyTargetsException",
            format!("The maximum number of targets in a target group is '{most}'"),
        ));
    }
    let arn = group.arn.clone();
    for target in targets {
        target_group::register(world, &arn, target);
    }
    Ok(json!({}))
}

pub(super) fn deregister(world: &mut World, input: &Value) -> Result<Value, AwsError> {
    let group = target_group_of(world, input)?;
    let (arn, targets) = (group.arn.clone(), parse_all(group, input)?);
    for target in targets {
        target_group::deregister(world, &arn, target);
    }
    Ok(json!({}))
}

pub(super) fn describe_health(world: &mut World, input: &Value) -> Result<Value, AwsError> {
    let group = target_group_of(world, input)?;
    let asked = parse_all(group, input)?;
    let targets = if asked.is_empty() {
        group.targets.keys().copied().collect()
    } else {
        asked
    };
    let descriptions: Vec<Value> = targets
        .iter()
        .map(|address| {
            let wording = group
                .targets
                .get(address)
                .map_or_else(Wording::not_registered, |target| {
                    health::wording(world, group, target)
                });
            let mut state = json!({ "State": wording.state });
            if let Some(reason) = wording.reason {
                state["Reason"] = json!(reason);
            }
            if let Some(description) = wording.description {
                state["Description"] = json!(description);
            }
            let mut target = json!({ "Id": address.ip().to_string(), "Port": address.port() });
            if let Some(zone) = zone(world, address) {
                target["AvailabilityZone"] = json!(zone);
            }
            json!({
                "Target": target,
                "HealthCheckPort": health::check_port(group, *address).to_string(),
                "TargetHealth": state,
            })
        })
        .collect();
    Ok(json!({ "TargetHealthDescriptions": descriptions }))
}

/// The availability zone of the task that has an address.
fn zone(world: &World, address: &SocketAddrV4) -> Option<String> {
    let task = world
        .ecs
        .tasks
        .get(world.ecs.addresses.get(address.ip())?)?;
    let index = world
        .settings
        .subnets
        .iter()
        .position(|subnet| *subnet == task.subnet)?;
    let letter = ('a'..='z').nth(index)?;
    Some(format!("{}{letter}", world.settings.region))
}
