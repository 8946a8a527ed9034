//! Gates of the lab: what their runs come to, and which were run.

use std::collections::BTreeMap;

use crate::gate::{Run, Verdict};

/// The tests that a release must pass.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tests {
    /// What a run comes to, by the place of the gate. One that is not named runs on.
    pub outcomes: BTreeMap<String, Verdict>,
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

    /// The places at which a run was asked for, one for each run.
    pub fn places(&self) -> Vec<&str> {
        self.runs.iter().map(|(_, place)| place.as_str()).collect()
    }
}
