//! An HTTP request becomes a service, an operation and a decoded, validated input.

use std::io::Read;

use bytes::Bytes;
use flate2::read::GzDecoder;
use http::header::{AUTHORIZATION, CONTENT_ENCODING};
use http::{HeaderMap, Request};
use serde_json::{Map, Value};

use super::model::{self, Operation, Protocol};
use super::response::Dialect;
use super::validate::{self, Direction, Violation};
use super::{cbor, query, rest};
use crate::api::{AwsError, Service};

/// A request of which it is known what it asks for, but not yet whether it is well formed.
#[derive(Debug)]
pub struct Received {
    /// The service.
    pub service: Service,
    /// The operation, one that [`model`] has.
    pub operation: &'static Operation,
    /// The protocol it came in, which is that of its answer.
    pub protocol: Protocol,
    /// Access key of the caller, when the signature came in a header.
    pub caller: Option<String>,
    body: Body,
}

/// A request that is refused before it reaches a service, and how to say so.
#[derive(Debug)]
pub struct Refused {
    /// The service, where it could be told.
    pub service: Option<Service>,
    /// What was asked for, as far as it could be told.
    pub operation: String,
    /// The protocol in which the caller expects its answer.
    pub dialect: Dialect,
    /// The refusal.
    pub error: AwsError,
}

#[derive(Debug)]
enum Body {
    Cbor(Bytes),
    Json(Bytes),
    Form(Vec<(String, String)>),
    Members(Map<String, Value>),
}

/// The largest body that a compressed one may become, in bytes.
const INFLATED_LIMIT: u64 = 8 << 20;

/// Finds out which operation of which service a request asks for.
///
/// CBOR requests are known by their path (`/service/…/operation/…`), REST requests by method and path, JSON requests by
/// `X-Amz-Target`, Query requests by `Version` and, failing that, by the scope of their signature.
///
/// # Errors
/// The operation is not emulated (which is logged), or the request carries no credentials.
pub fn recognise(request: &Request<Bytes>) -> Result<Received, Refused> {
    if let Some((service, operation)) = rpc_path(request) {
        return recognise_named(request, Protocol::Cbor, service, operation);
    }
    if let Some((service, operation, members)) = rest::recognise(request) {
        return recognise_rest(request, service, operation, members);
    }
    let target = request
        .headers()
        .get("x-amz-target")
        .and_then(|target| target.to_str().ok());
    match target {
        Some(target) => {
            let (prefix, name) = target.rsplit_once('.').unwrap_or(("", target));
            recognise_named(request, Protocol::Json, prefix, name)
        }
        None => recognise_query(request),
    }
}

/// Service and operation of a Smithy RPC v2 CBOR request.
fn rpc_path(request: &Request<Bytes>) -> Option<(&str, &str)> {
    let protocol = request.headers().get("smithy-protocol")?;
    if protocol != "rpc-v2-cbor" {
        return None;
    }
    let (before, operation) = request.uri().path().rsplit_once("/operation/")?;
    let (_, service) = before.rsplit_once("/service/")?;
    Some((service, operation))
}

/// A request that names service and operation outside its body.
fn recognise_named(
    request: &Request<Bytes>,
    protocol: Protocol,
    prefix: &str,
    name: &str,
) -> Result<Received, Refused> {
    let service = model::SERVICES.into_iter().find(|service| {
        let model = model::of(*service);
        model.speaks(protocol) && model.metadata.target_prefix.as_deref() == Some(prefix)
    });
    let dialect = service.map_or(Dialect::unknown(protocol), |service| {
        Dialect::of(service, protocol)
    });
    let refused = |error| Refused {
        service,
        operation: name.to_owned(),
        dialect,
        error,
    };
    if !is_signed(request) {
        return Err(refused(AwsError::new(
            "MissingAuthenticationTokenException",
            "Missing Authentication Token",
        )));
    }
    let operation = service.and_then(|service| model::of(service).operations.get(name));
    match (service, operation) {
        (Some(service), Some(operation)) => {
            let body = inflated(request).map_err(refused)?;
            Ok(Received {
                service,
                operation,
                protocol,
                caller: access_key(request.headers()),
                body: match protocol {
                    Protocol::Cbor => Body::Cbor(body),
                    Protocol::Json | Protocol::Query | Protocol::Rest => Body::Json(body),
                },
            })
        }
        (Some(_), None) | (None, _) => {
            tracing::warn!(prefix, name, "not emulated");
            Err(refused(AwsError::not_emulated(name)))
        }
    }
}

