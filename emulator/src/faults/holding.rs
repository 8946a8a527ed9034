//! Calls that wait until somebody says how they go on.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::api::Service;

/// A call that waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Held {
    /// By which it is let go.
    pub id: u64,
    /// The service.
    pub service: Service,
    /// The operation.
    pub operation: String,
    /// Access key of the caller, where it signed.
    pub caller: Option<String>,
    /// Whether it took effect before it was held.
    pub took_effect: bool,
}

/// How a call goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Fate {
    /// As if it had only been slow.
    CarryOn,
    /// The connection breaks: what had no effect yet has none.
    Drop,
}

/// The calls that wait now.
#[derive(Debug, Default)]
pub struct Holding {
    state: watch::Sender<State>,
}

#[derive(Debug, Default)]
struct State {
    last_id: u64,
    waiting: BTreeMap<u64, (Held, Option<Fate>)>,
}

impl Holding {
    /// Waits until the call is let go. One whose future is dropped is forgotten.
    pub(crate) async fn hold(
        &self,
        service: Service,
        operation: &str,
        caller: Option<&str>,
        took_effect: bool,
    ) -> Fate {
        let mut changes = self.state.subscribe();
        let mut id = 0;
        self.state.send_modify(|state| {
            state.last_id += 1;
            id = state.last_id;
            let held = Held {
                id,
                service,
                operation: operation.to_owned(),
                caller: caller.map(ToOwned::to_owned),
                took_effect,
            };
            state.waiting.insert(id, (held, None));
        });
        let _gone = Gone { holding: self, id };
        let decided = changes
            .wait_for(|state| matches!(state.waiting.get(&id), None | Some((_, Some(_)))))
            .await;
        let fate = decided.map(|state| state.waiting.get(&id).and_then(|(_, fate)| *fate));
        fate.ok().flatten().unwrap_or(Fate::Drop)
    }

    /// Lets one go; false when none with this id waits.
    pub fn let_go(&self, id: u64, fate: Fate) -> bool {
        self.state.send_if_modified(|state| {
            let Some((_, decided @ None)) = state.waiting.get_mut(&id) else {
                return false;
            };
            *decided = Some(fate);
            true
        })
    }

    /// Those that wait now, in the order in which they came.
    #[must_use]
    pub fn waiting(&self) -> Vec<Held> {
        let state = self.state.borrow();
        let undecided = state.waiting.values().filter(|(_, fate)| fate.is_none());
        undecided.map(|(held, _)| held.clone()).collect()
    }

    /// The first call that waits, as soon as there is one.
    pub async fn next(&self) -> Held {
        let mut changes = self.state.subscribe();
        loop {
            if let Some(held) = self.waiting().into_iter().next() {
                return held;
            }
            if changes.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}

/// Forgets the call, whatever the end of its waiting was.
struct Gone<'a> {
    holding: &'a Holding,
    id: u64,
}

impl Drop for Gone<'_> {
    fn drop(&mut self) {
        self.holding.state.send_modify(|state| {
            state.waiting.remove(&self.id);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_held_call_goes_on_as_it_is_told() {
        let holding = Holding::default();
        for fate in [Fate::CarryOn, Fate::Drop] {
            let called = holding.hold(Service::Ecs, "CreateService", Some("key"), false);
            let told = async {
                let held = holding.next().await;
                assert_eq!(
                    (held.operation.as_str(), held.took_effect),
                    ("CreateService", false)
                );
                assert!(holding.let_go(held.id, fate));
                assert!(!holding.let_go(held.id, fate), "it was let go already");
            };
            assert_eq!(tokio::join!(called, told).0, fate);
            assert_eq!(holding.waiting(), []);
        }
    }

    #[tokio::test]
    async fn a_dropped_call_is_forgotten() {
        let holding = Holding::default();
        {
            let mut called = std::pin::pin!(holding.hold(Service::Ecs, "StopTask", None, true));
            assert!(futures_util::poll!(called.as_mut()).is_pending());
            assert_eq!(holding.waiting().len(), 1);
        }
        assert_eq!(holding.waiting(), []);
    }
}
