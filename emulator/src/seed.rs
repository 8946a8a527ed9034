//! The stage, set from a file: API calls run in order, plus settings and faults.
//!
//! ```json
//! {
//!   "settings": {"taskPendingMs": 2000},
//!   "faults": {"throttling": false},
//!   "calls": [
//!     {"as": "blog", "service": "elbv2", "operation": "CreateTargetGroup", "input": {"Name": "blog-a"}},
//!     {"service": "elbv2", "operation": "CreateListener", "input": {
//!       "DefaultActions": [{"Type": "forward", "TargetGroupArn": "${blog.TargetGroups[0].TargetGroupArn}"}]}}
//!   ]
//! }
//! ```
//!
//! Seeds can follow one another: one that names no settings changes none, and names of earlier outputs last
//! for one seed only.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::admin::merge;
use crate::api::{AwsError, Service};
use crate::emulator::Emulator;
use crate::faults::FaultSettings;
use crate::world::Settings;

/// A seed file.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Seed {
    /// What the stage is, in a sentence.
    pub description: String,
    /// Overrides of [`Settings`], `behaviours` among them; a merge patch.
    pub settings: Option<Value>,
    /// Faults from then on; the calls below meet none.
    pub faults: Option<FaultSettings>,
    /// Calls, in order.
    pub calls: Vec<Step>,
}

/// One call of a seed.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// By which name later calls refer to the output.
    #[serde(default, rename = "as")]
    pub name: Option<String>,
    /// The service.
    pub service: Service,
    /// The operation.
    pub operation: String,
    /// Its input; texts `${name.path[0].to}` are replaced by what they point at.
    #[serde(default)]
    pub input: Value,
}