/// A request that its method and path name.
fn recognise_rest(
    request: &Request<Bytes>,
    service: Service,
    operation: &'static Operation,
    members: Map<String, Value>,
) -> Result<Received, Refused> {
    if !is_signed(request) {
        let text = "Missing Authentication Token";
        return Err(Refused {
            service: Some(service),
            operation: operation.name.clone(),
            dialect: Dialect::Rest,
            error: AwsError::new("MissingAuthenticationTokenException", text),
        });
    }
    Ok(Received {
        service,
        operation,
        protocol: Protocol::Rest,
        caller: access_key(request.headers()),
        body: Body::Members(members),
    })
}

/// The body, unpacked: SDKs pack large ones of the operations whose model allows it.
fn inflated(request: &Request<Bytes>) -> Result<Bytes, AwsError> {
    if request
        .headers()
        .get(CONTENT_ENCODING)
        .is_none_or(|encoding| encoding != "gzip")
    {
        return Ok(request.body().clone());
    }
    let mut body = Vec::new();
    let read = GzDecoder::new(&request.body()[..])
        .take(INFLATED_LIMIT)
        .read_to_end(&mut body);
    match read {
        Ok(_) => Ok(body.into()),
        Err(error) => {
            let text = format!("The body is not gzip: {error}");
            Err(AwsError::new("SerializationException", text))
        }
    }
}

fn recognise_query(request: &Request<Bytes>) -> Result<Received, Refused> {
    let in_url = request.uri().query().unwrap_or_default();
    let mut pairs: Vec<(String, String)> = form_urlencoded::parse(in_url.as_bytes())
        .into_owned()
        .collect();
    let inflated = inflated(request);
    if let Ok(body) = &inflated {
        pairs.extend(form_urlencoded::parse(body).into_owned());
    }
    let mut take = |name: &str| {
        let at = pairs.iter().position(|(key, _)| key == name)?;
        Some(pairs.remove(at).1)
    };
    let (action, version) = (take("Action").unwrap_or_default(), take("Version"));
    pairs.retain(|(name, _)| !name.starts_with("X-Amz-"));

    let scope = signature_scope(request.headers());
    let service = model::SERVICES.into_iter().find(|service| {
        let model = model::of(*service);
        let by_version = version
            .as_ref()
            .is_some_and(|version| *version == model.metadata.api_version);
        let by_scope = version.is_none() && scope == Some(model.signing_name());
        model.speaks(Protocol::Query) && (by_version || by_scope)
    });
    let dialect = service.map_or(Dialect::unknown(Protocol::Query), |service| {
        Dialect::of(service, Protocol::Query)
    });
    let refused = |error| Refused {
        service,
        operation: action.clone(),
        dialect,
        error,
    };
    if !is_signed(request) {
        return Err(refused(AwsError::new(
            "MissingAuthenticationToken",
            "Request is missing Authentication Token",
        )));
    }
    if let Err(error) = inflated {
        return Err(refused(error));
    }
    let operation = service.and_then(|service| model::of(service).operations.get(&action));
    match (service, operation) {
        (Some(service), Some(operation)) => Ok(Received {
            service,
            operation,
            protocol: Protocol::Query,
            caller: access_key(request.headers()),
            body: Body::Form(pairs),
        }),
        (Some(_), None) | (None, _) => {
            tracing::warn!(action, version, scope, "not emulated");
            Err(refused(AwsError::not_emulated(&action)))
        }
    }
}

impl Received {
    /// How it is answered.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        Dialect::of(self.service, self.protocol)
    }

    /// The input, checked against the model, without `null` members.
    ///
    /// # Errors
    /// `SerializationException` when the CBOR, the JSON or a type is wrong, else the service's validation error.
    pub fn decode(&self) -> Result<Value, AwsError> {
        let model = model::of(self.service);
        let shape = self
            .operation
            .input
            .as_ref()
            .map_or("", |input| input.shape.as_str());
        let mut input = match &self.body {
            Body::Cbor(bytes) | Body::Json(bytes) if bytes.is_empty() => Value::Object(Map::new()),
            Body::Cbor(bytes) => cbor::decode(bytes)
                .map_err(|error| AwsError::new("SerializationException", error.to_string()))?,
            Body::Json(bytes) => serde_json::from_slice(bytes).map_err(|error| {
                AwsError::new(
                    "SerializationException",
                    format!("The body is not JSON: {error}"),
                )
            })?,
            Body::Form(pairs) => query::decode(model, shape, pairs),
            Body::Members(members) => Value::Object(members.clone()),
        };
        validate::drop_nulls(&mut input);
        check(self.service, self.protocol, shape, &input)?;
        Ok(input)
    }
}

