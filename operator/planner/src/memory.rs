//! What only this process can know; lost with it. An empty memory means that every safety wait starts again.

mod health;
mod late;
mod weights;

pub use health::{Health, Reading};
pub use late::Unsettled;
pub use weights::weight;
pub(crate) use weights::{gives, other_weight};

use std::collections::{BTreeMap, BTreeSet};

use crd_schema::TargetGroupArn;
use crd_schema::application::{Application, RuleTarget};
use crd_schema::desired::Desired;
use crd_schema::intent::Intents;
use crd_schema::record::{Generation, Record, Release};

use crate::ablation;
use crate::effect;
use crate::release;
use crate::time::{Mono, Now};
use crate::tuning::Tuning;
use crate::world::{DesiredParameter, Read, RecordParameter, Service, ServiceStatus, Side, World};
use crate::write::Write;

/// The operator's short memory of one application.
#[derive(Debug, Clone, PartialEq)]
pub struct Memory {
    /// When this process began to be responsible for the application.
    pub leading_since: Mono,
    /// What the first readable record said of an earlier process: it handed over cleanly.
    pub clean_start: Option<bool>,
    /// The newest record known, seen or written.
    pub record: Record,
    /// Which write of the record parameter that is; none while there is none.
    pub record_generation: Option<Generation>,
    /// When this process last wrote the record.
    pub record_written: Option<Mono>,
    /// The last attempt to write the record was refused.
    pub record_refused: bool,
    /// Why AWS refused the step that is still to be taken; none once it, or another one, was taken.
    pub refused: Option<String>,
    /// The newest `desired` parameter seen.
    pub desired: Option<DesiredParameter>,
    /// The newest usable wish seen: what stays in force while `desired` cannot be read.
    pub wish: Option<(Generation, Desired)>,
    /// What people asked for when it was last read; none while it was never read.
    pub intents: Option<Intents>,
    /// Health readings of each group, or of the workers on each side, by [`Side::index`].
    pub health: [Health; 2],
    /// Since when every rule that was read shows no weight for the group, without interruption, by [`Side::index`].
    pub zero_since: [Option<Mono>; 2],
    /// The same for groups of ours that hold no side.
    pub spare_since: BTreeMap<TargetGroupArn, Mono>,
    /// Since when each service's group was seen to be gone, without interruption.
    pub gone_since: BTreeMap<String, Mono>,
    /// Who had weight by each production rule as it was last seen or written by us.
    pub weights: BTreeMap<RuleTarget, Shares>,
    /// Production weights that somebody else changed, as long as old answers may show them.
    pub former: Vec<Former>,
    /// How often somebody else changed production weights in the present rollout.
    pub foreign_changes: u32,
    /// A write whose outcome is not known.
    pub outstanding: Option<Outstanding>,
    /// Writes whose outcome was never known, until nothing of them can land any more.
    pub unsettled: Vec<Unsettled>,
    /// Own writes that reads may not show yet, by what they change.
    pub barriers: BTreeMap<String, Barrier>,
    /// Which group each service was last seen on.
    pub sides: BTreeMap<String, Side>,
    /// The services that would be created next were looked for by name in the newest round: nothing that the record says
    /// of their names is newer.
    pub looked_for: bool,
    /// Which group holds each side: of several routes, the first one's.
    pub holders: [Option<TargetGroupArn>; 2],
    /// The rules that name each side's group, as they were last seen, with the route whose group it is; by
    /// [`Side::index`].
    pub named_by: [BTreeSet<(usize, RuleTarget)>; 2],
}

/// A write whose outcome is not known.
#[derive(Debug, Clone, PartialEq)]
pub struct Outstanding {
    /// The write.
    pub write: Write,
    /// When it was sent, or when its sending ended without an answer.
    pub since: Mono,
}

/// The groups that a rule gives weight, and how much. By ARN: with a group for each release, which group holds which
/// side may be read later than what the rule says of it.
pub type Shares = BTreeMap<TargetGroupArn, u32>;

/// Weights of a production rule before somebody else changed them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Former {
    /// Whose.
    pub rule: RuleTarget,
    /// The weights.
    pub weights: Shares,
    /// A read that begins later shows them only if somebody changed them back.
    pub until: Mono,
}

/// An own write that reads must show before they are trusted.
#[derive(Debug, Clone, PartialEq)]
pub struct Barrier {
    /// The write.
    pub write: Write,
    /// When its answer came.
    pub since: Mono,
}

/// What became of a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WriteOutcome {
    /// AWS confirmed it.
    Applied,
    /// It never left: no effect.
    NotSent {
        /// Category and text.
        reason: String,
    },
    /// AWS refused it (any 4xx, throttling): no effect.
    Refused {
        /// Category and text.
        reason: String,
    },
    /// Time-out, reset or 5xx: it may have happened, or may yet.
    Unknown {
        /// Category and text.
        reason: String,
    },
}

