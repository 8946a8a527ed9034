//! The documents that people, pipelines and operators write: spec, desired value, record, status, tags.

use std::sync::LazyLock;

use arbitrary::Unstructured;
use crd_schema::spec::{self, Invalid};
use crd_schema::{Application, Desired, Record, Status, desired, record, status};
use planner::release::{parse_generation, show};
use serde_json::{Value, json};

use crate::edits::edit;

const BLOG: &str = include_str!("../../../manifests/examples/blog.yaml");
/// What must not be told to anybody who reads statuses, logs or metrics.
const SECRET: &str = "hunter2-correct-horse";

static APPLICATION: LazyLock<Application> =
    LazyLock::new(|| spec::load(BLOG, "blog.yaml").expect("the example is right"));

/// The example as JSON, with a secret in a task definition and in the service's template.
static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
    let arn = "arn:aws:elasticloadbalancing:eu-west-1:123456789012";
    json!({
        "apiVersion": "teal/v1alpha1",
        "kind": "Application",
        "metadata": {"name": "blog"},
        "spec": {
            "cluster": "prod",
            "tags": {"team": SECRET},
            "template": {
                "taskDefinition": {"inline": {"family": "blog", "containerDefinitions": [
                    {"name": "web", "environment": [{"name": "PASSWORD", "value": SECRET}]},
                ]}},
                "images": {"web": "123456789012.dkr.ecr.eu-west-1.amazonaws.com/blog:{version}"},
                "service": {"desiredCount": 2, "launchType": "FARGATE", "tags": [{"key": "a", "value": SECRET}]},
            },
            "traffic": {"routes": [{
                "container": "web",
                "port": 8080,
                "targetGroups": {"pair": [
                    format!("{arn}:targetgroup/blog-a/01"), format!("{arn}:targetgroup/blog-b/02"),
                ]},
                "production": [
                    {"listener": format!("{arn}:listener/app/prod/03/04")},
                    {"rule": format!("{arn}:listener-rule/app/prod/03/04/05")},
                ],
                "test": [{"listener": format!("{arn}:listener/app/prod/03/06")}],
            }]},
            "strategy": {"blueGreen": {}},
            "bakeTime": "10m",
            "cleanUp": {"settle": "30s", "keepBlue": "0s"},
            "deadlines": {"scaleUp": "10m", "validate": "10m", "shift": "2h", "cleanUp": "30m"},
            "onFailure": "rollBack",
            "onNewRelease": {"duringShift": "rollBack", "duringBake": "finish"},
            "drift": "heal",
        },
    })
});

/// Texts that the spec's schema knows.
const WORDS: [&str; 12] = [
    "hold",
    "1s",
    "336h1s",
    "blog:3",
    "x:{version}",
    "aws:a",
    "teal:a",
    "a:{version}@sha256:00",
    "perRelease",
    "fromSsm",
    "-",
    "1m 5s",
];

/// Any text as an Application. The first byte says whether the rest *is* the text or damages a good one.
///
/// A refusal names places that exist; its summary is one line and tells no value of the document. What is accepted is
/// accepted as JSON in any layout too, and means the same.
pub(crate) fn a_spec(data: &[u8]) {
    let Some((0, edits)) = data.split_first().map(|(first, rest)| (first % 2, rest)) else {
        return read_spec(&String::from_utf8_lossy(data.get(1..).unwrap_or_default()));
    };
    let mut document = DOCUMENT.clone();
    edit(&mut document, &mut Unstructured::new(edits), &WORDS);
    let [dense, wide] = [document.to_string(), format!("{document:#}")];
    read_spec(&dense);
    if wide.len() <= spec::MAX_BYTES {
        let paths = |invalid: &Invalid| {
            let mut paths: Vec<_> = invalid
                .problems
                .iter()
                .map(|problem| (problem.path.clone(), problem.right.clone()))
                .collect();
            paths.sort();
            paths
        };
        match (spec::load(&dense, "dense"), spec::load(&wide, "wide")) {
            (Ok(one), Ok(other)) => assert_eq!(one, other),
            (Err(one), Err(other)) => assert_eq!(paths(&one), paths(&other)),
            (one, other) => panic!("layout decides: {one:?} {other:?}"),
        }
    }
}

