//! `teal run` as a process.

use std::process::Stdio;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::stage::PACE;

/// How many lines of its log are kept for a message.
const LINES: usize = 60;

/// A running operator.
pub(crate) struct Operator {
    /// The access key that it signs with: by this AWS can tell operators apart.
    pub(crate) key: String,
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
}

impl Operator {
    /// Starts one against `endpoint`; returns as soon as the process exists.
    pub(crate) fn start(endpoint: &str, key: &str) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_teal"));
        command
            .args(["run", "--listen", "127.0.0.1:0", "--log-format", "json"])
            .args(["--log", "info", "--time-scale", &PACE.to_string()])
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

    /// The end of its log.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().join("\n")
    }
}
