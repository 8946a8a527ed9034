//! One run's shared state: the truth, the plan as far as it is not done, the operators and the judge.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crd_schema::application::Application;
use crd_schema::intent::{Abort, Promote};
use planner::memory::WriteOutcome;
use planner::{Mono, Side, Write};
use runtime::Clock;
use runtime::lease::Terms;
use runtime::lease::shelf::{Shelf, Trouble};
use tokio_util::sync::CancellationToken;

use crate::judge::{Act, Issue, Judge, Violation, violation};
use crate::plan::{At, Entry, Fault, Operators, Plan, Test, Word};
use crate::scenario::{START, Scenario};
use crate::sides::retold;
use crate::truth::Truth;

/// Life of a signature: nothing that was sent takes effect later.
pub(crate) const SIGNATURE: u64 = 300_000;
/// Requests may be lost by what the world does for this long, before the operator must have moved them, when nothing
/// goes wrong meanwhile: the wait at a start, two health readings, and the look in between.
const REPAIR: u64 = 180_000;

/// Shared by everything in one run. Clones are one.
#[derive(Debug, Clone)]
pub(crate) struct Sim {
    pub(crate) clock: Clock,
    /// Where the lease is kept, when there is one.
    pub(crate) lease: Option<Shelf>,
    pub(crate) application: Arc<Application>,
    state: Arc<Mutex<State>>,
}

/// What changes in a run.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) scenario: Scenario,
    pub(crate) truth: Truth,
    pub(crate) judge: Judge,
    pub(crate) operators: [Operator; 2],
    lease: Option<Shelf>,
    /// A write took effect against a property after it had outlived its process or its leadership.
    pub(crate) outlived: bool,
    /// What is still to go wrong.
    entries: Vec<Entry>,
    pub(crate) reads: u32,
    pub(crate) looks: u32,
    pub(crate) writes: u32,
    /// Writes on their way.
    pending: Vec<Pending>,
    /// When something last went wrong, and the effects so far then.
    pub(crate) last_fault: u64,
    pub(crate) effects_then: u32,
    pub(crate) violation: Option<Violation>,
    pub(crate) trace: Option<Vec<String>>,
    /// When each write was sent, with its operation; kept for making plans.
    pub(crate) sent: Vec<u64>,
}

/// What is known of an operator from outside.
#[derive(Debug, Default)]
pub(crate) struct Operator {
    /// It runs, or is about to be started.
    pub(crate) exists: bool,
    /// How many processes it had before.
    pub(crate) process: u32,
    pub(crate) killed: bool,
    /// How long after its end it is started again, in milliseconds.
    pub(crate) back_after: u64,
    pub(crate) paused_until: u64,
    pub(crate) stop: CancellationToken,
    /// The wish changed and the poll of wishes has not seen it.
    pub(crate) wished: bool,
    /// Seconds that the wall clock is to be moved.
    pub(crate) clock_jump: Option<i64>,
    /// The oldest moment that its last round of reads showed, and the parts it could not read.
    pub(crate) seen: u64,
    pub(crate) unread: Vec<crate::plan::Part>,
    /// The oldest moment that its last look showed.
    pub(crate) looked: u64,
    /// The moment that the last read of the wish showed: while that cannot be read the known one is in force.
    pub(crate) wish_seen: u64,
    /// It stood still between its last check and the send.
    pub(crate) stalled: bool,
    /// What its way to the lease's store does, and until when.
    lease_trouble: Option<(Trouble, u64)>,
}

impl Operator {
    /// What its way to the lease's store does now.
    pub(crate) fn lease_trouble(&self, now: u64) -> Option<Trouble> {
        let (trouble, until) = self.lease_trouble?;
        (now < until).then_some(trouble)
    }
}

#[derive(Debug)]
struct Pending {
    due: u64,
    /// Or after this many further effects.
    after: Option<u32>,
    /// It took effect before, and that is known.
    again: bool,
    issue: Issue,
}

