//! The safety properties, judged on what is true, whatever the operator saw.

use std::collections::BTreeSet;

use crd_schema::application::RuleTarget;
use crd_schema::gate::Gate;
use crd_schema::record::{GateRun, Generation, Record, Release, Stage};
use crd_schema::strategy::Share;
use crd_schema::{GateName, TargetGroupArn};
use planner::lab::required;
use planner::world::{Origin, ServiceStatus};
use planner::{Side, Write};

use crate::account::{Account, DRAIN, Deployed, group_of, targets_of};
use crate::gates;
use crate::setup::{Setup, VERSIONS};
use crate::state::{Flight, State};

/// Ticks for which health that was true counts as evidence: a reading may be a tick stale, a tick old when the plan is
/// made, and a tick older when it is enacted.
pub const EVIDENCE: u64 = 3;

/// What a history showed about the properties that no single state shows.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Past {
    /// Since when the wish of now is completed: it serves alone.
    pub completed: Option<u64>,
    /// Where most traffic went last, since the wish changed.
    pub direction: Option<Side>,
    /// How often own writes changed the direction of traffic since the wish changed.
    pub turns: u8,
    /// Generations that failed and whose service was taken away: what they were is known for good.
    pub rejected: Vec<i64>,
    /// When alarms and analyses last said that all is well.
    pub well: u64,
    /// Gates that were passed: version, and where they stand.
    pub passed: BTreeSet<(String, String)>,
    /// A person acted: what the operator planned before it saw that is excused.
    pub person: Option<u64>,
    /// A person changed weights, and no operator has looked since.
    pub unseen: bool,
}

/// Properties of a write that is about to be sent by `by`.
pub fn sending(setup: &Setup, state: &State, by: usize, write: &Write) -> Option<&'static str> {
    if state.lease.as_ref().is_some_and(|lease| lease.holder != by) {
        return Some("S16");
    }
    let bounded = setup.late <= crate::setup::QUIESCENCE;
    // What a person did since may be what it would do: then it looks as if it had taken effect.
    let distinct = |flight: &Flight| *flight.write != *write && !flight.overtaken;
    if state.flights.iter().any(distinct) && (bounded || write.is_destructive()) {
        return Some("S7");
    }
    match write {
        Write::SetWeights {
            rule,
            groups,
            weights,
            ..
        } => {
            let mut unlisted = setup.unlisted.iter();
            if unlisted.any(|other| other == rule) {
                return Some("S9");
            }
            let production = setup.application.production().any(|listed| listed == rule);
            let next = given(groups, weights.get());
            (production && unproven(setup, &state.account, rule, &next)).then_some("S2")
        }
        Write::UpdateService { name, to, .. } => {
            let found = state.account.active(name).ok();
            let told = state.account.told(to).and_then(|told| told.generation);
            let failed = told.is_some_and(|g| state.past.rejected.contains(&g.version));
            let strange = found.is_some_and(|s| !s.shown.tags.ours);
            failed.then_some("S8").or(strange.then_some("S9"))
        }
        Write::ScaleService { name, .. }
        | Write::DeleteService { name }
        | Write::TagService { name, .. }
        | Write::SetScaling { name, .. } => {
            let found = state.account.active(name).ok();
            found.is_some_and(|s| !s.shown.tags.ours).then_some("S9")
        }
        Write::SetGroupAttributes { group, .. } | Write::DeleteTargetGroup { group } => {
            let elb = state.account.elb.truth();
            let found = elb.position(group).map(|n| &elb.groups[n].origin);
            let ours = |origin: &Origin| matches!(origin, Origin::Ours { .. });
            found.is_some_and(|origin| !ours(origin)).then_some("S9")
        }
        Write::CreateService { body, .. } => {
            let generation = crate::account::generation_of(body);
            generation
                .is_some_and(|g| state.past.rejected.contains(&g.version))
                .then_some("S8")
        }
        Write::PutRecord(_)
        | Write::RegisterTaskDefinition { .. }
        | Write::CreateTargetGroup { .. }
        | Write::DeregisterTaskDefinition { .. } => None,
    }
}

