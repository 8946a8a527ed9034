//! Actions: what is accepted, and the form in which they are described.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::{AwsError, invalid, no_target_group};
use crate::api::json::{list, text};
use crate::world::World;
use crate::world::elb::target_group;

const MOST_GROUPS: usize = 5;
const MOST_SECONDS: u64 = 604_800;

/// Where actions are to be put.
pub(super) struct Place<'a> {
    /// The load balancer.
    pub load_balancer_arn: &'a str,
    /// The listener's protocol.
    pub protocol: &'a str,
    /// The rule that has them; empty for a new one.
    pub rule_arn: &'a str,
    /// The rule's actions until now.
    pub before: &'a [Value],
}

/// Checks a whole list of actions for a place. Returns them in order, as they are described from now on.
pub(super) fn accepted(
    world: &World,
    place: &Place<'_>,
    actions: &[Value],
) -> Result<Vec<Value>, AwsError> {
    let mut actions = actions.to_vec();
    if actions.len() > 1 {
        let orders: BTreeSet<u64> = actions
            .iter()
            .filter_map(|action| action["Order"].as_u64())
            .collect();
        if orders.len() != actions.len() {
            return Err(invalid(
                "An action Order must be specified, and be unique, when a rule has more than one action",
            ));
        }
        actions.sort_by_key(|action| action["Order"].as_u64());
    }
    let Some((last, first)) = actions.split_last() else {
        return Err(invalid("At least one action must be specified"));
    };
    let mut accepted = Vec::new();
    for action in first {
        accepted.push(authentication(place, action)?);
    }
    let kind = text(last, "Type").unwrap_or_default();
    accepted.push(match kind {
        "forward" => forward(world, place, last)?,
        "fixed-response" => fixed_response(last)?,
        "redirect" => redirect(last)?,
        _ => {
            return Err(invalid(
                "The last action must be one of the following types: 'forward', 'redirect' or 'fixed-response'",
            ));
        }
    });
    check_quota(world, place, &accepted)?;
    Ok(accepted)
}

fn authentication(place: &Place<'_>, action: &Value) -> Result<Value, AwsError> {
    let kind = text(action, "Type").unwrap_or_default();
    let member = match kind {
        "authenticate-oidc" => "AuthenticateOidcConfig",
        "authenticate-cognito" => "AuthenticateCognitoConfig",
        _ => {
            return Err(invalid(
                "Only an authentication action can come before the last action",
            ));
        }
    };
    if place.protocol != "HTTPS" {
        return Err(AwsError::new(
            "InvalidLoadBalancerActionException",
            format!("Actions of type '{kind}' are supported only on HTTPS listeners"),
        ));
    }
    let Some(config) = action.get(member).and_then(Value::as_object) else {
        return Err(invalid(format!(
            "'{member}' must be specified for an action of type '{kind}'"
        )));
    };
    let mut config = config.clone();
    if kind == "authenticate-oidc" {
        check_secret(place, &mut config)?;
    }
    for (name, value) in [
        ("SessionCookieName", json!("AWSELBAuthSessionCookie")),
        ("Scope", json!("openid")),
        ("SessionTimeout", json!(MOST_SECONDS)),
        ("OnUnauthenticatedRequest", json!("authenticate")),
    ] {
        config.entry(name).or_insert(value);
    }
    let mut accepted = action.clone();
    accepted[member] = Value::Object(config);
    Ok(accepted)
}

/// An OIDC secret goes in and never comes out: it is given anew, or the rule has one already and the request
/// says to use it.
fn check_secret(place: &Place<'_>, config: &mut Map<String, Value>) -> Result<(), AwsError> {
    let given = config.remove("ClientSecret").is_some();
    let existing = config.remove("UseExistingClientSecret") == Some(json!(true));
    let has = place
        .before
        .iter()
        .any(|action| action["Type"] == "authenticate-oidc");
    match (given, existing) {
        (true, true) => Err(invalid(
            "You cannot specify both ClientSecret and UseExistingClientSecret",
        )),
        (true, false) => Ok(()),
        (false, true) if has => Ok(()),
        (false, true) => Err(invalid(
            "UseExistingClientSecret needs a rule that has a client secret",
        )),
        (false, false) => Err(invalid("ClientSecret must be specified")),
    }
}

fn forward(world: &World, place: &Place<'_>, action: &Value) -> Result<Value, AwsError> {
    let config = &action["ForwardConfig"];
    let single = text(action, "TargetGroupArn");
    let mut tuples = list(config, "TargetGroups").to_vec();
    match (single, tuples.as_slice()) {
        (None, []) => return Err(invalid("A target group ARN must be specified")),
        (Some(arn), []) => tuples.push(json!({ "TargetGroupArn": arn })),
        (Some(arn), [tuple]) if text(tuple, "TargetGroupArn") == Some(arn) => {}
        (Some(_), [..]) => {
            return Err(invalid(
                "You cannot specify both TargetGroupArn and a ForwardConfig of other target groups",
            ));
        }
        (None, [..]) => {}
    }
    if tuples.len() > MOST_GROUPS {
        return Err(invalid(format!(
            "A forward action can have at most '{MOST_GROUPS}' target groups"
        )));
    }
    let several = tuples.len() > 1;
    let mut groups = Vec::new();
    let mut seen = BTreeSet::new();
    let mut sum = 0;
    for tuple in &tuples {
        let arn = text(tuple, "TargetGroupArn").unwrap_or_default();
        let weight = match (tuple.get("Weight"), tuple["Weight"].as_u64()) {
            (None, _) if several => {
                return Err(invalid(
                    "A weight must be specified for each target group when there are several",
                ));
            }
            (None, _) => 1,
            (Some(_), Some(weight)) if weight <= 999 => weight,
            (Some(given), _) => {
                return Err(invalid(format!(
                    "Weight '{given}' must be between '0' and '999'"
                )));
            }
        };
        if !seen.insert(arn) {
            return Err(invalid(format!(
                "Target group '{arn}' is specified more than once"
            )));
        }
        check_group(world, place, arn)?;
        sum += weight;
        groups.push(json!({ "TargetGroupArn": arn, "Weight": weight }));
    }
    if sum == 0 && !world.settings.accept_zero_weights {
        return Err(invalid("The weights of a forward action cannot all be 0"));
    }
    let stickiness = stickiness(world, config, &seen)?;
    let mut accepted = json!({ "Type": "forward" });
    if !several {
        accepted["TargetGroupArn"] = groups[0]["TargetGroupArn"].clone();
    }
    accepted["ForwardConfig"] =
        json!({ "TargetGroups": groups, "TargetGroupStickinessConfig": stickiness });
    if let Some(order) = action.get("Order") {
        accepted["Order"] = order.clone();
    }
    Ok(accepted)
}

