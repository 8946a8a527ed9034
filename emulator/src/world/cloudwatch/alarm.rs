//! Metric alarms, evaluated once a minute.
//!
//! Source: "Alarm evaluation" and "Configuring how CloudWatch alarms treat missing data" in the CloudWatch user guide.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::metric::{self, Metric};
use super::{Datum, Statistic, reason};
use crate::world::agenda::Event;
use crate::world::elb::metrics;
use crate::world::{Millis, World, hash};

/// Periods beyond those evaluated in which an alarm looks for data when some is missing. AWS does not say how many; its
/// guide shows five for an alarm of three.
const FURTHER_PERIODS: u64 = 2;

/// A metric alarm.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Alarm {
    /// Its ARN.
    pub arn: String,
    /// Number of its creation: evaluations of one that was deleted do not concern one of the same name.
    pub id: u64,
    /// What it watches and when it is in ALARM.
    pub rule: Rule,
    /// What is kept for DescribeAlarms alone, members named as there: description, actions.
    pub described: serde_json::Map<String, serde_json::Value>,
    /// When it was last put.
    pub configured_at: Millis,
    /// Its state.
    pub state: State,
    /// Why, in AWS's words.
    pub reason: String,
    /// The same as JSON.
    pub reason_data: Option<String>,
    /// When the state was last set, to whatever.
    pub updated_at: Millis,
    /// When the state last changed.
    pub transitioned_at: Millis,
}

/// What an alarm watches and when it is in ALARM.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    /// The metric.
    pub metric: Metric,
    /// Only values in this unit.
    pub unit: Option<String>,
    /// The statistic.
    pub statistic: Statistic,
    /// Seconds as declared, not scaled.
    pub period: u64,
    /// Periods that are evaluated.
    pub evaluation_periods: u64,
    /// How many of them must breach, where that was said; all of them where it was not.
    pub datapoints_to_alarm: Option<u64>,
    /// How values are compared with the threshold.
    pub comparison: Comparison,
    /// The threshold.
    pub threshold: f64,
    /// What missing data means, where that was said.
    pub missing: Option<MissingData>,
}

/// The state of an alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum State {
    /// Within the threshold.
    Ok,
    /// Outside of it.
    Alarm,
    /// Not known.
    InsufficientData,
}

/// How a value breaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Comparison {
    /// `>=`
    GreaterThanOrEqualToThreshold,
    /// `>`
    GreaterThanThreshold,
    /// `<`
    LessThanThreshold,
    /// `<=`
    LessThanOrEqualToThreshold,
}

/// What missing data means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum MissingData {
    /// The state stays.
    Ignore,
    /// Nothing, unless all is missing: then the state is INSUFFICIENT_DATA.
    Missing,
    /// As if it breached.
    Breaching,
    /// As if it did not.
    NotBreaching,
}

impl Comparison {
    /// Whether `value` breaches `threshold`.
    #[must_use]
    pub fn breaches(self, value: f64, threshold: f64) -> bool {
        match self {
            Self::GreaterThanOrEqualToThreshold => value >= threshold,
            Self::GreaterThanThreshold => value > threshold,
            Self::LessThanThreshold => value < threshold,
            Self::LessThanOrEqualToThreshold => value <= threshold,
        }
    }
}

/// A period that was evaluated.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// Its beginning, Unix time in milliseconds.
    pub start: u64,
    /// Value of the statistic and number of samples; none where data is missing.
    pub value: Option<(f64, f64)>,
}

impl Rule {
    /// How many periods must breach.
    #[must_use]
    pub fn to_alarm(&self) -> usize {
        let wanted = self.datapoints_to_alarm.unwrap_or(self.evaluation_periods);
        usize::try_from(wanted).unwrap_or(usize::MAX)
    }

    /// Whether the value of a period breaches; none where it is missing.
    #[must_use]
    pub fn breaches(&self, point: &Point) -> Option<bool> {
        let (value, _) = point.value?;
        Some(self.comparison.breaches(value, self.threshold))
    }

