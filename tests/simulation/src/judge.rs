//! Judges every write by what is true when it takes effect, whatever the operator saw.
//!
//! The same predicates as the operator's own guard, on the true account and on a memory that misses nothing; and the
//! properties that need the whole run. What people and the world did between the operator's look and the effect is
//! excused, and nothing else.

mod excuses;
mod released;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crd_schema::record::Generation;
use planner::lab::{Lab, TASK_START};
use planner::memory::weight;
use planner::release::{TAG_GENERATION, TAG_RELEASE, parse_generation};
use planner::safety;
use planner::time::Mono;
use planner::world::{Role, Rule, Service, ServiceStatus};
use planner::write::Evidence;
use planner::{Memory, Side, Tuning, Weights, World, Write};
use serde_json::{Map, Value};

use excuses::{moves_nothing, repairs};

use crate::plan::Test;

/// The settle time of the application, in milliseconds.
const SETTLE: u64 = 10_000;

/// An illness lasts so long, and is seen in two readings, in milliseconds: what recovers since is no person's act.
const ILLNESS: u64 = 40_000;

/// A property that did not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// `S1`–`S17` and `L1`–`L7` as on the safety page; `Loss`: a request may be lost; `Freeze`: a release begins in one.
    pub property: &'static str,
    /// What happened.
    pub message: String,
}

/// What people and the world change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    /// Weights, by a person.
    Weights,
    /// Services or their counts, by a person.
    Services,
    /// Health, by the world.
    Health,
    /// The wish.
    Wish,
    /// The record, by a person.
    Record,
    /// A wall clock, by an hour.
    Clock,
    /// The steps of a rollout, by a person.
    Promote,
    /// A rollout, by a person.
    Abort,
    /// Whether it goes on, by a person.
    Pause,
    /// What gates, the alarm and the analysis say.
    Tests,
}

/// A write on its way: what it was decided on.
#[derive(Debug, Clone)]
pub(crate) struct Issue {
    /// Which write of the run.
    pub(crate) n: u32,
    /// Whose.
    pub(crate) operator: usize,
    /// Which of its processes.
    pub(crate) process: u32,
    /// The process stood still between its last check and the send.
    pub(crate) stalled: bool,
    pub(crate) write: Write,
    /// The oldest moment that the round of reads showed, on the account's clock.
    pub(crate) seen: u64,
    /// The oldest moment that the look before the write showed.
    pub(crate) looked: u64,
    /// The moment that the last read of the wish showed.
    pub(crate) wish_seen: u64,
    /// When it was sent.
    pub(crate) sent: u64,
    /// Groups without a healthy target then.
    pub(crate) dead: [bool; 2],
    /// The record said then that everything was handed over.
    pub(crate) handed_over: bool,
}

impl Issue {
    /// From when on nobody who keeps to the age of plans can have seen what was done: the oldest moment of the round of
    /// reads, and never longer ago than a plan may be old and its reads may lag.
    fn unseen_since(&self) -> u64 {
        let tuning = Tuning::default();
        let bound = (tuning.plan_age + tuning.ecs_staleness).as_millis();
        let oldest = u64::try_from(bound).map(|bound| self.sent.saturating_sub(bound));
        self.seen.max(oldest.unwrap_or(0))
    }
}

/// What the judge keeps of a run.
#[derive(Debug)]
pub(crate) struct Judge {
    /// Sees every change as it happens.
    oracle: Memory,
    tuning: Tuning,
    /// Names of services, and when each was created last.
    names: BTreeMap<String, u64>,
    acts: Vec<(u64, Act)>,
    /// The release that completed last: its generation and digest.
    completed: Option<(Generation, String)>,
    /// Where our writes sent production traffic last in a generation, and how often that changed.
    direction: (Option<Generation>, Option<Side>, u32),
    /// Effective writes, but for the record.
    pub(crate) effects: u32,
    losing_since: Option<u64>,
    /// Writes of weights that took effect once more.
    pub(crate) repeated: usize,
    /// Records that took effect late, or once more, and replaced what was written since.
    old_records: usize,
    /// Groups that were given traffic since nothing else lived, and when.
    repaired: Vec<(u64, Side)>,
    /// Effects of writes, and when they came.
    landed: Vec<(u64, String)>,
    /// When groups came into being by creates that nobody waited for any more.
    late_groups: Vec<u64>,
    /// Groups that were taken out of a rule by writes that nobody waited for any more, and when.
    unnamed_late: Vec<(u64, Side)>,
    /// Generations that the record says are rejected, and since when it has said so: an old record that lands late takes
    /// a rejection with it, and the release may be tried again.
    rejected: BTreeMap<Generation, u64>,
    /// Gates that were passed: the version, and where they stand.
    pub(crate) passed: BTreeSet<(String, String)>,
    /// What spoke against the release, since when and until when.
    pub(crate) against: Vec<(Test, u64, u64)>,
    /// Since when each side has had traffic, without interruption.
    busy_since: [Option<u64>; 2],
}

