//! Services: create, update, delete.

use std::collections::{BTreeSet, VecDeque};

use serde_json::{Map, Value, json};

use super::{AwsError, cluster, invalid, placed, read_service};
use crate::api::json::{tags, text, without};
use crate::world::World;
use crate::world::ecs::Service;
use crate::world::ecs::service::{self, Revision, Status};
use crate::world::ecs::task_definition::TaskDefinition;

pub(super) fn create(world: &mut World, input: &Value) -> Result<Value, AwsError> {
    let cluster = cluster::of(world, input)?.name.clone();
    let name = text(input, "serviceName").unwrap_or_default().to_owned();
    check_name(&name)?;
    if text(input, "clientToken").is_some_and(|token| token.len() > 36) {
        return Err(invalid("idempotency token longer than 36."));
    }
    let arn = arn(world, &cluster, &name);
    match world.ecs.services.get(&arn) {
        Some(known) if known.status == Status::Draining => {
            return Err(invalid("Unable to Start a service that is still Draining."));
        }
        Some(known) if known.status == Status::Active && known.request == *input => {
            return Ok(json!({ "service": read_service::render(world, known, true) }));
        }
        Some(known) if known.status == Status::Active => {
            return Err(invalid("Creation of service was not idempotent."));
        }
        Some(_) | None => {}
    }
    check_kind(input)?;
    let Some(desired) = input
        .get("desiredCount")
        .and_then(Value::as_u64)
        .and_then(|count| u32::try_from(count).ok())
    else {
        return Err(invalid(
            "desiredCount is required for services of the REPLICA scheduling strategy.",
        ));
    };
    let Some(definition) = text(input, "taskDefinition") else {
        return Err(invalid("TaskDefinition can not be blank."));
    };
    let definition = placed::task_definition(world, definition)?;
    let mut given = without(
        input,
        &[
            "cluster",
            "serviceName",
            "taskDefinition",
            "desiredCount",
            "clientToken",
            "tags",
            "role",
        ],
    );
    add_defaults(&mut given);
    let revision = revision(world, &definition, &given)?;
    check_together(&given)?;
    let service = Service {
        arn: arn.clone(),
        name,
        cluster,
        status: Status::Active,
        desired,
        request: input.clone(),
        given,
        deployments: Vec::new(),
        events: VecDeque::new(),
        tags: tags(input, "tags", "key", "value"),
        created_at: world.now,
        tasks: BTreeSet::new(),
        look_at: None,
        steady: false,
        start_failures: 0,
        start_not_before: 0,
        empty_since: None,
        last_completed: None,
    };
    world.ecs.services.insert(arn.clone(), service);
    service::deploy(world, &arn, revision);
    answer(world, &arn)
}

fn answer(world: &World, arn: &str) -> Result<Value, AwsError> {
    Ok(
        json!({ "service": world.ecs.services.get(arn).map(|service| read_service::render(world, service, true)) }),
    )
}

/// The ARN of a service that an input names by name or ARN.
pub(super) fn arn(world: &World, cluster: &str, name: &str) -> String {
    let name = name.rsplit_once('/').map_or(name, |(_, name)| name);
    format!(
        "arn:aws:ecs:{}:{}:service/{cluster}/{name}",
        world.settings.region, world.settings.account
    )
}

fn check_name(name: &str) -> Result<(), AwsError> {
    let fits = (1..=255).contains(&name.len())
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
    if fits {
        Ok(())
    } else {
        Err(invalid(
            "Service name must match: up to 255 letters (uppercase and lowercase), numbers, underscores, and hyphens.",
        ))
    }
}

/// Refuses what AWS has and the emulator has not, rather than to do something else.
fn check_kind(input: &Value) -> Result<(), AwsError> {
    if text(input, "schedulingStrategy") == Some("DAEMON") {
        return Err(invalid("The DAEMON scheduling strategy is not emulated."));
    }
    if input["deploymentController"]["type"]
        .as_str()
        .is_some_and(|kind| kind != "ECS")
    {
        return Err(invalid("Only the ECS deployment controller is emulated."));
    }
    check_strategy(input)
}

