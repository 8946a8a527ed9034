//! What makes the scheduler look at a service, and what it remembers of its tasks' fates.

use std::net::Ipv4Addr;

use super::event;
use super::service::Status;
use super::task::StopCode;
use crate::world::agenda::Event;
use crate::world::{Millis, World};

/// Lets the scheduler look at a service after its usual delay.
pub fn soon(world: &mut World, service_arn: &str) {
    let instant = world.now + world.settings.scheduler_delay_ms;
    at(world, service_arn, instant);
}

/// Lets the scheduler look at a service at an instant, if it does not look before.
pub(super) fn at(world: &mut World, service_arn: &str, at: Millis) {
    let Some(service) = world.ecs.services.get_mut(service_arn) else {
        return;
    };
    if service.status != Status::Inactive && service.look_at.is_none_or(|planned| planned > at) {
        service.look_at = Some(at);
        world.agenda.at(at, Event::Service(service_arn.to_owned()));
    }
}

/// Lets the scheduler look at the service of a task.
pub fn for_task(world: &mut World, task_arn: &str) {
    if let Some(service) = world
        .ecs
        .tasks
        .get(task_arn)
        .and_then(|task| task.service.clone())
    {
        soon(world, &service);
    }
}

/// Lets the scheduler look at the service whose task has this address.
pub fn for_address(world: &mut World, address: Ipv4Addr) {
    if let Some(task) = world.ecs.addresses.get(&address).cloned() {
        for_task(world, &task);
    }
}

/// A task has come to RUNNING.
pub fn task_runs(world: &mut World, task_arn: &str) {
    let Some((service, deployment)) = owner(world, task_arn) else {
        return;
    };
    if let Some(service) = world.ecs.services.get_mut(&service) {
        service.start_failures = 0;
        if let Some(deployment) = service
            .deployments
            .iter_mut()
            .find(|known| known.id == deployment)
            && !deployment.has_run
        {
            deployment.has_run = true;
            deployment.failed_tasks = 0;
        }
    }
    soon(world, &service);
}

/// A task has come to STOPPED.
pub fn task_stopped(world: &mut World, task_arn: &str) {
    let Some((service_arn, deployment)) = owner(world, task_arn) else {
        return;
    };
    let now = world.now;
    let Some(task) = world.ecs.tasks.get(task_arn) else {
        return;
    };
    let by_itself = task.stop_code != Some(StopCode::ServiceSchedulerInitiated);
    let never_ran =
        task.started_at.is_none() && by_itself && task.stop_code != Some(StopCode::UserInitiated);
    let (first, longest) = (
        world.settings.start_backoff_ms,
        world.settings.start_backoff_max_ms,
    );
    let Some(service) = world.ecs.services.get_mut(&service_arn) else {
        return;
    };
    if !service.tasks.remove(task_arn) {
        return;
    }
    let mut impaired = false;
    if never_ran {
        service.start_failures += 1;
        if service.start_failures >= IMPAIRED_AFTER {
            let doublings = (service.start_failures - IMPAIRED_AFTER).min(16);
            let wait = first.saturating_mul(1 << doublings).min(longest);
            service.start_not_before = now + wait;
            impaired = service.start_failures == IMPAIRED_AFTER;
        }
        if let Some(deployment) = service
            .deployments
            .iter_mut()
            .find(|known| known.id == deployment)
            && !deployment.has_run
        {
            deployment.failed_tasks += 1;
        }
    }
    if impaired {
        event::note(
            world,
            &service_arn,
            ") is unable to consistently start tasks successfully.",
        );
    }
    soon(world, &service_arn);
}

/// Tasks in a row that must fail to start before the back-off begins.
const IMPAIRED_AFTER: u32 = 3;

fn owner(world: &World, task_arn: &str) -> Option<(String, String)> {
    let task = world.ecs.tasks.get(task_arn)?;
    Some((task.service.clone()?, task.deployment.clone()?))
}
