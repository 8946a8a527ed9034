//! The built-in sample application: an HTTP server that says who it is and behaves as its image is set to.
//!
//! `GET /health` and health checks answer as [`Behaviour`] says, `GET /slow?ms=` after a time, every other path
//! with `{"application", "version", "task"}` and the header `x-version`. The behaviour is read at each request,
//! so that a running application can be told to fail, get slow or crash.

use std::io;
use std::net::SocketAddrV4;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, USER_AGENT};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde::Serialize;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::container::{Exit, Stop, asked_to_end};
use crate::dataplane::health::CHECKER;
use crate::emulator::Emulator;
use crate::world::behaviour::Behaviour;
use crate::world::view::{ContainerSpec, TaskSpec};

const X_VERSION: HeaderName = HeaderName::from_static("x-version");
/// How soon a running application notices that it was told to crash.
const LOOK_FOR_EXIT: Duration = Duration::from_millis(50);
/// Rest after an accept that failed (usually: no file descriptors left).
const REST_AFTER_FAILED_ACCEPT: Duration = Duration::from_millis(50);

/// Runs the sample application on the task's address and the container's ports, until it exits: by itself as
/// its behaviour says, or after SIGTERM once the requests in flight are answered. Dropping the future kills it:
/// every connection breaks.
pub(super) async fn run(
    emulator: Emulator,
    task: &TaskSpec,
    container: &ContainerSpec,
    mut stop: watch::Receiver<Stop>,
) -> Exit {
    let application = Arc::new(Application::new(emulator, task, container));
    let addresses = container
        .ports
        .iter()
        .map(|port| SocketAddrV4::new(task.address, *port))
        .collect();
    let close = CancellationToken::new();
    let closing = async {
        asked_to_end(&mut stop).await;
        sleep(Duration::from_millis(application.behaviour().stop_ms)).await;
        close.cancel();
        std::future::pending().await
    };
    tokio::select! {
        biased;
        exit = application.exits() => exit,
        served = serve(&application, addresses, &close) => match served {
            Ok(()) => Exit::with(0),
            Err(error) => Exit::not_started(&error),
        },
        never = closing => never,
    }
}

/// Listens after the time that the application takes to start, until `close`; then answers what is in flight.
async fn serve(
    application: &Arc<Application>,
    addresses: Vec<SocketAddrV4>,
    close: &CancellationToken,
) -> Result<(), ListenError> {
    tokio::select! {
        () = close.cancelled() => return Ok(()),
        () = sleep(Duration::from_millis(application.behaviour().start_ms)) => {}
    }
    let mut ports = JoinSet::new();
    for address in addresses {
        let socket = TcpListener::bind(address)
            .await
            .map_err(|source| ListenError { address, source })?;
        ports.spawn(serve_port(Arc::clone(application), socket, close.clone()));
    }
    close.cancelled().await;
    while ports.join_next().await.is_some() {}
    Ok(())
}

async fn serve_port(application: Arc<Application>, socket: TcpListener, close: CancellationToken) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = close.cancelled() => break,
            Some(_) = connections.join_next() => {}
            accepted = socket.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(serve_connection(Arc::clone(&application), stream, close.clone()));
                }
                Err(error) => {
                    tracing::warn!(task = application.task, %error, "a connection was not accepted");
                    sleep(REST_AFTER_FAILED_ACCEPT).await;
                }
            }
        }
    }
    drop(socket);
    while connections.join_next().await.is_some() {}
}

async fn serve_connection(
    application: Arc<Application>,
    stream: TcpStream,
    close: CancellationToken,
) {
    // Without it answers wait for acknowledgements; a stream that refuses it is closed already.
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| {
        let application = Arc::clone(&application);
        async move { application.answer(request).await }
    });
    let mut connection =
        std::pin::pin!(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    let served = tokio::select! {
        served = &mut connection => served,
        () = close.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = served {
        tracing::debug!(task = application.task, %error, "a connection broke");
    }
}

/// The application's port cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {source}")]
struct ListenError {
    address: SocketAddrV4,
    source: io::Error,
}

/// One container's application.
#[derive(Debug)]
struct Application {
    emulator: Emulator,
    image: String,
    task: String,
    version: HeaderValue,
    greeting: Bytes,
    started: Instant,
    requests: AtomicU64,
}

/// What the application answers to most requests.
#[derive(Serialize)]
struct Greeting<'a> {
    application: &'a str,
    version: &'a str,
    task: &'a str,
}

