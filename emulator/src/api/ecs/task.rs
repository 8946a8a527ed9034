//! Tasks: run, stop, list, describe.

use serde_json::{Map, Value, json};

use super::{AwsError, cluster, invalid, placed, service};
use crate::api::json::{tag_list, tags, text, texts, without};
use crate::world::World;
use crate::world::ecs::health::{self, Health};
use crate::world::ecs::life::{self, Origin};
use crate::world::ecs::task::{Status, StopCode, Task};

pub(super) fn run(world: &mut World, input: &Value) -> Result<Value, AwsError> {
    let cluster = cluster::of(world, input)?.name.clone();
    let count = input.get("count").and_then(Value::as_u64).unwrap_or(1);
    if !(1..=10).contains(&count) {
        return Err(invalid("Tasks count must be between 1 and 10."));
    }
    let token = text(input, "clientToken").map(str::to_owned);
    if let Some((request, arns)) = token
        .as_ref()
        .and_then(|token| world.ecs.run_tokens.get(token))
    {
        if request != input {
            return Err(AwsError::new(
                "ConflictException",
                "The clientToken was used with other parameters.",
            ));
        }
        let tasks: Vec<Value> = arns
            .iter()
            .filter_map(|arn| world.ecs.tasks.get(arn))
            .map(|task| render(world, task, false))
            .collect();
        return Ok(json!({ "tasks": tasks, "failures": [] }));
    }
    let definition =
        placed::task_definition(world, text(input, "taskDefinition").unwrap_or_default())?;
    placed::check_network(&definition, input.get("networkConfiguration"))?;
    let mut given = without(
        input,
        &[
            "cluster",
            "count",
            "taskDefinition",
            "networkConfiguration",
            "tags",
            "group",
            "startedBy",
            "clientToken",
        ],
    );
    given.retain(|member, _| {
        [
            "launchType",
            "platformVersion",
            "overrides",
            "enableExecuteCommand",
        ]
        .contains(&member.as_str())
    });
    let mut task_tags = tags(input, "tags", "key", "value");
    if text(input, "propagateTags") == Some("TASK_DEFINITION") {
        for (key, value) in &definition.tags {
            task_tags
                .entry(key.clone())
                .or_insert_with(|| value.clone());
        }
    }
    let origin = Origin {
        cluster,
        service: None,
        deployment: None,
        group: text(input, "group")
            .map_or_else(|| format!("family:{}", definition.family), str::to_owned),
        started_by: text(input, "startedBy").map(str::to_owned),
        given,
        tags: task_tags,
        bindings: Vec::new(),
    };
    let arns: Vec<String> = (0..count)
        .map(|_| life::start(world, &definition, origin.clone()))
        .collect();
    let tasks: Vec<Value> = arns
        .iter()
        .filter_map(|arn| world.ecs.tasks.get(arn))
        .map(|task| render(world, task, true))
        .collect();
    if let Some(token) = token {
        world.ecs.run_tokens.insert(token, (input.clone(), arns));
    }
    Ok(json!({ "tasks": tasks, "failures": [] }))
}

/// The ARN of a task that an input names by id or ARN.
fn arn(world: &World, cluster: &str, name: &str) -> String {
    let id = name.rsplit_once('/').map_or(name, |(_, id)| id);
    format!(
        "arn:aws:ecs:{}:{}:task/{cluster}/{id}",
        world.settings.region, world.settings.account
    )
}

pub(super) fn stop(world: &mut World, input: &Value) -> Result<Value, AwsError> {
    let cluster = cluster::of(world, input)?.name.clone();
    let arn = arn(world, &cluster, text(input, "task").unwrap_or_default());
    if !world.ecs.tasks.contains_key(&arn) {
        return Err(invalid("The referenced task was not found."));
    }
    let reason = text(input, "reason").unwrap_or("Task stopped by user");
    life::stop(world, &arn, StopCode::UserInitiated, reason);
    Ok(json!({ "task": world.ecs.tasks.get(&arn).map(|task| render(world, task, false)) }))
}

pub(super) fn list(world: &mut World, input: &Value) -> Result<Value, AwsError> {
    let cluster = cluster::of(world, input)?.name.clone();
    let (family, started_by) = (text(input, "family"), text(input, "startedBy"));
    if started_by.is_some()
        && ["family", "serviceName", "containerInstance"]
            .iter()
            .any(|name| input.get(name).is_some())
    {
        return Err(invalid("startedBy must be the only filter."));
    }
    let group = match text(input, "serviceName") {
        None => None,
        Some(name) => {
            let arn = service::arn(world, &cluster, name);
            let known = world.ecs.services.get(&arn);
            let known = known
                .ok_or_else(|| AwsError::new("ServiceNotFoundException", "Service not found."))?;
            Some(format!("service:{}", known.name))
        }
    };
    let launch_type = text(input, "launchType");
    let status = text(input, "desiredStatus").unwrap_or("RUNNING");
    let arns: Vec<String> = world
        .ecs
        .tasks
        .values()
        .filter(|task| task.cluster == cluster && desired_status(task) == status)
        .filter(|task| family.is_none_or(|family| task.family == family))
        .filter(|task| started_by.is_none_or(|by| task.started_by.as_deref() == Some(by)))
        .filter(|task| group.as_ref().is_none_or(|group| task.group == *group))
        .filter(|task| {
            launch_type.is_none_or(|kind| {
                task.given.get("launchType").and_then(Value::as_str) == Some(kind)
            })
        })
        .map(|task| task.arn.clone())
        .collect();
    super::arn_page(input, "taskArns", &arns, super::page_size(input, 100, 100)?)
}

