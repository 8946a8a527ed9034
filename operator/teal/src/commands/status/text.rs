//! A status for people.

use std::fmt::Write;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use comfy_table::{Table, presets};
use crd_schema::record::{Ended, Stage};
use crd_schema::Status;
use crd_schema::status::{Phase, Split, Tasks, Truth, WaitingOn};
use jiff::Timestamp;

use super::Shown;

/// The stage and what is waited for, in one line.
pub(crate) fn one_line(status: &Status) -> String {
    let stage = stage(status);
    match &status.waiting_on {
        Some(waiting_on) => format!("{stage}: {}", sentence(waiting_on)),
        None => stage,
    }
}

/// What is waited for, or why nothing can be done, as a sentence.
pub(crate) fn sentence(waiting_on: &WaitingOn) -> String {
    let is_wait = planner::WaitingOn::LABELS.contains(&waiting_on.reason.as_str()) && waiting_on.reason != "OwnStep";
    if is_wait { format!("waiting for {}", waiting_on.message) } else { waiting_on.message.clone() }
}

/// All applications as a table.
pub(super) fn list(all: &[Shown], wide: bool) -> String {
    if all.is_empty() {
        return "no application has a spec here: write one with `teal apply -f FILE`".to_owned();
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    let mut head = vec!["APPLICATION", "PHASE", "STAGE", "SERVING", "DESIRED", "NOW"];
    if wide {
        head.extend(["WEIGHTS", "BLUE", "GREEN", "SERVICE"]);
    }
    table.set_header(head);
    for shown in all {
        let Some(status) = &shown.status else {
            let note = shown.note.clone().unwrap_or_default();
            table.add_row(vec![shown.application.to_string(), "-".into(), "-".into(), "-".into(), "-".into(), note]);
            continue;
        };
        let serving = status.serving.as_ref();
        let waiting = status.waiting_on.as_ref().map(sentence);
        let mut row = vec![
            shown.application.to_string(),
            status.phase.as_str().to_owned(),
            status.stage.as_str().to_owned(),
            serving.map_or_else(dash, |serving| version(&serving.version).to_owned()),
            status.desired.as_ref().map_or_else(dash, |desired| desired.version.clone()),
            shown.note.clone().or(waiting).unwrap_or_else(|| "nothing more is wanted".to_owned()),
        ];
        if wide {
            let read: Vec<String> = status.weights.read.iter().map(|rule| split(rule.weights)).collect();
            row.push(read.join("; "));
            row.push(status.blue.as_ref().map_or_else(dash, count));
            row.push(status.green.as_ref().map_or_else(dash, count));
            row.push(serving.map_or_else(dash, |serving| serving.service.clone()));
        }
        table.add_row(row);
    }
    table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

/// One application in full.
pub(super) fn whole(shown: &Shown, now: Timestamp) -> String {
    let bold = Style::new().bold();
    let mut text = format!("{bold}{}{bold:#}", shown.application);
    if let Some(status) = &shown.status {
        let colour = colour(status.phase);
        let _ = write!(text, "  {colour}{}{colour:#}", status.phase.as_str());
        body(&mut text, status, now);
    }
    if let Some(note) = &shown.note {
        row(&mut text, "note", note);
    }
    text
}

fn body(text: &mut String, status: &Status, now: Timestamp) {
    if let Some(serving) = &status.serving {
        row(text, "serving", &format!("{} by service {}", version(&serving.version), serving.service));
    }
    if let Some(desired) = &status.desired {
        row(text, "desired", &format!("{} (write {})", desired.version, desired.generation.version));
    }
    if let Some(last_good) = &status.last_good {
        row(text, "last good", &last_good.version);
    }
    row(text, "stage", &stage(status));
    for (name, tasks) in [("blue", &status.blue), ("green", &status.green)] {
        if let Some(tasks) = tasks {
            row(text, name, &count(tasks));
        }
    }
    row(text, "weights", &format!("asked for: {}", split(status.weights.asked)));
    for rule in &status.weights.read {
        row(text, "", &format!("read: {} on {}", split(rule.weights), rule.rule));
    }
    if status.weights.more_rules > 0 {
        row(text, "", &format!("and {} rules more", status.weights.more_rules));
    }
    match &status.waiting_on {
        Some(waiting_on) => {
            row(text, "now", &format!("{} ({})", sentence(waiting_on), waiting_on.reason));
            let deadline = waiting_on.deadline.map(|deadline| format!(", at the latest until {}", clock(deadline)));
            row(text, "", &format!("since {}{}", ago(waiting_on.since, now), deadline.unwrap_or_default()));
        }
        None => row(text, "now", "nothing more is wanted"),
    }
    if let Some(rejected) = &status.rejected {
        row(text, "rejected", &format!("{} (write {}): {}", rejected.version, rejected.generation.version, rejected.reason));
    }
    for condition in status.conditions.iter().filter(|condition| condition.status == Truth::True) {
        row(text, "condition", &format!("{}: {} ({})", condition.kind.as_str(), condition.message, condition.reason));
    }
    for ended in status.history.iter().rev() {
        row(text, "history", &history(ended, now));
    }
}

fn row(text: &mut String, name: &str, value: &str) {
    let dim = Style::new().dimmed();
    let _ = write!(text, "\n  {dim}{name:<10}{dim:#} {value}");
}

fn stage(status: &Status) -> String {
    match status.ecs_stage.filter(|_| status.stage != Stage::Settled) {
        Some(ecs) => format!("{} ({})", status.stage.as_str(), serde_json::json!(ecs).as_str().unwrap_or_default()),
        None => status.stage.as_str().to_owned(),
    }
}

fn history(ended: &Ended, now: Timestamp) -> String {
    let took = ended.ended.duration_since(ended.began).unsigned_abs();
    format!("{} {:?} after {}, {} ago", ended.version, ended.outcome, length(took), ago(ended.ended, now))
}

fn count(tasks: &Tasks) -> String {
    format!("{} of {} tasks run, {} healthy", tasks.running, tasks.desired, tasks.healthy)
}

fn split(split: Option<Split>) -> String {
    split.map_or_else(|| "no change".to_owned(), |split| format!("blue {} % green {} %", split.blue, split.green))
}

fn version(version: &str) -> &str {
    if version.is_empty() { "something that Teal did not create" } else { version }
}

fn dash() -> String {
    "-".to_owned()
}

fn clock(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

fn ago(since: Timestamp, now: Timestamp) -> String {
    let elapsed = now.duration_since(since);
    length(if elapsed.is_negative() { Duration::ZERO } else { elapsed.unsigned_abs() })
}

/// A length of time in the one or two units that matter.
pub(crate) fn length(length: Duration) -> String {
    let seconds = length.as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

fn colour(phase: Phase) -> Style {
    let colour = match phase {
        Phase::Settled => AnsiColor::Green,
        Phase::Progressing => AnsiColor::Cyan,
        Phase::RollingBack | Phase::Holding => AnsiColor::Yellow,
        Phase::Failed => AnsiColor::Red,
    };
    Style::new().bold().fg_color(Some(colour.into()))
}
