//! Releases under load while AWS and the operator's own process misbehave: the outcome is the same, and no request is
//! lost. Each ends with "and then nothing more is wanted".

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test says so by failing"
)]

use std::time::Duration;

use emulator::api::{AwsError, Service};
use emulator::faults::{Effect, Fault, FaultSettings, When};
use tests::{Dose, Operator, Stage};

/// The blog at 1.3.0, with users.
async fn serving() -> (Stage, Operator) {
    serving_with("1m").await
}

async fn serving_with(bake_time: &str) -> (Stage, Operator) {
    serving_within(bake_time, "10m").await
}

async fn serving_within(bake_time: &str, deadline: &str) -> (Stage, Operator) {
    let mut stage = Stage::with(Default::default(), |mut spec| {
        spec["spec"]["bakeTime"] = bake_time.into();
        for stage in ["scaleUp", "validate", "shift", "cleanUp"] {
            spec["spec"]["deadlines"][stage] = deadline.into();
        }
        spec
    });
    stage.wish("1.3.0");
    let operator = stage.operator();
    stage.settled_on("1.3.0").await;
    stage.open(5.0);
    (stage, operator)
}

fn nobody_lost_a_request(stage: &Stage, what: &str) {
    let users = stage.users();
    assert!(users.requests > 100, "{what}: users were there: {users:?}");
    assert_eq!(users.failed, 0, "{what}: {users:?}");
}

/// Writes of the operator so far, those of its record included.
fn steps(stage: &Stage) -> u64 {
    let record = stage.get("record");
    let recorded = if record.is_null() {
        0
    } else {
        stage.version("record")
    };
    stage.writes() + recorded
}

/// Kills the operator after each `stride`-th step of a release, beginning with `first`. Returns how many there were.
async fn killed_after_steps(first: u64, stride: usize) -> u64 {
    for boundary in (first..).step_by(stride) {
        let (stage, operator) = serving().await;
        let before = steps(&stage);
        stage.wish("1.4.0");
        let ended = |stage: &Stage| {
            let status = stage.get("status");
            status["serving"]["version"] == "1.4.0" && status["phase"] == "Settled"
        };
        while steps(&stage) < before + boundary && !ended(&stage) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let beyond_the_end = steps(&stage) < before + boundary;
        operator.kill().await;
        let _second = stage.operator();
        stage.settled_on("1.4.0").await;
        nobody_lost_a_request(&stage, &format!("killed after step {boundary}"));
        if beyond_the_end {
            return boundary;
        }
    }
    0
}

/// Every second step is for each of two tests; with every run of the tests, every second one of these.
fn stride() -> usize {
    if Dose::asked() == Dose::Small { 4 } else { 2 }
}

#[tokio::test(start_paused = true)]
async fn an_operator_killed_after_any_odd_step_changes_nothing() {
    assert!(
        killed_after_steps(1, stride()).await > 10,
        "a release has that many steps"
    );
}

#[tokio::test(start_paused = true)]
async fn an_operator_killed_after_any_even_step_changes_nothing() {
    assert!(
        killed_after_steps(2, stride()).await > 10,
        "a release has that many steps"
    );
}

const WRITES: [(Service, &str); 7] = [
    (Service::Ssm, "PutParameter"),
    (Service::Ecs, "RegisterTaskDefinition"),
    (Service::Ecs, "CreateService"),
    (Service::Ecs, "UpdateService"),
    (Service::Ecs, "DeleteService"),
    (Service::Elbv2, "ModifyListener"),
    (Service::Ecs, "DescribeServices"),
];

