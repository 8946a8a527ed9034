//! Counters and a bounded log of calls.

use std::collections::{BTreeMap, VecDeque};

use serde::Serialize;
use serde_json::Value;

use crate::api::Service;
use crate::world::Millis;

/// How many calls the log holds; older ones fall out, counters keep counting.
pub const LOG_LENGTH: usize = 10_000;

/// One call as it happened.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Entry {
    /// When it took effect or was refused.
    pub at: Millis,
    /// The service; none: the request reached no service that is emulated.
    pub service: Option<Service>,
    /// The operation.
    pub operation: String,
    /// Access key of the caller, where it signed.
    pub caller: Option<String>,
    /// Its input; `null` when it was refused before it was decoded.
    pub input: Value,
    /// Whether it took effect: false for one that was refused.
    pub effect: bool,
    /// `ok`, the code of the error that the caller saw, or `lost` when it saw no answer.
    pub outcome: String,
}

/// How often a service's operation had an outcome.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Counted {
    /// As in [`Entry`].
    pub service: Option<Service>,
    /// As in [`Entry`].
    pub operation: String,
    /// As in [`Entry`].
    pub outcome: String,
}

/// Counters and log.
#[derive(Debug, Default)]
pub struct Journal {
    counts: BTreeMap<Counted, u64>,
    log: VecDeque<Entry>,
}

impl Journal {
    /// Counts and logs one call.
    pub fn write(&mut self, entry: Entry) {
        let counted = Counted {
            service: entry.service,
            operation: entry.operation.clone(),
            outcome: entry.outcome.clone(),
        };
        *self.counts.entry(counted).or_default() += 1;
        if self.log.len() == LOG_LENGTH {
            self.log.pop_front();
        }
        self.log.push_back(entry);
    }

    /// All counters.
    #[must_use]
    pub fn counts(&self) -> &BTreeMap<Counted, u64> {
        &self.counts
    }

    /// The latest calls, oldest first.
    pub fn log(&self) -> impl DoubleEndedIterator<Item = &Entry> {
        self.log.iter()
    }

    /// Starts anew.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}
