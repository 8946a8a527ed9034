//! What came of the demo.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::Serialize;

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
    /// Nothing was lost, and the release succeeded.
    pub(crate) fn is_good(&self) -> bool {
        self.outcome == "Succeeded" && self.failed == 0 && self.requests > 0
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
        assert!(summary().is_good());
        assert!(
            !Summary {
                failed: 1,
                ..summary()
            }
            .is_good()
        );
        assert!(
            !Summary {
                requests: 0,
                ..summary()
            }
            .is_good()
        );
        assert!(
            !Summary {
                outcome: "RolledBack".into(),
                ..summary()
            }
            .is_good()
        );
    }

    #[test]
    fn it_reads_well() {
        insta::assert_snapshot!("summary_text", summary().text());
        insta::assert_snapshot!("summary_json", crate::output::line(&summary()));
    }
}
