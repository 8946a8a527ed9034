//! Groups referenced, task definition registered, service created: in this order.

use crd_schema::record::{Generation, Stage};
use serde_json::{Map, Value};

use crate::ablation;
use crate::release::{self, NewService, Wanted};
use crate::report::{Hold, WaitingOn};
use crate::target::ToCreate;
use crate::view::{View, Vital, resource};
use crate::world::{Base, Group, Read, Service, Side};
use crate::write::Write;

use super::decision::Decision;
use super::recorded_stage;
use super::weighing::to_zero;
use super::{gates, groups, steps};

/// Groups referenced, task definition registered, service created: in this order.
pub(super) fn create(view: &View<'_>, what: ToCreate, side: Side, stage: Stage) -> Decision {
    if let Some(decision) = groups::make_place(view, &what, side, stage) {
        return decision;
    }
    let group = view.groups[side.index()];
    if group.is_none() && !view.is_worker() {
        return Decision::wait(stage, WaitingOn::OwnStep);
    }
    if let Some(write) = leave_weight(view, side).or_else(|| reference(view, side)) {
        return Decision::act(stage, write);
    }
    if let Some(other) = may_take_over(view, side) {
        // Nobody checks its targets while no rule names its group.
        if let Some(write) = reference(view, side.other()) {
            return Decision::act(stage, write);
        }
        let need = view.reference(Some(other));
        let healthy = view.healthy(other).unwrap_or(0);
        return Decision::wait(stage, WaitingOn::HealthyTargets { healthy, need });
    }
    if let Some(group) = view.unnamed(side) {
        let group = resource(group.as_str()).to_owned();
        return Decision::hold(recorded_stage(view), Hold::GroupUnnamed { group });
    }
    let Some(release) = to_run(view, &what) else {
        return Decision::hold(stage, Hold::DesiredMissing);
    };
    let blue = if view.is_worker() {
        view.live()
    } else {
        view.live_on(side.other())
    };
    let blue = blue.into_iter().next_back();
    let task_definition = match &release.task_definition {
        Some(known) => known.clone(),
        None => match view.revision(&release.wanted.digest) {
            Some(found) => found.arn.clone(),
            None => return register(view, &release.wanted),
        },
    };
    let closed = || gates::before(view, Stage::ScaleUp, stage);
    if what == ToCreate::Wanted
        && let Some(closed) = closed()
    {
        return closed;
    }
    let created = if view.tuning.without(ablation::Rule::NewName) {
        0
    } else {
        view.record().created
    };
    let created = if view.tuning.without(ablation::Rule::SameName) {
        u32::try_from(view.now.mono.0).unwrap_or(created)
    } else {
        created
    };
    let Wanted {
        digest,
        version,
        generation,
        ..
    } = &release.wanted;
    let wish = if view.tuning.without(ablation::Rule::NameOfTheWish) {
        Generation {
            date: 0,
            version: 0,
        }
    } else {
        *generation
    };
    let name = release::service_name(view.application, version, digest, wish, created);
    if !view.memory.looked_for && !view.tuning.without(ablation::Rule::NewName) {
        let what = format!("whether there was a service {name}");
        return Decision::wait(stage, WaitingOn::Observation { what });
    }
    let new = NewService {
        name: &name,
        task_definition: &task_definition,
        side,
        groups: group.into_iter().flat_map(Group::arns).collect(),
        count: match what {
            ToCreate::Wanted => steps::size(view, side, view.reference(blue)),
            ToCreate::LastGood => view.reference(blue),
        },
        digest,
        version,
        generation: *generation,
        blue: blue.map(|service| service.name.as_str()),
    };
    let body = release::service(view.application, &new);
    Decision::act(
        stage,
        Write::CreateService {
            name: name.clone(),
            side,
            body,
        },
    )
}

pub(super) struct ToRun {
    pub(super) wanted: Wanted,
    task_definition: Option<String>,
}

