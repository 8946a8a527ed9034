//! The outside world as the loop sees it. No SDK here: the wall to AWS implements these traits, and so do the clouds of tests.

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use crd_schema::record::Generation;
use crd_schema::webhook::Webhook;
use crd_schema::{Application, ApplicationName};
use jiff::Timestamp;
use planner::gate::Run;
use planner::memory::WriteOutcome;
use planner::watch::{Measured, Watch};
use planner::{World, Write};

use crate::events::Event;

/// What to look at besides what the Application names: hints from memory, never inputs to a decision.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Focus {
    /// The base revision that this rollout pinned (`family:revision`); none: the newest.
    pub base: Option<String>,
    /// Services to describe by name even when no list shows them (DRAINING ones are hidden from lists).
    pub services: Vec<String>,
    /// Another application's claims on the same groups or rules, in words, found by the loop that knows all specs.
    pub conflicts: Vec<String>,
    /// The spec parameter is still there.
    pub spec_present: bool,
}

/// What a write touches no longer is what the plan saw.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Changed {
    /// It differs now: plan again.
    #[error("{what} changed since the plan was made")]
    Differs {
        /// What, with both values.
        what: String,
    },
    /// It could not be read again: unknown is unsafe.
    #[error("could not read again what the write touches: {reason}")]
    Unread {
        /// Category and text.
        reason: String,
    },
}

/// A read of parameters that failed as a whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{operation} failed ({category}): {message}")]
pub struct ReadError {
    /// AWS operation.
    pub operation: &'static str,
    /// Small closed set: `throttled`, `denied`, `not-found`, `invalid`, `unavailable`, `timeout`, `credentials`, `network`.
    pub category: &'static str,
    /// What was tried, why it failed, what to do next.
    pub message: String,
}

/// What one try of a gate came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tried {
    /// The test was passed.
    Passed,
    /// It was not.
    Failed {
        /// What was tried and what came of it.
        reason: String,
    },
    /// It runs: to be looked at again.
    Runs {
        /// What the next look at it is given: an ECS task's ARN, what a function said for itself.
        so_far: String,
        /// When it wants to be looked at again; none: soon.
        after: Option<Duration>,
        /// How far it is.
        reason: String,
    },
    /// Nothing could be told: no connection, a call that failed.
    Unclear {
        /// Why, and what to do about it.
        reason: String,
    },
}

/// A spec parameter as found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundSpec {
    /// From the parameter's path.
    pub name: ApplicationName,
    /// Which write of it.
    pub generation: Generation,
    /// Its text, or why it cannot be used (SecureString, for example).
    pub text: Result<String, String>,
}

/// Reads of AWS.
pub trait Cloud: Send + Sync + 'static {
    /// One round of reads for one application. Never fails as a whole: each part says for itself that it could not
    /// be read. Implementations join calls that arrive together into batched AWS calls.
    fn observe(
        &self,
        application: &Application,
        focus: &Focus,
    ) -> impl Future<Output = World> + Send;

    /// One measurement of what is watched: of requests, those since `from`; and from when the next one goes on. The
    /// caller bounds the time.
    fn measure(
        &self,
        application: &Application,
        watch: &Watch,
        from: Timestamp,
    ) -> impl Future<Output = (Measured, Timestamp)> + Send;

    /// Every spec under the prefixes, all pages.
    ///
    /// # Errors
    /// When any page could not be read: half a list is no list.
    fn specs(&self) -> impl Future<Output = Result<Vec<FoundSpec>, ReadError>> + Send;

    /// The newest write of each application's `desired`, ten names a call; absent when there is no such parameter.
    ///
    /// # Errors
    /// When any call failed.
    fn wishes(
        &self,
        names: &[ApplicationName],
    ) -> impl Future<Output = Result<BTreeMap<ApplicationName, Generation>, ReadError>> + Send;
}

/// Writes to AWS. An operator that only observes never constructs one.
pub trait CloudWriter: Send + Sync + 'static {
    /// Reads again what the write touches and compares it with what the plan saw.
    ///
    /// # Errors
    /// [`Changed`] when it no longer holds or could not be read.
    fn still_holds(
        &self,
        application: &Application,
        write: &Write,
    ) -> impl Future<Output = Result<(), Changed>> + Send;

    /// Sends one write once, bounded in time and never retried, and says what became of it.
    fn write(
        &self,
        application: &Application,
        write: &Write,
    ) -> impl Future<Output = WriteOutcome> + Send;

    /// Tries a gate once, or looks how the try that has come `so_far` goes. `failed` says how many tries of this run have
    /// failed: the same try is never begun twice, whoever begins it. The caller bounds the time.
    fn try_gate(
        &self,
        application: &Application,
        run: &Run,
        failed: u32,
        so_far: Option<&str>,
    ) -> impl Future<Output = Tried> + Send;

    /// Stops what a try has begun and nobody waits for any more (an ECS task); without `so_far`, whatever any try of the run
    /// has begun. Where there is nothing to stop, or it has stopped already, nothing happens.
    ///
    /// # Errors
    /// Why it may still run.
    fn stop_gate(
        &self,
        application: &Application,
        run: &Run,
        so_far: Option<&str>,
        why: &str,
    ) -> impl Future<Output = Result<(), ReadError>> + Send;

    /// Tells somebody what happened, once. The caller bounds the time and tries again.
    ///
    /// # Errors
    /// Why it was not taken.
    fn notify(
        &self,
        to: &Webhook,
        event: &Event,
    ) -> impl Future<Output = Result<(), ReadError>> + Send;

    /// Writes the status document.
    ///
    /// # Errors
    /// Why it was not written; the caller logs it and goes on.
    fn put_status(
        &self,
        name: &ApplicationName,
        status: &str,
    ) -> impl Future<Output = Result<(), ReadError>> + Send;
}
