//! What the planner says besides its step: for the log, the metrics, the command line and the status page alike.

use crd_schema::TargetGroupArn;
use crd_schema::record::{Generation, Stage};
use crd_schema::schedule::Frozen;
use jiff::Timestamp;

use crate::time::Mono;
use crate::world::{Role, Side};

/// What a reconcile waits for. Closed: the same value is the log field, the metric label, the column and the alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WaitingOn {
    /// Nothing more is wanted.
    Nothing,
    /// The end of a freeze, in which no release begins.
    Frozen(Frozen),
    /// This reconcile has a step to take.
    OwnStep,
    /// AWS refused the step; it is tried again.
    StepRefused {
        /// AWS operation.
        operation: &'static str,
        /// What AWS answered, and what to do about it.
        reason: String,
    },
    /// A part of the world could not be read.
    Observation {
        /// Which part, and why.
        what: String,
    },
    /// The bound after a start or a takeover, for an earlier self's writes.
    StartBound,
    /// A write with unknown outcome may still land.
    OutstandingWrite {
        /// Which write.
        what: String,
    },
    /// The last write is not visible in the reads yet.
    ReadYourWrites {
        /// Which write.
        what: String,
    },
    /// A group must be empty, or a name free, before green can be created.
    OldServiceGone {
        /// Which service or targets.
        what: String,
    },
    /// Tasks start.
    Tasks {
        /// `runningCount`.
        running: u32,
        /// How many are needed.
        need: u32,
    },
    /// Targets become healthy, in two readings.
    HealthyTargets {
        /// Healthy in both readings.
        healthy: u32,
        /// How many are needed.
        need: u32,
    },
    /// A worker's tasks run for a while without a stop.
    SteadyTasks {
        /// How many have.
        steady: u32,
        /// How many are needed.
        need: u32,
    },
    /// Load-balancer nodes adopt the last weights.
    Settle,
    /// A step's pause.
    Pause,
    /// A person, who promotes the step.
    Promotion,
    /// A test that is run.
    Gate {
        /// Where it stands.
        gate: String,
        /// What it came to so far.
        so_far: String,
    },
    /// An alarm or an analysis that cannot tell yet.
    Analysis {
        /// `alarms`, or `analysis` and its name.
        what: String,
        /// What it came to so far.
        so_far: String,
    },
    /// A person, who approves.
    Approval {
        /// The gate, and where it stands.
        gate: String,
    },
    /// Green serves everything for the bake time.
    BakeTime,
    /// Blue is kept for a while.
    KeepBlue,
    /// Requests in flight on a drained group end, tasks stop.
    Drain {
        /// Which service.
        service: String,
    },
    /// A deleted service disappears.
    Deletion {
        /// Which service.
        service: String,
    },
    /// Nothing can be done until a person changes something.
    Hold(Hold),
}

impl WaitingOn {
    /// Every label, for metrics that initialise each series.
    pub const LABELS: [&'static str; 23] = [
        "Nothing",
        "Frozen",
        "OwnStep",
        "StepRefused",
        "Observation",
        "StartBound",
        "OutstandingWrite",
        "ReadYourWrites",
        "OldServiceGone",
        "Tasks",
        "HealthyTargets",
        "SteadyTasks",
        "Settle",
        "Pause",
        "Promotion",
        "Gate",
        "Analysis",
        "Approval",
        "BakeTime",
        "KeepBlue",
        "Drain",
        "Deletion",
        "Hold",
    ];

