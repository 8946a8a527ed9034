//! An AWS account in memory for any number of applications, in tokio's (paused) time, with faults on demand.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use crd_schema::record::Generation;
use crd_schema::{Application, ApplicationName};
use jiff::Timestamp;
use planner::gate::Run;
use planner::lab::Lab;
use planner::memory::WriteOutcome;
use planner::watch::{Measured, Watch};
use planner::{Read, World, Write};
use runtime::Clock;
use runtime::cloud::{Changed, Cloud, CloudWriter, Focus, FoundSpec, ReadError, Tried};

/// What a call does instead of answering.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    Panics,
    Hangs,
}

/// What becomes of a write that is not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unanswered {
    Lost(Fault),
    Landed(Fault),
}

#[derive(Debug, Default)]
struct State {
    labs: BTreeMap<ApplicationName, Lab>,
    specs: BTreeMap<ApplicationName, FoundSpec>,
    /// Services of these cannot be read.
    unreadable: BTreeSet<ApplicationName>,
    observe: BTreeMap<ApplicationName, Fault>,
    write: BTreeMap<ApplicationName, VecDeque<Option<Unanswered>>>,
    sent: BTreeMap<ApplicationName, usize>,
    specs_faults: VecDeque<Fault>,
    observations: BTreeMap<ApplicationName, usize>,
    statuses: BTreeMap<ApplicationName, Vec<String>>,
    /// Milliseconds from the send of a write to its effect.
    write_takes: u64,
    next_spec: i64,
}

/// The account. Clones are one account.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    clock: Clock,
    state: Arc<Mutex<State>>,
}

pub(crate) fn name(text: &str) -> ApplicationName {
    ApplicationName::new(text)
}

/// A spec of one application with groups and a listener of its own.
pub(crate) fn spec(name: &str) -> String {
    spec_on(name, name)
}

/// The same, on the listener and the groups of `place`.
pub(crate) fn spec_on(name: &str, place: &str) -> String {
    let elb = "arn:aws:elasticloadbalancing:eu-west-1:123456789012";
    format!(
        "apiVersion: teal/v1alpha1
kind: Application
metadata: {{name: {name}}}
spec:
  cluster: prod
  template:
    taskDefinition: blog
    images: {{web: '123456789012.dkr.ecr.eu-west-1.amazonaws.com/blog:{{version}}'}}
    service: {{desiredCount: 2, launchType: FARGATE}}
  traffic:
    routes:
      - container: web
        port: 8080
        targetGroups: {{pair: ['{elb}:targetgroup/{place}-a/0123456789abcdef', '{elb}:targetgroup/{place}-b/0123456789abcdef']}}
        production: [{{listener: '{elb}:listener/app/{place}/0123456789abcdef/0123456789abcdef'}}]
  strategy: {{blueGreen: {{}}}}
  bakeTime: 1m
  cleanUp: {{settle: 10s}}
"
    )
}

