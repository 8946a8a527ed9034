use super::*;

const WORK_DAYS: [Weekday; 5] = [
    Weekday::Monday,
    Weekday::Tuesday,
    Weekday::Wednesday,
    Weekday::Thursday,
    Weekday::Friday,
];

fn weekly(days: &[Weekday], from: u16, to: u16) -> Window {
    Window::Weekly {
        days: days.to_vec(),
        from,
        to,
    }
}

fn once(from: &str, to: &str) -> Window {
    Window::Once {
        from: from.parse().unwrap(),
        to: to.parse().unwrap(),
    }
}

fn schedule(name: &str, freeze: &[Window], allow: &[Window]) -> Schedule {
    Schedule {
        zone: zone(name).unwrap(),
        freeze: freeze.to_vec(),
        allow: allow.to_vec(),
    }
}

fn berlin(freeze: &[Window]) -> Schedule {
    schedule("Europe/Berlin", freeze, &[])
}

/// What the schedule says at this instant, in words.
fn at(schedule: &Schedule, now: &str) -> String {
    let frozen = schedule.frozen(now.parse().unwrap());
    frozen.map_or_else(|| "open".to_owned(), |frozen| frozen.to_string())
}

#[test]
fn a_week_has_its_windows_and_adjacent_ones_are_one() {
    let weekend = berlin(&[
        weekly(&[Weekday::Friday], 14 * 60, 1440),
        weekly(&[Weekday::Saturday, Weekday::Sunday], 0, 1440),
    ]);
    // Winter: Berlin is an hour ahead.
    assert_eq!(at(&weekend, "2026-11-20T12:59:59Z"), "open");
    let monday = "until Mon 2026-11-23 00:00 CET";
    assert_eq!(at(&weekend, "2026-11-20T13:00:00Z"), monday);
    assert_eq!(at(&weekend, "2026-11-22T22:59:59.999Z"), monday);
    assert_eq!(at(&weekend, "2026-11-22T23:00:00Z"), "open");
}

#[test]
fn a_window_over_midnight_belongs_to_the_day_on_which_it_begins() {
    let nights = berlin(&[weekly(&[Weekday::Friday], 22 * 60, 1440 + 6 * 60)]);
    assert_eq!(at(&nights, "2026-11-20T04:00:00Z"), "open", "Friday, 05:00");
    let saturday = "until Sat 2026-11-21 06:00 CET";
    assert_eq!(at(&nights, "2026-11-20T21:00:00Z"), saturday);
    assert_eq!(at(&nights, "2026-11-21T04:59:59Z"), saturday);
    assert_eq!(at(&nights, "2026-11-21T05:00:00Z"), "open");
}

#[test]
fn dates_hold_once_and_what_follows_them_counts() {
    let weekend = weekly(&[Weekday::Saturday, Weekday::Sunday], 0, 1440);
    let christmas = once("2026-12-23T18:00", "2027-01-02T08:00");
    let both = berlin(&[christmas, weekend]);
    assert_eq!(at(&both, "2026-12-23T16:59:59Z"), "open");
    // It ends on a Saturday.
    let monday = "until Mon 2027-01-04 00:00 CET";
    assert_eq!(at(&both, "2026-12-23T17:00:00Z"), monday);
    assert_eq!(at(&both, "2027-12-23T17:00:00Z"), "open", "a year later");
}

#[test]
fn local_time_is_kept_when_the_clock_changes() {
    let mornings = berlin(&[weekly(&WORK_DAYS, 9 * 60, 10 * 60)]);
    // Summer time began on 2026-03-29: the same local hour is another hour of UTC.
    assert_eq!(
        at(&mornings, "2026-03-27T08:30:00Z"),
        "until Fri 2026-03-27 10:00 CET"
    );
    assert_eq!(at(&mornings, "2026-03-30T08:30:00Z"), "open");
    assert_eq!(
        at(&mornings, "2026-03-30T07:30:00Z"),
        "until Mon 2026-03-30 10:00 CEST"
    );
    // A day has 23 hours then, and 25 on 2026-10-25.
    let sundays = berlin(&[weekly(&[Weekday::Sunday], 0, 1440)]);
    for (begins, ends) in [
        ("2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"),
        ("2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"),
    ] {
        let [begins, ends]: [Timestamp; 2] = [begins, ends].map(|text| text.parse().unwrap());
        let moment = Span::new().milliseconds(1);
        assert_eq!(sundays.frozen(begins - moment), None);
        let until = |now| sundays.frozen(now).unwrap().until.unwrap().timestamp();
        assert_eq!([until(begins), until(ends - moment)], [ends, ends]);
        assert_eq!(sundays.frozen(ends), None);
    }
}

