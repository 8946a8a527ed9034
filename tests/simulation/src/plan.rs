//! A run as data: a scenario, and what goes wrong when.

use serde::{Deserialize, Serialize};

use crate::scenario::Scenario;

/// One run. Seeds and enumerations only make plans; a run takes nothing but its plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Plan {
    /// For people: what this plan showed, when it is kept.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub about: String,
    /// What is asked of the operator.
    pub scenario: Scenario,
    /// Who may write.
    #[serde(default, skip_serializing_if = "Operators::is_one")]
    pub operators: Operators,
    /// Where releases have their targets.
    #[serde(default, skip_serializing_if = "Groups::is_pair")]
    pub groups: Groups,
    /// What goes wrong, sorted.
    pub entries: Vec<Entry>,
}

/// By what right operators write.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Operators {
    /// The deployment runs one, without a lease. (A fault may start a second one: what then happens is not promised.)
    #[default]
    One,
    /// Two, and the one that has the lease writes.
    TwoWithLease,
}

impl Operators {
    fn is_one(&self) -> bool {
        *self == Self::One
    }
}

/// Where releases have their targets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Groups {
    /// Two target groups take turns.
    #[default]
    Pair,
    /// Each release has a target group of its own.
    PerRelease,
}

impl Groups {
    /// Both ways.
    pub const ALL: [Self; 2] = [Self::Pair, Self::PerRelease];

    fn is_pair(&self) -> bool {
        *self == Self::Pair
    }
}

/// One thing that goes wrong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// When.
    pub at: At,
    /// What.
    #[serde(rename = "do")]
    pub fault: Fault,
}

/// A moment of a run. Calls are counted from 0 over the whole run, whichever operator makes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum At {
    /// Virtual milliseconds since the start.
    Time(u64),
    /// As the n-th round of reads is made.
    Read(u32),
    /// As what the n-th write touches is looked at again, before that is answered.
    Look(u32),
    /// As the n-th write is sent: after the look, before the effect.
    Write(u32),
    /// Right after the n-th write's effect, or after it had none.
    After(u32),
}

/// A part of the world that is read by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Part {
    /// ECS services.
    Services,
    /// Listener rules.
    Rules,
    /// Target health.
    Health,
    /// The record parameter.
    Record,
    /// The desired parameter.
    Desired,
    /// Task definition revisions.
    Revisions,
    /// What people ask for.
    Intents,
}

impl Part {
    /// Every part.
    pub const ALL: [Self; 7] = [
        Self::Services,
        Self::Rules,
        Self::Health,
        Self::Record,
        Self::Desired,
        Self::Revisions,
        Self::Intents,
    ];

    /// How long reads of it may lag behind, in seconds: the operator's own bounds.
    pub fn staleness(self) -> u64 {
        match self {
            Self::Services | Self::Revisions => 30,
            Self::Rules | Self::Health | Self::Record | Self::Desired | Self::Intents => 10,
        }
    }
}

/// One of the live services, by age.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Which {
    /// The first that was created.
    Oldest,
    /// The last.
    Newest,
}

/// What speaks for or against a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Test {
    /// Its gates.
    Gates,
    /// Its alarm.
    Alarm,
    /// Its analysis.
    Analysis,
}

/// What it says, when it is not that all is well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Word {
    /// The release fails.
    Fails,
    /// Nothing: it cannot be asked.
    Silent,
}

/// What goes wrong. Those of the first three groups say where they can stand; the others may stand anywhere.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    deny_unknown_fields
)]
pub enum Fault {
    // At `write`.
    /// AWS refuses it: no effect.
    Refused,
    /// It never leaves: no effect.
    NotSent,
    /// No effect, and an answer that says nothing (5xx, reset).
    Lost,
    /// No effect, and no answer until the time-out.
    Hangs,
    /// It takes effect, and the answer is lost.
    AnswerLost,
    /// It takes effect, and no answer comes until the time-out.
    AnswerHangs,
    /// An error comes at once; the effect comes this much later.
    Late {
        /// At most 300, the life of a signature.
        seconds: u64,
    },
    /// An error comes at once; the effect comes right after this many further writes took theirs, or after 300 s.
    PastNext {
        /// How many.
        writes: u32,
    },
    /// It takes effect, and once more this much later.
    Duplicated {
        /// At most 10: somebody on the way repeats it, within the time-out of an operation.
        seconds: u64,
    },
    /// The process dies after it was sent; the effect comes this much later.
    CrashLate {
        /// At most 40: AWS works on, though nobody waits.
        seconds: u64,
    },
    /// The process stands still with the request in its socket, which AWS carries out at once.
    PauseAfter {
        /// How long.
        seconds: u64,
    },

