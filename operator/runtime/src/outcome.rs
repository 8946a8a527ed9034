//! How reconciles end and why they begin: closed sets, for the queue, the log and the metrics alike.

use crate::queue;

/// How one reconcile ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Nothing more is wanted.
    Completed,
    /// Something must happen first.
    Waiting,
    /// A write was applied: the next reconcile follows at once.
    Stepped,
    /// A write was planned, and this operator only observes.
    ObserveOnly,
    /// A write was planned, and another operator leads, or none does.
    Standby,
    /// A person must change something first.
    Held,
    /// What the step touches changed since it was read: look again soon.
    Changed,
    /// The operator stops.
    Stopping,
    /// A part of the world that matters could not be read.
    Unread,
    /// The plan was too old to be enacted.
    PlanAged,
    /// The safety guard refused the planned write.
    GuardRefused,
    /// The right to write would not outlive the write: the lease was not renewed for a while.
    NoAuthority,
    /// The write never left.
    NotSent,
    /// AWS refused the write.
    Refused,
    /// The write may have happened, or may yet.
    Unknown,
    /// The reconcile took longer than it may.
    TimedOut,
    /// The reconcile panicked.
    Panicked,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Self; 17] = [
        Self::Completed,
        Self::Waiting,
        Self::Stepped,
        Self::ObserveOnly,
        Self::Standby,
        Self::Held,
        Self::Changed,
        Self::Stopping,
        Self::Unread,
        Self::PlanAged,
        Self::GuardRefused,
        Self::NoAuthority,
        Self::NotSent,
        Self::Refused,
        Self::Unknown,
        Self::TimedOut,
        Self::Panicked,
    ];

    /// The stable name: metric label and log field.
    pub fn label(self) -> &'static str {
        match self {
            Self::Completed => "Completed",
            Self::Waiting => "Waiting",
            Self::Stepped => "Stepped",
            Self::ObserveOnly => "ObserveOnly",
            Self::Standby => "Standby",
            Self::Held => "Held",
            Self::Changed => "Changed",
            Self::Stopping => "Stopping",
            Self::Unread => "Unread",
            Self::PlanAged => "PlanAged",
            Self::GuardRefused => "GuardRefused",
            Self::NoAuthority => "NoAuthority",
            Self::NotSent => "NotSent",
            Self::Refused => "Refused",
            Self::Unknown => "Unknown",
            Self::TimedOut => "TimedOut",
            Self::Panicked => "Panicked",
        }
    }

    /// It counts as an error, and the application backs off.
    pub fn is_failure(self) -> bool {
        match self {
            Self::Completed
            | Self::Waiting
            | Self::Stepped
            | Self::ObserveOnly
            | Self::Standby
            | Self::Held
            | Self::Changed
            | Self::Stopping => false,
            Self::Unread
            | Self::PlanAged
            | Self::GuardRefused
            | Self::NoAuthority
            | Self::NotSent
            | Self::Refused
            | Self::Unknown
            | Self::TimedOut
            | Self::Panicked => true,
        }
    }
}

/// Why an application is reconciled. For the log and the metrics, never an input to a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Wake {
    /// It is new to this process.
    Discovered,
    /// Its desired parameter was written.
    DesiredChanged,
    /// Its spec parameter was written, is gone, or is back.
    SpecChanged,
    /// Another application began or ceased to claim the same groups or rules.
    ConflictsChanged,
    /// This process began to lead, or ceased to.
    LeadershipChanged,
    /// The time that its last reconcile named has come.
    Due,
    /// The wait after a failure is over.
    Retry,
}

impl Wake {
    /// Every reason.
    pub const ALL: [Self; 7] = [
        Self::Discovered,
        Self::DesiredChanged,
        Self::SpecChanged,
        Self::ConflictsChanged,
        Self::LeadershipChanged,
        Self::Due,
        Self::Retry,
    ];

    /// The stable name: metric label and log field.
    pub fn label(self) -> &'static str {
        match self {
            Self::Discovered => "Discovered",
            Self::DesiredChanged => "DesiredChanged",
            Self::SpecChanged => "SpecChanged",
            Self::ConflictsChanged => "ConflictsChanged",
            Self::LeadershipChanged => "LeadershipChanged",
            Self::Due => "Due",
            Self::Retry => "Retry",
        }
    }
}

impl queue::Reason for Wake {
    const DUE: Self = Self::Due;
    const RETRY: Self = Self::Retry;

    fn bypasses_back_off(self) -> bool {
        match self {
            Self::DesiredChanged | Self::SpecChanged | Self::LeadershipChanged => true,
            Self::Discovered | Self::ConflictsChanged | Self::Due | Self::Retry => false,
        }
    }
}
