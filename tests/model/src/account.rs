//! The abstract AWS account: what is true, and what reads may show of it.

use std::collections::BTreeSet;
use std::sync::Arc;

use crd_schema::TargetGroupArn;
use crd_schema::application::RuleTarget;
use crd_schema::intent::Intents;
use crd_schema::record::{Generation, Record};
use jiff::Timestamp;
use planner::release;
use planner::scaling::Change;
use planner::time::{Mono, Now};
use planner::world::{Deployments, Revision, Service, ServiceStatus, Tags, TargetState};
use planner::{Side, Write};
use serde_json::{Map, Value};

use crate::balancer::{Balancer, Sides, TargetGroup, rules};
use crate::judge::is_rejected;
use crate::seen::Seen;
use crate::setup::{Setup, Start, TICK, VERSIONS};

/// Ticks of the deregistration delay, which is also a task's stop time.
pub const DRAIN: u8 = 1;
/// Ticks from DeleteService until the name is free.
const DELETION: u8 = 1;

/// One ECS service.
#[derive(Debug, Clone, PartialEq)]
pub struct Deployed {
    /// As AWS shows it, without counts, addresses and side.
    pub shown: Arc<Service>,
    /// The group that it is bound to.
    pub group: GroupArn,
    /// Its tasks.
    pub tasks: Vec<Task>,
    /// Its tasks fail their health checks for a while.
    pub sick: bool,
    /// While DRAINING: ticks until it is gone.
    pub leaving: u8,
    /// When it had 1, 2, … healthy targets.
    pub health: Vec<Health>,
    /// When it had no healthy target at some moment, last.
    pub dark: Option<u64>,
    /// Application Auto Scaling knows it, and its scale-in is suspended.
    pub scaled: Option<bool>,
    /// While it is updated in place: tasks of what it ran before, which work on.
    pub replaced: Vec<Task>,
    /// The task definition of its last deployment that completed.
    pub completed: String,
}

impl Deployed {
    /// Addresses of tasks that ECS is about to replace, and that serve until then.
    pub fn outgoing(&self) -> impl Iterator<Item = u8> {
        self.replaced.iter().map(|task| task.address)
    }

    /// ECS stops them: they are deregistered.
    fn stop_replaced(&mut self) -> Vec<(GroupArn, u8)> {
        let outgoing = self.outgoing();
        let gone = outgoing.map(|address| (Arc::clone(&self.group), address));
        let gone = gone.collect();
        self.replaced.clear();
        gone
    }
}

/// The last two ticks at which a service had so many healthy targets, newest first. What comes and goes between two
/// looks nobody can see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Health(pub [Option<u64>; 2]);

/// One task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Task {
    /// The last number of its address. Free addresses are used again, the lowest first.
    pub address: u8,
    /// RUNNING, and so registered.
    pub running: bool,
}

/// What ECS shows.
#[derive(Debug, Clone, PartialEq)]
pub struct Ecs {
    /// Services, oldest first, those that are gone too: their names stay taken.
    pub services: Vec<Deployed>,
    /// Task definition revisions, newest first.
    pub revisions: Vec<Revision>,
    /// What their tags say, those that are gone too, where a service is updated in place.
    pub told: Vec<(String, Tags)>,
}

/// What SSM shows.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameters {
    /// Which of [`VERSIONS`] is desired, and by which write.
    pub desired: (usize, Generation),
    /// The record, and how often it was written.
    pub record: Option<(i64, Arc<Record>)>,
    /// What people ask for.
    pub intents: Intents,
}

/// A group's ARN, in many places.
pub type GroupArn = Arc<TargetGroupArn>;

/// Targets of each group: address and state.
pub type Targets = Vec<(GroupArn, Vec<(u8, TargetState)>)>;

/// A target that is deregistered and still has requests in flight.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Draining {
    /// Where.
    pub group: GroupArn,
    /// The last number of its address.
    pub address: u8,
    /// Ticks until it is gone.
    pub left: u8,
}