#[tokio::test(start_paused = true)]
async fn answers_and_requests_that_are_lost_change_nothing() {
    let failure = || {
        AwsError::new(
            "InternalFailure",
            "We encountered an internal error. Please try again.",
        )
    };
    let effects = [
        Effect::LoseAnswer,
        Effect::LoseRequest,
        Effect::ErrorAfter(failure()),
        Effect::SlowAnswer(15_000),
    ];
    // With every run of the tests each call and each effect, a fourth of the pairs.
    let all = Dose::asked() != Dose::Small;
    for (n, (service, operation)) in WRITES.into_iter().enumerate() {
        let asked = |m: &usize| all || (n + m).is_multiple_of(4);
        for effect in (0..effects.len()).filter(asked).map(|m| &effects[m]) {
            let (stage, _operator) = serving().await;
            let fault = |nth| Fault {
                service: Some(service),
                operation: Some(operation.to_owned()),
                when: When::Nth(nth),
                effect: effect.clone(),
            };
            stage.emulator.faults().set(FaultSettings {
                plan: vec![fault(1), fault(2)],
                ..FaultSettings::default()
            });
            stage.wish("1.4.0");
            stage.settled_on("1.4.0").await;
            nobody_lost_a_request(&stage, &format!("{operation} {effect:?}"));
            let families = stage.person(
                Service::Ecs,
                "ListTaskDefinitions",
                serde_json::json!({"familyPrefix": "blog-teal"}),
            );
            let revisions = families["taskDefinitionArns"]
                .as_array()
                .map_or(0, Vec::len);
            assert!(
                revisions <= 3,
                "{operation} {effect:?}: {revisions} revisions are left"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn reads_that_lag_behind_change_nothing() {
    let (stage, _operator) = serving().await;
    let lag = [
        (Service::Ecs, 20_000),
        (Service::Elbv2, 8_000),
        (Service::Ssm, 8_000),
    ]
    .into();
    stage.emulator.faults().set(FaultSettings {
        read_lag_ms: lag,
        ..FaultSettings::default()
    });
    stage.wish("1.4.0");
    stage.settled_on("1.4.0").await;
    stage.wish("1.5.0");
    stage.settled_on("1.5.0").await;
    nobody_lost_a_request(&stage, "read lag");
    let created = stage.emulator.faults().calls(Service::Ecs, "CreateService");
    assert_eq!(created, 3, "one service a release, whatever the reads show");
}

#[tokio::test(start_paused = true)]
async fn throttled_reads_hold_and_never_pass_for_verified() {
    let (stage, _operator) = serving().await;
    stage.wish("1.4.0");
    stage.entered("Bake").await;
    // From here on the rules cannot be read: blue must stay, whatever the clock says.
    let throttle = |operation: &str| Fault {
        service: Some(Service::Elbv2),
        operation: Some(operation.to_owned()),
        when: When::Always,
        effect: Effect::Throttle,
    };
    let plan = vec![throttle("DescribeListeners"), throttle("DescribeRules")];
    stage.emulator.faults().set(FaultSettings {
        plan,
        ..FaultSettings::default()
    });
    tokio::time::sleep(Duration::from_secs(1_200)).await;
    let running: Vec<u64> = stage
        .services()
        .iter()
        .filter_map(|service| service["runningCount"].as_u64())
        .collect();
    assert_eq!(
        running,
        [2, 2],
        "both colours at full size: {}",
        stage.picture()
    );
    stage.emulator.faults().set(FaultSettings::default());
    stage.settled_on("1.4.0").await;
    nobody_lost_a_request(&stage, "throttled");
}

#[tokio::test(start_paused = true)]
async fn a_third_of_all_calls_fails_and_the_release_still_ends() {
    for seed in 0..2 {
        // Each unknown outcome of a create waits until nothing of it can land, and most looks at AWS fail as a whole,
        // for which the queue waits up to a minute: most of an hour in the mean. No deadline is to cut that short.
        let (stage, _operator) = serving_within("1m", "24h").await;
        let sometimes = |effect| Fault {
            service: None,
            operation: None,
            when: When::Probability(0.1),
            effect,
        };
        let plan = vec![
            sometimes(Effect::Throttle),
            sometimes(Effect::LoseRequest),
            sometimes(Effect::LoseAnswer),
        ];
        stage.emulator.faults().set(FaultSettings {
            plan,
            seed,
            ..FaultSettings::default()
        });
        stage.wish("1.4.0");
        stage
            .until("1.4.0 alone", Duration::from_secs(80_000), |stage| {
                stage.live() == [("1.4.0".to_owned(), 1)]
            })
            .await;
        stage.emulator.faults().set(FaultSettings::default());
        stage.settled_on("1.4.0").await;
        nobody_lost_a_request(&stage, &format!("seed {seed}"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_rule_that_nobody_listed_holds_until_it_is() {
    let (stage, _operator) = serving().await;
    let rule = stage.person(
        Service::Elbv2,
        "CreateRule",
        serde_json::json!({
            "ListenerArn": stage.listeners[0],
            "Priority": 10,
            "Conditions": [{"Field": "path-pattern", "PathPatternConfig": {"Values": ["/old/*"]}}],
            "Actions": [{"Type": "forward", "TargetGroupArn": stage.groups[0]}],
        }),
    );
    let arn = rule["Rules"][0]["RuleArn"]
        .as_str()
        .expect("an ARN")
        .to_owned();
    let writes = stage.writes();
    stage.wish("1.4.0");
    stage
        .until("held", Duration::from_secs(300), |stage| {
            stage.get("status")["waitingOn"]["reason"] == "UnlistedRule"
        })
        .await;
    let message = stage.get("status")["waitingOn"]["message"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    assert!(message.contains("add `- rule:"), "{message}");
    assert_eq!(stage.writes(), writes, "nothing was changed");
    stage.person(
        Service::Elbv2,
        "DeleteRule",
        serde_json::json!({"RuleArn": arn}),
    );
    stage.settled_on("1.4.0").await;
    nobody_lost_a_request(&stage, "unlisted rule");
}

#[tokio::test(start_paused = true)]
async fn a_spec_that_vanishes_mid_rollout_freezes_it_and_deletes_nothing() {
    // Longer than two sweeps: a spec counts as gone when two have not found it.
    let (stage, _operator) = serving_with("5m").await;
    let spec = stage.get("spec");
    stage.wish("1.4.0");
    stage.entered("Bake").await;
    stage.remove("spec");
    tokio::time::sleep(Duration::from_secs(1_200)).await;
    assert_eq!(stage.live().len(), 2, "{}", stage.picture());
    stage.put("spec", &spec.to_string());
    stage.settled_on("1.4.0").await;
    nobody_lost_a_request(&stage, "spec gone");
}

#[tokio::test(start_paused = true)]
async fn green_that_dies_while_it_bakes_gives_way_to_blue() {
    let (stage, _operator) = serving().await;
    stage.wish("1.4.0");
    stage.entered("Bake").await;
    let failing = emulator::world::behaviour::Behaviour {
        health_status: 503,
        ..Default::default()
    };
    stage.behave("1.4.0", failing);
    stage.rejected_back_to("1.3.0").await;
    let reason = stage.get("status")["rejected"]["reason"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    assert!(reason.contains("no healthy target"), "{reason}");
}
