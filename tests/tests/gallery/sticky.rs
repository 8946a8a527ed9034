//! Users whom a cookie keeps on one group, whatever the weights say.

use std::net::{IpAddr, Ipv4Addr};

use emulator::api::Service;
use emulator::world::elb::routing::{RequestHead, Route, route};
use planner::ablation::Rule;
use serde_json::json;
use tests::Stage;

use crate::scene::{GREEN, Scene, pass, world};

/// Where a request to production goes, and the cookie of group stickiness that comes with the answer.
fn ask(stage: &Stage, dice: u64, cookie: Option<&str>) -> Option<(String, Option<String>)> {
    let headers: Vec<(&str, &str)> = cookie
        .map(|cookie| ("cookie", cookie))
        .into_iter()
        .collect();
    let head = RequestHead {
        method: "GET",
        path: "/",
        host: "blog.example",
        headers: &headers,
        query: "",
        source_ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
    };
    let gone = stage
        .emulator
        .with(|world| route(world, 0, &stage.listeners[0], &head, dice));
    let Route::Forward {
        target_group_arn,
        cookies,
        ..
    } = gone
    else {
        return None;
    };
    let mut cookies = cookies
        .iter()
        .filter(|cookie| cookie.starts_with("AWSALBTG="));
    let cookie = cookies.next().and_then(|cookie| cookie.split(';').next());
    Some((target_group_arn, cookie.map(str::to_owned)))
}

/// A user comes to green, and the release is aborted. Whether that user is still sent to it once all weight has been read
/// back on blue.
async fn kept_on_what_was_taken_back(off: &[Rule]) -> bool {
    let steps = json!({"canary": {"steps": [{"setWeight": 20}, {"pause": {}}]}});
    let scene = Scene::serving_in(world(), |spec| spec["strategy"] = steps.clone()).await;
    let stage = &scene.stage;
    let weighted = |group: usize, weight: u64| json!({"TargetGroupArn": stage.groups[group], "Weight": weight});
    let sticky = json!([{"Type": "forward", "ForwardConfig": {
        "TargetGroups": [weighted(0, 100), weighted(1, 0)],
        "TargetGroupStickinessConfig": {"Enabled": true, "DurationSeconds": 3600},
    }}]);
    let input = json!({"ListenerArn": stage.listeners[0], "DefaultActions": sticky});
    stage.person(Service::Elbv2, "ModifyListener", input);
    let _operator = scene.operator(off);
    stage.wish(GREEN);
    let shifted = scene.reaches(300, |stage| stage.weights(0) == [Some(80), Some(20)]);
    if !shifted.await {
        let waiting = stage.get("status")["waitingOn"].to_string();
        assert!(waiting.contains("group stickiness"), "{waiting}");
        return false;
    }
    pass(5).await;
    let came = (0..100).filter_map(|dice| ask(stage, dice, None));
    let mut to_green = came.filter(|(group, _)| *group == stage.groups[1]);
    let cookie = to_green
        .next()
        .and_then(|(_, cookie)| cookie)
        .expect("a cookie of green");
    let rollout = stage.get("status")["rollout"].clone();
    stage.put("intents/abort", &json!({"rollout": rollout}).to_string());
    let back = scene.reaches(60, |stage| stage.weights(0) == [Some(100), Some(0)]);
    assert!(back.await, "{}", stage.picture());
    pass(2).await;
    let (group, _) = ask(stage, 0, Some(&cookie)).expect("an answer");
    group == stage.groups[1]
}

#[tokio::test(start_paused = true)]
async fn gallery_g28_a_cookie_keeps_nobody_on_what_was_taken_back() {
    assert!(!kept_on_what_was_taken_back(&[]).await);
}

#[tokio::test(start_paused = true)]
async fn gallery_g28_fails_without_the_refusal_of_stickiness() {
    assert!(kept_on_what_was_taken_back(&[Rule::Stickiness]).await);
}