/// A part of the world that one round of reads could not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The desired value.
    Desired,
    /// The record.
    Record,
    /// What people ask for.
    Intents,
    /// Services.
    Services,
    /// Rules.
    Rules,
    /// Target groups and their health.
    Groups,
    /// Scalable targets.
    Scaling,
}

/// Which answer each API gives to one round of reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reads {
    /// Services and task definitions.
    pub ecs: usize,
    /// Rules.
    pub elb: usize,
    /// Target health.
    pub health: usize,
    /// Parameters.
    pub ssm: usize,
    /// What cannot be read.
    pub unread: Option<Part>,
}

/// The account of one application.
#[derive(Debug, Clone, PartialEq)]
pub struct Account {
    /// Ticks since the beginning.
    pub now: u64,
    /// Services and task definitions.
    pub ecs: Seen<Ecs>,
    /// Groups and rules.
    pub elb: Seen<Balancer>,
    /// Target health.
    pub health: Seen<Targets>,
    /// Parameters.
    pub ssm: Seen<Parameters>,
    /// Draining targets.
    pub draining: Vec<Draining>,
    /// The last tick at which a production rule gave a group weight.
    pub weighted: Vec<(GroupArn, u64)>,
    /// Which group holds which side: follows from the rest.
    pub sides: Sides,
}

impl Ecs {
    /// The newest service of this name.
    fn named(&mut self, name: &str) -> Option<&mut Deployed> {
        self.services.iter_mut().rfind(|s| s.shown.name == name)
    }
}

/// AWS refuses a write: it has no effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused;

impl Account {
    /// As the search begins.
    pub fn new(setup: &Setup) -> Self {
        let first = Setup::generation(1);
        let weights = match setup.start {
            Start::Empty | Start::Anything => [Some(100), None],
            Start::Serving | Start::Shared => [Some(100), Some(0)],
            Start::Both(weights) => weights,
        };
        let wish = match setup.start {
            Start::Empty | Start::Serving | Start::Anything => (0, first),
            Start::Both(_) | Start::Shared => (1, Setup::generation(2)),
        };
        let mut account = Self {
            now: 1_000,
            ecs: Seen::new(Ecs {
                services: Vec::new(),
                revisions: Vec::new(),
                told: Vec::new(),
            }),
            elb: Seen::new(Balancer::new(setup)),
            health: Seen::new(Vec::new()),
            ssm: Seen::new(Parameters {
                desired: wish,
                record: None,
                intents: Intents::default(),
            }),
            draining: Vec::new(),
            weighted: Vec::new(),
            sides: Sides::default(),
        };
        account.settle_sides(setup);
        let placed: &[(usize, Side)] = match setup.start {
            Start::Empty | Start::Anything => &[],
            Start::Serving => &[(0, Side::A)],
            Start::Both(_) => &[(0, Side::A), (1, Side::B)],
            Start::Shared => &[(0, Side::A), (1, Side::A)],
        };
        for (n, side) in placed {
            account.place(setup, *n, *side, setup.application.template.desired_count);
        }
        let application = &setup.application;
        for rule in 0..application.production().count() + application.test().count() {
            account.set_weights(setup, rule, weights);
        }
        account.tick(setup);
        account.tick(setup);
        account.forget();
        account
    }

    /// Release `n` runs on `side`, with so many tasks, as if it had been created by the wish of its number.
    pub fn place(&mut self, setup: &Setup, n: usize, side: Side, count: u32) -> String {
        let generation = Setup::generation(i64::try_from(n).unwrap_or(0) + 1);
        let wanted = setup.wanted(n, generation);
        let name = release::service_name(
            &setup.application,
            VERSIONS[n],
            &wanted.digest,
            generation,
            0,
        );
        let (arn, tags) = self.register(setup, n);
        let group = self.place_group(setup, tags.release.as_deref(), generation, side);
        self.add(setup, &name, group, count, arn, tags);
        if setup.autoscaled {
            self.set_scaled(setup, &name, Some(false));
        }
        name
    }

