//! A Query form (`Action=…&Actions.member.1.Type=forward`) becomes the JSON object that the model describes.

use std::collections::BTreeMap;

use serde_json::{Map, Number, Value};

use super::model::{Model, Shape};

/// One level of a form: a text of its own, or parts below it.
#[derive(Debug, Default)]
struct Node {
    text: Option<String>,
    parts: BTreeMap<String, Node>,
}

/// Parts of a name; no shape of the services is as deep. What follows stays in the last part, which no model has.
const MOST_PARTS: usize = 32;

/// Decodes the pairs of a form, without `Action` and `Version`, as the structure `shape`.
///
/// Numbers and booleans that do not read as such stay texts and names that the model does not have stay
/// members, so that [`super::validate`] reports them.
#[must_use]
pub fn decode(model: &Model, shape: &str, pairs: &[(String, String)]) -> Value {
    let mut root = Node::default();
    for (name, text) in pairs {
        let mut node = &mut root;
        for part in name.splitn(MOST_PARTS, '.') {
            node = node.parts.entry(part.to_owned()).or_default();
        }
        node.text = Some(text.clone());
    }
    value(model, shape, &root)
}

fn value(model: &Model, shape: &str, node: &Node) -> Value {
    let text = || node.text.clone().unwrap_or_default();
    match model.shape(shape) {
        Shape::Structure(structure) => {
            let mut members = Map::new();
            for (name, reference) in &structure.members {
                if let Some(part) = node.parts.get(name) {
                    members.insert(name.clone(), value(model, &reference.shape, part));
                }
            }
            for (name, part) in &node.parts {
                if !members.contains_key(name) {
                    members.insert(
                        name.clone(),
                        part.text
                            .clone()
                            .map_or_else(|| Value::Object(Map::new()), Value::String),
                    );
                }
            }
            Value::Object(members)
        }
        Shape::List(list) => {
            let items = node.parts.get("member").map(numbered).unwrap_or_default();
            Value::Array(
                items
                    .into_iter()
                    .map(|item| value(model, &list.member.shape, item))
                    .collect(),
            )
        }
        Shape::Map(map) => {
            let entries = node.parts.get("entry").map(numbered).unwrap_or_default();
            let pair = |entry: &Node| {
                let key = entry.parts.get("key").and_then(|key| key.text.clone())?;
                let entry = entry.parts.get("value")?;
                Some((key, value(model, &map.value.shape, entry)))
            };
            Value::Object(entries.into_iter().filter_map(pair).collect())
        }
        Shape::Integer(_) | Shape::Long(_) => text()
            .parse::<i64>()
            .map_or_else(|_| Value::String(text()), Value::from),
        Shape::Float(_) | Shape::Double(_) => text()
            .parse()
            .ok()
            .and_then(Number::from_f64)
            .map_or_else(|| Value::String(text()), Value::Number),
        Shape::Boolean => match text().as_str() {
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            other => Value::String(other.to_owned()),
        },
        Shape::Timestamp => match text().parse::<jiff::Timestamp>() {
            Ok(instant) => Value::from(instant.as_millisecond() as f64 / 1000.0),
            Err(_) => Value::String(text()),
        },
        Shape::String(_) | Shape::Blob => Value::String(text()),
    }
}

/// The parts `1`, `2`, … in the order of their numbers.
fn numbered(node: &Node) -> Vec<&Node> {
    let mut items: Vec<(u64, &Node)> = node
        .parts
        .iter()
        .filter_map(|(number, item)| Some((number.parse().ok()?, item)))
        .collect();
    items.sort_by_key(|(number, _)| *number);
    items.into_iter().map(|(_, item)| item).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::api::Service;
    use crate::protocol::model;

    #[test]
    fn lists_structures_and_numbers_are_typed_by_the_model() {
        let form = "RuleArn=arn&Actions.member.1.Type=forward\
            &Actions.member.1.ForwardConfig.TargetGroups.member.2.Weight=0\
            &Actions.member.1.ForwardConfig.TargetGroups.member.2.TargetGroupArn=green\
            &Actions.member.1.ForwardConfig.TargetGroups.member.1.TargetGroupArn=blue%20one\
            &Actions.member.1.ForwardConfig.TargetGroups.member.1.Weight=100\
            &Actions.member.1.ForwardConfig.TargetGroupStickinessConfig.Enabled=false\
            &Actions.member.1.Order=first&Colour=green";
        let pairs: Vec<(String, String)> = form_urlencoded::parse(form.as_bytes())
            .into_owned()
            .collect();
        assert_eq!(
            decode(model::of(Service::Elbv2), "ModifyRuleInput", &pairs),
            json!({
                "RuleArn": "arn",
                "Actions": [{
                    "Type": "forward",
                    "Order": "first",
                    "ForwardConfig": {
                        "TargetGroups": [
                            {"TargetGroupArn": "blue one", "Weight": 100},
                            {"TargetGroupArn": "green", "Weight": 0},
                        ],
                        "TargetGroupStickinessConfig": {"Enabled": false},
                    },
                }],
                "Colour": "green",
            })
        );
    }

    #[test]
    fn an_empty_list_is_an_empty_list() {
        let pairs = [("Names".to_owned(), String::new())];
        assert_eq!(
            decode(model::of(Service::Elbv2), "DescribeRulesInput", &[]),
            json!({})
        );
        assert_eq!(
            decode(
                model::of(Service::Elbv2),
                "DescribeTargetGroupsInput",
                &pairs
            ),
            json!({"Names": []})
        );
    }
}
