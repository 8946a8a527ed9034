//! A release's calls against the emulator, in process and in virtual time: what is written is what is read.

use std::time::Duration;

use crd_schema::application::TargetGroups;
use crd_schema::record::{Generation, Record};
use crd_schema::{Application, ApplicationName, Desired, TargetGroupArn};
use emulator::ConnectionLost;
use emulator::Emulator;
use emulator::api::Service as Api;
use emulator::seed::Seed;
use emulator::world::Settings as Account;
use emulator::world::behaviour::Behaviour;
use jiff::Timestamp;
use planner::memory::WriteOutcome;
use planner::release::{self, NewService, TAG_REJECTED};
use planner::world::{
    Action, Base, DesiredParameter, RecordParameter, Role, Rule, Service, ServiceStatus,
    TargetState,
};
use planner::{Side, Weights, World, Write};
use prometheus::Registry;
use runtime::clock::Clock;
use runtime::cloud::{Changed, Cloud, CloudWriter, Focus};
use serde_json::{Value, json};

use super::application;
use crate::clients::{Connection, Settings};
use crate::in_process::{NoAnswer, http_client};
use crate::metrics::CallMetrics;
use crate::names::Leaf;
use crate::{AwsCloud, AwsWriter, Names, Parameters};

/// The blog on its stage, and both ways through the wall.
struct Stage {
    application: Application,
    emulator: Emulator,
    cloud: AwsCloud,
    writer: AwsWriter,
    parameters: Parameters,
}

const GENERATION: Generation = Generation {
    date: 1_700_000_000_000,
    version: 1,
};

impl Stage {
    fn new(account: Account) -> Self {
        let emulator = Emulator::new(account);
        Seed::parse(include_str!("../../../../emulator/seeds/blog.json"))
            .unwrap()
            .plant(&emulator)
            .unwrap();
        let api = emulator.clone();
        let http = http_client(move |request| {
            let api = api.clone();
            async move {
                let response = api.handle(request).await;
                match response.extensions().get() {
                    None => Ok(response),
                    Some(ConnectionLost::Refused) => Err(NoAnswer::NotConnected),
                    Some(ConnectionLost::Broken) => Err(NoAnswer::Broken),
                }
            }
        });
        let clock = Clock::starting_at(Timestamp::now());
        let metrics = CallMetrics::new(&Registry::new()).unwrap();
        let connection = Connection::in_process(
            http,
            clock,
            &Settings {
                share: 1.0,
                ..Settings::default()
            },
            metrics,
        );
        let names = Names::default();
        Self {
            application: blog_of(&emulator),
            emulator,
            cloud: AwsCloud::new(&connection, names.clone(), clock),
            writer: AwsWriter::new(&connection, names.clone()),
            parameters: Parameters::new(&connection, names),
        }
    }

    async fn see(&self, focus: &Focus) -> World {
        self.cloud.observe(&self.application, focus).await
    }

    /// The only service there is.
    async fn service(&self, name: &str) -> Service {
        let world = self
            .see(&Focus {
                services: vec![name.to_owned()],
                ..Focus::default()
            })
            .await;
        let services = world
            .services
            .value()
            .unwrap_or_else(|| panic!("{:?}", world.services));
        services
            .iter()
            .find(|service| service.name == name)
            .unwrap_or_else(|| panic!("{services:?}"))
            .clone()
    }

    async fn apply(&self, write: Write) {
        assert_eq!(
            self.writer.still_holds(&self.application, &write).await,
            Ok(()),
            "{write:?}"
        );
        assert_eq!(
            self.writer.write(&self.application, &write).await,
            WriteOutcome::Applied,
            "{write:?}"
        );
    }

    async fn differs(&self, write: Write) -> String {
        match self.writer.still_holds(&self.application, &write).await {
            Err(Changed::Differs { what }) => what,
            other => panic!("{write:?}: {other:?}"),
        }
    }

    fn group(&self, side: Side) -> TargetGroupArn {
        match self.application.target_groups() {
            Some(TargetGroups::Pair(pair)) => pair[side.index()].clone(),
            Some(TargetGroups::Single(_) | TargetGroups::PerRelease { .. }) | None => {
                panic!("the stage has a pair")
            }
        }
    }

