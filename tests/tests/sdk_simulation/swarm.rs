//! Seeded rollouts of every kind in all weathers.

use std::ops::Range;

use tests::Dose;

use crate::plan::Plan;
use crate::run::run;

/// Rollouts of each of the four parts.
fn rollouts() -> u64 {
    match Dose::asked() {
        Dose::Small => 5,
        Dose::Full => 250,
        Dose::Nightly => 2_500,
    }
}

fn part(part: u64) {
    let dose = rollouts();
    check(part * dose..(part + 1) * dose);
}

fn check(seeds: Range<u64>) {
    let (dose, mut failed) = (seeds.end - seeds.start, Vec::new());
    for seed in seeds {
        let plan = Plan::of_seed(seed);
        let report = run(&plan);
        if !report.problems.is_empty() {
            let plan = serde_json::to_string(&plan).unwrap();
            println!("seed {seed}: {:#?}\n{plan}", report.problems);
            failed.push(seed);
        }
    }
    println!("{dose} rollouts");
    assert!(failed.is_empty(), "these seeds of {dose}: {failed:?}");
}

/// `TEAL_SEEDS=0..100`.
#[test]
fn rollouts_that_are_asked_for_end_well() {
    let Ok(asked) = std::env::var("TEAL_SEEDS") else {
        return;
    };
    let (from, to) = asked.split_once("..").unwrap();
    check(from.parse().unwrap()..to.parse().unwrap());
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
