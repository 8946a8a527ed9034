//! Alarms and metrics of clients, in time.

use super::*;

/// The stage's world alone: what is tested here needs no load balancer.
struct Watch(World);

/// `Stage` begins here, at a whole minute.
const BEGAN: f64 = 1_800_000_000.0;

impl Watch {
    fn new() -> Self {
        Self::with(Settings::default())
    }

    fn with(settings: Settings) -> Self {
        Self(World::new(settings, 1_800_000_000_000))
    }

    fn call(&mut self, operation: &str, input: Value) -> Result<Value, AwsError> {
        call_on(&mut self.0, Service::CloudWatch, operation, input)
    }

    /// Puts an alarm on more than one error a minute, with further members.
    fn alarm(&mut self, members: Value) {
        let mut input = alarm("errors");
        for (name, value) in members.as_object().unwrap() {
            input[name] = value.clone();
        }
        self.call("PutMetricAlarm", input).unwrap();
    }

    fn errors(&mut self, number: f64) {
        let data = json!([{"MetricName": "Errors", "Value": number}]);
        self.call(
            "PutMetricData",
            json!({"Namespace": "Shop", "MetricData": data}),
        )
        .unwrap();
    }

    fn seen(&mut self) -> Value {
        let seen = self.call("DescribeAlarms", json!({"AlarmNames": ["errors", "none"]}));
        let seen = seen.unwrap()["MetricAlarms"].clone();
        assert!(seen.as_array().unwrap().len() <= 1, "{seen}");
        seen[0].clone()
    }

    fn state(&mut self) -> String {
        string(&self.seen()["StateValue"])
    }

    fn pass(&mut self, seconds: u64) {
        let now = self.0.now;
        self.0.advance(now + seconds * 1000);
    }

    fn refused(&mut self, operation: &str, input: Value) -> AwsError {
        self.call(operation, input).unwrap_err()
    }
}

fn alarm(name: &str) -> Value {
    json!({
        "AlarmName": name, "Namespace": "Shop", "MetricName": "Errors", "Statistic": "Sum", "Period": 60,
        "EvaluationPeriods": 1, "Threshold": 1, "ComparisonOperator": "GreaterThanThreshold",
    })
}

#[test]
fn an_alarm_follows_its_metric() {
    let mut watch = Watch::new();
    watch.alarm(
        json!({"AlarmDescription": "too many", "AlarmActions": ["arn:aws:sns:eu-west-1:1:a"]}),
    );
    let created = watch.seen();
    watch.errors(0.0);
    watch.pass(120);
    let fine = watch.seen();
    watch.errors(1.0);
    watch.errors(1.0);
    watch.pass(120);
    let alarmed = watch.seen();
    // Without data for longer than the evaluation looks back, nothing is known.
    watch.pass(240);
    let unknown = watch.seen();
    insta::assert_json_snapshot!([created, fine, alarmed, unknown]);
}

