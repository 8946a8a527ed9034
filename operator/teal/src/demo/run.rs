//! The play: set the stage, start the operator, let users in, ask for a version, watch, sum up.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use crd_schema::record::Stage;
use crd_schema::status::Phase;
use crd_schema::{Application, Status};
use emulator::dataplane::load::{Load, Statistics};
use emulator::world::{Settings, TaskMode};
use jiff::Timestamp;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::host::{Host, Place};
use super::panel::{Frame, Panel};
use super::seen::{self, Timeline};
use super::summary::{Answers, Summary};
use crate::cli::{self, Global};
use crate::emulate::Local;
use crate::failure::{Exit, Failure};
use crate::live::screen;
use crate::output::Style;
use crate::signals;
use crate::stage::{self, Ports, Story};

/// So many times as fast as AWS is, at speed 1.
const PACE: f64 = 4.0;
/// The same when the operator is killed, since after each kill it waits for what its predecessor may have left on the way;
/// and when a release is bad, since metrics come minutes late.
const FAST_PACE: f64 = 10.0;
/// How often the screen is drawn.
const TICK: Duration = Duration::from_millis(100);
/// Users are at work for this long before the release, and after its end.
const CALM: Duration = Duration::from_secs(3);
/// Milliseconds of AWS's time from the first sight of a stage to the kill, and as long until the next start.
const KILL_AFTER_MS: f64 = 3_000.0;

/// Runs the demo.
pub(crate) async fn run(global: &Global, arguments: &cli::Demo) -> Result<(), Failure> {
    let machine = match global.output {
        Some(cli::Output::Json) => Some(Style::Json),
        Some(cli::Output::Yaml) => Some(Style::Yaml),
        Some(cli::Output::Text | cli::Output::Wide) | None => arguments.json.then_some(Style::Json),
    };
    let ports = Ports {
        production: arguments.production_port,
        test: arguments.test_port,
    };
    free(ports).await?;
    let story = arguments.story();
    let pace = if arguments.kill_operator || story == Story::Bad {
        FAST_PACE
    } else {
        PACE
    } * arguments.speed;
    let stop = signals::stop("", screen::restore);
    let settings = Settings {
        tasks: TaskMode::Real,
        ..Settings::default()
    }
    .scaled(pace);
    let local = Local::start(settings, SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
    let title = format!(
        "teal demo  blog {} → {}, {} times as fast as AWS",
        story.first(),
        story.next(),
        short(pace)
    );
    let mut play = Play::new(
        &local,
        ports,
        arguments.clone(),
        pace,
        Panel::open(title, machine.is_some()),
        stop,
    )?;
    let played = play.perform().await;
    let host = play.host.take();
    drop(play);
    if let Some(host) = host {
        host.stop().await;
    }
    local.stop().await;
    let summary = played?;
    match machine {
        Some(style) => style.say(&summary, String::new),
        None => anstream::println!("\n{}", summary.text()),
    }
    if summary.is_good(story) {
        return Ok(());
    }
    let lost = match (story, summary.failed) {
        (Story::Good, failed @ 1..) => format!("{failed} requests were lost"),
        (Story::Good | Story::Bad, _) => format!("the release ended as {}", summary.outcome),
    };
    Err(Failure::new(Exit::Bug, lost))
}

/// Both listeners' ports can be had.
async fn free(ports: Ports) -> Result<(), Failure> {
    if ports.production == ports.test {
        return Err(Failure::new(
            Exit::Invalid,
            "the production and the test listener need ports of their own",
        ));
    }
    for (port, option) in [
        (ports.production, "--production-port"),
        (ports.test, "--test-port"),
    ] {
        tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port))
            .await
            .map_err(|error| {
                Failure::new(
                    Exit::Refused,
                    format!("the load balancer cannot listen on 127.0.0.1:{port}"),
                )
                .because(error)
                .next(format!("Choose another port with {option} PORT."))
            })?;
    }
    Ok(())
}

struct Play<'a> {
    local: &'a Local,
    arguments: cli::Demo,
    application: Application,
    story: Story,
    production: SocketAddr,
    place: Place,
    panel: Panel,
    stop: CancellationToken,
    deadline: Instant,
    host: Option<Host>,
    status: Option<Status>,
    timeline: Timeline,
    services: Vec<String>,
    killing: Killing,
}

