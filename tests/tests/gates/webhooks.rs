//! Webhooks as gates.

use emulator::api::Service;
use serde_json::{Value, json};

use crate::{LONG, Scene};

const SECRET: &str = "a-secret-that-two-share";

impl Scene {
    /// The blog with one gate, somebody else's service, and the secret where the gate says.
    async fn with_webhook(more: Value) -> Self {
        let place = json!({"parameter": "/teal/secrets/qa"});
        let mut gate = json!({"webhook": {"url": "https://hooks.example/qa", "secret": place}});
        let members = more.as_object().expect("members");
        gate.as_object_mut()
            .expect("a gate")
            .extend(members.clone());
        let mut scene = Self::without_operator(json!({"qa": gate}));
        scene.share("SecureString", SECRET);
        scene.begin().await;
        scene
    }

    fn share(&self, kind: &str, secret: &str) {
        let parameter =
            json!({"Name": "/teal/secrets/qa", "Value": secret, "Type": kind, "Overwrite": true});
        self.stage.person(Service::Ssm, "PutParameter", parameter);
    }
}

#[tokio::test(start_paused = true)]
async fn a_webhook_is_asked_until_it_is_done_and_each_request_is_signed() {
    let scene = Scene::with_webhook(json!({})).await;
    let before = scene.wire.hooked().len();
    scene.wire.hook_answers(&[
        (202, r#"{"status": "inProgress", "againAfter": 20}"#),
        (503, "busy"),
        (200, r#"{"status": "passed"}"#),
    ]);
    scene.stage.wish("1.4.0");
    scene.stage.settled_on("1.4.0").await;
    let asked = scene.wire.hooked().split_off(before);
    assert_eq!(asked.len(), 3, "{asked:?}");
    assert!(
        asked.iter().all(|one| one.id == asked[0].id),
        "the same question: {asked:?}"
    );
    let waited = (asked[1].at - asked[0].at) / 1_000;
    assert_eq!(waited, 20);
    for one in &asked {
        let epoch = scene.stage.emulator.with(|world| world.epoch_unix_ms);
        assert_eq!(one.timestamp, ((epoch + one.at) / 1_000).to_string());
        assert!(one.signature.starts_with("v1,"), "{one:?}");
    }
    assert_ne!(
        asked[0].signature, asked[1].signature,
        "another time is another signature"
    );
    assert_eq!(asked[0].body["type"], "gate");
    let data = &asked[0].body["data"];
    assert_eq!(
        (&data["version"], &data["before"]),
        (&json!("1.4.0"), &json!("Shift"))
    );
    let shown = format!("{asked:?} {}", scene.stage.get("status"));
    assert!(!shown.contains(SECRET), "{shown}");
    scene.nobody_lost_a_request();
}

#[tokio::test(start_paused = true)]
async fn one_that_says_failed_ends_the_release_before_users_see_it() {
    let scene = Scene::with_webhook(json!({})).await;
    scene
        .wire
        .hook_answers(&[(200, r#"{"status": "failed", "reason": "3 of 7"}"#)]);
    scene.stage.wish("1.4.0");
    scene.stage.rejected_back_to("1.3.0").await;
    let reason = "gate qa failed: webhook https://hooks.example/qa says failed: 3 of 7";
    assert_eq!(scene.rejection(), reason);
    scene.nobody_saw("1.4.0");
    scene.nobody_lost_a_request();
}

#[tokio::test(start_paused = true)]
async fn without_its_secret_nothing_is_sent_and_the_release_waits() {
    let scene = Scene::with_webhook(json!({})).await;
    let before = scene.wire.hooked().len();
    let gone = json!({"Name": "/teal/secrets/qa"});
    scene.stage.person(Service::Ssm, "DeleteParameter", gone);
    scene.stage.wish("1.4.0");
    let told = |stage: &tests::Stage| {
        let message = stage.get("status")["waitingOn"]["message"].clone();
        message
            .as_str()
            .is_some_and(|message| message.contains("its secret could not be read"))
    };
    scene.stage.until("the cause is told", LONG, told).await;
    assert_eq!(scene.wire.hooked().len(), before);
    scene.share("SecureString", "another-secret");
    scene.stage.settled_on("1.4.0").await;
    scene.nobody_lost_a_request();
}
