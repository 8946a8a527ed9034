//! Conditions: what is accepted, and the form in which they are described.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{AwsError, invalid};
use crate::api::json::{list, text, texts};
use crate::world::elb::condition::parse_cidr;

const MOST_VALUES: usize = 5;
const MOST_WILDCARDS: usize = 6;

/// Checks a whole list of conditions. Returns them as they are described from now on.
pub(super) fn accepted(conditions: &[Value]) -> Result<Vec<Value>, AwsError> {
    if conditions.is_empty() {
        return Err(invalid("A condition must be specified"));
    }
    let mut once = BTreeSet::new();
    let mut values = 0;
    let mut wildcards = 0;
    let mut accepted = Vec::new();
    for condition in conditions {
        let field = text(condition, "Field").unwrap_or_default();
        if !["http-header", "query-string"].contains(&field) && !once.insert(field) {
            return Err(invalid(format!(
                "A rule can have at most one condition of type '{field}'"
            )));
        }
        let condition = described(condition, field)?;
        let all = value_texts(&condition, field);
        if all.is_empty() {
            return Err(invalid("A condition value must be specified"));
        }
        values += all.len();
        wildcards += all
            .iter()
            .flat_map(|value| value.chars())
            .filter(|c| "*?".contains(*c))
            .count();
        accepted.push(condition);
    }
    if values > MOST_VALUES {
        return Err(invalid(format!(
            "A rule can only have '{MOST_VALUES}' condition values"
        )));
    }
    if wildcards > MOST_WILDCARDS {
        return Err(invalid(format!(
            "A rule can only have '{MOST_WILDCARDS}' condition wildcards"
        )));
    }
    Ok(accepted)
}

fn config_of(field: &str) -> Option<&'static str> {
    match field {
        "path-pattern" => Some("PathPatternConfig"),
        "host-header" => Some("HostHeaderConfig"),
        "http-header" => Some("HttpHeaderConfig"),
        "http-request-method" => Some("HttpRequestMethodConfig"),
        "query-string" => Some("QueryStringConfig"),
        "source-ip" => Some("SourceIpConfig"),
        _ => None,
    }
}

/// The old form (`Values`, for paths and hosts) and the new one become both; of others the new one is kept.
fn described(condition: &Value, field: &str) -> Result<Value, AwsError> {
    let Some(member) = config_of(field) else {
        return Err(invalid(format!(
            "Condition field '{field}' must be one of '[host-header, http-header, http-request-method, path-pattern, query-string, source-ip]'"
        )));
    };
    let config = &condition[member];
    if condition.get("RegexValues").is_some() || config.get("RegexValues").is_some() {
        return Err(invalid("RegexValues are not emulated"));
    }
    let (old, new) = (list(condition, "Values"), list(config, "Values"));
    if !old.is_empty() && !new.is_empty() && old != new {
        return Err(invalid(format!(
            "You cannot specify both Values and {member}"
        )));
    }
    if field == "http-header"
        && text(config, "HttpHeaderName")
            .unwrap_or_default()
            .is_empty()
    {
        return Err(invalid("HttpHeaderName must be specified"));
    }
    if field == "source-ip"
        && !texts(config, "Values")
            .iter()
            .all(|cidr| parse_cidr(cidr).is_some())
    {
        return Err(invalid("A source-ip value must be in CIDR format"));
    }
    if ["path-pattern", "host-header"].contains(&field) {
        let values = if new.is_empty() { old } else { new };
        return Ok(json!({ "Field": field, "Values": values, member: { "Values": values } }));
    }
    Ok(json!({ "Field": field, member: config }))
}

fn value_texts(condition: &Value, field: &str) -> Vec<String> {
    let values =
        config_of(field).map_or(&[] as &[Value], |member| list(&condition[member], "Values"));
    values
        .iter()
        .map(|value| match value.as_str() {
            Some(value) => value.to_owned(),
            None => format!(
                "{}{}",
                text(value, "Key").unwrap_or_default(),
                text(value, "Value").unwrap_or_default()
            ),
        })
        .collect()
}
