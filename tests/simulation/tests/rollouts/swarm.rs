//! Random mixes of kinds and rates, with a quiet tail; and calls that fail at any rate up to 0.3 all the way (L7).

use simulation::search::{stubborn, swarm};

use crate::search;

fn dose(day: usize, night: usize) -> usize {
    if search::is_night() { night } else { day }
}

#[test]
fn of_faults_and_then_a_quiet_tail() {
    let count = dose(2_000, 1_000_000);
    search::holds("swarm", count, |n| swarm(n as u64));
}

#[test]
fn of_calls_that_fail_all_the_way() {
    let count = dose(2_000, 200_000);
    search::holds("up to a third of the calls failing", count, |n| {
        stubborn(n as u64)
    });
}
