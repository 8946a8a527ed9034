//! Alarms and analyses as the planner knows them: what is to be watched, and what was seen.
//!
//! A plan says what is to be watched from here on. What watches it measures, lets [`Judge`] add it up, and tells the
//! verdict in the next world; the planner alone decides what it means. [`Verdict::Passed`]: nothing speaks against the
//! release so far.

mod comparison;
mod judge;

use crd_schema::TargetGroupArn;
use crd_schema::analysis::{Alarms, Analysis};
use jiff::Timestamp;

pub use crate::gate::Verdict;
pub use comparison::{Comparison, Counts};
pub use judge::Judge;

/// Something to be watched. The same in each plan while it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Watch {
    /// The same after a restart, another one for each release and step; 32 hex digits.
    pub key: String,
    /// `alarms`, or `analysis` and its name: for people.
    pub name: String,
    /// What is watched.
    pub what: What,
    /// Whom it is about.
    pub about: About,
}

/// What is watched.
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    /// Alarms.
    Alarms {
        /// Which, and what counts when the release begins.
        alarms: Alarms,
        /// When green was created; none: it is not yet, and what is in ALARM was so before.
        begun: Option<Timestamp>,
    },
    /// A metric.
    Analysis(Analysis),
}

/// The release and what it is compared with.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct About {
    /// The version that is released.
    pub version: String,
    /// Green's service.
    pub green_service: String,
    /// Blue's service.
    pub blue_service: String,
    /// Where requests come from, route by route in the order of the spec; a worker has none.
    pub routes: Vec<Fronts>,
}

/// What stands in front of green and blue on one route.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fronts {
    /// Green's target group.
    pub green: Option<TargetGroupArn>,
    /// Blue's target group.
    pub blue: Option<TargetGroupArn>,
    /// ARN of the load balancer in front of them.
    pub load_balancer: Option<String>,
}

/// One measurement.
#[derive(Debug, Clone, PartialEq)]
pub enum Measured {
    /// How the alarms stand; those that do not exist are left out.
    Alarms(Vec<Alarm>),
    /// What a query answered.
    Value(f64),
    /// Requests since the last measurement.
    Requests {
        /// To green.
        green: Counts,
        /// To blue.
        blue: Counts,
    },
    /// How long green took since the last measurement.
    Latency {
        /// Requests to green.
        requests: u64,
        /// Seconds, at the percentile that was asked for.
        seconds: f64,
    },
    /// What is asked about has not come yet.
    TooEarly,
    /// There was nothing to measure.
    NoData {
        /// What was asked.
        reason: String,
    },
    /// It could not be measured.
    Error {
        /// Why, and what to do about it.
        reason: String,
    },
}

/// How an alarm stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarm {
    /// Its name.
    pub name: String,
    /// It is in ALARM. INSUFFICIENT_DATA is not: no data is no failure.
    pub red: bool,
    /// When it came into its state, as far as CloudWatch tells.
    pub since: Option<Timestamp>,
    /// CloudWatch's reason for it.
    pub reason: String,
}
