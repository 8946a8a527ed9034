//! Values against the model: inputs as AWS refuses them, outputs so that our own mistakes are found.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use regex_lite::Regex;
use serde_json::Value;

use super::model::{List, Model, Range, Shape, Structure, Text};

/// One way in which a value is not what the model says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// The structure has no such member. AWS mostly ignores these; we refuse, so that nothing asked for is silently left undone.
    #[error("Unknown parameter in input: '{path}'")]
    Unknown {
        /// Where.
        path: String,
    },
    /// A required member is absent.
    #[error("Value null at '{path}' failed to satisfy constraint: Member must not be null")]
    Missing {
        /// Where.
        path: String,
    },
    /// Another JSON type than the model's.
    #[error("'{path}' can not be converted to {expected}")]
    Type {
        /// Where.
        path: String,
        /// The model's type.
        expected: &'static str,
    },
    /// The right type but not an allowed value.
    #[error("Value '{value}' at '{path}' failed to satisfy constraint: {constraint}")]
    Constraint {
        /// Where.
        path: String,
        /// What was given.
        value: String,
        /// AWS's text.
        constraint: String,
    },
}

/// Which rules apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From a client: everything.
    Input,
    /// From us: members, types, required members and enumerations. AWS itself sends values outside its
    /// declared lengths and patterns.
    Output,
}

/// Everything that is wrong with `value` as the structure `shape`; members that are `null` count as absent.
#[must_use]
pub fn violations(
    model: &Model,
    shape: &str,
    value: &Value,
    direction: Direction,
) -> Vec<Violation> {
    let mut check = Check {
        model,
        direction,
        path: Vec::new(),
        found: Vec::new(),
    };
    check.value(shape, value);
    check.found
}

/// Removes members and entries that are `null`: on AWS's wire these are absent.
pub fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|_, member| !member.is_null());
            members.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => {
            items.retain(|item| !item.is_null());
            items.iter_mut().for_each(drop_nulls);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

struct Check<'a> {
    model: &'a Model,
    direction: Direction,
    path: Vec<String>,
    found: Vec<Violation>,
}

impl<'a> Check<'a> {
    fn value(&mut self, shape: &str, value: &Value) {
        match (self.model.shape(shape), value) {
            (Shape::Structure(structure), _) if structure.document => {}
            (Shape::Structure(structure), Value::Object(_)) => self.structure(structure, value),
            (Shape::List(list), Value::Array(items)) => self.list(list, items),
            (Shape::Map(map), Value::Object(entries)) => {
                self.length(entries.len(), map.min, map.max, "Map");
                for (key, entry) in entries {
                    self.path.push(key.clone());
                    self.value(&map.key.shape, &Value::String(key.clone()));
                    self.value(&map.value.shape, entry);
                    self.path.pop();
                }
            }
            (Shape::String(text), Value::String(given)) => self.text(text, given),
            (Shape::Integer(range), Value::Number(number)) => match number.as_i64() {
                Some(whole) if i32::try_from(whole).is_ok() => self.range(range, whole as f64),
                Some(_) | None => self.mistyped("Integer"),
            },
            (Shape::Long(range), Value::Number(number)) => match number.as_i64() {
                Some(whole) => self.range(range, whole as f64),
                None => self.mistyped("Long"),
            },
            (Shape::Float(range) | Shape::Double(range), Value::Number(number)) => {
                self.range(range, number.as_f64().unwrap_or(f64::NAN));
            }
            (Shape::Boolean, Value::Bool(_))
            | (Shape::Timestamp, Value::Number(_))
            | (Shape::Blob, Value::String(_)) => {}
            (Shape::Structure(_), _) => self.mistyped("Structure"),
            (Shape::List(_), _) => self.mistyped("List"),
            (Shape::Map(_), _) => self.mistyped("Map"),
            (Shape::String(_), _) => self.mistyped("String"),
            (Shape::Integer(_), _) => self.mistyped("Integer"),
            (Shape::Long(_), _) => self.mistyped("Long"),
            (Shape::Float(_) | Shape::Double(_), _) => self.mistyped("Double"),
            (Shape::Boolean, _) => self.mistyped("Boolean"),
            (Shape::Timestamp, _) => self.mistyped("Timestamp"),
            (Shape::Blob, _) => self.mistyped("Blob"),
        }
    }

    fn structure(&mut self, structure: &'a Structure, value: &Value) {
        let Value::Object(members) = value else {
            return;
        };
        for name in &structure.required {
            if members.get(name).is_none_or(Value::is_null) {
                self.path.push(name.clone());
                let path = self.at();
                self.found.push(Violation::Missing { path });
                self.path.pop();
            }
        }
        for (name, member) in members {
            self.path.push(name.clone());
            match structure.members.iter().find(|(known, _)| known == name) {
                Some(_) if member.is_null() && self.direction == Direction::Input => {}
                Some((_, reference)) => self.value(&reference.shape, member),
                None => {
                    let path = self.at();
                    self.found.push(Violation::Unknown { path });
                }
            }
            self.path.pop();
        }
    }

    fn list(&mut self, list: &List, items: &[Value]) {
        self.length(items.len(), list.min, list.max, "List");
        for (index, item) in items.iter().enumerate() {
            self.path.push((index + 1).to_string());
            self.path.push("member".into());
            self.value(&list.member.shape, item);
            self.path.truncate(self.path.len() - 2);
        }
    }

