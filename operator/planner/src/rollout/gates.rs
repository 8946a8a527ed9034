//! Gates: a release goes on when each has passed, and fails when one has failed. What could not be told is waited for,
//! at most until the stage's deadline.

use crd_schema::GateName;
use crd_schema::gate::{self, Check, Gate};
use crd_schema::record::{GateRun, Release, Stage};
use crd_schema::strategy::Step;

use crate::ablation;
use crate::gate::{Run, Verdict};
use crate::release::{self, Wanted};
use crate::report::WaitingOn;
use crate::view::{View, runs};

use super::deadline::{deadline, entered, late};
use super::decision::{AtGate, Decision};

/// The first gate before `boundary` that has not passed. The wait for it belongs to `stage`.
pub(super) fn before(view: &View<'_>, boundary: Stage, stage: Stage) -> Option<Decision> {
    let gates = gate::before(&view.application.gates, boundary);
    let mut open = gates.filter_map(|(name, gate)| {
        let place = GateRun::place(name, None);
        closed(view, stage, name, gate, (place, Some(boundary)))
    });
    open.next()
}

/// The first test at roll-back that has not ended. Traffic is back by then: the removal of what failed is all that waits
/// for it, whatever it says, and that at most until the stage's deadline.
pub(super) fn at_roll_back(view: &View<'_>) -> Option<Decision> {
    let stage = Stage::RollBack;
    let rollout = view.record().rollout.as_ref();
    let rollout = rollout.filter(|rollout| rollout.stage == stage)?;
    let over = deadline(view, stage).is_none_or(|end| view.now.wall >= end);
    if over || view.tuning.without(ablation::Rule::UndoneFirst) {
        return None;
    }
    let mut gates = gate::before(&view.application.gates, stage);
    gates.find_map(|(name, gate)| {
        let place = GateRun::place(name, None);
        let Some(begun) = rollout.gates.get(&place) else {
            return Some(begin(stage, place));
        };
        if begun.passed {
            return None;
        }
        let Release {
            digest, version, ..
        } = &rollout.release;
        let run = Run {
            key: release::gate_key(view.application, digest, &place, begun.began),
            name: name.clone(),
            version: version.clone(),
            gate: gate.clone(),
            task_definition: view.revision(digest).map(|revision| revision.arn.clone()),
            service: serves(view, digest),
            before: Some(stage),
            place,
        };
        Some(match verdict(view, &run) {
            // A failure says what a person must look at; it keeps nothing alive.
            Some(Verdict::Passed | Verdict::Failed { .. }) => passed(stage, run),
            Some(Verdict::Unclear { reason }) => waiting(stage, run, reason),
            None => waiting(stage, run, "it begins".to_owned()),
        })
    })
}

fn begin(stage: Stage, place: String) -> Decision {
    Decision {
        gate: Some(AtGate::Begin(place)),
        ..Decision::wait(stage, WaitingOn::OwnStep)
    }
}

fn passed(stage: Stage, run: Run) -> Decision {
    Decision {
        gate: Some(AtGate::Pass(Box::new(run))),
        ..Decision::wait(stage, WaitingOn::OwnStep)
    }
}

/// The gate that a step names, until it has passed.
pub(super) fn at_step(view: &View<'_>, name: &GateName, step: usize) -> Option<Decision> {
    // One that is not described any more asks for nothing.
    let gate = view.application.gates.get(name)?;
    let place = GateRun::place(name, Some(step));
    closed(view, Stage::Shift, name, gate, (place, None))
}

/// The first step before `end` whose gate has not passed.
pub(super) fn closed_before(view: &View<'_>, end: usize) -> Option<usize> {
    if view.tuning.without(ablation::Rule::Gates) {
        return None;
    }
    let steps = view.application.strategy.steps.iter().take(end);
    let closed = |(step, what): (usize, &Step)| {
        let Step::Gate(name) = what else {
            return false;
        };
        let place = GateRun::place(name, Some(step));
        let passed = view.gate_run(&place).is_some_and(|run| run.passed);
        !passed && view.application.gates.contains_key(name)
    };
    steps.enumerate().position(closed)
}

