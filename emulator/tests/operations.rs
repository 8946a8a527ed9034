//! Every operation of every model is served, and what it refuses it refuses in the words of the model.

#![expect(clippy::unwrap_used, reason = "a test stops at its first surprise")]

use bytes::Bytes;
use emulator::Emulator;
use emulator::api::Service;
use emulator::protocol::model::{self, Model, Protocol, SERVICES, Shape};
use emulator::seed::Seed;
use emulator::world::Settings;
use http::Request;
use serde_json::{Map, Value, json};

/// Codes that every service may answer with and no model lists for an operation.
const COMMON: [&str; 3] = [
    "ValidationException",
    "ValidationError",
    "SerializationException",
];

#[tokio::test]
async fn every_operation_answers_an_empty_and_a_senseless_input_as_the_model_allows() {
    let emulator = Emulator::new(Settings::default());
    emulator
        .faults()
        .set(serde_json::from_value(json!({"throttling": false})).unwrap());
    Seed::parse(include_str!("../seeds/blog.json"))
        .unwrap()
        .plant(&emulator)
        .unwrap();
    let mut wrong = Vec::new();
    for service in SERVICES {
        let model = model::of(service);
        for operation in model.operations.values() {
            let shape = operation
                .input
                .as_ref()
                .map_or("", |input| input.shape.as_str());
            let inputs = [json!({}), senseless(model, shape)];
            let asked = inputs.iter().flat_map(|input| {
                let protocols = model.metadata.protocols.iter();
                protocols.map(move |protocol| (input, *protocol))
            });
            for (input, protocol) in asked {
                let response = emulator
                    .handle(request(service, protocol, &operation.name, input))
                    .await;
                let code = emulator
                    .faults()
                    .journal(|journal| journal.log().last().unwrap().outcome.clone());
                let declared = operation.errors.contains(&code) || COMMON.contains(&code.as_str());
                let allowed = match response.status().as_u16() {
                    200 => code == "ok",
                    400..500 => declared,
                    _ => false,
                };
                if !allowed {
                    let body = String::from_utf8_lossy(response.body());
                    wrong.push(format!(
                        "{service:?} {} {protocol:?} {input}: {} {body}",
                        operation.name,
                        response.status()
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// An input that the model allows and that names nothing that exists: every required member and no other.
fn senseless(model: &Model, shape: &str) -> Value {
    match model.shape(shape) {
        Shape::Structure(structure) => {
            let required = |name: &String| structure.required.contains(name);
            let members = structure.members.iter().filter(|(name, _)| required(name));
            let members =
                members.map(|(name, member)| (name.clone(), senseless(model, &member.shape)));
            Value::Object(members.collect::<Map<String, Value>>())
        }
        Shape::List(list) => json!([senseless(model, &list.member.shape)]),
        Shape::Map(_) => json!({}),
        Shape::String(text) => match text.values.first() {
            Some(value) => json!(value),
            None => json!("x".repeat(text.min.unwrap_or(1).max(1))),
        },
        Shape::Integer(range) | Shape::Long(range) => json!(range.min.unwrap_or(1.0) as i64),
        Shape::Float(range) | Shape::Double(range) => json!(range.min.unwrap_or(1.0)),
        Shape::Boolean => json!(false),
        Shape::Timestamp => json!(0),
        Shape::Blob => json!(""),
    }
}

fn request(service: Service, protocol: Protocol, operation: &str, input: &Value) -> Request<Bytes> {
    let metadata = &model::of(service).metadata;
    let request = Request::post("/").header("authorization", "any");
    match protocol {
        Protocol::Cbor => {
            let service = metadata.target_prefix.as_deref().unwrap();
            let mut body = Vec::new();
            ciborium::into_writer(input, &mut body).unwrap();
            request
                .uri(format!("/service/{service}/operation/{operation}"))
                .header("smithy-protocol", "rpc-v2-cbor")
                .body(Bytes::from(body))
                .unwrap()
        }
        Protocol::Json => {
            let target = format!("{}.{operation}", metadata.target_prefix.as_deref().unwrap());
            request
                .header("x-amz-target", target)
                .body(Bytes::from(input.to_string()))
                .unwrap()
        }
        Protocol::Rest => {
            let http = model::of(service).operations[operation].http.as_ref();
            let http = http.unwrap();
            let name = input["FunctionName"].as_str().unwrap_or_default();
            let path = http.request_uri.replace("{FunctionName}", name);
            request
                .method(http.method.as_str())
                .uri(path)
                .body(Bytes::new())
                .unwrap()
        }
        Protocol::Query => {
            let mut form = form_urlencoded::Serializer::new(String::new());
            form.append_pair("Action", operation)
                .append_pair("Version", &metadata.api_version);
            flatten("", input, &mut form);
            request.body(Bytes::from(form.finish())).unwrap()
        }
    }
}

fn flatten(path: &str, value: &Value, form: &mut form_urlencoded::Serializer<'_, String>) {
    let below = |part: &str| {
        if path.is_empty() {
            part.to_owned()
        } else {
            format!("{path}.{part}")
        }
    };
    match value {
        Value::Object(members) => members
            .iter()
            .for_each(|(name, member)| flatten(&below(name), member, form)),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                flatten(&below(&format!("member.{}", index + 1)), item, form);
            }
        }
        Value::String(text) => {
            form.append_pair(path, text);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {
            form.append_pair(path, &value.to_string());
        }
    }
}
