//! The service models as types: which operations exist and what their inputs, outputs and errors look like.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use crate::api::Service;

/// One service as its official model describes it, cut down to what is emulated.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// Protocol, version and names on the wire.
    pub metadata: Metadata,
    /// By operation name.
    pub operations: BTreeMap<String, Operation>,
    /// By shape name.
    pub shapes: BTreeMap<String, Shape>,
}

/// How the service is spoken to.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Metadata {
    /// For example `2015-12-01`; a Query request carries it as `Version`.
    pub api_version: String,
    /// First label of the service's host name.
    pub endpoint_prefix: String,
    /// The service's name in a credential scope, where it differs from the endpoint prefix.
    pub signing_name: Option<String>,
    /// The protocols it speaks, its own first.
    pub protocols: Vec<Protocol>,
    /// There when the service spoke Query before: its errors then carry the code they had there.
    pub aws_query_compatible: Option<Map<String, Value>>,
    /// AWS JSON's version, `1.0` or `1.1`.
    pub json_version: Option<String>,
    /// What precedes the operation in `X-Amz-Target`; with CBOR the service's name in the path.
    pub target_prefix: Option<String>,
    /// The namespace of Query responses.
    pub xml_namespace: Option<String>,
}

/// The wire protocols that are emulated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Protocol {
    /// Smithy RPC v2 CBOR.
    #[serde(rename = "smithy-rpc-v2-cbor")]
    Cbor,
    /// AWS JSON 1.0 and 1.1.
    #[serde(rename = "json")]
    Json,
    /// Query in, XML out.
    #[serde(rename = "query")]
    Query,
    /// REST: members in path, query, headers and body; errors as JSON.
    #[serde(rename = "rest-json")]
    Rest,
}

/// One operation.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operation {
    /// Its name on the wire.
    pub name: String,
    /// REST only: method and path.
    pub http: Option<Http>,
    /// The input structure.
    pub input: Option<Side>,
    /// The output structure.
    pub output: Option<Side>,
    /// Shape names of the errors that the model declares for it.
    pub errors: Vec<String>,
}

/// Where an operation of a REST service is.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Http {
    /// `POST`.
    pub method: String,
    /// A path with members in it: `/2015-03-31/functions/{FunctionName}/invocations`.
    pub request_uri: String,
}

/// Input or output of an operation.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Side {
    /// A structure's shape name.
    pub shape: String,
    /// Query only: the element around the output.
    pub result_wrapper: Option<String>,
}

/// A type of the model.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Shape {
    /// Named members.
    Structure(Structure),
    /// Items of one shape.
    List(List),
    /// String keys, values of one shape.
    Map(Dictionary),
    /// Text, perhaps an enumeration.
    String(Text),
    /// 32-bit integer.
    Integer(Range),
    /// 64-bit integer.
    Long(Range),
    /// Floating point.
    Float(Range),
    /// Floating point.
    Double(Range),
    /// True or false.
    Boolean,
    /// Seconds since 1970, possibly fractional; ISO 8601 in XML.
    Timestamp,
    /// Bytes, base64.
    Blob,
}

/// A structure shape.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Structure {
    /// Name and shape of every member, in model order.
    #[serde(deserialize_with = "in_order")]
    pub members: Vec<(String, Reference)>,
    /// Members that must be given.
    #[serde(default)]
    pub required: Vec<String>,
    /// REST only: the member that is the whole body.
    pub payload: Option<String>,
    /// Any JSON may stand here.
    #[serde(default)]
    pub document: bool,
    /// It is an error.
    #[serde(default)]
    pub exception: bool,
    /// An error that is the service's fault: HTTP 500.
    #[serde(default)]
    pub fault: bool,
    /// Code and status where they differ from the shape's name and from 400.
    pub error: Option<ErrorTraits>,
}

/// How an error shape appears on the wire.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ErrorTraits {
    /// The code that clients see.
    pub code: Option<String>,
    /// HTTP status.
    pub http_status_code: Option<u16>,
    /// Whether it is the caller's fault.
    #[serde(default)]
    pub sender_fault: bool,
}

/// A list shape; `min` and `max` bound its length.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct List {
    /// The items.
    pub member: Reference,
    /// Least length.
    pub min: Option<usize>,
    /// Greatest length.
    pub max: Option<usize>,
}

/// A map shape.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dictionary {
    /// The keys.
    pub key: Reference,
    /// The values.
    pub value: Reference,
    /// Least number of entries.
    pub min: Option<usize>,
    /// Greatest number of entries.
    pub max: Option<usize>,
}

/// A string shape; `min` and `max` bound its length in characters.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Text {
    /// The only values allowed; empty: any.
    #[serde(default, rename = "enum")]
    pub values: Vec<String>,
    /// Least length.
    pub min: Option<usize>,
    /// Greatest length.
    pub max: Option<usize>,
    /// A regular expression in Java's notation that the whole value matches.
    pub pattern: Option<String>,
}

/// Bounds of a number.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Range {
    /// Least value.
    pub min: Option<f64>,
    /// Greatest value.
    pub max: Option<f64>,
}

/// Names a shape. `flattened` and other traits occur in none of the services served; a model that uses one fails to
/// load rather than being spoken wrongly.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Reference {
    /// The shape's name.
    pub shape: String,
    /// REST only: where the member is, when it is not in the body.
    pub location: Option<Location>,
    /// REST only: the name that it has there.
    pub location_name: Option<String>,
}

/// Where a member of a REST service is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Location {
    /// In the path.
    Uri,
    /// In the query.
    Querystring,
    /// In a header.
    Header,
    /// The answer's status.
    StatusCode,
}

