//! What may never happen to target groups.

use crd_schema::TargetGroupArn;
use crd_schema::application::RuleTarget;
use serde_json::{Map, Value};

use crate::ablation;
use crate::memory::other_weight;
use crate::release::{MANAGED_BY, TAG_APPLICATION, TAG_MANAGED_BY, tags_of};
use crate::world::{Action, Group, Origin, OwnGroups, Read, Rule, Service, ServiceStatus, Side};

use super::{Facts, Violation, deny};

/// Facts, and every group that was read, a moment ago.
pub(super) struct Groups<'a> {
    facts: Facts<'a>,
    sides: [Option<&'a Group>; 2],
    own: &'a OwnGroups,
}

impl<'a> Groups<'a> {
    pub(super) fn read(facts: &Facts<'a>) -> Result<Self, Violation> {
        let world = facts.world;
        let [
            Read::Known { value: a, at: one },
            Read::Known { value: b, at: two },
        ] = &world.groups
        else {
            return deny("S14", "a target group was not read");
        };
        let Read::Known { value: own, at } = &world.own else {
            return deny("S14", "the target groups were not read");
        };
        let oldest = (*at).min(*one).min(*two);
        if facts.now.mono.since(oldest) > facts.tuning.plan_age {
            return deny("S14", "target groups were read too long ago");
        }
        Ok(Self {
            facts: *facts,
            sides: [a.as_ref(), b.as_ref()],
            own,
        })
    }

    fn per_release(&self) -> bool {
        self.facts.application.group_template().is_some()
    }

    /// A group of ours, and the side that it holds.
    fn ours(&self, arn: &TargetGroupArn) -> Result<(&'a Group, Option<Side>), Violation> {
        let sides = Side::BOTH.map(|side| (self.sides[side.index()], Some(side)));
        let spares = self.own.spares.iter().map(|group| (Some(group), None));
        let found = sides
            .into_iter()
            .chain(spares)
            .find_map(|(group, side)| Some((group.filter(|group| group.arn == *arn)?, side)));
        match found {
            Some((group, side)) => match &group.origin {
                Origin::Ours { .. } => Ok((group, side)),
                Origin::Given | Origin::Template => {
                    deny("S9", format!("target group {arn} is the user's"))
                }
            },
            None => deny("S14", format!("target group {arn} was not read")),
        }
    }

    /// A new group holds a free side, under a new name, and carries our tags.
    pub(super) fn create(
        &self,
        name: &str,
        side: Side,
        body: &Map<String, Value>,
    ) -> Result<(), Violation> {
        if !self.per_release() {
            return deny("S9", "the application has a pair of groups");
        }
        let tags = tags_of(body, ["Tags", "Key", "Value"]);
        let says = |key: &str, value: &str| tags.get(key).is_some_and(|read| read == value);
        let application = self.facts.application.name.as_str();
        if !says(TAG_MANAGED_BY, MANAGED_BY) || !says(TAG_APPLICATION, application) {
            return deny(
                "S9",
                format!("target group {name} would not carry our tags"),
            );
        }
        if body.get("Name").and_then(Value::as_str) != Some(name) {
            return deny(
                "S10",
                format!("target group {name} would have another name"),
            );
        }
        let mut groups = self.sides.into_iter().flatten().chain(&self.own.spares);
        let named =
            |group: &Group| matches!(&group.origin, Origin::Ours { name: held } if held == name);
        if groups.any(named) || self.own.taken.contains(name) {
            return deny("S10", format!("target group {name} exists"));
        }
        if self.sides[side.index()].is_some() {
            return deny("S11", "a group holds that side already");
        }
        Ok(())
    }

    /// What a service is bound to, or may get weight, is left as it is.
    pub(super) fn unused(&self, arn: &TargetGroupArn) -> Result<(), Violation> {
        let (group, side) = self.ours(arn)?;
        let bound = self
            .facts
            .services
            .iter()
            .filter(|service| service.status != ServiceStatus::Inactive)
            .any(|service| service.side.is_some() && service.side == side);
        let rules = self.facts.rules;
        if bound || !group.targets.is_empty() || rules.iter().any(|rule| names(rule, side, arn)) {
            return deny("S9", format!("target group {arn} is in use"));
        }
        Ok(())
    }

