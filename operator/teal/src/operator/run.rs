//! `teal run`.

use aws::{Connection, Settings};

use crate::cli::{self, Global};
use crate::failure::Failure;
use crate::operator::{Lease, Operator, Options, pace};
use crate::signals;

/// Runs the operator until SIGTERM or Ctrl-C.
pub(crate) async fn run(global: &Global, arguments: &cli::Run) -> Result<(), Failure> {
    let stop = signals::stop(
        "stopping at the next step boundary; once more to stop at once",
        || {},
    );
    let (registry, calls) = Operator::metrics()?;
    let settings = Settings {
        region: global.region.clone(),
        share: pace::share(arguments.aws_share, arguments.time_scale),
        write_timeout: pace::write_timeout(arguments.time_scale),
        minute: pace::minute(arguments.time_scale),
    };
    let connection = Connection::from_environment(&settings, calls).await?;
    let options = Options {
        prefixes: global.prefix.clone(),
        observe_only: arguments.observe_only,
        lease: arguments.lease_table.clone().map(|table| Lease {
            table,
            term: arguments.lease_term,
        }),
        listen: arguments.listen,
        time_scale: arguments.time_scale,
    };
    let operator = Operator::new(&connection, registry, &options, stop).await?;
    tracing::info!(listen = %operator.address()?, version = env!("CARGO_PKG_VERSION"), "the operator runs");
    operator.run().await;
    Ok(())
}
