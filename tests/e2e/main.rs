//! The real program as a process, over sockets, with users at work, and killed at every AWS call of a release.
//!
//! - `stage`: an emulated account with a data plane and users; time passes [`stage::PACE`] times as fast.
//! - `operator`: `teal run` as a process that can be killed, stopped and continued.
//! - `verdict`: what must be true when a release is over, whatever happened on the way.
//! - `plan`: at which calls something happens: a dose, or all of them with `TEAL_DOSE=nightly`.
//! - `matrix`: carries a plan out on several stages at once, and tells what came of it in one line of JSON.
//! - `killed`: the tests.
//!
//! `TEAL_E2E_MINUTES` ends a run after so many minutes; what was left is told. The faster time passes, the sooner a plan
//! is too old to be enacted: a machine that is busy with other things needs a smaller `TEAL_E2E_PACE` than 30, or releases
//! are held, by "the plan was 355 ms old", until their time is over.

#![cfg(all(feature = "emulator", unix))]
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test says so by failing"
)]

mod killed;
mod matrix;
mod operator;
mod plan;
mod stage;
mod verdict;
