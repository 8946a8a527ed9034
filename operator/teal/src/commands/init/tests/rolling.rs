//! `--strategy rolling`, and a worker that was never to work twice.

use super::super::service::in_place;
use super::*;

#[tokio::test]
async fn behind_a_load_balancer_it_stays_on_its_group() {
    let world = World::new().await;
    let [a, _] = world.groups();
    world.let_forward(&world.listener(8080), &a);
    let more = json!({"deploymentConfiguration": {
        "minimumHealthyPercent": 50, "maximumPercent": 150, "deploymentCircuitBreaker": {"enable": true, "rollback": true},
    }});
    world.create("blog", more, &[&a]);
    let mut draft = world.rolling("blog").await.unwrap();
    let text = draft.finish();
    assert_eq!(draft.open(), [""; 0], "{text}");
    let application = crd_schema::spec::load(&text, "drafted").unwrap();
    let group = TargetGroupArn::new(a["TargetGroupArn"].as_str().unwrap());
    assert_eq!(
        application.target_groups(),
        Some(&TargetGroups::Single(group))
    );
    insta::assert_snapshot!("rolling", same(&text, &world.local.emulator));
    world.local.stop().await;
}

#[tokio::test]
async fn a_pair_that_the_rules_name_stays_a_pair() {
    let world = World::new().await;
    let [a, b] = world.groups();
    world.create("blog", json!({}), &[&a]);
    let mut draft = world.rolling("blog").await.unwrap();
    let text = draft.finish();
    assert_eq!(draft.open(), [""; 0], "{text}");
    let application = crd_schema::spec::load(&text, "drafted").unwrap();
    let pair = [&a, &b].map(|group| TargetGroupArn::new(group["TargetGroupArn"].as_str().unwrap()));
    assert_eq!(application.target_groups(), Some(&TargetGroups::Pair(pair)));
    assert!(application.is_rolling());
    assert!(text.contains("its circuit breaker is off now"), "{text}");
    world.local.stop().await;
}

#[tokio::test]
async fn without_a_load_balancer_both_versions_work_meanwhile() {
    let world = World::new().await;
    world.create("bare", json!({}), &[]);
    let mut draft = world.rolling("bare").await.unwrap();
    let text = draft.finish();
    assert_eq!(draft.open(), [""; 0], "{text}");
    let application = crd_schema::spec::load(&text, "drafted").unwrap();
    assert!(application.is_worker() && application.is_rolling());
    insta::assert_snapshot!("rolling_worker", same(&text, &world.local.emulator));
    world.local.stop().await;
}

/// What Amazon ECS stops before it starts another works alone, whether that is asked for or not.
#[tokio::test]
async fn what_never_works_twice_goes_on_so() {
    let world = World::new().await;
    let apart = json!({"minimumHealthyPercent": 0, "maximumPercent": 100});
    let of = |count: u32| {
        json!({
            "desiredCount": count, "deploymentConfiguration": apart, "availabilityZoneRebalancing": "DISABLED",
        })
    };
    world.create("one", of(1), &[]);
    let mut draft = world.draft("prod", "one").await.unwrap();
    let text = draft.finish();
    assert_eq!(draft.open(), [""; 0], "{text}");
    assert!(
        crd_schema::spec::load(&text, "drafted")
            .unwrap()
            .is_rolling()
    );
    assert!(text.contains("overlap: false"), "{text}");
    insta::assert_snapshot!("never_twice", same(&text, &world.local.emulator));
    let mut asked = world.rolling("one").await.unwrap();
    assert_eq!(asked.finish(), text);
    // Of several tasks, old and new ones work side by side.
    world.create("three", of(3), &[]);
    let mut draft = world.rolling("three").await.unwrap();
    let text = draft.finish();
    assert_eq!(draft.open(), [""; 0], "{text}");
    assert!(text.contains("overlap: true"), "{text}");
    crd_schema::spec::load(&text, "drafted").unwrap_or_else(|invalid| panic!("{invalid}"));
    world.local.stop().await;
}

#[test]
fn what_somebody_else_releases_is_not_updated_in_place() {
    let application = ApplicationName::new("blog");
    let asked = asked(&application, "prod", "blog", Some(Strategy::Rolling));
    for (service, told) in [
        (
            json!({"deploymentController": {"type": "CODE_DEPLOY"}}),
            "CodeDeploy releases it now",
        ),
        (
            json!({"deploymentController": {"type": "EXTERNAL"}}),
            "another program",
        ),
        (
            json!({"deploymentConfiguration": {"strategy": "CANARY"}}),
            "Amazon ECS (CANARY)",
        ),
    ] {
        let failure = in_place(asked, Described(&object(service))).unwrap_err();
        assert_eq!(failure.exit, Exit::Invalid);
        assert!(failure.to_string().contains(told), "{failure}");
    }
    let ecs = object(json!({"deploymentConfiguration": {"strategy": "ROLLING"}}));
    in_place(asked, Described(&ecs)).unwrap();
}

#[test]
fn what_an_update_in_place_cannot_have_is_left_open() {
    let service = |bounds: Value| {
        json!({
            "desiredCount": 2, "launchType": "FARGATE", "loadBalancers": bound(&json!({})), "deploymentConfiguration": bounds,
        })
    };
    let rolling = Some(Strategy::Rolling);
    let all_may_stop = service(json!({"minimumHealthyPercent": 0}));
    let seen_alone = seen(all_may_stop, vec![place(1, forward(&[], false))]);
    let (text, open) = composed_as(&seen_alone, rolling);
    assert!(open[0].contains("write at least 1"), "{text}");
    let places = vec![place(1, forward(&[("legacy", 20)], false))];
    let (text, open) = composed_as(&seen(service(json!({})), places), rolling);
    assert!(open[0].contains("name targetgroup/legacy/"), "{text}");
    assert!(text.contains("single: "), "{text}");
}
