//! Updates in place: old tasks leave when new ones have come, or before where that is asked.

use std::collections::BTreeSet;

use super::account::{DRAIN, Lab, TASK_START};

/// New tasks are up, and ECS calls the deployment COMPLETED, after this long.
pub const REPLACED: u64 = TASK_START + 40_000;

/// How ECS carries out updates in place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ecs {
    /// The circuit breaker gives a deployment of a broken version up after so many milliseconds.
    pub gives_up_after: Option<u64>,
    /// And goes back by itself.
    pub goes_back: bool,
    deployments: u32,
}

/// How far a service's update is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Update {
    /// Since when; none: nothing is on its way.
    pub since: Option<u64>,
    /// Tasks of what ran before.
    pub old: BTreeSet<String>,
    /// The task definition of the last deployment that completed.
    pub completed: Option<String>,
}

impl Lab {
    /// UpdateService with a task definition, as a person may do it. `apart`: old tasks stop first.
    pub fn update(&mut self, name: &str, to: &str, apart: bool) {
        let now = self.now;
        let Some(index) = self.services.iter().position(|one| one.shown.name == name) else {
            return;
        };
        let service = &mut self.services[index];
        if service.shown.task_definition == to {
            return;
        }
        if service.update.since.is_none() {
            service.update.completed = Some(service.shown.task_definition.clone());
            service.update.old.extend(service.tasks.keys().cloned());
        }
        let count = service.tasks.len();
        service.tasks.clear();
        if apart {
            service.update.old.clear();
        }
        service.update.since = Some(now);
        service.shown.task_definition = to.to_owned();
        service.shown.deployment_failed = false;
        for _ in 0..count {
            let address = format!("10.0.0.{}:8080", self.next_task);
            self.services[index].tasks.insert(address, now);
            self.next_task += 1;
        }
        self.ecs.deployments += 1;
        let primary = format!("ecs-svc/{}", self.ecs.deployments);
        self.services[index].shown.deployments.primary = Some(primary);
        self.tell(name);
    }

    /// Where a service is updated in place its task definition says what it runs.
    pub(super) fn tell(&mut self, name: &str) {
        if !self.application.is_rolling() {
            return;
        }
        let Some(service) = self.services.iter_mut().find(|one| one.shown.name == name) else {
            return;
        };
        let told = self.told.get(&service.shown.task_definition);
        let rejected = service.shown.tags.rejected;
        service.shown.tags = told.cloned().unwrap_or_default();
        service.shown.tags.ours = true;
        service.shown.tags.rejected = rejected;
    }

    /// What time does to updates.
    pub(super) fn roll(&mut self) {
        let now = self.now;
        let mut back = Vec::new();
        for index in 0..self.services.len() {
            let broken = self.is_broken(&self.services[index]);
            let service = &mut self.services[index];
            let Some(since) = service.update.since else {
                continue;
            };
            if !broken && now >= since + REPLACED {
                let replaced = std::mem::take(&mut service.update).old;
                if let Some(side) = service.shown.side {
                    let drain = replaced.into_iter().map(|address| (address, now + DRAIN));
                    self.draining[side.index()].extend(drain);
                }
                service.shown.deployments.given_up.clear();
            }
            let over = self
                .ecs
                .gives_up_after
                .is_some_and(|after| now >= since + after);
            if !broken || !over || service.shown.deployment_failed {
                continue;
            }
            service.shown.deployment_failed = true;
            let failed = service.shown.task_definition.clone();
            let reason = "ECS deployment circuit breaker: tasks failed to start.".to_owned();
            service.shown.deployments.given_up.insert(failed, reason);
            if self.ecs.goes_back {
                back.extend(
                    service
                        .update
                        .completed
                        .clone()
                        .map(|to| (service.shown.name.clone(), to)),
                );
            }
        }
        for (name, to) in back {
            self.update(&name, &to, false);
        }
    }

    /// Tasks that work, of what ran before and of what is to run.
    pub fn working(&self, name: &str) -> (usize, usize) {
        let service = self.services.iter().find(|one| one.shown.name == name);
        service.map_or((0, 0), |service| {
            let runs = |started: &&u64| self.now >= **started + TASK_START;
            let new = if self.is_broken(service) {
                0
            } else {
                service.tasks.values().filter(runs).count()
            };
            (service.update.old.len(), new)
        })
    }
}
