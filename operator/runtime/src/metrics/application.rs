//! The series of one application: they come, change and go together.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

use crd_schema::record::{self, Ended, Stage};
use crd_schema::status::{ConditionType, Status, Truth};
use crd_schema::{ApplicationName, TargetGroupArn};
use jiff::Timestamp;
use planner::report::RuleReport;
use planner::{Report, WaitingOn};
use prometheus::GaugeVec;
use prometheus::core::{MetricVec, MetricVecBuilder};

use super::{Metrics, seconds};
use crate::outcome::Outcome;

const RELEASES: [record::Outcome; 4] = [
    record::Outcome::Succeeded,
    record::Outcome::RolledBack,
    record::Outcome::Aborted,
    record::Outcome::Superseded,
];
const GENERATIONS: [&str; 3] = ["desired", "observed", "serving"];

/// Series with open label values that stand for an application now, to be removed when they no longer do.
#[derive(Debug, Default)]
pub(super) struct Open {
    info: Option<[String; 5]>,
    asked: BTreeSet<[String; 3]>,
    read: BTreeSet<[String; 3]>,
}

/// Versions of the desired parameter.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Generations {
    /// As the parameter is.
    pub desired: Option<i64>,
    /// As the last reconcile decided upon.
    pub observed: Option<i64>,
    /// As it serves.
    pub serving: Option<i64>,
}

impl Metrics {
    /// The application is known from now on: each of its series with closed labels begins at zero.
    pub(crate) fn appear(&self, name: &ApplicationName) {
        let app = name.as_str();
        for outcome in Outcome::ALL {
            self.reconciles.with_label_values(&[app, outcome.label()]);
        }
        self.reconcile_duration.with_label_values(&[app]);
        self.consecutive_errors.with_label_values(&[app]);
        self.last_success.with_label_values(&[app]);
        self.panics.with_label_values(&[app]);
        self.timeouts.with_label_values(&[app]);
        self.waiting_since.with_label_values(&[app]);
        for stage in Stage::ALL {
            self.stage_start.with_label_values(&[app, stage.as_str()]);
            self.stage_deadline
                .with_label_values(&[app, stage.as_str()]);
        }
        for reason in WaitingOn::LABELS {
            self.waiting_on.with_label_values(&[app, reason]);
        }
        for kind in ConditionType::ALL {
            self.condition.with_label_values(&[app, kind.as_str()]);
        }
        for kind in GENERATIONS {
            self.generation.with_label_values(&[app, kind]);
        }
        for outcome in RELEASES.map(release_outcome) {
            self.releases.with_label_values(&[app, outcome]);
            self.release_duration.with_label_values(&[app, outcome]);
        }
    }

    /// The application is no longer known: none of its series remains.
    pub(crate) fn vanish(&self, name: &ApplicationName) {
        let app = name.as_str();
        for outcome in Outcome::ALL {
            remove(&self.reconciles, &[app, outcome.label()]);
        }
        remove(&self.reconcile_duration, &[app]);
        remove(&self.consecutive_errors, &[app]);
        remove(&self.last_success, &[app]);
        remove(&self.panics, &[app]);
        remove(&self.timeouts, &[app]);
        remove(&self.waiting_since, &[app]);
        for stage in Stage::ALL {
            remove(&self.stage_start, &[app, stage.as_str()]);
            remove(&self.stage_deadline, &[app, stage.as_str()]);
        }
        for reason in WaitingOn::LABELS {
            remove(&self.waiting_on, &[app, reason]);
        }
        for kind in ConditionType::ALL {
            remove(&self.condition, &[app, kind.as_str()]);
        }
        for kind in GENERATIONS {
            remove(&self.generation, &[app, kind]);
        }
        for outcome in RELEASES.map(release_outcome) {
            remove(&self.releases, &[app, outcome]);
            remove(&self.release_duration, &[app, outcome]);
        }
        let Open { info, asked, read } = self.open().remove(name).unwrap_or_default();
        if let Some(info) = info {
            remove(&self.info, &info);
        }
        asked
            .iter()
            .for_each(|labels| remove(&self.weight_asked, labels));
        read.iter()
            .for_each(|labels| remove(&self.weight_read, labels));
    }

    /// A reconcile ended.
    pub(crate) fn reconciled(
        &self,
        name: &ApplicationName,
        outcome: Outcome,
        took: Duration,
        errors: u32,
        now: Timestamp,
    ) {
        let app = name.as_str();
        self.reconciles
            .with_label_values(&[app, outcome.label()])
            .inc();
        self.reconcile_duration
            .with_label_values(&[app])
            .observe(took.as_secs_f64());
        self.consecutive_errors
            .with_label_values(&[app])
            .set(f64::from(errors));
        if !outcome.is_failure() {
            self.last_success
                .with_label_values(&[app])
                .set(seconds(now));
        }
        match outcome {
            Outcome::Panicked => self.panics.with_label_values(&[app]).inc(),
            Outcome::TimedOut => self.timeouts.with_label_values(&[app]).inc(),
            Outcome::Completed
            | Outcome::Waiting
            | Outcome::Stepped
            | Outcome::ObserveOnly
            | Outcome::Standby
            | Outcome::Held
            | Outcome::Changed
            | Outcome::Stopping
            | Outcome::Unread
            | Outcome::PlanAged
            | Outcome::GuardRefused
            | Outcome::NoAuthority
            | Outcome::NotSent
            | Outcome::Refused
            | Outcome::Unknown => {}
        }
    }

