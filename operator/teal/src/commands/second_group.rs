//! The other target group of a pair, with the settings of the first: the AWS CLI line that makes it, and how
//! infrastructure code says it.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::output;

/// Characters of a target group's name.
/// (<https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateTargetGroup.html>)
const LONGEST_NAME: usize = 32;

/// `aws elbv2 create-target-group` with CreateTargetGroup's members `settings`, for a POSIX shell.
pub(crate) fn command(name: &str, settings: &Map<String, Value>) -> String {
    let mut line = format!(
        "aws elbv2 create-target-group --name {} --query 'TargetGroups[0].TargetGroupArn' --output text",
        quoted(&counterpart(name))
    );
    for (member, value) in settings {
        let option = kebab(member);
        line.push_str(&match value {
            Value::Bool(true) => format!(" --{option}"),
            Value::Bool(false) => format!(" --no-{option}"),
            Value::String(text) => format!(" --{option} {}", quoted(text)),
            Value::Null | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                format!(" --{option} {}", quoted(&value.to_string()))
            }
        });
    }
    line
}

/// The resource of a Terraform module.
pub(crate) fn terraform(
    name: &str,
    settings: &Map<String, Value>,
    attributes: &BTreeMap<String, String>,
) -> String {
    let name = counterpart(name);
    let mut lines = vec![
        format!("resource \"aws_lb_target_group\" \"{}\" {{", label(&name)),
        format!("  name = {}", json!(name)),
    ];
    let mut say = |indent: &str, argument: &str, value: Option<&Value>| {
        if let Some(value) = value {
            lines.push(format!("{indent}{argument} = {value}"));
        }
    };
    let (top, check): (Vec<_>, Vec<_>) = ARGUMENTS
        .iter()
        .partition(|(_, _, of_the_check)| !of_the_check);
    for (member, argument, _) in top {
        say("  ", argument, settings.get(member));
    }
    for (key, argument) in ATTRIBUTES {
        say(
            "  ",
            argument,
            attributes.get(key).map(|text| json!(text)).as_ref(),
        );
    }
    lines.push("  health_check {".to_owned());
    let matcher = settings.get("Matcher");
    let codes = matcher.and_then(|matcher| matcher.get("HttpCode").or(matcher.get("GrpcCode")));
    let mut say = |argument: &str, value: Option<&Value>| {
        if let Some(value) = value {
            lines.push(format!("    {argument} = {value}"));
        }
    };
    for (member, argument, _) in check {
        say(argument, settings.get(member));
    }
    say("matcher", codes);
    lines.extend(["  }", "}"].map(str::to_owned));
    lines.join("\n")
}

/// The resource of a CloudFormation template: its properties have the names of the API's members.
pub(crate) fn cloudformation(
    name: &str,
    settings: &Map<String, Value>,
    attributes: &BTreeMap<String, String>,
) -> String {
    let name = counterpart(name);
    let mut properties = settings.clone();
    properties.insert("Name".to_owned(), json!(name));
    let set = ATTRIBUTES
        .iter()
        .filter_map(|(key, _)| Some(json!({"Key": key, "Value": attributes.get(*key)?})));
    properties.insert(
        "TargetGroupAttributes".to_owned(),
        Value::Array(set.collect()),
    );
    let resource =
        json!({"Type": "AWS::ElasticLoadBalancingV2::TargetGroup", "Properties": properties});
    let whole = json!({ camel(&name): resource });
    output::yaml(&whole)
        .unwrap_or_else(|_| whole.to_string())
        .trim_end()
        .to_owned()
}

/// CreateTargetGroup's members, the arguments of `aws_lb_target_group`, and whether these stand in its `health_check`.
/// (<https://registry.terraform.io/providers/hashicorp/aws/latest/docs/resources/lb_target_group>)
const ARGUMENTS: [(&str, &str, bool); 13] = [
    ("Port", "port", false),
    ("Protocol", "protocol", false),
    ("ProtocolVersion", "protocol_version", false),
    ("VpcId", "vpc_id", false),
    ("TargetType", "target_type", false),
    ("IpAddressType", "ip_address_type", false),
    ("HealthCheckPath", "path", true),
    ("HealthCheckPort", "port", true),
    ("HealthCheckProtocol", "protocol", true),
    ("HealthCheckIntervalSeconds", "interval", true),
    ("HealthCheckTimeoutSeconds", "timeout", true),
    ("HealthyThresholdCount", "healthy_threshold", true),
    ("UnhealthyThresholdCount", "unhealthy_threshold", true),
];

