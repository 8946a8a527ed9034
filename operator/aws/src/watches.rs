//! What is watched while a release is on its way: CloudWatch's alarms and metrics, a Prometheus server's answers.

mod alarms;
mod metrics;
mod prometheus;

use std::time::Duration;

use aws_smithy_runtime_api::client::http::SharedHttpConnector;
use crd_schema::Application;
use crd_schema::analysis::{Metric, Source};
use jiff::Timestamp;
use planner::watch::{About, Fronts, Measured, Watch, What};
use runtime::clock::Clock;

use crate::clients::{Clients, Connection};
use alarms::Alarms;
use metrics::Metrics;

/// Measures. Cheap to share; decides nothing.
#[derive(Debug)]
pub(crate) struct Watches {
    alarms: Alarms,
    metrics: Metrics,
    web: SharedHttpConnector,
}

impl Watches {
    /// Must be called in a tokio runtime.
    pub(crate) fn new(connection: &Connection, clients: Clients, clock: Clock) -> Self {
        Self {
            alarms: Alarms::new(clients.clone()),
            metrics: Metrics::new(clients, clock, connection.minute()),
            web: connection.web(),
        }
    }

    /// See [`runtime::cloud::Cloud::measure`].
    pub(crate) async fn measure(
        &self,
        application: &Application,
        watch: &Watch,
        from: Timestamp,
    ) -> (Measured, Timestamp) {
        let about = &watch.about;
        let analysis = match &watch.what {
            What::Alarms { alarms, .. } => return (self.alarms.states(&alarms.names).await, from),
            What::Analysis(analysis) => analysis,
        };
        match &analysis.metric {
            Metric::Query {
                source: Source::Prometheus { address, query },
                ..
            } => {
                let query = filled_in(query, application, about);
                (prometheus::ask(&self.web, address, &query).await, from)
            }
            Metric::Query {
                source: Source::CloudWatch { queries },
                ..
            } => {
                let fill = |text: &str| filled_in(text, application, about);
                (self.metrics.ask(queries, fill).await, from)
            }
            Metric::SuccessRate { .. } => self.metrics.requests(about, false, from).await,
            Metric::Comparison {
                slower_than: None, ..
            } => self.metrics.requests(about, true, from).await,
            Metric::Comparison {
                slower_than: Some(time),
                ..
            } => self.metrics.slow_requests(about, *time, from).await,
            Metric::Latency { percentile, .. } => {
                self.metrics.latency(about, *percentile, from).await
            }
        }
    }
}

/// The release's names in place of what stands for them: of several routes, those of the first.
fn filled_in(text: &str, application: &Application, about: &About) -> String {
    let dimension = |arn: &Option<crd_schema::TargetGroupArn>| {
        arn.as_ref()
            .map_or("", |arn| group_dimension(arn.as_str()))
            .to_owned()
    };
    let first = about.routes.first().cloned().unwrap_or_default();
    let Fronts {
        green,
        blue,
        load_balancer,
    } = &first;
    let balancer = load_balancer.as_deref().map_or("", balancer_dimension);
    [
        ("{application}", application.name.as_str()),
        ("{version}", &about.version),
        ("{greenService}", &about.green_service),
        ("{blueService}", &about.blue_service),
        ("{greenTargetGroup}", &dimension(green)),
        ("{blueTargetGroup}", &dimension(blue)),
        ("{loadBalancer}", balancer),
    ]
    .into_iter()
    .fold(text.to_owned(), |text, (name, value)| {
        text.replace(name, value)
    })
}

/// What CloudWatch calls a target group: `targetgroup/NAME/ID`
/// (<https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-cloudwatch-metrics.html>).
fn group_dimension(arn: &str) -> &str {
    arn.rsplit(':').next().unwrap_or_default()
}

/// What CloudWatch calls a load balancer: `app/NAME/ID`.
fn balancer_dimension(arn: &str) -> &str {
    arn.split_once(":loadbalancer/")
        .map_or("", |(_, name)| name)
}

/// `time`, down to a whole number of `minute`s.
fn whole(time: Timestamp, minute: Duration) -> Timestamp {
    let minute = i64::try_from(minute.as_millis()).unwrap_or(i64::MAX).max(1);
    let time = time.as_millisecond();
    Timestamp::from_millisecond(time - time.rem_euclid(minute)).unwrap_or(Timestamp::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cloud_watch_calls_them() {
        let group = "arn:aws:elasticloadbalancing:eu-west-1:1:targetgroup/blog-a/6d0ecf831eec9f09";
        assert_eq!(
            group_dimension(group),
            "targetgroup/blog-a/6d0ecf831eec9f09"
        );
        let balancer =
            "arn:aws:elasticloadbalancing:eu-west-1:1:loadbalancer/app/blog/50dc6c495c0c9188";
        assert_eq!(balancer_dimension(balancer), "app/blog/50dc6c495c0c9188");
        assert_eq!(balancer_dimension("blog"), "");
    }

    #[test]
    fn only_the_known_names_are_filled_in() {
        let application = crate::tests::blog();
        let about = About {
            version: "1.4.0".to_owned(),
            green_service: "blog-1-4-0-x".to_owned(),
            ..About::default()
        };
        let query = "sum(rate(errors{version=\"{version}\",service=\"{greenService}\"}[1m])) by (code) {other}";
        assert_eq!(
            filled_in(query, &application, &about),
            "sum(rate(errors{version=\"1.4.0\",service=\"blog-1-4-0-x\"}[1m])) by (code) {other}"
        );
    }
}
