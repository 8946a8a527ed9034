//! Placeholder until its owner writes it.

use serde_json::Value;

use super::AwsError;
use crate::world::World;

/// Carries out one operation.
///
/// # Errors
/// The refusal that AWS would give.
pub fn call(_world: &mut World, operation: &str, _input: &Value) -> Result<Value, AwsError> {
    Err(AwsError::not_emulated(operation))
}
