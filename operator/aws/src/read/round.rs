//! One round of reads for many applications: what several need is read once, and what fails concerns only those who need it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use aws_sdk_ecs::types::Service as EcsService;
use crd_schema::intent::Intents;
use crd_schema::{Application, TargetGroupArn};
use futures_util::future::{join, join_all, try_join_all};
use planner::release::family;
use planner::scaling::Scaling;
use planner::world::{
    Base, DesiredParameter, Read, RecordParameter, Revision, ServiceStatus, Target, TargetState,
};
use planner::{Mono, World};
use runtime::clock::Clock;
use runtime::cloud::Focus;

use crate::clients::Clients;
use crate::error::{Error, Kind, one_line};
use crate::names::{Leaf, Names, Verb};
use crate::read::definitions::RevisionCache;
use crate::read::groups::FactsCache;
use crate::read::release_groups::{self, TagsCache};
use crate::read::sides::{
    FactsByGroup, Own, PlacesByBalancer, Standings, assemble, load_balancers,
};
use crate::read::tasks::{KnownBy, Tasks};
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
    tags: TagsCache,
    revisions: RevisionCache,
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader")
            .field("names", &self.names)
            .finish_non_exhaustive()
    }
}

/// A value or why there is none, and when the read began.
pub(super) struct Dated<T> {
    pub(super) at: Mono,
    pub(super) value: Result<T, Error>,
}

impl<T> Dated<T> {
    pub(super) fn into_read(self) -> Read<T> {
        let Self { at, value } = self;
        match value {
            Ok(value) => Read::known(value, at),
            Err(error) => Read::Unread {
                reason: error.to_string(),
            },
        }
    }
}

/// An application's parameters that a round reads, in one call where they fit.
const LEAVES: [Leaf; 6] = [
    Leaf::Desired,
    Leaf::Record,
    Leaf::Intent(Verb::Promote),
    Leaf::Intent(Verb::Abort),
    Leaf::Intent(Verb::Approve),
    Leaf::Intent(Verb::Pause),
];

/// What stands in them.
struct Written {
    desired: Dated<DesiredParameter>,
    record: Dated<RecordParameter>,
    intents: Dated<Intents>,
}

/// Services of one application with their tasks, and how they are autoscaled.
struct Fleet {
    services: Dated<Vec<(EcsService, Tasks)>>,
    scaling: Read<BTreeMap<String, Scaling>>,
}

/// The services of a cluster, each as it was described or why it was not.
type Listed = Vec<(String, Result<EcsService, Error>)>;

/// A service that was remembered, or whose name begins as the names do that the operator gives.
fn may_be_own(name: &str, application: &Application, focus: &Focus) -> bool {
    let named = name.strip_prefix(application.name.as_str());
    named.is_some_and(|rest| rest.starts_with('-')) || focus.services.iter().any(|one| one == name)
}

/// Groups and rules of all applications.
pub(super) struct Traffic {
    pub(super) targets: BTreeMap<TargetGroupArn, Dated<Vec<Target>>>,
    pub(super) facts: FactsByGroup,
    pub(super) places: PlacesByBalancer,
}

const NEVER_ASKED: &str = "this part was not asked for: this is a bug";

