//! Each call of a release meets each kind of fault.

use std::collections::BTreeSet;

use emulator::faults::history::is_read;
use emulator::faults::{Effect, Fault, FaultSettings, When};
use tests::Dose;
use tests::wire::Exchange;

use crate::plan::{Plan, Scene, kinds};
use crate::run::run;

/// The operations of a run in the order of its calls.
fn operations(exchanges: &[Exchange]) -> Vec<String> {
    let requests = exchanges
        .iter()
        .filter_map(|one| one.what.strip_prefix("> "));
    requests.map(str::to_owned).collect()
}

/// The faults of one dose: the n-th call, from 1, and what happens to it.
///
/// Small: every write meets every fourth kind, in turns. Full: it meets all of them, and the first read of each operation
/// after each write, which is where an answer says something new, meets one kind after the other. Nightly: every call
/// meets every kind.
fn faults(operations: &[String], dose: Dose) -> Vec<(u64, Effect)> {
    let (mut seen, mut chosen) = (BTreeSet::new(), Vec::new());
    for (call, operation) in (1..).zip(operations) {
        let writes = !is_read(operation);
        if writes {
            seen.clear();
        }
        let news = seen.insert(operation);
        for (index, effect) in (0..).zip(kinds()) {
            let says_nothing = writes && matches!(effect, Effect::StaleAnswer(_));
            let takes_its_turn = news && call % 11 == index;
            let chooses = match dose {
                Dose::Small => writes && (call + index) % 4 == 0,
                Dose::Full => writes || takes_its_turn,
                Dose::Nightly => true,
            };
            if chooses && !says_nothing {
                chosen.push((call, effect));
            }
        }
    }
    chosen
}

/// Runs every `parts`-th of the single faults, from `part`. Returns how many there were.
fn part(part: usize, parts: usize) -> usize {
    let calm = Plan::calm(Scene::Serving, "1.4.0");
    let reference = run(&calm);
    reference.check(&calm);
    let operations = operations(&reference.exchanges);
    let plans = faults(&operations, Dose::asked());
    let mine: Vec<_> = plans.into_iter().skip(part).step_by(parts).collect();
    let mut failed = Vec::new();
    for (call, effect) in &mine {
        let fault = Fault {
            service: None,
            operation: None,
            when: When::Nth(*call),
            effect: effect.clone(),
        };
        let plan = Plan {
            faults: FaultSettings {
                plan: vec![fault],
                ..FaultSettings::default()
            },
            quiet_ms: reference.took_ms,
            ..calm.clone()
        };
        let report = run(&plan);
        if !report.problems.is_empty() {
            let operation = &operations[usize::try_from(*call).unwrap() - 1];
            let plan = serde_json::to_string(&plan).unwrap();
            println!("{operation}: {:#?}\n{plan}", report.problems);
            failed.push((*call, effect));
        }
    }
    println!(
        "{} single faults of a release with {} calls in {} ms",
        mine.len(),
        operations.len(),
        reference.took_ms
    );
    assert!(
        failed.is_empty(),
        "{} of {} plans: {failed:?}",
        failed.len(),
        mine.len()
    );
    mine.len()
}

#[test]
fn a_single_fault_changes_nothing_first_part() {
    assert!(part(0, 4) > 10);
}

#[test]
fn a_single_fault_changes_nothing_second_part() {
    assert!(part(1, 4) > 10);
}

#[test]
fn a_single_fault_changes_nothing_third_part() {
    assert!(part(2, 4) > 10);
}

#[test]
fn a_single_fault_changes_nothing_fourth_part() {
    assert!(part(3, 4) > 10);
}
