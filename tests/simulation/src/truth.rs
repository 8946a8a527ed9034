//! What is so, whatever anybody sees of it: the account, its load balancer's nodes, and writes that are on their way.

use std::collections::{BTreeMap, VecDeque};

use crd_schema::TargetGroupArn;
use crd_schema::application::RuleTarget;
use crd_schema::record::Generation;
use planner::lab::{DRAIN, Lab, LabService, TASK_START};
use planner::memory::weight;
use planner::world::{Action, Origin, Role, Rule, Service, ServiceStatus};
use planner::{Read, Side, World, Write};

use crate::plan::{Part, Test, Which, Word};
use crate::sides;

/// From a task that runs to a target that is healthy, in milliseconds.
const HEALTH_CHECK: u64 = 5_000;

/// The account and what belongs to it.
#[derive(Debug)]
pub(crate) struct Truth {
    pub(crate) lab: Lab,
    /// Milliseconds that nodes of the load balancer take to adopt new weights.
    pub(crate) node_lag: u64,
    /// Weights that some nodes still apply, and until when.
    adopting: Vec<(RuleTarget, [Option<u32>; 2], u64)>,
    /// Versions whose tasks fail for a while, and until when.
    sick: Vec<(String, u64)>,
    /// Parts that cannot be read, and until when.
    unreadable: Vec<(Part, u64)>,
    /// Parts that are read as they were.
    frozen: Vec<Frozen>,
    pub(crate) throttled_until: u64,
    /// What gates, the alarm and the analysis say when it is not that all is well, since when and until when.
    says: Vec<(Test, Word, u64, u64)>,
    /// Until when a person has paused the application.
    paused_until: Option<u64>,
    /// The target group that each service was created with, when groups come and go.
    bound: BTreeMap<String, TargetGroupArn>,
    /// Services that are gone: ECS still describes them by name, as INACTIVE.
    gone: Vec<Service>,
    /// The account as it was, when old answers are part of the plan.
    history: Option<VecDeque<(u64, Lab)>>,
}

#[derive(Debug)]
struct Frozen {
    part: Part,
    world: World,
    until: u64,
    /// Every other read is fresh.
    flickers: bool,
    turn: bool,
}

/// What a single answer does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    Unread(Part),
    Stale(Part, u64),
}

impl Truth {
    pub(crate) fn new(lab: Lab, keep_history: bool) -> Self {
        let history = keep_history.then(|| VecDeque::from([(lab.now, lab.clone())]));
        let mut truth = Self {
            lab,
            bound: BTreeMap::new(),
            node_lag: 0,
            adopting: Vec::new(),
            sick: Vec::new(),
            unreadable: Vec::new(),
            frozen: Vec::new(),
            throttled_until: 0,
            says: Vec::new(),
            paused_until: None,
            gone: Vec::new(),
            history,
        };
        truth.bind();
        truth
    }

    /// Keeps which group each service was created with.
    fn bind(&mut self) {
        if self.lab.application.group_template().is_none() {
            return;
        }
        for service in &self.lab.services {
            let group = service
                .shown
                .side
                .map(|side| &self.lab.groups[side.index()]);
            if let Some(Some(group)) = group
                && !self.bound.contains_key(&service.shown.name)
            {
                let name = service.shown.name.clone();
                self.bound.insert(name, group.arn.clone());
            }
        }
    }

    /// The next moment at which something changes by itself, besides what the account does.
    pub(crate) fn next_change(&self) -> Option<u64> {
        let sick = self.sick.iter().map(|(_, until)| *until);
        sick.chain(self.paused_until).min()
    }

    /// A person pauses the application, or all of them.
    pub(crate) fn pause(&mut self, until: u64, all: bool) {
        self.lab.intents.paused |= !all;
        self.lab.intents.all_paused |= all;
        self.paused_until = self.paused_until.max(Some(until));
    }

    /// A gate that is tried, the alarm or the analysis says so from now on.
    pub(crate) fn speak(&mut self, test: Test, word: Word, until: u64) {
        self.says.push((test, word, self.lab.now, until));
    }

    /// The rollout that is under way, as its record tells, and the step that runs.
    pub(crate) fn rolled_out(&self) -> Option<(Generation, Option<u32>)> {
        let (_, record) = self.lab.record.as_ref()?;
        let rollout = record.rollout.as_ref()?;
        let step = rollout.step.as_ref().map(|step| step.index);
        Some((rollout.release.generation, step))
    }

