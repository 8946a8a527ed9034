//! Application Auto Scaling: which services are scaled, and how.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_applicationautoscaling::types::{ScalableDimension, ScalableTarget, ServiceNamespace};
use futures_util::future::{join, try_join_all};
use planner::scaling::{Policy, Scaling, Suspended};
use serde_json::{Map, Value};

use crate::budget::Class;
use crate::clients::Clients;
use crate::error::{Error, Kind};
use crate::page;
use crate::read::raw::RawAnswer;
use crate::read::services::last_segment;

const TARGETS: &str = "DescribeScalableTargets";
const POLICIES: &str = "DescribeScalingPolicies";
const ACTIONS: &str = "DescribeScheduledActions";

/// Resource ids that DescribeScalableTargets takes in one call.
const IDS: usize = 50;

/// Members of a description that name the service, or that only a description has.
const DESCRIBED_ONLY: [&str; 9] = [
    "PolicyARN",
    "PolicyName",
    "ScheduledActionARN",
    "ScheduledActionName",
    "ServiceNamespace",
    "ResourceId",
    "ScalableDimension",
    "Alarms",
    "CreationTime",
];

/// AWS's name of a service of `cluster` (name or ARN): `service/<cluster>/<service>`.
pub(crate) fn resource_id(cluster: &str, service: &str) -> String {
    format!("service/{}/{service}", last_segment(cluster))
}

/// Of these services of the cluster, those with a registered scalable target, and how they are scaled.
pub(crate) async fn of_services(
    clients: &Clients,
    cluster: &str,
    services: &BTreeSet<String>,
) -> Result<BTreeMap<String, Scaling>, Error> {
    let cluster = last_segment(cluster);
    let names: BTreeMap<String, &String> = services
        .iter()
        .map(|service| (resource_id(cluster, service), service))
        .collect();
    let ids: Vec<String> = names.keys().cloned().collect();
    let calls = ids
        .chunks(IDS)
        .map(|chunk| targets(clients, cluster, chunk));
    let targets = try_join_all(calls).await?;
    let reads = targets.into_iter().flatten().map(|target| {
        let name = names.get(target.resource_id()).copied();
        async move {
            let id = target.resource_id();
            let name = name.ok_or_else(|| {
                Error::own(
                    Kind::Invalid,
                    TARGETS,
                    id,
                    "AWS answered with a target that was not asked for",
                )
            })?;
            let (policies, actions) = join(policies(clients, id), actions(clients, id)).await;
            let scaling = scaling(&target, policies?, actions?)?;
            Ok::<_, Error>((name.clone(), scaling))
        }
    });
    Ok(try_join_all(reads).await?.into_iter().collect())
}

async fn targets(
    clients: &Clients,
    cluster: &str,
    ids: &[String],
) -> Result<Vec<ScalableTarget>, Error> {
    page::all(TARGETS, cluster, move |token| async move {
        let send = clients
            .scaling
            .describe_scalable_targets()
            .service_namespace(ServiceNamespace::Ecs)
            .scalable_dimension(ScalableDimension::EcsServiceDesiredCount)
            .set_resource_ids(Some(ids.to_vec()))
            .set_next_token(token)
            .send();
        let answer = clients
            .call(Class::ScalingRead, TARGETS, cluster, send)
            .await?;
        Ok((
            answer.scalable_targets.unwrap_or_default(),
            answer.next_token,
        ))
    })
    .await
}

