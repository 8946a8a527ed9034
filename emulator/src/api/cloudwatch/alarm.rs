//! Metric alarms.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::input::{Dimension, dimension_list, dimensions, invalid, is_period, read};
use crate::api::AwsError;
use crate::api::json::{text, texts};
use crate::world::World;
use crate::world::cloudwatch::alarm::{self, Alarm, Comparison, MissingData, Rule, State};
use crate::world::cloudwatch::{Metric, Statistic};

/// Seconds that an alarm of periods below an hour may look back.
const DAY: u64 = 86_400;
/// Seconds that an alarm of longer periods may look back.
const WEEK: u64 = 7 * DAY;
/// Alarms of a page when nothing else is asked for.
const PAGE: usize = 50;

/// Members that are only described.
const DESCRIBED: [&str; 6] = [
    "AlarmDescription",
    "ActionsEnabled",
    "OKActions",
    "AlarmActions",
    "InsufficientDataActions",
    "EvaluateLowSampleCountPercentile",
];

/// Members that make an alarm another than one that watches a single metric from its creation on.
const NOT_EMULATED: [(&str, &str); 7] = [
    ("Metrics", "on metric math"),
    ("ThresholdMetricId", "on anomaly detection"),
    ("EvaluationCriteria", "on PromQL queries"),
    ("EvaluationInterval", "on PromQL queries"),
    ("EvaluationWindow", "with windows of their own"),
    ("WarmUpConfiguration", "that warm up"),
    ("ActionConfiguration", "with configured actions"),
];

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PutAlarm {
    alarm_name: String,
    metric_name: Option<String>,
    namespace: Option<String>,
    #[serde(default)]
    dimensions: Vec<Dimension>,
    unit: Option<String>,
    statistic: Option<String>,
    extended_statistic: Option<String>,
    period: Option<u64>,
    evaluation_periods: Option<u64>,
    datapoints_to_alarm: Option<u64>,
    threshold: Option<f64>,
    comparison_operator: Option<String>,
    treat_missing_data: Option<String>,
    evaluate_low_sample_count_percentile: Option<String>,
}

/// `PutMetricAlarm`.
pub(super) fn put(world: &mut World, input: &Value) -> Result<Value, AwsError> {
    for (member, what) in NOT_EMULATED {
        if input.get(member).is_some() {
            return Err(invalid(format!(
                "Alarms {what} ({member}) are not emulated."
            )));
        }
    }
    let asked: PutAlarm = read(input)?;
    let name = asked.alarm_name.clone();
    let rule = rule(asked)?;
    let alarms = &world.cloudwatch.alarms;
    if !alarms.contains_key(&name) && alarms.len() >= world.settings.quotas.alarms {
        let text = "The maximum limit for the number of alarms has been reached.";
        return Err(AwsError::new("LimitExceededFault", text));
    }
    let mut described = Map::new();
    for member in DESCRIBED {
        if let Some(value) = input.get(member) {
            described.insert(member.to_owned(), value.clone());
        }
    }
    alarm::put(world, &name, rule, described);
    Ok(json!({}))
}

