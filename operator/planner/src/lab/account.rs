//! The account: services, groups, rules and parameters in virtual time.

use std::collections::{BTreeMap, BTreeSet};

use crd_schema::ListenerArn;
use crd_schema::application::{Application, RuleTarget};
use crd_schema::desired::Desired;
use crd_schema::intent::Intents;
use crd_schema::record::{Generation, Record};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::memory::WriteOutcome;
use crate::release;
use crate::scaling::Scaling;
use crate::time::{Mono, Now};
use crate::world::{
    Action, Base, Deployments, DesiredParameter, Group, Read, RecordParameter, Revision, Role,
    Rule, Service, ServiceStatus, Side, Tags, Target, TargetState, World,
};
use crate::write::Write;

use super::example::desired;
use super::gates::Tests;
use super::groups::{LabGroup, exists};
use super::rolling::{Ecs, Update};

/// A task takes this long to run, and one health check more to be healthy.
pub const TASK_START: u64 = 20_000;
/// Deregistration delay and stop time of a task.
pub const DRAIN: u64 = 10_000;
/// From DeleteService to a name that is free again.
pub const DELETION: u64 = 5_000;

/// The abstract AWS account of one application.
#[derive(Debug, Clone, PartialEq)]
pub struct Lab {
    /// The application under test.
    pub application: Application,
    /// Virtual milliseconds.
    pub now: u64,
    /// Services, deleted ones until they are gone.
    pub services: Vec<LabService>,
    /// Weights of each production and test rule.
    pub rules: Vec<Rule>,
    /// The record parameter.
    pub record: Option<(Generation, Record)>,
    /// The desired parameter.
    pub desired: Option<(Generation, Desired)>,
    /// What people ask for.
    pub intents: Intents,
    /// The gates.
    pub tests: Tests,
    /// Our task definition revisions, newest first.
    pub revisions: Vec<Revision>,
    /// What the tags of a task definition say of the service that runs it, where it is updated in place.
    pub told: BTreeMap<String, Tags>,
    /// How ECS carries out updates in place.
    pub ecs: Ecs,
    /// Versions whose tasks never pass a health check.
    pub broken: BTreeSet<String>,
    /// Of several routes: those on which tasks of a version never pass a health check.
    pub ill: BTreeSet<(usize, String)>,
    /// Operations that AWS refuses.
    pub denied: BTreeSet<&'static str>,
    /// What Application Auto Scaling knows, by service.
    pub scaling: BTreeMap<String, Scaling>,
    /// Targets that drain, and until when, of each group.
    pub draining: [Vec<(String, u64)>; 2],
    /// The group that holds each side.
    pub groups: [Option<LabGroup>; 2],
    /// Groups that hold no side.
    pub spares: Vec<LabGroup>,
    /// Names of groups that are somebody else's.
    pub taken: BTreeSet<String>,
    /// Somebody else's service answers on the template.
    pub template_serves: bool,
    /// Writes in order, for bounds and messages.
    pub writes: Vec<String>,
    pub(super) next_task: u32,
    pub(super) next_group: u32,
    next_version: i64,
}

/// A service of the lab.
#[derive(Debug, Clone, PartialEq)]
pub struct LabService {
    /// As AWS shows it; counts and addresses are computed.
    pub shown: Service,
    /// The request that made it; the same one again is no error.
    pub request: Map<String, Value>,
    /// Address of each task, and when it was started; of one that is updated in place those of the primary deployment.
    pub tasks: BTreeMap<String, u64>,
    /// Where it is updated in place: how far that is.
    pub update: Update,
    /// When a deleted one is gone.
    pub gone_at: Option<u64>,
}

