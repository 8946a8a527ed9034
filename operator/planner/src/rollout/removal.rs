//! Nothing goes that serves or may serve: weight 0, settle, scale down, drain, delete.

use std::time::Duration;

use crd_schema::application::RuleTarget;
use crd_schema::record::Stage;

use crate::ablation;
use crate::memory::weight;
use crate::report::{Hold, WaitingOn};
use crate::view::{View, short_name, weights};
use crate::world::{Role, Rule, Service, ServiceStatus, Side, TargetState};
use crate::write::Write;

use super::decision::Decision;
use super::groups;
use super::recorded_stage;
use super::worker;

/// Removes every other service and waits until nothing of it is left.
pub(super) fn clean_up(
    view: &View<'_>,
    others: &[&Service],
    side: Side,
    stage: Stage,
    keep: Duration,
) -> Decision {
    if let Some(other) = others.first() {
        return match other.side {
            Some(left) if view.per_release() && left != side => {
                groups::discard(view, left, stage, keep)
            }
            Some(_) | None => remove(view, other, stage, keep),
        };
    }
    if let Some(decision) = groups::clean_up(view, side.other(), stage) {
        return decision;
    }
    let draining = view
        .services
        .iter()
        .find(|s| s.tags.ours && s.status == ServiceStatus::Draining);
    if let Some(service) = draining {
        return Decision::wait(
            stage,
            WaitingOn::Deletion {
                service: service.name.clone(),
            },
        );
    }
    if leftovers(view, side.other()) {
        return Decision::wait(
            stage,
            WaitingOn::Drain {
                service: "targets without a service".to_owned(),
            },
        );
    }
    retire(view, stage)
}

/// Weight 0 on every rule → settle → keep → scale to 0 → nothing runs and nothing is registered → delete.
pub(super) fn remove(view: &View<'_>, service: &Service, stage: Stage, keep: Duration) -> Decision {
    let Some(side) = service.side else {
        return Decision::hold(
            stage,
            Hold::ServiceElsewhere {
                service: service.name.clone(),
            },
        );
    };
    if let Some(hold) = named_elsewhere(view, side) {
        return Decision::hold(stage, hold);
    }
    let waits = !view.tuning.without(ablation::Rule::BackFirst);
    let quiet = view.quiet_at(side, view.application.clean_up.settle);
    if waits && !view.is_past(quiet) {
        return Decision::wait_until(stage, WaitingOn::Settle, quiet);
    }
    let kept = view.quiet_at(side, view.application.clean_up.settle + keep);
    if waits && !view.is_past(kept) {
        return Decision::wait_until(stage, WaitingOn::KeepBlue, kept);
    }
    if let Some(waiting) = worker::still_needed(view, service) {
        return Decision::wait(stage, waiting);
    }
    if service.desired > 0 {
        let write = Write::ScaleService {
            name: service.name.clone(),
            from: service.desired,
            to: 0,
        };
        return Decision::act(stage, write);
    }
    let shared = view.live_on(side).len() > 1;
    let targets = view.targets(side);
    let registered = targets
        .iter()
        .any(|t| !shared || t.state == TargetState::Draining);
    let stopping = service.running > 0 || service.pending > 0 || registered;
    if stopping && !view.tuning.without(ablation::Rule::DrainWait) {
        return Decision::wait(
            stage,
            WaitingOn::Drain {
                service: service.name.clone(),
            },
        );
    }
    Decision::act(
        stage,
        Write::DeleteService {
            name: service.name.clone(),
        },
    )
}

/// A service that is being deleted, or targets that still drain, on a side without a live service.
pub(super) fn leftovers(view: &View<'_>, side: Side) -> bool {
    let deleted = view
        .services
        .iter()
        .any(|s| s.tags.ours && s.status == ServiceStatus::Draining);
    let draining = view
        .targets(side)
        .iter()
        .any(|t| t.state == TargetState::Draining);
    deleted || draining || groups::leftovers(view, side)
}

/// Alone and with all weights: once the nodes had time to adopt them, settled.
pub(super) fn arrived(view: &View<'_>, side: Side, stage: Stage) -> Decision {
    let quiet = view.quiet_at(side.other(), view.application.clean_up.settle);
    if view.is_past(quiet) {
        retire(view, Stage::Settled)
    } else {
        settling(view, side.other(), stage)
    }
}

/// Until the group of `side` has been at weight 0 for long enough, which it never will be while somebody else's rule
/// gives it weight.
pub(super) fn settling(view: &View<'_>, side: Side, stage: Stage) -> Decision {
    match named_elsewhere(view, side) {
        Some(hold) => Decision::hold(stage, hold),
        None => {
            let quiet = view.quiet_at(side, view.application.clean_up.settle);
            Decision::wait_until(stage, WaitingOn::Settle, quiet)
        }
    }
}

/// Old revisions of our family go, all but the newest few and those in use.
pub(super) fn retire(view: &View<'_>, stage: Stage) -> Decision {
    let revisions = view
        .world
        .revisions
        .value()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let used = |arn: &str| {
        let good = view
            .record()
            .last_good
            .as_ref()
            .and_then(|good| good.task_definition.as_deref());
        // AWS shows a deleted service for about an hour: it starts no task any more.
        let runs = |s: &&Service| s.status != ServiceStatus::Inactive;
        let mut running = view.services.iter().filter(runs);
        good == Some(arn) || running.any(|s| s.task_definition == arn)
    };
    match revisions
        .iter()
        .skip(view.tuning.keep_revisions.max(2))
        .find(|revision| !used(&revision.arn))
    {
        Some(old) => Decision::act(
            stage_before_settled(view, stage),
            Write::DeregisterTaskDefinition {
                arn: old.arn.clone(),
            },
        ),
        None => Decision::wait(Stage::Settled, WaitingOn::Nothing),
    }
}

fn stage_before_settled(view: &View<'_>, stage: Stage) -> Stage {
    if stage == Stage::Settled {
        recorded_stage(view)
    } else {
        stage
    }
}

/// A rule that does not stand in the spec keeps weight on a group that is to be emptied, or names one that is to go.
pub(super) fn named_elsewhere(view: &View<'_>, side: Side) -> Option<Hold> {
    let keeps = |rule: &Rule| {
        let named = weights(rule).is_some_and(|read| read[side.index()].is_some());
        weight(rule, side) > 0 || view.per_release() && named
    };
    let rule = view
        .rules
        .iter()
        .find(|rule| rule.role == Role::Unlisted && keeps(rule))
        .filter(|_| !view.tuning.without(ablation::Rule::UnlistedRules))?;
    Some(Hold::UnlistedRule {
        rule: unlisted(&rule.target),
    })
}

pub(crate) fn unlisted(target: &RuleTarget) -> String {
    let (line, arn) = match target {
        RuleTarget::Listener(arn) => ("listener", arn.as_str()),
        RuleTarget::Rule(arn) => ("rule", arn.as_str()),
    };
    format!(
        "{} forwards to one of the groups and stands in neither `production` nor `test`: add `- {line}: {arn}` to one of them, or take the group out of it",
        short_name(target)
    )
}
