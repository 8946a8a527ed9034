//! The reference rollouts: what is there, and what is asked when.

use std::collections::BTreeMap;
use std::time::Duration;

use crd_schema::analysis::{Alarms, AlreadyInAlarm, Analysis, Metric};
use crd_schema::application::Application;
use crd_schema::gate::{Check, Gate, Http, OnError};
use crd_schema::record::{Record, Release, Stage};
use crd_schema::schedule::{Schedule, Window};
use crd_schema::strategy::{Share, Step};
use crd_schema::{AnalysisName, GateName};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use planner::Side;
use planner::lab::{
    Lab, application, desired, per_release, rolling_behind_a_load_balancer, worker,
};
use planner::release::wanted;
use serde::{Deserialize, Serialize};

use crate::plan::{At, Entry, Fault, Groups, Test};

/// What serves before a scenario begins.
pub const BLUE: &str = "1.0.0";
/// What is released.
pub const GREEN: &str = "2.0.0";
/// What is released over it.
pub const NEXT: &str = "3.0.0";

/// A reference rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Scenario {
    /// Nothing runs; a first release.
    FirstRelease,
    /// A release replaces another.
    Release,
    /// A release whose tasks never pass a health check: back to what served.
    BadRelease,
    /// A newer release is wished for before the first has traffic.
    Supersede,
    /// A newer release is wished for while the first bakes.
    SupersedeInBake,
    /// The old release is wished for again just after the new one got the traffic.
    Cancel,
    /// Somebody moves the weights, first in peace, then in the middle of a release.
    Drift,
    /// Traffic moves in steps, between gates and beside an alarm.
    Steps,
    /// A person aborts the same half-way.
    Abort,
    /// Traffic moves in steps to a green that is smaller at first, beside an analysis; one step is another one.
    SmallGreen,
    /// A release that is wished for in a freeze.
    Freeze,
    /// A release of a service without a load balancer.
    Worker,
    /// The same, whose tasks never work.
    BadWorker,
    /// ECS updates the one service behind a load balancer in place.
    InPlace,
    /// The same, to a release whose tasks never pass a health check.
    BadInPlace,
}

impl Scenario {
    /// Every reference rollout.
    pub const ALL: [Self; 15] = [
        Self::FirstRelease,
        Self::Release,
        Self::BadRelease,
        Self::Supersede,
        Self::SupersedeInBake,
        Self::Cancel,
        Self::Drift,
        Self::Steps,
        Self::Abort,
        Self::SmallGreen,
        Self::Freeze,
        Self::Worker,
        Self::BadWorker,
        Self::InPlace,
        Self::BadInPlace,
    ];

    /// Where its releases may have their targets.
    pub fn groups(self) -> &'static [Groups] {
        match self {
            // None, or one for life.
            Self::Worker | Self::BadWorker | Self::InPlace | Self::BadInPlace => &[Groups::Pair],
            Self::FirstRelease
            | Self::Release
            | Self::BadRelease
            | Self::Supersede
            | Self::SupersedeInBake
            | Self::Cancel
            | Self::Drift
            | Self::Steps
            | Self::Abort
            | Self::SmallGreen
            | Self::Freeze => &Groups::ALL,
        }
    }

    /// A short application: the same stages in less time. Only the bad release may run into its deadline.
    fn application(self, groups: Groups) -> Application {
        let mut application = match (self, groups) {
            (Self::Worker | Self::BadWorker, _) => worker(),
            (Self::InPlace | Self::BadInPlace, _) => rolling_behind_a_load_balancer(),
            (_, Groups::Pair) => application(),
            (_, Groups::PerRelease) => per_release(),
        };
        application.bake_time = Duration::from_secs(20);
        let long = Duration::from_secs(7_200);
        application.deadlines.scale_up = if self.is_bad() {
            Duration::from_secs(90)
        } else {
            long
        };
        application.deadlines.validate = long;
        application.deadlines.shift = long;
        application.deadlines.clean_up = long;
        match self {
            Self::Steps | Self::Abort => in_steps(&mut application),
            Self::SmallGreen => with_a_small_green(&mut application),
            _ => {}
        }
        application
    }

    /// What is released never works.
    pub(crate) fn is_bad(self) -> bool {
        matches!(self, Self::BadRelease | Self::BadWorker | Self::BadInPlace)
    }

    /// What speaks for or against its release, where traffic moves in steps.
    pub(crate) fn tests(self) -> &'static [Test] {
        match self {
            Self::Steps | Self::Abort => &[Test::Gates, Test::Alarm],
            Self::SmallGreen => &[Test::Analysis],
            _ => &[],
        }
    }

    /// The account as it is when the operator starts, at virtual time 0.
    pub(crate) fn account(self, groups: Groups) -> Lab {
        let mut lab = Lab::new(self.application(groups));
        if self == Self::Freeze {
            lab.application.schedule = Some(frozen_until(lab.wall(START + THAW)));
        }
        if self == Self::FirstRelease {
            lab.advance(START);
            return lab;
        }
        if self.is_bad() {
            lab.broken.insert(GREEN.to_owned());
        }
        lab.wish(BLUE);
        lab.place(BLUE, Side::A, 2, 0);
        let Some((generation, _)) = lab.desired else {
            return lab;
        };
        if let Some(blue) = lab.services.last_mut() {
            blue.shown.tags.generation = Some(generation);
            // Of what is updated in place its task definition tells.
            if let Some(told) = lab.told.get_mut(&blue.shown.task_definition) {
                told.generation = Some(generation);
            }
        }
        let digest = wanted(&lab.application, generation, &desired(BLUE))
            .map(|wanted| wanted.digest)
            .unwrap_or_default();
        let last_good = Release {
            task_definition: Some(format!("td-{digest}")),
            digest,
            version: BLUE.to_owned(),
            generation,
        };
        let written = lab.generation();
        let record = Record {
            clean: true,
            created: 1,
            last_good: Some(last_good),
            ..Record::default()
        };
        lab.record = Some((written, record));
        // Its tasks have been healthy for long.
        lab.advance(START);
        lab
    }

    /// What is asked, and when.
    pub(crate) fn script(self) -> Vec<Entry> {
        let wish = |seconds: u64, version: &str| {
            Entry::new(At::Time(seconds * 1_000), Fault::Wish(version.to_owned()))
        };
        let weights = |seconds: u64, a, b| {
            let (a, b) = (Some(a), Some(b));
            Entry::new(At::Time(seconds * 1_000), Fault::Weights { a, b })
        };
        match self {
            Self::FirstRelease => vec![wish(1, BLUE)],
            Self::Release
            | Self::BadRelease
            | Self::Steps
            | Self::SmallGreen
            | Self::Freeze
            | Self::Worker
            | Self::BadWorker
            | Self::InPlace
            | Self::BadInPlace => vec![wish(12, GREEN)],
            Self::Abort => vec![wish(12, GREEN), Entry::new(At::Time(110_000), Fault::Abort)],
            Self::Supersede => vec![wish(12, GREEN), wish(52, NEXT)],
            Self::SupersedeInBake => vec![wish(12, GREEN), wish(93, NEXT)],
            Self::Cancel => vec![wish(12, GREEN), wish(75, BLUE)],
            Self::Drift => vec![weights(35, 0, 100), wish(52, GREEN), weights(125, 100, 0)],
        }
    }
}

