//! Users at work.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::header::{HOST, HeaderValue};
use http::{Request, Uri};
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use serde::Deserialize;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::statistics::Statistics;
use crate::dataplane::wire::{Connection, SendFailure};

/// How long a user rests after a failed request, so that a refusing server is not hammered.
const REST_AFTER_FAILURE: Duration = Duration::from_millis(10);
/// Requests of one visitor; then another one takes the place.
const VISIT: u32 = 20;
/// How long a user waits for an answer: longer than the load balancer's own time-out.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(75);

/// Users at work. They end when the token given to [`Load::start`] is cancelled or the `Load` is dropped.
#[derive(Debug)]
pub struct Load {
    started: Instant,
    statistics: Arc<Mutex<Statistics>>,
    users: TaskTracker,
    stop: CancellationToken,
}

impl Load {
    /// Starts `users` keep-alive users that GET `path` from `server`, one request after the other, until `stop`.
    /// Must be called within a tokio runtime.
    pub fn start(server: SocketAddr, path: Uri, users: usize, stop: &CancellationToken) -> Self {
        Self::paced(server, path, users, Duration::ZERO, stop)
    }

    /// The same with users who rest for `think` after each answer.
    pub fn paced(
        server: SocketAddr,
        path: Uri,
        users: usize,
        think: Duration,
        stop: &CancellationToken,
    ) -> Self {
        let load = Self {
            started: Instant::now(),
            statistics: Arc::default(),
            users: TaskTracker::new(),
            stop: stop.child_token(),
        };
        for _ in 0..users {
            let user = User {
                server,
                path: path.clone(),
                host: HeaderValue::from_str(&server.to_string())
                    .unwrap_or_else(|_| HeaderValue::from_static("localhost")),
                connection: None,
                think,
                started: load.started,
                statistics: Arc::clone(&load.statistics),
            };
            load.users.spawn(user.work(load.stop.clone()));
        }
        load.users.close();
        load
    }

    /// What was counted so far. Instants in it are durations since the start.
    pub fn statistics(&self) -> Statistics {
        let mut statistics = self
            .statistics
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        statistics.elapsed = self.started.elapsed();
        statistics
    }

    /// Lets every user finish the request under way, and returns the final count.
    pub async fn finish(self) -> Statistics {
        self.stop.cancel();
        self.users.wait().await;
        self.statistics()
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// The part of the sample application's answer that a user checks.
#[derive(Deserialize)]
struct Greeting {
    version: String,
}

struct User {
    server: SocketAddr,
    path: Uri,
    host: HeaderValue,
    connection: Option<Connection<Empty<Bytes>>>,
    think: Duration,
    started: Instant,
    statistics: Arc<Mutex<Statistics>>,
}

impl User {
    async fn work(mut self, stop: CancellationToken) {
        let (mut visitor, mut requests) = (BTreeSet::new(), 0);
        while !stop.is_cancelled() {
            let sent = Instant::now();
            let outcome = match tokio::time::timeout(ANSWER_TIMEOUT, self.visit()).await {
                Ok(outcome) => outcome,
                Err(_) => Err(Failed::of_nobody("no answer in time")),
            };
            let failed = outcome.is_err();
            if failed {
                self.connection = None;
            }
            let version = match &outcome {
                Ok(version) => Some(version),
                Err(failed) => failed.version.as_ref(),
            };
            visitor.extend(version.cloned());
            requests += 1;
            if requests == VISIT || stop.is_cancelled() {
                let saw = std::mem::take(&mut visitor);
                self.count(|statistics| statistics.left(saw));
                requests = 0;
            }
            let outcome = outcome.map_err(|failed| failed.reason);
            let (latency, answered) = (sent.elapsed(), self.started.elapsed());
            self.count(|statistics| statistics.record(outcome, latency, answered));
            let rest = if failed {
                REST_AFTER_FAILURE
            } else {
                self.think
            };
            if !rest.is_zero() {
                sleep(rest).await;
            }
        }
    }

    /// One request; the version that answered, or why it failed.
    async fn visit(&mut self) -> Result<String, Failed> {
        loop {
            let mut connection = match self.connection.take() {
                Some(connection) => connection,
                None => Connection::open(self.server)
                    .await
                    .map_err(|error| Failed::of_nobody(&format!("connect: {}", error.kind())))?,
            };
            let reused = connection.is_reused();
            match exchange(&mut connection, self.request()).await {
                Ok(version) => {
                    // A connection that the server announced to close is not ready again: no failure.
                    if connection.ready().await.is_ok() {
                        self.connection = Some(connection);
                    }
                    return Ok(version);
                }
                Err(Failure::Silent(_)) if reused => {
                    self.count(|statistics| statistics.reconnects += 1)
                }
                Err(Failure::Silent(failed) | Failure::Request(failed)) => return Err(failed),
            }
        }
    }

    fn request(&self) -> Request<Empty<Bytes>> {
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = self.path.clone();
        request.headers_mut().insert(HOST, self.host.clone());
        request
    }

    fn count(&self, change: impl FnOnce(&mut Statistics)) {
        change(
            &mut self
                .statistics
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        );
    }
}

/// Why a request got no good answer.
enum Failure {
    /// The connection was closed without a byte of an answer: on an idle connection no fault of the server.
    Silent(Failed),
    /// The request failed.
    Request(Failed),
}

/// A request that failed.
struct Failed {
    reason: String,
    /// The version that answered all the same.
    version: Option<String>,
}

impl Failed {
    fn of_nobody(reason: &str) -> Self {
        Self {
            reason: reason.to_owned(),
            version: None,
        }
    }
}

async fn exchange(
    connection: &mut Connection<Empty<Bytes>>,
    request: Request<Empty<Bytes>>,
) -> Result<String, Failure> {
    let response = connection
        .send(request)
        .await
        .map_err(|failure| match failure {
            SendFailure::NotSent(_) | SendFailure::Unanswered(_) => {
                Failure::Silent(Failed::of_nobody("closed before an answer"))
            }
            SendFailure::Broken(_) => Failure::Request(Failed::of_nobody("broken answer")),
        })?;
    let status = response.status();
    let header = response
        .headers()
        .get("x-version")
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned);
    let body = response
        .into_body()
        .collect()
        .await
        .map_err(|_| Failure::Request(Failed::of_nobody("answer broke off")))?;
    if !status.is_success() {
        return Err(Failure::Request(Failed {
            reason: format!("status {}", status.as_u16()),
            version: header,
        }));
    }
    let body: Option<Greeting> = serde_json::from_slice(&body.to_bytes()).ok();
    match (header, body) {
        (Some(header), Some(body)) if header == body.version => Ok(header),
        (Some(_) | None, Some(_) | None) => {
            Err(Failure::Request(Failed::of_nobody("wrong answer")))
        }
    }
}
