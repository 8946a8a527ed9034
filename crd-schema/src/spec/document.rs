//! The document, field for field as people write it. Doc comments here are the descriptions in the JSON Schema.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::analysis::{Alarms, Analysis};
use super::autoscaling::Autoscaling;
use super::schedule::Schedule;
use super::{format, refused};
use crate::application::{Drift, DuringBake, OnFailure};
use crate::event::Reason;
use crate::gate::{OnAbort, OnError};
use crate::identity::{
    AnalysisName, ApplicationName, GateName, ListenerArn, RuleArn, TargetGroupArn,
};
use crate::strategy::{self, Share};

/// An application that Teal releases blue/green on Amazon ECS.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(title = "Teal Application", extend("errorMessage" = "write an Application: `apiVersion`, `kind`, `metadata` and `spec`"))]
pub(super) struct Document {
    /// Version of this document's format.
    #[expect(dead_code, reason = "its only value is checked by its type")]
    pub(super) api_version: ApiVersion,
    /// Kind of this document.
    #[expect(dead_code, reason = "its only value is checked by its type")]
    pub(super) kind: Kind,
    /// Who this is.
    pub(super) metadata: Metadata,
    /// What is released, where traffic comes from, and how a release goes.
    pub(super) spec: Spec,
}

#[derive(Deserialize, JsonSchema)]
pub(super) enum ApiVersion {
    #[serde(rename = "teal/v1alpha1")]
    V1Alpha1,
}

#[derive(Deserialize, JsonSchema)]
pub(super) enum Kind {
    Application,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Metadata {
    /// Unique among the applications of one operator: 1 to 40 small letters, digits and `-`, a letter or digit at both ends.
    pub(super) name: ApplicationName,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(transform = refused::in_spec)]
pub(super) struct Spec {
    /// ECS cluster, short name or ARN.
    #[schemars(length(min = 1, max = 512))]
    pub(super) cluster: String,
    /// Tags on everything that the operator creates. Keys that start with `aws:` or `teal:` are taken.
    #[serde(default)]
    #[schemars(extend("maxProperties" = 40), transform = refused::in_tags)]
    pub(super) tags: BTreeMap<String, String>,
    /// What a release is rendered from.
    pub(super) template: Template,
    /// Where users come from. A service without a load balancer has `worker` instead.
    #[serde(default)]
    #[schemars(with = "Traffic")]
    pub(super) traffic: Option<Traffic>,
    /// For a service without a load balancer, which takes its work from a queue or a stream: instead of `traffic`.
    #[serde(default)]
    #[schemars(with = "Worker")]
    pub(super) worker: Option<Worker>,
    /// How traffic moves from blue to green.
    #[serde(default = "Spec::strategy")]
    pub(super) strategy: Strategy,
    /// Tests that a release must pass, by name. One that no step of the strategy names comes before `Shift`, unless it says otherwise.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, Gate>", extend("maxProperties" = 10, "propertyNames" = { "format": "gate-name", "pattern": "^[a-z0-9]([a-z0-9-]{0,18}[a-z0-9])?$" }))]
    pub(super) gates: BTreeMap<GateName, Gate>,
    /// CloudWatch alarms that stop a release.
    #[serde(default)]
    pub(super) alarms: Option<Alarms>,
    /// Metrics that are measured again and again while green has traffic, by name. One that no step of the strategy names is measured from the first traffic to the end of the bake time.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, Analysis>", extend("maxProperties" = 10, "propertyNames" = { "format": "gate-name", "pattern": "^[a-z0-9]([a-z0-9-]{0,18}[a-z0-9])?$" }))]
    pub(super) analysis: BTreeMap<AnalysisName, Analysis>,
    /// Who is told what happens, by signed webhooks. Nothing waits for that.
    #[serde(default)]
    #[schemars(length(max = 5))]
    pub(super) notifications: Vec<Notification>,
    /// When a release may begin.
    #[serde(default)]
    pub(super) schedule: Option<Schedule>,
    #[serde(default)]
    pub(super) autoscaling: Option<Autoscaling>,
    /// How long green serves everything, with blue standing by at full size, before blue is removed.
    #[serde(default = "Spec::bake_time")]
    pub(super) bake_time: Period,
    /// Waits while blue is removed.
    #[serde(default)]
    pub(super) clean_up: CleanUp,
    /// How long each stage may take before the release fails.
    #[serde(default)]
    pub(super) deadlines: Deadlines,
    /// What happens when a release fails.
    #[serde(default = "Spec::on_failure")]
    pub(super) on_failure: OnFailure,
    /// What happens when a newer release is desired while one is on its way.
    #[serde(default)]
    pub(super) on_new_release: OnNewRelease,
    /// What happens to weights that somebody else changed while no release is on its way. Traffic that goes to a dead group is repaired all the same.
    #[serde(default = "Spec::drift")]
    pub(super) drift: Drift,
}

impl Spec {
    fn strategy() -> Strategy {
        Strategy::BlueGreen {}
    }

