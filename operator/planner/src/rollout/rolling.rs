//! One service that ECS updates in place, task by task. Nothing is tried beside what serves: what there is of judgement
//! comes while tasks are replaced and after it, and the way back is an update as well.
//!
//! ECS's own word about the end is believed only of the deployment that carries the release: a service that is steady may
//! be steady with something else.

use crd_schema::application::Drift;
use crd_schema::record::Stage;

use crate::ablation;
use crate::memory::weight;
use crate::release;
use crate::report::{Hold, WaitingOn};
use crate::target::{Course, ToCreate};
use crate::view::{View, Vital, runs};
use crate::world::{Service, Side};
use crate::write::{Weights, Write};

use super::back::mark_rejected;
use super::create::{reference, rendered, unnameable};
use super::deadline::{entered, overdue, refused_too_long, trouble};
use super::decision::Decision;
use super::gates;
use super::recorded_stage;
use super::removal::retire;
use super::serve::heal;
use super::watches::unclear;
use super::weighing::{set_weights, test_follows};
use super::worker;

/// The service is brought to another task definition.
pub(super) fn update(view: &View<'_>, service: &Service, what: &ToCreate) -> Decision {
    match what {
        ToCreate::Wanted => forth(view, service),
        ToCreate::LastGood => back_to_good(view, service),
    }
}

fn forth(view: &View<'_>, service: &Service) -> Decision {
    let stage = Stage::ScaleUp;
    if let Some(decision) = taken_back(view, service).or_else(|| refused_too_long(view)) {
        return decision;
    }
    if let Some(write) = traffic(view, service) {
        return Decision::act(stage, write);
    }
    let Some(wanted) = &view.wanted else {
        return Decision::hold(stage, Hold::DesiredMissing);
    };
    let Some(known) = view.revision(&wanted.digest) else {
        let before = view.way_back(service).unwrap_or(&service.task_definition);
        return rendered(view, wanted, |body| release::after(body, before));
    };
    if let Some(closed) = gates::before(view, Stage::ScaleUp, stage) {
        return closed;
    }
    Decision::act(stage, write(view, service, &known.arn))
}

fn back_to_good(view: &View<'_>, service: &Service) -> Decision {
    let Some(before) = view.way_back(service) else {
        return Decision::hold(recorded_stage(view), Hold::NothingAlive);
    };
    let write = write(view, service, before);
    if view.record().rollout.is_some() {
        return Decision::act(Stage::RollBack, write);
    }
    let name = &service.name;
    heal(
        view,
        write,
        format!("service {name} was updated by someone else"),
    )
}

fn write(view: &View<'_>, service: &Service, to: &str) -> Write {
    Write::UpdateService {
        name: service.name.clone(),
        from: service.task_definition.clone(),
        to: to.to_owned(),
        body: release::update(view.application, &service.name, to),
    }
}

/// Behind a load balancer: every rule sends all it has to the group of the one service. ECS says nothing of its health, and
/// nobody checks it, where no rule names it.
fn traffic(view: &View<'_>, service: &Service) -> Option<Write> {
    let side = service.side.filter(|_| !view.is_worker())?;
    reference(view, side)
        .or_else(|| test_follows(view, side))
        .or_else(|| whole(view, service, side))
}

/// A production rule that gives something to the other group, as far as it is known that this one carries it.
fn whole(view: &View<'_>, service: &Service, side: Side) -> Option<Write> {
    let carries = view.carries(service)?;
    view.production().find_map(|rule| {
        let all = weight(rule, side) > 0 && weight(rule, side.other()) == 0;
        let need = if view.outage(rule) {
            1
        } else {
            view.reference(Some(service))
        };
        (!all && carries >= need)
            .then(|| set_weights(view, rule, Weights::all_to(side), service, need))
            .flatten()
    })
}

/// ECS gave up the deployment of this very wish, or the update was seen and the service runs something else: ECS went back by
/// itself, or a person did something. Only ECS's word against the release ends it; what a person did is drift.
fn taken_back(view: &View<'_>, service: &Service) -> Option<Decision> {
    if view.tuning.without(ablation::Rule::TakenBack) {
        return None;
    }
    let stage = recorded_stage(view);
    let reject = |why: &str| {
        let reason = format!("{why}: {}", trouble(view, service));
        Some(Decision::reject(stage, reason))
    };
    let wanted = view.wanted.as_ref()?;
    let revision = view.revision(&wanted.digest);
    if let Some(why) = revision.and_then(|known| service.deployments.given_up.get(&known.arn)) {
        return reject(why);
    }
    let rollout = view.record().rollout.as_ref()?;
    let seen = rollout.release.digest == wanted.digest
        && rollout.release.generation == wanted.generation
        && rollout.deployment.is_some();
    let before = view.way_back(service) == Some(service.task_definition.as_str());
    if seen && before && goes_back_by_itself(view) {
        return reject("ECS, which may roll back by itself here, went back");
    }
    let name = &service.name;
    let what = format!("service {name} was updated by someone else");
    (seen && view.application.drift == Drift::Hold)
        .then(|| Decision::hold(stage, Hold::DriftHeld { what }))
}

/// The user's `deploymentConfiguration` lets ECS roll back.
fn goes_back_by_itself(view: &View<'_>) -> bool {
    let configuration = view
        .application
        .template
        .service
        .get("deploymentConfiguration");
    let by = |which: &str| {
        let told = configuration.and_then(|all| all.get(which)?.get("rollback")?.as_bool());
        told == Some(true)
    };
    by("deploymentCircuitBreaker") || by("alarms")
}

