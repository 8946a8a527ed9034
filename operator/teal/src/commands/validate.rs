//! `teal validate FILE…`: is it an Application? No AWS is asked.

use std::io::Read;
use std::path::Path;

use crd_schema::Application;
use serde_json::json;

use crate::cli;
use crate::failure::{Exit, Failure};
use crate::output::Style;

/// Checks every file, prints a verdict for each, and fails when one is wrong.
pub(crate) fn validate(arguments: &cli::Validate, style: Style) -> Result<(), Failure> {
    let mut wrong = Vec::new();
    for file in &arguments.files {
        let source = name(file);
        let text = read(file)?;
        match crd_schema::spec::load(&text, &source) {
            Ok(application) => style.say(
                &json!({"file": source, "valid": true, "application": application.name}),
                || format!("{source}: application {} is valid", application.name),
            ),
            Err(invalid) => {
                style.say(
                    &json!({"file": source, "valid": false, "problems": invalid.problems}),
                    || invalid.to_string().trim_end().to_owned(),
                );
                wrong.push(source);
            }
        }
    }
    match wrong.len() {
        0 => Ok(()),
        _ => Err(Failure::new(
            Exit::Invalid,
            format!("not a valid Application: {}", wrong.join(", ")),
        )),
    }
}

/// Reads one Application, or says every problem with it.
pub(crate) fn load(file: &Path) -> Result<(String, Application), Failure> {
    let text = read(file)?;
    let source = name(file);
    match crd_schema::spec::load(&text, &source) {
        Ok(application) => Ok((text, application)),
        Err(invalid) => {
            let problems = invalid.to_string();
            Err(Failure::new(
                Exit::Invalid,
                format!(
                    "{source} is not a valid Application\n{}",
                    problems.trim_end()
                ),
            ))
        }
    }
}

/// The file as messages name it.
pub(crate) fn name(file: &Path) -> String {
    if file.as_os_str() == "-" {
        "standard input".to_owned()
    } else {
        file.display().to_string()
    }
}

/// The text of a file, or of standard input for `-`.
pub(crate) fn read(file: &Path) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    let read = if file.as_os_str() == "-" {
        std::io::stdin().read_to_end(&mut bytes).map(|_| ())
    } else {
        std::fs::read(file).map(|content| bytes = content)
    };
    read.map_err(|error| {
        let exit = if error.kind() == std::io::ErrorKind::NotFound {
            Exit::NotFound
        } else {
            Exit::Refused
        };
        Failure::new(exit, format!("{} cannot be read", name(file))).because(error)
    })?;
    String::from_utf8(bytes).map_err(|error| {
        Failure::new(Exit::Invalid, format!("{} is not text", name(file)))
            .because(error.utf8_error())
    })
}
