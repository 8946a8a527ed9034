//! ECS services: all of a cluster, described in tens, because ownership is in tags that only DescribeServices shows.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ecs::operation::describe_services::DescribeServicesOutput;
use aws_sdk_ecs::types::{
    Deployment, DeploymentRolloutState, Service as EcsService, ServiceField, Tag,
};
use crd_schema::{Application, TargetGroupArn};
use futures_util::future::join_all;
use jiff::Timestamp;
use planner::release::{
    MANAGED_BY, TAG_APPLICATION, TAG_BLUE, TAG_DIGEST, TAG_GENERATION, TAG_MANAGED_BY,
    TAG_REJECTED, TAG_RELEASE, TAG_SIDE, TAG_VERSION, parse_generation, parse_side,
};
use planner::world::{Deployments, Service, ServiceStatus, Side, Tags};

use crate::budget::Class;
use crate::clients::Clients;
use crate::error::{Error, Kind, one_line};
use crate::page;
use crate::read::tasks::Tasks;

const LIST: &str = "ListServices";
const DESCRIBE: &str = "DescribeServices";

/// Every service that the cluster lists, and those of `names` that it does not list any more, by name: each as it was
/// described, or why it was not.
pub(crate) async fn of_cluster(
    clients: &Clients,
    cluster: &str,
    names: &BTreeSet<String>,
) -> Result<Vec<(String, Result<EcsService, Error>)>, Error> {
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
    // What comes and goes between two pages may stand on both.
    let mut listed = BTreeSet::new();
    wanted.retain(|arn| listed.insert(last_segment(arn).to_owned()));
    wanted.extend(names.difference(&listed).cloned());
    let described = join_all(
        wanted
            .chunks(10)
            .map(|chunk| chunk_of(clients, cluster, chunk)),
    );
    Ok(described
        .await
        .into_iter()
        .flatten()
        .filter_map(|(name, service)| Some((name, service.transpose()?)))
        .collect())
}

/// One service by name, with tags; `None` when ECS does not know it.
pub(crate) async fn describe(
    clients: &Clients,
    cluster: &str,
    name: &str,
) -> Result<Option<EcsService>, Error> {
    let wanted = [name.to_owned()];
    let answer = call(clients, cluster, &wanted).await?;
    pick(name, &answer)
}

/// At most ten services, by name. One that is denied spares the others: then each is asked for alone.
async fn chunk_of(
    clients: &Clients,
    cluster: &str,
    wanted: &[String],
) -> Vec<(String, Result<Option<EcsService>, Error>)> {
    let name = |arn: &String| last_segment(arn).to_owned();
    match call(clients, cluster, wanted).await {
        Ok(answer) => wanted
            .iter()
            .map(|arn| (name(arn), pick(arn, &answer)))
            .collect(),
        Err(error) if error.kind == Kind::Denied && wanted.len() > 1 => {
            let each = wanted
                .iter()
                .map(|arn| async move { (name(arn), describe(clients, cluster, arn).await) });
            join_all(each).await
        }
        Err(error) => wanted
            .iter()
            .map(|arn| (name(arn), Err(error.clone())))
            .collect(),
    }
}

async fn call(
    clients: &Clients,
    cluster: &str,
    wanted: &[String],
) -> Result<DescribeServicesOutput, Error> {
    let send = clients
        .ecs
        .describe_services()
        .cluster(cluster)
        .set_services(Some(wanted.to_vec()))
        .include(ServiceField::Tags)
        .send();
    clients
        .call(Class::ServiceRead, DESCRIBE, cluster, send)
        .await
}

/// What the answer says of a service that was asked for by ARN or name: half an answer is no answer.
fn pick(arn: &str, answer: &DescribeServicesOutput) -> Result<Option<EcsService>, Error> {
    let name = last_segment(arn);
    let found = answer
        .services()
        .iter()
        .find(|service| service.service_name() == Some(name));
    if let Some(service) = found {
        return Ok(Some(service.clone()));
    }
    let failure = answer
        .failures()
        .iter()
        .find(|failure| failure.arn().map(last_segment) == Some(name));
    let why = match failure.map(|failure| failure.reason()) {
        Some(Some("MISSING")) => return Ok(None),
        Some(reason) => format!(
            "ECS could not describe it: {}",
            one_line(reason.unwrap_or("no reason is given"))
        ),
        None => "AWS's answer does not mention the service".to_owned(),
    };
    Err(Error::own(Kind::Invalid, DESCRIBE, name, why))
}

/// The name at the end of an ARN, or the name itself.
pub(crate) fn last_segment(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}

/// The service carries the application's tag or is bound to one of its groups.
pub(crate) fn concerns(
    service: &EcsService,
    application: &Application,
    groups: &BTreeSet<TargetGroupArn>,
) -> bool {
    let mut bound = groups.iter();
    bound.any(|group| is_bound(service, group)) || has_tag(service, application)
}

fn has_tag(service: &EcsService, application: &Application) -> bool {
    tag(service.tags(), TAG_APPLICATION) == Some(application.name.as_str())
}

/// The service is bound to this group.
pub(crate) fn is_bound(service: &EcsService, group: &TargetGroupArn) -> bool {
    bound(service).any(|arn| arn == group.as_str())
}

/// The groups that the service is bound to.
pub(crate) fn bound(service: &EcsService) -> impl Iterator<Item = &str> {
    let bound = service.load_balancers().iter();
    bound.filter_map(|bound| bound.target_group_arn())
}