impl Sim {
    pub(crate) fn new(plan: &Plan, trace: bool) -> Self {
        let lab = plan.scenario.account(plan.groups);
        let clock = Clock::starting_at(lab.wall(START));
        let application = Arc::new(lab.application.clone());
        let mut entries = plan.scenario.script();
        if plan.operators == Operators::TwoWithLease {
            // First one of them takes the lease.
            let terms = Terms::default();
            let taken = u64::try_from((terms.term + terms.grace).as_millis()).unwrap_or(u64::MAX);
            for entry in &mut entries {
                if let At::Time(at) = &mut entry.at {
                    *at += taken;
                }
            }
        }
        entries.extend(plan.entries.iter().cloned());
        entries.sort();
        let stale = |entry: &Entry| matches!(entry.fault, Fault::Stale { .. });
        let truth = Truth::new(lab, entries.iter().any(stale));
        let judge = Judge::new(&truth.lab);
        let lease = (plan.operators == Operators::TwoWithLease).then(Shelf::default);
        let state = State {
            scenario: plan.scenario,
            lease: lease.clone(),
            outlived: false,
            truth,
            judge,
            operators: [true, plan.operators == Operators::TwoWithLease].map(|exists| Operator {
                exists,
                ..Operator::default()
            }),
            entries,
            reads: 0,
            looks: 0,
            writes: 0,
            pending: Vec::new(),
            last_fault: START,
            effects_then: 0,
            violation: None,
            trace: trace.then(Vec::new),
            sent: Vec::new(),
        };
        Self {
            clock,
            lease,
            application,
            state: Arc::new(Mutex::new(state)),
        }
    }

    /// Looks at or changes the state as it is now.
    pub(crate) fn with<T>(&self, f: impl FnOnce(&mut State) -> T) -> T {
        let now = START + self.clock.mono().0;
        let mut state = self.lock();
        state.advance(now);
        f(&mut state)
    }

    /// The state as it was last.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Until the account's clock shows `at`.
    pub(crate) async fn until(&self, at: u64) {
        tokio::time::sleep_until(self.clock.instant(Mono(at.saturating_sub(START)))).await;
    }
}

pub(crate) async fn ms(milliseconds: u64) {
    tokio::time::sleep(Duration::from_millis(milliseconds)).await;
}

impl State {
    pub(crate) fn now(&self) -> u64 {
        self.truth.lab.now
    }

    pub(crate) fn say(&mut self, line: impl FnOnce(&Self) -> String) {
        if self.trace.is_some() {
            let at = self.now() - START;
            let text = format!("{:>5}.{:03} s  {}", at / 1_000, at % 1_000, line(self));
            self.trace.get_or_insert_default().push(text);
        }
    }

    pub(crate) fn found(&mut self, checked: Result<(), Violation>) {
        if let Err(found) = checked {
            self.say(|_| format!("VIOLATION {}: {}", found.property, found.message));
            self.violation.get_or_insert(found);
        }
    }

    /// Time passes, and what is due by then happens when it is due.
    fn advance(&mut self, now: u64) {
        loop {
            let landing = self.pending.iter().map(|pending| pending.due).min();
            let next = landing.into_iter().chain(self.truth.next_change()).min();
            let Some(next) = next.filter(|next| *next <= now) else {
                break;
            };
            self.truth.advance(next.max(self.now()));
            // What began before it lands is not its doing.
            let loses = self.truth.loses_requests();
            let checked = self.judge.loses(&self.truth.lab, loses, None);
            self.found(checked);
            let due = |pending: &Pending| pending.due <= next;
            if let Some(at) = self.pending.iter().position(due) {
                let pending = self.pending.remove(at);
                let _late = self.lands(&pending.issue);
            }
        }
        self.truth.advance(now.max(self.now()));
        let loses = self.truth.loses_requests();
        let checked = self.judge.loses(&self.truth.lab, loses, None);
        self.found(checked);
        let since = self
            .judge
            .losing_since()
            .map(|since| since.max(self.last_fault));
        let moves = self.truth.moves_traffic() && self.truth.is_calm();
        if moves && since.is_some_and(|since| now > since + REPAIR) {
            let message = "requests go to a group without a healthy target, and nobody moves them";
            self.found(violation("L2", message));
        }
    }

