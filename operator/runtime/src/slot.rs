//! What the loop keeps of one application between reconciles, outside the tasks that run them: a task that panics or
//! runs out of time takes nothing with it.

use std::sync::{Arc, Mutex, PoisonError};

use crd_schema::record::{Generation, Record, Stage};
use crd_schema::status::{Phase, Status};
use crd_schema::{Application, ApplicationName};
use planner::world::{DesiredParameter, Read, ServiceStatus};
use planner::{Memory, Mono, Plan, WaitingOn, World};

use crate::beside::{Ledger, Running};
use crate::lease::Standing;

/// One application's place.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) name: ApplicationName,
    kept: Mutex<Kept>,
}

/// What is kept.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) spec: Spec,
    /// What the memory remembers.
    pub(crate) remembered: Option<Arc<Application>>,
    pub(crate) memory: Memory,
    /// What this process was when the memory began.
    pub(crate) standing: Standing,
    /// What the last round of reads saw.
    pub(crate) world: Option<Arc<World>>,
    /// The gate and the watches that run for it.
    pub(crate) beside: Vec<Running>,
    /// What its gates have begun and what has not ended; none before the first record of this leadership was seen.
    pub(crate) begun: Option<Ledger>,
    pub(crate) told: Told,
}

/// What is known of the spec.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Spec {
    /// The last good one; it stays in force while a newer one is bad.
    pub(crate) application: Option<Arc<Application>>,
    /// Why the newest one is not in force.
    pub(crate) problem: Option<String>,
    /// Which write of the parameter was looked at last.
    pub(crate) generation: Generation,
    /// False: the parameter was not found twice, a sweep apart.
    pub(crate) present: bool,
    /// Other applications' claims on the same groups or rules.
    pub(crate) conflicts: Vec<String>,
    /// The newest write of `desired` that was seen.
    pub(crate) wish: Option<Generation>,
    /// The newest one that had been seen when the spec was last read: later ones may belong to a newer spec.
    pub(crate) read_for: Option<Generation>,
}

/// What was last told to people: the ground for telling what changed.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) plan: Option<Plan>,
    pub(crate) record: Option<Record>,
    pub(crate) status: Option<Status>,
    /// The status text that is in the parameter.
    pub(crate) written: Option<String>,
    /// Phase and stage of the last attempt to write it.
    pub(crate) turn: Option<(Phase, Stage, Option<Generation>)>,
    /// When that began.
    pub(crate) attempted: Option<Mono>,
    /// A write of it went without an answer, and may land until then.
    pub(crate) late_until: Option<Mono>,
    /// Failed reconciles in a row.
    pub(crate) errors: u32,
    /// Why the last one failed.
    pub(crate) error: Option<String>,
}

impl Slot {
    pub(crate) fn new(name: ApplicationName, spec: Spec, standing: Standing, now: Mono) -> Self {
        let kept = Kept {
            spec,
            remembered: None,
            memory: Memory::new(now),
            standing,
            world: None,
            beside: Vec::new(),
            begun: None,
            told: Told::default(),
        };
        Self {
            name,
            kept: Mutex::new(kept),
        }
    }

