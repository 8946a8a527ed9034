//! Whole releases with a target group for each, over the lab: each ends with "and then nothing more is wanted", and
//! with one group.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test says so by failing"
)]

use std::collections::BTreeSet;

use crd_schema::application::RuleTarget;
use crd_schema::record::Outcome;
use crd_schema::{RuleArn, TargetGroupArn};
use planner::lab::{Ending, Lab, Operator, per_release};
use planner::memory::weight;
use planner::report::Hold;
use planner::world::{Action, Origin, Role, Side};
use planner::{Write, safety};

/// Blog 1.3.0 serves alone on A, on a group of its own.
fn settled() -> (Lab, Operator) {
    settled_on(Side::A)
}

fn settled_on(side: Side) -> (Lab, Operator) {
    let mut lab = Lab::new(per_release());
    lab.advance(100_000);
    lab.place("1.3.0", side, 2, 0);
    lab.wish("1.3.0");
    let mut operator = Operator::new(&lab);
    assert_eq!(operator.run(&mut lab, 200), Ending::Settled);
    (lab, operator)
}

fn serving(lab: &Lab) -> Vec<(String, Option<Side>)> {
    lab.services
        .iter()
        .map(|s| {
            (
                s.shown.tags.version.clone().unwrap_or_default(),
                s.shown.side,
            )
        })
        .collect()
}

fn versions(lab: &Lab) -> Vec<String> {
    serving(lab)
        .into_iter()
        .map(|(version, _)| version)
        .collect()
}

fn production(lab: &Lab, side: Side) -> u32 {
    let rules = lab.rules.iter().filter(|r| r.role == Role::Production);
    rules.map(|rule| weight(rule, side)).max().unwrap_or(0)
}

/// One group, it is ours, and rules name it alone.
fn one_group(lab: &Lab) {
    let groups: Vec<_> = lab.groups.iter().flatten().collect();
    let ours = |origin: &Origin| matches!(origin, Origin::Ours { .. });
    assert!(
        matches!(groups.as_slice(), [only] if ours(&only.origin)) && lab.spares.is_empty(),
        "{:?} {:?}; writes: {:#?}",
        lab.groups,
        lab.spares,
        lab.writes
    );
    for rule in &lab.rules {
        let Action::Forward {
            weights, others, ..
        } = &rule.action
        else {
            panic!("{rule:?}")
        };
        assert_eq!(weights.iter().flatten().count(), 1, "{rule:?}");
        assert!(others.is_empty(), "{rule:?}");
    }
}

fn settles(lab: &mut Lab, operator: &mut Operator) {
    // Before its first release nobody serves, and what comes up does so beside a template with all weight.
    let mut serves = lab.healthy(Side::A) + lab.healthy(Side::B) > 0;
    for _ in 0..900 {
        let _ = operator
            .reconcile(lab)
            .unwrap_or_else(|violation| panic!("{violation}; writes: {:#?}", lab.writes));
        serves |= !lab.loses_requests() && lab.healthy(Side::A) + lab.healthy(Side::B) > 0;
        assert!(
            !serves || !lab.loses_requests(),
            "traffic on a dead group; writes so far: {:#?}",
            lab.writes
        );
        if operator.clone().run(&mut lab.clone(), 3) == Ending::Settled {
            return;
        }
    }
    panic!("never settled; writes: {:#?}", lab.writes);
}

