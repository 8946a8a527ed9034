//! Load balancers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::world::{Millis, World};

/// An Application Load Balancer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LoadBalancer {
    /// ARN.
    pub arn: String,
    /// Name, unique in the Region.
    pub name: String,
    /// DNS name.
    pub dns_name: String,
    /// `internet-facing` or `internal`.
    pub scheme: String,
    /// Subnets, one an availability zone.
    pub subnets: Vec<String>,
    /// Security groups.
    pub security_groups: Vec<Value>,
    /// `ipv4`, `dualstack`, …
    pub ip_address_type: String,
    /// When it was created.
    pub created_at: Millis,
    /// Attributes by key.
    pub attributes: BTreeMap<String, String>,
    /// Tags.
    pub tags: BTreeMap<String, String>,
}

/// The attributes of a new load balancer.
#[must_use]
pub fn default_attributes() -> BTreeMap<String, String> {
    [
        ("access_logs.s3.enabled", "false"),
        ("access_logs.s3.bucket", ""),
        ("access_logs.s3.prefix", ""),
        ("deletion_protection.enabled", "false"),
        ("idle_timeout.timeout_seconds", "60"),
        ("load_balancing.cross_zone.enabled", "true"),
        ("routing.http2.enabled", "true"),
        ("routing.http.desync_mitigation_mode", "defensive"),
        ("routing.http.drop_invalid_header_fields.enabled", "false"),
        ("routing.http.preserve_host_header.enabled", "false"),
        ("routing.http.xff_client_port.enabled", "false"),
        ("routing.http.xff_header_processing.mode", "append"),
        ("waf.fail_open.enabled", "false"),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .collect()
}

/// Removes a load balancer with its listeners and their rules.
pub fn delete(world: &mut World, arn: &str) {
    let listeners: Vec<String> = world
        .elb
        .listeners
        .values()
        .filter(|listener| listener.load_balancer_arn == arn)
        .map(|listener| listener.arn.clone())
        .collect();
    for listener in listeners {
        super::listener::delete(world, &listener);
    }
    world.elb.load_balancers.remove(arn);
}