/// What is to be done while the gate has not passed.
fn closed(
    view: &View<'_>,
    stage: Stage,
    name: &GateName,
    gate: &Gate,
    (place, before): (String, Option<Stage>),
) -> Option<Decision> {
    if view.tuning.without(ablation::Rule::Gates) {
        return None;
    }
    let Some(begun) = view.gate_run(&place) else {
        return Some(begin(stage, place));
    };
    if begun.passed && !view.tuning.without(ablation::Rule::PassedOnce) {
        return None;
    }
    // The load balancer's nodes follow the last weights first: a test that goes to blue says nothing.
    let settle = view.application.clean_up.settle;
    // Where the clock was set back since, what the gate belongs to says since when; its start was set back with it.
    let step = view.step().map(|(_, since)| since);
    let known = step
        .filter(|_| before.is_none())
        .or_else(|| entered(view, stage));
    let ahead = begun.began > view.now.wall;
    let began = known.filter(|_| ahead).unwrap_or(begun.began);
    let left = settle.saturating_sub(view.now.elapsed_since(began));
    if stage >= Stage::Validate && !left.is_zero() {
        let until = Some(view.now.mono + left);
        return Some(Decision::wait_until(stage, WaitingOn::Settle, until));
    }
    let Wanted {
        digest, version, ..
    } = view.wanted.as_ref()?;
    let run = Run {
        key: release::gate_key(view.application, digest, &place, begun.began),
        name: name.clone(),
        version: version.clone(),
        gate: gate.clone(),
        task_definition: view.revision(digest).map(|revision| revision.arn.clone()),
        service: serves(view, digest),
        before,
        place,
    };
    Some(match verdict(view, &run) {
        Some(Verdict::Passed) => passed(stage, run),
        // What it came to is not forgotten before it is written down.
        Some(Verdict::Failed { reason }) => Decision {
            gate: Some(AtGate::Run(Box::new(run))),
            ..Decision::reject(stage, format!("gate {name} failed: {reason}"))
        },
        Some(Verdict::Unclear { reason }) => {
            let cause = format!("gate {name}: {reason}");
            late(view, stage, &cause).unwrap_or_else(|| waiting(stage, run, reason))
        }
        // This process has not looked yet: it may have passed while nobody did.
        None => waiting(stage, run, "it begins".to_owned()),
    })
}

/// The service that runs the release.
fn serves(view: &View<'_>, digest: &str) -> Option<String> {
    let mut live = view.live().into_iter();
    let service = live.find(|service| runs(service, digest))?;
    Some(service.arn.clone())
}

fn waiting(stage: Stage, run: Run, so_far: String) -> Decision {
    let gate = run.place.clone();
    let waiting = match run.gate.check {
        Check::Approval => WaitingOn::Approval { gate },
        Check::Http(_) | Check::EcsTask(_) | Check::Lambda(_) | Check::Webhook(_) => {
            WaitingOn::Gate { gate, so_far }
        }
    };
    Decision {
        gate: Some(AtGate::Run(Box::new(run))),
        ..Decision::wait(stage, waiting)
    }
}

/// What the run has come to: what a person said, or what runs it told.
fn verdict(view: &View<'_>, run: &Run) -> Option<Verdict> {
    match run.gate.check {
        Check::Approval if view.approved(&run.place) => Some(Verdict::Passed),
        Check::Approval => Some(Verdict::Unclear {
            reason: "nobody has approved it".to_owned(),
        }),
        Check::Http(_) | Check::EcsTask(_) | Check::Lambda(_) | Check::Webhook(_) => {
            view.world.verdicts.get(&run.key).cloned()
        }
    }
}
