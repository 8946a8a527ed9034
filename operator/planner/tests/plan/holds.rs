//! What needs a person: nothing is changed, and the message says what to do.

use crd_schema::gate::{Check, Gate, OnError};
use crd_schema::record::Stage;
use crd_schema::{GateName, TargetGroupArn};
use planner::lab::{application, per_release, two_routes};
use planner::world::{Action, Origin, Read, Role, Service, ServiceStatus, Side, World};
use planner::{WaitingOn, Write};

use crate::scene::{Scene, at, forward, held, holds, seconds, settled, settled_of};

fn action(n: usize, action: &Action) -> impl Fn(&mut World) {
    move |world| {
        if let Read::Known { value, .. } = &mut world.rules {
            value[n].action = action.clone();
        }
    }
}

fn of_others(world: &mut World, change: impl Fn(&mut Service)) {
    if let Read::Known { value, .. } = &mut world.services {
        let mut other = value[0].clone();
        other.name = "shop".to_owned();
        other.arn = "arn:aws:ecs:eu-west-1:1:service/prod/shop".to_owned();
        other.tags = planner::world::Tags::default();
        change(&mut other);
        value.push(other);
    }
}

fn nothing_is_wanted(mut scene: Scene, change: impl Fn(&mut World)) {
    let plan = scene.plan_on(change);
    assert_eq!(plan.step, None);
    assert_eq!(plan.report.waiting_on, WaitingOn::Nothing);
}

#[test]
fn without_its_spec_or_with_another_one_s_things_nothing_is_touched() {
    let gone = |world: &mut World| world.spec_present = false;
    holds(at(Stage::Shift).plan_on(gone), "Orphaned", "");
    let conflict = |world: &mut World| world.conflicts.push("shop has tg-a too".to_owned());
    holds(
        at(Stage::Shift).plan_on(conflict),
        "Conflict",
        "shop has tg-a too",
    );
}

#[test]
fn a_rule_of_the_spec_forwards_to_its_groups_and_does_nothing_else() {
    let redirect = Action::Other {
        kinds: "redirect".to_owned(),
    };
    let sticky = Action::Forward {
        weights: [Some(100), Some(0)],
        others: Vec::new(),
        sticky: true,
    };
    let also = Action::Forward {
        weights: [Some(100), None],
        others: vec![(TargetGroupArn::new("tg-shop"), 0)],
        sticky: false,
    };
    for (what, word) in [
        (&Action::Missing, "does not exist"),
        (&redirect, "does redirect"),
        (&sticky, "group stickiness"),
        (
            &also,
            "also forwards to tg-shop: take that out, since a rule of an application forwards to its own groups only",
        ),
    ] {
        for n in [0, 1] {
            let plan = settled().plan_on(action(n, what));
            holds(plan, "RuleUnusable", word);
        }
        // What stands in no spec may do what it likes.
        let mut scene = settled();
        scene.unlisted([None, None]);
        let n = scene.lab.rules.len() - 1;
        nothing_is_wanted(scene, action(n, what));
    }
}

#[test]
fn a_rule_is_named_without_partition_and_account() {
    let mut scene = settled();
    let arn = "arn:aws:elasticloadbalancing:eu-west-1:1:listener-rule/app/lb/1/2/3";
    let target = crd_schema::application::RuleTarget::Rule(crd_schema::RuleArn::new(arn));
    scene.lab.application.routes[0].production = vec![target.clone()];
    scene.lab.rules[0].target = target;
    let plan = scene.plan_on(action(0, &Action::Missing));
    let told = held(plan).message();
    assert!(
        told.contains("listener-rule/app/lb/1/2/3 is in the spec"),
        "{told}"
    );
    assert!(!told.contains("eu-west-1"), "{told}");
    let told = held(settled().plan_on(action(0, &Action::Missing))).message();
    assert!(
        told.contains("listener-8080 (default action) is in the spec"),
        "{told}"
    );
}

#[test]
fn a_production_rule_names_one_of_the_groups_and_a_test_rule_is_led_back() {
    let neither = forward([None, None]);
    let plan = settled().plan_on(action(0, &neither));
    holds(plan, "RuleNamesNeitherGroup", "neither group of the pair");
    let mut scene = settled();
    let plan = scene.plan_on(action(1, &neither));
    let Some(Write::SetWeights { rule, weights, .. }) = plan.step else {
        panic!("{plan:?}")
    };
    assert_eq!(rule, scene.lab.rules[1].target);
    assert_eq!(weights.get()[0], Some(100));
    let plan = settled_of(per_release()).plan_on(action(0, &neither));
    holds(
        plan,
        "RuleNamesNeitherGroup",
        "let it forward to tg-template",
    );
    let plan = settled_of(two_routes()).plan_on(action(0, &neither));
    holds(
        plan,
        "RuleNamesNeitherGroup",
        "neither group of its route's pair",
    );
}

