//! The release on the terminal: a panel that is drawn again in place, or a line whenever something changed.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use crd_schema::Status;
use crd_schema::application::RuleTarget;
use crd_schema::strategy::Share;
use emulator::dataplane::load::Statistics;

use super::seen::Tasks;
use super::summary::{StageTook, grouped};
use crate::live::draw;
use crate::live::screen::Screen;

/// Rates are taken over this long.
const RATE_OVER: Duration = Duration::from_secs(1);
/// Everything that is shown at one moment.
#[derive(Debug)]
pub(crate) struct Frame<'a> {
    /// Since the users came.
    pub(crate) elapsed: Duration,
    /// What the operator shows; the last that it showed while it is away.
    pub(crate) status: Option<&'a Status>,
    /// The operator is away: it was killed and is not started again yet.
    pub(crate) away: bool,
    /// How often it was killed; none where it is left alone.
    pub(crate) kills: Option<u32>,
    pub(crate) stages: &'a [StageTook],
    pub(crate) over: bool,
    pub(crate) tasks: &'a [Tasks],
    pub(crate) load: &'a Statistics,
    pub(crate) versions: [&'a str; 2],
    /// The production and the test rule.
    pub(crate) rules: [Option<&'a RuleTarget>; 2],
}

/// Where it is shown.
#[derive(Debug)]
pub(crate) enum Panel {
    /// Drawn again in place.
    Terminal {
        title: String,
        screen: Screen,
        rates: Rates,
    },
    /// A line for each change, to standard output or, with `--json`, to standard error.
    Lines { told: String, to_stderr: bool },
}

impl Panel {
    /// A panel on a terminal, else lines.
    pub(crate) fn open(title: String, json: bool) -> Self {
        match if json { None } else { Screen::open() } {
            None => Self::Lines {
                told: String::new(),
                to_stderr: json,
            },
            Some(screen) => Self::Terminal {
                title,
                screen,
                rates: Rates::default(),
            },
        }
    }

    /// Shows one moment.
    pub(crate) fn show(&mut self, frame: &Frame<'_>) {
        match self {
            Self::Terminal {
                title,
                screen,
                rates,
            } => {
                rates.note(frame.load);
                let columns = screen.size().columns;
                screen.draw(&panel(title, frame, rates, columns));
            }
            Self::Lines { told, to_stderr } => {
                let line = line(frame);
                if line != *told {
                    let seconds = frame.elapsed.as_secs_f64();
                    let (requests, failed) =
                        (grouped(frame.load.requests), grouped(frame.load.failed));
                    say(
                        *to_stderr,
                        &format!("{seconds:6.1} s  {line} | {requests} requests, {failed} failed"),
                    );
                    *told = line;
                }
            }
        }
    }

    /// Says something beside the panel, before it is first shown.
    pub(crate) fn note(&self, text: &str) {
        match self {
            Self::Terminal { .. } => say(false, text),
            Self::Lines { to_stderr, .. } => say(*to_stderr, text),
        }
    }
}

fn say(to_stderr: bool, text: &str) {
    if to_stderr {
        anstream::eprintln!("{text}")
    } else {
        anstream::println!("{text}")
    }
}

/// One moment in one line, without what changes all the time.
fn line(frame: &Frame<'_>) -> String {
    let mut text = match (frame.away, frame.status) {
        (true, _) => format!(
            "the operator is killed (number {})",
            frame.kills.unwrap_or(0)
        ),
        (false, Some(status)) => crate::commands::status::one_line(status),
        (false, None) => "the operator looks around".to_owned(),
    };
    let shares = Shares::of(frame);
    for (name, green) in [
        ("asked for", shares.asked),
        ("read", shares.production),
        ("test", shares.test),
    ] {
        if let Some(green) = green {
            let _ = write!(text, " | {name} {}", split(frame, green));
        }
    }
    for tasks in frame.tasks {
        let _ = write!(
            text,
            " | {} {}/{} run, {} healthy",
            tasks.version, tasks.running, tasks.desired, tasks.healthy
        );
    }
    text
}

fn split(frame: &Frame<'_>, green: Share) -> String {
    let [old, new] = frame.versions;
    format!("{old} {} {new} {green}", green.rest())
}

fn panel(title: &str, frame: &Frame<'_>, rates: &Rates, columns: usize) -> String {
    let [blue, green] = draw::colours();
    let [old, new] = frame.versions;
    let mut text = String::new();
    draw::title(&mut text, title, frame.elapsed.as_secs());
    stages(&mut text, frame, columns);
    draw::rows(&mut text, "now", &waiting(frame), columns);
    let mut row = |name: &str, value: String| draw::row(&mut text, name, &value);
    if let Some(kills) = frame.kills {
        row(
            "operator",
            format!(
                "killed {kills} times (SIGKILL), {}",
                if frame.away { "away" } else { "at work" }
            ),
        );
    }
    let shares = Shares::of(frame);
    row(
        "traffic",
        format!(
            "asked for   {}",
            shares
                .asked
                .map_or_else(|| "no change".to_owned(), draw::bar)
        ),
    );
    row(
        "",
        format!(
            "read        {}",
            shares
                .production
                .map_or_else(|| "not yet".to_owned(), draw::bar)
        ),
    );
    row(
        "",
        format!(
            "test rule   {}",
            shares.test.map_or_else(|| "not yet".to_owned(), draw::bar)
        ),
    );
    for (version, colour) in [(old, blue), (new, green)] {
        let tasks = frame
            .tasks
            .iter()
            .filter(|tasks| tasks.version == version)
            .map(describe);
        let tasks = tasks.collect::<Vec<_>>().join("; ");
        let tasks = if tasks.is_empty() {
            "no tasks".to_owned()
        } else {
            tasks
        };
        row(
            if version == old { "tasks" } else { "" },
            format!("{colour}{version}{colour:#}  {tasks}"),
        );
    }
    for (version, colour) in [(old, blue), (new, green)] {
        let (answered, rate) = (
            grouped(frame.load.answered_by(version)),
            grouped(rates.of(version)),
        );
        let name = if version == old { "requests" } else { "" };
        row(
            name,
            format!("{colour}{version}{colour:#}  {answered:>9} answered  {rate:>6} a second"),
        );
    }
    let failed = frame.load.failed;
    let colour = Style::new().bold().fg_color(Some(
        if failed == 0 {
            AnsiColor::Green
        } else {
            AnsiColor::Red
        }
        .into(),
    ));
    row(
        "",
        format!("{colour}{:>16} failed{colour:#}", grouped(failed)),
    );
    text
}

fn stages(text: &mut String, frame: &Frame<'_>, columns: usize) {
    let is_done = |index: usize| index + 1 < frame.stages.len() || frame.over;
    let took = frame.stages.iter().enumerate().map(|(index, took)| {
        let seconds = took.seconds;
        let seconds = if is_done(index) {
            format!("{seconds:.1} s")
        } else {
            format!("{seconds:.0} s")
        };
        (took.stage, seconds)
    });
    let took: Vec<_> = took.collect();
    draw::stages(text, false, (&took, frame.over), columns);
}

fn waiting(frame: &Frame<'_>) -> String {
    let warn = Style::new().fg_color(Some(AnsiColor::Yellow.into()));
    match (frame.away, frame.status) {
        (true, _) => {
            format!("{warn}the operator is dead: what is on its way goes on without it{warn:#}")
        }
        (false, Some(status)) => match &status.waiting_on {
            Some(_) if status.step.is_some() => crate::commands::status::one_line(status),
            Some(waiting_on) => crate::commands::status::text::sentence(waiting_on),
            None => "nothing more is wanted".to_owned(),
        },
        (false, None) => "the operator looks around".to_owned(),
    }
}

/// The new version's share.
#[derive(Debug, Default)]
struct Shares {
    asked: Option<Share>,
    production: Option<Share>,
    test: Option<Share>,
}

impl Shares {
    fn of(frame: &Frame<'_>) -> Self {
        let Some(status) = frame.status else {
            return Self::default();
        };
        let new = draw::part_of(status, frame.versions[1]);
        let read = |rule: Option<&RuleTarget>| {
            let arn = match rule? {
                RuleTarget::Listener(arn) => arn.as_str(),
                RuleTarget::Rule(arn) => arn.as_str(),
            };
            status
                .weights
                .read
                .iter()
                .find(|read| read.rule.starts_with(arn))?
                .weights
                .map(&new)
        };
        let [production, test] = frame.rules;
        Self {
            asked: status.weights.asked.map(&new),
            production: read(production),
            test: read(test),
        }
    }
}

fn describe(tasks: &Tasks) -> String {
    let draining = if tasks.draining { ", deleted" } else { "" };
    format!(
        "{} of {} run, {} healthy{draining}",
        tasks.running, tasks.desired, tasks.healthy
    )
}

/// Answers a second, by version.
#[derive(Debug, Default)]
pub(crate) struct Rates(VecDeque<Statistics>);

impl Rates {
    fn note(&mut self, now: &Statistics) {
        self.0.push_back(now.clone());
        while self
            .0
            .get(1)
            .is_some_and(|next| now.elapsed.saturating_sub(next.elapsed) >= RATE_OVER)
        {
            self.0.pop_front();
        }
    }

    fn of(&self, version: &str) -> u64 {
        let (Some(first), Some(last)) = (self.0.front(), self.0.back()) else {
            return 0;
        };
        let seconds = last.elapsed.saturating_sub(first.elapsed).as_secs_f64();
        if seconds <= 0.0 {
            return 0;
        }
        (last
            .answered_by(version)
            .saturating_sub(first.answered_by(version)) as f64
            / seconds) as u64
    }
}
