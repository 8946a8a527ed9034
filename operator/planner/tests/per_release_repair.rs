//! Total repair (L6): from every syntactically possible world of a small model, not only the reachable ones, the
//! planner converges or holds with a reason, and every write on the way is one that the guard allows.
//!
//! The model: each group of the production rule unnamed or at weight 0, some or all; three releases, each absent or on
//! either side as scaled to zero, partly healthy, fully healthy, never healthy, or being deleted; the record missing,
//! right, wrong or of any stage; the middle release rejected or not; desired any of the three. With a group for each
//! release also: a side without a service is empty, or holds the template, a group of another release, or the group of
//! the desired one without its attributes; and a spare group stands in the rule.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test says so by failing"
)]

use std::collections::BTreeMap;
use std::time::Duration;

use crd_schema::record::{Record, Rejection, Release, Rollout, Stage};
use planner::lab::{Ending, Lab, Operator, application, desired, per_release};
use planner::world::{Action, Origin, Role, Side};

const VERSIONS: [&str; 3] = ["1.0.0", "2.0.0", "3.0.0"];
const WEIGHTS: [Option<u32>; 4] = [None, Some(0), Some(50), Some(100)];

#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    Absent,
    Zero(Side),
    Partly(Side),
    Healthy(Side),
    Broken(Side),
    Draining(Side),
}

const STATES: [State; 11] = [
    State::Absent,
    State::Zero(Side::A),
    State::Partly(Side::A),
    State::Healthy(Side::A),
    State::Broken(Side::A),
    State::Draining(Side::A),
    State::Zero(Side::B),
    State::Partly(Side::B),
    State::Healthy(Side::B),
    State::Broken(Side::B),
    State::Draining(Side::B),
];

#[derive(Debug, Clone, Copy, PartialEq)]
enum Written {
    Missing,
    Settled,
    Rollout(Stage),
    OfSomethingElse,
    Rejected,
}

const RECORDS: [Written; 9] = [
    Written::Missing,
    Written::Settled,
    Written::Rollout(Stage::ScaleUp),
    Written::Rollout(Stage::Shift),
    Written::Rollout(Stage::Bake),
    Written::Rollout(Stage::CleanUp),
    Written::Rollout(Stage::RollBack),
    Written::OfSomethingElse,
    Written::Rejected,
];

/// With a group for each release: what stands on the sides that have no service.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Vacant {
    Empty,
    Template,
    Stale,
    Wished,
    Spare,
}

const VACANT: [Vacant; 5] = [
    Vacant::Empty,
    Vacant::Template,
    Vacant::Stale,
    Vacant::Wished,
    Vacant::Spare,
];

#[derive(Debug, Clone, Copy)]
struct Start {
    /// None: a pair.
    vacant: Option<Vacant>,
    weights: [Option<u32>; 2],
    services: [State; 3],
    record: Written,
    desired: usize,
}

