//! The abstract account of `planner::lab` and the emulator, behind the real SDK clients: the same random writes leave
//! the same state, and are refused alike. What the model proves of the one is thereby said of the other.

use std::collections::BTreeMap;
use std::time::Duration;

use aws::names::Names;
use aws::{AwsCloud, AwsWriter, CallMetrics, Connection};
use crd_schema::TargetGroupArn;
use crd_schema::application::{Application, RuleTarget, TargetGroups};
use crd_schema::record::Record;
use emulator::Emulator;
use emulator::faults::FaultSettings;
use jiff::Timestamp;
use planner::lab::{self, Lab};
use planner::memory::WriteOutcome;
use planner::release::{self, NewService};
use planner::world::{Action, RecordParameter, Role, ServiceStatus, Side, TargetState, World};
use planner::{Weights, Write};
use prometheus::Registry;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use runtime::clock::Clock;
use runtime::cloud::{Cloud, CloudWriter, Focus};
use tests::Stage;

/// Longer than anything in either account takes: tasks start or drain, services go.
const SETTLED: Duration = Duration::from_secs(300);
/// Names of services.
const NAMES: [&str; 3] = ["blog-1", "blog-2", "blog-3"];
/// Versions that are released.
const VERSIONS: [&str; 2] = ["1.3.0", "1.4.0"];

/// One thing that happens to both accounts.
#[derive(Debug, Clone)]
enum Act {
    Create {
        name: usize,
        version: usize,
        side: usize,
        count: u32,
    },
    Scale {
        name: usize,
        to: u32,
    },
    Delete {
        name: usize,
    },
    Tag {
        name: usize,
    },
    Weights {
        rule: usize,
        weights: [Option<u32>; 2],
    },
    Register {
        version: usize,
    },
    Deregister {
        revision: prop::sample::Index,
    },
    Record {
        created: u32,
    },
    /// Everything that is under way comes to its end.
    Settle,
}

fn act() -> impl Strategy<Value = Act> {
    let name = 0..NAMES.len();
    let weight = || prop::option::weighted(0.8, 0_u32..3);
    let weights = [weight(), weight()].prop_filter("a sum of 0 cannot be said", |weights| {
        Weights::new(*weights).is_some()
    });
    prop_oneof![
        4 => (name.clone(), 0..VERSIONS.len(), 0_usize..2, 0_u32..3)
            .prop_map(|(name, version, side, count)| Act::Create { name, version, side, count }),
        3 => (name.clone(), 0_u32..3).prop_map(|(name, to)| Act::Scale { name, to }),
        3 => name.clone().prop_map(|name| Act::Delete { name }),
        1 => name.prop_map(|name| Act::Tag { name }),
        4 => (0_usize..2, weights).prop_map(|(rule, weights)| Act::Weights { rule, weights }),
        1 => (0..VERSIONS.len()).prop_map(|version| Act::Register { version }),
        1 => any::<prop::sample::Index>().prop_map(|revision| Act::Deregister { revision }),
        1 => (0_u32..9).prop_map(|created| Act::Record { created }),
        2 => Just(Act::Settle),
    ]
}

/// Both accounts.
struct Peers {
    application: Application,
    lab: Lab,
    cloud: AwsCloud,
    writer: AwsWriter,
}

impl Peers {
    async fn new() -> Self {
        let stage = Stage::new();
        stage.emulator.faults().set(FaultSettings {
            throttling: false,
            ..FaultSettings::default()
        });
        let spec = stage.get("spec").to_string();
        let application = crd_schema::spec::load(&spec, "blog").expect("the stage's spec");
        let (cloud, writer) = connect(&stage.emulator);
        let mut peers = Self {
            lab: Lab::new(application.clone()),
            application,
            cloud,
            writer,
        };
        // As the seed has them.
        for (rule, weights) in peers
            .lab
            .rules
            .iter_mut()
            .zip([[Some(100), Some(0)], [Some(1), None]])
        {
            rule.action = Action::Forward {
                weights,
                others: Vec::new(),
                sticky: false,
            };
        }
        peers.agree(false).await.expect("in the beginning");
        peers
    }

    /// What the operator would observe of the emulator.
    async fn observe(&self) -> World {
        let focus = Focus {
            services: NAMES.map(ToOwned::to_owned).to_vec(),
            spec_present: true,
            ..Focus::default()
        };
        self.cloud.observe(&self.application, &focus).await
    }

    /// The group of the pair on `side`.
    fn group(&self, side: Side) -> TargetGroupArn {
        match self.application.target_groups() {
            Some(TargetGroups::Pair(pair)) => pair[side.index()].clone(),
            Some(TargetGroups::Single(only) | TargetGroups::PerRelease { from: only }) => {
                only.clone()
            }
            None => panic!("the application has a load balancer"),
        }
    }

