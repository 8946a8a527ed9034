//! ELBv2 target groups: what they are (kept for a minute) and how their targets fare (never kept).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_elasticloadbalancingv2::types::{
    TargetGroup, TargetHealthDescription, TargetHealthStateEnum, TargetTypeEnum,
};
use crd_schema::TargetGroupArn;
use futures_util::future::join_all;
use planner::Mono;
use planner::world::{Group, Origin, Target, TargetState};

use crate::budget::Class;
use crate::clients::Clients;
use crate::error::{Error, Kind, several};

const GROUPS: &str = "DescribeTargetGroups";
const ATTRIBUTES: &str = "DescribeTargetGroupAttributes";
const HEALTH: &str = "DescribeTargetHealth";

/// How long facts about a group are believed.
pub(crate) const FACTS_AGE: Duration = Duration::from_secs(60);

/// What seldom changes about a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) load_balancer: Option<String>,
    by_address: bool,
    sticky: bool,
    single_zone: bool,
    interval: Duration,
    pub(crate) attributes: BTreeMap<String, String>,
}

/// Facts by group, each with when it was read.
#[derive(Debug, Default)]
pub(crate) struct FactsCache(Mutex<BTreeMap<TargetGroupArn, (Mono, Facts)>>);

impl FactsCache {
    fn fresh(&self, arn: &TargetGroupArn, now: Mono) -> Option<Facts> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get(arn)
            .filter(|(at, _)| now.since(*at) < FACTS_AGE)
            .map(|(_, facts)| facts.clone())
    }

    /// A group without load balancer is about to get one, and its attributes are about to be set: that is not kept,
    /// unless it is a template.
    fn keep(&self, arn: &TargetGroupArn, at: Mono, facts: &Facts, is_template: bool) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|_, (read, _)| at.since(*read) < FACTS_AGE);
        if facts.load_balancer.is_some() || is_template {
            kept.insert(arn.clone(), (at, facts.clone()));
        }
    }
}

/// Facts about each group.
pub(crate) async fn facts(
    clients: &Clients,
    cache: &FactsCache,
    now: Mono,
    arns: &BTreeSet<TargetGroupArn>,
    templates: &BTreeSet<TargetGroupArn>,
) -> BTreeMap<TargetGroupArn, Result<Facts, Error>> {
    let mut all: BTreeMap<TargetGroupArn, Result<Facts, Error>> = BTreeMap::new();
    let mut unknown = Vec::new();
    for arn in arns.union(templates) {
        match cache.fresh(arn, now) {
            Some(facts) => {
                all.insert(arn.clone(), Ok(facts));
            }
            None => unknown.push(arn.clone()),
        }
    }
    let described = join_all(unknown.chunks(20).map(|chunk| describe(clients, chunk))).await;
    let reads = described
        .into_iter()
        .flatten()
        .map(|(arn, group)| async move {
            let facts = match group {
                Ok(group) => with_attributes(clients, &arn, &group).await,
                Err(error) => Err(error),
            };
            if let Ok(facts) = &facts {
                cache.keep(&arn, now, facts, templates.contains(&arn));
            }
            (arn, facts)
        });
    all.extend(join_all(reads).await);
    all
}

/// One call for many; one call each when the answer for many is an error that one group may have caused.
async fn describe(
    clients: &Clients,
    arns: &[TargetGroupArn],
) -> Vec<(TargetGroupArn, Result<TargetGroup, Error>)> {
    let first = call(clients, arns).await;
    let singly = arns.len() > 1
        && first
            .as_ref()
            .is_err_and(|error| matches!(error.kind, Kind::NotFound | Kind::Invalid));
    if singly {
        let each = arns
            .iter()
            .map(|arn| async move { pick(arn, &call(clients, std::slice::from_ref(arn)).await) });
        return join_all(each).await;
    }
    arns.iter().map(|arn| pick(arn, &first)).collect()
}

async fn call(clients: &Clients, arns: &[TargetGroupArn]) -> Result<Vec<TargetGroup>, Error> {
    let names: Vec<String> = arns.iter().map(|arn| arn.as_str().to_owned()).collect();
    let resource = several(&names);
    let send = clients
        .elb
        .describe_target_groups()
        .set_target_group_arns(Some(names))
        .send();
    Ok(clients
        .call(Class::ElbAny, GROUPS, &resource, send)
        .await?
        .target_groups
        .unwrap_or_default())
}

/// One group, read now.
pub(crate) async fn one(clients: &Clients, arn: &TargetGroupArn) -> Result<TargetGroup, Error> {
    pick(arn, &call(clients, std::slice::from_ref(arn)).await).1
}

/// The group of a name, which is unique in an account and Region.
pub(crate) async fn named(clients: &Clients, name: &str) -> Result<TargetGroupArn, Error> {
    let send = clients.elb.describe_target_groups().names(name).send();
    let answer = clients.call(Class::ElbAny, GROUPS, name, send).await?;
    let group = answer.target_groups().first();
    let arn = group.and_then(TargetGroup::target_group_arn);
    arn.map(TargetGroupArn::new).ok_or_else(|| {
        Error::own(
            Kind::NotFound,
            GROUPS,
            name,
            "AWS's answer does not have it",
        )
    })
}

