//! Writes, carried out as AWS would.

use std::sync::Arc;

use crd_schema::TargetGroupArn;
use crd_schema::record::Generation;
use planner::lab::tags_of;
use planner::scaling::Change;
use planner::world::{Revision, ServiceStatus, Tags};
use planner::{Write, release};
use serde_json::{Map, Value};

use crate::balancer::rules;
use crate::setup::Setup;

use super::{Account, Deployed, Refused};

impl Account {
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
}

/// The generation that a CreateService's tags carry.
pub fn generation_of(body: &Map<String, Value>) -> Option<Generation> {
    tags_of(body).generation
}

/// The version that a CreateService's tags carry.
pub fn version_of(body: &Map<String, Value>) -> Option<String> {
    tags_of(body).version
}

/// The group that a CreateService binds to.
pub fn group_of(body: &Map<String, Value>) -> Option<TargetGroupArn> {
    let first = body.get("loadBalancers")?.get(0)?;
    Some(TargetGroupArn::new(first.get("targetGroupArn")?.as_str()?))
}
