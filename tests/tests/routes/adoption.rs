//! A service that somebody else made becomes blue on both routes by its tags.

use emulator::api::Service;
use planner::Side;
use planner::adoption::{Follows, Obstacle};
use serde_json::{Value, json};
use tests::wire::Wire;
use tests::{Person, Stage};

use crate::scene::{LONG, Scene};

/// `old-blog` runs 1.3.0 with two tasks, bound to `groups`.
async fn made_by_hand(scene: &Scene, groups: Value) {
    let stage = &scene.stage;
    let images = &scene.spec["spec"]["template"]["images"];
    let input = json!({"taskDefinition": "blog"});
    let read = stage.person(Service::Ecs, "DescribeTaskDefinition", input);
    let read = &read["taskDefinition"];
    let mut containers = read["containerDefinitions"].clone();
    for container in containers.as_array_mut().unwrap() {
        let template = images[container["name"].as_str().unwrap()].as_str();
        if let Some(template) = template {
            container["image"] = template.replace("{version}", "1.3.0").into();
        }
    }
    let members = ["networkMode", "requiresCompatibilities", "cpu", "memory"];
    let mut input: serde_json::Map<_, _> = members
        .iter()
        .map(|member| ((*member).to_owned(), read[member].clone()))
        .collect();
    input.insert("family".to_owned(), "old-blog".into());
    input.insert("containerDefinitions".to_owned(), containers);
    stage.person(Service::Ecs, "RegisterTaskDefinition", input.into());
    let service = json!({
        "cluster": "prod", "serviceName": "old-blog", "taskDefinition": "old-blog", "desiredCount": 2,
        "launchType": "FARGATE", "loadBalancers": groups,
        "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-0a0a0a0a0a0a0a0a0"]}},
    });
    stage.person(Service::Ecs, "CreateService", service);
    let steady = |stage: &Stage| {
        let input = json!({"cluster": "prod", "services": ["old-blog"]});
        let read = stage.person(Service::Ecs, "DescribeServices", input);
        read["services"][0]["deployments"][0]["rolloutState"] == "COMPLETED"
    };
    stage.until("its deployment is over", LONG, steady).await;
}

#[tokio::test(start_paused = true)]
async fn what_serves_both_routes_is_adopted_under_load_and_is_blue_of_the_next_release() {
    let mut scene = Scene::empty(|_| ());
    made_by_hand(&scene, scene.of_side(0)).await;
    scene.open();
    let person = Person::new(&Wire::new(&scene.stage.emulator), &scene.stage.emulator);
    let spec = crd_schema::spec::load(&scene.spec.to_string(), "the spec").unwrap();
    let found = person.adopts(&spec, "old-blog", None).await.unwrap();
    assert_eq!((found.side, &found.follows), (Side::A, &Follows::NeedsWish));
    assert_eq!(found.release.version, "1.3.0");
    let _operator = scene.stage.operator();
    scene.stage.wish("1.4.0");
    scene.stage.settled_on("1.4.0").await;
    assert_eq!(scene.both(), [[Some(0), Some(100)]; 2]);
    assert_eq!(scene.bound(), scene.of_side(1));
    scene.nobody_lost_a_request();
}

#[tokio::test(start_paused = true)]
async fn what_serves_one_of_them_is_not() {
    let scene = Scene::empty(|_| ());
    let both = scene.of_side(0);
    made_by_hand(&scene, json!([both[0]])).await;
    let person = Person::new(&Wire::new(&scene.stage.emulator), &scene.stage.emulator);
    let spec = crd_schema::spec::load(&scene.spec.to_string(), "the spec").unwrap();
    let found = person.finds(&spec, "old-blog", None).await.unwrap_err();
    let first = found.first().unwrap();
    assert!(matches!(first, Obstacle::Unbound { .. }), "{found:?}");
    assert!(first.to_string().contains("office:9000"), "{first}");
}
