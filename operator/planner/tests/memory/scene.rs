//! The scene that every test begins with.

use std::time::Duration;

use planner::lab::{Lab, application};
use planner::memory::{Unsettled, WriteOutcome};
use planner::world::{Role, Side};
use planner::{Memory, Mono, Tuning, Weights, World, Write};

/// Blue serves on A, and green waits on B at weight 0: seen once by a process that leads for a while already.
pub(crate) struct Scene {
    pub(crate) lab: Lab,
    pub(crate) memory: Memory,
    pub(crate) tuning: Tuning,
    pub(crate) blue: String,
    pub(crate) green: String,
}

/// It.
pub(crate) fn scene() -> Scene {
    let mut lab = Lab::new(application());
    let mut memory = Memory::new(Mono(lab.now));
    memory.clean_start = Some(true);
    lab.advance(100_000);
    let blue = lab.place("1.3.0", Side::A, 2, 0);
    let green = lab.place("1.4.0", Side::B, 2, 0);
    lab.set_production([Some(100), Some(0)]);
    lab.wish("1.4.0");
    let mut scene = Scene {
        lab,
        memory,
        tuning: Tuning::default(),
        blue,
        green,
    };
    scene.look();
    scene
}

impl Scene {
    /// One round of reads.
    pub(crate) fn look(&mut self) {
        self.look_at(|_| ());
    }

    /// One round of reads that shows this.
    pub(crate) fn look_at(&mut self, change: impl FnOnce(&mut World)) {
        let mut world = self.lab.observe();
        change(&mut world);
        self.memory.absorb(&world, &self.tuning, self.lab.clock());
    }

    /// A write that is sent now, and whose answer comes now.
    pub(crate) fn answered(&mut self, write: &Write, outcome: &WriteOutcome) {
        let now = self.lab.clock();
        self.memory.sending(write, &self.tuning, now);
        self.memory.note(write, outcome, &self.tuning, now);
    }

    /// A write that gets no answer, and does not happen.
    pub(crate) fn unanswered(&mut self, write: &Write) {
        let reason = "timeout".to_owned();
        self.answered(write, &WriteOutcome::Unknown { reason });
    }

    /// A write that happens.
    pub(crate) fn applied(&mut self, write: &Write) {
        let outcome = self.lab.apply(write);
        assert_eq!(outcome, WriteOutcome::Applied);
        self.answered(write, &outcome);
    }

    /// A write of an earlier time that may still land.
    pub(crate) fn late(&mut self, write: Write, side: Option<Side>) {
        let until = Mono(self.lab.now) + Duration::from_secs(60);
        let late = Unsettled { write, side, until };
        self.memory.unsettled.push(late);
    }

    /// Production weights as they are, written as these.
    pub(crate) fn shift(&self, to: [Option<u32>; 2]) -> Write {
        let rule = self.lab.rules.iter().find(|r| r.role == Role::Production);
        let rule = rule.expect("there is one");
        let planner::world::Action::Forward { weights, .. } = rule.action else {
            panic!("{rule:?}")
        };
        Write::SetWeights {
            rule: rule.target.clone(),
            groups: self
                .lab
                .groups
                .each_ref()
                .map(|group| group.as_ref().map(|group| group.arn.clone())),
            forget: Vec::new(),
            seen: weights,
            weights: Weights::new(to).expect("a sum above zero"),
            evidence: Vec::new(),
        }
    }

    pub(crate) fn scale(&self, name: &str, from: u32, to: u32) -> Write {
        Write::ScaleService {
            name: name.to_owned(),
            from,
            to,
        }
    }

    pub(crate) fn tag(&self, name: &str) -> Write {
        Write::TagService {
            name: name.to_owned(),
            arn: name.to_owned(),
            key: "teal:rejected".to_owned(),
            value: "1.1".to_owned(),
        }
    }

    pub(crate) fn create(&self, name: &str) -> Write {
        Write::CreateService {
            name: name.to_owned(),
            side: Side::B,
            body: serde_json::Map::new(),
        }
    }
}
