//! What was known before an own write counts no more after it.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test says so by failing"
)]

use std::time::Duration;

use crd_schema::application::RuleTarget;
use crd_schema::record::Stage;
use crd_schema::{Application, ListenerArn};
use planner::ablation::{Rule, Without};
use planner::lab::{Ending, Lab, Operator, TASK_START, application};
use planner::memory::weight;
use planner::safety::{self, Violation};
use planner::world::{Action, Role};
use planner::{Memory, Plan, Side, World, Write, plan};

/// An operator, and somebody who misses nothing.
struct Scene {
    lab: Lab,
    operator: Operator,
    oracle: Memory,
}

impl Scene {
    /// A release of 1.4.0 after 1.3.0 begins.
    fn new(application: Application, without: &[Rule]) -> Self {
        let mut lab = Lab::new(application);
        lab.advance(100_000);
        lab.place("1.3.0", Side::A, 2, 0);
        lab.wish("1.3.0");
        let mut operator = Operator::new(&lab);
        assert_eq!(operator.run(&mut lab, 200), Ending::Settled);
        lab.wish("1.4.0");
        operator.tuning.without = Without::rules(without);
        let oracle = operator.memory.clone();
        Self {
            lab,
            operator,
            oracle,
        }
    }

    fn sees_all(&mut self) {
        let (world, now) = (self.lab.observe(), self.lab.clock());
        self.oracle.absorb(&world, &self.operator.tuning, now);
    }

    /// One reconcile on what `world` shows. The plan, and what the one who misses nothing says of its step.
    fn reconcile_on(&mut self, world: &World) -> (Plan, Result<(), Violation>) {
        self.sees_all();
        let (now, tuning) = (self.lab.clock(), self.operator.tuning);
        let (application, memory) = (&self.lab.application, &mut self.operator.memory);
        memory.absorb(world, &tuning, now);
        let plan = plan(application, world, memory, &tuning, now);
        let mut judged = Ok(());
        if let Some(write) = &plan.step {
            let truth = self.lab.observe();
            judged = safety::check(application, &truth, &self.oracle, &tuning, write, now);
            memory.sending(write, &tuning, now);
            let outcome = self.lab.apply(write);
            memory.note(write, &outcome, &tuning, now);
        }
        self.sees_all();
        (plan, judged)
    }

    fn reconcile(&mut self) -> (Plan, Result<(), Violation>) {
        let reconciled = self.reconcile_on(&self.lab.observe());
        let wait = reconciled.0.next_check.as_millis();
        self.lab.advance(u64::try_from(wait).unwrap().max(20));
        reconciled
    }

    /// Reconciles until `there`; every step on the way is allowed.
    fn until(&mut self, there: impl Fn(&Self) -> bool) {
        for _ in 0..200 {
            if there(self) {
                return;
            }
            let (_, judged) = self.reconcile();
            assert_eq!(judged, Ok(()));
        }
        panic!("never there; writes: {:#?}", self.lab.writes);
    }

    fn last_write(&self) -> &str {
        self.lab.writes.last().map_or("", String::as_str)
    }

    fn weight_of_green(&self) -> u32 {
        weight(&self.lab.rules[0], Side::B)
    }
}

/// A person puts green to sleep just before the shift, the operator wakes it up, ECS gives its new tasks the addresses
/// of the old ones, and ELB still tells of the health of those. What is said of the step after that.
fn addresses_are_used_again(without: &[Rule]) -> (Plan, Result<(), Violation>) {
    let mut scene = Scene::new(application(), without);
    scene.until(|scene| scene.last_write() == "write down: Shift of 1.4.0");
    let before = scene.lab.observe();
    let green = scene.lab.services[1].shown.name.clone();
    let tasks = scene.lab.services[1].tasks.clone();
    scene.lab.scale(&green, 0);
    scene.lab.advance(1_000);
    let old_health = |lab: &Lab| {
        let mut world = lab.observe();
        for side in Side::BOTH {
            world.groups[side.index()] = match &before.groups[side.index()] {
                planner::Read::Known { value, .. } => {
                    planner::Read::known(value.clone(), lab.clock().mono)
                }
                unread @ planner::Read::Unread { .. } => unread.clone(),
            };
        }
        world
    };
    let (woken, judged) = scene.reconcile_on(&old_health(&scene.lab));
    assert!(
        matches!(woken.step, Some(Write::ScaleService { to: 2, .. })),
        "{:?}",
        woken.step
    );
    assert_eq!(judged, Ok(()));
    scene.lab.advance(5_000);
    scene.lab.draining = [Vec::new(), Vec::new()];
    let runs_since = scene.lab.now - TASK_START;
    let reused = tasks.into_keys().map(|address| (address, runs_since));
    scene.lab.services[1].tasks = reused.collect();
    scene.reconcile_on(&old_health(&scene.lab))
}

