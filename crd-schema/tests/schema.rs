//! The JSON Schema and the reader say the same.

#![expect(clippy::unwrap_used, reason = "a test may stop where it is wrong")]

use std::collections::BTreeSet;

use crd_schema::spec::{load, schema};
use serde_json::Value;

const BLOG: &str = include_str!("../../manifests/examples/blog.yaml");

/// What `spec::check` compares, and what only describes.
const KNOWN: [&str; 27] = [
    "$schema",
    "title",
    "description",
    "default",
    "doNotSuggest",
    "errorMessage",
    "pattern",
    "not",
    "type",
    "const",
    "enum",
    "oneOf",
    "minimum",
    "maximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "format",
    "items",
    "minItems",
    "maxItems",
    "properties",
    "required",
    "additionalProperties",
    "propertyNames",
    "minProperties",
    "maxProperties",
];

fn keywords(schema: &Value, found: &mut BTreeSet<String>) {
    let Some(schema) = schema.as_object() else {
        return;
    };
    for (keyword, value) in schema {
        found.insert(keyword.clone());
        match keyword.as_str() {
            "properties" => value
                .as_object()
                .unwrap()
                .values()
                .for_each(|property| keywords(property, found)),
            "oneOf" => value
                .as_array()
                .unwrap()
                .iter()
                .for_each(|branch| keywords(branch, found)),
            "items" | "additionalProperties" | "propertyNames" => keywords(value, found),
            _ => {}
        }
    }
}

#[test]
fn the_schema_uses_no_keyword_that_the_reader_does_not_know() {
    let mut found = BTreeSet::new();
    keywords(&schema(), &mut found);
    let unknown: Vec<_> = found
        .iter()
        .filter(|keyword| !KNOWN.contains(&keyword.as_str()))
        .collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

fn with(path: &str, value: &Value) -> Value {
    let mut document: Value = serde_saphyr::from_str(BLOG).unwrap();
    *document.pointer_mut(path).unwrap() = value.clone();
    document
}

/// `pattern` is what editors check, `format` what the reader checks: where they can be the same, they are.
#[test]
fn patterns_and_formats_agree() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    let elb = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:";
    let arns = [
        "targetgroup/a/1",
        "targetgroup/a",
        "targetgroup/a/1/2",
        "listener/app/a/1/2",
        "listener/net/a/1/2",
        "listener/app/a/1",
        "listener-rule/app/a/1/2/3",
        "listener-rule/app/a/1/2",
        "loadbalancer/app/a/1",
        "",
        "targetgroup//1",
        "listener/app/a/1/",
        "listener/app/a_b/1/2",
        "targetgroup/a/G",
    ];
    let arns = || {
        arns.iter()
            .map(|resource| format!("{elb}{resource}"))
            .chain([
                String::new(),
                "x".into(),
                "arn:aws:ecs:eu-west-1:123456789012:service/a/b".into(),
                "arn:aws-cn:elasticloadbalancing:cn-north-1:1234:targetgroup/a/1".into(),
            ])
            .collect::<Vec<_>>()
    };
    let names = [
        "a", "blog", "a-b", "-a", "a-", "A", "a_b", "", "é", "1", "a.b",
    ]
    .map(str::to_owned)
    .into_iter()
    .chain([40, 41].map(|length| "a".repeat(length)));
    let families = [
        "blog",
        "blog:7",
        "blog:",
        ":7",
        "a b",
        "blog:x",
        "arn:aws:ecs:x",
        "blog_1-x",
    ]
    .map(str::to_owned);
    let tables: [(&str, Vec<String>); 5] = [
        ("/metadata/name", names.collect()),
        ("/spec/template/taskDefinition", families.to_vec()),
        ("/spec/traffic/routes/0/targetGroups/pair/1", arns()),
        ("/spec/traffic/routes/0/production/0/listener", arns()),
        ("/spec/traffic/routes/0/production/1/rule", arns()),
    ];
    for (path, values) in tables {
        let mut allowed = 0;
        for value in values {
            let document = with(path, &value.clone().into());
            let read = load(&document.to_string(), "x").is_ok();
            assert_eq!(validator.is_valid(&document), read, "{path} {value:?}");
            allowed += usize::from(read);
        }
        assert!(
            allowed > 0,
            "{path}: nothing was allowed, so nothing was tested"
        );
    }
}

/// Where a format cannot be told in a pattern, the schema at least never refuses what the reader takes.
#[test]
fn what_the_reader_takes_satisfies_the_schema() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    let tables = [
        (
            "/spec/bakeTime",
            vec![
                "0s",
                "30s",
                "90m",
                "1h30m",
                "1h 30m",
                "336h",
                "500ms",
                "2 minutes",
            ],
        ),
        ("/spec/deadlines/scaleUp", vec!["1s", "1m 30s"]),
        (
            "/spec/template/images/web",
            vec![
                "blog:{version}",
                "host:5000/a/b-c:{version}",
                "r.example.com/a_b/c.d:{version}",
            ],
        ),
        (
            "/spec/cluster",
            vec!["prod", "arn:aws:ecs:eu-west-1:123456789012:cluster/prod"],
        ),
    ];
    for (path, values) in tables {
        for value in values {
            let document = with(path, &value.into());
            load(&document.to_string(), "x").unwrap();
            assert!(validator.is_valid(&document), "{path} {value:?}");
        }
    }
}