    /// Nothing refers to it, on no rule, and requests in flight had their time. ELB checks the first once more.
    pub(super) fn delete(&self, arn: &TargetGroupArn) -> Result<(), Violation> {
        let (group, side) = self.ours(arn)?;
        let Facts {
            application,
            memory,
            tuning,
            now,
            rules,
            ..
        } = self.facts;
        let named = rules.iter().find(|rule| names(rule, side, arn));
        if let Some(rule) = named
            && !tuning.without(ablation::Rule::DereferenceFirst)
        {
            return deny("S4", format!("{:?} still names the group", rule.target));
        }
        let since = match side {
            Some(side) => memory.zero_since[side.index()],
            None => memory.spare_since.get(arn).copied(),
        };
        let idle = application.clean_up.settle + group.in_flight();
        if since.is_none_or(|since| now.mono.since(since) < idle) {
            return deny(
                "S5",
                format!("requests to target group {arn} may still be in flight"),
            );
        }
        Ok(())
    }

    /// A write of weights names the groups that hold the sides on the rule's own route, and forgets only spare ones.
    pub(super) fn named(
        &self,
        rule: &RuleTarget,
        groups: &[Option<TargetGroupArn>; 2],
        forget: &[TargetGroupArn],
    ) -> Result<(), Violation> {
        // The spec's own word, whatever was read. A rule that it does not list is refused for that.
        let route = self.facts.application.route_of(rule).unwrap_or(0);
        let same = Side::BOTH.into_iter().all(|side| {
            let holder = self.sides[side.index()].and_then(|group| group.of_route(route));
            groups[side.index()].as_ref() == holder
        });
        if !same {
            return deny("S14", "other groups hold the sides");
        }
        let spare = |arn: &&TargetGroupArn| self.own.spares.iter().any(|group| group.arn == **arn);
        match forget.iter().find(|arn| !spare(arn)) {
            Some(arn) => deny(
                "S9",
                format!("target group {arn} is not a spare one of ours"),
            ),
            None => Ok(()),
        }
    }

    /// A new service is bound to the group that holds its side, on every route; and with a group for each release to one
    /// of ours. `bound` is its `loadBalancers`.
    pub(super) fn serves(&self, side: Side, bound: Option<&Value>) -> Result<(), Violation> {
        let holder = self.sides[side.index()];
        let routes = &self.facts.application.routes;
        if routes.is_empty() && holder.is_none() && bound.is_none() {
            return Ok(());
        }
        let bound = bound.and_then(Value::as_array);
        let bound = bound.map(Vec::as_slice).unwrap_or_default();
        let is = |(route, one): (usize, &Value)| {
            let group = holder.and_then(|group| group.of_route(route));
            let port = routes.get(route).map(|route| u64::from(route.port));
            let text = |member: &str| one.get(member).and_then(Value::as_str);
            group.is_some()
                && text("targetGroupArn") == group.map(TargetGroupArn::as_str)
                && text("containerName") == routes.get(route).map(|route| route.container.as_str())
                && one.get("containerPort").and_then(Value::as_u64) == port
        };
        let all = bound.len() == routes.len() && bound.iter().enumerate().all(is);
        let Some(group) = holder.filter(|_| all) else {
            return deny("S9", "the service would be bound to another group");
        };
        match &group.origin {
            Origin::Given | Origin::Ours { .. } => Ok(()),
            Origin::Template => deny("S9", "the template serves no release"),
        }
    }

    /// With a group for each release the group goes before the tasks: then nothing can bring them traffic any more.
    pub(super) fn gone_first(&self, service: &Service) -> Result<(), Violation> {
        if self.per_release() && service.status == ServiceStatus::Active {
            return deny(
                "S4",
                format!("the target group of {} still exists", service.name),
            );
        }
        Ok(())
    }

    /// Its group was seen to be gone for longer than a read may lag.
    pub(super) fn gone(&self, service: &Service) -> Result<(), Violation> {
        let since = self.facts.memory.gone_since.get(&service.name);
        match since {
            Some(since) if self.facts.now.mono.since(*since) >= self.facts.tuning.staleness => {
                Ok(())
            }
            Some(_) | None => deny(
                "S4",
                format!("the group of {} may still exist", service.name),
            ),
        }
    }
}

/// The rule names the group, which holds this side or none.
fn names(rule: &Rule, side: Option<Side>, arn: &TargetGroupArn) -> bool {
    match &rule.action {
        Action::Forward { weights, .. } => {
            side.is_some_and(|side| weights[side.index()].is_some())
                || other_weight(rule, arn).is_some()
        }
        Action::Other { .. } | Action::Missing => false,
    }
}
