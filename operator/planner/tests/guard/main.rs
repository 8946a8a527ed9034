//! The guard, property by property: a write that would break it is refused, and the same write in a world where it is
//! safe is allowed. This is the negative control of the planner's tests: they pass because bad writes are not planned,
//! not because the guard lets everything through.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test says so by failing"
)]

mod alone;
mod groups;
mod properties;
mod scaling;
mod scene;
mod weights;
mod worker;
