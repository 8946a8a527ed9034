//! Whole releases over the lab: each ends with "and then nothing more is wanted".

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test says so by failing"
)]

use crd_schema::record::{Outcome, Stage};
use planner::lab::{Ending, Lab, LabService, Operator, application};
use planner::memory::weight;
use planner::report::Hold;
use planner::world::{Role, ServiceStatus, Side};

/// Blog 1.3.0 serves alone on A.
fn settled() -> (Lab, Operator) {
    let mut lab = Lab::new(application());
    lab.advance(100_000);
    lab.place("1.3.0", Side::A, 2, 0);
    lab.wish("1.3.0");
    let mut operator = Operator::new(&lab);
    assert_eq!(operator.run(&mut lab, 200), Ending::Settled);
    (lab, operator)
}

fn serving(lab: &Lab) -> Vec<(String, Side)> {
    lab.services
        .iter()
        .map(|s| {
            (
                s.shown.tags.version.clone().unwrap_or_default(),
                s.shown.side.unwrap(),
            )
        })
        .collect()
}

fn settles(lab: &mut Lab, operator: &mut Operator) {
    for _ in 0..600 {
        let _ = operator.reconcile(lab).expect("the guard agrees");
        assert!(
            !lab.loses_requests(),
            "traffic on a dead group; writes so far: {:#?}",
            lab.writes
        );
        if operator.clone().run(&mut lab.clone(), 3) == Ending::Settled {
            return;
        }
    }
    panic!("never settled; writes: {:#?}", lab.writes);
}

fn outcomes(lab: &Lab) -> Vec<(String, Outcome)> {
    let (_, record) = lab.record.as_ref().expect("a record was written");
    record
        .history
        .iter()
        .map(|ended| (ended.version.clone(), ended.outcome))
        .collect()
}

#[test]
fn the_first_release_comes_up_on_the_group_that_has_the_weight() {
    let mut lab = Lab::new(application());
    lab.wish("1.3.0");
    let mut operator = Operator::new(&lab);
    settles(&mut lab, &mut operator);
    assert_eq!(serving(&lab), [("1.3.0".to_owned(), Side::A)]);
    assert_eq!(outcomes(&lab), [("1.3.0".to_owned(), Outcome::Succeeded)]);
}

#[test]
fn a_release_ends_with_green_alone_and_the_next_one_swaps_back() {
    let (mut lab, mut operator) = settled();
    lab.wish("1.4.0");
    settles(&mut lab, &mut operator);
    assert_eq!(serving(&lab), [("1.4.0".to_owned(), Side::B)]);
    lab.wish("1.5.0");
    settles(&mut lab, &mut operator);
    assert_eq!(serving(&lab), [("1.5.0".to_owned(), Side::A)]);
    assert_eq!(
        outcomes(&lab),
        [
            ("1.4.0".to_owned(), Outcome::Succeeded),
            ("1.5.0".to_owned(), Outcome::Succeeded)
        ]
    );
    // The end of a service's name depends on when the wish was written.
    let short = |word: &str| match word.strip_prefix("blog-") {
        Some(rest) => format!("blog-{}…", &rest[..rest.len() - 10]),
        None => word.to_owned(),
    };
    let write = |line: &String| line.split(' ').map(short).collect::<Vec<_>>().join(" ");
    let writes: Vec<String> = lab.writes.iter().map(write).collect();
    insta::assert_snapshot!(writes.join("\n"));
}

#[test]
fn a_release_that_never_becomes_healthy_is_rejected_and_blue_serves_on() {
    let (mut lab, mut operator) = settled();
    lab.broken.insert("1.4.0".to_owned());
    lab.wish("1.4.0");
    settles(&mut lab, &mut operator);
    assert_eq!(serving(&lab), [("1.3.0".to_owned(), Side::A)]);
    assert_eq!(outcomes(&lab), [("1.4.0".to_owned(), Outcome::RolledBack)]);
    let (_, record) = lab.record.clone().expect("a record was written");
    assert!(
        record.rejected[0].reason.contains("exit code 1"),
        "{:?}",
        record.rejected
    );
    assert!(
        lab.services[0].shown.tags.rejected.is_some(),
        "the rejection also stands on blue"
    );
    // A lost record does not bring it back.
    lab.record = None;
    operator = Operator::new(&lab);
    settles(&mut lab, &mut operator);
    assert_eq!(serving(&lab), [("1.3.0".to_owned(), Side::A)]);
    // The next one is not blocked by it.
    lab.wish("1.4.1");
    settles(&mut lab, &mut operator);
    assert_eq!(serving(&lab), [("1.4.1".to_owned(), Side::B)]);
}

