//! Alarms and analyses of releases, through the real SDK, under load.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test says so by failing"
)]

use std::time::Duration;

use emulator::api::Service;
use emulator::faults::{Effect, Fault, FaultSettings, When};
use emulator::world::Settings;
use emulator::world::behaviour::Behaviour;
use runtime::controller::Settings as Loop;
use serde_json::{Value, json};
use tests::wire::Wire;
use tests::{Operator, Stage};

const LONG: Duration = Duration::from_secs(3_600);

/// The blog at 1.3.0 with users, who get half of what is released first.
struct Scene {
    stage: Stage,
    wire: Wire,
    operator: Option<Operator>,
}

impl Scene {
    async fn with(watched: Value) -> Self {
        let mut stage = Stage::with(Settings::default(), |mut application| {
            for (field, value) in watched.as_object().expect("fields") {
                application["spec"][field] = value.clone();
            }
            let steps = json!([{"setWeight": 50}, {"pause": "1m"}]);
            application["spec"]["strategy"] = json!({"canary": {"steps": steps}});
            application["spec"]["deadlines"]["shift"] = "20m".into();
            application
        });
        stage.wish("1.3.0");
        let wire = Wire::new(&stage.emulator);
        let operator = Operator::start_over(&wire, &stage.emulator, Loop::default(), true);
        stage.settled_on("1.3.0").await;
        stage.open(10.0);
        // What users see of 1.3.0 is known.
        tokio::time::sleep(Duration::from_secs(300)).await;
        Self {
            stage,
            wire,
            operator: Some(operator),
        }
    }

    /// With an alarm on answers with 5xx.
    async fn alarmed(on_already: &str) -> Self {
        let alarms = json!({"names": ["blog-5xx"], "onAlreadyInAlarm": on_already});
        let scene = Self::with(json!({"alarms": alarms}));
        let scene = scene.await;
        scene.creates_the_alarm();
        scene
    }

    fn creates_the_alarm(&self) {
        let group = self.stage.groups[0].clone();
        let group = self.stage.person(
            Service::Elbv2,
            "DescribeTargetGroups",
            json!({"TargetGroupArns": [group]}),
        );
        let balancer = group["TargetGroups"][0]["LoadBalancerArns"][0].as_str();
        let (_, balancer) = balancer.unwrap().split_once(":loadbalancer/").unwrap();
        self.stage.person(
            Service::CloudWatch,
            "PutMetricAlarm",
            json!({
                "AlarmName": "blog-5xx",
                "Namespace": "AWS/ApplicationELB",
                "MetricName": "HTTPCode_Target_5XX_Count",
                "Dimensions": [{"Name": "LoadBalancer", "Value": balancer}],
                "Statistic": "Sum",
                "Period": 60,
                "EvaluationPeriods": 1,
                "Threshold": 5.0,
                "ComparisonOperator": "GreaterThanThreshold",
                "TreatMissingData": "notBreaching",
            }),
        );
    }

    fn set_alarm(&self, state: &str) {
        self.stage.person(
            Service::CloudWatch,
            "SetAlarmState",
            json!({"AlarmName": "blog-5xx", "StateValue": state, "StateReason": "a drill"}),
        );
    }

    /// This version answers a share of all requests with 500.
    fn fails(&self, version: &str, error_share: f64) {
        let behaviour = Behaviour {
            error_share,
            ..Behaviour::default()
        };
        self.stage.behave(version, behaviour);
    }

    async fn waits(&self, reason: &str) {
        let there = |stage: &Stage| stage.get("status")["waitingOn"]["reason"] == reason;
        self.stage.until(reason, LONG, there).await;
    }

    fn message(&self) -> String {
        let message = &self.stage.get("status")["waitingOn"]["message"];
        message.as_str().expect("waits").to_owned()
    }

    fn rejection(&self) -> String {
        let reason = &self.stage.get("status")["rejected"]["reason"];
        reason.as_str().expect("rejected").to_owned()
    }

