//! Total repair (L6): from every syntactically possible world, not only the reachable ones, the planner converges or
//! holds with a reason, every write on the way is safe on what is true, and no more are needed than S12 says.
//!
//! Each group of the production rule unnamed or at weight 0, some or all; three releases, each absent or on either side
//! as scaled to zero, partly healthy, fully healthy, never healthy, or being deleted; the record missing, of any stage,
//! of something else, or with a rejection; desired any of the three. Of those with traffic in steps one in so many: a
//! rollout of any stage stands at any step, is paused, or was until just now. The same for gates, verbs and freezes.

#![allow(missing_docs, reason = "tests say what they do")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use crd_schema::GateName;
use crd_schema::record::{GateRun, Record, Rejection, Release, Rollout, Stage, StepProgress};
use crd_schema::strategy::{Share, Step, Strategy};
use jiff::Timestamp;
use model::account::{Account, wall};
use model::fair::{Known, most_writes};
use model::gates::Says;
use model::report::thorough;
use model::search::Verb;
use model::setup::{Setup, Start, VERSIONS};
use model::state::State;
use planner::Side;
use planner::world::ServiceStatus;

const WEIGHTS: [Option<u32>; 4] = [None, Some(0), Some(50), Some(100)];

#[derive(Debug, Clone, Copy, PartialEq)]
enum Runs {
    Absent,
    Zero(Side),
    Partly(Side),
    Healthy(Side),
    Broken(Side),
    Draining(Side),
}

