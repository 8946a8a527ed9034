//! The status document from what one reconcile reported, the record, and what was told before. Pure.
//!
//! Conditions follow kstatus: Ready, Reconciling and Stalled are never true together, and Stalled means that time
//! alone will not help.

use crd_schema::ApplicationName;
use crd_schema::record::{Generation, Record, Stage};
use crd_schema::status::{
    Condition, ConditionType, DesiredRelease, EcsStage, Phase, Rejected, ReleaseName, RuleWeights,
    Serving, Split, Status, StepStatus, Tasks, Truth, WaitingOn, Weights, set_condition,
};
use crd_schema::strategy::Share;
use jiff::Timestamp;
use planner::report::{RuleReport, ServiceReport};
use planner::world::{DesiredParameter, Role};
use planner::{Read, Report, Side, World};

use crate::slot::Spec;

/// Failed reconciles in a row that make an application stalled.
const STALLED_AFTER: u32 = 3;

/// What a status is made from.
pub(crate) struct Facts<'a> {
    pub(crate) name: &'a ApplicationName,
    /// None: no reconcile could report yet.
    pub(crate) report: Option<&'a Report>,
    pub(crate) record: &'a Record,
    /// The newest desired parameter known.
    pub(crate) desired: Option<&'a DesiredParameter>,
    /// The last round of reads.
    pub(crate) world: Option<&'a World>,
    pub(crate) spec: &'a Spec,
    /// Failed reconciles in a row, and why the last one failed.
    pub(crate) errors: u32,
    pub(crate) error: Option<&'a str>,
    /// The status that was told last.
    pub(crate) before: Option<&'a Status>,
    pub(crate) now: Timestamp,
}

/// A reason and its sentence.
type Why = (String, String);

/// The status document. Instants only: time alone changes it in one way, when a deadline passes.
pub(crate) fn document(facts: &Facts<'_>) -> Status {
    let Facts {
        name,
        report,
        record,
        before,
        ..
    } = facts;
    let stage = report.map_or(Stage::Settled, |report| report.stage);
    let stalled = stalled(facts);
    let (blue, green) = colours(facts);
    Status {
        name: name.to_string(),
        phase: phase(facts, stage, stalled.as_ref()),
        stage,
        ecs_stage: EcsStage::of(stage),
        rolling: (facts.spec.application.as_ref()).is_some_and(|known| known.is_rolling()),
        rollout: record
            .rollout
            .as_ref()
            .map(|rollout| rollout.release.generation),
        desired: desired(facts),
        observed_generation: observed(facts),
        serving: report
            .and_then(|report| serving(report, rolled(facts)))
            .or_else(|| before.and_then(|before| before.serving.clone())),
        last_good: record.last_good.as_ref().map(|release| ReleaseName {
            version: release.version.clone(),
            digest: release.digest.clone(),
        }),
        step: report.and_then(step),
        weights: report.map_or_else(Weights::default, |report| weights(report, blue, green)),
        blue: blue.map(tasks),
        green: green.map(tasks),
        waiting_on: waiting_on(facts),
        conditions: conditions(facts, stage, stalled),
        rejected: record.rejected.last().map(|rejection| Rejected {
            generation: rejection.generation,
            version: rejection.version.clone(),
            reason: rejection.reason.clone(),
        }),
        history: record.history.clone(),
    }
}

/// Why time alone will not help, if so.
fn stalled(facts: &Facts<'_>) -> Option<Why> {
    if facts.spec.application.is_none() {
        return spec_problem(facts.spec);
    }
    if facts.errors >= STALLED_AFTER {
        let error = facts.error.unwrap_or("see the log");
        return Some((
            "RepeatedErrors".to_owned(),
            format!("reconciling fails again and again: {error}"),
        ));
    }
    let report = facts.report?;
    if pause(report).is_some() {
        return None;
    }
    if let planner::WaitingOn::Hold(hold) = &report.waiting_on {
        return Some((hold.label().to_owned(), hold.message()));
    }
    // A bake that is over ends by itself; an own step is on its way out of it.
    let acts = report.stage == Stage::Bake || report.waiting_on == planner::WaitingOn::OwnStep;
    let overdue = !acts && report.deadline.is_some_and(|deadline| deadline < facts.now);
    if overdue {
        let message = format!(
            "stage {} is past its deadline: {}",
            report.stage.as_str(),
            report.waiting_on.message()
        );
        return Some(("DeadlinePassed".to_owned(), message));
    }
    if report.stage != Stage::Settled {
        return None;
    }
    let rejected = report.rejected.as_ref().map(|rejected| {
        let message = format!("{rejected}. Write another desired version");
        ("ReleaseRejected".to_owned(), message)
    });
    rejected.or_else(|| refused(facts))
}

