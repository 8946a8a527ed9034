//! Carries a plan out and says what was wrong.

use std::collections::BTreeSet;
use std::time::Duration;

use emulator::api::Service;
use emulator::faults::FaultSettings;
use planner::Tuning;
use planner::ablation::{Rule, Without};
use runtime::controller::Settings;
use runtime::metrics::Role;
use serde_json::{Value, json};
use tests::iam::{Asked, Policy};
use tests::wire::{Exchange, Wire};
use tests::{Operator, Stage};

use crate::plan::{Deed, Plan, Scene};
use crate::scene;
use crate::secrets::{self, Log};

/// Longest time from the quiet to the end: two deadlines for the new release, twice Q∞, and the steps between.
const PATIENCE_S: u64 = 3_600;
/// Nothing may be written for so long after the end.
const STILL_S: u64 = 130;

/// What came of a run.
#[derive(Debug)]
pub(crate) struct Report {
    /// What was wrong; empty in a good run.
    pub(crate) problems: Vec<String>,
    /// The permissions that were asked for.
    pub(crate) asked: BTreeSet<Asked>,
    /// Everything that went over the wire.
    pub(crate) exchanges: Vec<Exchange>,
    /// How many of the emulator's calls were counted before the operator's first one.
    pub(crate) journal: Vec<String>,
    /// Virtual milliseconds from the beginning to the end.
    pub(crate) took_ms: u64,
}

impl Report {
    /// Fails with the plan when something was wrong.
    pub(crate) fn check(&self, plan: &Plan) {
        assert!(
            self.problems.is_empty(),
            "{:#?}\nthe plan, for TEAL_PLAN: {}",
            self.problems,
            serde_json::to_string(plan).unwrap()
        );
    }
}

/// Nothing lands later than 15 s here, so that less than the default need be waited for before a removal.
const QUIESCENCE_DESTRUCTIVE: Duration = Duration::from_secs(60);

/// What of the operator is not as usual.
#[derive(Debug, Default)]
pub(crate) struct Unusual<'a> {
    /// Rules that are switched off.
    pub(crate) without: &'a [Rule],
    /// What is logged; none: see [`Log::collect`].
    pub(crate) log: Option<&'a str>,
    /// How many seconds of quiet are waited for the end; none: [`PATIENCE_S`].
    pub(crate) patience_s: Option<u64>,
}

/// Runs a plan on a runtime of its own, whose clock is paused.
pub(crate) fn run(plan: &Plan) -> Report {
    run_unusual(plan, &Unusual::default())
}

/// The same with something unusual.
pub(crate) fn run_unusual(plan: &Plan, unusual: &Unusual<'_>) -> Report {
    let settings = Settings {
        tuning: Tuning {
            quiescence_destructive: QUIESCENCE_DESTRUCTIVE,
            poll_moving: Duration::from_millis(plan.poll_ms),
            without: Without::rules(unusual.without),
            ..Tuning::default()
        },
        ..Settings::default()
    };
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_time().start_paused(true).build().unwrap();
    let snapshot = runtime.block_on(scene::snapshot(plan.scene));
    drop(runtime);
    let runtime = builder.build().unwrap();
    fastrand::seed(plan.seed);
    let log = Log::default();
    let _collected = log.collect(unusual.log);
    runtime.block_on(async {
        let stage = Stage::resumed(&snapshot);
        let policy = Policy::shipped(&stage.listeners, &scene::rules(&stage)).unwrap();
        let wire = Wire::judged_by(&stage.emulator, policy);
        let mut running = Running {
            plan,
            settings,
            wire,
            stage,
            log,
            operators: [None, None],
            started: 0,
            patience_s: unusual.patience_s.unwrap_or(PATIENCE_S),
            outputs: String::new(),
        };
        running.run().await
    })
}

struct Running<'a> {
    plan: &'a Plan,
    settings: Settings,
    wire: Wire,
    stage: Stage,
    log: Log,
    /// The second one only where there is a lease.
    operators: [Option<Operator>; 2],
    /// How many were started so far.
    started: usize,
    patience_s: u64,
    /// What ended operators showed.
    outputs: String,
}