const RUNS: [Runs; 11] = [
    Runs::Absent,
    Runs::Zero(Side::A),
    Runs::Partly(Side::A),
    Runs::Healthy(Side::A),
    Runs::Broken(Side::A),
    Runs::Draining(Side::A),
    Runs::Zero(Side::B),
    Runs::Partly(Side::B),
    Runs::Healthy(Side::B),
    Runs::Broken(Side::B),
    Runs::Draining(Side::B),
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

/// One world, by its number.
#[derive(Debug, Clone, Copy)]
struct World {
    services: [Runs; 3],
    weights: [Option<u32>; 2],
    record: Written,
    desired: usize,
    /// Which step is written down.
    step: Option<u32>,
    /// It is written down as paused, and people hold it still.
    paused: [bool; 2],
    /// Application Auto Scaling knows it, and its scale-in is suspended.
    scaled: [Option<bool>; 3],
    /// What the record says of how people had scale-in.
    scale_in: Option<bool>,
    /// What alarms, analyses and gates say.
    says: Says,
    /// Each release tells which one it was created beside.
    beside: bool,
    /// Every gate was begun, and has passed.
    gates: Option<bool>,
    /// What a person has asked for, of which wish.
    asked: Option<(Verb, i64)>,
    /// A freeze goes on.
    frozen: bool,
    /// One of the services is being updated, or has just been.
    updated: Option<Updated>,
}

/// A person, or a strategy that has changed, updates a service in place.
#[derive(Debug, Clone, Copy)]
struct Updated {
    /// The last of several, or the first.
    last: bool,
    /// To which release.
    to: usize,
    /// ECS has had the time to end the deployment.
    over: bool,
}

/// Half of the traffic until a person promotes, and everything.
fn steps() -> [Step; 2] {
    let half = Share::tenths(500).unwrap_or_default();
    [Step::SetWeight(half), Step::Pause(None)]
}

/// Coprime to everything that a world is made of.
const SLICE: usize = 13;
/// The same, for fewer of them.
const THIN: usize = 53;

const WORLDS: usize = RUNS.len() * RUNS.len() * RUNS.len() * 16 * RECORDS.len() * 3;

impl World {
    fn number(n: usize) -> Self {
        let (n, desired) = (n / 3, n % 3);
        let (n, record) = (n / RECORDS.len(), n % RECORDS.len());
        let (n, a) = (n / 4, n % 4);
        let (n, b) = (n / 4, n % 4);
        let (n, one) = (n / RUNS.len(), n % RUNS.len());
        let (three, two) = (n / RUNS.len(), n % RUNS.len());
        Self {
            services: [RUNS[one], RUNS[two], RUNS[three]],
            weights: [WEIGHTS[a], WEIGHTS[b]],
            record: RECORDS[record],
            desired,
            step: None,
            paused: [false; 2],
            scaled: [None; 3],
            scale_in: None,
            says: Says::Well,
            beside: false,
            gates: None,
            asked: None,
            frozen: false,
            updated: None,
        }
    }

    /// The n-th of those that are updated in place.
    fn updated(self, n: usize) -> Self {
        let to = [None, Some(0), Some(1), Some(2)][n % 4];
        let updated = to.map(|to| Updated {
            last: (n / 8).is_multiple_of(2),
            to,
            over: (n / 4).is_multiple_of(2),
        });
        Self { updated, ..self }
    }

    /// The n-th of those with traffic in steps.
    fn stepped(n: usize) -> Self {
        let step = u32::try_from(n % 4).ok().filter(|step| *step < 3);
        let phase = n / 4 % 3;
        let paused = [phase > 0, phase > 1];
        Self {
            step,
            paused,
            ..Self::number(n * SLICE)
        }
    }

    /// The n-th of those with gates everywhere, and with a smaller green.
    fn gated(n: usize) -> Self {
        let world = Self::number(n * SLICE);
        // Where everything went to green, the steps are over.
        let over = matches!(world.record, Written::Rollout(Stage::Bake | Stage::CleanUp));
        let step = [None, Some(1), Some(2), Some(3)][n % 4];
        Self {
            step: if over { Some(3) } else { step },
            gates: [None, Some(false), Some(true)][n / 4 % 3],
            says: Says::ALL[n / 12 % 3],
            beside: true,
            ..world
        }
    }

    /// The n-th of those in which a person has asked for something, of this wish or another one, or a freeze goes on.
    fn asked(n: usize) -> Self {
        let verbs = [Verb::Abort, Verb::PromoteFull, Verb::Promote(1)];
        let asked = verbs
            .get(n / 4 % 4)
            .map(|verb| (*verb, 1 + (n / 16 % 3) as i64));
        Self {
            asked,
            frozen: (n / 48).is_multiple_of(2),
            ..Self::stepped(n)
        }
    }

    /// The n-th of those in which services are autoscaled.
    fn scaled(n: usize) -> Self {
        let state = |n: usize| [None, Some(false), Some(true)][n % 3];
        Self {
            scaled: [state(n), state(n / 3), state(n / 9)],
            scale_in: state(n / 27),
            ..Self::number(n * THIN)
        }
    }

    /// Which releases never pass a health check, as bits.
    fn broken(self) -> usize {
        let broken = |n: &usize| matches!(self.services[*n], Runs::Broken(_));
        (0..3).filter(broken).map(|n| 1 << n).sum()
    }

    fn state(self, setup: &Arc<Setup>) -> State {
        let mut account = Account::new(setup);
        if !setup.application.is_worker() {
            account.set_weights(setup, 0, self.weights);
        }
        let (mut deleted, mut before) = (Vec::new(), None::<String>);
        for (n, runs) in self.services.into_iter().enumerate() {
            let (side, count) = match runs {
                Runs::Absent => continue,
                Runs::Zero(side) => (side, 0),
                Runs::Partly(side) => (side, 1),
                Runs::Healthy(side) | Runs::Draining(side) | Runs::Broken(side) => (side, 2),
            };
            let name = account.place(setup, n, side, count);
            account.set_scaled(setup, &name, self.scaled[n]);
            if let Some(blue) = before.filter(|_| self.beside) {
                account.set_blue(setup, &name, &blue);
            }
            before = Some(name.clone());
            if let Runs::Draining(_) = runs {
                deleted.push(name);
            }
        }
        account.tick(setup);
        account.tick(setup);
        for name in deleted {
            account.delete(setup, &name);
        }
        if let Some(updated) = self.updated
            && let Some(name) = live(&account, updated.last)
        {
            let (to, _) = account.register(setup, updated.to);
            account.update(setup, &name, &to);
            if updated.over {
                account.tick(setup);
                account.tick(setup);
            }
        }
        let record = record(setup, self, account.now);
        let rollout = record.as_ref().and_then(|record| record.rollout.as_ref());
        let runs = rollout.map(|rollout| (&rollout.release.version, &rollout.gates));
        let passed = runs.into_iter().flat_map(|(version, gates)| {
            let passed = gates.iter().filter(|(_, run)| run.passed);
            passed.map(|(place, _)| (version.clone(), place.clone()))
        });
        let passed = passed.collect();
        account.desire(self.desired, record);
        account.ask(setup, |intents| {
            intents.paused = self.paused[1];
            if let Some((verb, wish)) = self.asked {
                verb.asks(Setup::generation(wish), false, intents);
            }
        });
        account.forget();
        let mut state = State::new(setup, account);
        state.says = self.says;
        state.frozen = self.frozen.then(|| Arc::new(setup.in_freeze()));
        state.past.passed = passed;
        state
    }
}

/// The first or the last service that is there and not being deleted.
fn live(account: &Account, last: bool) -> Option<String> {
    let shown = account.present().map(|service| &service.shown);
    let mut live = shown.filter(|shown| shown.status == ServiceStatus::Active);
    let found = if last { live.last() } else { live.next() };
    found.map(|one| one.name.clone())
}

/// What the record says in this world.
fn record(setup: &Setup, world: World, now: u64) -> Option<Record> {
    let release = |n: usize| {
        let wanted = setup.wanted(n, Setup::generation(i64::try_from(n).unwrap_or(0) + 1));
        Release {
            digest: wanted.digest,
            version: wanted.version,
            generation: wanted.generation,
            task_definition: None,
        }
    };
    let wish = release(world.desired);
    let rollout = |release: Release, stage: Stage| Rollout {
        release,
        stage,
        entered: BTreeMap::from([(stage, wall(now))]),
        reference: 2,
        step: world.step.map(|index| StepProgress {
            index,
            since: wall(now),
        }),
        gates: gates(setup, world, wall(now)),
        paused: world.paused[0].then(|| wall(now)),
        deployment: None,
        base: Some("blog:1".to_owned()),
    };
    let mut record = Record {
        scale_in_suspended: world.scale_in,
        created: 1,
        ..Record::default()
    };
    match world.record {
        Written::Missing => return None,
        Written::Settled => record.last_good = Some(release(0)),
        Written::Rollout(stage) => record.rollout = Some(rollout(wish, stage)),
        Written::OfSomethingElse => {
            let other = Release {
                digest: "0".repeat(16),
                version: "9.9.9".to_owned(),
                ..release(1)
            };
            record.rollout = Some(rollout(other, Stage::Bake));
        }
        Written::Rejected => {
            record.last_good = Some(release(0));
            record.rejected.push(Rejection {
                generation: wish.generation,
                version: wish.version,
                reason: "it failed".to_owned(),
                aborted: false,
            });
        }
    }
    Some(record)
}

/// Every gate, wherever it stands, was begun. What stands before what is written down has passed.
fn gates(setup: &Setup, world: World, began: Timestamp) -> BTreeMap<String, GateRun> {
    let step = world.step.and_then(|step| usize::try_from(step).ok());
    let over = |before: Stage| {
        let Written::Rollout(stage) = world.record else {
            return false;
        };
        stage != Stage::RollBack && stage >= before
    };
    let steps = setup.application.strategy.steps.iter().enumerate();
    let at_step = steps.filter_map(|(n, what)| {
        let Step::Gate(name) = what else {
            return None;
        };
        let over = over(Stage::Bake) || step.is_some_and(|at| at > n);
        Some((GateRun::place(name, Some(n)), over))
    });
    let gates = setup.application.gates.iter();
    let before = gates.filter_map(|(name, gate)| Some((name, gate.before?)));
    let before = before.map(|(name, stage)| (GateRun::place(name, None), over(stage)));
    let run = |(place, over): (String, bool)| {
        let passed = if over { Some(true) } else { world.gates };
        Some((
            place,
            GateRun {
                began,
                passed: passed?,
            },
        ))
    };
    at_step.chain(before).filter_map(run).collect()
}

/// The setup in which these releases never pass a health check.
fn setup(broken: usize, steps: &[Step]) -> Setup {
    let setup = Setup::new(0)
        .steps(steps)
        .start(Start::Anything)
        .application(|application| application.template.desired_count = 2);
    Setup {
        broken: (0..VERSIONS.len())
            .filter(|n| broken & 1 << n != 0)
            .collect(),
        ..setup
    }
}

/// With every run of the tests one world in so many; every one of them with `TEAL_DOSE=full` or `nightly`.
fn step() -> usize {
    if thorough() { 1 } else { 17 }
}

/// Every one of so many worlds converges or holds with a reason. Returns how many of the writes that S12 allows no world
/// needed.
fn all_converge(
    setup: impl Fn(usize) -> Setup,
    worlds: usize,
    world: impl Fn(usize) -> World + Sync,
) -> usize {
    let began = Instant::now();
    let setups = (0..8).map(|broken| Arc::new(setup(broken)));
    let known: Vec<(Arc<Setup>, Known)> = setups.map(|s| (s, Known::default())).collect();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let look = |thread: usize| {
        let (mut wrong, mut count) = (Vec::new(), 0);
        for n in (thread..worlds).step_by(threads) {
            let world = world(n);
            let (setup, known) = &known[world.broken()];
            if let Some(what) = known.ends(&world.state(setup)) {
                count += 1;
                if wrong.len() < 5 {
                    wrong.push(format!("{world:?}: {}: {}", what.property, what.what));
                }
            }
        }
        (wrong, count)
    };
    let found: Vec<(Vec<String>, usize)> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads)
            .map(|n| {
                let look = &look;
                scope.spawn(move || look(n))
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_default())
            .collect()
    });
    let failed: usize = found.iter().map(|(_, count)| count).sum();
    let wrong: Vec<String> = found.into_iter().flat_map(|(wrong, _)| wrong).collect();
    let mut rests: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, known) in &known {
        for (rest, count) in known.rests() {
            *rests.entry(rest).or_default() += count;
        }
    }
    let most = known.iter().map(|(_, known)| known.most_writes()).max();
    let most = most.unwrap_or(0);
    println!(
        "{worlds} worlds in {:.1} s, {failed} fail, at most {most} writes; where they come to rest: {rests:?}",
        began.elapsed().as_secs_f32()
    );
    assert!(
        wrong.is_empty(),
        "{failed} worlds fail, among them:\n{}",
        wrong.join("\n")
    );
    most_writes(&known[0].0).saturating_sub(most)
}

