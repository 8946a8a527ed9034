//! What load balancers publish.

use super::*;

const BEGAN: f64 = 1_800_000_000.0;

/// What the metric says of the last half hour, oldest first: seconds since the beginning, and the statistic.
fn data(stage: &mut Stage, name: &str, group: Option<&str>, stat: &str) -> Vec<(f64, f64)> {
    let resource = |arn: &str| arn.rsplit_once(':').unwrap().1.to_owned();
    let balancer = resource(&stage.load_balancer);
    let balancer = balancer.strip_prefix("loadbalancer/").unwrap();
    let mut dimensions = vec![json!({"Name": "LoadBalancer", "Value": balancer})];
    if let Some(group) = group {
        dimensions.insert(0, json!({"Name": "TargetGroup", "Value": resource(group)}));
    }
    let metric =
        json!({"Namespace": "AWS/ApplicationELB", "MetricName": name, "Dimensions": dimensions});
    let now = BEGAN + stage.world.now as f64 / 1000.0;
    let input = json!({
        "MetricDataQueries": [{"Id": "m1", "MetricStat": {"Metric": metric, "Period": 60, "Stat": stat}}],
        "StartTime": now - 1800.0, "EndTime": now, "ScanBy": "TimestampAscending",
    });
    let answer = call_on(
        &mut stage.world,
        Service::CloudWatch,
        "GetMetricData",
        input,
    )
    .unwrap();
    let result = &answer["MetricDataResults"][0];
    let numbers = |member: &str| {
        let numbers = result[member].as_array().unwrap().clone();
        numbers.into_iter().map(|number| number.as_f64().unwrap())
    };
    numbers("Timestamps")
        .map(|at| at - BEGAN)
        .zip(numbers("Values"))
        .collect()
}

/// A stage with a service behind blue that is up, at a whole minute.
fn serving() -> Stage {
    let mut stage = Stage::new();
    let blue = stage.blue.clone();
    let definition = stage.register("web:1");
    stage.create("web", &blue, &definition, 2).unwrap();
    stage.until_steady("web");
    let into = stage.world.now / 1000 % 60;
    stage.pass(60 - into);
    stage
}

#[test]
fn requests_are_seen_after_the_delay_and_only_where_there_were_any() {
    let mut stage = serving();
    let (blue, green) = (stage.blue.clone(), stage.green.clone());
    let began = stage.world.now as f64 / 1000.0;
    let users = stage.users(2.0);
    stage.pass(90);
    traffic::stop(&mut stage.world, users);
    let requests = |stage: &mut Stage| data(stage, "RequestCount", Some(&blue), "Sum");
    assert_eq!(requests(&mut stage), []);
    stage.pass(29);
    assert_eq!(requests(&mut stage), []);
    stage.pass(1);
    // A minute after the minute's end.
    assert_eq!(requests(&mut stage), [(began, 120.0)]);
    stage.pass(60);
    // From the first to the last of 181 requests, a half second apart.
    let both = [(began, 120.0), (began + 60.0, 61.0)];
    assert_eq!(requests(&mut stage), both);
    // No requests, no data: not 0.
    stage.pass(300);
    assert_eq!(requests(&mut stage), both);
    for name in ["RequestCount", "HTTPCode_Target_2XX_Count"] {
        assert_eq!(data(&mut stage, name, None, "Sum"), both, "{name}");
        assert_eq!(data(&mut stage, name, Some(&green), "Sum"), [], "{name}");
    }
    for name in ["HTTPCode_Target_5XX_Count", "HTTPCode_ELB_5XX_Count"] {
        assert_eq!(data(&mut stage, name, None, "Sum"), [], "{name}");
    }
    for stat in ["Average", "p99", "Maximum"] {
        let times = data(&mut stage, "TargetResponseTime", Some(&blue), stat);
        let seconds: Vec<f64> = times.iter().map(|(_, seconds)| *seconds).collect();
        assert!(
            seconds.iter().all(|seconds| (seconds - 0.02).abs() < 1e-9),
            "{stat}: {seconds:?}"
        );
        assert_eq!(seconds.len(), 2);
    }
}

#[test]
fn errors_of_targets_and_of_the_load_balancer_are_told_apart() {
    let mut stage = serving();
    let blue = stage.blue.clone();
    let behaviour = Behaviour {
        error_share: 0.5,
        ..Behaviour::default()
    };
    stage.behave("web:1", behaviour);
    stage.users(10.0);
    stage.pass(60);
    // Nothing is left that could answer.
    stage.weigh(0, 1);
    stage.pass(300);
    let sum = |stage: &mut Stage, name: &str, group: Option<&str>| {
        data(stage, name, group, "Sum")
            .iter()
            .map(|(_, count)| count)
            .sum::<f64>()
    };
    let failed = sum(&mut stage, "HTTPCode_Target_5XX_Count", Some(&blue));
    let fine = sum(&mut stage, "HTTPCode_Target_2XX_Count", Some(&blue));
    let requests = sum(&mut stage, "RequestCount", Some(&blue));
    assert!((200.0..400.0).contains(&failed), "{failed} of {requests}");
    assert_eq!(failed + fine, requests);
    // The load balancer's own are no requests of a target, and of no group.
    assert!(sum(&mut stage, "HTTPCode_ELB_5XX_Count", None) > 1_000.0);
    assert_eq!(sum(&mut stage, "HTTPCode_ELB_5XX_Count", Some(&blue)), 0.0);
    assert_eq!(sum(&mut stage, "RequestCount", None), requests);
}

#[test]
fn hosts_are_counted_each_minute_while_a_rule_uses_the_group() {
    let mut stage = serving();
    let blue = stage.blue.clone();
    let began = stage.world.now as f64 / 1000.0;
    stage.pass(60);
    let unhealthy = Behaviour {
        health_status: 500,
        ..Behaviour::default()
    };
    stage.behave("web:1", unhealthy);
    stage.pass(180);
    let hosts = |stage: &mut Stage, name: &str| {
        let seen = data(stage, name, Some(&blue), "Maximum");
        seen.into_iter()
            .filter(|(at, _)| *at >= began)
            .map(|(_, count)| count)
            .collect::<Vec<_>>()
    };
    // The last minute is not seen yet.
    assert_eq!(hosts(&mut stage, "HealthyHostCount"), [2.0, 0.0, 0.0]);
    assert_eq!(hosts(&mut stage, "UnHealthyHostCount")[0], 0.0);
    assert!(hosts(&mut stage, "UnHealthyHostCount")[1] > 0.0);
}

#[test]
fn metrics_outlive_their_group_and_do_not_grow_for_ever() {
    let mut stage = serving();
    let users = stage.users(1.0);
    stage.pass(119);
    traffic::stop(&mut stage.world, users);
    let rule = stage.rule.clone();
    stage.elb("DeleteRule", json!({"RuleArn": rule})).unwrap();
    let blue = stage.blue.clone();
    stage
        .elb("DeleteTargetGroup", json!({"TargetGroupArn": blue}))
        .unwrap();
    stage.pass(300);
    assert_eq!(
        data(&mut stage, "RequestCount", Some(&blue), "Sum").len(),
        2
    );
    let list = |stage: &mut Stage| {
        let answer = call_on(
            &mut stage.world,
            Service::CloudWatch,
            "ListMetrics",
            json!({}),
        )
        .unwrap();
        answer["Metrics"].as_array().unwrap().len()
    };
    assert!(list(&mut stage) >= 8);
    stage.pass(7 * 3600);
    assert_eq!(list(&mut stage), 0);
    assert!(stage.world.cloudwatch.metrics.is_empty());
}
