//! `teal demo`: a whole release on one machine, with users at work.
//!
//! - [`run`]: the play: stage, operator, users, release, summary. [`host`]: the operator, which may be killed.
//! - [`seen`]: the release from outside. [`panel`]: on the terminal. [`summary`]: what came of it.

mod host;
mod panel;
mod run;
mod seen;
mod summary;

pub(crate) use run::run;
