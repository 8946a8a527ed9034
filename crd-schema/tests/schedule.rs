//! A schedule as people write it, and what it means.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may stop where it is wrong"
)]

use crd_schema::schedule::Schedule;
use crd_schema::spec::load;

const BLOG: &str = include_str!("../../manifests/examples/blog-minimal.yaml");

fn schedule(text: &str) -> Schedule {
    let loaded = load(&format!("{BLOG}\n  schedule: {text}\n"), "blog.yaml");
    loaded
        .unwrap_or_else(|invalid| panic!("{invalid}"))
        .schedule
        .unwrap()
}

/// What it says at this instant.
fn at(schedule: &Schedule, now: &str) -> String {
    let frozen = schedule.frozen(now.parse().unwrap());
    frozen.map_or_else(|| "open".to_owned(), |frozen| frozen.to_string())
}

#[test]
fn windows_are_read() {
    // Times need no quotes.
    let freeze = schedule(
        r#"{timeZone: Europe/Berlin, freeze: [{days: [fri], from: 14:00, to: "24:00"}, {days: [sat, sun]}, {from: 2026-12-23T18:00, to: 2027-01-04T08:00}, {from: "22:00", to: "05:30"}]}"#,
    );
    for (now, told) in [
        ("2026-11-20T12:59:00Z", "open"),
        ("2026-11-20T13:00:00Z", "until Mon 2026-11-23 05:30 CET"),
        ("2026-11-23T04:30:00Z", "open"),
        ("2026-11-24T23:00:00Z", "until Wed 2026-11-25 05:30 CET"),
        ("2026-12-31T12:00:00Z", "until Mon 2027-01-04 08:00 CET"),
    ] {
        assert_eq!(at(&freeze, now), told, "{now}");
    }
}

#[test]
fn a_date_without_a_time_is_all_of_that_day() {
    let one_day = schedule("{timeZone: Asia/Tokyo, freeze: [{from: 2026-12-24, to: 2026-12-24}]}");
    let told = "until Fri 2026-12-25 00:00 JST";
    assert_eq!(at(&one_day, "2026-12-23T14:59:59Z"), "open");
    assert_eq!(at(&one_day, "2026-12-23T15:00:00Z"), told);
    assert_eq!(at(&one_day, "2026-12-24T14:59:59Z"), told);
    assert_eq!(at(&one_day, "2026-12-24T15:00:00Z"), "open");
}

#[test]
fn releases_may_be_allowed_at_some_times_alone() {
    let hours = schedule(
        r#"{timeZone: UTC, allow: [{days: [mon, tue, wed, thu], from: "09:00", to: "16:00"}], freeze: [{from: 2026-11-24, to: 2026-11-25}]}"#,
    );
    assert_eq!(at(&hours, "2026-11-23T12:00:00Z"), "open");
    let thursday = "until Thu 2026-11-26 09:00 UTC";
    assert_eq!(at(&hours, "2026-11-23T16:00:00Z"), thursday);
    assert_eq!(at(&hours, "2026-11-24T12:00:00Z"), thursday);
}