    /// What it says, and since when; none: that all is well.
    pub(crate) fn said(&self, test: Test) -> Option<(Word, u64)> {
        let mut says = self.says.iter().filter(|(of, ..)| *of == test);
        says.next().map(|(_, word, since, _)| (*word, *since))
    }

    /// Time passes up to `now`.
    pub(crate) fn advance(&mut self, now: u64) {
        let over = |service: &&LabService| service.gone_at.is_some_and(|at| at <= now);
        for service in self.lab.services.iter().filter(over) {
            let mut gone = service.shown.clone();
            gone.status = ServiceStatus::Inactive;
            self.gone.push(gone);
        }
        self.lab.advance(now.saturating_sub(self.lab.now));
        let lab = &mut self.lab;
        self.sick.retain(|(version, until)| {
            let over = *until <= now;
            if over {
                lab.broken.remove(version);
            }
            !over
        });
        if self.paused_until.is_some_and(|until| until <= now) {
            self.paused_until = None;
            (self.lab.intents.paused, self.lab.intents.all_paused) = (false, false);
            self.changed();
        }
        self.says.retain(|(.., until)| *until > now);
        self.unreadable.retain(|(_, until)| *until > now);
        self.frozen.retain(|frozen| frozen.until > now);
        self.adopting.retain(|(_, _, until)| *until > now);
    }

    /// Nothing is wrong with the services that are read, nor with tasks.
    pub(crate) fn is_calm(&self) -> bool {
        self.sick.is_empty()
            && self.says.is_empty()
            && self.paused_until.is_none()
            && self.unreadable.is_empty()
            && self.frozen.is_empty()
            && self.throttled_until <= self.lab.now
    }

    /// The account changed: what old answers may show is kept.
    pub(crate) fn changed(&mut self) {
        self.bind();
        if let Some(history) = &mut self.history {
            history.push_back((self.lab.now, self.lab.clone()));
            if history.len() > 12 {
                history.pop_front();
            }
        }
    }

    /// Production weights are about to change: nodes that lag keep the old ones for a while.
    pub(crate) fn reweigh(&mut self, target: &RuleTarget, next: [Option<u32>; 2]) {
        if self.node_lag == 0 {
            return;
        }
        let until = self.lab.now + self.node_lag;
        let rule = self.lab.rules.iter().find(|rule| rule.target == *target);
        if let Some(Action::Forward { weights, .. }) = rule.map(|rule| &rule.action)
            && *weights != next
        {
            self.adopting.push((target.clone(), *weights, until));
        }
    }

    /// Some task on this side does what it is there for.
    pub(crate) fn works(&self, side: Side) -> bool {
        if !self.lab.application.is_worker() {
            return self.lab.healthy(side) > 0;
        }
        let mut services = self.lab.services.iter().map(|service| &service.shown);
        services
            .any(|service| service.side == Some(side) && self.lab.working(&service.name) != (0, 0))
    }

    /// Traffic can be moved from one service to another.
    pub(crate) fn moves_traffic(&self) -> bool {
        !self.lab.application.is_worker() && !self.lab.application.is_rolling()
    }

    /// Some request may be sent to a group of a production rule that has no healthy target while the other has one; where
    /// no traffic can be moved: nothing works.
    pub(crate) fn loses_requests(&self) -> bool {
        if !self.moves_traffic() {
            let mut services = self.lab.services.iter().map(|service| &service.shown);
            return !services.any(|service| self.lab.working(&service.name) != (0, 0));
        }
        let dead: Vec<Side> = Side::BOTH
            .into_iter()
            .filter(|side| !self.lives(*side) && self.lives(side.other()))
            .collect();
        dead.iter().any(|side| self.in_force(*side))
    }

    /// Some target of the group passes its health check. As [`Lab::healthy`] counts them, without making a list.
    fn lives(&self, side: Side) -> bool {
        let healthy_from = |started: u64| started + TASK_START + HEALTH_CHECK;
        let named = |rule: &Rule| matches!(&rule.action, Action::Forward { weights, .. } if weights[side.index()].is_some());
        if !self.lab.rules.iter().any(named) {
            return false;
        }
        self.lab.services.iter().any(|service| {
            let Service { tags, side: on, .. } = &service.shown;
            let version = tags.version.as_ref();
            *on == Some(side)
                && !version.is_some_and(|version| self.lab.broken.contains(version))
                && service
                    .tasks
                    .values()
                    .any(|started| self.lab.now >= healthy_from(*started))
        })
    }

