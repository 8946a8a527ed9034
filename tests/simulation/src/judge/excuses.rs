//! What people and the world did between the operator's look and the effect of a write, and what it may therefore do.

use super::*;

impl Judge {
    /// Somebody else did, after the operator looked, what makes this write wrong.
    pub(crate) fn excused(&self, lab: &Lab, property: &str, issue: &Issue) -> bool {
        let worker = lab.application.is_worker();
        let ms = |bound: Duration| u64::try_from(bound.as_millis()).unwrap_or(u64::MAX);
        match property {
            // What is read again before a write does not tell whether services that it counts on are still there.
            "S1" => self.acted_since(issue.unseen_since(), &[Act::Services]),
            // A group that is out of every rule for a moment, between two looks, is not checked in that moment.
            "S2" => {
                self.acted_since(issue.unseen_since(), &[Act::Services, Act::Health])
                    || self.acted_since(
                        issue
                            .unseen_since()
                            .saturating_sub(ms(self.tuning.health_gap)),
                        &[Act::Weights],
                    )
            }
            // Weights that come and go between two looks start the settle time again, and nobody can have seen it.
            // Nor whether what takes a worker's place still works.
            "S4" if worker => self.acted_since(issue.unseen_since(), &[Act::Services, Act::Health]),
            "S4" | "S5" => {
                self.acted_since(issue.looked, &[Act::Services])
                    || self.acted_since(issue.looked.saturating_sub(SETTLE), &[Act::Weights])
            }
            "S9" => self.acted_since(issue.looked, &[Act::Services, Act::Weights]),
            // A person starts tasks of a service that slept.
            "S11" => self.acted_since(issue.unseen_since(), &[Act::Services]),
            _ => false,
        }
    }

    /// It is no harm where it lands, late as it is, or none that anybody could have kept away.
    pub(super) fn harmless(&self, lab: &Lab, property: &str, issue: &Issue) -> bool {
        match (&issue.write, property) {
            // Weights that were sent while nothing lived, and AWS carries out minutes later: repair waits for nobody.
            // Or after another one, as late, that took the group out of the rule: nobody has checked its tasks since.
            (Write::SetWeights { weights, .. }, "S1" | "S2" | "Loss") => {
                let mut unnamed = self.unnamed_late.iter();
                let unchecked = property != "S1"
                    && unnamed.any(|(at, side)| {
                        *at >= issue.sent && raised(*weights).any(|raised| raised == *side)
                    });
                lab.now > issue.sent + self.quiescence() && (issue.dead == [true; 2] || unchecked)
            }
            // A removal, minutes late, of what was given traffic meanwhile since nothing else lived: repair waits for nobody.
            // Or a growth, of what has grown further since: it leaves what traffic needs, or there is none but tests'.
            (Write::ScaleService { name, from, to }, "S4") => {
                let mut services = lab.services.iter().map(|service| &service.shown);
                let side = services.find(|s| s.name == *name).and_then(|s| s.side);
                let mut repaired = self.repaired.iter();
                let given = repaired.any(|(at, to)| *at >= issue.sent && Some(*to) == side);
                let mut production = lab
                    .rules
                    .iter()
                    .filter(|rule| rule.role == Role::Production);
                let used = production.any(|rule| side.is_none_or(|side| weight(rule, side) > 0));
                let recorded = lab
                    .record
                    .as_ref()
                    .and_then(|(_, record)| record.rollout.as_ref());
                let whole = recorded.map_or(lab.application.template.desired_count, |rollout| {
                    rollout.reference
                });
                // A part of the traffic needs as large a part of the tasks.
                let part = |rule: &Rule| {
                    let of = |side: Side| weight(rule, side);
                    let (own, other) = side.map_or((1, 0), |side| (of(side), of(side.other())));
                    let all = own.saturating_add(other).max(1);
                    whole.saturating_mul(own).div_ceil(all)
                };
                let rules = lab.rules.iter();
                let need = rules
                    .filter(|rule| rule.role == Role::Production)
                    .map(part)
                    .max();
                let need = need.unwrap_or(whole);
                let leaves_enough = to > from && (!used || *to >= need);
                lab.now > issue.sent + self.quiescence() && (given || leaves_enough)
            }
            // Sent twice, the second one landed first, and somebody deleted what it made.
            (Write::CreateService { name, .. }, "S10") => {
                self.names.get(name).is_some_and(|at| *at >= issue.sent)
                    && self.acted_since(issue.sent, &[Act::Services])
            }
            // One group too many, empty and in no rule, since it or the other one came late: the operator takes it away (L5).
            (Write::CreateTargetGroup { .. }, "S11") => {
                let since = issue.unseen_since();
                lab.now > issue.sent + self.quiescence()
                    || self.late_groups.iter().any(|at| *at >= since)
            }
            // It was sent before the rejection, and AWS carries it out minutes later: nothing is tried again. It never gets
            // weight, and the operator takes it away (L5), or goes back from it.
            (
                Write::CreateService { .. }
                | Write::CreateTargetGroup { .. }
                | Write::RegisterTaskDefinition { .. }
                | Write::UpdateService { .. },
                "S8",
            ) => {
                let of = match &issue.write {
                    Write::UpdateService { to, .. } => {
                        lab.told.get(to).and_then(|told| told.generation)
                    }
                    Write::CreateService { body, .. }
                    | Write::CreateTargetGroup { body, .. }
                    | Write::RegisterTaskDefinition { body, .. } => generation(body),
                    _ => None,
                };
                let rejected = of.and_then(|of| self.rejected.get(&of));
                // Or somebody on the way repeats it.
                let late = lab.now > issue.sent + self.quiescence() || self.has_landed(issue);
                late && rejected.is_some_and(|at| *at > issue.sent)
            }
            // Its targets came when it had had no weight for long: no request ever reached them.
            (Write::DeleteTargetGroup { group }, "S5") => {
                let held = |side: &Side| {
                    let holder = lab.groups[side.index()].as_ref();
                    holder.is_some_and(|holder| holder.arn == *group)
                };
                let Some(side) = Side::BOTH.into_iter().find(held) else {
                    return false;
                };
                let settled = self.oracle.zero_since[side.index()].map(|since| since.0 + SETTLE);
                let mut on = lab.services.iter().filter(|s| s.shown.side == Some(side));
                lab.draining[side.index()].is_empty()
                    && settled.is_some_and(|settled| {
                        on.all(|s| s.tasks.values().all(|at| at + TASK_START >= settled))
                    })
            }
            _ => false,
        }
    }

