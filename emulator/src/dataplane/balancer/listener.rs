//! One open port: accepts connections, gives each to a node and serves its requests.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::proxy::{Entry, Proxy};
use crate::world::view::ListenerView;

/// Rest after an accept that failed (usually: no file descriptors left).
const REST_AFTER_FAILED_ACCEPT: Duration = Duration::from_millis(50);

/// A listener's port could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot open {address} for listener {listener_arn}")]
pub struct OpenError {
    /// The listener.
    pub listener_arn: String,
    /// The address and port it needs.
    pub address: SocketAddr,
    /// The operating system's refusal, for example that the port is in use.
    #[source]
    pub source: io::Error,
}

/// An open port. Dropping it leaves it open; see [`OpenPort::close`].
#[derive(Debug)]
pub(super) struct OpenPort {
    /// Where it listens.
    pub(super) address: SocketAddr,
    close: CancellationToken,
    accepting: JoinHandle<()>,
}

impl OpenPort {
    /// Frees the port. Connections are closed once their requests in flight are answered.
    pub(super) async fn close(self) {
        self.close.cancel();
        if let Err(error) = self.accepting.await {
            tracing::error!(address = %self.address, %error, "an accept loop broke");
        }
    }
}

/// Opens the port of a listener and serves it until `close`; then no connection is accepted, requests in flight
/// are answered and connections closed. Connections are spawned on `connections`.
///
/// # Errors
/// The port cannot be opened.
pub(super) async fn open(
    view: &ListenerView,
    bind: IpAddr,
    proxy: &Arc<Proxy>,
    connections: &TaskTracker,
    close: CancellationToken,
) -> Result<OpenPort, OpenError> {
    let address = SocketAddr::new(bind, view.port);
    let failed = |source| OpenError {
        listener_arn: view.arn.clone(),
        address,
        source,
    };
    let socket = TcpListener::bind(address).await.map_err(failed)?;
    let address = socket.local_addr().map_err(failed)?;
    let served = accept(
        socket,
        view.clone(),
        Arc::clone(proxy),
        connections.clone(),
        close.clone(),
    );
    Ok(OpenPort {
        address,
        close,
        accepting: connections.spawn(served),
    })
}

async fn accept(
    socket: TcpListener,
    view: ListenerView,
    proxy: Arc<Proxy>,
    connections: TaskTracker,
    close: CancellationToken,
) {
    let view = Arc::new(view);
    let mut accepted = 0;
    loop {
        let connection = tokio::select! {
            () = close.cancelled() => return,
            connection = socket.accept() => connection,
        };
        match connection {
            Ok((stream, client)) => {
                let node = accepted % proxy.node_count();
                accepted += 1;
                let entry = Arc::new(Entry {
                    listener: Arc::clone(&view),
                    node,
                    client: client.ip(),
                });
                connections.spawn(serve(stream, entry, Arc::clone(&proxy), close.clone()));
            }
            Err(error) => {
                tracing::warn!(listener = view.arn, %error, "a connection was not accepted");
                tokio::time::sleep(REST_AFTER_FAILED_ACCEPT).await;
            }
        }
    }
}

async fn serve(stream: TcpStream, entry: Arc<Entry>, proxy: Arc<Proxy>, close: CancellationToken) {
    // Without it answers wait for acknowledgements; a stream that refuses it is closed already.
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| {
        let (proxy, entry) = (Arc::clone(&proxy), Arc::clone(&entry));
        async move { Ok::<_, Infallible>(proxy.answer(&entry, request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(proxy.idle_timeout())
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let served = tokio::select! {
        served = &mut connection => served,
        () = close.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = served {
        tracing::debug!(listener = entry.listener.arn, client = %entry.client, %error, "a client's connection broke");
    }
}