    /// Some node gives `side` weight by a production rule.
    fn in_force(&self, side: Side) -> bool {
        let production = |target: &RuleTarget| {
            self.lab
                .rules
                .iter()
                .any(|rule| rule.target == *target && rule.role == Role::Production)
        };
        let asked = self
            .lab
            .rules
            .iter()
            .any(|rule| rule.role == Role::Production && weight(rule, side) > 0);
        asked
            || self.adopting.iter().any(|(target, weights, _)| {
                production(target) && weights[side.index()].unwrap_or(0) > 0
            })
    }

    /// Some node gives the other group nothing, and `side` something, or might: weights that lag stand against this.
    pub(crate) fn lags_behind(&self, side: Side) -> bool {
        self.adopting
            .iter()
            .any(|(_, weights, _)| weights[side.index()].unwrap_or(0) > 0)
    }

    /// Name of a live service.
    pub(crate) fn which(&self, which: Which) -> Option<String> {
        let mut live: Vec<_> = self
            .lab
            .services
            .iter()
            .filter(|service| service.shown.status == ServiceStatus::Active)
            .map(|service| (service.shown.created, service.shown.name.clone()))
            .collect();
        live.sort();
        match which {
            Which::Oldest => live.into_iter().next(),
            Which::Newest => live.into_iter().next_back(),
        }
        .map(|(_, name)| name)
    }

    /// Tasks of a service stop, the oldest first; ECS starts others.
    pub(crate) fn crash_tasks(&mut self, name: &str, all: bool) {
        let now = self.lab.now;
        let found = self.lab.services.iter_mut().find(|s| s.shown.name == name);
        let Some(service) = found else { return };
        let count = service.shown.desired;
        let mut stopped = Vec::new();
        while let Some((address, _)) = service.tasks.pop_first() {
            stopped.push((address, now + DRAIN));
            if !all {
                break;
            }
        }
        if let Some(side) = service.shown.side {
            self.lab.draining[side.index()].extend(stopped);
        }
        self.lab.scale(name, count);
    }

    /// A version's tasks fail their health checks until then. One that never passes them stays so.
    pub(crate) fn sicken(&mut self, name: &str, until: u64) {
        let found = self.lab.services.iter().find(|s| s.shown.name == name);
        let Some(version) = found.and_then(|service| service.shown.tags.version.clone()) else {
            return;
        };
        let is_sick = self.sick.iter_mut().find(|(sick, _)| *sick == version);
        if let Some((_, longer)) = is_sick {
            *longer = until.max(*longer);
        } else if self.lab.broken.insert(version.clone()) {
            self.sick.push((version, until));
        }
    }

    pub(crate) fn unreadable(&mut self, part: Part, until: u64) {
        self.unreadable.push((part, until));
    }

    pub(crate) fn freeze(&mut self, part: Part, until: u64, flickers: bool) {
        let world = self.lab.observe();
        self.frozen.push(Frozen {
            part,
            world,
            until,
            flickers,
            turn: false,
        });
    }

    /// The same request again: AWS answers as it did before, and nothing changes.
    pub(crate) fn has(&self, write: &Write) -> bool {
        let lab = &self.lab;
        let mut groups = lab.groups.iter().flatten().chain(&lab.spares);
        match write {
            Write::CreateService { name, .. } => lab
                .services
                .iter()
                .any(|service| service.shown.name == *name),
            Write::CreateTargetGroup { name, .. } => groups
                .any(|group| matches!(&group.origin, Origin::Ours { name: held } if held == name)),
            Write::SetGroupAttributes { group, attributes } => groups.any(|known| {
                let same = |(key, value)| known.attributes.get(key) == Some(value);
                known.arn == *group && attributes.iter().all(same)
            }),
            Write::DeleteTargetGroup { group } => groups.all(|known| known.arn != *group),
            Write::PutRecord(_)
            | Write::RegisterTaskDefinition { .. }
            | Write::ScaleService { .. }
            | Write::UpdateService { .. }
            | Write::SetWeights { .. }
            | Write::TagService { .. }
            | Write::DeleteService { .. }
            | Write::SetScaling { .. }
            | Write::DeregisterTaskDefinition { .. } => false,
        }
    }

