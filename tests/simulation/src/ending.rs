//! Whether a run ended well: L1, L3, L4, L5, and no request lost.

use planner::memory::weight;
use planner::release::wanted;
use planner::world::{Role, ServiceStatus};

use crate::judge::{Act, Violation};
use crate::run::Ending;
use crate::scenario::{BLUE, GREEN};
use crate::sim::State;

/// Revisions that the operator keeps, and two more that may be in use.
const REVISIONS: usize = 7;

fn violated(property: &'static str, message: impl Into<String>) -> Ending {
    Ending::Violated(Violation {
        property,
        message: message.into(),
    })
}

/// Nothing more is wanted: what serves is what was asked for, or the reason why not stands.
pub(crate) fn settled(state: &State) -> Ending {
    let lab = &state.truth.lab;
    let [service] = lab.services.as_slice() else {
        let names: Vec<&str> = lab.services.iter().map(|s| s.shown.name.as_str()).collect();
        return violated("L5", format!("settled with services {names:?}"));
    };
    let shown = &service.shown;
    let Some(side) = shown.side.filter(|_| shown.status == ServiceStatus::Active) else {
        return violated("L1", format!("settled with {} not live", shown.name));
    };
    for rule in lab.rules.iter().filter(|rule| rule.role != Role::Unlisted) {
        if weight(rule, side) == 0 || weight(rule, side.other()) > 0 {
            return violated("L1", format!("settled with weights {:?}", rule.action));
        }
    }
    if !state.truth.works(side) {
        return violated("L1", format!("settled on {} without health", shown.name));
    }
    if !lab.draining[side.other().index()].is_empty() {
        return violated("L5", "settled with targets that drain");
    }
    let per_release = lab.application.group_template().is_some();
    if per_release && (lab.groups[side.other().index()].is_some() || !lab.spares.is_empty()) {
        return violated("L5", "settled with a target group that nobody needs");
    }
    if lab.revisions.len() > REVISIONS {
        return violated("L5", format!("{} revisions are kept", lab.revisions.len()));
    }
    if state.truth.loses_requests() {
        return violated("Loss", "settled on a dead group");
    }
    let taken = state.judge.effects - state.effects_then;
    let bound = bound(lab.rules.len());
    if taken > bound {
        return violated(
            "S12",
            format!("{taken} writes to converge, at most {bound}"),
        );
    }
    let Some((generation, desired)) = &lab.desired else {
        return violated("L1", "settled without a wish");
    };
    let wish = wanted(&lab.application, *generation, desired).map(|wanted| wanted.digest);
    if shown.tags.release == wish.ok() {
        return Ending::Settled;
    }
    let recorded = lab.record.as_ref().is_some_and(|(_, record)| {
        record
            .rejected
            .iter()
            .any(|rejection| rejection.generation == *generation)
    });
    let aborted = lab
        .intents
        .abort
        .is_some_and(|asked| asked.rollout == *generation);
    if !recorded && !aborted && shown.tags.rejected != Some(*generation) {
        return violated("L1", format!("settled on {}, unasked", shown.name));
    }
    if !may_fail(state, &desired.version) {
        return violated(
            "L1",
            format!("{} was rejected for nothing", desired.version),
        );
    }
    Ending::Settled
}

/// The release that is wished for has a reason to fail.
fn may_fail(state: &State, version: &str) -> bool {
    if state.scenario.is_bad() {
        // It has a short deadline, which any delay may use up.
        return true;
    }
    let broken = state.truth.lab.broken.contains(version);
    let acts = [
        Act::Health,
        Act::Services,
        Act::Weights,
        Act::Abort,
        Act::Tests,
    ];
    // Two hours are the deadline of every stage.
    let late = state.judge.acts(Act::Clock) > 1;
    broken || late || acts.iter().any(|act| state.judge.acts(*act) > 0)
}

/// S12: two rollouts' worth of writes, for whatever was on its way.
fn bound(rules: usize) -> u32 {
    let leftovers = 3;
    u32::try_from(2 * (6 * leftovers + rules * 4 + 8)).unwrap_or(u32::MAX)
}

/// A person is needed: for something that a person did, or because what is asked for is bad and nothing else is there.
pub(crate) fn held(state: &State, label: &'static str) -> Ending {
    if state.truth.loses_requests() {
        return violated("Loss", format!("holds on a dead group: {label}"));
    }
    let version = state
        .truth
        .lab
        .desired
        .as_ref()
        .map(|(_, desired)| desired.version.as_str());
    let fails = version.is_some_and(|version| may_fail(state, version));
    let had_blue = state
        .truth
        .lab
        .record
        .as_ref()
        .is_some_and(|(_, record)| record.last_good.is_some());
    let acted = |act| state.judge.acts(act) > 0;
    let legitimate = match label {
        // What lands once more undoes what was written since, as a person does.
        "Contended" => state.judge.acts(Act::Weights) + state.judge.repeated > 1,
        "NothingToFallBackTo" => {
            fails && (!had_blue || version == Some(BLUE) || acted(Act::Record))
        }
        // One of two releases was deleted, and the one that is asked for, or both, were ill while they served.
        "FallBackUnhealthy" => {
            (version == Some(GREEN) || acted(Act::Health)) && acted(Act::Services)
        }
        // Somebody left the production rule without any weight, or all of it on a group whose service is gone.
        "GroupUnnamed" => acted(Act::Weights),
        "RuleUnusable" => fails && acted(Act::Services),
        // A create that AWS carries out minutes after its sender died stands beside the next release's service.
        "SharedGroup" => acted(Act::Services) || state.outlived,
        _ => false,
    };
    if legitimate {
        Ending::Held(label)
    } else {
        violated("L1", format!("holds for nothing: {label}"))
    }
}
