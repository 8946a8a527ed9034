//! Requests that the emulated load balancer carries on one core, beside the same load straight at the application.
//!
//! Users, load balancer and application share one thread.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::Duration;

use emulator::Emulator;
use emulator::api::Service;
use emulator::dataplane::load::Load;
use emulator::dataplane::{DataPlane, Options};
use emulator::world::behaviour::Behaviour;
use emulator::world::{Settings, TaskMode, view};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::cpu::{Stopwatch, TURNS};
use crate::figures::{Outcome, Row, Samples, Section};

const USERS: usize = 32;
const SUBNET: &str = "subnet-0a0a0a0a0a0a0a0a0";

/// Measures both in turn.
pub(crate) async fn measure() -> Outcome<Section> {
    let default_behaviour = Behaviour {
        start_ms: 0,
        latency_ms: 0,
        ..Behaviour::default()
    };
    let settings = Settings {
        tasks: TaskMode::Real,
        default_behaviour,
        ..Settings::default()
    }
    .scaled(100.0);
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
    warm_up(front, &stop).await?;
    let application = emulator.with(|world| {
        let task = view::tasks_to_run(world).into_iter().next()?;
        let port = task.containers.first()?.ports.first().copied()?;
        Some(SocketAddr::from((task.address, port)))
    });
    let application = application.ok_or("no task runs")?;
    let (mut direct, mut proxied) = (Vec::new(), Vec::new());
    for _ in 0..TURNS {
        direct.push(rate(application, &stop).await?);
        proxied.push(rate(front, &stop).await?);
    }
    stop.cancel();
    plane.await?;
    let (direct, proxied) = (Samples::new(direct)?, Samples::new(proxied)?);
    let ratio = proxied.median() / direct.median();
    let rows = vec![
        Row::new(
            "requests through the load balancer, a second of one core",
            proxied.show(0, ""),
            format!("{USERS} users, keep-alive, on the same core"),
        ),
        Row::new(
            "peer: the same load straight at the application",
            direct.show(0, ""),
            "",
        ),
        Row::new("through ÷ straight", format!("{ratio:.2}"), ""),
    ];
    let data = json!({"perSecond": proxied.json(), "peerPerSecond": direct.json(), "ratio": ratio, "users": USERS});
    Ok(Section {
        key: "proxy",
        title: "Emulator: data plane".to_owned(),
        rows,
        data,
    })
}

/// Until answers come.
async fn warm_up(server: SocketAddr, stop: &CancellationToken) -> Outcome<()> {
    let load = Load::start(server, "/".parse()?, USERS, stop);
    while load.statistics().versions.is_empty() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    load.finish().await;
    Ok(())
}

/// Good answers a second of this core.
async fn rate(server: SocketAddr, stop: &CancellationToken) -> Outcome<f64> {
    let stopwatch = Stopwatch::start();
    let load = Load::start(server, "/".parse()?, USERS, stop);
    tokio::time::sleep(Duration::from_secs(3)).await;
    let seen = load.finish().await;
    if seen.failed > 0 {
        return Err(format!("requests failed: {:?}", seen.reasons).into());
    }
    Ok(seen.requests as f64 / stopwatch.elapsed().as_secs_f64().max(f64::EPSILON))
}

/// A listener in front of a service of one sample task; returns the listener's ARN.
fn stage(emulator: &Emulator) -> Outcome<String> {
    let elb = |operation: &str, input: Value| emulator.call(Service::Elbv2, operation, input);
    let ecs = |operation: &str, input: Value| emulator.call(Service::Ecs, operation, input);
    let arn = |created: &Value, list: &str, arn: &str| {
        created[list][0][arn]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    let balancer = elb(
        "CreateLoadBalancer",
        json!({"Name": "front", "Subnets": [SUBNET, "subnet-0b0b0b0b0b0b0b0b0"]}),
    )?;
    let group = json!({
        "Name": "web", "Protocol": "HTTP", "Port": 8080, "VpcId": "vpc-0e0e0e0e0e0e0e0e0", "TargetType": "ip",
        "HealthCheckPath": "/health", "HealthCheckIntervalSeconds": 300, "HealthCheckTimeoutSeconds": 120,
    });
    let group = arn(
        &elb("CreateTargetGroup", group)?,
        "TargetGroups",
        "TargetGroupArn",
    );
    let listener = elb(
        "CreateListener",
        json!({
            "LoadBalancerArn": arn(&balancer, "LoadBalancers", "LoadBalancerArn"), "Protocol": "HTTP",
            "Port": TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port(),
            "DefaultActions": [{"Type": "forward", "TargetGroupArn": group}],
        }),
    )?;
    ecs("CreateCluster", json!({"clusterName": "shop"}))?;
    let definition = json!({
        "family": "web", "networkMode": "awsvpc", "requiresCompatibilities": ["FARGATE"], "cpu": "256", "memory": "512",
        "containerDefinitions": [{"name": "web", "image": "shop/web:1", "portMappings": [{"containerPort": 8080}]}],
    });
    ecs("RegisterTaskDefinition", definition)?;
    let service = json!({
        "cluster": "shop", "serviceName": "web", "desiredCount": 1, "launchType": "FARGATE", "taskDefinition": "web",
        "loadBalancers": [{"targetGroupArn": group, "containerName": "web", "containerPort": 8080}],
        "networkConfiguration": {"awsvpcConfiguration": {"subnets": [SUBNET]}},
    });
    ecs("CreateService", service)?;
    Ok(arn(&listener, "Listeners", "ListenerArn"))
}
