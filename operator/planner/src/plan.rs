//! One reconcile's decision.

use std::time::Duration;

use crd_schema::Application;
use crd_schema::record::{Record, Stage};
use crd_schema::strategy::Step;

use crate::ablation;
use crate::bookkeeping;
use crate::freeze;
use crate::gate::Run;
use crate::holds;
use crate::memory::Memory;
use crate::release;
use crate::report::{
    Hold, ReleaseReport, Report, RuleReport, ServiceReport, StepReport, WaitingOn,
};
use crate::rollout::{self, AtGate, Decision};
use crate::target::{Aim, Course, ToCreate, aim};
use crate::time::{Mono, Now, instant_after};
use crate::tuning::Tuning;
use crate::view::{View, Vital, rule_name, runs, weights};
use crate::watch::Watch;
use crate::world::{DesiredParameter, Read, Service, ServiceStatus, Side, World};
use crate::write::{Weights, Write};

/// At most one write, what is waited for, and when to look again.
#[must_use = "a plan that is not enacted or reported is lost"]
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The next write; none while waiting.
    pub step: Option<Write>,
    /// A test to be run meanwhile; what came of it stands in the next world. None: none is to run.
    pub gate: Option<Run>,
    /// What is to be watched meanwhile; what came of it stands in the next world.
    pub watches: Vec<Watch>,
    /// What to tell people.
    pub report: Report,
    /// Look again after this long, at the latest.
    pub next_check: Duration,
    /// When it was made; the executor refuses old ones.
    pub made: Mono,
}

/// Decides the next step of one application.
///
/// Pure and total: the same arguments give the same plan, and every world has one. `memory` must have absorbed
/// `world` ([`Memory::absorb`]).
///
/// # Guarantees
/// At most one write. Unknown is unsafe: with a part unread, an own write unseen or an outcome unknown, it waits.
pub fn plan(
    application: &Application,
    world: &World,
    memory: &Memory,
    tuning: &Tuning,
    now: Now,
) -> Plan {
    // Its clocks went on before anything is decided by them.
    let record = bookkeeping::resumed(memory, now);
    let view = match view(application, world, memory, &record, tuning, now) {
        Ok(view) => view,
        Err(waiting) => return blind(memory, tuning, now, waiting),
    };
    let aim = aim(&view);
    let (decision, next) = decide(&view, &aim);
    let decision = patient(&view, with_record(&view, decision, next));
    let report = report(&view, &aim, &decision);
    let next_check = next_check(&view, &decision);
    let gate = match decision.gate {
        Some(AtGate::Run(run) | AtGate::Pass(run)) => Some(*run),
        Some(AtGate::Begin(_)) | None => None,
    };
    Plan {
        step: decision.write,
        gate,
        watches: rollout::watches(&view, &aim),
        report,
        next_check,
        made: now.mono,
    }
}

/// What can be decided on, or what is missing.
fn view<'a>(
    application: &'a Application,
    world: &'a World,
    memory: &'a Memory,
    record: &'a Record,
    tuning: &'a Tuning,
    now: Now,
) -> Result<View<'a>, WaitingOn> {
    let record_unread = match (&world.record, memory.clean_start) {
        (Read::Unread { reason }, None) => Some(("record", reason)),
        (Read::Unread { .. } | Read::Known { .. }, _) => None,
    };
    let desired_unread = match (&world.desired, &memory.desired) {
        (Read::Unread { reason }, None) => Some(("desired value", reason)),
        (Read::Unread { .. } | Read::Known { .. }, _) => None,
    };
    let intents_unread = match (&world.intents, &memory.intents) {
        (Read::Unread { reason }, None) => Some(("intents", reason)),
        (Read::Unread { .. } | Read::Known { .. }, _) => None,
    };
    let missing = record_unread
        .or(desired_unread)
        .or(intents_unread)
        .or(unread("services", &world.services));
    let none = tuning
        .without(ablation::Rule::UnreadRules)
        .then_some(&[][..]);
    let rules = world.rules.value().map(Vec::as_slice).or(none);
    let missing = match rules {
        Some(_) => missing,
        None => missing.or(unread("listener rules", &world.rules)),
    };
    let missing = world.groups.iter().fold(missing, |missing, group| {
        missing.or(unread("target groups", group))
    });
    let missing = missing.or(unread("target groups", &world.own));
    let (Some(services), Some(rules), [Some(a), Some(b)], Some(own), None) = (
        world.services.value(),
        rules,
        [world.groups[0].value(), world.groups[1].value()],
        world.own.value(),
        missing,
    ) else {
        let what = missing.map_or_else(
            || "the world".to_owned(),
            |(part, reason)| format!("{part}: {reason}"),
        );
        return Err(WaitingOn::Observation { what });
    };
    let wanted = match &memory.wish {
        Some((generation, desired)) => Some(
            release::wanted(application, *generation, desired)
                .map_err(|reason| WaitingOn::Hold(Hold::DesiredInvalid { reason }))?,
        ),
        None => None,
    };
    let view = View {
        application,
        world,
        memory,
        record,
        tuning,
        now,
        rules,
        services,
        groups: [a.as_ref(), b.as_ref()],
        own,
        wanted,
        frozen: None,
    };
    let frozen = freeze::holding(&view);
    Ok(View { frozen, ..view })
}

