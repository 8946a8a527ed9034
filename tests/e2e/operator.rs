//! `teal run` as a process.

use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::stage::{LEASES, PACE};

/// How many lines of its log are kept for a message.
const LINES: usize = 60;

/// By what right operators write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leadership {
    /// There is one at a time.
    Alone,
    /// They share a lease.
    Lease,
}

/// How long the program takes to start and to end.
pub(crate) fn takes_to_start() -> Duration {
    let began = Instant::now();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_teal"));
    let done = command.arg("--version").stdout(Stdio::null()).status();
    assert!(done.expect("teal can be started").success());
    began.elapsed()
}

/// A running operator.
pub(crate) struct Operator {
    /// The access key that it signs with: by this AWS can tell operators apart.
    pub(crate) key: String,
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
}

impl Operator {
    /// Starts one against `endpoint`; returns as soon as the process exists.
    pub(crate) fn start(endpoint: &str, key: &str, by: Leadership) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_teal"));
        command
            .args(["run", "--listen", "127.0.0.1:0", "--log-format", "json"])
            .args(["--log", "info", "--time-scale", &PACE.to_string()])
            .args(match by {
                Leadership::Alone => &[][..],
                Leadership::Lease => &["--lease-table", LEASES],
            })
            .env_clear()
            .env("AWS_ENDPOINT_URL", endpoint)
            .env("AWS_REGION", "eu-west-1")
            .env("AWS_ACCESS_KEY_ID", key)
            .env("AWS_SECRET_ACCESS_KEY", "secret")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn().expect("teal can be started");
        let mut lines = BufReader::new(child.stderr.take().expect("it is piped")).lines();
        let log = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&log);
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                let mut kept = kept.lock().unwrap();
                if kept.len() == LINES {
                    kept.remove(0);
                }
                kept.push(line);
            }
        });
        Self {
            key: key.to_owned(),
            child,
            log,
        }
    }

    /// SIGKILL; returns when the process is gone.
    pub(crate) async fn kill(&mut self) {
        self.child.kill().await.expect("it ran until now");
    }

    /// SIGSTOP: it does nothing, and does not know.
    pub(crate) async fn stop(&self) {
        self.signal("STOP").await;
    }

    /// SIGCONT: it goes on where it was.
    pub(crate) async fn carry_on(&self) {
        self.signal("CONT").await;
    }

    /// By the shell, which has `kill` built in.
    async fn signal(&self, signal: &str) {
        let pid = self.child.id().expect("it runs");
        let mut shell = Command::new("sh");
        let sent = shell
            .args(["-c", &format!("kill -{signal} {pid}")])
            .status();
        assert!(sent.await.expect("a shell").success(), "SIG{signal}");
    }

    /// The end of its log.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().join("\n")
    }
}
