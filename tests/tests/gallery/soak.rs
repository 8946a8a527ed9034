//! Memory: what one release leaves behind in an operator that runs for months.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use cap::Cap;
use crd_schema::record::Generation;
use crd_schema::{Application, ApplicationName};
use jiff::Timestamp;
use planner::gate::Run;
use planner::lab::Lab;
use planner::memory::WriteOutcome;
use planner::watch::{Measured, Watch};
use planner::{World, Write};
use prometheus::Registry;
use runtime::cloud::{Changed, Cloud, CloudWriter, Focus, FoundSpec, ReadError, Tried};
use runtime::controller::Settings;
use runtime::lease::Authority;
use runtime::{Clock, Controller, Metrics, Mode};
use tests::Dose;
use tokio_util::sync::CancellationToken;

/// Counts what is allocated.
#[global_allocator]
static HEAP: Cap<std::alloc::System> = Cap::new(std::alloc::System, usize::MAX);

/// The laboratory's account, in tokio's time.
#[derive(Debug, Clone)]
struct Account {
    clock: Clock,
    spec: Arc<str>,
    lab: Arc<Mutex<Lab>>,
}

impl Account {
    fn new(clock: Clock) -> Self {
        let spec: Arc<str> = include_str!("soak.yaml").into();
        let application = crd_schema::spec::load(&spec, "blog").expect("a good spec");
        Self {
            clock,
            spec,
            lab: Arc::new(Mutex::new(Lab::new(application))),
        }
    }

    /// The account as it is now.
    fn lab(&self) -> MutexGuard<'_, Lab> {
        let mut lab = self.lab.lock().expect("nobody panicked");
        let now = self.clock.mono().0;
        let late = now.saturating_sub(lab.now);
        lab.advance(late);
        // What was written is for messages; here nobody reads them.
        lab.writes.clear();
        lab
    }

    fn serves(&self, version: &str) -> bool {
        let lab = self.lab();
        let versions = lab
            .services
            .iter()
            .map(|service| &service.shown.tags.version);
        versions.eq([&Some(version.to_owned())])
    }
}

impl Cloud for Account {
    async fn observe(&self, _: &Application, focus: &Focus) -> World {
        World {
            spec_present: focus.spec_present,
            ..self.lab().observe()
        }
    }

    async fn measure(&self, _: &Application, _: &Watch, from: Timestamp) -> (Measured, Timestamp) {
        (Measured::TooEarly, from)
    }

    async fn specs(&self) -> Result<Vec<FoundSpec>, ReadError> {
        Ok(vec![FoundSpec {
            name: ApplicationName::new("blog"),
            generation: Generation {
                date: 1,
                version: 1,
            },
            text: Ok(self.spec.to_string()),
        }])
    }

    async fn wishes(
        &self,
        names: &[ApplicationName],
    ) -> Result<BTreeMap<ApplicationName, Generation>, ReadError> {
        let wish = self
            .lab()
            .desired
            .as_ref()
            .map(|(generation, _)| *generation);
        Ok(names.iter().cloned().zip(wish).collect())
    }
}

impl CloudWriter for Account {
    async fn still_holds(&self, _: &Application, _: &Write) -> Result<(), Changed> {
        Ok(())
    }

    async fn write(&self, _: &Application, write: &Write) -> WriteOutcome {
        self.lab().apply(write)
    }

    async fn notify(
        &self,
        _: &crd_schema::webhook::Webhook,
        _: &runtime::events::Event,
    ) -> Result<(), ReadError> {
        Ok(())
    }

    async fn stop_gate(
        &self,
        _: &Application,
        _: &Run,
        _: Option<&str>,
        _: &str,
    ) -> Result<(), ReadError> {
        Ok(())
    }

    async fn try_gate(&self, _: &Application, _: &Run, _: u32, _: Option<&str>) -> Tried {
        Tried::Unclear {
            reason: "there are no gates here".to_owned(),
        }
    }

    async fn put_status(&self, _: &ApplicationName, _: &str) -> Result<(), ReadError> {
        Ok(())
    }
}

/// Bytes that are allocated after each of `blocks` blocks of releases.
async fn after_blocks(blocks: usize, releases: usize, leak: bool) -> Vec<usize> {
    let clock = Clock::starting_at(Timestamp::from_second(1_785_542_400).expect("a date"));
    let account = Account::new(clock);
    let registry = Registry::new();
    let metrics = Arc::new(Metrics::new(&registry, "test").expect("a fresh registry"));
    let mode = Mode::Apply {
        writer: account.clone(),
        authority: Authority::SingleByDeployment,
    };
    let stop = CancellationToken::new();
    let controller = Controller::new(
        account.clone(),
        mode,
        Settings::default(),
        clock,
        metrics,
        stop.clone(),
    );
    let operator = tokio::spawn(controller.run());
    let mut leaked: Vec<String> = Vec::new();
    let mut seen = Vec::with_capacity(blocks);
    for block in 0..blocks {
        for release in 0..releases {
            // Alike in length, so that only what is kept differs.
            let version = format!("1.{block:03}.{release:05}");
            account.lab().wish(&version);
            let mut waits = 0;
            while !account.serves(&version) {
                waits += 1;
                assert!(waits < 300, "{version} does not come to serve");
                tokio::time::sleep(Duration::from_secs(5)).await;
            }
            if leak {
                leaked.push(version.repeat(4));
            }
        }
        seen.push(HEAP.allocated());
    }
    stop.cancel();
    operator.await.expect("it ends by itself");
    drop(leaked);
    seen
}

/// Bytes a release that are kept, by the median of the growth from block to block after the first.
fn slope(seen: &[usize], releases: usize) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let mut growth: Vec<f64> = seen
        .windows(2)
        .skip(1)
        .map(|pair| (pair[1] as f64 - pair[0] as f64) / releases as f64)
        .collect();
    growth.sort_by(f64::total_cmp);
    growth[growth.len() / 2]
}

/// So many releases a block: a dose, or ten thousand in all at night.
fn releases() -> usize {
    match Dose::asked() {
        Dose::Small | Dose::Full => 40,
        Dose::Nightly => 1_250,
    }
}

const BLOCKS: usize = 8;

/// The heap is the whole process's: the test runs again in one of its own. True: this is that process.
fn alone(test: &str) -> bool {
    const ALONE: &str = "TEAL_GALLERY_ALONE";
    if std::env::var_os(ALONE).is_some() {
        return true;
    }
    let itself = std::env::current_exe().expect("the test's own path");
    let ended = Command::new(itself)
        .args(["--exact", &format!("soak::{test}"), "--nocapture"])
        .env(ALONE, "1")
        .status()
        .expect("it can be started");
    assert!(ended.success(), "{test}: {ended}");
    false
}

#[tokio::test(start_paused = true)]
async fn gallery_g35_memory_is_flat() {
    if !alone("gallery_g35_memory_is_flat") {
        return;
    }
    let releases = releases();
    let seen = after_blocks(BLOCKS, releases, false).await;
    let slope = slope(&seen, releases);
    println!(
        "{} releases, {slope} bytes a release, {seen:?}",
        BLOCKS * releases
    );
    assert!(
        slope.abs() < 8.0,
        "{slope} bytes a release are kept: {seen:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn gallery_g35_fails_with_a_leak_of_a_line_a_release() {
    if !alone("gallery_g35_fails_with_a_leak_of_a_line_a_release") {
        return;
    }
    let releases = 20;
    let seen = after_blocks(BLOCKS, releases, true).await;
    let slope = slope(&seen, releases);
    assert!(slope > 40.0, "{slope} bytes a release: {seen:?}");
}