impl Application {
    fn new(emulator: Emulator, task: &TaskSpec, container: &ContainerSpec) -> Self {
        let (application, version) = name_and_version(&container.image);
        let short = task.id.rsplit('/').next().unwrap_or(&task.id);
        let greeting = serde_json::to_vec(&Greeting {
            application,
            version,
            task: short,
        })
        .unwrap_or_default();
        Self {
            emulator,
            version: HeaderValue::from_str(version)
                .unwrap_or_else(|_| HeaderValue::from_static("unknown")),
            task: short.to_owned(),
            greeting: greeting.into(),
            image: container.image.clone(),
            started: Instant::now(),
            requests: AtomicU64::new(0),
        }
    }

    fn behaviour(&self) -> Behaviour {
        self.emulator
            .with(|world| world.settings.behaviour(&self.image).clone())
    }

    /// Waits until the application exits by itself.
    async fn exits(&self) -> Exit {
        loop {
            let lived = self.started.elapsed();
            let left = self.behaviour().exits.map(|exit| {
                (
                    Duration::from_millis(exit.after_ms).saturating_sub(lived),
                    exit.code,
                )
            });
            match left {
                Some((Duration::ZERO, code)) => return Exit::with(code),
                Some((left, _)) => sleep(left.min(LOOK_FOR_EXIT)).await,
                None => sleep(LOOK_FOR_EXIT).await,
            }
        }
    }

    async fn answer(
        &self,
        request: Request<Incoming>,
    ) -> Result<Response<Full<Bytes>>, hyper::Error> {
        let behaviour = self.behaviour();
        let (head, mut body) = request.into_parts();
        while let Some(frame) = body.frame().await {
            frame?;
        }
        let is_slow = head.uri.path() == "/slow";
        let latency = behaviour.latency_ms
            + if is_slow {
                asked_delay(head.uri.query())
            } else {
                0
            };
        if latency > 0 {
            sleep(Duration::from_millis(latency)).await;
        }
        let is_check = head
            .headers
            .get(USER_AGENT)
            .is_some_and(|agent| agent == CHECKER);
        let status = if is_check || head.uri.path() == "/health" {
            self.health(&behaviour)
        } else if self.is_to_fail(behaviour.error_share) {
            StatusCode::INTERNAL_SERVER_ERROR
        } else {
            StatusCode::OK
        };
        let mut response = Response::new(Full::new(self.greeting.clone()));
        *response.status_mut() = status;
        response
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response
            .headers_mut()
            .insert(X_VERSION, self.version.clone());
        Ok(response)
    }

    fn health(&self, behaviour: &Behaviour) -> StatusCode {
        let lived = self.started.elapsed();
        match behaviour.unhealthy_after_ms {
            Some(after) if lived >= Duration::from_millis(after) => StatusCode::SERVICE_UNAVAILABLE,
            Some(_) | None => {
                StatusCode::from_u16(behaviour.health_status).unwrap_or(StatusCode::OK)
            }
        }
    }

    /// Exactly the share of requests, spread evenly.
    fn is_to_fail(&self, share: f64) -> bool {
        let number = self.requests.fetch_add(1, Ordering::Relaxed) as f64;
        ((number + 1.0) * share).floor() > (number * share).floor()
    }
}

/// The `ms` of a query string; 1000 when there is none.
fn asked_delay(query: Option<&str>) -> u64 {
    let pairs = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    pairs
        .filter(|(name, _)| name == "ms")
        .find_map(|(_, value)| value.parse().ok())
        .unwrap_or(1000)
}

/// The last part of an image's name, and its tag (else its digest, else `latest`).
fn name_and_version(image: &str) -> (&str, &str) {
    let last = image.rsplit('/').next().unwrap_or(image);
    let (tagged, digest) = last
        .split_once('@')
        .map_or((last, None), |(tagged, digest)| (tagged, Some(digest)));
    match tagged.split_once(':') {
        Some((name, tag)) => (name, tag),
        None => (tagged, digest.unwrap_or("latest")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_the_tag() {
        assert_eq!(
            name_and_version("registry.example:5000/shop/web:1.2.3"),
            ("web", "1.2.3")
        );
        assert_eq!(name_and_version("web"), ("web", "latest"));
        assert_eq!(name_and_version("web@sha256:abc"), ("web", "sha256:abc"));
        assert_eq!(name_and_version("web:2@sha256:abc"), ("web", "2"));
    }

    #[test]
    fn the_delay_is_read_from_the_query() {
        assert_eq!(asked_delay(Some("a=b&ms=250")), 250);
        assert_eq!(asked_delay(Some("ms=soon")), 1000);
        assert_eq!(asked_delay(None), 1000);
    }
}
