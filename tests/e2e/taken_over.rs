//! Two operators with a lease: the leader is killed, or stopped for longer than its term, before and after every AWS call
//! of a release.

use std::time::Duration;

use emulator::faults::holding::Fate;
use tokio::time::Instant;

use crate::matrix::{self, End, Lane};
use crate::operator::{Leadership, Operator};
use crate::plan::{self, Moment, Point};
use crate::stage::PACE;
use crate::verdict;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_the_leader_is_killed_the_standby_ends_its_release() {
    matrix::run(
        "takeover",
        Leadership::Lease,
        |calm, full| plan::points_of_a_leader(calm, full, 2),
        |mut lane, point| async move {
            let end = kill(&mut lane, &point).await;
            (lane, end)
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_slept_longer_than_its_lease_writes_no_more() {
    matrix::run(
        "sleep",
        Leadership::Lease,
        |calm, full| plan::points_of_a_leader(calm, full, 3),
        |mut lane, point| async move {
            let end = sleep(&mut lane, &point).await;
            (lane, end)
        },
    )
    .await;
}

/// One release in which the leader is killed at the point's call. At a write another one stands by from before the
/// release; at any call, one that is started then.
async fn kill(lane: &mut Lane, point: &Point) -> Result<End, String> {
    let standby = stand_by(lane, point).await?;
    let version = lane.next_version();
    let Some(held) = lane.reach(point, &version).await? else {
        return Ok(End::NotReached);
    };
    let dead = lane.operator.key.clone();
    lane.operator.kill().await;
    let killed = Instant::now();
    lane.operator = standby.unwrap_or_else(|| lane.another());
    let fate = match point.moment {
        Moment::Before | Moment::After => Fate::Drop,
        Moment::Late => Fate::CarryOn,
    };
    if fate == Fate::Drop {
        lane.let_go(&held, fate);
    }
    let takeover = leads(lane, killed).await?;
    if fate == Fate::CarryOn {
        lane.let_go(&held, fate);
    }
    lane.is_over(&version).await?;
    lane.judge(&version, &dead, (fate == Fate::CarryOn).then_some(&dead))?;
    Ok(End::Happened {
        operation: held.operation,
        takeover: Some(takeover),
    })
}

/// One release in which the leader sleeps from the point's call until another one has the lease, and wakes up then.
async fn sleep(lane: &mut Lane, point: &Point) -> Result<End, String> {
    let standby = stand_by(lane, point).await?;
    let version = lane.next_version();
    let Some(held) = lane.reach(point, &version).await? else {
        return Ok(End::NotReached);
    };
    lane.operator.stop().await;
    let stopped = Instant::now();
    let successor = standby.unwrap_or_else(|| lane.another());
    let mut sleeper = std::mem::replace(&mut lane.operator, successor);
    // What it sent is AWS's.
    lane.let_go(&held, Fate::CarryOn);
    let takeover = leads(lane, stopped).await?;
    let calls = lane.calls();
    sleeper.carry_on().await;
    lane.is_over(&version).await?;
    // It is awake, and looked who leads.
    lane.is_at_work(&sleeper, calls).await?;
    let judged = lane.judge(&version, &sleeper.key, None);
    let log = sleeper.log();
    sleeper.kill().await;
    judged.map_err(|why| format!("{why}\nand who slept: {log}"))?;
    Ok(End::Happened {
        operation: held.operation,
        takeover: Some(takeover),
    })
}

/// At a write, an operator that stands by: what it reads is no write. Where calls are counted, none.
async fn stand_by(lane: &mut Lane, point: &Point) -> Result<Option<Operator>, String> {
    if !point.is_a_write() {
        return Ok(None);
    }
    lane.stage.faults(Vec::new());
    let calls = lane.calls();
    let standby = lane.another();
    lane.is_at_work(&standby, calls).await?;
    Ok(Some(standby))
}

/// Waits until the lane's operator leads: how long since `then`, in AWS's time.
async fn leads(lane: &Lane, then: Instant) -> Result<Duration, String> {
    let key = &lane.operator.key;
    let taken = lane.stage.until("the other operator leads", |stage| {
        verdict::leads(stage, key)
    });
    taken
        .await
        .map_err(|why| format!("{why}\n{}", lane.operator.log()))?;
    Ok(then.elapsed().mul_f64(*PACE))
}
