//! An output or an error becomes an HTTP response.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, DATE, HeaderValue};
use http::{Response, StatusCode};
use serde_json::{Value, json};

use super::model::{self, Operation, Protocol, Shape};
use super::validate::{self, Direction};
use super::{cbor, rest, xml};
use crate::api::{AwsError, Service};

/// How a caller is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Smithy RPC v2 CBOR.
    Cbor,
    /// AWS JSON.
    Json {
        /// `1.0` or `1.1`.
        version: &'static str,
    },
    /// REST with JSON.
    Rest,
    /// Query/XML.
    Query {
        /// The namespace of the service's responses; empty: none.
        namespace: &'static str,
    },
}

impl Dialect {
    /// How `service` speaks `protocol`.
    #[must_use]
    pub fn of(service: Service, protocol: Protocol) -> Self {
        let metadata = &model::of(service).metadata;
        match protocol {
            Protocol::Cbor => Self::Cbor,
            Protocol::Json => Self::Json {
                version: metadata.json_version.as_deref().unwrap_or("1.1"),
            },
            Protocol::Rest => Self::Rest,
            Protocol::Query => Self::Query {
                namespace: metadata.xml_namespace.as_deref().unwrap_or_default(),
            },
        }
    }

    /// How a caller is answered who reached no service.
    #[must_use]
    pub fn unknown(protocol: Protocol) -> Self {
        match protocol {
            Protocol::Cbor => Self::Cbor,
            Protocol::Json => Self::Json { version: "1.1" },
            Protocol::Rest => Self::Rest,
            Protocol::Query => Self::Query { namespace: "" },
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
    dialect: Dialect,
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
    let body = match dialect {
        // What is no structure is written as no bytes.
        Dialect::Cbor => {
            side.map_or_else(Vec::new, |side| cbor::encode(model, &side.shape, output))
        }
        Dialect::Json { .. } => output.to_string().into_bytes(),
        Dialect::Rest => {
            let shape = side.map(|side| model.shape(&side.shape));
            let parts = match shape {
                Some(Shape::Structure(structure)) => rest::output(structure, output),
                Some(_) | None => rest::Parts::default(),
            };
            let mut response = respond(parts.status, dialect, parts.body, envelope);
            response.headers_mut().extend(parts.headers);
            return Ok(response);
        }
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
            body.into_bytes()
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
    let mut response = match dialect {
        Dialect::Cbor => {
            let body = cbor::error(&code, &error.message);
            respond(status, dialect, body, envelope)
        }
        Dialect::Rest => {
            let body = json!({"Type": fault(status), said_as(service, &code): error.message});
            let mut response = respond(status, dialect, body.to_string().into_bytes(), envelope);
            if let Ok(code) = HeaderValue::from_str(&code) {
                response.headers_mut().insert("x-amzn-errortype", code);
            }
            response
        }
        Dialect::Json { .. } => {
            let body = json!({"__type": code, "message": error.message}).to_string();
            let mut response = respond(status, dialect, body.into_bytes(), envelope);
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
            xml::text("Type", whose(status), &mut body);
            xml::text("Code", &code, &mut body);
            xml::text("Message", &error.message, &mut body);
            xml::close("Error", &mut body);
            xml::text("RequestId", &envelope.request_id, &mut body);
            xml::close("ErrorResponse", &mut body);
            respond(status, dialect, body.into_bytes(), envelope)
        }
    };
    if let Some(code) = query_code(service, dialect, &error.code)
        && let Ok(value) = HeaderValue::from_str(&format!("{code};{}", whose(status)))
    {
        response.headers_mut().insert("x-amzn-query-error", value);
    }
    response
}

/// Whose fault an error is, in REST.
fn fault(status: StatusCode) -> &'static str {
    if status.is_server_error() {
        "Service"
    } else {
        "User"
    }
}

/// The member that holds an error's text: the models spell it in two ways.
fn said_as(service: Option<Service>, code: &str) -> &'static str {
    let shape = service.and_then(|service| model::of(service).error(code));
    let mut members = shape.into_iter().flat_map(|shape| &shape.members);
    if members.any(|(name, _)| name == "message") {
        "message"
    } else {
        "Message"
    }
}

/// Whose fault an error is.
fn whose(status: StatusCode) -> &'static str {
    if status.is_server_error() {
        "Receiver"
    } else {
        "Sender"
    }
}