impl Running<'_> {
    async fn run(&mut self) -> Report {
        let began = self.stage.emulator.now();
        self.stage.emulator.faults().clear_journal();
        self.stage.emulator.faults().set(self.plan.faults.clone());
        for act in self.plan.acts.iter().filter(|act| act.at == 0) {
            self.act(&act.deed).await;
        }
        self.act(&Deed::Start).await;
        let mut now = 0;
        for act in self.plan.acts.iter().filter(|act| act.at > 0) {
            now = self.pass_until(now, act.at).await;
            self.act(&act.deed).await;
        }
        self.pass_until(now, self.plan.quiet_ms).await;
        self.stage.emulator.faults().set(FaultSettings::default());
        self.act(&Deed::Start).await;
        if self.plan.has_drift() {
            // What a person changed at the last moment is seen at the next look.
            tokio::time::sleep(self.settings.tuning.poll_settled + Duration::from_secs(5)).await;
        }
        let mut problems = Vec::new();
        match self.ends().await {
            Err(unended) => problems.push(unended),
            Ok(()) => {
                let took_ms = self.stage.emulator.now() - began;
                if self.plan.scene == Scene::Empty {
                    // Every node of the load balancer has to learn of the first targets.
                    tokio::time::sleep(Duration::from_secs(30)).await;
                    self.stage.open(5.0);
                }
                let before = self.stage.writes();
                tokio::time::sleep(Duration::from_secs(STILL_S)).await;
                if self.stage.writes() != before {
                    problems.push(format!("more is wanted: {}", self.stage.picture()));
                }
                problems.extend(self.wrong_at_the_end());
                return self.report(problems, took_ms);
            }
        }
        self.report(problems, 0)
    }

    /// Waits until an instant of the plan; faults end on the way when it is time.
    async fn pass_until(&self, from: u64, to: u64) -> u64 {
        let quiet = self.plan.quiet_ms.clamp(from, to.max(from));
        tokio::time::sleep(Duration::from_millis(quiet - from)).await;
        if quiet < to {
            self.stage.emulator.faults().set(FaultSettings::default());
            tokio::time::sleep(Duration::from_millis(to - quiet)).await;
        }
        to.max(from)
    }

    async fn act(&mut self, deed: &Deed) {
        match deed {
            Deed::Wish(version) => self.stage.wish(version),
            Deed::Behave(version, behaviour) => {
                self.stage.behave(version, behaviour.clone());
            }
            Deed::Kill => {
                let leads = |operator: &Option<Operator>| {
                    let operator = operator.as_ref();
                    operator.is_some_and(|operator| operator.role() == Role::Leading)
                };
                let killed = usize::from(leads(&self.operators[1]));
                if let Some(operator) = self.operators[killed].take() {
                    self.outputs.push_str(&secrets::shown(&operator));
                    operator.kill().await;
                }
            }
            Deed::Start => {
                let (wire, emulator) = (&self.wire, &self.stage.emulator);
                let all = if self.plan.leased { 2 } else { 1 };
                let stopped = |operator: &&mut Option<Operator>| operator.is_none();
                for place in self.operators.iter_mut().take(all).filter(stopped) {
                    self.started += 1;
                    *place = Some(if self.plan.leased {
                        let holder = format!("operator-{}", self.started);
                        Operator::start_leased(wire, emulator, self.settings, &holder)
                    } else {
                        Operator::start_over(wire, emulator, self.settings, true)
                    });
                }
            }
            Deed::TestWeights(weights) => {
                let listener = self.stage.listeners[1].clone();
                self.set_weights(&listener, *weights);
            }
            Deed::Split => {
                let entered = &self.stage.get("record")["rollout"]["entered"];
                if !entered["Bake"].is_null() && entered["CleanUp"].is_null() {
                    self.stage.set_weights([Some(50), Some(50)]);
                }
            }
            Deed::ScaleOut => {
                if let [only] = self.stage.services().as_slice() {
                    let more = only["desiredCount"].as_u64().unwrap_or(0) + 1;
                    let input = json!({"cluster": "prod", "service": only["serviceName"], "desiredCount": more});
                    if only["status"] == "ACTIVE" {
                        self.stage.person(Service::Ecs, "UpdateService", input);
                    }
                }
            }
        }
    }

    fn set_weights(&self, listener: &str, weights: [Option<u64>; 2]) {
        let groups = self.stage.groups.iter().zip(weights);
        let tuples: Vec<Value> = groups
            .filter_map(|(group, weight)| Some(json!({"TargetGroupArn": group, "Weight": weight?})))
            .collect();
        let actions = json!([{"Type": "forward", "ForwardConfig": {"TargetGroups": tuples}}]);
        let input = json!({"ListenerArn": listener, "DefaultActions": actions});
        self.stage.person(Service::Elbv2, "ModifyListener", input);
    }

    /// Waits for the end, and says when it does not come.
    async fn ends(&self) -> Result<(), String> {
        let (mut looked, mut ended) = (0, false);
        for _ in 0..self.patience_s {
            let version = self.stage.version("status");
            if version != looked {
                looked = version;
                let status = self.stage.get("status");
                ended = self.is_end(&status);
            }
            if ended && self.stage.live().len() == 1 {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        Err(format!(
            "no end within {} s of quiet: {}",
            self.patience_s,
            self.stage.picture()
        ))
    }

    fn is_end(&self, status: &Value) -> bool {
        let wish = self.plan.wish();
        let about_the_wish = status["desired"]["version"] == wish
            && status["desired"]["generation"]["version"] == self.stage.version("desired");
        let settled = status["phase"] == "Settled" && status["serving"]["version"] == wish;
        let rejected = status["phase"] == "Failed" && !status["serving"]["version"].is_null();
        about_the_wish && (settled || rejected)
    }

    /// What a person would complain about.
    fn wrong_at_the_end(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let users = self.stage.users();
        if users.failed > 0 || users.requests < 100 {
            problems.push(format!("requests were lost: {users:?}"));
        }
        let status = self.stage.get("status");
        let (failed, bad) = (status["phase"] == "Failed", self.plan.is_bad());
        if (bad && !failed) || (!bad && failed && !self.plan.may_reject()) {
            problems.push(format!("the wrong end: {}", self.stage.picture()));
        }
        if self.stage.live().len() != 1 {
            problems.push(format!("services are left over: {}", self.stage.picture()));
        }
        let family = json!({"familyPrefix": "blog-teal"});
        let kept = self
            .stage
            .person(Service::Ecs, "ListTaskDefinitions", family);
        let kept = kept["taskDefinitionArns"].as_array().map_or(0, Vec::len);
        if kept > self.settings.tuning.keep_revisions {
            problems.push(format!("{kept} revisions are left over"));
        }
        let groups = self
            .stage
            .person(Service::Elbv2, "DescribeTargetGroups", json!({}));
        let groups = groups["TargetGroups"].as_array().map_or(0, Vec::len);
        // The pair, or template and another one, and what serves.
        let expected = if self.plan.scene == Scene::PerRelease {
            3
        } else {
            2
        };
        if groups != expected {
            problems.push(format!("{groups} target groups are there, not {expected}"));
        }
        problems
    }

    fn report(&mut self, mut problems: Vec<String>, took_ms: u64) -> Report {
        for operator in self.operators.iter().flatten() {
            self.outputs.push_str(&secrets::shown(operator));
        }
        problems.extend(self.wire.denied());
        let log = self.log.text();
        let bugs = log
            .lines()
            .filter(|line| line.contains("a bug") || line.contains("panicked"));
        problems.extend(bugs.map(str::to_owned));
        problems.extend(secrets::found(&log, "the log"));
        problems.extend(secrets::found(&self.outputs, "metrics, events or board"));
        problems.extend(secrets::found(
            &secrets::written(&self.stage),
            "a parameter",
        ));
        let lines = self.stage.emulator.faults().journal(|journal| {
            let line = |entry: &emulator::faults::journal::Entry| {
                let (at, input) = (entry.at, &entry.input);
                format!("{at:>8} {} {}: {input}", entry.operation, entry.outcome)
            };
            journal.log().map(line).collect()
        });
        Report {
            problems,
            asked: self.wire.asked(),
            exchanges: self.wire.exchanges(),
            journal: lines,
            took_ms,
        }
    }
}
