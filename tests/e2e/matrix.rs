//! Carries points out on several stages at once.

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use emulator::faults::holding::{Fate, Held};
use emulator::faults::journal::Entry;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::operator::{Leadership, Operator};
use crate::plan::Point;
use crate::stage::{PACE, Stage};
use crate::verdict;

/// Stages at once, at most: almost all of the time is waiting.
const LANES: usize = 8;
/// A release begins when the machine wakes a sleeper at most so late, or when it did not for so long.
const LATE: Duration = Duration::from_millis(30);
const PATIENCE: Duration = Duration::from_secs(5);
/// The time between two begins.
const APART: Duration = Duration::from_millis(200);

/// A stage with an operator on it, between two releases.
pub(crate) struct Lane {
    pub(crate) stage: Stage,
    pub(crate) operator: Operator,
    leadership: Leadership,
    number: usize,
    releases: u32,
    operators: u32,
}

/// What became of one point.
#[derive(Debug)]
pub(crate) enum End {
    /// It happened, in a call of this operation.
    Happened {
        operation: String,
        /// From then until another operator had the lease, in AWS's time.
        takeover: Option<Duration>,
    },
    /// The release was over before its call came.
    NotReached,
}

/// What came of all points.
#[derive(Debug, Default)]
struct Tally {
    happened: BTreeMap<String, u64>,
    not_reached: u64,
    requests: u64,
    takeovers: Vec<Duration>,
    failures: Vec<String>,
}

impl Lane {
    /// A stage on which an operator made the first release, with users at work.
    async fn open(number: usize, leadership: Leadership) -> Result<Self, String> {
        let stage = Stage::set().await;
        let key = format!("lane{number}-0");
        let operator = Operator::start(&stage.endpoint, &key, leadership);
        let mut lane = Self {
            stage,
            operator,
            leadership,
            number,
            releases: 0,
            operators: 0,
        };
        let version = lane.next_version();
        lane.stage.wish(&version);
        lane.is_over(&version).await?;
        lane.stage.open();
        Ok(lane)
    }

    /// The version of the next release, wished for the first time now.
    pub(crate) fn next_version(&mut self) -> String {
        self.releases += 1;
        format!("1.{}.{}", self.number, self.releases)
    }

    /// One more operator.
    pub(crate) fn another(&mut self) -> Operator {
        self.operators += 1;
        let key = format!("lane{}-{}", self.number, self.operators);
        Operator::start(&self.stage.endpoint, &key, self.leadership)
    }

    /// Waits until `version` serves alone.
    pub(crate) async fn is_over(&self, version: &str) -> Result<(), String> {
        let what = format!("{version} serves alone");
        let over = self
            .stage
            .until(&what, |stage| verdict::is_over(stage, version))
            .await;
        over.map_err(|why| format!("{why}\n{}", self.operator.log()))
    }

    /// Begins the release of `version`, and waits until the point's call is held. None: the release was over before, and
    /// nothing was wrong.
    pub(crate) async fn reach(&self, point: &Point, version: &str) -> Result<Option<Held>, String> {
        self.stage.emulator.faults().clear_journal();
        self.stage.faults(vec![point.fault()]);
        self.stage.wish(version);
        tokio::select! {
            held = self.stage.emulator.faults().holding().next() => return Ok(Some(held)),
            over = self.is_over(version) => over?,
        }
        self.judge(version, &self.operator.key, None)?;
        Ok(None)
    }

    /// Lets a held call go.
    pub(crate) fn let_go(&self, held: &Held, fate: Fate) {
        let holding = self.stage.emulator.faults().holding();
        assert!(
            holding.let_go(held.id, fate),
            "a call that arrived stays, though its caller died"
        );
    }

