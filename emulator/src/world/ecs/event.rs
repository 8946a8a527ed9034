//! Service events in AWS's words.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::world::{Millis, World};

/// A service event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceEvent {
    /// A UUID.
    pub id: String,
    /// When it was noted.
    pub at: Millis,
    /// The text, with `(service …)` in front.
    pub message: String,
}

/// AWS shows no more than these.
const KEPT: usize = 100;

/// Notes an event of a service; `text` is what follows `(service NAME`.
pub fn note(world: &mut World, service_arn: &str, text: &str) {
    let id = world.fresh_uuid();
    let at = world.now;
    if let Some(service) = world.ecs.services.get_mut(service_arn) {
        let message = format!("(service {}{text}", service.name);
        service.events.push_front(ServiceEvent { id, at, message });
        service.events.truncate(KEPT);
    }
}

/// `(task A) (task B)`.
#[must_use]
pub fn task_list(task_arns: &[String]) -> String {
    let mut list = String::new();
    for arn in task_arns {
        let space = if list.is_empty() { "" } else { " " };
        let _ = write!(list, "{space}(task {})", task_id(arn));
    }
    list
}

/// The last part of a task's ARN.
#[must_use]
pub fn task_id(arn: &str) -> &str {
    arn.rsplit_once('/').map_or(arn, |(_, id)| id)
}
