//! Several routes a service, through the real SDK, under load on each: two containers at two ports, behind two load
//! balancers, released together.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test says so by failing"
)]

mod adoption;
mod bindings;
mod releases;
mod scene;