/// A person holds a release up: that is no trouble.
fn pause(report: &Report) -> Option<&planner::Hold> {
    let planner::WaitingOn::Hold(hold) = &report.waiting_on else {
        return None;
    };
    Some(hold).filter(|hold| hold.is_pause())
}

/// A release waits for the end of a freeze: time alone helps.
fn frozen(report: Option<&Report>) -> bool {
    report.is_some_and(|report| matches!(report.waiting_on, planner::WaitingOn::Frozen(_)))
}

/// What is written and cannot come into force, spec or desired value; the last good ones hold.
fn refused(facts: &Facts<'_>) -> Option<Why> {
    let desired = || match facts.desired {
        Some(DesiredParameter::Invalid { reason, .. }) => {
            Some(("DesiredInvalid".to_owned(), reason.clone()))
        }
        Some(DesiredParameter::Missing | DesiredParameter::Set { .. }) | None => None,
    };
    spec_problem(facts.spec).or_else(desired)
}

fn spec_problem(spec: &Spec) -> Option<Why> {
    spec.problem
        .as_ref()
        .map(|problem| ("SpecInvalid".to_owned(), problem.clone()))
}

fn phase(facts: &Facts<'_>, stage: Stage, stalled: Option<&Why>) -> Phase {
    let Some(report) = facts.report else {
        return Phase::Holding;
    };
    match (stage, stalled) {
        (Stage::Settled, Some((reason, _))) if reason == "ReleaseRejected" => Phase::Failed,
        (_, Some(_)) => Phase::Holding,
        (_, None) if pause(report).is_some() || frozen(Some(report)) => Phase::Holding,
        (Stage::RollBack, None) => Phase::RollingBack,
        (Stage::Settled, None) if report.converged => Phase::Settled,
        (
            Stage::Settled
            | Stage::ScaleUp
            | Stage::Validate
            | Stage::Shift
            | Stage::Bake
            | Stage::CleanUp,
            None,
        ) => Phase::Progressing,
    }
}

fn desired(facts: &Facts<'_>) -> Option<DesiredRelease> {
    let desired = facts
        .report
        .and_then(|report| report.desired.as_ref())
        .map(|desired| DesiredRelease {
            version: desired.version.clone(),
            generation: desired.generation,
            digest: desired.digest.clone(),
        });
    desired.or_else(|| facts.before.and_then(|before| before.desired.clone()))
}

/// The newest generation that was looked at, be it usable or not.
fn observed(facts: &Facts<'_>) -> Option<Generation> {
    let newest = facts.desired.and_then(|desired| match desired {
        DesiredParameter::Missing => None,
        DesiredParameter::Invalid { generation, .. } | DesiredParameter::Set { generation, .. } => {
            Some(*generation)
        }
    });
    newest.or_else(|| facts.before.and_then(|before| before.observed_generation))
}

/// The service that most production weight goes to; of two with as much, the one that no rollout brings.
fn serving(report: &Report, rolled: Option<&str>) -> Option<Serving> {
    let weight = |service: &&ServiceReport| {
        let side = service.side.map(Side::index);
        let production = report
            .rules
            .iter()
            .filter(|rule| rule.role == Role::Production);
        production
            .filter_map(|rule| rule.read[side?])
            .map(u64::from)
            .sum::<u64>()
    };
    let service = report
        .services
        .iter()
        .filter(|service| service.serving && service.active)
        .max_by_key(|service| (weight(service), service.digest.as_deref() != rolled))?;
    Some(Serving {
        version: service.version.clone().unwrap_or_default(),
        digest: service.digest.clone().unwrap_or_default(),
        service: service.name.clone(),
    })
}

