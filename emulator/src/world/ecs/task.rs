//! Tasks.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::task_definition::Container;
use crate::world::Millis;

/// A task.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Task {
    /// ARN.
    pub arn: String,
    /// Its cluster's name.
    pub cluster: String,
    /// ARN of its task definition.
    pub task_definition: String,
    /// Family of its task definition.
    pub family: String,
    /// Revision of its task definition.
    pub revision: u32,
    /// Its containers' definitions.
    pub containers: Arc<Vec<Container>>,
    /// ARN of its service, if it has one.
    pub service: Option<String>,
    /// Its deployment, if it has a service.
    pub deployment: Option<String>,
    /// `group`.
    pub group: String,
    /// `startedBy`.
    pub started_by: Option<String>,
    /// `lastStatus`.
    pub status: Status,
    /// `desiredStatus` is RUNNING, not STOPPED.
    pub wanted: bool,
    /// When it leaves its present state by itself.
    pub due: Option<Millis>,
    /// Address of its network interface.
    pub address: Ipv4Addr,
    /// Subnet of its network interface.
    pub subnet: String,
    /// Id of the attachment of its network interface.
    pub attachment: String,
    /// Target group and target, for each of the service's load balancers.
    pub targets: Vec<(String, SocketAddrV4)>,
    /// When it was created.
    pub created_at: Millis,
    /// When its containers were started.
    pub containers_started_at: Option<Millis>,
    /// When it came to RUNNING.
    pub started_at: Option<Millis>,
    /// When its stop began.
    pub stopping_at: Option<Millis>,
    /// When the last container exited.
    pub exited_at: Option<Millis>,
    /// When it came to STOPPED.
    pub stopped_at: Option<Millis>,
    /// `stopCode`.
    pub stop_code: Option<StopCode>,
    /// `stoppedReason`.
    pub stopped_reason: Option<String>,
    /// Exit code of each container, in the order of `containers`.
    pub exit_codes: Vec<Option<i32>>,
    /// `reason` of the containers.
    pub container_reason: Option<String>,
    /// Grows by one with each change.
    pub version: u64,
    /// Other members as they are described: launch type, overrides, cpu …
    pub given: Map<String, Value>,
    /// Tags.
    pub tags: BTreeMap<String, String>,
}

/// `lastStatus`, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Status {
    /// The network interface is made.
    Provisioning,
    /// Images are pulled.
    Pending,
    /// Containers run; targets are registered.
    Activating,
    /// Runs.
    Running,
    /// Targets drain; containers still run.
    Deactivating,
    /// SIGTERM was sent.
    Stopping,
    /// The network interface is removed.
    Deprovisioning,
    /// Over.
    Stopped,
}

impl Status {
    /// AWS's word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Provisioning => "PROVISIONING",
            Self::Pending => "PENDING",
            Self::Activating => "ACTIVATING",
            Self::Running => "RUNNING",
            Self::Deactivating => "DEACTIVATING",
            Self::Stopping => "STOPPING",
            Self::Deprovisioning => "DEPROVISIONING",
            Self::Stopped => "STOPPED",
        }
    }
}

/// `stopCode`, as far as the emulator stops tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum StopCode {
    /// It never ran.
    TaskFailedToStart,
    /// An essential container exited.
    EssentialContainerExited,
    /// StopTask.
    UserInitiated,
    /// Its service stopped it.
    ServiceSchedulerInitiated,
}

impl StopCode {
    /// AWS's word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::TaskFailedToStart => "TaskFailedToStart",
            Self::EssentialContainerExited => "EssentialContainerExited",
            Self::UserInitiated => "UserInitiated",
            Self::ServiceSchedulerInitiated => "ServiceSchedulerInitiated",
        }
    }
}
