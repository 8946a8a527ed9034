//! Task definitions that others wrote, rendered for a release.

use std::sync::LazyLock;

use arbitrary::Unstructured;
use crd_schema::Desired;
use crd_schema::record::Generation;
use emulator::api::Service;
use planner::release::{TAG_DIGEST, family, task_definition, wanted};
use serde_json::{Map, Value, json};

use crate::account;
use crate::edits::edit;

static BASE: LazyLock<Value> = LazyLock::new(|| {
    account::run(async {
        let described = account::emulator()
            .call(
                Service::Ecs,
                "DescribeTaskDefinition",
                json!({"taskDefinition": "blog"}),
            )
            .expect("the account has it");
        described["taskDefinition"].clone()
    })
});

/// A good definition that was damaged.
///
/// What is rendered runs the decided image in every container of a decided name, is of our family, carries our digest,
/// and has every other member as it was; what is refused is refused in words.
pub(crate) fn a_base_definition(data: &[u8]) {
    let mut base = BASE.clone();
    edit(
        &mut base,
        &mut Unstructured::new(data),
        &["web", "log-router", "teal:digest", "blog:3"],
    );
    let Value::Object(base) = base else { return };
    let application = account::application();
    let generation = Generation {
        date: 1,
        version: 1,
    };
    let desired = Desired::parse("1.4.0").expect("a version");
    let wanted = wanted(&application, generation, &desired).expect("the stage's spec allows it");
    let body = match task_definition(&application, "blog:7", &base, &wanted) {
        Ok(body) => body,
        Err(refused) => return assert!(!refused.is_empty()),
    };
    let mut found = 0;
    for container in containers(&body) {
        let name = container["name"].as_str().unwrap_or_default();
        if let Some(image) = wanted.images.get(name) {
            found += 1;
            assert_eq!(container["image"], image.as_str());
        }
    }
    assert!(found >= wanted.images.len(), "{body:?}");
    assert_eq!(body["family"], family(&application));
    let tags = body["tags"].as_array().expect("tags");
    let digests: Vec<&Value> = tags.iter().filter(|tag| tag["key"] == TAG_DIGEST).collect();
    assert_eq!(digests.len(), 1);
    assert_eq!(digests[0]["value"], wanted.digest.as_str());
    let others = |body: &Map<String, Value>| {
        let mut body = body.clone();
        for name in ["family", "tags", "containerDefinitions"] {
            body.remove(name);
        }
        body
    };
    for (name, member) in others(&body) {
        assert_eq!(base.get(&name), Some(&member), "{name}");
    }
    assert_eq!(containers(&base).len(), containers(&body).len());
}

fn containers(body: &Map<String, Value>) -> Vec<Value> {
    body.get("containerDefinitions")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default()
}
