//! Compares a document with its schema and explains every difference.
//!
//! Knows the keywords that [`super::schema`] uses: `not: {}`, `type`, `const`, `enum`, `oneOf` of constants, lengths,
//! ranges and `multipleOf`, `properties`, `required`, `additionalProperties`, `propertyNames`, `items`, and `format` by
//! [`super::format`]. A test holds that the schema uses no others.

use serde_json::Value;

use super::format;
use super::node::{Entry, Kind, Node};
use super::path::Path;
use super::problem::Finding;
use crate::text::cut;

/// Everything in `node` that `schema` does not allow.
pub(super) fn check(node: &Node, schema: &Value) -> Vec<Finding> {
    let mut checker = Checker {
        findings: Vec::new(),
    };
    checker.value(node, schema, &Path::default());
    checker.findings
}

struct Checker {
    findings: Vec<Finding>,
}

impl Checker {
    fn report(&mut self, node: &Node, path: &Path, found: impl ToString, right: impl Into<String>) {
        self.findings.push(Finding {
            path: path.clone(),
            place: node.place,
            found: found.to_string(),
            right: right.into(),
        });
    }

    fn report_key(
        &mut self,
        entry: &Entry,
        path: &Path,
        found: impl Into<String>,
        right: impl Into<String>,
    ) {
        self.findings.push(Finding {
            path: path.clone(),
            place: entry.key_place,
            found: found.into(),
            right: right.into(),
        });
    }

    fn value(&mut self, node: &Node, schema: &Value, path: &Path) {
        if let Kind::Map(entries) = &node.kind
            && let [Entry { key, .. }] = entries.as_slice()
            && key == "fromSsm"
        {
            return self.report(
                node,
                path,
                "`fromSsm`",
                "it is reserved and not supported yet; write the value itself",
            );
        }
        let types = type_names(schema);
        if !types.is_empty() && !types.iter().any(|name| has_type(node, name)) {
            let unquoted =
                matches!(node.kind, Kind::Number(_) | Kind::Bool(_)) && types == ["string"];
            // What would be right is what the format says of an empty text.
            let right = match schema["format"]
                .as_str()
                .map(|name| format::check(name, ""))
            {
                Some(Err(right)) => right,
                Some(Ok(())) | None if unquoted => "write it in quotes, as text".to_owned(),
                Some(Ok(())) | None => expected(schema),
            };
            return self.report(node, path, node, right);
        }
        if let Some(allowed) = constants(schema)
            && !allowed.contains(&node.to_json())
        {
            return self.report(node, path, node, expected(schema));
        }
        match &node.kind {
            Kind::Null | Kind::Bool(_) => {}
            Kind::Number(number) => {
                let value = number.as_f64().unwrap_or(f64::NAN);
                let bound = |keyword: &str| schema[keyword].as_f64();
                let odd = |unit: f64| (value / unit - (value / unit).round()).abs() > 1e-6;
                if bound("minimum").is_some_and(|least| value < least)
                    || bound("maximum").is_some_and(|most| value > most)
                    || bound("multipleOf").is_some_and(odd)
                {
                    self.report(node, path, node, expected(schema));
                }
            }
            Kind::Text(text) => self.text(node, text, schema, path),
            Kind::List(items) => {
                if !in_bounds(schema, "minItems", "maxItems", items.len()) {
                    self.report(node, path, node, expected(schema));
                }
                for (index, item) in items.iter().enumerate() {
                    self.value(item, &schema["items"], &path.index(index));
                }
            }
            Kind::Map(entries) => self.map(node, entries, schema, path),
        }
    }

    fn text(&mut self, node: &Node, text: &str, schema: &Value, path: &Path) {
        if !in_bounds(schema, "minLength", "maxLength", text.chars().count()) {
            self.report(node, path, node, expected(schema));
        } else if let Some(name) = schema["format"].as_str()
            && let Err(right) = format::check(name, text)
        {
            self.report(node, path, node, right);
        }
    }

