//! Whose change of weights it was.

use crd_schema::application::RuleTarget;
use crd_schema::record::{Generation, Release, Rollout, Stage};
use crd_schema::{ListenerArn, TargetGroupArn};
use planner::ablation::{self, Without};
use planner::world::{Action, Role};
use planner::{Read, Side, World};

use crate::scene::{Scene, scene};

/// The scene in the middle of a rollout.
fn rolling() -> Scene {
    let mut scene = scene();
    let generation = Generation {
        date: 1,
        version: 1,
    };
    scene.memory.record.rollout = Some(Rollout {
        release: Release {
            digest: "d".to_owned(),
            version: "1.4.0".to_owned(),
            generation,
            task_definition: None,
        },
        stage: Stage::Shift,
        entered: Default::default(),
        reference: 2,
        step: None,
        gates: Default::default(),
        paused: None,
        deployment: None,
        base: None,
    });
    scene
}

fn set(scene: &mut Scene, n: usize, weights: [Option<u32>; 2]) {
    scene.lab.rules[n].action = Action::Forward {
        weights,
        others: Vec::new(),
        sticky: false,
    };
}

#[test]
fn each_round_in_which_somebody_changed_production_weights_counts_once() {
    let mut scene = rolling();
    scene.look();
    assert_eq!(scene.memory.foreign_changes, 0);
    for (n, b) in [(1, 50), (2, 20), (3, 10)] {
        set(&mut scene, 0, [Some(100), Some(b)]);
        scene.look();
        scene.look();
        assert_eq!(scene.memory.foreign_changes, n);
    }
    // Named at 0 or not named is one.
    set(&mut scene, 0, [Some(90), Some(0)]);
    scene.look();
    set(&mut scene, 0, [Some(90), None]);
    scene.look();
    assert_eq!(scene.memory.foreign_changes, 4);
    let spare = TargetGroupArn::new("tg-spare");
    for (n, weight) in [(4, 0), (5, 10)] {
        scene.lab.rules[0].action = Action::Forward {
            weights: [Some(90), None],
            others: vec![(spare.clone(), weight)],
            sticky: false,
        };
        scene.look();
        assert_eq!(scene.memory.foreign_changes, n, "a group without a side");
    }
    scene.memory.record.rollout = None;
    scene.look();
    assert_eq!(scene.memory.foreign_changes, 0);
}

#[test]
fn one_of_several_rules_is_enough_and_only_production_rules_count() {
    let mut scene = rolling();
    let mut more = scene.lab.rules[0].clone();
    more.target = RuleTarget::Listener(ListenerArn::new("listener-8443"));
    scene.lab.rules.push(more);
    scene.look();
    for (n, changed) in [(1, 0), (2, 2)] {
        set(&mut scene, changed, [Some(50), Some(50)]);
        scene.look();
        assert_eq!(scene.memory.foreign_changes, n);
    }
    assert_eq!(scene.lab.rules[1].role, Role::Test);
    set(&mut scene, 1, [None, Some(100)]);
    scene.look();
    assert_eq!(scene.memory.foreign_changes, 2);
}

#[test]
fn what_is_read_before_the_own_write_shows_is_nobody_s_change() {
    let mut scene = rolling();
    let before = scene.lab.observe();
    let write = scene.shift([Some(50), Some(50)]);
    scene.applied(&write);
    scene.look_at(|world| world.rules = before.rules.clone());
    assert_eq!(scene.memory.foreign_changes, 0);
    scene.look();
    assert_eq!(scene.memory.foreign_changes, 0);
    // Somebody else's change of another rule meanwhile is one.
    let mut scene = rolling();
    let mut more = scene.lab.rules[0].clone();
    more.target = RuleTarget::Listener(ListenerArn::new("listener-8443"));
    scene.lab.rules.push(more);
    scene.look();
    let write = scene.shift([Some(50), Some(50)]);
    scene.unanswered(&write);
    set(&mut scene, 0, [Some(50), Some(50)]);
    scene.look();
    assert_eq!(scene.memory.foreign_changes, 0, "it may be ours");
    set(&mut scene, 2, [Some(50), Some(50)]);
    scene.look();
    assert_eq!(scene.memory.foreign_changes, 1);
}

