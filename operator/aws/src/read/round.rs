//! One round of reads for many applications: what several need is read once, and what fails concerns only those who need it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use aws_sdk_ecs::types::Service as EcsService;
use crd_schema::{Application, TargetGroupArn};
use futures_util::future::{join, join_all, try_join_all};
use planner::release::family;
use planner::world::{
    Base, DesiredParameter, Group, Read, RecordParameter, Revision, Rule, Service, ServiceStatus,
    Target, TargetState,
};
use planner::{Mono, Side, World};
use runtime::clock::Clock;
use runtime::cloud::Focus;

use crate::clients::Clients;
use crate::error::{Error, Kind, one_line};
use crate::names::{Leaf, Names};
use crate::read::definitions::RevisionCache;
use crate::read::groups::FactsCache;
use crate::read::tasks::AddressCache;
use crate::read::{balancers, definitions, groups, parameters, scaling, services, tasks};

/// One application's wish to be observed.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) application: Application,
    pub(crate) focus: Focus,
}

/// Reads rounds, and keeps between them what does not change.
pub(crate) struct Reader {
    pub(crate) clients: Clients,
    pub(crate) names: Names,
    clock: Clock,
    facts: FactsCache,
    revisions: RevisionCache,
    addresses: AddressCache,
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader")
            .field("names", &self.names)
            .finish_non_exhaustive()
    }
}

/// A value or why there is none, and when the read began.
struct Dated<T> {
    at: Mono,
    value: Result<T, Error>,
}

impl<T> Dated<T> {
    fn into_read(self) -> Read<T> {
        let Self { at, value } = self;
        match value {
            Ok(value) => Read::known(value, at),
            Err(error) => Read::Unread {
                reason: error.to_string(),
            },
        }
    }
}

/// Services of one application, and which of them are scaled by others.
struct Fleet {
    services: Read<Vec<Service>>,
    autoscaled: Read<BTreeSet<String>>,
}

/// The services of a cluster, each as it was described or why it was not.
type Listed = Vec<(String, Result<EcsService, Error>)>;

/// A service that was remembered, or whose name begins as the names do that the operator gives.
fn may_be_own(name: &str, application: &Application, focus: &Focus) -> bool {
    let named = name.strip_prefix(application.name.as_str());
    named.is_some_and(|rest| rest.starts_with('-')) || focus.services.iter().any(|one| one == name)
}

/// Groups and rules of one application.
struct Traffic {
    rules: Read<Vec<Rule>>,
    groups: [Read<Group>; 2],
}

/// The definitions of one application.
struct Definitions {
    base: Read<Base>,
    revisions: Read<Vec<Revision>>,
}

impl Reader {
    pub(crate) fn new(clients: Clients, names: Names, clock: Clock) -> Self {
        Self {
            clients,
            names,
            clock,
            facts: FactsCache::default(),
            revisions: RevisionCache::default(),
            addresses: AddressCache::default(),
        }
    }

    fn now(&self) -> Mono {
        self.clock.mono()
    }

    async fn dated<T>(&self, read: impl Future<Output = Result<T, Error>>) -> Dated<T> {
        let at = self.now();
        Dated {
            at,
            value: read.await,
        }
    }

    /// One world for each request, in their order.
    pub(crate) async fn round(&self, requests: &[Request]) -> Vec<World> {
        let ecs = join(self.fleets(requests), self.all_definitions(requests));
        let (parameters, (traffic, (fleets, definitions))) =
            join(self.parameters(requests), join(self.traffic(requests), ecs)).await;
        let parts = parameters
            .into_iter()
            .zip(traffic)
            .zip(fleets)
            .zip(definitions);
        let worlds = requests.iter().zip(parts).map(
            |(request, ((((desired, record), traffic), fleet), definitions))| {
                let mut world = World {
                    spec_present: request.focus.spec_present,
                    desired: desired.into_read(),
                    record: record.into_read(),
                    services: fleet.services,
                    rules: traffic.rules,
                    groups: traffic.groups,
                    base: definitions.base,
                    revisions: definitions.revisions,
                    autoscaled: fleet.autoscaled,
                    conflicts: request.focus.conflicts.clone(),
                };
                blame_targets(&mut world);
                world
            },
        );
        worlds.collect()
    }

