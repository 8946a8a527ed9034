//! What measurements come to.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test says so by failing"
)]

use std::time::Duration;

use crd_schema::analysis::{Alarms, AlreadyInAlarm, Analysis, Metric, Otherwise, Source};
use fastrand::Rng;
use jiff::Timestamp;
use planner::gate::Verdict;
use planner::watch::{About, Alarm, Comparison, Counts, Judge, Measured, Watch, What};

fn watch(what: What) -> Watch {
    Watch {
        key: "0".to_owned(),
        name: "analysis errors".to_owned(),
        what,
        about: About::default(),
    }
}

fn analysis(metric: Metric) -> Analysis {
    Analysis {
        metric,
        in_a_step: false,
        initial_delay: Duration::ZERO,
        interval: Duration::from_secs(60),
        count: 1,
        failure_limit: 0,
        error_limit: 0,
        min_requests: 100,
        on_error: Otherwise::Hold,
        on_no_data: Otherwise::Hold,
        dry_run: false,
    }
}

fn query(failure: Option<&str>) -> Analysis {
    let source = Source::Prometheus {
        address: "http://prometheus:9090".to_owned(),
        query: "up".to_owned(),
    };
    analysis(Metric::Query {
        source,
        success: "result < 0.01".parse().unwrap(),
        failure: failure.map(|text| text.parse().unwrap()),
    })
}

/// What each measurement in turn comes to: `ok`, or why not, `!` before what fails the release.
fn told(analysis: &Analysis, measured: impl IntoIterator<Item = Measured>) -> Vec<String> {
    told_of(What::Analysis(analysis.clone()), measured)
}

fn told_of(what: What, measured: impl IntoIterator<Item = Measured>) -> Vec<String> {
    let mut judge = Judge::new(&watch(what));
    let words = |measured| match judge.take(measured) {
        Verdict::Passed => "ok".to_owned(),
        Verdict::Failed { reason } => format!("!{reason}"),
        Verdict::Unclear { reason } => reason,
    };
    measured.into_iter().map(words).collect()
}

fn error() -> Measured {
    Measured::Error {
        reason: "no connection".to_owned(),
    }
}

fn no_data() -> Measured {
    Measured::NoData {
        reason: "no request".to_owned(),
    }
}

fn requests(requests: u64, failed: u64) -> Measured {
    let green = Counts { requests, failed };
    let blue = Counts::default();
    Measured::Requests { green, blue }
}

#[test]
fn a_number_is_good_bad_or_neither() {
    let value = Measured::Value;
    assert_eq!(
        told(&query(None), [value(0.0), value(0.02), value(0.0)]),
        [
            "ok",
            "!the result is 0.02: result < 0.01 does not hold",
            "!the result is 0.02: result < 0.01 does not hold"
        ],
        "what failed stays failed"
    );
    assert_eq!(
        told(&query(Some("result >= 0.05")), [value(0.02), value(0.05)]),
        [
            "the result is 0.02: neither good nor bad",
            "!the result is 0.05: result >= 0.05 holds"
        ]
    );
}

#[test]
fn several_bad_ones_may_be_borne_and_several_good_ones_needed() {
    let limits = Analysis {
        failure_limit: 1,
        count: 2,
        ..query(None)
    };
    let values = [0.0, 0.5, 0.0, 0.5].map(Measured::Value);
    assert_eq!(
        told(&limits, values),
        [
            "1 of 2 good measurements",
            "the result is 0.5: result < 0.01 does not hold (bad measurement 1, 1 are borne)",
            "ok",
            "!the result is 0.5: result < 0.01 does not hold"
        ]
    );
}

