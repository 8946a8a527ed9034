//! The stage of the scenarios: the real operator with the real SDK clients over the emulator, in one process, without
//! sockets, under a paused clock. A scenario of minutes takes well under a second, and repeats exactly.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test says so by failing"
)]

mod dose;
pub mod iam;
mod operator;
mod person;
mod stage;
pub mod wire;

pub use dose::Dose;
pub use operator::{LEASES, Operator};
pub use person::Person;
pub use stage::{Rule, Snapshot, Stage};
