//! What needs a person: nothing is changed, and the message says what to do.

use crd_schema::TargetGroupArn;
use crd_schema::application::TargetGroups;
use crd_schema::record::Stage;

use crate::ablation;
use crate::memory::Memory;
use crate::report::{Hold, WaitingOn};
use crate::rollout::{Decision, unlisted, unmovable};
use crate::view::{View, Vital, resource, short_name};
use crate::world::{Action, DesiredParameter, Group, Read, Role, Service, ServiceStatus};
use crate::write::Write;

/// Foreign changes of weights in one rollout that are answered; the next one holds.
const TOLERATED_CHANGES: u32 = 1;

/// Rules and groups that cannot be worked with at all: not even a repair.
pub(crate) fn structure(view: &View<'_>) -> Option<Hold> {
    if !view.world.spec_present {
        return Some(Hold::Orphaned);
    }
    if let Some(what) = view.world.conflicts.first() {
        return Some(Hold::Conflict { what: what.clone() });
    }
    view.rules.iter().filter(|rule| rule.role != Role::Unlisted).find_map(|rule| {
        let name = short_name(&rule.target);
        let what = match &rule.action {
            Action::Missing => format!("{name} is in the spec and does not exist: create it, or take it out of `traffic`"),
            Action::Other { kinds } => format!(
                "{name} does {kinds}; Teal needs one forward there, at most after authentication: change the rule, or take it out of `traffic`"
            ),
            Action::Forward { sticky: true, .. } if !view.tuning.without(ablation::Rule::Stickiness) => format!(
                "{name} has group stickiness, whose cookie outlasts the weights: switch it off (TargetGroupStickinessConfig)"
            ),
            Action::Forward { weights: [None, None], .. } if rule.role == Role::Production => {
                let routes = &view.application.routes;
                let what = match routes.get(rule.route).map(|route| &route.groups) {
                    Some(TargetGroups::Pair(_)) | None => {
                        let several = routes.len() > 1;
                        let pair = if several { "its route's pair" } else { "the pair" };
                        format!(
                            "production rule {name} forwards to neither group of {pair}: add one of them to its forward action (weight 0 is enough)"
                        )
                    }
                    Some(TargetGroups::Single(only)) => format!(
                        "production rule {name} does not forward to the application's group: let it forward to {}",
                        resource(only.as_str())
                    ),
                    Some(TargetGroups::PerRelease { from }) => format!(
                        "production rule {name} forwards to no group of this application and not to its template: let it forward to {}",
                        resource(from.as_str())
                    ),
                };
                return Some(Hold::RuleNamesNeitherGroup { what });
            }
            Action::Forward { others, .. } => {
                let others: Vec<&str> = strangers(view, others).collect();
                if others.is_empty() {
                    return None;
                }
                let own = if view.application.routes.len() > 1 {
                    "the groups of its own route"
                } else {
                    "its own groups"
                };
                format!(
                    "{name} also forwards to {}: take that out, since a rule of an application forwards to {own} only",
                    others.join(", ")
                )
            }
        };
        Some(Hold::RuleUnusable { what })
    })
}

/// Groups in a forward that the operator does not take out by itself: all but spare ones without weight.
fn strangers<'a>(
    view: &View<'_>,
    others: &'a [(TargetGroupArn, u32)],
) -> impl Iterator<Item = &'a str> {
    let spares = &view.own.spares;
    others
        .iter()
        .filter(|(arn, weight)| *weight > 0 || spares.iter().all(|spare| spare.arn != *arn))
        .map(|(arn, _)| resource(arn.as_str()))
}

/// Why a group cannot be worked with, route by route. Different routes may have different load balancers.
fn unusable(view: &View<'_>) -> Option<String> {
    let [a, b] = view
        .groups
        .map(|group| group.map(Group::each).unwrap_or_default());
    let own = a.iter().chain(&b).find_map(|group| {
        let arn = resource(group.arn.as_str());
        if !group.by_address {
            return Some(format!(
                "{arn} does not have target type `ip`: create it with --target-type ip"
            ));
        }
        let single = matches!(view.application.target_groups(), Some(TargetGroups::Single(_)));
        (group.sticky && !single).then(|| format!(
            "{arn} has stickiness on, with which ELB takes no forward to two groups without group stickiness: switch its attribute stickiness.enabled off"
        ))
    });
    let apart = || {
        a.iter().zip(&b).find_map(|(one, two)| {
            let (first, second) = (one.load_balancer.as_ref()?, two.load_balancer.as_ref()?);
            (first != second).then(|| {
                let [one, two] = [one, two].map(|group| resource(group.arn.as_str()));
                let (first, second) = (resource(first), resource(second));
                let whom = if a.len() > 1 { "route" } else { "application" };
                format!(
                    "{one} belongs to {first} and {two} to {second}: give the {whom} groups of one load balancer"
                )
            })
        })
    };
    own.or_else(apart)
}