#[test]
fn health_of_what_had_the_address_before_an_own_write_is_no_evidence() {
    let (plan, judged) = addresses_are_used_again(&[]);
    assert_eq!(plan.report.stage, Stage::ScaleUp);
    assert_eq!(judged, Ok(()));
    let (plan, judged) = addresses_are_used_again(&[Rule::HealthAfterWrite]);
    assert!(matches!(plan.step, Some(Write::SetWeights { .. })));
    assert_eq!(judged.unwrap_err().property, "S2");
}

/// The operator shifts, and before it looks again somebody takes the weight back, and the release as well. What is said
/// of the step that removes green.
fn weight_that_nobody_saw(without: &[Rule]) -> Result<(), Violation> {
    let mut application = application();
    application.routes[0].test.clear();
    application.clean_up.settle = Duration::from_secs(30);
    let mut scene = Scene::new(application, without);
    scene.until(|scene| scene.weight_of_green() > 0);
    scene.lab.set_production([Some(100), Some(0)]);
    scene.lab.wish("1.3.0");
    for _ in 0..200 {
        let (plan, judged) = scene.reconcile();
        assert_eq!(scene.weight_of_green(), 0);
        if matches!(plan.step, Some(Write::ScaleService { to: 0, .. })) {
            return judged;
        }
        assert_eq!(judged, Ok(()));
    }
    panic!("green never went; writes: {:#?}", scene.lab.writes);
}

#[test]
fn the_time_at_weight_0_begins_anew_with_an_own_raise() {
    assert_eq!(weight_that_nobody_saw(&[]), Ok(()));
    let early = weight_that_nobody_saw(&[Rule::RestartOnRaise]);
    assert_eq!(early.unwrap_err().property, "S4");
}

/// Just before the shift somebody takes green off the rule that names it, and names it on another one, so fast that
/// nobody sees it between the two. What is said of the step after green is named again where it belongs.
fn a_moment_outside_every_rule(without: &[Rule]) -> (Plan, Result<(), Violation>) {
    let mut application = application();
    application.routes[0].test.clear();
    let mut scene = Scene::new(application, without);
    scene.until(|scene| scene.last_write() == "write down: Shift of 1.4.0");
    let forward = |weights| Action::Forward {
        weights,
        others: Vec::new(),
        sticky: false,
    };
    scene.lab.rules[0].action = forward([Some(100), None]);
    scene.sees_all();
    let mut another = scene.lab.rules[0].clone();
    another.target = RuleTarget::Listener(ListenerArn::new("listener-7080"));
    another.role = Role::Unlisted;
    another.action = forward([None, Some(0)]);
    scene.lab.rules.push(another);
    let (named, judged) = scene.reconcile_on(&scene.lab.observe());
    assert!(matches!(named.step, Some(Write::SetWeights { .. })));
    assert_eq!((scene.weight_of_green(), judged), (0, Ok(())));
    scene.lab.advance(20);
    scene.reconcile_on(&scene.lab.observe())
}

#[test]
fn health_from_before_none_but_other_rules_name_the_group_is_no_evidence() {
    let (plan, judged) = a_moment_outside_every_rule(&[]);
    assert_eq!((plan.step, judged), (None, Ok(())));
    let (plan, judged) = a_moment_outside_every_rule(&[Rule::HealthByOtherRules]);
    assert!(matches!(plan.step, Some(Write::SetWeights { .. })));
    assert_eq!(judged.unwrap_err().property, "S2");
}
