//! What a comparison means, and that the schema lets it pass.

#![expect(clippy::unwrap_used, reason = "a test may stop where it is wrong")]

use std::time::Duration;

use crd_schema::AnalysisName;
use crd_schema::analysis::Metric;
use crd_schema::spec::{load, schema};

const BLOG: &str = include_str!("../../manifests/examples/blog.yaml");

fn means(comparison: &str) -> Metric {
    let analysis = format!("analysis: {{slower: {{comparison: {comparison}}}}}");
    let text = BLOG
        .replace("{blueGreen: {}}", "{canary: {steps: [{setWeight: 10}]}}")
        .replace("drift: heal", &analysis);
    let json: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
    let validator = jsonschema::validator_for(&schema()).unwrap();
    assert!(validator.is_valid(&json), "{comparison}");
    let mut analyses = load(&text, "blog.yaml").unwrap().analyses;
    analyses
        .remove(&AnalysisName::new("slower"))
        .unwrap()
        .metric
}

#[test]
fn a_comparison_is_of_failed_requests_or_of_slow_ones() {
    for (comparison, false_alarms, slower_than) in [
        ("{}", 0.01, None),
        ("{falseAlarms: 5}", 0.05, None),
        ("{slowerThan: 300ms}", 0.01, Some(300)),
        ("{falseAlarms: 5, slowerThan: 1ms}", 0.05, Some(1)),
        ("{slowerThan: 1s 500ms}", 0.01, Some(1_500)),
        ("{slowerThan: 1m}", 0.01, Some(60_000)),
    ] {
        let expected = Metric::Comparison {
            false_alarms,
            slower_than: slower_than.map(Duration::from_millis),
        };
        assert_eq!(means(comparison), expected, "{comparison}");
    }
}
