//! DynamoDB's rules for single items, through the wire.

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
    async fn new() -> Self {
        let stage = Self(Emulator::new(Settings::default()));
        let table = json!({
            "TableName": "leases",
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [{"AttributeName": "lease", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "lease", "KeyType": "HASH"}],
        });
        stage.call("CreateTable", table).await.unwrap();
        stage
    }

    /// The output, or the error's code and text.
    async fn call(&self, operation: &str, input: Value) -> Result<Value, (String, String)> {
        let request = Request::post("/")
            .header("authorization", "any")
            .header("x-amz-target", format!("DynamoDB_20120810.{operation}"));
        let request = request.body(Bytes::from(input.to_string())).unwrap();
        let response = self.0.handle(request).await;
        assert_eq!(
            response.headers()["content-type"],
            "application/x-amz-json-1.0"
        );
        let body: Value = serde_json::from_slice(response.body()).unwrap();
        match response.status().as_u16() {
            200 => Ok(body),
            400 => {
                let code = response.headers()["x-amzn-errortype"].to_str().unwrap();
                let text = body["message"].as_str().unwrap_or_default();
                Err((code.to_owned(), text.to_owned()))
            }
            other => panic!("{operation}: {other} {body}"),
        }
    }

    /// Puts an item with `n` when the condition holds; `:v` is a number.
    async fn put(&self, n: i64, condition: &str, v: Option<i64>) -> Result<Value, String> {
        let mut input = json!({
            "TableName": "leases",
            "Item": {"lease": {"S": "a"}, "n": {"N": n.to_string()}, "holder": {"S": "one"}},
            "ConditionExpression": condition,
        });
        if let Some(v) = v {
            input["ExpressionAttributeValues"] = json!({":v": {"N": v.to_string()}});
        }
        self.call("PutItem", input).await.map_err(|(code, _)| code)
    }

    async fn item(&self) -> Value {
        let input =
            json!({"TableName": "leases", "Key": {"lease": {"S": "a"}}, "ConsistentRead": true});
        self.call("GetItem", input).await.unwrap()["Item"].clone()
    }
}

fn failed() -> Result<Value, String> {
    Err("ConditionalCheckFailedException".to_owned())
}

#[tokio::test]
async fn a_put_happens_when_its_condition_holds_for_the_item_as_it_is() {
    let stage = Stage::new().await;
    let absent = "attribute_not_exists(lease)";
    assert_eq!(stage.put(1, "n = :v", Some(0)).await, failed());
    assert_eq!(stage.put(1, absent, None).await, Ok(json!({})));
    assert_eq!(stage.put(2, absent, None).await, failed());
    for (condition, v, holds) in [
        ("n = :v", 1, true),
        ("n = :v", 2, false),
        ("n <> :v", 2, true),
        ("n < :v", 10, true),
        ("n >= :v", 10, false),
        ("n BETWEEN :v AND n", 0, true),
        ("n IN (:v, holder)", 1, true),
        ("attribute_exists(gone) OR n = :v", 1, true),
        ("attribute_exists(lease) AND NOT n = :v", 1, false),
        ("NOT (n = :v AND attribute_exists(gone))", 1, true),
        ("n = :v and size(holder) > :v", 1, true),
        ("gone = :v", 1, false),
        ("gone <> :v", 1, true),
    ] {
        let put = stage.put(1, condition, Some(v)).await;
        let expected = if holds { Ok(json!({})) } else { failed() };
        assert_eq!(put, expected, "{condition} {v}");
    }
    assert_eq!(stage.item().await["n"], json!({"N": "1"}));
}

