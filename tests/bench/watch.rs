//! An operator at work on the blog in virtual time, seen from outside: by its calls and by what the account shows.

use std::time::Duration;

use crd_schema::ApplicationName;
use emulator::api::Service;
use emulator::faults::history::is_read;
use emulator::faults::journal::Entry;
use emulator::world::Millis;
use emulator::world::ecs::service::Status;
use serde_json::Value;
use tests::{Operator, Rule, Stage};

use crate::figures::Outcome;

/// How often the account is looked at: no figure in virtual time is finer.
const LOOK: Duration = Duration::from_millis(50);
/// Nothing here takes so long.
const LIMIT: Duration = Duration::from_secs(1_800);
/// Between two things that are measured: longer than every poll and every bound.
const REST_MS: Millis = 600_000;

/// The blog and its operator.
pub(crate) struct Blog {
    pub(crate) stage: Stage,
    pub(crate) operator: Operator,
}

impl Blog {
    /// `version` serves alone, and nothing more is wanted.
    pub(crate) async fn serving(version: &str) -> Outcome<Self> {
        let stage = Stage::new();
        stage.wish(version);
        let operator = stage.operator();
        let blog = Self { stage, operator };
        blog.until_settled("Settled", version).await?;
        Ok(blog)
    }

    pub(crate) fn now(&self) -> Millis {
        self.stage.emulator.now()
    }

    /// Waits until `done` says when, looking every [`LOOK`].
    pub(crate) async fn until<T>(
        &self,
        what: &str,
        mut done: impl FnMut(&Self) -> Option<T>,
    ) -> Outcome<T> {
        let began = tokio::time::Instant::now();
        loop {
            if let Some(found) = done(self) {
                return Ok(found);
            }
            if began.elapsed() > LIMIT {
                return Err(
                    format!("{what}: not within {LIMIT:?}: {}", self.stage.picture()).into(),
                );
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Waits until the status parameter says `phase`, and only `version` lives.
    pub(crate) async fn until_settled(&self, phase: &str, version: &str) -> Outcome<()> {
        self.until(&format!("{phase} at {version}"), |blog| {
            (blog.is(phase, version) && blog.stage.live().len() == 1).then_some(())
        })
        .await
    }

    /// The status parameter says `phase`, and that `version` serves.
    pub(crate) fn is(&self, phase: &str, version: &str) -> bool {
        let shown = self.operator.board.get(&ApplicationName::new("blog"));
        if shown.is_none_or(|shown| shown.status.phase.as_str() != phase) {
            return false;
        }
        let status = self.stage.get("status");
        status["phase"] == phase && status["serving"]["version"] == version
    }

    /// Rests, and then to a point that differs from one `turn` to the next, so that polls are met at every phase.
    pub(crate) async fn rest(&self, turn: u64) {
        let beat = 60_000;
        let at = (self.now() + REST_MS).next_multiple_of(beat) + turn * 37_117 % beat;
        tokio::time::sleep(Duration::from_millis(at - self.now())).await;
    }

    /// Writes the desired value and forgets all calls before; returns when.
    pub(crate) fn wish(&self, version: &str) -> Millis {
        self.stage.emulator.faults().clear_journal();
        self.stage.wish(version);
        self.now()
    }

    /// The operator's writes since the last wish, oldest first, without those of the status.
    pub(crate) fn writes(&self) -> Vec<Entry> {
        self.stage.emulator.faults().journal(|journal| {
            journal
                .log()
                .filter(|entry| entry.effect && !is_read(&entry.operation) && !is_status(entry))
                .cloned()
                .collect()
        })
    }

    /// When the status was written that told the phase and version first, since the last wish.
    pub(crate) fn told(&self, phase: &str, version: &str) -> Option<Millis> {
        self.stage.emulator.faults().journal(|journal| {
            let told = journal
                .log()
                .filter(|entry| entry.effect && is_status(entry))
                .find(|entry| {
                    let text = entry.input["Value"].as_str().unwrap_or_default();
                    let status: Value = serde_json::from_str(text).unwrap_or_default();
                    status["phase"] == phase && status["serving"]["version"] == version
                });
            told.map(|entry| entry.at)
        })
    }

    /// Calls since the last wish by service and operation, whatever came of them.
    pub(crate) fn calls(&self) -> std::collections::BTreeMap<String, u64> {
        let mut calls = std::collections::BTreeMap::new();
        self.stage.emulator.faults().journal(|journal| {
            for (counted, count) in journal.counts() {
                let service = counted.service.map_or("?", name);
                *calls
                    .entry(format!("{service}:{}", counted.operation))
                    .or_default() += count;
            }
        });
        calls
    }

    /// Production weights.
    pub(crate) fn weights(&self) -> Rule {
        self.stage.weights(0)
    }

    /// What the account itself knows of the service of `side`: `(running and healthy, empty, status)`.
    pub(crate) fn side(&self, side: usize) -> Side {
        let group_arn = &self.stage.groups[side];
        self.stage.emulator.with(|world| {
            let health = |target: &emulator::world::elb::Target| {
                target.draining.is_none()
                    && target.health == emulator::world::elb::health::Health::Healthy
            };
            let targets = world
                .elb
                .target_groups
                .get(group_arn)
                .map(|group| &group.targets);
            let healthy = targets.map_or(0, |targets| {
                targets.values().filter(|target| health(target)).count()
            });
            let bound = |service: &&emulator::world::ecs::Service| {
                service.deployments.iter().any(|deployment| {
                    deployment
                        .revision
                        .load_balancers
                        .iter()
                        .any(|bound| bound.target_group_arn == *group_arn)
                })
            };
            let services = world.ecs.services.values().filter(bound);
            let running = services
                .map(|service| service.counts(world, None).running)
                .sum();
            let draining = world
                .ecs
                .services
                .values()
                .any(|service| service.status == Status::Draining);
            Side {
                healthy,
                registered: targets.map_or(0, |targets| targets.len()),
                running,
                draining,
            }
        })
    }
}

/// One target group and its service, as the account knows them.
pub(crate) struct Side {
    pub(crate) healthy: usize,
    /// Targets, draining ones too.
    pub(crate) registered: usize,
    pub(crate) running: u32,
    /// A service of the account is DRAINING.
    pub(crate) draining: bool,
}

fn is_status(entry: &Entry) -> bool {
    entry.operation == "PutParameter"
        && entry.input["Name"]
            .as_str()
            .is_some_and(|name| name.ends_with("/status"))
}

fn name(service: Service) -> &'static str {
    match service {
        Service::Ecs => "ecs",
        Service::Elbv2 => "elasticloadbalancing",
        Service::Ssm => "ssm",
        Service::AutoScaling => "application-autoscaling",
        Service::DynamoDb => "dynamodb",
        Service::Sts => "sts",
        Service::CloudWatch => "cloudwatch",
        Service::Lambda => "lambda",
    }
}
