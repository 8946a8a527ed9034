//! An output or an error becomes an HTTP response.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, DATE, HeaderValue};
use http::{Response, StatusCode};
use serde_json::{Value, json};

use super::model::{self, Operation, Protocol};
use super::validate::{self, Direction};
use super::xml;
use crate::api::{AwsError, Service};

/// How a caller is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// AWS JSON.
    Json {
        /// `1.0` or `1.1`.
        version: &'static str,
    },
    /// Query/XML.
    Query {
        /// The namespace of the service's responses; empty: none.
        namespace: &'static str,
    },
}

impl Dialect {
    /// The dialect of `service`.
    #[must_use]
    pub fn of(service: Service) -> Self {
        let metadata = &model::of(service).metadata;
        match metadata.protocol {
            Protocol::Json => Self::Json {
                version: metadata.json_version.as_deref().unwrap_or("1.1"),
            },
            Protocol::Query => Self::Query {
                namespace: metadata.xml_namespace.as_deref().unwrap_or_default(),
            },
        }
    }
}

/// What every response carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// The request id.
    pub request_id: String,
    /// Unix time in milliseconds of the emulated world. The `Date` header says it; SDKs correct their clock by it.
    pub unix_ms: u64,
}

/// An output that the model does not allow: a bug of the emulator, never the caller's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the emulator's own output of {operation} violates the model: {violations}")]
pub struct OutputError {
    operation: String,
    violations: String,
}

/// Encodes the output of an operation.
///
/// # Errors
/// The output is not what the model says.
pub fn success(
    service: Service,
    operation: &Operation,
    output: &Value,
    envelope: &Envelope,
) -> Result<Response<Bytes>, OutputError> {
    let model = model::of(service);
    let side = operation.output.as_ref();
    if let Some(side) = side {
        let found = validate::violations(model, &side.shape, output, Direction::Output);
        if !found.is_empty() {
            let violations: Vec<String> = found.iter().map(ToString::to_string).collect();
            return Err(OutputError {
                operation: operation.name.clone(),
                violations: violations.join("; "),
            });
        }
    }
    let dialect = Dialect::of(service);
    let body = match dialect {
        Dialect::Json { .. } => output.to_string(),
        Dialect::Query { namespace } => {
            let outer = format!("{}Response", operation.name);
            let mut body = format!("<{outer} xmlns=\"{namespace}\">");
            if let Some(side) = side {
                if let Some(wrapper) = &side.result_wrapper {
                    xml::open(wrapper, &mut body);
                }
                xml::members(model, &side.shape, output, &mut body);
                if let Some(wrapper) = &side.result_wrapper {
                    xml::close(wrapper, &mut body);
                }
            }
            xml::open("ResponseMetadata", &mut body);
            xml::text("RequestId", &envelope.request_id, &mut body);
            xml::close("ResponseMetadata", &mut body);
            xml::close(&outer, &mut body);
            body
        }
    };
    Ok(respond(StatusCode::OK, dialect, body, envelope))
}

/// Encodes a refusal. `service` is none where the request reached no service.
#[must_use]
pub fn failure(
    service: Option<Service>,
    dialect: Dialect,
    error: &AwsError,
    envelope: &Envelope,
) -> Response<Bytes> {
    let (code, status) = on_the_wire(service, dialect, &error.code);
    match dialect {
        Dialect::Json { .. } => {
            let body = json!({"__type": code, "message": error.message}).to_string();
            let mut response = respond(status, dialect, body, envelope);
            if let Ok(code) = HeaderValue::from_str(&code) {
                response.headers_mut().insert("x-amzn-errortype", code);
            }
            response
        }
        Dialect::Query { namespace } => {
            let mut body = match namespace {
                "" => String::from("<ErrorResponse>"),
                namespace => format!("<ErrorResponse xmlns=\"{namespace}\">"),
            };
            xml::open("Error", &mut body);
            xml::text(
                "Type",
                if status.is_server_error() {
                    "Receiver"
                } else {
                    "Sender"
                },
                &mut body,
            );
            xml::text("Code", &code, &mut body);
            xml::text("Message", &error.message, &mut body);
            xml::close("Error", &mut body);
            xml::text("RequestId", &envelope.request_id, &mut body);
            xml::close("ErrorResponse", &mut body);
            respond(status, dialect, body, envelope)
        }
    }
}

/// Code and status of an error: from the service's model, else one of the errors common to all services.
fn on_the_wire(service: Option<Service>, dialect: Dialect, code: &str) -> (String, StatusCode) {
    if let Some(shape) = service.and_then(|service| model::of(service).error(code)) {
        let traits = shape.error.as_ref();
        let wire = traits
            .and_then(|traits| traits.code.as_deref())
            .unwrap_or(code);
        let status = traits.and_then(|traits| traits.http_status_code);
        let status = status.unwrap_or(if shape.fault { 500 } else { 400 });
        return (
            wire.to_owned(),
            StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST),
        );
    }
    let query = matches!(dialect, Dialect::Query { .. });
    let (wire, status) = match (code, query) {
        ("UnknownOperationException", true) => ("InvalidAction", 400),
        ("ThrottlingException", true) => ("Throttling", 400),
        ("AccessDeniedException", true) => ("AccessDenied", 403),
        ("ValidationException", true) => ("ValidationError", 400),
        ("MissingAuthenticationToken", true) => (code, 403),
        ("InternalFailure" | "InternalServerError" | "InternalServiceException", _) => (code, 500),
        ("ServiceUnavailable" | "ServiceUnavailableException", _) => (code, 503),
        (other, _) => (other, 400),
    };
    (
        wire.to_owned(),
        StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST),
    )
}

