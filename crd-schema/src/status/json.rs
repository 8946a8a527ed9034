//! The status as text, bounded.

use super::{ConditionType, Status};
use crate::text::cut;

/// Bytes that a written status may have: a standard SSM parameter holds no more.
pub const MAX_BYTES: usize = 4 * 1024;
/// Characters of a message that are kept.
pub const MESSAGE: usize = 400;
/// Ended releases that are shown.
pub const KEPT_HISTORY: usize = 5;
/// Rules whose weights are shown one by one.
pub const KEPT_RULES: usize = 8;

/// How much of the status is kept, from everything to what is sure to fit.
const BUDGETS: [Budget; 6] = [
    Budget {
        message: MESSAGE,
        name: 255,
        reason: 60,
        history: KEPT_HISTORY,
        rules: KEPT_RULES,
    },
    Budget {
        message: 200,
        name: 255,
        reason: 60,
        history: KEPT_HISTORY,
        rules: KEPT_RULES,
    },
    Budget {
        message: 120,
        name: 255,
        reason: 60,
        history: KEPT_HISTORY,
        rules: 4,
    },
    Budget {
        message: 100,
        name: 255,
        reason: 60,
        history: 2,
        rules: 2,
    },
    Budget {
        message: 60,
        name: 128,
        reason: 60,
        history: 1,
        rules: 1,
    },
    Budget {
        message: 12,
        name: 20,
        reason: 24,
        history: 0,
        rules: 0,
    },
];

#[derive(Clone, Copy)]
struct Budget {
    message: usize,
    name: usize,
    reason: usize,
    history: usize,
    rules: usize,
}

impl Status {
    /// The status as JSON of at most [`MAX_BYTES`]: messages are cut to [`MESSAGE`] characters, the newest
    /// [`KEPT_HISTORY`] releases and [`KEPT_RULES`] rules are kept, and fewer where even that does not fit.
    pub fn to_json(&self) -> String {
        let mut json = String::new();
        for budget in BUDGETS {
            json = serde_json::to_string(&self.bounded(budget)).unwrap_or_default();
            if json.len() <= MAX_BYTES {
                break;
            }
        }
        json
    }

    fn bounded(&self, budget: Budget) -> Self {
        let name = |text: &String| cut(text, budget.name);
        let message = |text: &String| cut(text, budget.message);
        let mut status = self.clone();
        status.name = cut(&self.name, 40);
        if let Some(desired) = &mut status.desired {
            desired.version = name(&desired.version);
            desired.digest = cut(&desired.digest, 16);
        }
        if let Some(serving) = &mut status.serving {
            serving.version = name(&serving.version);
            serving.digest = cut(&serving.digest, 16);
            serving.service = name(&serving.service);
        }
        if let Some(last_good) = &mut status.last_good {
            last_good.version = name(&last_good.version);
            last_good.digest = cut(&last_good.digest, 16);
        }
        let left_out = self.weights.read.len().saturating_sub(budget.rules);
        status.weights.read.truncate(budget.rules);
        status.weights.more_rules = self
            .weights
            .more_rules
            .saturating_add(u32::try_from(left_out).unwrap_or(u32::MAX));
        for rule in &mut status.weights.read {
            rule.rule = name(&rule.rule);
        }
        if let Some(waiting_on) = &mut status.waiting_on {
            waiting_on.reason = cut(&waiting_on.reason, budget.reason);
            waiting_on.message = message(&waiting_on.message);
        }
        status.conditions.truncate(ConditionType::ALL.len());
        for condition in &mut status.conditions {
            condition.reason = cut(&condition.reason, budget.reason);
            condition.message = message(&condition.message);
        }
        if let Some(rejected) = &mut status.rejected {
            rejected.version = name(&rejected.version);
            rejected.reason = message(&rejected.reason);
        }
        status
            .history
            .drain(..self.history.len().saturating_sub(budget.history));
        for ended in &mut status.history {
            ended.version = name(&ended.version);
        }
        status
    }
}
