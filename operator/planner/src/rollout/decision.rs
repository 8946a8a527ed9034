//! What one reconcile comes to, before the record is written.

use crd_schema::record::Stage;

use crate::gate::Run;
use crate::report::{Hold, WaitingOn};
use crate::time::Mono;
use crate::write::Write;

/// What one reconcile comes to, before the record is written.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Decision {
    /// Where the rollout stands.
    pub(crate) stage: Stage,
    /// The next write.
    pub(crate) write: Option<Write>,
    /// What is waited for when there is none.
    pub(crate) waiting: WaitingOn,
    /// When the wait ends, on this process's clock.
    pub(crate) until: Option<Mono>,
    /// The desired generation fails, for this reason.
    pub(crate) reject: Option<String>,
    /// The step of the strategy that runs.
    pub(crate) step: Option<usize>,
    /// A gate that this stands at.
    pub(crate) gate: Option<AtGate>,
}

/// What is to be done about a gate.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum AtGate {
    /// It is written down that it begins.
    Begin(String),
    /// It is run.
    Run(Box<Run>),
    /// It is written down that it has passed; until then it stays the one that is run.
    Pass(Box<Run>),
}

impl Decision {
    pub(crate) fn wait(stage: Stage, waiting: WaitingOn) -> Self {
        Self {
            stage,
            write: None,
            waiting,
            until: None,
            reject: None,
            step: None,
            gate: None,
        }
    }

    pub(super) fn wait_until(stage: Stage, waiting: WaitingOn, until: Option<Mono>) -> Self {
        Self {
            until,
            ..Self::wait(stage, waiting)
        }
    }

    pub(crate) fn act(stage: Stage, write: Write) -> Self {
        Self {
            write: Some(write),
            ..Self::wait(stage, WaitingOn::OwnStep)
        }
    }

    pub(crate) fn hold(stage: Stage, hold: Hold) -> Self {
        Self::wait(stage, WaitingOn::Hold(hold))
    }

    pub(super) fn reject(stage: Stage, reason: String) -> Self {
        Self {
            reject: Some(reason),
            ..Self::wait(stage, WaitingOn::OwnStep)
        }
    }
}