#[test]
fn a_release_whose_next_step_is_refused_until_the_deadline_is_rejected_with_the_refused_call() {
    for operation in ["RegisterTaskDefinition", "CreateService", "ModifyListener"] {
        let (mut lab, mut operator) = settled();
        lab.denied.insert(operation);
        lab.wish("1.4.0");
        let began = lab.now;
        let rejection = loop {
            let _ = operator.reconcile(&mut lab).expect("the guard agrees");
            if let Some(rejection) = lab.record.iter().find_map(|(_, r)| r.rejected.first()) {
                break rejection.clone();
            }
            assert!(lab.now < began + 700_000, "{operation}: {:#?}", lab.writes);
        };
        assert!(lab.now >= began + 300_000, "not before the deadline");
        let named = format!("AWS refused the next step: {operation} failed (denied)");
        assert!(rejection.reason.contains(&named), "{}", rejection.reason);
        // With the permission there again, the next one is not blocked by it.
        lab.denied.clear();
        settles(&mut lab, &mut operator);
        assert_eq!(serving(&lab), [("1.3.0".to_owned(), Side::A)]);
        lab.wish("1.4.1");
        settles(&mut lab, &mut operator);
        assert_eq!(serving(&lab), [("1.4.1".to_owned(), Side::B)]);
    }
}

#[test]
fn a_good_release_that_nobody_led_past_every_deadline_still_succeeds() {
    let (mut moments, mut along) = settled();
    moments.wish("1.4.0");
    let mut tried = 0;
    while along.clone().run(&mut moments.clone(), 3) != Ending::Settled {
        let _ = along.reconcile(&mut moments).expect("the guard agrees");
        if serving(&moments)
            .iter()
            .all(|(version, _)| version != "1.4.0")
        {
            continue;
        }
        let mut lab = moments.clone();
        lab.advance(3_600_000);
        let mut operator = Operator::new(&lab);
        operator.memory.clean_start = None;
        settles(&mut lab, &mut operator);
        let reasons = lab.record.as_ref().map(|(_, record)| &record.rejected);
        assert_eq!(
            serving(&lab),
            [("1.4.0".to_owned(), Side::B)],
            "{reasons:?} at moment {tried}: {:?}",
            moments.record
        );
        tried += 1;
    }
    assert!(tried > 20, "{tried}");
}

#[test]
fn a_bad_moment_after_blue_is_gone_is_no_failed_release() {
    let (mut lab, mut operator) = settled();
    let ended = outcomes(&lab).len();
    lab.wish("1.4.0");
    let alone = |lab: &Lab| {
        let active = |s: &&LabService| s.shown.status == ServiceStatus::Active;
        lab.services.iter().filter(active).count() == 1
    };
    let cleans_up = |lab: &Lab| {
        let rollout = lab
            .record
            .as_ref()
            .and_then(|(_, record)| record.rollout.as_ref());
        rollout.is_some_and(|rollout| rollout.stage == Stage::CleanUp)
    };
    while !(cleans_up(&lab) && alone(&lab)) {
        let _ = operator.reconcile(&mut lab).expect("the guard agrees");
    }
    // Every deadline of the release is over by then, and each of its tasks stops at once.
    lab.advance(3_600_000);
    let now = lab.now;
    let green = lab.services.last_mut().unwrap();
    green.tasks.values_mut().for_each(|started| *started = now);
    assert_eq!(operator.run(&mut lab, 600), Ending::Settled);
    assert_eq!(outcomes(&lab).len(), ended + 1);
    assert_eq!(outcomes(&lab).last().unwrap().1, Outcome::Succeeded);
    assert_eq!(serving(&lab).len(), 1);
}

#[test]
fn desired_may_change_at_any_moment_to_something_new_or_back() {
    let (lab, operator) = settled();
    let mut moments = lab.clone();
    moments.wish("1.4.0");
    let mut along = operator.clone();
    for moment in 0..120 {
        for (next, ends_with) in [("1.5.0", "1.5.0"), ("1.3.0", "1.3.0"), ("1.4.0", "1.4.0")] {
            let (mut lab, mut operator) = (moments.clone(), along.clone());
            lab.wish(next);
            settles(&mut lab, &mut operator);
            let versions: Vec<String> = serving(&lab)
                .into_iter()
                .map(|(version, _)| version)
                .collect();
            assert_eq!(
                versions,
                [ends_with],
                "changed to {next} at moment {moment}; writes: {:#?}",
                lab.writes
            );
        }
        let _ = along.reconcile(&mut moments).expect("the guard agrees");
    }
}

#[test]
fn a_restart_at_any_moment_changes_nothing_in_the_outcome() {
    let (lab, operator) = settled();
    let mut moments = lab.clone();
    moments.wish("1.4.0");
    let mut along = operator.clone();
    for _ in 0..120 {
        let mut lab = moments.clone();
        let mut fresh = Operator::new(&lab);
        fresh.memory.clean_start = None;
        settles(&mut lab, &mut fresh);
        assert_eq!(serving(&lab), [("1.4.0".to_owned(), Side::B)]);
        let _ = along.reconcile(&mut moments).expect("the guard agrees");
    }
}