fn rule(asked: PutAlarm) -> Result<Rule, AwsError> {
    let required = |member: &str| {
        invalid(format!(
            "The parameter {member} is required for an alarm on a metric."
        ))
    };
    let statistic = match (asked.statistic, asked.extended_statistic) {
        (Some(text), None) | (None, Some(text)) => text,
        (Some(_), Some(_)) => {
            return Err(invalid(
                "Statistic and ExtendedStatistic can not both be given.",
            ));
        }
        (None, None) => return Err(required("Statistic or ExtendedStatistic")),
    };
    let statistic: Statistic = statistic.parse().map_err(|_| {
        invalid(format!(
            "The value {statistic} for parameter ExtendedStatistic is not supported."
        ))
    })?;
    if asked
        .evaluate_low_sample_count_percentile
        .as_deref()
        .is_some_and(|how| how != "evaluate")
    {
        return Err(invalid(
            "EvaluateLowSampleCountPercentile is emulated with the value evaluate alone.",
        ));
    }
    let operator = asked
        .comparison_operator
        .ok_or_else(|| required("ComparisonOperator"))?;
    let comparison = match operator.as_str() {
        "GreaterThanOrEqualToThreshold" => Comparison::GreaterThanOrEqualToThreshold,
        "GreaterThanThreshold" => Comparison::GreaterThanThreshold,
        "LessThanThreshold" => Comparison::LessThanThreshold,
        "LessThanOrEqualToThreshold" => Comparison::LessThanOrEqualToThreshold,
        band => {
            return Err(invalid(format!(
                "Alarms on anomaly detection ({band}) are not emulated."
            )));
        }
    };
    let missing = match asked.treat_missing_data.as_deref() {
        None => None,
        Some("missing") => Some(MissingData::Missing),
        Some("ignore") => Some(MissingData::Ignore),
        Some("breaching") => Some(MissingData::Breaching),
        Some("notBreaching") => Some(MissingData::NotBreaching),
        Some(other) => {
            return Err(invalid(format!(
                "The value {other} for parameter TreatMissingData is not supported."
            )));
        }
    };
    let period = asked.period.ok_or_else(|| required("Period"))?;
    let periods = asked
        .evaluation_periods
        .ok_or_else(|| required("EvaluationPeriods"))?;
    if !is_period(period) || period < 10 {
        return Err(invalid("Period must be 10, 20, 30, or a multiple of 60"));
    }
    let longest = if period < 3600 { DAY } else { WEEK };
    if periods.saturating_mul(period) > longest {
        return Err(invalid(format!(
            "Metrics cannot be checked across more than {} (EvaluationPeriods * Period must be <= {longest}).",
            if longest == DAY {
                "a day"
            } else {
                "seven days"
            },
        )));
    }
    if asked
        .datapoints_to_alarm
        .is_some_and(|wanted| wanted > periods)
    {
        return Err(invalid(
            "DatapointsToAlarm must be less than or equal to EvaluationPeriods.",
        ));
    }
    Ok(Rule {
        metric: Metric {
            namespace: asked.namespace.ok_or_else(|| required("Namespace"))?,
            name: asked.metric_name.ok_or_else(|| required("MetricName"))?,
            dimensions: dimensions(&asked.dimensions),
        },
        unit: asked.unit,
        statistic,
        period,
        evaluation_periods: periods,
        datapoints_to_alarm: asked.datapoints_to_alarm,
        comparison,
        threshold: asked.threshold.ok_or_else(|| required("Threshold"))?,
        missing,
    })
}

/// `DescribeAlarms`. Names that are not known are absent from the answer.
pub(super) fn describe(world: &World, input: &Value) -> Result<Value, AwsError> {
    for member in ["ChildrenOfAlarmName", "ParentsOfAlarmName"] {
        if input.get(member).is_some() {
            return Err(invalid(format!(
                "Composite alarms ({member}) are not emulated."
            )));
        }
    }
    let (names, prefix) = (texts(input, "AlarmNames"), text(input, "AlarmNamePrefix"));
    if !names.is_empty() && prefix.is_some() {
        return Err(invalid(
            "AlarmNames and AlarmNamePrefix can not both be given.",
        ));
    }
    let types = texts(input, "AlarmTypes");
    let wanted = |(name, alarm): &(&String, &Alarm)| {
        let actions = ["OKActions", "AlarmActions", "InsufficientDataActions"];
        let mut actions = actions
            .into_iter()
            .flat_map(|member| list_of(&alarm.described, member));
        (names.is_empty() || names.contains(&name.as_str()))
            && prefix.is_none_or(|prefix| name.starts_with(prefix))
            && text(input, "StateValue").is_none_or(|state| json!(alarm.state) == state)
            && text(input, "ActionPrefix")
                .is_none_or(|prefix| actions.any(|action| action.starts_with(prefix)))
            && (types.is_empty() || types.contains(&"MetricAlarm"))
    };
    // A token is the last name of the page before: what is there all along is given out once.
    let after = text(input, "NextToken").unwrap_or_default();
    let alarms = world.cloudwatch.alarms.iter();
    let mut found = alarms
        .filter(|(name, _)| name.as_str() > after)
        .filter(wanted);
    let size = input.get("MaxRecords").and_then(Value::as_u64);
    let size = size
        .and_then(|size| usize::try_from(size).ok())
        .unwrap_or(PAGE);
    let page: Vec<(&String, &Alarm)> = found.by_ref().take(size).collect();
    let described: Vec<Value> = page
        .iter()
        .map(|(name, alarm)| described(world, name, alarm))
        .collect();
    let next = found
        .next()
        .and(page.last())
        .map(|(name, _)| (*name).clone());
    let mut output = json!({"MetricAlarms": described, "CompositeAlarms": []});
    if let Some(next) = next {
        output["NextToken"] = json!(next);
    }
    Ok(output)
}