    /// The write of an act on each account; they name revisions and services differently.
    fn writes(&self, act: &Act, seen: &World) -> Option<[Write; 2]> {
        let both = |write: Write| Some([write.clone(), write]);
        let body = |version: &str| {
            let base = seen.base.value()?;
            let planner::world::Base::Found {
                revision,
                definition,
            } = base
            else {
                return None;
            };
            let generation = release::parse_generation("1.1")?;
            let wanted =
                release::wanted(&self.application, generation, &lab::desired(version)).ok()?;
            let body =
                release::task_definition(&self.application, revision, definition, &wanted).ok()?;
            Some((wanted.digest, body))
        };
        let service = |name: &str| {
            let mut services = seen.services.value()?.iter();
            services.find(|service| service.name == name)
        };
        match act {
            Act::Create {
                name,
                version,
                side,
                count,
            } => {
                let name = NAMES[*name];
                let side = Side::BOTH[*side];
                let group = self.group(side);
                let new = NewService {
                    name,
                    task_definition: "blog:1",
                    side,
                    groups: vec![&group],
                    count: *count,
                    digest: "0123456789",
                    version: VERSIONS[*version],
                    generation: release::parse_generation("1.1")?,
                    blue: None,
                };
                let body = release::service(&self.application, &new);
                both(Write::CreateService {
                    name: name.to_owned(),
                    side,
                    body,
                })
            }
            Act::Scale { name, to } => both(Write::ScaleService {
                name: NAMES[*name].to_owned(),
                from: 0,
                to: *to,
            }),
            // What AWS says to these of a service that is DRAINING has no source.
            Act::Delete { name } => {
                let name = NAMES[*name].to_owned();
                match service(&name) {
                    Some(found) if found.status == ServiceStatus::Draining => None,
                    Some(_) | None => both(Write::DeleteService { name }),
                }
            }
            Act::Tag { name } => {
                let found = service(NAMES[*name])?;
                (found.status == ServiceStatus::Active).then(|| {
                    let write = Write::TagService {
                        name: found.name.clone(),
                        arn: found.arn.clone(),
                        key: release::TAG_REJECTED.to_owned(),
                        value: "7.7".to_owned(),
                    };
                    [write.clone(), write]
                })
            }
            Act::Weights { rule, weights } => {
                let application = &self.application;
                let mut listed = application.production().chain(application.test());
                let rule: &RuleTarget = listed.nth(*rule)?;
                both(Write::SetWeights {
                    rule: rule.clone(),
                    groups: Side::BOTH.map(|side| Some(self.group(side))),
                    forget: Vec::new(),
                    seen: [None, None],
                    weights: Weights::new(*weights)?,
                    evidence: Vec::new(),
                })
            }
            Act::Register { version } => {
                let (digest, body) = body(VERSIONS[*version])?;
                both(Write::RegisterTaskDefinition { digest, body })
            }
            Act::Deregister { revision } => {
                let revisions = seen.revisions.value()?;
                if revisions.is_empty() {
                    return None;
                }
                let index = revision.index(revisions.len());
                let of = |arn: &str| Write::DeregisterTaskDefinition {
                    arn: arn.to_owned(),
                };
                Some([
                    of(&self.lab.revisions[index].arn),
                    of(&revisions[index].arn),
                ])
            }
            Act::Record { created } => both(Write::PutRecord(Box::new(Record {
                created: *created,
                ..Record::default()
            }))),
            Act::Settle => None,
        }
    }

    async fn perform(&mut self, act: &Act) -> Result<(), String> {
        if matches!(act, Act::Settle) {
            tokio::time::sleep(SETTLED).await;
            self.lab
                .advance(u64::try_from(SETTLED.as_millis()).unwrap());
            return self.agree(true).await;
        }
        let seen = self.observe().await;
        let Some([ours, theirs]) = self.writes(act, &seen) else {
            return Ok(());
        };
        let outcomes = [
            self.lab.apply(&ours),
            self.writer.write(&self.application, &theirs).await,
        ];
        let [in_lab, in_emulator] = &outcomes;
        if std::mem::discriminant(in_lab) != std::mem::discriminant(in_emulator) {
            return Err(format!("lab: {in_lab:?}, emulator: {in_emulator:?}"));
        }
        if matches!(
            in_lab,
            WriteOutcome::Unknown { .. } | WriteOutcome::NotSent { .. }
        ) {
            return Err(format!("nothing can be unknown here: {outcomes:?}"));
        }
        self.agree(false).await
    }

    /// Both accounts look the same; `settled`: tasks and targets too.
    async fn agree(&self, settled: bool) -> Result<(), String> {
        let in_lab = picture(&self.lab.observe(), settled)?;
        let in_emulator = picture(&self.observe().await, settled)?;
        if in_lab == in_emulator {
            return Ok(());
        }
        Err(format!("lab: {in_lab:#?}\nemulator: {in_emulator:#?}"))
    }
}