    fn nobody_lost_a_request(&self) {
        let users = self.stage.users();
        assert!(users.requests > 100, "users were there: {users:?}");
        assert_eq!(users.failed, 0, "{users:?}");
    }

    fn users_of(&self, version: &str) -> u64 {
        let users = self.stage.users().images;
        let mut users = users.iter();
        let seen = users.find(|(image, _)| image.ends_with(version));
        seen.map_or(0, |(_, served)| served.requests)
    }

    fn calls(&self, operation: &str) -> usize {
        let exchanges = self.wire.exchanges();
        let asked = format!("> {operation}");
        exchanges.iter().filter(|call| call.what == asked).count()
    }

    async fn restart(&mut self) {
        self.operator.take().expect("one runs").kill().await;
        let (wire, emulator) = (&self.wire, &self.stage.emulator);
        self.operator = Some(Operator::start_over(wire, emulator, Loop::default(), true));
    }
}

fn all_that_needs_no_query() -> Value {
    json!({"analysis": {
        "errors": {"successRate": {"atLeast": 99}},
        "slow": {"latency": {"percentile": 99, "atMost": "1s"}},
        "worse": {"comparison": {}},
        "slower": {"comparison": {"slowerThan": "300ms"}},
        "count": {
            "cloudWatch": {"queries": [{"id": "n", "metricStat": {
                "metric": {
                    "namespace": "AWS/ApplicationELB",
                    "metricName": "RequestCount",
                    "dimensions": [
                        {"name": "LoadBalancer", "value": "{loadBalancer}"},
                        {"name": "TargetGroup", "value": "{greenTargetGroup}"},
                    ],
                },
                "stat": "Sum",
            }}]},
            "successWhen": "result > 50",
        },
    }})
}

#[tokio::test(start_paused = true)]
async fn a_good_release_passes_everything_that_is_measured() {
    let scene = Scene::with(all_that_needs_no_query()).await;
    scene.stage.wish("1.4.0");
    scene.stage.settled_on("1.4.0").await;
    scene.nobody_lost_a_request();
    let measured = scene.calls("GetMetricData");
    assert!(measured > 8, "{measured}");
    tokio::time::sleep(LONG).await;
    assert_eq!(scene.calls("GetMetricData"), measured, "idle costs nothing");
}

#[tokio::test(start_paused = true)]
async fn an_alarm_takes_a_bad_release_back_and_is_quoted() {
    let scene = Scene::alarmed("refuse").await;
    scene.fails("1.4.0", 0.1);
    scene.stage.wish("1.4.0");
    scene.stage.rejected_back_to("1.3.0").await;
    let reason = scene.rejection();
    let begins = "alarms: blog-5xx is in ALARM: Threshold Crossed: 1 ";
    assert!(reason.starts_with(begins), "{reason}");
    assert!(scene.users_of("1.4.0") > 0);
    let looked = scene.calls("DescribeAlarms");
    tokio::time::sleep(LONG).await;
    assert_eq!(scene.calls("DescribeAlarms"), looked, "idle costs nothing");
}

