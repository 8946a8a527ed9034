//! How much is run: a little with all other tests, much in `make sdk-simulation`, everything in `make nightly`.

/// How much is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dose {
    /// Seconds.
    Light,
    /// Minutes: what must pass before anything lands.
    Full,
    /// Hours.
    Nightly,
}

impl Dose {
    /// What `TEAL_NIGHTLY` and `TEAL_SIMULATION` ask for.
    pub(crate) fn asked() -> Self {
        if std::env::var_os("TEAL_NIGHTLY").is_some() {
            Self::Nightly
        } else if std::env::var_os("TEAL_SIMULATION").is_some() {
            Self::Full
        } else {
            Self::Light
        }
    }
}
