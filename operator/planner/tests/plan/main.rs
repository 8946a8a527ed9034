//! One reconcile's decision: a situation, and what is done, waited for or told.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test says so by failing"
)]

mod aim;
mod failing;
mod holds;
mod in_place;
mod names;
mod patience;
mod place;
mod record;
mod removal;
mod repair;
mod scaling;
mod scene;
mod told;
mod traffic;
mod worker;