fn respond(
    status: StatusCode,
    dialect: Dialect,
    body: String,
    envelope: &Envelope,
) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    let content_type = match dialect {
        Dialect::Json { version: "1.0" } => HeaderValue::from_static("application/x-amz-json-1.0"),
        Dialect::Json { .. } => HeaderValue::from_static("application/x-amz-json-1.1"),
        Dialect::Query { .. } => HeaderValue::from_static("text/xml"),
    };
    headers.insert(CONTENT_TYPE, content_type);
    if let Ok(request_id) = HeaderValue::from_str(&envelope.request_id) {
        headers.insert("x-amzn-requestid", request_id);
    }
    if let Some(date) = http_date(envelope.unix_ms) {
        headers.insert(DATE, date);
    }
    response
}

/// `Sat, 21 Nov 2026 21:49:38 GMT`.
fn http_date(unix_ms: u64) -> Option<HeaderValue> {
    let instant = jiff::Timestamp::from_millisecond(i64::try_from(unix_ms).ok()?).ok()?;
    let text = jiff::fmt::rfc2822::DateTimePrinter::new()
        .timestamp_to_rfc9110_string(&instant)
        .ok()?;
    HeaderValue::from_str(&text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn envelope() -> Envelope {
        Envelope {
            request_id: "id-1".into(),
            unix_ms: 1_795_298_978_000,
        }
    }

    fn text(response: &Response<Bytes>) -> &str {
        std::str::from_utf8(response.body()).unwrap()
    }

    #[test]
    fn json_outputs_and_common_headers() {
        let operation = &model::of(Service::Ssm).operations["PutParameter"];
        let response = success(
            Service::Ssm,
            operation,
            &json!({"Version": 1, "Tier": "Standard"}),
            &envelope(),
        )
        .unwrap();
        assert_eq!(text(&response), r#"{"Version":1,"Tier":"Standard"}"#);
        assert_eq!(
            response.headers()["content-type"],
            "application/x-amz-json-1.1"
        );
        assert_eq!(response.headers()["x-amzn-requestid"], "id-1");
        assert_eq!(response.headers()["date"], "Sat, 21 Nov 2026 22:09:38 GMT");
    }

    #[test]
    fn query_outputs_are_wrapped() {
        let operation = &model::of(Service::Elbv2).operations["DeleteRule"];
        let response = success(Service::Elbv2, operation, &json!({}), &envelope()).unwrap();
        assert_eq!(
            text(&response),
            "<DeleteRuleResponse xmlns=\"http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/\"><DeleteRuleResult>\
             </DeleteRuleResult><ResponseMetadata><RequestId>id-1</RequestId></ResponseMetadata></DeleteRuleResponse>"
        );
        assert_eq!(response.headers()["content-type"], "text/xml");
    }

    #[test]
    fn an_output_that_the_model_does_not_allow_is_our_bug() {
        let operation = &model::of(Service::Ssm).operations["PutParameter"];
        let error = success(
            Service::Ssm,
            operation,
            &json!({"Version": "1", "Colour": 1}),
            &envelope(),
        )
        .unwrap_err();
        assert!(
            error.to_string().contains("'version'") && error.to_string().contains("'colour'"),
            "{error}"
        );
    }

    #[test]
    fn every_error_of_every_operation_has_the_status_and_code_of_the_model() {
        for service in model::SERVICES {
            for operation in model::of(service).operations.values() {
                for shape in &operation.errors {
                    let response = failure(
                        Some(service),
                        Dialect::of(service),
                        &AwsError::new(shape, "why"),
                        &envelope(),
                    );
                    let expected = match shape.as_str() {
                        "ServerException"
                        | "InternalServerError"
                        | "HealthUnavailableException" => 500,
                        "PriorRequestNotCompleteException" => 429,
                        _ => 400,
                    };
                    assert_eq!(response.status(), expected, "{shape}");
                    match service {
                        Service::Ecs | Service::Ssm | Service::AutoScaling | Service::DynamoDb => {
                            assert_eq!(response.headers()["x-amzn-errortype"], shape.as_str());
                            assert_eq!(
                                text(&response),
                                json!({"__type": shape, "message": "why"}).to_string()
                            );
                        }
                        Service::Elbv2 | Service::Sts => {
                            assert!(!text(&response).contains("Exception</Code>"), "{shape}")
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn common_errors_are_named_as_each_protocol_has_them() {
        let wire = |service, code: &str| {
            let (code, status) = on_the_wire(Some(service), Dialect::of(service), code);
            (code, status.as_u16())
        };
        assert_eq!(
            wire(Service::Ecs, "ThrottlingException"),
            ("ThrottlingException".into(), 400)
        );
        assert_eq!(
            wire(Service::Elbv2, "ThrottlingException"),
            ("Throttling".into(), 400)
        );
        assert_eq!(
            wire(Service::Elbv2, "AccessDeniedException"),
            ("AccessDenied".into(), 403)
        );
        assert_eq!(
            wire(Service::Elbv2, "UnknownOperationException"),
            ("InvalidAction".into(), 400)
        );
        assert_eq!(
            wire(Service::Elbv2, "InternalFailure"),
            ("InternalFailure".into(), 500)
        );
    }
}
