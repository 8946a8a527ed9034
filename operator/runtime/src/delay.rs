//! How long to wait after failures.
//!
//! The `backoff` crate computes the exponential curve and nothing else: it neither sleeps nor draws a random number
//! that matters. Jitter is an argument, so that the same inputs give the same delay.

use std::time::Duration;

use backoff::ExponentialBackoffBuilder;
use backoff::backoff::Backoff;

/// Part of a delay that jitter may add or take away.
const JITTER: f64 = 0.2;
/// Doublings after which the longest delay is certainly reached.
const DOUBLINGS: u32 = 32;

/// Delays that double from `first` to `longest`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delays {
    /// After the first failure.
    pub first: Duration,
    /// Never longer than this.
    pub longest: Duration,
}

impl Default for Delays {
    /// 1 s to 60 s: never longer than between two looks at what is settled, or traffic that nothing lives for would wait
    /// longer for a look the longer AWS was in trouble.
    fn default() -> Self {
        Self {
            first: Duration::from_secs(1),
            longest: Duration::from_secs(60),
        }
    }
}

impl Delays {
    /// The delay after this many failures in a row (from 1), in whole milliseconds.
    ///
    /// `draw`, from 0 to 1, moves it by up to a fifth down or up, so that applications which failed together do not
    /// all come back together.
    pub fn after(&self, failures: u32, draw: f64) -> Duration {
        let mut curve = ExponentialBackoffBuilder::new()
            .with_initial_interval(self.first)
            .with_max_interval(self.longest)
            .with_multiplier(2.0)
            .with_randomization_factor(0.0)
            .with_max_elapsed_time(None)
            .build();
        let mut delay = self.first;
        for _ in 0..failures.clamp(1, DOUBLINGS) {
            delay = curve.next_backoff().unwrap_or(self.longest);
        }
        let jittered = delay.mul_f64(1.0 - JITTER + 2.0 * JITTER * draw.clamp(0.0, 1.0));
        Duration::from_millis(
            u64::try_from(jittered.min(self.longest).as_millis()).unwrap_or(u64::MAX),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_from_a_second_to_a_minute() {
        let delays = Delays::default();
        let seconds: Vec<u64> = (1..=8)
            .map(|failures| delays.after(failures, 0.5).as_secs())
            .collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(delays.after(u32::MAX, 1.0), delays.longest);
    }

    #[test]
    fn jitter_moves_it_by_a_fifth_and_is_an_argument() {
        let delays = Delays::default();
        assert_eq!(delays.after(1, 0.0), Duration::from_millis(800));
        assert_eq!(delays.after(1, 1.0), Duration::from_millis(1200));
        assert_eq!(delays.after(4, 0.3), delays.after(4, 0.3));
    }
}