#[test]
fn a_time_that_is_left_out_or_comes_twice_makes_the_longer_window() {
    let sunday = [Weekday::Sunday];
    // 02:00 to 03:00 comes twice on 2026-10-25; it is over after the second one, without a gap between them.
    let twice = berlin(&[weekly(&sunday, 2 * 60, 2 * 60 + 30)]);
    assert_eq!(at(&twice, "2026-10-24T23:59:59Z"), "open");
    for now in [
        "2026-10-25T00:00:00Z",
        "2026-10-25T00:45:00Z",
        "2026-10-25T01:29:59Z",
    ] {
        assert_eq!(at(&twice, now), "until Sun 2026-10-25 02:30 CET", "{now}");
    }
    assert_eq!(at(&twice, "2026-10-25T01:30:00Z"), "open");
    // 02:00 to 03:00 is left out on 2026-03-29; a window that begins in it does not fail.
    let left_out = berlin(&[weekly(&sunday, 2 * 60 + 30, 3 * 60 + 15)]);
    assert_eq!(at(&left_out, "2026-03-29T00:29:59Z"), "open");
    assert_eq!(
        at(&left_out, "2026-03-29T00:59:59Z"),
        "until Sun 2026-03-29 03:15 CEST"
    );
    assert_eq!(at(&left_out, "2026-03-29T01:15:00Z"), "open");
    // And one that ends in it.
    let into = berlin(&[weekly(&sunday, 60, 2 * 60 + 30)]);
    assert_eq!(
        at(&into, "2026-03-29T00:00:00Z"),
        "until Sun 2026-03-29 03:30 CEST"
    );
}

#[test]
fn releases_may_begin_in_some_windows_alone() {
    let hours = schedule(
        "America/New_York",
        &[once("2026-11-26T00:00", "2026-11-28T00:00")],
        &[weekly(&WORK_DAYS, 10 * 60, 16 * 60)],
    );
    assert_eq!(at(&hours, "2026-11-25T15:00:00Z"), "open");
    // Thanksgiving and the day after, then a weekend.
    assert_eq!(
        at(&hours, "2026-11-25T21:00:00Z"),
        "until Mon 2026-11-30 10:00 EST"
    );
    assert_eq!(
        at(&hours, "2026-11-26T16:00:00Z"),
        "until Mon 2026-11-30 10:00 EST"
    );
}

#[test]
fn what_never_opens_says_so() {
    let always = berlin(&[weekly(&[Weekday::Monday, Weekday::Sunday], 0, 1440)]);
    assert_eq!(at(&always, "2026-11-24T12:00:00Z"), "open");
    let mut days = WORK_DAYS.to_vec();
    days.extend([Weekday::Saturday, Weekday::Sunday]);
    let always = berlin(&[weekly(&days, 0, 1440)]);
    assert_eq!(at(&always, "2026-11-24T12:00:00Z"), "with no end in sight");
    let past = schedule("UTC", &[], &[once("2026-01-01T00:00", "2026-01-02T00:00")]);
    assert_eq!(at(&past, "2026-01-01T12:00:00Z"), "open");
    assert_eq!(at(&past, "2026-11-24T12:00:00Z"), "with no end in sight");
}

#[test]
fn every_instant_has_an_answer() {
    let windows = [
        weekly(&WORK_DAYS, 0, 2879),
        once("-009999-01-01T00:00", "9999-12-31T23:59"),
    ];
    for window in windows {
        for (freeze, allow) in [
            (vec![window.clone()], vec![]),
            (vec![], vec![window.clone()]),
        ] {
            let schedule = schedule("Pacific/Apia", &freeze, &allow);
            let _ = schedule.frozen(Timestamp::MIN);
            let _ = schedule.frozen(Timestamp::MAX);
        }
    }
}

#[test]
fn time_zones_come_with_the_program() {
    assert!(TimeZoneDatabase::bundled().available().count() > 400);
    assert!(zone("Europe/Berlin").is_some());
    assert_eq!(zone("Europe/Berln"), None);
    assert_eq!(zone(""), None);
}

#[test]
fn the_end_is_the_first_instant_that_is_open() {
    let schedule = schedule(
        "Europe/Berlin",
        &[
            weekly(&[Weekday::Wednesday], 23 * 60, 1440 + 9 * 60),
            weekly(&[Weekday::Sunday], 30, 150),
        ],
        &[
            weekly(&WORK_DAYS, 8 * 60 + 30, 17 * 60),
            weekly(&[Weekday::Sunday], 0, 240),
        ],
    );
    let quarter = Span::new().minutes(15);
    let start: Timestamp = "2026-10-18T00:00:00Z".parse().unwrap();
    let instants = std::iter::successors(Some(start), |at| at.checked_add(quarter).ok());
    let instants: Vec<Timestamp> = instants.take(4 * 24 * 14).collect();
    for pair in instants.windows(2) {
        if let Some(Frozen { until: Some(until) }) = schedule.frozen(pair[0]) {
            let until = until.timestamp();
            assert!(until >= pair[1], "all ends are on the quarter");
            assert_eq!(
                schedule.frozen(pair[1]).is_none(),
                until == pair[1],
                "{}",
                pair[1]
            );
        }
    }
}

/// No instant is as late, or as early, in every zone: such an end is none, and the freeze is one all the same.
#[test]
fn a_freeze_for_ever_is_one() {
    for name in ["America/New_York", "Pacific/Kiritimati"] {
        for window in [
            once("2026-10-18T00:00", "9999-12-31T23:59"),
            once("-009999-01-01T00:00", "9999-12-31T23:59"),
        ] {
            let schedule = schedule(name, &[window], &[]);
            assert!(
                at(&schedule, "2026-10-20T00:00:00Z").contains("9999-12-3"),
                "{name}"
            );
        }
    }
}
