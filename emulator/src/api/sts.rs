//! Security Token Service: who the caller is.

use serde_json::{Value, json};

use super::AwsError;
use crate::world::World;

/// Carries out one operation.
///
/// # Errors
/// The refusal that AWS would give.
pub fn call(world: &mut World, operation: &str, _input: &Value) -> Result<Value, AwsError> {
    match operation {
        "GetCallerIdentity" => {
            let account = &world.settings.account;
            let arn = format!("arn:aws:iam::{account}:user/emulator");
            Ok(json!({"UserId": "AIDAEMULATOR000000000", "Account": account, "Arn": arn}))
        }
        _ => Err(AwsError::not_emulated(operation)),
    }
}
