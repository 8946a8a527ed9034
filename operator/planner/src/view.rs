//! The facts that decisions are made of: who is alive, who has weight, who is blue.

use std::collections::BTreeSet;
use std::time::Duration;

use crd_schema::application::RuleTarget;
use crd_schema::record::{GateRun, Generation, Record, Stage};
use crd_schema::schedule::Frozen;
use crd_schema::{Application, TargetGroupArn};

use jiff::Timestamp;

use crate::ablation;
use crate::memory::{Memory, Reading, gives, weight};
use crate::release::Wanted;
use crate::time::{Mono, Now};
use crate::tuning::Tuning;
use crate::world::{
    Action, Group, OwnGroups, Revision, Role, Rule, Service, ServiceStatus, Side, Target,
    TargetState, World,
};
use crate::write::Evidence;

/// A world whose parts that matter could all be read.
pub(crate) struct View<'a> {
    pub(crate) application: &'a Application,
    pub(crate) world: &'a World,
    pub(crate) memory: &'a Memory,
    /// The newest one known, its clocks as of the end of a pause that is over.
    pub(crate) record: &'a Record,
    pub(crate) tuning: &'a Tuning,
    pub(crate) now: Now,
    pub(crate) rules: &'a [Rule],
    pub(crate) services: &'a [Service],
    /// The group that holds each side, by [`Side::index`].
    pub(crate) groups: [Option<&'a Group>; 2],
    pub(crate) own: &'a OwnGroups,
    /// What is wished for; none while there is no usable wish.
    pub(crate) wanted: Option<Wanted>,
    /// The freeze that holds the wish up.
    pub(crate) frozen: Option<Frozen>,
}

/// Health of a group or a service over the readings that count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Vital {
    /// Healthy targets in each reading.
    Alive,
    /// None in any reading.
    Dead,
    /// Too few readings, or they differ.
    Unclear,
}

