//! One application's release on the terminal, from its status alone.

use std::fmt::Write;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use crd_schema::application::RuleTarget;
use crd_schema::record::Stage;
use crd_schema::status::{ConditionType, Phase, RuleWeights, Split, StepStatus, Tasks, WaitingOn};
use crd_schema::{Application, ApplicationName, Status};
use jiff::Timestamp;
use tokio::time::Instant;

use super::draw;
use super::screen::{Screen, Size};
use super::stages::Stages;
use crate::commands::status::text::{clock, count, history, length, resource, sentence};
use crate::output;
use crate::waiting::condition;

/// Steps of a strategy that are shown at once.
const STEPS: usize = 7;

/// A release as it is watched on a terminal.
#[derive(Debug)]
pub(crate) struct Live {
    screen: Screen,
    title: String,
    application: ApplicationName,
    /// What its spec says, for whoever may read it.
    spec: Option<Application>,
    stages: Stages,
    began: Instant,
}

impl Live {
    /// None where lines are asked for, or nothing can be drawn. The spec names steps and rules; the status alone will do.
    pub(crate) fn open(
        style: output::Style,
        title: String,
        application: &ApplicationName,
        spec: Option<Application>,
    ) -> Option<Self> {
        let screen = match style {
            output::Style::Text { .. } => Screen::open()?,
            output::Style::Json | output::Style::Yaml => return None,
        };
        Some(Self {
            screen,
            title,
            application: application.clone(),
            spec,
            stages: Stages::default(),
            began: Instant::now(),
        })
    }

    /// Shows what the status tells of the release, and something beside it.
    pub(crate) fn show(&mut self, status: Option<&Status>, note: Option<&str>) {
        let now = Instant::now();
        if let Some(status) = status {
            self.stages.see(status, now);
        }
        let view = View {
            title: &self.title,
            elapsed: now.saturating_duration_since(self.began),
            application: self.application.as_str(),
            status,
            note,
            spec: self.spec.as_ref(),
            entered: &self.stages.took(now),
        };
        let text = view.text(self.screen.size(), Timestamp::now());
        self.screen.draw(&text);
    }
}

/// One moment.
#[derive(Debug)]
struct View<'a> {
    title: &'a str,
    elapsed: Duration,
    application: &'a str,
    status: Option<&'a Status>,
    note: Option<&'a str>,
    spec: Option<&'a Application>,
    /// The stages so far, each with how long it took.
    entered: &'a [(&'static str, String)],
}

