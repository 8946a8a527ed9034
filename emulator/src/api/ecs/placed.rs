//! Checks that services and RunTask share: may these tasks be placed?

use serde_json::Value;

use super::{AwsError, client, invalid};
use crate::api::json::{list, text};
use crate::world::World;
use crate::world::ecs::service::Binding;
use crate::world::ecs::task_definition::{Status, TaskDefinition, find};

/// The ACTIVE task definition that `name` means.
pub(super) fn task_definition(world: &World, name: &str) -> Result<TaskDefinition, AwsError> {
    let definition = find(world, name).ok_or_else(|| client("TaskDefinition not found."))?;
    match definition.status {
        Status::Active => Ok(definition.clone()),
        Status::Inactive | Status::DeleteInProgress => Err(client("TaskDefinition is inactive")),
    }
}

/// awsvpc tasks need a network configuration, others must have none.
pub(super) fn check_network(
    definition: &TaskDefinition,
    configuration: Option<&Value>,
) -> Result<(), AwsError> {
    match (definition.network_mode(), configuration) {
        ("awsvpc", None) => Err(invalid(
            "Network Configuration must be provided when networkMode 'awsvpc' is specified.",
        )),
        ("awsvpc", Some(configuration))
            if list(&configuration["awsvpcConfiguration"], "subnets").is_empty() =>
        {
            Err(invalid("subnets can not be empty."))
        }
        ("awsvpc", Some(_)) => Ok(()),
        (_, Some(_)) => Err(invalid(
            "Network Configuration is not valid for the given networkMode of this task definition.",
        )),
        (_, None) => Ok(()),
    }
}

/// Reads `loadBalancers` and checks each against the task definition and the load balancers.
pub(super) fn bindings(
    world: &World,
    definition: &TaskDefinition,
    load_balancers: &[Value],
) -> Result<Vec<Binding>, AwsError> {
    // https://docs.aws.amazon.com/AmazonECS/latest/developerguide/register-multiple-targetgroups.html
    if load_balancers.len() > 5 {
        return Err(invalid(
            "A service can have at most 5 target groups attached.",
        ));
    }
    load_balancers
        .iter()
        .map(|load_balancer| binding(world, definition, load_balancer))
        .collect()
}

fn binding(
    world: &World,
    definition: &TaskDefinition,
    load_balancer: &Value,
) -> Result<Binding, AwsError> {
    let Some(arn) = text(load_balancer, "targetGroupArn") else {
        return Err(invalid(
            "A target group must be specified; Classic Load Balancers are not emulated.",
        ));
    };
    let Some(group) = world.elb.target_groups.get(arn) else {
        return Err(invalid(format!("The target group {arn} does not exist.")));
    };
    if group.used_by.is_empty() {
        return Err(invalid(format!(
            "The target group with targetGroupArn {arn} does not have an associated load balancer."
        )));
    }
    if definition.network_mode() == "awsvpc" && group.target_type != "ip" {
        return Err(invalid(format!(
            "The provided target group {arn} has target type {}, which is incompatible with the awsvpc network mode specified in the task definition.",
            group.target_type
        )));
    }
    let name = text(load_balancer, "containerName").unwrap_or_default();
    let Some(container) = definition
        .containers
        .iter()
        .find(|container| container.name == name)
    else {
        return Err(invalid(format!(
            "The container {name} does not exist in the task definition."
        )));
    };
    let port = load_balancer["containerPort"]
        .as_u64()
        .and_then(|port| u16::try_from(port).ok());
    match port {
        Some(port) if container.ports.contains(&port) => Ok(Binding {
            target_group_arn: arn.to_owned(),
            container_name: name.to_owned(),
            container_port: port,
        }),
        Some(_) | None => Err(invalid(format!(
            "The container {name} did not have a container port {} defined.",
            load_balancer["containerPort"]
        ))),
    }
}
