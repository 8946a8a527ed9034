//! Parameter Store's rules, through the wire.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops at its first surprise"
)]

use bytes::Bytes;
use emulator::Emulator;
use emulator::world::Settings;
use http::Request;
use serde_json::{Value, json};

struct Stage(Emulator);

impl Stage {
    fn new() -> Self {
        let emulator = Emulator::new(Settings::default());
        emulator
            .faults()
            .set(serde_json::from_value(json!({"throttling": false})).unwrap());
        Self(emulator)
    }

    /// The output, or the error's code.
    async fn call(&self, operation: &str, input: Value) -> Result<Value, String> {
        let request = Request::post("/")
            .header("authorization", "any")
            .header("x-amz-target", format!("AmazonSSM.{operation}"));
        let response = self
            .0
            .handle(request.body(Bytes::from(input.to_string())).unwrap())
            .await;
        let body: Value = serde_json::from_slice(response.body()).unwrap();
        match response.status().as_u16() {
            200 => Ok(body),
            400 => Err(response.headers()["x-amzn-errortype"]
                .to_str()
                .unwrap()
                .to_owned()),
            other => panic!("{operation}: {other} {body}"),
        }
    }

    async fn put(&self, input: Value) -> Result<Value, String> {
        self.call("PutParameter", input).await
    }

    async fn value(&self, name: &str) -> Result<String, String> {
        let output = self.call("GetParameter", json!({"Name": name})).await?;
        Ok(output["Parameter"]["Value"].as_str().unwrap().to_owned())
    }
}

fn refused<T>(code: &str) -> Result<T, String> {
    Err(code.to_owned())
}

#[tokio::test]
async fn versions_count_from_one_and_a_hundred_are_kept() {
    let stage = Stage::new();
    for number in 1..=101 {
        let value = format!("v{number}");
        let put = stage
            .put(json!({"Name": "/a", "Type": "String", "Value": value, "Overwrite": true}))
            .await
            .unwrap();
        assert_eq!(put, json!({"Version": number, "Tier": "Standard"}));
    }
    assert_eq!(stage.value("/a").await.unwrap(), "v101");
    assert_eq!(stage.value("/a:2").await.unwrap(), "v2");
    assert_eq!(
        stage.value("/a:1").await,
        refused("ParameterVersionNotFound")
    );
    let history = stage
        .call(
            "GetParameterHistory",
            json!({"Name": "/a", "MaxResults": 50}),
        )
        .await
        .unwrap();
    assert_eq!(history["Parameters"].as_array().unwrap().len(), 50);
    assert_eq!(history["Parameters"][0]["Version"], 2);
    let next = json!({"Name": "/a", "MaxResults": 50, "NextToken": history["NextToken"]});
    let rest = stage.call("GetParameterHistory", next).await.unwrap();
    assert_eq!(rest["Parameters"][49]["Value"], "v101");
    assert!(rest.get("NextToken").is_none());
}

#[tokio::test]
async fn a_label_moves_and_holds_its_version() {
    let stage = Stage::new();
    for value in ["one", "two"] {
        stage
            .put(json!({"Name": "/a", "Type": "String", "Value": value, "Overwrite": true}))
            .await
            .unwrap();
    }
    let labelled = stage
        .call(
            "LabelParameterVersion",
            json!({"Name": "/a", "ParameterVersion": 2, "Labels": ["good", "9x"]}),
        )
        .await;
    assert_eq!(
        labelled.unwrap(),
        json!({"InvalidLabels": ["9x"], "ParameterVersion": 2})
    );
    assert_eq!(stage.value("/a:good").await.unwrap(), "two");
    stage
        .call(
            "LabelParameterVersion",
            json!({"Name": "/a", "ParameterVersion": 1, "Labels": ["good"]}),
        )
        .await
        .unwrap();
    assert_eq!(stage.value("/a:good").await.unwrap(), "one");
    assert_eq!(
        stage.value("/a:bad").await,
        refused("ParameterVersionNotFound")
    );

    let many: Vec<String> = (0..10).map(|number| format!("label-{number}")).collect();
    let too_many = stage
        .call(
            "LabelParameterVersion",
            json!({"Name": "/a", "ParameterVersion": 1, "Labels": many}),
        )
        .await;
    assert_eq!(too_many, refused("ParameterVersionLabelLimitExceeded"));

    for _ in 3..=100 {
        stage
            .put(json!({"Name": "/a", "Value": "x", "Overwrite": true}))
            .await
            .unwrap();
    }
    let held = stage
        .put(json!({"Name": "/a", "Value": "x", "Overwrite": true}))
        .await;
    assert_eq!(held, refused("ParameterMaxVersionLimitExceeded"));
}

