//! With a group for each release: made before the service, and gone before it.
//!
//! A group is taken out of every rule, its requests in flight end, and it is deleted while its service still runs: ELB
//! refuses that as long as a rule refers to it. Only when the group is gone, and no rule can ever bring traffic to it
//! again, are the tasks stopped. So a weight that somebody else sets at the worst moment reaches living tasks or is
//! refused; it never reaches an empty group.

use std::time::Duration;

use crd_schema::record::Stage;
use serde_json::Value;

use crate::ablation;
use crate::memory::{other_weight, weight};
use crate::release;
use crate::report::{Hold, WaitingOn};
use crate::target::{ToCreate, new_group_name};
use crate::time::Mono;
use crate::view::{View, resource, rule_name, weights};
use crate::world::{Group, Origin, Role, Rule, ServiceStatus, Side, Template};
use crate::write::{Weights, Write};

use super::create::to_run;
use super::decision::Decision;
use super::recorded_stage;
use super::removal::named_elsewhere;
use super::weighing::plain;

/// Before a service is created on `side`: nothing is left of services whose group is gone, and the group of this very
/// release is there with all its attributes.
pub(super) fn make_place(
    view: &View<'_>,
    what: &ToCreate,
    side: Side,
    stage: Stage,
) -> Option<Decision> {
    if !view.per_release() {
        return None;
    }
    if let Some(decision) = remove_groupless(view, stage) {
        return Some(decision);
    }
    let Some(group) = view.groups[side.index()] else {
        return Some(create(view, what, side, stage));
    };
    match &group.origin {
        Origin::Ours { name } if Some(name) == new_group_name(view, what).as_ref() => {
            (!is_named(view, side))
                .then(|| complete(view, group, stage))
                .flatten()
        }
        Origin::Ours { .. } | Origin::Given | Origin::Template => {
            Some(discard(view, side, stage, Duration::ZERO))
        }
    }
}

/// Some rule names the group of `side`, at whatever weight.
fn is_named(view: &View<'_>, side: Side) -> bool {
    let named = |rule: &Rule| weights(rule).is_some_and(|read| read[side.index()].is_some());
    view.rules.iter().any(named)
}

fn create(view: &View<'_>, what: &ToCreate, side: Side, stage: Stage) -> Decision {
    let from = view.application.group_template();
    let from = from.map_or("", |from| resource(from.as_str()));
    let unusable = |problem: &str| {
        let what = format!("the template {from} {problem}");
        Decision::hold(recorded_stage(view), Hold::GroupUnusable { what })
    };
    let (settings, attributes) = match &view.own.template {
        Template::Found {
            settings,
            attributes,
        } => (settings, attributes),
        Template::Missing => {
            return unusable(
                "does not exist: create it, or write another one in `perRelease.from`",
            );
        }
        Template::Unread { reason } => {
            let what = format!("the template target group: {reason}");
            return Decision::wait(stage, WaitingOn::Observation { what });
        }
        Template::Unneeded => {
            let what = "the template target group".to_owned();
            return Decision::wait(stage, WaitingOn::Observation { what });
        }
    };
    if settings.get("TargetType").and_then(Value::as_str) != Some("ip") {
        return unusable("does not have target type `ip`: create it with --target-type ip");
    }
    if attributes.get("stickiness.enabled").map(String::as_str) == Some("true") {
        return unusable("has stickiness on: switch its attribute stickiness.enabled off");
    }
    let (Some(name), Some(release)) = (new_group_name(view, what), to_run(view, what)) else {
        return Decision::hold(stage, Hold::DesiredMissing);
    };
    let body = release::target_group(view.application, &name, side, &release.wanted, settings);
    Decision::act(stage, Write::CreateTargetGroup { name, side, body })
}

/// A new group has its settings from its creation and its attributes from a second call, before any rule names it.
fn complete(view: &View<'_>, group: &Group, stage: Stage) -> Option<Decision> {
    let attributes = match &view.own.template {
        Template::Found { attributes, .. } => attributes,
        // The template was there when the group was made; what it says now cannot be known.
        Template::Missing | Template::Unneeded => return None,
        Template::Unread { reason } => {
            let what = format!("the template target group: {reason}");
            return Some(Decision::wait(stage, WaitingOn::Observation { what }));
        }
    };
    let differing: Vec<_> = attributes
        .iter()
        .filter(|(key, value)| group.attributes.get(*key) != Some(value))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    (!differing.is_empty()).then(|| {
        let write = Write::SetGroupAttributes {
            group: group.arn.clone(),
            attributes: differing.into_iter().collect(),
        };
        Decision::act(stage, write)
    })
}