impl Lab {
    /// Nothing runs; the production rule gives everything to A, the test rule too. With a group for each release the
    /// template stands there.
    pub fn new(application: Application) -> Self {
        let routes = &application;
        let rule = |role: Role| {
            move |target: &RuleTarget| Rule {
                target: target.clone(),
                listener: ListenerArn::new("listener"),
                route: routes.route_of(target).unwrap_or(0),
                role,
                action: Action::Forward {
                    weights: [Some(100), None],
                    others: Vec::new(),
                    sticky: false,
                },
            }
        };
        let production = application.production().map(rule(Role::Production));
        let test = application.test().map(rule(Role::Test));
        Self {
            now: 0,
            services: Vec::new(),
            rules: production.chain(test).collect(),
            record: None,
            desired: None,
            intents: Intents::default(),
            tests: Tests::default(),
            revisions: Vec::new(),
            told: BTreeMap::new(),
            ecs: Ecs::default(),
            broken: BTreeSet::new(),
            ill: BTreeSet::new(),
            denied: BTreeSet::new(),
            scaling: BTreeMap::new(),
            draining: [Vec::new(), Vec::new()],
            groups: LabGroup::at_first(&application),
            spares: Vec::new(),
            taken: BTreeSet::new(),
            template_serves: false,
            writes: Vec::new(),
            next_task: 1,
            next_group: 1,
            next_version: 1,
            application,
        }
    }

    /// Writes the desired parameter.
    pub fn wish(&mut self, version: &str) {
        let generation = self.generation();
        self.desired = Some((generation, desired(version)));
    }

    /// A new parameter version, dated now.
    pub fn generation(&mut self) -> Generation {
        let version = self.next_version;
        self.next_version += 1;
        Generation {
            date: 1_000_000 + i64::try_from(self.now).unwrap_or(0),
            version,
        }
    }

    /// A service of ours as if it had been released before, with `count` tasks that run since `since`.
    pub fn place(&mut self, version: &str, side: Side, count: u32, since: u64) -> String {
        let generation = self.generation();
        let wanted = release::wanted(&self.application, generation, &desired(version));
        let digest = wanted.map(|wanted| wanted.digest).unwrap_or_default();
        let name = release::service_name(&self.application, version, &digest, generation, 0);
        let arn = format!("td-{digest}");
        if self.revisions.iter().all(|revision| revision.arn != arn) {
            self.revisions.insert(
                0,
                Revision {
                    arn: arn.clone(),
                    digest: Some(digest.clone()),
                    generation: self.application.is_rolling().then_some(generation),
                },
            );
        }
        let tags = Tags {
            ours: true,
            release: Some(digest.clone()),
            version: Some(version.to_owned()),
            generation: Some(generation),
            blue: None,
            rejected: None,
        };
        self.told.insert(arn.clone(), tags.clone());
        self.place_group(&digest, generation, side);
        self.add(&name, side, count, arn, tags);
        if let Some(service) = self.services.last_mut() {
            service
                .tasks
                .values_mut()
                .for_each(|started| *started = since);
        }
        name
    }

