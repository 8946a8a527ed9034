//! A state as a finite thing: instants become ages, capped where a longer one makes no difference any more.
//!
//! Two states with one canonical form have the same future. What is left out decides nothing: the history in the
//! record, texts for people, bodies of requests (their names say what they hold).

use std::hash::{Hash, Hasher};
use std::time::Duration;

use crd_schema::record::{Record, Rollout, Stage};
use crd_schema::strategy::Step;
use jiff::Timestamp;
use planner::memory::{Barrier, Former, Health, Outstanding, Unsettled};
use planner::time::Mono;
use planner::world::DesiredParameter;
use planner::{Memory, Write};

use crate::account::{Account, DRAIN, Deployed, Ecs, Parameters, wall};
use crate::balancer::Balancer;
use crate::gates::Running;
use crate::setup::{Setup, TICK, ticks};

/// Feeds canonical forms to a hasher.
pub struct Canonical<'a, H> {
    hasher: &'a mut H,
    setup: &'a Setup,
    now: u64,
}

impl<'a, H: Hasher> Canonical<'a, H> {
    /// As of this tick.
    pub fn new(hasher: &'a mut H, setup: &'a Setup, now: u64) -> Self {
        Self { hasher, setup, now }
    }

    /// Where it all goes.
    pub fn hasher(&mut self) -> &mut H {
        self.hasher
    }

    fn put(&mut self, value: impl Hash) {
        value.hash(self.hasher);
    }

    fn age(&mut self, at: Mono, cap: Duration) {
        let age = Mono(self.now * TICK).since(at).min(cap);
        self.put(age);
    }

    fn maybe_age(&mut self, at: Option<Mono>, cap: Duration) {
        match at {
            Some(at) => self.age(at, cap),
            None => self.put(u64::MAX),
        }
    }

    /// A deadline: how long until then.
    fn until(&mut self, at: Option<Mono>) {
        self.put(at.map(|at| at.0.saturating_sub(self.now * TICK)));
    }

    fn tick(&mut self, at: Option<u64>, cap: u64) {
        self.put(at.map(|at| self.now.saturating_sub(at).min(cap)));
    }

    /// The account.
    pub fn account(&mut self, account: &Account) {
        let Account {
            now: _,
            ecs,
            elb,
            health,
            ssm,
            draining,
            weighted,
            sides: _,
        } = account;
        self.ecs(ecs.truth(), true);
        for (older, until) in ecs.older() {
            self.ecs(older, false);
            self.put(until - self.now);
        }
        self.balancer(elb.truth());
        for (older, until) in elb.older() {
            self.balancer(older);
            self.put(until - self.now);
        }
        self.targets(health.truth());
        for (older, until) in health.older() {
            self.targets(older);
            self.put(until - self.now);
        }
        let version = ssm
            .truth()
            .record
            .as_ref()
            .map_or(0, |(version, _)| *version);
        self.parameters(ssm.truth(), version);
        for (older, until) in ssm.older() {
            self.parameters(older, version);
            self.put(until - self.now);
        }
        self.put(draining);
        for (group, last) in weighted {
            self.put(group);
            self.tick(Some(*last), self.setup.lag + 1);
        }
    }

    fn balancer(&mut self, balancer: &Balancer) {
        for group in &balancer.groups {
            self.put((&group.arn, group.complete));
        }
        self.put(&balancer.rules);
    }

    fn ecs(&mut self, ecs: &Ecs, truth: bool) {
        for service in &ecs.services {
            self.service(service, truth);
        }
        for revision in &ecs.revisions {
            self.put(&revision.arn);
        }
        if self.setup.application.is_rolling() {
            for (arn, told) in &ecs.told {
                self.put((arn, told.generation, &told.blue));
            }
        }
    }

    fn service(&mut self, service: &Deployed, truth: bool) {
        let Deployed {
            shown,
            group,
            tasks,
            sick,
            leaving,
            health,
            dark,
            scaled,
            replaced,
            completed,
        } = service;
        self.put((&shown.name, shown.status as u8, group, shown.desired));
        if self.setup.application.is_rolling() {
            let deployments = &shown.deployments;
            self.put((shown.steady, shown.deployment_failed));
            self.put((&deployments.primary, &deployments.given_up));
            self.put((replaced, completed, &shown.tags.release));
        }
        let tags = &shown.tags;
        self.put((
            &shown.task_definition,
            tags.generation,
            &tags.blue,
            tags.rejected,
        ));
        self.put((tasks, leaving, scaled));
        if truth {
            self.put(sick);
            self.tick(*dark, crate::judge::EVIDENCE + 1);
            for health in health {
                for seen in health.0 {
                    self.tick(seen, crate::judge::EVIDENCE + 2);
                }
            }
        }
    }

