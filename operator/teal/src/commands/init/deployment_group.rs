//! A CodeDeploy deployment group, as `aws deploy get-deployment-group` shows it.

use serde::Deserialize;
use serde_json::{Map, Value, json};
use serde_saphyr::Spanned;

use super::alarms;
use super::draft::Draft;
use super::source::Source;
use crate::failure::Failure;

/// CodeDeploy's configurations for Amazon ECS that an Application can name.
/// (<https://docs.aws.amazon.com/codedeploy/latest/userguide/deployment-configurations.html>)
const PRESETS: [&str; 5] = [
    "CodeDeployDefault.ECSAllAtOnce",
    "CodeDeployDefault.ECSCanary10Percent5Minutes",
    "CodeDeployDefault.ECSCanary10Percent15Minutes",
    "CodeDeployDefault.ECSLinear10PercentEvery1Minutes",
    "CodeDeployDefault.ECSLinear10PercentEvery3Minutes",
];

/// The answer of `get-deployment-group`. What was given to `create-deployment-group` has the same members, bare.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    #[serde(default)]
    deployment_group_info: Option<DeploymentGroup>,
}

/// What of it matters. All members may be missing.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct DeploymentGroup {
    compute_platform: Option<Spanned<String>>,
    deployment_config_name: Option<String>,
    ecs_services: Vec<EcsService>,
    load_balancer_info: Option<LoadBalancers>,
    blue_green_deployment_configuration: BlueGreen,
    alarm_configuration: Option<Alarms>,
    auto_rollback_configuration: Option<Enabled>,
}

/// Whose deployments they are.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct EcsService {
    pub(super) cluster_name: String,
    pub(super) service_name: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct LoadBalancers {
    target_group_pair_info_list: Vec<Pair>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Pair {
    target_groups: Vec<Named>,
    prod_traffic_route: Route,
    test_traffic_route: Option<Route>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Route {
    listener_arns: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Named {
    name: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct BlueGreen {
    deployment_ready_option: Ready,
    terminate_blue_instances_on_deployment_success: Termination,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Ready {
    action_on_timeout: Option<String>,
    wait_time_in_minutes: Option<u32>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Termination {
    termination_wait_time_in_minutes: Option<u32>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Alarms {
    enabled: bool,
    alarms: Vec<Named>,
}

#[derive(Debug, Deserialize)]
struct Enabled {
    enabled: bool,
}

impl DeploymentGroup {
    pub(super) fn read(source: &Source) -> Result<Self, Failure> {
        let answer: Answer = source.parse()?;
        let group = match answer.deployment_group_info {
            Some(group) => group,
            None => source.parse()?,
        };
        if let Some(platform) = group
            .compute_platform
            .as_ref()
            .filter(|one| one.value != "ECS")
        {
            let message = format!("a deployment group for {}, not for ECS", platform.value);
            return Err(source.wrong(platform.referenced, &message));
        }
        if group.says_nothing() {
            let message =
                "no deployment group: write here what `aws deploy get-deployment-group` prints";
            return Err(source.failure(None, message));
        }
        Ok(group)
    }

    fn says_nothing(&self) -> bool {
        let named = self.deployment_config_name.is_some() || self.service().is_some();
        !named && self.pair().is_none()
    }

    pub(super) fn service(&self) -> Option<&EcsService> {
        self.ecs_services.first()
    }

    fn pair(&self) -> Option<&Pair> {
        self.load_balancer_info
            .as_ref()?
            .target_group_pair_info_list
            .first()
    }

    /// Names of the two target groups; none where they are not known.
    pub(super) fn group_names(&self) -> Vec<&str> {
        let groups = self.pair().map(|pair| pair.target_groups.as_slice());
        groups
            .unwrap_or_default()
            .iter()
            .map(|group| group.name.as_str())
            .collect()
    }

    /// ARNs of the production and the test listeners.
    pub(super) fn listeners(&self) -> [&[String]; 2] {
        let pair = self.pair();
        let production = pair.map(|pair| pair.prod_traffic_route.listener_arns.as_slice());
        let test = pair.and_then(|pair| pair.test_traffic_route.as_ref());
        [
            production.unwrap_or_default(),
            test.map(|test| test.listener_arns.as_slice())
                .unwrap_or_default(),
        ]
    }

    pub(super) fn strategy(&self, draft: &mut Draft) {
        let strategy = match self.deployment_config_name.as_deref() {
            Some(name) if PRESETS.contains(&name) => json!({"preset": name}),
            Some(name) => {
                draft.todo(
                    "/spec/strategy",
                    format!("what {name} does, as `canary` or `linear`; this shows it: aws deploy get-deployment-config --deployment-config-name {name}"),
                );
                Value::Null
            }
            None => {
                draft.note(
                    "/spec/strategy",
                    "or `preset:` with one of CodeDeploy's names, `canary`, `linear`",
                );
                json!({"blueGreen": {}})
            }
        };
        draft.set("strategy", strategy);
    }

    /// Minutes until somebody must have said that traffic may go to green.
    fn approved_within(&self) -> Option<u32> {
        let ready = &self
            .blue_green_deployment_configuration
            .deployment_ready_option;
        let asks = ready.action_on_timeout.as_deref() == Some("STOP_DEPLOYMENT");
        ready
            .wait_time_in_minutes
            .filter(|minutes| asks && *minutes > 0)
    }

    /// The gate that takes the place of `deploymentReadyOption`.
    pub(super) fn gates(&self) -> Map<String, Value> {
        let gate = self
            .approved_within()
            .map(|_| ("reroute".to_owned(), json!({"approval": {}})));
        gate.into_iter().collect()
    }

    /// How long blue stands by, and how long an approval may take.
    pub(super) fn times(&self, draft: &mut Draft) {
        let termination = &self
            .blue_green_deployment_configuration
            .terminate_blue_instances_on_deployment_success;
        let wait = termination.termination_wait_time_in_minutes;
        if wait.is_some() {
            draft.note(
                "/spec/bakeTime",
                "terminationWaitTimeInMinutes: until then `teal abort` goes back",
            );
        }
        draft.set("bakeTime", json!(format!("{}m", wait.unwrap_or(10))));
        if let Some(minutes) = self.approved_within() {
            draft.note(
                "/spec/deadlines",
                "deploymentReadyOption: without `teal approve` the release ends",
            );
            draft.set("deadlines", json!({"validate": format!("{minutes}m")}));
        }
    }

    /// What a failure does, and which alarms are one.
    pub(super) fn on_failure(&self, draft: &mut Draft) {
        if let Some(rollback) = &self.auto_rollback_configuration {
            let does = if rollback.enabled { "rollBack" } else { "hold" };
            draft.set("onFailure", json!(does));
        }
        if let Some(configuration) = self.alarm_configuration.as_ref().filter(|one| one.enabled) {
            let names: Vec<&str> = configuration
                .alarms
                .iter()
                .map(|alarm| alarm.name.as_str())
                .collect();
            alarms::watched(draft, &names, None);
        }
    }
}
