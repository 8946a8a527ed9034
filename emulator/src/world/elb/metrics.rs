//! What load balancers publish into CloudWatch, minute by minute.
//!
//! Source: "CloudWatch metrics for your Application Load Balancer". Values appear `metric_delay_ms` after the end of
//! their minute. A minute without requests has no data of them; the counts of hosts are there each minute, as long as
//! a rule uses the group. Not emulated: the metrics' dimension AvailabilityZone.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::health::Health;
use super::target_group;
use crate::world::cloudwatch::{self, Datum, KEPT_MINUTES, Metric, metric};
use crate::world::{Millis, World};

/// The namespace of an Application Load Balancer's metrics.
pub const NAMESPACE: &str = "AWS/ApplicationELB";

/// What a request got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// A target's answer.
    Target {
        /// Its status.
        status: u16,
        /// How long the target took.
        latency_ms: u64,
    },
    /// The load balancer's own answer: the target that was chosen gave none.
    NoAnswer,
    /// The load balancer's own answer: no target could be chosen.
    NoTarget,
}

/// The minutes of load balancers that are not published yet.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Open {
    /// By ARN of the load balancer.
    balancers: BTreeMap<String, Balancer>,
}

/// The open minute of a load balancer.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Balancer {
    /// Its beginning, Unix time in milliseconds.
    start: u64,
    /// Answers of its own with a status of 500 or more.
    errors: u64,
    /// Requests for which a target was chosen, by ARN of the target group.
    groups: BTreeMap<String, Counts>,
}

/// Requests of one target group in one minute.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Counts {
    requests: u64,
    /// Answers of targets by the first digit of their status: 2xx at 0 to 5xx at 3.
    by_class: [u64; 4],
    /// Seconds until the answer.
    times: Option<Datum>,
}

/// Notes a request that came in at a load balancer and, if it was forwarded, went to a target group.
pub fn count(
    world: &mut World,
    load_balancer_arn: &str,
    target_group_arn: Option<&str>,
    answer: Answer,
) {
    let start = this_minute(world);
    let open = world.elb.open.balancers.get(load_balancer_arn);
    if open.is_some_and(|balancer| balancer.start != start) {
        publish(world);
    }
    let balancers = &mut world.elb.open.balancers;
    let balancer = balancers.entry(load_balancer_arn.to_owned());
    let balancer = balancer.or_insert_with(|| Balancer {
        start,
        ..Balancer::default()
    });
    match answer {
        Answer::NoTarget => balancer.errors += 1,
        Answer::NoAnswer => {
            balancer.errors += 1;
            if let Some(group) = target_group_arn {
                balancer.group(group).requests += 1;
            }
        }
        Answer::Target { status, latency_ms } => {
            let Some(group) = target_group_arn else {
                return;
            };
            let counts = balancer.group(group);
            counts.requests += 1;
            let seconds = latency_ms as f64 / 1000.0;
            match &mut counts.times {
                Some(times) => times.add(seconds, 1.0),
                None => counts.times = Some(Datum::of(seconds, 1.0)),
            }
            if let Some(class) = usize::from(status / 100).checked_sub(2)
                && let Some(count) = counts.by_class.get_mut(class)
            {
                *count += 1;
            }
        }
    }
}

impl Balancer {
    fn group(&mut self, arn: &str) -> &mut Counts {
        self.groups.entry(arn.to_owned()).or_default()
    }
}

/// Publishes every minute that is over. Whoever reads metrics calls this first.
pub fn publish(world: &mut World) {
    let this = this_minute(world);
    let mut over = BTreeMap::new();
    for (arn, balancer) in &mut world.elb.open.balancers {
        if balancer.start < this {
            let next = Balancer {
                start: this,
                ..Balancer::default()
            };
            over.insert(arn.clone(), std::mem::replace(balancer, next));
        }
    }
    let known = &world.elb.load_balancers;
    world
        .elb
        .open
        .balancers
        .retain(|arn, _| known.contains_key(arn));
    for (arn, balancer) in over {
        publish_minute(world, &arn, &balancer);
    }
    let groups: Vec<String> = world.elb.target_groups.keys().cloned().collect();
    for group in groups {
        publish_hosts(world, &group);
    }
    metric::expire(world);
}