#[test]
fn weights_that_someone_resets_are_put_right() {
    let (mut lab, mut operator) = settled();
    lab.wish("1.4.0");
    settles(&mut lab, &mut operator);
    lab.set_production([Some(100), Some(0)]);
    for _ in 0..30 {
        let _ = operator.reconcile(&mut lab).expect("the guard agrees");
    }
    let production = lab
        .rules
        .iter()
        .find(|rule| rule.role == Role::Production)
        .expect("there is one");
    assert!(
        weight(production, Side::B) > 0 && weight(production, Side::A) == 0,
        "{production:?}"
    );
}

#[test]
fn an_unlisted_rule_holds_a_release_and_names_the_line_to_add() {
    let (mut lab, mut operator) = settled();
    let mut rule = lab.rules[0].clone();
    rule.role = Role::Unlisted;
    rule.target = crd_schema::application::RuleTarget::Rule(crd_schema::RuleArn::new("rule-7"));
    lab.rules.push(rule);
    lab.wish("1.4.0");
    let Ending::Held(Hold::UnlistedRule { rule }) = operator.run(&mut lab, 500) else {
        panic!("not held")
    };
    assert!(rule.contains("- rule: rule-7"), "{rule}");
    assert_eq!(serving(&lab), [("1.3.0".to_owned(), Side::A)]);
}

#[test]
fn a_blue_that_someone_deletes_is_made_again() {
    let (mut lab, mut operator) = settled();
    let name = lab.services[0].shown.name.clone();
    lab.delete(&name);
    for _ in 0..200 {
        let _ = operator.reconcile(&mut lab).expect("the guard agrees");
    }
    assert_eq!(operator.run(&mut lab, 200), Ending::Settled);
    assert_eq!(serving(&lab).len(), 1);
    assert_ne!(lab.services[0].shown.name, name, "names never repeat");
}

#[test]
fn an_unhealthy_blue_does_not_block_the_fix() {
    let (mut lab, mut operator) = settled();
    lab.broken.insert("1.3.0".to_owned());
    lab.wish("1.4.0");
    assert_eq!(operator.run(&mut lab, 600), Ending::Settled);
    assert_eq!(serving(&lab), [("1.4.0".to_owned(), Side::B)]);
}

/// Found by the walks: half the traffic goes back to a blue of half size, and the split gave green a larger number than
/// the one that a person had left.
#[test]
fn a_split_that_raises_the_other_side_s_number_carries_its_evidence_too() {
    let (mut lab, mut operator) = settled();
    lab.wish("1.4.0");
    for _ in 0..13 {
        let _ = operator.reconcile(&mut lab).expect("the guard agrees");
    }
    let tuning = operator.tuning;
    operator = Operator::new(&lab);
    operator.memory.clean_start = None;
    operator.tuning = tuning;
    lab.set_production([None, Some(30)]);
    let blue = lab.services[0].shown.name.clone();
    lab.scale(&blue, 1);
    lab.wish("1.3.0");
    assert_eq!(operator.run(&mut lab, 3_000), Ending::Settled);
    assert_eq!(serving(&lab), [("1.3.0".to_owned(), Side::A)]);
}

/// Found by the walks and the sweep: the rule gives nobody weight and does not name the group of what lives. Nobody
/// checks that group then, so it never counts as alive.
#[test]
fn a_rule_without_weight_that_does_not_name_what_lives_is_told() {
    let (mut lab, mut operator) = settled();
    lab.set_production([None, Some(0)]);
    for rule in lab.rules.iter_mut().filter(|rule| rule.role == Role::Test) {
        rule.action = planner::world::Action::Forward {
            weights: [None, Some(0)],
            others: Vec::new(),
            sticky: false,
        };
    }
    let ending = operator.run(&mut lab, 500);
    assert!(
        matches!(ending, Ending::Held(Hold::GroupUnnamed { .. })),
        "{ending:?}"
    );
}

/// Found by the walks: the wish's side is empty and has all the weight, and the group of the only service is in no rule.
#[test]
fn what_may_take_over_is_named_so_that_it_is_checked() {
    let (mut lab, mut operator) = settled();
    lab.wish("1.4.0");
    for _ in 0..19 {
        let _ = operator.reconcile(&mut lab).expect("the guard agrees");
    }
    lab.set_production([Some(30), None]);
    lab.wish("1.3.0");
    let blue = lab.services[0].shown.name.clone();
    lab.delete(&blue);
    assert_eq!(operator.run(&mut lab, 3_000), Ending::Settled);
    assert_eq!(serving(&lab).len(), 1);
}
