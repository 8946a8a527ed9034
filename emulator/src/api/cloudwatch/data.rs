//! Metric data and metrics for clients.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Value, json};

use super::input::{Dimension, MetricName, dimension_list, given_out, invalid, is_period, read};
use crate::api::AwsError;
use crate::world::World;
use crate::world::cloudwatch::{self, Datum, Metric, Statistic, metric};
use crate::world::elb::metrics;

/// Queries of one call.
const QUERIES: usize = 500;
/// Data points of one page, at most and when nothing else is asked for.
const DATAPOINTS: usize = 100_800;
/// Metrics of one page.
const METRICS: usize = 500;
/// Metrics that got no data for so many minutes are not recently active.
const RECENT_MINUTES: u64 = 180;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GetData {
    metric_data_queries: Vec<Query>,
    start_time: f64,
    end_time: f64,
    next_token: Option<String>,
    #[serde(default)]
    scan_by: ScanBy,
    max_datapoints: Option<i64>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Deserialize)]
enum ScanBy {
    #[default]
    TimestampDescending,
    TimestampAscending,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Query {
    id: String,
    metric_stat: Option<MetricStat>,
    expression: Option<String>,
    label: Option<String>,
    return_data: Option<bool>,
    account_id: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct MetricStat {
    metric: MetricName,
    period: u64,
    stat: String,
    unit: Option<String>,
}

/// A query that AWS would answer.
struct Wanted {
    id: String,
    label: String,
    metric: Metric,
    unit: Option<String>,
    period_ms: u64,
    statistic: Statistic,
    returned: bool,
}

/// `GetMetricData` for queries of one metric each.
pub(super) fn get(world: &mut World, input: &Value) -> Result<Value, AwsError> {
    let asked: GetData = read(input)?;
    let queries = &asked.metric_data_queries;
    if queries.is_empty() || queries.len() > QUERIES {
        return Err(invalid(format!(
            "The collection MetricDataQueries must not be empty, and not have a size greater than {QUERIES}."
        )));
    }
    if asked.start_time >= asked.end_time {
        return Err(invalid(
            "The parameter StartTime must be less than the parameter EndTime.",
        ));
    }
    let ids: BTreeSet<&str> = queries.iter().map(|query| query.id.as_str()).collect();
    if ids.len() < queries.len() {
        return Err(invalid(
            "The values for parameter id in MetricDataQueries are not unique.",
        ));
    }
    let wanted: Vec<Wanted> = queries
        .iter()
        .map(|query| wanted(world, query))
        .collect::<Result<_, _>>()?;
    let length = match asked.max_datapoints {
        None => DATAPOINTS,
        Some(most) => usize::try_from(most)
            .ok()
            .filter(|most| (1..=DATAPOINTS).contains(most))
            .ok_or_else(|| invalid(format!("MaxDatapoints must be between 1 and {DATAPOINTS}.")))?,
    };
    // Data points in the order of the queries; a token is how many were given out before.
    let begin = given_out(asked.next_token.as_deref())?;
    let end = begin.saturating_add(length);
    metrics::publish(world);
    let mut before = 0_usize;
    let mut results = Vec::new();
    for wanted in wanted.iter().filter(|wanted| wanted.returned) {
        let points = find(world, wanted, &asked);
        let within = |index: usize| index.saturating_sub(before).min(points.len());
        let given = &points[within(begin)..within(end)];
        let complete = within(end) == points.len();
        results.push(json!({
            "Id": wanted.id,
            "Label": wanted.label,
            "Timestamps": given.iter().map(|(at, _)| *at as f64 / 1000.0).collect::<Vec<_>>(),
            "Values": given.iter().map(|(_, value)| *value).collect::<Vec<_>>(),
            "StatusCode": if complete { "Complete" } else { "PartialData" },
        }));
        before += points.len();
    }
    let mut output = json!({"MetricDataResults": results, "Messages": []});
    if end < before {
        output["NextToken"] = json!(end.to_string());
    }
    Ok(output)
}

fn wanted(world: &World, query: &Query) -> Result<Wanted, AwsError> {
    let id = &query.id;
    let is_id = |id: &str| {
        let mut letters = id.chars();
        let first = letters
            .next()
            .is_some_and(|first| first.is_ascii_lowercase());
        first && letters.all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
    };
    if !is_id(id) {
        return Err(invalid(format!(
            "The value {id} for parameter Id must match the expression ^[a-z][a-zA-Z0-9_]*$."
        )));
    }
    let stat = match (&query.metric_stat, &query.expression) {
        (Some(stat), None) => stat,
        (None, Some(_)) => {
            return Err(invalid(format!(
                "Metric math (the Expression of {id}) is not emulated."
            )));
        }
        (Some(_), Some(_)) | (None, None) => {
            return Err(invalid(format!(
                "Exactly one of MetricStat and Expression must be given for {id}."
            )));
        }
    };
    if query
        .account_id
        .as_ref()
        .is_some_and(|account| *account != world.settings.account)
    {
        return Err(invalid(format!(
            "Metrics of other accounts (AccountId of {id}) are not emulated."
        )));
    }
    let statistic: Statistic = stat.stat.parse().map_err(|_| {
        invalid(format!(
            "The value {} for parameter Stat of {id} is not supported.",
            stat.stat
        ))
    })?;
    if !is_period(stat.period) {
        return Err(invalid(format!(
            "The value {} for parameter Period of {id} must be 1, 5, 10, 20, 30 or a multiple of 60.",
            stat.period
        )));
    }
    let metric = stat.metric.clone().metric();
    Ok(Wanted {
        id: id.clone(),
        label: query.label.clone().unwrap_or_else(|| metric.name.clone()),
        metric,
        unit: stat.unit.clone(),
        period_ms: cloudwatch::period_ms(&world.settings, stat.period),
        statistic,
        returned: query.return_data != Some(false),
    })
}

/// The data points of a query, each with the beginning of its period, in the order asked for. Beginning and end are
/// rounded down to the whole minute (where periods are shorter, to the whole period), and periods are counted from the
/// beginning: <https://github.com/boto/boto3/issues/3457>.
fn find(world: &World, wanted: &Wanted, asked: &GetData) -> Vec<(u64, f64)> {
    let step = wanted.period_ms.min(cloudwatch::minute_ms(&world.settings));
    let rounded = |seconds| cloudwatch::floor(unix_ms(seconds), step);
    let (from, to) = (rounded(asked.start_time), rounded(asked.end_time));
    let mut periods: BTreeMap<u64, Datum> = BTreeMap::new();
    for (start, datum) in metric::visible(world, &wanted.metric, wanted.unit.as_deref(), from..to) {
        periods
            .entry((start - from) / wanted.period_ms)
            .and_modify(|found| found.merge(datum))
            .or_insert_with(|| datum.clone());
    }
    let points = periods.iter().filter_map(|(period, datum)| {
        let value = wanted.statistic.of(datum)?;
        Some((from + period * wanted.period_ms, value))
    });
    match asked.scan_by {
        ScanBy::TimestampAscending => points.collect(),
        ScanBy::TimestampDescending => points.rev().collect(),
    }
}

fn unix_ms(seconds: f64) -> u64 {
    (seconds * 1000.0).round().max(0.0) as u64
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListMetrics {
    namespace: Option<String>,
    metric_name: Option<String>,
    #[serde(default)]
    dimensions: Vec<Dimension>,
    recently_active: Option<String>,
    next_token: Option<String>,
}

/// `ListMetrics`: what was published, visible or not yet.
pub(super) fn list(world: &mut World, input: &Value) -> Result<Value, AwsError> {
    let asked: ListMetrics = read(input)?;
    let begin = given_out(asked.next_token.as_deref())?;
    metrics::publish(world);
    let recent = RECENT_MINUTES * cloudwatch::minute_ms(&world.settings);
    let since = cloudwatch::unix_ms(world).saturating_sub(recent);
    let has = |dimensions: &BTreeMap<String, String>, filter: &Dimension| {
        let value = dimensions.get(&filter.name);
        value.is_some_and(|value| filter.value.as_ref().is_none_or(|wanted| wanted == value))
    };
    let found: BTreeSet<&Metric> = world
        .cloudwatch
        .metrics
        .values()
        .filter(|series| {
            let latest = series.data.last_key_value().map(|(start, _)| *start);
            asked.recently_active.is_none() || latest.is_some_and(|start| start >= since)
        })
        .map(|series| &series.metric)
        .filter(|metric| {
            asked
                .namespace
                .as_ref()
                .is_none_or(|only| *only == metric.namespace)
                && asked
                    .metric_name
                    .as_ref()
                    .is_none_or(|only| *only == metric.name)
                && asked
                    .dimensions
                    .iter()
                    .all(|filter| has(&metric.dimensions, filter))
        })
        .collect();
    let page = found.iter().skip(begin).take(METRICS).map(|metric| {
        json!({
            "Namespace": metric.namespace,
            "MetricName": metric.name,
            "Dimensions": dimension_list(&metric.dimensions),
        })
    });
    let mut output = json!({"Metrics": page.collect::<Value>()});
    let end = begin.saturating_add(METRICS);
    if end < found.len() {
        output["NextToken"] = json!(end.to_string());
    }
    Ok(output)
}
