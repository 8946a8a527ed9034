//! The life cycle of tasks: each state in its time, targets with it.

use std::collections::BTreeMap;
use std::net::SocketAddrV4;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::task::{Status, StopCode, Task};
use super::task_definition::{Container, TaskDefinition};
use super::{conduct, event, wake};
use crate::world::agenda::Event;
use crate::world::elb::target_group;
use crate::world::{Millis, TaskMode, World};

/// What a new task belongs to.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    /// Its cluster's name.
    pub cluster: String,
    /// ARN of its service.
    pub service: Option<String>,
    /// Its deployment.
    pub deployment: Option<String>,
    /// `group`.
    pub group: String,
    /// `startedBy`.
    pub started_by: Option<String>,
    /// Other members as they are described.
    pub given: Map<String, Value>,
    /// Tags.
    pub tags: BTreeMap<String, String>,
    /// Container ports behind target groups.
    pub bindings: Vec<(String, u16)>,
}

/// Starts a task: it is PROVISIONING. Returns its ARN.
pub fn start(world: &mut World, definition: &TaskDefinition, origin: Origin) -> String {
    let id = format!("{:016x}{:016x}", world.fresh_bits(), world.fresh_bits());
    let settings = &world.settings;
    let arn = format!(
        "arn:aws:ecs:{}:{}:task/{}/{id}",
        settings.region, settings.account, origin.cluster
    );
    let number = usize::try_from(world.next_id).unwrap_or(0);
    let subnet = match settings.subnets.len() {
        0 => String::new(),
        zones => settings.subnets[number % zones].clone(),
    };
    let due = world.now + settings.task_provisioning_ms;
    let address = super::take_address(world, &arn);
    let mut given = origin.given;
    for member in ["cpu", "memory"] {
        if let Some(size) = definition.given.get(member) {
            given.insert(member.to_owned(), size.clone());
        }
    }
    let task = Task {
        arn: arn.clone(),
        cluster: origin.cluster,
        task_definition: definition.arn.clone(),
        family: definition.family.clone(),
        revision: definition.revision,
        exit_codes: vec![None; definition.containers.len()],
        containers: Arc::clone(&definition.containers),
        service: origin.service,
        deployment: origin.deployment,
        group: origin.group,
        started_by: origin.started_by,
        status: Status::Provisioning,
        wanted: true,
        due: Some(due),
        address,
        subnet,
        attachment: world.fresh_uuid(),
        targets: origin
            .bindings
            .into_iter()
            .map(|(group, port)| (group, SocketAddrV4::new(address, port)))
            .collect(),
        created_at: world.now,
        containers_started_at: None,
        started_at: None,
        stopping_at: None,
        exited_at: None,
        stopped_at: None,
        stop_code: None,
        stopped_reason: None,
        container_reason: None,
        version: 1,
        given,
        tags: origin.tags,
    };
    if let Some(service) = task
        .service
        .as_ref()
        .and_then(|service| world.ecs.services.get_mut(service))
    {
        service.tasks.insert(arn.clone());
    }
    world.ecs.tasks.insert(arn.clone(), task);
    world.agenda.at(due, Event::Task(arn.clone()));
    arn
}

/// A task's time in its state is over.
pub fn step(world: &mut World, arn: &str) {
    let now = world.now;
    let Some(task) = world
        .ecs
        .tasks
        .get(arn)
        .filter(|task| task.due == Some(now))
    else {
        return;
    };
    match task.status {
        Status::Provisioning => enter(world, arn, Status::Pending, world.settings.task_pending_ms),
        Status::Pending => pulled(world, arn),
        Status::Activating => {
            enter(world, arn, Status::Running, 0);
            wake::task_runs(world, arn);
        }
        Status::Running => {}
        Status::Deactivating => terminate(world, arn),
        Status::Stopping => enter(
            world,
            arn,
            Status::Deprovisioning,
            world.settings.task_deprovisioning_ms,
        ),
        Status::Deprovisioning => {
            enter(world, arn, Status::Stopped, 0);
            wake::task_stopped(world, arn);
        }
        Status::Stopped => {}
    }
}

