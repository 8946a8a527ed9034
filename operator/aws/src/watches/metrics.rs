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
    /// routes together. Bad are those that failed.
    pub(super) async fn requests(
        &self,
        about: &About,
        both: bool,
        from: Timestamp,
    ) -> (Measured, Timestamp) {
        let sides = if both { &SIDES[..] } else { &SIDES[..1] };
        // A target that does not answer at all counts as one that fails.
        let asked = [
            ("requests", "RequestCount", "Sum"),
            ("failed", "HTTPCode_Target_5XX_Count", "Sum"),
            ("unreached", "TargetConnectionErrorCount", "Sum"),
        ];
        self.counts(about, sides, asked, failures, from).await
    }

    /// The same of green and of blue, but bad are those that took longer than this; requests are those that a target
    /// answered, as ELB times no others.
    pub(super) async fn slow_requests(
        &self,
        about: &About,
        slower_than: Duration,
        from: Timestamp,
    ) -> (Measured, Timestamp) {
        let up_to = count_up_to(slower_than);
        let asked = [
            ("requests", "TargetResponseTime", "SampleCount"),
            ("in_time", "TargetResponseTime", up_to.as_str()),
        ];
        let (measured, until) = self.counts(about, &SIDES, asked, slow, from).await;
        (unless_all_were_slow(measured), until)
    }

    /// What these metrics (by the name in their ids, each with its statistic) count of the sides, on all routes together.
    async fn counts<const ASKED: usize>(
        &self,
        about: &About,
        sides: &[&'static str],
        asked: [(&str, &str, &str); ASKED],
        counted: impl Fn([u64; ASKED]) -> Counts,
        from: Timestamp,
    ) -> (Measured, Timestamp) {
        let Some((from, until)) = self.window(from) else {
            return (Measured::TooEarly, from);
        };
        let routes = about.routes.iter().enumerate();
        let queries = routes.flat_map(|(route, fronts)| {
            let of_side = move |side: &'static str| {
                let group = if side == GREEN {
                    &fronts.green
                } else {
                    &fronts.blue
                };
                asked.map(|(what, metric, stat)| {
                    let id = on_route(&format!("{side}_{what}"), route);
                    of_group(&id, metric, stat, fronts, group)
                })
            };
            sides.iter().copied().flat_map(of_side)
        });
        let answers = match self.get(queries.collect(), from, until).await {
            Ok(answers) => answers,
            Err(error) => return (failed(&error), from),
        };
        let names = asked.map(|(what, ..)| what);
        let of_side = |side| on_all_routes(&answers, side, about.routes.len(), names, &counted);
        let (green, blue) = (of_side(GREEN), of_side(BLUE));
        let silent = green.requests == 0 || (sides.contains(&BLUE) && blue.requests == 0);
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

/// One side's counts, of which each route has its own.
fn on_all_routes<const ASKED: usize>(
    answers: &Answers,
    side: &str,
    routes: usize,
    names: [&str; ASKED],
    counted: impl Fn([u64; ASKED]) -> Counts,
) -> Counts {
    (0..routes).fold(Counts::default(), |all, route| {
        let sum = |name| total(answers, &on_route(&format!("{side}_{name}"), route));
        let one = counted(names.map(sum));
        Counts {
            requests: all.requests + one.requests,
            bad: all.bad + one.bad,
        }
    })
}

fn failures([requests, failed, unreached]: [u64; 3]) -> Counts {
    Counts {
        requests,
        bad: (failed + unreached).min(requests),
    }
}

fn slow([requests, in_time]: [u64; 2]) -> Counts {
    Counts {
        requests,
        bad: requests.saturating_sub(in_time),
    }
}

/// Where nobody was in time, the bound does not tell one side from the other, or CloudWatch has no trimmed count.
fn unless_all_were_slow(measured: Measured) -> Measured {
    let all = |side: &Counts| side.bad == side.requests;
    if matches!(&measured, Measured::Requests { green, blue } if all(green) && all(blue)) {
        let reason = "every request of both took longer than `slowerThan`: choose a longer time";
        return Measured::NoData {
            reason: reason.to_owned(),
        };
    }
    measured
}

/// CloudWatch's trimmed count, `TC(:0.3)`: how many values were at most 0.3. A lower bound is exclusive, an upper one
/// inclusive, and either may be left out. It is interpolated, so that it need not be whole
/// (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Statistics-definitions.html>).
fn count_up_to(time: Duration) -> String {
    // Whole milliseconds, as the spec has them: a number with three decimals at most.
    format!("TC(:{})", time.as_millis() as f64 / 1_000.0)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(of: &[(&str, &[f64])]) -> Answers {
        let minutes = |values: &[f64]| (0..).zip(values.iter().copied()).collect();
        of.iter()
            .map(|(id, values)| ((*id).to_owned(), minutes(values)))
            .collect()
    }

    #[test]
    fn a_bound_is_written_in_seconds() {
        for (millis, expected) in [
            (1, "TC(:0.001)"),
            (300, "TC(:0.3)"),
            (1_000, "TC(:1)"),
            (59_999, "TC(:59.999)"),
        ] {
            assert_eq!(count_up_to(Duration::from_millis(millis)), expected);
        }
    }

    #[test]
    fn slow_is_what_was_not_in_time_on_any_route() {
        let answers = answers(&[
            ("green_requests", &[100.0, 50.0]),
            ("green_in_time", &[98.3, 49.5]),
            ("green_requests_1", &[10.0]),
            ("blue_requests", &[900.0]),
            ("blue_in_time", &[900.4]),
        ]);
        let of = |side| on_all_routes(&answers, side, 2, ["requests", "in_time"], slow);
        let green = Counts {
            requests: 160,
            bad: 12,
        };
        assert_eq!(of(GREEN), green, "of the second route none was in time");
        let blue = Counts {
            requests: 900,
            bad: 0,
        };
        assert_eq!(of(BLUE), blue);
    }

    #[test]
    fn a_bound_that_nobody_keeps_tells_nothing() {
        let measured = |green, blue| {
            let counts = |bad| Counts { requests: 9, bad };
            unless_all_were_slow(Measured::Requests {
                green: counts(green),
                blue: counts(blue),
            })
        };
        assert!(matches!(measured(9, 9), Measured::NoData { .. }));
        for (green, blue) in [(9, 8), (8, 9), (0, 0)] {
            let told = measured(green, blue);
            assert!(matches!(told, Measured::Requests { .. }), "{told:?}");
        }
    }

    #[test]
    fn no_more_fail_than_there_are() {
        let bad = |failed, unreached| failures([10, failed, unreached]).bad;
        assert_eq!([bad(0, 0), bad(2, 3), bad(8, 8)], [0, 5, 10]);
    }
}
