//! A freeze: nothing begins in it, and everything else goes on.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    unused_must_use,
    reason = "a test says so by failing"
)]

use std::time::Duration;

use crd_schema::intent::Abort;
use crd_schema::record::{Outcome, Stage};
use crd_schema::schedule::{Schedule, Window, zone};
use planner::ablation::{Rule, Without};
use planner::lab::{Ending, Lab, Operator, application, desired};
use planner::memory::weight;
use planner::world::{Action, Role, Side};
use planner::{Mono, Plan, WaitingOn};

/// Longer than a release takes, in milliseconds.
const LONG: u64 = 3_600_000;

/// 1.3.0 serves on A.
struct Scene {
    lab: Lab,
    operator: Operator,
}

impl Scene {
    fn new() -> Self {
        let mut lab = Lab::new(application());
        lab.advance(100_000);
        lab.place("1.3.0", Side::A, 2, 0);
        lab.wish("1.3.0");
        let mut operator = Operator::new(&lab);
        assert_eq!(operator.run(&mut lab, 200), Ending::Settled);
        Self { lab, operator }
    }

    /// 1.4.0 is wished for in a freeze that ends after [`LONG`].
    fn frozen() -> Self {
        let mut scene = Self::new();
        scene.freeze();
        scene.lab.wish("1.4.0");
        scene.until(|_, plan| is_frozen(plan));
        scene
    }

    /// From now on, for [`LONG`].
    fn freeze(&mut self) {
        let utc = zone("UTC").unwrap();
        let local = |ms: u64| utc.to_datetime(self.lab.wall(ms));
        let window = Window::Once {
            from: local(self.lab.now),
            to: local(self.lab.now + LONG),
        };
        self.lab.application.schedule = Some(Schedule {
            zone: utc.clone(),
            freeze: vec![window],
            allow: Vec::new(),
        });
    }

    /// Still in the freeze.
    fn until(&mut self, there: impl Fn(&Self, &Plan) -> bool) -> Plan {
        let end = self.lab.now + LONG;
        while self.lab.now < end {
            let plan = self.operator.reconcile(&mut self.lab).expect("allowed");
            if there(self, &plan) {
                return plan;
            }
        }
        panic!("never: {:#?}", self.lab.writes);
    }

    /// Until nothing is to be done for a while, and what is waited for then.
    fn rests(&mut self) -> WaitingOn {
        let mut quiet = 0;
        for _ in 0..2_000 {
            let plan = self.operator.reconcile(&mut self.lab).expect("allowed");
            let waiting = plan.report.waiting_on;
            let rests = plan.step.is_none()
                && matches!(
                    waiting,
                    WaitingOn::Nothing | WaitingOn::Frozen(_) | WaitingOn::Hold(_)
                );
            quiet = if rests { quiet + 1 } else { 0 };
            if quiet == 5 {
                return waiting;
            }
        }
        panic!("never: {:#?}", self.lab.writes);
    }

    fn wish_all_the_same(&mut self, version: &str) {
        let mut wish = desired(version);
        wish.override_freeze = true;
        let generation = self.lab.generation();
        self.lab.desired = Some((generation, wish));
    }

    /// Versions of the live services.
    fn live(&self) -> Vec<&str> {
        let live = self.lab.services.iter();
        let live = live.filter(|service| service.gone_at.is_none());
        let versions = live.map(|service| service.shown.tags.version.as_deref());
        versions.map(Option::unwrap_or_default).collect()
    }

    fn weights(&self) -> [u32; 2] {
        let mut rules = self.lab.rules.iter();
        let rule = rules.find(|rule| rule.role == Role::Production).unwrap();
        [weight(rule, Side::A), weight(rule, Side::B)]
    }

    fn history(&self) -> Vec<(&str, Outcome)> {
        let (_, record) = self.lab.record.as_ref().expect("written down");
        let ended = record.history.iter();
        ended
            .map(|ended| (ended.version.as_str(), ended.outcome))
            .collect()
    }
}

fn is_frozen(plan: &Plan) -> bool {
    matches!(plan.report.waiting_on, WaitingOn::Frozen(_))
}

