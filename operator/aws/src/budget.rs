//! Our share of AWS's request limits: a call waits here before AWS has to refuse it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use prometheus::Counter;
use tokio::time::Instant;

/// The groups in which AWS counts calls, each with a bucket of its own.
///
/// ECS: "Request throttling for the Amazon ECS API"; ELB: "Request throttling for the ELB API", where every call also
/// counts against one bucket of the account; SSM: quotas of Parameter Store (writes: no number is published).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// ECS: create, update, delete a service.
    ServiceModify,
    /// ECS: list and describe services.
    ServiceRead,
    /// ECS: register and deregister task definitions.
    DefinitionModify,
    /// ECS: list and describe task definitions.
    DefinitionRead,
    /// ECS: tag a resource.
    TagModify,
    /// ECS: run and stop a task.
    TaskModify,
    /// ECS: list and describe tasks.
    TaskRead,
    /// ELB: everything; a mutating call takes from both of its buckets.
    ElbAny,
    /// ELB: modify listeners and rules, create, modify and delete target groups.
    ElbModify,
    /// SSM: read parameters.
    ParameterRead,
    /// SSM: write parameters.
    ParameterWrite,
    /// Application Auto Scaling: describe.
    ScalingRead,
    /// Application Auto Scaling: register, put, deregister. No number is published for either.
    ScalingModify,
    /// CloudWatch: describe alarms. ECS's own look at alarms draws on the same quota.
    AlarmRead,
    /// CloudWatch: get metric data.
    MetricRead,
    /// Lambda: invoke. What AWS limits is how many run at once; this is our own measure.
    FunctionInvoke,
}

impl Class {
    const COUNT: usize = 16;

    /// AWS's limit for the whole account in a Region: burst, and calls a second.
    fn limit(self) -> (f64, f64) {
        match self {
            Self::ServiceModify => (50.0, 5.0),
            Self::ServiceRead | Self::TaskRead | Self::TaskModify => (100.0, 20.0),
            Self::DefinitionModify => (20.0, 1.0),
            Self::DefinitionRead => (50.0, 20.0),
            Self::TagModify => (20.0, 10.0),
            Self::ElbAny => (40.0, 10.0),
            Self::ElbModify => (20.0, 3.0),
            Self::ParameterRead => (40.0, 40.0),
            Self::ParameterWrite => (6.0, 3.0),
            Self::ScalingRead | Self::ScalingModify => (20.0, 5.0),
            Self::AlarmRead => (9.0, 9.0),
            Self::MetricRead => (50.0, 50.0),
            Self::FunctionInvoke => (20.0, 10.0),
        }
    }

    const ALL: [Self; Self::COUNT] = [
        Self::ServiceModify,
        Self::ServiceRead,
        Self::DefinitionModify,
        Self::DefinitionRead,
        Self::TagModify,
        Self::TaskModify,
        Self::TaskRead,
        Self::ElbAny,
        Self::ElbModify,
        Self::ParameterRead,
        Self::ParameterWrite,
        Self::ScalingRead,
        Self::ScalingModify,
        Self::AlarmRead,
        Self::MetricRead,
        Self::FunctionInvoke,
    ];
}

/// Who may take the last tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Priority {
    /// Observation: leaves a reserve.
    Read,
    /// A write, or a read that a write waits for.
    Write,
}

/// A token bucket. Pure: time is an argument, in seconds on any clock that does not run backwards.
#[derive(Debug, Clone, PartialEq)]
pub struct Bucket {
    burst: f64,
    rate: f64,
    tokens: f64,
    at: f64,
}

impl Bucket {
    /// A full bucket: `burst` tokens at most, `rate` new ones a second; both at least a hundredth.
    pub fn new(burst: f64, rate: f64) -> Self {
        let burst = burst.max(1.0);
        Self {
            burst,
            rate: rate.max(0.01),
            tokens: burst,
            at: 0.0,
        }
    }

