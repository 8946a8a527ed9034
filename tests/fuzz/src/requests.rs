//! The emulator's protocols: requests of any kind.

use std::sync::LazyLock;

use arbitrary::Unstructured;
use bytes::Bytes;
use emulator::Emulator;
use emulator::protocol::model::{self, Model, Operation, Protocol, SERVICES, Shape};
use http::request::Builder;
use http::{Request, Response};
use serde_json::{Map, Value, json};

use crate::account;
use crate::edits::{below, damage, edit, odd};
use crate::well_formed;

/// Calls that one input may make, one after another.
const MOST: usize = 4;

/// Names, ARNs and tokens that mean something in the account.
static WORDS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let mut words: Vec<String> = [
        "prod",
        "blog",
        "blog-a",
        "after:/teal/apps/blog/desired",
        "after:",
        "0",
        "1",
        "18446744073709551615",
        "-1",
        "/teal/apps",
        "/teal/apps/blog/desired",
        "/",
        "String",
        "SecureString",
        "forward",
        "path-pattern",
        "/a*?*",
        "10.0.0.0/8",
        "::/0",
        "service/prod/blog",
        "ecs:service:DesiredCount",
        "ecs",
        "10.0.0.1",
        "default",
        "x",
    ]
    .map(str::to_owned)
    .to_vec();
    let state = serde_json::to_value(account::baking()).expect("the world is JSON");
    names(&state, &mut words);
    words.sort();
    words.dedup();
    words
});

/// Every ARN, and every key of a map that looks like a name.
fn names(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) if text.starts_with("arn:") => found.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| names(item, found)),
        Value::Object(members) => {
            for (name, member) in members {
                if name.starts_with("arn:") || name.starts_with("blog-") {
                    found.push(name.clone());
                }
                names(member, found);
            }
        }
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Calls with inputs of the model's shapes and of others, and bytes that are no call at all.
///
/// Each is answered, in the protocol of its service, and never with a failure of the emulator's own; what is refused
/// changes nothing.
pub(crate) fn a_request_to_the_emulator(data: &[u8]) {
    account::run(async {
        let emulator = account::emulator();
        let mut choices = Unstructured::new(data);
        for _ in 0..MOST {
            if choices.is_empty() {
                return;
            }
            one_call(&emulator, &mut choices).await;
        }
    });
}

async fn one_call(emulator: &Emulator, choices: &mut Unstructured<'_>) {
    let service = SERVICES[below(choices, SERVICES.len())];
    let model = model::of(service);
    let operations: Vec<&model::Operation> = model.operations.values().collect();
    let operation = operations[below(choices, operations.len())];
    let mut input = match &operation.input {
        Some(side) => input(model, &side.shape, choices, 0),
        None => json!({}),
    };
    let broken = below(choices, 4);
    if broken == 1 {
        edit(&mut input, choices, &["1", "true"]);
    }
    let request = Request::post("/").header(
        "authorization",
        "AWS4-HMAC-SHA256 Credential=key/20260801/eu-west-1/any/aws4_request",
    );
    let metadata = &model.metadata;
    let protocol = metadata.protocols[below(choices, metadata.protocols.len())];
    let (request, mut body) = match protocol {
        Protocol::Cbor => (
            request
                .uri(rpc_path(model, operation))
                .header("smithy-protocol", "rpc-v2-cbor"),
            cbor(&input),
        ),
        Protocol::Json => {
            let target = format!(
                "{}.{}",
                metadata.target_prefix.as_deref().unwrap_or_default(),
                operation.name
            );
            (
                request.header("x-amz-target", target),
                input.to_string().into_bytes(),
            )
        }
        Protocol::Rest => {
            let body = input["Payload"].as_str().unwrap_or_default().to_owned();
            (at_its_path(request, operation, &input), body.into_bytes())
        }
        Protocol::Query => {
            let mut form = form_urlencoded::Serializer::new(String::new());
            form.append_pair("Action", &operation.name)
                .append_pair("Version", &metadata.api_version);
            flatten("", &input, &mut form);
            (request, form.finish().into_bytes())
        }
    };
    if broken == 2 {
        damage(&mut body, choices);
    }
    let before = state(emulator);
    let request = request
        .body(Bytes::from(body))
        .expect("the parts are right");
    let what = format!(
        "{} {:.2000}",
        operation.name,
        String::from_utf8_lossy(request.body())
    );
    let response = emulator.handle(request).await;
    check(&what, protocol, &response);
    if !response.status().is_success() {
        assert_eq!(before, state(emulator), "refused and yet done: {what}");
    }
}

/// What the account is; counters behind identifiers may move.
fn state(emulator: &Emulator) -> Value {
    let mut state =
        serde_json::to_value(emulator.with(|world| world.clone())).expect("the world is JSON");
    if let Some(members) = state.as_object_mut() {
        members.remove("next_id");
    }
    state
}