/// The weight that a write gives to each group that it names.
fn given(
    groups: &[Option<TargetGroupArn>; 2],
    weights: [Option<u32>; 2],
) -> Vec<(&TargetGroupArn, u32)> {
    let named = groups.iter().zip(weights);
    named
        .filter_map(|(group, weight)| Some((group.as_ref()?, weight.unwrap_or(0))))
        .collect()
}

/// Properties of a write at the moment of its effect; it was planned at tick `made`, and a person acted after it was sent
/// when it is `overtaken`.
pub fn landing(
    setup: &Setup,
    state: &State,
    write: &Write,
    made: u64,
    overtaken: bool,
) -> Option<&'static str> {
    // Between the last look and the effect of a write a person cannot be stopped, only repaired; the look covers what
    // a removal depends on.
    let looked = made + 1 >= state.account.now && !setup.stale.elb && !overtaken;
    let removes = write.is_destructive() && looked;
    if state.past.person.is_some_and(|at| at + 1 >= made) && !removes {
        return None;
    }
    let account = &state.account;
    match write {
        Write::SetWeights {
            rule,
            groups,
            weights,
            ..
        } => {
            if !setup.application.production().any(|listed| listed == rule) {
                return None;
            }
            let next = given(groups, weights.get());
            let sum: u32 = next.iter().map(|(_, weight)| weight).sum();
            let before = |group: &TargetGroupArn| account.weight_of(setup, rule, group);
            let onto_nothing = |(group, to): &(&TargetGroupArn, u32)| {
                *to > before(group).0 && account.active_in(group).next().is_none()
            };
            if next.iter().any(onto_nothing) {
                return Some("S1");
            }
            if next
                .iter()
                .any(|given| unscaled(account, &before, *given, &next))
            {
                return Some("S18");
            }
            if next
                .iter()
                .any(|given| untested(setup, state, rule, &next, *given, made))
            {
                return Some("S17");
            }
            // Shares of the rule's traffic, not weights.
            let from_completed = |(group, to): &(&TargetGroupArn, u32)| {
                let (had, of) = before(group);
                state.past.completed.is_some()
                    && to * of < had * sum
                    && account
                        .active_in(group)
                        .any(|s| is_wish(account, s) && serves_since(setup, account, s, made))
            };
            next.iter().any(from_completed).then_some("S6")
        }
        Write::ScaleService { name, from, to } if to < from => {
            removal(setup, account, name).or_else(|| hasty(setup, state, name, made))
        }
        Write::DeleteService { name } => {
            let service = account.active(name).ok()?;
            let alone = account.active_in(&service.group).count() == 1;
            let cut = !service.tasks.is_empty() || (alone && account.drains(&service.group));
            cut.then_some("S5")
        }
        // Requests in flight end within the deregistration delay; without targets there are none.
        Write::DeleteTargetGroup { group } => {
            let empty = targets_of(account.health.truth(), group).is_empty();
            let delay = if empty { 0 } else { DRAIN.into() };
            let serves = account.may_serve(setup, group, delay);
            (account.elb.truth().position(group).is_some() && serves).then_some("S5")
        }
        Write::CreateService { name, body, .. } => {
            let services = &account.ecs.truth().services;
            let gone =
                |s: &Deployed| s.shown.name == *name && s.shown.status == ServiceStatus::Inactive;
            if services.iter().any(gone) {
                return Some("S10");
            }
            let runs =
                |s: &&Deployed| s.shown.status == ServiceStatus::Active && s.shown.desired > 0;
            if services.iter().filter(runs).count() > 1 {
                return Some("S11");
            }
            let long = |since| account.now > since + setup.late + 1;
            if state.past.completed.is_some_and(long) && !creates_wish(account, write) {
                return Some("S6");
            }
            // A new service begins without traffic while another one has it.
            let group = group_of(body)?;
            let mut others = account.present().filter(|s| *s.group != group);
            let other = others.any(|s| serves_since(setup, account, s, made));
            (account.weight_in(setup, &group) > 0 && other).then_some("S2")
        }
        Write::UpdateService { name, to, .. } => in_place(setup, state, name, to),
        Write::PutRecord(_)
        | Write::RegisterTaskDefinition { .. }
        | Write::CreateTargetGroup { .. }
        | Write::SetGroupAttributes { .. }
        | Write::ScaleService { .. }
        | Write::TagService { .. }
        | Write::SetScaling { .. }
        | Write::DeregisterTaskDefinition { .. } => None,
    }
}

