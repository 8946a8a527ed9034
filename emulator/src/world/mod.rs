//! Pure state and rules in time.
//!
//! Time is an argument: [`Millis`] since the emulator's epoch. Nothing here reads a clock, opens a socket or
//! draws a random number that is not seeded.

pub mod agenda;
pub mod autoscaling;
pub mod behaviour;
pub mod cloudwatch;
pub mod dynamodb;
pub mod ecs;
pub mod elb;
pub mod hash;
pub mod lambda;
pub mod settings;
pub mod ssm;
pub mod traffic;
pub mod view;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use agenda::Event;
pub use settings::{Settings, TaskMode};

/// Milliseconds since the emulator's epoch ([`World::epoch_unix_ms`]).
pub type Millis = u64;

/// Everything the emulated account holds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct World {
    /// Durations, quotas and identity.
    pub settings: Settings,
    /// Unix time in milliseconds at `Millis` 0.
    pub epoch_unix_ms: u64,
    /// The latest instant that [`World::advance`] was told.
    pub now: Millis,
    /// Counter behind every generated identifier, so that a seed and a call sequence replay bit for bit.
    pub next_id: u64,
    /// How many things were created under each name, behind the identifiers that a name decides.
    created: BTreeMap<String, u64>,
    /// What is due when.
    pub agenda: agenda::Agenda,
    /// Amazon ECS.
    pub ecs: ecs::Ecs,
    /// Elastic Load Balancing v2.
    pub elb: elb::Elb,
    /// Systems Manager Parameter Store.
    pub ssm: ssm::Ssm,
    /// Application Auto Scaling.
    pub autoscaling: autoscaling::AutoScaling,
    /// Amazon DynamoDB.
    pub dynamodb: dynamodb::DynamoDb,
    /// Amazon CloudWatch.
    pub cloudwatch: cloudwatch::CloudWatch,
    /// AWS Lambda.
    pub lambda: lambda::Lambda,
    /// Modelled users.
    pub traffic: traffic::Traffic,
}

impl World {
    /// An empty account at `Millis` 0.
    #[must_use]
    pub fn new(settings: Settings, epoch_unix_ms: u64) -> Self {
        Self {
            settings,
            epoch_unix_ms,
            now: 0,
            next_id: 1,
            created: BTreeMap::new(),
            agenda: agenda::Agenda::default(),
            ecs: ecs::Ecs::default(),
            elb: elb::Elb::default(),
            ssm: ssm::Ssm::default(),
            autoscaling: autoscaling::AutoScaling::default(),
            dynamodb: dynamodb::DynamoDb::default(),
            cloudwatch: cloudwatch::CloudWatch::default(),
            lambda: lambda::Lambda::default(),
            traffic: traffic::Traffic::default(),
        }
    }

    /// Makes all timed transitions up to `now`. Time never goes back: an earlier `now` changes nothing.
    pub fn advance(&mut self, now: Millis) {
        while let Some((at, event)) = self.agenda.take_due(now) {
            self.now = self.now.max(at);
            self.happen(event);
        }
        self.now = self.now.max(now);
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Task(task) => ecs::life::step(self, &task),
            Event::TaskExits(task) => ecs::life::exits(self, &task),
            Event::TaskTerminated(task, code) => ecs::life::exited(self, &task, code, None),
            Event::TaskForgotten(task) => ecs::life::forget(self, &task),
            Event::Service(service) => ecs::scheduler::look(self, &service),
            Event::ServiceForgotten(service, created_at) => {
                ecs::service::forget(self, &service, created_at)
            }
            Event::Check(group, target) => elb::health::check(self, &group, target),
            Event::Drained(group, target) => elb::target_group::drained(self, &group, target),
            Event::Alarm(name, id) => cloudwatch::alarm::evaluate(self, &name, id),
            Event::Tracking(key, arn) => autoscaling::tracking::look(self, &key, &arn),
            Event::ScheduledAction(key, name) => autoscaling::schedule::come(self, &key, &name),
            Event::Request(stream) => traffic::send(self, stream),
            Event::RequestEnds(number) => traffic::end(self, number),
        }
    }

    /// The next instant at which [`World::advance`] may change something, if any.
    #[must_use]
    pub fn next_event(&self) -> Option<Millis> {
        self.agenda.next()
    }

    /// Unix time in seconds, as AWS's JSON has timestamps.
    #[must_use]
    pub fn unix_seconds(&self, at: Millis) -> f64 {
        (self.epoch_unix_ms + at) as f64 / 1000.0
    }

    /// The next number of the account's one counter.
    pub fn fresh_number(&mut self) -> u64 {
        let number = self.next_id;
        self.next_id += 1;
        number
    }

    /// 64 bits that no other call returns (for identifiers; the same in every replay).
    pub fn fresh_bits(&mut self) -> u64 {
        let number = self.fresh_number();
        hash::mix(&[self.settings.seed, number])
    }

    /// A fresh UUID.
    pub fn fresh_uuid(&mut self) -> String {
        let (high, low) = (self.fresh_bits(), self.fresh_bits());
        format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            high >> 32,
            high >> 16 & 0xffff,
            high & 0xfff,
            low >> 48 & 0x3fff | 0x8000,
            low & 0xffff_ffff_ffff
        )
    }

    /// 64 bits decided by a name and by how many things of that name were created before: the same in every run
    /// that creates the same things.
    pub fn stable_bits(&mut self, name: &str) -> u64 {
        let count = self.created.entry(name.to_owned()).or_insert(0);
        *count += 1;
        hash::mix(&[hash::text(name), *count])
    }
}
