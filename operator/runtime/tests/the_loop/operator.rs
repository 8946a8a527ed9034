//! One operator over an account.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use prometheus::Registry;
use prometheus::proto::MetricType;
use runtime::events::Events;
use runtime::lease::Authority;
use runtime::snapshot::Board;
use runtime::{Clock, Controller, Metrics, Mode, Settings};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::account::{Account, Writer, name};

/// A running operator.
pub(crate) struct Operator {
    pub(crate) clock: Clock,
    pub(crate) board: Board,
    pub(crate) events: Events,
    registry: Registry,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

/// The present of tests, on both clocks.
pub(crate) fn clock() -> Clock {
    Clock::starting_at(Timestamp::from_second(1_750_000_000).unwrap())
}

impl Operator {
    pub(crate) fn start(account: &Account, clock: Clock) -> Self {
        Self::start_with(account, clock, Settings::default())
    }

    pub(crate) fn start_with(account: &Account, clock: Clock, settings: Settings) -> Self {
        let writer = Writer(account.clone());
        Self::start_as(
            account,
            clock,
            settings,
            Mode::Apply {
                writer,
                authority: Authority::SingleByDeployment,
            },
        )
    }

    pub(crate) fn start_as(
        account: &Account,
        clock: Clock,
        settings: Settings,
        mode: Mode<Writer>,
    ) -> Self {
        let registry = Registry::new();
        let metrics = Arc::new(Metrics::new(&registry, "0.1.0").unwrap());
        let stop = CancellationToken::new();
        let controller = Controller::new(
            account.clone(),
            mode,
            settings,
            clock,
            metrics,
            stop.clone(),
        );
        let (board, events) = (controller.board(), controller.events());
        let task = tokio::spawn(controller.run());
        Self {
            clock,
            board,
            events,
            registry,
            stop,
            task,
        }
    }

    /// Tells it to stop, and waits until it did. How long that took.
    pub(crate) async fn stop(self) -> Duration {
        let asked = self.clock.mono();
        self.stop.cancel();
        self.task.await.unwrap();
        self.clock.mono().since(asked)
    }

    /// The process dies: nothing is ended.
    pub(crate) async fn kill(self) {
        self.task.abort();
        let _ = self.task.await;
    }

    /// What the application waits for.
    pub(crate) fn waiting_on(&self, app: &str) -> &'static str {
        self.board
            .get(&name(app))
            .unwrap()
            .plan
            .as_ref()
            .unwrap()
            .report
            .waiting_on
            .label()
    }

    /// Event reasons of one application, oldest first.
    pub(crate) fn events(&self, app: &str) -> Vec<&'static str> {
        let events = self
            .events
            .newest()
            .into_iter()
            .filter(|event| event.application == app);
        events.map(|event| event.reason.as_str()).collect()
    }

    /// The sum of all series of `metric` that have all of `labels`; none when there is no such series.
    pub(crate) fn metric(&self, metric: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let families = self.registry.gather();
        let family = families.iter().find(|family| family.name() == metric)?;
        let has = |series: &prometheus::proto::Metric, (key, value): &(&str, &str)| {
            series
                .get_label()
                .iter()
                .any(|label| label.name() == *key && label.value() == *value)
        };
        let matching = family
            .get_metric()
            .iter()
            .filter(|series| labels.iter().all(|label| has(series, label)));
        let values: Vec<f64> = matching
            .map(|series| match family.get_field_type() {
                MetricType::COUNTER => series.get_counter().get_value(),
                MetricType::HISTOGRAM => {
                    f64::from(u32::try_from(series.get_histogram().get_sample_count()).unwrap())
                }
                MetricType::GAUGE | MetricType::SUMMARY | MetricType::UNTYPED => {
                    series.get_gauge().get_value()
                }
            })
            .collect();
        (!values.is_empty()).then(|| values.iter().sum())
    }
}

/// Lets time pass. Under the paused clock everything that is due by then has happened when it returns.
pub(crate) async fn pass(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}
