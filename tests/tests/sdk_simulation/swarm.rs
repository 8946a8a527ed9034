//! Seeded rollouts of every kind in all weathers.

use crate::dose::Dose;
use crate::plan::Plan;
use crate::run::run;

/// Rollouts of each of the four parts.
fn rollouts() -> u64 {
    match Dose::asked() {
        Dose::Light => 5,
        Dose::Full => 250,
        Dose::Nightly => 2_500,
    }
}

fn part(part: u64) {
    let dose = rollouts();
    let mut failed = Vec::new();
    for seed in part * dose..(part + 1) * dose {
        let plan = Plan::of_seed(seed);
        let report = run(&plan);
        if !report.problems.is_empty() {
            let plan = serde_json::to_string(&plan).unwrap();
            failed.push(format!("seed {seed}: {:#?}\n{plan}", report.problems));
        }
    }
    println!("{dose} rollouts");
    assert!(
        failed.is_empty(),
        "{} of {dose} seeds:\n{}",
        failed.len(),
        failed.join("\n")
    );
}

#[test]
fn rollouts_in_all_weathers_end_well_first_part() {
    part(0);
}

#[test]
fn rollouts_in_all_weathers_end_well_second_part() {
    part(1);
}

#[test]
fn rollouts_in_all_weathers_end_well_third_part() {
    part(2);
}

#[test]
fn rollouts_in_all_weathers_end_well_fourth_part() {
    part(3);
}
