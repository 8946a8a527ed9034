//! Carries points out on several stages at once.

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use emulator::faults::journal::{Entry, Journal};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::operator::Operator;
use crate::plan::{self, Point};
use crate::stage::Stage;
use crate::verdict;

/// Stages at once: almost all of the time is waiting.
const LANES: usize = 8;

/// A stage with an operator on it, between two releases.
pub(crate) struct Lane {
    pub(crate) stage: Stage,
    pub(crate) operator: Operator,
    number: usize,
    releases: u32,
    operators: u32,
}

/// What became of one point.
#[derive(Debug)]
pub(crate) enum End {
    /// It happened, in a call of this operation.
    Happened(String),
    /// The release was over before its call came.
    NotReached,
}

/// What came of all points.
#[derive(Debug, Default)]
struct Tally {
    happened: BTreeMap<String, u64>,
    not_reached: u64,
    requests: u64,
    failures: Vec<String>,
}

impl Lane {
    /// A stage on which an operator made the first release, with users at work.
    async fn open(number: usize) -> Result<Self, String> {
        let stage = Stage::set().await;
        let operator = Operator::start(&stage.endpoint, &format!("lane{number}-0"));
        let mut lane = Self {
            stage,
            operator,
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
        Operator::start(&self.stage.endpoint, &key)
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

    /// Waits until the operator has called.
    pub(crate) async fn is_at_work(&self) -> Result<(), String> {
        let key = Some(self.operator.key.as_str());
        let called = self.stage.until("the operator calls", |stage| {
            let calls = |journal: &Journal| journal.log().any(|call| call.caller.as_deref() == key);
            stage.emulator.faults().journal(calls)
        });
        called
            .await
            .map_err(|why| format!("{why}\n{}", self.operator.log()))
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
pub(crate) async fn run<F>(name: &str, each: impl Fn(Lane, Point) -> F + Clone + Send + 'static)
where
    F: Future<Output = (Lane, Result<End, String>)> + Send,
{
    let began = Instant::now();
    let full = std::env::var("TEAL_DOSE").is_ok_and(|dose| dose == "nightly");
    let minutes = std::env::var("TEAL_E2E_MINUTES").ok();
    let until =
        minutes.map(|minutes| began + Duration::from_secs(60 * minutes.parse::<u64>().unwrap()));
    let mut first = Lane::open(0).await.expect("the first release");
    // The release after a start waits longer than others.
    first.calm().await.expect("a release after a start");
    let calm = first
        .calm()
        .await
        .expect("a release in which nothing happens");
    let points: VecDeque<Point> = plan::points(&calm, full).into();
    let planned = points.len();
    let queue = Arc::new(Mutex::new(points));
    let tally = Arc::new(Mutex::new(Tally::default()));
    let mut lanes = tokio::task::JoinSet::new();
    let mut first = Some(first);
    for number in 0..LANES {
        let (queue, tally, each, lane) = (
            Arc::clone(&queue),
            Arc::clone(&tally),
            each.clone(),
            first.take(),
        );
        lanes.spawn(async move {
            let mut lane = lane;
            while let Some(point) = next(&queue, until) {
                let ready = match lane.take() {
                    Some(ready) => Ok(ready),
                    None => Lane::open(number).await,
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

/// The next point, while there is time.
fn next(queue: &Mutex<VecDeque<Point>>, until: Option<Instant>) -> Option<Point> {
    if until.is_some_and(|until| Instant::now() >= until) {
        return None;
    }
    queue.lock().unwrap().pop_front()
}

impl Tally {
    fn note(&mut self, point: &Point, end: Result<End, String>) {
        match end {
            Ok(End::Happened(operation)) => {
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
        json!({
            "e2e": name,
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
