//! Target tracking by requests: `ALBRequestCountPerTarget`, looked at once a minute.
//!
//! Source: "Target tracking scaling policies" in the Application Auto Scaling user guide: capacity is added after three
//! minutes above the target, and taken away after fifteen below nine tenths of it, when no cooldown of the last activity
//! runs. A minute without requests has no data, and without data nothing is taken away. Other metrics are kept and
//! described; nothing scales by them.

use serde_json::Value;

use super::{Policy, ScalableTarget};
use crate::world::agenda::Event;
use crate::world::cloudwatch::{self, Metric, metric};
use crate::world::elb::metrics;
use crate::world::{World, ecs};

/// Minutes above the target until capacity is added.
const HIGH: u64 = 3;
/// Minutes below nine tenths of it until capacity is taken away.
const LOW: u64 = 15;
/// Seconds between two activities where a policy does not say (Amazon ECS services).
const COOLDOWN: u64 = 300;

/// A policy by requests per target.
struct ByRequests {
    /// `TargetValue`, requests a target and minute.
    target: f64,
    load_balancer: String,
    target_group: String,
    scales_in: bool,
    /// Seconds after an activity, [out, in].
    cooldowns: [u64; 2],
}

fn by_requests(policy: &Policy) -> Option<ByRequests> {
    let configuration = policy
        .configuration
        .get("TargetTrackingScalingPolicyConfiguration")?;
    let metric = configuration.get("PredefinedMetricSpecification")?;
    let kind = metric.get("PredefinedMetricType").and_then(Value::as_str);
    if kind != Some("ALBRequestCountPerTarget") {
        return None;
    }
    let label = metric.get("ResourceLabel")?.as_str()?;
    let (load_balancer, target_group) = label.split_at_checked(label.find("/targetgroup/")?)?;
    let seconds = |member: &str| {
        let given = configuration.get(member).and_then(Value::as_u64);
        given.unwrap_or(COOLDOWN)
    };
    Some(ByRequests {
        target: configuration.get("TargetValue")?.as_f64()?,
        load_balancer: load_balancer.to_owned(),
        target_group: target_group.trim_start_matches('/').to_owned(),
        scales_in: configuration.get("DisableScaleIn") != Some(&Value::Bool(true)),
        cooldowns: [seconds("ScaleOutCooldown"), seconds("ScaleInCooldown")],
    })
}

/// Policies of the target (by [`super::Dimension::key`]) are looked at from now on, unless they are already.
pub fn begin(world: &mut World, key: &str) {
    let next = world.now + cloudwatch::minute_ms(&world.settings);
    let Some(target) = world.autoscaling.targets.get_mut(key) else {
        return;
    };
    let any = target
        .policies
        .values()
        .any(|policy| by_requests(policy).is_some());
    if any && !target.tracked {
        target.tracked = true;
        let event = Event::Tracking(key.to_owned(), target.arn.clone());
        world.agenda.at(next, event);
    }
}

/// Looks at the policies of a target, unless it is gone.
pub fn look(world: &mut World, key: &str, arn: &str) {
    metrics::publish(world);
    let known = world.autoscaling.targets.get_mut(key);
    let Some(target) = known.filter(|target| target.arn == arn) else {
        return;
    };
    target.tracked = false;
    let target = target.clone();
    let policies = target.policies.values().filter_map(by_requests);
    let counts = policies.filter_map(|policy| wanted(world, &target, &policy));
    // Of several policies the one that wants most has its way.
    if let (Some(count), Some(service)) =
        (counts.max(), target.dimension.service_arn(&world.settings))
    {
        ecs::service::set_desired(world, &service, count);
        if let Some(target) = world.autoscaling.targets.get_mut(key) {
            target.scaled_at = Some(world.now);
        }
    }
    begin(world, key);
}

/// The count that a policy wants, if it is another one.
fn wanted(world: &World, target: &ScalableTarget, policy: &ByRequests) -> Option<u32> {
    let arn = target.dimension.service_arn(&world.settings)?;
    let present = world.ecs.services.get(&arn)?.desired;
    let minute = cloudwatch::minute_ms(&world.settings);
    let visible = cloudwatch::unix_ms(world).saturating_sub(world.settings.metric_delay_ms);
    let last = cloudwatch::floor(visible, minute).saturating_sub(minute);
    let at = |n: u64| per_target(world, policy, last.saturating_sub(n * minute));
    let latest = at(0)?;
    let all = |count: u64, breaches: &dyn Fn(f64) -> bool| {
        (0..count).all(|n| at(n).is_some_and(breaches))
    };
    let cooled = |n: usize| {
        let cooldown = world.settings.declared_ms(policy.cooldowns[n]);
        target.scaled_at.is_none_or(|at| world.now >= at + cooldown)
    };
    let proportional = (f64::from(present) * latest / policy.target).ceil();
    let within = proportional.clamp(target.min as f64, target.max as f64) as u32;
    let suspended = target.suspended;
    let out = within > present
        && !suspended.dynamic_scaling_out_suspended
        && cooled(0)
        && all(HIGH, &|requests| requests > policy.target);
    let less = within < present
        && policy.scales_in
        && !suspended.dynamic_scaling_in_suspended
        && cooled(1)
        && all(LOW, &|requests| requests < policy.target * 0.9);
    (out || less).then_some(within)
}

/// Requests for each healthy target in the minute that begins at `start`.
fn per_target(world: &World, policy: &ByRequests, start: u64) -> Option<f64> {
    let read = |name: &str| {
        let metric = Metric {
            namespace: metrics::NAMESPACE.to_owned(),
            name: name.to_owned(),
            dimensions: [
                ("LoadBalancer".to_owned(), policy.load_balancer.clone()),
                ("TargetGroup".to_owned(), policy.target_group.clone()),
            ]
            .into(),
        };
        let range = start..start + 1;
        let datum = metric::visible(world, &metric, None, range).next();
        datum.map(|(_, datum)| (datum.sum, datum.sum / datum.samples))
    };
    let (requests, _) = read("RequestCount")?;
    let (_, hosts) = read("HealthyHostCount")?;
    (hosts > 0.0).then_some(requests / hosts)
}
