//! Elastic Load Balancing v2.

pub mod routing;

use serde::{Deserialize, Serialize};

/// Load balancers, target groups, listeners and rules.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Elb {}
