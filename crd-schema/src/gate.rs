//! Tests that a release must pass before it goes on.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::identity::GateName;
use crate::record::Stage;
use crate::webhook::Webhook;

/// The gates of an application, by name.
pub type Gates = BTreeMap<GateName, Gate>;

/// One test that a release must pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gate {
    /// It must have passed before this stage begins: any but [`Stage::Settled`]. Before [`Stage::RollBack`]: it is asked
    /// when traffic is back, and what failed goes when it has ended. None: only where a step of the strategy names it.
    pub before: Option<Stage>,
    /// What is tried.
    pub check: Check,
    /// How often it is tried before it counts as failed; at least 1. A try that could not tell does not count.
    pub attempts: u32,
    /// The wait between two tries.
    pub every: Duration,
    /// How long one try may take.
    pub timeout: Duration,
    /// What a try that could not tell counts as.
    pub on_error: OnError,
}

/// What a try counts as that told nothing: no answer, a denied call, a function that broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum OnError {
    /// As none: it is tried again, at most until the stage's deadline.
    Hold,
    /// As one that failed, as Amazon ECS has it.
    Fail,
}

/// What a gate tries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Check {
    /// An HTTP request, usually to a test route.
    Http(Http),
    /// An ECS task that runs to its end in the application's network.
    EcsTask(EcsTask),
    /// An AWS Lambda function, asked as Amazon ECS asks its lifecycle hooks.
    Lambda(Lambda),
    /// Somebody else's service, which answers that it passed, failed or is in progress.
    Webhook(Webhook),
    /// A person says yes.
    Approval,
}

/// An HTTP request and the answer that is right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Http {
    /// `http://…` or `https://…`.
    pub url: String,
    /// The method, `GET` where nothing else is said.
    pub method: String,
    /// Further headers.
    pub headers: BTreeMap<String, String>,
    /// The status that is right.
    pub status: u16,
    /// What the body must contain, if anything.
    pub body: Option<String>,
}

/// A task that ends with exit code 0 when the test is passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EcsTask {
    /// `family` or `family:revision`; none: the release's own task definition.
    pub task_definition: Option<String>,
    /// The container whose exit code decides; none: each one's must be 0.
    pub container: Option<String>,
    /// The command that takes the place of that container's own; empty: its own.
    pub command: Vec<String>,
    /// What becomes of a task whose release is over before it ends.
    pub on_abort: OnAbort,
}

/// What becomes of a task that nobody waits for any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum OnAbort {
    /// It is stopped: SIGTERM, and SIGKILL after its `stopTimeout`.
    Stop,
    /// It is left to its end.
    Finish,
}

/// A function that answers `{"hookStatus": "SUCCEEDED"}`, `"FAILED"` or `"IN_PROGRESS"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lambda {
    /// A name, perhaps with a version or an alias after a colon, or an ARN.
    pub function: String,
    /// What it is given with each call.
    pub hook_details: Map<String, Value>,
}

impl Check {
    /// The field that it is written as.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Http(_) => "http",
            Self::EcsTask(_) => "ecsTask",
            Self::Lambda(_) => "lambda",
            Self::Webhook(_) => "webhook",
            Self::Approval => "approval",
        }
    }
}

/// Which gates come before `stage`, in the order in which they run: that of their names.
pub fn before(gates: &Gates, stage: Stage) -> impl Iterator<Item = (&GateName, &Gate)> {
    gates
        .iter()
        .filter(move |(_, gate)| gate.before == Some(stage))
}
