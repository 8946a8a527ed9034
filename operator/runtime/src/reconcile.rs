//! One reconcile of one application: observe, absorb, plan, guard and enact. [`crate::publish`] tells what came of it.

use std::sync::Arc;

use crd_schema::Application;
use planner::{Hold, Plan, WaitingOn, World, Write};
use tokio_util::sync::CancellationToken;

use crate::beside::Running;
use crate::cloud::{Cloud, CloudWriter, Focus};
use crate::executor::Enacted;
use crate::outcome::Outcome;
use crate::slot::Slot;
use crate::worker::Worker;

/// What came of one reconcile.
#[derive(Debug)]
pub(crate) struct Reconciled {
    pub(crate) outcome: Outcome,
    /// The plan, its report as it is after the step. None: it did not come to a plan.
    pub(crate) plan: Option<Plan>,
    /// The step that was taken or refused.
    pub(crate) step: Option<(Write, Enacted)>,
    /// Why it ended as it did, where the outcome alone does not say.
    pub(crate) why: Option<String>,
}

impl Reconciled {
    /// It did not come to a plan.
    pub(crate) fn without_plan(outcome: Outcome, why: Option<String>) -> Self {
        Self {
            outcome,
            plan: None,
            step: None,
            why,
        }
    }
}

/// One reconcile. Level-triggered: it starts from what is there, and takes at most one step.
///
/// # Guarantees
///
/// When `stop` is cancelled, no step is begun any more, and one that was begun is ended. When this future is dropped
/// or panics, the slot's memory holds a write that was sent as outstanding.
pub(crate) async fn reconcile<C: Cloud, W: CloudWriter>(
    worker: &Worker<C, W>,
    slot: &Slot,
    stop: &CancellationToken,
) -> Reconciled {
    let (application, read_for) =
        slot.with(|kept| (kept.spec.application.clone(), kept.spec.read_for));
    let Some(application) = application else {
        return Reconciled::without_plan(
            Outcome::Held,
            slot.with(|kept| kept.spec.problem.clone()),
        );
    };
    let standing = worker.executor.standing();
    let focus = slot.with(|kept| {
        kept.begin(&application, standing, worker.clock.mono());
        let (base, services) = kept.memory.focus(&application);
        let conflicts = kept.spec.conflicts.clone();
        Focus {
            base,
            services,
            conflicts,
            spec_present: kept.spec.present,
        }
    });
    let world = tokio::select! {
        biased;
        () = stop.cancelled() => return Reconciled::without_plan(Outcome::Stopping, None),
        world = worker.cloud.observe(&application, &focus) => world,
    };
    let verdicts = slot.with(|kept| kept.beside.iter().filter_map(Running::verdict).collect());
    let world = World { verdicts, ..world };
    if worker.executor.standing() != standing {
        // What was looked at before a takeover is no evidence after it.
        let why = "leadership changed while the world was looked at".to_owned();
        return Reconciled::without_plan(Outcome::Changed, Some(why));
    }
    let Some(world) = slot.with(|kept| kept.as_the_spec_knows_it(read_for, world)) else {
        return Reconciled::without_plan(Outcome::Waiting, None);
    };
    let world = Arc::new(world);
    let plan = decide(worker, slot, &application, &world);
    match plan.step.clone() {
        None => waited(plan),
        Some(_) if stop.is_cancelled() => Reconciled {
            outcome: Outcome::Stopping,
            plan: Some(plan),
            step: None,
            why: None,
        },
        Some(write) => {
            let enacted = worker
                .executor
                .enact(slot, &application, &world, plan.made, &write)
                .await;
            stepped(plan, write, enacted)
        }
    }
}

/// Absorb and plan. The slot's memory is replaced whole, so that a panic in between leaves the old one.
fn decide<C: Cloud, W: CloudWriter>(
    worker: &Worker<C, W>,
    slot: &Slot,
    application: &Application,
    world: &Arc<World>,
) -> Plan {
    let now = worker.clock.now();
    let tuning = &worker.executor.tuning;
    let mut memory = slot.with(|kept| kept.memory.clone());
    memory.absorb(world, tuning, now);
    slot.with(|kept| {
        kept.told
            .record
            .get_or_insert_with(|| memory.record.clone());
        kept.memory = memory.clone();
        kept.world = Some(Arc::clone(world));
    });
    planner::plan(application, world, &memory, tuning, now)
}