fn list_of<'a>(members: &'a Map<String, Value>, member: &str) -> impl Iterator<Item = &'a str> {
    let items = members.get(member).and_then(Value::as_array);
    items.into_iter().flatten().filter_map(Value::as_str)
}

fn described(world: &World, name: &str, alarm: &Alarm) -> Value {
    let rule = &alarm.rule;
    let mut members = json!({
        "AlarmName": name,
        "AlarmArn": alarm.arn,
        "AlarmConfigurationUpdatedTimestamp": world.unix_seconds(alarm.configured_at),
        "ActionsEnabled": true,
        "OKActions": [],
        "AlarmActions": [],
        "InsufficientDataActions": [],
        "StateValue": alarm.state,
        "StateReason": alarm.reason,
        "StateUpdatedTimestamp": world.unix_seconds(alarm.updated_at),
        "StateTransitionedTimestamp": world.unix_seconds(alarm.transitioned_at),
        "MetricName": rule.metric.name,
        "Namespace": rule.metric.namespace,
        "Dimensions": dimension_list(&rule.metric.dimensions),
        "Period": rule.period,
        "EvaluationPeriods": rule.evaluation_periods,
        "Threshold": rule.threshold,
        "ComparisonOperator": rule.comparison,
    });
    let statistic = match rule.statistic {
        Statistic::Percentile(_) | Statistic::TrimmedCount { .. } => "ExtendedStatistic",
        Statistic::SampleCount
        | Statistic::Average
        | Statistic::Sum
        | Statistic::Minimum
        | Statistic::Maximum => "Statistic",
    };
    members[statistic] = json!(rule.statistic);
    for (member, value) in &alarm.described {
        members[member] = value.clone();
    }
    for (member, value) in [
        ("StateReasonData", json!(alarm.reason_data)),
        ("Unit", json!(rule.unit)),
        ("DatapointsToAlarm", json!(rule.datapoints_to_alarm)),
        ("TreatMissingData", json!(rule.missing)),
    ] {
        if !value.is_null() {
            members[member] = value;
        }
    }
    members
}

/// `DeleteAlarms`. Names that are not known do no harm.
pub(super) fn delete(world: &mut World, input: &Value) -> Value {
    for name in texts(input, "AlarmNames") {
        world.cloudwatch.alarms.remove(name);
    }
    json!({})
}

/// `SetAlarmState`, until an evaluation comes to another state.
pub(super) fn set_state(world: &mut World, input: &Value) -> Result<Value, AwsError> {
    let name = text(input, "AlarmName").unwrap_or_default();
    let state: State = read(&input["StateValue"])?;
    let data = text(input, "StateReasonData").map(ToOwned::to_owned);
    if data
        .as_ref()
        .is_some_and(|data| serde_json::from_str::<Value>(data).is_err())
    {
        let text = "StateReasonData is not valid JSON";
        return Err(AwsError::new("InvalidFormatFault", text));
    }
    if !world.cloudwatch.alarms.contains_key(name) {
        return Err(no_alarm(name));
    }
    let reason = text(input, "StateReason").unwrap_or_default().to_owned();
    alarm::set(world, name, state, reason, data);
    Ok(json!({}))
}

fn no_alarm(name: &str) -> AwsError {
    AwsError::new(
        "ResourceNotFound",
        format!("There is no alarm called {name}."),
    )
}
