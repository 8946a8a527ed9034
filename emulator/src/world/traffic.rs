//! Modelled users: seeded streams of requests that go the same way as real ones.
//!
//! Requests are sent at their exact instants inside [`super::World::advance`], interleaved with every other
//! transition, so that what users see does not depend on how often the world is advanced.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use serde::{Deserialize, Serialize};

use super::agenda::Event;
use super::ecs::conduct;
use super::elb::routing::{RequestHead, Route, route};
use super::view::Answer;
use super::{Millis, World, hash, view};

/// A stream of equal requests at an even rate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Stream {
    /// The listener they go to.
    pub listener_arn: String,
    /// Requests a second; greater than 0.
    pub per_second: f64,
    /// Host header.
    pub host: String,
    /// Path.
    pub path: String,
    /// Further headers.
    pub headers: Vec<(String, String)>,
    /// The first request is sent now, none at or after this instant.
    pub until: Option<Millis>,
    /// Seed of its dice.
    pub seed: u64,
}

/// The streams, what became of their requests, and the requests in flight.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Traffic {
    streams: Vec<Running>,
    in_flight: BTreeMap<u64, InFlight>,
    sent: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Running {
    stream: Stream,
    began: Millis,
    sent: u64,
    report: Report,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct InFlight {
    stream: usize,
    task: String,
    image: String,
    target_group_arn: String,
    status: u16,
    latency_ms: u64,
}

/// What became of a stream's requests.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Requests that have ended.
    pub requests: u64,
    /// Those that failed: no answer from a task, or a status of 500 or more.
    pub failed: u64,
    /// Failed requests by reason.
    pub reasons: BTreeMap<String, u64>,
    /// When the first request failed.
    pub first_failure: Option<Millis>,
    /// Answered requests by image.
    pub images: BTreeMap<String, Served>,
}

/// Requests that one image answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Served {
    /// How many.
    pub requests: u64,
    /// When the first answer came.
    pub first: Millis,
    /// When the latest answer came.
    pub last: Millis,
}

/// Starts a stream now. Returns its number, for [`report`].
pub fn start(world: &mut World, stream: Stream) -> usize {
    let index = world.traffic.streams.len();
    let began = world.now;
    world.traffic.streams.push(Running {
        stream,
        began,
        sent: 0,
        report: Report::default(),
    });
    world.agenda.at(began, Event::Request(index));
    index
}

/// Ends a stream: nothing more is sent; what is in flight ends by itself.
pub fn stop(world: &mut World, index: usize) {
    let now = world.now;
    if let Some(running) = world.traffic.streams.get_mut(index) {
        running.stream.until = Some(now);
    }
}

/// What became of a stream's requests so far.
#[must_use]
pub fn report(world: &World, index: usize) -> Option<&Report> {
    world
        .traffic
        .streams
        .get(index)
        .map(|running| &running.report)
}

/// What one request to this port gets now: the status of its answer. It is not counted, and takes no time.
#[must_use]
pub fn ask(world: &World, port: u16, head: &RequestHead<'_>, dice: u64) -> u16 {
    let mut listeners = world.elb.listeners.values();
    let Some(listener) = listeners.find(|listener| listener.port == port) else {
        return 503;
    };
    match route(world, node(world, dice), &listener.arn, head, dice) {
        Route::Forward { targets, .. } => targets
            .first()
            .and_then(|target| conduct::listener(world, *target))
            .map_or(502, |(_, behaviour, _)| conduct::status(behaviour, dice)),
        Route::Fixed { status, .. } => status,
        Route::Redirect { .. } => 302,
        Route::Unavailable { .. } | Route::NoListener => 503,
    }
}

/// The load balancer's node that takes a request.
fn node(world: &World, dice: u64) -> usize {
    (hash::mix(&[dice, 2]) % view::node_count(world) as u64) as usize
}