    /// The stable name: metric label, log field, column.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Nothing => "Nothing",
            Self::Frozen(_) => "Frozen",
            Self::OwnStep => "OwnStep",
            Self::StepRefused { .. } => "StepRefused",
            Self::Observation { .. } => "Observation",
            Self::StartBound => "StartBound",
            Self::OutstandingWrite { .. } => "OutstandingWrite",
            Self::ReadYourWrites { .. } => "ReadYourWrites",
            Self::OldServiceGone { .. } => "OldServiceGone",
            Self::Tasks { .. } => "Tasks",
            Self::HealthyTargets { .. } => "HealthyTargets",
            Self::SteadyTasks { .. } => "SteadyTasks",
            Self::Settle => "Settle",
            Self::Pause => "Pause",
            Self::Promotion => "Promotion",
            Self::Gate { .. } => "Gate",
            Self::Analysis { .. } => "Analysis",
            Self::Approval { .. } => "Approval",
            Self::BakeTime => "BakeTime",
            Self::KeepBlue => "KeepBlue",
            Self::Drain { .. } => "Drain",
            Self::Deletion { .. } => "Deletion",
            Self::Hold(_) => "Hold",
        }
    }

    /// One sentence for people.
    pub fn message(&self) -> String {
        match self {
            Self::Nothing => "nothing: the desired release serves alone".to_owned(),
            Self::Frozen(frozen) => format!(
                "the freeze to end: releases are frozen {frozen} (`teal release --override-freeze` does not wait)"
            ),
            Self::OwnStep => "the next step to be taken".to_owned(),
            Self::StepRefused { operation, reason } => {
                format!(
                    "AWS to take {operation}, which it refused: {}",
                    brief(reason)
                )
            }
            Self::Observation { what } => format!("a read that succeeds: {what}"),
            Self::StartBound => {
                "writes of an earlier operator process to have landed or expired".to_owned()
            }
            Self::OutstandingWrite { what } => {
                format!("a write with unknown outcome to show its effect or expire: {what}")
            }
            Self::ReadYourWrites { what } => format!("reads to show the last write: {what}"),
            Self::OldServiceGone { what } => format!("the group for green to be empty: {what}"),
            Self::Tasks { running, need } => format!("tasks to run: {running} of {need}"),
            Self::HealthyTargets { healthy, need } => {
                format!("targets to be healthy in two readings: {healthy} of {need}")
            }
            Self::SteadyTasks { steady, need } => {
                format!("tasks to run, healthy and without a stop, for a while: {steady} of {need}")
            }
            Self::Settle => "the load balancer's nodes to adopt the last weights".to_owned(),
            Self::Pause => "the pause of this step".to_owned(),
            Self::Promotion => "a person to promote this step (teal promote)".to_owned(),
            Self::Gate { gate, so_far } => format!("gate {gate} to pass: {}", brief(so_far)),
            Self::Analysis { what, so_far } => format!("{what} to go well: {}", brief(so_far)),
            Self::Approval { gate } => {
                format!("a person to approve gate {gate} (teal approve)")
            }
            Self::BakeTime => "the bake time".to_owned(),
            Self::KeepBlue => "the time that blue is kept".to_owned(),
            Self::Drain { service } => {
                format!("requests in flight to end and tasks to stop: {service}")
            }
            Self::Deletion { service } => format!("the deleted service to disappear: {service}"),
            Self::Hold(hold) => hold.message(),
        }
    }
}

/// The beginning of a refusal, at most 240 characters: the conditions and the log have the whole of it, and a status
/// has little room.
fn brief(reason: &str) -> String {
    match reason.char_indices().nth(240) {
        Some((end, _)) => format!("{}…", &reason[..end]),
        None => reason.to_owned(),
    }
}

/// Why nothing is done, and what a person can do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hold {
    /// No desired value was ever written.
    DesiredMissing,
    /// The desired value cannot be used, and none is known from before.
    DesiredInvalid {
        /// What is wrong and what would be right.
        reason: String,
    },
    /// A person paused the application.
    Paused,
    /// A person paused every application of its prefix.
    AllPaused,
    /// The Application's parameter disappeared.
    Orphaned,
    /// Another application claims the same group, rule or service.
    Conflict {
        /// What is claimed, and by whom.
        what: String,
    },
    /// A rule that the spec lists cannot be used.
    RuleUnusable {
        /// Which rule, what it does, what would be right.
        what: String,
    },
    /// A target group cannot be used.
    GroupUnusable {
        /// Which group and why.
        what: String,
    },
    /// A production rule names no group of the application.
    RuleNamesNeitherGroup {
        /// Which rule, and what to add.
        what: String,
    },
    /// A rule names one of the groups and stands in neither list.
    UnlistedRule {
        /// Which rule, and the line to add to the spec.
        rule: String,
    },
    /// A service without our tags is bound to one of the groups.
    ForeignService {
        /// Which service, and how to adopt it.
        service: String,
    },
    /// A service of ours is bound to neither group; of several routes, not to the same side's group of each.
    ServiceElsewhere {
        /// Which service.
        service: String,
    },
    /// Two services share a group that has weight, and none can take over.
    SharedGroup {
        /// Which services.
        services: String,
    },
    /// A service's autoscaling cannot go with its traffic.
    AutoscalingNotSupported {
        /// What of it, why, and what to do.
        what: String,
    },
    /// The base task definition cannot be used.
    BaseUnusable {
        /// What is wrong.
        what: String,
    },
    /// Somebody changes the weights again and again.
    Contended,
    /// Drift is left as it is because the spec says so.
    DriftHeld {
        /// What differs.
        what: String,
    },
    /// The desired release failed, and `onFailure` is `hold`.
    FailedAndHeld {
        /// Why it failed.
        reason: String,
    },
    /// The desired release was rejected, and there is none to go back to.
    NothingToFallBackTo {
        /// Why it was rejected.
        reason: String,
    },
    /// What should serve instead of a rejected or unwanted release has no healthy target.
    FallBackUnhealthy {
        /// Which service, and why as far as it can be seen.
        what: String,
    },
    /// No rule names the group for a new service, and the operator cannot add it.
    GroupUnnamed {
        /// Which group.
        group: String,
    },
    /// What serves is unhealthy, and nothing else is alive.
    NothingAlive,
    /// The safety guard refused the planned write: a bug or a race.
    GuardRefused {
        /// Which property, and why.
        violation: String,
    },
}

