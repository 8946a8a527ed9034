//! A service's autoscaling on the service that comes after it.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde_json::{Map, Value};

use super::state::{Policy, Scaling};

/// A service and its target groups, as policies name them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place<'a> {
    /// `serviceName`.
    pub service: &'a str,
    /// Each route's group as a `ResourceLabel` names it: `targetgroup/<name>/<id>`; none when its group is gone.
    pub groups: Vec<&'a str>,
}

impl<'a> Place<'a> {
    /// What stands here for a group of the place `from`: the group of the same route.
    fn instead_of(&self, group: &str, from: &Place<'_>) -> Option<&'a str> {
        let route = from.groups.iter().position(|own| *own == group)?;
        self.groups.get(route).copied()
    }
}

/// The autoscaling of `from` as it is to be on `to`: what names the one names the other. Scheduled actions that will
/// never be due again are left out.
///
/// # Errors
/// What cannot be moved, and what to do about it.
pub fn copied(
    scaling: &Scaling,
    from: &Place<'_>,
    to: &Place<'_>,
    now: Timestamp,
) -> Result<Scaling, String> {
    let mut copy = Scaling {
        actions: Default::default(),
        ..scaling.clone()
    };
    for (name, policy) in &scaling.policies {
        let why = |why: String| format!("scaling policy {name} of service {} {why}", from.service);
        let body = policy_body(policy, from, to).map_err(why)?;
        let alarms = Vec::new();
        copy.policies.insert(name.clone(), Policy { body, alarms });
    }
    for (name, action) in &scaling.actions {
        if let Some(action) = still_due(action, now) {
            copy.actions.insert(name.clone(), action);
        }
    }
    Ok(copy)
}

fn policy_body(
    policy: &Policy,
    from: &Place<'_>,
    to: &Place<'_>,
) -> Result<Map<String, Value>, String> {
    let kind = policy.body.get("PolicyType").and_then(Value::as_str);
    match kind {
        Some("TargetTrackingScaling") => {}
        // Without an alarm nothing calls it, here as there.
        Some("StepScaling") if policy.alarms.is_empty() => {}
        Some("StepScaling") => {
            return Err(format!(
                "is a step-scaling policy that your alarm {} calls by its ARN: on another service it has another ARN, which the alarm does not know, and Teal does not change your alarms. Use a target-tracking policy, whose alarms Application Auto Scaling makes itself, or take the alarm's action away",
                policy.alarms.join(", ")
            ));
        }
        Some("PredictiveScaling") => {
            return Err(
                "is a predictive one: it forecasts from the history of its own service, which a new service does not have. Delete it, or use target tracking and scheduled actions"
                    .to_owned(),
            );
        }
        Some(other) => {
            return Err(format!(
                "is of type {other}, which Teal does not know how to move: delete it, or use a target-tracking policy"
            ));
        }
        None => return Err("has no type: delete it".to_owned()),
    }
    let mut body = policy.body.clone();
    rewrite_members(&mut body, from, to)?;
    Ok(body)
}

/// Puts the names of `to` wherever those of `from` stand.
fn rewrite(value: &mut Value, from: &Place<'_>, to: &Place<'_>) -> Result<(), String> {
    match value {
        Value::Object(members) => rewrite_members(members, from, to),
        Value::Array(items) => items
            .iter_mut()
            .try_for_each(|item| rewrite(item, from, to)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
    }
}

/// The same for the members of an object.
pub(super) fn rewrite_members(
    members: &mut Map<String, Value>,
    from: &Place<'_>,
    to: &Place<'_>,
) -> Result<(), String> {
    for (member, value) in members.iter_mut() {
        match (member.as_str(), value) {
            ("ResourceLabel", Value::String(label)) => *label = relabelled(label, from, to)?,
            // A dimension is `{"Name": …, "Value": …}`.
            ("Value", Value::String(dimension)) => {
                if *dimension == from.service {
                    *dimension = to.service.to_owned();
                } else if let Some(new) = to.instead_of(dimension, from) {
                    *dimension = new.to_owned();
                }
            }
            ("Expression", Value::String(expression)) if expression.contains(from.service) => {
                return Err(format!(
                    "names the service in the expression {expression:?}: name it as a dimension of a metric instead"
                ));
            }
            (_, value) => rewrite(value, from, to)?,
        }
    }
    Ok(())
}

/// `app/<load balancer>/<id>/targetgroup/<group>/<id>` for the other service's group.
fn relabelled(label: &str, from: &Place<'_>, to: &Place<'_>) -> Result<String, String> {
    let parts = label.find("targetgroup/").map(|at| label.split_at(at));
    let Some((balancer, group)) = parts else {
        return Err(format!(
            "has the ResourceLabel {label:?}, which names no target group: correct it"
        ));
    };
    let Some(first) = to.groups.first().copied() else {
        return Err("scales by the requests of a target group that is gone".to_owned());
    };
    let known = to.groups.iter().copied().find(|own| *own == group);
    let new = to.instead_of(group, from).or(known);
    // Nothing tells which group it was, when that is gone.
    let new = new.or(from.groups.is_empty().then_some(first));
    match new {
        Some(new) => Ok(format!("{balancer}{new}")),
        None => Err(format!(
            "scales by the requests of {group}, which is not the service's own target group {}: correct its ResourceLabel",
            from.groups.join(" or ")
        )),
    }
}

/// The action as it can be put now; none when it will never be due again. AWS refuses what is over.
fn still_due(action: &Map<String, Value>, now: Timestamp) -> Option<Map<String, Value>> {
    let past = |member: &str| {
        let at = action.get(member).and_then(instant);
        at.is_some_and(|at| at <= now)
    };
    let once = action.get("Schedule").and_then(Value::as_str);
    let once = once.and_then(|schedule| schedule.strip_prefix("at(")?.strip_suffix(')'));
    let zone = action.get("Timezone").and_then(Value::as_str);
    let zone = zone.map_or(Ok(TimeZone::UTC), TimeZone::get);
    let over = once
        .and_then(|at| at.parse::<DateTime>().ok())
        .zip(zone.ok())
        .and_then(|(at, zone)| at.to_zoned(zone).ok())
        .is_some_and(|at| at.timestamp() <= now);
    if over || past("EndTime") {
        return None;
    }
    let mut action = action.clone();
    if past("StartTime") {
        // It has begun: on a new service it begins at once.
        action.remove("StartTime");
    }
    Some(action)
}

/// AWS's JSON has seconds since 1970; people write RFC 3339.
fn instant(value: &Value) -> Option<Timestamp> {
    match value {
        Value::Number(seconds) => {
            // Whole milliseconds of any date that AWS can mean fit.
            #[expect(clippy::cast_possible_truncation, reason = "a float cast saturates")]
            let milliseconds = (seconds.as_f64()? * 1000.0) as i64;
            Timestamp::from_millisecond(milliseconds).ok()
        }
        Value::String(text) => text.parse().ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn body(value: Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap_or_default()
    }

    fn blue() -> Place<'static> {
        Place {
            service: "blog-1",
            groups: vec!["targetgroup/a/1", "targetgroup/admin-a/3"],
        }
    }

    fn green() -> Place<'static> {
        Place {
            service: "blog-2",
            groups: vec!["targetgroup/b/2", "targetgroup/admin-b/4"],
        }
    }

    fn moved(policy: Value, alarms: &[&str]) -> Result<Value, String> {
        let policy = Policy {
            body: body(policy),
            alarms: alarms.iter().map(|name| (*name).to_owned()).collect(),
        };
        policy_body(&policy, &blue(), &green()).map(Value::Object)
    }

    fn tracking(configuration: Value) -> Value {
        json!({"PolicyType": "TargetTrackingScaling", "TargetTrackingScalingPolicyConfiguration": configuration})
    }

    #[test]
    fn what_names_blue_names_green() {
        let by_requests = |label: &str| {
            tracking(
                json!({"TargetValue": 100.0, "PredefinedMetricSpecification":
                {"PredefinedMetricType": "ALBRequestCountPerTarget", "ResourceLabel": label}}),
            )
        };
        assert_eq!(
            moved(
                by_requests("app/lb/9/targetgroup/a/1"),
                &["TargetTracking-x"]
            ),
            Ok(by_requests("app/lb/9/targetgroup/b/2"))
        );
        // Another route's, behind another load balancer.
        assert_eq!(
            moved(by_requests("app/internal/7/targetgroup/admin-a/3"), &[]),
            Ok(by_requests("app/internal/7/targetgroup/admin-b/4"))
        );
        let by_metric = |service: &str, group: &str| {
            tracking(
                json!({"TargetValue": 5, "CustomizedMetricSpecification": {"Metrics": [
                {"Id": "m1", "MetricStat": {"Stat": "Sum", "Metric": {"MetricName": "Depth", "Dimensions": [
                    {"Name": "ClusterName", "Value": "prod"}, {"Name": "ServiceName", "Value": service},
                    {"Name": "TargetGroup", "Value": group}]}}},
                {"Id": "e1", "Expression": "m1 / 2"}]}}),
            )
        };
        assert_eq!(
            moved(by_metric("blog-1", "targetgroup/a/1"), &[]),
            Ok(by_metric("blog-2", "targetgroup/b/2"))
        );
        let by_cpu = tracking(
            json!({"PredefinedMetricSpecification": {"PredefinedMetricType": "ECSServiceAverageCPUUtilization"}}),
        );
        assert_eq!(moved(by_cpu.clone(), &[]), Ok(by_cpu));
    }

    #[test]
    fn what_cannot_be_moved_says_why() {
        let step = json!({"PolicyType": "StepScaling", "StepScalingPolicyConfiguration": {}});
        assert_eq!(moved(step.clone(), &[]), Ok(step.clone()));
        for (policy, alarms, words) in [
            (step, &["cpu-high"][..], "your alarm cpu-high"),
            (
                json!({"PolicyType": "PredictiveScaling"}),
                &[],
                "predictive",
            ),
            (json!({"PolicyType": "Oracle"}), &[], "of type Oracle"),
            (json!({}), &[], "no type"),
            (
                tracking(
                    json!({"PredefinedMetricSpecification": {"ResourceLabel": "app/lb/9/targetgroup/c/3"}}),
                ),
                &[],
                "targetgroup/c/3",
            ),
            (
                tracking(
                    json!({"CustomizedMetricSpecification": {"Metrics": [{"Expression": "SEARCH('ServiceName=\"blog-1\"')"}]}}),
                ),
                &[],
                "expression",
            ),
        ] {
            let why = moved(policy, alarms).unwrap_err();
            assert!(why.contains(words), "{why}");
        }
    }

    #[test]
    fn an_action_that_is_over_is_left_behind() {
        let now: Timestamp = "2026-03-01T12:00:00Z".parse().unwrap();
        let due = |action: Value| still_due(&body(action), now).map(Value::Object);
        let nightly = json!({"Schedule": "cron(0 20 * * ? *)", "StartTime": 1_700_000_000.0});
        assert_eq!(
            due(nightly),
            Some(json!({"Schedule": "cron(0 20 * * ? *)"}))
        );
        let once =
            |at: &str, zone: &str| json!({"Schedule": format!("at({at})"), "Timezone": zone});
        assert_eq!(due(once("2026-03-01T12:30:00", "Europe/Berlin")), None);
        let later = once("2026-03-01T12:30:00", "UTC");
        assert_eq!(due(later.clone()), Some(later));
        assert_eq!(
            due(json!({"Schedule": "rate(1 day)", "EndTime": "2026-03-01T11:00:00Z"})),
            None
        );
        let daily = |end: f64| json!({"Schedule": "rate(1 day)", "EndTime": end});
        assert_eq!(due(daily(1_772_366_400.0)), None);
        let later = daily(1_772_366_401.0);
        assert_eq!(due(later.clone()), Some(later.clone()));
        let scaling = Scaling {
            actions: [
                ("old".to_owned(), body(daily(1.0))),
                ("new".to_owned(), body(later)),
            ]
            .into(),
            ..Scaling::default()
        };
        let copy = copied(&scaling, &blue(), &green(), now).unwrap();
        assert_eq!(copy.actions.keys().collect::<Vec<_>>(), ["new"]);
    }
}
