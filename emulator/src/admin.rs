//! What is set and read over HTTP beside AWS's own API, under `/_emulator/`.
//!
//! | Call | Does |
//! |---|---|
//! | `GET health` | answers `{"status": "ok"}` |
//! | `GET state` | the whole world as JSON |
//! | `GET settings`, `PATCH settings` | the world's settings; a patch replaces the members given |
//! | `GET faults`, `PUT faults` | [`FaultSettings`]; a put replaces them, members left out get their default |
//! | `PATCH behaviours` | `{"<image>": {…}}`: what containers of an image do; `null` forgets an image |
//! | `GET calls`, `DELETE calls` | counters by service, operation and outcome |
//! | `GET log` | the latest calls with their inputs |
//! | `GET held` | calls that a fault holds |
//! | `POST held` | `{"id": 1, "fate": "carryOn"}`: lets one go, or breaks its connection (`drop`) |

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::emulator::Emulator;
use crate::faults::FaultSettings;
use crate::faults::holding::Fate;

/// Where these calls live.
pub const PREFIX: &str = "/_emulator/";

/// Why such a call is refused.
#[derive(Debug, thiserror::Error)]
enum AdminError {
    #[error("no such call: {method} {path}")]
    Unknown { method: Method, path: String },
    #[error("the body is not what is expected")]
    Body(#[source] serde_json::Error),
    #[error("no call with the id {0} is held")]
    NotHeld(u64),
    #[error("the answer can not be encoded")]
    Answer(#[source] serde_json::Error),
}

/// Answers one call; refusals are `{"error": …}` with 400 or 404.
#[must_use]
pub fn answer(emulator: &Emulator, request: &Request<Bytes>) -> Response<Bytes> {
    let (status, body) = match dispatch(emulator, request) {
        Ok(body) => (StatusCode::OK, body),
        Err(error @ (AdminError::Unknown { .. } | AdminError::NotHeld(_))) => {
            (StatusCode::NOT_FOUND, json!({"error": error.to_string()}))
        }
        Err(AdminError::Body(cause)) => {
            (StatusCode::BAD_REQUEST, json!({"error": cause.to_string()}))
        }
        Err(error @ AdminError::Answer(_)) => (
            StatusCode::INTERNAL_SERVER_ERROR,
            json!({"error": error.to_string()}),
        ),
    };
    let mut response = Response::new(Bytes::from(body.to_string() + "\n"));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn dispatch(emulator: &Emulator, request: &Request<Bytes>) -> Result<Value, AdminError> {
    let path = request.uri().path();
    match (request.method().as_str(), path.trim_start_matches(PREFIX)) {
        ("GET", "health") => Ok(json!({"status": "ok"})),
        ("GET", "state") => emulator.with(|world| encode(world)),
        ("GET", "settings") => emulator.with(|world| encode(&world.settings)),
        ("PATCH", "settings") => {
            let patch: Value = decode(request)?;
            emulator.with(|world| {
                let mut settings = encode(&world.settings)?;
                merge(&mut settings, patch);
                world.settings = serde_json::from_value(settings).map_err(AdminError::Body)?;
                encode(&world.settings)
            })
        }
        ("PATCH", "behaviours") => {
            let patch: Value = decode(request)?;
            emulator.with(|world| {
                let mut behaviours = encode(&world.settings.behaviours)?;
                merge(&mut behaviours, patch);
                world.settings.behaviours = serde_json::from_value(behaviours).map_err(AdminError::Body)?;
                encode(&world.settings.behaviours)
            })
        }
        ("GET", "faults") => encode(&emulator.faults().settings()),
        ("PUT", "faults") => {
            let settings: FaultSettings = decode(request)?;
            emulator.faults().set(settings);
            encode(&emulator.faults().settings())
        }
        ("GET", "calls") => Ok(emulator.faults().journal(|journal| {
            let count = |(counted, calls): (&crate::faults::journal::Counted, &u64)| {
                json!({"service": counted.service, "operation": counted.operation, "outcome": counted.outcome, "calls": calls})
            };
            journal.counts().iter().map(count).collect()
        })),
        ("DELETE", "calls") => {
            emulator.faults().clear_journal();
            Ok(json!({}))
        }
        ("GET", "log") => emulator.faults().journal(|journal| encode(&journal.log().collect::<Vec<_>>())),
        ("GET", "held") => encode(&emulator.faults().holding().waiting()),
        ("POST", "held") => {
            let LetGo { id, fate } = decode(request)?;
            match emulator.faults().holding().let_go(id, fate) {
                true => Ok(json!({})),
                false => Err(AdminError::NotHeld(id)),
            }
        }
        _ => Err(AdminError::Unknown { method: request.method().clone(), path: path.to_owned() }),
    }
}

/// Which held call goes on, and how.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LetGo {
    id: u64,
    fate: Fate,
}

fn encode(value: &impl Serialize) -> Result<Value, AdminError> {
    serde_json::to_value(value).map_err(AdminError::Answer)
}

fn decode<T: DeserializeOwned>(request: &Request<Bytes>) -> Result<T, AdminError> {
    serde_json::from_slice(request.body()).map_err(AdminError::Body)
}

/// JSON merge patch (RFC 7396): objects member by member, `null` removes, all else replaces.
pub fn merge(into: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *into = patch;
        return;
    };
    if !into.is_object() {
        *into = json!({});
    }
    if let Value::Object(members) = into {
        for (name, value) in patch {
            if value.is_null() {
                members.remove(&name);
            } else {
                merge(members.entry(name).or_insert(Value::Null), value);
            }
        }
    }
}
