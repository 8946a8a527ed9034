//! Negative controls: each fence and each rule of the planner switched off, and the violation that is then found. A
//! search that found nothing here would be worth nothing in `shipped.rs`.
//!
//! Where the planner and the guard hold the same line, the guard alone stops the write (`guard`), and with the guard
//! switched off too the property itself breaks on what is true.

#![allow(missing_docs, reason = "tests say what they do")]

use crd_schema::GateName;
use crd_schema::record::Stage;
use crd_schema::strategy::{Share, Step};
use model::report::{self, Dose};
use model::setup::{Setup, Stale, Start, faults, ticks};
use planner::ablation::Rule;

/// Finds that `property` does not hold.
fn breaks(setup: Setup, property: &str) {
    report::breaks(setup, property, Dose::of(100_000));
}

/// The guard stops it; without the guard `property` breaks.
fn guarded(setup: &Setup, rule: Rule, property: &str) {
    breaks(setup.clone().without(&[rule]), "guard");
    breaks(setup.clone().without(&[rule, Rule::Guard]), property);
}

/// Blue on A and green on B, both healthy, with these weights; green is desired.
fn both(a: u32, b: u32) -> Setup {
    Setup::new(0).start(Start::Both([Some(a), Some(b)]))
}

fn one_wish(a: u32, b: u32) -> Setup {
    Setup {
        wishes: 1,
        ..both(a, b)
    }
}

fn bad_release(wishes: u8) -> Setup {
    Setup {
        broken: vec![1],
        ..Setup::new(wishes)
    }
}

fn two_operators() -> Setup {
    Setup {
        operators: 2,
        lease: true,
        ..Setup::new(1)
    }
}

#[test]
fn authority() {
    let setup = two_operators().faults(faults(2, |f| f.pause = 1));
    breaks(setup.without(&[Rule::Authority]), "S16");
}

#[test]
fn barrier_of_the_load_balancer() {
    let stale = Stale {
        elb: true,
        ..Stale::default()
    };
    // Its own write looks like somebody else's, and so nobody knows what to do any more.
    breaks(
        Setup::new(1).stale(stale).without(&[Rule::BarrierElb]),
        "L1",
    );
}

#[test]
fn capacity() {
    guarded(&bad_release(1), Rule::Capacity, "S2");
}

#[test]
fn drain_timer() {
    guarded(&one_wish(100, 0), Rule::DrainTimer, "S4");
}

#[test]
fn drain_wait() {
    guarded(&both(0, 100), Rule::DrainWait, "S5");
}

#[test]
fn empty_group_first() {
    let setup = both(50, 50).faults(faults(2, |f| f.person = 1));
    breaks(setup.without(&[Rule::EmptyGroupFirst]), "S2");
}

#[test]
fn fall_back() {
    let setup = bad_release(1).faults(faults(2, |f| f.person = 1));
    breaks(setup.without(&[Rule::FallBack]), "L1");
}

#[test]
fn gates() {
    let before = Setup::new(1).gate("smoke", Some(Stage::Shift));
    breaks(before.without(&[Rule::Gates]), "S17");
    let half = Step::SetWeight(Share::of(1, 2));
    let gate = Step::Gate(GateName::new("smoke"));
    let at_step = Setup::new(1).steps([half, gate]).gate("smoke", None);
    breaks(at_step.without(&[Rule::Gates]), "S17");
}

#[test]
fn freezes() {
    let frozen = Setup::new(1).faults(faults(2, |f| f.freeze = 1));
    breaks(frozen.without(&[Rule::Freeze]), "Freeze");
}

#[test]
fn alarms_and_analyses() {
    let says = |setup: Setup| setup.faults(faults(2, |f| f.says = 1));
    let alarm = says(Setup::new(1).alarm());
    breaks(alarm.without(&[Rule::Watches]), "S17");
    let half = Step::SetWeight(Share::of(1, 2));
    let analysis = says(Setup::new(1).steps([half]).analysis());
    breaks(analysis.without(&[Rule::Watches]), "S17");
}

#[test]
fn scale_in_waits() {
    guarded(&Setup::new(1).autoscaled(), Rule::ScaleInWaits, "S18");
}

#[test]
fn scaling_moves() {
    guarded(&Setup::new(1).autoscaled(), Rule::ScalingMoves, "S18");
}

