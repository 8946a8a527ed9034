//! Why an alarm is in its state, in AWS's words.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::alarm::{Comparison, MissingData, Point, Rule, State};

/// `StateReason` of a state that an evaluation of these points (newest first) gave.
#[must_use]
pub fn text(rule: &Rule, state: State, points: &[Point]) -> String {
    let alarm = match state {
        State::InsufficientData => {
            let unknown = datapoints(points.len());
            let was = was(points.len());
            return format!("Insufficient Data: {unknown} {was} unknown.");
        }
        State::Alarm => true,
        State::Ok => false,
    };
    let speaking: Vec<String> = points
        .iter()
        .filter(|point| rule.breaches(point) == Some(alarm))
        .filter_map(|point| {
            let (value, _) = point.value?;
            Some(format!(
                "{value:?} ({})",
                time(point.start, "%d/%m/%y %H:%M:%S")
            ))
        })
        .collect();
    let present = points.iter().filter(|point| point.value.is_some()).count();
    let treated = treated(rule, points.len() - present);
    let (count, was) = (speaking.len(), was(speaking.len()));
    if count == 0 {
        let received = match present {
            0 => "no datapoints were".to_owned(),
            some => format!("{} {}", datapoints(some), self::was(some)),
        };
        let periods = counted(points.len(), "period");
        return format!("Threshold Crossed: {received} received for {periods}{treated}.");
    }
    let comparison = format!(
        "{was} {}{} the threshold ({:?})",
        if alarm { "" } else { "not " },
        match rule.comparison {
            Comparison::GreaterThanOrEqualToThreshold => "greater than or equal to",
            Comparison::GreaterThanThreshold => "greater than",
            Comparison::LessThanThreshold => "less than",
            Comparison::LessThanOrEqualToThreshold => "less than or equal to",
        },
        rule.threshold
    );
    let list = speaking.join(", ");
    if rule.datapoints_to_alarm.is_none() {
        let datapoints = datapoints(count);
        return format!("Threshold Crossed: {datapoints} [{list}] {comparison}{treated}.");
    }
    let (change, least) = if alarm {
        ("OK -> ALARM", rule.to_alarm())
    } else {
        (
            "ALARM -> OK",
            points.len() + 1 - rule.to_alarm().min(points.len()),
        )
    };
    format!(
        "Threshold Crossed: {count} out of the last {} datapoints [{list}] {comparison}{treated} (minimum {} for {change} transition).",
        points.len(),
        datapoints(least),
    )
}

/// `StateReasonData`, a JSON document; `now` is Unix time in milliseconds.
#[must_use]
pub fn data(rule: &Rule, points: &[Point], now: u64) -> String {
    const TIME: &str = "%Y-%m-%dT%H:%M:%S%.3f+0000";
    let oldest_first = || points.iter().rev().filter(|point| point.value.is_some());
    let evaluated: Vec<Value> = points
        .iter()
        .map(|point| match point.value {
            Some((value, samples)) => {
                json!({"timestamp": time(point.start, TIME), "sampleCount": samples, "value": value})
            }
            None => json!({"timestamp": time(point.start, TIME)}),
        })
        .collect();
    let recent: Vec<f64> = oldest_first()
        .filter_map(|point| Some(point.value?.0))
        .collect();
    let mut data = json!({"version": "1.0", "queryDate": time(now, TIME)});
    if let Some(first) = oldest_first().next() {
        data["startDate"] = json!(time(first.start, TIME));
    }
    if let Some(unit) = &rule.unit {
        data["unit"] = json!(unit);
    }
    data["statistic"] = json!(rule.statistic);
    data["period"] = json!(rule.period);
    data["recentDatapoints"] = json!(recent);
    data["threshold"] = json!(rule.threshold);
    data["evaluatedDatapoints"] = json!(evaluated);
    data.to_string()
}

/// What missing data was taken for.
fn treated(rule: &Rule, missing: usize) -> String {
    let as_what = match rule.missing {
        Some(MissingData::Breaching) => "Breaching",
        Some(MissingData::NotBreaching) => "NonBreaching",
        Some(MissingData::Missing | MissingData::Ignore) | None => return String::new(),
    };
    if missing == 0 {
        return String::new();
    }
    let was = was(missing);
    format!(
        " and {} {was} treated as [{as_what}]",
        counted(missing, "missing datapoint")
    )
}

fn datapoints(count: usize) -> String {
    counted(count, "datapoint")
}

fn counted(count: usize, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}

fn was(count: usize) -> &'static str {
    if count == 1 { "was" } else { "were" }
}

