//! What is known of weights: how long a group has had none, and how often somebody else changed them.

use std::collections::BTreeSet;

use crd_schema::TargetGroupArn;
use crd_schema::application::RuleTarget;

use super::{Barrier, Former, Health, Memory, Shares};
use crate::ablation;
use crate::effect;
use crate::time::Mono;
use crate::tuning::Tuning;
use crate::world::{Action, Group, Role, Rule, Side};
use crate::write::Write;

impl Memory {
    /// Since when no rule gives a spare group weight: from the end of the round of reads that was begun at `at`.
    pub(super) fn absorb_spares(
        &mut self,
        spares: &[Group],
        rules: &[Rule],
        at: Mono,
        until: Mono,
    ) {
        let unseen = rules.iter().any(|rule| self.lacks_own_weights(rule, at));
        let idle = spares.iter().map(|group| &group.arn).filter(|arn| {
            let weights = |rule: &Rule| other_weight(rule, arn).unwrap_or(0);
            rules.iter().all(|rule| weights(rule) == 0)
        });
        self.spare_since = idle
            .filter_map(|arn| {
                let since = self.spare_since.get(arn).copied();
                Some((arn.clone(), since.or((!unseen).then_some(until))?))
            })
            .collect();
    }

    /// Since when no rule gives a side weight: from the end of the read that was begun at `at`. A read that lacks an own
    /// write of weights is a stale one: it starts no wait.
    pub(super) fn absorb_rules(
        &mut self,
        rules: &[Rule],
        groups: [Option<&Group>; 2],
        at: Mono,
        until: Mono,
    ) {
        let stale = rules.iter().any(|rule| self.lacks_own_weights(rule, at));
        for side in Side::BOTH {
            let group = groups[side.index()];
            let any = rules.iter().any(|rule| gives(rule, side, group));
            let since = &mut self.zero_since[side.index()];
            *since = match *since {
                _ if any => None,
                None if stale => None,
                known => Some(known.unwrap_or(until)),
            };
        }
    }

    /// ELB forgets what it knows of a group's health when the last rule that names it does so no more. Where none of those
    /// rules is left and others name it, that may have happened unseen, and health from before says nothing.
    pub(super) fn absorb_naming(&mut self, rules: &[Rule], tuning: &Tuning) {
        for side in Side::BOTH {
            let naming = rules.iter().filter(|rule| names(rule, side));
            let naming: BTreeSet<(usize, RuleTarget)> = naming
                .map(|rule| (rule.route, rule.target.clone()))
                .collect();
            let before = &self.named_by[side.index()];
            let of = |route| before.iter().filter(move |(of, _)| *of == route);
            let mut routes = before.iter().map(|(route, _)| *route);
            let moved = routes.any(|route| of(route).all(|rule| !naming.contains(rule)));
            if moved && !tuning.without(ablation::Rule::HealthByOtherRules) {
                self.health[side.index()] = Health::default();
            }
            self.named_by[side.index()] = naming;
        }
    }

    /// Whether somebody else changed production weights. A read that lacks an own write shows no foreign change. Nor does
    /// one that shows what was there before somebody else's change, as long as that may be an old answer.
    pub(super) fn absorb_changes(
        &mut self,
        rules: &[Rule],
        groups: [Option<&Group>; 2],
        at: Mono,
        tuning: &Tuning,
    ) {
        // What changes soon after a start may be an earlier self's write, which lands late or is shown late.
        let landed = match self.clean_start {
            Some(true) => self.leading_since,
            Some(false) | None => self.leading_since + tuning.quiescence,
        };
        let earlier_self = at < landed + tuning.staleness;
        self.former.retain(|former| at < former.until);
        let mut foreign = false;
        for rule in rules {
            let Action::Forward {
                weights, others, ..
            } = &rule.action
            else {
                continue;
            };
            if rule.role != Role::Production || self.lacks_own_weights(rule, at) {
                continue;
            }
            let holders = groups.map(|group| group?.of_route(rule.route).cloned());
            let mut read = shares(&holders, *weights);
            read.extend(others.iter().filter(|(_, weight)| *weight > 0).cloned());
            let is_old = |former: &Former| former.rule == rule.target && former.weights == read;
            if self.former.iter().any(is_old) && !tuning.without(ablation::Rule::OldWeights) {
                continue;
            }
            let Some(before) = self.weights.insert(rule.target.clone(), read.clone()) else {
                continue;
            };
            if before != read {
                foreign |= !earlier_self && !self.may_be_late(&rule.target, &read);
                self.former.push(Former {
                    rule: rule.target.clone(),
                    weights: before,
                    until: at + tuning.staleness,
                });
            }
        }
        if self.record.rollout.is_none() {
            self.foreign_changes = 0;
        } else if foreign {
            self.foreign_changes += 1;
        }
    }

    /// An own write of this rule is outstanding, or answered and not shown by a read that began at `at`.
    fn lacks_own_weights(&self, rule: &Rule, at: Mono) -> bool {
        let ours = |write: &Write| matches!(write, Write::SetWeights { rule: target, .. } if *target == rule.target);
        let outstanding = self
            .outstanding
            .as_ref()
            .is_some_and(|sent| ours(&sent.write));
        let unseen = |barrier: &Barrier| {
            ours(&barrier.write)
                && (at < barrier.since || !effect::shows_weights(rule, &barrier.write))
        };
        outstanding || self.barriers.values().any(unseen)
    }

    /// A write of ours whose outcome was never known would make these weights.
    fn may_be_late(&self, rule: &RuleTarget, read: &Shares) -> bool {
        self.unsettled.iter().any(|late| {
            matches!(&late.write, Write::SetWeights { rule: target, groups, weights, .. }
                if target == rule && shares(groups, weights.get()) == *read)
        })
    }
}

/// Weights by the groups that hold the sides: those above 0.
pub(super) fn shares(holders: &[Option<TargetGroupArn>; 2], weights: [Option<u32>; 2]) -> Shares {
    let named = holders.iter().zip(weights);
    named
        .filter_map(|(arn, weight)| Some((arn.clone()?, weight.filter(|weight| *weight > 0)?)))
        .collect()
}

fn names(rule: &Rule, side: Side) -> bool {
    matches!(&rule.action, Action::Forward { weights, .. } if weights[side.index()].is_some())
}

/// The weight that `rule` gives to `side`: 0 when it does not name it.
pub fn weight(rule: &Rule, side: Side) -> u32 {
    match &rule.action {
        Action::Forward { weights, .. } => weights[side.index()].unwrap_or(0),
        Action::Other { .. } | Action::Missing => 0,
    }
}

/// The rule gives `side` weight, whose groups are `group`: its own route's, or by mistake another route's.
pub(crate) fn gives(rule: &Rule, side: Side, group: Option<&Group>) -> bool {
    let crossed = |group: &Group| {
        let mut arns = group.members.iter().map(|member| &member.arn);
        arns.any(|arn| other_weight(rule, arn) > Some(0))
    };
    weight(rule, side) > 0 || group.is_some_and(crossed)
}

/// The weight that `rule` gives to a group that holds no side; none when it does not name it.
pub(crate) fn other_weight(rule: &Rule, group: &TargetGroupArn) -> Option<u32> {
    match &rule.action {
        Action::Forward { others, .. } => {
            let named = others.iter().find(|(arn, _)| arn == group);
            named.map(|(_, weight)| *weight)
        }
        Action::Other { .. } | Action::Missing => None,
    }
}