fn check_strategy(input: &Value) -> Result<(), AwsError> {
    match input["deploymentConfiguration"]["strategy"].as_str() {
        None | Some("ROLLING") => Ok(()),
        Some(strategy) => Err(invalid(format!(
            "The deployment strategy {strategy} is not emulated."
        ))),
    }
}

/// What AWS sets where CreateService is silent.
fn add_defaults(given: &mut Map<String, Value>) {
    let default = |given: &mut Map<String, Value>, member: &str, value: Value| {
        given.entry(member).or_insert(value);
    };
    if !given.contains_key("capacityProviderStrategy") {
        default(given, "launchType", json!("EC2"));
    }
    if given.get("launchType") == Some(&json!("FARGATE"))
        || given.contains_key("capacityProviderStrategy")
    {
        default(given, "platformVersion", json!("LATEST"));
        default(given, "platformFamily", json!("Linux"));
    }
    default(given, "schedulingStrategy", json!("REPLICA"));
    default(given, "deploymentController", json!({ "type": "ECS" }));
    default(given, "availabilityZoneRebalancing", json!("ENABLED"));
    default(given, "enableECSManagedTags", json!(false));
    default(given, "enableExecuteCommand", json!(false));
    default(given, "propagateTags", json!("NONE"));
    for member in [
        "loadBalancers",
        "serviceRegistries",
        "placementConstraints",
        "placementStrategy",
    ] {
        default(given, member, json!([]));
    }
    if given.get("loadBalancers") != Some(&json!([])) {
        default(given, "healthCheckGracePeriodSeconds", json!(0));
    }
    let configuration = given
        .entry("deploymentConfiguration")
        .or_insert_with(|| json!({}));
    if let Some(configuration) = configuration.as_object_mut() {
        default(
            configuration,
            "deploymentCircuitBreaker",
            json!({ "enable": false, "rollback": false }),
        );
        default(configuration, "maximumPercent", json!(200));
        default(configuration, "minimumHealthyPercent", json!(100));
        default(configuration, "strategy", json!("ROLLING"));
        default(configuration, "bakeTimeInMinutes", json!(0));
    }
}

/// Refuses members that do not go together.
fn check_together(given: &Map<String, Value>) -> Result<(), AwsError> {
    if given.contains_key("healthCheckGracePeriodSeconds")
        && given.get("loadBalancers") == Some(&json!([]))
    {
        return Err(invalid(
            "Health check grace period is only valid for services configured to use load balancers",
        ));
    }
    let configuration = given.get("deploymentConfiguration").unwrap_or(&Value::Null);
    let (most, least) = (
        configuration["maximumPercent"].as_u64(),
        configuration["minimumHealthyPercent"].as_u64(),
    );
    if most.is_some_and(|most| most <= 100)
        && given.get("availabilityZoneRebalancing") == Some(&json!("ENABLED"))
    {
        return Err(invalid(
            "Availability Zone rebalancing can not be enabled for a service whose maximumPercent is 100 or less.",
        ));
    }
    if most == Some(100) && least == Some(100) {
        return Err(invalid(
            "Both maximumPercent and minimumHealthyPercent cannot be 100 as this will block deployments.",
        ));
    }
    Ok(())
}

/// What a deployment with these members deploys, after the checks that CreateService and UpdateService make.
fn revision(
    world: &World,
    definition: &TaskDefinition,
    given: &Map<String, Value>,
) -> Result<Revision, AwsError> {
    placed::check_network(definition, given.get("networkConfiguration"))?;
    let load_balancers = given
        .get("loadBalancers")
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default();
    let bindings = placed::bindings(world, definition, load_balancers)?;
    let mut kept = given.clone();
    kept.retain(|member, _| {
        [
            "launchType",
            "capacityProviderStrategy",
            "platformVersion",
            "platformFamily",
            "networkConfiguration",
            "serviceConnectConfiguration",
            "volumeConfigurations",
            "vpcLatticeConfigurations",
        ]
        .contains(&member.as_str())
    });
    Ok(Revision {
        task_definition: definition.arn.clone(),
        load_balancers: bindings,
        given: kept,
    })
}