    /// The entries that stand at this moment, each once.
    pub(crate) fn take(&mut self, at: At) -> Vec<Fault> {
        if self.entries.iter().all(|entry| entry.at != at) {
            return Vec::new();
        }
        let mut taken = Vec::new();
        self.entries.retain(|entry| {
            let now = entry.at == at;
            if now {
                taken.push(entry.fault.clone());
            }
            !now
        });
        for fault in &taken {
            self.say(|_| format!("         ! {}", shown(fault)));
        }
        self.last_fault = self.last_fault.max(self.now());
        self.effects_then = self.judge.effects;
        taken
    }

    /// When the next entry at a time is due.
    pub(crate) fn next_time(&self) -> Option<u64> {
        self.entries.iter().find_map(|entry| match entry.at {
            At::Time(ms) => Some(ms),
            At::Read(_) | At::Look(_) | At::Write(_) | At::After(_) => None,
        })
    }

    /// Nothing is on its way, nothing is wrong, and nothing is still to go wrong at a time.
    pub(crate) fn is_quiet(&self) -> bool {
        self.next_time().is_none()
            && self.pending.is_empty()
            && self.truth.is_calm()
            && self.operators.iter().all(|operator| {
                operator.paused_until <= self.now()
                    && !operator.killed
                    && operator.lease_trouble(self.now()).is_none()
            })
    }

    /// A write is sent: what needs no effect is judged now.
    pub(crate) fn sends(
        &mut self,
        operator: usize,
        n: u32,
        write: &Write,
        holder: Option<String>,
    ) -> Issue {
        let now = self.now();
        let Operator {
            seen,
            looked,
            wish_seen,
            process,
            stalled,
            ..
        } = self.operators[operator];
        self.operators[operator].stalled = false;
        let issue = Issue {
            n,
            operator,
            process,
            stalled,
            write: write.clone(),
            seen,
            looked,
            wish_seen,
            sent: now,
            dead: Side::BOTH.map(|side| self.truth.lab.healthy(side) == 0),
            handed_over: self.truth.lab.record.as_ref().is_some_and(|(_, r)| r.clean),
        };
        self.sent.push(now);
        let begins = self.judge.begins(&self.truth.lab, write);
        self.found(begins);
        self.say(|_| format!("op {operator}  write {n}: {}", write.describe()));
        let blind = |part| self.operators[operator].unread.contains(&part);
        let unread = blind(crate::plan::Part::Services)
            || blind(crate::plan::Part::Rules)
            || blind(crate::plan::Part::Health);
        if unread && !matches!(write, Write::PutRecord(_)) {
            let message = format!("{}: planned without having read", write.describe());
            self.found(violation("S14", message));
        }
        if let Some(holder) = holder.filter(|holder| *holder != self.holder(operator) && !stalled) {
            let message = format!("{}: {holder} has the lease", write.describe());
            self.found(violation("S16", message));
        }
        let bound = quiescence(write);
        let other = self.pending.iter().find(|pending| {
            !pending.again
                && pending.issue.write != *write
                && now < pending.issue.sent + bound
                && !self.judge.imitated(&pending.issue)
                && !is_expected(&pending.issue, operator, &self.operators[operator])
        });
        if let Some(other) = other.filter(|_| !stalled) {
            let message = format!(
                "{} while {} is outstanding",
                write.describe(),
                other.issue.write.describe()
            );
            self.found(violation("S7", message));
        }
        issue
    }

