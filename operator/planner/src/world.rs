//! What one round of reads saw.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crd_schema::application::RuleTarget;
use crd_schema::desired::Desired;
use crd_schema::intent::Intents;
use crd_schema::record::{Generation, Record};
use crd_schema::{ListenerArn, TargetGroupArn};
use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::gate::Verdict;
use crate::scaling::Scaling;
use crate::time::Mono;

/// A part of the world, or why it could not be read.
#[derive(Debug, Clone, PartialEq)]
pub enum Read<T> {
    /// What was read.
    Known {
        /// The value.
        value: T,
        /// When the read *began*.
        at: Mono,
    },
    /// It could not be read: unknown is unsafe.
    Unread {
        /// Category and text of the error, for people.
        reason: String,
    },
}

impl<T> Read<T> {
    /// A value that was read at `at`.
    pub fn known(value: T, at: Mono) -> Self {
        Self::Known { value, at }
    }

    /// The value, when there is one.
    pub fn value(&self) -> Option<&T> {
        match self {
            Self::Known { value, .. } => Some(value),
            Self::Unread { .. } => None,
        }
    }

    /// When it was read, when it was.
    pub fn at(&self) -> Option<Mono> {
        match self {
            Self::Known { at, .. } => Some(*at),
            Self::Unread { .. } => None,
        }
    }
}

/// One of the two places that a forward's groups take: a group of the pair, or a group made for one release. A worker,
/// which has no group, says in a tag which one it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Side {
    /// The first of the two.
    A,
    /// The second.
    B,
}

impl Side {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::A, Self::B];

    /// The other one.
    pub fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }

    /// Position in a pair.
    pub fn index(self) -> usize {
        match self {
            Self::A => 0,
            Self::B => 1,
        }
    }
}

/// Everything that a decision about one application needs.
#[derive(Debug, Clone, PartialEq)]
pub struct World {
    /// The Application's parameter is there. False: it was not found twice, a sweep apart.
    pub spec_present: bool,
    /// The desired value.
    pub desired: Read<DesiredParameter>,
    /// What people ask of the rollout.
    pub intents: Read<Intents>,
    /// The operator's record.
    pub record: Read<RecordParameter>,
    /// Services of the cluster that carry this application's tag or are bound to one of the groups, DRAINING and INACTIVE ones as far as they are still shown.
    pub services: Read<Vec<Service>>,
    /// Every rule of the load balancer that names one of the groups, and every rule that the spec lists.
    pub rules: Read<Vec<Rule>>,
    /// The group that holds each side, by [`Side::index`]; a pair holds both for life, with a group for each release a
    /// side may be empty. A worker has none.
    pub groups: [Read<Option<Group>>; 2],
    /// With a group for each release: what else there is of groups. Empty with a pair.
    pub own: Read<OwnGroups>,
    /// The base task definition: the pinned revision, or else the newest.
    pub base: Read<Base>,
    /// ACTIVE revisions of the family `<application>-teal`, newest first.
    pub revisions: Read<Vec<Revision>>,
    /// What Application Auto Scaling knows of services of this application, by their names; nothing of one that has no
    /// registered scalable target.
    pub scaling: Read<BTreeMap<String, Scaling>>,
    /// What the gates that this process runs have come to, by [`crate::gate::Run::key`].
    pub verdicts: BTreeMap<String, Verdict>,
    /// What another application of this operator claims as well, in words; empty when nothing.
    pub conflicts: Vec<String>,
}

/// The `desired` parameter.
#[derive(Debug, Clone, PartialEq)]
pub enum DesiredParameter {
    /// There is no such parameter.
    Missing,
    /// It is there and cannot be used.
    Invalid {
        /// Which write of it.
        generation: Generation,
        /// What is wrong and what would be right.
        reason: String,
    },
    /// A wish.
    Set {
        /// Which write of it.
        generation: Generation,
        /// Its content.
        desired: Desired,
    },
}

/// The `record` parameter.
#[derive(Debug, Clone, PartialEq)]
pub enum RecordParameter {
    /// There is none: never written, or lost.
    Missing,
    /// It is there and cannot be read as a record: as good as lost.
    Garbled {
        /// Which write of it.
        generation: Generation,
    },
    /// A record.
    Set {
        /// Which write of it.
        generation: Generation,
        /// Its content.
        record: Box<Record>,
    },
}

