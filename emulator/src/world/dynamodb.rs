//! Amazon DynamoDB: tables and their items, as they were put.
//!
//! Every write is seen by every consistent read at once; reads that are not consistent lag as other reads do (see
//! [`crate::faults`]).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Millis;

/// Amazon DynamoDB.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct DynamoDb {
    /// By name.
    pub tables: BTreeMap<String, Table>,
}

/// An item: attribute values by name, each an object with the one member that is its type, as on the wire.
pub type Item = Map<String, Value>;

/// A table.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// When it was created.
    pub created: Millis,
    /// What it was created with: key schema, attribute definitions, billing mode.
    pub definition: Map<String, Value>,
    /// Attributes of the primary key with their types (`S`, `N`, `B`): partition key first, then perhaps the sort key.
    pub key: Vec<(String, String)>,
    /// By the text of their key.
    pub items: BTreeMap<String, Item>,
}
