//! AWS Lambda: functions whose answers are written down beforehand, and what they were asked.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Millis, World};

/// A function: what it does each time it runs. After the last answer it does that one again.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Function {
    /// In the order of its runs; none: it returns `null`, as one that ends without a `return`.
    #[serde(default)]
    pub answers: Vec<Answer>,
}

/// What a run comes to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Answer {
    /// It returns this.
    Returns(Value),
    /// It throws an error with this text.
    Throws(String),
    /// It does not run: as many of it run already as may.
    Throttled,
}

/// What happened so far.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Lambda {
    /// Every run, by the function's name.
    pub runs: BTreeMap<String, Vec<Run>>,
}

/// One run of a function.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// When it was asked for.
    pub at: Millis,
    /// What it was given; text where it is no JSON.
    pub event: Value,
}

/// Runs the function; none: there is none of this name.
pub fn run(world: &mut World, name: &str, event: Value) -> Option<Answer> {
    let function = world.settings.functions.get(name)?;
    let runs = world.lambda.runs.entry(name.to_owned()).or_default();
    let answer = function.answers.get(runs.len()).or(function.answers.last());
    let answer = answer.cloned().unwrap_or(Answer::Returns(Value::Null));
    runs.push(Run {
        at: world.now,
        event,
    });
    Some(answer)
}
