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

/// `intents/pause`: a state, not an event.
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
    /// What stands in a verb's parameter and says nothing, for people.
    pub unusable: Vec<String>,
}

impl Intents {
    /// The texts of the four parameters, where they exist. What cannot be read asks for nothing, but for a pause: a
    /// text that should be one holds.
    ///
    /// ```
    /// use crd_schema::intent::Intents;
    ///
    /// let read = |pause| Intents::parse(None, None, None, Some(pause));
    /// assert!(!read(r#"{"paused": false}"#).paused);
    /// assert!(read("yes, please").paused);
    /// assert_eq!(read("yes, please").unusable.len(), 1);
    /// ```
    pub fn parse(
        promote: Option<&str>,
        abort: Option<&str>,
        approve: Option<&str>,
        pause: Option<&str>,
    ) -> Self {
        let mut unusable = Vec::new();
        let promote = promote.and_then(|text| read("promote", text, &mut unusable));
        let abort = abort.and_then(|text| read("abort", text, &mut unusable));
        let approve = approve.and_then(|text| read("approve", text, &mut unusable));
        let paused = pause.is_some_and(|text| {
            read::<Pause>("pause", text, &mut unusable).is_none_or(|pause| pause.paused)
        });
        Self {
            promote,
            abort,
            approve,
            paused,
            unusable,
        }
    }
}

fn read<T: for<'a> Deserialize<'a>>(
    verb: &str,
    text: &str,
    unusable: &mut Vec<String>,
) -> Option<T> {
    let read = if text.len() > MAX_READ {
        Err(format!("{} bytes; at most {MAX_READ} are read", text.len()))
    } else {
        serde_json::from_str(text).map_err(|error| error.to_string())
    };
    read.map_err(|reason| unusable.push(format!("intents/{verb} cannot be read: {reason}")))
        .ok()
}
