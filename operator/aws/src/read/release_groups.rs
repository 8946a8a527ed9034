//! With a target group for each release: which groups of the account are an application's.
//!
//! ELB has no search by tag, and a group that no rule names belongs to no load balancer. So all groups are listed, 400
//! a call, and the tags of those are read that have a name like ours or stand on a load balancer of the application.
//! The tags decide.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use aws_sdk_elasticloadbalancingv2::types::TargetGroup;
use crd_schema::{Application, TargetGroupArn};
use futures_util::future::try_join_all;
use planner::Mono;
use planner::release::{
    MANAGED_BY, TAG_APPLICATION, TAG_MANAGED_BY, TAG_SIDE, group_prefix, parse_side,
};
use planner::world::Side;
use serde_json::{Map, Value, json};

use crate::budget::Class;
use crate::clients::Clients;
use crate::error::{Error, Kind};
use crate::group_settings;
use crate::page;
use crate::read::balancers;
use crate::read::groups::FACTS_AGE;

const GROUPS: &str = "DescribeTargetGroups";
const TAGS: &str = "DescribeTags";

type Tags = BTreeMap<String, String>;

/// Tags by group, each with when they were read: ours never change.
#[derive(Debug, Default)]
pub(crate) struct TagsCache(Mutex<BTreeMap<TargetGroupArn, (Mono, Tags)>>);

/// A group that carries the application's tags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OwnGroup {
    pub(crate) arn: TargetGroupArn,
    pub(crate) name: String,
    pub(crate) side: Option<Side>,
}

/// What an application has of groups, and what it has not.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Found {
    pub(crate) ours: Vec<OwnGroup>,
    /// Names like ours that are somebody else's.
    pub(crate) taken: BTreeSet<String>,
    /// Every group of the account.
    pub(crate) existing: BTreeSet<String>,
    pub(crate) template: Option<TemplateGroup>,
}

/// The template as it is listed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TemplateGroup {
    pub(crate) arn: TargetGroupArn,
    /// It stands in some rule.
    pub(crate) in_use: bool,
    pub(crate) settings: Map<String, Value>,
}

/// Every group of the account and Region.
pub(crate) async fn list(clients: &Clients) -> Result<Vec<TargetGroup>, Error> {
    page::all(GROUPS, "all", |marker| async move {
        let send = clients
            .elb
            .describe_target_groups()
            .page_size(400)
            .set_marker(marker)
            .send();
        let answer = clients.call(Class::ElbAny, GROUPS, "all", send).await?;
        Ok((answer.target_groups.unwrap_or_default(), answer.next_marker))
    })
    .await
}

/// Picks one application's groups out of all.
///
/// # Errors
/// When tags cannot be read.
pub(crate) async fn of_application(
    clients: &Clients,
    cache: &TagsCache,
    now: Mono,
    all: &[TargetGroup],
    application: &Application,
) -> Result<Found, Error> {
    let from = application.group_template().map(TargetGroupArn::as_str);
    let prefix = group_prefix(application);
    let rules = application.production().chain(application.test());
    let balancers: BTreeSet<String> = rules.filter_map(balancers::load_balancer_of).collect();
    let like_ours = |group: &&TargetGroup| {
        group
            .target_group_name()
            .unwrap_or_default()
            .starts_with(&prefix)
    };
    let on_ours = |group: &&TargetGroup| {
        let mut arns = group.load_balancer_arns().iter();
        arns.any(|arn| balancers.contains(arn))
    };
    let is_template = |group: &&TargetGroup| group.target_group_arn() == from;
    let candidates: BTreeSet<TargetGroupArn> = all
        .iter()
        .filter(|group| like_ours(group) || on_ours(group) || is_template(group))
        .filter_map(|group| group.target_group_arn().map(TargetGroupArn::new))
        .collect();
    let tags = tags(clients, cache, now, &candidates).await?;
    let mut found = Found {
        ours: Vec::new(),
        taken: BTreeSet::new(),
        existing: BTreeSet::new(),
        template: None,
    };
    for group in all {
        let Some(arn) = group.target_group_arn() else {
            continue;
        };
        found.existing.insert(arn.to_owned());
        let name = group.target_group_name().unwrap_or_default().to_owned();
        let arn = TargetGroupArn::new(arn);
        let tags = tags.get(&arn);
        let says = |key: &str, value: &str| {
            tags.and_then(|tags| tags.get(key)).map(String::as_str) == Some(value)
        };
        if is_template(&group) {
            let mut settings = group_settings::of(group);
            let tags = tags.into_iter().flatten();
            let list: Vec<Value> = tags
                .map(|(key, value)| json!({"Key": key, "Value": value}))
                .collect();
            settings.insert("Tags".to_owned(), Value::Array(list));
            found.template = Some(TemplateGroup {
                arn,
                in_use: !group.load_balancer_arns().is_empty(),
                settings,
            });
        } else if says(TAG_MANAGED_BY, MANAGED_BY)
            && says(TAG_APPLICATION, application.name.as_str())
        {
            let side = tags.and_then(|tags| tags.get(TAG_SIDE));
            found.ours.push(OwnGroup {
                arn,
                name,
                side: side.and_then(|text| parse_side(text)),
            });
        } else if like_ours(&group) {
            found.taken.insert(name);
        }
    }
    Ok(found)
}

async fn tags(
    clients: &Clients,
    cache: &TagsCache,
    now: Mono,
    arns: &BTreeSet<TargetGroupArn>,
) -> Result<BTreeMap<TargetGroupArn, Tags>, Error> {
    let known: BTreeMap<TargetGroupArn, (Mono, Tags)> = {
        let mut kept = cache.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|_, (at, _)| now.since(*at) < FACTS_AGE);
        let known = kept.iter().filter(|(arn, _)| arns.contains(arn));
        known
            .map(|(arn, tags)| (arn.clone(), tags.clone()))
            .collect()
    };
    let unknown: Vec<&TargetGroupArn> =
        arns.iter().filter(|arn| !known.contains_key(arn)).collect();
    let calls = unknown.chunks(20).map(|chunk| async move {
        let names: Vec<String> = chunk.iter().map(|arn| arn.as_str().to_owned()).collect();
        let resource = crate::error::several(&names);
        let send = clients
            .elb
            .describe_tags()
            .set_resource_arns(Some(names))
            .send();
        let answer = clients.call(Class::ElbAny, TAGS, &resource, send).await?;
        Ok::<_, Error>(answer.tag_descriptions.unwrap_or_default())
    });
    let mut all: BTreeMap<TargetGroupArn, Tags> = known
        .into_iter()
        .map(|(arn, (_, tags))| (arn, tags))
        .collect();
    let mut kept = Vec::new();
    for description in try_join_all(calls).await?.into_iter().flatten() {
        let Some(arn) = description.resource_arn() else {
            let why = "AWS's answer has no ARN";
            return Err(Error::own(Kind::Invalid, TAGS, "a target group", why));
        };
        let tags: Tags = description
            .tags()
            .iter()
            .filter_map(|tag| {
                let value = tag.value().unwrap_or_default().to_owned();
                Some((tag.key()?.to_owned(), value))
            })
            .collect();
        kept.push((TargetGroupArn::new(arn), tags));
    }
    let mut cache = cache.0.lock().unwrap_or_else(PoisonError::into_inner);
    for (arn, tags) in kept {
        cache.insert(arn.clone(), (now, tags.clone()));
        all.insert(arn, tags);
    }
    Ok(all)
}
