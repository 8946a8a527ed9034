//! Amazon ECS.

use serde::{Deserialize, Serialize};

/// Clusters, task definitions, services and tasks.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Ecs {}
