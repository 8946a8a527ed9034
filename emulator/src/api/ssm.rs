//! Systems Manager: the operations of Parameter Store.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::AwsError;
use crate::world::World;
use crate::world::ssm::{self, Parameter, Put, Selector, Tag, Version};

/// Carries out one operation.
///
/// # Errors
/// The refusal that AWS would give.
pub fn call(world: &mut World, operation: &str, input: &Value) -> Result<Value, AwsError> {
    match operation {
        "PutParameter" => put_parameter(world, input),
        "GetParameter" => get_parameter(world, input),
        "GetParameters" => get_parameters(world, input),
        "GetParametersByPath" => get_parameters_by_path(world, input),
        "GetParameterHistory" => get_parameter_history(world, input),
        "DescribeParameters" => describe_parameters(world, input),
        "DeleteParameter" => delete_parameter(world, input),
        "DeleteParameters" => delete_parameters(world, input),
        "LabelParameterVersion" => label_parameter_version(world, input),
        "AddTagsToResource" => add_tags(world, input),
        "RemoveTagsFromResource" => remove_tags(world, input),
        "ListTagsForResource" => list_tags(world, input),
        _ => Err(AwsError::not_emulated(operation)),
    }
}

/// Members of all the inputs here that are more than a [`Put`].
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Input {
    name: String,
    names: Vec<String>,
    with_decryption: bool,
    path: String,
    recursive: bool,
    parameter_filters: Vec<Filter>,
    filters: Vec<Filter>,
    max_results: Option<usize>,
    next_token: Option<String>,
    parameter_version: Option<i64>,
    labels: Vec<String>,
    resource_type: String,
    resource_id: String,
    tags: Vec<Tag>,
    tag_keys: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Filter {
    key: String,
    option: Option<String>,
    values: Vec<String>,
}

fn read<T: DeserializeOwned>(input: &Value) -> Result<T, AwsError> {
    T::deserialize(input)
        .map_err(|error| AwsError::new("SerializationException", error.to_string()))
}

fn put_parameter(world: &mut World, input: &Value) -> Result<Value, AwsError> {
    let put: Put = read(input)?;
    let now = world.now;
    let version = world.ssm.put(put, now)?;
    Ok(json!({"Version": version.number, "Tier": version.tier}))
}

fn get_parameter(world: &World, input: &Value) -> Result<Value, AwsError> {
    let input: Input = read(input)?;
    Ok(json!({"Parameter": find(world, &input.name, input.with_decryption)?}))
}

fn get_parameters(world: &World, input: &Value) -> Result<Value, AwsError> {
    let input: Input = read(input)?;
    let (mut found, mut unknown) = (Vec::new(), Vec::new());
    for name in &input.names {
        match find(world, name, input.with_decryption) {
            Ok(parameter) => found.push(parameter),
            Err(_) => unknown.push(name),
        }
    }
    Ok(json!({"Parameters": found, "InvalidParameters": unknown}))
}

fn get_parameters_by_path(world: &World, input: &Value) -> Result<Value, AwsError> {
    let input: Input = read(input)?;
    if !input.path.starts_with('/') {
        return Err(ssm::invalid(
            "The parameter doesn't meet the parameter name requirements. The parameter name must begin with a forward \
             slash \"/\". It can't be prefixed with \"aws\" or \"ssm\" (case-insensitive). It must use only letters, \
             numbers, or the following symbols: . (period), - (hyphen), _ (underscore). Special characters are not \
             allowed. All sub-paths, if specified, must use the forward slash symbol \"/\".",
        ));
    }
    let mut found = Vec::new();
    for (name, parameter) in &world.ssm.parameters {
        let version = parameter.latest()?;
        if is_below(name, &input.path, input.recursive)
            && passes(name, parameter, version, &input.parameter_filters)?
        {
            found.push((
                name,
                parameter_json(world, name, version, input.with_decryption),
            ));
        }
    }
    let page = Page::of(world, &input, 10)?;
    Ok(page.cut("Parameters", found))
}

fn get_parameter_history(world: &World, input: &Value) -> Result<Value, AwsError> {
    let input: Input = read(input)?;
    let (name, parameter) = named(world, &input.name).ok_or_else(ssm::not_found)?;
    let entry = |version: &Version| {
        let mut entry = metadata_json(world, name, version);
        entry.remove("ARN");
        entry.insert("Value".into(), value_json(version, input.with_decryption));
        entry.insert("Labels".into(), json!(version.labels));
        // Numbers in fixed width, so that the order of keys is the order of versions.
        (format!("{:012}", version.number), Value::Object(entry))
    };
    let page = Page::of(world, &input, 50)?;
    Ok(page.cut("Parameters", parameter.versions.iter().map(entry).collect()))
}

fn describe_parameters(world: &World, input: &Value) -> Result<Value, AwsError> {
    let mut input: Input = read(input)?;
    input.parameter_filters.append(&mut input.filters);
    let mut found = Vec::new();
    for (name, parameter) in &world.ssm.parameters {
        let version = parameter.latest()?;
        if passes(name, parameter, version, &input.parameter_filters)? {
            found.push((name, Value::Object(metadata_json(world, name, version))));
        }
    }
    let page = Page::of(world, &input, 50)?;
    Ok(page.cut("Parameters", found))
}

fn delete_parameter(world: &mut World, input: &Value) -> Result<Value, AwsError> {
    let input: Input = read(input)?;
    world
        .ssm
        .parameters
        .remove(&input.name)
        .map(|_| json!({}))
        .ok_or_else(ssm::not_found)
}

fn delete_parameters(world: &mut World, input: &Value) -> Result<Value, AwsError> {
    let input: Input = read(input)?;
    let (mut deleted, mut unknown) = (Vec::new(), Vec::new());
    for name in input.names {
        let side = if world.ssm.parameters.remove(&name).is_some() {
            &mut deleted
        } else {
            &mut unknown
        };
        side.push(name);
    }
    Ok(json!({"DeletedParameters": deleted, "InvalidParameters": unknown}))
}

fn label_parameter_version(world: &mut World, input: &Value) -> Result<Value, AwsError> {
    let input: Input = read(input)?;
    let (number, invalid) = world
        .ssm
        .label(&input.name, input.parameter_version, &input.labels)?;
    Ok(json!({"InvalidLabels": invalid, "ParameterVersion": number}))
}

fn add_tags(world: &mut World, input: &Value) -> Result<Value, AwsError> {
    let input: Input = read(input)?;
    ssm::add_tags(&mut tagged(world, &input)?.tags, &input.tags)?;
    Ok(json!({}))
}

fn remove_tags(world: &mut World, input: &Value) -> Result<Value, AwsError> {
    let input: Input = read(input)?;
    tagged(world, &input)?
        .tags
        .retain(|key, _| !input.tag_keys.contains(key));
    Ok(json!({}))
}

fn list_tags(world: &mut World, input: &Value) -> Result<Value, AwsError> {
    let input: Input = read(input)?;
    let tags = &tagged(world, &input)?.tags;
    let list: Vec<Value> = tags
        .iter()
        .map(|(key, value)| json!({"Key": key, "Value": value}))
        .collect();
    Ok(json!({"TagList": list}))
}

/// The parameter that a tag operation names.
fn tagged<'a>(world: &'a mut World, input: &Input) -> Result<&'a mut Parameter, AwsError> {
    if input.resource_type != "Parameter" {
        let text = format!(
            "{} is not a resource type that is emulated.",
            input.resource_type
        );
        return Err(AwsError::new("InvalidResourceType", text));
    }
    let unknown = || {
        AwsError::new(
            "InvalidResourceId",
            "The resource ID is not valid. Verify that you entered the correct ID and try again.",
        )
    };
    world
        .ssm
        .parameters
        .get_mut(&input.resource_id)
        .ok_or_else(unknown)
}

