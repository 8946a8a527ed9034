//! What the loop tells Prometheus. Alert rules and dashboards are written against this table.
//!
//! Every label value is from a closed set, but for names of applications, rules and groups. All series of an
//! application exist, at zero, from the moment it is known, and are gone when it is. A timestamp of 0 means "not now".
//!
//! | Name | Type | Labels | Meaning |
//! |---|---|---|---|
//! | `teal_build_info` | gauge | `version` | 1 |
//! | `teal_ready` | gauge | | 1 once every known application was observed in full |
//! | `teal_loop_tick_timestamp_seconds` | gauge | | the loop last went round; it does so at least every 5 s |
//! | `teal_role` | gauge | `role` ([`Role`]) | 1 for what this process is, 0 for the others |
//! | `teal_lease_changes_total` | counter | `change` (`taken`, `lost`, `released`) | times that this process took the lease, lost it, gave it back |
//! | `teal_lease_renewed_timestamp_seconds` | gauge | | this process last took or renewed the lease; 0 when it never did |
//! | `teal_lease_errors_total` | counter | | calls of the lease's store that failed or were not answered |
//! | `teal_applications` | gauge | | applications that are known |
//! | `teal_sweeps_total` | counter | `kind` (`specs`, `wishes`), `result` (`read`, `failed`) | reads of all spec parameters, of all desired parameters |
//! | `teal_sweep_last_success_timestamp_seconds` | gauge | `kind` | the last one that succeeded |
//! | `teal_woken_total` | counter | `reason` ([`Wake`]) | starts of reconciles by what asked for them (one start may have several) |
//! | `teal_queue_depth` | gauge | | applications that are due and do not run yet |
//! | `teal_queue_running` | gauge | | reconciles under way |
//! | `teal_queue_oldest_seconds` | gauge | | for how long the one due longest has been due |
//! | `teal_reconciles_total` | counter | `application`, `result` ([`crate::outcome::Outcome`]) | ended reconciles |
//! | `teal_reconcile_duration_seconds` | histogram | `application` | how long they took |
//! | `teal_reconcile_consecutive_errors` | gauge | `application` | failed ones in a row |
//! | `teal_reconcile_last_success_timestamp_seconds` | gauge | `application` | the last one that did not fail |
//! | `teal_reconcile_panics_total` | counter | `application` | bugs: the reconcile panicked |
//! | `teal_reconcile_timeouts_total` | counter | `application` | it took longer than it may |
//! | `teal_writes_total` | counter | `operation`, `outcome` (`Applied`, `NotSent`, `Refused`, `Unknown`) | AWS writes of the executor, the record's among them, the status's not |
//! | `teal_status_writes_total` | counter | `result` (`written`, `failed`) | PutParameter of status documents |
//! | `teal_notifications_total` | counter | `result` (`sent`, `failed`, `dropped`) | events that were told to whoever a spec names; failed: not taken in any of five tries; dropped: too many waited, or the leadership ended |
//! | `teal_guard_refusals_total` | counter | `property` ([`planner::safety::PROPERTIES`]) | planned writes that the safety guard refused: a bug or a race |
//! | `teal_application_info` | gauge | `application`, `phase`, `stage`, `waiting_on`, `hold` | 1; `hold` is why, while `waiting_on` is `Hold`, and else empty |
//! | `teal_stage_start_timestamp_seconds` | gauge | `application`, `stage` | when the stage began that the application is in; 0 for the others, and while Settled |
//! | `teal_stage_deadline_timestamp_seconds` | gauge | `application`, `stage` | when that stage fails or ends by itself; 0 when there is no deadline, and for the others |
//! | `teal_waiting_on` | gauge | `application`, `reason` | 1 for what is waited for, 0 for the others |
//! | `teal_waiting_since_timestamp_seconds` | gauge | `application` | since when that is waited for |
//! | `teal_condition` | gauge | `application`, `type` | 1 while the condition is True |
//! | `teal_generation` | gauge | `application`, `kind` (`desired`, `observed`, `serving`) | version of the desired parameter: as it is, as decided upon, as served; 0 while unknown |
//! | `teal_weight_asked`, `teal_weight_read` | gauge | `application`, `rule`, `group` | weights as they should be now, and as read; no series where a rule does not name the group |
//! | `teal_releases_total` | counter | `application`, `outcome` (`Succeeded`, `RolledBack`, `Aborted`, `Superseded`) | rollouts that ended while this process watched |
//! | `teal_release_duration_seconds` | histogram | `application`, `outcome` | how long they took |
//!
//! Calls, throttles and time spent in the call budget are counted at the wall to AWS, under `teal_aws_`.