impl Account {
    pub(crate) fn new(clock: Clock) -> Self {
        Self {
            clock,
            state: Arc::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Writes a spec parameter; the application's infrastructure is there from the first good one on.
    pub(crate) fn put_spec(&self, app: &str, text: &str) {
        let mut state = self.state();
        state.next_spec += 1;
        let generation = Generation {
            date: state.next_spec,
            version: state.next_spec,
        };
        let found = FoundSpec {
            name: name(app),
            generation,
            text: Ok(text.to_owned()),
        };
        state.specs.insert(name(app), found);
        if let Ok(application) = crd_schema::spec::load(text, app) {
            let now = ms(&self.clock);
            state.labs.entry(name(app)).or_insert_with(|| {
                let mut lab = Lab::new(application);
                lab.advance(now);
                lab
            });
        }
    }

    pub(crate) fn delete_spec(&self, app: &str) {
        self.state().specs.remove(&name(app));
    }

    pub(crate) fn wish(&self, app: &str, version: &str) {
        self.lab(app, |lab| lab.wish(version));
    }

    /// Looks at or changes an application's infrastructure as it is now.
    pub(crate) fn lab<T>(&self, app: &str, f: impl FnOnce(&mut Lab) -> T) -> T {
        let now = ms(&self.clock);
        let mut state = self.state();
        let lab = state.labs.get_mut(&name(app)).unwrap();
        lab.advance(now.saturating_sub(lab.now));
        f(lab)
    }

    /// Every write so far, in order.
    pub(crate) fn writes(&self, app: &str) -> Vec<String> {
        self.lab(app, |lab| lab.writes.clone())
    }

    pub(crate) fn observations(&self, app: &str) -> usize {
        self.state()
            .observations
            .get(&name(app))
            .copied()
            .unwrap_or_default()
    }

    pub(crate) fn statuses(&self, app: &str) -> Vec<serde_json::Value> {
        let state = self.state();
        let texts = state.statuses.get(&name(app)).into_iter().flatten();
        texts
            .map(|text| serde_json::from_str(text).unwrap())
            .collect()
    }

    /// Observations of the application go wrong from now on.
    pub(crate) fn break_observations(&self, app: &str, fault: Fault) {
        self.state().observe.insert(name(app), fault);
    }

    pub(crate) fn set_unreadable(&self, app: &str, unreadable: bool) {
        let mut state = self.state();
        if unreadable {
            state.unreadable.insert(name(app));
        } else {
            state.unreadable.remove(&name(app));
        }
    }

    /// Writes that were sent, whatever became of them.
    pub(crate) fn sent(&self, app: &str) -> usize {
        self.state()
            .sent
            .get(&name(app))
            .copied()
            .unwrap_or_default()
    }

    /// The application's next writes succeed or are not answered, one entry a write.
    pub(crate) fn break_writes(
        &self,
        app: &str,
        faults: impl IntoIterator<Item = Option<Unanswered>>,
    ) {
        self.state()
            .write
            .insert(name(app), faults.into_iter().collect());
    }

    /// The next lists of specs go wrong.
    pub(crate) fn break_specs(&self, faults: impl IntoIterator<Item = Fault>) {
        self.state().specs_faults.extend(faults);
    }

    pub(crate) fn writes_take(&self, duration: Duration) {
        self.state().write_takes = u64::try_from(duration.as_millis()).unwrap();
    }
}

async fn suffer(fault: Fault) {
    match fault {
        Fault::Panics => panic!("the test made it panic"),
        Fault::Hangs => pending().await,
    }
}

fn ms(clock: &Clock) -> u64 {
    clock.mono().0
}

impl Cloud for Account {
    async fn observe(&self, application: &Application, focus: &Focus) -> World {
        let app = &application.name;
        let fault = {
            let mut state = self.state();
            *state.observations.entry(app.clone()).or_default() += 1;
            state.observe.get(app).copied()
        };
        if let Some(fault) = fault {
            suffer(fault).await;
        }
        let mut world = self.lab(app.as_str(), |lab| lab.observe());
        if self.state().unreadable.contains(app) {
            world.services = Read::Unread {
                reason: "throttled: slow down".to_owned(),
            };
        }
        World {
            spec_present: focus.spec_present,
            conflicts: focus.conflicts.clone(),
            ..world
        }
    }

    async fn measure(&self, _: &Application, _: &Watch, from: Timestamp) -> (Measured, Timestamp) {
        (Measured::TooEarly, from)
    }

    async fn specs(&self) -> Result<Vec<FoundSpec>, ReadError> {
        let fault = self.state().specs_faults.pop_front();
        if let Some(fault) = fault {
            suffer(fault).await;
        }
        Ok(self.state().specs.values().cloned().collect())
    }

    async fn wishes(
        &self,
        names: &[ApplicationName],
    ) -> Result<BTreeMap<ApplicationName, Generation>, ReadError> {
        let state = self.state();
        let wish =
            |app: &ApplicationName| Some((app.clone(), state.labs.get(app)?.desired.as_ref()?.0));
        Ok(names.iter().filter_map(wish).collect())
    }
}

/// The right to write to an [`Account`].
#[derive(Debug)]
pub(crate) struct Writer(pub(crate) Account);

impl CloudWriter for Writer {
    async fn still_holds(&self, _: &Application, _: &Write) -> Result<(), Changed> {
        Ok(())
    }

    async fn write(&self, application: &Application, write: &Write) -> WriteOutcome {
        let (takes, fault) = {
            let mut state = self.0.state();
            *state.sent.entry(application.name.clone()).or_default() += 1;
            let fault = state
                .write
                .get_mut(&application.name)
                .and_then(VecDeque::pop_front)
                .flatten();
            (state.write_takes, fault)
        };
        tokio::time::sleep(Duration::from_millis(takes)).await;
        if let Some(Unanswered::Lost(fault)) = fault {
            suffer(fault).await;
        }
        let outcome = self
            .0
            .lab(application.name.as_str(), |lab| lab.apply(write));
        if let Some(Unanswered::Landed(fault)) = fault {
            suffer(fault).await;
        }
        outcome
    }

    async fn notify(
        &self,
        _: &crd_schema::webhook::Webhook,
        _: &runtime::events::Event,
    ) -> Result<(), ReadError> {
        Ok(())
    }

    async fn stop_gate(
        &self,
        _: &Application,
        _: &Run,
        _: Option<&str>,
        _: &str,
    ) -> Result<(), ReadError> {
        Ok(())
    }

    async fn try_gate(&self, _: &Application, _: &Run, _: u32, _: Option<&str>) -> Tried {
        Tried::Unclear {
            reason: "there are no gates here".to_owned(),
        }
    }

    async fn put_status(&self, name: &ApplicationName, status: &str) -> Result<(), ReadError> {
        self.0
            .state()
            .statuses
            .entry(name.clone())
            .or_default()
            .push(status.to_owned());
        Ok(())
    }
}