impl Memory {
    /// Nothing is known yet; safety waits count from `leading_since`, the start of this process or of its leadership.
    pub fn new(leading_since: Mono) -> Self {
        Self {
            leading_since,
            clean_start: None,
            record: Record::default(),
            record_generation: None,
            record_written: None,
            record_refused: false,
            refused: None,
            desired: None,
            wish: None,
            intents: None,
            health: [Health::default(), Health::default()],
            zero_since: [None; 2],
            spare_since: BTreeMap::new(),
            gone_since: BTreeMap::new(),
            weights: BTreeMap::new(),
            former: Vec::new(),
            foreign_changes: 0,
            outstanding: None,
            unsettled: Vec::new(),
            barriers: BTreeMap::new(),
            sides: BTreeMap::new(),
            looked_for: false,
            holders: [None, None],
            named_by: [BTreeSet::new(), BTreeSet::new()],
        }
    }

    /// Takes in one round of reads.
    pub fn absorb(&mut self, world: &World, tuning: &Tuning, now: Now) {
        let known = self.next_names();
        self.absorb_record(&world.record, tuning, now);
        self.looked_for = known == self.next_names();
        self.absorb_desired(&world.desired, tuning);
        if let Read::Known { value, .. } = &world.intents {
            self.intents = Some(value.clone());
        }
        for side in Side::BOTH {
            if let Read::Known { value, at } = &world.groups[side.index()] {
                self.absorb_holder(side, value.as_ref().map(|group| &group.arn));
                if let Some(group) = value {
                    self.health[side.index()].absorb(group, *at, now.mono, tuning);
                }
            }
        }
        self.absorb_workers(world, tuning, now.mono);
        if let Read::Unread { .. } = &world.desired
            && tuning.without(ablation::Rule::KnownWish)
        {
            (self.desired, self.wish) = (None, None);
        }
        if let Read::Known { value, .. } = &world.services {
            self.sides = value
                .iter()
                .filter_map(|s| s.side.map(|side| (s.name.clone(), side)))
                .collect();
            let gone = value.iter().filter(|service| service.group_gone);
            let since = |name: &String| self.gone_since.get(name).copied().unwrap_or(now.mono);
            self.gone_since = gone
                .map(|service| (service.name.clone(), since(&service.name)))
                .collect();
        }
        self.settle_writes(world, tuning, now);
        match &world.rules {
            Read::Known { value, at } => {
                let [a, b] = world.groups.each_ref().map(Read::value);
                let groups = [a, b].map(|group| group.and_then(Option::as_ref));
                self.absorb_rules(value, groups, *at, now.mono);
                self.absorb_naming(value, tuning);
                // Who holds the sides was read in the same round, or it cannot be told whose weights these are.
                if a.is_some() && b.is_some() {
                    self.absorb_changes(value, groups, *at, tuning);
                }
                if let Read::Known { value: own, .. } = &world.own {
                    self.absorb_spares(&own.spares, value, *at, now.mono);
                }
            }
            Read::Unread { .. } if tuning.without(ablation::Rule::UnreadRules) => {
                self.absorb_rules(&[], [None, None], now.mono, now.mono);
            }
            Read::Unread { .. } => {}
        }
    }

    /// A write is about to be sent: until [`Memory::note`] says more, its outcome is unknown.
    pub fn sending(&mut self, write: &Write, tuning: &Tuning, now: Now) {
        if let Write::SetWeights { weights, .. } = write
            && !tuning.without(ablation::Rule::RestartOnRaise)
        {
            for side in Side::BOTH {
                if weights.get()[side.index()].is_some_and(|w| w > 0) {
                    self.zero_since[side.index()] = None;
                }
            }
        }
        if let Some(side) = self.side_of(write)
            && !tuning.without(ablation::Rule::HealthAfterWrite)
        {
            // Target health read before an own ECS write says nothing of the tasks after it (addresses are reused).
            self.health[side.index()] = Health::default();
        }
        self.outstanding = Some(Outstanding {
            write: write.clone(),
            since: now.mono,
        });
        self.unsettled.push(Unsettled {
            write: write.clone(),
            side: self.side_of(write),
            until: now.mono + tuning.quiescence_destructive,
        });
    }