    fn map(&mut self, node: &Node, entries: &[Entry], schema: &Value, path: &Path) {
        for name in schema["required"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
        {
            if !entries.iter().any(|entry| entry.key == name) {
                let description = &schema["properties"][name]["description"];
                let what = description
                    .as_str()
                    .and_then(|text| text.split_inclusive(['.', ':']).next())
                    .unwrap_or("");
                let what = what.trim_end_matches(['.', ':']);
                self.report(
                    node,
                    &path.key(name),
                    "nothing",
                    format!("`{name}` must be given ({what})"),
                );
            }
        }
        for entry in entries {
            let below = path.key(&entry.key);
            let property = &schema["properties"][entry.key.as_str()];
            if property.get("not").is_some() {
                self.report_key(
                    entry,
                    &below,
                    format!("`{}`", entry.key),
                    expected(property),
                );
            } else if !property.is_null() {
                self.value(&entry.value, property, &below);
            } else if schema["additionalProperties"] == Value::Bool(false) {
                let right = unknown_field(&entry.key, schema);
                self.report_key(
                    entry,
                    &below,
                    format!("the unknown field `{}`", cut(&entry.key, 60)),
                    right,
                );
            } else {
                let names = &schema["propertyNames"];
                let length_is_right =
                    in_bounds(names, "minLength", "maxLength", entry.key.chars().count());
                let format = names["format"].as_str().unwrap_or_default();
                if !length_is_right {
                    self.report_key(entry, &below, "this key", expected(names));
                } else if let Err(right) = format::check(format, &entry.key) {
                    self.report_key(entry, &below, "this key", right);
                }
                self.value(&entry.value, &schema["additionalProperties"], &below);
            }
        }
        if !in_bounds(schema, "minProperties", "maxProperties", entries.len()) {
            self.report(node, path, node, expected(schema));
        }
    }
}

fn type_names(schema: &Value) -> Vec<&str> {
    match &schema["type"] {
        Value::String(name) => vec![name],
        Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => Vec::new(),
    }
}

fn has_type(node: &Node, name: &str) -> bool {
    match &node.kind {
        Kind::Null => name == "null",
        Kind::Bool(_) => name == "boolean",
        Kind::Number(number) => {
            name == "number" || name == "integer" && (number.is_i64() || number.is_u64())
        }
        Kind::Text(_) => name == "string",
        Kind::List(_) => name == "array",
        Kind::Map(_) => name == "object",
    }
}

/// The values that `const`, `enum` or a `oneOf` of constants allows.
fn constants(schema: &Value) -> Option<Vec<Value>> {
    if let Some(only) = schema.get("const") {
        return Some(vec![only.clone()]);
    }
    if let Some(several) = schema["enum"].as_array() {
        return Some(several.clone());
    }
    schema["oneOf"].as_array().map(|branches| {
        branches
            .iter()
            .map(|branch| branch["const"].clone())
            .collect()
    })
}

fn in_bounds(schema: &Value, least: &str, most: &str, length: usize) -> bool {
    let bound = |keyword: &str| {
        schema[keyword]
            .as_u64()
            .and_then(|bound| usize::try_from(bound).ok())
    };
    bound(least).is_none_or(|least| length >= least)
        && bound(most).is_none_or(|most| length <= most)
}

/// What `schema` wants, in words.
fn expected(schema: &Value) -> String {
    if let Some(text) = schema["errorMessage"].as_str() {
        return text.to_owned();
    }
    if let Some(allowed) = constants(schema) {
        let allowed: Vec<_> = allowed
            .iter()
            .filter_map(Value::as_str)
            .map(|value| format!("`{value}`"))
            .collect();
        return format!("write {}", allowed.join(" or "));
    }
    let bounds = |least: &str, most: &str| match (schema[least].as_u64(), schema[most].as_u64()) {
        (Some(least), Some(most)) => format!("{least} to {most}"),
        (Some(least), None) => format!("at least {least}"),
        (None, Some(most)) => format!("at most {most}"),
        (None, None) => "any number of".into(),
    };
    let of_type = |name: &str| match name {
        "string" => format!("text of {} characters", bounds("minLength", "maxLength")),
        "integer" => format!("a whole number, {}", bounds("minimum", "maximum")),
        "array" => format!("a list of {} entries", bounds("minItems", "maxItems")),
        "object" => format!(
            "a map of {} fields",
            bounds("minProperties", "maxProperties")
        ),
        other => other.to_owned(),
    };
    let types = type_names(schema)
        .into_iter()
        .filter(|name| *name != "null");
    let types: Vec<_> = types.map(of_type).collect();
    format!("write {}", types.join(" or "))
}

fn unknown_field(key: &str, schema: &Value) -> String {
    let supported = schema["properties"]
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(_, property)| property.get("not").is_none());
    let names: Vec<&str> = supported.map(|(name, _)| name.as_str()).collect();
    match names.iter().map(|name| (distance(key, name), *name)).min() {
        None => expected(schema),
        Some((steps, name)) if steps <= 1 + name.len() / 4 => format!("did you mean `{name}`?"),
        _ => format!(
            "known here are {}",
            names
                .iter()
                .map(|name| format!("`{name}`"))
                .collect::<Vec<_>>()
                .join(", ")
        ),
    }
}

/// Letters to insert, remove or replace until `a` is `b`, capital or small (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.to_lowercase().chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.to_lowercase().chars().take(100).enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}
