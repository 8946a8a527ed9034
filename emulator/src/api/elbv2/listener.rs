//! Listeners.

use serde_json::{Value, json};

use super::action::{self, Place};
use super::{
    AwsError, given_tags, invalid, listener_of, load_balancer_of, marked_page, no_listener,
};
use crate::api::json::{list, text, texts, without};
use crate::world::World;
use crate::world::elb::{Listener, Rule, listener};

/// Protocol and port of an input, else those that are.
fn protocol_and_port(
    input: &Value,
    before: Option<(&str, u16)>,
) -> Result<(String, u16), AwsError> {
    let protocol = text(input, "Protocol").or(before.map(|(protocol, _)| protocol));
    let Some(protocol) = protocol.filter(|protocol| ["HTTP", "HTTPS"].contains(protocol)) else {
        return Err(invalid(
            "A listener protocol must be specified, one of '[HTTP, HTTPS]'",
        ));
    };
    let port = match input.get("Port").and_then(Value::as_u64) {
        Some(port) => u16::try_from(port).ok(),
        None => before.map(|(_, port)| port),
    };
    let Some(port) = port.filter(|port| *port > 0) else {
        return Err(invalid(
            "A listener port must be specified, in the range 1-65535",
        ));
    };
    Ok((protocol.to_owned(), port))
}

pub(super) fn create(world: &mut World, input: &Value) -> Result<Value, AwsError> {
    let load_balancer = load_balancer_of(world, input)?.arn.clone();
    let (protocol, port) = protocol_and_port(input, None)?;
    let tags = given_tags(input)?;
    let place = Place {
        load_balancer_arn: &load_balancer,
        protocol: &protocol,
        rule_arn: "",
        before: &[],
    };
    let actions = action::accepted(world, &place, list(input, "DefaultActions"))?;
    let own = || {
        world
            .elb
            .listeners
            .values()
            .filter(|known| known.load_balancer_arn == load_balancer)
    };
    if let Some(known) = own().find(|known| known.port == port) {
        let same = world
            .elb
            .rules
            .get(&known.default_rule)
            .is_some_and(|rule| rule.actions == actions);
        if same && known.protocol == protocol {
            return Ok(json!({ "Listeners": [render(world, known)] }));
        }
        return Err(duplicate(&known.arn));
    }
    let most = world.settings.quotas.listeners_per_load_balancer;
    if own().count() >= most {
        return Err(AwsError::new(
            "TooManyListenersException",
            format!("The maximum number of listeners for the load balancer is '{most}'"),
        ));
    }
    let bits = world.stable_bits(&format!("listener {load_balancer} {port}"));
    let arn = format!(
        "{}/{bits:016x}",
        load_balancer.replacen(":loadbalancer/", ":listener/", 1)
    );
    let rule_bits = world.stable_bits(&format!("rule {arn} default"));
    let rule_arn = super::rule::arn(&arn, rule_bits);
    let mut new = Listener::new(arn.clone(), load_balancer, protocol, port, rule_arn.clone());
    new.given = kept(input);
    new.tags = tags;
    world.elb.listeners.insert(arn.clone(), new);
    let rule = Rule {
        arn: rule_arn,
        listener_arn: arn.clone(),
        priority: None,
        conditions: Vec::new(),
        actions,
        transforms: Vec::new(),
        tags: std::collections::BTreeMap::new(),
    };
    listener::put_rule(world, rule);
    answer(world, &arn)
}

/// Members that are kept as given and change nothing here.
fn kept(input: &Value) -> serde_json::Map<String, Value> {
    without(
        input,
        &[
            "ListenerArn",
            "LoadBalancerArn",
            "Protocol",
            "Port",
            "DefaultActions",
            "Tags",
        ],
    )
}

fn duplicate(arn: &str) -> AwsError {
    AwsError::new(
        "DuplicateListenerException",
        format!("A listener already exists on this port for this load balancer '{arn}'"),
    )
}

fn answer(world: &World, arn: &str) -> Result<Value, AwsError> {
    let known = world.elb.listeners.get(arn).ok_or_else(no_listener)?;
    Ok(json!({ "Listeners": [render(world, known)] }))
}

pub(super) fn describe(world: &mut World, input: &Value) -> Result<Value, AwsError> {
    let arns = texts(input, "ListenerArns");
    let load_balancer = match text(input, "LoadBalancerArn") {
        None => None,
        Some(_) => Some(load_balancer_of(world, input)?.arn.as_str()),
    };
    if load_balancer.is_some() != arns.is_empty() {
        return Err(invalid(
            "You must specify either listener ARNs or a load balancer ARN",
        ));
    }
    if !arns
        .iter()
        .all(|arn| world.elb.listeners.contains_key(*arn))
    {
        return Err(no_listener());
    }
    let chosen: Vec<&Listener> = world
        .elb
        .listeners
        .values()
        .filter(|known| {
            arns.contains(&known.arn.as_str())
                || load_balancer == Some(known.load_balancer_arn.as_str())
        })
        .collect();
    marked_page(
        input,
        "Listeners",
        &chosen,
        |known| known.arn.clone(),
        |known| render(world, known),
    )
}

pub(super) fn modify(world: &mut World, input: &Value) -> Result<Value, AwsError> {
    let known = listener_of(world, input)?;
    let (arn, rule_arn) = (known.arn.clone(), known.default_rule.clone());
    let (protocol, port) = protocol_and_port(input, Some((&known.protocol, known.port)))?;
    let on_port = |other: &&Listener| {
        other.arn != arn && other.load_balancer_arn == known.load_balancer_arn && other.port == port
    };
    if let Some(other) = world.elb.listeners.values().find(on_port) {
        return Err(duplicate(&other.arn));
    }
    let changed = match (input.get("DefaultActions"), world.elb.rules.get(&rule_arn)) {
        (Some(_), Some(rule)) => {
            let place = Place {
                load_balancer_arn: &known.load_balancer_arn,
                protocol: &protocol,
                rule_arn: &rule_arn,
                before: &rule.actions,
            };
            let actions = action::accepted(world, &place, list(input, "DefaultActions"))?;
            Some(Rule {
                actions,
                ..rule.clone()
            })
        }
        (Some(_) | None, Some(_) | None) => None,
    };
    if let Some(listener) = world.elb.listeners.get_mut(&arn) {
        listener.protocol = protocol;
        listener.port = port;
        listener.given.extend(kept(input));
    }
    if let Some(rule) = changed {
        listener::put_rule(world, rule);
    }
    answer(world, &arn)
}

pub(super) fn delete(world: &mut World, input: &Value) -> Result<Value, AwsError> {
    let arn = listener_of(world, input)?.arn.clone();
    listener::delete(world, &arn);
    Ok(json!({}))
}

fn render(world: &World, listener: &Listener) -> Value {
    let mut answer = Value::Object(listener.given.clone());
    answer["ListenerArn"] = json!(listener.arn);
    answer["LoadBalancerArn"] = json!(listener.load_balancer_arn);
    answer["Port"] = json!(listener.port);
    answer["Protocol"] = json!(listener.protocol);
    if let Some(rule) = world.elb.rules.get(&listener.default_rule) {
        answer["DefaultActions"] = json!(rule.actions);
    }
    answer
}
