//! The search: every order of what may happen.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use crd_schema::intent::{Abort, Intents, Promote};
use crd_schema::record::Generation;
use crd_schema::strategy::Step;
use planner::Side;
use planner::world::ServiceStatus;
use stateright::{Model, Property};

use crate::account::{Account, Part, Reads, Refused};
use crate::fair::Known;
use crate::gates::{Running, Says};
use crate::judge::{self, Past};
use crate::operator::Fate;
use crate::setup::{Setup, VERSIONS};
use crate::state::{GRACE, Lease, Operator, State, TERM};

/// One thing that happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A tick passes.
    Tick,
    /// An operator looks and plans.
    Look(usize, Reads),
    /// An operator sends what it planned, after one more look.
    Send(usize, Fate, Reads),
    /// An unanswered write lands.
    Land(usize),
    /// An operator is killed; without a lease it is started again at once.
    Kill(usize),
    /// An operator is stopped gracefully and says that all is handed over.
    HandOver(usize, Fate),
    /// An operator is paused.
    Pause(usize),
    /// It goes on.
    Resume(usize),
    /// An operator takes the lease.
    TakeOver(usize),
    /// Another release is desired.
    Wish(usize),
    /// A service's tasks begin or cease to fail their health checks.
    Flip(usize),
    /// A task crashes.
    Crash(usize),
    /// A person sets the weights of every rule, or of the first alone.
    Weights([Option<u32>; 2], bool),
    /// A person creates a service of their own on the group that holds a side.
    Intrude(Side),
    /// A person deletes a service, tasks and all.
    Delete(usize),
    /// A person scales a service to zero.
    Scale(usize),
    /// ECS gives up the deployment of a service that is updated in place, and goes back or does not.
    GiveUp(usize, bool),
    /// A person updates a service to a task definition of theirs.
    Update(usize),
    /// A person deletes the record.
    LoseRecord,
    /// The gate that an operator runs passes, or fails.
    Gate(usize, Says),
    /// Alarms and analyses say something else.
    Says(Says),
    /// A person asks for something of the rollout that is wished for.
    Ask(Verb),
    /// A freeze begins, or ends.
    Freeze(bool),
}

/// What a person may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// This step ends now, whichever runs.
    Promote(u32),
    /// All steps end now.
    PromoteFull,
    /// The rollout ends.
    Abort,
    /// Nothing makes progress, until that is taken back.
    Pause(bool),
}

/// What a person may set the weights to.
const WEIGHTS: [[Option<u32>; 2]; 7] = [
    [Some(100), Some(0)],
    [Some(0), Some(100)],
    [Some(50), Some(50)],
    [Some(0), Some(0)],
    [Some(100), None],
    [None, Some(100)],
    [None, Some(0)],
];

/// What a round of reads may miss.
const PARTS: [Part; 7] = [
    Part::Desired,
    Part::Record,
    Part::Intents,
    Part::Services,
    Part::Rules,
    Part::Groups,
    Part::Scaling,
];

/// A search over one setup.
pub struct Search {
    setup: Arc<Setup>,
    known: Known,
    /// How many states may still be gone on from.
    left: AtomicUsize,
    /// The first thing that went wrong, in words.
    said: Mutex<Option<String>>,
}

impl Search {
    /// Over this setup; goes on from at most so many states, and judges those that they lead to.
    pub fn new(setup: Setup, states: usize) -> Self {
        Self {
            setup: Arc::new(setup),
            known: Known::default(),
            left: AtomicUsize::new(states),
            said: Mutex::new(None),
        }
    }

    /// The first thing that went wrong in a fair world, in words.
    pub fn said(&self) -> Option<String> {
        self.said.lock().ok().and_then(|said| said.clone())
    }

    /// Every state that can be reached was looked at.
    pub fn exhausted(&self) -> bool {
        self.left.load(Ordering::Relaxed) > 0
    }

    /// The search is over, and histories are told: that counts no more.
    pub fn tell(&self) {
        self.left.store(usize::MAX, Ordering::Relaxed);
    }

