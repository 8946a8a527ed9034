//! A worker, a service without a load balancer: what it cannot have is refused by name.

use serde_json::Value;

use super::document::Spec;
use super::node::{Kind, Node};
use super::path::Path;
use super::problem::Finding;

/// What queries are filled in with, and a worker has none of.
const OF_THE_LOAD_BALANCER: [&str; 3] =
    ["{greenTargetGroup}", "{blueTargetGroup}", "{loadBalancer}"];

/// Neither `traffic` nor `worker` in a `spec` that is there.
pub(super) fn neither_nor(node: &Node) -> Option<Finding> {
    let Kind::Map(document) = &node.kind else {
        return None;
    };
    let spec = document.iter().find(|entry| entry.key == "spec")?;
    let Kind::Map(fields) = &spec.value.kind else {
        return None;
    };
    let said = |entry: &&super::node::Entry| entry.key == "traffic" || entry.key == "worker";
    if fields.iter().find(said).is_some() {
        return None;
    }
    let path = Path::default().key("spec").key("traffic");
    Some(Finding {
        place: node.place_of(&path),
        path,
        found: "nothing".to_owned(),
        right: "`traffic` must be given (Where users come from), or `worker: {overlap: true}` for a service without a load balancer".to_owned(),
    })
}

/// What means something only where a load balancer brings traffic.
pub(super) fn contradictions(spec: &Spec, node: &Node) -> Vec<Finding> {
    if spec.worker.is_none() {
        return Vec::new();
    }
    let root = Path::default().key("spec");
    let json = node.to_json();
    let given = |pointer: &str| json.pointer(pointer).is_some_and(|value| !value.is_null());
    let mut findings = Vec::new();
    let mut report = |path: Path, found: &str, right: &str| {
        findings.push(Finding {
            place: node.place_of(&path),
            path,
            found: found.to_owned(),
            right: right.to_owned(),
        });
    };
    if spec.traffic.is_some() {
        report(
            root.key("worker"),
            "`worker` beside `traffic`",
            "write one of them: `worker` for a service without a load balancer, else `traffic`",
        );
        return findings;
    }
    if !spec.strategy.mean().steps.is_empty() {
        report(
            root.key("strategy"),
            "steps of traffic, which a worker has none of",
            "write `blueGreen: {}`: both versions work until the bake time is over; only a load balancer gives one of them a share",
        );
    }
    if given("/spec/cleanUp") {
        report(
            root.key("cleanUp"),
            "waits for traffic, which a worker has none of",
            "leave it out: blue works to the end of `bakeTime`",
        );
    }
    if given("/spec/autoscaling") {
        report(
            root.key("autoscaling"),
            "autoscaling, which moves with traffic, and a worker has none of that",
            "leave it out: a worker is released with a fixed count, and a registered scalable target holds it",
        );
    }
    let grace = "healthCheckGracePeriodSeconds";
    if given(&format!("/spec/template/service/{grace}")) {
        report(
            root.key("template").key("service").key(grace),
            "a grace period for the load balancer's health checks",
            "leave it out: ECS takes it only for a service with a load balancer; a container's own `healthCheck` has a `startPeriod`",
        );
    }
    let gates = json.pointer("/spec/gates").and_then(Value::as_object);
    for (name, gate) in gates.into_iter().flatten() {
        if gate.get("before").and_then(Value::as_str) == Some("RollBack") {
            report(
                root.key("gates").key(name).key("before"),
                "a gate before what failed is removed, which would work on until then",
                "write another stage: a worker that was rejected stops at once",
            );
        }
    }
    let analyses = json.pointer("/spec/analysis").and_then(Value::as_object);
    for (name, analysis) in analyses.into_iter().flatten() {
        let path = root.key("analysis").key(name);
        for metric in ["successRate", "latency", "comparison"] {
            if analysis.get(metric).is_some_and(|value| !value.is_null()) {
                report(
                    path.key(metric),
                    "requests of a load balancer, which a worker has none of",
                    "write `prometheus` or `cloudWatch`: a metric of the queue or of the work that is done",
                );
            }
        }
        let text = analysis.to_string();
        if let Some(filled_in) = OF_THE_LOAD_BALANCER.iter().find(|one| text.contains(**one)) {
            report(
                path.clone(),
                &format!("{filled_in}, which a worker has none of"),
                "ask by `{greenService}`, `{blueService}`, `{application}` or `{version}`",
            );
        }
    }
    findings
}
