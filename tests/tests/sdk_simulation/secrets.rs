//! Canaries: secrets where the operator comes by, and everything that it shows, which must hold none of them.

use std::fmt::Write as _;
use std::io;
use std::sync::{Arc, Mutex};

use aws::clients::{LOG_CAPS, MADE_UP_SECRET};
use tests::{Operator, Stage};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::plan::{Plan, Scene};
use crate::run::{Unusual, run_unusual};

/// In the environment of the base task definition.
pub(crate) const ENVIRONMENT: &str = "canary-in-the-environment";
/// In a SecureString beside the application's parameters.
pub(crate) const SECURE: &str = "canary-in-a-secure-string";

/// In the SecureString that webhooks are signed with.
pub(crate) const SIGNS: &str = "canary-that-signs-webhooks";

/// The log of one run.
#[derive(Debug, Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Collects what this thread logs from now on: what is asked for, as the operator's own binary understands it, or
    /// else all of the operator's own and the SDK's warnings.
    pub(crate) fn collect(&self, asked: Option<&str>) -> tracing::subscriber::DefaultGuard {
        let own = "warn,runtime=trace,planner=trace,aws::=trace";
        let mut filter = EnvFilter::new(asked.unwrap_or(own));
        for cap in LOG_CAPS {
            filter = filter.add_directive(cap.parse().unwrap());
        }
        self.collect_by(filter)
    }

    fn collect_by(&self, filter: EnvFilter) -> tracing::subscriber::DefaultGuard {
        let subscriber = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(self.clone())
            .with_ansi(false)
            .without_time()
            .finish();
        tracing::subscriber::set_default(subscriber)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Which canaries a text holds.
pub(crate) fn found(text: &str, place: &str) -> Vec<String> {
    let there = [ENVIRONMENT, SECURE, SIGNS, MADE_UP_SECRET]
        .into_iter()
        .filter(|canary| text.contains(canary));
    there
        .map(|canary| format!("{canary} shows in {place}"))
        .collect()
}

/// Everything that an operator shows: metrics, events, the board.
pub(crate) fn shown(operator: &Operator) -> String {
    let metrics = prometheus::TextEncoder::new().encode_to_string(&operator.registry.gather());
    let mut text = metrics.unwrap();
    let _ = write!(text, "{:?} {:?}", operator.events, operator.board);
    text
}

/// Everything that the operator wrote into parameters.
pub(crate) fn written(stage: &Stage) -> String {
    stage.emulator.with(|world| {
        let mut text = String::new();
        for leaf in ["status", "record"] {
            let parameter = world.ssm.parameters.get(&format!("/teal/apps/blog/{leaf}"));
            for version in parameter
                .into_iter()
                .flat_map(|parameter| &parameter.versions)
            {
                text.push_str(&version.value);
            }
        }
        text
    })
}

#[test]
fn canaries_are_found_where_they_are() {
    let log = Log::default();
    let guard = log.collect(None);
    tracing::trace!(target: "runtime::somewhere", "{ENVIRONMENT}");
    tracing::trace!(target: "aws::somewhere", "{SECURE}");
    drop(guard);
    tracing::warn!("{MADE_UP_SECRET}");
    assert_eq!(found(&log.text(), "the log").len(), 2, "{}", log.text());
}

#[test]
fn whoever_asks_to_log_everything_sees_no_secret() {
    let everything = Unusual {
        log: Some("trace"),
        ..Unusual::default()
    };
    for plan in [Plan::calm(Scene::Empty, "1.3.0"), Plan::bad()] {
        run_unusual(&plan, &everything).check(&plan);
    }
}

#[test]
fn without_the_caps_the_sdk_would_show_them() {
    let shown = Log::default();
    let guard = shown.collect_by(EnvFilter::new("trace"));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(crate::scene::set_up(Scene::Serving));
    drop(guard);
    let found = found(&shown.text(), "the log");
    assert_eq!(found.len(), 1, "the environment: {found:?}");
}
