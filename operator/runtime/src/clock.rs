//! The present, as a value that is passed in.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use planner::{Mono, Now};
use tokio::time::Instant;

/// One process's clocks. Everything that stamps a read or takes a decision in one process shares clones of one clock.
///
/// Monotonic time follows tokio's clock, so that tests under a paused clock move it.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    start: Instant,
    wall: Wall,
}

#[derive(Debug, Clone, Copy)]
enum Wall {
    System,
    From(Timestamp),
}

impl Clock {
    /// Monotonic time counts from now; wall time is the system's.
    pub fn system() -> Self {
        Self {
            start: Instant::now(),
            wall: Wall::System,
        }
    }

    /// Monotonic time counts from now; wall time is `wall` now and advances with it.
    pub fn starting_at(wall: Timestamp) -> Self {
        Self {
            start: Instant::now(),
            wall: Wall::From(wall),
        }
    }

    /// The same monotonic time beside another wall clock, which shows `wall` now and advances with it.
    pub fn with_wall(self, wall: Timestamp) -> Self {
        let start = wall.saturating_sub(self.start.elapsed());
        Self {
            wall: Wall::From(start.unwrap_or(wall)),
            ..self
        }
    }

    /// The present on the monotonic clock.
    pub fn mono(&self) -> Mono {
        Mono::default() + self.start.elapsed()
    }

    /// The present on both clocks.
    pub fn now(&self) -> Now {
        let elapsed = self.start.elapsed();
        let wall = match self.wall {
            Wall::System => timestamp(
                SystemTime::now()
                    .duration_since(UNIX_EPOCH)
                    .unwrap_or_default(),
            ),
            Wall::From(wall) => planner::time::instant_after(wall, elapsed),
        };
        Now {
            mono: Mono::default() + elapsed,
            wall,
        }
    }

    /// The instant at which [`Clock::mono`] will be `mono`, for timers.
    pub fn instant(&self, mono: Mono) -> Instant {
        self.start + mono.since(Mono::default())
    }
}

fn timestamp(since_epoch: Duration) -> Timestamp {
    planner::time::instant_after(Timestamp::UNIX_EPOCH, since_epoch)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn both_clocks_follow_the_paused_clock() {
        let clock = Clock::starting_at(Timestamp::UNIX_EPOCH);
        tokio::time::advance(Duration::from_millis(1500)).await;
        let now = clock.now();
        assert_eq!(
            now,
            Now {
                mono: Mono(1500),
                wall: Timestamp::from_millisecond(1500).unwrap()
            }
        );
        assert_eq!(clock.mono(), now.mono);
        assert_eq!(clock.instant(now.mono), Instant::now());
        let set_back = clock.with_wall(Timestamp::UNIX_EPOCH).now();
        assert_eq!(set_back.mono, now.mono);
        assert_eq!(set_back.wall, Timestamp::UNIX_EPOCH);
    }
}
