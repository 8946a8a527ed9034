//! Every request to AWS, counted: as Prometheus series, and as a map that a program can read.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_ecs::config::interceptors::{
    BeforeTransmitInterceptorContextRef, FinalizerInterceptorContextRef,
};
use aws_sdk_ecs::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_ecs::error::BoxError;
use aws_smithy_runtime_api::client::orchestrator::{HttpResponse, Metadata};
use aws_smithy_types::config_bag::{Storable, StoreReplace};
use prometheus::{Counter, HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry};
use tokio::time::Instant;

use crate::error::{self, Kind};

/// Every operation that the operator calls, by service (as in IAM).
pub const OPERATIONS: [(&str, &str); 42] = [
    ("application-autoscaling", "DeregisterScalableTarget"),
    ("application-autoscaling", "DescribeScalableTargets"),
    ("application-autoscaling", "DescribeScalingPolicies"),
    ("application-autoscaling", "DescribeScheduledActions"),
    ("application-autoscaling", "PutScalingPolicy"),
    ("application-autoscaling", "PutScheduledAction"),
    ("application-autoscaling", "RegisterScalableTarget"),
    ("cloudwatch", "DescribeAlarms"),
    ("cloudwatch", "GetMetricData"),
    ("dynamodb", "GetItem"),
    ("dynamodb", "PutItem"),
    ("ecs", "CreateService"),
    ("ecs", "DeleteService"),
    ("ecs", "DeregisterTaskDefinition"),
    ("ecs", "DescribeServices"),
    ("ecs", "DescribeTaskDefinition"),
    ("ecs", "DescribeTasks"),
    ("ecs", "ListServices"),
    ("ecs", "ListTaskDefinitions"),
    ("ecs", "ListTasks"),
    ("ecs", "RegisterTaskDefinition"),
    ("ecs", "RunTask"),
    ("ecs", "StopTask"),
    ("ecs", "TagResource"),
    ("ecs", "UpdateService"),
    ("elasticloadbalancing", "AddTags"),
    ("elasticloadbalancing", "CreateTargetGroup"),
    ("elasticloadbalancing", "DeleteTargetGroup"),
    ("elasticloadbalancing", "DescribeListeners"),
    ("elasticloadbalancing", "DescribeRules"),
    ("elasticloadbalancing", "DescribeTags"),
    ("elasticloadbalancing", "DescribeTargetGroupAttributes"),
    ("elasticloadbalancing", "DescribeTargetGroups"),
    ("elasticloadbalancing", "DescribeTargetHealth"),
    ("elasticloadbalancing", "ModifyListener"),
    ("elasticloadbalancing", "ModifyRule"),
    ("elasticloadbalancing", "ModifyTargetGroupAttributes"),
    ("lambda", "Invoke"),
    ("ssm", "GetParameter"),
    ("ssm", "GetParameters"),
    ("ssm", "GetParametersByPath"),
    ("ssm", "PutParameter"),
];

const OK: &str = "ok";

/// How a request can end.
const OUTCOMES: [&str; 10] = [
    OK,
    Kind::Throttled.category(),
    Kind::Denied.category(),
    Kind::NotFound.category(),
    Kind::Conflict.category(),
    Kind::Invalid.category(),
    Kind::Unavailable.category(),
    Kind::Timeout.category(),
    Kind::Network.category(),
    Kind::Credentials.category(),
];

/// Counts requests, retries included. Cheap to clone: clones count together.
#[derive(Debug, Clone)]
pub struct CallMetrics(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    calls: IntCounterVec,
    throttles: IntCounterVec,
    seconds: HistogramVec,
    budget_wait: Counter,
    tally: Mutex<BTreeMap<String, Tally>>,
}

/// One operation's requests so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Requests that ended, retries included.
    pub requests: u64,
    /// Of these, the ones that failed.
    pub failed: u64,
    /// Of these, the ones that AWS throttled.
    pub throttled: u64,
}

impl CallMetrics {
    /// Registers `teal_aws_calls_total`, `teal_aws_call_duration_seconds`, `teal_aws_throttles_total` and
    /// `teal_aws_budget_wait_seconds_total`, and starts each series at 0.
    ///
    /// # Errors
    /// When one of the names is registered already.
    pub fn new(registry: &Registry) -> prometheus::Result<Self> {
        let calls = IntCounterVec::new(
            Opts::new("teal_aws_calls_total", "Requests to AWS, retries included"),
            &["service", "operation", "outcome"],
        )?;
        let throttles = IntCounterVec::new(
            Opts::new("teal_aws_throttles_total", "Requests that AWS throttled"),
            &["service", "operation"],
        )?;
        let seconds = HistogramVec::new(
            HistogramOpts::new(
                "teal_aws_call_duration_seconds",
                "Duration of requests to AWS",
            )
            .buckets(vec![0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0]),
            &["service", "operation"],
        )?;
        let budget_wait = Counter::new(
            "teal_aws_budget_wait_seconds_total",
            "Time that calls waited for their share of AWS's limits",
        )?;
        registry.register(Box::new(calls.clone()))?;
        registry.register(Box::new(throttles.clone()))?;
        registry.register(Box::new(seconds.clone()))?;
        registry.register(Box::new(budget_wait.clone()))?;
        for (service, operation) in OPERATIONS {
            for outcome in OUTCOMES {
                calls.with_label_values(&[service, operation, outcome]);
            }
            throttles.with_label_values(&[service, operation]);
            seconds.with_label_values(&[service, operation]);
        }
        Ok(Self(Arc::new(Inner {
            calls,
            throttles,
            seconds,
            budget_wait,
            tally: Mutex::default(),
        })))
    }

