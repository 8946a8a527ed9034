//! With what ships no property is ever violated: at least a million distinct states in every run of the tests, some
//! millions with `TEAL_DOSE=full`, a hundred million with `TEAL_DOSE=nightly`.

#![allow(missing_docs, reason = "tests say what they do")]
#![allow(clippy::expect_used, reason = "a test says so by failing")]

use std::sync::Mutex;
use std::thread::available_parallelism;

use crd_schema::application::RuleTarget;
use crd_schema::record::Stage;
use crd_schema::strategy::{Share, Step};
use crd_schema::{GateName, ListenerArn};
use model::report::{Dose, holds, look, thorough};
use model::setup::{Faults, Setup, Stale, Start, faults, one, ticks};

/// A name, what is looked at, and how many states the search goes on from.
type Planned = (&'static str, Setup, usize);

fn bad_release() -> Setup {
    Setup {
        broken: vec![1],
        ..Setup::new(2)
    }
}

fn two_operators(wishes: u8) -> Setup {
    Setup {
        operators: 2,
        lease: true,
        ..Setup::new(wishes)
    }
}

/// Two production rules, a test rule, and one that the spec does not list.
fn several_rules() -> Setup {
    let listener = |name: &str| RuleTarget::Listener(ListenerArn::new(name));
    let setup = Setup::new(1).application(|application| {
        let route = application.routes.first_mut();
        let route = route.expect("behind a load balancer");
        route.production.push(listener("listener-8443"));
        route.test.push(listener("listener-9080"));
    });
    Setup {
        unlisted: vec![listener("listener-7070")],
        ..setup
    }
}

/// The share of one step.
fn to(tenths: u16) -> Step {
    Step::SetWeight(Share::tenths(tenths).expect("at most everything"))
}

/// Half of the traffic, a pause by itself, and everything.
fn canary() -> Setup {
    Setup::new(1).steps([to(500), Step::Pause(Some(ticks(1)))])
}

/// Half of the traffic until a person promotes, and everything.
fn until_promoted() -> Setup {
    Setup::new(1).steps([to(500), Step::Pause(None)])
}

/// Green has half of the tasks, then half of the traffic, and then everything.
fn smaller_green() -> Setup {
    let half = Share::tenths(500).expect("at most everything");
    Setup::new(1)
        .steps([Step::SetScale(half), to(500), Step::Pause(Some(ticks(1)))])
        .application(|application| application.template.desired_count = 2)
}

/// The same in the middle of the rollout, its record lost.
fn half_way(setup: Setup) -> Setup {
    let setup = Setup { wishes: 0, ..setup };
    setup.start(Start::Both([Some(50), Some(50)]))
}

/// How far searches go that could reach everything in a minute, and others; the searches of a plain release always go
/// on to their end.
fn bounds() -> (usize, usize) {
    if thorough() {
        (usize::MAX, 50_000)
    } else {
        (30_000, 6_000)
    }
}

/// Freezes that begin and end at any moment, and people who pause every application.
fn held_up() -> Vec<Planned> {
    let all = if thorough() { usize::MAX } else { 20_000 };
    let some = all.min(bounds().1) / 2;
    let bad = Setup {
        broken: vec![1],
        ..Setup::new(1)
    };
    let paused = Setup {
        pause_all: true,
        ..Setup::new(1)
    };
    let freezes = |setup: Setup, more: fn(&mut Faults)| {
        setup.faults(faults(3, |f| {
            f.freeze = 2;
            more(f);
        }))
    };
    vec![
        ("a freeze", freezes(Setup::new(1), |_| {}), all),
        ("a freeze, two wishes", freezes(Setup::new(2), |_| {}), some),
        ("a freeze, a bad release", freezes(bad, |_| {}), all),
        (
            "a freeze, a restart",
            freezes(Setup::new(1), |f| f.restart = 1),
            some,
        ),
        (
            "a freeze, an unanswered write",
            freezes(Setup::new(1), |f| f.unanswered = 1),
            some,
        ),
        (
            "a freeze, health",
            freezes(Setup::new(1), |f| (f.flip, f.crash) = (1, 1)),
            some,
        ),
        (
            "a freeze, a group for each release",
            freezes(Setup::new(1).per_release(), |_| {}),
            some,
        ),
        (
            "a freeze, without a load balancer",
            freezes(Setup::new(1).worker(), |_| {}),
            some,
        ),
        (
            "a freeze, in place",
            freezes(Setup::new(1).rolling_behind_a_load_balancer(), |_| {}),
            some,
        ),
        (
            "all paused, two verbs",
            paused.clone().faults(faults(2, |f| f.verb = 2)),
            all,
        ),
        (
            "all paused, a verb and a restart",
            paused.faults(faults(2, |f| (f.verb, f.restart) = (1, 1))),
            some,
        ),
    ]
}

/// Traffic in steps, and people who change its course.
fn stepped() -> Vec<Planned> {
    let (all, some) = bounds();
    let two_tasks = canary().application(|application| application.template.desired_count = 2);
    let waits = half_way(until_promoted());
    let late = Stale {
        ssm: true,
        ..Stale::default()
    };
    let superseded = Setup {
        wishes: 1,
        ..waits.clone()
    };
    vec![
        ("steps", canary(), all),
        ("steps, two tasks", two_tasks, all),
        ("a smaller green", smaller_green(), all),
        (
            "a smaller green, a verb and health",
            smaller_green().faults(faults(2, |f| (f.verb, f.flip, f.crash) = (1, 1, 1))),
            some,
        ),
        (
            "a smaller green, a person",
            smaller_green().faults(one(|f| f.person = 1)),
            some,
        ),
        (
            "until promoted, a verb",
            until_promoted().faults(one(|f| f.verb = 1)),
            all,
        ),
        (
            "until promoted, two verbs half-way",
            waits.clone().faults(faults(2, |f| f.verb = 2)),
            all,
        ),
        (
            "steps, two verbs",
            canary().faults(faults(2, |f| f.verb = 2)),
            some,
        ),
        (
            "steps, a verb and a person half-way",
            half_way(canary()).faults(faults(2, |f| (f.verb, f.person) = (1, 1))),
            some,
        ),
        (
            "until promoted, two verbs and a person half-way",
            waits
                .clone()
                .faults(faults(3, |f| (f.verb, f.person) = (2, 1))),
            some,
        ),
        (
            "until promoted, a verb and a restart half-way",
            waits
                .clone()
                .faults(faults(2, |f| (f.verb, f.restart) = (1, 1))),
            some,
        ),
        (
            "steps, a verb and an unanswered write half-way",
            half_way(canary()).faults(faults(2, |f| (f.verb, f.unanswered) = (1, 1))),
            some,
        ),
        (
            "until promoted, verbs read late or not at all",
            waits
                .stale(late)
                .faults(faults(3, |f| (f.verb, f.unread) = (2, 1))),
            some,
        ),
        (
            "steps, a verb and health half-way",
            half_way(canary()).faults(faults(2, |f| (f.verb, f.flip, f.crash) = (1, 1, 1))),
            some,
        ),
        (
            "until promoted, a verb and a newer wish half-way",
            superseded.faults(one(|f| f.verb = 1)),
            some,
        ),
        (
            "until promoted, two verbs, a group for each release",
            until_promoted()
                .per_release()
                .faults(faults(2, |f| f.verb = 2)),
            some,
        ),
    ]
}

/// What serves is scaled by Application Auto Scaling.
fn scaled() -> Vec<Planned> {
    let (all, some) = bounds();
    let one_release = || Setup::new(1).autoscaled();
    vec![
        ("autoscaled", one_release(), all),
        ("autoscaled, a bad release", bad_release().autoscaled(), all),
        ("autoscaled, two changes", Setup::new(2).autoscaled(), some),
        (
            "autoscaled, steps and a verb",
            canary().autoscaled().faults(one(|f| f.verb = 1)),
            some,
        ),
        (
            "autoscaled, an unanswered write",
            one_release().faults(one(|f| f.unanswered = 1)),
            some,
        ),
        (
            "autoscaled, a refused write and a restart",
            one_release().faults(faults(2, |f| (f.refused, f.restart) = (1, 1))),
            some,
        ),
        (
            "autoscaled, health and what cannot be read",
            one_release().faults(faults(2, |f| (f.flip, f.unread) = (1, 1))),
            some,
        ),
        (
            "autoscaled, stale reads",
            one_release().stale(Stale::ALL),
            some,
        ),
        (
            "autoscaled, a group for each release",
            one_release().per_release(),
            all,
        ),
        (
            "autoscaled, two operators, one paused",
            two_operators(1).autoscaled().faults(one(|f| f.pause = 1)),
            some,
        ),
    ]
}

/// A test before traffic moves; and half of the traffic, and everything when a test has passed.
fn gated() -> Vec<Planned> {
    let (all, some) = bounds();
    let before = Setup::new(1).gate("smoke", Some(Stage::Shift));
    let step = || Step::Gate(GateName::new("smoke"));
    let at_step = Setup::new(1).steps([to(500), step()]).gate("smoke", None);
    let early = Setup::new(1)
        .steps([to(250), step(), to(500), Step::Pause(Some(ticks(1)))])
        .gate("smoke", None);
    let prepared = Setup::new(1).gate("migrate", Some(Stage::ScaleUp));
    let leads = two_operators(1).gate("smoke", Some(Stage::Shift));
    let lease = |f: &mut Faults| (f.restart, f.pause) = (1, 1);
    let late = Stale {
        ssm: true,
        ..Stale::default()
    };
    vec![
        ("a gate", before.clone(), all),
        ("a gate before green", prepared, all),
        (
            "a gate, and one at roll-back",
            before.clone().gate("undo", Some(Stage::RollBack)),
            all,
        ),
        ("a gate at a step", at_step.clone(), all),
        (
            "a gate, a restart",
            before.clone().faults(one(|f| f.restart = 1)),
            some,
        ),
        (
            "a gate at a step, a restart",
            at_step.clone().faults(one(|f| f.restart = 1)),
            some,
        ),
        (
            "a gate, an unanswered write",
            before.clone().faults(one(|f| f.unanswered = 1)),
            some,
        ),
        (
            "a gate, two changes",
            Setup {
                wishes: 2,
                ..before.clone()
            },
            some,
        ),
        (
            "a gate, a person",
            before.clone().faults(one(|f| f.person = 1)),
            some,
        ),
        (
            "a gate at an early step, a person",
            early.faults(one(|f| f.person = 1)),
            some,
        ),
        (
            "a gate at a step, a verb and a person",
            at_step
                .clone()
                .faults(faults(2, |f| (f.verb, f.person) = (1, 1))),
            some,
        ),
        (
            "a gate at a step, the record read late or not at all",
            at_step.stale(late).faults(one(|f| f.unread = 1)),
            some,
        ),
        (
            "a gate, health",
            before.faults(one(|f| (f.flip, f.crash) = (1, 1))),
            some,
        ),
        ("a gate, two operators", leads.faults(one(lease)), some),
    ]
}

/// Alarms, and an analysis that goes on while half of the traffic, and then everything, is on green.
fn watched() -> Vec<Planned> {
    let (all, some) = bounds();
    let alarm = Setup::new(1).alarm();
    let analysis = Setup::new(1)
        .steps([to(500), Step::Pause(Some(ticks(1)))])
        .analysis();
    let says = |f: &mut Faults| f.says = 1;
    let leads = two_operators(1).alarm();
    vec![
        ("an alarm", alarm.clone().faults(one(says)), some),
        (
            "an alarm, twice",
            alarm.clone().faults(faults(2, |f| f.says = 2)),
            some,
        ),
        ("an analysis", analysis.clone().faults(one(says)), all),
        (
            "an analysis, twice",
            analysis.clone().faults(faults(2, |f| f.says = 2)),
            some,
        ),
        (
            "an analysis, a restart",
            analysis
                .clone()
                .faults(faults(2, |f| (f.says, f.restart) = (1, 1))),
            some,
        ),
        (
            "an analysis, an unanswered write",
            analysis
                .clone()
                .faults(faults(2, |f| (f.says, f.unanswered) = (1, 1))),
            some,
        ),
        (
            "an analysis, a person",
            analysis
                .clone()
                .faults(faults(2, |f| (f.says, f.person) = (1, 1))),
            some,
        ),
        (
            "an analysis, a verb",
            analysis
                .clone()
                .faults(faults(2, |f| (f.says, f.verb) = (1, 1))),
            some,
        ),
        (
            "an analysis, health",
            analysis.faults(faults(2, |f| (f.says, f.flip, f.crash) = (1, 1, 1))),
            some,
        ),
        (
            "an alarm, a first release",
            alarm.clone().start(Start::Empty).faults(one(says)),
            some,
        ),
        (
            "an alarm, two changes",
            Setup {
                wishes: 2,
                ..alarm.faults(one(says))
            },
            some,
        ),
        (
            "an alarm, two operators",
            leads.faults(faults(2, |f| (f.says, f.restart, f.pause) = (1, 1, 1))),
            some,
        ),
    ]
}

/// One kind of fault each.
fn searches() -> Vec<Planned> {
    let all = usize::MAX;
    let some = 40_000;
    let release = Setup::new(1);
    let between = Start::Both([Some(50), Some(50)]);
    let each = Setup::new(1).per_release();
    let unread = Setup::new(1).faults(one(|f| f.unread = 1));
    let elb = Stale {
        elb: true,
        ..Stale::default()
    };
    let lease = |f: &mut Faults| (f.unanswered, f.restart, f.pause) = (1, 1, 1);
    vec![
        ("a release", release.clone(), all),
        ("a first release", release.clone().start(Start::Empty), all),
        ("weights in between", release.clone().start(between), some),
        ("two changes", Setup::new(2), some),
        ("a bad release", bad_release(), some),
        ("stale reads", release.clone().stale(Stale::ALL), some),
        (
            "an unanswered write",
            release.clone().faults(one(|f| f.unanswered = 1)),
            all,
        ),
        (
            "a restart",
            release.clone().faults(one(|f| f.restart = 1)),
            all,
        ),
        (
            "health",
            release.clone().faults(one(|f| (f.flip, f.crash) = (1, 1))),
            some,
        ),
        ("a person", release.faults(one(|f| f.person = 1)), some),
        ("two operators", two_operators(1).faults(one(lease)), some),
        (
            "a person and an unanswered write, old reads of the load balancer",
            Setup::new(1)
                .stale(elb)
                .faults(faults(2, |f| (f.person, f.unanswered) = (1, 1))),
            some,
        ),
        ("parts unread", unread, all),
        ("several rules", several_rules(), all),
        (
            "several rules, a person",
            several_rules().faults(one(|f| f.person = 1)),
            some,
        ),
        ("a group for each release", each.clone(), all),
        (
            "a group for each release, the first",
            each.clone().start(Start::Empty),
            all,
        ),
        (
            "a group for each release, a bad one",
            Setup {
                broken: vec![1],
                ..each.clone()
            },
            all,
        ),
        (
            "a group for each release, a restart",
            each.clone().faults(one(|f| f.restart = 1)),
            some,
        ),
        (
            "a group for each release, an unanswered write",
            each.clone().faults(one(|f| f.unanswered = 1)),
            some,
        ),
        (
            "a group for each release, a person",
            each.clone().faults(one(|f| f.person = 1)),
            some,
        ),
        (
            "a group for each release, stale reads",
            each.stale(Stale::ALL),
            some,
        ),
    ]
}

#[test]
fn no_property_is_ever_violated_while_alarms_and_analyses_speak() {
    let states = all_hold(watched());
    assert!(states >= 100_000, "{states} distinct states");
}

type Change = fn(&mut Faults);

/// One of each kind, beside what else happens.
const KINDS: [(&str, Change); 6] = [
    ("an unanswered write", |f| f.unanswered += 1),
    ("a refusal", |f| f.refused += 1),
    ("a restart", |f| f.restart += 1),
    ("a flip of health", |f| f.flip += 1),
    ("a crash", |f| f.crash += 1),
    ("a person", |f| f.person += 1),
];

/// Every pair of faults over every kind of rollout.
fn pairs() -> Vec<(String, Setup, usize)> {
    let some = 700_000;
    let bad = Setup {
        broken: vec![1],
        ..Setup::new(1)
    };
    let stale = Stale {
        elb: true,
        health: true,
        ..Stale::default()
    };
    let rollouts = [
        ("a release", Setup::new(1)),
        ("a bad release", bad),
        (
            "weights in between",
            Setup::new(0).start(Start::Both([Some(50), Some(50)])),
        ),
        ("stale reads", Setup::new(1).stale(stale)),
        ("two operators", two_operators(1)),
        ("two changes", Setup::new(2)),
        ("a group for each release", Setup::new(1).per_release()),
    ];
    let mut all = Vec::new();
    for (rollout, setup) in rollouts {
        for (n, (one, first)) in KINDS.iter().enumerate() {
            for (other, second) in &KINDS[n..] {
                let two = faults(2, |f| {
                    first(f);
                    second(f);
                    f.pause = u8::from(setup.lease);
                });
                let name = format!("{rollout}, {one}, {other}");
                all.push((name, setup.clone().faults(two), some));
            }
        }
    }
    all
}

/// One after the other on every processor; how many distinct states.
fn all_hold(searches: Vec<Planned>) -> usize {
    let searches = Mutex::new(searches);
    let next = || searches.lock().ok()?.pop();
    let look = |(name, setup, states): Planned| holds(name, setup, Dose::of(states));
    let sum = || -> usize { std::iter::from_fn(next).map(look).sum() };
    let threads = available_parallelism().map_or(1, usize::from);
    let states: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(sum)).collect();
        let counts = threads.into_iter().map(|thread| thread.join());
        counts.map(|count| count.expect("a search fails")).sum()
    });
    println!("{states} distinct states");
    states
}

