//! A run as data, and how a seed becomes one.

use emulator::api::AwsError;
use emulator::faults::{Effect, Fault, FaultSettings, When};
use emulator::world::behaviour::{Behaviour, Exit};
use serde::{Deserialize, Serialize};

/// Where a run begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Scene {
    /// Nothing was ever released.
    Empty,
    /// 1.3.0 serves.
    Serving,
    /// 1.3.0 serves behind the listener's default and a rule of its own.
    Ruled,
    /// 1.3.0 serves from a target group of its own, as every release, and is autoscaled as the spec says.
    PerRelease,
    /// 1.3.0 serves, and a task must end well before a release begins.
    Gated,
}

/// One run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Plan {
    pub(crate) scene: Scene,
    /// Of everything that is random in the SDK.
    pub(crate) seed: u64,
    /// The operator looks this often while something is on its way.
    #[serde(default = "default_poll_ms")]
    pub(crate) poll_ms: u64,
    /// There are two operators, of which one leads by a lease.
    #[serde(default)]
    pub(crate) leased: bool,
    /// In the order of their time.
    pub(crate) acts: Vec<Act>,
    /// From the beginning until `quiet_ms`.
    #[serde(default)]
    pub(crate) faults: FaultSettings,
    /// From here on nothing goes wrong any more.
    pub(crate) quiet_ms: u64,
}

const fn default_poll_ms() -> u64 {
    2_000
}

/// Something that happens to the operator or its account.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Act {
    /// Milliseconds since the run began.
    pub(crate) at: u64,
    pub(crate) deed: Deed,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Deed {
    /// The pipeline writes `desired`.
    Wish(String),
    /// What a container of this version does from now on.
    Behave(String, Behaviour),
    /// The operator is killed; of two, the one that leads.
    Kill,
    /// Every operator starts that does not run.
    Start,
    /// A person sets the weights of the test listener.
    TestWeights([Option<u64>; 2]),
    /// A person splits production evenly while both releases are at full size and neither is being removed.
    Split,
    /// A person asks for one task more of what serves.
    ScaleOut,
}

impl Plan {
    /// A wish at the very beginning, and nothing goes wrong.
    pub(crate) fn calm(scene: Scene, version: &str) -> Self {
        Self {
            scene,
            seed: 1,
            poll_ms: default_poll_ms(),
            leased: false,
            acts: vec![at(0, Deed::Wish(version.to_owned()))],
            faults: FaultSettings::default(),
            quiet_ms: 0,
        }
    }

    /// A release that crashes a while after its start.
    pub(crate) fn bad() -> Self {
        let mut plan = Self::calm(Scene::Serving, "1.4.0");
        plan.acts.insert(0, at(0, crashes("1.4.0")));
        plan
    }

    /// A release whose migration takes too long.
    pub(crate) fn stuck() -> Self {
        let mut plan = Self::calm(Scene::Gated, "1.4.0");
        let exits = Some(Exit {
            after_ms: 3_600_000,
            code: 0,
        });
        let migration = Behaviour {
            exits,
            ..Behaviour::default()
        };
        let migrates = Deed::Behave("1.4.0 bin/migrate".to_owned(), migration);
        plan.acts.insert(0, at(0, migrates));
        plan.acts.insert(0, at(0, crashes("1.4.0")));
        plan
    }

    /// The last version that was wished for.
    pub(crate) fn wish(&self) -> &str {
        let wishes = self.acts.iter().rev().filter_map(|act| match &act.deed {
            Deed::Wish(version) => Some(version.as_str()),
            Deed::Behave(..)
            | Deed::Kill
            | Deed::Start
            | Deed::TestWeights(_)
            | Deed::Split
            | Deed::ScaleOut => None,
        });
        wishes.into_iter().next().unwrap_or("1.3.0")
    }

    /// The wish cannot come to serve.
    pub(crate) fn is_bad(&self) -> bool {
        let wish = self.wish();
        self.acts
            .iter()
            .any(|act| matches!(&act.deed, Deed::Behave(version, _) if version == wish))
    }

    /// A person changes what is the operator's.
    pub(crate) fn has_drift(&self) -> bool {
        let drifts = |act: &Act| match act.deed {
            Deed::TestWeights(_) | Deed::Split | Deed::ScaleOut => true,
            Deed::Wish(_) | Deed::Behave(..) | Deed::Kill | Deed::Start => false,
        };
        self.acts.iter().any(drifts)
    }

