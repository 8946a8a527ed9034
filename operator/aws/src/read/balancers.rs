//! ELBv2 listeners and rules: everything that a load balancer forwards.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_elasticloadbalancingv2::types::{
    Action as ElbAction, ActionTypeEnum, Listener, Rule as ElbRule,
};
use crd_schema::Application;
use crd_schema::application::RuleTarget;
use crd_schema::{ListenerArn, RuleArn, TargetGroupArn};
use futures_util::future::try_join_all;
use planner::world::{Action, Role, Rule, Side};

use crate::budget::Class;
use crate::clients::Clients;
use crate::error::{Error, Kind};
use crate::page;

const LISTENERS: &str = "DescribeListeners";
const RULES: &str = "DescribeRules";

/// The largest weight that ELB has.
/// (<https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_TargetGroupTuple.html>)
const MAX_WEIGHT: u32 = 999;

/// The group that holds each side.
pub(crate) type Sides = [Option<TargetGroupArn>; 2];

/// One place that forwards, as ELB shows it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Place {
    pub(crate) target: RuleTarget,
    pub(crate) listener: ListenerArn,
    pub(crate) actions: Vec<ElbAction>,
}

/// Every listener of a load balancer.
pub(crate) async fn listeners(
    clients: &Clients,
    load_balancer: &str,
) -> Result<Vec<Listener>, Error> {
    page::all(LISTENERS, load_balancer, |marker| async move {
        let send = clients
            .elb
            .describe_listeners()
            .load_balancer_arn(load_balancer)
            .set_marker(marker)
            .send();
        let answer = clients
            .call(Class::ElbAny, LISTENERS, load_balancer, send)
            .await?;
        Ok((answer.listeners.unwrap_or_default(), answer.next_marker))
    })
    .await
}

/// Every rule of a listener, its default action among them.
pub(crate) async fn rules(clients: &Clients, listener: &str) -> Result<Vec<ElbRule>, Error> {
    page::all(RULES, listener, |marker| async move {
        let send = clients
            .elb
            .describe_rules()
            .listener_arn(listener)
            .page_size(400)
            .set_marker(marker)
            .send();
        let answer = clients.call(Class::ElbAny, RULES, listener, send).await?;
        Ok((answer.rules.unwrap_or_default(), answer.next_marker))
    })
    .await
}

/// Every listener's default rule and every other rule of a load balancer; none when it does not exist.
pub(crate) async fn places(clients: &Clients, load_balancer: &str) -> Result<Vec<Place>, Error> {
    let listeners = match listeners(clients, load_balancer).await {
        Err(error) if error.kind == Kind::NotFound => return Ok(Vec::new()),
        listeners => listeners?,
    };
    let reads = listeners
        .into_iter()
        .map(|listener| of_listener(clients, listener));
    Ok(try_join_all(reads).await?.into_iter().flatten().collect())
}

async fn of_listener(clients: &Clients, listener: Listener) -> Result<Vec<Place>, Error> {
    let Some(arn) = &listener.listener_arn else {
        return Err(Error::own(
            Kind::Invalid,
            LISTENERS,
            "a listener",
            "AWS's answer has no ARN",
        ));
    };
    let rules = rules(clients, arn).await?;
    let arn = ListenerArn::new(arn.as_str());
    let mut places = Vec::with_capacity(rules.len());
    for rule in rules {
        let target = if rule.is_default == Some(true) {
            RuleTarget::Listener(arn.clone())
        } else {
            let Some(rule) = rule.rule_arn else {
                return Err(Error::own(
                    Kind::Invalid,
                    RULES,
                    arn.as_str(),
                    "AWS's answer has a rule without ARN",
                ));
            };
            RuleTarget::Rule(RuleArn::new(rule))
        };
        places.push(Place {
            target,
            listener: arn.clone(),
            actions: rule.actions.unwrap_or_default(),
        });
    }
    Ok(places)
}

/// The ARN of a listener or rule.
pub(crate) fn arn(target: &RuleTarget) -> &str {
    match target {
        RuleTarget::Listener(arn) => arn.as_str(),
        RuleTarget::Rule(arn) => arn.as_str(),
    }
}

