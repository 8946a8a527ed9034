//! Liveness as something that always holds: from every state, in a fair world, the goal is reached and kept.
//!
//! Faults are off, reads are fresh, one operator looks, acts, and lets time pass when it has nothing to do. The walk
//! ends where the state repeats: then nothing will ever happen again, and it is seen whether that is the goal. States
//! that were on a good walk are known to be good, so that the search as a whole takes about one step a state.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hasher};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};

use crd_schema::Application;
use crd_schema::intent::Abort;
use crd_schema::record::Stage;
use crd_schema::strategy::{Share, Step};
use jiff::Timestamp;
use planner::WaitingOn;
use planner::report::Hold;
use planner::world::{Origin, ServiceStatus};

use crate::account::{Account, Deployed, Reads};
use crate::balancer::TargetGroup;
use crate::gates::{Running, Says};
use crate::judge;
use crate::operator::Fate;
use crate::search::Verb;
use crate::setup::{Setup, Start, TICK};
use crate::state::{GRACE, State, TERM};

/// Requests are lost for at most this many ticks while something healthy is there, or could be: the wait after a start,
/// an unanswered write, and two readings.
const OUTAGE: usize = 6;
/// Ticks more in a world where a service may still be going whose name or place is needed.
const DELETION: usize = 2;
/// A walk is given up after this many steps.
const STEPS: usize = 400;
/// S12: writes to converge from anywhere, with up to three services and without steps. The sweep over every world
/// needs as many.
const WRITES: usize = 22;

/// S12: writes more where Application Auto Scaling knows the services: the one that stays is registered, the others are
/// suspended and deregistered, scale-in is as it was, and the record tells how that was.
const SCALING: usize = 8;

/// S12: writes more where a freeze ends on the way: what serves was kept up before the release began.
const FREEZE: usize = 2;

/// What a fair world does not put right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// Which property.
    pub property: &'static str,
    /// In words.
    pub what: String,
}

/// How a good state comes to rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rest {
    /// Writes until then.
    pub writes: u8,
    /// What is waited for then.
    pub waiting: &'static str,
    /// What is wished for was rejected by then.
    pub rejected: bool,
}

/// States known to be good.
#[derive(Default)]
pub struct Known {
    good: [Mutex<HashMap<u64, Rest>>; 32],
    most_writes: AtomicUsize,
    /// How many starts came to rest on each wait.
    rests: Mutex<BTreeMap<&'static str, usize>>,
}

impl Known {
    /// What a fair world does not put right from here; `None` when it does.
    pub fn ends(&self, start: &State) -> Option<Wrong> {
        // What is planned or on its way leads to states that are looked at themselves.
        if !start.flights.is_empty()
            || start
                .operators
                .iter()
                .flatten()
                .any(|o| o.planned.is_some())
        {
            return None;
        }
        let mut state = start.clone();
        let mut walked: Vec<(u64, usize)> = Vec::new();
        let mut writes = 0;
        let mut rest = Rest {
            writes: 0,
            waiting: "Nothing",
            rejected: false,
        };
        let mut lost = 0;
        let mut unharmed = false;
        loop {
            let here = digest(&state);
            if let Some(known) = self.get(here) {
                rest = known;
                break;
            }
            let repeats = walked.iter().any(|(digest, _)| *digest == here);
            walked.push((here, writes));
            if walked.len() > STEPS {
                return wrong("L1", format!("no end: {}", describe(&state)));
            }
            let waiting = match step(&mut state) {
                Ok(waiting) => waiting,
                Err(what) => return wrong("guard", what),
            };
            if let Some(property) = state.broken {
                return wrong(property, describe(&state));
            }
            writes += usize::from(waiting.is_none());
            let account = &state.account;
            if waiting.is_some()
                && (account.loses_requests(&state.setup) || account.sleeps(&state.setup))
            {
                lost += 1;
                let going = state.setup.start == Start::Anything;
                if lost > OUTAGE + if going { DELETION } else { 0 } {
                    return wrong(
                        "L2",
                        format!("for {lost} ticks, {waiting:?}: {}", describe(&state)),
                    );
                }
            }
            if repeats {
                match waiting {
                    Some(waiting) => {
                        if let Some(wrong) = judge_rest(&state, &waiting) {
                            return Some(wrong);
                        }
                        if let WaitingOn::Frozen(_) = waiting {
                            state.frozen = None;
                            continue;
                        }
                        if let Some(verb) = ends_the_wait(&state, &waiting) {
                            unharmed |= waits_in_time(&state);
                            state.ask(verb);
                            continue;
                        }
                        let generation = state.account.ssm.truth().desired.1;
                        rest.rejected = judge::is_rejected(&state.account, generation);
                        rest.waiting = match &waiting {
                            WaitingOn::Hold(hold) => hold.label(),
                            other => other.label(),
                        };
                        break;
                    }
                    None => {
                        return wrong("L1", format!("writes in a circle: {}", describe(&state)));
                    }
                }
            }
        }
        // What speaks against it, or never tells, may reject it.
        if unharmed && rest.rejected && state.says == Says::Well {
            let what = format!("rejected for a person's wait: {}", describe(&state));
            return wrong("L4", what);
        }
        let total = writes + usize::from(rest.writes);
        for (digest, before) in walked {
            let writes = u8::try_from(total - before).unwrap_or(u8::MAX);
            self.put(digest, Rest { writes, ..rest });
        }
        if let Ok(mut rests) = self.rests.lock() {
            *rests.entry(rest.waiting).or_default() += 1;
        }
        self.most_writes.fetch_max(total, Ordering::Relaxed);
        let freeze = if start.frozen.is_some() { FREEZE } else { 0 };
        (total > most_writes(&start.setup) + freeze).then(|| Wrong {
            property: "S12",
            what: format!("{total} writes to converge"),
        })
    }

