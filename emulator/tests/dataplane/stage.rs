//! An emulated account with a data plane, and how tests wait and ask.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use emulator::Emulator;
use emulator::api::Service;
use emulator::dataplane::{DataPlane, ListenerStatus, Options};
use emulator::world::behaviour::Behaviour;
use emulator::world::{Settings, TaskMode};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Longest time that anything here may take, on the slowest machine.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Stage {
    pub(crate) emulator: Emulator,
    pub(crate) listeners: watch::Receiver<Vec<ListenerStatus>>,
    load_balancer: String,
    stop: CancellationToken,
    plane: JoinHandle<()>,
}

/// Real tasks in a world that is in a hurry: API durations pass twenty times as fast.
pub(crate) fn settings() -> Settings {
    Settings {
        tasks: TaskMode::Real,
        time_scale: 20.0,
        task_provisioning_ms: 10,
        task_pending_ms: 10,
        task_activating_ms: 10,
        task_deactivating_ms: 10,
        task_stopping_ms: 10,
        task_deprovisioning_ms: 10,
        stop_timeout_ms: 20_000,
        scheduler_delay_ms: 10,
        service_inactive_ms: 10,
        steady_without_checks_ms: 100,
        propagation_min_ms: 1,
        propagation_max_ms: 50,
        // A target is checked only when every node knows it.
        target_registration_ms: 60,
        default_behaviour: Behaviour {
            start_ms: 10,
            latency_ms: 1,
            stop_ms: 10,
            ..Behaviour::default()
        },
        ..Settings::default()
    }
}

impl Stage {
    pub(crate) fn new() -> Self {
        Self::with(settings(), Options::default())
    }

    pub(crate) fn with(settings: Settings, options: Options) -> Self {
        let emulator = Emulator::new(settings);
        let plane = DataPlane::new(emulator.clone(), options);
        let listeners = plane.listeners();
        let stop = CancellationToken::new();
        let plane = tokio::spawn(plane.run(stop.clone()));
        let input = json!({"Name": "front", "Subnets": ["subnet-0a0a0a0a0a0a0a0a0", "subnet-0b0b0b0b0b0b0b0b0"]});
        let created = emulator
            .call(Service::Elbv2, "CreateLoadBalancer", input)
            .unwrap();
        let load_balancer = text(&created["LoadBalancers"][0]["LoadBalancerArn"]);
        Self {
            emulator,
            listeners,
            load_balancer,
            stop,
            plane,
        }
    }

    pub(crate) fn elb(&self, operation: &str, input: Value) -> Value {
        self.emulator
            .call(Service::Elbv2, operation, input.clone())
            .unwrap_or_else(|error| panic!("{operation} {input}: {error}"))
    }

    pub(crate) fn ecs(&self, operation: &str, input: Value) -> Value {
        self.emulator
            .call(Service::Ecs, operation, input.clone())
            .unwrap_or_else(|error| panic!("{operation} {input}: {error}"))
    }

    /// A target group whose targets are checked every 0.5 s of real time and drain for 0.1 s.
    pub(crate) fn target_group(&self, name: &str) -> String {
        let created = self.elb(
            "CreateTargetGroup",
            json!({
                "Name": name, "Protocol": "HTTP", "Port": 80, "VpcId": "vpc-0e0e0e0e0e0e0e0e0", "TargetType": "ip",
                "HealthCheckPath": "/health", "HealthCheckIntervalSeconds": 10, "HealthCheckTimeoutSeconds": 9,
                "UnhealthyThresholdCount": 2, "HealthyThresholdCount": 2,
            }),
        );
        let arn = text(&created["TargetGroups"][0]["TargetGroupArn"]);
        let delay = json!([{"Key": "deregistration_delay.timeout_seconds", "Value": "2"}]);
        self.elb(
            "ModifyTargetGroupAttributes",
            json!({"TargetGroupArn": arn, "Attributes": delay}),
        );
        arn
    }

    /// A listener on a free port that forwards by these weights: its ARN and port.
    pub(crate) fn listener(&self, weights: &[(&str, u32)]) -> (String, u16) {
        let port = free_port();
        (self.listener_on(port, weights), port)
    }

    pub(crate) fn listener_on(&self, port: u16, weights: &[(&str, u32)]) -> String {
        let created = self.elb(
            "CreateListener",
            json!({
                "LoadBalancerArn": self.load_balancer, "Protocol": "HTTP", "Port": port,
                "DefaultActions": [forward(weights)],
            }),
        );
        text(&created["Listeners"][0]["ListenerArn"])
    }