impl Hold {
    /// The stable name: condition reason.
    pub fn label(&self) -> &'static str {
        match self {
            Self::DesiredMissing => "DesiredMissing",
            Self::DesiredInvalid { .. } => "DesiredInvalid",
            Self::Paused => "Paused",
            Self::AllPaused => "AllPaused",
            Self::Orphaned => "Orphaned",
            Self::Conflict { .. } => "Conflict",
            Self::RuleUnusable { .. } => "RuleUnusable",
            Self::GroupUnusable { .. } => "GroupUnusable",
            Self::RuleNamesNeitherGroup { .. } => "RuleNamesNeitherGroup",
            Self::UnlistedRule { .. } => "UnlistedRule",
            Self::ForeignService { .. } => "ForeignService",
            Self::ServiceElsewhere { .. } => "ServiceElsewhere",
            Self::SharedGroup { .. } => "SharedGroup",
            Self::AutoscalingNotSupported { .. } => "AutoscalingNotSupported",
            Self::BaseUnusable { .. } => "BaseUnusable",
            Self::Contended => "Contended",
            Self::DriftHeld { .. } => "DriftHeld",
            Self::FailedAndHeld { .. } => "FailedAndHeld",
            Self::NothingToFallBackTo { .. } => "NothingToFallBackTo",
            Self::FallBackUnhealthy { .. } => "FallBackUnhealthy",
            Self::GroupUnnamed { .. } => "GroupUnnamed",
            Self::NothingAlive => "NothingAlive",
            Self::GuardRefused { .. } => "GuardRefused",
        }
    }

    /// A person holds it, and nothing is wrong.
    pub fn is_pause(&self) -> bool {
        [Self::Paused, Self::AllPaused].contains(self)
    }

    /// One sentence for people, with what to do next.
    pub fn message(&self) -> String {
        match self {
            Self::DesiredMissing => "no version is desired yet: write one with `teal release APP VERSION`".to_owned(),
            Self::DesiredInvalid { reason } => format!("the desired value cannot be used: {reason}"),
            Self::Paused => {
                "a person paused it: what serves is kept up, and nothing else happens until `teal resume`".to_owned()
            }
            Self::AllPaused => {
                "a person paused all applications: what serves is kept up, and nothing else happens until `teal resume --all`".to_owned()
            }
            Self::Orphaned => {
                "the Application's spec parameter is gone: everything stays as it is until it is written again".to_owned()
            }
            Self::Conflict { what } => format!("{what}: give each application groups and rules of its own"),
            Self::RuleUnusable { what }
            | Self::RuleNamesNeitherGroup { what }
            | Self::GroupUnusable { what }
            | Self::AutoscalingNotSupported { what }
            | Self::BaseUnusable { what } => what.clone(),
            Self::UnlistedRule { rule } => rule.clone(),
            Self::ForeignService { service } => service.clone(),
            Self::ServiceElsewhere { service } => format!(
                "service {service} carries this application's tags and does not stand where the spec has it, on one group of each route or, without `traffic`, on none: that cannot change while a service lives"
            ),
            Self::SharedGroup { services } => {
                format!("services {services} share one group that has weight: delete the one that should not be there")
            }
            Self::Contended => {
                "the weights were changed by someone else twice in this rollout: stop the other writer, then write the desired version again".to_owned()
            }
            Self::DriftHeld { what } => format!("{what}, and the spec says `drift: hold`"),
            Self::FailedAndHeld { reason } => {
                format!("the release failed and the spec says `onFailure: hold`: {reason}. Write another desired version to go on")
            }
            Self::NothingToFallBackTo { reason } => {
                format!("the release was rejected and there is no earlier one to go back to: {reason}. Write another desired version")
            }
            Self::FallBackUnhealthy { what } => {
                format!("traffic should go back to {what}: make it healthy, or write another desired version")
            }
            Self::GroupUnnamed { group } => format!(
                "no rule names {group}, and its production rule has no weight to keep: give the rule that group at weight 1"
            ),
            Self::NothingAlive => {
                "no service has a healthy target: what serves must recover, or write another desired version (in a freeze with `--override-freeze`)".to_owned()
            }
            Self::GuardRefused { violation } => format!("the safety guard refused the next step: {violation}"),
        }
    }
}