    /// What became of the write that was sent last.
    pub fn note(&mut self, write: &Write, outcome: &WriteOutcome, tuning: &Tuning, now: Now) {
        self.outstanding = None;
        if matches!(write, Write::PutRecord(_)) {
            self.record_refused = !matches!(outcome, WriteOutcome::Applied);
        }
        match outcome {
            WriteOutcome::Applied => {
                self.unsettled.pop();
                self.applied(write, tuning, now);
            }
            WriteOutcome::NotSent { .. } => {
                self.unsettled.pop();
            }
            WriteOutcome::Refused { reason } => {
                self.unsettled.pop();
                if !matches!(write, Write::PutRecord(_)) {
                    self.refused = Some(reason.clone());
                }
            }
            WriteOutcome::Unknown { .. } => {
                if let Write::SetWeights { rule, .. } = write {
                    self.weights.remove(rule);
                }
                if !matches!(write, Write::PutRecord(_)) {
                    // It may have been taken: AWS refuses it no more.
                    self.refused = None;
                }
                if let Some(last) = self.unsettled.last_mut() {
                    last.until = now.mono + tuning.quiescence_destructive;
                }
                self.outstanding = Some(Outstanding {
                    write: write.clone(),
                    since: now.mono,
                });
            }
        }
    }

    /// What the next round of reads should look at besides what the Application names: the pinned base revision, and
    /// services by name that lists may hide, among them those that would be created next: a name may be taken by
    /// one that is gone, and names never repeat.
    pub fn focus(&self, application: &Application) -> (Option<String>, Vec<String>) {
        let base = self
            .record
            .rollout
            .as_ref()
            .and_then(|rollout| rollout.base.clone());
        let mut services: BTreeSet<String> = self.sides.keys().cloned().collect();
        services.extend(
            self.barriers
                .values()
                .filter_map(|barrier| effect::service_name(&barrier.write)),
        );
        services.extend(
            self.outstanding
                .iter()
                .filter_map(|sent| effect::service_name(&sent.write)),
        );
        let releases = self.record.rollout.iter().map(|rollout| &rollout.release);
        services.extend(releases.chain(&self.record.last_good).map(|release| {
            let Release {
                digest,
                version,
                generation,
                task_definition: _,
            } = release;
            let created = self.record.created;
            release::service_name(application, version, digest, *generation, created)
        }));
        (base, services.into_iter().collect())
    }

    /// What the record says of the names of services that would be created next.
    fn next_names(&self) -> (u32, Option<Release>, Option<Release>) {
        let Record {
            created,
            rollout,
            last_good,
            ..
        } = &self.record;
        let rollout = rollout.as_ref().map(|rollout| rollout.release.clone());
        (*created, rollout, last_good.clone())
    }

    /// At a graceful stop: the write that tells the next process that nothing is outstanding; none when that is not
    /// so, of this process or of one before it that did not stop gracefully, or already said.
    pub fn hand_over(&self, tuning: &Tuning, now: Now) -> Option<Write> {
        let earlier = self.leading_since + tuning.quiescence_destructive;
        let known = self.outstanding.is_none()
            && self.unsettled.is_empty()
            && self.record_generation.is_some()
            && (self.clean_start == Some(true) || now.mono >= earlier);
        (known && !self.record.clean).then(|| {
            Write::PutRecord(Box::new(Record {
                clean: true,
                ..self.record.clone()
            }))
        })
    }

    /// The first own write that this world should show and does not, if `next` depends on it: traffic moves whatever
    /// scales.
    pub fn unseen_write(&self, world: &World, next: &Write) -> Option<&Write> {
        let traffic = matches!(next, Write::SetWeights { .. });
        self.barriers
            .values()
            .map(|barrier| &barrier.write)
            .filter(|write| !(traffic && matches!(write, Write::SetScaling { .. })))
            .find(|write| !effect::shows(world, write))
    }

    fn applied(&mut self, write: &Write, tuning: &Tuning, now: Now) {
        match write {
            Write::PutRecord(record) => {
                let rollout = |record: &Record| {
                    let rollout = record.rollout.as_ref();
                    rollout.map(|rollout| rollout.release.generation)
                };
                if rollout(record) != rollout(&self.record) {
                    self.foreign_changes = 0;
                }
                self.record = (**record).clone();
                let before = self.record_generation.unwrap_or(Generation {
                    date: 0,
                    version: 0,
                });
                self.record_generation = Some(Generation {
                    version: before.version.saturating_add(1),
                    ..before
                });
                self.record_written = Some(now.mono);
                return;
            }
            Write::SetWeights {
                rule,
                groups,
                weights,
                ..
            } => {
                let written = weights::shares(groups, weights.get());
                self.weights.insert(rule.clone(), written);
            }
            Write::RegisterTaskDefinition { .. }
            | Write::CreateTargetGroup { .. }
            | Write::SetGroupAttributes { .. }
            | Write::CreateService { .. }
            | Write::ScaleService { .. }
            | Write::UpdateService { .. }
            | Write::TagService { .. }
            | Write::DeleteService { .. }
            | Write::DeleteTargetGroup { .. }
            | Write::DeregisterTaskDefinition { .. }
            | Write::SetScaling { .. } => {}
        }
        self.refused = None;
        if tuning.without(barrier(write)) {
            return;
        }
        self.barriers.insert(
            effect::subject(write),
            Barrier {
                write: write.clone(),
                since: now.mono,
            },
        );
    }