    /// A rollout ended.
    pub(crate) fn released(&self, name: &ApplicationName, ended: &Ended) {
        let labels = [name.as_str(), release_outcome(ended.outcome)];
        self.releases.with_label_values(&labels).inc();
        let took = ended.ended.duration_since(ended.began).as_secs_f64();
        self.release_duration
            .with_label_values(&labels)
            .observe(took.max(0.0));
    }

    /// How the application goes now.
    pub(crate) fn show(
        &self,
        name: &ApplicationName,
        status: &Status,
        report: Option<&Report>,
        generations: Generations,
    ) {
        let app = name.as_str();
        let waiting_on = report.map(|report| &report.waiting_on);
        let label = waiting_on.map_or("Hold", WaitingOn::label);
        for reason in WaitingOn::LABELS {
            self.waiting_on
                .with_label_values(&[app, reason])
                .set(truth(reason == label));
        }
        let since = status
            .waiting_on
            .as_ref()
            .map_or(0.0, |waiting_on| seconds(waiting_on.since));
        self.waiting_since.with_label_values(&[app]).set(since);
        for stage in Stage::ALL {
            let now = |time: Option<Timestamp>| {
                time.filter(|_| stage == status.stage).map_or(0.0, seconds)
            };
            let labels = [app, stage.as_str()];
            self.stage_start
                .with_label_values(&labels)
                .set(now(report.and_then(|report| report.stage_since)));
            self.stage_deadline
                .with_label_values(&labels)
                .set(now(report.and_then(|report| report.deadline)));
        }
        for condition in &status.conditions {
            let holds = truth(condition.status == Truth::True);
            self.condition
                .with_label_values(&[app, condition.kind.as_str()])
                .set(holds);
        }
        let Generations {
            desired,
            observed,
            serving,
        } = generations;
        for (kind, version) in GENERATIONS.into_iter().zip([desired, observed, serving]) {
            let version = version
                .and_then(|version| i32::try_from(version).ok())
                .unwrap_or_default();
            self.generation
                .with_label_values(&[app, kind])
                .set(f64::from(version));
        }
        let hold = match (&status.waiting_on, label) {
            (Some(waiting_on), "Hold") => waiting_on.reason.as_str(),
            (Some(_) | None, _) => "",
        };
        let info = [
            app,
            status.phase.as_str(),
            status.stage.as_str(),
            label,
            hold,
        ]
        .map(str::to_owned);
        let mut open = self.open();
        let open = open.entry(name.clone()).or_default();
        if let Some(before) = open
            .info
            .replace(info.clone())
            .filter(|before| *before != info)
        {
            remove(&self.info, &before);
        }
        self.info.with_label_values(&info).set(1.0);
        let rules = report
            .map(|report| report.rules.as_slice())
            .unwrap_or_default();
        let series = |weights: fn(&RuleReport) -> [Option<u32>; 2]| {
            let mut series = Vec::new();
            for rule in rules {
                for (weight, group) in weights(rule).into_iter().zip(&rule.groups) {
                    let (Some(weight), Some(group)) = (weight, group) else {
                        continue;
                    };
                    let labels = [app.to_owned(), rule.rule.clone(), group_name(group)];
                    series.push((labels, weight));
                }
            }
            series
        };
        replace(&self.weight_read, &mut open.read, series(|rule| rule.read));
        replace(
            &self.weight_asked,
            &mut open.asked,
            series(|rule| rule.asked.unwrap_or_default()),
        );
    }

    fn open(&self) -> MutexGuard<'_, BTreeMap<ApplicationName, Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sets what is there now and removes what was there before.
fn replace(gauges: &GaugeVec, before: &mut BTreeSet<[String; 3]>, now: Vec<([String; 3], u32)>) {
    let labels: BTreeSet<_> = now.iter().map(|(labels, _)| labels.clone()).collect();
    before
        .difference(&labels)
        .for_each(|labels| remove(gauges, labels));
    for (labels, weight) in &now {
        gauges.with_label_values(labels).set(f64::from(*weight));
    }
    *before = labels;
}

/// A series that is not there is as good as removed.
fn remove<T: MetricVecBuilder, V: AsRef<str> + std::fmt::Debug>(
    metric: &MetricVec<T>,
    labels: &[V],
) {
    let _ = metric.remove_label_values(labels);
}

fn truth(holds: bool) -> f64 {
    if holds { 1.0 } else { 0.0 }
}

/// `blog-a` of `arn:…:targetgroup/blog-a/0123456789abcdef`.
fn group_name(group: &TargetGroupArn) -> String {
    let text = group.as_str();
    text.split('/').nth(1).unwrap_or(text).to_owned()
}

/// The stable name of a rollout's end.
fn release_outcome(outcome: record::Outcome) -> &'static str {
    match outcome {
        record::Outcome::Succeeded => "Succeeded",
        record::Outcome::RolledBack => "RolledBack",
        record::Outcome::Aborted => "Aborted",
        record::Outcome::Superseded => "Superseded",
    }
}
