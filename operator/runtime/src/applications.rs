//! The applications that are known, and what each read of all specs and all wishes changes of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crd_schema::ApplicationName;
use crd_schema::record::Generation;
use planner::Now;

use crate::cloud::FoundSpec;
use crate::events::{Events, Reason};
use crate::lease::Standing;
use crate::metrics::Metrics;
use crate::outcome::Wake;
use crate::slot::{Kept, Slot};
use crate::snapshot::Board;
use crate::specs;

/// Applications to be woken, and why.
pub(crate) type Wakes = Vec<(ApplicationName, Wake)>;

/// Every application that is known.
#[derive(Debug)]
pub(crate) struct Applications {
    slots: BTreeMap<ApplicationName, Arc<Slot>>,
    /// Those whose spec was not found in the last list.
    missed: BTreeSet<ApplicationName>,
    /// All specs were listed once.
    listed: bool,
    /// Why the last list of them failed.
    unlisted: Option<String>,
    /// What this process is to them.
    standing: Standing,
    metrics: Arc<Metrics>,
    events: Events,
    board: Board,
}

impl Applications {
    pub(crate) fn new(
        standing: Standing,
        metrics: Arc<Metrics>,
        events: Events,
        board: Board,
    ) -> Self {
        Self {
            slots: BTreeMap::new(),
            missed: BTreeSet::new(),
            listed: false,
            unlisted: None,
            standing,
            metrics,
            events,
            board,
        }
    }

    pub(crate) fn get(&self, name: &ApplicationName) -> Option<&Arc<Slot>> {
        self.slots.get(name)
    }

    pub(crate) fn names(&self) -> impl ExactSizeIterator<Item = &ApplicationName> {
        self.slots.keys()
    }

    /// What this process is now. All are woken when that is something else than before.
    pub(crate) fn lead(&mut self, standing: Standing) -> Wakes {
        if std::mem::replace(&mut self.standing, standing) == standing {
            return Wakes::new();
        }
        let all = self.slots.keys().cloned();
        all.map(|name| (name, Wake::LeadershipChanged)).collect()
    }

    /// All specs could not be listed: what is known stays.
    pub(crate) fn specs_unread(&mut self, why: String) {
        self.unlisted = Some(why);
    }

    /// Takes in a list of all specs: new ones, changed ones, and those that are gone: not found twice in a row.
    pub(crate) fn specs_found(&mut self, found: &[FoundSpec], now: Now) -> Wakes {
        let mut wakes: Wakes = found
            .iter()
            .filter_map(|found| self.spec_found(found, now))
            .collect();
        let names: BTreeSet<_> = found.iter().map(|found| &found.name).collect();
        let absent: BTreeSet<_> = self
            .slots
            .keys()
            .filter(|name| !names.contains(name))
            .cloned()
            .collect();
        for name in absent.intersection(&self.missed) {
            let Some(slot) = self.slots.get(name) else {
                continue;
            };
            if slot.with(|kept| std::mem::replace(&mut kept.spec.present, false)) {
                let note = "its spec parameter is gone: everything is left as it is".to_owned();
                let to = slot.with(|kept| kept.spec.application.clone());
                self.events
                    .emit(name, to.as_deref(), Reason::Orphaned, note, now.wall);
                wakes.push((name.clone(), Wake::SpecChanged));
            }
        }
        self.missed = absent;
        self.listed = true;
        wakes.extend(self.conflicts_found());
        wakes
    }

    /// The newest wish that was seen of each application.
    pub(crate) fn wishes_seen(&self) -> BTreeMap<ApplicationName, Option<Generation>> {
        let wish = |slot: &Slot| slot.with(|kept| kept.spec.wish);
        let all = self.slots.iter();
        all.map(|(name, slot)| (name.clone(), wish(slot))).collect()
    }

