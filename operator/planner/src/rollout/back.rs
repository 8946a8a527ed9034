//! Back to what served before, as far as its capacity carries.

use std::time::Duration;

use crate::ablation;
use crate::release::{self};
use crate::report::{Hold, WaitingOn};
use crate::target::Course;
use crate::view::{View, Vital};
use crate::world::{Service, Side};
use crate::write::{Weights, Write};

use super::deadline::trouble;
use super::decision::Decision;
use super::gates;
use super::removal::{arrived, clean_up, leftovers};
use super::serve::stage_so_far;
use super::weighing::{self, set_weights, test_follows};
use super::worker;

/// Back to what served, as far as its capacity carries; then the other one goes.
pub(super) fn back(
    view: &View<'_>,
    service: &Service,
    side: Side,
    course: Course,
    reference: u32,
    others: &[&Service],
) -> Decision {
    let stage = stage_so_far(view, course);
    let arrives = if view.is_worker() {
        worker::carries(view, service, reference, others)
    } else {
        view.all_on(side)
    };
    if !arrives && !view.tuning.without(ablation::Rule::BackFirst) {
        let healthy = view.carries(service).unwrap_or(0);
        let write = view.production().find_map(|rule| {
            let carries = healthy.saturating_mul(100) / reference.max(1);
            let percent = if view.tuning.without(ablation::Rule::Capacity) {
                100
            } else {
                carries.min(100)
            };
            if weighing::percent(rule, side) >= percent {
                return None;
            }
            let (next, need) = match percent {
                100 => (Weights::all_to(side), reference),
                part => (
                    Weights::split(side, part),
                    reference.saturating_mul(part).div_ceil(100),
                ),
            };
            set_weights(view, rule, next, service, need)
        });
        let waiting = if view
            .live()
            .iter()
            .all(|service| view.vital(service) == Vital::Dead)
        {
            WaitingOn::Hold(Hold::NothingAlive)
        } else if view.vital_of_new(service) == Vital::Dead {
            let lacks = match view.vital(service) {
                Vital::Dead => "target",
                // It is being updated in place, and what ran before still works.
                Vital::Alive | Vital::Unclear => "new task",
            };
            let (name, cause) = (&service.name, trouble(view, service));
            let what = format!("{name}, which has no healthy {lacks} ({cause})");
            WaitingOn::Hold(Hold::FallBackUnhealthy { what })
        } else {
            worker::health(view, service, reference)
        };
        return write.map_or_else(
            || Decision::wait(stage, waiting),
            |write| Decision::act(stage, write),
        );
    }
    if let Some(write) = test_follows(view, side) {
        return Decision::act(stage, write);
    }
    if let Some(write) = mark_rejected(view, service) {
        return Decision::act(stage, write);
    }
    if course == Course::Back
        && let Some(asked) = gates::at_roll_back(view)
    {
        return asked;
    }
    if others.is_empty() && !leftovers(view, side.other()) {
        return arrived(view, side, stage);
    }
    let keep = if view.tuning.without(ablation::Rule::GiveWay) {
        view.application.clean_up.keep_blue
    } else {
        Duration::ZERO
    };
    clean_up(view, others, side, stage, keep)
}

/// Before failed green goes, its rejection also stands as a tag on what serves: either suffices.
pub(super) fn mark_rejected(view: &View<'_>, service: &Service) -> Option<Write> {
    let generation = view.wanted.as_ref()?.generation;
    view.rejection(generation)?;
    let missing = service.tags.rejected != Some(generation)
        && !view.tuning.without(ablation::Rule::RejectionTag);
    missing.then(|| Write::TagService {
        name: service.name.clone(),
        arn: service.arn.clone(),
        key: release::TAG_REJECTED.to_owned(),
        value: release::show(generation),
    })
}
