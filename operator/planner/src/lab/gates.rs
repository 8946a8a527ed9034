//! Gates, alarms and analyses of the lab: what they come to, and which were asked for.

use std::collections::BTreeMap;

use crate::gate::{Run, Verdict};
use crate::watch::Watch;

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