fn waited(plan: Plan) -> Reconciled {
    let (outcome, why) = match &plan.report.waiting_on {
        WaitingOn::Nothing => (Outcome::Completed, None),
        WaitingOn::Hold(_) => (Outcome::Held, None),
        WaitingOn::Observation { what } => (Outcome::Unread, Some(what.clone())),
        WaitingOn::OwnStep
        | WaitingOn::Frozen(_)
        | WaitingOn::StepRefused { .. }
        | WaitingOn::StartBound
        | WaitingOn::OutstandingWrite { .. }
        | WaitingOn::ReadYourWrites { .. }
        | WaitingOn::OldServiceGone { .. }
        | WaitingOn::Tasks { .. }
        | WaitingOn::HealthyTargets { .. }
        | WaitingOn::SteadyTasks { .. }
        | WaitingOn::Settle
        | WaitingOn::Pause
        | WaitingOn::Promotion
        | WaitingOn::Gate { .. }
        | WaitingOn::Analysis { .. }
        | WaitingOn::Approval { .. }
        | WaitingOn::BakeTime
        | WaitingOn::KeepBlue
        | WaitingOn::Drain { .. }
        | WaitingOn::Deletion { .. } => (Outcome::Waiting, None),
    };
    Reconciled {
        outcome,
        plan: Some(plan),
        step: None,
        why,
    }
}

fn stepped(mut plan: Plan, write: Write, enacted: Enacted) -> Reconciled {
    let (outcome, why) = match &enacted {
        Enacted::Applied => (Outcome::Stepped, None),
        Enacted::ObserveOnly => (Outcome::ObserveOnly, None),
        Enacted::PlanAged(age) => (
            Outcome::PlanAged,
            Some(format!("the plan was {} ms old", age.as_millis())),
        ),
        Enacted::GuardRefused(violation) => {
            plan.report.waiting_on = WaitingOn::Hold(Hold::GuardRefused {
                violation: violation.to_string(),
            });
            plan.report.converged = false;
            (Outcome::GuardRefused, Some(violation.to_string()))
        }
        Enacted::Standby => (Outcome::Standby, None),
        Enacted::NoAuthority => (
            Outcome::NoAuthority,
            Some("the lease does not outlive the write".to_owned()),
        ),
        Enacted::Changed(why) => (Outcome::Changed, Some(why.clone())),
        Enacted::Unread(why) => (Outcome::Unread, Some(why.clone())),
        Enacted::NotSent(why) => (Outcome::NotSent, Some(why.clone())),
        Enacted::Refused(why) => {
            plan.report.waiting_on = WaitingOn::StepRefused {
                operation: write.operation(),
                reason: why.clone(),
            };
            (Outcome::Refused, Some(why.clone()))
        }
        Enacted::Unknown(why) => (Outcome::Unknown, Some(why.clone())),
    };
    Reconciled {
        outcome,
        plan: Some(plan),
        step: Some((write, enacted)),
        why,
    }
}

#[cfg(test)]
mod tests {
    use planner::lab::{Lab, Operator, application};
    use planner::safety::Violation;

    use super::*;

    #[test]
    fn a_step_that_aws_refuses_is_what_is_waited_for() {
        let mut lab = Lab::new(application());
        lab.wish("1.0.0");
        let plan = Operator::new(&lab).reconcile(&mut lab).unwrap();
        let name = "blog".to_owned();
        let refused = Enacted::Refused("DeleteService on blog failed (denied)".to_owned());
        let reconciled = stepped(plan, Write::DeleteService { name }, refused);
        let waiting_on = reconciled.plan.unwrap().report.waiting_on;
        assert_eq!(waiting_on.label(), "StepRefused");
        assert_eq!(
            waiting_on.message(),
            "AWS to take DeleteService, which it refused: DeleteService on blog failed (denied)"
        );
    }

    #[test]
    fn a_refusal_of_the_guard_is_a_hold_that_names_the_property() {
        let mut lab = Lab::new(application());
        lab.wish("1.0.0");
        let plan = Operator::new(&lab).reconcile(&mut lab).unwrap();
        let write = plan.step.clone().unwrap_or(Write::DeleteService {
            name: "blog".to_owned(),
        });
        let violation = Violation {
            property: "S4",
            message: "it serves".to_owned(),
        };
        let reconciled = stepped(plan, write, Enacted::GuardRefused(violation));
        assert_eq!(reconciled.outcome, Outcome::GuardRefused);
        let waiting_on = reconciled.plan.unwrap().report.waiting_on;
        assert_eq!(
            waiting_on,
            WaitingOn::Hold(Hold::GuardRefused {
                violation: "S4: it serves".to_owned()
            })
        );
    }
}