    /// A write takes effect, or AWS refuses it.
    pub(crate) fn lands(&mut self, issue: &Issue) -> WriteOutcome {
        let groups = self.truth.lab.groups.each_ref();
        let holders = groups.map(|group| group.as_ref().map(|group| group.arn.clone()));
        let means = Issue {
            write: retold(&issue.write, &holders),
            ..issue.clone()
        };
        let mut judged = self.judge.judge(&self.truth.lab, &means);
        let later = self.now() > issue.sent + quiescence(&issue.write);
        let leader = self.lease.as_ref().and_then(Shelf::item);
        let led_on = leader.is_none_or(|item| item.holder == self.holder(issue.operator));
        let outlived = later && (issue.process < self.operators[issue.operator].process || !led_on);
        if self.truth.has(&issue.write) || outlived || issue.stalled {
            // What outlives remains: it outlived its process, or its leadership, by more than the next one waits for,
            // or its process stood still between the last check and the send.
            self.outlived |= judged.is_err();
            judged = Ok(());
        }
        if let Write::SetWeights { rule, weights, .. } = &means.write {
            self.truth.reweigh(rule, weights.get());
        }
        let nodes = self.settled_nodes(issue);
        let outcome = self.truth.lab.apply(&issue.write);
        if outcome == WriteOutcome::Applied {
            self.found(judged);
            self.found(nodes);
            self.judge.took_effect(&self.truth.lab, issue);
            self.truth.changed();
            let loses = self.truth.loses_requests();
            let checked = self.judge.loses(&self.truth.lab, loses, Some(issue));
            self.found(checked);
        }
        let late = self.now() - issue.sent;
        self.say(|_| match &outcome {
            WriteOutcome::Applied if late > 1_000 => {
                format!("      write {} takes effect {late} ms late", issue.n)
            }
            WriteOutcome::Applied => format!("      write {} takes effect", issue.n),
            refused => format!("      write {}: {refused:?}", issue.n),
        });
        for pending in &mut self.pending {
            if let Some(after) = &mut pending.after {
                *after = after.saturating_sub(1);
            }
        }
        let now = self.now();
        for pending in &mut self.pending {
            if pending.after == Some(0) {
                pending.due = pending.due.min(now);
            }
        }
        outcome
    }

    /// S4 on every node: nothing is scaled down or deleted while a node may still send to it.
    fn settled_nodes(&self, issue: &Issue) -> Result<(), Violation> {
        if !issue.write.is_destructive() {
            return Ok(());
        }
        let lab = &self.truth.lab;
        let (name, side) = match &issue.write {
            Write::ScaleService { name, .. }
            | Write::UpdateService { name, .. }
            | Write::DeleteService { name } => {
                let found = lab.services.iter().find(|s| s.shown.name == *name);
                (name.as_str(), found.and_then(|found| found.shown.side))
            }
            Write::DeleteTargetGroup { group } => {
                let holder = |side: &Side| {
                    let holder = lab.groups[side.index()].as_ref();
                    holder.is_some_and(|held| held.arn == *group)
                };
                (group.as_str(), Side::BOTH.into_iter().find(holder))
            }
            Write::PutRecord(_)
            | Write::RegisterTaskDefinition { .. }
            | Write::CreateTargetGroup { .. }
            | Write::SetGroupAttributes { .. }
            | Write::CreateService { .. }
            | Write::SetWeights { .. }
            | Write::TagService { .. }
            | Write::SetScaling { .. }
            | Write::DeregisterTaskDefinition { .. } => return Ok(()),
        };
        let lags = side.is_some_and(|side| self.truth.lags_behind(side));
        if lags && !self.judge.excused(lab, "S4", issue) {
            return violation("S4", format!("{name}: some nodes still send to its group"));
        }
        Ok(())
    }

    /// The effect comes later.
    pub(crate) fn lands_later(&mut self, issue: Issue, after_ms: u64, after: Option<u32>) {
        self.pending.push(Pending {
            due: issue.sent + after_ms.min(SIGNATURE),
            after,
            again: false,
            issue,
        });
    }

    /// The effect comes once more.
    pub(crate) fn lands_again(&mut self, issue: Issue, after_ms: u64) {
        self.lands_later(issue, after_ms, None);
        if let Some(pending) = self.pending.last_mut() {
            pending.again = true;
        }
    }