/// The members of UpdateService whose change makes a new deployment, besides the task definition.
const DEPLOYED: [&str; 7] = [
    "networkConfiguration",
    "platformVersion",
    "loadBalancers",
    "serviceRegistries",
    "serviceConnectConfiguration",
    "volumeConfigurations",
    "vpcLatticeConfigurations",
];

pub(super) fn update(world: &mut World, input: &Value) -> Result<Value, AwsError> {
    let cluster = cluster::of(world, input)?.name.clone();
    let arn = arn(world, &cluster, text(input, "service").unwrap_or_default());
    let Some(known) = world.ecs.services.get(&arn) else {
        return Err(AwsError::new(
            "ServiceNotFoundException",
            "Service not found.",
        ));
    };
    if known.status != Status::Active {
        return Err(AwsError::new(
            "ServiceNotActiveException",
            "Service was not ACTIVE.",
        ));
    }
    check_strategy(input)?;
    let current = known
        .deployments
        .first()
        .map(|deployment| deployment.revision.clone());
    let mut given = known.given.clone();
    for (member, value) in without(
        input,
        &[
            "cluster",
            "service",
            "desiredCount",
            "taskDefinition",
            "forceNewDeployment",
            "deploymentConfiguration",
        ],
    ) {
        given.insert(member, value);
    }
    if let (Some(changes), Some(configuration)) = (
        input
            .get("deploymentConfiguration")
            .and_then(Value::as_object),
        given
            .get_mut("deploymentConfiguration")
            .and_then(Value::as_object_mut),
    ) {
        configuration.extend(changes.clone());
    }
    if given.contains_key("capacityProviderStrategy")
        && input.get("capacityProviderStrategy").is_some()
    {
        given.remove("launchType");
    }
    check_together(&given)?;
    let force = input
        .get("forceNewDeployment")
        .and_then(Value::as_bool)
        .unwrap_or(false);
    let changed = DEPLOYED.iter().any(|member| {
        input
            .get(member)
            .is_some_and(|value| known.given.get(*member) != Some(value))
    });
    let definition = match (text(input, "taskDefinition"), &current) {
        (Some(name), _) => Some(placed::task_definition(world, name)?),
        (None, Some(current)) => {
            crate::world::ecs::task_definition::find(world, &current.task_definition).cloned()
        }
        (None, None) => None,
    };
    let definition = definition.ok_or_else(|| super::client("TaskDefinition not found."))?;
    let deploys =
        force || changed || current.is_none_or(|current| current.task_definition != definition.arn);
    let revision = if deploys {
        Some(revision(world, &definition, &given)?)
    } else {
        None
    };
    if let Some(service) = world.ecs.services.get_mut(&arn) {
        service.given = given;
    }
    if let Some(revision) = revision {
        service::deploy(world, &arn, revision);
    }
    if let Some(desired) = input.get("desiredCount").and_then(Value::as_u64) {
        service::set_desired(world, &arn, u32::try_from(desired).unwrap_or(u32::MAX));
    }
    answer(world, &arn)
}

pub(super) fn delete(world: &mut World, input: &Value) -> Result<Value, AwsError> {
    let cluster = cluster::of(world, input)?.name.clone();
    let arn = arn(world, &cluster, text(input, "service").unwrap_or_default());
    let known = world
        .ecs
        .services
        .get(&arn)
        .filter(|service| service.status != Status::Inactive);
    let Some(known) = known else {
        return Err(AwsError::new(
            "ServiceNotFoundException",
            "Service not found.",
        ));
    };
    let force = input.get("force").and_then(Value::as_bool).unwrap_or(false);
    if known.status == Status::Active {
        if known.desired > 0 && !force {
            return Err(invalid(
                "The service cannot be stopped while it is scaled above 0.",
            ));
        }
        service::drain(world, &arn);
    }
    answer(world, &arn)
}
