//! A service that somebody else made becomes blue: what stands in the way, the tags that it needs, and what follows.
//!
//! Adopting is tagging, and nothing else: its tasks go on as they are. So whatever the operator would stumble over is
//! found before. What it would do next is asked of [`plan`](crate::plan()) itself, on the world as the tags would make it.

mod candidate;
mod obstacle;
mod release;

use std::collections::BTreeMap;

use crd_schema::application::{Route, RuleTarget};
use crd_schema::desired::Desired;
use crd_schema::record::{Generation, Stage};
use crd_schema::{Application, TargetGroupArn};

use crate::memory::{Memory, weight};
use crate::release::{
    MANAGED_BY, TAG_APPLICATION, TAG_GENERATION, TAG_MANAGED_BY, TAG_RELEASE, TAG_TASK_DEFINITION,
    TAG_VERSION, Wanted, show, wanted,
};
use crate::report::{Report, WaitingOn};
use crate::time::{Mono, Now};
use crate::tuning::Tuning;
use crate::view::resource;
use crate::world::{
    DesiredParameter, Read, Role, Service, ServiceStatus, Side, Tags, TargetState, World,
};

pub use candidate::{Binding, Candidate};
pub use obstacle::Obstacle;

/// A service that can be adopted, or was.
#[derive(Debug, Clone, PartialEq)]
pub struct Adoption {
    /// Where it serves: the first or the second of each route's pair.
    pub side: Side,
    /// What it runs, as a desired value says it.
    pub release: Desired,
    /// All tags that make it blue; one TagResource writes them.
    pub tags: BTreeMap<String, String>,
    /// It has them already.
    pub already: bool,
    /// What an operator does then.
    pub follows: Follows,
}

/// What an operator does once the tags are there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Follows {
    /// Nothing: what runs is what is desired.
    Serves,
    /// Nothing, until somebody says what is desired.
    NeedsWish,
    /// The desired value names another version: its release begins, with this service as blue.
    Releases {
        /// The version.
        version: String,
        /// Why it does not begin at once.
        held: Option<String>,
    },
    /// The desired value cannot be used.
    WishUnusable {
        /// What is wrong with it.
        reason: String,
    },
}

/// Looks for everything that stands in the way. `asked` is what a person says that the service runs; without it, its
/// images tell.
///
/// # Errors
/// All obstacles that were found, the first cause first. Nothing is to be written then.
pub fn adoption(
    application: &Application,
    world: &World,
    candidate: &Candidate,
    asked: Option<&Desired>,
    now: Now,
) -> Result<Adoption, Vec<Obstacle>> {
    if application.is_worker() {
        let application = application.name.to_string();
        return Err(vec![Obstacle::Worker { application }]);
    }
    let mut memory = Memory::new(Mono::default());
    memory.absorb(world, &Tuning::long_awake(), now);
    let unread = unread(world);
    if !unread.is_empty() {
        return Err(unread);
    }
    let found = Found {
        application,
        world,
        candidate,
        memory: &memory,
    };
    if let Some(done) = found.done(asked) {
        return done.map_err(|obstacle| vec![obstacle]);
    }
    let mut obstacles = candidate.obstacles(&application.cluster);
    obstacles.extend(found.owners());
    obstacles.extend(found.rollout());
    let side = found.side().map_err(|one| obstacles.extend(one)).ok();
    if let Some(side) = side {
        obstacles.extend(found.health(side));
        obstacles.extend(found.traffic(side));
    }
    let release = release::of(application, candidate, world, asked)
        .map_err(|one| obstacles.push(one))
        .ok();
    let (Some(side), Some((desired, wanted)), true) = (side, release, obstacles.is_empty()) else {
        return Err(obstacles);
    };
    // With this very version desired, an operator may want nothing more than to write that down.
    let settled = predict(&found, &wanted, Some(&desired), now);
    let idle = matches!(
        settled.waiting_on,
        WaitingOn::Nothing | WaitingOn::OwnStep | WaitingOn::Frozen(_)
    );
    if !idle || settled.stage != Stage::Settled {
        let message = settled.waiting_on.message();
        return Err(vec![Obstacle::WouldWait { message }]);
    }
    Ok(Adoption {
        side,
        tags: tags(application, candidate, &wanted),
        release: desired,
        already: false,
        follows: follows(&found, &wanted, now),
    })
}

