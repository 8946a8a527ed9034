//! Rules: conditions, and the outcome of their actions.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::condition::Condition;

/// A rule of a listener.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Rule {
    /// ARN.
    pub arn: String,
    /// Its listener.
    pub listener_arn: String,
    /// 1 to 50000; `None`: the default rule, which comes last.
    pub priority: Option<u32>,
    /// Conditions as DescribeRules gives them.
    pub conditions: Vec<Value>,
    /// Actions as DescribeRules gives them.
    pub actions: Vec<Value>,
    /// Transforms as given; kept, not applied.
    pub transforms: Vec<Value>,
    /// Tags.
    pub tags: BTreeMap<String, String>,
}

impl Rule {
    /// The groups that it forwards to, at whatever weight.
    #[must_use]
    pub fn target_groups(&self) -> Vec<String> {
        match Outcome::of(&self.actions) {
            Outcome::Forward { groups, .. } => groups.into_iter().map(|(arn, _)| arn).collect(),
            Outcome::Fixed { .. } | Outcome::Redirect(_) | Outcome::None => Vec::new(),
        }
    }

    /// The form that nodes route by.
    #[must_use]
    pub fn compiled(&self) -> Compiled {
        Compiled {
            arn: self.arn.clone(),
            conditions: self
                .conditions
                .iter()
                .filter_map(Condition::parse)
                .collect(),
            outcome: Outcome::of(&self.actions),
        }
    }
}

/// A rule as nodes route by it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Compiled {
    /// ARN.
    pub arn: String,
    /// All must hold.
    pub conditions: Vec<Condition>,
    /// What happens then.
    pub outcome: Outcome,
}

/// What the last action of a rule does. Authentication, which may come before, lets everyone pass here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Outcome {
    /// Forward to one of these groups.
    Forward {
        /// ARN and weight.
        groups: Vec<(String, u32)>,
        /// Group stickiness, in seconds, if it is on.
        sticky_seconds: Option<u64>,
    },
    /// Answer by itself.
    Fixed {
        /// HTTP status.
        status: u16,
        /// Content type; empty: none.
        content_type: String,
        /// Body.
        body: String,
    },
    /// Redirect.
    Redirect(Redirect),
    /// No action that answers (refused at the API; nothing can have it).
    None,
}

/// A redirect; `#{protocol}`, `#{host}`, `#{port}`, `#{path}` and `#{query}` stand for the request's own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Redirect {
    /// 301 or 302.
    pub status: u16,
    /// Protocol.
    pub protocol: String,
    /// Host.
    pub host: String,
    /// Port.
    pub port: String,
    /// Path, with leading `/`.
    pub path: String,
    /// Query, without `?`.
    pub query: String,
}

impl Outcome {
    /// The outcome of a list of actions.
    #[must_use]
    pub fn of(actions: &[Value]) -> Self {
        actions
            .iter()
            .find_map(Self::of_action)
            .unwrap_or(Self::None)
    }

    fn of_action(action: &Value) -> Option<Self> {
        match action["Type"].as_str()? {
            "forward" => {
                let config = &action["ForwardConfig"];
                let groups = config["TargetGroups"]
                    .as_array()?
                    .iter()
                    .filter_map(|tuple| {
                        let weight = tuple["Weight"]
                            .as_u64()
                            .and_then(|weight| u32::try_from(weight).ok());
                        Some((
                            tuple["TargetGroupArn"].as_str()?.to_owned(),
                            weight.unwrap_or(1),
                        ))
                    })
                    .collect();
                let stickiness = &config["TargetGroupStickinessConfig"];
                let sticky_seconds = stickiness["Enabled"]
                    .as_bool()
                    .unwrap_or(false)
                    .then(|| stickiness["DurationSeconds"].as_u64().unwrap_or(3600));
                Some(Self::Forward {
                    groups,
                    sticky_seconds,
                })
            }
            "fixed-response" => {
                let config = &action["FixedResponseConfig"];
                Some(Self::Fixed {
                    status: text(config, "StatusCode", "").parse().ok()?,
                    content_type: text(config, "ContentType", ""),
                    body: text(config, "MessageBody", ""),
                })
            }
            "redirect" => {
                let config = &action["RedirectConfig"];
                Some(Self::Redirect(Redirect {
                    status: if text(config, "StatusCode", "") == "HTTP_301" {
                        301
                    } else {
                        302
                    },
                    protocol: text(config, "Protocol", "#{protocol}"),
                    host: text(config, "Host", "#{host}"),
                    port: text(config, "Port", "#{port}"),
                    path: text(config, "Path", "/#{path}"),
                    query: text(config, "Query", "#{query}"),
                }))
            }
            _ => None,
        }
    }
}

fn text(value: &Value, member: &str, default: &str) -> String {
    value[member].as_str().unwrap_or(default).to_owned()
}