    fn set(&self, seen: [Option<u32>; 2], weights: Weights) -> Write {
        let rule = self.application.production().next().unwrap().clone();
        Write::SetWeights {
            rule,
            groups: Side::BOTH.map(|side| Some(self.group(side))),
            forget: Vec::new(),
            seen,
            weights,
            evidence: Vec::new(),
        }
    }

    /// Registers and creates a release of this version on B, as the planner would.
    async fn create(&self, version: &str) -> String {
        let desired = Desired::parse(version).unwrap();
        let wanted = release::wanted(&self.application, GENERATION, &desired).unwrap();
        let world = self.see(&Focus::default()).await;
        let Some(Base::Found {
            revision,
            definition,
        }) = world.base.value()
        else {
            panic!("{:?}", world.base)
        };
        assert_eq!(revision, "blog:1");
        let body =
            release::task_definition(&self.application, revision, definition, &wanted).unwrap();
        self.apply(Write::RegisterTaskDefinition {
            digest: wanted.digest.clone(),
            body,
        })
        .await;
        let world = self.see(&Focus::default()).await;
        let revisions = world.revisions.value().unwrap();
        assert_eq!(revisions[0].digest.as_ref(), Some(&wanted.digest));
        let name = release::service_name(&self.application, version, &wanted.digest, GENERATION, 0);
        let body = release::service(
            &self.application,
            &NewService {
                name: &name,
                task_definition: &revisions[0].arn,
                side: Side::B,
                groups: vec![&self.group(Side::B)],
                count: 2,
                digest: &wanted.digest,
                version,
                generation: GENERATION,
                blue: Some("blue"),
            },
        );
        let create = Write::CreateService {
            name: name.clone(),
            side: Side::B,
            body,
        };
        self.apply(create.clone()).await;
        assert!(
            self.differs(create)
                .await
                .contains("none before, now ACTIVE")
        );
        name
    }
}

fn blog_of(emulator: &Emulator) -> Application {
    let ask = |operation, input: Value| emulator.call(Api::Elbv2, operation, input).unwrap();
    let groups = ask(
        "DescribeTargetGroups",
        json!({"Names": ["blog-a", "blog-b"]}),
    );
    let arn = |name: &str| {
        let groups = groups["TargetGroups"].as_array().unwrap();
        let group = groups
            .iter()
            .find(|group| group["TargetGroupName"] == name)
            .unwrap();
        group["TargetGroupArn"].as_str().unwrap().to_owned()
    };
    let balancer = groups["TargetGroups"][0]["LoadBalancerArns"][0].clone();
    let listeners = ask("DescribeListeners", json!({"LoadBalancerArn": balancer}));
    let listener = |port: u16| {
        let listeners = listeners["Listeners"].as_array().unwrap();
        let listener = listeners
            .iter()
            .find(|listener| listener["Port"] == port)
            .unwrap();
        listener["ListenerArn"].as_str().unwrap().to_owned()
    };
    application(
        "blog",
        [&arn("blog-a"), &arn("blog-b")],
        &listener(8080),
        &listener(9080),
    )
}

