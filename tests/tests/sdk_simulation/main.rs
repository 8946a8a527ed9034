//! The real operator with the real SDK clients over the emulator, under faults: every single fault over a release, and
//! seeded rollouts. No request is lost, each run ends settled or rejected and then wants nothing more, every request
//! is allowed by the shipped IAM policy, and no secret shows.
//!
//! A run is a [`plan::Plan`]: data. A failing one is printed as JSON; `TEAL_PLAN=file.json` with the test
//! `a_plan_from_a_file` replays it and prints its journal; kept in `plans/` it is a regression test.
//! How much is run: see [`tests::Dose`].

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test says so by failing"
)]

mod controls;
mod permissions;
mod plan;
mod replay;
mod run;
mod scene;
mod secrets;
mod singles;
mod swarm;
