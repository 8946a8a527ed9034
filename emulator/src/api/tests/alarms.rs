//! Alarms in time.

use super::*;

/// The stage's world alone: what is tested here needs no load balancer.
pub(super) struct Watch(pub(super) World);

/// `Stage` begins here, at a whole minute.
pub(super) const BEGAN: f64 = 1_800_000_000.0;

impl Watch {
    pub(super) fn new() -> Self {
        Self::with(Settings::default())
    }

    pub(super) fn with(settings: Settings) -> Self {
        Self(World::new(settings, 1_800_000_000_000))
    }

    pub(super) fn call(&mut self, operation: &str, input: Value) -> Result<Value, AwsError> {
        call_on(&mut self.0, Service::CloudWatch, operation, input)
    }

    /// Puts an alarm on more than one error a minute, with further members.
    pub(super) fn alarm(&mut self, members: Value) {
        let mut input = alarm("errors");
        for (name, value) in members.as_object().unwrap() {
            input[name] = value.clone();
        }
        self.call("PutMetricAlarm", input).unwrap();
    }

    pub(super) fn errors(&mut self, number: f64) {
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

    pub(super) fn state(&mut self) -> String {
        string(&self.seen()["StateValue"])
    }

    pub(super) fn pass(&mut self, seconds: u64) {
        let now = self.0.now;
        self.0.advance(now + seconds * 1000);
    }

    pub(super) fn refused(&mut self, operation: &str, input: Value) -> AwsError {
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
