//! `teal init APP`: an Application for what there is already, with comments where a person must decide.
//!
//! - [`service`]: from an ECS service and its load balancer. [`appspec`], [`deployment_group`]: from CodeDeploy's files.
//! - [`draft`]: the document and its comments. [`source`]: a file that was given. [`alarms`], [`members`], [`images`],
//!   [`scaling`], [`strategy`], [`traffic`], [`worker`]: parts of it.

mod alarms;
mod appspec;
mod deployment_group;
mod draft;
mod images;
mod members;
mod scaling;
mod service;
mod source;
mod strategy;
#[cfg(test)]
mod tests;
mod traffic;
mod worker;

use std::io::{ErrorKind, Write};
use std::path::Path;

use appspec::Told;
use aws::Survey;
use serde_json::json;
use service::Asked;
use source::Source;

use crate::cli::{self, Global};
use crate::connect::{Aws, name};
use crate::failure::{Exit, Failure};
use crate::output::{self, Style};

/// Writes the Application, and fails when something is left for a person to decide.
pub(crate) async fn init(
    global: &Global,
    arguments: &cli::Init,
    style: Style,
) -> Result<(), Failure> {
    let application = name(&arguments.application)?;
    let told = told(arguments)?;
    let mut draft = match (&arguments.cluster, &arguments.service, &told) {
        (Some(cluster), Some(service), told) => {
            let survey = Survey::new(&Aws::connect(global).await?.connection);
            let asked = Asked {
                application: &application,
                cluster,
                name: service,
                told: told.as_ref(),
                strategy: arguments.strategy,
            };
            service::draft(&survey, asked).await?
        }
        (_, _, Some(told)) => told.draft(&application),
        (_, _, None) => {
            let message = "name --cluster and --service, or --from-appspec";
            return Err(Failure::new(Exit::Invalid, message));
        }
    };
    let text = draft.finish();
    match &arguments.out {
        None => output::raw(text.as_bytes()).map_err(|error| {
            Failure::new(Exit::Refused, "standard output takes nothing").because(error)
        })?,
        Some(file) => {
            write(file, &text)?;
            let value = json!({"application": application, "file": file, "open": draft.open()});
            style.say(&value, || format!("{}: written", file.display()));
        }
    }
    match draft.open() {
        [] => Ok(()),
        open => Err(Failure::new(
            Exit::NeedsPerson,
            format!(
                "this is left to you, where it says TODO:\n  {}",
                open.join("\n  ")
            ),
        )),
    }
}

/// What CodeDeploy was told, where that is given.
fn told(arguments: &cli::Init) -> Result<Option<Told>, Failure> {
    let Some(appspec) = &arguments.from_appspec else {
        return Ok(None);
    };
    let group = arguments.deployment_group.as_deref().map(Source::read);
    Told::read(&Source::read(appspec)?, group.transpose()?.as_ref()).map(Some)
}

/// Writes a file that was not there.
fn write(file: &Path, text: &str) -> Result<(), Failure> {
    let written =
        std::fs::File::create_new(file).and_then(|mut created| created.write_all(text.as_bytes()));
    written.map_err(|error| {
        let name = file.display();
        if error.kind() == ErrorKind::AlreadyExists {
            Failure::new(
                Exit::Refused,
                format!("{name} exists already, and is left as it is"),
            )
        } else {
            Failure::new(Exit::Refused, format!("{name} cannot be written")).because(error)
        }
    })
}
