//! Adds up what was measured, and says what it comes to.

use std::fmt;
use std::time::Duration;

use crd_schema::analysis::{Alarms, AlreadyInAlarm, Analysis, Condition, Metric, Otherwise};
use jiff::Timestamp;
use jiff::fmt::friendly::SpanPrinter;

use super::comparison::{Comparison, Counts};
use super::{Alarm, Measured, Verdict, Watch, What};

/// What one watch has come to so far. It is not kept over a restart: a new process measures anew.
#[derive(Debug, Clone)]
pub struct Judge {
    what: What,
    good: u32,
    bad: u32,
    /// Errors in a row.
    errors: u32,
    /// Requests, and the slowest answer, that no judgement was made of yet.
    requests: Counts,
    slowest: f64,
    comparison: Comparison,
    /// What the last measurement came to that told something.
    last: Verdict,
    /// It failed, and stays so.
    failed: bool,
}

/// What one measurement is.
enum Told {
    Good,
    Bad(String),
    /// It fails the release, however many bad ones are borne.
    Worst(String),
    Open(String),
}

impl Judge {
    /// Nothing was measured yet.
    pub fn new(watch: &Watch) -> Self {
        Self {
            what: watch.what.clone(),
            good: 0,
            bad: 0,
            errors: 0,
            requests: Counts::default(),
            slowest: 0.0,
            comparison: Comparison::default(),
            last: Verdict::Unclear {
                reason: "nothing was measured yet".to_owned(),
            },
            failed: false,
        }
    }

    /// What it comes to with one more measurement. What failed once stays failed.
    pub fn take(&mut self, measured: Measured) -> Verdict {
        if self.failed || measured == Measured::TooEarly {
            return self.last.clone();
        }
        let verdict = match self.what.clone() {
            What::Alarms { alarms, begun } => alarm_states(&alarms, begun, &measured),
            What::Analysis(analysis) => self.analysis(&analysis, measured),
        };
        self.failed = matches!(verdict, Verdict::Failed { .. });
        self.last = verdict.clone();
        verdict
    }

    fn analysis(&mut self, analysis: &Analysis, measured: Measured) -> Verdict {
        let is_error = matches!(measured, Measured::Error { .. });
        self.errors = if is_error { self.errors + 1 } else { 0 };
        let told = match measured {
            Measured::Error { reason } if self.errors <= analysis.error_limit => {
                return match &self.last {
                    Verdict::Unclear { .. } => Verdict::Unclear { reason },
                    Verdict::Passed | Verdict::Failed { .. } => self.last.clone(),
                };
            }
            Measured::Error { reason } => otherwise(analysis.on_error, reason),
            Measured::NoData { reason } => otherwise(analysis.on_no_data, reason),
            Measured::Value(value) => queried(&analysis.metric, value),
            Measured::Requests { green, blue } => self.requested(analysis, green, blue),
            Measured::Latency { requests, seconds } => self.took(analysis, requests, seconds),
            Measured::Alarms(_) | Measured::TooEarly => {
                Told::Open("this is no measurement of it: a bug".to_owned())
            }
        };
        self.verdict(analysis, told)
    }

    fn verdict(&mut self, analysis: &Analysis, told: Told) -> Verdict {
        match told {
            Told::Good => {
                self.good += 1;
                if self.good >= analysis.count {
                    return Verdict::Passed;
                }
                let reason = format!("{} of {} good measurements", self.good, analysis.count);
                Verdict::Unclear { reason }
            }
            Told::Bad(reason) => {
                self.bad += 1;
                let (bad, borne) = (self.bad, analysis.failure_limit);
                if bad <= borne {
                    let reason = format!("{reason} (bad measurement {bad}, {borne} are borne)");
                    return Verdict::Unclear { reason };
                }
                Verdict::Failed { reason }
            }
            Told::Worst(reason) => Verdict::Failed { reason },
            Told::Open(reason) => Verdict::Unclear { reason },
        }
    }

    fn requested(&mut self, analysis: &Analysis, green: Counts, blue: Counts) -> Told {
        match analysis.metric {
            Metric::Comparison {
                false_alarms,
                slower_than,
            } => {
                self.comparison.add(green, blue);
                let [green, blue] = self.comparison.counts();
                if self.comparison.evidence() >= 1.0 / false_alarms {
                    return Told::Worst(worse(green, blue, slower_than));
                }
                match few(green.requests.min(blue.requests), analysis.min_requests) {
                    Some(few) => Told::Open(few),
                    None => Told::Good,
                }
            }
            Metric::SuccessRate { at_least } => {
                self.requests.requests += green.requests;
                self.requests.bad += green.bad;
                let Counts { requests, bad } = self.requests;
                if let Some(few) = few(requests, analysis.min_requests) {
                    return Told::Open(few);
                }
                let rate = 1.0 - bad as f64 / requests.max(1) as f64;
                let whole = Share(std::mem::take(&mut self.requests));
                if rate >= at_least {
                    return Told::Good;
                }
                let asked = percent(at_least);
                Told::Bad(format!("green failed {whole}, and {asked} must succeed"))
            }
            Metric::Query { .. } | Metric::Latency { .. } => {
                Told::Open("requests are no measurement of this: a bug".to_owned())
            }
        }
    }

