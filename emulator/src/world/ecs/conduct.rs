//! What modelled containers do: exit, answer, refuse.

use std::net::SocketAddrV4;

use serde_json::Value;

use super::health::Health;
use super::life;
use super::task::Task;
use super::task_definition::{Container, HealthCheck};
use crate::world::behaviour::Behaviour;
use crate::world::view::CheckResult;
use crate::world::{Millis, World, hash};

/// What a container's own check says of it at a time since its start, and when that changes next.
#[must_use]
pub fn own_check(
    world: &World,
    task: &Task,
    container: &Container,
    check: &HealthCheck,
    age: Millis,
) -> (Health, Option<Millis>) {
    let ms = |seconds: u64| world.settings.declared_ms(seconds);
    let interval = ms(check.interval_seconds);
    let Behaviour {
        health_status,
        unhealthy_after_ms,
        ..
    } = behaviour(world, task, container);
    // From here on each check fails; those of the start do not count.
    let fails = match (*health_status, *unhealthy_after_ms) {
        (200..=399, after) => after,
        (_, _) => Some(0),
    };
    let grace = ms(check.start_period_seconds);
    let unhealthy = fails.map(|from| from.max(grace) + interval * check.retries);
    let healthy = (fails.is_none_or(|from| from > interval)).then_some(interval);
    let now = match (healthy, unhealthy) {
        (_, Some(at)) if age >= at => Health::Unhealthy,
        (Some(at), _) if age >= at => Health::Healthy,
        (_, _) => Health::Unknown,
    };
    let later = [healthy, unhealthy].into_iter().flatten();
    (now, later.filter(|at| *at > age).min())
}

/// What a container of a task does. A command that RunTask puts in the place of its own may have a behaviour too: that
/// of the image's name with the command after it, `shop:1.4 bin/migrate up`.
fn behaviour<'a>(world: &'a World, task: &Task, container: &Container) -> &'a Behaviour {
    let overrides = &task.given.get("overrides").unwrap_or(&Value::Null)["containerOverrides"];
    let mut overrides = overrides.as_array().into_iter().flatten();
    let own = overrides.find(|one| one["name"] == container.name.as_str());
    let words = own.and_then(|own| own["command"].as_array());
    let words = words.into_iter().flatten().filter_map(Value::as_str);
    let command: String = words.map(|word| format!(" {word}")).collect();
    let with_command = format!("{}{command}", container.image);
    let behaviours = &world.settings.behaviours;
    behaviours
        .get(&with_command)
        .unwrap_or_else(|| world.settings.behaviour(&container.image))
}

/// Why the task's images cannot be pulled, if one cannot.
#[must_use]
pub fn cannot_pull(world: &World, task: &Task) -> Option<String> {
    task.containers
        .iter()
        .find(|container| world.settings.behaviour(&container.image).cannot_pull)
        .map(|container| {
            format!(
                "CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref {}: not found",
                container.image
            )
        })
}

/// The first essential container that exits by itself: milliseconds after its start, its index, its exit code.
#[must_use]
pub fn exit(world: &World, task: &Task) -> Option<(u64, usize, i32)> {
    task.containers
        .iter()
        .enumerate()
        .filter(|(_, container)| container.essential)
        .filter_map(|(index, container)| {
            let exit = behaviour(world, task, container).exits.as_ref()?;
            Some((exit.after_ms, index, exit.code))
        })
        .min()
}

/// How long after SIGTERM the task has exited, and its exit code: 137 if it had to be killed.
#[must_use]
pub fn exit_after_sigterm(world: &World, task: &Task) -> (u64, i32) {
    let needed = task
        .containers
        .iter()
        .map(|container| behaviour(world, task, container).stop_ms)
        .max()
        .unwrap_or(0);
    let timeout = life::stop_timeout_ms(world, task);
    if needed <= timeout {
        (needed, 0)
    } else {
        (timeout, 137)
    }
}

/// The container that listens at an address now, with its behaviour and the time since its start.
#[must_use]
pub fn listener(world: &World, address: SocketAddrV4) -> Option<(&Container, &Behaviour, Millis)> {
    let task = world
        .ecs
        .tasks
        .get(world.ecs.addresses.get(address.ip())?)?;
    let container = task
        .containers
        .iter()
        .find(|container| container.ports.contains(&address.port()))?;
    let behaviour = world.settings.behaviour(&container.image);
    let age = world.now.checked_sub(task.containers_started_at?)?;
    (task.exited_at.is_none() && age >= behaviour.start_ms).then_some((container, behaviour, age))
}

/// What a health check of an address finds.
#[must_use]
pub fn health_check(world: &World, address: SocketAddrV4, timeout_ms: u64) -> CheckResult {
    match listener(world, address) {
        None => CheckResult::Refused,
        Some((_, behaviour, _)) if behaviour.latency_ms > timeout_ms => CheckResult::Timeout,
        Some((_, behaviour, age))
            if behaviour
                .unhealthy_after_ms
                .is_some_and(|after| age >= after) =>
        {
            CheckResult::Status(503)
        }
        Some((_, behaviour, _)) => CheckResult::Status(behaviour.health_status),
    }
}

/// The status with which a behaviour answers a request; `dice` decides on its share of errors.
#[must_use]
pub fn status(behaviour: &Behaviour, dice: u64) -> u16 {
    if hash::share(hash::mix(&[dice, 1])) < behaviour.error_share {
        500
    } else {
        200
    }
}
