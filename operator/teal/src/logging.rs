//! The log: to standard error, text or JSON lines.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::cli::{Global, LogFormat};
use crate::failure::{Exit, Failure};

/// Starts logging. `default` holds when neither `--log`, `TEAL_LOG` nor `RUST_LOG` says what to log.
pub(crate) fn start(global: &Global, default: &str) -> Result<(), Failure> {
    let asked = global
        .log
        .clone()
        .or_else(|| std::env::var("RUST_LOG").ok())
        .filter(|asked| !asked.is_empty());
    let asked = asked.as_deref().unwrap_or(default);
    let mut filter = EnvFilter::builder().parse(asked).map_err(|error| {
        Failure::new(Exit::Invalid, format!("{asked:?} does not say what to log"))
            .because(error)
            .next("Write `info`, or a list such as `runtime=debug,warn`.")
    })?;
    for cap in aws::clients::LOG_CAPS.map(str::parse).into_iter().flatten() {
        filter = filter.add_directive(cap);
    }
    let terminal = std::io::stderr().is_terminal();
    let format = global.log_format.unwrap_or(if terminal {
        LogFormat::Text
    } else {
        LogFormat::Json
    });
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    match format {
        LogFormat::Text => {
            let colours =
                terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
            builder.with_ansi(colours).with_target(false).init();
        }
        LogFormat::Json => builder
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .init(),
    }
    Ok(())
}
