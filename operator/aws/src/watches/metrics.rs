//! GetMetricData: what ELB counts of a target group, and whatever else is asked for.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_cloudwatch::types::{
    Dimension, Metric, MetricDataQuery, MetricDataResult, MetricStat, ScanBy, StatusCode,
};
use aws_smithy_types::DateTime;
use crd_schema::TargetGroupArn;
use crd_schema::analysis::MetricQuery;
use jiff::Timestamp;
use planner::time::instant_after;
use planner::watch::{About, Counts, Fronts, Measured};
use runtime::clock::Clock;

use crate::budget::Class;
use crate::clients::Clients;
use crate::error::{Error, Kind};
use crate::page;
use crate::watches::{balancer_dimension, group_dimension, whole};

const GET: &str = "GetMetricData";
/// The period of ELB's metrics, in seconds.
const PERIOD: i32 = 60;
/// Minutes after which a minute's metrics are taken for complete.
const LAG: u32 = 2;
/// How far back the newest value of a query is looked for, in periods.
const BACK: u32 = 5;

/// Reads metrics.
#[derive(Debug)]
pub(super) struct Metrics {
    clients: Clients,
    clock: Clock,
    minute: Duration,
}

/// How the two sides are called in ids.
const GREEN: &str = "green";
/// See [`GREEN`].
const BLUE: &str = "blue";
/// Both, green first.
const SIDES: [&str; 2] = [GREEN, BLUE];

/// Values by query id, each with its time in seconds, newest first.
type Answers = BTreeMap<String, Vec<(i64, f64)>>;

impl Metrics {
    pub(super) fn new(clients: Clients, clock: Clock, minute: Duration) -> Self {
        Self {
            clients,
            clock,
            minute,
        }
    }

