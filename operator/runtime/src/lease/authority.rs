//! What the loop asks before it writes.

use std::future::pending;
use std::time::Duration;

use planner::Mono;
use tokio::sync::watch;

use super::state::Holding;

/// By what right this process writes.
#[derive(Debug, Clone)]
pub enum Authority {
    /// The deployment runs one operator at a time: an ECS service with `desiredCount` 1, `maximumPercent` 100 and
    /// `minimumHealthyPercent` 0. A second operator is not fenced.
    SingleByDeployment,
    /// It holds the lease, or stands by.
    Lease(LeaseHandle),
}

/// What this process is to the applications.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// No lease is kept: this never changes.
    Sole,
    /// It holds the lease: which taking of it. Another one is another leadership.
    Leading(u64),
    /// Another process holds the lease, or nobody does, or that is not known: nothing is written.
    Standby,
}

impl Authority {
    /// What this process is at `now`.
    pub fn standing(&self, now: Mono) -> Standing {
        match self {
            Self::SingleByDeployment => Standing::Sole,
            Self::Lease(handle) => handle.standing(now),
        }
    }

    /// What was begun as `begun` may write: a write that begins at `now` and takes up to `bound` ends in the same
    /// leadership, a margin before the lease does (S16).
    pub fn outlives(&self, begun: Standing, now: Mono, bound: Duration) -> bool {
        match self {
            Self::SingleByDeployment => begun == Standing::Sole,
            Self::Lease(handle) => {
                let holding = handle.view().holding;
                holding.is_some_and(|Holding { epoch, until }| {
                    begun == Standing::Leading(epoch) && now + bound <= until
                })
            }
        }
    }

    /// What is known of the lease; nothing where there is none.
    pub fn view(&self) -> View {
        match self {
            Self::SingleByDeployment => View::default(),
            Self::Lease(handle) => handle.view(),
        }
    }

    /// Waits until the lease was taken, lost or is told of anew. For ever where there is none.
    pub(crate) async fn changed(&mut self) {
        match self {
            Self::SingleByDeployment => pending().await,
            Self::Lease(handle) => {
                if handle.0.changed().await.is_err() {
                    // The keeper ended: what it told last stays, and runs out.
                    pending().await
                }
            }
        }
    }
}

/// What is known of the lease.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct View {
    /// The lease as this process holds it; it may have run out.
    pub holding: Option<Holding>,
    /// Who else has it, as far as is known.
    pub leader: Option<String>,
    /// Why the store could not be used last; none when it could.
    pub trouble: Option<String>,
}

/// A reader of what the keeper tells. Clones are one.
#[derive(Debug, Clone)]
pub struct LeaseHandle(watch::Receiver<View>);

impl LeaseHandle {
    /// A handle, and the end that tells it.
    pub fn new() -> (watch::Sender<View>, Self) {
        let (tell, told) = watch::channel(View::default());
        (tell, Self(told))
    }

    /// What was told last.
    pub fn view(&self) -> View {
        self.0.borrow().clone()
    }

    fn standing(&self, now: Mono) -> Standing {
        match self.0.borrow().holding {
            Some(Holding { epoch, until }) if now < until => Standing::Leading(epoch),
            Some(_) | None => Standing::Standby,
        }
    }
}
