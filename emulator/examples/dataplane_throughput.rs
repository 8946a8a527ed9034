//! How many requests a second the load balancer carries on one core.
//!
//! `cargo run --release -p emulator --example dataplane_throughput [seconds]`
//!
//! Users, load balancer and sample applications share one thread, so the load balancer alone can do more.

use std::error::Error;
use std::net::{Ipv4Addr, TcpListener};
use std::time::Duration;

use emulator::Emulator;
use emulator::api::Service;
use emulator::dataplane::load::Load;
use emulator::dataplane::{DataPlane, Options};
use emulator::world::behaviour::Behaviour;
use emulator::world::{Settings, TaskMode};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

const USERS: usize = 32;
const TASKS: usize = 3;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let seconds = std::env::args()
        .nth(1)
        .map_or(Ok(5), |seconds| seconds.parse())?;
    let mut settings = Settings {
        tasks: TaskMode::Real,
        ..Settings::default()
    }
    .scaled(100.0);
    settings.default_behaviour = Behaviour {
        start_ms: 0,
        latency_ms: 0,
        ..Behaviour::default()
    };
    let emulator = Emulator::new(settings);
    let listener = stage(&emulator)?;

    let plane = DataPlane::new(emulator.clone(), Options::default());
    let mut listeners = plane.listeners();
    let stop = CancellationToken::new();
    let plane = tokio::spawn(plane.run(stop.clone()));
    let opened = listeners
        .wait_for(|all| all.iter().any(|status| status.arn == listener))
        .await?;
    let front = opened
        .iter()
        .find_map(|status| status.opened.as_ref().ok())
        .copied()
        .ok_or("no port is open")?;
    drop(opened);

    let warm_up = Load::start(front, "/".parse()?, USERS, &stop);
    while warm_up.statistics().versions.is_empty() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    drop(warm_up);
    let load = Load::start(front, "/".parse()?, USERS, &stop);
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    let outcome = load.finish().await;
    println!(
        "{:.0} requests a second; {} failed {:?}; median {:?}, 99 % within {:?}",
        outcome.requests as f64 / outcome.elapsed.as_secs_f64(),
        outcome.failed,
        outcome.reasons,
        outcome.latency.quantile(0.5),
        outcome.latency.quantile(0.99),
    );
    stop.cancel();
    plane.await?;
    Ok(())
}

/// Sets up a listener in front of a service of sample tasks; returns the listener's ARN.
fn stage(emulator: &Emulator) -> Result<String, Box<dyn Error>> {
    let subnet = "subnet-0a0a0a0a0a0a0a0a0";
    let created = |created: &Value, list: &str, arn: &str| {
        created[list][0][arn]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    let balancer = emulator.call(
        Service::Elbv2,
        "CreateLoadBalancer",
        json!({"Name": "front", "Subnets": [subnet, "subnet-0b0b0b0b0b0b0b0b0"]}),
    )?;
    let group = emulator.call(
        Service::Elbv2,
        "CreateTargetGroup",
        json!({
            "Name": "web", "Protocol": "HTTP", "Port": 8080, "VpcId": "vpc-0e0e0e0e0e0e0e0e0", "TargetType": "ip",
            "HealthCheckPath": "/health", "HealthCheckIntervalSeconds": 300, "HealthCheckTimeoutSeconds": 120,
        }),
    )?;
    let group = created(&group, "TargetGroups", "TargetGroupArn");
    let listener = emulator.call(
        Service::Elbv2,
        "CreateListener",
        json!({
            "LoadBalancerArn": created(&balancer, "LoadBalancers", "LoadBalancerArn"), "Protocol": "HTTP",
            "Port": TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0))?.local_addr()?.port(),
            "DefaultActions": [{"Type": "forward", "TargetGroupArn": group}],
        }),
    )?;
    emulator.call(
        Service::Ecs,
        "CreateCluster",
        json!({"clusterName": "shop"}),
    )?;
    emulator.call(
        Service::Ecs,
        "RegisterTaskDefinition",
        json!({
            "family": "web", "networkMode": "awsvpc", "requiresCompatibilities": ["FARGATE"],
            "cpu": "256", "memory": "512",
            "containerDefinitions": [
                {"name": "web", "image": "shop/web:1", "portMappings": [{"containerPort": 8080}]},
            ],
        }),
    )?;
    emulator.call(
        Service::Ecs,
        "CreateService",
        json!({
            "cluster": "shop", "serviceName": "web", "desiredCount": TASKS, "launchType": "FARGATE",
            "taskDefinition": "web",
            "loadBalancers": [{"targetGroupArn": group, "containerName": "web", "containerPort": 8080}],
            "networkConfiguration": {"awsvpcConfiguration": {"subnets": [subnet]}},
        }),
    )?;
    Ok(created(&listener, "Listeners", "ListenerArn"))
}