    /// Requests to green, and to blue where it is asked for, in the whole minutes since `from` that are complete: on all
    /// routes together.
    pub(super) async fn requests(
        &self,
        about: &About,
        both: bool,
        from: Timestamp,
    ) -> (Measured, Timestamp) {
        let Some((from, until)) = self.window(from) else {
            return (Measured::TooEarly, from);
        };
        let sides = if both { &SIDES[..] } else { &SIDES[..1] };
        let routes = about.routes.iter().enumerate();
        let queries = routes.flat_map(|(route, fronts)| {
            let of_side = move |side: &'static str| {
                let group = if side == GREEN {
                    &fronts.green
                } else {
                    &fronts.blue
                };
                // A target that does not answer at all counts as one that fails.
                [
                    ("requests", "RequestCount"),
                    ("failed", "HTTPCode_Target_5XX_Count"),
                    ("unreached", "TargetConnectionErrorCount"),
                ]
                .map(|(what, metric)| {
                    let id = on_route(&format!("{side}_{what}"), route);
                    of_group(&id, metric, "Sum", fronts, group)
                })
            };
            sides.iter().copied().flat_map(of_side)
        });
        let answers = match self.get(queries.collect(), from, until).await {
            Ok(answers) => answers,
            Err(error) => return (failed(&error), from),
        };
        let counts = |side: &str| {
            let all = Counts {
                requests: 0,
                failed: 0,
            };
            (0..about.routes.len()).fold(all, |all, route| {
                let sum = |what: &str| total(&answers, &on_route(&format!("{side}_{what}"), route));
                let requests = sum("requests");
                let failed = (sum("failed") + sum("unreached")).min(requests);
                Counts {
                    requests: all.requests + requests,
                    failed: all.failed + failed,
                }
            })
        };
        let (green, blue) = (counts(GREEN), counts(BLUE));
        let silent = green.requests == 0 || (both && blue.requests == 0);
        let measured = if silent {
            Measured::NoData {
                reason: format!(
                    "no request in {}",
                    if green.requests == 0 {
                        "green's target group"
                    } else {
                        "blue's target group"
                    }
                ),
            }
        } else {
            Measured::Requests { green, blue }
        };
        (measured, until)
    }

    /// How long green took in the whole minutes since `from` that are complete: the slowest of them, and of its routes.
    pub(super) async fn latency(
        &self,
        about: &About,
        percentile: f64,
        from: Timestamp,
    ) -> (Measured, Timestamp) {
        let Some((from, until)) = self.window(from) else {
            return (Measured::TooEarly, from);
        };
        let stat = format!("p{percentile}");
        let routes = about.routes.iter().enumerate();
        let queries = routes.flat_map(|(route, fronts)| {
            [
                ("requests", "RequestCount", "Sum"),
                ("took", "TargetResponseTime", &stat),
            ]
            .map(|(what, metric, stat)| {
                let id = on_route(what, route);
                of_group(&id, metric, stat, fronts, &fronts.green)
            })
        });
        let answers = match self.get(queries.collect(), from, until).await {
            Ok(answers) => answers,
            Err(error) => return (failed(&error), from),
        };
        let each = || 0..about.routes.len();
        let took = each().filter_map(|route| answers.get(&on_route("took", route)));
        let slowest = took.flatten().map(|(_, seconds)| *seconds);
        let measured = match slowest.reduce(f64::max) {
            Some(seconds) => Measured::Latency {
                requests: each()
                    .map(|route| total(&answers, &on_route("requests", route)))
                    .sum(),
                seconds,
            },
            None => Measured::NoData {
                reason: "no request in green's target group".to_owned(),
            },
        };
        (measured, until)
    }

    /// The newest value of the one query that returns data.
    pub(super) async fn ask(
        &self,
        queries: &[MetricQuery],
        fill: impl Fn(&str) -> String,
    ) -> Measured {
        let longest = queries
            .iter()
            .filter_map(|query| query.metric_stat.as_ref());
        let longest = longest.map(|stat| stat.period).max().unwrap_or(60) / 60;
        let until = self.clock.now().wall;
        let back = self.minute * (longest.max(1) * BACK + LAG);
        let from = Timestamp::from_millisecond(
            until.as_millisecond() - i64::try_from(back.as_millis()).unwrap_or(0),
        );
        let from = whole(from.unwrap_or(Timestamp::MIN), self.minute);
        let asked = queries.iter().map(|query| own(query, &fill)).collect();
        match self.get(asked, from, until).await {
            Err(error) => failed(&error),
            Ok(answers) => {
                let newest = answers.into_values().flatten().max_by_key(|(at, _)| *at);
                match newest {
                    Some((_, value)) if !value.is_nan() => Measured::Value(value),
                    Some(_) | None => Measured::NoData {
                        reason: "CloudWatch has no value".to_owned(),
                    },
                }
            }
        }
    }

    /// Whole minutes from `from` on that are complete, if there is one.
    fn window(&self, from: Timestamp) -> Option<(Timestamp, Timestamp)> {
        let begun = whole(from, self.minute);
        let from = if begun < from {
            instant_after(begun, self.minute)
        } else {
            from
        };
        let now = self.clock.now().wall.as_millisecond();
        let lag = i64::try_from((self.minute * LAG).as_millis()).ok()?;
        let until = whole(Timestamp::from_millisecond(now - lag).ok()?, self.minute);
        let complete = instant_after(until, self.minute);
        (complete > from).then_some((from, complete))
    }

    async fn get(
        &self,
        queries: Vec<MetricDataQuery>,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<Answers, Error> {
        let ids = queries.iter().filter_map(MetricDataQuery::id);
        let resource = ids.collect::<Vec<_>>().join(", ");
        let clients = &self.clients;
        let results = page::all(GET, &resource, |token| {
            let (queries, resource) = (queries.clone(), resource.clone());
            async move {
                let send = clients
                    .watch
                    .get_metric_data()
                    .set_metric_data_queries(Some(queries))
                    .start_time(DateTime::from_millis(from.as_millisecond()))
                    .end_time(DateTime::from_millis(until.as_millisecond()))
                    .scan_by(ScanBy::TimestampDescending)
                    .set_next_token(token)
                    .send();
                let answer = clients
                    .call(Class::MetricRead, GET, &resource, send)
                    .await?;
                Ok((
                    answer.metric_data_results.unwrap_or_default(),
                    answer.next_token,
                ))
            }
        })
        .await?;
        let mut answers = Answers::new();
        for result in results {
            let (id, values) = values(result, &resource)?;
            answers.entry(id).or_default().extend(values);
        }
        Ok(answers)
    }
}

