//! How results are printed: text for people, one JSON object a line for machines.

use std::io::IsTerminal;

use serde::Serialize;

use crate::cli::Output;

/// The way to print, decided once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// For people.
    Text {
        /// With more columns.
        wide: bool,
    },
    /// One JSON object a line.
    Json,
}

impl Style {
    /// As asked for, else by what standard output is.
    pub(crate) fn choose(asked: Option<Output>) -> Self {
        match asked {
            Some(Output::Text) => Self::Text { wide: false },
            Some(Output::Wide) => Self::Text { wide: true },
            Some(Output::Json) => Self::Json,
            None if std::io::stdout().is_terminal() => Self::Text { wide: false },
            None => Self::Json,
        }
    }

    /// Prints one result: `text` for people, `value` for machines.
    pub(crate) fn say(self, value: &impl Serialize, text: impl FnOnce() -> String) {
        match self {
            Self::Text { .. } => anstream::println!("{}", text()),
            Self::Json => anstream::println!("{}", line(value)),
        }
    }
}

/// One line of JSON.
pub(crate) fn line(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_else(|error| format!("{{\"error\":\"{error}\"}}"))
}
