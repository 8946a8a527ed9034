//! One blue/green release from end to end, with users on.

use super::*;

#[test]
fn a_release_goes_from_blue_to_green_without_a_lost_request() {
    let mut stage = Stage::new();
    let (blue, green) = (stage.blue.clone(), stage.green.clone());
    let old = stage.register("web:1");
    stage.create("web-1", &blue, &old, 2).unwrap();
    stage.until_steady("web-1");
    assert_eq!(stage.states(&blue), ["healthy", "healthy"]);
    let users = stage.users(50.0);

    let new = stage.register("web:2");
    stage.create("web-2", &green, &new, 2).unwrap();
    stage.until_steady("web-2");
    stage.pass(1);
    assert_eq!(
        traffic::report(&stage.world, users).unwrap().images.len(),
        1,
        "weight 0 gets nothing"
    );

    stage.weigh(1, 1);
    stage.pass(20);
    stage.weigh(0, 1);
    stage.pass(5);
    let before = traffic::report(&stage.world, users).unwrap().images["web:1"].clone();
    stage.pass(20);
    let report = traffic::report(&stage.world, users).unwrap().clone();
    assert_eq!(
        report.images["web:1"], before,
        "blue gets nothing once the nodes have adopted weight 0"
    );
    assert!(report.images["web:2"].requests > 1000);

    stage
        .ecs(
            "UpdateService",
            json!({ "cluster": "shop", "service": "web-1", "desiredCount": 0 }),
        )
        .unwrap();
    stage.until(|stage| stage.describe("web-1")["runningCount"] == 0);
    assert_eq!(stage.states(&blue), ["draining", "draining"]);
    let gone = stage.until(|stage| stage.states(&blue).is_empty());
    assert!(
        (18..=21).contains(&gone),
        "drained for the deregistration delay, {gone} s"
    );

    stage
        .ecs(
            "DeleteService",
            json!({ "cluster": "shop", "service": "web-1" }),
        )
        .unwrap();
    assert_eq!(stage.describe("web-1")["status"], "DRAINING");
    stage.until(|stage| stage.describe("web-1")["status"] == "INACTIVE");
    stage.pass(60);
    stage.create("web-1", &blue, &new, 1).unwrap();
    assert_eq!(
        stage.describe("web-1")["status"],
        "ACTIVE",
        "the name is free again"
    );

    let report = traffic::report(&stage.world, users).unwrap();
    assert_eq!((report.failed, &report.reasons), (0, &Default::default()));
}

#[test]
fn weight_on_an_empty_green_fails_that_share() {
    let mut stage = Stage::new();
    let blue = stage.blue.clone();
    let old = stage.register("web:1");
    stage.create("web-1", &blue, &old, 1).unwrap();
    stage.until_steady("web-1");
    let users = stage.users(100.0);
    stage.weigh(3, 1);
    stage.pass(100);
    let report = traffic::report(&stage.world, users).unwrap();
    let share = report.failed as f64 / report.requests as f64;
    assert!((0.20..0.30).contains(&share), "{share}");
    assert_eq!(
        report.reasons.keys().collect::<Vec<_>>(),
        ["503: the target group is empty"]
    );
}

#[test]
fn nodes_adopt_a_change_one_after_another() {
    let settings = Settings {
        load_balancer_nodes: 4,
        propagation_min_ms: 0,
        propagation_max_ms: 60_000,
        ..Settings::default()
    };
    let mut stage = Stage::with(settings);
    stage.pass(120);
    let rule = stage.rule.clone();
    let fixed =
        json!([{ "Type": "fixed-response", "FixedResponseConfig": { "StatusCode": "200" } }]);
    stage
        .elb("ModifyRule", json!({ "RuleArn": rule, "Actions": fixed }))
        .unwrap();
    let adopted = |stage: &Stage| {
        let head = crate::world::view::RequestHead {
            method: "GET",
            path: "/",
            host: "",
            headers: &[],
            query: "",
            source_ip: std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST),
        };
        let fixed = |node: &usize| {
            let route = crate::world::view::route(&stage.world, *node, &stage.listener, &head, 0);
            matches!(route, crate::world::view::Route::Fixed { .. })
        };
        (0..4).filter(fixed).count()
    };
    let mut seen = Vec::new();
    for _ in 0..61 {
        seen.push(adopted(&stage));
        stage.pass(1);
    }
    assert!(seen.is_sorted());
    assert_eq!(seen.last(), Some(&4));
    seen.dedup();
    assert!(seen.len() > 2, "{seen:?}");
}

#[test]
fn the_same_calls_at_the_same_times_give_the_same_world() {
    let run = || {
        let mut stage = Stage::new();
        let blue = stage.blue.clone();
        let old = stage.register("web:1");
        stage.create("web-1", &blue, &old, 3).unwrap();
        stage.users(10.0);
        stage.pass(300);
        serde_json::to_value(&stage.world).unwrap()
    };
    let (first, second) = (run(), run());
    assert_eq!(first, second);
    let back: World = serde_json::from_value(first.clone()).unwrap();
    assert_eq!(
        serde_json::to_value(&back).unwrap(),
        first,
        "a dump can be read back"
    );
}

#[test]
fn it_does_not_matter_how_often_the_world_is_advanced() {
    let run = |step: u64| {
        let mut stage = Stage::new();
        let blue = stage.blue.clone();
        let old = stage.register("web:1");
        stage.create("web-1", &blue, &old, 2).unwrap();
        stage.users(20.0);
        for _ in 0..(200 / step) {
            stage.pass(step);
        }
        serde_json::to_value(&stage.world).unwrap()
    };
    assert_eq!(run(1), run(200));
}
