//! What may happen to an application: a closed catalogue.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Reason {
    /// A rollout of another release began.
    ReleaseStarted,
    /// Its task definition was registered.
    TaskDefinitionRegistered,
    /// A target group was created.
    TargetGroupCreated,
    /// A service was created.
    ServiceCreated,
    /// A service's desired count was changed.
    ServiceScaled,
    /// A service was updated to another task definition.
    ServiceUpdated,
    /// Application Auto Scaling was told something about a service.
    AutoscalingMoved,
    /// Weights of a rule were changed.
    TrafficShifted,
    /// Green serves everything; blue stands by.
    BakeStarted,
    /// Blue is being drained and removed.
    CleanUpStarted,
    /// Traffic goes back to the last good release.
    RollBackStarted,
    /// A target group was deleted.
    TargetGroupDeleted,
    /// A service was deleted.
    ServiceDeleted,
    /// The release serves alone.
    ReleaseSucceeded,
    /// The generation failed and is not tried again.
    ReleaseRejected,
    /// The rollout ended with the last good release.
    RolledBack,
    /// The rollout was ended by a person or by a change back to what serves.
    ReleaseAborted,
    /// A newer release took the rollout's place.
    ReleaseSuperseded,
    /// Production weights differ from what was last asked for.
    DriftDetected,
    /// They were put back.
    DriftHealed,
    /// Nothing is done until a person changes something.
    Holding,
    /// What held is gone.
    HoldEnded,
    /// AWS refused a write.
    WriteRefused,
    /// It is not known whether a write happened.
    WriteUnknown,
    /// The newest spec is not in force.
    SpecRefused,
    /// A changed spec is in force.
    SpecAccepted,
    /// The spec parameter is gone; everything is left as it is.
    Orphaned,
    /// A reconcile panicked: a bug.
    ReconcilePanicked,
    /// A reconcile took longer than it may.
    ReconcileTimedOut,
    /// The operator stopped between two steps and said so in the record.
    HandedOver,
}

impl Reason {
    /// The stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ReleaseStarted => "ReleaseStarted",
            Self::TaskDefinitionRegistered => "TaskDefinitionRegistered",
            Self::TargetGroupCreated => "TargetGroupCreated",
            Self::ServiceCreated => "ServiceCreated",
            Self::ServiceScaled => "ServiceScaled",
            Self::ServiceUpdated => "ServiceUpdated",
            Self::AutoscalingMoved => "AutoscalingMoved",
            Self::TrafficShifted => "TrafficShifted",
            Self::BakeStarted => "BakeStarted",
            Self::CleanUpStarted => "CleanUpStarted",
            Self::RollBackStarted => "RollBackStarted",
            Self::TargetGroupDeleted => "TargetGroupDeleted",
            Self::ServiceDeleted => "ServiceDeleted",
            Self::ReleaseSucceeded => "ReleaseSucceeded",
            Self::ReleaseRejected => "ReleaseRejected",
            Self::RolledBack => "RolledBack",
            Self::ReleaseAborted => "ReleaseAborted",
            Self::ReleaseSuperseded => "ReleaseSuperseded",
            Self::DriftDetected => "DriftDetected",
            Self::DriftHealed => "DriftHealed",
            Self::Holding => "Holding",
            Self::HoldEnded => "HoldEnded",
            Self::WriteRefused => "WriteRefused",
            Self::WriteUnknown => "WriteUnknown",
            Self::SpecRefused => "SpecRefused",
            Self::SpecAccepted => "SpecAccepted",
            Self::Orphaned => "Orphaned",
            Self::ReconcilePanicked => "ReconcilePanicked",
            Self::ReconcileTimedOut => "ReconcileTimedOut",
            Self::HandedOver => "HandedOver",
        }
    }

    /// A person should look.
    pub fn is_warning(self) -> bool {
        match self {
            Self::RollBackStarted
            | Self::ReleaseRejected
            | Self::RolledBack
            | Self::DriftDetected
            | Self::Holding
            | Self::WriteRefused
            | Self::WriteUnknown
            | Self::SpecRefused
            | Self::Orphaned
            | Self::ReconcilePanicked
            | Self::ReconcileTimedOut => true,
            Self::ReleaseStarted
            | Self::TaskDefinitionRegistered
            | Self::ServiceCreated
            | Self::ServiceScaled
            | Self::ServiceUpdated
            | Self::AutoscalingMoved
            | Self::TrafficShifted
            | Self::BakeStarted
            | Self::CleanUpStarted
            | Self::TargetGroupCreated
            | Self::TargetGroupDeleted
            | Self::ServiceDeleted
            | Self::ReleaseSucceeded
            | Self::ReleaseAborted
            | Self::ReleaseSuperseded
            | Self::DriftHealed
            | Self::HoldEnded
            | Self::SpecAccepted
            | Self::HandedOver => false,
        }
    }
}