    pub(crate) fn shift(&self, listener: &str, weights: &[(&str, u32)]) {
        self.elb(
            "ModifyListener",
            json!({"ListenerArn": listener, "DefaultActions": [forward(weights)]}),
        );
    }

    pub(crate) fn register(&self, group: &str, target: SocketAddr) {
        self.elb(
            "RegisterTargets",
            json!({"TargetGroupArn": group, "Targets": [described(target)]}),
        );
    }

    pub(crate) fn deregister(&self, group: &str, target: SocketAddr) {
        self.elb(
            "DeregisterTargets",
            json!({"TargetGroupArn": group, "Targets": [described(target)]}),
        );
    }

    /// The states of a group's targets.
    pub(crate) fn health(&self, group: &str) -> Vec<String> {
        let described = self.elb("DescribeTargetHealth", json!({"TargetGroupArn": group}));
        let targets = described["TargetHealthDescriptions"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        targets
            .iter()
            .map(|target| text(&target["TargetHealth"]["State"]))
            .collect()
    }

    /// Waits until a group has `count` targets, all in `state`.
    pub(crate) async fn all(&self, group: &str, count: usize, state: &str) {
        until(&format!("{count} {state} targets in {group}"), async || {
            self.health(group) == vec![state; count]
        })
        .await;
    }

    /// Waits until the listener's port is open.
    pub(crate) async fn open(&self, listener: &str) -> SocketAddr {
        let mut listeners = self.listeners.clone();
        let is_open = |status: &ListenerStatus| status.arn == listener && status.opened.is_ok();
        let opened =
            tokio::time::timeout(PATIENCE, listeners.wait_for(|all| all.iter().any(is_open))).await;
        let opened = opened.expect("the port opens in time").unwrap();
        opened
            .iter()
            .find_map(|status| {
                status
                    .opened
                    .as_ref()
                    .ok()
                    .filter(|_| status.arn == listener)
            })
            .copied()
            .unwrap()
    }

    /// A listener on a free port in front of one group, both ready.
    pub(crate) async fn front(&self, group: &str, targets: &[SocketAddr]) -> SocketAddr {
        let (listener, _) = self.listener(&[(group, 1)]);
        for target in targets {
            self.register(group, *target);
        }
        if !targets.is_empty() {
            self.all(group, targets.len(), "healthy").await;
        }
        self.open(&listener).await
    }

    /// Creates a service (and its task definition, with this container) of `count` tasks behind a group.
    pub(crate) fn service(&self, name: &str, group: &str, container: Value, count: u32) {
        let family = json!({
            "family": name, "networkMode": "awsvpc", "requiresCompatibilities": ["FARGATE"], "cpu": "256",
            "memory": "512", "containerDefinitions": [container],
        });
        let port = container_port(&family);
        let registered = self.ecs("RegisterTaskDefinition", family);
        self.ecs("CreateCluster", json!({"clusterName": "shop"}));
        self.ecs(
            "CreateService",
            json!({
                "cluster": "shop", "serviceName": name, "desiredCount": count, "launchType": "FARGATE",
                "taskDefinition": registered["taskDefinition"]["taskDefinitionArn"],
                "loadBalancers": [{"targetGroupArn": group, "containerName": "web", "containerPort": port}],
                "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-0a0a0a0a0a0a0a0a0"]}},
            }),
        );
    }

    pub(crate) fn scale(&self, service: &str, count: u32) {
        self.ecs(
            "UpdateService",
            json!({"cluster": "shop", "service": service, "desiredCount": count}),
        );
    }

    /// The tasks of a service that ended, as described.
    pub(crate) fn stopped_tasks(&self, service: &str) -> Vec<Value> {
        self.tasks(json!({"cluster": "shop", "serviceName": service, "desiredStatus": "STOPPED"}))
            .into_iter()
            .filter(|task| task["lastStatus"] == "STOPPED")
            .collect()
    }

    pub(crate) fn running_tasks(&self, service: &str) -> Vec<Value> {
        self.tasks(json!({"cluster": "shop", "serviceName": service}))
    }

    fn tasks(&self, filter: Value) -> Vec<Value> {
        let listed = self.ecs("ListTasks", filter)["taskArns"].clone();
        if listed == json!([]) {
            return Vec::new();
        }
        let described = self.ecs("DescribeTasks", json!({"cluster": "shop", "tasks": listed}));
        described["tasks"].as_array().cloned().unwrap_or_default()
    }

    pub(crate) fn is_running(&self, service: &str) -> bool {
        self.running_tasks(service)
            .iter()
            .any(|task| task["lastStatus"] == "RUNNING")
    }

    /// Waits until a task of the service has ended, and returns it as described.
    pub(crate) async fn stopped_task(&self, service: &str) -> Value {
        until("a stopped task", async || {
            !self.stopped_tasks(service).is_empty()
        })
        .await;
        self.stopped_tasks(service).remove(0)
    }

    /// Stops the data plane and waits until it has.
    pub(crate) async fn stop(mut self) {
        self.stop.cancel();
        (&mut self.plane).await.unwrap();
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// A container named `web` of the sample application. The port is free on every address of 127.0.0.0/8, since
/// task addresses of parallel tests may be the same.
pub(crate) fn sample(image: &str) -> Value {
    json!({"name": "web", "image": image, "portMappings": [{"containerPort": free_port()}]})
}

fn container_port(family: &Value) -> Value {
    family["containerDefinitions"][0]["portMappings"][0]["containerPort"].clone()
}

pub(crate) fn forward(weights: &[(&str, u32)]) -> Value {
    let groups: Vec<Value> = weights
        .iter()
        .map(|(group, weight)| json!({"TargetGroupArn": group, "Weight": weight}))
        .collect();
    json!({"Type": "forward", "ForwardConfig": {"TargetGroups": groups}})
}

fn described(target: SocketAddr) -> Value {
    json!({"Id": target.ip().to_string(), "Port": target.port()})
}

pub(crate) fn text(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("{value} is no text"))
        .to_owned()
}