    /// The record was written so lately that reads may show an older one.
    fn record_is_fresh(&self, tuning: &Tuning, now: Now) -> bool {
        self.record_written
            .is_some_and(|at| now.mono.since(at) < tuning.staleness)
    }

    fn absorb_record(&mut self, read: &Read<RecordParameter>, tuning: &Tuning, now: Now) {
        let Read::Known { value, .. } = read else {
            return;
        };
        let fresh_write = self.record_is_fresh(tuning, now);
        match value {
            RecordParameter::Set { generation, record } => {
                let clean = *self.clean_start.get_or_insert(record.clean);
                let newer = self
                    .record_generation
                    .is_some_and(|known| *generation > known);
                if newer && self.record_written.is_none() {
                    // The first read was older than what the process before this one wrote last.
                    self.clean_start = Some(clean && record.clean);
                }
                let version = self.record_generation.map_or(0, |known| known.version);
                if !fresh_write || generation.version >= version {
                    self.record = (**record).clone();
                    self.record_generation = Some(*generation);
                }
            }
            RecordParameter::Missing | RecordParameter::Garbled { .. } => {
                self.clean_start.get_or_insert(false);
                if !fresh_write {
                    self.record_generation = None;
                }
            }
        }
    }

    fn absorb_desired(&mut self, read: &Read<DesiredParameter>, tuning: &Tuning) {
        let Read::Known { value, .. } = read else {
            return;
        };
        let newer = match (
            generation_of(value),
            self.desired.as_ref().and_then(generation_of),
        ) {
            (Some(read), Some(known)) => {
                read >= known || tuning.without(ablation::Rule::NewestDesired)
            }
            (Some(_), None) => true,
            // A parameter that vanished is not a change of the wish.
            (None, known) => known.is_none(),
        };
        if !newer {
            return;
        }
        self.desired = Some(value.clone());
        if let DesiredParameter::Set {
            generation,
            desired,
        } = value
        {
            self.wish = Some((*generation, desired.clone()));
        }
    }

    /// Where no group tells the health of a side's services, their tasks do.
    fn absorb_workers(&mut self, world: &World, tuning: &Tuning, until: Mono) {
        let Read::Known { value, at } = &world.services else {
            return;
        };
        for side in Side::BOTH {
            let on_it = |s: &&Service| s.side == Some(side) && s.status == ServiceStatus::Active;
            let mut workers = value.iter().filter(on_it).peekable();
            let no_group = matches!(&world.groups[side.index()], Read::Known { value: None, .. });
            if no_group && workers.peek().is_some() {
                let tasks =
                    workers.flat_map(|worker| worker.addresses.union(&worker.outgoing).cloned());
                let gap = tuning.task_settle;
                let reading = Reading {
                    at: *at,
                    until,
                    healthy: tasks.collect(),
                    answers: Vec::new(),
                };
                self.health[side.index()].take_in(reading, gap, tuning);
            }
        }
    }

    /// What was remembered of a side's former group says nothing of the one that holds it now.
    fn absorb_holder(&mut self, side: Side, group: Option<&TargetGroupArn>) {
        if self.holders[side.index()].as_ref() == group {
            return;
        }
        self.holders[side.index()] = group.cloned();
        self.health[side.index()] = Health::default();
        self.zero_since[side.index()] = None;
        self.named_by[side.index()].clear();
    }

    fn side_of(&self, write: &Write) -> Option<Side> {
        match write {
            Write::CreateService { side, .. } => Some(*side),
            Write::ScaleService { name, .. }
            | Write::UpdateService { name, .. }
            | Write::DeleteService { name } => self.sides.get(name).copied(),
            Write::PutRecord(_)
            | Write::RegisterTaskDefinition { .. }
            | Write::CreateTargetGroup { .. }
            | Write::SetGroupAttributes { .. }
            | Write::SetWeights { .. }
            | Write::TagService { .. }
            | Write::DeleteTargetGroup { .. }
            | Write::DeregisterTaskDefinition { .. }
            | Write::SetScaling { .. } => None,
        }
    }
}

/// The rule by which reads must show this write before they are trusted.
fn barrier(write: &Write) -> ablation::Rule {
    if effect::is_ecs(write) {
        ablation::Rule::BarrierEcs
    } else {
        ablation::Rule::BarrierElb
    }
}

fn generation_of(desired: &DesiredParameter) -> Option<Generation> {
    match desired {
        DesiredParameter::Missing => None,
        DesiredParameter::Invalid { generation, .. } | DesiredParameter::Set { generation, .. } => {
            Some(*generation)
        }
    }
}
