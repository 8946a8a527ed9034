//! DescribeAlarms for many applications at once.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aws_sdk_cloudwatch::types::{AlarmType, CompositeAlarm, MetricAlarm, StateValue};
use futures_util::future::try_join_all;
use jiff::Timestamp;
use planner::watch::{Alarm, Measured};

use crate::budget::Class;
use crate::clients::Clients;
use crate::coalesce::Coalescer;
use crate::error::Error;
use crate::page;

const DESCRIBE: &str = "DescribeAlarms";
/// Names that one call takes
/// (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DescribeAlarms.html>).
const NAMES: usize = 100;
/// Applications that ask within this time are answered together.
const WINDOW: Duration = Duration::from_millis(50);

/// Reads alarms.
#[derive(Debug)]
pub(super) struct Alarms(Coalescer<Vec<String>, Measured>);

impl Alarms {
    pub(super) fn new(clients: Clients) -> Self {
        Self(Coalescer::new(WINDOW, move |asked| {
            let clients = clients.clone();
            async move { answers(&clients, asked).await }
        }))
    }

    /// How these alarms stand.
    pub(super) async fn states(&self, names: &[String]) -> Measured {
        let asked = self.0.ask(names.to_vec()).await;
        asked.unwrap_or_else(|| Measured::Error {
            reason: "the read of alarms broke off: this is a bug".to_owned(),
        })
    }
}

/// Each asker's alarms, of those that all of them asked for.
async fn answers(clients: &Clients, asked: Vec<Vec<String>>) -> Vec<Measured> {
    let names: BTreeSet<&String> = asked.iter().flatten().collect();
    let names: Vec<String> = names.into_iter().cloned().collect();
    let calls = names.chunks(NAMES).map(|names| describe(clients, names));
    let found = try_join_all(calls).await.map_err(|error| error.to_string());
    let found = found.map(|found| {
        let alarms = found.into_iter().flatten();
        alarms
            .map(|alarm| (alarm.name.clone(), alarm))
            .collect::<BTreeMap<_, _>>()
    });
    let answer = |names: Vec<String>| match &found {
        Ok(alarms) => {
            let known = names.iter().filter_map(|name| alarms.get(name));
            Measured::Alarms(known.cloned().collect())
        }
        Err(reason) => Measured::Error {
            reason: reason.clone(),
        },
    };
    asked.into_iter().map(answer).collect()
}

async fn describe(clients: &Clients, names: &[String]) -> Result<Vec<Alarm>, Error> {
    let resource = names.join(", ");
    page::all(DESCRIBE, &resource, |token| {
        let (names, resource) = (names.to_vec(), resource.clone());
        async move {
            let send = clients
                .watch
                .describe_alarms()
                .set_alarm_names(Some(names))
                // Composite alarms are left out unless they are asked for.
                .alarm_types(AlarmType::MetricAlarm)
                .alarm_types(AlarmType::CompositeAlarm)
                .set_next_token(token)
                .send();
            let answer = clients
                .call(Class::AlarmRead, DESCRIBE, &resource, send)
                .await?;
            let metric = answer.metric_alarms.unwrap_or_default();
            let composite = answer.composite_alarms.unwrap_or_default();
            let alarms = metric.into_iter().filter_map(of_metric);
            let alarms = alarms.chain(composite.into_iter().filter_map(of_others));
            Ok((alarms.collect(), answer.next_token))
        }
    })
    .await
}

fn of_metric(alarm: MetricAlarm) -> Option<Alarm> {
    let since = alarm
        .state_transitioned_timestamp
        .or(alarm.state_updated_timestamp);
    shown(
        alarm.alarm_name,
        alarm.state_value,
        since,
        alarm.state_reason,
    )
}

fn of_others(alarm: CompositeAlarm) -> Option<Alarm> {
    let since = alarm
        .state_transitioned_timestamp
        .or(alarm.state_updated_timestamp);
    shown(
        alarm.alarm_name,
        alarm.state_value,
        since,
        alarm.state_reason,
    )
}

/// An alarm without a name or a state is not told of, and counts as one that does not exist.
fn shown(
    name: Option<String>,
    state: Option<StateValue>,
    since: Option<aws_smithy_types::DateTime>,
    reason: Option<String>,
) -> Option<Alarm> {
    let since = since.and_then(|since| since.to_millis().ok());
    Some(Alarm {
        name: name?,
        red: state? == StateValue::Alarm,
        since: since.and_then(|since| Timestamp::from_millisecond(since).ok()),
        reason: reason.unwrap_or_default(),
    })
}
