//! Application Auto Scaling: scalable targets, policies and scheduled actions.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::{AwsError, Call, Service};
use crate::world::World;
use crate::world::autoscaling::{
    ACTIONS, Dimension, POLICIES, Policy, ScalableTarget, ScheduledAction, Suspended, schedule,
    tracking,
};

/// Carries out one operation.
///
/// # Errors
/// The refusal that AWS would give.
pub fn call(world: &mut World, operation: &str, input: &Value) -> Result<Value, AwsError> {
    match operation {
        "RegisterScalableTarget" => register(world, input),
        "DescribeScalableTargets" => describe_targets(world, input),
        "DeregisterScalableTarget" => deregister(world, input),
        "PutScalingPolicy" => put_policy(world, input),
        "DescribeScalingPolicies" => describe_policies(world, input),
        "DeleteScalingPolicy" => delete_policy(world, input),
        "PutScheduledAction" => put_action(world, input),
        "DescribeScheduledActions" => describe_actions(world, input),
        "DeleteScheduledAction" => delete_action(world, input),
        _ => Err(AwsError::not_emulated(operation)),
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Register {
    min_capacity: Option<i64>,
    max_capacity: Option<i64>,
    #[serde(rename = "RoleARN")]
    role_arn: Option<String>,
    suspended_state: Option<Suspended>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PutPolicy {
    policy_name: String,
    policy_type: Option<String>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PutAction {
    scheduled_action_name: String,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

/// What the describe operations filter by.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Describe {
    service_namespace: String,
    resource_id: Option<String>,
    resource_ids: Vec<String>,
    scalable_dimension: Option<String>,
    policy_names: Vec<String>,
    scheduled_action_names: Vec<String>,
    max_results: Option<usize>,
    next_token: Option<String>,
}

/// The members of a scheduled action that say what it does when.
const SCHEDULE: [&str; 5] = [
    "Schedule",
    "Timezone",
    "StartTime",
    "EndTime",
    "ScalableTargetAction",
];

/// Entries of a page of policies, which is smaller than the other pages.
const POLICY_PAGE: usize = 10;
/// Entries of another page.
const PAGE: usize = 50;

/// The members of a policy that say how it scales.
const CONFIGURATIONS: [&str; 3] = [
    "StepScalingPolicyConfiguration",
    "TargetTrackingScalingPolicyConfiguration",
    "PredictiveScalingPolicyConfiguration",
];

fn read<T: DeserializeOwned>(input: &Value) -> Result<T, AwsError> {
    T::deserialize(input)
        .map_err(|error| AwsError::new("SerializationException", error.to_string()))
}

fn register(world: &mut World, input: &Value) -> Result<Value, AwsError> {
    let (dimension, asked): (Dimension, Register) = (read(input)?, read(input)?);
    let present = world.autoscaling.targets.get(&dimension.key());
    let min = asked.min_capacity.or(present.map(|target| target.min));
    let max = asked.max_capacity.or(present.map(|target| target.max));
    let (Some(min), Some(max)) = (min, max) else {
        let text = "MinCapacity and MaxCapacity are required to register a new scalable target";
        return Err(AwsError::new("ValidationException", text));
    };
    if max < min {
        let text = "Maximum capacity cannot be less than minimum capacity";
        return Err(AwsError::new("ValidationException", text));
    }
    if let Some((cluster, service)) = dimension.ecs_service() {
        keep_within(world, cluster, service, min, max)?;
    }
    let target = match world.autoscaling.targets.get_mut(&dimension.key()) {
        Some(target) => target,
        None => {
            let target = new_target(world, &dimension);
            world
                .autoscaling
                .targets
                .entry(dimension.key())
                .or_insert(target)
        }
    };
    (target.min, target.max) = (min, max);
    target.role_arn = asked.role_arn.unwrap_or_else(|| target.role_arn.clone());
    target.suspended = asked.suspended_state.unwrap_or(target.suspended);
    Ok(json!({"ScalableTargetARN": target.arn}))
}

fn new_target(world: &mut World, dimension: &Dimension) -> ScalableTarget {
    let (region, account) = (
        world.settings.region.clone(),
        world.settings.account.clone(),
    );
    let id = world.fresh_bits();
    ScalableTarget {
        dimension: dimension.clone(),
        min: 0,
        max: 0,
        role_arn: format!(
            "arn:aws:iam::{account}:role/aws-service-role/ecs.application-autoscaling.amazonaws.com/\
             AWSServiceRoleForApplicationAutoScaling_ECSService"
        ),
        suspended: Suspended::default(),
        arn: format!(
            "arn:aws:application-autoscaling:{region}:{account}:scalable-target/0ec5{id:016x}"
        ),
        created: world.now,
        policies: Default::default(),
        actions: Default::default(),
        tracked: false,
        scaled_at: None,
    }
}

/// Brings a service's desired count into the range, as registration does.
fn keep_within(
    world: &mut World,
    cluster: &str,
    service: &str,
    min: i64,
    max: i64,
) -> Result<(), AwsError> {
    let described = ecs(
        world,
        "DescribeServices",
        json!({"cluster": cluster, "services": [service]}),
    );
    let found = described.ok().and_then(|output| {
        let found = output.get("services")?.get(0)?;
        (found.get("status")? == "ACTIVE")
            .then(|| found.get("desiredCount").and_then(Value::as_i64))?
    });
    let Some(desired) = found else {
        let text = format!("ECS service doesn't exist: service/{cluster}/{service}");
        return Err(AwsError::new("ValidationException", text));
    };
    let within = desired.clamp(min, max);
    if within != desired {
        ecs(
            world,
            "UpdateService",
            json!({"cluster": cluster, "service": service, "desiredCount": within}),
        )?;
    }
    Ok(())
}

fn ecs(world: &mut World, operation: &str, input: Value) -> Result<Value, AwsError> {
    super::call(
        world,
        &Call {
            service: Service::Ecs,
            operation: operation.to_owned(),
            input,
        },
    )
}

fn describe_targets(world: &World, input: &Value) -> Result<Value, AwsError> {
    let asked: Describe = read(input)?;
    let found = targets(world, &asked).map(|target| {
        json!({
            "ServiceNamespace": target.dimension.service_namespace,
            "ResourceId": target.dimension.resource_id,
            "ScalableDimension": target.dimension.scalable_dimension,
            "MinCapacity": target.min,
            "MaxCapacity": target.max,
            "RoleARN": target.role_arn,
            "CreationTime": world.unix_seconds(target.created),
            "SuspendedState": target.suspended,
            "ScalableTargetARN": target.arn,
        })
    });
    page("ScalableTargets", found.collect(), &asked, PAGE)
}

fn deregister(world: &mut World, input: &Value) -> Result<Value, AwsError> {
    let dimension: Dimension = read(input)?;
    world
        .autoscaling
        .targets
        .remove(&dimension.key())
        .map(|_| json!({}))
        .ok_or_else(|| no_target(&dimension))
}

fn put_policy(world: &mut World, input: &Value) -> Result<Value, AwsError> {
    let (dimension, asked): (Dimension, PutPolicy) = (read(input)?, read(input)?);
    let (now, id) = (world.now, world.fresh_uuid());
    let (region, account) = (
        world.settings.region.clone(),
        world.settings.account.clone(),
    );
    let target = target_of(world, &dimension)?;
    has_room(
        &target.policies,
        &asked.policy_name,
        POLICIES,
        "scaling policies",
    )?;
    let (namespace, resource) = (&dimension.service_namespace, &dimension.resource_id);
    let policy = target.policies.entry(asked.policy_name.clone()).or_insert_with(|| Policy {
        arn: format!(
            "arn:aws:autoscaling:{region}:{account}:scalingPolicy:{id}:resource/{namespace}/{resource}:policyName/{}",
            asked.policy_name
        ),
        kind: "StepScaling".into(),
        configuration: Map::new(),
        created: now,
        alarms: Vec::new(),
    });
    policy.kind = asked.policy_type.unwrap_or_else(|| policy.kind.clone());
    let given = asked
        .rest
        .into_iter()
        .filter(|(name, _)| CONFIGURATIONS.contains(&name.as_str()));
    policy.configuration.extend(given);
    if policy.kind == "TargetTrackingScaling" && policy.alarms.is_empty() {
        let alarm = |which: &str| format!("TargetTracking-{resource}-Alarm{which}-{id}");
        policy.alarms = ["High", "Low"].map(alarm).into();
    }
    let policy = policy.clone();
    tracking::begin(world, &dimension.key());
    Ok(json!({"PolicyARN": policy.arn, "Alarms": alarms(world, &policy)}))
}

/// Its own alarms, or those of the user that call it.
fn alarms(world: &World, policy: &Policy) -> Value {
    let (region, account) = (&world.settings.region, &world.settings.account);
    let own = policy.alarms.iter().map(|name| {
        let arn = format!("arn:aws:cloudwatch:{region}:{account}:alarm:{name}");
        json!({"AlarmName": name, "AlarmARN": arn})
    });
    let calls = |described: &Map<String, Value>| {
        let actions = described.get("AlarmActions").and_then(Value::as_array);
        actions.is_some_and(|actions| actions.iter().any(|action| *action == policy.arn))
    };
    let users = world.cloudwatch.alarms.iter();
    let users = users.filter(|(_, alarm)| calls(&alarm.described));
    let users = users.map(|(name, alarm)| json!({"AlarmName": name, "AlarmARN": alarm.arn}));
    Value::Array(own.chain(users).collect())
}

fn describe_policies(world: &World, input: &Value) -> Result<Value, AwsError> {
    let asked: Describe = read(input)?;
    let mut found = Vec::new();
    for target in targets(world, &asked) {
        for (name, policy) in &target.policies {
            if !asked.policy_names.is_empty() && !asked.policy_names.contains(name) {
                continue;
            }
            let own = [
                ("PolicyARN", json!(policy.arn)),
                ("PolicyName", json!(name)),
                ("PolicyType", json!(policy.kind)),
                ("Alarms", alarms(world, policy)),
                ("CreationTime", json!(world.unix_seconds(policy.created))),
            ];
            found.push(described(&target.dimension, &policy.configuration, own));
        }
    }
    page("ScalingPolicies", found, &asked, POLICY_PAGE)
}

fn delete_policy(world: &mut World, input: &Value) -> Result<Value, AwsError> {
    let (dimension, asked): (Dimension, PutPolicy) = (read(input)?, read(input)?);
    let policies = &mut target_of(world, &dimension)?.policies;
    delete(policies, &asked.policy_name, "scaling policy")
}

fn put_action(world: &mut World, input: &Value) -> Result<Value, AwsError> {
    let (dimension, asked): (Dimension, PutAction) = (read(input)?, read(input)?);
    let (now, id) = (world.now, world.fresh_uuid());
    let (region, account) = (
        world.settings.region.clone(),
        world.settings.account.clone(),
    );
    let target = target_of(world, &dimension)?;
    let name = asked.scheduled_action_name;
    has_room(&target.actions, &name, ACTIONS, "scheduled actions")?;
    let given = asked
        .rest
        .into_iter()
        .filter(|(member, _)| SCHEDULE.contains(&member.as_str()));
    let (namespace, resource) = (&dimension.service_namespace, &dimension.resource_id);
    let mut action = target.actions.get(&name).cloned().unwrap_or_else(|| ScheduledAction {
        arn: format!(
            "arn:aws:autoscaling:{region}:{account}:scheduledAction:{id}:resource/{namespace}/{resource}:scheduledActionName/{name}"
        ),
        given: Map::new(),
        created: now,
        due: None,
    });
    // "If you don't specify start and end times, the old values are deleted." (PutScheduledAction)
    action.given.remove("StartTime");
    action.given.remove("EndTime");
    action.given.extend(given);
    let invalid = |text: String| AwsError::new("ValidationException", text);
    if !action.given.contains_key("Schedule") {
        let text = "Schedule is required to create a new scheduled action";
        return Err(invalid(text.to_owned()));
    }
    schedule::next(world, &action).map_err(invalid)?;
    let actions = &mut target_of(world, &dimension)?.actions;
    actions.insert(name.clone(), action);
    schedule::begin(world, &dimension.key(), &name);
    Ok(json!({}))
}

fn describe_actions(world: &World, input: &Value) -> Result<Value, AwsError> {
    let asked: Describe = read(input)?;
    let mut found = Vec::new();
    for target in targets(world, &asked) {
        for (name, action) in &target.actions {
            let names = &asked.scheduled_action_names;
            if !names.is_empty() && !names.contains(name) {
                continue;
            }
            let own = [
                ("ScheduledActionName", json!(name)),
                ("ScheduledActionARN", json!(action.arn)),
                ("CreationTime", json!(world.unix_seconds(action.created))),
            ];
            found.push(described(&target.dimension, &action.given, own));
        }
    }
    page("ScheduledActions", found, &asked, PAGE)
}

fn delete_action(world: &mut World, input: &Value) -> Result<Value, AwsError> {
    let (dimension, asked): (Dimension, PutAction) = (read(input)?, read(input)?);
    let actions = &mut target_of(world, &dimension)?.actions;
    delete(actions, &asked.scheduled_action_name, "scheduled action")
}

fn target_of<'w>(
    world: &'w mut World,
    dimension: &Dimension,
) -> Result<&'w mut ScalableTarget, AwsError> {
    let targets = &mut world.autoscaling.targets;
    targets
        .get_mut(&dimension.key())
        .ok_or_else(|| no_target(dimension))
}

/// A name that is new still fits among the `most` that a target may have.
fn has_room<T>(
    present: &BTreeMap<String, T>,
    name: &str,
    most: usize,
    kind: &str,
) -> Result<(), AwsError> {
    if present.contains_key(name) || present.len() < most {
        return Ok(());
    }
    let text = format!("The maximum number of {kind} for a scalable target is {most}");
    Err(AwsError::new("LimitExceededException", text))
}

/// What was given of a target's policy or scheduled action, with what AWS adds.
fn described<const N: usize>(
    dimension: &Dimension,
    given: &Map<String, Value>,
    own: [(&str, Value); N],
) -> Value {
    let place = [
        ("ServiceNamespace", json!(dimension.service_namespace)),
        ("ResourceId", json!(dimension.resource_id)),
        ("ScalableDimension", json!(dimension.scalable_dimension)),
    ];
    let mut members = given.clone();
    let added = place.into_iter().chain(own);
    members.extend(added.map(|(name, value)| (name.to_owned(), value)));
    Value::Object(members)
}

fn delete<T>(present: &mut BTreeMap<String, T>, name: &str, kind: &str) -> Result<Value, AwsError> {
    match present.remove(name) {
        Some(_) => Ok(json!({})),
        None => {
            let text = format!("No {kind} found with name {name}");
            Err(AwsError::new("ObjectNotFoundException", text))
        }
    }
}

fn no_target(dimension: &Dimension) -> AwsError {
    let text = format!(
        "No scalable target found for service namespace: {}, resource ID: {}, scalable dimension: {}",
        dimension.service_namespace, dimension.resource_id, dimension.scalable_dimension
    );
    AwsError::new("ObjectNotFoundException", text)
}

/// The targets that pass the filters, in the order of their names.
fn targets<'a>(world: &'a World, asked: &'a Describe) -> impl Iterator<Item = &'a ScalableTarget> {
    world.autoscaling.targets.values().filter(|target| {
        let Dimension {
            service_namespace,
            resource_id,
            scalable_dimension,
        } = &target.dimension;
        *service_namespace == asked.service_namespace
            && asked
                .scalable_dimension
                .as_ref()
                .is_none_or(|only| only == scalable_dimension)
            && asked
                .resource_id
                .as_ref()
                .is_none_or(|only| only == resource_id)
            && (asked.resource_ids.is_empty() || asked.resource_ids.contains(resource_id))
    })
}

/// One page of `all` as the member `name`; the token is the number of items given out before.
fn page(name: &str, all: Vec<Value>, asked: &Describe, most: usize) -> Result<Value, AwsError> {
    let start: usize = match &asked.next_token {
        Some(token) => token
            .parse()
            .map_err(|_| AwsError::new("InvalidNextTokenException", "Invalid NextToken"))?,
        None => 0,
    };
    let (count, length) = (all.len(), asked.max_results.unwrap_or(most).clamp(1, most));
    let items: Vec<Value> = all.into_iter().skip(start).take(length).collect();
    let mut output = json!({name: items});
    let end = start.saturating_add(length);
    if end < count {
        output["NextToken"] = json!(end.to_string());
    }
    Ok(output)
}
