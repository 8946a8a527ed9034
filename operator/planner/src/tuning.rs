//! Bounds that belong to AWS and the operator, not to an application. All configurable; scaled in the demo.

use std::time::Duration;

use crate::ablation::Rule;

/// Bounds and intervals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tuning {
    /// How long ELB and SSM reads may lag behind a write. Default 10 s.
    pub staleness: Duration,
    /// How long ECS reads may lag behind a write. Default 30 s.
    pub ecs_staleness: Duration,
    /// Q: how long a write with unknown outcome may still land, for planning writes that add or shift. Default 40 s (operation time-out 10 s + 30 s).
    pub quiescence: Duration,
    /// Q∞: the same, before anything is scaled down or deleted: the life of a signature. Default 5 min.
    pub quiescence_destructive: Duration,
    /// Two health readings that count as two lie at least this far apart, or one health-check interval if that is less. Default 5 s.
    pub health_gap: Duration,
    /// A worker's task counts when it ran, and was not unhealthy, in every reading for so long. Default 30 s.
    pub task_settle: Duration,
    /// Evidence of health older than this is no evidence. Default 15 s.
    pub evidence_age: Duration,
    /// A plan older than this is not enacted. Default 10 s.
    pub plan_age: Duration,
    /// Look again this often while something is on its way. Default 2 s.
    pub poll_moving: Duration,
    /// Look again this often while settled. Default 60 s.
    pub poll_settled: Duration,
    /// Task definition revisions that are kept in the application's family. Default 5, at least 2.
    pub keep_revisions: usize,
    /// What a test has switched off.
    #[cfg(feature = "lab")]
    pub without: crate::ablation::Without,
}

impl Tuning {
    /// The bounds of an operator that has been at work for long and has nothing outstanding: for whoever looks once, and
    /// writes nothing by it.
    pub fn long_awake() -> Self {
        Self {
            staleness: Duration::ZERO,
            ecs_staleness: Duration::ZERO,
            quiescence: Duration::ZERO,
            quiescence_destructive: Duration::ZERO,
            ..Self::default()
        }
    }

    /// A test has switched this rule off. Never so in what ships.
    #[cfg(feature = "lab")]
    pub fn without(&self, rule: Rule) -> bool {
        self.without.contains(rule)
    }

    /// A test has switched this rule off. Never so in what ships.
    #[cfg(not(feature = "lab"))]
    pub const fn without(&self, _: Rule) -> bool {
        false
    }
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            staleness: Duration::from_secs(10),
            ecs_staleness: Duration::from_secs(30),
            quiescence: Duration::from_secs(40),
            quiescence_destructive: Duration::from_secs(300),
            health_gap: Duration::from_secs(5),
            task_settle: Duration::from_secs(30),
            evidence_age: Duration::from_secs(15),
            plan_age: Duration::from_secs(10),
            poll_moving: Duration::from_secs(2),
            poll_settled: Duration::from_secs(60),
            keep_revisions: 5,
            #[cfg(feature = "lab")]
            without: crate::ablation::Without::default(),
        }
    }
}
