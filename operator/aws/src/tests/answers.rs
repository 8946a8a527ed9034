//! What an answer makes of a write, and what people read of it.

use planner::Write;
use planner::memory::WriteOutcome;
use runtime::cloud::{Changed, Cloud, CloudWriter};
use serde_json::json;

use super::{blog, connection, json, silence, text};
use crate::clients::{Connection, Settings};
use crate::in_process::{NoAnswer, http_client};
use crate::metrics::{CallMetrics, Tally};
use crate::{AwsCloud, AwsWriter, Names};

fn delete() -> Write {
    Write::DeleteService {
        name: "blog-1".to_owned(),
    }
}

async fn outcome(status: u16, body: &'static str) -> WriteOutcome {
    let (connection, journal) = connection(move |_, _| text(status, body));
    let outcome = AwsWriter::new(&connection, Names::default())
        .write(&blog(), &delete())
        .await;
    assert_eq!(
        journal.lock().unwrap().len(),
        1,
        "a write is sent once, whatever the answer"
    );
    outcome
}

/// Names operation, resource and category, and what AWS said: `category: said`.
fn tells(reason: &str, expected: &str) -> bool {
    let (category, said) = expected.split_once(": ").unwrap();
    let begins = format!("DeleteService on blog-1 failed ({category}): ");
    reason.starts_with(&begins) && reason.contains(said)
}