mod application;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use crd_schema::ApplicationName;
use jiff::Timestamp;
use planner::Write;
use planner::memory::WriteOutcome;
use prometheus::core::Collector;
use prometheus::{
    Gauge, GaugeVec, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts,
    Registry,
};

use crate::notify::Notified;
use crate::outcome::Wake;
use application::Open;

pub use application::Generations;

/// Buckets of a reconcile's duration, seconds.
const RECONCILE_SECONDS: [f64; 10] = [0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];
/// Buckets of a release's duration, seconds.
const RELEASE_SECONDS: [f64; 10] = [
    60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0, 14400.0, 43200.0,
];
/// The operations of [`Write::operation`].
const OPERATIONS: [&str; 13] = [
    "PutParameter",
    "RegisterTaskDefinition",
    "CreateService",
    "UpdateService",
    "ModifyListener",
    "ModifyRule",
    "TagResource",
    "DeleteService",
    "DeregisterTaskDefinition",
    "RegisterScalableTarget",
    "PutScalingPolicy",
    "PutScheduledAction",
    "DeregisterScalableTarget",
];
const WRITE_OUTCOMES: [&str; 4] = ["Applied", "NotSent", "Refused", "Unknown"];

/// Which read of all parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sweep {
    /// All specs.
    Specs,
    /// All desired values.
    Wishes,
}

impl Sweep {
    const ALL: [Self; 2] = [Self::Specs, Self::Wishes];

    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Specs => "specs",
            Self::Wishes => "wishes",
        }
    }
}

/// What this process is to the applications.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It writes: it holds the lease, or needs none.
    Leading,
    /// Another one holds the lease, or none does.
    Standby,
    /// It never writes.
    Observing,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 3] = [Self::Leading, Self::Standby, Self::Observing];

    /// The stable name: metric label and log field.
    pub fn label(self) -> &'static str {
        match self {
            Self::Leading => "leading",
            Self::Standby => "standby",
            Self::Observing => "observing",
        }
    }
}

/// What became of the lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LeaseChange {
    Taken,
    Lost,
    Released,
}

impl LeaseChange {
    const ALL: [Self; 3] = [Self::Taken, Self::Lost, Self::Released];

    fn label(self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::Lost => "lost",
            Self::Released => "released",
        }
    }
}

/// The loop's metrics, registered. One of these a registry.
#[derive(Debug)]
pub struct Metrics {
    ready: IntGauge,
    loop_tick: Gauge,
    role: GaugeVec,
    lease_changes: IntCounterVec,
    lease_renewed: Gauge,
    lease_errors: IntCounter,
    applications: IntGauge,
    sweeps: IntCounterVec,
    sweep_success: GaugeVec,
    woken: IntCounterVec,
    queue_depth: IntGauge,
    queue_running: IntGauge,
    queue_oldest: Gauge,
    reconciles: IntCounterVec,
    reconcile_duration: HistogramVec,
    consecutive_errors: GaugeVec,
    last_success: GaugeVec,
    panics: IntCounterVec,
    timeouts: IntCounterVec,
    writes: IntCounterVec,
    status_writes: IntCounterVec,
    notifications: IntCounterVec,
    guard_refusals: IntCounterVec,
    info: GaugeVec,
    stage_start: GaugeVec,
    stage_deadline: GaugeVec,
    waiting_on: GaugeVec,
    waiting_since: GaugeVec,
    condition: GaugeVec,
    generation: GaugeVec,
    weight_asked: GaugeVec,
    weight_read: GaugeVec,
    releases: IntCounterVec,
    release_duration: HistogramVec,
    /// Series with open label values that stand for each application now, to be removed when they no longer do.
    open: Mutex<BTreeMap<ApplicationName, Open>>,
}

