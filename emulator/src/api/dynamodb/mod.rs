//! Amazon DynamoDB (AWS JSON 1.0): tables with a primary key, single items, conditional writes.
//!
//! As far as a lease or another small record by any client needs it: no indexes, queries, transactions or streams; in
//! expressions only top-level attributes; reserved words are not refused.
//!
//! - [`table`]: tables. [`item`]: single items. [`expression`]: conditions and updates.

mod expression;
mod item;
mod table;

use serde_json::Value;

use super::AwsError;
use super::json::text;
use crate::world::World;
use crate::world::dynamodb::Table;

/// Carries out one operation.
///
/// # Errors
/// The refusal that AWS would give.
pub fn call(world: &mut World, operation: &str, input: &Value) -> Result<Value, AwsError> {
    match operation {
        "CreateTable" => table::create(world, input),
        "DescribeTable" => table::describe(world, input),
        "DeleteTable" => table::delete(world, input),
        "ListTables" => table::list(world, input),
        "PutItem" => item::put(world, input),
        "GetItem" => item::get(world, input),
        "UpdateItem" => item::update(world, input),
        "DeleteItem" => item::delete(world, input),
        _ => Err(AwsError::not_emulated(operation)),
    }
}

/// The table that an input names, by name or ARN.
fn named<'a>(world: &'a mut World, input: &Value) -> Result<&'a mut Table, AwsError> {
    let name = table_name(input);
    let found = world.dynamodb.tables.get_mut(name);
    found.ok_or_else(|| AwsError::new("ResourceNotFoundException", "Requested resource not found"))
}

fn table_name(input: &Value) -> &str {
    let given = text(input, "TableName").unwrap_or_default();
    given.rsplit_once(":table/").map_or(given, |(_, name)| name)
}

fn invalid(text: impl Into<String>) -> AwsError {
    AwsError::new("ValidationException", text)
}

/// Members that would change what an operation does, and that are not emulated, are refused rather than ignored.
fn refuse(input: &Value, members: &[&str]) -> Result<(), AwsError> {
    let given = members.iter().find(|member| input.get(**member).is_some());
    given.map_or(Ok(()), |member| {
        Err(invalid(format!("{member} is not emulated")))
    })
}
