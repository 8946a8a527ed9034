//! Scheduled actions: when each comes, and what it does then.
//!
//! `at` and `cron` go by the clock; what `rate` says passes as everything declared does (`time_scale`).
//! (<https://docs.aws.amazon.com/autoscaling/application/userguide/scheduled-scaling-using-cron-expressions.html>)

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use serde_json::{Map, Value};

use super::ScheduledAction;
use crate::world::agenda::Event;
use crate::world::{Millis, World, ecs};

/// When an action comes.
#[derive(Debug)]
enum Schedule {
    /// Once.
    At(Timestamp),
    /// Each so many seconds.
    Rate(u64),
    Cron(Box<Cron>, TimeZone),
}

/// What `Schedule` and `Timezone` of a PutScheduledAction say.
///
/// # Errors
/// What is wrong with them.
fn parse(given: &Map<String, Value>) -> Result<Schedule, String> {
    let text = |member: &str| given.get(member).and_then(Value::as_str);
    let expression = text("Schedule").unwrap_or_default();
    let zone = match text("Timezone") {
        Some(name) => TimeZone::get(name).map_err(|_| format!("{name} is no time zone"))?,
        None => TimeZone::UTC,
    };
    let wrong = |why: &str| format!("Schedule expression {expression:?} is not valid: {why}");
    let of = |kind: &str| {
        expression
            .strip_prefix(kind)?
            .strip_prefix('(')?
            .strip_suffix(')')
    };
    if let Some(once) = of("at") {
        let at: DateTime = once.parse().map_err(|_| wrong("at(yyyy-mm-ddThh:mm:ss)"))?;
        let at = at.to_zoned(zone).map_err(|_| wrong("no such time"))?;
        return Ok(Schedule::At(at.timestamp()));
    }
    if let Some(rate) = of("rate") {
        return seconds(rate)
            .map(Schedule::Rate)
            .ok_or_else(|| wrong("rate(value unit), with minutes, hours or days"));
    }
    let fields = of("cron").ok_or_else(|| wrong("neither at, rate nor cron"))?;
    let each: Vec<&str> = fields.split_whitespace().collect();
    // One of the two days must be left open.
    let [_, _, day_of_month, _, day_of_week, _] = each.as_slice() else {
        return Err(wrong("cron has six fields"));
    };
    if (*day_of_month == "?") == (*day_of_week == "?") {
        return Err(wrong("one of day-of-month and day-of-week is ?"));
    }
    // An empty item would be taken for a field that never comes, and looked for through all years.
    let plain = |item: &str| {
        let known = |c: char| c.is_ascii_alphanumeric() || "*?/#-".contains(c);
        !item.is_empty() && item.chars().all(known)
    };
    if !each.iter().all(|field| field.split(',').all(plain)) {
        return Err(wrong("a field has something that cron does not know"));
    }
    let parser = CronParser::builder()
        .seconds(Seconds::Required)
        .year(Year::Required)
        .alternative_weekdays(true)
        .sloppy_ranges(true)
        .build();
    let cron = parser
        .parse(&format!("0 {fields}"))
        .map_err(|error| wrong(&error.to_string()))?;
    Ok(Schedule::Cron(Box::new(cron), zone))
}

/// `5 minutes`.
fn seconds(rate: &str) -> Option<u64> {
    let (count, unit) = rate.split_once(' ')?;
    let unit = match unit {
        "minute" | "minutes" => 60,
        "hour" | "hours" => 3_600,
        "day" | "days" => 86_400,
        _ => return None,
    };
    let count: u64 = count.parse().ok().filter(|count| *count > 0)?;
    count.checked_mul(unit)
}