/// The kills so far, and the next one.
#[derive(Default)]
struct Killing {
    kills: u32,
    /// Stages in which the operator was killed, or will be.
    stages: BTreeSet<Stage>,
    kill_at: Option<Instant>,
    start_at: Option<Instant>,
}

impl<'a> Play<'a> {
    fn new(
        local: &'a Local,
        ports: Ports,
        arguments: cli::Demo,
        pace: f64,
        panel: Panel,
        stop: CancellationToken,
    ) -> Result<Self, Failure> {
        let story = arguments.story();
        let application = stage::set(&local.emulator, ports, arguments.strategy(), story)
            .map_err(|error| Failure::new(Exit::Bug, "the stage cannot be set").because(error))?;
        Ok(Self {
            local,
            application,
            story,
            production: SocketAddr::from((Ipv4Addr::LOCALHOST, ports.production)),
            place: Place {
                endpoint: format!("http://{}", local.address),
                time_scale: pace,
            },
            panel,
            stop,
            deadline: Instant::now() + arguments.timeout,
            arguments,
            host: None,
            status: None,
            timeline: Timeline::default(),
            services: Vec::new(),
            killing: Killing::default(),
        })
    }

    async fn perform(&mut self) -> Result<Summary, Failure> {
        self.panel.note(&format!(
            "An emulated AWS is at {}. {} starts with 2 tasks behind http://{} …",
            self.place.endpoint,
            self.story.first(),
            self.production
        ));
        self.blog_serves().await?;
        self.start_operator().await?;
        self.operator_is_settled().await?;
        self.local.emulator.faults().clear_journal();
        let path = http_root();
        let load = Load::start(
            self.production,
            path,
            self.arguments.users,
            &CancellationToken::new(),
        );
        self.watch_for(&load, CALM).await?;
        stage::put(&self.local.emulator, "desired", self.story.next()).map_err(|error| {
            Failure::new(Exit::Bug, "the desired version cannot be written").because(error)
        })?;
        let over = self.watch_release(&load).await?;
        if over {
            self.watch_for(&load, CALM).await?;
        }
        let statistics = load.finish().await;
        Ok(self.summary(&statistics, over))
    }

    /// Waits until both tasks of the first version are healthy.
    async fn blog_serves(&mut self) -> Result<(), Failure> {
        loop {
            let tasks = seen::tasks(&self.local.emulator, &self.application, &mut self.services);
            if tasks.iter().any(|tasks| tasks.healthy >= 2) {
                return Ok(());
            }
            self.pause("the first version did not become healthy")
                .await?;
        }
    }

    async fn start_operator(&mut self) -> Result<(), Failure> {
        let host = match self.arguments.kill_operator {
            true => Host::process(&self.place).await?,
            false => Host::in_process(&self.place).await?,
        };
        self.host = Some(host);
        Ok(())
    }

    async fn operator_is_settled(&mut self) -> Result<(), Failure> {
        loop {
            self.look().await;
            if self
                .status
                .as_ref()
                .is_some_and(|status| status.phase == Phase::Settled)
            {
                return Ok(());
            }
            self.pause("the operator did not settle on the first version")
                .await?;
        }
    }

    async fn look(&mut self) {
        if let Some(host) = &self.host
            && let Some(status) = host.status().await
        {
            self.status = Some(status);
        }
        self.timeline.see(&self.local.emulator, self.story.next());
    }

    async fn watch_for(&mut self, load: &Load, long: Duration) -> Result<(), Failure> {
        let until = Instant::now() + long;
        while Instant::now() < until {
            self.show(&load.statistics()).await;
            self.pause("").await?;
        }
        Ok(())
    }

    /// Watches until the release came to an end; false when time ran out.
    async fn watch_release(&mut self, load: &Load) -> Result<bool, Failure> {
        loop {
            let statistics = load.statistics();
            self.show(&statistics).await;
            if self.is_over(&statistics) {
                return Ok(true);
            }
            if Instant::now() >= self.deadline {
                return Ok(false);
            }
            if self.arguments.kill_operator {
                self.kill_and_start().await?;
            }
            self.pause("").await?;
        }
    }

    /// The operator says so, the world shows one service, and users hear from one version.
    fn is_over(&mut self, statistics: &Statistics) -> bool {
        let emulator = &self.local.emulator;
        let services = seen::tasks(emulator, &self.application, &mut self.services);
        let [only] = services.as_slice() else {
            return false;
        };
        let quiet =
            |(version, answers): (&String, &emulator::dataplane::load::VersionStatistics)| {
                *version == only.version
                    || statistics.elapsed.saturating_sub(answers.last) > Duration::from_secs(1)
            };
        statistics.versions.iter().all(quiet)
            && self.host.is_some()
            && seen::is_over(emulator, self.story.next())
    }

