//! The lease's item in an emulated DynamoDB: what is asked, and what each answer becomes.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use emulator::ConnectionLost;
use emulator::Emulator;
use emulator::api::Service;
use emulator::faults::{Effect, Fault, FaultSettings, When};
use emulator::world::Settings as Account;
use prometheus::Registry;
use runtime::clock::Clock;
use runtime::lease::{LeaseItem, LeaseStore, Phase};
use serde_json::{Value, json};

use crate::DynamoDbLease;
use crate::clients::{Connection, Settings};
use crate::error::{Error, Kind};
use crate::in_process::{NoAnswer, http_client};
use crate::metrics::CallMetrics;

/// A table, a lease in it, and every request's body.
struct Stage {
    emulator: Emulator,
    lease: DynamoDbLease,
    sent: Arc<Mutex<Vec<Value>>>,
}

impl Stage {
    /// With a table whose partition key is called `key`; none: without a table.
    fn new(key: Option<&str>) -> Self {
        let emulator = Emulator::new(Account::default());
        if let Some(key) = key {
            let table = json!({
                "TableName": "leases",
                "BillingMode": "PAY_PER_REQUEST",
                "AttributeDefinitions": [{"AttributeName": key, "AttributeType": "S"}],
                "KeySchema": [{"AttributeName": key, "KeyType": "HASH"}],
            });
            let made = emulator.call(Service::DynamoDb, "CreateTable", table);
            made.unwrap();
        }
        let sent = Arc::new(Mutex::new(Vec::new()));
        let (api, kept) = (emulator.clone(), Arc::clone(&sent));
        let http = http_client(move |request| {
            let body = serde_json::from_slice(request.body()).unwrap();
            kept.lock().unwrap().push(body);
            let api = api.clone();
            async move {
                let response = api.handle(request).await;
                match response.extensions().get() {
                    None => Ok(response),
                    Some(ConnectionLost::Refused) => Err(NoAnswer::NotConnected),
                    Some(ConnectionLost::Broken) => Err(NoAnswer::Broken),
                }
            }
        });
        let metrics = CallMetrics::new(&Registry::new()).unwrap();
        let connection =
            Connection::in_process(http, Clock::system(), &Settings::default(), metrics);
        let lease = DynamoDbLease::new(&connection, "leases", "blog", Duration::from_secs(5));
        Self {
            emulator,
            lease,
            sent,
        }
    }

    fn fails(&self, effect: Effect) {
        let fault = Fault {
            service: None,
            operation: None,
            when: When::Always,
            effect,
        };
        self.emulator.faults().set(FaultSettings {
            plan: vec![fault],
            ..FaultSettings::default()
        });
    }

    fn last(&self) -> Value {
        self.sent.lock().unwrap().last().unwrap().clone()
    }

    /// Puts an item as somebody else does.
    fn put(&self, item: Value) {
        let input = json!({"TableName": "leases", "Item": item});
        let put = self.emulator.call(Service::DynamoDb, "PutItem", input);
        put.unwrap();
    }
}

fn item(holder: &str, renewal: u64) -> LeaseItem {
    LeaseItem {
        holder: holder.to_owned(),
        epoch: 3,
        renewal,
        phase: Phase::Held,
    }
}

#[tokio::test(start_paused = true)]
async fn a_replace_is_conditional_on_the_whole_item_and_on_none_where_none_was_seen() {
    let stage = Stage::new(Some("lease"));
    assert_eq!(stage.lease.read().await.unwrap(), None);
    assert_eq!(stage.last()["ConsistentRead"], true);
    let (first, second) = (item("one", 0), item("one", 1));
    assert!(stage.lease.replace(None, &first).await.unwrap());
    assert_eq!(
        stage.last()["ConditionExpression"],
        "attribute_not_exists(#lease)"
    );
    assert_eq!(stage.lease.read().await.unwrap(), Some(first.clone()));
    assert!(!stage.lease.replace(None, &second).await.unwrap());
    let others = [
        item("two", 0),
        item("one", 1),
        LeaseItem {
            epoch: 4,
            ..first.clone()
        },
        LeaseItem {
            phase: Phase::Released,
            ..first.clone()
        },
    ];
    for other in &others {
        let replaced = stage.lease.replace(Some(other), &second).await;
        assert!(!replaced.unwrap(), "{other:?}");
    }
    assert_eq!(stage.lease.read().await.unwrap(), Some(first.clone()));
    assert!(stage.lease.replace(Some(&first), &second).await.unwrap());
    assert_eq!(stage.lease.read().await.unwrap(), Some(second));
}

#[tokio::test(start_paused = true)]
async fn a_write_whose_answer_is_lost_is_not_tried_again() {
    let stage = Stage::new(Some("lease"));
    stage.fails(Effect::LoseAnswer);
    let error = stage.lease.replace(None, &item("one", 0)).await;
    assert_eq!(error.unwrap_err().kind, Kind::Network);
    assert_eq!(stage.sent.lock().unwrap().len(), 1);
}

/// What a read and a write say when calls go wrong.
async fn errors(stage: &Stage) -> [Error; 2] {
    let read = stage.lease.read().await;
    let replaced = stage.lease.replace(None, &item("one", 0)).await;
    [read.unwrap_err(), replaced.unwrap_err()]
}

#[tokio::test(start_paused = true)]
async fn what_went_wrong_is_told_with_what_to_do() {
    for (effect, kind) in [
        (Effect::Throttle, Kind::Throttled),
        (Effect::AccessDenied, Kind::Denied),
        (Effect::RefuseConnection, Kind::Network),
        (Effect::Latency(60_000), Kind::Timeout),
    ] {
        let stage = Stage::new(Some("lease"));
        stage.fails(effect);
        for error in errors(&stage).await {
            assert_eq!(error.kind, kind, "{error}");
            assert!(error.to_string().contains("table leases"), "{error}");
        }
    }
    for error in errors(&Stage::new(None)).await {
        assert_eq!(error.kind, Kind::NotFound);
        assert!(error.message.starts_with("create the table"), "{error}");
    }
    for error in errors(&Stage::new(Some("name"))).await {
        assert_eq!(error.kind, Kind::Invalid);
        assert!(error.message.contains("must be `lease`"), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_item_that_is_no_lease_is_an_error_that_names_the_attribute() {
    let good = json!({
        "lease": {"S": "blog"}, "holder": {"S": "one"}, "epoch": {"N": "3"}, "renewal": {"N": "0"},
        "phase": {"S": "held"},
    });
    let stage = Stage::new(Some("lease"));
    stage.put(good.clone());
    assert_eq!(stage.lease.read().await.unwrap(), Some(item("one", 0)));
    for (attribute, value) in [
        ("holder", json!({"N": "1"})),
        ("epoch", json!({"N": "-1"})),
        ("renewal", json!({"N": "1e40"})),
        ("phase", json!({"S": "sleeping"})),
    ] {
        let mut bad = good.clone();
        bad[attribute] = value;
        stage.put(bad);
        let error = stage.lease.read().await.unwrap_err();
        assert_eq!(error.kind, Kind::Invalid);
        assert!(error.message.contains(attribute), "{error}");
    }
}
