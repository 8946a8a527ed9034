//! Tasks of gates that nobody waits for any more.

use std::time::Duration;

use emulator::api::Service;
use emulator::faults::FaultSettings;
use emulator::faults::plan::{Effect, Fault, When};
use serde_json::{Value, json};

use crate::{LONG, Scene, ends};

impl Scene {
    /// A migration of 1.4.0 that takes an hour.
    async fn with_a_long_migration(more: Value) -> Self {
        let mut gate = json!({"ecsTask": {"container": "web", "command": ["bin/migrate"]}, "before": "ScaleUp"});
        let members = more.as_object().expect("members");
        gate.as_object_mut()
            .expect("a gate")
            .extend(members.clone());
        let scene = Self::with(json!({"migrate": gate})).await;
        scene.stage.behave("1.4.0 bin/migrate", ends(3_600_000, 0));
        scene.stage.wish("1.4.0");
        let runs = |stage: &tests::Stage| {
            let message = stage.get("status")["waitingOn"]["message"].to_string();
            message.contains("is RUNNING")
        };
        scene.stage.until("it runs", LONG, runs).await;
        scene
    }

    fn stops(&self) -> usize {
        let writes = self.wire.writes();
        writes.iter().filter(|(_, what)| what == "StopTask").count()
    }

    /// Tasks of the gate that run, or are about to.
    fn running(&self) -> Vec<Value> {
        self.migrations("RUNNING")
    }

    fn abort(&self) {
        let abort = json!({"rollout": self.stage.get("status")["rollout"]});
        self.stage.put("intents/abort", &abort.to_string());
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_that_takes_too_long_is_stopped_once_and_the_release_fails() {
    let scene = Scene::with_a_long_migration(json!({"timeout": "3m"})).await;
    scene.stage.rejected_back_to("1.3.0").await;
    assert_eq!(
        scene.rejection(),
        "gate migrate failed: it took longer than 180 s"
    );
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert_eq!((scene.stops(), scene.running().len()), (1, 0));
    scene.nobody_lost_a_request();
}

#[tokio::test(start_paused = true)]
async fn an_abort_and_a_newer_release_stop_the_task_of_the_old_one() {
    let scene = Scene::with_a_long_migration(json!({})).await;
    scene.abort();
    scene.stage.rejected_back_to("1.3.0").await;
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert_eq!((scene.stops(), scene.running().len()), (1, 0));

    scene.stage.behave("1.5.0 bin/migrate", ends(3_600_000, 0));
    scene.stage.behave("1.6.0 bin/migrate", ends(1_000, 0));
    scene.stage.wish("1.5.0");
    let one_runs = |_: &tests::Stage| !scene.running().is_empty();
    scene.stage.until("it runs", LONG, one_runs).await;
    scene.stage.wish("1.6.0");
    scene.stage.settled_on("1.6.0").await;
    assert_eq!((scene.stops(), scene.running().len()), (2, 0));
    scene.nobody_lost_a_request();
}

#[tokio::test(start_paused = true)]
async fn a_restart_stops_nothing_and_what_is_to_finish_is_left() {
    let mut scene = Scene::with_a_long_migration(json!({})).await;
    scene.restart().await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(
        (scene.stops(), scene.running().len()),
        (0, 1),
        "the same task goes on"
    );
    scene.abort();
    scene.stage.rejected_back_to("1.3.0").await;
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert_eq!((scene.stops(), scene.running().len()), (1, 0));

    let task = json!({"container": "web", "command": ["bin/migrate"], "onAbort": "finish"});
    let scene = Scene::with_a_long_migration(json!({"ecsTask": task})).await;
    scene.abort();
    scene.stage.rejected_back_to("1.3.0").await;
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert_eq!(
        (scene.stops(), scene.running().len()),
        (0, 1),
        "it is left to its end"
    );
}

#[tokio::test(start_paused = true)]
async fn a_task_whose_release_ends_while_no_operator_runs_is_stopped_by_the_next_one() {
    let finish = json!({"container": "web", "command": ["bin/migrate"], "onAbort": "finish"});
    for (more, stops) in [(json!({}), 1), (json!({"ecsTask": finish}), 0)] {
        let mut scene = Scene::with_a_long_migration(more).await;
        scene.operator.take().expect("one runs").kill().await;
        scene.stage.behave("1.5.0 bin/migrate", ends(1_000, 0));
        scene.stage.wish("1.5.0");
        scene.start();
        scene.stage.settled_on("1.5.0").await;
        assert_eq!((scene.stops(), scene.running().len()), (stops, 1 - stops));
        scene.nobody_lost_a_request();
    }
}

#[tokio::test(start_paused = true)]
async fn a_stop_that_is_denied_is_sent_three_times_and_holds_nothing() {
    let scene = Scene::with_a_long_migration(json!({})).await;
    let denied = Fault {
        service: Some(Service::Ecs),
        operation: Some("StopTask".to_owned()),
        when: When::Always,
        effect: Effect::AccessDenied,
    };
    scene.stage.emulator.faults().set(FaultSettings {
        plan: vec![denied],
        ..FaultSettings::default()
    });
    scene.abort();
    scene.stage.rejected_back_to("1.3.0").await;
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(scene.stops(), 3);
    scene.nobody_lost_a_request();
}
