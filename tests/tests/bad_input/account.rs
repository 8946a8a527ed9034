//! The account with two applications of one operator: the blog, which meets bad input, and the shop beside it, in the
//! same cluster and on the same load balancer, which must not notice.

use std::time::Duration;

use emulator::api::Service;
use emulator::faults::{Effect, Fault, FaultSettings, When};
use runtime::controller::Settings as Loop;
use serde_json::{Value, json};
use tests::{Operator, Stage};

use crate::page;

/// How long bad input is watched: nothing may change meanwhile.
const WATCHED: Duration = Duration::from_secs(300);
/// Longest time until the status tells of bad input: a look at all specs, three failures in a row, a held-back write.
const TOLD_WITHIN: Duration = Duration::from_secs(180);
/// Calls a second to AWS, for two applications, that are no hot loop.
const CALLS_A_SECOND: u64 = 12;
/// Operations that change what serves.
const CHANGES: [&str; 8] = [
    "RegisterTaskDefinition",
    "CreateService",
    "UpdateService",
    "DeleteService",
    "TagResource",
    "DeregisterTaskDefinition",
    "ModifyListener",
    "ModifyRule",
];

/// What the status says of a bad input.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Says {
    /// Heading of the page.
    pub(crate) title: &'static str,
    /// Phase.
    pub(crate) phase: &'static str,
    /// The condition that is true, and its reason.
    pub(crate) condition: (&'static str, &'static str),
    /// What its message must name.
    pub(crate) words: &'static [&'static str],
}

/// Blog, shop, and their operator.
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) stage: Stage,
    operator: Operator,
    shop: Value,
    releases_of_the_shop: std::cell::Cell<u32>,
}

impl Account {
    /// The blog is at 1.3.0.
    pub(crate) async fn serving() -> Self {
        Self::open(true).await
    }

    /// The blog has never been released.
    pub(crate) async fn empty() -> Self {
        Self::open(false).await
    }

    async fn open(released: bool) -> Self {
        let stage = Stage::new();
        let shop = open_shop(&stage);
        put(&stage, "shop", "spec", &shop.to_string());
        put(&stage, "shop", "desired", "2.0.0");
        if released {
            stage.wish("1.3.0");
        }
        let operator = stage.operator();
        let account = Self {
            stage,
            operator,
            shop,
            releases_of_the_shop: 0.into(),
        };
        account.settled("shop", "2.0.0").await;
        if released {
            account.settled("blog", "1.3.0").await;
        }
        account
    }

    /// The blog meets bad input: that is told, nothing changes, and the shop is released meanwhile.
    pub(crate) async fn meets(&self, says: Says, bad: impl FnOnce(&Stage)) {
        self.watched(says, bad, true).await;
    }

    /// The same where the shop cannot be released either.
    pub(crate) async fn meets_with_all(&self, says: Says, bad: impl FnOnce(&Stage)) {
        self.watched(says, bad, false).await;
    }

    async fn watched(&self, says: Says, bad: impl FnOnce(&Stage), shop_goes_on: bool) {
        bad(&self.stage);
        let title = says.title;
        let (before, since) = (self.serves(), self.stage.emulator.now());
        self.until(title, TOLD_WITHIN, || self.tells(&says)).await;
        let (calls, watch) = (self.calls(), tokio::time::Instant::now());
        if shop_goes_on {
            self.shop_is_released().await;
        }
        tokio::time::sleep_until(watch + WATCHED).await;
        assert_eq!(
            self.serves(),
            before,
            "{title}: nothing changed for the blog"
        );
        assert_eq!(
            self.changes(since),
            [""; 0],
            "{title}: nothing changed but for the shop"
        );
        let (calls, watched) = (self.calls() - calls, watch.elapsed());
        assert!(
            calls < CALLS_A_SECOND * watched.as_secs(),
            "{title}: {calls} calls in {watched:?}"
        );
        assert!(
            self.tells(&says),
            "{title}: still told; {}",
            self.stage.picture()
        );
        let status = self.stage.get("status");
        for other in ["Ready", "Reconciling"] {
            assert!(
                condition(&status, other).is_none(),
                "{title}: {other} is not true: {status:#}"
            );
        }
        let (_, message) = condition(&status, says.condition.0).expect("told");
        for word in says.words {
            assert!(
                message.contains(word),
                "{title}: {word:?} is missing in {message:?}"
            );
        }
        // Of what AWS says of a refusal the end may be missing: what to do stands before it.
        let whole = !message.ends_with('…') || says.condition.1 == "RepeatedErrors";
        assert!(whole, "{title}: the message is whole: {message:?}");
        page::check(title, &status);
    }

    /// The bad input is repaired, and the operator goes on by itself to `version`.
    pub(crate) async fn repaired(&self, version: &str, repair: impl FnOnce(&Stage)) {
        repair(&self.stage);
        self.settled("blog", version).await;
    }