/// An own write lands long after it was given up.
#[test]
fn what_a_late_write_of_ours_makes_is_nobody_s_change() {
    let mut scene = rolling();
    let late = scene.shift([Some(50), Some(50)]);
    scene.late(late, None);
    set(&mut scene, 0, [Some(60), Some(40)]);
    scene.look();
    assert_eq!(scene.memory.foreign_changes, 1, "other weights");
    set(&mut scene, 0, [Some(50), Some(50)]);
    scene.look();
    assert_eq!(scene.memory.foreign_changes, 1);
    // A late write of another rule makes no change of this one.
    let mut other = scene.shift([Some(70), Some(30)]);
    if let planner::Write::SetWeights { rule, .. } = &mut other {
        *rule = RuleTarget::Listener(ListenerArn::new("listener-8443"));
    }
    scene.late(other, None);
    set(&mut scene, 0, [Some(70), Some(30)]);
    scene.look();
    assert_eq!(scene.memory.foreign_changes, 2);
}

/// Soon after a start it may be a write of an earlier self: one that lands late, unless that one handed over, or one
/// that reads show late.
#[test]
fn soon_after_a_start_a_change_may_be_the_earlier_process_s_own() {
    // Forty seconds in which it may land, and ten by which reads may lag.
    let counted = |clean: Option<bool>, ms: u64| {
        let mut scene = rolling();
        scene.memory.clean_start = clean;
        scene.memory.leading_since = planner::Mono(scene.lab.now);
        scene.lab.advance(ms);
        set(&mut scene, 0, [Some(50), Some(50)]);
        scene.look();
        scene.memory.foreign_changes == 1
    };
    assert!(!counted(Some(false), 49_999));
    assert!(counted(Some(false), 50_000));
    assert!(!counted(Some(true), 9_999));
    assert!(counted(Some(true), 10_000));
}

/// With a group for each release: a rule names a new group, which the listing of groups shows one look later, and then
/// not again. It is one change all the same.
#[test]
fn a_change_that_is_read_before_the_group_that_it_names_counts_once() {
    let mut scene = rolling();
    scene.look();
    let new = scene.lab.groups[1].clone().map(|group| group.arn).unwrap();
    let before = |world: &mut World| {
        if let Read::Known { value, .. } = &mut world.groups[1] {
            *value = None;
        }
        if let Read::Known { value, .. } = &mut world.rules {
            for rule in value.iter_mut().filter(|r| r.role == Role::Production) {
                rule.action = Action::Forward {
                    weights: [Some(50), None],
                    others: vec![(new.clone(), 50)],
                    sticky: false,
                };
            }
        }
    };
    set(&mut scene, 0, [Some(50), Some(50)]);
    for _ in 0..2 {
        scene.look_at(before);
        scene.look();
        assert_eq!(scene.memory.foreign_changes, 1);
    }
    // While a group is unread, whose weights these are is not known, and nothing is missed.
    let mut scene = rolling();
    scene.look();
    set(&mut scene, 0, [Some(50), Some(50)]);
    scene.look_at(|world| {
        world.groups[1] = Read::Unread {
            reason: "throttled".to_owned(),
        };
    });
    assert_eq!(scene.memory.foreign_changes, 0);
    scene.look();
    assert_eq!(scene.memory.foreign_changes, 1);
}

/// As long as a read may lag, it may show what was there before somebody else's change.
#[test]
fn what_was_there_before_counts_as_changed_back_when_no_read_can_lag_that_far() {
    for (ms, expected) in [(9_999, 1), (10_000, 2)] {
        let mut scene = rolling();
        scene.look();
        set(&mut scene, 0, [Some(50), Some(50)]);
        scene.look();
        assert_eq!(scene.memory.foreign_changes, 1);
        scene.lab.advance(ms);
        set(&mut scene, 0, [Some(100), Some(0)]);
        scene.look();
        assert_eq!(scene.memory.foreign_changes, expected, "{ms}");
    }
}

/// Health of green counts; then its group is named by these of the two rules. Whether it still counts.
fn counts_when_named_by(rules: [bool; 2], without: &[ablation::Rule]) -> bool {
    let mut scene = scene();
    scene.tuning.without = Without::rules(without);
    let name = |scene: &mut Scene, rules: [bool; 2]| {
        for (rule, named) in rules.into_iter().enumerate() {
            set(scene, rule, [Some(100), named.then_some(0)]);
        }
    };
    name(&mut scene, [true, false]);
    scene.look();
    scene.lab.advance(20_000);
    scene.look();
    let counts = |scene: &Scene| scene.memory.health[Side::B.index()].readings().is_some();
    assert!(counts(&scene));
    name(&mut scene, rules);
    scene.look();
    counts(&scene)
}

#[test]
fn health_counts_no_more_once_none_but_other_rules_name_the_group() {
    assert!(counts_when_named_by([true, false], &[]));
    assert!(counts_when_named_by([true, true], &[]));
    assert!(!counts_when_named_by([false, true], &[]));
    assert!(counts_when_named_by(
        [false, true],
        &[ablation::Rule::HealthByOtherRules]
    ));
}