#[tokio::test]
async fn an_update_changes_what_it_names_and_a_delete_minds_its_condition() {
    let stage = Stage::new().await;
    let update = |expression: &str, values: Value| {
        json!({
            "TableName": "leases", "Key": {"lease": {"S": "a"}}, "ReturnValues": "ALL_NEW",
            "UpdateExpression": expression, "ExpressionAttributeNames": {"#n": "n"}, "ExpressionAttributeValues": values,
        })
    };
    let first = update(
        "SET #n = if_not_exists(#n, :zero) + :one, holder = :me",
        json!({":zero": {"N": "0"}, ":one": {"N": "1"}, ":me": {"S": "me"}}),
    );
    for n in 1..=3 {
        let answer = stage.call("UpdateItem", first.clone()).await.unwrap();
        let item = json!({"lease": {"S": "a"}, "n": {"N": n.to_string()}, "holder": {"S": "me"}});
        assert_eq!(answer["Attributes"], item);
    }
    let second = update("ADD #n :ten REMOVE holder", json!({":ten": {"N": "10"}}));
    stage.call("UpdateItem", second).await.unwrap();
    assert_eq!(
        stage.item().await,
        json!({"lease": {"S": "a"}, "n": {"N": "13"}})
    );
    let delete = |n: &str| {
        json!({
            "TableName": "leases", "Key": {"lease": {"S": "a"}},
            "ConditionExpression": "n = :n", "ExpressionAttributeValues": {":n": {"N": n}},
        })
    };
    let refused = stage.call("DeleteItem", delete("12")).await.unwrap_err();
    assert_eq!(refused.0, "ConditionalCheckFailedException");
    assert_eq!(refused.1, "The conditional request failed");
    stage.call("DeleteItem", delete("13")).await.unwrap();
    assert_eq!(stage.item().await, Value::Null);
}

#[tokio::test]
async fn what_is_wrong_is_refused_as_aws_refuses_it() {
    let stage = Stage::new().await;
    let put = |table: &str, item: Value| json!({"TableName": table, "Item": item});
    let with = |condition: &str, values: Value| {
        let mut input = put("leases", json!({"lease": {"S": "a"}}));
        input["ConditionExpression"] = json!(condition);
        if !values.is_null() {
            input["ExpressionAttributeValues"] = values;
        }
        input
    };
    for (operation, input, code, text) in [
        (
            "PutItem",
            put("gone", json!({"lease": {"S": "a"}})),
            "ResourceNotFoundException",
            "Requested resource not found",
        ),
        (
            "DescribeTable",
            json!({"TableName": "gone"}),
            "ResourceNotFoundException",
            "Table: gone not found",
        ),
        (
            "PutItem",
            put("leases", json!({"n": {"N": "1"}})),
            "ValidationException",
            "Missing the key lease in the item",
        ),
        (
            "PutItem",
            put("leases", json!({"lease": {"N": "1"}})),
            "ValidationException",
            "Type mismatch for key lease expected: S actual: N",
        ),
        (
            "GetItem",
            json!({"TableName": "leases", "Key": {"other": {"S": "a"}}}),
            "ValidationException",
            "The provided key element does not match the schema",
        ),
        (
            "PutItem",
            with("n = :v", Value::Null),
            "ValidationException",
            "attribute value: :v",
        ),
        (
            "PutItem",
            with("n = :v", json!({":v": {"N": "1"}, ":w": {"N": "1"}})),
            "ValidationException",
            "Value unused in ExpressionAttributeValues: keys: {:w}",
        ),
        (
            "PutItem",
            with("n = ", Value::Null),
            "ValidationException",
            "Syntax error; token: \"<EOF>\"",
        ),
        (
            "PutItem",
            with("is_there(n)", Value::Null),
            "ValidationException",
            "Invalid function name; function: is_there",
        ),
        (
            "CreateTable",
            json!({
                "TableName": "leases", "BillingMode": "PAY_PER_REQUEST",
                "AttributeDefinitions": [{"AttributeName": "lease", "AttributeType": "S"}],
                "KeySchema": [{"AttributeName": "lease", "KeyType": "HASH"}],
            }),
            "ResourceInUseException",
            "Table already exists: leases",
        ),
    ] {
        let refused = stage.call(operation, input.clone()).await.unwrap_err();
        assert_eq!(refused.0, code, "{operation} {input}");
        assert!(
            refused.1.contains(text),
            "{operation} {input}: {}",
            refused.1
        );
    }
}

#[tokio::test]
async fn a_consistent_read_never_lags_and_another_one_may() {
    let stage = Stage::new().await;
    let lag = json!({"throttling": false, "readLagMs": {"dynamodb": 60_000}});
    stage.0.faults().set(serde_json::from_value(lag).unwrap());
    let put = stage.put(1, "attribute_not_exists(lease)", None).await;
    assert_eq!(put, Ok(json!({})));
    assert_eq!(stage.item().await["n"], json!({"N": "1"}));
    let lagging = json!({"TableName": "leases", "Key": {"lease": {"S": "a"}}});
    assert_eq!(stage.call("GetItem", lagging).await, Ok(json!({})));
}