impl Judge {
    pub(crate) fn new(lab: &Lab) -> Self {
        let mut oracle = Memory::new(Mono(0));
        oracle.clean_start = Some(true);
        let live = lab.services.first().map(|service| &service.shown);
        let completed = live.and_then(|s| Some((s.tags.generation?, s.tags.release.clone()?)));
        let mut judge = Self {
            oracle,
            tuning: Tuning::default(),
            names: lab
                .services
                .iter()
                .map(|service| (service.shown.name.clone(), 0))
                .collect(),
            acts: Vec::new(),
            completed,
            direction: (None, None, 0),
            effects: 0,
            losing_since: None,
            repeated: 0,
            old_records: 0,
            repaired: Vec::new(),
            landed: Vec::new(),
            late_groups: Vec::new(),
            unnamed_late: Vec::new(),
            rejected: BTreeMap::new(),
            passed: BTreeSet::new(),
            against: Vec::new(),
            busy_since: [None; 2],
        };
        judge.look(lab, &lab.observe());
        judge
    }

    /// The true state, as it is now.
    pub(crate) fn look(&mut self, lab: &Lab, world: &World) {
        self.oracle.absorb(world, &self.tuning, lab.clock());
        for (busy, idle) in self.busy_since.iter_mut().zip(self.oracle.zero_since) {
            *busy = idle.is_none().then(|| busy.unwrap_or(lab.now));
        }
    }

    pub(crate) fn acted(&mut self, now: u64, act: Act) {
        self.acts.push((now, act));
    }

    pub(crate) fn acts(&self, act: Act) -> usize {
        self.acts.iter().filter(|(_, done)| *done == act).count()
    }

    fn acted_since(&self, since: u64, which: &[Act]) -> bool {
        self.acts
            .iter()
            .any(|(at, act)| *at >= since && which.contains(act))
    }

    /// A write is about to take effect.
    pub(crate) fn judge(&mut self, lab: &Lab, issue: &Issue) -> Result<(), Violation> {
        let world = lab.observe();
        self.look(lab, &world);
        let write = with_true_evidence(&issue.write, lab);
        let checked = safety::check(
            &lab.application,
            &world,
            &self.oracle,
            &self.tuning,
            &write,
            lab.clock(),
        );
        if let Err(violation) = checked
            && !self.excused(lab, violation.property, issue)
            && !(violation.property == "S2" && repairs(lab, issue))
            && !self.restores(violation.property, issue)
            && !self.harmless(lab, violation.property, issue)
        {
            return Err(Violation {
                property: violation.property,
                message: format!("{}: {}", issue.write.describe(), violation.message),
            });
        }
        if repairs(lab, issue)
            && let Write::SetWeights { weights, .. } = &issue.write
        {
            self.repaired
                .extend(raised(*weights).map(|side| (lab.now, side)));
        }
        let services = world.services.value().map(Vec::as_slice);
        self.of_the_run(lab, &world, services.unwrap_or_default(), issue)
    }

