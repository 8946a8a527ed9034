//! What the status says in each stage of each strategy, through the real SDK.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test says so by failing"
)]

use std::fmt::Write;
use std::time::Duration;

use emulator::world::Settings;
use emulator::world::behaviour::{Behaviour, Exit};
use serde_json::{Value, json};
use tests::Stage;

/// One line for people of what a program finds in the status. Which moment of a wait is seen does not matter.
fn told(status: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let version = |of: &str| text(&status[of]["version"]);
    let mut line = format!(
        "{}, {}: desired {}, serving {}, last good {}",
        text(&status["phase"]),
        text(&status["stage"]),
        version("desired"),
        version("serving"),
        version("lastGood"),
    );
    let shares = |weights: &Value| format!("{}/{}", weights["blue"], weights["green"]);
    let weights = &status["weights"];
    let read = weights["read"].as_array().into_iter().flatten();
    let read: Vec<String> = read.map(|rule| shares(&rule["weights"])).collect();
    let _ = write!(line, "; blue/green read {}", read.join(" and "));
    if weights["asked"].is_object() {
        let _ = write!(line, ", asked {}", shares(&weights["asked"]));
    }
    let step = &status["step"];
    if step.is_object() {
        let what = text(&step["does"]);
        let _ = write!(line, "; step {} of {}: {what}", step["index"], step["of"]);
    }
    if let Some(reason) = status["waitingOn"]["reason"].as_str() {
        let deadline = if status["waitingOn"]["deadline"].is_string() {
            "with"
        } else {
            "without"
        };
        let _ = write!(line, "; waits for {reason} {deadline} a deadline");
    }
    let conditions = status["conditions"].as_array().into_iter().flatten();
    let on = conditions.filter(|condition| condition["status"] == "True");
    let on: Vec<String> = on.map(|condition| text(&condition["type"])).collect();
    let _ = write!(line, "; {}", on.join(" "));
    if let Some(rejected) = status["rejected"].as_object() {
        let _ = write!(
            line,
            "; rejected {}: {}",
            text(&rejected["version"]),
            text(&rejected["reason"])
        );
    }
    line
}

/// Each thing that the status says in turn, from the wish for 1.4.0 to the end.
async fn story(strategy: Value, bad: bool) -> String {
    story_of(|spec| spec["strategy"] = strategy.clone(), bad).await
}

/// The same of an Application with a changed spec.
async fn story_of(change: impl Fn(&mut Value), bad: bool) -> String {
    let mut stage = Stage::with(Settings::default(), |mut application| {
        application["spec"]["bakeTime"] = "2m".into();
        change(&mut application["spec"]);
        application
    });
    stage.wish("1.3.0");
    let _operator = stage.operator();
    stage.settled_on("1.3.0").await;
    stage.open(5.0);
    if bad {
        // The load balancer finds it ill, and where there is none it dies.
        let dies = Exit {
            after_ms: 5_000,
            code: 3,
        };
        let worker = stage.get("spec")["spec"]["worker"].is_object();
        let ill = Behaviour {
            health_status: 500,
            exits: worker.then_some(dies),
            ..Behaviour::default()
        };
        stage.behave("1.4.0", ill);
    }
    let mut lines = vec![told(&stage.get("status"))];
    stage.wish("1.4.0");
    for second in 0.. {
        assert!(second < 7_200, "{}", stage.picture());
        tokio::time::sleep(Duration::from_secs(1)).await;
        let status = stage.get("status");
        let line = told(&status);
        if lines.last() != Some(&line) {
            lines.push(line);
        }
        if stage.get("status")["waitingOn"]["reason"] == "Promotion" {
            let intent = json!({"rollout": status["rollout"], "step": status["step"]["index"], "full": false});
            stage.put("intents/promote", &intent.to_string());
        }
        let over = status["history"]
            .as_array()
            .is_some_and(|ended| ended.iter().any(|ended| ended["version"] == "1.4.0"));
        if over
            && ["Settled", "Failed"]
                .iter()
                .any(|phase| status["phase"] == *phase)
        {
            break;
        }
    }
    lines.join("\n")
}

#[tokio::test(start_paused = true)]
async fn all_at_once() {
    insta::assert_snapshot!(story(json!({"blueGreen": {}}), false).await);
}

#[tokio::test(start_paused = true)]
async fn step_by_step() {
    let steps = json!([{"setWeight": 10}, {"pause": "1m"}, {"setWeight": 50}, {"pause": {}}]);
    insta::assert_snapshot!(story(json!({"canary": {"steps": steps}}), false).await);
}

#[tokio::test(start_paused = true)]
async fn in_equal_steps() {
    let linear = json!({"stepPercent": 40, "interval": "1m"});
    insta::assert_snapshot!(story(json!({"linear": linear}), false).await);
}

#[tokio::test(start_paused = true)]
async fn a_release_that_never_comes_up() {
    insta::assert_snapshot!(story(json!({"blueGreen": {}}), true).await);
}

fn without_a_load_balancer(spec: &mut Value) {
    if let Some(fields) = spec.as_object_mut() {
        fields.remove("traffic");
    }
    spec["worker"] = json!({"overlap": true});
}

#[tokio::test(start_paused = true)]
async fn a_worker() {
    insta::assert_snapshot!(story_of(without_a_load_balancer, false).await);
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_never_works() {
    insta::assert_snapshot!(story_of(without_a_load_balancer, true).await);
}

fn in_place(spec: &mut Value) {
    without_a_load_balancer(spec);
    spec["strategy"] = json!({"rolling": {}});
}

#[tokio::test(start_paused = true)]
async fn a_rolling_update() {
    insta::assert_snapshot!(story_of(in_place, false).await);
}

#[tokio::test(start_paused = true)]
async fn a_rolling_update_that_never_works() {
    insta::assert_snapshot!(story_of(in_place, true).await);
}
