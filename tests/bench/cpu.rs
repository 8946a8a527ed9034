//! Rates a second of one core: other processes that run at the same time slow the clock on the wall, not this one.

use std::time::{Duration, Instant};

use crate::figures::{Outcome, Samples};

/// How often each rate is measured; the median counts.
pub(crate) const TURNS: usize = 3;

/// Time that this thread has spent on a processor; where the kernel does not tell, on the wall.
pub(crate) struct Stopwatch {
    wall: Instant,
    on_core: Option<Duration>,
}

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Self {
            wall: Instant::now(),
            on_core: on_core(),
        }
    }

    pub(crate) fn elapsed(&self) -> Duration {
        match (self.on_core, on_core()) {
            (Some(before), Some(now)) => now.saturating_sub(before),
            (Some(_) | None, _) => self.wall.elapsed(),
        }
    }
}

/// How often a second of one core `work` can be done, in [`TURNS`] turns of a second on the wall.
pub(crate) async fn rate(mut work: impl AsyncFnMut() -> Outcome<u64>) -> Outcome<Samples> {
    let mut rates = Vec::with_capacity(TURNS);
    for _ in 0..TURNS {
        let (stopwatch, began, mut done) = (Stopwatch::start(), Instant::now(), 0);
        while began.elapsed() < Duration::from_secs(1) {
            done += work().await?;
        }
        rates.push(done as f64 / stopwatch.elapsed().as_secs_f64().max(f64::EPSILON));
    }
    Samples::new(rates)
}

/// The first number of `schedstat`: nanoseconds on a processor.
fn on_core() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split_whitespace()
        .next()?
        .parse()
        .ok()
        .map(Duration::from_nanos)
}