    fn bake_time() -> Period {
        seconds(10 * 60)
    }

    fn on_failure() -> OnFailure {
        OnFailure::RollBack
    }

    fn drift() -> Drift {
        Drift::Heal
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Template {
    /// The base task definition: a family (or `family:revision`) that your infrastructure code registers, or `inline:` with AWS's own RegisterTaskDefinition JSON.
    pub(super) task_definition: TaskDefinition,
    /// Container name to its image, with `{version}` as the tag. The other containers keep the image of the base.
    #[schemars(extend("minProperties" = 1, "maxProperties" = 10))]
    pub(super) images: BTreeMap<String, ImageTemplate>,
    /// AWS's own CreateService JSON, less what the operator owns. What is not named here is passed on unchanged.
    pub(super) service: Service,
}

#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum TaskDefinition {
    Family(String),
    Inline { inline: Map<String, Value> },
}

/// Image with `{version}` as the tag, for example `123456789012.dkr.ecr.eu-west-1.amazonaws.com/blog:{version}`.
#[derive(Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(extend("format" = "image-template", "pattern" = r"^[A-Za-z0-9._/:-]+:\{version\}$"))]
pub(super) struct ImageTemplate(pub(super) String);

#[derive(Deserialize)]
pub(super) struct Service {
    #[serde(rename = "desiredCount")]
    pub(super) desired_count: u32,
    #[serde(flatten)]
    pub(super) rest: Map<String, Value>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Worker {
    /// Two versions may work at the same time, and must bear that: with `blueGreen` from when green runs until the end of its bake time, with `rolling` while ECS replaces tasks. `false`: only with `rolling` and one task, which is stopped before its successor starts.
    #[schemars(extend("errorMessage" = "write `overlap: true` if two versions may work at the same time, else `overlap: false`"))]
    pub(super) overlap: bool,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Traffic {
    /// The container ports that take traffic, each with the rules that bring it there: one, or up to five. They are released together: a task is healthy when it is healthy on all of them.
    // ECS takes no more target groups for a service:
    // https://docs.aws.amazon.com/AmazonECS/latest/developerguide/register-multiple-targetgroups.html
    #[schemars(length(min = 1, max = 5), extend("errorMessage" = "write 1 to 5 routes: Amazon ECS takes at most five target groups for a service"))]
    pub(super) routes: Vec<Route>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Route {
    /// The container that listens.
    #[schemars(length(min = 1, max = 255))]
    pub(super) container: String,
    /// The container port.
    #[schemars(range(min = 1, max = 65535))]
    pub(super) port: u16,
    pub(super) target_groups: TargetGroups,
    /// Listeners and rules that carry users.
    #[schemars(length(min = 1, max = 20))]
    pub(super) production: Vec<Target>,
    /// Listeners and rules that carry tests. They follow green first.
    #[serde(default)]
    #[schemars(length(max = 20))]
    pub(super) test: Vec<Target>,
}

/// Exactly one way to come by target groups.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum TargetGroups {
    Pair([TargetGroupArn; 2]),
    Single(TargetGroupArn),
    PerRelease(PerRelease),
}

/// A new target group for each release, deleted with it.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PerRelease {
    /// The template: each new group gets its settings, attributes and tags. It is never given traffic and never changed.
    pub(super) from: TargetGroupArn,
}

/// A place that forwards to the target groups.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Target {
    Listener(ListenerArn),
    Rule(RuleArn),
}

/// Exactly one strategy.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Strategy {
    BlueGreen {},
    Canary(Canary),
    Linear(Linear),
    Rolling {},
    Preset(Preset),
}

/// Steps of your own; after the last one green gets everything.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Canary {
    /// The steps in order. For example `[{setWeight: 10}, {pause: 5m}, {setWeight: 50}, {pause: {}}]`.
    #[schemars(extend("minItems" = 1, "maxItems" = 50, "errorMessage" = "write 1 to 50 steps, for example `[{setWeight: 10}, {pause: 5m}]`"))]
    pub(super) steps: Vec<Step>,
}