fn read_spec(text: &str) {
    let invalid = match spec::load(text, "fuzz") {
        Ok(application) => {
            if let Ok(json) = serde_json::from_str::<Value>(text) {
                assert_eq!(spec::load(&json.to_string(), "again"), Ok(application));
            }
            return;
        }
        Err(invalid) => invalid,
    };
    let lines: Vec<String> = text
        .replace("\r\n", "\n")
        .split(['\n', '\r'])
        .map(str::to_owned)
        .collect();
    assert!(!invalid.problems.is_empty());
    for problem in &invalid.problems {
        let line = problem.line.checked_sub(1).and_then(|line| lines.get(line));
        let line = line.unwrap_or_else(|| panic!("no such line: {problem:?}"));
        assert!(
            (1..=line.chars().count() + 1).contains(&problem.column),
            "no such column: {problem:?} in {line:?}"
        );
        assert!(
            problem.found.chars().count() <= 1_000 && problem.right.chars().count() <= 400,
            "too much is told: {problem:?}"
        );
    }
    let summary = invalid.summary();
    assert!(
        !summary.is_empty() && !summary.contains(char::is_control),
        "{summary:?}"
    );
    assert!(!summary.contains(SECRET), "{summary}");
    let shown = invalid.to_string();
    assert_eq!(
        shown.matches("\nerror: ").count() + 1,
        invalid.problems.len(),
        "{shown}"
    );
}

/// Any bytes as a desired value.
///
/// What is accepted is written as JSON and comes back; its images are the spec's own, each with one tag or digest. What
/// is refused is refused in one short line.
pub(crate) fn a_desired_value(data: &[u8]) {
    let desired = match Desired::parse(data) {
        Ok(desired) => desired,
        Err(refused) => return assert_short(&refused.to_string()),
    };
    assert!(data.len() <= desired::MAX_BYTES);
    let written = serde_json::to_string(&desired).expect("a document is JSON");
    if written.len() <= desired::MAX_BYTES {
        assert_eq!(Desired::parse(&written), Ok(desired.clone()));
    }
    let images = match desired.images_for(&APPLICATION) {
        Ok(images) => images,
        Err(refused) => return assert_short(&refused.to_string()),
    };
    let image = images["web"]
        .strip_prefix("123456789012.dkr.ecr.eu-west-1.amazonaws.com/blog")
        .expect("the spec's repository");
    assert!(
        image.starts_with(':') || image.starts_with("@sha256:"),
        "{image}"
    );
    assert!(
        image
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "_.-:@".contains(c)),
        "{image}"
    );
}

/// One line of a length that a status can hold.
pub(crate) fn assert_short(text: &str) {
    assert!(!text.contains(char::is_control), "{text:?}");
    assert!(
        text.chars().count() <= 900,
        "{} characters: {text}",
        text.len()
    );
}

/// A record of which every member is there.
fn whole_record() -> Value {
    let generation = json!({"date": 1_785_542_400_000_i64, "version": 7});
    let release = json!({
        "digest": "0123456789abcdef", "version": "1.4.0", "generation": generation, "taskDefinition": "blog-teal:12",
    });
    let at = "2026-08-01T00:00:00Z";
    json!({
        "clean": true,
        "created": 3,
        "rollout": {
            "release": release, "stage": "Shift", "reference": 4, "base": "blog:12",
            "entered": {"ScaleUp": at, "Validate": at, "Shift": at},
        },
        "rejected": [{"generation": generation, "version": "1.3.0", "reason": "unhealthy"}],
        "lastGood": release,
        "history": [{"generation": generation, "version": "1.2.0", "outcome": "Succeeded", "began": at, "ended": at}],
    })
}

