//! The examples that users copy are valid, by the schema and by the reader, and say what they are meant to say.

#![expect(clippy::unwrap_used, reason = "a test may stop where it is wrong")]

use std::fs;
use std::path::Path;
use std::time::Duration;

use crd_schema::spec::{load, schema};

fn examples() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../manifests/examples");
    let mut examples: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "yaml")
        })
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, fs::read_to_string(path).unwrap())
        })
        .collect();
    examples.sort();
    examples
}

fn example(name: &str) -> String {
    examples()
        .into_iter()
        .find(|(file, _)| file == name)
        .unwrap()
        .1
}

#[test]
fn every_example_loads_and_satisfies_the_schema() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    let examples = examples();
    assert!(examples.len() >= 2);
    for (name, text) in examples {
        let json: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
        let errors: Vec<_> = validator
            .iter_errors(&json)
            .map(|error| error.to_string())
            .collect();
        assert!(errors.is_empty(), "{name}: {errors:?}");
        load(&text, &name).unwrap_or_else(|invalid| panic!("{invalid}"));
    }
}

/// blog.yaml promises that what it spells out is the default of what blog-minimal.yaml leaves out.
#[test]
fn the_full_example_spells_out_the_defaults() {
    let full = load(&example("blog.yaml"), "blog.yaml").unwrap();
    let mut minimal = load(&example("blog-minimal.yaml"), "blog-minimal.yaml").unwrap();
    assert_eq!(minimal.bake_time, Duration::from_secs(600));
    assert_eq!(minimal.deadlines.shift, Duration::from_secs(7200));
    minimal.tags.clone_from(&full.tags);
    minimal.template.clone_from(&full.template);
    minimal.routes.clone_from(&full.routes);
    assert_eq!(minimal, full);
}

/// Each Application in docs/coming-from.md loads; the page compares four tools, each beside one of ours.
#[test]
fn every_application_of_the_comparison_loads() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/coming-from.md");
    let page = fs::read_to_string(page).unwrap();
    let applications: Vec<&str> = page
        .split("```yaml\n")
        .skip(1)
        .map(|rest| rest.split("\n```").next().unwrap())
        .filter(|block| block.contains("apiVersion: teal/"))
        .collect();
    assert_eq!(applications.len(), 4);
    for text in applications {
        load(text, "coming-from.md").unwrap_or_else(|invalid| panic!("{invalid}"));
    }
}

#[test]
fn twelve_lines_are_enough() {
    assert_eq!(example("blog-minimal.yaml").lines().count(), 12);
}

#[test]
fn json_is_read_as_well_as_yaml() {
    let yaml = example("blog.yaml");
    let json: serde_json::Value = serde_saphyr::from_str(&yaml).unwrap();
    for text in [
        json.to_string(),
        serde_json::to_string_pretty(&json).unwrap(),
        serde_json::to_string_pretty(&json)
            .unwrap()
            .replace("  ", "\t"),
    ] {
        assert_eq!(load(&text, "blog.json"), load(&yaml, "blog.yaml"), "{text}");
    }
}

#[test]
fn what_the_service_says_passes_unchanged() {
    let app = load(&example("blog.yaml"), "blog.yaml").unwrap();
    let expected = serde_json::json!({
        "launchType": "FARGATE",
        "healthCheckGracePeriodSeconds": 30,
        "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-1", "subnet-2"], "securityGroups": ["sg-1"]}}
    });
    assert_eq!(serde_json::Value::Object(app.template.service), expected);
    assert_eq!(app.template.desired_count, 2);
}

#[test]
fn the_schema_is_what_editors_were_promised() {
    insta::assert_json_snapshot!("application", schema());
}
