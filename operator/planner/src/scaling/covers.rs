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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_was_put_is_shown_by_all_of_it_and_more() {
        let shown = |described: Value, put: Value| {
            let map = |value: Value| value.as_object().cloned().unwrap_or_default();
            shows(&map(described), &map(put))
        };
        let put = json!({"a": 1, "list": [1, 2], "of": {"x": "y"}});
        assert!(shown(
            json!({"a": 1.0, "list": [1.0, 2], "of": {"x": "y", "more": 1}, "more": 1}),
            put.clone()
        ));
        for other in [
            json!({"a": 2, "list": [1, 2], "of": {"x": "y"}}),
            json!({"a": "1", "list": [1, 2], "of": {"x": "y"}}),
            json!({"a": 1, "list": [1, 3], "of": {"x": "y"}}),
            json!({"a": 1, "list": [1, 2, 3], "of": {"x": "y"}}),
            json!({"a": 1, "list": [1, 2], "of": {"x": "z"}}),
            json!({"a": 1, "list": [1, 2], "of": {}}),
            json!({"list": [1, 2], "of": {"x": "y"}}),
        ] {
            assert!(!shown(other.clone(), put.clone()), "{other}");
        }
        for nothing in [json!(null), json!(false), json!([]), json!({})] {
            assert!(shown(json!({}), json!({"a": nothing.clone()})), "{nothing}");
            assert!(shown(json!({"a": false}), json!({"a": nothing})));
        }
        for something in [
            json!(true),
            json!([0]),
            json!({"x": 0}),
            json!(0),
            json!(""),
        ] {
            assert!(
                !shown(json!({}), json!({"a": something.clone()})),
                "{something}"
            );
            assert!(!shown(json!({"a": false}), json!({"a": something})));
        }
    }
}
