//! Traffic that moves in steps, and people who change its course.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    unused_must_use,
    reason = "a test says so by failing"
)]

use std::time::Duration;

use crd_schema::intent::{Abort, Promote};
use crd_schema::record::{Generation, Outcome, Stage};
use crd_schema::strategy::{Share, Step, Strategy};
use planner::lab::{Ending, Lab, Operator, application};
use planner::memory::weight;
use planner::report::Hold;
use planner::world::{Role, Side};
use planner::{Plan, WaitingOn, Write};

const MINUTE: u64 = 60_000;

fn to(tenths: u16) -> Step {
    Step::SetWeight(Share::tenths(tenths).unwrap())
}

fn minutes(minutes: u64) -> Step {
    Step::Pause(Some(Duration::from_secs(60 * minutes)))
}

fn scale(tenths: u16) -> Step {
    Step::SetScale(Share::tenths(tenths).unwrap())
}

const PROMOTED: Step = Step::Pause(None);

/// 1.3.0 serves on A, and 1.4.0 is wished for in these steps.
struct Rollout {
    lab: Lab,
    operator: Operator,
    /// When green's share became what it is, in milliseconds; in tenths of a percent.
    shares: Vec<(u64, u32)>,
}

impl Rollout {
    fn of(steps: impl Into<Vec<Step>>) -> Self {
        Self::sized(2, steps)
    }

    fn sized(tasks: u32, steps: impl Into<Vec<Step>>) -> Self {
        let mut blog = application();
        blog.strategy = Strategy::of(steps.into());
        let mut lab = Lab::new(blog);
        lab.advance(100_000);
        lab.place("1.3.0", Side::A, tasks, 0);
        lab.wish("1.3.0");
        let mut operator = Operator::new(&lab);
        assert_eq!(operator.run(&mut lab, 200), Ending::Settled);
        lab.wish("1.4.0");
        Self {
            lab,
            operator,
            shares: vec![(0, 0)],
        }
    }

    /// Green's and blue's desired counts.
    fn sizes(&self) -> [u32; 2] {
        let count = |side| {
            let mut services = self.lab.services.iter();
            let service = services.find(|service| service.shown.side == Some(side));
            service.map_or(0, |service| service.shown.desired)
        };
        [count(Side::B), count(Side::A)]
    }

    fn share(&self) -> u32 {
        let mut rules = self.lab.rules.iter();
        let rule = rules.find(|rule| rule.role == Role::Production).unwrap();
        let (a, b) = (weight(rule, Side::A), weight(rule, Side::B));
        Share::of(b, a + b).get()
    }

    fn reconcile(&mut self) -> Plan {
        let before = self.lab.now;
        let plan = self.operator.reconcile(&mut self.lab).expect("allowed");
        assert!(!self.lab.loses_requests(), "{:#?}", self.lab.writes);
        let share = self.share();
        if self.shares.last().unwrap().1 != share {
            self.shares.push((before, share));
        }
        plan
    }

    /// Goes on until `there`.
    fn until(&mut self, there: impl Fn(&Self, &Plan) -> bool) -> Plan {
        for _ in 0..3_000 {
            let plan = self.reconcile();
            if there(self, &plan) {
                return plan;
            }
        }
        panic!("never: {:#?}", self.lab.writes);
    }

    fn pauses_at(&mut self, share: u32) -> Plan {
        let pauses =
            |waiting: &WaitingOn| matches!(waiting, WaitingOn::Pause | WaitingOn::Promotion);
        self.until(|rollout, plan| rollout.share() == share && pauses(&plan.report.waiting_on))
    }

    fn settles(&mut self) -> Vec<(String, Outcome)> {
        self.until(|_, plan| plan.report.waiting_on == WaitingOn::Nothing);
        assert_eq!(self.lab.services.len(), 1, "{:#?}", self.lab.writes);
        self.history()
    }

    fn history(&self) -> Vec<(String, Outcome)> {
        let (_, record) = self.lab.record.as_ref().expect("written down");
        let ended = record.history.iter();
        ended.map(|e| (e.version.clone(), e.outcome)).collect()
    }

    fn rollout(&self) -> Generation {
        self.lab.desired.as_ref().unwrap().0
    }

    fn person_sets(&mut self, green: u32) {
        let weights = [Some(100 - green), Some(green)];
        self.lab.set_production(weights);
    }

