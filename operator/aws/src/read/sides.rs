//! Which group holds which side, and what follows from it for services and rules.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ecs::types::Service as EcsService;
use crd_schema::application::Route;
use crd_schema::{Application, TargetGroupArn};
use planner::Mono;
use planner::groups::{Claim, Places, places};
use planner::routes::together;
use planner::world::{Group, Origin, OwnGroups, Read, Rule, Service, Side, Template};

use crate::error::Error;
use crate::read::balancers::{self, Place, Sides};
use crate::read::groups::{self, Facts};
use crate::read::release_groups::Found;
use crate::read::round::{Dated, Request, Traffic, never_asked};
use crate::read::services::{self, Standing};
use crate::read::tasks::Tasks;

pub(super) type FactsByGroup = BTreeMap<TargetGroupArn, Result<Facts, Error>>;
pub(super) type PlacesByBalancer = BTreeMap<String, Dated<Vec<Place>>>;

/// The groups of a route, side by side, and its container port.
pub(super) struct OfRoute {
    groups: [Option<TargetGroupArn>; 2],
    port: u16,
}

/// The groups of one application.
pub(super) enum Own {
    /// The spec names them, for each route; when the round began.
    ForLife(Vec<OfRoute>, Mono),
    /// A worker has none; when the round began.
    None(Mono),
    /// Their tags say so.
    PerRelease(Dated<Found>),
}

/// What depends on the sides.
pub(super) struct Standings {
    pub(super) services: Read<Vec<Service>>,
    pub(super) rules: Read<Vec<Rule>>,
    pub(super) groups: [Read<Option<Group>>; 2],
    pub(super) own: Read<OwnGroups>,
}

impl Own {
    /// The groups that an application has for life; none when it has others, or no load balancer.
    pub(super) fn for_life(application: &Application, at: Mono) -> Option<Self> {
        let of = |route: &Route| {
            let groups = route.groups.for_life().map(Option::<&_>::cloned);
            let port = route.port;
            groups[0].is_some().then_some(OfRoute { groups, port })
        };
        let routes: Option<Vec<OfRoute>> = application.routes.iter().map(of).collect();
        let routes = routes.filter(|routes| !routes.is_empty())?;
        Some(Self::ForLife(routes, at))
    }

    fn found(&self) -> Option<&Found> {
        match self {
            Self::ForLife(..) | Self::None(_) => None,
            Self::PerRelease(found) => found.value.as_ref().ok(),
        }
    }

    /// Groups that services of the application are bound to: the user's template is not among them.
    pub(super) fn groups(&self) -> BTreeSet<TargetGroupArn> {
        match self {
            Self::ForLife(routes, _) => {
                let groups = routes.iter().flat_map(|route| &route.groups);
                groups.flatten().cloned().collect()
            }
            Self::None(_) => BTreeSet::new(),
            Self::PerRelease(_) => {
                let ours = self.found().map(|found| found.ours.iter());
                ours.into_iter()
                    .flatten()
                    .map(|group| group.arn.clone())
                    .collect()
            }
        }
    }

    /// Groups whose targets matter: the template's while it stands in a rule.
    pub(super) fn with_targets(&self) -> BTreeSet<TargetGroupArn> {
        let template = self.found().and_then(|found| found.template.as_ref());
        let in_use = template.filter(|template| template.in_use);
        let mut groups = self.groups();
        groups.extend(in_use.map(|template| template.arn.clone()));
        groups
    }

    fn at(&self) -> Mono {
        match self {
            Self::ForLife(_, at) | Self::None(at) => *at,
            Self::PerRelease(found) => found.at,
        }
    }

    pub(super) fn template(&self) -> Option<TargetGroupArn> {
        let template = self.found()?.template.as_ref()?;
        Some(template.arn.clone())
    }
}

/// The load balancers where rules may name the application's groups, and those of the rules that its spec lists.
pub(super) fn load_balancers(
    request: &Request,
    own: &Own,
    facts: &FactsByGroup,
) -> Result<BTreeSet<String>, Error> {
    let application = &request.application;
    let mut arns = BTreeSet::new();
    for arn in own.groups() {
        if let Some(facts) = facts.get(&arn) {
            arns.extend(facts.clone()?.load_balancer);
        }
    }
    let listed = application.production().chain(application.test());
    arns.extend(listed.filter_map(balancers::load_balancer_of));
    Ok(arns)
}

