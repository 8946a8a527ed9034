//! The seeds that come with the emulator can be planted and set the stage they describe.

#![expect(clippy::unwrap_used, reason = "a test stops at its first surprise")]

use emulator::Emulator;
use emulator::api::Service;
use emulator::seed::Seed;
use emulator::world::Settings;
use serde_json::{Value, json};

fn call(emulator: &Emulator, service: Service, operation: &str, input: Value) -> Value {
    emulator.call(service, operation, input).unwrap()
}

#[tokio::test]
async fn the_blog_has_a_pair_of_groups_with_all_weight_on_the_first() {
    let seed = Seed::parse(include_str!("../seeds/blog.json")).unwrap();
    let (one, other) = (
        Emulator::new(Settings::default()),
        Emulator::new(Settings::default()),
    );
    let mut arns = Vec::new();
    for emulator in [&one, &other] {
        seed.plant(emulator).unwrap();
        let balancers = call(
            emulator,
            Service::Elbv2,
            "DescribeLoadBalancers",
            json!({"Names": ["blog"]}),
        );
        let arn = balancers["LoadBalancers"][0]["LoadBalancerArn"].clone();
        let listeners = call(
            emulator,
            Service::Elbv2,
            "DescribeListeners",
            json!({"LoadBalancerArn": arn}),
        );
        let production = listeners["Listeners"]
            .as_array()
            .unwrap()
            .iter()
            .find(|one| one["Port"] == 8080)
            .unwrap();
        let groups = production["DefaultActions"][0]["ForwardConfig"]["TargetGroups"]
            .as_array()
            .unwrap()
            .clone();
        let weights: Vec<&Value> = groups.iter().map(|group| &group["Weight"]).collect();
        assert_eq!(weights, [100, 0]);
        arns.push((arn, production["ListenerArn"].clone(), groups));
    }
    assert_eq!(arns[0], arns[1], "a seed gives the same ARNs every time");
    let services = call(
        &one,
        Service::Ecs,
        "ListServices",
        json!({"cluster": "prod"}),
    );
    assert_eq!(services["serviceArns"], json!([]));
    let described = call(
        &one,
        Service::Ecs,
        "DescribeTaskDefinition",
        json!({"taskDefinition": "blog"}),
    );
    assert_eq!(described["taskDefinition"]["revision"], 1);
}