    /// The most writes that any state needed to come to rest.
    pub fn most_writes(&self) -> usize {
        self.most_writes.load(Ordering::Relaxed)
    }

    /// How many starts came to rest on each wait.
    pub fn rests(&self) -> BTreeMap<&'static str, usize> {
        self.rests
            .lock()
            .map(|rests| rests.clone())
            .unwrap_or_default()
    }

    fn shard(&self, digest: u64) -> Option<MutexGuard<'_, HashMap<u64, Rest>>> {
        self.good[usize::try_from(digest % 32).unwrap_or(0)]
            .lock()
            .ok()
    }

    fn get(&self, digest: u64) -> Option<Rest> {
        self.shard(digest)?.get(&digest).copied()
    }

    fn put(&self, digest: u64, rest: Rest) {
        if let Some(mut shard) = self.shard(digest) {
            shard.insert(digest, rest);
        }
    }
}

/// S12: the most writes that convergence may take. A step is one more for each rule, and one of the record.
pub fn most_writes(setup: &Setup) -> usize {
    let application: &Application = &setup.application;
    let scaling = if setup.autoscaled { SCALING } else { 0 };
    let step = application.production().count() + 1;
    // Each gate is written down when it begins and when it has passed.
    let gates = 2 * application.gates.len();
    WRITES + scaling + gates + step * application.strategy.steps.len()
}

fn wrong(property: &'static str, what: String) -> Option<Wrong> {
    Some(Wrong { property, what })
}

fn digest(state: &State) -> u64 {
    let mut hasher = DefaultHasher::new();
    state.core(&mut hasher);
    hasher.finish()
}

/// One step of the fair world: what was waited for when time passed, nothing when a write was sent.
fn step(state: &mut State) -> Result<Option<WaitingOn>, String> {
    for who in 0..state.operators.len() {
        state.resume(who);
    }
    let now = state.account.now;
    let who = match &state.lease {
        None => 0,
        Some(lease)
            if state.operators[lease.holder]
                .as_ref()
                .is_some_and(|o| now < o.renewed + TERM) =>
        {
            lease.holder
        }
        Some(lease) if now >= lease.renewed + TERM + GRACE => {
            state.take_over(0);
            0
        }
        Some(_) => {
            state.tick();
            return Ok(Some(WaitingOn::StartBound));
        }
    };
    state.account.forget();
    let waiting = state
        .look(who, Reads::default())
        .map_err(|violation| violation.to_string())?;
    let gate = state.operators[who].as_ref().and_then(|o| o.gate.as_ref());
    if gate.is_some_and(Running::is_open) {
        state.end_gate(who, state.says);
    }
    let planned = state.operators[who]
        .as_ref()
        .is_some_and(|o| o.planned.is_some());
    if planned {
        state.send(who, Fate::Answered, Reads::default());
        state.account.forget();
        Ok(None)
    } else {
        state.tick();
        state.account.forget();
        Ok(Some(waiting))
    }
}

