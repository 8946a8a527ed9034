//! A freeze: no release begins in it. What is on its way goes on, and so does all that goes back, repairs and heals.

use crd_schema::record::Stage;
use crd_schema::schedule::Frozen;

use crate::ablation;
use crate::view::{View, runs};

/// The freeze that holds the wish up, if one does.
pub(crate) fn holding(view: &View<'_>) -> Option<Frozen> {
    let wanted = view.wanted.as_ref()?;
    let schedule = view.application.schedule.as_ref()?;
    let waived = wanted.override_freeze || view.tuning.without(ablation::Rule::Freeze);
    if waived || !begins(view) {
        return None;
    }
    schedule.frozen(view.now.wall)
}

/// The wish is for another release than the one that serves, that served last, or that is on its way.
fn begins(view: &View<'_>) -> bool {
    let Some(wanted) = &view.wanted else {
        return false;
    };
    if view.rejection(wanted.generation).is_some() {
        return false;
    }
    let record = view.record();
    let rollout = record.rollout.as_ref();
    let rollout = rollout.filter(|rollout| rollout.release.digest == wanted.digest);
    // Wished for again while it goes back: it would have to begin anew.
    let goes_back = rollout.is_some_and(|rollout| {
        rollout.release.generation != wanted.generation && rollout.stage == Stage::RollBack
    });
    let live = view.live();
    let mut running = live.iter().filter(|service| runs(service, &wanted.digest));
    match running.next() {
        Some(service) => goes_back && !view.has_all(service) && live.len() > 1,
        None => {
            let last = record.last_good.as_ref();
            let served_last = last.is_some_and(|good| good.digest == wanted.digest);
            !served_last && (rollout.is_none() || goes_back)
        }
    }
}