/// A group must exist, speak HTTP, and belong to no other load balancer.
fn check_group(world: &World, place: &Place<'_>, arn: &str) -> Result<(), AwsError> {
    let group = world
        .elb
        .target_groups
        .get(arn)
        .ok_or_else(no_target_group)?;
    if target_group::load_balancer_of(world, group)
        .is_some_and(|other| other != place.load_balancer_arn)
    {
        return Err(AwsError::new(
            "TargetGroupAssociationLimitException",
            format!(
                "The following target groups cannot be associated with more than one load balancer: {arn}"
            ),
        ));
    }
    Ok(())
}

fn stickiness(world: &World, config: &Value, groups: &BTreeSet<&str>) -> Result<Value, AwsError> {
    let given = &config["TargetGroupStickinessConfig"];
    if given["Enabled"] == json!(true) {
        let seconds = given["DurationSeconds"].as_u64();
        let Some(seconds) = seconds.filter(|seconds| (1..=MOST_SECONDS).contains(seconds)) else {
            return Err(invalid(format!(
                "Stickiness DurationSeconds must be between '1' and '{MOST_SECONDS}'"
            )));
        };
        return Ok(json!({ "Enabled": true, "DurationSeconds": seconds }));
    }
    let sticky = |arn: &&str| {
        world
            .elb
            .target_groups
            .get(*arn)
            .is_some_and(target_group::TargetGroup::is_sticky)
    };
    if groups.len() > 1 && groups.iter().any(sticky) {
        return Err(AwsError::new(
            "InvalidConfigurationRequestException",
            "You must enable group stickiness on a rule if you enabled target stickiness on one of its target groups",
        ));
    }
    Ok(json!({ "Enabled": false }))
}

fn fixed_response(action: &Value) -> Result<Value, AwsError> {
    let config = &action["FixedResponseConfig"];
    let status = text(config, "StatusCode").and_then(|status| status.parse::<u16>().ok());
    if !status.is_some_and(|status| matches!(status, 200..=299 | 400..=599)) {
        return Err(invalid(
            "FixedResponseConfig StatusCode must be 2XX, 4XX or 5XX",
        ));
    }
    if text(config, "MessageBody").is_some_and(|body| body.len() > 1024) {
        return Err(invalid(
            "FixedResponseConfig MessageBody cannot be longer than '1024' characters",
        ));
    }
    Ok(action.clone())
}

fn redirect(action: &Value) -> Result<Value, AwsError> {
    let mut accepted = action.clone();
    let config = &mut accepted["RedirectConfig"];
    if !["HTTP_301", "HTTP_302"].contains(&text(config, "StatusCode").unwrap_or_default()) {
        return Err(invalid(
            "RedirectConfig StatusCode must be HTTP_301 or HTTP_302",
        ));
    }
    let defaults = [
        ("Protocol", "#{protocol}"),
        ("Host", "#{host}"),
        ("Port", "#{port}"),
        ("Path", "/#{path}"),
        ("Query", "#{query}"),
    ];
    let same = |(name, default): &(&str, &str)| {
        *name == "Query" || text(config, name).is_none_or(|value| value == *default)
    };
    if defaults.iter().all(same) {
        return Err(invalid(
            "RedirectConfig must change at least one of protocol, port, host or path, to avoid a loop",
        ));
    }
    for (name, default) in defaults {
        if config.get(name).is_none() {
            config[name] = json!(default);
        }
    }
    Ok(accepted)
}

/// The distinct target groups of a load balancer, over all its listeners, have a limit.
fn check_quota(world: &World, place: &Place<'_>, actions: &[Value]) -> Result<(), AwsError> {
    let mut groups: BTreeSet<&str> = world
        .elb
        .target_groups
        .values()
        .filter(|group| {
            target_group::load_balancer_of(world, group) == Some(place.load_balancer_arn)
        })
        .filter(|group| group.used_by.iter().any(|rule| rule != place.rule_arn))
        .map(|group| group.arn.as_str())
        .collect();
    let tuples = actions
        .iter()
        .flat_map(|action| list(&action["ForwardConfig"], "TargetGroups"));
    groups.extend(tuples.filter_map(|tuple| text(tuple, "TargetGroupArn")));
    let most = world.settings.quotas.target_groups_per_load_balancer;
    if groups.len() > most {
        return Err(AwsError::new(
            "TooManyUniqueTargetGroupsPerLoadBalancerException",
            format!("The maximum number of unique target groups for the load balancer is '{most}'"),
        ));
    }
    Ok(())
}