    /// Waits until `operator` has called since the journal had so many calls.
    pub(crate) async fn is_at_work(&self, operator: &Operator, since: usize) -> Result<(), String> {
        let key = Some(operator.key.as_str());
        let called = self.stage.until("the operator calls", |stage| {
            stage.emulator.faults().journal(|journal| {
                let mut calls = journal.log().skip(since);
                calls.any(|call| call.caller.as_deref() == key)
            })
        });
        called
            .await
            .map_err(|why| format!("{why}\n{}", operator.log()))
    }

    /// How many calls the journal has.
    pub(crate) fn calls(&self) -> usize {
        let faults = self.stage.emulator.faults();
        faults.journal(|journal| journal.log().count())
    }

    /// What is wrong after the release of `version`, which began under `leader`.
    pub(crate) fn judge(
        &self,
        version: &str,
        leader: &str,
        late: Option<&str>,
    ) -> Result<(), String> {
        let leader = (self.leadership == Leadership::Lease).then_some(leader);
        let wrong = verdict::complaints(&self.stage, version, leader, late);
        if wrong.is_empty() {
            return Ok(());
        }
        let (wrong, log) = (wrong.join("; "), self.operator.log());
        Err(format!("{version}: {wrong}\n{log}"))
    }

    /// The calls of a release that nothing happens in.
    async fn calm(&mut self) -> Result<Vec<Entry>, String> {
        self.stage.faults(Vec::new());
        self.stage.emulator.faults().clear_journal();
        let version = self.next_version();
        self.stage.wish(&version);
        self.is_over(&version).await?;
        Ok(self
            .stage
            .emulator
            .faults()
            .journal(|journal| journal.log().cloned().collect()))
    }

    /// The end: old revisions go, and then nothing more is wanted, however often the operator looks.
    async fn rests(&self) -> Result<(), String> {
        self.stage.faults(Vec::new());
        self.stage
            .until("old revisions are gone", verdict::is_tidy)
            .await?;
        let (writes, looks) = verdict::writes_and_looks(&self.stage);
        let looked = |stage: &Stage| verdict::writes_and_looks(stage).1 >= looks + 3;
        self.stage.until("the operator looks", looked).await?;
        match verdict::writes_and_looks(&self.stage).0 - writes {
            0 => Ok(()),
            more => Err(format!(
                "{more} writes while nothing is to be done\n{}",
                self.operator.log()
            )),
        }
    }

    fn requests(&self) -> u64 {
        self.stage.seen().iter().map(|seen| seen.requests).sum()
    }
}

