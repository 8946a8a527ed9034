//! The wall against answers that are given, against sockets, and against the emulator.

mod answers;
mod emulated;
mod fields;
mod lease;
mod lists;
mod transport;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use crd_schema::Application;
use http::{Request, Response};
use prometheus::Registry;
use runtime::clock::Clock;
use serde_json::Value;

use crate::clients::{Connection, Settings};
use crate::in_process::{NoAnswer, http_client};
use crate::metrics::CallMetrics;

const REGION: &str = "arn:aws:elasticloadbalancing:eu-west-1:123456789012";

fn group(name: &str) -> String {
    format!("{REGION}:targetgroup/{name}/0123456789abcdef")
}

fn listener(id: &str) -> String {
    format!("{REGION}:listener/app/blog/50dc6c495c0c9188/{id}")
}

/// An Application with this pair, production on a listener and tests on another.
fn application(name: &str, pair: [&str; 2], production: &str, test: &str) -> Application {
    let text = format!(
        r"
apiVersion: teal/v1alpha1
kind: Application
metadata: {{name: {name}}}
spec:
  cluster: prod
  template:
    taskDefinition: blog
    images: {{web: '123456789012.dkr.ecr.eu-west-1.amazonaws.com/blog:{{version}}'}}
    service:
      desiredCount: 2
      launchType: FARGATE
      networkConfiguration: {{awsvpcConfiguration: {{subnets: [subnet-0a0a0a0a0a0a0a0a0], securityGroups: [sg-1]}}}}
  traffic:
    routes:
      - container: web
        port: 8080
        targetGroups: {{pair: ['{}', '{}']}}
        production: [{{listener: '{production}'}}]
        test: [{{listener: '{test}'}}]
",
        pair[0], pair[1]
    );
    crd_schema::spec::load(&text, "test").unwrap_or_else(|invalid| panic!("{invalid}"))
}

/// An Application with made-up ARNs.
pub(crate) fn blog() -> Application {
    application(
        "blog",
        [&group("blog-a"), &group("blog-b")],
        &listener("1"),
        &listener("2"),
    )
}

/// Requests that were answered, oldest first.
type Journal = Arc<Mutex<Vec<Request<Bytes>>>>;

/// A connection whose AWS is `answer(operation, body)`; `None` breaks the connection.
fn connection<F>(answer: F) -> (Connection, Journal)
where
    F: Fn(&str, &[u8]) -> Option<Response<Bytes>> + Send + Sync + 'static,
{
    let journal = Journal::default();
    let written = Arc::clone(&journal);
    let http = http_client(move |request: Request<Bytes>| {
        let answer = answer(&operation(&request), request.body());
        written.lock().unwrap().push(request);
        std::future::ready(answer.ok_or(NoAnswer::Broken))
    });
    let settings = Settings {
        share: 1.0,
        ..Settings::default()
    };
    let metrics = CallMetrics::new(&Registry::new()).unwrap();
    (
        Connection::in_process(http, Clock::system(), &settings, metrics),
        journal,
    )
}

/// The operation of a request in either protocol.
fn operation(request: &Request<Bytes>) -> String {
    if let Some(target) = request.headers().get("x-amz-target") {
        return target
            .to_str()
            .unwrap()
            .rsplit('.')
            .next()
            .unwrap()
            .to_owned();
    }
    let body = String::from_utf8(request.body().to_vec()).unwrap();
    body.split('&')
        .find_map(|pair| pair.strip_prefix("Action="))
        .unwrap()
        .to_owned()
}

fn json(status: u16, body: &Value) -> Option<Response<Bytes>> {
    Some(
        Response::builder()
            .status(status)
            .body(Bytes::from(body.to_string()))
            .unwrap(),
    )
}

fn text(status: u16, body: &str) -> Option<Response<Bytes>> {
    Some(
        Response::builder()
            .status(status)
            .body(Bytes::from(body.to_owned()))
            .unwrap(),
    )
}

/// Never answers, for as long as a test may last.
async fn silence() {
    tokio::time::sleep(Duration::from_secs(3600)).await;
}
