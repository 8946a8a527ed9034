//! Makes the tasks that run those that the world wants to run.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

use super::container::{self, Exit, Stop};
use crate::emulator::Emulator;
use crate::world::view::{self, TaskSpec};

/// The tasks that run.
#[derive(Debug)]
pub(in crate::dataplane) struct Supervisor {
    emulator: Emulator,
    tasks: BTreeMap<String, Task>,
    running: JoinSet<()>,
}

#[derive(Debug)]
struct Task {
    stop: watch::Sender<Stop>,
    life: AbortHandle,
}

impl Supervisor {
    /// A supervisor without tasks yet.
    pub(in crate::dataplane) fn new(emulator: Emulator) -> Self {
        Self {
            emulator,
            tasks: BTreeMap::new(),
            running: JoinSet::new(),
        }
    }

    /// Starts the tasks of `wanted` that do not run, asks those of `unwanted` to end (the number is the
    /// milliseconds between SIGTERM and SIGKILL), and kills those that the world no longer knows.
    pub(in crate::dataplane) fn follow(
        &mut self,
        wanted: Vec<TaskSpec>,
        unwanted: &[(String, u64)],
    ) {
        while self.running.try_join_next().is_some() {}
        self.tasks.retain(|id, task| {
            let known = wanted.iter().any(|spec| spec.id == *id)
                || unwanted.iter().any(|(other, _)| other == id);
            if !known {
                task.life.abort();
            }
            known
        });
        for (id, timeout_ms) in unwanted {
            match self.tasks.get(id) {
                Some(task) => task.ask_to_end(Duration::from_millis(*timeout_ms)),
                // It never ran here: there is nothing to wait for.
                None => self
                    .emulator
                    .with(|world| view::report_task_exited(world, id, 0, None)),
            }
        }
        for spec in wanted {
            if !self.tasks.contains_key(&spec.id) {
                let (stop, stopping) = watch::channel(None);
                let id = spec.id.clone();
                let life = self
                    .running
                    .spawn(live(self.emulator.clone(), spec, stopping));
                self.tasks.insert(id, Task { stop, life });
            }
        }
    }

    /// Ends every task: SIGTERM now, SIGKILL after `grace`.
    pub(in crate::dataplane) async fn close(mut self, grace: Duration) {
        for task in self.tasks.values() {
            task.ask_to_end(grace);
        }
        while self.running.join_next().await.is_some() {}
    }
}

impl Task {
    /// The first word counts: a later one neither shortens nor prolongs the time.
    fn ask_to_end(&self, grace: Duration) {
        if self.stop.borrow().is_none() {
            self.stop.send_replace(Some(grace));
        }
    }
}

/// A task's life: its containers run until an essential one exits; then the others are ended too.
async fn live(emulator: Emulator, spec: TaskSpec, mut stop: watch::Receiver<Stop>) {
    if let Some(image) = missing_image(&emulator, &spec) {
        let reason = format!("CannotPullContainerError: failed to resolve ref {image}: not found");
        emulator.with(|world| view::report_task_exited(world, &spec.id, 1, Some(reason)));
        return;
    }
    emulator.with(|world| view::report_task_started(world, &spec.id));
    let (end, ending) = watch::channel(None);
    let mut containers = JoinSet::new();
    for container in spec.containers.clone() {
        let (emulator, spec, ending) = (emulator.clone(), spec.clone(), ending.clone());
        containers.spawn(async move {
            let essential = container.essential;
            (
                essential,
                container::run(emulator, spec, container, ending).await,
            )
        });
    }
    let exit = tokio::select! {
        exit = essential_exit(&mut containers) => exit,
        grace = container::asked_to_end(&mut stop) => {
            end.send_replace(Some(grace));
            essential_exit(&mut containers).await
        }
    };
    if end.borrow().is_none() {
        let grace = emulator.with(|world| world.settings.stop_timeout_ms);
        end.send_replace(Some(Duration::from_millis(grace)));
    }
    while containers.join_next().await.is_some() {}
    emulator.with(|world| view::report_task_exited(world, &spec.id, exit.code, exit.reason));
}

/// Waits for the first essential container to exit, or for the last of all.
async fn essential_exit(containers: &mut JoinSet<(bool, Exit)>) -> Exit {
    let mut last = Exit::not_started(&"the task has no container");
    while let Some(exited) = containers.join_next().await {
        match exited {
            Ok((true, exit)) => return exit,
            Ok((false, exit)) => last = exit,
            Err(error) => {
                return Exit {
                    code: 1,
                    reason: Some(format!("ContainerRuntimeError: {error}")),
                };
            }
        }
    }
    last
}

fn missing_image(emulator: &Emulator, spec: &TaskSpec) -> Option<String> {
    emulator.with(|world| {
        let mut images = spec.containers.iter().map(|container| &container.image);
        images
            .find(|image| world.settings.behaviour(image).cannot_pull)
            .cloned()
    })
}
