//! An Application from what CodeDeploy was told: an appspec for Amazon ECS and, if there is one, the deployment group.
//!
//! No AWS is asked. What neither of them says (the image, the count of tasks) is left to a person.

use std::collections::BTreeMap;

use crd_schema::ApplicationName;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use serde_saphyr::Spanned;

use super::deployment_group::DeploymentGroup;
use super::draft::Draft;
use super::source::Source;
use crate::failure::Failure;

/// An appspec, as CodeDeploy reads it for Amazon ECS.
/// (<https://docs.aws.amazon.com/codedeploy/latest/userguide/reference-appspec-file-structure-resources.html>)
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AppSpec {
    #[serde(default)]
    #[expect(dead_code, reason = "there is only one: 0.0")]
    version: Option<f64>,
    #[serde(rename = "Resources", alias = "resources")]
    resources: Spanned<Vec<BTreeMap<String, Resource>>>,
    #[serde(rename = "Hooks", alias = "hooks", default)]
    hooks: Vec<BTreeMap<Hook, String>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Resource {
    #[serde(alias = "type")]
    r#type: Spanned<String>,
    #[serde(alias = "properties")]
    properties: Properties,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Properties {
    #[serde(alias = "taskDefinition")]
    task_definition: String,
    #[serde(alias = "loadBalancerInfo")]
    load_balancer_info: LoadBalancerInfo,
    #[serde(alias = "platformVersion", default)]
    platform_version: Option<String>,
    #[serde(alias = "networkConfiguration", default)]
    network_configuration: Option<NetworkConfiguration>,
    #[serde(alias = "capacityProviderStrategy", default)]
    capacity_provider_strategy: Vec<CapacityProvider>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct LoadBalancerInfo {
    #[serde(alias = "containerName")]
    container_name: String,
    #[serde(alias = "containerPort")]
    container_port: Spanned<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct NetworkConfiguration {
    #[serde(alias = "awsvpcConfiguration")]
    awsvpc_configuration: AwsVpc,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct AwsVpc {
    #[serde(alias = "subnets")]
    subnets: Vec<String>,
    #[serde(alias = "securityGroups", default)]
    security_groups: Vec<String>,
    #[serde(alias = "assignPublicIp", default)]
    assign_public_ip: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct CapacityProvider {
    #[serde(alias = "capacityProvider")]
    capacity_provider: String,
    #[serde(alias = "base", default)]
    base: Option<u32>,
    #[serde(alias = "weight", default)]
    weight: Option<u32>,
}

/// Lambda functions are called at these points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
enum Hook {
    BeforeInstall,
    AfterInstall,
    AfterAllowTestTraffic,
    BeforeAllowTraffic,
    AfterAllowTraffic,
}

impl Hook {
    const fn name(self) -> &'static str {
        match self {
            Self::BeforeInstall => "BeforeInstall",
            Self::AfterInstall => "AfterInstall",
            Self::AfterAllowTestTraffic => "AfterAllowTestTraffic",
            Self::BeforeAllowTraffic => "BeforeAllowTraffic",
            Self::AfterAllowTraffic => "AfterAllowTraffic",
        }
    }

    /// The gate's name. Those before one stage run in the order of their names.
    const fn gate(self) -> &'static str {
        match self {
            Self::BeforeInstall => "before-install",
            Self::AfterInstall => "after-install",
            Self::AfterAllowTestTraffic => "after-test-traffic",
            Self::BeforeAllowTraffic => "before-traffic",
            Self::AfterAllowTraffic => "after-traffic",
        }
    }

    /// The stage that a gate at this point stands before.
    const fn before(self) -> &'static str {
        match self {
            Self::BeforeInstall => "ScaleUp",
            Self::AfterInstall => "Validate",
            Self::AfterAllowTestTraffic | Self::BeforeAllowTraffic => "Shift",
            Self::AfterAllowTraffic => "Bake",
        }
    }
}

/// Everything that CodeDeploy was told.
#[derive(Debug)]
pub(super) struct Told {
    /// The appspec, as messages name it.
    source: String,
    properties: Properties,
    port: u16,
    hooks: Vec<(Hook, String)>,
    pub(super) group: DeploymentGroup,
}

impl Told {
    /// Reads both.
    pub(super) fn read(appspec: &Source, group: Option<&Source>) -> Result<Self, Failure> {
        let read: AppSpec = appspec.parse()?;
        let group = group.map(DeploymentGroup::read).transpose()?;
        let hooks = read.hooks.into_iter().flatten().collect();
        let properties = properties(read.resources, appspec)?;
        Ok(Self {
            source: appspec.name.clone(),
            port: port(&properties.load_balancer_info, appspec)?,
            properties,
            hooks,
            group: group.unwrap_or_default(),
        })
    }

    /// The Application as far as these two know it.
    pub(super) fn draft(&self, application: &ApplicationName) -> Draft {
        let head = format!(
            "From CodeDeploy's {}, by `teal init`. `teal validate` checks it, `teal apply -f` puts it in force.",
            self.source
        );
        let mut draft = Draft::new(application.as_str(), &head);
        draft.remark(
            "CodeDeploy must have stopped releasing before Teal starts: docs/coming-from.md.",
        );
        cluster(&mut draft, &self.group);
        template(&mut draft, &self.properties);
        let container = &self.properties.load_balancer_info.container_name;
        traffic(&mut draft, container, self.port, &self.group);
        self.way(&mut draft);
        draft
    }

    /// How a release goes: strategy, tests, times, failure.
    pub(super) fn way(&self, draft: &mut Draft) {
        self.group.strategy(draft);
        let mut gates = self.group.gates();
        for (hook, function) in &self.hooks {
            let gate = json!({"lambda": {"function": function}, "before": hook.before()});
            gates.insert(hook.gate().to_owned(), gate);
            draft.note(
                &format!("/spec/gates/{}", hook.gate()),
                format!(
                    "{}: let the function return {{\"hookStatus\": \"SUCCEEDED\"}} or \"FAILED\"; what it tells CodeDeploy does not reach Teal (docs/coming-from.md)",
                    hook.name()
                ),
            );
        }
        if !gates.is_empty() {
            draft.set("gates", gates.into());
        }
        self.group.times(draft);
        self.group.on_failure(draft);
    }
}

/// The one service.
fn properties(
    resources: Spanned<Vec<BTreeMap<String, Resource>>>,
    source: &Source,
) -> Result<Properties, Failure> {
    let place = resources.referenced;
    let count = resources.value.iter().map(BTreeMap::len).sum::<usize>();
    let mut all = resources.value.into_iter().flat_map(BTreeMap::into_values);
    let (Some(only), None) = (all.next(), all.next()) else {
        let message =
            format!("{count} resources, and an appspec for Amazon ECS has one, its TargetService");
        return Err(source.wrong(place, &message));
    };
    if only.r#type.value != "AWS::ECS::Service" {
        let message = format!(
            "the type {:?}: Teal releases services of Amazon ECS, AWS::ECS::Service",
            only.r#type.value
        );
        return Err(source.wrong(only.r#type.referenced, &message));
    }
    Ok(only.properties)
}

/// The container's port; a template may have it in quotes.
fn port(info: &LoadBalancerInfo, source: &Source) -> Result<u16, Failure> {
    let port = &info.container_port;
    let number = port.value.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| {
        let message = format!(
            "{:?} is no port: write a number from 1 to 65535",
            port.value
        );
        source.wrong(port.referenced, &message)
    })
}

fn cluster(draft: &mut Draft, group: &DeploymentGroup) {
    let service = group.service();
    draft.set(
        "cluster",
        json!(service.map(|service| &service.cluster_name)),
    );
    let [cluster, name] = match service {
        None => {
            draft.todo("/spec/cluster", "the ECS cluster of the service");
            ["C", "S"]
        }
        Some(service) => [&service.cluster_name, &service.service_name].map(String::as_str),
    };
    draft.remark(format!(
        "With `--cluster {cluster} --service {name}` too, AWS is asked for what CodeDeploy was not told: image, count, rules, ARNs."
    ));
}

fn template(draft: &mut Draft, properties: &Properties) {
    let container = &properties.load_balancer_info.container_name;
    let family = family(&properties.task_definition);
    let service = service(properties);
    let missing: Vec<&str> = ["launchType", "networkConfiguration"]
        .into_iter()
        .filter(|member| match *member {
            "launchType" => {
                !service.contains_key("launchType")
                    && !service.contains_key("capacityProviderStrategy")
            }
            other => !service.contains_key(other),
        })
        .collect();
    draft.set(
        "template",
        json!({"taskDefinition": family, "images": {container.as_str(): null}, "service": service}),
    );
    if family.is_none() {
        draft.todo(
            "/spec/template/taskDefinition",
            "the family of the task definition",
        );
    }
    draft.todo(
        &format!("/spec/template/images/{container}"),
        "its image, with {version} as the tag: `registry/repository:{version}`",
    );
    draft.todo(
        "/spec/template/service/desiredCount",
        "how many tasks the first release has",
    );
    if !missing.is_empty() {
        draft.todo(
            "/spec/template/service",
            format!(
                "CodeDeploy takes {} from the service; write it here, as CreateService has it",
                missing.join(" and ")
            ),
        );
    }
}

/// The family of `family:revision` or of an ARN; none where the pipeline puts it in (`<TASK_DEFINITION>`).
fn family(task_definition: &str) -> Option<String> {
    let name = task_definition
        .rsplit('/')
        .next()
        .unwrap_or(task_definition);
    let family = name.split(':').next().unwrap_or(name);
    let right = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    (!family.is_empty() && family.chars().all(right)).then(|| family.to_owned())
}

/// CreateService's members, as far as the appspec knows them.
fn service(properties: &Properties) -> Map<String, Value> {
    let mut service = Map::from_iter([("desiredCount".to_owned(), Value::Null)]);
    if !properties.capacity_provider_strategy.is_empty() {
        let providers = properties.capacity_provider_strategy.iter().map(|one| {
            let members = [
                ("capacityProvider", json!(one.capacity_provider)),
                ("base", json!(one.base)),
                ("weight", json!(one.weight)),
            ];
            Value::from(given(members))
        });
        service.insert("capacityProviderStrategy".into(), providers.collect());
    } else if properties.platform_version.is_some() {
        // Only Fargate has platform versions.
        service.insert("launchType".into(), json!("FARGATE"));
    }
    if let Some(version) = properties
        .platform_version
        .as_ref()
        .filter(|version| *version != "LATEST")
    {
        service.insert("platformVersion".into(), json!(version));
    }
    if let Some(network) = &properties.network_configuration {
        let vpc = &network.awsvpc_configuration;
        let members = [
            ("subnets", json!(vpc.subnets)),
            (
                "securityGroups",
                json!((!vpc.security_groups.is_empty()).then_some(&vpc.security_groups)),
            ),
            ("assignPublicIp", json!(vpc.assign_public_ip)),
        ];
        let network = json!({"awsvpcConfiguration": given(members)});
        service.insert("networkConfiguration".into(), network);
    }
    service
}

fn given<const N: usize>(members: [(&str, Value); N]) -> Map<String, Value> {
    let given = members.into_iter().filter(|(_, value)| !value.is_null());
    given
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

fn traffic(draft: &mut Draft, container: &str, port: u16, group: &DeploymentGroup) {
    const ROUTE: &str = "/spec/traffic/routes/0";
    let [production, test] = group.listeners();
    let list = |arns: &[String]| {
        arns.iter()
            .map(|arn| json!({"listener": arn}))
            .collect::<Vec<Value>>()
    };
    let mut route = json!({
        "container": container,
        "port": port,
        "targetGroups": {"pair": [null, null]},
        "production": list(production),
    });
    if !test.is_empty() {
        route["test"] = json!(list(test));
    }
    draft.set("traffic", json!({"routes": [route]}));
    let names = group.group_names();
    let pair = format!("{ROUTE}/targetGroups/pair");
    if names.is_empty() {
        draft.todo(&pair, "the ARNs of the two target groups");
    } else {
        draft.todo(&pair, format!("the ARNs of {}", names.join(" and ")));
        draft.note(&pair, format!("this prints them: aws elbv2 describe-target-groups --names {} --query 'TargetGroups[].TargetGroupArn' --output text", names.join(" ")));
    }
    let at = format!("{ROUTE}/production");
    if production.is_empty() {
        draft.todo(
            &at,
            "the listeners and rules that bring users, as `- listener: ARN` or `- rule: ARN`",
        );
    } else {
        draft.note(&at, "a listener is its default action; rules that forward to the groups too stand beside it as `- rule: ARN`");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = include_str!("../../../../../docs/coming-from.md");

    fn source(name: &str, text: &str) -> Source {
        Source {
            name: name.into(),
            text: text.into(),
        }
    }

    /// The first block of a language in docs/coming-from.md that has `word` in it.
    fn block(language: &str, word: &str) -> String {
        let start = format!("```{language}\n");
        let mut blocks = PAGE.split(start.as_str()).skip(1);
        let found = blocks.find(|block| block.contains(word)).unwrap();
        found.split("\n```").next().unwrap().to_owned()
    }

    fn drafted(appspec: &str, group: Option<&str>) -> Result<(String, Vec<String>), String> {
        let group = group.map(|text| source("group.json", text));
        let appspec = source("appspec.yaml", appspec);
        let name = ApplicationName::new("blog");
        let told = Told::read(&appspec, group.as_ref()).map_err(|failure| failure.to_string())?;
        let mut draft = told.draft(&name);
        Ok((draft.finish(), draft.open().to_vec()))
    }

    /// The page that compares shows an appspec, a deployment group and the Application that does the same.
    #[test]
    fn the_example_of_the_page_becomes_its_application() {
        let appspec = block("yaml", "AWS::ECS::Service");
        let group = block("json", "deploymentConfigName");
        let (text, open) = drafted(&appspec, Some(&group)).unwrap();
        insta::assert_snapshot!("appspec", text);
        assert!(crd_schema::spec::load(&text, "drafted").is_err());
        assert!(open.iter().all(|one| !one.contains("gate")), "{open:?}");
        let region = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup";
        let done = text
            .replace(
                "web: null",
                "web: 123456789012.dkr.ecr.eu-west-1.amazonaws.com/blog:{version}",
            )
            .replace("desiredCount: null", "desiredCount: 2")
            .replacen("- null", &format!("- {region}/blog-a/0000000000000001"), 1)
            .replacen("- null", &format!("- {region}/blog-b/0000000000000002"), 1);
        let done =
            crd_schema::spec::load(&done, "done").unwrap_or_else(|invalid| panic!("{invalid}"));
        let page = block("yaml", "preset: CodeDeployDefault");
        let page = crd_schema::spec::load(&page, "page").unwrap();
        assert_eq!(done.strategy, page.strategy);
        assert_eq!(done.routes, page.routes);
        assert_eq!(
            (done.bake_time, done.on_failure),
            (page.bake_time, page.on_failure)
        );
        assert_eq!(done.cluster, page.cluster);
        assert_eq!(done.gates, page.gates);
    }

    #[test]
    fn json_and_all_that_an_appspec_can_say() {
        let appspec = r#"{"version": 0.0, "Resources": [{"TargetService": {"Type": "AWS::ECS::Service", "Properties": {
            "TaskDefinition": "<TASK_DEFINITION>",
            "LoadBalancerInfo": {"ContainerName": "web", "ContainerPort": 80},
            "PlatformVersion": "1.4.0",
            "NetworkConfiguration": {"AwsvpcConfiguration": {"Subnets": ["subnet-1"], "SecurityGroups": ["sg-1"], "AssignPublicIp": "ENABLED"}},
            "CapacityProviderStrategy": [{"Base": 1, "CapacityProvider": "FARGATE_SPOT", "Weight": 2}]
        }}}], "Hooks": [{"BeforeInstall": "migrate"}, {"AfterAllowTraffic": "notify"}]}"#;
        let group = json!({
            "deploymentGroupInfo": {
                "deploymentGroupId": "0", "deploymentConfigName": "Ours.Slow",
                "blueGreenDeploymentConfiguration": {"deploymentReadyOption": {"actionOnTimeout": "STOP_DEPLOYMENT", "waitTimeInMinutes": 60}},
                "autoRollbackConfiguration": {"enabled": false},
                "alarmConfiguration": {"enabled": false, "alarms": [{"name": "quiet"}]},
            },
        });
        let (text, open) = drafted(appspec, Some(&group.to_string())).unwrap();
        insta::assert_snapshot!("appspec_json", text);
        let open = open.join("\n");
        for told in ["family", "cluster", "Ours.Slow"] {
            assert!(open.contains(told), "{told}: {open}");
        }
        assert!(!text.contains("quiet"), "{text}");
    }

    #[test]
    fn what_is_wrong_is_told_by_line_and_column() {
        let appspec = block("yaml", "AWS::ECS::Service");
        for (from, to, told) in [
            (
                "AWS::ECS::Service",
                "AWS::Lambda::Function",
                "appspec.yaml:4:13: the type \"AWS::Lambda::Function\"",
            ),
            (
                "ContainerPort: 8080",
                "ContainerPort: http",
                "appspec.yaml:9:26: \"http\" is no port",
            ),
            ("ContainerPort", "ContainrPort", "appspec.yaml:9:11: "),
            (
                "AfterAllowTestTraffic",
                "AfterEverything",
                "appspec.yaml:11:5: ",
            ),
            (
                "        LoadBalancerInfo",
                "\tLoadBalancerInfo",
                "appspec.yaml:6:25: ",
            ),
        ] {
            let wrong = appspec.replace(from, to);
            assert_ne!(wrong, appspec, "{from}");
            let told_instead = drafted(&wrong, None).unwrap_err();
            assert!(told_instead.contains(told), "{told}: {told_instead}");
        }
        for (text, told) in [
            ("", "appspec.yaml"),
            ("version: 0.0\nos: linux\nfiles: []\n", "appspec.yaml:2:1: "),
            ("Resources: []\n", "appspec.yaml:1:12: 0 resources"),
            ("just a text", "appspec.yaml:1:1: "),
        ] {
            let told_instead = drafted(text, None).unwrap_err();
            assert!(told_instead.contains(told), "{told}: {told_instead}");
        }
        let group = drafted(&appspec, Some("{\"deploymentConfigName\": [1]}")).unwrap_err();
        assert!(group.contains("group.json:1:"), "{group}");
        let lambda = "{\"deploymentGroupInfo\":\n {\"computePlatform\": \"Lambda\"}}";
        let group = drafted(&appspec, Some(lambda)).unwrap_err();
        assert!(
            group.contains("group.json:2:22: a deployment group for Lambda"),
            "{group}"
        );
        let bare = drafted(&appspec, Some("{\"computePlatform\": \"Server\"}")).unwrap_err();
        assert!(
            bare.contains("group.json:1:21: a deployment group for Server"),
            "{bare}"
        );
        let group = drafted(&appspec, Some(&appspec)).unwrap_err();
        assert!(group.contains("group.json: "), "{group}");
    }
}
