//! Every pair of faults; a slice of them, evenly spread, where there is no time for all.

use simulation::Setup;
use simulation::search::Pairs;

use crate::search;

/// Pairs that are looked at in every run of the tests.
const DOSE: usize = 20_000;

#[test]
fn of_every_reference_rollout() {
    let pairs = Pairs::new(&Setup::default());
    let all = pairs.count();
    let step = if search::is_night() { 1 } else { all / DOSE };
    let name = format!("pairs, one in {step} of {all}");
    search::holds(&name, all.div_ceil(step), |n| pairs.get(n * step));
}
