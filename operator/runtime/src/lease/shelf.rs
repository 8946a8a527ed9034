//! A lease's store in memory, for tests and simulations.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{LeaseItem, LeaseStore};

/// One process's way to a lease in memory. Clones are one way; [`Shelf::another_way`] leads to the same lease.
#[derive(Debug, Clone, Default)]
pub struct Shelf {
    item: Arc<Mutex<Option<LeaseItem>>>,
    trouble: Arc<Mutex<Option<Trouble>>>,
}

/// What a way does to every call, until it is told otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// It fails without effect.
    Unreachable,
    /// It has its effect, and the answer is lost.
    AnswersLost,
    /// It is never answered, and has no effect.
    Hangs,
}

/// A call that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the store could not be reached")]
pub struct Unreached;

impl Shelf {
    /// Another process's way to the same lease.
    pub fn another_way(&self) -> Self {
        Self {
            item: Arc::clone(&self.item),
            trouble: Arc::default(),
        }
    }

    /// The item as it is.
    pub fn item(&self) -> Option<LeaseItem> {
        lock(&self.item).clone()
    }

    /// A person puts or deletes the item.
    pub fn set_item(&self, item: Option<LeaseItem>) {
        *lock(&self.item) = item;
    }

    /// What this way does to every call from now on.
    pub fn set_trouble(&self, trouble: Option<Trouble>) {
        *lock(&self.trouble) = trouble;
    }

    async fn call<T>(
        &self,
        effect: impl FnOnce(&mut Option<LeaseItem>) -> T,
    ) -> Result<T, Unreached> {
        let trouble = *lock(&self.trouble);
        match trouble {
            None => Ok(effect(&mut lock(&self.item))),
            Some(Trouble::Unreachable) => Err(Unreached),
            Some(Trouble::AnswersLost) => {
                effect(&mut lock(&self.item));
                Err(Unreached)
            }
            Some(Trouble::Hangs) => std::future::pending().await,
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl LeaseStore for Shelf {
    type Error = Unreached;

    async fn read(&self) -> Result<Option<LeaseItem>, Unreached> {
        self.call(|item| item.clone()).await
    }

    async fn replace(&self, seen: Option<&LeaseItem>, next: &LeaseItem) -> Result<bool, Unreached> {
        self.call(|item| {
            let matches = item.as_ref() == seen;
            if matches {
                *item = Some(next.clone());
            }
            matches
        })
        .await
    }
}
