//! What people read when the autoscaling of a document is wrong.

use std::fmt::Write;

use crd_schema::spec::load;

const BLOG: &str = include_str!("../../manifests/examples/blog-autoscaled.yaml");

#[test]
fn autoscaling() {
    let cases = [
        (
            "limits that contradict each other",
            "MaxCapacity: 20",
            "MaxCapacity: 1",
        ),
        (
            "a first count outside of them",
            "desiredCount: 4",
            "desiredCount: 40",
        ),
        ("no limits", "    MinCapacity: 2\n", ""),
        (
            "a word that is not known",
            "scheduledActions:",
            "schedules:",
        ),
        (
            "a policy without a name",
            "- PolicyName: backlog\n        PolicyType",
            "- PolicyType",
        ),
        (
            "two policies of one name",
            "PolicyName: backlog",
            "PolicyName: requests",
        ),
        (
            "step scaling",
            "PolicyName: backlog\n        PolicyType: TargetTrackingScaling",
            "PolicyName: backlog\n        PolicyType: StepScaling",
        ),
        (
            "somebody's service",
            "PolicyName: backlog\n",
            "PolicyName: backlog\n        ResourceId: service/prod/blog\n",
        ),
        (
            "one target group",
            "PredefinedMetricType: ALBRequestCountPerTarget",
            "ResourceLabel: app/prod/1/targetgroup/blog-a/2\n            PredefinedMetricType: ALBRequestCountPerTarget",
        ),
        (
            "an action without a schedule",
            "Schedule: cron(0 7 ? * MON-FRI *)\n",
            "EndTime: 2027-01-01T00:00:00Z\n",
        ),
    ];
    let mut gallery = String::new();
    for (name, from, to) in cases {
        assert_eq!(BLOG.matches(from).count(), 1, "{from:?} stands there once");
        let text = BLOG.replace(from, to);
        let invalid = load(&text, "blog.yaml").expect_err(name);
        writeln!(gallery, "## {name}\n\n{invalid}").expect("a text");
    }
    insta::assert_snapshot!(gallery);
}