    /// The state that these points (as many as are evaluated, the missing ones too) put the alarm in; none: it stays.
    #[must_use]
    pub fn verdict(&self, points: &[Point]) -> Option<State> {
        let present: Vec<bool> = points
            .iter()
            .filter_map(|point| self.breaches(point))
            .collect();
        let breaching = present.iter().filter(|breaches| **breaches).count();
        let missing = points.len() - present.len();
        let wanted = self.to_alarm();
        let state = |alarm| if alarm { State::Alarm } else { State::Ok };
        // With less data than periods, what there is decides: one breach is an alarm if nothing contradicts it.
        let as_it_looks = breaching >= wanted.min(present.len());
        match self.missing.unwrap_or(MissingData::Missing) {
            MissingData::Breaching => Some(state(breaching + missing >= wanted)),
            MissingData::NotBreaching => Some(state(breaching >= wanted)),
            MissingData::Missing if present.is_empty() => Some(State::InsufficientData),
            MissingData::Missing => Some(state(as_it_looks)),
            MissingData::Ignore if present.is_empty() => None,
            MissingData::Ignore if breaching >= wanted => Some(State::Alarm),
            MissingData::Ignore => (!as_it_looks).then_some(State::Ok),
        }
    }
}

/// The periods that are evaluated, newest first: the latest with data, and missing ones only where there is not enough.
fn points(world: &World, rule: &Rule) -> Vec<Point> {
    let period = super::period_ms(&world.settings, rule.period);
    let step = period.min(super::minute_ms(&world.settings));
    let end = super::floor(super::unix_ms(world), step);
    let number = rule.evaluation_periods + FURTHER_PERIODS;
    let begin = end.saturating_sub(number.saturating_mul(period));
    let mut found: BTreeMap<u64, Datum> = BTreeMap::new();
    for (start, datum) in metric::visible(world, &rule.metric, rule.unit.as_deref(), begin..end) {
        let back = (end - start).div_ceil(period);
        found
            .entry(back)
            .and_modify(|found| found.merge(datum))
            .or_insert_with(|| datum.clone());
    }
    let range = (1..=number).map(|back| {
        let value = |datum: &Datum| Some((rule.statistic.of(datum)?, datum.samples));
        Point {
            start: end.saturating_sub(back.saturating_mul(period)),
            value: found.get(&back).and_then(value),
        }
    });
    let (mut points, mut missing): (Vec<Point>, Vec<Point>) =
        range.partition(|point| point.value.is_some());
    let evaluated = usize::try_from(rule.evaluation_periods).unwrap_or(usize::MAX);
    points.truncate(evaluated);
    missing.truncate(evaluated - points.len());
    points.extend(missing);
    points.sort_by_key(|point| std::cmp::Reverse(point.start));
    points
}

/// Schedules the next evaluation: once a minute (of a period below a minute every ten seconds), each alarm at its own
/// moment of it.
pub fn schedule(world: &mut World, name: &str) {
    let Some(alarm) = world.cloudwatch.alarms.get(name) else {
        return;
    };
    let pace = super::period_ms(
        &world.settings,
        if alarm.rule.period < 60 { 10 } else { 60 },
    );
    let own = hash::text(name) % pace;
    let now = super::unix_ms(world);
    let wait = pace - (now + pace - own) % pace;
    let event = Event::Alarm(name.to_owned(), alarm.id);
    world.agenda.at(world.now + wait, event);
}

/// An evaluation is due.
pub fn evaluate(world: &mut World, name: &str, id: u64) {
    if world
        .cloudwatch
        .alarms
        .get(name)
        .is_none_or(|alarm| alarm.id != id)
    {
        return;
    }
    schedule(world, name);
    metrics::publish(world);
    let Some(alarm) = world.cloudwatch.alarms.get(name) else {
        return;
    };
    let points = points(world, &alarm.rule);
    let Some(state) = alarm
        .rule
        .verdict(&points)
        .filter(|state| *state != alarm.state)
    else {
        return;
    };
    let text = reason::text(&alarm.rule, state, &points);
    let data = reason::data(&alarm.rule, &points, super::unix_ms(world));
    set(world, name, state, text, Some(data));
}

/// Sets the state of an alarm, if there is one of that name.
pub fn set(world: &mut World, name: &str, state: State, reason: String, data: Option<String>) {
    let now = world.now;
    let Some(alarm) = world.cloudwatch.alarms.get_mut(name) else {
        return;
    };
    if alarm.state != state {
        alarm.transitioned_at = now;
    }
    (alarm.state, alarm.updated_at) = (state, now);
    (alarm.reason, alarm.reason_data) = (reason, data);
}

