//! Specs come, change, break, clash and go.

use crate::account::{Account, name, spec, spec_on};
use crate::operator::{Operator, clock, pass};

#[tokio::test(start_paused = true)]
async fn a_bad_spec_keeps_the_last_good_one_in_force() {
    let clock = clock();
    let account = Account::new(clock);
    account.put_spec("blog", &spec("blog"));
    account.wish("blog", "1.0.0");
    let operator = Operator::start(&account, clock);
    pass(600).await;
    account.put_spec("blog", "apiVersion: teal/v1alpha1\nkind: Mistake\n");
    account.wish("blog", "1.1.0");
    pass(600).await;
    let snapshot = operator.board.get(&name("blog")).unwrap();
    assert_eq!(snapshot.status.serving.as_ref().unwrap().version, "1.1.0");
    let blog = ("application", "blog");
    let unreadable = [blog, ("type", "DesiredUnreadable")];
    assert_eq!(operator.metric("teal_condition", &unreadable), Some(1.0));
    account.put_spec("blog", &spec("blog"));
    pass(120).await;
    assert_eq!(operator.metric("teal_condition", &unreadable), Some(0.0));
    let events = operator.events("blog");
    let told = events
        .iter()
        .filter(|event| event.starts_with("Spec"))
        .copied()
        .collect::<Vec<_>>();
    assert_eq!(told, ["SpecAccepted", "SpecRefused", "SpecAccepted"]);
}

#[tokio::test(start_paused = true)]
async fn a_spec_that_is_changed_just_before_the_wish_is_the_one_that_is_released() {
    let clock = clock();
    let account = Account::new(clock);
    account.put_spec("blog", &spec("blog"));
    account.wish("blog", "1.0.0");
    let operator = Operator::start(&account, clock);
    pass(600).await;
    // Between two sweeps of the specs, as a pipeline does it.
    for (second, launch_type) in [(1, "EC2"), (20, "FARGATE"), (40, "EC2"), (59, "FARGATE")] {
        pass(60 - second).await;
        let version = format!("1.1.{second}");
        account.put_spec("blog", &spec("blog").replace("FARGATE", launch_type));
        account.wish("blog", &version);
        pass(600 + second).await;
        let served = operator.board.get(&name("blog")).unwrap();
        assert_eq!(served.status.serving.as_ref().unwrap().version, version);
        let created = format!("create service blog-{}", version.replace('.', "-"));
        let creates = account.writes("blog").into_iter();
        let creates: Vec<_> = creates
            .filter(|write| write.starts_with(&created))
            .collect();
        assert_eq!(creates.len(), 1, "{creates:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_spec_that_was_never_good_holds_with_every_problem() {
    let clock = clock();
    let account = Account::new(clock);
    account.put_spec("blog", &spec("shop"));
    let operator = Operator::start(&account, clock);
    pass(120).await;
    let status = account.statuses("blog").pop().unwrap();
    assert_eq!(status["phase"], "Holding");
    assert_eq!(status["waitingOn"]["reason"], "SpecInvalid");
    assert!(
        status["waitingOn"]["message"]
            .as_str()
            .unwrap()
            .contains("metadata.name is shop"),
        "{status}"
    );
    assert_eq!(operator.board.ready(), Ok(()));
    account.delete_spec("blog");
    pass(180).await;
    assert!(operator.board.all().is_empty());
    assert_eq!(operator.metric("teal_application_info", &[]), None);
}

#[tokio::test(start_paused = true)]
async fn a_spec_that_is_gone_freezes_everything_until_it_is_back() {
    let clock = clock();
    let account = Account::new(clock);
    account.put_spec("blog", &spec("blog"));
    account.wish("blog", "1.0.0");
    let operator = Operator::start(&account, clock);
    pass(600).await;
    account.delete_spec("blog");
    account.wish("blog", "1.1.0");
    pass(60).await;
    let writes = account.writes("blog").len();
    pass(600).await;
    assert_eq!(
        operator
            .board
            .get(&name("blog"))
            .unwrap()
            .status
            .waiting_on
            .as_ref()
            .unwrap()
            .reason,
        "Orphaned"
    );
    let frozen = account.writes("blog").len();
    pass(600).await;
    assert_eq!(account.writes("blog").len(), frozen);
    assert!(frozen >= writes);
    account.put_spec("blog", &spec("blog"));
    pass(600).await;
    assert_eq!(
        operator
            .board
            .get(&name("blog"))
            .unwrap()
            .status
            .serving
            .as_ref()
            .unwrap()
            .version,
        "1.1.0"
    );
}

#[tokio::test(start_paused = true)]
async fn an_orphan_without_services_is_forgotten_with_all_its_series() {
    let clock = clock();
    let account = Account::new(clock);
    account.put_spec("blog", &spec("blog"));
    account.put_spec("shop", &spec("shop"));
    let operator = Operator::start(&account, clock);
    pass(120).await;
    let series = |app| operator.metric("teal_condition", &[("application", app)]);
    assert!(series("blog").is_some());
    account.delete_spec("blog");
    pass(240).await;
    assert!(operator.board.get(&name("blog")).is_none());
    let metrics = [
        "teal_application_info",
        "teal_condition",
        "teal_generation",
        "teal_reconcile_consecutive_errors",
        "teal_reconcile_duration_seconds",
        "teal_reconcile_last_success_timestamp_seconds",
        "teal_reconcile_panics_total",
        "teal_reconcile_timeouts_total",
        "teal_reconciles_total",
        "teal_release_duration_seconds",
        "teal_releases_total",
        "teal_stage_deadline_timestamp_seconds",
        "teal_stage_start_timestamp_seconds",
        "teal_waiting_on",
        "teal_waiting_since_timestamp_seconds",
        "teal_weight_read",
    ];
    for metric in metrics {
        assert_eq!(
            operator.metric(metric, &[("application", "blog")]),
            None,
            "{metric}"
        );
        assert!(
            operator
                .metric(metric, &[("application", "shop")])
                .is_some(),
            "{metric}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn two_applications_that_claim_the_same_groups_both_hold() {
    let clock = clock();
    let account = Account::new(clock);
    for app in ["blog", "shop"] {
        account.put_spec(app, &spec_on(app, "shared"));
        account.wish(app, "1.0.0");
    }
    let operator = Operator::start(&account, clock);
    pass(600).await;
    for app in ["blog", "shop"] {
        let status = account.statuses(app).pop().unwrap();
        assert_eq!(status["waitingOn"]["reason"], "Conflict");
        assert!(
            !account
                .writes(app)
                .iter()
                .any(|write| !write.starts_with("write down")),
            "{:?}",
            account.writes(app)
        );
    }
    account.put_spec("shop", &spec("shop"));
    pass(600).await;
    assert_eq!(operator.waiting_on("blog"), "Nothing");
}
