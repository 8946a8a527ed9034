//! Amazon ECS.

mod cluster;
mod placed;
mod read_service;
mod service;
mod tags;
mod task;
mod task_definition;

use serde_json::Value;

use super::AwsError;
use crate::world::World;

/// Carries out one operation.
///
/// # Errors
/// The refusal that ECS would give.
pub fn call(world: &mut World, operation: &str, input: &Value) -> Result<Value, AwsError> {
    match operation {
        "CreateCluster" => cluster::create(world, input),
        "DescribeClusters" => cluster::describe(world, input),
        "ListClusters" => cluster::list(world, input),
        "DeleteCluster" => cluster::delete(world, input),
        "RegisterTaskDefinition" => task_definition::register(world, input),
        "DescribeTaskDefinition" => task_definition::describe(world, input),
        "ListTaskDefinitions" => task_definition::list_revisions(world, input),
        "ListTaskDefinitionFamilies" => task_definition::list_families(world, input),
        "DeregisterTaskDefinition" => task_definition::deregister(world, input),
        "DeleteTaskDefinitions" => task_definition::delete(world, input),
        "CreateService" => service::create(world, input),
        "UpdateService" => service::update(world, input),
        "DeleteService" => service::delete(world, input),
        "DescribeServices" => read_service::describe(world, input),
        "ListServices" => read_service::list(world, input),
        "RunTask" => task::run(world, input),
        "StopTask" => task::stop(world, input),
        "ListTasks" => task::list(world, input),
        "DescribeTasks" => task::describe(world, input),
        "TagResource" => tags::tag(world, input),
        "UntagResource" => tags::untag(world, input),
        "ListTagsForResource" => tags::list(world, input),
        _ => Err(AwsError::not_emulated(operation)),
    }
}

fn invalid(message: impl Into<String>) -> AwsError {
    AwsError::new("InvalidParameterException", message)
}

fn client(message: impl Into<String>) -> AwsError {
    AwsError::new("ClientException", message)
}

/// `maxResults` within its bounds, else the default.
fn page_size(input: &Value, default: usize, most: usize) -> Result<usize, AwsError> {
    match input
        .get("maxResults")
        .and_then(Value::as_u64)
        .map(usize::try_from)
    {
        None => Ok(default),
        Some(Ok(size)) if (1..=most).contains(&size) => Ok(size),
        Some(Ok(_) | Err(_)) => Err(invalid(format!("maxResults must be between 1 and {most}."))),
    }
}

/// One page of ARNs under `member`.
fn arn_page(input: &Value, member: &str, arns: &[String], size: usize) -> Result<Value, AwsError> {
    let token = super::json::text(input, "nextToken");
    let (page, next) = super::json::page(arns, token, size, String::clone)
        .ok_or_else(|| invalid("Invalid token in request."))?;
    let mut answer = serde_json::json!({ member: page });
    if let Some(next) = next {
        answer["nextToken"] = next.into();
    }
    Ok(answer)
}
