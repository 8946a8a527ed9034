//! The unmodified AWS CLI as a client: what it sends is understood, what we answer it parses.

use std::process::{Command, Stdio};

use emulator::Emulator;
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
        command
            .args(["--endpoint-url", &self.endpoint, "--output", "json"])
            .args(arguments);
        command
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
