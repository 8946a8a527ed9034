//! Observation: what each application needs to know, read for many applications in as few calls as AWS allows.
//!
//! - `coalesce`: requests that arrive together become one round.
//! - `round`: one round; each part of each answer has its own time and its own error.
//! - `parameters`, `services`, `tasks`, `balancers`, `groups`, `definitions`, `scaling`: one kind of thing each.
//! - [`cloud`]: the runtime's trait over it.

pub(crate) mod balancers;
pub mod cloud;
mod coalesce;
mod definitions;
pub(crate) mod groups;
pub(crate) mod parameters;
mod round;
mod scaling;
pub(crate) mod services;
mod tasks;

pub use cloud::AwsCloud;
