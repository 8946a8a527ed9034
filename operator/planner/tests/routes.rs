//! Several routes: one service, two ports, two pairs of groups, released together.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test says so by failing"
)]

use crd_schema::TargetGroupArn;
use crd_schema::record::Generation;
use planner::lab::{Ending, Lab, Operator, application, desired, two_routes};
use planner::memory::weight;
use planner::report::Hold;
use planner::world::{Action, Group, Read, Rule, Side, TargetState};
use planner::write::Evidence;
use planner::{Mono, WaitingOn, Weights, World, Write, plan, release, safety};
use serde_json::json;

/// The production rules of the two routes, as positions in the lab's rules.
const RULES: [usize; 2] = [0, 1];

/// 1.3.0 serves alone on A.
fn settled() -> (Lab, Operator) {
    let mut lab = Lab::new(two_routes());
    lab.advance(100_000);
    lab.place("1.3.0", Side::A, 2, 0);
    lab.wish("1.3.0");
    let mut operator = Operator::new(&lab);
    assert_eq!(operator.run(&mut lab, 200), Ending::Settled);
    (lab, operator)
}

/// 1.3.0 serves on A, and 1.4.0 is healthy on B without weight; both were seen so twice.
fn beside() -> (Lab, Operator) {
    let mut lab = Lab::new(two_routes());
    lab.advance(100_000);
    lab.place("1.3.0", Side::A, 2, 0);
    lab.place("1.4.0", Side::B, 2, 0);
    for n in RULES {
        lab.rules[n].action = forward([Some(100), Some(0)]);
    }
    lab.wish("1.4.0");
    let mut operator = Operator::new(&lab);
    watch(&mut lab, &mut operator, |_| ());
    (lab, operator)
}

fn forward(weights: [Option<u32>; 2]) -> Action {
    Action::Forward {
        weights,
        others: Vec::new(),
        sticky: false,
    }
}

/// The world is watched for forty seconds, as it is read.
fn watch(lab: &mut Lab, operator: &mut Operator, read: impl Fn(&mut World)) {
    for _ in 0..8 {
        let _ = look(lab, operator, &read);
        lab.advance(5_000);
    }
}

fn look(lab: &Lab, operator: &mut Operator, read: impl Fn(&mut World)) -> World {
    let mut world = lab.observe();
    read(&mut world);
    let Operator { memory, tuning, .. } = operator;
    memory.absorb(&world, tuning, lab.clock());
    world
}

/// What is planned when the world is read so; records are written as they come.
fn planned(lab: &mut Lab, operator: &mut Operator, read: impl Fn(&mut World)) -> planner::Plan {
    for _ in 0..4 {
        let world = look(lab, operator, &read);
        let Operator { memory, tuning, .. } = &mut *operator;
        let now = lab.clock();
        let plan = plan(&lab.application, &world, memory, tuning, now);
        let Some(record @ Write::PutRecord(_)) = &plan.step else {
            return plan;
        };
        memory.sending(record, tuning, now);
        let outcome = lab.apply(record);
        memory.note(record, &outcome, tuning, now);
    }
    panic!("the record is never right")
}

fn property(lab: &Lab, operator: &Operator, world: &World, write: &Write) -> &'static str {
    let Operator { memory, tuning, .. } = operator;
    let (application, now) = (&lab.application, lab.clock());
    let checked = safety::check(application, world, memory, tuning, write, now);
    checked.err().map_or("allowed", |denied| denied.property)
}

fn group(world: &mut World, side: Side) -> &mut Group {
    let Read::Known {
        value: Some(group), ..
    } = &mut world.groups[side.index()]
    else {
        panic!("it was read")
    };
    group
}

/// On this side the second route alone fails: its group has no healthy target.
fn fails_on_the_second(side: Side) -> impl Fn(&mut World) {
    move |world| {
        let group = group(world, side);
        group.members[1].answers = false;
        for target in &mut group.targets {
            target.state = TargetState::Unhealthy;
            target.reason = Some("Target.Timeout (tg-admin)".to_owned());
        }
    }
}

fn arns(names: [&str; 2]) -> [Option<TargetGroupArn>; 2] {
    names.map(|name| Some(TargetGroupArn::new(name)))
}

