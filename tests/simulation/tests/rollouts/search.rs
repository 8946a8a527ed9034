//! What the searches share.

use std::path::Path;

use simulation::search::search;
use simulation::{Plan, Setup};

/// `make nightly` asks for everything.
pub(crate) fn is_night() -> bool {
    std::env::var("TEAL_DOSE").is_ok_and(|dose| dose == "nightly")
}

/// Carries out `count` plans; every property must hold in each.
pub(crate) fn holds(name: &str, count: usize, plan: impl Fn(usize) -> Plan + Sync) {
    let setup = Setup::default();
    let tally = search(&setup, count, plan);
    match tally.verdict(name, &setup, Path::new(env!("CARGO_TARGET_TMPDIR"))) {
        Ok(line) => println!("{line}"),
        Err(failed) => panic!("{failed}"),
    }
}