#[test]
fn every_syntactic_world_converges_or_holds_with_a_reason() {
    let step = step();
    let world = |n: usize| World::number(n * step);
    let unneeded = all_converge(|broken| setup(broken, &[]), WORLDS / step, world);
    let few = if thorough() { 0 } else { 2 };
    assert!(
        unneeded <= few,
        "S12 is looser than it has to be: {unneeded}"
    );
}

#[test]
fn worlds_with_traffic_in_steps_do_too() {
    let step = step();
    let stepped = |broken| setup(broken, &steps());
    let world = |n: usize| World::stepped(n * step);
    let unneeded = all_converge(stepped, WORLDS / SLICE / step, world);
    let few = if thorough() { 2 } else { 4 };
    assert!(
        unneeded <= few,
        "S12 is looser than it has to be: {unneeded}"
    );
}

#[test]
fn worlds_with_autoscaling_do_too() {
    let scaled = |broken| Setup {
        autoscaled: true,
        ..setup(broken, &[])
    };
    let unneeded = all_converge(scaled, WORLDS / THIN, World::scaled);
    assert!(unneeded <= 4, "S12 is looser than it has to be: {unneeded}");
}

/// Alarms and an analysis say of the wish that all is well, that they cannot tell, or that it fails, for ever. With every
/// run of the tests one in so many; all of them with `TEAL_DOSE=full` or `nightly`.
#[test]
fn worlds_in_which_alarms_and_an_analysis_speak_do_too() {
    let step = step();
    let watched = |broken| setup(broken, &steps()).alarm().analysis();
    let world = |n: usize| World {
        says: Says::ALL[n * step % 3],
        ..World::stepped(n * step / 3)
    };
    all_converge(watched, 3 * (WORLDS / SLICE) / step, world);
}

