//! Whether what AWS describes is what was put.

use serde_json::{Map, Value};

/// Everything that was put is described so. What is described besides is AWS's own default; numbers are alike by value,
/// and a member that is not described is `false`, empty or nothing.
pub fn shows(described: &Map<String, Value>, put: &Map<String, Value>) -> bool {
    put.iter().all(|(member, put)| match described.get(member) {
        Some(described) => alike(described, put),
        None => is_nothing(put),
    })
}

fn alike(described: &Value, put: &Value) -> bool {
    match (described, put) {
        (Value::Object(described), Value::Object(put)) => shows(described, put),
        (Value::Array(described), Value::Array(put)) => {
            described.len() == put.len()
                && described.iter().zip(put).all(|(one, two)| alike(one, two))
        }
        (Value::Number(described), Value::Number(put)) => described.as_f64() == put.as_f64(),
        (described, put) => described == put || (is_nothing(described) && is_nothing(put)),
    }
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(it) => !it,
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Number(_) | Value::String(_) => false,
    }
}
