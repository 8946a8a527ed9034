//! What must be true when a release is over, whatever happened on the way.

use std::collections::BTreeSet;

use emulator::api::Service;
use emulator::faults::history::is_read;
use emulator::faults::journal::Entry;
use serde_json::{Value, json};

use crate::stage::{Stage, text};

/// Task definition revisions that are kept.
const REVISIONS: usize = 5;
/// Most writes of one release that two operators took part in, without those of the status.
const WRITES: usize = 40;

/// Whether `version` serves alone and the operator says so.
pub(crate) fn is_over(stage: &Stage, version: &str) -> bool {
    let status = stage.status();
    status["phase"] == "Settled"
        && status["serving"]["version"] == version
        && live(stage).len() == 1
        && running(stage) == 2
}

/// What is wrong after the release of `version`; the journal was cleared before it. `leader` had the lease then; none:
/// there is no lease. `late` is the caller whose one call was let go after its death.
pub(crate) fn complaints(
    stage: &Stage,
    version: &str,
    leader: Option<&str>,
    late: Option<&str>,
) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut demand = |true_: bool, what: String| {
        if !true_ {
            wrong.push(what);
        }
    };
    for seen in stage.seen() {
        demand(seen.failed == 0, format!("users: {:?}", seen.reasons));
    }
    let services = live(stage);
    let versions: Vec<String> = services.iter().map(version_of).collect();
    demand(
        versions == [version],
        format!("live services: {versions:?}"),
    );
    let group = services.first().map(group_of).unwrap_or_default();
    for listener in &stage.listeners {
        for (arn, weight) in weights(stage, listener) {
            let right = (arn == group) == (weight > 0);
            demand(right, format!("{listener} gives {weight} to {arn}"));
        }
    }
    for arn in &stage.groups {
        let described = stage.read(
            Service::Elbv2,
            "DescribeTargetHealth",
            json!({"TargetGroupArn": arn}),
        );
        let targets = list(&described["TargetHealthDescriptions"]).len();
        let expected = if *arn == group { 2 } else { 0 };
        demand(targets == expected, format!("{arn} has {targets} targets"));
    }
    let running = running(stage);
    demand(running == 2, format!("{running} tasks run"));
    let history = stage.status()["history"].clone();
    let ends: Vec<&Value> = list(&history)
        .iter()
        .filter(|end| end["version"] == version)
        .map(|end| &end["outcome"])
        .collect();
    demand(ends == ["Succeeded"], format!("it ended as {ends:?}"));
    stage.emulator.faults().journal(|journal| {
        let log: Vec<&Entry> = journal.log().collect();
        let bugs = log
            .iter()
            .filter(|entry| entry.outcome == "InternalFailure");
        demand(bugs.count() == 0, "the emulator answers wrongly".to_owned());
        if let Some(leader) = leader {
            let others = writes_of_others(&log, leader, late);
            demand(
                others.is_empty(),
                format!("another than the leader wrote: {others:?}"),
            );
        }
        let writes: Vec<&Entry> = log
            .into_iter()
            .filter(|entry| entry.effect && is_of_the_application(entry))
            .collect();
        demand(
            writes.iter().filter(|write| !is_status(write)).count() <= WRITES,
            format!("{} writes", writes.len()),
        );
        demand(
            leader.is_some() || one_writer_at_a_time(&writes, late),
            format!(
                "writers take turns: {:?}",
                writes.iter().map(|write| &write.caller).collect::<Vec<_>>()
            ),
        );
        demand(
            never_back(&writes, &stage.listeners[0], &group),
            "traffic went back".to_owned(),
        );
    });
    wrong
}

/// Whether old revisions are gone too: that comes when there is nothing else to do.
pub(crate) fn is_tidy(stage: &Stage) -> bool {
    let input = json!({"familyPrefix": "blog-teal", "status": "ACTIVE"});
    let revisions = stage.read(Service::Ecs, "ListTaskDefinitions", input);
    list(&revisions["taskDefinitionArns"]).len() <= REVISIONS
}

/// Calls that change something so far, and looks at services.
pub(crate) fn writes_and_looks(stage: &Stage) -> (usize, usize) {
    stage.emulator.faults().journal(|journal| {
        let count = |which: fn(&Entry) -> bool| journal.log().filter(|entry| which(entry)).count();
        (
            count(|entry| is_of_the_application(entry) && !is_status(entry)),
            count(|entry| entry.operation == "DescribeServices"),
        )
    })
}