    // At `read` or `look`.
    /// The part cannot be read this once.
    Unread(Part),
    /// The answer shows the part as it was this long ago.
    Stale {
        /// What.
        part: Part,
        /// At most [`Part::staleness`].
        seconds: u64,
    },

    // Of the services that are read, for a while.
    /// The part cannot be read.
    Unreadable {
        /// What.
        part: Part,
        /// How long.
        seconds: u64,
    },
    /// Every read shows the part as it is now.
    Frozen {
        /// What.
        part: Part,
        /// At most [`Part::staleness`].
        seconds: u64,
    },
    /// Every other read shows the part as it is now.
    Flicker {
        /// What.
        part: Part,
        /// At most [`Part::staleness`].
        seconds: u64,
    },
    /// Every call is throttled.
    Throttled {
        /// How long.
        seconds: u64,
    },

    // Of the operator.
    /// The process dies, and another starts this much later.
    Crash {
        /// How long nobody runs.
        seconds: u64,
    },
    /// The process is told to stop, ends gracefully, and another starts.
    Restart,
    /// The process stands still (SIGSTOP).
    Pause {
        /// How long.
        seconds: u64,
    },
    /// The machine's wall clock is set.
    ClockJump {
        /// Forward; negative: back.
        seconds: i64,
    },
    /// A second operator starts, although the deployment should run one.
    SecondOperator,
    /// The store of the lease cannot be reached by the leader.
    LeaseUnreachable {
        /// How long.
        seconds: u64,
    },
    /// The leader's calls of the lease's store take effect, and the answers are lost.
    LeaseAnswersLost {
        /// How long.
        seconds: u64,
    },

    // Of people and the world.
    /// A person sets the weights of every production rule.
    Weights {
        /// Of the first group; none: it is not named.
        a: Option<u32>,
        /// Of the second.
        b: Option<u32>,
    },
    /// A person deletes a service, with force.
    DeleteService(Which),
    /// A person or an autoscaler sets a service's count.
    Scale {
        /// Whose.
        which: Which,
        /// To.
        count: u32,
    },
    /// One task of a service stops; ECS starts another.
    TaskCrash(Which),
    /// All tasks of a service stop; ECS starts others.
    TasksCrash(Which),
    /// A service's tasks fail their health checks for a while.
    Unhealthy {
        /// Whose.
        which: Which,
        /// How long.
        seconds: u64,
    },
    /// Load-balancer nodes take this long to adopt new weights, from now on.
    NodeLag {
        /// Less than the application's settle time.
        seconds: u64,
    },
    /// The desired parameter is written.
    Wish(String),
    /// The record parameter is deleted.
    RecordLost,
    /// A person ends the step that runs, or all of them.
    Promote {
        /// All of them.
        full: bool,
    },
    /// A person aborts the rollout.
    Abort,
    /// A person pauses the application for a while.
    Paused {
        /// How long.
        seconds: u64,
        /// And every other one of the prefix.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        all: bool,
    },
    /// A gate that is tried, the alarm or the analysis says so for a while.
    Says {
        /// What says it.
        test: Test,
        /// What.
        word: Word,
        /// How long.
        seconds: u64,
    },
}

impl Plan {
    /// A run in which nothing goes wrong.
    pub fn quiet(scenario: Scenario) -> Self {
        Self::new(scenario, [])
    }

    /// A run with these entries.
    pub fn new(scenario: Scenario, entries: impl IntoIterator<Item = Entry>) -> Self {
        let mut entries: Vec<Entry> = entries.into_iter().collect();
        entries.sort();
        Self {
            about: String::new(),
            scenario,
            operators: Operators::One,
            groups: Groups::Pair,
            entries,
        }
    }

    /// The same, with other entries.
    #[must_use]
    pub fn with(&self, entries: impl IntoIterator<Item = Entry>) -> Self {
        Self {
            about: self.about.clone(),
            operators: self.operators,
            groups: self.groups,
            ..Self::new(self.scenario, entries)
        }
    }

    /// The same, with these operators.
    #[must_use]
    pub fn by(self, operators: Operators) -> Self {
        Self { operators, ..self }
    }

    /// The same, with these target groups, where the scenario knows them.
    #[must_use]
    pub fn on(self, groups: Groups) -> Self {
        if self.scenario.groups().contains(&groups) {
            Self { groups, ..self }
        } else {
            self
        }
    }
}

impl Entry {
    /// `fault` at `at`.
    pub fn new(at: At, fault: Fault) -> Self {
        Self { at, fault }
    }
}
