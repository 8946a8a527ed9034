//! The way of one request.

use std::error::Error;
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::header::{CONTENT_TYPE, HOST, HeaderValue, LOCATION, SERVER, SET_COOKIE};
use http::{Method, Request, Response, StatusCode, Uri, Version};
use http_body_util::{Either, Full};
use hyper::body::{Body, Bytes, Incoming};
use tokio::time::{Instant, timeout};

use super::headers::{add_forwarded, remove_hop_by_hop};
use super::pool::{Backend, Download, Pool};
use super::upload::Upload;
use crate::dataplane::wire::SendFailure;
use crate::emulator::Emulator;
use crate::world::view::{self, Answer as Counted, ListenerView, RequestHead, Route};

/// How long an Application Load Balancer waits for a connection to a target.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The body of an answer: a target's, or the load balancer's own.
pub(super) type Answer = Either<Download, Full<Bytes>>;

/// Where a request came in.
#[derive(Debug)]
pub(super) struct Entry {
    /// The listener.
    pub(super) listener: Arc<ListenerView>,
    /// The load balancer's node that the connection belongs to.
    pub(super) node: usize,
    /// The client.
    pub(super) client: IpAddr,
}

/// Routes requests and carries them to targets.
#[derive(Debug)]
pub(super) struct Proxy {
    emulator: Emulator,
    pool: Arc<Pool>,
    idle_timeout: Duration,
    random: RandomState,
    requests: AtomicU64,
}

/// Why a target gave no answer.
#[derive(Debug)]
enum NoAnswer {
    /// It refused the connection, closed it, or does not speak HTTP: 502.
    Broken(Box<dyn Error + Send + Sync>),
    /// It was silent for too long: 504.
    TimedOut,
}

impl Proxy {
    /// A proxy that routes by the emulator's world.
    pub(super) fn new(emulator: Emulator, idle_timeout: Duration) -> Self {
        Self {
            emulator,
            pool: Arc::default(),
            idle_timeout,
            random: RandomState::new(),
            requests: AtomicU64::new(0),
        }
    }

    /// How long nothing may move on a connection.
    pub(super) fn idle_timeout(&self) -> Duration {
        self.idle_timeout
    }

    /// Nodes of each load balancer, at least 1.
    pub(super) fn node_count(&self) -> usize {
        self.emulator.with(|world| view::node_count(world))
    }

    /// Closes connections to targets that are closed at the other end or were idle for too long.
    pub(super) fn close_idle_connections(&self) {
        self.pool.sweep(self.idle_timeout);
    }

    /// Answers one request.
    pub(super) async fn answer(
        &self,
        entry: &Entry,
        request: Request<Incoming>,
    ) -> Response<Answer> {
        let received = Instant::now();
        if [Method::CONNECT, Method::TRACE].contains(request.method()) {
            return refusal(StatusCode::METHOD_NOT_ALLOWED);
        }
        let Some(route) = self.route(entry, &request) else {
            return refusal(StatusCode::BAD_REQUEST);
        };
        match route {
            Route::Forward {
                target_group_arn,
                targets,
                cookies,
                rule_arn: _,
            } => {
                let Some(target) = targets.first() else {
                    self.count(entry, None, Counted::NoTarget);
                    return refusal(StatusCode::SERVICE_UNAVAILABLE);
                };
                let answer = self.forward(entry, *target, request).await;
                let counted = match &answer {
                    Ok(answer) => Counted::Target {
                        status: answer.status().as_u16(),
                        latency_ms: u64::try_from(received.elapsed().as_millis())
                            .unwrap_or(u64::MAX),
                    },
                    Err(_) => Counted::NoAnswer,
                };
                self.count(entry, Some(&target_group_arn), counted);
                with_cookies(answer.unwrap_or_else(refusal), &cookies)
            }
            Route::Unavailable {
                target_group_arn: _,
                rule_arn: _,
            } => {
                self.count(entry, None, Counted::NoTarget);
                refusal(StatusCode::SERVICE_UNAVAILABLE)
            }
            Route::Fixed {
                status,
                content_type,
                body,
            } => fixed(status, &content_type, body),
            Route::Redirect { status, location } => redirect(status, &location),
            Route::NoListener => refusal(StatusCode::SERVICE_UNAVAILABLE),
        }
    }