    /// Looks at or changes what is kept. Short: no decision is made and nothing is awaited inside, so a reader never
    /// waits for a reconcile, and a panic elsewhere never leaves it half changed.
    pub(crate) fn with<T>(&self, f: impl FnOnce(&mut Kept) -> T) -> T {
        f(&mut self.kept.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Kept {
    /// A reconcile with this Application begins. What was remembered of another cluster, of other groups and rules, or
    /// in another leadership is no evidence here: then everything is forgotten, and every safety wait starts again.
    pub(crate) fn begin(&mut self, application: &Arc<Application>, standing: Standing, now: Mono) {
        let other = |before: &Arc<Application>| {
            before.cluster != application.cluster || before.routes != application.routes
        };
        let led_anew = self.standing != standing;
        if led_anew {
            self.standing = standing;
            // Another leader may have written another one since.
            self.told.written = None;
            self.told.turn = None;
            self.told.attempted = None;
        }
        if led_anew || self.remembered.as_ref().is_some_and(other) {
            self.memory = Memory::new(now);
            self.world = None;
            self.beside.clear();
            self.begun = None;
            self.told.record = None;
        }
        self.remembered = Some(Arc::clone(application));
    }

    /// Nothing is left to care for: the spec is gone, and no service of the application is.
    pub(crate) fn is_over(&self) -> bool {
        let services = self.world.as_ref().and_then(|world| world.services.value());
        let none_left = services.is_some_and(|services| {
            services
                .iter()
                .all(|service| !service.tags.ours || service.status == ServiceStatus::Inactive)
        });
        !self.spec.present && (self.spec.application.is_none() || none_left)
    }

    /// It was observed in full once, or there is nothing to observe.
    pub(crate) fn is_observed(&self) -> bool {
        let seen = |plan: &Plan| !matches!(plan.report.waiting_on, WaitingOn::Observation { .. });
        self.spec.application.is_none() || self.told.plan.as_ref().is_some_and(seen)
    }

    /// What was read with a spec that was `read_for` a wish, less a newer wish: whoever changes the spec and then the
    /// wish means the new spec, so that the wish waits until the specs were read again. `None` when no earlier wish is
    /// known.
    pub(crate) fn as_the_spec_knows_it(
        &mut self,
        read_for: Option<Generation>,
        mut world: World,
    ) -> Option<World> {
        let Read::Known { value, .. } = &mut world.desired else {
            return Some(world);
        };
        let read = written(value);
        self.spec.wish = self.spec.wish.max(read);
        if self.told.plan.is_none() {
            // The first look of this process: it has just read the specs.
            self.spec.read_for = self.spec.read_for.max(read);
        } else if read > read_for {
            *value = self.memory.desired.clone()?;
        }
        Some(world)
    }

    /// A wish waits for the specs to be read again.
    pub(crate) fn awaits_spec(&self) -> bool {
        self.told.plan.is_some() && self.spec.wish > self.spec.read_for
    }

    /// This write of `desired` is newer than what the poll and the last reconcile saw.
    pub(crate) fn is_new(&mut self, wish: Generation) -> bool {
        let read = self.memory.desired.as_ref().and_then(written);
        let newer = Some(wish) > self.spec.wish;
        if newer {
            self.spec.wish = Some(wish);
        }
        newer && Some(wish) > read
    }
}

/// Which write of `desired` this is, when there is one.
fn written(desired: &DesiredParameter) -> Option<Generation> {
    match desired {
        DesiredParameter::Missing => None,
        DesiredParameter::Invalid { generation, .. } | DesiredParameter::Set { generation, .. } => {
            Some(*generation)
        }
    }
}

#[cfg(test)]
mod tests {
    use crd_schema::TargetGroupArn;
    use crd_schema::application::TargetGroups;
    use planner::lab::application;

    use super::*;

    #[test]
    fn what_was_remembered_of_other_groups_or_in_another_leadership_is_no_evidence() {
        let spec = Spec {
            application: None,
            problem: None,
            generation: Generation {
                date: 1,
                version: 1,
            },
            present: true,
            conflicts: Vec::new(),
            wish: None,
            read_for: None,
        };
        let slot = Slot::new(application().name, spec, Standing::Standby, Mono(0));
        let begin_as = |standing, application: &Application, now| {
            slot.with(|kept| {
                kept.begin(&Arc::new(application.clone()), standing, now);
                kept.memory.leading_since
            })
        };
        let begin = |application: &Application, now| begin_as(Standing::Standby, application, now);
        let mut application = application();
        assert_eq!(begin(&application, Mono(1)), Mono(0));
        application.bake_time *= 2;
        assert_eq!(begin(&application, Mono(2)), Mono(0));
        let from = TargetGroupArn::new("tg-c");
        if let Some(route) = application.routes.first_mut() {
            route.groups = TargetGroups::PerRelease { from };
        }
        assert_eq!(begin(&application, Mono(3)), Mono(3));
        application.cluster = "other".to_owned();
        assert_eq!(begin(&application, Mono(4)), Mono(4));
        assert_eq!(begin(&application, Mono(5)), Mono(4));
        let leading = |epoch, now| begin_as(Standing::Leading(epoch), &application, now);
        assert_eq!(leading(1, Mono(6)), Mono(6));
        assert_eq!(leading(1, Mono(7)), Mono(6));
        assert_eq!(leading(2, Mono(8)), Mono(8));
    }
}
