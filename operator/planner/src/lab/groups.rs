//! Target groups of the lab: with a pair two for life; with a group for each release created, filled and deleted.

use std::collections::BTreeMap;
use std::time::Duration;

use crd_schema::TargetGroupArn;
use crd_schema::application::{Application, RuleTarget, TargetGroups};
use crd_schema::record::Generation;
use serde_json::json;

use crate::memory::WriteOutcome;
use crate::release;
use crate::world::{Action, Group, Member, Origin, OwnGroups, Side, Template};

use super::account::Lab;

/// Attributes of the template that a new group does not have by itself.
const ATTRIBUTES: [(&str, &str); 2] = [
    ("deregistration_delay.timeout_seconds", "10"),
    ("slow_start.duration_seconds", "30"),
];

/// A target group of the lab.
#[derive(Debug, Clone, PartialEq)]
pub struct LabGroup {
    /// ARN: never the same twice.
    pub arn: TargetGroupArn,
    /// Whose it is.
    pub origin: Origin,
    /// The side that it was made for.
    pub made_for: Side,
    /// Attributes that somebody set.
    pub attributes: BTreeMap<String, String>,
}

impl LabGroup {
    /// The pair, or the template on the first side.
    pub(super) fn at_first(application: &Application) -> [Option<Self>; 2] {
        let group = |arn: &TargetGroupArn, origin: Origin, made_for: Side| Self {
            arn: arn.clone(),
            origin,
            made_for,
            attributes: attributes(),
        };
        match application.target_groups() {
            Some(TargetGroups::Pair([a, b])) => [
                Some(group(a, Origin::Given, Side::A)),
                Some(group(b, Origin::Given, Side::B)),
            ],
            Some(TargetGroups::Single(only)) => [Some(group(only, Origin::Given, Side::A)), None],
            Some(TargetGroups::PerRelease { from }) => {
                [Some(group(from, Origin::Template, Side::A)), None]
            }
            None => [None, None],
        }
    }

    fn is_ours(&self) -> bool {
        matches!(self.origin, Origin::Ours { .. })
    }

    fn is_named(&self, name: &str) -> bool {
        matches!(&self.origin, Origin::Ours { name: held } if held == name)
    }
}