/// Gates before green comes, at a step, before the bake and at roll-back say for ever that all is well, nothing, or that
/// it fails.
#[test]
fn worlds_with_gates_and_a_smaller_green_do_too() {
    let half = Share::tenths(500).unwrap_or_default();
    let smoke = GateName::new("smoke");
    let steps = [
        Step::SetScale(half),
        Step::SetWeight(half),
        Step::Gate(smoke),
    ];
    let gated = |broken| {
        setup(broken, &steps)
            .gate("migrate", Some(Stage::ScaleUp))
            .gate("smoke", None)
            .gate("accept", Some(Stage::Bake))
            .gate("undo", Some(Stage::RollBack))
    };
    let step = step();
    all_converge(gated, WORLDS / SLICE / step, |n| World::gated(n * step));
}

/// What a person has asked for stands there, of this wish or of another one; or a freeze goes on.
#[test]
fn worlds_in_which_people_have_asked_for_something_do_too() {
    let step = step();
    let stepped = |broken| setup(broken, &steps());
    all_converge(stepped, WORLDS / SLICE / step, |n| World::asked(n * step));
}

/// Without a load balancer there are no weights: one world in sixteen is left.
fn without_weights(n: usize) -> World {
    let (n, rest) = (n / (RECORDS.len() * 3), n % (RECORDS.len() * 3));
    World::number(n * 16 * RECORDS.len() * 3 + rest)
}

#[test]
fn worlds_of_workers_do_too() {
    let step = step();
    let worker = |broken| setup(broken, &[]).worker();
    let world = |n: usize| without_weights(n * step);
    let unneeded = all_converge(worker, WORLDS / 16 / step, world);
    assert!(unneeded > 0, "as many writes as where traffic moves");
}

/// Whatever runs where ECS is to update one service in place: nothing, one, or what two services a release have left.
#[test]
fn worlds_of_updates_in_place_do_too() {
    let in_place = |broken| {
        setup(broken, &[]).application(|application| application.strategy = Strategy::ROLLING)
    };
    let step = step();
    let world = |n: usize| World::number(n * step * SLICE).updated(n);
    all_converge(in_place, WORLDS / SLICE / step, world);
}

/// The same without a load balancer.
#[test]
fn worlds_of_workers_that_are_updated_in_place_do_too() {
    let in_place = |broken| setup(broken, &[]).rolling();
    let step = step();
    let world = |n: usize| without_weights(n * step).updated(n);
    all_converge(in_place, WORLDS / 16 / step, world);
}
