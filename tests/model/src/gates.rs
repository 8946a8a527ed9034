//! Gates, alarms and analyses of the model: what runs, what it comes to, and whether traffic waited for it.

use crd_schema::record::{GateRun, Record};
use planner::gate::{Run, Verdict};
use planner::release;
use planner::watch::Watch;

use crate::setup::Setup;
use crate::state::State;

/// What every alarm and analysis says of a release; in a fair world gates say the same.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Says {
    /// Nothing speaks against it.
    #[default]
    Well,
    /// They cannot tell.
    Unclear,
    /// It fails.
    Bad,
}

impl Says {
    /// Each of them.
    pub const ALL: [Self; 3] = [Self::Well, Self::Unclear, Self::Bad];

    /// As a world shows it.
    pub fn verdict(self) -> Verdict {
        let reason = "it was measured".to_owned();
        match self {
            Self::Well => Verdict::Passed,
            Self::Unclear => Verdict::Unclear { reason },
            Self::Bad => Verdict::Failed { reason },
        }
    }
}

/// A gate that an operator runs, or has run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Running {
    run: Run,
    verdict: Option<Verdict>,
}

impl Running {
    /// What a round of reads shows of it.
    pub fn shown(&self) -> Option<(String, Verdict)> {
        Some((self.run.key.clone(), self.verdict.clone()?))
    }

    /// It may still come to something.
    pub fn is_open(&self) -> bool {
        self.verdict.is_none()
    }

    /// What tells its future: where it stands, what it came to, and whether this record means it.
    pub fn canonical(&self, setup: &Setup, record: &Record) -> (&str, &Option<Verdict>, bool) {
        let rollout = record.rollout.as_ref();
        let meant = rollout.and_then(|rollout| {
            let run = rollout.gates.get(&self.run.place)?;
            let digest = &rollout.release.digest;
            let place = &self.run.place;
            Some(release::gate_key(
                &setup.application,
                digest,
                place,
                run.began,
            ))
        });
        let this = meant.as_ref() == Some(&self.run.key);
        (&self.run.place, &self.verdict, this)
    }
}

impl State {
    /// The operator runs what its plan asks for, and nothing else.
    pub fn follow(&mut self, who: usize, asked: Option<Run>, watches: Vec<Watch>) {
        let Some(operator) = &mut self.operators[who] else {
            return;
        };
        operator.watched = watches.into_iter().map(|watch| watch.key).collect();
        let goes_on = |gate: &Running, run: &Run| gate.run.key == run.key;
        operator.gate = asked.map(|run| match operator.gate.take() {
            Some(gate) if goes_on(&gate, &run) => gate,
            Some(_) | None => Running { run, verdict: None },
        });
    }

    /// The gate that an operator runs comes to this.
    pub fn end_gate(&mut self, who: usize, says: Says) {
        let operator = self.operators[who].as_mut();
        let Some(gate) = operator.and_then(|operator| operator.gate.as_mut()) else {
            return;
        };
        gate.verdict = Some(says.verdict());
        if says == Says::Well {
            let passed = (gate.run.version.clone(), gate.run.place.clone());
            self.past.passed.insert(passed);
        }
    }
}

/// What must have passed before a worker's release stands alone.
pub fn all(setup: &Setup) -> impl Iterator<Item = String> {
    let gates = setup.application.gates.keys();
    gates.map(|name| GateRun::place(name, None))
}
