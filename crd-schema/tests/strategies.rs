//! What each strategy means, in steps.

#![expect(clippy::unwrap_used, reason = "a test may stop where it is wrong")]

use crd_schema::spec::{load, schema};
use crd_schema::strategy::Step;

const BLOG: &str = include_str!("../../manifests/examples/blog.yaml");

fn means(strategy: &str) -> String {
    let text = BLOG.replace("{blueGreen: {}}", strategy);
    let json: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
    let validator = jsonschema::validator_for(&schema()).unwrap();
    assert!(validator.is_valid(&json), "{strategy}");
    let steps = load(&text, "blog.yaml").unwrap().strategy.steps;
    let steps: Vec<String> = steps.iter().map(Step::to_string).collect();
    steps.join(", ")
}

#[test]
fn each_strategy_is_a_list_of_steps() {
    for (strategy, steps) in [
        ("{blueGreen: {}}", ""),
        (
            "{canary: {steps: [{setWeight: 0.1}, {pause: 90s}, {setWeight: 33.3}, {pause: {}}, {setWeight: 100}, {pause: 1h}]}}",
            "setWeight 0.1 %, pause 1m 30s, setWeight 33.3 %, pause until promoted, setWeight 100 %, pause 1h",
        ),
        (
            "{canary: {steps: [{setScale: 20}, {setWeight: 10}, {setScale: 55.5}, {setWeight: 55.5}]}}",
            "setScale 20 %, setWeight 10 %, setScale 55.5 %, setWeight 55.5 %",
        ),
        (
            "{linear: {stepPercent: 40, interval: 1m}}",
            "setWeight 40 %, pause 1m, setWeight 80 %, pause 1m",
        ),
        (
            "{linear: {stepPercent: 50, interval: 1s}}",
            "setWeight 50 %, pause 1s",
        ),
        ("{linear: {stepPercent: 100, interval: 1s}}", ""),
        ("{preset: CodeDeployDefault.ECSAllAtOnce}", ""),
        (
            "{preset: CodeDeployDefault.ECSCanary10Percent5Minutes}",
            "setWeight 10 %, pause 5m",
        ),
        (
            "{preset: CodeDeployDefault.ECSCanary10Percent15Minutes}",
            "setWeight 10 %, pause 15m",
        ),
    ] {
        assert_eq!(means(strategy), steps, "{strategy}");
    }
    for (preset, interval) in [("1Minutes", "1m"), ("3Minutes", "3m")] {
        let steps = means(&format!(
            "{{preset: CodeDeployDefault.ECSLinear10PercentEvery{preset}}}"
        ));
        let expected: Vec<String> = (1..10)
            .map(|step| format!("setWeight {step}0 %, pause {interval}"))
            .collect();
        assert_eq!(steps, expected.join(", "));
    }
}

#[test]
fn a_small_linear_step_is_a_long_way() {
    assert_eq!(
        means("{linear: {stepPercent: 0.1, interval: 1s}}")
            .matches("setWeight")
            .count(),
        999
    );
}