#[test]
fn nothing_begins_before_the_freeze_ends() {
    let mut scene = Scene::new();
    let written = scene.lab.writes.clone();
    scene.freeze();
    scene.lab.wish("1.4.0");
    let began = scene.lab.now;
    let ends = scene.lab.wall(began + LONG);
    while scene.lab.now < began + LONG {
        let plan = scene.operator.reconcile(&mut scene.lab).unwrap();
        let WaitingOn::Frozen(frozen) = &plan.report.waiting_on else {
            panic!("{:?}", plan.report)
        };
        assert_eq!(frozen.until.as_ref().unwrap().timestamp(), ends);
        assert!(
            plan.report
                .waiting_on
                .message()
                .contains("until Sun 2025-06-15 16:")
        );
        assert_eq!(plan.report.stage, Stage::Settled);
        assert!(!plan.report.converged);
        // It looks seldom, and in time.
        assert!(
            plan.next_check
                <= Duration::from_millis(
                    ends.as_millisecond()
                        .abs_diff(scene.lab.clock().wall.as_millisecond())
                ) + scene.operator.tuning.poll_settled
        );
        assert_eq!(scene.lab.writes, written);
    }
    assert!(scene.lab.now < began + LONG + 1_000, "it goes on at once");
    assert_eq!(scene.rests(), WaitingOn::Nothing);
    assert_eq!(scene.live(), ["1.4.0"]);
    assert_eq!(scene.history().last(), Some(&("1.4.0", Outcome::Succeeded)));
}

#[test]
fn without_the_rule_it_begins() {
    let mut scene = Scene::new();
    scene.operator.tuning.without = Without::rules(&[Rule::Freeze]);
    scene.freeze();
    scene.lab.wish("1.4.0");
    scene.until(|scene, _| scene.live().contains(&"1.4.0"));
}

#[test]
fn who_says_so_does_not_wait() {
    let mut scene = Scene::frozen();
    scene.wish_all_the_same("1.4.0");
    scene.until(|_, plan| plan.report.converged);
    assert_eq!(scene.live(), ["1.4.0"]);
    assert_eq!(scene.history(), [("1.4.0", Outcome::Succeeded)]);
}

#[test]
fn what_is_on_its_way_goes_on() {
    for stage in [
        Stage::ScaleUp,
        Stage::Validate,
        Stage::Shift,
        Stage::Bake,
        Stage::CleanUp,
    ] {
        let mut scene = Scene::new();
        scene.lab.wish("1.4.0");
        scene.until(|_, plan| plan.report.stage == stage);
        scene.freeze();
        scene.until(|_, plan| plan.report.converged);
        assert_eq!(scene.live(), ["1.4.0"], "{stage:?}");
    }
}

#[test]
fn the_way_back_is_open() {
    // A person ends it.
    let mut aborted = Scene::new();
    aborted.lab.wish("1.4.0");
    aborted.until(|_, plan| plan.report.stage == Stage::Bake);
    aborted.freeze();
    let rollout = aborted.lab.desired.as_ref().unwrap().0;
    aborted.lab.intents.abort = Some(Abort { rollout });
    aborted.until(|scene, _| scene.history() == [("1.4.0", Outcome::Aborted)]);
    assert_eq!(aborted.live(), ["1.3.0"]);
    // It fails.
    let mut failed = Scene::new();
    failed.lab.broken.insert("1.4.0".to_owned());
    failed.lab.wish("1.4.0");
    failed.until(|_, plan| plan.report.stage == Stage::ScaleUp && plan.step.is_none());
    failed.freeze();
    failed.until(|scene, _| scene.history() == [("1.4.0", Outcome::RolledBack)]);
    assert_eq!(failed.live(), ["1.3.0"]);
    // What serves is wished for again.
    let mut back = Scene::new();
    back.lab.wish("1.4.0");
    back.until(|scene, _| scene.weights()[1] > 0);
    back.freeze();
    back.lab.wish("1.3.0");
    back.until(|_, plan| plan.report.converged);
    assert_eq!(back.live(), ["1.3.0"]);
}

#[test]
fn what_serves_is_kept_up_while_the_wish_waits() {
    // Somebody moves traffic to the empty group.
    let mut scene = Scene::frozen();
    for weights in [
        [Some(0), Some(100)],
        [Some(50), Some(50)],
        [Some(0), Some(0)],
    ] {
        scene.lab.set_production(weights);
        assert!(matches!(scene.rests(), WaitingOn::Frozen(_)));
        assert!(
            scene.weights()[0] > 0 && scene.weights()[1] == 0,
            "{weights:?}"
        );
    }
    // The test rule.
    let test = scene
        .lab
        .rules
        .iter_mut()
        .find(|rule| rule.role == Role::Test);
    test.unwrap().action = Action::Forward {
        weights: [Some(0), Some(100)],
        others: Vec::new(),
        sticky: false,
    };
    assert!(matches!(scene.rests(), WaitingOn::Frozen(_)));
    let test = scene.lab.rules.iter().find(|rule| rule.role == Role::Test);
    assert_eq!(weight(test.unwrap(), Side::B), 0);
    // The service is put to sleep.
    let name = scene.lab.services[0].shown.name.clone();
    scene.lab.scale(&name, 0);
    scene.until(|scene, plan| is_frozen(plan) && scene.lab.healthy(Side::A) == 2);
    // It is deleted.
    scene.lab.delete(&name);
    scene.until(|scene, plan| is_frozen(plan) && scene.live() == ["1.3.0"]);
    assert!(scene.lab.healthy(Side::A) + scene.lab.healthy(Side::B) >= 2);
}