/// A TCP port that nobody uses.
pub(crate) fn free_port() -> u16 {
    std::net::TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0))
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

/// Waits until `condition` holds.
pub(crate) async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting)
        .await
        .unwrap_or_else(|_| panic!("in vain waited for: {what}"));
}

/// A client's keep-alive connection.
pub(crate) struct Client {
    sender: SendRequest<Full<Bytes>>,
}

impl Client {
    pub(crate) async fn connect(server: SocketAddr) -> Self {
        let stream = TcpStream::connect(server).await.unwrap();
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .unwrap();
        tokio::spawn(connection);
        Self { sender }
    }

    pub(crate) async fn send(&mut self, request: Request<Full<Bytes>>) -> Response<Incoming> {
        self.sender.ready().await.unwrap();
        tokio::time::timeout(PATIENCE, self.sender.send_request(request))
            .await
            .expect("an answer in time")
            .unwrap()
    }

    /// GETs a path: status and body.
    pub(crate) async fn get(&mut self, path: &str) -> (u16, String) {
        let answer = self.send(get(path)).await;
        let status = answer.status().as_u16();
        (status, body(answer).await)
    }
}

/// A GET request with a `Host`.
pub(crate) fn get(path: &str) -> Request<Full<Bytes>> {
    Request::get(path)
        .header("host", "front.example")
        .body(Full::default())
        .unwrap()
}

pub(crate) async fn body(answer: Response<Incoming>) -> String {
    String::from_utf8(
        answer
            .into_body()
            .collect()
            .await
            .unwrap()
            .to_bytes()
            .to_vec(),
    )
    .unwrap()
}

/// GETs a path over a connection of its own: status and body.
pub(crate) async fn fetch(server: SocketAddr, path: &str) -> (u16, String) {
    Client::connect(server).await.get(path).await
}

/// A request of which is certain that it has reached the target: the load balancer asks for its body only when
/// it is connected there.
pub(crate) struct InFlight(TcpStream);

impl InFlight {
    pub(crate) async fn post(server: SocketAddr, path: &str) -> Self {
        let mut stream = TcpStream::connect(server).await.unwrap();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 1\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut go_on = [0; 25];
        stream.read_exact(&mut go_on).await.unwrap();
        assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
        stream.write_all(b"x").await.unwrap();
        Self(stream)
    }

    /// The status of the answer.
    pub(crate) async fn status(mut self) -> u16 {
        let mut line = [0; 12];
        let read = tokio::time::timeout(PATIENCE, self.0.read_exact(&mut line)).await;
        read.expect("an answer in time").unwrap();
        String::from_utf8_lossy(&line[9..]).parse().unwrap()
    }
}