/// A tenth, a gate, half, a pause, everything; a gate before it, and an alarm.
fn in_steps(application: &mut Application) {
    let to = |tenths| Share::tenths(tenths).map(Step::SetWeight);
    let smoke = || GateName::new("smoke");
    let gate = |before| {
        let url = "http://localhost/".to_owned();
        let http = Http {
            url,
            method: "GET".to_owned(),
            headers: BTreeMap::new(),
            status: 200,
            body: None,
        };
        Gate {
            before,
            check: Check::Http(http),
            attempts: 1,
            every: Duration::from_secs(5),
            timeout: Duration::from_secs(30),
            on_error: OnError::Hold,
        }
    };
    let steps = [
        to(100),
        Some(Step::Gate(smoke())),
        to(500),
        Some(Step::Pause(Some(Duration::from_secs(20)))),
    ];
    application.strategy.steps = steps.into_iter().flatten().collect();
    application.gates = BTreeMap::from([
        (GateName::new("ready"), gate(Some(Stage::Shift))),
        (smoke(), gate(None)),
    ]);
    application.alarms = Some(Alarms {
        names: vec![ALARM.to_owned()],
        on_already: AlreadyInAlarm::Refuse,
    });
}

/// Half of the tasks, a tenth, an analysis of its own, half, a pause, everything; and an analysis beside them.
fn with_a_small_green(application: &mut Application) {
    let share = Share::tenths;
    let probe = || AnalysisName::new("probe");
    let steps = [
        share(500).map(Step::SetScale),
        share(100).map(Step::SetWeight),
        Some(Step::Analysis(probe())),
        share(500).map(Step::SetWeight),
        Some(Step::Pause(Some(Duration::from_secs(20)))),
    ];
    application.strategy.steps = steps.into_iter().flatten().collect();
    let analysis = |in_a_step| Analysis {
        in_a_step,
        interval: Duration::from_secs(10),
        error_limit: 1,
        ..planner::lab::analysis(Metric::SuccessRate { at_least: 0.99 })
    };
    application.analyses = BTreeMap::from([
        (AnalysisName::new("errors"), analysis(false)),
        (probe(), analysis(true)),
    ]);
}

/// A freeze that has been for long, and ends then.
fn frozen_until(end: Timestamp) -> Schedule {
    let local = |time: Timestamp| TimeZone::UTC.to_datetime(time);
    let window = Window::Once {
        from: local(Timestamp::UNIX_EPOCH),
        to: local(end),
    };
    Schedule {
        zone: TimeZone::UTC,
        freeze: vec![window],
        allow: Vec::new(),
    }
}

/// When the freeze ends, in virtual milliseconds: after the wish, also where two operators agree on a leader before.
const THAW: u64 = 90_000;

/// The alarm.
pub(crate) const ALARM: &str = "blog-5xx";

/// The account's own clock at virtual time 0, in milliseconds: long enough after its beginning.
pub(crate) const START: u64 = 100_000;
