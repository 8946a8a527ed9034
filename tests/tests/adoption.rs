//! Moving in: a service that somebody else made becomes blue by its tags, under load, without a restart of its tasks.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test says so by failing"
)]

use std::time::Duration;

use crd_schema::Application;
use emulator::api::Service;
use emulator::world::Settings;
use planner::Side;
use planner::adoption::{Follows, Obstacle};
use serde_json::{Value, json};
use tests::iam::Policy;
use tests::wire::Wire;
use tests::{Operator, Person, Stage};

const IMAGE: &str = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/blog:1.3.0";

/// The blog as it was before Teal: one service, made by hand, and users. Only then comes the spec.
async fn before() -> Stage {
    let mut stage = Stage::with(Settings::default(), |spec| spec);
    let read = stage.person(
        Service::Ecs,
        "DescribeTaskDefinition",
        json!({"taskDefinition": "blog"}),
    );
    let mut definition = read["taskDefinition"].clone();
    definition["containerDefinitions"][0]["image"] = json!(IMAGE);
    let members = [
        "networkMode",
        "requiresCompatibilities",
        "cpu",
        "memory",
        "executionRoleArn",
        "taskRoleArn",
        "containerDefinitions",
    ];
    let mut input = json!({"family": "blog"});
    for member in members {
        input[member] = definition[member].clone();
    }
    stage.person(Service::Ecs, "RegisterTaskDefinition", input);
    create(&stage, "old-blog", 0, 2);
    healthy(&stage, 0, 2).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    stage.open(20.0);
    stage
}

fn create(stage: &Stage, name: &str, group: usize, count: u64) {
    let input = json!({
        "cluster": "prod", "serviceName": name, "taskDefinition": "blog", "desiredCount": count, "launchType": "FARGATE",
        "loadBalancers": [{"targetGroupArn": stage.groups[group], "containerName": "web", "containerPort": 8080}],
        "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-0a0a0a0a0a0a0a0a0"]}},
        "tags": [{"key": "team", "value": "web"}],
    });
    stage.person(Service::Ecs, "CreateService", input);
}

async fn healthy(stage: &Stage, group: usize, count: u64) {
    let limit = Duration::from_secs(300);
    stage
        .until("healthy targets", limit, |stage| {
            stage.healthy(group) == count
        })
        .await;
}

fn application(stage: &Stage) -> Application {
    crd_schema::spec::load(&stage.spec().to_string(), "the spec").unwrap()
}

fn person(stage: &Stage) -> Person {
    Person::new(&Wire::new(&stage.emulator), &stage.emulator)
}

/// Running tasks of a service, by ARN.
fn tasks(stage: &Stage, service: &str) -> Vec<String> {
    let input = json!({"cluster": "prod", "serviceName": service});
    let read = stage.person(Service::Ecs, "ListTasks", input);
    let arns = read["taskArns"].as_array().unwrap().iter();
    let mut arns: Vec<String> = arns.map(|arn| arn.as_str().unwrap().to_owned()).collect();
    arns.sort();
    arns
}

fn nobody_lost_a_request(stage: &Stage) {
    let users = stage.users();
    assert!(users.requests > 100, "users were there: {users:?}");
    assert_eq!(users.failed, 0, "{users:?}");
}

fn refused(found: Result<planner::adoption::Adoption, Vec<Obstacle>>) -> Vec<Obstacle> {
    found.expect_err("something stands in the way")
}

#[tokio::test(start_paused = true)]
async fn what_is_adopted_is_blue_of_the_next_release() {
    let stage = before().await;
    let before = tasks(&stage, "old-blog");
    let _operator = stage.operator();
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert_eq!(stage.writes(), 0, "what is nobody's is left alone");

    let (person, application) = (person(&stage), application(&stage));
    let found = person.adopts(&application, "old-blog", None).await.unwrap();
    assert_eq!(
        (found.side, found.release.version.as_str()),
        (Side::A, "1.3.0")
    );
    assert_eq!(
        (found.already, &found.follows),
        (false, &Follows::NeedsWish)
    );
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert_eq!(stage.writes(), 1, "the tags, and nothing else");

    // Again: nothing more to do.
    let again = person.finds(&application, "old-blog", None).await.unwrap();
    assert!(again.already, "{again:?}");
    assert_eq!(again.tags, found.tags);
    let other = refused(person.finds(&application, "old-blog", Some("1.2.0")).await);
    assert!(
        matches!(other.as_slice(), [Obstacle::OtherVersion { .. }]),
        "{other:?}"
    );

    stage.wish("1.4.0");
    stage.entered("Bake").await;
    assert_eq!(tasks(&stage, "old-blog"), before, "its tasks went on");
    assert_eq!(
        stage.live(),
        [("1.3.0".to_owned(), 0), ("1.4.0".to_owned(), 1)]
    );
    stage.settled_on("1.4.0").await;
    nobody_lost_a_request(&stage);
}

