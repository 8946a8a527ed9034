//! The autoscaling of a document: AWS's own JSON, what of it the operator owns, and what it means.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::document::Spec;
use super::node::Node;
use super::path::Path;
use super::problem::Finding;
use crate::application;

/// How Application Auto Scaling scales the service of each release: AWS's own JSON. Left out: as it scales the one that serves.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("errorMessage" = "write for example `{MinCapacity: 2, MaxCapacity: 10, policies: [{PolicyName: cpu, PolicyType: TargetTrackingScaling, TargetTrackingScalingPolicyConfiguration: {…}}]}`"))]
pub(super) struct Autoscaling {
    /// The fewest tasks.
    #[serde(rename = "MinCapacity")]
    min: u32,
    /// The most tasks.
    #[serde(rename = "MaxCapacity")]
    max: u32,
    /// PutScalingPolicy's members, target tracking alone. `ResourceLabel` is left out: it is the group of each release.
    #[serde(default)]
    #[schemars(length(max = 50))]
    policies: Vec<Map<String, Value>>,
    /// PutScheduledAction's members.
    #[serde(default, rename = "scheduledActions")]
    #[schemars(length(max = 200))]
    actions: Vec<Map<String, Value>>,
}

/// Members that say which service is meant.
const OWNED: [&str; 3] = ["ServiceNamespace", "ResourceId", "ScalableDimension"];
/// Where a policy says its configuration.
const TRACKING: &str = "TargetTrackingScalingPolicyConfiguration";

impl Autoscaling {
    pub(super) fn mean(self) -> application::Autoscaling {
        application::Autoscaling {
            min: self.min,
            max: self.max,
            policies: named(self.policies, "PolicyName"),
            actions: named(self.actions, "ScheduledActionName"),
        }
    }
}

/// By their names, which are no members any more.
fn named(list: Vec<Map<String, Value>>, member: &str) -> BTreeMap<String, Map<String, Value>> {
    let named = list.into_iter().filter_map(|mut one| {
        let name = one.shift_remove(member)?.as_str()?.to_owned();
        Some((name, one))
    });
    named.collect()
}

/// Limits that contradict each other or the first count; what cannot be put on the service of each release.
pub(super) fn contradictions(spec: &Spec, node: &Node) -> Vec<Finding> {
    let Some(autoscaling) = &spec.autoscaling else {
        return Vec::new();
    };
    let root = Path::default().key("spec").key("autoscaling");
    let mut findings = Vec::new();
    let mut report = |path: Path, found: String, right: &str| {
        findings.push(Finding {
            place: node.place_of(&path),
            path,
            found,
            right: right.to_owned(),
        });
    };
    let Autoscaling {
        min,
        max,
        policies,
        actions,
    } = autoscaling;
    let count = spec.template.service.desired_count;
    if max < min {
        let right = "write a MaxCapacity that is at least MinCapacity";
        report(
            root.key("MaxCapacity"),
            format!("{max} below MinCapacity {min}"),
            right,
        );
    } else if !(*min..=*max).contains(&count) {
        let path = ["template", "service", "desiredCount"];
        let path = path
            .iter()
            .fold(Path::default().key("spec"), |path, key| path.key(key));
        let right = "write a count of the first release within MinCapacity and MaxCapacity";
        report(path, format!("{count}, outside of {min} to {max}"), right);
    }
    for (list, name, entries) in [
        ("policies", "PolicyName", policies),
        ("scheduledActions", "ScheduledActionName", actions),
    ] {
        let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
        for (index, entry) in entries.iter().enumerate() {
            let path = root.key(list).index(index);
            match entry
                .get(name)
                .and_then(Value::as_str)
                .filter(|name| !name.is_empty())
            {
                None => report(
                    path.clone(),
                    format!("no {name}"),
                    "give it a name of its own",
                ),
                Some(given) => {
                    if let Some(before) = seen.insert(given, index) {
                        let found = format!("the name of entry {before} again");
                        report(path.key(name), found, "give each a name of its own");
                    }
                }
            }
            for owned in OWNED {
                if entry.contains_key(owned) {
                    let right = "leave it out: it is the service of each release";
                    report(path.key(owned), "the name of a service".to_owned(), right);
                }
            }
        }
    }
    for (index, policy) in policies.iter().enumerate() {
        let path = root.key("policies").index(index);
        if policy.get("PolicyType").and_then(Value::as_str) != Some("TargetTrackingScaling") {
            let right = "write `PolicyType: TargetTrackingScaling`: an alarm of yours cannot know the policy of each release, and a forecast needs a service's history";
            let found = policy
                .get("PolicyType")
                .map_or_else(|| "no PolicyType".to_owned(), Value::to_string);
            report(path.key("PolicyType"), found, right);
            continue;
        }
        let Some(configuration) = policy.get(TRACKING).and_then(Value::as_object) else {
            report(
                path,
                format!("no {TRACKING}"),
                "write it as PutScalingPolicy takes it",
            );
            continue;
        };
        let predefined = configuration.get("PredefinedMetricSpecification");
        if predefined.is_some_and(|metric| metric.get("ResourceLabel").is_some()) {
            let path = path
                .key(TRACKING)
                .key("PredefinedMetricSpecification")
                .key("ResourceLabel");
            let right = "leave it out: it names the target group of each release";
            report(path, "one target group".to_owned(), right);
        }
    }
    for (index, action) in actions.iter().enumerate() {
        for needed in ["Schedule", "ScalableTargetAction"] {
            if !action.contains_key(needed) {
                let path = root.key("scheduledActions").index(index);
                report(
                    path,
                    format!("no {needed}"),
                    "write it as PutScheduledAction takes it",
                );
            }
        }
    }
    findings
}
