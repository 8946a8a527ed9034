//! The schedule of a document: its fields, what contradicts itself, and what it means.

use jiff::ToSpan;
use jiff::civil::{Date, DateTime, Time, Weekday};
use schemars::JsonSchema;
use serde::Deserialize;

use super::document::Spec;
use super::node::Node;
use super::path::Path;
use super::problem::Finding;
use crate::schedule;

/// Minutes of a day.
const DAY: u16 = 24 * 60;

/// When releases may begin. What is on its way goes on at any time, and so does all that goes back or repairs.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("errorMessage" = "write for example `{timeZone: Europe/Berlin, freeze: [{days: [sat, sun]}]}`"))]
pub(super) struct Schedule {
    /// Whose local time the windows mean: an IANA name, such as `Europe/Berlin` or `UTC`.
    #[schemars(extend("format" = "time-zone"))]
    time_zone: String,
    /// Windows in which no release begins.
    #[serde(default)]
    #[schemars(length(max = 50))]
    freeze: Vec<Window>,
    /// If there are any, a release begins in one of these only, and not in a freeze.
    #[serde(default)]
    #[schemars(length(max = 50))]
    allow: Vec<Window>,
}

/// Every week (`{days: [fri], from: "14:00", to: "24:00"}`, `{days: [sat, sun]}`) or once (`{from: 2026-12-23T18:00, to: 2027-01-04}`).
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Window {
    /// The days of the week on which it begins; left out: every day.
    #[serde(default)]
    #[schemars(length(max = 7))]
    days: Vec<Day>,
    /// When it begins: a time such as `"14:00"` (left out: `"00:00"`), or a date such as `2026-12-23` or `2026-12-23T18:00`.
    #[serde(default)]
    #[schemars(with = "Option<String>", extend("format" = "window-end"))]
    from: Option<Edge>,
    /// When it ends: a time (left out: `"24:00"`; before `from`: on the next day), or a date; one without a time is in it.
    #[serde(default)]
    #[schemars(with = "Option<String>", extend("format" = "window-end"))]
    to: Option<Edge>,
}

#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Day {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

impl Day {
    const ALL: [Self; 7] = [
        Self::Mon,
        Self::Tue,
        Self::Wed,
        Self::Thu,
        Self::Fri,
        Self::Sat,
        Self::Sun,
    ];

    fn mean(self) -> Weekday {
        match self {
            Self::Mon => Weekday::Monday,
            Self::Tue => Weekday::Tuesday,
            Self::Wed => Weekday::Wednesday,
            Self::Thu => Weekday::Thursday,
            Self::Fri => Weekday::Friday,
            Self::Sat => Weekday::Saturday,
            Self::Sun => Weekday::Sunday,
        }
    }
}

/// One end of a window.
#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
pub(super) enum Edge {
    /// Minutes after midnight, at most 1440.
    Time(u16),
    /// All of that day.
    Date(Date),
    /// That moment.
    Moment(DateTime),
}

impl TryFrom<String> for Edge {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text)
    }
}

impl Edge {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let wrong = || {
            "write a time such as `\"14:00\"`, or a date such as `2026-12-23` or `2026-12-23T18:00`"
                .to_owned()
        };
        if text == "24:00" {
            return Ok(Self::Time(DAY));
        }
        let time = Time::strptime("%H:%M", text).ok();
        let minutes = time.and_then(|time| {
            u16::try_from(i32::from(time.hour()) * 60 + i32::from(time.minute())).ok()
        });
        let date = || Date::strptime("%Y-%m-%d", text).ok().map(Self::Date);
        let moment = || {
            let moment = DateTime::strptime("%Y-%m-%dT%H:%M", text);
            moment.ok().map(Self::Moment)
        };
        let read = minutes.map(Self::Time).or_else(date).or_else(moment);
        read.ok_or_else(wrong)
    }
}

/// Times of every week and dates.
const MIXED: (&str, &str) = (
    "a time together with a date",
    "write two times or two dates",
);