fn attributes() -> BTreeMap<String, String> {
    ATTRIBUTES
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

/// The weights of those sides that have a group.
pub(super) fn exists(
    weights: [Option<u32>; 2],
    groups: &[Option<LabGroup>; 2],
) -> [Option<u32>; 2] {
    let mut weights = weights;
    for (weight, group) in weights.iter_mut().zip(groups) {
        *weight = weight.filter(|_| group.is_some());
    }
    weights
}

fn refused(reason: &str) -> WriteOutcome {
    WriteOutcome::Refused {
        reason: reason.to_owned(),
    }
}

impl Lab {
    /// The group of a release that was there before; a pair has its groups already.
    pub(super) fn place_group(&mut self, digest: &str, generation: Generation, side: Side) {
        if self.application.is_worker() {
            return;
        }
        let occupied = self.groups[side.index()].as_ref();
        if occupied.is_some_and(|group| group.is_ours() || group.origin == Origin::Given) {
            return;
        }
        let name = release::group_name(&self.application, digest, generation, 0);
        self.groups[side.index()] = None;
        self.create_group(&name, side);
        if let Some(group) = &mut self.groups[side.index()] {
            group.attributes = attributes();
        }
    }

    /// No group holds `side`: as if it had never been made.
    pub fn empty_side(&mut self, side: Side) {
        self.groups[side.index()] = None;
        for rule in &mut self.rules {
            if let Action::Forward { weights, .. } = &mut rule.action {
                weights[side.index()] = None;
            }
        }
    }

    pub(super) fn holds_template(&self, side: Side) -> bool {
        let holder = self.groups[side.index()].as_ref();
        holder.is_some_and(|group| group.origin == Origin::Template)
    }

    pub(super) fn show_group(&self, side: Side) -> Option<Group> {
        let mut group = self.show_any(self.groups[side.index()].as_ref()?);
        group.targets = self.targets(side);
        group.members = self.members(side, &group);
        Some(group)
    }

    pub(super) fn show_own_groups(&self) -> OwnGroups {
        let template = match self.application.group_template() {
            None => Template::Unneeded,
            Some(_) => Template::Found {
                settings: json!({"TargetType": "ip", "Port": 8080, "Protocol": "HTTP"})
                    .as_object()
                    .cloned()
                    .unwrap_or_default(),
                attributes: attributes(),
            },
        };
        OwnGroups {
            template,
            spares: self
                .spares
                .iter()
                .map(|spare| self.show_any(spare))
                .collect(),
            taken: self.taken.clone(),
        }
    }

    fn show_any(&self, group: &LabGroup) -> Group {
        Group {
            arn: group.arn.clone(),
            origin: group.origin.clone(),
            load_balancer: Some("lb".to_owned()),
            by_address: true,
            sticky: false,
            single_zone: false,
            interval: Duration::from_secs(5),
            attributes: group.attributes.clone(),
            targets: Vec::new(),
            members: Vec::new(),
        }
    }

    /// Of several routes, what each adds to a side: its group there.
    fn members(&self, side: Side, group: &Group) -> Vec<Member> {
        let routes = &self.application.routes;
        let groups = routes.iter();
        let groups = groups.filter_map(|route| route.groups.for_life()[side.index()]);
        let groups = groups.filter(|_| routes.len() > 1).enumerate();
        let members = groups.map(|(route, arn)| Member {
            arn: arn.clone(),
            load_balancer: group.load_balancer.clone(),
            by_address: group.by_address,
            sticky: group.sticky,
            answers: self.answers(side, route),
        });
        members.collect()
    }

    /// CreateTargetGroup: the same name is the same group; somebody else's is a refusal.
    pub(super) fn create_group(&mut self, name: &str, side: Side) -> WriteOutcome {
        if self.taken.contains(name) {
            return refused(
                "A target group with the same name exists, but with different settings",
            );
        }
        let mut known = self.groups.iter().flatten().chain(&self.spares);
        if known.any(|group| group.is_named(name)) {
            return WriteOutcome::Applied;
        }
        let arn = TargetGroupArn::new(format!("tg-{}-{name}", self.next_group));
        self.next_group += 1;
        let group = LabGroup {
            arn,
            origin: Origin::Ours {
                name: name.to_owned(),
            },
            made_for: side,
            attributes: BTreeMap::new(),
        };
        match &mut self.groups[side.index()] {
            empty @ None => *empty = Some(group),
            Some(_) => self.spares.push(group),
        }
        WriteOutcome::Applied
    }

    pub(super) fn set_attributes(
        &mut self,
        arn: &TargetGroupArn,
        attributes: &BTreeMap<String, String>,
    ) -> WriteOutcome {
        let mut known = self.groups.iter_mut().flatten().chain(&mut self.spares);
        match known.find(|group| group.arn == *arn) {
            Some(group) => {
                group.attributes.extend(attributes.clone());
                WriteOutcome::Applied
            }
            None => refused("One or more target groups not found"),
        }
    }

    /// DeleteTargetGroup: refused while any rule refers to it; the tasks of its service run on.
    pub(super) fn delete_group(&mut self, arn: &TargetGroupArn) -> WriteOutcome {
        let holder = Side::BOTH.into_iter().find(|side| {
            let holder = self.groups[side.index()].as_ref();
            holder.is_some_and(|group| group.arn == *arn)
        });
        let in_use = self.rules.iter().any(|rule| match &rule.action {
            Action::Forward {
                weights, others, ..
            } => {
                holder.is_some_and(|side| weights[side.index()].is_some())
                    || others.iter().any(|(other, _)| other == arn)
            }
            Action::Other { .. } | Action::Missing => false,
        });
        if in_use {
            return refused("Target group is currently in use by a listener or a rule");
        }
        self.spares.retain(|spare| spare.arn != *arn);
        if let Some(side) = holder {
            self.groups[side.index()] = None;
            self.draining[side.index()].clear();
            for service in &mut self.services {
                if service.shown.side == Some(side) {
                    service.shown.side = None;
                    service.shown.group_gone = true;
                }
            }
            self.take_over(side);
        }
        WriteOutcome::Applied
    }

    /// A spare that was made for a side takes it when it is free.
    fn take_over(&mut self, side: Side) {
        let Some(next) = self.spares.iter().position(|spare| spare.made_for == side) else {
            return;
        };
        let spare = self.spares.remove(next);
        for rule in &mut self.rules {
            if let Action::Forward {
                weights, others, ..
            } = &mut rule.action
            {
                let named = others.iter().find(|(arn, _)| *arn == spare.arn);
                weights[side.index()] = named.map(|(_, weight)| *weight);
                others.retain(|(arn, _)| *arn != spare.arn);
            }
        }
        self.groups[side.index()] = Some(spare);
    }

    /// ModifyListener or ModifyRule, by ARN: a write that lands late still means the groups that it named.
    pub(super) fn forward(
        &mut self,
        rule: &RuleTarget,
        groups: &[Option<TargetGroupArn>; 2],
        forget: &[TargetGroupArn],
        weights: [Option<u32>; 2],
    ) -> WriteOutcome {
        let mut next = [None; 2];
        let mut more = Vec::new();
        for (arn, weight) in groups.iter().zip(weights) {
            let (Some(arn), Some(weight)) = (arn, weight) else {
                continue;
            };
            // Of several routes, by the rule's own.
            let route = self.application.route_of(rule).unwrap_or(0);
            let holder = Side::BOTH.into_iter().find(|side| {
                let holder = self.show_group(*side);
                holder.is_some_and(|group| group.of_route(route) == Some(arn))
            });
            match holder {
                Some(side) => next[side.index()] = Some(weight),
                None if self.spares.iter().any(|spare| spare.arn == *arn) => {
                    more.push((arn.clone(), weight));
                }
                None => return refused("One or more target groups not found"),
            }
        }
        let Some(found) = self.rules.iter_mut().find(|known| known.target == *rule) else {
            return refused("One or more rules not found");
        };
        if let Action::Forward { others, .. } = &found.action {
            let written = |arn: &TargetGroupArn| groups.iter().flatten().any(|group| group == arn);
            let kept = others
                .iter()
                .filter(|(arn, _)| !forget.contains(arn) && !written(arn));
            more.extend(kept.cloned());
        }
        found.action = Action::Forward {
            weights: next,
            others: more,
            sticky: false,
        };
        self.release_template();
        WriteOutcome::Applied
    }

    /// The template holds a side only while a rule names it.
    pub(super) fn release_template(&mut self) {
        for side in Side::BOTH {
            let named = self.rules.iter().any(|rule| {
                matches!(&rule.action, Action::Forward { weights, .. } if weights[side.index()].is_some())
            });
            if !named && self.holds_template(side) {
                self.groups[side.index()] = None;
                self.take_over(side);
            }
        }
    }
}
