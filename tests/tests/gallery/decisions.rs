//! Scenarios that are decisions and nothing else.

use std::time::Duration;

use planner::ablation::{Rule, Without};
use planner::lab::{Ending, Operator};
use planner::safety;
use planner::world::{ServiceStatus, Side};
use planner::{Plan, Write};

use crate::laboratory::{Bench, operator};

const BLUE: &str = "1.3.0";
const GREEN: &str = "1.4.0";

/// Back to 1.3.0 at every moment of the release of 1.4.0 in which blue was scaled down already and lives. Returns how
/// many moments there were, and how many of them came to rest.
fn aborted_late(off: &[Rule]) -> (usize, usize) {
    let mut bench = Bench::settled(2, off);
    bench.lab.wish(GREEN);
    let (mut moments, mut rested) = (0, 0);
    for _ in 0..150 {
        let asleep = bench.lab.services.iter().any(|service| {
            service.shown.desired == 0
                && service.shown.status == ServiceStatus::Active
                && service.shown.tags.version.as_deref() == Some(BLUE)
        });
        if asleep {
            let mut abort = bench.clone();
            abort.lab.wish(BLUE);
            moments += 1;
            rested += usize::from(abort.settles_on(BLUE, 300));
        }
        let _ = bench.step();
    }
    (moments, rested)
}

#[test]
fn gallery_g05_abort_after_blue_was_scaled_down() {
    let (moments, rested) = aborted_late(&[]);
    assert!(moments > 2, "{moments}");
    assert_eq!(rested, moments);
}

#[test]
fn gallery_g05_fails_without_scaling_back_up() {
    let (moments, rested) = aborted_late(&[Rule::CountFollows, Rule::Revive]);
    assert!(moments > 2, "{moments}");
    assert_eq!(
        rested, 0,
        "weights wait for health, health waits for a count"
    );
}

/// Blue has 1 of 4 tasks and half of the traffic when it is asked for again. Returns whether its share ever rose above
/// what its healthy tasks carry.
fn undersized(off: &[Rule]) -> bool {
    let mut bench = Bench::settled(4, &[]);
    bench.lab.wish(GREEN);
    assert!(bench.until(100, |_, lab| {
        lab.rules
            .iter()
            .all(|rule| planner::memory::weight(rule, Side::B) > 0)
    }));
    bench.lab.set_production([Some(50), Some(50)]);
    let blue = bench.name(BLUE).expect("it lives");
    bench.lab.scale(&blue, 1);
    bench.lab.wish(BLUE);
    bench.operator.tuning.without = Without::rules(off);
    let mut overloaded = false;
    for _ in 0..300 {
        let before = bench.weight(Side::A);
        let healthy = bench.lab.healthy(Side::A);
        let _ = bench.step();
        let share = bench.weight(Side::A);
        overloaded |= share > before && usize::try_from(share).unwrap() > healthy * 25;
    }
    assert_eq!(bench.versions(), [BLUE]);
    overloaded
}

#[test]
fn gallery_g07_weights_follow_capacity_on_the_way_back() {
    assert!(!undersized(&[]));
}

#[test]
fn gallery_g07_fails_without_capacity_on_the_way_back() {
    assert!(undersized(&[Rule::Capacity, Rule::Guard]));
}

/// How a stage is kept from ending.
#[derive(Debug, Clone, Copy)]
enum Stall {
    NeverHealthy,
    TestRuleRefused,
    ShiftRefused,
    NeverSteady,
    NeverDrained,
}

/// A release whose one stage does not end. Returns whether that ended, or was told, by two hours later.
fn stalled(stall: Stall, off: &[Rule]) -> bool {
    let mut bench = Bench::settled(2, off);
    bench.lab.wish(GREEN);
    let production = bench.lab.application.production().next();
    let production = production.expect("one").clone();
    let refuses = |write: &Write| match (stall, write) {
        (Stall::TestRuleRefused, Write::SetWeights { rule, .. }) => *rule != production,
        (Stall::ShiftRefused, Write::SetWeights { rule, weights, .. }) => {
            *rule == production && weights.get()[1].is_some_and(|weight| weight > 0)
        }
        (
            Stall::NeverHealthy
            | Stall::TestRuleRefused
            | Stall::ShiftRefused
            | Stall::NeverSteady
            | Stall::NeverDrained,
            _,
        ) => false,
    };
    if matches!(stall, Stall::NeverHealthy) {
        bench.lab.broken.insert(GREEN.to_owned());
    }
    let begun = bench.lab.now;
    let mut late = false;
    let told = |plan: &Plan, lab: &planner::lab::Lab| {
        let now = lab.wall(lab.now);
        plan.report.deadline.is_some_and(|deadline| deadline < now)
    };
    while bench.lab.now < begun + 7_200_000 {
        let green_serves = bench.weight(Side::B) > 0;
        for service in &mut bench.lab.services {
            let green = service.shown.tags.version.as_deref() == Some(GREEN);
            if green && green_serves && matches!(stall, Stall::NeverSteady) {
                service.shown.steady = false;
            }
        }
        if matches!(stall, Stall::NeverDrained) {
            let now = bench.lab.now;
            for (_, until) in &mut bench.lab.draining[0] {
                *until = now + 60_000;
            }
        }
        let plan = bench.step_refused(refuses).expect("the guard agrees");
        assert!(!bench.lab.loses_requests(), "{stall:?}");
        late |= told(&plan, &bench.lab);
        let (_, record) = bench.lab.record.as_ref().expect("a record");
        if let Some(rejection) = record.rejected.last() {
            assert!(
                rejection.reason.contains("did not end before its deadline"),
                "{rejection:?}"
            );
            return bench.settles_on(BLUE, 600);
        }
        if bench.versions() == [GREEN] {
            return false;
        }
    }
    late && matches!(stall, Stall::NeverDrained)
}