/// One query's values. A result that CloudWatch could not make is an error: it is not "no data".
fn values(result: MetricDataResult, resource: &str) -> Result<(String, Vec<(i64, f64)>), Error> {
    let id = result.id.unwrap_or_default();
    let bad = [StatusCode::InternalError, StatusCode::Forbidden];
    if let Some(status) = result.status_code.filter(|status| bad.contains(status)) {
        let messages = result.messages.unwrap_or_default();
        let messages = messages.iter().filter_map(|message| message.value());
        let why = format!(
            "query {id}: {status} {}",
            messages.collect::<Vec<_>>().join(", ")
        );
        return Err(Error::own(Kind::Invalid, GET, resource, why));
    }
    let times = result.timestamps.unwrap_or_default();
    let values = result.values.unwrap_or_default();
    Ok((id, times.iter().map(DateTime::secs).zip(values).collect()))
}

/// The sum of a query's values. Nothing is published of what did not happen.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a count, held above 0; what is too large becomes the largest"
)]
fn total(answers: &Answers, id: &str) -> u64 {
    let values = answers.get(id).into_iter().flatten();
    values
        .map(|(_, value)| *value)
        .sum::<f64>()
        .max(0.0)
        .round() as u64
}

fn failed(error: &Error) -> Measured {
    Measured::Error {
        reason: error.to_string(),
    }
}

/// The id of a query about one route: of the first it is the plain one.
fn on_route(id: &str, route: usize) -> String {
    if route == 0 {
        id.to_owned()
    } else {
        format!("{id}_{route}")
    }
}

/// A metric that ELB keeps of a target group
/// (<https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-cloudwatch-metrics.html>).
fn of_group(
    id: &str,
    metric: &str,
    stat: &str,
    fronts: &Fronts,
    group: &Option<TargetGroupArn>,
) -> MetricDataQuery {
    let balancer = fronts
        .load_balancer
        .as_deref()
        .map_or("", balancer_dimension);
    let group = group
        .as_ref()
        .map_or("", |arn| group_dimension(arn.as_str()));
    let dimension = |name: &str, value: &str| Dimension::builder().name(name).value(value).build();
    let metric = Metric::builder()
        .namespace("AWS/ApplicationELB")
        .metric_name(metric)
        .dimensions(dimension("LoadBalancer", balancer))
        .dimensions(dimension("TargetGroup", group))
        .build();
    let stat = MetricStat::builder()
        .metric(metric)
        .period(PERIOD)
        .stat(stat)
        .build();
    MetricDataQuery::builder().id(id).metric_stat(stat).build()
}

/// A query of the spec, filled in.
fn own(query: &MetricQuery, fill: impl Fn(&str) -> String) -> MetricDataQuery {
    let stat = query.metric_stat.as_ref().map(|stat| {
        let dimensions = stat.metric.dimensions.iter().map(|dimension| {
            let value = fill(&dimension.value);
            Dimension::builder()
                .name(&dimension.name)
                .value(value)
                .build()
        });
        let metric = Metric::builder()
            .namespace(fill(&stat.metric.namespace))
            .metric_name(fill(&stat.metric.metric_name))
            .set_dimensions(Some(dimensions.collect()))
            .build();
        let period = i32::try_from(stat.period).unwrap_or(PERIOD);
        MetricStat::builder()
            .metric(metric)
            .period(period)
            .stat(&stat.stat)
            .build()
    });
    MetricDataQuery::builder()
        .id(&query.id)
        .set_expression(query.expression.as_deref().map(fill))
        .set_metric_stat(stat)
        .set_return_data(query.return_data)
        .build()
}