#[tokio::test]
async fn a_put_that_breaks_a_rule_changes_nothing() {
    let stage = Stage::new();
    stage.put(json!({"Name": "/v", "Type": "String", "Value": "1.0.0", "AllowedPattern": r"^\d+\.\d+\.\d+$"})).await.unwrap();
    let deep = "/x".repeat(16);
    for (input, code) in [
        (
            json!({"Name": "/v", "Value": "1.0.1"}),
            "ParameterAlreadyExists",
        ),
        (
            json!({"Name": "/v", "Value": "next", "Overwrite": true}),
            "ParameterPatternMismatchException",
        ),
        (
            json!({"Name": "/v", "Value": "1.0.1", "Type": "SecureString", "Overwrite": true}),
            "HierarchyTypeMismatchException",
        ),
        (
            json!({"Name": "/v", "Value": "1.0.1", "Overwrite": true, "Tags": [{"Key": "a", "Value": "b"}]}),
            "ValidationException",
        ),
        (json!({"Name": "/new", "Value": "x"}), "ValidationException"),
        (
            json!({"Name": "/new", "Type": "Number", "Value": "x"}),
            "ValidationException",
        ),
        (
            json!({"Name": "/new", "Type": "String", "Value": ""}),
            "ValidationException",
        ),
        (
            json!({"Name": "/new", "Type": "String", "Value": "x", "AllowedPattern": "("}),
            "InvalidAllowedPatternException",
        ),
        (
            json!({"Name": "/aws/new", "Type": "String", "Value": "x"}),
            "ValidationException",
        ),
        (
            json!({"Name": "a/new", "Type": "String", "Value": "x"}),
            "ValidationException",
        ),
        (
            json!({"Name": deep, "Type": "String", "Value": "x"}),
            "HierarchyLevelLimitExceededException",
        ),
        (
            json!({"Name": "/new", "Type": "String", "Value": "x".repeat(4097)}),
            "ValidationException",
        ),
        (
            json!({"Name": "/new", "Type": "String", "Value": "x".repeat(8193), "Tier": "Advanced"}),
            "ValidationException",
        ),
        (
            json!({"Name": "/new", "Type": "String"}),
            "ValidationException",
        ),
        (
            json!({"Name": 7, "Type": "String", "Value": "x"}),
            "SerializationException",
        ),
    ] {
        assert_eq!(stage.put(input.clone()).await, refused(code), "{input}");
    }
    let all = stage.call("DescribeParameters", json!({})).await.unwrap();
    assert_eq!(all["Parameters"].as_array().unwrap().len(), 1);
    assert_eq!(
        (
            &all["Parameters"][0]["Name"],
            &all["Parameters"][0]["Version"]
        ),
        (&json!("/v"), &json!(1))
    );
}

#[tokio::test]
async fn a_value_larger_than_four_kilobytes_needs_the_advanced_tier_and_stays_there() {
    let stage = Stage::new();
    let large = "x".repeat(5000);
    let put = stage
        .put(json!({"Name": "/a", "Type": "String", "Value": large, "Tier": "Intelligent-Tiering"}))
        .await;
    assert_eq!(put.unwrap()["Tier"], "Advanced");
    let small = stage
        .put(json!({"Name": "/a", "Value": "x", "Overwrite": true}))
        .await;
    assert_eq!(small.unwrap()["Tier"], "Advanced");
    let down = stage
        .put(json!({"Name": "/a", "Value": "x", "Overwrite": true, "Tier": "Standard"}))
        .await;
    assert_eq!(down, refused("ValidationException"));
}

