//! Decisions of the planner a second, beside what AWS lets anybody read.

use std::hint::black_box;

use planner::lab::{self, Lab, Operator};
use planner::{Memory, Now, WaitingOn, World};
use serde_json::json;

use crate::cpu;
use crate::figures::{Outcome, Row, Section};

/// `DescribeServices` and `ListServices` of one account and Region a second, sustained: "Request throttling for the
/// Amazon ECS API".
const READS_A_SECOND: f64 = 20.0;
/// Services that one `DescribeServices` names at most.
const SERVICES_A_READ: f64 = 10.0;
/// Services of a rollout: blue and green.
const SERVICES_A_DECISION: f64 = 2.0;

/// What one reconcile decided on.
struct Moment {
    world: World,
    memory: Memory,
    now: Now,
}

/// Measures the decisions of a release from 1.3.0 to 1.4.0, each as often as the others.
pub(crate) async fn measure() -> Outcome<Section> {
    let mut lab = Lab::new(lab::application());
    let mut operator = Operator::new(&lab);
    lab.wish("1.3.0");
    operator.run(&mut lab, 10_000);
    lab.wish("1.4.0");
    let moments = release(&mut lab, &mut operator)?;
    let (application, tuning) = (&lab.application, &operator.tuning);
    let decisions = cpu::rate(async || {
        for moment in &moments {
            let _ = black_box(planner::plan(
                application,
                &moment.world,
                &moment.memory,
                tuning,
                moment.now,
            ));
        }
        Ok(u64::try_from(moments.len())?)
    })
    .await?;
    let fed = READS_A_SECOND * SERVICES_A_READ / SERVICES_A_DECISION;
    let ratio = decisions.median() / fed;
    let rows = vec![
        Row::new(
            "decisions of a release, a second of one core",
            decisions.show(0, ""),
            format!("{} decisions in turn", moments.len()),
        ),
        Row::new(
            "peer: decisions a second that AWS's reads can feed",
            format!("{fed:.0}"),
            "20 DescribeServices of 10 services a second and account, 2 services a decision",
        ),
        Row::new("decisions ÷ peer", format!("{ratio:.0}"), ""),
    ];
    let data = json!({"perSecond": decisions.json(), "peerPerSecond": fed, "ratio": ratio, "decisionsInTurn": moments.len()});
    Ok(Section {
        key: "decisions",
        title: "Planner".to_owned(),
        rows,
        data,
    })
}

/// Every decision of the release on its way, until nothing more is wanted.
fn release(lab: &mut Lab, operator: &mut Operator) -> Outcome<Vec<Moment>> {
    let mut moments = Vec::new();
    loop {
        let (world, now) = (lab.observe(), lab.clock());
        let mut memory = operator.memory.clone();
        memory.absorb(&world, &operator.tuning, now);
        let plan = operator
            .reconcile(lab)
            .map_err(|violation| violation.to_string())?;
        if moments.len() > 1 && plan.step.is_none() && plan.report.waiting_on == WaitingOn::Nothing
        {
            return Ok(moments);
        }
        moments.push(Moment { world, memory, now });
        if moments.len() > 10_000 {
            return Err("the release in the lab does not end".into());
        }
    }
}