/// Everything that depends on which group holds which side.
pub(super) fn assemble(
    request: &Request,
    own: Own,
    fleet: Dated<Vec<(EcsService, Tasks)>>,
    traffic: &Traffic,
) -> Standings {
    let found = match &own {
        Own::None(at) => Ok((Vec::new(), *at)),
        Own::ForLife(..) | Own::PerRelease(_) => {
            places_of(request, &own, &traffic.facts, &traffic.places)
        }
    };
    let all: &[&Place] = found.as_ref().map_or(&[], |(all, _)| all);
    let sides = match &own {
        Own::ForLife(..) | Own::None(_) => Places::default(),
        Own::PerRelease(Dated {
            value: Ok(found), ..
        }) => claimed(request, found, &fleet, all),
        Own::PerRelease(Dated {
            value: Err(error), ..
        }) => return unread(&error.to_string()),
    };
    // The sides of each route, and the port that its groups' targets have.
    let routes: Vec<(Sides, u16)> = match &own {
        Own::ForLife(routes, _) => {
            let sides = |route: &OfRoute| (route.groups.clone(), route.port);
            routes.iter().map(sides).collect()
        }
        Own::PerRelease(_) => vec![(sides.holders.clone(), 0)],
        Own::None(_) => Vec::new(),
    };
    let rules = match found {
        Ok((places, at)) => {
            let application = &request.application;
            let own = own.groups();
            let routes: Vec<Sides> = routes.iter().map(|(sides, _)| sides.clone()).collect();
            let rules = balancers::of_application(&places, application, &routes, &own);
            Read::known(rules, at)
        }
        Err(reason) => Read::Unread { reason },
    };
    let groups = Side::BOTH.map(|side| {
        let mut oldest = own.at();
        let mut all = Vec::new();
        for (sides, port) in &routes {
            let Some(arn) = &sides[side.index()] else {
                continue;
            };
            match group(arn, origin(&own, arn), traffic) {
                Read::Known { value, at } => {
                    oldest = if all.is_empty() { at } else { oldest.min(at) };
                    all.push((value, *port));
                }
                Read::Unread { reason } => return Read::Unread { reason },
            }
        }
        Read::known(together(all), oldest)
    });
    Standings {
        services: services(request, &own, &sides, fleet),
        rules,
        groups,
        own: own_groups(&own, &sides, traffic),
    }
}

fn unread(reason: &str) -> Standings {
    fn no<T>(reason: &str) -> Read<T> {
        Read::Unread {
            reason: reason.to_owned(),
        }
    }
    Standings {
        services: no(reason),
        rules: no(reason),
        groups: [no(reason), no(reason)],
        own: no(reason),
    }
}

/// Every rule of the load balancers that concern the application, and when the first was read; or why not.
fn places_of<'a>(
    request: &Request,
    own: &Own,
    facts: &FactsByGroup,
    places: &'a PlacesByBalancer,
) -> Result<(Vec<&'a Place>, Mono), String> {
    let wanted = load_balancers(request, own, facts).map_err(|error| error.to_string())?;
    let mut all = Vec::new();
    let mut oldest: Option<Mono> = None;
    for arn in &wanted {
        let Some(Dated { at, value }) = places.get(arn) else {
            return match never_asked::<()>() {
                Read::Unread { reason } => Err(reason),
                Read::Known { .. } => Err(String::new()),
            };
        };
        all.extend(value.as_ref().map_err(ToString::to_string)?);
        oldest = Some(oldest.map_or(*at, |oldest| oldest.min(*at)));
    }
    let nowhere = || "neither the groups nor the spec lead to a load balancer".to_owned();
    Ok((all, oldest.ok_or_else(nowhere)?))
}

fn claimed(
    request: &Request,
    found: &Found,
    fleet: &Dated<Vec<(EcsService, Tasks)>>,
    all: &[&Place],
) -> Places {
    let application = &request.application;
    let services = fleet.value.as_deref().unwrap_or_default();
    let weight = |arn: &TargetGroupArn| balancers::weight(all, application, arn);
    let claims = found.ours.iter().map(|group| Claim {
        arn: group.arn.clone(),
        side: group.side,
        bound: services.iter().any(|(service, _)| {
            services::is_active(service, application) && services::is_bound(service, &group.arn)
        }),
        weight: weight(&group.arn).unwrap_or(0),
    });
    let template = found.template.as_ref().map(|template| &template.arn);
    let named = template.filter(|arn| weight(arn).is_some());
    places(claims.collect(), named.cloned())
}

fn services(
    request: &Request,
    own: &Own,
    sides: &Places,
    fleet: Dated<Vec<(EcsService, Tasks)>>,
) -> Read<Vec<Service>> {
    let template = own.template();
    let standing = |service: &EcsService| {
        match own {
            Own::None(_) => return services::standing_of_worker(service),
            Own::ForLife(routes, _) => {
                let ours = services::is_ours(service, &request.application);
                let side = side_on(service, routes, ours);
                return Standing {
                    side,
                    group_gone: false,
                };
            }
            Own::PerRelease(_) => {}
        }
        let side = services::bound(service).find_map(|arn| {
            let users = template
                .as_ref()
                .is_some_and(|template| template.as_str() == arn);
            sides.side(arn).filter(|_| !users)
        });
        let exists = |arn: &str| own.found().is_none_or(|found| found.existing.contains(arn));
        let mut bound = services::bound(service).peekable();
        Standing {
            side,
            group_gone: bound.peek().is_some() && bound.all(|arn| !exists(arn)),
        }
    };
    let Dated { at, value } = fleet;
    let value = value.and_then(|fleet| {
        let parse = |(service, tasks): (EcsService, Tasks)| {
            let standing = standing(&service);
            services::parse(&service, tasks, &request.application, standing)
        };
        fleet.into_iter().map(parse).collect()
    });
    Dated { at, value }.into_read()
}