    /// What goes wrong may cost a good release its deadline.
    pub(crate) fn may_reject(&self) -> bool {
        let often = |fault: &Fault| !matches!(fault.when, When::Nth(_));
        self.faults.plan.iter().any(often)
            || self.acts.iter().any(|act| matches!(act.deed, Deed::Kill))
    }

    /// A rollout of any kind, with anything going wrong.
    pub(crate) fn of_seed(seed: u64) -> Self {
        let mut dice = fastrand::Rng::with_seed(seed);
        let quiet_ms = dice.u64(60_000..240_000);
        let wish = |ms, version: &str| at(ms, Deed::Wish(version.to_owned()));
        let mut scene = *dice
            .choice(&[Scene::Serving, Scene::Ruled, Scene::PerRelease])
            .unwrap();
        let later = dice.u64(5_000..200_000);
        let mut acts = match dice.u32(0..7) {
            0 => {
                scene = Scene::Empty;
                vec![wish(0, "1.3.0")]
            }
            1 => vec![at(0, crashes("1.4.0")), wish(0, "1.4.0")],
            2 => vec![at(0, sick("1.4.0")), wish(0, "1.4.0")],
            3 => vec![wish(0, "1.4.0"), wish(later, "1.5.0")],
            4 => vec![wish(0, "1.4.0"), wish(later, "1.3.0")],
            _ => vec![wish(0, "1.4.0")],
        };
        for _ in 0..dice.usize(0..3) {
            let deed = match dice.u32(0..3) {
                // Of the pair's weights there are none.
                _ if scene == Scene::PerRelease => Deed::ScaleOut,
                0 => Deed::TestWeights([Some(dice.u64(0..2)), Some(100)]),
                1 => Deed::Split,
                _ => Deed::ScaleOut,
            };
            acts.push(at(dice.u64(0..quiet_ms), deed));
        }
        for _ in 0..dice.usize(0..3) {
            let killed = dice.u64(0..quiet_ms);
            acts.push(at(killed, Deed::Kill));
            acts.push(at(killed + dice.u64(0..20_000), Deed::Start));
        }
        acts.sort_by_key(|act| act.at);
        Self {
            scene,
            seed,
            poll_ms: *dice.choice(&[2_000, 4_000, 8_000]).unwrap(),
            leased: dice.u32(0..4) == 0,
            acts,
            faults: weather(&mut dice, seed),
            quiet_ms,
        }
    }
}

/// Some kinds of faults, at up to 0.3 a call together; in some runs none.
fn weather(dice: &mut fastrand::Rng, seed: u64) -> FaultSettings {
    let share = *dice.choice(&[0.0, 0.02, 0.1, 0.2, 0.3]).unwrap();
    let mut effects = kinds();
    dice.shuffle(&mut effects);
    effects.truncate(dice.usize(1..4));
    let each = share / effects.len() as f64;
    let plan = effects.into_iter().map(|effect| Fault {
        service: None,
        operation: None,
        when: When::Probability(each),
        effect,
    });
    FaultSettings {
        seed,
        plan: plan.collect(),
        latency_ms: *dice.choice(&[0, 20, 200]).unwrap(),
        ..FaultSettings::default()
    }
}

/// Every kind of fault that one call can meet. Delays are longer than the operator waits for an answer (10 s).
pub(crate) fn kinds() -> Vec<Effect> {
    let failure = || AwsError::new("InternalFailure", "We encountered an internal error.");
    vec![
        Effect::AccessDenied,
        Effect::Throttle,
        Effect::Error(failure()),
        Effect::ErrorAfter(failure()),
        Effect::RefuseConnection,
        Effect::LoseRequest,
        Effect::LoseAnswer,
        Effect::Latency(15_000),
        Effect::SlowAnswer(15_000),
        Effect::CutAnswer,
        Effect::StaleAnswer(8_000),
    ]
}

fn at(at: u64, deed: Deed) -> Act {
    Act { at, deed }
}

fn crashes(version: &str) -> Deed {
    let exits = Some(Exit {
        after_ms: 2_000,
        code: 3,
    });
    let behaviour = Behaviour {
        exits,
        ..Behaviour::default()
    };
    Deed::Behave(version.to_owned(), behaviour)
}

fn sick(version: &str) -> Deed {
    let behaviour = Behaviour {
        health_status: 500,
        ..Behaviour::default()
    };
    Deed::Behave(version.to_owned(), behaviour)
}
