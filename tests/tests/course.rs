//! The rules for changing course, one by one: which scenarios show each, held to be there, and those that stand nowhere
//! else. (Rules: precedence, abort, a newer wish, a failure, a restart, drift, an unlisted rule, a pause, scaling, an
//! unhealthy blue, gates, deadlines, read errors, a spec that goes or changes.)

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test says so by failing"
)]

use std::path::Path;
use std::time::Duration;

use emulator::api::Service;
use emulator::world::Settings;
use serde_json::{Value, json};
use tests::{Operator, Stage};

const LONG: Duration = Duration::from_secs(1_800);

/// Each rule, and where it is shown: file beside this one, and test.
const SHOWN: [(&str, &[(&str, &str)]); 14] = [
    (
        "1 precedence: repair, abort, new wish, pause, promote, timers",
        &[
            (
                "gallery/weights.rs",
                "gallery_g18_production_points_at_an_empty_group",
            ),
            ("gallery/course.rs", "gallery_g16_abort_goes_before_promote"),
            ("course.rs", "in_a_pause_it_goes_back_when_asked_to"),
            ("strategies.rs", "a_pause_outlasts_a_restart_and_is_told"),
        ],
    ),
    (
        "2 abort depends on blue's proven health and size alone",
        &[
            (
                "gallery/aborts.rs",
                "gallery_g04_abort_while_green_is_pending",
            ),
            (
                "gallery/aborts.rs",
                "gallery_g09_what_should_serve_again_is_broken",
            ),
            (
                "strategies.rs",
                "an_abort_goes_back_at_once_and_is_remembered",
            ),
        ],
    ),
    (
        "3 a newer wish while one is on its way",
        &[
            (
                "releases.rs",
                "a_newer_release_at_any_stage_takes_the_place",
            ),
            (
                "releases.rs",
                "back_to_what_serves_at_any_stage_is_a_cancel",
            ),
            (
                "gallery/aborts.rs",
                "gallery_g36_a_bake_does_not_block_the_next_release",
            ),
        ],
    ),
    (
        "4 a failure rejects its generation, and that alone",
        &[
            (
                "releases.rs",
                "a_release_that_crashes_at_start_is_rejected_with_its_exit_code",
            ),
            (
                "gallery/failures.rs",
                "gallery_g40_a_rejection_blocks_itself_alone",
            ),
        ],
    ),
    (
        "5 a restart, a crash and another leader alter nothing",
        &[
            (
                "faults.rs",
                "an_operator_killed_after_any_odd_step_changes_nothing",
            ),
            (
                "faults.rs",
                "an_operator_killed_after_any_even_step_changes_nothing",
            ),
            (
                "leadership.rs",
                "a_leader_that_dies_is_followed_after_a_term_and_a_grace_wherever_it_was",
            ),
        ],
    ),
    (
        "6 drift is healed, dead traffic at once, and a fight holds",
        &[
            ("releases.rs", "weights_that_someone_resets_are_healed"),
            (
                "gallery/weights.rs",
                "gallery_g18_production_points_at_an_empty_group",
            ),
            (
                "gallery/weights.rs",
                "gallery_g19_a_second_writer_holds_the_rollout",
            ),
        ],
    ),
    (
        "7 a rule that nobody listed holds",
        &[("faults.rs", "a_rule_that_nobody_listed_holds_until_it_is")],
    ),
    (
        "8 a pause stops progress, not safety",
        &[
            ("course.rs", "in_a_pause_it_goes_back_when_asked_to"),
            ("course.rs", "in_a_pause_dead_traffic_is_repaired"),
        ],
    ),
    (
        "9 green starts at blue's live count and follows it",
        &[
            (
                "gallery/aborts.rs",
                "gallery_g27_green_starts_at_the_live_count",
            ),
            (
                "course.rs",
                "green_follows_the_count_of_blue_while_both_live",
            ),
        ],
    ),
    (
        "10 an unhealthy blue never blocks the fix",
        &[(
            "gallery/failures.rs",
            "gallery_g11_a_dead_blue_does_not_block_the_fix",
        )],
    ),
    (
        "11 gates are three-valued, and run at most once",
        &[
            (
                "gates/main.rs",
                "a_test_that_reaches_nobody_holds_until_the_deadline_and_quotes_the_cause",
            ),
            (
                "gates/main.rs",
                "a_migration_runs_once_as_the_release_before_green_is_there",
            ),
            (
                "gallery/course.rs",
                "gallery_g06_a_test_that_was_cut_off_has_not_passed",
            ),
        ],
    ),
    (
        "12 every stage has a deadline that quotes its cause",
        &[
            (
                "releases.rs",
                "a_release_that_crashes_at_start_is_rejected_with_its_exit_code",
            ),
            (
                "watches.rs",
                "green_that_nobody_uses_gets_no_more_until_the_deadline",
            ),
        ],
    ),
    (
        "13 read errors are not changes",
        &[
            (
                "gallery/reads.rs",
                "gallery_g10_an_unreadable_wish_is_not_a_change",
            ),
            (
                "faults.rs",
                "throttled_reads_hold_and_never_pass_for_verified",
            ),
        ],
    ),
    (
        "14 a spec that goes freezes; one that changes applies at once",
        &[
            (
                "faults.rs",
                "a_spec_that_vanishes_mid_rollout_freezes_it_and_deletes_nothing",
            ),
            (
                "course.rs",
                "another_strategy_applies_at_once_and_another_template_is_another_release",
            ),
        ],
    ),
];

