//! Gates as the planner knows them: what is to be run, and what came of it.
//!
//! A run is begun in the record before anything is sent, and known by its key, which is the same after a restart. What
//! runs it tells verdicts; the planner alone decides what they mean.

use crd_schema::GateName;
use crd_schema::gate::Gate;
use crd_schema::record::Stage;

/// A run that is to be on its way. The same in each plan while the gate is waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// The same after a restart, another one for each run: what is sent along so that nothing is done twice. 32
    /// letters and digits.
    pub key: String,
    /// Its name.
    pub name: GateName,
    /// Where it stands ([`crd_schema::record::GateRun::place`]).
    pub place: String,
    /// The stage that waits for it; none: a step names it.
    pub before: Option<Stage>,
    /// The version that is tested, for people.
    pub version: String,
    /// What is tried.
    pub gate: Gate,
    /// The task definition of the release, once it is registered.
    pub task_definition: Option<String>,
    /// The ARN of the service that runs the release, once it is there.
    pub service: Option<String>,
}

/// What a run has come to so far.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// The test was passed.
    Passed,
    /// It was not, in every try that it has.
    Failed {
        /// What was tried and what came of it.
        reason: String,
    },
    /// Not known: it runs, a try failed that is not the last one, or nothing could be told.
    Unclear {
        /// What is waited for.
        reason: String,
    },
}