    /// Somebody scales what serves.
    fn resize_blue(&mut self, tasks: u32) {
        let mut services = self.lab.services.iter().map(|service| &service.shown);
        let blue = services.find(|service| service.side == Some(Side::A));
        let name = blue.unwrap().name.clone();
        self.lab.scale(&name, tasks);
    }

    /// A person promotes the step that runs, or all of them.
    fn promote(&mut self, full: bool) {
        let (_, record) = self.lab.record.as_ref().expect("written down");
        let step = record.rollout.as_ref().unwrap().step.unwrap().index;
        let rollout = self.rollout();
        self.lab.intents.promote = Some(Promote {
            rollout,
            step,
            full,
        });
    }

    /// How long green's share stayed at what it was set to the `index`th time.
    fn lasted(&self, index: usize) -> u64 {
        self.shares[index + 1].0 - self.shares[index].0
    }

    fn seen(&self) -> Vec<u32> {
        self.shares.iter().map(|(_, share)| *share).collect()
    }
}

fn succeeded(version: &str) -> (String, Outcome) {
    (version.to_owned(), Outcome::Succeeded)
}

#[test]
fn each_step_has_its_weight_and_its_time() {
    let steps = [
        to(1),
        minutes(2),
        to(100),
        minutes(5),
        to(505),
        to(700),
        minutes(1),
    ];
    let mut rollout = Rollout::of(steps);
    assert_eq!(rollout.settles(), [succeeded("1.4.0")]);
    assert_eq!(rollout.seen(), [0, 1, 100, 505, 700, 1000]);
    let bound = |pause: u64| pause..pause + MINUTE / 2;
    assert!(
        bound(2 * MINUTE).contains(&rollout.lasted(1)),
        "{:?}",
        rollout.shares
    );
    assert!(
        bound(5 * MINUTE).contains(&rollout.lasted(2)),
        "{:?}",
        rollout.shares
    );
    assert!(
        bound(0).contains(&rollout.lasted(3)),
        "{:?}",
        rollout.shares
    );
    assert!(
        bound(MINUTE).contains(&rollout.lasted(4)),
        "{:?}",
        rollout.shares
    );
}

#[test]
fn a_pause_after_everything_is_kept_too() {
    let mut rollout = Rollout::of([to(1000), PROMOTED]);
    rollout.pauses_at(1000);
    rollout.lab.advance(60 * MINUTE);
    let plan = rollout.until(|_, plan| plan.step.is_none());
    assert_eq!(plan.report.waiting_on, WaitingOn::Promotion);
    assert_eq!(plan.report.stage, Stage::Shift);
}

#[test]
fn a_step_without_a_time_waits_for_a_person_and_has_no_deadline() {
    let mut rollout = Rollout::of([to(100), PROMOTED, to(500), PROMOTED]);
    rollout.pauses_at(100);
    rollout.lab.advance(24 * 60 * MINUTE);
    let plan = rollout.pauses_at(100);
    assert_eq!(plan.report.deadline, None);
    let step = plan.report.step.unwrap();
    assert_eq!((step.index, step.of, step.promotable), (1, 4, true));

    // What was seen elsewhere or earlier is not this.
    let promote = |rollout, step| Promote {
        rollout,
        step,
        full: false,
    };
    let this = rollout.rollout();
    let other = Generation {
        version: this.version - 1,
        ..this
    };
    for stale in [promote(this, 0), promote(this, 3), promote(other, 1)] {
        rollout.lab.intents.promote = Some(stale);
        for _ in 0..20 {
            let _ = rollout.reconcile();
        }
        rollout.lab.intents.promote = None;
        // The one for step 3 would count there: it is taken back, like a parameter that the next verb overwrites.
        assert_eq!(rollout.share(), 100, "{stale:?}");
    }
    rollout.lab.intents.promote = Some(promote(this, 1));
    rollout.pauses_at(500);
    rollout.lab.intents.promote = Some(promote(this, 3));
    assert_eq!(rollout.settles(), [succeeded("1.4.0")]);
}

#[test]
fn a_timed_pause_may_be_ended_too_and_full_ends_them_all() {
    let mut rollout = Rollout::of([
        to(100),
        minutes(60),
        to(500),
        PROMOTED,
        to(900),
        minutes(60),
    ]);
    rollout.pauses_at(100);
    rollout.lab.intents.promote = Some(Promote {
        rollout: rollout.rollout(),
        step: 1,
        full: true,
    });
    assert_eq!(rollout.settles(), [succeeded("1.4.0")]);
    assert_eq!(rollout.seen(), [0, 100, 1000]);
}