/// A parameter by name or ARN, without selector.
fn named<'a>(world: &'a World, name: &'a str) -> Option<(&'a str, &'a Parameter)> {
    let after_arn = name
        .strip_prefix("arn:")
        .and_then(|arn| Some(arn.split_once(":parameter")?.1));
    let candidates = match after_arn {
        Some(path) => [path, path.trim_start_matches('/')],
        None => [name, name],
    };
    candidates
        .into_iter()
        .find_map(|name| world.ssm.parameters.get_key_value(name))
        .map(|(name, found)| (name.as_str(), found))
}

/// A parameter by `name`, `name:version` or `name:label`.
fn find(world: &World, asked: &str, decrypt: bool) -> Result<Value, AwsError> {
    if let Some((name, parameter)) = named(world, asked) {
        return Ok(parameter_json(world, name, parameter.latest()?, decrypt));
    }
    let (name, suffix) = asked.rsplit_once(':').ok_or_else(ssm::not_found)?;
    let (name, parameter) = named(world, name).ok_or_else(ssm::not_found)?;
    let selector = suffix
        .parse()
        .map_or_else(|_| Selector::Label(suffix.to_owned()), Selector::Number);
    let version = parameter.select(&selector).ok_or_else(|| match &selector {
        Selector::Label(label) => ssm::version_not_found(&format!("label {label} of {name}")),
        Selector::Number(_) | Selector::Latest => {
            ssm::version_not_found(&format!("version {suffix} of {name}"))
        }
    })?;
    let mut found = parameter_json(world, name, version, decrypt);
    found["Selector"] = json!(format!(":{suffix}"));
    Ok(found)
}

fn parameter_json(world: &World, name: &str, version: &Version, decrypt: bool) -> Value {
    json!({
        "Name": name,
        "Type": version.kind,
        "Value": value_json(version, decrypt),
        "Version": version.number,
        "LastModifiedDate": world.unix_seconds(version.at),
        "ARN": arn(world, name),
        "DataType": version.data_type,
    })
}

/// The value, or what stands for the encrypted one of a `SecureString`.
fn value_json(version: &Version, decrypt: bool) -> Value {
    if version.kind != "SecureString" || decrypt {
        return json!(version.value);
    }
    let mut hasher = DefaultHasher::new();
    version.value.hash(&mut hasher);
    json!(format!("AQICAHencrypted{:016x}", hasher.finish()))
}