pub(super) fn describe(world: &mut World, input: &Value) -> Result<Value, AwsError> {
    let cluster = cluster::of(world, input)?.name.clone();
    let names = texts(input, "tasks");
    if names.is_empty() {
        return Err(invalid("Tasks cannot be empty."));
    }
    if names.len() > 100 {
        return Err(invalid("Tasks cannot have more than 100 elements."));
    }
    let with_tags = texts(input, "include").contains(&"TAGS");
    let mut tasks = Vec::new();
    let mut failures = Vec::new();
    for name in names {
        let arn = arn(world, &cluster, name);
        match world.ecs.tasks.get(&arn) {
            Some(task) => tasks.push(render(world, task, with_tags)),
            None => failures.push(json!({ "arn": arn, "reason": "MISSING" })),
        }
    }
    Ok(json!({ "tasks": tasks, "failures": failures }))
}

fn desired_status(task: &Task) -> &'static str {
    if task.wanted { "RUNNING" } else { "STOPPED" }
}

fn render(world: &World, task: &Task, with_tags: bool) -> Value {
    let mut answer: Map<String, Value> = task.given.clone();
    answer.entry("overrides").or_insert_with(|| {
        let containers = task.containers.iter();
        let named: Vec<Value> = containers
            .map(|container| json!({ "name": container.name }))
            .collect();
        json!({ "containerOverrides": named, "inferenceAcceleratorOverrides": [] })
    });
    let mut set = |member: &str, value: Value| {
        answer.insert(member.to_owned(), value);
    };
    set("taskArn", json!(task.arn));
    set(
        "clusterArn",
        json!(
            world
                .ecs
                .clusters
                .get(&task.cluster)
                .map_or("", |cluster| &cluster.arn)
        ),
    );
    set("taskDefinitionArn", json!(task.task_definition));
    set("group", json!(task.group));
    set("lastStatus", json!(task.status.name()));
    set("desiredStatus", json!(desired_status(task)));
    let health = health::of_task(world, task).map_or(Health::Unknown, |(health, _)| health);
    set("healthStatus", json!(health.name()));
    set("version", json!(task.version));
    set("createdAt", json!(world.unix_seconds(task.created_at)));
    set("attachments", json!([attachment(task)]));
    set("attributes", json!([]));
    set(
        "containers",
        task.containers
            .iter()
            .enumerate()
            .map(|(index, _)| container(world, task, index))
            .collect(),
    );
    let moments = [
        (
            "pullStartedAt",
            (task.status > Status::Provisioning)
                .then(|| task.created_at + world.settings.task_provisioning_ms),
        ),
        ("pullStoppedAt", task.containers_started_at),
        ("startedAt", task.started_at),
        ("stoppingAt", task.stopping_at),
        ("executionStoppedAt", task.exited_at),
        ("stoppedAt", task.stopped_at),
    ];
    for (member, at) in moments {
        if let Some(at) = at {
            set(member, json!(world.unix_seconds(at)));
        }
    }
    let texts = [
        ("startedBy", task.started_by.as_deref()),
        ("stopCode", task.stop_code.map(StopCode::name)),
        ("stoppedReason", task.stopped_reason.as_deref()),
    ];
    for (member, text) in texts {
        if let Some(text) = text {
            set(member, json!(text));
        }
    }
    if with_tags {
        set("tags", tag_list(&task.tags, "key", "value"));
    }
    Value::Object(answer)
}

fn attachment(task: &Task) -> Value {
    let status = match task.status {
        Status::Provisioning => "PRECREATED",
        Status::Pending
        | Status::Activating
        | Status::Running
        | Status::Deactivating
        | Status::Stopping => "ATTACHED",
        Status::Deprovisioning | Status::Stopped => "DELETED",
    };
    let mut details = vec![json!({ "name": "subnetId", "value": task.subnet })];
    if task.status > Status::Provisioning {
        details.push(json!({ "name": "privateIPv4Address", "value": task.address.to_string() }));
    }
    json!({ "id": task.attachment, "type": "ElasticNetworkInterface", "status": status, "details": details })
}

fn container(world: &World, task: &Task, index: usize) -> Value {
    let container = &task.containers[index];
    let status = match task.status {
        Status::Provisioning | Status::Pending => "PENDING",
        Status::Activating | Status::Running | Status::Deactivating | Status::Stopping
            if task.exited_at.is_none() =>
        {
            "RUNNING"
        }
        Status::Activating
        | Status::Running
        | Status::Deactivating
        | Status::Stopping
        | Status::Deprovisioning
        | Status::Stopped => "STOPPED",
    };
    let own = health::of_container(world, task, index);
    let health = own.map_or(Health::Unknown, |(health, _)| health);
    let id = crate::world::ecs::event::task_id(&task.arn);
    let (region, account) = (&world.settings.region, &world.settings.account);
    let unique = crate::world::hash::text(&format!("{id}/{}", container.name));
    let mut answer = json!({
        "containerArn": format!("arn:aws:ecs:{region}:{account}:container/{}/{id}/{unique:016x}", task.cluster),
        "taskArn": task.arn,
        "name": container.name,
        "image": container.image,
        "lastStatus": status,
        "networkBindings": [],
        "networkInterfaces": [],
        "healthStatus": health.name(),
    });
    if task.status > Status::Provisioning {
        answer["networkInterfaces"] = json!([{ "attachmentId": task.attachment, "privateIpv4Address": task.address.to_string() }]);
    }
    if task.containers_started_at.is_some() {
        answer["runtimeId"] = json!(format!("{id}-{}", unique % 10_000_000_000));
    }
    if let Some(code) = task.exit_codes.get(index).copied().flatten() {
        answer["exitCode"] = json!(code);
    }
    if let Some(reason) = &task.container_reason {
        answer["reason"] = json!(reason);
    }
    answer
}