#[test]
fn every_rule_has_its_scenario() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    for (rule, scenarios) in SHOWN {
        assert!(!scenarios.is_empty(), "{rule}");
        for (file, test) in scenarios {
            let text = std::fs::read_to_string(here.join(file)).expect(file);
            let lines: Vec<&str> = text.lines().map(str::trim).collect();
            let there = lines.windows(2).any(|pair| {
                let is_test =
                    pair[0].starts_with("#[test]") || pair[0].starts_with("#[tokio::test");
                is_test && pair[1].contains(&format!("fn {test}("))
            });
            assert!(there, "{rule}: {file} has no test {test}");
        }
    }
}

/// 1.4.0 has a fifth of the traffic, and waits for a person.
async fn halfway() -> (Stage, Operator) {
    let strategy = json!({"canary": {"steps": [{"setWeight": 20}, {"pause": {}}]}});
    let mut stage = Stage::with(Settings::default(), |mut application| {
        application["spec"]["strategy"] = strategy.clone();
        application
    });
    stage.wish("1.3.0");
    let operator = stage.operator();
    stage.settled_on("1.3.0").await;
    stage.open(20.0);
    stage.wish("1.4.0");
    let there = |stage: &Stage| stage.weights(0) == [Some(80), Some(20)];
    stage.until("a fifth", LONG, there).await;
    (stage, operator)
}

fn paused(stage: &Stage) -> bool {
    stage.get("status")["waitingOn"]["reason"] == "Paused"
}

async fn pause(stage: &Stage) {
    stage.put("intents/pause", "{\"paused\":true}");
    stage.until("paused", LONG, paused).await;
}

/// The only service of this version.
fn service(stage: &Stage, version: &str) -> Value {
    let is = |service: &&Value| {
        let mut tags = service["tags"].as_array().unwrap().iter();
        tags.any(|tag| tag["key"] == "teal:version" && tag["value"] == version)
    };
    let services = stage.services();
    let found: Vec<&Value> = services.iter().filter(is).collect();
    assert_eq!(found.len(), 1, "{version}: {}", stage.picture());
    found[0].clone()
}

fn nobody_lost_a_request(stage: &Stage) {
    let users = stage.users();
    assert!(users.requests > 100, "users were there: {users:?}");
    assert_eq!(users.failed, 0, "{users:?}");
}

