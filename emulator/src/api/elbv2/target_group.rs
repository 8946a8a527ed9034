//! Target groups.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{
    AwsError, check_name, given_tags, invalid, load_balancer_of, marked_page, no_target_group,
    target_group_of,
};
use crate::api::json::{text, texts};
use crate::world::World;
use crate::world::elb::TargetGroup;
use crate::world::elb::target_group::{self, HealthCheck, default_attributes};

pub(super) fn create(world: &mut World, input: &Value) -> Result<Value, AwsError> {
    let name = text(input, "Name").unwrap_or_default().to_owned();
    check_name(&name, "Target group")?;
    let target_type = text(input, "TargetType").unwrap_or("instance").to_owned();
    let protocol = text(input, "Protocol").unwrap_or_default().to_owned();
    let port = input
        .get("Port")
        .and_then(Value::as_u64)
        .and_then(|port| u16::try_from(port).ok());
    if !["HTTP", "HTTPS"].contains(&protocol.as_str()) {
        return Err(invalid(
            "A target group of protocol HTTP or HTTPS must be specified; others are not emulated",
        ));
    }
    let Some(port) = port.filter(|port| *port > 0) else {
        return Err(invalid("A port must be specified"));
    };
    let initial = HealthCheck {
        enabled: true,
        protocol: protocol.clone(),
        port: "traffic-port".to_owned(),
        path: "/".to_owned(),
        interval_seconds: 30,
        timeout_seconds: if text(input, "HealthCheckProtocol").unwrap_or(&protocol) == "HTTPS" {
            10
        } else {
            6
        },
        healthy_threshold: 5,
        unhealthy_threshold: 2,
        matcher: "200".to_owned(),
    };
    let health_check = changed(initial, input)?;
    let vpc_id = text(input, "VpcId")
        .unwrap_or(&world.settings.vpc)
        .to_owned();
    let protocol_version = text(input, "ProtocolVersion").unwrap_or("HTTP1").to_owned();
    let tags = given_tags(input)?;
    if let Some(known) = world
        .elb
        .target_groups
        .values()
        .find(|known| known.name == name)
    {
        let same = known.protocol == protocol
            && known.protocol_version == protocol_version
            && known.port == port
            && known.vpc_id == vpc_id
            && known.target_type == target_type
            && known.health_check == health_check;
        return if same {
            Ok(json!({ "TargetGroups": [render(world, known)] }))
        } else {
            Err(AwsError::new(
                "DuplicateTargetGroupNameException",
                format!(
                    "A target group with the same name '{name}' exists, but with different settings"
                ),
            ))
        };
    }
    if world.elb.target_groups.len() >= world.settings.quotas.target_groups {
        return Err(AwsError::new(
            "TooManyTargetGroupsException",
            format!(
                "You have reached the maximum number of target groups, which is '{}'",
                world.settings.quotas.target_groups
            ),
        ));
    }
    let bits = world.stable_bits(&format!("target group {name}"));
    let group = TargetGroup {
        arn: format!(
            "arn:aws:elasticloadbalancing:{}:{}:targetgroup/{name}/{bits:016x}",
            world.settings.region, world.settings.account
        ),
        name,
        protocol,
        protocol_version,
        port,
        vpc_id,
        target_type,
        health_check,
        attributes: default_attributes(),
        tags,
        targets: BTreeMap::new(),
        used_by: BTreeSet::new(),
        hosts_published_until: 0,
    };
    let answer = json!({ "TargetGroups": [render(world, &group)] });
    world.elb.target_groups.insert(group.arn.clone(), group);
    Ok(answer)
}

