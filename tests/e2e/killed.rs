//! `kill -9` before and after every AWS call of a release, and another operator in its place at once.

use emulator::faults::holding::Fate;

use crate::matrix::{self, End, Lane};
use crate::operator::Leadership;
use crate::plan::{self, Moment, Point};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_call_a_release_ends_and_no_request_is_lost() {
    matrix::run(
        "kill",
        Leadership::Alone,
        plan::points,
        |mut lane, point| async move {
            let end = kill(&mut lane, &point).await;
            (lane, end)
        },
    )
    .await;
}

/// One release in which the operator is killed at the point's call, and another takes its place at once.
async fn kill(lane: &mut Lane, point: &Point) -> Result<End, String> {
    let version = lane.next_version();
    let Some(held) = lane.reach(point, &version).await? else {
        return Ok(End::NotReached);
    };
    let dead = lane.operator.key.clone();
    lane.operator.kill().await;
    let calls = lane.calls();
    lane.operator = lane.another();
    let fate = match point.moment {
        Moment::Before | Moment::After => Fate::Drop,
        Moment::Late => {
            lane.is_at_work(&lane.operator, calls).await?;
            Fate::CarryOn
        }
    };
    lane.let_go(&held, fate);
    lane.is_over(&version).await?;
    lane.judge(&version, &dead, (fate == Fate::CarryOn).then_some(&dead))?;
    Ok(End::Happened {
        operation: held.operation,
        takeover: None,
    })
}
