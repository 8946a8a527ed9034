//! The health of tasks by their containers' own checks (`healthStatus`): a task is as healthy as its essential
//! containers that are checked
//! (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/healthcheck.html>).

use super::conduct;
use super::task::{Status, Task};
use crate::world::{Millis, World};

/// `healthStatus`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Health {
    /// Each check says that it works.
    Healthy,
    /// Nothing is checked, or not for long enough.
    Unknown,
    /// A check fails too often.
    Unhealthy,
}

impl Health {
    /// AWS's word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Healthy => "HEALTHY",
            Self::Unknown => "UNKNOWN",
            Self::Unhealthy => "UNHEALTHY",
        }
    }
}

/// What a container of the task is, by its own check; none where it has none. And when that changes next.
#[must_use]
pub fn of_container(world: &World, task: &Task, index: usize) -> Option<(Health, Option<Millis>)> {
    let container = &task.containers[index];
    let check = container.health_check.as_ref()?;
    let started = task.containers_started_at;
    let Some(started) = started.filter(|_| task.status == Status::Running) else {
        return Some((Health::Unknown, None));
    };
    let age = world.now.saturating_sub(started);
    let (health, at) = conduct::own_check(world, task, container, check, age);
    Some((health, at.map(|at| started + at)))
}

/// What the task is; none where no essential container is checked. And when that changes next.
#[must_use]
pub fn of_task(world: &World, task: &Task) -> Option<(Health, Option<Millis>)> {
    let essential = (0..task.containers.len()).filter(|index| task.containers[*index].essential);
    let checked: Vec<(Health, Option<Millis>)> = essential
        .filter_map(|index| of_container(world, task, index))
        .collect();
    let worst = checked.iter().map(|(health, _)| *health).max()?;
    Some((worst, checked.iter().filter_map(|(_, at)| *at).min()))
}
