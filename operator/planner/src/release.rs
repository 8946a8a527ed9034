//! A release as content: its digest, its names, its tags, and what it looks like as AWS's own JSON.

use std::collections::BTreeMap;

use crd_schema::application::BaseTaskDefinition;
use crd_schema::desired::Desired;
use crd_schema::record::Generation;
use crd_schema::{Application, TargetGroupArn};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::world::Side;

/// Says that Teal manages a resource.
pub const TAG_MANAGED_BY: &str = "teal:managed-by";
/// The value of [`TAG_MANAGED_BY`].
pub const MANAGED_BY: &str = "teal";
/// Names the application.
pub const TAG_APPLICATION: &str = "teal:application";
/// Content digest of the release.
pub const TAG_RELEASE: &str = "teal:release";
/// The version, for people.
pub const TAG_VERSION: &str = "teal:version";
/// The wish that led to a service.
pub const TAG_GENERATION: &str = "teal:generation";
/// Name of the service that served when a service was created; on a task definition that a service is updated to in place
/// the ARN of the one that it ran before.
pub const TAG_BLUE: &str = "teal:blue";
/// Newest generation that was rejected while a service served.
pub const TAG_REJECTED: &str = "teal:rejected";
/// The side that a target group was made for, or that a worker takes.
pub const TAG_SIDE: &str = "teal:side";
/// On a service that was adopted: the ARN of the task definition that its tags of the release speak of. Where a service is
/// updated in place they count as long as it runs that one.
pub const TAG_TASK_DEFINITION: &str = "teal:task-definition";
/// Content digest on a task definition.
pub const TAG_DIGEST: &str = "teal:digest";
/// The base revision that a task definition was rendered from.
pub const TAG_BASE: &str = "teal:base";

/// What is wished for, worked out against the Application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Content digest, 16 hex digits.
    pub digest: String,
    /// The version as people write it.
    pub version: String,
    /// Which write of `desired`.
    pub generation: Generation,
    /// Container to image.
    pub images: BTreeMap<String, String>,
    /// It does not wait for the end of a freeze.
    pub override_freeze: bool,
}

/// Works out a wish.
///
/// # Errors
/// What is wrong with it, and what would be right.
pub fn wanted(
    application: &Application,
    generation: Generation,
    desired: &Desired,
) -> Result<Wanted, String> {
    let images = desired
        .images_for(application)
        .map_err(|error| error.to_string())?;
    let template = &application.template;
    let base = match &template.task_definition {
        BaseTaskDefinition::Family(family) => json!(family),
        BaseTaskDefinition::Inline(definition) => json!(definition),
    };
    let mut content = json!({
        "application": application.name.as_str(),
        "version": desired.version,
        "images": images,
        "base": base,
        "service": template.service,
        "id": desired.id,
    });
    // What one route has always been: an upgrade of the operator makes no new release.
    if let [first, further @ ..] = application.routes.as_slice() {
        content["container"] = json!(first.container);
        content["port"] = json!(first.port);
        if !further.is_empty() {
            let further = further
                .iter()
                .map(|route| json!([route.container, route.port]));
            content["routes"] = further.collect();
        }
    }
    let digest = hex(&canonical(&content), 16);
    Ok(Wanted {
        digest,
        version: desired.version.clone(),
        generation,
        images,
        override_freeze: desired.override_freeze,
    })
}

/// What makes a run of a gate the same after a restart, and another one after a retry: 32 hex digits.
pub fn gate_key(application: &Application, digest: &str, place: &str, began: Timestamp) -> String {
    let began = began.as_millisecond();
    let what = json!([application.name.as_str(), digest, place, began]);
    hex(&canonical(&what), 32)
}

/// What makes a watch the same after a restart, and another one for each release and place: 32 hex digits.
pub fn watch_key(
    application: &Application,
    digest: &str,
    generation: Generation,
    place: &str,
) -> String {
    let what = json!([application.name.as_str(), digest, generation, place]);
    hex(&canonical(&what), 32)
}

