//! What may never happen, checked on every write, apart from how it was planned.
//!
//! Three users: the guard before every real write, the sweeps of this crate's tests, and the model checker. The
//! properties carry the numbers of the safety page; S3 is held by the type [`Weights`](crate::Weights), S12 and S13
//! are properties of whole runs and are checked by the tests.

mod groups;
mod rolling;
mod scaling;

use std::collections::BTreeMap;

use crd_schema::Application;
use crd_schema::record::Generation;
use serde_json::Value;

use crate::ablation;
use crate::memory::{Memory, Reading, gives, other_weight, weight};
use crate::release::{self, TAG_GENERATION, tags_of};
use crate::time::Now;
use crate::tuning::Tuning;
use crate::world::{Read, Role, Rule, Service, ServiceStatus, Side, TargetState, World};
use crate::write::{Evidence, Write};

use groups::Groups;

/// A write that must not be sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{property}: {message}")]
pub struct Violation {
    /// Which property, `S1`–`S18`.
    pub property: &'static str,
    /// What is wrong with the write.
    pub message: String,
}

/// Every property that [`check`] can report, for metrics that initialise each series.
pub const PROPERTIES: [&str; 11] = [
    "S1", "S2", "S4", "S5", "S7", "S8", "S9", "S10", "S11", "S14", "S18",
];

fn deny<T>(property: &'static str, message: impl Into<String>) -> Result<T, Violation> {
    Err(Violation {
        property,
        message: message.into(),
    })
}

/// Checks one write against the world and the memory that it was planned on.
///
/// # Errors
/// The first property that the write would break.
pub fn check(
    application: &Application,
    world: &World,
    memory: &Memory,
    tuning: &Tuning,
    write: &Write,
    now: Now,
) -> Result<(), Violation> {
    if tuning.without(ablation::Rule::Guard) {
        return Ok(());
    }
    if let Some(sent) = &memory.outstanding {
        return deny(
            "S7",
            format!(
                "a write with unknown outcome is outstanding: {}",
                sent.write.describe()
            ),
        );
    }
    if let Write::PutRecord(_) = write {
        return Ok(());
    }
    let facts = Facts::read(application, world, memory, tuning, now)?;
    if let Some(late) = memory.undone_until(write, tuning)
        && !facts.repairs(write)
    {
        return deny(
            "S7",
            format!(
                "a write with unknown outcome may still land: {}",
                late.write.describe()
            ),
        );
    }
    match write {
        Write::PutRecord(_) => Ok(()),
        Write::RegisterTaskDefinition { body, .. } => {
            match body.get("family").and_then(Value::as_str) {
                Some(family) if family != release::family(application) => {
                    deny("S9", format!("family {family:?} is not the application's"))
                }
                None => deny("S9", "it names no family"),
                Some(_) if application.is_rolling() => {
                    facts.not_rejected(&tags_of(body, ["tags", "key", "value"]))
                }
                Some(_) => Ok(()),
            }
        }
        Write::CreateTargetGroup { name, side, body } => {
            facts.groups()?.create(name, *side, body)?;
            facts.not_rejected(&tags_of(body, ["Tags", "Key", "Value"]))
        }
        Write::SetGroupAttributes { group, .. } => facts.groups()?.unused(group),
        Write::DeleteTargetGroup { group } => facts.groups()?.delete(group),
        Write::CreateService { name, side, body } => facts.create(name, *side, body),
        Write::ScaleService { name, to, .. } => {
            let service = facts.own(name)?;
            if *to < service.desired {
                facts.not_scaled(service)?;
                facts.remove(service)
            } else {
                Ok(())
            }
        }
        Write::UpdateService { name, to, body, .. } => facts.update(name, to, body),
        Write::SetWeights {
            rule,
            groups,
            weights,
            forget,
            evidence,
            ..
        } => {
            facts.groups()?.named(rule, groups, forget)?;
            let Some(rule) = facts.rules.iter().find(|known| known.target == *rule) else {
                return deny("S14", "the rule was not read");
            };
            if let Some(group) = forget
                .iter()
                .find(|group| other_weight(rule, group) > Some(0))
            {
                return deny("S4", format!("the rule gives weight to {group}"));
            }
            facts.weights(rule, weights.get(), evidence)
        }
        Write::TagService { name, .. } => facts.own(name).map(drop),
        Write::DeleteService { name } => {
            let service = facts.own(name)?;
            if service.desired > 0 || service.running > 0 {
                return deny(
                    "S5",
                    format!("service {name} still runs {} tasks", service.running),
                );
            }
            facts.not_scaled(service)?;
            facts.remove(service)
        }
        Write::SetScaling { name, change } => facts.set_scaling(name, change),
        Write::DeregisterTaskDefinition { arn } => {
            if facts
                .services
                .iter()
                .filter(|service| service.status != ServiceStatus::Inactive)
                .any(|service| service.task_definition == *arn)
            {
                return deny("S9", format!("{arn} is in use"));
            }
            match world.revisions.value() {
                Some(revisions) if revisions.iter().any(|revision| revision.arn == *arn) => Ok(()),
                Some(_) | None => deny(
                    "S9",
                    format!("{arn} is not one of the application's revisions"),
                ),
            }
        }
    }
}

