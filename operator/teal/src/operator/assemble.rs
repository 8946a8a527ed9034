//! The parts of an operator put together.

use std::net::SocketAddr;
use std::sync::Arc;

use aws::names::Names;
use aws::{AwsCloud, AwsWriter, CallMetrics, Connection};
use prometheus::Registry;
use runtime::clock::Clock;
use runtime::cloud::Cloud;
use runtime::executor::Mode;
use runtime::lease::Authority;
use runtime::{Controller, Metrics};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::connect::bug;
use crate::failure::{Exit, Failure};
use crate::operator::http::{self, Sources};
use crate::operator::pace;

/// What can be chosen.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// Prefixes of the applications' parameters.
    pub(crate) prefixes: Vec<String>,
    /// No writer is constructed.
    pub(crate) observe_only: bool,
    /// Where the HTTP server listens.
    pub(crate) listen: SocketAddr,
    /// See [`pace::settings`].
    pub(crate) time_scale: f64,
}

/// An operator that listens and does not run yet.
#[derive(Debug)]
pub(crate) struct Operator {
    controller: Controller<AwsCloud, AwsWriter>,
    listener: TcpListener,
    sources: Sources,
}

impl Operator {
    /// Counters of AWS calls for a connection, in the registry that the operator shows.
    pub(crate) fn metrics() -> Result<(Registry, CallMetrics), Failure> {
        let registry = Registry::new();
        let calls = CallMetrics::new(&registry).map_err(bug)?;
        Ok((registry, calls))
    }

    /// Opens the port, and reads the list of applications once: what stands in the way of that is told now.
    pub(crate) async fn new(
        connection: &Connection,
        registry: Registry,
        options: &Options,
        stop: CancellationToken,
    ) -> Result<Self, Failure> {
        let clock = Clock::system();
        let listener = listen(options.listen).await?;
        let names = Names::new(&options.prefixes);
        let cloud = AwsCloud::new(connection, names.clone(), clock);
        let specs = cloud.specs().await?;
        tracing::info!(applications = specs.len(), prefixes = ?options.prefixes, observe_only = options.observe_only, "AWS answers");
        let mode = if options.observe_only {
            Mode::ObserveOnly
        } else {
            Mode::Apply {
                writer: AwsWriter::new(connection, names),
                authority: Authority::SingleByDeployment,
            }
        };
        let metrics = Arc::new(Metrics::new(&registry, env!("CARGO_PKG_VERSION")).map_err(bug)?);
        let settings = pace::settings(options.time_scale);
        let controller = Controller::new(cloud, mode, settings, clock, metrics, stop);
        let sources = Sources {
            registry,
            board: controller.board(),
            clock,
        };
        Ok(Self {
            controller,
            listener,
            sources,
        })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> Result<SocketAddr, Failure> {
        self.listener.local_addr().map_err(bug)
    }

    /// Runs until the stop, then ends at a step boundary and hands over. The HTTP server answers until the end.
    pub(crate) async fn run(self) {
        let Self {
            controller,
            listener,
            sources,
        } = self;
        let served = CancellationToken::new();
        let server = {
            let served = served.clone();
            tokio::spawn(async move {
                let answers = axum::serve(listener, http::router(sources));
                answers
                    .with_graceful_shutdown(served.cancelled_owned())
                    .await
            })
        };
        controller.run().await;
        served.cancel();
        // A reader that keeps its connection open does not hold up the stop.
        match tokio::time::timeout(std::time::Duration::from_secs(1), server).await {
            Ok(Ok(Ok(()))) | Err(_) => {}
            Ok(broken) => tracing::warn!(?broken, "the HTTP server broke"),
        }
    }
}

async fn listen(address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|error| {
        Failure::new(Exit::Refused, format!("cannot listen on {address}"))
            .because(error)
            .next("Is another operator running here? Choose another address with --listen.")
    })
}