/// Whether `operator` has taken the lease since the journal was cleared.
pub(crate) fn leads(stage: &Stage, operator: &str) -> bool {
    stage.emulator.faults().journal(|journal| {
        let mut taken = journal.log().filter(|entry| is_lease_held(entry));
        taken.any(|entry| entry.caller.as_deref() == Some(operator))
    })
}

/// Writes to the application that took effect while another operator than its caller had the lease. `leader` had it
/// first; of `late` one call is spared.
fn writes_of_others(log: &[&Entry], leader: &str, late: Option<&str>) -> Vec<String> {
    let mut leader = Some(leader);
    let mut spared = late;
    let mut others = Vec::new();
    for entry in log {
        let caller = entry.caller.as_deref();
        if is_lease_held(entry) {
            leader = caller;
        } else if entry.effect
            && is_of_the_application(entry)
            && caller != leader
            && spared.take_if(|late| Some(*late) == caller).is_none()
        {
            others.push(format!("{} by {caller:?}", entry.operation));
        }
    }
    others
}

/// The lease is taken or renewed.
fn is_lease_held(entry: &Entry) -> bool {
    entry.effect && entry.operation == "PutItem" && entry.input["Item"]["phase"]["S"] == "held"
}

/// It writes, and not the lease.
fn is_of_the_application(entry: &Entry) -> bool {
    !is_read(&entry.operation) && entry.service != Some(Service::DynamoDb)
}

/// No operator writes again after another one wrote, but for the one call that was held back.
fn one_writer_at_a_time(writes: &[&Entry], late: Option<&str>) -> bool {
    let mut before = BTreeSet::new();
    let mut current: Option<&str> = None;
    let mut spared = late;
    for caller in writes.iter().filter_map(|write| write.caller.as_deref()) {
        if current == Some(caller) {
            continue;
        }
        if before.contains(caller) {
            if spared != Some(caller) {
                return false;
            }
            spared = None;
            continue;
        }
        before.extend(current);
        current = Some(caller);
    }
    true
}

/// Once the production listener gave everything to `group`, no write takes any of it away.
fn never_back(writes: &[&Entry], listener: &str, group: &str) -> bool {
    let mut shifts = writes
        .iter()
        .filter(|write| write.input["ListenerArn"] == listener)
        .map(|write| forwards(&write.input["DefaultActions"]));
    let is_all = |weights: &[(String, u64)]| {
        weights
            .iter()
            .all(|(arn, weight)| (arn == group) == (*weight > 0))
    };
    let shifted = shifts.by_ref().any(|weights| is_all(&weights));
    shifted && shifts.all(|weights| is_all(&weights))
}

fn is_status(entry: &Entry) -> bool {
    entry.input["Name"]
        .as_str()
        .is_some_and(|name| name.ends_with("/status"))
}

/// Services that are not INACTIVE.
fn live(stage: &Stage) -> Vec<Value> {
    let names: Vec<String> = stage.emulator.with(|world| {
        let services = world.ecs.services.values();
        services.map(|service| service.name.clone()).collect()
    });
    let mut live = Vec::new();
    for names in names.chunks(10) {
        let input = json!({"cluster": "prod", "services": names, "include": ["TAGS"]});
        let read = stage.read(Service::Ecs, "DescribeServices", input);
        let all = list(&read["services"]).iter();
        live.extend(all.filter(|one| one["status"] != "INACTIVE").cloned());
    }
    live
}

/// Tasks of the account that are not over.
fn running(stage: &Stage) -> usize {
    let read = stage.read(Service::Ecs, "ListTasks", json!({"cluster": "prod"}));
    list(&read["taskArns"]).len()
}

fn version_of(service: &Value) -> String {
    let mut tags = list(&service["tags"]).iter();
    let found = tags.find(|tag| tag["key"] == "teal:version");
    found.map(|tag| text(&tag["value"])).unwrap_or_default()
}

fn group_of(service: &Value) -> String {
    text(&service["loadBalancers"][0]["targetGroupArn"])
}

fn weights(stage: &Stage, listener: &str) -> Vec<(String, u64)> {
    let input = json!({"ListenerArns": [listener]});
    let read = stage.read(Service::Elbv2, "DescribeListeners", input);
    forwards(&read["Listeners"][0]["DefaultActions"])
}

/// Groups and weights of the one forward in a list of actions.
fn forwards(actions: &Value) -> Vec<(String, u64)> {
    let groups = list(&actions[0]["ForwardConfig"]["TargetGroups"]).iter();
    groups
        .map(|group| {
            (
                text(&group["TargetGroupArn"]),
                group["Weight"].as_u64().unwrap_or(1),
            )
        })
        .collect()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}