/// The service runs what it is to run: until it has shown that it does.
pub(super) fn serve(view: &View<'_>, service: &Service, course: Course) -> Decision {
    let in_motion = view.record().rollout.is_some();
    let settled = !in_motion && course != Course::Forward;
    let stage = match course {
        Course::Forward if in_motion => recorded_stage(view),
        Course::Forward => Stage::ScaleUp,
        Course::Finish => Stage::CleanUp,
        Course::Back | Course::Clear if in_motion => Stage::RollBack,
        Course::Back | Course::Clear => Stage::Settled,
    };
    if service.desired == 0 && !view.tuning.without(ablation::Rule::Revive) {
        let wake = Write::ScaleService {
            name: service.name.clone(),
            from: 0,
            to: view.reference(None),
        };
        let what = format!("service {} was scaled to 0", service.name);
        return if settled {
            heal(view, wake, what)
        } else {
            Decision::act(stage, wake)
        };
    }
    if let Some(write) = traffic(view, service) {
        let what = "a rule does not give everything to the group of the one service".to_owned();
        return if settled {
            heal(view, write, what)
        } else {
            Decision::act(stage, write)
        };
    }
    let unnamed = service.side.and_then(|side| unnameable(view, side));
    if let Some(hold) = unnamed.filter(|_| !view.is_worker()) {
        return Decision::hold(stage, hold);
    }
    match course {
        Course::Forward => forward(view, service),
        // The newer release takes its place, and it is good.
        Course::Finish => retire(view, Stage::Settled),
        Course::Back | Course::Clear => back(view, service, stage),
    }
}

/// What the deployment still lacks.
fn unready(view: &View<'_>, service: &Service) -> Option<WaitingOn> {
    let healthy = view.healthy(service).unwrap_or(0);
    let lacks = healthy < service.desired || !service.steady || !view.has_all(service);
    (lacks && !view.tuning.without(ablation::Rule::Capacity))
        .then(|| worker::health(view, service, service.desired))
}

fn forward(view: &View<'_>, service: &Service) -> Decision {
    if entered(view, Stage::CleanUp).is_some() {
        return retire(view, Stage::CleanUp);
    }
    let waiting = unready(view, service);
    let Some(began) = entered(view, Stage::Bake) else {
        let stage = Stage::ScaleUp;
        // It was there before there was any record, or served when that was lost: no release begins.
        let runs_on = service.steady && view.vital_of_new(service) != Vital::Dead;
        let idle = view.record().rollout.is_none() && view.has_all(service);
        if idle && runs_on && view.way_back(service).is_none() {
            return retire(view, Stage::Settled);
        }
        if let Some(waiting) = waiting {
            let late = overdue(view, stage, service);
            return late.unwrap_or_else(|| Decision::wait(stage, waiting));
        }
        // There is nothing to go back to, and nothing to bake for.
        if view.way_back(service).is_none() {
            return retire(view, Stage::Settled);
        }
        return gates::before(view, Stage::Bake, stage)
            .unwrap_or_else(|| Decision::wait(Stage::Bake, WaitingOn::BakeTime));
    };
    let stage = Stage::Bake;
    let dead = view.vital(service) == Vital::Dead && view.way_back(service).is_some();
    if dead && !view.tuning.without(ablation::Rule::RejectTheDead) {
        let cause = trouble(view, service);
        return Decision::reject(stage, format!("no task worked any more: {cause}"));
    }
    let baked = view.now.elapsed_since(began);
    let left = view.application.bake_time.saturating_sub(baked);
    if !left.is_zero() {
        let until = Some(view.now.mono + left);
        return Decision::wait_until(stage, WaitingOn::BakeTime, until);
    }
    if let Some(waiting) = waiting {
        let late = overdue(view, stage, service);
        return late.unwrap_or_else(|| Decision::wait(stage, waiting));
    }
    unclear(view, service, stage)
        .or_else(|| gates::before(view, Stage::CleanUp, stage))
        .unwrap_or_else(|| Decision::wait(Stage::CleanUp, WaitingOn::OwnStep))
}

/// It runs what is known to be good: until all its tasks do.
fn back(view: &View<'_>, service: &Service, stage: Stage) -> Decision {
    if let Some(write) = mark_rejected(view, service) {
        return Decision::act(stage, write);
    }
    let waiting = unready(view, service);
    if stage == Stage::Settled {
        let dead = view.vital(service) == Vital::Dead && service.steady;
        return match waiting {
            _ if dead => Decision::hold(stage, Hold::NothingAlive),
            Some(_) if stuck(view, service) => unhealthy(view, service, stage),
            Some(waiting) if !service.steady => Decision::wait(stage, waiting),
            Some(_) | None => retire(view, stage),
        };
    }
    match waiting {
        // All its tasks are there, and none works: no wait ends that.
        Some(_) if stuck(view, service) => unhealthy(view, service, stage),
        Some(waiting) => Decision::wait(stage, waiting),
        None => retire(view, stage),
    }
}

fn unhealthy(view: &View<'_>, service: &Service, stage: Stage) -> Decision {
    let what = format!("{} ({})", service.name, trouble(view, service));
    Decision::hold(stage, Hold::FallBackUnhealthy { what })
}

fn stuck(view: &View<'_>, service: &Service) -> bool {
    let outgoing = u32::try_from(service.outgoing.len()).unwrap_or(u32::MAX);
    let new = service.running.saturating_sub(outgoing);
    let all_run = service.pending == 0 && new >= service.desired;
    view.vital_of_new(service) == Vital::Dead && (all_run || service.deployment_failed)
}

/// What it runs came by an update of ours that was seen.
pub(super) fn arrived(view: &View<'_>, service: &Service) -> bool {
    let rollout = view.record().rollout.as_ref();
    rollout.is_some_and(|rollout| {
        rollout.deployment.is_some() && runs(service, &rollout.release.digest)
    })
}
