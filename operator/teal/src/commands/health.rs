//! `teal health`: does the operator make progress? For a container's health check.

use std::time::Duration;

use serde_json::json;

use crate::cli;
use crate::failure::{Exit, Failure};
use crate::output::Style;
use crate::probe;

/// Longest time that an answer may take.
const PATIENCE: Duration = Duration::from_secs(3);

/// Asks `/healthz`.
pub(crate) async fn health(arguments: &cli::Health, style: Style) -> Result<(), Failure> {
    let address = arguments.listen;
    let (status, body) = probe::get(address, "/healthz", PATIENCE)
        .await
        .map_err(|error| {
            Failure::new(Exit::Refused, format!("no operator answers at {address}"))
                .because(error)
                .next("Start one with `teal run`, or name its address with --listen.")
        })?;
    if status != 200 {
        return Err(Failure::new(
            Exit::Refused,
            format!("the operator at {address} makes no progress: {body}"),
        ));
    }
    style.say(&json!({"healthy": true}), || {
        "the operator makes progress".to_owned()
    });
    Ok(())
}
