//! `teal status [APP]`: how applications are, from their status parameters.
//!
//! - [`text`]: the same for people. No operator is asked, and none needs to run.

pub(crate) mod text;

use std::time::Duration;

use aws::Parameters;
use aws::error::Kind;
use aws::names::Leaf;
use crd_schema::{ApplicationName, Status};
use jiff::Timestamp;
use serde::Serialize;

use crate::cli::{self, Global};
use crate::connect::{Aws, name};
use crate::failure::Failure;
use crate::output::Style;
use crate::signals;

pub(crate) use text::one_line;

/// How often a watched status is read.
const POLL: Duration = Duration::from_secs(2);

/// One application as it is shown.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Shown {
    pub(crate) application: ApplicationName,
    pub(crate) status: Option<Status>,
    /// Why there is no status, or why it does not tell of the newest wish.
    pub(crate) note: Option<String>,
}

/// Prints one application or all; with `--watch` again whenever something changed, until Ctrl-C.
pub(crate) async fn status(
    global: &Global,
    arguments: &cli::Status,
    style: Style,
) -> Result<(), Failure> {
    let one = arguments.application.as_deref().map(name).transpose()?;
    let aws = Aws::connect(global).await?;
    let parameters = aws.parameters();
    if !arguments.watch {
        print(
            &look(&aws, &parameters, one.as_ref()).await?,
            one.is_some(),
            style,
        );
        return Ok(());
    }
    let stop = signals::stop("", || {});
    let mut before = Vec::new();
    while !stop.is_cancelled() {
        let now = look(&aws, &parameters, one.as_ref()).await?;
        if now != before {
            print(&now, one.is_some(), style);
            before = now;
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(POLL) => {}
        }
    }
    Ok(())
}

async fn look(
    aws: &Aws,
    parameters: &Parameters,
    one: Option<&ApplicationName>,
) -> Result<Vec<Shown>, Failure> {
    let names = match one {
        Some(name) => vec![name.clone()],
        None => aws.applications().await?,
    };
    let mut shown = Vec::new();
    for name in names {
        shown.push(read(aws, parameters, name).await?);
    }
    Ok(shown)
}

async fn read(
    aws: &Aws,
    parameters: &Parameters,
    application: ApplicationName,
) -> Result<Shown, Failure> {
    let Some(found) = parameters.get(&application, Leaf::Status).await? else {
        return match parameters.get(&application, Leaf::Spec).await {
            Ok(None) => Err(aws.unknown(&application)),
            Ok(Some(_)) => Ok(Shown {
                application,
                status: None,
                note: Some(NO_STATUS.to_owned()),
            }),
            Err(error) => Err(error.into()),
        };
    };
    let Ok(status) = serde_json::from_str::<Status>(&found.text) else {
        let note = "its status cannot be read: another version of Teal wrote it".to_owned();
        return Ok(Shown {
            application,
            status: None,
            note: Some(note),
        });
    };
    // Whoever may read the status alone sees it without this note.
    let wish = match parameters.get(&application, Leaf::Desired).await {
        Ok(wish) => wish.map(|wish| wish.version),
        Err(error) if error.kind == Kind::Denied => None,
        Err(error) => return Err(error.into()),
    };
    let observed = status
        .observed_generation
        .map_or(0, |observed| observed.version);
    let note = wish.filter(|wish| *wish != observed).map(|wish| {
        format!("no operator has taken up the newest wish (write {wish}) yet; what is shown tells of write {observed}")
    });
    Ok(Shown {
        application,
        status: Some(status),
        note,
    })
}

const NO_STATUS: &str =
    "no operator has told of it yet: does one run (`teal run`) for this prefix and Region?";

fn print(all: &[Shown], one: bool, style: Style) {
    match style {
        Style::Text { wide } if !one => anstream::println!("{}", text::list(all, wide)),
        Style::Text { .. } | Style::Json | Style::Yaml => {
            for shown in all {
                style.say(shown, || text::whole(shown, Timestamp::now()));
            }
        }
    }
}
