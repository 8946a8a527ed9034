//! What a person asks of a rollout, one parameter a verb, so that IAM can part the rights.
//!
//! A verb names the rollout (and the step) that its sender saw: one that is about another is stale and does nothing.

use serde::{Deserialize, Serialize};

use crate::record::Generation;

/// Bytes of an intent that are looked at.
const MAX_READ: usize = 1024;

/// `intents/promote`: the step that was seen ends now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Promote {
    /// Which wish is rolled out.
    pub rollout: Generation,
    /// The step that was seen, from 0.
    pub step: u32,
    /// All the steps that are left end now.
    #[serde(default)]
    pub full: bool,
}

/// `intents/abort`: the rollout that was seen ends, and traffic goes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Abort {
    /// Which wish is rolled out.
    pub rollout: Generation,
}

/// `intents/approve`: the gate that was seen passes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approve {
    /// Which wish is rolled out.
    pub rollout: Generation,
    /// Where the gate stands ([`crate::record::GateRun::place`]).
    pub gate: String,
}

/// `intents/pause` of an application, or `pause` beside all applications of a prefix: a state, not an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pause {
    /// No rollout makes progress.
    pub paused: bool,
}

/// What people ask for at the moment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Intents {
    /// The last promotion.
    pub promote: Option<Promote>,
    /// The last abort.
    pub abort: Option<Abort>,
    /// The last approval of a gate.
    pub approve: Option<Approve>,
    /// A person holds the application.
    pub paused: bool,
    /// A person holds every application of its prefix.
    pub all_paused: bool,
    /// What stands in a verb's parameter and says nothing, for people.
    pub unusable: Vec<String>,
}

impl Intents {
    /// The texts of the application's four parameters and of the pause of all, where they exist. What cannot be read
    /// asks for nothing, but for a pause: a text that should be one holds.
    ///
    /// ```
    /// use crd_schema::intent::Intents;
    ///
    /// let read = |pause| Intents::parse(None, None, None, Some(pause), None);
    /// assert!(!read(r#"{"paused": false}"#).paused);
    /// assert!(read("yes, please").paused);
    /// assert_eq!(read("yes, please").unusable.len(), 1);
    /// ```
    pub fn parse(
        promote: Option<&str>,
        abort: Option<&str>,
        approve: Option<&str>,
        pause: Option<&str>,
        pause_all: Option<&str>,
    ) -> Self {
        let mut unusable = Vec::new();
        let promote = promote.and_then(|text| read("intents/promote", text, &mut unusable));
        let abort = abort.and_then(|text| read("intents/abort", text, &mut unusable));
        let approve = approve.and_then(|text| read("intents/approve", text, &mut unusable));
        let mut holds = |verb, text: Option<&str>| {
            let read = text.map(|text| read::<Pause>(verb, text, &mut unusable));
            read.is_some_and(|pause| pause.is_none_or(|pause| pause.paused))
        };
        let paused = holds("intents/pause", pause);
        let all_paused = holds("the prefix's pause", pause_all);
        Self {
            promote,
            abort,
            approve,
            paused,
            all_paused,
            unusable,
        }
    }
}

fn read<T: for<'a> Deserialize<'a>>(
    parameter: &str,
    text: &str,
    unusable: &mut Vec<String>,
) -> Option<T> {
    let read = if text.len() > MAX_READ {
        Err(format!("{} bytes; at most {MAX_READ} are read", text.len()))
    } else {
        serde_json::from_str(text).map_err(|error| error.to_string())
    };
    read.map_err(|reason| unusable.push(format!("{parameter} cannot be read: {reason}")))
        .ok()
}