impl View<'_> {
    /// The text of the panel.
    fn text(&self, size: Size, now: Timestamp) -> String {
        let mut text = String::new();
        draw::title(&mut text, self.title, self.elapsed.as_secs());
        if let Some(status) = self.status {
            self.body(&mut text, status, size, now);
        }
        if let Some(note) = self.note {
            draw::rows(&mut text, "note", note, size.columns);
        }
        text
    }

    fn body(&self, text: &mut String, status: &Status, size: Size, now: Timestamp) {
        if status.stage != Stage::Settled || !self.entered.is_empty() {
            let over = status.stage == Stage::Settled;
            draw::stages(text, status.rolling, (self.entered, over), size.columns);
        }
        let moves = status.rollout.is_some();
        let shifts = moves && status.stage == Stage::Shift;
        if let Some(step) = status.step.as_ref().filter(|_| shifts) {
            self.steps(text, step, now);
        }
        phase(text, status, size, now);
        if let Some(waiting_on) = &status.waiting_on {
            self.hint(text, status, waiting_on);
        }
        if !status.rolling {
            self.weights(text, status, size);
        }
        let version = |version: Option<&String>| version.map_or("?", String::as_str).to_owned();
        let serving = version(status.serving.as_ref().map(|serving| &serving.version));
        let new = version(status.desired.as_ref().map(|desired| &desired.version));
        let [blue, green] = draw::colours();
        if moves {
            // What serves most is green before the end; blue is what was good last.
            let good = version(status.last_good.as_ref().map(|good| &good.version));
            let old = if serving == new { &good } else { &serving };
            tasks(text, "blue", blue, old, status.blue.as_ref());
            tasks(text, "green", green, &new, status.green.as_ref());
        } else {
            tasks(text, "serving", green, &serving, status.blue.as_ref());
            if serving != new {
                draw::row(text, "desired", &new);
            }
        }
        for condition in [ConditionType::Drifted, ConditionType::DesiredUnreadable]
            .into_iter()
            .filter_map(|kind| condition(status, kind))
        {
            draw::rows(
                text,
                "condition",
                &format!("{}: {}", condition.reason, condition.message),
                size.columns,
            );
        }
        if let Some(ended) = status.history.last().filter(|_| !moves) {
            draw::row(text, "last", &history(ended, now));
        }
    }

    /// The step that runs, among its neighbours.
    fn steps(&self, text: &mut String, step: &StepStatus, now: Timestamp) {
        let of = usize::try_from(step.of).unwrap_or_default();
        let at = usize::try_from(step.index).unwrap_or_default();
        let steps = self.spec.map(|spec| spec.strategy.steps.as_slice());
        let steps = steps.filter(|steps| steps.len() == of).unwrap_or_default();
        let first = at.saturating_sub(STEPS / 2).min(of.saturating_sub(STEPS));
        let shown = (first..of)
            .take(STEPS)
            .filter(|index| !steps.is_empty() || *index == at);
        let (done, bold, dim) = (
            Style::new().fg_color(Some(AnsiColor::Green.into())),
            Style::new().bold(),
            Style::new().dimmed(),
        );
        let mut name = "steps";
        for index in shown {
            let number = index + 1;
            let does = step.does.clone().filter(|_| index == at);
            let does = does.or_else(|| steps.get(index).map(ToString::to_string));
            let does = does.unwrap_or_default();
            let line = if index < at {
                format!("{done}✓ {number} of {of}  {does}{done:#}")
            } else if index == at {
                let until = step
                    .until
                    .map(|until| format!(", {} left", left(until, now)));
                format!(
                    "{bold}▶ {number} of {of}  {does}{}{bold:#}",
                    until.unwrap_or_default()
                )
            } else {
                format!("{dim}  {number} of {of}  {does}{dim:#}")
            };
            draw::row(text, name, &line);
            name = "";
        }
        if at >= of {
            draw::row(text, name, &format!("{done}✓ all {of} are done{done:#}"));
        }
    }

    /// What a person can do about the wait.
    fn hint(&self, text: &mut String, status: &Status, waiting_on: &WaitingOn) {
        let application = self.application;
        let hint = match (waiting_on.reason.as_str(), &waiting_on.gate) {
            ("Promotion", _) => format!("`teal promote {application}` ends this step"),
            ("Approval", Some(gate)) => format!("`teal approve {application} {gate}` lets it pass"),
            ("Paused", _) => format!("`teal resume {application}` lets it go on"),
            ("AllPaused", _) => "`teal resume --all` lets it go on".to_owned(),
            _ => return,
        };
        let abort = if status.rollout.is_some() {
            format!(", `teal abort {application}` goes back")
        } else {
            String::new()
        };
        draw::row(text, "", &format!("{hint}{abort}"));
    }

    /// The weights that were asked for, and those that were read on the rules, equal ones together.
    fn weights(&self, text: &mut String, status: &Status, size: Size) {
        let version = status
            .desired
            .as_ref()
            .map_or("", |desired| desired.version.as_str());
        let part = draw::part_of(status, version);
        if let Some(asked) = status.weights.asked {
            draw::row(text, "asked", &draw::bar(part(asked)));
        }
        let mut alike: Vec<(Option<Split>, &'static str, Vec<&RuleWeights>)> = Vec::new();
        for rule in &status.weights.read {
            let role = self.role(rule);
            let same = |(weights, of, _): &&mut (_, _, _)| (*weights, *of) == (rule.weights, role);
            match alike.iter_mut().find(same) {
                Some((_, _, rules)) => rules.push(rule),
                None => alike.push((rule.weights, role, vec![rule])),
            }
        }
        alike.sort_by_key(|(_, role, _)| *role);
        let mut name = "read";
        for (weights, role, rules) in alike {
            let bar = weights.map_or_else(
                || "could not be read".to_owned(),
                |weights| draw::bar(part(weights)),
            );
            let on = match rules.as_slice() {
                [only] if role.is_empty() => resource(&only.rule).to_owned(),
                [_] => role.to_owned(),
                several => format!("{role} {} rules", several.len()),
            };
            let drawn = anstream::adapter::strip_str(&bar).to_string();
            let room = size
                .columns
                .saturating_sub(draw::VALUE_AT + drawn.chars().count() + 2);
            let on = if on.chars().count() <= room {
                on.trim()
            } else {
                "1 rule"
            };
            draw::row(text, name, &format!("{bar}  {on}"));
            name = "";
        }
        if status.weights.more_rules > 0 {
            let more = format!("and {} rules more", status.weights.more_rules);
            draw::row(text, "", &more);
        }
    }

    /// `production` or `test`, as the spec has it; empty where it is not known.
    fn role(&self, rule: &RuleWeights) -> &'static str {
        let Some(spec) = self.spec else {
            return "";
        };
        let named = |target: &RuleTarget| {
            let arn = match target {
                RuleTarget::Listener(arn) => arn.as_str(),
                RuleTarget::Rule(arn) => arn.as_str(),
            };
            rule.rule.split(' ').next() == Some(arn)
        };
        if spec.production().any(named) {
            "production"
        } else if spec.test().any(named) {
            "test"
        } else {
            "unlisted"
        }
    }
}

