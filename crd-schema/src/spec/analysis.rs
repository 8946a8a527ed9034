//! Alarms and analyses of a document: their fields, what contradicts itself, and what they mean.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::document::{Deadline, Period, Spec, Step, Strategy, seconds};
use super::node::Node;
use super::path::Path;
use super::problem::Finding;
use crate::analysis::{self, AlreadyInAlarm, Analyses, Metric, MetricQuery, Otherwise, Source};
use crate::identity::AnalysisName;

/// CloudWatch alarms that stop a release.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Alarms {
    /// Names of alarms in the operator's account and Region. One of them in ALARM, from the beginning of a release to the end of its bake time, takes it back.
    #[schemars(length(min = 1, max = 100), inner(length(min = 1, max = 255)))]
    names: Vec<String>,
    /// What happens when one of them is in ALARM before the release begins: it fails, it waits, or these are left out until they were quiet once.
    #[serde(default = "Alarms::on_already")]
    on_already_in_alarm: AlreadyInAlarm,
}

impl Alarms {
    fn on_already() -> AlreadyInAlarm {
        AlreadyInAlarm::Refuse
    }

    pub(super) fn mean(self) -> analysis::Alarms {
        analysis::Alarms {
            names: self.names,
            on_already: self.on_already_in_alarm,
        }
    }
}

/// A metric that is measured again and again while green has traffic: exactly one of `prometheus`, `cloudWatch`, `successRate`, `latency` and `comparison`, and how it is judged.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Analysis {
    /// A number that a Prometheus server answers.
    #[serde(default)]
    prometheus: Option<Prometheus>,
    /// A number that CloudWatch answers.
    #[serde(default)]
    cloud_watch: Option<CloudWatch>,
    /// The share of requests to green that are not answered with 5xx.
    #[serde(default)]
    success_rate: Option<SuccessRate>,
    /// How long green takes to answer.
    #[serde(default)]
    latency: Option<Latency>,
    /// Green's share of failed or slow requests against blue's in the same minutes, by a test that may be looked at as often as one likes.
    #[serde(default)]
    comparison: Option<Comparison>,
    /// When a queried number is good, such as `result < 0.01`.
    #[serde(default)]
    #[schemars(extend("format" = "condition", "maxLength" = 100))]
    success_when: Option<String>,
    /// When it is bad; left out: whenever it is not good.
    #[serde(default)]
    #[schemars(extend("format" = "condition", "maxLength" = 100))]
    fail_when: Option<String>,
    /// The wait before the first measurement.
    #[serde(default = "Analysis::initial_delay")]
    initial_delay: Period,
    /// The wait between two measurements.
    #[serde(default = "Analysis::interval")]
    interval: Deadline,
    /// Good measurements before green gets more traffic.
    #[serde(default = "Analysis::count")]
    #[schemars(range(min = 1, max = 1000))]
    count: u32,
    /// Bad measurements that are borne; one more fails the release.
    #[serde(default)]
    #[schemars(range(max = 1000))]
    failure_limit: u32,
    /// Measurements in a row that may go wrong before `onError` counts.
    #[serde(default = "Analysis::error_limit")]
    #[schemars(range(max = 1000))]
    error_limit: u32,
    /// Requests that each judgement of `successRate`, `latency` and `comparison` needs; 100 where nothing is said.
    #[serde(default)]
    #[schemars(range(min = 1, max = 1_000_000_000))]
    min_requests: Option<u64>,
    /// What it counts as when it cannot be measured.
    #[serde(default = "Analysis::hold")]
    on_error: Otherwise,
    /// What it counts as when there is nothing to measure.
    #[serde(default = "Analysis::hold")]
    on_no_data: Otherwise,
    /// It is measured and told, and decides nothing.
    #[serde(default)]
    dry_run: bool,
}

impl Analysis {
    fn initial_delay() -> Period {
        seconds(0)
    }

    fn interval() -> Deadline {
        Deadline(seconds(60))
    }

    fn count() -> u32 {
        1
    }

    fn error_limit() -> u32 {
        4
    }

