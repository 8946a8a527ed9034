//! The blog's stage in an emulated AWS: what infrastructure code and an earlier release would have left behind.

use crd_schema::application::TargetGroups;
use crd_schema::record::{Generation, Outcome, Record, Release};
use crd_schema::{Application, Desired};
use emulator::Emulator;
use emulator::api::{AwsError, Service};
use emulator::seed::{Seed, SeedError};
use emulator::world::behaviour::Behaviour;
use planner::release::{self, NewService};
use serde_json::{Map, Value, json};

/// Cluster, load balancer, groups, listeners and base task definition, as AWS API calls.
const SEED: &str = include_str!("../../../../emulator/seeds/blog.json");
/// The Application.
const SPEC: &str = include_str!("blog.yaml");
/// Milliseconds that green serves everything before blue is removed; shorter than in earnest, as a demo must be.
const BAKE_MS: f64 = 60_000.0;
/// Milliseconds from weight 0 until a group counts as without traffic.
const SETTLE_MS: f64 = 30_000.0;

/// Milliseconds that a step of a strategy waits.
const PAUSE_MS: f64 = 30_000.0;

/// Milliseconds that a stage may take, and that the last may.
const DEADLINE_MS: [f64; 2] = [600_000.0, 1_800_000.0];

/// Where the blog's parameters are.
pub(crate) const PREFIX: &str = aws::names::DEFAULT_PREFIX;
/// What an analysis takes back; `$MINUTE` is how long a minute of metrics is.
const ANALYSIS: &str = "  analysis: {errors: {successRate: {atLeast: 99}, interval: $MINUTE}}\n";
/// Milliseconds of a minute of metrics.
const MINUTE_MS: f64 = 60_000.0;

/// What is released.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Story {
    /// A version that is well.
    #[default]
    Good,
    /// A version that answers a tenth of all requests with 500, which an analysis finds.
    Bad,
}

impl Story {
    /// What serves when the curtain rises.
    pub(crate) fn first(self) -> &'static str {
        match self {
            Self::Good => "1.3.0",
            Self::Bad => "1.4.0",
        }
    }

    /// What is released then.
    pub(crate) fn next(self) -> &'static str {
        match self {
            Self::Good => "1.4.0",
            Self::Bad => "1.4.1",
        }
    }

    /// How it is to end.
    pub(crate) fn outcome(self) -> Outcome {
        match self {
            Self::Good => Outcome::Succeeded,
            Self::Bad => Outcome::RolledBack,
        }
    }

    /// What serves at the end.
    pub(crate) fn last(self) -> &'static str {
        match self {
            Self::Good => self.next(),
            Self::Bad => self.first(),
        }
    }

    /// Share of requests that the released version answers with 500.
    fn error_share(self) -> f64 {
        match self {
            Self::Good => 0.0,
            Self::Bad => 0.1,
        }
    }
}

/// What can be chosen.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ports {
    pub(crate) production: u16,
    pub(crate) test: u16,
}

/// How the blog's traffic moves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Strategy {
    /// All at once.
    #[default]
    BlueGreen,
    /// A hundredth, a tenth, a half, everything, with a wait at each.
    Canary,
    /// A fifth at a time.
    Linear,
}

impl Strategy {
    /// As the spec has it; `$PAUSE` is for how long a step waits.
    fn spec(self) -> &'static str {
        match self {
            Self::BlueGreen => "{blueGreen: {}}",
            Self::Canary => {
                "{canary: {steps: [{setWeight: 1}, {pause: $PAUSE}, {setWeight: 10}, {pause: $PAUSE}, {setWeight: 50}, {pause: $PAUSE}]}}"
            }
            Self::Linear => "{linear: {stepPercent: 20, interval: $PAUSE}}",
        }
    }
}