#[tokio::test(start_paused = true)]
async fn every_4xx_is_refused_and_all_else_is_unknown() {
    let refused = [
        (
            400,
            r#"{"__type":"ThrottlingException","message":"Rate exceeded"}"#,
            "throttled: ThrottlingException: Rate exceeded",
        ),
        (429, "{}", "throttled: "),
        (
            400,
            r#"{"__type":"ServiceNotFoundException","message":"Service not found."}"#,
            "not-found: ",
        ),
        (
            400,
            r#"{"__type":"ServiceNotActiveException","message":"Service was not ACTIVE."}"#,
            "conflict: ",
        ),
        (
            400,
            r#"{"__type":"InvalidParameterException","message":"The service cannot be stopped while it is scaled above 0."}"#,
            "conflict: ",
        ),
        (
            400,
            r#"{"__type":"InvalidParameterException","message":"Unable to Start a service that is still Draining."}"#,
            "conflict: ",
        ),
        (
            400,
            r#"{"__type":"ClientException","message":"Something"}"#,
            "invalid: ClientException: Something",
        ),
        (
            400,
            r#"{"__type":"UnrecognizedClientException","message":"The security token included in the request is invalid."}"#,
            "credentials: ",
        ),
        (403, "<html>a proxy</html>", "denied: "),
    ];
    for (status, body, begins) in refused {
        let WriteOutcome::Refused { reason } = outcome(status, body).await else {
            panic!("{status} {body}")
        };
        assert!(tells(&reason, begins), "{reason}");
    }
    let unknown = [
        (
            500,
            r#"{"__type":"ServerException","message":"Service Unavailable. Please try again later."}"#,
            "unavailable: ServerException",
        ),
        (503, "", "unavailable: "),
        (
            200,
            "no JSON",
            "invalid: the answer (HTTP 200) could not be read",
        ),
    ];
    for (status, body, begins) in unknown {
        let WriteOutcome::Unknown { reason } = outcome(status, body).await else {
            panic!("{status} {body}")
        };
        assert!(tells(&reason, begins), "{reason}");
        assert!(
            !reason.contains("no JSON"),
            "raw answers are not shown: {reason}"
        );
    }
    assert_eq!(
        outcome(200, r#"{"service":{}}"#).await,
        WriteOutcome::Applied
    );
}

#[tokio::test]
async fn a_connection_that_breaks_leaves_a_write_unknown() {
    let (connection, _) = connection(|_, _| None);
    let outcome = AwsWriter::new(&connection, Names::default())
        .write(&blog(), &delete())
        .await;
    assert!(
        matches!(&outcome, WriteOutcome::Unknown { reason } if reason.contains("failed (network): ")),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn without_a_connection_in_process_nothing_was_sent() {
    let http = http_client(|_| async { Err(NoAnswer::NotConnected) });
    let metrics = CallMetrics::new(&prometheus::Registry::new()).unwrap();
    let clock = runtime::clock::Clock::system();
    let connection = Connection::in_process(http, clock, &Settings::default(), metrics);
    let outcome = AwsWriter::new(&connection, Names::default())
        .write(&blog(), &delete())
        .await;
    assert!(
        matches!(&outcome, WriteOutcome::NotSent { .. }),
        "{outcome:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn no_answer_in_time_leaves_a_write_unknown() {
    let http = http_client(|_| async {
        silence().await;
        Err(NoAnswer::Broken)
    });
    let metrics = CallMetrics::new(&prometheus::Registry::new()).unwrap();
    let settings = Settings::default();
    let connection = Connection::in_process(
        http,
        runtime::clock::Clock::system(),
        &settings,
        metrics.clone(),
    );
    let start = tokio::time::Instant::now();
    let outcome = AwsWriter::new(&connection, Names::default())
        .write(&blog(), &delete())
        .await;
    assert!(
        matches!(&outcome, WriteOutcome::Unknown { reason } if reason.contains("DeleteService on blog") && reason.contains("(timeout)")),
        "{outcome:?}"
    );
    assert_eq!(start.elapsed(), settings.write_timeout);
    assert_eq!(
        metrics.tally()["DeleteService"],
        Tally {
            requests: 1,
            failed: 1,
            throttled: 0
        }
    );
}

#[tokio::test]
async fn denials_say_what_and_what_to_do() {
    let body = r#"{"__type":"AccessDeniedException","message":"User: arn:aws:sts::123456789012:assumed-role/teal/1 is not authorized to perform: ecs:DeleteService on resource: arn:aws:ecs:eu-west-1:123456789012:service/prod/blog-1"}"#;
    let WriteOutcome::Refused { reason } = outcome(400, body).await else {
        panic!()
    };
    assert!(reason.contains(
        "ecs:DeleteService on resource: arn:aws:ecs:eu-west-1:123456789012:service/prod/blog-1"
    ));
    assert!(
        reason.contains("allow ecs:DeleteService in the policy of whom AWS names here"),
        "{reason}"
    );
    let body = r#"{"__type":"InvalidParameterException","message":"Unable to assume the service linked role. Please verify that the ECS service linked role exists."}"#;
    let WriteOutcome::Refused { reason } = outcome(400, body).await else {
        panic!()
    };
    assert!(
        reason.contains("aws iam create-service-linked-role --aws-service-name ecs.amazonaws.com"),
        "{reason}"
    );
}

#[tokio::test(start_paused = true)]
async fn reads_are_tried_again_and_counted() {
    let (connection, journal) = connection(|_, _| {
        json(
            400,
            &json!({"__type": "ThrottlingException", "message": "Rate exceeded"}),
        )
    });
    let cloud = AwsCloud::new(
        &connection,
        Names::default(),
        runtime::clock::Clock::system(),
    );
    let error = cloud.specs().await.unwrap_err();
    assert_eq!(
        (error.operation, error.category),
        ("GetParametersByPath", "throttled")
    );
    assert_eq!(journal.lock().unwrap().len(), 3);
}

#[tokio::test]
async fn what_cannot_be_looked_at_does_not_hold() {
    let (connection, _) = connection(|_, _| {
        json(
            400,
            &json!({"__type": "ClusterNotFoundException", "message": "Cluster not found."}),
        )
    });
    let changed = AwsWriter::new(&connection, Names::default())
        .still_holds(&blog(), &delete())
        .await;
    assert_eq!(
        changed,
        Err(Changed::Unread {
            reason: "DescribeServices on prod failed (not-found): it does not exist: create it, or correct its name in the spec (ClusterNotFoundException: Cluster not found.)".to_owned()
        })
    );
}
