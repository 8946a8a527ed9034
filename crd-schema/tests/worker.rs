//! A service without a load balancer: what it may say, and what people read who say more.

#![expect(clippy::panic, reason = "a test may stop where it is wrong")]

use std::fmt::Write;
use std::time::Duration;

use crd_schema::spec::load;

const WORKER: &str = include_str!("../../manifests/examples/worker.yaml");
const BLOG: &str = include_str!("../../manifests/examples/blog-minimal.yaml");

fn refused(text: &str) -> String {
    match load(text, "worker.yaml") {
        Ok(_) => panic!("this must be refused:\n{text}"),
        Err(invalid) => {
            let placed = |problem: &crd_schema::spec::Problem| problem.line > 1;
            assert!(invalid.problems.iter().all(placed), "{invalid:?}");
            invalid.to_string()
        }
    }
}

fn edited(from: &str, to: &str) -> String {
    assert_eq!(
        WORKER.matches(from).count(),
        1,
        "{from:?} stands there once"
    );
    WORKER.replace(from, to)
}

#[test]
fn a_worker_has_no_route_and_waits_for_no_traffic() {
    let worker = load(WORKER, "worker.yaml").unwrap();
    assert!(worker.is_worker());
    assert!(worker.production().next().is_none() && worker.target_groups().is_none());
    assert_eq!(worker.clean_up.settle, Duration::ZERO);
    let blog = load(BLOG, "blog.yaml").unwrap();
    assert!(!blog.is_worker());
    assert_eq!(blog.clean_up.settle, Duration::from_secs(30));
}

#[test]
fn what_only_a_load_balancer_can_do_is_refused_by_name() {
    let overlap = "  worker: {overlap: true}\n";
    let age = "analysis:\n    age:";
    let traffic = BLOG.split_once("  traffic:").unwrap().1;
    let cases = [
        ("neither traffic nor worker", edited(overlap, "")),
        (
            "worker with nothing to say",
            edited(overlap, "  worker: {}\n"),
        ),
        (
            "never two versions at a time",
            edited(overlap, "  worker: {overlap: false}\n"),
        ),
        ("worker and traffic", format!("{WORKER}  traffic:{traffic}")),
        (
            "steps",
            edited(
                overlap,
                &format!("{overlap}  strategy: {{canary: {{steps: [{{setWeight: 10}}]}}}}\n"),
            ),
        ),
        (
            "a preset with steps",
            edited(
                overlap,
                &format!(
                    "{overlap}  strategy: {{preset: CodeDeployDefault.ECSLinear10PercentEvery1Minutes}}\n"
                ),
            ),
        ),
        (
            "waits for traffic",
            edited(overlap, &format!("{overlap}  cleanUp: {{keepBlue: 5m}}\n")),
        ),
        (
            "autoscaling",
            edited(
                overlap,
                &format!("{overlap}  autoscaling: {{MinCapacity: 1, MaxCapacity: 9}}\n"),
            ),
        ),
        (
            "a grace period for the load balancer's checks",
            edited(
                "      launchType: FARGATE\n",
                "      launchType: FARGATE\n      healthCheckGracePeriodSeconds: 30\n",
            ),
        ),
        (
            "a gate before the removal of what failed",
            edited("before: CleanUp", "before: RollBack"),
        ),
        (
            "an analysis of requests",
            edited(
                age,
                "analysis:\n    good: {successRate: {atLeast: 99}}\n    age:",
            ),
        ),
        (
            "a query about a target group",
            edited("value: mails", "value: \"{greenTargetGroup}\""),
        ),
    ];
    let gallery = cases
        .iter()
        .fold(String::new(), |mut gallery, (name, text)| {
            writeln!(gallery, "## {name}\n\n{}", refused(text)).unwrap();
            gallery
        });
    insta::assert_snapshot!(gallery);
}

#[test]
fn a_preset_that_moves_everything_at_once_is_blue_green() {
    let overlap = "  worker: {overlap: true}\n";
    let preset = "  strategy: {preset: CodeDeployDefault.ECSAllAtOnce}\n";
    let text = edited(overlap, &format!("{overlap}{preset}"));
    assert_eq!(load(&text, "worker.yaml"), load(WORKER, "worker.yaml"));
}
