//! The record that goes with a decision: written before the write whose meaning depends on it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use crd_schema::record::{
    Ended, GateRun, KEPT_HISTORY, KEPT_REJECTIONS, Outcome, Record, Rejection, Release, Rollout,
    Stage, StepProgress,
};

use crate::holds;
use crate::memory::Memory;
use crate::release::{Wanted, group_name, service_name, task_definition};
use crate::rollout::{AtGate, Decision};
use crate::scaling::Change;
use crate::target::{Aim, Course, ToCreate};
use crate::time::{Now, instant_after};
use crate::view::{View, runs};
use crate::world::{Base, Group, Origin, Service, ServiceStatus};
use crate::write::Write;

/// Longest reason that is kept, in characters.
const REASON: usize = 200;

/// What the record should say now.
pub(crate) fn record(view: &View<'_>, aim: &Aim<'_>, decision: &Decision) -> Record {
    let mut record = view.record().clone();
    if let (Some(reason), Some(wanted)) = (&decision.reject, &view.wanted) {
        reject(view, &mut record, wanted, reason);
        return record;
    }
    match aim {
        Aim::Hold(_) => {}
        Aim::Nothing => close(view, &mut record, true),
        // Somebody deleted what this rollout created: its name is seen now, and may not be once there is room again.
        Aim::MakeRoom { .. } => never_the_same_name(view, &mut record),
        Aim::Create {
            what: ToCreate::Wanted,
            ..
        } => {
            begin_or_go_on(view, &mut record, decision.stage, None);
            never_the_same_name(view, &mut record);
            gate(view, &mut record, decision);
        }
        Aim::Create {
            what: ToCreate::LastGood,
            ..
        } => {
            enter(view, &mut record, Stage::RollBack);
            never_the_same_name(view, &mut record);
        }
        Aim::Update {
            what: ToCreate::Wanted,
            ..
        } => {
            begin_or_go_on(view, &mut record, decision.stage, None);
            gate(view, &mut record, decision);
        }
        Aim::Update {
            what: ToCreate::LastGood,
            ..
        } => enter(view, &mut record, Stage::RollBack),
        Aim::Serve { service, .. } if decision.stage == Stage::Settled => {
            end(view, &mut record, service)
        }
        Aim::Serve {
            service,
            course: Course::Forward,
        } => {
            begin_or_go_on(view, &mut record, decision.stage, Some(service));
            if let Some(step) = decision.step {
                stand(view, &mut record, step);
            }
            carried(view, &mut record, service);
            gate(view, &mut record, decision);
        }
        Aim::Serve {
            service,
            course: Course::Back | Course::Finish | Course::Clear,
        } => {
            remember_what_leaves(view, &mut record, service);
            enter(view, &mut record, decision.stage);
            gate(view, &mut record, decision);
        }
    }
    scale_in(view, aim, &mut record, decision);
    record
}

/// How people had scale-in, from before it is suspended until it is so again.
fn scale_in(view: &View<'_>, aim: &Aim<'_>, record: &mut Record, decision: &Decision) {
    let Some(all) = view.world.scaling.value() else {
        return;
    };
    let suspends = match &decision.write {
        Some(Write::SetScaling { name, change }) => match change {
            // What it is copied from, which nobody has touched yet.
            Change::Register { suspended, .. } if suspended.scale_in => Some(
                all.iter()
                    .any(|(other, known)| other != name && known.suspended.scale_in),
            ),
            Change::Suspend(suspended) if suspended.scale_in => Some(false),
            Change::Register { .. }
            | Change::Suspend(_)
            | Change::PutPolicy { .. }
            | Change::PutAction { .. }
            | Change::Deregister => None,
        },
        Some(_) | None => None,
    };
    if let Some(before) = suspends {
        record.scale_in_suspended.get_or_insert(before);
    }
    if let Aim::Serve { service, .. } = aim
        && decision.stage == Stage::Settled
        && decision.write.is_none()
        && view.record().rollout.is_none()
    {
        let known = all.get(&service.name).map(|known| known.suspended.scale_in);
        if known.is_none() || known == record.scale_in_suspended {
            record.scale_in_suspended = None;
        }
    }
}

fn reject(view: &View<'_>, record: &mut Record, wanted: &Wanted, reason: &str) {
    let reason: String = reason.chars().take(REASON).collect();
    record
        .rejected
        .retain(|rejection| rejection.generation != wanted.generation);
    record.rejected.push(Rejection {
        generation: wanted.generation,
        version: wanted.version.clone(),
        reason,
        aborted: view.aborted(),
    });
    let surplus = record.rejected.len().saturating_sub(KEPT_REJECTIONS);
    record.rejected.drain(..surplus);
}

/// From now on its clocks stand still.
pub(crate) fn pause(view: &View<'_>, record: &mut Record) {
    if let Some(rollout) = &mut record.rollout {
        rollout.paused.get_or_insert(view.now.wall);
    }
}

