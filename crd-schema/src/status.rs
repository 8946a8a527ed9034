//! The status document: what people, pipelines and `teal release --wait` read about one application.
//!
//! Instants, never countdowns: an unchanged status is the same text. At most [`MAX_BYTES`] when written.

mod json;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::record::{Ended, Generation, Stage};
use crate::strategy::Share;
pub use json::{KEPT_HISTORY, KEPT_RULES, MAX_BYTES, MESSAGE};

/// The status of one application.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// The application's name.
    pub name: String,
    /// How it goes, in one word.
    pub phase: Phase,
    /// The stage of the rollout.
    pub stage: Stage,
    /// Amazon ECS's own name of the stage, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ecs_stage: Option<EcsStage>,
    /// Amazon ECS updates the one service in place (`strategy: rolling`): of the stages it has ScaleUp, Bake and CleanUp, and
    /// no traffic moves from one service to another.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rolling: bool,
    /// The rollout on its way, named by the generation that wished for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<Generation>,
    /// What is wished for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub desired: Option<DesiredRelease>,
    /// The newest generation that this status takes into account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<Generation>,
    /// What serves the most users now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serving: Option<Serving>,
    /// The last release that completed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_good: Option<ReleaseName>,
    /// The step of the strategy that runs, while traffic moves in steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<StepStatus>,
    /// Weights, asked for and read.
    #[serde(default)]
    pub weights: Weights,
    /// Tasks of the serving service, while a rollout goes on: of the old one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blue: Option<Tasks>,
    /// Tasks of the new service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub green: Option<Tasks>,
    /// What the next step waits for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting_on: Option<WaitingOn>,
    /// Conditions, one of each type at most.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// The newest generation that failed and will not be tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejected: Option<Rejected>,
    /// Ended releases, newest last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<Ended>,
}

/// How it goes, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Phase {
    /// The desired release serves alone.
    Settled,
    /// A release is on its way.
    Progressing,
    /// Traffic goes back to the last good release.
    RollingBack,
    /// Nothing moves until a person, a new release, a readable world or the end of a freeze decides.
    Holding,
    /// The desired release was rejected; the last good one serves.
    Failed,
}

impl Phase {
    /// Every phase.
    pub const ALL: [Self; 5] = [
        Self::Settled,
        Self::Progressing,
        Self::RollingBack,
        Self::Holding,
        Self::Failed,
    ];

    /// The name as in documents, labels and messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Settled => "Settled",
            Self::Progressing => "Progressing",
            Self::RollingBack => "RollingBack",
            Self::Holding => "Holding",
            Self::Failed => "Failed",
        }
    }
}

/// A lifecycle stage of Amazon ECS's own blue/green deployments.
/// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/blue-green-deployment-how-it-works.html>)
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum EcsStage {
    /// Green comes up.
    ScaleUp,
    /// The test listener goes to green.
    TestTrafficShift,
    /// Production goes to green.
    ProductionTrafficShift,
    /// Both run.
    BakeTime,
    /// Blue goes.
    CleanUp,
}

impl EcsStage {
    /// ECS's name of our stage, where it has one.
    pub fn of(stage: Stage) -> Option<Self> {
        match stage {
            Stage::ScaleUp => Some(Self::ScaleUp),
            Stage::Validate => Some(Self::TestTrafficShift),
            Stage::Shift => Some(Self::ProductionTrafficShift),
            Stage::Bake => Some(Self::BakeTime),
            Stage::CleanUp => Some(Self::CleanUp),
            Stage::RollBack | Stage::Settled => None,
        }
    }
}

/// What is wished for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DesiredRelease {
    /// The version as people write it.
    pub version: String,
    /// Which write of `desired`.
    pub generation: Generation,
    /// Content digest; empty while it cannot be known.
    pub digest: String,
}

/// What serves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Serving {
    /// The version as people write it; empty for a service that the operator did not create.
    pub version: String,
    /// Content digest; empty for a service that the operator did not create.
    pub digest: String,
    /// The ECS service's name.
    pub service: String,
}

/// A release in two words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReleaseName {
    /// The version as people write it.
    pub version: String,
    /// Content digest.
    pub digest: String,
}

