//! `teal promote`, `abort`, `approve`, `pause`, `resume`, `retry`, `rollback`: a person changes the course of a rollout.
//!
//! Each verb names what was seen, and what was not there is refused: nothing is written then.

use aws::Parameters;
use aws::names::{Leaf, Verb};
use crd_schema::intent::{Abort, Approve, Pause, Promote};
use crd_schema::record::{Generation, Outcome, Stage};
use crd_schema::status::{ConditionType, StepStatus};
use crd_schema::{ApplicationName, Desired, Status};
use serde::Serialize;
use serde_json::json;

use crate::cli::{self, Global};
use crate::connect::{Aws, name};
use crate::failure::{Exit, Failure};
use crate::output::{Style, line};
use crate::waiting::condition;

/// One application and what its status says of it.
struct Seen {
    parameters: Parameters,
    application: ApplicationName,
    status: Status,
    style: Style,
}

impl Seen {
    async fn of(global: &Global, application: &str, style: Style) -> Result<Self, Failure> {
        let application = name(application)?;
        let aws = Aws::connect(global).await?;
        let parameters = aws.parameters();
        let Some(found) = parameters.get(&application, Leaf::Status).await? else {
            return match parameters.get(&application, Leaf::Spec).await? {
                None => Err(aws.unknown(&application)),
                Some(_) => Err(refused(&application, "no operator has told of it yet")
                    .next("Does one run (`teal run`) for this prefix and Region?")),
            };
        };
        let status = serde_json::from_str(&found.text).map_err(|error| {
            refused(&application, "its status cannot be read")
                .because(error)
                .next("Another version of Teal wrote it: use that one.")
        })?;
        Ok(Self {
            parameters,
            application,
            status,
            style,
        })
    }

    fn refused(&self, why: &str) -> Failure {
        refused(&self.application, why)
    }

    /// The rollout on its way, and its version.
    fn rollout(&self) -> Result<(Generation, String), Failure> {
        let status = &self.status;
        let version = status.desired.as_ref().map(|desired| &desired.version);
        match (status.rollout, version) {
            (Some(rollout), Some(version)) => Ok((rollout, version.clone())),
            (Some(_) | None, _) => Err(self.refused("no release is on its way").next(format!(
                "`teal status {}` shows how it is.",
                self.application
            ))),
        }
    }

    /// The reason of condition `Paused`, where a person holds it.
    fn pause(&self) -> Option<&str> {
        condition(&self.status, ConditionType::Paused).map(|paused| paused.reason.as_str())
    }

    async fn write(&self, leaf: Leaf, text: &str) -> Result<i64, Failure> {
        Ok(self.parameters.put(&self.application, leaf, text).await?)
    }

    async fn ask(&self, verb: Verb, intent: &impl Serialize) -> Result<i64, Failure> {
        self.write(Leaf::Intent(verb), &line(intent)).await
    }

    fn say(&self, verb: &str, version: i64, will: &str) {
        let application = &self.application;
        let value =
            json!({"application": application, "verb": verb, "version": version, "will": will});
        self.style.say(&value, || format!("{application}: {will}"));
    }
}

fn refused(application: &ApplicationName, why: &str) -> Failure {
    let message = format!("{application}: nothing was asked for: {why}");
    Failure::new(Exit::Refused, message)
}

/// The step that was seen ends now; with `--full`, all that are left.
pub(crate) async fn promote(
    global: &Global,
    arguments: &cli::Promote,
    style: Style,
) -> Result<(), Failure> {
    let seen = Seen::of(global, &arguments.application, style).await?;
    let status = &seen.status;
    let (rollout, version) = seen.rollout()?;
    let Some(step) = &status.step else {
        return Err(seen.refused(&format!("{version} does not move in steps now")));
    };
    if let Some(pause) = seen.pause() {
        let (why, whose) = match pause {
            "AllPaused" => ("all are paused", "--all"),
            _ => ("it is paused", seen.application.as_str()),
        };
        return Err(seen
            .refused(why)
            .next(format!("`teal resume {whose}` comes first.")));
    }
    let does = step.does.as_deref().unwrap_or("the last weight");
    if !step.promotable && !arguments.full {
        return Err(seen
            .refused(&format!(
                "step {} of {} of {version} ({does}) waits for nobody",
                number(step),
                step.of
            ))
            .next("`--full` ends all the steps that are left."));
    }
    let intent = Promote {
        rollout,
        step: step.index,
        full: arguments.full,
    };
    let write = seen.ask(Verb::Promote, &intent).await?;
    let will = if arguments.full {
        format!("{version} gets all traffic now, without its other steps")
    } else {
        format!(
            "step {} of {} of {version} ({does}) ends now",
            number(step),
            step.of
        )
    };
    seen.say("promote", write, &will);
    Ok(())
}

