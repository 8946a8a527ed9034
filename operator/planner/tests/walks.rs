//! Random walks: releases with people, crashes, lost answers and stale reads in between, then a quiet tail in which
//! everything must come to an end.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test says so by failing"
)]

use crd_schema::Application;
use planner::lab::{Ending, Lab, Operator, application, per_release, two_routes};
use planner::memory::WriteOutcome;
use planner::time::Mono;
use planner::world::{Action, Side};
use planner::{Plan, plan, safety};
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Act {
    /// This many reconciles.
    Reconcile(u8),
    /// A new wish.
    Wish(u8),
    /// A person sets the production weights.
    Weights(Option<u32>, Option<u32>),
    /// A person or autoscaling sets the count of the n-th service.
    Scale(u8, u32),
    /// A person deletes the n-th service.
    Delete(u8),
    /// A release stops passing its health checks, or passes them again.
    Break(u8, bool),
    /// The same on the second route alone.
    Ill(u8, bool),
    /// A person sets the weights of the n-th rule.
    Rule(u8, u32, u32),
    /// The operator is killed and started again.
    Crash,
    /// The next write happens and its answer is lost, or it is lost before it happens.
    LostAnswer(bool),
    /// The record vanishes.
    LoseRecord,
    /// Time passes without the operator.
    Sleep(u32),
}

const VERSIONS: [&str; 3] = ["1.3.0", "1.4.0", "1.5.0"];

fn act() -> impl Strategy<Value = Act> {
    let weight = prop_oneof![Just(None), Just(Some(0)), Just(Some(30)), Just(Some(100))];
    prop_oneof![
        8 => (1..40_u8).prop_map(Act::Reconcile),
        3 => (0..3_u8).prop_map(Act::Wish),
        1 => (weight.clone(), weight).prop_filter("ELB refuses an empty forward", |(a, b)| a.is_some() || b.is_some()).prop_map(|(a, b)| Act::Weights(a, b)),
        1 => (0..3_u8, 0..4_u32).prop_map(|(n, count)| Act::Scale(n, count)),
        1 => (0..3_u8).prop_map(Act::Delete),
        1 => (0..3_u8, any::<bool>()).prop_map(|(n, broken)| Act::Break(n, broken)),
        1 => Just(Act::Crash),
        2 => any::<bool>().prop_map(Act::LostAnswer),
        1 => Just(Act::LoseRecord),
        1 => (1_000..400_000_u32).prop_map(Act::Sleep),
    ]
}

/// What can happen where there are two routes.
fn act_on_routes() -> impl Strategy<Value = Act> {
    let weight = prop_oneof![Just(0_u32), Just(30), Just(100)];
    prop_oneof![
        12 => act(),
        2 => (0..3_u8, any::<bool>()).prop_map(|(n, ill)| Act::Ill(n, ill)),
        1 => (0..3_u8, weight.clone(), weight).prop_map(|(n, a, b)| Act::Rule(n, a, b)),
    ]
}

fn nth(lab: &Lab, n: u8) -> Option<String> {
    lab.services
        .get(usize::from(n))
        .map(|service| service.shown.name.clone())
}

fn restart(lab: &Lab, operator: &Operator) -> Operator {
    let mut fresh = Operator::new(lab);
    fresh.memory.clean_start = None;
    fresh.tuning = operator.tuning;
    fresh
}

/// One reconcile whose write gets no answer.
fn lose_an_answer(lab: &mut Lab, operator: &mut Operator, happens: bool) {
    let world = lab.observe();
    let now = lab.clock();
    operator.memory.absorb(&world, &operator.tuning, now);
    let plan: Plan = plan(
        &lab.application,
        &world,
        &operator.memory,
        &operator.tuning,
        now,
    );
    let Some(write) = &plan.step else { return };
    safety::check(
        &lab.application,
        &world,
        &operator.memory,
        &operator.tuning,
        write,
        now,
    )
    .expect("the guard agrees");
    operator.memory.sending(write, &operator.tuning, now);
    if happens {
        let _ = lab.apply(write);
    }
    lab.advance(10_000);
    let outcome = WriteOutcome::Unknown {
        reason: "timeout".to_owned(),
    };
    operator
        .memory
        .note(write, &outcome, &operator.tuning, lab.clock());
}