/// Checks an input that came in `protocol` against the structure `shape` of a service.
///
/// # Errors
/// As [`Received::decode`].
pub fn check(
    service: Service,
    protocol: Protocol,
    shape: &str,
    input: &Value,
) -> Result<(), AwsError> {
    let found = validate::violations(model::of(service), shape, input, Direction::Input);
    if found.is_empty() {
        return Ok(());
    }
    if let Some(mistyped) = found
        .iter()
        .find(|violation| matches!(violation, Violation::Type { .. }))
        && !matches!(protocol, Protocol::Query | Protocol::Rest)
    {
        return Err(AwsError::new(
            "SerializationException",
            mistyped.to_string(),
        ));
    }
    let code = match service {
        Service::Ecs => "InvalidParameterException",
        Service::Ssm | Service::AutoScaling | Service::DynamoDb | Service::Lambda => {
            "ValidationException"
        }
        Service::Elbv2 | Service::Sts | Service::CloudWatch => "ValidationError",
    };
    let texts: Vec<String> = found.iter().map(ToString::to_string).collect();
    let plural = if texts.len() == 1 { "" } else { "s" };
    Err(AwsError::new(
        code,
        format!(
            "{} validation error{plural} detected: {}",
            texts.len(),
            texts.join("; ")
        ),
    ))
}

/// Whether credentials came along, in a header or in the URL.
fn is_signed(request: &Request<Bytes>) -> bool {
    let in_url = request
        .uri()
        .query()
        .is_some_and(|query| query.contains("X-Amz-Credential="));
    in_url || request.headers().contains_key(AUTHORIZATION)
}

/// The service in `Credential=<key>/<date>/<region>/<service>/aws4_request`.
fn signature_scope(headers: &HeaderMap) -> Option<&str> {
    credential(headers)?.split('/').nth(3)
}

/// The key in it.
fn access_key(headers: &HeaderMap) -> Option<String> {
    credential(headers)?
        .split('/')
        .next()
        .map(ToOwned::to_owned)
}