/// The side on which a service of ours is bound to the group of every route, and to none of the other side. Of one that
/// is not ours: of any route, since its tasks take requests there.
fn side_on(service: &EcsService, routes: &[OfRoute], ours: bool) -> Option<Side> {
    let group = |route: &OfRoute, side: Side| route.groups[side.index()].clone();
    let on = |arn: &str| {
        let is = |route: &OfRoute, side: Side| {
            group(route, side).is_some_and(|group| group.as_str() == arn)
        };
        let mut sides = Side::BOTH.into_iter();
        sides.find(|side| routes.iter().any(|route| is(route, *side)))
    };
    let side = services::bound(service).find_map(on)?;
    let own = |route: &OfRoute| {
        group(route, side).is_some_and(|group| services::is_bound(service, &group))
    };
    let other = services::bound(service).any(|arn| on(arn) == Some(side.other()));
    let whole = routes.len() == 1 || (routes.iter().all(own) && !other);
    (whole || !ours).then_some(side)
}

fn origin(own: &Own, arn: &TargetGroupArn) -> Origin {
    let Some(found) = own.found() else {
        return Origin::Given;
    };
    match found.ours.iter().find(|group| group.arn == *arn) {
        Some(group) => Origin::Ours {
            name: group.name.clone(),
        },
        None => Origin::Template,
    }
}

fn group(arn: &TargetGroupArn, origin: Origin, traffic: &Traffic) -> Read<Group> {
    match (traffic.facts.get(arn), traffic.targets.get(arn)) {
        (
            Some(Ok(facts)),
            Some(Dated {
                at,
                value: Ok(targets),
            }),
        ) => Read::known(groups::group(arn, origin, facts, targets.clone()), *at),
        (Some(Err(error)), _)
        | (
            _,
            Some(Dated {
                value: Err(error), ..
            }),
        ) => Read::Unread {
            reason: error.to_string(),
        },
        // A template that a rule names since a moment ago.
        (None, _) | (_, None) => Read::Unread {
            reason: format!("target group {arn} was not read in this round"),
        },
    }
}

fn own_groups(own: &Own, sides: &Places, traffic: &Traffic) -> Read<OwnGroups> {
    let Some(found) = own.found() else {
        return Read::known(OwnGroups::default(), own.at());
    };
    let mut spares = Vec::new();
    for arn in &sides.spares {
        match group(arn, origin(own, arn), traffic) {
            Read::Known { value, .. } => spares.push(value),
            Read::Unread { reason } => return Read::Unread { reason },
        }
    }
    let template = match &found.template {
        None => Template::Missing,
        Some(template) => match traffic.facts.get(&template.arn) {
            Some(Ok(facts)) => Template::Found {
                settings: template.settings.clone(),
                attributes: facts.attributes.clone(),
            },
            Some(Err(error)) => Template::Unread {
                reason: error.to_string(),
            },
            None => Template::Unread {
                reason: "it was not read in this round".to_owned(),
            },
        },
    };
    let value = OwnGroups {
        template,
        spares,
        taken: found.taken.clone(),
    };
    Read::known(value, own.at())
}

#[cfg(test)]
mod tests {
    use aws_sdk_ecs::types::LoadBalancer;

    use super::*;

    fn bound_to(groups: &[&str]) -> EcsService {
        let bound = groups.iter().map(|group| {
            let bound = LoadBalancer::builder().target_group_arn(*group);
            bound.build()
        });
        let service = EcsService::builder();
        service.set_load_balancers(Some(bound.collect())).build()
    }

    fn route(a: &str, b: &str, port: u16) -> OfRoute {
        OfRoute {
            groups: [a, b].map(|arn| Some(TargetGroupArn::new(arn))),
            port,
        }
    }

    #[test]
    fn a_service_stands_where_every_route_has_it() {
        let two = [route("a1", "b1", 80), route("a2", "b2", 90)];
        let one = &two[..1];
        let side = |groups: &[&str], routes, ours| side_on(&bound_to(groups), routes, ours);
        for (groups, ours, strangers) in [
            (&["a1", "a2"][..], Some(Side::A), Some(Side::A)),
            (&["b2", "b1"], Some(Side::B), Some(Side::B)),
            (&["a1", "a2", "shop"], Some(Side::A), Some(Side::A)),
            (&["a1"], None, Some(Side::A)),
            (&["b2"], None, Some(Side::B)),
            (&["a1", "b2"], None, Some(Side::A)),
            (&["a1", "a2", "b2"], None, Some(Side::A)),
            (&["shop"], None, None),
            (&[], None, None),
        ] {
            assert_eq!(side(groups, &two, true), ours, "{groups:?}");
            assert_eq!(side(groups, &two, false), strangers, "{groups:?}");
        }
        // With one route only its own groups matter.
        assert_eq!(side(&["a2", "b1"], one, true), Some(Side::B));
        assert_eq!(side(&["b1", "a1"], one, true), Some(Side::B));
        assert_eq!(side(&["a2"], one, true), None);
    }
}
