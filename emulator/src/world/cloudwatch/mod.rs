//! Amazon CloudWatch: metrics as they were put or published, and alarms that watch them.
//!
//! A minute here is AWS's 60 seconds at the pace of the world ([`minute_ms`]): it begins at a whole multiple of its
//! length since 1970. Timestamps are always those of the emulated clock.

pub mod alarm;
pub mod metric;
pub mod reason;
pub mod statistic;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Settings, World};

pub use alarm::Alarm;
pub use metric::{Metric, Series};
pub use statistic::{Datum, Statistic};

/// How many minutes of a metric are kept (AWS: 15 days).
pub const KEPT_MINUTES: u64 = 360;

/// Amazon CloudWatch.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct CloudWatch {
    /// Metric alarms by name.
    pub alarms: BTreeMap<String, Alarm>,
    /// Metrics by the text of their name. Worlds that are remembered share them until the next minute.
    pub metrics: Arc<BTreeMap<String, Series>>,
}

/// Unix time in milliseconds of the emulated clock.
#[must_use]
pub fn unix_ms(world: &World) -> u64 {
    world.epoch_unix_ms + world.now
}

/// How long AWS's minute lasts here, in milliseconds.
#[must_use]
pub fn minute_ms(settings: &Settings) -> u64 {
    settings.declared_ms(60).max(1)
}

/// How long a period of so many `seconds` lasts here, in milliseconds: whole minutes stay whole minutes.
#[must_use]
pub fn period_ms(settings: &Settings, seconds: u64) -> u64 {
    if seconds.is_multiple_of(60) {
        return (seconds / 60).saturating_mul(minute_ms(settings)).max(1);
    }
    settings.declared_ms(seconds).max(1)
}

/// The last instant up to `unix_ms` that is a multiple of `step`.
#[must_use]
pub fn floor(unix_ms: u64, step: u64) -> u64 {
    unix_ms - unix_ms % step.max(1)
}
