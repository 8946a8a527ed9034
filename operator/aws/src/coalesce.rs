//! Joins requests that arrive together into one round.

use std::future::Future;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

/// Requests that one round takes at most.
const MAX_ROUND: usize = 200;

/// Gives each caller its own answer out of a round that was made for many.
///
/// Rounds run in tasks of their own: a caller that goes away takes nothing from the others, and a slow round does not
/// hold up the next.
#[derive(Debug)]
pub(crate) struct Coalescer<Q, A> {
    requests: mpsc::UnboundedSender<(Q, oneshot::Sender<A>)>,
}

impl<Q: Send + 'static, A: Send + 'static> Coalescer<Q, A> {
    /// Waits `window` after the first request for others; `round` answers in the order of the requests.
    /// Ends when it is dropped. Must be called in a tokio runtime.
    pub(crate) fn new<F, R>(window: Duration, round: R) -> Self
    where
        R: Fn(Vec<Q>) -> F + Send + 'static,
        F: Future<Output = Vec<A>> + Send + 'static,
    {
        let (requests, mut inbox) = mpsc::unbounded_channel::<(Q, oneshot::Sender<A>)>();
        tokio::spawn(async move {
            while let Some(first) = inbox.recv().await {
                tokio::time::sleep(window).await;
                let mut batch = vec![first];
                while batch.len() < MAX_ROUND {
                    let Ok(next) = inbox.try_recv() else { break };
                    batch.push(next);
                }
                let (questions, callers): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
                let answers = round(questions);
                tokio::spawn(async move {
                    for (caller, answer) in callers.into_iter().zip(answers.await) {
                        // The caller may have gone away.
                        drop(caller.send(answer));
                    }
                });
            }
        });
        Self { requests }
    }

    /// The answer to one request; `None` if its round broke.
    pub(crate) async fn ask(&self, request: Q) -> Option<A> {
        let (caller, answer) = oneshot::channel();
        self.requests.send((request, caller)).ok()?;
        answer.await.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[tokio::test(start_paused = true)]
    async fn what_comes_together_is_one_round() {
        let rounds = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&rounds);
        let coalescer = Coalescer::new(Duration::from_millis(5), move |batch: Vec<u32>| {
            counter.fetch_add(1, Ordering::SeqCst);
            async move { batch.into_iter().map(|n| n * 10).collect() }
        });
        assert_eq!(
            tokio::join!(coalescer.ask(1), coalescer.ask(2), coalescer.ask(3)),
            (Some(10), Some(20), Some(30))
        );
        assert_eq!(rounds.load(Ordering::SeqCst), 1);
        assert_eq!(coalescer.ask(4).await, Some(40));
        assert_eq!(rounds.load(Ordering::SeqCst), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_that_goes_away_and_a_round_that_breaks_harm_nobody_else() {
        let coalescer = Coalescer::new(Duration::from_millis(5), |batch: Vec<u32>| async move {
            assert!(!batch.contains(&13), "this round breaks");
            batch
        });
        let gone = tokio::time::timeout(Duration::from_millis(1), coalescer.ask(1));
        let (gone, stays) = tokio::join!(gone, coalescer.ask(2));
        assert!(gone.is_err());
        assert_eq!(stays, Some(2));
        assert_eq!(coalescer.ask(13).await, None);
        assert_eq!(coalescer.ask(3).await, Some(3));
    }
}
