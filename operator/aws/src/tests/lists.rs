//! Lists to their end, parameters in tens, and rounds that are shared.

use std::sync::atomic::{AtomicUsize, Ordering};

use crd_schema::ApplicationName;
use crd_schema::record::Generation;
use planner::world::Read;
use runtime::clock::Clock;
use runtime::cloud::{Cloud, Focus};
use serde_json::{Value, json};

use super::{blog, connection, json};
use crate::{AwsCloud, Names};

fn parameter(name: &str, kind: &str, value: &str) -> Value {
    json!({"Name": name, "Type": kind, "Value": value, "Version": 3, "LastModifiedDate": 1_700_000_000.5})
}

const GENERATION: Generation = Generation {
    date: 1_700_000_000_500,
    version: 3,
};

#[tokio::test]
async fn specs_are_read_through_short_and_empty_pages() {
    let (connection, _) = connection(|_, body| {
        let request: Value = serde_json::from_slice(body).unwrap();
        json(
            200,
            &match request["NextToken"].as_str() {
                None => {
                    json!({"Parameters": [parameter("/teal/apps/blog/spec", "String", "a spec"), parameter("/teal/apps/blog/status", "String", "{}")], "NextToken": "2"})
                }
                Some("2") => json!({"Parameters": [], "NextToken": "3"}),
                Some(_) => {
                    json!({"Parameters": [parameter("/teal/apps/shop/spec", "SecureString", "AQICAHh"), parameter("/teal/apps/x/y/spec", "String", "")]})
                }
            },
        )
    });
    let specs = AwsCloud::new(&connection, Names::default(), Clock::system())
        .specs()
        .await
        .unwrap();
    let [blog, shop] = specs.as_slice() else {
        panic!("{specs:?}")
    };
    assert_eq!(
        (blog.name.as_str(), blog.generation, blog.text.as_deref()),
        ("blog", GENERATION, Ok("a spec"))
    );
    assert_eq!(shop.name.as_str(), "shop");
    assert!(shop.text.as_ref().unwrap_err().contains("SecureString"));
}

#[tokio::test]
async fn half_a_list_is_no_list() {
    let (connection, _) = connection(|_, body| {
        let request: Value = serde_json::from_slice(body).unwrap();
        match request["NextToken"].as_str() {
            None => json(
                200,
                &json!({"Parameters": [parameter("/teal/apps/blog/spec", "String", "a spec")], "NextToken": "2"}),
            ),
            Some(_) => json(
                400,
                &json!({"__type": "AccessDeniedException", "message": "not authorized to perform: ssm:GetParametersByPath"}),
            ),
        }
    });
    let error = AwsCloud::new(&connection, Names::default(), Clock::system())
        .specs()
        .await
        .unwrap_err();
    assert_eq!(error.category, "denied");
}

#[tokio::test]
async fn one_application_under_two_prefixes_is_refused_by_name() {
    let (connection, _) = connection(|_, body| {
        let request: Value = serde_json::from_slice(body).unwrap();
        let name = format!("{}/blog/spec", request["Path"].as_str().unwrap());
        json(
            200,
            &json!({"Parameters": [parameter(&name, "String", "a spec")]}),
        )
    });
    let specs = AwsCloud::new(&connection, Names::new(["/a", "/b"]), Clock::system())
        .specs()
        .await
        .unwrap();
    let [only] = specs.as_slice() else {
        panic!("{specs:?}")
    };
    assert!(only.text.as_ref().unwrap_err().contains("two prefixes"));
}