    fn text(&mut self, text: &Text, given: &str) {
        if !text.values.is_empty() && !text.values.iter().any(|value| value == given) {
            let allowed = text.values.join(", ");
            self.constraint(
                given,
                format!("Member must satisfy enum value set: [{allowed}]"),
            );
        }
        if self.direction == Direction::Output {
            return;
        }
        let length = given.chars().count();
        if text.min.is_some_and(|min| length < min) {
            let min = text.min.unwrap_or_default();
            self.constraint(
                given,
                format!("Member must have length greater than or equal to {min}"),
            );
        }
        if text.max.is_some_and(|max| length > max) {
            let max = text.max.unwrap_or_default();
            self.constraint(
                given,
                format!("Member must have length less than or equal to {max}"),
            );
        }
        if let Some(pattern) = &text.pattern
            && !matches_whole(pattern, given)
        {
            self.constraint(
                given,
                format!("Member must satisfy regular expression pattern: {pattern}"),
            );
        }
    }

    fn range(&mut self, range: &Range, given: f64) {
        if self.direction == Direction::Output {
            return;
        }
        if let Some(min) = range.min
            && given < min
        {
            self.constraint(
                &given.to_string(),
                format!("Member must have value greater than or equal to {min}"),
            );
        }
        if let Some(max) = range.max
            && given > max
        {
            self.constraint(
                &given.to_string(),
                format!("Member must have value less than or equal to {max}"),
            );
        }
    }

    fn length(&mut self, length: usize, min: Option<usize>, max: Option<usize>, what: &str) {
        if self.direction == Direction::Output {
            return;
        }
        if let Some(min) = min
            && length < min
        {
            self.constraint(
                &format!("{what} of {length}"),
                format!("Member must have length greater than or equal to {min}"),
            );
        }
        if let Some(max) = max
            && length > max
        {
            self.constraint(
                &format!("{what} of {length}"),
                format!("Member must have length less than or equal to {max}"),
            );
        }
    }

    fn mistyped(&mut self, expected: &'static str) {
        let path = self.at();
        self.found.push(Violation::Type { path, expected });
    }

    fn constraint(&mut self, value: &str, constraint: String) {
        let path = self.at();
        self.found.push(Violation::Constraint {
            path,
            value: value.to_owned(),
            constraint,
        });
    }

    /// The path as AWS writes it: every member begins with a small letter.
    fn at(&self) -> String {
        let segments: Vec<String> = self
            .path
            .iter()
            .map(|segment| {
                let mut letters = segment.chars();
                letters.next().map_or_else(String::new, |first| {
                    first.to_lowercase().chain(letters).collect()
                })
            })
            .collect();
        segments.join(".")
    }
}

/// Whether the whole of `text` matches a pattern of the model. A pattern in a notation that is not supported
/// (Unicode classes such as `\p{L}`) is taken to match: it only bounds which letters a tag may have.
fn matches_whole(pattern: &str, text: &str) -> bool {
    static COMPILED: Mutex<Option<HashMap<String, Option<Regex>>>> = Mutex::new(None);
    let mut guard = COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
    let compiled = guard.get_or_insert_with(HashMap::new);
    let regex = compiled
        .entry(pattern.to_owned())
        .or_insert_with(|| Regex::new(&format!("^(?:{pattern})$")).ok());
    regex.as_ref().is_none_or(|regex| regex.is_match(text))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::api::Service;
    use crate::protocol::model;

    fn texts(service: Service, shape: &str, value: Value) -> Vec<String> {
        violations(model::of(service), shape, &value, Direction::Input)
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn a_good_input_has_no_violation() {
        assert!(
            texts(
                Service::Ssm,
                "GetParameterRequest",
                json!({"Name": "/a", "WithDecryption": null})
            )
            .is_empty()
        );
    }

    #[test]
    fn violations_read_as_aws_writes_them() {
        assert_eq!(
            texts(
                Service::Ssm,
                "GetParametersByPathRequest",
                json!({"MaxResults": 11})
            ),
            [
                "Value null at 'path' failed to satisfy constraint: Member must not be null",
                "Value '11' at 'maxResults' failed to satisfy constraint: Member must have value less than or equal to 10",
            ]
        );
        assert_eq!(
            texts(
                Service::Ecs,
                "CreateServiceRequest",
                json!({"serviceName": "a", "launchType": "MOON"})
            ),
            [
                "Value 'MOON' at 'launchType' failed to satisfy constraint: Member must satisfy enum value set: [EC2, FARGATE, EXTERNAL, MANAGED_INSTANCES]"
            ]
        );
        assert_eq!(
            texts(
                Service::Ecs,
                "DescribeServicesRequest",
                json!({"services": ["a", 7], "colour": "green"})
            ),
            [
                "'services.2.member' can not be converted to String",
                "Unknown parameter in input: 'colour'"
            ]
        );
    }

    #[test]
    fn outputs_are_checked_for_members_types_and_enumerations() {
        let model = model::of(Service::Ecs);
        let output = json!({"services": [{"status": 1, "launchType": "MOON", "color": ""}], "failures": null});
        let found = violations(
            model,
            "DescribeServicesResponse",
            &output,
            Direction::Output,
        );
        assert_eq!(found.len(), 4, "{found:?}");
    }

    #[test]
    fn unsupported_patterns_let_everything_pass() {
        assert!(matches_whole("^([\\p{L}]*)$", "é"));
        assert!(!matches_whole("^(2|4|5)\\d\\d$", "301"));
    }
}