fn metadata_json(world: &World, name: &str, version: &Version) -> Map<String, Value> {
    let all = [
        ("Name", json!(name)),
        ("ARN", json!(arn(world, name))),
        ("Type", json!(version.kind)),
        ("KeyId", json!(version.key_id)),
        ("LastModifiedDate", json!(world.unix_seconds(version.at))),
        (
            "LastModifiedUser",
            json!(format!(
                "arn:aws:iam::{}:user/emulator",
                world.settings.account
            )),
        ),
        ("Description", json!(version.description)),
        ("AllowedPattern", json!(version.allowed_pattern)),
        ("Version", json!(version.number)),
        ("Tier", json!(version.tier)),
        ("Policies", json!([])),
        ("DataType", json!(version.data_type)),
    ];
    all.into_iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

fn arn(world: &World, name: &str) -> String {
    let slash = if name.starts_with('/') { "" } else { "/" };
    format!(
        "arn:aws:ssm:{}:{}:parameter{slash}{name}",
        world.settings.region, world.settings.account
    )
}

/// Whether `name` lies under `path`: directly, or anywhere below it.
fn is_below(name: &str, path: &str, recursive: bool) -> bool {
    let below = name
        .strip_prefix(path.trim_end_matches('/'))
        .and_then(|rest| rest.strip_prefix('/'));
    below.is_some_and(|rest| !rest.is_empty() && (recursive || !rest.contains('/')))
}

/// Whether a parameter passes all filters; within one filter any value will do.
fn passes(
    name: &str,
    parameter: &Parameter,
    version: &Version,
    filters: &[Filter],
) -> Result<bool, AwsError> {
    for filter in filters {
        let option = filter.option.as_deref().unwrap_or(if filter.key == "Path" {
            "OneLevel"
        } else {
            "Equals"
        });
        if filter.key == "Path" {
            if !filter
                .values
                .iter()
                .any(|path| is_below(name, path, option == "Recursive"))
            {
                return Ok(false);
            }
            continue;
        }
        let held: Vec<&str> = match filter.key.as_str() {
            "Name" => vec![name],
            "Type" => vec![&version.kind],
            "Tier" => vec![&version.tier],
            "DataType" => vec![&version.data_type],
            "KeyId" => version.key_id.as_deref().into_iter().collect(),
            "Label" => parameter
                .versions
                .iter()
                .flat_map(|version| &version.labels)
                .map(String::as_str)
                .collect(),
            other => match other.strip_prefix("tag:") {
                Some(key) => parameter
                    .tags
                    .get(key)
                    .map(String::as_str)
                    .into_iter()
                    .collect(),
                None => {
                    return Err(AwsError::new(
                        "InvalidFilterKey",
                        format!("{other} is not a filter key."),
                    ));
                }
            },
        };
        let fits = |wanted: &String| -> Result<bool, AwsError> {
            match option {
                "Equals" => Ok(held.contains(&wanted.as_str())),
                "BeginsWith" => Ok(held.iter().any(|held| held.starts_with(wanted))),
                "Contains" => Ok(held.iter().any(|held| held.contains(wanted))),
                other => Err(AwsError::new(
                    "InvalidFilterOption",
                    format!("{other} is not a filter option."),
                )),
            }
        };
        let any = filter
            .values
            .iter()
            .map(fits)
            .collect::<Result<Vec<bool>, AwsError>>()?;
        // A filter without values asks that there be one.
        let passed = if any.is_empty() {
            !held.is_empty()
        } else {
            any.contains(&true)
        };
        if !passed {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Which part of a list is answered. The token names the last key that was given out, so that a list which
/// changes between pages neither repeats nor skips what stayed.
#[derive(Debug)]
struct Page {
    after: String,
    length: usize,
}

impl Page {
    fn of(world: &World, input: &Input, default: usize) -> Result<Self, AwsError> {
        let full = input.max_results.unwrap_or(default);
        let after = match &input.next_token {
            Some(token) => token.strip_prefix("after:").map(ToOwned::to_owned),
            None => Some(String::new()),
        };
        let after = after
            .ok_or_else(|| AwsError::new("InvalidNextToken", "The specified token isn't valid."))?;
        let length = match (world.settings.short_pages, &input.next_token) {
            (true, None) => 0,
            (true, Some(_)) => full.div_ceil(2),
            (false, _) => full,
        };
        Ok(Self { after, length })
    }

    /// The part of `all` (sorted by key) that this page holds, as the member `name`, and the token for the next.
    fn cut<K: AsRef<str>>(&self, name: &str, all: Vec<(K, Value)>) -> Value {
        let rest = all
            .into_iter()
            .filter(|(key, _)| key.as_ref() > self.after.as_str());
        let (mut items, mut last, mut more) = (Vec::new(), self.after.clone(), false);
        for (key, item) in rest {
            if items.len() == self.length {
                more = true;
                break;
            }
            last = key.as_ref().to_owned();
            items.push(item);
        }
        let mut output = json!({name: items});
        if more {
            output["NextToken"] = json!(format!("after:{last}"));
        }
        output
    }
}