/// Nothing will ever happen again: is that as it should be?
fn judge_rest(state: &State, waiting: &WaitingOn) -> Option<Wrong> {
    let (setup, account) = (&*state.setup, &state.account);
    let describe = || format!("{waiting:?}: {}", describe(state));
    if account.loses_requests(setup) {
        return wrong("L2", describe());
    }
    let (wish, generation) = account.ssm.truth().desired;
    let broken = setup.broken.contains(&wish);
    let rejected = judge::is_rejected(account, generation);
    match waiting {
        WaitingOn::Nothing => {}
        WaitingOn::Hold(hold) if may_hold(state, hold) => return None,
        WaitingOn::Promotion if may_wait(state) => return None,
        WaitingOn::Frozen(_) if state.frozen.is_some() => return None,
        _ => return wrong("L1", describe()),
    }
    let services: Vec<_> = account.present().collect();
    if services
        .first()
        .is_some_and(|service| !service.shown.steady)
    {
        return wrong("L1", describe());
    }
    let leftovers = services.len() > 1
        || !account.draining.is_empty()
        || has_spare_groups(account)
        || account.ecs.truth().revisions.len() > setup.tuning.keep_revisions.max(2) + 1;
    if leftovers {
        return wrong("L5", describe());
    }
    // From any world whatever some of it may have been lost before.
    let lost = |s: &&Deployed| s.scaled != Some(false) && setup.start != Start::Anything;
    if setup.autoscaled && services.first().is_some_and(lost) {
        return wrong("S18", describe());
    }
    match services.first() {
        Some(service)
            if judge::is_wish(account, service) && account.healthy_of(setup, service) > 0 =>
        {
            None
        }
        Some(service) if rejected && !judge::is_wish(account, service) => None,
        Some(_) if broken => wrong("L3", describe()),
        Some(_) | None => wrong("L4", describe()),
    }
}

/// A group of a release that no service serves on, or a rule that forwards to nothing of ours.
fn has_spare_groups(account: &Account) -> bool {
    let elb = account.elb.truth();
    let empty = |group: &TargetGroup| account.active_in(&group.arn).next().is_none();
    elb.groups
        .iter()
        .enumerate()
        .any(|(n, group)| match group.origin {
            Origin::Given => false,
            Origin::Ours { .. } => empty(group),
            Origin::Template => elb.weight(usize::MAX, n).is_some(),
        })
}

/// A person is needed, and rightly so.
fn may_hold(state: &State, hold: &Hold) -> bool {
    let (setup, account) = (&*state.setup, &state.account);
    let alive = state.active().any(|s| account.healthy_of(setup, s) > 0);
    let by_person = setup.faults.person > 0;
    match hold {
        Hold::NothingAlive => !alive,
        _ if setup.start == Start::Anything => true,
        Hold::FallBackUnhealthy { .. } => state
            .active()
            .any(|s| s.shown.status == ServiceStatus::Active && account.healthy_new(setup, s) == 0),
        Hold::NothingToFallBackTo { .. } => {
            let record = account.ssm.truth().record.as_ref();
            let good = record.and_then(|(_, record)| record.last_good.as_ref());
            let usable = good.is_some_and(|good| {
                good.task_definition.is_some() && !judge::is_rejected(account, good.generation)
            });
            !usable
        }
        Hold::Paused => account.ssm.truth().intents.paused,
        Hold::AllPaused => account.ssm.truth().intents.all_paused,
        // All weights are 0, and no service is left that one of them could be given to.
        Hold::RuleUnusable { .. } => by_person && !alive,
        Hold::SharedGroup { .. } => by_person || setup.start == Start::Shared,
        Hold::RuleNamesNeitherGroup { .. }
        | Hold::UnlistedRule { .. }
        | Hold::ForeignService { .. }
        | Hold::Contended
        | Hold::GroupUnnamed { .. } => by_person,
        _ => false,
    }
}