/// The group of `side` goes: weight 0 on every rule → settle → keep → out of every rule → requests in flight end →
/// deleted. The template only leaves the rules.
pub(super) fn discard(view: &View<'_>, side: Side, stage: Stage, keep: Duration) -> Decision {
    let Some(group) = view.groups[side.index()] else {
        return Decision::wait(stage, WaitingOn::OwnStep);
    };
    let listed = || view.rules.iter().filter(|rule| rule.role != Role::Unlisted);
    if let Some(rule) = listed().find(|rule| weight(rule, side) > 0) {
        return without(view, rule, side, Some(0), stage);
    }
    if let Some(hold) = named_elsewhere(view, side) {
        return Decision::hold(stage, hold);
    }
    let settle = view.application.clean_up.settle;
    let quiet = view.quiet_at(side, settle);
    if !view.is_past(quiet) {
        return Decision::wait_until(stage, WaitingOn::Settle, quiet);
    }
    let kept = view.quiet_at(side, settle + keep);
    if !view.is_past(kept) {
        return Decision::wait_until(stage, WaitingOn::KeepBlue, kept);
    }
    let named = |rule: &&Rule| weights(rule).is_some_and(|read| read[side.index()].is_some());
    if let Some(rule) = listed().find(named)
        && !view.tuning.without(ablation::Rule::DereferenceFirst)
    {
        return without(view, rule, side, None, stage);
    }
    match &group.origin {
        Origin::Ours { .. } => delete(view, group, view.memory.zero_since[side.index()], stage),
        Origin::Given | Origin::Template => {
            let what = "the template to be out of the rules".to_owned();
            Decision::wait(stage, WaitingOn::OldServiceGone { what })
        }
    }
}

/// The rule with another weight, or none, for `side`.
fn without(
    view: &View<'_>,
    rule: &Rule,
    side: Side,
    weight: Option<u32>,
    stage: Stage,
) -> Decision {
    let write = match rule.role {
        Role::Test => plain(view, rule, Weights::only(side.other())),
        Role::Production | Role::Unlisted => {
            let next = weights(rule).and_then(|mut next| {
                next[side.index()] = weight;
                Weights::new(next)
            });
            next.and_then(|next| plain(view, rule, next))
        }
    };
    write.map_or_else(
        || {
            let what = format!(
                "{} has no weight but for {}, which no service serves on: let it forward to the template too",
                resource(&rule_name(&rule.target)),
                view.group_name(side)
            );
            Decision::hold(stage, Hold::RuleUnusable { what })
        },
        |write| Decision::act(stage, write),
    )
}

/// Nobody refers to it; requests in flight end within the group's deregistration delay, counted from the settled
/// weight 0. A group without targets has none.
fn delete(view: &View<'_>, group: &Group, idle_since: Option<Mono>, stage: Stage) -> Decision {
    let settle = view.application.clean_up.settle;
    let end = idle_since.map(|since| since + settle + group.in_flight());
    let cut_short = view.tuning.without(ablation::Rule::DrainTimer);
    if !view.is_past(end) && !cut_short {
        let service = resource(group.arn.as_str()).to_owned();
        return Decision::wait_until(stage, WaitingOn::Drain { service }, end);
    }
    let write = Write::DeleteTargetGroup {
        group: group.arn.clone(),
    };
    Decision::act(stage, write)
}

/// A service whose group is gone serves nobody, whatever anyone does: its tasks stop, and it goes.
fn remove_groupless(view: &View<'_>, stage: Stage) -> Option<Decision> {
    let service = view.groupless().next()?;
    let since = view.memory.gone_since.get(&service.name);
    let sure = since.map(|since| *since + view.tuning.staleness);
    if !view.is_past(sure) {
        let what = format!("the group of {} is gone", service.name);
        let waiting = WaitingOn::ReadYourWrites { what };
        return Some(Decision::wait_until(stage, waiting, sure));
    }
    if service.desired > 0 {
        let write = Write::ScaleService {
            name: service.name.clone(),
            from: service.desired,
            to: 0,
        };
        return Some(Decision::act(stage, write));
    }
    let name = service.name.clone();
    Some(if service.running > 0 || service.pending > 0 {
        Decision::wait(stage, WaitingOn::Drain { service: name })
    } else {
        Decision::act(stage, Write::DeleteService { name })
    })
}

/// What is left when no other service lives: tasks without a group, a group without a service, spares.
pub(super) fn clean_up(view: &View<'_>, left: Side, stage: Stage) -> Option<Decision> {
    if !view.per_release() {
        return None;
    }
    remove_groupless(view, stage)
        .or_else(|| {
            view.groups[left.index()]?;
            Some(discard(view, left, stage, Duration::ZERO))
        })
        .or_else(|| remove_spare(view, stage))
}

/// Something of this is there.
pub(super) fn leftovers(view: &View<'_>, left: Side) -> bool {
    view.per_release()
        && (view.groupless().next().is_some()
            || view.groups[left.index()].is_some()
            || !view.own.spares.is_empty())
}

/// A service of ours on a spare group could serve on no side: the group goes first, as any other.
pub(crate) fn stranded(view: &View<'_>) -> Option<Decision> {
    let stranded = view.services.iter().any(|service| {
        service.tags.ours
            && service.status == ServiceStatus::Active
            && service.side.is_none()
            && !service.group_gone
    });
    (stranded && view.per_release())
        .then(|| remove_spare(view, recorded_stage(view)))
        .flatten()
}

fn remove_spare(view: &View<'_>, stage: Stage) -> Option<Decision> {
    let listed = || view.rules.iter().filter(|rule| rule.role != Role::Unlisted);
    let spare = view.own.spares.first()?;
    if let Some(rule) = listed().find(|rule| other_weight(rule, &spare.arn).is_some()) {
        let kept = weights(rule).and_then(Weights::new);
        let write = kept.and_then(|kept| plain(view, rule, kept))?;
        return Some(Decision::act(stage, write));
    }
    match &spare.origin {
        Origin::Ours { .. } => {
            let since = view.memory.spare_since.get(&spare.arn).copied();
            Some(delete(view, spare, since, stage))
        }
        Origin::Given | Origin::Template => None,
    }
}
