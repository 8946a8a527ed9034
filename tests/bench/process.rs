//! The operator as a process: how soon it has seen everything, and what it holds in memory when nothing is to be done.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::figures::{Outcome, Row, Samples, Section};
use crate::watch::Blog;

/// How often it is started.
const STARTS: usize = 5;
/// Of these, so many are left idle.
const IDLE: usize = 2;
/// How long it idles before its memory is read.
const IDLE_FOR: Duration = Duration::from_secs(10);
/// Longest wait for anything.
const LIMIT: Duration = Duration::from_secs(60);
const TITLE: &str = "Operator as a process (teal run, release build, one settled application)";

/// Measures `teal` beside this program, if it was built and the kernel tells of memory. Begins in virtual time, in
/// which the application comes to rest; from then on the clock is the one on the wall.
pub(crate) async fn measure() -> Outcome<Section> {
    let program = std::env::current_exe()?.with_file_name("teal");
    if !program.exists() || !Path::new("/proc/self/status").exists() {
        let row = Row::new(
            "left out",
            "",
            "needs Linux and `cargo build --release -p teal`",
        );
        return Ok(Section {
            key: "process",
            title: TITLE.to_owned(),
            rows: vec![row],
            data: Value::Null,
        });
    }
    let blog = Blog::serving("1.3.0").await?;
    let emulator = blog.stage.emulator.clone();
    blog.operator.stop().await;
    tokio::time::resume();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let teal = Teal {
        program,
        endpoint: format!("http://{}", listener.local_addr()?),
    };
    let stop = CancellationToken::new();
    let serving = {
        let stop = stop.clone();
        tokio::spawn(async move { emulator.serve(listener, stop).await })
    };
    let measured = figures(&teal).await;
    stop.cancel();
    serving.await?;
    let (ready, resident) = measured?;
    let mebibytes = |bytes: f64| bytes / 1024.0 / 1024.0;
    let binary = std::fs::metadata(&teal.program)?.len() as f64;
    let rows = vec![
        Row::new(
            "from its start to the first complete observation (/readyz)",
            ready.show(3, " s"),
            format!("{STARTS} starts"),
        ),
        Row::new(
            "resident memory after 10 s idle",
            format!("{:.1} MiB", mebibytes(resident.median())),
            format!("{IDLE} processes"),
        ),
        Row::new(
            "peer: size of the program's file",
            format!("{:.1} MiB", mebibytes(binary)),
            "",
        ),
    ];
    let data = json!({"readySeconds": ready.json(), "residentBytes": resident.json(), "programBytes": binary});
    Ok(Section {
        key: "process",
        title: TITLE.to_owned(),
        rows,
        data,
    })
}

/// Seconds until ready, and bytes resident.
async fn figures(teal: &Teal) -> Outcome<(Samples, Samples)> {
    let (mut ready, mut resident) = (Vec::new(), Vec::new());
    for turn in 0..STARTS {
        let began = Instant::now();
        let (mut process, listens) = teal.start()?;
        let seen = eventually("readiness", async || is_ready(listens).await).await;
        ready.push(began.elapsed());
        if turn < IDLE && seen.is_ok() {
            tokio::time::sleep(IDLE_FOR).await;
            resident.push(resident_bytes(
                process.id().ok_or("the operator ended by itself")?,
            )?);
        }
        process.kill().await?;
        seen?;
    }
    Ok((Samples::of(ready)?, Samples::new(resident)?))
}

/// How `teal` is run.
struct Teal {
    program: PathBuf,
    endpoint: String,
}

impl Teal {
    /// `teal run`, and where it answers.
    fn start(&self) -> Outcome<(Child, SocketAddr)> {
        let listens = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let environment = [
            ("AWS_ENDPOINT_URL", self.endpoint.as_str()),
            ("AWS_REGION", "eu-west-1"),
            ("AWS_ACCESS_KEY_ID", "AKID"),
            ("AWS_SECRET_ACCESS_KEY", "secret"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ];
        let mut command = Command::new(&self.program);
        command.arg("run").arg("--listen").arg(listens.to_string());
        command
            .env_clear()
            .envs(environment)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true);
        Ok((command.spawn()?, listens))
    }
}

async fn eventually(what: &str, mut done: impl AsyncFnMut() -> bool) -> Outcome<()> {
    let began = Instant::now();
    while !done().await {
        if began.elapsed() > LIMIT {
            return Err(format!("{what}: not within {LIMIT:?}").into());
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    Ok(())
}

/// `/readyz` answers 200.
async fn is_ready(listens: SocketAddr) -> bool {
    let asked = async {
        let mut stream = TcpStream::connect(listens).await?;
        stream
            .write_all(b"GET /readyz HTTP/1.1\r\nHost: teal\r\nConnection: close\r\n\r\n")
            .await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok::<_, std::io::Error>(answer.starts_with("HTTP/1.1 200"))
    };
    asked.await.unwrap_or(false)
}

/// `VmRSS` of a process.
fn resident_bytes(process: u32) -> Outcome<f64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .ok_or("no VmRSS")?;
    let kibibytes: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kibibytes * 1024.0)
}
