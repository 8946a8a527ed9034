//! Releases end to end, what is told of them, and what is not done.

use runtime::{Mode, Settings};

use crate::account::{Account, name, spec};
use crate::operator::{Operator, clock, pass};

#[tokio::test(start_paused = true)]
async fn a_first_release_and_the_next_one_settle_and_then_nothing_more_is_wanted() {
    let clock = clock();
    let account = Account::new(clock);
    account.put_spec("blog", &spec("blog"));
    account.wish("blog", "1.0.0");
    let operator = Operator::start(&account, clock);
    pass(600).await;
    assert_eq!(operator.waiting_on("blog"), "Nothing");
    account.wish("blog", "1.1.0");
    pass(600).await;
    assert_eq!(operator.waiting_on("blog"), "Nothing");
    assert_eq!(
        operator.events("blog"),
        [
            "SpecAccepted",
            "ReleaseStarted",
            "TaskDefinitionRegistered",
            "ServiceCreated",
            "ReleaseSucceeded",
            "ReleaseStarted",
            "TrafficShifted",
            "TaskDefinitionRegistered",
            "ServiceCreated",
            "TrafficShifted",
            "BakeStarted",
            "CleanUpStarted",
            "ServiceScaled",
            "ServiceDeleted",
            "ReleaseSucceeded",
        ]
    );
    let snapshot = operator.board.get(&name("blog")).unwrap();
    assert_eq!(snapshot.status.serving.as_ref().unwrap().version, "1.1.0");
    let status = account.statuses("blog").pop().unwrap();
    assert_eq!(status["phase"], "Settled");
    assert_eq!(
        status["observedGeneration"],
        status["desired"]["generation"]
    );
    let condition = |kind: &str| {
        let conditions = status["conditions"].as_array().unwrap();
        conditions
            .iter()
            .find(|condition| condition["type"] == kind)
            .unwrap()["status"]
            .clone()
    };
    assert_eq!(condition("Ready"), "True");
    assert_eq!(condition("Reconciling"), "False");
    assert_eq!(condition("Stalled"), "False");

    let blog = ("application", "blog");
    assert_eq!(
        operator.metric("teal_releases_total", &[blog, ("outcome", "Succeeded")]),
        Some(2.0)
    );
    assert_eq!(
        operator.metric(
            "teal_release_duration_seconds",
            &[blog, ("outcome", "Succeeded")]
        ),
        Some(2.0)
    );
    assert_eq!(operator.metric("teal_application_info", &[blog]), Some(1.0));
    assert_eq!(
        operator.metric(
            "teal_application_info",
            &[blog, ("phase", "Settled"), ("hold", "")]
        ),
        Some(1.0)
    );
    assert_eq!(operator.metric("teal_waiting_on", &[blog]), Some(1.0));
    assert_eq!(
        operator.metric("teal_waiting_on", &[blog, ("reason", "Nothing")]),
        Some(1.0)
    );
    assert_eq!(
        operator.metric("teal_condition", &[blog, ("type", "Ready")]),
        Some(1.0)
    );
    assert_eq!(operator.metric("teal_ready", &[]), Some(1.0));
    assert_eq!(operator.board.ready(), Ok(()));
    let generation = |kind| {
        operator
            .metric("teal_generation", &[blog, ("kind", kind)])
            .unwrap()
    };
    assert!(generation("desired") > 0.0);
    assert_eq!(generation("desired"), generation("observed"));
    assert_eq!(generation("desired"), generation("serving"));
    assert_eq!(operator.metric("teal_guard_refusals_total", &[]), Some(0.0));

    let (writes, statuses) = (account.writes("blog").len(), account.statuses("blog").len());
    pass(24 * 3600).await;
    assert_eq!(account.writes("blog").len(), writes);
    assert_eq!(account.statuses("blog").len(), statuses);
}

#[tokio::test(start_paused = true)]
async fn a_release_that_never_becomes_healthy_is_rejected_and_said_so() {
    let clock = clock();
    let account = Account::new(clock);
    account.put_spec("blog", &spec("blog"));
    account.wish("blog", "1.0.0");
    let operator = Operator::start(&account, clock);
    pass(600).await;
    account.lab("blog", |lab| lab.broken.insert("1.1.0".to_owned()));
    account.wish("blog", "1.1.0");
    pass(2400).await;
    let status = account.statuses("blog").pop().unwrap();
    assert_eq!(status["phase"], "Failed");
    assert_eq!(status["serving"]["version"], "1.0.0");
    assert_eq!(status["rejected"]["version"], "1.1.0");
    let events = operator.events("blog");
    assert!(
        events.contains(&"ReleaseRejected") && events.contains(&"RolledBack"),
        "{events:?}"
    );
    let blog = ("application", "blog");
    assert_eq!(
        operator.metric("teal_releases_total", &[blog, ("outcome", "RolledBack")]),
        Some(1.0)
    );
    assert_eq!(
        operator.metric("teal_condition", &[blog, ("type", "Stalled")]),
        Some(1.0)
    );
}

#[tokio::test(start_paused = true)]
async fn an_operator_that_only_observes_tells_the_next_step_and_never_writes() {
    let clock = clock();
    let account = Account::new(clock);
    account.put_spec("blog", &spec("blog"));
    account.wish("blog", "1.0.0");
    let operator = Operator::start_as(&account, clock, Settings::default(), Mode::ObserveOnly);
    pass(600).await;
    assert!(
        operator
            .board
            .get(&name("blog"))
            .unwrap()
            .plan
            .as_ref()
            .unwrap()
            .step
            .is_some()
    );
    assert!(
        operator
            .metric("teal_reconciles_total", &[("result", "ObserveOnly")])
            .unwrap()
            > 0.0
    );
    operator.stop().await;
    assert!(account.writes("blog").is_empty());
    assert!(account.statuses("blog").is_empty());
}

#[tokio::test(start_paused = true)]
async fn settled_applications_look_at_the_world_at_the_same_time() {
    let clock = clock();
    let account = Account::new(clock);
    for app in ["blog", "shop", "wiki"] {
        account.put_spec(app, &spec(app));
    }
    let operator = Operator::start(&account, clock);
    pass(130).await;
    let looks = || ["blog", "shop", "wiki"].map(|app| account.observations(app));
    let before = looks();
    // The next beat is at 180 s.
    pass(49).await;
    assert_eq!(looks(), before);
    pass(2).await;
    assert_eq!(looks(), before.map(|looks| looks + 1));
    operator.stop().await;
}
