//! The service scheduler: brings the tasks of a service to what its deployments want, a little later than asked.

use super::event::{self, task_list};
use super::life::{self, Origin};
use super::service::{self, Deployment, Rollout, Status};
use super::task::{Status as TaskStatus, StopCode};
use super::{health, task_definition, wake};
use crate::world::elb::health::Health;
use crate::world::{Millis, World};

/// The scheduler looks at a service.
pub fn look(world: &mut World, service_arn: &str) {
    let now = world.now;
    let Some(service) = world
        .ecs
        .services
        .get_mut(service_arn)
        .filter(|service| service.look_at == Some(now))
    else {
        return;
    };
    service.look_at = None;
    match service.status {
        Status::Active => {
            stop_unhealthy(world, service_arn);
            stop_sick(world, service_arn);
            break_circuit(world, service_arn);
            start_and_stop(world, service_arn);
            settle(world, service_arn);
        }
        Status::Draining => end(world, service_arn),
        Status::Inactive => {}
    }
}

/// A task as the scheduler weighs it.
struct Seen {
    arn: String,
    of_primary: bool,
    wanted: bool,
    ready: bool,
    status: TaskStatus,
    created_at: Millis,
}

fn seen(world: &World, service_arn: &str) -> Vec<Seen> {
    let Some(service) = world.ecs.services.get(service_arn) else {
        return Vec::new();
    };
    let primary = service
        .deployments
        .first()
        .map(|deployment| deployment.id.as_str());
    service
        .tasks
        .iter()
        .filter_map(|arn| world.ecs.tasks.get(arn))
        .map(|task| Seen {
            arn: task.arn.clone(),
            of_primary: task.deployment.as_deref() == primary,
            wanted: task.wanted,
            ready: service::is_ready(world, task),
            status: task.status,
            created_at: task.created_at,
        })
        .collect()
}

/// Stops running tasks that fail the load balancer's checks after their grace period.
fn stop_unhealthy(world: &mut World, service_arn: &str) {
    let Some(service) = world.ecs.services.get(service_arn) else {
        return;
    };
    let grace = world.settings.declared_ms(service.grace_seconds());
    let mut later: Option<Millis> = None;
    let mut unhealthy = Vec::new();
    for task in service
        .tasks
        .iter()
        .filter_map(|arn| world.ecs.tasks.get(arn))
    {
        if !task.wanted || task.status != TaskStatus::Running {
            continue;
        }
        let failing = task.targets.iter().find_map(|(group_arn, address)| {
            let target = world
                .elb
                .target_groups
                .get(group_arn)?
                .targets
                .get(address)?;
            let why = target
                .failure
                .map_or_else(String::new, |failure| failure.wording().1);
            (target.health == Health::Unhealthy).then(|| (group_arn.clone(), address.port(), why))
        });
        let Some(failing) = failing else {
            continue;
        };
        let until = task.started_at.unwrap_or(world.now) + grace;
        if until > world.now {
            later = Some(later.map_or(until, |known| known.min(until)));
        } else {
            unhealthy.push((task.arn.clone(), task.deployment.clone(), failing));
        }
    }
    if let Some(at) = later {
        wake::at(world, service_arn, at);
    }
    for (task_arn, deployment, (group, port, why)) in unhealthy {
        let id = event::task_id(&task_arn);
        event::note(
            world,
            service_arn,
            &format!(
                ") (task {id}) (port {port}) is unhealthy in (target-group {group}) due to (reason {why})"
            ),
        );
        if let Some(service) = world.ecs.services.get_mut(service_arn)
            && let Some(known) = service
                .deployments
                .iter_mut()
                .find(|known| Some(&known.id) == deployment.as_ref())
            && known.rollout == Rollout::InProgress
        {
            known.failed_tasks += 1;
        }
        stop_tasks(
            world,
            service_arn,
            &[task_arn],
            &format!("Task failed ELB health checks in (target-group {group})"),
        );
    }
}

/// Stops running tasks that fail their containers' own checks, and looks again when those say something else.
fn stop_sick(world: &mut World, service_arn: &str) {
    let Some(service) = world.ecs.services.get(service_arn) else {
        return;
    };
    let tasks = service.tasks.iter();
    let tasks = tasks.filter_map(|arn| world.ecs.tasks.get(arn));
    let running = tasks.filter(|task| task.wanted && task.status == TaskStatus::Running);
    let checked = running.filter_map(|task| {
        let (health, at) = health::of_task(world, task)?;
        Some((task.arn.clone(), task.deployment.clone(), health, at))
    });
    let checked: Vec<_> = checked.collect();
    if let Some(at) = checked.iter().filter_map(|(_, _, _, at)| *at).min() {
        wake::at(world, service_arn, at);
    }
    for (task_arn, deployment, health, _) in checked {
        if health != health::Health::Unhealthy {
            continue;
        }
        if let Some(service) = world.ecs.services.get_mut(service_arn)
            && let Some(known) = service
                .deployments
                .iter_mut()
                .find(|known| Some(&known.id) == deployment.as_ref())
            && known.rollout == Rollout::InProgress
        {
            known.failed_tasks += 1;
        }
        let reason = "Task failed container health checks";
        stop_tasks(world, service_arn, &[task_arn], reason);
    }
}

