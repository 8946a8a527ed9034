//! The gates of a document: what contradicts itself, and what they mean.

use std::collections::BTreeMap;
use std::time::Duration;

use super::document::{
    Before, EcsTask, Gate, Http, Lambda, Method, Notification, Secret, Spec, Step, Strategy,
    Webhook,
};
use super::node::Node;
use super::path::Path;
use super::problem::Finding;
use crate::gate::{self, Check, Gates};
use crate::identity::GateName;
use crate::record::Stage;
use crate::webhook;

/// How long a try takes at most, where the document does not say.
const REQUEST: Duration = Duration::from_secs(10);
const TASK: Duration = Duration::from_secs(30 * 60);
/// Tries of a request, where the document does not say. All else is tried once.
const REQUESTS: u32 = 5;

/// A gate that is two, or none; one that a step names and nobody describes; a command of nobody; a secret in two places, of
/// notifications, too.
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
    let told = spec.notifications.iter().enumerate();
    let told = told.map(|(index, told)| {
        let path = root.key("notifications").index(index).key("webhook");
        (path, &told.webhook)
    });
    let mut hooks: Vec<(Path, &Webhook)> = told.collect();
    for (name, gate) in &spec.gates {
        let path = root.key("gates").key(name.as_str());
        let Gate {
            http,
            ecs_task,
            lambda,
            webhook,
            approval,
            ..
        } = gate;
        let kinds = [
            http.is_some(),
            ecs_task.is_some(),
            lambda.is_some(),
            webhook.is_some(),
            approval.is_some(),
        ];
        let kinds = kinds.into_iter().filter(|given| *given).count();
        if kinds != 1 {
            report(
                path.clone(),
                format!("{kinds} checks in one gate"),
                "write exactly one of `http`, `ecsTask`, `lambda`, `webhook` and `approval`",
            );
        }
        let webhook = webhook.iter();
        hooks.extend(webhook.map(|webhook| (path.key("webhook"), webhook)));
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
    for (path, Webhook { secret, .. }) in hooks {
        let places = [secret.parameter.is_some(), secret.environment.is_some()];
        let places = places.into_iter().filter(|given| *given).count();
        if places != 1 {
            report(
                path.key("secret"),
                format!("{places} places of one secret"),
                "write exactly one of `parameter` and `environment`",
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
            Step::SetWeight(_) | Step::SetScale(_) | Step::Pause(_) | Step::Analysis(_) => None,
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
            webhook,
            approval: _,
            before,
            attempts,
            every,
            timeout,
            on_error,
        } = gate;
        let unsaid = (!in_a_step(&name)).then_some(Stage::Shift);
        let (check, usual, longest) = match (http, ecs_task, lambda, webhook) {
            (Some(http), _, _, _) => (Check::Http(request(http)), REQUESTS, REQUEST),
            (None, Some(task), _, _) => (Check::EcsTask(run(task)), 1, TASK),
            (None, None, Some(lambda), _) => (Check::Lambda(invoke(lambda)), 1, TASK),
            (None, None, None, Some(webhook)) => (Check::Webhook(ask(webhook)), 1, TASK),
            (None, None, None, None) => (Check::Approval, 1, REQUEST),
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
        Before::RollBack => Stage::RollBack,
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
        on_abort: task.on_abort,
    }
}

fn invoke(lambda: Lambda) -> gate::Lambda {
    gate::Lambda {
        function: lambda.function,
        hook_details: lambda.hook_details,
    }
}

/// Who is told.
pub(super) fn told(notifications: Vec<Notification>) -> Vec<webhook::Notification> {
    let one = |told: Notification| webhook::Notification {
        webhook: ask(told.webhook),
        events: told.events,
    };
    notifications.into_iter().map(one).collect()
}

fn ask(webhook: Webhook) -> webhook::Webhook {
    let Secret {
        parameter,
        environment,
    } = webhook.secret;
    let secret = match (parameter, environment) {
        (Some(name), _) => webhook::Secret::Parameter(name),
        (None, name) => webhook::Secret::Environment(name.unwrap_or_default()),
    };
    webhook::Webhook {
        url: webhook.url,
        secret,
    }
}