/// The service's name: application, version (not of one that is updated in place), and 10 hex digits of (digest, generation, `created`).
pub fn service_name(
    application: &Application,
    version: &str,
    digest: &str,
    generation: Generation,
    created: u32,
) -> String {
    // One that lives through many releases is not named after its first.
    let text = if application.is_rolling() {
        application.name.to_string()
    } else {
        format!("{}-{version}", application.name)
    };
    let readable: String = text
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || c == '-' || c == '_' {
                c
            } else {
                '-'
            }
        })
        .take(200)
        .collect();
    let unique = hex(&format!("{digest} {} {created}", show(generation)), 10);
    format!("{readable}-{unique}")
}

/// ELB's longest name of a target group.
const GROUP_NAME: usize = 32;
/// Hex digits at the end of a target group's name.
const GROUP_DIGITS: usize = 10;

/// The target group's name: what [`group_prefix`] says, and 10 hex digits of (digest, generation, `created`).
pub fn group_name(
    application: &Application,
    digest: &str,
    generation: Generation,
    created: u32,
) -> String {
    let unique = format!(
        "group {} {digest} {} {created}",
        application.name,
        show(generation)
    );
    format!(
        "{}{}",
        group_prefix(application),
        hex(&unique, GROUP_DIGITS)
    )
}

/// What every target group's name of an application begins with: its name, as much as fits in ELB's 32 characters.
/// ELB takes letters, digits and hyphens, none of these at an end, and nothing that begins with `internal-`.
pub fn group_prefix(application: &Application) -> String {
    let name = application.name.as_str();
    let reserved = name.split('-').next() == Some("internal");
    let readable = format!("{}{name}", if reserved { "teal-" } else { "" });
    let cut: String = readable
        .chars()
        .take(GROUP_NAME - GROUP_DIGITS - 1)
        .collect();
    format!("{}-", cut.trim_end_matches('-'))
}

/// CreateTargetGroup: the template's settings and the user's tags on it, with the name and the tags of the release.
pub fn target_group(
    application: &Application,
    name: &str,
    side: Side,
    wanted: &Wanted,
    settings: &Map<String, Value>,
) -> Map<String, Value> {
    let mut body = settings.clone();
    let side = show_side(side);
    let mut tags: BTreeMap<String, String> = tags_of(&body, ["Tags", "Key", "Value"]);
    tags.retain(|key, _| !key.starts_with("aws:") && !key.starts_with("teal:"));
    tags.extend(application.tags.clone());
    let own = [
        (TAG_MANAGED_BY, MANAGED_BY.to_owned()),
        (TAG_APPLICATION, application.name.to_string()),
        (TAG_RELEASE, wanted.digest.clone()),
        (TAG_VERSION, wanted.version.clone()),
        (TAG_GENERATION, show(wanted.generation)),
        (TAG_SIDE, side.to_owned()),
    ];
    tags.extend(own.map(|(key, value)| (key.to_owned(), value)));
    let list: Vec<Value> = tags
        .into_iter()
        .map(|(key, value)| json!({"Key": key, "Value": value}))
        .collect();
    body.insert("Name".to_owned(), json!(name));
    body.insert("Tags".to_owned(), Value::Array(list));
    body
}

/// A side as a tag value.
fn show_side(side: Side) -> &'static str {
    match side {
        Side::A => "A",
        Side::B => "B",
    }
}

/// A side from a tag value.
pub fn parse_side(text: &str) -> Option<Side> {
    match text {
        "A" => Some(Side::A),
        "B" => Some(Side::B),
        _ => None,
    }
}

/// Tags in AWS's JSON: a list under the first name, of members with the other two names.
pub(crate) fn tags_of(
    body: &Map<String, Value>,
    [list, key, value]: [&str; 3],
) -> BTreeMap<String, String> {
    let tags = body
        .get(list)
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    tags.filter_map(|tag| {
        let text = |member: &str| tag.get(member).and_then(Value::as_str).map(str::to_owned);
        Some((text(key)?, text(value)?))
    })
    .collect()
}

/// The family of every task definition that we render for an application.
pub fn family(application: &Application) -> String {
    format!("{}-teal", application.name)
}

/// A generation as a tag value: `<unix ms>.<version>`.
pub fn show(generation: Generation) -> String {
    format!("{}.{}", generation.date, generation.version)
}