/// Puts a task into a state that it leaves after `stay_ms`; RUNNING and STOPPED are not left by time.
fn enter(world: &mut World, arn: &str, status: Status, stay_ms: u64) {
    let now = world.now;
    let Some(task) = world.ecs.tasks.get_mut(arn) else {
        return;
    };
    task.status = status;
    task.version += 1;
    task.due = None;
    match status {
        Status::Running => task.started_at = Some(now),
        Status::Stopped => {
            task.stopped_at = Some(now);
            let address = task.address;
            world.ecs.addresses.remove(&address);
            let forgotten = now + world.settings.stopped_task_visible_ms;
            world
                .agenda
                .at(forgotten, Event::TaskForgotten(arn.to_owned()));
        }
        Status::Provisioning
        | Status::Pending
        | Status::Activating
        | Status::Deactivating
        | Status::Stopping
        | Status::Deprovisioning => {
            task.due = Some(now + stay_ms);
            world.agenda.at(now + stay_ms, Event::Task(arn.to_owned()));
        }
    }
}

/// The time of PENDING is over: containers start, or could not be pulled. Real ones must have reported first.
fn pulled(world: &mut World, arn: &str) {
    let Some(task) = world.ecs.tasks.get(arn) else {
        return;
    };
    match world.settings.tasks {
        TaskMode::Modelled => match conduct::cannot_pull(world, task) {
            Some(reason) => exited(world, arn, 0, Some(reason)),
            None => {
                containers_started(world, arn);
                activate(world, arn);
            }
        },
        TaskMode::Real if task.containers_started_at.is_some() => activate(world, arn),
        TaskMode::Real => {
            if let Some(task) = world.ecs.tasks.get_mut(arn) {
                task.due = None;
            }
        }
    }
}

/// The containers of a task run; from now on modelled ones follow their behaviour.
pub fn containers_started(world: &mut World, arn: &str) {
    let now = world.now;
    let Some(task) = world
        .ecs
        .tasks
        .get_mut(arn)
        .filter(|task| task.containers_started_at.is_none())
    else {
        return;
    };
    task.containers_started_at = Some(now);
    let waits = task.status == Status::Pending && task.due.is_none();
    let task = task.clone();
    if world.settings.tasks == TaskMode::Modelled
        && let Some((after, _, _)) = conduct::exit(world, &task)
    {
        world
            .agenda
            .at(now + after, Event::TaskExits(arn.to_owned()));
    }
    if waits {
        activate(world, arn);
    }
}

/// Registers the task's targets.
fn activate(world: &mut World, arn: &str) {
    enter(
        world,
        arn,
        Status::Activating,
        world.settings.task_activating_ms,
    );
    let Some(task) = world.ecs.tasks.get(arn) else {
        return;
    };
    let (targets, service) = (task.targets.clone(), task.service.clone());
    for (group, target) in targets {
        target_group::register(world, &group, target);
        if let Some(service) = &service {
            event::note(
                world,
                service,
                &format!(") registered 1 targets in (target-group {group})"),
            );
        }
    }
}

/// A modelled container exits by itself.
pub fn exits(world: &mut World, arn: &str) {
    let Some(task) = world
        .ecs
        .tasks
        .get(arn)
        .filter(|task| task.exited_at.is_none())
    else {
        return;
    };
    if let Some((_, container, code)) = conduct::exit(world, task) {
        let codes = exit_codes(task, Some(container), code);
        note_exit(world, arn, codes, None);
    }
}

/// The containers of a task have exited, or could not start (`reason` says why).
pub fn exited(world: &mut World, arn: &str, code: i32, reason: Option<String>) {
    let Some(task) = world
        .ecs
        .tasks
        .get(arn)
        .filter(|task| task.exited_at.is_none())
    else {
        return;
    };
    let codes = exit_codes(task, None, code);
    note_exit(world, arn, codes, reason);
}

/// The exit code of the container that went first (else of every essential one); the others end by SIGTERM.
fn exit_codes(task: &Task, first: Option<usize>, code: i32) -> Vec<Option<i32>> {
    let went = |index: usize, container: &Container| {
        first.map_or(container.essential, |first| first == index)
    };
    task.containers
        .iter()
        .enumerate()
        .map(|(index, container)| Some(if went(index, container) { code } else { 143 }))
        .collect()
}