impl Window {
    /// What it means, or what is wrong with it and what would be right.
    fn mean(&self) -> Result<schedule::Window, (&'static str, &'static str)> {
        let once = |from: DateTime, to: Option<DateTime>| match to {
            Some(to) if from < to => Ok(schedule::Window::Once { from, to }),
            Some(_) | None => Err(("a window that ends before it begins", "write a later `to`")),
        };
        let no_days = || match self.days.as_slice() {
            [] => Ok(()),
            [_, ..] => Err((
                "days of the week together with dates",
                "leave `days` out, or write times such as `\"14:00\"`",
            )),
        };
        let (from, to) = match (self.from, self.to) {
            (None, None) if self.days.is_empty() => {
                return Err((
                    "a window without days, times and dates",
                    "write for example `{days: [sat, sun]}`",
                ));
            }
            (None, None) => (0, DAY),
            (Some(Edge::Time(from)), None) => (from, DAY),
            (None, Some(Edge::Time(to))) => (0, to),
            (Some(Edge::Time(from)), Some(Edge::Time(to))) => (from, to),
            (Some(from), Some(to)) => {
                no_days()?;
                let from = match from {
                    Edge::Date(date) => date.at(0, 0, 0, 0),
                    Edge::Moment(moment) => moment,
                    Edge::Time(_) => return Err(MIXED),
                };
                let to = match to {
                    Edge::Date(date) => date.at(0, 0, 0, 0).checked_add(1.day()).ok(),
                    Edge::Moment(moment) => Some(moment),
                    Edge::Time(_) => return Err(MIXED),
                };
                return once(from, to);
            }
            (Some(_), None) | (None, Some(_)) => {
                return Err((
                    "one date alone",
                    "write both `from` and `to`; they may be the same day",
                ));
            }
        };
        let to = match (from, to) {
            (DAY, _) => {
                return Err((
                    "a window that begins at the end of its day",
                    "write `from: \"00:00\"`, and the next day",
                ));
            }
            (from, to) if from == to => {
                return Err(("a window of no length", "write two different times"));
            }
            (from, to) if from > to => to + DAY,
            (_, to) => to,
        };
        let days = if self.days.is_empty() {
            Day::ALL.to_vec()
        } else {
            self.days.clone()
        };
        let days = days.into_iter().map(Day::mean).collect();
        Ok(schedule::Window::Weekly { days, from, to })
    }
}

impl Schedule {
    fn windows(&self) -> impl Iterator<Item = (&'static str, usize, &Window)> {
        let lists = [("freeze", &self.freeze), ("allow", &self.allow)];
        lists.into_iter().flat_map(|(list, windows)| {
            let windows = windows.iter().enumerate();
            windows.map(move |(index, window)| (list, index, window))
        })
    }

    /// What it is; without contradictions each window is one.
    pub(super) fn mean(self) -> Option<schedule::Schedule> {
        let all = |windows: Vec<Window>| {
            let windows = windows.iter();
            windows.filter_map(|window| window.mean().ok()).collect()
        };
        Some(schedule::Schedule {
            zone: schedule::zone(&self.time_zone)?,
            freeze: all(self.freeze),
            allow: all(self.allow),
        })
    }
}

/// A schedule without windows; windows that mean nothing.
pub(super) fn contradictions(spec: &Spec, node: &Node) -> Vec<Finding> {
    let Some(schedule) = &spec.schedule else {
        return Vec::new();
    };
    let root = Path::default().key("spec").key("schedule");
    let finding = |path: Path, (found, right): (&str, &str)| Finding {
        place: node.place_of(&path),
        path,
        found: found.to_owned(),
        right: right.to_owned(),
    };
    let none = schedule.freeze.is_empty() && schedule.allow.is_empty();
    let without = none.then(|| {
        let right = "write `freeze`: windows in which no release begins";
        finding(root.clone(), ("a schedule without windows", right))
    });
    let wrong = schedule.windows().filter_map(|(list, index, window)| {
        let path = root.key(list).index(index);
        Some(finding(path, window.mean().err()?))
    });
    without.into_iter().chain(wrong).collect()
}
