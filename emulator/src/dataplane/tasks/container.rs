//! One container from its start to its exit, by itself, at SIGTERM or at SIGKILL.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;

use super::{process, sample};
use crate::emulator::Emulator;
use crate::world::view::{ContainerSpec, TaskSpec};

/// The exit code of a container that was killed: 128 + SIGKILL.
const KILLED: i32 = 137;

/// First word of a command that names a local program instead of the image's content.
const PROCESS: &str = "process:";

/// How a container ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Exit {
    /// Exit code.
    pub(super) code: i32,
    /// Why, where the exit code does not say all.
    pub(super) reason: Option<String>,
}

impl Exit {
    /// An exit that the code explains.
    pub(super) fn with(code: i32) -> Self {
        Self { code, reason: None }
    }

    /// The container could not be started.
    pub(super) fn not_started(cause: &dyn std::fmt::Display) -> Self {
        Self {
            code: 1,
            reason: Some(format!("CannotStartContainerError: {cause}")),
        }
    }
}

/// `None` while a container shall live, then the time between SIGTERM, which is now, and SIGKILL.
pub(super) type Stop = Option<Duration>;

/// Waits for SIGTERM; returns the time from it to SIGKILL. Never returns when nobody can send it any more.
pub(super) async fn asked_to_end(stop: &mut watch::Receiver<Stop>) -> Duration {
    match stop.wait_for(Option::is_some).await.map(|stop| *stop) {
        Ok(grace) => grace.unwrap_or_default(),
        Err(_) => std::future::pending().await,
    }
}

/// Runs a container until it exits. Dropping the future kills it.
pub(super) async fn run(
    emulator: Emulator,
    task: TaskSpec,
    container: ContainerSpec,
    mut stop: watch::Receiver<Stop>,
) -> Exit {
    let term = stop.clone();
    let life = async {
        match container.command.split_first() {
            Some((first, command)) if first == PROCESS => {
                process::run(&task, &container, command, term).await
            }
            Some(_) | None => sample::run(emulator, &task, &container, term).await,
        }
    };
    let kill = async { sleep(asked_to_end(&mut stop).await).await };
    tokio::select! {
        biased;
        exit = life => exit,
        () = kill => Exit::with(KILLED),
    }
}
