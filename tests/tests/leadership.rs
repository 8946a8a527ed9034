//! Two operators and a lease in DynamoDB, through the real SDK clients into the emulator, under load: one writes at a
//! time, the other takes over, and nobody loses a request.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test says so by failing"
)]

use std::time::Duration;

use emulator::api::Service;
use emulator::faults::{Effect, Fault, FaultSettings, When};
use runtime::controller::Settings;
use runtime::lease::Terms;
use runtime::metrics::Role;
use serde_json::json;
use tests::wire::Wire;
use tests::{Dose, LEASES, Operator, Snapshot, Stage};

/// An operator that leads by the lease, or stands by, and what it sends.
struct Candidate {
    operator: Operator,
    wire: Wire,
}

impl Candidate {
    fn start(stage: &Stage, holder: &str) -> Self {
        let wire = Wire::new(&stage.emulator);
        let operator = Operator::start_leased(&wire, &stage.emulator, Settings::default(), holder);
        Self { operator, wire }
    }

    fn leads(&self) -> bool {
        self.operator.role() == Role::Leading
    }

    /// When it wrote.
    fn writes(&self) -> Vec<u64> {
        self.wire.writes().into_iter().map(|(at, _)| at).collect()
    }

    /// Why it has no lease.
    fn trouble(&self) -> String {
        let leadership = self.operator.board.leadership();
        leadership.trouble.unwrap_or_default()
    }
}

/// The blog at 1.3.0, with users; no operator runs.
async fn serving() -> Snapshot {
    let mut stage = Stage::default();
    stage.create_leases();
    stage.wish("1.3.0");
    let operator = stage.operator();
    stage.settled_on("1.3.0").await;
    stage.open(20.0);
    operator.stop().await;
    stage.snapshot()
}

/// The first operator leads; the second stands by.
async fn two(stage: &Stage) -> (Candidate, Candidate) {
    let first = Candidate::start(stage, "first");
    let terms = Terms::default();
    let limit = terms.term + terms.grace + terms.renew_every;
    stage
        .until("the first leads", limit, |_| first.leads())
        .await;
    let second = Candidate::start(stage, "second");
    pass(10).await;
    assert_eq!(second.operator.role(), Role::Standby);
    (first, second)
}

/// Waits until the release of 1.4.0 came so many writes far, or is over.
async fn under_way(stage: &Stage, by: &Candidate, writes: usize) {
    let before = by.writes().len();
    stage.wish("1.4.0");
    let limit = Duration::from_secs(1_200);
    let enough = |stage: &Stage| {
        let status = stage.get("status");
        by.writes().len() >= before + writes
            || status["phase"] == "Settled" && status["serving"]["version"] == "1.4.0"
    };
    stage.until("writes", limit, enough).await;
}

fn nobody_lost_a_request(stage: &Stage) {
    let users = stage.users();
    assert!(users.requests > 100, "users were there: {users:?}");
    assert_eq!(users.failed, 0, "{users:?}");
}

