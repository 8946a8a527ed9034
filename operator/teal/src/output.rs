//! How results are printed: text for people; one JSON object a line, or YAML documents, for machines.

use std::io::{ErrorKind, IsTerminal, Write};

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
    /// YAML documents.
    Yaml,
}

impl Style {
    /// As asked for, else by what standard output is.
    pub(crate) fn choose(asked: Option<Output>) -> Self {
        match asked {
            Some(Output::Text) => Self::Text { wide: false },
            Some(Output::Wide) => Self::Text { wide: true },
            Some(Output::Json) => Self::Json,
            Some(Output::Yaml) => Self::Yaml,
            None if std::io::stdout().is_terminal() => Self::Text { wide: false },
            None => Self::Json,
        }
    }

    /// Prints one result: `text` for people, `value` for machines.
    pub(crate) fn say(self, value: &impl Serialize, text: impl FnOnce() -> String) {
        match self {
            Self::Text { .. } => anstream::println!("{}", text()),
            Self::Json => anstream::println!("{}", line(value)),
            Self::Yaml => anstream::print!("{}", document(value)),
        }
    }
}

/// One line of JSON.
pub(crate) fn line(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_else(|error| format!("{{\"error\":\"{error}\"}}"))
}

/// One YAML document after its `---`, so that several make a stream. What YAML 1.1 or 1.2 would take for something else
/// than the string that it is (`1.10`, `yes`, an instant) is quoted.
pub(crate) fn document(value: &impl Serialize) -> String {
    match yaml(value) {
        Ok(text) => format!("---\n{}\n", text.trim_end()),
        Err(error) => format!("---\nerror: {:?}\n", error.to_string()),
    }
}

/// A value as YAML, one line a scalar.
pub(crate) fn yaml(value: &impl Serialize) -> Result<String, serde_saphyr::ser::Error> {
    let options = serde_saphyr::ser_options! { prefer_block_scalars: false };
    serde_saphyr::to_string_with_options(value, options)
}

/// Writes what another program reads: pages, scripts. A reader that has read enough is no error.
pub(crate) fn raw(bytes: &[u8]) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn yaml_reads_back_as_the_same() {
        let value = json!({
            "version": "1.10", "octal": "0644", "norway": "no", "yes": "yes", "null": "null", "tilde": "~",
            "digest": "1234e567", "hex": "0x1f", "time": "2026-11-21T10:03:20Z", "clock": "10:05", "empty": "",
            "colon": "a: b", "hash": "a # b", "lines": "two\nlines\n", "dash": "- a", "quote": "it's \"so\"",
            "long": "many words ".repeat(30), "star": "*", "control": "\u{1b}[0m", "nested": {"list": [], "map": {}},
            "numbers": [0, -1, 0.5, 99.5, 1_795_255_400_000_i64], "nothing": null, "truth": true,
        });
        let text = document(&value);
        assert!(text.starts_with("---\n") && text.ends_with('\n'), "{text}");
        let back: Value = serde_saphyr::from_str(&text).unwrap();
        assert_eq!(back, value, "{text}");
    }

    #[test]
    fn several_results_make_a_stream() {
        let stream = [document(&json!({"a": 1})), document(&json!({"a": 2}))].concat();
        let back: Vec<Value> = serde_saphyr::from_multiple(&stream).unwrap();
        assert_eq!(back, [json!({"a": 1}), json!({"a": 2})]);
    }
}