/// Weights of one rule as read, and as the planner wants them to be now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleReport {
    /// The rule, for people.
    pub rule: String,
    /// What the spec says of it.
    pub role: Role,
    /// The group that holds each side.
    pub groups: [Option<TargetGroupArn>; 2],
    /// As read; `None` when the rule does not name the group.
    pub read: [Option<u32>; 2],
    /// As asked for at this point of the rollout.
    pub asked: Option<[Option<u32>; 2]>,
}

/// Where a rollout stands among its steps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepReport {
    /// The step that runs, from 0; [`StepReport::of`] once they are done.
    pub index: usize,
    /// How many there are.
    pub of: usize,
    /// What it does; none once they are done.
    pub what: Option<String>,
    /// When its pause ends by itself.
    pub until: Option<Timestamp>,
    /// It waits, and a person may end that.
    pub promotable: bool,
}

/// Tasks of one live service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceReport {
    /// `serviceName`. One that is updated in place stands here twice while tasks are replaced, by what they run.
    pub name: String,
    /// Which group.
    pub side: Option<Side>,
    /// Version tag.
    pub version: Option<String>,
    /// Content digest.
    pub digest: Option<String>,
    /// It is what production should be on now.
    pub is_target: bool,
    /// It has weight on a production rule, or works, and is not about to take the place of tasks that do.
    pub serving: bool,
    /// `desiredCount`.
    pub desired: u32,
    /// `runningCount`.
    pub running: u32,
    /// Healthy targets of its own tasks in the latest reading.
    pub healthy: u32,
    /// ACTIVE (not DRAINING).
    pub active: bool,
}

/// A desired or serving release, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseReport {
    /// The version as people write it.
    pub version: String,
    /// Content digest.
    pub digest: String,
    /// Which write of `desired`.
    pub generation: Generation,
}

/// What an operator or developer wants to know about this reconcile.
#[must_use = "an unread report is not actionable"]
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// Where the rollout stands.
    pub stage: Stage,
    /// What is waited for.
    pub waiting_on: WaitingOn,
    /// When the stage began, from the record.
    pub stage_since: Option<Timestamp>,
    /// When the stage fails or ends by itself, where that is known.
    pub deadline: Option<Timestamp>,
    /// A bounded wait's end on this process's clock, where that is known.
    pub until: Option<Mono>,
    /// What is desired; none while it cannot be read.
    pub desired: Option<ReleaseReport>,
    /// The desired generation was rejected, and why.
    pub rejected: Option<String>,
    /// The desired release is what serves, alone, and nothing more is wanted.
    pub converged: bool,
    /// Production weights differ from what was last asked for, without a write of ours.
    pub drifted: bool,
    /// A person holds the application, or all of them.
    pub paused: Option<Hold>,
    /// The step of the strategy that runs, while a rollout with steps is on its way.
    pub step: Option<StepReport>,
    /// Each rule that names one of the groups.
    pub rules: Vec<RuleReport>,
    /// Each service of the application.
    pub services: Vec<ServiceReport>,
    /// The base family has a newer revision than the one that serves was rendered from.
    pub notes: Vec<String>,
}
