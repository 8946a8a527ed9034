//! Random mixes of kinds and rates, with a quiet tail; and calls that fail at any rate up to 0.3 all the way (L7).
//! `TEAL_SEED` is the first seed, 0 by default: another one makes mixes that were never seen.

use simulation::Plan;
use simulation::plan::Groups;
use simulation::search::{stubborn, swarm};

use crate::search::{self, Dose};

fn first_seed() -> u64 {
    match std::env::var("TEAL_SEED") {
        Ok(seed) => seed.parse().unwrap(),
        Err(_) => 0,
    }
}

/// Every seed once with a pair of groups, and once with a group for each release.
fn both(name: &str, count: usize, plan: impl Fn(u64) -> Plan + Sync) {
    let first = first_seed();
    for groups in Groups::ALL {
        let name = format!("{name}, {groups:?}, seeds from {first}");
        search::holds(&name, count, |n| plan(first + n as u64).on(groups));
    }
}

#[test]
fn of_faults_and_then_a_quiet_tail() {
    both("swarm", Dose::of(300, 4_000, 500_000), swarm);
}

#[test]
fn of_calls_that_fail_all_the_way() {
    let count = Dose::of(300, 2_000, 100_000);
    both("up to a third of the calls failing", count, stubborn);
}
