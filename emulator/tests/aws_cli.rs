//! The unmodified AWS CLI as a client: what it sends is understood, what we answer it parses.

#![expect(clippy::unwrap_used, reason = "a test stops at its first surprise")]

use std::process::{Command, Stdio};

use emulator::Emulator;
use emulator::api::Service;
use emulator::seed::Seed;
use emulator::world::Settings;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// An emulator that listens, and the AWS CLI pointed at it.
struct Stage {
    emulator: Emulator,
    endpoint: String,
    stop: CancellationToken,
}

/// What the CLI did.
struct Ran {
    ok: bool,
    output: Value,
    errors: String,
}

impl Stage {
    /// None when there is no AWS CLI here, which is said once and is no failure unless `TEAL_REQUIRE_TOOLS=1`.
    async fn set() -> Option<Self> {
        let found = Command::new("aws")
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        if !found.is_ok_and(|status| status.success()) {
            assert!(
                std::env::var("TEAL_REQUIRE_TOOLS").as_deref() != Ok("1"),
                "there is no AWS CLI on the PATH"
            );
            eprintln!("left out: there is no AWS CLI on the PATH");
            return None;
        }
        let emulator = Emulator::new(Settings::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        let (serving, until) = (emulator.clone(), stop.clone());
        tokio::spawn(async move { serving.serve(listener, until).await });
        Some(Self {
            emulator,
            endpoint,
            stop,
        })
    }

    async fn try_aws(&self, arguments: &[&str]) -> Ran {
        let mut command = Command::new("aws");
        command.args(arguments);
        self.run(command).await
    }

    /// Runs a command whose AWS is this one.
    async fn run(&self, mut command: Command) -> Ran {
        command
            .env("AWS_ENDPOINT_URL", &self.endpoint)
            .env("AWS_DEFAULT_OUTPUT", "json")
            .env("AWS_ACCESS_KEY_ID", "any")
            .env("AWS_SECRET_ACCESS_KEY", "any")
            .env_remove("AWS_PROFILE");
        command
            .env("AWS_DEFAULT_REGION", "eu-west-1")
            .env("AWS_EC2_METADATA_DISABLED", "true");
        command
            .env("AWS_PAGER", "")
            .env("AWS_CONFIG_FILE", "/dev/null")
            .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null");
        let done = tokio::task::spawn_blocking(move || command.output().unwrap())
            .await
            .unwrap();
        Ran {
            ok: done.status.success(),
            output: serde_json::from_slice(&done.stdout).unwrap_or(Value::Null),
            errors: String::from_utf8_lossy(&done.stderr).into_owned(),
        }
    }

    async fn aws(&self, arguments: &[&str]) -> Value {
        let ran = self.try_aws(arguments).await;
        assert!(ran.ok, "aws {}: {}", arguments.join(" "), ran.errors);
        ran.output
    }
}

/// Every line of the README that begins with `aws `, as a reader would paste it.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_readme_shows() {
    let Some(stage) = Stage::set().await else {
        return;
    };
    let seed = Seed::parse(include_str!("../seeds/blog.json")).unwrap();
    seed.plant(&stage.emulator).unwrap();
    let status = json!({"Name": "/teal/apps/blog/status", "Type": "String", "Value": "{}"});
    stage
        .emulator
        .call(Service::Ssm, "PutParameter", status)
        .unwrap();
    let readme = include_str!("../../README.md").lines();
    let shown: Vec<&str> = readme.filter(|line| line.starts_with("aws ")).collect();
    assert!(shown.len() >= 4, "{shown:?}");
    for line in shown {
        let mut command = Command::new("bash");
        command.args(["-euo", "pipefail", "-c", line]);
        let ran = stage.run(command).await;
        assert!(ran.ok, "{line}: {}", ran.errors);
    }
    stage.stop.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_and_the_caller() {
    let Some(stage) = Stage::set().await else {
        return;
    };
    let caller = stage.aws(&["sts", "get-caller-identity"]).await;
    assert_eq!(caller["Account"], "123456789012");

    let put = [
        "ssm",
        "put-parameter",
        "--name",
        "/blog/version",
        "--type",
        "String",
        "--value",
        "1.3.0",
    ];
    assert_eq!(
        stage.aws(&put).await,
        json!({"Version": 1, "Tier": "Standard"})
    );
    let again = stage.try_aws(&put).await;
    assert!(
        again
            .errors
            .contains("(ParameterAlreadyExists) when calling the PutParameter operation"),
        "{}",
        again.errors
    );
    let two = [
        "ssm",
        "put-parameter",
        "--name",
        "/blog/version",
        "--value",
        "1.4.0",
        "--overwrite",
    ];
    assert_eq!(stage.aws(&two).await["Version"], 2);
    let first = stage
        .aws(&["ssm", "get-parameter", "--name", "/blog/version:1"])
        .await;
    assert_eq!(first["Parameter"]["Value"], "1.3.0");
    assert!(!first["Parameter"]["LastModifiedDate"].is_null(), "{first}");

    // The CLI follows the tokens of short pages by itself.
    stage
        .emulator
        .with(|world| world.settings.short_pages = true);
    for name in ["/blog/a", "/blog/b", "/blog/c"] {
        stage
            .aws(&[
                "ssm",
                "put-parameter",
                "--name",
                name,
                "--type",
                "String",
                "--value",
                "x",
            ])
            .await;
    }
    let all = stage
        .aws(&[
            "ssm",
            "get-parameters-by-path",
            "--path",
            "/blog",
            "--page-size",
            "2",
        ])
        .await;
    let names: Vec<&str> = all["Parameters"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|one| one["Name"].as_str())
        .collect();
    assert_eq!(names, ["/blog/a", "/blog/b", "/blog/c", "/blog/version"]);
    stage.stop.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_behind_a_weighted_listener() {
    let Some(stage) = Stage::set().await else {
        return;
    };
    let arn = |output: &Value, list: &str, member: &str| {
        output[list][0][member]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };

    let cluster = stage
        .aws(&["ecs", "create-cluster", "--cluster-name", "prod"])
        .await;
    assert_eq!(cluster["cluster"]["status"], "ACTIVE");
    let subnets = ["subnet-0a0a0a0a0a0a0a0a0", "subnet-0b0b0b0b0b0b0b0b0"];
    let balancer = stage
        .aws(&[
            "elbv2",
            "create-load-balancer",
            "--name",
            "blog",
            "--subnets",
            subnets[0],
            subnets[1],
        ])
        .await;
    let balancer = arn(&balancer, "LoadBalancers", "LoadBalancerArn");
    let mut groups = Vec::new();
    for name in ["blog-a", "blog-b"] {
        let mut create = vec![
            "elbv2",
            "create-target-group",
            "--name",
            name,
            "--protocol",
            "HTTP",
            "--port",
            "8080",
        ];
        create.extend([
            "--vpc-id",
            "vpc-0e0e0e0e0e0e0e0e0",
            "--target-type",
            "ip",
            "--matcher",
            "HttpCode=200-299",
        ]);
        groups.push(arn(
            &stage.aws(&create).await,
            "TargetGroups",
            "TargetGroupArn",
        ));
    }
    let service = json!({
        "cluster": "prod",
        "serviceName": "blog-1",
        "taskDefinition": "blog:1",
        "desiredCount": 2,
        "launchType": "FARGATE",
        "networkConfiguration": {"awsvpcConfiguration": {"subnets": subnets}},
        "loadBalancers": [{"targetGroupArn": groups[0], "containerName": "web", "containerPort": 8080}],
        "tags": [{"key": "application", "value": "blog"}],
    })
    .to_string();
    let containers = json!([{
        "name": "web",
        "image": "blog:1",
        "portMappings": [{"containerPort": 8080}],
        "environment": [{"name": "LANG", "value": "é & <b>"}],
    }])
    .to_string();
    let mut register = vec![
        "ecs",
        "register-task-definition",
        "--family",
        "blog",
        "--network-mode",
        "awsvpc",
    ];
    register.extend([
        "--requires-compatibilities",
        "FARGATE",
        "--cpu",
        "256",
        "--memory",
        "512",
    ]);
    register.extend(["--container-definitions", &containers]);
    assert_eq!(stage.aws(&register).await["taskDefinition"]["revision"], 1);

    // A group that no listener forwards to cannot take a service.
    let create = ["ecs", "create-service", "--cli-input-json", &service];
    let early = stage.try_aws(&create).await;
    assert!(
        early
            .errors
            .contains("does not have an associated load balancer"),
        "{}",
        early.errors
    );

    let forward = |a: u32, b: u32| {
        json!([{"Type": "forward", "ForwardConfig": {"TargetGroups": [
            {"TargetGroupArn": groups[0], "Weight": a},
            {"TargetGroupArn": groups[1], "Weight": b},
        ]}}])
        .to_string()
    };
    let mut listen = vec![
        "elbv2",
        "create-listener",
        "--load-balancer-arn",
        &balancer,
        "--protocol",
        "HTTP",
    ];
    let actions = forward(100, 0);
    listen.extend(["--port", "80", "--default-actions", &actions]);
    let listener = arn(&stage.aws(&listen).await, "Listeners", "ListenerArn");
    let conditions = r#"[{"Field":"path-pattern","PathPatternConfig":{"Values":["/beta/*"]}}]"#;
    let mut rule = vec![
        "elbv2",
        "create-rule",
        "--listener-arn",
        &listener,
        "--priority",
        "10",
    ];
    let actions = forward(0, 1);
    rule.extend(["--conditions", conditions, "--actions", &actions]);
    let rule = arn(&stage.aws(&rule).await, "Rules", "RuleArn");
    let taken = [
        "elbv2",
        "create-rule",
        "--listener-arn",
        &listener,
        "--priority",
        "10",
    ];
    let taken = [
        &taken[..],
        &["--conditions", conditions, "--actions", &actions],
    ]
    .concat();
    let taken = stage.try_aws(&taken).await;
    assert!(
        taken
            .errors
            .contains("(PriorityInUse) when calling the CreateRule operation"),
        "{}",
        taken.errors
    );
    let actions = forward(70, 30);
    stage
        .aws(&[
            "elbv2",
            "modify-rule",
            "--rule-arn",
            &rule,
            "--actions",
            &actions,
        ])
        .await;
    let rules = stage
        .aws(&["elbv2", "describe-rules", "--listener-arn", &listener])
        .await;
    let weights = &rules["Rules"][0]["Actions"][0]["ForwardConfig"]["TargetGroups"];
    assert_eq!(
        (&weights[0]["Weight"], &weights[1]["Weight"]),
        (&json!(70), &json!(30))
    );
    assert_eq!(
        (
            &rules["Rules"][1]["IsDefault"],
            &rules["Rules"][1]["Priority"]
        ),
        (&json!(true), &json!("default"))
    );

    let created = stage.aws(&create).await;
    assert_eq!(created["service"]["status"], "ACTIVE");
    let again = stage
        .try_aws(&[
            "ecs",
            "create-service",
            "--cli-input-json",
            &service.replace(":2,", ":3,"),
        ])
        .await;
    assert!(
        again
            .errors
            .contains("Creation of service was not idempotent"),
        "{}",
        again.errors
    );
    let described = stage
        .aws(&[
            "ecs",
            "describe-services",
            "--cluster",
            "prod",
            "--services",
            "blog-1",
            "none",
            "--include",
            "TAGS",
        ])
        .await;
    assert_eq!(described["services"][0]["desiredCount"], 2);
    assert_eq!(described["services"][0]["tags"][0]["value"], "blog");
    assert_eq!(described["failures"][0]["reason"], "MISSING");
    let definition = stage
        .aws(&[
            "ecs",
            "describe-task-definition",
            "--task-definition",
            "blog",
        ])
        .await;
    let environment = &definition["taskDefinition"]["containerDefinitions"][0]["environment"];
    assert_eq!(environment[0]["value"], "é & <b>");
    let busy = stage
        .try_aws(&[
            "ecs",
            "delete-service",
            "--cluster",
            "prod",
            "--service",
            "blog-1",
        ])
        .await;
    assert!(
        busy.errors.contains("(InvalidParameterException)"),
        "{}",
        busy.errors
    );

    let resource = [
        "--service-namespace",
        "ecs",
        "--resource-id",
        "service/prod/blog-1",
    ];
    let dimension = ["--scalable-dimension", "ecs:service:DesiredCount"];
    let register = [
        "application-autoscaling",
        "register-scalable-target",
        "--min-capacity",
        "3",
        "--max-capacity",
        "9",
    ];
    stage
        .aws(&[&register[..], &resource, &dimension].concat())
        .await;
    let scaled = stage
        .aws(&[
            "ecs",
            "describe-services",
            "--cluster",
            "prod",
            "--services",
            "blog-1",
        ])
        .await;
    assert_eq!(scaled["services"][0]["desiredCount"], 3);
    let policy = [
        "application-autoscaling",
        "put-scaling-policy",
        "--policy-name",
        "cpu",
        "--policy-type",
        "TargetTrackingScaling",
    ];
    let target = r#"{"TargetValue":50.0,"PredefinedMetricSpecification":{"PredefinedMetricType":"ECSServiceAverageCPUUtilization"}}"#;
    let configuration = ["--target-tracking-scaling-policy-configuration", target];
    stage
        .aws(&[&policy[..], &resource, &dimension, &configuration].concat())
        .await;
    let policies = stage
        .aws(&[
            "application-autoscaling",
            "describe-scaling-policies",
            "--service-namespace",
            "ecs",
        ])
        .await;
    assert_eq!(
        policies["ScalingPolicies"][0]["TargetTrackingScalingPolicyConfiguration"]["TargetValue"],
        50.0
    );

    let counts = stage
        .emulator
        .faults()
        .journal(|journal| journal.counts().keys().cloned().collect::<Vec<_>>());
    let wrong: Vec<_> = counts
        .iter()
        .filter(|counted| counted.outcome == "InternalFailure")
        .collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    stage.stop.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn alarms_and_metrics() {
    let Some(stage) = Stage::set().await else {
        return;
    };
    let words = |line: &'static str| line.split(' ').collect::<Vec<_>>();
    // Without data it stays as it is set, also where a minute ends meanwhile.
    let put = "cloudwatch put-metric-alarm --alarm-name errors --namespace Shop --metric-name Errors \
               --dimensions Name=App,Value=blog --statistic Sum --period 60 --evaluation-periods 3 \
               --datapoints-to-alarm 2 --threshold 1.5 --comparison-operator GreaterThanThreshold \
               --treat-missing-data ignore --alarm-actions arn:aws:sns:eu-west-1:123456789012:people";
    assert_eq!(stage.aws(&words(put)).await, Value::Null);
    let set =
        "cloudwatch set-alarm-state --alarm-name errors --state-value ALARM --state-reason drill";
    stage.aws(&words(set)).await;
    let described = words("cloudwatch describe-alarms --alarm-names errors none");
    let seen = stage.aws(&described).await["MetricAlarms"].clone();
    assert_eq!(seen.as_array().unwrap().len(), 1);
    assert_eq!(
        [
            &seen[0]["StateValue"],
            &seen[0]["StateReason"],
            &seen[0]["Threshold"]
        ],
        [&json!("ALARM"), &json!("drill"), &json!(1.5)]
    );
    let unknown = set.replace("errors", "none");
    let unknown = stage.try_aws(&unknown.split(' ').collect::<Vec<_>>()).await;
    assert!(
        unknown
            .errors
            .contains("(ResourceNotFound) when calling the SetAlarmState operation"),
        "{}",
        unknown.errors
    );

    let data = "cloudwatch put-metric-data --namespace Shop --metric-name Errors --dimensions App=blog --unit Count";
    stage
        .aws(&[&words(data)[..], &["--value", "4"]].concat())
        .await;
    stage
        .aws(
            &[
                &words(data)[..],
                &[
                    "--statistic-values",
                    "Sum=2,Minimum=1,Maximum=1,SampleCount=2",
                ],
            ]
            .concat(),
        )
        .await;
    let now = jiff::Timestamp::now();
    let [from, to] =
        [-1, 1].map(|hours| (now + jiff::SignedDuration::from_hours(hours)).to_string());
    let metric = json!({"Namespace": "Shop", "MetricName": "Errors", "Dimensions": [{"Name": "App", "Value": "blog"}]});
    let query = |stat: &str| json!({"Id": stat.to_lowercase(), "MetricStat": {"Metric": metric, "Period": 3600, "Stat": stat}});
    let queries = json!([query("Sum"), query("p50")]).to_string();
    let get = [
        "cloudwatch",
        "get-metric-data",
        "--start-time",
        &from,
        "--end-time",
        &to,
        "--metric-data-queries",
        &queries,
    ];
    let got = stage.aws(&get).await["MetricDataResults"].clone();
    let sum = |result: &Value| -> f64 {
        let values = result["Values"].as_array().unwrap().iter();
        values.map(|value| value.as_f64().unwrap()).sum()
    };
    assert_eq!(
        (sum(&got[0]), got[0]["Label"].as_str()),
        (6.0, Some("Errors"))
    );
    let listed = stage
        .aws(&words(
            "cloudwatch list-metrics --namespace Shop --recently-active PT3H",
        ))
        .await;
    assert_eq!(listed["Metrics"], json!([metric]));
    let math = json!([{"Id": "rate", "Expression": "errors / requests"}]).to_string();
    let refused = stage.try_aws(&[&get[..7], &[&math]].concat()).await;
    assert!(
        refused.errors.contains("(ValidationError)") && refused.errors.contains("not emulated"),
        "{}",
        refused.errors
    );
    let composite = "cloudwatch put-composite-alarm --alarm-name all --alarm-rule TRUE";
    let refused = stage.try_aws(&words(composite)).await;
    assert!(
        refused.errors.contains("PutCompositeAlarm is not emulated"),
        "{}",
        refused.errors
    );

    stage
        .aws(&words("cloudwatch delete-alarms --alarm-names errors"))
        .await;
    assert_eq!(stage.aws(&described).await["MetricAlarms"], json!([]));
    stage.stop.cancel();
}
