//! The shipped IAM policy allows what the operator asks, needs all that it allows, and allows nothing beside it.

use std::collections::{BTreeMap, BTreeSet};

use tests::Stage;
use tests::iam::{Asked, Policy};

use crate::plan::{Plan, Scene};
use crate::run::run;
use crate::scene;

/// Each kind of rollout once.
fn reference() -> Vec<Plan> {
    vec![
        Plan::calm(Scene::Empty, "1.3.0"),
        Plan::calm(Scene::Ruled, "1.4.0"),
        Plan::calm(Scene::PerRelease, "1.4.0"),
        Plan::calm(Scene::Gated, "1.4.0"),
        Plan {
            leased: true,
            ..Plan::calm(Scene::Serving, "1.4.0")
        },
        Plan::bad(),
        Plan::stuck(),
        many(),
    ]
}

/// More releases than revisions are kept.
fn many() -> Plan {
    serde_json::from_str(include_str!("plans/six-releases.json")).unwrap()
}

fn policy() -> Policy {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let stage = Stage::resumed(&scene::snapshot(Scene::Ruled).await);
        Policy::shipped(&stage.listeners, &scene::rules(&stage)).unwrap()
    })
}

#[test]
fn no_statement_can_be_left_out() {
    let mut asked = BTreeSet::new();
    for plan in reference() {
        let report = run(&plan);
        report.check(&plan);
        asked.extend(report.asked);
    }
    let policy = policy();
    for sid in policy.sids() {
        let poorer = policy.clone().without(&sid);
        assert!(
            asked
                .iter()
                .any(|asked| policy.allows(asked) && !poorer.allows(asked)),
            "no rollout needs the statement {sid}"
        );
    }
}

#[test]
fn writes_elsewhere_are_denied() {
    let arn =
        |service: &str, path: &str| format!("arn:aws:{service}:eu-west-1:123456789012:{path}");
    let tagged = |key: &str| {
        BTreeMap::from([
            (key.to_owned(), BTreeSet::from(["teal".to_owned()])),
            (
                "ecs:cluster".to_owned(),
                BTreeSet::from([arn("ecs", "cluster/prod")]),
            ),
        ])
    };
    let policy = policy();
    let ask = |action: &str, resource: String, context| {
        let action = action.to_owned();
        policy.allows(&Asked {
            action,
            resource,
            context,
        })
    };
    let (ours, none) = (tagged("aws:ResourceTag/teal:managed-by"), BTreeMap::new());
    let service = arn("ecs", "service/prod/blog-1");
    assert!(ask("ecs:DeleteService", service.clone(), ours.clone()));
    let elsewhere = [
        ("ecs:DeleteService", service.clone(), none.clone()),
        ("ecs:UpdateService", service.clone(), none.clone()),
        (
            "ecs:UpdateService",
            arn("ecs", "service/other/blog-1"),
            ours.clone(),
        ),
        ("ecs:CreateService", service.clone(), none.clone()),
        ("ecs:TagResource", service.clone(), ours),
        (
            "ecs:RegisterTaskDefinition",
            arn("ecs", "task-definition/blog"),
            tagged("aws:RequestTag/teal:managed-by"),
        ),
        (
            "ecs:RunTask",
            arn("ecs", "task-definition/blog:1"),
            tagged("aws:RequestTag/teal:managed-by"),
        ),
        (
            "lambda:InvokeFunction",
            arn("lambda", "function:another"),
            none.clone(),
        ),
        (
            "elasticloadbalancing:ModifyListener",
            arn("elasticloadbalancing", "listener/app/other/1/2"),
            none.clone(),
        ),
        (
            "elasticloadbalancing:ModifyRule",
            arn("elasticloadbalancing", "listener-rule/app/other/1/2/3"),
            none.clone(),
        ),
        (
            "elasticloadbalancing:DeleteTargetGroup",
            arn("elasticloadbalancing", "targetgroup/blog-a/1"),
            none.clone(),
        ),
        (
            "ssm:PutParameter",
            arn("ssm", "parameter/teal/apps/blog/desired"),
            none.clone(),
        ),
        (
            "ssm:PutParameter",
            arn("ssm", "parameter/teal/apps/blog/spec"),
            none.clone(),
        ),
        (
            "iam:PassRole",
            "arn:aws:iam::123456789012:role/administrator".to_owned(),
            none,
        ),
    ];
    for (action, resource, context) in elsewhere {
        assert!(
            !ask(action, resource.clone(), context),
            "{action} on {resource} is allowed"
        );
    }
}

#[test]
fn what_the_evaluator_does_not_know_is_an_error() {
    let statement = |more: &str| {
        let one = format!(
            r#"{{"Sid": "One", "Effect": "Allow", "Action": "a:B", "Resource": "*"{more}}}"#
        );
        Policy::parse(&format!(r#"{{"Statement": [{one}]}}"#))
    };
    assert!(statement("").is_ok());
    assert!(statement(r#", "NotAction": "a:C""#).is_err());
    assert!(statement(r#", "Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}"#).is_err());
}
