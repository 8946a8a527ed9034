//! The two clocks, as values.

use std::fmt;
use std::ops::Add;
use std::time::Duration;

use jiff::Timestamp;

/// A point on this process's monotonic clock, in milliseconds since an arbitrary start.
///
/// Settle, draining, barriers and quiescence count on it: they restart with the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Mono(pub u64);

impl Mono {
    /// How long after `earlier` this is; zero when it is not later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Mono {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(
            self.0
                .saturating_add(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)),
        )
    }
}

/// The present, on both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Monotonic: settle, draining, barriers, quiescence.
    pub mono: Mono,
    /// Wall clock: bake and deadlines, from the record.
    pub wall: Timestamp,
}

impl Now {
    /// How long ago `start` was on the wall clock; a start in the future counts as now.
    pub fn elapsed_since(self, start: Timestamp) -> Duration {
        let ms = self
            .wall
            .as_millisecond()
            .saturating_sub(start.as_millisecond());
        Duration::from_millis(u64::try_from(ms).unwrap_or(0))
    }

    /// How long until `end` on the wall clock; zero when it has passed.
    pub fn left_until(self, end: Timestamp) -> Duration {
        Duration::try_from(end.duration_since(self.wall)).unwrap_or_default()
    }
}

/// `start + duration`, for telling people; the far end of time when it does not fit.
pub fn instant_after(start: Timestamp, duration: Duration) -> Timestamp {
    let ms = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millisecond(start.as_millisecond().saturating_add(ms)).unwrap_or(Timestamp::MAX)
}

impl fmt::Display for Mono {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}ms", self.0)
    }
}