/// The load balancer that a group belongs to, read now; the outer `None`: there is no such group.
pub(crate) async fn load_balancer(
    clients: &Clients,
    arn: &TargetGroupArn,
) -> Result<Option<Option<String>>, Error> {
    match one(clients, arn).await {
        Ok(group) => Ok(Some(group.load_balancer_arns().first().cloned())),
        Err(error) if error.kind == Kind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// A group of this name exists, read now.
pub(crate) async fn exists(clients: &Clients, name: &str) -> Result<bool, Error> {
    let send = clients.elb.describe_target_groups().names(name).send();
    match clients.call(Class::ElbAny, GROUPS, name, send).await {
        Ok(answer) => Ok(!answer.target_groups().is_empty()),
        Err(error) if error.kind == Kind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn pick(
    arn: &TargetGroupArn,
    answer: &Result<Vec<TargetGroup>, Error>,
) -> (TargetGroupArn, Result<TargetGroup, Error>) {
    let group = answer.as_ref().map_err(Clone::clone).and_then(|groups| {
        let group = groups
            .iter()
            .find(|group| group.target_group_arn() == Some(arn.as_str()));
        group.cloned().ok_or_else(|| {
            Error::own(
                Kind::NotFound,
                GROUPS,
                arn.as_str(),
                "AWS's answer does not have it",
            )
        })
    });
    (arn.clone(), group)
}

/// What ModifyTargetGroupAttributes takes, as a group has it.
pub(crate) async fn attributes(
    clients: &Clients,
    arn: &TargetGroupArn,
) -> Result<BTreeMap<String, String>, Error> {
    let send = clients
        .elb
        .describe_target_group_attributes()
        .target_group_arn(arn.as_str())
        .send();
    let answer = clients
        .call(Class::ElbAny, ATTRIBUTES, arn.as_str(), send)
        .await?;
    let attributes = answer.attributes.unwrap_or_default().into_iter();
    Ok(attributes
        .filter_map(|attribute| Some((attribute.key?, attribute.value?)))
        .collect())
}

async fn with_attributes(
    clients: &Clients,
    arn: &TargetGroupArn,
    group: &TargetGroup,
) -> Result<Facts, Error> {
    let attributes = attributes(clients, arn).await?;
    let value = |key: &str| attributes.get(key).map(String::as_str);
    // ELB's default interval is 30 s.
    let interval = group
        .health_check_interval_seconds
        .and_then(|seconds| u64::try_from(seconds).ok())
        .filter(|seconds| *seconds > 0)
        .unwrap_or(30);
    Ok(Facts {
        load_balancer: group.load_balancer_arns().first().cloned(),
        by_address: group.target_type() == Some(&TargetTypeEnum::Ip),
        sticky: value("stickiness.enabled") == Some("true"),
        single_zone: value("load_balancing.cross_zone.enabled") == Some("false"),
        interval: Duration::from_secs(interval),
        attributes,
    })
}

/// Registered targets of a group, draining ones too.
pub(crate) async fn targets(clients: &Clients, arn: &TargetGroupArn) -> Result<Vec<Target>, Error> {
    let send = clients
        .elb
        .describe_target_health()
        .target_group_arn(arn.as_str())
        .send();
    let answer = clients
        .call(Class::ElbAny, HEALTH, arn.as_str(), send)
        .await?;
    answer
        .target_health_descriptions
        .unwrap_or_default()
        .iter()
        .map(|one| target(arn, one))
        .collect()
}

fn target(arn: &TargetGroupArn, described: &TargetHealthDescription) -> Result<Target, Error> {
    let lacks = || {
        Error::own(
            Kind::Invalid,
            HEALTH,
            arn.as_str(),
            "AWS's answer has a target without address or port",
        )
    };
    let (id, port) = described
        .target()
        .and_then(|target| Some((target.id()?, target.port()?)))
        .ok_or_else(lacks)?;
    let health = described.target_health();
    let reason = health.and_then(|health| {
        let code = health.reason().map(|reason| reason.as_str());
        let parts: Vec<&str> = code.into_iter().chain(health.description()).collect();
        (!parts.is_empty()).then(|| parts.join(": "))
    });
    let zone = described
        .target()
        .and_then(|target| target.availability_zone())
        .filter(|zone| *zone != "all");
    Ok(Target {
        address: format!("{id}:{port}"),
        zone: zone.map(str::to_owned),
        state: state(health.and_then(|health| health.state())),
        reason,
    })
}

/// A state that is not known is not healthy.
fn state(state: Option<&TargetHealthStateEnum>) -> TargetState {
    match state {
        Some(TargetHealthStateEnum::Healthy) => TargetState::Healthy,
        Some(TargetHealthStateEnum::Initial) => TargetState::Initial,
        Some(TargetHealthStateEnum::Unhealthy) => TargetState::Unhealthy,
        Some(TargetHealthStateEnum::Unused) => TargetState::Unused,
        Some(TargetHealthStateEnum::Draining | TargetHealthStateEnum::UnhealthyDraining) => {
            TargetState::Draining
        }
        Some(TargetHealthStateEnum::Unavailable) | Some(_) | None => TargetState::Unavailable,
    }
}

/// A group as the planner sees it.
pub(crate) fn group(
    arn: &TargetGroupArn,
    origin: Origin,
    facts: &Facts,
    targets: Vec<Target>,
) -> Group {
    let Facts {
        load_balancer,
        by_address,
        sticky,
        single_zone,
        interval,
        attributes,
    } = facts.clone();
    Group {
        arn: arn.clone(),
        origin,
        load_balancer,
        by_address,
        sticky,
        single_zone,
        interval,
        attributes,
        targets,
        members: Vec::new(),
    }
}