/// Any text as a record, or a good one that was damaged.
///
/// What is read is written within the bound, and comes back as it was written.
pub(crate) fn a_record(data: &[u8]) {
    let text = or_damaged(data, whole_record);
    match Record::from_json(&text) {
        Err(refused) => assert_short(&refused.to_string()),
        Ok(read) => {
            let written = read.to_json();
            assert!(
                written.len() <= record::MAX_BYTES,
                "{} bytes",
                written.len()
            );
            let again = Record::from_json(&written).expect("what was written can be read");
            assert_eq!(again.to_json(), written);
            let kept = |record: &Record| (record.clean, record.created, record.rollout.is_some());
            assert_eq!(kept(&again), kept(&read));
        }
    }
}

/// A status of which every member is there.
fn whole_status() -> Value {
    let generation = json!({"date": 1_785_542_400_000_i64, "version": 7});
    let at = "2026-08-01T00:00:00Z";
    let condition = |kind: &str| {
        json!({
            "type": kind, "status": "True", "reason": "AsDesired", "message": "1.4.0 serves alone",
            "lastTransitionTime": at, "observedGeneration": generation,
        })
    };
    let conditions: Vec<Value> = status::ConditionType::ALL
        .iter()
        .map(|kind| condition(kind.as_str()))
        .collect();
    let ended = json!({"generation": generation, "version": "1.2.0", "outcome": "Succeeded", "began": at, "ended": at});
    json!({
        "name": "blog", "phase": "Progressing", "stage": "Shift", "ecsStage": "PRODUCTION_TRAFFIC_SHIFT",
        "rollout": generation, "observedGeneration": generation,
        "desired": {"version": "1.4.0", "generation": generation, "digest": "0123456789abcdef"},
        "serving": {"version": "1.3.0", "digest": "0123456789abcdef", "service": "blog-1-3-0-0123456789"},
        "lastGood": {"version": "1.3.0", "digest": "0123456789abcdef"},
        "weights": {
            "asked": {"blue": 0, "green": 100},
            "read": [{"rule": "listener 443", "weights": {"blue": 100, "green": 0}}, {"rule": "other", "weights": null}],
        },
        "blue": {"desired": 2, "running": 2, "healthy": 2},
        "green": {"desired": 2, "running": 2, "healthy": 2},
        "waitingOn": {"reason": "TargetsHealthy", "message": "1 of 2", "since": at, "deadline": at},
        "conditions": conditions,
        "rejected": {"generation": generation, "version": "1.1.0", "reason": "unhealthy"},
        "history": [ended, ended, ended, ended, ended],
    })
}

/// Any text as a status document, or a good one that was damaged.
///
/// However long its texts and lists, it is written within the bound and comes back as it was written.
pub(crate) fn a_status(data: &[u8]) {
    let text = or_damaged(data, whole_status);
    let Ok(read) = serde_json::from_str::<Status>(&text) else {
        return;
    };
    let written = read.to_json();
    assert!(
        written.len() <= status::MAX_BYTES,
        "{} bytes",
        written.len()
    );
    let again: Status = serde_json::from_str(&written).expect("what was written can be read");
    assert_eq!(again.to_json(), written);
    assert_eq!((again.phase, again.stage), (read.phase, read.stage));
}

/// The bytes as text, or what they make of a good document: the first byte says which.
fn or_damaged(data: &[u8], good: fn() -> Value) -> String {
    match data.split_first() {
        Some((first, edits)) if first % 2 == 0 => {
            let mut document = good();
            let words = ["Settled", "RollBack", "1.4.0", "2026-13-01T00:00:00Z"];
            edit(&mut document, &mut Unstructured::new(edits), &words);
            document.to_string()
        }
        Some((_, text)) => String::from_utf8_lossy(text).into_owned(),
        None => String::new(),
    }
}

/// Any text as the tag that names a generation. What is read is what would be written.
pub(crate) fn a_generation_tag(data: &[u8]) {
    if let Some(generation) = parse_generation(&String::from_utf8_lossy(data)) {
        assert_eq!(parse_generation(&show(generation)), Some(generation));
    }
}