/// It is healthy, and was at every moment since the look that a plan was made on at `made`.
fn serves_since(setup: &Setup, account: &Account, service: &Deployed, made: u64) -> bool {
    let older = u64::from(setup.stale.health);
    let dark = service.dark.is_some_and(|at| at + older >= made);
    account.healthy_of(setup, service) > 0 && !dark
}

/// An update in place: S17 when it is to a release whose gates before it have not passed, S6 when it takes a completed
/// release away that nothing speaks against.
fn in_place(setup: &Setup, state: &State, name: &str, to: &str) -> Option<&'static str> {
    let account = &state.account;
    let service = account.active(name).ok()?;
    let (n, wish) = account.ssm.truth().desired;
    let version = account.told(to).and_then(|told| told.version.as_deref());
    let forth = version == Some(VERSIONS[n]);
    let first = |gate: &Gate| gate.before == Some(Stage::ScaleUp);
    let mut gates = setup
        .application
        .gates
        .iter()
        .filter(|(_, gate)| first(gate));
    let passed = |name: &GateName| {
        let place = (VERSIONS[n].to_owned(), GateRun::place(name, None));
        state.past.passed.contains(&place)
    };
    if forth && to != service.completed && gates.any(|(name, _)| !passed(name)) {
        return Some("S17");
    }
    let long = |since| account.now > since + setup.late + 1;
    let good = state.past.completed.is_some_and(long) && is_wish(account, service);
    (good && !forth && !is_rejected(account, wish)).then_some("S6")
}

/// S18: traffic goes to a service that was created beside the one that it leaves, and the one may be scaled in, or the
/// other is not scaled.
fn unscaled<'a>(
    account: &Account,
    before: &impl Fn(&TargetGroupArn) -> (u32, u32),
    (group, to): (&'a TargetGroupArn, u32),
    next: &[(&'a TargetGroupArn, u32)],
) -> bool {
    let Some(green) = account
        .active_in(group)
        .next()
        .filter(|_| to > before(group).0)
    else {
        return false;
    };
    let falls = |(left, to): &&(&TargetGroupArn, u32)| *left != group && *to < before(left).0;
    let left = next.iter().filter(falls);
    let mut blues = left.flat_map(|(left, _)| account.active_in(left));
    let blue = blues.find(|blue| green.shown.tags.blue.as_ref() == Some(&blue.shown.name));
    // What is dead, or was until just now, has nothing to lose.
    let lives = |blue: &&Deployed| {
        let twice = blue.health.first().and_then(|health| health.0[1]);
        twice.is_some_and(|at| at + 1 >= account.now)
    };
    let blue = blue.filter(lives);
    let held = blue.is_none_or(|blue| {
        blue.scaled
            .is_none_or(|held| held && green.scaled.is_some())
    });
    !held
}

/// S4: what is taken away may still serve.
fn removal(setup: &Setup, account: &Account, name: &str) -> Option<&'static str> {
    let service = account.active(name).ok()?;
    if service.scaled.is_some() {
        return Some("S18");
    }
    let serves = if setup.application.is_worker() {
        worked(service, account, 1) && !replaced(account, service)
    } else {
        account.may_serve(setup, &service.group, 0)
    };
    (!service.tasks.is_empty() && serves).then_some("S4")
}

/// Another worker works in its place: of one that was rejected any task, else as many as leave, or all that it has.
fn replaced(account: &Account, service: &Deployed) -> bool {
    let generation = service.shown.tags.generation;
    let rejected = generation.is_some_and(|generation| is_rejected(account, generation));
    let mut services = account.present();
    services.any(|other| {
        let all = other.shown.desired.min(service.shown.desired).max(1);
        let need = if rejected { 1 } else { all };
        let ours = other.shown.tags.ours && other.shown.status == ServiceStatus::Active;
        ours && other.shown.name != service.shown.name && worked(other, account, need)
    })
}

/// S17 of workers: what worked before stops, and what takes its place has not passed its gates, or alarms and analyses
/// do not say that all is well.
fn hasty(setup: &Setup, state: &State, name: &str, made: u64) -> Option<&'static str> {
    let account = &state.account;
    let blue = account.active(name).ok()?;
    let rejected = |s: &Deployed| {
        let generation = s.shown.tags.generation;
        generation.is_some_and(|generation| is_rejected(account, generation))
    };
    let works = worked(blue, account, 1) && blue.shown.tags.ours && !is_wish(account, blue);
    let applies = setup.application.is_worker() && works && !rejected(blue);
    let mut others = account.present().filter(|s| s.shown.name != name);
    let green = others.find(|s| is_wish(account, s)).filter(|_| applies)?;
    let name = Some(green.shown.name.as_str());
    let goes_back = blue.shown.tags.blue.as_deref() == name;
    let version = green.shown.tags.version.clone().unwrap_or_default();
    let passed = |place| state.past.passed.contains(&(version.clone(), place));
    let judged = setup.application.alarms.is_some() || !setup.application.analyses.is_empty();
    let allowed = gates::all(setup).all(passed) && (!judged || state.past.well >= made);
    (!goes_back && !allowed).then_some("S17")
}

