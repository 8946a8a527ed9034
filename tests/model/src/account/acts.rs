//! What people do, what tasks do by themselves, and what ECS does with a service.

use std::sync::Arc;

use crd_schema::intent::Intents;
use crd_schema::record::Record;
use planner::Side;
use planner::world::{ServiceStatus, Tags};

use crate::seen::Seen;
use crate::setup::Setup;

use super::{Account, DELETION, DRAIN, Parameters, Task, is_ill};

impl Account {
    /// A service that is not the application's takes a place on the group that holds a side.
    pub fn intrude(&mut self, setup: &Setup, side: Side) {
        if let Some(group) = self.holder(side).map(|group| Arc::clone(&group.arn)) {
            let nobodys = Tags::default();
            self.add(setup, "intruder", group, 1, "theirs:1".to_owned(), nobodys);
        }
    }

    /// Registers a service with Application Auto Scaling, with scale-in suspended or not, or deregisters it.
    pub fn set_scaled(&mut self, setup: &Setup, name: &str, scaled: Option<bool>) {
        self.change_ecs(setup, |ecs| {
            if let Some(service) = ecs.named(name) {
                service.scaled = scaled;
            }
        });
    }

    /// A service's tag says that it was created beside this one.
    pub fn set_blue(&mut self, setup: &Setup, name: &str, blue: &str) {
        self.change_ecs(setup, |ecs| {
            if let Some(service) = ecs.named(name) {
                Arc::make_mut(&mut service.shown).tags.blue = Some(blue.to_owned());
            }
        });
    }

    /// Sets a service's count, as UpdateService does.
    pub fn scale(&mut self, setup: &Setup, name: &str, count: u32) {
        let mut free = self.free_addresses();
        let mut gone = Vec::new();
        self.change_ecs(setup, |ecs| {
            let Some(service) = ecs.named(name) else {
                return;
            };
            Arc::make_mut(&mut service.shown).desired = count;
            if count == 0 {
                gone.extend(service.stop_replaced());
            }
            let count = usize::try_from(count).unwrap_or(usize::MAX);
            while service.tasks.len() < count {
                service.tasks.push(Task {
                    address: free.next().unwrap_or(u8::MAX),
                    running: false,
                });
            }
            while service.tasks.len() > count {
                if let Some(task) = service.tasks.pop().filter(|task| task.running) {
                    gone.push((Arc::clone(&service.group), task.address));
                }
            }
        });
        self.drain(gone);
        self.refresh(setup);
    }

    /// UpdateService with a task definition, as a person may do it: new tasks start, and old ones stay until these are up.
    pub fn update(&mut self, setup: &Setup, name: &str, to: &str) {
        let mut free = self.free_addresses();
        let mut gone = Vec::new();
        self.change_ecs(setup, |ecs| {
            let told = ecs.told.iter().find(|(arn, _)| arn == to);
            let told = told.map(|(_, tags)| tags.clone()).unwrap_or_default();
            let Some(service) = ecs.named(name) else {
                return;
            };
            if service.shown.task_definition == to {
                return;
            }
            let before = std::mem::take(&mut service.tasks).into_iter();
            let before: Vec<Task> = before.filter(|task| task.running).collect();
            let worker = setup.application.is_worker();
            // What fails the load balancer's checks, or is not the release that was there first, ECS stops at once.
            if service.shown.steady && (worker || !is_ill(setup, service)) {
                service.replaced = before;
            } else if !worker {
                let group = || Arc::clone(&service.group);
                gone.extend(before.into_iter().map(|task| (group(), task.address)));
            }
            let start = |_| Task {
                address: free.next().unwrap_or(u8::MAX),
                running: false,
            };
            service.tasks = (0..service.shown.desired).map(start).collect();
            let shown = Arc::make_mut(&mut service.shown);
            to.clone_into(&mut shown.task_definition);
            shown.steady = false;
            shown.deployment_failed = false;
            shown.deployments.primary = Some(format!("ecs-svc/{to}"));
            shown.tags = Tags {
                ours: true,
                rejected: shown.tags.rejected,
                ..told
            };
        });
        self.drain(gone);
        self.refresh(setup);
    }

    /// The circuit breaker gives up the deployment of the n-th service, and goes back or does not.
    pub fn give_up(&mut self, setup: &Setup, n: usize, goes_back: bool) {
        self.change_ecs(setup, |ecs| {
            let shown = Arc::make_mut(&mut ecs.services[n].shown);
            shown.deployment_failed = true;
            let failed = shown.task_definition.clone();
            let reason = "tasks failed to start".to_owned();
            shown.deployments.given_up.insert(failed, reason);
        });
        let service = &self.ecs.truth().services[n];
        let (name, completed) = (service.shown.name.clone(), service.completed.clone());
        if goes_back {
            self.update(setup, &name, &completed);
        }
    }

    /// DeleteService, forced as a person may do it.
    pub fn delete(&mut self, setup: &Setup, name: &str) {
        self.scale(setup, name, 0);
        self.change_ecs(setup, |ecs| {
            if let Some(service) = ecs.named(name) {
                Arc::make_mut(&mut service.shown).status = ServiceStatus::Draining;
                service.leaving = DELETION + DRAIN;
            }
        });
        self.refresh(setup);
    }

    /// A task of the n-th service is gone without draining, and another one starts in its place.
    pub fn crash_task(&mut self, setup: &Setup, n: usize) {
        let free = self.free_addresses().next().unwrap_or(u8::MAX);
        self.change_ecs(setup, |ecs| {
            if let Some(task) = ecs.services[n].tasks.first_mut() {
                *task = Task {
                    address: free,
                    running: false,
                };
            }
        });
        self.refresh(setup);
    }

    /// The n-th service's tasks begin or cease to fail their health checks.
    pub fn flip(&mut self, setup: &Setup, n: usize) {
        let mut ecs = self.ecs.truth().clone();
        ecs.services[n].sick = !ecs.services[n].sick;
        // Not a change that ECS shows.
        self.ecs.correct(ecs);
        self.refresh(setup);
    }

    /// A new desired value.
    pub fn wish(&mut self, setup: &Setup, n: usize) {
        let next = self.ssm.truth().desired.1.version + 1;
        self.change_ssm(setup, |ssm| ssm.desired = (n, Setup::generation(next)));
    }

    /// What is desired, by the wish of its number, and the record, as they were for long.
    pub fn desire(&mut self, n: usize, record: Option<Record>) {
        let generation = Setup::generation(i64::try_from(n).unwrap_or(0) + 1);
        self.ssm = Seen::new(Parameters {
            desired: (n, generation),
            record: record.map(|record| (1, Arc::new(record))),
            intents: Intents::default(),
        });
        self.forget();
    }

    /// A person asks for something.
    pub fn ask(&mut self, setup: &Setup, asks: impl FnOnce(&mut Intents)) {
        self.change_ssm(setup, |ssm| asks(&mut ssm.intents));
    }

    /// The record vanishes.
    pub fn lose_record(&mut self, setup: &Setup) {
        self.change_ssm(setup, |ssm| ssm.record = None);
    }

    /// A person sets the weights of the n-th rule.
    pub fn set_weights(&mut self, setup: &Setup, n: usize, weights: [Option<u32>; 2]) {
        let mut elb = self.elb.truth().clone();
        elb.set_weights(n, &self.sides, weights);
        self.change_elb(setup, elb);
    }
}
