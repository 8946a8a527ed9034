//! An operator's two steps: look and plan, then send. The world may move in between.

use std::sync::Arc;

use crd_schema::TargetGroupArn;
use planner::ablation::Rule;
use planner::memory::WriteOutcome;
use planner::safety::{self, Violation};
use planner::time::Mono;
use planner::world::{Origin, ServiceStatus};
use planner::{Memory, WaitingOn, Write, plan};

use crate::account::{Deployed, Part, Reads};
use crate::balancer::rules;
use crate::gates::Running;
use crate::judge;
use crate::setup::TICK;
use crate::state::{Flight, Operator, State, TERM};

/// What becomes of a write that is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It has its effect and is answered.
    Answered,
    /// No answer comes; it may still land.
    Unanswered,
    /// It is refused, or not sent: no effect, and the operator knows.
    Refused,
}

impl Operator {
    /// A process that begins now.
    pub fn new(now: u64) -> Self {
        Self {
            memory: Arc::new(Memory::new(Mono(now * TICK))),
            planned: None,
            renewed: now,
            paused: false,
            gate: None,
            watched: Vec::new(),
        }
    }
}

impl State {
    /// One round of reads, taken in and planned on; a planned write is guarded and kept for the next step.
    ///
    /// # Errors
    /// What the guard says of the planned write.
    pub fn look(&mut self, who: usize, reads: Reads) -> Result<WaitingOn, Violation> {
        let Self {
            setup,
            account,
            operators,
            says,
            frozen,
            past,
            ..
        } = self;
        let Some(operator) = &mut operators[who] else {
            return Ok(WaitingOn::StartBound);
        };
        past.unseen &= reads.elb > 0 || reads.unread == Some(Part::Rules);
        let (_, names) = operator.memory.focus(&setup.application);
        let (mut world, now) = (account.observe(setup, reads, &names), account.clock());
        world.verdicts = operator.gate.iter().filter_map(Running::shown).collect();
        let watched = operator.watched.iter().cloned();
        world
            .verdicts
            .extend(watched.map(|key| (key, says.verdict())));
        let memory = Arc::make_mut(&mut operator.memory);
        memory.absorb(&world, &setup.tuning, now);
        let application = frozen.as_ref().unwrap_or(&setup.application);
        let plan = plan(application, &world, memory, &setup.tuning, now);
        if let Some(write) = plan.step {
            // What was not read may be anything.
            if let Some(Part::Services | Part::Rules | Part::Groups) = reads.unread {
                self.broken = Some("S14");
            }
            if frozen.is_some() && judge::begins(account, &write) {
                self.broken = Some("Freeze");
            }
            safety::check(
                &setup.application,
                &world,
                memory,
                &setup.tuning,
                &write,
                now,
            )?;
            operator.planned = Some((Arc::new(write), account.now));
        }
        self.follow(who, plan.gate, plan.watches);
        Ok(plan.report.waiting_on)
    }

    /// The planned write is sent, unless the plan is too old, the right to write is gone, or a look at what it touches
    /// shows something else than the plan saw.
    pub fn send(&mut self, who: usize, fate: Fate, look: Reads) {
        let (setup, now) = (Arc::clone(&self.setup), self.account.now);
        let Some(operator) = &mut self.operators[who] else {
            return;
        };
        let Some((write, made)) = operator.planned.take() else {
            return;
        };
        let tuning = &setup.tuning;
        let entitled = self.lease.is_none() || now < operator.renewed + TERM;
        let aged =
            (now - made) * TICK > u64::try_from(tuning.plan_age.as_millis()).unwrap_or(u64::MAX);
        if aged
            || !(entitled || tuning.without(Rule::Authority))
            || !(self.holds(&write, look) || tuning.without(Rule::LookAgain))
        {
            return;
        }
        self.broken = judge::sending(&setup, self, who, &write);
        let clock = self.account.clock();
        let outcome = match fate {
            Fate::Answered => match self.land(&write, made, false) {
                Ok(()) => WriteOutcome::Applied,
                Err(_) => WriteOutcome::Refused {
                    reason: String::new(),
                },
            },
            Fate::Unanswered => {
                self.flights.push(Flight {
                    write: Arc::clone(&write),
                    made,
                    until: now + setup.late,
                    overtaken: false,
                });
                WriteOutcome::Unknown {
                    reason: String::new(),
                }
            }
            Fate::Refused => WriteOutcome::Refused {
                reason: String::new(),
            },
        };
        if let Some(operator) = &mut self.operators[who] {
            let memory = Arc::make_mut(&mut operator.memory);
            memory.sending(&write, tuning, clock);
            memory.note(&write, &outcome, tuning, clock);
        }
    }