    fn targets(&mut self, targets: &crate::account::Targets) {
        for (group, targets) in targets {
            self.put((group, targets.len()));
            for (address, state) in targets {
                self.put((address, *state as u8));
            }
        }
    }

    fn parameters(&mut self, ssm: &Parameters, version: i64) {
        let Parameters {
            desired,
            record,
            intents,
        } = ssm;
        self.put((desired, intents));
        match record {
            Some((own, record)) => {
                self.put(version - own);
                self.record(record);
            }
            None => self.put(i64::MAX),
        }
    }

    /// A record, less its history.
    pub fn record(&mut self, record: &Record) {
        let Record {
            clean,
            created,
            rollout,
            rejected,
            last_good,
            history: _,
            scale_in_suspended,
        } = record;
        self.put((clean, created, scale_in_suspended));
        match rollout {
            Some(rollout) => self.rollout(rollout),
            None => self.put(false),
        }
        self.put(rejected.len());
        for rejection in rejected {
            self.put(rejection.generation);
        }
        self.put(
            last_good
                .as_ref()
                .map(|good| (&good.digest, good.generation, &good.task_definition)),
        );
    }

    fn rollout(&mut self, rollout: &Rollout) {
        let Rollout {
            release,
            stage,
            entered,
            reference,
            step,
            gates,
            paused,
            deployment,
            base,
        } = rollout;
        self.put((
            &release.digest,
            release.generation,
            stage,
            reference,
            deployment,
            base.is_some(),
        ));
        let mut gates_of = self.setup.application.gates.values();
        let undoes = gates_of.any(|gate| gate.before == Some(Stage::RollBack));
        for (stage, began) in entered {
            let deadlines = &self.setup.application.deadlines;
            let cap = match stage {
                Stage::ScaleUp => deadlines.scale_up,
                Stage::Validate => deadlines.validate,
                Stage::Shift => deadlines.shift,
                Stage::Bake => self.setup.application.bake_time + deadlines.scale_up,
                // What is asked at roll-back is waited for until then.
                Stage::RollBack if undoes => deadlines.shift.saturating_add(deadlines.clean_up),
                Stage::CleanUp | Stage::RollBack | Stage::Settled => Duration::ZERO,
            };
            self.put((stage, self.since(*began, *paused, cap)));
        }
        let steps = &self.setup.application.strategy.steps;
        let step = step.map(|at| {
            let step = usize::try_from(at.index)
                .ok()
                .and_then(|index| steps.get(index));
            let pause = match step {
                Some(Step::Pause(time)) => time.unwrap_or_default(),
                Some(
                    Step::SetWeight(_) | Step::SetScale(_) | Step::Gate(_) | Step::Analysis(_),
                )
                | None => Duration::ZERO,
            };
            let cap = pause.saturating_add(self.setup.application.deadlines.shift);
            (at.index, self.since(at.since, *paused, cap))
        });
        self.put((step, paused.is_some()));
        for (place, run) in gates {
            let settle = self.setup.application.clean_up.settle;
            self.put((place, run.passed, self.since(run.began, None, settle)));
        }
    }

    /// A gate that an operator runs which knows this record.
    pub fn gate(&mut self, gate: &Running, record: &Record) {
        self.put(gate.canonical(self.setup, record));
    }

    /// How long ago, and when it was paused how long before that: it goes on from there.
    fn since(
        &self,
        began: Timestamp,
        paused: Option<Timestamp>,
        cap: Duration,
    ) -> [Option<Duration>; 2] {
        let until = |end: Timestamp| {
            let age = end.as_millisecond() - began.as_millisecond();
            Duration::from_millis(u64::try_from(age).unwrap_or(0)).min(cap)
        };
        [Some(until(wall(self.now))), paused.map(until)]
    }

