//! Where an application goes whose one service is updated in place.

use crd_schema::application::{DuringBake, OnFailure};
use crd_schema::record::Stage;

use crate::release::Wanted;
use crate::report::Hold;
use crate::view::{View, runs};
use crate::world::Service;

use super::{Aim, Course, ToCreate};

pub(super) fn aim<'a>(view: &View<'a>, service: &'a Service, wanted: &Wanted) -> Aim<'a> {
    let good = view.record().last_good.as_ref();
    let known_good = good.is_some_and(|good| good.digest == wanted.digest);
    let update = |what| Aim::Update { service, what };
    let serve = |course| Aim::Serve { service, course };
    // Somebody else put it in the place of what served last.
    let strange = view
        .good_definition()
        .is_some_and(|good| good != service.task_definition);
    if let Some(reason) = view.rejection(wanted.generation) {
        let failed = failed(view, service) || runs(service, &wanted.digest) && !known_good;
        let held = view.application.on_failure == OnFailure::Hold && !view.aborted();
        return match view.way_back(service) {
            None if failed => Aim::Hold(Hold::NothingToFallBackTo { reason }),
            Some(_) if failed && held => Aim::Hold(Hold::FailedAndHeld { reason }),
            Some(_) if failed || strange => update(ToCreate::LastGood),
            Some(_) | None => serve(Course::Back),
        };
    }
    if runs(service, &wanted.digest) && !failed(view, service) {
        // What is not known to be good is still to show that it is, also when the record of its rollout was lost.
        let course = if known_good {
            Course::Back
        } else {
            Course::Forward
        };
        return serve(course);
    }
    if ends_first(view, service) {
        return serve(Course::Finish);
    }
    match &view.frozen {
        _ if known_good && strange => update(ToCreate::LastGood),
        Some(_) if strange => update(ToCreate::LastGood),
        Some(_) => serve(Course::Back),
        None => update(ToCreate::Wanted),
    }
}

/// What it runs was rejected.
fn failed(view: &View<'_>, service: &Service) -> bool {
    let generation = service.tags.generation;
    generation.is_some_and(|generation| view.rejection(generation).is_some())
}

/// A newer release waits while one bakes: the bake ends early, and what bakes is good.
fn ends_first(view: &View<'_>, service: &Service) -> bool {
    let Some(rollout) = &view.record().rollout else {
        return false;
    };
    let baked = match view.application.on_new_release.during_bake {
        DuringBake::Finish => rollout.stage == Stage::Bake || rollout.stage == Stage::CleanUp,
        DuringBake::RollBack => rollout.stage == Stage::CleanUp,
    };
    let rejected = view.rejection(rollout.release.generation).is_some();
    baked && !rejected && runs(service, &rollout.release.digest) && view.alive(service)
}