/// Carries out `each` at the points of a dose or, with `TEAL_DOSE=nightly`, at all of them; prints what came of it as one
/// line of JSON, and fails when one of them went wrong.
pub(crate) async fn run<F>(
    name: &str,
    leadership: Leadership,
    points: impl Fn(&[Entry], bool) -> Vec<Point>,
    each: impl Fn(Lane, Point) -> F + Clone + Send + 'static,
) where
    F: Future<Output = (Lane, Result<End, String>)> + Send,
{
    let began = Instant::now();
    let full = std::env::var("TEAL_DOSE").is_ok_and(|dose| dose == "nightly");
    let minutes = std::env::var("TEAL_E2E_MINUTES").ok();
    let until =
        minutes.map(|minutes| began + Duration::from_secs(60 * minutes.parse::<u64>().unwrap()));
    let mut first = Lane::open(0, leadership).await.expect("the first release");
    // The release after a start waits longer than others.
    first.calm().await.expect("a release after a start");
    let calm = first
        .calm()
        .await
        .expect("a release in which nothing happens");
    let points: VecDeque<Point> = points(&calm, full).into();
    let planned = points.len();
    let queue = Arc::new(Mutex::new(points));
    let gate = Arc::new(tokio::sync::Mutex::new(()));
    let tally = Arc::new(Mutex::new(Tally::default()));
    let mut lanes = tokio::task::JoinSet::new();
    let mut first = Some(first);
    for number in 0..LANES {
        let (gate, queue, tally, each, lane) = (
            Arc::clone(&gate),
            Arc::clone(&queue),
            Arc::clone(&tally),
            each.clone(),
            first.take(),
        );
        lanes.spawn(async move {
            let mut lane = lane;
            loop {
                let Some(point) = next(&gate, &queue, until).await else {
                    break;
                };
                let ready = match lane.take() {
                    Some(ready) => Ok(ready),
                    None => Lane::open(number, leadership).await,
                };
                let (done, end) = match ready {
                    Ok(ready) => {
                        let (done, end) = each(ready, point.clone()).await;
                        (Some(done), end)
                    }
                    Err(why) => (None, Err(why)),
                };
                let failed = end.is_err();
                if let Some(done) = done {
                    if failed {
                        // What went wrong once is not the next point's.
                        tally.lock().unwrap().requests += done.requests();
                        done.stage.close().await;
                    } else {
                        lane = Some(done);
                    }
                }
                tally.lock().unwrap().note(&point, end);
            }
            if let Some(lane) = lane {
                if let Err(why) = lane.rests().await {
                    tally
                        .lock()
                        .unwrap()
                        .failures
                        .push(format!("at rest: {why}"));
                }
                tally.lock().unwrap().requests += lane.requests();
                lane.stage.close().await;
            }
        });
    }
    while let Some(ended) = lanes.join_next().await {
        ended.expect("a lane does not break");
    }
    let tally = tally.lock().unwrap();
    let left = queue.lock().unwrap().len();
    let line = tally.json(
        name,
        planned,
        left,
        calm.len(),
        began.elapsed().as_secs_f64(),
    );
    println!("{line}");
    let failures = tally.failures.join("\n\n");
    assert!(failures.is_empty(), "{line}\n{failures}");
    let happened: u64 = tally.happened.values().sum();
    assert!(
        happened * 10 >= (planned - left) as u64 * 8,
        "too few points were reached: {line}"
    );
}

/// The next point, while there is time and as soon as the machine bears one more.
async fn next(
    gate: &tokio::sync::Mutex<()>,
    queue: &Mutex<VecDeque<Point>>,
    until: Option<Instant>,
) -> Option<Point> {
    let _one_by_one = gate.lock().await;
    let asked = Instant::now();
    loop {
        let asleep = Instant::now();
        tokio::time::sleep(APART).await;
        if asleep.elapsed() < APART + LATE || asked.elapsed() > PATIENCE {
            break;
        }
    }
    if until.is_some_and(|until| Instant::now() >= until) {
        return None;
    }
    queue.lock().unwrap().pop_front()
}

impl Tally {
    fn note(&mut self, point: &Point, end: Result<End, String>) {
        match end {
            Ok(End::Happened {
                operation,
                takeover,
            }) => {
                self.takeovers.extend(takeover);
                *self
                    .happened
                    .entry(format!("{operation} {:?}", point.moment))
                    .or_default() += 1;
            }
            Ok(End::NotReached) => self.not_reached += 1,
            Err(why) => self.failures.push(format!("{}: {why}", point.json())),
        }
    }

    fn json(&self, name: &str, planned: usize, left: usize, calls: usize, seconds: f64) -> Value {
        let mut takeovers: Vec<f64> = self.takeovers.iter().map(Duration::as_secs_f64).collect();
        takeovers.sort_by(f64::total_cmp);
        json!({
            "e2e": name,
            "pace": *PACE,
            "takeovers": {
                "number": takeovers.len(),
                "least": takeovers.first(),
                "median": takeovers.get(takeovers.len() / 2),
                "most": takeovers.last(),
            },
            "callsOfARelease": calls,
            "points": planned,
            "notRun": left,
            "happened": self.happened.values().sum::<u64>(),
            "notReached": self.not_reached,
            "violations": self.failures.len(),
            "requests": self.requests,
            "seconds": seconds.round(),
            "byOperation": self.happened,
        })
    }
}
