//! Idle keep-alive connections to targets, and the body that brings a connection back when it is read.

use std::collections::HashMap;
use std::net::SocketAddrV4;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep, sleep};

use super::upload::Upload;
use crate::dataplane::wire::Connection;

/// A connection from the load balancer to a target.
pub(super) type Backend = Connection<Upload>;

/// Most idle connections kept for one target.
const MAX_IDLE_PER_TARGET: usize = 256;

/// Idle connections by target.
#[derive(Debug, Default)]
pub(super) struct Pool {
    idle: Mutex<HashMap<SocketAddrV4, Vec<(Instant, Backend)>>>,
}

impl Pool {
    /// An idle connection that can take a request now, the most recently used first.
    pub(super) fn take(&self, target: SocketAddrV4) -> Option<Backend> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let connections = idle.get_mut(&target)?;
        connections.retain(|(_, connection)| !connection.is_closed());
        let ready = connections
            .iter()
            .rposition(|(_, connection)| connection.is_ready())?;
        Some(connections.swap_remove(ready).1)
    }

    fn give_back(&self, target: SocketAddrV4, connection: Backend) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let connections = idle.entry(target).or_default();
        if connections.len() < MAX_IDLE_PER_TARGET {
            connections.push((Instant::now(), connection));
        }
    }

    /// Drops the connections that are closed or were idle for longer than `limit`.
    pub(super) fn sweep(&self, limit: Duration) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|_, connections| {
            connections
                .retain(|(since, connection)| !connection.is_closed() && since.elapsed() < limit);
            !connections.is_empty()
        });
    }
}

/// The body of a target's answer on its way to the client. Read to its end it gives its connection back to
/// the pool; dropped before, it closes the connection.
#[derive(Debug)]
pub(super) struct Download {
    body: Incoming,
    complete: bool,
    connection: Option<Backend>,
    pool: Arc<Pool>,
    target: SocketAddrV4,
    idle_limit: Duration,
    idle: Option<Pin<Box<Sleep>>>,
}

/// Why a target's answer broke off.
#[derive(Debug, thiserror::Error)]
pub(super) enum DownloadError {
    /// The connection broke.
    #[error("target {target} broke off its answer")]
    Broken {
        /// Where it was sent to.
        target: SocketAddrV4,
        /// What the connection said.
        #[source]
        source: hyper::Error,
    },
    /// Not a byte came for the idle time-out.
    #[error("target {target} sent nothing for {limit:?}")]
    Stalled {
        /// Where it was sent to.
        target: SocketAddrV4,
        /// The idle time-out.
        limit: Duration,
    },
}

impl Download {
    /// Wraps the body of an answer that came over `connection`.
    pub(super) fn new(
        body: Incoming,
        connection: Backend,
        pool: Arc<Pool>,
        target: SocketAddrV4,
        idle_limit: Duration,
    ) -> Self {
        let complete = body.is_end_stream();
        Self {
            body,
            complete,
            connection: Some(connection),
            pool,
            target,
            idle_limit,
            idle: None,
        }
    }
}

impl Body for Download {
    type Data = Bytes;
    type Error = DownloadError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, DownloadError>>> {
        let this = &mut *self;
        match Pin::new(&mut this.body).poll_frame(cx) {
            Poll::Ready(frame) => {
                this.idle = None;
                this.complete = frame.is_none() || this.body.is_end_stream();
                Poll::Ready(frame.map(|frame| {
                    frame.map_err(|source| DownloadError::Broken {
                        target: this.target,
                        source,
                    })
                }))
            }
            Poll::Pending => {
                let limit = this.idle_limit;
                let idle = this.idle.get_or_insert_with(|| Box::pin(sleep(limit)));
                match idle.as_mut().poll(cx) {
                    Poll::Ready(()) => Poll::Ready(Some(Err(DownloadError::Stalled {
                        target: this.target,
                        limit,
                    }))),
                    Poll::Pending => Poll::Pending,
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Download {
    fn drop(&mut self) {
        if self.complete
            && let Some(connection) = self.connection.take()
        {
            self.pool.give_back(self.target, connection);
        }
    }
}