/// Puts an alarm: a new one begins without data, a known one keeps its state.
pub fn put(
    world: &mut World,
    name: &str,
    rule: Rule,
    described: serde_json::Map<String, serde_json::Value>,
) {
    let now = world.now;
    if let Some(alarm) = world.cloudwatch.alarms.get_mut(name) {
        (alarm.rule, alarm.described, alarm.configured_at) = (rule, described, now);
        return;
    }
    let id = world.fresh_number();
    let (region, account) = (&world.settings.region, &world.settings.account);
    let alarm = Alarm {
        arn: format!("arn:aws:cloudwatch:{region}:{account}:alarm:{name}"),
        id,
        rule,
        described,
        configured_at: now,
        state: State::InsufficientData,
        reason: "Unchecked: Initial alarm creation".into(),
        reason_data: None,
        updated_at: now,
        transitioned_at: now,
    };
    world.cloudwatch.alarms.insert(name.to_owned(), alarm);
    schedule(world, name);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(missing: MissingData, to_alarm: u64) -> Rule {
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
            datapoints_to_alarm: Some(to_alarm),
            comparison: Comparison::GreaterThanThreshold,
            threshold: 1.0,
            missing: Some(missing),
        }
    }

    /// Three evaluated periods: `X` breaches, `0` does not, `-` is missing.
    fn verdicts(points: &str, to_alarm: u64) -> [Option<State>; 4] {
        let points: Vec<Point> = points
            .bytes()
            .zip(0..)
            .map(|(letter, start)| Point {
                start,
                value: match letter {
                    b'X' => Some((2.0, 1.0)),
                    b'0' => Some((0.0, 1.0)),
                    _ => None,
                },
            })
            .collect();
        use MissingData::{Breaching, Ignore, Missing, NotBreaching};
        [Missing, Ignore, Breaching, NotBreaching]
            .map(|missing| rule(missing, to_alarm).verdict(&points))
    }

    /// The tables of "Configuring how CloudWatch alarms treat missing data", after the evaluation range was cut to the
    /// points that are evaluated.
    #[test]
    fn missing_data_is_treated_as_the_guide_says() {
        const OK: Option<State> = Some(State::Ok);
        const ALARM: Option<State> = Some(State::Alarm);
        const INSUFFICIENT: Option<State> = Some(State::InsufficientData);
        const STAYS: Option<State> = None;
        for (points, to_alarm, expected) in [
            ("0X0", 3, [OK, OK, OK, OK]),
            ("--0", 3, [OK, OK, OK, OK]),
            ("---", 3, [INSUFFICIENT, STAYS, ALARM, OK]),
            ("XXX", 3, [ALARM, ALARM, ALARM, ALARM]),
            ("-X-", 3, [ALARM, STAYS, ALARM, OK]),
            ("0XX", 2, [ALARM, ALARM, ALARM, ALARM]),
            ("0X-", 2, [OK, OK, ALARM, OK]),
            ("--0", 2, [OK, OK, ALARM, OK]),
            ("--X", 2, [ALARM, STAYS, ALARM, OK]),
            ("---", 2, [INSUFFICIENT, STAYS, ALARM, OK]),
        ] {
            assert_eq!(
                verdicts(points, to_alarm),
                expected,
                "{points}, {to_alarm} of 3"
            );
        }
    }

    #[test]
    fn values_on_the_threshold() {
        use Comparison::{
            GreaterThanOrEqualToThreshold, GreaterThanThreshold, LessThanOrEqualToThreshold,
            LessThanThreshold,
        };
        let breaching =
            |comparison: Comparison| [0.0, 1.0, 2.0].map(|value| comparison.breaches(value, 1.0));
        assert_eq!(breaching(GreaterThanThreshold), [false, false, true]);
        assert_eq!(
            breaching(GreaterThanOrEqualToThreshold),
            [false, true, true]
        );
        assert_eq!(breaching(LessThanThreshold), [true, false, false]);
        assert_eq!(breaching(LessThanOrEqualToThreshold), [true, true, false]);
    }
}