#[tokio::test(start_paused = true)]
async fn in_a_pause_it_goes_back_when_asked_to() {
    let (stage, _operator) = halfway().await;
    pause(&stage).await;
    let rollout = stage.get("status")["rollout"].clone();
    stage.put("intents/abort", &json!({"rollout": rollout}).to_string());
    let back = |stage: &Stage| stage.weights(0) == [Some(100), Some(0)];
    stage.until("back", Duration::from_secs(30), back).await;
    let alone = |stage: &Stage| stage.live() == [("1.3.0".to_owned(), 0)];
    stage.until("1.3.0 alone", LONG, alone).await;
    nobody_lost_a_request(&stage);
    // Neither resuming nor promoting brings it again.
    stage.put(
        "intents/promote",
        &json!({"rollout": rollout, "step": 1, "full": true}).to_string(),
    );
    stage.put("intents/pause", "{\"paused\":false}");
    stage.rejected_back_to("1.3.0").await;
    nobody_lost_a_request(&stage);
}

#[tokio::test(start_paused = true)]
async fn in_a_pause_dead_traffic_is_repaired() {
    let (mut stage, _operator) = halfway().await;
    pause(&stage).await;
    stage.close();
    let name = service(&stage, "1.4.0")["serviceName"].clone();
    stage.set_weights([Some(0), Some(100)]);
    let gone = json!({"cluster": "prod", "service": name, "force": true});
    stage.person(Service::Ecs, "DeleteService", gone);
    let back = |stage: &Stage| stage.weights(0)[0] > Some(0);
    stage
        .until(
            "traffic is where something lives",
            Duration::from_secs(120),
            back,
        )
        .await;
}

#[tokio::test(start_paused = true)]
async fn green_follows_the_count_of_blue_while_both_live() {
    let (stage, _operator) = halfway().await;
    let blue = service(&stage, "1.3.0")["serviceName"].clone();
    let scale = |count: u64| {
        let input = json!({"cluster": "prod", "service": blue, "desiredCount": count});
        stage.person(Service::Ecs, "UpdateService", input);
    };
    scale(5);
    let follows = |stage: &Stage| service(stage, "1.4.0")["runningCount"] == 5;
    stage.until("green has five tasks", LONG, follows).await;
    assert_eq!(stage.weights(0), [Some(80), Some(20)]);
    let (rollout, step) = (stage.get("status")["rollout"].clone(), 1);
    let on = json!({"rollout": rollout, "step": step, "full": true});
    stage.put("intents/promote", &on.to_string());
    stage.settled_on("1.4.0").await;
    assert_eq!(service(&stage, "1.4.0")["desiredCount"], 5);
    nobody_lost_a_request(&stage);
}

#[tokio::test(start_paused = true)]
async fn another_strategy_applies_at_once_and_another_template_is_another_release() {
    let (stage, _operator) = halfway().await;
    let first = service(&stage, "1.4.0")["serviceName"].clone();
    // Another template: the same version anew, by way of blue.
    let mut spec = stage.spec();
    spec["spec"]["strategy"] = json!({"canary": {"steps": [{"setWeight": 20}, {"pause": {}}]}});
    spec["spec"]["template"]["service"]["enableExecuteCommand"] = json!(true);
    stage.put("spec", &spec.to_string());
    let anew = |stage: &Stage| {
        let waits = stage.get("status")["waitingOn"]["reason"] == "Promotion";
        let services = stage.services();
        let mut names = services.iter().map(|service| &service["serviceName"]);
        waits && stage.weights(0) == [Some(80), Some(20)] && names.all(|name| *name != first)
    };
    stage
        .until("the other template has a fifth", LONG, anew)
        .await;
    assert_eq!(service(&stage, "1.4.0")["enableExecuteCommand"], true);
    // Another strategy: nobody is waited for any more.
    spec["spec"]["strategy"] = json!({"blueGreen": {}});
    stage.put("spec", &spec.to_string());
    stage.settled_on("1.4.0").await;
    assert_eq!(service(&stage, "1.4.0")["enableExecuteCommand"], true);
    nobody_lost_a_request(&stage);
}
