//! A service's autoscaling goes where its traffic goes.
//!
//! Before green has any traffic it is scaled as blue is; while traffic moves, nobody's scale-in takes away what may be
//! needed again; once everything is where it is to stay, scale-in is as people had it; and what leaves is out of
//! Application Auto Scaling's hands before its tasks stop, or it would be scaled up again.

use std::collections::BTreeMap;

use crd_schema::application::Drift;
use crd_schema::record::Stage;

use crate::ablation;
use crate::report::{Hold, WaitingOn};
use crate::scaling::{Change, Place, Scaling, Suspended, copied, given};
use crate::target::{Aim, Course};
use crate::view::{View, resource};
use crate::world::{Group, Read, Role, Service, ServiceStatus, Side};
use crate::write::Write;

use super::deadline::overdue;
use super::decision::Decision;
use super::recorded_stage;

/// What Application Auto Scaling knows of the application's services.
type All = BTreeMap<String, Scaling>;

/// The decision, or the step about autoscaling that comes before it.
pub(crate) fn scaling(view: &View<'_>, aim: &Aim<'_>, decision: Decision) -> Decision {
    let held = matches!(decision.waiting, WaitingOn::Hold(_));
    // That of a worker stays where it is: a release of one that has any is held before it begins.
    if view.is_worker() {
        return decision;
    }
    if held || decision.reject.is_some() || view.tuning.without(ablation::Rule::ScalingMoves) {
        return decision;
    }
    let all = match &view.world.scaling {
        Read::Known { value, .. } => value,
        Read::Unread { reason } => return blind(view, aim, decision, reason),
    };
    if all.is_empty() && view.application.autoscaling.is_none() {
        return decision;
    }
    let step = match aim {
        Aim::Serve { service, course } => {
            let stays = if decision.stage == Stage::Settled {
                restore(view, all, service, &decision)
                    .or_else(|| as_given(view, all, service, &decision))
            } else if view.in_place().is_some() {
                // No traffic leaves it.
                None
            } else {
                before_traffic(view, all, service, *course, &decision)
            };
            stays.or_else(|| leaving(view, all, Some(service), &decision))
        }
        Aim::Create { .. }
        | Aim::Update { .. }
        | Aim::MakeRoom { .. }
        | Aim::Nothing
        | Aim::Hold(_) => leaving(view, all, None, &decision),
    };
    match step {
        Some(Step::Write(write)) => Decision {
            write: Some(write),
            waiting: WaitingOn::OwnStep,
            until: None,
            ..decision
        },
        Some(Step::Instead(instead)) => instead,
        None => decision,
    }
}

enum Step {
    /// This first.
    Write(Write),
    /// This, and not what was decided.
    Instead(Decision),
}

/// Nothing is known of autoscaling: what depends on it waits.
fn blind(view: &View<'_>, aim: &Aim<'_>, decision: Decision, reason: &str) -> Decision {
    let Aim::Serve { service, course } = aim else {
        return decision;
    };
    let first = *course == Course::Forward && raises(view, service, &decision);
    let last = decision.stage == Stage::Settled && view.record().scale_in_suspended.is_some();
    if !first && !last {
        return decision;
    }
    overdue(view, recorded_stage(view), service)
        .filter(|_| first)
        .unwrap_or_else(|| {
            let what = format!("scalable targets: {reason}");
            Decision::wait(decision.stage, WaitingOn::Observation { what })
        })
}

/// The decision raises the service's weight on a production rule.
fn raises(view: &View<'_>, service: &Service, decision: &Decision) -> bool {
    let Some(Write::SetWeights {
        rule,
        seen,
        weights,
        ..
    }) = &decision.write
    else {
        return false;
    };
    let production = view
        .rules
        .iter()
        .any(|known| known.target == *rule && known.role == Role::Production);
    let rises =
        |side: Side| weights.get()[side.index()].unwrap_or(0) > seen[side.index()].unwrap_or(0);
    production && service.side.is_some_and(rises)
}