    /// The task definition of release `n` is there, and this is what its tags tell.
    pub fn register(&mut self, setup: &Setup, n: usize) -> (String, Tags) {
        let generation = Setup::generation(i64::try_from(n).unwrap_or(0) + 1);
        let wanted = setup.wanted(n, generation);
        let mut ecs = self.ecs.truth().clone();
        let arn = format!("td-{}-0", wanted.digest);
        ecs.revisions.insert(
            0,
            Revision {
                arn: arn.clone(),
                digest: Some(wanted.digest.clone()),
                generation: setup.application.is_rolling().then_some(generation),
            },
        );
        let tags = Tags {
            ours: true,
            release: Some(wanted.digest),
            version: Some(VERSIONS[n].to_owned()),
            generation: Some(generation),
            blue: None,
            rejected: None,
        };
        ecs.told.push((arn.clone(), tags.clone()));
        self.ecs = Seen::new(ecs);
        (arn, tags)
    }

    /// The pair's group of this side, or one made for the release.
    fn place_group(
        &mut self,
        setup: &Setup,
        digest: Option<&str>,
        generation: Generation,
        side: Side,
    ) -> GroupArn {
        let application = &setup.application;
        if application.group_template().is_none() {
            return Arc::clone(&self.elb.truth().groups[side.index()].arn);
        }
        let name = release::group_name(application, digest.unwrap_or(""), generation, 0);
        let mut elb = self.elb.truth().clone();
        let arn = elb.create(&name, side, true);
        self.change_elb(setup, elb);
        arn
    }

    fn add(
        &mut self,
        setup: &Setup,
        name: &str,
        group: GroupArn,
        count: u32,
        task_definition: String,
        tags: Tags,
    ) {
        let completed = task_definition.clone();
        let shown = Service {
            name: name.to_owned(),
            arn: format!("arn-{name}"),
            status: ServiceStatus::Active,
            side: None,
            group_gone: false,
            desired: 0,
            running: 0,
            pending: 0,
            task_definition,
            tags,
            created: wall(self.now),
            steady: true,
            deployment_failed: false,
            deployments: Deployments {
                primary: Some(format!("ecs-svc/{completed}")),
                ..Deployments::default()
            },
            addresses: BTreeSet::new(),
            outgoing: BTreeSet::new(),
            trouble: None,
        };
        self.change_ecs(setup, |ecs| {
            ecs.services.push(Deployed {
                shown: Arc::new(shown),
                group,
                tasks: Vec::new(),
                sick: false,
                leaving: 0,
                health: Vec::new(),
                dark: None,
                scaled: None,
                replaced: Vec::new(),
                completed,
            });
        });
        self.scale(setup, name, count);
    }

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

