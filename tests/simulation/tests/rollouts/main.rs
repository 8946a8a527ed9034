//! Many rollouts of the operator that ships, with faults at every point. `TEAL_DOSE=full` carries out all single
//! faults, `TEAL_DOSE=nightly` all pairs, and both more of the random mixes.

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