    /// The most writes that any state needed to come to rest.
    pub fn most_writes(&self) -> usize {
        self.known.most_writes()
    }

    fn ending(&self, state: &State) -> Option<&'static str> {
        *state.ending.get_or_init(|| {
            let wrong = self.known.ends(state)?;
            if let Ok(mut said) = self.said.lock() {
                said.get_or_insert(wrong.what);
            }
            Some(wrong.property)
        })
    }

    fn reads(&self, account: &Account) -> Vec<Reads> {
        let stale = self.setup.stale;
        let upto = |stale: bool, answers: usize| 0..if stale { answers } else { 1 };
        let mut all = Vec::new();
        for ecs in upto(stale.ecs, account.ecs.answers()) {
            for elb in upto(stale.elb, account.elb.answers()) {
                for health in upto(stale.health, account.health.answers()) {
                    for ssm in upto(stale.ssm, account.ssm.answers()) {
                        all.push(Reads {
                            ecs,
                            elb,
                            health,
                            ssm,
                            unread: None,
                        });
                    }
                }
            }
        }
        all
    }
}

impl Model for Search {
    type State = State;
    type Action = Event;

    fn init_states(&self) -> Vec<State> {
        vec![State::new(&self.setup, Account::new(&self.setup))]
    }

    fn actions(&self, state: &State, events: &mut Vec<Event>) {
        let one_less = |left: usize| left.checked_sub(1);
        let spent = self
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less)
            .is_err();
        if spent || state.broken.is_some() {
            return;
        }
        let left = if state.left.together == 0 {
            crate::setup::Faults::default()
        } else {
            state.left
        };
        let (account, services) = (&state.account, &state.account.ecs.truth().services);
        events.push(Event::Tick);
        events.extend((0..state.flights.len()).map(Event::Land));
        let expired = state
            .lease
            .as_ref()
            .is_some_and(|l| account.now >= l.renewed + TERM + GRACE);
        for (who, operator) in state.operators.iter().enumerate() {
            let Some(operator) = operator else {
                if expired {
                    events.push(Event::TakeOver(who));
                }
                continue;
            };
            if operator.paused {
                events.push(Event::Resume(who));
                continue;
            }
            if operator.planned.is_some() {
                for look in self
                    .reads(account)
                    .into_iter()
                    .filter(|r| r.health + r.ssm == 0)
                {
                    events.push(Event::Send(who, Fate::Answered, look));
                }
                if left.unanswered > 0 {
                    events.push(Event::Send(who, Fate::Unanswered, Reads::default()));
                }
                if left.refused > 0 {
                    events.push(Event::Send(who, Fate::Refused, Reads::default()));
                }
            } else {
                events.extend(self.reads(account).into_iter().map(|r| Event::Look(who, r)));
                if left.unread > 0 {
                    let unread = PARTS.map(|part| Reads {
                        unread: Some(part),
                        ..Reads::default()
                    });
                    events.extend(unread.map(|r| Event::Look(who, r)));
                }
            }
            if operator.gate.as_ref().is_some_and(Running::is_open) {
                events.extend([Says::Well, Says::Bad].map(|says| Event::Gate(who, says)));
            }
            if left.restart > 0 {
                events.push(Event::Kill(who));
                if operator.planned.is_none()
                    && operator
                        .memory
                        .hand_over(&state.setup.tuning, state.account.clock())
                        .is_some()
                {
                    events.push(Event::HandOver(who, Fate::Answered));
                    if left.unanswered > 0 {
                        events.push(Event::HandOver(who, Fate::Unanswered));
                    }
                }
            }
            if left.pause > 0 {
                events.push(Event::Pause(who));
            }
        }
        if state.wishes > 0 {
            let (now, _) = account.ssm.truth().desired;
            events.extend((0..VERSIONS.len()).filter(|n| *n != now).map(Event::Wish));
        }
        let active = |n: &usize| services[*n].shown.status == ServiceStatus::Active;
        let active: Vec<usize> = (0..services.len()).filter(active).collect();
        if left.flip > 0 {
            events.extend(active.iter().map(|n| Event::Flip(*n)));
        }
        if left.crash > 0 {
            let running = |n: &&usize| services[**n].tasks.first().is_some_and(|task| task.running);
            events.extend(active.iter().filter(running).map(|n| Event::Crash(*n)));
        }
        let in_place = state.setup.application.is_rolling();
        if left.breaker > 0 && in_place {
            let updating = active.iter().filter(|n| account.is_updating(**n));
            events.extend(updating.flat_map(|n| [true, false].map(|back| Event::GiveUp(*n, back))));
        }
        if left.person > 0 && in_place {
            events.extend(active.iter().map(|n| Event::Update(*n)));
        }
        // What is changed and changed again between two looks is not seen: the first change counts for nothing then.
        if left.person > 0 && !state.past.unseen {
            events.extend(WEIGHTS.map(|weights| Event::Weights(weights, true)));
            if account.elb.truth().rules.len() > 1 {
                events.extend(WEIGHTS.map(|weights| Event::Weights(weights, false)));
            }
        }
        if left.person > 0 {
            events.extend(Side::BOTH.map(Event::Intrude));
            events.extend(
                active
                    .iter()
                    .flat_map(|n| [Event::Delete(*n), Event::Scale(*n)]),
            );
            events.push(Event::LoseRecord);
        }
        if left.says > 0 {
            let others = Says::ALL.into_iter().filter(|says| *says != state.says);
            events.extend(others.map(Event::Says));
        }
        if left.verb > 0 {
            let steps = &state.setup.application.strategy.steps;
            let pauses = (0..).zip(steps).filter(|(_, step)| match step {
                Step::Pause(_) => true,
                Step::SetWeight(_) | Step::SetScale(_) | Step::Gate(_) | Step::Analysis(_) => false,
            });
            events.extend(pauses.map(|(n, _)| Event::Ask(Verb::Promote(n))));
            if !steps.is_empty() {
                events.push(Event::Ask(Verb::PromoteFull));
            }
            let Intents {
                paused, all_paused, ..
            } = account.ssm.truth().intents;
            let pause = Verb::Pause(!(paused || all_paused));
            events.extend([Verb::Abort, pause].map(Event::Ask));
        }
        if left.freeze > 0 {
            events.push(Event::Freeze(state.frozen.is_none()));
        }
    }

    fn next_state(&self, last: &State, event: Event) -> Option<State> {
        let mut state = last.clone();
        state.ending = OnceLock::new();
        let setup = &self.setup;
        let left = &mut state.left;
        let budget = match event {
            Event::Send(_, Fate::Unanswered, _) => Some(&mut left.unanswered),
            Event::Send(_, Fate::Refused, _) => Some(&mut left.refused),
            Event::Kill(_) | Event::HandOver(_, _) => Some(&mut left.restart),
            Event::Pause(_) => Some(&mut left.pause),
            Event::Flip(_) => Some(&mut left.flip),
            Event::Crash(_) => Some(&mut left.crash),
            Event::Look(_, reads) if reads.unread.is_some() => Some(&mut left.unread),
            Event::Weights(..)
            | Event::Intrude(_)
            | Event::Delete(_)
            | Event::Scale(_)
            | Event::Update(_)
            | Event::LoseRecord => Some(&mut left.person),
            Event::GiveUp(..) => Some(&mut left.breaker),
            Event::Ask(_) => Some(&mut left.verb),
            Event::Says(_) => Some(&mut left.says),
            Event::Freeze(_) => Some(&mut left.freeze),
            Event::Tick
            | Event::Look(_, _)
            | Event::Send(_, Fate::Answered, _)
            | Event::Land(_)
            | Event::Resume(_)
            | Event::TakeOver(_)
            | Event::Gate(_, _)
            | Event::Wish(_) => None,
        };
        if let Some(budget) = budget {
            *budget -= 1;
            left.together -= 1;
        }
        match event {
            Event::Tick => state.tick(),
            Event::Look(who, reads) => {
                if state.look(who, reads).is_err() {
                    state.broken = Some("guard");
                }
            }
            Event::Send(who, fate, look) => state.send(who, fate, look),
            Event::Land(n) => {
                let flight = state.flights.remove(n);
                // A late write that AWS refuses has no effect.
                let (Ok(()) | Err(Refused)) =
                    state.land(&flight.write, flight.made, flight.overtaken);
            }
            Event::Kill(who) => state.restart(who),
            Event::HandOver(who, fate) => {
                let write = state.operators[who]
                    .as_ref()?
                    .memory
                    .hand_over(&state.setup.tuning, state.account.clock())?;
                let now = state.account.now;
                if let Some(operator) = &mut state.operators[who] {
                    operator.planned = Some((Arc::new(write), now));
                }
                state.send(who, fate, Reads::default());
                if let Some(lease) = state.lease.as_mut().filter(|lease| lease.holder == who) {
                    lease.renewed = now - TERM - GRACE;
                }
                if fate == Fate::Unanswered {
                    state.left.unanswered -= 1;
                }
                state.restart(who);
            }
            Event::Pause(who) => state.operators[who].as_mut()?.paused = true,
            Event::Resume(who) => state.resume(who),
            Event::TakeOver(who) => state.take_over(who),
            Event::Wish(n) => {
                state.wishes -= 1;
                state.account.wish(setup, n);
                state.past.completed = None;
                state.past.turns = 0;
                state.past.direction = None;
            }
            Event::Flip(n) => state.account.flip(setup, n),
            Event::Crash(n) => state.account.crash_task(setup, n),
            Event::Weights(weights, every) => {
                state.past.unseen = true;
                let all = state.account.elb.truth().rules.len();
                for n in 0..if every { all } else { 1 } {
                    state.account.set_weights(setup, n, weights);
                }
            }
            Event::Intrude(side) => state.account.intrude(setup, side),
            Event::Delete(n) => {
                let name = state.account.ecs.truth().services[n].shown.name.clone();
                state.account.delete(setup, &name);
            }
            Event::Scale(n) => {
                let name = state.account.ecs.truth().services[n].shown.name.clone();
                state.account.scale(setup, &name, 0);
            }
            Event::GiveUp(n, goes_back) => {
                let service = &state.account.ecs.truth().services[n];
                // What was seen to be deployed and ECS went back from has failed, and nobody tries it again.
                let record = state.account.ssm.truth().record.as_ref();
                let rollout = record.and_then(|(_, record)| record.rollout.as_ref());
                let seen = rollout.and_then(|rollout| rollout.deployment.as_ref());
                let failed = goes_back && seen == service.shown.deployments.primary.as_ref();
                let generation = service.shown.tags.generation.filter(|_| failed);
                state.past.rejected.extend(generation.map(|g| g.version));
                state.account.give_up(setup, n, goes_back);
            }
            Event::Update(n) => {
                let name = state.account.ecs.truth().services[n].shown.name.clone();
                state.account.update(setup, &name, "theirs:1");
            }
            Event::LoseRecord => state.account.lose_record(setup),
            Event::Gate(who, says) => state.end_gate(who, says),
            Event::Ask(verb) => state.ask(verb),
            Event::Says(says) => state.says(says),
            Event::Freeze(begins) => {
                state.frozen = begins.then(|| Arc::new(setup.in_freeze()));
            }
        }
        match event {
            Event::Weights(..)
            | Event::Intrude(_)
            | Event::Delete(_)
            | Event::Scale(_)
            | Event::Update(_)
            | Event::LoseRecord => {
                state.past.person = Some(state.account.now);
                for flight in &mut state.flights {
                    flight.overtaken = true;
                }
            }
            _ => {}
        }
        if judge::is_completed(setup, &state.account) {
            let now = state.account.now;
            state.past.completed.get_or_insert(now);
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        fn holds(search: &Search, state: &State, property: &str) -> bool {
            state.broken != Some(property) && search.ending(state) != Some(property)
        }
        macro_rules! always {
            ($($name:literal)*) => { vec![$(Property::always($name, |search, state| holds(search, state, $name))),*] }
        }
        always!("guard" "S1" "S2" "S4" "S5" "S6" "S7" "S8" "S9" "S10" "S11" "S12" "S13" "S14" "S16" "S17" "S18" "Freeze" "L1" "L2" "L3" "L4" "L5")
    }
}