/// Stops tasks of a service and says so.
fn stop_tasks(world: &mut World, service_arn: &str, tasks: &[String], reason: &str) {
    if tasks.is_empty() {
        return;
    }
    if let Some(service) = world.ecs.services.get_mut(service_arn) {
        service.steady = false;
    }
    let text = format!(
        ") has stopped {} running tasks: {}.",
        tasks.len(),
        task_list(tasks)
    );
    event::note(world, service_arn, &text);
    for task in tasks {
        life::stop(world, task, StopCode::ServiceSchedulerInitiated, reason);
    }
}

/// Gives up, and perhaps rolls back, a deployment whose tasks keep failing.
fn break_circuit(world: &mut World, service_arn: &str) {
    let now = world.now;
    let Some(service) = world.ecs.services.get_mut(service_arn) else {
        return;
    };
    let (enabled, rolls_back) = service.circuit_breaker();
    let threshold = service.desired.div_ceil(2).clamp(3, 200);
    let last_completed = service.last_completed.clone();
    let Some(primary) = service.deployments.first_mut() else {
        return;
    };
    if !enabled || primary.rollout != Rollout::InProgress || primary.failed_tasks < threshold {
        return;
    }
    primary.rollout = Rollout::Failed;
    primary.updated_at = now;
    let (id, failed) = (primary.id.clone(), primary.revision.clone());
    event::note(
        world,
        service_arn,
        &format!(") (deployment {id}) deployment failed: tasks failed to start."),
    );
    if let Some(revision) = last_completed.filter(|revision| rolls_back && *revision != failed) {
        let to = service::deploy(world, service_arn, revision);
        event::note(
            world,
            service_arn,
            &format!(") rolling back to deployment {to}."),
        );
    }
}

/// Starts the tasks that are missing and stops those that are too many or outdated, within the deployment's bounds.
fn start_and_stop(world: &mut World, service_arn: &str) {
    let tasks = seen(world, service_arn);
    let Some(service) = world.ecs.services.get(service_arn) else {
        return;
    };
    let Some(primary) = service.deployments.first().cloned() else {
        return;
    };
    let desired = service.desired as usize;
    let most = desired * service.percent("maximumPercent", 200) as usize / 100;
    let least = (desired * service.percent("minimumHealthyPercent", 100) as usize).div_ceil(100);
    let not_before = service.start_not_before;

    let current = tasks
        .iter()
        .filter(|task| task.of_primary && task.wanted)
        .count();
    let occupying = tasks
        .iter()
        .filter(|task| task.status <= TaskStatus::Stopping)
        .count();
    let missing = desired.saturating_sub(current);
    let start = missing.min(most.saturating_sub(occupying));

    let mut stops: Vec<&Seen> = Vec::new();
    let mut excess: Vec<&Seen> = tasks
        .iter()
        .filter(|task| task.of_primary && task.wanted)
        .collect();
    excess.sort_by_key(|task| (task.ready, task.created_at));
    stops.extend(excess.into_iter().take(current.saturating_sub(desired)));
    let failed = primary.rollout == Rollout::Failed;
    if !failed {
        let mut ready = tasks.iter().filter(|task| task.ready).count();
        ready -= stops.iter().filter(|task| task.ready).count();
        let mut outdated: Vec<&Seen> = tasks
            .iter()
            .filter(|task| !task.of_primary && task.wanted)
            .collect();
        outdated.sort_by_key(|task| (task.ready, task.created_at));
        for task in outdated {
            if task.ready && ready <= least {
                break;
            }
            ready -= usize::from(task.ready);
            stops.push(task);
        }
    }

    let stops: Vec<String> = stops.into_iter().map(|task| task.arn.clone()).collect();
    let reason = format!("Scaling activity initiated by (deployment {})", primary.id);
    stop_tasks(world, service_arn, &stops, &reason);
    if start > 0 && !failed {
        if world.now < not_before {
            wake::at(world, service_arn, not_before);
        } else {
            start_tasks(world, service_arn, &primary, start);
        }
    }
}

