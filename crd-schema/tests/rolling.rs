//! ECS's own rolling update: what it may say, what ECS is told, and what people read who say more.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may stop where it is wrong"
)]

use std::fmt::Write;

use crd_schema::application::TargetGroups;
use crd_schema::spec::load;
use crd_schema::{Application, TargetGroupArn};
use serde_json::{Value, json};

const ROLLING: &str = include_str!("../../manifests/examples/rolling.yaml");
const BLOG: &str = include_str!("../../manifests/examples/blog-minimal.yaml");

fn refused(text: &str) -> String {
    match load(text, "rolling.yaml") {
        Ok(_) => panic!("this must be refused:\n{text}"),
        Err(invalid) => {
            let placed = |problem: &crd_schema::spec::Problem| problem.line > 1;
            assert!(invalid.problems.iter().all(placed), "{invalid:?}");
            invalid.to_string()
        }
    }
}

fn edited(changes: &[(&str, &str)]) -> String {
    changes.iter().fold(ROLLING.to_owned(), |text, (from, to)| {
        assert_eq!(text.matches(from).count(), 1, "{from:?} stands there once");
        text.replace(from, to)
    })
}

fn loaded(changes: &[(&str, &str)]) -> Application {
    load(&edited(changes), "rolling.yaml").unwrap()
}

fn service(application: &Application, pointer: &str) -> Value {
    let service = Value::Object(application.template.service.clone());
    service.pointer(pointer).cloned().unwrap_or_default()
}

const APART: &str = "  worker: {overlap: false}\n";
const TOGETHER: &str = "  worker: {overlap: true}\n";
const FARGATE: &str = "      launchType: FARGATE\n";
const COUNT: &str = "desiredCount: 1";
const ROLLS: &str = "  strategy: {rolling: {}}\n";

/// A load balancer in the worker's place, with these target groups.
fn behind(groups: &str) -> String {
    let elb = "arn:aws:elasticloadbalancing:eu-west-1:123456789012";
    let groups = groups.replace("TARGET_GROUP", &format!("{elb}:targetgroup"));
    let listener = format!("{elb}:listener/app/prod/0000000000000003/0000000000000004");
    format!(
        "  traffic:\n    routes:\n      - {{container: worker, port: 8080, targetGroups: {{{groups}}}, production: [{{listener: {listener}}}]}}\n"
    )
}

#[test]
fn behind_a_load_balancer_one_group_is_enough() {
    let arn = |name: &str| {
        format!(
            "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/{name}/0000000000000001"
        )
    };
    let (one, two) = (
        TargetGroupArn::new(arn("ledger-a")),
        TargetGroupArn::new(arn("ledger-b")),
    );
    let single = behind("single: TARGET_GROUP/ledger-a/0000000000000001");
    let pair = behind(
        "pair: [TARGET_GROUP/ledger-a/0000000000000001, TARGET_GROUP/ledger-b/0000000000000001]",
    );
    for (text, groups) in [
        (single, TargetGroups::Single(one.clone())),
        (pair, TargetGroups::Pair([one, two])),
    ] {
        let application = loaded(&[(APART, &text)]);
        assert!(application.is_rolling() && !application.is_worker());
        assert_eq!(application.target_groups(), Some(&groups));
        let least = "/deploymentConfiguration/minimumHealthyPercent";
        assert_eq!(service(&application, least), Value::Null, "ECS's own: 100");
    }
}

#[test]
fn ecs_gives_up_and_the_operator_decides_what_then() {
    let breaker = "/deploymentConfiguration/deploymentCircuitBreaker";
    for application in [loaded(&[]), loaded(&[(APART, TOGETHER)])] {
        assert!(application.is_rolling() && application.is_worker());
        let given = service(&application, breaker);
        assert_eq!(given, json!({"enable": true, "rollback": false}));
    }
    let own = "      deploymentConfiguration: {deploymentCircuitBreaker: {enable: true, rollback: true}}\n";
    let own = loaded(&[(FARGATE, &format!("{FARGATE}{own}"))]);
    assert_eq!(service(&own, breaker)["rollback"], json!(true));
    let blog = load(BLOG, "blog.yaml").unwrap();
    assert!(!blog.is_rolling());
    assert_eq!(service(&blog, "/deploymentConfiguration"), Value::Null);
}

