//! Dead traffic goes to what lives; what was put to sleep under traffic wakes up.

use crd_schema::record::Stage;

use crate::ablation;
use crate::release::Wanted;
use crate::view::{View, Vital, runs, weights};
use crate::world::{Rule, Service, Side};
use crate::write::{Weights, Write};

use super::create::reference;
use super::deadline::{entered, trouble};
use super::decision::Decision;
use super::recorded_stage;
use super::weighing::set_weights;

/// Dead traffic goes to what lives, whatever the marks say: comes before everything else.
pub(crate) fn repair(view: &View<'_>) -> Option<Decision> {
    let rescue = |side: Side| {
        view.live_on(side)
            .into_iter()
            .find(|service| view.alive(service))
    };
    for rule in view.production() {
        let Some(read) = weights(rule) else { continue };
        if let Some(decision) = raise_from_nothing(view, rule, read) {
            return Some(decision);
        }
        for side in Side::BOTH {
            let dead = side.other();
            let carries = |side: Side| read[side.index()].is_some_and(|w| w > 0);
            let panics = !view.tuning.without(ablation::Rule::PanicRepair);
            if !panics || !carries(dead) || view.rule_vital(rule, dead) != Vital::Dead {
                continue;
            }
            let Some(rescuer) = rescue(side) else {
                if let Some(write) = let_it_be_checked(view, side) {
                    return Some(Decision::act(recorded_stage(view), write));
                }
                continue;
            };
            if let Some(decision) = reject_the_dead(view, dead) {
                return Some(decision);
            }
            // A living side that has weight keeps its number: only the dead one's goes away.
            let mut next = [Some(0); 2];
            next[side.index()] = if carries(side) {
                read[side.index()]
            } else {
                Some(100)
            };
            let write = set_weights(view, rule, as_named(view, next, read)?, rescuer, 1)?;
            return Some(Decision::act(away(view), write));
        }
    }
    None
}

/// What might live has no healthy target as long as no rule names its group: nobody checks it. The group of one release
/// is also taken out on purpose, before its service goes.
fn let_it_be_checked(view: &View<'_>, side: Side) -> Option<Write> {
    if view.per_release() {
        return None;
    }
    let runs = view.live_on(side).iter().any(|service| service.desired > 0);
    reference(view, side).filter(|_| runs)
}

/// A rule that gives nobody weight: to a living service, the wish's first. Where the wish was rejected, or is still to be
/// tested or watched, last: another one carries the traffic meanwhile.
fn raise_from_nothing(view: &View<'_>, rule: &Rule, read: [Option<u32>; 2]) -> Option<Decision> {
    if read.iter().flatten().any(|w| *w > 0)
        || view.tuning.without(ablation::Rule::WeightlessRepair)
    {
        return None;
    }
    let wished = |service: &Service| {
        let wanted = view.wanted.as_ref();
        wanted.is_some_and(|wanted| runs(service, &wanted.digest))
    };
    // Weight goes to a group: who stands on it gets it.
    let beside_it = |service: &Service| {
        let all = service.side.map(|side| view.live_on(side));
        all.into_iter().flatten().any(wished)
    };
    let rejected = |wanted: &Wanted| view.rejection(wanted.generation).is_some();
    let stands_back = view.wanted.as_ref().is_some_and(rejected) || still_judged(view);
    let living = view
        .live()
        .into_iter()
        .filter(|service| view.alive(service));
    let worth = |service: &&Service| {
        let first = if stands_back {
            !beside_it(service)
        } else {
            wished(service)
        };
        (first, view.healthy(service))
    };
    let rescuer = living.max_by_key(worth)?;
    let all = Weights::all_to(rescuer.side?);
    let write = set_weights(view, rule, as_named(view, all.get(), read)?, rescuer, 1)?;
    // What another release had come to says nothing of the wish.
    let stage = recorded_stage(view);
    let stage = entered(view, stage).map_or_else(|| away(view), |_| stage);
    Some(Decision::act(stage, write))
}

/// The stage of a rollout whose traffic goes elsewhere.
fn away(view: &View<'_>) -> Stage {
    let rollout = view.record().rollout.as_ref();
    rollout.map_or(Stage::Settled, |_| Stage::RollBack)
}

/// The group of one release is not named by the way: it may not have its attributes yet.
fn as_named(
    view: &View<'_>,
    mut next: [Option<u32>; 2],
    read: [Option<u32>; 2],
) -> Option<Weights> {
    for (next, read) in next.iter_mut().zip(read) {
        if view.per_release() && read.is_none() && *next == Some(0) {
            *next = None;
        }
    }
    Weights::new(next)
}

/// Gates have not let the wish have everything yet, or alarms and analyses may speak against it: what a record says of
/// them beside a rule without any weight is not to be relied on.
fn still_judged(view: &View<'_>) -> bool {
    let application = view.application;
    let taken_over = entered(view, Stage::Bake).or_else(|| entered(view, Stage::CleanUp));
    let open = taken_over.is_none() || recorded_stage(view) == Stage::RollBack;
    let watched = application.alarms.is_some() || !application.analyses.is_empty();
    watched || (open && !application.gates.is_empty())
}

/// A service that carries production traffic and was scaled to zero by someone comes back.
pub(crate) fn revive(view: &View<'_>, stage: Stage) -> Option<Decision> {
    if view.tuning.without(ablation::Rule::Revive) {
        return None;
    }
    let asleep = view.live().into_iter().find(|service| {
        service.desired == 0
            && service
                .side
                .is_some_and(|side| view.production_weight(side) > 0)
    })?;
    let to = view.reference(None);
    Some(Decision::act(
        stage,
        Write::ScaleService {
            name: asleep.name.clone(),
            from: 0,
            to,
        },
    ))
}

/// The dead side carries the wish, which traffic was shifted to in its rollout: it is rejected first, unless somebody
/// scaled it to zero, or the record cannot be written (then traffic comes first). While it is still coming up it has
/// weight because nothing else lived, or because somebody gave it some: its deadline says when it failed.
fn reject_the_dead(view: &View<'_>, dead: Side) -> Option<Decision> {
    let wanted = view.wanted.as_ref()?;
    let rollout = view.record().rollout.as_ref()?;
    let service = view
        .live_on(dead)
        .into_iter()
        .find(|service| runs(service, &wanted.digest))?;
    let failed = rollout.release.generation == wanted.generation
        && rollout.stage >= Stage::Shift
        && service.desired > 0
        && view.rejection(wanted.generation).is_none()
        && !view.memory.record_refused
        && !view.tuning.without(ablation::Rule::RejectTheDead);
    failed.then(|| {
        let reason = format!(
            "no healthy target while it had traffic: {}",
            trouble(view, service)
        );
        Decision::reject(rollout.stage, reason)
    })
}
