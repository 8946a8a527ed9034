//! ECS task definitions: the base, whole as AWS writes it, and which of our revisions is which release.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use aws_sdk_ecs::types::{SortOrder, TaskDefinitionField, TaskDefinitionStatus};
use crd_schema::application::BaseTaskDefinition;
use futures_util::future::try_join_all;
use planner::release::{TAG_DIGEST, TAG_GENERATION, parse_generation};
use planner::world::{Base, Revision};
use serde_json::{Map, Value};

use crate::budget::Class;
use crate::clients::Clients;
use crate::error::{Error, Kind};
use crate::page;
use crate::read::raw::RawAnswer;
use crate::read::services::last_segment;

const DESCRIBE: &str = "DescribeTaskDefinition";
const LIST: &str = "ListTaskDefinitions";

/// Members of a described task definition that RegisterTaskDefinition does not have.
const OUTPUT_ONLY: [&str; 9] = [
    "compatibilities",
    "deleteRequestedAt",
    "deregisteredAt",
    "registeredAt",
    "registeredBy",
    "requiresAttributes",
    "revision",
    "status",
    "taskDefinitionArn",
];

/// What never changes about a revision, by `family:revision` or ARN.
#[derive(Debug, Default)]
pub(crate) struct RevisionCache {
    definitions: Mutex<BTreeMap<String, Map<String, Value>>>,
    tags: Mutex<BTreeMap<String, BTreeMap<String, String>>>,
}

/// Entries of a cache before it is emptied.
const MAX_KEPT: usize = 2_000;

fn get<T: Clone>(cache: &Mutex<BTreeMap<String, T>>, key: &str) -> Option<T> {
    cache
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .get(key)
        .cloned()
}

fn keep<T>(cache: &Mutex<BTreeMap<String, T>>, key: &str, value: T) {
    let mut kept = cache.lock().unwrap_or_else(PoisonError::into_inner);
    if kept.len() >= MAX_KEPT {
        kept.clear();
    }
    kept.insert(key.to_owned(), value);
}

/// The base task definition: the pinned revision, or else what the template names.
pub(crate) async fn base(
    clients: &Clients,
    cache: &RevisionCache,
    template: &BaseTaskDefinition,
    pinned: Option<&str>,
) -> Result<Base, Error> {
    let asked = match template {
        BaseTaskDefinition::Inline(definition) => {
            return Ok(Base::Found {
                revision: "inline".to_owned(),
                definition: definition.clone(),
            });
        }
        BaseTaskDefinition::Family(family) => pinned.unwrap_or(family),
    };
    if let Some(definition) = get(&cache.definitions, asked) {
        return Ok(Base::Found {
            revision: asked.to_owned(),
            definition,
        });
    }
    match describe(clients, asked).await {
        Ok((revision, definition)) => {
            keep(&cache.definitions, &revision, definition.clone());
            Ok(Base::Found {
                revision,
                definition,
            })
        }
        Err(error) if error.kind == Kind::NotFound => Ok(Base::Missing {
            asked: asked.to_owned(),
        }),
        Err(error) => Err(error),
    }
}

/// An essential container of the task definition has a health check: only then is a task's health more than UNKNOWN
/// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/healthcheck.html>).
pub(crate) async fn checks_health(
    clients: &Clients,
    cache: &RevisionCache,
    arn: &str,
) -> Result<bool, Error> {
    let asked = last_segment(arn);
    let definition = match get(&cache.definitions, asked) {
        Some(definition) => definition,
        None => {
            let (revision, definition) = describe(clients, asked).await?;
            keep(&cache.definitions, &revision, definition.clone());
            definition
        }
    };
    let containers = definition.get("containerDefinitions");
    let mut containers = containers.and_then(Value::as_array).into_iter().flatten();
    Ok(containers.any(|container| {
        let essential = container.get("essential") != Some(&Value::Bool(false));
        essential && container.get("healthCheck").is_some_and(Value::is_object)
    }))
}