#[test]
fn without_overlap_the_old_task_stops_first() {
    let apart = loaded(&[]);
    let least = "/deploymentConfiguration/minimumHealthyPercent";
    let most = "/deploymentConfiguration/maximumPercent";
    assert_eq!(service(&apart, least), json!(0));
    assert_eq!(service(&apart, most), json!(100));
    assert_eq!(
        service(&apart, "/availabilityZoneRebalancing"),
        json!("DISABLED")
    );
    let together = loaded(&[(APART, TOGETHER)]);
    assert_eq!(service(&together, least), Value::Null, "ECS's own: 100");
    assert_eq!(
        service(&together, "/availabilityZoneRebalancing"),
        Value::Null
    );
    let full = "      deploymentConfiguration: {minimumHealthyPercent: 50, maximumPercent: 100}\n";
    let full = format!("{FARGATE}{full}");
    let full = loaded(&[
        (APART, TOGETHER),
        (COUNT, "desiredCount: 2"),
        (FARGATE, &full),
    ]);
    assert_eq!(
        service(&full, "/availabilityZoneRebalancing"),
        json!("DISABLED")
    );
}

#[test]
fn what_a_rolling_update_cannot_have_is_refused_by_name() {
    let bounds = |bounds: &str| format!("{FARGATE}      deploymentConfiguration: {bounds}\n");
    let (fixed, half, odd) = (
        bounds("{minimumHealthyPercent: 100, maximumPercent: 100}"),
        bounds("{minimumHealthyPercent: 50, maximumPercent: 150}"),
        bounds("{minimumHealthyPercent: 50, maximumPercent: 200}"),
    );
    let single = behind("single: TARGET_GROUP/ledger/0000000000000001");
    let each = behind("perRelease: {from: TARGET_GROUP/ledger/0000000000000001}");
    let traffic = format!("{single}  cleanUp: {{settle: 10s}}\n");
    let nothing = bounds("{minimumHealthyPercent: 0}");
    let rebalancing = format!("{FARGATE}      availabilityZoneRebalancing: ENABLED\n");
    let blue = "  alarms:";
    let blue_service = "  analysis: {age: {prometheus: {address: 'http://prometheus:9090', query: 'age{service=\"{blueService}\"}'}, successWhen: result < 9}}\n  alarms:";
    let route = |groups: &str, listener: char| {
        let all = behind(groups);
        let route = all.split_once("routes:\n").unwrap().1;
        route.replace("0000000000000004", &format!("000000000000000{listener}"))
    };
    let another = |groups: &str| format!("{single}{}", route(groups, '5'));
    let mixed = another("pair: [TARGET_GROUP/x/0000000000000001, TARGET_GROUP/y/0000000000000001]");
    let same = another("single: TARGET_GROUP/ledger/0000000000000001");
    let cases: [(&str, &[(&str, &str)]); 19] = [
        ("one group beside a pair", &[(APART, &mixed)]),
        ("one group on two routes", &[(APART, &same)]),
        ("a group for each release", &[(APART, &each)]),
        (
            "one group for two services",
            &[(APART, &single), (ROLLS, "")],
        ),
        ("waits for a blue", &[(APART, &traffic)]),
        (
            "a gate before a removal that is none",
            &[(APART, &single), ("before: CleanUp", "before: RollBack")],
        ),
        (
            "no task at all behind a load balancer",
            &[(APART, &single), (FARGATE, &nothing)],
        ),
        (
            "analysis of two where there is one",
            &[
                (APART, &single),
                (blue, "  analysis: {both: {comparison: {}}}\n  alarms:"),
            ],
        ),
        ("never two, of two services", &[(ROLLS, "")]),
        ("never two, of several tasks", &[(COUNT, "desiredCount: 2")]),
        ("never two, with bounds for two", &[(FARGATE, &odd)]),
        ("never two, rebalanced", &[(FARGATE, &rebalancing)]),
        (
            "bounds of rolling itself",
            &[("{rolling: {}}", "{rolling: {maximumPercent: 200}}")],
        ),
        (
            "bounds that block ECS",
            &[(APART, TOGETHER), (FARGATE, &fixed)],
        ),
        (
            "bounds that block ECS once it has rounded",
            &[(APART, TOGETHER), (FARGATE, &half)],
        ),
        (
            "a gate where there is no stage",
            &[("before: CleanUp", "before: Shift")],
        ),
        (
            "a gate that does not say where",
            &[("{approval: {}, before: CleanUp}", "{approval: {}}")],
        ),
        (
            "a gate at roll-back",
            &[("before: CleanUp", "before: RollBack")],
        ),
        ("a query about blue", &[(blue, blue_service)]),
    ];
    let gallery = cases
        .iter()
        .fold(String::new(), |mut gallery, (name, changes)| {
            writeln!(gallery, "## {name}\n\n{}", refused(&edited(changes))).unwrap();
            gallery
        });
    insta::assert_snapshot!(gallery);
}