/// Equal steps with equal waits between them.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Linear {
    /// Percent of requests that move with each step, to a tenth.
    pub(super) step_percent: Percent,
    /// The wait between two steps.
    pub(super) interval: Deadline,
}

/// Exactly one thing that a step does.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Step {
    SetWeight(Percent),
    SetScale(Percent),
    Pause(Pause),
    Gate(GateName),
    Analysis(AnalysisName),
}

/// One test that a release must pass: exactly one of `http`, `ecsTask`, `lambda`, `webhook` and `approval`, and when it is tried.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Gate {
    /// An HTTP request, usually to a test route.
    #[serde(default)]
    pub(super) http: Option<Http>,
    /// A task that runs to its end in the application's network: passed when it ends with exit code 0.
    #[serde(default)]
    pub(super) ecs_task: Option<EcsTask>,
    /// An AWS Lambda function, asked as Amazon ECS asks its lifecycle hooks: passed when it returns
    /// `{"hookStatus": "SUCCEEDED"}`.
    #[serde(default)]
    pub(super) lambda: Option<Lambda>,
    /// A signed POST to somebody else's service: passed when it answers 2xx and does not say
    /// `{"status": "failed"}` or `{"status": "inProgress"}`.
    #[serde(default)]
    pub(super) webhook: Option<Webhook>,
    /// A person says yes (`teal approve`): write `approval: {}`.
    #[serde(default)]
    pub(super) approval: Option<Approval>,
    /// The stage that does not begin before the gate has passed; `RollBack` holds nothing but the removal of what failed.
    #[serde(default)]
    pub(super) before: Option<Before>,
    /// How often it is tried before the release fails. A try that could not tell does not count. 5 for a request, else 1.
    #[serde(default)]
    #[schemars(range(min = 1, max = 100))]
    pub(super) attempts: Option<u32>,
    /// The wait between two tries.
    #[serde(default = "Gate::every")]
    pub(super) every: Deadline,
    /// How long one try may take: a request 10s, a task 30m, a function or a webhook 30m with all its calls.
    #[serde(default)]
    pub(super) timeout: Option<Deadline>,
    /// What a try counts as that could not tell (no answer, a denied call, a function that broke): `hold` tries again
    /// until the stage's deadline, `fail` counts it as failed, as Amazon ECS does.
    #[serde(default = "Gate::hold")]
    pub(super) on_error: OnError,
}

impl Gate {
    fn every() -> Deadline {
        Deadline(seconds(10))
    }

    fn hold() -> OnError {
        OnError::Hold
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("errorMessage" = "write `approval: {}`"))]
pub(super) struct Approval {}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Http {
    /// Where to: `http://…` or `https://…`.
    #[schemars(extend("format" = "url", "pattern" = "^https?://"))]
    pub(super) url: String,
    /// The method.
    #[serde(default = "Http::method")]
    pub(super) method: Method,
    /// Further headers. They are not secret: an Application is no place for secrets.
    #[serde(default)]
    #[schemars(extend("maxProperties" = 20), transform = refused::in_headers)]
    pub(super) headers: BTreeMap<String, String>,
    /// The answer that is right.
    #[serde(default)]
    pub(super) expect: Expect,
}

impl Http {
    fn method() -> Method {
        Method::Get
    }
}

#[derive(Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum Method {
    Get,
    Head,
    Post,
    Put,
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Expect {
    /// The status.
    #[schemars(range(min = 100, max = 599))]
    pub(super) status: u16,
    /// What the body contains.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 500))]
    pub(super) body: Option<String>,
}

