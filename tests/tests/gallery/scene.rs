//! The blog at 1.3.0, released before this operator's time, with users on its listener.

use std::time::Duration;

use crd_schema::TargetGroupArn;
use crd_schema::desired::Desired;
use crd_schema::record::{Generation, Record, Release};
use emulator::api::Service;
use emulator::faults::{Effect, Fault, FaultSettings, When};
use emulator::world::Settings;
use planner::ablation::{Rule, Without};
use planner::release::{self, NewService};
use planner::{Tuning, release::Wanted};
use runtime::controller::Settings as Loop;
use serde_json::{Value, json};
use tests::{Operator, Stage};

/// What serves at first.
pub(crate) const BLUE: &str = "1.3.0";
/// What is released.
pub(crate) const GREEN: &str = "1.4.0";

/// Tasks that start in seconds: what is tested here is not how long AWS takes.
pub(crate) fn world() -> Settings {
    Settings {
        task_provisioning_ms: 1_000,
        task_pending_ms: 2_000,
        task_activating_ms: 1_000,
        task_deprovisioning_ms: 1_000,
        service_inactive_ms: 2_000,
        ..Settings::default()
    }
}

/// The loop's settings with these rules switched off.
pub(crate) fn without(rules: &[Rule]) -> Loop {
    Loop {
        tuning: Tuning {
            without: Without::rules(rules),
            ..Tuning::default()
        },
        ..Loop::default()
    }
}

/// The stage, with what scenarios of the gallery need beside.
#[derive(Debug)]
pub(crate) struct Scene {
    pub(crate) stage: Stage,
}

impl Scene {
    /// 1.3.0 serves; short waits.
    pub(crate) async fn serving() -> Self {
        Self::serving_in(world(), |_| ()).await
    }

    /// The same in another world, with changes to `spec` of the Application.
    pub(crate) async fn serving_in(world: Settings, change: impl Fn(&mut Value)) -> Self {
        let stage = Stage::with(world, |mut application| {
            let spec = &mut application["spec"];
            spec["bakeTime"] = "20s".into();
            spec["cleanUp"] = json!({"settle": "10s"});
            spec["deadlines"] =
                json!({"scaleUp": "90s", "validate": "60s", "shift": "60s", "cleanUp": "3m"});
            change(spec);
            application
        });
        let mut scene = Self { stage };
        scene.plant();
        // Its tasks start and pass their first checks.
        pass(30).await;
        scene.stage.open(10.0);
        scene
    }

    /// What an earlier operator left behind that released 1.3.0 and handed over: a definition, a service, a record.
    fn plant(&self) {
        let stage = &self.stage;
        let application =
            crd_schema::spec::load(&stage.get("spec").to_string(), "blog").expect("a good spec");
        stage.wish(BLUE);
        let generation = self.generation();
        let desired = Desired::parse(BLUE).expect("a version");
        let wanted: Wanted =
            release::wanted(&application, generation, &desired).expect("an image of the blog");
        let input = json!({"taskDefinition": "blog"});
        let base = stage.person(Service::Ecs, "DescribeTaskDefinition", input);
        let base = base["taskDefinition"].as_object().expect("a definition");
        let body = release::task_definition(&application, "blog:1", base, &wanted)
            .expect("it has the container");
        let registered = stage.person(Service::Ecs, "RegisterTaskDefinition", body.into());
        let task_definition = registered["taskDefinition"]["taskDefinitionArn"]
            .as_str()
            .expect("an ARN");
        let digest = &wanted.digest;
        let name = release::service_name(&application, BLUE, digest, generation, 0);
        let group = TargetGroupArn::new(stage.groups[0].as_str());
        let new = NewService {
            name: &name,
            task_definition,
            side: planner::Side::A,
            groups: vec![&group],
            count: application.template.desired_count,
            digest,
            version: BLUE,
            generation,
            blue: None,
        };
        let body = release::service(&application, &new);
        stage.person(Service::Ecs, "CreateService", body.into());
        let record = Record {
            clean: true,
            last_good: Some(Release {
                digest: digest.clone(),
                version: BLUE.to_owned(),
                generation,
                task_definition: Some(task_definition.to_owned()),
            }),
            ..Record::default()
        };
        let record = serde_json::to_string(&record).expect("a record is JSON");
        stage.put("record", &record);
    }