fn check(what: &str, protocol: Protocol, response: &Response<Bytes>) {
    let body = String::from_utf8_lossy(response.body());
    let status = response.status().as_u16();
    assert!(
        matches!(status, 200 | 400..500),
        "{what}: {status} {body:.2000}"
    );
    assert!(
        well_formed(protocol, response.body()),
        "{what}: {status} {body:.2000}"
    );
}

/// An input that the model's shape allows, or nearly.
fn input(model: &Model, shape: &str, choices: &mut Unstructured<'_>, depth: usize) -> Value {
    if below(choices, 40) == 1 {
        return odd(choices);
    }
    match model.shape(shape) {
        Shape::Structure(structure) => {
            let mut members = Map::new();
            for (name, reference) in &structure.members {
                let required = structure.required.contains(name);
                let often = if depth > 6 { 0 } else { below(choices, 4) };
                if required || often == 1 {
                    members.insert(
                        name.clone(),
                        input(model, &reference.shape, choices, depth + 1),
                    );
                }
            }
            Value::Object(members)
        }
        Shape::List(list) => (0..1 + below(choices, 3))
            .map(|_| input(model, &list.member.shape, choices, depth + 1))
            .collect(),
        Shape::Map(map) => (0..below(choices, 3))
            .map(|_| {
                (
                    word(choices),
                    input(model, &map.value.shape, choices, depth + 1),
                )
            })
            .collect::<Map<String, Value>>()
            .into(),
        Shape::String(text) => match text.values.as_slice() {
            [] => json!(word(choices)),
            values => json!(values[below(choices, values.len())]),
        },
        Shape::Integer(range) | Shape::Long(range) => {
            let least = range.min.unwrap_or(0.0) as i64;
            let most = range.max.unwrap_or(2_147_483_647.0) as i64;
            let near = choices.arbitrary::<u8>().unwrap_or(1);
            json!(
                [
                    least,
                    most,
                    i64::from(near),
                    least.saturating_add(i64::from(near))
                ][below(choices, 4)]
            )
        }
        Shape::Float(_) | Shape::Double(_) => {
            json!(f64::from(choices.arbitrary::<u8>().unwrap_or(1)))
        }
        Shape::Boolean => json!(below(choices, 2) == 1),
        Shape::Timestamp => json!(1_785_542_400),
        Shape::Blob => json!("eA=="),
    }
}

/// A REST request: method, and the path with its member in it.
fn at_its_path(request: Builder, operation: &Operation, input: &Value) -> Builder {
    let http = operation.http.as_ref().expect("REST says where");
    let name = input["FunctionName"].as_str().unwrap_or_default();
    let name: String = form_urlencoded::byte_serialize(name.as_bytes()).collect();
    let path = http.request_uri.replace("{FunctionName}", &name);
    request.method(http.method.as_str()).uri(path)
}

fn word(choices: &mut Unstructured<'_>) -> String {
    WORDS[below(choices, WORDS.len())].clone()
}

/// Any bytes, sent to any operation by its name.
///
/// They are answered in the operation's protocol and change nothing that they do not name.
pub(crate) fn a_body_for_the_emulator(data: &[u8]) {
    let [service, operation, body @ ..] = data else {
        return;
    };
    let model = model::of(SERVICES[usize::from(*service) % SERVICES.len()]);
    let mut operations = model.operations.values();
    let Some(operation) = operations.nth(usize::from(*operation) % model.operations.len()) else {
        return;
    };
    let request = Request::post("/").header("authorization", "any");
    let protocol = model.protocol();
    let (request, body) = match protocol {
        Protocol::Cbor => (
            request
                .uri(rpc_path(model, operation))
                .header("smithy-protocol", "rpc-v2-cbor"),
            body.to_vec(),
        ),
        Protocol::Json => {
            let prefix = model.metadata.target_prefix.as_deref().unwrap_or_default();
            (
                request.header("x-amz-target", format!("{prefix}.{}", operation.name)),
                body.to_vec(),
            )
        }
        Protocol::Rest => (
            at_its_path(request, operation, &json!({"FunctionName": "smoke"})),
            body.to_vec(),
        ),
        Protocol::Query => {
            let head = format!(
                "Action={}&Version={}&",
                operation.name, model.metadata.api_version
            );
            (request, [head.as_bytes(), body].concat())
        }
    };
    account::run(async {
        let emulator = account::emulator();
        let response = emulator
            .handle(
                request
                    .body(Bytes::from(body))
                    .expect("the parts are right"),
            )
            .await;
        check(&operation.name, protocol, &response);
    });
}

/// Where a CBOR request goes.
fn rpc_path(model: &Model, operation: &model::Operation) -> String {
    let service = model.metadata.target_prefix.as_deref().unwrap_or_default();
    format!("/service/{service}/operation/{}", operation.name)
}

fn cbor(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).expect("memory takes everything");
    bytes
}

fn flatten(path: &str, value: &Value, form: &mut form_urlencoded::Serializer<'_, String>) {
    let below = |part: &str| match path {
        "" => part.to_owned(),
        path => format!("{path}.{part}"),
    };
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                flatten(&below(name), member, form);
            }
        }
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
