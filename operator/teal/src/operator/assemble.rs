//! The parts of an operator put together.

use std::collections::BTreeSet;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use aws::error::Kind;
use aws::names::Names;
use aws::{AwsCloud, AwsWriter, CallMetrics, Connection, DynamoDbLease};
use prometheus::Registry;
use runtime::clock::Clock;
use runtime::cloud::Cloud;
use runtime::executor::Mode;
use runtime::lease::{self, Authority, Keeper, LeaseItem, LeaseStore, Terms};
use runtime::{Controller, Metrics};
use tokio::net::TcpListener;
use tokio::time::Instant;
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
    /// By which lease one of several operators leads; none: this one is the only one.
    pub(crate) lease: Option<Lease>,
    /// Where the HTTP server listens.
    pub(crate) listen: SocketAddr,
    /// See [`pace::settings`].
    pub(crate) time_scale: f64,
}

/// A lease.
#[derive(Debug, Clone)]
pub(crate) struct Lease {
    /// The DynamoDB table.
    pub(crate) table: String,
    /// See [`pace::terms`].
    pub(crate) term: Duration,
}

/// An operator that listens and does not run yet.
#[derive(Debug)]
pub(crate) struct Operator {
    controller: Controller<AwsCloud, AwsWriter>,
    keeper: Option<Keeper<DynamoDbLease>>,
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
        let metrics = Arc::new(Metrics::new(&registry, env!("CARGO_PKG_VERSION")).map_err(bug)?);
        let settings = pace::settings(options.time_scale);
        let (authority, keeper) = match &options.lease {
            None => (Authority::SingleByDeployment, None),
            Some(lease) => {
                let terms = pace::terms(lease.term, options.time_scale);
                terms.check(settings.write_limit).map_err(|short| {
                    Failure::new(Exit::Invalid, "--lease-term is too short").because(short)
                })?;
                let name = lease_name(&options.prefixes);
                let store = DynamoDbLease::new(connection, &lease.table, &name, terms.renew_every);
                let item = first_look(&store, &terms, &stop).await?;
                let holder = holder();
                tracing::info!(
                    table = lease.table,
                    lease = name,
                    holder,
                    ?item,
                    "the lease's table answers"
                );
                let lease = lease::Lease::new(holder, terms);
                let (keeper, handle) = Keeper::new(store, lease, clock, Arc::clone(&metrics));
                (Authority::Lease(handle), Some(keeper))
            }
        };
        let mode = if options.observe_only {
            Mode::ObserveOnly
        } else {
            Mode::Apply {
                writer: AwsWriter::new(connection, names),
                authority,
            }
        };
        let controller = Controller::new(cloud, mode, settings, clock, metrics, stop);
        let sources = Sources {
            registry,
            board: controller.board(),
            clock,
        };
        Ok(Self {
            controller,
            keeper,
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
            keeper,
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
        // The lease is given back when every write has ended.
        let ended = CancellationToken::new();
        let keeper = keeper.map(|keeper| tokio::spawn(keeper.run(ended.clone())));
        controller.run().await;
        ended.cancel();
        if let Some(keeper) = keeper
            && let Err(broken) = keeper.await
        {
            tracing::error!(%broken, "a bug: the keeper of the lease broke");
        }
        served.cancel();
        // A reader that keeps its connection open does not hold up the stop.
        match tokio::time::timeout(std::time::Duration::from_secs(1), server).await {
            Ok(Ok(Ok(()))) | Err(_) => {}
            Ok(broken) => tracing::warn!(?broken, "the HTTP server broke"),
        }
    }
}

/// The lease as it is now. What passes by itself is borne for as long as a lease lasts: whoever leads may be gone just now,
/// and this process is the one to take its place. What AWS refuses is told at once.
async fn first_look<S: LeaseStore<Error = aws::Error>>(
    store: &S,
    terms: &Terms,
    stop: &CancellationToken,
) -> Result<Option<LeaseItem>, aws::Error> {
    let until = Instant::now() + terms.term;
    loop {
        let error = match store.read().await {
            Ok(item) => return Ok(item),
            Err(error) => error,
        };
        let passes = matches!(
            error.kind,
            Kind::Timeout | Kind::Throttled | Kind::Unavailable | Kind::Network
        );
        if !passes || stop.is_cancelled() || Instant::now() >= until {
            return Err(error);
        }
        tracing::warn!(%error, "the lease's table does not answer: it is asked again");
        tokio::select! {
            () = tokio::time::sleep(terms.renew_every) => {}
            () = stop.cancelled() => {}
        }
    }
}

/// What the lease is of: the operators that serve the same prefixes are one another's standbys.
fn lease_name(prefixes: &[String]) -> String {
    let prefixes: BTreeSet<&str> = prefixes
        .iter()
        .map(|prefix| prefix.trim_end_matches('/'))
        .collect();
    prefixes.into_iter().collect::<Vec<_>>().join(",")
}

/// This process's name: where it runs, for people, and a number that no other process has.
fn holder() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = host.trim();
    let unique = RandomState::new().build_hasher().finish();
    format!("{host}/{}/{unique:016x}", std::process::id())
}

async fn listen(address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|error| {
        Failure::new(Exit::Refused, format!("cannot listen on {address}"))
            .because(error)
            .next("Is another operator running here? Choose another address with --listen.")
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use aws::error::Effect;

    use super::*;

    /// Answers from this call on, and before that in this way.
    struct Store {
        kind: Kind,
        answers_from: u32,
        calls: AtomicU32,
    }

    impl LeaseStore for Store {
        type Error = aws::Error;

        async fn read(&self) -> Result<Option<LeaseItem>, aws::Error> {
            let call = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
            if call >= self.answers_from {
                return Ok(None);
            }
            Err(aws::Error {
                kind: self.kind,
                effect: Effect::Unknown,
                operation: "GetItem",
                resource: "table teal-leases".to_owned(),
                code: None,
                message: String::new(),
            })
        }

        async fn replace(&self, _: Option<&LeaseItem>, _: &LeaseItem) -> Result<bool, aws::Error> {
            unreachable!("nobody writes at the first look")
        }
    }

    async fn looked(kind: Kind, answers_from: u32, stop: &CancellationToken) -> (bool, u32) {
        let store = Store {
            kind,
            answers_from,
            calls: AtomicU32::new(0),
        };
        let found = first_look(&store, &Terms::default(), stop).await;
        (found.is_ok(), store.calls.into_inner())
    }

    #[tokio::test(start_paused = true)]
    async fn a_table_that_does_not_answer_at_once_is_asked_again_for_as_long_as_a_lease_lasts() {
        let stop = CancellationToken::new();
        assert_eq!(looked(Kind::Timeout, 3, &stop).await, (true, 3));
        assert_eq!(looked(Kind::Throttled, 9, &stop).await, (true, 9));
        assert_eq!(looked(Kind::Timeout, 99, &stop).await, (false, 9));
        assert_eq!(looked(Kind::Denied, 99, &stop).await, (false, 1));
        assert_eq!(looked(Kind::NotFound, 99, &stop).await, (false, 1));
        stop.cancel();
        assert_eq!(looked(Kind::Timeout, 99, &stop).await, (false, 1));
    }
}
