//! When a stage fails, and the cause that can be seen.

use crd_schema::record::Stage;
use jiff::Timestamp;

use crate::ablation;
use crate::time::instant_after;
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
    let limit = match stage {
        Stage::ScaleUp => deadlines.scale_up,
        Stage::Validate => deadlines.validate,
        Stage::Shift => deadlines.shift,
        Stage::Bake => view.application.bake_time + deadlines.scale_up,
        Stage::CleanUp => deadlines.clean_up,
        Stage::RollBack => deadlines.shift.saturating_add(deadlines.clean_up),
        Stage::Settled => return None,
    };
    let began = view.record().rollout.as_ref()?.entered.get(&stage)?;
    Some(instant_after(*began, limit))
}

/// The stage's deadline has passed, or ECS itself gave up: the wish fails, with the cause that can be seen.
pub(super) fn overdue(view: &View<'_>, stage: Stage, service: &Service) -> Option<Decision> {
    entered(view, stage)?;
    // A deadline may have passed while nobody looked: what has become healthy since then is given its second reading.
    let seen = view
        .healthy(service)
        .is_some_and(|fewest| fewest >= view.healthy_now(service));
    let past = seen && deadline(view, stage).is_some_and(|deadline| view.now.wall >= deadline);
    let gave_up = service.deployment_failed && stage == Stage::ScaleUp;
    let why = if gave_up {
        "ECS's deployment circuit breaker gave up".to_owned()
    } else {
        format!("{} did not end before its deadline", stage.as_str())
    };
    (past || gave_up).then(|| Decision::reject(stage, format!("{why}: {}", trouble(view, service))))
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
