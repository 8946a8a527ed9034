//! The demo's operator: in this process, or as a process of its own that is killed and started again.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use aws::{Connection, Settings};
use crd_schema::Status;
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::failure::{Exit, Failure};
use crate::operator::{Operator, Options, pace};
use crate::{probe, stage};

/// Longest time that a new process may take until it listens.
const START: Duration = Duration::from_secs(20);
/// Longest time that an answer may take.
const ANSWER: Duration = Duration::from_secs(1);
/// Longest time that a graceful stop may take.
const STOP: Duration = Duration::from_secs(10);

/// Where the emulated AWS is, and how fast its time passes.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) endpoint: String,
    pub(crate) time_scale: f64,
}

/// A running operator.
#[derive(Debug)]
pub(crate) struct Host {
    address: SocketAddr,
    life: Life,
}

#[derive(Debug)]
enum Life {
    InProcess {
        stop: CancellationToken,
        task: JoinHandle<()>,
    },
    Process(Box<Child>),
}

impl Host {
    /// In this process: exactly what `teal run` does.
    pub(crate) async fn in_process(place: &Place) -> Result<Self, Failure> {
        let (registry, calls) = Operator::metrics()?;
        let Settings {
            region,
            share,
            write_timeout: _,
            minute: _,
        } = Settings::default();
        let settings = Settings {
            region,
            share: pace::share(share, place.time_scale),
            write_timeout: pace::write_timeout(place.time_scale),
            minute: pace::minute(place.time_scale),
        };
        let connection = Connection::local(&place.endpoint, &settings, calls);
        let options = Options {
            prefixes: vec![stage::PREFIX.to_owned()],
            observe_only: false,
            lease: None,
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            time_scale: place.time_scale,
        };
        let stop = CancellationToken::new();
        let operator = Operator::new(&connection, registry, &options, stop.clone()).await?;
        let address = operator.address()?;
        Ok(Self {
            address,
            life: Life::InProcess {
                stop,
                task: tokio::spawn(operator.run()),
            },
        })
    }

    /// As a process: `teal run`.
    pub(crate) async fn process(place: &Place) -> Result<Self, Failure> {
        let lost = |error: std::io::Error| {
            Failure::new(Exit::Bug, "the operator's process could not be started").because(error)
        };
        let program = std::env::current_exe().map_err(lost)?;
        let mut child = Command::new(program)
            .args([
                "run",
                "--listen",
                "127.0.0.1:0",
                "--log",
                "info",
                "--log-format",
                "json",
            ])
            .args([
                "--prefix",
                stage::PREFIX,
                "--time-scale",
                &place.time_scale.to_string(),
            ])
            .env("AWS_ENDPOINT_URL", &place.endpoint)
            .env("AWS_REGION", "eu-west-1")
            .env("AWS_ACCESS_KEY_ID", "local")
            .env("AWS_SECRET_ACCESS_KEY", "local")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(lost)?;
        let log = child
            .stderr
            .take()
            .ok_or_else(|| lost(std::io::Error::other("it has no log")))?;
        let mut lines = BufReader::new(log).lines();
        let listens = async {
            while let Ok(Some(line)) = lines.next_line().await {
                if let Ok(Started { listen }) = serde_json::from_str(&line) {
                    return Some(listen);
                }
            }
            None
        };
        let address = tokio::time::timeout(START, listens).await.ok().flatten();
        let address =
            address.ok_or_else(|| lost(std::io::Error::other("it did not come to listen")))?;
        // Its log is read to the end, so that it never waits for a reader.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Ok(Self {
            address,
            life: Life::Process(Box::new(child)),
        })
    }

    /// What it shows of the blog; none while it shows nothing.
    pub(crate) async fn status(&self) -> Option<Status> {
        let (status, body) = probe::get(self.address, "/api/v1/applications/blog", ANSWER)
            .await
            .ok()?;
        let shown: Shown = (status == 200)
            .then(|| serde_json::from_str(&body).ok())
            .flatten()?;
        Some(shown.status)
    }

    /// SIGKILL, when it is a process: it gets no chance to do or say anything.
    pub(crate) async fn kill(self) -> Result<(), Failure> {
        match self.life {
            Life::Process(mut child) => child.kill().await.map_err(|error| {
                Failure::new(Exit::Bug, "the operator's process could not be killed").because(error)
            }),
            Life::InProcess { .. } => Ok(()),
        }
    }

    /// Ends it at a step boundary.
    pub(crate) async fn stop(self) {
        match self.life {
            Life::InProcess { stop, task } => {
                stop.cancel();
                let _ = tokio::time::timeout(STOP, task).await;
            }
            // Dropping it kills it: its last word is of no use to anybody.
            Life::Process(child) => drop(child),
        }
    }
}

/// The log line of an operator that listens.
#[derive(Deserialize)]
struct Started {
    listen: SocketAddr,
}

/// The part of the API's answer that is used.
#[derive(Deserialize)]
struct Shown {
    status: Status,
}