/// Where a rollout stands among its steps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StepStatus {
    /// The step that runs, from 0; `of` once they are done. A promotion names it.
    pub index: u32,
    /// How many there are.
    pub of: u32,
    /// What it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub does: Option<String>,
    /// It waits, and `teal promote` ends that.
    #[serde(default)]
    pub promotable: bool,
    /// When its pause ends by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// Weights, asked for and read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Weights {
    /// What every production rule is to have; nothing while the operator wants no change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asked: Option<Split>,
    /// What each rule had when it was last read, at most [`KEPT_RULES`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub read: Vec<RuleWeights>,
    /// Rules that are not shown.
    #[serde(skip_serializing_if = "is_zero")]
    pub more_rules: u32,
}

/// How traffic is parted, in percent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Split {
    /// The old release's part, 0–100, to a tenth.
    pub blue: Share,
    /// The new release's part, 0–100, to a tenth.
    pub green: Share,
}

/// What one rule had when it was last read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RuleWeights {
    /// The resource part of the listener's or rule's ARN.
    pub rule: String,
    /// Its weights as percent; nothing when it could not be read.
    pub weights: Option<Split>,
}

/// Tasks of one colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tasks {
    /// Desired count of the service.
    pub desired: u32,
    /// Running tasks.
    pub running: u32,
    /// Healthy targets in the service's group.
    pub healthy: u32,
}

/// What the next step waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WaitingOn {
    /// One of a closed catalogue, PascalCase.
    pub reason: String,
    /// The same as a sentence, at most [`MESSAGE`] characters.
    pub message: String,
    /// The gate that is waited for, by where it stands: its name, or `name@step`. An approval names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate: Option<String>,
    /// When the wait began.
    pub since: Timestamp,
    /// When it ends the stage, or a freeze ends; nothing where a person decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Timestamp>,
}

/// The newest generation that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Rejected {
    /// Which wish.
    pub generation: Generation,
    /// The version as people write it.
    pub version: String,
    /// Why, at most [`MESSAGE`] characters.
    pub reason: String,
}

/// One aspect of the application's state, as Kubernetes has them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// Which aspect.
    #[serde(rename = "type")]
    pub kind: ConditionType,
    /// Whether it holds.
    pub status: Truth,
    /// One of a closed catalogue, PascalCase.
    pub reason: String,
    /// The same as a sentence, at most [`MESSAGE`] characters.
    pub message: String,
    /// When `status` last became what it is.
    pub last_transition_time: Timestamp,
    /// The newest generation that this condition takes into account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<Generation>,
}

/// The aspects.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum ConditionType {
    /// The desired release serves alone.
    Ready,
    /// A release or a repair is on its way.
    Reconciling,
    /// Nothing moves and time alone will not help.
    Stalled,
    /// A person paused progress.
    Paused,
    /// Somebody else changed what the operator holds.
    Drifted,
    /// The desired value or the spec cannot be read; the last known ones hold.
    DesiredUnreadable,
}

impl ConditionType {
    /// Every type.
    pub const ALL: [Self; 6] = [
        Self::Ready,
        Self::Reconciling,
        Self::Stalled,
        Self::Paused,
        Self::Drifted,
        Self::DesiredUnreadable,
    ];

    /// The name as in documents, labels and messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "Ready",
            Self::Reconciling => "Reconciling",
            Self::Stalled => "Stalled",
            Self::Paused => "Paused",
            Self::Drifted => "Drifted",
            Self::DesiredUnreadable => "DesiredUnreadable",
        }
    }
}

/// Whether a condition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Truth {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// It could not be told.
    Unknown,
}

/// Puts `next` into `conditions` in place of the one of its type, and keeps the order of [`ConditionType`].
///
/// While the status (`True`, `False`, `Unknown`) stays what it was, its time of transition stays too, as Kubernetes has it; a new
/// reason or message alone is no transition.
pub fn set_condition(conditions: &mut Vec<Condition>, mut next: Condition) {
    match conditions.binary_search_by_key(&next.kind, |condition| condition.kind) {
        Ok(position) => {
            if conditions[position].status == next.status {
                next.last_transition_time = conditions[position].last_transition_time;
            }
            conditions[position] = next;
        }
        Err(position) => conditions.insert(position, next),
    }
}

fn is_zero(count: &u32) -> bool {
    *count == 0
}
