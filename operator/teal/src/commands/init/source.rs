//! A text that somebody gave, and what is wrong with it, by line and column.

use std::path::Path;

use serde::de::DeserializeOwned;
use serde_saphyr::{Location, MessageFormatter, UserMessageFormatter};

use crate::commands::validate;
use crate::failure::{Exit, Failure};

/// A file, or standard input.
#[derive(Debug)]
pub(super) struct Source {
    /// As messages name it.
    pub(super) name: String,
    pub(super) text: String,
}

impl Source {
    pub(super) fn read(file: &Path) -> Result<Self, Failure> {
        Ok(Self {
            name: validate::name(file),
            text: validate::read(file)?,
        })
    }

    /// YAML, of which JSON is a part.
    pub(super) fn parse<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        serde_saphyr::from_str(&self.text).map_err(|error| {
            let place = error.location();
            let message = UserMessageFormatter
                .format_message(error.without_snippet())
                .into_owned();
            self.failure(place, &message)
        })
    }

    /// Something that is not right at one place.
    pub(super) fn wrong(&self, place: Location, message: &str) -> Failure {
        self.failure(Some(place), message)
    }

    /// Something that is not right, at one place where that is known.
    pub(super) fn failure(&self, place: Option<Location>, message: &str) -> Failure {
        let place = place.filter(|place| place.line() > 0);
        let at = place.map(|place| format!(":{}:{}", place.line(), place.column()));
        Failure::new(
            Exit::Invalid,
            format!("{}{}: {message}", self.name, at.unwrap_or_default()),
        )
    }
}