    /// The request's route; `None` when it does not name a host as HTTP/1.1 demands.
    fn route(&self, entry: &Entry, request: &Request<Incoming>) -> Option<Route> {
        let headers: Vec<(&str, &str)> = request
            .headers()
            .iter()
            .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)))
            .collect();
        let head = RequestHead {
            method: request.method().as_str(),
            path: request.uri().path(),
            host: host(request)?,
            headers: &headers,
            query: request.uri().query().unwrap_or_default(),
            source_ip: entry.client,
        };
        let dice = self
            .random
            .hash_one(self.requests.fetch_add(1, Ordering::Relaxed));
        Some(
            self.emulator
                .with(|world| view::route(world, entry.node, &entry.listener.arn, &head, dice)),
        )
    }

    fn count(&self, entry: &Entry, target_group_arn: Option<&str>, answer: Counted) {
        let load_balancer_arn = &entry.listener.load_balancer_arn;
        self.emulator.with(|world| {
            view::count_request(world, load_balancer_arn, target_group_arn, answer);
        });
    }

    /// The target's answer, else the status of the load balancer's own.
    async fn forward(
        &self,
        entry: &Entry,
        target: SocketAddrV4,
        request: Request<Incoming>,
    ) -> Result<Response<Answer>, StatusCode> {
        let (mut head, body) = request.into_parts();
        remove_hop_by_hop(&mut head.headers);
        add_forwarded(&mut head.headers, entry.client, &entry.listener);
        head.version = Version::HTTP_11;
        head.uri = origin_form(head.uri);
        match self
            .exchange(target, Request::from_parts(head, Upload::new(body)))
            .await
        {
            Ok(answer) => {
                let (mut head, body) = answer.into_parts();
                remove_hop_by_hop(&mut head.headers);
                head.version = Version::HTTP_11;
                Ok(Response::from_parts(head, Either::Left(body)))
            }
            Err(NoAnswer::Broken(error)) => {
                tracing::debug!(%target, error = &*error as &dyn Error, "502: a target gave no answer");
                Err(StatusCode::BAD_GATEWAY)
            }
            Err(NoAnswer::TimedOut) => {
                tracing::debug!(%target, "504: a target was silent");
                Err(StatusCode::GATEWAY_TIMEOUT)
            }
        }
    }

    /// Sends a request over an idle connection or a new one. A request that met a connection which the target
    /// had closed while it was idle goes once more over a new one, if nothing of it was sent or it is idempotent.
    async fn exchange(
        &self,
        target: SocketAddrV4,
        request: Request<Upload>,
    ) -> Result<Response<Download>, NoAnswer> {
        let request = match self.pool.take(target) {
            None => request,
            Some(idle) => {
                let copy = repeatable(&request);
                match self.send(target, idle, request).await? {
                    Ok(answer) => return Ok(answer),
                    Err(SendFailure::NotSent(request)) => *request,
                    Err(SendFailure::Unanswered(error)) => {
                        copy.ok_or_else(|| NoAnswer::Broken(error.into()))?
                    }
                    Err(SendFailure::Broken(error)) => return Err(NoAnswer::Broken(error.into())),
                }
            }
        };
        let fresh = timeout(CONNECT_TIMEOUT, Backend::open(SocketAddr::V4(target)))
            .await
            .map_err(|_| NoAnswer::TimedOut)?
            .map_err(|error| NoAnswer::Broken(error.into()))?;
        self.send(target, fresh, request)
            .await?
            .map_err(|failure| match failure {
                SendFailure::NotSent(_) => {
                    NoAnswer::Broken("closed before the request was sent".into())
                }
                SendFailure::Unanswered(error) | SendFailure::Broken(error) => {
                    NoAnswer::Broken(error.into())
                }
            })
    }

    async fn send(
        &self,
        target: SocketAddrV4,
        mut connection: Backend,
        request: Request<Upload>,
    ) -> Result<Result<Response<Download>, SendFailure<Upload>>, NoAnswer> {
        let uploaded = request.body().frames();
        let mut seen = 0;
        let outcome = {
            let mut sending = std::pin::pin!(connection.send(request));
            loop {
                match timeout(self.idle_timeout, &mut sending).await {
                    Ok(outcome) => break outcome,
                    Err(_) if uploaded.load(Ordering::Relaxed) > seen => {
                        seen = uploaded.load(Ordering::Relaxed)
                    }
                    Err(_) => return Err(NoAnswer::TimedOut),
                }
            }
        };
        Ok(outcome.map(|answer| {
            let pool = Arc::clone(&self.pool);
            answer.map(|body| Download::new(body, connection, pool, target, self.idle_timeout))
        }))
    }
}