    /// Targets that are deregistered.
    fn drain(&mut self, mut gone: Vec<(GroupArn, u8)>) {
        let groups = self.elb.truth();
        gone.retain(|(group, _)| groups.position(group).is_some());
        let draining = gone.into_iter().map(|(group, address)| Draining {
            group,
            address,
            left: DRAIN,
        });
        self.draining.extend(draining);
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

    /// The n-th service is being updated in place.
    pub fn is_updating(&self, n: usize) -> bool {
        let service = &self.ecs.truth().services[n];
        !service.shown.steady && !service.shown.deployment_failed
    }

    /// What the tags of a task definition say.
    pub fn told(&self, task_definition: &str) -> Option<&Tags> {
        let mut told = self.ecs.truth().told.iter();
        let (_, tags) = told.find(|(arn, _)| arn == task_definition)?;
        Some(tags)
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

    /// A tick passes.
    pub fn tick(&mut self, setup: &Setup) {
        self.now += 1;
        self.note_weights(setup);
        self.draining.iter_mut().for_each(|target| target.left -= 1);
        self.draining.retain(|target| target.left > 0);
        let mut gone = Vec::new();
        self.change_ecs(setup, |ecs| {
            for service in &mut ecs.services {
                let up = !service.tasks.is_empty() && service.tasks.iter().all(|task| task.running);
                if up && !service.shown.steady && !is_ill(setup, service) {
                    gone.extend(service.stop_replaced());
                    let shown = Arc::make_mut(&mut service.shown);
                    shown.steady = true;
                    shown.deployment_failed = false;
                    shown.deployments.given_up.clear();
                    service.completed.clone_from(&shown.task_definition);
                }
                service
                    .tasks
                    .iter_mut()
                    .for_each(|task| task.running = true);
                service.leaving = service.leaving.saturating_sub(1);
                if service.shown.status == ServiceStatus::Draining && service.leaving == 0 {
                    Arc::make_mut(&mut service.shown).status = ServiceStatus::Inactive;
                }
            }
        });
        self.drain(gone);
        self.refresh(setup);
        self.ecs.forget(self.now);
        self.elb.forget(self.now);
        self.health.forget(self.now);
        self.ssm.forget(self.now);
    }

    /// Reads show the truth again.
    pub fn forget(&mut self) {
        self.ecs.forget(u64::MAX);
        self.elb.forget(u64::MAX);
        self.health.forget(u64::MAX);
        self.ssm.forget(u64::MAX);
    }

    /// Carries out a write as AWS would.
    ///
    /// # Errors
    /// When AWS would refuse it.
    pub fn apply(&mut self, setup: &Setup, write: &Write) -> Result<(), Refused> {
        match write {
            Write::PutRecord(record) => {
                let version = self.ssm.truth().record.as_ref().map_or(1, |(v, _)| v + 1);
                let record = Arc::new((**record).clone());
                self.change_ssm(setup, |ssm| ssm.record = Some((version, record)));
            }
            Write::RegisterTaskDefinition { digest, body } => self.change_ecs(setup, |ecs| {
                let same = |revision: &&Revision| revision.digest.as_ref() == Some(digest);
                let mut n = ecs.revisions.iter().filter(same).count();
                let generation = release::generation_of(body);
                if generation.is_some() {
                    // Numbers never repeat.
                    n = ecs.told.len();
                }
                let arn = format!("td-{digest}-{n}");
                if generation.is_some() {
                    let tags = Tags {
                        release: Some(digest.clone()),
                        ..tags_of(body)
                    };
                    ecs.told.push((arn.clone(), tags));
                }
                ecs.revisions.insert(
                    0,
                    Revision {
                        arn,
                        digest: Some(digest.clone()),
                        generation,
                    },
                );
            }),
            Write::CreateService { name, side, body } => {
                let exists = |s: &Deployed| {
                    s.shown.name == *name && s.shown.status != ServiceStatus::Inactive
                };
                let elb = self.elb.truth();
                let worker = setup.application.is_worker();
                let place = || worker.then(|| (*elb.groups[side.index()].arn).clone());
                let group = group_of(body).or_else(place).ok_or(Refused)?;
                let n = elb.position(&group).ok_or(Refused)?;
                let named = worker || elb.weight(usize::MAX, n).is_some();
                if !named || self.ecs.truth().services.iter().any(exists) {
                    return Err(Refused);
                }
                let text = |member: &str| body.get(member).and_then(Value::as_str);
                let count = body
                    .get("desiredCount")
                    .and_then(Value::as_u64)
                    .unwrap_or(0);
                let task_definition = text("taskDefinition").unwrap_or_default().to_owned();
                let told = self.told(&task_definition).cloned();
                let told = told.filter(|_| setup.application.is_rolling());
                self.add(
                    setup,
                    name,
                    Arc::new(group),
                    u32::try_from(count).unwrap_or(0),
                    task_definition,
                    told.unwrap_or_else(|| tags_of(body)),
                );
            }
            Write::ScaleService { name, to, .. } => {
                self.active(name)?;
                self.scale(setup, name, *to);
            }
            Write::UpdateService { name, to, .. } => {
                self.active(name)?;
                self.update(setup, name, to);
            }
            Write::SetWeights {
                rule,
                groups,
                forget,
                weights,
                ..
            } => {
                let n = rules(setup).position(|(target, _)| target == rule);
                let mut elb = self.elb.truth().clone();
                elb.forward(n.ok_or(Refused)?, groups, forget, weights.get())?;
                self.change_elb(setup, elb);
            }
            Write::TagService { name, value, .. } => {
                self.active(name)?;
                let rejected = release::parse_generation(value);
                self.change_ecs(setup, |ecs| {
                    if let Some(service) = ecs.services.iter_mut().find(|s| s.shown.name == *name) {
                        Arc::make_mut(&mut service.shown).tags.rejected = rejected;
                    }
                });
            }
            Write::DeleteService { name } => {
                if self.active(name)?.shown.desired > 0 {
                    return Err(Refused);
                }
                self.delete(setup, name);
            }
            Write::CreateTargetGroup { name, side, .. } => {
                let mut elb = self.elb.truth().clone();
                elb.create(name, *side, false);
                self.change_elb(setup, elb);
            }
            Write::SetGroupAttributes { group, .. } => {
                let mut elb = self.elb.truth().clone();
                elb.set_attributes(group)?;
                self.change_elb(setup, elb);
            }
            Write::DeleteTargetGroup { group } => {
                let mut elb = self.elb.truth().clone();
                elb.delete(group)?;
                self.draining.retain(|target| *target.group != *group);
                self.change_elb(setup, elb);
                self.refresh(setup);
            }
            Write::DeregisterTaskDefinition { arn } => {
                self.change_ecs(setup, |ecs| ecs.revisions.retain(|r| r.arn != *arn));
            }
            Write::SetScaling { name, change } => {
                let mut known = self.ecs.truth().services.iter();
                let known = known.rfind(|s| s.shown.name == *name).ok_or(Refused)?;
                let scaled = match (change, known.scaled) {
                    (Change::Register { suspended, .. }, _) => {
                        self.active(name)?;
                        Some(suspended.scale_in)
                    }
                    (_, None) => return Err(Refused),
                    (Change::Suspend(suspended), Some(_)) => Some(suspended.scale_in),
                    (Change::PutPolicy { .. } | Change::PutAction { .. }, same) => same,
                    (Change::Deregister, Some(_)) => None,
                };
                self.set_scaled(setup, name, scaled);
            }
        }
        Ok(())
    }

    /// The ACTIVE service of this name.
    ///
    /// # Errors
    /// When there is none.
    pub fn active(&self, name: &str) -> Result<&Deployed, Refused> {
        let mut services = self.ecs.truth().services.iter();
        services
            .find(|s| s.shown.name == name && s.shown.status == ServiceStatus::Active)
            .ok_or(Refused)
    }

    /// Services that are not gone.
    pub fn present(&self) -> impl Iterator<Item = &Deployed> {
        let services = self.ecs.truth().services.iter();
        services.filter(|s| s.shown.status != ServiceStatus::Inactive)
    }

    /// The group that holds a side.
    pub fn holder(&self, side: Side) -> Option<&Arc<TargetGroup>> {
        Some(&self.elb.truth().groups[self.sides.holders[side.index()]?])
    }

    /// The side that a group holds.
    pub fn side(&self, group: &TargetGroupArn) -> Option<Side> {
        let n = self.elb.truth().position(group)?;
        let holds = |side: &Side| self.sides.holders[side.index()] == Some(n);
        Side::BOTH.into_iter().find(holds)
    }

    /// ACTIVE services of one group.
    pub fn active_in(&self, group: &TargetGroupArn) -> impl Iterator<Item = &Deployed> {
        let services = self.ecs.truth().services.iter();
        services.filter(move |s| *s.group == *group && s.shown.status == ServiceStatus::Active)
    }

    /// ACTIVE services of the group that holds a side.
    pub fn active_on(&self, side: Side) -> impl Iterator<Item = &Deployed> {
        let group = self.holder(side).into_iter();
        group.flat_map(|group| self.active_in(&group.arn))
    }

    /// What one rule gives to a group, and to all.
    pub fn weight_of(
        &self,
        setup: &Setup,
        rule: &RuleTarget,
        group: &TargetGroupArn,
    ) -> (u32, u32) {
        let elb = self.elb.truth();
        let n = rules(setup).position(|(target, _)| target == rule);
        let forward = n.map(|n| &elb.rules[n]);
        let given = forward.and_then(|forward| forward.get(&elb.position(group)?));
        let sum = forward.map_or(0, |forward| forward.values().sum());
        (given.copied().unwrap_or(0), sum)
    }

    /// The largest weight that a production rule gives to a group.
    pub fn weight_in(&self, setup: &Setup, group: &TargetGroupArn) -> u32 {
        let production = setup.application.production().count();
        let elb = self.elb.truth();
        let named = elb.position(group).and_then(|n| elb.weight(production, n));
        named.unwrap_or(0)
    }

    /// The largest weight that a production rule gives to the group that holds a side.
    pub fn weight(&self, setup: &Setup, side: Side) -> u32 {
        self.holder(side)
            .map_or(0, |group| self.weight_in(setup, &group.arn))
    }

    /// Some node of the load balancer may still send requests to this group, at most so many ticks after the last.
    pub fn may_serve(&self, setup: &Setup, group: &TargetGroupArn, more: u64) -> bool {
        let last = self.weighted.iter().find(|(known, _)| **known == *group);
        self.weight_in(setup, group) > 0
            || last.is_some_and(|(_, last)| self.now < last + setup.lag + more)
    }

    /// Some target of this group still has requests in flight.
    pub fn drains(&self, group: &TargetGroupArn) -> bool {
        self.draining.iter().any(|target| *target.group == *group)
    }

    /// Healthy targets of the group that holds a side.
    pub fn healthy(&self, side: Side) -> usize {
        let Some(group) = self.holder(side) else {
            return 0;
        };
        let targets = targets_of(self.health.truth(), &group.arn).iter();
        targets
            .filter(|(_, state)| *state == TargetState::Healthy)
            .count()
    }

    /// Healthy targets of a service's own tasks.
    pub fn healthy_of(&self, setup: &Setup, service: &Deployed) -> usize {
        self.healthy_new(setup, service) + service.outgoing().count()
    }

    /// Those of the tasks that run what it is to run.
    pub fn healthy_new(&self, setup: &Setup, service: &Deployed) -> usize {
        if is_ill(setup, service) {
            return 0;
        }
        service.tasks.iter().filter(|task| task.running).count()
    }

    /// Production requests go to a group without a healthy target, or nowhere, although a service of ours is healthy:
    /// what somebody else runs on a group is never given users.
    pub fn loses_requests(&self, setup: &Setup) -> bool {
        if setup.application.is_worker() {
            return false;
        }
        let served = |side: &Side| self.weight(setup, *side) > 0 && self.healthy(*side) > 0;
        let lost = |side: &Side| self.weight(setup, *side) > 0 && self.healthy(*side) == 0;
        let could = |side: &Side| {
            let mut services = self.active_on(*side);
            services.any(|s| s.shown.tags.ours && self.healthy_of(setup, s) > 0)
        };
        let (both, any) = (Side::BOTH, Side::BOTH.iter().any(could));
        let production = setup.application.production().count();
        let elb = self.elb.truth();
        let routed = (0..production).all(|n| elb.weights(n, &self.sides) != [None, None]);
        any && routed && (both.iter().any(lost) || !both.iter().any(served))
    }

    /// Production requests go to nothing but a service that somebody scaled to zero; of workers there are no others. What
    /// was rejected is a person's to wake.
    pub fn sleeps(&self, setup: &Setup) -> bool {
        if setup.application.is_worker() {
            let ours = |s: &&Deployed| s.shown.tags.ours && s.shown.status == ServiceStatus::Active;
            let mut workers = self.present().filter(ours).peekable();
            return workers.peek().is_some() && workers.all(|s| s.shown.desired == 0);
        }
        let asleep = |side: Side| {
            let mut services = self.active_on(side).peekable();
            let any = services.peek().is_some();
            let rejected = |s: &Deployed| {
                let generation = s.shown.tags.generation;
                generation.is_some_and(|generation| is_rejected(self, generation))
            };
            let asleep = |s: &Deployed| s.shown.desired == 0 && !rejected(s);
            self.weight(setup, side) > 0 && any && services.all(asleep)
        };
        let alive = |side: Side| self.healthy(side) > 0;
        // Two services of one group are a person's to part.
        let shared = |side: Side| self.active_on(side).count() > 1;
        let any = |is: &dyn Fn(Side) -> bool| Side::BOTH.into_iter().any(is);
        any(&asleep) && !any(&alive) && !any(&shared)
    }

    /// The present, on both clocks.
    pub fn clock(&self) -> Now {
        Now {
            mono: Mono(self.now * TICK),
            wall: wall(self.now),
        }
    }

    fn change_ecs(&mut self, setup: &Setup, change: impl FnOnce(&mut Ecs)) {
        let mut ecs = self.ecs.truth().clone();
        change(&mut ecs);
        let until = self.now + bound(setup.tuning.ecs_staleness);
        self.ecs.set(ecs, self.now, until);
        self.settle_sides(setup);
    }

    fn change_elb(&mut self, setup: &Setup, elb: Balancer) {
        self.note_weights(setup);
        let until = self.now + bound(setup.tuning.staleness);
        self.elb.set(elb, self.now, until);
        self.settle_sides(setup);
        self.note_weights(setup);
    }

    fn settle_sides(&mut self, setup: &Setup) {
        let bound = |arn: &TargetGroupArn| self.active_in(arn).next().is_some();
        self.sides = self.elb.truth().sides(setup, bound);
    }

    fn change_ssm(&mut self, setup: &Setup, change: impl FnOnce(&mut Parameters)) {
        let mut ssm = self.ssm.truth().clone();
        change(&mut ssm);
        let until = self.now + bound(setup.tuning.staleness);
        self.ssm.set(ssm, self.now, until);
    }

    /// Target health follows from tasks.
    fn refresh(&mut self, setup: &Setup) {
        let elb = self.elb.truth();
        let mut targets: Targets = Vec::with_capacity(elb.groups.len());
        targets.extend(elb.groups.iter().map(|g| (Arc::clone(&g.arn), Vec::new())));
        let mut ecs = self.ecs.truth().clone();
        for service in &mut ecs.services {
            let ill = is_ill(setup, service);
            let mut group = targets
                .iter_mut()
                .find(|(arn, _)| **arn == *service.group)
                .map(|(_, targets)| targets);
            let running = service.tasks.iter().filter(|t| t.running).count();
            let new = if ill { 0 } else { running };
            let healthy = if group.is_none() {
                0
            } else {
                new + service.outgoing().count()
            };
            if healthy == 0 {
                service.dark = Some(self.now);
            }
            let counts = service.health.len().max(healthy);
            service.health.resize(counts, Health::default());
            for Health(seen) in service.health.iter_mut().take(healthy) {
                if seen[0] != Some(self.now) {
                    *seen = [Some(self.now), seen[0]];
                }
            }
            let state = if ill {
                TargetState::Unhealthy
            } else {
                TargetState::Healthy
            };
            if let Some(group) = &mut group {
                let running = service.tasks.iter().filter(|t| t.running);
                group.extend(running.map(|task| (task.address, state)));
                let outgoing = service.outgoing();
                group.extend(outgoing.map(|address| (address, TargetState::Healthy)));
            }
        }
        self.ecs.correct(ecs);
        for draining in &self.draining {
            let group = targets.iter_mut().find(|(arn, _)| *arn == draining.group);
            if let Some((_, group)) = group {
                group.push((draining.address, TargetState::Draining));
            }
        }
        let until = self.now + bound(setup.tuning.staleness);
        self.health.set(targets, self.now, until);
    }

    fn note_weights(&mut self, setup: &Setup) {
        let production = setup.application.production().count();
        let elb = self.elb.truth();
        for (n, group) in elb.groups.iter().enumerate() {
            if elb.weight(production, n).is_none_or(|weight| weight == 0) {
                continue;
            }
            let known = self.weighted.iter_mut().find(|(arn, _)| *arn == group.arn);
            match known {
                Some((_, last)) => *last = self.now,
                None => self.weighted.push((Arc::clone(&group.arn), self.now)),
            }
        }
    }

    fn free_addresses(&self) -> impl Iterator<Item = u8> + use<> {
        let services = self.ecs.truth().services.iter();
        let tasks = services.flat_map(|s| s.tasks.iter().chain(&s.replaced));
        let mut used: BTreeSet<u8> = tasks.map(|task| task.address).collect();
        used.extend(self.draining.iter().map(|target| target.address));
        (1..=u8::MAX).filter(move |address| !used.contains(address))
    }
}

/// What a group's targets are; nothing of a group that is not known.
pub fn targets_of<'a>(targets: &'a Targets, group: &TargetGroupArn) -> &'a [(u8, TargetState)] {
    let found = targets.iter().find(|(arn, _)| **arn == *group);
    found.map_or(&[], |(_, targets)| targets)
}