    /// What needs more than the moment: S6, S10, S13, S15.
    fn of_the_run(
        &mut self,
        lab: &Lab,
        world: &World,
        services: &[Service],
        issue: &Issue,
    ) -> Result<(), Violation> {
        let wish = lab.desired.as_ref().map(|(generation, _)| *generation);
        match &issue.write {
            Write::CreateService { name, body, .. } => {
                if self.names.contains_key(name) && !self.harmless(lab, "S10", issue) {
                    return violation("S10", format!("{name} was created before"));
                }
                let revision = body.get("taskDefinition").and_then(Value::as_str);
                // What is updated in place is told by its task definition.
                let told = || lab.told.get(revision?)?.generation;
                let generation = generation(body).or_else(told);
                let last_good = lab
                    .record
                    .as_ref()
                    .and_then(|(_, record)| record.last_good.as_ref())
                    .map(|good| good.generation);
                let completed = self.completed.as_ref().map(|(generation, _)| *generation);
                if generation < completed && generation != last_good && completed <= wish {
                    return violation(
                        "S6",
                        format!("{name} is older than what completed: {completed:?}"),
                    );
                }
                let release = tag(body, TAG_RELEASE);
                let known = lab
                    .revisions
                    .iter()
                    .find(|known| Some(known.arn.as_str()) == revision);
                if let Some(known) = known
                    && release.is_some()
                    && known.digest != release
                {
                    return violation(
                        "S15",
                        format!("{name} would run {:?}, not {release:?}", known.digest),
                    );
                }
            }
            Write::RegisterTaskDefinition { digest, body } => {
                let wanted = lab.desired.as_ref().and_then(|(generation, desired)| {
                    planner::release::wanted(&lab.application, *generation, desired).ok()
                });
                if let Some(wanted) = wanted.filter(|wanted| wanted.digest == *digest) {
                    let text = Value::Object(body.clone()).to_string();
                    if wanted
                        .images
                        .values()
                        .any(|image| !text.contains(image.as_str()))
                    {
                        return violation("S15", format!("{digest} without its images"));
                    }
                }
            }
            Write::SetWeights { rule, weights, .. } => {
                let Some(rule) = world
                    .rules
                    .value()
                    .into_iter()
                    .flatten()
                    .find(|known| known.target == *rule && known.role == Role::Production)
                else {
                    return Ok(());
                };
                let next = weights.get();
                for side in Side::BOTH {
                    let to = next[side.index()].unwrap_or(0);
                    let rises = to > weight(rule, side);
                    let falls =
                        next[side.other().index()].unwrap_or(0) < weight(rule, side.other());
                    if !(rises && falls) {
                        continue;
                    }
                    // What lands after the operator's wait for it, or once more, is changed back, as a person's change
                    // would be.
                    if lab.now <= issue.sent + self.quiescence() && !self.has_landed(issue) {
                        self.untested(lab, services, weights, side, issue)?;
                        // What was sent for the wish before this one is that one's.
                        if !self.acted_since(issue.wish_seen, &[Act::Wish]) {
                            self.turn(wish, side)?;
                        }
                        self.moves_back(lab, services, side, issue)?;
                    }
                }
            }
            Write::PutRecord(_)
            | Write::CreateTargetGroup { .. }
            | Write::SetGroupAttributes { .. }
            | Write::DeleteTargetGroup { .. }
            | Write::ScaleService { .. }
            | Write::UpdateService { .. }
            | Write::TagService { .. }
            | Write::DeleteService { .. }
            | Write::SetScaling { .. }
            | Write::DeregisterTaskDefinition { .. } => {}
        }
        Ok(())
    }

    /// S13: traffic changes its direction at most twice a generation by our writes, heals apart.
    fn turn(&mut self, wish: Option<Generation>, side: Side) -> Result<(), Violation> {
        let (generation, direction, turns) = &mut self.direction;
        if *generation != wish {
            (*generation, *turns) = (wish, 0);
        }
        *turns += u32::from(*direction != Some(side));
        *direction = Some(side);
        let turns = *turns;
        // What somebody else does, or a test says, turns it away and back; an old record takes steps back to where it says,
        // and on again.
        let others = [
            Act::Weights,
            Act::Services,
            Act::Health,
            Act::Tests,
            Act::Abort,
        ];
        let acts: usize = others.iter().map(|act| self.acts(*act)).sum();
        let acts = acts + self.old_records;
        if usize::try_from(turns).unwrap_or(usize::MAX) > 2 + 2 * acts {
            return violation("S13", format!("traffic turned {turns} times"));
        }
        Ok(())
    }

    /// S6: traffic never leaves a completed release that is still wished for, while it lives.
    fn moves_back(
        &self,
        lab: &Lab,
        services: &[Service],
        to: Side,
        issue: &Issue,
    ) -> Result<(), Violation> {
        let on = |side: Side| {
            services
                .iter()
                .find(|s| s.side == Some(side) && s.status == ServiceStatus::Active)
        };
        let (Some(from), Some(gains)) = (on(to.other()), on(to)) else {
            return Ok(());
        };
        let Some((generation, digest)) = &self.completed else {
            return Ok(());
        };
        // The same content that was made anew for a newer wish is another release: it may fail.
        let is_completed = from.tags.release.as_ref() == Some(digest)
            && from.tags.generation.is_none_or(|of| of <= *generation);
        let wanted = lab.desired.as_ref().and_then(|(generation, desired)| {
            planner::release::wanted(&lab.application, *generation, desired).ok()
        });
        let is_wanted = wanted.is_some_and(|wanted| wanted.digest == *digest);
        let alive = lab.healthy(to.other()) > 0;
        let others = [Act::Health, Act::Services];
        // An old record that lands minutes late says that the release is on its way, which somebody had aborted too late.
        let aborted = self.old_records > 0 && self.acts(Act::Abort) > 0;
        if is_completed
            && !aborted
            && is_wanted
            && alive
            && gains.tags.release.as_ref() != Some(digest)
            // It lived no more when the write was sent.
            && !issue.dead[to.other().index()]
            && !self.acted_since(issue.unseen_since(), &others)
            && !self.acted_since(issue.looked, &[Act::Weights])
            && !self.acted_since(issue.wish_seen, &[Act::Wish])
        {
            return violation(
                "S6",
                format!("traffic leaves {}, which is wished for", from.name),
            );
        }
        Ok(())
    }

