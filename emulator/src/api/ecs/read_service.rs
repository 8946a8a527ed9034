//! Services: describe and list.

use serde_json::{Value, json};

use super::{AwsError, cluster, invalid, service};
use crate::api::json::{tag_list, text, texts};
use crate::world::World;
use crate::world::ecs::Service;
use crate::world::ecs::service::{Deployment, Rollout, Status};

pub(super) fn describe(world: &mut World, input: &Value) -> Result<Value, AwsError> {
    let cluster = cluster::of(world, input)?.name.clone();
    let names = texts(input, "services");
    if names.is_empty() {
        return Err(invalid("Services cannot be empty."));
    }
    if names.len() > 10 {
        return Err(invalid("Services cannot have more than 10 elements."));
    }
    let with_tags = texts(input, "include").contains(&"TAGS");
    let mut services = Vec::new();
    let mut failures = Vec::new();
    for name in names {
        let arn = service::arn(world, &cluster, name);
        match world.ecs.services.get(&arn) {
            Some(service) => services.push(render(world, service, with_tags)),
            None => failures.push(json!({ "arn": arn, "reason": "MISSING" })),
        }
    }
    Ok(json!({ "services": services, "failures": failures }))
}

pub(super) fn list(world: &mut World, input: &Value) -> Result<Value, AwsError> {
    let cluster = cluster::of(world, input)?.name.clone();
    let is = |service: &Service, member: &str| {
        text(input, member)
            .is_none_or(|wanted| service.given.get(member).and_then(Value::as_str) == Some(wanted))
    };
    let arns: Vec<String> = world
        .ecs
        .services
        .values()
        .filter(|service| service.cluster == cluster && service.status == Status::Active)
        .filter(|service| is(service, "launchType") && is(service, "schedulingStrategy"))
        .map(|service| service.arn.clone())
        .collect();
    super::arn_page(
        input,
        "serviceArns",
        &arns,
        super::page_size(input, 10, 100)?,
    )
}

/// A service as every operation on services returns it.
pub(super) fn render(world: &World, service: &Service, with_tags: bool) -> Value {
    let counts = service.counts(world, None);
    let mut answer = Value::Object(service.given.clone());
    let account = &world.settings.account;
    answer["serviceArn"] = json!(service.arn);
    answer["serviceName"] = json!(service.name);
    answer["clusterArn"] = json!(
        world
            .ecs
            .clusters
            .get(&service.cluster)
            .map_or("", |cluster| &cluster.arn)
    );
    answer["status"] = json!(service.status.name());
    answer["desiredCount"] = json!(service.desired);
    answer["runningCount"] = json!(counts.running);
    answer["pendingCount"] = json!(counts.pending);
    answer["createdAt"] = json!(world.unix_seconds(service.created_at));
    answer["createdBy"] = json!(format!("arn:aws:iam::{account}:root"));
    answer["roleArn"] = json!(format!(
        "arn:aws:iam::{account}:role/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS"
    ));
    if let Some(primary) = service.deployments.first() {
        answer["taskDefinition"] = json!(primary.revision.task_definition);
    }
    answer["deployments"] = service
        .deployments
        .iter()
        .enumerate()
        .map(|(index, deployment)| render_deployment(world, service, deployment, index == 0))
        .collect();
    answer["events"] = service
        .events
        .iter()
        .map(|event| json!({ "id": event.id, "createdAt": world.unix_seconds(event.at), "message": event.message }))
        .collect();
    if with_tags {
        answer["tags"] = tag_list(&service.tags, "key", "value");
    }
    answer
}

fn render_deployment(
    world: &World,
    service: &Service,
    deployment: &Deployment,
    primary: bool,
) -> Value {
    let counts = service.counts(world, Some(&deployment.id));
    let reason = match deployment.rollout {
        Rollout::InProgress => format!("ECS deployment {} in progress.", deployment.id),
        Rollout::Completed => format!("ECS deployment {} completed.", deployment.id),
        Rollout::Failed => "ECS deployment circuit breaker: tasks failed to start.".to_owned(),
    };
    let wanted = service
        .tasks
        .iter()
        .filter_map(|arn| world.ecs.tasks.get(arn))
        .filter(|task| task.wanted && task.deployment.as_ref() == Some(&deployment.id))
        .count();
    let mut answer = Value::Object(deployment.revision.given.clone());
    answer["id"] = json!(deployment.id);
    answer["status"] = json!(if primary { "PRIMARY" } else { "ACTIVE" });
    answer["taskDefinition"] = json!(deployment.revision.task_definition);
    answer["desiredCount"] = if primary {
        json!(service.desired)
    } else {
        json!(wanted)
    };
    answer["runningCount"] = json!(counts.running);
    answer["pendingCount"] = json!(counts.pending);
    answer["failedTasks"] = json!(deployment.failed_tasks);
    answer["createdAt"] = json!(world.unix_seconds(deployment.created_at));
    answer["updatedAt"] = json!(world.unix_seconds(deployment.updated_at));
    answer["rolloutState"] = json!(deployment.rollout.name());
    answer["rolloutStateReason"] = json!(reason);
    answer
}
