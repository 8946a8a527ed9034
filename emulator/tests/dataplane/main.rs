//! The data plane over real sockets, with a world set up in process.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

mod backend;
mod failures;
mod proxy;
mod release;
mod stage;
mod tasks;
mod users;
