//! Single items, with conditions.

use serde_json::{Map, Value, json};

use super::expression::{Condition, Placeholders, Update};
use super::{invalid, named, refuse};
use crate::api::AwsError;
use crate::api::json::text;
use crate::world::World;
use crate::world::dynamodb::{Item, Table};

/// The types of attribute values.
const TYPES: [&str; 10] = ["S", "N", "B", "SS", "NS", "BS", "M", "L", "NULL", "BOOL"];
/// The ways from before there were expressions.
const LEGACY: [&str; 4] = [
    "Expected",
    "ConditionalOperator",
    "AttributeUpdates",
    "AttributesToGet",
];

pub(super) fn put(world: &mut World, input: &Value) -> Result<Value, AwsError> {
    let table = named(world, input)?;
    let item = object(input, "Item");
    check_values(&item)?;
    let key = key_of(table, &item).map_err(|problem| {
        invalid(format!(
            "One or more parameter values were invalid: {problem}"
        ))
    })?;
    let before = table.items.get(&key).cloned();
    let mut placeholders = Placeholders::of(input);
    meets(input, &mut placeholders, before.as_ref())?;
    table.items.insert(key, item);
    answer(input, before, None)
}

pub(super) fn get(world: &mut World, input: &Value) -> Result<Value, AwsError> {
    refuse(input, &LEGACY)?;
    refuse(input, &["ProjectionExpression"])?;
    let table = named(world, input)?;
    let key = given_key(table, input)?;
    Ok(table
        .items
        .get(&key)
        .map_or_else(|| json!({}), |item| json!({"Item": item})))
}

pub(super) fn update(world: &mut World, input: &Value) -> Result<Value, AwsError> {
    let table = named(world, input)?;
    let key = given_key(table, input)?;
    let before = table.items.get(&key).cloned();
    let mut placeholders = Placeholders::of(input);
    let update = match text(input, "UpdateExpression") {
        Some(update) => Some(Update::parse(update, &mut placeholders)?),
        None => None,
    };
    meets(input, &mut placeholders, before.as_ref())?;
    let mut item = before.clone().unwrap_or_else(|| object(input, "Key"));
    if let Some(update) = update {
        if let Some((attribute, _)) = table.key.iter().find(|(name, _)| update.touches(name)) {
            return Err(invalid(format!(
                "One or more parameter values were invalid: Cannot update attribute {attribute}. This attribute is \
                 part of the key"
            )));
        }
        update.apply(&mut item)?;
    }
    check_values(&item)?;
    table.items.insert(key, item.clone());
    answer(input, before, Some(item))
}

pub(super) fn delete(world: &mut World, input: &Value) -> Result<Value, AwsError> {
    let table = named(world, input)?;
    let key = given_key(table, input)?;
    let before = table.items.get(&key).cloned();
    let mut placeholders = Placeholders::of(input);
    meets(input, &mut placeholders, before.as_ref())?;
    table.items.remove(&key);
    answer(input, before, None)
}

/// The write's condition, if it has one, holds for the item as it is.
fn meets(
    input: &Value,
    placeholders: &mut Placeholders,
    item: Option<&Item>,
) -> Result<(), AwsError> {
    refuse(input, &LEGACY)?;
    if text(input, "ReturnValuesOnConditionCheckFailure") == Some("ALL_OLD") {
        return Err(invalid(
            "ReturnValuesOnConditionCheckFailure ALL_OLD is not emulated",
        ));
    }
    let condition = text(input, "ConditionExpression");
    let condition = condition.map(|condition| Condition::parse(condition, placeholders));
    let condition = condition.transpose()?;
    placeholders.all_used()?;
    if condition.is_none_or(|condition| condition.holds(item.unwrap_or(&Map::new()))) {
        return Ok(());
    }
    Err(AwsError::new(
        "ConditionalCheckFailedException",
        "The conditional request failed",
    ))
}

fn answer(input: &Value, before: Option<Item>, after: Option<Item>) -> Result<Value, AwsError> {
    let attributes = match (text(input, "ReturnValues").unwrap_or("NONE"), &after) {
        ("NONE", _) => None,
        ("ALL_OLD", _) => before,
        ("ALL_NEW", Some(_)) => after,
        (other, Some(_)) => return Err(invalid(format!("ReturnValues {other} is not emulated"))),
        (_, None) => return Err(invalid("ReturnValues can only be ALL_OLD or NONE")),
    };
    Ok(attributes.map_or_else(|| json!({}), |item| json!({"Attributes": item})))
}

fn object(input: &Value, member: &str) -> Item {
    let object = input.get(member).and_then(Value::as_object);
    object.cloned().unwrap_or_default()
}

/// Each value has exactly one type; a number is one.
fn check_values(item: &Item) -> Result<(), AwsError> {
    for value in item.values() {
        let members = value.as_object();
        let one = members.filter(|members| members.len() == 1);
        let Some((kind, value)) = one.and_then(|members| members.iter().next()) else {
            return Err(invalid(
                "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes",
            ));
        };
        if !TYPES.contains(&kind.as_str()) {
            return Err(invalid(format!("{kind} is not a type")));
        }
        let number = value.as_str().map(str::parse::<f64>);
        if kind == "N" && !matches!(number, Some(Ok(number)) if number.is_finite()) {
            return Err(invalid(format!(
                "The parameter cannot be converted to a numeric value: {}",
                value.as_str().unwrap_or_default()
            )));
        }
    }
    Ok(())
}

/// The text of an item's key.
fn key_of(table: &Table, item: &Item) -> Result<String, String> {
    let mut parts = Vec::new();
    for (name, kind) in &table.key {
        let Some(value) = item.get(name) else {
            return Err(format!("Missing the key {name} in the item"));
        };
        let Some(part) = value.get(kind) else {
            let actual = value.as_object().and_then(|value| value.keys().next());
            return Err(format!(
                "Type mismatch for key {name} expected: {kind} actual: {}",
                actual.map_or("nothing", String::as_str)
            ));
        };
        if part.as_str() == Some("") {
            return Err(format!(
                "The AttributeValue for a key attribute cannot contain an empty string value. Key: {name}"
            ));
        }
        parts.push(part.to_string());
    }
    Ok(parts.join(","))
}

fn given_key(table: &Table, input: &Value) -> Result<String, AwsError> {
    let key = object(input, "Key");
    let mismatch = || invalid("The provided key element does not match the schema");
    if key.len() != table.key.len() {
        return Err(mismatch());
    }
    key_of(table, &key).map_err(|_| mismatch())
}
