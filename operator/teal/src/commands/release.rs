//! `teal release APP VERSION [--wait]`: writes the wish, and waits for what becomes of exactly this write.

use std::time::Duration;

use aws::Parameters;
use aws::error::Kind;
use aws::names::Leaf;
use crd_schema::{ApplicationName, Desired, Status};
use serde_json::json;
use tokio::time::Instant;

use crate::cli::{self, Global};
use crate::commands::status;
use crate::connect::{Aws, name};
use crate::failure::{Exit, Failure};
use crate::output::Style;
use crate::waiting::{Verdict, Wish};

/// How often the status is read while waiting.
const POLL: Duration = Duration::from_secs(1);
/// Without a word from an operator for this long, the waiting says so.
const SILENCE: Duration = Duration::from_secs(15);

/// Writes the wish; with `--wait`, returns when it serves alone and fails when it will not.
pub(crate) async fn release(
    global: &Global,
    arguments: &cli::Release,
    style: Style,
) -> Result<(), Failure> {
    let application = name(&arguments.application)?;
    let (desired, text) = desired(arguments)?;
    let aws = Aws::connect(global).await?;
    let parameters = aws.parameters();
    let before = known(&aws, &parameters, &application).await?;
    let version = parameters.put(&application, Leaf::Desired, &text).await?;
    let asked = json!({"application": application, "desired": desired.version, "version": version});
    style.say(&asked, || {
        format!(
            "{application}: {} is desired (write {version})",
            desired.version
        )
    });
    if !arguments.wait {
        return Ok(());
    }
    let wish = Wish {
        version,
        after: before.and_then(|before| before.observed_generation),
    };
    let waiting = Waiting {
        parameters: &parameters,
        application: &application,
        desired: &desired,
        style,
    };
    waiting.for_verdict(wish, arguments.timeout).await
}

/// What to write, checked before anything is written.
fn desired(arguments: &cli::Release) -> Result<(Desired, String), Failure> {
    let wrong = |error| {
        Failure::new(Exit::Invalid, "nothing was written")
            .because(Box::<dyn std::error::Error + Send + Sync>::from(error))
    };
    let mut desired =
        Desired::parse(&arguments.version).map_err(|error| wrong(error.to_string()))?;
    if let Some(id) = &arguments.id {
        desired.id = Some(id.clone());
    }
    let plain = desired.id.is_none() && desired.images.is_empty();
    let text = if plain {
        desired.version.clone()
    } else {
        crate::output::line(&desired)
    };
    Desired::parse(&text).map_err(|error| wrong(error.to_string()))?;
    Ok((desired, text))
}

/// The status before, if there is one. An application is unknown when it has neither status nor spec.
async fn known(
    aws: &Aws,
    parameters: &Parameters,
    application: &ApplicationName,
) -> Result<Option<Status>, Failure> {
    if let Some(found) = parameters.get(application, Leaf::Status).await? {
        return Ok(serde_json::from_str(&found.text).ok());
    }
    match parameters.get(application, Leaf::Spec).await {
        Ok(Some(_)) => Ok(None),
        Ok(None) => Err(aws.unknown(application)),
        // A pipeline may be allowed to read the status alone.
        Err(error) if error.kind == Kind::Denied => Ok(None),
        Err(error) => Err(error.into()),
    }
}

struct Waiting<'a> {
    parameters: &'a Parameters,
    application: &'a ApplicationName,
    desired: &'a Desired,
    style: Style,
}

impl Waiting<'_> {
    async fn for_verdict(&self, wish: Wish, patience: Duration) -> Result<(), Failure> {
        let start = Instant::now();
        let mut told = String::new();
        let mut since = start;
        let mut seen: Option<Status> = None;
        loop {
            match self.read().await {
                Ok(status) => seen = status,
                // The release goes on whether it can be watched or not.
                Err(error) if is_passing(error.kind) => {
                    tracing::warn!(%error, "the status could not be read")
                }
                Err(error) => return Err(error.into()),
            }
            let line = self.progress(wish, seen.as_ref(), start.elapsed());
            if line != told {
                self.tell(&line, seen.as_ref(), start.elapsed());
                told = line;
                since = Instant::now();
            }
            match seen.as_ref().map_or(Verdict::Pending, |status| {
                wish.judge(status, since.elapsed())
            }) {
                Verdict::Pending => {}
                Verdict::Converged => return self.converged(start.elapsed()),
                Verdict::Failed { exit, why } => {
                    let next = format!("`teal status {}` shows how it is now.", self.application);
                    return Err(
                        Failure::new(exit, format!("{}: {why}", self.application)).next(next)
                    );
                }
            }
            if start.elapsed() + POLL > patience {
                return Err(Failure::new(
                    Exit::TimedOut,
                    format!(
                        "{}: {} did not get there within {patience:?}: {told}",
                        self.application, self.desired.version
                    ),
                )
                .next("The release goes on; only the waiting ended."));
            }
            tokio::time::sleep(POLL).await;
        }
    }

    async fn read(&self) -> Result<Option<Status>, aws::Error> {
        let found = self.parameters.get(self.application, Leaf::Status).await?;
        Ok(found.and_then(|found| serde_json::from_str(&found.text).ok()))
    }

    fn progress(&self, wish: Wish, status: Option<&Status>, elapsed: Duration) -> String {
        match status.filter(|status| wish.is_observed(status)) {
            Some(status) => status::one_line(status),
            None if elapsed >= SILENCE => "no operator has taken it up yet: does one run (`teal run`) for this prefix and Region?".to_owned(),
            None => "waiting for the operator to take it up".to_owned(),
        }
    }

    fn tell(&self, line: &str, status: Option<&Status>, elapsed: Duration) {
        let seconds = elapsed.as_secs();
        let (stage, waiting_on) = (
            status.map(|status| status.stage),
            status.and_then(|status| status.waiting_on.as_ref()),
        );
        let value = json!({"application": self.application, "seconds": seconds, "stage": stage, "waitingOn": waiting_on, "message": line});
        self.style.say(&value, || format!("{seconds:>5} s  {line}"));
    }

    fn converged(&self, elapsed: Duration) -> Result<(), Failure> {
        let (application, version) = (self.application, &self.desired.version);
        let value = json!({"application": application, "outcome": "Succeeded", "serving": version, "seconds": elapsed.as_secs()});
        self.style
            .say(&value, || format!("{application}: {version} serves alone"));
        Ok(())
    }
}

fn is_passing(kind: Kind) -> bool {
    match kind {
        Kind::Throttled | Kind::Unavailable | Kind::Timeout | Kind::Network => true,
        Kind::Denied | Kind::NotFound | Kind::Conflict | Kind::Invalid | Kind::Credentials => false,
    }
}
