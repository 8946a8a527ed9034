//! The abstract AWS account: what is true, and what reads may show of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crd_schema::application::{RuleTarget, TargetGroups};
use crd_schema::desired::Desired;
use crd_schema::record::{Generation, Record};
use crd_schema::{ListenerArn, TargetGroupArn};
use jiff::Timestamp;
use planner::release;
use planner::time::{Mono, Now};
use planner::world::{
    Action, Base, DesiredParameter, Group, Origin, OwnGroups, RecordParameter, Revision, Role,
    Rule, Service, ServiceStatus, Tags, Target, TargetState, World,
};
use planner::{Read, Side, Write};
use serde_json::{Map, Value, json};

use crate::seen::Seen;
use crate::setup::{Setup, Start, TICK, VERSIONS};

/// Ticks of the deregistration delay, which is also a task's stop time.
const DRAIN: u8 = 1;
/// Ticks from DeleteService until the name is free.
const DELETION: u8 = 1;

/// One ECS service.
#[derive(Debug, Clone, PartialEq)]
pub struct Deployed {
    /// As AWS shows it, without counts and addresses.
    pub shown: Arc<Service>,
    /// Its tasks.
    pub tasks: Vec<Task>,
    /// Its tasks fail their health checks for a while.
    pub sick: bool,
    /// While DRAINING: ticks until it is gone.
    pub leaving: u8,
    /// How long it had 1, 2, … healthy targets.
    pub health: Vec<Health>,
}

/// Since when a service has so many healthy targets, and when that had last been so for a tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Health {
    /// Since when; none while it has fewer.
    pub since: Option<u64>,
    /// The last tick at which it was so and had been so a tick before.
    pub proven: Option<u64>,
}

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
}

/// What SSM shows.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameters {
    /// Which of [`VERSIONS`] is desired, and by which write.
    pub desired: (usize, Generation),
    /// The record, and how often it was written.
    pub record: Option<(i64, Arc<Record>)>,
}

/// Targets of each group: address and state.
pub type Targets = [Vec<(u8, TargetState)>; 2];

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
}