/// Why a seed could not be planted.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    /// The text is not a seed.
    #[error("the seed is not well formed")]
    Malformed(#[source] serde_json::Error),
    /// The overrides are not settings.
    #[error("the seed's settings are not well formed")]
    Settings(#[source] serde_json::Error),
    /// A reference points at nothing.
    #[error("call {number} ({operation}): ${{{reference}}} points at nothing")]
    Reference {
        /// Which call, from 1.
        number: usize,
        /// Its operation.
        operation: String,
        /// What was referred to.
        reference: String,
    },
    /// A call was refused.
    #[error("call {number} ({operation}) was refused")]
    Refused {
        /// Which call, from 1.
        number: usize,
        /// Its operation.
        operation: String,
        /// The refusal.
        #[source]
        source: AwsError,
    },
}

impl Seed {
    /// Reads a seed.
    ///
    /// # Errors
    /// The text is not a seed.
    pub fn parse(text: &str) -> Result<Self, SeedError> {
        serde_json::from_str(text).map_err(SeedError::Malformed)
    }

    /// The settings of an account with this seed's overrides.
    ///
    /// # Errors
    /// They are not settings.
    pub fn settings(&self, base: &Settings) -> Result<Settings, SeedError> {
        let mut settings = serde_json::to_value(base).map_err(SeedError::Settings)?;
        if let Some(overrides) = &self.settings {
            merge(&mut settings, overrides.clone());
        }
        serde_json::from_value(settings).map_err(SeedError::Settings)
    }

    /// Applies overrides, makes the calls and sets the faults.
    ///
    /// # Errors
    /// The first call that is refused ends it; what was made before stays.
    pub fn plant(&self, emulator: &Emulator) -> Result<(), SeedError> {
        let settings = self.settings(&emulator.with(|world| world.settings.clone()))?;
        emulator.with(|world| world.settings = settings);
        let mut outputs = BTreeMap::new();
        for (index, step) in self.calls.iter().enumerate() {
            let (number, operation) = (index + 1, step.operation.clone());
            let mut input = if step.input.is_null() {
                Value::Object(serde_json::Map::new())
            } else {
                step.input.clone()
            };
            if let Err(reference) = substitute(&mut input, &outputs) {
                return Err(SeedError::Reference {
                    number,
                    operation,
                    reference,
                });
            }
            let output = emulator
                .call(step.service, &step.operation, input)
                .map_err(|source| SeedError::Refused {
                    number,
                    operation,
                    source,
                })?;
            if let Some(name) = &step.name {
                outputs.insert(name.clone(), output);
            }
        }
        if let Some(faults) = &self.faults {
            emulator.faults().set(faults.clone());
        }
        Ok(())
    }
}

/// Replaces every reference in `value`; a text that is one reference and nothing else takes the type of what it
/// points at. Gives back a reference that points at nothing.
fn substitute(value: &mut Value, outputs: &BTreeMap<String, Value>) -> Result<(), String> {
    match value {
        Value::Object(members) => members
            .values_mut()
            .try_for_each(|member| substitute(member, outputs)),
        Value::Array(items) => items
            .iter_mut()
            .try_for_each(|item| substitute(item, outputs)),
        Value::String(text) => {
            if let Some(replaced) = expand(text, outputs)? {
                *value = replaced;
            }
            Ok(())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
    }
}

/// The text with its references replaced; none when it has none.
fn expand(text: &str, outputs: &BTreeMap<String, Value>) -> Result<Option<Value>, String> {
    let mut expanded = String::new();
    let mut rest = text;
    while let Some((before, (reference, after))) = rest
        .split_once("${")
        .and_then(|(before, tail)| Some((before, tail.split_once('}')?)))
    {
        let found = look_up(reference, outputs).ok_or_else(|| reference.to_owned())?;
        if reference.len() + 3 == text.len() {
            return Ok(Some(found.clone()));
        }
        expanded.push_str(before);
        expanded.push_str(
            &found
                .as_str()
                .map_or_else(|| found.to_string(), ToOwned::to_owned),
        );
        rest = after;
    }
    if rest.len() == text.len() {
        return Ok(None);
    }
    Ok(Some(Value::String(expanded + rest)))
}

/// What `name.path[0].to` points at.
fn look_up<'a>(reference: &str, outputs: &'a BTreeMap<String, Value>) -> Option<&'a Value> {
    let path = reference.replace('[', ".").replace(']', "");
    let mut parts = path.split('.');
    let mut value = outputs.get(parts.next()?)?;
    for part in parts {
        value = match part.parse::<usize>() {
            Ok(index) => value.get(index)?,
            Err(_) => value.get(part)?,
        };
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn references_take_the_value_they_point_at() {
        let outputs = BTreeMap::from([("a".to_owned(), json!({"list": [{"n": 7, "s": "x"}]}))]);
        let mut input = json!({"whole": "${a.list[0].n}", "part": ["-${a.list[0].s}-${a.list[0].n}"], "plain": "$ {a}"});
        substitute(&mut input, &outputs).unwrap();
        assert_eq!(
            input,
            json!({"whole": 7, "part": ["-x-7"], "plain": "$ {a}"})
        );
        assert_eq!(
            substitute(&mut json!({"x": "${a.list[1].n}"}), &outputs),
            Err("a.list[1].n".to_owned())
        );
    }

    #[tokio::test]
    async fn a_refused_call_is_named() {
        let emulator = Emulator::new(Settings::default());
        let seed = r#"{"calls": [{"service": "ssm", "operation": "GetParameter", "input": {"Name": "/none"}}]}"#;
        let error = Seed::parse(seed).unwrap().plant(&emulator).unwrap_err();
        assert!(
            matches!(error, SeedError::Refused { number: 1, source, .. } if source.code == "ParameterNotFound")
        );
    }

    #[tokio::test]
    async fn settings_are_overridden_member_by_member() {
        let emulator = Emulator::new(Settings {
            account: "1".into(),
            ..Settings::default()
        });
        let seed = r#"{"settings": {"region": "eu-central-1"}, "faults": {"throttling": false}}"#;
        Seed::parse(seed).unwrap().plant(&emulator).unwrap();
        let (account, region) = emulator.with(|world| {
            (
                world.settings.account.clone(),
                world.settings.region.clone(),
            )
        });
        assert_eq!((account.as_str(), region.as_str()), ("1", "eu-central-1"));
        assert!(!emulator.faults().settings().throttling);
    }
}
