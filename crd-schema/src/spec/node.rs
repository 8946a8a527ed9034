//! A document as a tree of values that know where they stand.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use serde_saphyr::{DuplicateKeyPolicy, MessageFormatter, Spanned};

use super::path::{Path, Segment};
use crate::text::cut;

/// A place in the text: line and column from 1 (columns count characters), and a length in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) length: usize,
}

impl From<serde_saphyr::Location> for Place {
    fn from(location: serde_saphyr::Location) -> Self {
        let number = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        Self {
            line: number(location.line()),
            column: number(location.column()),
            length: number(location.span().len()),
        }
    }
}

/// A value and its place.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) place: Place,
    pub(super) kind: Kind,
}

/// A value.
#[derive(Debug)]
pub(super) enum Kind {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A key with its own place, and its value.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) key_place: Place,
    pub(super) value: Node,
}

/// Why a text is no document.
#[derive(Debug)]
pub(super) struct Unreadable {
    pub(super) place: Option<Place>,
    pub(super) found: String,
    pub(super) right: String,
}

/// Reads YAML, of which JSON is a part. Duplicate keys are refused; depth, size and expansion of aliases are bounded,
/// so that a small text cannot become a large tree.
pub(super) fn parse(text: &str) -> Result<Node, Unreadable> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: 40,
            max_documents: 2,
            max_nodes: 10_000,
            max_events: 30_000,
            max_anchors: 50,
            max_aliases: 200,
            max_merge_keys: 50,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: 10_000,
            max_replay_stack_depth: 8,
        },
        duplicate_keys: DuplicateKeyPolicy::Error,
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        reject_unsupported_tags: true,
    };
    serde_saphyr::from_str_with_options(text, options).map_err(Unreadable::from)
}

impl From<serde_saphyr::Error> for Unreadable {
    fn from(error: serde_saphyr::Error) -> Self {
        use serde_saphyr::Error as E;

        let place = error
            .location()
            .map(Place::from)
            .filter(|place| place.line > 0);
        let error = error.without_snippet();
        let (found, right) = if let E::DuplicateMappingKey { key, .. } = error {
            let field = key
                .as_ref()
                .map_or("a field".into(), |key| format!("`{}`", cut(key, 60)));
            (
                format!("{field} a second time"),
                "write each field once".into(),
            )
        } else if let E::MultipleDocuments { .. } = error {
            (
                "a second document".into(),
                "write one Application in each file".into(),
            )
        } else if let E::Budget { .. } = error {
            let right = "write lists and maps that are smaller and less deeply nested";
            ("more than a document may unfold to".into(), right.into())
        } else {
            let reason = serde_saphyr::UserMessageFormatter.format_message(error);
            ("no readable YAML or JSON".into(), cut(&reason, 200))
        };
        Self {
            place,
            found,
            right,
        }
    }
}

impl Node {
    /// The value as JSON, places forgotten.
    pub(super) fn to_json(&self) -> Value {
        match &self.kind {
            Kind::Null => Value::Null,
            Kind::Bool(value) => Value::Bool(*value),
            Kind::Number(value) => Value::Number(value.clone()),
            Kind::Text(value) => Value::String(value.clone()),
            Kind::List(items) => items.iter().map(Self::to_json).collect(),
            Kind::Map(entries) => entries
                .iter()
                .map(|entry| (entry.key.clone(), entry.value.to_json()))
                .collect::<Map<_, _>>()
                .into(),
        }
    }

    /// The place of the value at `path`, or of the nearest one above it.
    pub(super) fn place_of(&self, path: &Path) -> Place {
        let mut node = self;
        for segment in path.segments() {
            let below = match (&node.kind, segment) {
                (Kind::List(items), Segment::Index(index)) => items.get(*index),
                (Kind::Map(entries), Segment::Key(key)) => {
                    entries.iter().find(|e| e.key == *key).map(|e| &e.value)
                }
                _ => None,
            };
            match below {
                Some(below) => node = below,
                None => break,
            }
        }
        node.place
    }
}

impl fmt::Display for Node {
    /// What a person would say is there, in a few words.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Null => f.write_str("nothing"),
            Kind::Bool(value) => write!(f, "{value}"),
            Kind::Number(value) => write!(f, "the number {value}"),
            Kind::Text(value) => write!(f, "{:?}", cut(value, 100)),
            Kind::List(items) => write!(f, "a list of {}", items.len()),
            Kind::Map(entries) if entries.is_empty() => f.write_str("an empty map"),
            Kind::Map(entries) => {
                let keys: Vec<_> = entries
                    .iter()
                    .take(4)
                    .map(|entry| cut(&entry.key, 40))
                    .collect();
                let more = if entries.len() > keys.len() {
                    ", …"
                } else {
                    ""
                };
                write!(f, "a map of {}{more}", keys.join(", "))
            }
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Kind>::deserialize(deserializer)?;
        Ok(Self {
            place: spanned.referenced.into(),
            kind: spanned.value,
        })
    }
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(KindVisitor)
    }
}

struct KindVisitor;

impl<'de> Visitor<'de> for KindVisitor {
    type Value = Kind;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Kind, E> {
        Ok(Kind::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Kind, E> {
        Ok(Kind::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Kind, E> {
        Ok(Kind::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Kind, E> {
        Ok(Kind::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Kind, E> {
        Number::from_f64(value)
            .map(Kind::Number)
            .ok_or_else(|| E::custom("a number must be finite"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Kind, E> {
        Ok(Kind::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Kind, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Kind::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Kind, A::Error> {
        let mut entries = Vec::new();
        while let Some((key, value)) = map.next_entry::<Spanned<String>, Node>()? {
            entries.push(Entry {
                key: key.value,
                key_place: key.referenced.into(),
                value,
            });
        }
        Ok(Kind::Map(entries))
    }
}