    /// An operator's memory; `version` counts the writes of the record in truth.
    pub fn memory(&mut self, memory: &Memory, version: i64) {
        let Memory {
            leading_since,
            clean_start,
            record,
            record_generation,
            record_written,
            record_refused,
            looked_for,
            refused,
            desired,
            wish,
            intents,
            health,
            zero_since,
            spare_since,
            gone_since,
            weights,
            former,
            foreign_changes,
            outstanding,
            unsettled,
            barriers,
            sides,
            holders,
            named_by,
        } = memory;
        let tuning = &self.setup.tuning;
        let (staleness, lag) = (tuning.staleness, tuning.staleness.max(tuning.ecs_staleness));
        let evidence = tuning.evidence_age + tuning.health_gap;
        let start = match clean_start {
            Some(true) => lag + evidence,
            Some(false) | None => {
                lag + tuning
                    .quiescence_destructive
                    .max(tuning.quiescence + evidence)
            }
        };
        let application = &self.setup.application.clean_up;
        let settle = application.settle + application.keep_blue + drain(self.setup);
        self.age(*leading_since, start);
        self.put(clean_start);
        self.record(record);
        self.put(record_generation.map(|known| (version - known.version).clamp(-4, 4)));
        self.maybe_age(*record_written, staleness);
        self.put((record_refused, looked_for));
        // What it says only ends up in a text.
        self.put(refused.is_some());
        self.put(desired.as_ref().map(|desired| match desired {
            DesiredParameter::Missing => 0,
            DesiredParameter::Invalid { generation, .. }
            | DesiredParameter::Set { generation, .. } => generation.version,
        }));
        self.put(
            wish.as_ref()
                .map(|(generation, desired)| (generation.version, &desired.version)),
        );
        self.put(intents);
        for health in health {
            self.health(health);
        }
        for since in zero_since {
            self.maybe_age(*since, settle);
        }
        for (group, since) in spare_since {
            self.put(group);
            self.age(*since, settle);
        }
        for (service, since) in gone_since {
            self.put(service);
            self.age(*since, staleness);
        }
        self.put((holders, named_by));
        self.put(weights.values().collect::<Vec<_>>());
        for Former {
            rule,
            weights,
            until,
        } in former
        {
            self.put((rule, weights));
            self.until(Some(*until));
        }
        self.put((former.len(), (*foreign_changes).min(2)));
        if let Some(Outstanding { write, since }) = outstanding {
            self.write(write);
            self.age(*since, tuning.quiescence);
        } else {
            self.put(false);
        }
        self.put(unsettled.len());
        for Unsettled { write, side, until } in unsettled {
            self.write(write);
            self.put(side);
            self.until(Some(*until));
        }
        self.put(barriers.len());
        for Barrier { write, since } in barriers.values() {
            self.write(write);
            self.age(*since, lag);
        }
        self.put(sides);
    }

    fn health(&mut self, health: &Health) {
        // Of readings at one instant that say the same, one is enough.
        let tuning = &self.setup.tuning;
        let gap = tuning.health_gap.max(tuning.task_settle);
        let cap = tuning.evidence_age + gap + Duration::from_millis(TICK);
        self.put(health.readings().is_some());
        let mut before = None;
        for reading in health.kept() {
            if before != Some(reading) {
                self.age(reading.at, cap);
                self.put(&reading.healthy);
            }
            before = Some(reading);
        }
    }

    /// A write, by what it changes.
    pub fn write(&mut self, write: &Write) {
        self.put(std::mem::discriminant(write));
        match write {
            Write::PutRecord(record) => self.record(record),
            Write::RegisterTaskDefinition { digest, .. } => self.put(digest),
            Write::CreateTargetGroup { name, side, .. }
            | Write::CreateService { name, side, .. } => self.put((name, side)),
            Write::SetGroupAttributes { group, .. } | Write::DeleteTargetGroup { group } => {
                self.put(group)
            }
            Write::ScaleService { name, from, to } => self.put((name, from, to)),
            Write::UpdateService { name, from, to, .. } => self.put((name, from, to)),
            Write::SetWeights {
                rule,
                groups,
                forget,
                seen,
                weights,
                evidence: _,
            } => self.put((rule, groups, forget, seen, weights.get())),
            Write::TagService {
                name, key, value, ..
            } => self.put((name, key, value)),
            Write::DeleteService { name } => self.put(name),
            Write::DeregisterTaskDefinition { arn } => self.put(arn),
            Write::SetScaling { name, change } => self.put((name, format!("{change:?}"))),
        }
    }
}

/// How long a group of a release is waited for after it has settled at 0; nobody waits so for one of the pair.
fn drain(setup: &Setup) -> Duration {
    match setup.application.group_template() {
        None => Duration::ZERO,
        Some(_) => ticks(DRAIN.into()),
    }
}
