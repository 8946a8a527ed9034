//! An emulated account behind sockets: API, load balancer, tasks, and users who never stop.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use emulator::Emulator;
use emulator::api::Service;
use emulator::dataplane::load::{Load, Statistics};
use emulator::dataplane::{DataPlane, Options};
use emulator::faults::history::is_read;
use emulator::faults::{Fault, FaultSettings};
use emulator::seed::Seed;
use emulator::world::behaviour::Behaviour;
use emulator::world::{Settings, TaskMode};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// So many times as fast as AWS: the operator's bounds, and what the API gives in seconds.
///
/// The operator's bounds shrink with it, what the machine takes for a call does not. So it is as fast as the machine
/// bears: the age at which a plan is refused stays many times what a process takes to start.
pub(crate) static PACE: LazyLock<f64> = LazyLock::new(|| match std::env::var("TEAL_E2E_PACE") {
    Ok(chosen) => chosen.parse().unwrap(),
    Err(_) => {
        let starts = (0..5).map(|_| crate::operator::takes_to_start());
        let slowest = starts.max().unwrap_or_default().as_secs_f64();
        (PLAN_AGE.as_secs_f64() / (STARTS_IN_PLAN_AGE * slowest))
            .clamp(5.0, 30.0)
            .round()
    }
});
/// The operator's bound of a plan's age.
const PLAN_AGE: Duration = Duration::from_secs(10);
/// How many times a process could start, one after the other, while a plan is young enough.
const STARTS_IN_PLAN_AGE: f64 = 16.0;
/// Longest time in which nothing moves, on a busy machine. Longer than the longest wait by design, Q∞, at every pace.
pub(crate) const LIMIT: Duration = Duration::from_secs(90);
/// Longest time that anything may take, however much moves.
const END: Duration = Duration::from_secs(600);
/// How often the account is looked at.
const LOOK: Duration = Duration::from_millis(10);
/// Users, and how long each rests after an answer.
const USERS: usize = 4;
const THINK: Duration = Duration::from_millis(50);
/// How long the sample application takes for a slow request, in milliseconds.
const SLOW_MS: u64 = 60;

/// The table of leases.
pub(crate) const LEASES: &str = "teal-leases";

const SEED: &str = include_str!("../../emulator/seeds/blog.json");
const REPOSITORY: &str = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/blog";

/// One account with one application, `blog`.
pub(crate) struct Stage {
    pub(crate) emulator: Emulator,
    /// Where the API is.
    pub(crate) endpoint: String,
    /// The pair of target groups.
    pub(crate) groups: [String; 2],
    /// Production and test listener.
    pub(crate) listeners: [String; 2],
    production: SocketAddr,
    users: Vec<Load>,
    stop: CancellationToken,
    parts: Vec<JoinHandle<()>>,
}

/// A world in a hurry. What AWS takes tens of seconds for takes tens of milliseconds; the order of things is AWS's.
fn settings() -> Settings {
    Settings {
        tasks: TaskMode::Real,
        task_provisioning_ms: 1_000,
        task_pending_ms: 1_000,
        task_activating_ms: 1_000,
        task_deprovisioning_ms: 500,
        service_inactive_ms: 1_000,
        default_behaviour: Behaviour {
            start_ms: 5,
            latency_ms: 1,
            stop_ms: 5,
            ..Behaviour::default()
        },
        ..Settings::default()
    }
    .scaled(*PACE)
}

impl Stage {
    /// Everything that infrastructure code would have made, and the Application; nothing is released.
    pub(crate) async fn set() -> Self {
        let [production, test, container] = [free_port(), free_port(), free_port()];
        let emulator = Emulator::new(settings());
        emulator.faults().set(calm());
        plant(&emulator, [production, test], container);
        let socket = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .unwrap();
        let endpoint = format!("http://{}", socket.local_addr().unwrap());
        let stop = CancellationToken::new();
        let plane = DataPlane::new(emulator.clone(), Options::default());
        let (api, until) = (emulator.clone(), stop.clone());
        let parts = vec![
            tokio::spawn(async move { api.serve(socket, until).await }),
            tokio::spawn(plane.run(stop.clone())),
        ];
        let elb = |operation: &str, input: Value| {
            emulator
                .call(Service::Elbv2, operation, input)
                .expect(operation)
        };
        let described = elb(
            "DescribeTargetGroups",
            json!({"Names": ["blog-a", "blog-b"]}),
        );
        let groups = [0, 1].map(|n| text(&described["TargetGroups"][n]["TargetGroupArn"]));
        let balancer = &described["TargetGroups"][0]["LoadBalancerArns"][0];
        let all = elb("DescribeListeners", json!({"LoadBalancerArn": balancer}));
        let listeners = [production, test].map(|port| {
            let mut all = all["Listeners"].as_array().unwrap().iter();
            text(&all.find(|one| one["Port"] == port).unwrap()["ListenerArn"])
        });
        let stage = Self {
            emulator,
            endpoint,
            groups,
            listeners,
            production: SocketAddr::from((Ipv4Addr::LOCALHOST, production)),
            users: Vec::new(),
            stop,
            parts,
        };
        let table = json!({
            "TableName": LEASES,
            "AttributeDefinitions": [{"AttributeName": "lease", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "lease", "KeyType": "HASH"}],
            "BillingMode": "PAY_PER_REQUEST",
        });
        stage
            .emulator
            .call(Service::DynamoDb, "CreateTable", table)
            .expect("CreateTable");
        stage.put("spec", &stage.spec(container).to_string());
        stage
    }