/// A step waits for a person who has not ended it, and green has the share of that step on every production rule.
fn may_wait(state: &State) -> bool {
    let (setup, account) = (&*state.setup, &state.account);
    let ssm = account.ssm.truth();
    let record = ssm.record.as_ref().and_then(|(_, r)| r.rollout.as_ref());
    let Some(at) = record.and_then(|rollout| rollout.step) else {
        return false;
    };
    let generation = ssm.desired.1;
    let promoted = ssm
        .intents
        .promote
        .is_some_and(|asked| asked.rollout == generation && (asked.full || asked.step == at.index));
    // What is known to be good is aborted too late.
    let record = ssm.record.as_ref().map(|(_, record)| record);
    let good = record.and_then(|record| record.last_good.as_ref());
    let wish = setup.wanted(ssm.desired.0, generation);
    let late = good.is_some_and(|good| good.digest == wish.digest);
    let aborted = !late && ssm.intents.abort.is_some_and(|a| a.rollout == generation);
    let strategy = &setup.application.strategy;
    let index = usize::try_from(at.index).unwrap_or(usize::MAX);
    let unbounded = strategy.steps.get(index) == Some(&Step::Pause(None));
    let mut green = account.present().filter(|s| judge::is_wish(account, s));
    let share = |service: &Deployed| {
        let mut rules = setup.application.production();
        rules.all(|rule| {
            let (weight, sum) = account.weight_of(setup, rule, &service.group);
            Share::of(weight, sum) == strategy.share_at(index)
        })
    };
    unbounded && !promoted && !aborted && green.any(share)
}

/// In a fair world people do not let a rollout wait for ever.
fn ends_the_wait(state: &State, waiting: &WaitingOn) -> Option<Verb> {
    match waiting {
        WaitingOn::Hold(Hold::Paused | Hold::AllPaused) => Some(Verb::Pause(false)),
        WaitingOn::Promotion => {
            let record = state.account.ssm.truth().record.as_ref()?;
            let step = record.1.rollout.as_ref()?.step?;
            Some(Verb::Promote(step.index))
        }
        _ => None,
    }
}

/// Nothing but the wait for a person could make the rollout fail: it waits since its stage or step began.
fn waits_in_time(state: &State) -> bool {
    let (setup, account) = (&*state.setup, &state.account);
    let (wish, generation) = account.ssm.truth().desired;
    let calm = setup.faults.person + setup.faults.crash == 0 && !setup.broken.contains(&wish);
    let aborted = |abort: Abort| abort.rollout == generation;
    let record = account.ssm.truth().record.as_ref();
    let rollout = record.and_then(|(_, record)| record.rollout.as_ref());
    let fresh = rollout.is_none_or(|rollout| {
        let step = rollout.step.filter(|_| rollout.stage == Stage::Shift);
        let entered = rollout.entered.get(&rollout.stage).copied();
        let began = step.map(|step| step.since).or(entered);
        let tick = i64::try_from(TICK).unwrap_or(i64::MAX);
        let early = |paused: Timestamp| {
            began.is_none_or(|at| paused.as_millisecond() - at.as_millisecond() <= tick)
        };
        rollout.paused.is_none_or(early)
    });
    calm && fresh
        && !account.ssm.truth().intents.abort.is_some_and(aborted)
        && !judge::is_rejected(account, generation)
        && !account.present().any(|service| service.sick)
}

/// The state in words.
pub fn describe(state: &State) -> String {
    let setup: &Setup = &state.setup;
    let account = &state.account;
    let services = account.ecs.truth().services.iter().map(|s| {
        format!(
            "{} runs {} {:?} {:?} desired {} healthy {} rejected {:?} scaled {:?}",
            s.shown.name,
            s.shown.task_definition,
            account.side(&s.group),
            s.shown.status,
            s.shown.desired,
            account.healthy_of(setup, s),
            s.shown.tags.rejected,
            s.scaled
        )
    });
    let elb = account.elb.truth();
    let rules = elb.rules.iter().map(|forward| {
        let named = forward.iter();
        let named = named.map(|(n, weight)| format!("{} {weight}", elb.groups[*n].arn));
        named.collect::<Vec<_>>().join(", ")
    });
    format!(
        "wish {:?}, asked {:?}, weights {:?}, services {:?}, record {:?}",
        account.ssm.truth().desired,
        account.ssm.truth().intents,
        rules.collect::<Vec<_>>(),
        services.collect::<Vec<_>>(),
        account.ssm.truth().record,
    )
}
