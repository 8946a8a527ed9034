//! Faults as data.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::api::{AwsError, Service};

/// Everything that can be set about faults. The default is AWS on a good day: its rate limits and nothing else.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct FaultSettings {
    /// Whether AWS's token buckets apply (see [`super::buckets`]).
    pub throttling: bool,
    /// Reads of a service are answered from its state of so many milliseconds ago.
    pub read_lag_ms: BTreeMap<Service, u64>,
    /// Every call waits so many milliseconds before it takes effect.
    pub latency_ms: u64,
    /// Decides the faults that have a probability: the same seed and calls meet the same faults.
    pub seed: u64,
    /// Tried in this order for every call; of those that fire, latencies add up and the first other one counts.
    pub plan: Vec<Fault>,
}

impl Default for FaultSettings {
    fn default() -> Self {
        Self {
            throttling: true,
            read_lag_ms: BTreeMap::new(),
            latency_ms: 0,
            seed: 0,
            plan: Vec::new(),
        }
    }
}

/// One kind of trouble for some of the calls.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Fault {
    /// Only calls of this service; none: of all.
    #[serde(default)]
    pub service: Option<Service>,
    /// Only this operation; none: all.
    #[serde(default)]
    pub operation: Option<String>,
    /// Which of these calls.
    #[serde(default)]
    pub when: When,
    /// What happens to them.
    pub effect: Effect,
}

/// Which of the calls that a fault looks at. Calls are counted from 1, from when the plan was set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum When {
    /// All of them.
    #[default]
    Always,
    /// The n-th alone.
    Nth(u64),
    /// The first n.
    First(u64),
    /// All after the first n.
    After(u64),
    /// Each with this probability, 0 to 1.
    Probability(f64),
}

/// What happens to a call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Effect {
    /// `ThrottlingException: Rate exceeded`; nothing took effect.
    Throttle,
    /// AWS's refusal for want of a permission; nothing took effect.
    AccessDenied,
    /// This error; nothing took effect.
    Error(AwsError),
    /// The call takes effect, yet this error is the answer.
    ErrorAfter(AwsError),
    /// There is no connection: nothing of the call leaves. Over a socket it breaks, as for a lost request.
    RefuseConnection,
    /// The connection breaks before the call takes effect.
    LoseRequest,
    /// The call takes effect and the connection breaks before the answer.
    LoseAnswer,
    /// The call waits so many milliseconds, then takes effect.
    Latency(u64),
    /// The call waits before it takes effect, until it is let go (see [`super::holding`]).
    HoldRequest,
    /// The call takes effect and its answer waits until it is let go.
    HoldAnswer,
    /// The call takes effect at once and its answer comes so many milliseconds later: longer than the
    /// caller's time-out, it is a time-out after the effect.
    SlowAnswer(u64),
    /// The call takes effect and the second half of its answer is missing.
    CutAnswer,
    /// A read is answered from the state of so many milliseconds ago; a write is none the worse.
    StaleAnswer(u64),
}

impl FaultSettings {
    /// How many milliseconds back a read may see.
    #[must_use]
    pub fn longest_lag_ms(&self) -> Option<u64> {
        let stale = |fault: &Fault| match fault.effect {
            Effect::StaleAnswer(lag) => Some(lag),
            Effect::Throttle
            | Effect::AccessDenied
            | Effect::Error(_)
            | Effect::ErrorAfter(_)
            | Effect::RefuseConnection
            | Effect::LoseRequest
            | Effect::LoseAnswer
            | Effect::Latency(_)
            | Effect::SlowAnswer(_)
            | Effect::HoldRequest
            | Effect::HoldAnswer
            | Effect::CutAnswer => None,
        };
        let planned = self.plan.iter().filter_map(stale);
        self.read_lag_ms.values().copied().chain(planned).max()
    }
}

impl Fault {
    /// Whether this fault looks at calls of this operation.
    #[must_use]
    pub fn concerns(&self, service: Service, operation: &str) -> bool {
        self.service.is_none_or(|only| only == service)
            && self
                .operation
                .as_deref()
                .is_none_or(|only| only == operation)
    }
}

impl When {
    /// Whether the fault fires for the `count`-th call that it looks at; `dice` is any number.
    #[must_use]
    pub fn fires(self, count: u64, dice: u64) -> bool {
        match self {
            Self::Always => true,
            Self::Nth(n) => count == n,
            Self::First(n) => count <= n,
            Self::After(n) => count > n,
            Self::Probability(share) => ((dice >> 11) as f64 / (1_u64 << 53) as f64) < share,
        }
    }
}

/// A number that looks random and depends on its arguments alone (SplitMix64).
#[must_use]
pub fn dice(seed: u64, stream: u64, count: u64) -> u64 {
    let mut bits = seed ^ stream.rotate_left(32) ^ count.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_plan_is_written_as_json() {
        let settings: FaultSettings = serde_json::from_value(json!({
            "readLagMs": {"ecs": 3000},
            "plan": [
                {"service": "ecs", "operation": "CreateService", "when": {"nth": 1}, "effect": "loseAnswer"},
                {"effect": {"error": {"code": "ServerException", "message": "Service Unavailable."}}},
            ],
        }))
        .unwrap();
        assert!(settings.throttling);
        assert_eq!(settings.read_lag_ms[&Service::Ecs], 3000);
        assert_eq!(
            (settings.plan[0].when, &settings.plan[0].effect),
            (When::Nth(1), &Effect::LoseAnswer)
        );
        assert_eq!(settings.plan[1].when, When::Always);
        assert!(settings.plan[1].concerns(Service::Ssm, "GetParameter"));
        assert!(!settings.plan[0].concerns(Service::Ecs, "DeleteService"));
    }

    #[test]
    fn a_probability_fires_for_about_its_share_and_always_for_the_same_calls() {
        let fires = |seed| {
            (1..=10_000)
                .filter(|count| When::Probability(0.2).fires(*count, dice(seed, 0, *count)))
                .collect()
        };
        let (first, again, other): (Vec<u64>, Vec<u64>, Vec<u64>) = (fires(1), fires(1), fires(2));
        assert!((1_800..2_200).contains(&first.len()), "{}", first.len());
        assert_eq!(first, again);
        assert_ne!(first, other);
    }
}