/// The newest record known. No stage and no step grew older while a person held it.
pub(crate) fn resumed(memory: &Memory, now: Now) -> Cow<'_, Record> {
    let paused = holds::pause(memory);
    let rollout = memory.record.rollout.as_ref().filter(|_| paused.is_none());
    let Some(since) = rollout.and_then(|rollout| rollout.paused) else {
        return Cow::Borrowed(&memory.record);
    };
    let mut record = memory.record.clone();
    if let Some(rollout) = &mut record.rollout {
        go_on(rollout, now.elapsed_since(since));
    }
    Cow::Owned(record)
}

fn go_on(rollout: &mut Rollout, held: Duration) {
    rollout.paused = None;
    for began in rollout.entered.values_mut() {
        *began = instant_after(*began, held);
    }
    if let Some(step) = &mut rollout.step {
        step.since = instant_after(step.since, held);
    }
}

/// A rollout of the wish is on its way, in this stage.
fn begin_or_go_on(view: &View<'_>, record: &mut Record, stage: Stage, service: Option<&Service>) {
    let Some(wanted) = &view.wanted else { return };
    if let Some(rollout) = &mut record.rollout
        && rollout.release.digest == wanted.digest
        && rollout.release.generation != wanted.generation
        && rollout.stage != Stage::RollBack
        && view.rejection(rollout.release.generation).is_none()
    {
        // The same content wished for once more goes on where it is, and its stage has all its time again.
        rollout.release.generation = wanted.generation;
        rollout.entered = BTreeMap::from([(rollout.stage, view.now.wall)]);
    }
    let same = record.rollout.as_ref().is_some_and(|rollout| {
        rollout.release.digest == wanted.digest && rollout.release.generation == wanted.generation
    });
    if !same {
        close(view, record, false);
        record.created += u32::from(service.is_none() && view.in_place().is_none());
        record.rollout = Some(Rollout {
            release: release(wanted),
            stage,
            entered: BTreeMap::new(),
            reference: 0,
            step: None,
            gates: BTreeMap::new(),
            paused: None,
            deployment: None,
            base: None,
        });
    }
    let blue = view
        .live()
        .into_iter()
        .filter(|s| !runs(s, &wanted.digest))
        .max_by_key(|s| s.desired);
    if let Some(rollout) = &mut record.rollout {
        rollout.reference = view.reference(blue);
        if service.is_none() && rollout.base.is_none() {
            rollout.base = usable_base(view, wanted);
        }
    }
    enter(view, record, stage);
}

fn release(wanted: &Wanted) -> Release {
    Release {
        digest: wanted.digest.clone(),
        version: wanted.version.clone(),
        generation: wanted.generation,
        task_definition: None,
    }
}

/// The base that this rollout keeps to. One that the wish cannot be rendered from is not kept: a better revision of it
/// is what the rollout waits for.
fn usable_base(view: &View<'_>, wanted: &Wanted) -> Option<String> {
    match view.world.base.value()? {
        Base::Found {
            revision,
            definition,
        } => task_definition(view.application, revision, definition, wanted)
            .is_ok()
            .then(|| revision.clone()),
        Base::Missing { .. } => None,
    }
}

/// Later stages than this one start their clocks anew when they come; earlier ones keep theirs.
fn enter(view: &View<'_>, record: &mut Record, stage: Stage) {
    let Some(rollout) = &mut record.rollout else {
        return;
    };
    rollout.stage = stage;
    if stage != Stage::RollBack {
        rollout.entered.retain(|entered, _| *entered <= stage);
        rollout.step = rollout.step.filter(|_| stage >= Stage::Shift);
    }
    // A start in the future, since the clock was set back, would make the stage last as long as the clock lacks.
    let began = rollout.entered.entry(stage).or_insert(view.now.wall);
    *began = view.now.wall.min(*began);
}

/// This step of the strategy runs.
fn stand(view: &View<'_>, record: &mut Record, step: usize) {
    let (Some(rollout), Ok(index)) = (&mut record.rollout, u32::try_from(step)) else {
        return;
    };
    let before = rollout.step.filter(|before| before.index == index);
    let since = before.map_or(view.now.wall, |before| before.since);
    rollout.step = Some(StepProgress {
        index,
        since: since.min(view.now.wall),
    });
    // Of the gates that steps name, only that of the step that runs is remembered: that the others passed, the step tells.
    let here = format!("@{step}");
    rollout
        .gates
        .retain(|place, _| !place.contains('@') || place.ends_with(&here));
}

/// The deployment that carries the release was seen: from now on nobody but somebody else takes it back.
fn carried(view: &View<'_>, record: &mut Record, service: &Service) {
    if let Some(rollout) = &mut record.rollout
        && view.in_place().is_some()
    {
        rollout.deployment.clone_from(&service.deployments.primary);
    }
}

