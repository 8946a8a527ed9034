//! The planner over its laboratory: the same decisions without wire and sockets, in a hundredth of the time.

use planner::ablation::{Rule, Without};
use planner::lab::{Ending, Lab, Operator, application};
use planner::memory::{WriteOutcome, weight};
use planner::safety::{self, Violation};
use planner::world::{Role, Side};
use planner::{Plan, Write};

/// One account and one operator.
#[derive(Debug, Clone)]
pub(crate) struct Bench {
    pub(crate) lab: Lab,
    pub(crate) operator: Operator,
}

/// An operator that starts now, with these rules switched off, and knows of no earlier one.
pub(crate) fn operator(lab: &Lab, off: &[Rule]) -> Operator {
    let mut operator = Operator::new(lab);
    operator.tuning.without = Without::rules(off);
    operator
}

impl Bench {
    /// 1.3.0 serves alone on the first group with so many tasks.
    pub(crate) fn settled(count: u32, off: &[Rule]) -> Self {
        let mut application = application();
        application.template.desired_count = count;
        let mut lab = Lab::new(application);
        lab.advance(100_000);
        lab.place("1.3.0", Side::A, count, 0);
        lab.wish("1.3.0");
        let mut operator = operator(&lab, off);
        assert_eq!(operator.run(&mut lab, 200), Ending::Settled);
        Self { lab, operator }
    }

    /// One reconcile.
    pub(crate) fn step(&mut self) -> Plan {
        self.operator
            .reconcile(&mut self.lab)
            .expect("the guard agrees")
    }

    /// Reconciles until `done`, at most `bound` times.
    pub(crate) fn until(
        &mut self,
        bound: usize,
        mut done: impl FnMut(&Plan, &Lab) -> bool,
    ) -> bool {
        for _ in 0..bound {
            let plan = self.step();
            if done(&plan, &self.lab) {
                return true;
            }
        }
        false
    }

    /// One reconcile in an account that refuses such writes.
    pub(crate) fn step_refused(
        &mut self,
        refuses: impl Fn(&Write) -> bool,
    ) -> Result<Plan, Violation> {
        let world = self.lab.observe();
        let now = self.lab.clock();
        let Operator { memory, tuning, .. } = &mut self.operator;
        memory.absorb(&world, tuning, now);
        let application = &self.lab.application;
        let plan = planner::plan(application, &world, memory, tuning, now);
        if let Some(write) = plan.step.as_ref().filter(|write| refuses(write)) {
            safety::check(application, &world, memory, tuning, write, now)?;
            memory.sending(write, tuning, now);
            let refused = WriteOutcome::Refused {
                reason: "AccessDenied".to_owned(),
            };
            memory.note(write, &refused, tuning, now);
            self.lab.advance(2_000);
            return Ok(plan);
        }
        self.operator.reconcile(&mut self.lab)
    }

    /// Weight of a group in the production rule.
    pub(crate) fn weight(&self, side: Side) -> u32 {
        let mut production = self
            .lab
            .rules
            .iter()
            .filter(|rule| rule.role == Role::Production);
        production.next().map_or(0, |rule| weight(rule, side))
    }

    /// The name of the service that runs `version`.
    pub(crate) fn name(&self, version: &str) -> Option<String> {
        let mut services = self.lab.services.iter();
        let found = services.find(|s| s.shown.tags.version.as_deref() == Some(version))?;
        Some(found.shown.name.clone())
    }

    /// Versions of the services that there are.
    pub(crate) fn versions(&self) -> Vec<&str> {
        let services = self.lab.services.iter();
        services
            .map(|service| service.shown.tags.version.as_deref().unwrap_or_default())
            .collect()
    }

    /// Whether it comes to rest within `bound` reconciles with `version` alone, and no request is lost on the way.
    pub(crate) fn settles_on(&mut self, version: &str, bound: usize) -> bool {
        for _ in 0..bound {
            if self.operator.reconcile(&mut self.lab).is_err() || self.lab.loses_requests() {
                return false;
            }
            let rest = self.operator.clone().run(&mut self.lab.clone(), 3);
            if rest == Ending::Settled {
                return self.versions() == [version];
            }
        }
        false
    }
}
