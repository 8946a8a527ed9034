//! One reconcile's decision.

use std::time::Duration;

use crd_schema::Application;

use crate::memory::Memory;
use crate::report::Report;
use crate::time::{Mono, Now};
use crate::tuning::Tuning;
use crate::world::World;
use crate::write::Write;

/// At most one write, what is waited for, and when to look again.
#[must_use = "a plan that is not enacted or reported is lost"]
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The next write; none while waiting.
    pub step: Option<Write>,
    /// What to tell people.
    pub report: Report,
    /// Look again after this long, at the latest.
    pub next_check: Duration,
    /// When it was made; the executor refuses old ones.
    pub made: Mono,
}
