//! One operator over a lab.

use crate::gate::Run;
use crate::memory::{Memory, WriteOutcome};
use crate::plan::{Plan, plan};
use crate::report::{Hold, WaitingOn};
use crate::safety::{self, Violation};
use crate::time::Mono;
use crate::tuning::Tuning;
use crate::watch::Watch;

use super::account::Lab;

/// One operator over a lab.
#[derive(Debug, Clone)]
pub struct Operator {
    /// Its short memory.
    pub memory: Memory,
    /// Its bounds.
    pub tuning: Tuning,
    /// The gate that it runs.
    pub gate: Option<Run>,
    /// The alarms and analyses that it watches.
    pub watches: Vec<Watch>,
}

/// Why a run ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Ending {
    /// Nothing more is wanted.
    Settled,
    /// A person is needed.
    Held(Hold),
    /// The guard refused a planned write.
    Violated(Violation),
    /// Neither within the bound.
    Wedged(String),
}

impl Operator {
    /// One that starts now, and knows that nothing is outstanding.
    pub fn new(lab: &Lab) -> Self {
        let tuning = Tuning::default();
        let mut memory = Memory::new(Mono(lab.now));
        memory.clean_start = Some(true);
        Self {
            memory,
            tuning,
            gate: None,
            watches: Vec::new(),
        }
    }

    /// One reconcile; time passes when there is nothing to do.
    ///
    /// # Errors
    /// The violation, when the guard refuses the planned write.
    pub fn reconcile(&mut self, lab: &mut Lab) -> Result<Plan, Violation> {
        let mut world = lab.observe();
        world.verdicts = self.gate.iter().map(|run| lab.tests.verdict(run)).collect();
        let said = self.watches.iter().map(|watch| lab.tests.said(watch));
        world.verdicts.extend(said);
        let now = lab.clock();
        self.memory.absorb(&world, &self.tuning, now);
        let plan = plan(&lab.application, &world, &self.memory, &self.tuning, now);
        self.gate.clone_from(&plan.gate);
        self.watches.clone_from(&plan.watches);
        if let Some(run) = &plan.gate {
            lab.tests.run(run);
        }
        match &plan.step {
            Some(write) => {
                safety::check(
                    &lab.application,
                    &world,
                    &self.memory,
                    &self.tuning,
                    write,
                    now,
                )?;
                self.memory.sending(write, &self.tuning, now);
                let outcome = lab.apply(write);
                lab.advance(20);
                self.memory.note(write, &outcome, &self.tuning, lab.clock());
                if outcome != WriteOutcome::Applied {
                    lab.advance(1_000);
                }
            }
            None => lab.advance(u64::try_from(plan.next_check.as_millis()).unwrap_or(u64::MAX)),
        }
        Ok(plan)
    }

    /// Reconciles until nothing is wanted three times in a row, or a hold lasts, at most `bound` times.
    pub fn run(&mut self, lab: &mut Lab, bound: usize) -> Ending {
        let mut quiet = 0;
        let mut held = 0;
        let mut last = String::new();
        for _ in 0..bound {
            let plan = match self.reconcile(lab) {
                Ok(plan) => plan,
                Err(violation) => return Ending::Violated(violation),
            };
            let waiting = &plan.report.waiting_on;
            let nothing = plan.step.is_none() && *waiting == WaitingOn::Nothing;
            quiet = if nothing { quiet + 1 } else { 0 };
            if quiet == 3 {
                return Ending::Settled;
            }
            if let (WaitingOn::Hold(hold), None) = (waiting, &plan.step) {
                held += 1;
                // Long enough for every timer that could still change the world by itself.
                lab.advance(60_000);
                if held == 20 {
                    return Ending::Held(hold.clone());
                }
            } else {
                held = 0;
            }
            last = format!(
                "{:?} {} {:?}",
                plan.report.stage,
                waiting.label(),
                plan.step.map(|step| step.describe())
            );
        }
        Ending::Wedged(last)
    }
}
