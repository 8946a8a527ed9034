//! The driver: makes ports, tasks and health checks follow the world.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::balancer::{Balancer, ListenerStatus};
use super::health::Checker;
use super::tasks::Supervisor;
use crate::emulator::Emulator;
use crate::world::view::{self, Check, ListenerView, TaskSpec};

/// The data plane's own settings. What AWS would have set is in the world's settings.
#[derive(Debug, Clone)]
pub struct Options {
    /// The address on which listeners open their ports.
    pub bind: IpAddr,
    /// A connection on which nothing moves for so long is given up (an Application Load Balancer's default: 60 s).
    pub idle_timeout: Duration,
    /// Health checks under way at one time, at most.
    pub concurrent_checks: usize,
    /// How soon a change of the world is seen, at the latest.
    pub look_every: Duration,
    /// When the data plane stops: the time for requests in flight, and that from SIGTERM to SIGKILL for tasks.
    pub stop_timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            bind: IpAddr::V4(Ipv4Addr::LOCALHOST),
            idle_timeout: Duration::from_secs(60),
            concurrent_checks: 64,
            look_every: Duration::from_millis(20),
            stop_timeout: Duration::from_secs(5),
        }
    }
}

/// The load balancer and the tasks of one emulated account.
#[derive(Debug)]
pub struct DataPlane {
    emulator: Emulator,
    options: Options,
    listeners: watch::Sender<Vec<ListenerStatus>>,
}

/// What the world wants at one moment.
struct Wanted {
    listeners: Vec<ListenerView>,
    tasks: Vec<TaskSpec>,
    tasks_to_stop: Vec<(String, u64)>,
    checks: Vec<Check>,
    /// Until something changes by itself.
    rest: Option<Duration>,
}

impl DataPlane {
    /// A data plane for the emulator's world. Nothing happens before [`DataPlane::run`].
    pub fn new(emulator: Emulator, options: Options) -> Self {
        Self {
            emulator,
            options,
            listeners: watch::Sender::new(Vec::new()),
        }
    }

    /// The world's listeners and what became of their ports, as they change.
    pub fn listeners(&self) -> watch::Receiver<Vec<ListenerStatus>> {
        self.listeners.subscribe()
    }

    /// Follows the world until `stop`: opens ports, carries requests, runs tasks and health checks (those only
    /// when the world's tasks are [`crate::world::TaskMode::Real`]). Then ports are closed, requests in flight
    /// answered and tasks ended.
    pub async fn run(self, stop: CancellationToken) {
        let mut balancer = Balancer::new(
            self.emulator.clone(),
            self.options.bind,
            self.options.idle_timeout,
        );
        let mut tasks = Supervisor::new(self.emulator.clone());
        let mut checker = Checker::new(self.emulator.clone(), self.options.concurrent_checks);
        while !stop.is_cancelled() {
            let wanted = self.wanted();
            tasks.follow(wanted.tasks, &wanted.tasks_to_stop);
            checker.start(wanted.checks);
            if balancer.follow(wanted.listeners).await {
                self.listeners.send_replace(balancer.status());
            }
            let rest = wanted.rest.map_or(self.options.look_every, |rest| {
                rest.min(self.options.look_every)
            });
            tokio::select! {
                () = stop.cancelled() => {}
                () = sleep(rest.max(Duration::from_millis(1))) => {}
            }
        }
        if timeout(self.options.stop_timeout, balancer.close())
            .await
            .is_err()
        {
            tracing::warn!("requests in flight were given up");
        }
        tasks.close(self.options.stop_timeout).await;
    }

    fn wanted(&self) -> Wanted {
        self.emulator.with(|world| {
            let next = [world.next_event(), view::next_check(world)]
                .into_iter()
                .flatten()
                .min();
            Wanted {
                listeners: view::listeners(world),
                tasks: view::tasks_to_run(world),
                tasks_to_stop: view::tasks_to_stop(world),
                checks: view::checks_due(world),
                rest: next.map(|next| Duration::from_millis(next.saturating_sub(world.now))),
            }
        })
    }
}