pub(super) fn never_asked<T>() -> Read<T> {
    Read::Unread {
        reason: NEVER_ASKED.to_owned(),
    }
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
            tags: TagsCache::default(),
            revisions: RevisionCache::default(),
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
        let own = self.own_groups(requests).await;
        let ecs = join(self.fleets(requests, &own), self.all_definitions(requests));
        let (parameters, (traffic, (fleets, definitions))) = join(
            self.parameters(requests),
            join(self.traffic(requests, &own), ecs),
        )
        .await;
        let parts = parameters.into_iter().zip(own).zip(fleets).zip(definitions);
        let worlds =
            requests
                .iter()
                .zip(parts)
                .map(|(request, (((written, own), fleet), definitions))| {
                    let Standings {
                        services,
                        rules,
                        groups,
                        own,
                    } = assemble(request, own, fleet.services, &traffic);
                    let mut world = World {
                        spec_present: request.focus.spec_present,
                        desired: written.desired.into_read(),
                        record: written.record.into_read(),
                        intents: written.intents.into_read(),
                        services,
                        rules,
                        groups,
                        own,
                        base: definitions.base,
                        revisions: definitions.revisions,
                        scaling: fleet.scaling,
                        verdicts: Default::default(),
                        conflicts: request.focus.conflicts.clone(),
                    };
                    blame_targets(&mut world);
                    world
                });
        worlds.collect()
    }

    /// The groups of each application; the account's are listed only when one has a group for each release.
    async fn own_groups(&self, requests: &[Request]) -> Vec<Own> {
        let at = self.now();
        let listed = if requests
            .iter()
            .any(|request| request.application.group_template().is_some())
        {
            release_groups::list(&self.clients).await
        } else {
            Ok(Vec::new())
        };
        let reads = requests.iter().map(|request| async {
            let application = &request.application;
            match (application.group_template(), &listed) {
                (None, _) => Own::for_life(application, at).unwrap_or(Own::None(at)),
                (Some(_), Ok(all)) => {
                    let found = release_groups::of_application(
                        &self.clients,
                        &self.tags,
                        at,
                        all,
                        application,
                    );
                    Own::PerRelease(Dated {
                        at,
                        value: found.await,
                    })
                }
                (Some(_), Err(error)) => Own::PerRelease(Dated {
                    at,
                    value: Err(error.clone()),
                }),
            }
        });
        join_all(reads).await
    }

    async fn parameters(&self, requests: &[Request]) -> Vec<Written> {
        let at = self.now();
        let name = |request: &Request, leaf| self.names.parameter(&request.application.name, leaf);
        let pause_of_all = |request: &Request| self.names.pause_above(&request.application.name);
        let wanted: BTreeSet<String> = requests
            .iter()
            .flat_map(|request| LEAVES.map(|leaf| name(request, leaf)))
            .chain(requests.iter().map(pause_of_all))
            .collect();
        let found = parameters::get(&self.clients, wanted.into_iter().collect()).await;
        let get = |name: &str| found.get(name).cloned().unwrap_or(Ok(None));
        let written = |request: &Request| {
            let desired = get(&name(request, Leaf::Desired))
                .and_then(|one| parameters::desired(&request.application, one.as_ref()));
            let record =
                get(&name(request, Leaf::Record)).and_then(|one| parameters::record(one.as_ref()));
            let verb = |verb| get(&name(request, Leaf::Intent(verb)));
            let intents = parameters::intents(
                verb(Verb::Promote),
                verb(Verb::Abort),
                verb(Verb::Approve),
                verb(Verb::Pause),
                get(&pause_of_all(request)),
            );
            Written {
                desired: Dated { at, value: desired },
                record: Dated { at, value: record },
                intents: Dated { at, value: intents },
            }
        };
        requests.iter().map(written).collect()
    }

    async fn fleets(&self, requests: &[Request], own: &[Own]) -> Vec<Fleet> {
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
        for (request, own) in requests.iter().zip(own) {
            fleets.push(self.fleet(
                request,
                own.groups(),
                found.get(request.application.cluster.as_str()).copied(),
            ));
        }
        join_all(fleets).await
    }

    async fn fleet(
        &self,
        request: &Request,
        groups: BTreeSet<TargetGroupArn>,
        cluster: Option<&Dated<Listed>>,
    ) -> Fleet {
        let Request { application, focus } = request;
        let unread = |at: Mono, error: &Error| Fleet {
            services: Dated {
                at,
                value: Err(error.clone()),
            },
            scaling: Read::Unread {
                reason: error.to_string(),
            },
        };
        let (at, all) = match cluster {
            Some(Dated { at, value: Ok(all) }) => (*at, all),
            Some(Dated {
                at,
                value: Err(error),
            }) => return unread(*at, error),
            None => {
                return Fleet {
                    services: Dated {
                        at: self.now(),
                        value: Err(Error::own(
                            Kind::Invalid,
                            "DescribeServices",
                            &application.cluster,
                            NEVER_ASKED,
                        )),
                    },
                    scaling: never_asked(),
                };
            }
        };
        let mut reads = Vec::new();
        let mut names = BTreeSet::new();
        for (name, service) in all {
            match service {
                Ok(service) if services::concerns(service, application, &groups) => {
                    reads.push(self.service(application, service));
                    names.insert(name.clone());
                }
                Ok(_) => {}
                // What we are not allowed to see is not ours, unless its name says so.
                Err(error)
                    if error.kind == Kind::Denied && !may_be_own(name, application, focus) => {}
                Err(error) => return unread(at, error),
            }
        }
        let scaling = self.dated(scaling::of_services(
            &self.clients,
            &application.cluster,
            &names,
        ));
        let (services, scaling) = join(try_join_all(reads), scaling).await;
        Fleet {
            services: Dated {
                at,
                value: services,
            },
            scaling: scaling.into_read(),
        }
    }

    async fn service(
        &self,
        application: &Application,
        service: &EcsService,
    ) -> Result<(EcsService, Tasks), Error> {
        let in_place = application.is_rolling();
        let mut service = service.clone();
        let runs = services::runs(&service).to_owned();
        let (clients, kept) = (&self.clients, &self.revisions);
        // What is gone says nothing more, and has no tasks to ask about.
        let there = service.status() != Some("INACTIVE");
        if there && services::is_ours(&service, application) {
            let tags = definitions::tags(clients, kept, &runs).await?;
            services::told_by(&mut service, &tags, application);
        }
        // Of several routes a task is known by its address on the first.
        let known = match application.routes.first() {
            Some(route) => KnownBy::Address { port: route.port },
            None => KnownBy::Id {
                checked: there && definitions::checks_health(clients, kept, &runs).await?,
            },
        };
        let cluster = &application.cluster;
        let tasks = tasks::of_service(clients, cluster, &service, known, in_place).await?;
        Ok((service, tasks))
    }

    async fn traffic(&self, requests: &[Request], own: &[Own]) -> Traffic {
        let arns: BTreeSet<TargetGroupArn> = own.iter().flat_map(Own::with_targets).collect();
        let mut reads = Vec::new();
        for arn in &arns {
            reads.push(self.dated(groups::targets(&self.clients, arn)));
        }
        let (targets, (facts, places)) =
            join(join_all(reads), self.rules(requests, own, &arns)).await;
        Traffic {
            targets: arns.into_iter().zip(targets).collect(),
            facts,
            places,
        }
    }

    /// Facts about the groups, and everything that the load balancers of these applications forward.
    async fn rules(
        &self,
        requests: &[Request],
        own: &[Own],
        groups: &BTreeSet<TargetGroupArn>,
    ) -> (FactsByGroup, PlacesByBalancer) {
        let templates: BTreeSet<TargetGroupArn> = own.iter().filter_map(Own::template).collect();
        let now = self.now();
        let facts = groups::facts(&self.clients, &self.facts, now, groups, &templates).await;
        let wanted: BTreeSet<String> = requests
            .iter()
            .zip(own)
            .flat_map(|(request, own)| load_balancers(request, own, &facts).unwrap_or_default())
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
            .and_then(Read::value)
            .and_then(Option::as_ref);
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