    /// Takes one token if more than `reserve` are left without it, else says how many seconds to wait.
    ///
    /// # Errors
    /// Seconds until a token will be there, if nobody else takes it.
    pub fn take(&mut self, now: f64, reserve: f64) -> Result<(), f64> {
        self.tokens = (self.tokens + (now - self.at).max(0.0) * self.rate).min(self.burst);
        self.at = self.at.max(now);
        let needed = 1.0 + reserve.clamp(0.0, self.burst - 1.0);
        if self.tokens >= needed {
            self.tokens -= 1.0;
            return Ok(());
        }
        Err((needed - self.tokens) / self.rate)
    }
}

/// Every bucket of one account and Region.
#[derive(Debug)]
pub struct Budget {
    start: Instant,
    buckets: Vec<Mutex<Bucket>>,
    waited: Counter,
}

impl Budget {
    /// The part of a bucket that only writes may use.
    const RESERVE: f64 = 0.2;

    /// `share` (above 0, at most 1) of AWS's limits; the rest is for everybody else on the account. Above 1 only for an
    /// emulator whose time passes faster.
    pub fn new(share: f64, waited: Counter) -> Self {
        let share = share.clamp(0.01, 1000.0);
        let bucket = |class: Class| {
            let (burst, rate) = class.limit();
            Mutex::new(Bucket::new(burst * share, rate * share))
        };
        Self {
            start: Instant::now(),
            buckets: Class::ALL.map(bucket).into(),
            waited,
        }
    }

    /// Waits for a token of `class`. A caller that goes away takes none.
    pub async fn acquire(&self, class: Class, priority: Priority) {
        if class == Class::ElbModify {
            self.wait(Class::ElbAny, priority).await;
        }
        self.wait(class, priority).await;
    }

    async fn wait(&self, class: Class, priority: Priority) {
        while let Err(seconds) = self.take(class, priority) {
            self.waited.inc_by(seconds);
            tokio::time::sleep(Duration::from_secs_f64(seconds.clamp(0.001, 60.0))).await;
        }
    }

    fn take(&self, class: Class, priority: Priority) -> Result<(), f64> {
        let now = self.start.elapsed().as_secs_f64();
        let Some(bucket) = self.buckets.get(class as usize) else {
            return Ok(());
        };
        let mut bucket = bucket.lock().unwrap_or_else(PoisonError::into_inner);
        let reserve = match priority {
            Priority::Read => bucket.burst * Self::RESERVE,
            Priority::Write => 0.0,
        };
        bucket.take(now, reserve)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_gives_its_burst_and_then_its_rate() {
        let mut bucket = Bucket::new(3.0, 2.0);
        assert_eq!(
            [
                bucket.take(0.0, 0.0),
                bucket.take(0.0, 0.0),
                bucket.take(0.0, 0.0)
            ],
            [Ok(()); 3]
        );
        assert_eq!(bucket.take(0.0, 0.0), Err(0.5));
        assert_eq!(bucket.take(0.5, 0.0), Ok(()));
        assert_eq!(bucket.take(0.5, 0.0), Err(0.5));
        assert_eq!(bucket.take(100.0, 2.0), Ok(()), "never more than the burst");
        assert_eq!(bucket.take(100.0, 2.0), Err(0.5));
        assert_eq!(
            bucket.take(99.0, 0.0),
            Ok(()),
            "a clock that jumps back takes nothing away"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn reads_leave_a_reserve_for_writes() {
        let waited = Counter::new("waited", "seconds").unwrap();
        let budget = Budget::new(0.5, waited.clone());
        let start = Instant::now();
        for _ in 0..16 {
            budget.acquire(Class::ElbAny, Priority::Read).await;
        }
        assert_eq!(
            start.elapsed(),
            Duration::ZERO,
            "20 of the account's 40, less 4 for writes"
        );
        for _ in 0..4 {
            budget.acquire(Class::ElbModify, Priority::Write).await;
        }
        assert_eq!(start.elapsed(), Duration::ZERO);
        budget.acquire(Class::ElbAny, Priority::Read).await;
        assert!(
            start.elapsed() >= Duration::from_secs(1),
            "5 a second refill 4 of the reserve and the one"
        );
        assert!(waited.get() >= 1.0);
    }
}