/// An ACTIVE service of this application.
pub(crate) fn is_active(service: &EcsService, application: &Application) -> bool {
    service.status() == Some("ACTIVE") && is_ours(service, application)
}

/// The service carries this application's tags.
pub(crate) fn is_ours(service: &EcsService, application: &Application) -> bool {
    tags(service.tags(), application).ours
}

/// Where a worker stands: as its tag says. One with a load balancer is none.
pub(crate) fn standing_of_worker(service: &EcsService) -> Standing {
    let told = tag(service.tags(), TAG_SIDE).and_then(parse_side);
    let unbound = service.load_balancers().is_empty();
    Standing {
        side: unbound.then(|| told.unwrap_or(Side::A)),
        group_gone: false,
    }
}

/// The task definition that it runs: of the primary deployment, or the last one of a service that is gone.
pub(crate) fn runs(service: &EcsService) -> &str {
    let primary = primary(service).and_then(Deployment::task_definition);
    primary.or(service.task_definition()).unwrap_or_default()
}

fn primary(service: &EcsService) -> Option<&Deployment> {
    let mut deployments = service.deployments().iter();
    deployments.find(|deployment| deployment.status() == Some("PRIMARY"))
}

/// Which release a service runs that is updated in place: what the tags of its task definition say, for these alone change
/// together with it. One that was registered before the application was updated in place says less, and the service's
/// own tags fit it; any other one is somebody else's.
pub(crate) fn told_by(
    service: &mut EcsService,
    definition: &BTreeMap<String, String>,
    application: &Application,
) {
    let said = |key: &str| definition.get(key).cloned();
    let ours = said(TAG_MANAGED_BY).as_deref() == Some(MANAGED_BY)
        && said(TAG_APPLICATION).as_deref() == Some(application.name.as_str());
    let whole = ours && definition.contains_key(TAG_GENERATION);
    let digest = said(TAG_DIGEST).filter(|_| ours);
    let fits = digest.is_some() && tag(service.tags(), TAG_RELEASE) == digest.as_deref();
    if !whole && (fits || !application.is_rolling()) {
        return;
    }
    let mut tags = service.tags.take().unwrap_or_default();
    let of_the_release = [TAG_RELEASE, TAG_VERSION, TAG_GENERATION, TAG_BLUE];
    tags.retain(|tag| tag.key().is_none_or(|key| !of_the_release.contains(&key)));
    let mut say = |key: &str, value: Option<String>| {
        tags.extend(value.map(|value| Tag::builder().key(key).value(value).build()));
    };
    say(TAG_RELEASE, digest);
    for key in [TAG_VERSION, TAG_GENERATION, TAG_BLUE] {
        say(key, said(key).filter(|_| whole));
    }
    service.tags = Some(tags);
}

/// Where a service stands among the application's groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Standing {
    pub(crate) side: Option<Side>,
    pub(crate) group_gone: bool,
}

/// A service as the planner sees it.
///
/// # Errors
/// When a member without which nothing can be decided is missing or unknown.
pub(crate) fn parse(
    service: &EcsService,
    tasks: Tasks,
    application: &Application,
    standing: Standing,
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
        Some(other) => {
            let other = one_line(other);
            return Err(lacks(&format!("has the unknown status {other:?}")));
        }
        None => return Err(lacks("has no status")),
    };
    let created = service
        .created_at
        .and_then(|at| Timestamp::from_millisecond(at.to_millis().ok()?).ok());
    let deployments = service.deployments();
    let failed =
        |state: Option<&DeploymentRolloutState>| state == Some(&DeploymentRolloutState::Failed);
    // Nothing but ECS's own word tells of a worker that it came up.
    let done = |state: Option<&DeploymentRolloutState>| {
        !application.is_worker() || state == Some(&DeploymentRolloutState::Completed)
    };
    let primary = primary(service);
    let given_up = deployments.iter().filter_map(|deployment| {
        let gave_up = failed(deployment.rollout_state()) && application.is_rolling();
        let reason = deployment.rollout_state_reason().unwrap_or_default();
        gave_up.then(|| (deployment.task_definition.clone(), one_line(reason)))
    });
    let given_up = given_up.filter_map(|(definition, reason)| Some((definition?, reason)));
    Ok(Service {
        arn: service
            .service_arn
            .clone()
            .ok_or_else(|| lacks("has no ARN"))?,
        status,
        side: standing.side,
        group_gone: standing.group_gone,
        desired: count(service.desired_count).ok_or_else(|| lacks("has a negative count"))?,
        running: count(service.running_count).ok_or_else(|| lacks("has a negative count"))?,
        pending: count(service.pending_count).ok_or_else(|| lacks("has a negative count"))?,
        task_definition: runs(service).to_owned(),
        tags: tags(service.tags(), application),
        created: created.ok_or_else(|| lacks("has no creation time"))?,
        steady: matches!(deployments, [only] if !failed(only.rollout_state()) && done(only.rollout_state())),
        deployment_failed: primary.is_some_and(|primary| failed(primary.rollout_state())),
        deployments: Deployments {
            primary: primary.and_then(|primary| primary.id.clone()),
            given_up: given_up.collect(),
        },
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

/// A count; `None` for what is none.
pub(crate) fn count(number: i32) -> Option<u32> {
    u32::try_from(number).ok()
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
