//! Reading inputs, and pages of answers.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// A text member.
pub(crate) fn text<'a>(input: &'a Value, member: &str) -> Option<&'a str> {
    input.get(member).and_then(Value::as_str)
}

/// A list member; empty when absent.
pub(crate) fn list<'a>(input: &'a Value, member: &str) -> &'a [Value] {
    input
        .get(member)
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default()
}

/// A list member of texts; empty when absent.
pub(crate) fn texts<'a>(input: &'a Value, member: &str) -> Vec<&'a str> {
    list(input, member)
        .iter()
        .filter_map(Value::as_str)
        .collect()
}

/// A list of tags, with members named `key` and `value` as the service spells them.
pub(crate) fn tags(
    input: &Value,
    member: &str,
    key: &str,
    value: &str,
) -> BTreeMap<String, String> {
    list(input, member)
        .iter()
        .filter_map(|tag| {
            Some((
                text(tag, key)?.to_owned(),
                text(tag, value).unwrap_or_default().to_owned(),
            ))
        })
        .collect()
}

/// Tags as the service spells them.
pub(crate) fn tag_list(tags: &BTreeMap<String, String>, key: &str, value: &str) -> Value {
    tags.iter()
        .map(|(name, text)| json!({ key: name, value: text }))
        .collect()
}

/// The input's object without the members named.
pub(crate) fn without(input: &Value, members: &[&str]) -> Map<String, Value> {
    let mut map = input.as_object().cloned().unwrap_or_default();
    map.retain(|name, _| !members.contains(&name.as_str()));
    map
}

/// One page of `items`, that begins after the item named by `token` (the last of the page before), and the
/// token of the next page. `None`: the token names no item.
pub(crate) fn page<T: Clone>(
    items: &[T],
    token: Option<&str>,
    size: usize,
    name: impl Fn(&T) -> String,
) -> Option<(Vec<T>, Option<String>)> {
    let start = match token {
        None => 0,
        Some(token) => items.iter().position(|item| name(item) == token)? + 1,
    };
    let rest = &items[start..];
    let page = rest[..rest.len().min(size)].to_vec();
    let next = (rest.len() > size)
        .then(|| page.last().map(&name))
        .flatten();
    Some((page, next))
}
