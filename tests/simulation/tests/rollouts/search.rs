//! What the searches share.

use std::path::Path;

use simulation::search::search;
use simulation::{Plan, Setup};

/// How much is searched: `TEAL_DOSE`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dose {
    /// With every run of the tests.
    Small,
    /// What CI carries out: more than 100,000 rollouts.
    Full,
    /// Everything.
    Nightly,
}

impl Dose {
    /// What was asked for.
    pub(crate) fn asked() -> Self {
        match std::env::var("TEAL_DOSE").as_deref() {
            Ok("small") | Err(_) => Self::Small,
            Ok("full") => Self::Full,
            Ok("nightly") => Self::Nightly,
            Ok(other) => panic!("TEAL_DOSE is small, full or nightly, not {other}"),
        }
    }

    /// One of three, by dose.
    pub(crate) fn of<T>(small: T, full: T, nightly: T) -> T {
        match Self::asked() {
            Self::Small => small,
            Self::Full => full,
            Self::Nightly => nightly,
        }
    }
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
