//! Writes of weights, with the evidence that they need.

use crd_schema::strategy::Share;

use crate::memory::{other_weight, weight};
use crate::view::{View, Vital, weights as weights_of};
use crate::world::{Role, Rule, Service, Side};
use crate::write::{Evidence, Weights, Write};

/// A write that raises nothing; none when no weight would be left.
pub(super) fn plain(view: &View<'_>, rule: &Rule, weights: Weights) -> Option<Write> {
    write(view, rule, weights, Vec::new())
}

pub(super) fn set_weights(
    view: &View<'_>,
    rule: &Rule,
    weights: Weights,
    service: &Service,
    need: u32,
) -> Option<Write> {
    let evidence = view.evidence(service, need)?;
    // After a long silence the next reading is waited for. Requests that are lost now do not wait.
    let dead = |side: &Side| view.rule_vital(rule, *side) == Vital::Dead;
    let loses = Side::BOTH
        .iter()
        .any(|side| weight(rule, *side) > 0 && dead(side));
    if !loses && !view.outage(rule) && !evidence.is_fresh(view.now.mono, view.tuning) {
        return None;
    }
    let other = evidence.side.other();
    let (from, to) = (
        weight(rule, other),
        weights.get()[other.index()].unwrap_or(0),
    );
    let also = if to > from {
        Some(also_rises(view, other, to, weights)?)
    } else {
        None
    };
    let evidence = [evidence].into_iter().chain(also).collect();
    write(view, rule, weights, evidence)
}

/// A split of a hundred raises the other side's number too where a person left a smaller one: that needs its own
/// evidence, although its share falls.
fn also_rises(view: &View<'_>, side: Side, to: u32, weights: Weights) -> Option<Evidence> {
    let sum: u32 = weights.get().iter().flatten().sum();
    let need = view
        .reference(None)
        .saturating_mul(to)
        .div_ceil(sum.max(1))
        .max(1);
    let carries = view
        .live_on(side)
        .into_iter()
        .max_by_key(|service| view.healthy(service))?;
    view.evidence(carries, need)
        .filter(|evidence| evidence.healthy >= need)
}

/// A side without a group is not named; a spare group without weight is named no longer.
fn write(view: &View<'_>, rule: &Rule, weights: Weights, evidence: Vec<Evidence>) -> Option<Write> {
    let spares = view.own.spares.iter().map(|group| &group.arn);
    Some(Write::SetWeights {
        rule: rule.target.clone(),
        groups: view
            .groups
            .map(|group| group?.of_route(rule.route).cloned()),
        forget: spares
            .filter(|arn| other_weight(rule, arn) == Some(0))
            .cloned()
            .collect(),
        seen: weights_of(rule)?,
        weights: weights.of(view.groups.map(|group| group.is_some()))?,
        evidence,
    })
}

/// The share of `rule`'s requests that goes to `side`, in percent, rounded down.
pub(super) fn percent(rule: &Rule, side: Side) -> u32 {
    share(rule, side).get() / 10
}

/// The share of `rule`'s requests that goes to `side`, rounded down to a tenth of a percent.
pub(super) fn share(rule: &Rule, side: Side) -> Share {
    let (own, other) = (weight(rule, side), weight(rule, side.other()));
    Share::of(own, own.saturating_add(other))
}

/// The side's weight in the first production rule where `is` holds of it becomes 0; the other side keeps its number.
pub(super) fn to_zero(
    view: &View<'_>,
    side: Side,
    is: impl Fn(Option<u32>) -> bool,
) -> Option<Write> {
    view.production().find_map(|rule| {
        let read = weights_of(rule)?;
        let mut next = read;
        next[side.index()] = Some(0);
        is(read[side.index()])
            .then(|| Weights::new(next))
            .flatten()
            .and_then(|weights| plain(view, rule, weights))
    })
}

/// The test rules have one group at a time: the one that is tested, or else the one that serves.
pub(super) fn test_follows(view: &View<'_>, side: Side) -> Option<Write> {
    view.rules
        .iter()
        .filter(|rule| rule.role == Role::Test)
        .find_map(|rule| {
            let on_it = weight(rule, side) > 0 && weight(rule, side.other()) == 0;
            (!on_it)
                .then(|| plain(view, rule, Weights::only(side)))
                .flatten()
        })
}
