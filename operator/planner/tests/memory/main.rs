//! What one process remembers, read by read and write by write.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test says so by failing"
)]

mod late;
mod record;
mod scene;
mod shows;
mod waits;
mod weights;