fn walk(acts: &[Act], application: Application) -> Result<(), TestCaseError> {
    let mut lab = Lab::new(application);
    lab.advance(100_000);
    lab.place("1.3.0", Side::A, 2, 0);
    lab.wish("1.3.0");
    let mut operator = Operator::new(&lab);
    for act in acts {
        match act {
            Act::Reconcile(times) => {
                for _ in 0..*times {
                    if let Err(violation) = operator.reconcile(&mut lab) {
                        return Err(TestCaseError::fail(format!(
                            "{violation}; writes {:#?}",
                            lab.writes
                        )));
                    }
                }
            }
            Act::Wish(n) => lab.wish(VERSIONS[usize::from(*n)]),
            Act::Weights(a, b) => {
                // ELB refuses a forward that names no group.
                let named = |weight: &Option<u32>, side: Side| {
                    weight.is_some() && lab.groups[side.index()].is_some()
                };
                if named(a, Side::A) || named(b, Side::B) {
                    lab.set_production([*a, *b]);
                }
            }
            Act::Scale(n, count) => {
                if let Some(name) = nth(&lab, *n) {
                    lab.scale(&name, *count);
                }
            }
            Act::Delete(n) => {
                if let Some(name) = nth(&lab, *n) {
                    lab.delete(&name);
                }
            }
            Act::Break(n, broken) => {
                let version = VERSIONS[usize::from(*n)].to_owned();
                if *broken {
                    lab.broken.insert(version);
                } else {
                    lab.broken.remove(&version);
                }
            }
            Act::Ill(n, ill) => {
                let version = (1, VERSIONS[usize::from(*n)].to_owned());
                if *ill {
                    lab.ill.insert(version);
                } else {
                    lab.ill.remove(&version);
                }
            }
            Act::Rule(n, a, b) => {
                lab.rules[usize::from(*n)].action = Action::Forward {
                    weights: [Some(*a), Some(*b)],
                    others: Vec::new(),
                    sticky: false,
                };
            }
            Act::Crash => operator = restart(&lab, &operator),
            Act::LostAnswer(happens) => lose_an_answer(&mut lab, &mut operator, *happens),
            Act::LoseRecord => lab.record = None,
            Act::Sleep(ms) => lab.advance(u64::from(*ms)),
        }
    }
    let writes = lab.writes.len();
    // The quiet tail.
    match operator.run(&mut lab, 3_000) {
        Ending::Settled | Ending::Held(_) => {}
        ending @ (Ending::Violated(_) | Ending::Wedged(_)) => {
            return Err(TestCaseError::fail(format!(
                "{ending:?}; writes {:#?}",
                lab.writes
            )));
        }
    }
    prop_assert!(
        !lab.loses_requests(),
        "ends on a dead group: {:#?}",
        lab.writes
    );
    // S12: a bound on the writes that convergence takes: two rollouts' worth for whatever was on its way.
    let (rules, leftovers) = (lab.rules.len(), 3);
    // A group for each release adds its creation, its attributes, its leaving each rule, and its end.
    let groups = 2 * (rules + 3);
    let bound = 2 * (6 * leftovers + rules * 4 + 8 + groups);
    let taken = lab.writes.len() - writes;
    prop_assert!(
        taken <= bound,
        "{taken} writes to converge, at most {bound}: {:#?}",
        lab.writes
    );
    Ok(())
}

proptest! {
    #[test]
    fn whatever_happens_the_guard_agrees_and_it_ends(acts in prop::collection::vec(act(), 1..25)) {
        walk(&acts, application())?;
    }

    #[test]
    fn it_is_so_with_a_group_for_each_release_too(acts in prop::collection::vec(act(), 1..25)) {
        walk(&acts, per_release())?;
    }

    #[test]
    fn it_is_so_with_two_routes_too(acts in prop::collection::vec(act_on_routes(), 1..25)) {
        walk(&acts, two_routes())?;
    }

    #[test]
    fn the_same_arguments_give_the_same_plan(reconciles in 0..200_usize) {
        let mut lab = Lab::new(application());
        lab.wish("1.3.0");
        let mut operator = Operator::new(&lab);
        for _ in 0..reconciles {
            let _ = operator.reconcile(&mut lab).expect("the guard agrees");
        }
        let world = lab.observe();
        operator.memory.absorb(&world, &operator.tuning, lab.clock());
        let one = plan(&lab.application, &world, &operator.memory, &operator.tuning, lab.clock());
        let two = plan(&lab.application, &world, &operator.memory, &operator.tuning, lab.clock());
        prop_assert_eq!(one, two);
    }

    #[test]
    fn unknown_is_unsafe(part in 0..6_usize, reconciles in 0..60_usize) {
        let mut lab = Lab::new(per_release());
        lab.advance(100_000);
        lab.place("1.3.0", Side::A, 2, 0);
        lab.wish("1.4.0");
        let mut operator = Operator::new(&lab);
        for _ in 0..reconciles {
            let _ = operator.reconcile(&mut lab).expect("the guard agrees");
        }
        let mut world = lab.observe();
        let reason = "throttled: Rate exceeded".to_owned();
        match part {
            0 => world.services = planner::Read::Unread { reason },
            1 => world.rules = planner::Read::Unread { reason },
            2 => world.groups[0] = planner::Read::Unread { reason },
            3 => world.groups[1] = planner::Read::Unread { reason },
            4 => world.own = planner::Read::Unread { reason },
            _ => {
                world.record = planner::Read::Unread { reason: reason.clone() };
                world.desired = planner::Read::Unread { reason };
                operator.memory = planner::Memory::new(Mono(lab.now));
            }
        }
        operator.memory.absorb(&world, &operator.tuning, lab.clock());
        let plan = plan(&lab.application, &world, &operator.memory, &operator.tuning, lab.clock());
        prop_assert_eq!(plan.step, None);
        prop_assert_eq!(plan.report.waiting_on.label(), "Observation");
    }
}
