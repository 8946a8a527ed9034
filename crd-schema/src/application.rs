//! The Application after validation: checked once, and then nobody looks into the raw document.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::analysis::{Alarms, Analyses};
use crate::gate::Gates;
use crate::identity::{ApplicationName, ListenerArn, RuleArn, TargetGroupArn};
use crate::schedule::Schedule;
use crate::strategy::Strategy;
use crate::webhook::Notification;

/// One application: what is released, where traffic comes from, and how a release goes.
#[derive(Debug, Clone, PartialEq)]
pub struct Application {
    /// Unique among the applications of one operator.
    pub name: ApplicationName,
    /// ECS cluster, short name or ARN.
    pub cluster: String,
    /// User tags on everything that the operator creates.
    pub tags: BTreeMap<String, String>,
    /// What a release is rendered from.
    pub template: Template,
    /// The container ports that take traffic, each with the rules that bring it there, in the spec's order; none: a
    /// worker, a service without a load balancer. Where there are several, each has a pair of target groups, or each a single one.
    pub routes: Vec<Route>,
    /// How traffic moves from blue to green.
    pub strategy: Strategy,
    /// Tests that a release must pass.
    pub gates: Gates,
    /// Who is told what happens.
    pub notifications: Vec<Notification>,
    /// Alarms that must be quiet.
    pub alarms: Option<Alarms>,
    /// Metrics that are measured while green has traffic.
    pub analyses: Analyses,
    /// When a release may begin; none: always.
    pub schedule: Option<Schedule>,
    /// How each release's service is autoscaled; none: as the one that serves.
    pub autoscaling: Option<Autoscaling>,
    /// How long green serves everything before blue is removed.
    pub bake_time: Duration,
    /// Waits while blue is removed.
    pub clean_up: CleanUp,
    /// How long each stage may take.
    pub deadlines: Deadlines,
    /// What happens when a release fails.
    pub on_failure: OnFailure,
    /// What happens when a newer release is desired while one is on its way.
    pub on_new_release: OnNewRelease,
    /// What happens to weights that somebody else changed while settled.
    pub drift: Drift,
}

impl Application {
    /// It has no load balancer: green works as soon as it runs, beside blue.
    pub fn is_worker(&self) -> bool {
        self.routes.is_empty()
    }

    /// It is one service for life, which ECS's own rolling update brings from release to release.
    pub fn is_rolling(&self) -> bool {
        self.strategy.rolling
    }

    /// Rules that carry users, of every route; a worker has none.
    pub fn production(&self) -> impl Iterator<Item = &RuleTarget> + Clone {
        self.routes.iter().flat_map(|route| &route.production)
    }

    /// Rules that carry tests, of every route.
    pub fn test(&self) -> impl Iterator<Item = &RuleTarget> + Clone {
        self.routes.iter().flat_map(|route| &route.test)
    }

    /// The route that lists a rule, as a position in [`Application::routes`]; none when none does.
    pub fn route_of(&self, rule: &RuleTarget) -> Option<usize> {
        let lists = |route: &Route| route.production.contains(rule) || route.test.contains(rule);
        self.routes.iter().position(lists)
    }

    /// Where the first route's target groups come from; a worker has none.
    pub fn target_groups(&self) -> Option<&TargetGroups> {
        self.routes.first().map(|route| &route.groups)
    }

    /// The template of the target groups, where each release has one of its own.
    pub fn group_template(&self) -> Option<&TargetGroupArn> {
        match self.target_groups()? {
            TargetGroups::Pair(_) | TargetGroups::Single(_) => None,
            TargetGroups::PerRelease { from } => Some(from),
        }
    }
}

/// What a release is rendered from.
#[derive(Debug, Clone, PartialEq)]
pub struct Template {
    /// The base task definition.
    pub task_definition: BaseTaskDefinition,
    /// Container name to image with `{version}` in place of the tag.
    pub images: BTreeMap<String, String>,
    /// AWS's own CreateService JSON less what the operator owns; `desiredCount` is taken out into [`Template::desired_count`].
    pub service: Map<String, Value>,
    /// Tasks of a first release; afterwards the live count counts. At least 1.
    pub desired_count: u32,
}