/// The code that an error had when its service spoke Query alone, where SDKs go by that
/// (<https://smithy.io/2.0/aws/protocols/aws-query-protocol.html#aws-protocols-awsquerycompatible-trait>).
fn query_code(service: Option<Service>, dialect: Dialect, code: &str) -> Option<String> {
    let service = service?;
    model::of(service).metadata.aws_query_compatible.as_ref()?;
    match dialect {
        Dialect::Cbor | Dialect::Json { .. } => {
            let query = Dialect::of(service, Protocol::Query);
            Some(on_the_wire(Some(service), query, code).0)
        }
        Dialect::Rest | Dialect::Query { .. } => None,
    }
}

/// Code and status of an error: from the service's model, else one of the errors common to all services.
fn on_the_wire(service: Option<Service>, dialect: Dialect, code: &str) -> (String, StatusCode) {
    if let Some(shape) = service.and_then(|service| model::of(service).error(code)) {
        let traits = shape.error.as_ref();
        let by_shape = match dialect {
            Dialect::Cbor => true,
            // JSON of a service that spoke Query before: the older code is in a header of its own.
            Dialect::Json { .. } => service
                .is_some_and(|service| model::of(service).metadata.aws_query_compatible.is_some()),
            Dialect::Rest => true,
            Dialect::Query { .. } => false,
        };
        let wire = traits
            .and_then(|traits| traits.code.as_deref())
            .filter(|_| !by_shape)
            .unwrap_or(code);
        let status = traits.and_then(|traits| traits.http_status_code);
        let status = status.unwrap_or(if shape.fault { 500 } else { 400 });
        return (
            wire.to_owned(),
            StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST),
        );
    }
    if dialect == Dialect::Rest {
        return common_in_rest(code);
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

/// Errors common to all services, as Lambda has them.
/// (<https://docs.aws.amazon.com/lambda/latest/api/CommonErrors.html>)
fn common_in_rest(code: &str) -> (String, StatusCode) {
    let (wire, status) = match code {
        "ThrottlingException" => ("TooManyRequestsException", StatusCode::TOO_MANY_REQUESTS),
        "AccessDeniedException" | "MissingAuthenticationTokenException" => {
            (code, StatusCode::FORBIDDEN)
        }
        "UnknownOperationException" => (code, StatusCode::NOT_FOUND),
        "ValidationException" => ("InvalidParameterValueException", StatusCode::BAD_REQUEST),
        "InternalFailure" | "InternalServerError" | "InternalServiceException" => {
            ("ServiceException", StatusCode::INTERNAL_SERVER_ERROR)
        }
        "ServiceUnavailable" | "ServiceUnavailableException" => {
            (code, StatusCode::SERVICE_UNAVAILABLE)
        }
        other => (other, StatusCode::BAD_REQUEST),
    };
    (wire.to_owned(), status)
}

fn respond(
    status: StatusCode,
    dialect: Dialect,
    body: Vec<u8>,
    envelope: &Envelope,
) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = status;
    let empty = response.body().is_empty();
    let headers = response.headers_mut();
    if dialect == Dialect::Cbor {
        let protocol = HeaderValue::from_static("rpc-v2-cbor");
        headers.insert("smithy-protocol", protocol);
    }
    let content_type = match dialect {
        Dialect::Cbor => HeaderValue::from_static("application/cbor"),
        Dialect::Json { version: "1.0" } => HeaderValue::from_static("application/x-amz-json-1.0"),
        Dialect::Json { .. } => HeaderValue::from_static("application/x-amz-json-1.1"),
        Dialect::Rest => HeaderValue::from_static("application/json"),
        Dialect::Query { .. } => HeaderValue::from_static("text/xml"),
    };
    if !empty {
        headers.insert(CONTENT_TYPE, content_type);
    }
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
            Dialect::of(Service::Ssm, Protocol::Json),
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
        let response = success(
            Service::Elbv2,
            Dialect::of(Service::Elbv2, Protocol::Query),
            operation,
            &json!({}),
            &envelope(),
        )
        .unwrap();
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
            Dialect::of(Service::Ssm, Protocol::Json),
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
            let model = model::of(service);
            let compatible = model.metadata.aws_query_compatible.is_some();
            for operation in model.operations.values() {
                for (shape, protocol) in operation.errors.iter().flat_map(|shape| {
                    let protocols = model.metadata.protocols.iter();
                    protocols.map(move |protocol| (shape, *protocol))
                }) {
                    let response = failure(
                        Some(service),
                        Dialect::of(service, protocol),
                        &AwsError::new(shape, "why"),
                        &envelope(),
                    );
                    let said = model.error(shape).and_then(|shape| shape.error.as_ref());
                    let said = said.and_then(|traits| traits.http_status_code);
                    let expected = match shape.as_str() {
                        _ if protocol == Protocol::Rest => said.expect("REST says it of each"),
                        "ServerException"
                        | "InternalServerError"
                        | "HealthUnavailableException"
                        | "InternalServiceFault" => 500,
                        "PriorRequestNotCompleteException" => 429,
                        "ResourceNotFound" => 404,
                        "ResourceConflict" => 409,
                        _ => 400,
                    };
                    assert_eq!(response.status(), expected, "{shape}");
                    let error = json!({"__type": shape, "message": "why"});
                    match protocol {
                        Protocol::Cbor => {
                            assert_eq!(cbor::decode(response.body()).unwrap(), error);
                        }
                        Protocol::Json => {
                            assert_eq!(response.headers()["x-amzn-errortype"], shape.as_str());
                            assert_eq!(text(&response), error.to_string());
                        }
                        Protocol::Rest => {
                            assert_eq!(response.headers()["x-amzn-errortype"], shape.as_str());
                            assert!(text(&response).contains("\"why\""), "{shape}");
                        }
                        Protocol::Query => {
                            assert!(!text(&response).contains("Exception</Code>"), "{shape}")
                        }
                    }
                    let carries = response.headers().contains_key("x-amzn-query-error");
                    assert_eq!(
                        carries,
                        compatible && !matches!(protocol, Protocol::Query | Protocol::Rest),
                        "{shape}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_service_that_spoke_query_says_what_the_error_was_called_there() {
        let said = |code: &str, protocol| {
            let dialect = Dialect::of(Service::CloudWatch, protocol);
            let error = AwsError::new(code, "why");
            let response = failure(Some(Service::CloudWatch), dialect, &error, &envelope());
            response.headers()["x-amzn-query-error"].clone()
        };
        assert_eq!(
            said("InvalidFormatFault", Protocol::Cbor),
            "InvalidFormat;Sender"
        );
        assert_eq!(
            said("InternalServiceFault", Protocol::Json),
            "InternalServiceError;Receiver"
        );
        assert_eq!(
            said("ThrottlingException", Protocol::Cbor),
            "Throttling;Sender"
        );
    }

    #[test]
    fn cbor_outputs_name_their_protocol_and_nothing_is_written_as_nothing() {
        let answer = |operation: &str, output: Value| {
            let operation = &model::of(Service::CloudWatch).operations[operation];
            success(
                Service::CloudWatch,
                Dialect::Cbor,
                operation,
                &output,
                &envelope(),
            )
            .unwrap()
        };
        let metrics = answer("ListMetrics", json!({"Metrics": []}));
        assert_eq!(metrics.headers()["content-type"], "application/cbor");
        assert_eq!(metrics.headers()["smithy-protocol"], "rpc-v2-cbor");
        assert_eq!(
            cbor::decode(metrics.body()).unwrap(),
            json!({"Metrics": []})
        );
        let nothing = answer("DeleteAlarms", json!({}));
        assert!(nothing.body().is_empty() && !nothing.headers().contains_key("content-type"));
        assert_eq!(nothing.headers()["smithy-protocol"], "rpc-v2-cbor");
    }

    #[test]
    fn common_errors_are_named_as_each_protocol_has_them() {
        let wire = |service, code: &str| {
            let dialect = Dialect::of(service, model::of(service).protocol());
            let (code, status) = on_the_wire(Some(service), dialect, code);
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
