//! `kill -9` before and after every AWS call of a release.

use emulator::faults::holding::Fate;

use crate::matrix::{self, End, Lane};
use crate::plan::{Moment, Point};
use crate::verdict;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_call_a_release_ends_and_no_request_is_lost() {
    matrix::run("kill", |mut lane, point| async move {
        let end = kill(&mut lane, &point).await;
        (lane, end)
    })
    .await;
}

/// One release in which the operator is killed at the point's call, and another takes its place at once.
async fn kill(lane: &mut Lane, point: &Point) -> Result<End, String> {
    let version = lane.next_version();
    lane.stage.emulator.faults().clear_journal();
    lane.stage.faults(vec![point.fault()]);
    lane.stage.wish(&version);
    let held = tokio::select! {
        held = lane.stage.emulator.faults().holding().next() => Some(held),
        over = lane.is_over(&version) => {
            over?;
            None
        }
    };
    let Some(held) = held else {
        judge(lane, &version, None)?;
        return Ok(End::NotReached);
    };
    let dead = lane.operator.key.clone();
    lane.operator.kill().await;
    lane.operator = lane.another();
    let fate = match point.moment {
        Moment::Before | Moment::After => Fate::Drop,
        Moment::Late => {
            lane.is_at_work().await?;
            Fate::CarryOn
        }
    };
    let let_go = lane.stage.emulator.faults().holding().let_go(held.id, fate);
    assert!(let_go, "a call that arrived stays, though its caller died");
    lane.is_over(&version).await?;
    judge(lane, &version, (fate == Fate::CarryOn).then_some(&dead))?;
    Ok(End::Happened(held.operation))
}

fn judge(lane: &Lane, version: &str, late: Option<&str>) -> Result<(), String> {
    let wrong = verdict::complaints(&lane.stage, version, late);
    if wrong.is_empty() {
        return Ok(());
    }
    Err(format!(
        "{version}: {}\n{}",
        wrong.join("; "),
        lane.operator.log()
    ))
}