fn tags(
    application: &Application,
    candidate: &Candidate,
    wanted: &Wanted,
) -> BTreeMap<String, String> {
    let own = [
        (TAG_MANAGED_BY, MANAGED_BY.to_owned()),
        (TAG_APPLICATION, application.name.to_string()),
        (TAG_RELEASE, wanted.digest.clone()),
        (TAG_VERSION, wanted.version.clone()),
        (TAG_GENERATION, show(wanted.generation)),
        (TAG_TASK_DEFINITION, candidate.task_definition.clone()),
    ];
    own.map(|(key, value)| (key.to_owned(), value)).into()
}

/// Unknown is unsafe.
fn unread(world: &World) -> Vec<Obstacle> {
    fn of<T>(part: &str, read: &Read<T>) -> Option<Obstacle> {
        match read {
            Read::Known { .. } => None,
            Read::Unread { reason } => {
                let what = format!("{part}: {reason}");
                Some(Obstacle::Unread { what })
            }
        }
    }
    let parts = [
        of("the services", &world.services),
        of("the listener rules", &world.rules),
        of("the desired value", &world.desired),
        of("the record", &world.record),
        of("what people asked for", &world.intents),
        of("the first target group", &world.groups[0]),
        of("the second target group", &world.groups[1]),
    ];
    parts.into_iter().flatten().collect()
}

/// What was looked at.
struct Found<'a> {
    application: &'a Application,
    world: &'a World,
    candidate: &'a Candidate,
    memory: &'a Memory,
}

