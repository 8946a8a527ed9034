//! Operators that are two.

use std::time::Duration;

use emulator::api::Service;
use emulator::faults::holding::Fate;
use emulator::faults::{Effect, FaultSettings, When};
use planner::ablation::Rule;
use runtime::metrics::Role;
use serde_json::json;
use tests::wire::Wire;
use tests::{Dose, Operator};

use crate::scene::{GREEN, Scene, fault, pass, without, world};

/// Every kind of write of a release.
const WRITES: [(Service, &str); 5] = [
    (Service::Ecs, "CreateService"),
    (Service::Elbv2, "ModifyListener"),
    (Service::Ecs, "UpdateService"),
    (Service::Ecs, "DeleteService"),
    (Service::Ssm, "PutParameter"),
];

/// What came of it.
#[derive(Debug)]
struct Seen {
    /// Writes that the first operator began after it went on and the second one had begun to write.
    at_once: usize,
    /// The release ended well, nothing more was wanted then, and no request was lost.
    well: bool,
}

/// The leader is stopped like a process with SIGSTOP, just when it sends its first write of this kind, for so many
/// seconds. Another operator takes over; the write that was under way arrives when the leader goes on.
async fn paused_leader((service, operation): (Service, &str), seconds: u64, off: &[Rule]) -> Seen {
    let scene = Scene::serving_in(world(), |spec| {
        // Longer than nobody leads.
        spec["deadlines"] = json!({"scaleUp": "10m", "validate": "10m", "shift": "10m"});
    })
    .await;
    let stage = &scene.stage;
    stage.create_leases();
    let start = |holder| {
        let wire = Wire::new(&stage.emulator);
        let operator = Operator::start_leased(&wire, &stage.emulator, without(off), holder);
        (operator, wire)
    };
    let (first, first_wire) = start("first");
    assert!(scene.reaches(60, |_| first.role() == Role::Leading).await);
    pass(10).await;
    let (second, second_wire) = start("second");
    pass(10).await;
    scene.faults(vec![fault(
        service,
        operation,
        When::Nth(1),
        Effect::HoldRequest,
    )]);
    stage.wish(GREEN);
    let holding = stage.emulator.faults().holding();
    let held = tokio::time::timeout(Duration::from_secs(900), holding.next()).await;
    let held = held.expect("such a write");
    first.pause();
    pass(seconds).await;
    assert_eq!(second.role(), Role::Leading, "{}", stage.picture());
    let resumed = stage.emulator.now();
    first.resume();
    assert!(holding.let_go(held.id, Fate::CarryOn));
    stage.emulator.faults().set(FaultSettings::default());
    let well = scene.settles_on(GREEN, 1_800).await && scene.failed() == 0;
    // What it sent before it was stopped arrives at that instant, as it may.
    let began = second_wire.writes().first().map_or(u64::MAX, |(at, _)| *at);
    let since = began.max(resumed);
    let writes = first_wire.writes().into_iter();
    Seen {
        at_once: writes.filter(|(at, _)| *at > since).count(),
        well,
    }
}

/// Two operators, one of which leads, and somebody who is told of what ends. Returns how often.
async fn told_by_two(off: &[Rule]) -> usize {
    let scene = Scene::serving_in(world(), |spec| {
        let webhook = json!({"url": "https://hooks.example/ops", "secret": {"parameter": "/teal/secrets/ops"}});
        spec["notifications"] = json!([{"webhook": webhook, "events": ["ReleaseSucceeded"]}]);
    })
    .await;
    let stage = &scene.stage;
    let secret = json!({"Name": "/teal/secrets/ops", "Value": "shared", "Type": "SecureString"});
    stage.person(Service::Ssm, "PutParameter", secret);
    stage.create_leases();
    let start = |holder| {
        let wire = Wire::new(&stage.emulator);
        let operator = Operator::start_leased(&wire, &stage.emulator, without(off), holder);
        (operator, wire)
    };
    let (first, first_wire) = start("first");
    assert!(scene.reaches(60, |_| first.role() == Role::Leading).await);
    let (second, second_wire) = start("second");
    pass(10).await;
    stage.wish(GREEN);
    assert!(scene.settles_on(GREEN, 1_800).await);
    pass(120).await;
    assert_eq!(second.role(), Role::Standby);
    let (first, second) = (first_wire.hooked(), second_wire.hooked());
    let all: Vec<_> = first.into_iter().chain(second).collect();
    assert!(
        all.iter().all(|one| one.body["type"] == "ReleaseSucceeded"),
        "{all:?}"
    );
    all.len()
}

#[tokio::test(start_paused = true)]
async fn gallery_g38_what_happens_is_told_once() {
    assert_eq!(told_by_two(&[]).await, 1);
}

#[tokio::test(start_paused = true)]
async fn gallery_g38_fails_when_every_operator_tells() {
    assert_eq!(told_by_two(&[Rule::ToldByTheLeader]).await, 2);
}

#[tokio::test(start_paused = true)]
async fn gallery_g15_a_paused_leader_leads_no_more() {
    for write in WRITES {
        // Before the next one's first write, and long after it.
        let long = Dose::asked() == Dose::Nightly || write.1 == "ModifyListener";
        let pauses: &[u64] = if long { &[60, 240] } else { &[60] };
        for &seconds in pauses {
            let seen = paused_leader(write, seconds, &[]).await;
            assert!(seen.well, "{write:?}, {seconds} s: {seen:?}");
            assert_eq!(seen.at_once, 0, "{write:?}, {seconds} s");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn gallery_g15_fails_without_the_authority_to_write() {
    let seen = paused_leader(WRITES[1], 60, &[Rule::Authority]).await;
    assert!(seen.at_once > 0, "{seen:?}");
}