    /// What a read shows now of `world`, which is so; services that lists do not show are asked for by name.
    pub(crate) fn read(
        &mut self,
        mut world: World,
        answers: &[Answer],
        by_name: &[String],
    ) -> Seen {
        let now = self.lab.now;
        let mut oldest = now;
        // Who held the sides where the rules were read.
        let mut named = sides::holders(&world);
        for frozen in &mut self.frozen {
            frozen.turn = !frozen.turn;
            if frozen.flickers && !frozen.turn {
                continue;
            }
            take(&mut world, &frozen.world, frozen.part);
            if frozen.part == Part::Rules {
                named = sides::holders(&frozen.world);
            }
            oldest = oldest.min(frozen.world.services.at().map_or(now, |at| at.0));
        }
        for answer in answers {
            if let Answer::Stale(part, age) = answer
                && let Some(old) = self.as_of(now.saturating_sub(*age))
            {
                take(&mut world, &old, *part);
                if *part == Part::Rules {
                    named = sides::holders(&old);
                }
                oldest = oldest.min(now.saturating_sub(*age));
            }
        }
        if let Read::Known { value, .. } = &mut world.services {
            let shown = |name: &String, all: &[Service]| all.iter().any(|s| s.name == *name);
            for name in by_name {
                let gone = self.gone.iter().rfind(|gone| gone.name == *name);
                value.extend(gone.filter(|_| !shown(name, value)).cloned());
            }
        }
        if self.lab.application.group_template().is_some() {
            if let (Some(then), Some(held)) = (named, sides::holders(&world)) {
                sides::rules(&mut world, &then, &held);
            }
            sides::services(&mut world, &self.bound);
        }
        let once = answers.iter().filter_map(|answer| match answer {
            Answer::Unread(part) => Some(*part),
            Answer::Stale(..) => None,
        });
        let throttled = (self.throttled_until > now).then_some(Part::ALL);
        let unread = self.unreadable.iter().map(|(part, _)| *part).chain(once);
        let unread: Vec<Part> = unread.chain(throttled.into_iter().flatten()).collect();
        for part in &unread {
            hide(&mut world, *part);
        }
        Seen {
            world,
            oldest,
            unread,
        }
    }

    fn as_of(&self, at: u64) -> Option<World> {
        let history = self.history.as_ref()?;
        let (_, lab) = history
            .iter()
            .rfind(|(since, _)| *since <= at)
            .or(history.front())?;
        let mut lab = lab.clone();
        lab.advance(at.saturating_sub(lab.now));
        Some(lab.observe())
    }
}

/// One answer.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) world: World,
    /// The oldest moment that any part shows.
    pub(crate) oldest: u64,
    pub(crate) unread: Vec<Part>,
}

fn take(world: &mut World, old: &World, part: Part) {
    match part {
        Part::Services => world.services = old.services.clone(),
        Part::Rules => world.rules = old.rules.clone(),
        Part::Health => {
            world.groups = old.groups.clone();
            world.own = old.own.clone();
        }
        Part::Record => world.record = old.record.clone(),
        Part::Desired => world.desired = old.desired.clone(),
        Part::Revisions => world.revisions = old.revisions.clone(),
        Part::Intents => world.intents = old.intents.clone(),
    }
}

fn hide(world: &mut World, part: Part) {
    fn unread<T>() -> Read<T> {
        Read::Unread {
            reason: "throttled: slow down".to_owned(),
        }
    }
    match part {
        Part::Services => world.services = unread(),
        Part::Rules => world.rules = unread(),
        Part::Health => {
            world.groups = [unread(), unread()];
            world.own = unread();
        }
        Part::Record => world.record = unread(),
        Part::Desired => world.desired = unread(),
        Part::Revisions => world.revisions = unread(),
        Part::Intents => world.intents = unread(),
    }
}

/// Stamps every part with when its read began.
pub(crate) fn stamp(world: &mut World, begun: planner::Mono) {
    fn set<T>(read: &mut Read<T>, begun: planner::Mono) {
        if let Read::Known { at, .. } = read {
            *at = begun;
        }
    }
    set(&mut world.desired, begun);
    set(&mut world.record, begun);
    set(&mut world.services, begun);
    set(&mut world.rules, begun);
    world.groups.iter_mut().for_each(|group| set(group, begun));
    set(&mut world.own, begun);
    set(&mut world.base, begun);
    set(&mut world.revisions, begun);
    set(&mut world.intents, begun);
    set(&mut world.scaling, begun);
}
