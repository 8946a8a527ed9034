//! When a stage fails, and the cause that can be seen.

use std::time::Duration;

use crd_schema::record::Stage;
use crd_schema::strategy::Step;
use jiff::Timestamp;

use crate::ablation;
use crate::time::{Mono, instant_after};
use crate::view::View;
use crate::world::{Service, TargetState};

use super::decision::Decision;

pub(super) fn entered(view: &View<'_>, stage: Stage) -> Option<Timestamp> {
    let wanted = view.wanted.as_ref()?;
    let rollout = view.record().rollout.as_ref()?;
    let this =
        rollout.release.digest == wanted.digest && rollout.release.generation == wanted.generation;
    this.then(|| rollout.entered.get(&stage).copied()).flatten()
}

/// When this stage fails: its first entry plus its deadline. CleanUp and RollBack are only reported late.
pub(crate) fn deadline(view: &View<'_>, stage: Stage) -> Option<Timestamp> {
    if view.tuning.without(ablation::Rule::Deadlines) {
        return None;
    }
    let deadlines = &view.application.deadlines;
    let rollout = view.record().rollout.as_ref()?;
    let step = view.step().filter(|_| stage == Stage::Shift);
    let limit = match stage {
        Stage::ScaleUp => deadlines.scale_up,
        Stage::Validate => deadlines.validate,
        Stage::Shift => deadlines
            .shift
            .saturating_add(pause(view, step.map(|(step, _)| step))?),
        Stage::Bake => view.application.bake_time + deadlines.scale_up,
        Stage::CleanUp => deadlines.clean_up,
        Stage::RollBack => deadlines.shift.saturating_add(deadlines.clean_up),
        Stage::Settled => return None,
    };
    let entered = rollout.entered.get(&stage).copied();
    let began = step.map(|(_, since)| since).or(entered)?;
    Some(instant_after(began, limit))
}

/// How long the step waits by itself; none while it waits for a person, who has no deadline.
fn pause(view: &View<'_>, step: Option<usize>) -> Option<Duration> {
    let steps = &view.application.strategy.steps;
    match step.and_then(|step| steps.get(step)) {
        Some(Step::Pause(time)) => *time,
        Some(Step::SetWeight(_) | Step::SetScale(_) | Step::Gate(_) | Step::Analysis(_)) | None => {
            Some(Duration::ZERO)
        }
    }
}

/// A person ends the rollout before blue leaves.
pub(crate) fn abort(view: &View<'_>) -> Option<Decision> {
    let wanted = view.wanted.as_ref()?;
    let rollout = view.record().rollout.as_ref()?;
    let this = rollout.release.generation == wanted.generation;
    let open =
        this && rollout.stage < Stage::CleanUp && view.rejection(wanted.generation).is_none();
    (open && view.aborted())
        .then(|| Decision::reject(rollout.stage, "aborted by a person (teal abort)".to_owned()))
}

/// The stage's deadline has passed, or ECS itself gave up: the wish fails, with the cause that can be seen.
pub(super) fn overdue(view: &View<'_>, stage: Stage, service: &Service) -> Option<Decision> {
    entered(view, stage)?;
    // A deadline may have passed while nobody looked: what has become healthy since then is given its second reading.
    // A worker whose tasks die one after the other is never without a new one.
    let settled = |fewest: u32| view.is_worker() || fewest >= view.healthy_now(service);
    let seen = view.healthy(service).is_some_and(settled);
    let fair = view.now.mono >= first_step(view);
    let past = fair && seen && deadline(view, stage).is_some_and(|end| view.now.wall >= end);
    let gave_up = service.deployment_failed && stage == Stage::ScaleUp;
    if gave_up {
        let why = "ECS's deployment circuit breaker gave up";
        let reason = format!("{why}: {}", trouble(view, service));
        return Some(Decision::reject(stage, reason));
    }
    let cause = || refused(view).unwrap_or_else(|| trouble(view, service));
    past.then(|| too_late(stage, &cause()))
}

/// The deadline of `stage` has passed, for this cause.
pub(super) fn late(view: &View<'_>, stage: Stage, cause: &str) -> Option<Decision> {
    entered(view, stage)?;
    let past = deadline(view, stage).is_some_and(|end| view.now.wall >= end);
    (past && view.now.mono >= first_step(view)).then(|| too_late(stage, cause))
}

/// There is no green yet, since AWS refuses a step on the way to it, and the deadline has passed.
pub(super) fn refused_too_long(view: &View<'_>) -> Option<Decision> {
    let stage = Stage::ScaleUp;
    entered(view, stage)?;
    let cause = refused(view)?;
    deadline(view, stage)
        .is_some_and(|deadline| view.now.wall >= deadline)
        .then(|| too_late(stage, &cause))
}

/// By then this process could have taken the step that was due when it began: nobody led before, and it waited itself.
fn first_step(view: &View<'_>) -> Mono {
    let evidence = view.tuning.evidence_age + view.tuning.health_gap;
    view.memory.start_bound(view.tuning, false) + evidence
}

/// The call that AWS refused last, where that step is still to be taken.
fn refused(view: &View<'_>) -> Option<String> {
    let reason = view.memory.refused.as_ref()?;
    Some(format!("AWS refused the next step: {reason}"))
}

fn too_late(stage: Stage, cause: &str) -> Decision {
    let stage_name = stage.as_str();
    Decision::reject(
        stage,
        format!("{stage_name} did not end before its deadline: {cause}"),
    )
}

/// The cause that can be seen, as AWS tells it.
pub(super) fn trouble(view: &View<'_>, service: &Service) -> String {
    let targets = service.side.map_or(&[][..], |side| view.targets(side));
    let mut targets = targets.iter();
    let unhealthy = targets.find(|target| target.state == TargetState::Unhealthy);
    let answer = unhealthy.and_then(|target| target.reason.clone());
    let counts = || {
        format!(
            "{} of {} tasks run, {} healthy",
            service.running,
            service.desired,
            view.healthy_now(service)
        )
    };
    // The health check's answer first: AWS's event is long, and a reason that is kept is short.
    let seen: Vec<String> = answer.into_iter().chain(service.trouble.clone()).collect();
    if seen.is_empty() {
        counts()
    } else {
        seen.join("; ")
    }
}