/// When the action comes next, after now. `None`: never, though its time is not over.
///
/// # Errors
/// What is wrong with its schedule, or that its time is over.
pub fn next(world: &World, action: &ScheduledAction) -> Result<Option<Millis>, String> {
    let schedule = parse(&action.given)?;
    let instant = |member: &str| {
        let seconds = action.given.get(member).and_then(Value::as_f64)?;
        Timestamp::from_millisecond((seconds * 1000.0) as i64).ok()
    };
    let of_world = |at: Millis| {
        let unix = i64::try_from(world.epoch_unix_ms + at).unwrap_or(i64::MAX);
        Timestamp::from_millisecond(unix).unwrap_or(Timestamp::MAX)
    };
    let now = of_world(world.now);
    let start = instant("StartTime");
    let end = instant("EndTime");
    if end.is_some_and(|end| end <= now) {
        return Err("EndTime is over".to_owned());
    }
    let next = match schedule {
        Schedule::At(at) if at <= now => return Err(format!("{at} is over")),
        Schedule::At(at) => Some(at),
        Schedule::Rate(seconds) => {
            let period = world.settings.declared_ms(seconds).max(1);
            let first = start.unwrap_or_else(|| of_world(action.created));
            let passed = now.as_millisecond() - first.as_millisecond();
            // From the start on, at once where there is one.
            let times = match u64::try_from(passed) {
                Ok(passed) => passed / period + 1,
                Err(_) => 0,
            };
            let after = i64::try_from(times.saturating_mul(period)).unwrap_or(i64::MAX);
            first.checked_add(after.milliseconds()).ok()
        }
        Schedule::Cron(cron, zone) => {
            let from = start.map_or(now, |start| start.max(now)).to_zoned(zone);
            let found = cron.find_next_occurrence(&from, from.timestamp() > now);
            found.ok().map(|found| found.timestamp())
        }
    };
    let next = next.filter(|next| end.is_none_or(|end| *next <= end));
    Ok(next.and_then(|next| {
        let unix = u64::try_from(next.as_millisecond()).ok()?;
        unix.checked_sub(world.epoch_unix_ms)
    }))
}

/// The action comes at its next time, unless there is none.
pub fn begin(world: &mut World, key: &str, name: &str) {
    let known = world.autoscaling.targets.get(key);
    let action = known.and_then(|target| target.actions.get(name));
    let due = action.and_then(|action| next(world, action).ok()?);
    let known = world.autoscaling.targets.get_mut(key);
    if let Some(action) = known.and_then(|target| target.actions.get_mut(name)) {
        action.due = due;
    }
    if let Some(due) = due {
        let event = Event::ScheduledAction(key.to_owned(), name.to_owned());
        world.agenda.at(due, event);
    }
}

