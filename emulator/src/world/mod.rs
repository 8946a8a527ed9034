//! Pure state and rules in time.
//!
//! Time is an argument: [`Millis`] since the emulator's epoch. Nothing here reads a clock, opens a socket or
//! draws a random number that is not seeded.

pub mod agenda;
pub mod autoscaling;
pub mod behaviour;
pub mod ecs;
pub mod elb;
pub mod settings;
pub mod ssm;
pub mod view;

use serde::{Deserialize, Serialize};

pub use settings::{Settings, TaskMode};

/// Milliseconds since the emulator's epoch ([`World::epoch_unix_ms`]).
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
    /// What is due when.
    pub agenda: agenda::Agenda,
    /// Amazon ECS.
    pub ecs: ecs::Ecs,
    /// Elastic Load Balancing v2.
    pub elb: elb::Elb,
    /// Systems Manager Parameter Store.
    pub ssm: ssm::Ssm,
    /// Application Auto Scaling.
    pub autoscaling: autoscaling::AutoScaling,
}

impl World {
    /// An empty account at `Millis` 0.
    #[must_use]
    pub fn new(settings: Settings, epoch_unix_ms: u64) -> Self {
        Self {
            settings,
            epoch_unix_ms,
            now: 0,
            next_id: 1,
            agenda: agenda::Agenda::default(),
            ecs: ecs::Ecs::default(),
            elb: elb::Elb::default(),
            ssm: ssm::Ssm::default(),
            autoscaling: autoscaling::AutoScaling::default(),
        }
    }

    /// Makes all timed transitions up to `now`. Time never goes back: an earlier `now` changes nothing.
    pub fn advance(&mut self, now: Millis) {
        while let Some((at, event)) = self.agenda.take_due(now) {
            self.now = self.now.max(at);
            let _ = event;
        }
        self.now = self.now.max(now);
    }

    /// The next instant at which [`World::advance`] may change something, if any.
    #[must_use]
    pub fn next_event(&self) -> Option<Millis> {
        self.agenda.next()
    }

    /// Unix time in seconds, as AWS's JSON has timestamps.
    #[must_use]
    pub fn unix_seconds(&self, at: Millis) -> f64 {
        (self.epoch_unix_ms + at) as f64 / 1000.0
    }
}