    pub(super) fn add(
        &mut self,
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
            created: self.wall(self.now),
            steady: true,
            deployment_failed: false,
            deployments: Deployments::default(),
            addresses: BTreeSet::new(),
            outgoing: BTreeSet::new(),
            trouble: None,
        };
        self.services.push(LabService {
            shown,
            request: Map::new(),
            tasks: BTreeMap::new(),
            update: Update::default(),
            gone_at: None,
        });
        self.scale(name, count);
    }

    /// Sets a service's desired count, as an UpdateService does.
    pub fn scale(&mut self, name: &str, count: u32) {
        let Some(index) = self
            .services
            .iter()
            .position(|service| service.shown.name == name)
        else {
            return;
        };
        self.services[index].shown.desired = count;
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        while self.services[index].tasks.len() < count {
            self.services[index]
                .tasks
                .insert(format!("10.0.0.{}:8080", self.next_task), self.now);
            self.next_task += 1;
        }
        while self.services[index].tasks.len() > count {
            let Some((address, _)) = self.services[index].tasks.pop_last() else {
                break;
            };
            if let Some(side) = self.services[index].shown.side {
                self.draining[side.index()].push((address, self.now + DRAIN));
            }
        }
    }

    /// DeleteService with force, as a person may do it.
    pub fn delete(&mut self, name: &str) {
        self.scale(name, 0);
        let gone_at = self.now + DELETION + DRAIN;
        if let Some(service) = self
            .services
            .iter_mut()
            .find(|service| service.shown.name == name)
        {
            service.shown.status = ServiceStatus::Draining;
            service.gone_at = Some(gone_at);
        }
    }

    /// Sets the weights of every production rule, as a person may do it.
    pub fn set_production(&mut self, weights: [Option<u32>; 2]) {
        for rule in self
            .rules
            .iter_mut()
            .filter(|rule| rule.role == Role::Production)
        {
            rule.action = Action::Forward {
                weights: exists(weights, &self.groups),
                others: Vec::new(),
                sticky: false,
            };
        }
        self.release_template();
    }

    /// Lets time pass.
    pub fn advance(&mut self, ms: u64) {
        self.now += ms;
        let now = self.now;
        for side in &mut self.draining {
            side.retain(|(_, until)| *until > now);
        }
        self.services
            .retain(|service| service.gone_at.is_none_or(|at| at > now));
        self.roll();
    }

    /// Time on the wall, for an instant of the lab.
    pub fn wall(&self, ms: u64) -> Timestamp {
        Timestamp::from_millisecond(1_750_000_000_000 + i64::try_from(ms).unwrap_or(0))
            .unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// The present.
    pub fn clock(&self) -> Now {
        Now {
            mono: Mono(self.now),
            wall: self.wall(self.now),
        }
    }

    /// One round of reads, all fresh.
    pub fn observe(&self) -> World {
        let at = Mono(self.now);
        let services: Vec<Service> = self
            .services
            .iter()
            .map(|service| self.show(service))
            .collect();
        let base = Base::Found {
            revision: "blog:1".to_owned(),
            definition: base(),
        };
        World {
            spec_present: true,
            desired: Read::known(
                self.desired
                    .as_ref()
                    .map_or(DesiredParameter::Missing, |(generation, desired)| {
                        DesiredParameter::Set {
                            generation: *generation,
                            desired: desired.clone(),
                        }
                    }),
                at,
            ),
            record: Read::known(
                self.record
                    .as_ref()
                    .map_or(RecordParameter::Missing, |(generation, record)| {
                        RecordParameter::Set {
                            generation: *generation,
                            record: Box::new(record.clone()),
                        }
                    }),
                at,
            ),
            services: Read::known(services, at),
            rules: Read::known(self.rules.clone(), at),
            groups: [
                Read::known(self.show_group(Side::A), at),
                Read::known(self.show_group(Side::B), at),
            ],
            own: Read::known(self.show_own_groups(), at),
            intents: Read::known(self.intents.clone(), at),
            base: Read::known(base, at),
            revisions: Read::known(self.revisions.clone(), at),
            verdicts: BTreeMap::new(),
            scaling: Read::known(self.scaling.clone(), at),
            conflicts: Vec::new(),
        }
    }

    pub(super) fn is_active(&self, name: &str) -> bool {
        self.services.iter().any(|service| {
            service.shown.name == name && service.shown.status == ServiceStatus::Active
        })
    }

    fn show(&self, service: &LabService) -> Service {
        let runs = |started: &u64| self.now >= started + TASK_START;
        let sick = self.application.is_worker() && self.is_broken(service);
        let updating = service.update.since.is_some();
        let running: BTreeSet<String> = service
            .tasks
            .iter()
            .filter(|(_, started)| runs(started))
            .map(|(address, _)| address.clone())
            .collect();
        let stopping = service
            .shown
            .side
            .map_or(0, |side| self.draining[side.index()].len());
        let only = self
            .services
            .iter()
            .filter(|other| other.shown.side == service.shown.side)
            .count()
            == 1;
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Service {
            running: count(
                running.len() + service.update.old.len() + if only { stopping } else { 0 },
            ),
            steady: service.shown.steady && !updating,
            pending: count(service.tasks.len() - running.len()),
            addresses: if sick { BTreeSet::new() } else { running },
            outgoing: service.update.old.clone(),
            trouble: self
                .is_broken(service)
                .then(|| "Essential container in task exited (web: exit code 1)".to_owned()),
            ..service.shown.clone()
        }
    }

    pub(super) fn is_broken(&self, service: &LabService) -> bool {
        service
            .shown
            .tags
            .version
            .as_ref()
            .is_some_and(|version| self.broken.contains(version))
    }

    /// It answers nobody on this route; on some one where none is named.
    fn is_ill(&self, service: &LabService, route: Option<usize>) -> bool {
        let version = service.shown.tags.version.as_ref();
        let here = |at: usize| route.is_none_or(|route| route == at);
        let mut ill = self.ill.iter();
        ill.any(|(at, ill)| here(*at) && Some(ill) == version)
    }

    pub(super) fn targets(&self, side: Side) -> Vec<Target> {
        self.targets_on(side, None)
    }

    /// Targets as the group of one route tells of them; without a route what all of them come to.
    pub(super) fn targets_on(&self, side: Side, route: Option<usize>) -> Vec<Target> {
        let target = |address: &String, state| Target {
            address: address.clone(),
            zone: None,
            state,
            reason: None,
        };
        // Health checks need the group to be named by a rule; weight is no condition.
        let named = match route {
            Some(route) => self.is_named_on(side, route),
            None => self.is_named(side),
        };
        let mut targets = Vec::new();
        if self.template_serves && self.holds_template(side) {
            targets.push(target(&"10.1.0.1:8080".to_owned(), TargetState::Healthy));
        }
        for service in self
            .services
            .iter()
            .filter(|service| service.shown.side == Some(side))
        {
            for (address, started) in service
                .tasks
                .iter()
                .filter(|(_, started)| self.now >= **started + TASK_START)
            {
                let checked = self.now >= started + TASK_START + 5_000;
                let sick = self.is_broken(service) || self.is_ill(service, route);
                let state = match (named, sick, checked) {
                    (false, _, _) => TargetState::Unused,
                    (true, _, false) => TargetState::Initial,
                    (true, true, true) => TargetState::Unhealthy,
                    (true, false, true) => TargetState::Healthy,
                };
                targets.push(target(address, state));
            }
            let state = if named {
                TargetState::Healthy
            } else {
                TargetState::Unused
            };
            let old = service.update.old.iter();
            targets.extend(old.map(|address| target(address, state)));
        }
        targets.extend(
            self.draining[side.index()]
                .iter()
                .map(|(address, _)| target(address, TargetState::Draining)),
        );
        targets
    }

    /// Some rule of each route names its group.
    fn is_named(&self, side: Side) -> bool {
        let routes = self.application.routes.len();
        routes > 0 && (0..routes).all(|route| self.is_named_on(side, route))
    }

    /// Some rule of the route forwards to its group of `side`, with whatever weight.
    fn is_named_on(&self, side: Side, route: usize) -> bool {
        let mut rules = self.rules.iter().filter(|rule| rule.route == route);
        rules.any(|rule| matches!(&rule.action, Action::Forward { weights, .. } if weights[side.index()].is_some()))
    }

    /// Something answers in the group of one route.
    pub(super) fn answers(&self, side: Side, route: usize) -> bool {
        let targets = self.targets_on(side, Some(route));
        let mut targets = targets.iter();
        targets.any(|target| target.state == TargetState::Healthy)
    }

    /// Targets that answer on `side`.
    pub fn healthy(&self, side: Side) -> usize {
        self.targets(side)
            .iter()
            .filter(|target| target.state == TargetState::Healthy)
            .count()
    }

    /// A production rule gives weight to a group without a healthy target although the other group has one.
    pub fn loses_requests(&self) -> bool {
        self.rules
            .iter()
            .filter(|rule| rule.role == Role::Production)
            .any(|rule| {
                Side::BOTH.iter().any(|side| {
                    crate::memory::weight(rule, *side) > 0
                        && !self.answers(*side, rule.route)
                        && self.healthy(side.other()) > 0
                })
            })
    }

    /// Carries out a write as AWS would.
    pub fn apply(&mut self, write: &Write) -> WriteOutcome {
        let refused = |reason: &str| WriteOutcome::Refused {
            reason: reason.to_owned(),
        };
        self.writes.push(write.describe());
        if self.denied.contains(write.operation()) {
            return refused(&format!("{} failed (denied)", write.operation()));
        }
        match write {
            Write::PutRecord(record) => {
                let version = self
                    .record
                    .as_ref()
                    .map_or(1, |(generation, _)| generation.version + 1);
                let date = 1_000_000 + i64::try_from(self.now).unwrap_or(0);
                self.record = Some((Generation { date, version }, (**record).clone()));
            }
            Write::RegisterTaskDefinition { digest, body } => {
                self.next_version += 1;
                let arn = format!("td-{}-{digest}", self.next_version);
                let tags = Tags {
                    release: Some(digest.clone()),
                    ..tags_of(body)
                };
                self.told.insert(arn.clone(), tags);
                self.revisions.insert(
                    0,
                    Revision {
                        arn,
                        digest: Some(digest.clone()),
                        generation: release::generation_of(body),
                    },
                );
            }
            Write::CreateService { name, side, body } => {
                let bound = body.get("loadBalancers").and_then(Value::as_array);
                let bound = bound.into_iter().flatten();
                let bound: Vec<_> = bound
                    .map(|one| one.get("targetGroupArn").and_then(Value::as_str))
                    .collect();
                let group = self.show_group(*side);
                let arns = group.iter().flat_map(Group::arns);
                if arns.map(|arn| Some(arn.as_str())).collect::<Vec<_>>() != bound {
                    return refused("The target group does not exist.");
                }
                let known = self.services.iter().find(|known| known.shown.name == *name);
                match known.map(|known| known.shown.status) {
                    Some(ServiceStatus::Active)
                        if known.is_some_and(|known| known.request == *body) =>
                    {
                        return WriteOutcome::Applied;
                    }
                    Some(ServiceStatus::Active) => {
                        return refused("Creation of service was not idempotent.");
                    }
                    Some(ServiceStatus::Draining) => {
                        return refused("Unable to Start a service that is still Draining.");
                    }
                    Some(ServiceStatus::Inactive) | None => {}
                }
                if !self.application.is_worker() && !self.is_named(*side) {
                    return refused("The target group does not have an associated load balancer.");
                }
                let text = |member: &str| {
                    body.get(member)
                        .and_then(Value::as_str)
                        .unwrap_or_default()
                        .to_owned()
                };
                let count = body
                    .get("desiredCount")
                    .and_then(Value::as_u64)
                    .unwrap_or(0);
                self.add(
                    name,
                    *side,
                    u32::try_from(count).unwrap_or(0),
                    text("taskDefinition"),
                    tags_of(body),
                );
                if let Some(made) = self.services.last_mut() {
                    made.request = body.clone();
                }
                self.tell(name);
            }
            Write::ScaleService { name, to, .. } => {
                if !self.is_active(name) {
                    return refused("Service was not ACTIVE.");
                }
                self.scale(name, *to);
            }
            Write::UpdateService { name, to, body, .. } => {
                if !self.is_active(name) {
                    return refused("Service was not ACTIVE.");
                }
                let bounds = body.get("deploymentConfiguration");
                let least = bounds.and_then(|bounds| bounds.get("minimumHealthyPercent")?.as_u64());
                self.update(name, to, least == Some(0));
            }
            Write::SetWeights {
                rule,
                groups,
                forget,
                weights,
                ..
            } => return self.forward(rule, groups, forget, weights.get()),
            Write::CreateTargetGroup { name, side, .. } => return self.create_group(name, *side),
            Write::SetGroupAttributes { group, attributes } => {
                return self.set_attributes(group, attributes);
            }
            Write::DeleteTargetGroup { group } => return self.delete_group(group),
            Write::TagService { name, value, .. } => {
                if !self.is_active(name) {
                    return refused("Service not found.");
                }
                if let Some(service) = self
                    .services
                    .iter_mut()
                    .find(|service| service.shown.name == *name)
                {
                    service.shown.tags.rejected = release::parse_generation(value);
                }
            }
            Write::DeleteService { name } => {
                if !self.is_active(name) {
                    return refused("Service not found.");
                }
                let running = self
                    .services
                    .iter()
                    .find(|s| s.shown.name == *name)
                    .is_some_and(|s| s.shown.desired > 0);
                if running {
                    return refused("The service cannot be stopped while it is scaled above 0.");
                }
                self.delete(name);
            }
            Write::DeregisterTaskDefinition { arn } => {
                self.revisions.retain(|revision| revision.arn != *arn);
                self.told.remove(arn);
            }
            Write::SetScaling { name, change } => return self.set_scaling(name, change),
        }
        WriteOutcome::Applied
    }
}

/// What the tags of a CreateService, or of a RegisterTaskDefinition, say.
pub fn tags_of(body: &Map<String, Value>) -> Tags {
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
    Tags {
        ours: true,
        release: find(release::TAG_RELEASE),
        version: find(release::TAG_VERSION),
        generation: find(release::TAG_GENERATION)
            .as_deref()
            .and_then(release::parse_generation),
        blue: find(release::TAG_BLUE),
        rejected: None,
    }
}

fn base() -> Map<String, Value> {
    let base = json!({"family": "blog", "containerDefinitions": [{"name": "web", "image": "repo/blog:0", "portMappings": [{"containerPort": 8080}]}]});
    base.as_object().cloned().unwrap_or_default()
}