/// The release of the rollout that is on its way, by its digest.
fn rolled<'a>(facts: &Facts<'a>) -> Option<&'a str> {
    let rollout = facts.record.rollout.as_ref();
    rollout.map(|rollout| rollout.release.digest.as_str())
}

/// Blue and green. While settled, what serves is blue.
fn colours<'a>(facts: &Facts<'a>) -> (Option<&'a ServiceReport>, Option<&'a ServiceReport>) {
    let Some(report) = facts.report else {
        return (None, None);
    };
    let rolled = rolled(facts);
    let is_green =
        |service: &&ServiceReport| rolled.is_some() && service.digest.as_deref() == rolled;
    let active = || report.services.iter().filter(|service| service.active);
    (
        active().find(|service| !is_green(service)),
        active().find(is_green),
    )
}

fn step(report: &Report) -> Option<StepStatus> {
    let step = report.step.as_ref()?;
    Some(StepStatus {
        index: u32::try_from(step.index).ok()?,
        of: u32::try_from(step.of).ok()?,
        does: step.what.clone(),
        promotable: step.promotable,
        until: step.until,
    })
}

fn tasks(service: &ServiceReport) -> Tasks {
    Tasks {
        desired: service.desired,
        running: service.running,
        healthy: service.healthy,
    }
}

fn weights(
    report: &Report,
    blue: Option<&ServiceReport>,
    green: Option<&ServiceReport>,
) -> Weights {
    let side = |service: Option<&ServiceReport>| service.and_then(|service| service.side);
    let Some(green) = side(green).or(side(blue).map(Side::other)) else {
        return Weights::default();
    };
    let production = report
        .rules
        .iter()
        .filter(|rule| rule.role == Role::Production);
    let differs = |rule: &&RuleReport| {
        rule.asked.and_then(|asked| split(asked, green)) != split(rule.read, green)
    };
    let asked = production.filter(differs).find_map(|rule| rule.asked);
    let read = |rule: &RuleReport| RuleWeights {
        rule: rule.rule.clone(),
        weights: split(rule.read, green),
    };
    Weights {
        asked: asked.and_then(|weights| split(weights, green)),
        read: report.rules.iter().map(read).collect(),
        more_rules: 0,
    }
}

fn split(weights: [Option<u32>; 2], green: Side) -> Option<Split> {
    let of = |side: Side| u64::from(weights[side.index()].unwrap_or(0));
    let (green, blue) = (of(green), of(green.other()));
    let all = u32::try_from(green + blue).ok().filter(|all| *all > 0)?;
    let green = Share::of(u32::try_from(green).ok()?, all);
    Some(Split {
        blue: green.rest(),
        green,
    })
}

fn waiting_on(facts: &Facts<'_>) -> Option<WaitingOn> {
    let (reason, message, deadline) = match facts
        .report
        .map(|report| (&report.waiting_on, report.deadline))
    {
        None => spec_problem(facts.spec).map(|(reason, message)| (reason, message, None))?,
        Some((planner::WaitingOn::Nothing, _)) => return None,
        Some((planner::WaitingOn::Hold(hold), _)) => {
            (hold.label().to_owned(), hold.message(), None)
        }
        Some((waiting_on @ planner::WaitingOn::Frozen(frozen), _)) => (
            waiting_on.label().to_owned(),
            waiting_on.message(),
            frozen.until.as_ref().map(|until| until.timestamp()),
        ),
        Some((waiting_on, deadline)) => (
            waiting_on.label().to_owned(),
            waiting_on.message(),
            deadline,
        ),
    };
    let before = facts.before.and_then(|before| before.waiting_on.as_ref());
    let since = before
        .filter(|before| before.reason == reason)
        .map_or(facts.now, |before| before.since);
    let gate = match facts.report.map(|report| &report.waiting_on) {
        Some(planner::WaitingOn::Gate { gate, .. } | planner::WaitingOn::Approval { gate }) => {
            Some(gate.clone())
        }
        Some(_) | None => None,
    };
    Some(WaitingOn {
        reason,
        message,
        gate,
        since,
        deadline,
    })
}

