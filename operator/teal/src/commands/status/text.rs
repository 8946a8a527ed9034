//! A status for people.

use std::fmt::Write;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use comfy_table::{Table, presets};
use crd_schema::Status;
use crd_schema::record::{Ended, Stage};
use crd_schema::status::{Phase, Split, StepStatus, Tasks, Truth, WaitingOn};
use jiff::Timestamp;

use super::Shown;

/// The stage and what is waited for, in one line.
pub(crate) fn one_line(status: &Status) -> String {
    let mut stage = stage(status);
    if let Some(at) = status
        .step
        .as_ref()
        .filter(|_| status.stage == Stage::Shift)
    {
        let _ = write!(stage, ", step {}", step(at));
    }
    match &status.waiting_on {
        Some(waiting_on) => format!("{stage}: {}", sentence(waiting_on)),
        None => stage,
    }
}

/// What is waited for, or why nothing can be done, as a sentence.
pub(crate) fn sentence(waiting_on: &WaitingOn) -> String {
    let is_wait = planner::WaitingOn::LABELS.contains(&waiting_on.reason.as_str())
        && waiting_on.reason != "OwnStep";
    if is_wait {
        format!("waiting for {}", waiting_on.message)
    } else {
        waiting_on.message.clone()
    }
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
            table.add_row(vec![
                shown.application.to_string(),
                "-".into(),
                "-".into(),
                "-".into(),
                "-".into(),
                note,
            ]);
            continue;
        };
        let serving = status.serving.as_ref();
        let waiting = status.waiting_on.as_ref().map(sentence);
        let mut row = vec![
            shown.application.to_string(),
            status.phase.as_str().to_owned(),
            status.stage.as_str().to_owned(),
            serving.map_or_else(dash, |serving| version(&serving.version).to_owned()),
            status
                .desired
                .as_ref()
                .map_or_else(dash, |desired| desired.version.clone()),
            shown
                .note
                .clone()
                .or(waiting)
                .unwrap_or_else(|| "nothing more is wanted".to_owned()),
        ];
        if wide {
            let read: Vec<String> = status
                .weights
                .read
                .iter()
                .map(|rule| split(rule.weights))
                .collect();
            row.push(read.join("; "));
            row.push(status.blue.as_ref().map_or_else(dash, count));
            row.push(status.green.as_ref().map_or_else(dash, count));
            row.push(serving.map_or_else(dash, |serving| serving.service.clone()));
        }
        table.add_row(row);
    }
    table
        .lines()
        .map(|line| line.trim_end().to_owned())
        .collect::<Vec<_>>()
        .join("\n")
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
        row(
            text,
            "serving",
            &format!(
                "{} by service {}",
                version(&serving.version),
                serving.service
            ),
        );
    }
    if let Some(desired) = &status.desired {
        row(
            text,
            "desired",
            &format!("{} (write {})", desired.version, desired.generation.version),
        );
    }
    if let Some(last_good) = &status.last_good {
        row(text, "last good", &last_good.version);
    }
    row(text, "stage", &stage(status));
    if let Some(step) = &status.step {
        row(text, "step", &self::step(step));
    }
    for (name, tasks) in [("blue", &status.blue), ("green", &status.green)] {
        if let Some(tasks) = tasks {
            row(text, name, &count(tasks));
        }
    }
    // Where no rule is, none has weights.
    if status.weights.asked.is_some() || !status.weights.read.is_empty() {
        row(
            text,
            "weights",
            &format!("asked for: {}", split(status.weights.asked)),
        );
    }
    for rule in &status.weights.read {
        row(
            text,
            "",
            &format!("read: {} on {}", split(rule.weights), resource(&rule.rule)),
        );
    }
    if status.weights.more_rules > 0 {
        row(
            text,
            "",
            &format!("and {} rules more", status.weights.more_rules),
        );
    }
    match &status.waiting_on {
        Some(waiting_on) => {
            row(
                text,
                "now",
                &format!("{} ({})", sentence(waiting_on), waiting_on.reason),
            );
            let deadline = waiting_on
                .deadline
                .map(|deadline| format!(", at the latest until {}", clock(deadline)));
            row(
                text,
                "",
                &format!(
                    "for {}{}",
                    ago(waiting_on.since, now),
                    deadline.unwrap_or_default()
                ),
            );
        }
        None => row(text, "now", "nothing more is wanted"),
    }
    if let Some(rejected) = &status.rejected {
        row(
            text,
            "rejected",
            &format!(
                "{} (write {}): {}",
                rejected.version, rejected.generation.version, rejected.reason
            ),
        );
    }
    for condition in status
        .conditions
        .iter()
        .filter(|condition| condition.status == Truth::True)
    {
        row(
            text,
            "condition",
            &format!(
                "{}: {} ({})",
                condition.kind.as_str(),
                condition.message,
                condition.reason
            ),
        );
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
        Some(ecs) => format!(
            "{} ({})",
            status.stage.as_str(),
            serde_json::json!(ecs).as_str().unwrap_or_default()
        ),
        None => status.stage.as_str().to_owned(),
    }
}

fn step(step: &StepStatus) -> String {
    let does = step.does.as_deref().unwrap_or("all are done");
    let until = step.until.map(|until| format!(", until {}", clock(until)));
    let number = step.index.saturating_add(1).min(step.of);
    format!(
        "{number} of {}: {does}{}",
        step.of,
        until.unwrap_or_default()
    )
}

