//! Metrics of clients: what is put and what is read.

use super::alarms::{BEGAN, Watch};
use super::*;

fn query(members: Value) -> Value {
    let mut stat =
        json!({"Metric": {"Namespace": "Shop", "MetricName": "Time"}, "Period": 60, "Stat": "Sum"});
    for (name, value) in members.as_object().unwrap() {
        stat[name] = value.clone();
    }
    json!({"Id": "m1", "MetricStat": stat})
}

impl Watch {
    /// Timestamps since the beginning and values of one query over the first hour.
    fn data(&mut self, stat: Value) -> Vec<(f64, f64)> {
        let input = json!({
            "MetricDataQueries": [query(stat)], "StartTime": BEGAN - 3600.0, "EndTime": BEGAN + 3600.0,
            "ScanBy": "TimestampAscending",
        });
        let answer = self.call("GetMetricData", input).unwrap();
        let result = &answer["MetricDataResults"][0];
        assert_eq!(
            (result["StatusCode"].clone(), result["Label"].clone()),
            (json!("Complete"), json!("Time"))
        );
        let numbers = |member: &str| {
            let numbers = result[member].as_array().unwrap().clone();
            numbers.into_iter().map(|number| number.as_f64().unwrap())
        };
        numbers("Timestamps")
            .map(|at| at - BEGAN)
            .zip(numbers("Values"))
            .collect()
    }

    fn put(&mut self, items: Value) {
        let input = json!({"Namespace": "Shop", "MetricData": items});
        self.call("PutMetricData", input).unwrap();
    }
}

#[test]
fn values_are_read_as_they_were_put() {
    let mut watch = Watch::new();
    watch.pass(600);
    watch.put(json!([
        {"MetricName": "Time", "Values": [1, 2, 3, 4], "Counts": [1, 1, 1, 7], "Timestamp": BEGAN},
        {"MetricName": "Time", "Value": 10, "Timestamp": BEGAN + 59.0},
        {"MetricName": "Time", "Value": 20, "Timestamp": BEGAN + 240.0, "Unit": "Seconds"},
        {"MetricName": "Time", "Timestamp": BEGAN + 300.0,
            "StatisticValues": {"SampleCount": 4, "Sum": 10, "Minimum": 1, "Maximum": 5}},
        {"MetricName": "Time", "Value": 1000, "Dimensions": [{"Name": "a", "Value": "b"}]},
        {"MetricName": "Time", "Value": 7},
    ]));
    for (stat, expected) in [
        (
            json!({}),
            vec![(0.0, 44.0), (240.0, 20.0), (300.0, 10.0), (600.0, 7.0)],
        ),
        (
            json!({"Stat": "SampleCount"}),
            vec![(0.0, 11.0), (240.0, 1.0), (300.0, 4.0), (600.0, 1.0)],
        ),
        (
            json!({"Stat": "Average"}),
            vec![(0.0, 4.0), (240.0, 20.0), (300.0, 2.5), (600.0, 7.0)],
        ),
        (
            json!({"Stat": "Minimum"}),
            vec![(0.0, 1.0), (240.0, 20.0), (300.0, 1.0), (600.0, 7.0)],
        ),
        (
            json!({"Stat": "TC(2:10)"}),
            vec![(0.0, 9.0), (240.0, 0.0), (600.0, 1.0)],
        ),
        // Of a set of several values no percentile is known.
        (
            json!({"Stat": "p50"}),
            vec![(0.0, 4.0), (240.0, 20.0), (600.0, 7.0)],
        ),
        (
            json!({"Stat": "Maximum", "Period": 300}),
            vec![(0.0, 20.0), (300.0, 5.0), (600.0, 7.0)],
        ),
        (json!({"Unit": "Seconds"}), vec![(240.0, 20.0)]),
        (
            json!({"Metric": {"Namespace": "Shop", "MetricName": "Time", "Dimensions": [{"Name": "a", "Value": "c"}]}}),
            vec![],
        ),
    ] {
        assert_eq!(watch.data(stat.clone()), expected, "{stat}");
    }
}

#[test]
fn a_beginning_is_inclusive_and_an_end_is_not() {
    let mut watch = Watch::new();
    watch.pass(600);
    for minute in 0..5 {
        watch.put(json!([{"MetricName": "Time", "Value": minute, "Timestamp": BEGAN + f64::from(minute) * 60.0}]));
    }
    let mut get = |from: f64, to: f64, period: u64| {
        let input = json!({
            "MetricDataQueries": [query(json!({"Period": period}))], "StartTime": BEGAN + from, "EndTime": BEGAN + to,
        });
        watch.call("GetMetricData", input).unwrap()["MetricDataResults"][0]["Values"].clone()
    };
    assert_eq!(get(60.0, 180.0, 60), json!([2.0, 1.0]));
    // Both are rounded down to the minute.
    assert_eq!(get(119.0, 180.5, 60), json!([2.0, 1.0]));
    // Periods are counted from the beginning.
    assert_eq!(get(60.0, 600.0, 120), json!([7.0, 3.0]));
    assert_eq!(get(0.0, 600.0, 120), json!([4.0, 5.0, 1.0]));
}