#[test]
fn a_person_aborts_in_any_stage_but_the_last() {
    let stages = [Stage::ScaleUp, Stage::Validate, Stage::Shift, Stage::Bake];
    for stage in stages {
        let mut rollout = Rollout::of([to(100), minutes(2)]);
        rollout.until(|_, plan| plan.report.stage == stage);
        rollout.lab.intents.abort = Some(Abort {
            rollout: rollout.rollout(),
        });
        let ended = rollout.settles();
        assert_eq!(ended, [("1.4.0".to_owned(), Outcome::Aborted)], "{stage:?}");
        assert_eq!(rollout.share(), 0, "{stage:?}");

        // The old verb says nothing of the next wish.
        rollout.lab.wish("1.5.0");
        assert_eq!(
            rollout.settles().last(),
            Some(&succeeded("1.5.0")),
            "{stage:?}"
        );
    }
}

#[test]
fn what_is_paused_keeps_its_traffic_and_its_clocks_stand_still() {
    let mut rollout = Rollout::of([to(100), minutes(5), to(500)]);
    rollout.pauses_at(100);
    let began = rollout.shares.last().unwrap().0;
    rollout.lab.intents.paused = true;
    let plan = rollout.until(|_, plan| plan.report.waiting_on == WaitingOn::Hold(Hold::Paused));
    assert_eq!(plan.step, None);
    rollout.lab.advance(24 * 60 * MINUTE);
    for _ in 0..50 {
        let _ = rollout.reconcile();
    }
    assert_eq!(rollout.share(), 100);
    // What serves is kept up.
    let blue = rollout.lab.services[0].shown.name.clone();
    rollout.lab.scale(&blue, 3);
    rollout.until(|rollout, _| rollout.lab.services[1].shown.desired == 3);
    rollout.lab.intents.paused = false;
    assert_eq!(rollout.settles(), [succeeded("1.4.0")]);
    let lasted = rollout.lasted(1);
    assert!(
        lasted > 24 * 60 * MINUTE + 4 * MINUTE,
        "from {began}: {lasted}"
    );
}

#[test]
fn what_was_paused_for_longer_than_its_deadline_goes_on_where_it_was() {
    for stage in [Stage::ScaleUp, Stage::Validate, Stage::Shift, Stage::Bake] {
        let mut rollout = Rollout::of([to(100), minutes(5)]);
        rollout.until(|_, plan| plan.report.stage == stage);
        rollout.lab.intents.paused = true;
        rollout.until(|_, plan| {
            plan.step.is_none() && plan.report.waiting_on == WaitingOn::Hold(Hold::Paused)
        });
        rollout.lab.advance(24 * 60 * MINUTE);
        rollout.until(|_, plan| plan.step.is_none());
        rollout.lab.intents.paused = false;
        assert_eq!(rollout.settles(), [succeeded("1.4.0")], "{stage:?}");
    }
}

#[test]
fn a_release_that_is_paused_before_it_begins_begins_when_that_ends() {
    let mut rollout = Rollout::of([]);
    rollout.lab.intents.paused = true;
    for _ in 0..50 {
        let _ = rollout.reconcile();
    }
    assert_eq!(rollout.lab.services.len(), 1);
    rollout.lab.intents.paused = false;
    assert_eq!(rollout.settles(), [succeeded("1.4.0")]);
}

#[test]
fn abort_goes_before_pause() {
    let mut rollout = Rollout::of([to(100), PROMOTED]);
    rollout.pauses_at(100);
    rollout.lab.intents.paused = true;
    rollout.until(|_, plan| plan.report.waiting_on == WaitingOn::Hold(Hold::Paused));
    rollout.lab.intents.abort = Some(Abort {
        rollout: rollout.rollout(),
    });
    assert_eq!(rollout.settles(), [("1.4.0".to_owned(), Outcome::Aborted)]);
}

#[test]
fn traffic_that_a_person_takes_away_is_won_back_from_there_with_its_pause_in_full() {
    let mut rollout = Rollout::of([to(100), minutes(5), to(500), minutes(5), to(900)]);
    rollout.pauses_at(500);
    rollout.lab.advance(4 * MINUTE);
    rollout.person_sets(20);
    assert_eq!(rollout.settles(), [succeeded("1.4.0")]);
    assert_eq!(rollout.seen(), [0, 100, 500, 200, 100, 500, 900, 1000]);
    assert!(rollout.lasted(4) >= 5 * MINUTE, "{:?}", rollout.shares);
}

