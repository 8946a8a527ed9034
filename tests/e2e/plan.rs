//! At which calls something happens, and in which moment of the call.

use std::collections::BTreeMap;

use emulator::api::Service;
use emulator::faults::history::is_read;
use emulator::faults::journal::Entry;
use emulator::faults::{Effect, Fault, When};
use serde_json::{Value, json};

/// A sample of a release's calls is every so-manieth.
const STRIDE: usize = 23;

/// One call of a release, and a moment of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Point {
    /// Which call: the n-th of these.
    service: Option<Service>,
    operation: Option<String>,
    nth: u64,
    pub(crate) moment: Moment,
}

/// When the operator dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Moment {
    /// Before its call takes effect, and it never does.
    Before,
    /// Before its call takes effect, which it does when the successor is at work.
    Late,
    /// After its call took effect, before the answer.
    After,
}

impl Point {
    /// The call is held in that moment.
    pub(crate) fn fault(&self) -> Fault {
        Fault {
            service: self.service,
            operation: self.operation.clone(),
            when: When::Nth(self.nth),
            effect: match self.moment {
                Moment::Before | Moment::Late => Effect::HoldRequest,
                Moment::After => Effect::HoldAnswer,
            },
        }
    }

    /// It is counted among calls of its operation, which writes.
    pub(crate) fn is_a_write(&self) -> bool {
        self.operation.is_some()
    }

    pub(crate) fn json(&self) -> Value {
        json!({"operation": self.operation, "nth": self.nth, "moment": format!("{:?}", self.moment)})
    }
}

/// The points of releases that make the calls of `calm`, one that nothing happened in. `full`: every write before, late
/// and after, and every call, counted over all operations, before and after; those come last, each stretch of them a
/// sample of the release. Else a dose: of the writes of parameters, of which there are many, each third in one of its
/// moments, and a fourth of the first such sample.
pub(crate) fn points(calm: &[Entry], full: bool) -> Vec<Point> {
    let mut points = Vec::new();
    let mut seen: BTreeMap<(Option<Service>, &str), u64> = BTreeMap::new();
    for (index, write) in calm
        .iter()
        .filter(|entry| !is_read(&entry.operation))
        .enumerate()
    {
        let nth = seen.entry((write.service, &write.operation)).or_default();
        *nth += 1;
        let mut moments = vec![Moment::Before, Moment::Late, Moment::After];
        if !full && write.operation == "PutParameter" {
            if index % 3 > 0 {
                continue;
            }
            moments = vec![moments[index / 3 % 3]];
        }
        points.extend(moments.into_iter().map(|moment| Point {
            service: write.service,
            operation: Some(write.operation.clone()),
            nth: *nth,
            moment,
        }));
    }
    let (samples, stride) = if full {
        (STRIDE, STRIDE)
    } else {
        (1, 4 * STRIDE)
    };
    let calls = (1..=samples).flat_map(|first| (first..=calm.len()).step_by(stride));
    for (index, nth) in calls.enumerate() {
        let mut moments = vec![Moment::Before, Moment::After];
        if !full {
            moments = vec![moments[index % 2]];
        }
        points.extend(moments.into_iter().map(|moment| Point {
            service: None,
            operation: None,
            nth: u64::try_from(nth).unwrap_or(u64::MAX),
            moment,
        }));
    }
    points
}

/// The same for a leader: its writes to the application, and with `full` those of its lease and every call. Else of
/// each `every` writes one, in one of its moments.
pub(crate) fn points_of_a_leader(calm: &[Entry], full: bool, every: usize) -> Vec<Point> {
    let mut points = points(calm, full);
    if !full {
        points.retain(|point| point.is_a_write() && point.service != Some(Service::DynamoDb));
        // Each write has up to three moments: a step that three does not divide meets all of them.
        points = points.into_iter().step_by(3 * every + 1).collect();
    }
    points
}
