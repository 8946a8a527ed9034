//! Amazon CloudWatch: metric alarms, metrics. Composite alarms, metric math and anomaly detection are not emulated.

mod alarm;
mod data;
mod input;
mod put_data;

use serde_json::Value;

use super::AwsError;
use crate::world::World;

/// Carries out one operation.
///
/// # Errors
/// The refusal that AWS would give.
pub fn call(world: &mut World, operation: &str, input: &Value) -> Result<Value, AwsError> {
    match operation {
        "PutMetricAlarm" => alarm::put(world, input),
        "DescribeAlarms" => alarm::describe(world, input),
        "DeleteAlarms" => Ok(alarm::delete(world, input)),
        "SetAlarmState" => alarm::set_state(world, input),
        "PutMetricData" => put_data::put(world, input),
        "GetMetricData" => data::get(world, input),
        "ListMetrics" => data::list(world, input),
        _ => Err(AwsError::not_emulated(operation)),
    }
}
