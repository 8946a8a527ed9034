//! Alarms and analyses: what is red before, what has no data, what cannot be read.

use emulator::api::Service;
use emulator::faults::{Effect, When};
use planner::ablation::Rule;
use serde_json::{Value, json};

use crate::scene::{BLUE, GREEN, Scene, fault, pass, world};

/// Users are there, and half of what is released goes to them first; `changed` says what is watched.
async fn watching(changed: Value) -> Scene {
    Scene::serving_in(world(), |spec| {
        let steps = json!([{"setWeight": 50}, {"pause": "10s"}]);
        spec["strategy"] = json!({"canary": {"steps": steps}});
        spec["deadlines"]["shift"] = "30m".into();
        spec["bakeTime"] = "10m".into();
        for (field, value) in changed.as_object().into_iter().flatten() {
            spec[field] = value.clone();
        }
    })
    .await
}

/// An alarm is red, and a release is asked for. Returns whether it was created.
async fn asked_for_while_an_alarm_is_red(off: &[Rule]) -> bool {
    let scene = watching(json!({"alarms": {"names": ["blog-5xx"]}})).await;
    let person = |operation: &str, input: Value| {
        scene.stage.person(Service::CloudWatch, operation, input);
    };
    person(
        "PutMetricAlarm",
        json!({
            "AlarmName": "blog-5xx", "Namespace": "Blog", "MetricName": "Errors", "Statistic": "Sum", "Period": 60,
            "EvaluationPeriods": 1, "Threshold": 0.0, "ComparisonOperator": "GreaterThanThreshold",
            "TreatMissingData": "ignore",
        }),
    );
    let red =
        json!({"AlarmName": "blog-5xx", "StateValue": "ALARM", "StateReason": "since before"});
    person("SetAlarmState", red);
    let _operator = scene.operator(off);
    pass(40).await;
    scene.stage.wish(GREEN);
    let created = scene.reaches(120, |_| scene.count(GREEN, "desiredCount") > 0);
    let created = created.await;
    let told = scene.stage.get("status")["rejected"]["reason"].clone();
    assert!(
        created || told == "alarms: blog-5xx is in ALARM: since before",
        "{told}"
    );
    created
}

#[tokio::test(start_paused = true)]
async fn gallery_g23_what_is_red_before_refuses_the_release() {
    assert!(!asked_for_while_an_alarm_is_red(&[]).await);
}

#[tokio::test(start_paused = true)]
async fn gallery_g23_fails_without_the_watches() {
    assert!(asked_for_while_an_alarm_is_red(&[Rule::Watches]).await);
}

/// Nobody is there while green is measured, and then users come. Returns whether the release succeeds.
async fn released_at_night(on_no_data: &str) -> bool {
    let errors = json!({"successRate": {"atLeast": 99}, "onNoData": on_no_data});
    let mut scene = watching(json!({"analysis": {"errors": errors}})).await;
    let _operator = scene.operator(&[]);
    pass(40).await;
    scene.stage.close();
    pass(240).await;
    scene.stage.wish(GREEN);
    pass(600).await;
    scene.stage.open(10.0);
    scene.settles_on(GREEN, 1_800).await
}

#[tokio::test(start_paused = true)]
async fn gallery_g29_no_data_is_no_failure() {
    assert!(released_at_night("hold").await);
}

#[tokio::test(start_paused = true)]
async fn gallery_g29_fails_where_no_data_counts_as_bad() {
    assert!(!released_at_night("fail").await);
}

/// CloudWatch answers nobody for some minutes of the shift. Returns whether the release succeeds.
async fn released_while_nothing_can_be_measured(on_error: &str, error_limit: u32) -> bool {
    let errors =
        json!({"successRate": {"atLeast": 99}, "onError": on_error, "errorLimit": error_limit});
    let scene = watching(json!({"analysis": {"errors": errors}})).await;
    let _operator = scene.operator(&[]);
    pass(40).await;
    scene.faults(vec![fault(
        Service::CloudWatch,
        "GetMetricData",
        When::Always,
        Effect::Throttle,
    )]);
    scene.stage.wish(GREEN);
    pass(500).await;
    scene.no_faults();
    let succeeds = scene.settles_on(GREEN, 1_800).await;
    assert!(succeeds || scene.falls_back_to(BLUE, 1_800).await);
    assert_eq!(scene.failed(), 0);
    succeeds
}

#[tokio::test(start_paused = true)]
async fn gallery_g30_an_outage_of_the_metrics_is_no_failure() {
    assert!(released_while_nothing_can_be_measured("hold", 4).await);
}

#[tokio::test(start_paused = true)]
async fn gallery_g30_fails_where_the_first_error_counts_as_bad() {
    assert!(!released_while_nothing_can_be_measured("fail", 0).await);
}