fn unread<'a, T>(part: &'static str, read: &'a Read<T>) -> Option<(&'static str, &'a String)> {
    match read {
        Read::Unread { reason } => Some((part, reason)),
        Read::Known { .. } => None,
    }
}

/// Repair of dead traffic first, then what needs a person, then the aim.
fn decide(view: &View<'_>, aim: &Aim<'_>) -> (Decision, Record) {
    let unchanged = || view.record().clone();
    let stage = view
        .record()
        .rollout
        .as_ref()
        .map_or(Stage::Settled, |rollout| rollout.stage);
    if let Some(hold) = holds::structure(view) {
        return (Decision::hold(stage, hold), unchanged());
    }
    if let Some(repair) = rollout::repair(view) {
        let record = if repair.reject.is_some() {
            bookkeeping::record(view, aim, &repair)
        } else {
            unchanged()
        };
        return (repair, record);
    }
    let abort_first = !view.tuning.without(ablation::Rule::AbortFirst);
    if let Some(abort) = rollout::abort(view).filter(|_| abort_first) {
        let record = bookkeeping::record(view, aim, &abort);
        return (abort, record);
    }
    if let Some(failed) = rollout::failed(view, aim) {
        let record = bookkeeping::record(view, aim, &failed);
        return (failed, record);
    }
    if let Some(decision) = rollout::stranded(view) {
        return (decision, unchanged());
    }
    if let Some(hold) = holds::person(view) {
        let kept_up = rollout::revive(view, stage);
        let held = || Decision::hold(stage, hold);
        return (kept_up.unwrap_or_else(held), unchanged());
    }
    let decision = frozen(view, rollout::towards(view, aim));
    let decision = rollout::scaling(view, aim, decision);
    if let Some(pause) = paused(view, aim, &decision) {
        let mut record = unchanged();
        bookkeeping::pause(view, &mut record);
        // What has traffic and sleeps comes first in every other case too.
        let kept_up = rollout::revive(view, stage);
        let held = || Decision::hold(stage, pause);
        return (kept_up.unwrap_or_else(held), record);
    }
    if let Some(waiting) = holds::before(view, &decision) {
        // A test that runs goes on meanwhile.
        let gate = decision.gate.clone();
        let waits = Decision {
            gate,
            ..Decision::wait(stage, waiting)
        };
        return (waits, unchanged());
    }
    let record = bookkeeping::record(view, aim, &decision);
    (decision, record)
}

/// Nothing else is to be done, and a wish waits for the end of a freeze.
fn frozen(view: &View<'_>, decision: Decision) -> Decision {
    let idle = decision.write.is_none() && decision.waiting == WaitingOn::Nothing;
    let Some(frozen) = view.frozen.clone().filter(|_| idle) else {
        return decision;
    };
    let ends = frozen.until.as_ref().map(|until| until.timestamp());
    Decision {
        until: ends.map(|ends| view.now.mono + view.now.left_until(ends)),
        waiting: WaitingOn::Frozen(frozen),
        ..decision
    }
}

/// A person holds the application: a release makes no progress; what serves is kept up, and the way back is open.
fn paused(view: &View<'_>, aim: &Aim<'_>, decision: &Decision) -> Option<Hold> {
    let forward = match aim {
        Aim::Create { what, .. } | Aim::Update { what, .. } => *what == ToCreate::Wanted,
        Aim::Serve { course, .. } => matches!(course, Course::Forward | Course::Finish),
        Aim::MakeRoom { .. } => true,
        Aim::Nothing | Aim::Hold(_) => false,
    };
    let keeps_up =
        matches!(&decision.write, Some(Write::ScaleService { from, to, .. }) if to > from);
    let settled = decision.stage == Stage::Settled && view.record().rollout.is_none();
    let held_up = forward && !keeps_up && !settled;
    holds::pause(view.memory).filter(|_| held_up)
}