fn number(step: &StepStatus) -> u32 {
    step.index.saturating_add(1).min(step.of)
}

/// The gate that was seen passes.
pub(crate) async fn approve(
    global: &Global,
    arguments: &cli::Approve,
    style: Style,
) -> Result<(), Failure> {
    let seen = Seen::of(global, &arguments.application, style).await?;
    let (rollout, version) = seen.rollout()?;
    let waiting = seen.status.waiting_on.as_ref();
    let gate = waiting.and_then(|waiting| waiting.gate.as_deref());
    let approval = waiting.is_some_and(|waiting| waiting.reason == "Approval");
    let gate = match gate.filter(|_| approval) {
        Some(gate) if arguments.gate.as_deref().is_none_or(|asked| asked == gate) => gate,
        Some(gate) => {
            let why = format!("{version} waits for gate {gate}");
            return Err(seen.refused(&why));
        }
        None => {
            return Err(seen.refused(&format!("{version} waits for no approval")));
        }
    };
    let intent = Approve {
        rollout,
        gate: gate.to_owned(),
    };
    let write = seen.ask(Verb::Approve, &intent).await?;
    seen.say(
        "approve",
        write,
        &format!("gate {gate} of {version} passes"),
    );
    Ok(())
}

/// The rollout ends, and traffic goes back.
pub(crate) async fn abort(
    global: &Global,
    arguments: &cli::OfOne,
    style: Style,
) -> Result<(), Failure> {
    let seen = Seen::of(global, &arguments.application, style).await?;
    let status = &seen.status;
    let (rollout, version) = seen.rollout()?;
    if status.stage >= Stage::CleanUp {
        let why = match status.stage {
            Stage::RollBack => format!("{version} goes back already"),
            Stage::CleanUp
            | Stage::ScaleUp
            | Stage::Validate
            | Stage::Shift
            | Stage::Bake
            | Stage::Settled => {
                format!("{version} serves everything and what served before is leaving")
            }
        };
        return Err(seen.refused(&why).next(format!(
            "`teal rollback {}` releases the version before once that is over.",
            seen.application
        )));
    }
    let write = seen.ask(Verb::Abort, &Abort { rollout }).await?;
    let to = status.last_good.as_ref();
    let to = to.map_or_else(String::new, |good| format!(" to {}", good.version));
    let will = format!("{version} ends, all traffic goes back{to}, and it is not tried again");
    seen.say("abort", write, &will);
    Ok(())
}

/// No rollout makes progress until `resume`; what serves is kept up.
pub(crate) async fn pause(
    global: &Global,
    arguments: &cli::OneOrAll,
    style: Style,
) -> Result<(), Failure> {
    let Some(application) = &arguments.application else {
        return pause_all(global, true, style).await;
    };
    let seen = Seen::of(global, application, style).await?;
    let status = &seen.status;
    let write = seen.ask(Verb::Pause, &Pause { paused: true }).await?;
    let now = match status.rollout {
        Some(_) => "the release stays where it is",
        None => "no release begins",
    };
    let will = format!("{now} until `teal resume {}`", seen.application);
    seen.say("pause", write, &will);
    Ok(())
}

