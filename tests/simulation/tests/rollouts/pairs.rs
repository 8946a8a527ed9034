//! Every pair of faults; a slice of them, evenly spread, where there is no time for all.

use simulation::Setup;
use simulation::plan::Groups;
use simulation::search::Pairs;

use crate::search::{self, Dose};

#[test]
fn of_every_reference_rollout() {
    for groups in Groups::ALL {
        let pairs = Pairs::new(&Setup::default(), groups);
        let all = pairs.count();
        let step = Dose::of(all / 1_000, all / 10_000, 1);
        let name = format!("pairs, {groups:?}, one in {step} of {all}");
        search::holds(&name, all.div_ceil(step), |n| pairs.get(n * step));
    }
}
