//! From text to a validated Application.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::Duration;

use serde_json::Value;

use super::check::check;
use super::document::{
    Document, PerRelease, Percent, Route, Spec, Step, Strategy, Target, TargetGroups,
    TaskDefinition,
};
use super::node::{self, Node, Place};
use super::path::Path;
use super::problem::{Finding, Invalid};
use super::schema;
use crate::application::{self, Application, BaseTaskDefinition, RuleTarget};

/// Bytes that a document may have: an advanced SSM parameter holds no more.
pub const MAX_BYTES: usize = 8 * 1024;

static SCHEMA: LazyLock<Value> = LazyLock::new(schema);

/// Reads an Application from YAML or JSON.
///
/// `source` is a file's or a parameter's name, for messages only.
///
/// ```
/// let invalid = crd_schema::spec::load("kind: Deployment", "blog.yaml").unwrap_err();
/// assert_eq!(invalid.problems[0].path, "apiVersion");
/// assert!(invalid.to_string().contains("error: kind: found \"Deployment\": write `Application`"));
/// ```
///
/// # Errors
///
/// Every problem of structure at once; when there is none, every contradiction between fields.
pub fn load(text: &str, source: &str) -> Result<Application, Invalid> {
    let invalid = |findings| Invalid::new(source, text, findings);
    let start = Place {
        line: 1,
        column: 1,
        length: 1,
    };
    let about_all = |place, found: String, right: String| {
        let path = Path::default();
        invalid(vec![Finding {
            path,
            place,
            found,
            right,
        }])
    };
    if text.len() > MAX_BYTES {
        let found = format!("{} bytes", text.len());
        return Err(about_all(
            start,
            found,
            format!("write at most {MAX_BYTES} bytes"),
        ));
    }
    let node = node::parse(text).map_err(|unreadable| {
        about_all(
            unreadable.place.unwrap_or(start),
            unreadable.found,
            unreadable.right,
        )
    })?;
    let mut findings = check(&node, &SCHEMA);
    findings.extend(super::worker::neither_nor(&node));
    if !findings.is_empty() {
        return Err(invalid(findings));
    }
    // The schema is made from `Document`, so what passed it can be read; if not, the document is refused all the same.
    let document: Document = serde_json::from_value(node.to_json()).map_err(|error| {
        about_all(
            start,
            "a document that cannot be read".into(),
            error.to_string(),
        )
    })?;
    let findings = contradictions(&document, &node);
    if findings.is_empty() {
        Ok(application(document))
    } else {
        Err(invalid(findings))
    }
}

/// What is right field by field and wrong together.
fn contradictions(document: &Document, node: &Node) -> Vec<Finding> {
    let mut findings = impossible_steps(&document.spec.strategy, node);
    findings.extend(super::gates::contradictions(&document.spec, node));
    findings.extend(super::analysis::contradictions(&document.spec, node));
    findings.extend(super::schedule::contradictions(&document.spec, node));
    findings.extend(super::autoscaling::contradictions(&document.spec, node));
    findings.extend(super::worker::contradictions(&document.spec, node));
    findings.extend(super::rolling::contradictions(&document.spec, node));
    findings.extend(routes_that_meet(&document.spec, node));
    findings
}

/// A target group, a listener or a rule stands in one place of one route; and what several routes do not have yet.
fn routes_that_meet(spec: &Spec, node: &Node) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut report = |path: Path, found: String, right: &str| {
        findings.push(Finding {
            place: node.place_of(&path),
            path,
            found,
            right: right.to_owned(),
        });
    };
    let routes = spec.traffic.iter().flat_map(|traffic| &traffic.routes);
    let several = routes.clone().count() > 1;
    let (mut groups, mut rules) = (BTreeMap::new(), BTreeMap::new());
    for (index, route) in routes.enumerate() {
        let path = Path::default().key("spec").key("traffic");
        let path = path.key("routes").index(index);
        let own = path.key("targetGroups");
        let mut for_life = Vec::new();
        match &route.target_groups {
            TargetGroups::Pair([one, other]) if one == other => report(
                own.key("pair").index(1),
                "the same target group twice".into(),
                "write two different target groups",
            ),
            TargetGroups::Pair(pair) => {
                let place = |side| own.key("pair").index(side);
                for_life.extend(
                    pair.iter()
                        .enumerate()
                        .map(|(side, group)| (group, place(side))),
                );
            }
            TargetGroups::Single(group) => for_life.push((group, own.key("single"))),
            TargetGroups::PerRelease(_) if several => report(
                own.key("perRelease"),
                "a group for each release in one of several routes".into(),
                "write `pair` with two target groups in each route: a group for each release is there for a single route only",
            ),
            TargetGroups::PerRelease(_) => {}
        }
        for (group, path) in for_life {
            if let Some(before) = groups.insert(group, path.clone()) {
                report(
                    path,
                    format!("the same target group as in {before}"),
                    "give each route target groups of its own; listeners of one container port share a route",
                );
            }
        }
        for (list, targets) in [("production", &route.production), ("test", &route.test)] {
            for (index, target) in targets.iter().enumerate() {
                let path = path.key(list).index(index);
                if let Some(before) = rules.insert(rule_target(target), path.clone()) {
                    report(
                        path,
                        format!("the same rule as in {before}"),
                        "name each listener and rule once, in `production` or in `test` of one route",
                    );
                }
            }
        }
    }
    findings
}