fn time(unix_ms: u64, format: &str) -> String {
    let instant = i64::try_from(unix_ms)
        .ok()
        .and_then(|unix_ms| Timestamp::from_millisecond(unix_ms).ok());
    instant.unwrap_or_default().strftime(format).to_string()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::world::cloudwatch::{Metric, Statistic};

    const MINUTE: u64 = 60_000;
    /// 21 November 2026, 10:00:00 UTC.
    const TEN: u64 = 1_795_255_200_000;

    fn rule(to_alarm: Option<u64>, missing: Option<MissingData>) -> Rule {
        Rule {
            metric: Metric {
                namespace: "Shop".into(),
                name: "Errors".into(),
                dimensions: BTreeMap::new(),
            },
            unit: None,
            statistic: Statistic::Sum,
            period: 60,
            evaluation_periods: 3,
            datapoints_to_alarm: to_alarm,
            comparison: Comparison::GreaterThanThreshold,
            threshold: 1.0,
            missing,
        }
    }

    fn points(values: &[Option<f64>]) -> Vec<Point> {
        let point = |(value, number): (&Option<f64>, u64)| Point {
            start: TEN - number * MINUTE,
            value: value.map(|value| (value, 1.0)),
        };
        values.iter().zip(0..).map(point).collect()
    }

    #[test]
    fn reasons_read_as_aws_writes_them() {
        let said = |to_alarm, missing, state, values: &[Option<f64>]| {
            text(&rule(to_alarm, missing), state, &points(values))
        };
        let breaching = Some(MissingData::Breaching);
        let reasons = [
            said(None, None, State::Alarm, &[Some(5.0), Some(2.5), Some(3.0)]),
            said(None, None, State::Ok, &[Some(0.0), Some(2.0), Some(3.0)]),
            said(
                Some(2),
                None,
                State::Alarm,
                &[Some(2.0), Some(0.0), Some(3.0)],
            ),
            said(Some(2), None, State::Ok, &[Some(0.0), Some(0.0), Some(3.0)]),
            said(None, breaching, State::Alarm, &[Some(2.0), None, None]),
            said(None, breaching, State::Alarm, &[None, None, None]),
            said(Some(2), breaching, State::Alarm, &[None, Some(0.0), None]),
            said(None, Some(MissingData::NotBreaching), State::Ok, &[None]),
            said(None, None, State::InsufficientData, &[None]),
            said(None, None, State::InsufficientData, &[None, None]),
        ];
        insta::assert_snapshot!(reasons.join("\n"), @r"
    Threshold Crossed: 3 datapoints [5.0 (21/11/26 10:00:00), 2.5 (21/11/26 09:59:00), 3.0 (21/11/26 09:58:00)] were greater than the threshold (1.0).
    Threshold Crossed: 1 datapoint [0.0 (21/11/26 10:00:00)] was not greater than the threshold (1.0).
    Threshold Crossed: 2 out of the last 3 datapoints [2.0 (21/11/26 10:00:00), 3.0 (21/11/26 09:58:00)] were greater than the threshold (1.0) (minimum 2 datapoints for OK -> ALARM transition).
    Threshold Crossed: 2 out of the last 3 datapoints [0.0 (21/11/26 10:00:00), 0.0 (21/11/26 09:59:00)] were not greater than the threshold (1.0) (minimum 2 datapoints for ALARM -> OK transition).
    Threshold Crossed: 1 datapoint [2.0 (21/11/26 10:00:00)] was greater than the threshold (1.0) and 2 missing datapoints were treated as [Breaching].
    Threshold Crossed: no datapoints were received for 3 periods and 3 missing datapoints were treated as [Breaching].
    Threshold Crossed: 1 datapoint was received for 3 periods and 2 missing datapoints were treated as [Breaching].
    Threshold Crossed: no datapoints were received for 1 period and 1 missing datapoint was treated as [NonBreaching].
    Insufficient Data: 1 datapoint was unknown.
    Insufficient Data: 2 datapoints were unknown.
    ");
    }

    #[test]
    fn the_data_of_a_reason() {
        let rule = rule(None, None);
        let data = data(&rule, &points(&[Some(5.0), None, Some(2.5)]), TEN + 32_123);
        insta::assert_snapshot!(data, @r#"{"version":"1.0","queryDate":"2026-11-21T10:00:32.123+0000","startDate":"2026-11-21T09:58:00.000+0000","statistic":"Sum","period":60,"recentDatapoints":[2.5,5.0],"threshold":1.0,"evaluatedDatapoints":[{"timestamp":"2026-11-21T10:00:00.000+0000","sampleCount":1.0,"value":5.0},{"timestamp":"2026-11-21T09:59:00.000+0000"},{"timestamp":"2026-11-21T09:58:00.000+0000","sampleCount":1.0,"value":2.5}]}"#);
    }
}
