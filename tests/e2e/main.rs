//! The real program as a process, over sockets, with users at work, and killed at every AWS call of a release.
//!
//! - `stage`: an emulated account with a data plane and users; time passes [`stage::PACE`] times as fast.
//! - `operator`: `teal run` as a process that can be killed, stopped and continued.
//! - `verdict`: what must be true when a release is over, whatever happened on the way.
//! - `plan`: at which calls something happens: a dose, or all of them with `TEAL_DOSE=nightly`.
//! - `matrix`: carries a plan out on several stages at once, and tells what came of it in one line of JSON.
//! - `killed`, `taken_over`: the tests, with one operator at a time and with two that share a lease.
//!
//! The operator's bounds shrink with the pace: at thirty a plan may be 333 ms old. What the machine takes for a call does
//! not shrink, so the pace is chosen by how long a process takes to start ([`stage::PACE`]; `TEAL_E2E_PACE` sets it), a
//! release begins only when the machine is not late, and what is waited for may take as long as something moves.
//! `TEAL_E2E_MINUTES` ends a run after so many minutes; what was left is told.

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
mod taken_over;
mod verdict;