#[tokio::test]
async fn wishes_are_read_ten_names_a_call() {
    let (connection, journal) = connection(|_, body| {
        let request: Value = serde_json::from_slice(body).unwrap();
        let names: Vec<&str> = request["Names"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(Value::as_str)
            .collect();
        assert!(names.len() <= 10);
        let (missing, there): (Vec<&str>, Vec<&str>) =
            names.into_iter().partition(|name| name.contains("app-7"));
        let parameters: Vec<Value> = there
            .into_iter()
            .map(|name| parameter(name, "String", "1.0"))
            .collect();
        json(
            200,
            &json!({"Parameters": parameters, "InvalidParameters": missing}),
        )
    });
    let names: Vec<ApplicationName> = (0..23)
        .map(|n| ApplicationName::new(format!("app-{n}")))
        .collect();
    let wishes = AwsCloud::new(&connection, Names::default(), Clock::system())
        .wishes(&names)
        .await
        .unwrap();
    assert_eq!(journal.lock().unwrap().len(), 3);
    assert_eq!(wishes.len(), 22);
    assert!(wishes.values().all(|generation| *generation == GENERATION));
    assert!(!wishes.contains_key(&names[7]));
}

#[tokio::test(start_paused = true)]
async fn services_are_listed_to_the_end_and_described_in_tens_once_for_all_applications() {
    static LISTED: AtomicUsize = AtomicUsize::new(0);
    static DESCRIBED: AtomicUsize = AtomicUsize::new(0);
    let (connection, _) = connection(|operation, body| {
        let request: Value = serde_json::from_slice(body).unwrap_or_default();
        let service = |n: usize| format!("arn:aws:ecs:eu-west-1:123456789012:service/prod/s-{n}");
        match operation {
            "ListServices" => {
                LISTED.fetch_add(1, Ordering::SeqCst);
                let page: usize = request["nextToken"]
                    .as_str()
                    .unwrap_or("0")
                    .parse()
                    .unwrap();
                let arns: Vec<String> = (page * 100..(page * 100 + 100).min(230))
                    .map(service)
                    .collect();
                let next = (page < 2).then(|| (page + 1).to_string());
                json(200, &json!({"serviceArns": arns, "nextToken": next}))
            }
            "DescribeServices" => {
                DESCRIBED.fetch_add(1, Ordering::SeqCst);
                let wanted = request["services"].as_array().unwrap();
                assert!(wanted.len() <= 10);
                assert_eq!(request["include"], json!(["TAGS"]));
                let (gone, there): (Vec<&Value>, Vec<&Value>) =
                    wanted.iter().partition(|one| *one == "gone");
                let services: Vec<Value> = there
                    .iter()
                    .map(|arn| {
                        let own = arn.as_str().unwrap().ends_with("/s-229");
                        let tags = if own { json!([{"key": "teal:application", "value": "blog"}]) } else { json!([]) };
                        json!({"serviceArn": arn, "serviceName": arn.as_str().unwrap().rsplit('/').next(), "status": "ACTIVE", "createdAt": 1_700_000_000.0, "desiredCount": 0, "tags": tags, "deployments": [{"status": "PRIMARY", "rolloutState": "COMPLETED"}]})
                    })
                    .collect();
                let failures: Vec<Value> = gone
                    .iter()
                    .map(|name| json!({"arn": name, "reason": "MISSING"}))
                    .collect();
                json(200, &json!({"services": services, "failures": failures}))
            }
            _ => json(
                400,
                &json!({"__type": "AccessDeniedException", "message": "no"}),
            ),
        }
    });
    let cloud = AwsCloud::new(&connection, Names::default(), Clock::system());
    let focus = Focus {
        services: vec!["gone".to_owned(), "s-1".to_owned()],
        ..Focus::default()
    };
    let blog = blog();
    let other = Focus {
        conflicts: vec!["one".to_owned()],
        ..Focus::default()
    };
    let (first, second) = tokio::join!(cloud.observe(&blog, &focus), cloud.observe(&blog, &other));
    assert_eq!(LISTED.load(Ordering::SeqCst), 3);
    assert_eq!(DESCRIBED.load(Ordering::SeqCst), 24);
    for world in [&first, &second] {
        let Read::Known { value, .. } = &world.services else {
            panic!("{:?}", world.services)
        };
        assert_eq!(
            value
                .iter()
                .map(|service| service.name.as_str())
                .collect::<Vec<_>>(),
            ["s-229"]
        );
        assert!(
            !value[0].tags.ours,
            "the application's tag alone does not make it ours"
        );
        let Read::Unread { reason } = &world.desired else {
            panic!()
        };
        assert!(reason.starts_with("GetParameters on "), "{reason}");
        assert!(matches!(&world.rules, Read::Unread { .. }));
        assert!(matches!(&world.scaling, Read::Unread { .. }));
    }
    assert_eq!(second.conflicts, ["one"]);
}
