//! Names and tags of what is created.

use crd_schema::ApplicationName;
use crd_schema::record::Generation;
use planner::lab::{Operator, application, desired, per_release};
use planner::release;
use planner::world::Side;
use planner::{Plan, Write};
use serde_json::json;

use crate::scene::settled;

const GENERATION: Generation = Generation {
    date: 1_000_000,
    version: 7,
};

#[test]
fn a_service_s_name_is_readable_and_keeps_letters_digits_hyphens_and_underscores() {
    let name = |version: &str| release::service_name(&application(), version, "d", GENERATION, 0);
    let readable = |version: &str| {
        let name = name(version);
        let (readable, unique) = name.rsplit_once('-').unwrap();
        assert_eq!(unique.len(), 10);
        readable.to_owned()
    };
    assert_eq!(readable("1.3.0"), "blog-1-3-0");
    assert_eq!(readable("a_b-c+d"), "blog-a_b-c-d");
}

#[test]
fn a_group_s_name_is_as_long_as_elb_takes_it() {
    let prefix = |name: &str| {
        let mut blog = per_release();
        blog.name = ApplicationName::new(name);
        let prefix = release::group_prefix(&blog);
        let group = release::group_name(&blog, "d", GENERATION, 0);
        assert_eq!(group.len(), prefix.len() + 10);
        assert!(group.starts_with(&prefix) && group.len() <= 32, "{group}");
        prefix
    };
    assert_eq!(prefix("blog"), "blog-");
    assert_eq!(
        prefix("abcdefghijklmnopqrstuvwxyz"),
        "abcdefghijklmnopqrstu-"
    );
    assert_eq!(prefix("abcdefghijklmnopqrst-uvw"), "abcdefghijklmnopqrst-");
    assert_eq!(prefix("internal-blog"), "teal-internal-blog-");
    assert_eq!(prefix("internals"), "internals-");
}

/// What AWS and the operator write on a template is not the user's.
#[test]
fn a_new_group_carries_the_users_tags_and_its_own() {
    let mut blog = per_release();
    blog.tags.insert("team".to_owned(), "web".to_owned());
    let wanted = release::wanted(&blog, GENERATION, &desired("1.4.0")).unwrap();
    let settings = json!({
        "TargetType": "ip",
        "Tags": [
            {"Key": "owner", "Value": "ops"},
            {"Key": "aws:cloudformation:stack-name", "Value": "network"},
            {"Key": "teal:side", "Value": "B"},
            {"Key": "teal:former", "Value": "x"},
        ],
    });
    let settings = settings.as_object().unwrap();
    let body = release::target_group(&blog, "blog-1", Side::A, &wanted, settings);
    let tags = body["Tags"].as_array().unwrap();
    let keys: Vec<_> = tags
        .iter()
        .map(|tag| tag["Key"].as_str().unwrap())
        .collect();
    let own = [
        "application",
        "generation",
        "managed-by",
        "release",
        "side",
        "version",
    ];
    let own = own.map(|key| format!("teal:{key}"));
    let mut expected = vec!["owner", "team"];
    expected.extend(own.iter().map(String::as_str));
    expected.sort();
    assert_eq!(keys, expected);
    let side = tags.iter().find(|tag| tag["Key"] == "teal:side").unwrap();
    assert_eq!(
        release::parse_side(side["Value"].as_str().unwrap()),
        Some(Side::A)
    );
    assert_eq!(body["TargetType"], "ip");
    assert_eq!(release::parse_side("B"), Some(Side::B));
    assert_eq!(release::parse_side("C"), None);
}

/// The digest is of the content, in whatever order it is written, and of nothing that runs into something else.
#[test]
fn the_same_content_is_the_same_release() {
    let digest = |service: serde_json::Value| {
        let mut blog = application();
        blog.template.service = service.as_object().unwrap().clone();
        release::wanted(&blog, GENERATION, &desired("1.4.0"))
            .unwrap()
            .digest
    };
    let one = digest(json!({"launchType": "FARGATE", "platformVersion": "LATEST"}));
    let other = digest(json!({"platformVersion": "LATEST", "launchType": "FARGATE"}));
    assert_eq!(one, other);
    let list = |items: serde_json::Value| digest(json!({ "list": items }));
    assert_ne!(list(json!([1, 2])), list(json!([12])));
    assert_ne!(list(json!([1, 2])), list(json!([2, 1])));
    assert_eq!(digest(json!({})).len(), 16);
    // Another version of the operator says the same: else it would roll out every application when it starts.
    let kept = json!({"launchType": "FARGATE", "capacity": [1, {"b": [], "a": null}, true]});
    assert_eq!(digest(kept), "f5ceb58d9addcc8f");
}

/// A process that has just begun reads from the record what would be created next, and has not looked for it yet.
#[test]
fn a_name_is_looked_for_before_it_is_given() {
    let mut scene = settled();
    scene.lab.wish("1.4.0");
    let registers = |plan: &Plan| matches!(plan.step, Some(Write::RegisterTaskDefinition { .. }));
    let _ = scene.until(|_, plan| registers(plan));
    scene.operator = Operator::new(&scene.lab);
    let first = scene.first_plan_on(|_| ());
    assert_eq!(first.report.waiting_on.label(), "Observation", "{first:?}");
    let second = scene.first_plan_on(|_| ());
    assert_eq!(second.report.waiting_on.label(), "StartBound", "{second:?}");
}
