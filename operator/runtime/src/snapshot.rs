//! What readers see: the latest of each application, and whether the loop makes progress. Read-only, for HTTP, the
//! command line and the demo.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crd_schema::status::Status;
use crd_schema::{Application, ApplicationName};
use jiff::Timestamp;
use planner::{Mono, Plan};

use crate::metrics::Role;

/// The loop goes round at least every few seconds; after this long without, it is stuck.
const TICK_LIMIT: Duration = Duration::from_secs(30);
/// A reconcile is cut off long before this; one that still runs blocks its thread.
const RUN_LIMIT: Duration = Duration::from_secs(300);

/// One application, as its last reconcile left it.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The status document.
    pub status: Status,
    /// The last plan: what was waited for, and what the next step was. None before the first full look.
    pub plan: Option<Plan>,
    /// The spec in force; none while there was never a good one.
    pub application: Option<Arc<Application>>,
    /// When the reconcile ended.
    pub at: Timestamp,
}

/// How the loop does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Health {
    /// The loop last went round.
    pub tick: Mono,
    /// The application that has been due longest and does not run, and since when.
    pub overdue: Option<(ApplicationName, Mono)>,
    /// The reconcile that has run longest, and since when.
    pub running: Option<(ApplicationName, Mono)>,
    /// What is missing before the first full observation is done; empty: ready.
    pub missing: Vec<String>,
}

impl Health {
    /// Why the loop counts as stuck; none while it makes progress.
    pub fn stuck(&self, now: Mono) -> Option<String> {
        let late =
            |since: Mono, limit: Duration| Some(now.since(since)).filter(|late| *late > limit);
        if let Some(late) = late(self.tick, TICK_LIMIT) {
            return Some(format!(
                "the loop has not gone round for {} s",
                late.as_secs()
            ));
        }
        let (name, since) = self.running.as_ref()?;
        let late = late(*since, RUN_LIMIT)?;
        Some(format!(
            "the reconcile of {name} has been running for {} s",
            late.as_secs()
        ))
    }
}

/// What this process is to the applications.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leadership {
    /// Whether it writes.
    pub role: Role,
    /// Which other process holds the lease, as far as is known.
    pub leader: Option<String>,
    /// Why the lease could not be read or written last; none when it could, or there is none.
    pub trouble: Option<String>,
}

impl Leadership {
    /// One that never writes.
    pub(crate) fn observing() -> Self {
        Self {
            role: Role::Observing,
            leader: None,
            trouble: None,
        }
    }
}

/// The latest of everything. Clones show the same.
#[derive(Debug, Clone)]
pub struct Board(Arc<Mutex<Shown>>);

#[derive(Debug)]
struct Shown {
    applications: BTreeMap<ApplicationName, Arc<Snapshot>>,
    health: Health,
    leadership: Leadership,
}

impl Default for Board {
    fn default() -> Self {
        let missing = vec!["the list of applications".to_owned()];
        let health = Health {
            missing,
            ..Health::default()
        };
        Self(Arc::new(Mutex::new(Shown {
            applications: BTreeMap::new(),
            health,
            leadership: Leadership::observing(),
        })))
    }
}

impl Board {
    /// One application.
    pub fn get(&self, name: &ApplicationName) -> Option<Arc<Snapshot>> {
        self.shown().applications.get(name).cloned()
    }

    /// Every application that was reconciled at least once.
    pub fn all(&self) -> BTreeMap<ApplicationName, Arc<Snapshot>> {
        self.shown().applications.clone()
    }

    /// How the loop does.
    pub fn health(&self) -> Health {
        self.shown().health.clone()
    }

    /// What this process is to the applications.
    pub fn leadership(&self) -> Leadership {
        self.shown().leadership.clone()
    }

    /// Every known application was observed in full.
    ///
    /// # Errors
    ///
    /// What is missing, for people.
    pub fn ready(&self) -> Result<(), Vec<String>> {
        let missing = self.health().missing;
        if missing.is_empty() {
            Ok(())
        } else {
            Err(missing)
        }
    }

    pub(crate) fn show(&self, name: &ApplicationName, snapshot: Snapshot) {
        self.shown()
            .applications
            .insert(name.clone(), Arc::new(snapshot));
    }

    pub(crate) fn remove(&self, name: &ApplicationName) {
        self.shown().applications.remove(name);
    }

    pub(crate) fn set_health(&self, health: Health) {
        self.shown().health = health;
    }

    pub(crate) fn set_leadership(&self, leadership: Leadership) {
        self.shown().leadership = leadership;
    }

    fn shown(&self) -> MutexGuard<'_, Shown> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loop_that_stands_still_or_a_run_that_never_ends_is_stuck() {
        let name = ApplicationName::new("blog");
        let health = Health {
            tick: Mono(100_000),
            running: Some((name, Mono(0))),
            ..Health::default()
        };
        assert_eq!(health.stuck(Mono(130_000)), None);
        let why = health.stuck(Mono(131_000)).unwrap();
        assert_eq!(why, "the loop has not gone round for 31 s");
        let health = Health {
            tick: Mono(400_000),
            ..health
        };
        assert_eq!(
            health.stuck(Mono(400_000)).unwrap(),
            "the reconcile of blog has been running for 400 s"
        );
    }
}
