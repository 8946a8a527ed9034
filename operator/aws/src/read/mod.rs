//! Observation: what each application needs to know, read for many applications in as few calls as AWS allows.
//!
//! - `round`: one round; each part of each answer has its own time and its own error.
//! - `release_groups`: which target groups are an application's, where each release has its own.
//! - `parameters`, `services`, `tasks`, `balancers`, `groups`, `definitions`, `scaling`: one kind of thing each.
//! - `raw`: an answer's bytes, for what the SDK's types are too old to read.
//! - `sides`: which group holds which side, and what follows for services and rules.
//! - [`cloud`]: the runtime's trait over it.

pub(crate) mod balancers;
pub mod cloud;
pub(crate) mod definitions;
pub(crate) mod groups;
pub(crate) mod parameters;
pub(crate) mod raw;
mod release_groups;
mod round;
pub(crate) mod scaling;
pub(crate) mod services;
mod sides;
mod tasks;

pub use cloud::AwsCloud;