impl Default for Expect {
    fn default() -> Self {
        Self {
            status: 200,
            body: None,
        }
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct EcsTask {
    /// A family (or `family:revision`). Left out: the task definition of the release itself.
    #[serde(default)]
    #[schemars(extend("format" = "family-alone", "pattern" = "^[A-Za-z0-9_-]{1,255}(:[0-9]+)?$"))]
    pub(super) task_definition: Option<String>,
    /// The container whose exit code decides; left out, each container must end with 0.
    #[serde(default)]
    #[schemars(length(min = 1, max = 255))]
    pub(super) container: Option<String>,
    /// What runs in that container instead of its own command.
    #[serde(default)]
    #[schemars(length(max = 50))]
    pub(super) command: Vec<String>,
    /// What becomes of a task whose release is aborted or superseded: `stop` (SIGTERM, and SIGKILL after its
    /// `stopTimeout`), or `finish`. One that takes longer than `timeout` is stopped in any case.
    #[serde(default = "EcsTask::stop")]
    pub(super) on_abort: OnAbort,
}

impl EcsTask {
    fn stop() -> OnAbort {
        OnAbort::Stop
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Lambda {
    /// Its name or its ARN. A version or an alias may follow after a colon. The operator's role must be allowed to invoke
    /// it.
    #[schemars(extend("format" = "function", "pattern" = "^(arn:aws[a-z-]*:lambda:[a-z0-9-]+:[0-9]{12}:function:)?[A-Za-z0-9_-]{1,64}(:([$]LATEST|[A-Za-z0-9_-]{1,128}))?$"))]
    pub(super) function: String,
    /// What the function is given as `hookDetails` with each call. It is not secret: an Application is no place for
    /// secrets.
    #[serde(default)]
    pub(super) hook_details: Map<String, Value>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Webhook {
    /// Where to: `https://…`, or `http://…` inside a network of your own.
    #[schemars(extend("format" = "url", "pattern" = "^https?://"))]
    pub(super) url: String,
    /// Where the secret is that signs each request. It is shared with the other side, and never stands here.
    pub(super) secret: Secret,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Notification {
    /// Where to. Each event is one signed POST, `webhook-id` is its own.
    pub(super) webhook: Webhook,
    /// What of; left out: everything.
    #[serde(default)]
    pub(super) events: Vec<Reason>,
}

/// Exactly one place.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("errorMessage" = "write `secret: {parameter: /teal/secrets/NAME}`, and the secret itself into that parameter (SecureString)"))]
pub(super) struct Secret {
    /// A parameter of Parameter Store, best a SecureString. The shipped policy allows those under `/teal/secrets/`.
    #[serde(default)]
    #[schemars(extend("format" = "parameter-name", "pattern" = "^/", "maxLength" = 1011))]
    pub(super) parameter: Option<String>,
    /// A variable of the operator's environment: `TEAL_WEBHOOK_…`.
    #[serde(default)]
    #[schemars(extend("format" = "secret-variable", "pattern" = "^TEAL_WEBHOOK_[A-Z0-9_]+$"))]
    pub(super) environment: Option<String>,
}

/// The stages that a gate may stand before.
#[derive(Clone, Copy, Serialize, Deserialize, JsonSchema)]
pub(super) enum Before {
    ScaleUp,
    Validate,
    Shift,
    Bake,
    CleanUp,
    RollBack,
}

/// For a while, or until a person promotes.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Pause {
    Timed(Deadline),
    UntilPromoted {},
}

/// Percent of requests, 0.1 to 100, to a tenth.
#[derive(Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(with = "f64", extend("minimum" = 0.1, "maximum" = 100, "multipleOf" = 0.1, "errorMessage" = "write a percentage from 0.1 to 100, to a tenth"))]
pub(super) struct Percent(pub(super) Share);

/// The deployment configurations that CodeDeploy brings for Amazon ECS, by the names that it gives them
/// (<https://docs.aws.amazon.com/codedeploy/latest/userguide/deployment-configurations.html>).
#[derive(Clone, Copy, Serialize, Deserialize, JsonSchema)]
pub(super) enum Preset {
    #[serde(rename = "CodeDeployDefault.ECSAllAtOnce")]
    AllAtOnce,
    #[serde(rename = "CodeDeployDefault.ECSCanary10Percent5Minutes")]
    Canary10Percent5Minutes,
    #[serde(rename = "CodeDeployDefault.ECSCanary10Percent15Minutes")]
    Canary10Percent15Minutes,
    #[serde(rename = "CodeDeployDefault.ECSLinear10PercentEvery1Minutes")]
    Linear10PercentEvery1Minutes,
    #[serde(rename = "CodeDeployDefault.ECSLinear10PercentEvery3Minutes")]
    Linear10PercentEvery3Minutes,
}

impl Strategy {
    /// The steps that are written one by one.
    pub(super) fn steps(&self) -> &[Step] {
        match self {
            Self::Canary(Canary { steps }) => steps,
            Self::BlueGreen {} | Self::Linear(_) | Self::Rolling {} | Self::Preset(_) => &[],
        }
    }

    /// The steps that it means.
    pub(super) fn mean(&self) -> strategy::Strategy {
        let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
        let tenth = Share::of(1, 10);
        match self {
            Self::BlueGreen {} | Self::Preset(Preset::AllAtOnce) => strategy::Strategy::BLUE_GREEN,
            Self::Rolling {} => strategy::Strategy::ROLLING,
            Self::Canary(Canary { steps }) => strategy::Strategy::of(
                steps
                    .iter()
                    .map(|step| match step {
                        Step::SetWeight(percent) => strategy::Step::SetWeight(percent.0),
                        Step::SetScale(percent) => strategy::Step::SetScale(percent.0),
                        Step::Pause(Pause::Timed(time)) => strategy::Step::Pause(Some(time.0.0)),
                        Step::Pause(Pause::UntilPromoted {}) => strategy::Step::Pause(None),
                        Step::Gate(name) => strategy::Step::Gate(name.clone()),
                        Step::Analysis(name) => strategy::Step::Analysis(name.clone()),
                    })
                    .collect(),
            ),
            Self::Linear(Linear {
                step_percent,
                interval,
            }) => strategy::Strategy::linear(step_percent.0, interval.0.0),
            Self::Preset(Preset::Canary10Percent5Minutes) => {
                strategy::Strategy::canary(tenth, minutes(5))
            }
            Self::Preset(Preset::Canary10Percent15Minutes) => {
                strategy::Strategy::canary(tenth, minutes(15))
            }
            Self::Preset(Preset::Linear10PercentEvery1Minutes) => {
                strategy::Strategy::linear(tenth, minutes(1))
            }
            Self::Preset(Preset::Linear10PercentEvery3Minutes) => {
                strategy::Strategy::linear(tenth, minutes(3))
            }
        }
    }
}

/// A length of time such as `30s`, `5m` or `1h30m`, at most `336h`.
#[derive(Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(extend("format" = "period", "pattern" = r"^[0-9]"))]
pub(super) struct Period(pub(super) Duration);

impl TryFrom<String> for Period {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        format::period(&text).map(Self)
    }
}

impl From<Period> for String {
    fn from(period: Period) -> Self {
        jiff::fmt::friendly::SpanPrinter::new().unsigned_duration_to_string(&period.0)
    }
}

/// A length of time such as `30s`, `5m` or `1h30m`, from `1s` to `336h`.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(extend("format" = "deadline"))]
pub(super) struct Deadline(pub(super) Period);

pub(super) const fn seconds(seconds: u64) -> Period {
    Period(Duration::from_secs(seconds))
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct CleanUp {
    /// From weight 0 read back on every rule until blue counts as without traffic.
    pub(super) settle: Period,
    /// How long blue stays after that, at full size and weight 0.
    pub(super) keep_blue: Period,
}

impl Default for CleanUp {
    fn default() -> Self {
        Self {
            settle: seconds(30),
            keep_blue: seconds(0),
        }
    }
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct Deadlines {
    /// Green up and healthy.
    pub(super) scale_up: Deadline,
    /// Tests passed.
    pub(super) validate: Deadline,
    /// One step of the way to green, its own pause not counted; all traffic on green where there are no steps.
    pub(super) shift: Deadline,
    /// Blue gone.
    pub(super) clean_up: Deadline,
}

impl Default for Deadlines {
    fn default() -> Self {
        let minutes = |minutes: u64| Deadline(seconds(minutes * 60));
        Self {
            scale_up: minutes(10),
            validate: minutes(10),
            shift: minutes(120),
            clean_up: minutes(30),
        }
    }
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct OnNewRelease {
    /// While traffic moves: always back to blue first.
    pub(super) during_shift: DuringShift,
    /// While green serves everything and blue stands by.
    pub(super) during_bake: DuringBake,
}

impl Default for OnNewRelease {
    fn default() -> Self {
        Self {
            during_shift: DuringShift::RollBack,
            during_bake: DuringBake::Finish,
        }
    }
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) enum DuringShift {
    /// Back to blue first, then the newest starts.
    RollBack,
}