/// How it goes, and what is waited for until when.
fn phase(text: &mut String, status: &Status, size: Size, now: Timestamp) {
    let warn = Style::new().fg_color(Some(AnsiColor::Yellow.into()));
    if status.phase == Phase::RollingBack || status.phase == Phase::Failed {
        let rejected = status.rejected.as_ref();
        let why = rejected.map_or("", |rejected| rejected.reason.as_str());
        let line = format!("{}: {why}", status.phase.as_str());
        coloured(text, "because", &line, warn, size);
    }
    match &status.waiting_on {
        None => draw::row(text, "now", "nothing more is wanted"),
        Some(waiting_on) => {
            let line = sentence(waiting_on);
            if status.phase == Phase::Holding {
                coloured(text, "held", &line, warn, size);
            } else {
                draw::rows(text, "now", &line, size.columns);
            }
            let mut line = format!("for {}", length(passed(waiting_on.since, now)));
            if let Some(deadline) = waiting_on.deadline {
                let (left, at) = (left(deadline, now), clock(deadline));
                let _ = write!(line, ", deadline in {left}: {at}");
            }
            draw::row(text, "", &line);
        }
    }
}

fn coloured(text: &mut String, name: &str, value: &str, style: Style, size: Size) {
    let mut plain = String::new();
    draw::rows(&mut plain, name, value, size.columns);
    for line in plain.lines() {
        let _ = writeln!(text, "{style}{line}{style:#}");
    }
}

fn tasks(text: &mut String, name: &str, style: Style, version: &str, tasks: Option<&Tasks>) {
    let version = if version.is_empty() {
        "not Teal's"
    } else {
        version
    };
    let tasks = tasks.map_or_else(|| "no tasks".to_owned(), count);
    draw::row(text, name, &format!("{style}{version}{style:#}  {tasks}"));
}

fn passed(since: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(since)).unwrap_or_default()
}

