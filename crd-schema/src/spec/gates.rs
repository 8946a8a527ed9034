//! The gates of a document: what contradicts itself, and what they mean.

use std::collections::BTreeMap;
use std::time::Duration;

use super::document::{Before, EcsTask, Gate, Http, Lambda, Method, Spec, Step, Strategy};
use super::node::Node;
use super::path::Path;
use super::problem::Finding;
use crate::gate::{self, Check, Gates};
use crate::identity::GateName;
use crate::record::Stage;

/// How long a try takes at most, where the document does not say.
const REQUEST: Duration = Duration::from_secs(10);
const TASK: Duration = Duration::from_secs(30 * 60);
/// Tries of a request, where the document does not say. A task runs once, and so does a function.
const REQUESTS: u32 = 5;

/// A gate that is two, or none; one that a step names and nobody describes; a command of nobody.
pub(super) fn contradictions(spec: &Spec, node: &Node) -> Vec<Finding> {
    let root = Path::default().key("spec");
    let mut findings = Vec::new();
    let mut report = |path: Path, found: String, right: &str| {
        findings.push(Finding {
            place: node.place_of(&path),
            path,
            found,
            right: right.to_owned(),
        });
    };
    for (name, gate) in &spec.gates {
        let path = root.key("gates").key(name.as_str());
        let Gate {
            http,
            ecs_task,
            lambda,
            approval,
            ..
        } = gate;
        let kinds = [
            http.is_some(),
            ecs_task.is_some(),
            lambda.is_some(),
            approval.is_some(),
        ];
        let kinds = kinds.into_iter().filter(|given| *given).count();
        if kinds != 1 {
            report(
                path.clone(),
                format!("{kinds} checks in one gate"),
                "write exactly one of `http`, `ecsTask`, `lambda` and `approval`",
            );
        }
        if let Some(task) = ecs_task
            && task.container.is_none()
            && !task.command.is_empty()
        {
            report(
                path.key("ecsTask"),
                "a `command` for no container".to_owned(),
                "write `container` too: whose command it is",
            );
        }
    }
    for (index, name) in named(&spec.strategy) {
        if !spec.gates.contains_key(name) {
            let steps = root.key("strategy").key("canary").key("steps");
            report(
                steps.index(index).key("gate"),
                format!("`{name}`, which is no gate"),
                "describe it in `spec.gates`, or name one that stands there",
            );
        }
    }
    findings
}

/// The gates that steps name.
fn named(strategy: &Strategy) -> impl Iterator<Item = (usize, &GateName)> {
    strategy
        .steps()
        .iter()
        .enumerate()
        .filter_map(|(index, step)| match step {
            Step::Gate(name) => Some((index, name)),
            Step::SetWeight(_) | Step::Pause(_) | Step::Analysis(_) => None,
        })
}

/// The gates that they are.
pub(super) fn mean(gates: BTreeMap<GateName, Gate>, strategy: &Strategy) -> Gates {
    let in_a_step = |name: &GateName| named(strategy).any(|(_, named)| named == name);
    let one = |(name, gate): (GateName, Gate)| {
        let Gate {
            http,
            ecs_task,
            lambda,
            approval: _,
            before,
            attempts,
            every,
            timeout,
            on_error,
        } = gate;
        let unsaid = (!in_a_step(&name)).then_some(Stage::Shift);
        let (check, usual, longest) = match (http, ecs_task, lambda) {
            (Some(http), _, _) => (Check::Http(request(http)), REQUESTS, REQUEST),
            (None, Some(task), _) => (Check::EcsTask(run(task)), 1, TASK),
            (None, None, Some(lambda)) => (Check::Lambda(invoke(lambda)), 1, TASK),
            (None, None, None) => (Check::Approval, 1, REQUEST),
        };
        let gate = gate::Gate {
            before: before.map(stage).or(unsaid),
            check,
            attempts: attempts.unwrap_or(usual),
            every: every.0.0,
            timeout: timeout.map_or(longest, |timeout| timeout.0.0),
            on_error,
        };
        (name, gate)
    };
    gates.into_iter().map(one).collect()
}

fn stage(before: Before) -> Stage {
    match before {
        Before::ScaleUp => Stage::ScaleUp,
        Before::Validate => Stage::Validate,
        Before::Shift => Stage::Shift,
        Before::Bake => Stage::Bake,
        Before::CleanUp => Stage::CleanUp,
    }
}

fn request(http: Http) -> gate::Http {
    let method = match http.method {
        Method::Get => "GET",
        Method::Head => "HEAD",
        Method::Post => "POST",
        Method::Put => "PUT",
    };
    gate::Http {
        url: http.url,
        method: method.to_owned(),
        headers: http.headers,
        status: http.expect.status,
        body: http.expect.body,
    }
}

fn run(task: EcsTask) -> gate::EcsTask {
    gate::EcsTask {
        task_definition: task.task_definition,
        container: task.container,
        command: task.command,
    }
}

fn invoke(lambda: Lambda) -> gate::Lambda {
    gate::Lambda {
        function: lambda.function,
        hook_details: lambda.hook_details,
    }
}
