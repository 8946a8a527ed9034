//! Services, task definitions and a record that a release cannot work with.

use emulator::api::Service;
use serde_json::{Value, json};
use tests::Stage;

use crate::account::{Account, Says, register};

const HOLDS: Says = Says {
    title: "",
    phase: "Holding",
    condition: ("", ""),
    words: &[],
};

/// The Application with another template.
fn template(stage: &Stage, change: impl Fn(&mut Value)) {
    let mut spec = stage.spec();
    change(&mut spec["spec"]["template"]);
    stage.put("spec", &spec.to_string());
}

#[tokio::test(start_paused = true)]
async fn a_foreign_service_on_one_of_the_groups() {
    let account = Account::serving().await;
    let says = Says {
        title: "service: a foreign one on one of the groups",
        condition: ("Stalled", "ForeignService"),
        words: &["old-blog", "does not carry", "adopt"],
        ..HOLDS
    };
    account
        .meets(says, |stage| {
            let input = json!({
                "cluster": "prod", "serviceName": "old-blog", "taskDefinition": "blog", "desiredCount": 1, "launchType": "FARGATE",
                "loadBalancers": [{"targetGroupArn": stage.groups[1], "containerName": "web", "containerPort": 8080}],
                "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-0a0a0a0a0a0a0a0a0"]}},
            });
            stage.person(Service::Ecs, "CreateService", input);
            stage.wish("1.4.0");
        })
        .await;
    account
        .repaired("1.4.0", |stage| {
            let input = json!({"cluster": "prod", "service": "old-blog", "force": true});
            stage.person(Service::Ecs, "DeleteService", input);
        })
        .await;
}

/// An alarm of the user's calls the policy by its ARN, which is another one on another service.
#[tokio::test(start_paused = true)]
async fn a_blue_that_is_scaled_by_the_users_alarm() {
    let account = Account::serving().await;
    let name = account.services("blog")[0]["serviceName"]
        .as_str()
        .expect("a name")
        .to_owned();
    let about = |members: Value| {
        let mut input = json!({
            "ServiceNamespace": "ecs", "ScalableDimension": "ecs:service:DesiredCount", "ResourceId": format!("service/prod/{name}"),
        });
        for (member, value) in members.as_object().expect("members") {
            input[member] = value.clone();
        }
        input
    };
    let says = Says {
        title: "service: blue is scaled by an alarm",
        condition: ("Stalled", "AutoscalingNotSupported"),
        words: &["blog-1-3-0", "cpu-high", "step-scaling", "target-tracking"],
        ..HOLDS
    };
    account
        .meets(says, |stage| {
            let limits = about(json!({"MinCapacity": 2, "MaxCapacity": 10}));
            stage.person(Service::AutoScaling, "RegisterScalableTarget", limits);
            let step = about(json!({
                "PolicyName": "more", "PolicyType": "StepScaling",
                "StepScalingPolicyConfiguration": {
                    "AdjustmentType": "ChangeInCapacity",
                    "StepAdjustments": [{"MetricIntervalLowerBound": 0.0, "ScalingAdjustment": 2}],
                },
            }));
            let put = stage.person(Service::AutoScaling, "PutScalingPolicy", step);
            let alarm = json!({
                "AlarmName": "cpu-high", "Namespace": "AWS/ECS", "MetricName": "CPUUtilization", "Statistic": "Average",
                "Period": 60, "EvaluationPeriods": 3, "Threshold": 80.0, "ComparisonOperator": "GreaterThanThreshold",
                "AlarmActions": [put["PolicyARN"]],
            });
            stage.person(Service::CloudWatch, "PutMetricAlarm", alarm);
            stage.wish("1.4.0");
        })
        .await;
    account
        .repaired("1.4.0", |stage| {
            let alarm = json!({"AlarmNames": ["cpu-high"]});
            stage.person(Service::CloudWatch, "DeleteAlarms", alarm);
        })
        .await;
}

const BASE: Says = Says {
    condition: ("Stalled", "BaseUnusable"),
    ..HOLDS
};

#[tokio::test(start_paused = true)]
async fn no_base_task_definition() {
    let account = Account::serving().await;
    let says = Says {
        title: "task definition: the base does not exist",
        words: &["blgo", "does not exist", "aws ecs register-task-definition"],
        ..BASE
    };
    account
        .meets(says, |stage| {
            // Another base is another release.
            template(stage, |template| template["taskDefinition"] = json!("blgo"));
        })
        .await;
    account
        .repaired("1.3.0", |stage| {
            stage.put("spec", &stage.spec().to_string())
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_base_task_definition_without_the_container() {
    let account = Account::serving().await;
    let read = account.stage.person(
        Service::Ecs,
        "DescribeTaskDefinition",
        json!({"taskDefinition": "blog"}),
    );
    let good = read["taskDefinition"].clone();
    let says = Says {
        title: "task definition: the base lacks the container",
        words: &[
            "blog:2",
            "\"web\"",
            "wbe, log-router",
            "register a revision",
        ],
        ..BASE
    };
    account
        .meets(says, |stage| {
            register(stage, &good, "blog", "wbe");
            stage.wish("1.4.0");
        })
        .await;
    account
        .repaired("1.4.0", |stage| register(stage, &good, "blog", "web"))
        .await;
}

#[tokio::test(start_paused = true)]
async fn no_cluster() {
    let account = Account::empty().await;
    let says = Says {
        title: "cluster: does not exist",
        condition: ("Stalled", "RepeatedErrors"),
        words: &["prdo", "Cluster not found", "create it"],
        ..HOLDS
    };
    let mut spec = account.stage.spec();
    spec["spec"]["cluster"] = json!("prdo");
    account.stage.put("spec", &spec.to_string());
    account.specs_are_read().await;
    account.meets(says, |stage| stage.wish("1.3.0")).await;
    account
        .repaired("1.3.0", |stage| {
            stage.put("spec", &stage.spec().to_string())
        })
        .await;
}

/// A record of garbage is as good as none: nothing that serves changes, and releases go on.
#[tokio::test(start_paused = true)]
async fn a_record_of_garbage() {
    let mut account = Account::serving().await;
    for garbage in [
        "\u{1}\u{2}",
        "{\"clean\":",
        "[]",
        "{\"rollout\":{\"stage\":\"Nonsense\"}}",
    ] {
        account.stage.put("record", garbage);
        tokio::time::sleep(std::time::Duration::from_secs(120)).await;
        account.settled("blog", "1.3.0").await;
        account.stage.put("record", garbage);
        account.restart().await;
        tokio::time::sleep(std::time::Duration::from_secs(120)).await;
        account.settled("blog", "1.3.0").await;
    }
    account.repaired("1.4.0", |stage| stage.wish("1.4.0")).await;
    account.shop_is_released().await;
}
