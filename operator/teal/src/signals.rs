//! SIGTERM and Ctrl-C: the first asks, the second Ctrl-C insists.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::failure::Exit;

/// A token that is cancelled by the first SIGTERM or Ctrl-C. The next one ends the process at once, after `restore`.
pub(crate) fn stop(note: &'static str, restore: fn()) -> CancellationToken {
    let stop = CancellationToken::new();
    let token = stop.clone();
    tokio::spawn(async move {
        asked().await;
        tracing::info!("{note}");
        token.cancel();
        asked().await;
        restore();
        std::process::exit(Exit::Interrupted as i32);
    });
    stop
}

async fn asked() {
    let terminated = async {
        match signal(SignalKind::terminate()) {
            Ok(mut terminated) => terminated.recv().await,
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = terminated => {}
        interrupted = tokio::signal::ctrl_c() => {
            if interrupted.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}
