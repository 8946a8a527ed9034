//! What a measurement says: rows for people, and the same as JSON.

use std::fmt;
use std::time::Duration;

use serde_json::{Value, json};

/// Everything that can go wrong here ends the benchmark with its text.
pub(crate) type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// One group of figures.
pub(crate) struct Section {
    /// Its key in the JSON.
    pub(crate) key: &'static str,
    /// Its heading.
    pub(crate) title: String,
    /// What people read.
    pub(crate) rows: Vec<Row>,
    /// What programs read.
    pub(crate) data: Value,
}

/// One figure.
pub(crate) struct Row {
    pub(crate) what: String,
    pub(crate) seen: String,
    /// The floor or the peer, and whatever else is needed to judge the figure.
    pub(crate) beside: String,
}

impl Row {
    pub(crate) fn new(
        what: impl Into<String>,
        seen: impl Into<String>,
        beside: impl Into<String>,
    ) -> Self {
        Self {
            what: what.into(),
            seen: seen.into(),
            beside: beside.into(),
        }
    }
}

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |of: fn(&Row) -> &str| {
            self.rows
                .iter()
                .map(|row| of(row).chars().count())
                .max()
                .unwrap_or(0)
        };
        let (what, seen) = (width(|row| &row.what), width(|row| &row.seen));
        writeln!(f, "{}", self.title)?;
        for row in &self.rows {
            let line = format!("  {:what$}  {:>seen$}  {}", row.what, row.seen, row.beside);
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// What was seen several times, in order of size.
#[derive(Debug, Clone)]
pub(crate) struct Samples(Vec<f64>);

impl Samples {
    /// # Errors
    /// Nothing was measured.
    pub(crate) fn new(samples: impl IntoIterator<Item = f64>) -> Outcome<Self> {
        let mut samples: Vec<f64> = samples.into_iter().collect();
        samples.sort_by(f64::total_cmp);
        if samples.is_empty() {
            return Err("nothing was measured".into());
        }
        Ok(Self(samples))
    }

    /// In seconds.
    pub(crate) fn of(durations: impl IntoIterator<Item = Duration>) -> Outcome<Self> {
        Self::new(durations.into_iter().map(|duration| duration.as_secs_f64()))
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn min(&self) -> f64 {
        self.0.first().copied().unwrap_or_default()
    }

    /// Of an even number: the lower one of the two in the middle.
    pub(crate) fn median(&self) -> f64 {
        self.0
            .get((self.0.len() - 1) / 2)
            .copied()
            .unwrap_or_default()
    }

    pub(crate) fn max(&self) -> f64 {
        self.0.last().copied().unwrap_or_default()
    }

    /// `median unit (min to max)`.
    pub(crate) fn show(&self, digits: usize, unit: &str) -> String {
        format!(
            "{:.digits$}{unit} ({:.digits$} to {:.digits$})",
            self.median(),
            self.min(),
            self.max()
        )
    }

    pub(crate) fn json(&self) -> Value {
        json!({"min": self.min(), "median": self.median(), "max": self.max(), "samples": self.count()})
    }
}
