//! Alarms and analyses: what they say of a release, and what follows.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    unused_must_use,
    reason = "a test says so by failing"
)]

use std::time::Duration;

use crd_schema::AnalysisName;
use crd_schema::analysis::{Alarms, AlreadyInAlarm, Analysis, Metric};
use crd_schema::intent::Promote;
use crd_schema::record::{Outcome, Stage};
use crd_schema::strategy::{Share, Step};
use planner::gate::Verdict;
use planner::lab::{Ending, Lab, Operator, analysis, application};
use planner::memory::weight;
use planner::watch::What;
use planner::world::{Role, Side};
use planner::{Plan, WaitingOn};

fn errors() -> Analysis {
    analysis(Metric::SuccessRate { at_least: 0.99 })
}

fn bad() -> Verdict {
    Verdict::Failed {
        reason: "12 of 100 requests failed".to_owned(),
    }
}

fn unclear() -> Verdict {
    Verdict::Unclear {
        reason: "no data".to_owned(),
    }
}

fn half() -> Vec<Step> {
    let minute = Duration::from_secs(60);
    vec![Step::SetWeight(Share::of(1, 2)), Step::Pause(Some(minute))]
}

/// 1.3.0 serves on A; 1.4.0 is wished for.
struct Release {
    lab: Lab,
    operator: Operator,
}

impl Release {
    fn with(
        alarms: Option<AlreadyInAlarm>,
        analyses: &[(&str, Analysis)],
        steps: Vec<Step>,
    ) -> Self {
        let mut blog = application();
        blog.alarms = alarms.map(|on_already| Alarms {
            names: vec!["blog-5xx".to_owned()],
            on_already,
        });
        let analyses = analyses.iter();
        blog.analyses = analyses
            .map(|(name, analysis)| (AnalysisName::new(*name), analysis.clone()))
            .collect();
        blog.strategy.steps = steps;
        let mut lab = Lab::new(blog);
        lab.advance(100_000);
        lab.place("1.3.0", Side::A, 2, 0);
        lab.wish("1.3.0");
        let mut operator = Operator::new(&lab);
        assert_eq!(operator.run(&mut lab, 200), Ending::Settled);
        assert!(operator.watches.is_empty(), "nothing is released");
        lab.wish("1.4.0");
        Self { lab, operator }
    }

    fn alarm() -> Self {
        Self::with(Some(AlreadyInAlarm::Refuse), &[], half())
    }

    fn analysis() -> Self {
        Self::with(None, &[("errors", errors())], half())
    }

    fn says(&mut self, name: &str, verdict: Verdict) {
        self.lab.tests.says.insert(name.to_owned(), verdict);
    }

    fn share(&self) -> u32 {
        let mut rules = self.lab.rules.iter();
        let rule = rules.find(|rule| rule.role == Role::Production).unwrap();
        let (a, b) = (weight(rule, Side::A), weight(rule, Side::B));
        Share::of(b, a + b).get()
    }

    fn until(&mut self, there: impl Fn(&Self, &Plan) -> bool) -> Plan {
        for _ in 0..2_000 {
            let plan = self.operator.reconcile(&mut self.lab).expect("allowed");
            assert!(!self.lab.loses_requests(), "{:#?}", self.lab.writes);
            if there(self, &plan) {
                return plan;
            }
        }
        panic!("never: {:#?}", self.lab.writes);
    }

    fn settles(&mut self) -> Vec<(String, Outcome)> {
        self.until(|_, plan| plan.report.waiting_on == WaitingOn::Nothing);
        let (_, record) = self.lab.record.as_ref().expect("written down");
        let ended = record.history.iter();
        ended.map(|e| (e.version.clone(), e.outcome)).collect()
    }

    fn rejection(&self) -> &str {
        let (_, record) = self.lab.record.as_ref().expect("written down");
        &record.rejected.last().expect("rejected").reason
    }
}

fn ended(outcome: Outcome) -> Vec<(String, Outcome)> {
    vec![("1.4.0".to_owned(), outcome)]
}

#[test]
fn an_alarm_takes_the_release_back_in_every_stage_before_clean_up() {
    for stage in [Stage::ScaleUp, Stage::Validate, Stage::Shift, Stage::Bake] {
        let mut release = Release::alarm();
        release.until(|_, plan| plan.report.stage >= stage && !plan.watches.is_empty());
        release.says("alarms", bad());
        assert_eq!(release.settles(), ended(Outcome::RolledBack), "{stage:?}");
        assert_eq!(release.rejection(), "alarms: 12 of 100 requests failed");
        assert_eq!((release.lab.services.len(), release.share()), (1, 0));
    }
}

