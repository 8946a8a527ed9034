//! Decides. From what is desired, what runs and what is remembered, one next step.
//!
//! [`plan`] is pure, synchronous and total: no tokio, no AWS, no clock, no randomness. The way through the room:
//!
//! - [`world`]: what was read, each part with when; "could not read" is a value.
//! - [`memory`]: what only this process can know, updated by [`Memory::absorb`].
//! - [`gate`]: what is to be run before a release goes on, and what came of it.
//! - [`watch`]: what is watched while a release is on its way, and what it comes to.
//! - [`groups`]: which group holds which side; [`routes`]: what a side is when it has one of each route.
//! - `view`: the facts that decisions are made of (who is alive, who has weight, who is blue).
//! - `target`: which release should serve now.
//! - `rollout`: the stages that lead there, one write at a time.
//! - `bookkeeping`: the record that goes with it.
//! - [`scaling`]: a service's autoscaling, which goes where its traffic goes.
//! - [`safety`]: what may never happen, checked apart from the planner on every write.
//! - [`write`], [`report`]: what comes out.
//! - [`adoption`]: what it takes to make somebody else's service blue.
//! - [`ablation`]: what tests can switch off.

pub mod ablation;
pub mod adoption;
mod bookkeeping;
mod effect;
mod freeze;
pub mod gate;
pub mod groups;
mod holds;
#[cfg(feature = "lab")]
pub mod lab;
pub mod memory;
pub mod plan;
pub mod release;
pub mod report;
mod rollout;
pub mod routes;
pub mod safety;
pub mod scaling;
mod target;
pub mod time;
pub mod tuning;
mod view;
pub mod watch;
pub mod world;
pub mod write;

pub use memory::Memory;
pub use plan::{Plan, plan};
pub use report::{Hold, Report, WaitingOn};
pub use time::{Mono, Now};
pub use tuning::Tuning;
pub use world::{Read, Side, World};
pub use write::{Weights, Write};
