//! What the load balancer has: target groups, and what each rule forwards to.

use std::collections::BTreeMap;
use std::sync::Arc;

use crd_schema::TargetGroupArn;
use crd_schema::application::{RuleTarget, TargetGroups};
use planner::Side;
use planner::groups::{Claim, places};
use planner::world::{Origin, Role};

use crate::account::Refused;
use crate::setup::{Setup, Start};

/// A target group.
#[derive(Debug, Clone, PartialEq)]
pub struct TargetGroup {
    /// ARN: never the same twice.
    pub arn: Arc<TargetGroupArn>,
    /// Whose it is.
    pub origin: Origin,
    /// The side that it was made for.
    pub side: Side,
    /// It has the template's attributes.
    pub complete: bool,
}

/// Groups and rules.
#[derive(Debug, Clone, PartialEq)]
pub struct Balancer {
    /// Every group.
    pub groups: Vec<Arc<TargetGroup>>,
    /// Production, test, and rules that the spec does not list: positions of groups, and their weights.
    pub rules: Vec<BTreeMap<usize, u32>>,
    /// How often a group was made.
    made: usize,
}

/// Positions of groups by the side that they hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sides {
    /// By [`Side::index`].
    pub holders: [Option<usize>; 2],
    /// Groups of ours that hold none.
    pub spares: Vec<usize>,
}

impl Balancer {
    /// The pair, or the template, which has all traffic when nothing serves.
    pub fn new(setup: &Setup) -> Self {
        let group = |arn: &TargetGroupArn, origin, side| {
            Arc::new(TargetGroup {
                arn: Arc::new(arn.clone()),
                origin,
                side,
                complete: true,
            })
        };
        let (groups, forward) = match setup.application.target_groups() {
            // Where workers stand: nobody is shown these.
            None => {
                let [a, b] = ["place-a", "place-b"].map(TargetGroupArn::new);
                let pair = [
                    group(&a, Origin::Given, Side::A),
                    group(&b, Origin::Given, Side::B),
                ];
                (pair.to_vec(), BTreeMap::new())
            }
            Some(TargetGroups::Pair([a, b])) => {
                let pair = [
                    group(a, Origin::Given, Side::A),
                    group(b, Origin::Given, Side::B),
                ];
                (pair.to_vec(), BTreeMap::new())
            }
            Some(TargetGroups::Single(only)) => {
                let single = vec![group(only, Origin::Given, Side::A)];
                (single, BTreeMap::from([(0, 100)]))
            }
            Some(TargetGroups::PerRelease { from }) => {
                let template = vec![group(from, Origin::Template, Side::A)];
                let all = match setup.start {
                    Start::Empty | Start::Anything => BTreeMap::from([(0, 100)]),
                    Start::Serving | Start::Both(_) | Start::Shared => BTreeMap::new(),
                };
                (template, all)
            }
        };
        Self {
            groups,
            rules: vec![forward; rules(setup).count()],
            made: 0,
        }
    }

    /// Where in the list a group is.
    pub fn position(&self, arn: &TargetGroupArn) -> Option<usize> {
        self.groups.iter().position(|group| *group.arn == *arn)
    }

    /// The largest weight that one of the first `rules` rules gives to a group; none when they do not name it.
    pub fn weight(&self, rules: usize, group: usize) -> Option<u32> {
        let all = self.rules.iter().take(rules);
        all.filter_map(|forward| forward.get(&group)).max().copied()
    }

    /// What one rule gives to each side.
    pub fn weights(&self, rule: usize, sides: &Sides) -> [Option<u32>; 2] {
        sides
            .holders
            .map(|holder| self.rules[rule].get(&holder?).copied())
    }

