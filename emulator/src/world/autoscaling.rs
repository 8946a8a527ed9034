//! Application Auto Scaling.

use serde::{Deserialize, Serialize};

/// Application Auto Scaling.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct AutoScaling {}
