//! Application Auto Scaling: scalable targets, their policies and scheduled actions, as they were registered.
//!
//! Target tracking by requests scales ([`tracking`]), and so do scheduled actions ([`schedule`]); other policies are kept
//! and described.

pub mod schedule;
pub mod tracking;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Millis, Settings};

/// Policies that a scalable target can have.
pub const POLICIES: usize = 50;
/// Scheduled actions that a scalable target can have.
pub const ACTIONS: usize = 200;

/// Application Auto Scaling.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct AutoScaling {
    /// By [`Dimension::key`].
    pub targets: BTreeMap<String, ScalableTarget>,
}

/// What is scaled: one dimension of one resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Dimension {
    /// For example `ecs`.
    pub service_namespace: String,
    /// For example `service/prod/blog`.
    pub resource_id: String,
    /// For example `ecs:service:DesiredCount`.
    pub scalable_dimension: String,
}

impl Dimension {
    /// The text by which it is looked up.
    #[must_use]
    pub fn key(&self) -> String {
        format!(
            "{}|{}|{}",
            self.service_namespace, self.resource_id, self.scalable_dimension
        )
    }

    /// ARN of the service, if it is the number of tasks of an ECS service.
    #[must_use]
    pub fn service_arn(&self, settings: &Settings) -> Option<String> {
        let (cluster, service) = self.ecs_service()?;
        let Settings {
            region, account, ..
        } = settings;
        Some(format!(
            "arn:aws:ecs:{region}:{account}:service/{cluster}/{service}"
        ))
    }

    /// Cluster and service, if it is the number of tasks of an ECS service.
    #[must_use]
    pub fn ecs_service(&self) -> Option<(&str, &str)> {
        match (
            self.service_namespace.as_str(),
            self.scalable_dimension.as_str(),
        ) {
            ("ecs", "ecs:service:DesiredCount") => {
                self.resource_id.strip_prefix("service/")?.split_once('/')
            }
            _ => None,
        }
    }
}

/// A registered target.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ScalableTarget {
    /// What is scaled.
    pub dimension: Dimension,
    /// Least capacity.
    pub min: i64,
    /// Greatest capacity.
    pub max: i64,
    /// The role that scales.
    pub role_arn: String,
    /// Which kinds of scaling are suspended.
    pub suspended: Suspended,
    /// Its ARN.
    pub arn: String,
    /// When it was registered.
    pub created: Millis,
    /// By name.
    pub policies: BTreeMap<String, Policy>,
    /// By name.
    #[serde(default)]
    pub actions: BTreeMap<String, ScheduledAction>,
    /// Its policies are looked at each minute.
    #[serde(default)]
    pub tracked: bool,
    /// When one of them last changed the capacity.
    #[serde(default)]
    pub scaled_at: Option<Millis>,
}

/// Which kinds of scaling are suspended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Suspended {
    /// Scale-in by policies.
    pub dynamic_scaling_in_suspended: bool,
    /// Scale-out by policies.
    pub dynamic_scaling_out_suspended: bool,
    /// Scheduled actions.
    pub scheduled_scaling_suspended: bool,
}

/// A scaling policy.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Policy {
    /// Its ARN.
    pub arn: String,
    /// `StepScaling`, `TargetTrackingScaling` or `PredictiveScaling`.
    pub kind: String,
    /// The configuration members as they were put.
    pub configuration: Map<String, Value>,
    /// When it was first put.
    pub created: Millis,
    /// Names of the alarms that Application Auto Scaling made for it: those of target tracking.
    #[serde(default)]
    pub alarms: Vec<String>,
}

/// A scheduled action.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ScheduledAction {
    /// Its ARN.
    pub arn: String,
    /// What was put: `Schedule`, `Timezone`, `StartTime`, `EndTime`, `ScalableTargetAction`.
    pub given: Map<String, Value>,
    /// When it was first put.
    pub created: Millis,
    /// When it comes next.
    #[serde(default)]
    pub due: Option<Millis>,
}
