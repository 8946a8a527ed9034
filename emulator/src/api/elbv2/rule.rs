//! Rules.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::action::{self, Place};
use super::{AwsError, condition, given_tags, invalid, listener_of, marked_page};
use crate::api::json::{list, text, texts};
use crate::world::World;
use crate::world::elb::{Rule, listener};

/// The ARN of a rule of a listener.
pub(super) fn arn(listener_arn: &str, bits: u64) -> String {
    format!(
        "{}/{bits:016x}",
        listener_arn.replacen(":listener/", ":listener-rule/", 1)
    )
}

fn no_rule() -> AwsError {
    AwsError::new("RuleNotFoundException", "One or more rules not found")
}

fn rule_of<'a>(world: &'a World, input: &Value) -> Result<&'a Rule, AwsError> {
    world
        .elb
        .rules
        .get(text(input, "RuleArn").unwrap_or_default())
        .ok_or_else(no_rule)
}

fn priority(input: &Value) -> Result<u32, AwsError> {
    input
        .get("Priority")
        .and_then(Value::as_u64)
        .and_then(|priority| u32::try_from(priority).ok())
        .filter(|priority| (1..=50_000).contains(priority))
        .ok_or_else(|| invalid("Priority must be between '1' and '50000'"))
}

fn in_use(priority: u32) -> AwsError {
    AwsError::new(
        "PriorityInUseException",
        format!("Priority '{priority}' is currently in use"),
    )
}

pub(super) fn create(world: &mut World, input: &Value) -> Result<Value, AwsError> {
    let listener = listener_of(world, input)?;
    let priority = priority(input)?;
    if listener.by_priority.contains_key(&priority) {
        return Err(in_use(priority));
    }
    let most = world.settings.quotas.rules_per_load_balancer;
    let rules: usize = world
        .elb
        .listeners
        .values()
        .filter(|other| other.load_balancer_arn == listener.load_balancer_arn)
        .map(|other| other.by_priority.len())
        .sum();
    if rules >= most {
        return Err(AwsError::new(
            "TooManyRulesException",
            format!("The maximum number of rules for the load balancer is '{most}'"),
        ));
    }
    let conditions = condition::accepted(list(input, "Conditions"))?;
    let place = Place {
        load_balancer_arn: &listener.load_balancer_arn,
        protocol: &listener.protocol,
        rule_arn: "",
        before: &[],
    };
    let actions = action::accepted(world, &place, list(input, "Actions"))?;
    let tags = given_tags(input)?;
    let listener_arn = listener.arn.clone();
    let bits = world.stable_bits(&format!("rule {listener_arn} {priority}"));
    let rule = Rule {
        arn: arn(&listener_arn, bits),
        listener_arn,
        priority: Some(priority),
        conditions,
        actions,
        transforms: list(input, "Transforms").to_vec(),
        tags,
    };
    let answer = json!({ "Rules": [render(&rule)] });
    listener::put_rule(world, rule);
    Ok(answer)
}

pub(super) fn describe(world: &mut World, input: &Value) -> Result<Value, AwsError> {
    let arns = texts(input, "RuleArns");
    let chosen: Vec<&Rule> = match (text(input, "ListenerArn"), arns.is_empty()) {
        (Some(_), true) => listener_of(world, input)?
            .rules()
            .filter_map(|arn| world.elb.rules.get(arn))
            .collect(),
        (None, false) => arns
            .iter()
            .map(|arn| world.elb.rules.get(*arn).ok_or_else(no_rule))
            .collect::<Result<_, _>>()?,
        (Some(_), false) | (None, true) => {
            return Err(invalid(
                "You must specify either listener rule ARNs or a listener ARN",
            ));
        }
    };
    marked_page(
        input,
        "Rules",
        &chosen,
        |rule| rule.arn.clone(),
        |rule| render(rule),
    )
}

pub(super) fn modify(world: &mut World, input: &Value) -> Result<Value, AwsError> {
    let known = rule_of(world, input)?;
    if known.priority.is_none() {
        return Err(AwsError::new(
            "OperationNotPermittedException",
            format!("Default rule '{}' cannot be modified", known.arn),
        ));
    }
    let Some(listener) = world.elb.listeners.get(&known.listener_arn) else {
        return Err(no_rule());
    };
    let mut rule = known.clone();
    if input.get("Conditions").is_some() {
        rule.conditions = condition::accepted(list(input, "Conditions"))?;
    }
    if input.get("Actions").is_some() {
        let place = Place {
            load_balancer_arn: &listener.load_balancer_arn,
            protocol: &listener.protocol,
            rule_arn: &rule.arn,
            before: &known.actions,
        };
        rule.actions = action::accepted(world, &place, list(input, "Actions"))?;
    }
    if input.get("Transforms").is_some() {
        rule.transforms = list(input, "Transforms").to_vec();
    }
    if input.get("ResetTransforms") == Some(&json!(true)) {
        rule.transforms.clear();
    }
    let answer = json!({ "Rules": [render(&rule)] });
    listener::put_rule(world, rule);
    Ok(answer)
}

pub(super) fn delete(world: &mut World, input: &Value) -> Result<Value, AwsError> {
    let known = rule_of(world, input)?;
    let arn = known.arn.clone();
    if known.priority.is_none() {
        return Err(AwsError::new(
            "OperationNotPermittedException",
            format!("Default rule '{arn}' cannot be deleted"),
        ));
    }
    listener::delete_rule(world, &arn);
    Ok(json!({}))
}

pub(super) fn set_priorities(world: &mut World, input: &Value) -> Result<Value, AwsError> {
    let mut wanted: BTreeMap<String, u32> = BTreeMap::new();
    let mut listener_arn = None;
    for pair in list(input, "RulePriorities") {
        let rule = rule_of(world, pair)?;
        if rule.priority.is_none() {
            return Err(AwsError::new(
                "OperationNotPermittedException",
                format!(
                    "The priority of default rule '{}' cannot be modified",
                    rule.arn
                ),
            ));
        }
        if *listener_arn.get_or_insert_with(|| rule.listener_arn.clone()) != rule.listener_arn {
            return Err(invalid("The rules must belong to one listener"));
        }
        wanted.insert(rule.arn.clone(), priority(pair)?);
    }
    let Some(listener) = listener_arn.and_then(|arn| world.elb.listeners.get(&arn)) else {
        return Err(invalid("At least one rule priority must be specified"));
    };
    let mut by_priority = BTreeMap::new();
    for (old, arn) in &listener.by_priority {
        let priority = wanted.get(arn).copied().unwrap_or(*old);
        if by_priority.insert(priority, arn.clone()).is_some() {
            return Err(in_use(priority));
        }
    }
    let arn = listener.arn.clone();
    listener::set_priorities(world, &arn, by_priority);
    let rules: Vec<Value> = wanted
        .keys()
        .filter_map(|arn| world.elb.rules.get(arn))
        .map(render)
        .collect();
    Ok(json!({ "Rules": rules }))
}

fn render(rule: &Rule) -> Value {
    let mut answer = json!({
        "RuleArn": rule.arn,
        "Priority": rule.priority.map_or_else(|| "default".to_owned(), |priority| priority.to_string()),
        "Conditions": rule.conditions,
        "Actions": rule.actions,
        "IsDefault": rule.priority.is_none(),
    });
    if !rule.transforms.is_empty() {
        answer["Transforms"] = json!(rule.transforms);
    }
    answer
}
