//! No member of a user's template is lost on the way through the wall, not even one that the SDK does not know.

use crd_schema::application::BaseTaskDefinition;
use planner::Write;
use planner::memory::WriteOutcome;
use planner::world::{Base, Read, Side};
use runtime::clock::Clock;
use runtime::cloud::{Cloud, CloudWriter, Focus};
use serde_json::{Map, Value, json};

use super::{blog, connection, json};
use crate::{AwsCloud, AwsWriter, Names};

/// AWS's own model of ECS.
fn model() -> Value {
    serde_json::from_str(include_str!("../../../../emulator/models/ecs.json")).unwrap()
}

/// A value with every member of a shape, two of each list's and map's entries, and one member that no model has.
fn every_member(model: &Value, shape: &str, depth: usize) -> Value {
    let shape = &model["shapes"][shape];
    let of =
        |reference: &Value| every_member(model, reference["shape"].as_str().unwrap(), depth + 1);
    assert!(depth < 12, "the shapes that users write are not recursive");
    match shape["type"].as_str().unwrap() {
        "structure" => {
            let members = shape["members"].as_object().unwrap();
            let mut value: Map<String, Value> = members
                .iter()
                .map(|(name, reference)| (name.clone(), of(reference)))
                .collect();
            value.insert(
                "memberOfTomorrow".to_owned(),
                json!({"deep": [1, 2.5, null, "é\"\\\u{1}"]}),
            );
            Value::Object(value)
        }
        "list" => json!([of(&shape["member"]), of(&shape["member"])]),
        "map" => json!({"one": of(&shape["value"]), "other": of(&shape["value"])}),
        "boolean" => json!(true),
        "integer" | "long" => json!(7),
        "float" | "double" => json!(0.5),
        "timestamp" => json!(1_700_000_000.25),
        "string" => shape["enum"]
            .get(0)
            .cloned()
            .unwrap_or_else(|| json!("a text")),
        other => panic!("a shape of type {other}"),
    }
}

fn object(value: Value) -> Map<String, Value> {
    let Value::Object(members) = value else {
        panic!("{value}")
    };
    members
}

async fn sent(write: Write, answer: Value) -> Value {
    let (connection, journal) = connection(move |_, _| json(200, &answer));
    let outcome = AwsWriter::new(&connection, Names::default())
        .write(&blog(), &write)
        .await;
    assert_eq!(outcome, WriteOutcome::Applied);
    let journal = journal.lock().unwrap();
    let [request] = journal.as_slice() else {
        panic!("{journal:?}")
    };
    assert_eq!(
        request.headers()["content-length"],
        request.body().len().to_string()
    );
    assert_eq!(
        request.headers()["content-type"],
        "application/x-amz-json-1.1"
    );
    assert!(request.headers().contains_key("authorization"));
    serde_json::from_slice(request.body()).unwrap()
}

#[tokio::test]
async fn a_task_definition_is_sent_as_it_is() {
    let body = object(every_member(&model(), "RegisterTaskDefinitionRequest", 0));
    assert!(body.len() > 15, "the model has every member");
    let write = Write::RegisterTaskDefinition {
        digest: "0".to_owned(),
        body: body.clone(),
    };
    assert_eq!(
        sent(write, json!({"taskDefinition": {}})).await,
        Value::Object(body)
    );
}

#[tokio::test]
async fn a_service_is_sent_as_it_is() {
    let body = object(every_member(&model(), "CreateServiceRequest", 0));
    assert!(body.len() > 20, "the model has every member");
    let write = Write::CreateService {
        name: "blog-1".to_owned(),
        side: Side::A,
        body: body.clone(),
    };
    assert_eq!(
        sent(write, json!({"service": {}})).await,
        Value::Object(body)
    );
}

#[tokio::test]
async fn a_described_base_is_what_would_be_registered() {
    let model = model();
    let mut described = object(every_member(&model, "TaskDefinition", 0));
    described.insert(
        "taskDefinitionArn".to_owned(),
        json!("arn:aws:ecs:eu-west-1:123456789012:task-definition/blog:7"),
    );
    let mut expected = object(every_member(&model, "RegisterTaskDefinitionRequest", 0));
    expected.insert("tags".to_owned(), json!([{"key": "team", "value": "web"}]));
    let answer = json!({
        "taskDefinition": described,
        "tags": [{"key": "aws:cloudformation:stack-name", "value": "blog"}, {"key": "team", "value": "web"}],
    });
    let (connection, _) = connection(move |operation, _| {
        json(
            200,
            if operation == "DescribeTaskDefinition" {
                &answer
            } else {
                &Value::Null
            },
        )
    });
    let cloud = AwsCloud::new(&connection, Names::default(), Clock::system());
    let world = cloud.observe(&blog(), &Focus::default()).await;
    let Read::Known {
        value: Base::Found {
            revision,
            definition,
        },
        ..
    } = world.base
    else {
        panic!("{:?}", world.base)
    };
    assert_eq!(revision, "blog:7");
    assert_eq!(Value::Object(definition), Value::Object(expected));
}

#[tokio::test]
async fn a_base_is_inline_or_missing() {
    let (connection, _) = connection(|_, _| {
        json(
            400,
            &json!({"__type": "ClientException", "message": "Unable to describe task definition."}),
        )
    });
    let cloud = AwsCloud::new(&connection, Names::default(), Clock::system());
    let world = cloud
        .observe(
            &blog(),
            &Focus {
                base: Some("blog:3".to_owned()),
                ..Focus::default()
            },
        )
        .await;
    assert_eq!(
        world.base.value(),
        Some(&Base::Missing {
            asked: "blog:3".to_owned()
        })
    );
    let mut inline = blog();
    let definition = object(json!({"family": "blog"}));
    inline.template.task_definition = BaseTaskDefinition::Inline(definition.clone());
    let world = cloud.observe(&inline, &Focus::default()).await;
    assert_eq!(
        world.base.value(),
        Some(&Base::Found {
            revision: "inline".to_owned(),
            definition
        })
    );
}
