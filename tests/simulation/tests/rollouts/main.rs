//! Many rollouts of the operator that ships, with faults at every point. `TEAL_DOSE=nightly` carries out all pairs of
//! faults, and many more of the random mixes.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    missing_docs,
    reason = "a test says so by failing"
)]

mod controls;
mod pairs;
mod reference;
mod replay;
mod search;
mod singles;
mod swarm;