fn start_tasks(world: &mut World, service_arn: &str, deployment: &Deployment, count: usize) {
    let Some(definition) =
        task_definition::find(world, &deployment.revision.task_definition).cloned()
    else {
        event::note(
            world,
            service_arn,
            ") was unable to place a task. Reason: the task definition was deleted.",
        );
        return;
    };
    let Some(service) = world.ecs.services.get_mut(service_arn) else {
        return;
    };
    service.steady = false;
    let mut given = deployment.revision.given.clone();
    given.remove("networkConfiguration");
    let tags = match service
        .given
        .get("propagateTags")
        .and_then(serde_json::Value::as_str)
    {
        Some("SERVICE") => service.tags.clone(),
        Some("TASK_DEFINITION") => definition.tags.clone(),
        Some(_) | None => std::collections::BTreeMap::new(),
    };
    let origin = Origin {
        cluster: service.cluster.clone(),
        service: Some(service_arn.to_owned()),
        deployment: Some(deployment.id.clone()),
        group: format!("service:{}", service.name),
        started_by: Some(deployment.id.clone()),
        given,
        tags,
        bindings: deployment
            .revision
            .load_balancers
            .iter()
            .map(|binding| (binding.target_group_arn.clone(), binding.container_port))
            .collect(),
    };
    let started: Vec<String> = (0..count)
        .map(|_| life::start(world, &definition, origin.clone()))
        .collect();
    let text = format!(
        ") has started {} tasks: {}.",
        started.len(),
        task_list(&started)
    );
    event::note(world, service_arn, &text);
}

/// Drops deployments that have no task left, and says when the service has come to rest.
fn settle(world: &mut World, service_arn: &str) {
    let tasks = seen(world, service_arn);
    let now = world.now;
    let left: Vec<String> = tasks
        .iter()
        .filter(|task| task.status <= TaskStatus::Deactivating)
        .filter_map(|task| world.ecs.tasks.get(&task.arn)?.deployment.clone())
        .collect();
    let Some(service) = world.ecs.services.get_mut(service_arn) else {
        return;
    };
    let primary = service
        .deployments
        .first()
        .map(|deployment| deployment.id.clone());
    service
        .deployments
        .retain(|known| Some(&known.id) == primary.as_ref() || left.contains(&known.id));
    let ready = tasks
        .iter()
        .filter(|task| task.of_primary && task.ready)
        .count();
    let others = tasks
        .iter()
        .any(|task| task.status <= TaskStatus::Deactivating && !(task.of_primary && task.wanted));
    if ready != service.desired as usize || others {
        let maturing = tasks
            .iter()
            .filter(|task| task.wanted && task.status == TaskStatus::Running && !task.ready)
            .filter_map(|task| world.ecs.tasks.get(&task.arn))
            .filter(|task| task.targets.is_empty() && health::of_task(world, task).is_none())
            .filter_map(|task| Some(task.started_at? + world.settings.steady_without_checks_ms))
            .min();
        if let Some(at) = maturing {
            wake::at(world, service_arn, at);
        }
        return;
    }
    let Some(primary) = service.deployments.first_mut() else {
        return;
    };
    let completes = primary.rollout == Rollout::InProgress;
    let id = primary.id.clone();
    if completes {
        primary.rollout = Rollout::Completed;
        primary.updated_at = now;
        service.last_completed = Some(primary.revision.clone());
    }
    let was_steady = std::mem::replace(&mut service.steady, true);
    if completes {
        event::note(
            world,
            service_arn,
            &format!(") (deployment {id}) deployment completed."),
        );
    }
    if !was_steady {
        event::note(world, service_arn, ") has reached a steady state.");
    }
}

/// Brings a DRAINING service to its end: INACTIVE some time after its last task is STOPPING.
fn end(world: &mut World, service_arn: &str) {
    let tasks = seen(world, service_arn);
    let deployment = world
        .ecs
        .services
        .get(service_arn)
        .and_then(|service| service.deployments.first())
        .map(|deployment| deployment.id.clone())
        .unwrap_or_default();
    let wanted: Vec<String> = tasks
        .iter()
        .filter(|task| task.wanted)
        .map(|task| task.arn.clone())
        .collect();
    let alive = tasks
        .iter()
        .any(|task| task.status <= TaskStatus::Deactivating);
    let reason = format!("Scaling activity initiated by (deployment {deployment})");
    stop_tasks(world, service_arn, &wanted, &reason);
    let now = world.now;
    let wait = world.settings.service_inactive_ms;
    let Some(service) = world.ecs.services.get_mut(service_arn) else {
        return;
    };
    if alive || !wanted.is_empty() {
        service.empty_since = None;
        return;
    }
    let since = *service.empty_since.get_or_insert(now);
    if since + wait <= now {
        service::deactivate(world, service_arn);
    } else {
        wake::at(world, service_arn, since + wait);
    }
}
