//! A live service comes to serve alone.

use std::time::Duration;

use crd_schema::application::Drift;
use crd_schema::record::Stage;

use crate::ablation;
use crate::report::{Hold, WaitingOn};
use crate::target::Course;
use crate::view::{View, Vital};
use crate::world::{Service, Side};
use crate::write::Write;

use super::back::back;
use super::create::{reference, unnameable};
use super::decision::Decision;
use super::forward::forward;
use super::recorded_stage;
use super::removal::{clean_up, leftovers, remove, retire};
use super::repair::revive;
use super::steps;
use super::weighing::{test_follows, to_zero};
use super::worker::health;

/// A live service comes to serve alone.
pub(super) fn serve(view: &View<'_>, service: &Service, course: Course) -> Decision {
    let Some(side) = service.side else {
        return Decision::hold(
            recorded_stage(view),
            Hold::ServiceElsewhere {
                service: service.name.clone(),
            },
        );
    };
    let others: Vec<&Service> = view
        .live()
        .into_iter()
        .filter(|s| s.name != service.name)
        .collect();
    let alone = others.is_empty() && !leftovers(view, side.other());
    let in_motion = view.record().rollout.is_some();
    if alone && view.has_all(service) && !in_motion {
        return settled(view, service, side);
    }
    if let Some(decision) = stray(view, service, side, &others) {
        return decision;
    }
    if course == Course::Clear {
        return clear(view, side, &others);
    }
    if service.desired > 0
        && let Some(decision) = revive(view, stage_so_far(view, course))
    {
        return decision;
    }
    // Somebody may have taken the group out of a rule since: its targets are `unused` then, and never healthy.
    if let Some(write) = reference(view, side) {
        return Decision::act(stage_so_far(view, course), write);
    }
    if let Some(hold) = unnameable(view, side).filter(|_| !view.is_worker()) {
        return Decision::hold(stage_so_far(view, course), hold);
    }
    let aside = |s: &&&Service| s.side != Some(side) || view.is_worker();
    // Of several on the other group, the largest one says what traffic needs; one of the same release is no blue.
    let twin = |s: &&Service| s.tags.release == service.tags.release;
    let aside = others.iter().filter(aside).copied();
    let (twins, blues): (Vec<&Service>, Vec<&Service>) = aside.partition(twin);
    let blue = blues.into_iter().max_by_key(|s| s.desired);
    let carried = twins.into_iter().map(|s| s.desired).max();
    let reference = match course {
        Course::Forward => view.reference(blue).max(carried.unwrap_or(0)),
        Course::Finish if view.has_all(service) => service.desired.max(1),
        // What has the traffic now may run more than was written down: that many have carried it.
        Course::Back | Course::Finish | Course::Clear => view
            .reference(Some(service))
            .max(view.reference(None))
            .max(carrying(view, side.other())),
    };
    let size = match course {
        Course::Forward => steps::size(view, side, reference),
        Course::Back | Course::Finish | Course::Clear => reference,
    };
    let too_few = service.desired < size && !view.tuning.without(ablation::Rule::CountFollows);
    if course != Course::Forward {
        // What carries traffic now takes it now: a count that somebody changes again and again does not hold it up.
        let back = back(view, service, side, course, reference, &others);
        let traffic = back.write.as_ref().is_some_and(Write::moves_traffic)
            && !view.tuning.without(ablation::Rule::TrafficFirst);
        if traffic || !too_few {
            return back;
        }
    }
    if too_few {
        let write = Write::ScaleService {
            name: service.name.clone(),
            from: service.desired,
            to: size,
        };
        return Decision::act(stage_so_far(view, course), write);
    }
    forward(view, service, side, reference, &others)
}

/// Tasks of the living service that has production traffic on `side`; 0 where none has.
fn carrying(view: &View<'_>, side: Side) -> u32 {
    let live = view.live_on(side).into_iter();
    live.filter(|service| view.production_weight(side) > 0 && view.vital(service) != Vital::Dead)
        .map(|service| service.desired)
        .max()
        .unwrap_or(0)
}