    fn spec(&self, container: u16) -> Value {
        let period = |seconds: f64| format!("{}ms", (seconds * 1000.0 / *PACE).round());
        // Deadlines are not what is tested here, and a busy machine may be slow.
        let deadline = format!("{}s", LIMIT.as_secs());
        json!({
            "apiVersion": "teal/v1alpha1",
            "kind": "Application",
            "metadata": {"name": "blog"},
            "spec": {
                "cluster": "prod",
                "template": {
                    "taskDefinition": "blog",
                    "images": {"web": format!("{REPOSITORY}:{{version}}")},
                    "service": {
                        "desiredCount": 2,
                        "launchType": "FARGATE",
                        "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-0a0a0a0a0a0a0a0a0"]}},
                    },
                },
                "traffic": {"routes": [{
                    "container": "web",
                    "port": container,
                    "targetGroups": {"pair": self.groups},
                    "production": [{"listener": self.listeners[0]}],
                    "test": [{"listener": self.listeners[1]}],
                }]},
                "bakeTime": period(5.0),
                "cleanUp": {"settle": period(10.0)},
                "deadlines": {"scaleUp": deadline, "validate": deadline, "shift": deadline, "cleanUp": deadline},
            },
        })
    }

    /// Asks for a version.
    pub(crate) fn wish(&self, version: &str) {
        self.put("desired", version);
    }

    fn put(&self, leaf: &str, value: &str) {
        let input = json!({"Name": format!("/teal/apps/blog/{leaf}"), "Value": value, "Type": "String", "Overwrite": true});
        self.emulator
            .call(Service::Ssm, "PutParameter", input)
            .expect("PutParameter");
    }

    /// The status document; null when there is none.
    pub(crate) fn status(&self) -> Value {
        let input = json!({"Name": "/teal/apps/blog/status"});
        let read = self.emulator.call(Service::Ssm, "GetParameter", input);
        let text = read.map(|read| text(&read["Parameter"]["Value"]));
        serde_json::from_str(&text.unwrap_or_default()).unwrap_or(Value::Null)
    }

    /// A read as a person makes it.
    pub(crate) fn read(&self, service: Service, operation: &str, input: Value) -> Value {
        let answer = self.emulator.call(service, operation, input);
        answer.unwrap_or_else(|refusal| panic!("{operation}: {refusal}"))
    }

    /// From now on these faults and no others; calls are counted from here.
    pub(crate) fn faults(&self, plan: Vec<Fault>) {
        self.emulator.faults().set(FaultSettings { plan, ..calm() });
    }

    /// Users go to work: on ordinary pages, and one on a page that is slow.
    pub(crate) fn open(&mut self) {
        let slow = format!("/slow?ms={SLOW_MS}");
        for (path, users) in [("/", USERS), (slow.as_str(), 1)] {
            let path = path.parse().unwrap();
            let load = Load::paced(self.production, path, users, THINK, &self.stop);
            self.users.push(load);
        }
    }

    /// What the users saw since they went to work.
    pub(crate) fn seen(&self) -> Vec<Statistics> {
        self.users.iter().map(Load::statistics).collect()
    }

    /// Waits until `done`.
    pub(crate) async fn until(
        &self,
        what: &str,
        done: impl Fn(&Self) -> bool,
    ) -> Result<(), String> {
        let began = Instant::now();
        let (mut writes, mut moved) = (self.writes(), began);
        while !done(self) {
            let now = self.writes();
            if now != writes {
                (writes, moved) = (now, Instant::now());
            }
            if moved.elapsed() > LIMIT || began.elapsed() > END {
                let (status, took, pace) = (self.status(), began.elapsed(), *PACE);
                return Err(format!(
                    "{what}: not within {took:?} at pace {pace}; status {status:#}"
                ));
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    /// How many writes to the application took effect: while they become more, there is progress.
    fn writes(&self) -> u64 {
        self.emulator.faults().journal(|journal| {
            let writes = journal.counts().iter().filter(|(counted, _)| {
                counted.outcome == "ok"
                    && counted.service != Some(Service::DynamoDb)
                    && !is_read(&counted.operation)
            });
            writes.map(|(_, count)| count).sum()
        })
    }

    /// Everybody goes home.
    pub(crate) async fn close(self) {
        for load in self.users {
            load.finish().await;
        }
        self.stop.cancel();
        for part in self.parts {
            part.await.expect("the emulator does not break");
        }
    }
}

/// AWS's limits are calls a real second: where time passes faster, more calls are due in one.
fn calm() -> FaultSettings {
    FaultSettings {
        throttling: false,
        ..FaultSettings::default()
    }
}

/// The blog's seed with ports of its own, and health checks that a busy machine passes.
fn plant(emulator: &Emulator, listeners: [u16; 2], container: u16) {
    let mut seed = Seed::parse(SEED).expect("the seed is valid");
    let mut listeners = listeners.into_iter();
    for call in &mut seed.calls {
        match call.operation.as_str() {
            "CreateListener" => call.input["Port"] = json!(listeners.next()),
            "CreateTargetGroup" => {
                call.input["HealthCheckIntervalSeconds"] = json!(10);
                call.input["HealthCheckTimeoutSeconds"] = json!(9);
                call.input["UnhealthyThresholdCount"] = json!(10);
            }
            "RegisterTaskDefinition" => {
                call.input["containerDefinitions"][0]["portMappings"][0]["containerPort"] =
                    json!(container);
            }
            _ => {}
        }
    }
    seed.plant(emulator).expect("the seed can be planted");
}

/// A port that nobody uses, below those that the kernel gives to outgoing connections.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = 12_000 + u16::try_from(std::process::id() % 64).unwrap() * 256;
    loop {
        let port = first + NEXT.fetch_add(1, Ordering::Relaxed);
        if std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}

/// A string, empty when it is none.
pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
