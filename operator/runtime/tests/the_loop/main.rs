//! The whole loop over an account in memory, in virtual time.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test may stop where it is wrong"
)]

mod account;
mod faults;
mod lease;
mod operator;
mod releases;
mod specs;
mod stopping;
