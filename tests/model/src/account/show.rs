//! What is true of the account.

use std::sync::Arc;

use crd_schema::TargetGroupArn;
use crd_schema::application::RuleTarget;
use planner::Side;
use planner::time::{Mono, Now};
use planner::world::{ServiceStatus, Tags, TargetState};

use crate::balancer::{TargetGroup, rules};
use crate::judge::is_rejected;
use crate::setup::{Setup, TICK};

use super::{Account, Deployed, Refused, is_ill, targets_of, wall};

impl Account {
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
}
