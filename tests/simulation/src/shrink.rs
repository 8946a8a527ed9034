//! The shortest plan that still breaks the same property.

use crate::judge::Violation;
use crate::plan::{Entry, Plan};
use crate::run::{Ending, Setup, run};

/// Leaves out entries as long as the same property breaks: halves first, then ever smaller parts (ddmin).
#[must_use]
pub fn shrink(plan: &Plan, property: &str, setup: &Setup) -> (Plan, Option<Violation>) {
    let mut best = plan.clone();
    let mut found = breaks(&best, property, setup);
    let mut part = best.entries.len();
    while part > 0 {
        let mut from = 0;
        let mut shrunk = false;
        while from < best.entries.len() {
            let mut left: Vec<Entry> = best.entries.clone();
            left.drain(from..(from + part).min(best.entries.len()));
            let candidate = best.with(left);
            match breaks(&candidate, property, setup) {
                Some(violation) => (best, found, shrunk) = (candidate, Some(violation), true),
                None => from += part,
            }
        }
        if part > 1 || !shrunk {
            part /= 2;
        }
    }
    (best, found)
}

fn breaks(plan: &Plan, property: &str, setup: &Setup) -> Option<Violation> {
    match run(plan, setup, false).ending {
        Ending::Violated(violation) if violation.property == property => Some(violation),
        Ending::Violated(_) | Ending::Settled | Ending::Held(_) => None,
    }
}
