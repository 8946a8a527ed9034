//! Application Auto Scaling in the lab.

use crate::memory::WriteOutcome;
use crate::scaling::{Change, Policy, Scaling};

use super::account::Lab;

impl Lab {
    /// A scalable target for a service, with a policy and a scheduled action, as a person may have registered it.
    pub fn autoscale(&mut self, name: &str, min: u32, max: u32) {
        let json = |text: &str| serde_json::from_str(text).unwrap_or_default();
        let policy = Policy {
            body: json(
                r#"{"PolicyType": "TargetTrackingScaling", "TargetTrackingScalingPolicyConfiguration": {"TargetValue": 50.0}}"#,
            ),
            alarms: vec!["TargetTracking".to_owned()],
        };
        let night = json(
            r#"{"Schedule": "cron(0 20 * * ? *)", "ScalableTargetAction": {"MaxCapacity": 2}}"#,
        );
        let scaling = Scaling {
            min,
            max,
            policies: [("cpu".to_owned(), policy)].into(),
            actions: [("night".to_owned(), night)].into(),
            ..Scaling::default()
        };
        self.scaling.insert(name.to_owned(), scaling);
    }

    /// A policy finds that fewer tasks would do: every service that may be scaled in is, by as much as may be.
    pub fn scale_in(&mut self) {
        let free = self.scaling.iter();
        let free = free.filter(|(_, scaling)| !scaling.suspended.scale_in);
        let free: Vec<(String, u32)> = free.map(|(name, it)| (name.clone(), it.min)).collect();
        for (name, min) in free {
            let mut services = self.services.iter();
            let found = services.find(|service| service.shown.name == name);
            if found.is_some_and(|found| found.shown.desired > min) {
                self.scale(&name, min);
            }
        }
    }

    pub(super) fn set_scaling(&mut self, name: &str, change: &Change) -> WriteOutcome {
        let refused = |reason: &str| WriteOutcome::Refused {
            reason: reason.to_owned(),
        };
        let nothing = || refused("ObjectNotFoundException: No scalable target found");
        match change {
            Change::Register {
                min,
                max,
                suspended,
            } => {
                if !self.is_active(name) {
                    return refused("ECS service doesn't exist");
                }
                let mut services = self.services.iter();
                let count = services.find(|service| service.shown.name == name);
                let count = count.map_or(0, |service| service.shown.desired);
                if count != count.clamp(*min, *max) {
                    self.scale(name, count.clamp(*min, *max));
                }
                let scaling = self.scaling.entry(name.to_owned()).or_default();
                (scaling.min, scaling.max, scaling.suspended) = (*min, *max, *suspended);
            }
            Change::Suspend(suspended) => match self.scaling.get_mut(name) {
                Some(scaling) => scaling.suspended = *suspended,
                None => return refused("MinCapacity and MaxCapacity are required"),
            },
            Change::PutPolicy { name: policy, body } => match self.scaling.get_mut(name) {
                Some(scaling) => {
                    let (body, alarms) = (body.clone(), vec!["TargetTracking".to_owned()]);
                    let policies = &mut scaling.policies;
                    policies.insert(policy.clone(), Policy { body, alarms });
                }
                None => return nothing(),
            },
            Change::PutAction { name: action, body } => match self.scaling.get_mut(name) {
                Some(scaling) => {
                    scaling.actions.insert(action.clone(), body.clone());
                }
                None => return nothing(),
            },
            Change::Deregister => {
                if self.scaling.remove(name).is_none() {
                    return nothing();
                }
            }
        }
        WriteOutcome::Applied
    }
}