    async fn parameters(
        &self,
        requests: &[Request],
    ) -> Vec<(Dated<DesiredParameter>, Dated<RecordParameter>)> {
        let at = self.now();
        let name = |request: &Request, leaf| self.names.parameter(&request.application.name, leaf);
        let wanted: BTreeSet<String> = requests
            .iter()
            .flat_map(|request| [name(request, Leaf::Desired), name(request, Leaf::Record)])
            .collect();
        let found = parameters::get(&self.clients, wanted.into_iter().collect()).await;
        let get = |name: &str| found.get(name).cloned().unwrap_or(Ok(None));
        let both = |request: &Request| {
            let desired = get(&name(request, Leaf::Desired))
                .and_then(|one| parameters::desired(&request.application, one.as_ref()));
            let record =
                get(&name(request, Leaf::Record)).and_then(|one| parameters::record(one.as_ref()));
            (Dated { at, value: desired }, Dated { at, value: record })
        };
        requests.iter().map(both).collect()
    }

    async fn fleets(&self, requests: &[Request]) -> Vec<Fleet> {
        let mut clusters: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
        for request in requests {
            let names = clusters.entry(&request.application.cluster).or_default();
            names.extend(request.focus.services.iter().cloned());
        }
        let mut reads = Vec::new();
        for (cluster, names) in &clusters {
            reads.push(self.dated(services::of_cluster(&self.clients, cluster, names)));
        }
        let read = join_all(reads).await;
        let found: BTreeMap<&str, &Dated<Listed>> = clusters.keys().copied().zip(&read).collect();
        let mut fleets = Vec::new();
        for request in requests {
            fleets.push(self.fleet(
                request,
                found.get(request.application.cluster.as_str()).copied(),
            ));
        }
        join_all(fleets).await
    }

    async fn fleet(&self, request: &Request, cluster: Option<&Dated<Listed>>) -> Fleet {
        let Request { application, focus } = request;
        let unread = |error: &Error| Fleet {
            services: Read::Unread {
                reason: error.to_string(),
            },
            autoscaled: Read::Unread {
                reason: error.to_string(),
            },
        };
        let (at, all) = match cluster {
            Some(Dated { at, value: Ok(all) }) => (*at, all),
            Some(Dated {
                value: Err(error), ..
            }) => return unread(error),
            None => {
                return Fleet {
                    services: never_asked(),
                    autoscaled: never_asked(),
                };
            }
        };
        let mut reads = Vec::new();
        let mut names = BTreeSet::new();
        for (name, service) in all {
            match service {
                Ok(service) if services::concerns(service, application) => {
                    reads.push(self.service(application, service));
                    names.insert(name.clone());
                }
                Ok(_) => {}
                // What we are not allowed to see is not ours, unless its name says so.
                Err(error)
                    if error.kind == Kind::Denied && !may_be_own(name, application, focus) => {}
                Err(error) => return unread(error),
            }
        }
        let autoscaled = self.dated(scaling::autoscaled(
            &self.clients,
            &application.cluster,
            &names,
        ));
        let (services, autoscaled) = join(try_join_all(reads), autoscaled).await;
        Fleet {
            services: Dated {
                at,
                value: services,
            }
            .into_read(),
            autoscaled: autoscaled.into_read(),
        }
    }

    async fn service(
        &self,
        application: &Application,
        service: &EcsService,
    ) -> Result<Service, Error> {
        let tasks = tasks::of_service(
            &self.clients,
            &self.addresses,
            &application.cluster,
            service,
            application.route.port,
        )
        .await?;
        services::parse(service, tasks, application)
    }

    async fn traffic(&self, requests: &[Request]) -> Vec<Traffic> {
        let arns: BTreeSet<TargetGroupArn> = requests
            .iter()
            .flat_map(|request| request.application.route.pair.iter().cloned())
            .collect();
        let mut reads = Vec::new();
        for arn in &arns {
            reads.push(self.dated(groups::targets(&self.clients, arn)));
        }
        let (targets, (facts, places)) = join(join_all(reads), self.rules(requests, &arns)).await;
        let targets: BTreeMap<&TargetGroupArn, Dated<Vec<Target>>> =
            arns.iter().zip(targets).collect();
        let group = |arn: &TargetGroupArn| match (facts.get(arn), targets.get(arn)) {
            (
                Some(Ok(facts)),
                Some(Dated {
                    at,
                    value: Ok(targets),
                }),
            ) => Read::known(groups::group(facts, targets.clone()), *at),
            (Some(Err(error)), _)
            | (
                _,
                Some(Dated {
                    value: Err(error), ..
                }),
            ) => Read::Unread {
                reason: error.to_string(),
            },
            (None, _) | (_, None) => never_asked(),
        };
        let traffic = requests.iter().map(|request| {
            let route = &request.application.route;
            Traffic {
                rules: rules_of(request, &facts, &places),
                groups: Side::BOTH
                    .map(|side| route.pair.get(side.index()).map_or_else(never_asked, group)),
            }
        });
        traffic.collect()
    }

