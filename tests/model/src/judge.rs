//! The safety properties, judged on what is true, whatever the operator saw.

use crd_schema::record::{Generation, Record};
use planner::world::ServiceStatus;
use planner::{Side, Write};

use crate::account::{Account, Deployed};
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
    /// A person acted: what the operator planned before it saw that is excused.
    pub person: Option<u64>,
}

/// Properties of a write that is about to be sent by `by`.
pub fn sending(setup: &Setup, state: &State, by: usize, write: &Write) -> Option<&'static str> {
    if state.lease.as_ref().is_some_and(|lease| lease.holder != by) {
        return Some("S16");
    }
    let bounded = setup.late <= crate::setup::QUIESCENCE;
    let distinct = |flight: &Flight| *flight.write != *write;
    if state.flights.iter().any(distinct) && (bounded || write.is_destructive()) {
        return Some("S7");
    }
    match write {
        Write::SetWeights { weights, .. } => {
            unproven(setup, &state.account, weights.get()).then_some("S2")
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
        | Write::SetGroupAttributes { .. }
        | Write::DeleteTargetGroup { .. }
        | Write::ScaleService { .. }
        | Write::TagService { .. }
        | Write::DeleteService { .. }
        | Write::DeregisterTaskDefinition { .. } => None,
    }
}

/// Properties of a write at the moment of its effect; it was planned at tick `made`.
pub fn landing(setup: &Setup, state: &State, write: &Write, made: u64) -> Option<&'static str> {
    // Between the last look and the effect of a write a person cannot be stopped, only repaired; the look covers what
    // a removal depends on.
    let removes = write.is_destructive() && made + 1 >= state.account.now && !setup.stale.elb;
    if state.past.person.is_some_and(|at| at + 1 >= made) && !removes {
        return None;
    }
    let account = &state.account;
    match write {
        Write::SetWeights { weights, .. } => {
            let rises = |side: &Side| {
                weights.get()[side.index()].unwrap_or(0) > account.weight(setup, *side)
            };
            let onto_nothing =
                |side: &Side| rises(side) && account.active_on(*side).next().is_none();
            if Side::BOTH.iter().any(onto_nothing) {
                return Some("S1");
            }
            let from_completed = |side: &Side| {
                let falls = weights.get()[side.index()].unwrap_or(0) < account.weight(setup, *side);
                state.past.completed.is_some()
                    && falls
                    && account
                        .active_on(*side)
                        .any(|s| is_wish(account, s) && account.healthy_of(setup, s) > 0)
            };
            Side::BOTH.iter().any(from_completed).then_some("S6")
        }
        Write::ScaleService { name, from, to } if to < from => removal(setup, account, name),
        Write::DeleteService { name } => {
            let service = account.active(name).ok()?;
            let side = service.shown.side?;
            let alone = account.active_on(side).count() == 1;
            if !service.tasks.is_empty() || (alone && !account.draining[side.index()].is_empty()) {
                return Some("S5");
            }
            None
        }
        Write::CreateService { name, side, .. } => {
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
            let other = account
                .active_on(side.other())
                .any(|s| account.healthy_of(setup, s) > 0);
            (account.weight(setup, *side) > 0 && other).then_some("S2")
        }
        Write::PutRecord(_)
        | Write::RegisterTaskDefinition { .. }
        | Write::CreateTargetGroup { .. }
        | Write::SetGroupAttributes { .. }
        | Write::DeleteTargetGroup { .. }
        | Write::ScaleService { .. }
        | Write::TagService { .. }
        | Write::DeregisterTaskDefinition { .. } => None,
    }
}

/// S4: what is taken away may still serve.
fn removal(setup: &Setup, account: &Account, name: &str) -> Option<&'static str> {
    let service = account.active(name).ok()?;
    let side = service.shown.side?;
    (!service.tasks.is_empty() && account.may_serve(setup, side)).then_some("S4")
}

/// Weight rises on a group whose service was not healthy enough of late.
fn unproven(setup: &Setup, account: &Account, next: [Option<u32>; 2]) -> bool {
    let sum: u32 = next.iter().flatten().sum();
    Side::BOTH.into_iter().any(|side| {
        let to = next[side.index()].unwrap_or(0);
        if to <= account.weight(setup, side) || account.active_on(side).next().is_none() {
            return false;
        }
        let other = side.other();
        let carried = account.weight(setup, other) > 0 && was_healthy(account, other, 1);
        // What the other group's service runs now is what 100 % of traffic needs.
        let full = account
            .active_on(other)
            .map(|s| s.shown.desired)
            .max()
            .unwrap_or(1);
        let need = if carried {
            (full * to).div_ceil(sum.max(1))
        } else {
            1
        };
        !was_healthy(account, side, need.max(1))
    })
}

fn was_healthy(account: &Account, side: Side, need: u32) -> bool {
    let nth = usize::try_from(need).unwrap_or(usize::MAX) - 1;
    account.active_on(side).any(|service| {
        let last = service.health.get(nth).and_then(|health| health.proven);
        last.is_some_and(|last| last + EVIDENCE >= account.now)
    })
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
    let (Write::ScaleService { name, .. } | Write::DeleteService { name }) = write else {
        return None;
    };
    let generation = account.active(name).ok()?.shown.tags.generation?;
    (write.is_destructive() && is_rejected(account, generation)).then_some(generation.version)
}

/// The service runs what is desired.
pub fn is_wish(account: &Account, service: &Deployed) -> bool {
    let (n, _) = account.ssm.truth().desired;
    service.shown.tags.version.as_deref() == Some(VERSIONS[n])
}

fn creates_wish(account: &Account, write: &Write) -> bool {
    let Write::CreateService { body, .. } = write else {
        return false;
    };
    let (n, _) = account.ssm.truth().desired;
    crate::account::version_of(body).as_deref() == Some(VERSIONS[n])
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
            let Some(side) = service.shown.side else {
                return false;
            };
            service.shown.status == ServiceStatus::Active
                && is_wish(account, service)
                && account.healthy_of(setup, service) > 0
                && account.weight(setup, side) > 0
                && account.weight(setup, side.other()) == 0
        }
        _ => false,
    }
}