#[tokio::test(start_paused = true)]
async fn what_is_desired_already_is_served_at_once() {
    let stage = before().await;
    stage.wish("1.3.0");
    let before = tasks(&stage, "old-blog");
    let (person, application) = (person(&stage), application(&stage));
    let found = person
        .adopts(&application, "old-blog", Some("1.3.0"))
        .await
        .unwrap();
    assert_eq!(found.follows, Follows::Serves);
    let operator = stage.operator();
    stage.settled_on("1.3.0").await;
    assert_eq!(tasks(&stage, "old-blog"), before);
    assert_eq!(stage.writes(), 1, "the tags, and nothing else");

    // A bad release goes back to it, and its own version is there to go back to.
    stage.behave(
        "1.4.0",
        emulator::world::behaviour::Behaviour {
            health_status: 500,
            ..Default::default()
        },
    );
    stage.wish("1.4.0");
    stage.rejected_back_to("1.3.0").await;
    assert_eq!(tasks(&stage, "old-blog"), before);
    nobody_lost_a_request(&stage);
    operator.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_ecs_updates_in_place_goes_on_so_and_has_a_way_back_to_what_it_ran() {
    let stage = before().await;
    let mut spec = stage.spec();
    spec["spec"]["strategy"] = json!({"rolling": {}});
    spec["spec"]["traffic"]["routes"][0]["targetGroups"] = json!({"single": stage.groups[0]});
    stage.put("spec", &spec.to_string());
    for listener in &stage.listeners {
        let only = json!([{"Type": "forward", "TargetGroupArn": stage.groups[0]}]);
        let input = json!({"ListenerArn": listener, "DefaultActions": only});
        stage.person(Service::Elbv2, "ModifyListener", input);
    }
    let before = tasks(&stage, "old-blog");
    let application = crd_schema::spec::load(&spec.to_string(), "the spec").unwrap();
    let person = person(&stage);
    let found = person.adopts(&application, "old-blog", None).await.unwrap();
    assert_eq!(found.release.version, "1.3.0");
    stage.wish("1.3.0");
    let _operator = stage.operator();
    let settled = |stage: &Stage| {
        let status = stage.get("status");
        status["phase"] == "Settled" && status["serving"]["version"] == "1.3.0"
    };
    let limit = Duration::from_secs(600);
    stage.until("it is served", limit, settled).await;
    tokio::time::sleep(Duration::from_secs(180)).await;
    assert_eq!(tasks(&stage, "old-blog"), before);
    assert_eq!(stage.writes(), 1, "the tags, and nothing else");

    let ill = emulator::world::behaviour::Behaviour {
        health_status: 500,
        ..Default::default()
    };
    stage.behave("1.4.0", ill);
    stage.wish("1.4.0");
    let back = |stage: &Stage| {
        let status = stage.get("status");
        status["phase"] == "Failed" && status["serving"]["version"] == "1.3.0"
    };
    let limit = Duration::from_secs(3_600);
    stage.until("it goes back", limit, back).await;
    let services = stage.services();
    let [only] = services.as_slice() else {
        panic!("{services:?}");
    };
    let runs = only["taskDefinition"].as_str().unwrap();
    assert!(
        runs.contains("task-definition/blog:"),
        "the user's own: {runs}"
    );
    stage.wish("1.5.0");
    stage.settled_on("1.5.0").await;
    assert_eq!(stage.services()[0]["serviceName"], "old-blog");
    nobody_lost_a_request(&stage);
}

#[tokio::test(start_paused = true)]
async fn another_wish_begins_with_it_as_blue() {
    let stage = before().await;
    stage.wish("1.4.0");
    let found = person(&stage)
        .adopts(&application(&stage), "old-blog", None)
        .await
        .unwrap();
    let expected = Follows::Releases {
        version: "1.4.0".to_owned(),
        held: None,
    };
    assert_eq!(found.follows, expected);
    let _operator = stage.operator();
    stage.settled_on("1.4.0").await;
    nobody_lost_a_request(&stage);
}

#[tokio::test(start_paused = true)]
async fn what_stands_in_the_way_is_told_and_nothing_is_written() {
    let stage = before().await;
    let (person, application) = (person(&stage), application(&stage));
    let writes = stage.writes();

    // Not what the images say.
    let found = refused(person.finds(&application, "old-blog", Some("1.4.0")).await);
    assert!(
        matches!(found.as_slice(), [Obstacle::OtherImage { .. }]),
        "{found:?}"
    );

    // Half of its tasks are gone, and a deployment is on its way.
    let tasks = tasks(&stage, "old-blog");
    stage.person(
        Service::Ecs,
        "StopTask",
        json!({"cluster": "prod", "task": tasks[0]}),
    );
    tokio::time::sleep(Duration::from_secs(1)).await;
    let found = refused(person.finds(&application, "old-blog", None).await);
    assert!(
        matches!(
            found.as_slice(),
            [Obstacle::Unwell {
                desired: 2,
                running: 1,
                ..
            }]
        ),
        "{found:?}"
    );
    healthy(&stage, 0, 2).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    let again = json!({"cluster": "prod", "service": "old-blog", "forceNewDeployment": true});
    stage.person(Service::Ecs, "UpdateService", again);
    let found = refused(person.finds(&application, "old-blog", None).await);
    assert!(
        matches!(found.as_slice(), [Obstacle::Deploying { .. }]),
        "{found:?}"
    );
    tokio::time::sleep(Duration::from_secs(300)).await;
    person.finds(&application, "old-blog", None).await.unwrap();

    // Users come to the other group.
    stage.set_weights([Some(50), Some(50)]);
    let found = refused(person.finds(&application, "old-blog", None).await);
    assert!(
        matches!(found.as_slice(), [Obstacle::TrafficElsewhere { .. }]),
        "{found:?}"
    );
    stage.set_weights([Some(1), None]);
    person.finds(&application, "old-blog", None).await.unwrap();

    // A neighbour on its group, and somebody else's tags.
    create(&stage, "neighbour", 0, 1);
    let old = "arn:aws:ecs:eu-west-1:123456789012:service/prod/old-blog";
    let tags = json!([{"key": "teal:application", "value": "shop"}]);
    stage.person(
        Service::Ecs,
        "TagResource",
        json!({"resourceArn": old, "tags": tags}),
    );
    let found = refused(person.finds(&application, "old-blog", None).await);
    let known = |wanted: fn(&Obstacle) -> bool| found.iter().any(wanted);
    assert!(
        known(|one| matches!(one, Obstacle::OfAnother { owner, .. } if owner == "shop")),
        "{found:?}"
    );
    assert!(
        known(|one| matches!(one, Obstacle::Neighbour { name } if name == "neighbour")),
        "{found:?}"
    );
    assert_eq!(stage.writes(), writes, "nothing was written over the wire");
}

#[tokio::test(start_paused = true)]
async fn not_while_a_release_is_on_its_way() {
    let mut stage = Stage::new();
    stage.wish("1.3.0");
    let _operator = stage.operator();
    stage.settled_on("1.3.0").await;
    stage.open(20.0);
    stage.wish("1.4.0");
    stage.entered("ScaleUp").await;
    create(&stage, "late", 0, 1);
    let found = refused(
        person(&stage)
            .finds(&application(&stage), "late", None)
            .await,
    );
    let known = |wanted: fn(&Obstacle) -> bool| found.iter().any(wanted);
    assert!(
        known(|one| matches!(one, Obstacle::OnItsWay { version, .. } if version == "1.4.0")),
        "{found:?}"
    );
    assert!(
        known(|one| matches!(one, Obstacle::HasOne { .. })),
        "{found:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_group_for_each_release_needs_no_adoption() {
    let stage = before().await;
    let mut spec = stage.spec();
    let groups = &mut spec["spec"]["traffic"]["routes"][0]["targetGroups"];
    *groups = json!({"perRelease": {"from": stage.groups[0]}});
    let application = crd_schema::spec::load(&spec.to_string(), "the spec").unwrap();
    let found = refused(person(&stage).finds(&application, "old-blog", None).await);
    assert!(
        matches!(found.as_slice(), [Obstacle::PerRelease { .. }]),
        "{found:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn the_shipped_policy_of_who_moves_in_allows_every_call_and_no_other_tag() {
    let stage = before().await;
    let policy = include_str!("../../manifests/iam/adopt-policy.json");
    let policy = Policy::parse(policy)
        .unwrap()
        .naming(&stage.listeners)
        .unwrap();
    let wire = Wire::judged_by(&stage.emulator, policy.clone());
    let person = Person::new(&wire, &stage.emulator);
    person
        .adopts(&application(&stage), "old-blog", None)
        .await
        .unwrap();
    second_group(&stage, &person).await;
    assert_eq!(wire.denied(), Vec::<String>::new());
    for sid in policy.sids() {
        let poorer = policy.clone().without(&sid);
        assert!(
            wire.asked().iter().any(|asked| !poorer.allows(asked)),
            "{sid} is not needed"
        );
    }
    let candidate = person
        .survey()
        .candidate("prod", "old-blog")
        .await
        .unwrap()
        .unwrap();
    let more = [("team".to_owned(), "mine".to_owned())].into();
    person.moves().tag(&candidate.arn, &more).await.unwrap();
    assert_eq!(wire.denied().len(), 1, "{:?}", wire.denied());
}

/// Creates the second group of `old-blog` and names it in its rules; twice.
async fn second_group(stage: &Stage, person: &Person) -> String {
    let survey = person.survey();
    let first = crd_schema::TargetGroupArn::new(stage.groups[0].as_str());
    let group = survey.group(&first).await.unwrap();
    let attributes = survey.attributes(&first).await.unwrap();
    let mut made = Vec::new();
    for _ in 0..2 {
        let second = person
            .moves()
            .second_group(&group, &attributes, "blog-2")
            .await
            .unwrap();
        for listener in &stage.listeners {
            let place = crd_schema::application::RuleTarget::Listener(
                crd_schema::ListenerArn::new(listener.as_str()),
            );
            person
                .moves()
                .name_at_zero(&place, [&first, &second], 1)
                .await
                .unwrap();
        }
        made.push(second.as_str().to_owned());
    }
    assert_eq!(made[0], made[1], "the same again");
    made.remove(0)
}

#[tokio::test(start_paused = true)]
async fn a_service_with_one_group_gets_its_second() {
    let mut stage = before().await;
    for listener in 0..2 {
        let actions = json!([{"Type": "forward", "TargetGroupArn": stage.groups[0]}]);
        let input = json!({"ListenerArn": stage.listeners[listener], "DefaultActions": actions});
        stage.person(Service::Elbv2, "ModifyListener", input);
    }
    let person = person(&stage);
    stage.groups[1] = second_group(&stage, &person).await;
    assert_eq!(stage.weights(0), [Some(1), Some(0)]);
    let read = |group: &str| {
        let input = json!({"TargetGroupArn": group});
        let read = stage.person(Service::Elbv2, "DescribeTargetGroupAttributes", input);
        let mut all: Vec<Value> = read["Attributes"].as_array().unwrap().clone();
        all.sort_by_key(ToString::to_string);
        all
    };
    assert_eq!(read(&stage.groups[1]), read(&stage.groups[0]));
    stage.put("spec", &stage.spec().to_string());
    let found = person
        .adopts(&application(&stage), "old-blog", None)
        .await
        .unwrap();
    assert_eq!(found.follows, Follows::NeedsWish);
    let _operator = Operator::start(
        &stage.emulator,
        runtime::controller::Settings::default(),
        true,
    );
    stage.wish("1.4.0");
    stage.settled_on("1.4.0").await;
    nobody_lost_a_request(&stage);
}
