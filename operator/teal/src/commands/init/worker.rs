//! An Application from an ECS service without a load balancer.

use planner::scaling::Scaling;
use serde_json::{Map, Value, json};

use super::draft::Draft;
use super::members::Described;
use super::service::{Asked, about_the_controller, begun, by_two_tags, owner, template};
use super::{scaling, strategy};
use crate::cli::Strategy;

/// How two versions of it meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meeting {
    /// Green works beside blue until the bake time is over.
    BesideBlue,
    /// Amazon ECS replaces the tasks, and both versions work meanwhile.
    InPlace,
    /// Amazon ECS stops the one task before it starts the next.
    Never,
}

/// The Application that says what was seen: the service, its task definition by name and content, and what scales it.
pub(super) fn compose(
    asked: Asked<'_>,
    service: &Map<String, Value>,
    (revision, definition): &(String, Map<String, Value>),
    scaling: Option<&Scaling>,
) -> Draft {
    let service = Described(service);
    let meeting = meeting(service, asked.strategy);
    let mut draft = begun(asked);
    let (remark, blue) = match meeting {
        Meeting::BesideBlue => (
            "It has no load balancer: green works beside blue until the bake time is over (docs/decisions/workers.md).",
            " as the first blue",
        ),
        Meeting::InPlace => (
            "It has no load balancer: both versions work while its tasks are replaced (docs/decisions/rolling.md).",
            "",
        ),
        Meeting::Never => (
            "It has no load balancer, and two versions of it never work at the same time (docs/decisions/rolling.md).",
            "",
        ),
    };
    draft.remark(remark);
    by_two_tags(&mut draft, asked, service, blue);
    about_the_controller(&mut draft, service);
    template(
        &mut draft,
        asked.cluster,
        service,
        (revision, definition),
        first(definition),
    );
    overlap(&mut draft, service, meeting);
    if let Some(known) = scaling {
        scaled(&mut draft, meeting, known);
    }
    draft
}

/// As it was asked for. One task that Amazon ECS may stop and not start beside another was never to work twice.
fn meeting(service: Described<'_>, asked: Option<Strategy>) -> Meeting {
    let count = service.member("desiredCount").and_then(Value::as_u64);
    let alone = is_replaced_after_it_stopped(service) && count.unwrap_or_default() <= 1;
    match asked {
        Some(Strategy::Rolling) | None if alone => Meeting::Never,
        Some(Strategy::Rolling) => Meeting::InPlace,
        None => Meeting::BesideBlue,
    }
}

/// Amazon ECS may stop every task, and start none before.
fn is_replaced_after_it_stopped(service: Described<'_>) -> bool {
    let configuration = service.member("deploymentConfiguration");
    let percent = |member: &str| configuration.and_then(|of| of[member].as_u64());
    let none_beside = percent("maximumPercent").is_some_and(|most| most <= 100);
    owner(service).is_none() && percent("minimumHealthyPercent") == Some(0) && none_beside
}

/// `worker`, and the strategy that goes with it.
fn overlap(draft: &mut Draft, service: Described<'_>, meeting: Meeting) {
    draft.set("worker", json!({"overlap": meeting != Meeting::Never}));
    let note = match meeting {
        Meeting::BesideBlue => {
            "may two versions work at the same time? If not: one task, `overlap: false` and `strategy: {rolling: {}}`"
        }
        Meeting::InPlace if is_replaced_after_it_stopped(service) => {
            "of several tasks Amazon ECS starts a new one as soon as one old one has stopped; never two versions: one task, `overlap: false`"
        }
        Meeting::InPlace => {
            "may two versions work at the same time? If not: one task, `overlap: false`"
        }
        Meeting::Never => {
            "Amazon ECS stops the old task first, as it does now (minimumHealthyPercent 0, maximumPercent 100)"
        }
    };
    draft.note("/spec/worker", note);
    match meeting {
        Meeting::BesideBlue => draft.set("bakeTime", json!("10m")),
        Meeting::InPlace | Meeting::Never => strategy::rolling(draft, service),
    }
}

/// Application Auto Scaling scales it: somebody may have to change that first.
fn scaled(draft: &mut Draft, meeting: Meeting, known: &Scaling) {
    let todo = match meeting {
        Meeting::InPlace => return scaling::stays(draft, known),
        Meeting::BesideBlue => {
            "Application Auto Scaling scales it, which does not move with the release of a service without a load balancer yet: deregister its scalable target, or each release is held"
        }
        Meeting::Never => {
            "Application Auto Scaling scales it, and of several tasks two versions work at the same time for a while: deregister its scalable target, or write `overlap: true`"
        }
    };
    draft.todo(scaling::COUNT, todo);
}

/// The first essential container.
fn first(definition: &Map<String, Value>) -> Option<&str> {
    let containers = definition.get("containerDefinitions")?.as_array()?;
    let essential = |one: &&Value| one["essential"] != json!(false);
    containers.iter().find(essential)?["name"].as_str()
}
