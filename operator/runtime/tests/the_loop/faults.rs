//! One application's trouble stays its own, and an unknown outcome stays unknown.

use std::time::Duration;

use runtime::Settings;

use crate::account::{Account, Fault, Unanswered, spec};
use crate::operator::{Operator, clock, pass};

#[tokio::test(start_paused = true)]
async fn a_panic_and_a_hang_stop_no_other_application() {
    let clock = clock();
    let account = Account::new(clock);
    for app in ["blog", "shop", "wiki"] {
        account.put_spec(app, &spec(app));
        account.wish(app, "1.0.0");
    }
    account.break_observations("shop", Fault::Panics);
    account.break_observations("wiki", Fault::Hangs);
    let operator = Operator::start(&account, clock);
    pass(900).await;
    assert_eq!(operator.waiting_on("blog"), "Nothing");
    let metric = |metric, app| operator.metric(metric, &[("application", app)]).unwrap();
    assert!(metric("teal_reconcile_panics_total", "shop") >= 5.0);
    assert!(metric("teal_reconcile_timeouts_total", "wiki") >= 5.0);
    assert_eq!(metric("teal_reconcile_panics_total", "blog"), 0.0);
    assert_eq!(metric("teal_reconcile_timeouts_total", "blog"), 0.0);
    assert_eq!(metric("teal_reconcile_consecutive_errors", "blog"), 0.0);
    for app in ["shop", "wiki"] {
        let status = account.statuses(app).pop().unwrap();
        assert_eq!(status["phase"], "Holding");
        let conditions = status["conditions"].as_array().unwrap();
        let stalled = conditions
            .iter()
            .find(|condition| condition["type"] == "Stalled")
            .unwrap();
        assert_eq!(
            (&stalled["status"], &stalled["reason"]),
            (&"True".into(), &"RepeatedErrors".into())
        );
    }
    assert_eq!(operator.board.ready().unwrap_err().len(), 2);
    assert_eq!(operator.board.health().stuck(clock.mono()), None);
}

/// CreateService is not answered. Whether it landed or not, nothing else is sent before that is known or the bound
/// has passed, and in the end the service was created once.
async fn unanswered(settings: Settings, fault: Fault) {
    for unanswered in [Unanswered::Lost(fault), Unanswered::Landed(fault)] {
        let clock = clock();
        let account = Account::new(clock);
        account.put_spec("blog", &spec("blog"));
        account.wish("blog", "1.0.0");
        account.break_writes("blog", [None, None, Some(unanswered)]);
        let operator = Operator::start_with(&account, clock, settings);
        while account.sent("blog") < 3 {
            pass(1).await;
        }
        if unanswered == Unanswered::Lost(fault) {
            pass(settings.tuning.quiescence.as_secs() - 2).await;
            assert_eq!(account.sent("blog"), 3);
            assert_eq!(operator.waiting_on("blog"), "OutstandingWrite");
        }
        pass(600).await;
        assert_eq!(operator.waiting_on("blog"), "Nothing", "{unanswered:?}");
        let writes = account.writes("blog");
        let created = writes
            .iter()
            .filter(|write| write.starts_with("create service"))
            .count();
        assert_eq!(created, 1, "{unanswered:?}: {writes:?}");
        assert_eq!(operator.metric("teal_guard_refusals_total", &[]), Some(0.0));
        operator.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_reconcile_that_times_out_in_its_write_leaves_the_outcome_unknown() {
    let settings = Settings {
        reconcile_limit: Duration::from_secs(5),
        write_limit: Duration::from_secs(60),
        ..Settings::default()
    };
    unanswered(settings, Fault::Hangs).await;
}

#[tokio::test(start_paused = true)]
async fn a_write_that_hangs_is_unknown() {
    unanswered(Settings::default(), Fault::Hangs).await;
}

#[tokio::test(start_paused = true)]
async fn a_write_that_panics_is_unknown() {
    unanswered(Settings::default(), Fault::Panics).await;
}

/// Each write of two releases, one at a time, is lost or lands without an answer, in a hang or a panic: the outcome is
/// the same, no request is lost, and the guard has nothing to refuse.
#[tokio::test(start_paused = true)]
async fn any_single_unanswered_write_alters_nothing_in_the_outcome() {
    let faults = [Fault::Hangs, Fault::Panics];
    let kinds = faults
        .into_iter()
        .flat_map(|fault| [Unanswered::Lost(fault), Unanswered::Landed(fault)]);
    for kind in kinds {
        for nth in 0..16 {
            let clock = clock();
            let account = Account::new(clock);
            account.put_spec("blog", &spec("blog"));
            account.wish("blog", "1.0.0");
            account.break_writes("blog", (0..nth).map(|_| None).chain([Some(kind)]));
            let operator = Operator::start(&account, clock);
            for version in ["1.0.0", "1.1.0"] {
                account.wish("blog", version);
                for _ in 0..1500 {
                    pass(1).await;
                    assert!(
                        !account.lab("blog", |lab| lab.loses_requests()),
                        "{kind:?} {nth}"
                    );
                }
                let status = account.statuses("blog").pop().unwrap();
                assert_eq!(status["phase"], "Settled", "{kind:?} {nth} {status}");
                assert_eq!(status["serving"]["version"], version, "{kind:?} {nth}");
            }
            assert_eq!(
                operator.metric("teal_guard_refusals_total", &[]),
                Some(0.0),
                "{kind:?} {nth}"
            );
            assert_eq!(
                account.lab("blog", |lab| lab.services.len()),
                1,
                "{kind:?} {nth}"
            );
            operator.stop().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_changed_desired_version_does_not_wait_for_the_back_off() {
    let clock = clock();
    let account = Account::new(clock);
    account.put_spec("blog", &spec("blog"));
    account.wish("blog", "1.0.0");
    let operator = Operator::start(&account, clock);
    pass(600).await;
    account.set_unreadable("blog", true);
    pass(1800).await;
    let looks = account.observations("blog");
    account.set_unreadable("blog", false);
    pass(20).await;
    assert_eq!(account.observations("blog"), looks, "it backs off");
    account.wish("blog", "1.1.0");
    pass(8).await;
    assert!(account.observations("blog") > looks);
    assert_eq!(
        operator.metric(
            "teal_reconcile_consecutive_errors",
            &[("application", "blog")]
        ),
        Some(0.0)
    );
    assert!(
        operator
            .metric("teal_woken_total", &[("reason", "DesiredChanged")])
            .unwrap()
            >= 1.0
    );
}

#[tokio::test(start_paused = true)]
async fn a_sweep_that_panics_or_hangs_is_made_again() {
    let clock = clock();
    let account = Account::new(clock);
    account.put_spec("blog", &spec("blog"));
    account.break_specs([Fault::Panics, Fault::Hangs]);
    let operator = Operator::start(&account, clock);
    pass(10).await;
    assert_eq!(
        operator.board.ready(),
        Err(vec!["the list of applications".to_owned()])
    );
    pass(200).await;
    assert_eq!(operator.board.ready(), Ok(()));
    assert_eq!(
        operator.metric(
            "teal_sweeps_total",
            &[("kind", "specs"), ("result", "failed")]
        ),
        Some(2.0)
    );
}
