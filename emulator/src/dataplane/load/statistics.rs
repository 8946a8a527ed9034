//! What a load generator counts.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Counts of a [`super::Load`] at one moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Statistics {
    /// Time since the load started.
    pub elapsed: Duration,
    /// Requests that ended, well or not.
    pub requests: u64,
    /// Requests that failed.
    pub failed: u64,
    /// Why requests failed, for example `status 502`, and how many.
    pub reasons: BTreeMap<String, u64>,
    /// Good answers by the version that gave them.
    pub versions: BTreeMap<String, VersionStatistics>,
    /// Visitors who have left: each sends some requests, then another one takes the place.
    pub visitors: u64,
    /// Those of them who ever had an answer of a version, good or bad.
    pub saw: BTreeMap<String, u64>,
    /// Idle connections that the server closed and the user opened again; no failures.
    pub reconnects: u64,
    /// How long the good answers took.
    pub latency: Histogram,
}

/// Good answers of one version.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct VersionStatistics {
    /// How many.
    pub requests: u64,
    /// When the first one was complete, since the start of the load.
    pub first: Duration,
    /// When the latest one was complete, since the start of the load.
    pub last: Duration,
}

impl Statistics {
    /// Good answers of `version`.
    pub fn answered_by(&self, version: &str) -> u64 {
        self.versions
            .get(version)
            .map_or(0, |version| version.requests)
    }

    pub(super) fn left(&mut self, saw: BTreeSet<String>) {
        self.visitors += 1;
        for version in saw {
            *self.saw.entry(version).or_default() += 1;
        }
    }

    pub(super) fn record(
        &mut self,
        outcome: Result<String, String>,
        latency: Duration,
        answered: Duration,
    ) {
        self.requests += 1;
        match outcome {
            Ok(version) => {
                self.latency.record(latency);
                let version = self.versions.entry(version).or_insert(VersionStatistics {
                    first: answered,
                    ..Default::default()
                });
                version.requests += 1;
                version.last = answered;
            }
            Err(reason) => {
                self.failed += 1;
                *self.reasons.entry(reason).or_default() += 1;
            }
        }
    }
}

/// Buckets for each doubling of the latency: quantiles are exact to 1/8.
const STEPS: u64 = 8;
/// Enough buckets for the largest `u64` of microseconds.
const BUCKETS: usize = 8 * 62;

/// Latencies in buckets whose width is one eighth of their lower bound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Histogram {
    buckets: Vec<u64>,
    count: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            buckets: vec![0; BUCKETS],
            count: 0,
        }
    }
}

impl Histogram {
    fn record(&mut self, latency: Duration) {
        let bucket = bucket(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX));
        if let Some(bucket) = self.buckets.get_mut(bucket) {
            *bucket += 1;
            self.count += 1;
        }
    }

    /// The latency that the given share (0 to 1) of requests did not exceed, to within one eighth above; zero
    /// when nothing was recorded.
    pub fn quantile(&self, share: f64) -> Duration {
        let wanted = (share.clamp(0.0, 1.0) * self.count as f64).ceil() as u64;
        let mut seen = 0;
        for (index, count) in self.buckets.iter().enumerate() {
            seen += count;
            if *count > 0 && seen >= wanted {
                return Duration::from_micros(upper_bound(index));
            }
        }
        Duration::ZERO
    }
}

/// The bucket of a latency: exact below 8 µs, then 8 buckets for each doubling.
fn bucket(micros: u64) -> usize {
    if micros < STEPS {
        return micros as usize;
    }
    let doublings = u64::from(micros.ilog2()) - 3;
    (doublings * STEPS + (micros >> doublings)) as usize
}

/// The largest latency in µs that falls into the bucket.
fn upper_bound(index: usize) -> u64 {
    let index = index as u64;
    if index < 2 * STEPS {
        return index;
    }
    let doublings = index / STEPS - 1;
    let lower = u128::from(index - doublings * STEPS) << doublings;
    u64::try_from(lower + (1 << doublings) - 1).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_latency_is_in_a_bucket_at_most_an_eighth_wide() {
        for shift in 0..64 {
            for micros in [
                1_u64 << shift,
                (1 << shift) + (1 << shift) / 3,
                u64::MAX >> (63 - shift),
            ] {
                let index = bucket(micros);
                assert!(index < BUCKETS, "{micros}");
                let upper = upper_bound(index);
                assert!(
                    upper >= micros && upper - micros <= micros / 8,
                    "{micros} in {index} up to {upper}"
                );
            }
        }
    }

    #[test]
    fn quantiles_are_ordered_and_close() {
        let mut histogram = Histogram::default();
        for millis in 1..=100 {
            histogram.record(Duration::from_millis(millis));
        }
        let median = histogram.quantile(0.5);
        assert!((50_000..57_000).contains(&median.as_micros()), "{median:?}");
        assert!(histogram.quantile(1.0) >= Duration::from_millis(100));
        assert_eq!(Histogram::default().quantile(0.5), Duration::ZERO);
    }
}
