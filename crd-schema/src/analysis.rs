//! What is watched while a release is on its way: CloudWatch alarms, and metrics that are measured again and again.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::identity::AnalysisName;

/// The analyses of an application, by name.
pub type Analyses = BTreeMap<AnalysisName, Analysis>;

/// CloudWatch alarms that must be quiet from before a release begins to the end of its bake time.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Alarms {
    /// Their names in the operator's account and Region; 1 to 100, as many as one DescribeAlarms takes.
    pub names: Vec<String>,
    /// What happens when one is in ALARM before the release begins.
    pub on_already: AlreadyInAlarm,
}

/// An alarm is in ALARM before the release begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum AlreadyInAlarm {
    /// The release fails before anything is created.
    Refuse,
    /// The release begins when none is in ALARM any more.
    Wait,
    /// The release begins; those that are in ALARM since before it count again once they were quiet.
    Ignore,
}

/// A metric that is measured again and again while green has traffic.
#[derive(Debug, Clone, PartialEq)]
pub struct Analysis {
    /// What is measured, and what is right.
    pub metric: Metric,
    /// A step of the strategy names it: it is measured while that step runs, and at no other time.
    pub in_a_step: bool,
    /// The wait before the first measurement.
    pub initial_delay: Duration,
    /// The wait between two measurements.
    pub interval: Duration,
    /// Good measurements before all counts as well; at least 1.
    pub count: u32,
    /// Bad measurements that are borne; one more fails the release.
    pub failure_limit: u32,
    /// Measurements in a row that may go wrong before [`Analysis::on_error`] is asked.
    pub error_limit: u32,
    /// Requests that a judgement needs; those of several measurements are added up. Not of queries.
    pub min_requests: u64,
    /// It could not be measured more often in a row than [`Analysis::error_limit`].
    pub on_error: Otherwise,
    /// There was nothing to measure: no request, an empty answer, not a number.
    pub on_no_data: Otherwise,
    /// It is measured and told, and decides nothing.
    pub dry_run: bool,
}

/// What a measurement counts as that told nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Otherwise {
    /// Green gets no more traffic and blue stays, at most until the stage's deadline.
    Hold,
    /// As a good one.
    Pass,
    /// As a bad one.
    Fail,
}

/// What is measured, and what is right.
#[derive(Debug, Clone, PartialEq)]
pub enum Metric {
    /// One number that somebody else keeps.
    Query {
        /// Where it comes from.
        source: Source,
        /// It is good when this holds.
        success: Condition,
        /// It is bad when this holds; neither: nothing is decided yet. None: bad when not good.
        failure: Option<Condition>,
    },
    /// The share of green's requests that are not answered with 5xx, 0 to 1, is at least this.
    SuccessRate {
        /// 0 to 1.
        at_least: f64,
    },
    /// Green's response times, at this percentile, are at most so long.
    Latency {
        /// Above 0, at most 100.
        percentile: f64,
        /// As ELB measures it: from the request's leaving to the first byte of the answer.
        at_most: Duration,
    },
    /// Green's share of bad requests is not above blue's in the same minutes.
    Comparison {
        /// How likely it may be, 0 to 1, that a release that is as good as blue ever fails by this.
        false_alarms: f64,
        /// Bad is a request that took longer than this, as ELB measures it; none: one that failed.
        slower_than: Option<Duration>,
    },
}

/// Who keeps a number.
#[derive(Debug, Clone, PartialEq)]
pub enum Source {
    /// A Prometheus server's instant query (<https://prometheus.io/docs/prometheus/latest/querying/api/>).
    Prometheus {
        /// `http://…` or `https://…`, as far as `/api/v1/query`.
        address: String,
        /// One number: a scalar, or a vector of one element.
        query: String,
    },
    /// CloudWatch's GetMetricData; the newest value of the one query that returns data.
    CloudWatch {
        /// AWS's own queries.
        queries: Vec<MetricQuery>,
    },
}

