//! Systems Manager Parameter Store: parameters with versions, labels and tags.
//!
//! Rules and texts are Parameter Store's; sources are the service model's documentation and the user guide.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use regex_lite::Regex;
use serde::{Deserialize, Serialize};

use super::Millis;
use crate::api::AwsError;

/// Versions that are kept of a parameter.
pub const VERSIONS_KEPT: usize = 100;
/// Labels that a version can have.
pub const LABELS_PER_VERSION: usize = 10;
/// Levels that a name can have.
pub const LEVELS: usize = 15;
/// Tags that a parameter can have.
pub const TAGS: usize = 50;
/// Longest value of the standard tier, in bytes.
pub const STANDARD_BYTES: usize = 4096;
/// Longest value of the advanced tier, in bytes.
pub const ADVANCED_BYTES: usize = 8192;

/// Systems Manager Parameter Store.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Ssm {
    /// By name.
    pub parameters: BTreeMap<String, Parameter>,
}

/// A parameter; it has at least one version.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Parameter {
    /// Oldest first.
    pub versions: VecDeque<Version>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

/// One version of a parameter.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Version {
    /// From 1.
    pub number: i64,
    /// When it was put.
    pub at: Millis,
    /// The value as it was put.
    pub value: String,
    /// Labels that point at it.
    pub labels: BTreeSet<String>,
    /// `String`, `StringList` or `SecureString`.
    pub kind: String,
    /// `Standard` or `Advanced`.
    pub tier: String,
    /// For example `text`.
    pub data_type: String,
    /// Free text.
    pub description: Option<String>,
    /// What values must match.
    pub allowed_pattern: Option<String>,
    /// The key of a `SecureString`.
    pub key_id: Option<String>,
}

/// What `PutParameter` is asked for. What is left out of an overwrite stays as it was; that description and
/// pattern do is our inference.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Put {
    /// The parameter's name.
    pub name: String,
    /// The value.
    pub value: String,
    /// Its type; required at creation.
    #[serde(rename = "Type")]
    pub kind: Option<String>,
    /// Whether a present parameter gets a new version.
    pub overwrite: bool,
    /// Tier; `Intelligent-Tiering` picks by size.
    pub tier: Option<String>,
    /// Data type, `text` unless given.
    pub data_type: Option<String>,
    /// Free text.
    pub description: Option<String>,
    /// What the value must match.
    pub allowed_pattern: Option<String>,
    /// The key of a `SecureString`.
    pub key_id: Option<String>,
    /// Tags, at creation only.
    pub tags: Vec<Tag>,
}

/// A tag as the API has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Tag {
    /// Key.
    pub key: String,
    /// Value.
    pub value: String,
}

/// Which version of a parameter is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selector {
    /// The latest.
    Latest,
    /// The one of this number.
    Number(i64),
    /// The one that this label points at.
    Label(String),
}

impl Parameter {
    /// The latest version; a parameter that has none does not exist, so it reads as not found.
    ///
    /// # Errors
    /// `ParameterNotFound`.
    pub fn latest(&self) -> Result<&Version, AwsError> {
        self.versions.back().ok_or_else(not_found)
    }

    /// The version that is meant.
    #[must_use]
    pub fn select(&self, selector: &Selector) -> Option<&Version> {
        match selector {
            Selector::Latest => self.versions.back(),
            Selector::Number(number) => self
                .versions
                .iter()
                .find(|version| version.number == *number),
            Selector::Label(label) => self
                .versions
                .iter()
                .find(|version| version.labels.contains(label)),
        }
    }
}

impl Ssm {
    /// Creates a parameter or adds a version to it; gives back that version.
    ///
    /// # Errors
    /// Name, value, tier, pattern or history do not allow it.
    pub fn put(&mut self, put: Put, now: Millis) -> Result<&Version, AwsError> {
        check_name(&put.name)?;
        let present = self.parameters.get(&put.name);
        if present.is_some() && !put.overwrite {
            let text = "The parameter already exists. To overwrite this value, set the overwrite option in the request to true.";
            return Err(AwsError::new("ParameterAlreadyExists", text));
        }
        if put.overwrite && !put.tags.is_empty() {
            return Err(invalid(
                "Invalid request: tags and overwrite can't be used together. To create a parameter with tags, please \
                 remove overwrite flag. To update tags for an existing parameter, please use AddTagsToResource or \
                 RemoveTagsFromResource.",
            ));
        }
        let version = next_version(
            present.and_then(|parameter| parameter.versions.back()),
            &put,
            now,
        )?;
        if let Some(parameter) = present {
            check_room(&put.name, parameter)?;
        }
        let mut tags = BTreeMap::new();
        add_tags(&mut tags, &put.tags)?;

        let parameter = self
            .parameters
            .entry(put.name)
            .or_insert_with(|| Parameter {
                tags,
                ..Parameter::default()
            });
        if parameter.versions.len() == VERSIONS_KEPT {
            parameter.versions.pop_front();
        }
        parameter.versions.push_back(version);
        parameter.latest()
    }

