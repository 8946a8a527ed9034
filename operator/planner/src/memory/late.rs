//! Writes whose answer never came: how long they may still land, and what they would undo.

use std::time::Duration;

use crate::ablation;
use crate::effect;
use crate::time::{Mono, Now};
use crate::tuning::Tuning;
use crate::world::{Side, World};
use crate::write::Write;

use super::{Barrier, Memory, barrier};

/// A write that may still land, although it is no longer waited for.
#[derive(Debug, Clone, PartialEq)]
pub struct Unsettled {
    /// The write.
    pub write: Write,
    /// The group of the service that it concerns, as far as that was known.
    pub side: Option<Side>,
    /// Not after this.
    pub until: Mono,
}

impl Memory {
    /// Before this, an earlier process's writes may still land or be unseen.
    pub(crate) fn start_bound(&self, tuning: &Tuning, destructive: bool) -> Mono {
        let lag = tuning.staleness.max(tuning.ecs_staleness);
        let quiescence = if self.clean_start == Some(true) {
            Duration::ZERO
        } else if destructive {
            tuning.quiescence_destructive
        } else {
            tuning.quiescence
        };
        if tuning.without(ablation::Rule::StartWait) {
            return self.leading_since;
        }
        self.leading_since + lag + quiescence
    }

    /// Until when a write whose outcome was never known may make, or take away, what `write` counts on: the service
    /// that it gives weight to may still go, or have fewer tasks than that needs, another one may still come beside the one that it creates, or the group that
    /// it takes out of a rule, where its targets are checked no more, may still get weight there, or another task
    /// definition take the place of the one that it updates to. Nothing is taken away before all is settled.
    pub fn undone_until(&self, write: &Write, tuning: &Tuning) -> Option<&Unsettled> {
        let lands_late = !tuning.without(ablation::Rule::LateLanding);
        let raises = |side: Side| match write {
            Write::SetWeights { seen, weights, .. } => {
                weights.get()[side.index()].unwrap_or(0) > seen[side.index()].unwrap_or(0)
            }
            Write::PutRecord(_)
            | Write::RegisterTaskDefinition { .. }
            | Write::CreateTargetGroup { .. }
            | Write::SetGroupAttributes { .. }
            | Write::CreateService { .. }
            | Write::ScaleService { .. }
            | Write::UpdateService { .. }
            | Write::TagService { .. }
            | Write::DeleteService { .. }
            | Write::DeleteTargetGroup { .. }
            | Write::DeregisterTaskDefinition { .. }
            | Write::SetScaling { .. } => false,
        };
        let hurts = |late: &&Unsettled| match (&late.write, write) {
            (Write::CreateService { name, .. }, Write::CreateService { name: other, .. }) => {
                lands_late && name != other
            }
            (
                Write::UpdateService { name, to, .. },
                Write::UpdateService {
                    name: other,
                    to: next,
                    ..
                },
            ) => lands_late && name == other && to != next,
            (
                Write::SetWeights {
                    rule: raised,
                    weights: late,
                    ..
                },
                Write::SetWeights {
                    rule,
                    seen,
                    weights,
                    ..
                },
            ) => {
                let leaves = |side: Side| {
                    let at = side.index();
                    late.get()[at] > Some(0) && seen[at].is_some() && weights.get()[at].is_none()
                };
                let production = self.weights.contains_key(rule);
                lands_late && production && raised == rule && Side::BOTH.into_iter().any(leaves)
            }
            _ => {
                let takes = |side: Side| {
                    late.write.is_destructive() || leaves_too_few(&late.write, write, side)
                };
                let goes = late.side.is_some_and(|side| raises(side) && takes(side));
                write.is_destructive() || (lands_late && goes)
            }
        };
        self.unsettled
            .iter()
            .filter(hurts)
            .max_by_key(|late| late.until)
    }

    /// Outstanding writes and barriers end when the world shows them, or when their bound has passed.
    pub(super) fn settle_writes(&mut self, world: &World, tuning: &Tuning, now: Now) {
        self.lift_barriers(world, tuning, now);
        if let Some(sent) = &self.outstanding {
            // A value that may have been there before proves nothing while a read may show what was before.
            let from = if effect::recurs(&sent.write) {
                sent.since + effect::lag(&sent.write, tuning)
            } else {
                sent.since
            };
            let read_after = effect::read_at(world, &sent.write).is_some_and(|at| at >= from);
            // Soon after another write of the same thing, a read may show what was so before that one.
            let rewritten = self.barriers.contains_key(&effect::subject(&sent.write))
                || matches!(sent.write, Write::PutRecord(_)) && self.record_is_fresh(tuning, now);
            if read_after && !rewritten && self.landed(world, &sent.write) {
                let write = sent.write.clone();
                self.outstanding = None;
                self.unsettled.pop();
                self.applied(&write, tuning, now);
            } else if now.mono.since(sent.since) >= tuning.quiescence {
                self.outstanding = None;
            }
        }
        self.seen_late(world, tuning, now);
        self.unsettled.retain(|late| now.mono < late.until);
    }

    /// The last write shows, and nothing else that was sent could have made it so: an earlier one without an answer, of
    /// the same effect, may be what shows, while the last one is still to come.
    fn landed(&self, world: &World, sent: &Write) -> bool {
        let subject = effect::subject(sent);
        let alike = |late: &&Unsettled| {
            effect::subject(&late.write) == subject && effect::shows(world, &late.write)
        };
        effect::shows(world, sent) && self.unsettled.iter().filter(alike).count() == 1
    }

    /// What a create without an answer made is there: a read that does not show it any more is an older one.
    fn seen_late(&mut self, world: &World, tuning: &Tuning, now: Now) {
        let creates = self.unsettled.iter().filter(|late| match &late.write {
            Write::CreateService { .. } | Write::CreateTargetGroup { .. } => true,
            Write::PutRecord(_)
            | Write::RegisterTaskDefinition { .. }
            | Write::SetGroupAttributes { .. }
            | Write::SetWeights { .. }
            | Write::ScaleService { .. }
            | Write::UpdateService { .. }
            | Write::SetScaling { .. }
            | Write::TagService { .. }
            | Write::DeleteService { .. }
            | Write::DeleteTargetGroup { .. }
            | Write::DeregisterTaskDefinition { .. } => false,
        });
        let seen = creates.filter(|late| {
            !tuning.without(barrier(&late.write)) && effect::shows(world, &late.write)
        });
        let seen = seen.map(|late| {
            let (write, since) = (late.write.clone(), now.mono);
            (effect::subject(&write), Barrier { write, since })
        });
        self.barriers.extend(seen);
    }

    /// Reads after a barrier's bound show its write.
    fn lift_barriers(&mut self, world: &World, tuning: &Tuning, now: Now) {
        self.barriers.retain(|_, barrier| {
            let from = barrier.since + effect::lag(&barrier.write, tuning);
            match effect::read_at(world, &barrier.write) {
                Some(at) => at < from,
                // What depends on scaling waits for a read by itself, and nothing else does.
                None if matches!(barrier.write, Write::SetScaling { .. }) => now.mono < from,
                None => true,
            }
        });
    }
}

/// The count that `late` sets, more than there was when it was sent, is less than what `write` gives `side` needs.
fn leaves_too_few(late: &Write, write: &Write, side: Side) -> bool {
    match (late, write) {
        (Write::ScaleService { to, .. }, Write::SetWeights { evidence, .. }) => evidence
            .iter()
            .any(|evidence| evidence.side == side && evidence.need > *to),
        (_, _) => false,
    }
}
