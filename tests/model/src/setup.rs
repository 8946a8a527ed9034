//! What a search looks at: the start, what may happen and how often, the bounds.

use std::sync::Arc;
use std::time::Duration;

use crd_schema::analysis::{Alarms, AlreadyInAlarm, Analysis, Metric};
use crd_schema::application::{RuleTarget, TargetGroups};
use crd_schema::desired::Desired;
use crd_schema::gate::{Check, EcsTask, Gate, OnAbort, OnError};
use crd_schema::record::{Generation, Stage};
use crd_schema::schedule::{Schedule, Window};
use crd_schema::strategy::{Step, Strategy};
use crd_schema::{AnalysisName, Application, GateName, TargetGroupArn};
use jiff::civil::date;
use jiff::tz::TimeZone;
use planner::ablation::{Rule, Without};
use planner::release::{self, Wanted};
use planner::{Tuning, lab};
use serde_json::json;

/// Versions that can be wished for; the first one serves at the start.
pub const VERSIONS: [&str; 3] = ["1.0.0", "2.0.0", "3.0.0"];

/// Milliseconds of a tick. Every duration of the model is a few of them.
pub const TICK: u64 = 1_000;

/// Q in ticks, as shipped: an unanswered write that lands later than that is outside of what bounded writes promise.
pub const QUIESCENCE: u64 = 2;

/// A few ticks as a duration.
pub const fn ticks(n: u64) -> Duration {
    Duration::from_millis(n * TICK)
}

/// What may happen besides what the operator does, and how often in one history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Faults {
    /// A write gets no answer; it lands later, or never.
    pub unanswered: u8,
    /// A write is refused or never sent.
    pub refused: u8,
    /// An operator is killed, or stopped gracefully, and started again.
    pub restart: u8,
    /// An operator is paused, or loses the lease, until it is resumed.
    pub pause: u8,
    /// A service's tasks begin or cease to fail their health checks.
    pub flip: u8,
    /// A task crashes and another takes its place.
    pub crash: u8,
    /// ECS gives up a deployment in place, and goes back by itself or does not.
    pub breaker: u8,
    /// A person acts.
    pub person: u8,
    /// A person promotes, aborts, pauses or resumes.
    pub verb: u8,
    /// A freeze begins or ends.
    pub freeze: u8,
    /// A part of the world cannot be read.
    pub unread: u8,
    /// Alarms and analyses change what they say.
    pub says: u8,
    /// All of these together.
    pub together: u8,
}

/// So many faults together, among these.
pub fn faults(together: u8, change: impl FnOnce(&mut Faults)) -> Faults {
    let mut faults = Faults {
        together,
        ..Faults::default()
    };
    change(&mut faults);
    faults
}

/// One fault, of these.
pub fn one(change: impl FnOnce(&mut Faults)) -> Faults {
    faults(1, change)
}

/// Which APIs may answer with something older than the truth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stale {
    /// Services and task definitions.
    pub ecs: bool,
    /// Rules and weights.
    pub elb: bool,
    /// Target health.
    pub health: bool,
    /// Desired value and record.
    pub ssm: bool,
}

impl Stale {
    /// Every one.
    pub const ALL: Self = Self {
        ecs: true,
        elb: true,
        health: true,
        ssm: true,
    };
}

/// What runs when the search begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// Nothing; the rule gives everything to A.
    Empty,
    /// The first release alone on A.
    Serving,
    /// The first release on A and the second on B, both healthy, with these weights.
    Both([Option<u32>; 2]),
    /// The first and the second release, both healthy, on A.
    Shared,
    /// Whatever can be written down, reachable or not: a person may be needed for any reason.
    Anything,
}

/// One search.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The application under test.
    pub application: Arc<Application>,
    /// The operator's bounds, and what is switched off.
    pub tuning: Tuning,
    /// What runs at the start.
    pub start: Start,
    /// Which of [`VERSIONS`] never pass a health check.
    pub broken: Vec<usize>,
    /// How often the desired value may change.
    pub wishes: u8,
    /// Operators.
    pub operators: usize,
    /// They share a lease.
    pub lease: bool,
    /// Which reads may be stale.
    pub stale: Stale,
    /// How many ticks after it was sent an unanswered write may still land.
    pub late: u64,
    /// Rules that forward to the groups and do not stand in the spec.
    pub unlisted: Vec<RuleTarget>,
    /// How many ticks nodes of the load balancer may still send requests by the weights before.
    pub lag: u64,
    /// Services that run at the start are known to Application Auto Scaling.
    pub autoscaled: bool,
    /// People who pause pause every application.
    pub pause_all: bool,
    /// What may happen.
    pub faults: Faults,
}

impl Setup {
    /// One operator and a settled application; nothing happens but `wishes` new releases.
    pub fn new(wishes: u8) -> Self {
        let mut application = lab::application();
        application.template.desired_count = 1;
        if let Some(route) = application.routes.first_mut() {
            route.test.clear();
        }
        application.bake_time = ticks(1);
        application.clean_up.settle = ticks(1);
        application.clean_up.keep_blue = ticks(0);
        application.deadlines.scale_up = ticks(8);
        application.deadlines.validate = ticks(6);
        application.deadlines.shift = ticks(6);
        application.deadlines.clean_up = ticks(6);
        let tuning = Tuning {
            staleness: ticks(1),
            ecs_staleness: ticks(1),
            quiescence: ticks(QUIESCENCE),
            quiescence_destructive: ticks(3),
            health_gap: ticks(1),
            task_settle: ticks(1),
            evidence_age: ticks(1),
            plan_age: ticks(1),
            keep_revisions: 2,
            ..Tuning::default()
        };
        Self {
            application: Arc::new(application),
            tuning,
            start: Start::Serving,
            broken: Vec::new(),
            wishes,
            operators: 1,
            lease: false,
            stale: Stale::default(),
            late: QUIESCENCE,
            unlisted: Vec::new(),
            lag: 1,
            autoscaled: false,
            pause_all: false,
            faults: Faults::default(),
        }
    }

