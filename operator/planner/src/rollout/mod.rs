//! The stages that lead to the aim, one write at a time. What is live decides; the record only tells times.

mod back;
mod create;
mod deadline;
mod decision;
mod forward;
mod gates;
mod groups;
mod removal;
mod repair;
mod rolling;
mod scaling;
mod serve;
mod steps;
mod watches;
mod weighing;
mod worker;

pub(crate) use deadline::{abort, deadline};
pub(crate) use decision::{AtGate, Decision};
pub(crate) use groups::stranded;
pub(crate) use removal::unlisted;
pub(crate) use repair::{repair, revive};
pub(crate) use scaling::{scaling, unmovable};
pub(crate) use watches::{failed, watches};

use create::create;
use deadline::refused_too_long;
use serve::serve;

use crd_schema::record::Stage;

use crate::ablation;
use crate::report::{Hold, WaitingOn};
use crate::target::{Aim, ToCreate};
use crate::view::{View, Vital};
use crate::world::Service;

/// The next step towards the aim.
pub(crate) fn towards(view: &View<'_>, aim: &Aim<'_>) -> Decision {
    let dead = |service: &&Service| view.vital(service) == Vital::Dead;
    if view.tuning.without(ablation::Rule::FixTheDead) && view.live().iter().any(dead) {
        return Decision::hold(recorded_stage(view), Hold::NothingAlive);
    }
    match aim {
        Aim::Nothing => Decision::wait(Stage::Settled, WaitingOn::Nothing),
        Aim::Hold(hold) => Decision::hold(recorded_stage(view), hold.clone()),
        Aim::MakeRoom { what } => Decision::wait(
            recorded_stage(view),
            WaitingOn::OldServiceGone { what: what.clone() },
        ),
        Aim::Create { what, side } => {
            let (stage, late) = match what {
                ToCreate::Wanted => (Stage::ScaleUp, refused_too_long(view)),
                ToCreate::LastGood => (Stage::RollBack, None),
            };
            let watched = || watches::before_start(view, aim).filter(|_| *what == ToCreate::Wanted);
            late.or_else(|| revive(view, stage))
                .or_else(watched)
                .unwrap_or_else(|| create(view, what.clone(), *side, stage))
        }
        Aim::Update { service, what } => {
            let watched = || watches::before_start(view, aim).filter(|_| *what == ToCreate::Wanted);
            watched().unwrap_or_else(|| rolling::update(view, service, what))
        }
        Aim::Serve { service, course } if view.in_place().is_some() => {
            rolling::serve(view, service, *course)
        }
        Aim::Serve { service, course } => serve(view, service, *course),
    }
}

fn recorded_stage(view: &View<'_>) -> Stage {
    view.record()
        .rollout
        .as_ref()
        .map_or(Stage::Settled, |rollout| rollout.stage)
}