/// What both accounts can tell.
#[derive(Debug, PartialEq)]
struct Picture {
    services: BTreeMap<String, Shown>,
    rules: Vec<(Role, [Option<u32>; 2])>,
    /// Digests of our revisions, newest first.
    revisions: Vec<Option<String>>,
    record: Option<(i64, Record)>,
    /// Targets by state, of each group.
    targets: Option<[BTreeMap<String, usize>; 2]>,
}

#[derive(Debug, PartialEq)]
struct Shown {
    status: ServiceStatus,
    side: Option<Side>,
    desired: u32,
    version: Option<String>,
    rejected: bool,
    running: Option<u32>,
}

fn picture(world: &World, settled: bool) -> Result<Picture, String> {
    let unread = |what: &str| format!("{what} could not be read: {world:#?}");
    let services = world.services.value().ok_or_else(|| unread("services"))?;
    let services = services
        .iter()
        .filter(|service| service.status != ServiceStatus::Inactive)
        .map(|service| {
            let shown = Shown {
                status: service.status,
                side: service.side,
                desired: service.desired,
                version: service.tags.version.clone(),
                rejected: service.tags.rejected.is_some(),
                running: settled.then_some(service.running),
            };
            (service.name.clone(), shown)
        });
    let rules = world.rules.value().ok_or_else(|| unread("rules"))?;
    let weights = |action: &Action| {
        let Action::Forward { weights, .. } = action else {
            return Err(format!("{action:?} is no forward"));
        };
        Ok(*weights)
    };
    let mut rules: Vec<(Role, [Option<u32>; 2])> = rules
        .iter()
        .map(|rule| Ok((rule.role, weights(&rule.action)?)))
        .collect::<Result<_, String>>()?;
    rules.sort_by_key(|(role, _)| *role != Role::Production);
    let revisions = world.revisions.value().ok_or_else(|| unread("revisions"))?;
    let record = match world.record.value().ok_or_else(|| unread("the record"))? {
        RecordParameter::Set { generation, record } => {
            Some((generation.version, (**record).clone()))
        }
        RecordParameter::Missing => None,
        RecordParameter::Garbled { .. } => return Err("a garbled record".to_owned()),
    };
    let targets = |index: usize| {
        let group = world.groups[index]
            .value()
            .and_then(Option::as_ref)
            .ok_or_else(|| unread("a group"))?;
        let mut by_state = BTreeMap::new();
        for target in &group.targets {
            let state: &TargetState = &target.state;
            *by_state.entry(format!("{state:?}")).or_insert(0) += 1;
        }
        Ok::<_, String>(by_state)
    };
    Ok(Picture {
        services: services.collect(),
        rules,
        revisions: revisions
            .iter()
            .map(|revision| revision.digest.clone())
            .collect(),
        record,
        targets: if settled {
            Some([targets(0)?, targets(1)?])
        } else {
            None
        },
    })
}

/// The real clients over the emulator, in this process.
fn connect(emulator: &Emulator) -> (AwsCloud, AwsWriter) {
    let wall = emulator.with(|world| world.epoch_unix_ms + world.now);
    let wall = Timestamp::from_millisecond(i64::try_from(wall).unwrap()).unwrap();
    let clock = Clock::starting_at(wall);
    let served = emulator.clone();
    let http = aws::in_process::http_client(move |request| {
        let emulator = served.clone();
        async move { Ok(emulator.handle(request).await) }
    });
    let settings = aws::Settings {
        // No waiting for a share of limits that are off.
        share: 1_000.0,
        ..aws::Settings::default()
    };
    let calls = CallMetrics::new(&Registry::new()).unwrap();
    let connection = Connection::in_process(http, clock, &settings, calls);
    let names = Names::new(&["/teal/apps".to_owned()]);
    (
        AwsCloud::new(&connection, names.clone(), clock),
        AwsWriter::new(&connection, names),
    )
}

#[test]
fn the_lab_and_the_emulator_agree_on_random_writes() {
    // Sequences are long: a few of them say much.
    let cases = std::env::var("PROPTEST_CASES").map_or(48, |cases| cases.parse().unwrap());
    let mut runner = TestRunner::new(Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: 400,
        ..Config::default()
    });
    let sequences = prop::collection::vec(act(), 1..30);
    let result = runner.run(&sequences, |acts| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let mut peers = Peers::new().await;
            for (number, act) in acts.iter().chain([&Act::Settle]).enumerate() {
                let agreed = peers.perform(act).await;
                prop_assert!(
                    agreed.is_ok(),
                    "after {number}: {act:?}: {}",
                    agreed.unwrap_err()
                );
            }
            Ok(())
        })
    });
    if let Err(failure) = result {
        panic!("{failure}");
    }
}
