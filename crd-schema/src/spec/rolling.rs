//! ECS's own rolling update: what it cannot have is refused by name, and what ECS is told of it.

use serde_json::{Map, Value, json};

use super::document::{Before, Route, Spec, Strategy, TargetGroups};
use super::node::Node;
use super::path::Path;
use super::problem::Finding;

const CONFIGURATION: &str = "deploymentConfiguration";
const REBALANCING: &str = "availabilityZoneRebalancing";

/// What means something only where there are two services, or a load balancer; and bounds within which ECS can do nothing.
pub(super) fn contradictions(spec: &Spec, node: &Node) -> Vec<Finding> {
    let root = Path::default().key("spec");
    let mut findings = Vec::new();
    let mut report = |path: Path, found: &str, right: &str| {
        findings.push(Finding {
            place: node.place_of(&path),
            path,
            found: found.to_owned(),
            right: right.to_owned(),
        });
    };
    let overlap = spec.worker.as_ref().map(|worker| worker.overlap);
    let in_place = match &spec.strategy {
        Strategy::Rolling {} => true,
        Strategy::BlueGreen {}
        | Strategy::Canary(_)
        | Strategy::Linear(_)
        | Strategy::Preset(_) => false,
    };
    let routes = spec.traffic.iter().flat_map(|traffic| &traffic.routes);
    let is_single = |route: &Route| matches!(route.target_groups, TargetGroups::Single(_));
    let first = routes.clone().next().is_some_and(is_single);
    for (index, route) in routes.enumerate() {
        let groups = root.key("traffic").key("routes").index(index);
        let groups = groups.key("targetGroups");
        match &route.target_groups {
            TargetGroups::PerRelease(_) if in_place => report(
                groups.key("perRelease"),
                "a group for each release, of one service for life",
                "write `single: ARN`, the group that the service is bound to; or `pair: [ARN, ARN]`, of which it uses one",
            ),
            TargetGroups::Single(_) if !in_place => report(
                groups.key("single"),
                "one group, where blue and green need one each",
                "write `pair: [ARN, ARN]` or `perRelease: {from: ARN}`; `single` goes with `strategy: {rolling: {}}`",
            ),
            TargetGroups::Pair(_) | TargetGroups::Single(_) if is_single(route) != first => report(
                groups,
                "a route with one group beside one with a pair",
                "write `single: ARN` in each route, or `pair: [ARN, ARN]` in each",
            ),
            TargetGroups::Pair(_) | TargetGroups::Single(_) | TargetGroups::PerRelease(_) => {}
        }
    }
    if !in_place {
        if overlap == Some(false) {
            report(
                root.key("worker").key("overlap"),
                "false, with two services that both work",
                "write `strategy: {rolling: {}}` beside it: one service, whose old task is stopped before the new one starts; or `overlap: true`",
            );
        }
        return findings;
    }
    for (name, gate) in &spec.gates {
        let path = root.key("gates").key(name.as_str());
        let (path, found) = match gate.before {
            Some(Before::ScaleUp | Before::Bake | Before::CleanUp) => continue,
            // Refused of every worker.
            Some(Before::RollBack) if overlap.is_some() => continue,
            Some(Before::RollBack) => (
                path.key("before"),
                "a gate before what failed is removed, which nothing is where a service is updated back",
            ),
            Some(Before::Validate | Before::Shift) => (
                path.key("before"),
                "a stage between the start of new tasks and the end of the old ones",
            ),
            None => (
                path,
                "a gate before Shift, which is where one stands that does not say",
            ),
        };
        let right = "write `before: ScaleUp`, `Bake` or `CleanUp`: ECS replaces tasks one after another, and nothing waits between two of them";
        report(path, found, right);
    }
    let json = node.to_json();
    let analyses = json.pointer("/spec/analysis").and_then(Value::as_object);
    for (name, analysis) in analyses.into_iter().flatten() {
        if analysis.to_string().contains("{blueService}") {
            report(
                root.key("analysis").key(name),
                "{blueService}, which a rolling update has none of",
                "ask by `{greenService}`, the one service, or by `{application}` or `{version}`",
            );
        }
    }
    if overlap.is_none()
        && json
            .pointer("/spec/cleanUp")
            .is_some_and(|value| !value.is_null())
    {
        report(
            root.key("cleanUp"),
            "waits for blue's traffic, and a rolling update has no blue",
            "leave it out: ECS takes a task out of its group, and waits for the group's deregistration delay, before it stops it",
        );
    }
    let service = root.key("template").key("service");
    let given = |pointer: &str| {
        let service = json.pointer("/spec/template/service");
        service.and_then(|service| service.pointer(pointer))
    };
    if overlap == Some(false) {
        if spec.template.service.desired_count != 1 {
            report(
                service.key("desiredCount"),
                "several tasks with `overlap: false`",
                "write `desiredCount: 1`: of several tasks ECS starts a new one as soon as one old one has stopped",
            );
        }
        let never = [
            ("minimumHealthyPercent", json!(0)),
            ("maximumPercent", json!(100)),
        ];
        for (member, value) in never {
            let other = given(&format!("/{CONFIGURATION}/{member}"));
            if other.is_some_and(|other| *other != value) {
                report(
                    service.key(CONFIGURATION).key(member),
                    "a bound that `overlap: false` sets itself",
                    &format!("leave it out, or write {value}"),
                );
            }
        }
        if given(&format!("/{REBALANCING}")) == Some(&json!("ENABLED")) {
            report(
                service.key(REBALANCING),
                "rebalancing, which starts a new task before it stops an old one",
                "leave it out, or write `DISABLED`",
            );
        }
    } else if overlap.is_none() && percent(spec, "minimumHealthyPercent", 100) == 0 {
        report(
            service.key(CONFIGURATION).key("minimumHealthyPercent"),
            "0, with which ECS may stop every task before a new one is healthy",
            "write at least 1: ECS rounds up, so that one healthy task stays; 100 is ECS's own default",
        );
    } else if blocked(spec) {
        report(
            service.key(CONFIGURATION),
            "bounds within which ECS may neither start a task nor stop one",
            "raise `maximumPercent` or lower `minimumHealthyPercent`: of the tasks that must be healthy ECS rounds up, of those that may run down",
        );
    }
    findings
}

