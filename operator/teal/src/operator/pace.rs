//! Bounds and polls of the operator, as they are for AWS or so many times as fast for an emulator that is.

use std::time::Duration;

use planner::Tuning;
use runtime::Settings;
use runtime::delay::Delays;
use runtime::lease::Terms;
use runtime::queue::Limits;

/// The loop's settings with every duration divided by `scale`: waits keep their proportions to the emulator's.
pub(crate) fn settings(scale: f64) -> Settings {
    let fast = |duration: Duration| duration.div_f64(scale);
    let Settings {
        tuning,
        limits,
        poll_specs,
        poll_wishes,
        reconcile_limit,
        write_limit,
        seed,
    } = Settings::default();
    Settings {
        tuning: Tuning {
            staleness: fast(tuning.staleness),
            ecs_staleness: fast(tuning.ecs_staleness),
            quiescence: fast(tuning.quiescence),
            quiescence_destructive: fast(tuning.quiescence_destructive),
            health_gap: fast(tuning.health_gap),
            task_settle: fast(tuning.task_settle),
            evidence_age: fast(tuning.evidence_age),
            plan_age: fast(tuning.plan_age),
            poll_moving: fast(tuning.poll_moving),
            poll_settled: fast(tuning.poll_settled),
            ..tuning
        },
        limits: Limits {
            concurrency: limits.concurrency,
            min_interval: fast(limits.min_interval),
            delays: Delays {
                first: fast(limits.delays.first),
                longest: fast(limits.delays.longest),
            },
        },
        poll_specs: fast(poll_specs),
        poll_wishes: fast(poll_wishes),
        reconcile_limit,
        write_limit: fast(write_limit),
        seed,
    }
}

/// Our share of AWS's request limits: a world that is faster has them more often.
pub(crate) fn share(share: f64, scale: f64) -> f64 {
    share * scale.max(1.0)
}

/// A lease's durations for a term as for AWS.
pub(crate) fn terms(term: Duration, scale: f64) -> Terms {
    Terms::of(term.div_f64(scale))
}

/// How long one write may take: less than the quiescence, at every scale.
pub(crate) fn write_timeout(scale: f64) -> Duration {
    aws::Settings::default().write_timeout.div_f64(scale)
}

/// How long a minute of metrics is.
pub(crate) fn minute(scale: f64) -> Duration {
    aws::Settings::default().minute.div_f64(scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scale_of_aws_changes_nothing() {
        assert_eq!(settings(1.0), Settings::default());
        assert_eq!(write_timeout(1.0), aws::Settings::default().write_timeout);
    }

    #[test]
    fn a_write_ends_before_its_quiescence_at_every_scale() {
        for scale in [0.5, 1.0, 5.0, 100.0] {
            let settings = settings(scale);
            assert!(
                write_timeout(scale) < settings.write_limit
                    && settings.write_limit < settings.tuning.quiescence
            );
        }
    }
}