fn credential(headers: &HeaderMap) -> Option<&str> {
    let authorization = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (_, credential) = authorization.split_once("Credential=")?;
    credential.split(',').next()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const SIGNATURE: &str = "AWS4-HMAC-SHA256 Credential=key/20260101/eu-west-1/elasticloadbalancing/aws4_request, SignedHeaders=host, Signature=0";

    fn json_request(target: &str, body: &'static str) -> Request<Bytes> {
        let request = Request::post("/")
            .header("x-amz-target", target)
            .header("authorization", SIGNATURE);
        request.body(Bytes::from_static(body.as_bytes())).unwrap()
    }

    fn form(body: &'static str) -> Request<Bytes> {
        Request::post("/")
            .header("authorization", SIGNATURE)
            .body(Bytes::from_static(body.as_bytes()))
            .unwrap()
    }

    #[test]
    fn a_target_names_service_and_operation() {
        let received = recognise(&json_request(
            "AmazonSSM.GetParameter",
            r#"{"Name":"/a","WithDecryption":null}"#,
        ))
        .unwrap();
        assert_eq!(
            (received.service, received.operation.name.as_str()),
            (Service::Ssm, "GetParameter")
        );
        assert_eq!(received.decode().unwrap(), json!({"Name": "/a"}));
    }

    #[test]
    fn a_version_or_a_scope_names_the_query_service() {
        for body in [
            "Action=DescribeRules&Version=2015-12-01&PageSize=7",
            "Action=DescribeRules&PageSize=7",
        ] {
            let received = recognise(&form(body)).unwrap();
            assert_eq!(
                (received.service, received.operation.name.as_str()),
                (Service::Elbv2, "DescribeRules")
            );
            assert_eq!(received.decode().unwrap(), json!({"PageSize": 7}));
        }
        let received = recognise(&form("Action=GetCallerIdentity&Version=2011-06-15")).unwrap();
        assert_eq!(received.service, Service::Sts);
    }

    #[test]
    fn what_is_not_emulated_is_refused_as_unknown() {
        for target in [
            "AmazonSSM.StartSession",
            "DynamoDB_20120810.Query",
            "nonsense",
        ] {
            let refused = recognise(&json_request(target, "{}")).unwrap_err();
            assert_eq!(refused.error.code, "UnknownOperationException");
        }
        let refused = recognise(&form("Action=CreateUser&Version=2010-05-08")).unwrap_err();
        assert_eq!(
            (refused.service, refused.error.code.as_str()),
            (None, "UnknownOperationException")
        );
    }

    fn alarms(path: &str, body: Vec<u8>) -> Request<Bytes> {
        let request = Request::post(path)
            .header("smithy-protocol", "rpc-v2-cbor")
            .header("authorization", SIGNATURE);
        request.body(Bytes::from(body)).unwrap()
    }

    const ALARMS: &str = "/service/GraniteServiceVersion20100801/operation/DescribeAlarms";

    #[test]
    fn one_service_is_understood_in_all_its_protocols() {
        let mut body = Vec::new();
        ciborium::into_writer(&json!({"MaxRecords": 7}), &mut body).unwrap();
        for (request, protocol) in [
            (alarms(ALARMS, body), Protocol::Cbor),
            (
                json_request(
                    "GraniteServiceVersion20100801.DescribeAlarms",
                    r#"{"MaxRecords":7}"#,
                ),
                Protocol::Json,
            ),
            (
                form("Action=DescribeAlarms&Version=2010-08-01&MaxRecords=7"),
                Protocol::Query,
            ),
        ] {
            let received = recognise(&request).unwrap();
            assert_eq!(
                (
                    received.service,
                    received.protocol,
                    received.operation.name.as_str()
                ),
                (Service::CloudWatch, protocol, "DescribeAlarms")
            );
            assert_eq!(received.decode().unwrap(), json!({"MaxRecords": 7}));
        }
        assert_eq!(
            recognise(&alarms(ALARMS, Vec::new()))
                .unwrap()
                .decode()
                .unwrap(),
            json!({})
        );
    }

    #[test]
    fn a_protocol_that_a_service_does_not_speak_is_not_understood() {
        for path in [
            "/service/AmazonSSM/operation/GetParameter",
            "/service/GraniteServiceVersion20100801/operation/PutCompositeAlarm",
            "/service//operation/",
        ] {
            let refused = recognise(&alarms(path, Vec::new())).unwrap_err();
            assert_eq!(refused.error.code, "UnknownOperationException", "{path}");
            assert_eq!(refused.dialect, Dialect::Cbor, "{path}");
        }
        let refused = recognise(&alarms(ALARMS, b"\xff".into()))
            .unwrap()
            .decode()
            .unwrap_err();
        assert_eq!(refused.code, "SerializationException");
    }

    #[test]
    fn a_packed_body_is_unpacked() {
        use std::io::Write;

        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(br#"{"Namespace":"Shop"}"#).unwrap();
        let packed = packed.finish().unwrap();
        let request = |body: Vec<u8>| {
            let request = Request::post("/")
                .header(
                    "x-amz-target",
                    "GraniteServiceVersion20100801.PutMetricData",
                )
                .header("content-encoding", "gzip")
                .header("authorization", SIGNATURE);
            request.body(Bytes::from(body)).unwrap()
        };
        let read = recognise(&request(packed)).unwrap().decode().unwrap();
        assert_eq!(read, json!({"Namespace": "Shop"}));
        let refused = recognise(&request(b"no gzip".into())).unwrap_err();
        assert_eq!(refused.error.code, "SerializationException");
    }

    #[test]
    fn a_request_without_credentials_is_refused() {
        let request = Request::post("/")
            .header("x-amz-target", "AmazonSSM.GetParameter")
            .body(Bytes::new())
            .unwrap();
        assert_eq!(
            recognise(&request).unwrap_err().error.code,
            "MissingAuthenticationTokenException"
        );
        let presigned =
            Request::get("/?Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Credential=key");
        assert!(
            recognise(&presigned.body(Bytes::new()).unwrap())
                .unwrap()
                .decode()
                .is_ok()
        );
    }

    #[test]
    fn each_service_refuses_in_its_own_words() {
        let code =
            |request: &Request<Bytes>| recognise(request).unwrap().decode().unwrap_err().code;
        assert_eq!(
            code(&json_request("AmazonSSM.GetParameter", "{")),
            "SerializationException"
        );
        assert_eq!(
            code(&json_request("AmazonSSM.GetParameter", r#"{"Name":1}"#)),
            "SerializationException"
        );
        assert_eq!(
            code(&json_request("AmazonSSM.GetParameter", "{}")),
            "ValidationException"
        );
        let ecs = "AmazonEC2ContainerServiceV20141113.CreateService";
        assert_eq!(code(&json_request(ecs, "{}")), "InvalidParameterException");
        assert_eq!(
            code(&form("Action=DescribeRules&PageSize=401")),
            "ValidationError"
        );
        assert_eq!(
            code(&form("Action=DescribeRules&PageSize=many")),
            "ValidationError"
        );
    }
}
