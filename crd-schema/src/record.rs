//! The operator's durable memory of one application: only what AWS cannot tell.
//!
//! A lost record makes a rollout slower, never unsafe. At most 3.5 KB when written, of the 4 that a standard parameter
//! takes (a property test at maximal lengths holds that): texts are cut, lists are bounded.

mod json;

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::identity::GateName;

pub use json::{MAX_BYTES, RecordError};

/// Rejected generations that are remembered.
pub const KEPT_REJECTIONS: usize = 3;
/// Finished releases that are remembered.
pub const KEPT_HISTORY: usize = 5;

/// One application's record.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Record {
    /// The last operator stopped between two steps and knew the outcome of each write it had sent.
    pub clean: bool,
    /// Services created so far: part of each new service's name, so that a name never repeats.
    #[serde(skip_serializing_if = "is_zero")]
    pub created: u32,
    /// The rollout on its way; none while settled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rollout: Option<Rollout>,
    /// While the operator keeps scale-in suspended: whether people had it suspended before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scale_in_suspended: Option<bool>,
    /// Generations not to be tried again, newest last.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rejected: Vec<Rejection>,
    /// The last release that completed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_good: Option<Release>,
    /// Ended rollouts, newest last.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<Ended>,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// The wish: which write of `desired` is meant. Ordered by date, then by version: a re-created parameter
/// starts again at version 1 with a later date; an earlier date is a stale read.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub struct Generation {
    /// `LastModifiedDate` of the parameter, Unix milliseconds.
    pub date: i64,
    /// `Version` of the parameter, from 1.
    pub version: i64,
}

/// What is or was released: enough to create it again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Release {
    /// Content digest, 16 hex digits.
    pub digest: String,
    /// The version as people write it.
    pub version: String,
    /// The wish that led to it.
    pub generation: Generation,
    /// Task definition `family:revision`, once known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task_definition: Option<String>,
}

/// The rollout on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rollout {
    /// What is rolled out.
    pub release: Release,
    /// The stage that was last written down.
    pub stage: Stage,
    /// When each stage was first entered.
    pub entered: BTreeMap<Stage, Timestamp>,
    /// Blue's live count when ScaleUp ended: what 100 % of traffic needs.
    pub reference: u32,
    /// The step of the strategy that runs, while traffic moves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<StepProgress>,
    /// The gates that were begun, by where they stand ([`GateRun::place`]).
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub gates: BTreeMap<String, GateRun>,
    /// Since when a person holds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paused: Option<Timestamp>,
    /// Of a service that is updated in place: ECS's id of the deployment that carries the release, once it was seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deployment: Option<String>,
    /// Base task definition revision that is pinned for this rollout.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
}

/// Where a rollout stands among the steps of its strategy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepProgress {
    /// The step that runs, from 0; as many as there are steps once the last one is done.
    pub index: u32,
    /// Since when.
    pub since: Timestamp,
}

/// One run of a gate. It was begun once: what runs it is known by [`GateRun::began`], also after a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct GateRun {
    /// Since when.
    pub began: Timestamp,
    /// It passed. What did not end is not passed; what failed rejects the generation. At a roll-back: it ended.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub passed: bool,
}

impl GateRun {
    /// Where a gate stands: its name, and the step that names it where a step does.
    ///
    /// ```
    /// use crd_schema::GateName;
    /// use crd_schema::record::GateRun;
    ///
    /// let smoke = GateName::new("smoke");
    /// assert_eq!(GateRun::place(&smoke, None), "smoke");
    /// assert_eq!(GateRun::place(&smoke, Some(3)), "smoke@3");
    /// ```
    pub fn place(gate: &GateName, step: Option<usize>) -> String {
        step.map_or_else(|| gate.to_string(), |step| format!("{gate}@{step}"))
    }

    /// The name of the gate that stands at `place`.
    ///
    /// ```
    /// use crd_schema::record::GateRun;
    ///
    /// assert_eq!(GateRun::name("smoke"), "smoke");
    /// assert_eq!(GateRun::name("smoke@3"), "smoke");
    /// ```
    pub fn name(place: &str) -> &str {
        place.split_once('@').map_or(place, |(gate, _)| gate)
    }
}

/// The stages of a rollout, in order.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum Stage {
    /// Green is created and becomes healthy, at weight 0.
    ScaleUp,
    /// Green is tested on the test route.
    Validate,
    /// Production traffic moves to green.
    Shift,
    /// Green serves everything; blue stands by at full size.
    Bake,
    /// Blue is drained and removed.
    CleanUp,
    /// Traffic goes back to blue; green is drained and removed.
    RollBack,
    /// The desired release serves alone.
    Settled,
}

impl Stage {
    /// Every stage.
    pub const ALL: [Self; 7] = [
        Self::ScaleUp,
        Self::Validate,
        Self::Shift,
        Self::Bake,
        Self::CleanUp,
        Self::RollBack,
        Self::Settled,
    ];

    /// The name as in documents, labels and messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ScaleUp => "ScaleUp",
            Self::Validate => "Validate",
            Self::Shift => "Shift",
            Self::Bake => "Bake",
            Self::CleanUp => "CleanUp",
            Self::RollBack => "RollBack",
            Self::Settled => "Settled",
        }
    }
}

/// A generation that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejection {
    /// Which wish.
    pub generation: Generation,
    /// The version as people write it.
    pub version: String,
    /// Why, at most 200 characters.
    pub reason: String,
    /// A person ended it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub aborted: bool,
}

/// How a rollout ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Outcome {
    /// The release serves alone.
    Succeeded,
    /// It failed and the last good one serves.
    RolledBack,
    /// A person or a change back to what serves ended it.
    Aborted,
    /// A newer release took its place.
    Superseded,
}

/// A rollout that ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Ended {
    /// Which wish.
    pub generation: Generation,
    /// The version as people write it.
    pub version: String,
    /// How it ended.
    pub outcome: Outcome,
    /// When it began.
    pub began: Timestamp,
    /// When it ended.
    pub ended: Timestamp,
}
