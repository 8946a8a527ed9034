//! Tables.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{invalid, named, refuse, table_name};
use crate::api::AwsError;
use crate::api::json::{self, text};
use crate::world::World;
use crate::world::dynamodb::Table;

/// Creates a table. The answer says `CREATING`; it can be used at once.
pub(super) fn create(world: &mut World, input: &Value) -> Result<Value, AwsError> {
    refuse(
        input,
        &[
            "LocalSecondaryIndexes",
            "GlobalSecondaryIndexes",
            "StreamSpecification",
            "GlobalTableSourceArn",
        ],
    )?;
    let name = table_name(input).to_owned();
    if world.dynamodb.tables.contains_key(&name) {
        let text = format!("Table already exists: {name}");
        return Err(AwsError::new("ResourceInUseException", text));
    }
    let named = |of: &Value, member: &str| text(of, member).unwrap_or_default().to_owned();
    let types: BTreeMap<String, String> = json::list(input, "AttributeDefinitions")
        .iter()
        .map(|one| (named(one, "AttributeName"), named(one, "AttributeType")))
        .collect();
    let mut key = Vec::new();
    for (element, kind) in json::list(input, "KeySchema").iter().zip(["HASH", "RANGE"]) {
        let attribute = named(element, "AttributeName");
        if text(element, "KeyType") != Some(kind) {
            return Err(invalid(
                "Invalid KeySchema: The first KeySchemaElement is not a HASH key type, or the second not a RANGE one",
            ));
        }
        let Some(kind) = types.get(&attribute) else {
            return Err(invalid(format!(
                "One or more parameter values were invalid: Some index key attributes are not defined in \
                 AttributeDefinitions. Keys: [{attribute}]"
            )));
        };
        key.push((attribute, kind.clone()));
    }
    if key.is_empty() {
        return Err(invalid(
            "One or more parameter values were invalid: KeySchema must not be empty",
        ));
    }
    if types.len() != key.len() {
        return Err(invalid(
            "One or more parameter values were invalid: Number of attributes in KeySchema does not exactly match \
             number of attributes defined in AttributeDefinitions",
        ));
    }
    let on_demand = text(input, "BillingMode") == Some("PAY_PER_REQUEST");
    if on_demand == input.get("ProvisionedThroughput").is_some() {
        return Err(invalid(
            "One or more parameter values were invalid: ProvisionedThroughput must be given with billing mode \
             PROVISIONED, and not with PAY_PER_REQUEST",
        ));
    }
    let members = ["AttributeDefinitions", "KeySchema", "ProvisionedThroughput"];
    let mut definition: Map<String, Value> = members
        .iter()
        .filter_map(|member| Some(((*member).to_owned(), input.get(*member)?.clone())))
        .collect();
    if on_demand {
        let billing = json!({"BillingMode": "PAY_PER_REQUEST"});
        definition.insert("BillingModeSummary".to_owned(), billing);
    }
    let table = Table {
        name: name.clone(),
        created: world.now,
        definition,
        key,
        items: BTreeMap::new(),
    };
    let answer = description(world, &table, "CREATING");
    world.dynamodb.tables.insert(name, table);
    Ok(json!({"TableDescription": answer}))
}

pub(super) fn describe(world: &mut World, input: &Value) -> Result<Value, AwsError> {
    let table = found(world, input)?;
    Ok(json!({"Table": description(world, &table, "ACTIVE")}))
}

/// Deletes a table with its items, at once.
pub(super) fn delete(world: &mut World, input: &Value) -> Result<Value, AwsError> {
    let table = found(world, input)?;
    world.dynamodb.tables.remove(&table.name);
    Ok(json!({"TableDescription": description(world, &table, "DELETING")}))
}

pub(super) fn list(world: &mut World, input: &Value) -> Result<Value, AwsError> {
    refuse(input, &["ExclusiveStartTableName", "Limit"])?;
    let names: Vec<&String> = world.dynamodb.tables.keys().collect();
    Ok(json!({"TableNames": names}))
}

fn found(world: &mut World, input: &Value) -> Result<Table, AwsError> {
    named(world, input).cloned().map_err(|_| {
        let text = format!(
            "Requested resource not found: Table: {} not found",
            table_name(input)
        );
        AwsError::new("ResourceNotFoundException", text)
    })
}

fn description(world: &World, table: &Table, status: &str) -> Value {
    let (region, account) = (&world.settings.region, &world.settings.account);
    let mut description = table.definition.clone();
    for (member, value) in [
        ("TableName", json!(table.name)),
        ("TableStatus", json!(status)),
        ("CreationDateTime", json!(world.unix_seconds(table.created))),
        ("ItemCount", json!(table.items.len())),
        ("TableSizeBytes", json!(0)),
        (
            "TableArn",
            json!(format!(
                "arn:aws:dynamodb:{region}:{account}:table/{}",
                table.name
            )),
        ),
    ] {
        description.insert(member.to_owned(), value);
    }
    Value::Object(description)
}