    /// The operator looks at all specs.
    pub(crate) async fn specs_are_read(&self) {
        tokio::time::sleep(Loop::default().poll_specs * 2).await;
    }

    /// AWS refuses these operations from now on.
    pub(crate) fn deny(stage: &Stage, operations: &[(Service, &str)]) {
        Self::answer(stage, operations, Effect::AccessDenied);
    }

    /// AWS answers these operations so from now on.
    pub(crate) fn answer(stage: &Stage, operations: &[(Service, &str)], effect: Effect) {
        let fault = |(service, operation): &(Service, &str)| Fault {
            service: Some(*service),
            operation: Some((*operation).to_owned()),
            when: When::Always,
            effect: effect.clone(),
        };
        let plan = operations.iter().map(fault).collect();
        stage.emulator.faults().set(FaultSettings {
            plan,
            ..FaultSettings::default()
        });
    }

    /// AWS has a good day again.
    pub(crate) fn allow(stage: &Stage) {
        stage.emulator.faults().set(FaultSettings::default());
    }

    /// The operator is another process from now on.
    pub(crate) async fn restart(&mut self) {
        let next = Operator::start(&self.stage.emulator, Loop::default(), true);
        std::mem::replace(&mut self.operator, next).kill().await;
    }

    /// What the operator shows of an application without the help of AWS.
    pub(crate) fn operator(&self) -> &Operator {
        &self.operator
    }

    /// The shop gets its next version.
    pub(crate) async fn shop_is_released(&self) {
        let number = self.releases_of_the_shop.get() + 1;
        self.releases_of_the_shop.set(number);
        let version = format!("2.{number}.0");
        put(&self.stage, "shop", "desired", &version);
        self.settled("shop", &version).await;
    }

    /// The shop's spec, for an application that is too much like it.
    pub(crate) fn shop(&self) -> Value {
        self.shop.clone()
    }

    /// Waits until `version` of the application serves alone and its status says so.
    pub(crate) async fn settled(&self, application: &str, version: &str) {
        self.until(
            &format!("{application} {version}"),
            Duration::from_secs(3_600),
            || {
                let status = get(&self.stage, application, "status");
                let services = self.services(application);
                status["phase"] == "Settled"
                    && status["serving"]["version"] == version
                    && condition(&status, "Ready").is_some()
                    && condition(&status, "DesiredUnreadable").is_none()
                    && condition(&status, "Stalled").is_none()
                    && services.len() == 1
            },
        )
        .await;
    }

    fn tells(&self, says: &Says) -> bool {
        let status = self.stage.get("status");
        let reason = condition(&status, says.condition.0).map(|(reason, _)| reason);
        status["phase"] == says.phase && reason.as_deref() == Some(says.condition.1)
    }

    /// Services of an application that live.
    pub(crate) fn services(&self, application: &str) -> Vec<Value> {
        let is_of = |service: &Value| {
            let tags = service["tags"].as_array().cloned().unwrap_or_default();
            tags.iter()
                .any(|tag| tag["key"] == "teal:application" && tag["value"] == application)
        };
        self.stage.services().into_iter().filter(is_of).collect()
    }

    /// What the blog's users meet: services with their sizes, and both listeners' actions.
    fn serves(&self) -> Value {
        let pick = |service: &Value| {
            json!([
                service["serviceName"],
                service["desiredCount"],
                service["taskDefinition"]
            ])
        };
        let services: Vec<Value> = self.services("blog").iter().map(pick).collect();
        let listeners = self
            .stage
            .listeners
            .each_ref()
            .map(|listener| actions(&self.stage, listener));
        json!({"services": services, "listeners": listeners})
    }

    /// What was changed from then on, but for the shop.
    fn changes(&self, since: u64) -> Vec<String> {
        self.stage.emulator.faults().journal(|journal| {
            let changes = journal.log().filter(|call| {
                call.at > since && call.effect && CHANGES.contains(&call.operation.as_str())
            });
            let texts = changes.map(|call| format!("{} {}", call.operation, call.input));
            texts.filter(|text| !text.contains("shop")).collect()
        })
    }

    fn calls(&self) -> u64 {
        self.stage
            .emulator
            .faults()
            .journal(|journal| journal.counts().values().sum())
    }