/// One ECS service.
#[derive(Debug, Clone, PartialEq)]
pub struct Service {
    /// `serviceName`.
    pub name: String,
    /// ARN.
    pub arn: String,
    /// Life cycle.
    pub status: ServiceStatus,
    /// The side whose group it is bound to; none when it is bound to neither. A worker's own.
    pub side: Option<Side>,
    /// The group that it is bound to does not exist any more: no rule can bring it traffic.
    pub group_gone: bool,
    /// `desiredCount`.
    pub desired: u32,
    /// `runningCount`.
    pub running: u32,
    /// `pendingCount`.
    pub pending: u32,
    /// Task definition ARN of the primary deployment.
    pub task_definition: String,
    /// Our tags. Of one that is updated in place the task definition carries what belongs to the release, since nothing
    /// else changes together with it.
    pub tags: Tags,
    /// `createdAt`.
    pub created: Timestamp,
    /// One deployment only, and it is not failed; that of a worker, or of one that is updated in place, is completed.
    pub steady: bool,
    /// The deployment circuit breaker gave up on the primary deployment.
    pub deployment_failed: bool,
    /// Its deployments, as far as they matter to one that is updated in place.
    pub deployments: Deployments,
    /// `address:port` of its RUNNING tasks at the routed container port. Of a worker: the ids of its RUNNING tasks whose
    /// container health checks, where they have any, say HEALTHY; of one that is updated in place only those that run its
    /// present task definition.
    pub addresses: BTreeSet<String>,
    /// The same of tasks that ECS is about to replace, since they run what the service ran before; none but where it is
    /// updated in place. They serve until then.
    pub outgoing: BTreeSet<String>,
    /// The newest cause of trouble as AWS tells it (stop code and reason, exit code, health-check answer, placement event).
    pub trouble: Option<String>,
}

/// What ECS shows of a service's deployments.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Deployments {
    /// The primary one's id, `ecs-svc/` and a number; none while there is none.
    pub primary: Option<String>,
    /// Those that ECS gave up (`rolloutState` FAILED), as long as it shows them: task definition and
    /// `rolloutStateReason`.
    pub given_up: BTreeMap<String, String>,
}

/// An ECS service's `status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServiceStatus {
    /// ACTIVE.
    Active,
    /// DRAINING: deleted, tasks still stop, the name is locked.
    Draining,
    /// INACTIVE: gone, still shown.
    Inactive,
}

/// The operator's tags on a service (`teal:…`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tags {
    /// `teal:managed-by` is `teal` and `teal:application` names this application.
    pub ours: bool,
    /// `teal:release`: content digest.
    pub release: Option<String>,
    /// `teal:version`: for people.
    pub version: Option<String>,
    /// `teal:generation`: the wish that led to it.
    pub generation: Option<Generation>,
    /// `teal:blue`: name of the service that served when it was created; of one that is updated in place the task
    /// definition ARN that it ran before.
    pub blue: Option<String>,
    /// `teal:rejected`: newest generation that was rejected while this service served.
    pub rejected: Option<Generation>,
}

/// One place that forwards.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// Which one.
    pub target: RuleTarget,
    /// The listener it belongs to.
    pub listener: ListenerArn,
    /// The route whose groups are its sides, as a position in the application's routes: of one that the spec lists the
    /// route that lists it, else the first one of which it names a group.
    pub route: usize,
    /// What the spec says of it.
    pub role: Role,
    /// What it does.
    pub action: Action,
}

/// What the spec says of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Stands in `production`.
    Production,
    /// Stands in `test`.
    Test,
    /// Names one of the groups and stands in neither list.
    Unlisted,
}

/// What a rule does.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Exactly one forward.
    Forward {
        /// Weight of the group that holds each side; `None` when the forward does not name it (absent is not 0).
        weights: [Option<u32>; 2],
        /// Other groups that the same forward names, with their weights.
        others: Vec<(TargetGroupArn, u32)>,
        /// Group stickiness is on.
        sticky: bool,
    },
    /// Anything else: redirect, fixed response, authenticate before forward.
    Other {
        /// AWS's action types in order, for people.
        kinds: String,
    },
    /// The spec lists it, and the load balancer does not have it.
    Missing,
}

/// One target group; of an application with several routes all that a side has, one of each route, put together as
/// [`crate::routes::together`] says.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// ARN; of several, that of the first route.
    pub arn: TargetGroupArn,
    /// Whose it is.
    pub origin: Origin,
    /// ARN of the load balancer that it belongs to, if any.
    pub load_balancer: Option<String>,
    /// Target type is `ip`.
    pub by_address: bool,
    /// Target-level stickiness is on.
    pub sticky: bool,
    /// `load_balancing.cross_zone.enabled` is `false`.
    pub single_zone: bool,
    /// Health-check interval.
    pub interval: Duration,
    /// ELB's attributes of the group, as read.
    pub attributes: BTreeMap<String, String>,
    /// Registered targets, draining ones too.
    pub targets: Vec<Target>,
    /// Of several routes: what each of them adds, in the order of the routes, the first one too. Empty with one route.
    pub members: Vec<Member>,
}