fn forward(rules: &[Rule], role: Role) -> [Option<u32>; 2] {
    let found: Vec<&Rule> = rules.iter().filter(|rule| rule.role == role).collect();
    match found.as_slice() {
        [
            Rule {
                action:
                    Action::Forward {
                        weights,
                        others,
                        sticky: false,
                    },
                ..
            },
        ] if others.is_empty() => *weights,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn an_empty_stage_is_seen_whole() {
    let stage = Stage::new(Account::default());
    let world = stage
        .see(&Focus {
            spec_present: true,
            ..Focus::default()
        })
        .await;
    assert!(world.spec_present);
    assert_eq!(world.desired.value(), Some(&DesiredParameter::Missing));
    assert_eq!(world.record.value(), Some(&RecordParameter::Missing));
    assert_eq!(world.services.value(), Some(&Vec::new()));
    assert_eq!(world.revisions.value(), Some(&Vec::new()));
    assert_eq!(world.scaling.value().map(|known| known.len()), Some(0));
    let rules = world.rules.value().unwrap();
    assert_eq!(forward(rules, Role::Production), [Some(100), Some(0)]);
    assert_eq!(forward(rules, Role::Test), [Some(1), None]);
    for group in &world.groups {
        let group = group.value().unwrap().as_ref().unwrap();
        assert!(group.load_balancer.is_some() && group.by_address && group.targets.is_empty());
        assert!(!group.sticky && !group.single_zone);
        assert_eq!(group.interval, Duration::from_secs(5));
    }
}

#[tokio::test(start_paused = true)]
async fn parameters_are_written_and_read() {
    let stage = Stage::new(Account::default());
    let blog = ApplicationName::new("blog");
    assert_eq!(
        stage.parameters.get(&blog, Leaf::Status).await.unwrap(),
        None
    );
    assert_eq!(
        stage
            .parameters
            .put(&blog, Leaf::Desired, "1.4.0")
            .await
            .unwrap(),
        1
    );
    assert_eq!(
        stage
            .parameters
            .put(&blog, Leaf::Desired, "1.5.0")
            .await
            .unwrap(),
        2
    );
    stage.writer.put_status(&blog, "{}").await.unwrap();
    assert_eq!(
        stage
            .parameters
            .get(&blog, Leaf::Status)
            .await
            .unwrap()
            .unwrap()
            .text,
        "{}"
    );
    let record = Record {
        clean: true,
        created: 3,
        ..Record::default()
    };
    stage
        .apply(Write::PutRecord(Box::new(record.clone())))
        .await;
    let world = stage.see(&Focus::default()).await;
    let Some(DesiredParameter::Set {
        generation,
        desired,
    }) = world.desired.value()
    else {
        panic!("{:?}", world.desired)
    };
    assert_eq!((generation.version, desired.version.as_str()), (2, "1.5.0"));
    assert!(
        matches!(world.record.value(), Some(RecordParameter::Set { record: read, .. }) if **read == record)
    );
    assert_eq!(
        stage
            .cloud
            .wishes(std::slice::from_ref(&blog))
            .await
            .unwrap()[&blog],
        *generation
    );
    let spec = "x".repeat(5000);
    stage
        .parameters
        .put(&blog, Leaf::Spec, &spec)
        .await
        .unwrap();
    let specs = stage.cloud.specs().await.unwrap();
    assert_eq!(specs.len(), 1);
    assert_eq!(
        specs[0].text.as_ref(),
        Ok(&spec),
        "more than 4 KB goes to tier Advanced"
    );
}

#[tokio::test(start_paused = true)]
async fn a_service_lives_and_dies() {
    let stage = Stage::new(Account::default());
    let name = stage.create("1.4.0").await;
    tokio::time::sleep(Duration::from_secs(180)).await;
    let service = stage.service(&name).await;
    assert_eq!(
        (service.status, service.side),
        (ServiceStatus::Active, Some(Side::B))
    );
    assert_eq!(
        (service.desired, service.running, service.pending),
        (2, 2, 0)
    );
    assert!(service.steady && !service.deployment_failed);
    assert_eq!((service.trouble, service.addresses.len()), (None, 2));
    assert!(service.tags.ours);
    assert_eq!(service.tags.version.as_deref(), Some("1.4.0"));
    assert_eq!(
        (service.tags.generation, service.tags.blue.as_deref()),
        (Some(GENERATION), Some("blue"))
    );
    let world = stage.see(&Focus::default()).await;
    let targets = &world.groups[Side::B.index()]
        .value()
        .unwrap()
        .as_ref()
        .unwrap()
        .targets;
    assert!(
        targets
            .iter()
            .all(|target| target.state == TargetState::Healthy && target.zone.is_some()),
        "{targets:?}"
    );
    assert_eq!(
        targets
            .iter()
            .map(|target| target.address.clone())
            .collect::<std::collections::BTreeSet<_>>(),
        service.addresses
    );

    let rejected = (TAG_REJECTED.to_owned(), release::show(GENERATION));
    let tag = Write::TagService {
        name: name.clone(),
        arn: service.arn,
        key: rejected.0,
        value: rejected.1,
    };
    stage.apply(tag).await;
    assert_eq!(stage.service(&name).await.tags.rejected, Some(GENERATION));

    let seen = [Some(100), Some(0)];
    assert!(
        stage
            .differs(stage.set([Some(90), Some(10)], Weights::all_to(Side::B)))
            .await
            .contains("now [Some(100), Some(0)]")
    );
    stage.apply(stage.set(seen, Weights::all_to(Side::B))).await;
    let scale = Write::ScaleService {
        name: name.clone(),
        from: 2,
        to: 0,
    };
    assert!(stage.differs(scale.clone()).await.contains("no weight"));
    assert!(
        stage
            .differs(Write::ScaleService {
                name: name.clone(),
                from: 3,
                to: 0
            })
            .await
            .contains("count 3 before, now 2")
    );
    stage
        .apply(stage.set([Some(0), Some(100)], Weights::only(Side::A)))
        .await;
    let world = stage.see(&Focus::default()).await;
    assert_eq!(
        forward(world.rules.value().unwrap(), Role::Production),
        [Some(100), None]
    );
    stage
        .apply(stage.set([Some(100), None], Weights::all_to(Side::A)))
        .await;

    assert!(
        stage
            .differs(Write::DeleteService { name: name.clone() })
            .await
            .contains("count 0 before, now 2")
    );
    stage.apply(scale).await;
    tokio::time::sleep(Duration::from_secs(180)).await;
    stage
        .apply(Write::DeleteService { name: name.clone() })
        .await;
    let gone = stage.service(&name).await;
    assert_ne!(gone.status, ServiceStatus::Active);
    assert_eq!(gone.addresses.len(), 0);
    let world = stage.see(&Focus::default()).await;
    let arn = world.revisions.value().unwrap()[0].arn.clone();
    stage.apply(Write::DeregisterTaskDefinition { arn }).await;
    assert_eq!(
        stage.see(&Focus::default()).await.revisions.value(),
        Some(&Vec::new())
    );
}

#[tokio::test(start_paused = true)]
async fn trouble_is_told_as_aws_tells_it() {
    let mut account = Account::default();
    let image = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/blog:1.4.1";
    account.behaviours.insert(
        image.to_owned(),
        Behaviour {
            cannot_pull: true,
            ..Behaviour::default()
        },
    );
    let stage = Stage::new(account);
    let name = stage.create("1.4.1").await;
    tokio::time::sleep(Duration::from_secs(300)).await;
    let service = stage.service(&name).await;
    let trouble = service.trouble.unwrap();
    assert!(
        trouble.contains("CannotPull") || trouble.contains("unable"),
        "{trouble}"
    );
    assert_eq!(service.running, 0);
}

#[tokio::test(start_paused = true)]
async fn a_scalable_target_is_seen() {
    let stage = Stage::new(Account::default());
    let name = stage.create("1.4.0").await;
    let input = json!({
        "ServiceNamespace": "ecs",
        "ResourceId": format!("service/prod/{name}"),
        "ScalableDimension": "ecs:service:DesiredCount",
        "MinCapacity": 1,
        "MaxCapacity": 4,
    });
    stage
        .emulator
        .call(Api::AutoScaling, "RegisterScalableTarget", input)
        .unwrap();
    let world = stage.see(&Focus::default()).await;
    assert_eq!(
        world.scaling.value().unwrap().keys().collect::<Vec<_>>(),
        [&name]
    );
}

#[tokio::test(start_paused = true)]
async fn rules_that_stand_in_no_list_are_seen_and_missing_ones_too() {
    let mut stage = Stage::new(Account::default());
    let a = stage.group(Side::A);
    let listener = stage.application.production().next().unwrap().clone();
    let input = json!({
        "ListenerArn": crate::read::balancers::arn(&listener),
        "Priority": 10,
        "Conditions": [{"Field": "path-pattern", "Values": ["/x/*"]}],
        "Actions": [{"Type": "forward", "TargetGroupArn": a.as_str()}],
    });
    stage
        .emulator
        .call(Api::Elbv2, "CreateRule", input)
        .unwrap();
    let absent = format!("{}0", crate::read::balancers::arn(&listener));
    stage.application.routes[0].test = vec![crd_schema::application::RuleTarget::Listener(
        crd_schema::ListenerArn::new(absent),
    )];
    let world = stage.see(&Focus::default()).await;
    let rules = world.rules.value().unwrap();
    assert_eq!(forward(rules, Role::Production), [Some(100), Some(0)]);
    let unlisted: Vec<&Rule> = rules
        .iter()
        .filter(|rule| rule.role == Role::Unlisted)
        .collect();
    assert_eq!(
        unlisted.len(),
        2,
        "the new rule, and the listener that is a test route no more: {unlisted:?}"
    );
    assert!(
        rules
            .iter()
            .any(|rule| rule.role == Role::Test && rule.action == Action::Missing)
    );
}
