//! `teal status [APP]`: how applications are, from their status parameters.
//!
//! - [`text`]: the same for people. No operator is asked, and none needs to run.

pub(crate) mod text;

use std::time::Duration;

use aws::Parameters;
use aws::error::Kind;
use aws::names::Leaf;
use crd_schema::{Application, ApplicationName, Status};
use jiff::Timestamp;
use serde::Serialize;

use crate::cli::{self, Global};
use crate::connect::{Aws, name};
use crate::failure::{Exit, Failure};
use crate::live::rollout::Live;
use crate::live::screen::{self, Screen};
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
    let stop = signals::stop("", screen::restore);
    let mut seen = look(&aws, &parameters, one.as_ref()).await?;
    let mut watch = Watch::open(&parameters, one.as_ref(), style).await;
    let mut note = None;
    loop {
        watch.show(&seen, note.as_deref());
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = tokio::time::sleep(POLL) => {}
        }
        // What was seen once is looked for again: a watch outlasts a bad minute.
        let look = tokio::select! {
            () = stop.cancelled() => return Ok(()),
            look = look(&aws, &parameters, one.as_ref()) => look,
        };
        match look {
            Ok(now) => (seen, note) = (now, None),
            Err(failure) if matches!(failure.exit, Exit::Refused | Exit::TimedOut) => {
                note = Some(failure.to_string());
            }
            Err(failure) => return Err(failure),
        }
    }
}

/// Where changes are shown.
enum Watch {
    /// One application, drawn again in place.
    One(Box<Live>),
    /// All of them, drawn again in place.
    All { screen: Screen, wide: bool },
    /// Printed again when something changed.
    Lines {
        one: bool,
        style: Style,
        before: (Vec<Shown>, Option<String>),
    },
}

impl Watch {
    async fn open(parameters: &Parameters, one: Option<&ApplicationName>, style: Style) -> Self {
        let drawn = match (one, style) {
            (Some(name), Style::Text { .. }) => {
                let spec = spec(parameters, name, style).await;
                Live::open(style, format!("teal status {name}"), name, spec)
                    .map(|live| Self::One(Box::new(live)))
            }
            (None, Style::Text { wide }) => Screen::open().map(|screen| Self::All { screen, wide }),
            (_, Style::Json | Style::Yaml) => None,
        };
        drawn.unwrap_or_else(|| Self::Lines {
            one: one.is_some(),
            style,
            before: (Vec::new(), None),
        })
    }

    /// Shows what was seen last, and why there is nothing newer.
    fn show(&mut self, seen: &[Shown], note: Option<&str>) {
        match self {
            Self::One(live) => {
                let shown = seen.first();
                let status = shown.and_then(|shown| shown.status.as_ref());
                live.show(
                    status,
                    note.or(shown.and_then(|shown| shown.note.as_deref())),
                );
            }
            Self::All { screen, wide } => {
                let note = note.map(|note| format!("\n{note}")).unwrap_or_default();
                screen.draw(&format!("{}{note}", text::list(seen, *wide)));
            }
            Self::Lines { one, style, before } => {
                let note = note.map(str::to_owned);
                if before.1 != note
                    && let Some(error) = &note
                {
                    tracing::warn!(%error, "nothing new could be read");
                }
                if before.0 != seen {
                    print(seen, *one, *style);
                }
                *before = (seen.to_vec(), note);
            }
        }
    }
}

/// The application's spec, for whoever may read it; nobody needs to where nothing is drawn.
pub(crate) async fn spec(
    parameters: &Parameters,
    application: &ApplicationName,
    style: Style,
) -> Option<Application> {
    match style {
        Style::Text { .. } => {
            let spec = parameters.get(application, Leaf::Spec).await.ok()??;
            crd_schema::spec::load(&spec.text, "spec").ok()
        }
        Style::Json | Style::Yaml => None,
    }
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