/// AWS's own JSON of a task definition, less what only Describe has, and its `family:revision`.
pub(crate) async fn describe(
    clients: &Clients,
    asked: &str,
) -> Result<(String, Map<String, Value>), Error> {
    let answer = RawAnswer::default();
    let send = clients
        .ecs
        .describe_task_definition()
        .task_definition(asked)
        .include(TaskDefinitionField::Tags)
        .customize()
        .interceptor(answer.clone())
        .send();
    let typed = clients
        .call(Class::DefinitionRead, DESCRIBE, asked, send)
        .await;
    // AWS's own JSON counts, even where the SDK's types are too old to read it.
    if let Some(found) = parse(&answer.bytes()) {
        return Ok(found);
    }
    typed?;
    let why = "AWS's answer is not a task definition";
    Err(Error::own(Kind::Invalid, DESCRIBE, asked, why))
}

fn parse(body: &[u8]) -> Option<(String, Map<String, Value>)> {
    let mut answer: Map<String, Value> = serde_json::from_slice(body).ok()?;
    let Some(Value::Object(mut definition)) = answer.remove("taskDefinition") else {
        return None;
    };
    let revision = last_segment(definition.get("taskDefinitionArn")?.as_str()?).to_owned();
    for member in OUTPUT_ONLY {
        definition.shift_remove(member);
    }
    // Tags stand beside the definition in the answer and inside it in the request; AWS's own cannot be given.
    if let Some(Value::Array(mut tags)) = answer.remove("tags") {
        tags.retain(|tag| {
            tag.get("key")
                .and_then(Value::as_str)
                .is_some_and(|key| !key.starts_with("aws:"))
        });
        if !tags.is_empty() {
            definition.insert("tags".to_owned(), Value::Array(tags));
        }
    }
    Some((revision, definition))
}

/// ACTIVE revisions of exactly this family, newest first, with what our tags say of them.
pub(crate) async fn revisions(
    clients: &Clients,
    cache: &RevisionCache,
    family: &str,
) -> Result<Vec<Revision>, Error> {
    let arns = page::names(LIST, family, |token| async move {
        let send = clients
            .ecs
            .list_task_definitions()
            .family_prefix(family)
            .status(TaskDefinitionStatus::Active)
            .sort(SortOrder::Desc)
            .max_results(100)
            .set_next_token(token)
            .send();
        let answer = clients
            .call(Class::DefinitionRead, LIST, family, send)
            .await?;
        Ok((
            answer.task_definition_arns.unwrap_or_default(),
            answer.next_token,
        ))
    })
    .await?;
    let own = arns.into_iter().filter(|arn| {
        last_segment(arn)
            .rsplit_once(':')
            .is_some_and(|(name, _)| name == family)
    });
    let reads = own.map(|arn| async move {
        let tags = tags(clients, cache, &arn).await?;
        let generation = tags.get(TAG_GENERATION);
        Ok(Revision {
            digest: tags.get(TAG_DIGEST).cloned(),
            generation: generation.and_then(|text| parse_generation(text)),
            arn,
        })
    });
    try_join_all(reads).await
}

/// The operator's tags on a revision, which nobody else sets. They are given when it is registered.
pub(crate) async fn tags(
    clients: &Clients,
    cache: &RevisionCache,
    arn: &str,
) -> Result<BTreeMap<String, String>, Error> {
    if let Some(tags) = get(&cache.tags, arn) {
        return Ok(tags);
    }
    let send = clients
        .ecs
        .describe_task_definition()
        .task_definition(arn)
        .include(TaskDefinitionField::Tags)
        .send();
    let answer = clients
        .call(Class::DefinitionRead, DESCRIBE, arn, send)
        .await?;
    let tags = answer.tags.unwrap_or_default().into_iter();
    let own = tags.filter_map(|tag| Some((tag.key?, tag.value.unwrap_or_default())));
    let own: BTreeMap<_, _> = own.filter(|(key, _)| key.starts_with("teal:")).collect();
    keep(&cache.tags, arn, own.clone());
    Ok(own)
}