    /// A fault that is no answer to a call. True when the process `operator` dies of it or stands still.
    pub(crate) fn happens(&mut self, fault: &Fault, operator: usize) {
        let now = self.now();
        let until = |seconds: u64| now + seconds * 1_000;
        match fault {
            Fault::Unreadable { part, seconds } => self.truth.unreadable(*part, until(*seconds)),
            Fault::Frozen { part, seconds } => {
                self.truth.freeze(*part, until(*seconds), false);
            }
            Fault::Flicker { part, seconds } => self.truth.freeze(*part, until(*seconds), true),
            Fault::Throttled { seconds } => self.truth.throttled_until = until(*seconds),
            Fault::Crash { seconds } => self.kill(operator, seconds * 1_000),
            Fault::Restart => self.operators[operator].stop.cancel(),
            Fault::Pause { seconds } => {
                self.operators[operator].paused_until = until(*seconds);
                self.last_fault = self.last_fault.max(until(*seconds));
            }
            Fault::ClockJump { seconds } => {
                self.operators[operator].clock_jump = Some(*seconds);
                self.judge.acted(now, Act::Clock);
            }
            Fault::SecondOperator => self.operators[1].exists = true,
            Fault::LeaseUnreachable { seconds } => {
                self.operators[operator].lease_trouble =
                    Some((Trouble::Unreachable, until(*seconds)));
                self.last_fault = self.last_fault.max(until(*seconds));
            }
            Fault::LeaseAnswersLost { seconds } => {
                self.operators[operator].lease_trouble =
                    Some((Trouble::AnswersLost, until(*seconds)));
                self.last_fault = self.last_fault.max(until(*seconds));
            }
            Fault::Weights { a, b } => {
                let held = self.truth.lab.groups.each_ref();
                let weights = [(*a, held[0]), (*b, held[1])];
                let weights = weights.map(|(weight, held)| weight.filter(|_| held.is_some()));
                if weights == [None, None] {
                    return;
                }
                let rules: Vec<_> = self
                    .truth
                    .lab
                    .rules
                    .iter()
                    .map(|r| r.target.clone())
                    .collect();
                rules
                    .iter()
                    .for_each(|rule| self.truth.reweigh(rule, weights));
                self.truth.lab.set_production(weights);
                self.by_others(Act::Weights);
            }
            Fault::DeleteService(which) => {
                if let Some(name) = self.truth.which(*which) {
                    self.truth.lab.delete(&name);
                    self.by_others(Act::Services);
                }
            }
            Fault::Scale { which, count } => {
                if let Some(name) = self.truth.which(*which) {
                    self.truth.lab.scale(&name, *count);
                    self.by_others(Act::Services);
                }
            }
            Fault::TaskCrash(which) | Fault::TasksCrash(which) => {
                if let Some(name) = self.truth.which(*which) {
                    let all = matches!(fault, Fault::TasksCrash(_));
                    self.truth.crash_tasks(&name, all);
                    self.by_others(Act::Health);
                }
            }
            Fault::Unhealthy { which, seconds } => {
                if let Some(name) = self.truth.which(*which) {
                    self.truth.sicken(&name, until(*seconds));
                    self.by_others(Act::Health);
                }
            }
            Fault::NodeLag { seconds } => self.truth.node_lag = seconds * 1_000,
            Fault::Wish(version) => {
                self.truth.lab.wish(version);
                for operator in &mut self.operators {
                    operator.wished = true;
                }
                self.by_others(Act::Wish);
            }
            Fault::RecordLost => {
                self.truth.lab.record = None;
                self.by_others(Act::Record);
            }
            Fault::Promote { full } => {
                let seen = self.truth.rolled_out();
                if let Some((rollout, Some(step))) = seen {
                    let full = *full;
                    self.truth.lab.intents.promote = Some(Promote {
                        rollout,
                        step,
                        full,
                    });
                    self.by_others(Act::Promote);
                }
            }
            Fault::Abort => {
                if let Some((rollout, _)) = self.truth.rolled_out() {
                    self.truth.lab.intents.abort = Some(Abort { rollout });
                    self.by_others(Act::Abort);
                }
            }
            Fault::Paused { seconds, all } => {
                self.truth.pause(until(*seconds), *all);
                self.last_fault = self.last_fault.max(until(*seconds));
                self.by_others(Act::Pause);
            }
            Fault::Says {
                test,
                word,
                seconds,
            } => {
                self.truth.speak(*test, *word, until(*seconds));
                let watched = match test {
                    Test::Gates => false,
                    Test::Alarm => self.truth.lab.application.alarms.is_some(),
                    Test::Analysis => !self.truth.lab.application.analyses.is_empty(),
                };
                if watched && *word == Word::Fails {
                    let against = (*test, self.now(), until(*seconds));
                    self.judge.against.push(against);
                }
                self.last_fault = self.last_fault.max(until(*seconds));
                self.by_others(Act::Tests);
            }
            Fault::Refused
            | Fault::NotSent
            | Fault::Lost
            | Fault::Hangs
            | Fault::AnswerLost
            | Fault::AnswerHangs
            | Fault::Late { .. }
            | Fault::PastNext { .. }
            | Fault::Duplicated { .. }
            | Fault::CrashLate { .. }
            | Fault::PauseAfter { .. }
            | Fault::Unread(_)
            | Fault::Stale { .. } => {}
        }
    }