/// A quick application and quick polls: the same waits in fewer reconciles.
fn lab(start: &Start) -> (Lab, Operator) {
    let mut application = match start.vacant {
        None => application(),
        Some(_) => per_release(),
    };
    application.bake_time = Duration::from_secs(5);
    application.clean_up.settle = Duration::from_secs(5);
    application.deadlines.scale_up = Duration::from_secs(90);
    let mut lab = Lab::new(application);
    lab.advance(100_000);
    if start.vacant.is_some() {
        lab.empty_side(Side::A);
    }
    let mut releases = Vec::new();
    for (version, state) in VERSIONS.iter().zip(start.services) {
        let generation = lab.generation();
        let wanted =
            planner::release::wanted(&lab.application, generation, &desired(version)).unwrap();
        releases.push(Release {
            digest: wanted.digest,
            version: (*version).to_owned(),
            generation,
            task_definition: None,
        });
        let (side, count, broken) = match state {
            State::Absent => continue,
            State::Zero(side) => (side, 0, false),
            State::Partly(side) => (side, 1, false),
            State::Healthy(side) | State::Draining(side) => (side, 2, false),
            State::Broken(side) => (side, 2, true),
        };
        if broken {
            lab.broken.insert((*version).to_owned());
        }
        let name = lab.place(version, side, count, 0);
        let placed = lab.services.last_mut().unwrap();
        placed.shown.tags.generation = Some(generation);
        if let State::Draining(_) = state {
            lab.delete(&name);
        }
    }
    let wish = &releases[start.desired];
    if let Some(vacant) = start.vacant {
        vacate(&mut lab, vacant, wish);
    }
    for rule in lab.rules.iter_mut().filter(|rule| rule.role == Role::Test) {
        let first = lab.groups.iter().position(Option::is_some).unwrap_or(0);
        let mut weights = [None; 2];
        weights[first] = Some(100);
        rule.action = Action::Forward {
            weights,
            others: Vec::new(),
            sticky: false,
        };
    }
    lab.set_production(start.weights);
    if start.vacant == Some(Vacant::Spare)
        && let Action::Forward { others, .. } = &mut lab.rules[0].action
    {
        others.extend(lab.spares.iter().map(|spare| (spare.arn.clone(), 0)));
    }
    lab.desired = Some((wish.generation, desired(&wish.version)));
    let rollout = |release: &Release, stage: Stage| Rollout {
        release: release.clone(),
        stage,
        entered: BTreeMap::from([(stage, lab.wall(lab.now))]),
        reference: 2,
        step: None,
        gates: BTreeMap::new(),
        paused: None,
        deployment: None,
        base: Some("blog:1".to_owned()),
    };
    let mut record = Record {
        created: 1,
        ..Record::default()
    };
    match start.record {
        Written::Missing => {}
        Written::Settled => record.last_good = Some(releases[0].clone()),
        Written::Rollout(stage) => record.rollout = Some(rollout(wish, stage)),
        Written::OfSomethingElse => {
            let other = Release {
                digest: "0".repeat(16),
                version: "9.9.9".to_owned(),
                ..releases[1].clone()
            };
            record.rollout = Some(rollout(&other, Stage::Bake));
        }
        Written::Rejected => {
            record.last_good = Some(releases[0].clone());
            record.rejected.push(Rejection {
                generation: wish.generation,
                version: wish.version.clone(),
                reason: "it failed".to_owned(),
                aborted: false,
            });
        }
    }
    if start.record != Written::Missing {
        let generation = lab.generation();
        lab.record = Some((generation, record));
    }
    let mut operator = Operator::new(&lab);
    operator.tuning.poll_moving = Duration::from_secs(5);
    operator.tuning.ecs_staleness = Duration::from_secs(10);
    (lab, operator)
}

/// Fills the sides that no service is on; the last one stays empty where two are.
fn vacate(lab: &mut Lab, vacant: Vacant, wish: &Release) {
    let template = Lab::new(per_release()).groups[0].clone().unwrap();
    let (digest, created) = match vacant {
        Vacant::Wished => (wish.digest.clone(), 1),
        Vacant::Empty | Vacant::Template | Vacant::Stale | Vacant::Spare => ("0".repeat(16), 7),
    };
    let name = planner::release::group_name(&lab.application, &digest, wish.generation, created);
    let ours = |made_for: Side| planner::lab::LabGroup {
        arn: crd_schema::TargetGroupArn::new("tg-vacant"),
        origin: Origin::Ours { name: name.clone() },
        made_for,
        attributes: BTreeMap::new(),
    };
    if vacant == Vacant::Spare {
        lab.spares.push(ours(Side::A));
        return;
    }
    let Some(side) = Side::BOTH
        .into_iter()
        .find(|side| lab.groups[side.index()].is_none())
    else {
        return;
    };
    lab.groups[side.index()] = match vacant {
        Vacant::Empty | Vacant::Spare => None,
        Vacant::Template => Some(template),
        Vacant::Stale | Vacant::Wished => Some(ours(side)),
    };
}