/// Where the base task definition comes from.
#[derive(Debug, Clone, PartialEq)]
pub enum BaseTaskDefinition {
    /// A family (or `family:revision`) that infrastructure code registers.
    Family(String),
    /// AWS's own RegisterTaskDefinition JSON, written in the Application.
    Inline(Map<String, Value>),
}

/// One container port, and the target groups and rules in front of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Route {
    /// The container that listens.
    pub container: String,
    /// The container port, 1–65535.
    pub port: u16,
    /// The target groups of blue and green.
    pub groups: TargetGroups,
    /// Rules that carry users; at least one.
    pub production: Vec<RuleTarget>,
    /// Rules that carry tests; may be empty.
    pub test: Vec<RuleTarget>,
}

/// Where the target groups of blue and green come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TargetGroups {
    /// Two groups, for life; two different ones. Blue and green take turns on them.
    Pair([TargetGroupArn; 2]),
    /// One group, for life, of the one service that is updated in place.
    Single(TargetGroupArn),
    /// A new group for each release, made from a template and deleted with the release.
    PerRelease {
        /// The template: its settings, attributes and tags are copied. It is never given traffic and never changed.
        from: TargetGroupArn,
    },
}

impl TargetGroups {
    /// Those that there are for life, side by side.
    pub fn for_life(&self) -> [Option<&TargetGroupArn>; 2] {
        match self {
            Self::Pair([one, other]) => [Some(one), Some(other)],
            Self::Single(only) => [Some(only), None],
            Self::PerRelease { .. } => [None, None],
        }
    }
}

/// A place that forwards: a listener's default action, or a rule.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum RuleTarget {
    /// The default rule of this listener (changed by ModifyListener).
    Listener(ListenerArn),
    /// A rule with conditions (changed by ModifyRule).
    Rule(RuleArn),
}

/// How Application Auto Scaling scales the service of each release.
#[derive(Debug, Clone, PartialEq)]
pub struct Autoscaling {
    /// The fewest tasks.
    pub min: u32,
    /// The most tasks.
    pub max: u32,
    /// By `PolicyName`: PutScalingPolicy's other members, AWS's own JSON.
    pub policies: BTreeMap<String, Map<String, Value>>,
    /// By `ScheduledActionName`: PutScheduledAction's other members, AWS's own JSON.
    pub actions: BTreeMap<String, Map<String, Value>>,
}

/// Waits while blue is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CleanUp {
    /// From weight 0 read back on every rule until the group counts as without traffic.
    pub settle: Duration,
    /// How long blue stays, at full size and weight 0, after that.
    pub keep_blue: Duration,
}

/// How long each stage may take before it fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadlines {
    /// Green up and healthy.
    pub scale_up: Duration,
    /// Tests passed.
    pub validate: Duration,
    /// One step of the way to green, its own pause not counted; all traffic on green where there are no steps.
    pub shift: Duration,
    /// Blue gone.
    pub clean_up: Duration,
}

/// What happens when a release fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum OnFailure {
    /// Traffic back to blue, green removed, the generation rejected.
    RollBack,
    /// Everything stays as it is until a person or a new release decides.
    Hold,
}

/// What happens when a newer release is desired while one is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OnNewRelease {
    /// During Bake; during Shift it is always back to blue first.
    pub during_bake: DuringBake,
}

/// A newer release arrives during Bake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum DuringBake {
    /// Bake ends early, blue is cleaned up, then the newest starts.
    Finish,
    /// Back to blue first, then the newest starts.
    RollBack,
}

/// What happens to weights that somebody else changed while settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Drift {
    /// Put back.
    Heal,
    /// Reported and left (dead traffic is repaired all the same).
    Hold,
}
