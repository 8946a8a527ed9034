//! The abstract AWS account: what is true, and what reads may show of it.

mod acts;
mod apply;
mod show;
mod start;

use std::collections::BTreeSet;
use std::sync::Arc;

use crd_schema::TargetGroupArn;
use crd_schema::intent::Intents;
use crd_schema::record::{Generation, Record};
use jiff::Timestamp;
use planner::world::{Revision, Service, ServiceStatus, Tags, TargetState};

use crate::balancer::{Balancer, Sides};
use crate::seen::Seen;
use crate::setup::{Setup, TICK, VERSIONS};

pub use apply::{generation_of, group_of, version_of};

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