/// Sets the limits that the action has, and brings the count within them, unless it was put anew meanwhile.
pub fn come(world: &mut World, key: &str, name: &str) {
    let now = world.now;
    let Some(target) = world.autoscaling.targets.get_mut(key) else {
        return;
    };
    let action = target.actions.get(name);
    let Some(action) = action.filter(|action| action.due == Some(now)) else {
        return;
    };
    let limit = |member: &str| {
        action
            .given
            .get("ScalableTargetAction")?
            .get(member)?
            .as_i64()
    };
    let min = limit("MinCapacity").unwrap_or(target.min);
    let max = limit("MaxCapacity").unwrap_or(target.max);
    if !target.suspended.scheduled_scaling_suspended && min <= max {
        (target.min, target.max) = (min, max);
        let arn = target.dimension.service_arn(&world.settings);
        let found = arn.and_then(|arn| Some((world.ecs.services.get(&arn)?.desired, arn)));
        if let Some((desired, arn)) = found {
            let within = i64::from(desired).clamp(min, max);
            ecs::service::set_desired(world, &arn, u32::try_from(within).unwrap_or(desired));
        }
    }
    begin(world, key, name);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at its first surprise")]

    use serde_json::json;

    use super::*;
    use crate::world::Settings;

    /// Monday.
    const NOW: &str = "2026-03-02T12:00:00Z";

    fn unix_ms(text: &str) -> u64 {
        let at: Timestamp = text.parse().unwrap();
        u64::try_from(at.as_millisecond()).unwrap()
    }

    /// When an action that is put at [`NOW`] comes.
    fn told(given: Value) -> Result<Option<String>, String> {
        let world = World::new(Settings::default(), unix_ms(NOW));
        let action = ScheduledAction {
            arn: String::new(),
            given: given.as_object().unwrap().clone(),
            created: 0,
            due: None,
        };
        let next = next(&world, &action)?;
        let at = |next: Millis| {
            let unix = i64::try_from(unix_ms(NOW) + next).unwrap();
            Timestamp::from_millisecond(unix).unwrap().to_string()
        };
        Ok(next.map(at))
    }

    fn comes(given: Value) -> String {
        told(given).unwrap().unwrap()
    }

    fn schedule(expression: &str) -> Value {
        json!({"Schedule": expression})
    }

    #[test]
    fn an_action_comes_when_its_schedule_says() {
        let cases = [
            ("at(2026-03-02T12:00:01)", "2026-03-02T12:00:01Z"),
            ("rate(5 minutes)", "2026-03-02T12:05:00Z"),
            ("rate(1 day)", "2026-03-03T12:00:00Z"),
            ("cron(0 9 * * ? *)", "2026-03-03T09:00:00Z"),
            ("cron(0/15 * * * ? *)", "2026-03-02T12:15:00Z"),
            ("cron(0 12 ? * 2 *)", "2026-03-09T12:00:00Z"),
            ("cron(30 8 ? * MON-FRI *)", "2026-03-03T08:30:00Z"),
            ("cron(0 8 L * ? *)", "2026-03-31T08:00:00Z"),
            ("cron(0 8 ? * 6#1 *)", "2026-03-06T08:00:00Z"),
            ("cron(0 8 1 1 ? 2030)", "2030-01-01T08:00:00Z"),
        ];
        for (expression, expected) in cases {
            assert_eq!(comes(schedule(expression)), expected, "{expression}");
        }
    }

    #[test]
    fn what_no_year_has_never_comes() {
        for expression in ["cron(0 9 31 2 ? *)", "cron(0 9 * * ? 2025)"] {
            assert_eq!(told(schedule(expression)), Ok(None), "{expression}");
        }
    }

    #[test]
    fn it_goes_by_the_clock_of_its_zone() {
        let berlin =
            |expression: &str| comes(json!({"Schedule": expression, "Timezone": "Europe/Berlin"}));
        assert_eq!(berlin("at(2026-03-02T14:00:00)"), "2026-03-02T13:00:00Z");
        assert_eq!(berlin("cron(0 14 * * ? *)"), "2026-03-02T13:00:00Z");
        // From the last Sunday of March on it is summer there.
        assert_eq!(berlin("cron(0 14 29 3 ? *)"), "2026-03-29T12:00:00Z");
    }

    #[test]
    fn it_comes_between_its_start_and_its_end() {
        let between = |expression: &str, start: &str, end: &str| {
            let seconds = |text: &str| unix_ms(text) as f64 / 1000.0;
            told(
                json!({"Schedule": expression, "StartTime": seconds(start), "EndTime": seconds(end)}),
            )
        };
        let (past, later) = ("2026-03-02T11:59:00Z", "2026-03-05T09:00:00Z");
        let some = |text: &str| Ok(Some(text.to_owned()));
        let daily = "cron(0 9 * * ? *)";
        assert_eq!(between(daily, past, later), some("2026-03-03T09:00:00Z"));
        assert_eq!(between(daily, later, later), some(later));
        assert_eq!(
            between("rate(5 minutes)", past, later),
            some("2026-03-02T12:04:00Z")
        );
        assert_eq!(between("rate(5 minutes)", later, later), some(later));
        assert_eq!(between("cron(0 10 5 * ? *)", past, later), Ok(None));
        assert_eq!(between(daily, past, NOW), Err("EndTime is over".to_owned()));
    }

    #[test]
    fn what_is_none_or_is_over_is_refused() {
        for expression in [
            "at(2026-03-02T12:00:00)",
            "at(tomorrow)",
            "rate(0 minutes)",
            "rate(5 weeks)",
            "rate(5)",
            "cron(0 9 * * * *)",
            "cron(0 9 ? * ? *)",
            "cron(0 9 * * ?)",
            "cron(0 25 * * ? *)",
            "cron(, 9 * * ? *)",
            "cron(0, 9 * * ? *)",
            "cron(0 9 * * + ?)",
            "cron(0 9 ? * + *)",
            "0 9 * * ? *",
            "",
        ] {
            assert!(told(schedule(expression)).is_err(), "{expression}");
        }
        let nowhere = json!({"Schedule": "cron(0 9 * * ? *)", "Timezone": "Atlantis"});
        assert_eq!(told(nowhere), Err("Atlantis is no time zone".to_owned()));
    }
}
