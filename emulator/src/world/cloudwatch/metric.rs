//! Metrics and the values that are kept of them.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{CloudWatch, Datum, KEPT_MINUTES};
use crate::world::{Millis, World};

/// What makes a metric.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Metric {
    /// For example `AWS/ApplicationELB`.
    pub namespace: String,
    /// For example `RequestCount`.
    pub name: String,
    /// Values by name.
    pub dimensions: BTreeMap<String, String>,
}

/// The values of a metric in one unit.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Series {
    /// Of which metric.
    pub metric: Metric,
    /// Their unit, `None` as AWS spells it where none was given.
    pub unit: String,
    /// By the beginning of their period: Unix time in milliseconds.
    pub data: BTreeMap<u64, Kept>,
}

/// The values of one period.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Kept {
    /// From when on they can be read.
    pub visible_at: Millis,
    /// The values.
    pub datum: Datum,
}

/// The text by which a series is looked up.
fn key(metric: &Metric, unit: &str) -> String {
    let mut key = format!("{}|{}|{unit}", metric.namespace, metric.name);
    for (name, value) in &metric.dimensions {
        key.extend(["|", name, "=", value]);
    }
    key
}

/// Keeps values of the period that begins at `start` (Unix time in milliseconds), to be seen from `visible_at` on.
pub fn put(
    cloudwatch: &mut CloudWatch,
    metric: &Metric,
    unit: &str,
    start: u64,
    visible_at: Millis,
    datum: &Datum,
) {
    let series = Arc::make_mut(&mut cloudwatch.metrics)
        .entry(key(metric, unit))
        .or_insert_with(|| Series {
            metric: metric.clone(),
            unit: unit.to_owned(),
            data: BTreeMap::new(),
        });
    match series.data.get_mut(&start) {
        Some(kept) => {
            kept.visible_at = kept.visible_at.max(visible_at);
            kept.datum.merge(datum);
        }
        None => {
            let datum = datum.clone();
            series.data.insert(start, Kept { visible_at, datum });
        }
    }
}

/// Forgets what is too old, and metrics of which nothing is left.
pub fn expire(world: &mut World) {
    let kept = KEPT_MINUTES * super::minute_ms(&world.settings);
    let horizon = super::unix_ms(world).saturating_sub(kept);
    let is_old = |series: &Series| {
        let oldest = series.data.first_key_value();
        oldest.is_some_and(|(start, _)| *start < horizon)
    };
    if !world.cloudwatch.metrics.values().any(is_old) {
        return;
    }
    Arc::make_mut(&mut world.cloudwatch.metrics).retain(|_, series| {
        while series
            .data
            .first_key_value()
            .is_some_and(|(start, _)| *start < horizon)
        {
            series.data.pop_first();
        }
        !series.data.is_empty()
    });
}

/// What can be seen now of a metric: the beginnings of periods in `range` (Unix time in milliseconds) and what is kept
/// of each, not in order. `unit`: only what came in that unit.
pub fn visible<'a>(
    world: &'a World,
    metric: &Metric,
    unit: Option<&str>,
    range: Range<u64>,
) -> impl Iterator<Item = (u64, &'a Datum)> {
    let now = world.now;
    let series = world.cloudwatch.metrics.values().filter(move |series| {
        series.metric == *metric && unit.is_none_or(|unit| series.unit == unit)
    });
    let range = range.start..range.end.max(range.start);
    let data = series.flat_map(move |series| series.data.range(range.clone()));
    data.filter(move |(_, kept)| kept.visible_at <= now)
        .map(|(start, kept)| (*start, &kept.datum))
}