#[test]
fn nobody_skips_a_step_by_moving_traffic() {
    let mut rollout = Rollout::of([to(100), PROMOTED]);
    rollout.pauses_at(100);
    rollout.person_sets(100);
    rollout.pauses_at(100);
    assert_eq!(rollout.share(), 100);
}

#[test]
fn a_lost_record_loses_a_pause_at_most() {
    let mut rollout = Rollout::of([to(100), minutes(5), to(500), minutes(5)]);
    rollout.pauses_at(500);
    rollout.lab.record = None;
    rollout.operator = Operator::new(&rollout.lab);
    assert_eq!(rollout.settles(), [succeeded("1.4.0")]);
    assert_eq!(rollout.seen(), [0, 100, 500, 1000]);
}

#[test]
fn a_restart_in_a_pause_changes_nothing() {
    let mut rollout = Rollout::of([to(100), minutes(5), to(500)]);
    rollout.pauses_at(100);
    rollout.lab.advance(3 * MINUTE);
    rollout.operator = Operator::new(&rollout.lab);
    assert_eq!(rollout.settles(), [succeeded("1.4.0")]);
    let lasted = rollout.lasted(1);
    assert!(
        (5 * MINUTE..6 * MINUTE).contains(&lasted),
        "{:?}",
        rollout.shares
    );
}

#[test]
fn a_dead_blue_ends_all_waiting() {
    let mut rollout = Rollout::of([to(100), PROMOTED]);
    rollout.pauses_at(100);
    rollout.lab.broken.insert("1.3.0".to_owned());
    let blue = rollout.lab.services[0].shown.name.clone();
    // Its tasks come up anew, and none becomes healthy.
    rollout.lab.scale(&blue, 0);
    rollout.lab.scale(&blue, 2);
    for _ in 0..400 {
        let _ = rollout
            .operator
            .reconcile(&mut rollout.lab)
            .expect("allowed");
    }
    assert_eq!(rollout.share(), 1000, "{:#?}", rollout.lab.writes);
}

#[test]
fn a_newer_wish_between_two_steps_goes_back_first() {
    let mut rollout = Rollout::of([to(100), minutes(5)]);
    rollout.pauses_at(100);
    rollout.lab.wish("1.5.0");
    let ended = rollout.settles();
    assert_eq!(
        ended,
        [
            ("1.4.0".to_owned(), Outcome::Superseded),
            succeeded("1.5.0")
        ]
    );
    assert_eq!(rollout.seen(), [0, 100, 0, 100, 1000]);
}

#[test]
fn the_first_release_has_nothing_to_be_compared_with() {
    let mut blog = application();
    blog.strategy.steps = vec![to(100), PROMOTED];
    let mut lab = Lab::new(blog);
    lab.wish("1.3.0");
    let mut operator = Operator::new(&lab);
    assert_eq!(operator.run(&mut lab, 400), Ending::Settled);
}

#[test]
fn the_same_version_wished_for_once_more_goes_on_where_it_is() {
    let mut rollout = Rollout::of([to(100), PROMOTED, to(500), minutes(5)]);
    rollout.pauses_at(100);
    rollout.lab.wish("1.4.0");
    let plan = rollout.pauses_at(100);
    assert_eq!(plan.report.step.unwrap().index, 1);
    assert_eq!(rollout.history(), [], "it has not ended");
    rollout.lab.intents.promote = Some(Promote {
        rollout: rollout.rollout(),
        step: 1,
        full: false,
    });
    assert_eq!(rollout.settles(), [succeeded("1.4.0")]);
    assert_eq!(rollout.seen(), [0, 100, 500, 1000]);
}

