//! The loop around the planner. No SDK: AWS is behind the traits in [`cloud`].
//!
//! - [`controller`]: the driver: what is due is started, what ended is taken in, and the stop. [`queue`] says who may
//!   run now (pure), [`delay`] how long after failures; `applications` and `specs` know which
//!   there are and which specs are in force.
//! - `worker`, `reconcile`, `publish`: one reconcile as a task of its own, its steps in order, and what it tells.
//! - [`executor`]: one planned write, guarded, sent once. [`lease`]: by what right; one of several operators leads.
//! - `beside`: what runs beside the reconciles: `gates`, the test that a release waits for; `watches`, what is measured
//!   while it is on its way.
//! - `slot`: what is kept of one application between reconciles, outside the tasks.
//! - [`metrics`], [`events`], [`snapshot`], `status`: what people and machines see.
//! - `lab` (a feature of its own): one application's reconciles without the loop around them, for simulations.
//!
//! One application's panic, hang or failure is an outcome of that application and nothing to the others.

mod applications;
mod beside;
pub mod clock;
pub mod cloud;
pub mod controller;
pub mod delay;
pub mod events;
pub mod executor;
mod gates;
#[cfg(feature = "lab")]
pub mod lab;
pub mod lease;
pub mod metrics;
mod notify;
pub mod outcome;
mod publish;
pub mod queue;
mod reconcile;
mod slot;
pub mod snapshot;
mod specs;
mod status;
mod watches;
mod worker;

pub use clock::Clock;
pub use controller::{Controller, Settings};
pub use executor::Mode;
pub use metrics::Metrics;