impl Metrics {
    /// Registers every metric, and initialises those that belong to no application.
    ///
    /// # Errors
    ///
    /// When the registry has one of these names already.
    pub fn new(registry: &Registry, version: &str) -> Result<Self, prometheus::Error> {
        let register = Register(registry);
        let metrics = Self {
            ready: register.gauge(
                "teal_ready",
                "1 once every known application was observed in full",
            )?,
            loop_tick: register.float(
                "teal_loop_tick_timestamp_seconds",
                "when the loop last went round",
            )?,
            role: register.gauges("teal_role", "1 for what this process is", &["role"])?,
            lease_changes: register.counters(
                "teal_lease_changes_total",
                "times that this process took the lease, lost it, gave it back",
                &["change"],
            )?,
            lease_renewed: register.float(
                "teal_lease_renewed_timestamp_seconds",
                "this process last took or renewed the lease",
            )?,
            lease_errors: register.add(IntCounter::new(
                "teal_lease_errors_total",
                "calls of the lease's store that failed or were not answered",
            ))?,
            applications: register.gauge("teal_applications", "applications that are known")?,
            sweeps: register.counters(
                "teal_sweeps_total",
                "reads of all parameters of one kind",
                &["kind", "result"],
            )?,
            sweep_success: register.gauges(
                "teal_sweep_last_success_timestamp_seconds",
                "the last read of all parameters that succeeded",
                &["kind"],
            )?,
            woken: register.counters(
                "teal_woken_total",
                "starts of reconciles by what asked for them",
                &["reason"],
            )?,
            queue_depth: register.gauge(
                "teal_queue_depth",
                "applications that are due and do not run yet",
            )?,
            queue_running: register.gauge("teal_queue_running", "reconciles under way")?,
            queue_oldest: register.float(
                "teal_queue_oldest_seconds",
                "for how long the application due longest has been due",
            )?,
            reconciles: register.counters(
                "teal_reconciles_total",
                "ended reconciles",
                &["application", "result"],
            )?,
            reconcile_duration: register.histograms(
                "teal_reconcile_duration_seconds",
                "how long reconciles took",
                &["application"],
                &RECONCILE_SECONDS,
            )?,
            consecutive_errors: register.gauges(
                "teal_reconcile_consecutive_errors",
                "failed reconciles in a row",
                &["application"],
            )?,
            last_success: register.gauges(
                "teal_reconcile_last_success_timestamp_seconds",
                "the last reconcile that did not fail",
                &["application"],
            )?,
            panics: register.counters(
                "teal_reconcile_panics_total",
                "reconciles that panicked",
                &["application"],
            )?,
            timeouts: register.counters(
                "teal_reconcile_timeouts_total",
                "reconciles that took longer than they may",
                &["application"],
            )?,
            writes: register.counters(
                "teal_writes_total",
                "AWS writes of the executor",
                &["operation", "outcome"],
            )?,
            status_writes: register.counters(
                "teal_status_writes_total",
                "writes of status documents",
                &["result"],
            )?,
            notifications: register.counters(
                "teal_notifications_total",
                "events that were told outward",
                &["result"],
            )?,
            guard_refusals: register.counters(
                "teal_guard_refusals_total",
                "planned writes that the safety guard refused",
                &["property"],
            )?,
            info: register.gauges(
                "teal_application_info",
                "how an application goes",
                &["application", "phase", "stage", "waiting_on", "hold"],
            )?,
            stage_start: register.gauges(
                "teal_stage_start_timestamp_seconds",
                "when the present stage began",
                &["application", "stage"],
            )?,
            stage_deadline: register.gauges(
                "teal_stage_deadline_timestamp_seconds",
                "when the present stage fails or ends by itself",
                &["application", "stage"],
            )?,
            waiting_on: register.gauges(
                "teal_waiting_on",
                "1 for what is waited for",
                &["application", "reason"],
            )?,
            waiting_since: register.gauges(
                "teal_waiting_since_timestamp_seconds",
                "since when that is waited for",
                &["application"],
            )?,
            condition: register.gauges(
                "teal_condition",
                "1 while the condition is True",
                &["application", "type"],
            )?,
            generation: register.gauges(
                "teal_generation",
                "version of the desired parameter",
                &["application", "kind"],
            )?,
            weight_asked: register.gauges(
                "teal_weight_asked",
                "weights as they should be now",
                &["application", "rule", "group"],
            )?,
            weight_read: register.gauges(
                "teal_weight_read",
                "weights as read",
                &["application", "rule", "group"],
            )?,
            releases: register.counters(
                "teal_releases_total",
                "rollouts that ended",
                &["application", "outcome"],
            )?,
            release_duration: register.histograms(
                "teal_release_duration_seconds",
                "how long rollouts took",
                &["application", "outcome"],
                &RELEASE_SECONDS,
            )?,
            open: Mutex::default(),
        };
        register
            .gauges("teal_build_info", "1", &["version"])?
            .with_label_values(&[version])
            .set(1.0);
        metrics.initialise();
        Ok(metrics)
    }

    fn initialise(&self) {
        for role in Role::ALL {
            self.role.with_label_values(&[role.label()]).set(0.0);
        }
        for change in LeaseChange::ALL {
            self.lease_changes
                .with_label_values(&[change.label()])
                .reset();
        }
        for kind in Sweep::ALL.map(Sweep::label) {
            self.sweep_success.with_label_values(&[kind]).set(0.0);
            for result in ["read", "failed"] {
                self.sweeps.with_label_values(&[kind, result]).reset();
            }
        }
        for reason in Wake::ALL {
            self.woken.with_label_values(&[reason.label()]).reset();
        }
        for property in planner::safety::PROPERTIES {
            self.guard_refusals.with_label_values(&[property]).reset();
        }
        for result in ["written", "failed"] {
            self.status_writes.with_label_values(&[result]).reset();
        }
        for result in Notified::ALL {
            let result = result.label();
            self.notifications.with_label_values(&[result]).reset();
        }
        for operation in OPERATIONS {
            for outcome in WRITE_OUTCOMES {
                self.writes.with_label_values(&[operation, outcome]).reset();
            }
        }
    }
}