pub(super) fn stage_so_far(view: &View<'_>, course: Course) -> Stage {
    // What another release had come to says nothing of the wish.
    let wish = view.wanted.as_ref().map(|wanted| &wanted.digest);
    let rollout = view.record().rollout.as_ref();
    let rollout = rollout.filter(|rollout| Some(&rollout.release.digest) == wish);
    match course {
        Course::Forward => rollout.map_or(Stage::ScaleUp, |rollout| rollout.stage),
        Course::Back | Course::Clear => Stage::RollBack,
        Course::Finish => Stage::CleanUp,
    }
}

/// Another live service shares the aim's group.
fn stray(view: &View<'_>, service: &Service, side: Side, others: &[&Service]) -> Option<Decision> {
    // Workers get nobody in the way: the other one goes as any other does.
    let ignored = view.is_worker() || view.tuning.without(ablation::Rule::Strays);
    let stray = others
        .iter()
        .find(|other| other.side == Some(side) && !ignored)?;
    let stage = stage_so_far(view, Course::Forward);
    let idle = others
        .iter()
        .copied()
        .find(|o| o.side == Some(side) && o.desired == 0 && o.running == 0 && o.pending == 0);
    // The idle one goes when it is seen that the other one serves; both may have been put to sleep under traffic.
    if idle.is_some() && service.running == 0 && !view.nothing_on(side) {
        let need = service.desired.max(view.reference(None));
        if service.desired > 0 {
            let running = service.running;
            return Some(Decision::wait(stage, WaitingOn::Tasks { running, need }));
        }
        let wake = Write::ScaleService {
            name: service.name.clone(),
            from: 0,
            to: need,
        };
        return Some(Decision::act(stage, wake));
    }
    if let Some(idle) = idle {
        return Some(Decision::act(
            stage,
            Write::DeleteService {
                name: idle.name.clone(),
            },
        ));
    }
    if view.nothing_on(side) {
        return Some(remove(view, stray, stage, Duration::ZERO));
    }
    let services = format!("{} and {}", service.name, stray.name);
    Some(Decision::hold(stage, Hold::SharedGroup { services }))
}

/// Nothing lives: weight is gathered where most of it is, without raising any, and the others make room.
fn clear(view: &View<'_>, side: Side, others: &[&Service]) -> Decision {
    let stage = Stage::RollBack;
    if let Some(write) = test_follows(view, side) {
        return Decision::act(stage, write);
    }
    if view.production_weight(side.other()) == 0 {
        return clean_up(view, others, side, stage, Duration::ZERO);
    }
    let write = to_zero(view, side.other(), |weight| {
        weight.is_some_and(|weight| weight > 0)
    });
    write.map_or_else(
        || Decision::hold(stage, Hold::NothingAlive),
        |write| Decision::act(stage, write),
    )
}

/// Nothing is on its way: what somebody else changed is put back, or reported.
fn settled(view: &View<'_>, service: &Service, side: Side) -> Decision {
    let stage = Stage::Settled;
    if service.desired == 0 && !view.tuning.without(ablation::Rule::Revive) {
        let to = view.reference(None);
        let write = Write::ScaleService {
            name: service.name.clone(),
            from: 0,
            to,
        };
        return heal(
            view,
            write,
            format!("service {} was scaled to 0", service.name),
        );
    }
    if let Some(write) = test_follows(view, side) {
        return heal(
            view,
            write,
            "a test rule does not follow the group that serves".to_owned(),
        );
    }
    if view.group_vital(side) == Vital::Dead {
        return Decision::hold(stage, Hold::NothingAlive);
    }
    // It was put to sleep and has just been woken, or nothing of it was healthy at the last look.
    if view.healthy_now(service) == 0 {
        return Decision::wait(stage, health(view, service, service.desired));
    }
    retire(view, stage)
}

pub(super) fn heal(view: &View<'_>, write: Write, what: String) -> Decision {
    match view.application.drift {
        Drift::Heal => Decision::act(Stage::Settled, write),
        Drift::Hold => Decision::hold(Stage::Settled, Hold::DriftHeld { what }),
    }
}
