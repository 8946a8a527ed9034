//! One file a service: which operations exist and what each does to the world.
//!
//! An operation is a plain function from (world, input) to output. Input and output are JSON objects whose
//! members are named as in the official service model of the service; validation of required members, types
//! and ranges has happened before (see [`crate::protocol`]). Timestamps are numbers: Unix time in seconds, with
//! a fraction; the codec renders them as the protocol of the service wants them. No member is `null`.

pub mod autoscaling;
pub mod cloudwatch;
pub mod dynamodb;
pub mod ecs;
pub mod elbv2;
mod json;
pub mod lambda;
pub mod ssm;
pub mod sts;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::world::World;

/// The services that the emulator answers for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Service {
    /// Amazon ECS (AWS JSON 1.1).
    Ecs,
    /// Elastic Load Balancing v2 (Query, XML).
    Elbv2,
    /// Systems Manager (AWS JSON 1.1).
    Ssm,
    /// Application Auto Scaling (AWS JSON 1.1).
    AutoScaling,
    /// Amazon DynamoDB (AWS JSON 1.0).
    DynamoDb,
    /// Security Token Service (Query, XML).
    Sts,
    /// Amazon CloudWatch (Smithy RPC v2 CBOR, AWS JSON 1.0, Query).
    CloudWatch,
    /// AWS Lambda (REST with JSON).
    Lambda,
}

impl Service {
    /// What precedes the operation in an IAM action, for example `ecs`.
    #[must_use]
    pub fn iam_prefix(self) -> &'static str {
        match self {
            Self::Ecs => "ecs",
            Self::Elbv2 => "elasticloadbalancing",
            Self::Ssm => "ssm",
            Self::AutoScaling => "application-autoscaling",
            Self::DynamoDb => "dynamodb",
            Self::Sts => "sts",
            Self::CloudWatch => "cloudwatch",
            Self::Lambda => "lambda",
        }
    }

    /// The IAM action that an operation needs, for example `ecs:UpdateService`.
    #[must_use]
    pub fn iam_action(self, operation: &str) -> String {
        let name = match (self, operation) {
            (Self::Lambda, "Invoke") => "InvokeFunction",
            _ => operation,
        };
        format!("{}:{name}", self.iam_prefix())
    }
}

/// One API call, decoded and validated.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// Which service.
    pub service: Service,
    /// The operation's name in the service model, for example `ModifyRule`.
    pub operation: String,
    /// The input, members named as in the service model.
    pub input: Value,
}

/// A refusal as AWS gives it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("{code}: {message}")]
pub struct AwsError {
    /// The error's *shape* name in the service model (for example `TargetGroupNotFoundException`) or a common code (`ThrottlingException`).
    pub code: String,
    /// AWS's text.
    pub message: String,
}

impl AwsError {
    /// An error with this code and text.
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            message: message.into(),
        }
    }

    /// AWS knows the operation, or may know it; the emulator does not.
    #[must_use]
    pub fn not_emulated(operation: &str) -> Self {
        Self::new(
            "UnknownOperationException",
            format!("The operation {operation} is not emulated."),
        )
    }
}

/// Carries out one call at the world's present time.
///
/// # Errors
/// The refusal that AWS would give.
pub fn call(world: &mut World, call: &Call) -> Result<Value, AwsError> {
    let input = &*paged(world, &call.input);
    match call.service {
        Service::Ecs => ecs::call(world, &call.operation, input),
        Service::Elbv2 => elbv2::call(world, &call.operation, input),
        Service::Ssm => ssm::call(world, &call.operation, input),
        Service::AutoScaling => autoscaling::call(world, &call.operation, input),
        Service::DynamoDb => dynamodb::call(world, &call.operation, input),
        Service::Sts => sts::call(world, &call.operation, input),
        Service::CloudWatch => cloudwatch::call(world, &call.operation, input),
        Service::Lambda => lambda::call(world, &call.operation, input),
    }
}

/// What a caller asks for on a page is the most that it gets: with short pages it gets a quarter. Parameter Store's
/// pages are cut by [`ssm`], which leaves some of them empty.
fn paged<'a>(world: &World, input: &'a Value) -> Cow<'a, Value> {
    let mut input = Cow::Borrowed(input);
    for size in ["PageSize", "maxResults", "MaxRecords"] {
        if let Some(most) = input.get(size).and_then(Value::as_u64)
            && world.settings.short_pages
        {
            input.to_mut()[size] = most.div_ceil(4).into();
        }
    }
    input
}