#[tokio::test(start_paused = true)]
async fn a_success_rate_and_a_comparison_find_what_fails_a_tenth() {
    let analyses = [
        (
            json!({"errors": {"successRate": {"atLeast": 99}}}),
            "analysis errors: green failed ",
        ),
        (
            json!({"worse": {"comparison": {}}}),
            "analysis worse: green failed ",
        ),
    ];
    for (analysis, begins) in analyses {
        let scene = Scene::with(json!({"analysis": analysis})).await;
        scene.fails("1.4.0", 0.1);
        scene.stage.wish("1.4.0");
        scene.stage.rejected_back_to("1.3.0").await;
        let reason = scene.rejection();
        assert!(reason.starts_with(begins), "{reason}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_release_is_found_by_its_latency() {
    let latency = json!({"slow": {"latency": {"percentile": 99, "atMost": "200ms"}}});
    let scene = Scene::with(json!({"analysis": latency})).await;
    let slow = Behaviour {
        latency_ms: 700,
        ..Behaviour::default()
    };
    scene.stage.behave("1.4.0", slow);
    scene.stage.wish("1.4.0");
    scene.stage.rejected_back_to("1.3.0").await;
    let reason = scene.rejection();
    assert!(
        reason.starts_with("analysis slow: green took 0.7"),
        "{reason}"
    );
    scene.nobody_lost_a_request();
}

/// Blue takes as long as the bound, and is not slow; green takes half as long again.
#[tokio::test(start_paused = true)]
async fn a_slower_release_is_found_by_a_comparison_of_latencies() {
    let comparison = json!({"slower": {"comparison": {"slowerThan": "250ms"}}});
    let scene = Scene::with(json!({"analysis": comparison})).await;
    let took = |latency_ms| Behaviour {
        latency_ms,
        ..Behaviour::default()
    };
    scene.stage.behave("1.3.0", took(250));
    scene.stage.behave("1.4.0", took(250));
    scene.stage.wish("1.4.0");
    scene.stage.settled_on("1.4.0").await;
    scene.stage.behave("1.5.0", took(375));
    scene.stage.wish("1.5.0");
    scene.stage.rejected_back_to("1.4.0").await;
    let reason = scene.rejection();
    let begins = "analysis slower: green took longer than 250ms for ";
    assert!(reason.starts_with(begins), "{reason}");
    assert!(reason.contains("(100 %), blue for 0 of "), "{reason}");
    assert!(reason.ends_with(": green is slower"), "{reason}");
    scene.nobody_lost_a_request();
}

#[tokio::test(start_paused = true)]
async fn what_is_red_before_the_release_refuses_it_or_is_waited_for_or_ignored() {
    for on_already in ["refuse", "wait", "ignore"] {
        let scene = Scene::alarmed(on_already).await;
        // CloudWatch sees each minute that all is quiet; somebody else keeps it red.
        scene.stage.person(
            Service::CloudWatch,
            "PutMetricAlarm",
            json!({
                "AlarmName": "blog-5xx", "Namespace": "Drill", "MetricName": "Red", "Statistic": "Sum",
                "Period": 60, "EvaluationPeriods": 1, "Threshold": 0.0,
                "ComparisonOperator": "GreaterThanThreshold", "TreatMissingData": "ignore",
            }),
        );
        scene.set_alarm("ALARM");
        tokio::time::sleep(Duration::from_secs(5)).await;
        scene.stage.wish("1.4.0");
        match on_already {
            "refuse" => {
                scene.stage.rejected_back_to("1.3.0").await;
                assert_eq!(scene.rejection(), "alarms: blog-5xx is in ALARM: a drill");
                assert_eq!(scene.users_of("1.4.0"), 0);
            }
            "wait" => {
                scene.waits("Analysis").await;
                assert_eq!(
                    scene.message(),
                    "alarms to go well: blog-5xx is in ALARM: a drill"
                );
                assert_eq!(scene.stage.live().len(), 1, "nothing is created");
                scene.set_alarm("OK");
                scene.stage.settled_on("1.4.0").await;
            }
            _ => scene.stage.settled_on("1.4.0").await,
        }
        scene.nobody_lost_a_request();
    }
}

#[tokio::test(start_paused = true)]
async fn an_alarm_that_is_not_there_holds_until_the_deadline_and_is_named() {
    let alarms = json!({"names": ["nobody-made-it"]});
    let scene = Scene::with(json!({"alarms": alarms, "deadlines": {"scaleUp": "5m"}})).await;
    scene.stage.wish("1.4.0");
    scene.waits("Analysis").await;
    scene.stage.rejected_back_to("1.3.0").await;
    let reason = "ScaleUp did not end before its deadline: alarms: there is no alarm nobody-made-it: create it, or take it out of `spec.alarms`";
    assert_eq!(scene.rejection(), reason);
    assert_eq!(scene.users_of("1.4.0"), 0);
    scene.nobody_lost_a_request();
}

#[tokio::test(start_paused = true)]
async fn a_denied_look_at_the_alarms_holds_and_names_the_call() {
    let scene = Scene::alarmed("refuse").await;
    let denied = Fault {
        service: Some(Service::CloudWatch),
        operation: Some("DescribeAlarms".to_owned()),
        when: When::Always,
        effect: Effect::AccessDenied,
    };
    scene.stage.emulator.faults().set(FaultSettings {
        plan: vec![denied],
        ..FaultSettings::default()
    });
    scene.stage.wish("1.4.0");
    scene.waits("Analysis").await;
    tokio::time::sleep(Duration::from_secs(30)).await;
    let message = scene.message();
    assert!(
        message.contains("DescribeAlarms") && message.contains("denied"),
        "{message}"
    );
    assert_eq!(scene.stage.live().len(), 1, "nothing is created");
    scene.stage.emulator.faults().set(FaultSettings::default());
    scene.stage.settled_on("1.4.0").await;
    scene.nobody_lost_a_request();
}

#[tokio::test(start_paused = true)]
async fn green_that_nobody_uses_gets_no_more_until_the_deadline() {
    let mut scene = Scene::with(all_that_needs_no_query()).await;
    let users = scene.stage.users();
    scene.stage.close();
    tokio::time::sleep(Duration::from_secs(300)).await;
    scene.stage.wish("1.4.0");
    scene.waits("Analysis").await;
    let message = scene.message();
    assert!(message.starts_with("analysis "), "{message}");
    assert_eq!(scene.stage.weights(0), [Some(50), Some(50)]);
    scene.stage.rejected_back_to("1.3.0").await;
    let reason = scene.rejection();
    let begins = "Shift did not end before its deadline: analysis ";
    assert!(reason.starts_with(begins), "{reason}");
    assert_eq!(users.failed, 0);
}

#[tokio::test(start_paused = true)]
async fn a_prometheus_server_is_asked_and_its_answer_counts() {
    let analysis = json!({"orders": {
        "prometheus": {"address": "http://prometheus.example:9090/", "query": "orders_failed{version=\"{version}\"}"},
        "successWhen": "result < 0.1", "interval": "10s",
    }});
    let scene = Scene::with(json!({"analysis": analysis})).await;
    scene.wire.prometheus("0.01");
    scene.stage.wish("1.4.0");
    scene.stage.settled_on("1.4.0").await;
    let asked = "GET http://prometheus.example:9090/api/v1/query?query=orders_failed%7Bversion%3D%221.4.0%22%7D";
    assert_eq!(scene.wire.visits()[0], asked);
    scene.wire.prometheus("0.2");
    scene.stage.wish("1.5.0");
    scene.stage.rejected_back_to("1.4.0").await;
    assert_eq!(
        scene.rejection(),
        "analysis orders: the result is 0.2: result < 0.1 does not hold"
    );
    scene.nobody_lost_a_request();
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_answer_holds_and_the_release_goes_on_when_it_does() {
    let analysis = json!({"orders": {
        "prometheus": {"address": "http://prometheus.example:9090", "query": "orders_failed"},
        "successWhen": "result < 0.1", "interval": "10s",
    }});
    let mut scene = Scene::with(json!({"analysis": analysis})).await;
    scene.stage.wish("1.4.0");
    scene.waits("Analysis").await;
    let message = scene.message();
    let begins = "analysis orders to go well: the Prometheus server at http://prometheus.example:9090 told nothing";
    assert!(message.starts_with(begins), "{message}");
    scene.restart().await;
    scene.wire.prometheus("0.01");
    scene.stage.settled_on("1.4.0").await;
    scene.nobody_lost_a_request();
}
