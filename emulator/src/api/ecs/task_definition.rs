//! Task definitions.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};

use super::{AwsError, client, invalid};
use crate::api::json::{list, tag_list, tags, text, texts, without};
use crate::world::World;
use crate::world::ecs::task_definition::{Container, Family, Status, TaskDefinition, find};

pub(super) fn register(world: &mut World, input: &Value) -> Result<Value, AwsError> {
    let family = text(input, "family").unwrap_or_default();
    if family.is_empty()
        || family.len() > 255
        || !family
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_".contains(c))
    {
        return Err(client(
            "Family contains invalid characters. Up to 255 letters (uppercase and lowercase), numbers, underscores, and hyphens are allowed.",
        ));
    }
    check_containers(input)?;
    check_fargate(input)?;
    let family = family.to_owned();
    let mut given = without(input, &["tags"]);
    for member in ["volumes", "placementConstraints"] {
        given.entry(member).or_insert_with(|| json!([]));
    }
    let awsvpc = text(input, "networkMode") == Some("awsvpc");
    if let Some(definitions) = given
        .get_mut("containerDefinitions")
        .and_then(Value::as_array_mut)
    {
        definitions
            .iter_mut()
            .for_each(|definition| add_defaults(definition, awsvpc));
    }
    let containers = list(input, "containerDefinitions")
        .iter()
        .map(Container::parse)
        .collect();
    let (region, account) = (
        world.settings.region.clone(),
        world.settings.account.clone(),
    );
    let now = world.now;
    let entry = world.ecs.families.entry(family.clone()).or_default();
    entry.last_revision += 1;
    let revision = entry.last_revision;
    let definition = TaskDefinition {
        arn: format!("arn:aws:ecs:{region}:{account}:task-definition/{family}:{revision}"),
        family,
        revision,
        status: Status::Active,
        given,
        containers: Arc::new(containers),
        tags: tags(input, "tags", "key", "value"),
        registered_at: now,
        deregistered_at: None,
        delete_requested_at: None,
    };
    entry.revisions.insert(revision, definition.clone());
    let mut answer = json!({ "taskDefinition": render(world, &definition) });
    if !definition.tags.is_empty() {
        answer["tags"] = tag_list(&definition.tags, "key", "value");
    }
    Ok(answer)
}

fn check_containers(input: &Value) -> Result<(), AwsError> {
    let definitions = list(input, "containerDefinitions");
    if definitions.is_empty() {
        return Err(client("Container list cannot be empty."));
    }
    let mut names = BTreeSet::new();
    for definition in definitions {
        let name = text(definition, "name").unwrap_or_default();
        if name.is_empty() {
            return Err(client("Container.name should not be null or empty."));
        }
        if text(definition, "image").unwrap_or_default().is_empty() {
            return Err(client("Container.image should not be null or empty."));
        }
        if !names.insert(name) {
            return Err(client(
                "Container names must be unique within a task definition.",
            ));
        }
    }
    if definitions
        .iter()
        .all(|definition| definition["essential"] == json!(false))
    {
        return Err(client(
            "Task definition must have at least one essential container",
        ));
    }
    Ok(())
}

/// The combinations of CPU units and MiB of memory that Fargate has.
fn check_fargate(input: &Value) -> Result<(), AwsError> {
    if !texts(input, "requiresCompatibilities").contains(&"FARGATE") {
        return Ok(());
    }
    if text(input, "networkMode") != Some("awsvpc") {
        return Err(client("Fargate only supports network mode ‘awsvpc’."));
    }
    let (Some(cpu), Some(memory)) = (text(input, "cpu"), text(input, "memory")) else {
        return Err(client(
            "Fargate requires that 'cpu' and 'memory' be defined at the task level.",
        ));
    };
    let cpu_units = size(cpu, "vcpu", 1024.0);
    let memory_mib = size(memory, "gb", 1024.0);
    let fits = match (cpu_units, memory_mib) {
        (Some(256), Some(memory)) => [512, 1024, 2048].contains(&memory),
        (Some(512), Some(memory)) => (1024..=4096).contains(&memory) && memory % 1024 == 0,
        (Some(1024), Some(memory)) => (2048..=8192).contains(&memory) && memory % 1024 == 0,
        (Some(2048), Some(memory)) => (4096..=16384).contains(&memory) && memory % 1024 == 0,
        (Some(4096), Some(memory)) => (8192..=30720).contains(&memory) && memory % 1024 == 0,
        (Some(8192), Some(memory)) => (16384..=61440).contains(&memory) && memory % 4096 == 0,
        (Some(16384), Some(memory)) => (32768..=122_880).contains(&memory) && memory % 8192 == 0,
        (Some(_) | None, Some(_) | None) => false,
    };
    if fits {
        Ok(())
    } else {
        Err(client("No Fargate configuration exists for given values."))
    }
}

/// A size as a number, or with a unit, for example `.5 vCPU` or `1 GB`.
fn size(size: &str, unit: &str, factor: f64) -> Option<u64> {
    let lower = size.to_lowercase();
    match lower.strip_suffix(unit) {
        Some(number) => number
            .trim()
            .parse::<f64>()
            .ok()
            .map(|number| (number * factor).round() as u64),
        None => lower.trim().parse().ok(),
    }
}

