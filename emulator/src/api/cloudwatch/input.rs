//! What several operations take: metrics with their dimensions, units, tokens.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::api::AwsError;
use crate::world::cloudwatch::Metric;

/// Dimensions as they are sent.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Dimension {
    pub(super) name: String,
    pub(super) value: Option<String>,
}

/// A metric as it is sent; in queries namespace and name may be absent, which names no metric.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct MetricName {
    #[serde(default)]
    namespace: String,
    #[serde(default)]
    metric_name: String,
    #[serde(default)]
    dimensions: Vec<Dimension>,
}

impl MetricName {
    pub(super) fn metric(self) -> Metric {
        Metric {
            namespace: self.namespace,
            name: self.metric_name,
            dimensions: dimensions(&self.dimensions),
        }
    }
}

/// Values by name.
pub(super) fn dimensions(given: &[Dimension]) -> BTreeMap<String, String> {
    let pair = |one: &Dimension| (one.name.clone(), one.value.clone().unwrap_or_default());
    given.iter().map(pair).collect()
}

/// The other way round.
pub(super) fn dimension_list(dimensions: &BTreeMap<String, String>) -> Value {
    let item = |(name, value): (&String, &String)| json!({"Name": name, "Value": value});
    dimensions.iter().map(item).collect()
}

pub(super) fn read<T: DeserializeOwned>(input: &Value) -> Result<T, AwsError> {
    T::deserialize(input)
        .map_err(|error| AwsError::new("SerializationException", error.to_string()))
}

pub(super) fn invalid(text: impl Into<String>) -> AwsError {
    AwsError::new("ValidationError", text)
}

/// How many items were given out before a page; a token is their number.
pub(super) fn given_out(token: Option<&str>) -> Result<usize, AwsError> {
    token.map_or(Ok(0), |token| {
        let unknown = |_| AwsError::new("InvalidNextToken", "Invalid NextToken");
        token.parse().map_err(unknown)
    })
}

/// Periods that AWS takes, in seconds.
pub(super) fn is_period(seconds: u64) -> bool {
    [1, 5, 10, 20, 30].contains(&seconds) || (seconds > 0 && seconds.is_multiple_of(60))
}
