//! When releases may begin: windows of local time in which none does, and windows in which alone they do.

use std::sync::LazyLock;

use jiff::civil::{Date, DateTime, Weekday};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{Span, Timestamp, Zoned};

/// How many windows one after another are looked at for the end of a freeze: more than there are nights in a year.
const LOOK_AHEAD: usize = 400;

/// When releases of an application may begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// Whose local time the windows mean.
    pub zone: TimeZone,
    /// No release begins in any of these.
    pub freeze: Vec<Window>,
    /// If there are any, a release begins in one of these only; a freeze goes first.
    pub allow: Vec<Window>,
}

/// A stretch of local time, its end not in it.
///
/// Where a change of the clock leaves one of its ends out or brings it twice, it is as long as it can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Window {
    /// Every week.
    Weekly {
        /// The days on which it begins.
        days: Vec<Weekday>,
        /// Minutes after midnight of that day, below 1440.
        from: u16,
        /// Minutes after the same midnight, above `from` and at most 2879: from 1440 on it is the next day.
        to: u16,
    },
    /// Once.
    Once {
        /// It begins.
        from: DateTime,
        /// It ends.
        to: DateTime,
    },
}

/// No release begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frozen {
    /// When one may, in the schedule's local time; none when that is not within a year or so.
    pub until: Option<Zoned>,
}

/// The time zone of an IANA name, such as `Europe/Berlin`. The database is part of this program: what a name means does
/// not depend on the machine.
pub fn zone(name: &str) -> Option<TimeZone> {
    static DATABASE: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);
    DATABASE.get(name).ok()
}

impl Schedule {
    /// Whether a release may not begin at `now`, and when one may.
    pub fn frozen(&self, now: Timestamp) -> Option<Frozen> {
        let mut end = self.closed(now)?;
        for _ in 0..LOOK_AHEAD {
            let Some(at) = end else { break };
            match self.closed(at) {
                Some(later) => end = later,
                None => {
                    let until = Some(at.to_zoned(self.zone.clone()));
                    return Some(Frozen { until });
                }
            }
        }
        Some(Frozen { until: None })
    }

    /// Nothing begins at `at`, and before this instant nothing will; none: never again.
    fn closed(&self, at: Timestamp) -> Option<Option<Timestamp>> {
        let ends = |window: &Window| window.holding(&self.zone, at).max();
        if let Some(end) = self.freeze.iter().filter_map(ends).max() {
            return Some(Some(end));
        }
        let open = self.allow.iter().filter_map(ends).max();
        if self.allow.is_empty() || open.is_some() {
            return None;
        }
        let begins = |window: &Window| window.beginning(&self.zone, at).min();
        Some(self.allow.iter().filter_map(begins).min())
    }
}

impl Window {
    /// The ends of those that `at` is in.
    fn holding(&self, zone: &TimeZone, at: Timestamp) -> impl Iterator<Item = Timestamp> {
        let holds = move |(from, to): &(Timestamp, Timestamp)| *from <= at && at < *to;
        self.around(zone, at).filter(holds).map(|(_, to)| to)
    }

    /// The beginnings that come after `at`.
    fn beginning(&self, zone: &TimeZone, at: Timestamp) -> impl Iterator<Item = Timestamp> {
        let begins = self.around(zone, at).map(|(from, _)| from);
        begins.filter(move |from| *from > at)
    }

    /// Each time that it takes place near `at`: from two days before to the next time.
    fn around(
        &self,
        zone: &TimeZone,
        at: Timestamp,
    ) -> impl Iterator<Item = (Timestamp, Timestamp)> {
        let local: Vec<(DateTime, DateTime)> = match self {
            Self::Weekly { days, from, to } => {
                let today = zone.to_datetime(at).date();
                let near =
                    (-2..=8).filter_map(|days| today.checked_add(Span::new().days(days)).ok());
                let begun = near.filter(|date| days.contains(&date.weekday()));
                let minutes = |date: Date, minutes: u16| {
                    let midnight = date.at(0, 0, 0, 0);
                    midnight.checked_add(Span::new().minutes(minutes)).ok()
                };
                let both = |date| Some((minutes(date, *from)?, minutes(date, *to)?));
                begun.filter_map(both).collect()
            }
            Self::Once { from, to } => vec![(*from, *to)],
        };
        // Who writes 9999-12-31 means for ever, and no instant is that late everywhere.
        let instants = |(from, to)| {
            let from = zone.to_ambiguous_timestamp(from).earlier();
            let to = zone.to_ambiguous_timestamp(to).later();
            let from = from.unwrap_or(Timestamp::MIN);
            (from, to.unwrap_or(Timestamp::MAX))
        };
        let all: Vec<_> = local.into_iter().map(instants).collect();
        all.into_iter()
    }
}

impl std::fmt::Display for Frozen {
    /// Until when, for people.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.until {
            Some(until) => write!(f, "until {}", until.strftime("%a %Y-%m-%d %H:%M %Z")),
            None => f.write_str("with no end in sight"),
        }
    }
}

#[cfg(test)]
#[path = "schedule_tests.rs"]
mod tests;