    /// Which write of `desired` is the newest.
    fn generation(&self) -> Generation {
        let input = json!({"Name": "/teal/apps/blog/desired"});
        let read = self.stage.person(Service::Ssm, "GetParameter", input);
        let parameter = &read["Parameter"];
        let seconds = parameter["LastModifiedDate"].as_f64().expect("a date");
        #[expect(
            clippy::cast_possible_truncation,
            reason = "whole milliseconds of this century"
        )]
        let date = (seconds * 1_000.0).round() as i64;
        Generation {
            date,
            version: parameter["Version"].as_i64().expect("a version"),
        }
    }

    /// An operator with these rules switched off.
    pub(crate) fn operator(&self, off: &[Rule]) -> Operator {
        self.operator_with(without(off))
    }

    /// An operator with these settings.
    pub(crate) fn operator_with(&self, settings: Loop) -> Operator {
        Operator::start(&self.stage.emulator, settings, true)
    }

    /// Whether `done` becomes true within `seconds`.
    pub(crate) async fn reaches(&self, seconds: u64, mut done: impl FnMut(&Stage) -> bool) -> bool {
        for _ in 0..seconds {
            if done(&self.stage) {
                return true;
            }
            pass(1).await;
        }
        done(&self.stage)
    }

    /// Whether `version` serves alone within `seconds`, the status says so, and then nothing more is wanted.
    pub(crate) async fn settles_on(&self, version: &str, seconds: u64) -> bool {
        self.rests("Settled", version, seconds).await
    }

    /// The same after a wish that was rejected.
    pub(crate) async fn falls_back_to(&self, version: &str, seconds: u64) -> bool {
        self.rests("Failed", version, seconds).await
    }

    async fn rests(&self, phase: &str, version: &str, seconds: u64) -> bool {
        let rested = |stage: &Stage| {
            let status = stage.get("status");
            let live = stage.live();
            status["phase"] == phase
                && status["serving"]["version"] == version
                && live.len() == 1
                && live[0].0 == version
        };
        if !self.reaches(seconds, rested).await {
            return false;
        }
        let before = self.stage.writes();
        pass(120).await;
        self.stage.writes() == before && rested(&self.stage)
    }

    /// Requests of users that failed so far.
    pub(crate) fn failed(&self) -> u64 {
        let users = self.stage.users();
        assert!(users.requests > 50, "users were there: {users:?}");
        users.failed
    }

    /// These calls go wrong from now on.
    pub(crate) fn faults(&self, plan: Vec<Fault>) {
        self.stage.emulator.faults().set(FaultSettings {
            plan,
            ..FaultSettings::default()
        });
    }

    /// AWS is well again.
    pub(crate) fn no_faults(&self) {
        self.faults(Vec::new());
    }

    /// The service that runs `version`, as DescribeServices tells it.
    pub(crate) fn service(&self, version: &str) -> Option<Value> {
        let has = |service: &Value| {
            let tags = service["tags"].as_array().into_iter().flatten();
            let mut versions = tags.filter(|tag| tag["key"] == release::TAG_VERSION);
            versions.any(|tag| tag["value"] == version)
        };
        self.stage.services().into_iter().find(has)
    }

    /// One number of the service that runs `version`; 0 when there is none.
    pub(crate) fn count(&self, version: &str, member: &str) -> u64 {
        self.service(version)
            .and_then(|service| service[member].as_u64())
            .unwrap_or(0)
    }

    /// Sets the number of tasks of the service that runs `version`, as a person or an autoscaler does.
    pub(crate) fn scale(&self, version: &str, count: u64) {
        let service = self.service(version).expect("the service");
        let input =
            json!({"cluster": "prod", "service": service["serviceName"], "desiredCount": count});
        self.stage.person(Service::Ecs, "UpdateService", input);
    }

    /// Inputs of calls of this operation so far, and when each took effect.
    pub(crate) fn calls(&self, operation: &str) -> Vec<(u64, Value, String)> {
        self.stage.emulator.faults().journal(|journal| {
            let of_it = journal.log().filter(|entry| entry.operation == operation);
            of_it
                .map(|entry| (entry.at, entry.input.clone(), entry.outcome.clone()))
                .collect()
        })
    }
}

/// Every call of this operation, or of all when none is named, has this fate.
pub(crate) fn fault(service: Service, operation: &str, when: When, effect: Effect) -> Fault {
    Fault {
        service: Some(service),
        operation: Some(operation.to_owned()),
        when,
        effect,
    }
}

/// Lets time pass.
pub(crate) async fn pass(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}
