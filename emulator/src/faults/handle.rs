//! Plan, buckets, history, journal and held calls together, shared by all callers.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::buckets::Buckets;
use super::history::History;
use super::holding::Holding;
use super::journal::{Entry, Journal};
use super::plan::{self, Effect, FaultSettings};
use crate::api::Service;
use crate::world::{Millis, World};

/// The faults of one emulator; settable while it runs.
#[derive(Debug, Default)]
pub struct Faults {
    state: Mutex<State>,
    holding: Holding,
}

#[derive(Debug, Default)]
struct State {
    settings: FaultSettings,
    /// How many calls each fault of the plan has looked at.
    seen: Vec<u64>,
    buckets: Buckets,
    history: History,
    journal: Journal,
}

/// What is to happen to one call.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Decision {
    /// How long the call waits before it takes effect, in milliseconds.
    pub latency_ms: u64,
    /// What else happens; never [`Effect::Latency`].
    pub effect: Option<Effect>,
}

impl Faults {
    /// The present settings.
    #[must_use]
    pub fn settings(&self) -> FaultSettings {
        self.lock().settings.clone()
    }

    /// Replaces the settings; the plan counts its calls anew and buckets are full again.
    pub fn set(&self, settings: FaultSettings) {
        let mut state = self.lock();
        state.seen = vec![0; settings.plan.len()];
        state.buckets = Buckets::default();
        if settings.longest_lag_ms().is_none() {
            state.history.clear();
        }
        state.settings = settings;
    }

    /// Decides the fate of a call that arrives at `now`.
    #[must_use]
    pub fn decide(&self, service: Service, operation: &str, now: Millis) -> Decision {
        let mut guard = self.lock();
        let State {
            settings,
            seen,
            buckets,
            ..
        } = &mut *guard;
        let mut decision = Decision {
            latency_ms: settings.latency_ms,
            effect: None,
        };
        for (index, (fault, seen)) in settings.plan.iter().zip(seen).enumerate() {
            if !fault.concerns(service, operation) {
                continue;
            }
            *seen += 1;
            if !fault
                .when
                .fires(*seen, plan::dice(settings.seed, index as u64, *seen))
            {
                continue;
            }
            match &fault.effect {
                Effect::Latency(more) => decision.latency_ms += more,
                Effect::Throttle
                | Effect::AccessDenied
                | Effect::Error(_)
                | Effect::ErrorAfter(_)
                | Effect::RefuseConnection
                | Effect::LoseRequest
                | Effect::LoseAnswer
                | Effect::HoldRequest
                | Effect::HoldAnswer
                | Effect::SlowAnswer(_)
                | Effect::CutAnswer
                | Effect::StaleAnswer(_) => {
                    decision.effect = decision.effect.or_else(|| Some(fault.effect.clone()))
                }
            }
        }
        if decision.effect.is_none()
            && settings.throttling
            && !buckets.take(service, operation, now)
        {
            decision.effect = Some(Effect::Throttle);
        }
        decision
    }

    /// Remembers the state of the world, if any reads lag and the last one remembered is at least `spacing`
    /// milliseconds old.
    pub fn remember(&self, world: &World, spacing: Millis) {
        let mut state = self.lock();
        let Some(longest) = state.settings.longest_lag_ms() else {
            return;
        };
        if state
            .history
            .latest()
            .is_none_or(|latest| latest + spacing <= world.now)
        {
            state.history.remember(world, longest);
        }
    }

    /// The state from which a read of `service` is answered, if it lags: by `stale` milliseconds, else by what is set
    /// for the service.
    #[must_use]
    pub fn lagging(&self, service: Service, stale: Option<Millis>, world: &World) -> Option<World> {
        let mut state = self.lock();
        let lag = stale
            .or_else(|| state.settings.read_lag_ms.get(&service).copied())
            .filter(|lag| *lag > 0)?;
        if state.history.latest().is_none() {
            state.history.remember(world, lag);
        }
        state.history.at(world.now, lag)
    }

    /// The calls that are held.
    #[must_use]
    pub fn holding(&self) -> &Holding {
        &self.holding
    }

    /// Writes one call into the journal.
    pub fn record(&self, entry: Entry) {
        self.lock().journal.write(entry);
    }

    /// Reads the journal.
    pub fn journal<R>(&self, read: impl FnOnce(&Journal) -> R) -> R {
        read(&self.lock().journal)
    }

    /// How many calls of this operation there were, whatever became of them.
    #[must_use]
    pub fn calls(&self, service: Service, operation: &str) -> u64 {
        self.journal(|journal| {
            let of_it = journal.counts().iter().filter(|(counted, _)| {
                counted.service == Some(service) && counted.operation == operation
            });
            of_it.map(|(_, count)| count).sum()
        })
    }

    /// Empties the journal.
    pub fn clear_journal(&self) {
        self.lock().journal.clear();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::plan::{Fault, When};

    fn fault(operation: &str, when: When, effect: Effect) -> Fault {
        Fault {
            service: None,
            operation: Some(operation.to_owned()),
            when,
            effect,
        }
    }

    #[test]
    fn the_first_effect_counts_and_latencies_add_up() {
        let faults = Faults::default();
        faults.set(FaultSettings {
            latency_ms: 5,
            plan: vec![
                fault("StopTask", When::Always, Effect::Latency(10)),
                fault("StopTask", When::Nth(2), Effect::LoseAnswer),
                fault("StopTask", When::Always, Effect::AccessDenied),
            ],
            ..FaultSettings::default()
        });
        let decided: Vec<Decision> = (0..3)
            .map(|_| faults.decide(Service::Ecs, "StopTask", 0))
            .collect();
        let effects: Vec<Option<Effect>> = decided
            .iter()
            .map(|decision| decision.effect.clone())
            .collect();
        assert_eq!(
            effects,
            [
                Some(Effect::AccessDenied),
                Some(Effect::LoseAnswer),
                Some(Effect::AccessDenied)
            ]
        );
        assert_eq!(decided[0].latency_ms, 15);
        assert_eq!(
            faults.decide(Service::Ecs, "RunTask", 0),
            Decision {
                latency_ms: 5,
                effect: None
            }
        );
    }

    #[test]
    fn throttling_is_on_unless_switched_off() {
        let faults = Faults::default();
        let throttled = || {
            (0..50)
                .filter(|_| {
                    faults
                        .decide(Service::Elbv2, "ModifyRule", 0)
                        .effect
                        .is_some()
                })
                .count()
        };
        assert_eq!(throttled(), 30);
        faults.set(FaultSettings {
            throttling: false,
            ..FaultSettings::default()
        });
        assert_eq!(throttled(), 0);
    }
}
