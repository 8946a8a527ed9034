//! Releases in virtual time: how long they take beside their floor, where the time goes, and what they call.

use std::time::Duration;

use emulator::world::Millis;
use serde_json::{Value, json};

use crate::figures::{Outcome, Row, Samples, Section};
use crate::floor::{self, Wait};
use crate::watch::Blog;

/// How many releases are measured, each begun at another phase of the polls.
const RELEASES: u64 = 12;
/// A release shall take no longer than this many times its floor.
const TARGET: f64 = 1.10;

/// When each part of one release was over.
struct Milestones {
    wished: Millis,
    first_write: Millis,
    created: Millis,
    healthy: Millis,
    shifted: Millis,
    scaled_down: Millis,
    drained: Millis,
    deleted: Millis,
    inactive: Millis,
    settled: Millis,
}

/// A part of a release, and the least that it can take.
struct Part {
    what: &'static str,
    length: fn(&Milestones) -> (Millis, Millis),
    /// The account's or the spec's own wait in it: known beforehand, or all of it.
    forced: Forced,
}

enum Forced {
    None,
    Spec,
    All,
}

const PARTS: [Part; 8] = [
    Part {
        what: "wish seen, recorded; task definition and service created",
        length: |m| (m.wished, m.created),
        forced: Forced::None,
    },
    Part {
        what: "tasks run and their targets are healthy",
        length: |m| (m.created, m.healthy),
        forced: Forced::All,
    },
    Part {
        what: "seen twice; test rule and weights written",
        length: |m| (m.healthy, m.shifted),
        forced: Forced::None,
    },
    Part {
        what: "settle, bake, keep; scale blue down",
        length: |m| (m.shifted, m.scaled_down),
        forced: Forced::Spec,
    },
    Part {
        what: "blue's tasks and targets are gone",
        length: |m| (m.scaled_down, m.drained),
        forced: Forced::All,
    },
    Part {
        what: "seen; service deleted",
        length: |m| (m.drained, m.deleted),
        forced: Forced::None,
    },
    Part {
        what: "the service is INACTIVE",
        length: |m| (m.deleted, m.inactive),
        forced: Forced::All,
    },
    Part {
        what: "seen, recorded, told",
        length: |m| (m.inactive, m.settled),
        forced: Forced::None,
    },
];

/// Measures [`RELEASES`] releases and a settled hour.
pub(crate) async fn measure() -> Outcome<Vec<Section>> {
    let blog = Blog::serving("1.3.0").await?;
    let application = crd_schema::spec::load(&blog.stage.get("spec").to_string(), "the blog")?;
    let waits = blog.stage.emulator.with(|world| {
        let group = world.elb.target_groups.get(&blog.stage.groups[1])?;
        Some(floor::of_a_release(
            &world.settings,
            group,
            "blog",
            &application,
        ))
    });
    let waits = waits.ok_or("the blog has no target group")?;
    let (mut releases, mut calls) = (Vec::new(), Vec::new());
    for turn in 0..RELEASES {
        blog.rest(turn).await;
        releases.push(release(&blog, turn).await?);
        calls.push(blog.calls());
    }
    let spec = application.clean_up.settle + application.bake_time + application.clean_up.keep_blue;
    let durations = Samples::of(releases.iter().map(|m| between(m.wished, m.settled)))?;
    // The calls of the release in the middle.
    let middle = releases
        .iter()
        .position(|m| between(m.wished, m.settled).as_secs_f64() == durations.median())
        .unwrap_or(0);
    let of_one = calls.swap_remove(middle);
    blog.rest(0).await;
    blog.stage.emulator.faults().clear_journal();
    tokio::time::sleep(Duration::from_secs(3_600)).await;
    let of_an_hour = blog.calls();
    blog.operator.stop().await;
    Ok(vec![
        duration(&durations, &waits),
        parts(&releases, spec)?,
        self::calls(&of_one, &of_an_hour),
        reaction(&releases)?,
    ])
}

/// One release, watched from the wish until the status says that it serves alone.
async fn release(blog: &Blog, turn: u64) -> Outcome<Milestones> {
    let version = format!("1.4.{turn}");
    let blue = usize::from(blog.weights()[1].is_some_and(|weight| weight > 0));
    let wished = blog.wish(&version);
    let tasks = blog.side(blue).registered;
    let up = |blog: &Blog| {
        let green = blog.side(1 - blue);
        green.healthy == tasks && usize::try_from(green.running) == Ok(tasks)
    };
    let healthy = blog
        .until("green is healthy", |blog| up(blog).then(|| blog.now()))
        .await?;
    let gone = |blog: &Blog| blog.side(blue).registered == 0 && blog.side(blue).running == 0;
    let drained = blog
        .until("blue is drained", |blog| gone(blog).then(|| blog.now()))
        .await?;
    blog.until("blue is deleted", |blog| {
        blog.side(blue).draining.then_some(())
    })
    .await?;
    let inactive = blog
        .until("blue is gone", |blog| {
            (!blog.side(blue).draining).then(|| blog.now())
        })
        .await?;
    blog.until_settled("Settled", &version).await?;
    let writes = blog.writes();
    let production = blog.stage.listeners[0].as_str();
    let at = |operation: &str| {
        let of_it = writes.iter().filter(|write| write.operation == operation);
        let mut of_it = of_it.filter(|write| {
            operation != "ModifyListener" || write.input["ListenerArn"] == production
        });
        of_it
            .next_back()
            .map(|write| write.at)
            .ok_or_else(|| format!("no {operation} in a release"))
    };
    Ok(Milestones {
        wished,
        first_write: writes
            .first()
            .map(|write| write.at)
            .ok_or("a release without a write")?,
        created: at("CreateService")?,
        healthy,
        shifted: at("ModifyListener")?,
        scaled_down: at("UpdateService")?,
        drained,
        deleted: at("DeleteService")?,
        inactive,
        settled: blog
            .told("Settled", &version)
            .ok_or("a release that ended untold")?,
    })
}

