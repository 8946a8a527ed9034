//! A lease's durations, and what they must satisfy.

use std::time::Duration;

/// Durations of a lease, on the monotonic clock of whoever counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// How long the lease lasts from the begin of the write that took or renewed it. Default 40 s.
    pub term: Duration,
    /// The holder renews this often, and others look this often; no call of the store takes longer. Default 5 s.
    pub renew_every: Duration,
    /// Every write ends this long before the lease does. Default 5 s.
    pub margin: Duration,
    /// After the item was seen unchanged for a term, others wait this long before they take it: for the holder's last
    /// write, and for clocks that differ. Default 5 s.
    pub grace: Duration,
}

impl Default for Terms {
    fn default() -> Self {
        Self::of(Duration::from_secs(40))
    }
}

/// A term that no write fits into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a lease of {term:?} is too short: a write may take {write:?}, must end {margin:?} before the lease does, and two renewals, {renew_every:?} apart, may fail: at least {least:?}"
)]
pub struct TooShort {
    /// [`Terms::term`]
    pub term: Duration,
    /// Longest time of one write.
    pub write: Duration,
    /// [`Terms::margin`]
    pub margin: Duration,
    /// [`Terms::renew_every`]
    pub renew_every: Duration,
    /// The shortest term of these proportions.
    pub least: Duration,
}

impl Terms {
    /// A term with the usual proportions: renewal, margin and grace are an eighth of it each.
    pub fn of(term: Duration) -> Self {
        let eighth = term / 8;
        Self {
            term,
            renew_every: eighth,
            margin: eighth,
            grace: eighth,
        }
    }

    /// The shortest term of the usual proportions for writes that take up to `write`.
    pub fn shortest(write: Duration) -> Duration {
        write * 8 / 5
    }

    /// A write that takes up to `write` fits in, also after two failed renewals.
    ///
    /// # Errors
    /// When it does not.
    pub fn check(&self, write: Duration) -> Result<(), TooShort> {
        let Self {
            term,
            renew_every,
            margin,
            grace: _,
        } = *self;
        if term >= write + margin + 2 * renew_every {
            return Ok(());
        }
        Err(TooShort {
            term,
            write,
            margin,
            renew_every,
            least: Self::shortest(write),
        })
    }

    /// How much slower or faster than real time a process's monotonic clock may run, as a part of it, before two could
    /// write at the same time: the last write ends `term - margin` after it was begun to be counted by a slow clock,
    /// and another holder begins `term + grace` after, by a fast one.
    pub fn drift(&self) -> f64 {
        let apart = (self.margin + self.grace).as_secs_f64();
        apart
            / (2.0 * self.term.as_secs_f64() + self.grace.as_secs_f64() - self.margin.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_fits_into_the_default_and_into_the_shortest_term() {
        let write = crate::Settings::default().write_limit;
        assert_eq!(Terms::default().check(write), Ok(()));
        let shortest = Terms::shortest(write);
        assert_eq!(Terms::of(shortest).check(write), Ok(()));
        let short = Terms::of(shortest - Duration::from_secs(1));
        assert_eq!(short.check(write).unwrap_err().least, shortest);
    }

    #[test]
    fn clocks_may_differ_by_an_eighth() {
        assert!((Terms::default().drift() - 0.125).abs() < 1e-9);
    }
}