/// What AWS adds to a container definition that leaves it out.
fn add_defaults(definition: &mut Value, awsvpc: bool) {
    let Some(members) = definition.as_object_mut() else {
        return;
    };
    members.entry("cpu").or_insert_with(|| json!(0));
    members.entry("essential").or_insert_with(|| json!(true));
    for member in [
        "environment",
        "mountPoints",
        "portMappings",
        "volumesFrom",
        "systemControls",
    ] {
        members.entry(member).or_insert_with(|| json!([]));
    }
    for mapping in members
        .get_mut("portMappings")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
    {
        let port = mapping["containerPort"].clone();
        if let Some(mapping) = mapping.as_object_mut() {
            mapping
                .entry("hostPort")
                .or_insert_with(|| if awsvpc { port } else { json!(0) });
            mapping.entry("protocol").or_insert_with(|| json!("tcp"));
        }
    }
}

pub(super) fn describe(world: &mut World, input: &Value) -> Result<Value, AwsError> {
    let definition = text(input, "taskDefinition")
        .and_then(|name| find(world, name))
        .ok_or_else(|| client("Unable to describe task definition."))?;
    let mut answer = json!({ "taskDefinition": render(world, definition) });
    if texts(input, "include").contains(&"TAGS") {
        answer["tags"] = tag_list(&definition.tags, "key", "value");
    }
    Ok(answer)
}

pub(super) fn list_revisions(world: &mut World, input: &Value) -> Result<Value, AwsError> {
    let status = text(input, "status").unwrap_or("ACTIVE");
    let family = text(input, "familyPrefix");
    let mut arns: Vec<String> = world
        .ecs
        .families
        .iter()
        .filter(|(name, _)| family.is_none_or(|family| family == name.as_str()))
        .flat_map(|(_, family)| family.revisions.values())
        .filter(|revision| revision.status.name() == status)
        .map(|revision| revision.arn.clone())
        .collect();
    if text(input, "sort") == Some("DESC") {
        arns.reverse();
    }
    super::arn_page(
        input,
        "taskDefinitionArns",
        &arns,
        super::page_size(input, 100, 100)?,
    )
}

pub(super) fn list_families(world: &mut World, input: &Value) -> Result<Value, AwsError> {
    let status = text(input, "status").unwrap_or("ACTIVE");
    let prefix = text(input, "familyPrefix").unwrap_or_default();
    let is_active = |family: &Family| {
        family
            .revisions
            .values()
            .any(|revision| revision.status == Status::Active)
    };
    let families: Vec<String> = world
        .ecs
        .families
        .iter()
        .filter(|(name, _)| name.starts_with(prefix))
        .filter(|(_, family)| status == "ALL" || is_active(family) == (status == "ACTIVE"))
        .map(|(name, _)| name.clone())
        .collect();
    super::arn_page(
        input,
        "families",
        &families,
        super::page_size(input, 100, 100)?,
    )
}

/// A revision that was named with its number.
fn named<'a>(world: &'a mut World, name: &str) -> Result<&'a mut TaskDefinition, AwsError> {
    let short = name.rsplit_once('/').map_or(name, |(_, name)| name);
    let Some((family, revision)) = short.split_once(':') else {
        return Err(invalid("Task definition revision is missing."));
    };
    world
        .ecs
        .families
        .get_mut(family)
        .and_then(|family| family.revisions.get_mut(&revision.parse().ok()?))
        .ok_or_else(|| client("The specified task definition does not exist."))
}

pub(super) fn deregister(world: &mut World, input: &Value) -> Result<Value, AwsError> {
    let now = world.now;
    let definition = named(world, text(input, "taskDefinition").unwrap_or_default())?;
    if definition.status == Status::Active {
        definition.status = Status::Inactive;
        definition.deregistered_at = Some(now);
    }
    let definition = definition.clone();
    Ok(json!({ "taskDefinition": render(world, &definition) }))
}

pub(super) fn delete(world: &mut World, input: &Value) -> Result<Value, AwsError> {
    let names = texts(input, "taskDefinitions");
    if names.is_empty() || names.len() > 10 {
        return Err(invalid(
            "You can delete between 1 and 10 task definitions at a time.",
        ));
    }
    let now = world.now;
    let mut deleted = Vec::new();
    let mut failures = Vec::new();
    for name in names {
        match named(world, name) {
            Err(error) => failures.push(json!({ "arn": name, "reason": error.message })),
            Ok(definition) if definition.status == Status::Active => failures.push(json!({
                "arn": definition.arn,
                "reason": "The specified task definition is still in ACTIVE status. Please deregister the task definition before deleting it.",
            })),
            Ok(definition) => {
                definition.status = Status::DeleteInProgress;
                definition.delete_requested_at.get_or_insert(now);
                let definition = definition.clone();
                deleted.push(render(world, &definition));
            }
        }
    }
    Ok(json!({ "taskDefinitions": deleted, "failures": failures }))
}

fn render(world: &World, definition: &TaskDefinition) -> Value {
    let mut answer = Value::Object(definition.given.clone());
    answer["taskDefinitionArn"] = json!(definition.arn);
    answer["revision"] = json!(definition.revision);
    answer["status"] = json!(definition.status.name());
    let fargate = definition.given.contains_key("requiresCompatibilities")
        || definition.network_mode() == "awsvpc";
    answer["compatibilities"] = if fargate {
        json!(["EC2", "FARGATE"])
    } else {
        json!(["EC2"])
    };
    answer["registeredAt"] = json!(world.unix_seconds(definition.registered_at));
    answer["registeredBy"] = json!(format!("arn:aws:iam::{}:root", world.settings.account));
    if let Some(at) = definition.deregistered_at {
        answer["deregisteredAt"] = json!(world.unix_seconds(at));
    }
    if let Some(at) = definition.delete_requested_at {
        answer["deleteRequestedAt"] = json!(world.unix_seconds(at));
    }
    answer
}