/// A copy of a request that may be sent twice: idempotent (RFC 9110 section 9.2.2) and without a body.
fn repeatable(request: &Request<Upload>) -> Option<Request<Upload>> {
    (request.method().is_idempotent() && request.body().is_end_stream()).then(|| {
        let mut copy = Request::new(Upload::default());
        copy.method_mut().clone_from(request.method());
        copy.uri_mut().clone_from(request.uri());
        copy.headers_mut().clone_from(request.headers());
        copy
    })
}

/// The host without port that a request names. HTTP/1.1 wants exactly one `Host`, HTTP/1.0 none.
fn host(request: &Request<Incoming>) -> Option<&str> {
    let mut named = request.headers().get_all(HOST).iter();
    let host = match (named.next(), named.next()) {
        (Some(host), None) => host.to_str().ok()?,
        (None, None) if request.version() < Version::HTTP_11 => "",
        (Some(_) | None, Some(_) | None) => return None,
    };
    let host = request
        .uri()
        .authority()
        .map_or(host, |authority| authority.as_str());
    Some(match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        Some(_) | None => host,
    })
}

/// The path and query of a URI, as a target expects it.
fn origin_form(uri: Uri) -> Uri {
    if uri.authority().is_none() {
        return uri;
    }
    uri.path_and_query()
        .cloned()
        .map_or_else(Uri::default, Uri::from)
}

/// The load balancer's own answer, worded as an Application Load Balancer does.
fn refusal(status: StatusCode) -> Response<Answer> {
    let reason = match status {
        StatusCode::SERVICE_UNAVAILABLE => "Service Temporarily Unavailable",
        StatusCode::GATEWAY_TIMEOUT => "Gateway Time-out",
        other => other.canonical_reason().unwrap_or_default(),
    };
    let title = format!("{} {reason}", status.as_u16());
    let body = format!(
        "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n</body>\r\n</html>\r\n"
    );
    own(status, Some(HeaderValue::from_static("text/html")), body)
}

fn fixed(status: u16, content_type: &str, body: String) -> Response<Answer> {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    own(
        status,
        HeaderValue::from_str(content_type)
            .ok()
            .filter(|value| !value.is_empty()),
        body,
    )
}

fn redirect(status: u16, location: &str) -> Response<Answer> {
    let mut answer = own(
        StatusCode::from_u16(status).unwrap_or(StatusCode::FOUND),
        None,
        String::new(),
    );
    if let Ok(location) = HeaderValue::from_str(location) {
        answer.headers_mut().insert(LOCATION, location);
    }
    answer
}

fn own(status: StatusCode, content_type: Option<HeaderValue>, body: String) -> Response<Answer> {
    let mut answer = Response::new(Either::Right(Full::from(body)));
    *answer.status_mut() = status;
    answer
        .headers_mut()
        .insert(SERVER, HeaderValue::from_static("awselb/2.0"));
    if let Some(content_type) = content_type {
        answer.headers_mut().insert(CONTENT_TYPE, content_type);
    }
    answer
}

fn with_cookies(mut answer: Response<Answer>, cookies: &[String]) -> Response<Answer> {
    for cookie in cookies {
        if let Ok(cookie) = HeaderValue::from_str(cookie) {
            answer.headers_mut().append(SET_COOKIE, cookie);
        }
    }
    answer
}
