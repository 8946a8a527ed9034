//! What is held of the values of one period, and the statistics of it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Values of one period: their statistic set, and how often each occurred, for percentiles.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Datum {
    /// How many values.
    pub samples: f64,
    /// Their sum.
    pub sum: f64,
    /// The least.
    pub minimum: f64,
    /// The greatest.
    pub maximum: f64,
    /// Values in ascending order, to three significant digits, each with its count. None once a statistic set came
    /// in that does not tell its values: percentiles are then not available, as with AWS.
    pub values: Option<Vec<(f64, f64)>>,
}

impl Datum {
    /// `count` times one value.
    #[must_use]
    pub fn of(value: f64, count: f64) -> Self {
        Self {
            samples: count,
            sum: value * count,
            minimum: value,
            maximum: value,
            values: Some(vec![(three_digits(value), count)]),
        }
    }

    /// A statistic set. Its values are known if there is but one, or all are the same.
    #[must_use]
    pub fn of_set(samples: f64, sum: f64, minimum: f64, maximum: f64) -> Self {
        let known = minimum == maximum;
        Self {
            samples,
            sum,
            minimum,
            maximum,
            values: known.then(|| vec![(three_digits(minimum), samples)]),
        }
    }

    /// Takes in `count` times one value.
    pub fn add(&mut self, value: f64, count: f64) {
        self.merge(&Self::of(value, count));
    }

    /// Takes in the values of another.
    pub fn merge(&mut self, other: &Self) {
        self.samples += other.samples;
        self.sum += other.sum;
        self.minimum = self.minimum.min(other.minimum);
        self.maximum = self.maximum.max(other.maximum);
        self.values = match (self.values.take(), &other.values) {
            (Some(mut values), Some(more)) => {
                for (value, count) in more {
                    match values.binary_search_by(|(known, _)| known.total_cmp(value)) {
                        Ok(at) => values[at].1 += count,
                        Err(at) => values.insert(at, (*value, *count)),
                    }
                }
                Some(values)
            }
            (None, _) | (_, None) => None,
        };
    }
}

/// To three significant digits: some hundred values in each power of ten, so that a period's memory is bounded.
fn three_digits(value: f64) -> f64 {
    format!("{value:.2e}").parse().unwrap_or(value)
}

/// A statistic that is emulated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Statistic {
    /// How many values.
    SampleCount,
    /// Their mean.
    Average,
    /// Their sum.
    Sum,
    /// The least.
    Minimum,
    /// The greatest.
    Maximum,
    /// The least value that so many per cent of all do not exceed.
    Percentile(f64),
}

/// A text that names no statistic, or one that is not emulated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the statistic {0} is not emulated")]
pub struct NoStatistic(String);

impl FromStr for Statistic {
    type Err = NoStatistic;

    fn from_str(text: &str) -> Result<Self, NoStatistic> {
        Ok(match text {
            "SampleCount" => Self::SampleCount,
            "Average" => Self::Average,
            "Sum" => Self::Sum,
            "Minimum" => Self::Minimum,
            "Maximum" => Self::Maximum,
            _ => text
                .strip_prefix('p')
                .filter(|rank| {
                    rank.chars()
                        .all(|letter| letter.is_ascii_digit() || letter == '.')
                })
                .and_then(|rank| rank.parse().ok())
                .filter(|rank| (0.0..=100.0).contains(rank))
                .map(Self::Percentile)
                .ok_or_else(|| NoStatistic(text.to_owned()))?,
        })
    }
}

impl TryFrom<String> for Statistic {
    type Error = NoStatistic;

    fn try_from(text: String) -> Result<Self, NoStatistic> {
        text.parse()
    }
}

impl From<Statistic> for String {
    fn from(statistic: Statistic) -> Self {
        statistic.to_string()
    }
}

impl fmt::Display for Statistic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SampleCount => f.write_str("SampleCount"),
            Self::Average => f.write_str("Average"),
            Self::Sum => f.write_str("Sum"),
            Self::Minimum => f.write_str("Minimum"),
            Self::Maximum => f.write_str("Maximum"),
            Self::Percentile(rank) => write!(f, "p{rank}"),
        }
    }
}

impl Statistic {
    /// The statistic of a period; none where it cannot be told.
    #[must_use]
    pub fn of(&self, datum: &Datum) -> Option<f64> {
        match self {
            Self::SampleCount => Some(datum.samples),
            Self::Average => (datum.samples > 0.0).then(|| datum.sum / datum.samples),
            Self::Sum => Some(datum.sum),
            Self::Minimum => Some(datum.minimum),
            Self::Maximum => Some(datum.maximum),
            // "Percentile statistics are not available for metrics when any of the metric values are negative numbers."
            Self::Percentile(_) if datum.minimum < 0.0 => None,
            Self::Percentile(rank) => {
                let wanted = (rank / 100.0 * datum.samples).ceil().max(1.0);
                let mut seen = 0.0;
                let mut values = datum.values.as_ref()?.iter();
                let found = values.find(|(_, count)| {
                    seen += count;
                    seen >= wanted
                });
                found.map(|(value, _)| value.clamp(datum.minimum, datum.maximum))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn datum(values: impl IntoIterator<Item = f64>) -> Datum {
        let mut values = values.into_iter();
        let mut datum = Datum::of(values.next().unwrap(), 1.0);
        values.for_each(|value| datum.add(value, 1.0));
        datum
    }

    fn value(statistic: &str, datum: &Datum) -> Option<f64> {
        statistic.parse::<Statistic>().unwrap().of(datum)
    }

    #[test]
    fn statistics_of_values() {
        let hundred = datum((1..=100).rev().map(f64::from));
        for (statistic, expected) in [
            ("SampleCount", 100.0),
            ("Average", 50.5),
            ("Sum", 5050.0),
            ("Minimum", 1.0),
            ("Maximum", 100.0),
            ("p0", 1.0),
            ("p50", 50.0),
            ("p99", 99.0),
            ("p99.9", 100.0),
            ("p100", 100.0),
        ] {
            assert_eq!(value(statistic, &hundred), Some(expected), "{statistic}");
        }
    }

    #[test]
    fn percentiles_are_within_a_hundredth_however_many_values() {
        let many = datum((0..100_000).map(|n| 0.001 + f64::from(n) * 1e-5));
        assert!(many.values.as_ref().unwrap().len() < 3_000);
        let median = value("p50", &many).unwrap();
        assert!((median / 0.501 - 1.0).abs() < 0.01, "{median}");
    }

    #[test]
    fn a_statistic_set_has_percentiles_only_if_its_values_are_known() {
        let mut set = Datum::of_set(10.0, 20.0, 2.0, 2.0);
        assert_eq!(value("p90", &set), Some(2.0));
        set.merge(&Datum::of_set(2.0, 5.0, 1.0, 4.0));
        assert_eq!(value("p90", &set), None);
        assert_eq!(value("Sum", &set), Some(25.0));
        assert_eq!(value("Maximum", &set), Some(4.0));
        assert_eq!(value("p90", &datum([-1.0, 1.0, 1.0])), None);
    }

    #[test]
    fn other_statistics_are_refused() {
        for text in [
            "sum", "", "p", "p-1", "p101", "pNaN", "p+5", "p1e1", "tm90", "IQM", "PR(:300)",
        ] {
            assert!(text.parse::<Statistic>().is_err(), "{text}");
        }
        assert_eq!("p99.9".parse::<Statistic>().unwrap().to_string(), "p99.9");
    }
}