/// The ends of names depend on when the wish was written.
fn writes(lab: &Lab) -> String {
    let short = |word: &str| match word.rfind("blog-") {
        Some(start) if word.len() > start + 15 => {
            format!("{}…", &word[start..word.len() - 10])
        }
        Some(_) | None => word.to_owned(),
    };
    let line = |line: &String| line.split(' ').map(short).collect::<Vec<_>>().join(" ");
    lab.writes.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_first_release_leaves_the_template_as_it_was_and_takes_it_out_of_the_rules() {
    let mut lab = Lab::new(per_release());
    lab.wish("1.3.0");
    let mut operator = Operator::new(&lab);
    settles(&mut lab, &mut operator);
    assert_eq!(versions(&lab), ["1.3.0"]);
    one_group(&lab);
    insta::assert_snapshot!(writes(&lab));
}

#[test]
fn a_service_behind_the_template_serves_until_the_first_release_is_healthy() {
    let mut lab = Lab::new(per_release());
    lab.template_serves = true;
    lab.wish("1.3.0");
    let mut operator = Operator::new(&lab);
    for _ in 0..10 {
        let _ = operator.reconcile(&mut lab).expect("the guard agrees");
    }
    assert_eq!(production(&lab, Side::A), 100, "the template still serves");
    settles(&mut lab, &mut operator);
    one_group(&lab);
    // A first release that never becomes healthy takes nothing away from it.
    let mut lab = Lab::new(per_release());
    lab.template_serves = true;
    lab.broken.insert("1.3.0".to_owned());
    lab.wish("1.3.0");
    let mut operator = Operator::new(&lab);
    let ending = operator.run(&mut lab, 900);
    assert!(
        matches!(ending, Ending::Held(Hold::NothingToFallBackTo { .. })),
        "{ending:?}"
    );
    assert_eq!(production(&lab, Side::A), 100);
    assert!(!lab.loses_requests());
    // The next one is not blocked by it.
    lab.wish("1.3.1");
    settles(&mut lab, &mut operator);
    assert_eq!(versions(&lab), ["1.3.1"]);
    one_group(&lab);
}

#[test]
fn a_release_brings_its_group_and_the_old_one_goes_with_its_group() {
    let (mut lab, mut operator) = settled();
    lab.wish("1.4.0");
    settles(&mut lab, &mut operator);
    assert_eq!(serving(&lab), [("1.4.0".to_owned(), Some(Side::B))]);
    one_group(&lab);
    insta::assert_snapshot!(writes(&lab));
}

#[test]
fn ten_releases_leave_one_group_and_no_name_twice() {
    let (mut lab, mut operator) = settled();
    let mut names = BTreeSet::new();
    for release in 0..10 {
        lab.wish(&format!("2.0.{release}"));
        settles(&mut lab, &mut operator);
        one_group(&lab);
        let group = lab.groups.iter().flatten().next().expect("one");
        let Origin::Ours { name } = &group.origin else {
            panic!("{group:?}")
        };
        assert!(names.insert(name.clone()), "{name} twice");
        assert!(name.len() <= 32, "{name}");
    }
}

#[test]
fn a_new_group_has_the_template_s_attributes_before_a_service_is_bound_to_it() {
    let (mut lab, mut operator) = settled();
    lab.wish("1.4.0");
    let created = |lab: &Lab| lab.services.len() > 1;
    while !created(&lab) {
        let _ = operator.reconcile(&mut lab).expect("the guard agrees");
    }
    let [Some(old), Some(new)] = &lab.groups else {
        panic!("{:?}", lab.groups)
    };
    assert_eq!(old.attributes, new.attributes);
    assert!(new.attributes.contains_key("slow_start.duration_seconds"));
}

#[test]
fn a_release_that_never_becomes_healthy_goes_with_its_group() {
    let (mut lab, mut operator) = settled();
    lab.broken.insert("1.4.0".to_owned());
    lab.wish("1.4.0");
    settles(&mut lab, &mut operator);
    assert_eq!(serving(&lab), [("1.3.0".to_owned(), Some(Side::A))]);
    one_group(&lab);
    let (_, record) = lab.record.clone().expect("a record was written");
    assert_eq!(record.history[0].outcome, Outcome::RolledBack);
    lab.wish("1.4.1");
    settles(&mut lab, &mut operator);
    assert_eq!(versions(&lab), ["1.4.1"]);
    one_group(&lab);
}

#[test]
fn desired_may_change_and_the_operator_restart_at_any_moment() {
    let (lab, operator) = settled();
    let mut moments = lab.clone();
    moments.wish("1.4.0");
    let mut along = operator.clone();
    for moment in 0..140 {
        for next in ["1.5.0", "1.3.0", "1.4.0"] {
            let (mut lab, mut operator) = (moments.clone(), along.clone());
            if moment % 2 == 0 {
                operator = Operator::new(&lab);
                operator.memory.clean_start = None;
            }
            lab.wish(next);
            settles(&mut lab, &mut operator);
            assert_eq!(
                versions(&lab),
                [next],
                "changed at moment {moment}; writes: {:#?}",
                lab.writes
            );
            one_group(&lab);
        }
        let _ = along.reconcile(&mut moments).expect("the guard agrees");
    }
}

#[test]
fn a_name_that_somebody_else_has_is_passed_over() {
    let (mut lab, mut operator) = settled();
    lab.wish("1.4.0");
    let mut probe = (lab.clone(), operator.clone());
    let name = loop {
        let plan = probe.1.reconcile(&mut probe.0).expect("the guard agrees");
        if let Some(Write::CreateTargetGroup { name, .. }) = plan.step {
            break name;
        }
    };
    lab.taken.insert(name);
    settles(&mut lab, &mut operator);
    assert_eq!(versions(&lab), ["1.4.0"]);
    one_group(&lab);
}

#[test]
fn a_group_that_an_unlisted_rule_names_is_not_deleted_and_the_line_to_add_is_told() {
    let (mut lab, mut operator) = settled();
    lab.wish("1.4.0");
    // Everything is on 1.4.0, and somebody adds a rule for the group of 1.3.0.
    while production(&lab, Side::A) > 0 {
        let _ = operator.reconcile(&mut lab).expect("the guard agrees");
    }
    let mut rule = lab.rules[0].clone();
    rule.role = Role::Unlisted;
    rule.target = RuleTarget::Rule(RuleArn::new("rule-7"));
    rule.action = Action::Forward {
        weights: [Some(0), None],
        others: Vec::new(),
        sticky: false,
    };
    lab.rules.push(rule);
    let Ending::Held(Hold::UnlistedRule { rule }) = operator.run(&mut lab, 900) else {
        panic!("not held; writes: {:#?}", lab.writes)
    };
    assert!(rule.contains("- rule: rule-7"), "{rule}");
    assert_eq!(lab.services.len(), 2, "blue runs on");
    // Taken out, it goes on.
    lab.rules.pop();
    settles(&mut lab, &mut operator);
    one_group(&lab);
}

#[test]
fn weights_and_groups_that_somebody_changes_are_put_right() {
    let (mut lab, mut operator) = settled();
    lab.wish("1.4.0");
    settles(&mut lab, &mut operator);
    // A person deletes the service that serves: the release comes again, on a new group.
    let name = lab.services[0].shown.name.clone();
    let group = lab.groups[1].clone().expect("it serves there");
    lab.delete(&name);
    for _ in 0..200 {
        let _ = operator.reconcile(&mut lab).expect("the guard agrees");
    }
    assert_eq!(operator.run(&mut lab, 900), Ending::Settled);
    assert_eq!(versions(&lab), ["1.4.0"]);
    one_group(&lab);
    assert_ne!(lab.groups.iter().flatten().next(), Some(&group));
}

/// The group that lost its service has all weight, which no other one can take: what failed beside it makes room.
#[test]
fn blue_that_someone_deletes_beside_a_green_that_never_lives_comes_again_or_a_newer_wish_does() {
    for newer in [None, Some("1.5.0")] {
        let (mut lab, mut operator) = settled();
        lab.broken.insert("1.4.0".to_owned());
        lab.wish("1.4.0");
        while lab.services.len() < 2 {
            let _ = operator.reconcile(&mut lab).expect("the guard agrees");
        }
        let blue = lab.services[0].shown.name.clone();
        lab.delete(&blue);
        if let Some(version) = newer {
            lab.wish(version);
        }
        assert_eq!(operator.run(&mut lab, 900), Ending::Settled);
        assert_eq!(versions(&lab), [newer.unwrap_or("1.3.0")]);
        one_group(&lab);
    }
}

/// Somebody takes the group that serves out of the rule and deletes its service, beside what never lives.
#[test]
fn the_group_that_a_rule_cannot_do_without_is_not_the_one_that_makes_room() {
    for serves in Side::BOTH {
        let (mut lab, mut operator) = settled_on(serves);
        lab.broken.insert("1.4.0".to_owned());
        lab.wish("1.4.0");
        while lab.services.len() < 2 {
            let _ = operator.reconcile(&mut lab).expect("the guard agrees");
        }
        let blue = lab.services[0].shown.name.clone();
        let mut weights = [None, None];
        weights[serves.other().index()] = Some(0);
        lab.set_production(weights);
        lab.delete(&blue);
        let Ending::Held(Hold::GroupUnnamed { group }) = operator.run(&mut lab, 900) else {
            panic!("not held; writes: {:#?}", lab.writes)
        };
        // There is a group for the way back, and one weight on it is all that is asked for.
        let made = lab.groups[serves.index()].as_ref().expect("made anew");
        assert!(made.arn.as_str().contains(&group), "{made:?}, not {group}");
        weights[serves.index()] = Some(1);
        lab.set_production(weights);
        // That is the second change by somebody else: it keeps nothing from coming back where nothing lives.
        assert_eq!(operator.run(&mut lab, 900), Ending::Held(Hold::Contended));
        assert_eq!(versions(&lab), ["1.4.0", "1.3.0"]);
        assert!(!lab.loses_requests() && lab.healthy(serves) == 2);
        lab.wish("1.5.0");
        settles(&mut lab, &mut operator);
        assert_eq!(versions(&lab), ["1.5.0"]);
        one_group(&lab);
    }
}

#[test]
fn a_service_that_someone_deletes_at_any_moment_comes_again_or_a_newer_wish_does() {
    for broken in [None, Some("1.4.0".to_owned())] {
        let (mut along, mut operator) = settled();
        along.broken.extend(broken);
        along.wish("1.4.0");
        for _ in 0..30 {
            let names: Vec<_> = along.services.iter().map(|s| &s.shown.name).collect();
            for name in names {
                for newer in [None, Some("1.5.0")] {
                    let (mut lab, mut operator) = (along.clone(), operator.clone());
                    lab.delete(name);
                    newer.into_iter().for_each(|version| lab.wish(version));
                    assert_eq!(operator.run(&mut lab, 900), Ending::Settled);
                    one_group(&lab);
                }
            }
            for _ in 0..7 {
                let _ = operator.reconcile(&mut along).expect("the guard agrees");
            }
        }
    }
}

#[test]
fn spare_groups_of_a_late_write_go() {
    let (mut lab, mut operator) = settled();
    let mut late = lab.groups[0].clone().expect("it serves");
    late.arn = TargetGroupArn::new("tg-late");
    late.origin = Origin::Ours {
        name: "blog-late".to_owned(),
    };
    if let Action::Forward { others, .. } = &mut lab.rules[0].action {
        others.push((late.arn.clone(), 0));
    }
    lab.spares.push(late);
    settles(&mut lab, &mut operator);
    assert_eq!(versions(&lab), ["1.3.0"]);
    one_group(&lab);
}

/// The fence: whatever stands in the weights, tasks are not stopped while their group exists.
#[test]
fn s4_tasks_outlive_their_group() {
    let (mut lab, mut operator) = settled();
    let long = (
        "deregistration_delay.timeout_seconds".to_owned(),
        "300".to_owned(),
    );
    lab.groups[0]
        .as_mut()
        .expect("it serves")
        .attributes
        .extend([long]);
    lab.wish("1.4.0");
    let check = |lab: &Lab, operator: &mut Operator, write: &Write| {
        let world = lab.observe();
        operator
            .memory
            .absorb(&world, &operator.tuning, lab.clock());
        let Operator { memory, tuning, .. } = &operator;
        safety::check(&lab.application, &world, memory, tuning, write, lab.clock())
            .map_or_else(|violation| violation.property, |()| "allowed")
    };
    let blue = lab.services[0].shown.name.clone();
    let scale = Write::ScaleService {
        name: blue,
        from: 2,
        to: 0,
    };
    let delete = Write::DeleteTargetGroup {
        group: lab.groups[0].clone().expect("it serves").arn,
    };
    let mut seen = BTreeSet::new();
    for _ in 0..900 {
        let exists = lab.groups[0].is_some();
        let named = lab.rules.iter().any(|rule| {
            matches!(
                &rule.action,
                Action::Forward {
                    weights: [Some(_), _],
                    ..
                }
            )
        });
        if exists {
            assert_eq!(check(&lab, &mut operator, &scale), "S4");
        }
        if named {
            assert_eq!(check(&lab, &mut operator, &delete), "S4");
        } else if exists {
            seen.insert(check(&lab, &mut operator, &delete));
        } else {
            seen.insert("gone");
        }
        let _ = operator.reconcile(&mut lab).expect("the guard agrees");
    }
    assert!(
        seen.contains("S5") && seen.contains("gone"),
        "requests in flight are waited for: {seen:?}"
    );
    // The template, and a group that was never read.
    let template = Write::DeleteTargetGroup {
        group: TargetGroupArn::new("tg-template"),
    };
    assert_eq!(check(&lab, &mut operator, &template), "S14");
}
