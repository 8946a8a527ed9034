//! How infrastructure code lets go of a service that it made, and of the weights of the rules: in its own names as far
//! as AWS tells them.

use crd_schema::Application;
use crd_schema::application::RuleTarget;
use planner::adoption::Candidate;

use crate::commands::second_group::{camel, label};

/// What must be done before the first release, which deletes the service in the end.
pub(super) fn out_of_code(candidate: &Candidate, spec: &Application) -> String {
    let tag = |key: &str| candidate.tags.get(key).map(String::as_str);
    let stack = tag("aws:cloudformation:stack-name");
    let id = tag("aws:cloudformation:logical-id");
    let head = format!(
        "At its end, the next release deletes service {}. Before that, whatever made it lets go of it:",
        candidate.name
    );
    match stack {
        Some(stack) => format!(
            "{head}\n{}",
            cloudformation(candidate, spec, Some(stack), id)
        ),
        None => format!(
            "{head}\n{}\n{}",
            terraform(candidate, spec),
            cloudformation(candidate, spec, None, None)
        ),
    }
}

/// A `removed` block, and rules whose weights are no longer its own.
/// (<https://developer.hashicorp.com/terraform/language/state/remove>)
fn terraform(candidate: &Candidate, spec: &Application) -> String {
    let address = format!("aws_ecs_service.{}", label(&candidate.name));
    let mut lines = vec![
        "  Terraform 1.7 or later; the addresses are guessed:".to_owned(),
        format!(
            "    removed {{                         # instead of resource \"aws_ecs_service\" \"{}\"",
            label(&candidate.name)
        ),
        format!("      from = {address}"),
        "      lifecycle { destroy = false }".to_owned(),
        "    }".to_owned(),
        format!("    (before 1.7: delete the resource, and `terraform state rm {address}`)"),
    ];
    let [listeners, rules] = places(spec);
    if !listeners.is_empty() {
        lines.push(format!(
            "    lifecycle {{ ignore_changes = [default_action] }}   # aws_lb_listener: {}",
            listeners.join(", ")
        ));
    }
    if !rules.is_empty() {
        lines.push(format!(
            "    lifecycle {{ ignore_changes = [action] }}   # aws_lb_listener_rule: {}",
            rules.join(", ")
        ));
    }
    lines.join("\n")
}

/// Retained, then removed; rules that stay as they are written.
/// (<https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-attribute-deletionpolicy.html>)
fn cloudformation(
    candidate: &Candidate,
    spec: &Application,
    stack: Option<&str>,
    id: Option<&str>,
) -> String {
    let of = stack.map_or_else(
        || "CloudFormation; the logical ID is guessed:".to_owned(),
        |stack| format!("CloudFormation, stack {stack}:"),
    );
    let guessed = camel(&candidate.name);
    let id = id.unwrap_or(&guessed);
    let [listeners, rules] = places(spec);
    let places = [listeners, rules].concat().join(", ");
    [
        format!("  {of}"),
        format!("    1. give {id} `DeletionPolicy: Retain`, and update the stack"),
        format!("    2. take {id} out of the template, and update the stack: the service stays"),
        format!("    3. leave the actions of {places} as they are written: CloudFormation sets them again only when they change there"),
    ]
    .join("\n")
}

/// Listeners and rules of production and tests, as their ARNs end.
fn places(spec: &Application) -> [Vec<String>; 2] {
    let short = |arn: &str| arn.rsplit(':').next().unwrap_or(arn).to_owned();
    let mut all = [Vec::new(), Vec::new()];
    let [listeners, rules] = &mut all;
    for target in spec.production().chain(spec.test()) {
        match target {
            RuleTarget::Listener(arn) => listeners.push(short(arn.as_str())),
            RuleTarget::Rule(arn) => rules.push(short(arn.as_str())),
        }
    }
    all
}