/// Every application of each prefix stays where it is, or goes on.
async fn pause_all(global: &Global, paused: bool, style: Style) -> Result<(), Failure> {
    let aws = Aws::connect(global).await?;
    let parameters = aws.parameters();
    let (verb, will) = match paused {
        true => (
            "pause",
            "no release begins or goes on until `teal resume --all`; what serves is kept up, and the way back is open",
        ),
        false => (
            "resume",
            "releases go on, but for those that were paused by name",
        ),
    };
    for pause in aws.names.pauses() {
        let version = parameters
            .put_pause(&pause, &line(&Pause { paused }))
            .await?;
        let value = json!({"parameter": pause, "verb": verb, "version": version, "will": will});
        style.say(&value, || format!("{pause}: {will}"));
    }
    Ok(())
}

/// What was paused goes on.
pub(crate) async fn resume(
    global: &Global,
    arguments: &cli::OneOrAll,
    style: Style,
) -> Result<(), Failure> {
    let Some(application) = &arguments.application else {
        return pause_all(global, false, style).await;
    };
    let seen = Seen::of(global, application, style).await?;
    let write = seen.ask(Verb::Pause, &Pause { paused: false }).await?;
    let will = match seen.pause() {
        Some("AllPaused") => {
            "it is paused no more, but all are: releases go on after `teal resume --all`"
        }
        Some(_) | None => "releases go on",
    };
    seen.say("resume", write, will);
    Ok(())
}

/// The rejected wish is written once more, so that it is a new one.
pub(crate) async fn retry(
    global: &Global,
    arguments: &cli::OfOne,
    style: Style,
) -> Result<(), Failure> {
    let seen = Seen::of(global, &arguments.application, style).await?;
    let status = &seen.status;
    let wished = status.desired.as_ref().map(|desired| desired.generation);
    let rejected = status.rejected.as_ref();
    let Some(rejected) = rejected.filter(|rejected| Some(rejected.generation) == wished) else {
        return Err(seen.refused("what is desired was not rejected"));
    };
    let desired = seen
        .parameters
        .get(&seen.application, Leaf::Desired)
        .await?;
    let same = desired.filter(|desired| desired.version == rejected.generation.version);
    let Some(desired) = same else {
        return Err(seen.refused("another version was written since"));
    };
    let write = seen.write(Leaf::Desired, &desired.text).await?;
    let will = format!("{} is tried again (write {write})", rejected.version);
    seen.say("retry", write, &will);
    Ok(())
}

/// The release before the one that serves is wished for again, in a freeze too.
pub(crate) async fn rollback(
    global: &Global,
    arguments: &cli::OfOne,
    style: Style,
) -> Result<(), Failure> {
    let seen = Seen::of(global, &arguments.application, style).await?;
    let status = &seen.status;
    if status.rollout.is_some() {
        return Err(seen.refused("a release is on its way").next(format!(
            "`teal abort {}` ends it and goes back.",
            seen.application
        )));
    }
    let serving = status.serving.as_ref().map(|serving| &serving.version);
    let mut succeeded = status
        .history
        .iter()
        .rev()
        .filter(|ended| ended.outcome == Outcome::Succeeded);
    let before = succeeded.find(|ended| Some(&ended.version) != serving);
    let Some(before) = before else {
        return Err(seen
            .refused("the status knows no other release that succeeded")
            .next("`teal release APP VERSION` releases any version."));
    };
    let write = before.generation.version;
    let old = seen
        .parameters
        .get_version(&seen.application, Leaf::Desired, write)
        .await?;
    let Some(old) = old else {
        return Err(seen
            .refused(&format!(
                "Parameter Store does not keep write {write} of the desired value any more"
            ))
            .next(format!(
                "`teal release {} {}` asks for it anew.",
                seen.application, before.version
            )));
    };
    let mut desired = Desired::parse(&old.text).map_err(|error| {
        seen.refused("what was desired then cannot be read")
            .because(error)
    })?;
    // The way back does not wait for the end of a freeze.
    desired.override_freeze = true;
    let write = seen.write(Leaf::Desired, &line(&desired)).await?;
    let will = format!(
        "{} is released again, as it was (write {write})",
        before.version
    );
    seen.say("rollback", write, &will);
    Ok(())
}
