//! The spec's own autoscaling on the service of a release.

use crd_schema::application::Autoscaling;
use serde_json::{Map, Value};

use super::copy::{Place, rewrite_members};
use super::state::{Policy, Scaling};

/// What stands in the spec for the name of the service of each release, and for `targetgroup/<name>/<id>` of its group:
/// of several, that of the first route.
fn any() -> Place<'static> {
    Place {
        service: "{service}",
        groups: vec!["{targetGroup}"],
    }
}

/// What the spec says, for the service at `to`; `balancer` is its load balancer's part of a `ResourceLabel`:
/// `app/<name>/<id>`.
///
/// # Errors
/// What cannot be said of this service, and what to do about it.
pub fn given(
    spec: &Autoscaling,
    to: &Place<'_>,
    balancer: Option<&str>,
) -> Result<Scaling, String> {
    let mut scaling = Scaling {
        min: spec.min,
        max: spec.max,
        actions: spec.actions.clone(),
        ..Scaling::default()
    };
    for (name, body) in &spec.policies {
        let mut body = body.clone();
        let why = |why: String| format!("scaling policy {name} of the spec {why}");
        rewrite_members(&mut body, &any(), to).map_err(why)?;
        if let (Some(balancer), Some(group)) = (balancer, to.groups.first()) {
            label(&mut body, format!("{balancer}/{group}"));
        }
        let alarms = Vec::new();
        scaling
            .policies
            .insert(name.clone(), Policy { body, alarms });
    }
    Ok(scaling)
}

/// Requests per target are those of the release's own group.
fn label(policy: &mut Map<String, Value>, label: String) {
    let metric = policy
        .get_mut("TargetTrackingScalingPolicyConfiguration")
        .and_then(|configuration| configuration.get_mut("PredefinedMetricSpecification"));
    let Some(metric) = metric.and_then(Value::as_object_mut) else {
        return;
    };
    let kind = metric.get("PredefinedMetricType").and_then(Value::as_str);
    if kind == Some("ALBRequestCountPerTarget") {
        metric.insert("ResourceLabel".to_owned(), label.into());
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// What the policy's metric is for the service of a release.
    fn metric(kind: &str) -> Value {
        let metric = json!({"PredefinedMetricType": kind});
        let body = json!({
            "PolicyType": "TargetTrackingScaling",
            "TargetTrackingScalingPolicyConfiguration": {"PredefinedMetricSpecification": metric},
        });
        let body = body.as_object().cloned().unwrap_or_default();
        let spec = Autoscaling {
            min: 1,
            max: 9,
            policies: [("load".to_owned(), body)].into(),
            actions: Default::default(),
        };
        let to = Place {
            service: "blog-2",
            groups: vec!["targetgroup/b/2", "targetgroup/admin-b/4"],
        };
        let given = given(&spec, &to, Some("app/lb/9")).unwrap();
        given.policies["load"].body["TargetTrackingScalingPolicyConfiguration"]["PredefinedMetricSpecification"].clone()
    }

    #[test]
    fn requests_are_counted_on_the_releases_own_group_and_nothing_else_is_labelled() {
        assert_eq!(
            metric("ALBRequestCountPerTarget")["ResourceLabel"],
            "app/lb/9/targetgroup/b/2"
        );
        let cpu = metric("ECSServiceAverageCPUUtilization");
        assert_eq!(cpu.get("ResourceLabel"), None);
    }
}
