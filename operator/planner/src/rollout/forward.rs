//! A release: full size, tests, shift, bake, clean-up.

use crd_schema::record::Stage;
use jiff::Timestamp;

use crate::ablation;
use crate::report::{Hold, WaitingOn};
use crate::target::Course;
use crate::view::{View, Vital};
use crate::world::{Service, Side};

use super::deadline::{deadline, entered, overdue};
use super::decision::Decision;
use super::gates;
use super::removal::{arrived, clean_up, leftovers, settling};
use super::serve::stage_so_far;
use super::steps;
use super::watches::unclear;
use super::weighing::test_follows;
use super::worker;

pub(super) fn forward(
    view: &View<'_>,
    service: &Service,
    side: Side,
    reference: u32,
    others: &[&Service],
) -> Decision {
    let anything = view.production_weight(side) > 0;
    let ready = capacity(view, service, side, steps::size(view, side, reference));
    let only_one = others.is_empty() && !leftovers(view, side.other());
    let moving = if view.is_worker() {
        !worker::is_tested(view)
    } else {
        !view.all_on(side) || !steps::done(view, side)
    };
    // It may have weight before it can take any: it came up where most weight was, since nothing lived.
    let rollout = view.record().rollout.as_ref();
    let comes_up = rollout.is_some_and(|rollout| rollout.stage == Stage::ScaleUp);
    if (moving || only_one || comes_up)
        && let Some(waiting) = ready
    {
        let dead = |service: &&Service| view.vital(service) == Vital::Dead;
        let all_dead = view.live().iter().all(dead);
        // It had arrived, and what served before is gone: a bad moment is no failed release, and there is no way back.
        if !moving && entered(view, Stage::CleanUp).is_some() {
            return if all_dead {
                Decision::hold(Stage::CleanUp, Hold::NothingAlive)
            } else {
                Decision::wait(Stage::CleanUp, waiting)
            };
        }
        let stage = if anything && !only_one && !comes_up {
            Stage::Shift
        } else {
            Stage::ScaleUp
        };
        // A step that waits for a person has no deadline, and nobody is told to promote what is dead.
        let waiting = if deadline(view, stage).is_none() && all_dead {
            WaitingOn::Hold(Hold::NothingAlive)
        } else {
            waiting
        };
        return worker::wake_blue(view, service, others)
            .or_else(|| overdue(view, stage, service))
            .unwrap_or_else(|| Decision::wait(stage, waiting));
    }
    // Also when somebody gave it traffic: it gets no more before it is tested.
    if moving && let Some(closed) = gates::before(view, Stage::Validate, Stage::ScaleUp) {
        return closed;
    }
    if let Some(write) = test_follows(view, side) {
        let stage = if moving && !anything {
            Stage::Validate
        } else {
            stage_so_far(view, Course::Forward)
        };
        return overdue(view, Stage::Validate, service)
            .unwrap_or_else(|| Decision::act(stage, write));
    }
    if moving && let Some(closed) = gates::before(view, Stage::Shift, Stage::Validate) {
        return closed;
    }
    if moving && view.is_worker() {
        // There is no traffic to move: the stage is written down, and over.
        return Decision::wait(Stage::Shift, WaitingOn::OwnStep);
    }
    if moving {
        return steps::shift(view, service, side, reference);
    }
    if only_one {
        return arrived(view, side, Stage::Shift);
    }
    // Written down, so that it stays so when blue, whose death may have ended the steps, is seen no more.
    let steps = view.application.strategy.steps.len();
    Decision {
        step: (steps > 0).then_some(steps),
        ..after_shift(view, service, side, others)
    }
}

/// What green still lacks before traffic may move to it.
fn capacity(view: &View<'_>, service: &Service, side: Side, reference: u32) -> Option<WaitingOn> {
    if view.tuning.without(ablation::Rule::Capacity) {
        return None;
    }
    if service.running < reference {
        return Some(WaitingOn::Tasks {
            running: service.running,
            need: reference,
        });
    }
    let healthy = view.healthy(service).unwrap_or(0);
    let missing = !view.zones_missing(side).is_empty();
    let lacks = healthy < reference || !service.steady || missing;
    lacks.then(|| worker::health(view, service, reference))
}

/// Everything is on green: settle, bake, clean up.
fn after_shift(view: &View<'_>, service: &Service, side: Side, others: &[&Service]) -> Decision {
    let application = view.application;
    let entered = |stage: Stage| entered(view, stage);
    if let Some(decision) = worker::died(view, service, others) {
        return decision;
    }
    let blue_leaves = others.iter().all(|other| other.desired == 0);
    if entered(Stage::CleanUp).is_some() || blue_leaves {
        return clean_up(
            view,
            others,
            side,
            Stage::CleanUp,
            application.clean_up.keep_blue,
        );
    }
    // The stage is written down, and when it was entered is not.
    let lost = view.tuning.without(ablation::Rule::MissingTimer)
        && stage_so_far(view, Course::Forward) == Stage::Bake;
    let began = entered(Stage::Bake).or(lost.then_some(Timestamp::UNIX_EPOCH));
    let Some(began) = began else {
        let quiet = view.quiet_at(side.other(), application.clean_up.settle);
        if !view.is_past(quiet) {
            return settling(view, side.other(), Stage::Shift);
        }
        return gates::before(view, Stage::Bake, Stage::Shift)
            .unwrap_or_else(|| Decision::wait(Stage::Bake, WaitingOn::BakeTime));
    };
    let baked = view.now.elapsed_since(began);
    if let Some(left) = application
        .bake_time
        .checked_sub(baked)
        .filter(|left| !left.is_zero())
    {
        return Decision::wait_until(Stage::Bake, WaitingOn::BakeTime, Some(view.now.mono + left));
    }
    // Blue's live count was written down before this was reached.
    let need = view.reference(None);
    match capacity(view, service, side, need.min(service.desired)) {
        Some(waiting) => overdue(view, Stage::Bake, service)
            .unwrap_or_else(|| Decision::wait(Stage::Bake, waiting)),
        None => unclear(view, service, Stage::Bake)
            .or_else(|| gates::before(view, Stage::CleanUp, Stage::Bake))
            .unwrap_or_else(|| Decision::wait(Stage::CleanUp, WaitingOn::OwnStep)),
    }
}