/// Attributes that decide how a group serves, and their arguments.
const ATTRIBUTES: [(&str, &str); 4] = [
    (
        "deregistration_delay.timeout_seconds",
        "deregistration_delay",
    ),
    ("slow_start.duration_seconds", "slow_start"),
    (
        "load_balancing.algorithm.type",
        "load_balancing_algorithm_type",
    ),
    (
        "load_balancing.cross_zone.enabled",
        "load_balancing_cross_zone_enabled",
    ),
];

/// `blog-b` as a name in Terraform.
pub(crate) fn label(name: &str) -> String {
    let letter = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    name.chars().map(letter).collect()
}

/// `blog-b` as a logical ID.
pub(crate) fn camel(name: &str) -> String {
    let words = name.split(|c: char| !c.is_ascii_alphanumeric());
    let capital = |word: &str| {
        let mut letters = word.chars();
        let first = letters.next().map(|first| first.to_ascii_uppercase());
        first.into_iter().chain(letters).collect::<String>()
    };
    words.map(capital).collect()
}

/// A name for the other one: the other letter or colour where the name ends with one.
pub(crate) fn counterpart(name: &str) -> String {
    let pairs = [("a", "b"), ("blue", "green"), ("1", "2"), ("one", "two")];
    for (one, other) in pairs.into_iter().flat_map(|(a, b)| [(a, b), (b, a)]) {
        let stem = name.strip_suffix(one);
        if let Some(stem) = stem.filter(|stem| stem.ends_with('-')) {
            let other = format!("{stem}{other}");
            if other.len() <= LONGEST_NAME {
                return other;
            }
        }
    }
    let kept: String = name.chars().take(LONGEST_NAME - 2).collect();
    format!("{}-2", kept.trim_end_matches('-'))
}

/// `HealthCheckPath` as `health-check-path`.
fn kebab(member: &str) -> String {
    let mut option = String::new();
    for (index, letter) in member.chars().enumerate() {
        if letter.is_ascii_uppercase() && index > 0 {
            option.push('-');
        }
        option.push(letter.to_ascii_lowercase());
    }
    option
}

pub(crate) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_has_every_setting() {
        let settings = json!({
            "Protocol": "HTTP", "Port": 8080, "VpcId": "vpc-1", "TargetType": "ip", "HealthCheckEnabled": true,
            "HealthCheckPath": "/health?deep=it's&so", "Matcher": {"HttpCode": "200,302"},
        });
        let line = command("blog-a", settings.as_object().unwrap());
        insta::assert_snapshot!("second_group", line);
    }

    #[test]
    fn infrastructure_code_says_the_same() {
        let settings = json!({
            "Protocol": "HTTP", "ProtocolVersion": "HTTP1", "Port": 8080, "VpcId": "vpc-1", "TargetType": "ip",
            "HealthCheckEnabled": true, "HealthCheckPath": "/health", "HealthCheckProtocol": "HTTP",
            "HealthCheckPort": "traffic-port", "HealthCheckIntervalSeconds": 10, "HealthCheckTimeoutSeconds": 5,
            "HealthyThresholdCount": 5, "UnhealthyThresholdCount": 2, "Matcher": {"HttpCode": "200,302"},
        });
        let settings = settings.as_object().unwrap();
        let attributes = [
            ("deregistration_delay.timeout_seconds", "30"),
            ("slow_start.duration_seconds", "0"),
        ];
        let attributes = attributes
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into();
        let said = [
            terraform("blog-a", settings, &attributes),
            cloudformation("blog-a", settings, &attributes),
        ];
        insta::assert_snapshot!("second_group_as_code", said.join("\n\n"));
    }

    #[test]
    fn the_other_name_is_the_other_half_of_the_pair() {
        for (name, other) in [
            ("blog-a", "blog-b"),
            ("blog-b", "blog-a"),
            ("blog-blue", "blog-green"),
            ("blog-2", "blog-1"),
            ("web", "web-2"),
            ("data", "data-2"),
            (
                "a-name-that-is-as-long-as-it-may",
                "a-name-that-is-as-long-as-it-m-2",
            ),
            (
                "as-long-as-it-may-be-as-any-blue",
                "as-long-as-it-may-be-as-any-bl-2",
            ),
        ] {
            assert_eq!(counterpart(name), other);
            assert!(other.len() <= LONGEST_NAME);
        }
    }
}