#[test]
fn no_data_is_no_failure_and_an_error_is_none_unless_the_spec_says_so() {
    let of = |otherwise| Analysis {
        on_error: otherwise,
        on_no_data: otherwise,
        ..query(None)
    };
    for (otherwise, expected) in [
        (Otherwise::Hold, ["no request", "no connection"]),
        (Otherwise::Pass, ["ok", "ok"]),
        (Otherwise::Fail, ["!no request", "!no connection"]),
    ] {
        let each = [no_data(), error()].map(|measured| told(&of(otherwise), [measured]).remove(0));
        assert_eq!(each, expected, "{otherwise:?}");
    }
}

#[test]
fn some_errors_in_a_row_change_nothing() {
    let limits = Analysis {
        error_limit: 2,
        ..query(None)
    };
    let good = || Measured::Value(0.0);
    assert_eq!(
        told(
            &limits,
            [error(), good(), error(), error(), error(), good(), error()]
        ),
        [
            "no connection",
            "ok",
            "ok",
            "ok",
            "no connection",
            "ok",
            "ok"
        ]
    );
    assert_eq!(
        told(&limits, [Measured::TooEarly, good(), Measured::TooEarly]),
        ["nothing was measured yet", "ok", "ok"]
    );
}

#[test]
fn a_success_rate_is_judged_of_enough_requests() {
    let rate = analysis(Metric::SuccessRate { at_least: 0.99 });
    let few = "99 of 100 requests that a judgement needs";
    assert_eq!(
        told(
            &rate,
            [
                requests(99, 9),
                requests(901, 0),
                requests(99, 0),
                requests(1, 0)
            ]
        ),
        [few, "ok", few, "ok"],
        "9 of 1000 are few enough"
    );
    assert_eq!(
        told(&rate, [requests(500, 50)]),
        ["!green failed 50 of 500 requests (10 %), and 99 % must succeed"]
    );
}

#[test]
fn a_latency_is_judged_of_enough_requests_by_the_slowest_minute() {
    let latency = analysis(Metric::Latency {
        percentile: 99.0,
        at_most: Duration::from_millis(500),
    });
    let took = |requests, seconds| Measured::Latency { requests, seconds };
    assert_eq!(
        told(&latency, [took(60, 0.6), took(60, 0.2)]),
        [
            "60 of 100 requests that a judgement needs",
            "!green took 0.600 s (p99), and 0.500 s is right"
        ]
    );
    assert_eq!(told(&latency, [took(100, 0.5)]), ["ok"]);
}

#[test]
fn alarms_are_red_quiet_or_not_there() {
    let alarm = |name: &str, red, since| Alarm {
        name: name.to_owned(),
        red,
        since: Some(Timestamp::from_second(since).unwrap()),
        reason: "threshold crossed".to_owned(),
    };
    let told = |on_already, begun: Option<i64>, states: Vec<Alarm>| {
        let names = vec!["5xx".to_owned(), "slow".to_owned()];
        let alarms = Alarms { names, on_already };
        let begun = begun.map(|begun| Timestamp::from_second(begun).unwrap());
        let what = What::Alarms { alarms, begun };
        told_of(what, [Measured::Alarms(states)]).remove(0)
    };
    let quiet = |name| alarm(name, false, 1);
    let red = "5xx is in ALARM: threshold crossed";
    let fails = format!("!{red}");
    let missing = "there is no alarm slow: create it, or take it out of `spec.alarms`";
    let one = || vec![alarm("5xx", true, 10), quiet("slow")];
    for on_already in [
        AlreadyInAlarm::Refuse,
        AlreadyInAlarm::Wait,
        AlreadyInAlarm::Ignore,
    ] {
        assert_eq!(
            told(on_already, None, vec![quiet("5xx"), quiet("slow")]),
            "ok"
        );
        assert_eq!(
            told(on_already, Some(5), one()),
            fails,
            "red since the release began"
        );
        assert_eq!(told(on_already, Some(5), vec![quiet("5xx")]), missing);
    }
    assert_eq!(told(AlreadyInAlarm::Refuse, None, one()), fails);
    assert_eq!(told(AlreadyInAlarm::Wait, None, one()), red);
    assert_eq!(told(AlreadyInAlarm::Ignore, None, one()), "ok");
    assert_eq!(told(AlreadyInAlarm::Refuse, Some(20), one()), fails);
    assert_eq!(told(AlreadyInAlarm::Wait, Some(20), one()), fails);
    assert_eq!(told(AlreadyInAlarm::Ignore, Some(20), one()), "ok");
    assert_eq!(told(AlreadyInAlarm::Ignore, Some(10), one()), fails);
    let unknown = vec![
        Alarm {
            since: None,
            ..alarm("5xx", true, 0)
        },
        quiet("slow"),
    ];
    assert_eq!(told(AlreadyInAlarm::Ignore, Some(20), unknown), fails);
}