async fn policies(clients: &Clients, id: &str) -> Result<BTreeMap<String, Policy>, Error> {
    let listed = page::all(POLICIES, id, move |token| async move {
        let raw = RawAnswer::default();
        let send = clients
            .scaling
            .describe_scaling_policies()
            .service_namespace(ServiceNamespace::Ecs)
            .resource_id(id)
            .scalable_dimension(ScalableDimension::EcsServiceDesiredCount)
            .set_next_token(token)
            .customize()
            .interceptor(raw.clone())
            .send();
        let answer = clients.call(Class::ScalingRead, POLICIES, id, send).await?;
        let members = members(&raw, "ScalingPolicies");
        Ok((
            members.ok_or_else(|| unreadable(POLICIES, id))?,
            answer.next_token,
        ))
    })
    .await?;
    let policies = listed.into_iter().map(|policy| {
        let name = text(&policy, "PolicyName").ok_or_else(|| unreadable(POLICIES, id))?;
        let alarms = policy.get("Alarms").and_then(Value::as_array);
        let alarms = alarms.into_iter().flatten();
        let alarm = |alarm: &Value| Some(alarm.get("AlarmName")?.as_str()?.to_owned());
        let alarms = alarms.filter_map(alarm).collect();
        let body = given(policy);
        Ok::<_, Error>((name, Policy { body, alarms }))
    });
    policies.collect()
}

async fn actions(
    clients: &Clients,
    id: &str,
) -> Result<BTreeMap<String, Map<String, Value>>, Error> {
    let listed = page::all(ACTIONS, id, move |token| async move {
        let raw = RawAnswer::default();
        let send = clients
            .scaling
            .describe_scheduled_actions()
            .service_namespace(ServiceNamespace::Ecs)
            .resource_id(id)
            .scalable_dimension(ScalableDimension::EcsServiceDesiredCount)
            .set_next_token(token)
            .customize()
            .interceptor(raw.clone())
            .send();
        let answer = clients.call(Class::ScalingRead, ACTIONS, id, send).await?;
        let members = members(&raw, "ScheduledActions");
        Ok((
            members.ok_or_else(|| unreadable(ACTIONS, id))?,
            answer.next_token,
        ))
    })
    .await?;
    let actions = listed.into_iter().map(|action| {
        let name = text(&action, "ScheduledActionName");
        let name = name.ok_or_else(|| unreadable(ACTIONS, id))?;
        Ok::<_, Error>((name, given(action)))
    });
    actions.collect()
}

fn scaling(
    target: &ScalableTarget,
    policies: BTreeMap<String, Policy>,
    actions: BTreeMap<String, Map<String, Value>>,
) -> Result<Scaling, Error> {
    let capacity = |count: i32| {
        let why = format!("a capacity of {count}");
        let id = target.resource_id();
        u32::try_from(count).map_err(|_| Error::own(Kind::Invalid, TARGETS, id, why))
    };
    let state = target.suspended_state();
    let is = |state: Option<bool>| state.unwrap_or_default();
    Ok(Scaling {
        min: capacity(target.min_capacity())?,
        max: capacity(target.max_capacity())?,
        suspended: Suspended {
            scale_in: is(state.and_then(|state| state.dynamic_scaling_in_suspended())),
            scale_out: is(state.and_then(|state| state.dynamic_scaling_out_suspended())),
            scheduled: is(state.and_then(|state| state.scheduled_scaling_suspended())),
        },
        policies,
        actions,
    })
}

/// AWS's own JSON of the entries of a list: the SDK's types may be older than what was put.
fn members(raw: &RawAnswer, list: &str) -> Option<Vec<Map<String, Value>>> {
    let mut answer: Map<String, Value> = serde_json::from_slice(&raw.bytes()).ok()?;
    let entries = match answer.remove(list) {
        Some(Value::Array(entries)) => entries,
        Some(Value::Null) | None => Vec::new(),
        Some(_) => return None,
    };
    let entries = entries.iter().map(|entry| entry.as_object().cloned());
    entries.collect()
}

/// What was put.
fn given(mut described: Map<String, Value>) -> Map<String, Value> {
    described
        .retain(|member, value| !DESCRIBED_ONLY.contains(&member.as_str()) && !value.is_null());
    described
}

fn text(entry: &Map<String, Value>, member: &str) -> Option<String> {
    entry.get(member)?.as_str().map(str::to_owned)
}

fn unreadable(operation: &'static str, id: &str) -> Error {
    let why = "AWS's answer cannot be read";
    Error::own(Kind::Invalid, operation, id, why)
}