#[test]
fn an_outage_does_not_begin_a_release_by_itself() {
    let mut scene = Scene::frozen();
    scene.lab.broken.insert("1.3.0".to_owned());
    let held = scene.rests();
    assert!(held.message().contains("--override-freeze"), "{held:?}");
    assert_eq!(scene.live(), ["1.3.0"]);
    scene.wish_all_the_same("1.4.0");
    scene.until(|_, plan| plan.report.converged);
    assert_eq!(scene.live(), ["1.4.0"]);
}

#[test]
fn a_newer_wish_takes_back_what_is_on_its_way_and_waits() {
    let mut scene = Scene::new();
    scene.lab.wish("1.4.0");
    scene.until(|scene, _| scene.weights()[1] > 0);
    scene.freeze();
    scene.lab.application.on_new_release.during_bake =
        crd_schema::application::DuringBake::RollBack;
    scene.lab.wish("1.5.0");
    scene.until(|scene, _| scene.weights()[1] == 0);
    // Changing one's mind once more begins nothing either, though its service is still there.
    assert!(scene.live().contains(&"1.4.0"));
    scene.lab.wish("1.4.0");
    scene.until(|scene, plan| {
        assert_eq!(scene.weights()[1], 0);
        is_frozen(plan)
    });
    assert_eq!(scene.live(), ["1.3.0"]);
    let (_, record) = scene.lab.record.as_ref().unwrap();
    assert_eq!(record.rollout, None, "what was taken back has ended");
    scene.lab.advance(LONG);
    assert_eq!(scene.rests(), WaitingOn::Nothing);
    assert_eq!(scene.live(), ["1.4.0"]);
}

#[test]
fn a_first_release_waits_too() {
    let mut lab = Lab::new(application());
    lab.advance(100_000);
    let operator = Operator::new(&lab);
    let mut scene = Scene { lab, operator };
    scene.freeze();
    scene.lab.wish("1.0.0");
    assert!(matches!(scene.rests(), WaitingOn::Frozen(_)));
    assert!(scene.live().is_empty());
    scene.lab.advance(LONG);
    assert_eq!(scene.rests(), WaitingOn::Nothing);
    assert_eq!(scene.live(), ["1.0.0"]);
}

#[test]
fn what_failed_is_not_tried_again_before_the_freeze_ends() {
    let mut scene = Scene::new();
    scene.lab.broken.insert("1.4.0".to_owned());
    scene.lab.wish("1.4.0");
    scene.until(|scene, _| scene.history() == [("1.4.0", Outcome::RolledBack)]);
    scene.lab.broken.clear();
    scene.freeze();
    scene.lab.wish("1.4.0");
    assert!(matches!(scene.rests(), WaitingOn::Frozen(_)));
    assert_eq!(scene.live(), ["1.3.0"]);
}

#[test]
fn a_schedule_that_is_open_changes_nothing() {
    let mut scene = Scene::new();
    scene.freeze();
    scene.lab.advance(LONG);
    scene.lab.wish("1.4.0");
    assert_eq!(scene.rests(), WaitingOn::Nothing);
    assert_eq!(scene.live(), ["1.4.0"]);
}

#[test]
fn it_is_told_when_the_freeze_ends() {
    let mut scene = Scene::new();
    scene.freeze();
    let end = Mono(scene.lab.now + LONG);
    scene.lab.wish("1.4.0");
    let plan = scene.until(|_, plan| is_frozen(plan));
    assert_eq!(plan.report.until, Some(end));
}

/// The same version is wished for again while it is on its way: that begins nothing.
#[test]
fn what_is_on_its_way_and_wished_for_again_goes_on() {
    let mut scene = Scene::new();
    scene.lab.wish("1.4.0");
    scene.until(|_, plan| plan.report.stage == Stage::Validate);
    scene.freeze();
    scene.lab.wish("1.4.0");
    scene.until(|_, plan| {
        assert!(!is_frozen(plan), "{plan:?}");
        plan.report.stage == Stage::Bake
    });
}
