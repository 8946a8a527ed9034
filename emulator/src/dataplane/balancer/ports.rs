//! The open ports: those of the world's listeners.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::emulator::Emulator;
use crate::world::view::ListenerView;

use super::listener::{self, OpenError, OpenPort};
use super::proxy::Proxy;

/// How long after a port could not be opened it is tried again.
const REOPEN_AFTER: Duration = Duration::from_secs(1);

/// A listener of the world and what became of its port.
#[derive(Debug, Clone)]
pub struct ListenerStatus {
    /// The listener.
    pub arn: String,
    /// Where it listens, or why it does not. One that does not is tried again every second.
    pub opened: Result<SocketAddr, Arc<OpenError>>,
}

/// The open ports.
#[derive(Debug)]
pub(in crate::dataplane) struct Balancer {
    proxy: Arc<Proxy>,
    bind: IpAddr,
    ports: BTreeMap<String, Port>,
    connections: TaskTracker,
    /// Cancelled when every port shall close; so it is when this is dropped.
    closing: CancellationToken,
    _close_when_dropped: DropGuard,
}

/// What became of one listener's port.
#[derive(Debug)]
struct Port {
    view: ListenerView,
    state: PortState,
}

#[derive(Debug)]
enum PortState {
    Open(OpenPort),
    Closed {
        error: Arc<OpenError>,
        retry_at: Instant,
    },
}

impl Balancer {
    /// A load balancer without listeners yet, whose ports will be opened on the address `bind`. A connection to
    /// a client or target on which nothing moves for `idle_timeout` is given up.
    pub(in crate::dataplane) fn new(
        emulator: Emulator,
        bind: IpAddr,
        idle_timeout: Duration,
    ) -> Self {
        let closing = CancellationToken::new();
        Self {
            proxy: Arc::new(Proxy::new(emulator, idle_timeout)),
            bind,
            ports: BTreeMap::new(),
            connections: TaskTracker::new(),
            closing: closing.clone(),
            _close_when_dropped: closing.drop_guard(),
        }
    }

    /// Makes the open ports those of `wanted`; true when a port changed. Requests in flight on a port that closes
    /// are still answered.
    pub(in crate::dataplane) async fn follow(&mut self, wanted: Vec<ListenerView>) -> bool {
        let gone: Vec<Port> = self
            .ports
            .extract_if(.., |_, port| !wanted.contains(&port.view))
            .map(|(_, port)| port)
            .collect();
        let mut changed = !gone.is_empty();
        for port in gone {
            port.close().await;
        }
        for view in wanted {
            if self.ports.get(&view.arn).is_none_or(Port::is_to_be_opened) {
                self.open(view).await;
                changed = true;
            }
        }
        self.proxy.close_idle_connections();
        changed
    }

    async fn open(&mut self, view: ListenerView) {
        let tried_before = self.ports.contains_key(&view.arn);
        let close = self.closing.child_token();
        let opened = listener::open(&view, self.bind, &self.proxy, &self.connections, close).await;
        let state = match opened {
            Ok(port) => {
                tracing::info!(listener = view.arn, address = %port.address, "listening");
                PortState::Open(port)
            }
            Err(error) => {
                if !tried_before {
                    tracing::error!(
                        error = &error as &dyn std::error::Error,
                        "a listener's port is not open; trying on"
                    );
                }
                PortState::Closed {
                    error: Arc::new(error),
                    retry_at: Instant::now() + REOPEN_AFTER,
                }
            }
        };
        self.ports.insert(view.arn.clone(), Port { view, state });
    }

    /// Each listener and what became of its port.
    pub(in crate::dataplane) fn status(&self) -> Vec<ListenerStatus> {
        self.ports
            .values()
            .map(|port| ListenerStatus {
                arn: port.view.arn.clone(),
                opened: match &port.state {
                    PortState::Open(port) => Ok(port.address),
                    PortState::Closed { error, .. } => Err(Arc::clone(error)),
                },
            })
            .collect()
    }

    /// Closes every port and waits until the requests in flight are answered.
    pub(in crate::dataplane) async fn close(self) {
        self.closing.cancel();
        self.connections.close();
        self.connections.wait().await;
    }
}

impl Port {
    fn is_to_be_opened(&self) -> bool {
        match &self.state {
            PortState::Open(_) => false,
            PortState::Closed { retry_at, .. } => Instant::now() >= *retry_at,
        }
    }

    async fn close(self) {
        match self.state {
            PortState::Open(port) => port.close().await,
            PortState::Closed { .. } => {}
        }
    }
}