/// One query of GetMetricData
/// (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricDataQuery.html>).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MetricQuery {
    /// A small letter, then letters, digits and `_`.
    #[schemars(extend("pattern" = "^[a-z][A-Za-z0-9_]{0,254}$", "format" = "metric-id"))]
    pub id: String,
    /// Metric math over the other queries' ids.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    pub expression: Option<String>,
    /// A metric and how it is added up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric_stat: Option<MetricStat>,
    /// Its value is what is asked for; of several queries exactly one's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub return_data: Option<bool>,
}

/// A metric and how it is added up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MetricStat {
    /// Which metric.
    pub metric: CloudMetric,
    /// Seconds that one value stands for: 60, or a multiple of it.
    #[serde(default = "a_minute")]
    #[schemars(range(min = 60, max = 86400), extend("multipleOf" = 60, "errorMessage" = "write whole minutes in seconds, 60 to 86400"))]
    pub period: u32,
    /// `Sum`, `Average`, `Minimum`, `Maximum`, `SampleCount`, or a percentile such as `p99`.
    #[schemars(length(min = 1, max = 40))]
    pub stat: String,
}

/// A metric's name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CloudMetric {
    /// Such as `AWS/ApplicationELB`.
    #[schemars(length(min = 1, max = 255))]
    pub namespace: String,
    /// Such as `RequestCount`.
    #[schemars(length(min = 1, max = 255))]
    pub metric_name: String,
    /// What the metric is about.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 30))]
    pub dimensions: Vec<Dimension>,
}

/// What a metric is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Dimension {
    /// Such as `TargetGroup`.
    #[schemars(length(min = 1, max = 255))]
    pub name: String,
    /// Such as `{greenTargetGroup}`.
    #[schemars(length(min = 1, max = 1024))]
    pub value: String,
}

fn a_minute() -> u32 {
    60
}

/// What must hold of a measured number, such as `result < 0.01`.
///
/// ```
/// use crd_schema::analysis::Condition;
///
/// let few: Condition = "result < 0.01".parse().unwrap();
/// assert!(few.holds(0.0) && !few.holds(0.01));
/// assert_eq!(few.to_string(), "result < 0.01");
/// assert!("result is small".parse::<Condition>().is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Condition {
    compare: Compare,
    than: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Compare {
    Less,
    AtMost,
    More,
    AtLeast,
    Equal,
    Unequal,
}

impl Compare {
    /// Those of two characters first.
    const ALL: [(&str, Self); 6] = [
        ("<=", Self::AtMost),
        (">=", Self::AtLeast),
        ("==", Self::Equal),
        ("!=", Self::Unequal),
        ("<", Self::Less),
        (">", Self::More),
    ];
}

impl Condition {
    /// It holds of this number. Of what is not a number nothing holds.
    pub fn holds(&self, result: f64) -> bool {
        match self.compare {
            Compare::Less => result < self.than,
            Compare::AtMost => result <= self.than,
            Compare::More => result > self.than,
            Compare::AtLeast => result >= self.than,
            Compare::Equal => result == self.than,
            Compare::Unequal => result != self.than && !result.is_nan(),
        }
    }
}

impl FromStr for Condition {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let right =
            "write a comparison with a number, such as `result < 0.01`; known are < <= > >= == !=";
        let rest = text
            .trim()
            .strip_prefix("result")
            .ok_or(right)?
            .trim_start();
        let mut signs = Compare::ALL.into_iter();
        let (compare, number) = signs
            .find_map(|(sign, compare)| Some((compare, rest.strip_prefix(sign)?)))
            .ok_or(right)?;
        let than: f64 = number.trim().parse().map_err(|_| right)?;
        than.is_finite()
            .then_some(Self { compare, than })
            .ok_or(right)
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut signs = Compare::ALL.into_iter();
        let sign = signs.find(|(_, compare)| *compare == self.compare);
        write!(
            f,
            "result {} {}",
            sign.map_or("", |(sign, _)| sign),
            self.than
        )
    }
}

impl Metric {
    /// The field that it is written as.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Query {
                source: Source::Prometheus { .. },
                ..
            } => "prometheus",
            Self::Query {
                source: Source::CloudWatch { .. },
                ..
            } => "cloudWatch",
            Self::SuccessRate { .. } => "successRate",
            Self::Latency { .. } => "latency",
            Self::Comparison { .. } => "comparison",
        }
    }
}