impl Model {
    /// The shape called `name`. Models are closed (a test walks them), so a missing one reads as an empty
    /// structure that no value fits.
    #[must_use]
    pub fn shape(&self, name: &str) -> &Shape {
        static NOTHING: Shape = Shape::Structure(Structure {
            members: Vec::new(),
            required: Vec::new(),
            payload: None,
            document: false,
            exception: false,
            fault: false,
            error: None,
        });
        self.shapes.get(name).unwrap_or(&NOTHING)
    }

    /// The error structure called `name`, if the model has it.
    #[must_use]
    pub fn error(&self, name: &str) -> Option<&Structure> {
        match self.shapes.get(name) {
            Some(Shape::Structure(structure)) if structure.exception => Some(structure),
            _ => None,
        }
    }

    /// The service's own protocol.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        let own = self.metadata.protocols.first().copied();
        own.unwrap_or(Protocol::Json)
    }

    /// Whether the service can be spoken to in `protocol`.
    #[must_use]
    pub fn speaks(&self, protocol: Protocol) -> bool {
        self.metadata.protocols.contains(&protocol)
    }

    /// The service's name in the scope of a signature.
    #[must_use]
    pub fn signing_name(&self) -> &str {
        self.metadata
            .signing_name
            .as_deref()
            .unwrap_or(&self.metadata.endpoint_prefix)
    }
}

/// Every service, in the order of [`Service`].
pub const SERVICES: [Service; 8] = [
    Service::Ecs,
    Service::Elbv2,
    Service::Ssm,
    Service::AutoScaling,
    Service::DynamoDb,
    Service::Sts,
    Service::CloudWatch,
    Service::Lambda,
];

/// The model of `service`.
#[must_use]
pub fn of(service: Service) -> &'static Model {
    static ECS: LazyLock<Model> = LazyLock::new(|| load(include_str!("../../models/ecs.json")));
    static ELBV2: LazyLock<Model> = LazyLock::new(|| load(include_str!("../../models/elbv2.json")));
    static SSM: LazyLock<Model> = LazyLock::new(|| load(include_str!("../../models/ssm.json")));
    static SCALING: LazyLock<Model> =
        LazyLock::new(|| load(include_str!("../../models/application-autoscaling.json")));
    static DYNAMODB: LazyLock<Model> =
        LazyLock::new(|| load(include_str!("../../models/dynamodb.json")));
    static STS: LazyLock<Model> = LazyLock::new(|| load(include_str!("../../models/sts.json")));
    static CLOUDWATCH: LazyLock<Model> =
        LazyLock::new(|| load(include_str!("../../models/cloudwatch.json")));
    static LAMBDA: LazyLock<Model> =
        LazyLock::new(|| load(include_str!("../../models/lambda.json")));
    match service {
        Service::Ecs => &ECS,
        Service::Elbv2 => &ELBV2,
        Service::Ssm => &SSM,
        Service::AutoScaling => &SCALING,
        Service::DynamoDb => &DYNAMODB,
        Service::Sts => &STS,
        Service::CloudWatch => &CLOUDWATCH,
        Service::Lambda => &LAMBDA,
    }
}

#[expect(
    clippy::expect_used,
    reason = "the text is compiled in and a test loads every model"
)]
fn load(text: &str) -> Model {
    serde_json::from_str(text).expect("a compiled-in service model is well formed")
}

/// Reads an object's entries in the order of the text.
fn in_order<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<(String, Reference)>, D::Error> {
    let members: Map<String, Value> = Map::deserialize(deserializer)?;
    members
        .into_iter()
        .map(|(name, reference)| {
            serde_json::from_value(reference)
                .map(|reference| (name, reference))
                .map_err(serde::de::Error::custom)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_model_loads_and_is_closed() {
        for service in SERVICES {
            let model = of(service);
            assert!(!model.operations.is_empty() && !model.metadata.protocols.is_empty());
            for operation in model.operations.values() {
                for side in [&operation.input, &operation.output].into_iter().flatten() {
                    assert!(model.shapes.contains_key(&side.shape), "{}", side.shape);
                }
                for error in &operation.errors {
                    assert!(model.error(error).is_some(), "{error}");
                }
            }
            for shape in model.shapes.values() {
                let references: Vec<&Reference> = match shape {
                    Shape::Structure(structure) => structure
                        .members
                        .iter()
                        .map(|(_, reference)| reference)
                        .collect(),
                    Shape::List(list) => vec![&list.member],
                    Shape::Map(map) => vec![&map.key, &map.value],
                    Shape::String(_)
                    | Shape::Integer(_)
                    | Shape::Long(_)
                    | Shape::Float(_)
                    | Shape::Double(_) => vec![],
                    Shape::Boolean | Shape::Timestamp | Shape::Blob => vec![],
                };
                for reference in references {
                    let elsewhere =
                        reference.location.is_some() || reference.location_name.is_some();
                    assert!(
                        !elsewhere || model.speaks(Protocol::Rest),
                        "{}",
                        reference.shape
                    );
                    assert!(
                        model.shapes.contains_key(&reference.shape),
                        "{}",
                        reference.shape
                    );
                }
            }
        }
    }

    #[test]
    fn members_keep_the_order_of_the_model() {
        let Shape::Structure(rule) = of(Service::Elbv2).shape("Rule") else {
            unreachable!("Rule is a structure")
        };
        let names: Vec<&str> = rule.members.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names[..4], ["RuleArn", "Priority", "Conditions", "Actions"]);
    }
}