fn between(from: Millis, to: Millis) -> Duration {
    Duration::from_millis(to.saturating_sub(from))
}

fn duration(durations: &Samples, waits: &[Wait]) -> Section {
    let floor = floor::total(waits).as_secs_f64();
    let ratio = |seconds: f64| seconds / floor;
    let verdict = if ratio(durations.median()) <= TARGET {
        "met"
    } else {
        "MISSED"
    };
    let mut rows = vec![
        Row::new(
            "a release, from the wish until told that it serves alone",
            durations.show(1, " s"),
            format!("{} releases", durations.count()),
        ),
        Row::new("its floor: the waits below", format!("{floor:.1} s"), ""),
        Row::new(
            "release ÷ floor",
            format!(
                "{:.3} ({:.3} to {:.3})",
                ratio(durations.median()),
                ratio(durations.min()),
                ratio(durations.max())
            ),
            format!("target at most {TARGET:.2}: {verdict}"),
        ),
    ];
    rows.extend(waits.iter().map(|wait| {
        Row::new(
            format!("  {}", wait.what),
            format!("{:.1} s", wait.length.as_secs_f64()),
            wait.from,
        )
    }));
    let data = json!({
        "seconds": durations.json(),
        "floorSeconds": floor,
        "ratio": {"median": ratio(durations.median()), "min": ratio(durations.min()), "max": ratio(durations.max()), "target": TARGET},
        "floor": waits.iter().map(|wait| json!({"what": wait.what, "from": wait.from, "seconds": wait.length.as_secs_f64()})).collect::<Vec<Value>>(),
    });
    Section {
        key: "release",
        title: "Duration of a release (virtual time, default polls)".to_owned(),
        rows,
        data,
    }
}

fn parts(releases: &[Milestones], spec: Duration) -> Outcome<Section> {
    let (mut rows, mut data) = (Vec::new(), Vec::new());
    let mut operators = 0.0;
    for part in &PARTS {
        let length = |m: &Milestones| {
            let (from, to) = (part.length)(m);
            between(from, to)
        };
        let lengths = Samples::of(releases.iter().map(length))?;
        let forced = match part.forced {
            Forced::None => 0.0,
            Forced::Spec => spec.as_secs_f64(),
            Forced::All => lengths.median(),
        };
        let lost = (lengths.median() - forced).max(0.0);
        operators += lost;
        let beside = match part.forced {
            Forced::None => "the operator's".to_owned(),
            Forced::Spec => format!("the spec's but for {lost:.1} s"),
            Forced::All => "the account's".to_owned(),
        };
        rows.push(Row::new(part.what, lengths.show(1, " s"), beside));
        data.push(json!({"what": part.what, "seconds": lengths.json(), "operatorSeconds": lost}));
    }
    rows.push(Row::new(
        "the operator's, together",
        format!("{operators:.1} s"),
        "sum of the medians",
    ));
    let data = json!({"parts": data, "operatorSeconds": operators});
    Ok(Section {
        key: "parts",
        title: "Where the time of a release goes".to_owned(),
        rows,
        data,
    })
}

fn calls(
    of_one: &std::collections::BTreeMap<String, u64>,
    of_an_hour: &std::collections::BTreeMap<String, u64>,
) -> Section {
    let operations: std::collections::BTreeSet<&String> =
        of_one.keys().chain(of_an_hour.keys()).collect();
    let count = |calls: &std::collections::BTreeMap<String, u64>, operation: &str| {
        calls.get(operation).copied().unwrap_or(0)
    };
    let row = |operation: &&String| {
        Row::new(
            operation.as_str(),
            count(of_one, operation).to_string(),
            count(of_an_hour, operation).to_string(),
        )
    };
    let mut rows = vec![Row::new(
        "operation",
        "one release",
        "one settled application an hour",
    )];
    rows.extend(operations.iter().map(row));
    rows.push(Row::new(
        "together",
        of_one.values().sum::<u64>().to_string(),
        of_an_hour.values().sum::<u64>().to_string(),
    ));
    Section {
        key: "calls",
        title: "AWS calls".to_owned(),
        rows,
        data: json!({"release": of_one, "settledHour": of_an_hour}),
    }
}

fn reaction(releases: &[Milestones]) -> Outcome<Section> {
    let write = Samples::of(releases.iter().map(|m| between(m.wished, m.first_write)))?;
    let service = Samples::of(releases.iter().map(|m| between(m.wished, m.created)))?;
    let rows = vec![
        Row::new(
            "from the wish to the first write (the record)",
            write.show(1, " s"),
            "desired values are polled every 5 s",
        ),
        Row::new(
            "from the wish to green's CreateService",
            service.show(1, " s"),
            "",
        ),
    ];
    let data = json!({"firstWriteSeconds": write.json(), "createServiceSeconds": service.json()});
    Ok(Section {
        key: "reaction",
        title: "Reaction to a wish (virtual time)".to_owned(),
        rows,
        data,
    })
}