/// The account of one application.
#[derive(Debug, Clone, PartialEq)]
pub struct Account {
    /// Ticks since the beginning.
    pub now: u64,
    /// Services and task definitions.
    pub ecs: Seen<Ecs>,
    /// Weights of each production and then each test rule.
    pub elb: Seen<Vec<[Option<u32>; 2]>>,
    /// Target health.
    pub health: Seen<Targets>,
    /// Parameters.
    pub ssm: Seen<Parameters>,
    /// Draining targets of each group, and for how many ticks.
    pub draining: [Vec<(u8, u8)>; 2],
    /// The last tick at which a production rule gave each group weight.
    pub weighted: [Option<u64>; 2],
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
        let rules = setup.application.route.production.len() + setup.application.route.test.len();
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
            }),
            elb: Seen::new(vec![weights; rules]),
            health: Seen::new([Vec::new(), Vec::new()]),
            ssm: Seen::new(Parameters {
                desired: wish,
                record: None,
            }),
            draining: [Vec::new(), Vec::new()],
            weighted: [None; 2],
        };
        let placed: &[(usize, Side)] = match setup.start {
            Start::Empty | Start::Anything => &[],
            Start::Serving => &[(0, Side::A)],
            Start::Both(_) => &[(0, Side::A), (1, Side::B)],
            Start::Shared => &[(0, Side::A), (1, Side::A)],
        };
        for (n, side) in placed {
            account.place(setup, *n, *side, setup.application.template.desired_count);
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
        let mut ecs = self.ecs.truth().clone();
        let arn = format!("td-{}-0", wanted.digest);
        ecs.revisions.insert(
            0,
            Revision {
                arn: arn.clone(),
                digest: Some(wanted.digest.clone()),
            },
        );
        self.ecs = Seen::new(ecs);
        let tags = Tags {
            ours: true,
            release: Some(wanted.digest),
            version: Some(VERSIONS[n].to_owned()),
            generation: Some(generation),
            blue: None,
            rejected: None,
        };
        self.add(setup, &name, side, count, arn, tags);
        name
    }

    fn add(
        &mut self,
        setup: &Setup,
        name: &str,
        side: Side,
        count: u32,
        task_definition: String,
        tags: Tags,
    ) {
        let shown = Service {
            name: name.to_owned(),
            arn: format!("arn-{name}"),
            status: ServiceStatus::Active,
            side: Some(side),
            group_gone: false,
            desired: 0,
            running: 0,
            pending: 0,
            task_definition,
            tags,
            created: wall(self.now),
            steady: true,
            deployment_failed: false,
            addresses: BTreeSet::new(),
            trouble: None,
        };
        self.change_ecs(setup, |ecs| {
            ecs.services.push(Deployed {
                shown: Arc::new(shown),
                tasks: Vec::new(),
                sick: false,
                leaving: 0,
                health: Vec::new(),
            });
        });
        self.scale(setup, name, count);
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
            let count = usize::try_from(count).unwrap_or(usize::MAX);
            while service.tasks.len() < count {
                service.tasks.push(Task {
                    address: free.next().unwrap_or(u8::MAX),
                    running: false,
                });
            }
            while service.tasks.len() > count {
                if let (Some(task), Some(side)) = (service.tasks.pop(), service.shown.side)
                    && task.running
                {
                    gone.push((side, task.address));
                }
            }
        });
        for (side, address) in gone {
            self.draining[side.index()].push((address, DRAIN));
        }
        self.refresh(setup);
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
        });
        self.forget();
    }

    /// The record vanishes.
    pub fn lose_record(&mut self, setup: &Setup) {
        self.change_ssm(setup, |ssm| ssm.record = None);
    }

    /// Sets the weights of the n-th rule.
    pub fn set_weights(&mut self, setup: &Setup, n: usize, weights: [Option<u32>; 2]) {
        let mut rules = self.elb.truth().clone();
        rules[n] = weights;
        self.note_weights(setup);
        let until = self.now + bound(setup.tuning.staleness);
        self.elb.set(rules, self.now, until);
        self.note_weights(setup);
    }

    /// A tick passes.
    pub fn tick(&mut self, setup: &Setup) {
        self.now += 1;
        self.note_weights(setup);
        for side in &mut self.draining {
            side.iter_mut().for_each(|(_, left)| *left -= 1);
            side.retain(|(_, left)| *left > 0);
        }
        self.change_ecs(setup, |ecs| {
            for service in &mut ecs.services {
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
            Write::RegisterTaskDefinition { digest, .. } => self.change_ecs(setup, |ecs| {
                let same = |revision: &&Revision| revision.digest.as_ref() == Some(digest);
                let n = ecs.revisions.iter().filter(same).count();
                ecs.revisions.insert(
                    0,
                    Revision {
                        arn: format!("td-{digest}-{n}"),
                        digest: Some(digest.clone()),
                    },
                );
            }),
            Write::CreateService { name, side, body } => {
                let named = |weights: &[Option<u32>; 2]| weights[side.index()].is_some();
                let exists = |s: &Deployed| {
                    s.shown.name == *name && s.shown.status != ServiceStatus::Inactive
                };
                let exists = self.ecs.truth().services.iter().any(exists);
                if exists || !self.elb.truth().iter().any(named) {
                    return Err(Refused);
                }
                let text = |member: &str| body.get(member).and_then(Value::as_str);
                let count = body
                    .get("desiredCount")
                    .and_then(Value::as_u64)
                    .unwrap_or(0);
                let task_definition = text("taskDefinition").unwrap_or_default().to_owned();
                self.add(
                    setup,
                    name,
                    *side,
                    u32::try_from(count).unwrap_or(0),
                    task_definition,
                    tags_of(body),
                );
            }
            Write::ScaleService { name, to, .. } => {
                self.active(name)?;
                self.scale(setup, name, *to);
            }
            Write::SetWeights { rule, weights, .. } => {
                let n = rules(setup).position(|(target, _)| target == rule);
                self.set_weights(setup, n.ok_or(Refused)?, weights.get());
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
            // The pair is there for life.
            Write::CreateTargetGroup { .. }
            | Write::SetGroupAttributes { .. }
            | Write::DeleteTargetGroup { .. } => return Err(Refused),
            Write::DeregisterTaskDefinition { arn } => {
                self.change_ecs(setup, |ecs| ecs.revisions.retain(|r| r.arn != *arn));
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

    /// ACTIVE services of one group.
    pub fn active_on(&self, side: Side) -> impl Iterator<Item = &Deployed> {
        self.ecs
            .truth()
            .services
            .iter()
            .filter(move |s| s.shown.side == Some(side) && s.shown.status == ServiceStatus::Active)
    }

    /// The largest weight that a production rule gives a group.
    pub fn weight(&self, setup: &Setup, side: Side) -> u32 {
        let production = setup.application.route.production.len();
        let rules = self.elb.truth().iter().take(production);
        rules
            .map(|weights| weights[side.index()].unwrap_or(0))
            .max()
            .unwrap_or(0)
    }

    /// Some node of the load balancer may still send requests to this group.
    pub fn may_serve(&self, setup: &Setup, side: Side) -> bool {
        self.weight(setup, side) > 0
            || self.weighted[side.index()].is_some_and(|last| self.now < last + setup.lag)
    }

    /// Healthy targets of a group.
    pub fn healthy(&self, side: Side) -> usize {
        let targets = self.health.truth()[side.index()].iter();
        targets
            .filter(|(_, state)| *state == TargetState::Healthy)
            .count()
    }

    /// Healthy targets of a service's own tasks.
    pub fn healthy_of(&self, setup: &Setup, service: &Deployed) -> usize {
        if is_ill(setup, service) {
            return 0;
        }
        service.tasks.iter().filter(|task| task.running).count()
    }

    /// Production requests go to a group without a healthy target, or nowhere, although there is a healthy one.
    pub fn loses_requests(&self, setup: &Setup) -> bool {
        let served = |side: &Side| self.weight(setup, *side) > 0 && self.healthy(*side) > 0;
        let lost = |side: &Side| self.weight(setup, *side) > 0 && self.healthy(*side) == 0;
        let could = |side: &Side| self.healthy(*side) > 0;
        let (both, any) = (Side::BOTH, Side::BOTH.iter().any(could));
        let names = |weights: &[Option<u32>; 2]| weights.iter().any(Option::is_some);
        let routed = self.elb.truth().iter().all(names);
        any && routed && (both.iter().any(lost) || !both.iter().any(served))
    }

    /// Production requests go to nothing but a service that somebody scaled to zero.
    pub fn sleeps(&self, setup: &Setup) -> bool {
        let asleep = |side: Side| {
            let mut services = self.active_on(side).peekable();
            let any = services.peek().is_some();
            self.weight(setup, side) > 0 && any && services.all(|s| s.shown.desired == 0)
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

    /// One round of reads; services that are gone are shown only to who asks for them by name.
    pub fn observe(&self, setup: &Setup, reads: Reads, names: &[String]) -> World {
        let at = self.clock().mono;
        let ecs = self.ecs.answer(reads.ecs);
        let elb = self.elb.answer(reads.elb);
        let health = self.health.answer(reads.health);
        let ssm = self.ssm.answer(reads.ssm);
        let rules = rules(setup).zip(elb).map(|((target, role), weights)| Rule {
            target: target.clone(),
            listener: ListenerArn::new("listener"),
            role,
            action: Action::Forward {
                weights: *weights,
                others: Vec::new(),
                sticky: false,
            },
        });
        let group = |side: Side| {
            let targets = health[side.index()].iter().map(|(address, state)| Target {
                address: show_address(*address),
                zone: None,
                state: *state,
                reason: None,
            });
            let group = Group {
                arn: group_of(setup, side),
                origin: Origin::Given,
                attributes: BTreeMap::new(),
                load_balancer: None,
                by_address: true,
                sticky: false,
                single_zone: false,
                interval: setup.tuning.health_gap,
                targets: targets.collect(),
            };
            Read::known(Some(group), at)
        };
        let desired = DesiredParameter::Set {
            generation: ssm.desired.1,
            desired: desired_of(ssm.desired.0),
        };
        let record = match &ssm.record {
            None => RecordParameter::Missing,
            Some((version, record)) => RecordParameter::Set {
                generation: Setup::generation(*version),
                record: Box::new((**record).clone()),
            },
        };
        let base = Base::Found {
            revision: "blog:1".to_owned(),
            definition: base(),
        };
        let hidden = |s: &&Deployed| {
            s.shown.status == ServiceStatus::Inactive && !names.contains(&s.shown.name)
        };
        let services = ecs
            .services
            .iter()
            .filter(|s| !hidden(s))
            .map(|s| self.show(s));
        World {
            spec_present: true,
            desired: Read::known(desired, at),
            record: Read::known(record, at),
            services: Read::known(services.collect(), at),
            rules: Read::known(rules.collect(), at),
            groups: [group(Side::A), group(Side::B)],
            own: Read::known(OwnGroups::default(), at),
            base: Read::known(base, at),
            revisions: Read::known(ecs.revisions.clone(), at),
            autoscaled: Read::known(BTreeSet::new(), at),
            conflicts: Vec::new(),
        }
    }

    fn show(&self, service: &Deployed) -> Service {
        let running = service.tasks.iter().filter(|task| task.running);
        let addresses: BTreeSet<String> = running.map(|task| show_address(task.address)).collect();
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        // Stopping tasks count as running; they are the draining targets of the only service of a group.
        let alone = service
            .shown
            .side
            .filter(|side| self.active_on(*side).count() <= 1);
        let stopping = alone.map_or(0, |side| self.draining[side.index()].len());
        Service {
            running: count(addresses.len() + stopping),
            pending: count(service.tasks.len() - addresses.len()),
            addresses,
            ..(*service.shown).clone()
        }
    }

    fn change_ecs(&mut self, setup: &Setup, change: impl FnOnce(&mut Ecs)) {
        let mut ecs = self.ecs.truth().clone();
        change(&mut ecs);
        let until = self.now + bound(setup.tuning.ecs_staleness);
        self.ecs.set(ecs, self.now, until);
    }

    fn change_ssm(&mut self, setup: &Setup, change: impl FnOnce(&mut Parameters)) {
        let mut ssm = self.ssm.truth().clone();
        change(&mut ssm);
        let until = self.now + bound(setup.tuning.staleness);
        self.ssm.set(ssm, self.now, until);
    }

    /// Target health follows from tasks.
    fn refresh(&mut self, setup: &Setup) {
        let mut targets: Targets = [Vec::new(), Vec::new()];
        let mut ecs = self.ecs.truth().clone();
        for service in &mut ecs.services {
            let ill = is_ill(setup, service);
            let Some(side) = service.shown.side else {
                continue;
            };
            let running: Vec<u8> = service
                .tasks
                .iter()
                .filter(|t| t.running)
                .map(|t| t.address)
                .collect();
            let healthy = if ill { 0 } else { running.len() };
            let counts = service.health.len().max(healthy);
            service.health.resize(counts, Health::default());
            for (n, health) in service.health.iter_mut().enumerate() {
                health.since = (n < healthy).then(|| health.since.unwrap_or(self.now));
                if health.since.is_some_and(|since| since < self.now) {
                    health.proven = Some(self.now);
                }
            }
            let state = if ill {
                TargetState::Unhealthy
            } else {
                TargetState::Healthy
            };
            targets[side.index()].extend(running.into_iter().map(|address| (address, state)));
        }
        self.ecs.correct(ecs);
        for side in Side::BOTH {
            let draining = self.draining[side.index()].iter();
            targets[side.index()].extend(draining.map(|(a, _)| (*a, TargetState::Draining)));
        }
        let until = self.now + bound(setup.tuning.staleness);
        self.health.set(targets, self.now, until);
    }

    fn note_weights(&mut self, setup: &Setup) {
        for side in Side::BOTH {
            if self.weight(setup, side) > 0 {
                self.weighted[side.index()] = Some(self.now);
            }
        }
    }

    fn free_addresses(&self) -> impl Iterator<Item = u8> + use<> {
        let tasks = self.ecs.truth().services.iter().flat_map(|s| &s.tasks);
        let mut used: BTreeSet<u8> = tasks.map(|task| task.address).collect();
        used.extend(self.draining.iter().flatten().map(|(address, _)| *address));
        (1..=u8::MAX).filter(move |address| !used.contains(address))
    }
}

/// The rules of the model, production first.
pub fn rules(setup: &Setup) -> impl Iterator<Item = (&RuleTarget, Role)> {
    let route = &setup.application.route;
    let production = route.production.iter().map(|rule| (rule, Role::Production));
    production.chain(route.test.iter().map(|rule| (rule, Role::Test)))
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

fn show_address(address: u8) -> String {
    format!("10.0.0.{address}:8080")
}

fn desired_of(n: usize) -> Desired {
    Setup::desired(n)
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

fn base() -> Map<String, Value> {
    let base = json!({"containerDefinitions": [{"name": "web"}]});
    base.as_object().cloned().unwrap_or_default()
}

/// The group of the pair on `side`.
fn group_of(setup: &Setup, side: Side) -> TargetGroupArn {
    match &setup.application.route.groups {
        TargetGroups::Pair(pair) => pair[side.index()].clone(),
        TargetGroups::PerRelease { from } => from.clone(),
    }
}
