//! The knobs of the emulated account: identity, durations, quotas, behaviours of images.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::behaviour::Behaviour;
use super::lambda::Function;

/// Who performs tasks and health checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
pub enum TaskMode {
    /// The world does, by the [`Behaviour`] of each image; no sockets, nothing runs.
    #[default]
    Modelled,
    /// A data plane does and reports back (see [`crate::world::view`]).
    Real,
}

/// Identity, durations, quotas and behaviours. Every duration is in milliseconds of the emulated world.
///
/// The defaults of the durations are those seen on Fargate (about 45 s from the start of a task to its
/// registration at the load balancer).
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Settings {
    /// Account id in every ARN.
    pub account: String,
    /// Region in every ARN.
    pub region: String,
    /// The VPC of every load balancer and target group that names none.
    pub vpc: String,
    /// Subnets, one an availability zone; tasks are spread over them.
    pub subnets: Vec<String>,
    /// Who performs tasks and health checks.
    pub tasks: TaskMode,
    /// Seed of everything that varies: propagation delays, modelled errors.
    pub seed: u64,
    /// Durations that come through the API (health check interval, deregistration delay, grace period, stop
    /// time-out, a metric's or alarm's period) last 1/`time_scale` of what they say.
    ///
    /// Clocks do not run faster: all timestamps, CloudWatch's too, are those of one clock at wall speed. At a scale of
    /// 10 a period of 60 seconds lasts 6: GetMetricData with `Period` 60 answers with a data point every 6 seconds, at
    /// timestamps 6 seconds apart, and an alarm is evaluated every 6 seconds. A client at the same pace goes on to ask
    /// for a `Period` of 60, and divides its own windows (`StartTime` is now minus five minutes divided by 10).
    pub time_scale: f64,

    /// PROVISIONING: the network interface is made.
    pub task_provisioning_ms: u64,
    /// PENDING: images are pulled, containers are created.
    pub task_pending_ms: u64,
    /// ACTIVATING: targets are registered.
    pub task_activating_ms: u64,
    /// DEACTIVATING of a task that has no target; with targets it lasts as long as their draining, if that is longer.
    pub task_deactivating_ms: u64,
    /// STOPPING that is added to what the containers need to exit.
    pub task_stopping_ms: u64,
    /// DEPROVISIONING: the network interface is removed.
    pub task_deprovisioning_ms: u64,
    /// How long a stopped task can be described (AWS: at least an hour).
    pub stopped_task_visible_ms: u64,
    /// How long an INACTIVE service can be described.
    pub inactive_service_visible_ms: u64,
    /// SIGTERM to SIGKILL where the container names no `stopTimeout`.
    pub stop_timeout_ms: u64,

    /// How long the service scheduler takes to react to a change.
    pub scheduler_delay_ms: u64,
    /// From the last task STOPPING to the service INACTIVE.
    pub service_inactive_ms: u64,
    /// How long a running task without load balancer and health check must live to count for the steady state.
    pub steady_without_checks_ms: u64,
    /// First wait of the start back-off after repeated tasks that never ran; doubles each time.
    pub start_backoff_ms: u64,
    /// Longest wait of the start back-off.
    pub start_backoff_max_ms: u64,

    /// Nodes of each load balancer; at least 1.
    pub load_balancer_nodes: usize,
    /// Shortest time until a node adopts a change of configuration.
    pub propagation_min_ms: u64,
    /// Longest time until a node adopts a change of configuration.
    pub propagation_max_ms: u64,
    /// The same for listeners and rules, where it is another.
    pub rule_propagation_max_ms: Option<u64>,
    /// How long a target is `Elb.RegistrationInProgress` before it is checked.
    pub target_registration_ms: u64,
    /// How long after the end of its minute a load balancer's metric can be read: what happened is seen one to two
    /// minutes later, as at AWS.
    pub metric_delay_ms: u64,
    /// Whether a forward whose weights sum to 0 is accepted (and answers 503) or refused. Not known of AWS.
    pub accept_zero_weights: bool,
    /// Pages of lists come short with a token for more, Parameter Store's also empty, as AWS reserves the right to.
    pub short_pages: bool,

    /// Quotas of the account.
    pub quotas: Quotas,
    /// What a container does, by image: the exact name, else the repository (no tag), else `default`.
    pub behaviours: BTreeMap<String, Behaviour>,
    /// The Lambda functions that there are, by name.
    pub functions: BTreeMap<String, Function>,
    /// What a container does whose image is in no entry of `behaviours`.
    pub default_behaviour: Behaviour,
}

