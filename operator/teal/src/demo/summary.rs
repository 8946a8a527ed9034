//! What came of the demo.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::Serialize;

use crate::stage::Story;

/// The closing summary; `--json` prints it as it is.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Summary {
    /// `Succeeded`, `RolledBack`, `Aborted`, `Superseded`, or `TimedOut` when it came to no end.
    pub(crate) outcome: String,
    /// The version that serves at the end; empty when none is known.
    pub(crate) serving: String,
    /// Requests that ended, well or not.
    pub(crate) requests: u64,
    /// Requests that failed.
    pub(crate) failed: u64,
    /// Why they failed, and how many.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) failures: BTreeMap<String, u64>,
    /// Answers by version.
    pub(crate) by_version: BTreeMap<String, Answers>,
    /// Visitors: each sends twenty requests.
    pub(crate) visitors: u64,
    /// Those who ever had an answer of a version, good or bad.
    pub(crate) saw: BTreeMap<String, u64>,
    /// Why the release was taken back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
    /// How long each stage took, in order.
    pub(crate) stages: Vec<StageTook>,
    /// Calls that reached AWS, by operation.
    pub(crate) aws_calls: BTreeMap<String, u64>,
    /// How often the operator was killed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) kills: Option<u32>,
}

/// What one version answered. Times in seconds since the users came.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Answers {
    pub(crate) requests: u64,
    pub(crate) first: f64,
    pub(crate) last: f64,
}

/// How long one stage took.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct StageTook {
    pub(crate) stage: &'static str,
    pub(crate) seconds: f64,
}

impl Summary {
    /// It ended as it was to end, and nothing was lost but what the bad version itself answered.
    pub(crate) fn is_good(&self, story: Story) -> bool {
        let answered = self.failures.get("status 500").copied().unwrap_or(0);
        let lost = match story {
            Story::Good => self.failed,
            Story::Bad => self.failed - answered.min(self.failed),
        };
        self.outcome == format!("{:?}", story.outcome())
            && self.serving == story.last()
            && lost == 0
            && self.requests > 0
    }

    /// For people.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        let serving = if self.serving.is_empty() {
            "nothing"
        } else {
            &self.serving
        };
        let _ = writeln!(text, "outcome    {}: {serving} serves", self.outcome);
        let _ = writeln!(
            text,
            "requests   {}, of which failed: {}",
            grouped(self.requests),
            grouped(self.failed)
        );
        for (reason, count) in &self.failures {
            let _ = writeln!(text, "           {count} × {reason}");
        }
        for (version, answers) in &self.by_version {
            let Answers {
                requests,
                first,
                last,
            } = answers;
            let requests = grouped(*requests);
            let _ = writeln!(
                text,
                "           {version} answered {requests:>9}, the first at {first:5.1} s, the last at {last:5.1} s"
            );
        }
        for (version, saw) in &self.saw {
            let share = *saw as f64 * 100.0 / self.visitors.max(1) as f64;
            let (saw, all) = (grouped(*saw), grouped(self.visitors));
            let _ = writeln!(
                text,
                "           {saw} of {all} visitors ({share:.1} %) ever saw {version}"
            );
        }
        if let Some(reason) = &self.reason {
            let _ = writeln!(text, "reason     {reason}");
        }
        let stages: Vec<String> = self
            .stages
            .iter()
            .map(|took| format!("{} {:.1} s", took.stage, took.seconds))
            .collect();
        let _ = writeln!(text, "stages     {}", stages.join(" · "));
        let total: u64 = self.aws_calls.values().sum();
        let _ = writeln!(text, "AWS calls  {}", grouped(total));
        for (operation, calls) in &self.aws_calls {
            let _ = writeln!(text, "           {calls:>6}  {operation}");
        }
        if let Some(kills) = self.kills {
            let _ = writeln!(text, "operator   killed {kills} times on the way");
        }
        text.trim_end().to_owned()
    }
}

/// 1234567 as 1,234,567.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_parted() {
        let all = [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (1_234_567, "1,234,567"),
        ];
        for (number, text) in all {
            assert_eq!(grouped(number), text);
        }
    }

    fn summary() -> Summary {
        let answers = |requests, first, last| Answers {
            requests,
            first,
            last,
        };
        Summary {
            outcome: "Succeeded".into(),
            serving: "1.4.0".into(),
            requests: 61_234,
            failed: 0,
            failures: BTreeMap::new(),
            by_version: [
                ("1.3.0".into(), answers(20_000, 0.02, 21.5)),
                ("1.4.0".into(), answers(41_234, 21.3, 60.0)),
            ]
            .into(),
            visitors: 3_061,
            saw: [("1.3.0".into(), 1_020), ("1.4.0".into(), 2_082)].into(),
            reason: None,
            stages: vec![
                StageTook {
                    stage: "ScaleUp",
                    seconds: 14.2,
                },
                StageTook {
                    stage: "Bake",
                    seconds: 12.0,
                },
            ],
            aws_calls: [
                ("ModifyListener".into(), 3),
                ("DescribeServices".into(), 120),
            ]
            .into(),
            kills: None,
        }
    }

    #[test]
    fn one_lost_request_is_no_success() {
        let is_good = |change: fn(&mut Summary)| {
            let mut summary = summary();
            change(&mut summary);
            summary.is_good(Story::Good)
        };
        assert!(is_good(|_| ()));
        assert!(!is_good(|summary| summary.failed = 1));
        assert!(!is_good(|summary| summary.requests = 0));
        assert!(!is_good(|summary| summary.outcome = "RolledBack".into()));
    }

    #[test]
    fn a_bad_release_is_taken_back_and_loses_only_what_it_answers_itself() {
        let is_good = |change: fn(&mut Summary)| {
            let mut summary = Summary {
                outcome: "RolledBack".into(),
                serving: "1.4.0".into(),
                failed: 41,
                failures: [("status 500".into(), 41)].into(),
                ..summary()
            };
            change(&mut summary);
            summary.is_good(Story::Bad)
        };
        assert!(is_good(|_| ()));
        assert!(!is_good(|summary| summary.failed = 42));
        assert!(!is_good(|summary| summary.outcome = "Succeeded".into()));
        assert!(!is_good(|summary| summary.serving = "1.4.1".into()));
    }

    #[test]
    fn it_reads_well() {
        insta::assert_snapshot!("summary_text", summary().text());
        insta::assert_snapshot!("summary_json", crate::output::line(&summary()));
    }
}