    /// Facts about the groups, and everything that the load balancers of these applications forward.
    async fn rules(
        &self,
        requests: &[Request],
        groups: &BTreeSet<TargetGroupArn>,
    ) -> (FactsByGroup, PlacesByBalancer) {
        let facts = groups::facts(&self.clients, &self.facts, self.now(), groups).await;
        let wanted: BTreeSet<String> = requests
            .iter()
            .flat_map(|request| load_balancers(request, &facts).unwrap_or_default())
            .collect();
        let mut reads = Vec::new();
        for arn in &wanted {
            reads.push(self.dated(balancers::places(&self.clients, arn)));
        }
        let places = join_all(reads).await;
        (facts, wanted.into_iter().zip(places).collect())
    }

    async fn all_definitions(&self, requests: &[Request]) -> Vec<Definitions> {
        let mut reads = Vec::new();
        for request in requests {
            reads.push(self.definitions(request));
        }
        join_all(reads).await
    }

    async fn definitions(&self, request: &Request) -> Definitions {
        let application = &request.application;
        let template = &application.template.task_definition;
        let base = definitions::base(
            &self.clients,
            &self.revisions,
            template,
            request.focus.base.as_deref(),
        );
        let family = family(application);
        let revisions = definitions::revisions(&self.clients, &self.revisions, &family);
        let (base, revisions) = join(self.dated(base), self.dated(revisions)).await;
        Definitions {
            base: base.into_read(),
            revisions: revisions.into_read(),
        }
    }
}

type FactsByGroup = BTreeMap<TargetGroupArn, Result<groups::Facts, Error>>;
type PlacesByBalancer = BTreeMap<String, Dated<Vec<balancers::Place>>>;

/// The load balancers where rules may name the application's groups, and those of the rules that its spec lists.
fn load_balancers(request: &Request, facts: &FactsByGroup) -> Result<BTreeSet<String>, Error> {
    let route = &request.application.route;
    let mut arns = BTreeSet::new();
    for arn in &route.pair {
        if let Some(facts) = facts.get(arn) {
            arns.extend(facts.clone()?.load_balancer);
        }
    }
    arns.extend(
        route
            .production
            .iter()
            .chain(&route.test)
            .filter_map(balancers::load_balancer_of),
    );
    Ok(arns)
}

fn rules_of(request: &Request, facts: &FactsByGroup, places: &PlacesByBalancer) -> Read<Vec<Rule>> {
    let wanted = match load_balancers(request, facts) {
        Ok(wanted) => wanted,
        Err(error) => {
            return Read::Unread {
                reason: error.to_string(),
            };
        }
    };
    let mut all = Vec::new();
    let mut oldest: Option<Mono> = None;
    for arn in &wanted {
        let Some(Dated { at, value }) = places.get(arn) else {
            return never_asked();
        };
        match value {
            Ok(places) => all.extend(places),
            Err(error) => {
                return Read::Unread {
                    reason: error.to_string(),
                };
            }
        }
        oldest = Some(oldest.map_or(*at, |oldest| oldest.min(*at)));
    }
    match oldest {
        Some(at) => Read::known(
            balancers::of_application(&all, &request.application.route),
            at,
        ),
        None => Read::Unread {
            reason: "neither the groups nor the spec lead to a load balancer".to_owned(),
        },
    }
}

fn never_asked<T>() -> Read<T> {
    Read::Unread {
        reason: "this part was not asked for: this is a bug".to_owned(),
    }
}

/// A live service without a better explanation gets the reason why one of its own targets is unhealthy.
fn blame_targets(world: &mut World) {
    let Read::Known {
        value: services, ..
    } = &mut world.services
    else {
        return;
    };
    for service in services {
        let group = service
            .side
            .and_then(|side| world.groups.get(side.index()))
            .and_then(Read::value);
        let Some(group) =
            group.filter(|_| service.trouble.is_none() && service.status == ServiceStatus::Active)
        else {
            continue;
        };
        let sick = group.targets.iter().find(|target| {
            target.state == TargetState::Unhealthy && service.addresses.contains(&target.address)
        });
        service.trouble = sick.map(|target| {
            let reason = target.reason.as_deref().unwrap_or("no reason is given");
            one_line(&format!("target {} is unhealthy: {reason}", target.address))
        });
    }
}