/// The target group of one route on a side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// ARN.
    pub arn: TargetGroupArn,
    /// ARN of the load balancer that it belongs to, if any.
    pub load_balancer: Option<String>,
    /// Target type is `ip`.
    pub by_address: bool,
    /// Target-level stickiness is on.
    pub sticky: bool,
    /// Some target of it is healthy, whatever the groups of the other routes say of it.
    pub answers: bool,
}

impl Group {
    /// The groups that it stands for, in the order of the routes: itself where there is one route.
    pub fn each(&self) -> Vec<Member> {
        if !self.members.is_empty() {
            return self.members.clone();
        }
        vec![Member {
            arn: self.arn.clone(),
            load_balancer: self.load_balancer.clone(),
            by_address: self.by_address,
            sticky: self.sticky,
            answers: self.has_healthy(),
        }]
    }

    /// ARNs of the groups that it stands for, in the order of the routes.
    pub fn arns(&self) -> impl Iterator<Item = &TargetGroupArn> {
        let one = self.members.is_empty().then_some(&self.arn);
        one.into_iter()
            .chain(self.members.iter().map(|member| &member.arn))
    }

    /// The group of one route; none where the application has no such route.
    pub fn of_route(&self, route: usize) -> Option<&TargetGroupArn> {
        self.arns().nth(route)
    }

    /// Some target is healthy.
    pub fn has_healthy(&self) -> bool {
        let mut targets = self.targets.iter();
        targets.any(|target| target.state == TargetState::Healthy)
    }

    /// How long requests in flight may take to end: `deregistration_delay.timeout_seconds`, ELB's 300 s when it is not
    /// known.
    pub fn deregistration_delay(&self) -> Duration {
        let seconds = self.attributes.get("deregistration_delay.timeout_seconds");
        Duration::from_secs(seconds.and_then(|text| text.parse().ok()).unwrap_or(300))
    }

    /// How long after the last request came in requests may still be in flight: a group without targets has none.
    pub fn in_flight(&self) -> Duration {
        if self.targets.is_empty() {
            Duration::ZERO
        } else {
            self.deregistration_delay()
        }
    }
}

/// Whose a target group is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The user's: one of the pair.
    Given,
    /// The user's: the template that stands in a rule of the application, from before its first release.
    Template,
    /// Made by the operator for one release: it carries the application's tags.
    Ours {
        /// Its name.
        name: String,
    },
}

/// With a group for each release: the template, and the groups that hold no side.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct OwnGroups {
    /// What new groups are made from.
    pub template: Template,
    /// Groups of ours, or the template in a rule, for which no side is left.
    pub spares: Vec<Group>,
    /// Names of the account's groups that are not the application's and could be taken for them.
    pub taken: BTreeSet<String>,
}

/// The target group that new ones are made from.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Template {
    /// The application has a pair.
    #[default]
    Unneeded,
    /// It is there.
    Found {
        /// CreateTargetGroup's members but the name, AWS's own JSON; the user's tags among them.
        settings: Map<String, Value>,
        /// What ModifyTargetGroupAttributes takes.
        attributes: BTreeMap<String, String>,
    },
    /// There is no such group.
    Missing,
    /// It could not be read: nothing else needs it.
    Unread {
        /// Category and text of the error, for people.
        reason: String,
    },
}

/// One registered target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// `address:port`.
    pub address: String,
    /// Availability zone, when known.
    pub zone: Option<String>,
    /// Health.
    pub state: TargetState,
    /// ELB's reason and description, when it gives one.
    pub reason: Option<String>,
}

/// ELB's target health states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetState {
    /// `initial`.
    Initial,
    /// `healthy`.
    Healthy,
    /// `unhealthy`.
    Unhealthy,
    /// `unused`.
    Unused,
    /// `draining` or `unhealthy.draining`.
    Draining,
    /// `unavailable`.
    Unavailable,
}

/// The base task definition.
#[derive(Debug, Clone, PartialEq)]
pub enum Base {
    /// AWS's own JSON, as described or as written inline.
    Found {
        /// `family:revision`, or `inline`.
        revision: String,
        /// RegisterTaskDefinition's members.
        definition: Map<String, Value>,
    },
    /// There is no such family or revision.
    Missing {
        /// What was asked for.
        asked: String,
    },
}

/// A task definition revision of ours.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Revision {
    /// ARN.
    pub arn: String,
    /// `teal:digest`.
    pub digest: Option<String>,
    /// `teal:generation`: the wish that it was registered for, where a service is updated in place.
    pub generation: Option<Generation>,
}