/// What a write is checked against.
#[derive(Clone, Copy)]
struct Facts<'a> {
    application: &'a Application,
    memory: &'a Memory,
    tuning: &'a Tuning,
    now: Now,
    services: &'a [Service],
    rules: &'a [Rule],
    world: &'a World,
}

impl<'a> Facts<'a> {
    /// Unknown is unsafe: everything that a write could hurt was read, a moment ago.
    fn read(
        application: &'a Application,
        world: &'a World,
        memory: &'a Memory,
        tuning: &'a Tuning,
        now: Now,
    ) -> Result<Self, Violation> {
        let fresh = |at| now.mono.since(at) <= tuning.plan_age;
        match (&world.services, &world.rules) {
            (
                Read::Known {
                    value: services,
                    at: one,
                },
                Read::Known {
                    value: rules,
                    at: two,
                },
            ) if fresh(*one) && fresh(*two) => Ok(Self {
                application,
                memory,
                tuning,
                now,
                services,
                rules,
                world,
            }),
            (Read::Known { .. }, Read::Known { .. }) => {
                deny("S14", "services or rules were read too long ago")
            }
            (Read::Unread { reason }, _) | (_, Read::Unread { reason }) => {
                deny("S14", format!("not read: {reason}"))
            }
        }
    }

    fn own(&self, name: &str) -> Result<&'a Service, Violation> {
        match self.services.iter().find(|service| service.name == name) {
            Some(service) if service.tags.ours && service.status == ServiceStatus::Active => {
                Ok(service)
            }
            Some(_) => deny(
                "S9",
                format!("service {name} is not an active service of this application"),
            ),
            None => deny("S14", format!("service {name} was not read")),
        }
    }

    fn live(&self) -> impl Iterator<Item = &'a Service> {
        self.services
            .iter()
            .filter(|s| s.tags.ours && s.status == ServiceStatus::Active)
    }

    fn create(
        &self,
        name: &str,
        side: Side,
        body: &serde_json::Map<String, Value>,
    ) -> Result<(), Violation> {
        if self.services.iter().any(|service| service.name == name) {
            return deny("S10", format!("service {name} exists or existed"));
        }
        if self
            .live()
            .filter(|service| service.desired > 0 || service.running > 0)
            .count()
            > 1
        {
            return deny("S11", "two services of this application run already");
        }
        if self.live().any(|service| service.side == Some(side)) {
            return deny("S11", "a service is bound to that group already");
        }
        self.groups()?.serves(side, body.get("loadBalancers"))?;
        if self.application.is_rolling() {
            let runs = body.get("taskDefinition").and_then(Value::as_str);
            return self.may_run(runs.unwrap_or_default(), None);
        }
        self.not_rejected(&tags_of(body, ["tags", "key", "value"]))
    }

    /// What carries these tags is not of a generation that was rejected.
    fn not_rejected(&self, tags: &BTreeMap<String, String>) -> Result<(), Violation> {
        let generation = tags.get(TAG_GENERATION);
        let Some(generation) = generation.and_then(|text| release::parse_generation(text)) else {
            return deny("S8", "it would carry no generation");
        };
        if self.is_rejected(generation) {
            return deny("S8", "its generation was rejected");
        }
        Ok(())
    }

    /// In the record, or as a tag on a service that served.
    fn is_rejected(&self, generation: Generation) -> bool {
        let recorded = self
            .memory
            .record
            .rejected
            .iter()
            .any(|rejection| rejection.generation == generation);
        let tagged = self
            .services
            .iter()
            .any(|service| service.tags.ours && service.tags.rejected == Some(generation));
        recorded || tagged
    }

    fn groups(&self) -> Result<Groups<'a>, Violation> {
        Groups::read(self)
    }

    /// Nothing that serves, or may serve, goes. A service without tasks beside another one on its group serves nobody.
    fn remove(&self, service: &Service) -> Result<(), Violation> {
        if self.application.is_worker() {
            return self.replaced(service);
        }
        let Some(side) = service.side else {
            if service.group_gone {
                return self.groups()?.gone(service);
            }
            return deny(
                "S9",
                format!("service {} is bound to neither group", service.name),
            );
        };
        let has_company = self
            .live()
            .any(|other| other.side == Some(side) && other.name != service.name);
        if has_company && service.desired == 0 && service.running == 0 && service.pending == 0 {
            return Ok(());
        }
        if !has_company {
            self.groups()?.gone_first(service)?;
        }
        let group = self.world.groups[side.index()].value();
        let group = group.and_then(Option::as_ref);
        if let Some(rule) = self.rules.iter().find(|rule| gives(rule, side, group)) {
            return deny(
                "S4",
                format!(
                    "{:?} still gives weight to the group of {}",
                    rule.target, service.name
                ),
            );
        }
        let settle = self.application.clean_up.settle;
        match self.memory.zero_since[side.index()] {
            Some(since) if self.now.mono.since(since) >= settle => Ok(()),
            Some(_) | None => deny(
                "S4",
                format!(
                    "the weights of the group of {} have not settled at 0",
                    service.name
                ),
            ),
        }
    }

    /// A worker goes when another one works in its place: with as many steady tasks as are needed, or with any where the
    /// one that goes was rejected. One that nothing runs of serves nobody.
    fn replaced(&self, service: &Service) -> Result<(), Violation> {
        let Some(side) = service.side else {
            return deny(
                "S9",
                format!("service {} has a load balancer", service.name),
            );
        };
        let others = || self.live().filter(|other| other.name != service.name);
        let steady = |other: &Service| {
            let side = other.side?;
            self.healthy(other, side)
        };
        let rejected = service.tags.generation.is_some_and(|g| self.is_rejected(g));
        let covers = |other: &Service| {
            let all = self.reference().min(other.desired).max(1);
            let need = if rejected { 1 } else { all };
            steady(other).is_some_and(|steady| steady >= need)
        };
        let asleep = service.desired == 0;
        let dead = self.healthy_ever(service, side) == Some(0);
        let beside = |other: &Service| asleep || (dead && other.desired > 0);
        if others().any(covers) || others().any(beside) {
            return Ok(());
        }
        deny(
            "S4",
            format!("no other service works in the place of {}", service.name),
        )
    }

    /// Most healthy tasks of its own in any of the readings that count.
    fn healthy_ever(&self, service: &Service, side: Side) -> Option<usize> {
        let readings = self.memory.health[side.index()].readings()?;
        let own = |address: &&String| {
            service.addresses.contains(*address) || service.outgoing.contains(*address)
        };
        let own = |reading: &Reading| reading.healthy.iter().filter(own).count();
        readings.map(own).max()
    }

    fn weights(
        &self,
        rule: &Rule,
        next: [Option<u32>; 2],
        evidence: &[Evidence],
    ) -> Result<(), Violation> {
        match rule.role {
            Role::Unlisted => return deny("S9", "the rule does not stand in the spec"),
            Role::Test => return Ok(()),
            Role::Production => {}
        }
        let sum: u32 = next.iter().flatten().sum();
        for side in Side::BOTH {
            let to = next[side.index()].unwrap_or(0);
            if to <= weight(rule, side) {
                continue;
            }
            let bound = self.live().filter(|service| service.side == Some(side));
            let Some(service) = bound.max_by_key(|service| self.healthy(service, side)) else {
                return deny("S1", "weight would rise on a group without a live service");
            };
            let carried = self.carried(rule);
            let loses = !carried
                || Side::BOTH
                    .iter()
                    .any(|side| weight(rule, *side) > 0 && self.dead(rule, *side));
            let need = if carried {
                // The reference comes from the record and may be any number.
                self.reference()
                    .saturating_mul(to)
                    .div_ceil(sum.max(1))
                    .max(1)
            } else {
                1
            };
            let healthy = self.healthy(service, side).unwrap_or(0);
            if healthy < need {
                return deny(
                    "S2",
                    format!(
                        "{} has {healthy} healthy targets and needs {need}",
                        service.name
                    ),
                );
            }
            let fresh = |proof: &Evidence| {
                self.now.mono.since(proof.last) <= self.tuning.evidence_age
                    && (loses || proof.is_fresh(self.now.mono, self.tuning))
            };
            let proof = evidence.iter().find(|proof| proof.side == side);
            if !proof.is_some_and(fresh) {
                return deny("S2", "the evidence of health is missing or too old");
            }
            if carried {
                self.follows_scaling(rule, next, service, side)?;
            }
        }
        Ok(())
    }

    /// Something lives where the rule sends requests.
    fn carried(&self, rule: &Rule) -> bool {
        Side::BOTH
            .iter()
            .any(|side| weight(rule, *side) > 0 && !self.dead(rule, *side))
    }

    /// It moves requests that are lost anyway.
    fn repairs(&self, write: &Write) -> bool {
        let Write::SetWeights { rule, .. } = write else {
            return false;
        };
        let found = self.rules.iter().find(|known| known.target == *rule);
        found.is_some_and(|rule| !self.carried(rule))
    }

    /// Tasks that 100 % of traffic needs, as written down.
    fn reference(&self) -> u32 {
        let recorded = self
            .memory
            .record
            .rollout
            .as_ref()
            .map(|rollout| rollout.reference)
            .filter(|count| *count > 0);
        recorded.unwrap_or(self.application.template.desired_count)
    }

    /// Nothing answers where the rule sends requests for the side.
    fn dead(&self, rule: &Rule, side: Side) -> bool {
        self.memory.health[side.index()]
            .readings()
            .is_some_and(|mut readings| !readings.any(|r| r.answers_on(rule.route)))
    }

    fn healthy(&self, service: &Service, side: Side) -> Option<u32> {
        let readings = self.memory.health[side.index()].readings()?;
        let group = self.world.groups[side.index()].value()?.as_ref();
        let targets = || group.into_iter().flat_map(|group| &group.targets);
        let leaving = |address: &str| {
            targets()
                .any(|target| target.address == address && target.state == TargetState::Draining)
        };
        readings
            .map(|reading| {
                let own = |address: &&String| {
                    let mut own = [&service.addresses, &service.outgoing].into_iter();
                    own.any(|own| own.contains(*address)) && !leaving(address)
                };
                let own = reading.healthy.iter().filter(own);
                u32::try_from(own.count()).unwrap_or(u32::MAX)
            })
            .min()
    }
}