#[test]
fn a_release_moves_both_routes_each_by_its_own_groups() {
    let (mut lab, mut operator) = settled();
    lab.wish("1.4.0");
    let mut steps = Vec::new();
    for _ in 0..600 {
        let plan = operator.reconcile(&mut lab).expect("the guard agrees");
        assert!(!lab.loses_requests(), "{:#?}", lab.writes);
        if let Some(Write::SetWeights { rule, groups, .. }) = &plan.step {
            let route = lab.application.route_of(rule).unwrap();
            let own = [["tg-a", "tg-b"], ["tg-admin-a", "tg-admin-b"]][route];
            assert_eq!(*groups, arns(own));
        }
        steps.extend(plan.step);
    }
    assert_eq!(operator.run(&mut lab, 30), Ending::Settled);
    let on_b = |n: &usize| [Side::A, Side::B].map(|side| weight(&lab.rules[*n], side));
    assert_eq!(RULES.each_ref().map(on_b), [[0, 100]; 2]);
    let created = steps.iter().find_map(|write| {
        let Write::CreateService { body, .. } = write else {
            return None;
        };
        Some(body["loadBalancers"].clone())
    });
    let bound = |group: &str, port: u16| json!({"targetGroupArn": group, "containerName": "web", "containerPort": port});
    assert_eq!(
        created.unwrap(),
        json!([bound("tg-b", 8080), bound("tg-admin-b", 9000)])
    );
}

/// A listener that nobody let forward to the group of the second route: it is named before the service is created.
#[test]
fn every_route_names_its_group_before_the_service_is_there() {
    let (mut lab, mut operator) = settled();
    lab.wish("1.4.0");
    let mut named = Vec::new();
    for _ in 0..200 {
        let plan = operator.reconcile(&mut lab).unwrap();
        match plan.step {
            Some(Write::SetWeights { rule, weights, .. }) => named.push((rule, weights.get())),
            Some(Write::CreateService { .. }) => break,
            Some(_) | None => {}
        }
    }
    let at_zero = |n: usize| (lab.rules[n].target.clone(), [Some(100), Some(0)]);
    assert_eq!(named, RULES.map(at_zero));
}

#[test]
fn a_write_of_weights_names_the_groups_of_the_rule_s_own_route() {
    let (lab, mut operator) = beside();
    let world = look(&lab, &mut operator, |_| ());
    let health = &operator.memory.health[Side::B.index()];
    let first = health.readings().unwrap().next().unwrap().at;
    let shift = |n: usize, groups: [&str; 2]| Write::SetWeights {
        rule: lab.rules[n].target.clone(),
        groups: arns(groups),
        forget: Vec::new(),
        seen: [Some(100), Some(0)],
        weights: Weights::all_to(Side::B),
        evidence: vec![Evidence {
            side: Side::B,
            healthy: 2,
            need: 2,
            first,
            last: Mono(lab.now),
        }],
    };
    for (n, groups, expected) in [
        (0, ["tg-a", "tg-b"], "allowed"),
        (1, ["tg-admin-a", "tg-admin-b"], "allowed"),
        (1, ["tg-a", "tg-b"], "S14"),
        (0, ["tg-admin-a", "tg-admin-b"], "S14"),
        (0, ["tg-a", "tg-admin-b"], "S14"),
        (1, ["tg-admin-b", "tg-admin-a"], "S14"),
    ] {
        let write = shift(n, groups);
        assert_eq!(
            property(&lab, &operator, &world, &write),
            expected,
            "{n} {groups:?}"
        );
        // Whatever was read of the rule.
        let mut misread = world.clone();
        if let Read::Known { value, .. } = &mut misread.rules {
            value[n].route = 1 - value[n].route;
        }
        assert_eq!(property(&lab, &operator, &misread, &write), expected);
    }
}

#[test]
fn a_new_service_is_bound_to_every_route_s_group() {
    let (mut lab, mut operator) = settled();
    let generation = Generation {
        date: 2_000_000,
        version: 99,
    };
    lab.wish("1.4.0");
    for n in RULES {
        lab.rules[n].action = forward([Some(100), Some(0)]);
    }
    let world = look(&lab, &mut operator, |_| ());
    let bound = |group: &str, port: u16| json!({"targetGroupArn": group, "containerName": "web", "containerPort": port});
    let (web, admin) = (bound("tg-b", 8080), bound("tg-admin-b", 9000));
    for (list, expected) in [
        (json!([web, admin]), "allowed"),
        (json!([web]), "S9"),
        (json!([admin]), "S9"),
        (json!([admin, web]), "S9"),
        (json!([web, admin, web]), "S9"),
        (json!([web, bound("tg-admin-a", 9000)]), "S9"),
        (json!([web, bound("tg-admin-b", 8080)]), "S9"),
        (json!([]), "S9"),
    ] {
        let new = release::NewService {
            name: "blog-new",
            task_definition: "td",
            side: Side::B,
            groups: Vec::new(),
            count: 2,
            digest: "d",
            version: "1.5.0",
            generation,
            blue: None,
        };
        let mut body = release::service(&lab.application, &new);
        body.insert("loadBalancers".to_owned(), list.clone());
        let create = Write::CreateService {
            name: "blog-new".to_owned(),
            side: Side::B,
            body,
        };
        assert_eq!(
            property(&lab, &operator, &world, &create),
            expected,
            "{list}"
        );
    }
}

