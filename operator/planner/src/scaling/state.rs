//! What Application Auto Scaling knows of one service.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// A registered scalable target (`ecs:service:DesiredCount`), its policies and its scheduled actions.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Scaling {
    /// `MinCapacity`, tasks.
    pub min: u32,
    /// `MaxCapacity`, tasks.
    pub max: u32,
    /// `SuspendedState`.
    pub suspended: Suspended,
    /// Its scaling policies, by `PolicyName`.
    pub policies: BTreeMap<String, Policy>,
    /// Its scheduled actions, by `ScheduledActionName`: PutScheduledAction's members that do not name the service, AWS's
    /// own JSON.
    pub actions: BTreeMap<String, Map<String, Value>>,
}

impl Scaling {
    /// The same with the limits of `live`, where one of its own scheduled actions sets them so.
    pub(crate) fn with_limits_of(self, live: &Self) -> Self {
        let sets = |limit: &str, count: u32| {
            let mut actions = self.actions.values();
            actions.any(|action| {
                let target = action.get("ScalableTargetAction");
                let set = target.and_then(|target| target.get(limit)?.as_u64());
                set == Some(u64::from(count))
            })
        };
        let limit = |limit: &str, own: u32, live: u32| if sets(limit, live) { live } else { own };
        let min = limit("MinCapacity", self.min, live.min);
        let max = limit("MaxCapacity", self.max, live.max);
        if min > max {
            return self;
        }
        Self { min, max, ..self }
    }
}

/// Which scaling activities are suspended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Suspended {
    /// `DynamicScalingInSuspended`: policies take no task away.
    pub scale_in: bool,
    /// `DynamicScalingOutSuspended`: policies add no task.
    pub scale_out: bool,
    /// `ScheduledScalingSuspended`: scheduled actions do nothing.
    pub scheduled: bool,
}

/// A scaling policy.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Policy {
    /// `PolicyType` and its configuration: PutScalingPolicy's members that do not name the service, AWS's own JSON.
    pub body: Map<String, Value>,
    /// Names of the CloudWatch alarms that call it. Those of a target-tracking policy are Application Auto Scaling's own;
    /// those of a step-scaling policy are the user's.
    pub alarms: Vec<String>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn limits_that_an_own_action_set_are_left_unless_they_contradict() {
        let (min, max) = (3, 9);
        let action = json!({"ScalableTargetAction": {"MinCapacity": 2, "MaxCapacity": 2}});
        let action = action.as_object().cloned().unwrap_or_default();
        let own = Scaling {
            min,
            max,
            actions: [("night".to_owned(), action)].into(),
            ..Scaling::default()
        };
        let limits = |min: u32, max: u32| {
            let live = Scaling {
                min,
                max,
                ..Scaling::default()
            };
            let kept = own.clone().with_limits_of(&live);
            (kept.min, kept.max)
        };
        assert_eq!(limits(2, 2), (2, 2));
        assert_eq!(limits(2, 7), (2, 9), "nobody's action says 7");
        assert_eq!(limits(1, 2), (3, 9), "three are not within two");
    }
}