/// It stays in its parameter. Somebody deletes the service later: it comes again, as it would have without.
#[test]
fn an_abort_that_came_too_late_is_none_for_good() {
    let mut rollout = Rollout::of([to(100), minutes(2)]);
    rollout.until(|_, plan| plan.report.stage == Stage::CleanUp);
    rollout.lab.intents.abort = Some(Abort {
        rollout: rollout.rollout(),
    });
    assert_eq!(rollout.settles(), [succeeded("1.4.0")]);
    let name = rollout.lab.services[0].shown.name.clone();
    rollout.lab.delete(&name);
    rollout.lab.advance(MINUTE);
    let Rollout { operator, lab, .. } = &mut rollout;
    assert_eq!(operator.run(lab, 400), Ending::Settled);
    let [service] = rollout.lab.services.as_slice() else {
        panic!("{:?}", rollout.lab.services);
    };
    assert_eq!(service.shown.tags.version.as_deref(), Some("1.4.0"));
    assert_ne!(service.shown.name, name);
}

#[test]
fn an_abort_means_what_was_taken_over_from_an_earlier_wish_too() {
    let mut rollout = Rollout::of([to(100), PROMOTED]);
    rollout.pauses_at(100);
    rollout.lab.wish("1.4.0");
    rollout.pauses_at(100);
    rollout.lab.intents.abort = Some(Abort {
        rollout: rollout.rollout(),
    });
    assert_eq!(rollout.settles(), [("1.4.0".to_owned(), Outcome::Aborted)]);
    assert_eq!(rollout.share(), 0);
}

#[test]
fn what_was_aborted_and_is_tried_again_begins_anew() {
    let mut rollout = Rollout::of([to(100), PROMOTED]);
    rollout.pauses_at(100);
    rollout.lab.intents.abort = Some(Abort {
        rollout: rollout.rollout(),
    });
    rollout.until(|rollout, _| rollout.share() == 0);
    // Green still lives, on its way out.
    rollout.lab.wish("1.4.0");
    rollout.pauses_at(100);
    rollout.lab.intents.promote = Some(Promote {
        rollout: rollout.rollout(),
        step: 1,
        full: true,
    });
    let ended = rollout.settles();
    assert_eq!(
        ended,
        [("1.4.0".to_owned(), Outcome::Aborted), succeeded("1.4.0")]
    );
}

#[test]
fn what_is_paused_asks_for_the_weights_of_its_step() {
    let mut rollout = Rollout::of([to(100), PROMOTED]);
    rollout.pauses_at(100);
    rollout.lab.intents.paused = true;
    let plan = rollout.until(|_, plan| plan.report.waiting_on == WaitingOn::Hold(Hold::Paused));
    let rules = plan.report.rules.iter();
    let mut production = rules.filter(|rule| rule.role == Role::Production);
    assert!(production.all(|rule| rule.asked == Some([Some(90), Some(10)])));
    assert_eq!(plan.report.paused, Some(Hold::Paused));
}

#[test]
fn what_has_traffic_wakes_up_while_it_is_paused_too() {
    let mut rollout = Rollout::of([to(100), PROMOTED]);
    rollout.until(|rollout, _| rollout.lab.services.len() == 2);
    rollout.lab.intents.paused = true;
    rollout.until(|_, plan| plan.report.waiting_on == WaitingOn::Hold(Hold::Paused));
    // Green's group has to be named before anything else of the rollout.
    rollout.lab.set_production([Some(100), None]);
    for n in 0..2 {
        let name = rollout.lab.services[n].shown.name.clone();
        rollout.lab.scale(&name, 0);
    }
    for _ in 0..200 {
        let _ = rollout.operator.reconcile(&mut rollout.lab).unwrap();
    }
    assert_eq!(rollout.lab.services[0].shown.desired, 2);
    assert!(!rollout.lab.loses_requests());
}

#[test]
fn what_nobody_checks_may_live_and_is_named_while_it_is_paused_too() {
    let mut rollout = Rollout::of([to(100), PROMOTED]);
    rollout.until(|_, plan| matches!(plan.step, Some(Write::RegisterTaskDefinition { .. })));
    let Rollout {
        mut lab,
        mut operator,
        ..
    } = rollout;
    lab.intents.paused = true;
    // Somebody gives everything to the empty group, and takes the one that serves out of the rule.
    lab.set_production([None, Some(100)]);
    for _ in 0..50 {
        let _ = operator.reconcile(&mut lab).unwrap();
    }
    assert!(!lab.loses_requests(), "{:#?}", lab.writes);
    assert_eq!(lab.services.len(), 1, "nothing starts while it is paused");
}