/// The record is written before the write whose meaning depends on it; and before any write it no longer says that
/// all is handed over.
fn with_record(view: &View<'_>, decision: Decision, next: Record) -> Decision {
    // A standard parameter takes 4 KB, and more is refused: what is planned is what can be written, and read back.
    let next = if next == view.memory.record {
        next
    } else {
        next.fitted()
    };
    let differs = next != view.memory.record
        || (view.memory.record_generation.is_none() && worth_writing(&next));
    let claims_clean = view.record().clean && decision.write.is_some();
    // Traffic first: it does not wait for a record that is refused. But the next process believes one that says that all
    // is handed over: where it does, only what nothing lives for does not wait.
    let skip = view.memory.record_refused
        && match &decision.write {
            Some(write @ Write::SetWeights { .. }) => {
                !claims_clean || (write.moves_traffic() && is_repair(view, write))
            }
            Some(_) | None => false,
        };
    let late = view.tuning.without(ablation::Rule::RecordFirst) && decision.write.is_some();
    if (differs || claims_clean) && !skip && !late {
        let write = Write::PutRecord(Box::new(Record {
            clean: false,
            ..next
        }));
        return Decision {
            write: Some(write),
            waiting: WaitingOn::OwnStep,
            until: None,
            ..decision
        };
    }
    decision
}

fn worth_writing(record: &Record) -> bool {
    *record != Record::default()
}

/// A step waits for what an earlier write may still do.
fn patient(view: &View<'_>, decision: Decision) -> Decision {
    let Some(write) = &decision.write else {
        return decision;
    };
    let wait = |waiting: WaitingOn, until: Option<Mono>| Decision {
        write: None,
        waiting,
        until,
        ..decision.clone()
    };
    if let Some(unseen) = view.memory.unseen_write(view.world, write) {
        return wait(
            WaitingOn::ReadYourWrites {
                what: unseen.describe(),
            },
            None,
        );
    }
    if let Some(sent) = &view.memory.outstanding {
        let until = sent.since + view.tuning.quiescence;
        return wait(
            WaitingOn::OutstandingWrite {
                what: sent.write.describe(),
            },
            Some(until),
        );
    }
    let start = view.memory.start_bound(view.tuning, write.is_destructive());
    if view.now.mono < start {
        return wait(WaitingOn::StartBound, Some(start));
    }
    let late = view.memory.undone_until(write, view.tuning);
    if let Some(late) = late.filter(|_| !is_repair(view, write)) {
        return wait(
            WaitingOn::OutstandingWrite {
                what: late.write.describe(),
            },
            Some(late.until),
        );
    }
    decision
}

/// It moves traffic of a rule for which nothing lives: that waits for nobody.
fn is_repair(view: &View<'_>, write: &Write) -> bool {
    match write {
        Write::SetWeights { rule, .. } => view
            .rules
            .iter()
            .any(|known| known.target == *rule && view.outage(known)),
        Write::PutRecord(_)
        | Write::RegisterTaskDefinition { .. }
        | Write::CreateTargetGroup { .. }
        | Write::SetGroupAttributes { .. }
        | Write::CreateService { .. }
        | Write::ScaleService { .. }
        | Write::UpdateService { .. }
        | Write::TagService { .. }
        | Write::DeleteService { .. }
        | Write::DeleteTargetGroup { .. }
        | Write::DeregisterTaskDefinition { .. }
        | Write::SetScaling { .. } => false,
    }
}

