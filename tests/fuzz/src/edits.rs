//! Small damage to good input: what fuzzers made of bytes alone would seldom find in a document or an answer.

use arbitrary::Unstructured;
use serde_json::{Map, Value, json};

/// Edits that one input may ask for.
const MOST: usize = 8;

/// Changes nodes of a JSON value as `choices` say: puts something else in their place, removes or repeats members,
/// cuts texts, moves numbers. `words` are texts that mean something where the value is read.
pub(crate) fn edit(value: &mut Value, choices: &mut Unstructured<'_>, words: &[&str]) {
    for _ in 0..MOST {
        if choices.is_empty() {
            return;
        }
        edit_one(value, choices, words);
    }
}

fn edit_one(value: &mut Value, choices: &mut Unstructured<'_>, words: &[&str]) {
    let count = nodes(value);
    let at = below(choices, count);
    match below(choices, 8) {
        0 => {
            let other = below(choices, count);
            let copied = nth(value, other).cloned().unwrap_or(Value::Null);
            replace(value, at, copied);
        }
        1 | 2 => remove(value, at, choices),
        3 => repeat(value, at, choices),
        4 => nudge(value, at, choices),
        5 => {
            let word = words.get(below(choices, words.len())).copied();
            replace(value, at, json!(word.unwrap_or("teal")));
        }
        _ => {
            let other = odd(choices);
            replace(value, at, other);
        }
    }
}

/// A number below `limit`; 0 when there is no choice.
pub(crate) fn below(choices: &mut Unstructured<'_>, limit: usize) -> usize {
    choices
        .int_in_range(0..=limit.saturating_sub(1))
        .unwrap_or(0)
}

/// A value that readers stumble over.
pub(crate) fn odd(choices: &mut Unstructured<'_>) -> Value {
    const TEXTS: [&str; 16] = [
        "",
        " ",
        "0",
        "-1",
        "null",
        "true",
        "é\u{1F600}",
        "\u{0}",
        "a\nb",
        "\u{1b}[31m",
        "]]>&amp;<x>",
        "18446744073709551615",
        "arn:aws:",
        "a/b/c/d",
        "2026-08-01T00:00:00Z",
        "\"\\",
    ];
    match below(choices, 12) {
        0 => Value::Null,
        1 => json!(true),
        2 => json!(false),
        3 => json!([0, 1, -1, i32::MAX, i32::MIN][below(choices, 5)]),
        4 => json!([i64::MAX, i64::MIN, 2_147_483_648, 65_536, 1_000][below(choices, 5)]),
        5 => json!([0.5, 1e300, -0.0, 1.999_999_999_999_9, 1e-300][below(choices, 5)]),
        6 => json!([]),
        7 => json!({}),
        8 => json!("é".repeat(1 << below(choices, 14))),
        9 => (0..below(choices, 60)).fold(Value::Null, |inner, _| json!([inner])),
        _ => json!(TEXTS[below(choices, TEXTS.len())]),
    }
}

fn nodes(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(nodes).sum(),
        Value::Object(members) => members.values().map(nodes).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

/// The node at a place, counted from the root downwards.
fn nth(value: &Value, at: usize) -> Option<&Value> {
    fn walk<'a>(value: &'a Value, left: &mut usize) -> Option<&'a Value> {
        if *left == 0 {
            return Some(value);
        }
        *left -= 1;
        match value {
            Value::Array(items) => items.iter().find_map(|item| walk(item, left)),
            Value::Object(members) => members.values().find_map(|member| walk(member, left)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
        }
    }
    walk(value, &mut { at })
}

/// Applies `change` to the node at a place.
fn change(value: &mut Value, at: usize, change: &mut dyn FnMut(&mut Value)) {
    fn walk(value: &mut Value, left: &mut usize, change: &mut dyn FnMut(&mut Value)) -> bool {
        if *left == 0 {
            change(value);
            return true;
        }
        *left -= 1;
        match value {
            Value::Array(items) => items.iter_mut().any(|item| walk(item, left, change)),
            Value::Object(members) => members
                .values_mut()
                .any(|member| walk(member, left, change)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
        }
    }
    walk(value, &mut { at }, change);
}

fn replace(value: &mut Value, at: usize, with: Value) {
    change(value, at, &mut |node| *node = with.clone());
}

/// Removes a member or an item of the node; a text loses its end.
fn remove(value: &mut Value, at: usize, choices: &mut Unstructured<'_>) {
    let which: usize = below(choices, 64);
    change(value, at, &mut |node| match node {
        Value::Object(members) if !members.is_empty() => {
            let name = members.keys().nth(which % members.len()).cloned();
            name.and_then(|name| members.shift_remove(&name));
        }
        Value::Array(items) if !items.is_empty() => {
            items.remove(which % items.len());
        }
        Value::String(text) => *text = text.chars().take(which).collect(),
        Value::Object(_) | Value::Array(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
    });
}

/// An item comes once more; a member comes again under another name.
fn repeat(value: &mut Value, at: usize, choices: &mut Unstructured<'_>) {
    let which: usize = below(choices, 64);
    change(value, at, &mut |node| match node {
        Value::Object(members) => {
            let copies: Map<String, Value> = members
                .iter()
                .nth(which.checked_rem(members.len()).unwrap_or(0))
                .map(|(name, member)| (format!("{name}2"), member.clone()))
                .into_iter()
                .collect();
            members.extend(copies);
        }
        Value::Array(items) => {
            let copy = items
                .get(which.checked_rem(items.len()).unwrap_or(0))
                .cloned();
            items.extend(copy);
        }
        Value::String(text) => text.push_str(&text.clone()),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    });
}

/// A number moves by a little, a truth turns round, another character stands in a text.
fn nudge(value: &mut Value, at: usize, choices: &mut Unstructured<'_>) {
    let by = i64::from(choices.arbitrary::<i8>().unwrap_or(1));
    change(value, at, &mut |node| match node {
        Value::Number(number) => {
            *node = json!(number.as_i64().unwrap_or(0).wrapping_add(by));
        }
        Value::Bool(truth) => *truth = !*truth,
        Value::String(text) => {
            let place = usize::try_from(by.unsigned_abs()).unwrap_or(0);
            *text = text
                .chars()
                .enumerate()
                .map(|(n, c)| if n == place { '?' } else { c })
                .collect();
        }
        Value::Null | Value::Array(_) | Value::Object(_) => {}
    });
}

/// Damages bytes: cuts the end, takes a part out, puts bytes in, repeats a part.
pub(crate) fn damage(bytes: &mut Vec<u8>, choices: &mut Unstructured<'_>) {
    for _ in 0..MOST {
        if choices.is_empty() {
            return;
        }
        let at = below(choices, bytes.len() + 1);
        let end = (at + below(choices, 40)).min(bytes.len());
        match below(choices, 5) {
            0 => bytes.truncate(at),
            1 => drop(bytes.drain(at..end)),
            2 => {
                let again = bytes[at..end].to_vec();
                bytes.splice(at..at, again);
            }
            3 => {
                const PARTS: [&[u8]; 10] = [
                    b"<",
                    b"</member>",
                    b"]]>",
                    b"&#0;",
                    b"\xff",
                    b"\"",
                    b"}",
                    b"\\u",
                    b"\0",
                    b"<!DOCTYPE a [<!ENTITY a 'a'>]>",
                ];
                let part = PARTS[below(choices, PARTS.len())];
                bytes.splice(at..end, part.iter().copied());
            }
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << below(choices, 8);
                }
            }
        }
    }
}
