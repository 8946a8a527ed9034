//! By what right this process writes.
//!
//! Until a lease exists, one operator a prefix is the deployment's promise: an ECS service with `desiredCount` 1,
//! `maximumPercent` 100 and `minimumHealthyPercent` 0. A second operator is not fenced, and the README says so. The
//! lease comes with later work: the executor asks [`Authority`] before each write, so that nothing else changes then.

use std::future::Future;
use std::time::Duration;

/// By what right this process writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authority {
    /// The deployment runs one operator at a time.
    SingleByDeployment,
}

impl Authority {
    /// The right outlives a write that takes up to `bound` (S16).
    pub fn outlives(self, _bound: Duration) -> bool {
        match self {
            Self::SingleByDeployment => true,
        }
    }
}

/// Where a lease is kept: one item, changed by conditional writes only.
///
/// Expiry is judged by seeing the item unchanged for a full term on one's own monotonic clock, never by comparing
/// clocks; a takeover then waits a grace for the earlier holder's last write.
pub trait LeaseStore: Send + Sync + 'static {
    /// Why the store could not be used.
    type Error: std::error::Error + Send + Sync;

    /// The item as it is; none when nobody ever held the lease.
    ///
    /// # Errors
    /// When it could not be read: then there is no lease.
    fn read(&self) -> impl Future<Output = Result<Option<LeaseItem>, Self::Error>> + Send;

    /// Puts `next` in place of exactly `seen`; false when somebody else was faster.
    ///
    /// # Errors
    /// When it is not known whether it happened: then there is no lease.
    fn replace(
        &self,
        seen: Option<&LeaseItem>,
        next: &LeaseItem,
    ) -> impl Future<Output = Result<bool, Self::Error>> + Send;
}

/// What a lease store holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseItem {
    /// Which process.
    pub holder: String,
    /// Grows by one with each holder.
    pub epoch: u64,
    /// Grows by one with each renewal.
    pub renewal: u64,
}