/// It is healthy on the first route, and gets no request.
#[test]
fn green_that_fails_on_the_second_route_alone_gets_no_traffic() {
    let (mut lab, mut operator) = settled();
    lab.wish("1.4.0");
    let created = |lab: &Lab| lab.services.len() == 2;
    for _ in 0..200 {
        if created(&lab) {
            break;
        }
        let _ = operator.reconcile(&mut lab).unwrap();
    }
    watch(&mut lab, &mut operator, fails_on_the_second(Side::B));
    let plan = planned(&mut lab, &mut operator, fails_on_the_second(Side::B));
    assert_eq!(plan.step, None);
    let waiting = plan.report.waiting_on;
    assert_eq!(
        waiting,
        WaitingOn::HealthyTargets {
            healthy: 0,
            need: 2
        }
    );
}

/// Blue's second route is dead and its first one is not: the one goes at once to whatever lives, the other one keeps what
/// it needs.
#[test]
fn what_is_dead_is_dead_on_its_own_route() {
    let (mut lab, mut operator) = beside();
    // Green has one task of two.
    let one_healthy = |world: &mut World| {
        fails_on_the_second(Side::A)(world);
        group(world, Side::B).targets[1].state = TargetState::Initial;
    };
    watch(&mut lab, &mut operator, one_healthy);
    let plan = planned(&mut lab, &mut operator, one_healthy);
    let Some(write @ Write::SetWeights { rule, evidence, .. }) = &plan.step else {
        panic!("{plan:?}")
    };
    assert_eq!(*rule, lab.rules[1].target);
    assert_eq!(evidence[0].need, 1);
    let world = look(&lab, &mut operator, one_healthy);
    assert_eq!(property(&lab, &operator, &world, write), "allowed");
    // The same for the first route would be too much for one task.
    let mut first = write.clone();
    if let Write::SetWeights { rule, groups, .. } = &mut first {
        *rule = lab.rules[0].target.clone();
        *groups = arns(["tg-a", "tg-b"]);
    }
    assert_eq!(property(&lab, &operator, &world, &first), "S2");
    // And once the second route is moved, the first one waits for the other task.
    lab.apply(write);
    operator.memory.note(
        write,
        &planner::memory::WriteOutcome::Applied,
        &operator.tuning,
        lab.clock(),
    );
    watch(&mut lab, &mut operator, one_healthy);
    let plan = planned(&mut lab, &mut operator, one_healthy);
    assert_eq!(plan.step, None, "{plan:?}");
}

#[test]
fn a_rule_that_names_another_route_s_group_is_held_and_counts_as_its_weight() {
    let (mut lab, mut operator) = beside();
    let crossed_at = |weight: u32| {
        move |world: &mut World| {
            let Read::Known { value, .. } = &mut world.rules else {
                panic!("{:?}", world.rules)
            };
            value[0].action = Action::Forward {
                weights: [Some(100), Some(0)],
                others: vec![(TargetGroupArn::new("tg-admin-b"), weight)],
                sticky: false,
            };
        }
    };
    let crossed = crossed_at(1);
    let down = |lab: &Lab| Write::ScaleService {
        name: lab.services[1].shown.name.clone(),
        from: 2,
        to: 0,
    };
    let world = look(&lab, &mut operator, |_| ());
    assert_eq!(property(&lab, &operator, &world, &down(&lab)), "allowed");
    let world = look(&lab, &mut operator, crossed_at(0));
    assert_eq!(property(&lab, &operator, &world, &down(&lab)), "allowed");
    let plan = planned(&mut lab, &mut operator, crossed);
    let WaitingOn::Hold(hold @ Hold::RuleUnusable { .. }) = &plan.report.waiting_on else {
        panic!("{plan:?}")
    };
    let told = hold.message();
    assert!(
        told.contains("also forwards to tg-admin-b: take that out, since a rule of an application forwards to the groups of its own route only"),
        "{told}"
    );
    // Its tasks get requests, and the time without weight begins when that is over.
    let world = look(&lab, &mut operator, crossed);
    assert_eq!(property(&lab, &operator, &world, &down(&lab)), "S4");
    let world = look(&lab, &mut operator, |_| ());
    assert_eq!(property(&lab, &operator, &world, &down(&lab)), "S4");
}

