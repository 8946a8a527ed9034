//! The routes of an Application: target groups, and the rules that bring users and tests to them.

use std::collections::BTreeSet;

use aws::survey::{Group, Place};
use crd_schema::TargetGroupArn;
use crd_schema::application::RuleTarget;
use planner::world::Action;
use serde_json::{Value, json};

use super::appspec::Told;
use super::draft::Draft;
use super::service::{Binding, wrong};
use crate::commands::second_group;
use crate::failure::Failure;

/// What an update in place makes of the pair that the rules name.
const ONE_OF_A_PAIR: &str = "an update in place stays on the first; the rules name the other too, which another `strategy` would use";

/// One target group of the service, and what forwards to it.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) binding: Binding,
    pub(super) group: Group,
    /// The other group of the pair, where it is known.
    pub(super) other: Option<TargetGroupArn>,
    pub(super) places: Vec<Place>,
}

/// The other group of a route's pair.
enum Second<'a> {
    There(&'a TargetGroupArn),
    Missing,
    /// The rules name several groups, or give another one traffic.
    Unclear(BTreeSet<&'a TargetGroupArn>),
}

impl Route {
    fn second(&self) -> Second<'_> {
        if let Some(other) = &self.other {
            return Second::There(other);
        }
        let others: Vec<&(TargetGroupArn, u32)> = self.places.iter().flat_map(others).collect();
        let names: BTreeSet<&TargetGroupArn> = others.iter().map(|(arn, _)| arn).collect();
        let quiet = others.iter().all(|(_, weight)| *weight == 0);
        match Vec::from_iter(names.iter().copied()).as_slice() {
            [] => Second::Missing,
            [only] if quiet => Second::There(only),
            _ => Second::Unclear(names),
        }
    }
}

/// Groups that a place forwards to and that are not of its route, with their weights.
fn others(place: &Place) -> &[(TargetGroupArn, u32)] {
    match &place.action {
        Action::Forward { others, .. } => others,
        Action::Other { .. } | Action::Missing => &[],
    }
}

/// A rule has the weights of one route.
pub(super) fn apart(routes: &[Route], service: &str) -> Result<(), Failure> {
    let bound = |arn: &TargetGroupArn| routes.iter().any(|route| route.binding.group == *arn);
    for route in routes {
        for place in &route.places {
            let Some((other, _)) = others(place).iter().find(|(arn, _)| bound(arn)) else {
                continue;
            };
            return Err(wrong(format!(
                "{} forwards to {} and to {}, two target groups of service {service}: each is a route of its own, and a rule belongs to one route",
                place.label,
                route.group.name,
                resource(other.as_str())
            ))
            .next("Let it forward to one of them, and another rule to the other; or bind the service to one of them alone."));
        }
    }
    Ok(())
}

/// Writes all routes. `rolling`: of one service for life, which needs no second group.
pub(super) fn write(draft: &mut Draft, routes: &[Route], told: Option<&Told>, rolling: bool) {
    let has_pair = |route: &Route| matches!(route.second(), Second::There(_));
    // Either all have a pair or none has.
    let single = rolling && !routes.iter().all(has_pair);
    let several = routes.len() > 1;
    if several {
        draft.note(
            "/spec/traffic/routes",
            "a release moves them together; the first is the one that queries mean (docs/decisions/routes.md)",
        );
    }
    let mut written = Vec::new();
    for (index, route) in routes.iter().enumerate() {
        let at = format!("/spec/traffic/routes/{index}");
        if several {
            draft.note(&at, where_it_is(route));
        }
        let groups = if single {
            for_life(draft, &at, route);
            json!({"single": route.binding.group})
        } else {
            if rolling {
                draft.note(&format!("{at}/targetGroups"), ONE_OF_A_PAIR);
            }
            let second = second(draft, &format!("{at}/targetGroups/pair/1"), route, several);
            json!({"pair": [route.binding.group, second]})
        };
        written.push(one(draft, &at, route, groups, told));
    }
    draft.set("traffic", json!({ "routes": written }));
}

/// Which load balancer and group, where there are several.
fn where_it_is(route: &Route) -> String {
    let balancer = route.group.load_balancers.first().map(String::as_str);
    // `…:loadbalancer/app/NAME/ID`
    let balancer = balancer.and_then(|arn| arn.split('/').nth(2));
    format!(
        "target group {} of load balancer {}",
        route.group.name,
        balancer.unwrap_or("?")
    )
}