    /// A write has its effect, and is judged; `overtaken`: a person acted after it was sent.
    ///
    /// # Errors
    /// When AWS refuses it.
    pub fn land(
        &mut self,
        write: &Write,
        made: u64,
        overtaken: bool,
    ) -> Result<(), crate::account::Refused> {
        let setup = Arc::clone(&self.setup);
        let verdict = judge::landing(&setup, self, write, made, overtaken);
        let before = judge::direction(&setup, &self.account);
        let failed = judge::failed(&self.account, write);
        if let Some(generation) = failed.filter(|g| !self.past.rejected.contains(g)) {
            self.past.rejected.push(generation);
        }
        self.account.apply(&setup, write)?;
        if matches!(write, Write::SetWeights { .. }) {
            let after = judge::direction(&setup, &self.account);
            let last = self.past.direction.or(before);
            let turned = after.is_some() && last.is_some() && after != last;
            self.past.turns = (self.past.turns + u8::from(turned)).min(3);
            self.past.direction = after.or(last);
        }
        self.broken = self
            .broken
            .or(verdict)
            .or(judge::turning(&setup, &self.past));
        Ok(())
    }

    /// What the write touches is still as the plan saw it, as far as this round of reads shows.
    fn holds(&self, write: &Write, look: Reads) -> bool {
        let account = &self.account;
        let services = &account.ecs.answer(look.ecs).services;
        let active = |name: &str| {
            services
                .iter()
                .find(|s| s.shown.name == name && s.shown.status == ServiceStatus::Active)
        };
        let elb = account.elb.answer(look.elb);
        let named = |group: &TargetGroupArn| {
            let n = elb.position(group);
            n.and_then(|n| elb.weight(usize::MAX, n))
        };
        let weightless =
            |name: &str| active(name).is_some_and(|s| named(&s.group).unwrap_or(0) == 0);
        let company = |service: &Deployed| {
            let beside = |s: &&Deployed| {
                s.shown.name != service.shown.name
                    && s.group == service.group
                    && !s.tasks.is_empty()
            };
            services.iter().any(|s| beside(&s))
        };
        match write {
            Write::PutRecord(_)
            | Write::RegisterTaskDefinition { .. }
            | Write::DeregisterTaskDefinition { .. } => true,
            Write::CreateTargetGroup { name, .. } => elb
                .groups
                .iter()
                .all(|group| !matches!(&group.origin, Origin::Ours { name: held } if held == name)),
            Write::SetGroupAttributes { group, .. } | Write::DeleteTargetGroup { group } => {
                elb.position(group).is_some() && named(group).is_none()
            }
            Write::CreateService { name, .. } => services
                .iter()
                .all(|s| s.shown.name != *name || s.shown.status == ServiceStatus::Inactive),
            Write::ScaleService { name, from, to } => active(name)
                .is_some_and(|s| s.shown.desired == *from && (to >= from || weightless(name))),
            Write::UpdateService { name, from, .. } => {
                active(name).is_some_and(|s| s.shown.task_definition == *from)
            }
            Write::DeleteService { name } => active(name).is_some_and(|s| {
                s.shown.desired == 0 && s.tasks.is_empty() && (company(s) || weightless(name))
            }),
            Write::TagService { name, .. } | Write::SetScaling { name, .. } => {
                active(name).is_some() || write.is_destructive()
            }
            Write::SetWeights {
                rule, groups, seen, ..
            } => {
                let n = rules(&self.setup).position(|(target, _)| target == rule);
                let weights = |n: usize| {
                    let given =
                        |arn: &TargetGroupArn| elb.rules[n].get(&elb.position(arn)?).copied();
                    groups.each_ref().map(|group| given(group.as_ref()?))
                };
                n.is_some_and(|n| weights(n) == *seen)
            }
        }
    }
}
