//! A worker, a service without a load balancer: no weight says who serves, and all that runs works. So a release is green
//! up and steady beside blue, tests, nothing to shift, bake, and then blue down; and nobody stops before somebody else
//! works in its place.

use crd_schema::record::Stage;

use crate::ablation;
use crate::report::WaitingOn;
use crate::view::{View, Vital};
use crate::world::Service;
use crate::write::Write;

use super::deadline::{entered, trouble};
use super::decision::Decision;

/// Green is up, and has passed what stands before Shift: that is written down.
pub(super) fn is_tested(view: &View<'_>) -> bool {
    let after = [Stage::Shift, Stage::Bake, Stage::CleanUp];
    after
        .into_iter()
        .any(|stage| entered(view, stage).is_some())
}

/// What is waited for until `service` has `need` targets that are healthy, or tasks that are steady.
pub(super) fn health(view: &View<'_>, service: &Service, need: u32) -> WaitingOn {
    let healthy = view.healthy(service).unwrap_or(0);
    if view.is_worker() {
        let steady = healthy;
        WaitingOn::SteadyTasks { steady, need }
    } else {
        WaitingOn::HealthyTargets { healthy, need }
    }
}

/// It can work alone: all its tasks are steady, or the others sleep already.
pub(super) fn carries(
    view: &View<'_>,
    service: &Service,
    reference: u32,
    others: &[&Service],
) -> bool {
    let need = others
        .iter()
        .map(|other| needed(view, service, other))
        .max();
    let carries = view.carries(service).unwrap_or(0);
    others.iter().all(|other| other.desired == 0) || carries >= need.unwrap_or(reference)
}

/// Why `service` may not stop yet: nobody works in its place. One that has not worked for a while is no loss.
pub(super) fn still_needed(view: &View<'_>, service: &Service) -> Option<WaitingOn> {
    let ignored = !view.is_worker() || view.tuning.without(ablation::Rule::WorkerCover);
    if ignored || service.desired == 0 {
        return None;
    }
    let other = view
        .others(service)
        .max_by_key(|one| (view.carries(one), one.desired))?;
    let need = needed(view, other, service);
    let covered = view.carries(other).is_some_and(|carries| carries >= need);
    let lost = view.vital(service) == Vital::Dead && other.desired > 0;
    (!covered && !lost).then(|| health(view, other, need))
}

/// Steady tasks of `stays` before `leaves` may stop. A rejected release does harm as long as it works, and a queue can
/// wait: then one is enough.
fn needed(view: &View<'_>, stays: &Service, leaves: &Service) -> u32 {
    let rejected = leaves.tags.generation;
    if rejected.is_some_and(|generation| view.rejection(generation).is_some()) {
        return 1;
    }
    let all = view.reference(None).max(leaves.desired);
    all.min(stays.desired).max(1)
}

/// It had taken over and nothing of it works, while what worked before still does.
pub(super) fn died(view: &View<'_>, service: &Service, others: &[&Service]) -> Option<Decision> {
    let stage = view.record().rollout.as_ref()?.stage;
    let back = others
        .iter()
        .any(|other| view.alive(other) && other.desired > 0);
    let dead = view.vital_of_new(service) == Vital::Dead;
    let failed = view.is_worker() && dead && back && stage >= Stage::Bake;
    let rejects = failed && !view.tuning.without(ablation::Rule::RejectTheDead);
    rejects.then(|| {
        let cause = trouble(view, service);
        Decision::reject(stage, format!("no task worked any more: {cause}"))
    })
}

/// Nothing works while green comes up: somebody put blue to sleep.
pub(super) fn wake_blue(view: &View<'_>, green: &Service, others: &[&Service]) -> Option<Decision> {
    let asleep = others.iter().all(|other| other.desired == 0) && view.healthy_now(green) == 0;
    let wakes = asleep && view.is_worker() && !view.tuning.without(ablation::Rule::Revive);
    let blue = others.last().filter(|_| wakes)?;
    let write = Write::ScaleService {
        name: blue.name.clone(),
        from: 0,
        to: view.reference(None),
    };
    Some(Decision::act(Stage::ScaleUp, write))
}