#[test]
fn data_points_come_page_by_page() {
    let mut watch = Watch::new();
    watch.pass(600);
    for minute in 0..4 {
        watch.put(json!([{"MetricName": "Time", "Value": minute, "Timestamp": BEGAN + f64::from(minute) * 60.0}]));
    }
    let mut queries = [
        query(json!({})),
        query(json!({"Stat": "Maximum"})),
        query(json!({})),
    ];
    queries[1]["Id"] = json!("m2");
    (queries[2]["Id"], queries[2]["ReturnData"]) = (json!("m3"), json!(false));
    let mut input = json!({
        "MetricDataQueries": queries, "StartTime": BEGAN, "EndTime": BEGAN + 600.0, "MaxDatapoints": 3,
    });
    let mut pages = Vec::new();
    loop {
        let page = watch.call("GetMetricData", input.clone()).unwrap();
        let results = page["MetricDataResults"].as_array().unwrap();
        let results: Vec<String> = results
            .iter()
            .map(|one| format!("{} {} {}", one["Id"], one["Values"], one["StatusCode"]))
            .collect();
        pages.push(results.join(", "));
        match page.get("NextToken") {
            Some(token) => input["NextToken"] = token.clone(),
            None => break,
        }
    }
    insta::assert_snapshot!(pages.join("\n"), @r#"
    "m1" [3.0,2.0,1.0] "PartialData", "m2" [] "PartialData"
    "m1" [0.0] "Complete", "m2" [3.0,2.0] "PartialData"
    "m1" [] "Complete", "m2" [1.0,0.0] "Complete"
    "#);
}

#[test]
fn metrics_are_listed_by_what_they_are() {
    let mut watch = Watch::new();
    let dimensions =
        |value: &str| json!([{"Name": "Host", "Value": value}, {"Name": "Zone", "Value": "a"}]);
    watch.put(json!([
        {"MetricName": "Time", "Value": 1, "Dimensions": dimensions("one")},
        {"MetricName": "Time", "Value": 1, "Dimensions": dimensions("two")},
        {"MetricName": "Time", "Value": 1, "Unit": "Seconds"},
        {"MetricName": "Time", "Value": 1, "Unit": "Milliseconds"},
    ]));
    let mut count = |input: Value| {
        let answer = watch.call("ListMetrics", input).unwrap();
        answer["Metrics"].as_array().unwrap().len()
    };
    assert_eq!(count(json!({})), 3);
    assert_eq!(count(json!({"Namespace": "Shop", "MetricName": "Time"})), 3);
    assert_eq!(count(json!({"Namespace": "Other"})), 0);
    assert_eq!(count(json!({"Dimensions": [{"Name": "Host"}]})), 2);
    assert_eq!(
        count(json!({"Dimensions": [{"Name": "Host", "Value": "two"}, {"Name": "Zone"}]})),
        1
    );
    // What gets no data is not recently active, and after a while not there.
    watch.pass(4 * 3600);
    let mut count = |input: Value| {
        let answer = watch.call("ListMetrics", input).unwrap();
        answer["Metrics"].as_array().unwrap().len()
    };
    assert_eq!(
        (count(json!({})), count(json!({"RecentlyActive": "PT3H"}))),
        (3, 0)
    );
    watch.pass(4 * 3600);
    assert_eq!(
        watch.call("ListMetrics", json!({})).unwrap()["Metrics"],
        json!([])
    );
}

#[test]
fn data_that_aws_would_not_take_is_refused() {
    let mut watch = Watch::new();
    let many: Vec<Value> = (0..1001)
        .map(|_| json!({"MetricName": "Time", "Value": 1}))
        .collect();
    let set = json!({"SampleCount": 1, "Sum": 1, "Minimum": 2, "Maximum": 1});
    let mut refusals = Vec::new();
    for items in [
        json!([]),
        json!(many),
        json!([{"MetricName": "Time"}]),
        json!([{"MetricName": "Time", "Value": 1}, {"MetricName": "Time", "Value": 1, "Values": [1]}]),
        json!([{"MetricName": "Time", "Values": [1, 2], "Counts": [1]}]),
        json!([{"MetricName": "Time", "Values": vec![1; 151]}]),
        json!([{"MetricName": "Time", "Values": [1], "Counts": [0]}]),
        json!([{"MetricName": "Time", "Value": 1e200}]),
        json!([{"MetricName": "Time", "StatisticValues": set}]),
        json!([{"MetricName": "Time", "Value": 1, "StorageResolution": 30}]),
        json!([{"MetricName": "Time", "Value": 1, "Timestamp": 0}]),
        json!([{"MetricName": "Time", "Value": 1, "Timestamp": 1e300}]),
    ] {
        let input = json!({"Namespace": "Shop", "MetricData": items});
        refusals.push(watch.refused("PutMetricData", input).to_string());
    }
    let input =
        json!({"Namespace": "AWS/ApplicationELB", "MetricData": [{"MetricName": "a", "Value": 1}]});
    refusals.push(watch.refused("PutMetricData", input).to_string());
    // All or nothing.
    assert!(watch.0.cloudwatch.metrics.is_empty());
    let mut get = |queries: Value, members: Value| {
        let mut input =
            json!({"MetricDataQueries": queries, "StartTime": BEGAN, "EndTime": BEGAN + 60.0});
        for (name, value) in members.as_object().unwrap() {
            input[name] = value.clone();
        }
        refusals.push(watch.refused("GetMetricData", input).to_string());
    };
    let one = query(json!({}));
    let named = |id: &str| json!([{"Id": id, "MetricStat": one["MetricStat"].clone()}]);
    get(json!([]), json!({}));
    get(json!(vec![one.clone(); 501]), json!({}));
    get(json!([one, one]), json!({}));
    get(json!([one]), json!({"EndTime": BEGAN}));
    get(json!([one]), json!({"MaxDatapoints": 0}));
    get(json!([one]), json!({"NextToken": "more"}));
    get(named("M1"), json!({}));
    get(json!([{"Id": "e1", "Expression": "m1 / m2"}]), json!({}));
    get(json!([{"Id": "e1"}]), json!({}));
    get(json!([query(json!({"Stat": "tm90"}))]), json!({}));
    get(json!([query(json!({"Period": 61}))]), json!({}));
    insta::assert_snapshot!(refusals.join("\n"), @r"
    MissingRequiredParameterException: The parameter MetricData is required.
    InvalidParameterValueException: The collection MetricData must not have a size greater than 1000.
    MissingRequiredParameterException: At least one of the parameters MetricData.member.1.Value, MetricData.member.1.Values or MetricData.member.1.StatisticValues must be specified.
    InvalidParameterCombinationException: The parameters MetricData.member.2.Value and MetricData.member.2.Values are mutually exclusive and you have specified both.
    InvalidParameterValueException: The parameters MetricData.member.1.Values and MetricData.member.1.Counts must be of the same size.
    InvalidParameterValueException: The collection MetricData.member.1.Values must not have a size greater than 150.
    InvalidParameterValueException: The number of samples of MetricData.member.1 must be positive.
    InvalidParameterValueException: The value 100000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000 for parameter MetricData.member.1 is invalid.
    InvalidParameterValueException: The minimum of MetricData.member.1.StatisticValues must not exceed its maximum.
    InvalidParameterValueException: The parameter MetricData.member.1.StorageResolution must be 1 or 60.
    InvalidParameterValueException: The parameter MetricData.member.1.Timestamp must specify a time no more than two weeks in the past.
    InvalidParameterValueException: The parameter MetricData.member.1.Timestamp must specify a time within two hours in the future.
    InvalidParameterValueException: The value AWS/ for parameter Namespace is invalid.
    ValidationError: The collection MetricDataQueries must not be empty, and not have a size greater than 500.
    ValidationError: The collection MetricDataQueries must not be empty, and not have a size greater than 500.
    ValidationError: The values for parameter id in MetricDataQueries are not unique.
    ValidationError: The parameter StartTime must be less than the parameter EndTime.
    ValidationError: MaxDatapoints must be between 1 and 100800.
    InvalidNextToken: Invalid NextToken
    ValidationError: The value M1 for parameter Id must match the expression ^[a-z][a-zA-Z0-9_]*$.
    ValidationError: Metric math (the Expression of e1) is not emulated.
    ValidationError: Exactly one of MetricStat and Expression must be given for e1.
    ValidationError: The value tm90 for parameter Stat of m1 is not supported.
    ValidationError: The value 61 for parameter Period of m1 must be 1, 5, 10, 20, 30 or a multiple of 60.
    ");
}

#[test]
fn time_that_passes_faster_shortens_periods_and_not_the_clock() {
    let mut watch = Watch::with(Settings::default().scaled(10.0));
    watch.alarm(json!({"EvaluationPeriods": 2, "TreatMissingData": "notBreaching"}));
    for second in 0..30 {
        watch.put(json!([{"MetricName": "Time", "Value": second}]));
        watch.errors(1.0);
        watch.pass(1);
    }
    // A data point every six seconds, at the clock's own time.
    let fives: Vec<(f64, f64)> = vec![
        (0.0, 6.0),
        (6.0, 6.0),
        (12.0, 6.0),
        (18.0, 6.0),
        (24.0, 6.0),
    ];
    assert_eq!(watch.data(json!({"Stat": "SampleCount"})), fives);
    assert_eq!(
        watch.data(json!({"Stat": "SampleCount", "Period": 300})),
        [(0.0, 30.0)]
    );
    // Six errors in each period, and the alarm is evaluated once in each.
    assert_eq!(watch.state(), "ALARM");
    watch.pass(30);
    assert_eq!(watch.state(), "OK");
}