#[test]
fn a_worse_green_fails_a_comparison_at_once() {
    let comparison = analysis(Metric::Comparison { false_alarms: 0.01 });
    let window = |failed| Measured::Requests {
        green: Counts {
            requests: 60,
            failed,
        },
        blue: Counts {
            requests: 540,
            failed: 1,
        },
    };
    assert_eq!(
        told(&comparison, [window(0), window(0), window(6)]),
        [
            "60 of 100 requests that a judgement needs",
            "ok",
            "!green failed 6 of 180 requests (3.333 %), blue 3 of 1620 requests (0.185 %): green is worse"
        ]
    );
}

/// Looks until green counts as worse, at most `looks` times, each at one more window.
fn looks(
    rng: &mut Rng,
    looks: usize,
    requests: [u64; 2],
    fails: [f64; 2],
    alpha: f64,
) -> Option<usize> {
    let mut comparison = Comparison::default();
    let mut window = |requests: u64, fails: f64| {
        let failed = (0..requests).filter(|_| rng.f64() < fails).count();
        let failed = u64::try_from(failed).unwrap();
        Counts { requests, failed }
    };
    (1..=looks).find(|_| {
        let [green, blue] = [0, 1].map(|side| window(requests[side], fails[side]));
        comparison.add(green, blue);
        comparison.evidence() >= 1.0 / alpha
    })
}

/// What docs/decisions/analysis.md says of simulated traffic: looked at once a minute for an hour, with a tenth of 1,000
/// requests a minute on green.
#[test]
fn a_comparison_that_is_looked_at_again_and_again_keeps_its_promise() {
    const RELEASES: usize = 400;
    const LOOKS: usize = 60;
    let alpha = 0.05;
    let mut rng = Rng::with_seed(20_261_122);
    let mut table = String::new();
    for (blue, green) in [
        (0.0, 0.0),
        (0.001, 0.001),
        (0.01, 0.01),
        (0.05, 0.05),
        (0.01, 0.005),
    ] {
        let runs =
            (0..RELEASES).filter_map(|_| looks(&mut rng, LOOKS, [100, 900], [green, blue], alpha));
        let share = runs.count() as f64 / RELEASES as f64;
        table += &format!("blue {blue} green {green}: {share:.3} fail\n");
        // Four standard deviations above what was promised.
        let most = alpha + 4.0 * (alpha * (1.0 - alpha) / RELEASES as f64).sqrt();
        assert!(share <= most, "{table}");
    }
    for (blue, green, at_least) in [
        (0.001, 0.1, 0.99),
        (0.001, 0.02, 0.99),
        (0.01, 0.03, 0.99),
        (0.01, 0.02, 0.7),
    ] {
        let runs =
            (0..RELEASES).filter_map(|_| looks(&mut rng, LOOKS, [100, 900], [green, blue], alpha));
        let mut minutes: Vec<usize> = runs.collect();
        minutes.sort_unstable();
        let share = minutes.len() as f64 / RELEASES as f64;
        let median = minutes.get(minutes.len() / 2).copied().unwrap_or(0);
        table += &format!(
            "blue {blue} green {green}: {share:.3} found, half of them within {median} minutes\n"
        );
        assert!(share >= at_least, "{table}");
    }
    println!("{table}");
}