    /// A write took effect.
    pub(crate) fn took_effect(&mut self, lab: &Lab, issue: &Issue) {
        let late = lab.now > issue.sent + self.quiescence();
        let again = late || self.has_landed(issue);
        self.repeated += usize::from(matches!(issue.write, Write::SetWeights { .. }) && again);
        self.old_records += usize::from(matches!(issue.write, Write::PutRecord(_)) && again);
        self.landed.push((lab.now, issue.write.describe()));
        match &issue.write {
            Write::CreateTargetGroup { .. } if late => self.late_groups.push(lab.now),
            Write::SetWeights { seen, weights, .. } if late => {
                let left = |side: &Side| {
                    let at = side.index();
                    seen[at].is_some() && weights.get()[at].is_none()
                };
                let unnamed = Side::BOTH.into_iter().filter(left);
                self.unnamed_late
                    .extend(unnamed.map(|side| (lab.now, side)));
            }
            _ => {}
        }
        let record = lab.record.iter().flat_map(|(_, record)| &record.rejected);
        self.rejected = record
            .map(|rejection| {
                let known = self.rejected.get(&rejection.generation);
                (rejection.generation, known.copied().unwrap_or(lab.now))
            })
            .collect();
        if let Write::CreateService { name, .. } = &issue.write {
            self.names.insert(name.clone(), lab.now);
        }
        if !matches!(issue.write, Write::PutRecord(_)) {
            self.effects += 1;
        }
        self.look(lab, &lab.observe());
    }

    /// The release that is wished for serves alone, and the operator says so.
    pub(crate) fn completes(&mut self, lab: &Lab) {
        let live = lab
            .services
            .iter()
            .map(|service| &service.shown)
            .find(|service| service.status == ServiceStatus::Active);
        if let Some(service) = live
            && let (Some(generation), Some(digest)) =
                (service.tags.generation, service.tags.release.clone())
        {
            self.completed = Some((generation, digest));
        }
    }

    /// Whether requests are lost now, and by whom it began: by an operator's write never, by the world for a while.
    pub(crate) fn loses(
        &mut self,
        lab: &Lab,
        loses: bool,
        by: Option<&Issue>,
    ) -> Result<(), Violation> {
        let began = loses && self.losing_since.is_none();
        self.losing_since = loses.then(|| self.losing_since.unwrap_or(lab.now));
        match by {
            Some(issue)
                if began
                    && !issue.stalled
                    && !moves_nothing(lab, &issue.write)
                    && !self.lost_by_others(issue)
                    && !self.harmless(lab, "Loss", issue) =>
            {
                violation(
                    "Loss",
                    format!(
                        "{}: requests go to a group without a healthy target",
                        issue.write.describe()
                    ),
                )
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Since when requests are lost.
    pub(crate) fn losing_since(&self) -> Option<u64> {
        self.losing_since
    }
}

/// The write with evidence as it truly is, so that it is judged by the targets and not by the reading.
fn with_true_evidence(write: &Write, lab: &Lab) -> Write {
    let mut write = write.clone();
    if let Write::SetWeights {
        evidence, weights, ..
    } = &mut write
    {
        let at = lab.clock().mono;
        *evidence = raised(*weights)
            .map(|side| Evidence {
                side,
                healthy: 0,
                need: 0,
                first: at,
                last: at,
            })
            .collect();
    }
    write
}

fn raised(weights: Weights) -> impl Iterator<Item = Side> {
    Side::BOTH
        .into_iter()
        .filter(move |side| weights.get()[side.index()].is_some_and(|weight| weight > 0))
}

/// Of a service, or of a target group, whose tags ELB writes with capitals.
fn tag(body: &Map<String, Value>, key: &str) -> Option<String> {
    let of = |[list, name, value]: [&str; 3]| {
        let mut tags = body.get(list)?.as_array()?.iter();
        let tag = tags.find(|tag| tag.get(name).and_then(Value::as_str) == Some(key))?;
        tag.get(value)?.as_str().map(str::to_owned)
    };
    of(["tags", "key", "value"]).or_else(|| of(["Tags", "Key", "Value"]))
}

/// The generation that a create is for.
fn generation(body: &Map<String, Value>) -> Option<Generation> {
    parse_generation(&tag(body, TAG_GENERATION)?)
}

pub(crate) fn violation<T>(
    property: &'static str,
    message: impl Into<String>,
) -> Result<T, Violation> {
    Err(Violation {
        property,
        message: message.into(),
    })
}