#[test]
fn groups_are_judged_route_by_route() {
    type Change = fn(&mut Group);
    let told = |side: Side, change: Change| {
        let (mut lab, mut operator) = settled();
        let plan = planned(&mut lab, &mut operator, |world| change(group(world, side)));
        let waiting = plan.report.waiting_on;
        if waiting == WaitingOn::Nothing {
            return "fine".to_owned();
        }
        let WaitingOn::Hold(Hold::GroupUnusable { what }) = waiting else {
            panic!("{waiting:?}")
        };
        what
    };
    let fine = told(Side::A, |_| ());
    assert_eq!(fine, "fine");
    let sticky = told(Side::B, |group| group.members[1].sticky = true);
    assert!(
        sticky.starts_with("tg-admin-b has stickiness on"),
        "{sticky}"
    );
    let instances = told(Side::A, |group| group.members[1].by_address = false);
    assert!(
        instances.starts_with("tg-admin-a does not have target type"),
        "{instances}"
    );
    let elsewhere = told(Side::B, |group| {
        group.members[1].load_balancer = Some("internal".to_owned());
    });
    assert_eq!(
        elsewhere,
        "tg-admin-a belongs to lb and tg-admin-b to internal: give the route groups of one load balancer"
    );
    // Both routes on load balancers of their own.
    let (mut lab, mut operator) = settled();
    let plan = planned(&mut lab, &mut operator, |world| {
        for side in Side::BOTH {
            group(world, side).members[1].load_balancer = Some("internal".to_owned());
        }
    });
    assert_eq!(plan.report.waiting_on, WaitingOn::Nothing);
}

/// Who changed the weights of the second route is somebody else, and what Teal wrote there is its own.
#[test]
fn weights_of_the_second_route_are_healed_and_told_apart_from_its_own() {
    let (mut lab, mut operator) = settled();
    lab.wish("1.4.0");
    for _ in 0..600 {
        let _ = operator.reconcile(&mut lab).unwrap();
        assert_eq!(operator.memory.foreign_changes, 0);
    }
    assert_eq!(operator.run(&mut lab, 30), Ending::Settled);
    lab.rules[1].action = forward([Some(0), Some(100)]);
    lab.place("1.2.0", Side::A, 2, 0);
    lab.services.pop();
    lab.rules[1].action = forward([Some(50), Some(50)]);
    assert_eq!(operator.run(&mut lab, 60), Ending::Settled);
    assert_eq!(weight(&lab.rules[1], Side::A), 0);
}

/// An upgrade of the operator makes no new release; a further route does.
#[test]
fn one_route_is_the_release_that_it_was() {
    let generation = Generation {
        date: 1,
        version: 1,
    };
    let digest = |change: fn(&mut crd_schema::Application)| {
        let mut application = two_routes();
        change(&mut application);
        let wanted = release::wanted(&application, generation, &desired("1.4.0")).unwrap();
        wanted.digest
    };
    let one = digest(|application| application.routes.truncate(1));
    let before = release::wanted(&application(), generation, &desired("1.4.0")).unwrap();
    assert_eq!(one, before.digest);
    assert_eq!(one, "341d95a10fe12232");
    let two = digest(|_| ());
    assert_ne!(two, one);
    assert_ne!(two, digest(|application| application.routes.reverse()));
    assert_ne!(two, digest(|application| application.routes[1].port = 9001));
    // Whose groups and rules they are is no content.
    assert_eq!(
        two,
        digest(|application| application.routes[1].production.clear())
    );
}

/// A rule of the second route is reported with its own groups.
#[test]
fn the_report_tells_each_rule_s_groups() {
    let (mut lab, mut operator) = settled();
    let plan = planned(&mut lab, &mut operator, |_| ());
    let told: Vec<_> = plan
        .report
        .rules
        .iter()
        .map(|rule| rule.groups.clone())
        .collect();
    let of = |rule: &Rule| match rule.route {
        0 => arns(["tg-a", "tg-b"]),
        _ => arns(["tg-admin-a", "tg-admin-b"]),
    };
    assert_eq!(told, lab.rules.iter().map(of).collect::<Vec<_>>());
}

/// A release whose second route never answers in the lab goes no further than its creation, and back.
#[test]
fn a_release_that_never_answers_on_one_route_is_rejected() {
    let (mut lab, mut operator) = settled();
    lab.ill.insert((1, "1.4.0".to_owned()));
    lab.wish("1.4.0");
    for _ in 0..600 {
        let plan = operator.reconcile(&mut lab).expect("the guard agrees");
        if let Some(write @ Write::SetWeights { .. }) = &plan.step {
            assert!(!write.moves_traffic(), "{write:?}");
        }
    }
    assert_eq!(operator.run(&mut lab, 60), Ending::Settled);
    let (_, record) = lab.record.as_ref().expect("a record");
    assert_eq!(record.rejected.len(), 1, "{record:?}");
    for n in RULES {
        assert_eq!(weight(&lab.rules[n], Side::B), 0);
        assert!(weight(&lab.rules[n], Side::A) > 0);
    }
}