    /// Kills the operator once in each stage, a while after it began, and starts it again a while later.
    async fn kill_and_start(&mut self) -> Result<(), Failure> {
        let after = Duration::from_secs_f64(KILL_AFTER_MS / 1000.0 / self.place.time_scale);
        let now = Instant::now();
        if let Some(stage) = self.timeline.stage()
            && self.timeline.ended.is_none()
            && self.killing.stages.insert(stage)
            && self.killing.kill_at.is_none()
        {
            self.killing.kill_at = Some(now + after);
        }
        if self.killing.kill_at.is_some_and(|at| at <= now)
            && let Some(host) = self.host.take()
        {
            host.kill().await?;
            self.killing.kills += 1;
            self.killing.kill_at = None;
            self.killing.start_at = Some(now + after);
        }
        if self.killing.start_at.is_some_and(|at| at <= now) {
            self.killing.start_at = None;
            self.start_operator().await?;
        }
        Ok(())
    }

    async fn show(&mut self, statistics: &Statistics) {
        self.look().await;
        let tasks = seen::tasks(&self.local.emulator, &self.application, &mut self.services);
        let stages = self.timeline.took(Timestamp::now());
        self.panel.show(&Frame {
            elapsed: statistics.elapsed,
            status: self.status.as_ref(),
            away: self.host.is_none(),
            kills: self.arguments.kill_operator.then_some(self.killing.kills),
            stages: &stages,
            over: self.timeline.ended.is_some(),
            tasks: &tasks,
            load: statistics,
            versions: [self.story.first(), self.story.next()],
            rules: [
                self.application.production().next(),
                self.application.test().next(),
            ],
        });
    }

    /// A moment; fails when somebody stopped the demo, or (with a complaint) when time ran out.
    async fn pause(&self, complaint: &str) -> Result<(), Failure> {
        tokio::select! {
            () = self.stop.cancelled() => return Err(Failure::new(Exit::Interrupted, "stopped before the end")),
            () = tokio::time::sleep(TICK) => {}
        }
        if !complaint.is_empty() && Instant::now() >= self.deadline {
            let waiting = self
                .status
                .as_ref()
                .map(crate::commands::status::one_line)
                .unwrap_or_default();
            return Err(Failure::new(
                Exit::TimedOut,
                format!("{complaint} within {:?}. {waiting}", self.arguments.timeout),
            ));
        }
        Ok(())
    }

    fn summary(&self, statistics: &Statistics, over: bool) -> Summary {
        let answers = statistics.versions.iter().map(|(version, answered)| {
            let (first, last) = (seen::seconds(answered.first), seen::seconds(answered.last));
            (
                version.clone(),
                Answers {
                    requests: answered.requests,
                    first,
                    last,
                },
            )
        });
        let outcome = self
            .timeline
            .ended
            .as_ref()
            .filter(|_| over)
            .map(|ended| format!("{:?}", ended.outcome));
        let serving = self
            .status
            .as_ref()
            .and_then(|status| status.serving.as_ref());
        let mut calls = BTreeMap::new();
        self.local.emulator.faults().journal(|journal| {
            for (counted, count) in journal.counts() {
                *calls.entry(counted.operation.clone()).or_insert(0) += count;
            }
        });
        Summary {
            outcome: outcome.unwrap_or_else(|| "TimedOut".to_owned()),
            serving: serving
                .map(|serving| serving.version.clone())
                .unwrap_or_default(),
            requests: statistics.requests,
            failed: statistics.failed,
            failures: statistics.reasons.clone(),
            by_version: answers.collect(),
            visitors: statistics.visitors,
            saw: statistics.saw.clone(),
            reason: (self.status.as_ref())
                .and_then(|status| status.rejected.as_ref())
                .map(|rejected| rejected.reason.clone()),
            stages: self.timeline.took(Timestamp::now()),
            aws_calls: calls,
            kills: self.arguments.kill_operator.then_some(self.killing.kills),
        }
    }
}

fn http_root() -> axum::http::Uri {
    axum::http::Uri::from_static("/")
}

/// A number without needless digits.
fn short(number: f64) -> String {
    let text = format!("{number:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}