#[tokio::test]
async fn unknown_names_are_listed_beside_those_that_are_known() {
    let stage = Stage::new();
    stage
        .put(json!({"Name": "/a", "Type": "String", "Value": "1"}))
        .await
        .unwrap();
    let found = stage
        .call("GetParameters", json!({"Names": ["/a", "/b", "/a:2"]}))
        .await
        .unwrap();
    assert_eq!(found["InvalidParameters"], json!(["/b", "/a:2"]));
    assert_eq!(
        found["Parameters"][0]["ARN"],
        "arn:aws:ssm:eu-west-1:123456789012:parameter/a"
    );
    let by_arn = stage
        .value("arn:aws:ssm:eu-west-1:123456789012:parameter/a:1")
        .await;
    assert_eq!(by_arn.unwrap(), "1");
    let eleven: Vec<String> = (0..11).map(|number| format!("/{number}")).collect();
    assert_eq!(
        stage.call("GetParameters", json!({"Names": eleven})).await,
        refused("ValidationException")
    );
    let deleted = stage
        .call("DeleteParameters", json!({"Names": ["/a", "/b"]}))
        .await
        .unwrap();
    assert_eq!(
        deleted,
        json!({"DeletedParameters": ["/a"], "InvalidParameters": ["/b"]})
    );
    assert_eq!(
        stage.call("DeleteParameter", json!({"Name": "/a"})).await,
        refused("ParameterNotFound")
    );
    assert_eq!(stage.value("/a").await, refused("ParameterNotFound"));
}

#[tokio::test]
async fn a_path_is_read_page_by_page_even_when_pages_come_empty() {
    let stage = Stage::new();
    for name in ["/p/a", "/p/b", "/p/c", "/p/d/e", "/pq", "/p"] {
        stage
            .put(json!({"Name": name, "Type": "String", "Value": "x"}))
            .await
            .unwrap();
    }
    for (short, recursive, expected) in [
        (false, false, vec!["/p/a", "/p/b", "/p/c"]),
        (true, true, vec!["/p/a", "/p/b", "/p/c", "/p/d/e"]),
    ] {
        stage.0.with(|world| world.settings.short_pages = short);
        let (mut names, mut lengths, mut token) = (Vec::new(), Vec::new(), None);
        loop {
            let mut input = json!({"Path": "/p", "Recursive": recursive, "MaxResults": 2});
            if let Some(token) = token.take() {
                input["NextToken"] = token;
            }
            let page = stage.call("GetParametersByPath", input).await.unwrap();
            let parameters = page["Parameters"].as_array().unwrap();
            lengths.push(parameters.len());
            names.extend(
                parameters
                    .iter()
                    .map(|one| one["Name"].as_str().unwrap().to_owned()),
            );
            match page.get("NextToken") {
                Some(next) => token = Some(next.clone()),
                None => break,
            }
        }
        assert_eq!(names, expected);
        assert_eq!(lengths.first(), Some(if short { &0 } else { &2 }));
    }
    let beyond = stage
        .call(
            "GetParametersByPath",
            json!({"Path": "/p", "MaxResults": 11}),
        )
        .await;
    assert_eq!(beyond, refused("ValidationException"));
    let odd = stage
        .call(
            "GetParametersByPath",
            json!({"Path": "/p", "NextToken": "odd"}),
        )
        .await;
    assert_eq!(odd, refused("InvalidNextToken"));
}

#[tokio::test]
async fn tags_belong_to_the_parameter() {
    let stage = Stage::new();
    let tag = |key: &str| json!({"Key": key, "Value": "1"});
    stage
        .put(json!({"Name": "/a", "Type": "String", "Value": "x", "Tags": [tag("one")]}))
        .await
        .unwrap();
    let of = |operation: &'static str, more: Value| {
        let mut input = json!({"ResourceType": "Parameter", "ResourceId": "/a"});
        input
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        stage.call(operation, input)
    };
    of("AddTagsToResource", json!({"Tags": [tag("two")]}))
        .await
        .unwrap();
    of("RemoveTagsFromResource", json!({"TagKeys": ["one"]}))
        .await
        .unwrap();
    assert_eq!(
        of("ListTagsForResource", json!({})).await.unwrap(),
        json!({"TagList": [tag("two")]})
    );
    let filters = json!({"ParameterFilters": [{"Key": "tag:two", "Values": ["1"]}]});
    assert_eq!(
        stage.call("DescribeParameters", filters).await.unwrap()["Parameters"][0]["Name"],
        "/a"
    );
    let other = json!({"ResourceType": "Parameter", "ResourceId": "/b"});
    assert_eq!(
        stage.call("ListTagsForResource", other).await,
        refused("InvalidResourceId")
    );
}

#[tokio::test]
async fn a_secure_string_is_readable_with_decryption_only() {
    let stage = Stage::new();
    stage
        .put(json!({"Name": "/s", "Type": "SecureString", "Value": "secret"}))
        .await
        .unwrap();
    assert_ne!(stage.value("/s").await.unwrap(), "secret");
    let open = stage
        .call(
            "GetParameter",
            json!({"Name": "/s", "WithDecryption": true}),
        )
        .await
        .unwrap();
    assert_eq!(open["Parameter"]["Value"], "secret");
}