    pub(crate) async fn until(&self, what: &str, limit: Duration, mut done: impl FnMut() -> bool) {
        let began = tokio::time::Instant::now();
        while !done() {
            assert!(
                began.elapsed() < limit,
                "{what}: not within {limit:?}; {}",
                self.stage.picture()
            );
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
    }
}

/// Reason and message of a condition that is true.
pub(crate) fn condition(status: &Value, kind: &str) -> Option<(String, String)> {
    let found = status["conditions"]
        .as_array()?
        .iter()
        .find(|condition| condition["type"] == kind)?;
    let text = |member: &str| found[member].as_str().unwrap_or_default().to_owned();
    (found["status"] == "True").then(|| (text("reason"), text("message")))
}

/// Writes a parameter of any application.
pub(crate) fn put(stage: &Stage, application: &str, leaf: &str, value: &str) {
    let name = format!("/teal/apps/{application}/{leaf}");
    stage.person(
        Service::Ssm,
        "PutParameter",
        json!({"Name": name, "Value": value, "Type": "String", "Overwrite": true}),
    );
}

fn get(stage: &Stage, application: &str, leaf: &str) -> Value {
    let name = format!("/teal/apps/{application}/{leaf}");
    let read = stage
        .emulator
        .call(Service::Ssm, "GetParameter", json!({"Name": name}))
        .ok();
    let text = read.and_then(|read| read["Parameter"]["Value"].as_str().map(str::to_owned));
    text.and_then(|text| serde_json::from_str(&text).ok())
        .unwrap_or_default()
}

/// Default actions of a listener.
pub(crate) fn actions(stage: &Stage, listener: &str) -> Value {
    let read = stage.person(
        Service::Elbv2,
        "DescribeListeners",
        json!({"ListenerArns": [listener]}),
    );
    read["Listeners"][0]["DefaultActions"].clone()
}

/// A target group like the blog's.
pub(crate) fn group(stage: &Stage, name: &str, target_type: &str) -> String {
    let made = stage.person(
        Service::Elbv2,
        "CreateTargetGroup",
        json!({
            "Name": name, "TargetType": target_type, "Protocol": "HTTP", "Port": 8080, "VpcId": "vpc-0e0e0e0e0e0e0e0e0",
            "HealthCheckPath": "/health", "HealthCheckIntervalSeconds": 5, "HealthCheckTimeoutSeconds": 2,
            "HealthyThresholdCount": 2, "UnhealthyThresholdCount": 2,
        }),
    );
    let arn = made["TargetGroups"][0]["TargetGroupArn"]
        .as_str()
        .expect("an ARN")
        .to_owned();
    let attributes = json!([{"Key": "deregistration_delay.timeout_seconds", "Value": "10"}]);
    stage.person(
        Service::Elbv2,
        "ModifyTargetGroupAttributes",
        json!({"TargetGroupArn": arn, "Attributes": attributes}),
    );
    arn
}

/// A listener that forwards to these groups: everything to the first.
pub(crate) fn listener(stage: &Stage, balancer: &Value, port: u16, groups: &[&str]) -> String {
    let weight = |position: usize| if position == 0 { 100 } else { 0 };
    let tuples: Vec<Value> = groups
        .iter()
        .enumerate()
        .map(|(position, group)| json!({"TargetGroupArn": group, "Weight": weight(position)}))
        .collect();
    let actions = json!([{"Type": "forward", "ForwardConfig": {"TargetGroups": tuples}}]);
    let input = json!({"LoadBalancerArn": balancer, "Protocol": "HTTP", "Port": port, "DefaultActions": actions});
    let made = stage.person(Service::Elbv2, "CreateListener", input);
    made["Listeners"][0]["ListenerArn"]
        .as_str()
        .expect("an ARN")
        .to_owned()
}

/// The blog's load balancer.
pub(crate) fn balancer(stage: &Stage) -> Value {
    let read = stage.person(
        Service::Elbv2,
        "DescribeLoadBalancers",
        json!({"Names": ["blog"]}),
    );
    read["LoadBalancers"][0]["LoadBalancerArn"].clone()
}

/// The shop's groups, listener and Application.
fn open_shop(stage: &Stage) -> Value {
    let groups = ["shop-a", "shop-b"].map(|name| group(stage, name, "ip"));
    let listener = listener(stage, &balancer(stage), 8081, &[&groups[0], &groups[1]]);
    let read = stage.person(
        Service::Ecs,
        "DescribeTaskDefinition",
        json!({"taskDefinition": "blog"}),
    );
    register(stage, &read["taskDefinition"], "shop", "web");
    let mut spec = stage.spec();
    spec["metadata"]["name"] = json!("shop");
    spec["spec"]["template"]["taskDefinition"] = json!("shop");
    let route = &mut spec["spec"]["traffic"]["routes"][0];
    route["targetGroups"]["pair"] = json!(groups);
    route["production"] = json!([{"listener": listener}]);
    route.as_object_mut().expect("a map").remove("test");
    spec
}

/// A task definition like this one, of another family, with another name of its first container.
pub(crate) fn register(stage: &Stage, like: &Value, family: &str, container: &str) {
    let mut input = json!({"family": family});
    for member in [
        "networkMode",
        "requiresCompatibilities",
        "cpu",
        "memory",
        "executionRoleArn",
        "containerDefinitions",
    ] {
        input[member] = like[member].clone();
    }
    input["containerDefinitions"][0]["name"] = json!(container);
    stage.person(Service::Ecs, "RegisterTaskDefinition", input);
}
