//! Which release should serve now, and on which service.

mod rolling;

use crd_schema::record::{Generation, Stage};

use crate::ablation;
use crate::release;
use crate::report::Hold;
use crate::view::{View, Vital, runs};
use crate::world::{Origin, Service, ServiceStatus, Side};
use crd_schema::application::{DuringBake, OnFailure};

/// Where this reconcile is going.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Aim<'a> {
    /// A live service is to serve alone.
    Serve {
        /// Which.
        service: &'a Service,
        /// How it gets there.
        course: Course,
    },
    /// A service is to be created on this side first.
    Create {
        /// What it runs.
        what: ToCreate,
        /// Where.
        side: Side,
    },
    /// The one live service is to be updated in place.
    Update {
        /// Which.
        service: &'a Service,
        /// What it is to run.
        what: ToCreate,
    },
    /// Something has to go before a service can be created.
    MakeRoom {
        /// What, for people.
        what: String,
    },
    /// A wish waits for the end of a freeze, and nothing serves yet.
    Nothing,
    /// A person is needed.
    Hold(Hold),
}

/// How a live service comes to serve alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Course {
    /// A release: full size, tests, shift, bake, clean-up.
    Forward,
    /// Back to what served before: weights follow capacity, no bake.
    Back,
    /// It serves already and a newer wish waits: clean up at once.
    Finish,
    /// Nothing lives: the other one makes room for the wish.
    Clear,
}

/// What a service is to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ToCreate {
    /// The wish.
    Wanted,
    /// The last good release, which is gone.
    LastGood,
}

/// Where to go.
pub(crate) fn aim<'a>(view: &View<'a>) -> Aim<'a> {
    let Some(wanted) = &view.wanted else {
        return Aim::Hold(Hold::DesiredMissing);
    };
    if let Some(service) = view.in_place() {
        return rolling::aim(view, service, wanted);
    }
    if let Some(reason) = view.rejection(wanted.generation) {
        return fall_back(view, wanted.generation, &wanted.digest, reason);
    }
    let live = view.live();
    let wished = |s: &&&Service| runs(s, &wanted.digest) && view.frozen.is_none();
    let candidates = live.iter().filter(wished).copied();
    if let Some(service) = best(view, candidates) {
        let going_back = live
            .iter()
            .any(|other| other.tags.blue.as_deref() == Some(service.name.as_str()));
        let course = if going_back && !view.tuning.without(ablation::Rule::WayBack) {
            Course::Back
        } else {
            Course::Forward
        };
        return Aim::Serve { service, course };
    }
    match keeper(view, &live) {
        Some((service, course)) if !view.tuning.without(ablation::Rule::SupersedeFirst) => {
            Aim::Serve { service, course }
        }
        Some(_) | None if view.frozen.is_some() => stay(view, &live),
        Some(_) | None => create(view, ToCreate::Wanted),
    }
}