#[test]
fn once_blue_leaves_there_is_no_way_back_and_nothing_is_watched() {
    let mut release = Release::with(
        Some(AlreadyInAlarm::Refuse),
        &[("errors", errors())],
        half(),
    );
    release.until(|_, plan| plan.report.stage == Stage::CleanUp && plan.watches.is_empty());
    release.says("alarms", bad());
    release.says("analysis errors", bad());
    assert_eq!(release.settles(), ended(Outcome::Succeeded));
    // Also while blue is kept, and lives.
    let mut release = Release::alarm();
    release.lab.application.clean_up.keep_blue = Duration::from_secs(600);
    let plan = release.until(|_, plan| plan.report.waiting_on == WaitingOn::KeepBlue);
    assert!(plan.watches.is_empty());
}

#[test]
fn nothing_is_created_before_the_alarms_are_known_to_be_quiet() {
    let mut release = Release::alarm();
    release.says("alarms", unclear());
    let plan = release.until(|_, plan| plan.report.waiting_on.label() == "Analysis");
    assert_eq!(
        plan.report.waiting_on.message(),
        "alarms to go well: no data"
    );
    assert_eq!(plan.report.stage, Stage::ScaleUp);
    release.lab.advance(60_000);
    release.until(|_, plan| plan.report.waiting_on.label() == "Analysis");
    assert_eq!(release.lab.services.len(), 1);
    release.says("alarms", Verdict::Passed);
    assert_eq!(release.settles(), ended(Outcome::Succeeded));
}

#[test]
fn what_is_not_known_before_the_deadline_fails_and_says_what_was_not() {
    let mut release = Release::alarm();
    release.says("alarms", unclear());
    release.until(|release, _| {
        release
            .lab
            .record
            .as_ref()
            .is_some_and(|(_, r)| !r.rejected.is_empty())
    });
    assert_eq!(
        release.rejection(),
        "ScaleUp did not end before its deadline: alarms: no data"
    );
    assert_eq!(release.lab.services.len(), 1, "nothing was created");
}

#[test]
fn an_alarm_that_is_red_at_the_start_refuses_the_release() {
    let mut release = Release::alarm();
    release.says("alarms", bad());
    release.until(|release, _| {
        release
            .lab
            .record
            .as_ref()
            .is_some_and(|(_, r)| !r.rejected.is_empty())
    });
    assert_eq!(release.rejection(), "alarms: 12 of 100 requests failed");
    release.until(|_, plan| plan.report.waiting_on == WaitingOn::Nothing);
    assert_eq!((release.lab.services.len(), release.share()), (1, 0));
}

#[test]
fn a_watch_tells_when_green_was_created() {
    let mut release = Release::alarm();
    let begun = |plan: &Plan| match plan.watches.first().map(|watch| watch.what.clone()) {
        Some(What::Alarms { begun, .. }) => begun,
        _ => None,
    };
    let plan = release.until(|_, plan| !plan.watches.is_empty());
    assert_eq!(begun(&plan), None);
    let plan = release.until(|_, plan| plan.report.stage == Stage::Shift);
    assert_eq!(begun(&plan), Some(release.lab.services[1].shown.created));
}

#[test]
fn green_gets_no_more_while_an_analysis_cannot_tell() {
    let mut release = Release::analysis();
    release.says("analysis errors", unclear());
    let plan = release.until(|_, plan| plan.report.waiting_on.label() == "Analysis");
    assert_eq!((plan.report.stage, release.share()), (Stage::Shift, 500));
    release.says("analysis errors", Verdict::Passed);
    release.until(|release, _| release.share() == 1000);
    release.says("analysis errors", unclear());
    let plan = release.until(|_, plan| plan.report.waiting_on.label() == "Analysis");
    assert_eq!(plan.report.stage, Stage::Bake);
    assert_eq!(release.lab.services.len(), 2, "blue stays");
    release.says("analysis errors", Verdict::Passed);
    assert_eq!(release.settles(), ended(Outcome::Succeeded));
}

#[test]
fn an_analysis_begins_with_the_first_traffic_and_is_one_run_to_the_end() {
    let mut release = Release::analysis();
    let mut keys = Vec::new();
    loop {
        let plan = release.operator.reconcile(&mut release.lab).unwrap();
        if let Some(watch) = plan.watches.first() {
            assert!(plan.report.stage >= Stage::Shift, "{:?}", plan.report.stage);
            assert_eq!(watch.about.version, "1.4.0");
            assert_eq!(watch.about.blue_service, release.lab.services[0].shown.name);
            assert_eq!(
                watch.about.green_service,
                release.lab.services[1].shown.name
            );
            assert_ne!(watch.about.routes[0].green, watch.about.routes[0].blue);
            keys.push(watch.key.clone());
        }
        if plan.report.waiting_on == WaitingOn::Nothing {
            break;
        }
    }
    keys.dedup();
    assert_eq!(keys.len(), 1);
}

