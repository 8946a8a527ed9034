//! The HTTP/1.1 server: one port for all services and for [`crate::admin`].

use std::pin::pin;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::admin;
use crate::emulator::{ConnectionLost, Emulator};

/// The largest request body that is read, in bytes.
const BODY_LIMIT: usize = 8 << 20;

/// Why a connection ends without an answer.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error("the connection is dropped because a fault says so")]
    Fault,
    #[error("the request could not be handled")]
    Handler(#[from] tokio::task::JoinError),
}

/// Serves until `stop`; requests under way are finished first.
pub async fn serve(emulator: Emulator, listener: TcpListener, stop: CancellationToken) {
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => break,
        };
        match accepted {
            Ok((stream, _)) => {
                connections.spawn(converse(emulator.clone(), stream, stop.clone()));
            }
            Err(error) => tracing::warn!(%error, "a connection was not accepted"),
        }
    }
    connections.close();
    connections.wait().await;
}

async fn converse(emulator: Emulator, stream: TcpStream, stop: CancellationToken) {
    // Without this every small answer waits for the acknowledgement of the one before.
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| answer(&emulator, request));
    let connection =
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection broke");
    }
}

async fn answer(
    emulator: &Emulator,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Broken> {
    let (head, body) = request.into_parts();
    let Ok(body) = Limited::new(body, BODY_LIMIT).collect().await else {
        let mut response = Response::new(Full::new(Bytes::new()));
        *response.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
        return Ok(response);
    };
    let request = Request::from_parts(head, body.to_bytes());
    if request.uri().path().starts_with(admin::PREFIX) {
        return Ok(admin::answer(emulator, &request).map(Full::new));
    }
    // What has arrived is carried out, whether or not the caller is still there.
    let emulator = emulator.clone();
    let response = tokio::spawn(async move { emulator.handle(request).await }).await?;
    if response.extensions().get::<ConnectionLost>().is_some() {
        return Err(Broken::Fault);
    }
    Ok(response.map(Full::new))
}
