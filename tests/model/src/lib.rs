//! The production planner and its safety properties, untouched, over an abstract AWS, in every order of what may happen.
//!
//! - [`setup`]: what a search looks at. [`search`]: the events, for stateright.
//! - [`account`]: what is true in AWS, and what [`seen`] reads show of it.
//! - [`operator`]: look and plan, then send; two steps, so that the world can move in between.
//! - [`judge`]: safety, on what is true. [`fair`]: liveness, as something that always holds.
//! - [`state`], [`canonical`]: a state, and its finite form. [`report`]: one search, and what it found.

#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "a judge names what it accepts; all else, and what is added later, is wrong"
)]

pub mod account;
pub mod canonical;
pub mod fair;
pub mod judge;
pub mod operator;
pub mod report;
pub mod search;
pub mod seen;
pub mod setup;
pub mod state;