    fn took(&mut self, analysis: &Analysis, requests: u64, seconds: f64) -> Told {
        let Metric::Latency {
            percentile,
            at_most,
        } = analysis.metric
        else {
            return Told::Open("a latency is no measurement of this: a bug".to_owned());
        };
        self.requests.requests += requests;
        self.slowest = self.slowest.max(seconds);
        if let Some(few) = few(self.requests.requests, analysis.min_requests) {
            return Told::Open(few);
        }
        self.requests = Counts::default();
        let slowest = std::mem::take(&mut self.slowest);
        if slowest <= at_most.as_secs_f64() {
            return Told::Good;
        }
        Told::Bad(format!(
            "green took {slowest:.3} s (p{percentile}), and {:.3} s is right",
            at_most.as_secs_f64()
        ))
    }
}

fn worse(green: Counts, blue: Counts, slower_than: Option<Duration>) -> String {
    let (green, blue) = (Share(green), Share(blue));
    match slower_than {
        None => format!("green failed {green}, blue {blue}: green is worse"),
        Some(time) => {
            let time = SpanPrinter::new().unsigned_duration_to_string(&time);
            format!("green took longer than {time} for {green}, blue for {blue}: green is slower")
        }
    }
}

fn few(requests: u64, needed: u64) -> Option<String> {
    (requests < needed).then(|| format!("{requests} of {needed} requests that a judgement needs"))
}

fn otherwise(counts_as: Otherwise, reason: String) -> Told {
    match counts_as {
        Otherwise::Hold => Told::Open(reason),
        Otherwise::Pass => Told::Good,
        Otherwise::Fail => Told::Bad(reason),
    }
}

fn queried(metric: &Metric, value: f64) -> Told {
    let Metric::Query {
        success, failure, ..
    } = metric
    else {
        return Told::Open("a number is no measurement of this: a bug".to_owned());
    };
    if success.holds(value) {
        return Told::Good;
    }
    let bad = |broken: &dyn fmt::Display| Told::Bad(format!("the result is {value}: {broken}"));
    match failure {
        None => bad(&format_args!("{success} does not hold")),
        Some(condition) if Condition::holds(condition, value) => {
            bad(&format_args!("{condition} holds"))
        }
        Some(_) => Told::Open(format!("the result is {value}: neither good nor bad")),
    }
}

fn alarm_states(alarms: &Alarms, begun: Option<Timestamp>, measured: &Measured) -> Verdict {
    let unclear = |reason: String| Verdict::Unclear { reason };
    let states = match measured {
        Measured::Alarms(states) => states,
        Measured::Error { reason } | Measured::NoData { reason } => return unclear(reason.clone()),
        Measured::Value(_)
        | Measured::Requests { .. }
        | Measured::Latency { .. }
        | Measured::TooEarly => {
            return unclear("a number is no alarm's state: a bug".to_owned());
        }
    };
    let known = |name: &&String| states.iter().any(|alarm| alarm.name == **name);
    let already = |alarm: &&Alarm| match (begun, alarm.since) {
        (None, _) => true,
        (Some(begun), Some(since)) => since < begun,
        (Some(_), None) => false,
    };
    let ignored = alarms.on_already == AlreadyInAlarm::Ignore;
    let mut red = states.iter().filter(|alarm| alarm.red);
    let red = red.find(|alarm| !(ignored && already(alarm)));
    match (red, alarms.names.iter().find(|name| !known(name))) {
        (Some(Alarm { name, reason, .. }), _) => {
            let reason = format!("{name} is in ALARM: {reason}");
            if begun.is_none() && alarms.on_already == AlreadyInAlarm::Wait {
                return unclear(reason);
            }
            Verdict::Failed { reason }
        }
        (None, Some(missing)) => unclear(format!(
            "there is no alarm {missing}: create it, or take it out of `spec.alarms`"
        )),
        (None, None) => Verdict::Passed,
    }
}

fn percent(share: f64) -> String {
    let text = format!("{:.3}", share * 100.0);
    format!("{} %", text.trim_end_matches('0').trim_end_matches('.'))
}

/// Bad requests, for people.
struct Share(Counts);

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counts { requests, bad } = self.0;
        let share = bad as f64 / requests.max(1) as f64;
        write!(f, "{bad} of {requests} requests ({})", percent(share))
    }
}