pub(super) fn to_run(view: &View<'_>, what: &ToCreate) -> Option<ToRun> {
    match what {
        ToCreate::Wanted => Some(ToRun {
            wanted: view.wanted.clone()?,
            task_definition: None,
        }),
        ToCreate::LastGood => {
            let good = view.record().last_good.as_ref()?;
            let wanted = Wanted {
                digest: good.digest.clone(),
                version: good.version.clone(),
                generation: good.generation,
                images: Default::default(),
                override_freeze: false,
            };
            Some(ToRun {
                wanted,
                task_definition: good.task_definition.clone(),
            })
        }
    }
}

fn register(view: &View<'_>, wanted: &Wanted) -> Decision {
    rendered(view, wanted, |body| body)
}

/// The task definition of the wish is registered, with what is added to it last.
pub(super) fn rendered(
    view: &View<'_>,
    wanted: &Wanted,
    add: impl FnOnce(Map<String, Value>) -> Map<String, Value>,
) -> Decision {
    let stage = Stage::ScaleUp;
    let unread = |part: &str, reason: &String| {
        let what = format!("{part}: {reason}");
        Decision::wait(stage, WaitingOn::Observation { what })
    };
    if let Read::Unread { reason } = &view.world.revisions {
        return unread("the application's task definitions", reason);
    }
    let base = match &view.world.base {
        Read::Known { value, .. } => value,
        Read::Unread { reason } => return unread("the base task definition", reason),
    };
    let rendered = match base {
        Base::Found {
            revision,
            definition,
        } => release::task_definition(view.application, revision, definition, wanted),
        Base::Missing { asked } => Err(format!(
            "base task definition {asked} does not exist: register it (aws ecs register-task-definition)"
        )),
    };
    match rendered {
        Ok(body) => Decision::act(
            stage,
            Write::RegisterTaskDefinition {
                digest: wanted.digest.clone(),
                body: add(body),
            },
        ),
        Err(what) => Decision::hold(recorded_stage(view), Hold::BaseUnusable { what }),
    }
}

/// Beside a living or half-dead service, a new one never starts on a group that has weight: the empty group's weight
/// goes first, the other's number stays.
fn leave_weight(view: &View<'_>, side: Side) -> Option<Write> {
    if view.live_on(side.other()).is_empty() || view.tuning.without(ablation::Rule::EmptyGroupFirst)
    {
        return None;
    }
    to_zero(view, side, |weight| weight.is_some_and(|weight| weight > 0))
}

/// The empty group has all the weight of a rule, and the service of the other group may turn out to live: then the
/// weight goes there first. Nothing new ever starts under traffic that somebody else could serve. A task that was
/// healthy a look ago and is being replaced proves no death.
fn may_take_over<'a>(view: &View<'a>, side: Side) -> Option<&'a Service> {
    if view.production_weight(side) == 0 || view.tuning.without(ablation::Rule::EmptyGroupFirst) {
        return None;
    }
    let dead = view.group_vital(side.other()) == Vital::Dead;
    let mut others = view.live_on(side.other()).into_iter();
    others.find(|other| other.desired > 0).filter(|_| !dead)
}

/// No rule names the group, and none has a weight to keep beside it: a sum of zero is never written, and weight never
/// rises on a group that nobody checked.
pub(super) fn unnameable(view: &View<'_>, side: Side) -> Option<Hold> {
    if view.tuning.without(ablation::Rule::ReferenceFirst) {
        return None;
    }
    let group = match view.groups[side.index()] {
        Some(_) => resource(view.unnamed(side)?.as_str()),
        None => view.group_name(side),
    };
    Some(Hold::GroupUnnamed {
        group: group.to_owned(),
    })
}

/// ECS accepts a service only on a group that a rule names, and its targets are health-checked only there: weight 0 is
/// enough.
pub(super) fn reference(view: &View<'_>, side: Side) -> Option<Write> {
    if view.tuning.without(ablation::Rule::ReferenceFirst) {
        return None;
    }
    to_zero(view, side, |weight| weight.is_none())
}
