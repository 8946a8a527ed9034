//! What only this process can know; lost with it. An empty memory means that every safety wait starts again.

use std::collections::{BTreeMap, BTreeSet};

use crd_schema::application::RuleTarget;
use crd_schema::record::{Generation, Record};

use crate::time::{Mono, Now};
use crate::tuning::Tuning;
use crate::world::{
    Action, DesiredParameter, Group, Read, RecordParameter, Rule, ServiceStatus, Side, TargetState, World,
};
use crate::write::Write;

/// The operator's short memory of one application.
#[derive(Debug, Clone, PartialEq)]
pub struct Memory {
    /// When this process began to be responsible for the application.
    pub leading_since: Mono,
    /// What the first readable record said of an earlier process: it handed over cleanly.
    pub clean_start: Option<bool>,
    /// The newest record seen or written.
    pub record: Option<(Generation, Record)>,
    /// A record write was refused since the last one that succeeded.
    pub record_refused: bool,
    /// The newest desired parameter seen.
    pub desired: Option<DesiredParameter>,
    /// The newest usable desired parameter seen.
    pub wish: Option<(Generation, crd_schema::desired::Desired)>,
    /// Health readings of each group, by [`Side::index`].
    pub health: [Health; 2],
    /// Since when every rule that was read shows no weight for the group, without interruption, by [`Side::index`].
    pub zero_since: [Option<Mono>; 2],
    /// Weights as they were last seen or written by us.
    pub weights: BTreeMap<RuleTarget, [Option<u32>; 2]>,
    /// How often somebody else changed production weights in this rollout.
    pub foreign_changes: u32,
    /// A write whose outcome is not known.
    pub outstanding: Option<Outstanding>,
    /// Own writes that reads may not show yet, by what they changed.
    pub barriers: BTreeMap<String, Barrier>,
}

/// The two latest health readings that lie far enough apart, and a fresher one if there is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Health {
    /// The older of the two.
    pub first: Option<Reading>,
    /// The newer.
    pub second: Option<Reading>,
    /// One that is fresher than the two and too close to count as one of them: it can only make things worse.
    pub fresh: Option<Reading>,
}

/// One health reading of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// When the read began.
    pub at: Mono,
    /// `address:port` of healthy targets.
    pub healthy: BTreeSet<String>,
}

/// A write whose outcome is not known.
#[derive(Debug, Clone, PartialEq)]
pub struct Outstanding {
    /// The write.
    pub write: Write,
    /// When its sending ended without an answer.
    pub since: Mono,
}

/// An own write that reads must show before they are trusted.
#[derive(Debug, Clone, PartialEq)]
pub struct Barrier {
    /// The write.
    pub write: Write,
    /// When its answer came.
    pub since: Mono,
}

/// What became of a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WriteOutcome {
    /// AWS confirmed it.
    Applied,
    /// It never left: no effect.
    NotSent {
        /// Category and text.
        reason: String,
    },
    /// AWS refused it (any 4xx, throttling): no effect.
    Refused {
        /// Category and text.
        reason: String,
    },
    /// Time-out, reset or 5xx: it may have happened, or may yet.
    Unknown {
        /// Category and text.
        reason: String,
    },
}