/// Quotas as AWS has them.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Quotas {
    /// Rules of a load balancer, without default rules.
    pub rules_per_load_balancer: usize,
    /// Distinct target groups of a load balancer.
    pub target_groups_per_load_balancer: usize,
    /// Listeners of a load balancer.
    pub listeners_per_load_balancer: usize,
    /// Targets of a target group.
    pub targets_per_target_group: usize,
    /// Target groups of the Region.
    pub target_groups: usize,
    /// CloudWatch alarms of the Region.
    pub alarms: usize,
}

impl Default for Quotas {
    fn default() -> Self {
        Self {
            rules_per_load_balancer: 100,
            target_groups_per_load_balancer: 100,
            listeners_per_load_balancer: 50,
            targets_per_target_group: 1000,
            target_groups: 3000,
            alarms: 5000,
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            account: "123456789012".into(),
            region: "eu-west-1".into(),
            vpc: "vpc-0e0e0e0e0e0e0e0e0".into(),
            subnets: vec![
                "subnet-0a0a0a0a0a0a0a0a0".into(),
                "subnet-0b0b0b0b0b0b0b0b0".into(),
            ],
            tasks: TaskMode::Modelled,
            seed: 0,
            time_scale: 1.0,
            task_provisioning_ms: 10_000,
            task_pending_ms: 30_000,
            task_activating_ms: 5_000,
            task_deactivating_ms: 1_000,
            task_stopping_ms: 500,
            task_deprovisioning_ms: 10_000,
            stopped_task_visible_ms: 3_600_000,
            inactive_service_visible_ms: 3_600_000,
            stop_timeout_ms: 30_000,
            scheduler_delay_ms: 1_000,
            service_inactive_ms: 10_000,
            steady_without_checks_ms: 40_000,
            start_backoff_ms: 10_000,
            start_backoff_max_ms: 900_000,
            load_balancer_nodes: 2,
            propagation_min_ms: 50,
            propagation_max_ms: 1_000,
            rule_propagation_max_ms: None,
            target_registration_ms: 1_000,
            metric_delay_ms: 60_000,
            accept_zero_weights: true,
            short_pages: false,
            quotas: Quotas::default(),
            behaviours: BTreeMap::new(),
            functions: BTreeMap::new(),
            default_behaviour: Behaviour::default(),
        }
    }
}

impl Settings {
    /// The same account, `factor` times as fast: every duration, also one given through the API, is divided by
    /// `factor`. How long things that are over can be described stays.
    #[must_use]
    pub fn scaled(mut self, factor: f64) -> Self {
        for duration in [
            &mut self.task_provisioning_ms,
            &mut self.task_pending_ms,
            &mut self.task_activating_ms,
            &mut self.task_deactivating_ms,
            &mut self.task_stopping_ms,
            &mut self.task_deprovisioning_ms,
            &mut self.stop_timeout_ms,
            &mut self.scheduler_delay_ms,
            &mut self.service_inactive_ms,
            &mut self.steady_without_checks_ms,
            &mut self.start_backoff_ms,
            &mut self.start_backoff_max_ms,
            &mut self.propagation_min_ms,
            &mut self.propagation_max_ms,
            &mut self.target_registration_ms,
            &mut self.metric_delay_ms,
        ] {
            *duration = divided(*duration, factor);
        }
        self.rule_propagation_max_ms = self
            .rule_propagation_max_ms
            .map(|longest| divided(longest, factor));
        self.time_scale *= factor;
        self
    }

    /// How long `seconds` that came through the API last here, in milliseconds.
    #[must_use]
    pub fn declared_ms(&self, seconds: u64) -> u64 {
        divided(seconds.saturating_mul(1000), self.time_scale)
    }

    /// What a container of this image does: the exact name, else the repository, else the default.
    #[must_use]
    pub fn behaviour(&self, image: &str) -> &Behaviour {
        self.behaviours
            .get(image)
            .or_else(|| self.behaviours.get(repository(image)))
            .unwrap_or(&self.default_behaviour)
    }
}

fn divided(duration: u64, factor: f64) -> u64 {
    (duration as f64 / factor).round() as u64
}

/// The image without its tag or digest.
fn repository(image: &str) -> &str {
    let name = image.split('@').next().unwrap_or(image);
    match name.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => repository,
        Some(_) | None => name,
    }
}