/// Things that only a person can decide; dead traffic is repaired all the same.
pub(crate) fn person(view: &View<'_>) -> Option<Hold> {
    if let Some(what) = unusable(view) {
        return Some(Hold::GroupUnusable { what });
    }
    let active = || {
        view.services
            .iter()
            .filter(|service| service.status == ServiceStatus::Active)
    };
    if let Some(foreign) = active().find(|service| !service.tags.ours && service.side.is_some()) {
        let service = format!(
            "service {} is bound to one of the groups and does not carry this application's tags: remove it, or adopt it (teal adopt {} --service {})",
            foreign.name, view.application.name, foreign.name
        );
        return Some(Hold::ForeignService { service });
    }
    if let Some(elsewhere) =
        active().find(|service| service.tags.ours && service.side.is_none() && !service.group_gone)
    {
        return Some(Hold::ServiceElsewhere {
            service: elsewhere.name.clone(),
        });
    }
    // A newer wish, also for the same version, is the word that the other writer was stopped.
    let fought_over = view.record().rollout.as_ref().is_some_and(|rollout| {
        let wanted = view.wanted.as_ref();
        wanted.is_none_or(|wanted| rollout.release.generation == wanted.generation)
    });
    // Where nothing lives nobody's weights matter, and something is to come.
    let live = view.live();
    let lives = live
        .iter()
        .any(|service| view.vital(service) != Vital::Dead);
    if fought_over && lives && view.memory.foreign_changes > TOLERATED_CHANGES {
        return Some(Hold::Contended);
    }
    match (&view.wanted, &view.memory.desired) {
        (Some(_), _) => None,
        (None, Some(DesiredParameter::Invalid { reason, .. })) => Some(Hold::DesiredInvalid {
            reason: reason.clone(),
        }),
        (None, Some(DesiredParameter::Missing | DesiredParameter::Set { .. }) | None) => {
            Some(Hold::DesiredMissing)
        }
    }
}

/// A person holds the application, or every one: that of all is told first, for the other alone ends nothing.
pub(crate) fn pause(memory: &Memory) -> Option<Hold> {
    let asked = memory.intents.as_ref()?;
    let all = asked.all_paused.then_some(Hold::AllPaused);
    all.or(asked.paused.then_some(Hold::Paused))
}

/// What must be so before a rollout begins and before anything is scaled down or deleted.
pub(crate) fn before(view: &View<'_>, decision: &Decision) -> Option<WaitingOn> {
    let begins = decision.stage == Stage::ScaleUp && decision.reject.is_none();
    let removes = decision.write.as_ref().is_some_and(|write| {
        write.is_destructive() && !matches!(write, Write::DeregisterTaskDefinition { .. })
    });
    if !begins && !removes {
        return None;
    }
    let overlook = view.tuning.without(ablation::Rule::UnlistedRules);
    if let Some(rule) = view
        .rules
        .iter()
        .find(|rule| rule.role == Role::Unlisted && !overlook)
    {
        return Some(WaitingOn::Hold(Hold::UnlistedRule {
            rule: unlisted(&rule.target),
        }));
    }
    let scaling = match &view.world.scaling {
        Read::Known { value, .. } => value,
        Read::Unread { reason } => {
            return Some(WaitingOn::Observation {
                what: format!("scalable targets: {reason}"),
            });
        }
    };
    // ECS scales the one service while it updates it.
    if begins && view.in_place().is_some() {
        return None;
    }
    if view.is_worker() {
        let goes = match &decision.write {
            Some(Write::ScaleService { name, .. } | Write::DeleteService { name }) => Some(name),
            Some(_) | None => None,
        };
        let mut live = view.live().into_iter();
        let concerned = |service: &&Service| begins || goes == Some(&service.name);
        let scaled =
            live.find(|service| concerned(service) && scaling.contains_key(&service.name))?;
        return Some(WaitingOn::Hold(Hold::AutoscalingNotSupported {
            what: of_a_worker(view, scaled),
        }));
    }
    let live = view.live().into_iter();
    let mut live = live.filter(|_| begins && view.application.autoscaling.is_none());
    let what = live.find_map(|service| unmovable(view, service, scaling.get(&service.name)?))?;
    Some(WaitingOn::Hold(Hold::AutoscalingNotSupported { what }))
}

/// No weight says which of two workers may be scaled in: their autoscaling stays where it is.
fn of_a_worker(view: &View<'_>, service: &Service) -> String {
    let name = &service.name;
    let cluster = &view.application.cluster;
    let cluster = cluster.rsplit('/').next().unwrap_or(cluster);
    format!(
        "service {name} has no load balancer and a registered scalable target, which does not move with such a release yet: deregister it (aws application-autoscaling deregister-scalable-target --service-namespace ecs --scalable-dimension ecs:service:DesiredCount --resource-id service/{cluster}/{name})"
    )
}
