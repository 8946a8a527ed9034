//! Reads that fail, lag, or come in pages.

use emulator::api::Service;
use emulator::faults::{Effect, FaultSettings, When};
use emulator::world::Settings;
use planner::ablation::Rule;
use serde_json::{Value, json};
use tests::wire::Wire;
use tests::{Operator, Stage};

use crate::scene::{BLUE, GREEN, Scene, fault, pass, without, world};

/// From the last shift on the rules cannot be read, and somebody has put the old weights back. Returns tasks of blue
/// that run after five minutes, and failed requests.
async fn unverified(off: &[Rule]) -> (u64, u64) {
    let patient = |spec: &mut Value| spec["deadlines"]["shift"] = "10m".into();
    let scene = Scene::serving_in(world(), patient).await;
    let _operator = scene.operator(off);
    scene.stage.wish(GREEN);
    let shifted = scene.reaches(200, |stage| stage.weights(0) == [Some(0), Some(100)]);
    assert!(shifted.await, "{}", scene.stage.picture());
    let throttled = |operation| fault(Service::Elbv2, operation, When::Always, Effect::Throttle);
    scene.faults(vec![
        throttled("DescribeListeners"),
        throttled("DescribeRules"),
    ]);
    scene.stage.set_weights([Some(100), Some(0)]);
    pass(300).await;
    let blue = scene.count(BLUE, "runningCount");
    scene.no_faults();
    if blue > 0 {
        assert!(
            scene.settles_on(GREEN, 600).await,
            "{}",
            scene.stage.picture()
        );
    }
    (blue, scene.failed())
}

#[tokio::test(start_paused = true)]
async fn gallery_g01_a_throttled_read_is_not_verified() {
    assert_eq!(unverified(&[]).await, (2, 0));
}

#[tokio::test(start_paused = true)]
async fn gallery_g01_fails_without_unknown_is_unsafe() {
    let off = [
        Rule::UnreadRules,
        Rule::ReferenceFirst,
        Rule::BarrierElb,
        Rule::LookAgain,
        Rule::Guard,
    ];
    let (blue, failed) = unverified(&off).await;
    assert_eq!(blue, 0, "blue goes while it has all the traffic");
    assert!(failed > 0);
}

/// The desired value cannot be read for five minutes of a rollout. Returns whether the rollout ended meanwhile.
async fn unreadable(off: &[Rule]) -> bool {
    let scene = Scene::serving().await;
    let _operator = scene.operator(off);
    scene.stage.wish(GREEN);
    scene.stage.entered("ScaleUp").await;
    let denied = |operation| fault(Service::Ssm, operation, When::Always, Effect::AccessDenied);
    scene.faults(vec![denied("GetParameters"), denied("GetParameter")]);
    let condition = |kind: &str| {
        let status = scene.stage.get("status");
        let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
        conditions
            .into_iter()
            .find(|condition| condition["type"] == kind)
            .is_some_and(|condition| condition["status"] == "True")
    };
    pass(300).await;
    let told = condition("DesiredUnreadable");
    let ended = scene.stage.live() == [(GREEN.to_owned(), 1)];
    assert_eq!(scene.failed(), 0);
    scene.no_faults();
    assert!(
        scene.settles_on(GREEN, 600).await,
        "{}",
        scene.stage.picture()
    );
    assert!(!condition("DesiredUnreadable"), "it ends with its cause");
    let created = scene.calls("CreateService").len();
    assert_eq!(created, 1, "no rollout of anything else");
    told && ended
}

#[tokio::test(start_paused = true)]
async fn gallery_g10_an_unreadable_wish_is_not_a_change() {
    assert!(unreadable(&[]).await);
}

#[tokio::test(start_paused = true)]
async fn gallery_g10_fails_without_the_known_wish() {
    assert!(!unreadable(&[Rule::KnownWish]).await);
}

/// Reads lag writes by up to 30 s. Returns services that were asked for, and failed requests.
async fn lagging(off: &[Rule]) -> (usize, u64) {
    let scene = Scene::serving().await;
    let _operator = scene.operator(off);
    scene.stage.emulator.faults().set(FaultSettings {
        read_lag_ms: [
            (Service::Ecs, 29_000),
            (Service::Elbv2, 9_000),
            (Service::Ssm, 9_000),
        ]
        .into(),
        ..FaultSettings::default()
    });
    scene.stage.wish(GREEN);
    let ended = scene.reaches(600, |stage| stage.live() == [(GREEN.to_owned(), 1)]);
    let ended = ended.await;
    scene.no_faults();
    assert!(!off.is_empty() || ended && scene.settles_on(GREEN, 300).await);
    (scene.calls("CreateService").len(), scene.failed())
}

#[tokio::test(start_paused = true)]
async fn gallery_g26_what_is_not_shown_yet_is_not_gone() {
    assert_eq!(lagging(&[]).await, (1, 0));
}

#[tokio::test(start_paused = true)]
async fn gallery_g26_fails_without_read_your_writes() {
    let (created, _) = lagging(&[Rule::BarrierEcs, Rule::BarrierElb, Rule::Guard]).await;
    assert!(created > 1, "it creates what it does not see");
}

/// A rule behind 120 others names green's group, the blog's service is behind 250 others, and every page comes short.
/// Returns whether the rule was seen.
async fn many_pages(first_only: bool) -> bool {
    let mut world = Settings {
        short_pages: true,
        ..world()
    };
    world.quotas.rules_per_load_balancer = 200;
    let scene = Scene::serving_in(world, |_| ()).await;
    let stage = &scene.stage;
    let rule = |priority: usize, action: serde_json::Value| {
        json!({
            "ListenerArn": stage.listeners[0],
            "Priority": priority,
            "Conditions": [{"Field": "path-pattern", "PathPatternConfig": {"Values": [format!("/{priority}/*")]}}],
            "Actions": [action],
        })
    };
    for priority in 1..=120 {
        let fixed = json!({"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}});
        stage.person(Service::Elbv2, "CreateRule", rule(priority, fixed));
    }
    let forward = json!({"Type": "forward", "TargetGroupArn": stage.groups[1]});
    let last = stage.person(Service::Elbv2, "CreateRule", rule(121, forward));
    for number in 0..250 {
        let input = json!({"cluster": "prod", "serviceName": format!("a-{number:03}"), "taskDefinition": "blog", "desiredCount": 0,
            "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-0a0a0a0a0a0a0a0a0"]}}});
        stage.person(Service::Ecs, "CreateService", input);
    }
    let wire = if first_only {
        Wire::of_first_pages(&stage.emulator)
    } else {
        Wire::new(&stage.emulator)
    };
    let _operator = Operator::start_over(&wire, &stage.emulator, without(&[]), true);
    stage.wish(GREEN);
    let held = |stage: &Stage| stage.get("status")["waitingOn"]["reason"] == "UnlistedRule";
    if !scene.reaches(120, held).await {
        return false;
    }
    assert_eq!(scene.calls("CreateService").len(), 0, "nothing was begun");
    let arn = &last["Rules"][0]["RuleArn"];
    stage.person(Service::Elbv2, "DeleteRule", json!({"RuleArn": arn}));
    assert!(scene.settles_on(GREEN, 600).await, "{}", stage.picture());
    assert_eq!(scene.failed(), 0);
    true
}

#[tokio::test(start_paused = true)]
async fn gallery_g33_every_page_is_read() {
    assert!(many_pages(false).await);
}

#[tokio::test(start_paused = true)]
async fn gallery_g33_fails_without_the_later_pages() {
    assert!(!many_pages(true).await, "nobody saw the rule");
}
