//! `teal emulator`: a local AWS on one port, with its load balancer and tasks.

use std::net::SocketAddr;
use std::path::Path;

use emulator::Emulator;
use emulator::dataplane::{DataPlane, Options};
use emulator::faults::FaultSettings;
use emulator::seed::Seed;
use emulator::world::{Settings, TaskMode};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::cli::{self, Tasks};
use crate::failure::{Exit, Failure};
use crate::output::Style;
use crate::signals;
use crate::stage::{self, Ports, StageError};

/// Ports of the blog's listeners in the seed.
const PORTS: Ports = Ports {
    production: 8080,
    test: 9080,
};

/// An emulated AWS that is served.
#[derive(Debug)]
pub(crate) struct Local {
    pub(crate) emulator: Emulator,
    /// Where the API is.
    pub(crate) address: SocketAddr,
    stop: CancellationToken,
    server: JoinHandle<()>,
    plane: JoinHandle<()>,
}

impl Local {
    /// Serves an account with these settings. With modelled tasks no port but the API's is opened.
    pub(crate) async fn start(settings: Settings, listen: SocketAddr) -> Result<Self, Failure> {
        let listener = TcpListener::bind(listen).await.map_err(|error| {
            Failure::new(Exit::Refused, format!("cannot listen on {listen}"))
                .because(error)
                .next("Is another emulator running? Choose another address with --listen.")
        })?;
        let address = listener.local_addr().map_err(crate::connect::bug)?;
        let real = settings.tasks == TaskMode::Real;
        let throttling = settings.time_scale <= 1.0;
        let emulator = Emulator::new(settings);
        // AWS's limits are calls a real second: where time passes faster, more calls are due in one.
        emulator.faults().set(FaultSettings {
            throttling,
            ..emulator.faults().settings()
        });
        let stop = CancellationToken::new();
        let server = {
            let (emulator, stop) = (emulator.clone(), stop.clone());
            tokio::spawn(async move { emulator.serve(listener, stop).await })
        };
        let plane = DataPlane::new(emulator.clone(), Options::default());
        let plane = if real {
            tokio::spawn(plane.run(stop.clone()))
        } else {
            tokio::spawn(async {})
        };
        Ok(Self {
            emulator,
            address,
            stop,
            server,
            plane,
        })
    }

    /// Ends requests, ports and tasks.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        for ended in [self.plane.await, self.server.await] {
            if let Err(error) = ended {
                tracing::warn!(%error, "a part of the emulator broke");
            }
        }
    }
}

/// Runs an emulator until Ctrl-C.
pub(crate) async fn run(arguments: &cli::Emulator, style: Style) -> Result<(), Failure> {
    let stop = signals::stop("stopping", || {});
    let tasks = match arguments.tasks {
        Tasks::Real => TaskMode::Real,
        Tasks::Modelled => TaskMode::Modelled,
    };
    let settings = Settings {
        tasks,
        ..Settings::default()
    }
    .scaled(arguments.time_scale);
    let local = Local::start(settings, arguments.listen).await?;
    if let Some(seed) = &arguments.seed {
        plant(&local.emulator, seed)?;
    }
    announce(&local, arguments, style);
    stop.cancelled().await;
    local.stop().await;
    Ok(())
}

fn plant(emulator: &Emulator, seed: &str) -> Result<(), Failure> {
    let wrong = |error: StageError| {
        Failure::new(Exit::Invalid, format!("the seed {seed} cannot be planted")).because(error)
    };
    if seed == "blog" {
        return stage::set(
            emulator,
            PORTS,
            stage::Strategy::default(),
            stage::Story::default(),
        )
        .map(drop)
        .map_err(wrong);
    }
    let text = std::fs::read_to_string(Path::new(seed)).map_err(|error| {
        Failure::new(Exit::NotFound, format!("the seed {seed} cannot be read"))
            .because(error)
            .next("Write a file's name, or `blog`.")
    })?;
    let planted = Seed::parse(&text).and_then(|parsed| parsed.plant(emulator));
    planted.map_err(|error| wrong(StageError::from(error)))
}

fn announce(local: &Local, arguments: &cli::Emulator, style: Style) {
    let endpoint = format!("http://{}", local.address);
    let region = local.emulator.with(|world| world.settings.region.clone());
    style.say(&json!({"endpoint": endpoint, "region": region, "seed": arguments.seed}), || {
        format!(
            "An emulated AWS listens on {endpoint}. Any AWS client of this machine can use it; in another terminal:\n\n  \
             export AWS_ENDPOINT_URL={endpoint} AWS_REGION={region} AWS_DEFAULT_REGION={region} AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local\n\n\
             Ctrl-C stops it; nothing is kept."
        )
    });
    let scale = arguments.time_scale;
    if scale != 1.0 {
        style.say(&json!({"timeScale": scale}), || {
            format!("Time passes {scale} times as fast. Run the operator at the same pace: teal run --time-scale {scale}")
        });
    }
}
