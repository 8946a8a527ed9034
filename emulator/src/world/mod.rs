//! Pure state and rules in time.
//!
//! Time is an argument: [`Millis`] since the emulator's epoch, in *emulated* milliseconds. Nothing here
//! reads a clock, opens a socket or draws a random number that is not seeded.

pub mod autoscaling;
pub mod ecs;
pub mod elb;
pub mod settings;
pub mod ssm;

use serde::{Deserialize, Serialize};

pub use settings::Settings;

/// Emulated milliseconds since the emulator's epoch ([`World::epoch_unix_ms`]).
pub type Millis = u64;

/// Everything the emulated account holds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct World {
    /// Durations, quotas and identity.
    pub settings: Settings,
    /// Unix time in milliseconds at `Millis` 0.
    pub epoch_unix_ms: u64,
    /// The latest instant that [`World::advance`] was told.
    pub now: Millis,
    /// Counter behind every generated identifier, so that a seed and a call sequence replay bit for bit.
    pub next_id: u64,
    /// Amazon ECS.
    pub ecs: ecs::Ecs,
    /// Elastic Load Balancing v2.
    pub elb: elb::Elb,
    /// Systems Manager Parameter Store.
    pub ssm: ssm::Ssm,
    /// Application Auto Scaling.
    pub autoscaling: autoscaling::AutoScaling,
}