    /// Requests so far by operation, those never called left out.
    pub fn tally(&self) -> BTreeMap<String, Tally> {
        self.0
            .tally
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Where the call budget counts its waiting.
    pub(crate) fn budget_wait(&self) -> Counter {
        self.0.budget_wait.clone()
    }

    pub(crate) fn count(
        &self,
        service: &str,
        operation: &str,
        failure: Option<Kind>,
        seconds: f64,
    ) {
        let outcome = failure.map_or(OK, Kind::category);
        self.0
            .calls
            .with_label_values(&[service, operation, outcome])
            .inc();
        self.0
            .seconds
            .with_label_values(&[service, operation])
            .observe(seconds);
        let throttled = failure == Some(Kind::Throttled);
        if throttled {
            self.0
                .throttles
                .with_label_values(&[service, operation])
                .inc();
        }
        let mut tally = self.0.tally.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = tally.entry(operation.to_owned()).or_default();
        entry.requests += 1;
        entry.failed += u64::from(failure.is_some());
        entry.throttled += u64::from(throttled);
    }
}

/// When the attempt began.
#[derive(Debug)]
struct Began(Instant);

impl Storable for Began {
    type Storer = StoreReplace<Self>;
}

impl Intercept for CallMetrics {
    fn name(&self) -> &'static str {
        "teal call metrics"
    }

    fn read_before_attempt(
        &self,
        _context: &BeforeTransmitInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        cfg.interceptor_state().store_put(Began(Instant::now()));
        Ok(())
    }

    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let seconds = cfg
            .load::<Began>()
            .map_or(0.0, |began| began.0.elapsed().as_secs_f64());
        let Some(metadata) = cfg.load::<Metadata>() else {
            return Ok(());
        };
        let failure = match (context.output_or_error(), context.response()) {
            (Some(Ok(_)), _) => None,
            (Some(Err(error)), _) if error.is_timeout_error() => Some(Kind::Timeout),
            (_, Some(response)) => Some(kind_of(response)),
            (Some(Err(error)), None) => Some(error::kind_of_transport(error)),
            (None, None) => Some(Kind::Network),
        };
        self.count(
            iam_prefix(metadata.service()),
            metadata.name(),
            failure,
            seconds,
        );
        Ok(())
    }
}

/// IAM's name for what the SDK calls a service.
fn iam_prefix(service: &str) -> &str {
    match service {
        "ECS" => "ecs",
        "Elastic Load Balancing v2" => "elasticloadbalancing",
        "SSM" => "ssm",
        "Application Auto Scaling" => "application-autoscaling",
        other => other,
    }
}

fn kind_of(response: &HttpResponse) -> Kind {
    let body = response.body().bytes().unwrap_or_default();
    error::classify(response.status().as_u16(), &code_in(body), "")
}

/// The error code in an answer of either protocol; empty when there is none.
pub(crate) fn code_in(body: &[u8]) -> String {
    if let Ok(serde_json::Value::Object(answer)) = serde_json::from_slice(body) {
        let code = answer
            .get("__type")
            .and_then(serde_json::Value::as_str)
            .unwrap_or_default();
        return code.rsplit('#').next().unwrap_or_default().to_owned();
    }
    let text = String::from_utf8_lossy(body);
    let code = text
        .split_once("<Code>")
        .and_then(|(_, rest)| rest.split_once("</Code>"));
    code.map_or_else(String::new, |(code, _)| code.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_found_in_both_protocols() {
        assert_eq!(
            code_in(br#"{"__type":"com.amazonaws#ThrottlingException","message":"Rate exceeded"}"#),
            "ThrottlingException"
        );
        assert_eq!(
            code_in(b"<ErrorResponse><Error><Code>Throttling</Code></Error></ErrorResponse>"),
            "Throttling"
        );
        assert_eq!(code_in(b"\xff<html>"), "");
        assert_eq!(code_in(b"[]"), "");
    }

    #[test]
    fn counts_are_series_and_a_map() {
        let registry = Registry::new();
        let metrics = CallMetrics::new(&registry).unwrap();
        assert!(metrics.tally().is_empty());
        metrics.count("ecs", "ListServices", None, 0.1);
        metrics
            .clone()
            .count("ecs", "ListServices", Some(Kind::Throttled), 0.1);
        assert_eq!(
            metrics.tally()["ListServices"],
            Tally {
                requests: 2,
                failed: 1,
                throttled: 1
            }
        );
        let calls = registry
            .gather()
            .into_iter()
            .find(|family| family.name() == "teal_aws_calls_total")
            .unwrap();
        assert_eq!(
            calls.get_metric().len(),
            OPERATIONS.len() * OUTCOMES.len(),
            "every series is there from the start"
        );
    }
}