/// Why the stage could not be set.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StageError {
    #[error("the blog's seed could not be planted")]
    Seed(#[from] SeedError),
    #[error("the emulated AWS refused a call")]
    Call(#[from] AwsError),
    #[error("the blog's spec is not valid")]
    Spec(#[from] crd_schema::spec::Invalid),
    #[error("the release could not be rendered: {0}")]
    Render(String),
    #[error("the emulated AWS gave no {0}")]
    Missing(&'static str),
}

/// Sets the stage: everything that the seed has, the Application in its parameter, and the story's first version as a service
/// with two tasks that an operator created and handed over. Tasks are still starting when this returns.
pub(crate) fn set(
    emulator: &Emulator,
    ports: Ports,
    strategy: Strategy,
    story: Story,
) -> Result<Application, StageError> {
    let mut seed = Seed::parse(SEED)?;
    for call in seed
        .calls
        .iter_mut()
        .filter(|call| call.operation == "CreateListener")
    {
        let port = if call.name.as_deref() == Some("test") {
            ports.test
        } else {
            ports.production
        };
        call.input["Port"] = json!(port);
    }
    seed.plant(emulator)?;
    let text = spec(emulator, ports, strategy, story)?;
    let application = crd_schema::spec::load(&text, "blog.yaml")?;
    put(emulator, "spec", &text)?;
    let generation = put(emulator, "desired", story.first())?;
    first_release(emulator, &application, generation, story.first())?;
    let images = application.template.images.values();
    for image in images.map(|image| image.replace("{version}", story.next())) {
        let behaviour = Behaviour {
            error_share: story.error_share(),
            ..Behaviour::default()
        };
        emulator.with(|world| world.settings.behaviours.insert(image, behaviour));
    }
    Ok(application)
}

/// The Application with this world's ARNs, and its waits as fast as this world is.
fn spec(
    emulator: &Emulator,
    ports: Ports,
    strategy: Strategy,
    story: Story,
) -> Result<String, StageError> {
    let scale = emulator.with(|world| world.settings.time_scale);
    let described = emulator.call(
        Service::Elbv2,
        "DescribeTargetGroups",
        json!({"Names": ["blog-a", "blog-b"]}),
    )?;
    let group = |index: usize| {
        text(
            &described["TargetGroups"][index]["TargetGroupArn"],
            "target group",
        )
    };
    let balancer = text(
        &described["TargetGroups"][0]["LoadBalancerArns"][0],
        "load balancer",
    )?;
    let listeners = emulator.call(
        Service::Elbv2,
        "DescribeListeners",
        json!({"LoadBalancerArn": balancer}),
    )?;
    let listener = |port: u16| {
        let all = listeners["Listeners"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        let found = all.iter().find(|listener| listener["Port"] == port);
        text(
            found.map_or(&Value::Null, |listener| &listener["ListenerArn"]),
            "listener",
        )
    };
    let period = |ms: f64| format!("{}ms", (ms / scale).round());
    let analysis = match story {
        Story::Good => "",
        Story::Bad => ANALYSIS,
    };
    Ok(SPEC
        .replace("$STRATEGY", strategy.spec())
        .replace("$ANALYSIS", analysis)
        .replace("$MINUTE", &period(MINUTE_MS.max(1_000.0 * scale)))
        .replace("$PAUSE", &period(PAUSE_MS.max(1_000.0 * scale)))
        .replace("$GROUP_A", &group(0)?)
        .replace("$GROUP_B", &group(1)?)
        .replace("$PRODUCTION", &listener(ports.production)?)
        .replace("$TEST", &listener(ports.test)?)
        .replace("$DEADLINE", &period(DEADLINE_MS[0]))
        .replace("$LAST_DEADLINE", &period(DEADLINE_MS[1]))
        .replace("$BAKE", &period(BAKE_MS))
        .replace("$SETTLE", &period(SETTLE_MS)))
}

/// The service that serves at first, rendered and tagged as the operator does it, and the record it left.
fn first_release(
    emulator: &Emulator,
    application: &Application,
    generation: Generation,
    version: &str,
) -> Result<(), StageError> {
    let desired = Desired::parse(version).map_err(|error| StageError::Render(error.to_string()))?;
    let wanted = release::wanted(application, generation, &desired).map_err(StageError::Render)?;
    let described = emulator.call(
        Service::Ecs,
        "DescribeTaskDefinition",
        json!({"taskDefinition": "blog"}),
    )?;
    let base = described["taskDefinition"]
        .as_object()
        .cloned()
        .unwrap_or_default();
    let rendered = release::task_definition(application, "blog:1", &base, &wanted)
        .map_err(StageError::Render)?;
    let registered = emulator.call(
        Service::Ecs,
        "RegisterTaskDefinition",
        Value::Object(rendered),
    )?;
    let task_definition = text(
        &registered["taskDefinition"]["taskDefinitionArn"],
        "task definition",
    )?;
    let name = release::service_name(application, version, &wanted.digest, generation, 1);
    let Some(TargetGroups::Pair([group, _])) = application.target_groups() else {
        return Err(StageError::Missing("pair of target groups"));
    };
    let service: Map<String, Value> = release::service(
        application,
        &NewService {
            name: &name,
            task_definition: &task_definition,
            side: planner::Side::A,
            groups: vec![group],
            count: application.template.desired_count,
            digest: &wanted.digest,
            version,
            generation,
            blue: None,
        },
    );
    emulator.call(Service::Ecs, "CreateService", Value::Object(service))?;
    let revision = task_definition.rsplit('/').next().map(str::to_owned);
    let last_good = Release {
        digest: wanted.digest,
        version: version.to_owned(),
        generation,
        task_definition: revision,
    };
    let record = Record {
        clean: true,
        created: 1,
        last_good: Some(last_good),
        ..Record::default()
    };
    put(emulator, "record", &crate::output::line(&record))?;
    Ok(())
}

/// Writes one of the blog's parameters.
pub(crate) fn put(emulator: &Emulator, leaf: &str, value: &str) -> Result<Generation, StageError> {
    let name = format!("{PREFIX}/blog/{leaf}");
    let input = json!({"Name": name, "Value": value, "Type": "String", "Overwrite": true});
    emulator.call(Service::Ssm, "PutParameter", input)?;
    let read = emulator.call(Service::Ssm, "GetParameter", json!({"Name": name}))?;
    let date = read["Parameter"]["LastModifiedDate"]
        .as_f64()
        .ok_or(StageError::Missing("date"))?;
    let version = read["Parameter"]["Version"]
        .as_i64()
        .ok_or(StageError::Missing("version"))?;
    Ok(Generation {
        date: (date * 1000.0).round() as i64,
        version,
    })
}

/// Reads one of the blog's parameters; none when there is none.
pub(crate) fn get(emulator: &Emulator, leaf: &str) -> Option<String> {
    let read = emulator
        .call(
            Service::Ssm,
            "GetParameter",
            json!({"Name": format!("{PREFIX}/blog/{leaf}")}),
        )
        .ok()?;
    read["Parameter"]["Value"].as_str().map(str::to_owned)
}

fn text(value: &Value, what: &'static str) -> Result<String, StageError> {
    value
        .as_str()
        .map(str::to_owned)
        .ok_or(StageError::Missing(what))
}
