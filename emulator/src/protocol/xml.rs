//! JSON objects become XML in model order, as the Query protocol answers.

use quick_xml::escape::escape;
use serde_json::Value;

use super::model::{Model, Shape};

/// Appends the members of `value`, which is the structure `shape`, to `out`. What the model does not have is left out.
pub fn members(model: &Model, shape: &str, value: &Value, out: &mut String) {
    let Shape::Structure(structure) = model.shape(shape) else {
        return;
    };
    for (name, reference) in &structure.members {
        if let Some(member) = value.get(name)
            && !member.is_null()
        {
            element(model, name, &reference.shape, member, out);
        }
    }
}

/// Appends `<name>text</name>`.
pub fn text(name: &str, text: &str, out: &mut String) {
    open(name, out);
    out.push_str(&escape(text));
    close(name, out);
}

/// Appends `<name>`.
pub fn open(name: &str, out: &mut String) {
    out.push('<');
    out.push_str(name);
    out.push('>');
}

/// Appends `</name>`.
pub fn close(name: &str, out: &mut String) {
    out.push_str("</");
    out.push_str(name);
    out.push('>');
}

fn element(model: &Model, name: &str, shape: &str, value: &Value, out: &mut String) {
    match (model.shape(shape), value) {
        (Shape::Structure(_), _) => {
            open(name, out);
            members(model, shape, value, out);
            close(name, out);
        }
        (Shape::List(list), Value::Array(items)) => {
            open(name, out);
            for item in items {
                element(model, "member", &list.member.shape, item, out);
            }
            close(name, out);
        }
        (Shape::Map(map), Value::Object(entries)) => {
            open(name, out);
            for (key, entry) in entries {
                open("entry", out);
                text("key", key, out);
                element(model, "value", &map.value.shape, entry, out);
                close("entry", out);
            }
            close(name, out);
        }
        (Shape::Timestamp, Value::Number(seconds)) => {
            text(name, &iso(seconds.as_f64().unwrap_or_default()), out)
        }
        (_, Value::String(given)) => text(name, given, out),
        (_, other) => text(name, &other.to_string(), out),
    }
}

/// `2026-11-21T21:49:38.123Z`.
fn iso(seconds: f64) -> String {
    let instant =
        jiff::Timestamp::from_millisecond((seconds * 1000.0).round() as i64).unwrap_or_default();
    format!("{instant:.3}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::api::Service;
    use crate::protocol::model;

    #[test]
    fn members_come_in_model_order_and_lists_have_member_elements() {
        let mut out = String::new();
        let output = json!({"Rules": [{"IsDefault": false, "Priority": "10", "RuleArn": "a&b", "Actions": []}]});
        members(
            model::of(Service::Elbv2),
            "DescribeRulesOutput",
            &output,
            &mut out,
        );
        assert_eq!(
            out,
            "<Rules><member><RuleArn>a&amp;b</RuleArn><Priority>10</Priority><Actions></Actions>\
             <IsDefault>false</IsDefault></member></Rules>"
        );
    }

    #[test]
    fn timestamps_are_iso() {
        let mut out = String::new();
        members(
            model::of(Service::Elbv2),
            "LoadBalancer",
            &json!({"CreatedTime": 1.5}),
            &mut out,
        );
        assert_eq!(out, "<CreatedTime>1970-01-01T00:00:01.500Z</CreatedTime>");
    }
}