#[test]
fn an_analysis_that_a_step_names_is_measured_while_that_step_runs() {
    let inline = Analysis {
        in_a_step: true,
        ..errors()
    };
    let named = Step::Analysis(AnalysisName::new("errors"));
    let minute = Step::Pause(Some(Duration::from_secs(60)));
    let steps = vec![Step::SetWeight(Share::of(1, 2)), named, minute];
    let mut release = Release::with(None, &[("errors", inline)], steps);
    release.says("analysis errors", unclear());
    let plan = release.until(|_, plan| plan.report.waiting_on.label() == "Analysis");
    assert_eq!(plan.report.step.unwrap().index, 1);
    release.says("analysis errors", Verdict::Passed);
    let plan = release.until(|_, plan| plan.report.waiting_on == WaitingOn::Pause);
    assert!(plan.watches.is_empty());
    release.says("analysis errors", bad());
    assert_eq!(release.settles(), ended(Outcome::Succeeded));
}

#[test]
fn an_analysis_that_is_the_first_step_is_measured_before_the_second_one() {
    let inline = Analysis {
        in_a_step: true,
        ..errors()
    };
    let named = Step::Analysis(AnalysisName::new("errors"));
    let steps = vec![named, Step::SetWeight(Share::of(1, 2))];
    let mut release = Release::with(None, &[("errors", inline)], steps);
    release.says("analysis errors", unclear());
    release.until(|_, plan| plan.report.waiting_on.label() == "Analysis");
    assert_eq!(release.share(), 0);
    release.says("analysis errors", Verdict::Passed);
    assert_eq!(release.settles(), ended(Outcome::Succeeded));
}

#[test]
fn a_comparison_is_made_while_both_have_traffic() {
    let comparison = analysis(Metric::Comparison {
        false_alarms: 0.01,
        slower_than: None,
    });
    let mut release = Release::with(None, &[("worse", comparison)], half());
    release.until(|_, plan| !plan.watches.is_empty());
    let plan = release.until(|_, plan| plan.report.stage == Stage::Bake);
    assert!(plan.watches.is_empty());
    assert_eq!(release.settles(), ended(Outcome::Succeeded));
}

#[test]
fn a_dead_blue_never_blocks_what_mends_it() {
    let mut release = Release::with(
        Some(AlreadyInAlarm::Refuse),
        &[("errors", errors())],
        half(),
    );
    release.lab.broken.insert("1.3.0".to_owned());
    release.says("alarms", bad());
    release.lab.advance(20_000);
    release.says("analysis errors", bad());
    assert_eq!(
        release.settles_whatever_is_lost(),
        ended(Outcome::Succeeded)
    );
}

#[test]
fn a_person_may_go_on_without_the_analysis_but_not_against_it() {
    let mut release = Release::analysis();
    release.says("analysis errors", unclear());
    release.until(|_, plan| plan.report.waiting_on.label() == "Analysis");
    let rollout = release.lab.desired.as_ref().unwrap().0;
    release.lab.intents.promote = Some(Promote {
        rollout,
        step: 0,
        full: true,
    });
    release.until(|release, _| release.share() == 1000);
    release.says("analysis errors", bad());
    assert_eq!(release.settles(), ended(Outcome::RolledBack));
}

impl Release {
    /// Requests are lost while nothing lives: that is not what is asked.
    fn settles_whatever_is_lost(&mut self) -> Vec<(String, Outcome)> {
        for _ in 0..2_000 {
            let plan = self.operator.reconcile(&mut self.lab).expect("allowed");
            if plan.report.waiting_on == WaitingOn::Nothing {
                let (_, record) = self.lab.record.as_ref().expect("written down");
                let ended = record.history.iter();
                return ended.map(|e| (e.version.clone(), e.outcome)).collect();
            }
        }
        panic!("never: {:#?}", self.lab.writes);
    }
}

#[test]
fn each_watch_of_each_release_is_one_of_its_own() {
    let both = || {
        let alarms = Some(AlreadyInAlarm::Refuse);
        let mut release = Release::with(alarms, &[("errors", errors())], half());
        release.until(|_, plan| plan.watches.len() == 2);
        release
    };
    let keys = |release: &Release| {
        let watches = release.operator.watches.iter();
        watches.map(|watch| watch.key.clone()).collect::<Vec<_>>()
    };
    let mut release = both();
    let before = keys(&release);
    assert_ne!(before[0], before[1]);
    release.lab.wish("1.5.0");
    release.until(|release, plan| plan.watches.len() == 2 && !keys(release).contains(&before[0]));
    assert!(!keys(&release).contains(&before[1]));
}
