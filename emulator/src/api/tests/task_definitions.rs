//! Task definitions: counters, states, what is kept.

use super::*;

#[test]
fn the_revision_counter_never_goes_back() {
    let mut stage = Stage::new();
    let first = stage.register("web:1");
    let second = stage.register("web:1");
    assert!(
        first.ends_with(":task-definition/web:1") && second.ends_with("/web:2"),
        "no dedupe"
    );
    for arn in [&first, &second] {
        stage
            .ecs("DeregisterTaskDefinition", json!({ "taskDefinition": arn }))
            .unwrap();
        stage
            .ecs("DeleteTaskDefinitions", json!({ "taskDefinitions": [arn] }))
            .unwrap();
    }
    let gone = stage.ecs("DescribeTaskDefinition", json!({ "taskDefinition": "web" }));
    assert_eq!(
        refusal(gone),
        (
            "ClientException".into(),
            "Unable to describe task definition.".into()
        )
    );
    assert!(stage.register("web:1").ends_with("/web:3"));
    let active = stage
        .ecs("DescribeTaskDefinition", json!({ "taskDefinition": "web" }))
        .unwrap();
    assert_eq!(active["taskDefinition"]["revision"], 3);
}

#[test]
fn every_member_is_kept_and_tags_are_beside() {
    let mut stage = Stage::new();
    let mut given = task_definition("web:1");
    given["containerDefinitions"][0]["logConfiguration"] =
        json!({ "logDriver": "awslogs", "options": { "a": "b" } });
    given["ephemeralStorage"] = json!({ "sizeInGiB": 30 });
    given["tags"] = json!([{ "key": "hash", "value": "abc" }]);
    stage.ecs("RegisterTaskDefinition", given.clone()).unwrap();
    let plain = stage
        .ecs(
            "DescribeTaskDefinition",
            json!({ "taskDefinition": "web:1" }),
        )
        .unwrap();
    assert!(plain.get("tags").is_none());
    let answer = stage
        .ecs(
            "DescribeTaskDefinition",
            json!({ "taskDefinition": "web:1", "include": ["TAGS"] }),
        )
        .unwrap();
    assert_eq!(answer["tags"], given["tags"]);
    let definition = &answer["taskDefinition"];
    for member in [
        "family",
        "networkMode",
        "cpu",
        "memory",
        "ephemeralStorage",
        "requiresCompatibilities",
    ] {
        assert_eq!(definition[member], given[member], "{member}");
    }
    let container = &definition["containerDefinitions"][0];
    assert_eq!(
        container["logConfiguration"],
        given["containerDefinitions"][0]["logConfiguration"]
    );
    assert_eq!(
        container["portMappings"],
        json!([{ "containerPort": 8080, "hostPort": 8080, "protocol": "tcp" }])
    );
    assert_eq!(container["essential"], true);
}

#[test]
fn lists_filter_sort_and_page() {
    let mut stage = Stage::new();
    for number in 1..=12 {
        stage.register(&format!("web:{number}"));
    }
    stage
        .ecs(
            "DeregisterTaskDefinition",
            json!({ "taskDefinition": "web:2" }),
        )
        .unwrap();
    let list = json!({ "familyPrefix": "web", "sort": "DESC", "maxResults": 2 });
    let first = stage.ecs("ListTaskDefinitions", list).unwrap();
    let names: Vec<String> = first["taskDefinitionArns"]
        .as_array()
        .unwrap()
        .iter()
        .map(string)
        .collect();
    assert!(
        names[0].ends_with("web:12") && names[1].ends_with("web:11"),
        "numbers, not letters: {names:?}"
    );
    let rest = json!({ "familyPrefix": "web", "sort": "DESC", "nextToken": first["nextToken"] });
    let rest = stage.ecs("ListTaskDefinitions", rest).unwrap();
    assert_eq!(
        rest["taskDefinitionArns"].as_array().unwrap().len(),
        9,
        "the INACTIVE one is not listed"
    );
    let families = stage.ecs("ListTaskDefinitionFamilies", json!({})).unwrap();
    assert_eq!(families["families"], json!(["web"]));
}

#[test]
fn fargate_sizes_are_checked() {
    let mut stage = Stage::new();
    let mut given = task_definition("web:1");
    given["memory"] = json!("4096");
    let refused = refusal(stage.ecs("RegisterTaskDefinition", given.clone()));
    assert_eq!(
        refused,
        (
            "ClientException".into(),
            "No Fargate configuration exists for given values.".into()
        )
    );
    given["cpu"] = json!(".5 vCPU");
    given["memory"] = json!("4 GB");
    stage.ecs("RegisterTaskDefinition", given).unwrap();
}
