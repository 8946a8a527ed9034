//! Where runs begin: each scene is set once a process, and every run goes on from a copy of it.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use emulator::api::Service;
use emulator::world::Settings;
use emulator::world::behaviour::{Behaviour, Exit};
use emulator::world::lambda::{Answer, Function};
use serde_json::{Value, json};
use tests::{Snapshot, Stage};

use crate::plan::Scene;
use crate::secrets::{ENVIRONMENT, SECURE, SIGNS};

static SET: Mutex<BTreeMap<Scene, Snapshot>> = Mutex::new(BTreeMap::new());

/// The scene, and the ARNs of its rules.
pub(crate) async fn snapshot(scene: Scene) -> Snapshot {
    let set = SET
        .lock()
        .expect("no test panics here")
        .get(&scene)
        .cloned();
    if let Some(set) = set {
        return set;
    }
    let set = set_up(scene).await;
    SET.lock()
        .expect("no test panics here")
        .insert(scene, set.clone());
    set
}

pub(crate) async fn set_up(scene: Scene) -> Snapshot {
    fastrand::seed(0);
    let settings = Settings {
        task_provisioning_ms: 2_000,
        task_pending_ms: 5_000,
        task_activating_ms: 1_000,
        // Nodes of the load balancer that take their time, as the settle time of 30 s allows.
        propagation_min_ms: 22_000,
        propagation_max_ms: 28_000,
        functions: BTreeMap::from([("blog-smoke-test".to_owned(), smoke_test())]),
        ..Settings::default()
    };
    let mut stage = Stage::with(settings, |mut spec| {
        spec["spec"]["bakeTime"] = "10s".into();
        if scene == Scene::PerRelease {
            let groups = &mut spec["spec"]["traffic"]["routes"][0]["targetGroups"];
            let from = groups["pair"][0].clone();
            *groups = json!({"perRelease": {"from": from}});
            spec["spec"]["autoscaling"] = autoscaling();
        }
        if scene == Scene::Gated {
            let task = json!({"container": "web", "command": ["bin/migrate"]});
            spec["spec"]["gates"] = json!({
                "migrate": {"ecsTask": task, "before": "ScaleUp", "timeout": "2m"},
                "qa": {"webhook": {"url": "https://hooks.example/qa", "secret": {"parameter": "/teal/secrets/qa"}}},
                "smoke": {"lambda": {"function": "blog-smoke-test"}},
            });
            spec["spec"]["alarms"] = json!({"names": ["blog-5xx"]});
            let rate = json!({"successRate": {"atLeast": 99}, "onNoData": "pass"});
            spec["spec"]["analysis"] = json!({"errors": rate});
        }
        spec
    });
    for version in ["1.3.0", "1.4.0"] {
        let exits = Some(Exit {
            after_ms: 1_000,
            code: 0,
        });
        let migration = Behaviour {
            exits,
            ..Behaviour::default()
        };
        stage.behave(&format!("{version} bin/migrate"), migration);
    }
    if scene == Scene::PerRelease {
        stage.set_weights([Some(1), None]);
    }
    if scene == Scene::Gated {
        let alarm = json!({
            "AlarmName": "blog-5xx", "Namespace": "Blog", "MetricName": "Errors", "Statistic": "Sum", "Period": 60,
            "EvaluationPeriods": 1, "Threshold": 5.0, "ComparisonOperator": "GreaterThanThreshold",
        });
        stage.person(Service::CloudWatch, "PutMetricAlarm", alarm);
    }
    stage.create_leases();
    hide_secrets(&stage);
    if scene == Scene::Ruled {
        add_rule(&stage);
    }
    if scene != Scene::Empty {
        stage.wish("1.3.0");
        let operator = stage.operator();
        stage.settled_on("1.3.0").await;
        stage.open(5.0);
        tokio::time::sleep(Duration::from_secs(30)).await;
        operator.stop().await;
    }
    stage.snapshot()
}

/// Scaled by requests, and more in the mornings.
fn autoscaling() -> Value {
    let by_requests = json!({
        "TargetValue": 1000,
        "PredefinedMetricSpecification": {"PredefinedMetricType": "ALBRequestCountPerTarget"},
    });
    json!({
        "MinCapacity": 2,
        "MaxCapacity": 4,
        "policies": [{
            "PolicyName": "requests",
            "PolicyType": "TargetTrackingScaling",
            "TargetTrackingScalingPolicyConfiguration": by_requests,
        }],
        "scheduledActions": [{
            "ScheduledActionName": "mornings",
            "Schedule": "cron(0 7 * * ? *)",
            "ScalableTargetAction": {"MinCapacity": 3},
        }],
    })
}

/// A function that wants to be asked twice.
fn smoke_test() -> Function {
    let answers = [
        json!({"hookStatus": "IN_PROGRESS", "callBackDelay": 5}),
        json!({"hookStatus": "SUCCEEDED"}),
    ];
    Function {
        answers: answers.map(Answer::Returns).into(),
    }
}

/// Secrets where the operator comes by: in the base task definition, and beside the application's own parameters.
fn hide_secrets(stage: &Stage) {
    let read = stage.person(
        Service::Ecs,
        "DescribeTaskDefinition",
        json!({"taskDefinition": "blog"}),
    );
    let described = &read["taskDefinition"];
    let mut body = json!({});
    for member in [
        "family",
        "networkMode",
        "requiresCompatibilities",
        "cpu",
        "memory",
        "executionRoleArn",
        "taskRoleArn",
        "containerDefinitions",
    ] {
        body[member] = described[member].clone();
    }
    body["containerDefinitions"][0]["environment"] =
        json!([{"name": "DATABASE_PASSWORD", "value": ENVIRONMENT}]);
    stage.person(Service::Ecs, "RegisterTaskDefinition", body);
    let token = json!({"Name": "/teal/apps/blog/token", "Value": SECURE, "Type": "SecureString"});
    stage.person(Service::Ssm, "PutParameter", token);
    let signs = json!({"Name": "/teal/secrets/qa", "Value": SIGNS, "Type": "SecureString"});
    stage.person(Service::Ssm, "PutParameter", signs);
}

/// A rule of the production listener that the spec lists too.
fn add_rule(stage: &Stage) {
    let made = stage.person(
        Service::Elbv2,
        "CreateRule",
        json!({
            "ListenerArn": stage.listeners[0],
            "Priority": 10,
            "Conditions": [{"Field": "path-pattern", "PathPatternConfig": {"Values": ["/shop/*"]}}],
            "Actions": [{"Type": "forward", "TargetGroupArn": stage.groups[0]}],
        }),
    );
    let mut spec = stage.get("spec");
    let rules = spec["spec"]["traffic"]["routes"][0]["production"].as_array_mut();
    rules
        .expect("a list")
        .push(json!({"rule": made["Rules"][0]["RuleArn"]}));
    stage.put("spec", &spec.to_string());
}

/// The ARNs of the rules that the spec lists.
pub(crate) fn rules(stage: &Stage) -> Vec<String> {
    let spec = stage.get("spec");
    let production = spec["spec"]["traffic"]["routes"][0]["production"].clone();
    let rules = production.as_array().into_iter().flatten();
    rules
        .filter_map(|one| one["rule"].as_str().map(str::to_owned))
        .collect()
}