impl Verb {
    /// As it stands in the parameters then.
    pub fn asks(self, rollout: Generation, all: bool, intents: &mut Intents) {
        let promote = |step, full| Promote {
            rollout,
            step,
            full,
        };
        match self {
            Self::Promote(step) => intents.promote = Some(promote(step, false)),
            Self::PromoteFull => intents.promote = Some(promote(0, true)),
            Self::Abort => intents.abort = Some(Abort { rollout }),
            Self::Pause(paused) if all => intents.all_paused = paused,
            Self::Pause(paused) => intents.paused = paused,
        }
    }
}

impl State {
    /// Operators that have led for long begin on this account.
    pub fn new(setup: &Arc<Setup>, account: Account) -> Self {
        let mut operators: Vec<Option<Operator>> = (0..setup.operators)
            .map(|_| Some(Operator::new(0)))
            .collect();
        let began = account.now;
        if setup.lease {
            operators[1..].fill(None);
        }
        for operator in operators.iter_mut().flatten() {
            operator.renewed = account.now;
        }
        Self {
            setup: Arc::clone(setup),
            lease: setup.lease.then_some(Lease {
                holder: 0,
                renewed: account.now,
            }),
            account,
            operators,
            flights: Vec::new(),
            left: setup.faults,
            wishes: setup.wishes,
            says: Says::default(),
            frozen: None,
            past: Past {
                well: began,
                ..Past::default()
            },
            broken: None,
            ending: OnceLock::new(),
        }
    }