/// A route with its rules.
fn one(draft: &mut Draft, at: &str, route: &Route, groups: Value, told: Option<&Told>) -> Value {
    let test_rule = route.binding.test_rule.as_deref();
    let [_, listeners] = told.map(|told| told.group.listeners()).unwrap_or_default();
    let is_test = |place: &&Place| {
        let told = listeners.iter().any(|arn| arn == place.listener.as_str());
        told || test_rule == Some(place.rule.as_str())
    };
    let (test, production): (Vec<&Place>, Vec<&Place>) = route.places.iter().partition(is_test);
    let target = |place: &&Place| match &place.target {
        RuleTarget::Listener(arn) => json!({"listener": arn}),
        RuleTarget::Rule(arn) => json!({"rule": arn}),
    };
    let list = |places: &[&Place]| places.iter().map(target).collect::<Vec<Value>>();
    let mut written = json!({
        "container": route.binding.container,
        "port": route.binding.port,
        "targetGroups": groups,
        "production": list(&production),
    });
    if !test.is_empty() {
        written["test"] = json!(list(&test));
    }
    for (list, places) in [("production", &production), ("test", &test)] {
        for (index, place) in places.iter().enumerate() {
            let at = format!("{at}/{list}/{index}");
            draft.note(&at, place.label.clone());
            if let Some(obstacle) = obstacle(&place.action) {
                draft.todo(&at, format!("{}: {obstacle}", place.label));
            }
        }
    }
    let at = format!("{at}/production");
    if production.is_empty() {
        let name = &route.group.name;
        draft.todo(
            &at,
            format!("no rule forwards to {name}: name the one that brings users"),
        );
    } else if production.len() > 1 && test.is_empty() {
        draft.note(&at, "all that name the group; move those that only tests use to `test`, a list beside this one");
    }
    written
}

/// The rules of a service that stays on one group name that group alone.
fn for_life(draft: &mut Draft, at: &str, route: &Route) {
    let others = match route.second() {
        Second::Missing => return,
        Second::There(only) => BTreeSet::from([only]),
        Second::Unclear(names) => names,
    };
    draft.todo(
        &format!("{at}/targetGroups"),
        format!(
            "the rules of {} name {} too, which an update in place does not use: take that out of their forward actions",
            route.group.name,
            listed(others)
        ),
    );
}

/// The other group of the pair; null when a person must say.
fn second(draft: &mut Draft, at: &str, route: &Route, several: bool) -> Value {
    match route.second() {
        Second::There(other) => return json!(other),
        Second::Missing => missing(draft, at, &route.group, several),
        Second::Unclear(names) => draft.todo(
            at,
            format!(
                "which one is the second group? It may have no traffic of its own. The rules name {} too",
                listed(names)
            ),
        ),
    }
    Value::Null
}

/// How a person makes the second group.
fn missing(draft: &mut Draft, at: &str, group: &Group, several: bool) {
    if several {
        draft.todo(
            at,
            format!(
                "a second target group beside {} must exist; write its ARN here",
                group.name
            ),
        );
    } else {
        draft.todo(at, "a second target group must exist; write its ARN here");
    }
    let command = second_group::command(&group.name, &group.settings);
    draft.note(at, format!("this makes one and prints its ARN: {command}"));
    draft.note(at, "(its attributes, such as deregistration_delay.timeout_seconds, are set by `aws elbv2 modify-target-group-attributes`)");
    // Only a single route has a group for each release.
    if !several {
        draft.note(
            at,
            format!("Or let Teal make one for each release: `targetGroups: {{perRelease: {{from: {}}}}}` (docs/decisions/target-groups.md).", group.arn),
        );
    }
}

/// Why Teal could not move traffic there.
fn obstacle(action: &Action) -> Option<String> {
    match action {
        Action::Forward { sticky: true, .. } => {
            Some("group stickiness is on, and weights do not hold then; switch it off".to_owned())
        }
        Action::Forward { sticky: false, .. } => None,
        Action::Other { kinds } => Some(format!(
            "it does `{kinds}`, and Teal changes rules that forward, at most after they authenticate"
        )),
        Action::Missing => Some("it is gone".to_owned()),
    }
}

fn listed(groups: BTreeSet<&TargetGroupArn>) -> String {
    let names: Vec<&str> = groups.iter().map(|arn| resource(arn.as_str())).collect();
    names.join(", ")
}

/// The part of an ARN that names the resource.
pub(super) fn resource(arn: &str) -> &str {
    arn.rsplit_once(':').map_or(arn, |(_, resource)| resource)
}
