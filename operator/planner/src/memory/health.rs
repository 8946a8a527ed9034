//! What was seen of a group's health.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use crate::ablation;
use crate::time::Mono;
use crate::tuning::Tuning;
use crate::world::{Group, TargetState};

/// The health readings of a group that count: from the latest one that lies far enough before the newest, to the newest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Health {
    window: VecDeque<Reading>,
    /// The first and the last lie far enough apart.
    counts: bool,
}

/// One health reading of a group. What it shows was so at some moment from its beginning to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// When the read began: what is asked for evidence that is new.
    pub at: Mono,
    /// When it had ended: what is asked for since when it is so. A process may stand still in between.
    pub until: Mono,
    /// `address:port` of healthy targets.
    pub healthy: BTreeSet<String>,
    /// Of several routes: in whose group anything was healthy at all, by route. Empty with one route.
    pub answers: Vec<bool>,
}

impl Reading {
    /// Something was healthy in the group of this route, whoever it belongs to.
    pub fn answers_on(&self, route: usize) -> bool {
        let own = self.answers.get(route).copied();
        own.unwrap_or(!self.healthy.is_empty())
    }
}

impl Health {
    /// One more look at the group, begun at `at` and ended by `until`.
    pub(super) fn absorb(&mut self, group: &Group, at: Mono, until: Mono, tuning: &Tuning) {
        let healthy = group
            .targets
            .iter()
            .filter(|t| t.state == TargetState::Healthy)
            .map(|t| t.address.clone());
        let gap = tuning.health_gap.min(group.interval);
        let reading = Reading {
            at,
            until,
            healthy: healthy.collect(),
            answers: group.members.iter().map(|member| member.answers).collect(),
        };
        self.take_in(reading, gap, tuning);
    }

    /// One more reading; two that count lie at least `gap` apart.
    pub(super) fn take_in(&mut self, reading: Reading, gap: Duration, tuning: &Tuning) {
        let at = reading.at;
        if self.newest().is_some_and(|newest| at < newest.at) {
            return;
        }
        if tuning.without(ablation::Rule::TwoReadings) {
            self.window.clear();
        }
        self.window.push_back(reading);
        while self
            .window
            .get(1)
            .is_some_and(|next| at.since(next.until) >= gap)
        {
            self.window.pop_front();
        }
        let two = self.window.len() > 1
            && self
                .window
                .front()
                .is_some_and(|first| at.since(first.until) >= gap);
        self.counts = two || tuning.without(ablation::Rule::TwoReadings);
    }

    /// The readings that count, oldest first; none until two of them lie far enough apart.
    pub fn readings(&self) -> Option<impl Iterator<Item = &Reading> + Clone> {
        self.counts.then(|| self.window.iter())
    }

    /// Every reading that is kept, oldest first.
    pub fn kept(&self) -> impl Iterator<Item = &Reading> {
        self.window.iter()
    }

    /// The newest reading.
    pub fn newest(&self) -> Option<&Reading> {
        self.window.back()
    }
}