impl<'a> View<'a> {
    pub(crate) fn record(&self) -> &'a Record {
        self.record
    }

    /// Our ACTIVE services that are bound to a side's group, oldest first.
    pub(crate) fn live(&self) -> Vec<&'a Service> {
        let mut live: Vec<&Service> = self.services.iter().filter(|s| is_live(s)).collect();
        live.sort_by_key(|s| (s.tags.generation, s.created, s.name.clone()));
        live
    }

    /// Our ACTIVE services on `side`.
    pub(crate) fn live_on(&self, side: Side) -> Vec<&'a Service> {
        self.live()
            .into_iter()
            .filter(|s| s.side == Some(side))
            .collect()
    }

    /// Registered targets of the group that holds `side`.
    pub(crate) fn targets(&self, side: Side) -> &'a [Target] {
        self.groups[side.index()].map_or(&[], |group| &group.targets)
    }

    /// The group that holds `side`, for people.
    pub(crate) fn group_name(&self, side: Side) -> &'a str {
        self.groups[side.index()].map_or("a group", |group| resource(group.arn.as_str()))
    }

    /// Each release has a group of its own.
    pub(crate) fn per_release(&self) -> bool {
        self.application.group_template().is_some()
    }

    /// There is no load balancer: green works as soon as it runs, beside blue.
    pub(crate) fn is_worker(&self) -> bool {
        self.application.is_worker()
    }

    /// Our ACTIVE services whose group does not exist any more.
    pub(crate) fn groupless(&self) -> impl Iterator<Item = &'a Service> {
        self.services.iter().filter(|service| {
            service.tags.ours && service.status == ServiceStatus::Active && service.group_gone
        })
    }

    pub(crate) fn production(&self) -> impl Iterator<Item = &'a Rule> {
        self.rules
            .iter()
            .filter(|rule| rule.role == Role::Production)
    }

    /// Some production rule gives `side` weight.
    pub(crate) fn production_weight(&self, side: Side) -> u32 {
        self.production()
            .map(|rule| weight(rule, side))
            .max()
            .unwrap_or(0)
    }

    /// Every production rule gives everything to `side`.
    pub(crate) fn all_on(&self, side: Side) -> bool {
        let rollout = self.record().rollout.as_ref();
        let granted = self.tuning.without(ablation::Rule::LiveWeights)
            && rollout.is_none_or(|rollout| rollout.stage >= Stage::Bake);
        granted
            || self
                .production()
                .all(|rule| weight(rule, side) > 0 && weight(rule, side.other()) == 0)
    }

    /// It has all that there is: every production rule gives everything to its side. A worker: it has taken over, or
    /// all others sleep.
    pub(crate) fn has_all(&self, service: &Service) -> bool {
        if !self.is_worker() {
            return service.side.is_some_and(|side| self.all_on(side));
        }
        let mut others = self.others(service);
        self.has_taken_over(service) || others.all(|other| other.desired == 0)
    }

    /// Users depend on it: some production rule gives its side weight. Of workers, which all work: not on one that is
    /// still to take over from another.
    pub(crate) fn serves(&self, service: &Service) -> bool {
        if !self.is_worker() {
            return self.takes_work(service);
        }
        let rollout = self.record().rollout.as_ref();
        let comes = rollout.is_some_and(|rollout| runs(service, &rollout.release.digest));
        let over = self.others(service).any(|other| self.has_taken_over(other));
        self.has_all(service) || !(comes || over)
    }

    /// Some production rule gives its side weight. A worker: it is to have tasks.
    pub(crate) fn takes_work(&self, service: &Service) -> bool {
        if self.is_worker() {
            return service.desired > 0;
        }
        let weight = |side| self.production_weight(side) > 0;
        service.side.is_some_and(weight)
    }

    /// The other live services.
    pub(crate) fn others(&self, service: &Service) -> impl Iterator<Item = &'a Service> {
        let name = service.name.clone();
        let live = self.live().into_iter();
        live.filter(move |other| other.name != name)
    }

    /// A worker of the rollout's release, which has come through its tests.
    fn has_taken_over(&self, service: &Service) -> bool {
        let rollout = self.record().rollout.as_ref();
        rollout.is_some_and(|rollout| {
            let stage = rollout.stage == Stage::Bake || rollout.stage == Stage::CleanUp;
            stage && runs(service, &rollout.release.digest)
        })
    }

    /// Every rule, listed or not, gives `side` nothing.
    pub(crate) fn nothing_on(&self, side: Side) -> bool {
        let group = self.groups[side.index()];
        !self.rules.iter().any(|rule| gives(rule, side, group))
    }

    /// The first of the side's groups, in the order of the routes, that no rule names.
    pub(crate) fn unnamed(&self, side: Side) -> Option<&'a TargetGroupArn> {
        let named = |route: usize| {
            let mut rules = self.rules.iter().filter(|rule| rule.route == route);
            rules.any(|rule| weights(rule).is_some_and(|read| read[side.index()].is_some()))
        };
        let mut groups = self.groups[side.index()]?.arns().enumerate();
        let found = groups.find(|(route, _)| !named(*route));
        found.map(|(_, arn)| arn)
    }

    /// Fewest healthy targets of the service's own tasks over the readings that count; none with too few readings.
    pub(crate) fn healthy(&self, service: &Service) -> Option<u32> {
        let side = service.side?;
        let readings = self.memory.health[side.index()].readings()?;
        readings.map(|reading| self.own(reading, service)).min()
    }

    /// Healthy targets of the service's own tasks in the newest reading.
    pub(crate) fn healthy_now(&self, service: &Service) -> u32 {
        let newest = service
            .side
            .and_then(|side| self.memory.health[side.index()].newest());
        newest.map_or(0, |reading| self.own(reading, service))
    }

    /// Tasks that ECS is about to replace, and that work in the newest reading.
    pub(crate) fn healthy_outgoing(&self, service: &Service) -> u32 {
        let health = service.side.map(|side| &self.memory.health[side.index()]);
        let newest = health.and_then(|health| health.newest());
        newest.map_or(0, |reading| {
            count(reading.healthy.intersection(&service.outgoing).count())
        })
    }

    /// Whether the service can take traffic at all.
    pub(crate) fn vital(&self, service: &Service) -> Vital {
        self.vital_by(service, Self::carrying)
    }

    /// Whether any of the tasks works that run what the service is to run.
    pub(crate) fn vital_of_new(&self, service: &Service) -> Vital {
        self.vital_by(service, Self::own)
    }

    fn vital_by(&self, service: &Service, of: fn(&Self, &Reading, &Service) -> u32) -> Vital {
        let Some(side) = service.side else {
            return Vital::Dead;
        };
        let Some(readings) = self.memory.health[side.index()].readings() else {
            return Vital::Unclear;
        };
        vital(readings.map(|reading| of(self, reading, service)))
    }

    /// Healthy targets that carry the service's traffic: its own tasks, and those of its own that ECS is about to replace.
    fn carrying(&self, reading: &Reading, service: &Service) -> u32 {
        let outgoing = reading.healthy.intersection(&service.outgoing).count();
        self.own(reading, service).saturating_add(count(outgoing))
    }

    /// Fewest healthy targets that carry its traffic over the readings that count; none with too few readings.
    pub(crate) fn carries(&self, service: &Service) -> Option<u32> {
        let side = service.side?;
        let readings = self.memory.health[side.index()].readings()?;
        let carrying = readings.map(|reading| self.carrying(reading, service));
        carrying.min()
    }

    /// Healthy targets that are the service's own tasks: addresses are reused.
    fn own(&self, reading: &Reading, service: &Service) -> u32 {
        if self.tuning.without(ablation::Rule::OwnTasks) {
            return count(reading.healthy.len());
        }
        count(reading.healthy.intersection(&service.addresses).count())
    }

    pub(crate) fn alive(&self, service: &Service) -> bool {
        self.vital(service) == Vital::Alive
    }

    /// Whether anything at all answers on the side's group, whoever it belongs to; of several, on all of them.
    pub(crate) fn group_vital(&self, side: Side) -> Vital {
        let Some(readings) = self.memory.health[side.index()].readings() else {
            return Vital::Unclear;
        };
        vital(readings.map(|reading| count(reading.healthy.len())))
    }

    /// Whether anything at all answers where the rule would send requests for `side`.
    pub(crate) fn rule_vital(&self, rule: &Rule, side: Side) -> Vital {
        let Some(readings) = self.memory.health[side.index()].readings() else {
            return Vital::Unclear;
        };
        vital(readings.map(|reading| u32::from(reading.answers_on(rule.route))))
    }

    /// No group to which the rule gives weight had a healthy target in the readings that count.
    pub(crate) fn outage(&self, rule: &Rule) -> bool {
        Side::BOTH
            .iter()
            .all(|side| weight(rule, *side) == 0 || self.rule_vital(rule, *side) == Vital::Dead)
    }

    /// Health of `service` as evidence for a weight that needs `need` targets.
    pub(crate) fn evidence(&self, service: &Service, need: u32) -> Option<Evidence> {
        let side = service.side?;
        let health = &self.memory.health[side.index()];
        let healthy = self.carries(service)?;
        Some(Evidence {
            side,
            healthy,
            need,
            first: health.readings()?.next()?.at,
            last: health.newest()?.at,
        })
    }

    /// The zones of blue's healthy targets in which green has none, when one of the groups does not balance across zones.
    pub(crate) fn zones_missing(&self, green: Side) -> BTreeSet<String> {
        if !self.groups.iter().flatten().any(|group| group.single_zone) {
            return BTreeSet::new();
        }
        let zones = |side: Side| -> BTreeSet<String> {
            self.targets(side)
                .iter()
                .filter(|t| t.state == TargetState::Healthy)
                .filter_map(|t| t.zone.clone())
                .collect()
        };
        zones(green.other())
            .difference(&zones(green))
            .cloned()
            .collect()
    }

    /// When `side` has been without weight on every rule for `wait`; none while it has weight.
    pub(crate) fn quiet_at(&self, side: Side, wait: Duration) -> Option<Mono> {
        if self.groups[side.index()].is_none() {
            return Some(self.now.mono);
        }
        let since = self.memory.zero_since[side.index()]?;
        if self.tuning.without(ablation::Rule::DrainTimer) {
            return Some(since);
        }
        Some(since + wait)
    }

    pub(crate) fn is_past(&self, at: Option<Mono>) -> bool {
        at.is_some_and(|at| self.now.mono >= at)
    }

    /// Why this generation was rejected, if it was: in the record, or as a tag on a service that served.
    pub(crate) fn rejection(&self, generation: Generation) -> Option<String> {
        let recorded = self
            .record()
            .rejected
            .iter()
            .filter(|_| !self.tuning.without(ablation::Rule::RejectionRecord))
            .find(|r| r.generation == generation || self.tuning.without(ablation::Rule::RejectOne))
            .map(|r| r.reason.clone());
        let tagged = || {
            let tag = self
                .services
                .iter()
                .any(|s| s.tags.ours && s.tags.rejected == Some(generation));
            (tag && !self.tuning.without(ablation::Rule::RejectionTag))
                .then(|| "it failed before; the record with the reason was lost".to_owned())
        };
        recorded.or_else(tagged)
    }

    /// The step of the strategy that was written down last, and since when it runs.
    pub(crate) fn step(&self) -> Option<(usize, Timestamp)> {
        let step = self.record().rollout.as_ref()?.step?;
        // An index that is no size of this machine is behind the last step.
        Some((
            usize::try_from(step.index).unwrap_or(usize::MAX),
            step.since,
        ))
    }

    /// A person asked for this step of the wish's rollout to end, or for all of them.
    pub(crate) fn promoted(&self, step: usize) -> bool {
        let asked = self.memory.intents.as_ref().and_then(|asked| asked.promote);
        let (Some(asked), Some(wanted)) = (asked, &self.wanted) else {
            return false;
        };
        let this = u32::try_from(step) == Ok(asked.step);
        asked.rollout == wanted.generation && (asked.full || this)
    }

    /// A person asked for the wish's rollout to end, and not too late: what has succeeded stays what it is, also when it
    /// has to be made anew.
    pub(crate) fn aborted(&self) -> bool {
        let asked = self.memory.intents.as_ref().and_then(|asked| asked.abort);
        let (Some(asked), Some(wanted)) = (asked, &self.wanted) else {
            return false;
        };
        let good = self.record().last_good.as_ref();
        asked.rollout == wanted.generation && good.is_none_or(|good| good.digest != wanted.digest)
    }

    /// A person said yes to the gate that stands at `place` in the wish's rollout.
    pub(crate) fn approved(&self, place: &str) -> bool {
        let intents = self.memory.intents.as_ref();
        let said = intents.and_then(|asked| asked.approve.as_ref());
        let (Some(said), Some(wanted)) = (said, &self.wanted) else {
            return false;
        };
        said.rollout == wanted.generation && said.gate == place
    }

    /// The run of the gate at `place` that was begun for what is wished for.
    pub(crate) fn gate_run(&self, place: &str) -> Option<GateRun> {
        let rollout = self.record().rollout.as_ref()?;
        let this = rollout.release.digest == self.wanted.as_ref()?.digest;
        rollout.gates.get(place).copied().filter(|_| this)
    }

    /// The task definition that was registered for this release; where a service is updated in place, for this very wish.
    pub(crate) fn revision(&self, digest: &str) -> Option<&'a Revision> {
        let revisions = self.world.revisions.value()?;
        let rolling = self.application.is_rolling();
        let wish = self.wanted.as_ref().map(|wanted| wanted.generation);
        let wish = wish.filter(|_| rolling);
        let mut revisions = revisions.iter();
        revisions.find(|revision| {
            revision.digest.as_deref() == Some(digest) && revision.generation == wish
        })
    }

    /// The service that ECS updates in place. None: there is none yet, or there are several, and all but one go first, as
    /// they do without a rolling update.
    pub(crate) fn in_place(&self) -> Option<&'a Service> {
        let live = self.live();
        match live.as_slice() {
            [only] if self.application.is_rolling() => Some(only),
            _ => None,
        }
    }

    /// The task definition of the last good release.
    pub(crate) fn good_definition(&self) -> Option<&'a str> {
        let good = self.record().last_good.as_ref();
        let good = good.filter(|good| self.rejection(good.generation).is_none());
        good.and_then(|good| good.task_definition.as_deref())
            .filter(|_| !self.tuning.without(ablation::Rule::FallBack))
    }

    /// The task definition to go back to from the one that the service runs: that of the last good release, or what its
    /// tags say. By these alone only what failed goes back, or one would walk through history.
    pub(crate) fn way_back(&self, service: &'a Service) -> Option<&'a str> {
        let before = service.tags.blue.as_deref();
        let before = before.filter(|_| !self.tuning.without(ablation::Rule::FallBack));
        self.good_definition().or(before)
    }

    /// Tasks that 100 % of traffic needs: blue's live count, or what was written down, or the spec's.
    pub(crate) fn reference(&self, blue: Option<&Service>) -> u32 {
        let live = blue
            .map(|b| b.desired)
            .filter(|count| *count > 0 && !self.tuning.without(ablation::Rule::LiveCount));
        let recorded = self
            .record()
            .rollout
            .as_ref()
            .map(|rollout| rollout.reference)
            .filter(|count| *count > 0);
        live.or(recorded)
            .unwrap_or(self.application.template.desired_count)
    }
}

