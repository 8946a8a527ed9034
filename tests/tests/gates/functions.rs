//! Lambda functions as gates.

use std::time::Duration;

use emulator::api::Service;
use emulator::faults::FaultSettings;
use emulator::faults::plan::{Effect, Fault, When};
use emulator::world::lambda::{Answer, Function, Run};
use serde_json::{Value, json};

use crate::{LONG, Scene};

const NAME: &str = "blog-smoke-test";

impl Scene {
    /// The blog with one gate, a function.
    async fn with_function(more: Value) -> Self {
        let mut gate = json!({"lambda": {"function": NAME, "hookDetails": {"url": "http://blog.example:9080/"}}});
        let members = more.as_object().expect("members");
        gate.as_object_mut()
            .expect("a gate")
            .extend(members.clone());
        let mut scene = Self::without_operator(json!({"smoke": gate}));
        scene.answers([succeeded()]);
        scene.begin().await;
        scene.forget();
        scene
    }

    /// What the function does from here on.
    fn answers(&self, answers: impl Into<Vec<Answer>>) {
        let answers = answers.into();
        self.stage.emulator.with(|world| {
            let functions = &mut world.settings.functions;
            functions.insert(NAME.to_owned(), Function { answers });
        });
    }

    fn forget(&self) {
        self.stage.emulator.with(|world| world.lambda.runs.clear());
    }

    fn runs(&self) -> Vec<Run> {
        let runs = |world: &mut emulator::world::World| world.lambda.runs.get(NAME).cloned();
        self.stage.emulator.with(runs).unwrap_or_default()
    }

    fn ids(&self) -> Vec<String> {
        let id = |run: Run| {
            run.event["executionId"]
                .as_str()
                .expect("a text")
                .to_owned()
        };
        self.runs().into_iter().map(id).collect()
    }

    async fn told(&self, what: &str) {
        let told = |stage: &tests::Stage| {
            let message = stage.get("status")["waitingOn"]["message"].clone();
            message
                .as_str()
                .is_some_and(|message| message.contains(what))
        };
        self.stage.until(what, LONG, told).await;
    }
}

fn returns(answer: Value) -> Answer {
    Answer::Returns(answer)
}

fn succeeded() -> Answer {
    returns(json!({"hookStatus": "SUCCEEDED"}))
}

#[tokio::test(start_paused = true)]
async fn a_hook_of_amazon_ecs_is_asked_as_amazon_ecs_asks_it() {
    let scene = Scene::with_function(json!({})).await;
    scene.answers([
        returns(
            json!({"hookStatus": "IN_PROGRESS", "callBackDelay": 7, "hookDetails": {"job": 1}}),
        ),
        returns(json!({"hookStatus": "IN_PROGRESS"})),
        succeeded(),
    ]);
    scene.stage.wish("1.4.0");
    scene.stage.settled_on("1.4.0").await;
    let runs = scene.runs();
    assert_eq!(runs.len(), 3, "{runs:?}");
    let waits: Vec<u64> = runs
        .windows(2)
        .map(|two| (two[1].at - two[0].at) / 1_000)
        .collect();
    assert_eq!(waits, [7, 30]);
    let first = &runs[0].event;
    assert_eq!(first["lifecycleStage"], "POST_TEST_TRAFFIC_SHIFT");
    assert_eq!(
        first["hookDetails"],
        json!({"url": "http://blog.example:9080/"})
    );
    let green = first["executionDetails"]["serviceArn"]
        .as_str()
        .expect("green is there");
    assert!(green.contains(":service/prod/blog-1-4-0-"), "{green}");
    assert_eq!(first["LifecycleEventHookExecutionId"], first["executionId"]);
    assert_eq!(first["teal"]["version"], "1.4.0");
    assert!(
        runs.iter()
            .all(|run| run.event["executionId"] == first["executionId"])
    );
    assert_eq!(runs[1].event["hookDetails"], json!({"job": 1}));
    assert_eq!(
        runs[2].event["hookDetails"],
        json!({"job": 1}),
        "kept until it says another"
    );
    scene.nobody_lost_a_request();
}