/// A stream sends its next request.
pub(super) fn send(world: &mut World, index: usize) {
    let now = world.now;
    let Some(running) = world.traffic.streams.get_mut(index) else {
        return;
    };
    if running.stream.until.is_some_and(|until| until <= now) {
        return;
    }
    running.sent += 1;
    let next =
        running.began + (running.sent as f64 * 1000.0 / running.stream.per_second).round() as u64;
    let dice = hash::mix(&[running.stream.seed, running.sent]);
    let stream = running.stream.clone();
    world.agenda.at(next.max(now), Event::Request(index));

    let node = node(world, dice);
    let headers: Vec<(&str, &str)> = stream
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let head = RequestHead {
        method: "GET",
        path: &stream.path,
        host: &stream.host,
        headers: &headers,
        query: "",
        source_ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
    };
    match route(world, node, &stream.listener_arn, &head, dice) {
        Route::Forward {
            target_group_arn,
            targets,
            ..
        } => {
            let answer = targets.first().and_then(|target| {
                let (container, behaviour, _) = conduct::listener(world, *target)?;
                let task = world.ecs.addresses.get(target.ip())?.clone();
                Some((
                    task,
                    container.image.clone(),
                    conduct::status(behaviour, dice),
                    behaviour.latency_ms,
                ))
            });
            match answer {
                Some((task, image, status, latency_ms)) => {
                    world.traffic.sent += 1;
                    let number = world.traffic.sent;
                    let in_flight = InFlight {
                        stream: index,
                        task,
                        image,
                        target_group_arn,
                        status,
                        latency_ms,
                    };
                    world.traffic.in_flight.insert(number, in_flight);
                    world
                        .agenda
                        .at(now + latency_ms, Event::RequestEnds(number));
                }
                None => {
                    count(world, index, Some(&target_group_arn), Answer::NoAnswer);
                    failed(world, index, "502: the target does not listen");
                }
            }
        }
        Route::Unavailable {
            target_group_arn, ..
        } => {
            count(world, index, None, Answer::NoTarget);
            let reason = match target_group_arn {
                Some(_) => "503: the target group is empty",
                None => "503: every weight is 0",
            };
            failed(world, index, reason);
        }
        Route::Fixed { status, .. } if status >= 500 => {
            failed(world, index, &format!("{status}: fixed response"))
        }
        Route::Fixed { .. } | Route::Redirect { .. } => {
            if let Some(running) = world.traffic.streams.get_mut(index) {
                running.report.requests += 1;
            }
        }
        Route::NoListener => failed(world, index, "no listener"),
    }
}

/// A request in flight ends: by its answer, unless its container was gone before.
pub(super) fn end(world: &mut World, number: u64) {
    let Some(request) = world.traffic.in_flight.remove(&number) else {
        return;
    };
    let killed = world
        .ecs
        .tasks
        .get(&request.task)
        .is_none_or(|task| task.exited_at.is_some());
    let InFlight {
        status, latency_ms, ..
    } = request;
    let answer = match killed {
        true => Answer::NoAnswer,
        false => Answer::Target { status, latency_ms },
    };
    count(
        world,
        request.stream,
        Some(&request.target_group_arn),
        answer,
    );
    if killed {
        failed(world, request.stream, "502: the container ended in flight");
        return;
    }
    if status >= 500 {
        failed(
            world,
            request.stream,
            &format!("{status}: answered by the container"),
        );
    }
    let now = world.now;
    let Some(running) = world.traffic.streams.get_mut(request.stream) else {
        return;
    };
    if status < 500 {
        running.report.requests += 1;
    }
    let served = running
        .report
        .images
        .entry(request.image)
        .or_insert(Served {
            requests: 0,
            first: now,
            last: now,
        });
    served.requests += 1;
    served.last = now;
}

/// Notes a request for CloudWatch.
fn count(world: &mut World, index: usize, target_group_arn: Option<&str>, answer: Answer) {
    let listener = world
        .traffic
        .streams
        .get(index)
        .and_then(|running| world.elb.listeners.get(&running.stream.listener_arn));
    if let Some(load_balancer_arn) = listener.map(|listener| listener.load_balancer_arn.clone()) {
        view::count_request(world, &load_balancer_arn, target_group_arn, answer);
    }
}

fn failed(world: &mut World, index: usize, reason: &str) {
    let now = world.now;
    if let Some(running) = world.traffic.streams.get_mut(index) {
        let report = &mut running.report;
        report.requests += 1;
        report.failed += 1;
        report.first_failure.get_or_insert(now);
        *report.reasons.entry(reason.to_owned()).or_insert(0) += 1;
    }
}
