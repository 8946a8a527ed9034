//! The production planner and its safety properties, untouched, over an abstract AWS, in every order of what may happen.
//!
//! - [`setup`]: what a search looks at. [`search`]: the events, for stateright.
//! - [`account`], [`balancer`]: what is true in AWS; [`observe`]: what reads show of it, as far as [`seen`] lets them.
//! - [`operator`]: look and plan, then send; two steps, so that the world can move in between.
//! - [`gates`]: tests that a release must pass, and what they come to.
//! - [`judge`]: safety, on what is true. [`fair`]: liveness, as something that always holds.
//! - [`state`], [`canonical`]: a state, and its finite form. [`report`]: one search, and what it found.

#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "a judge names what it accepts; all else, and what is added later, is wrong"
)]

/// Half of the time of a search goes into small pieces of memory.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

pub mod account;
pub mod balancer;
pub mod canonical;
pub mod fair;
pub mod gates;
pub mod judge;
pub mod observe;
pub mod operator;
pub mod report;
pub mod search;
pub mod seen;
pub mod setup;
pub mod state;