fn note_exit(world: &mut World, arn: &str, codes: Vec<Option<i32>>, reason: Option<String>) {
    let now = world.now;
    let Some(task) = world.ecs.tasks.get_mut(arn) else {
        return;
    };
    let never_started = task.containers_started_at.is_none();
    task.exited_at = Some(now);
    task.version += 1;
    if !never_started {
        task.exit_codes = codes;
    }
    let status = task.status;
    match status {
        Status::Provisioning | Status::Pending | Status::Activating | Status::Running => {
            let (code, text) = if never_started {
                (
                    StopCode::TaskFailedToStart,
                    reason
                        .clone()
                        .unwrap_or_else(|| "Task failed to start".to_owned()),
                )
            } else {
                (
                    StopCode::EssentialContainerExited,
                    "Essential container in task exited".to_owned(),
                )
            };
            task.container_reason = reason;
            task.stop_code.get_or_insert(code);
            task.stopped_reason.get_or_insert(text);
            task.stopping_at = Some(now);
            task.wanted = false;
            deregister(world, arn);
            enter(
                world,
                arn,
                Status::Deprovisioning,
                world.settings.task_deprovisioning_ms,
            );
            wake::for_task(world, arn);
        }
        Status::Stopping => {
            let stay = world.settings.task_stopping_ms;
            enter(world, arn, Status::Stopping, stay);
        }
        Status::Deactivating | Status::Deprovisioning | Status::Stopped => {}
    }
}

/// Begins the stop of a task: targets drain first, then SIGTERM, then SIGKILL at the stop time-out.
pub fn stop(world: &mut World, arn: &str, code: StopCode, reason: &str) {
    let now = world.now;
    let Some(task) = world.ecs.tasks.get_mut(arn).filter(|task| task.wanted) else {
        return;
    };
    task.wanted = false;
    task.version += 1;
    task.stop_code = Some(code);
    task.stopped_reason = Some(reason.to_owned());
    task.stopping_at = Some(now);
    match task.status {
        Status::Activating | Status::Running => {
            let drained = deregister(world, arn);
            let stay = drained
                .saturating_sub(now)
                .max(world.settings.task_deactivating_ms);
            enter(world, arn, Status::Deactivating, stay);
        }
        Status::Pending if task.containers_started_at.is_some() => terminate(world, arn),
        Status::Provisioning | Status::Pending => {
            task.exited_at = Some(now);
            enter(
                world,
                arn,
                Status::Deprovisioning,
                world.settings.task_deprovisioning_ms,
            );
        }
        Status::Deactivating | Status::Stopping | Status::Deprovisioning | Status::Stopped => {}
    }
    wake::for_task(world, arn);
}

/// Deregisters the targets of a task. Returns when the last has drained.
fn deregister(world: &mut World, arn: &str) -> Millis {
    let Some(task) = world.ecs.tasks.get(arn) else {
        return world.now;
    };
    let (targets, service, deployment) = (
        task.targets.clone(),
        task.service.clone(),
        task.deployment.clone(),
    );
    let mut drained = world.now;
    for (group, target) in targets {
        let known = world
            .elb
            .target_groups
            .get(&group)
            .and_then(|group| group.targets.get(&target));
        if known.is_none_or(|target| target.draining.is_some()) {
            continue;
        }
        drained = drained.max(target_group::deregister(world, &group, target));
        if let Some(service) = &service {
            let deployment = deployment.as_deref().unwrap_or_default();
            event::note(
                world,
                service,
                &format!(") deregistered 1 targets in (target-group {group})"),
            );
            event::note(
                world,
                service,
                &format!(", taskSet {deployment}) has begun draining connections on 1 tasks."),
            );
        }
    }
    drained
}

/// SIGTERM. A modelled task knows when it will have exited; a real one is reported.
fn terminate(world: &mut World, arn: &str) {
    let Some(task) = world.ecs.tasks.get(arn) else {
        return;
    };
    if task.exited_at.is_some() {
        enter(
            world,
            arn,
            Status::Stopping,
            world.settings.task_stopping_ms,
        );
    } else if world.settings.tasks == TaskMode::Real {
        enter(world, arn, Status::Stopping, 0);
        if let Some(task) = world.ecs.tasks.get_mut(arn) {
            task.due = None;
        }
    } else {
        let (after, code) = conduct::exit_after_sigterm(world, task);
        enter(world, arn, Status::Stopping, 0);
        if let Some(task) = world.ecs.tasks.get_mut(arn) {
            task.due = None;
        }
        world.agenda.at(
            world.now + after,
            Event::TaskTerminated(arn.to_owned(), code),
        );
    }
    wake::for_task(world, arn);
}

/// SIGTERM to SIGKILL, in milliseconds: the longest of the containers'.
#[must_use]
pub fn stop_timeout_ms(world: &World, task: &Task) -> u64 {
    let of = |container: &Container| match container.stop_timeout_seconds {
        Some(seconds) => world.settings.declared_ms(seconds),
        None => world.settings.stop_timeout_ms,
    };
    task.containers.iter().map(of).max().unwrap_or(0)
}

/// Forgets a stopped task.
pub fn forget(world: &mut World, arn: &str) {
    world.ecs.tasks.remove(arn);
}
