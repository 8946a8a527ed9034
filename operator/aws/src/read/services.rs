//! ECS services: all of a cluster, described in tens, because ownership is in tags that only DescribeServices shows.

use std::collections::BTreeSet;

use aws_sdk_ecs::types::{DeploymentRolloutState, Service as EcsService, ServiceField, Tag};
use crd_schema::{Application, TargetGroupArn};
use futures_util::future::try_join_all;
use jiff::Timestamp;
use planner::release::{
    MANAGED_BY, TAG_APPLICATION, TAG_BLUE, TAG_GENERATION, TAG_MANAGED_BY, TAG_REJECTED,
    TAG_RELEASE, TAG_VERSION, parse_generation,
};
use planner::world::{Service, ServiceStatus, Side, Tags};

use crate::budget::Class;
use crate::clients::Clients;
use crate::error::{Error, Kind};
use crate::page;
use crate::read::tasks::Tasks;

const LIST: &str = "ListServices";
const DESCRIBE: &str = "DescribeServices";

/// Every service that the cluster lists, and those of `names` that it does not list any more.
pub(crate) async fn of_cluster(
    clients: &Clients,
    cluster: &str,
    names: &BTreeSet<String>,
) -> Result<Vec<EcsService>, Error> {
    let mut wanted = page::all(LIST, cluster, |token| async move {
        let send = clients
            .ecs
            .list_services()
            .cluster(cluster)
            .max_results(100)
            .set_next_token(token)
            .send();
        let answer = clients
            .call(Class::ServiceRead, LIST, cluster, send)
            .await?;
        Ok((answer.service_arns.unwrap_or_default(), answer.next_token))
    })
    .await?;
    let listed: BTreeSet<String> = wanted
        .iter()
        .map(|arn| last_segment(arn).to_owned())
        .collect();
    wanted.extend(names.difference(&listed).cloned());
    describe(clients, cluster, &wanted).await
}

/// Services by name or ARN, with tags; those that ECS does not know are left out.
pub(crate) async fn describe(
    clients: &Clients,
    cluster: &str,
    wanted: &[String],
) -> Result<Vec<EcsService>, Error> {
    let calls = wanted.chunks(10).map(|chunk| async move {
        let send = clients
            .ecs
            .describe_services()
            .cluster(cluster)
            .set_services(Some(chunk.to_vec()))
            .include(ServiceField::Tags)
            .send();
        let answer = clients
            .call(Class::ServiceRead, DESCRIBE, cluster, send)
            .await?;
        for failure in answer.failures.unwrap_or_default() {
            let reason = failure.reason.unwrap_or_default();
            if reason != "MISSING" {
                let arn = failure.arn.unwrap_or_default();
                return Err(Error::own(
                    Kind::Invalid,
                    DESCRIBE,
                    &arn,
                    format!("ECS could not describe it: {reason}"),
                ));
            }
        }
        Ok(answer.services.unwrap_or_default())
    });
    Ok(try_join_all(calls).await?.into_iter().flatten().collect())
}

/// The name at the end of an ARN, or the name itself.
pub(crate) fn last_segment(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}

/// The service carries the application's tag or is bound to one of its groups.
pub(crate) fn concerns(service: &EcsService, application: &Application) -> bool {
    side(service, &application.route.pair).is_some()
        || tag(service.tags(), TAG_APPLICATION) == Some(application.name.as_str())
}

/// The group of the pair that the service is bound to.
pub(crate) fn side(service: &EcsService, pair: &[TargetGroupArn; 2]) -> Option<Side> {
    let bound = |side: &Side| {
        let group = pair.get(side.index()).map(TargetGroupArn::as_str);
        service
            .load_balancers()
            .iter()
            .any(|bound| bound.target_group_arn() == group)
    };
    Side::BOTH.into_iter().find(bound)
}

/// A service as the planner sees it.
///
/// # Errors
/// When a member without which nothing can be decided is missing or unknown.
pub(crate) fn parse(
    service: &EcsService,
    tasks: Tasks,
    application: &Application,
) -> Result<Service, Error> {
    let name = service.service_name.clone().unwrap_or_default();
    let lacks = |what: &str| {
        Error::own(
            Kind::Invalid,
            DESCRIBE,
            &name,
            format!("AWS's answer {what}"),
        )
    };
    let status = match service.status() {
        Some("ACTIVE") => ServiceStatus::Active,
        Some("DRAINING") => ServiceStatus::Draining,
        Some("INACTIVE") => ServiceStatus::Inactive,
        Some(other) => return Err(lacks(&format!("has the unknown status {other:?}"))),
        None => return Err(lacks("has no status")),
    };
    let created = service
        .created_at
        .and_then(|at| Timestamp::from_millisecond(at.to_millis().ok()?).ok());
    let deployments = service.deployments();
    let failed =
        |state: Option<&DeploymentRolloutState>| state == Some(&DeploymentRolloutState::Failed);
    let primary = deployments
        .iter()
        .find(|deployment| deployment.status() == Some("PRIMARY"));
    Ok(Service {
        arn: service
            .service_arn
            .clone()
            .ok_or_else(|| lacks("has no ARN"))?,
        status,
        side: side(service, &application.route.pair),
        desired: count(service.desired_count),
        running: count(service.running_count),
        pending: count(service.pending_count),
        task_definition: service.task_definition.clone().unwrap_or_default(),
        tags: tags(service.tags(), application),
        created: created.ok_or_else(|| lacks("has no creation time"))?,
        steady: matches!(deployments, [only] if !failed(only.rollout_state())),
        deployment_failed: primary.is_some_and(|primary| failed(primary.rollout_state())),
        addresses: tasks.addresses,
        trouble: tasks.trouble,
        name,
    })
}

/// Not at its count, or with a deployment that is not one finished one: worth asking why. A crash loop is at its count
/// between one death and the next.
pub(crate) fn is_troubled(service: &EcsService) -> bool {
    let deployments = service.deployments();
    let unfinished = deployments.iter().any(|one| match one.rollout_state() {
        Some(state) => *state != DeploymentRolloutState::Completed,
        None => false,
    });
    service.running_count < service.desired_count || deployments.len() != 1 || unfinished
}

/// AWS's counts are never negative.
pub(crate) fn count(number: i32) -> u32 {
    u32::try_from(number).unwrap_or(0)
}

fn tag<'a>(tags: &'a [Tag], key: &str) -> Option<&'a str> {
    tags.iter()
        .find(|tag| tag.key() == Some(key))
        .map(|tag| tag.value().unwrap_or_default())
}

fn tags(tags: &[Tag], application: &Application) -> Tags {
    let text = |key| tag(tags, key).map(str::to_owned);
    let managed = tag(tags, TAG_MANAGED_BY) == Some(MANAGED_BY);
    Tags {
        ours: managed && tag(tags, TAG_APPLICATION) == Some(application.name.as_str()),
        release: text(TAG_RELEASE),
        version: text(TAG_VERSION),
        generation: tag(tags, TAG_GENERATION).and_then(parse_generation),
        blue: text(TAG_BLUE),
        rejected: tag(tags, TAG_REJECTED).and_then(parse_generation),
    }
}