/// ACTIVE, ours, and bound to a side's group.
pub(crate) fn is_live(service: &Service) -> bool {
    service.tags.ours && service.status == ServiceStatus::Active && service.side.is_some()
}

/// The service runs this release.
pub(crate) fn runs(service: &Service, digest: &str) -> bool {
    service.tags.release.as_deref() == Some(digest)
}

/// Groups and weights of a rule, when it forwards.
pub(crate) fn weights(rule: &Rule) -> Option<[Option<u32>; 2]> {
    match &rule.action {
        Action::Forward { weights, .. } => Some(*weights),
        Action::Other { .. } | Action::Missing => None,
    }
}

/// A rule's name for people.
pub(crate) fn rule_name(target: &RuleTarget) -> String {
    match target {
        RuleTarget::Listener(arn) => format!("{arn} (default action)"),
        RuleTarget::Rule(arn) => arn.to_string(),
    }
}

/// What an ARN names: its last part, without partition, Region and account, which an application's resources share.
pub(crate) fn resource(arn: &str) -> &str {
    arn.splitn(6, ':').nth(5).unwrap_or(arn)
}

fn count(targets: usize) -> u32 {
    u32::try_from(targets).unwrap_or(u32::MAX)
}

fn vital(counts: impl Iterator<Item = u32> + Clone) -> Vital {
    if counts.clone().all(|count| count > 0) {
        Vital::Alive
    } else if counts.into_iter().all(|count| count == 0) {
        Vital::Dead
    } else {
        Vital::Unclear
    }
}

/// A rule's name in a message, which has little room.
pub(crate) fn short_name(target: &RuleTarget) -> String {
    resource(&rule_name(target)).to_owned()
}
