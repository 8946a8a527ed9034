//! The other target group of a pair: the AWS CLI line that makes one with the settings of the first.

use serde_json::{Map, Value};

/// Characters of a target group's name.
/// (<https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateTargetGroup.html>)
const LONGEST_NAME: usize = 32;

/// `aws elbv2 create-target-group` with CreateTargetGroup's members `settings`, for a POSIX shell.
pub(super) fn command(name: &str, settings: &Map<String, Value>) -> String {
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

/// A name for the other one: the other letter or colour where the name ends with one.
fn counterpart(name: &str) -> String {
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

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

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
