//! Bad input that the operator meets in AWS. Each is held or refused with one clear message, nothing is changed, the
//! neighbour goes on, and when the input is repaired the operator goes on by itself. `messages.md` has all messages.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test says so by failing"
)]

mod account;
mod desired;
mod page;
mod refusals;
mod services;
mod spec;
mod traffic;
