//! The handle: one emulated account with its clock and its faults, shared by everything that serves it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{Request, Response};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::api::{self, AwsError, Call, Service};
use crate::faults::history::is_read;
use crate::faults::holding::Fate;
use crate::faults::journal::Entry;
use crate::faults::{Effect, Faults};
use crate::protocol::model;
use crate::protocol::request::{self, Received};
use crate::protocol::response::{self, Envelope};
use crate::world::{Millis, Settings, World};

/// One emulated account. Clones share it.
///
/// Its clock is tokio's: it runs at wall speed, and under a paused runtime as fast as nothing happens.
#[derive(Debug, Clone)]
pub struct Emulator {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    world: Mutex<World>,
    faults: Faults,
    /// The world's time at `started`.
    began: Millis,
    started: Instant,
    requests: AtomicU64,
}

/// How far apart the states are that lagging reads see of changes that no API call made, in milliseconds.
const HISTORY_SPACING_MS: Millis = 50;

/// Marks a response (as an [`http::Extensions`] entry) that the caller must not see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectionLost {
    /// There never was a connection.
    Refused,
    /// It broke after the request was sent.
    Broken,
}

impl Emulator {
    /// An empty account whose time begins now.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let since = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        Self::starting_at(
            settings,
            u64::try_from(since.as_millis()).unwrap_or(u64::MAX),
        )
    }

    /// An empty account whose time begins at `epoch_unix_ms` (Unix time in milliseconds).
    #[must_use]
    pub fn starting_at(settings: Settings, epoch_unix_ms: u64) -> Self {
        Self::resumed(World::new(settings, epoch_unix_ms))
    }

    /// An account that goes on from `world`, at the instant that it had reached.
    #[must_use]
    pub fn resumed(world: World) -> Self {
        let inner = Inner {
            began: world.now,
            world: Mutex::new(world),
            faults: Faults::default(),
            started: Instant::now(),
            requests: AtomicU64::new(0),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Milliseconds since this account began.
    #[must_use]
    pub fn now(&self) -> Millis {
        let since = u64::try_from(self.inner.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.inner.began.saturating_add(since)
    }

    /// Lets `f` see or change the world as it is now.
    pub fn with<R>(&self, f: impl FnOnce(&mut World) -> R) -> R {
        let mut world = self.lock();
        world.advance(self.now());
        let result = f(&mut world);
        self.inner.faults.remember(&world, HISTORY_SPACING_MS);
        result
    }

    /// The faults of this account.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.inner.faults
    }

    /// Carries out one operation in process: validated as on the wire, without faults and not in the journal.
    ///
    /// # Errors
    /// The refusal that AWS would give.
    pub fn call(&self, service: Service, operation: &str, input: Value) -> Result<Value, AwsError> {
        let known = model::of(service)
            .operations
            .get(operation)
            .ok_or_else(|| AwsError::not_emulated(operation))?;
        let shape = known
            .input
            .as_ref()
            .map_or("", |input| input.shape.as_str());
        let protocol = model::of(service).protocol();
        request::check(service, protocol, shape, &input)?;
        let call = Call {
            service,
            operation: operation.to_owned(),
            input,
        };
        self.carry_out(&call, None)
    }

    /// Answers one AWS API request. A response that carries [`ConnectionLost`] must not reach the caller.
    pub async fn handle(&self, request: Request<Bytes>) -> Response<Bytes> {
        let received = match request::recognise(&request) {
            Ok(received) => received,
            Err(refused) => {
                self.inner.faults.record(Entry {
                    at: self.now(),
                    service: refused.service,
                    operation: refused.operation,
                    caller: None,
                    input: Value::Null,
                    effect: false,
                    outcome: refused.error.code.clone(),
                });
                return response::failure(
                    refused.service,
                    refused.dialect,
                    &refused.error,
                    &self.envelope(),
                );
            }
        };
        let decision =
            self.inner
                .faults
                .decide(received.service, &received.operation.name, self.now());
        pause(decision.latency_ms).await;
        match decision.effect {
            Some(Effect::Throttle) => self.refuse(
                &received,
                AwsError::new("ThrottlingException", "Rate exceeded"),
            ),
            Some(Effect::AccessDenied) => self.refuse(&received, self.access_denied(&received)),
            Some(Effect::Error(error)) => self.refuse(&received, error),
            Some(Effect::LoseRequest) => {
                self.record(&received, Value::Null, false, "lost");
                lost(ConnectionLost::Broken)
            }
            Some(Effect::RefuseConnection) => {
                self.record(&received, Value::Null, false, "unconnected");
                lost(ConnectionLost::Refused)
            }
            Some(Effect::ErrorAfter(error)) => self.answer(&received, Some(After::Error(error))),
            Some(Effect::LoseAnswer) => self.answer(&received, Some(After::Lost)),
            Some(Effect::HoldRequest) => match self.hold(&received, false).await {
                Fate::CarryOn => self.answer(&received, None),
                Fate::Drop => {
                    self.record(&received, Value::Null, false, "lost");
                    lost(ConnectionLost::Broken)
                }
            },
            Some(Effect::HoldAnswer) => {
                let response = self.answer(&received, None);
                match self.hold(&received, true).await {
                    Fate::CarryOn => response,
                    Fate::Drop => lost(ConnectionLost::Broken),
                }
            }
            Some(Effect::SlowAnswer(delay)) => {
                let response = self.answer(&received, None);
                pause(delay).await;
                response
            }
            Some(Effect::CutAnswer) => self
                .answer(&received, None)
                .map(|body| body.slice(..body.len() / 2)),
            Some(Effect::StaleAnswer(lag)) => self.answer(&received, Some(After::Stale(lag))),
            Some(Effect::Latency(_)) | None => self.answer(&received, None),
        }
    }

    /// Serves the API on `listener`, and what [`crate::admin`] has, until `stop`.
    pub async fn serve(&self, listener: TcpListener, stop: CancellationToken) {
        crate::server::serve(self.clone(), listener, stop).await;
    }

    /// Carries the call out and encodes what came of it, or what the fault makes of that.
    fn answer(&self, received: &Received, after: Option<After>) -> Response<Bytes> {
        let input = match received.decode() {
            Ok(input) => input,
            Err(error) => return self.refuse(received, error),
        };
        let service = received.service;
        let call = Call {
            service,
            operation: received.operation.name.clone(),
            input,
        };
        let stale = match after {
            Some(After::Stale(lag)) => Some(lag),
            Some(After::Error(_) | After::Lost) | None => None,
        };
        let result = self.carry_out(&call, stale);
        let effect = result.is_ok();
        let seen = match (after, result) {
            (Some(After::Lost), _) => {
                self.record(received, call.input, effect, "lost");
                return lost(ConnectionLost::Broken);
            }
            (Some(After::Error(error)), Ok(_)) => Err(error),
            (Some(After::Error(_) | After::Stale(_)) | None, result) => result,
        };
        let envelope = self.envelope();
        let encoded = seen.and_then(|output| {
            let (dialect, operation) = (received.dialect(), received.operation);
            response::success(service, dialect, operation, &output, &envelope).map_err(|bug| {
                tracing::error!(%bug, "wrong output");
                AwsError::new("InternalFailure", bug.to_string())
            })
        });
        let outcome = encoded
            .as_ref()
            .map_or_else(|error| error.code.clone(), |_| "ok".to_owned());
        self.record(received, call.input, effect, &outcome);
        encoded.unwrap_or_else(|error| {
            response::failure(Some(service), received.dialect(), &error, &envelope)
        })
    }

    fn carry_out(&self, call: &Call, stale: Option<Millis>) -> Result<Value, AwsError> {
        self.with(|world| {
            // DynamoDB's way to ask for no lag.
            let consistent = call.input.get("ConsistentRead") == Some(&Value::Bool(true));
            if consistent && is_read(&call.operation) {
                return api::call(world, call);
            }
            if is_read(&call.operation) {
                return match self.inner.faults.lagging(call.service, stale, world) {
                    Some(mut past) => api::call(&mut past, call),
                    None => api::call(world, call),
                };
            }
            self.inner.faults.remember(world, 0);
            let result = api::call(world, call);
            self.inner.faults.remember(world, 0);
            result
        })
    }

    async fn hold(&self, received: &Received, took_effect: bool) -> Fate {
        let (operation, caller) = (&received.operation.name, received.caller.as_deref());
        let holding = self.inner.faults.holding();
        holding
            .hold(received.service, operation, caller, took_effect)
            .await
    }

    fn refuse(&self, received: &Received, error: AwsError) -> Response<Bytes> {
        self.record(received, Value::Null, false, &error.code);
        response::failure(
            Some(received.service),
            received.dialect(),
            &error,
            &self.envelope(),
        )
    }

    fn access_denied(&self, received: &Received) -> AwsError {
        let account = self.with(|world| world.settings.account.clone());
        let action = received.service.iam_action(&received.operation.name);
        let message = format!(
            "User: arn:aws:iam::{account}:user/emulator is not authorized to perform: {action} \
             because no identity-based policy allows the {action} action"
        );
        AwsError::new("AccessDeniedException", message)
    }

    fn record(&self, received: &Received, input: Value, effect: bool, outcome: &str) {
        self.inner.faults.record(Entry {
            at: self.now(),
            service: Some(received.service),
            operation: received.operation.name.clone(),
            caller: received.caller.clone(),
            input,
            effect,
            outcome: outcome.to_owned(),
        });
    }

    fn envelope(&self) -> Envelope {
        let count = self.inner.requests.fetch_add(1, Ordering::Relaxed);
        let bits = crate::faults::plan::dice(1, 1, count);
        let request_id = format!(
            "{:08x}-{:04x}-4000-8000-{count:012x}",
            bits >> 32,
            bits & 0xffff
        );
        Envelope {
            request_id,
            unix_ms: self.lock().epoch_unix_ms + self.now(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, World> {
        self.inner
            .world
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a fault does to the answer.
#[derive(Debug)]
enum After {
    Error(AwsError),
    Lost,
    Stale(Millis),
}

fn lost(how: ConnectionLost) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = http::StatusCode::BAD_GATEWAY;
    response.extensions_mut().insert(how);
    response
}

async fn pause(millis: u64) {
    if millis > 0 {
        tokio::time::sleep(Duration::from_millis(millis)).await;
    }
}
