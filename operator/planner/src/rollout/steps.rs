//! Traffic moves to green step by step; what is live decides how far it has come.

use crd_schema::record::Stage;
use crd_schema::strategy::{Share, Step};

use crate::report::WaitingOn;
use crate::view::{View, Vital};
use crate::world::{Service, Side};
use crate::write::Weights;

use super::deadline::overdue;
use super::decision::Decision;
use super::gates;
use super::watches::unclear;
use super::weighing::{set_weights, share};

/// The step that runs: as many as there are steps once green is to have everything.
///
/// Blue that is dead, or gone, waives what is left: comparing with it, and keeping traffic on it, helps nobody.
fn position(view: &View<'_>, side: Side) -> usize {
    let strategy = &view.application.strategy;
    let end = strategy.steps.len();
    let gone = view.live_on(side.other()).is_empty();
    if gone || view.group_vital(side.other()) == Vital::Dead || view.promoted(end) {
        return end;
    }
    let live = view.production().map(|rule| share(rule, side)).min();
    let live = live.unwrap_or_default();
    // Nobody moves traffic past a gate, as long as it can go back to what green came from.
    let reached = || {
        let at = strategy.step_at(live);
        let closed = gates::closed_before(view, at).filter(|_| leaves_blue(view, side));
        closed.unwrap_or(at)
    };
    let Some((recorded, _)) = view.step() else {
        return reached();
    };
    let recorded = recorded.min(end);
    // Somebody took traffic away from green: the way goes on from where it is, its pause in full.
    let before = recorded
        .checked_sub(1)
        .map_or(Share::default(), |before| strategy.share_at(before));
    if live < before { reached() } else { recorded }
}

/// What is on `side` takes the place of the service beside it: no release that was good before, and beside none that failed.
fn leaves_blue(view: &View<'_>, side: Side) -> bool {
    let good = view.record().last_good.as_ref().map(|good| &good.digest);
    let again = view.wanted.as_ref().map(|wanted| &wanted.digest) == good;
    let green = view.live_on(side);
    let failed = |generation| view.rejection(generation).is_some();
    let is_blue = |other: &&Service| {
        let name = Some(&other.name);
        green.iter().any(|green| green.tags.blue.as_ref() == name)
            && !other.tags.generation.is_some_and(failed)
    };
    !again && view.live_on(side.other()).iter().any(is_blue)
}

/// No step is left.
pub(super) fn done(view: &View<'_>, side: Side) -> bool {
    position(view, side) >= view.application.strategy.steps.len()
}

/// Tasks that green has while its step runs, of those that 100 % of traffic needs.
pub(super) fn size(view: &View<'_>, side: Side, reference: u32) -> u32 {
    let step = position(view, side);
    view.application.strategy.scale_at(step).needs(reference)
}

/// Green gets the share of its step on each rule; then the step's own wait; then the next one.
///
/// `reference` is what 100 % of traffic needs.
pub(super) fn shift(view: &View<'_>, service: &Service, side: Side, reference: u32) -> Decision {
    let stage = Stage::Shift;
    let step = position(view, side);
    let at = |decision: Decision| Decision {
        step: (!view.application.strategy.steps.is_empty()).then_some(step),
        ..decision
    };
    let share_now = view.application.strategy.share_at(step);
    let off = view
        .production()
        .find(|rule| share(rule, side) != share_now);
    if let Some(rule) = off {
        let in_full = view.promoted(view.application.strategy.steps.len());
        if share(rule, side) < share_now
            && !in_full
            && let Some(unclear) = unclear(view, service, stage)
        {
            return at(unclear);
        }
        // What waits for a gate or an analysis says so itself when its time is over.
        if let Some(decision) = overdue(view, stage, service) {
            return decision;
        }
        let need = if view.outage(rule) {
            1
        } else {
            share_now.needs(reference)
        };
        let write = set_weights(view, rule, Weights::share(side, share_now), service, need);
        let waiting = WaitingOn::HealthyTargets {
            healthy: view.healthy(service).unwrap_or(0),
            need,
        };
        return at(write.map_or_else(
            || Decision::wait(stage, waiting),
            |write| Decision::act(stage, write),
        ));
    }
    let next = Decision {
        step: Some(step + 1),
        ..Decision::wait(stage, WaitingOn::OwnStep)
    };
    match view.application.strategy.steps.get(step) {
        // Green had this size before it came here.
        Some(Step::SetWeight(_) | Step::SetScale(_)) => next,
        Some(Step::Gate(name)) => gates::at_step(view, name, step).map_or(next, at),
        // Written down first: the analysis runs while its step does.
        Some(Step::Analysis(_)) if view.step().is_none_or(|(at, _)| at != step) => {
            at(Decision::wait(stage, WaitingOn::OwnStep))
        }
        Some(Step::Analysis(_)) => unclear(view, service, stage).map_or(next, at),
        Some(Step::Pause(time)) => {
            // Not written down yet since when: the pause begins with that.
            let Some((_, since)) = view.step().filter(|(at, _)| *at == step) else {
                return at(Decision::wait(stage, WaitingOn::OwnStep));
            };
            if view.promoted(step) {
                return next;
            }
            let Some(time) = time else {
                return at(Decision::wait(stage, WaitingOn::Promotion));
            };
            let left = time.saturating_sub(view.now.elapsed_since(since));
            if left.is_zero() {
                next
            } else {
                at(Decision::wait_until(
                    stage,
                    WaitingOn::Pause,
                    Some(view.now.mono + left),
                ))
            }
        }
        None => at(Decision::wait(stage, WaitingOn::OwnStep)),
    }
}