/// A health check with the members that an input gives.
fn changed(mut check: HealthCheck, input: &Value) -> Result<HealthCheck, AwsError> {
    let number = |member: &str, low: u64, high: u64| match input.get(member).and_then(Value::as_u64)
    {
        Some(number) if !(low..=high).contains(&number) => Err(invalid(format!(
            "{member} '{number}' must be between '{low}' and '{high}'"
        ))),
        other => Ok(other),
    };
    if let Some(enabled) = input.get("HealthCheckEnabled").and_then(Value::as_bool) {
        check.enabled = enabled;
    }
    let texts = [
        ("HealthCheckProtocol", &mut check.protocol),
        ("HealthCheckPort", &mut check.port),
        ("HealthCheckPath", &mut check.path),
    ];
    for (member, field) in texts {
        if let Some(value) = text(input, member) {
            value.clone_into(field);
        }
    }
    if let Some(codes) = input
        .get("Matcher")
        .and_then(|matcher| text(matcher, "HttpCode"))
    {
        codes.clone_into(&mut check.matcher);
    }
    check.interval_seconds =
        number("HealthCheckIntervalSeconds", 5, 300)?.unwrap_or(check.interval_seconds);
    check.timeout_seconds =
        number("HealthCheckTimeoutSeconds", 2, 120)?.unwrap_or(check.timeout_seconds);
    let threshold = |value: Option<u64>, old: u32| {
        value
            .and_then(|value| u32::try_from(value).ok())
            .unwrap_or(old)
    };
    check.healthy_threshold = threshold(
        number("HealthyThresholdCount", 2, 10)?,
        check.healthy_threshold,
    );
    check.unhealthy_threshold = threshold(
        number("UnhealthyThresholdCount", 2, 10)?,
        check.unhealthy_threshold,
    );
    if check.timeout_seconds >= check.interval_seconds {
        return Err(invalid(
            "Health check interval must be greater than the timeout.",
        ));
    }
    if check.port != "traffic-port" && check.port.parse::<u16>().is_err() {
        return Err(invalid(format!(
            "Health check port '{}' must be 'traffic-port' or in the range 1-65535",
            check.port
        )));
    }
    if !check.path.starts_with('/') {
        return Err(invalid(format!(
            "Health check path '{}' must begin with a '/' character",
            check.path
        )));
    }
    let number_or_range = |part: &str| {
        part.split('-').count() <= 2
            && part.split('-').all(|code| {
                code.trim()
                    .parse::<u16>()
                    .is_ok_and(|code| (200..=499).contains(&code))
            })
    };
    if !check.matcher.split(',').all(number_or_range) {
        return Err(invalid(format!(
            "Health check matcher HTTP code '{}' must be within '200-499' inclusive",
            check.matcher
        )));
    }
    Ok(check)
}

pub(super) fn describe(world: &mut World, input: &Value) -> Result<Value, AwsError> {
    let (arns, names) = (texts(input, "TargetGroupArns"), texts(input, "Names"));
    let load_balancer = match text(input, "LoadBalancerArn") {
        None => None,
        Some(_) => Some(load_balancer_of(world, input)?.arn.clone()),
    };
    if [!arns.is_empty(), !names.is_empty(), load_balancer.is_some()]
        .into_iter()
        .filter(|given| *given)
        .count()
        > 1
    {
        return Err(invalid(
            "Target group ARNs, target group names and a load balancer ARN cannot be specified at the same time",
        ));
    }
    let all = world.elb.target_groups.values();
    let known_name = |name: &&str| all.clone().any(|known| known.name == **name);
    if !arns
        .iter()
        .all(|arn| world.elb.target_groups.contains_key(*arn))
        || !names.iter().all(known_name)
    {
        return Err(no_target_group());
    }
    let chosen: Vec<&TargetGroup> = all
        .clone()
        .filter(|known| arns.is_empty() || arns.contains(&known.arn.as_str()))
        .filter(|known| names.is_empty() || names.contains(&known.name.as_str()))
        .filter(|known| {
            load_balancer.is_none()
                || target_group::load_balancer_of(world, known) == load_balancer.as_deref()
        })
        .collect();
    marked_page(
        input,
        "TargetGroups",
        &chosen,
        |known| known.arn.clone(),
        |known| render(world, known),
    )
}

pub(super) fn modify(world: &mut World, input: &Value) -> Result<Value, AwsError> {
    let known = target_group_of(world, input)?;
    let arn = known.arn.clone();
    let check = changed(known.health_check.clone(), input)?;
    target_group::set_health_check(world, &arn, check);
    Ok(json!({ "TargetGroups": [render(world, target_group_of(world, input)?)] }))
}

/// A group that does not exist is no error, as in AWS's model.
pub(super) fn delete(world: &mut World, input: &Value) -> Result<Value, AwsError> {
    let arn = text(input, "TargetGroupArn").unwrap_or_default();
    if world
        .elb
        .target_groups
        .get(arn)
        .is_some_and(|group| !group.used_by.is_empty())
    {
        return Err(AwsError::new(
            "ResourceInUseException",
            format!("Target group '{arn}' is currently in use by a listener or a rule"),
        ));
    }
    world.elb.target_groups.remove(arn);
    Ok(json!({}))
}

fn render(world: &World, group: &TargetGroup) -> Value {
    let check = &group.health_check;
    let load_balancers: Vec<&str> = target_group::load_balancer_of(world, group)
        .into_iter()
        .collect();
    json!({
        "TargetGroupArn": group.arn,
        "TargetGroupName": group.name,
        "Protocol": group.protocol,
        "Port": group.port,
        "VpcId": group.vpc_id,
        "HealthCheckProtocol": check.protocol,
        "HealthCheckPort": check.port,
        "HealthCheckEnabled": check.enabled,
        "HealthCheckIntervalSeconds": check.interval_seconds,
        "HealthCheckTimeoutSeconds": check.timeout_seconds,
        "HealthyThresholdCount": check.healthy_threshold,
        "UnhealthyThresholdCount": check.unhealthy_threshold,
        "HealthCheckPath": check.path,
        "Matcher": { "HttpCode": check.matcher },
        "LoadBalancerArns": load_balancers,
        "TargetType": group.target_type,
        "ProtocolVersion": group.protocol_version,
        "IpAddressType": "ipv4",
    })
}
