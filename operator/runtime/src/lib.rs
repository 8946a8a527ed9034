//! The loop around the planner. No SDK: AWS is behind the traits in [`cloud`].
//!
//! - [`queue`]: which application may run now; pure. [`delay`]: how long after failures.

pub mod clock;
pub mod cloud;
pub mod delay;
pub mod metrics;
pub mod outcome;
pub mod queue;