/// How long it is until then.
fn left(until: Timestamp, now: Timestamp) -> String {
    match Duration::try_from(until.duration_since(now)) {
        Ok(left) if !left.is_zero() => length(left),
        Ok(_) | Err(_) => "no time".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const NOW: &str = "2026-11-22T10:05:00Z";
    const REGION: &str = "arn:aws:elasticloadbalancing:eu-west-1:123456789012";

    fn split(blue: f64, green: f64) -> Value {
        json!({"blue": blue, "green": green})
    }

    /// The third of four steps, before the new weights are on the rules.
    fn in_motion() -> Status {
        let generation = |version: i64| json!({"date": 1, "version": version});
        let read = |listener: &str, weights: Value| json!({"rule": format!("{REGION}:listener/app/blog/1/{listener} (default action)"), "weights": weights});
        status(json!({
            "name": "blog", "phase": "Progressing", "stage": "Shift", "ecsStage": "PRODUCTION_TRAFFIC_SHIFT",
            "rollout": generation(7), "observedGeneration": generation(7),
            "desired": {"version": "1.4.0", "generation": generation(7), "digest": "d"},
            "serving": {"version": "1.3.0", "digest": "c", "service": "blog-1-3-0-0123456789"},
            "lastGood": {"version": "1.3.0", "digest": "c"},
            "step": {"index": 2, "of": 4, "does": "setWeight 50 %"},
            "weights": {"asked": split(50.0, 50.0), "read": [
                read("2", split(99.5, 0.5)), read("3", split(0.0, 100.0)), read("4", split(99.5, 0.5)),
            ]},
            "blue": {"desired": 2, "running": 2, "healthy": 2},
            "green": {"desired": 2, "running": 2, "healthy": 2},
            "waitingOn": {"reason": "Settle", "message": "the load balancer's nodes to adopt the last weights", "since": "2026-11-22T10:04:50Z", "deadline": "2026-11-22T12:03:00Z"},
        }))
    }

    fn status(status: Value) -> Status {
        serde_json::from_value(status).unwrap()
    }

    fn spec() -> Application {
        let text = format!(
            r#"{{"apiVersion": "teal/v1alpha1", "kind": "Application", "metadata": {{"name": "blog"}}, "spec": {{
            "cluster": "prod",
            "template": {{"taskDefinition": "blog", "images": {{"web": "blog:{{version}}"}}, "service": {{"desiredCount": 2}}}},
            "traffic": {{"routes": [{{"container": "web", "port": 80,
              "targetGroups": {{"pair": ["{REGION}:targetgroup/a/0000000000000001", "{REGION}:targetgroup/b/0000000000000002"]}},
              "production": [{{"listener": "{REGION}:listener/app/blog/1/2"}}, {{"listener": "{REGION}:listener/app/blog/1/4"}}],
              "test": [{{"listener": "{REGION}:listener/app/blog/1/3"}}]}}]}},
            "strategy": {{"canary": {{"steps": [{{"setWeight": 0.5}}, {{"pause": "5m"}}, {{"setWeight": 50}}, {{"pause": {{}}}}]}}}}}}}}"#
        );
        crd_schema::spec::load(&text, "test").unwrap_or_else(|invalid| panic!("{invalid}"))
    }

    fn drawn(
        status: Option<&Status>,
        spec: Option<&Application>,
        note: Option<&str>,
        columns: usize,
    ) -> String {
        let entered = [
            ("ScaleUp", "12 s".to_owned()),
            ("Shift", "5 min 10 s".to_owned()),
        ];
        let view = View {
            title: "teal release blog 1.4.0",
            elapsed: Duration::from_secs(330),
            application: "blog",
            status,
            note,
            spec,
            entered: if status.is_some() { &entered } else { &[] },
        };
        let text = view.text(Size { columns, rows: 24 }, NOW.parse().unwrap());
        anstream::adapter::strip_str(&text).to_string()
    }

    /// There is nothing beside it to be tested, and no traffic to be moved.
    #[test]
    fn a_release_in_place_has_neither_validate_nor_shift() {
        let status = Status {
            stage: Stage::Bake,
            rolling: true,
            ..in_motion()
        };
        let text = drawn(Some(&status), None, None, 80);
        assert!(
            !text.contains("Validate") && !text.contains("Shift"),
            "{text}"
        );
        assert!(!text.contains("100 %"), "{text}");
        assert!(text.contains("Bake  CleanUp"), "{text}");
    }

    #[test]
    fn a_release_in_motion() {
        let (status, spec) = (in_motion(), spec());
        let texts = [
            drawn(Some(&status), Some(&spec), None, 80),
            drawn(Some(&status), None, None, 120),
            drawn(
                None,
                None,
                Some("waiting for the operator to take it up"),
                80,
            ),
        ];
        insta::assert_snapshot!("in_motion", texts.join("\n"));
        for text in texts {
            assert!(
                text.lines().all(|line| line.chars().count() <= 120),
                "{text}"
            );
        }
    }

    #[test]
    fn at_80_columns_nothing_is_cut_off() {
        let mut status = in_motion();
        status.waiting_on.as_mut().unwrap().message = "many words that say why ".repeat(12);
        status.step = Some(StepStatus {
            index: 4,
            of: 4,
            does: None,
            promotable: false,
            until: None,
        });
        for spec in [Some(&spec()), None] {
            let text = drawn(Some(&status), spec, None, 80);
            assert!(
                text.lines().all(|line| line.chars().count() <= 80),
                "{text}"
            );
            assert!(text.contains("all 4 are done"), "{text}");
        }
    }

    #[test]
    fn who_waits_for_a_person_is_told_what_to_type() {
        let mut status = in_motion();
        status.step = Some(StepStatus {
            index: 3,
            of: 4,
            does: Some("pause until promoted".into()),
            promotable: true,
            until: None,
        });
        for (reason, gate, told) in [
            (
                "Promotion",
                None,
                "`teal promote blog` ends this step, `teal abort blog` goes back",
            ),
            (
                "Approval",
                Some("sign-off@1"),
                "`teal approve blog sign-off@1` lets it pass",
            ),
            ("Paused", None, "`teal resume blog` lets it go on"),
            ("AllPaused", None, "`teal resume --all` lets it go on"),
        ] {
            let waiting_on = status.waiting_on.as_mut().unwrap();
            waiting_on.reason = reason.into();
            waiting_on.gate = gate.map(str::to_owned);
            let text = drawn(Some(&status), None, None, 120);
            assert!(text.contains(told), "{text}");
        }
    }

    #[test]
    fn blue_is_what_was_good_even_when_green_serves_most() {
        let mut status = in_motion();
        status.serving.as_mut().unwrap().version = "1.4.0".into();
        let text = drawn(Some(&status), None, None, 80);
        assert!(
            text.contains("blue      1.3.0") && text.contains("green     1.4.0"),
            "{text}"
        );
    }

    #[test]
    fn the_way_back_says_why() {
        let mut status = in_motion();
        (status.phase, status.stage) = (Phase::RollingBack, Stage::RollBack);
        status.rejected = serde_json::from_value(
            json!({"generation": {"date": 1, "version": 7}, "version": "1.4.0", "reason": "container web exited with code 1"}),
        )
        .unwrap();
        let text = drawn(Some(&status), Some(&spec()), None, 80);
        assert!(
            text.contains("because   RollingBack: container web exited with code 1"),
            "{text}"
        );
        assert!(!text.contains("steps"), "{text}");
    }
}