    /// Points labels at a version (none: the latest) and away from any other; gives back the version's number and
    /// the labels that break the rules for labels and were left out.
    ///
    /// # Errors
    /// Parameter or version do not exist, or the version would have too many labels.
    pub fn label(
        &mut self,
        name: &str,
        number: Option<i64>,
        labels: &[String],
    ) -> Result<(i64, Vec<String>), AwsError> {
        let parameter = self.parameters.get_mut(name).ok_or_else(not_found)?;
        let number = number.map_or_else(|| parameter.latest().map(|version| version.number), Ok)?;
        let (valid, broken): (Vec<&String>, Vec<&String>) =
            labels.iter().partition(|label| is_label(label));
        let target = parameter
            .versions
            .iter()
            .find(|version| version.number == number);
        let mut after = target
            .ok_or_else(|| version_not_found(&format!("version {number} of {name}")))?
            .labels
            .clone();
        after.extend(valid.iter().copied().cloned());
        if after.len() > LABELS_PER_VERSION {
            let text = format!(
                "An error occurred (ParameterVersionLabelLimitExceeded) when calling the LabelParameterVersion operation: \
                 A parameter version can have maximum {LABELS_PER_VERSION} labels.Move one or more labels to another version and try again."
            );
            return Err(AwsError::new("ParameterVersionLabelLimitExceeded", text));
        }
        for version in &mut parameter.versions {
            if version.number == number {
                version.labels.clone_from(&after);
            } else {
                version.labels.retain(|label| !valid.contains(&label));
            }
        }
        Ok((number, broken.into_iter().cloned().collect()))
    }
}

/// Adds tags, replacing those of the same key.
///
/// # Errors
/// `TooManyTagsError`.
pub fn add_tags(tags: &mut BTreeMap<String, String>, more: &[Tag]) -> Result<(), AwsError> {
    let mut after = tags.clone();
    after.extend(more.iter().map(|tag| (tag.key.clone(), tag.value.clone())));
    if after.len() > TAGS {
        return Err(AwsError::new(
            "TooManyTagsError",
            format!("The number of tags exceeds the limit of {TAGS}."),
        ));
    }
    *tags = after;
    Ok(())
}

/// `ParameterNotFound`; AWS gives it no text.
#[must_use]
pub fn not_found() -> AwsError {
    AwsError::new("ParameterNotFound", "")
}

/// `ParameterVersionNotFound` for what reads like `version 5 of /a`.
#[must_use]
pub fn version_not_found(what: &str) -> AwsError {
    let text = format!("Systems Manager could not find {what}. Verify the version and try again.");
    AwsError::new("ParameterVersionNotFound", text)
}

/// `ValidationException`.
pub fn invalid(text: impl Into<String>) -> AwsError {
    AwsError::new("ValidationException", text)
}

fn check_name(name: &str) -> Result<(), AwsError> {
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || "_.-/".contains(letter);
    let first = name.trim_start_matches('/').to_ascii_lowercase();
    if first.starts_with("aws") || first.starts_with("ssm") || !name.chars().all(allowed) {
        return Err(invalid(
            "Parameter name: can't be prefixed with \"aws\" or \"ssm\" (case-insensitive). If formed as a path, it can \
             consist of sub-paths divided by slash symbol; each sub-path can be formed as a mix of letters, numbers and \
             the following 3 symbols .-_",
        ));
    }
    if name.contains('/') && (!name.starts_with('/') || name.ends_with('/') || name.contains("//"))
    {
        return Err(invalid("Parameter name must be a fully qualified name."));
    }
    if name.split('/').filter(|level| !level.is_empty()).count() > LEVELS {
        let text = format!(
            "A hierarchy can have a maximum of {LEVELS} levels. For more information, see Requirements and constraints \
             for parameter names in the AWS Systems Manager User Guide."
        );
        return Err(AwsError::new("HierarchyLevelLimitExceededException", text));
    }
    Ok(())
}