#[test]
fn no_property_is_ever_violated() {
    let states = all_hold(searches());
    assert!(states >= 1_000_000, "{states} distinct states");
}

#[test]
fn no_property_is_ever_violated_while_traffic_moves_in_steps() {
    let states = all_hold(stepped());
    assert!(states >= 100_000, "{states} distinct states");
}

#[test]
fn no_property_is_ever_violated_by_freezes_and_where_all_are_paused() {
    all_hold(held_up());
}

#[test]
fn no_property_is_ever_violated_while_services_are_scaled() {
    all_hold(scaled());
}

#[test]
fn no_property_is_ever_violated_while_gates_pass_and_fail() {
    let states = all_hold(gated());
    assert!(states >= 50_000, "{states} distinct states");
}

/// One after the other: together they would not fit into memory. `TEAL_SEARCH` names one of them, or a part of its name.
#[test]
fn no_property_is_violated_by_two_faults() {
    if std::env::var("TEAL_DOSE").as_deref() != Ok("nightly") {
        return;
    }
    let threads = available_parallelism().map_or(1, usize::from);
    let only = std::env::var("TEAL_SEARCH").ok();
    let named = |name: &str| only.as_ref().is_none_or(|only| name.contains(only));
    let (mut states, mut wrong) = (0, Vec::new());
    for (name, setup, most) in pairs().into_iter().filter(|(name, ..)| named(name)) {
        let dose = Dose {
            states: most,
            threads,
        };
        let found = look(&name, setup, dose);
        states += found.states;
        println!("{states} distinct states so far");
        let ways = found.histories().into_iter();
        wrong.extend(ways.map(|way| format!("{name}: {way}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    assert!(states > 0, "no search is named {only:?}");
    let all = only.is_some() || states >= 100_000_000;
    assert!(all, "{states} distinct states");
}