/// A gate begins, or has passed.
fn gate(view: &View<'_>, record: &mut Record, decision: &Decision) {
    let Some(rollout) = &mut record.rollout else {
        return;
    };
    let (place, passed) = match &decision.gate {
        Some(AtGate::Begin(place)) => (place, false),
        Some(AtGate::Pass(run)) => (&run.place, true),
        Some(AtGate::Run(_)) | None => return,
    };
    let began = view.now.wall;
    let begun = GateRun { began, passed };
    let run = rollout.gates.entry(place.clone()).or_insert(begun);
    run.passed |= passed;
}

/// The names that would be created next, of the wish or of the last good release, are ones that AWS has not shown yet,
/// in any state.
fn never_the_same_name(view: &View<'_>, record: &mut Record) {
    let wish = view.wanted.as_ref().map(release);
    let releases = wish.iter().chain(&record.last_good);
    let taken = |created: u32| {
        releases.clone().any(|release| {
            let Release {
                digest,
                version,
                generation,
                task_definition: _,
            } = release;
            let name = service_name(view.application, version, digest, *generation, created);
            let group = group_name(view.application, digest, *generation, created);
            let gone = |s: &&Service| s.status != ServiceStatus::Active || !s.tags.ours;
            let mut services = view.services.iter().filter(gone);
            services.any(|service| service.name == name) || group_taken(view, &group)
        })
    };
    let mut created = record.created;
    while taken(created) {
        created += 1;
    }
    if created != record.created {
        record.created = created;
        if let Some(rollout) = &mut record.rollout {
            rollout.entered = BTreeMap::from([(rollout.stage, view.now.wall)]);
            // What they tested is gone.
            rollout.gates.clear();
        }
    }
}

/// A group of this name exists and cannot be the next service's.
fn group_taken(view: &View<'_>, name: &str) -> bool {
    let named =
        |group: &Group| matches!(&group.origin, Origin::Ours { name: held } if held == name);
    view.own.taken.contains(name) || view.own.spares.iter().any(named)
}

/// A lost record of a rollout that is being undone: what leaves is what was rolled out.
fn remember_what_leaves(view: &View<'_>, record: &mut Record, stays: &Service) {
    if record.rollout.is_some() {
        return;
    }
    let Some(leaves) = view
        .live()
        .into_iter()
        .find(|service| service.name != stays.name)
    else {
        return;
    };
    record.rollout = released(leaves).map(|release| Rollout {
        release,
        stage: Stage::RollBack,
        entered: BTreeMap::new(),
        reference: 0,
        step: None,
        gates: BTreeMap::new(),
        paused: None,
        deployment: None,
        base: None,
    });
}

fn released(service: &Service) -> Option<Release> {
    Some(Release {
        digest: service.tags.release.clone()?,
        version: service.tags.version.clone().unwrap_or_default(),
        generation: service.tags.generation?,
        task_definition: Some(service.task_definition.clone()),
    })
}

/// `service` serves alone: the rollout, if there was one, has ended.
fn end(view: &View<'_>, record: &mut Record, service: &Service) {
    close(view, record, true);
    let bad = service
        .tags
        .generation
        .is_some_and(|generation| view.rejection(generation).is_some());
    let known = record
        .last_good
        .as_ref()
        .is_some_and(|good| Some(&good.digest) == service.tags.release.as_ref());
    if !bad && !known && view.alive(service) {
        record.last_good = released(service).or_else(|| as_wished(view, service));
    }
}

/// A service that runs the wish, and does not say by which one it came to it.
fn as_wished(view: &View<'_>, service: &Service) -> Option<Release> {
    let wanted = view.wanted.as_ref()?;
    let runs_it = view.in_place().is_some() && runs(service, &wanted.digest);
    runs_it.then(|| Release {
        task_definition: Some(service.task_definition.clone()),
        ..release(wanted)
    })
}

/// The rollout has come to its end, or a newer one takes its place.
fn close(view: &View<'_>, record: &mut Record, at_its_end: bool) {
    let Some(rollout) = record.rollout.take() else {
        return;
    };
    let Release {
        digest,
        version,
        generation,
        task_definition: _,
    } = rollout.release;
    let serves = |service: &&Service| runs(service, &digest) && view.has_all(service);
    // What is updated in place runs a release before it has shown that it does.
    let shown = at_its_end || view.in_place().is_none();
    let serves = shown && view.live().iter().any(serves);
    let aborted = record
        .rejected
        .iter()
        .any(|rejection| rejection.generation == generation && rejection.aborted);
    let outcome = if aborted {
        Outcome::Aborted
    } else if view.rejection(generation).is_some() {
        Outcome::RolledBack
    } else if serves {
        Outcome::Succeeded
    } else if view
        .wanted
        .as_ref()
        .is_some_and(|wanted| view.live().iter().any(|s| runs(s, &wanted.digest)))
    {
        Outcome::Aborted
    } else {
        Outcome::Superseded
    };
    let began = rollout
        .entered
        .values()
        .min()
        .copied()
        .unwrap_or(view.now.wall);
    record.history.push(Ended {
        generation,
        version,
        outcome,
        began,
        ended: view.now.wall,
    });
    let surplus = record.history.len().saturating_sub(KEPT_HISTORY);
    record.history.drain(..surplus);
}
