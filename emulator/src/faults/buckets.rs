//! AWS's token buckets, per account and Region.
//!
//! Sources: "Request throttling for the Amazon ECS API", "Request throttling for the Elastic Load Balancing
//! API", the quotas of Parameter Store. Rates are in real seconds whatever the time scale of the world.

use std::collections::BTreeMap;

use crate::api::Service;
use crate::world::Millis;

/// One bucket: how many calls at once, and how many a second come back.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Limit {
    name: &'static str,
    burst: f64,
    per_second: f64,
}

const fn limit(name: &'static str, burst: f64, per_second: f64) -> Limit {
    Limit {
        name,
        burst,
        per_second,
    }
}

/// The buckets that a call draws on; all must hold a token.
fn limits(service: Service, operation: &str) -> Vec<Limit> {
    match service {
        Service::Ecs => ecs(operation).into_iter().collect(),
        Service::Elbv2 => vec![limit("elb account", 40.0, 10.0), elb(operation)],
        Service::Ssm => match operation {
            "GetParameter" | "GetParameters" | "GetParametersByPath" => {
                vec![limit("ssm read", 40.0, 40.0)]
            }
            // AWS publishes no number for writes; about 3 a second is widely reported.
            "PutParameter" => vec![limit("ssm write", 10.0, 3.0)],
            _ => vec![],
        },
        Service::CloudWatch => cloudwatch(operation).into_iter().collect(),
        // No numbers are published for these; a table on demand takes thousands a second.
        Service::AutoScaling | Service::DynamoDb | Service::Sts => vec![],
        // What limits it is how many run at once: a thousand, and each function's own share.
        Service::Lambda => vec![],
    }
}

fn ecs(operation: &str) -> Option<Limit> {
    let found = match operation {
        "CreateService" | "UpdateService" | "DeleteService" => {
            limit("ecs service modify", 50.0, 5.0)
        }
        "DescribeServices" | "ListServices" => limit("ecs service read", 100.0, 20.0),
        "RegisterTaskDefinition" | "DeregisterTaskDefinition" => {
            limit("ecs task definition modify", 20.0, 1.0)
        }
        "DescribeTaskDefinition" | "ListTaskDefinitions" | "ListTaskDefinitionFamilies" => {
            limit("ecs task definition read", 50.0, 20.0)
        }
        "DeleteTaskDefinitions" => limit("ecs task definition delete", 5.0, 1.0),
        "RunTask" | "StopTask" => limit("ecs cluster resource modify", 100.0, 40.0),
        "DescribeTasks" | "ListTasks" => limit("ecs cluster resource read", 100.0, 20.0),
        "CreateCluster" | "DeleteCluster" => limit("ecs cluster modify", 20.0, 1.0),
        "DescribeClusters" | "ListClusters" => limit("ecs cluster read", 50.0, 20.0),
        "TagResource" | "UntagResource" => limit("ecs tag modify", 20.0, 10.0),
        "ListTagsForResource" => limit("ecs tag read", 50.0, 20.0),
        _ => return None,
    };
    Some(found)
}

/// "CloudWatch service quotas": calls a second of each operation. Nothing is said of bursts: one second's worth.
fn cloudwatch(operation: &str) -> Option<Limit> {
    let found = match operation {
        "DescribeAlarms" => limit("cloudwatch describe alarms", 9.0, 9.0),
        "PutMetricAlarm" => limit("cloudwatch put alarm", 3.0, 3.0),
        "DeleteAlarms" => limit("cloudwatch delete alarms", 3.0, 3.0),
        "SetAlarmState" => limit("cloudwatch set alarm", 3.0, 3.0),
        "GetMetricData" => limit("cloudwatch get data", 50.0, 50.0),
        "PutMetricData" => limit("cloudwatch put data", 500.0, 500.0),
        "ListMetrics" => limit("cloudwatch list metrics", 25.0, 25.0),
        _ => return None,
    };
    Some(found)
}

fn elb(operation: &str) -> Limit {
    match operation {
        "RegisterTargets" | "DeregisterTargets" => limit("elb registration", 20.0, 4.0),
        "CreateLoadBalancer" | "DeleteLoadBalancer" => limit("elb resource-intensive", 10.0, 0.2),
        read if super::history::is_read(read) => limit("elb non-mutating", 40.0, 10.0),
        _ => limit("elb mutating", 20.0, 3.0),
    }
}

/// The levels of all buckets.
#[derive(Debug, Default)]
pub struct Buckets {
    levels: BTreeMap<&'static str, (f64, Millis)>,
}

impl Buckets {
    /// Takes a token for a call at `now` (milliseconds, monotone) from each of its buckets. False: one of them
    /// is empty, nothing was taken and the call is throttled.
    pub fn take(&mut self, service: Service, operation: &str, now: Millis) -> bool {
        let limits = limits(service, operation);
        let mut after = Vec::with_capacity(limits.len());
        for limit in limits {
            let (level, at) = self
                .levels
                .get(limit.name)
                .copied()
                .unwrap_or((limit.burst, now));
            let refilled = now.saturating_sub(at) as f64 / 1000.0 * limit.per_second;
            let level = (level + refilled).min(limit.burst);
            if level < 1.0 {
                return false;
            }
            after.push((limit.name, (level - 1.0, now)));
        }
        self.levels.extend(after);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(buckets: &mut Buckets, operation: &str, now: Millis) -> usize {
        (0..1000)
            .take_while(|_| buckets.take(Service::Elbv2, operation, now))
            .count()
    }

    #[test]
    fn a_bucket_gives_its_burst_and_then_its_rate() {
        let mut buckets = Buckets::default();
        assert_eq!(taken(&mut buckets, "ModifyRule", 0), 20);
        assert_eq!(taken(&mut buckets, "ModifyRule", 999), 2);
        assert_eq!(taken(&mut buckets, "ModifyRule", 2_000), 3);
        assert_eq!(taken(&mut buckets, "ModifyRule", 1_000_000), 20);
    }

    #[test]
    fn all_load_balancing_calls_share_the_bucket_of_the_account() {
        let mut buckets = Buckets::default();
        assert_eq!(taken(&mut buckets, "DescribeRules", 0), 40);
        assert_eq!(taken(&mut buckets, "ModifyRule", 0), 0);
    }

    #[test]
    fn services_and_categories_do_not_share() {
        let mut buckets = Buckets::default();
        assert_eq!(
            (0..100)
                .filter(|_| buckets.take(Service::Ecs, "RegisterTaskDefinition", 0))
                .count(),
            20
        );
        assert_eq!(
            (0..100)
                .filter(|_| buckets.take(Service::Ecs, "CreateService", 0))
                .count(),
            50
        );
        assert_eq!(
            (0..100)
                .filter(|_| buckets.take(Service::Ssm, "GetParameter", 0))
                .count(),
            40
        );
        assert_eq!(
            (0..100)
                .filter(|_| buckets.take(Service::Sts, "GetCallerIdentity", 0))
                .count(),
            100
        );
        let mut describe = |now| {
            (0..100)
                .filter(|_| buckets.take(Service::CloudWatch, "DescribeAlarms", now))
                .count()
        };
        assert_eq!((describe(0), describe(500), describe(1_000)), (9, 4, 5));
        assert!(buckets.take(Service::CloudWatch, "GetMetricData", 1_000));
    }
}
