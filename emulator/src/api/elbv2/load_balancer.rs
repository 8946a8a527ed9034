//! Load balancers.

use serde_json::{Value, json};

use super::{
    AwsError, check_name, given_tags, invalid, load_balancer_of, marked_page, no_load_balancer,
};
use crate::api::json::{list, text, texts};
use crate::world::World;
use crate::world::elb::LoadBalancer;
use crate::world::elb::load_balancer::{self, default_attributes};

pub(super) fn create(world: &mut World, input: &Value) -> Result<Value, AwsError> {
    let name = text(input, "Name").unwrap_or_default().to_owned();
    check_name(&name, "Load balancer")?;
    if text(input, "Type").is_some_and(|kind| kind != "application") {
        return Err(invalid(
            "Only load balancers of type 'application' are emulated",
        ));
    }
    let mut subnets: Vec<String> = texts(input, "Subnets")
        .into_iter()
        .map(str::to_owned)
        .collect();
    subnets.extend(
        list(input, "SubnetMappings")
            .iter()
            .filter_map(|mapping| text(mapping, "SubnetId"))
            .map(str::to_owned),
    );
    if subnets.is_empty() {
        // More lenient than AWS, so that a stage can be set without a VPC.
        subnets.clone_from(&world.settings.subnets);
    } else if subnets.len() < 2 {
        return Err(invalid(
            "At least two subnets in two different Availability Zones must be specified",
        ));
    }
    let scheme = text(input, "Scheme")
        .unwrap_or("internet-facing")
        .to_owned();
    let ip_address_type = text(input, "IpAddressType").unwrap_or("ipv4").to_owned();
    let security_groups = list(input, "SecurityGroups").to_vec();
    let tags = given_tags(input)?;
    if let Some(known) = world
        .elb
        .load_balancers
        .values()
        .find(|known| known.name == name)
    {
        let same = known.scheme == scheme
            && known.subnets == subnets
            && known.ip_address_type == ip_address_type
            && known.security_groups == security_groups;
        return if same {
            Ok(json!({ "LoadBalancers": [render(world, known)] }))
        } else {
            Err(AwsError::new(
                "DuplicateLoadBalancerNameException",
                format!(
                    "A load balancer with the same name '{name}' exists, but with different settings"
                ),
            ))
        };
    }
    let bits = world.stable_bits(&format!("load balancer {name}"));
    let (region, account) = (&world.settings.region, &world.settings.account);
    let internal = if scheme == "internal" {
        "internal-"
    } else {
        ""
    };
    let load_balancer = LoadBalancer {
        arn: format!(
            "arn:aws:elasticloadbalancing:{region}:{account}:loadbalancer/app/{name}/{bits:016x}"
        ),
        dns_name: format!(
            "{internal}{name}-{}.{region}.elb.amazonaws.com",
            bits % 10_000_000_000
        ),
        name,
        scheme,
        subnets,
        security_groups,
        ip_address_type,
        created_at: world.now,
        attributes: default_attributes(),
        tags,
    };
    let mut answer = json!({ "LoadBalancers": [render(world, &load_balancer)] });
    answer["LoadBalancers"][0]["State"]["Code"] = json!("provisioning");
    world
        .elb
        .load_balancers
        .insert(load_balancer.arn.clone(), load_balancer);
    Ok(answer)
}

pub(super) fn describe(world: &mut World, input: &Value) -> Result<Value, AwsError> {
    let (arns, names) = (texts(input, "LoadBalancerArns"), texts(input, "Names"));
    if !arns.is_empty() && !names.is_empty() {
        return Err(invalid(
            "Load balancer names and load balancer ARNs cannot be specified at the same time",
        ));
    }
    let all = world.elb.load_balancers.values();
    for arn in &arns {
        if !world.elb.load_balancers.contains_key(*arn) {
            return Err(no_load_balancer(arn));
        }
    }
    for name in &names {
        if !all.clone().any(|known| known.name == *name) {
            return Err(no_load_balancer(name));
        }
    }
    let chosen: Vec<&LoadBalancer> = all
        .filter(|known| arns.is_empty() || arns.contains(&known.arn.as_str()))
        .filter(|known| names.is_empty() || names.contains(&known.name.as_str()))
        .collect();
    marked_page(
        input,
        "LoadBalancers",
        &chosen,
        |known| known.arn.clone(),
        |known| render(world, known),
    )
}

pub(super) fn delete(world: &mut World, input: &Value) -> Result<Value, AwsError> {
    let known = load_balancer_of(world, input)?;
    let arn = known.arn.clone();
    if known
        .attributes
        .get("deletion_protection.enabled")
        .is_some_and(|value| value == "true")
    {
        return Err(AwsError::new(
            "OperationNotPermittedException",
            format!(
                "Load balancer '{arn}' cannot be deleted because deletion protection is enabled"
            ),
        ));
    }
    load_balancer::delete(world, &arn);
    Ok(json!({}))
}

fn render(world: &World, known: &LoadBalancer) -> Value {
    let zones: Value = known
        .subnets
        .iter()
        .zip('a'..='z')
        .map(|(subnet, letter)| {
            json!({
                "ZoneName": format!("{}{letter}", world.settings.region),
                "SubnetId": subnet,
                "LoadBalancerAddresses": [],
            })
        })
        .collect();
    json!({
        "LoadBalancerArn": known.arn,
        "DNSName": known.dns_name,
        "CanonicalHostedZoneId": "Z32O12XQLNTSW2",
        "CreatedTime": world.unix_seconds(known.created_at),
        "LoadBalancerName": known.name,
        "Scheme": known.scheme,
        "VpcId": world.settings.vpc,
        "State": { "Code": "active" },
        "Type": "application",
        "AvailabilityZones": zones,
        "SecurityGroups": known.security_groups,
        "IpAddressType": known.ip_address_type,
    })
}
