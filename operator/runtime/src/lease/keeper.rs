//! The task that keeps the lease: it drives the state machine over a store, and tells the loop.

use std::error::Error;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::time::{sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::authority::{LeaseHandle, View};
use super::state::{Holding, Next};
use super::{Lease, LeaseItem, LeaseStore};
use crate::clock::Clock;
use crate::metrics::{LeaseChange, Metrics};

/// Takes, renews and gives back one lease.
#[derive(Debug)]
pub struct Keeper<S> {
    lease: Lease,
    store: S,
    clock: Clock,
    metrics: Arc<Metrics>,
    view: View,
    tell: watch::Sender<View>,
    /// What was logged last of who leads.
    logged: Option<Holding>,
}

impl<S: LeaseStore> Keeper<S> {
    /// A keeper that did nothing yet, and what the loop reads of it. `clock` is the loop's.
    pub fn new(store: S, lease: Lease, clock: Clock, metrics: Arc<Metrics>) -> (Self, LeaseHandle) {
        let (tell, handle) = LeaseHandle::new();
        let keeper = Self {
            lease,
            store,
            clock,
            metrics,
            view: View::default(),
            tell,
            logged: None,
        };
        (keeper, handle)
    }

    /// Keeps the lease until `stop`, then gives it back, so that the next process need not wait. Cancel `stop` when
    /// every write has ended, not before.
    ///
    /// # Guarantees
    ///
    /// Ends within three calls of the store, each at most [`super::Terms::renew_every`] long. When this future is
    /// dropped, or the store hangs, the lease runs out and nothing is written any more.
    pub async fn run(mut self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            match self.lease.next(self.clock.mono()) {
                Next::Wait(due) => tokio::select! {
                    () = stop.cancelled() => {}
                    () = sleep_until(self.clock.instant(due)) => {}
                },
                Next::Read => tokio::select! {
                    () = stop.cancelled() => {}
                    () = self.read() => {}
                },
                Next::Replace { seen, next } => self.replace(seen, next).await,
            }
            self.tell();
        }
        self.release().await;
    }

    async fn read(&mut self) {
        let answer = timeout(self.lease.terms().renew_every, self.store.read()).await;
        let answer = self.understood("read", answer.map_err(|_| ()));
        self.lease.read(answer, self.clock.mono());
    }

    async fn replace(&mut self, seen: Option<LeaseItem>, next: LeaseItem) {
        let begun = self.clock.mono();
        let answer = timeout(
            self.lease.terms().renew_every,
            self.store.replace(seen.as_ref(), &next),
        )
        .await;
        let answer = self.understood("written", answer.map_err(|_| ()));
        if answer == Some(true) {
            self.metrics.lease_renewed(self.clock.now().wall);
        }
        self.lease.replaced(next, begun, answer, self.clock.mono());
    }

    /// What a call brought; its failure is told when it begins and when it changes.
    fn understood<T>(&mut self, done: &str, answer: Result<Result<T, S::Error>, ()>) -> Option<T> {
        let trouble = match answer {
            Ok(Ok(answer)) => {
                if self.view.trouble.take().is_some() {
                    tracing::info!("the lease can be used again");
                }
                return Some(answer);
            }
            Ok(Err(error)) => chain(&error),
            Err(()) => format!(
                "no answer within {} ms",
                self.lease.terms().renew_every.as_millis()
            ),
        };
        self.metrics.lease_failed();
        let trouble = format!("the lease could not be {done}: {trouble}");
        if self.view.trouble.as_ref() != Some(&trouble) {
            tracing::warn!("{trouble}; without it nothing is written");
            self.view.trouble = Some(trouble);
        }
        None
    }

    /// Tells the loop what is so now, and people what changed.
    fn tell(&mut self) {
        let now = self.clock.mono();
        let held = |holding: &Holding| now < holding.until;
        let holding = self.lease.holding().filter(held);
        let leader = self.lease.leader().map(str::to_owned);
        match (self.logged, holding) {
            (None, Some(Holding { epoch, .. })) => {
                self.metrics.lease_changed(LeaseChange::Taken);
                tracing::info!(epoch, "this operator leads: it took the lease");
            }
            (Some(Holding { epoch, .. }), None) => {
                self.metrics.lease_changed(LeaseChange::Lost);
                let why = self.why_lost(leader.as_deref());
                tracing::warn!(
                    epoch,
                    "the lease is lost: {why}; this operator stands by and writes nothing"
                );
            }
            (None, None) if leader.is_some() && leader != self.view.leader => {
                tracing::info!(leader, "this operator stands by: another one leads");
            }
            (Some(_), Some(_)) | (None, None) => {}
        }
        self.logged = holding;
        self.view.holding = holding;
        self.view.leader = leader;
        self.tell.send_if_modified(|told| {
            let changed = *told != self.view;
            if changed {
                told.clone_from(&self.view);
            }
            changed
        });
    }

    fn why_lost(&self, leader: Option<&str>) -> String {
        match (leader, &self.view.trouble) {
            (Some(leader), _) => format!("{leader} has it"),
            (None, Some(trouble)) => format!("it ran out: {trouble}"),
            (None, None) => "it ran out, or its item was changed by somebody else".to_owned(),
        }
    }

    /// Nothing is written after this: gives the lease back.
    async fn release(mut self) {
        let limit = self.lease.terms().renew_every;
        if self.lease.holding().is_some() && self.lease.is_in_doubt() {
            self.read().await;
        }
        let released = self.lease.release();
        let _ = self.tell.send(View::default());
        let Some((seen, next)) = released else {
            return;
        };
        let answer = timeout(limit, self.store.replace(Some(&seen), &next)).await;
        match self.understood("given back", answer.map_err(|_| ())) {
            Some(true) => {
                self.metrics.lease_changed(LeaseChange::Released);
                tracing::info!("the lease is given back");
            }
            Some(false) => {
                tracing::warn!("the lease was not given back: somebody else changed its item")
            }
            None => tracing::warn!(
                "the lease was not given back: the next operator waits until it runs out"
            ),
        }
    }
}

/// An error with its causes.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
