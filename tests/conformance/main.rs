//! The emulator judged by software that is not ours.
//!
//! - `peers.py`: one script against moto and the emulator, differences explained in `docs/conformance.md`.
//! - `operations.py`: every operation through boto3, every answer against botocore's models (`answers.py`).
//! - `lab`: random writes on the abstract account of `planner::lab` and on the emulator.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test says so by failing"
)]

mod lab;
mod script;