    /// A person asks for something of the rollout that is wished for.
    pub fn ask(&mut self, verb: Verb) {
        let rollout = self.account.ssm.truth().desired.1;
        let (setup, account) = (&self.setup, &mut self.account);
        account.ask(setup, |intents| {
            verb.asks(rollout, setup.pause_all, intents);
        });
    }

    /// Alarms and analyses say something else from now on.
    fn says(&mut self, says: Says) {
        self.says = says;
        if says == Says::Well {
            self.past.well = self.account.now;
        }
    }

    /// A tick passes; the lease's holder renews it, and who lost it stands by.
    pub fn tick(&mut self) {
        let setup = Arc::clone(&self.setup);
        self.account.tick(&setup);
        let now = self.account.now;
        if self.says == Says::Well {
            self.past.well = now;
        }
        self.flights.retain(|flight| flight.until > now);
        let Some(lease) = &mut self.lease else { return };
        for (who, operator) in self.operators.iter_mut().enumerate() {
            let Some(running) = operator.as_mut().filter(|operator| !operator.paused) else {
                continue;
            };
            if lease.holder == who && now <= running.renewed + TERM {
                lease.renewed = now;
                running.renewed = now;
            } else {
                *operator = None;
            }
        }
    }

    fn restart(&mut self, who: usize) {
        let now = self.account.now;
        self.operators[who] = self.lease.is_none().then(|| Operator::new(now));
    }

    /// A paused operator goes on, with what it had planned.
    pub fn resume(&mut self, who: usize) {
        if let Some(operator) = &mut self.operators[who] {
            operator.paused = false;
        }
    }

    /// An operator takes the lease and begins anew.
    pub fn take_over(&mut self, who: usize) {
        let now = self.account.now;
        self.lease = Some(Lease {
            holder: who,
            renewed: now,
        });
        self.operators[who] = Some(Operator::new(now));
    }

    /// ACTIVE services of both groups.
    pub fn active(&self) -> impl Iterator<Item = &crate::account::Deployed> {
        Side::BOTH
            .into_iter()
            .flat_map(|side| self.account.active_on(side))
    }
}