/// The generation that a request's tags name.
pub fn generation_of(body: &Map<String, Value>) -> Option<Generation> {
    let tags = tags_of(body, ["tags", "key", "value"]);
    parse_generation(tags.get(TAG_GENERATION)?)
}

/// A generation from a tag value.
pub fn parse_generation(text: &str) -> Option<Generation> {
    let (date, version) = text.split_once('.')?;
    Some(Generation {
        date: date.parse().ok()?,
        version: version.parse().ok()?,
    })
}

/// RegisterTaskDefinition for this release: the base with our family, images and tags; every other field as given. Where
/// a service is updated in place its tags tell the whole release.
///
/// # Errors
/// When the base lacks a container that the Application names.
pub fn task_definition(
    application: &Application,
    base_revision: &str,
    base: &Map<String, Value>,
    wanted: &Wanted,
) -> Result<Map<String, Value>, String> {
    let mut body = base.clone();
    for described_only in DESCRIBED_ONLY {
        body.remove(described_only);
    }
    body.insert("family".to_owned(), json!(family(application)));
    let containers = body
        .get_mut("containerDefinitions")
        .and_then(Value::as_array_mut)
        .map(Vec::as_mut_slice)
        .unwrap_or_default();
    let names: Vec<String> = containers
        .iter()
        .filter_map(|c| c.get("name").and_then(Value::as_str).map(str::to_owned))
        .collect();
    let listens = application.routes.iter().map(|route| &route.container);
    for needed in wanted.images.keys().chain(listens) {
        if !names.contains(needed) {
            return Err(format!(
                "base task definition {base_revision} has no container {needed:?}; it has {}: register a revision that has it, or correct the container's name in the spec",
                names.join(", ")
            ));
        }
    }
    for container in containers {
        let image = container
            .get("name")
            .and_then(Value::as_str)
            .and_then(|name| wanted.images.get(name));
        if let (Some(image), Some(members)) = (image, container.as_object_mut()) {
            members.insert("image".to_owned(), json!(image));
        }
    }
    let mut own = vec![
        (TAG_MANAGED_BY, MANAGED_BY.to_owned()),
        (TAG_APPLICATION, application.name.to_string()),
        (TAG_DIGEST, wanted.digest.clone()),
        (TAG_BASE, base_revision.to_owned()),
    ];
    if application.is_rolling() {
        own.push((TAG_VERSION, wanted.version.clone()));
        own.push((TAG_GENERATION, show(wanted.generation)));
    }
    add_tags(&mut body, application, &own);
    Ok(body)
}

/// The same, with the ARN of the task definition that a service ran before in its tags.
pub fn after(mut body: Map<String, Value>, before: &str) -> Map<String, Value> {
    let mut tags = tags_of(&body, ["tags", "key", "value"]);
    tags.insert(TAG_BLUE.to_owned(), before.to_owned());
    set_tags(&mut body, tags);
    body
}

/// Members of CreateService that UpdateService does not have, or that are not the operator's to change on a service that
/// lives.
const CREATED_ONLY: [&str; 8] = [
    "clientToken",
    "deploymentController",
    "desiredCount",
    "launchType",
    "role",
    "schedulingStrategy",
    "serviceName",
    "tags",
];

/// UpdateService to this task definition, with what the user's template says of the service.
pub fn update(application: &Application, name: &str, task_definition: &str) -> Map<String, Value> {
    let mut body = application.template.service.clone();
    for created_only in CREATED_ONLY {
        body.remove(created_only);
    }
    let owned = [
        ("cluster", json!(application.cluster)),
        ("service", json!(name)),
        ("taskDefinition", json!(task_definition)),
    ];
    for (member, value) in owned {
        body.insert(member.to_owned(), value);
    }
    body
}

/// Members that DescribeTaskDefinition shows and RegisterTaskDefinition does not take.
const DESCRIBED_ONLY: [&str; 9] = [
    "taskDefinitionArn",
    "revision",
    "status",
    "requiresAttributes",
    "compatibilities",
    "registeredAt",
    "registeredBy",
    "deregisteredAt",
    "deleteRequestedAt",
];

