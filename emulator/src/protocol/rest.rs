//! REST with JSON: the method and the path say which operation, and members are in the path, in the query, in headers
//! and in the body, as the model says of each.

use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Request, StatusCode};
use serde_json::{Map, Value};

use super::model::{self, Location, Model, Operation, Protocol, Shape, Structure};
use crate::api::Service;

/// The operation that a request asks for, and its input as far as it is in the right places.
pub(super) fn recognise(
    request: &Request<Bytes>,
) -> Option<(Service, &'static Operation, Map<String, Value>)> {
    let path = request.uri().path();
    let rest = |service: &Service| model::of(*service).speaks(Protocol::Rest);
    let served = model::SERVICES.into_iter().filter(rest);
    let mut operations = served.flat_map(|service| {
        model::of(service)
            .operations
            .values()
            .map(move |o| (service, o))
    });
    operations.find_map(|(service, operation)| {
        let http = operation.http.as_ref()?;
        let labels =
            labels(&http.request_uri, path).filter(|_| *request.method() == *http.method)?;
        let model = model::of(service);
        Some((service, operation, input(model, operation, labels, request)))
    })
}

/// What stands in `path` where `template` has `{names}`.
fn labels<'a>(template: &'a str, path: &str) -> Option<Vec<(&'a str, String)>> {
    let (wanted, found) = (template.split('/'), path.split('/'));
    if wanted.clone().count() != found.clone().count() {
        return None;
    }
    let mut labels = Vec::new();
    for (wanted, found) in wanted.zip(found) {
        match wanted
            .strip_prefix('{')
            .and_then(|rest| rest.strip_suffix('}'))
        {
            Some(name) => labels.push((name, unescaped(found))),
            None if wanted == found => {}
            None => return None,
        }
    }
    Some(labels)
}

/// A path's label without percent signs.
fn unescaped(label: &str) -> String {
    // A form differs from a path in the plus sign alone.
    let form = format!("={}", label.replace('+', "%2B"));
    let mut pairs = form_urlencoded::parse(form.as_bytes());
    pairs
        .next()
        .map_or_else(String::new, |(_, value)| value.into_owned())
}

fn input(
    model: &Model,
    operation: &Operation,
    labels: Vec<(&str, String)>,
    request: &Request<Bytes>,
) -> Map<String, Value> {
    let shape = operation
        .input
        .as_ref()
        .map(|side| model.shape(&side.shape));
    let Some(Shape::Structure(structure)) = shape else {
        return Map::new();
    };
    let query = request.uri().query().unwrap_or_default();
    let mut input = Map::new();
    for (member, reference) in &structure.members {
        let name = reference.location_name.as_deref().unwrap_or(member);
        let found = match reference.location {
            Some(Location::Uri) => {
                let mut found = labels.iter().filter(|(label, _)| *label == name);
                found.next().map(|(_, text)| text.clone())
            }
            Some(Location::Querystring) => {
                let mut pairs = form_urlencoded::parse(query.as_bytes());
                pairs
                    .find(|(key, _)| key == name)
                    .map(|(_, text)| text.into_owned())
            }
            Some(Location::Header) => text_of(request.headers(), name),
            Some(Location::StatusCode) => None,
            None if structure.payload.as_ref() == Some(member) => {
                let body = request.body();
                (!body.is_empty()).then(|| String::from_utf8_lossy(body).into_owned())
            }
            None => None,
        };
        if let Some(found) = found {
            input.insert(member.clone(), Value::String(found));
        }
    }
    input
}

fn text_of(headers: &HeaderMap, name: &str) -> Option<String> {
    Some(headers.get(name)?.to_str().ok()?.to_owned())
}

/// An output in its places.
#[derive(Debug, Default)]
pub(super) struct Parts {
    pub(super) status: StatusCode,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) body: Vec<u8>,
}

/// Puts each member of an output where the model says.
pub(super) fn output(structure: &Structure, output: &Value) -> Parts {
    let mut parts = Parts::default();
    for (member, reference) in &structure.members {
        let Some(value) = output.get(member) else {
            continue;
        };
        let text = value.as_str().unwrap_or_default();
        match reference.location {
            Some(Location::StatusCode) => {
                let status = value.as_u64().and_then(|status| u16::try_from(status).ok());
                let status = status.and_then(|status| StatusCode::from_u16(status).ok());
                parts.status = status.unwrap_or_default();
            }
            Some(Location::Header) => {
                let name = reference.location_name.as_deref().unwrap_or(member);
                let name = HeaderName::from_bytes(name.as_bytes());
                if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(text)) {
                    parts.headers.push((name, value));
                }
            }
            Some(Location::Uri | Location::Querystring) => {}
            None => parts.body = text.as_bytes().to_vec(),
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn path_headers_and_body_become_members() {
        let request = Request::post("/2015-03-31/functions/smoke%3Alive/invocations?Qualifier=2")
            .header("x-amz-invocation-type", "DryRun")
            .body(Bytes::from_static(b"{\"a\":1}"))
            .unwrap();
        let (service, operation, input) = recognise(&request).unwrap();
        assert_eq!(
            (service, operation.name.as_str()),
            (Service::Lambda, "Invoke")
        );
        let expected = json!({
            "FunctionName": "smoke:live", "InvocationType": "DryRun", "Payload": "{\"a\":1}", "Qualifier": "2",
        });
        assert_eq!(Value::Object(input), expected);
        for (method, path) in [
            ("GET", "/2015-03-31/functions/smoke/invocations"),
            ("POST", "/2015-03-31/functions/smoke"),
            ("POST", "/"),
        ] {
            let request = Request::builder().method(method).uri(path);
            assert!(
                recognise(&request.body(Bytes::new()).unwrap()).is_none(),
                "{path}"
            );
        }
    }
}
