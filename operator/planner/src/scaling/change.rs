//! One write to Application Auto Scaling.

use serde_json::{Map, Value};

use super::covers::shows;
use super::state::{Scaling, Suspended};

/// What a write changes of a service's autoscaling.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// RegisterScalableTarget: registers, or changes the limits. AWS brings the service's count within them at once.
    Register {
        /// `MinCapacity`, tasks.
        min: u32,
        /// `MaxCapacity`, tasks.
        max: u32,
        /// `SuspendedState`.
        suspended: Suspended,
    },
    /// RegisterScalableTarget of one that is registered, without limits.
    Suspend(Suspended),
    /// PutScalingPolicy.
    PutPolicy {
        /// `PolicyName`.
        name: String,
        /// `PolicyType` and its configuration, AWS's own JSON.
        body: Map<String, Value>,
    },
    /// PutScheduledAction.
    PutAction {
        /// `ScheduledActionName`.
        name: String,
        /// The other members, AWS's own JSON.
        body: Map<String, Value>,
    },
    /// DeregisterScalableTarget: its policies and scheduled actions go with it.
    Deregister,
}

impl Change {
    /// The AWS operation, as in IAM and in metrics.
    pub fn operation(&self) -> &'static str {
        match self {
            Self::Register { .. } | Self::Suspend(_) => "RegisterScalableTarget",
            Self::PutPolicy { .. } => "PutScalingPolicy",
            Self::PutAction { .. } => "PutScheduledAction",
            Self::Deregister => "DeregisterScalableTarget",
        }
    }

    /// What of the service's autoscaling it changes: a later change of the same takes the place of an earlier one.
    pub(crate) fn subject(&self) -> String {
        match self {
            Self::Register { .. } | Self::Suspend(_) | Self::Deregister => "target".to_owned(),
            Self::PutPolicy { name, .. } => format!("policy {name}"),
            Self::PutAction { name, .. } => format!("action {name}"),
        }
    }

    /// For people: what it does to the autoscaling of `service`.
    pub(crate) fn describe(&self, service: &str) -> String {
        match self {
            Self::Register {
                min,
                max,
                suspended,
            } => {
                let held = if suspended.scale_in {
                    ", scale-in suspended"
                } else {
                    ""
                };
                format!("autoscale service {service} between {min} and {max}{held}")
            }
            Self::Suspend(suspended) => format!(
                "{} scale-in of service {service}",
                if suspended.scale_in {
                    "suspend"
                } else {
                    "resume"
                }
            ),
            Self::PutPolicy { name, .. } => {
                format!("put scaling policy {name} on service {service}")
            }
            Self::PutAction { name, .. } => {
                format!("put scheduled action {name} on service {service}")
            }
            Self::Deregister => format!("end the autoscaling of service {service}"),
        }
    }

    /// What is read shows that it was done; none is read while nothing is registered.
    pub(crate) fn shown_by(&self, read: Option<&Scaling>) -> bool {
        match (self, read) {
            (Self::Deregister, read) => read.is_none(),
            (_, None) => false,
            (
                Self::Register {
                    min,
                    max,
                    suspended,
                },
                Some(read),
            ) => (read.min, read.max, read.suspended) == (*min, *max, *suspended),
            (Self::Suspend(suspended), Some(read)) => read.suspended == *suspended,
            (Self::PutPolicy { name, body }, Some(read)) => read
                .policies
                .get(name)
                .is_some_and(|policy| shows(&policy.body, body)),
            (Self::PutAction { name, body }, Some(read)) => {
                read.actions.get(name).is_some_and(|read| shows(read, body))
            }
        }
    }
}
