//! The record as text: bounded when written, tolerant when read.

use serde_json::{Map, Value};

use super::{KEPT_HISTORY, KEPT_REJECTIONS, Record, Release};
use crate::text::cut;

/// Bytes that a written record may have.
pub const MAX_BYTES: usize = 7 * 512;
/// Bytes of a record that are looked at: a newer operator may write more than this one.
const MAX_READ: usize = 8 * 1024;
/// Characters of a reason that are kept.
const REASON: usize = 200;
/// Characters of a version: the longest tag of an image.
const VERSION: usize = 128;
/// Characters of a deployment's id, `ecs-svc/` and a number.
const DEPLOYMENT: usize = 64;
/// Characters of `family:revision`.
const TASK_DEFINITION: usize = 275;

/// How much of what can be missed is kept, from everything to what is sure to fit.
const BUDGETS: [Budget; 6] = [
    Budget {
        history: KEPT_HISTORY,
        rejections: KEPT_REJECTIONS,
        reason: REASON,
    },
    Budget {
        history: 3,
        rejections: KEPT_REJECTIONS,
        reason: REASON,
    },
    Budget {
        history: 1,
        rejections: KEPT_REJECTIONS,
        reason: REASON,
    },
    Budget {
        history: 0,
        rejections: KEPT_REJECTIONS,
        reason: REASON,
    },
    Budget {
        history: 0,
        rejections: KEPT_REJECTIONS,
        reason: 40,
    },
    Budget {
        history: 0,
        rejections: 1,
        reason: 10,
    },
];

#[derive(Clone, Copy)]
struct Budget {
    history: usize,
    rejections: usize,
    reason: usize,
}

/// Why a text is no record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Larger than anything that an operator writes.
    #[error("the record has {bytes} bytes; at most {MAX_READ} are read")]
    TooLong {
        /// Its size.
        bytes: usize,
    },
    /// Not the JSON of a record.
    #[error("the record cannot be read: {reason}")]
    Unreadable {
        /// What the JSON reader says.
        reason: String,
    },
}

impl Record {
    /// The record as JSON of at most [`MAX_BYTES`].
    ///
    /// Of what does not fit, history goes first (the oldest first), then the reasons of rejections are shortened, then
    /// all rejections but the newest go. What a release needs is never cut, as long as it is within AWS's own limits:
    /// a version of 128, a `family:revision` of 275 characters.
    pub fn to_json(&self) -> String {
        self.fit().1
    }

    /// What is kept of the record when it is written: the record that [`Record::to_json`] tells.
    #[must_use]
    pub fn fitted(&self) -> Self {
        self.fit().0
    }

    fn fit(&self) -> (Self, String) {
        let mut fitted = (Self::default(), String::new());
        for budget in BUDGETS {
            let bounded = self.bounded(budget);
            let json = serde_json::to_string(&bounded).unwrap_or_default();
            let fits = json.len() <= MAX_BYTES;
            fitted = (bounded, json);
            if fits {
                break;
            }
        }
        fitted
    }

    /// Reads a record. Unknown fields are passed over: a newer operator may have written them.
    ///
    /// # Errors
    ///
    /// Anything else that is not a record: the caller then knows that memory was lost, which is slower, not unsafe.
    pub fn from_json(text: &str) -> Result<Self, RecordError> {
        if text.len() > MAX_READ {
            return Err(RecordError::TooLong { bytes: text.len() });
        }
        // By way of a map, since serde would take a list for a struct too.
        serde_json::from_str::<Map<String, Value>>(text)
            .and_then(|map| serde_json::from_value(map.into()))
            .map_err(|error| RecordError::Unreadable {
                reason: cut(&error.to_string(), REASON),
            })
    }

    fn bounded(&self, budget: Budget) -> Self {
        let mut record = self.clone();
        if let Some(rollout) = &mut record.rollout {
            bound_release(&mut rollout.release);
            rollout.deployment = rollout
                .deployment
                .as_deref()
                .map(|deployment| cut(deployment, DEPLOYMENT));
            rollout.base = rollout
                .base
                .as_deref()
                .map(|base| cut(base, TASK_DEFINITION));
        }
        record.last_good.iter_mut().for_each(bound_release);
        keep_newest(&mut record.rejected, budget.rejections);
        for rejection in &mut record.rejected {
            rejection.version = cut(&rejection.version, VERSION);
            rejection.reason = cut(&rejection.reason, budget.reason);
        }
        keep_newest(&mut record.history, budget.history);
        for ended in &mut record.history {
            ended.version = cut(&ended.version, VERSION);
        }
        record
    }
}

fn bound_release(release: &mut Release) {
    release.digest = cut(&release.digest, 16);
    release.version = cut(&release.version, VERSION);
    release.task_definition = release
        .task_definition
        .as_deref()
        .map(|name| cut(name, TASK_DEFINITION));
}

/// Of a list whose newest is last.
fn keep_newest<T>(list: &mut Vec<T>, count: usize) {
    list.drain(..list.len().saturating_sub(count));
}
