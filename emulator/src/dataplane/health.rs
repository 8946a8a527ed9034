//! Health checks over real connections, as the world says when and what.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::header::{CONNECTION, HOST, HeaderValue, USER_AGENT};
use http::{Request, Uri};
use http_body_util::Empty;
use hyper::body::Bytes;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::wire::Connection;
use crate::emulator::Emulator;
use crate::world::view::{self, Check, CheckResult};

/// How an Application Load Balancer's health checks call themselves.
pub(super) const CHECKER: &str = "ELB-HealthChecker/2.0";

/// Performs health checks, a bounded number at a time.
#[derive(Debug)]
pub(super) struct Checker {
    emulator: Emulator,
    permits: Arc<Semaphore>,
    under_way: JoinSet<()>,
}

impl Checker {
    /// A checker that reports to the emulator's world and has at most `concurrent` checks under way.
    pub(super) fn new(emulator: Emulator, concurrent: usize) -> Self {
        Self {
            emulator,
            permits: Arc::new(Semaphore::new(concurrent.max(1))),
            under_way: JoinSet::new(),
        }
    }

    /// Starts these checks. Each is reported to the world when it ends.
    pub(super) fn start(&mut self, checks: Vec<Check>) {
        while self.under_way.try_join_next().is_some() {}
        for check in checks {
            let (emulator, permits) = (self.emulator.clone(), Arc::clone(&self.permits));
            self.under_way.spawn(async move {
                // The semaphore is never closed; if it were, going on without a permit would be right.
                let _permit = permits.acquire().await.ok();
                let result = perform(&check).await;
                emulator.with(|world| {
                    view::report_check(world, &check.target_group_arn, check.target, result)
                });
            });
        }
    }
}

async fn perform(check: &Check) -> CheckResult {
    timeout(Duration::from_millis(check.timeout_ms), get(check))
        .await
        .unwrap_or(CheckResult::Timeout)
}

/// One GET over a connection of its own.
async fn get(check: &Check) -> CheckResult {
    let Ok(path) = check.path.parse::<Uri>() else {
        return CheckResult::Refused;
    };
    let Ok(mut connection) = Connection::open(SocketAddr::V4(check.address)).await else {
        return CheckResult::Refused;
    };
    let mut request = Request::new(Empty::<Bytes>::new());
    *request.uri_mut() = path;
    let headers = request.headers_mut();
    headers.insert(USER_AGENT, HeaderValue::from_static(CHECKER));
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    if let Ok(host) = HeaderValue::from_str(&check.address.to_string()) {
        headers.insert(HOST, host);
    }
    match connection.send(request).await {
        Ok(answer) => CheckResult::Status(answer.status().as_u16()),
        Err(_) => CheckResult::Refused,
    }
}