/// Who a new service is, and what it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewService<'a> {
    /// `serviceName`.
    pub name: &'a str,
    /// Task definition ARN.
    pub task_definition: &'a str,
    /// The side that it takes, which a worker's tags tell.
    pub side: Side,
    /// The groups it is bound to, in the order of the routes; a worker is bound to none.
    pub groups: Vec<&'a TargetGroupArn>,
    /// Tasks.
    pub count: u32,
    /// Content digest.
    pub digest: &'a str,
    /// The version, for people.
    pub version: &'a str,
    /// The wish that led to it.
    pub generation: Generation,
    /// The service that serves now.
    pub blue: Option<&'a str>,
}

/// CreateService: the user's template plus what the operator owns.
pub fn service(application: &Application, new: &NewService<'_>) -> Map<String, Value> {
    let mut body = application.template.service.clone();
    let owned = [
        ("serviceName", json!(new.name)),
        ("cluster", json!(application.cluster)),
        ("taskDefinition", json!(new.task_definition)),
        ("desiredCount", json!(new.count)),
        ("schedulingStrategy", json!("REPLICA")),
        ("clientToken", json!(hex(new.name, 32))),
    ];
    for (member, value) in owned {
        body.insert(member.to_owned(), value);
    }
    let bound = application.routes.iter().zip(&new.groups);
    let bound = bound.map(|(route, group)| {
        json!({
            "targetGroupArn": group.as_str(),
            "containerName": route.container,
            "containerPort": route.port,
        })
    });
    let bound: Vec<Value> = bound.collect();
    if !bound.is_empty() {
        body.insert("loadBalancers".to_owned(), Value::Array(bound));
    }
    let mut tags = vec![
        (TAG_MANAGED_BY, MANAGED_BY.to_owned()),
        (TAG_APPLICATION, application.name.to_string()),
    ];
    // What one that is updated in place runs, its task definition tells.
    if !application.is_rolling() {
        tags.extend([
            (TAG_RELEASE, new.digest.to_owned()),
            (TAG_VERSION, new.version.to_owned()),
            (TAG_GENERATION, show(new.generation)),
        ]);
        tags.extend(new.blue.map(|blue| (TAG_BLUE, blue.to_owned())));
    }
    if application.is_worker() {
        tags.push((TAG_SIDE, show_side(new.side).to_owned()));
    }
    add_tags(&mut body, application, &tags);
    body
}

/// User tags of the template and of the Application, then ours; ours win.
fn add_tags(body: &mut Map<String, Value>, application: &Application, own: &[(&str, String)]) {
    let mut tags = tags_of(body, ["tags", "key", "value"]);
    tags.extend(application.tags.clone());
    tags.extend(
        own.iter()
            .map(|(key, value)| ((*key).to_owned(), value.clone())),
    );
    set_tags(body, tags);
}

fn set_tags(body: &mut Map<String, Value>, tags: BTreeMap<String, String>) {
    let list: Vec<Value> = tags
        .into_iter()
        .map(|(key, value)| json!({"key": key, "value": value}))
        .collect();
    body.insert("tags".to_owned(), Value::Array(list));
}

/// JSON with its members in alphabetical order, so that equal content has one text.
fn canonical(value: &Value) -> String {
    let mut text = String::new();
    write_canonical(value, &mut text);
    text
}

fn write_canonical(value: &Value, text: &mut String) {
    match value {
        Value::Object(members) => {
            let sorted: BTreeMap<&String, &Value> = members.iter().collect();
            text.push('{');
            for (n, (key, value)) in sorted.into_iter().enumerate() {
                text.push_str(if n > 0 { "," } else { "" });
                text.push_str(&Value::String(key.clone()).to_string());
                text.push(':');
                write_canonical(value, text);
            }
            text.push('}');
        }
        Value::Array(items) => {
            text.push('[');
            for (n, value) in items.iter().enumerate() {
                text.push_str(if n > 0 { "," } else { "" });
                write_canonical(value, text);
            }
            text.push(']');
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            text.push_str(&value.to_string());
        }
    }
}

fn hex(text: &str, digits: usize) -> String {
    Sha256::digest(text.as_bytes())
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .take(digits)
        .filter_map(|nibble| char::from_digit(u32::from(nibble), 16))
        .collect()
}