/// The version that follows `last`.
fn next_version(last: Option<&Version>, put: &Put, now: Millis) -> Result<Version, AwsError> {
    let kept =
        |given: &Option<String>, last: Option<&String>| given.clone().or_else(|| last.cloned());
    let Some(kind) = kept(&put.kind, last.map(|last| &last.kind)) else {
        return Err(invalid(
            "A parameter type is required when you create a parameter.",
        ));
    };
    if last.is_some_and(|last| last.kind != kind) {
        let text = "Parameter Store doesn't support changing a parameter type in a hierarchy. For example, you can't \
                    change a parameter from a String type to a SecureString type. You must create a new, unique parameter.";
        return Err(AwsError::new("HierarchyTypeMismatchException", text));
    }
    let tier = tier(last.map(|last| last.tier.as_str()), put)?;
    let allowed_pattern = kept(
        &put.allowed_pattern,
        last.and_then(|last| last.allowed_pattern.as_ref()),
    );
    check_value(&put.value, allowed_pattern.as_deref())?;
    let default_key = (kind == "SecureString").then(|| "alias/aws/ssm".to_owned());
    Ok(Version {
        number: last.map_or(1, |last| last.number + 1),
        at: now,
        value: put.value.clone(),
        labels: BTreeSet::new(),
        data_type: kept(&put.data_type, last.map(|last| &last.data_type))
            .unwrap_or_else(|| "text".into()),
        description: kept(
            &put.description,
            last.and_then(|last| last.description.as_ref()),
        ),
        key_id: kept(&put.key_id, last.and_then(|last| last.key_id.as_ref())).or(default_key),
        allowed_pattern,
        kind,
        tier,
    })
}

/// The tier of a new version, or why its value does not fit.
fn tier(last: Option<&str>, put: &Put) -> Result<String, AwsError> {
    let fits = put.value.len() <= STANDARD_BYTES;
    let tier = match (put.tier.as_deref(), last) {
        (Some("Intelligent-Tiering"), Some("Advanced")) => "Advanced",
        (Some("Intelligent-Tiering"), _) => {
            if fits {
                "Standard"
            } else {
                "Advanced"
            }
        }
        (Some("Standard"), Some("Advanced")) => {
            return Err(invalid(
                "This parameter uses the advanced-parameter tier. You can't downgrade a parameter from the \
                 advanced-parameter tier to the standard-parameter tier. If necessary, you can delete the advanced \
                 parameter and recreate it as a standard parameter.",
            ));
        }
        (Some(tier), _) | (None, Some(tier)) => tier,
        (None, None) => "Standard",
    };
    let guide = "For more information, see https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-advanced-parameters.html";
    match tier {
        "Standard" if !fits => Err(invalid(format!(
            "Standard tier parameters support a maximum parameter value of {STANDARD_BYTES} characters. To create a larger \
             parameter value, upgrade the parameter to use the advanced-parameter tier. {guide}"
        ))),
        _ if put.value.len() > ADVANCED_BYTES => Err(invalid(format!(
            "Advanced tier parameters support a maximum parameter value of {ADVANCED_BYTES} characters. {guide}"
        ))),
        tier => Ok(tier.to_owned()),
    }
}

/// AWS does not say whether a pattern must match the whole value; here it may match a part unless it is anchored.
fn check_value(value: &str, pattern: Option<&str>) -> Result<(), AwsError> {
    if value.is_empty() {
        return Err(invalid(
            "1 validation error detected: Value '' at 'value' failed to satisfy constraint: Member must have length \
             greater than or equal to 1.",
        ));
    }
    if value.contains("{{") {
        return Err(invalid(
            "Parameter value can't nest another parameter. Do not use \"{{}}\" in the value.",
        ));
    }
    let Some(pattern) = pattern else {
        return Ok(());
    };
    let Ok(regex) = Regex::new(pattern) else {
        let text = "The request does not meet the regular expression requirement.";
        return Err(AwsError::new("InvalidAllowedPatternException", text));
    };
    if !regex.is_match(value) {
        let text =
            format!("Parameter value, cannot be validated against allowedPattern: {pattern}");
        return Err(AwsError::new("ParameterPatternMismatchException", text));
    }
    Ok(())
}

/// Whether one more version can be kept: the oldest makes room, unless a label holds it.
fn check_room(name: &str, parameter: &Parameter) -> Result<(), AwsError> {
    match parameter.versions.front() {
        Some(oldest) if parameter.versions.len() == VERSIONS_KEPT && !oldest.labels.is_empty() => {
            let text = format!(
                "You attempted to create a new version of {name} by calling the PutParameter API with the overwrite flag. \
                 Version {}, the oldest version, can't be deleted because it has a label associated with it. Move the \
                 label to another version of the parameter, and try again.",
                oldest.number
            );
            Err(AwsError::new("ParameterMaxVersionLimitExceeded", text))
        }
        Some(_) | None => Ok(()),
    }
}

fn is_label(label: &str) -> bool {
    let lower = label.to_ascii_lowercase();
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || "_.-".contains(letter);
    label.chars().all(allowed)
        && !lower.starts_with("aws")
        && !lower.starts_with("ssm")
        && !lower.starts_with(|first: char| first.is_ascii_digit())
}