fn conditions(facts: &Facts<'_>, stage: Stage, stalled: Option<Why>) -> Vec<Condition> {
    let report = facts.report;
    let converged = report.is_some_and(|report| report.converged);
    let waits = report.map_or_else(
        || {
            (
                "NotObserved".to_owned(),
                "nothing was observed yet".to_owned(),
            )
        },
        |report| {
            (
                report.waiting_on.label().to_owned(),
                format!("waiting for {}", report.waiting_on.message()),
            )
        },
    );
    let moving = match (&stalled, report.and_then(pause)) {
        (Some(stalled), _) => Err(stalled.clone()),
        // What is held up is still on its way.
        (None, Some(pause)) => Ok((pause.label().to_owned(), pause.message())),
        (None, None) if frozen(report) => Ok(waits.clone()),
        (None, None) if report.is_some() && !converged => {
            Ok((stage.as_str().to_owned(), waits.1.clone()))
        }
        (None, None) => Err(("Settled".to_owned(), "nothing more is wanted".to_owned())),
    };
    let ready = match (&stalled, converged) {
        (None, true) => Ok((
            "Settled".to_owned(),
            "the desired release serves alone".to_owned(),
        )),
        (Some(stalled), true | false) => Err(stalled.clone()),
        (None, false) => Err(waits),
    };
    let held = match report.and_then(|report| report.paused.as_ref()) {
        Some(pause) => Ok((pause.label().to_owned(), pause.message())),
        None => Err(("NotPaused".to_owned(), "nobody paused it".to_owned())),
    };
    let drifted = match report.is_some_and(|report| report.drifted) {
        true => Ok((
            "WeightsChanged".to_owned(),
            "production weights are not what they should be".to_owned(),
        )),
        false => Err((
            "AsAsked".to_owned(),
            "production weights are as they should be".to_owned(),
        )),
    };
    let stalled =
        stalled.ok_or_else(|| ("Moving".to_owned(), "nothing stands in the way".to_owned()));
    let readable = (
        "Readable".to_owned(),
        "spec and desired value are in force as they are".to_owned(),
    );
    let all = [
        (ConditionType::Ready, ready),
        (ConditionType::Reconciling, moving),
        (ConditionType::Stalled, stalled),
        (ConditionType::Paused, held),
        (ConditionType::Drifted, drifted),
        (
            ConditionType::DesiredUnreadable,
            unreadable(facts).ok_or(readable),
        ),
    ];
    let mut conditions = facts
        .before
        .map_or_else(Vec::new, |before| before.conditions.clone());
    for (kind, truth) in all {
        let (status, (reason, message)) = match truth {
            Ok(why) => (Truth::True, why),
            Err(why) => (Truth::False, why),
        };
        let last_transition_time = facts.now;
        let observed_generation = observed(facts);
        let next = Condition {
            kind,
            status,
            reason,
            message,
            last_transition_time,
            observed_generation,
        };
        set_condition(&mut conditions, next);
    }
    conditions
}

/// The desired value or the spec is not in force as it is written.
fn unreadable(facts: &Facts<'_>) -> Option<Why> {
    if let Some(problem) = spec_problem(facts.spec) {
        return Some(problem);
    }
    if let Some(Read::Unread { reason }) = facts.world.map(|world| &world.desired) {
        return Some((
            "Unread".to_owned(),
            format!("the desired value could not be read: {reason}"),
        ));
    }
    if let Some(planner::WaitingOn::Hold(planner::Hold::DesiredInvalid { reason })) =
        facts.report.map(|report| &report.waiting_on)
    {
        return Some(("DesiredInvalid".to_owned(), reason.clone()));
    }
    refused(facts)
}

#[cfg(test)]
#[path = "status_tests.rs"]
mod tests;
