//! AWS Lambda: invoking.

use serde_json::{Value, json};

use super::AwsError;
use super::json::text;
use crate::world::World;
use crate::world::lambda::{Answer, run};

/// The largest event of a synchronous call, in bytes
/// (<https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>).
const LARGEST: usize = 6 << 20;

/// Carries out one operation.
///
/// # Errors
/// The refusal that AWS would give.
pub fn call(world: &mut World, operation: &str, input: &Value) -> Result<Value, AwsError> {
    match operation {
        "Invoke" => invoke(world, input),
        _ => Err(AwsError::not_emulated(operation)),
    }
}

/// Versions and aliases of a function all do the same here.
fn invoke(world: &mut World, input: &Value) -> Result<Value, AwsError> {
    let asked = text(input, "FunctionName").unwrap_or_default();
    let (name, qualifier) = named(asked);
    let qualifier = qualifier.or(text(input, "Qualifier"));
    let payload = text(input, "Payload").unwrap_or_default();
    if payload.len() > LARGEST {
        let why = format!(
            "Request must be smaller than {LARGEST} bytes for the InvokeFunction operation"
        );
        return Err(AwsError::new("RequestTooLargeException", why));
    }
    let event = match payload {
        "" => json!({}),
        text => serde_json::from_str(text).map_err(|error| {
            let why = format!("Could not parse request body into json: {error}");
            AwsError::new("InvalidRequestContentException", why)
        })?,
    };
    if !world.settings.functions.contains_key(name) {
        let (region, account) = (&world.settings.region, &world.settings.account);
        let suffix = qualifier.map_or_else(String::new, |qualifier| format!(":{qualifier}"));
        let arn = format!("arn:aws:lambda:{region}:{account}:function:{name}{suffix}");
        let why = format!("Function not found: {arn}");
        return Err(AwsError::new("ResourceNotFoundException", why));
    }
    let kind = text(input, "InvocationType").unwrap_or("RequestResponse");
    if kind == "DryRun" {
        return Ok(json!({"StatusCode": 204}));
    }
    let answer = run(world, name, event);
    if kind == "Event" {
        return Ok(json!({"StatusCode": 202}));
    }
    let version = qualifier.unwrap_or("$LATEST");
    match answer {
        None | Some(Answer::Throttled) => {
            Err(AwsError::new("TooManyRequestsException", "Rate Exceeded."))
        }
        Some(Answer::Returns(payload)) => Ok(json!({
            "StatusCode": 200, "ExecutedVersion": version, "Payload": payload.to_string(),
        })),
        Some(Answer::Throws(text)) => {
            let payload = json!({"errorMessage": text, "errorType": "Error", "trace": []});
            Ok(json!({
                "StatusCode": 200, "ExecutedVersion": version, "FunctionError": "Unhandled",
                "Payload": payload.to_string(),
            }))
        }
    }
}

/// Name and qualifier in a name, an ARN or a part of one.
fn named(function: &str) -> (&str, Option<&str>) {
    let name = function
        .rsplit_once("function:")
        .map_or(function, |(_, rest)| rest);
    name.split_once(':')
        .map_or((name, None), |(name, qualifier)| (name, Some(qualifier)))
}
