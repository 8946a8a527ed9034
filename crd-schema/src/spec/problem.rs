//! What is wrong with a document, for people and for machines.

use std::fmt;

use serde::Serialize;

use super::node::Place;
use super::path::Path;

/// A document that was refused, with every problem that was found, in the order of the text.
///
/// `Display` shows the lines of the text that are wrong: for whoever wrote them. For a status or a log there is
/// [`Invalid::summary`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
pub struct Invalid {
    /// What was read, as the caller named it: a file or a parameter.
    #[serde(rename = "source")]
    pub document: String,
    /// At least one problem.
    pub problems: Vec<Problem>,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Where in the document: `spec.traffic.routes[0].port`; empty for the document as a whole.
    pub path: String,
    /// Line from 1.
    pub line: usize,
    /// Column from 1, counted in characters.
    pub column: usize,
    /// What was found there.
    pub found: String,
    /// What would be right, or why this cannot be.
    pub right: String,
    #[serde(skip)]
    snippet: Snippet,
}

/// A problem before it meets the text.
#[derive(Debug)]
pub(super) struct Finding {
    pub(super) path: Path,
    pub(super) place: Place,
    pub(super) found: String,
    pub(super) right: String,
}

/// The line of the text, cut to what fits on a terminal, and where the carets stand under it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Snippet {
    text: String,
    before: usize,
    carets: usize,
}

/// Characters of a line that are shown.
const SHOWN: usize = 100;

impl Invalid {
    /// The first problem in one line, without the text around it, for a status or a log: what the document says may
    /// be secret.
    pub fn summary(&self) -> String {
        let Some(problem) = self.problems.first() else {
            return String::new();
        };
        let Problem {
            path,
            line,
            column,
            right,
            ..
        } = problem;
        let at = if path.is_empty() {
            String::new()
        } else {
            format!("{path}: ")
        };
        let more = match self.problems.len() {
            1 => String::new(),
            count => format!(" (and {} more)", count - 1),
        };
        format!("{at}line {line}, column {column}: {right}{more}")
    }

    /// Puts the findings in the order of the text.
    pub(super) fn new(document: &str, text: &str, mut findings: Vec<Finding>) -> Self {
        findings.sort_by_key(|finding| (finding.place.line, finding.place.column));
        let problem = |finding: Finding| Problem {
            path: finding.path.to_string(),
            line: finding.place.line,
            column: finding.place.column,
            snippet: Snippet::of(text, finding.place),
            found: finding.found,
            right: finding.right,
        };
        Self {
            document: document.to_owned(),
            problems: findings.into_iter().map(problem).collect(),
        }
    }
}

impl Snippet {
    fn of(text: &str, place: Place) -> Self {
        // YAML breaks lines at `\r` alone, too.
        let text = text.replace("\r\n", "\n").replace('\r', "\n");
        let line = text
            .split('\n')
            .nth(place.line.saturating_sub(1))
            .unwrap_or_default();
        let characters: Vec<char> = line
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        let at = place.column.saturating_sub(1).min(characters.len());
        let start = if characters.len() <= SHOWN {
            0
        } else {
            at.saturating_sub(SHOWN / 3)
        };
        let shown: String = characters.iter().skip(start).take(SHOWN).collect();
        let shown = shown.trim_end().to_owned();
        let before = at - start;
        let room = shown.chars().count().saturating_sub(before).max(1);
        Self {
            text: shown,
            before,
            carets: place.length.clamp(1, room),
        }
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, problem) in self.problems.iter().enumerate() {
            let Problem {
                path,
                line,
                column,
                found,
                right,
                snippet,
            } = problem;
            let Snippet {
                text,
                before,
                carets,
            } = snippet;
            let gutter = " ".repeat(line.to_string().len());
            if position > 0 {
                f.write_str("\n")?;
            }
            let path = if path.is_empty() {
                "the document"
            } else {
                path
            };
            writeln!(f, "error: {path}: found {found}: {right}")?;
            writeln!(f, "{gutter}--> {}:{line}:{column}", self.document)?;
            writeln!(f, "{gutter} |")?;
            writeln!(f, "{line} | {text}")?;
            writeln!(
                f,
                "{gutter} | {}{}",
                " ".repeat(*before),
                "^".repeat(*carets)
            )?;
        }
        Ok(())
    }
}