/// The wish waits for the end of a freeze: what serves is kept up, and what served and is gone comes back.
fn stay<'a>(view: &View<'a>, live: &[&'a Service]) -> Aim<'a> {
    if let Some(service) = best(view, live.iter().copied()) {
        let course = Course::Back;
        return Aim::Serve { service, course };
    }
    let good = view.record().last_good.as_ref();
    match good.filter(|good| good.task_definition.is_some()) {
        Some(_) => create(view, ToCreate::LastGood),
        None => Aim::Nothing,
    }
}

/// The best of several services of one release: alone on its side, with weight, alive, oldest.
fn best<'a>(view: &View<'a>, candidates: impl Iterator<Item = &'a Service>) -> Option<&'a Service> {
    candidates.into_iter().min_by_key(|service| {
        let side = service.side.unwrap_or(Side::A);
        let alone = view.live_on(side).len() == 1;
        (
            !alone,
            !view.alive(service),
            !view.takes_work(service),
            service.created,
            service.name.clone(),
        )
    })
}

/// With several services, and none of them wished for: who serves until the others are gone.
fn keeper<'a>(view: &View<'a>, live: &[&'a Service]) -> Option<(&'a Service, Course)> {
    let (newest, rest) = live.split_last()?;
    let rejected = |service: &Service| {
        service
            .tags
            .generation
            .is_some_and(|g| view.rejection(g).is_some())
    };
    let older = rest
        .iter()
        .rfind(|service| view.alive(service) && !rejected(service));
    rest.first()?;
    let stage = view.record().rollout.as_ref().map(|rollout| rollout.stage);
    let during_bake = match view.application.on_new_release.during_bake {
        DuringBake::Finish => true,
        DuringBake::RollBack => stage == Some(Stage::CleanUp),
    };
    if during_bake && view.has_all(newest) && !rejected(newest) && view.alive(newest) {
        return Some((newest, Course::Finish));
    }
    if let Some(older) = older {
        return Some((older, Course::Back));
    }
    if view.alive(newest) {
        return Some((newest, Course::Finish));
    }
    let heaviest = live.iter().copied().max_by_key(|service| {
        let weight = service.side.map(|side| view.production_weight(side));
        (weight, view.takes_work(service))
    })?;
    Some((heaviest, Course::Clear))
}

/// The wish was rejected: what serves instead.
fn fall_back<'a>(view: &View<'a>, rejected: Generation, digest: &str, reason: String) -> Aim<'a> {
    let live = view.live();
    // What this wish took over from an earlier one for the same content fails with it, unless it once succeeded.
    let known = view.record().last_good.as_ref();
    let good = known.is_some_and(|good| good.digest == digest);
    let is_rejected = |service: &Service| {
        service
            .tags
            .generation
            .is_some_and(|g| view.rejection(g).is_some())
            || (runs(service, digest) && (service.tags.generation == Some(rejected) || !good))
    };
    let acceptable: Vec<&Service> = live.iter().filter(|s| !is_rejected(s)).copied().collect();
    let held = view.application.on_failure == OnFailure::Hold && !view.aborted();
    if held && live.iter().any(|s| is_rejected(s)) {
        return Aim::Hold(Hold::FailedAndHeld { reason });
    }
    let by_worth = |service: &&Service| {
        let side = service.side.unwrap_or(Side::A);
        (
            view.alive(service),
            view.takes_work(service),
            view.live_on(side).len() == 1,
            service.tags.generation,
        )
    };
    if let Some(service) = acceptable.into_iter().max_by_key(by_worth) {
        return Aim::Serve {
            service,
            course: Course::Back,
        };
    }
    let good = view.record().last_good.as_ref();
    if good.is_some_and(|good| good.generation != rejected && good.task_definition.is_some())
        && !view.tuning.without(ablation::Rule::FallBack)
    {
        return make_room(view, &live).unwrap_or_else(|| create(view, ToCreate::LastGood));
    }
    match live.into_iter().find(|service| view.alive(service)) {
        Some(service) if view.has_all(service) => Aim::Hold(Hold::NothingToFallBackTo { reason }),
        Some(service) => Aim::Serve {
            service,
            course: Course::Back,
        },
        None => Aim::Hold(Hold::NothingToFallBackTo { reason }),
    }
}

/// Rejected releases live on both sides, and one has to go first: what lives stays, that with most weight first.
fn make_room<'a>(view: &View<'a>, live: &[&'a Service]) -> Option<Aim<'a>> {
    let free = Side::BOTH
        .into_iter()
        .any(|side| view.live_on(side).is_empty());
    let weight = |service: &Service| {
        let weight = service.side.map(|side| view.production_weight(side));
        (weight, view.takes_work(service))
    };
    let stays = live
        .iter()
        .filter(|_| !free)
        .max_by_key(|service| (view.alive(service), weight(service)))?;
    let course = if view.alive(stays) {
        Course::Back
    } else {
        Course::Clear
    };
    Some(Aim::Serve {
        service: stays,
        course,
    })
}

/// The side for a new service: without a live service and without targets. With nothing alive anywhere, the one that
/// has most weight; else never one that has weight beside a living one.
fn create<'a>(view: &View<'a>, what: ToCreate) -> Aim<'a> {
    if view.per_release() {
        return create_on_its_own_group(view, what);
    }
    let free = |side: &Side| {
        occupant(view, *side).is_none() || view.tuning.without(ablation::Rule::EmptyGroupFirst)
    };
    let mut sides: Vec<Side> = Side::BOTH
        .into_iter()
        .filter(|side| {
            view.live_on(*side).is_empty() || view.tuning.without(ablation::Rule::IdleSide)
        })
        .collect();
    // Highest weight first (ties: the first of the pair), but one that no rule names last: ECS would refuse it.
    sides.sort_by_key(|side| {
        (
            !named(view, *side),
            std::cmp::Reverse(view.production_weight(*side)),
        )
    });
    if let Some(side) = sides.iter().find(|side| free(side)) {
        return Aim::Create { what, side: *side };
    }
    match sides.first().and_then(|side| occupant(view, *side)) {
        Some(Occupant::Leaving(what)) => Aim::MakeRoom { what },
        Some(Occupant::Stranger(what)) => Aim::Hold(Hold::GroupUnusable { what }),
        None => Aim::Hold(Hold::NothingAlive),
    }
}