    fn hold() -> Otherwise {
        Otherwise::Hold
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Prometheus {
    /// Where the server is, such as `http://prometheus.internal:9090`.
    #[schemars(extend("format" = "url", "pattern" = "^https?://"))]
    address: String,
    /// PromQL that gives one number. `{application}`, `{version}`, `{greenService}`, `{blueService}`, `{greenTargetGroup}`, `{blueTargetGroup}` and `{loadBalancer}` are filled in.
    #[schemars(length(min = 1, max = 2000))]
    query: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct CloudWatch {
    /// AWS's own queries of GetMetricData, filled in as PromQL is; the newest value of the one that returns data counts.
    #[schemars(length(min = 1, max = 20))]
    queries: Vec<MetricQuery>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SuccessRate {
    /// Percent of requests.
    #[schemars(range(min = 0.001, max = 100), extend("errorMessage" = "write a percentage, such as 99.5"))]
    at_least: f64,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Latency {
    /// Which of 100 requests, by how long they took.
    #[serde(default = "Latency::percentile")]
    #[schemars(range(min = 1, max = 100), extend("errorMessage" = "write a percentile from 1 to 100, such as 99 or 99.9"))]
    percentile: f64,
    /// How long that one may take.
    at_most: Period,
}

impl Latency {
    fn percentile() -> f64 {
        99.0
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Comparison {
    /// Percent of releases as good as blue that may ever fail by this.
    #[serde(default = "Comparison::false_alarms")]
    #[schemars(range(min = 0.001, max = 20), extend("errorMessage" = "write a percentage from 0.001 to 20"))]
    false_alarms: f64,
    /// Slow requests are compared instead of failed ones: those that took longer than this, `1ms` to `60s` in whole milliseconds.
    #[serde(default)]
    slower_than: Option<ResponseTime>,
}

/// A length of time such as `300ms` or `1s`, from `1ms` to `60s`, in whole milliseconds.
// CloudWatch is asked in seconds with as many decimals; a load balancer gives up after 60 seconds of silence:
// https://docs.aws.amazon.com/elasticloadbalancing/latest/application/edit-load-balancer-attributes.html
#[derive(Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(extend("format" = "response-time"))]
struct ResponseTime(Period);

impl Comparison {
    fn false_alarms() -> f64 {
        1.0
    }
}

/// An analysis that is several, or none; conditions where none are asked for; one that a step names and nobody
/// describes; a comparison of green with a blue that never shares the traffic.
pub(super) fn contradictions(spec: &Spec, node: &Node) -> Vec<Finding> {
    let root = Path::default().key("spec");
    let mut findings = Vec::new();
    let mut report = |path: Path, found: String, right: &str| {
        findings.push(Finding {
            place: node.place_of(&path),
            path,
            found,
            right: right.to_owned(),
        });
    };
    for (name, analysis) in &spec.analysis {
        let path = root.key("analysis").key(name.as_str());
        let queries = [
            analysis.prometheus.is_some(),
            analysis.cloud_watch.is_some(),
        ];
        let built_in = [
            analysis.success_rate.is_some(),
            analysis.latency.is_some(),
            analysis.comparison.is_some(),
        ];
        let given = |kinds: &[bool]| kinds.iter().filter(|given| **given).count();
        let (queries, built_in) = (given(&queries), given(&built_in));
        if queries + built_in != 1 {
            report(
                path.clone(),
                format!("{} metrics in one analysis", queries + built_in),
                "write exactly one of `prometheus`, `cloudWatch`, `successRate`, `latency` and `comparison`",
            );
        } else if queries == 1 {
            if analysis.success_when.is_none() {
                report(
                    path.clone(),
                    "a query without a condition".to_owned(),
                    "write `successWhen` too, such as `result < 0.01`",
                );
            }
            if analysis.min_requests.is_some() {
                report(
                    path.key("minRequests"),
                    "`minRequests` of a query, which counts no requests".to_owned(),
                    "leave it out, or write `count`: how many good measurements are needed",
                );
            }
        } else {
            let conditions = [
                ("successWhen", &analysis.success_when),
                ("failWhen", &analysis.fail_when),
            ];
            for (field, _) in conditions.iter().filter(|(_, given)| given.is_some()) {
                report(
                    path.key(field),
                    format!("`{field}` of a metric that has its own measure"),
                    "leave it out; conditions belong to `prometheus` and `cloudWatch`",
                );
            }
        }
        let alone = spec.strategy.mean().steps.is_empty();
        if let Some(comparison) = analysis.comparison.as_ref().filter(|_| alone) {
            report(
                path.key("comparison"),
                "a comparison with blue, which never shares the traffic with green here".to_owned(),
                if comparison.slower_than.is_some() {
                    "choose a strategy with steps (`canary`, `linear`), or write `latency`"
                } else {
                    "choose a strategy with steps (`canary`, `linear`), or write `successRate`"
                },
            );
        }
        let queries = analysis.cloud_watch.iter().flat_map(|watch| &watch.queries);
        let queries: Vec<&MetricQuery> = queries.collect();
        for (index, query) in queries.iter().enumerate() {
            if query.expression.is_some() == query.metric_stat.is_some() {
                report(
                    path.key("cloudWatch").key("queries").index(index),
                    "neither or both of `expression` and `metricStat`".to_owned(),
                    "write exactly one of them",
                );
            }
        }
        let returned = queries
            .iter()
            .filter(|query| query.return_data != Some(false));
        if analysis.cloud_watch.is_some() && returned.count() != 1 {
            report(
                path.key("cloudWatch").key("queries"),
                "not exactly one query that returns data".to_owned(),
                "write `returnData: false` in every query but the one whose value counts",
            );
        }
    }
    for (index, name) in named(&spec.strategy) {
        if !spec.analysis.contains_key(name) {
            let steps = root.key("strategy").key("canary").key("steps");
            report(
                steps.index(index).key("analysis"),
                format!("`{name}`, which is no analysis"),
                "describe it in `spec.analysis`, or name one that stands there",
            );
        }
    }
    findings
}

/// The analyses that steps name.
fn named(strategy: &Strategy) -> impl Iterator<Item = (usize, &AnalysisName)> {
    strategy
        .steps()
        .iter()
        .enumerate()
        .filter_map(|(index, step)| match step {
            Step::Analysis(name) => Some((index, name)),
            Step::SetWeight(_) | Step::SetScale(_) | Step::Pause(_) | Step::Gate(_) => None,
        })
}

/// The analyses that they are; without contradictions each is one.
pub(super) fn mean(analyses: BTreeMap<AnalysisName, Analysis>, strategy: &Strategy) -> Analyses {
    /// Requests that a judgement needs, where the document does not say.
    const REQUESTS: u64 = 100;
    let one = |(name, analysis): (AnalysisName, Analysis)| {
        let in_a_step = named(strategy).any(|(_, named)| *named == name);
        let condition = |text: Option<String>| text.and_then(|text| text.parse().ok());
        let query = |source| {
            Some(Metric::Query {
                source,
                success: condition(analysis.success_when.clone())?,
                failure: condition(analysis.fail_when.clone()),
            })
        };
        let prometheus = analysis
            .prometheus
            .map(|Prometheus { address, query }| Source::Prometheus { address, query });
        let cloud_watch = analysis.cloud_watch.map(|watch| Source::CloudWatch {
            queries: watch.queries,
        });
        let success_rate = analysis.success_rate.map(|rate| Metric::SuccessRate {
            at_least: rate.at_least / 100.0,
        });
        let latency = analysis.latency.map(|latency| Metric::Latency {
            percentile: latency.percentile,
            at_most: latency.at_most.0,
        });
        let comparison = analysis.comparison.map(|comparison| Metric::Comparison {
            false_alarms: comparison.false_alarms / 100.0,
            slower_than: comparison.slower_than.map(|time| time.0.0),
        });
        let metric = prometheus
            .or(cloud_watch)
            .and_then(query)
            .or(success_rate)
            .or(latency)
            .or(comparison)?;
        let analysis = analysis::Analysis {
            metric,
            in_a_step,
            initial_delay: analysis.initial_delay.0,
            interval: analysis.interval.0.0,
            count: analysis.count,
            failure_limit: analysis.failure_limit,
            error_limit: analysis.error_limit,
            min_requests: analysis.min_requests.unwrap_or(REQUESTS),
            on_error: analysis.on_error,
            on_no_data: analysis.on_no_data,
            dry_run: analysis.dry_run,
        };
        Some((name, analysis))
    };
    analyses.into_iter().filter_map(one).collect()
}