/// A release that ended.
pub(crate) fn history(ended: &Ended, now: Timestamp) -> String {
    let took = ended.ended.duration_since(ended.began).unsigned_abs();
    format!(
        "{} {:?} after {}, {} ago",
        ended.version,
        ended.outcome,
        length(took),
        ago(ended.ended, now)
    )
}

/// How tasks fare.
pub(crate) fn count(tasks: &Tasks) -> String {
    format!(
        "{} of {} tasks run, {} healthy",
        tasks.running, tasks.desired, tasks.healthy
    )
}

fn split(split: Option<Split>) -> String {
    split.map_or_else(
        || "no change".to_owned(),
        |split| format!("blue {} green {}", split.blue, split.green),
    )
}

/// The part of an ARN that names the resource.
pub(crate) fn resource(arn: &str) -> &str {
    arn.rsplit_once(':').map_or(arn, |(_, resource)| resource)
}

fn version(version: &str) -> &str {
    if version.is_empty() {
        "something that Teal did not create"
    } else {
        version
    }
}

fn dash() -> String {
    "-".to_owned()
}

/// An instant.
pub(crate) fn clock(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

fn ago(since: Timestamp, now: Timestamp) -> String {
    let elapsed = now.duration_since(since);
    length(if elapsed.is_negative() {
        Duration::ZERO
    } else {
        elapsed.unsigned_abs()
    })
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

#[cfg(test)]
mod tests {
    use crd_schema::ApplicationName;
    use serde_json::{Value, json};

    use super::*;

    const NOW: &str = "2026-11-21T10:05:00Z";

    fn shown(name: &str, status: Value) -> Shown {
        Shown {
            application: ApplicationName::new(name),
            status: Some(serde_json::from_value(status).unwrap()),
            note: None,
        }
    }

    fn in_motion() -> Shown {
        let split = |blue: u8, green: u8| json!({"blue": blue, "green": green});
        let listener = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener/app/blog/1/2 (default action)";
        let generation = |version: i64| json!({"date": 1, "version": version});
        shown(
            "blog",
            json!({
                "name": "blog", "phase": "Progressing", "stage": "ScaleUp", "ecsStage": "SCALE_UP",
                "desired": {"version": "1.4.0", "generation": generation(7), "digest": "d"},
                "observedGeneration": generation(7),
                "serving": {"version": "1.3.0", "digest": "c", "service": "blog-1-3-0-0123456789"},
                "lastGood": {"version": "1.3.0", "digest": "c"},
                "weights": {"asked": split(100, 0), "read": [{"rule": listener, "weights": split(100, 0)}]},
                "blue": {"desired": 2, "running": 2, "healthy": 2},
                "green": {"desired": 2, "running": 1, "healthy": 0},
                "waitingOn": {"reason": "Tasks", "message": "tasks to run: 1 of 2", "since": "2026-11-21T10:03:20Z", "deadline": "2026-11-21T10:13:00Z"},
                "rejected": {"generation": generation(6), "version": "1.3.9", "reason": "container web exited with code 1"},
                "conditions": [{"type": "Reconciling", "status": "True", "reason": "ScaleUp", "message": "waiting for tasks to run: 1 of 2", "lastTransitionTime": NOW}],
                "history": [{"generation": generation(5), "version": "1.3.0", "outcome": "Succeeded", "began": "2026-11-20T10:00:00Z", "ended": "2026-11-20T10:12:30Z"}],
            }),
        )
    }

    fn held() -> Shown {
        shown(
            "shop",
            json!({
                "name": "shop", "phase": "Holding", "stage": "Settled",
                "waitingOn": {"reason": "UnlistedRule", "message": "rule 7 names a group: add it to `production`", "since": NOW},
            }),
        )
    }

    fn never_seen() -> Shown {
        Shown {
            application: ApplicationName::new("new"),
            status: None,
            note: Some("no operator has told of it yet".into()),
        }
    }

    fn plain(text: String) -> String {
        anstream::adapter::strip_str(&text).to_string()
    }

    #[test]
    fn one_application_in_full() {
        let now = NOW.parse().unwrap();
        let texts = [in_motion(), held(), never_seen()].map(|shown| plain(whole(&shown, now)));
        insta::assert_snapshot!("whole", texts.join("\n\n"));
    }

    #[test]
    fn all_applications_in_a_table() {
        let all = [in_motion(), held(), never_seen()];
        insta::assert_snapshot!("list", list(&all, false));
        insta::assert_snapshot!("list_wide", list(&all, true));
        assert!(list(&[], false).contains("teal apply"));
    }

    #[test]
    fn a_hold_is_not_waited_for() {
        let line = |shown: &Shown| one_line(shown.status.as_ref().unwrap());
        assert_eq!(
            line(&in_motion()),
            "ScaleUp (SCALE_UP): waiting for tasks to run: 1 of 2"
        );
        assert_eq!(
            line(&held()),
            "Settled: rule 7 names a group: add it to `production`"
        );
    }

    #[test]
    fn lengths_have_the_units_that_matter() {
        let text = |seconds| length(Duration::from_secs(seconds));
        assert_eq!(
            [text(5), text(75), text(3700), text(90_000)],
            ["5 s", "1 min 15 s", "1 h 1 min", "1 d 1 h"]
        );
    }
}