/// What the loop says of itself.
impl Metrics {
    pub(crate) fn set_ready(&self, ready: bool) {
        self.ready.set(i64::from(ready));
    }

    pub(crate) fn set_role(&self, role: Role) {
        for other in Role::ALL {
            let holds = if other == role { 1.0 } else { 0.0 };
            self.role.with_label_values(&[other.label()]).set(holds);
        }
    }

    pub(crate) fn lease_changed(&self, change: LeaseChange) {
        self.lease_changes
            .with_label_values(&[change.label()])
            .inc();
    }

    pub(crate) fn lease_renewed(&self, now: Timestamp) {
        self.lease_renewed.set(seconds(now));
    }

    pub(crate) fn lease_failed(&self) {
        self.lease_errors.inc();
    }

    /// The loop went round: how many applications it knows, and how its queue stands.
    pub(crate) fn ticked(&self, now: Timestamp, applications: usize, queue: QueueState) {
        let QueueState {
            depth,
            running,
            oldest,
        } = queue;
        self.loop_tick.set(seconds(now));
        self.applications.set(count(applications));
        self.queue_depth.set(count(depth));
        self.queue_running.set(count(running));
        self.queue_oldest.set(oldest.as_secs_f64());
    }

    /// All parameters of one kind were read, or could not be.
    pub(crate) fn swept(&self, sweep: Sweep, read: bool, now: Timestamp) {
        self.sweeps
            .with_label_values(&[sweep.label(), if read { "read" } else { "failed" }])
            .inc();
        if read {
            self.sweep_success
                .with_label_values(&[sweep.label()])
                .set(seconds(now));
        }
    }

    pub(crate) fn woken(&self, reason: Wake) {
        self.woken.with_label_values(&[reason.label()]).inc();
    }

    pub(crate) fn wrote(&self, write: &Write, outcome: &WriteOutcome) {
        let outcome = match outcome {
            WriteOutcome::Applied => "Applied",
            WriteOutcome::NotSent { .. } => "NotSent",
            WriteOutcome::Refused { .. } => "Refused",
            WriteOutcome::Unknown { .. } => "Unknown",
        };
        self.writes
            .with_label_values(&[write.operation(), outcome])
            .inc();
    }

    pub(crate) fn status_written(&self, written: bool) {
        self.status_writes
            .with_label_values(&[if written { "written" } else { "failed" }])
            .inc();
    }

    pub(crate) fn notified(&self, result: Notified) {
        let result = result.label();
        self.notifications.with_label_values(&[result]).inc();
    }

    pub(crate) fn guard_refused(&self, property: &str) {
        self.guard_refusals.with_label_values(&[property]).inc();
    }
}

/// How the queue stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct QueueState {
    /// Due and not running.
    pub(crate) depth: usize,
    /// Running.
    pub(crate) running: usize,
    /// For how long the one due longest has been due.
    pub(crate) oldest: Duration,
}

/// Seconds since the epoch.
fn seconds(timestamp: Timestamp) -> f64 {
    timestamp.as_duration().as_secs_f64()
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

struct Register<'a>(&'a Registry);

impl Register<'_> {
    fn add<C: Collector + Clone + 'static>(
        &self,
        collector: Result<C, prometheus::Error>,
    ) -> Result<C, prometheus::Error> {
        let collector = collector?;
        self.0.register(Box::new(collector.clone()))?;
        Ok(collector)
    }

    fn gauge(&self, name: &str, help: &str) -> Result<IntGauge, prometheus::Error> {
        self.add(IntGauge::new(name, help))
    }

    fn float(&self, name: &str, help: &str) -> Result<Gauge, prometheus::Error> {
        self.add(Gauge::new(name, help))
    }

    fn gauges(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<GaugeVec, prometheus::Error> {
        self.add(GaugeVec::new(Opts::new(name, help), labels))
    }

    fn counters(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<IntCounterVec, prometheus::Error> {
        self.add(IntCounterVec::new(Opts::new(name, help), labels))
    }

    fn histograms(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
        buckets: &[f64],
    ) -> Result<HistogramVec, prometheus::Error> {
        self.add(HistogramVec::new(
            HistogramOpts::new(name, help).buckets(buckets.to_vec()),
            labels,
        ))
    }
}