impl<'a> Found<'a> {
    fn services(&self) -> &'a [Service] {
        self.world
            .services
            .value()
            .map(Vec::as_slice)
            .unwrap_or_default()
    }

    /// The candidate as the operator sees it.
    fn itself(&self) -> Option<&'a Service> {
        let mut services = self.services().iter();
        services.find(|service| service.name == self.candidate.name)
    }

    /// It is one of the application's services already.
    fn done(&self, asked: Option<&Desired>) -> Option<Result<Adoption, Obstacle>> {
        let itself = self
            .itself()
            .filter(|one| one.status == ServiceStatus::Active)?;
        let (Tags { ours: true, .. }, Some(side)) = (&itself.tags, itself.side) else {
            return None;
        };
        // Tagged by hand, with two tags only: then the others are missing.
        let digest = itself.tags.release.clone()?;
        let version = itself.tags.version.clone().unwrap_or_default();
        let release = Desired {
            version: version.clone(),
            images: BTreeMap::new(),
            id: None,
            override_freeze: false,
        };
        if let Some(asked) = asked.filter(|asked| asked.version != version) {
            return Some(Err(Obstacle::OtherVersion {
                name: itself.name.clone(),
                is: version,
                asked: asked.version.clone(),
            }));
        }
        let generation = itself.tags.generation.unwrap_or(Generation {
            date: 0,
            version: 0,
        });
        let runs = Wanted {
            digest,
            version,
            generation,
            images: BTreeMap::new(),
            override_freeze: false,
        };
        Some(Ok(Adoption {
            side,
            release,
            tags: tags(self.application, self.candidate, &runs),
            already: true,
            follows: self.wish(&runs),
        }))
    }

    /// What the desired value makes of it, as long as nothing holds it.
    fn wish(&self, runs: &Wanted) -> Follows {
        match &self.world.desired {
            Read::Unread { .. }
            | Read::Known {
                value: DesiredParameter::Missing,
                ..
            } => Follows::NeedsWish,
            Read::Known {
                value: DesiredParameter::Invalid { reason, .. },
                ..
            } => Follows::WishUnusable {
                reason: reason.clone(),
            },
            Read::Known {
                value:
                    DesiredParameter::Set {
                        generation,
                        desired,
                    },
                ..
            } => match wanted(self.application, *generation, desired) {
                Ok(wish) if wish.digest == runs.digest => Follows::Serves,
                Ok(wish) => Follows::Releases {
                    version: wish.version,
                    held: None,
                },
                Err(reason) => Follows::WishUnusable { reason },
            },
        }
    }

    /// Whose it is, and who else is there.
    fn owners(&self) -> Vec<Obstacle> {
        let mut obstacles = Vec::new();
        let application = self.application.name.as_str();
        let owner = self.candidate.tags.get(TAG_APPLICATION);
        if let Some(owner) = owner.filter(|owner| *owner != application) {
            let name = self.candidate.name.clone();
            let owner = owner.clone();
            obstacles.push(Obstacle::OfAnother { name, owner });
        }
        for other in self.services() {
            if other.name == self.candidate.name || other.status != ServiceStatus::Active {
                continue;
            }
            let name = other.name.clone();
            if other.tags.ours {
                obstacles.push(Obstacle::HasOne { name });
            } else if other.side.is_some() {
                obstacles.push(Obstacle::Neighbour { name });
            }
        }
        obstacles
    }

    /// An operator is at work on it.
    fn rollout(&self) -> Option<Obstacle> {
        let rollout = self.memory.record.rollout.as_ref()?;
        Some(Obstacle::OnItsWay {
            version: rollout.release.version.clone(),
            stage: rollout.stage.as_str().to_owned(),
            application: self.application.name.to_string(),
        })
    }

    /// The side on which it is bound to a group of every route, as that route's container and port.
    fn side(&self) -> Result<Side, Vec<Obstacle>> {
        let Candidate { name, bindings, .. } = self.candidate;
        if self.application.group_template().is_some() {
            return Err(vec![Obstacle::PerRelease { name: name.clone() }]);
        }
        // None, and one without a group, are told of as obstacles of the service itself.
        let groups: Option<Vec<_>> = bindings
            .iter()
            .map(|binding| Some((binding, binding.group.as_ref()?)))
            .collect();
        let bound = groups.filter(|bound| !bound.is_empty());
        let bound = bound.ok_or_else(Vec::new)?;
        let mut obstacles: Vec<Obstacle> = bound
            .iter()
            .filter_map(|(binding, group)| self.misplaced(binding, group))
            .collect();
        if !obstacles.is_empty() {
            return Err(obstacles);
        }
        // By [`Side::index`]: a group there.
        let mut of_side = [None, None];
        for route in &self.application.routes {
            let mut own = bound
                .iter()
                .filter_map(|(_, group)| Some((place(route, group)?, *group)));
            match own.next() {
                Some((side, group)) => of_side[side.index()] = Some(group),
                None => obstacles.push(Obstacle::Unbound {
                    name: name.clone(),
                    route: at(&route.container, route.port.into()),
                    groups: names(route),
                }),
            }
            obstacles.extend(own.map(|(_, group)| Obstacle::BoundTwice {
                name: name.clone(),
                group: resource(group.as_str()).to_owned(),
                route: at(&route.container, route.port.into()),
            }));
        }
        if !obstacles.is_empty() {
            return Err(obstacles);
        }
        let both = |first: &TargetGroupArn, second: &TargetGroupArn| Obstacle::BothSides {
            name: name.clone(),
            first: resource(first.as_str()).to_owned(),
            second: resource(second.as_str()).to_owned(),
        };
        match of_side {
            [Some(first), Some(second)] => Err(vec![both(first, second)]),
            [Some(_), None] => Ok(Side::A),
            [None, Some(_) | None] => Ok(Side::B),
        }
    }

    /// A group that no route has, or another one's container and port.
    fn misplaced(&self, binding: &Binding, group: &TargetGroupArn) -> Option<Obstacle> {
        let name = self.candidate.name.clone();
        let mut routes = self.application.routes.iter();
        let Some(route) = routes.find(|route| place(route, group).is_some()) else {
            let group = resource(group.as_str()).to_owned();
            return Some(Obstacle::OtherGroup { name, group });
        };
        let same = binding.container == route.container && binding.port == u64::from(route.port);
        (!same).then(|| Obstacle::OtherPort {
            name,
            bound: at(&binding.container, binding.port),
            route: at(&route.container, route.port.into()),
        })
    }

    /// Its tasks run, and their targets are healthy.
    fn health(&self, side: Side) -> Option<Obstacle> {
        let itself = self.itself()?;
        let group = self.world.groups[side.index()].value()?.as_ref()?;
        let own = group.targets.iter().filter(|target| {
            target.state == TargetState::Healthy && itself.addresses.contains(&target.address)
        });
        let healthy = u32::try_from(own.count()).unwrap_or(u32::MAX);
        let Candidate {
            desired, running, ..
        } = *self.candidate;
        let well = desired > 0 && running >= desired && healthy >= desired;
        (!well).then(|| Obstacle::Unwell {
            name: self.candidate.name.clone(),
            desired,
            running,
            healthy,
            trouble: itself
                .trouble
                .as_ref()
                .map_or_else(String::new, |trouble| format!(" ({trouble})")),
        })
    }

    /// Users come to it, by every production rule, and to nobody else.
    fn traffic(&self, side: Side) -> Vec<Obstacle> {
        let rules = self.world.rules.value();
        let production = rules
            .into_iter()
            .flatten()
            .filter(|rule| rule.role == Role::Production);
        let elsewhere = production.filter(|rule| {
            let forwards = weight(rule, side) + weight(rule, side.other()) > 0;
            forwards && (weight(rule, side) == 0 || weight(rule, side.other()) > 0)
        });
        elsewhere
            .map(|rule| Obstacle::TrafficElsewhere {
                name: self.candidate.name.clone(),
                rule: match &rule.target {
                    RuleTarget::Listener(arn) => resource(arn.as_str()).to_owned(),
                    RuleTarget::Rule(arn) => resource(arn.as_str()).to_owned(),
                },
            })
            .collect()
    }
}