/// Green is scaled as blue is before it has traffic, and no scale-in is left before traffic moves.
fn before_traffic(
    view: &View<'_>,
    all: &All,
    service: &Service,
    course: Course,
    decision: &Decision,
) -> Option<Step> {
    let raises = raises(view, service, decision);
    let side = service.side?;
    // Until then it is like blue; from then on, each is what somebody made of it.
    let fresh = view.production_weight(side) == 0;
    let idle = fresh && decision.write.is_none();
    if course != Course::Forward || !(raises || idle) {
        return None;
    }
    let stage = recorded_stage(view);
    let late = || overdue(view, stage, service).filter(|_| raises);
    match wanted(view, all, service) {
        Some(Ok(wanted)) => {
            if let Some(change) = missing(all.get(&service.name), &wanted, true, fresh) {
                let step = || Step::Write(set(service, change));
                return Some(late().map_or_else(step, Step::Instead));
            }
        }
        Some(Err(what)) if fresh && raises => {
            let hold = || Decision::hold(stage, Hold::AutoscalingNotSupported { what });
            return Some(Step::Instead(late().unwrap_or_else(hold)));
        }
        Some(Err(_)) | None => {}
    }
    if !raises || view.tuning.without(ablation::Rule::ScaleInWaits) {
        return None;
    }
    let live = view.live().into_iter();
    let (service_in, known) = live
        .filter_map(|service| Some((service, all.get(&service.name)?)))
        .find(|(_, known)| !known.suspended.scale_in)?;
    let step = || Step::Write(suspend(service_in, known, true));
    Some(late().map_or_else(step, Step::Instead))
}

/// Scale-in is as people had it before traffic moved. Not before the rollout has ended: until then the count is held at
/// what traffic needed, and a policy that finds less enough would be answered again and again.
fn restore(view: &View<'_>, all: &All, service: &Service, decision: &Decision) -> Option<Step> {
    let idle = decision.write.as_ref().is_none_or(Write::is_destructive);
    let over = view.record().rollout.is_none();
    let before = view.record().scale_in_suspended?;
    let known = all.get(&service.name)?;
    (idle && over && known.suspended.scale_in != before)
        .then(|| Step::Write(suspend(service, known, before)))
}

/// What is to go is scaled by nobody any more, and what stays has all of its autoscaling.
fn leaving(
    view: &View<'_>,
    all: &All,
    stays: Option<&Service>,
    decision: &Decision,
) -> Option<Step> {
    let named = match &decision.write {
        Some(Write::ScaleService { name, from, to }) if to < from => Some(name),
        Some(Write::DeleteService { name }) => Some(name),
        Some(_) => return None,
        None => None,
    };
    let goes = |service: &&Service| match named {
        Some(name) => service.name == *name,
        // Somebody deleted it, and AWS still shows it.
        None => service.tags.ours && service.status != ServiceStatus::Active,
    };
    let mut going = view.services.iter().filter(goes);
    let (goes, known) = going.find_map(|service| Some((service, all.get(&service.name)?)))?;
    let others = || {
        view.live()
            .into_iter()
            .find(|other| other.name != goes.name)
    };
    let stays = stays
        .filter(|stays| stays.name != goes.name)
        .or_else(others);
    // Where nobody is left to take it over, what was deleted keeps it as long as AWS does.
    let stays = match stays {
        Some(stays) => stays,
        None if named.is_some() => return Some(Step::Write(set(goes, Change::Deregister))),
        None => return None,
    };
    let has = all.get(&stays.name);
    let came_from = goes.tags.blue.as_deref() == Some(stays.name.as_str());
    let given = view.application.autoscaling.is_some();
    if !((came_from || given) && has.is_some()) {
        let held = match (has, view.record().scale_in_suspended) {
            (Some(has), _) => has.suspended.scale_in,
            (None, Some(before)) => before,
            (None, None) => known.suspended.scale_in,
        };
        let wanted = if given {
            wanted(view, all, stays)
        } else {
            Some(copy(view, known, goes, stays))
        };
        match wanted.unwrap_or_else(|| Ok(known.clone())) {
            Ok(wanted) => {
                if let Some(change) = missing(has, &wanted, held, false) {
                    return Some(Step::Write(set(stays, change)));
                }
            }
            Err(what) => {
                let hold = Hold::AutoscalingNotSupported { what };
                return Some(Step::Instead(Decision::hold(decision.stage, hold)));
            }
        }
    }
    Some(Step::Write(set(goes, Change::Deregister)))
}

/// What `service` should have: what the spec says, or else what the service has whose place it takes.
fn wanted(view: &View<'_>, all: &All, service: &Service) -> Option<Result<Scaling, String>> {
    if let Some(spec) = &view.application.autoscaling {
        let group = service.side.and_then(|side| view.groups[side.index()]);
        let balancer = group.and_then(|group| group.load_balancer.as_deref());
        let balancer = balancer.map(|arn| resource(arn).trim_start_matches("loadbalancer/"));
        // A scheduled action of the spec may have changed the limits since.
        let live = source(view, all, service).map(|(_, known)| known);
        let live = live.or(all.get(&service.name));
        let given = given(spec, &place(view, service), balancer);
        return Some(given.map(|given| match live {
            Some(live) => given.with_limits_of(live),
            None => given,
        }));
    }
    let (from, known) = source(view, all, service)?;
    Some(copy(view, known, from, service))
}

