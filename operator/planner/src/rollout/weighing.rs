//! Writes of weights, with the evidence that they need.

use crate::memory::weight;
use crate::view::{View, weights};
use crate::world::{Role, Rule, Service, Side};
use crate::write::{Weights, Write};

/// A weight write that raises nothing.
pub(super) fn plain(rule: &Rule, seen: [Option<u32>; 2], weights: Weights) -> Write {
    Write::SetWeights {
        rule: rule.target.clone(),
        seen,
        weights,
        evidence: Vec::new(),
    }
}

pub(super) fn set_weights(
    view: &View<'_>,
    rule: &Rule,
    weights: Weights,
    service: &Service,
    need: u32,
) -> Option<Write> {
    let seen = crate::view::weights(rule)?;
    let evidence = view.evidence(service, need)?;
    Some(Write::SetWeights {
        rule: rule.target.clone(),
        seen,
        weights,
        evidence: vec![evidence],
    })
}

/// The share of `rule`'s requests that goes to `side`, in percent, rounded down.
pub(super) fn share(rule: &Rule, side: Side) -> u32 {
    let (own, other) = (weight(rule, side), weight(rule, side.other()));
    (own * 100).checked_div(own + other).unwrap_or(0)
}

/// The test rules have one group at a time: the one that is tested, or else the one that serves.
pub(super) fn test_follows(view: &View<'_>, side: Side) -> Option<Write> {
    view.rules
        .iter()
        .filter(|rule| rule.role == Role::Test)
        .find_map(|rule| {
            let read = weights(rule)?;
            let on_it = weight(rule, side) > 0 && weight(rule, side.other()) == 0;
            (!on_it).then(|| plain(rule, read, Weights::only(side)))
        })
}
