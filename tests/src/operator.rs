//! The real operator: controller, planner, SDK clients; only the HTTP client leads into the emulator.

use std::sync::Arc;

use aws::names::Names;
use aws::{AwsCloud, AwsWriter, CallMetrics, Connection, DynamoDbLease};
use emulator::Emulator;
use jiff::Timestamp;
use prometheus::Registry;
use runtime::clock::Clock;
use runtime::controller::Settings;
use runtime::events::Events;
use runtime::executor::Mode;
use runtime::lease::{Authority, Keeper, Lease, Terms};
use runtime::metrics::Role;
use runtime::snapshot::Board;
use runtime::{Controller, Metrics};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::wire::Wire;

/// One operator process, as far as a process can be had without one.
#[derive(Debug)]
pub struct Operator {
    /// What it shows of its applications.
    pub board: Board,
    /// Its metrics.
    pub registry: Registry,
    /// What it told of.
    pub events: Events,
    /// From here on nothing leaves it.
    dead: CancellationToken,
    /// While true, nothing leaves it and no answer reaches it.
    paused: watch::Sender<bool>,
    stop: CancellationToken,
    task: JoinHandle<()>,
    /// The task that keeps the lease, and what ends it.
    keeper: Option<(JoinHandle<()>, CancellationToken)>,
}

/// The table that the shipped policy allows, and the lease of the one spec prefix that there is.
pub const LEASES: &str = "teal-lease";
const LEASE: &str = "/teal/apps";

/// By what right an operator writes.
#[derive(Debug, Clone, Copy)]
enum Right<'a> {
    None,
    Deployment,
    /// The lease, under this name.
    Lease(&'a str),
}

impl Operator {
    /// Starts with these settings; `writes` false observes only.
    pub fn start(emulator: &Emulator, settings: Settings, writes: bool) -> Self {
        Self::start_over(&Wire::new(emulator), emulator, settings, writes)
    }

    /// The same over a wire that keeps what it carries.
    pub fn start_over(wire: &Wire, emulator: &Emulator, settings: Settings, writes: bool) -> Self {
        let right = if writes {
            Right::Deployment
        } else {
            Right::None
        };
        Self::launch(wire, emulator, settings, right)
    }

    /// One of several, which leads by the lease in the table [`LEASES`]. `holder` is unique to it.
    pub fn start_leased(
        wire: &Wire,
        emulator: &Emulator,
        settings: Settings,
        holder: &str,
    ) -> Self {
        Self::launch(wire, emulator, settings, Right::Lease(holder))
    }

    fn launch(wire: &Wire, emulator: &Emulator, settings: Settings, right: Right<'_>) -> Self {
        let wall = emulator.with(|world| world.epoch_unix_ms + world.now);
        let wall = Timestamp::from_millisecond(i64::try_from(wall).expect("a date of today"))
            .expect("in range");
        let clock = Clock::starting_at(wall);
        let registry = Registry::new();
        let calls = CallMetrics::new(&registry).expect("a fresh registry");
        let (dead, wire) = (CancellationToken::new(), wire.clone());
        let cut = dead.clone();
        let (paused, pause) = watch::channel(false);
        let http = aws::in_process::http_client(move |request| {
            let (cut, wire, pause) = (cut.clone(), wire.clone(), pause.clone());
            async move {
                if cut.is_cancelled() {
                    std::future::pending::<()>().await;
                }
                let answer = if *pause.borrow() {
                    // It leaves when the process goes on, whether somebody waits for it or not.
                    let (wire, pause) = (wire.clone(), pause.clone());
                    let late = tokio::spawn(async move {
                        goes_on(pause).await;
                        wire.carry(request).await
                    });
                    late.await.expect("the wire carries it")
                } else {
                    wire.carry(request).await
                };
                goes_on(pause).await;
                answer
            }
        });
        let connection = Connection::in_process(http, clock, &aws::Settings::default(), calls);
        let names = Names::new(&["/teal/apps".to_owned()]);
        let cloud = AwsCloud::new(&connection, names.clone(), clock);
        let metrics = Arc::new(Metrics::new(&registry, "test").expect("a fresh registry"));
        let (authority, keeper) = match right {
            Right::None => (None, None),
            Right::Deployment => (Some(Authority::SingleByDeployment), None),
            Right::Lease(holder) => {
                let terms = Terms::default();
                let store = DynamoDbLease::new(&connection, LEASES, LEASE, terms.renew_every);
                let lease = Lease::new(holder.to_owned(), terms);
                let (keeper, handle) = Keeper::new(store, lease, clock, Arc::clone(&metrics));
                let end = CancellationToken::new();
                let keeper = tokio::spawn(keeper.run(end.clone()));
                (Some(Authority::Lease(handle)), Some((keeper, end)))
            }
        };
        let mode = match authority {
            Some(authority) => Mode::Apply {
                writer: AwsWriter::new(&connection, names),
                authority,
            },
            None => Mode::ObserveOnly,
        };
        let stop = CancellationToken::new();
        let controller = Controller::new(cloud, mode, settings, clock, metrics, stop.clone());
        let (board, events) = (controller.board(), controller.events());
        let task = tokio::spawn(controller.run());
        Self {
            board,
            registry,
            events,
            dead,
            paused,
            stop,
            task,
            keeper,
        }
    }

    /// Whether it writes, as it shows.
    pub fn role(&self) -> Role {
        self.board.leadership().role
    }

    /// SIGSTOP, as far as AWS can tell: what it sends from now on arrives when it goes on, and so does every answer.
    /// Its own clock goes on, as a stopped process's does.
    pub fn pause(&self) {
        self.paused.send_replace(true);
    }

    /// SIGCONT.
    pub fn resume(&self) {
        self.paused.send_replace(false);
    }

    /// The largest value of a metric over its series; 0 when it has none.
    pub fn metric(&self, name: &str) -> f64 {
        let families = self.registry.gather();
        let of_it = families.iter().filter(|family| family.name() == name);
        let series = of_it.flat_map(|family| family.get_metric());
        let value = series.map(|one| {
            one.get_gauge()
                .get_value()
                .max(one.get_counter().get_value())
        });
        value.fold(0.0, f64::max)
    }

    /// `kill -9`: nothing leaves it any more; what it had sent arrives.
    pub async fn kill(self) {
        self.dead.cancel();
        if let Some((keeper, _)) = self.keeper {
            keeper.abort();
        }
        self.task.abort();
        let _ = self.task.await;
    }

    /// SIGTERM: it ends at a step boundary and hands over.
    pub async fn stop(self) {
        self.stop.cancel();
        self.task.await.expect("the controller ends by itself");
        if let Some((keeper, end)) = self.keeper {
            end.cancel();
            keeper.await.expect("the keeper ends by itself");
        }
    }
}

/// Waits until the process is not paused.
async fn goes_on(mut paused: watch::Receiver<bool>) {
    // One that was dropped goes on no more.
    if paused.wait_for(|paused| !paused).await.is_err() {
        std::future::pending::<()>().await;
    }
}
