//! Where a lease is kept: one item, changed by conditional writes only.

use std::future::Future;

/// What a lease store holds. No two of these that were ever written are equal, so that "unchanged" can be seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseItem {
    /// Which process. Unique to it: a restarted one is another.
    pub holder: String,
    /// Grows by one with each taking of the lease.
    pub epoch: u64,
    /// Grows by one with each renewal.
    pub renewal: u64,
    /// What the holder does with it.
    pub phase: Phase,
}

/// What a lease's holder does with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// There was no item. The holder put one there and waits for a term: an earlier one may still hold what was deleted
    /// under it.
    Awaited,
    /// It leads.
    Held,
    /// It stopped and gave the lease back: the next one need not wait.
    Released,
}

impl LeaseItem {
    /// The same lease, kept.
    pub(crate) fn renewed(&self) -> Self {
        Self {
            renewal: self.renewal.saturating_add(1),
            ..self.clone()
        }
    }

    /// The same lease, given back.
    pub(crate) fn released(&self) -> Self {
        Self {
            phase: Phase::Released,
            ..self.renewed()
        }
    }
}

impl Phase {
    /// The stable name, as it is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Awaited => "awaited",
            Self::Held => "held",
            Self::Released => "released",
        }
    }
}

/// A text that names no phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a phase of a lease")]
pub struct NoPhase;

impl std::str::FromStr for Phase {
    type Err = NoPhase;

    fn from_str(text: &str) -> Result<Self, NoPhase> {
        [Self::Awaited, Self::Held, Self::Released]
            .into_iter()
            .find(|phase| phase.as_str() == text)
            .ok_or(NoPhase)
    }
}

/// The place.
///
/// Both calls are made one at a time, and cut off after [`super::Terms::renew_every`]; one that was cut off or failed
/// may still take effect later, which the state machine expects.
pub trait LeaseStore: Send + Sync + 'static {
    /// Why the store could not be used: what was tried, why it failed, what to do next.
    type Error: std::error::Error + Send + Sync;

    /// The item as it is, by a read that shows every write that was answered before it began; none when there is no
    /// item.
    ///
    /// # Errors
    /// When it could not be read.
    fn read(&self) -> impl Future<Output = Result<Option<LeaseItem>, Self::Error>> + Send;

    /// Puts `next` in place of exactly `seen`, in one step; false when something else is there.
    ///
    /// # Errors
    /// When it is not known whether it happened, or it was refused.
    fn replace(
        &self,
        seen: Option<&LeaseItem>,
        next: &LeaseItem,
    ) -> impl Future<Output = Result<bool, Self::Error>> + Send;
}