/// Percent of `desiredCount`, as ECS takes it where nothing is said.
fn percent(spec: &Spec, member: &str, default: u64) -> u64 {
    let configuration = spec.template.service.rest.get(CONFIGURATION);
    let given = configuration.and_then(|configuration| configuration.get(member)?.as_u64());
    given.unwrap_or(default)
}

/// (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DeploymentConfiguration.html>)
fn blocked(spec: &Spec) -> bool {
    let tasks = u64::from(spec.template.service.desired_count);
    let least = tasks
        .saturating_mul(percent(spec, "minimumHealthyPercent", 100))
        .div_ceil(100);
    let most = tasks.saturating_mul(percent(spec, "maximumPercent", 200)) / 100;
    least >= tasks && most <= tasks
}

/// The user's CreateService JSON, and with it what a rolling update needs where nothing is said: the circuit breaker,
/// without its way back, since the operator decides; and bounds that never let two tasks work where that is asked.
pub(super) fn service(spec: &Spec) -> Map<String, Value> {
    let mut service = spec.template.service.rest.clone();
    let Strategy::Rolling {} = spec.strategy else {
        return service;
    };
    let apart = spec.worker.as_ref().is_some_and(|worker| !worker.overlap);
    let configuration = service
        .entry(CONFIGURATION)
        .or_insert_with(|| Map::new().into());
    if let Some(configuration) = configuration.as_object_mut() {
        configuration
            .entry("deploymentCircuitBreaker")
            .or_insert_with(|| json!({"enable": true, "rollback": false}));
        if apart {
            configuration.insert("minimumHealthyPercent".to_owned(), json!(0));
            configuration.insert("maximumPercent".to_owned(), json!(100));
        }
    }
    // ECS refuses rebalancing, which it switches on by itself, where no further task may start.
    if apart || percent(spec, "maximumPercent", 200) <= 100 {
        service
            .entry(REBALANCING)
            .or_insert_with(|| json!("DISABLED"));
    }
    service
}
