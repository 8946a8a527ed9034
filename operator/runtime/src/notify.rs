//! Events outward: to whoever the Application names, by the operator that leads, beside everything else.
//!
//! Nothing waits for a notification. As many wait to be sent as [`WAITING`] says, and a few are on their way at once;
//! what does not fit is dropped and counted. Each is tried a few times with the same id, so that whoever is told twice can
//! tell. What waits when the operator ends is lost: the log has it, and so has the status.

use std::sync::Arc;
use std::time::Duration;

use crd_schema::webhook::Webhook;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{sleep, timeout};

use crate::cloud::{Cloud, CloudWriter};
use crate::events::Event;
use crate::worker::Worker;

/// Notifications that may wait to be sent.
pub(crate) const WAITING: usize = 256;
/// Notifications that are on their way at once.
const AT_ONCE: usize = 16;
/// The waits before each try, in seconds.
const WAITS: [u64; 5] = [0, 5, 30, 120, 300];
/// Longest time of one try.
const LONGEST: Duration = Duration::from_secs(30);

/// One event for one place.
#[derive(Debug)]
pub(crate) struct Notice {
    pub(crate) event: Event,
    pub(crate) to: Webhook,
}

/// What became of a notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Notified {
    /// It was taken.
    Sent,
    /// It was not, in any of its tries.
    Failed,
    /// It was not sent: too many waited, or the leadership ended.
    Dropped,
}

impl Notified {
    pub(crate) const ALL: [Self; 3] = [Self::Sent, Self::Failed, Self::Dropped];

    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Failed => "failed",
            Self::Dropped => "dropped",
        }
    }
}

impl<C: Cloud, W: CloudWriter> Worker<C, W> {
    /// Sends whatever comes, until nothing can come any more.
    pub(crate) async fn notify_all(self: Arc<Self>, mut notices: mpsc::Receiver<Notice>) {
        let at_once = Arc::new(Semaphore::new(AT_ONCE));
        while let Some(notice) = notices.recv().await {
            // Who does not lead has heard it, too, and says nothing.
            if self.executor.teller().is_none() {
                continue;
            }
            let Ok(permit) = Arc::clone(&at_once).acquire_owned().await else {
                return;
            };
            let worker = Arc::clone(&self);
            tokio::spawn(async move {
                worker.notify(&notice).await;
                drop(permit);
            });
        }
    }

    async fn notify(&self, Notice { event, to }: &Notice) {
        let (application, event_name, url) = (&event.application, event.reason.as_str(), &to.url);
        let mut why = String::new();
        for wait in WAITS {
            sleep(Duration::from_secs(wait)).await;
            let Some(writer) = self.executor.teller() else {
                return self.metrics.notified(Notified::Dropped);
            };
            match timeout(LONGEST, writer.notify(to, event)).await {
                Ok(Ok(())) => return self.metrics.notified(Notified::Sent),
                Ok(Err(error)) => why = error.to_string(),
                Err(_) => why = format!("no answer within {} s", LONGEST.as_secs()),
            }
            tracing::debug!(application, event = event_name, url, why, "not told yet");
        }
        self.metrics.notified(Notified::Failed);
        tracing::warn!(
            application,
            event = event_name,
            url,
            why,
            "nobody could be told"
        );
    }
}
