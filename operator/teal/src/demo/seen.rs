//! What is seen of the release from outside the operator: the world's services, and the stages in its record.

use std::collections::BTreeMap;
use std::time::Duration;

use crd_schema::record::{Ended, Record, Stage};
use crd_schema::status::Phase;
use crd_schema::{Application, Status};
use emulator::Emulator;
use emulator::api::Service;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::summary::StageTook;
use crate::stage;

/// One of the blog's services.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tasks {
    pub(crate) version: String,
    pub(crate) desired: u64,
    pub(crate) running: u64,
    pub(crate) healthy: usize,
    /// It was deleted, and its tasks still end.
    pub(crate) draining: bool,
}

/// The blog's live services, oldest first. `known` collects their names: lists do not show those that drain.
pub(crate) fn tasks(
    emulator: &Emulator,
    application: &Application,
    known: &mut Vec<String>,
) -> Vec<Tasks> {
    let cluster = &application.cluster;
    let listed = emulator
        .call(Service::Ecs, "ListServices", json!({"cluster": cluster}))
        .unwrap_or_default();
    for arn in listed["serviceArns"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
    {
        if !known.iter().any(|name| name == arn) {
            known.push(arn.to_owned());
        }
    }
    if known.is_empty() {
        return Vec::new();
    }
    let input = json!({"cluster": cluster, "services": known, "include": ["TAGS"]});
    let described = emulator
        .call(Service::Ecs, "DescribeServices", input)
        .unwrap_or_default();
    let services = described["services"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let live = services
        .iter()
        .filter(|service| service["status"] != "INACTIVE");
    live.map(|service| Tasks {
        version: tag(service, planner::release::TAG_VERSION),
        desired: service["desiredCount"].as_u64().unwrap_or(0),
        running: service["runningCount"].as_u64().unwrap_or(0),
        healthy: healthy(emulator, &service["loadBalancers"][0]["targetGroupArn"]),
        draining: service["status"] == "DRAINING",
    })
    .collect()
}

fn tag(service: &Value, key: &str) -> String {
    let tags = service["tags"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let found = tags
        .iter()
        .find(|tag| tag["key"] == key)
        .and_then(|tag| tag["value"].as_str());
    found.unwrap_or("?").to_owned()
}

fn healthy(emulator: &Emulator, group: &Value) -> usize {
    let described = emulator
        .call(
            Service::Elbv2,
            "DescribeTargetHealth",
            json!({"TargetGroupArn": group}),
        )
        .unwrap_or_default();
    let targets = described["TargetHealthDescriptions"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    targets
        .iter()
        .filter(|target| target["TargetHealth"]["State"] == "healthy")
        .count()
}

/// The stages of the rollout of one version, as the operator's record tells.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Timeline {
    entered: BTreeMap<Stage, Timestamp>,
    pub(crate) ended: Option<Ended>,
}

impl Timeline {
    /// Takes in the record as it is.
    pub(crate) fn see(&mut self, emulator: &Emulator, version: &str) {
        let record = stage::get(emulator, "record")
            .and_then(|text| serde_json::from_str::<Record>(&text).ok());
        let Some(record) = record else { return };
        if let Some(rollout) = record
            .rollout
            .filter(|rollout| rollout.release.version == version)
        {
            self.entered.extend(rollout.entered);
        }
        self.ended = record
            .history
            .into_iter()
            .rev()
            .find(|ended| ended.version == version)
            .or(self.ended.take());
    }

    /// The stage that was entered last.
    pub(crate) fn stage(&self) -> Option<Stage> {
        self.in_order().last().map(|(stage, _)| *stage)
    }

    /// How long each stage took; the last one until the rollout ended, or until now.
    pub(crate) fn took(&self, now: Timestamp) -> Vec<StageTook> {
        let order = self.in_order();
        let end = self.ended.as_ref().map_or(now, |ended| ended.ended);
        let until = order.iter().skip(1).map(|(_, at)| *at).chain([end]);
        let took = order
            .iter()
            .zip(until)
            .map(|((stage, from), until)| StageTook {
                stage: stage.as_str(),
                seconds: rounded(until.duration_since(*from).as_secs_f64()),
            });
        took.collect()
    }

    fn in_order(&self) -> Vec<(Stage, Timestamp)> {
        let mut order: Vec<_> = self
            .entered
            .iter()
            .map(|(stage, at)| (*stage, *at))
            .collect();
        order.sort_by_key(|(stage, at)| (*at, *stage));
        order
    }
}

/// The operator's status parameter says that the rollout of `version` ended, and nothing moves any more.
pub(crate) fn is_over(emulator: &Emulator, version: &str) -> bool {
    let status =
        stage::get(emulator, "status").and_then(|text| serde_json::from_str::<Status>(&text).ok());
    status.is_some_and(|status| {
        let ended = status.history.iter().any(|ended| ended.version == version);
        ended && matches!(status.phase, Phase::Settled | Phase::Failed)
    })
}

/// Seconds to the hundredth.
pub(crate) fn rounded(seconds: f64) -> f64 {
    (seconds * 100.0).round() / 100.0
}

/// A duration as seconds to the hundredth.
pub(crate) fn seconds(duration: Duration) -> f64 {
    rounded(duration.as_secs_f64())
}