/// A spare group of ours leaves the rule by itself, unless it has weight.
#[test]
fn a_spare_group_of_ours_is_no_stranger_while_it_has_no_weight() {
    let spare = |weight: u32| {
        let mut scene = settled_of(per_release());
        let mut late = scene.lab.groups[0].clone().unwrap();
        late.arn = TargetGroupArn::new("tg-late");
        late.origin = Origin::Ours {
            name: "blog-late".to_owned(),
        };
        if let Action::Forward { others, .. } = &mut scene.lab.rules[0].action {
            others.push((late.arn.clone(), weight));
        }
        scene.lab.spares.push(late);
        scene.plan()
    };
    holds(spare(1), "RuleUnusable", "also forwards to tg-late");
    let plan = spare(0);
    let Some(Write::SetWeights { forget, .. }) = &plan.step else {
        panic!("{plan:?}")
    };
    assert_eq!(*forget, [TargetGroupArn::new("tg-late")]);
}

#[test]
fn groups_take_addresses_are_not_sticky_and_stand_behind_one_load_balancer() {
    type Change = fn(&mut planner::world::Group);
    let group = |n: usize, change: Change| {
        move |world: &mut World| {
            if let Read::Known {
                value: Some(group), ..
            } = &mut world.groups[n]
            {
                change(group);
            }
        }
    };
    for n in [0, 1] {
        let plan = settled().plan_on(group(n, |group| group.by_address = false));
        holds(plan, "GroupUnusable", "target type `ip`");
        let plan = settled().plan_on(group(n, |group| group.sticky = true));
        holds(plan, "GroupUnusable", "has stickiness on");
        let elsewhere: Change = |group| group.load_balancer = Some("lb-2".to_owned());
        let plan = settled().plan_on(group(n, elsewhere));
        holds(
            plan,
            "GroupUnusable",
            "give the application groups of one load balancer",
        );
        nothing_is_wanted(settled(), group(n, |group| group.load_balancer = None));
    }
}

#[test]
fn a_service_of_somebody_else_on_one_of_the_groups_needs_a_person() {
    let bound = |world: &mut World| of_others(world, |_| ());
    holds(
        settled().plan_on(bound),
        "ForeignService",
        "teal adopt blog --service ",
    );
    nothing_is_wanted(settled(), |world| {
        of_others(world, |shop| shop.side = None);
    });
    for status in [ServiceStatus::Draining, ServiceStatus::Inactive] {
        nothing_is_wanted(settled(), |world| {
            of_others(world, |shop| shop.status = status);
        });
    }
}

#[test]
fn a_service_of_ours_on_another_group_needs_a_person() {
    let elsewhere = |change: fn(&mut Service)| {
        move |world: &mut World| {
            of_others(world, |shop| {
                shop.tags.ours = true;
                shop.side = None;
                change(shop);
            });
        }
    };
    holds(
        settled().plan_on(elsewhere(|_| ())),
        "ServiceElsewhere",
        "shop",
    );
    nothing_is_wanted(
        settled(),
        elsewhere(|shop| shop.status = ServiceStatus::Inactive),
    );
    // Its group is gone: it goes too.
    let gone = elsewhere(|shop| shop.group_gone = true);
    let plan = settled_of(per_release()).plan_on(gone);
    assert!(
        !matches!(plan.report.waiting_on, WaitingOn::Hold(_)),
        "{plan:?}"
    );
}

#[test]
fn who_fights_over_weights_is_told_once_and_a_newer_wish_ends_it() {
    let mut scene = at(Stage::Bake);
    scene.operator.memory.foreign_changes = 1;
    assert!(!matches!(
        scene.plan().report.waiting_on,
        WaitingOn::Hold(_)
    ));
    scene.operator.memory.foreign_changes = 2;
    holds(scene.plan(), "Contended", "");
    let mut gone = at(Stage::Bake);
    gone.operator.memory.foreign_changes = 2;
    gone.lab.services.clear();
    let plan = gone.plan();
    assert!(
        !matches!(plan.report.waiting_on, WaitingOn::Hold(_)),
        "nobody's weights matter where nothing is left: {plan:?}"
    );
    scene.lab.wish("1.4.0");
    let plan = scene.plan();
    assert!(
        !matches!(plan.report.waiting_on, WaitingOn::Hold(_)),
        "{plan:?}"
    );
}

/// Every service is autoscaled, by a policy that no other service could have.
fn autoscaled(scene: &mut Scene) {
    let names = scene.lab.services.iter().map(|s| s.shown.name.clone());
    for name in names.collect::<Vec<_>>() {
        scene.lab.autoscale(&name, 1, 4);
        let scaling = scene.lab.scaling.get_mut(&name).unwrap();
        let policy = scaling.policies.get_mut("cpu").unwrap();
        policy
            .body
            .insert("PolicyType".to_owned(), "PredictiveScaling".into());
    }
}

