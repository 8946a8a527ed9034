//! A whole release under load.

use emulator::api::Service;
use emulator::dataplane::load::Load;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::stage::{Stage, sample, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_blue_green_switch_under_load_fails_no_request() {
    let stage = Stage::new();
    let (blue, green) = (stage.target_group("blue"), stage.target_group("green"));
    let (listener, _) = stage.listener(&[(&blue, 100), (&green, 0)]);
    stage.service("blue", &blue, sample("shop/web:1"), 2);
    stage.all(&blue, 2, "healthy").await;
    let front = stage.open(&listener).await;
    let load = Load::start(front, "/".parse().unwrap(), 8, &CancellationToken::new());
    until("blue answers", async || {
        load.statistics().answered_by("1") > 100
    })
    .await;

    stage.service("green", &green, sample("shop/web:2"), 2);
    stage.all(&green, 2, "healthy").await;
    assert_eq!(
        load.statistics().answered_by("2"),
        0,
        "weight 0 gets nothing"
    );
    stage.shift(&listener, &[(&blue, 50), (&green, 50)]);
    until("both answer", async || {
        load.statistics().answered_by("2") > 100
    })
    .await;
    stage.shift(&listener, &[(&blue, 0), (&green, 100)]);
    until("every node has shifted", async || {
        let (before, seen) = (load.statistics(), load.statistics().answered_by("2") + 1000);
        until("a thousand answers", async || {
            load.statistics().answered_by("2") > seen
        })
        .await;
        load.statistics().answered_by("1") == before.answered_by("1")
    })
    .await;
    stage.scale("blue", 0);
    until("blue is gone", async || {
        stage.stopped_tasks("blue").len() == 2
    })
    .await;
    let seen = load.statistics().answered_by("2");
    until("green goes on", async || {
        load.statistics().answered_by("2") > seen + 100
    })
    .await;

    let outcome = load.finish().await;
    assert_eq!((outcome.failed, &outcome.reasons), (0, &Default::default()));
    assert_eq!(
        outcome.requests,
        outcome.answered_by("1") + outcome.answered_by("2")
    );
    let versions = &outcome.versions;
    assert!(versions["1"].first < versions["2"].first && versions["1"].last < versions["2"].last);
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killing_every_task_under_load_is_counted_as_failure() {
    let stage = Stage::new();
    let group = stage.target_group("web");
    let (listener, _) = stage.listener(&[(&group, 1)]);
    stage.service("web", &group, sample("shop/web:1"), 1);
    stage.all(&group, 1, "healthy").await;
    let load = Load::start(
        stage.open(&listener).await,
        "/".parse().unwrap(),
        4,
        &CancellationToken::new(),
    );
    until("it answers", async || {
        load.statistics().answered_by("1") > 100
    })
    .await;
    stage.emulator.with(|world| {
        let exit = emulator::world::behaviour::Exit {
            after_ms: 0,
            code: 1,
        };
        world.settings.default_behaviour.exits = Some(exit);
    });
    until("requests fail", async || load.statistics().failed > 10).await;
    for metric in ["HTTPCode_ELB_5XX_Count", "HTTPCode_Target_2XX_Count"] {
        until("CloudWatch tells of it", async || {
            let listed = json!({"Namespace": "AWS/ApplicationELB", "MetricName": metric});
            let listed = stage
                .emulator
                .call(Service::CloudWatch, "ListMetrics", listed);
            listed.unwrap()["Metrics"] != json!([])
        })
        .await;
    }
    let reasons = load.finish().await.reasons;
    assert!(
        reasons
            .keys()
            .all(|reason| reason == "status 502" || reason == "status 503"),
        "{reasons:?}"
    );
}
