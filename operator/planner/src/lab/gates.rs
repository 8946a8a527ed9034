//! Gates, alarms and analyses of the lab: what they come to, and which were asked for.

use std::collections::BTreeMap;

use crd_schema::Application;
use crd_schema::gate;
use crd_schema::record::{GateRun, Stage};
use crd_schema::strategy::{Share, Step};

use crate::gate::{Run, Verdict};
use crate::watch::Watch;

/// The places of the gates that must have passed before a release gets this share of the traffic.
pub fn required(application: &Application, share: Share) -> impl Iterator<Item = String> {
    let before = gate::before(&application.gates, Stage::Shift);
    let before = before.map(|(name, _)| GateRun::place(name, None));
    let strategy = &application.strategy;
    let steps = strategy.steps.iter().enumerate();
    let steps = steps.filter_map(move |(n, step)| match step {
        Step::Gate(name) => (share > strategy.share_at(n)).then(|| GateRun::place(name, Some(n))),
        Step::SetWeight(_) | Step::SetScale(_) | Step::Pause(_) | Step::Analysis(_) => None,
    });
    before.chain(steps)
}

/// The tests that a release must pass.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tests {
    /// What a run comes to, by the place of the gate. One that is not named runs on.
    pub outcomes: BTreeMap<String, Verdict>,
    /// What alarms and analyses say, by name. One that is not named says that all is well.
    pub says: BTreeMap<String, Verdict>,
    /// The runs that were asked for: their keys, in the order of the first time, and the place of each.
    pub runs: Vec<(String, String)>,
}

impl Tests {
    /// The run goes on, or begins.
    pub fn run(&mut self, run: &Run) {
        let run = (run.key.clone(), run.place.clone());
        if !self.runs.contains(&run) {
            self.runs.push(run);
        }
    }

    /// What the run has come to, as a world shows it.
    pub fn verdict(&self, run: &Run) -> (String, Verdict) {
        let outcome = self.outcomes.get(&run.place).cloned();
        let runs = || Verdict::Unclear {
            reason: "it runs".to_owned(),
        };
        (run.key.clone(), outcome.unwrap_or_else(runs))
    }

    /// What a watch says, as a world shows it.
    pub fn said(&self, watch: &Watch) -> (String, Verdict) {
        let said = self.says.get(&watch.name).cloned();
        (watch.key.clone(), said.unwrap_or(Verdict::Passed))
    }

    /// The places at which a run was asked for, one for each run.
    pub fn places(&self) -> Vec<&str> {
        self.runs.iter().map(|(_, place)| place.as_str()).collect()
    }
}
