//! AWS's answers to the operator's writes: what may have happened.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws::in_process::NoAnswer;
use aws::{AwsWriter, CallMetrics, Connection, Names};
use bytes::Bytes;
use http::Response;
use planner::Write;
use planner::memory::WriteOutcome;
use planner::scaling::Change;
use planner::world::Side;
use prometheus::Registry;
use runtime::clock::Clock;
use runtime::cloud::CloudWriter;
use serde_json::{Map, Value};

use crate::account::{self, SECRET};
use crate::documents::assert_short;

const STATUSES: [u16; 12] = [200, 200, 200, 204, 301, 400, 403, 404, 429, 500, 502, 503];

/// One write and the bytes that answer it: the first byte says which write, the second which HTTP status, the others
/// are the body.
///
/// A write is sent once. Any 4xx is a refusal, any other failure leaves the outcome unknown, and only an answer of 2xx
/// says that it was done. What is told of it is one short line without the secret that the request carried.
pub(crate) fn an_outcome_of_a_write(data: &[u8]) {
    let [which, status, body @ ..] = data else {
        return;
    };
    let (status, body) = (
        STATUSES[usize::from(*status) % STATUSES.len()],
        Bytes::copy_from_slice(body),
    );
    let sent = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&sent);
    let outcome = account::run(async {
        let http = aws::in_process::http_client(move |_| {
            count.fetch_add(1, Ordering::SeqCst);
            let response = Response::builder().status(status).body(body.clone());
            std::future::ready(response.map_err(|_| NoAnswer::Broken))
        });
        let metrics = CallMetrics::new(&Registry::new()).expect("a fresh registry");
        let connection =
            Connection::in_process(http, Clock::system(), &aws::Settings::default(), metrics);
        let application = account::application();
        AwsWriter::new(&connection, Names::default())
            .write(&application, &write(usize::from(*which)))
            .await
    });
    assert_eq!(
        sent.load(Ordering::SeqCst),
        1,
        "a write is sent once: {outcome:?}"
    );
    let expected = match (&outcome, status) {
        (WriteOutcome::Refused { .. }, 400..500) => true,
        (WriteOutcome::Unknown { .. }, 400..500) | (WriteOutcome::Refused { .. }, _) => false,
        (WriteOutcome::Applied, status) => (200..300).contains(&status),
        (WriteOutcome::Unknown { .. }, _) => true,
        (WriteOutcome::NotSent { .. }, _) => false,
    };
    assert!(expected, "{status}: {outcome:?}");
    match outcome {
        WriteOutcome::Applied => {}
        WriteOutcome::Refused { reason }
        | WriteOutcome::Unknown { reason }
        | WriteOutcome::NotSent { reason } => {
            assert_short(&reason);
            assert!(!reason.contains(SECRET), "{reason}");
        }
    }
}

/// The writes that one call makes; weights are read first, which is another matter.
fn write(which: usize) -> Write {
    let name = || "blog-1".to_owned();
    let arn = || "arn:aws:ecs:eu-west-1:123456789012:service/prod/blog-1".to_owned();
    let body: Map<String, Value> = [("secret".to_owned(), Value::from(SECRET))]
        .into_iter()
        .collect();
    let all = [
        Write::PutRecord(Box::default()),
        Write::RegisterTaskDefinition {
            digest: "0".to_owned(),
            body: body.clone(),
        },
        Write::CreateService {
            name: name(),
            side: Side::A,
            body,
        },
        Write::ScaleService {
            name: name(),
            from: 2,
            to: 3,
        },
        Write::TagService {
            name: name(),
            arn: arn(),
            key: "teal:rejected".to_owned(),
            value: "1.1".to_owned(),
        },
        Write::DeleteService { name: name() },
        Write::DeregisterTaskDefinition { arn: arn() },
        Write::SetScaling {
            name: name(),
            change: Change::Deregister,
        },
    ];
    all[which % all.len()].clone()
}