/// S17: more traffic goes to the release that is wished for than its gates that have passed allow, or while alarms and
/// analyses do not say that all is well, and the other service could carry it.
fn untested(
    setup: &Setup,
    state: &State,
    rule: &RuleTarget,
    next: &[(&TargetGroupArn, u32)],
    (group, to): (&TargetGroupArn, u32),
    made: u64,
) -> bool {
    let account = &state.account;
    let intents = &account.ssm.truth().intents;
    let full = intents.promote.is_some_and(|asked| asked.full);
    // It is healthy, and was seen to be, as evidence is.
    let carries = |(other, _): &(&TargetGroupArn, u32)| {
        let mut now = account.active_in(other);
        *other != group
            && was_healthy(account, other, 1)
            && now.any(|s| account.healthy_of(setup, s) > 0)
    };
    if to <= account.weight_of(setup, rule, group).0 || !next.iter().any(carries) || full {
        return false;
    }
    let sum = next.iter().map(|(_, weight)| weight).sum();
    let share = Share::of(to, sum);
    account.active_in(group).any(|service| {
        let name = Some(service.shown.name.as_str());
        let goes_back = account
            .present()
            .any(|s| s.shown.tags.blue.as_deref() == name);
        let version = service.shown.tags.version.clone().unwrap_or_default();
        let passed = |place| state.past.passed.contains(&(version.clone(), place));
        // An analysis begins with green's first traffic.
        let begins = account.weight_of(setup, rule, group).0 == 0;
        let analysed = !begins && !setup.application.analyses.is_empty();
        let speaks = setup.application.alarms.is_some() || analysed;
        let well = !speaks || state.past.well >= made;
        let allowed = required(&setup.application, share).all(passed) && well;
        // One that sleeps beside another on the group gets nothing.
        let answers = !service.tasks.is_empty();
        is_wish(account, service) && answers && !goes_back && !allowed
    })
}

/// Weight rises on a group whose service was not healthy enough of late.
fn unproven(
    setup: &Setup,
    account: &Account,
    rule: &RuleTarget,
    next: &[(&TargetGroupArn, u32)],
) -> bool {
    let before = |group: &TargetGroupArn| account.weight_of(setup, rule, group).0;
    let sum: u32 = next.iter().map(|(_, weight)| weight).sum();
    next.iter().any(|(group, to)| {
        if *to <= before(group) || account.active_in(group).next().is_none() {
            return false;
        }
        let carries = |(other, _): &&(&TargetGroupArn, u32)| {
            other != group && before(other) > 0 && was_healthy(account, other, 1)
        };
        // What the other group's service runs now is what 100 % of traffic needs.
        let need = next.iter().find(carries).map(|(other, _)| {
            let carrying = account.active_in(other);
            let carrying = carrying.filter(|s| account.healthy_of(setup, s) > 0);
            let counts = carrying.map(|s| s.shown.desired);
            (counts.max().unwrap_or(1) * to).div_ceil(sum.max(1))
        });
        // What was seen there may be leaving by now, beside somebody else's service: a person took it away since.
        let mut there = account.present().filter(|s| *s.group == **group);
        !there.any(|service| worked(service, account, need.unwrap_or(1).max(1)))
    })
}

fn was_healthy(account: &Account, group: &TargetGroupArn, need: u32) -> bool {
    let mut services = account.active_in(group);
    services.any(|service| worked(service, account, need))
}

