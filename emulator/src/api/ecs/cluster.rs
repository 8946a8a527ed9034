//! Clusters.

use serde_json::{Value, json};

use super::{AwsError, invalid};
use crate::api::json::{tag_list, tags, text, texts, without};
use crate::world::World;
use crate::world::ecs::service::Status;
use crate::world::ecs::{Cluster, task};

/// The ACTIVE cluster that an input means: by name or ARN; `default` when it names none.
pub(super) fn of<'a>(world: &'a World, input: &Value) -> Result<&'a Cluster, AwsError> {
    let name = short(text(input, "cluster").unwrap_or("default"));
    world
        .ecs
        .clusters
        .get(name)
        .filter(|cluster| cluster.active)
        .ok_or_else(|| AwsError::new("ClusterNotFoundException", "Cluster not found."))
}

fn short(name: &str) -> &str {
    name.rsplit_once('/').map_or(name, |(_, name)| name)
}

pub(super) fn create(world: &mut World, input: &Value) -> Result<Value, AwsError> {
    let name = text(input, "clusterName").unwrap_or("default").to_owned();
    if name.is_empty()
        || name.len() > 255
        || !name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_".contains(c))
    {
        return Err(invalid(
            "Cluster name must match: up to 255 letters (uppercase and lowercase), numbers, underscores, and hyphens.",
        ));
    }
    let known = world
        .ecs
        .clusters
        .get(&name)
        .is_some_and(|cluster| cluster.active);
    if !known {
        let arn = format!(
            "arn:aws:ecs:{}:{}:cluster/{name}",
            world.settings.region, world.settings.account
        );
        let given = without(input, &["clusterName", "tags", "serviceConnectDefaults"]);
        let tags = tags(input, "tags", "key", "value");
        world.ecs.clusters.insert(
            name.clone(),
            Cluster {
                arn,
                name: name.clone(),
                active: true,
                given,
                tags,
            },
        );
    }
    Ok(
        json!({ "cluster": world.ecs.clusters.get(&name).map(|cluster| render(world, cluster, true)) }),
    )
}

pub(super) fn describe(world: &mut World, input: &Value) -> Result<Value, AwsError> {
    let mut names = texts(input, "clusters");
    if names.is_empty() {
        names.push("default");
    }
    if names.len() > 100 {
        return Err(invalid("Clusters cannot have more than 100 elements."));
    }
    let with_tags = texts(input, "include").contains(&"TAGS");
    let mut clusters = Vec::new();
    let mut failures = Vec::new();
    for name in names {
        match world.ecs.clusters.get(short(name)) {
            Some(cluster) => clusters.push(render(world, cluster, with_tags)),
            None => {
                let (region, account) = (&world.settings.region, &world.settings.account);
                let arn = format!("arn:aws:ecs:{region}:{account}:cluster/{}", short(name));
                failures.push(json!({ "arn": arn, "reason": "MISSING" }));
            }
        }
    }
    Ok(json!({ "clusters": clusters, "failures": failures }))
}

pub(super) fn list(world: &mut World, input: &Value) -> Result<Value, AwsError> {
    let arns: Vec<String> = world
        .ecs
        .clusters
        .values()
        .filter(|cluster| cluster.active)
        .map(|cluster| cluster.arn.clone())
        .collect();
    super::arn_page(
        input,
        "clusterArns",
        &arns,
        super::page_size(input, 100, 100)?,
    )
}

pub(super) fn delete(world: &mut World, input: &Value) -> Result<Value, AwsError> {
    let name = of(world, input)?.name.clone();
    if world
        .ecs
        .services
        .values()
        .any(|service| service.cluster == name && service.status != Status::Inactive)
    {
        return Err(AwsError::new(
            "ClusterContainsServicesException",
            "The Cluster cannot be deleted while Services are active.",
        ));
    }
    if world
        .ecs
        .tasks
        .values()
        .any(|task| task.cluster == name && task.status != task::Status::Stopped)
    {
        return Err(AwsError::new(
            "ClusterContainsTasksException",
            "The Cluster cannot be deleted while Tasks are active.",
        ));
    }
    if let Some(cluster) = world.ecs.clusters.get_mut(&name) {
        cluster.active = false;
    }
    Ok(
        json!({ "cluster": world.ecs.clusters.get(&name).map(|cluster| render(world, cluster, true)) }),
    )
}

fn render(world: &World, cluster: &Cluster, with_tags: bool) -> Value {
    let here = |name: &String| *name == cluster.name;
    let tasks = || world.ecs.tasks.values().filter(|task| here(&task.cluster));
    let services = world
        .ecs
        .services
        .values()
        .filter(|service| here(&service.cluster));
    let mut answer = Value::Object(cluster.given.clone());
    answer["clusterArn"] = json!(cluster.arn);
    answer["clusterName"] = json!(cluster.name);
    answer["status"] = json!(if cluster.active { "ACTIVE" } else { "INACTIVE" });
    answer["registeredContainerInstancesCount"] = json!(0);
    answer["runningTasksCount"] = json!(
        tasks()
            .filter(|task| task.status == task::Status::Running)
            .count()
    );
    answer["pendingTasksCount"] = json!(
        tasks()
            .filter(|task| task.status < task::Status::Running)
            .count()
    );
    answer["activeServicesCount"] = json!(
        services
            .filter(|service| service.status == Status::Active)
            .count()
    );
    answer["statistics"] = json!([]);
    if with_tags {
        answer["tags"] = tag_list(&cluster.tags, "key", "value");
    }
    answer
}