/// The side of a route that a group is for life.
fn place(route: &Route, group: &TargetGroupArn) -> Option<Side> {
    let pair = route.groups.for_life();
    let mut sides = Side::BOTH.into_iter();
    sides.find(|side| pair[side.index()] == Some(group))
}

/// The groups that a service could be bound to, for people.
fn names(route: &Route) -> String {
    let groups = route.groups.for_life().into_iter().flatten();
    let names: Vec<&str> = groups.map(|group| resource(group.as_str())).collect();
    names.join(" or ")
}

/// `web:8080`.
fn at(container: &str, port: u64) -> String {
    format!("{container}:{port}")
}

/// What an operator would tell of the world with the tags, with `desired` wished for or as it is.
fn predict(found: &Found<'_>, runs: &Wanted, desired: Option<&Desired>, now: Now) -> Report {
    let mut world = found.world.clone();
    if let Read::Known { value, .. } = &mut world.services {
        let mut services = value.iter_mut();
        if let Some(itself) = services.find(|service| service.name == found.candidate.name) {
            itself.tags = Tags {
                ours: true,
                release: Some(runs.digest.clone()),
                version: Some(runs.version.clone()),
                generation: Some(runs.generation),
                blue: None,
                rejected: None,
            };
        }
    }
    if let Some(desired) = desired {
        let value = DesiredParameter::Set {
            generation: runs.generation,
            desired: desired.clone(),
        };
        world.desired = Read::known(value, now.mono);
    }
    let tuning = Tuning::long_awake();
    let mut memory = Memory::new(Mono::default());
    memory.absorb(&world, &tuning, now);
    crate::plan(found.application, &world, &memory, &tuning, now).report
}

fn follows(found: &Found<'_>, runs: &Wanted, now: Now) -> Follows {
    match found.wish(runs) {
        Follows::Releases { version, held: _ } => {
            let report = predict(found, runs, None, now);
            let waiting = report.waiting_on;
            let holds = matches!(waiting, WaitingOn::Hold(_) | WaitingOn::Frozen(_));
            let held = holds.then(|| waiting.message());
            Follows::Releases { version, held }
        }
        follows @ (Follows::Serves | Follows::NeedsWish | Follows::WishUnusable { .. }) => follows,
    }
}