#[test]
fn nobody_is_asked_to_wait_for_health_for_ever_in_a_step_without_a_time() {
    let mut rollout = Rollout::of([to(100), PROMOTED]);
    rollout.pauses_at(100);
    for version in ["1.3.0", "1.4.0"] {
        rollout.lab.broken.insert(version.to_owned());
    }
    for n in 0..2 {
        let name = rollout.lab.services[n].shown.name.clone();
        rollout.lab.scale(&name, 0);
        rollout.lab.scale(&name, 2);
    }
    let mut last = None;
    for _ in 0..200 {
        let plan = rollout.operator.reconcile(&mut rollout.lab).unwrap();
        last = Some(plan.report.waiting_on);
    }
    assert_eq!(last, Some(WaitingOn::Hold(Hold::NothingAlive)));
}

#[test]
fn steps_that_a_dead_blue_ended_do_not_come_back_when_it_goes() {
    let mut rollout = Rollout::of([to(100), minutes(60)]);
    rollout.pauses_at(100);
    rollout.lab.broken.insert("1.3.0".to_owned());
    let blue = rollout.lab.services[0].shown.name.clone();
    rollout.lab.scale(&blue, 0);
    rollout.lab.scale(&blue, 2);
    let mut stages = Vec::new();
    for _ in 0..3_000 {
        let plan = rollout.operator.reconcile(&mut rollout.lab).unwrap();
        if stages.last() != Some(&plan.report.stage) {
            stages.push(plan.report.stage);
        }
        if plan.report.waiting_on == WaitingOn::Nothing {
            break;
        }
    }
    assert_eq!(rollout.history(), [succeeded("1.4.0")]);
    let forward = stages.iter().filter(|stage| **stage != Stage::RollBack);
    assert!(forward.is_sorted(), "{stages:?}");
}

#[test]
fn a_step_that_is_begun_anew_has_all_its_time() {
    let mut rollout = Rollout::of([to(100), minutes(5)]);
    rollout.lab.application.deadlines.scale_up = Duration::from_secs(48 * 3_600);
    let stands = |rollout: &Rollout, plan: &Plan| {
        let (_, record) = rollout.lab.record.as_ref().unwrap();
        let step = record.rollout.as_ref().and_then(|rollout| rollout.step);
        step.is_some() && plan.report.stage == Stage::Shift
    };
    rollout.until(stands);
    assert_eq!(rollout.share(), 0);
    let green = rollout.lab.services[1].shown.name.clone();
    rollout.lab.scale(&green, 0);
    rollout.until(|_, plan| plan.report.stage == Stage::ScaleUp);
    rollout.lab.advance(24 * 60 * MINUTE);
    assert_eq!(rollout.settles(), [succeeded("1.4.0")]);
}

#[test]
fn green_is_as_large_as_its_step_says() {
    let steps = [scale(250), to(100), PROMOTED, scale(600), to(500), PROMOTED];
    let mut rollout = Rollout::sized(8, steps);
    rollout.pauses_at(100);
    assert_eq!(rollout.sizes(), [2, 8]);
    // Who scales blue scales what green has of it.
    rollout.resize_blue(12);
    rollout.until(|rollout, _| rollout.sizes() == [3, 12]);
    rollout.promote(false);
    rollout.pauses_at(500);
    assert_eq!(rollout.sizes(), [8, 12], "60 % of 12, rounded up");
    rollout.promote(false);
    // All of them are healthy before everything is on green.
    rollout.until(|rollout, _| rollout.share() == 1000);
    assert_eq!(rollout.sizes(), [12, 12]);
    assert_eq!(rollout.settles().last(), Some(&succeeded("1.4.0")));
}

#[test]
fn a_small_green_that_is_promoted_in_full_grows_first() {
    let mut rollout = Rollout::sized(8, [scale(250), to(100), PROMOTED]);
    rollout.pauses_at(100);
    rollout.promote(true);
    rollout.until(|rollout, _| rollout.sizes() == [8, 8]);
    assert_eq!(rollout.share(), 100);
    assert_eq!(rollout.settles().last(), Some(&succeeded("1.4.0")));
    assert!(rollout.seen().ends_with(&[100, 1000]));
}

#[test]
fn a_small_green_keeps_its_size_when_its_weight_is_taken_away_or_all_of_it_is_given() {
    for person in [0, 100] {
        let mut rollout = Rollout::sized(8, [scale(500), to(400), PROMOTED]);
        rollout.pauses_at(400);
        rollout.person_sets(person);
        rollout.pauses_at(400);
        assert_eq!(rollout.sizes(), [4, 8], "after {person} %");
    }
}