    /// The specs were read after these wishes had been seen: they may be acted on.
    pub(crate) fn specs_read_for(
        &self,
        seen: &BTreeMap<ApplicationName, Option<Generation>>,
    ) -> Wakes {
        let newly = |(name, wish): (&ApplicationName, &Option<Generation>)| {
            let read_for = |kept: &mut Kept| {
                let before = kept.spec.read_for;
                kept.spec.read_for = before.max(*wish);
                before
            };
            let before = self.slots.get(name)?.with(read_for);
            (before < *wish).then(|| (name.clone(), Wake::DesiredChanged))
        };
        seen.iter().filter_map(newly).collect()
    }

    /// A wish waits for the specs to be read again.
    pub(crate) fn await_specs(&self) -> bool {
        let mut slots = self.slots.values();
        slots.any(|slot| slot.with(|kept| kept.awaits_spec()))
    }

    fn spec_found(&mut self, found: &FoundSpec, now: Now) -> Option<(ApplicationName, Wake)> {
        let name = &found.name;
        let (wake, problem) = match self.slots.get(name) {
            None => {
                let spec = specs::first(found);
                let problem = spec.problem.clone();
                self.slots.insert(
                    name.clone(),
                    Arc::new(Slot::new(name.clone(), spec, self.standing, now.mono)),
                );
                self.metrics.appear(name);
                (Wake::Discovered, problem)
            }
            Some(slot) => {
                let changed =
                    |spec: &mut _| specs::again(spec, found).then(|| spec.problem.clone());
                (
                    Wake::SpecChanged,
                    slot.with(|kept| changed(&mut kept.spec))?,
                )
            }
        };
        let (reason, note) = match problem {
            Some(problem) => (Reason::SpecRefused, problem),
            None => (Reason::SpecAccepted, "the spec is in force".to_owned()),
        };
        let slot = self.slots.get(name);
        let to = slot.and_then(|slot| slot.with(|kept| kept.spec.application.clone()));
        self.events
            .emit(name, to.as_deref(), reason, note, now.wall);
        Some((name.clone(), wake))
    }

    fn conflicts_found(&self) -> Wakes {
        let in_force = self
            .slots
            .values()
            .filter_map(|slot| slot.with(|kept| kept.spec.application.clone()));
        let in_force: Vec<_> = in_force.collect();
        let mut conflicts = specs::conflicts(in_force.iter().map(AsRef::as_ref));
        let mut wakes = Wakes::new();
        for (name, slot) in &self.slots {
            let found = conflicts.remove(name).unwrap_or_default();
            if slot.with(|kept| std::mem::replace(&mut kept.spec.conflicts, found.clone())) != found
            {
                wakes.push((name.clone(), Wake::ConflictsChanged));
            }
        }
        wakes
    }

    /// Takes in the newest write of each desired parameter.
    pub(crate) fn wishes_found(&self, found: &BTreeMap<ApplicationName, Generation>) -> Wakes {
        let new = |(name, wish): (&ApplicationName, &Generation)| {
            let new = self.slots.get(name)?.with(|kept| kept.is_new(*wish));
            new.then(|| (name.clone(), Wake::DesiredChanged))
        };
        found.iter().filter_map(new).collect()
    }

    /// An orphan that has nothing left is no longer known. Returns whether that is so.
    pub(crate) fn forget_if_over(&mut self, name: &ApplicationName) -> bool {
        let over = self
            .slots
            .get(name)
            .is_some_and(|slot| slot.with(|kept| kept.is_over()));
        if over {
            tracing::info!(application = %name, "its spec is gone and it has no service: it is forgotten");
            self.slots.remove(name);
            self.missed.remove(name);
            self.metrics.vanish(name);
            self.board.remove(name);
        }
        over
    }

    /// What is missing before every known application was observed in full.
    pub(crate) fn missing(&self) -> Vec<String> {
        if !self.listed {
            let why = self.unlisted.as_ref().map(|why| format!(": {why}"));
            return vec![format!(
                "the list of applications{}",
                why.unwrap_or_default()
            )];
        }
        let unseen = self
            .slots
            .values()
            .filter(|slot| !slot.with(|kept| kept.is_observed()));
        unseen
            .map(|slot| format!("the first full observation of {}", slot.name))
            .collect()
    }
}