/// It had so many healthy tasks of late.
fn worked(service: &Deployed, account: &Account, need: u32) -> bool {
    let nth = usize::try_from(need).unwrap_or(usize::MAX) - 1;
    let [last, before] = service.health.get(nth).map_or([None; 2], |health| health.0);
    let since = |tick: Option<u64>, age| tick.is_some_and(|tick| tick + age >= account.now);
    since(last, EVIDENCE) && since(before, EVIDENCE + 1)
}

/// The generation was rejected, as the record or a tag tells.
pub fn is_rejected(account: &Account, generation: Generation) -> bool {
    let record = account.ssm.truth().record.as_ref();
    let listed = |record: &Record| record.rejected.iter().any(|r| r.generation == generation);
    record.is_some_and(|(_, record)| listed(record))
        || account
            .present()
            .any(|s| s.shown.tags.rejected == Some(generation))
}

/// The generation of a service that this write takes away because it failed.
pub fn failed(account: &Account, write: &Write) -> Option<i64> {
    let (Write::ScaleService { name, .. }
    | Write::UpdateService { name, .. }
    | Write::DeleteService { name }) = write
    else {
        return None;
    };
    let leaves = write.is_destructive() || matches!(write, Write::UpdateService { .. });
    let generation = account.active(name).ok()?.shown.tags.generation?;
    (leaves && is_rejected(account, generation)).then_some(generation.version)
}

/// The service runs what is desired.
pub fn is_wish(account: &Account, service: &Deployed) -> bool {
    let (n, _) = account.ssm.truth().desired;
    service.shown.tags.version.as_deref() == Some(VERSIONS[n])
}

/// The release that is wished for begins with this write: nothing runs it, it is not on its way, and it is not the last
/// one that was good.
pub fn begins(account: &Account, write: &Write) -> bool {
    let (n, _) = account.ssm.truth().desired;
    let is_wish = |release: &Release| release.version == VERSIONS[n];
    let rolls_out = |record: &Record| record.rollout.as_ref().is_some_and(|r| is_wish(&r.release));
    let begins = match write {
        Write::PutRecord(next) => rolls_out(next),
        write => creates_wish(account, write),
    };
    let was_good = |record: &Record| record.last_good.as_ref().is_some_and(is_wish);
    let record = account.ssm.truth().record.as_ref();
    let known = record.is_some_and(|(_, record)| rolls_out(record) || was_good(record));
    begins
        && !known
        && !account
            .present()
            .any(|service| self::is_wish(account, service))
}

fn creates_wish(account: &Account, write: &Write) -> bool {
    let Write::CreateService { body, .. } = write else {
        return false;
    };
    let (n, _) = account.ssm.truth().desired;
    // Of one that is updated in place its task definition tells.
    let runs = body.get("taskDefinition").and_then(|arn| arn.as_str());
    let told = runs.and_then(|arn| account.told(arn)?.version.clone());
    let version = crate::account::version_of(body).or(told);
    version.as_deref() == Some(VERSIONS[n])
}

/// The group that has more weight.
pub fn direction(setup: &Setup, account: &Account) -> Option<Side> {
    let [a, b] = Side::BOTH.map(|side| account.weight(setup, side));
    (a != b).then_some(if a > b { Side::A } else { Side::B })
}

/// S13: one way and back at most, for each wish. Repair of dead traffic and of what a person did is not counted.
pub fn turning(setup: &Setup, past: &Past) -> Option<&'static str> {
    // Blue and green may fail in turn, and traffic follows.
    let calm = setup.faults.flip <= 2 && setup.faults.crash + setup.faults.person == 0;
    (calm && past.turns > 2).then_some("S13")
}

/// What is desired serves alone and nothing of the others is left.
pub fn is_completed(setup: &Setup, account: &Account) -> bool {
    match account.present().collect::<Vec<_>>().as_slice() {
        [service] => {
            let Some(side) = account.side(&service.group) else {
                return false;
            };
            let all = account.weight(setup, side) > 0 && account.weight(setup, side.other()) == 0;
            service.shown.status == ServiceStatus::Active
                && is_wish(account, service)
                && account.healthy_of(setup, service) > 0
                && (all || setup.application.is_worker())
                && service.shown.steady
        }
        _ => false,
    }
}