fn publish_minute(world: &mut World, load_balancer_arn: &str, balancer: &Balancer) {
    let mut all = Counts::default();
    for (group, counts) in &balancer.groups {
        let dimensions = dimensions(load_balancer_arn, Some(group));
        publish_counts(world, &dimensions, balancer.start, counts);
        all.requests += counts.requests;
        for (sum, count) in all.by_class.iter_mut().zip(counts.by_class) {
            *sum += count;
        }
        match (&mut all.times, &counts.times) {
            (Some(all), Some(times)) => all.merge(times),
            (all @ None, times) => *all = times.clone(),
            (Some(_), None) => {}
        }
    }
    let dimensions = dimensions(load_balancer_arn, None);
    publish_counts(world, &dimensions, balancer.start, &all);
    put_count(
        world,
        "HTTPCode_ELB_5XX_Count",
        &dimensions,
        balancer.start,
        balancer.errors,
    );
}

fn publish_counts(
    world: &mut World,
    dimensions: &BTreeMap<String, String>,
    start: u64,
    counts: &Counts,
) {
    put_count(world, "RequestCount", dimensions, start, counts.requests);
    for (class, count) in (2..).zip(counts.by_class) {
        let name = format!("HTTPCode_Target_{class}XX_Count");
        put_count(world, &name, dimensions, start, count);
    }
    if let Some(times) = &counts.times {
        put(
            world,
            "TargetResponseTime",
            "Seconds",
            dimensions,
            start,
            times,
        );
    }
}

/// Publishes how many targets of a group were healthy and unhealthy at the end of each minute since the last time. To
/// be called before the numbers change.
pub fn publish_hosts(world: &mut World, target_group_arn: &str) {
    let (this, minute) = (this_minute(world), cloudwatch::minute_ms(&world.settings));
    let Some(group) = world.elb.target_groups.get_mut(target_group_arn) else {
        return;
    };
    let from = std::mem::replace(&mut group.hosts_published_until, this);
    if from >= this {
        return;
    }
    let from = from.max(this.saturating_sub(KEPT_MINUTES * minute));
    let Some(group) = world.elb.target_groups.get(target_group_arn) else {
        return;
    };
    let Some(load_balancer_arn) = target_group::load_balancer_of(world, group) else {
        return;
    };
    if !group.health_check.enabled {
        return;
    }
    let hosts = |health: Health| {
        let targets = group.targets.values();
        let such = targets.filter(|target| target.draining.is_none() && target.health == health);
        such.count() as f64
    };
    let (healthy, unhealthy) = (hosts(Health::Healthy), hosts(Health::Unhealthy));
    let dimensions = dimensions(load_balancer_arn, Some(target_group_arn));
    let mut start = from;
    while start < this {
        for (name, count) in [
            ("HealthyHostCount", healthy),
            ("UnHealthyHostCount", unhealthy),
        ] {
            put(
                world,
                name,
                "Count",
                &dimensions,
                start,
                &Datum::of(count, 1.0),
            );
        }
        start += minute;
    }
}

/// So many times 1; nothing where there was none.
fn put_count(
    world: &mut World,
    name: &str,
    dimensions: &BTreeMap<String, String>,
    start: u64,
    count: u64,
) {
    if count > 0 {
        put(
            world,
            name,
            "Count",
            dimensions,
            start,
            &Datum::of(1.0, count as f64),
        );
    }
}

fn put(
    world: &mut World,
    name: &str,
    unit: &str,
    dimensions: &BTreeMap<String, String>,
    start: u64,
    datum: &Datum,
) {
    let metric = Metric {
        namespace: NAMESPACE.to_owned(),
        name: name.to_owned(),
        dimensions: dimensions.clone(),
    };
    let end = start + cloudwatch::minute_ms(&world.settings);
    let visible_at: Millis =
        end.saturating_sub(world.epoch_unix_ms) + world.settings.metric_delay_ms;
    metric::put(
        &mut world.cloudwatch,
        &metric,
        unit,
        start,
        visible_at,
        datum,
    );
}

/// The beginning of the minute, Unix time in milliseconds.
fn this_minute(world: &World) -> u64 {
    let minute = cloudwatch::minute_ms(&world.settings);
    cloudwatch::floor(cloudwatch::unix_ms(world), minute)
}

/// `LoadBalancer` as `app/name/id`, and `TargetGroup` as `targetgroup/name/id`.
fn dimensions(load_balancer_arn: &str, target_group_arn: Option<&str>) -> BTreeMap<String, String> {
    let resource = |arn: &str| arn.splitn(6, ':').last().unwrap_or_default().to_owned();
    let balancer = resource(load_balancer_arn);
    let balancer = balancer.trim_start_matches("loadbalancer/").to_owned();
    let group = target_group_arn.map(|arn| ("TargetGroup".to_owned(), resource(arn)));
    [("LoadBalancer".to_owned(), balancer)]
        .into_iter()
        .chain(group)
        .collect()
}
