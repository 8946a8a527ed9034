//! The failure gallery: published failures of systems that do this job, each as a scenario that ends well here, and
//! that is first shown to fail with the guard off that covers it. `docs/gallery.md` lists them.
//!
//! `gallery_gNN_<name>` is the scenario; `gallery_gNN_fails_without_<guard>` is the same with the guard switched off.
//! Scenarios with traffic run the real operator over the emulator (`scene`); pure decisions run over the planner's
//! laboratory (`laboratory`).

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test says so by failing"
)]

mod aborts;
mod course;
mod decisions;
mod failures;
mod laboratory;
mod leaders;
mod measured;
mod names;
mod reads;
mod restarts;
mod scaling;
mod scene;
mod soak;
mod sticky;
mod waiter;
mod weights;

// The judgement of `teal release --wait`, as the command has it.
#[allow(dead_code, reason = "the command uses all of it")]
#[path = "../../../operator/teal/src/failure.rs"]
mod failure;
#[allow(dead_code, reason = "the command uses all of it")]
#[path = "../../../operator/teal/src/waiting.rs"]
mod waiting;