/// Traffic only moves towards green and green only grows, the way back is not a step; and no weight is more than what
/// green's tasks can carry.
fn impossible_steps(strategy: &Strategy, node: &Node) -> Vec<Finding> {
    let path = ["spec", "strategy", "canary", "steps"];
    let path = path.iter().fold(Path::default(), |path, key| path.key(key));
    let (mut weight, mut scale) = (None, None);
    let mut findings = Vec::new();
    for (index, step) in strategy.steps().iter().enumerate() {
        let (key, wrong) = match step {
            Step::SetWeight(Percent(share)) => {
                let falls = weight.filter(|before| share <= before).map(|before| {
                    let right = "write each weight above the one before".to_owned();
                    (format!("{share} after {before}"), right)
                });
                let above = scale.filter(|scale| share > scale).map(|scale| {
                    let right = format!(
                        "write at most {scale}, or a `setScale` above it before this step: more traffic than that \
                         is more than its tasks can carry"
                    );
                    (format!("{share} of the traffic for {scale} of the tasks"), right)
                });
                weight = Some(*share);
                ("setWeight", falls.or(above))
            }
            Step::SetScale(Percent(share)) => {
                let late = scale.is_none() && index > 0;
                let wrong = if late {
                    let right = "make the first `setScale` the first step: green has its size from its creation on";
                    Some((
                        format!("{share} of a green that has all its tasks"),
                        right.to_owned(),
                    ))
                } else {
                    let before = scale.filter(|before| share <= before);
                    before.map(|before| {
                        let right = "write each scale above the one before".to_owned();
                        (format!("{share} after {before}"), right)
                    })
                };
                scale = Some(*share);
                ("setScale", wrong)
            }
            Step::Pause(_) | Step::Gate(_) | Step::Analysis(_) => continue,
        };
        let Some((found, right)) = wrong else {
            continue;
        };
        let path = path.index(index).key(key);
        findings.push(Finding {
            place: node.place_of(&path),
            path,
            found,
            right,
        });
    }
    findings
}

fn application(document: Document) -> Application {
    let Document { metadata, spec, .. } = document;
    let service = super::rolling::service(&spec);
    let Spec {
        cluster,
        tags,
        template,
        traffic,
        worker,
        strategy,
        gates,
        notifications,
        alarms,
        analysis,
        schedule,
        autoscaling,
        bake_time,
        clean_up,
        deadlines,
        on_failure,
        on_new_release,
        drift,
    } = spec;
    let task_definition = match template.task_definition {
        TaskDefinition::Family(family) => BaseTaskDefinition::Family(family),
        TaskDefinition::Inline { inline } => BaseTaskDefinition::Inline(inline),
    };
    Application {
        name: metadata.name,
        cluster,
        tags,
        template: application::Template {
            task_definition,
            images: template
                .images
                .into_iter()
                .map(|(container, image)| (container, image.0))
                .collect(),
            service,
            desired_count: template.service.desired_count,
        },
        routes: traffic
            .into_iter()
            .flat_map(|traffic| traffic.routes)
            .map(route)
            .collect(),
        gates: super::gates::mean(gates, &strategy),
        notifications: super::gates::told(notifications),
        alarms: alarms.map(super::analysis::Alarms::mean),
        analyses: super::analysis::mean(analysis, &strategy),
        schedule: schedule.and_then(super::schedule::Schedule::mean),
        strategy: strategy.mean(),
        autoscaling: autoscaling.map(super::autoscaling::Autoscaling::mean),
        bake_time: bake_time.0,
        clean_up: if worker.is_some() {
            // There is no traffic to wait for.
            application::CleanUp {
                settle: Duration::ZERO,
                keep_blue: Duration::ZERO,
            }
        } else {
            application::CleanUp {
                settle: clean_up.settle.0,
                keep_blue: clean_up.keep_blue.0,
            }
        },
        deadlines: application::Deadlines {
            scale_up: deadlines.scale_up.0.0,
            validate: deadlines.validate.0.0,
            shift: deadlines.shift.0.0,
            clean_up: deadlines.clean_up.0.0,
        },
        on_failure,
        on_new_release: application::OnNewRelease {
            during_bake: on_new_release.during_bake,
        },
        drift,
    }
}

fn route(route: Route) -> application::Route {
    let Route {
        container,
        port,
        target_groups,
        production,
        test,
    } = route;
    application::Route {
        container,
        port,
        groups: match target_groups {
            TargetGroups::Pair(pair) => application::TargetGroups::Pair(pair),
            TargetGroups::Single(only) => application::TargetGroups::Single(only),
            TargetGroups::PerRelease(PerRelease { from }) => {
                application::TargetGroups::PerRelease { from }
            }
        },
        production: production.iter().map(rule_target).collect(),
        test: test.iter().map(rule_target).collect(),
    }
}

fn rule_target(target: &Target) -> RuleTarget {
    match target {
        Target::Listener(arn) => RuleTarget::Listener(arn.clone()),
        Target::Rule(arn) => RuleTarget::Rule(arn.clone()),
    }
}