#[test]
fn missing_data_means_what_the_alarm_says() {
    let mut found = Vec::new();
    for missing in ["missing", "ignore", "breaching", "notBreaching"] {
        let mut watch = Watch::new();
        watch.alarm(json!({"TreatMissingData": missing}));
        let mut states = Vec::new();
        // Nothing at all, one error too many, then nothing again.
        watch.pass(300);
        states.push(watch.state());
        watch.errors(5.0);
        watch.pass(120);
        states.push(watch.state());
        watch.pass(600);
        states.push(watch.state());
        found.push(format!("{missing}: {}", states.join(", ")));
    }
    insta::assert_snapshot!(found.join("\n"), @r"
    missing: INSUFFICIENT_DATA, ALARM, INSUFFICIENT_DATA
    ignore: INSUFFICIENT_DATA, ALARM, ALARM
    breaching: ALARM, ALARM, ALARM
    notBreaching: OK, ALARM, OK
    ");
}

#[test]
fn some_of_several_periods_are_enough() {
    let mut watch = Watch::new();
    watch.alarm(json!({"EvaluationPeriods": 3, "DatapointsToAlarm": 2}));
    let mut states = Vec::new();
    for errors in [5.0, 0.0, 0.0, 0.0, 5.0, 0.0, 5.0, 0.0, 0.0, 0.0] {
        watch.errors(errors);
        watch.pass(60);
        states.push(watch.state());
    }
    // The first period alone already speaks; later two of three are needed.
    insta::assert_snapshot!(states.join(" "), @r"INSUFFICIENT_DATA ALARM OK OK OK OK OK ALARM OK OK");
    assert_eq!(
        watch.seen()["StateReason"],
        "Threshold Crossed: 2 out of the last 3 datapoints [0.0 (15/01/27 08:07:00), 0.0 (15/01/27 08:05:00)] \
         were not greater than the threshold (1.0) (minimum 2 datapoints for ALARM -> OK transition)."
    );
}

#[test]
fn a_state_that_was_set_holds_until_an_evaluation_says_otherwise() {
    let mut watch = Watch::new();
    watch.alarm(json!({"TreatMissingData": "ignore"}));
    let set = |watch: &mut Watch, state: &str| {
        let input = json!({"AlarmName": "errors", "StateValue": state, "StateReason": "drill", "StateReasonData": "{}"});
        watch.call("SetAlarmState", input).unwrap();
    };
    watch.pass(90);
    set(&mut watch, "ALARM");
    watch.pass(600);
    let held = watch.seen();
    assert_eq!(
        (held["StateValue"].clone(), held["StateReason"].clone()),
        (json!("ALARM"), json!("drill"))
    );
    assert_eq!(held["StateTransitionedTimestamp"], BEGAN + 90.0);
    // The same again: the state is updated, not changed.
    set(&mut watch, "ALARM");
    let again = watch.seen();
    assert_eq!(again["StateTransitionedTimestamp"], BEGAN + 90.0);
    assert_eq!(again["StateUpdatedTimestamp"], BEGAN + 690.0);
    watch.errors(0.0);
    watch.pass(120);
    assert_eq!(watch.state(), "OK");
}

#[test]
fn a_deleted_alarm_is_gone_and_evaluated_no_more() {
    let mut watch = Watch::new();
    watch.alarm(json!({"TreatMissingData": "breaching"}));
    watch.pass(1);
    watch
        .call("DeleteAlarms", json!({"AlarmNames": ["none", "errors"]}))
        .unwrap();
    assert_eq!(watch.seen(), Value::Null);
    // One of the same name is another alarm.
    watch.alarm(json!({"TreatMissingData": "ignore"}));
    watch.pass(600);
    assert_eq!(
        watch.seen()["StateReason"],
        "Unchecked: Initial alarm creation"
    );
    // Putting it again keeps its state and its rhythm.
    watch.alarm(json!({"TreatMissingData": "breaching"}));
    assert_eq!(watch.state(), "INSUFFICIENT_DATA");
    watch.pass(60);
    assert_eq!(watch.state(), "ALARM");
}

#[test]
fn alarms_are_found_by_name_prefix_state_and_action_page_by_page() {
    let mut watch = Watch::new();
    for number in 0..60 {
        let mut input = alarm(&format!("a-{number:02}"));
        input["OKActions"] = json!([format!("arn:aws:sns:eu-west-1:1:{}", number % 2)]);
        watch.call("PutMetricAlarm", input).unwrap();
    }
    let set = json!({"AlarmName": "a-07", "StateValue": "ALARM", "StateReason": ""});
    watch.call("SetAlarmState", set).unwrap();
    let mut count = |input: Value| {
        let answer = watch.call("DescribeAlarms", input).unwrap();
        assert_eq!(answer["CompositeAlarms"], json!([]));
        (
            answer["MetricAlarms"].as_array().unwrap().len(),
            answer["NextToken"].clone(),
        )
    };
    assert_eq!(count(json!({})), (50, json!("a-49")));
    assert_eq!(count(json!({"NextToken": "a-49"})), (10, Value::Null));
    assert_eq!(count(json!({"MaxRecords": 100})), (60, Value::Null));
    assert_eq!(
        count(json!({"AlarmNamePrefix": "a-1", "MaxRecords": 10})),
        (10, Value::Null)
    );
    assert_eq!(count(json!({"StateValue": "ALARM"})), (1, Value::Null));
    assert_eq!(
        count(json!({"ActionPrefix": "arn:aws:sns:eu-west-1:1:1"})),
        (30, Value::Null)
    );
    assert_eq!(
        count(json!({"AlarmTypes": ["CompositeAlarm"]})),
        (0, Value::Null)
    );
    assert_eq!(
        count(json!({"AlarmTypes": ["MetricAlarm"], "AlarmNames": ["a-01", "b"]})),
        (1, Value::Null)
    );
}

#[test]
fn what_is_no_alarm_on_one_metric_is_refused_by_name() {
    let mut watch = Watch::new();
    let put = |watch: &mut Watch, members: Value| {
        let mut input = alarm("errors");
        for (name, value) in members.as_object().unwrap() {
            match value.is_null() {
                true => input.as_object_mut().unwrap().remove(name).map_or((), drop),
                false => input[name] = value.clone(),
            }
        }
        watch.refused("PutMetricAlarm", input).to_string()
    };
    let refusals: Vec<String> = [
        json!({"Metrics": [{"Id": "m1", "Expression": "m2 / m3"}]}),
        json!({"ThresholdMetricId": "ad1"}),
        json!({"ComparisonOperator": "LessThanLowerThreshold"}),
        json!({"EvaluationCriteria": {"PromQLCriteria": {"Query": "up"}}}),
        json!({"WarmUpConfiguration": {"WarmUpPeriodDurationInMinutes": 5}}),
        json!({"ExtendedStatistic": "p99"}),
        json!({"Statistic": null}),
        json!({"Statistic": null, "ExtendedStatistic": "tm90"}),
        json!({"Threshold": null}),
        json!({"Period": 90}),
        json!({"Period": 5}),
        json!({"EvaluationPeriods": 1441}),
        json!({"EvaluationPeriods": 3, "DatapointsToAlarm": 4}),
        json!({"TreatMissingData": "fine"}),
        json!({"EvaluateLowSampleCountPercentile": "ignore"}),
    ]
    .map(|members| put(&mut watch, members))
    .into();
    insta::assert_snapshot!(refusals.join("\n"), @r"
    ValidationError: Alarms on metric math (Metrics) are not emulated.
    ValidationError: Alarms on anomaly detection (ThresholdMetricId) are not emulated.
    ValidationError: Alarms on anomaly detection (LessThanLowerThreshold) are not emulated.
    ValidationError: Alarms on PromQL queries (EvaluationCriteria) are not emulated.
    ValidationError: Alarms that warm up (WarmUpConfiguration) are not emulated.
    ValidationError: Statistic and ExtendedStatistic can not both be given.
    ValidationError: The parameter Statistic or ExtendedStatistic is required for an alarm on a metric.
    ValidationError: The value tm90 for parameter ExtendedStatistic is not supported.
    ValidationError: The parameter Threshold is required for an alarm on a metric.
    ValidationError: Period must be 10, 20, 30, or a multiple of 60
    ValidationError: Period must be 10, 20, 30, or a multiple of 60
    ValidationError: Metrics cannot be checked across more than a day (EvaluationPeriods * Period must be <= 86400).
    ValidationError: DatapointsToAlarm must be less than or equal to EvaluationPeriods.
    ValidationError: The value fine for parameter TreatMissingData is not supported.
    ValidationError: EvaluateLowSampleCountPercentile is emulated with the value evaluate alone.
    ");
    watch.0.settings.quotas.alarms = 0;
    assert_eq!(
        watch.refused("PutMetricAlarm", alarm("one")).code,
        "LimitExceededFault"
    );
    for (operation, input, code) in [
        (
            "DescribeAlarms",
            json!({"AlarmNames": ["a"], "AlarmNamePrefix": "a"}),
            "ValidationError",
        ),
        (
            "DescribeAlarms",
            json!({"ChildrenOfAlarmName": "a"}),
            "ValidationError",
        ),
        (
            "SetAlarmState",
            json!({"AlarmName": "a", "StateValue": "OK", "StateReason": ""}),
            "ResourceNotFound",
        ),
        (
            "SetAlarmState",
            json!({"AlarmName": "a", "StateValue": "OK", "StateReason": "", "StateReasonData": "{"}),
            "InvalidFormatFault",
        ),
    ] {
        assert_eq!(watch.refused(operation, input).code, code, "{operation}");
    }
}

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
