//! The real operator: controller, planner, SDK clients; only the HTTP client leads into the emulator.

use std::sync::Arc;

use aws::names::Names;
use aws::{AwsCloud, AwsWriter, CallMetrics, Connection};
use emulator::Emulator;
use jiff::Timestamp;
use prometheus::Registry;
use runtime::clock::Clock;
use runtime::controller::Settings;
use runtime::events::Events;
use runtime::executor::Mode;
use runtime::lease::Authority;
use runtime::snapshot::Board;
use runtime::{Controller, Metrics};
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
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Operator {
    /// Starts with these settings; `writes` false observes only.
    pub fn start(emulator: &Emulator, settings: Settings, writes: bool) -> Self {
        Self::start_over(&Wire::new(emulator), emulator, settings, writes)
    }

    /// The same over a wire that keeps what it carries.
    pub fn start_over(wire: &Wire, emulator: &Emulator, settings: Settings, writes: bool) -> Self {
        let wall = emulator.with(|world| world.epoch_unix_ms + world.now);
        let wall = Timestamp::from_millisecond(i64::try_from(wall).expect("a date of today"))
            .expect("in range");
        let clock = Clock::starting_at(wall);
        let registry = Registry::new();
        let calls = CallMetrics::new(&registry).expect("a fresh registry");
        let (dead, wire) = (CancellationToken::new(), wire.clone());
        let cut = dead.clone();
        let http = aws::in_process::http_client(move |request| {
            let (cut, wire) = (cut.clone(), wire.clone());
            async move {
                if cut.is_cancelled() {
                    std::future::pending::<()>().await;
                }
                wire.carry(request).await
            }
        });
        let connection = Connection::in_process(http, clock, &aws::Settings::default(), calls);
        let names = Names::new(&["/teal/apps".to_owned()]);
        let cloud = AwsCloud::new(&connection, names.clone(), clock);
        let mode = if writes {
            Mode::Apply {
                writer: AwsWriter::new(&connection, names),
                authority: Authority::SingleByDeployment,
            }
        } else {
            Mode::ObserveOnly
        };
        let metrics = Arc::new(Metrics::new(&registry, "test").expect("a fresh registry"));
        let stop = CancellationToken::new();
        let controller = Controller::new(cloud, mode, settings, clock, metrics, stop.clone());
        let (board, events) = (controller.board(), controller.events());
        let task = tokio::spawn(controller.run());
        Self {
            board,
            registry,
            events,
            dead,
            stop,
            task,
        }
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
        self.task.abort();
        let _ = self.task.await;
    }

    /// SIGTERM: it ends at a step boundary and hands over.
    pub async fn stop(self) {
        self.stop.cancel();
        self.task.await.expect("the controller ends by itself");
    }
}
