//! Metric data from clients.

use serde::Deserialize;
use serde_json::{Value, json};

use super::input::{Dimension, dimensions, read};
use crate::api::AwsError;
use crate::api::json::list;
use crate::world::World;
use crate::world::cloudwatch::{self, Datum, Metric, metric};

/// Values of one metric in one item, and items of one call.
const VALUES: usize = 150;
const ITEMS: usize = 1000;
/// How far back a timestamp may lie and how far ahead, in milliseconds.
const TWO_WEEKS: u64 = 14 * 86_400_000;
const TWO_HOURS: u64 = 2 * 3_600_000;
/// Values are within this, either side of 0: 2 to the power of 360.
const GREATEST: f64 = 2.348_542_582_773_833_3e108;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Item {
    metric_name: String,
    #[serde(default)]
    dimensions: Vec<Dimension>,
    timestamp: Option<f64>,
    value: Option<f64>,
    statistic_values: Option<Set>,
    values: Option<Vec<f64>>,
    counts: Option<Vec<f64>>,
    unit: Option<String>,
    storage_resolution: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Set {
    sample_count: f64,
    sum: f64,
    minimum: f64,
    maximum: f64,
}

/// `PutMetricData`: all items or none. They can be read at once. What the entities say is not kept.
pub(super) fn put(world: &mut World, input: &Value) -> Result<Value, AwsError> {
    let namespace = input["Namespace"].as_str().unwrap_or_default();
    if namespace.starts_with("AWS/") {
        return Err(wrong_value(
            "The value AWS/ for parameter Namespace is invalid.",
        ));
    }
    let of_entities = list(input, "EntityMetricData")
        .iter()
        .flat_map(|entity| list(entity, "MetricData"));
    let items: Vec<&Value> = list(input, "MetricData")
        .iter()
        .chain(of_entities)
        .collect();
    if items.is_empty() {
        let text = "The parameter MetricData is required.";
        return Err(AwsError::new("MissingRequiredParameterException", text));
    }
    if items.len() > ITEMS {
        return Err(wrong_value(&format!(
            "The collection MetricData must not have a size greater than {ITEMS}."
        )));
    }
    let mut read_items = Vec::with_capacity(items.len());
    for (number, item) in (1..).zip(items) {
        let item: Item = read(item)?;
        let at = instant(world, &item, number)?;
        read_items.push((datum(&item, number)?, at, item));
    }
    for (datum, at, item) in read_items {
        let metric = Metric {
            namespace: namespace.to_owned(),
            name: item.metric_name,
            dimensions: dimensions(&item.dimensions),
        };
        let resolution = item.storage_resolution.unwrap_or(60);
        let start = cloudwatch::floor(at, cloudwatch::period_ms(&world.settings, resolution));
        let (unit, now) = (item.unit.as_deref().unwrap_or("None"), world.now);
        metric::put(&mut world.cloudwatch, &metric, unit, start, now, &datum);
    }
    metric::expire(world);
    Ok(json!({}))
}

/// Unix time in milliseconds.
fn instant(world: &World, item: &Item, number: usize) -> Result<u64, AwsError> {
    if item
        .storage_resolution
        .is_some_and(|seconds| ![1, 60].contains(&seconds))
    {
        return Err(wrong_value(&format!(
            "The parameter MetricData.member.{number}.StorageResolution must be 1 or 60."
        )));
    }
    let now = cloudwatch::unix_ms(world);
    let Some(seconds) = item.timestamp else {
        return Ok(now);
    };
    let at = (seconds * 1000.0).round().max(0.0) as u64;
    if at < now.saturating_sub(TWO_WEEKS) {
        return Err(wrong_value(&format!(
            "The parameter MetricData.member.{number}.Timestamp must specify a time no more than two weeks in the past."
        )));
    }
    if at > now + TWO_HOURS {
        return Err(wrong_value(&format!(
            "The parameter MetricData.member.{number}.Timestamp must specify a time within two hours in the future."
        )));
    }
    Ok(at)
}

fn datum(item: &Item, number: usize) -> Result<Datum, AwsError> {
    let member = format!("MetricData.member.{number}");
    let given = [
        ("Value", item.value.is_some()),
        ("StatisticValues", item.statistic_values.is_some()),
        ("Values", item.values.is_some()),
    ];
    let mut given = given
        .iter()
        .filter(|(_, given)| *given)
        .map(|(name, _)| name);
    if let (Some(one), Some(other)) = (given.next(), given.next()) {
        return Err(AwsError::new(
            "InvalidParameterCombinationException",
            format!(
                "The parameters {member}.{one} and {member}.{other} are mutually exclusive and you have specified both."
            ),
        ));
    }
    let one = |value| vec![(value, 1.0)];
    let values = match (item.value, &item.values) {
        (Some(value), _) => one(value),
        (None, Some(values)) => {
            let counts = item
                .counts
                .clone()
                .unwrap_or_else(|| vec![1.0; values.len()]);
            if counts.len() != values.len() {
                return Err(wrong_value(&format!(
                    "The parameters {member}.Values and {member}.Counts must be of the same size."
                )));
            }
            if values.len() > VALUES {
                return Err(wrong_value(&format!(
                    "The collection {member}.Values must not have a size greater than {VALUES}."
                )));
            }
            values.iter().copied().zip(counts).collect()
        }
        (None, None) => Vec::new(),
    };
    let set = item.statistic_values.as_ref();
    let numbers = values.iter().flat_map(|(value, count)| [*value, *count]);
    let of_set = set.map(|set| [set.sample_count, set.sum, set.minimum, set.maximum]);
    for number in numbers.chain(of_set.into_iter().flatten()) {
        if !number.is_finite() || number.abs() > GREATEST {
            return Err(wrong_value(&format!(
                "The value {number} for parameter {member} is invalid."
            )));
        }
    }
    let counts = values
        .iter()
        .map(|(_, count)| *count)
        .chain(set.map(|set| set.sample_count));
    if counts.into_iter().any(|count| count <= 0.0) {
        return Err(wrong_value(&format!(
            "The number of samples of {member} must be positive."
        )));
    }
    if let Some(set) = set {
        if set.minimum > set.maximum {
            return Err(wrong_value(&format!(
                "The minimum of {member}.StatisticValues must not exceed its maximum."
            )));
        }
        return Ok(Datum::of_set(
            set.sample_count,
            set.sum,
            set.minimum,
            set.maximum,
        ));
    }
    let mut values = values.into_iter();
    let Some((value, count)) = values.next() else {
        let text = format!(
            "At least one of the parameters {member}.Value, {member}.Values or {member}.StatisticValues must be specified."
        );
        return Err(AwsError::new("MissingRequiredParameterException", text));
    };
    let mut datum = Datum::of(value, count);
    values.for_each(|(value, count)| datum.add(value, count));
    Ok(datum)
}

fn wrong_value(text: &str) -> AwsError {
    AwsError::new("InvalidParameterValueException", text)
}