/// Some production rule names the group of `side`, at whatever weight.
fn named(view: &View<'_>, side: Side) -> bool {
    let mut read = view.production().filter_map(crate::view::weights);
    read.any(|read| read[side.index()].is_some())
}

/// With a group for each release: the side of the group that was made for it, or else an empty one, or else the one
/// whose group can go.
fn create_on_its_own_group<'a>(view: &View<'a>, what: ToCreate) -> Aim<'a> {
    let name = new_group_name(view, &what);
    // Where nobody of ours serves on the other side, what has no weight makes room: for the template that serves at once,
    // and beside a group that lost its service when it is dead. That group cannot go before, since all weight is on it.
    let makes_room = |side: Side| {
        let beside = view.groups[side.other().index()].map(|group| &group.origin);
        let live = view.live_on(side);
        let mut vitals = live.iter().map(|service| view.vital(service));
        view.live_on(side.other()).is_empty()
            && view.nothing_on(side)
            && (beside == Some(&Origin::Template) || vitals.all(|vital| vital == Vital::Dead))
    };
    let sides = Side::BOTH
        .into_iter()
        .filter(|side| view.live_on(*side).is_empty() || makes_room(*side));
    let side = sides.min_by_key(|side| {
        let holder = view.groups[side.index()].map(|group| &group.origin);
        let preference = match holder {
            Some(Origin::Ours { name: held }) if Some(held) == name.as_ref() => 0,
            None => 1,
            Some(Origin::Ours { .. }) => 2,
            Some(Origin::Given | Origin::Template) => 3,
        };
        let stays = preference > 1;
        let weight = if stays {
            view.production_weight(*side)
        } else {
            0
        };
        // A rule that names no other group cannot do without this one.
        (stays, weight, stays && named(view, *side), preference)
    });
    let Some(side) = side else {
        return Aim::Hold(Hold::NothingAlive);
    };
    let made_for_it = view.groups[side.index()].is_some_and(
        |group| matches!(&group.origin, Origin::Ours { name: held } if Some(held) == name.as_ref()),
    );
    match occupant(view, side).filter(|_| made_for_it) {
        Some(Occupant::Leaving(what)) => Aim::MakeRoom { what },
        Some(Occupant::Stranger(what)) => Aim::Hold(Hold::GroupUnusable { what }),
        None => Aim::Create { what, side },
    }
}

/// The name of the group for a service that is to be created.
pub(crate) fn new_group_name(view: &View<'_>, what: &ToCreate) -> Option<String> {
    let (digest, generation) = match what {
        ToCreate::Wanted => {
            let wanted = view.wanted.as_ref()?;
            (&wanted.digest, wanted.generation)
        }
        ToCreate::LastGood => {
            let good = view.record().last_good.as_ref()?;
            (&good.digest, good.generation)
        }
    };
    let created = view.record().created;
    Some(release::group_name(
        view.application,
        digest,
        generation,
        created,
    ))
}

enum Occupant {
    Leaving(String),
    Stranger(String),
}

/// What still occupies a side that has no live service.
fn occupant(view: &View<'_>, side: Side) -> Option<Occupant> {
    let draining = view
        .services
        .iter()
        .find(|s| s.side == Some(side) && s.status == ServiceStatus::Draining);
    if let Some(service) = draining {
        return Some(Occupant::Leaving(format!(
            "service {} is DRAINING",
            service.name
        )));
    }
    let targets = view.targets(side);
    let leaving = targets
        .iter()
        .filter(|t| t.state == crate::world::TargetState::Draining)
        .count();
    let arn = view.group_name(side);
    if leaving > 0 {
        return Some(Occupant::Leaving(format!(
            "{leaving} targets of {arn} are draining"
        )));
    }
    let gone = view
        .services
        .iter()
        .any(|s| s.side == Some(side) && s.status == ServiceStatus::Inactive);
    match targets.first() {
        Some(_) if gone => Some(Occupant::Leaving(format!(
            "targets of a deleted service in {arn}"
        ))),
        Some(target) => Some(Occupant::Stranger(format!(
            "target group {arn} has target {} that belongs to no service of this application: deregister it",
            target.address
        ))),
        None => None,
    }
}