fn next_check(view: &View<'_>, decision: &Decision) -> Duration {
    if decision.write.is_some() {
        return Duration::ZERO;
    }
    // A person who promotes or resumes is not kept waiting.
    let held = matches!(&decision.waiting, WaitingOn::Hold(hold) if hold.is_pause());
    let person = held || decision.waiting == WaitingOn::Promotion;
    let settled = decision.stage == Stage::Settled
        && !person
        && view.memory.barriers.is_empty()
        && matches!(
            decision.waiting,
            WaitingOn::Nothing | WaitingOn::Frozen(_) | WaitingOn::Hold(_)
        );
    // While only time passes, health and weights are all that can change, and a health reading sooner than the gap
    // counts for nothing, unless the last ones differ.
    let clear = Side::BOTH
        .iter()
        .filter(|side| view.groups[side.index()].is_some())
        .all(|side| view.group_vital(*side) != Vital::Unclear);
    let passes = (decision.until.is_some() || person) && clear;
    let poll = if settled {
        view.tuning.poll_settled
    } else if passes {
        view.tuning.poll_moving.max(view.tuning.health_gap)
    } else {
        view.tuning.poll_moving
    };
    let until = decision.until.map(|until| until.since(view.now.mono));
    until
        .map_or(poll, |until| until.min(poll))
        .max(Duration::from_millis(50))
}

fn blind(memory: &Memory, tuning: &Tuning, now: Now, waiting_on: WaitingOn) -> Plan {
    let report = Report {
        stage: memory
            .record
            .rollout
            .as_ref()
            .map_or(Stage::Settled, |rollout| rollout.stage),
        waiting_on,
        stage_since: None,
        deadline: None,
        until: None,
        desired: None,
        rejected: None,
        converged: false,
        drifted: false,
        paused: holds::pause(memory),
        step: None,
        rules: Vec::new(),
        services: Vec::new(),
        notes: Vec::new(),
    };
    Plan {
        step: None,
        gate: None,
        watches: Vec::new(),
        report,
        next_check: tuning.poll_moving,
        made: now.mono,
    }
}

fn report(view: &View<'_>, aim: &Aim<'_>, decision: &Decision) -> Report {
    let target = match aim {
        Aim::Serve { service, .. } | Aim::Update { service, .. } => Some(*service),
        Aim::Create { .. } | Aim::MakeRoom { .. } | Aim::Nothing | Aim::Hold(_) => None,
    };
    let asked = asked(view, target.and_then(|service| service.side), decision);
    let rules = view.rules.iter().map(|rule| RuleReport {
        rule: rule_name(&rule.target),
        role: rule.role,
        read: weights(rule).unwrap_or_default(),
        asked: asked.map(Weights::get),
        groups: view
            .groups
            .map(|group| group?.of_route(rule.route).cloned()),
    });
    let services = view
        .services
        .iter()
        .filter(|s| s.tags.ours && s.status != ServiceStatus::Inactive);
    let services = services.map(|service| ServiceReport {
        name: service.name.clone(),
        side: service.side,
        version: service.tags.version.clone(),
        digest: service.tags.release.clone(),
        is_target: target.is_some_and(|target| target.name == service.name),
        // Of one that is updated in place the old tasks serve until the last of them is replaced.
        serving: view.serves(service) && service.outgoing.is_empty(),
        desired: service.desired,
        running: service.running,
        healthy: view.healthy_now(service),
        active: service.status == ServiceStatus::Active,
    });
    let serves_wish = |service: &&crate::world::Service| {
        view.wanted
            .as_ref()
            .is_some_and(|w| runs(service, &w.digest))
    };
    let record = view.record().rollout.as_ref();
    let stage = decision.stage;
    Report {
        stage,
        waiting_on: decision.waiting.clone(),
        stage_since: record.and_then(|rollout| rollout.entered.get(&stage).copied()),
        deadline: rollout::deadline(view, stage),
        until: decision.until,
        desired: view.wanted.as_ref().map(|wanted| ReleaseReport {
            version: wanted.version.clone(),
            digest: wanted.digest.clone(),
            generation: wanted.generation,
        }),
        rejected: view
            .wanted
            .as_ref()
            .and_then(|wanted| view.rejection(wanted.generation)),
        converged: decision.waiting == WaitingOn::Nothing
            && target.as_ref().is_some_and(serves_wish),
        drifted: drifted(view, target, decision),
        paused: holds::pause(view.memory),
        step: step(view, decision),
        rules: rules.collect(),
        services: services.chain(outgoing(view)).collect(),
        notes: notes(view),
    }
}

/// What ECS is about to replace, of a service that is updated in place: the release that was good, or on the way back the one
/// that leaves.
fn outgoing(view: &View<'_>) -> Option<ServiceReport> {
    let service = view.in_place().filter(|one| !one.outgoing.is_empty())?;
    let record = view.record();
    let rolled = record.rollout.as_ref().map(|rollout| &rollout.release);
    let comes = rolled.is_some_and(|release| runs(service, &release.digest));
    let release = if comes {
        record.last_good.as_ref()
    } else {
        rolled
    };
    let tasks = u32::try_from(service.outgoing.len()).unwrap_or(u32::MAX);
    Some(ServiceReport {
        name: service.name.clone(),
        side: service.side,
        version: release.map(|release| release.version.clone()),
        digest: release.map(|release| release.digest.clone()),
        is_target: false,
        serving: view.serves(service),
        desired: tasks,
        running: tasks,
        healthy: view.healthy_outgoing(service),
        active: true,
    })
}