/// The service's tasks fail their health checks now.
pub fn is_ill(setup: &Setup, service: &Deployed) -> bool {
    let broken = |n: &usize| service.shown.tags.version.as_deref() == Some(VERSIONS[*n]);
    service.sick || setup.broken.iter().any(broken)
}

/// Whole ticks of a bound.
fn bound(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX) / TICK
}

/// Time on the wall, for a tick.
pub fn wall(tick: u64) -> Timestamp {
    let ms = i64::try_from(tick * TICK).unwrap_or(0);
    Timestamp::from_millisecond(1_750_000_000_000 + ms).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// The generation that a CreateService's tags carry.
pub fn generation_of(body: &Map<String, Value>) -> Option<Generation> {
    tags_of(body).generation
}

/// The version that a CreateService's tags carry.
pub fn version_of(body: &Map<String, Value>) -> Option<String> {
    tags_of(body).version
}

fn tags_of(body: &Map<String, Value>) -> Tags {
    let find = |key: &str| {
        let tags = body
            .get("tags")
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        let mut found = tags.filter(|tag| tag.get("key").and_then(Value::as_str) == Some(key));
        found
            .next()
            .and_then(|tag| tag.get("value")?.as_str().map(str::to_owned))
    };
    let generation = find(release::TAG_GENERATION);
    Tags {
        ours: true,
        release: find(release::TAG_RELEASE),
        version: find(release::TAG_VERSION),
        generation: generation.as_deref().and_then(release::parse_generation),
        blue: find(release::TAG_BLUE),
        rejected: None,
    }
}

/// The group that a CreateService binds to.
pub fn group_of(body: &Map<String, Value>) -> Option<TargetGroupArn> {
    let first = body.get("loadBalancers")?.get(0)?;
    Some(TargetGroupArn::new(first.get("targetGroupArn")?.as_str()?))
}