    /// Which group holds which side, as the operator works it out; `bound` says where an ACTIVE service is.
    pub fn sides(&self, setup: &Setup, bound: impl Fn(&TargetGroupArn) -> bool) -> Sides {
        let application = &setup.application;
        if application.group_template().is_none() {
            return Sides {
                holders: [Some(0), (self.groups.len() > 1).then_some(1)],
                spares: Vec::new(),
            };
        }
        let listed = application.production().count() + application.test().count();
        let all = || self.groups.iter().enumerate();
        let is_ours = |group: &TargetGroup| matches!(group.origin, Origin::Ours { .. });
        let claims = all()
            .filter(|(_, group)| is_ours(group))
            .map(|(n, group)| Claim {
                arn: (*group.arn).clone(),
                side: Some(group.side),
                bound: bound(&group.arn),
                weight: self.weight(listed, n).unwrap_or(0),
            });
        let mut template = all().filter(|(_, group)| group.origin == Origin::Template);
        let named = template.find(|(n, _)| self.weight(listed, *n).is_some());
        let places = places(
            claims.collect(),
            named.map(|(_, group)| (*group.arn).clone()),
        );
        Sides {
            holders: places
                .holders
                .map(|holder| holder.and_then(|arn| self.position(&arn))),
            spares: places
                .spares
                .iter()
                .filter_map(|arn| self.position(arn))
                .collect(),
        }
    }

    /// CreateTargetGroup: a name that is there is the same group.
    pub fn create(&mut self, name: &str, side: Side, complete: bool) -> Arc<TargetGroupArn> {
        let named = |group: &&Arc<TargetGroup>| matches!(&group.origin, Origin::Ours { name: held } if held == name);
        if let Some(group) = self.groups.iter().find(named) {
            return Arc::clone(&group.arn);
        }
        let arn = Arc::new(TargetGroupArn::new(format!("tg-{}-{name}", self.made)));
        self.made += 1;
        self.groups.push(Arc::new(TargetGroup {
            arn: Arc::clone(&arn),
            origin: Origin::Ours {
                name: name.to_owned(),
            },
            side,
            complete,
        }));
        arn
    }

    /// ModifyTargetGroupAttributes.
    ///
    /// # Errors
    /// When there is no such group.
    pub fn set_attributes(&mut self, arn: &TargetGroupArn) -> Result<(), Refused> {
        let n = self.position(arn).ok_or(Refused)?;
        Arc::make_mut(&mut self.groups[n]).complete = true;
        Ok(())
    }

    /// DeleteTargetGroup.
    ///
    /// # Errors
    /// When any rule refers to it. A group that is gone is no error.
    pub fn delete(&mut self, arn: &TargetGroupArn) -> Result<(), Refused> {
        let Some(gone) = self.position(arn) else {
            return Ok(());
        };
        if self.weight(usize::MAX, gone).is_some() {
            return Err(Refused);
        }
        self.groups.remove(gone);
        for forward in &mut self.rules {
            let moved = forward
                .iter()
                .map(|(n, weight)| (n - usize::from(*n > gone), *weight));
            *forward = moved.collect();
        }
        Ok(())
    }

    /// ModifyListener or ModifyRule as the operator sends it: groups that it does not know of are kept.
    ///
    /// # Errors
    /// When one of the groups is gone.
    pub fn forward(
        &mut self,
        rule: usize,
        groups: &[Option<TargetGroupArn>; 2],
        forget: &[TargetGroupArn],
        weights: [Option<u32>; 2],
    ) -> Result<(), Refused> {
        let mut next = self.rules[rule].clone();
        let known = groups.iter().flatten().chain(forget);
        for n in known.filter_map(|arn| self.position(arn)) {
            next.remove(&n);
        }
        for (arn, weight) in groups.iter().zip(weights) {
            if let (Some(arn), Some(weight)) = (arn, weight) {
                next.insert(self.position(arn).ok_or(Refused)?, weight);
            }
        }
        self.rules[rule] = next;
        Ok(())
    }

    /// A person sets the weights of the sides.
    pub fn set_weights(&mut self, rule: usize, sides: &Sides, weights: [Option<u32>; 2]) {
        let mut next = self.rules[rule].clone();
        for (holder, weight) in sides.holders.iter().zip(weights) {
            match (holder, weight) {
                (Some(holder), Some(weight)) => drop(next.insert(*holder, weight)),
                (Some(holder), None) => drop(next.remove(holder)),
                (None, _) => {}
            }
        }
        self.rules[rule] = next;
    }
}

/// The rules of the model: production, test, and those that the spec does not list.
pub fn rules(setup: &Setup) -> impl Iterator<Item = (&RuleTarget, Role)> {
    let application = &setup.application;
    let role = |role| move |rule| (rule, role);
    let production = application.production().map(role(Role::Production));
    let test = application.test().map(role(Role::Test));
    let unlisted = setup.unlisted.iter().map(role(Role::Unlisted));
    production.chain(test).chain(unlisted)
}
