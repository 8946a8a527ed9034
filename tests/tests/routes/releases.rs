//! Releases on two routes.

use std::time::Duration;

use emulator::world::behaviour::Behaviour;
use serde_json::json;

use crate::scene::{LONG, Scene, text};

#[tokio::test(start_paused = true)]
async fn both_routes_move_together_and_nobody_loses_a_request() {
    let scene = Scene::with(|_| ()).await;
    // The second listener's one group has all there is, by whatever number.
    assert_eq!(scene.both(), [[Some(100), Some(0)], [Some(1), None]]);
    assert_eq!(scene.bound(), scene.of_side(0));
    scene.stage.wish("1.4.0");
    scene.stage.settled_on("1.4.0").await;
    assert_eq!(scene.both(), [[Some(0), Some(100)]; 2]);
    assert_eq!(scene.bound(), scene.of_side(1));
    // And back, onto the first side.
    scene.stage.wish("1.5.0");
    scene.stage.settled_on("1.5.0").await;
    assert_eq!(scene.both(), [[Some(100), Some(0)]; 2]);
    assert_eq!(scene.bound(), scene.of_side(0));
    scene.nobody_lost_a_request();
}

#[tokio::test(start_paused = true)]
async fn a_canary_has_the_same_share_of_both_through_a_restart() {
    let steps = json!([{"setWeight": 25}, {"pause": {}}, {"setWeight": 50}, {"pause": "1m"}]);
    let mut scene =
        Scene::with(|spec| spec["strategy"] = json!({"canary": {"steps": steps}})).await;
    scene.stage.wish("1.4.0");
    scene.waits("Promotion").await;
    assert_eq!(scene.both(), [[Some(75), Some(25)]; 2]);
    // It is killed as the first of two rules has its next weight.
    scene.promote();
    let half = |stage: &tests::Stage| stage.weights(0) == [Some(50), Some(50)];
    while !half(&scene.stage) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    scene.operator.take().unwrap().kill().await;
    assert_eq!(scene.weights(), [Some(75), Some(25)]);
    scene.operator = Some(scene.stage.operator());
    scene.stage.settled_on("1.4.0").await;
    assert_eq!(scene.both(), [[Some(0), Some(100)]; 2]);
    scene.nobody_lost_a_request();
}

/// It is healthy behind the first load balancer, and answers nobody.
#[tokio::test(start_paused = true)]
async fn green_that_is_ill_on_the_second_route_alone_never_gets_traffic() {
    let scene = Scene::with(|_| ()).await;
    let ill = Behaviour {
        health_status: 500,
        ..Behaviour::default()
    };
    scene.office_behaves("1.4.0", ill);
    scene.stage.wish("1.4.0");
    scene.stage.rejected_back_to("1.3.0").await;
    let reason = text(&scene.stage.get("status")["rejected"]["reason"]);
    assert!(reason.contains("office-b"), "{reason}");
    assert!(reason.contains("[500]"), "{reason}");
    assert_eq!(scene.both(), [[Some(100), Some(0)], [Some(1), Some(0)]]);
    scene.nobody_saw("1.4.0");
    scene.nobody_lost_a_request();
}

/// It falls ill on the second route while it has a part of both: everything goes back.
#[tokio::test(start_paused = true)]
async fn green_that_falls_ill_on_the_second_route_gives_both_back() {
    let steps = json!([{"setWeight": 25}, {"pause": {}}]);
    let scene = Scene::with(|spec| spec["strategy"] = json!({"canary": {"steps": steps}})).await;
    let ill = Behaviour {
        unhealthy_after_ms: Some(240_000),
        ..Behaviour::default()
    };
    scene.office_behaves("1.4.0", ill);
    scene.stage.wish("1.4.0");
    scene.waits("Promotion").await;
    assert_eq!(scene.both(), [[Some(75), Some(25)]; 2]);
    scene.stage.rejected_back_to("1.3.0").await;
    // A living side keeps its number.
    assert_eq!(scene.both(), [[Some(75), Some(0)]; 2]);
    let reason = text(&scene.stage.get("status")["rejected"]["reason"]);
    assert!(reason.contains("office-b"), "{reason}");
}

/// What users of the second route see counts as much as what those of the first do.
#[tokio::test(start_paused = true)]
async fn failures_on_the_second_route_take_a_release_back() {
    let steps = json!([{"setWeight": 50}, {"pause": "10m"}]);
    let scene = Scene::with(|spec| {
        spec["strategy"] = json!({"canary": {"steps": steps}});
        spec["analysis"] = json!({"errors": {"successRate": {"atLeast": 95}}});
        spec["deadlines"]["shift"] = "20m".into();
    })
    .await;
    let fails = Behaviour {
        error_share: 0.5,
        ..Behaviour::default()
    };
    scene.office_behaves("1.4.0", fails);
    scene.stage.wish("1.4.0");
    scene.stage.rejected_back_to("1.3.0").await;
    let reason = text(&scene.stage.get("status")["rejected"]["reason"]);
    assert!(reason.contains("errors"), "{reason}");
    assert_eq!(scene.stage.users().failed, 0);
    assert!(scene.office_users().failed > 0);
}

#[tokio::test(start_paused = true)]
async fn a_second_route_whose_weights_somebody_changed_is_healed() {
    let steps = json!([{"setWeight": 25}, {"pause": {}}]);
    let scene = Scene::with(|spec| spec["strategy"] = json!({"canary": {"steps": steps}})).await;
    let [a, b] = &scene.groups;
    // In the middle of a release: the way goes on from the step that the lesser of both has.
    scene.stage.wish("1.4.0");
    scene.waits("Promotion").await;
    assert_eq!(scene.both(), [[Some(75), Some(25)]; 2]);
    scene.set_weights(&[(a, 100), (b, 0)]);
    let again = |_: &tests::Stage| scene.both() == [[Some(75), Some(25)]; 2];
    scene.stage.until("healed", LONG, again).await;
    scene.promote();
    scene.stage.settled_on("1.4.0").await;
    // And at rest: users of the second route would reach nobody.
    scene.set_weights(&[(a, 50), (b, 50)]);
    let back = |_: &tests::Stage| scene.weights() == [Some(0), Some(50)];
    scene.stage.until("back", LONG, back).await;
    assert_eq!(scene.stage.users().failed, 0);
}