#[tokio::test(start_paused = true)]
async fn a_function_that_says_failed_ends_the_release_before_users_see_it() {
    let scene = Scene::with_function(json!({"attempts": 2, "every": "5s"})).await;
    scene.answers([returns(json!({"hookStatus": "FAILED", "reason": "3 of 7"}))]);
    scene.stage.wish("1.4.0");
    scene.stage.rejected_back_to("1.3.0").await;
    let reason = "gate smoke failed: function blog-smoke-test returned FAILED: 3 of 7";
    assert_eq!(scene.rejection(), reason);
    let ids = scene.ids();
    assert_eq!(ids.len(), 2, "as often as the spec says");
    assert_ne!(ids[0], ids[1], "another try is another execution");
    scene.nobody_saw("1.4.0");
    scene.nobody_lost_a_request();
}

#[tokio::test(start_paused = true)]
async fn what_a_broken_a_busy_or_a_codedeploy_function_says_is_neither_yes_nor_no() {
    let scene = Scene::with_function(json!({"every": "2s"})).await;
    let cases = [
        (
            Answer::Throws("no route".to_owned()),
            "broke: Error: no route",
        ),
        (
            Answer::Throttled,
            "Invoke on blog-smoke-test failed (throttled)",
        ),
        (
            returns(Value::Null),
            "what a function tells CodeDeploy it must return here",
        ),
    ];
    scene.answers([cases[0].0.clone()]);
    scene.stage.wish("1.4.0");
    for (answer, message) in cases {
        scene.answers([answer]);
        scene.told(message).await;
    }
    scene.answers([succeeded()]);
    scene.stage.settled_on("1.4.0").await;
    let ids = scene.ids();
    assert!(
        ids.len() > 3 && ids.iter().all(|id| *id == ids[0]),
        "{ids:?}"
    );
    scene.nobody_lost_a_request();
}

#[tokio::test(start_paused = true)]
async fn a_denied_call_holds_until_the_deadline_and_names_the_action() {
    let scene = Scene::with_function(json!({})).await;
    scene.stage.emulator.faults().set(FaultSettings {
        plan: vec![Fault {
            service: Some(Service::Lambda),
            operation: Some("Invoke".to_owned()),
            when: When::Always,
            effect: Effect::AccessDenied,
        }],
        ..FaultSettings::default()
    });
    scene.stage.wish("1.4.0");
    scene.stage.rejected_back_to("1.3.0").await;
    let reason = scene.rejection();
    assert!(
        reason.starts_with("Validate did not end before its deadline: gate smoke: Invoke on"),
        "{reason}"
    );
    assert!(
        reason.contains("allow lambda:InvokeFunction in the policy"),
        "{reason}"
    );
    scene.nobody_saw("1.4.0");
    scene.nobody_lost_a_request();
}

#[tokio::test(start_paused = true)]
async fn with_on_error_fail_a_broken_function_fails_as_amazon_ecs_has_it() {
    let scene = Scene::with_function(json!({"onError": "fail"})).await;
    scene.answers([Answer::Throws("no route".to_owned())]);
    scene.stage.wish("1.4.0");
    scene.stage.rejected_back_to("1.3.0").await;
    let reason = "gate smoke failed: function blog-smoke-test broke: Error: no route";
    assert_eq!(scene.rejection(), reason);
    assert_eq!(scene.runs().len(), 1);
    scene.nobody_lost_a_request();
}

#[tokio::test(start_paused = true)]
async fn a_restart_goes_on_with_the_same_execution_and_a_slow_one_ends_at_its_time_out() {
    let mut scene = Scene::with_function(json!({"timeout": "3m"})).await;
    scene.answers([returns(
        json!({"hookStatus": "IN_PROGRESS", "callBackDelay": 10}),
    )]);
    scene.stage.wish("1.4.0");
    scene.told("function blog-smoke-test is in progress").await;
    scene.restart().await;
    scene.stage.rejected_back_to("1.3.0").await;
    assert_eq!(
        scene.rejection(),
        "gate smoke failed: it took longer than 180 s"
    );
    let (ids, runs) = (scene.ids(), scene.runs());
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    let took = Duration::from_millis(runs.last().expect("runs").at - runs[0].at);
    assert!(took >= Duration::from_secs(180), "{took:?}");
    scene.nobody_saw("1.4.0");
    scene.nobody_lost_a_request();
}