/// The load balancer that a listener or rule belongs to, from its ARN.
pub(crate) fn load_balancer_of(target: &RuleTarget) -> Option<String> {
    let (kind, arn) = match target {
        RuleTarget::Listener(arn) => (":listener/", arn.as_str()),
        RuleTarget::Rule(arn) => (":listener-rule/", arn.as_str()),
    };
    let (before, path) = arn.split_once(kind)?;
    let segments: Vec<&str> = path.split('/').take(3).collect();
    (segments.len() == 3).then(|| format!("{before}:loadbalancer/{}", segments.join("/")))
}

/// The listener that a listener or rule belongs to, from its ARN.
pub(crate) fn listener_of(target: &RuleTarget) -> ListenerArn {
    match target {
        RuleTarget::Listener(arn) => arn.clone(),
        RuleTarget::Rule(arn) => {
            let arn = arn.as_str().replacen(":listener-rule/", ":listener/", 1);
            ListenerArn::new(
                arn.rsplit_once('/')
                    .map_or(arn.as_str(), |(listener, _)| listener),
            )
        }
    }
}

/// The rules that concern an application: those that name one of its groups, and those that its spec lists. `routes`
/// holds the groups of each route's sides, `own` all of them.
pub(crate) fn of_application(
    places: &[&Place],
    application: &Application,
    routes: &[Sides],
    own: &BTreeSet<TargetGroupArn>,
) -> Vec<Rule> {
    let mut rules: BTreeMap<RuleTarget, Rule> = BTreeMap::new();
    for target in application.production().chain(application.test()) {
        let missing = Rule {
            target: target.clone(),
            listener: listener_of(target),
            route: application.route_of(target).unwrap_or(0),
            role: role(target, application),
            action: Action::Missing,
        };
        rules.insert(target.clone(), missing);
    }
    for place in places {
        let role = role(&place.target, application);
        if role != Role::Unlisted || names_one_of(&place.actions, own) {
            let named = || {
                routes
                    .iter()
                    .position(|sides| names_a_side(&place.actions, sides))
            };
            let route = application.route_of(&place.target).or_else(named);
            let route = route.unwrap_or(0);
            let nobodys = Sides::default();
            let action = action(&place.actions, routes.get(route).unwrap_or(&nobodys));
            let rule = Rule {
                target: place.target.clone(),
                listener: place.listener.clone(),
                route,
                role,
                action,
            };
            rules.insert(place.target.clone(), rule);
        }
    }
    rules.into_values().collect()
}

fn role(target: &RuleTarget, application: &Application) -> Role {
    if application.production().any(|listed| listed == target) {
        Role::Production
    } else if application.test().any(|listed| listed == target) {
        Role::Test
    } else {
        Role::Unlisted
    }
}

fn names_a_side(actions: &[ElbAction], sides: &Sides) -> bool {
    sides.iter().flatten().any(|group| names(actions, group))
}

fn names_one_of(actions: &[ElbAction], groups: &BTreeSet<TargetGroupArn>) -> bool {
    groups.iter().any(|group| names(actions, group))
}

/// Some forward among the actions names the group.
pub(crate) fn names(actions: &[ElbAction], group: &TargetGroupArn) -> bool {
    actions.iter().any(|action| {
        let listed = action
            .forward_config()
            .map(|forward| forward.target_groups())
            .unwrap_or_default();
        let mut named = listed
            .iter()
            .filter_map(|tuple| tuple.target_group_arn())
            .chain(action.target_group_arn());
        named.any(|arn| arn == group.as_str())
    })
}

/// The highest weight that a listed rule gives to a group, and whether one names it at all.
pub(crate) fn weight(
    places: &[&Place],
    application: &Application,
    group: &TargetGroupArn,
) -> Option<u32> {
    let listed = places
        .iter()
        .filter(|place| role(&place.target, application) != Role::Unlisted);
    let only = [Some(group.clone()), None];
    let weights = listed.filter_map(|place| match action(&place.actions, &only) {
        Action::Forward { weights, .. } => weights[0],
        Action::Other { .. } | Action::Missing => None,
    });
    weights.max()
}

/// Some forward among the actions gives weight to the group; one whose weight is not shown does.
pub(crate) fn gives_weight(actions: &[ElbAction], group: &TargetGroupArn) -> bool {
    actions.iter().any(|action| {
        let listed = action
            .forward_config()
            .map(|forward| forward.target_groups())
            .unwrap_or_default();
        let mut named = listed
            .iter()
            .filter(|tuple| tuple.target_group_arn() == Some(group.as_str()));
        if listed.is_empty() {
            action.target_group_arn() == Some(group.as_str())
        } else {
            named.any(|tuple| tuple.weight() != Some(0))
        }
    })
}

