//! From a failure that is worth an abort to the weights back on what served: green's tasks all crash while it bakes.

use std::time::Duration;

use emulator::world::Millis;
use emulator::world::behaviour::{Behaviour, Exit};
use serde_json::json;

use crate::figures::{Outcome, Row, Samples, Section};
use crate::watch::Blog;

/// How often it is measured.
const ABORTS: u64 = 6;
/// From the start of green's containers to their crash: in the middle of the bake time.
const CRASH_AFTER_MS: u64 = 65_000;

/// How long one abort took, from the crash.
struct Abort {
    /// Until the record says that the release failed.
    rejected: Duration,
    /// Until the weights were back.
    back: Duration,
}

/// Measures [`ABORTS`] aborts.
pub(crate) async fn measure() -> Outcome<Section> {
    let blog = Blog::serving("1.3.0").await?;
    let mut aborts = Vec::new();
    for turn in 0..ABORTS {
        blog.rest(turn).await;
        aborts.push(abort(&blog, turn).await?);
    }
    blog.operator.stop().await;
    let rejected = Samples::of(aborts.iter().map(|abort| abort.rejected))?;
    let back = Samples::of(aborts.iter().map(|abort| abort.back))?;
    let rows = vec![
        Row::new(
            "from the crash of all of green's tasks in Bake to all weight on blue",
            back.show(1, " s"),
            format!("{ABORTS} aborts; two readings of target health, at least 5 s apart"),
        ),
        Row::new(
            "  of it until the rejection is recorded",
            rejected.show(1, " s"),
            "",
        ),
    ];
    Ok(Section {
        key: "abort",
        title: "Way back (virtual time)".to_owned(),
        rows,
        data: json!({"weightsBackSeconds": back.json(), "rejectedSeconds": rejected.json()}),
    })
}

async fn abort(blog: &Blog, turn: u64) -> Outcome<Abort> {
    let version = format!("1.4.{turn}");
    let before = blog.weights();
    let exits = Exit {
        after_ms: CRASH_AFTER_MS + turn * 1_337,
        code: 1,
    };
    blog.stage.behave(
        &version,
        Behaviour {
            exits: Some(exits),
            ..Behaviour::default()
        },
    );
    blog.wish(&version);
    let crashed = blog
        .until("green crashes", |blog| crash(blog, &version))
        .await?;
    let stage = blog.stage.get("record")["rollout"]["stage"].clone();
    if stage != "Bake" {
        return Err(format!("green crashed in {stage}, not while it bakes").into());
    }
    blog.until("weights are back", |blog| {
        (blog.weights() == before).then_some(())
    })
    .await?;
    let writes = blog.writes();
    let after = |operation: &str| {
        let mut of_it = writes
            .iter()
            .filter(|write| write.operation == operation && write.at >= crashed);
        let at = of_it.next().map(|write| write.at);
        at.map(|at| Duration::from_millis(at - crashed))
            .ok_or_else(|| format!("no {operation} after the crash"))
    };
    let abort = Abort {
        rejected: after("PutParameter")?,
        back: after("ModifyListener")?,
    };
    blog.until_settled("Failed", "1.3.0").await?;
    Ok(abort)
}

/// When the last of this version's first tasks exited; none while one lives.
fn crash(blog: &Blog, version: &str) -> Option<Millis> {
    blog.stage.emulator.with(|world| {
        let of_it = |task: &&emulator::world::ecs::Task| {
            task.containers
                .iter()
                .any(|container| container.image.ends_with(version))
        };
        let exits: Vec<Option<Millis>> = world
            .ecs
            .tasks
            .values()
            .filter(of_it)
            .filter(|task| task.started_at.is_some())
            .map(|task| task.exited_at)
            .collect();
        let all: Option<Vec<Millis>> = exits.into_iter().collect();
        all?.into_iter().max()
    })
}