/// `make nightly` asks for everything.
fn is_night() -> bool {
    std::env::var("TEAL_DOSE").is_ok_and(|dose| dose == "nightly")
}

fn starts() -> Vec<Start> {
    let mut starts = Vec::new();
    // A third service makes strays and third parties; it triples the sweep, which the nightly one can afford.
    let third: &[State] = if is_night() {
        &[
            State::Absent,
            State::Healthy(Side::B),
            State::Broken(Side::A),
        ]
    } else {
        &[State::Absent]
    };
    for a in WEIGHTS {
        for b in WEIGHTS {
            for one in STATES {
                for two in STATES {
                    for &three in third {
                        for record in RECORDS {
                            for desired in 0..3 {
                                let services = [one, two, three];
                                starts.push(Start {
                                    vacant: None,
                                    weights: [a, b],
                                    services,
                                    record,
                                    desired,
                                });
                            }
                        }
                    }
                }
            }
        }
    }
    starts
}

fn check(start: &Start) -> Result<String, String> {
    let (mut lab, mut operator) = lab(start);
    match operator.run(&mut lab, 1_500) {
        Ending::Settled => {
            let lost = lab.loses_requests();
            if lost {
                Err(format!("settled on a dead group: {:?}", lab.writes))
            } else {
                Ok("Settled".to_owned())
            }
        }
        Ending::Held(hold) if lab.loses_requests() => {
            Err(format!("holds on a dead group: {hold:?} {:?}", lab.writes))
        }
        Ending::Held(hold) => Ok(hold.label().to_owned()),
        Ending::Violated(violation) => Err(format!("{violation}; writes {:?}", lab.writes)),
        Ending::Wedged(last) => Err(format!("wedged at {last}; writes {:?}", lab.writes)),
    }
}

/// All of them, or in a usual run every 17th: a prime, so that each value of each part is met with each of the others.
fn starts_per_release() -> Vec<Start> {
    let step = if is_night() { 1 } else { 17 };
    let all = starts().into_iter().flat_map(|start| {
        VACANT.map(|vacant| Start {
            vacant: Some(vacant),
            ..start
        })
    });
    all.step_by(step).collect()
}

#[test]
fn every_syntactic_world_with_a_group_for_each_release_converges_or_holds_with_a_reason() {
    sweep(&starts_per_release());
}

fn sweep(starts: &[Start]) {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let results: Vec<(BTreeMap<String, usize>, Vec<String>, usize)> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|worker| {
                scope.spawn(move || {
                    let (mut endings, mut failures, mut failed) = (BTreeMap::new(), Vec::new(), 0);
                    for start in starts.iter().skip(worker).step_by(threads) {
                        match check(start) {
                            Ok(ending) => *endings.entry(ending).or_insert(0) += 1,
                            Err(why) => {
                                failed += 1;
                                if failures.len() < 5 {
                                    failures.push(format!("{start:?}: {why}"));
                                }
                            }
                        }
                    }
                    (endings, failures, failed)
                })
            })
            .collect();
        workers
            .into_iter()
            .map(|worker| worker.join().unwrap())
            .collect()
    });
    let mut endings = BTreeMap::new();
    let mut failures = Vec::new();
    let mut failed = 0;
    for (some, more, count) in results {
        some.into_iter()
            .for_each(|(ending, count)| *endings.entry(ending).or_insert(0) += count);
        failures.extend(more);
        failed += count;
    }
    println!("{} worlds: {endings:?}, failed {failed}", starts.len());
    assert!(
        failures.is_empty(),
        "{failed} worlds fail, among them:\n{}",
        failures.join("\n")
    );
    // Worlds that only a person can make, and only a person can unmake.
    let count = |ending: &str| endings.get(ending).copied().unwrap_or(0);
    let by_person = ["SharedGroup", "RuleNamesNeitherGroup", "RuleUnusable"].map(count);
    let repairable = starts.len() - by_person.iter().sum::<usize>();
    assert!(
        count("Settled") * 5 > repairable * 4,
        "most worlds are repaired: {endings:?}"
    );
}