/// What serves alone is autoscaled as the spec says, or somebody is told that it is not.
fn as_given(view: &View<'_>, all: &All, service: &Service, decision: &Decision) -> Option<Step> {
    view.application.autoscaling.as_ref()?;
    if decision.write.is_some() {
        return None;
    }
    let hold = |what: String| {
        let hold = Hold::AutoscalingNotSupported { what };
        Some(Step::Instead(Decision::hold(decision.stage, hold)))
    };
    let wanted = match wanted(view, all, service)? {
        Ok(wanted) => wanted,
        Err(what) => return hold(what),
    };
    let change = missing(all.get(&service.name), &wanted, false, true)?;
    // A first release may have had all of the traffic from the beginning.
    if view.record().rollout.is_some() {
        let write = set(service, change);
        return Some(Step::Instead(Decision::act(recorded_stage(view), write)));
    }
    match view.application.drift {
        Drift::Heal => Some(Step::Write(set(service, change))),
        Drift::Hold => {
            let what = format!("the spec would {}", change.describe(&service.name));
            let hold = Decision::hold(decision.stage, Hold::DriftHeld { what });
            Some(Step::Instead(hold))
        }
    }
}

/// Whose autoscaling `service` takes over: that of the service it was created beside, or of the largest one that has any.
fn source<'a>(
    view: &View<'a>,
    all: &'a All,
    service: &Service,
) -> Option<(&'a Service, &'a Scaling)> {
    let ours = view
        .services
        .iter()
        .filter(|other| other.tags.ours && other.name != service.name);
    let known = ours.filter_map(|other| Some((other, all.get(&other.name)?)));
    known.max_by_key(|(other, _)| {
        let blue = service.tags.blue.as_deref() == Some(other.name.as_str());
        (blue, other.status == ServiceStatus::Active, other.desired)
    })
}

/// The autoscaling of `from` as it is to be on `to`.
fn copy(view: &View<'_>, known: &Scaling, from: &Service, to: &Service) -> Result<Scaling, String> {
    copied(known, &place(view, from), &place(view, to), view.now.wall)
}

fn place<'a>(view: &View<'a>, service: &'a Service) -> Place<'a> {
    let group = service.side.and_then(|side| view.groups[side.index()]);
    Place {
        service: &service.name,
        groups: group
            .into_iter()
            .flat_map(Group::arns)
            .map(|arn| resource(arn.as_str()))
            .collect(),
    }
}

/// Why a service's autoscaling could not go to another service, if so.
pub(crate) fn unmovable(view: &View<'_>, service: &Service, known: &Scaling) -> Option<String> {
    let here = place(view, service);
    copied(known, &here, &here, view.now.wall).err()
}

/// The first thing that is missing of `wanted`; `exactly`: or that differs.
fn missing(
    has: Option<&Scaling>,
    wanted: &Scaling,
    scale_in: bool,
    exactly: bool,
) -> Option<Change> {
    let (min, max) = (wanted.min, wanted.max);
    let Some(has) = has else {
        let suspended = Suspended {
            scale_in,
            ..wanted.suspended
        };
        return Some(Change::Register {
            min,
            max,
            suspended,
        });
    };
    if exactly && (has.min, has.max) != (min, max) {
        return Some(Change::Register {
            min,
            max,
            suspended: has.suspended,
        });
    }
    let put = |change: Change, there: bool| {
        let lacks = if exactly {
            !change.shown_by(Some(has))
        } else {
            !there
        };
        lacks.then_some(change)
    };
    let mut policies = wanted.policies.iter();
    let policy = policies.find_map(|(name, policy)| {
        let change = Change::PutPolicy {
            name: name.clone(),
            body: policy.body.clone(),
        };
        put(change, has.policies.contains_key(name))
    });
    policy.or_else(|| {
        let mut actions = wanted.actions.iter();
        actions.find_map(|(name, body)| {
            let change = Change::PutAction {
                name: name.clone(),
                body: body.clone(),
            };
            put(change, has.actions.contains_key(name))
        })
    })
}

fn set(service: &Service, change: Change) -> Write {
    Write::SetScaling {
        name: service.name.clone(),
        change,
    }
}

fn suspend(service: &Service, known: &Scaling, scale_in: bool) -> Write {
    let suspended = Suspended {
        scale_in,
        ..known.suspended
    };
    set(service, Change::Suspend(suspended))
}