    /// Nobody else may write.
    pub(crate) fn leads(&self, operator: usize) -> bool {
        let item = self.lease.as_ref().and_then(Shelf::item);
        item.is_none_or(|item| item.holder == self.holder(operator))
    }

    /// What the operator's present process calls itself in the lease.
    pub(crate) fn holder(&self, operator: usize) -> String {
        format!(
            "op {operator}, process {}",
            self.operators[operator].process
        )
    }

    pub(crate) fn kill(&mut self, operator: usize, back_after: u64) {
        self.last_fault = self.last_fault.max(self.now() + back_after);
        self.operators[operator].killed = true;
        self.operators[operator].back_after = back_after;
    }

    fn by_others(&mut self, act: Act) {
        let now = self.now();
        self.judge.acted(now, act);
        let world = self.truth.lab.observe();
        self.judge.look(&self.truth.lab, &world);
        self.truth.changed();
    }
}

/// A process died, or lost its leadership, before the record could say that what the one before it handed over was no
/// longer all: the next one believes the record. So nothing can be on its way but that first write of the record, which
/// the next one replaces; or, where the record was refused, what takes traffic from a group without a healthy target to
/// one that has some, which waits for nobody.
fn is_expected(issue: &Issue, operator: usize, now: &Operator) -> bool {
    let earlier = (issue.operator, issue.process) != (operator, now.process) && issue.handed_over;
    let expected = match &issue.write {
        Write::PutRecord(_) => true,
        Write::SetWeights { seen, weights, .. } => Side::BOTH.into_iter().all(|side| {
            let at = side.index();
            let dead = issue.dead[at];
            (seen[at].unwrap_or(0) == 0 || dead) && (weights.get()[at].unwrap_or(0) == 0 || !dead)
        }),
        Write::RegisterTaskDefinition { .. }
        | Write::CreateTargetGroup { .. }
        | Write::SetGroupAttributes { .. }
        | Write::CreateService { .. }
        | Write::ScaleService { .. }
        | Write::UpdateService { .. }
        | Write::SetScaling { .. }
        | Write::TagService { .. }
        | Write::DeleteService { .. }
        | Write::DeleteTargetGroup { .. }
        | Write::DeregisterTaskDefinition { .. } => false,
    };
    earlier && expected
}

/// How long other writes count as outstanding for this one.
fn quiescence(write: &Write) -> u64 {
    let tuning = planner::Tuning::default();
    let bound = if write.is_destructive() {
        tuning.quiescence_destructive
    } else {
        tuning.quiescence
    };
    u64::try_from(bound.as_millis()).unwrap_or(u64::MAX)
}

fn shown(fault: &Fault) -> String {
    serde_json::to_string(fault).unwrap_or_default()
}
