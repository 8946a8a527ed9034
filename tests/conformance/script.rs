//! The scripts of this directory against an emulator that listens.

use std::path::Path;
use std::process::Command;

use emulator::Emulator;
use emulator::faults::FaultSettings;
use emulator::world::Settings;
use emulator::world::behaviour::Behaviour;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Where the interpreter with botocore and moto is, below the workspace.
const PYTHON: &str = ".tools/conformance/bin/python";

/// Runs a script with the endpoint of an emulator with these settings, unless there is no interpreter for it: that is
/// said, and is no failure unless `TEAL_REQUIRE_TOOLS=1`.
async fn run(script: &str, settings: Settings) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the workspace");
    let python = root.join(PYTHON);
    if !python.exists() {
        let required = std::env::var("TEAL_REQUIRE_TOOLS").as_deref() == Ok("1");
        assert!(!required, "there is no {PYTHON} (make tools installs it)");
        eprintln!("left out: there is no {PYTHON} (make tools installs it)");
        return;
    }
    let emulator = Emulator::new(settings);
    // The scripts call without pause.
    emulator.faults().set(FaultSettings {
        throttling: false,
        ..FaultSettings::default()
    });
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", socket.local_addr().unwrap());
    let stop = CancellationToken::new();
    let (api, until) = (emulator.clone(), stop.clone());
    let serving = tokio::spawn(async move { api.serve(socket, until).await });
    let mut command = Command::new(python);
    command
        .arg(root.join("tests/conformance").join(script))
        .arg(endpoint)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("AWS_CONFIG_FILE", "/dev/null")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null");
    let done = tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap();
    stop.cancel();
    serving.await.unwrap();
    let told = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    println!("{script} {}", told(&done.stdout));
    assert!(done.status.success(), "{script}: {}", told(&done.stderr));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_is_as_the_official_models_say() {
    // Containers are as fast as the rest.
    let settings = Settings {
        default_behaviour: Behaviour {
            start_ms: 5,
            latency_ms: 1,
            stop_ms: 5,
            ..Behaviour::default()
        },
        ..Settings::default()
    };
    run("operations.py", settings.scaled(100.0)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_difference_from_moto_is_explained() {
    // Nothing happens by itself while the script runs.
    run("peers.py", Settings::default().scaled(0.01)).await;
}