    /// Q, in milliseconds.
    pub(super) fn quiescence(&self) -> u64 {
        u64::try_from(self.tuning.quiescence.as_millis()).unwrap_or(u64::MAX)
    }

    /// Somebody took weight away after the last look, and the write, which was to leave it as it was, gives it back.
    pub(super) fn restores(&self, property: &str, issue: &Issue) -> bool {
        let Write::SetWeights { seen, weights, .. } = &issue.write else {
            return false;
        };
        let raises = |side: Side| weights.get()[side.index()] > seen[side.index()];
        matches!(property, "S1" | "S2")
            && !Side::BOTH
                .into_iter()
                .any(|side| raises(side) && weights.get()[side.index()] != Some(0))
            && self.acted_since(issue.looked, &[Act::Weights])
    }

    /// Somebody else, or the same write sent before, may have done what this write would do: then it looks as if it had
    /// taken effect.
    pub(crate) fn imitated(&self, issue: &Issue) -> bool {
        // An old answer may show what was so before somebody undid it.
        let lag = match &issue.write {
            Write::PutRecord(_) | Write::SetWeights { .. } => self.tuning.staleness,
            _ => self.tuning.ecs_staleness,
        };
        let lag = u64::try_from(lag.as_millis()).unwrap_or(u64::MAX);
        let others: &[Act] = match &issue.write {
            Write::PutRecord(_) => &[Act::Record],
            Write::SetWeights { .. } => &[Act::Weights],
            Write::CreateService { .. }
            | Write::ScaleService { .. }
            | Write::UpdateService { .. }
            | Write::TagService { .. }
            | Write::DeleteService { .. } => &[Act::Services],
            Write::RegisterTaskDefinition { .. }
            | Write::CreateTargetGroup { .. }
            | Write::SetGroupAttributes { .. }
            | Write::DeleteTargetGroup { .. }
            | Write::SetScaling { .. }
            | Write::DeregisterTaskDefinition { .. } => &[],
        };
        self.acted_since(issue.sent.saturating_sub(lag), others) || self.has_landed(issue)
    }

    /// The same write has taken effect since this one was sent.
    pub(super) fn has_landed(&self, issue: &Issue) -> bool {
        let what = issue.write.describe();
        let mut landed = self.landed.iter();
        landed.any(|(at, landed)| *at >= issue.sent && *landed == what)
    }

    pub(super) fn lost_by_others(&self, issue: &Issue) -> bool {
        self.acted_since(issue.unseen_since(), &[Act::Services, Act::Health])
            || self.acted_since(issue.looked, &[Act::Weights])
    }
}

/// It names a group on a test rule, or at 0, or takes it out: where requests are lost after it they were lost before, as
/// nothing lived until ELB checked the health of what it names.
pub(super) fn moves_nothing(lab: &Lab, write: &Write) -> bool {
    let Write::SetWeights {
        rule,
        seen,
        weights,
        ..
    } = write
    else {
        return false;
    };
    let mut rules = lab.rules.iter();
    let production = rules.any(|known| known.target == *rule && known.role == Role::Production);
    !production
        || seen.map(Option::unwrap_or_default) == weights.get().map(Option::unwrap_or_default)
}

/// No group that has weight lives, or did when this was sent, and each that gets more does: whatever was seen before, that
/// is no worse.
pub(super) fn repairs(lab: &Lab, issue: &Issue) -> bool {
    let Write::SetWeights { rule, weights, .. } = &issue.write else {
        return false;
    };
    let dead = |side: &Side| lab.healthy(*side) == 0;
    let died = |side: &Side| dead(side) || issue.dead[side.index()];
    let rule = lab.rules.iter().find(|known| known.target == *rule);
    rule.is_some_and(|rule| {
        Side::BOTH
            .iter()
            .all(|side| weight(rule, *side) == 0 || died(side))
    }) && raised(*weights).all(|side| !dead(&side))
}
