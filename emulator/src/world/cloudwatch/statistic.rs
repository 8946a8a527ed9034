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
    /// How many values are within bounds, `TC(0.1:0.3)`: "between 0.1 (exclusive) and 0.3 (inclusive)", of which one may
    /// be left out (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Statistics-definitions.html>). AWS's
    /// is interpolated, so that it need not be whole; this one counts the values as they are held, to three digits:
    /// 1.004 counts as 1. Not emulated: bounds in per cent, `TC(10%:90%)` and `tc90`.
    TrimmedCount {
        /// Values above this; none: from the least on.
        above: Option<f64>,
        /// Values up to this; none: up to the greatest.
        up_to: Option<f64>,
    },
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
            _ => percentile(text)
                .or_else(|| trimmed_count(text))
                .ok_or_else(|| NoStatistic(text.to_owned()))?,
        })
    }
}

fn percentile(text: &str) -> Option<Statistic> {
    let rank = number(text.strip_prefix('p')?)?;
    (rank <= 100.0).then_some(Statistic::Percentile(rank))
}

fn trimmed_count(text: &str) -> Option<Statistic> {
    let bounds = text.strip_prefix("TC(")?.strip_suffix(')')?;
    let (above, up_to) = match bounds.split_once(':')? {
        ("", "") => return None,
        ("", up_to) => (None, Some(number(up_to)?)),
        (above, "") => (Some(number(above)?), None),
        (above, up_to) => (Some(number(above)?), Some(number(up_to)?)),
    };
    let empty = above
        .zip(up_to)
        .is_some_and(|(above, up_to)| above >= up_to);
    (!empty).then_some(Statistic::TrimmedCount { above, up_to })
}

/// Digits with a point among them or not.
fn number(text: &str) -> Option<f64> {
    let of_a_number = |letter: char| letter.is_ascii_digit() || letter == '.';
    text.parse().ok().filter(|_| text.chars().all(of_a_number))
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
            Self::TrimmedCount { above, up_to } => {
                let bound =
                    |bound: &Option<f64>| bound.map_or_else(String::new, |at| at.to_string());
                write!(f, "TC({}:{})", bound(above), bound(up_to))
            }
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
            Self::Percentile(_) | Self::TrimmedCount { .. } if datum.minimum < 0.0 => None,
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
            Self::TrimmedCount { above, up_to } => {
                let within = |value: f64| {
                    above.is_none_or(|above| value > above)
                        && up_to.is_none_or(|up_to| value <= up_to)
                };
                let values = datum.values.as_ref()?.iter();
                let values =
                    values.filter(|(value, _)| within(value.clamp(datum.minimum, datum.maximum)));
                Some(values.map(|(_, count)| count).sum())
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
    fn a_trimmed_count_is_above_one_bound_and_up_to_the_other() {
        let hundred = datum((1..=100).map(|n| f64::from(n) / 100.0));
        for (statistic, expected) in [
            ("TC(:0.3)", 30.0),
            ("TC(0.3:)", 70.0),
            ("TC(0.1:0.30)", 20.0),
            ("TC(:0.295)", 29.0),
            ("TC(:0.001)", 0.0),
            ("TC(1:)", 0.0),
            ("TC(:60)", 100.0),
        ] {
            assert_eq!(value(statistic, &hundred), Some(expected), "{statistic}");
        }
    }

    #[test]
    fn a_trimmed_count_is_of_three_digits_but_knows_the_least_and_the_greatest() {
        let close = datum([0.9, 1.004, 1.1]);
        assert_eq!(value("TC(:1)", &close), Some(2.0), "1.004 counts as 1");
        assert_eq!(value("TC(:1)", &datum([1.004])), Some(0.0));
        assert_eq!(value("TC(:0.3)", &datum([0.301, 0.3, 0.299])), Some(2.0));
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
        assert_eq!(value("TC(:2)", &set), None);
        assert_eq!(value("Sum", &set), Some(25.0));
        assert_eq!(value("Maximum", &set), Some(4.0));
        assert_eq!(value("p90", &datum([-1.0, 1.0, 1.0])), None);
        assert_eq!(value("TC(:2)", &datum([-1.0, 1.0, 1.0])), None);
    }

    #[test]
    fn other_statistics_are_refused() {
        for text in [
            "sum",
            "",
            "p",
            "p-1",
            "p101",
            "pNaN",
            "p+5",
            "p1e1",
            "tm90",
            "IQM",
            "PR(:300)",
            "tc90",
            "TC(10%:90%)",
            "TC(:90%)",
            "TC(:)",
            "TC()",
            "TC(0.3)",
            "TC(:0.3",
            "TC(0.3:0.3)",
            "TC(2:1)",
            "TC(:-1)",
            "TC(:1e1)",
            "TC(:inf)",
            "TC(1:2:3)",
            "tc(:0.3)",
        ] {
            assert!(text.parse::<Statistic>().is_err(), "{text}");
        }
        for text in ["p99.9", "TC(:0.3)", "TC(0.3:)", "TC(0.1:0.3)"] {
            assert_eq!(text.parse::<Statistic>().unwrap().to_string(), text);
        }
    }
}
