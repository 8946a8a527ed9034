//! What happens is told to whoever the spec names.

use std::time::Duration;

use emulator::api::Service;
use runtime::controller::Settings as Loop;
use serde_json::{Value, json};
use tests::Operator;

use crate::Scene;

impl Scene {
    /// 1.3.0 serves, and somebody is told of these events from here on.
    async fn telling(events: Value) -> Self {
        let mut scene = Self::without_operator(json!({}));
        let secret =
            json!({"Name": "/teal/secrets/ops", "Value": "shared", "Type": "SecureString"});
        scene.stage.person(Service::Ssm, "PutParameter", secret);
        scene.begin().await;
        let mut spec = scene.stage.get("spec");
        let webhook = json!({"url": "https://hooks.example/ops", "secret": {"parameter": "/teal/secrets/ops"}});
        spec["spec"]["notifications"] = json!([{"webhook": webhook, "events": events}]);
        scene.stage.put("spec", &spec.to_string());
        tokio::time::sleep(Duration::from_secs(120)).await;
        scene
    }

    fn types(&self) -> Vec<String> {
        let told = self.wire.hooked().into_iter();
        told.map(|one| one.body["type"].as_str().expect("a type").to_owned())
            .collect()
    }

    fn counted(&self, result: &str) -> f64 {
        let operator = self.operator.as_ref().expect("one runs");
        let families = operator.registry.gather();
        let family = families
            .iter()
            .find(|one| one.name() == "teal_notifications_total");
        let series = family.expect("it is there").get_metric();
        let of = |one: &&prometheus::proto::Metric| one.get_label()[0].value() == result;
        series
            .iter()
            .find(of)
            .expect("a series")
            .get_counter()
            .get_value()
    }
}

#[tokio::test(start_paused = true)]
async fn a_release_is_told_from_its_begin_to_its_end() {
    let scene = Scene::telling(json!([])).await;
    let before = scene.types().len();
    scene.stage.wish("1.4.0");
    scene.stage.settled_on("1.4.0").await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    let told = scene.types().split_off(before);
    assert_eq!(
        told.first().map(String::as_str),
        Some("ReleaseStarted"),
        "{told:?}"
    );
    for reason in [
        "ServiceCreated",
        "TrafficShifted",
        "BakeStarted",
        "CleanUpStarted",
        "ReleaseSucceeded",
    ] {
        assert!(told.iter().any(|one| one == reason), "{reason}: {told:?}");
    }
    let all = scene.wire.hooked();
    let mut ids: Vec<_> = all.iter().map(|one| &one.id).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(
        ids.len(),
        all.len(),
        "each has an id of its own, and is told once"
    );
    let started = &all[before].body;
    assert_eq!(started["data"]["application"], "blog");
    assert_eq!(started["data"]["note"], "the rollout of 1.4.0 began");
    scene.nobody_lost_a_request();
}

#[tokio::test(start_paused = true)]
async fn who_cannot_be_told_is_told_later_with_the_same_id_and_nothing_waits() {
    let scene = Scene::telling(json!(["ReleaseStarted"])).await;
    scene.wire.hook_answers(&[(503, ""), (500, ""), (200, "")]);
    let begun = scene.stage.emulator.now();
    scene.stage.wish("1.4.0");
    scene.stage.settled_on("1.4.0").await;
    let took = scene.stage.emulator.now() - begun;
    let told = scene.wire.hooked();
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(told.iter().all(|one| one.id == told[0].id), "{told:?}");
    assert_eq!(scene.counted("sent"), 1.0);
    // The same release with nobody to tell.
    scene.wire.hook_answers(&[(503, "")]);
    let begun = scene.stage.emulator.now();
    scene.stage.wish("1.5.0");
    scene.stage.settled_on("1.5.0").await;
    let alone = scene.stage.emulator.now() - begun;
    assert!(alone.abs_diff(took) < 30_000, "{took} and {alone}");
    tokio::time::sleep(Duration::from_secs(900)).await;
    assert_eq!(scene.types().len(), 3 + 5, "five tries, and no more");
    assert_eq!(scene.counted("failed"), 1.0);
    scene.nobody_lost_a_request();
}

#[tokio::test(start_paused = true)]
async fn an_operator_that_only_observes_tells_nobody() {
    let mut scene = Scene::telling(json!([])).await;
    scene.operator.take().expect("one runs").kill().await;
    let before = scene.types().len();
    let emulator = &scene.stage.emulator;
    let _watches = Operator::start_over(&scene.wire, emulator, Loop::default(), false);
    scene.stage.wish("1.4.0");
    tokio::time::sleep(Duration::from_secs(300)).await;
    assert_eq!(scene.types().len(), before);
}