#[test]
fn look_again() {
    let setup = Setup {
        wishes: 1,
        ..both(100, 0).faults(faults(2, |f| f.person = 1))
    };
    breaks(setup.without(&[Rule::LookAgain]), "S4");
}

#[test]
fn new_name() {
    let setup = Setup::new(1).faults(faults(2, |f| f.person = 1));
    guarded(&setup, Rule::NewName, "S10");
}

#[test]
fn newest_desired() {
    let stale = Stale {
        ssm: true,
        ..Stale::default()
    };
    let setup = Setup {
        wishes: 2,
        ..both(100, 0)
    };
    breaks(setup.stale(stale).without(&[Rule::NewestDesired]), "S13");
}

#[test]
fn panic_repair() {
    let setup = both(50, 50).faults(faults(2, |f| f.flip = 1));
    breaks(setup.without(&[Rule::PanicRepair]), "L2");
}

#[test]
fn reference_first() {
    let setup = Setup::new(1).start(Start::Empty);
    breaks(setup.without(&[Rule::ReferenceFirst]), "L1");
}

#[test]
fn rejection_in_the_record() {
    breaks(bad_release(1).without(&[Rule::RejectionRecord]), "L1");
}

#[test]
fn start_wait() {
    let setup = Setup::new(1).faults(faults(2, |f| {
        f.unanswered = 1;
        f.restart = 1;
    }));
    breaks(setup.without(&[Rule::StartWait]), "S7");
}

#[test]
fn strays() {
    let setup = Setup::new(0).start(Start::Shared);
    breaks(setup.without(&[Rule::Strays]), "L1");
}

#[test]
fn supersede_first() {
    let setup = Setup {
        wishes: 1,
        ..both(50, 50)
    };
    breaks(setup.without(&[Rule::SupersedeFirst]), "L1");
}

#[test]
fn two_readings() {
    let setup = both(100, 0).faults(faults(2, |f| f.flip = 2));
    breaks(setup.without(&[Rule::TwoReadings]), "S2");
}

#[test]
fn age_of_plans_and_evidence() {
    let setup = both(100, 0).faults(faults(2, |f| f.flip = 1));
    let setup = setup.tuning(|tuning| {
        tuning.plan_age = ticks(100);
        tuning.evidence_age = ticks(100);
    });
    breaks(setup, "S2");
}

#[test]
fn quiescence() {
    let setup = Setup::new(1).faults(faults(2, |f| f.unanswered = 1));
    breaks(setup.tuning(|tuning| tuning.quiescence = ticks(0)), "S7");
}

#[test]
fn settle_time() {
    // Nodes of the load balancer that lag for longer than is waited.
    let setup = Setup {
        lag: 2,
        ..one_wish(100, 0)
    };
    breaks(setup, "S4");
}

#[test]
fn own_tasks() {
    let stale = Stale {
        health: true,
        ..Stale::default()
    };
    let setup = both(100, 0)
        .faults(faults(2, |f| f.person = 1))
        .stale(stale);
    breaks(setup.without(&[Rule::OwnTasks]), "guard");
}

#[test]
fn reject_the_dead() {
    let setup = both(100, 0).faults(faults(2, |f| f.flip = 2));
    breaks(setup.without(&[Rule::RejectTheDead]), "S13");
}

#[test]
fn revive() {
    let setup = Setup {
        broken: vec![1],
        ..both(100, 0).faults(faults(2, |f| f.person = 1))
    };
    breaks(setup.without(&[Rule::Revive]), "L2");
}

#[test]
fn weightless_repair() {
    let setup = Setup {
        broken: vec![1],
        ..both(0, 0)
    };
    breaks(setup.without(&[Rule::WeightlessRepair]), "L2");
}

#[test]
fn lease() {
    let setup = Setup {
        operators: 2,
        ..one_wish(0, 100).faults(faults(2, |f| f.unanswered = 1))
    };
    breaks(setup, "S7");
}

#[test]
fn long_quiescence_before_deletions() {
    let setup = Setup {
        late: 3,
        ..one_wish(0, 100).faults(faults(2, |f| f.unanswered = 1))
    };
    breaks(
        setup.tuning(|tuning| tuning.quiescence_destructive = ticks(2)),
        "S7",
    );
}
