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
use crate::live::rollout::Live;
use crate::live::screen;
use crate::output::Style;
use crate::signals;
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
    let title = format!("teal release {application} {}", desired.version);
    let spec = status::spec(&parameters, &application, style).await;
    let live = Live::open(style, title, &application, spec);
    waiting.for_verdict(wish, arguments.timeout, live).await
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
    desired.override_freeze |= arguments.override_freeze;
    let plain = desired.id.is_none() && desired.images.is_empty() && !desired.override_freeze;
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
    async fn for_verdict(
        &self,
        wish: Wish,
        patience: Duration,
        mut live: Option<Live>,
    ) -> Result<(), Failure> {
        let stop = signals::stop("", screen::restore);
        let start = Instant::now();
        let mut told = String::new();
        let mut since = start;
        let mut seen: Option<Status> = None;
        loop {
            let mut unread = None;
            let read = tokio::select! {
                () = stop.cancelled() => return Err(self.left()),
                read = self.read() => read,
            };
            match read {
                Ok(status) => seen = status,
                // The release goes on whether it can be watched or not.
                Err(error) if is_passing(error.kind) => unread = Some(error.to_string()),
                Err(error) => return Err(error.into()),
            }
            let observed = seen.as_ref().filter(|status| wish.is_observed(status));
            let line = self.progress(observed, start.elapsed());
            if let Some(live) = &mut live {
                let note = unread.or_else(|| observed.is_none().then(|| line.clone()));
                live.show(observed, note.as_deref());
            } else if let Some(error) = unread {
                tracing::warn!(%error, "the status could not be read");
            }
            if line != told {
                if live.is_none() {
                    self.tell(&line, seen.as_ref(), start.elapsed());
                }
                told = line;
                since = Instant::now();
            }
            match seen.as_ref().map_or(Verdict::Pending, |status| {
                wish.judge(status, since.elapsed())
            }) {
                Verdict::Pending => {}
                Verdict::Converged => {
                    drop(live);
                    return self.converged(start.elapsed());
                }
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
            tokio::select! {
                () = stop.cancelled() => return Err(self.left()),
                () = tokio::time::sleep(POLL) => {}
            }
        }
    }

    /// Nobody waits any more.
    fn left(&self) -> Failure {
        let (application, version) = (self.application, &self.desired.version);
        let message = format!("{application}: the waiting ended; the release of {version} goes on");
        Failure::new(Exit::Interrupted, message).next(format!(
            "`teal status {application} --watch` shows it, `teal abort {application}` ends it."
        ))
    }

    async fn read(&self) -> Result<Option<Status>, aws::Error> {
        let found = self.parameters.get(self.application, Leaf::Status).await?;
        Ok(found.and_then(|found| serde_json::from_str(&found.text).ok()))
    }

    fn progress(&self, observed: Option<&Status>, elapsed: Duration) -> String {
        match observed {
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
