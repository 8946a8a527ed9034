//! Targets whose every move the test decides.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::Notify;

/// A server that says its name, answers health checks as told and can be made to wait.
pub(crate) struct Backend {
    pub(crate) address: SocketAddr,
    pub(crate) requests: Arc<AtomicU64>,
    pub(crate) health: Arc<AtomicU16>,
    /// Lets one waiting `/wait` go on.
    pub(crate) go_on: Arc<Notify>,
    /// Told when a `/wait` has arrived.
    pub(crate) arrived: Arc<Notify>,
}

impl Backend {
    pub(crate) async fn start(name: &'static str) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let backend = Self {
            address: socket.local_addr().unwrap(),
            requests: Arc::default(),
            health: Arc::new(AtomicU16::new(200)),
            go_on: Arc::default(),
            arrived: Arc::default(),
        };
        let (requests, health) = (Arc::clone(&backend.requests), Arc::clone(&backend.health));
        let (go_on, arrived) = (Arc::clone(&backend.go_on), Arc::clone(&backend.arrived));
        tokio::spawn(async move {
            loop {
                let (stream, _) = socket.accept().await.unwrap();
                let (requests, health) = (Arc::clone(&requests), Arc::clone(&health));
                let (go_on, arrived) = (Arc::clone(&go_on), Arc::clone(&arrived));
                let service = service_fn(move |request: Request<Incoming>| {
                    let (requests, health) = (Arc::clone(&requests), Arc::clone(&health));
                    let (go_on, arrived) = (Arc::clone(&go_on), Arc::clone(&arrived));
                    async move {
                        let path = request.uri().path().to_owned();
                        if path == "/health" {
                            let mut answer = Response::new(Full::default().boxed());
                            *answer.status_mut() =
                                health.load(Ordering::SeqCst).try_into().unwrap();
                            return Ok::<_, hyper::Error>(answer);
                        }
                        requests.fetch_add(1, Ordering::SeqCst);
                        if path == "/echo" {
                            return Ok(Response::new(
                                request
                                    .into_body()
                                    .map_err(|error| panic!("{error}"))
                                    .boxed(),
                            ));
                        }
                        if path == "/headers" {
                            let answer = Response::builder()
                                .header("connection", "x-secret")
                                .header("x-secret", "1")
                                .body(Full::from(format!("{:?}", request.headers())).boxed());
                            return Ok(answer.unwrap());
                        }
                        if path == "/wait" {
                            arrived.notify_one();
                            go_on.notified().await;
                        }
                        Ok(Response::new(
                            Full::from(Bytes::from_static(name.as_bytes())).boxed(),
                        ))
                    }
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        backend
    }

    pub(crate) fn served(&self) -> u64 {
        self.requests.load(Ordering::SeqCst)
    }
}

/// What a [`Scripted`] target does at one request; at a request beyond its script it closes the connection.
#[derive(Clone, Copy)]
pub(crate) enum Step {
    /// It answers and waits for the next request.
    Answer(&'static [u8]),
    /// It answers and closes the connection.
    Last(&'static [u8]),
}

/// A target that plays one script after the other, one for each connection that is not a health check, and
/// counts the requests it read.
pub(crate) struct Scripted {
    pub(crate) address: SocketAddr,
    pub(crate) requests: Arc<AtomicU64>,
}

impl Scripted {
    pub(crate) async fn start(scripts: Vec<Vec<Step>>) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let requests: Arc<AtomicU64> = Arc::default();
        let counter = Arc::clone(&requests);
        let scripts = Arc::new(Mutex::new(VecDeque::from(scripts)));
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = socket.accept().await.unwrap();
                let (scripts, counter) = (Arc::clone(&scripts), Arc::clone(&counter));
                tokio::spawn(async move {
                    let mut script: Option<VecDeque<Step>> = None;
                    while let Some(head) = read_head(&mut stream).await {
                        if head.contains("ELB-HealthChecker") {
                            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
                            stream.write_all(answer).await.unwrap();
                            return;
                        }
                        counter.fetch_add(1, Ordering::SeqCst);
                        let script = script.get_or_insert_with(|| {
                            scripts
                                .lock()
                                .unwrap()
                                .pop_front()
                                .unwrap_or_default()
                                .into()
                        });
                        match script.pop_front() {
                            None => return,
                            Some(Step::Answer(answer)) => stream.write_all(answer).await.unwrap(),
                            Some(Step::Last(answer)) => {
                                return stream.write_all(answer).await.unwrap();
                            }
                        }
                    }
                });
            }
        });
        Self { address, requests }
    }
}

/// Reads up to the end of a request's head; `None` when the connection ends before.
async fn read_head(stream: &mut tokio::net::TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    String::from_utf8(head).ok()
}