/// The forward of a list of actions, and those that stand before it and let a request through or not; `None` when it is
/// not exactly one forward, or when something else stands before it, which could not be sent again as it was read.
/// (<https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_Action.html>)
pub(crate) fn forward(actions: &[ElbAction]) -> Option<(&[ElbAction], &ElbAction)> {
    let (last, before) = actions.split_last()?;
    let passes = |action: &ElbAction| {
        matches!(
            action.r#type(),
            Some(
                ActionTypeEnum::AuthenticateOidc
                    | ActionTypeEnum::AuthenticateCognito
                    | ActionTypeEnum::JwtValidation
            )
        )
    };
    let forwards = last.r#type() == Some(&ActionTypeEnum::Forward);
    (forwards && before.iter().all(passes)).then_some((before, last))
}

/// What a rule does, in the planner's words: exactly one forward, whoever it lets through, or something else.
pub(crate) fn action(actions: &[ElbAction], sides: &Sides) -> Action {
    let kinds = || {
        let kinds: Vec<&str> = actions
            .iter()
            .map(|one| one.r#type().map_or("unknown", ActionTypeEnum::as_str))
            .collect();
        Action::Other {
            kinds: if kinds.is_empty() {
                "none".to_owned()
            } else {
                kinds.join(", ")
            },
        }
    };
    let Some((_, forward)) = forward(actions) else {
        return kinds();
    };
    let config = forward.forward_config();
    let mut weights = [None; 2];
    let mut others = Vec::new();
    let listed = config
        .map(|config| config.target_groups())
        .unwrap_or_default();
    let named: Vec<(Option<&str>, Option<i32>)> = if listed.is_empty() {
        vec![(forward.target_group_arn(), None)]
    } else {
        listed
            .iter()
            .map(|tuple| (tuple.target_group_arn(), tuple.weight()))
            .collect()
    };
    // A single group may stand without weight: then it is 1.
    let default = (named.len() == 1).then_some(1);
    for (arn, weight) in named {
        let unreadable = || Action::Other {
            kinds: "a forward that cannot be read".to_owned(),
        };
        let weight = weight
            .or(default)
            .and_then(|weight| u32::try_from(weight).ok());
        let (Some(arn), Some(weight @ 0..=MAX_WEIGHT)) = (arn, weight) else {
            return unreadable();
        };
        match Side::BOTH.into_iter().find(|side| {
            let holder = sides.get(side.index()).and_then(Option::as_ref);
            holder.is_some_and(|group| group.as_str() == arn)
        }) {
            Some(side) if weights[side.index()].is_some() => return unreadable(),
            Some(side) => weights[side.index()] = Some(weight),
            None => others.push((TargetGroupArn::new(arn), weight)),
        }
    }
    let stickiness = config.and_then(|config| config.target_group_stickiness_config());
    Action::Forward {
        weights,
        others,
        sticky: stickiness
            .and_then(|sticky| sticky.enabled())
            .unwrap_or(false),
    }
}

/// The actions of one listener or rule, read for themselves: what a write is about to touch. `None`: it is gone.
pub(crate) async fn read_one(
    clients: &Clients,
    target: &RuleTarget,
) -> Result<Option<Vec<ElbAction>>, Error> {
    match target {
        RuleTarget::Listener(arn) => {
            let send = clients
                .elb
                .describe_listeners()
                .listener_arns(arn.as_str())
                .send();
            let answer = clients
                .call(Class::ElbAny, LISTENERS, arn.as_str(), send)
                .await;
            let listeners = found(answer)?
                .and_then(|answer| answer.listeners)
                .unwrap_or_default();
            Ok(listeners
                .into_iter()
                .next()
                .map(|listener| listener.default_actions.unwrap_or_default()))
        }
        RuleTarget::Rule(arn) => {
            let send = clients.elb.describe_rules().rule_arns(arn.as_str()).send();
            let answer = clients.call(Class::ElbAny, RULES, arn.as_str(), send).await;
            let rules = found(answer)?
                .and_then(|answer| answer.rules)
                .unwrap_or_default();
            Ok(rules
                .into_iter()
                .next()
                .map(|rule| rule.actions.unwrap_or_default()))
        }
    }
}

/// Absence as a value.
fn found<T>(answer: Result<T, Error>) -> Result<Option<T>, Error> {
    match answer {
        Err(error) if error.kind == Kind::NotFound => Ok(None),
        answer => answer.map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_elasticloadbalancingv2::types::{
        ForwardActionConfig, TargetGroupStickinessConfig, TargetGroupTuple,
    };

    const A: &str = "arn:a";
    const B: &str = "arn:b";

    fn pair() -> Sides {
        [A, B].map(|arn| Some(TargetGroupArn::new(arn)))
    }

    fn of_kind(kind: ActionTypeEnum) -> ElbAction {
        ElbAction::builder().r#type(kind).build()
    }

    fn forward(
        groups: &[(&str, Option<i32>)],
        outside: Option<&str>,
        sticky: Option<bool>,
    ) -> ElbAction {
        let tuple = |(arn, weight): &(&str, Option<i32>)| {
            TargetGroupTuple::builder()
                .target_group_arn(*arn)
                .set_weight(*weight)
                .build()
        };
        let stickiness = sticky.map(|enabled| {
            TargetGroupStickinessConfig::builder()
                .enabled(enabled)
                .build()
        });
        let config = ForwardActionConfig::builder()
            .set_target_groups(Some(groups.iter().map(tuple).collect()))
            .set_target_group_stickiness_config(stickiness);
        ElbAction::builder()
            .r#type(ActionTypeEnum::Forward)
            .set_target_group_arn(outside.map(str::to_owned))
            .forward_config(config.build())
            .build()
    }

    #[test]
    fn exactly_one_forward_is_a_forward() {
        let cases = [
            (
                forward(&[(A, Some(90)), (B, Some(10))], None, None),
                [Some(90), Some(10)],
                0,
                false,
            ),
            (
                forward(&[(A, Some(0)), ("arn:c", Some(1))], None, Some(true)),
                [Some(0), None],
                1,
                true,
            ),
            (
                forward(&[(B, None)], Some(B), Some(false)),
                [None, Some(1)],
                0,
                false,
            ),
            (forward(&[], Some(A), None), [Some(1), None], 0, false),
            (
                forward(&[("arn:c", Some(5))], None, None),
                [None, None],
                1,
                false,
            ),
        ];
        for (one, weights, others, sticky) in cases {
            let seen = action(std::slice::from_ref(&one), &pair());
            let Action::Forward {
                weights: got,
                others: list,
                sticky: is,
            } = &seen
            else {
                panic!("{seen:?}")
            };
            assert_eq!(
                (*got, list.len(), *is),
                (weights, others, sticky),
                "{one:?}"
            );
        }
    }

    #[test]
    fn whoever_is_let_through_it_is_a_forward() {
        let one = forward(&[(A, Some(90)), (B, Some(10))], None, None);
        for before in [
            ActionTypeEnum::AuthenticateOidc,
            ActionTypeEnum::AuthenticateCognito,
            ActionTypeEnum::JwtValidation,
        ] {
            let actions = [of_kind(before), one.clone()];
            assert_eq!(action(&actions, &pair()), action(&actions[1..], &pair()));
        }
    }

    #[test]
    fn anything_else_is_named() {
        let other = |kinds: &str| Action::Other {
            kinds: kinds.to_owned(),
        };
        let one = forward(&[(A, Some(1))], None, None);
        assert_eq!(action(&[], &pair()), other("none"));
        assert_eq!(
            action(&[of_kind(ActionTypeEnum::Redirect)], &pair()),
            other("redirect")
        );
        assert_eq!(
            action(&[of_kind(ActionTypeEnum::from("dance"))], &pair()),
            other("dance")
        );
        for (before, named) in [
            (ActionTypeEnum::Redirect, "redirect, forward"),
            (ActionTypeEnum::FixedResponse, "fixed-response, forward"),
            (ActionTypeEnum::Forward, "forward, forward"),
            (ActionTypeEnum::from("dance"), "dance, forward"),
        ] {
            let actions = [of_kind(before), one.clone()];
            assert_eq!(action(&actions, &pair()), other(named));
        }
        let late = [one.clone(), of_kind(ActionTypeEnum::AuthenticateOidc)];
        assert_eq!(action(&late, &pair()), other("forward, authenticate-oidc"));
        for unreadable in [
            forward(&[(A, Some(-1))], None, None),
            forward(&[(A, Some(1000))], None, None),
            forward(&[(A, Some(1)), (A, Some(0))], None, None),
            forward(&[(A, None), (B, Some(0))], None, None),
            forward(&[], None, None),
        ] {
            assert_eq!(
                action(&[unreadable], &pair()),
                other("a forward that cannot be read")
            );
        }
    }

    #[test]
    fn weight_that_is_not_shown_counts_as_weight() {
        let [a, b] = pair().map(Option::unwrap);
        let gives = |one: ElbAction, group| {
            gives_weight(&[of_kind(ActionTypeEnum::AuthenticateOidc), one], group)
        };
        assert!(gives(
            forward(&[(A, Some(1)), (B, Some(0))], None, None),
            &a
        ));
        assert!(!gives(
            forward(&[(A, Some(1)), (B, Some(0))], None, None),
            &b
        ));
        assert!(gives(forward(&[(B, None)], None, None), &b));
        assert!(gives(forward(&[], Some(B), None), &b));
        assert!(!gives(forward(&[(A, Some(1))], Some(A), None), &b));
    }

    #[test]
    fn a_rule_has_the_groups_of_the_route_that_lists_it_or_else_of_the_one_that_it_names() {
        let mut application = crate::tests::blog();
        let first = application.routes[0].clone();
        let listener = RuleTarget::Listener(ListenerArn::new("admin"));
        application.routes.push(crd_schema::application::Route {
            port: 9000,
            production: vec![listener.clone()],
            test: Vec::new(),
            ..first.clone()
        });
        let admin = ["arn:admin-a", "arn:admin-b"].map(|arn| Some(TargetGroupArn::new(arn)));
        let routes = [pair(), admin];
        let own = routes.iter().flatten().flatten().cloned().collect();
        let place = |target: &RuleTarget, actions| Place {
            target: target.clone(),
            listener: ListenerArn::new("listener"),
            actions: vec![actions],
        };
        let unlisted = RuleTarget::Rule(RuleArn::new("unlisted"));
        let places = [
            place(
                &first.production[0],
                forward(&[(A, Some(1)), ("arn:admin-b", Some(2))], None, None),
            ),
            place(&listener, forward(&[("arn:admin-a", Some(3))], None, None)),
            place(
                &unlisted,
                forward(&[("arn:admin-b", Some(4)), ("arn:c", Some(5))], None, None),
            ),
        ];
        let places: Vec<&Place> = places.iter().collect();
        let rules = of_application(&places, &application, &routes, &own);
        let found = |target: &RuleTarget| {
            let rule = rules.iter().find(|rule| rule.target == *target).unwrap();
            let Action::Forward {
                weights, others, ..
            } = &rule.action
            else {
                panic!("{rule:?}")
            };
            let others: Vec<_> = others
                .iter()
                .map(|(arn, weight)| (arn.as_str(), *weight))
                .collect();
            (rule.route, *weights, others)
        };
        assert_eq!(
            found(&first.production[0]),
            (0, [Some(1), None], vec![("arn:admin-b", 2)])
        );
        assert_eq!(found(&listener), (1, [Some(3), None], vec![]));
        assert_eq!(found(&unlisted), (1, [None, Some(4)], vec![("arn:c", 5)]));
    }

    #[test]
    fn arns_lead_upwards() {
        let base = "arn:aws:elasticloadbalancing:eu-west-1:123456789012";
        let rule = RuleTarget::Rule(RuleArn::new(format!(
            "{base}:listener-rule/app/blog/50dc/f2f7/9683"
        )));
        let listener = RuleTarget::Listener(ListenerArn::new(format!(
            "{base}:listener/app/blog/50dc/f2f7"
        )));
        for target in [&rule, &listener] {
            assert_eq!(
                load_balancer_of(target),
                Some(format!("{base}:loadbalancer/app/blog/50dc"))
            );
            assert_eq!(listener_of(target).as_str(), arn(&listener));
        }
        for text in ["", "arn", ":listener/", "a:listener/app/blog"] {
            assert_eq!(
                load_balancer_of(&RuleTarget::Listener(ListenerArn::new(text))),
                None,
                "{text}"
            );
            listener_of(&RuleTarget::Rule(RuleArn::new(text)));
        }
    }
}