const STALLS: [Stall; 5] = [
    Stall::NeverHealthy,
    Stall::TestRuleRefused,
    Stall::ShiftRefused,
    Stall::NeverSteady,
    Stall::NeverDrained,
];

#[test]
fn gallery_g12_every_stage_has_a_deadline() {
    for stall in STALLS {
        assert!(stalled(stall, &[]), "{stall:?}");
    }
}

#[test]
fn gallery_g12_fails_without_deadlines() {
    for stall in STALLS {
        assert!(!stalled(stall, &[Rule::Deadlines]), "{stall:?}");
    }
}

/// An autoscaler sets blue to 1 of 2 before every look while traffic should go back to it. Returns whether blue got what
/// it can carry.
fn scaled_while_going_back(off: &[Rule]) -> bool {
    let mut bench = Bench::settled(2, off);
    bench.lab.wish(GREEN);
    assert!(bench.until(100, |_, lab| {
        lab.rules
            .iter()
            .all(|rule| planner::memory::weight(rule, Side::B) > 0)
    }));
    let blue = bench.name(BLUE).expect("it lives");
    bench.lab.wish(BLUE);
    for _ in 0..60 {
        bench.lab.scale(&blue, 1);
        let _ = bench.step();
        assert!(!bench.lab.loses_requests());
    }
    let share = bench.weight(Side::A) * 100 / (bench.weight(Side::A) + bench.weight(Side::B));
    // The autoscaler comes to rest.
    assert!(bench.settles_on(BLUE, 300), "{:?}", bench.versions());
    share >= 50
}

#[test]
fn gallery_g17_counts_and_traffic_converge_apart() {
    assert!(scaled_while_going_back(&[]));
}

#[test]
fn gallery_g17_fails_without_traffic_before_counts() {
    assert!(!scaled_while_going_back(&[Rule::TrafficFirst]));
}

/// Ten releases in a row. Returns whether each was created beside what served, on the group without traffic.
fn ten_releases(off: &[Rule]) -> bool {
    let mut bench = Bench::settled(2, off);
    let mut sides = Vec::new();
    for number in 4..14 {
        let version = format!("1.{number}.0");
        bench.lab.wish(&version);
        let mut clean = true;
        for _ in 0..150 {
            let before = [bench.weight(Side::A), bench.weight(Side::B)];
            let plan = bench.step();
            if let Some(Write::CreateService { side, .. }) = plan.step {
                clean &= before[side.index()] == 0;
                sides.push(side);
            }
        }
        if !clean || bench.versions() != [version.as_str()] {
            return false;
        }
    }
    let expected: Vec<Side> = [Side::B, Side::A].into_iter().cycle().take(10).collect();
    sides == expected
}

#[test]
fn gallery_g20_the_groups_alternate() {
    assert!(ten_releases(&[]));
}

#[test]
fn gallery_g20_fails_without_the_idle_side() {
    assert!(!ten_releases(&[
        Rule::IdleSide,
        Rule::EmptyGroupFirst,
        Rule::Guard
    ]));
}

/// An operator is frozen between each of its plans and the write; another one ends that release and makes two more.
/// Then the first thaws. Returns how many writes it would have sent, and how many of them would have done harm.
fn thawed(plan_age: Option<Duration>) -> (usize, usize) {
    let mut bench = Bench::settled(2, &[]);
    if let Some(age) = plan_age {
        bench.operator.tuning.plan_age = age;
        bench.operator.tuning.evidence_age = age;
    }
    bench.lab.wish(GREEN);
    let (mut frozen, mut sent, mut harmful) = (0, 0, 0);
    for _ in 0..120 {
        let world = bench.lab.observe();
        let now = bench.lab.clock();
        let Operator { memory, tuning, .. } = &mut bench.operator;
        memory.absorb(&world, tuning, now);
        let application = &bench.lab.application;
        let plan = planner::plan(application, &world, memory, tuning, now);
        let write = plan
            .step
            .filter(|write| !matches!(write, Write::PutRecord(_)));
        if let Some(write) = write {
            frozen += 1;
            let mut later = Bench {
                operator: operator(&bench.lab, &[]),
                lab: bench.lab.clone(),
            };
            for version in ["1.5.0", "1.6.0"] {
                later.lab.wish(version);
                assert_eq!(later.operator.run(&mut later.lab, 600), Ending::Settled);
            }
            let before = later.weight(Side::A);
            let thaw = later.lab.clock();
            if safety::check(application, &world, memory, tuning, &write, thaw).is_ok() {
                sent += 1;
                let _ = later.lab.apply(&write);
                let moved = later.weight(Side::A) != before;
                harmful += usize::from(moved || later.versions() != ["1.6.0"]);
            }
        }
        let _ = bench.step();
    }
    assert!(frozen > 5, "{frozen}");
    (sent, harmful)
}

#[test]
fn gallery_g32_a_plan_that_thaws_is_too_old() {
    assert_eq!(thawed(None), (0, 0));
}

#[test]
fn gallery_g32_fails_without_a_plans_age() {
    let (sent, harmful) = thawed(Some(Duration::from_secs(86_400)));
    assert!(sent > 0 && harmful > 0, "{harmful} of {sent}");
}
