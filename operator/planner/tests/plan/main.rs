//! One reconcile's decision: a situation, and what is done, waited for or told.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test says so by failing"
)]

mod holds;
mod patience;
mod scene;
mod told;