/// The step of the strategy that runs, or the one that was written down last; a pause ends while traffic moves forward.
fn step(view: &View<'_>, decision: &Decision) -> Option<StepReport> {
    let steps = &view.application.strategy.steps;
    let recorded = view.step();
    let index = decision.step.or(recorded.map(|(step, _)| step))?;
    let index = index.min(steps.len());
    let runs = decision.stage == Stage::Shift;
    let since = recorded.filter(|(step, _)| runs && *step == index);
    let until = match (steps.get(index), since) {
        (Some(Step::Pause(Some(time))), Some((_, since))) => Some(instant_after(since, *time)),
        (
            Some(
                Step::Pause(_)
                | Step::SetWeight(_)
                | Step::SetScale(_)
                | Step::Gate(_)
                | Step::Analysis(_),
            )
            | None,
            _,
        ) => None,
    };
    (!steps.is_empty()).then(|| StepReport {
        index,
        of: steps.len(),
        what: steps.get(index).map(ToString::to_string),
        until,
        promotable: decision.waiting == WaitingOn::Promotion
            || decision.waiting == WaitingOn::Pause,
    })
}

/// Production weights, or what runs, are not what they were left at, and no rollout is on its way.
fn drifted(view: &View<'_>, target: Option<&Service>, decision: &Decision) -> bool {
    let side = target.and_then(|service| service.side);
    let off_target =
        decision.stage == Stage::Settled && side.is_some_and(|side| !view.all_on(side));
    // A wish may have come meanwhile: then what is repaired first is drift all the same.
    let puts_back = matches!(
        decision.write,
        Some(Write::SetWeights { .. } | Write::UpdateService { .. })
    );
    let repairs = view.record().rollout.is_none() && puts_back;
    off_target || repairs
}

/// What production rules should say at this point.
fn asked(view: &View<'_>, side: Option<Side>, decision: &Decision) -> Option<Weights> {
    let serving = Side::BOTH.into_iter().find(|side| view.all_on(*side));
    let exists = view.groups.map(|group| group.is_some());
    let step = decision.step.or(view.step().map(|(step, _)| step));
    if let (Stage::Shift, Some(side), Some(step)) = (decision.stage, side, step) {
        return Weights::share(side, view.application.strategy.share_at(step)).of(exists);
    }
    let asked = match decision.stage {
        Stage::ScaleUp | Stage::Validate => serving.or(side),
        Stage::Shift | Stage::Bake | Stage::CleanUp | Stage::RollBack | Stage::Settled => {
            side.or(serving)
        }
    };
    Weights::all_to(asked?).of(exists)
}

fn notes(view: &View<'_>) -> Vec<String> {
    let invalid = match &view.memory.desired {
        Some(DesiredParameter::Invalid { reason, .. }) => {
            Some(format!("the newest desired value cannot be used: {reason}"))
        }
        Some(DesiredParameter::Missing | DesiredParameter::Set { .. }) | None => None,
    };
    let unread = match &view.world.desired {
        Read::Unread { reason } => Some(format!("the desired value could not be read: {reason}")),
        Read::Known { .. } => None,
    };
    let intents = view.memory.intents.iter();
    let unusable = intents.flat_map(|intents| intents.unusable.iter().cloned());
    let told = invalid.into_iter().chain(unread).chain(unusable);
    told.chain(scale_in_suspended(view)).collect()
}

/// Nothing is on its way, and a service takes no task away by itself.
fn scale_in_suspended(view: &View<'_>) -> Option<String> {
    let all = view.world.scaling.value()?;
    let record = view.record();
    let idle = record.rollout.is_none() && record.scale_in_suspended.is_none();
    let live = view.live().into_iter().filter(|_| idle);
    let mut suspended = live.filter(|service| {
        let known = all.get(&service.name);
        known.is_some_and(|known| known.suspended.scale_in)
    });
    let name = &suspended.next()?.name;
    Some(format!("scale-in of service {name} is suspended"))
}
