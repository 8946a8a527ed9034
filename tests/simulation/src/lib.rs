//! The proof at the port level: the operator that ships, in virtual time, over an account that tells the truth.
//!
//! What runs is production code: the planner, the bounded reconcile, the guarded executor, the memory with its barriers
//! and waits, the queue's back-off, the hand-over. What is simulated is AWS, time, people and the machine.
//!
//! - [`plan`]: a run as data. [`scenario`]: the reference rollouts.
//! - [`run()`]: carries out one plan; `sim` holds what belongs to it, `process` runs operators in it, `port` is their
//!   way to AWS, `truth` what is so.
//! - `judge` and `ending`: the properties.
//! - [`search`]: makes plans, many at a time. [`shrink`]: the shortest plan that still fails.

#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "faults are many, and most places concern a few"
)]

mod ending;
mod judge;
mod kinds;
mod look;
pub mod plan;
mod port;
mod process;
pub mod run;
pub mod scenario;
pub mod search;
pub mod shrink;
mod sides;
mod sim;
mod truth;

pub use judge::Violation;
pub use plan::Plan;
pub use run::{Ending, Report, Setup, run};
pub use scenario::Scenario;