async fn pass(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

fn seconds(since: u64, at: u64) -> u64 {
    (at - since) / 1_000
}

#[tokio::test(start_paused = true)]
async fn one_writes_and_the_other_only_looks() {
    let stage = Stage::resumed(&serving().await);
    let (first, second) = two(&stage).await;
    stage.wish("1.4.0");
    stage.settled_on("1.4.0").await;
    assert!(first.writes().len() > 10);
    assert_eq!(second.wire.writes(), []);
    assert!(second.wire.requests() > 100, "it looks");
    let shown = second.operator.board.leadership();
    assert_eq!(shown.leader.as_deref(), Some("first"));
    assert_eq!(second.operator.board.ready(), Ok(()));
    nobody_lost_a_request(&stage);
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_dies_is_followed_after_a_term_and_a_grace_wherever_it_was() {
    let serving = serving().await;
    let step = match Dose::asked() {
        Dose::Small | Dose::Full => 5,
        Dose::Nightly => 1,
    };
    for writes in (1..24).step_by(step) {
        let stage = Stage::resumed(&serving);
        let (first, second) = two(&stage).await;
        under_way(&stage, &first, writes).await;
        let died = stage.emulator.now();
        first.operator.kill().await;
        let limit = Duration::from_secs(60);
        stage
            .until("the second leads", limit, |_| second.leads())
            .await;
        let led = seconds(died, stage.emulator.now());
        assert!((39..=51).contains(&led), "after {writes} writes: {led} s");
        stage.settled_on("1.4.0").await;
        let tells = |operation: &str| operation == "PutParameter";
        for (at, operation) in second.wire.writes() {
            // What changes something waits for what the dead one did last to be shown.
            let least = if tells(&operation) { 39 } else { 69 };
            let wrote = seconds(died, at);
            assert!(
                wrote >= least,
                "after {writes} writes: {operation}, {wrote} s"
            );
        }
        nobody_lost_a_request(&stage);
    }
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_stops_hands_over_at_once() {
    let serving = serving().await;
    for writes in [1, 4, 8] {
        let stage = Stage::resumed(&serving);
        let (first, second) = two(&stage).await;
        under_way(&stage, &first, writes).await;
        first.operator.stop().await;
        let stopped = stage.emulator.now();
        assert_eq!(stage.get("record")["clean"], true, "{writes} writes");
        let limit = Duration::from_secs(7);
        stage
            .until("the second leads", limit, |_| second.leads())
            .await;
        stage.settled_on("1.4.0").await;
        let wrote = seconds(stopped, second.writes()[0]);
        assert!(wrote <= 20, "after {writes} writes: {wrote} s");
        nobody_lost_a_request(&stage);
    }
}

/// DynamoDB does not serve for longer than a lease lasts, in mid-rollout.
async fn without_dynamodb(begin: impl Fn(&Stage), end: impl Fn(&Stage), says: &str) {
    let stage = Stage::resumed(&serving().await);
    let (first, second) = two(&stage).await;
    under_way(&stage, &first, 4).await;
    begin(&stage);
    let terms = Terms::default();
    tokio::time::sleep(terms.term).await;
    let since = stage.emulator.now();
    pass(120).await;
    for one in [&first, &second] {
        assert_eq!(one.operator.role(), Role::Standby);
        let trouble = one.trouble();
        assert!(trouble.contains(says), "{trouble}");
        let late: Vec<u64> = one.writes().into_iter().filter(|at| *at >= since).collect();
        assert_eq!(late, [0; 0], "without authority");
    }
    end(&stage);
    stage.settled_on("1.4.0").await;
    assert!(first.leads() != second.leads(), "one leads");
    // Whoever leads now, it does so alone since.
    let again = since + 120_000;
    let after = |one: &Candidate| one.writes().into_iter().filter(|at| *at >= again).count();
    assert!(after(&first) == 0 || after(&second) == 0);
    assert!(after(&first) + after(&second) > 0);
    assert_eq!(first.trouble() + &second.trouble(), "");
    nobody_lost_a_request(&stage);
}

/// Every call of DynamoDB goes wrong this way.
fn fails(effect: Effect) -> impl Fn(&Stage) {
    move |stage| {
        let fault = Fault {
            service: Some(Service::DynamoDb),
            operation: None,
            when: When::Always,
            effect: effect.clone(),
        };
        stage.emulator.faults().set(FaultSettings {
            plan: vec![fault],
            ..FaultSettings::default()
        });
    }
}

fn serves_again(stage: &Stage) {
    stage.emulator.faults().set(FaultSettings::default());
}

#[tokio::test(start_paused = true)]
async fn without_a_way_to_dynamodb_nobody_writes() {
    without_dynamodb(fails(Effect::RefuseConnection), serves_again, "read").await;
}

#[tokio::test(start_paused = true)]
async fn while_dynamodb_does_not_answer_nobody_writes() {
    without_dynamodb(fails(Effect::Latency(60_000)), serves_again, "read").await;
}

#[tokio::test(start_paused = true)]
async fn throttled_by_dynamodb_nobody_writes() {
    without_dynamodb(fails(Effect::Throttle), serves_again, "Rate exceeded").await;
}

#[tokio::test(start_paused = true)]
async fn denied_by_dynamodb_nobody_writes() {
    without_dynamodb(
        fails(Effect::AccessDenied),
        serves_again,
        "dynamodb:GetItem",
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn without_the_table_nobody_writes() {
    let delete = |stage: &Stage| {
        let table = json!({"TableName": LEASES});
        stage.person(Service::DynamoDb, "DeleteTable", table);
    };
    without_dynamodb(delete, Stage::create_leases, "create the table").await;
}