#[test]
fn no_release_begins_while_a_rule_is_not_listed_or_counts_change_by_themselves() {
    let mut scene = settled();
    scene.unlisted([None, Some(0)]);
    assert_eq!(
        scene.plan().report.waiting_on,
        WaitingOn::Nothing,
        "nothing is on its way"
    );
    scene.lab.wish("1.4.0");
    holds(
        scene.plan(),
        "UnlistedRule",
        "- rule: arn:aws:elasticloadbalancing:eu-west-1:1:listener-rule/app/lb/1/2/7",
    );
    let mut scene = settled();
    autoscaled(&mut scene);
    scene.lab.wish("1.4.0");
    holds(scene.plan(), "AutoscalingNotSupported", "blog-1-3-0");
    let mut scene = settled();
    scene.lab.wish("1.4.0");
    let plan = scene.plan_on(|world| {
        world.scaling = Read::Unread {
            reason: "throttled".to_owned(),
        };
    });
    let what = "scalable targets: throttled".to_owned();
    assert_eq!(plan.report.waiting_on, WaitingOn::Observation { what });
}

#[test]
fn what_is_under_way_goes_on_until_something_is_to_go() {
    let unlisted = |scene: &mut Scene| scene.unlisted([None, Some(0)]);
    for stage in [Stage::Validate, Stage::Bake] {
        let mut scene = at(stage);
        if stage == Stage::Bake {
            autoscaled(&mut scene);
        } else {
            unlisted(&mut scene);
        }
        let _ = scene.until(|scene, _| scene.weight(Side::B) == 100);
        let plan = scene.until(|_, plan| matches!(plan.report.waiting_on, WaitingOn::Hold(_)));
        assert_eq!(plan.step, None);
        assert_eq!(scene.lab.services.len(), 2);
        assert!(scene.lab.services.iter().all(|s| s.shown.desired == 2));
    }
}

/// An old revision is nobody's capacity.
#[test]
fn old_revisions_go_whatever_scales() {
    let mut scene = settled();
    autoscaled(&mut scene);
    for n in 0..6 {
        scene.lab.revisions.push(planner::world::Revision {
            arn: format!("td-old-{n}"),
            digest: None,
            generation: None,
        });
    }
    let plan = scene.plan();
    assert!(
        matches!(plan.step, Some(Write::DeregisterTaskDefinition { .. })),
        "{plan:?}"
    );
}

#[test]
fn a_release_that_cannot_come_up_fails_whatever_scales() {
    let mut scene = settled();
    scene.lab.broken.insert("1.4.0".to_owned());
    scene = scene.released_to(Stage::ScaleUp);
    let _ = scene.until(|scene, _| scene.lab.services.len() == 2);
    autoscaled(&mut scene);
    scene.lab.advance(400_000);
    scene.watch(60);
    let plan = scene.plan();
    assert!(plan.report.rejected.is_some(), "{plan:?}");
}

#[test]
fn while_blue_is_to_lose_its_weight_an_unlisted_rule_that_gives_it_some_is_told() {
    let wait = |weight: Option<u32>, role: Role| {
        let mut scene = at(Stage::Validate);
        let _ = scene.until(|scene, _| scene.weight(Side::B) == 100);
        scene.watch(5);
        scene.unlisted([weight, Some(1)]);
        scene.lab.rules.last_mut().unwrap().role = role;
        scene.plan()
    };
    holds(wait(Some(1), Role::Unlisted), "UnlistedRule", "- rule: ");
    for weight in [Some(0), None] {
        let plan = wait(weight, Role::Unlisted);
        assert_eq!(plan.report.waiting_on, WaitingOn::Settle, "{weight:?}");
        assert!(plan.report.until.is_some());
    }
    // A test rule is the operator's own to empty.
    let plan = wait(Some(1), Role::Test);
    assert!(
        !matches!(plan.report.waiting_on, WaitingOn::Hold(_)),
        "{plan:?}"
    );
}

/// A group that is to be deleted is not even named elsewhere.
#[test]
fn a_group_that_is_to_go_is_named_by_no_unlisted_rule() {
    let wait = |weight: Option<u32>| {
        let mut scene = settled_of(per_release()).released_to(Stage::CleanUp);
        scene.lab.advance(5_000);
        scene.unlisted([weight, Some(1)]);
        scene.plan()
    };
    for weight in [Some(1), Some(0)] {
        holds(wait(weight), "UnlistedRule", "- rule: ");
    }
}

/// A rule that nobody listed appears while a person is asked: the question stands.
#[test]
fn a_test_that_runs_goes_on_while_something_else_holds() {
    let mut blog = application();
    let gate = Gate {
        before: Some(Stage::Validate),
        check: Check::Approval,
        attempts: 1,
        every: seconds(1),
        timeout: seconds(60),
        on_error: OnError::Hold,
    };
    blog.gates.insert(GateName::new("approve"), gate);
    let mut scene = settled_of(blog);
    scene.lab.wish("1.4.0");
    let _ = scene.until(|_, plan| plan.report.waiting_on.label() == "Approval");
    scene.unlisted([Some(100), Some(0)]);
    let plan = scene.plan();
    assert!(plan.gate.is_some());
    assert_eq!(held(plan).label(), "UnlistedRule");
}