    /// The application while a freeze goes on, whose end nobody lives to see.
    pub fn in_freeze(&self) -> Application {
        let freeze = Window::Once {
            from: date(1970, 1, 1).at(0, 0, 0, 0),
            to: date(9000, 1, 1).at(0, 0, 0, 0),
        };
        Application {
            schedule: Some(Schedule {
                zone: TimeZone::UTC,
                freeze: vec![freeze],
                allow: Vec::new(),
            }),
            ..(*self.application).clone()
        }
    }

    /// The same with a group for each release.
    pub fn per_release(self) -> Self {
        let from = TargetGroupArn::new("tg-template");
        self.application(|application| {
            if let Some(route) = application.routes.first_mut() {
                route.groups = TargetGroups::PerRelease { from };
            }
        })
    }

    /// The same without a load balancer.
    pub fn worker(self) -> Self {
        self.application(|application| {
            application.routes = Vec::new();
            application.clean_up.settle = ticks(0);
        })
    }

    /// The same without a load balancer, updated in place; ECS may go back by itself.
    pub fn rolling(self) -> Self {
        self.worker().in_place()
    }

    /// The same with one group, updated in place; ECS may go back by itself.
    pub fn rolling_behind_a_load_balancer(self) -> Self {
        let single = |application: &mut Application| {
            for route in &mut application.routes {
                route.groups = TargetGroups::Single(TargetGroupArn::new("tg-a"));
            }
        };
        self.application(single).in_place()
    }

    fn in_place(self) -> Self {
        let breaker = json!({"deploymentCircuitBreaker": {"enable": true, "rollback": true}});
        self.application(|application| {
            application.strategy = Strategy::ROLLING;
            let service = &mut application.template.service;
            service.insert("deploymentConfiguration".to_owned(), breaker);
        })
    }

    /// With what runs at the start autoscaled.
    pub fn autoscaled(self) -> Self {
        Self {
            autoscaled: true,
            ..self
        }
    }

    /// With these faults.
    pub fn faults(self, faults: Faults) -> Self {
        Self { faults, ..self }
    }

    /// With these reads stale.
    pub fn stale(self, stale: Stale) -> Self {
        Self { stale, ..self }
    }

    /// From this start.
    pub fn start(self, start: Start) -> Self {
        Self { start, ..self }
    }

    /// With this rule of the planner or fence switched off.
    pub fn without(mut self, rules: &[Rule]) -> Self {
        self.tuning.without = Without::rules(rules);
        self
    }

    /// With traffic in these steps.
    pub fn steps(self, steps: impl Into<Vec<Step>>) -> Self {
        self.application(|application| application.strategy.steps = steps.into())
    }

    /// With a gate of this name, before this stage or where a step names it.
    pub fn gate(self, name: &str, before: Option<Stage>) -> Self {
        let task = EcsTask {
            task_definition: None,
            container: None,
            command: Vec::new(),
            on_abort: OnAbort::Stop,
        };
        let gate = Gate {
            before,
            check: Check::EcsTask(task),
            attempts: 1,
            every: ticks(1),
            timeout: ticks(1),
            on_error: OnError::Hold,
        };
        self.application(|application| {
            application.gates.insert(GateName::new(name), gate);
        })
    }

    /// With an alarm.
    pub fn alarm(self) -> Self {
        self.application(|application| {
            application.alarms = Some(Alarms {
                names: vec!["blog-5xx".to_owned()],
                on_already: AlreadyInAlarm::Refuse,
            });
        })
    }

    /// With an analysis that goes on while traffic moves.
    pub fn analysis(self) -> Self {
        let analysis = Analysis {
            interval: ticks(1),
            ..lab::analysis(Metric::SuccessRate { at_least: 0.99 })
        };
        self.application(|application| {
            application
                .analyses
                .insert(AnalysisName::new("errors"), analysis);
        })
    }

    /// The application changed.
    pub fn application(mut self, change: impl FnOnce(&mut Application)) -> Self {
        change(Arc::make_mut(&mut self.application));
        self
    }

    /// The bounds changed.
    pub fn tuning(mut self, change: impl FnOnce(&mut Tuning)) -> Self {
        change(&mut self.tuning);
        self
    }

    /// The n-th write of the desired value. Its date is its number, so that names do not depend on time.
    pub fn generation(n: i64) -> Generation {
        Generation {
            date: n,
            version: n,
        }
    }

    /// Release `n` as wished for by `generation`.
    pub fn wanted(&self, n: usize, generation: Generation) -> Wanted {
        release::wanted(&self.application, generation, &Self::desired(n))
            .unwrap_or_else(|why| unreachable!("the releases of the model are valid: {why}"))
    }

    /// The desired value of release `n`.
    pub fn desired(n: usize) -> Desired {
        lab::desired(VERSIONS[n])
    }
}
