//! Systems Manager Parameter Store.

use serde::{Deserialize, Serialize};

/// Systems Manager Parameter Store.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Ssm {}
